/* round_twin.c - a dry run: the same bytes in a throw-away second sandbox that holds a copy of the
 * state and files.
 *
 * The twin is made under the same contract, gets the newest saved namespace and the files of
 * /workspace (up to PROPOSAL_FILES_MAX; what did not fit is said), runs a capsule of its own,
 * reports what changed, and is destroyed. It never changes the session's state and is never an
 * attempt; afterwards the original run is back at its gate.
 */
#include "tool/round_int.h"

#include <stdlib.h>
#include <string.h>

void round_twin_drop(struct round *r)
{
    struct twin *t = &r->twin;
    if (t->sandbox != NULL)
        t->sandbox->ops->close(t->sandbox);
    capsule_free(t->capsule);
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

static void back_to_gate(struct round *r, uint32_t of)
{
    round_twin_drop(r);
    if (!r->broken)
        round_queue(r, EFFECT_GATE, of);
}

static void twin_fail(struct round *r, const struct err *why)
{
    struct twin *t = &r->twin;
    struct sandbox_finished f = {
        .end = END_SANDBOX,
        .what = "",
        .limits_hit = "",
        .error_name = "",
        .error_value = "",
        .error_traceback = "",
        .check_text = "",
        .message = why->msg,
    };
    uint32_t of = t->of;
    if (state_run_at(r->cfg.state, t->run) != NULL &&
        state_run_at(r->cfg.state, t->run)->status != RUN_FINISHED)
        round_record_finished(r, t->run, &f);
    back_to_gate(r, of);
}

static void twin_exec(struct round *r)
{
    struct twin *t = &r->twin;
    struct err e = ERR_INIT;
    struct event_builder b;
    event_begin(&b, EVENT_RUN_STARTED, t->run);
    json_w_str(&b.w, "sandbox_id", "twin");
    json_w_str(&b.w, "capsule", capsule_hex(t->capsule));
    if (round_record(r, &b) < 0)
        return;
    round_streams_reset(r, 1);
    if (t->sandbox->ops->exec(t->sandbox, capsule_request(t->capsule), &e) < 0)
        twin_fail(r, &e);
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
    }
    twin_exec(r);
}

static void twin_ready(struct round *r)
{
    struct twin *t = &r->twin;
    struct buf saved = BUF_INIT((size_t)80 << 20);
    struct err e = ERR_INIT;
    uint32_t from = 0;
    bool fresh = r->sandbox == NULL;
    if (!fresh && r->cfg.port.read_checkpoint(r->cfg.port.arg, 0, &from, &saved, &e) == 0 &&
        t->sandbox->ops->load(t->sandbox, saved.ptr, saved.len, &e) == 0)
        t->loading = true;
    buf_release(&saved);
    if (!t->loading)
        twin_advance(r);
}

static void on_twin(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct round *r = arg;
    struct twin *t = &r->twin;
    if (s != t->sandbox)
        return;
    uint32_t of = t->of;
    switch (ev->kind) {
    case SANDBOX_READY:
        round_record_ready(r, ev, true);
        twin_ready(r);
        break;
    case SANDBOX_RESTORED:
        t->loading = false;
        twin_advance(r);
        break;
    case SANDBOX_FILE_DONE:
        t->copied++;
        twin_advance(r);
        break;
    case SANDBOX_OUTPUT:
        if (ev->run == t->run)
            round_record_output(r, ev->run, ev->stream, ev->ptr, ev->len);
        break;
    case SANDBOX_RESULT:
        round_record_result(r, ev);
        break;
    case SANDBOX_FINISHED:
        round_end_output(r, t->run);
        round_record_finished(r, t->run, ev->finished);
        round_record_verdict(r, t->run, ev->finished);
        if (ev->finished->state_lost)
            s->ops->kill(s, END_KILLED);
        break;
    case SANDBOX_STATE:
        round_record_state(r, t->run, ev);
        s->ops->kill(s, END_KILLED);
        break;
    case SANDBOX_FAILED:
        twin_fail(r, ev->err);
        break;
    case SANDBOX_CLOSED:
        round_record_closed(r, ev->confirmed, true);
        back_to_gate(r, of);
        break;
    default:
        break;
    }
}

static void open_twin(struct round *r)
{
    struct twin *t = &r->twin;
    struct err e = ERR_INIT;
    if (round_open_sandbox(r, &t->sandbox, on_twin, true, &e) < 0) {
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
    if (t->skipped > 0) {
        err_set(&e, ERR_LIMIT,
                "%zu files of /workspace were not copied into the twin (too large, or not regular "
                "files)",
                t->skipped);
        round_record_error(r, t->run, &e, "its result may differ from the real run's");
    }
    open_twin(r);
}

bool round_twin_got(struct round *r, const struct sandbox_event *ev)
{
    struct twin *t = &r->twin;
    if (!t->fetching)
        return false;
    t->fetching = false;
    char *path = t->fetch[--t->to_fetch];
    if (ev->err != NULL || ev->ptr == NULL) {
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

static int propose_twin(struct round *r, uint32_t run)
{
    const struct state_run *sr = state_run_at(r->cfg.state, run);
    struct event_builder b;
    uint32_t number = (uint32_t)r->cfg.state->run_count + 1;
    event_begin(&b, EVENT_RUN_PROPOSED, number);
    json_w_int(&b.w, "rev", 0);
    json_w_int(&b.w, "twin_of", run);
    json_w_str(&b.w, "step", sr->step);
    json_w_int(&b.w, "attempt", sr->attempt);
    json_w_str(&b.w, "language", sr->language);
    json_w_strn(&b.w, "code", sr->code, sr->code_len);
    json_w_str(&b.w, "purpose", "dry run");
    json_w_str(&b.w, "author", sr->author);
    if (round_record(r, &b) < 0)
        return -1;
    r->twin.run = number;
    r->twin.of = run;
    return 0;
}

void round_do_dry_run(struct round *r, uint32_t run)
{
    struct err e = ERR_INIT;
    if (r->twin.of != 0 || propose_twin(r, run) < 0)
        return;
    if (round_build_capsule(r, r->twin.run, &r->twin.capsule, &e) < 0) {
        twin_fail(r, &e);
        return;
    }
    list_files(r);
    fetch_next(r);
}
