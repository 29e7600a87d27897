/* frame.h - the picture of a session after one event, and its hash.
 *
 * A frame is what view_draw makes of the state after an event, on a screen of a given size that
 * nobody has touched: no focus moved, nothing scrolled or typed, no message, the clock standing at
 * the event's own time, the gate as the record has it, pictures not decoded. So it depends on the
 * record alone: the live session and each replay of it have the same frames. The hash is SHA-256
 * over the size and every cell (its code points, style and width), all numbers big-endian.
 */
#ifndef AIRLOCK_CLI_FRAME_H
#define AIRLOCK_CLI_FRAME_H

#include "base/sha256.h"
#include "cli/pastgate.h"

struct frames {
    struct grid grid;
    struct view_model vm;
    struct past_gate gate;
    int fd; /* where the lines go, -1 nowhere; owned unless it is standard output */
    struct err failed;
};

/* `path`: a file that is made anew, "-" standard output. ERR_IO. */
int frames_open(struct frames *f, const char *path, int w, int h, struct err *e) MUST_CHECK;
void frames_close(struct frames *f);
/* "SEQ HASH\n" for the event that was just applied to `st`. */
void frames_add(struct frames *f, const struct state *st, const struct output_source *source);
void frames_hash(struct frames *f, const struct state *st, const struct output_source *source,
                 char hex[SHA256_HEX_LEN + 1]);

/* "100x30"; ERR_USAGE. */
int frames_parse_size(const char *text, int *w, int *h, struct err *e) MUST_CHECK;

#endif
