/* lineinput.h - lines from an input that is no terminal (a pipe, a file), waited for in the loop,
 * so that signals and what is under way are answered meanwhile.
 */
#ifndef AIRLOCK_CLI_LINEINPUT_H
#define AIRLOCK_CLI_LINEINPUT_H

#include "base/buf.h"
#include "base/loop.h"

#define LINE_INPUT_MAX ((size_t)2 << 20) /* bytes of one line */

struct line_input {
    struct loop *loop;
    struct loop_source *source; /* NULL: a plain file, which never lets one wait */
    int fd;
    struct buf read; /* what was read and not given yet */
    size_t given;    /* of it, the line that is lent */
    bool ended;
    struct err failed; /* why it ended */
};

/* `fd` is borrowed, may block, and is read only when something is there. */
int line_input_open(struct line_input *in, struct loop *lp, int fd, struct err *e) MUST_CHECK;
void line_input_close(struct line_input *in);

/* 1 and a line without its LF in *line (lent until the next call), 0 at the end or as soon as
 * `over(arg)` holds, -1. ERR_LIMIT: a line of more than LINE_INPUT_MAX bytes. */
int line_input_next(struct line_input *in, bool (*over)(void *arg), void *arg, char **line,
                    struct err *e) MUST_CHECK;

#endif
