/* compare.h - two recorded texts compared, through noise masks where they differ without them.
 * [architecture §7, RES-1]
 *
 * Whether all bytes are the same is asked of the whole streams, in pieces; only when they are not,
 * at most COMPARE_MAX bytes of each side are read, masked and aligned line by line. What lies
 * beyond is not looked at and counts as a difference: `cut` says so.
 */
#ifndef AIRLOCK_SESSIONS_COMPARE_H
#define AIRLOCK_SESSIONS_COMPARE_H

#include "base/diff.h"
#include "sessions/store.h"

#define COMPARE_MAX ((size_t)64 << 20)

/* How to compare. `tick`, unless NULL, is asked between pieces of the work of some MiB: -1 gives up
 * with the error it set. */
struct compare_how {
    unsigned masks;
    int (*tick)(void *arg, struct err *e);
    void *arg;
};

enum compare_verdict { COMPARE_IDENTICAL, COMPARE_MASKED, COMPARE_DIFFERS };
const char *compare_verdict_name(enum compare_verdict v); /* "identical" "masked" "differs" */

/* Where a side's bytes come from; `read` as store_read_output. */
struct compare_source {
    ssize_t (*read)(void *arg, uint64_t offset, char *dst, size_t len, struct err *e);
    void *arg;
};

struct compare {
    enum compare_verdict verdict;
    unsigned masks; /* that found something on either side; 0 unless masks were needed */
    size_t line;    /* DIFFERS: first differing line of the first side, 1-based; else 0 */
    bool cut;
    bool binary; /* a NUL stands in the beginning of a side: no text */
    /* What was aligned; all empty when IDENTICAL. Line n of `a` is line n of the first text. */
    struct buf a, b;
    struct diff diff;
};

/* ERR_LIMIT when the masked texts grow out of all bounds, or what a read or `tick` fails with.
 * Release *out with compare_release also on failure. */
int compare_sources(struct compare *out, const struct compare_source *a,
                    const struct compare_source *b, const struct compare_how *how,
                    struct err *e) MUST_CHECK;
int compare_texts(struct compare *out, const char *a, size_t a_len, const char *b, size_t b_len,
                  const struct compare_how *how, struct err *e) MUST_CHECK;
void compare_release(struct compare *c);

/* A stream of a run as a source; `s` is the arg. */
struct compare_stream {
    struct store *store;
    uint32_t run;
    unsigned stream;
};
struct compare_source compare_stream_source(struct compare_stream *s);

/* Offsets of the line starts of `p` up to and with its end: *count lines, *count + 1 offsets.
 * Caller frees. */
size_t *compare_line_starts(const char *p, size_t len, size_t *count);

#endif
