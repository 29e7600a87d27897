/* e2b_pause.c - paused, it keeps memory and files and costs nothing; woken, it goes on where it
 * was, with new connections. [e2b.md §2.5] */
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define LOOKS_MAX 10

static void look(struct e2b *s);

static void tell_paused(struct e2b *s, const struct err *e)
{
    struct sandbox_event ev = { .kind = SANDBOX_PAUSED, .id = s->id, .err = e };
    core_tell(&s->core, &ev);
}

static void paused(struct e2b *s)
{
    if (s->core.ending) {
        e2b_kill_now(s);
        return;
    }
    s->phase = E2B_PAUSED;
    e2b_lease_end(s);
    tell_paused(s, NULL);
}

/* It runs on. */
static void not_paused(struct e2b *s, const struct err *e)
{
    if (s->core.ending) {
        e2b_kill_now(s);
        return;
    }
    s->phase = E2B_READY;
    e2b_lease_begin(s);
    tell_paused(s, e);
    if (!s->core.closed && !s->core.ending)
        e2b_run_next(s);
}

static void lost(struct e2b *s, const struct err *e)
{
    s->phase = E2B_READY; /* so that it is ended as one that was there */
    if (s->core.ending)
        e2b_kill_now(s);
    else
        e2b_end_with(s, END_LOST, "", e);
}

/* What became of it is asked until it is in no transition. */
static void on_looked(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct json *o = NULL;
    if (r->end == NET_ANSWERED && r->status == 404) {
        (void)e2b_why(&s->life, r, "pausing the sandbox", NULL, &e);
        lost(s, &e);
        return;
    }
    if (!remote_succeeded(r) || json_parse(&o, r->body, r->body_len, &e) < 0) {
        (void)e2b_why(&s->life, r, "pausing the sandbox", NULL, &e);
        not_paused(s, &e);
        return;
    }
    bool is_paused = strcmp(json_get_str(o, "state", ""), "paused") == 0;
    json_free(o);
    if (is_paused) {
        paused(s);
    } else if (s->looks < LOOKS_MAX) {
        loop_arm_us(s->core.loop, s->step_timer, s->seek_ms * INT64_C(1000));
    } else {
        err_set(&e, ERR_NET, "e2b: pausing the sandbox was not done; it runs on");
        not_paused(s, &e);
    }
}

static void look(struct e2b *s)
{
    struct buf target = BUF_INIT(256);
    s->looks++;
    e2b_target(&target, s->id, "");
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "GET",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_looked };
    e2b_send(&s->life, &rq);
    buf_release(&target);
}

void e2b_pause_look(struct e2b *s)
{
    if (!s->life.call.busy)
        look(s);
}

static void on_paused(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (remote_succeeded(r)) {
        paused(s);
        return;
    }
    bool refused = r->end == NET_ANSWERED && r->status >= 400 && r->status < 500;
    if (refused && r->status != 404 && r->status != 409 && r->status != 429) {
        (void)e2b_why(&s->life, r, "pausing the sandbox", NULL, &e);
        not_paused(s, &e);
    } else {
        look(s); /* already paused, in a transition, gone, or the answer was lost */
    }
}

int e2b_pause_it(struct e2b *s, struct err *e)
{
    struct buf target = BUF_INIT(256);
    if (s->phase != E2B_READY || s->core.ending || s->place.debug)
        return err_set(e, ERR_USAGE, "the sandbox can't be paused now");
    if (s->run != NULL || s->queued != NULL || s->work.call.busy || s->life.call.busy ||
        s->errand != NULL || s->freezing != 0)
        return err_set(e, ERR_BUSY, "something is still on in the sandbox: in a moment");
    s->phase = E2B_PAUSING;
    s->looks = 0;
    e2b_call_drop(&s->side);
    loop_arm_us(s->core.loop, s->renew, -1);
    loop_arm_us(s->core.loop, s->ttl, -1);
    e2b_target(&target, s->id, "pause");
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "POST",
                              .target = buf_str(&target),
                              .body = "{}",
                              .body_len = 2,
                              .again = E2B_NEVER,
                              .deadlines = { .first_byte_ms = E2B_START_MS,
                                             .total_ms = E2B_START_MS },
                              .done = on_paused };
    e2b_send(&s->life, &rq);
    buf_release(&target);
    return 0;
}

int e2b_pause(struct sandbox *base, struct err *e)
{
    return e2b_pause_it((struct e2b *)base, e);
}

void e2b_not_woken(struct e2b *s, const struct err *e)
{
    struct err why = *e;
    struct sandbox_event ev = {
        .kind = SANDBOX_PAUSED, .id = s->id, .err = &why, .confirmed = true
    };
    s->phase = E2B_PAUSED;
    loop_arm_us(s->core.loop, s->renew, -1);
    core_tell(&s->core, &ev);
}

int e2b_wake(struct sandbox *base, struct err *e)
{
    struct e2b *s = (struct e2b *)base;
    if (s->phase != E2B_PAUSED || s->core.ending)
        return err_set(e, ERR_USAGE, "the sandbox is not paused");
    if (s->allowance != NULL && s->allowance(s->core.arg) == 0)
        return err_set(e, ERR_LIMIT,
                       "the session's budget is used up, so the sandbox stays paused: it costs "
                       "nothing; :kill ends it");
    s->lived = true;
    s->queued_us = 0;
    s->asked = 0;
    e2b_connect(s);
    return 0;
}
