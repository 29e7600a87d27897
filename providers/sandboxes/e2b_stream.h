/* e2b_stream.h - the answer of the code interpreter: lines of JSON, read as they arrive. [e2b.md
 * §5]
 *
 * Pure: bytes in, calls out; where the bytes were split makes no difference. HTTP says 200 whatever
 * happened; what became of the code stands in the lines, and only the last of them proves an end.
 */
#ifndef AIRLOCK_SANDBOXES_E2B_STREAM_H
#define AIRLOCK_SANDBOXES_E2B_STREAM_H

#include "base/ndjson.h"
#include "providers/sandbox.h"

/* What is told while it is read; all borrowed. */
struct e2b_stream_told {
    void (*output)(void *arg, enum sandbox_stream stream, const char *p, size_t len);
    void (*result)(void *arg, const char *mime, const char *p, size_t len, bool main);
    void *arg;
};

/* Why a run did not end by itself; told by name with an empty traceback. [e2b.md §5.7] */
enum e2b_trouble {
    E2B_NO_TROUBLE,
    E2B_KERNEL_DIED, /* ContextRestarting: the same context, its variables gone */
    E2B_LINK_LOST,   /* WebSocketError, UnexpectedEndOfExecution */
    E2B_ABORTED,     /* ExecutionAborted */
};

struct e2b_stream {
    struct ndjson lines;
    struct e2b_stream_told told;
    struct buf a, b, c; /* strings of the line at hand */
    bool begun;         /* the kernel took the cell */
    bool any;           /* a line came */
    bool ended;         /* the line that proves it */
    bool has_error;     /* of the code; the first counts */
    struct buf name, value, traceback;
    enum e2b_trouble trouble;
    size_t bad_lines; /* no JSON, or a known one that is not as it must be */
    struct err first_bad;
};

void e2b_stream_init(struct e2b_stream *s, const struct e2b_stream_told *told);
void e2b_stream_release(struct e2b_stream *s);
void e2b_stream_reset(struct e2b_stream *s); /* for the next answer */

/* ERR_LIMIT for a line over NDJSON_LINE_MAX: the rest can't be understood. */
int e2b_stream_feed(struct e2b_stream *s, const char *p, size_t len, struct err *e) MUST_CHECK;

#endif
