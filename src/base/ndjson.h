/* ndjson.h - lines of a stream as they arrive: one JSON text each, ended by LF.
 *
 * Where the bytes were split makes no difference. A CR before the LF is taken off, empty lines are
 * skipped. Lines are bytes; json_parse judges them.
 */
#ifndef AIRLOCK_BASE_NDJSON_H
#define AIRLOCK_BASE_NDJSON_H

#include "base/buf.h"

#define NDJSON_LINE_MAX (32 * 1024 * 1024) /* NET-4 */

/* `line` is lent for the call, without its end and with no NUL behind it. Must not feed or release
 * the reader. */
typedef void (*ndjson_fn)(void *arg, const char *line, size_t len);

struct ndjson {
    ndjson_fn fn;
    void *arg;
    struct buf line; /* one whose end has not come; its max is the ceiling */
    bool failed;
};

void ndjson_init(struct ndjson *n, size_t line_max, ndjson_fn fn, void *arg);
void ndjson_release(struct ndjson *n);

/* Whole lines go to fn. ERR_LIMIT when one passes the ceiling (its CR counts); from then on every
 * call fails. */
int ndjson_feed(struct ndjson *n, const char *p, size_t len, struct err *e) MUST_CHECK;

/* Bytes held of a line that is not whole: at the end of a stream, the stream was cut [NET-6]. */
size_t ndjson_pending(const struct ndjson *n);
/* At the end of a *file*, whose last line may lack its LF: that line goes to fn. */
int ndjson_end(struct ndjson *n, struct err *e) MUST_CHECK;

#endif
