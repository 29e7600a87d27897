/* key.c - decoding what a terminal sends. */
#include "ui/key.h"

#include <string.h>

#include "base/utf8.h"
#include "ui/keymap.h"

#define SEQUENCE_MAX 64

void key_init(struct key_decoder *d)
{
    *d = (struct key_decoder){ .time_at = 0 };
    buf_init(&d->held, 256);
    buf_init(&d->paste, KEY_PASTE_MAX + 16);
    for (size_t i = 0; i <= KEY_BURST_LEN; i++)
        d->times[i] = INT64_MIN / 2;
}

void key_release(struct key_decoder *d)
{
    buf_release(&d->held);
    buf_release(&d->paste);
}

void key_flush(struct key_decoder *d)
{
    buf_reset(&d->held);
    buf_reset(&d->paste);
    d->in_paste = d->paste_cut = false;
    d->held_since_us = 0;
}

/* The KEY_BURST_LEN + 1 newest bytes all came within KEY_BURST_US. */
static bool note_byte(struct key_decoder *d, int64_t now_us)
{
    d->times[d->time_at] = now_us;
    d->time_at = (d->time_at + 1) % (KEY_BURST_LEN + 1);
    return now_us - d->times[d->time_at] < KEY_BURST_US;
}

/* ---- sequences ---- */

struct sequence {
    const char *text; /* behind ESC */
    uint32_t key;
};
static const struct sequence sequences[] = {
    { "[A", KEYMAP_UP },        { "[B", KEYMAP_DOWN },     { "[C", KEYMAP_RIGHT },
    { "[D", KEYMAP_LEFT },      { "OA", KEYMAP_UP },       { "OB", KEYMAP_DOWN },
    { "OC", KEYMAP_RIGHT },     { "OD", KEYMAP_LEFT },     { "[H", KEYMAP_HOME },
    { "[F", KEYMAP_END },       { "OH", KEYMAP_HOME },     { "OF", KEYMAP_END },
    { "[1~", KEYMAP_HOME },     { "[4~", KEYMAP_END },     { "[7~", KEYMAP_HOME },
    { "[8~", KEYMAP_END },      { "[2~", KEYMAP_INSERT },  { "[3~", KEYMAP_DELETE },
    { "[5~", KEYMAP_PGUP },     { "[6~", KEYMAP_PGDN },    { "[Z", KEYMAP_BACKTAB },
    { "OP", KEYMAP_F1 },        { "OQ", KEYMAP_F1 + 1 },   { "OR", KEYMAP_F1 + 2 },
    { "OS", KEYMAP_F1 + 3 },    { "[11~", KEYMAP_F1 },     { "[12~", KEYMAP_F1 + 1 },
    { "[13~", KEYMAP_F1 + 2 },  { "[14~", KEYMAP_F1 + 3 }, { "[15~", KEYMAP_F1 + 4 },
    { "[17~", KEYMAP_F1 + 5 },  { "[18~", KEYMAP_F1 + 6 }, { "[19~", KEYMAP_F1 + 7 },
    { "[20~", KEYMAP_F1 + 8 },  { "[21~", KEYMAP_F1 + 9 }, { "[23~", KEYMAP_F1 + 10 },
    { "[24~", KEYMAP_F1 + 11 }, { "[[A", KEYMAP_F1 },
};

static uint32_t find_sequence(const char *p, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        if (strlen(sequences[i].text) == len && memcmp(sequences[i].text, p, len) == 0)
            return sequences[i].key;
    }
    return KEYMAP_NONE;
}

/* Length of the escape sequence at p (which starts with ESC), 0 while unfinished. */
static size_t sequence_length(const char *p, size_t len)
{
    if (len < 2)
        return 0;
    if (p[1] == 'O')
        return len >= 3 ? 3 : 0;
    if (p[1] == ']' || p[1] == 'P' || p[1] == '_' || p[1] == '^' || p[1] == 'X') {
        /* A report of the terminal: to BEL or ST. */
        for (size_t i = 2; i < len; i++) {
            if (p[i] == '\a')
                return i + 1;
            if (p[i] == '\\' && p[i - 1] == '\033' && i > 2)
                return i + 1;
        }
        return len >= SEQUENCE_MAX * 3 ? len : 0;
    }
    if (p[1] != '[') {
        uint32_t cp;
        if ((unsigned char)p[1] < 0x80)
            return 2;
        unsigned n = utf8_decode(p + 1, len - 1, &cp);
        return n != 0 ? 1 + n : len >= 5 ? 2 : 0;
    }
    if (len >= 3 && p[2] == '[')
        return len >= 4 ? 4 : 0;
    for (size_t i = 2; i < len; i++) {
        if (p[i] >= 0x40 && p[i] <= 0x7e)
            return i + 1;
        if (i > SEQUENCE_MAX)
            return i;
    }
    return 0;
}

static int read_int(const char **p, const char *end)
{
    int n = 0;
    while (*p < end && **p >= '0' && **p <= '9' && n < 100000)
        n = n * 10 + (*(*p)++ - '0');
    if (*p < end && **p == ';')
        (*p)++;
    return n;
}

/* ESC [ < button ; x ; y M|m */
static bool decode_mouse(const char *p, size_t len, struct key_event *ev)
{
    const char *at = p + 3, *end = p + len - 1;
    if (len < 9 || p[2] != '<' || (*end != 'M' && *end != 'm'))
        return false;
    int button = read_int(&at, end);
    ev->x = read_int(&at, end) - 1;
    ev->y = read_int(&at, end) - 1;
    if (*end == 'm' || (button & 32)) /* release, motion: no news */
        ev->kind = KEY_UNKNOWN;
    else
        ev->kind = KEY_MOUSE;
    ev->mouse = button == 64   ? KEY_MOUSE_WHEEL_UP
                : button == 65 ? KEY_MOUSE_WHEEL_DOWN
                               : KEY_MOUSE_PRESS;
    return true;
}

static void decode_sequence(struct key_event *ev, const char *p, size_t len)
{
    uint32_t cp;
    ev->kind = KEY_UNKNOWN;
    if (p[1] == '[' && decode_mouse(p, len, ev))
        return;
    ev->key = find_sequence(p + 1, len - 1);
    if (ev->key == KEYMAP_NONE && p[1] != '[' && p[1] != 'O' &&
        utf8_decode(p + 1, len - 1, &cp) == len - 1)
        ev->key = cp | KEYMAP_ALT;
    if (ev->key != KEYMAP_NONE)
        ev->kind = KEY_PRESS;
}

/* ---- feeding ---- */

static void end_paste(struct key_decoder *d, key_sink fn, void *arg)
{
    struct key_event ev = { .kind = KEY_PASTE,
                            .burst = true,
                            .bytes = buf_str(&d->paste),
                            .len = d->paste.len,
                            .cut = d->paste_cut };
    d->in_paste = false;
    fn(arg, &ev);
    buf_reset(&d->paste);
    d->paste_cut = false;
}

static void paste_byte(struct key_decoder *d, char c, key_sink fn, void *arg)
{
    static const char end[] = "\033[201~";
    size_t n = sizeof end - 1;
    if (d->paste.len >= KEY_PASTE_MAX && c != end[0] && d->held.len == 0) {
        d->paste_cut = true;
        return;
    }
    /* `held` is how much of the end mark has come. */
    if (c == end[d->held.len]) {
        (void)buf_add_char(&d->held, c);
        if (d->held.len == n) {
            buf_reset(&d->held);
            end_paste(d, fn, arg);
        }
        return;
    }
    if (d->paste.len + d->held.len < KEY_PASTE_MAX)
        (void)buf_add(&d->paste, buf_str(&d->held), d->held.len);
    buf_reset(&d->held);
    if (c == end[0])
        (void)buf_add_char(&d->held, c);
    else
        (void)buf_add_char(&d->paste, c);
}

/* Give out what is finished at the front of `held`. */
static void take_held(struct key_decoder *d, bool burst, bool final, key_sink fn, void *arg)
{
    while (d->held.len > 0) {
        struct key_event ev = { .kind = KEY_PRESS, .burst = burst, .bytes = d->held.ptr };
        size_t n;
        uint32_t cp = 0;
        if (d->held.ptr[0] == '\033') {
            n = sequence_length(d->held.ptr, d->held.len);
            if (n == 0 && !final)
                return;
            if (n == 0 && d->held.len == 1)
                ev.key = KEYMAP_ESC, n = 1;
            else if (n == 0)
                ev.kind = KEY_UNKNOWN, n = d->held.len;
            else if (n == 6 && memcmp(d->held.ptr, "\033[200~", 6) == 0) {
                buf_drop_front(&d->held, n);
                d->in_paste = true;
                return;
            } else
                decode_sequence(&ev, d->held.ptr, n);
        } else {
            n = utf8_decode(d->held.ptr, d->held.len, &cp);
            if (n == 0 && d->held.len < 4 && !final && (unsigned char)d->held.ptr[0] >= 0xc2)
                return;
            ev.key = cp;
            if (n == 0)
                ev.kind = KEY_UNKNOWN, n = 1;
            else if (cp == '\b')
                ev.key = KEYMAP_BACKSPACE;
        }
        char bytes[SEQUENCE_MAX * 4];
        ev.len = n < sizeof bytes ? n : sizeof bytes;
        memcpy(bytes, d->held.ptr, ev.len);
        ev.bytes = bytes;
        buf_drop_front(&d->held, n);
        fn(arg, &ev);
    }
}

void key_feed(struct key_decoder *d, const char *p, size_t len, int64_t now_us, key_sink fn,
              void *arg)
{
    /* One long sequence is one key press; anything else that comes in one piece is a burst. */
    bool one_key = len > 0 && p[0] == '\033' && sequence_length(p, len) == len;
    for (size_t i = 0; i < len; i++) {
        bool burst = note_byte(d, now_us);
        burst = (burst || len > KEY_BURST_LEN) && !one_key;
        if (d->in_paste) {
            paste_byte(d, p[i], fn, arg);
            continue;
        }
        if (buf_add_char(&d->held, p[i]) < 0)
            buf_reset(&d->held);
        take_held(d, burst, false, fn, arg);
    }
    d->held_since_us = d->held.len > 0 && !d->in_paste ? now_us : 0;
}

int64_t key_due_us(const struct key_decoder *d)
{
    return d->held_since_us != 0 ? d->held_since_us + KEY_ESC_US : -1;
}

void key_timeout(struct key_decoder *d, int64_t now_us, key_sink fn, void *arg)
{
    if (d->held_since_us == 0 || now_us < d->held_since_us + KEY_ESC_US)
        return;
    d->held_since_us = 0;
    take_held(d, false, true, fn, arg);
}
