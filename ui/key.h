/* key.h - bytes of a terminal as key presses, pastes and mouse events. [style §9, APR-8…10, TTY-7]
 *
 * A pure decoder: bytes and time come in, events go out. UTF-8 and escape sequences may be split
 * over reads. A lone ESC is decided by key_timeout() 30 ms later. Everything that is not recognised
 * (terminal reports, unknown sequences) comes out as KEY_UNKNOWN: it counts as input, and never as
 * a decision.
 */
#ifndef AIRLOCK_UI_KEY_H
#define AIRLOCK_UI_KEY_H

#include "base/buf.h"

#define KEY_ESC_US    30000
#define KEY_BURST_US  5000 /* more than KEY_BURST_LEN bytes within this are no typing */
#define KEY_BURST_LEN 4
#define KEY_PASTE_MAX ((size_t)1 << 20)

enum key_kind { KEY_PRESS, KEY_PASTE, KEY_MOUSE, KEY_UNKNOWN };
enum key_mouse { KEY_MOUSE_PRESS, KEY_MOUSE_WHEEL_UP, KEY_MOUSE_WHEEL_DOWN };

struct key_event {
    enum key_kind kind;
    uint32_t key; /* KEY_PRESS: a code point or enum keymap_key (ui/keymap.h) */
    bool burst;   /* came with others faster than fingers: text, never a decision, never "typed" */
    const char *bytes; /* as they came; of a paste the text without its brackets. Lent */
    size_t len;
    bool cut;             /* a paste longer than KEY_PASTE_MAX: the rest was dropped */
    enum key_mouse mouse; /* KEY_MOUSE */
    int x, y;             /* 0-based cell */
};

struct key_decoder {
    struct buf held;  /* an unfinished sequence */
    struct buf paste; /* text of the paste under way */
    bool in_paste, paste_cut;
    int64_t times[KEY_BURST_LEN + 1]; /* of the last bytes, ring */
    size_t time_at;
    int64_t held_since_us; /* of a lone ESC or unfinished sequence; 0 none */
};

typedef void (*key_sink)(void *arg, const struct key_event *ev);

void key_init(struct key_decoder *d);
void key_release(struct key_decoder *d);
/* What one read() gave, at `now_us`. */
void key_feed(struct key_decoder *d, const char *p, size_t len, int64_t now_us, key_sink fn,
              void *arg);
/* When key_timeout is due; -1 never. */
int64_t key_due_us(const struct key_decoder *d);
void key_timeout(struct key_decoder *d, int64_t now_us, key_sink fn, void *arg);
/* Forget everything that is not finished (a gate opens: APR-9). */
void key_flush(struct key_decoder *d);

#endif
