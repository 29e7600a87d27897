/* claude_messages_end.c - what an answer means: a result only when exactly the approved command was
 * called once and the container printed the hash of the approved code; else a failure that says
 * which. [claude.md §6.2, §9.1] */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "providers/sandboxes/claude_messages_int.h"

#define FORGOTTEN "its container is not used again"

static void forget_container(struct claude_messages *s)
{
    messages_lose(s, LOST_CONTAINER);
    if (s->run != NULL)
        s->run->f.state_lost = true;
}

static void end_as(struct messages_run *r, enum run_end end, const char *message)
{
    r->f.end = end;
    r->f.has_code = false;
    snprintf(r->message, sizeof r->message, "%s", message);
}

static void keep_words(struct buf *to, const struct buf *from)
{
    for (size_t i = 0; i < from->len && to->len < to->max - 1; i++)
        (void)buf_add_char(to, from->ptr[i] != '\0' ? from->ptr[i] : ' ');
    while (to->len > 0 && !utf8_is_valid(to->ptr, to->len)) /* cut inside a character */
        buf_truncate(to, to->len - 1);
}

/* ---- not what was approved */

static void say_deviation(struct claude_messages *s, const struct err *e, const struct buf *seen)
{
    struct messages_run *r = s->run;
    char text[700];
    snprintf(text, sizeof text,
             "not what was approved: %s. Something else may have run, in a container without a "
             "network and without anything of yours; nothing it printed is taken, and " FORGOTTEN,
             e->msg);
    end_as(r, END_INTEGRITY, text);
    (void)buf_add_str(&r->error_name, "Deviation");
    (void)buf_add_str(&r->error_value, e->msg);
    keep_words(&r->error_traceback, seen);
    forget_container(s);
}

/* ---- what the tool said instead of a result */

static void judge_error_code(struct claude_messages *s)
{
    static const struct {
        const char *code;
        enum run_end end;
        const char *what, *words;
    } known[] = {
        { "unavailable", END_PROVIDER, "", "the tool is not available now" },
        { "too_many_requests", END_PROVIDER, "", "the tool is asked too often now" },
        { "invalid_tool_input", END_PROVIDER, "", "the tool did not take the command" },
        { "execution_time_exceeded", END_TIMEOUT, "", "the tool ended it: it ran too long" },
        { "output_file_too_large", END_LIMIT, "file size", "a file it left is too large" },
        { "container_expired", END_LOST, "", "the container had expired" },
    };
    struct messages_run *r = s->run;
    const char *code = r->judge.error_code, *words = "the tool gave up";
    char text[300];
    r->f.end = END_PROVIDER;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i].code, code) != 0)
            continue;
        r->f.end = known[i].end;
        words = known[i].words;
        snprintf(r->limit, sizeof r->limit, "%s", known[i].what);
    }
    snprintf(text, sizeof text, "%s (%s); what it did before that is not known", words, code);
    end_as(r, r->f.end, text);
    forget_container(s);
}

/* ---- the interpreter that stays */

static void lose_interpreter(struct claude_messages *s)
{
    messages_lose(s, LOST_INTERPRETER);
    s->run->f.state_lost = true;
}

static void say_short(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    r->f.state_lost = true;
    snprintf(r->message, sizeof r->message,
             "no interpreter stays with %.60s here: this one was fresh, and so is the next; files "
             "stay",
             s->model);
}

static void take_cell(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    const struct claude_result *x = &r->result;
    const struct claude_terms *t = &r->decoded.terms;
    if (x->died) {
        end_as(r, END_TIMEOUT,
               "the code did not obey: its interpreter was ended with its variables; files stay");
        lose_interpreter(s);
        return;
    }
    if (s->container[0] == '\0') {
        snprintf(r->message, sizeof r->message,
                 "the server did not say where it ran, so the next run begins anew");
        messages_lose(s, LOST_CONTAINER);
        r->f.state_lost = true;
        return;
    }
    if (s->life[0] == '\0')
        memcpy(s->life, t->token, sizeof s->life);
    messages_keep_vars(s, x);
    if (x->late && t->timeout_s < s->contract.timeout_s)
        snprintf(r->message, sizeof r->message,
                 "ended after %d s: Anthropic's interpreter gives a run no more than 90",
                 MESSAGES_CELL_S);
    else if (x->vars_more > 0)
        snprintf(r->message, sizeof r->message, "%lld more variables are there, not told",
                 (long long)x->vars_more);
}

/* It was approved to go on from what is gone. */
static void say_container_gone(struct claude_messages *s)
{
    end_as(s->run, END_LOST,
           "the container of the runs before has expired with its variables and files; nothing was "
           "executed: run it again to begin with none");
    forget_container(s);
}

/* ---- the result */

static void tell_output(struct claude_messages *s, enum sandbox_stream stream, const struct buf *b)
{
    struct sandbox_event ev = { .kind = SANDBOX_OUTPUT,
                                .run = s->run->number,
                                .stream = stream,
                                .ptr = b->ptr,
                                .len = b->len };
    if (b->len > 0)
        core_tell(&s->core, &ev);
}

static void tell_value(struct claude_messages *s, const struct buf *value)
{
    struct sandbox_event ev = { .kind = SANDBOX_RESULT,
                                .run = s->run->number,
                                .mime = "text/plain",
                                .ptr = value->ptr,
                                .len = value->len,
                                .main = true };
    if (value->len > 0)
        core_tell(&s->core, &ev);
}

static void take_end(struct messages_run *r)
{
    const struct claude_result *x = &r->result;
    struct sandbox_finished *f = &r->f;
    f->wall_us = x->wall_us;
    f->stdout_bytes = x->out_bytes;
    f->stderr_bytes = x->err_bytes;
    f->stdout_dropped = x->out_bytes - x->out.len;
    f->stderr_dropped = x->err_bytes - x->err.len;
    f->check_ran = x->check_ran;
    f->check_ok = x->check_ran && x->check_text.len == 0;
    f->has_code = !x->late;
    f->code = x->code < 0 ? -x->code : x->code;
    f->end = x->late ? END_TIMEOUT : x->code < 0 ? END_SIGNAL : END_EXIT;
    keep_words(&r->error_name, &x->error[0]);
    keep_words(&r->error_value, &x->error[1]);
    keep_words(&r->error_traceback, &x->error[2]);
}

static void take_result(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    r->has_result = true;
    take_end(r);
    tell_output(s, STREAM_STDOUT, &r->result.out);
    tell_output(s, STREAM_STDERR, &r->result.err);
    tell_value(s, &r->result.value);
    s->used = true;
    /* A shell has new files; it did not bring the variables back. */
    bool python = strcmp(r->decoded.rq.language, "python") == 0;
    s->lost =
        s->lost == LOST_NOTHING || !s->wants_state || python ? LOST_NOTHING : LOST_INTERPRETER;
    if (r->decoded.terms.form == CLAUDE_CELL)
        take_cell(s);
    else if (messages_falls_short(s) && python)
        say_short(s);
}

/* Did the cell say, before it executed them, which bytes these are? */
static bool began(struct messages_run *r)
{
    struct buf *out = &r->judge.out;
    return r->decoded.terms.form == CLAUDE_CELL &&
           claude_result_began(buf_str(out), out->len, &r->decoded.rq, r->decoded.terms.token);
}

static int demand_beginning(struct messages_run *r, struct err *e)
{
    const struct claude_result *x = &r->result;
    if (r->decoded.terms.form != CLAUDE_CELL || x->lost || x->failed || began(r))
        return 0;
    return err_set(e, ERR_INTEGRITY,
                   "the container did not say, before it ran it, that it was the approved code");
}

static void say_died(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    int64_t code = r->judge.return_code;
    int64_t signal = code > 128 && code < 256 ? code - 128 : code < 0 && code > -128 ? -code : 0;
    bool late = strstr(buf_str(&r->judge.out), "detection_timeout") != NULL ||
                strstr(buf_str(&r->judge.err), "detection_timeout") != NULL;
    s->used = true;
    end_as(r,
           late          ? END_TIMEOUT
           : signal != 0 ? END_SIGNAL
                         : END_SANDBOX,
           "the code ended the interpreter it ran in: its variables and its output are lost, "
           "files stay");
    r->f.has_code = !late && signal != 0;
    r->f.code = (int)signal;
    lose_interpreter(s);
}

static void say_unproved(struct claude_messages *s, const struct err *e)
{
    const struct judge *j = &s->run->judge;
    struct buf seen = BUF_INIT(JUDGE_SEEN_MAX);
    (void)buf_addf(&seen, "exit %lld\n%.16000s\n%.16000s", (long long)j->return_code,
                   buf_str((struct buf *)(uintptr_t)&j->out),
                   buf_str((struct buf *)(uintptr_t)&j->err));
    say_deviation(s, e, &seen);
    buf_release(&seen);
}

static void say_not_started(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    char text[600];
    bool it_began = began(r);
    snprintf(text, sizeof text, "%s: %.400s",
             it_began ? "the code began there, but what came of it is not known"
                      : "the code could not be started there",
             buf_str(&r->result.err));
    end_as(r, END_SANDBOX, text);
    if (it_began)
        forget_container(s);
}

static void judge_result(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    struct judge *j = &r->judge;
    struct err e = ERR_INIT;
    int rc = claude_result_read(&r->result, buf_str(&j->out), j->out.len, &r->decoded.rq,
                                r->decoded.terms.token, &e);
    if (rc == 0)
        rc = demand_beginning(r, &e);
    /* It began, and the interpreter did not live to say how it ended. */
    if (rc < 0 && e.code == ERR_FORMAT && j->return_code != 0 && began(r)) {
        say_died(s);
    } else if (rc < 0) {
        say_unproved(s, &e);
    } else if (r->result.failed) {
        say_not_started(s);
    } else if (r->result.lost) {
        end_as(r, END_LOST,
               "the interpreter of the runs before is gone with its variables; nothing was "
               "executed: run it again to begin with none");
        lose_interpreter(s);
    } else {
        take_result(s);
    }
}

/* ---- an answer without a call, or none at all */

static void say_no_call(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    const struct answer *a = &r->judge.answer;
    char text[700], words[200];
    answer_copy_words(words, sizeof words, buf_str(&r->judge.words));
    snprintf(text, sizeof text, "the model did not run it%s%s%s%s: %s; nothing was executed",
             a->why == WHY_REFUSAL ? ", it refuses" : "", a->stop_detail[0] != '\0' ? " (" : "",
             a->stop_detail, a->stop_detail[0] != '\0' ? ")" : "",
             words[0] != '\0' ? words : "it said nothing");
    end_as(r, END_PROVIDER, text);
}

static void say_unknown(struct claude_messages *s, const char *why)
{
    char text[700];
    snprintf(text, sizeof text,
             "the answer ended before the code did, so what it did is not known; it is not sent "
             "again, and " FORGOTTEN ": %s",
             why);
    end_as(s->run, END_UNKNOWN, text);
    forget_container(s);
}

/* The answer is not whole. */
static void say_broken(struct claude_messages *s, const struct net_result *r)
{
    const struct judge *j = &s->run->judge;
    const struct answer *a = &j->answer;
    char text[600];
    if (j->bad.code != ERR_NONE) {
        say_unknown(s, j->bad.msg);
    } else if (a->refused && !j->called) {
        snprintf(text, sizeof text,
                 "the server gave up before the model had called anything: %s: %s", a->error_type,
                 a->error_message);
        end_as(s->run, END_PROVIDER, text);
        forget_container(s);
    } else if (a->refused) {
        snprintf(text, sizeof text, "%s: %s", a->error_type, a->error_message);
        say_unknown(s, text);
    } else {
        say_unknown(s, r != NULL && r->end != NET_ANSWERED ? r->err.msg
                                                           : "a stream without its last event");
    }
}

/* ---- the request was not taken */

/* A container that is gone is told by a 4xx, or by a bare 500. Nothing of the request ran: before
 * a 200 there is no answer of the model. [claude.md §6.3] */
static bool is_container_gone(const struct claude_messages *s, const struct net_result *r)
{
    bool old = clock_boot_us() - s->used_us > MESSAGES_OLD_S * MESSAGES_SECOND_US;
    if (s->container[0] == '\0' || s->run->again_fresh || s->run->rounds > 0 ||
        r->end != NET_ANSWERED)
        return false;
    return r->status == 400 || r->status == 404 || (r->status >= 500 && old);
}

static void say_not_taken(struct claude_messages *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    char text[700];
    bool server_gave_up = r->status >= 500 && r->status != 503 && r->status != 529;
    bool maybe = r->end == NET_ANSWERED ? server_gave_up || r->status < 300 : r->left;
    (void)claude_why(&s->call, r, MESSAGES_NAME, &e);
    if (maybe || s->run->rounds > 0) {
        say_unknown(s, e.msg);
        return;
    }
    messages_took_rung(s, false);
    snprintf(text, sizeof text, "%s; the code was not executed", e.msg);
    end_as(s->run, END_PROVIDER, text);
}

/* ---- all of it */

static void take_container(struct claude_messages *s)
{
    const struct answer *a = &s->run->judge.answer;
    if (a->container[0] == '\0')
        return;
    snprintf(s->container, sizeof s->container, "%s", a->container);
    snprintf(s->expires, sizeof s->expires, "%s", a->container_expires);
    s->used_us = clock_boot_us();
}

/* `pause_turn`: the model is given its own words back and goes on. */
static bool goes_on(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    if (r->judge.answer.why != WHY_PAUSE)
        return false;
    if (r->rounds == MESSAGES_ROUNDS_MAX || s->container[0] == '\0' ||
        judge_next_round(&r->judge) < 0) {
        say_unknown(s, "the model paused too often");
        return false;
    }
    r->rounds++;
    messages_run_send(s);
    return true;
}

static void judge_whole(struct claude_messages *s)
{
    struct judge *j = &s->run->judge;
    if (s->run->message[0] != '\0')
        return; /* it paused too often */
    if (!j->called)
        say_no_call(s);
    else if (!j->answered)
        say_unknown(s, "the call has no result");
    else if (j->error_code[0] != '\0')
        judge_error_code(s);
    else
        judge_result(s);
}

static void finish(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    if (r->f.wall_us == 0)
        r->f.wall_us = clock_boot_us() - r->started_us;
    if (!s->core.closed && !s->core.ending)
        messages_bring_files(s);
}

/* Nothing was executed, and another request may do better. */
static bool sends_again(struct claude_messages *s, const struct net_result *r)
{
    struct messages_run *run = s->run;
    bool cell = run->decoded.terms.form == CLAUDE_CELL;
    if (r->end == NET_ANSWERED && messages_next_rung(s, r->status)) {
        messages_run_send_anew(s);
        return true;
    }
    if (!is_container_gone(s, r) || (cell && s->life[0] != '\0'))
        return false;
    log_msg(LOG_INFO, MESSAGES_NAME, "the container is gone: once more without it");
    run->again_fresh = true;
    run->f.state_lost |= s->life[0] != '\0';
    messages_lose(s, LOST_CONTAINER);
    messages_run_send(s);
    return true;
}

void messages_conclude(struct claude_messages *s, const struct net_result *r)
{
    struct messages_run *run = s->run;
    struct judge *j = &run->judge;
    bool taken = r == NULL || r->status == 200;
    bool whole = judge_end_round(j);
    if (!taken && sends_again(s, r))
        return;
    if (taken)
        messages_took_rung(s, true);
    if (j->deviation.code != ERR_NONE)
        say_deviation(s, &j->deviation, &j->seen);
    else if (!taken && is_container_gone(s, r))
        say_container_gone(s);
    else if (!taken)
        say_not_taken(s, r);
    else if (!whole)
        say_broken(s, r);
    else {
        take_container(s);
        if (goes_on(s))
            return;
        judge_whole(s);
    }
    if (run->again_fresh && run->message[0] == '\0')
        snprintf(run->message, sizeof run->message,
                 "the container of the runs before had expired: their files are gone");
    finish(s);
}
