/* state.c - the reducer: its dispatch, and what is looked up in the state. */
#include "tool/state_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOINED_MAX ((size_t)1 << 20)

/* ---- small helpers ---- */

void string_set_n(char **slot, const char *value, size_t len)
{
    char *copy = xmemdup(value, len);
    free(*slot);
    *slot = copy;
}

void string_set(char **slot, const char *value)
{
    string_set_n(slot, value, strlen(value));
}

char *strings_join(const struct json *list, char between)
{
    struct buf out = BUF_INIT(JOINED_MAX);
    if (json_kind(list) == JSON_ARRAY) {
        for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
            const char *s = json_str(m, "");
            if (out.len > 0 && buf_add_char(&out, between) < 0)
                break;
            if (buf_add_str(&out, s) < 0)
                break;
        }
    }
    return buf_detach(&out);
}

void effects_add(struct effects *out, enum effect_kind kind, uint32_t run)
{
    INVARIANT(out->count < EFFECTS_MAX);
    out->list[out->count++] = (struct effect){ kind, run };
}

int contradiction(const struct event *ev, struct err *e, const char *fmt, ...)
{
    char why[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(e, ERR_INTEGRITY, "event %llu (%s, run %u): %s", (unsigned long long)ev->seq,
                   event_type_name(ev->type), ev->run, why);
}

const char *severity_name(enum finding_severity s)
{
    static const char *const names[] = { "INFO", "LOW", "MEDIUM", "HIGH" };
    return (size_t)s < ARRAY_LEN(names) ? names[s] : "unknown";
}

const char *run_verdict_name(enum run_verdict v)
{
    static const char *const names[] = { "none", "verified", "refuted", "unverified" };
    return (size_t)v < ARRAY_LEN(names) ? names[v] : "unknown";
}

/* ---- life ---- */

char **state_strings(struct state *st, size_t i)
{
    char **const all[] = { &st->session,        &st->name,
                           &st->planner,        &st->model,
                           &st->sandbox,        &st->image,
                           &st->version,        &st->parent,
                           &st->parent_chain,   &st->foreign_from,
                           &st->tags,           &st->task,
                           &st->contract_json,  &st->contract_digest,
                           &st->lights,         &st->evidence,
                           &st->sandbox_id,     &st->sandbox_label,
                           &st->outcome,        &st->answer,
                           &st->gate.capsule,   &st->gate.contract_digest,
                           &st->gate.sandbox,   &st->gate.walls,
                           &st->gate.isolation, &st->gate.held_by,
                           &st->gate.lost_line, &st->gate.attached,
                           &st->lease.step,     &st->lease.approximated };
    return i < ARRAY_LEN(all) ? all[i] : NULL;
}

void state_init(struct state *st)
{
    *st = (struct state){ .phase = PHASE_IDLE };
    for (size_t i = 0; state_strings(st, i) != NULL; i++)
        *state_strings(st, i) = xstrdup("");
    st->lease.runs_left = -1;
}

void state_set_session(struct state *st, const char *id)
{
    free(st->session);
    st->session = xstrdup(id);
}

void state_release(struct state *st)
{
    if (st == NULL)
        return;
    for (size_t i = 0; state_strings(st, i) != NULL; i++)
        free(*state_strings(st, i));
    state_words_free(st->words);
    state_steps_free(st->steps, st->step_count);
    for (size_t i = 0; i < st->run_count; i++)
        state_run_free(st->runs[i]);
    free(st->runs);
    state_run_free(st->origin);
    state_vars_free(st->vars, st->var_count);
    for (size_t i = 0; i < ARRAY_LEN(st->background); i++)
        state_output_release(&st->background[i]);
    *st = (struct state){ .phase = PHASE_IDLE };
}

/* ---- looking things up ---- */

struct state_run *state_run_at(const struct state *st, uint32_t number)
{
    return number >= 1 && number <= st->run_count ? st->runs[number - 1] : NULL;
}

struct state_run *state_last_run(const struct state *st)
{
    for (size_t i = st->run_count; i > 0; i--) {
        if (st->runs[i - 1]->twin_of == 0)
            return st->runs[i - 1];
    }
    return NULL;
}

const struct state_run *state_previous_attempt(const struct state *st, const struct state_run *r)
{
    for (uint32_t n = r->number - 1; n >= 1; n--) {
        const struct state_run *p = st->runs[n - 1];
        if (p->twin_of != 0 || strcmp(p->step, r->step) != 0)
            continue;
        if (r->step[0] != '\0' || p->own == r->own)
            return p;
    }
    return NULL;
}

struct state_step *state_step_find(const struct state *st, const char *id)
{
    for (size_t i = 0; i < st->step_count; i++) {
        if (strcmp(st->steps[i].id, id) == 0)
            return &st->steps[i];
    }
    return NULL;
}

uint32_t state_attempts_spent(const struct state *st, const char *step)
{
    uint32_t n = 0;
    if (step[0] == '\0')
        return 0;
    for (size_t i = 0; i < st->run_count; i++)
        n += st->runs[i]->spent && strcmp(st->runs[i]->step, step) == 0;
    return n;
}

struct state_run *state_need_run(struct state *st, const struct event *ev, struct err *e)
{
    struct state_run *r = state_run_at(st, ev->run);
    if (r == NULL)
        contradiction(ev, e, "there is no such run");
    return r;
}

/* A person plans by hand: nothing is under way between their words. */
bool state_is_human(const struct state *st)
{
    return strcmp(st->planner, "human") == 0 || st->planner[0] == '\0';
}

bool state_planner_hears_of(const struct state_run *r)
{
    return !r->own && r->twin_of == 0;
}

enum session_phase state_phase_after(const struct state *st, const struct state_run *r)
{
    return state_planner_hears_of(r) && !state_is_human(st) ? PHASE_PLANNING : PHASE_IDLE;
}

/* ---- dispatch ---- */

static const state_fn handlers[EVENT_TYPE_COUNT] = {
    [EVENT_SESSION_CREATED] = state_on_created,
    [EVENT_SESSION_RENAMED] = state_on_renamed,
    [EVENT_SESSION_TAGGED] = state_on_tagged,
    [EVENT_SESSION_TRASHED] = state_on_trashed,
    [EVENT_SESSION_RESUMED] = state_on_resumed,
    [EVENT_SESSION_FINISHED] = state_on_session_end,
    [EVENT_TASK_GIVEN] = state_on_words,
    [EVENT_PLANNER_MESSAGE] = state_on_words,
    [EVENT_PLANNER_WAITING] = state_on_waiting,
    [EVENT_MODEL_CHANGED] = state_on_model,
    [EVENT_NOTE] = state_on_words,
    [EVENT_PLAN_UPDATED] = state_on_plan,
    [EVENT_RUN_PROPOSED] = state_on_proposed,
    [EVENT_RUN_REVIEWED] = state_on_reviewed,
    [EVENT_GATE_OPENED] = state_on_gate_opened,
    [EVENT_GATE_DECIDED] = state_on_decided,
    [EVENT_LEASE_GRANTED] = state_on_lease_granted,
    [EVENT_LEASE_ENDED] = state_on_lease_ended,
    [EVENT_RUN_STARTED] = state_on_started,
    [EVENT_RUN_OUTPUT] = state_on_output,
    [EVENT_RUN_RESULT] = state_on_result,
    [EVENT_RUN_FINISHED] = state_on_finished,
    [EVENT_RUN_VERDICT] = state_on_verdict,
    [EVENT_STATE_CHANGED] = state_on_changed,
    [EVENT_CHECKPOINT_PART] = state_on_nothing,
    [EVENT_CHECKPOINT_MADE] = state_on_checkpoint,
    [EVENT_CHECKPOINT_LOST] = state_on_checkpoint,
    [EVENT_STATE_RESTORED] = state_on_restored,
    [EVENT_SANDBOX_CREATING] = state_on_sandbox,
    [EVENT_SANDBOX_READY] = state_on_sandbox,
    [EVENT_SANDBOX_PROBED] = state_on_probed,
    [EVENT_SANDBOX_CLOSED] = state_on_sandbox,
    [EVENT_SANDBOX_ORPHANED] = state_on_sandbox,
    [EVENT_SANDBOX_PAUSED] = state_on_sandbox,
    [EVENT_SANDBOX_WAITING] = state_on_sandbox,
    [EVENT_SANDBOX_LEASE] = state_on_sandbox,
    [EVENT_USAGE] = state_on_usage,
    [EVENT_ERROR] = state_on_error,
    [EVENT_FILE_PUT] = state_on_nothing,
    [EVENT_FILE_GOT] = state_on_nothing,
    [EVENT_RUN_FLAGGED] = state_on_flagged,
    [EVENT_NETWORK_ASKED] = state_on_net_asked,
    [EVENT_NETWORK_CLOSED] = state_on_net_closed,
};

/* An erased body tells nothing but that something was there; numbering has to go on. */
static int apply_erased(struct state *st, const struct event *ev)
{
    struct state_run *r = state_run_at(st, ev->run);
    if (r == NULL && ev->type == EVENT_RUN_PROPOSED && ev->run == st->run_count + 1) {
        r = state_run_add(st);
        r->rev = 1;
        r->first_seq = ev->seq;
    }
    if (r != NULL)
        r->erased = true;
    return 0;
}

static bool body_is_gone(const struct event *ev)
{
    return ev->body == NULL && ev->type != EVENT_RUN_OUTPUT;
}

int state_apply(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    struct effects mine = { .count = 0 };
    int rc = 0;
    if (ev->seq != 0 && ev->seq <= st->last_seq)
        return contradiction(ev, e, "it comes after event %llu", (unsigned long long)st->last_seq);
    state_fn fn = (unsigned)ev->type < EVENT_TYPE_COUNT ? handlers[ev->type] : NULL;
    state_run_own(st, ev->run);
    if (fn == NULL)
        st->unknown_events++;
    else if (body_is_gone(ev))
        rc = apply_erased(st, ev);
    else
        rc = fn(st, ev, &mine, e);
    if (rc < 0)
        return -1;
    struct state_run *r = state_run_at(st, ev->run);
    if (r != NULL)
        r->last_seq = ev->seq;
    if (ev->seq != 0)
        st->last_seq = ev->seq;
    st->last_at_us = ev->at_us;
    st->last_boot_us = ev->boot_us;
    if (out != NULL)
        *out = mine;
    return 0;
}
