/* remote_call.h - one HTTP request to a remote provider, sent again where that can do no harm. What
 * a request looks like, and what may be repeated, is the provider's; when it is sent, kept, given
 * up and told is the same for all.
 *
 * One at a time for each remote_call, from the loop. An answer that is no 200 to a request that
 * wants a stream is kept in `refusal`.
 */
#ifndef AIRLOCK_PROVIDERS_REMOTE_CALL_H
#define AIRLOCK_PROVIDERS_REMOTE_CALL_H

#include "base/buf.h"
#include "base/net.h"

#define REMOTE_HEADERS_MAX 32
#define REMOTE_REFUSAL_MAX ((size_t)64 << 10)

struct loop;
struct loop_source;

struct remote_call_ops {
    const char *name; /* for the log */
    /* All of the request but method, target, body and callbacks. `room` is for the headers and
     * lasts as long as `rq`. */
    void (*fill)(void *arg, struct net_request *rq, struct net_header *room);
    /* How long until it is sent again; -1: this is the end of it. */
    int64_t (*pause_ms)(void *arg, const struct net_result *r);
    void (*head)(void *arg, const struct net_response *r); /* of a stream's 200; NULL: not told */
    void (*data)(void *arg, const char *p, size_t len);    /* of a stream's 200 */
    /* Exactly once for each send, last; it may send again, drop, release. `r` is lent. */
    void (*done)(void *arg, const struct net_result *r);
};

struct remote_call {
    const struct remote_call_ops *ops; /* NULL: released */
    void *arg;
    struct loop *loop;
    struct net *net;
    struct loop_source *timer;
    struct net_call *sent; /* NULL while it waits or rests */
    const char *method;    /* a literal */
    char *target;
    void *body;
    size_t body_len;
    unsigned tries;
    bool wants_stream, streaming, busy;
    struct buf refusal;
    struct err failed; /* it could not even be sent: told from the loop */
};

/* All borrowed until release. */
void remote_call_init(struct remote_call *c, const struct remote_call_ops *ops, void *arg,
                      struct loop *loop, struct net *net);
void remote_call_release(struct remote_call *c);
/* Not while busy. Target and body (NULL none) are copied. */
void remote_call_send(struct remote_call *c, const char *method, const char *target,
                      const void *body, size_t body_len, bool wants_stream);
void remote_call_drop(struct remote_call *c); /* without a word; the connection closes now */
void remote_call_pause(struct remote_call *c, bool on);

/* Was it answered as asked? (2xx, whole) */
bool remote_succeeded(const struct net_result *r);

#endif
