/* round_life.c - a remote sandbox beyond one run and one process: waited for, paused and woken,
 * snapshots of it, and the one that an earlier Airlock left. [SBX-9, architecture §6] */
#include "tool/round_int.h"

#include <string.h>

static void begin_fact(struct round *r, struct event_builder *b, enum event_type type)
{
    event_begin(b, type, 0);
    json_w_str(&b->w, "kind", r->cfg.sandbox->name);
    json_w_str(&b->w, "label", r->label);
}

/* ---- waited for ---- */

void round_on_queued(struct round *r, const struct sandbox_event *ev)
{
    struct event_builder b;
    begin_fact(r, &b, EVENT_SANDBOX_WAITING);
    json_w_strn(&b.w, "why", ev->err->msg, strlen(ev->err->msg));
    json_w_int(&b.w, "wait_ms", ev->ms);
    round_record(r, &b);
}

void round_on_lease(struct round *r, const struct sandbox_event *ev)
{
    struct event_builder b;
    begin_fact(r, &b, EVENT_SANDBOX_LEASE);
    json_w_int(&b.w, "ends_ms", ev->ms);
    round_record(r, &b);
}

int64_t round_allowance(void *arg)
{
    const struct round *r = arg;
    int64_t left = r->contract.budget_nanousd - r->cfg.state->cost_nanousd;
    if (r->contract.budget_nanousd <= 0)
        return -1;
    return left > 0 ? left : 0;
}

/* ---- paused and woken ---- */

int round_pause(struct round *r, struct err *e)
{
    const struct sandbox_ops *ops = r->cfg.sandbox;
    if (!(ops->caps & SANDBOX_CAN_PAUSE) || ops->pause == NULL)
        return err_set(e, ERR_USAGE, "sandbox %s can't be paused", ops->name);
    if (r->broken)
        return err_set(e, ERR_IO, "the session's record can't be written any more");
    if (r->sandbox_paused)
        return err_set(e, ERR_USAGE, "the sandbox is paused already; the next run wakes it");
    if (r->sandbox == NULL || !r->sandbox_ready)
        return err_set(e, ERR_USAGE, "no sandbox is running");
    if (r->cfg.state->running != 0 || r->awaiting_snapshot || r->awaiting_state ||
        r->awaiting_restore)
        return err_set(e, ERR_BUSY, "something is still on in it: wait for it or interrupt it");
    if (ops->pause(r->sandbox, e) < 0)
        return -1;
    r->sandbox_ready = false;
    r->pausing = true;
    return 0;
}

static void record_paused(struct round *r, const char *id, int64_t ms)
{
    struct event_builder b;
    begin_fact(r, &b, EVENT_SANDBOX_PAUSED);
    json_w_str(&b.w, "id", id);
    json_w_int(&b.w, "sandbox_ms", ms);
    round_record(r, &b);
    if (ms > 0)
        round_record_cost(r, ms);
}

/* It runs on, or it could not be woken and stays. */
static void on_not_done(struct round *r, const struct sandbox_event *ev)
{
    if (!ev->confirmed) {
        r->sandbox_ready = true;
        round_record_error(r, 0, ev->err, "it runs on, and costs");
        round_start_waiting(r);
        return;
    }
    r->sandbox_paused = true;
    record_paused(r, ev->id, 0);
    if (r->start_run != 0)
        round_fail_unstarted(r, ev->err);
    else
        round_record_error(r, 0, ev->err, "it stays paused: :wake tries again, :kill ends it");
}

void round_on_paused(struct round *r, const struct sandbox_event *ev)
{
    int64_t ms = r->sandbox_since_us != 0 ? (clock_boot_us() - r->sandbox_since_us) / 1000 : 0;
    r->pausing = r->awaiting_restore = r->attaching = false;
    loop_wake_idle(r->cfg.loop, r->idle);
    if (ev->err != NULL) {
        on_not_done(r, ev);
        return;
    }
    r->sandbox_ready = false;
    r->sandbox_paused = true;
    record_paused(r, ev->id, ms);
    r->sandbox_since_us = 0;
    if (r->start_run != 0 && !r->broken)
        round_queue(r, EFFECT_START, r->start_run);
}

int round_wake(struct round *r, struct err *e)
{
    struct event_builder b;
    if (!r->sandbox_paused || r->sandbox == NULL)
        return err_set(e, ERR_USAGE, "no sandbox is paused");
    begin_fact(r, &b, EVENT_SANDBOX_CREATING);
    json_w_str(&b.w, "id", r->cfg.state->sandbox_id);
    round_record(r, &b);
    if (r->broken)
        return err_set(e, ERR_IO, "it could not be recorded, so it was not done");
    if (r->sandbox->ops->wake(r->sandbox, e) < 0) {
        record_paused(r, r->cfg.state->sandbox_id, 0);
        return -1;
    }
    r->sandbox_paused = false;
    r->attaching = true;
    r->awaiting_restore = true;
    return 0;
}

/* ---- snapshots ---- */

void round_take_snapshot(struct round *r, uint32_t run)
{
    const struct sandbox_ops *ops = r->cfg.sandbox;
    struct err e = ERR_INIT;
    bool can = r->contract.lifecycle == LIFECYCLE_SESSION && (ops->caps & SANDBOX_CAN_SNAPSHOT) &&
               ops->snapshot != NULL && r->sandbox != NULL;
    if (can && !r->awaiting_snapshot && !r->broken)
        r->awaiting_snapshot = ops->snapshot(r->sandbox, run, &r->snapshots_kept, &e) == 0;
}

/* Only so many are kept: the oldest go, one after the other. */
static void drop_oldest(struct round *r)
{
    const struct state *st = r->cfg.state;
    const struct state_run *oldest = NULL;
    struct err e = ERR_INIT;
    unsigned count = 0;
    for (size_t i = 0; i < st->run_count; i++) {
        if (st->runs[i]->snapshot[0] == '\0')
            continue;
        oldest = oldest != NULL ? oldest : st->runs[i];
        count++;
    }
    if (count > r->snapshots_kept && oldest != NULL && r->sandbox != NULL)
        (void)!r->sandbox->ops->drop_snapshot(r->sandbox, oldest->number, oldest->snapshot, &e);
}

static void record_no_snapshot(struct round *r, uint32_t run, const char *why)
{
    struct event_builder b;
    event_begin(&b, EVENT_CHECKPOINT_LOST, run);
    json_w_str(&b.w, "kind", "snapshot");
    json_w_strn(&b.w, "why", why, strlen(why));
    round_record(r, &b);
}

void round_on_snapshot(struct round *r, const struct sandbox_event *ev)
{
    struct event_builder b;
    if (ev->err != NULL && ev->id != NULL) { /* asked again after the next one */
        round_record_error(r, ev->run, ev->err, "it is still at the provider's");
        return;
    }
    if (ev->err == NULL && ev->id == NULL) {
        record_no_snapshot(r, ev->run, "only the newest are kept");
        drop_oldest(r);
        return;
    }
    r->awaiting_snapshot = false;
    loop_wake_idle(r->cfg.loop, r->idle);
    if (ev->err != NULL) {
        round_record_error(r, ev->run, ev->err, "there is no going back to this run");
        return;
    }
    event_begin(&b, EVENT_CHECKPOINT_MADE, ev->run);
    json_w_str(&b.w, "kind", "snapshot");
    json_w_str(&b.w, "snapshot", ev->id);
    round_record(r, &b);
    drop_oldest(r);
}

const struct state_run *round_choose_snapshot(const struct round *r)
{
    const struct state *st = r->cfg.state;
    uint32_t run = r->travel.on ? r->travel.run : st->vars_run;
    const struct state_run *saved = state_saved_near(st, run),
                           *snapshot = state_snapshot_near(st, run);
    if (!(r->cfg.sandbox->caps & SANDBOX_CAN_SNAPSHOT) ||
        r->contract.lifecycle != LIFECYCLE_SESSION || snapshot == NULL)
        return NULL;
    return saved == NULL || saved->number <= snapshot->number ? snapshot : NULL;
}

bool round_snapshot_missing(struct round *r, const struct sandbox_event *ev)
{
    if (!r->from_snapshot || ev->err == NULL || ev->err->code != ERR_MISSING)
        return false;
    record_no_snapshot(r, r->load_from, ev->err->msg);
    round_record_error(r, 0, ev->err, "the next best is taken");
    r->snapshot_missing = true;
    return true;
}

/* ---- the one that an earlier Airlock left ---- */

static bool may_be_there(const struct round *r)
{
    const struct state *st = r->cfg.state;
    bool known = st->sbx == SBX_READY || st->sbx == SBX_PAUSED || st->sbx == SBX_CREATING ||
                 st->sbx == SBX_WAITING || st->sbx == SBX_LOST;
    return known && (r->cfg.sandbox->caps & SANDBOX_CAN_PAUSE) &&
           (r->cfg.sandbox->caps & SANDBOX_IS_REMOTE) && st->sandbox_label[0] != '\0';
}

int round_attach(struct round *r, struct err *e)
{
    if (!may_be_there(r))
        return 0;
    r->attaching = true;
    r->awaiting_restore = true;
    if (round_open_sandbox(r, &r->sandbox, round_on_sandbox, 0, e) < 0) {
        r->sandbox = NULL;
        r->attaching = r->awaiting_restore = false;
        return -1;
    }
    return 1;
}

bool round_attach_failed(struct round *r, bool gone)
{
    struct err e = ERR_INIT;
    if (!r->attaching)
        return false;
    r->attaching = false;
    if (!gone) /* it may still be there, with the variables: not replaced behind the person's back
                */
        return true;
    if (r->start_run == 0 && round_open_next(r, &e) < 0)
        round_record_error(r, 0, &e, "the next run starts a new sandbox");
    return r->start_run == 0;
}
