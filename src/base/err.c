#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*abort_hook)(void);
static int no_memory_status = 3;

static void __attribute__((format(printf, 2, 0)))
set_message(struct err *e, const char *fmt, va_list ap)
{
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (e == NULL)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    e->code = code;
    e->sys = 0;
    set_message(e, fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *e, enum err_code code, const char *fmt, ...)
{
    int saved = errno;
    if (e == NULL)
        return -1;
    va_list ap;
    va_start(ap, fmt);
    e->code = code;
    e->sys = saved;
    set_message(e, fmt, ap);
    va_end(ap);
    size_t len = strlen(e->msg);
    snprintf(e->msg + len, sizeof e->msg - len, ": %s", strerror(saved));
    errno = saved;
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return -1;
    char old[sizeof e->msg];
    memcpy(old, e->msg, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    set_message(e, fmt, ap);
    va_end(ap);
    size_t len = strlen(e->msg);
    snprintf(e->msg + len, sizeof e->msg - len, ": %s", old);
    return -1;
}

void err_clear(struct err *e)
{
    if (e != NULL)
        *e = (struct err)ERR_INIT;
}

const char *err_code_name(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_IO:
        return "io";
    case ERR_NET:
        return "net";
    case ERR_FORMAT:
        return "format";
    case ERR_LIMIT:
        return "limit";
    case ERR_DENIED:
        return "denied";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_USAGE:
        return "usage";
    case ERR_MISSING:
        return "missing";
    case ERR_BUSY:
        return "busy";
    case ERR_INTEGRITY:
        return "integrity";
    }
    return "unknown";
}

void err_set_abort_hook(void (*fn)(void))
{
    abort_hook = fn;
}

static void write_all(const char *s)
{
    size_t len = strlen(s);
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, s, len);
        if (n <= 0)
            return;
        s += n;
        len -= (size_t)n;
    }
}

void err_set_no_memory_status(int status)
{
    no_memory_status = status;
}

void err_no_memory(void)
{
    if (abort_hook != NULL)
        abort_hook();
    write_all("airlock: out of memory. What was recorded is safe: free some memory, then "
              "`airlock resume last`\n");
    _exit(no_memory_status);
}

void err_bug(const char *file, int line, const char *what)
{
    char where[32];
    if (abort_hook != NULL)
        abort_hook();
    snprintf(where, sizeof where, ":%d: ", line);
    write_all("airlock: this is a bug, and going on would not be safe: ");
    write_all(file);
    write_all(where);
    write_all(what);
    write_all("\n");
    abort();
}
