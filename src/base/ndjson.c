/* ndjson.c - lines of a stream; those that lie whole in the input are never copied. */
#include "base/ndjson.h"

#include <string.h>

void ndjson_init(struct ndjson *n, size_t line_max, ndjson_fn fn, void *arg)
{
    *n = (struct ndjson){ .fn = fn, .arg = arg };
    buf_init(&n->line, line_max);
}

void ndjson_release(struct ndjson *n)
{
    buf_release(&n->line);
}

size_t ndjson_pending(const struct ndjson *n)
{
    return n->line.len;
}

static int too_long(struct ndjson *n, struct err *e)
{
    n->failed = true;
    return err_set(e, ERR_LIMIT, "a line of the stream passes %zu bytes", n->line.max);
}

static void hand_on(struct ndjson *n, const char *p, size_t len)
{
    if (len > 0 && p[len - 1] == '\r')
        len--;
    if (len > 0)
        n->fn(n->arg, p, len);
}

static int end_line(struct ndjson *n, const char *p, size_t len, struct err *e)
{
    if (n->line.len == 0) {
        if (len > n->line.max)
            return too_long(n, e);
        hand_on(n, p, len);
        return 0;
    }
    if (buf_add(&n->line, p, len) < 0)
        return too_long(n, e);
    hand_on(n, n->line.ptr, n->line.len);
    buf_reset(&n->line);
    return 0;
}

int ndjson_feed(struct ndjson *n, const char *p, size_t len, struct err *e)
{
    if (n->failed)
        return too_long(n, e);
    for (const char *lf; len > 0 && (lf = memchr(p, '\n', len)) != NULL;) {
        size_t line = (size_t)(lf - p);
        if (end_line(n, p, line, e) < 0)
            return -1;
        p += line + 1;
        len -= line + 1;
    }
    return buf_add(&n->line, p, len) < 0 ? too_long(n, e) : 0;
}

int ndjson_end(struct ndjson *n, struct err *e)
{
    if (n->failed)
        return too_long(n, e);
    if (n->line.len == 0)
        return 0;
    return end_line(n, "", 0, e);
}
