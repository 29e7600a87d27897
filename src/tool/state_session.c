/* state_session.c - the events of session, words, plan, lease, sandbox and money. */
#include "tool/state_int.h"

#include <stdlib.h>
#include <string.h>

#define CONTRACT_MAX ((size_t)1 << 20)
#define STEPS_MAX    1000
#define ENDS_MAX_MS  (INT64_C(1) << 40)
#define RETRY_MAX_MS (INT64_C(24) * 60 * 60 * 1000)

/* Take the member when it is there; an event written by an older program may lack it. */
static void string_take(char **slot, const struct json *body, const char *key)
{
    const char *s = json_get_str(body, key, NULL);
    if (s != NULL)
        string_set(slot, s);
}

/* ---- session ---- */

static void take_contract(struct state *st, const struct json *contract)
{
    struct buf out = BUF_INIT(CONTRACT_MAX);
    if (contract != NULL && json_print(contract, &out) == 0)
        string_set(&st->contract_json, buf_str(&out));
    buf_release(&out);
}

int state_on_created(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    if (st->created_at_us != 0)
        return contradiction(ev, e, "the session was created before");
    string_take(&st->planner, ev->body, "planner");
    string_take(&st->model, ev->body, "model");
    string_take(&st->sandbox, ev->body, "sandbox");
    string_take(&st->image, ev->body, "image");
    string_take(&st->version, ev->body, "version");
    string_take(&st->parent, ev->body, "parent");
    string_take(&st->parent_chain, ev->body, "parent_chain");
    int64_t parent_seq = json_get_int(ev->body, "parent_seq", 0);
    st->parent_seq = parent_seq > 0 ? (uint64_t)parent_seq : 0;
    string_take(&st->name, ev->body, "name");
    string_take(&st->contract_digest, ev->body, "contract_digest");
    take_contract(st, json_get(ev->body, "contract"));
    st->foreign = json_get_bool(ev->body, "foreign", false);
    string_take(&st->foreign_from, json_get(ev->body, "origin"), "session");
    st->created_at_us = ev->at_us;
    return 0;
}

int state_on_renamed(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    string_take(&st->name, ev->body, "name");
    return 0;
}

int state_on_tagged(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    free(st->tags);
    st->tags = strings_join(json_get(ev->body, "tags"), ' ');
    return 0;
}

int state_on_trashed(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    st->trashed = !json_get_bool(ev->body, "restored", false);
    return 0;
}

/* What a process held in its head died with it: the open gate and the lease. */
int state_on_resumed(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    if (st->gate.open)
        state_run_own(st, st->gate.run);
    struct state_run *r = st->gate.open ? state_run_at(st, st->gate.run) : NULL;
    if (r != NULL && r->status == RUN_AT_GATE)
        r->status = RUN_REVIEWED;
    st->gate.open = false;
    st->lease.active = false;
    st->finished = st->stopped = false;
    st->phase = PHASE_IDLE;
    string_set(&st->outcome, "");
    string_take(&st->planner, ev->body, "planner");
    string_take(&st->model, ev->body, "model");
    string_take(&st->sandbox, ev->body, "sandbox");
    string_take(&st->image, ev->body, "image");
    return 0;
}

int state_on_session_end(struct state *st, const struct event *ev, struct effects *out,
                         struct err *e)
{
    (void)out;
    (void)e;
    st->finished = true;
    st->phase = PHASE_FINISHED;
    string_take(&st->outcome, ev->body, "outcome");
    string_take(&st->answer, ev->body, "answer");
    return 0;
}

/* ---- words ---- */

int state_on_words(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)e;
    const char *author = json_get_str(ev->body, "author", "");
    const char *text = json_get_str(ev->body, "text", "");
    bool first = ev->type == EVENT_TASK_GIVEN && st->task[0] == '\0';
    state_words_add(st, ev, author, text);
    if (first)
        string_set_n(&st->task, text, strnlen(text, STATE_MESSAGE_MAX));
    if (ev->type == EVENT_PLANNER_MESSAGE || strcmp(author, "person") != 0)
        return 0;
    effects_add(out, first ? EFFECT_PLAN_TASK : EFFECT_PLAN_MESSAGE, 0);
    if (st->phase == PHASE_IDLE && !state_is_human(st))
        st->phase = PHASE_PLANNING;
    return 0;
}

/* The last word of a record that can't be written any more: nothing is under way after it. */
static void stop(struct state *st, const char *why)
{
    state_run_own(st, st->running);
    state_run_own(st, st->gate.run);
    struct state_run *r = state_run_at(st, st->running);
    if (r != NULL)
        r->cut_off = true;
    r = st->gate.open ? state_run_at(st, st->gate.run) : NULL;
    if (r != NULL && r->status == RUN_AT_GATE)
        r->status = RUN_REVIEWED;
    st->running = 0;
    st->gate.open = st->lease.active = false;
    st->stopped = true;
    st->phase = PHASE_FINISHED;
    string_set(&st->outcome, why);
}

int state_on_model(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    string_take(&st->model, ev->body, "model");
    return 0;
}

int state_on_waiting(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)ev;
    (void)out;
    (void)e;
    if (st->phase == PHASE_PLANNING)
        st->phase = PHASE_IDLE;
    return 0;
}

int state_on_error(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    const char *message = json_get_str(ev->body, "message", "");
    const char *hint = json_get_str(ev->body, "hint", "");
    char *text = xasprintf("%s%s%s", message, hint[0] != '\0' ? "\n" : "", hint);
    state_words_add(st, ev, "error", text);
    free(text);
    if (json_get_bool(ev->body, "stopped", false)) {
        stop(st, message);
        return 0;
    }
    int64_t retry_ms = json_get_int(ev->body, "retry_ms", 0);
    st->retry_at_us = 0;
    if (retry_ms > 0 && retry_ms < RETRY_MAX_MS)
        st->retry_at_us = ev->at_us + retry_ms * 1000;
    else if (st->phase == PHASE_PLANNING)
        st->phase = PHASE_IDLE; /* the person's turn */
    return 0;
}

/* ---- plan ---- */

void state_steps_free(struct state_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(steps[i].id);
        free(steps[i].title);
        free(steps[i].expect);
    }
    free(steps);
}

static void read_step(struct state *st, struct state_step *step, const struct json *o)
{
    const struct json *expect = json_get(o, "expect");
    step->id = xstrdup(json_get_str(o, "id", ""));
    step->title = xstrdup(json_get_str(o, "title", ""));
    step->expect = json_kind(expect) == JSON_ARRAY ? strings_join(expect, '\n')
                                                   : xstrdup(json_str(expect, ""));
    step->status = STEP_PENDING;
    (void)!step_status_parse(json_get_str(o, "status", "pending"), &step->status);
    const struct state_step *old = state_step_find(st, step->id);
    if (old != NULL) {
        step->attempts = old->attempts;
        step->last_run = old->last_run;
    }
}

int state_on_plan(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    const struct json *list = json_get(ev->body, "steps");
    size_t count = json_len(list);
    if (count > STEPS_MAX)
        return contradiction(ev, e, "%zu steps, at most %d", count, STEPS_MAX);
    struct state_step *steps = xcalloc(count, sizeof *steps);
    size_t n = 0;
    for (const struct json *m = json_first(list); m != NULL && n < count; m = json_next(m))
        read_step(st, &steps[n++], m);
    state_steps_free(st->steps, st->step_count);
    st->steps = steps;
    st->step_count = n;
    return 0;
}

/* ---- lease ---- */

int state_on_lease_granted(struct state *st, const struct event *ev, struct effects *out,
                           struct err *e)
{
    (void)out;
    int64_t runs = json_get_int(ev->body, "runs", -1);
    int64_t minutes = json_get_int(ev->body, "minutes", 0);
    if (runs == 0 || runs < -1 || minutes < 0 || minutes > INT64_C(60) * 24 * 366)
        return contradiction(ev, e, "a lease of %lld runs and %lld minutes", (long long)runs,
                             (long long)minutes);
    st->lease.active = true;
    st->lease.runs_left = runs;
    st->lease.until_boot_us = minutes != 0 ? ev->boot_us + minutes * 60 * 1000000 : 0;
    string_set(&st->lease.step, json_get_str(ev->body, "step", ""));
    free(st->lease.approximated);
    st->lease.approximated = strings_join(json_get(ev->body, "approximated"), ' ');
    return 0;
}

int state_on_lease_ended(struct state *st, const struct event *ev, struct effects *out,
                         struct err *e)
{
    (void)ev;
    (void)out;
    (void)e;
    st->lease.active = false;
    return 0;
}

/* ---- sandbox and money ---- */

/* "<session>-<number>": numbers are never given twice, not even by the next process. */
static void take_label(struct state *st, const struct json *body, bool twin)
{
    const char *label = json_get_str(body, "label", ""), *dash = strrchr(label, '-');
    unsigned long n = dash != NULL ? strtoul(dash + 1, NULL, 10) : 0;
    if (n > st->sandbox_seq && n < UINT32_MAX)
        st->sandbox_seq = (uint32_t)n;
    if (!twin)
        string_set(&st->sandbox_label, label);
}

static void take_end(struct state *st, const struct event *ev)
{
    int64_t ms = json_get_int(ev->body, "ends_ms", -1);
    st->sandbox_ends_boot_us = ms >= 0 && ms < ENDS_MAX_MS ? ev->boot_us + ms * 1000 : 0;
}

static void take_ready(struct state *st, const struct event *ev)
{
    st->sbx = SBX_READY;
    string_take(&st->sandbox_id, ev->body, "id");
    st->cold_start_ms = json_get_int(ev->body, "cold_start_ms", 0);
    st->sandbox_warm = json_get_bool(ev->body, "warm", false);
    take_end(st, ev);
}

static void lose_frozen(struct state *st)
{
    for (uint32_t n = 1; n <= st->run_count; n++) {
        if (!st->runs[n - 1]->has_checkpoint)
            continue;
        state_run_own(st, n);
        st->runs[n - 1]->has_checkpoint = false;
    }
}

int state_on_sandbox(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    const struct state_run *r = state_run_at(st, ev->run);
    bool twin = json_get_bool(ev->body, "twin", false) || (r != NULL && r->twin_of != 0);
    take_label(st, ev->body, twin);
    if (twin)
        return 0;
    if (ev->type == EVENT_SANDBOX_LEASE) {
        take_end(st, ev);
        return 0;
    }
    if (ev->type == EVENT_SANDBOX_CREATING)
        string_set(&st->sandbox_id, body_str(ev->body, "id"));
    bool another = ev->type == EVENT_SANDBOX_CREATING && st->sandbox_id[0] == '\0';
    if (another || ev->type == EVENT_SANDBOX_CLOSED || ev->type == EVENT_SANDBOX_ORPHANED)
        lose_frozen(st);
    st->sandbox_ends_boot_us = 0;
    switch (ev->type) {
    case EVENT_SANDBOX_CREATING:
        st->sbx = SBX_CREATING;
        if (st->sandbox_id[0] != '\0')
            break; /* connecting again to one that has proved them */
        string_set(&st->lights, "");
        string_set(&st->evidence, "");
        break;
    case EVENT_SANDBOX_WAITING:
        st->sbx = SBX_WAITING;
        st->sandbox_waits_at_us = ev->at_us;
        break;
    case EVENT_SANDBOX_READY:
        take_ready(st, ev);
        break;
    case EVENT_SANDBOX_PAUSED:
        st->sbx = SBX_PAUSED;
        string_take(&st->sandbox_id, ev->body, "id");
        break;
    default:
        st->sbx = ev->type == EVENT_SANDBOX_ORPHANED ? SBX_LOST : SBX_CLOSED;
        st->vars_lost = st->var_count > 0;
    }
    return 0;
}

static void add_up(int64_t *sum, const struct json *body, const char *key)
{
    int64_t n = json_get_int(body, key, 0);
    if (n < 0 || __builtin_add_overflow(*sum, n, sum))
        *sum = n < 0 ? *sum : INT64_MAX;
}

int state_on_usage(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    (void)e;
    add_up(&st->cost_nanousd, ev->body, "cost_nanousd");
    add_up(&st->input_tokens, ev->body, "input_tokens");
    add_up(&st->output_tokens, ev->body, "output_tokens");
    add_up(&st->sandbox_ms, ev->body, "sandbox_ms");
    return 0;
}

int state_on_nothing(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)st;
    (void)ev;
    (void)out;
    (void)e;
    return 0;
}
