/* round_resume.c - REPL state across sandboxes: the newest saved namespace goes into the new one,
 * and each variable or file that could not come along is named. Restoring never executes approved
 * code again. [architecture §6] */
#include "tool/round_int.h"

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

/* What the record knows of and the sandbox did not get back: variables by name, files as `file
 * NAME`. */
static void write_lost(struct round *r, struct json_w *w, const struct sandbox_event *ev)
{
    const struct state *st = r->cfg.state;
    json_w_array(w, "lost");
    for (size_t i = 0; i < ev->lost_count; i++)
        json_w_strn(w, NULL, ev->lost[i], strlen(ev->lost[i]));
    for (size_t i = 0; i < st->var_count; i++) {
        const struct state_var *v = &st->vars[i];
        if (v->change != CHANGE_GONE && !has_name(ev->kept, ev->kept_count, v->name) &&
            !has_name(ev->lost, ev->lost_count, v->name))
            json_w_strn(w, NULL, v->name, strlen(v->name));
    }
    for (size_t i = 0; r->restoring_fresh && i < st->run_count; i++) {
        const struct state_run *sr = st->runs[i];
        for (size_t k = 0; sr->twin_of == 0 && k < sr->file_count; k++) {
            if (sr->files[k].change != CHANGE_NEW)
                continue;
            char *name = xasprintf("file %s", sr->files[k].path);
            json_w_strn(w, NULL, name, strlen(name));
            free(name);
        }
    }
    json_w_close_array(w);
}

void round_record_restored(struct round *r, const struct sandbox_event *ev)
{
    struct event_builder b;
    event_begin(&b, EVENT_STATE_RESTORED, 0);
    json_w_int(&b.w, "from_run", ev->run);
    round_write_names(r, &b.w, "kept", ev->kept, ev->kept_count);
    write_lost(r, &b.w, ev);
    r->restoring_fresh = false;
    round_record(r, &b);
}

void round_bring_state_back(struct round *r)
{
    struct buf saved = BUF_INIT((size_t)96 << 20);
    struct err e = ERR_INIT;
    uint32_t from = 0;
    if (r->broken || r->contract.lifecycle != LIFECYCLE_SESSION || !had_state(r->cfg.state))
        return;
    r->restoring_fresh = true;
    if (r->cfg.port.read_checkpoint(r->cfg.port.arg, 0, &from, &saved, &e) == 0 && saved.len > 0 &&
        r->sandbox->ops->load != NULL &&
        r->sandbox->ops->load(r->sandbox, saved.ptr, saved.len, &e) == 0) {
        sha256_once(saved.ptr, saved.len, r->parent_state);
        r->awaiting_restore = true;
    } else {
        struct sandbox_event nothing = { .kind = SANDBOX_RESTORED };
        memset(r->parent_state, 0, sizeof r->parent_state);
        round_record_restored(r, &nothing);
    }
    buf_release(&saved);
}

/* What was on its way when the program ended has an end of its own, and what waited at a gate waits
 * there again. */
static void settle_left_over(struct round *r)
{
    const struct state *st = r->cfg.state;
    for (uint32_t i = 1; i <= st->run_count; i++) {
        const struct state_run *sr = state_run_at(st, i);
        struct sandbox_finished f = {
            .end = END_LOST,
            .what = "",
            .limits_hit = "",
            .error_name = "",
            .error_value = "",
            .error_traceback = "",
            .check_text = "",
            .message = sr->status == RUN_RUNNING
                           ? "Airlock ended while it ran: how far it came is unknown"
                           : "Airlock ended before it started: nothing of it ran",
        };
        if (sr->status == RUN_RUNNING || sr->status == RUN_APPROVED) {
            round_record_finished(r, i, &f);
            round_record_verdict(r, i, &f);
        }
    }
    r->queue_len = 0; /* the planner learns of all of it as its past */
    round_tell_past(r);
    const struct state_run *last = state_last_run(st);
    if (last != NULL && last->status == RUN_PROPOSED)
        round_queue(r, EFFECT_REVIEW, last->number);
    else if (last != NULL && last->status == RUN_REVIEWED)
        round_queue(r, EFFECT_GATE, last->number);
}

int round_resume_state(struct round *r, struct err *e)
{
    struct buf saved = BUF_INIT((size_t)96 << 20);
    struct err none = ERR_INIT;
    uint32_t from = 0;
    settle_left_over(r);
    if (r->sandbox != NULL || r->contract.lifecycle != LIFECYCLE_SESSION ||
        !had_state(r->cfg.state))
        return 0;
    if (r->cfg.port.read_checkpoint(r->cfg.port.arg, 0, &from, &saved, &none) == 0)
        sha256_once(saved.ptr, saved.len, r->parent_state);
    buf_release(&saved);
    if (round_open_sandbox(r, &r->sandbox, round_on_sandbox, 0, e) < 0) {
        r->sandbox = NULL;
        return err_wrap(e, "the REPL state can't be restored now");
    }
    return 0;
}
