/* fake_net.h - base/net without a network, for tests of those who use it: the linker finds these
 * functions before the library's. Each request is handed to `fake.respond`, from the loop, which
 * answers it (fake_reply), ends it (fake_end), or begins a stream (fake_head, then fake_data and
 * fake_end, then or later). Before that the faults are looked at. Origins, headers and the rules of
 * repeating are the real ones.
 *
 * Nobody waits: where a loop would sleep, the clock is put forward instead. */
#ifndef AIRLOCK_TESTS_FAKE_NET_H
#define AIRLOCK_TESTS_FAKE_NET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/loop.h"
#include "base/net_private.h"
#include "unit/fake_clock.h"

#define FAKE_RETRY_MS 1 /* what every answer asks for: nobody waits long */

/* The next requests that begin with `on` ("POST /v1/x"; "" any), after `skip` of them, `times`
 * times, end so. With end NET_ANSWERED: this status, headers, body. */
struct fake_fault {
    const char *on;
    unsigned skip, times;
    enum net_end end;
    bool left; /* it may have reached the server; with `served` it did */
    bool served;
    int status;
    const char *headers, *body;
};

struct fake_call {
    struct net_call base; /* of it: net, origin, method, response, callbacks */
    struct fake_call *next;
    net_data_fn on_data;
    char *target, *body;
    size_t body_len;
    struct buf kept;
    bool asked, gone, lost; /* lost: its answer is */
};

static struct {
    void (*respond)(struct fake_call *c);
    struct fake_fault fault;
    struct fake_call *calls, *graves;
    unsigned sent;  /* requests so far */
    char last[512]; /* "METHOD target" of the last one */
    bool refuse;    /* net_send fails */
} fake;

/* The ways without an answer, for tables of faults. */
#define FAKE_NO_ANSWER                                                                             \
    { .end = NET_UNREACHABLE }, { .end = NET_CUT, .left = true }, { .served = true },              \
    {                                                                                              \
        .end = NET_TIMEOUT, .left = true                                                           \
    }

static inline struct fake_fault fake_answered(const char *on, int status, unsigned times)
{
    return (struct fake_fault){ .on = on, .times = times, .end = NET_ANSWERED, .status = status };
}

/* Any request after `skip` of them ends in this way, `times` times. */
static inline void fake_fail(const struct fake_fault *way, unsigned skip, unsigned times)
{
    fake.fault = *way;
    fake.fault.on = "";
    fake.fault.skip = skip;
    fake.fault.times = times;
}

/* It is never told of again; its memory stays until fake_reset. */
static void fake_bury(struct fake_call *c)
{
    struct fake_call **at = &fake.calls;
    if (c->gone)
        return;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->gone = true;
    c->next = fake.graves;
    fake.graves = c;
}

static inline void fake_reset(void)
{
    while (fake.graves != NULL) {
        struct fake_call *c = fake.graves;
        fake.graves = c->next;
        net_response_release(&c->base.response);
        net_origin_free(c->base.origin);
        buf_release(&c->kept);
        free(c->base.method);
        free(c->target);
        free(c->body);
        free(c);
    }
    memset(&fake, 0, sizeof fake);
}

/* ---- answers */

static void fake_add_line(struct fake_call *c, const char *line, size_t len)
{
    char room[512];
    int n = snprintf(room, sizeof room, "%.*s\r\n", (int)len, line);
    (void)net_response_add_line(&c->base.response, room, (size_t)n);
}

/* The head; `headers` are lines with "\n" between, or NULL. */
static void fake_head(struct fake_call *c, int status, const char *headers)
{
    char line[64];
    if (c->gone)
        return;
    snprintf(line, sizeof line, "HTTP/1.1 %d Said", status);
    fake_add_line(c, line, strlen(line));
    for (const char *at = headers; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, "\n");
        fake_add_line(c, at, n);
        at += n + (at[n] == '\n');
    }
    fake_add_line(c, "", 0);
    if (c->base.on_head != NULL)
        c->base.on_head(c->base.arg, &c->base.response);
}

static void fake_data(struct fake_call *c, const char *p, size_t len)
{
    if (c->gone || len == 0)
        return;
    if (c->on_data != NULL)
        c->on_data(c->base.arg, p, len);
    else
        (void)buf_add(&c->kept, p, len);
}

static void fake_end(struct fake_call *c, enum net_end end, bool left)
{
    struct net_result r = { .end = end,
                            .status = c->base.response.status,
                            .retry_after_ms = -1,
                            .left = left,
                            .truncated = c->base.response.complete && end != NET_ANSWERED };
    if (c->gone)
        return;
    if (c->base.response.complete) {
        r.response = &c->base.response;
        net_response_describe(&c->base.response, &r);
    }
    r.retry_after_ms = FAKE_RETRY_MS;
    if (c->on_data == NULL) {
        r.body = buf_str(&c->kept);
        r.body_len = c->kept.len;
    }
    if (end != NET_ANSWERED)
        err_set(&r.err, ERR_NET, "the test's server: %s", net_end_name(end));
    fake_bury(c);
    c->base.on_done(c->base.arg, &r);
}

static inline void fake_reply(struct fake_call *c, int status, const char *headers,
                              const char *body)
{
    if (c->lost) {
        fake_end(c, NET_CUT, true);
        return;
    }
    fake_head(c, status, headers);
    fake_data(c, body, strlen(body));
    fake_end(c, NET_ANSWERED, true);
}

/* ---- the loop's side */

static bool fake_meets(struct fake_fault *f)
{
    if (f->on == NULL || f->times == 0 || strncmp(fake.last, f->on, strlen(f->on)) != 0)
        return false;
    if (f->skip > 0) {
        f->skip--;
        return false;
    }
    f->times--;
    return true;
}

static void fake_ask(struct fake_call *c)
{
    struct fake_fault *f = &fake.fault;
    c->asked = true;
    snprintf(fake.last, sizeof fake.last, "%s %s", c->base.method, c->target);
    bool met = fake_meets(f);
    c->lost = met && f->served;
    if (!met || f->served)
        fake.respond(c);
    else if (f->end == NET_ANSWERED)
        fake_reply(c, f->status, f->headers, f->body != NULL ? f->body : "");
    else
        fake_end(c, f->end, f->left);
}

/* One a turn of ours. */
static void fake_pump(void *arg)
{
    struct net *n = arg;
    for (struct fake_call *c = fake.calls; c != NULL; c = c->next)
        if (c->base.net == n && !c->asked) {
            loop_wake_idle(n->loop, n->pump);
            fake_ask(c);
            return;
        }
}

/* ---- time */

static int fake_sleep(void *arg, int epoll_fd, int timeout_ms)
{
    (void)arg, (void)epoll_fd;
    fake_ahead_us += timeout_ms > 0 ? timeout_ms * INT64_C(1000) : 0;
    return 0;
}

/* ---- base/net.h */

struct net *net_new(struct loop *lp)
{
    struct net *n = xcalloc(1, sizeof *n);
    n->loop = lp;
    n->pump = loop_add_idle(lp, fake_pump, n);
    loop_set_transfer_hook(lp, fake_sleep, n);
    return n;
}

void net_free(struct net *n)
{
    if (n == NULL)
        return;
    for (struct fake_call *c = fake.calls, *next; c != NULL; c = next) {
        next = c->next;
        if (c->base.net == n)
            fake_bury(c);
    }
    loop_set_transfer_hook(n->loop, NULL, NULL);
    loop_remove(n->loop, n->pump);
    free(n);
}

void net_set_proxy(struct net *n, const char *proxy)
{
    (void)n, (void)proxy;
}

int net_send(struct net *n, const struct net_request *rq, struct net_call **out, struct err *e)
{
    if (net_request_check(rq, e) < 0)
        return -1;
    if (fake.refuse)
        return err_set(e, ERR_MISSING, "the test has no network");
    struct fake_call *c = xcalloc(1, sizeof *c);
    struct fake_call **at = &fake.calls;
    c->base.net = n;
    c->base.origin = net_origin_ref(rq->origin);
    c->base.method = xstrdup(rq->method);
    c->base.on_head = rq->on_head;
    c->base.on_done = rq->on_done;
    c->base.arg = rq->arg;
    c->on_data = rq->on_data;
    c->target = xstrdup(rq->target);
    c->body = xmemdup(rq->body != NULL ? rq->body : "", rq->body_len);
    c->body_len = rq->body_len;
    buf_init(&c->kept, (size_t)1 << 20);
    net_response_init(&c->base.response);
    while (*at != NULL)
        at = &(*at)->next;
    *at = c;
    fake.sent++;
    loop_wake_idle(n->loop, n->pump);
    *out = &c->base;
    return 0;
}

void net_drop(struct net_call *c)
{
    if (c != NULL)
        fake_bury((struct fake_call *)c);
}

void net_cancel(struct net_call *c)
{
    fake_end((struct fake_call *)c, NET_CANCELLED, true);
}

void net_pause(struct net_call *c)
{
    (void)c;
}

void net_resume(struct net_call *c)
{
    (void)c;
}

void net_continue_upload(struct net_call *c)
{
    (void)c;
}

#endif
