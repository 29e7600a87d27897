/* round_twin.c - a dry run: the same bytes in a throw-away second sandbox that holds a copy of the
 * state and files.
 *
 * The twin is made under the same contract, gets the newest saved namespace and the files of
 * /workspace (up to PROPOSAL_FILES_MAX; what did not fit is said), runs the very capsule that was
 * decided on, reports what changed, and is destroyed. It never changes the session's state and is
 * never an attempt; afterwards the original run is back at its gate.
 */
#include "tool/round_int.h"

#include <stdlib.h>
#include <string.h>

void round_twin_drop(struct round *r)
{
    struct twin *t = &r->twin;
    birth_free(t->birth);
    if (t->sandbox != NULL)
        t->sandbox->ops->close(t->sandbox);
    capsule_free(t->capsule);
    if (t->judged_ready)
        judged_release(&t->judged);
    for (size_t i = 0; i < t->copy_count; i++) {
        free(t->copies[i].name);
        free(t->copies[i].ptr);
    }
    free(t->copies);
    for (size_t i = 0; i < t->to_fetch; i++)
        free(t->fetch[i]);
    free(t->fetch);
    *t = (struct twin){ 0 };
}

/* The verdict is the last word on a twin; after it the state asks for the original's gate. */
static void twin_verdict(struct round *r)
{
    struct twin *t = &r->twin;
    if (!t->judged_ready || r->broken)
        return;
    t->judged_ready = false;
    round_record_judged(r, t->run, &t->judged);
}

/* One that is not over yet ends so: the original would wait for its verdict for good. */
static void twin_end(struct round *r, enum run_end end, const char *why)
{
    struct twin *t = &r->twin;
    struct sandbox_finished f = sandbox_finished_bare(end, why);
    const struct state_run *sr = state_run_at(r->cfg.state, t->run);
    if (sr != NULL && sr->status != RUN_FINISHED) {
        round_record_finished(r, t->run, &f);
        round_record_verdict(r, t->run, &f);
    }
}

static void twin_fail(struct round *r, const struct err *why)
{
    twin_end(r, END_SANDBOX, why->msg);
    if (r->twin.sandbox == NULL)
        round_twin_drop(r);
}

/* What the real run would find and the twin does not. */
static void twin_lacks(struct round *r, const struct err *what)
{
    round_record_error(r, r->twin.run, what, "its result may differ from the real run's");
}

static void twin_exec(struct round *r)
{
    struct twin *t = &r->twin;
    struct err e = ERR_INIT;
    struct expectation x = { 0 };
    const struct state_run *sr = state_run_at(r->cfg.state, t->run);
    struct event_builder b;
    if (t->skipped > 0) {
        err_set(&e, ERR_LIMIT,
                "%zu file%s of /workspace could not be copied into the twin (too large, or no "
                "regular file)",
                t->skipped, t->skipped == 1 ? "" : "s");
        twin_lacks(r, &e);
    }
    event_begin(&b, EVENT_RUN_STARTED, t->run);
    json_w_str(&b.w, "sandbox_id", "twin");
    json_w_str(&b.w, "capsule", capsule_hex(t->capsule));
    if (round_record(r, &b) < 0)
        return;
    round_streams_reset(r, 1);
    struct sandbox_run rq = *capsule_request(t->capsule);
    const char **exists = NULL;
    if (expectation_parse(&x, sr->expect, strlen(sr->expect), &e) == 0)
        exists = expectation_paths(&x, &rq.exists_count);
    rq.exists = exists;
    if (t->sandbox->ops->exec(t->sandbox, &rq, &e) < 0) {
        twin_fail(r, &e);
        t->sandbox->ops->kill(t->sandbox, END_KILLED);
    }
    free(exists);
    expectation_release(&x);
}

/* Copy the next file over, or run when none is left. */
static void twin_advance(struct round *r)
{
    struct twin *t = &r->twin;
    struct err e = ERR_INIT;
    while (t->copied < t->copy_count) {
        if (t->sandbox->ops->put(t->sandbox, &t->copies[t->copied], &e) == 0)
            return; /* goes on at FILE_DONE */
        t->copied++;
        t->skipped++;
    }
    twin_exec(r);
}

static void twin_ready(struct round *r)
{
    struct twin *t = &r->twin;
    struct buf saved = BUF_INIT((size_t)96 << 20);
    struct err e = ERR_INIT;
    const struct state *st = r->cfg.state;
    const struct state_run *from = r->contract.lifecycle == LIFECYCLE_SESSION && !st->vars_lost
                                       ? state_saved_near(st, st->vars_run)
                                       : NULL;
    if (from != NULL) {
        t->loading =
            r->cfg.port.read_checkpoint(r->cfg.port.arg, from->saved.digest, &saved, &e) == 0 &&
            t->sandbox->ops->load(t->sandbox, saved.ptr, saved.len, &e) == 0;
        if (!t->loading)
            twin_lacks(r, &e);
    }
    buf_release(&saved);
    if (!t->loading)
        twin_advance(r);
}

static void on_twin_proved(void *arg, const struct probe_report reports[LIGHT_COUNT])
{
    struct round *r = arg;
    struct twin *t = &r->twin;
    struct err why = ERR_INIT;
    bool holds = reports == NULL || round_record_proved(r, t->run, reports, &why);
    birth_free(t->birth);
    t->birth = NULL;
    if (r->broken)
        return;
    if (holds) {
        twin_ready(r);
        return;
    }
    twin_fail(r, &why);
    t->sandbox->ops->kill(t->sandbox, END_KILLED);
}

static void twin_finished(struct round *r, const struct sandbox_finished *f)
{
    struct twin *t = &r->twin;
    round_end_output(r, t->run);
    round_record_finished(r, t->run, f);
    round_judge(r, t->run, f, &t->judged);
    t->judged_ready = true;
    if (f->state_lost)
        t->sandbox->ops->kill(t->sandbox, END_KILLED);
}

static void on_twin(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct round *r = arg;
    struct twin *t = &r->twin;
    if (s != t->sandbox || birth_take(t->birth, ev))
        return;
    switch (ev->kind) {
    case SANDBOX_READY:
        round_record_ready(r, ev, t->run);
        round_prove(r, s, &t->birth, on_twin_proved);
        break;
    case SANDBOX_RESTORED:
        t->loading = false;
        if (ev->err != NULL)
            twin_lacks(r, ev->err);
        twin_advance(r);
        break;
    case SANDBOX_FILE_DONE:
        t->copied++;
        t->skipped += ev->err != NULL;
        twin_advance(r);
        break;
    case SANDBOX_OUTPUT:
        if (ev->run == t->of)
            round_record_output(r, t->run, ev->stream, ev->ptr, ev->len);
        break;
    case SANDBOX_RESULT:
        round_record_result(r, t->run, ev);
        break;
    case SANDBOX_FINISHED:
        twin_finished(r, ev->finished);
        break;
    case SANDBOX_STATE:
        round_record_state(r, t->run, ev);
        twin_verdict(r);
        s->ops->kill(s, END_KILLED);
        break;
    case SANDBOX_USAGE:
        round_record_sandbox_usage(r, ev->usage);
        break;
    case SANDBOX_NET:
        round_record_net(r, t->run, ev);
        break;
    case SANDBOX_FAILED:
        twin_fail(r, ev->err);
        break;
    case SANDBOX_CLOSED:
        round_record_closed(r, ev->confirmed, t->run);
        twin_verdict(r);
        twin_end(r, END_INTERRUPTED, "the dry run was stopped before its code began");
        round_twin_drop(r);
        loop_wake_idle(r->cfg.loop, r->idle);
        break;
    default:
        break;
    }
}

static void open_twin(struct round *r)
{
    struct twin *t = &r->twin;
    struct err e = ERR_INIT;
    if (round_open_sandbox(r, &t->sandbox, on_twin, t->run, &e) < 0) {
        t->sandbox = NULL;
        twin_fail(r, &e);
    }
}

/* ---- the files of /workspace: asked for one after the other from the session's sandbox ---- */

static void forget(struct twin *t, const char *path)
{
    for (size_t i = 0; i < t->to_fetch; i++) {
        if (strcmp(t->fetch[i], path) == 0) {
            free(t->fetch[i]);
            t->fetch[i] = t->fetch[--t->to_fetch];
            return;
        }
    }
}

static void list_files(struct round *r)
{
    struct twin *t = &r->twin;
    const struct state *st = r->cfg.state;
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *sr = st->runs[i];
        for (size_t k = 0; sr->twin_of == 0 && k < sr->file_count; k++) {
            forget(t, sr->files[k].path);
            if (sr->files[k].change == CHANGE_GONE)
                continue;
            t->fetch = xreallocarray(t->fetch, t->to_fetch + 1, sizeof *t->fetch);
            t->fetch[t->to_fetch++] = xstrdup(sr->files[k].path);
        }
    }
}

static void fetch_next(struct round *r)
{
    struct twin *t = &r->twin;
    struct err e = ERR_INIT;
    while (t->to_fetch > 0) {
        size_t left = t->bytes < PROPOSAL_FILES_MAX ? PROPOSAL_FILES_MAX - t->bytes : 0;
        if (left > 0 && r->sandbox != NULL && r->sandbox_ready &&
            r->sandbox->ops->get(r->sandbox, t->fetch[t->to_fetch - 1], left, &e) == 0) {
            t->fetching = true;
            return; /* goes on in round_twin_got */
        }
        t->skipped++;
        free(t->fetch[--t->to_fetch]);
    }
    open_twin(r);
}

bool round_twin_got(struct round *r, const struct sandbox_event *ev)
{
    struct twin *t = &r->twin;
    bool is_put = ev->err == NULL && ev->ptr == NULL;
    /* The person may have asked for files at the same time. */
    if (!t->fetching || is_put || strcmp(ev->path, t->fetch[t->to_fetch - 1]) != 0)
        return false;
    t->fetching = false;
    char *path = t->fetch[--t->to_fetch];
    if (ev->err != NULL) {
        t->skipped++;
        free(path);
    } else {
        t->copies = xreallocarray(t->copies, t->copy_count + 1, sizeof *t->copies);
        t->copies[t->copy_count++] = (struct sandbox_file){
            .name = path,
            .mode = 0644,
            .ptr = xmemdup(ev->ptr, ev->len),
            .len = ev->len,
        };
        t->bytes += ev->len;
    }
    fetch_next(r);
    return true;
}

void round_twin_alone(struct round *r)
{
    if (!r->twin.fetching || r->broken)
        return;
    r->twin.fetching = false;
    fetch_next(r);
}

/* ---- from the decision to the start ---- */

void round_do_dry_run(struct round *r, uint32_t run)
{
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    struct proposal p = {
        .twin_of = run,
        .language = sr->language,
        .code = sr->code,
        .code_len = sr->code_len,
        .purpose = (char *)(uintptr_t) "dry run in a throw-away twin",
        .step = sr->step,
        .expect = sr->expect,
        .author = sr->author,
    };
    struct event_builder b;
    r->twin.of = run;
    r->twin.run = (uint32_t)r->cfg.state->run_count + 1;
    event_begin(&b, EVENT_RUN_PROPOSED, r->twin.run);
    round_write_proposed(&b.w, &p, 1, sr->attempt);
    round_record(r, &b);
}

void round_start_twin(struct round *r, uint32_t run)
{
    INVARIANT(r->twin.run == run && r->twin.capsule != NULL);
    list_files(r);
    fetch_next(r);
}
