/* claude_managed_birth.c - an agent that has one tool and must ask, and an environment without a
 * network: made anew for each sandbox, and read back before they are used. Both cost nothing while
 * no session uses them. [claude.md §8.1] */
#include "providers/sandboxes/claude_managed_int.h"

static void fail(struct managed *s, const struct net_result *r, const char *doing, struct err *e)
{
    if (e->code == ERR_NONE)
        (void)claude_why(&s->life, r, doing, e);
    managed_failed(s, e);
}

static void post(struct managed *s, const char *target, struct buf *body, claude_done_fn done)
{
    struct claude_request rq = { .method = "POST",
                                 .target = target,
                                 .body = body->ptr,
                                 .body_len = body->len,
                                 .again = CLAUDE_ONCE,
                                 .deadlines = { .total_ms = MANAGED_CONTROL_MS },
                                 .done = done,
                                 .arg = s };
    claude_send(&s->life, &rq);
    buf_release(body);
}

static void on_environment(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    core_enter(&s->core);
    if (remote_succeeded(r) && json_parse(&o, r->body, r->body_len, &e) == 0 &&
        managed_take_id(o, s->made.environment, &e) == 0 && managed_check_environment(o, &e) == 0)
        managed_ready(s);
    else
        fail(s, r, "creating an environment without a network", &e);
    json_free(o);
    core_leave(&s->core);
}

static void on_agent(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    core_enter(&s->core);
    if (remote_succeeded(r) && json_parse(&o, r->body, r->body_len, &e) == 0 &&
        managed_take_id(o, s->made.agent, &e) == 0 &&
        json_need_int(o, "agent", "version", 1, INT64_C(1) << 40, &s->agent_version, &e) == 0 &&
        managed_check_agent(o, &e) == 0) {
        struct buf body = BUF_INIT((size_t)64 << 10);
        int rc = managed_write_environment(s, &body);
        INVARIANT(rc == 0);
        post(s, "/v1/environments", &body, on_environment);
    } else {
        fail(s, r, "creating an agent that must ask (Managed Agents)", &e);
    }
    json_free(o);
    core_leave(&s->core);
}

void managed_create(struct managed *s)
{
    struct buf body = BUF_INIT((size_t)64 << 10);
    int rc = managed_write_agent(s, &body);
    INVARIANT(rc == 0);
    post(s, "/v1/agents", &body, on_agent);
}
