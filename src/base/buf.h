/* buf.h - a growable run of bytes that states its ceiling where it is born, and xmalloc.
 *
 * NUL-terminated past `len` once anything was added. Growth beyond `max` fails with -1 and leaves
 * the contents as they were; running out of memory ends the process (err_no_memory).
 * All functions accept a zeroed struct with `max` set (BUF_INIT).
 */
#ifndef AIRLOCK_BASE_BUF_H
#define AIRLOCK_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "err.h"

struct buf {
    char *ptr; /* NULL until the first byte; never NULL after buf_str() */
    size_t len, cap, max;
};

#define BUF_INIT(ceiling)                                                                          \
    {                                                                                              \
        NULL, 0, 0, (ceiling)                                                                      \
    }

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* frees; the struct may be used again */
void buf_reset(struct buf *b);   /* empties, keeps capacity */

/* 0, or -1 when the result would pass `max` (nothing was added then). */
int buf_add(struct buf *b, const void *ptr, size_t len);
int buf_add_str(struct buf *b, const char *s);
int buf_add_char(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for `len` more bytes at the end, lent until the next call; NULL past `max`. The caller
 * writes there and then calls buf_grew(). */
char *buf_reserve(struct buf *b, size_t len);
void buf_grew(struct buf *b, size_t len);

void buf_drop_front(struct buf *b, size_t len); /* memmove; for queues of modest size */
void buf_truncate(struct buf *b, size_t len);
const char *buf_str(struct buf *b); /* lent; "" when empty */
char *buf_detach(struct buf *b);    /* caller frees; the buf is empty afterwards */

/* Abort with the terminal restored instead of returning NULL. Sizes from outside never get here:
 * they go through a capped buf. */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull)); /* NUL added */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((malloc, returns_nonnull));
/* Ends the process here when `n` bytes can't be had: before a library that does not survive a
 * failed allocation of its own. */
void xneed(size_t n);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* The value of a macro as a string literal. */
#define TEXT_OF(macro)    TEXT_OF_IT(macro)
#define TEXT_OF_IT(value) #value

#endif
