/* e2b_call.c - one request to E2B, repeated where that can do no harm. [e2b.md §2.1] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define REFUSAL_MAX ((size_t)64 << 10)

static void on_timer(void *arg);

void e2b_call_init(struct e2b_call *c, struct e2b *s)
{
    *c = (struct e2b_call){ .s = s };
    c->timer = loop_add_timer(s->loop, on_timer, c);
    buf_init(&c->refusal, REFUSAL_MAX);
}

static void forget(struct e2b_call *c)
{
    free(c->target);
    free(c->body);
    c->target = NULL;
    c->body = NULL;
    c->busy = c->streaming = false;
}

void e2b_call_drop(struct e2b_call *c)
{
    net_drop(c->net);
    c->net = NULL;
    loop_arm_us(c->s->loop, c->timer, -1);
    forget(c);
}

void e2b_call_release(struct e2b_call *c)
{
    if (c->s == NULL)
        return;
    e2b_call_drop(c);
    loop_remove(c->s->loop, c->timer);
    buf_release(&c->refusal);
}

bool e2b_succeeded(const struct net_result *r)
{
    return r->end == NET_ANSWERED && r->status >= 200 && r->status < 300;
}

enum err_code e2b_why(struct e2b_call *c, const struct net_result *r, const char *doing,
                      struct e2b_refusal *refusal, struct err *e)
{
    struct e2b_refusal room = { .not_found = false };
    struct e2b_refusal *why = refusal != NULL ? refusal : &room;
    bool kept = r->body != NULL && r->body_len > 0;
    e2b_refusal_read(why, r->status, kept ? r->body : buf_str(&c->refusal),
                     kept ? r->body_len : c->refusal.len);
    return e2b_explain(e, doing, r, why);
}

/* ---- again? */

/* Refused before anything was done: the edge and the scheduler say so by name. */
static bool did_nothing(struct e2b_call *c, const struct net_result *r)
{
    struct e2b_refusal why;
    struct err e;
    if (r->end != NET_ANSWERED)
        return !r->left;
    (void)e2b_why(c, r, "", &why, &e);
    return r->status == 429 || why.in_transition ||
           strcmp(why.code, "sandbox_capacity_unavailable") == 0 ||
           strcmp(why.code, "sandbox_placement_timeout") == 0;
}

static bool may_go_away(const struct net_result *r)
{
    if (r->end != NET_ANSWERED)
        return r->end == NET_UNREACHABLE || r->end == NET_TIMEOUT || r->end == NET_CUT;
    bool full = r->status == 507, never = r->status == 501;
    return r->status == 429 || r->status == 409 || (r->status >= 500 && !full && !never);
}

/* Waiting for room is another matter: it takes minutes, and the person sees it. (e2b_queue.c) */
static bool is_at_cap(struct e2b_call *c, const struct net_result *r)
{
    struct e2b_refusal why;
    struct err e;
    if (r->end != NET_ANSWERED || r->status != 429)
        return false;
    (void)e2b_why(c, r, "", &why, &e);
    return why.at_cap;
}

static int64_t pause_ms(struct e2b_call *c, const struct net_result *r)
{
    if (e2b_succeeded(r) || c->rq.again == E2B_NEVER || c->streaming || !may_go_away(r) ||
        is_at_cap(c, r))
        return -1;
    if (c->rq.again == E2B_ONCE && !did_nothing(c, r))
        return -1;
    return net_backoff_ms(r, c->tries);
}

/* ---- sending */

static void on_head(void *arg, const struct net_response *r)
{
    struct e2b_call *c = arg;
    c->streaming = net_status(r) == 200;
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct e2b_call *c = arg;
    struct e2b *s = c->s;
    if (!c->streaming) {
        size_t room = REFUSAL_MAX - c->refusal.len;
        (void)buf_add(&c->refusal, p, len < room ? len : room);
        return;
    }
    e2b_enter(s);
    c->rq.on_data(s, p, len);
    e2b_leave(s);
}

static void finish(struct e2b_call *c, const struct net_result *r)
{
    struct e2b *s = c->s;
    e2b_done_fn done = c->rq.done;
    forget(c);
    e2b_enter(s);
    done(s, r);
    e2b_leave(s);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct e2b_call *c = arg;
    c->net = NULL;
    int64_t ms = pause_ms(c, r);
    if (ms < 0) {
        finish(c, r);
        return;
    }
    log_msg(LOG_INFO, "e2b", "%s %s: %s %d, again in %lld ms", c->rq.method, c->target,
            net_end_name(r->end), r->status, (long long)ms);
    loop_arm_us(c->s->loop, c->timer, ms * 1000);
}

static void send_now(struct e2b_call *c)
{
    struct e2b *s = c->s;
    char port[12];
    struct net_header headers[6];
    size_t n = 0;
    const struct e2b_request *rq = &c->rq;
    headers[n++] = (struct net_header){ "Accept", "application/json" };
    if (c->body != NULL)
        headers[n++] =
            (struct net_header){ "Content-Type",
                                 rq->content_type != NULL ? rq->content_type : "application/json" };
    if (rq->plane != E2B_API) {
        snprintf(port, sizeof port, "%d", rq->plane == E2B_CODE ? E2B_PORT_CODE : E2B_PORT_ENVD);
        headers[n++] = (struct net_header){ "E2b-Sandbox-Id", s->id };
        headers[n++] = (struct net_header){ "E2b-Sandbox-Port", port };
    }
    if (rq->plane == E2B_ENVD && strcmp(rq->method, "POST") == 0)
        headers[n++] = (struct net_header){ "Connect-Protocol-Version", "1" };
    if (rq->plane == E2B_ENVD) /* the empty password of a user of the sandbox: no secret */
        headers[n++] = (struct net_header){ "Authorization",
                                            rq->as_root ? "Basic cm9vdDo=" : "Basic dXNlcjo=" };
    struct net_request request = {
        .method = rq->method,
        .origin = rq->plane == E2B_API    ? s->api
                  : rq->plane == E2B_CODE ? s->code
                                          : s->envd,
        .target = c->target,
        .headers = headers,
        .header_count = n,
        .body = c->body,
        .body_len = rq->body_len,
        .deadlines = rq->deadlines,
        .body_max = rq->body_max,
        .http1 = rq->plane != E2B_API, /* a close must reach the server [e2b.md §0.4] */
        .on_head = rq->on_data != NULL ? on_head : NULL,
        .on_data = rq->on_data != NULL ? on_data : NULL,
        .on_done = on_done,
        .arg = c,
    };
    c->tries++;
    c->streaming = false;
    buf_reset(&c->refusal);
    if (net_send(s->net, &request, &c->net, &c->failed) < 0)
        loop_arm_us(s->loop, c->timer, 0);
}

static void on_timer(void *arg)
{
    struct e2b_call *c = arg;
    if (c->failed.code != ERR_NONE) {
        struct net_result r = { .end = NET_UNREACHABLE, .retry_after_ms = -1, .err = c->failed };
        err_clear(&c->failed);
        finish(c, &r);
        return;
    }
    send_now(c);
}

void e2b_send(struct e2b_call *c, const struct e2b_request *rq)
{
    INVARIANT(!c->busy);
    c->rq = *rq;
    c->busy = true;
    c->tries = 0;
    err_clear(&c->failed);
    c->target = xstrdup(rq->target);
    c->body = rq->body != NULL ? xmemdup(rq->body, rq->body_len) : NULL;
    send_now(c);
}
