#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf)BUF_INIT(max);
}

void buf_release(struct buf *b)
{
    if (b == NULL)
        return;
    free(b->ptr);
    b->ptr = NULL;
    b->len = b->cap = 0;
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    if (b->ptr != NULL)
        b->ptr[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t len)
{
    if (len > b->max || b->len > b->max - len)
        return NULL;
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = b->cap != 0 ? b->cap : FIRST_CAP;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        b->ptr = xrealloc(b->ptr, cap);
        b->cap = cap;
        b->ptr[b->len] = '\0'; /* also when nothing will be added */
    }
    return b->ptr + b->len;
}

void buf_grew(struct buf *b, size_t len)
{
    INVARIANT(b->cap - b->len > len);
    b->len += len;
    b->ptr[b->len] = '\0';
}

int buf_add(struct buf *b, const void *ptr, size_t len)
{
    char *at = buf_reserve(b, len);
    if (at == NULL)
        return -1;
    if (len != 0)
        memcpy(at, ptr, len);
    buf_grew(b, len);
    return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -1;
    char *at = buf_reserve(b, (size_t)n);
    if (at == NULL)
        return -1;
    va_start(ap, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    buf_grew(b, (size_t)n);
    return 0;
}

void buf_drop_front(struct buf *b, size_t len)
{
    if (len >= b->len) {
        buf_reset(b);
        return;
    }
    memmove(b->ptr, b->ptr + len, b->len - len);
    b->len -= len;
    b->ptr[b->len] = '\0';
}

void buf_truncate(struct buf *b, size_t len)
{
    if (len < b->len) {
        b->len = len;
        b->ptr[len] = '\0';
    }
}

const char *buf_str(struct buf *b)
{
    return b->ptr != NULL ? b->ptr : "";
}

char *buf_detach(struct buf *b)
{
    char *p = b->ptr != NULL ? b->ptr : xcalloc(1, 1);
    b->ptr = NULL;
    b->len = b->cap = 0;
    return p;
}

void *xmalloc(size_t n)
{
    void *p = malloc(n != 0 ? n : 1);
    if (p == NULL)
        err_no_memory();
    return p;
}

void xneed(size_t n)
{
    /* A size that stays below the mmap threshold stays with the process. */
    void *volatile p = xmalloc(n);
    free(p);
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n != 0 ? n : 1, size != 0 ? size : 1);
    if (p == NULL)
        err_no_memory();
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n != 0 ? n : 1);
    if (q == NULL)
        err_no_memory();
    return q;
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total))
        err_bug(__FILE__, __LINE__, "array size overflow");
    return xrealloc(p, total);
}

void *xmemdup(const void *p, size_t n)
{
    char *q = xmalloc(n + 1);
    if (n != 0)
        memcpy(q, p, n);
    q[n] = '\0';
    return q;
}

char *xstrdup(const char *s)
{
    return xmemdup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    return xmemdup(s, strnlen(s, n));
}

char *xasprintf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    INVARIANT(n >= 0);
    char *s = xmalloc((size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}
