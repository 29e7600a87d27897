/* claude_messages_run.c - one execution: made into a command or a cell, the request read back and
 * compared before anything leaves, the answer judged as it comes, and its one end told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/claude_messages_int.h"

#define INPUT_MAX ((size_t)1 << 20)
#define TEXT_MAX  ((size_t)64 << 10)

/* ---- made ready */

static int check(const struct sandbox_run *rq, struct err *e)
{
    if (messages_interpreter(NULL, rq->language) == NULL)
        return err_set(e, ERR_USAGE, "sandbox " MESSAGES_NAME " has no language '%.40s'",
                       rq->language);
    if (rq->file_count > 0)
        return err_set(e, ERR_USAGE,
                       MESSAGES_NAME
                       ": nothing but the program goes into this container, no files");
    if (claude_program_bytes(rq) > CLAUDE_LITERAL_MAX)
        return err_set(e, ERR_LIMIT,
                       MESSAGES_NAME ": code, check, input and arguments are at most %zu KiB here, "
                                     "since a model has to type them; take another sandbox",
                       CLAUDE_LITERAL_MAX >> 10);
    return 0;
}

static void set_terms(struct claude_terms *t, const struct claude_messages *s, const char *language)
{
    int64_t timeout_s = s->contract.timeout_s;
    enum claude_form form = messages_form(s, language);
    bool cut = form == CLAUDE_CELL && timeout_s > MESSAGES_CELL_S;
    claude_terms_init(t, cut ? MESSAGES_CELL_S : timeout_s);
    t->form = form;
    if (form == CLAUDE_CELL)
        snprintf(t->life, sizeof t->life, "%s", s->life);
}

static int write_input(const struct buf *payload, enum claude_form form, struct buf *out)
{
    return form == CLAUDE_CELL ? claude_cell_write(payload->ptr, payload->len, out)
                               : claude_command_write(payload->ptr, payload->len, NULL, NULL, out);
}

static int carry(struct messages_run *r, const struct claude_messages *s,
                 const struct sandbox_run *rq, struct err *e)
{
    struct claude_terms terms;
    struct claude_command parts;
    struct buf payload = BUF_INIT(INPUT_MAX);
    set_terms(&terms, s, rq->language);
    buf_reset(&r->input);
    int rc = claude_program_write(rq, &terms, &payload, e);
    if (rc == 0 && write_input(&payload, terms.form, &r->input) < 0)
        rc = err_set(e, ERR_LIMIT, MESSAGES_NAME ": the command is too long");
    /* What the result is going to be compared with comes out of the input, not out of `rq`. */
    if (rc == 0)
        rc = claude_command_read(&parts, r->input.ptr, r->input.len, e);
    if (rc == 0)
        rc = claude_program_read(&r->decoded, parts.payload, parts.payload_len, e);
    buf_release(&payload);
    return rc;
}

static struct judge_wanted wanted_of(const struct messages_run *r)
{
    bool cell = r->decoded.terms.form == CLAUDE_CELL;
    return (struct judge_wanted){ .tool = cell ? "code_execution" : "bash_code_execution",
                                  .key = cell ? "code" : "command",
                                  .text = r->input.ptr,
                                  .len = r->input.len };
}

int messages_run_new(struct messages_run **out, const struct claude_messages *s,
                     const struct sandbox_run *rq, struct err *e)
{
    if (check(rq, e) < 0)
        return -1;
    struct messages_run *r = xcalloc(1, sizeof *r);
    r->number = rq->run;
    buf_init(&r->input, INPUT_MAX);
    buf_init(&r->body, MESSAGES_BODY_MAX);
    buf_init(&r->error_name, TEXT_MAX);
    buf_init(&r->error_value, TEXT_MAX);
    buf_init(&r->error_traceback, JUDGE_SEEN_MAX);
    claude_result_init(&r->result);
    r->f.end = END_UNKNOWN;
    if (carry(r, s, rq, e) < 0) {
        messages_run_free(r);
        return -1;
    }
    const struct judge_wanted want = wanted_of(r);
    judge_init(&r->judge, &want);
    *out = r;
    return 0;
}

void messages_run_free(struct messages_run *r)
{
    if (r == NULL)
        return;
    struct buf *all[] = { &r->input, &r->body, &r->error_name, &r->error_value,
                          &r->error_traceback };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_release(all[i]);
    judge_release(&r->judge);
    claude_decoded_release(&r->decoded);
    claude_result_release(&r->result);
    free(r);
}

/* ---- compared, right before it leaves */

static struct messages_ask asked_of(const struct claude_messages *s)
{
    const struct messages_run *r = s->run;
    return (struct messages_ask){ .model = s->model,
                                  .tool_type = messages_tool_type(s),
                                  .want = r->judge.want,
                                  .container = s->container,
                                  .echo = &r->judge.echo,
                                  .low_effort = s->low_effort };
}

/* A command knows of no interpreter. */
static int check_life(const struct claude_terms *t, const struct claude_messages *s,
                      enum claude_form form, struct err *e)
{
    if (t->form != form || strcmp(t->life, form == CLAUDE_CELL ? s->life : "") != 0)
        return err_set(e, ERR_INTEGRITY, MESSAGES_NAME ": the request is for another interpreter");
    return 0;
}

static int check_decoded(struct claude_messages *s, const struct messages_asked *asked,
                         struct err *e)
{
    struct claude_command parts;
    struct claude_decoded d = { .root = NULL };
    int rc = claude_command_read(&parts, asked->input, asked->input_len, e);
    if (rc == 0 && (parts.payload == NULL || parts.form != s->run->decoded.terms.form))
        rc = err_set(e, ERR_INTEGRITY, MESSAGES_NAME ": the request does not hold its program");
    if (rc == 0) {
        rc = claude_program_read(&d, parts.payload, parts.payload_len, e);
        d.rq.run = s->run->number;
        if (rc == 0)
            rc = check_life(&d.terms, s, parts.form, e);
        if (rc == 0 && s->core.check_body != NULL)
            rc = s->core.check_body(s->core.arg, &d.rq, e);
        claude_decoded_release(&d);
    }
    return rc;
}

static int write_and_check(struct claude_messages *s, struct err *e)
{
    struct messages_run *r = s->run;
    const struct messages_ask ask = asked_of(s);
    struct messages_asked asked;
    buf_reset(&r->body);
    if (messages_write(&ask, &r->body) < 0)
        return err_set(e, ERR_LIMIT, MESSAGES_NAME ": the request is too long");
    int rc = messages_read(&asked, &ask, r->body.ptr, r->body.len, e);
    if (rc == 0)
        rc = check_decoded(s, &asked, e);
    messages_asked_release(&asked);
    return rc;
}

/* ---- sent */

static void on_data(void *arg, const char *p, size_t len)
{
    struct claude_messages *s = arg;
    if (s->run == NULL || judge_feed(&s->run->judge, p, len) == 0)
        return;
    core_enter(&s->core);
    claude_call_drop(&s->call); /* what it says after that is not heard, and costs less */
    messages_conclude(s, NULL);
    core_leave(&s->core);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct claude_messages *s = arg;
    core_enter(&s->core);
    if (s->run != NULL)
        messages_conclude(s, r);
    core_leave(&s->core);
}

static void refuse(struct claude_messages *s, const struct err *e)
{
    s->core.refused = (struct sandbox_refusal){ s->run->number, *e };
    messages_run_free(s->run);
    s->run = NULL;
    s->begun = false;
    loop_wake_idle(s->core.loop, s->core.later);
}

void messages_run_send(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    struct err e = ERR_INIT;
    if (write_and_check(s, &e) < 0) {
        refuse(s, &e);
        return;
    }
    const struct claude_request rq = {
        .method = "POST",
        .target = "/v1/messages",
        .body = r->body.ptr,
        .body_len = r->body.len,
        .again = CLAUDE_ONCE,
        /* Silence is normal while code runs; the deadline of the whole is ours. */
        .deadlines = { .first_byte_ms = NET_NEVER, .idle_ms = NET_NEVER, .may_be_slow = true },
        .body_max = INT64_MAX,
        .on_data = on_data,
        .done = on_done,
        .arg = s,
    };
    r->sent = true;
    claude_send(&s->call, &rq);
}

void messages_run_send_anew(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    struct claude_decoded was = r->decoded;
    struct err e = ERR_INIT;
    r->decoded = (struct claude_decoded){ .root = NULL };
    judge_release(&r->judge);
    int rc = carry(r, s, &was.rq, &e);
    const struct judge_wanted want = wanted_of(r);
    judge_init(&r->judge, &want);
    claude_decoded_release(&was);
    if (rc < 0)
        refuse(s, &e);
    else
        messages_run_send(s);
}

void messages_run_begin(struct claude_messages *s)
{
    if (s->run == NULL || s->begun || s->phase != MESSAGES_READY || s->core.ending ||
        s->call.call.busy || s->core.refused.run != 0)
        return;
    s->begun = true;
    s->run->started_us = clock_boot_us();
    loop_arm_us(s->core.loop, s->deadline,
                s->contract.timeout_s * MESSAGES_SECOND_US + s->patience_us);
    if (s->run->decoded.terms.form == messages_form(s, s->run->decoded.rq.language))
        messages_run_send(s);
    else /* it was made before the model was known */
        messages_run_send_anew(s);
}

/* ---- ends */

void messages_run_finish(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    loop_arm_us(s->core.loop, s->deadline, -1);
    s->run = NULL; /* from here on it is only told */
    s->begun = false;
    if (r->sent)
        s->billed_s +=
            messages_billed_s((clock_boot_us() - r->started_us) / MESSAGES_SECOND_US + 1);
    messages_tell_end(s, r);
    messages_run_free(r);
    if (s->contract.lifecycle == LIFECYCLE_RUN && !s->core.closed)
        messages_end_with(s, END_KILLED, NULL, NULL);
}

void messages_run_lost(struct claude_messages *s, enum run_end as, const char *what,
                       const char *message)
{
    struct messages_run *r = s->run;
    if (r == NULL)
        return;
    (void)judge_end_round(&r->judge); /* for its usage */
    if (r->started_us != 0)
        r->f.wall_us = clock_boot_us() - r->started_us;
    r->f.end = as;
    r->f.state_lost = true;
    messages_lose(s, LOST_CONTAINER);
    snprintf(r->limit, sizeof r->limit, "%s", what);
    snprintf(r->message, sizeof r->message, "%s%s%s", message,
             message[0] != '\0' && r->sent ? "; " : "",
             r->sent ? "what was sent may go on in its container, which is not used again" : "");
    messages_run_finish(s);
}

/* The connection is all that can be ended from here. */
void messages_run_stop(struct claude_messages *s, enum run_end as)
{
    struct messages_run *r = s->run;
    if (r == NULL || r->stop_asked)
        return;
    r->stop_asked = true;
    r->stopping = as;
    loop_wake_idle(s->core.loop, s->core.later);
}

void messages_on_deadline(void *arg)
{
    struct claude_messages *s = arg;
    messages_run_stop(s, END_TIMEOUT);
}
