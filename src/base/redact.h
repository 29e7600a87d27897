/* redact.h - secrets this process has loaded, and a filter that keeps them out of every sink.
 * [SEC-4]
 *
 * For each secret the exact value and its base64 (3 alignments, also broken into lines), hex, URL-
 * and JSON-escaped forms (redact_forms.h) are looked for in one pass (first-two-bytes table),
 * across chunk borders: a stream holds back at most the longest pattern - 1 bytes, and only what
 * may be the beginning of one. A hit is replaced by `[secret:NAME]`, named after the longest
 * pattern that begins there; where hits overlap, every byte of each is hidden.
 */
#ifndef AIRLOCK_BASE_REDACT_H
#define AIRLOCK_BASE_REDACT_H

#include "buf.h"

struct redact; /* a set of secrets; memory is MADV_DONTDUMP and wiped on free */

struct redact *redact_new(void);
void redact_free(struct redact *r);

/* ERR_FORMAT when the value is not printable ASCII of 8–512 bytes. Copied. */
int redact_add(struct redact *r, const char *name, const char *value, size_t len,
               struct err *e) MUST_CHECK;
bool redact_is_empty(const struct redact *r); /* no secret was added */

/* From now on everything but redact_find also hides what looks like a secret
 * (base/redact_shape.h), as `[secret:github-token]`. redact_find does not: code that holds an
 * example of a key may be proposed. */
void redact_add_shapes(struct redact *r);
bool redact_is_idle(const struct redact *r); /* neither secrets nor shapes: nothing is filtered */

/* Whole text: appends the filtered form to out. Returns the number of hits (-1: out full). */
int redact_text(const struct redact *r, const char *p, size_t len, struct buf *out);

/* Does any secret stand in it? Gives its name (lent) and the byte offset of the first hit. */
const char *redact_find(const struct redact *r, const char *p, size_t len, size_t *offset);

/* Would redact_text change it? */
bool redact_touches(const struct redact *r, const char *p, size_t len);

/* The same where lengths and offsets must stay: every byte of every hit becomes `with`, in place.
 * Returns the number of hits. What lies within redact_reach() of an end of the text may be part of
 * a hit that goes on beyond it. */
int redact_blot(const struct redact *r, char *p, size_t len, char with);
size_t redact_reach(const struct redact *r);

/* A stream with hold-back (one for stdout, one for stderr). */
struct redact_stream {
    struct buf held;
    size_t hidden; /* bytes at the front of `held` or of what comes next that belong to a hit */
    char before;   /* the byte before `held` */
};
void redact_stream_init(struct redact_stream *s);
/* Returns the number of hits, or -1 when `out` was full: the rest of what was fed is lost then. */
int redact_stream_feed(const struct redact *r, struct redact_stream *s, const char *p, size_t len,
                       struct buf *out);
int redact_stream_end(const struct redact *r, struct redact_stream *s,
                      struct buf *out); /* flush the rest */
void redact_stream_release(struct redact_stream *s);

/* The process-wide set used by log.c (borrowed; NULL to unset). */
void redact_set_global(const struct redact *r);
const struct redact *redact_global(void);

#endif
