/* round_plan.c - the planner's side of a round: its words become events, results go back to it,
 * clipped and labelled. */
#include "tool/round_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the planner says ---- */

static void record_message(struct round *r, enum event_type type, const char *author,
                           const char *text, size_t len)
{
    struct event_builder b;
    struct buf clean = BUF_INIT(EVENT_BODY_MAX);
    event_begin(&b, type, 0);
    if (r->cfg.redact != NULL && redact_text(r->cfg.redact, text, len, &clean) >= 0)
        json_w_strn(&b.w, "text", buf_str(&clean), clean.len);
    else
        json_w_strn(&b.w, "text", text, len);
    json_w_str(&b.w, "author", author);
    buf_release(&clean);
    if (round_record(r, &b) == 0 && strcmp(author, "planner") == 0)
        round_watch_text(r, 0, "message", "", text, len);
}

static void record_plan(struct round *r, const char *author, const struct planner_step *steps,
                        size_t count)
{
    struct event_builder b;
    event_begin(&b, EVENT_PLAN_UPDATED, 0);
    json_w_array(&b.w, "steps");
    for (size_t i = 0; i < count; i++) {
        json_w_object(&b.w, NULL);
        json_w_str(&b.w, "id", steps[i].id);
        json_w_strn(&b.w, "title", steps[i].title, strlen(steps[i].title));
        json_w_str(&b.w, "status", step_status_name(steps[i].status));
        if (steps[i].expect != NULL && steps[i].expect[0] != '\0')
            json_w_strn(&b.w, "expect", steps[i].expect, strlen(steps[i].expect));
        json_w_close_object(&b.w);
    }
    json_w_close_array(&b.w);
    json_w_str(&b.w, "author", author);
    round_record(r, &b);
}

static struct sandbox_file *copy_files(const struct sandbox_file *files, size_t count)
{
    struct sandbox_file *out = xcalloc(count, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        out[i].name = xstrdup(files[i].name);
        out[i].mode = files[i].mode;
        out[i].ptr = xmemdup(files[i].ptr, files[i].len);
        out[i].len = files[i].len;
    }
    return out;
}

static void on_proposal(struct round *r, const struct planner_proposal *pp)
{
    struct err e = ERR_INIT;
    struct proposal *p = proposal_new();
    p->language = xstrdup(pp->language);
    p->code = xmemdup(pp->code, pp->code_len);
    p->code_len = pp->code_len;
    p->purpose = xstrdup(pp->purpose);
    p->step = xstrdup(pp->step);
    p->expect = xstrdup(pp->expect);
    p->author = xstrdup("planner");
    p->call_id = xstrdup(pp->call_id);
    p->input = xstrdup("");
    p->files = copy_files(pp->files, pp->file_count);
    p->file_count = pp->file_count;
    struct proposal refused = { .step = p->step, .call_id = p->call_id };
    refused.step = xstrdup(p->step);
    refused.call_id = xstrdup(p->call_id);
    if (round_propose(r, p, &e) < 0) {
        round_record_error(r, 0, &e, "the planner was told");
        round_tell_refused(r, &refused, e.msg);
    }
    free(refused.step);
    free(refused.call_id);
}

static void record_usage(struct round *r, const struct planner_usage *u)
{
    struct event_builder b;
    event_begin(&b, EVENT_USAGE, 0);
    json_w_str(&b.w, "source", u->source);
    json_w_int(&b.w, "input_tokens", u->input_tokens);
    json_w_int(&b.w, "output_tokens", u->output_tokens);
    json_w_int(&b.w, "cache_read_tokens", u->cache_read_tokens);
    if (u->cache_write_tokens > 0)
        json_w_int(&b.w, "cache_write_tokens", u->cache_write_tokens);
    if (u->cost_nanousd >= 0)
        json_w_int(&b.w, "cost_nanousd", u->cost_nanousd);
    round_record(r, &b);
}

/* With nothing under way it is the person's turn. */
static void planner_rests(struct round *r)
{
    struct event_builder b;
    r->planner_busy = false;
    r->planner_waiting = true;
    if (r->cfg.state->phase != PHASE_PLANNING)
        return;
    event_begin(&b, EVENT_PLANNER_WAITING, 0);
    round_record(r, &b);
}

static void record_planner_error(struct round *r, const struct planner_event *ev)
{
    struct event_builder b;
    bool again = ev->retry_after_ms > 0;
    event_begin(&b, EVENT_ERROR, 0);
    json_w_str(&b.w, "code", err_code_name(ev->err->code));
    json_w_strn(&b.w, "message", ev->err->msg, strlen(ev->err->msg));
    json_w_str(&b.w, "hint", again ? "it will be tried again" : "");
    if (again)
        json_w_int(&b.w, "retry_ms", ev->retry_after_ms);
    round_record(r, &b);
}

static const char *outcome_of(const struct state *st)
{
    for (size_t i = 0; i < st->step_count; i++) {
        if (st->steps[i].status == STEP_FAILED)
            return "failed";
    }
    return st->denied > 0 ? "denied" : "done";
}

/* What the sandbox still has to say of the last run belongs before the end; one that costs money,
 * or that nobody looks into any more, is destroyed with the session. */
void round_finish_when_told(struct round *r)
{
    struct err e = ERR_INIT;
    if (!r->finish_due)
        return;
    if (r->sandbox != NULL)
        round_save_now(r);
    if (r->awaiting_state || r->awaiting_save || r->save_wanted || r->save.stage != SAVE_NOTHING)
        return;
    if (r->cfg.unattended && round_dismiss_sandbox(r))
        return; /* again when it is gone */
    r->finish_due = false;
    if (!r->cfg.state->finished && round_finish(r, outcome_of(r->cfg.state), r->answer, &e) < 0)
        round_record_error(r, 0, &e, "");
}

void round_on_planner(void *arg, struct planner *p, const struct planner_event *ev)
{
    struct round *r = arg;
    (void)p;
    if (r->broken)
        return;
    switch (ev->kind) {
    case PLANNER_MESSAGE:
        record_message(r, EVENT_PLANNER_MESSAGE, "planner", ev->text, ev->text_len);
        break;
    case PLANNER_DELTA:
    case PLANNER_THINKING:
    case PLANNER_CODE_DELTA:
        r->cfg.port.streaming(r->cfg.port.arg, ev);
        break;
    case PLANNER_PLAN:
        record_plan(r, "planner", ev->steps, ev->step_count);
        break;
    case PLANNER_PROPOSAL:
        r->planner_busy = false;
        on_proposal(r, ev->proposal);
        break;
    case PLANNER_USAGE:
        record_usage(r, ev->usage);
        break;
    case PLANNER_WAITING:
        planner_rests(r);
        r->cfg.port.streaming(r->cfg.port.arg, ev);
        break;
    case PLANNER_FINISH:
        r->planner_busy = false;
        r->planner_finished = true;
        if (ev->text_len > 0)
            record_message(r, EVENT_PLANNER_MESSAGE, "planner", ev->text, ev->text_len);
        free(r->answer);
        r->answer = xstrdup(ev->text != NULL ? ev->text : "");
        r->finish_due = true;
        round_finish_when_told(r);
        break;
    case PLANNER_ERROR:
        if (ev->retry_after_ms == 0) {
            r->planner_busy = false;
            r->planner_waiting = true;
        }
        record_planner_error(r, ev);
        break;
    }
}

/* ---- what it is told ---- */

static void planner_called(struct round *r, int rc, const struct err *e)
{
    if (rc < 0) {
        r->planner_busy = false;
        r->planner_waiting = true;
        round_record_error(r, 0, e, "");
    }
}

static const struct state_message *last_words(const struct state *st)
{
    for (size_t i = st->message_count; i-- > 0;) {
        if (strcmp(st->messages[i].author, "planner") != 0 &&
            strcmp(st->messages[i].author, "error") != 0)
            return &st->messages[i];
    }
    return NULL;
}

void round_do_plan_task(struct round *r)
{
    struct err e = ERR_INIT;
    r->planner_busy = true;
    r->planner_waiting = false;
    planner_called(r, r->planner->ops->task(r->planner, r->cfg.state->task, &e), &e);
}

void round_do_plan_message(struct round *r)
{
    struct err e = ERR_INIT;
    const struct state_message *m = last_words(r->cfg.state);
    if (m == NULL)
        return;
    r->planner_busy = true;
    r->planner_waiting = false;
    planner_called(r, r->planner->ops->message(r->planner, m->text, &e), &e);
}

/* Head and tail of an output, the middle clipped, with a mark that says how much. */
static void clip_output(struct round *r, const struct state_run *sr, unsigned stream,
                        struct buf *out)
{
    const struct output_source *src = &r->cfg.port.output;
    uint64_t total = sr->out[stream].bytes;
    char chunk[4096];
    uint64_t at = 0;
    while (at < total) {
        if (total > 2 * STATE_OBSERVE_CLIP && at == STATE_OBSERVE_CLIP) {
            uint64_t skip = total - 2 * STATE_OBSERVE_CLIP;
            (void)buf_addf(out, "\n[… %llu bytes clipped …]\n", (unsigned long long)skip);
            at += skip;
        }
        uint64_t stop =
            total > 2 * STATE_OBSERVE_CLIP && at < STATE_OBSERVE_CLIP ? STATE_OBSERVE_CLIP : total;
        size_t want = stop - at < sizeof chunk ? (size_t)(stop - at) : sizeof chunk;
        ssize_t n = src->read(src->arg, sr->number, stream, at, chunk, want);
        if (n <= 0)
            break;
        (void)buf_add(out, chunk, (size_t)n);
        at += (uint64_t)n;
    }
}

static void write_checks(const struct state_run *sr, struct buf *out)
{
    for (size_t i = 0; i < sr->check_count; i++) {
        const struct state_check *c = &sr->checks[i];
        (void)buf_addf(out, "%s %s", c->ok ? "ok" : "FAILED", c->text);
        if (!c->ok && c->got != NULL && c->got[0] != '\0')
            (void)buf_addf(out, " (got %s)", c->got);
        (void)buf_add_char(out, '\n');
    }
}

static void write_results(const struct state_run *sr, struct buf *out)
{
    for (size_t i = 0; i < sr->result_count; i++) {
        const struct state_result *res = &sr->results[i];
        if (res->text != NULL)
            (void)buf_addf(out, "%s: %s\n", res->mime, res->text);
        else
            (void)buf_addf(out, "%s: %llu bytes, shown to the person\n", res->mime,
                           (unsigned long long)res->bytes);
    }
}

/* Failed attempts in its step up to and with this run: what is true of the newest run now was true
 * of an old one then. */
static uint32_t spent_then(const struct state *st, const struct state_run *sr)
{
    uint32_t n = 0;
    for (uint32_t i = 1; sr->step[0] != '\0' && i <= sr->number; i++) {
        const struct state_run *other = state_run_at(st, i);
        n += other->spent && strcmp(other->step, sr->step) == 0;
    }
    return n;
}

static uint32_t denials_then(const struct state *st, const struct state_run *sr)
{
    uint32_t n = 0;
    for (; sr != NULL && sr->status == RUN_DENIED; sr = state_previous_attempt(st, sr))
        n++;
    return n;
}

const char *round_call_id(const struct state_run *sr, char room[ROUND_CALL_ID_SIZE])
{
    if (sr->call_id[0] != '\0')
        return sr->call_id;
    snprintf(room, ROUND_CALL_ID_SIZE, "run-%u", sr->number); /* recorded before it was kept */
    return room;
}

void round_observation_init(struct round *r, const struct state_run *sr,
                            struct round_observation *x)
{
    const struct state *st = r->cfg.state;
    bool denied = sr->status == RUN_DENIED || sr->status == RUN_STOPPED;
    uint32_t spent = spent_then(st, sr);
    buf_init(&x->out, 4 * STATE_OBSERVE_CLIP);
    buf_init(&x->err_out, 4 * STATE_OBSERVE_CLIP);
    buf_init(&x->checks, 64 << 10);
    buf_init(&x->results, 256 << 10);
    buf_init(&x->flags, 4096);
    if (!denied) {
        clip_output(r, sr, STREAM_STDOUT, &x->out);
        clip_output(r, sr, STREAM_STDERR, &x->err_out);
        write_checks(sr, &x->checks);
        write_results(sr, &x->results);
        round_watch_flags(sr, &x->flags);
    }
    x->o = (struct planner_observation){
        .run = sr->number,
        .call_id = round_call_id(sr, x->call_id),
        .step = sr->step,
        .attempt = sr->attempt,
        .denied = denied,
        .reason = sr->reason != NULL ? sr->reason : "",
        .end = denied ? END_DENIED : sr->end,
        .has_code = sr->has_exit_code,
        .code = sr->exit_code,
        .verdict = run_verdict_name(sr->verdict),
        .spent = sr->spent,
        .checks = buf_str(&x->checks),
        .out = buf_str(&x->out),
        .out_len = x->out.len,
        .err_out = buf_str(&x->err_out),
        .err_out_len = x->err_out.len,
        .clipped = !denied && (sr->out[STREAM_STDOUT].bytes > 2 * STATE_OBSERVE_CLIP ||
                               sr->out[STREAM_STDERR].bytes > 2 * STATE_OBSERVE_CLIP),
        .error_name = sr->error_name != NULL ? sr->error_name : "",
        .error_value = sr->error_value != NULL ? sr->error_value : "",
        .error_traceback = sr->error_traceback != NULL ? sr->error_traceback : "",
        .results = buf_str(&x->results),
        .attempts_left = spent < STATE_ATTEMPTS_MAX ? STATE_ATTEMPTS_MAX - spent : 0,
        .step_over = spent >= STATE_ATTEMPTS_MAX || denials_then(st, sr) >= STATE_ATTEMPTS_MAX,
        .edited = !denied && sr->rev > 1 ? sr->code : NULL,
        .flags = buf_str(&x->flags),
    };
}

void round_observation_release(struct round_observation *x)
{
    buf_release(&x->out);
    buf_release(&x->err_out);
    buf_release(&x->checks);
    buf_release(&x->results);
    buf_release(&x->flags);
}

void round_do_observe(struct round *r, uint32_t run)
{
    const struct state *st = r->cfg.state;
    const struct state_run *sr = state_run_at(st, run);
    struct round_observation x;
    struct err e = ERR_INIT;
    if (sr == NULL || sr->own || sr->twin_of != 0 || st->finished)
        return;
    round_observation_init(r, sr, &x);
    r->planner_busy = true;
    r->planner_waiting = false;
    planner_called(r, r->planner->ops->observe(r->planner, &x.o, &e), &e);
    round_observation_release(&x);
}

void round_tell_refused(struct round *r, const struct proposal *p, const char *reason)
{
    struct err e = ERR_INIT;
    struct planner_observation o = {
        .call_id = p->call_id,
        .step = p->step,
        .denied = true,
        .reason = reason,
        .end = END_DENIED,
        .verdict = run_verdict_name(VERDICT_NONE),
        .checks = "",
        .out = "",
        .err_out = "",
        .error_name = "",
        .error_value = "",
        .error_traceback = "",
        .results = "",
        .flags = "",
        .step_over = true,
    };
    r->planner_busy = true;
    planner_called(r, r->planner->ops->observe(r->planner, &o, &e), &e);
}

/* What the person said meanwhile is what it was interrupted for: it goes on with that. */
void round_interrupt_planner(struct round *r)
{
    const struct planner_ops *ops = r->planner->ops;
    struct err e = ERR_INIT;
    ops->cancel(r->planner);
    if (ops->queued != NULL && ops->queued(r->planner) > 0)
        planner_called(r, ops->message(r->planner, "", &e), &e);
    else
        planner_rests(r);
}

/* ---- what the person says to it ---- */

static int record_words(struct round *r, enum event_type type, const char *text, const char *author,
                        struct err *e)
{
    if (r->broken)
        return err_set(e, ERR_IO, "the session's record can't be written any more");
    if (r->cfg.state->finished)
        return err_set(e, ERR_USAGE, "the session has ended: start a new one");
    record_message(r, type, author, text, strlen(text));
    return r->broken ? err_set(e, ERR_IO, "it could not be recorded") : 0;
}

int round_task(struct round *r, const char *text, const char *author, struct err *e)
{
    return record_words(r, EVENT_TASK_GIVEN, text, author, e);
}

int round_note(struct round *r, const char *text, const char *author, struct err *e)
{
    return record_words(r, EVENT_NOTE, text, author, e);
}

int round_edit_plan(struct round *r, const struct planner_step *steps, size_t count, struct err *e)
{
    if (r->broken || r->cfg.state->finished)
        return err_set(e, ERR_USAGE, "the session has ended");
    for (size_t i = 0; i < count && r->cfg.redact != NULL; i++) {
        size_t at;
        const char *secret =
            redact_find(r->cfg.redact, steps[i].title, strlen(steps[i].title), &at);
        if (secret != NULL)
            return err_set(e, ERR_DENIED, "step %s holds the secret %s", steps[i].id, secret);
    }
    if (r->planner->ops->plan_edited(r->planner, steps, count, e) < 0)
        return -1;
    record_plan(r, "person", steps, count);
    return r->broken ? err_set(e, ERR_IO, "the plan could not be recorded") : 0;
}
