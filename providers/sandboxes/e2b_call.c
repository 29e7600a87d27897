/* e2b_call.c - one request to E2B: how it looks, and what may be repeated. [e2b.md §2.1] */
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

enum err_code e2b_why(struct e2b_call *c, const struct net_result *r, const char *doing,
                      struct e2b_refusal *refusal, struct err *e)
{
    struct e2b_refusal room = { .not_found = false };
    struct e2b_refusal *why = refusal != NULL ? refusal : &room;
    bool kept = r->body != NULL && r->body_len > 0;
    e2b_refusal_read(why, r->status, kept ? r->body : buf_str(&c->call.refusal),
                     kept ? r->body_len : c->call.refusal.len);
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

static int64_t pause_ms(void *arg, const struct net_result *r)
{
    struct e2b_call *c = arg;
    if (remote_succeeded(r) || c->rq.again == E2B_NEVER || c->call.streaming || !may_go_away(r) ||
        is_at_cap(c, r))
        return -1;
    if (c->rq.again == E2B_ONCE && !did_nothing(c, r))
        return -1;
    return net_backoff_ms(r, c->call.tries);
}

/* ---- sending */

static void on_data(void *arg, const char *p, size_t len)
{
    struct e2b_call *c = arg;
    core_enter(&c->s->core);
    c->rq.on_data(c->s, p, len);
    core_leave(&c->s->core);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct e2b_call *c = arg;
    struct e2b *s = c->s;
    core_enter(&s->core);
    c->rq.done(s, r);
    core_leave(&s->core);
}

static void fill(void *arg, struct net_request *out, struct net_header *headers)
{
    struct e2b_call *c = arg;
    struct e2b *s = c->s;
    size_t n = 0;
    const struct e2b_request *rq = &c->rq;
    headers[n++] = (struct net_header){ "Accept", "application/json" };
    if (c->call.body != NULL)
        headers[n++] =
            (struct net_header){ "Content-Type",
                                 rq->content_type != NULL ? rq->content_type : "application/json" };
    if (rq->plane != E2B_API) {
        headers[n++] = (struct net_header){ "E2b-Sandbox-Id", s->id };
        headers[n++] = (struct net_header){ "E2b-Sandbox-Port", rq->plane == E2B_CODE
                                                                    ? TEXT_OF(E2B_PORT_CODE)
                                                                    : TEXT_OF(E2B_PORT_ENVD) };
    }
    if (rq->plane == E2B_ENVD && strcmp(rq->method, "POST") == 0)
        headers[n++] = (struct net_header){ "Connect-Protocol-Version", "1" };
    if (rq->plane == E2B_ENVD) /* the empty password of a user of the sandbox: no secret */
        headers[n++] = (struct net_header){ "Authorization",
                                            rq->as_root ? "Basic cm9vdDo=" : "Basic dXNlcjo=" };
    out->origin = rq->plane == E2B_API ? s->api : rq->plane == E2B_CODE ? s->code : s->envd;
    out->header_count = n;
    out->deadlines = rq->deadlines;
    out->body_max = rq->body_max;
    out->http1 = rq->plane != E2B_API; /* a close must reach the server [e2b.md §0.4] */
}

static const struct remote_call_ops ops = {
    .name = "e2b", .fill = fill, .pause_ms = pause_ms, .data = on_data, .done = on_done
};

void e2b_call_init(struct e2b_call *c, struct e2b *s)
{
    *c = (struct e2b_call){ .s = s };
    remote_call_init(&c->call, &ops, c, s->core.loop, s->net);
}

void e2b_call_release(struct e2b_call *c)
{
    remote_call_release(&c->call);
}

void e2b_call_drop(struct e2b_call *c)
{
    remote_call_drop(&c->call);
}

void e2b_send(struct e2b_call *c, const struct e2b_request *rq)
{
    c->rq = *rq;
    remote_call_send(&c->call, rq->method, rq->target, rq->body, rq->body_len, rq->on_data != NULL);
}
