/* round_run.c - one approved capsule after the other into the sandbox, which is opened on demand;
 * every end accounted for. */
#include "tool/round_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- starting ---- */

int round_check_body(void *arg, const struct sandbox_run *decoded, struct err *e)
{
    struct round *r = arg;
    const struct capsule *c = r->twin.of != 0 ? r->twin.capsule : r->run_capsule;
    if (decoded->run == SANDBOX_PROBE_RUN)
        return birth_check_body(r->birth != NULL ? r->birth : r->twin.birth, decoded, e);
    if (c == NULL)
        return err_set(e, ERR_INTEGRITY, "no approved capsule for run %u", decoded->run);
    return capsule_check_request(c, decoded, e);
}

/* An approved run that can't start still has one end, told as such; nothing was executed. */
static void finish_unstarted(struct round *r, uint32_t run, enum run_end end, const struct err *why)
{
    struct sandbox_finished f = sandbox_finished_bare(end, why->msg);
    r->start_run = 0;
    round_record_finished(r, run, &f);
    round_record_verdict(r, run, &f);
    capsule_free(r->run_capsule);
    r->run_capsule = NULL;
}

void round_fail_unstarted(struct round *r, const struct err *why)
{
    finish_unstarted(r, r->start_run, END_SANDBOX, why);
}

/* An approval is for now. When the sandbox took too long to come, or the machine slept meanwhile,
 * whoever gave it looks elsewhere. [APR-6] */
static bool approval_has_expired(const struct round *r, struct err *e)
{
    int64_t age_us = clock_boot_us() - r->approved_boot_us;
    if (age_us < GATE_EXPIRE_US_DEFAULT &&
        clock_slept_us() - r->approved_slept_us <= GATE_SLEPT_US_MAX)
        return false;
    err_set(e, ERR_DENIED,
            "it was approved %lld s ago and the sandbox is there only now: nothing ran; it has to "
            "be approved again",
            (long long)(age_us / 1000000));
    return true;
}

static void start_now(struct round *r)
{
    uint32_t run = r->start_run;
    struct err e = ERR_INIT;
    if (approval_has_expired(r, &e)) {
        round_fail_unstarted(r, &e);
        return;
    }
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    struct event_builder b;
    event_begin(&b, EVENT_RUN_STARTED, run);
    json_w_str(&b.w, "sandbox_id",
               r->cfg.state->sandbox_id != NULL ? r->cfg.state->sandbox_id : "");
    json_w_str(&b.w, "capsule", capsule_hex(r->run_capsule));
    /* The approval is used up on disk before the first byte leaves. [APR-5] */
    if (round_record(r, &b) < 0)
        return;
    r->start_run = 0;
    round_streams_reset(r, 1);
    expectation_release(&r->expect);
    free(r->exists);
    r->exists = NULL;
    r->exists_count = 0;
    if (expectation_parse(&r->expect, sr->expect, strlen(sr->expect), &e) == 0)
        r->exists = expectation_paths(&r->expect, &r->exists_count);
    struct sandbox_run rq = *capsule_request(r->run_capsule);
    rq.exists = r->exists;
    rq.exists_count = r->exists_count;
    if (r->sandbox->ops->exec(r->sandbox, &rq, &e) < 0)
        finish_unstarted(r, run, e.code == ERR_INTEGRITY ? END_INTEGRITY : END_SANDBOX, &e);
}

/* ---- from its birth to its use */

/* Nothing goes on in it, and nothing is opened again by itself: it would fail again. */
static void destroy_failed(struct round *r, const struct err *why)
{
    r->travel = (struct travelling){ .on = false };
    r->awaiting_restore = r->restoring_fresh = false;
    if (r->start_run != 0)
        finish_unstarted(r, r->start_run, END_SANDBOX, why);
    else
        round_record_error(r, 0, why, "nothing ran in it; see airlock doctor");
    if (r->sandbox != NULL)
        r->sandbox->ops->kill(r->sandbox, END_KILLED);
}

static void on_proved(void *arg, const struct probe_report reports[LIGHT_COUNT])
{
    struct round *r = arg;
    struct err why = ERR_INIT;
    bool holds = reports == NULL || round_record_proved(r, 0, reports, &why);
    birth_free(r->birth);
    r->birth = NULL;
    if (r->broken)
        return;
    if (!holds) {
        destroy_failed(r, &why);
        return;
    }
    r->sandbox_ready = true;
    if (!r->lived)
        round_bring_state_back(r);
    round_start_waiting(r);
}

static void on_ready(struct round *r, const struct sandbox_event *ev)
{
    round_record_ready(r, ev, 0);
    r->sandbox_since_us = clock_boot_us() - (r->cfg.sandbox->cost != NULL ? ev->cold_start_us : 0);
    r->lived = ev->again;
    if (ev->again) /* RESTORED is on its way */
        r->awaiting_restore = true;
    if (ev->again && r->attaching) /* it proved its walls when it was new */
        r->sandbox_ready = true;
    else
        round_prove(r, r->sandbox, &r->birth, on_proved);
}

bool round_can_start(const struct round *r)
{
    return r->sandbox != NULL && r->sandbox_ready && !r->awaiting_restore;
}

void round_start_waiting(struct round *r)
{
    if (r->start_run != 0 && !r->broken && round_can_start(r))
        start_now(r);
}

void round_do_start(struct round *r, uint32_t run)
{
    struct err e = ERR_INIT;
    if (state_run_at(r->cfg.state, run)->twin_of != 0) {
        round_start_twin(r, run);
        return;
    }
    INVARIANT(r->run_capsule != NULL && capsule_request(r->run_capsule)->run == run);
    if (r->start_run != run) { /* else it was woken for it meanwhile */
        r->approved_boot_us = clock_boot_us();
        r->approved_slept_us = clock_slept_us();
    }
    r->start_run = run;
    r->interrupts = 0;
    if (r->sandbox_paused) {
        if (round_wake(r, &e) < 0)
            finish_unstarted(r, run, END_SANDBOX, &e);
        return;
    }
    if (r->sandbox == NULL) {
        r->sandbox_ready = false;
        if (round_open_sandbox(r, &r->sandbox, round_on_sandbox, 0, &e) < 0) {
            r->sandbox = NULL;
            finish_unstarted(r, run, END_SANDBOX, &e);
        }
        return;
    }
    if (round_can_start(r))
        start_now(r);
}

/* ---- what comes back ---- */

static void on_finished(struct round *r, uint32_t run, const struct sandbox_finished *f)
{
    round_end_output(r, run);
    round_record_finished(r, run, f);
    round_record_verdict(r, run, f);
    if (f->state_lost && f->resumed_from == 0)
        memset(r->parent_state, 0, sizeof r->parent_state);
    capsule_free(r->run_capsule);
    r->run_capsule = NULL;
    bool alive = r->sandbox != NULL && r->sandbox_ready;
    /* What did not leave, or was not what was approved, is followed by no state. */
    r->awaiting_state = alive && !f->state_lost && f->end != END_INTEGRITY &&
                        (r->cfg.sandbox->caps & SANDBOX_IS_STATEFUL);
    if (r->contract.lifecycle == LIFECYCLE_RUN && r->sandbox != NULL) {
        r->awaiting_state = false;
        r->sandbox->ops->kill(r->sandbox, END_KILLED);
    }
}

static void on_state(struct round *r, const struct sandbox_event *ev)
{
    round_record_state(r, ev->run, ev);
    r->awaiting_state = false;
    round_save_namespace(r);
    round_take_snapshot(r, ev->run);
    loop_wake_idle(r->cfg.loop, r->idle);
}

static void on_failed(struct round *r, const struct sandbox_event *ev)
{
    if (round_snapshot_missing(r, ev))
        return;
    if (r->start_run != 0)
        finish_unstarted(r, r->start_run, END_SANDBOX, ev->err);
    else if (r->attaching)
        round_record_error(r, 0, ev->err, "what is not saved elsewhere is lost");
    else
        round_record_error(r, 0, ev->err, "the next run starts a new sandbox");
}

static void on_closed(struct round *r, const struct sandbox_event *ev)
{
    birth_free(r->birth);
    r->birth = NULL;
    round_flush_output(r);
    round_record_closed(r, ev->confirmed, 0);
    if (r->sandbox != NULL)
        r->sandbox->ops->close(r->sandbox);
    r->sandbox = NULL;
    r->sandbox_ready = r->awaiting_state = r->awaiting_save = r->awaiting_restore = false;
    r->sandbox_paused = r->pausing = r->awaiting_snapshot = false;
    r->save_wanted = false;
    r->sandbox_since_us = 0;
    round_twin_alone(r);
    if (!r->broken && round_attach_failed(r, ev->confirmed)) {
        loop_wake_idle(r->cfg.loop, r->idle);
        return;
    }
    if (r->travel.on && !r->broken) {
        round_go_on_travelling(r);
        return;
    }
    /* A run that was approved while the old sandbox was going down gets a new one. */
    if (r->start_run != 0 && !r->broken)
        round_queue(r, EFFECT_START, r->start_run);
    else if (r->snapshot_missing && !r->broken)
        round_open_again(r);
    loop_wake_idle(r->cfg.loop, r->idle);
}

static void record_checkpoint(struct round *r, const struct sandbox_event *ev)
{
    struct event_builder b;
    event_begin(&b, ev->kind == SANDBOX_CHECKPOINT ? EVENT_CHECKPOINT_MADE : EVENT_CHECKPOINT_LOST,
                ev->run);
    json_w_str(&b.w, "kind", ev->checkpoint_kind != NULL ? ev->checkpoint_kind : "fork");
    json_w_array(&b.w, "lost");
    json_w_close_array(&b.w);
    round_record(r, &b);
}

static void record_file_got(struct round *r, const struct sandbox_event *ev)
{
    if (round_twin_got(r, ev))
        return;
    if (ev->err != NULL) {
        round_record_error(r, 0, ev->err, "");
        return;
    }
    if (ev->ptr == NULL)
        return; /* a put: recorded when it was asked for */
    struct event_builder b;
    event_begin(&b, EVENT_FILE_GOT, 0);
    json_w_str(&b.w, "path", ev->path);
    json_w_int(&b.w, "bytes", (int64_t)ev->len);
    round_record_artifact(r, &b, "application/octet-stream", ev->path, ev->ptr, ev->len);
}

void round_on_sandbox(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct round *r = arg;
    if (s != r->sandbox || birth_take(r->birth, ev))
        return;
    switch (ev->kind) {
    case SANDBOX_READY:
        on_ready(r, ev);
        break;
    case SANDBOX_FAILED:
        on_failed(r, ev);
        break;
    case SANDBOX_OUTPUT:
        round_record_output(r, ev->run, ev->stream, ev->ptr, ev->len);
        break;
    case SANDBOX_RESULT:
        round_record_result(r, ev->run, ev);
        break;
    case SANDBOX_FINISHED:
        on_finished(r, ev->run, ev->finished);
        break;
    case SANDBOX_STATE:
        on_state(r, ev);
        break;
    case SANDBOX_CHECKPOINT:
    case SANDBOX_CHECKPOINT_LOST:
        record_checkpoint(r, ev);
        break;
    case SANDBOX_SAVED:
        round_on_saved(r, ev);
        break;
    case SANDBOX_RESTORED:
        round_record_restored(r, ev);
        round_start_waiting(r);
        break;
    case SANDBOX_FILE_DONE:
        record_file_got(r, ev);
        break;
    case SANDBOX_COMPLETION:
        r->cfg.port.completion(r->cfg.port.arg, ev->token, ev->kept, ev->kept_count);
        break;
    case SANDBOX_NET:
        round_record_net(r, ev->run, ev);
        break;
    case SANDBOX_QUEUED:
        round_on_queued(r, ev);
        break;
    case SANDBOX_PAUSED:
        round_on_paused(r, ev);
        break;
    case SANDBOX_SNAPSHOT:
        round_on_snapshot(r, ev);
        break;
    case SANDBOX_LEASE:
        round_on_lease(r, ev);
        break;
    case SANDBOX_CLOSED:
        on_closed(r, ev);
        break;
    case SANDBOX_USAGE:
        round_record_sandbox_usage(r, ev->usage);
        break;
    }
}

/* ---- interrupted ---- */

/* Approved, and its sandbox is not there yet: nothing of it left. */
static void interrupt_waiting(struct round *r)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_CANCELLED,
            "interrupted while the sandbox was waited for; the code was not executed");
    finish_unstarted(r, r->start_run, END_INTERRUPTED, &why);
    r->sandbox->ops->interrupt(r->sandbox);
}

void round_interrupt(struct round *r)
{
    if (r->twin.sandbox != NULL) {
        r->twin.sandbox->ops->kill(r->twin.sandbox, END_INTERRUPTED);
    } else if (r->cfg.state->running != 0 && r->sandbox != NULL) {
        if (r->interrupts++ == 0)
            r->sandbox->ops->interrupt(r->sandbox);
        else
            r->sandbox->ops->kill(r->sandbox, END_KILLED);
    } else if (r->start_run != 0 && r->sandbox != NULL && !r->sandbox_ready) {
        interrupt_waiting(r);
    } else if (r->planner != NULL && r->planner_busy) {
        round_interrupt_planner(r);
    }
}

void round_kill_sandbox(struct round *r)
{
    if (r->sandbox != NULL)
        r->sandbox->ops->kill(r->sandbox, END_KILLED);
}
