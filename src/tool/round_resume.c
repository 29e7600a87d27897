/* round_resume.c - REPL state across sandboxes: the newest saved namespace goes into the new one,
 * and each variable or file that could not come along is named. Restoring never executes approved
 * code again. [architecture §6] */
#include "tool/round_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

/* Variables that were lost by a crash stay lost; what lived when the sandbox went is brought back.
 */
static bool had_state(const struct state *st)
{
    for (size_t i = 0; i < st->var_count; i++) {
        if (st->vars[i].change != CHANGE_GONE)
            return true;
    }
    for (size_t i = 0; i < st->run_count; i++) {
        if (st->runs[i]->twin_of == 0 && st->runs[i]->file_count > 0)
            return true;
    }
    return false;
}

/* The variables that were to come back: of the run gone back to, else what the REPL was. */
static const struct state_var *wanted(const struct round *r, size_t *count)
{
    const struct state *st = r->cfg.state;
    const struct state_run *to = r->travel.on ? state_run_at(st, r->travel.run) : NULL;
    if (to != NULL && to->var_count > 0) {
        *count = to->var_count;
        return to->vars;
    }
    *count = r->travel.on ? 0 : st->var_count;
    return st->vars;
}

static bool is_named(const struct sandbox_event *ev, const struct state_var *v)
{
    for (size_t i = 0; i < ev->lost_count; i++) {
        if (state_lost_is(ev->lost[i], v))
            return true;
    }
    return false;
}

/* Why it could not be kept when it was saved, or just its name. */
static char *lost_words(const struct state_run *from, const struct state_var *v)
{
    for (size_t i = 0; from != NULL && i < from->saved.lost_count; i++) {
        if (state_lost_is(from->saved.lost[i], v))
            return xstrdup(from->saved.lost[i]);
    }
    return xstrdup(v->name);
}

/* What the record knows of and the sandbox did not get back, or only as it was earlier. */
static void write_lost_vars(struct round *r, struct json_w *w, const struct sandbox_event *ev,
                            uint32_t from)
{
    size_t count;
    const struct state *st = r->cfg.state;
    const struct state_run *at = from == 0 ? st->origin : state_run_at(st, from);
    const struct state_var *vars = wanted(r, &count);
    for (size_t i = 0; i < count; i++) {
        const struct state_var *v = &vars[i];
        bool kept = has_name(ev->kept, ev->kept_count, v->name), older = v->since_run > from;
        if (v->change == CHANGE_GONE || is_named(ev, v) || (kept && !older))
            continue;
        char *words = kept ? xasprintf("%s (its value after run %u)", v->name, v->since_run)
                           : lost_words(at, v);
        json_w_strn(w, NULL, words, strlen(words));
        free(words);
    }
}

static void write_lost_files(struct round *r, struct json_w *w)
{
    const struct state *st = r->cfg.state;
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *sr = st->runs[i];
        for (size_t k = 0; sr->twin_of == 0 && k < sr->file_count; k++) {
            if (sr->files[k].change != CHANGE_NEW)
                continue;
            char *name = xasprintf("file %s", sr->files[k].path);
            json_w_strn(w, NULL, name, strlen(name));
            free(name);
        }
    }
}

/* In the sandbox there was, but not as the record has it: what was cut off went on with it. */
static void write_changed_vars(struct round *r, struct json_w *w, const struct sandbox_event *ev)
{
    const struct state *st = r->cfg.state;
    for (size_t i = 0; i < ev->var_count; i++) {
        const struct sandbox_var *is = &ev->vars[i];
        for (size_t k = 0; k < st->var_count; k++) {
            const struct state_var *was = &st->vars[k];
            if (strcmp(was->name, is->name) != 0 || strcmp(was->language, "python") != 0 ||
                is->change == CHANGE_GONE || was->digest[0] == '\0' || is->digest[0] == '\0' ||
                strcmp(was->digest, is->digest) == 0 || strcmp(was->type, "type") == 0)
                continue;
            char *words = xasprintf("%s (changed since by code that was cut off)", was->name);
            json_w_strn(w, NULL, words, strlen(words));
            free(words);
        }
    }
}

static void write_restored(struct round *r, const struct sandbox_event *ev, uint32_t from,
                           const char *how)
{
    struct event_builder b;
    event_begin(&b, EVENT_STATE_RESTORED, 0);
    json_w_int(&b.w, "from_run", from);
    json_w_str(&b.w, "how", how);
    round_write_names(r, &b.w, "kept", ev->kept, ev->kept_count);
    json_w_array(&b.w, "lost");
    for (size_t i = 0; i < ev->lost_count; i++)
        json_w_strn(&b.w, NULL, ev->lost[i], strlen(ev->lost[i]));
    write_lost_vars(r, &b.w, ev, from);
    if (strcmp(how, "attached") == 0)
        write_changed_vars(r, &b.w, ev);
    if (r->restoring_fresh)
        write_lost_files(r, &b.w);
    json_w_close_array(&b.w);
    round_record(r, &b);
}

/* What the next run goes on from, for its capsule: the digest of the saved namespace, or for a
 * frozen copy that was never saved a name of its own. */
static void set_parent_state(struct round *r, uint32_t from)
{
    const struct state_run *sr = state_run_at(r->cfg.state, from);
    const struct state_run *at = from == 0 ? r->cfg.state->origin : sr;
    if (at != NULL && at->saved.digest != NULL &&
        hex_decode(at->saved.digest, strlen(at->saved.digest), r->parent_state) == 0 &&
        strlen(at->saved.digest) == SHA256_HEX_LEN)
        return;
    char *name = xasprintf("airlock.state.1 %s %u", r->cfg.state->session, from);
    if (from == 0)
        memset(r->parent_state, 0, sizeof r->parent_state);
    else
        sha256_once(name, strlen(name), r->parent_state);
    free(name);
}

static void restored(struct round *r, const struct sandbox_event *ev, uint32_t from,
                     const char *how)
{
    write_restored(r, ev, from, how);
    set_parent_state(r, from);
    r->restoring_fresh = r->awaiting_restore = false;
    r->travel = (struct travelling){ .on = false };
    loop_wake_idle(r->cfg.loop, r->idle);
}

/* A copy that could not be woken changes nothing; a namespace that could not be loaded leaves a
 * fresh interpreter. */
static void not_restored(struct round *r, const struct err *why)
{
    bool fresh = r->restoring_fresh;
    struct sandbox_event nothing = { .kind = SANDBOX_RESTORED };
    round_record_error(r, 0, why,
                       fresh ? "the interpreter is fresh" : "the variables are as before");
    if (fresh && !r->broken)
        restored(r, &nothing, 0, "none");
    r->awaiting_restore = false;
    r->travel = (struct travelling){ .on = false };
    loop_wake_idle(r->cfg.loop, r->idle);
}

bool round_had_state(const struct round *r)
{
    return had_state(r->cfg.state);
}

void round_record_restored(struct round *r, const struct sandbox_event *ev)
{
    bool attached = r->attaching, started = r->from_snapshot;
    r->attaching = r->from_snapshot = false;
    if (ev->err != NULL)
        not_restored(r, ev->err);
    else if (attached)
        restored(r, ev, r->cfg.state->vars_run, "attached");
    else if (started)
        restored(r, ev, r->load_from, "snapshot");
    else if (r->restoring_fresh)
        restored(r, ev, r->load_from, "saved");
    else
        restored(r, ev, ev->run, ev->run != 0 ? "fork" : "none");
}

static int load_saved(struct round *r, const struct state_run *from, struct err *e)
{
    struct buf saved = BUF_INIT(SAVED_BYTES_MAX);
    int rc = r->cfg.port.read_checkpoint(r->cfg.port.arg, from->saved.digest, &saved, e);
    if (rc == 0 && (int64_t)saved.len != from->saved.bytes)
        rc = err_set(e, ERR_INTEGRITY, "the saved variables are not whole");
    if (rc == 0)
        rc = r->sandbox->ops->load == NULL
                 ? err_set(e, ERR_USAGE, "sandbox %s can't take variables in", r->cfg.sandbox->name)
                 : r->sandbox->ops->load(r->sandbox, saved.ptr, saved.len, e);
    buf_release(&saved);
    return rc;
}

void round_bring_state_back(struct round *r)
{
    const struct state *st = r->cfg.state;
    struct err e = ERR_INIT;
    if (r->broken || r->contract.lifecycle != LIFECYCLE_SESSION ||
        (!r->travel.on && !had_state(st)))
        return;
    const struct state_run *from =
        state_saved_near(st, r->travel.on ? r->travel.run : st->vars_run);
    r->restoring_fresh = true;
    r->load_from = from != NULL ? from->number : 0;
    if (from != NULL && load_saved(r, from, &e) == 0) {
        r->awaiting_restore = true;
        return;
    }
    if (from != NULL)
        round_record_error(r, 0, &e, "the variables are not back");
    struct sandbox_event nothing = { .kind = SANDBOX_RESTORED };
    restored(r, &nothing, 0, "none");
}

/* ---- going back on purpose ---- */

int round_open_next(struct round *r, struct err *e)
{
    if (!had_state(r->cfg.state) && !r->travel.on)
        return 0;
    const struct state_run *from = state_saved_near(r->cfg.state, r->cfg.state->vars_run);
    set_parent_state(r, from != NULL ? from->number : 0);
    r->awaiting_restore = true;
    if (round_open_sandbox(r, &r->sandbox, round_on_sandbox, 0, e) == 0)
        return 0;
    r->sandbox = NULL;
    r->awaiting_restore = false;
    return -1;
}

void round_open_again(struct round *r)
{
    struct err e = ERR_INIT;
    if (round_open_next(r, &e) < 0)
        round_record_error(r, 0, &e, "the next run starts a new sandbox");
}

/* In place of the sandbox there is, or the first one. */
static int travel_saved(struct round *r, struct err *e)
{
    if (r->sandbox != NULL) {
        r->sandbox->ops->kill(r->sandbox, END_KILLED); /* CLOSED opens the new one */
        return 0;
    }
    if (round_open_sandbox(r, &r->sandbox, round_on_sandbox, 0, e) < 0) {
        r->sandbox = NULL;
        r->travel.on = r->awaiting_restore = false;
        return -1;
    }
    return 0;
}

void round_go_on_travelling(struct round *r)
{
    struct err e = ERR_INIT;
    r->awaiting_restore = true;
    if (travel_saved(r, &e) < 0)
        round_record_error(r, 0, &e, "the next run starts a new sandbox");
}

int round_travel(struct round *r, uint32_t run, struct err *e)
{
    const struct state *st = r->cfg.state;
    struct travel t;
    if (r->broken || st->running != 0 || r->start_run != 0 || r->awaiting_restore)
        return err_set(e, ERR_BUSY, "something is under way: wait for it or interrupt it");
    if (st->gate.open)
        return err_set(e, ERR_BUSY,
                       "a gate is open: decide it first, its code was written for the "
                       "variables as they are now");
    travel_plan(&t, st, run);
    if (t.how == TRAVEL_NOT || t.how == TRAVEL_HERE)
        return err_set(e, ERR_USAGE, "%s", t.why);
    bool elsewhere = t.how == TRAVEL_SAVED || t.how == TRAVEL_SNAPSHOT;
    if (elsewhere)
        round_save_now(r);
    if (elsewhere && (r->awaiting_snapshot || r->awaiting_save || r->save.stage != SAVE_NOTHING))
        return err_set(e, ERR_BUSY,
                       "the variables are being saved: in a moment, so that they are "
                       "not lost");
    r->awaiting_restore = true;
    r->travel = (struct travelling){ .on = true, .run = run };
    if (elsewhere)
        return travel_saved(r, e);
    if (r->sandbox == NULL)
        err_set(e, ERR_USAGE, "the sandbox that holds its frozen copy is not connected");
    else if (r->sandbox->ops->restore(r->sandbox, run, e) == 0)
        return 0;
    r->travel.on = r->awaiting_restore = false;
    return -1;
}

/* A sandbox of this machine dies with the program, which had no time to write it down: its frozen
 * copies are not offered any more. Nobody saw it die, so its end is not told as confirmed. */
static void bury_local(struct round *r)
{
    const struct state *st = r->cfg.state;
    if ((r->cfg.sandbox->caps & SANDBOX_IS_REMOTE) || st->sbx == SBX_NONE || st->sbx == SBX_CLOSED)
        return;
    snprintf(r->label, LABEL_SIZE, "%s", st->sandbox_label);
    round_record_closed(r, false, 0);
}

/* What was on its way when the program ended has an end of its own, and what waited at a gate waits
 * there again. */
static void settle_left_over(struct round *r)
{
    const struct state *st = r->cfg.state;
    for (uint32_t i = 1; i <= st->run_count; i++) {
        const struct state_run *sr = state_run_at(st, i);
        struct sandbox_finished f = sandbox_finished_bare(
            END_LOST, sr->status == RUN_RUNNING
                          ? "Airlock ended while it ran: how far it came is unknown"
                          : "Airlock ended before it started: nothing of it ran");
        if (sr->status == RUN_RUNNING || sr->status == RUN_APPROVED) {
            round_record_finished(r, i, &f);
            round_record_verdict(r, i, &f);
        }
    }
    r->queue_len = 0; /* the planner learns of all of it as its past */
    round_tell_past(r);
    const struct state_run *last = state_last_run(st);
    if (last != NULL && (last->status == RUN_PROPOSED || last->status == RUN_REVIEWED))
        round_bring_given_back(r, last);
    if (last != NULL && last->status == RUN_PROPOSED)
        round_queue(r, EFFECT_REVIEW, last->number);
    else if (last != NULL && last->status == RUN_REVIEWED)
        round_queue(r, EFFECT_GATE, last->number);
}

int round_resume_state(struct round *r, struct err *e)
{
    settle_left_over(r);
    bury_local(r);
    if (r->sandbox != NULL || r->contract.lifecycle != LIFECYCLE_SESSION)
        return 0;
    int begun = round_attach(r, e);
    if (begun < 0 || (begun == 0 && round_open_next(r, e) < 0))
        return err_wrap(e, "the REPL state can't be restored now");
    return 0;
}
