/* net.c - requests under way: deadlines, back-pressure, and the callbacks of those who asked.
 *
 * The engine (net_curl.c) fills queues while the loop waits; users are called from one idle
 * callback per turn, behind the keyboard and after the engine has returned. So they may call
 * anything here, and never see a half-done libcurl below them.
 */
#include "base/net_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

#define BODY_MAX (64 * INT64_C(1048576)) /* NET-4 */

/* ---- deadlines */

static int64_t deadline_of(const struct net_call *c)
{
    const struct net_deadlines *d = &c->deadlines;
    int64_t due = INT64_MAX;
    int phase_ms = c->response.bytes == 0 ? net_ms_or(d->first_byte_ms, NET_FIRST_BYTE_MS)
                                          : net_ms_or(d->idle_ms, NET_IDLE_MS);
    if (phase_ms > 0 && !c->paused && !c->engine_paused && !c->upload_waits)
        due = c->last_us + phase_ms * INT64_C(1000);
    if (d->total_ms > 0 && c->started_us + d->total_ms * INT64_C(1000) < due)
        due = c->started_us + d->total_ms * INT64_C(1000);
    return due;
}

static void watch_deadline(struct net_call *c)
{
    int64_t due = deadline_of(c), now = clock_boot_us();
    loop_arm_us(c->net->loop, c->timer, due == INT64_MAX ? -1 : due > now ? due - now : 0);
}

void net_call_touch(struct net_call *c)
{
    c->last_us = clock_boot_us();
    if (!c->answering && c->response.bytes > 0) {
        c->answering = true;
        watch_deadline(c); /* from here on it is `idle`, which may be the shorter one */
    }
}

/* ---- a call's life */

void net_call_fail(struct net_call *c, enum net_end end, const char *text)
{
    if (c->failed)
        return;
    c->failed = c->body.stopped = true;
    c->fail_end = end;
    snprintf(c->fail_text, sizeof c->fail_text, "%s", text);
}

static void leave_engine(struct net_call *c)
{
    net_engine_stop(c);
    if (c->net->active == 0)
        loop_set_transfer_hook(c->net->loop, NULL, NULL);
}

static void call_free(struct net_call *c)
{
    struct net *n = c->net;
    leave_engine(c);
    net_engine_release(c);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        n->calls = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    loop_remove(n->loop, c->timer);
    net_response_release(&c->response);
    net_body_release(&c->body);
    net_origin_free(c->origin);
    free(c->url);
    free(c->method);
    free(c->upload);
    free(c);
}

static enum err_code code_of(enum net_end end)
{
    switch (end) {
    case NET_PROTOCOL:
        return ERR_FORMAT;
    case NET_TOO_LARGE:
        return ERR_LIMIT;
    case NET_UPLOAD:
        return ERR_IO;
    case NET_CANCELLED:
        return ERR_CANCELLED;
    case NET_ANSWERED:
    case NET_UNREACHABLE:
    case NET_TIMEOUT:
    case NET_CUT:
    case NET_REDIRECT:
        break;
    }
    return ERR_NET;
}

/* The engine is done with it, or must be. What is queued is still handed on, then comes `done`. */
void net_call_finish(struct net_call *c, int code)
{
    if (c->finished)
        return;
    leave_engine(c);
    c->finished = true;
    c->code = code;
    loop_arm_us(c->net->loop, c->timer, -1);
    loop_wake_idle(c->net->loop, c->net->pump);
}

static void on_deadline(void *arg)
{
    struct net_call *c = arg;
    int64_t now = clock_boot_us();
    if (c->finished)
        return;
    /* We may have been stopped (^Z, a lid closed) with bytes waiting in the socket. */
    net_engine_perform(c->net);
    if (c->finished)
        return;
    if (now < deadline_of(c)) {
        watch_deadline(c);
        return;
    }
    bool total =
        c->deadlines.total_ms > 0 && now >= c->started_us + c->deadlines.total_ms * INT64_C(1000);
    net_call_fail(c, NET_TIMEOUT,
                  total                    ? "the time for this request is over"
                  : c->response.bytes == 0 ? "no answer came in time"
                                           : "it fell silent in the middle of its answer");
    net_call_finish(c, 0);
}

/* ---- the pump: once per turn, behind everything else */

static void hand_on(struct net_call *c)
{
    struct net_failure f;
    if (!c->head_told && c->response.complete && !c->failed && !c->paused) {
        c->head_told = true;
        if (c->on_head != NULL)
            c->on_head(c->arg, &c->response);
    }
    if (net_body_hand_on(&c->body, &f) < 0)
        net_call_fail(c, f.end, f.text);
    else if (!c->body.stopped && !net_body_is_empty(&c->body))
        loop_wake_idle(c->net->loop, c->net->pump);
}

/* What libcurl takes for whole although it may not be. [NET-6] */
static bool ends_in_doubt(struct net_call *c)
{
    if (net_body_is_cut(&c->body))
        net_call_fail(c, NET_CUT, "the answer was cut short: its gzip has no end");
    /* Over TLS only a closing notice would tell an end from a cut, and libcurl 7.88 takes a bare
     * end of the connection for one. */
    else if (c->origin->tls && !net_response_is_framed(&c->response, c->to_head))
        net_call_fail(c, NET_CUT, "the answer does not say where it ends: it may be cut short");
    return c->failed;
}

static void describe(struct net_call *c, struct net_result *r)
{
    *r = (struct net_result){ .retry_after_ms = -1, .received = c->body.received };
    r->left = net_engine_has_left(c);
    r->end = c->failed ? c->fail_end : net_engine_end(c);
    if (r->end == NET_ANSWERED && ends_in_doubt(c))
        r->end = c->fail_end;
    if (c->response.complete) {
        net_response_describe(&c->response, r);
        r->response = &c->response;
        r->truncated = r->end != NET_ANSWERED;
    }
    if (c->body.fn == NULL) {
        r->body = buf_str(&c->body.kept);
        r->body_len = c->body.kept.len;
    }
    if (r->end != NET_ANSWERED)
        err_set(&r->err, code_of(r->end), "%s: %s%.200s", c->origin->text,
                c->failed                   ? ""
                : r->end == NET_CUT         ? "the answer was cut short: "
                : r->end == NET_UNREACHABLE ? "cannot connect: "
                                            : "",
                c->failed ? c->fail_text : net_engine_text(c));
}

static void tell_end(struct net_call *c)
{
    struct net_result r;
    describe(c, &r);
    c->dead = c->body.stopped = true; /* before the call: nothing it does may lead here again */
    c->on_done(c->arg, &r);
}

static void let_flow(struct net_call *c)
{
    if (!c->engine_paused || c->paused || c->finished || !net_body_is_empty(&c->body))
        return;
    c->engine_paused = false;
    c->last_us = clock_boot_us();
    net_engine_go_on(c);
    watch_deadline(c);
    if (!net_body_is_empty(&c->body))
        loop_wake_idle(c->net->loop, c->net->pump);
}

static void pump(void *arg)
{
    struct net *n = arg;
    if (n->pumping)
        return; /* a callback runs the loop: it must do without us */
    net_engine_perform(n);
    n->pumping = true;
    for (struct net_call *c = n->calls; c != NULL; c = c->next) {
        if (!c->dead)
            hand_on(c);
        if (!c->dead && c->failed)
            net_call_finish(c, 0);
        if (!c->dead)
            let_flow(c);
        if (!c->dead && c->finished && (c->failed || (!c->paused && net_body_is_empty(&c->body))))
            tell_end(c);
    }
    n->pumping = false;
    for (struct net_call *c = n->calls, *next; c != NULL; c = next) {
        next = c->next;
        if (c->dead)
            call_free(c);
    }
}

static int wait_for_transfers(void *arg, int epoll_fd, int timeout_ms)
{
    struct net *n = arg;
    loop_wake_idle(n->loop, n->pump);
    return net_engine_wait(n, epoll_fd, timeout_ms);
}

/* ---- public */

struct net *net_new(struct loop *lp)
{
    struct net *n = xcalloc(1, sizeof *n);
    n->loop = lp;
    n->pump = loop_add_idle(lp, pump, n);
    return n;
}

void net_free(struct net *n)
{
    if (n == NULL)
        return;
    INVARIANT(!n->pumping);
    for (struct net_call *c = n->calls, *next; c != NULL; c = next) {
        next = c->next;
        call_free(c);
    }
    net_engine_close(n);
    loop_remove(n->loop, n->pump);
    free(n->proxy);
    free(n);
}

void net_set_proxy(struct net *n, const char *proxy)
{
    free(n->proxy);
    n->proxy = proxy != NULL ? xstrdup(proxy) : NULL;
}

static struct net_call *call_new(struct net *n, const struct net_request *rq)
{
    struct net_call *c = xcalloc(1, sizeof *c);
    c->net = n;
    c->origin = net_origin_ref(rq->origin);
    c->url = xasprintf("%s%s", c->origin->base, rq->target);
    c->method = xstrdup(rq->method);
    if (rq->body != NULL) {
        c->upload = xmemdup(rq->body, rq->body_len);
        c->upload_len = rq->body_len;
    }
    c->on_read = rq->on_read;
    c->deadlines = rq->deadlines;
    c->gzip = rq->gzip;
    c->to_head = strcmp(rq->method, "HEAD") == 0;
    net_body_init(&c->body, rq->body_max > 0 ? rq->body_max : BODY_MAX, rq->on_data, rq->arg);
    net_response_init(&c->response);
    c->on_head = rq->on_head;
    c->on_done = rq->on_done;
    c->arg = rq->arg;
    c->timer = loop_add_timer(n->loop, on_deadline, c);
    c->started_us = c->last_us = clock_boot_us();
    c->next = n->calls;
    if (n->calls != NULL)
        n->calls->prev = c;
    n->calls = c;
    return c;
}

int net_send(struct net *n, const struct net_request *rq, struct net_call **out, struct err *e)
{
    INVARIANT(!n->in_engine && rq->on_done != NULL && (rq->body == NULL || rq->on_read == NULL));
    if (net_request_check(rq, e) < 0 || net_engine_open(n, e) < 0)
        return -1;
    struct net_call *c = call_new(n, rq);
    if (net_engine_start(c, rq, e) < 0) {
        call_free(c);
        return -1;
    }
    loop_set_transfer_hook(n->loop, wait_for_transfers, n);
    watch_deadline(c);
    loop_wake_idle(n->loop, n->pump);
    *out = c;
    return 0;
}

void net_pause(struct net_call *c)
{
    c->paused = c->body.stopped = true;
}

void net_resume(struct net_call *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    c->body.stopped = c->failed || c->dead;
    c->last_us = clock_boot_us();
    if (!c->finished)
        watch_deadline(c);
    loop_wake_idle(c->net->loop, c->net->pump);
}

void net_continue_upload(struct net_call *c)
{
    if (!c->upload_waits || c->finished)
        return;
    INVARIANT(!c->net->in_engine);
    c->upload_waits = false;
    c->last_us = clock_boot_us();
    net_engine_go_on(c);
    watch_deadline(c);
    loop_wake_idle(c->net->loop, c->net->pump);
}

void net_cancel(struct net_call *c)
{
    INVARIANT(!c->net->in_engine);
    if (c->dead)
        return;
    c->paused = c->failed = false; /* whatever ended it before, nobody has been told yet */
    net_call_fail(c, NET_CANCELLED, "cancelled");
    net_call_finish(c, 0);
    loop_wake_idle(c->net->loop, c->net->pump);
}

void net_drop(struct net_call *c)
{
    if (c == NULL)
        return;
    INVARIANT(!c->net->in_engine);
    if (c->net->pumping) {
        c->dead = c->body.stopped = true;
        leave_engine(c);
        return;
    }
    call_free(c);
}
