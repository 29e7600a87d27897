/* fuzz_ndjson.c - the line reader: however the bytes are split, the lines are the same, and they
 * are those of a plain split at LF.
 *
 * Input: byte 0 sets the ceiling, byte 1 seeds the splits, the rest is the stream. */
#include <stdlib.h>
#include <string.h>
#include "base/ndjson.h"

#define CHECK(cond) ((cond) ? (void)0 : abort())

static void add_line(struct buf *b, const char *line, size_t len)
{
    CHECK(buf_addf(b, "%zu ", len) == 0 && buf_add(b, line, len) == 0);
}

static void on_line(void *arg, const char *line, size_t len)
{
    add_line(arg, line, len);
}

static int run(struct buf *out, size_t max, const uint8_t *p, size_t len, unsigned seed)
{
    struct ndjson n;
    int rc = 0;
    buf_init(out, SIZE_MAX / 2);
    ndjson_init(&n, max, on_line, out);
    for (size_t at = 0; rc == 0 && at < len;) {
        size_t some = seed == 0 ? len : (size_t)rand_r(&seed) % 9;
        if (some > len - at)
            some = len - at;
        char *copy = xmemdup(p + at, some);
        rc = ndjson_feed(&n, copy, some, NULL);
        free(copy);
        at += some;
        CHECK(ndjson_pending(&n) <= max);
    }
    if (rc == 0)
        rc = ndjson_end(&n, NULL);
    ndjson_release(&n);
    return rc;
}

/* The same by the shortest way that can be right. */
static int model(struct buf *out, size_t max, const char *p, size_t len)
{
    buf_init(out, SIZE_MAX / 2);
    while (len > 0) {
        const char *lf = memchr(p, '\n', len);
        size_t line = lf != NULL ? (size_t)(lf - p) : len;
        if (line > max)
            return -1;
        size_t shown = line > 0 && p[line - 1] == '\r' ? line - 1 : line;
        if (shown > 0)
            add_line(out, p, shown);
        line += lf != NULL;
        p += line;
        len -= line;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct buf out[3];
    int rc[3];
    if (len < 2)
        return 0;
    rc[0] = run(&out[0], p[0], p + 2, len - 2, 0);
    rc[1] = run(&out[1], p[0], p + 2, len - 2, p[1] + 1u);
    rc[2] = model(&out[2], p[0], (const char *)p + 2, len - 2);
    for (int i = 1; i < 3; i++) {
        CHECK(rc[i] == rc[0] && out[i].len == out[0].len);
        CHECK(out[0].len == 0 || memcmp(out[i].ptr, out[0].ptr, out[0].len) == 0);
    }
    for (int i = 0; i < 3; i++)
        buf_release(&out[i]);
    return 0;
}
