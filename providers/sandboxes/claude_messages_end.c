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
    s->container[0] = s->expires[0] = '\0';
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

/* ---- the result */

static void tell_output(struct claude_messages *s, enum sandbox_stream stream, const struct buf *b)
{
    struct sandbox_event ev = { .kind = SANDBOX_OUTPUT,
                                .run = s->run->number,
                                .stream = stream,
                                .ptr = b->ptr,
                                .len = b->len };
    if (b->len > 0)
        messages_tell(s, &ev);
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
        messages_tell(s, &ev);
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

static void judge_result(struct claude_messages *s)
{
    struct messages_run *r = s->run;
    struct judge *j = &r->judge;
    struct err e = ERR_INIT;
    char text[600];
    if (claude_result_read(&r->result, buf_str(&j->out), j->out.len, &r->decoded.rq,
                           r->decoded.terms.token, &e) < 0) {
        struct buf seen = BUF_INIT(JUDGE_SEEN_MAX);
        (void)buf_addf(&seen, "exit %lld\n%.16000s\n%.16000s", (long long)j->return_code,
                       buf_str(&j->out), buf_str(&j->err));
        say_deviation(s, &e, &seen);
        buf_release(&seen);
    } else if (r->result.failed) {
        snprintf(text, sizeof text, "the code could not be started there: %.400s",
                 buf_str(&r->result.err));
        end_as(r, END_SANDBOX, text);
    } else {
        r->has_result = true;
        take_end(r);
        tell_output(s, STREAM_STDOUT, &r->result.out);
        tell_output(s, STREAM_STDERR, &r->result.err);
        tell_value(s, &r->result.value);
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
    if (!s->closed && !s->ending)
        messages_bring_files(s);
}

void messages_conclude(struct claude_messages *s, const struct net_result *r)
{
    struct messages_run *run = s->run;
    struct judge *j = &run->judge;
    bool taken = r == NULL || r->status == 200;
    bool whole = judge_end_round(j);
    if (!taken && is_container_gone(s, r)) {
        log_msg(LOG_INFO, MESSAGES_NAME, "the container is gone: once more without it");
        run->again_fresh = true;
        s->container[0] = '\0';
        messages_run_send(s);
        return;
    }
    if (j->deviation.code != ERR_NONE)
        say_deviation(s, &j->deviation, &j->seen);
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
