/* net_body.c - the body of an answer, from the wire to the user: decoded, counted, held back.
 * [NET-4] */
#include "base/net_private.h"

#include "base/gunzip.h"

#define BOMB_FLOOR  (1024 * 1024)
#define BOMB_RATIO  100
#define GUNZIP_STEP (32 * 1024)

void net_body_init(struct net_body *b, int64_t max, net_data_fn fn, void *arg)
{
    *b = (struct net_body){ .fn = fn, .arg = arg, .max = (uint64_t)max };
    buf_init(&b->queue, NET_QUEUE_MAX + NET_PIECE_MAX);
    buf_init(&b->kept, (size_t)max);
}

void net_body_release(struct net_body *b)
{
    buf_release(&b->queue);
    buf_release(&b->kept);
    gunzip_free(b->gunzip);
}

int net_body_expect_gzip(struct net_body *b)
{
    return gunzip_new(&b->gunzip, NULL);
}

bool net_body_has_room(const struct net_body *b, size_t len)
{
    return b->queue.len == 0 || b->queue.len + len <= NET_QUEUE_MAX;
}

void net_body_add(struct net_body *b, const char *p, size_t len)
{
    int rc = buf_add(&b->queue, p, len);
    INVARIANT(rc == 0);
}

bool net_body_is_empty(const struct net_body *b)
{
    return b->queue.len == 0 && !b->unflushed;
}

bool net_body_is_cut(const struct net_body *b)
{
    return b->gunzip != NULL && b->unpacked > 0 && !gunzip_is_whole(b->gunzip);
}

static int fail(struct net_body *b, struct net_failure *f, enum net_end end, const char *text)
{
    b->stopped = true;
    *f = (struct net_failure){ .end = end, .text = text };
    return -1;
}

/* Decoded bytes on their way out. */
static int take(struct net_body *b, const char *p, size_t len, struct net_failure *f)
{
    if (len == 0)
        return 0;
    b->received += len;
    if (b->received > b->max)
        return fail(b, f, NET_TOO_LARGE, "the answer is larger than we accept");
    if (b->gunzip != NULL && b->received > BOMB_FLOOR && b->received / BOMB_RATIO > b->unpacked)
        return fail(b, f, NET_TOO_LARGE, "the answer is a compression bomb");
    if (b->fn != NULL)
        b->fn(b->arg, p, len);
    else
        (void)buf_add(&b->kept, p, len); /* its ceiling is `max` too */
    return 0;
}

/* The user may pause, cancel or drop between the pieces. */
static int take_gzip(struct net_body *b, struct net_failure *f)
{
    char out[GUNZIP_STEP];
    size_t at = 0, used, made, total = 0;
    int rc = 0;
    while (rc == 0 && !b->stopped && total < NET_QUEUE_MAX && (at < b->queue.len || b->unflushed)) {
        if (gunzip_step(b->gunzip, b->queue.ptr + at, b->queue.len - at, &used, out, sizeof out,
                        &made) < 0)
            return fail(b, f, NET_PROTOCOL, "its answer is not the gzip it claims to be");
        at += used;
        b->unpacked += used;
        total += made;
        b->unflushed = made == sizeof out;
        rc = take(b, out, made, f);
    }
    buf_drop_front(&b->queue, at);
    return rc;
}

int net_body_hand_on(struct net_body *b, struct net_failure *f)
{
    if (b->stopped || net_body_is_empty(b))
        return 0;
    if (b->gunzip != NULL)
        return take_gzip(b, f);
    int rc = take(b, b->queue.ptr, b->queue.len, f);
    buf_reset(&b->queue);
    return rc;
}
