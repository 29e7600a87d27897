/* state_run.c - a run from its proposal to its verdict. Each handler checks everything before it
 * changes anything. */
#include "tool/state_int.h"

#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#define CHECKS_MAX 1000

/* ---- life of a run ---- */

char **state_run_strings(struct state_run *r, size_t i)
{
    char **const all[] = { &r->step,    &r->language,   &r->code,        &r->purpose,
                           &r->expect,  &r->author,     &r->capsule,     &r->decision,
                           &r->by,      &r->reason,     &r->end_what,    &r->limits_hit,
                           &r->message, &r->error_name, &r->error_value, &r->error_traceback,
                           &r->call_id, &r->snapshot };
    return i < ARRAY_LEN(all) ? all[i] : NULL;
}

struct state_run *state_run_new(void)
{
    struct state_run *r = xcalloc(1, sizeof *r);
    for (size_t i = 0; state_run_strings(r, i) != NULL; i++)
        *state_run_strings(r, i) = xstrdup("");
    return r;
}

struct state_run *state_run_add(struct state *st)
{
    if (st->run_count == st->run_cap) {
        st->run_cap = st->run_cap != 0 ? st->run_cap * 2 : 16;
        st->runs = xreallocarray(st->runs, st->run_cap, sizeof(void *));
    }
    struct state_run *r = state_run_new();
    st->runs[st->run_count++] = r;
    r->number = (uint32_t)st->run_count;
    return r;
}

void state_findings_free(struct state_run *r)
{
    for (size_t i = 0; i < r->finding_count; i++) {
        free(r->findings[i].rule);
        free(r->findings[i].text);
    }
    free(r->findings);
    r->findings = NULL;
    r->finding_count = 0;
    r->worst = SEVERITY_INFO;
}

void state_run_free(struct state_run *r)
{
    if (r == NULL)
        return;
    if (r->sharers > 0) {
        r->sharers--;
        return;
    }
    for (size_t i = 0; state_run_strings(r, i) != NULL; i++)
        free(*state_run_strings(r, i));
    state_findings_free(r);
    state_flags_free(r);
    state_nets_free(r);
    for (size_t i = 0; i < ARRAY_LEN(r->out); i++)
        state_output_release(&r->out[i]);
    for (size_t i = 0; i < r->result_count; i++) {
        free(r->results[i].mime);
        free(r->results[i].text);
        free(r->results[i].artifact);
    }
    free(r->results);
    for (size_t i = 0; i < r->check_count; i++) {
        free(r->checks[i].kind);
        free(r->checks[i].text);
        free(r->checks[i].got);
    }
    free(r->checks);
    state_vars_free(r->vars, r->var_count);
    state_files_free(r->files, r->file_count);
    state_saved_release(&r->saved);
    free(r);
}

/* ---- run.proposed ---- */

/* A dry run: its original was decided so, has the same code, and no twin came of that decision
 * yet. */
static int check_twin(struct state *st, const struct event *ev, const struct state_run *of,
                      struct err *e)
{
    if (of == NULL || of->status != RUN_REVIEWED || strcmp(of->decision, "dry-run") != 0)
        return contradiction(ev, e, "a twin of a run that was not decided so");
    if (strcmp(body_str(ev->body, "code"), of->code) != 0 ||
        strcmp(body_str(ev->body, "language"), of->language) != 0)
        return contradiction(ev, e, "a twin of run %u with other code", of->number);
    for (size_t i = of->number; i < st->run_count; i++) {
        const struct state_run *r = st->runs[i];
        if (r->twin_of == of->number && r->first_seq > of->decided_seq)
            return contradiction(ev, e, "run %u has used that decision", r->number);
    }
    return 0;
}

static int check_proposal(struct state *st, const struct event *ev, const struct state_run *r,
                          struct err *e)
{
    int64_t rev = json_get_int(ev->body, "rev", 0);
    int64_t twin_of = json_get_int(ev->body, "twin_of", 0);
    if (r == NULL) {
        if (ev->run != st->run_count + 1)
            return contradiction(ev, e, "the next run is %zu", st->run_count + 1);
        if (rev != 0 && rev != 1)
            return contradiction(ev, e, "a new run begins with rev %lld", (long long)rev);
        if (twin_of == 0)
            return 0;
        if (twin_of < 0 || twin_of > (int64_t)st->run_count)
            return contradiction(ev, e, "a twin of no run");
        return check_twin(st, ev, state_run_at(st, (uint32_t)twin_of), e);
    }
    if (r->erased)
        return 0;
    if (r->status != RUN_PROPOSED && r->status != RUN_REVIEWED)
        return contradiction(ev, e, "it can't be edited any more");
    if (rev != (int64_t)r->rev + 1 || twin_of != 0 || r->twin_of != 0)
        return contradiction(ev, e, "rev %lld after rev %u", (long long)rev, r->rev);
    return 0;
}

static void take_expect(struct state_run *r, const struct json *expect)
{
    free(r->expect);
    r->expect = json_kind(expect) == JSON_ARRAY ? strings_join(expect, '\n')
                                                : xstrdup(json_str(expect, ""));
}

static void take_proposal(struct state_run *r, const struct event *ev)
{
    int64_t attempt = json_get_int(ev->body, "attempt", 0);
    r->rev = (uint32_t)json_get_int(ev->body, "rev", 1);
    r->attempt = attempt > 0 && attempt < 1000 ? (uint32_t)attempt : 0;
    string_set(&r->step, body_str(ev->body, "step"));
    string_set(&r->language, body_str(ev->body, "language"));
    string_set(&r->code, body_str(ev->body, "code"));
    r->code_len = strlen(r->code);
    string_set(&r->purpose, body_str(ev->body, "purpose"));
    string_set(&r->author, body_str(ev->body, "author"));
    if (r->rev <= 1) /* an edit at the gate does not repeat it */
        string_set(&r->call_id, body_str(ev->body, "call_id"));
    take_expect(r, json_get(ev->body, "expect"));
    string_set(&r->capsule, "");
    string_set(&r->decision, "");
    string_set(&r->by, "");
    string_set(&r->reason, "");
    state_findings_free(r);
    r->status = RUN_PROPOSED;
    r->proposed_at_us = ev->at_us;
}

static void count_in_step(struct state *st, const struct state_run *r)
{
    struct state_step *step = state_step_find(st, r->step);
    if (step == NULL || r->twin_of != 0)
        return;
    step->attempts = r->attempt > step->attempts ? r->attempt : step->attempts;
    step->last_run = r->number;
}

int state_on_proposed(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    struct state_run *r = state_run_at(st, ev->run);
    bool fresh = r == NULL;
    if (check_proposal(st, ev, r, e) < 0)
        return -1;
    if (fresh) {
        r = state_run_add(st);
        r->first_seq = ev->seq;
        r->twin_of = (uint32_t)json_get_int(ev->body, "twin_of", 0);
    }
    take_proposal(r, ev);
    if (fresh)
        r->own = strcmp(r->author, "person") == 0;
    if (r->twin_of == 0) {
        count_in_step(st, r);
        effects_add(out, EFFECT_REVIEW, r->number);
        return 0;
    }
    const struct state_run *of = state_run_at(st, r->twin_of);
    r->own = of->own;
    r->status = RUN_APPROVED;
    string_set(&r->decision, of->decision);
    string_set(&r->by, of->by);
    r->decided_at_us = of->decided_at_us;
    effects_add(out, EFFECT_START, r->number);
    return 0;
}

/* ---- run.started, run.result, run.finished ---- */

/* Many runs must not hold many tails: the ones far back shrink. (Also of a run that snapshots
 * share: a tail is only a copy of what the session file has.) */
static void shrink_old_tails(struct state *st, const struct state_run *r)
{
    if (r->number <= STATE_TAILS_MAX)
        return;
    struct state_run *old = state_run_at(st, r->number - STATE_TAILS_MAX);
    for (unsigned s = STREAM_STDOUT; s <= STREAM_STDERR; s++)
        state_output_trim(&old->out[s], STATE_TAIL_OLD);
}

static int check_started_capsule(const struct state *st, const struct event *ev,
                                 const struct state_run *r, struct err *e)
{
    const char *capsule = body_str(ev->body, "capsule");
    if (r->twin_of == 0 && strcmp(capsule, r->capsule) != 0)
        return contradiction(ev, e, "started capsule %.16s, but %.16s was approved", capsule,
                             r->capsule);
    if (r->twin_of != 0 && strcmp(capsule, state_run_at(st, r->twin_of)->capsule) != 0)
        return contradiction(ev, e, "a twin runs the very capsule that was decided on");
    return 0;
}

int state_on_started(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    struct state_run *r = state_need_run(st, ev, e);
    if (r == NULL)
        return -1;
    if (!r->erased && r->status != RUN_APPROVED)
        return contradiction(ev, e, "started without an approval");
    if (!r->erased && check_started_capsule(st, ev, r, e) < 0)
        return -1;
    if (st->running != 0)
        return contradiction(ev, e, "run %u is still on the sandbox", st->running);
    if (strcmp(r->by, "lease") == 0 && st->lease.runs_left > 0)
        st->lease.runs_left--;
    string_set(&r->capsule, body_str(ev->body, "capsule"));
    r->status = RUN_RUNNING;
    r->started_at_us = ev->at_us;
    r->parent_run = st->vars_lost ? 0 : st->vars_run;
    st->running = r->number;
    st->phase = PHASE_RUNNING;
    shrink_old_tails(st, r);
    return 0;
}

static uint64_t base64_bytes(const char *s)
{
    size_t n = strlen(s);
    size_t pad = n >= 2 ? (size_t)((s[n - 1] == '=') + (s[n - 2] == '=')) : 0;
    return n / 4 * 3 - (n >= 4 ? pad : 0);
}

int state_on_result(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    struct state_run *r = state_need_run(st, ev, e);
    if (r == NULL)
        return -1;
    if (r->status != RUN_RUNNING && !r->erased)
        return contradiction(ev, e, "a result of a run that is not running");
    if (r->result_count == STATE_RESULTS_MAX)
        return 0; /* it is in the session file */
    const char *text = json_get_str(ev->body, "text", NULL);
    const char *artifact = json_get_str(ev->body, "artifact", NULL);
    int64_t bytes = json_get_int(ev->body, "bytes", -1);
    r->results = xreallocarray(r->results, r->result_count + 1, sizeof *r->results);
    struct state_result *to = &r->results[r->result_count++];
    *to = (struct state_result){ .mime = xstrdup(body_str(ev->body, "mime")),
                                 .main = json_get_bool(ev->body, "main", false) };
    to->text = text != NULL ? xstrndup(text, STATE_TEXT_MAX) : NULL;
    to->artifact = artifact != NULL ? xstrdup(artifact) : NULL;
    to->bytes = bytes >= 0     ? (uint64_t)bytes
                : text != NULL ? strlen(text)
                               : base64_bytes(body_str(ev->body, "base64"));
    return 0;
}

static bool find_end(const char *word, enum run_end *out)
{
    for (int end = END_EXIT; end <= END_DENIED; end++) {
        if (strcmp(word, run_end_name((enum run_end)end)) == 0) {
            *out = (enum run_end)end;
            return true;
        }
    }
    return false;
}

/* Ends that say that no code ran need no start before them. */
static bool end_needs_a_start(enum run_end end)
{
    return end == END_EXIT || end == END_SIGNAL || end == END_TIMEOUT || end == END_OOM ||
           end == END_LIMIT || end == END_UNKNOWN;
}

static void take_finish(struct state_run *r, const struct event *ev, enum run_end end)
{
    const struct json *body = ev->body, *error = json_get(body, "error");
    r->status = RUN_FINISHED;
    r->end = end;
    r->finished_at_us = ev->at_us;
    r->has_exit_code = json_get(body, "code") != NULL;
    r->exit_code = (int)json_get_int(body, "code", 0);
    r->wall_ms = json_get_int(body, "wall_ms", 0);
    string_set(&r->end_what, body_str(body, "what"));
    string_set(&r->message, body_str(body, "message"));
    free(r->limits_hit);
    r->limits_hit = strings_join(json_get(body, "limits_hit"), ',');
    string_set(&r->error_name, body_str(error, "name"));
    string_set(&r->error_value, body_str(error, "value"));
    string_set(&r->error_traceback, body_str(error, "traceback"));
    r->state_lost = json_get_bool(body, "state_lost", false);
    int64_t out_dropped = json_get_int(body, "stdout_dropped", 0);
    int64_t err_dropped = json_get_int(body, "stderr_dropped", 0);
    r->out[STREAM_STDOUT].dropped = out_dropped > 0 ? (uint64_t)out_dropped : 0;
    r->out[STREAM_STDERR].dropped = err_dropped > 0 ? (uint64_t)err_dropped : 0;
}

/* The interpreter died. The last checkpoint may have taken over by itself. */
static void note_lost_state(struct state *st, const struct state_run *r, int64_t resumed_from)
{
    if (resumed_from > 0 && resumed_from <= (int64_t)st->run_count)
        state_vars_adopt(st, st->runs[resumed_from - 1], NULL);
    else if (r->state_lost)
        st->vars_lost = st->var_count > 0;
}

int state_on_finished(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    struct state_run *r = state_need_run(st, ev, e);
    enum run_end end = END_UNKNOWN;
    if (r == NULL)
        return -1;
    if (!find_end(body_str(ev->body, "end"), &end))
        return contradiction(ev, e, "end %.20s", body_str(ev->body, "end"));
    if (!r->erased && r->status != RUN_RUNNING &&
        (r->status != RUN_APPROVED || end_needs_a_start(end)))
        return contradiction(
            ev, e, r->status == RUN_FINISHED ? "it finished before" : "finished without a start");
    if (st->running == r->number)
        st->running = 0;
    take_finish(r, ev, end);
    if (r->twin_of == 0)
        note_lost_state(st, r, json_get_int(ev->body, "resumed_from", 0));
    effects_add(out, EFFECT_VERDICT, r->number);
    return 0;
}

/* ---- run.verdict ---- */

static bool find_verdict(const char *word, enum run_verdict *out)
{
    for (int v = VERDICT_VERIFIED; v <= VERDICT_UNVERIFIED; v++) {
        if (strcmp(word, run_verdict_name((enum run_verdict)v)) == 0) {
            *out = (enum run_verdict)v;
            return true;
        }
    }
    return false;
}

static void take_checks(struct state_run *r, const struct json *list)
{
    size_t count = json_len(list) < CHECKS_MAX ? json_len(list) : CHECKS_MAX;
    r->checks = xcalloc(count, sizeof *r->checks);
    for (const struct json *m = json_first(list); m != NULL && r->check_count < count;
         m = json_next(m)) {
        r->checks[r->check_count++] = (struct state_check){ .kind = xstrdup(body_str(m, "kind")),
                                                            .text = xstrdup(body_str(m, "text")),
                                                            .got = xstrdup(body_str(m, "got")),
                                                            .ok = json_get_bool(m, "ok", false) };
    }
}

int state_on_verdict(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    struct state_run *r = state_need_run(st, ev, e);
    enum run_verdict v;
    if (r == NULL)
        return -1;
    if (!find_verdict(body_str(ev->body, "verdict"), &v))
        return contradiction(ev, e, "verdict %.20s", body_str(ev->body, "verdict"));
    if (r->verdict != VERDICT_NONE || (r->status != RUN_FINISHED && !r->erased))
        return contradiction(ev, e, "a verdict on a run that is not finished, or a second one");
    r->verdict = v;
    take_checks(r, json_get(ev->body, "checks"));
    st->phase = state_phase_after(st, r);
    if (r->twin_of != 0) {
        /* The original is decided anew, with what the twin has shown. */
        if (state_run_at(st, r->twin_of)->status == RUN_REVIEWED)
            effects_add(out, EFFECT_GATE, r->twin_of);
        return 0;
    }
    bool fine = r->end == END_EXIT && r->has_exit_code && r->exit_code == 0;
    r->spent = v == VERDICT_REFUTED || (v == VERDICT_UNVERIFIED && !fine);
    st->failed += r->spent;
    st->verified += v == VERDICT_VERIFIED;
    if (state_planner_hears_of(r))
        effects_add(out, EFFECT_OBSERVE, r->number);
    return 0;
}
