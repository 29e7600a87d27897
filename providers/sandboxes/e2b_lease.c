/* e2b_lease.c - how long it may live: until the contract's ttl_s, or until the session's budget is
 * used up. E2B is told a short time and told again, so that a sandbox whose Airlock died ends soon.
 * [e2b.md §2.5] */
#include "providers/sandboxes/e2b_int.h"

#define MOVED_US (5 * E2B_SECOND_US) /* what of its end is worth a word */

int64_t e2b_ends_in_ms(const struct e2b *s)
{
    int64_t left = (s->ends_us - clock_boot_us()) / 1000;
    return left > 0 ? left : 0;
}

/* The money that is left, in seconds of this sandbox; -1 no limit. */
static int64_t paid_s(const struct e2b *s)
{
    int64_t left = s->allowance != NULL ? s->allowance(s->core.arg) : -1;
    int64_t second = e2b_nanousd(s->cpus, s->memory_mib, 1);
    if (left < 0 || second <= 0)
        return -1;
    return left / second;
}

static int64_t end_us(const struct e2b *s)
{
    int64_t ttl = s->since_us + s->contract.ttl_s * E2B_SECOND_US - s->used_us, paid = paid_s(s);
    int64_t broke =
        s->since_us + (paid < INT64_C(1) << 30 ? paid : INT64_C(1) << 30) * E2B_SECOND_US;
    return paid >= 0 && broke < ttl ? broke : ttl;
}

static void set_end(struct e2b *s)
{
    int64_t ends = end_us(s), moved = ends - s->ends_us, left = ends - clock_boot_us();
    bool told = s->ends_us != 0;
    if (s->made != NULL)
        return; /* whose wall it is sees to that */
    if (told && moved < MOVED_US && moved > -MOVED_US)
        return;
    s->ends_us = ends;
    loop_arm_us(s->core.loop, s->ttl, left > 0 ? left : 0);
    struct sandbox_event ev = { .kind = SANDBOX_LEASE, .id = s->id, .ms = e2b_ends_in_ms(s) };
    if (told)
        core_tell(&s->core, &ev);
}

void e2b_lease_begin(struct e2b *s)
{
    s->ends_us = 0;
    set_end(s);
    if (!s->place.debug)
        loop_arm_us(s->core.loop, s->renew, E2B_RENEW_S * E2B_SECOND_US);
}

void e2b_lease_end(struct e2b *s)
{
    s->used_us += clock_boot_us() - s->since_us;
    s->ends_us = 0;
    loop_arm_us(s->core.loop, s->ttl, -1);
    loop_arm_us(s->core.loop, s->renew, -1);
}

/* ---- staying alive */

static void on_renewed(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct e2b_refusal why;
    if (remote_succeeded(r))
        return;
    (void)e2b_why(&s->side, r, "keeping the sandbox alive", &why, &e);
    log_msg(LOG_WARN, "e2b", "%s: %s", s->id, e.msg);
    if (r->end == NET_ANSWERED && r->status == 404)
        e2b_end_with(s, END_LOST, "", &e);
}

static void renew(struct e2b *s)
{
    struct buf target = BUF_INIT(256), body = BUF_INIT(64);
    loop_arm_us(s->core.loop, s->renew, E2B_RENEW_S * E2B_SECOND_US);
    set_end(s);
    if (s->side.call.busy || s->freezing != 0)
        return;
    int64_t left_s = e2b_ends_in_ms(s) / 1000 + E2B_SLACK_S;
    e2b_target(&target, s->id, "timeout");
    (void)buf_addf(&body, "{\"timeout\":%lld}",
                   (long long)(left_s < E2B_LEASE_S ? left_s : E2B_LEASE_S));
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "POST",
                              .target = buf_str(&target),
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_renewed };
    e2b_send(&s->side, &rq);
    buf_release(&target);
    buf_release(&body);
}

void e2b_on_renew(void *arg)
{
    struct e2b *s = arg;
    if (s->core.closed)
        return;
    core_enter(&s->core);
    if (s->phase == E2B_SEEKING)
        e2b_seek(s);
    else if (s->phase == E2B_QUEUED)
        e2b_queue_ask(s);
    else if (s->phase == E2B_READY)
        renew(s);
    core_leave(&s->core);
}

/* Money is saved by pausing, where nothing runs; time is not. */
static bool paused_for_money(struct e2b *s)
{
    int64_t ttl = s->since_us + s->contract.ttl_s * E2B_SECOND_US - s->used_us;
    return clock_boot_us() < ttl && e2b_pause_it(s, NULL) == 0;
}

void e2b_on_ttl(void *arg)
{
    struct e2b *s = arg;
    struct err why = ERR_INIT;
    if (s->core.closed || s->phase != E2B_READY)
        return;
    core_enter(&s->core);
    int64_t ttl = s->since_us + s->contract.ttl_s * E2B_SECOND_US - s->used_us;
    if (clock_boot_us() >= ttl) {
        err_set(&why, ERR_LIMIT, "the sandbox reached its ttl_s and was destroyed");
        e2b_end_with(s, END_LIMIT, "ttl", &why);
    } else if (!paused_for_money(s)) {
        err_set(&why, ERR_LIMIT, "the session's budget is used up: the sandbox was destroyed");
        e2b_end_with(s, END_LIMIT, "budget", &why);
    }
    core_leave(&s->core);
}
