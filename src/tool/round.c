/* round.c - the one door through which every fact goes, and the queue of what follows from it. */
#include "tool/round_int.h"

#include <stdlib.h>
#include <string.h>

static void run_effect(struct round *r, const struct effect *fx)
{
    switch (fx->kind) {
    case EFFECT_REVIEW:
        round_do_review(r, fx->run);
        break;
    case EFFECT_GATE:
        round_do_gate(r, fx->run);
        break;
    case EFFECT_ASK:
        round_do_ask(r, fx->run);
        break;
    case EFFECT_START:
        round_do_start(r, fx->run);
        break;
    case EFFECT_DRY_RUN:
        round_do_dry_run(r, fx->run);
        break;
    case EFFECT_VERDICT: /* judged where the run finished, while the sandbox's answer was at hand */
        break;
    case EFFECT_OBSERVE:
        round_do_observe(r, fx->run);
        break;
    case EFFECT_PLAN_TASK:
        round_do_plan_task(r);
        break;
    case EFFECT_PLAN_MESSAGE:
        round_do_plan_message(r);
        break;
    case EFFECT_STOP:
        if (r->planner != NULL)
            r->planner->ops->cancel(r->planner);
        r->planner_waiting = true;
        break;
    }
}

static void on_idle(void *arg)
{
    struct round *r = arg;
    round_finish_when_told(r);
    /* Only what is queued now: effects of effects get the next turn, so a key press is never far
     * away. */
    for (size_t n = r->queue_len; n > 0 && r->queue_len > 0 && !r->broken; n--) {
        struct effect fx = r->queue[r->queue_head];
        r->queue_head = (r->queue_head + 1) % ROUND_QUEUE_MAX;
        r->queue_len--;
        run_effect(r, &fx);
    }
    if (r->queue_len > 0)
        loop_wake_idle(r->cfg.loop, r->idle);
    else
        round_propose_next(r);
}

void round_queue(struct round *r, enum effect_kind kind, uint32_t run)
{
    INVARIANT(r->queue_len < ROUND_QUEUE_MAX);
    r->queue[(r->queue_head + r->queue_len) % ROUND_QUEUE_MAX] =
        (struct effect){ .kind = kind, .run = run };
    r->queue_len++;
    loop_wake_idle(r->cfg.loop, r->idle);
}

void round_break(struct round *r, const struct err *e)
{
    if (r->broken)
        return;
    r->broken = true;
    r->queue_len = 0;
    /* Cannot log, so cannot act: whatever runs is stopped, whatever waits is never approved.
     * [AUD-1, AUD-4] */
    if (r->sandbox != NULL)
        r->sandbox->ops->kill(r->sandbox, END_KILLED);
    if (r->twin.sandbox != NULL)
        r->twin.sandbox->ops->kill(r->twin.sandbox, END_KILLED);
    if (r->planner != NULL)
        r->planner->ops->cancel(r->planner);
    r->cfg.port.failed(r->cfg.port.arg, e);
}

void round_stop_record(struct round *r, const struct err *why)
{
    round_break(r, why);
}

/* `ev` is on disk or in the open group: apply it, tell, queue. */
static int apply(struct round *r, const struct event *ev)
{
    struct effects fx = { .count = 0 };
    struct err e = ERR_INIT;
    if (state_apply(r->cfg.state, ev, &fx, &e) < 0) {
        err_wrap(&e, "event %llu (%s) contradicts the session", (unsigned long long)ev->seq,
                 event_type_name(ev->type));
        round_break(r, &e);
        return -1;
    }
    r->cfg.port.applied(r->cfg.port.arg, ev);
    for (size_t i = 0; i < fx.count; i++)
        round_queue(r, fx.list[i].kind, fx.list[i].run);
    return 0;
}

int round_record_raw(struct round *r, struct event *ev)
{
    struct err e = ERR_INIT;
    if (r->broken)
        return -1;
    if (r->cfg.port.append(r->cfg.port.arg, ev, &e) < 0) {
        round_break(r, &e);
        return -1;
    }
    return apply(r, ev);
}

/* Code, arguments, input and files hold no secret (check_secrets), so they stay the bytes they are.
 */
static int end_event(struct round *r, struct event_builder *b, struct err *e)
{
    return event_hide_secrets(b, r->cfg.redact, e) < 0 ? -1 : event_end(b, e);
}

int round_record(struct round *r, struct event_builder *b)
{
    struct err e = ERR_INIT;
    int rc = end_event(r, b, &e);
    if (rc < 0)
        round_break(r, &e);
    else
        rc = round_record_raw(r, &b->ev);
    event_release(b);
    return rc;
}

int round_record_artifact(struct round *r, struct event_builder *b, const char *mime,
                          const char *name, const void *p, size_t len)
{
    struct err e = ERR_INIT;
    int rc = r->broken ? -1 : end_event(r, b, &e);
    if (rc == 0)
        rc = r->cfg.port.append_artifact(r->cfg.port.arg, &b->ev, mime, name, p, len, &e);
    if (rc < 0)
        round_break(r, &e);
    else
        rc = apply(r, &b->ev);
    event_release(b);
    return rc;
}

int round_record_checkpoint(struct round *r, struct event_builder *b, const char *kind,
                            const char *ref, const void *p, size_t len)
{
    struct err e = ERR_INIT;
    int rc = r->broken ? -1 : end_event(r, b, &e);
    if (rc == 0)
        rc = r->cfg.port.append_checkpoint(r->cfg.port.arg, &b->ev, kind, ref, p, len, &e);
    if (rc < 0)
        round_break(r, &e);
    else
        rc = apply(r, &b->ev);
    event_release(b);
    return rc;
}

void round_record_error(struct round *r, uint32_t run, const struct err *why, const char *hint)
{
    struct event_builder b;
    event_begin(&b, EVENT_ERROR, run);
    json_w_str(&b.w, "code", err_code_name(why->code));
    json_w_strn(&b.w, "message", why->msg, strlen(why->msg));
    json_w_str(&b.w, "hint", hint);
    round_record(r, &b);
}

struct proposal *proposal_new(void)
{
    return xcalloc(1, sizeof(struct proposal));
}

void proposal_free(struct proposal *p)
{
    if (p == NULL)
        return;
    free(p->language);
    free(p->code);
    free(p->purpose);
    free(p->step);
    free(p->expect);
    free(p->author);
    free(p->call_id);
    free(p->input);
    for (size_t i = 0; i < p->argv_count; i++)
        free(p->argv[i]);
    free(p->argv);
    for (size_t i = 0; i < p->file_count; i++) {
        free(p->files[i].name);
        free(p->files[i].ptr);
    }
    free(p->files);
    free(p);
}

struct proposal *proposal_of(struct round *r, uint32_t run)
{
    for (struct proposal *p = r->proposals; p != NULL; p = p->next) {
        if (p->run == run)
            return p;
    }
    return NULL;
}

static void free_proposals(struct proposal *p)
{
    while (p != NULL) {
        struct proposal *next = p->next;
        proposal_free(p);
        p = next;
    }
}

static void on_flush(void *arg)
{
    round_flush_output(arg);
}

static void on_lease_over(void *arg)
{
    round_end_lease(arg, "its time is over");
}

/* The budget is a hard stop: asked before the call that would cross it. [RES-5] */
static void tell_allowance(void *arg, struct planner_allowance *out)
{
    const struct round *r = arg;
    int64_t left = r->contract.budget_nanousd - r->cfg.state->cost_nanousd;
    *out = (struct planner_allowance){ .nanousd = left > 0 ? left : 0, .tokens = -1 };
}

static int open_planner(struct round *r, struct err *e)
{
    struct planner_config pc = {
        .loop = r->cfg.loop,
        .net = r->cfg.net,
        .model = r->planner_model,
        .language = r->default_language,
        .sink = round_on_planner,
        .arg = r,
        .setting = r->cfg.setting,
        .setting_arg = r->cfg.setting_arg,
        .allowance = r->contract.budget_nanousd > 0 ? tell_allowance : NULL,
        .allowance_arg = r,
        .redact = r->cfg.redact,
        .canary = r->canary,
    };
    return r->cfg.planner->open(&r->planner, &pc, e);
}

int round_new(struct round **out, const struct round_config *cfg, struct err *e)
{
    struct round *r = xcalloc(1, sizeof *r);
    r->cfg = *cfg;
    r->planner_model = cfg->planner_model != NULL ? xstrdup(cfg->planner_model) : NULL;
    r->sandbox_image = cfg->sandbox_image != NULL ? xstrdup(cfg->sandbox_image) : NULL;
    r->default_language = xstrdup(cfg->default_language != NULL ? cfg->default_language : "python");
    contract_copy(&r->contract, cfg->contract);
    contract_note_introspection(&r->contract, cfg->sandbox);
    contract_digest(&r->contract, r->contract_digest);
    cfg->sandbox->enforcement(&r->contract, &r->enforcement);
    for (int which = 0; which < 2; which++) {
        for (int i = 0; i < 3; i++) {
            redact_stream_init(&r->streams[which][i].filter);
            tripwire_stream_init(&r->streams[which][i].watch);
            buf_init(&r->streams[which][i].pending, (size_t)1 << 20);
        }
    }
    r->idle = loop_add_idle(cfg->loop, on_idle, r);
    round_save_init(r);
    r->flush_timer = loop_add_timer(cfg->loop, on_flush, r);
    r->lease_timer = loop_add_timer(cfg->loop, on_lease_over, r);
    r->planner_waiting = true;
    round_watch_open(r);
    if (contract_check_strict(&r->contract, &r->enforcement, e) < 0 || open_planner(r, e) < 0) {
        round_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

void round_free(struct round *r)
{
    if (r == NULL)
        return;
    round_twin_drop(r);
    if (r->planner != NULL)
        r->planner->ops->close(r->planner);
    birth_free(r->birth);
    if (r->sandbox != NULL)
        r->sandbox->ops->close(r->sandbox);
    loop_remove(r->cfg.loop, r->idle);
    loop_remove(r->cfg.loop, r->save_idle);
    loop_remove(r->cfg.loop, r->save_timer);
    round_save_release(r);
    loop_remove(r->cfg.loop, r->flush_timer);
    loop_remove(r->cfg.loop, r->lease_timer);
    free_proposals(r->proposals);
    free_proposals(r->waiting);
    capsule_free(r->gate_capsule);
    capsule_free(r->run_capsule);
    expectation_release(&r->expect);
    free(r->exists);
    for (int which = 0; which < 2; which++) {
        for (int i = 0; i < 3; i++) {
            redact_stream_release(&r->streams[which][i].filter);
            buf_release(&r->streams[which][i].pending);
        }
    }
    round_watch_release(r);
    contract_release(&r->contract);
    free(r->planner_model);
    free(r->answer);
    free(r->sandbox_image);
    free(r->default_language);
    free(r);
}

bool round_is_quiet(const struct round *r)
{
    const struct state *st = r->cfg.state;
    if (r->broken)
        return true;
    return r->queue_len == 0 && !st->gate.open && st->running == 0 && r->start_run == 0 &&
           !r->planner_busy && !r->finish_due && r->waiting == NULL && r->twin.of == 0 &&
           !r->awaiting_state && !r->awaiting_save && !r->save_wanted && !r->awaiting_restore &&
           !r->awaiting_snapshot && !r->pausing && r->save.stage == SAVE_NOTHING;
}

bool round_planner_done(const struct round *r)
{
    return r->planner_waiting || r->planner_finished;
}

const struct capsule *round_gate_capsule(const struct round *r)
{
    return r->cfg.state->gate.open ? r->gate_capsule : NULL;
}

const struct contract *round_contract(const struct round *r)
{
    return &r->contract;
}

const struct contract_enforcement *round_enforcement(const struct round *r)
{
    return &r->enforcement;
}

int round_finish(struct round *r, const char *outcome, const char *answer, struct err *e)
{
    const struct state *st = r->cfg.state;
    if (r->broken)
        return err_set(e, ERR_IO, "the session's record can't be written any more");
    if (st->finished)
        return err_set(e, ERR_USAGE, "the session has ended already");
    round_flush_output(r);
    round_end_remote(r, true);
    struct event_builder b;
    event_begin(&b, EVENT_SESSION_FINISHED, 0);
    json_w_str(&b.w, "outcome", outcome);
    if (answer != NULL && answer[0] != '\0')
        json_w_strn(&b.w, "answer", answer, strlen(answer));
    json_w_int(&b.w, "runs", (int64_t)st->run_count);
    json_w_int(&b.w, "denied", st->denied);
    json_w_int(&b.w, "cost_nanousd", st->cost_nanousd);
    return round_record(r, &b) < 0 ? err_set(e, ERR_IO, "could not record the end of the session")
                                   : 0;
}

bool round_only_saving(const struct round *r)
{
    return r->queue_len == 0 && r->waiting == NULL && r->start_run == 0 && r->twin.of == 0 &&
           !r->awaiting_restore;
}

int round_append_event(struct round *r, struct event_builder *b, struct err *e)
{
    return round_record(r, b) < 0 ? err_set(e, ERR_IO, "it could not be recorded") : 0;
}
