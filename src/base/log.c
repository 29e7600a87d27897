/* log.c - our own log: JSON lines, redacted, rotated, never on stderr. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/redact.h"

#define ROTATE_BYTES (4 << 20)
#define MSG_MAX      4096       /* of a message, after the redactor saw more of it */
#define RAW_MAX      (64 << 10) /* of it the redactor sees */

static struct {
    int fd;
    char *path;
    enum log_level up_to;
} the_log = { .fd = -1 };

static int open_log(const char *path)
{
    return open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
}

int log_open(const char *path, enum log_level up_to, struct err *e)
{
    struct stat st;
    int fd = open_log(path);
    if (fd < 0)
        return err_sys(e, ERR_IO, "opening the log %s", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
        close(fd);
        return err_set(e, ERR_DENIED, "the log %s is not a plain file of yours", path);
    }
    fchmod(fd, 0600);
    log_close();
    the_log.fd = fd;
    the_log.path = xstrdup(path);
    the_log.up_to = up_to;
    return 0;
}

void log_close(void)
{
    if (the_log.fd >= 0)
        close(the_log.fd);
    free(the_log.path);
    the_log.fd = -1;
    the_log.path = NULL;
}

/* Several processes share the file: whoever finds it full renames it, the others find that their
 * file has another name by now and open the new one. */
static void rotate_if_full(void)
{
    struct stat mine, named;
    if (fstat(the_log.fd, &mine) < 0 || mine.st_size < ROTATE_BYTES)
        return;
    if (lstat(the_log.path, &named) == 0 && named.st_dev == mine.st_dev &&
        named.st_ino == mine.st_ino) {
        char *old = xasprintf("%s.1", the_log.path);
        rename(the_log.path, old);
        free(old);
    }
    int fd = open_log(the_log.path);
    if (fd < 0)
        return;
    close(the_log.fd);
    the_log.fd = fd;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        return "error";
    case LOG_WARN:
        return "warn";
    case LOG_INFO:
        return "info";
    case LOG_DEBUG:
        return "debug";
    }
    return "debug";
}

/* Of a message that was cut, what may be the beginning of a secret stays behind. */
static void redact_msg(const struct buf *raw, bool cut, struct buf *msg)
{
    struct redact_stream s;
    redact_stream_init(&s);
    redact_stream_feed(redact_global(), &s, raw->ptr, raw->len, msg);
    if (!cut)
        redact_stream_end(redact_global(), &s, msg);
    redact_stream_release(&s);
    buf_truncate(msg, MSG_MAX);
}

static void add_line(struct buf *line, enum log_level level, const char *module, struct buf *msg)
{
    char at[CLOCK_ISO_LEN];
    clock_iso(clock_wall_us(), at);
    struct json_w w;
    json_w_init(&w, line);
    json_w_object(&w, NULL);
    json_w_str(&w, "at", at);
    json_w_str(&w, "level", level_name(level));
    json_w_str(&w, "module", module);
    json_w_strn(&w, "msg", buf_str(msg), msg->len);
    json_w_close_object(&w);
    if (json_w_end(&w) < 0)
        buf_reset(line);
    else
        buf_add_char(line, '\n');
}

void log_msg(enum log_level level, const char *module, const char *fmt, ...)
{
    if (the_log.fd < 0 || level > the_log.up_to)
        return;
    int saved = errno;
    struct buf raw = BUF_INIT(RAW_MAX), msg = BUF_INIT(8 * RAW_MAX), line = BUF_INIT(8 * MSG_MAX);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf_reserve(&raw, RAW_MAX - 1), RAW_MAX, fmt, ap);
    va_end(ap);
    if (n >= 0) {
        buf_grew(&raw, n < RAW_MAX ? (size_t)n : RAW_MAX - 1);
        redact_msg(&raw, n >= RAW_MAX, &msg);
        add_line(&line, level, module, &msg);
        rotate_if_full();
        /* One write: lines of several processes don't mix. What fails is lost. */
        ssize_t ignored = line.len != 0 ? write(the_log.fd, line.ptr, line.len) : 0;
        (void)ignored;
    }
    buf_release(&raw);
    buf_release(&msg);
    buf_release(&line);
    errno = saved;
}
