/* e2b_judge.c - how a run ended, from what its stream said and how the request went. Where that
 * leaves a doubt, what the code did is unknown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

static void end_as(struct e2b_run *r, enum run_end end, const char *message)
{
    r->f.end = end;
    r->f.has_code = false;
    snprintf(r->message, sizeof r->message, "%s", message);
}

static void say_unknown(struct e2b_run *r, const struct err *e)
{
    r->f.end = END_UNKNOWN;
    snprintf(r->message, sizeof r->message,
             "the answer ended before the code did, so what it did is not known; it is not sent "
             "again: %s",
             e->msg);
}

/* The request was answered by somebody else than the interpreter, or by nobody. */
static bool judge_transport(struct e2b *s, const struct net_result *r, bool ended)
{
    struct e2b_run *run = s->run;
    struct e2b_refusal why;
    struct err e = ERR_INIT;
    if (ended && r->status == 200)
        return true; /* its last line proves it, however the connection ended */
    (void)e2b_why(&s->work, r, "the run", &why, &e);
    if (r->status == 200) {
        if (r->end == NET_ANSWERED)
            err_set(&e, ERR_NET, "e2b: a stream without its last line");
        say_unknown(run, &e);
        return false;
    }
    bool untouched =
        r->end == NET_ANSWERED ? (r->status < 500 || why.not_found) && !why.port_closed : !r->left;
    if (!untouched) {
        say_unknown(run, &e);
        return false;
    }
    run->f.end = why.not_found ? END_LOST : END_PROVIDER;
    run->f.state_lost = why.not_found || r->status == 404;
    snprintf(run->message, sizeof run->message, "%s; the code was not executed", e.msg);
    return false;
}

static void take_error(struct e2b_run *r, const struct e2b_stream *st)
{
    const struct {
        const struct buf *from;
        struct buf *to;
    } parts[] = { { &st->name, &r->error_name },
                  { &st->value, &r->error_value },
                  { &st->traceback, &r->error_traceback } };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t keep = parts[i].from->len < parts[i].to->max ? parts[i].from->len : parts[i].to->max;
        const char *ptr = parts[i].from->ptr;
        for (size_t at = 0; at < keep; at++)
            (void)buf_add_char(parts[i].to, ptr[at] != '\0' ? ptr[at] : ' ');
    }
}

/* What Python makes of sys.exit(value): nothing is 0, a number itself, words are printed and 1. */
static int exit_code(const struct buf *value)
{
    char text[16];
    if (value->len == 0)
        return 0;
    if (value->len >= sizeof text)
        return 1;
    memcpy(text, value->ptr, value->len);
    text[value->len] = '\0';
    const char *digits = text + (text[0] == '-');
    if (strcmp(text, "None") == 0)
        return 0;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return 1;
    return (int)(strtoll(text, NULL, 10) & 0xff);
}

/* sys.exit(3) is an error named SystemExit there, an exit status here. */
static void judge_exit(struct e2b_run *r, const struct e2b_stream *st)
{
    r->f.has_code = true;
    r->f.code = st->has_error ? 1 : 0;
    if (!st->has_error)
        return;
    if (strcmp(r->context->language, "python") != 0 ||
        strcmp(buf_str((struct buf *)(uintptr_t)&st->name), "SystemExit") != 0)
        take_error(r, st);
    else
        r->f.code = exit_code(&st->value);
}

static void judge_stream(struct e2b *s)
{
    struct e2b_run *r = s->run;
    const struct e2b_stream *st = &s->stream;
    char message[400];
    if (st->trouble == E2B_KERNEL_DIED) {
        end_as(r, END_LOST,
               "the interpreter died (out of memory, a crash or an exit of the whole process): all "
               "variables are lost, files are kept");
        r->f.state_lost = true;
    } else if (st->trouble == E2B_LINK_LOST) {
        end_as(r, END_UNKNOWN,
               "the context was restarted or lost while the code ran, so what it did is not known");
        r->f.state_lost = true;
    } else if (st->trouble == E2B_ABORTED) {
        end_as(r, END_UNKNOWN, "the interpreter aborted the run; what it did is not known");
    } else if (st->bad_lines > 0) {
        snprintf(message, sizeof message,
                 "the interpreter sent %zu line%s that can't be read (%.200s), so how the code "
                 "ended is not known",
                 st->bad_lines, st->bad_lines == 1 ? "" : "s", st->first_bad.msg);
        end_as(r, END_UNKNOWN, message);
        if (st->has_error)
            take_error(r, st);
    } else {
        r->f.end = END_EXIT;
        judge_exit(r, st);
    }
}

static void judge_process(struct e2b *s)
{
    struct e2b_run *r = s->run;
    if (r->process_failed.code != ERR_NONE || !r->process_ended || s->frames_err.code != ERR_NONE) {
        struct err e = r->process_failed.code != ERR_NONE ? r->process_failed : s->frames_err;
        if (e.code == ERR_NONE)
            err_set(&e, ERR_FORMAT, "the stream has no end of the process");
        say_unknown(r, &e);
        return;
    }
    r->f.end = r->process_signalled ? END_SIGNAL : END_EXIT;
    r->f.has_code = true;
    r->f.code = r->process_code;
}

/* Asked to end: whether it obeyed, or was through by itself at the same time. */
static void judge_stop(struct e2b *s)
{
    struct e2b_run *r = s->run;
    if (!r->stop_asked || r->f.end == END_UNKNOWN || r->f.end == END_PROVIDER)
        return;
    bool obeyed = r->context == NULL ? r->process_signalled || r->process_code >= 128
                                     : s->stream.has_error && strcmp(buf_str(&s->stream.name),
                                                                     "KeyboardInterrupt") == 0;
    if (!obeyed && r->stopping == END_INTERRUPTED && r->f.end == END_EXIT)
        return;
    r->f.end = r->stopping;
    r->f.has_code = false;
}

void e2b_judge_code(struct e2b *s, const struct net_result *r)
{
    if (judge_transport(s, r, s->stream.ended)) {
        judge_stream(s);
        judge_stop(s);
    }
}

void e2b_judge_process(struct e2b *s, const struct net_result *r)
{
    if (judge_transport(s, r, s->frames.ended)) {
        judge_process(s);
        judge_stop(s);
    }
}
