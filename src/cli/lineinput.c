/* lineinput.c - lines from a pipe or a file, waited for in the loop. */
#include "cli/lineinput.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void read_some(struct line_input *in)
{
    char chunk[16384];
    ssize_t n = read(in->fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR)
        return;
    if (n < 0)
        err_sys(&in->failed, ERR_IO, "read standard input");
    else if (n > 0 && buf_add(&in->read, chunk, (size_t)n) < 0)
        err_set(&in->failed, ERR_LIMIT, "a line of the input is longer than %zu MiB",
                LINE_INPUT_MAX >> 20);
    in->ended = n == 0 || in->failed.code != ERR_NONE;
}

static void on_readable(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    read_some(arg);
    struct line_input *in = arg;
    loop_change_fd(in->loop, in->source, 0); /* until the next piece is wanted */
}

int line_input_open(struct line_input *in, struct loop *lp, int fd, struct err *e)
{
    struct err why = ERR_INIT;
    *in = (struct line_input){ .loop = lp, .fd = fd };
    buf_init(&in->read, LINE_INPUT_MAX + 16384);
    if (loop_add_fd(lp, fd, LOOP_READ, LOOP_NORMAL, on_readable, in, &in->source, &why) == 0)
        loop_change_fd(lp, in->source, 0);
    else if (why.sys != EPERM) /* that is a file, or /dev/null */
        return err_set(e, why.code, "%s", why.msg);
    return 0;
}

void line_input_close(struct line_input *in)
{
    loop_remove(in->loop, in->source);
    in->source = NULL;
    buf_release(&in->read);
}

/* 1 when there is a line: whole, or the last one, which may lack its LF. */
static bool take(struct line_input *in, char **line)
{
    char *text = in->read.ptr;
    char *lf = in->read.len > 0 ? memchr(text, '\n', in->read.len) : NULL;
    if (lf == NULL && (!in->ended || in->read.len == 0))
        return false;
    in->given = lf != NULL ? (size_t)(lf - text) + 1 : in->read.len;
    if (lf != NULL)
        *lf = '\0'; /* else the buffer's own */
    *line = text;
    return true;
}

int line_input_next(struct line_input *in, bool (*over)(void *arg), void *arg, char **line,
                    struct err *e)
{
    buf_drop_front(&in->read, in->given);
    in->given = 0;
    while (!over(arg)) {
        if (in->failed.code != ERR_NONE)
            return err_set(e, in->failed.code, "%s", in->failed.msg);
        if (take(in, line))
            return 1;
        if (in->ended)
            return 0;
        if (in->source == NULL) {
            read_some(in);
            continue;
        }
        loop_change_fd(in->loop, in->source, LOOP_READ);
        if (loop_turn(in->loop, -1, e) < 0)
            return -1;
    }
    return 0;
}
