/* sse.h - server-sent events from bytes as they arrive, by the rules of the WHATWG HTML standard.
 *
 * LF, CR and CRLF end lines, one BOM at the start is skipped, comments are skipped, `data` lines
 * are joined by LF. Where the bytes were split makes no difference. Bytes are not checked for
 * UTF-8: who parses the data does that. A stream that ends inside an event loses it, as the
 * standard says; sse_pending tells.
 */
#ifndef AIRLOCK_BASE_SSE_H
#define AIRLOCK_BASE_SSE_H

#include "base/buf.h"

#define SSE_EVENT_MAX (1024 * 1024) /* NET-4 */

/* All lent for the call. Text has a NUL behind it (data may hold others). */
struct sse_event {
    const char *type; /* "message" unless the event says otherwise */
    const char *data;
    size_t data_len;
    const char *id; /* the last one seen; "" before the first */
};

/* Must not feed or release the parser. */
typedef void (*sse_fn)(void *arg, const struct sse_event *ev);

struct sse {
    sse_fn fn;
    void *arg;
    size_t event_max;
    size_t event_bytes; /* of the event under way, line ends included, comments not */
    struct buf line;    /* a line whose end has not come */
    struct buf data, type, id;
    int64_t retry_ms; /* what the server last asked for, or -1 */
    unsigned bom_len; /* bytes of a BOM seen so far; BOM_DONE behind it */
    bool after_cr;    /* an LF now belongs to the line end before */
    bool failed;
};

void sse_init(struct sse *s, size_t event_max, sse_fn fn, void *arg);
void sse_release(struct sse *s);

/* Events that are whole go to fn, in order. ERR_LIMIT when a line or an event passes event_max;
 * from then on every call fails. */
int sse_feed(struct sse *s, const char *p, size_t len, struct err *e) MUST_CHECK;

/* Has an event begun that is not whole yet? */
bool sse_pending(const struct sse *s);

#endif
