/* remote_call.c - sent, kept, repeated, told. */
#include "providers/remote_call.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"

bool remote_succeeded(const struct net_result *r)
{
    return r->end == NET_ANSWERED && r->status >= 200 && r->status < 300;
}

static void forget(struct remote_call *c)
{
    free(c->target);
    free(c->body);
    c->target = NULL;
    c->body = NULL;
    c->busy = c->streaming = false;
}

static void finish(struct remote_call *c, const struct net_result *r)
{
    forget(c);
    c->ops->done(c->arg, r);
}

static void on_head(void *arg, const struct net_response *r)
{
    struct remote_call *c = arg;
    c->streaming = net_status(r) == 200;
    if (c->streaming && c->ops->head != NULL)
        c->ops->head(c->arg, r);
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct remote_call *c = arg;
    if (c->streaming) {
        c->ops->data(c->arg, p, len);
        return;
    }
    size_t room = REMOTE_REFUSAL_MAX - c->refusal.len;
    (void)buf_add(&c->refusal, p, len < room ? len : room);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct remote_call *c = arg;
    c->sent = NULL;
    int64_t ms = c->ops->pause_ms(c->arg, r);
    if (ms < 0) {
        finish(c, r);
        return;
    }
    log_msg(LOG_INFO, c->ops->name, "%s %s: %s %d, again in %lld ms", c->method, c->target,
            net_end_name(r->end), r->status, (long long)ms);
    loop_arm_us(c->loop, c->timer, ms * 1000);
}

static void send_now(struct remote_call *c)
{
    struct net_header headers[REMOTE_HEADERS_MAX];
    struct net_request rq = { .headers = headers };
    c->ops->fill(c->arg, &rq, headers);
    rq.method = c->method;
    rq.target = c->target;
    rq.body = c->body;
    rq.body_len = c->body_len;
    rq.on_head = c->wants_stream ? on_head : NULL;
    rq.on_data = c->wants_stream ? on_data : NULL;
    rq.on_done = on_done;
    rq.arg = c;
    c->tries++;
    c->streaming = false;
    buf_reset(&c->refusal);
    if (net_send(c->net, &rq, &c->sent, &c->failed) < 0)
        loop_arm_us(c->loop, c->timer, 0);
}

static void on_timer(void *arg)
{
    struct remote_call *c = arg;
    if (c->failed.code != ERR_NONE) {
        struct net_result r = { .end = NET_UNREACHABLE, .retry_after_ms = -1, .err = c->failed };
        err_clear(&c->failed);
        finish(c, &r);
        return;
    }
    send_now(c);
}

void remote_call_init(struct remote_call *c, const struct remote_call_ops *ops, void *arg,
                      struct loop *loop, struct net *net)
{
    *c = (struct remote_call){ .ops = ops, .arg = arg, .loop = loop, .net = net };
    c->timer = loop_add_timer(loop, on_timer, c);
    buf_init(&c->refusal, REMOTE_REFUSAL_MAX);
}

void remote_call_send(struct remote_call *c, const char *method, const char *target,
                      const void *body, size_t body_len, bool wants_stream)
{
    INVARIANT(!c->busy);
    c->busy = true;
    c->tries = 0;
    c->wants_stream = wants_stream;
    c->method = method;
    c->target = xstrdup(target);
    c->body = body != NULL ? xmemdup(body, body_len) : NULL;
    c->body_len = body_len;
    err_clear(&c->failed);
    send_now(c);
}

void remote_call_drop(struct remote_call *c)
{
    net_drop(c->sent);
    c->sent = NULL;
    loop_arm_us(c->loop, c->timer, -1);
    forget(c);
}

void remote_call_release(struct remote_call *c)
{
    if (c->ops == NULL)
        return;
    remote_call_drop(c);
    loop_remove(c->loop, c->timer);
    buf_release(&c->refusal);
    c->ops = NULL;
}

void remote_call_pause(struct remote_call *c, bool on)
{
    if (c->sent == NULL)
        return;
    if (on)
        net_pause(c->sent);
    else
        net_resume(c->sent);
}
