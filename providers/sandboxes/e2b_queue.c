/* e2b_queue.c - the plan allows no more sandboxes at once: it is asked again, for a while, and the
 * person sees that it waits and can give up. Nothing was made by a refusal. [e2b.md §2.6] */
#include "providers/sandboxes/e2b_int.h"

#define LAST_MS INT64_C(10000)

static void tell(struct e2b *s, const struct err *why, int64_t left_ms)
{
    struct sandbox_event ev = { .kind = SANDBOX_QUEUED, .id = s->id, .err = why, .ms = left_ms };
    core_tell(&s->core, &ev);
}

static int64_t next_ms(const struct e2b *s)
{
    int64_t ms = s->seek_ms;
    for (unsigned i = 1; i < s->asked && ms < LAST_MS; i++)
        ms *= 2;
    return ms < LAST_MS ? ms : LAST_MS;
}

void e2b_queue(struct e2b *s, const struct err *why)
{
    struct err e = ERR_INIT;
    int64_t now = clock_boot_us();
    bool first = s->queued_us == 0;
    if (first)
        s->queued_us = now;
    int64_t left_ms = s->queue_ms - (now - s->queued_us) / 1000;
    if (left_ms <= 0) {
        err_set(&e, ERR_LIMIT, "%.380s; waited %d s for a free place", why->msg,
                s->queue_ms / 1000);
        s->queued_us = 0;
        if (s->id[0] != '\0' && !s->attaching) {
            e2b_not_woken(s, &e);
        } else {
            s->orphan_possible = s->attaching;
            e2b_not_born(s, &e);
        }
        return;
    }
    s->phase = E2B_QUEUED;
    s->asked++;
    int64_t ms = next_ms(s);
    loop_arm_us(s->core.loop, s->renew, (ms < left_ms ? ms : left_ms) * 1000);
    if (first)
        tell(s, why, left_ms);
}

void e2b_queue_ask(struct e2b *s)
{
    if (s->id[0] != '\0') {
        e2b_connect(s); /* a paused one */
    } else {
        s->phase = E2B_CREATING;
        e2b_create(s);
    }
}
