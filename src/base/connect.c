/* connect.c - Connect-RPC frames. */
#include "base/connect.h"

#define HEAD       5
#define COMPRESSED 1u
#define END        2u

void connect_init(struct connect *c, connect_fn fn, void *arg)
{
    *c = (struct connect){ .fn = fn, .arg = arg };
    buf_init(&c->held, CONNECT_FRAME_MAX + HEAD);
}

void connect_release(struct connect *c)
{
    buf_release(&c->held);
}

static int fail(struct connect *c, enum err_code code, const char *what, struct err *e)
{
    c->failed = true;
    return err_set(e, code, "the stream's frames make no sense: %s", what);
}

/* Bytes of the frame whose head lies in p, its head included. */
static size_t frame_size(const unsigned char *p)
{
    return HEAD + ((size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4]);
}

static int take_frame(struct connect *c, struct err *e)
{
    unsigned flags = (unsigned char)c->held.ptr[0];
    if (flags & COMPRESSED)
        return fail(c, ERR_FORMAT, "one is compressed", e);
    c->ended = (flags & END) != 0;
    c->fn(c->arg, c->held.ptr + HEAD, c->held.len - HEAD, c->ended);
    buf_reset(&c->held);
    return 0;
}

int connect_feed(struct connect *c, const char *p, size_t len, struct err *e)
{
    while (len > 0 && !c->failed) {
        if (c->ended)
            return fail(c, ERR_FORMAT, "bytes behind the end", e);
        bool headed = c->held.len >= HEAD;
        size_t want = headed ? frame_size((const unsigned char *)c->held.ptr) : HEAD;
        if (want > CONNECT_FRAME_MAX)
            return fail(c, ERR_LIMIT, "one is longer than 16 MiB", e);
        size_t take = want - c->held.len < len ? want - c->held.len : len;
        (void)buf_add(&c->held, p, take);
        p += take;
        len -= take;
        if (c->held.len >= HEAD && c->held.len == frame_size((const unsigned char *)c->held.ptr) &&
            take_frame(c, e) < 0)
            return -1;
    }
    return c->failed ? fail(c, ERR_FORMAT, "an earlier one was wrong", e) : 0;
}

int connect_add_frame(struct buf *out, const char *json, size_t len)
{
    const char head[HEAD] = { 0, (char)(len >> 24), (char)(len >> 16), (char)(len >> 8),
                              (char)len };
    return buf_add(out, head, HEAD) < 0 || buf_add(out, json, len) < 0 ? -1 : 0;
}
