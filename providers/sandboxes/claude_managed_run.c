/* claude_managed_run.c - one execution: asked for once what leaves was read back, and its one end
 * told. [APR-3] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/claude_managed_int.h"

#define BODY_MAX (CLAUDE_MOUNTED_MAX * 2)
#define TOOL_S   60 /* the tool's own limit is not known below it: longer runs say theirs */

/* ---- made and freed */

struct managed_run *managed_run_new(const struct sandbox_run *rq, int64_t timeout_s, struct err *e)
{
    struct managed_run *r = xcalloc(1, sizeof *r);
    struct claude_terms terms;
    claude_terms_init(&terms, timeout_s);
    buf_init(&r->payload, BODY_MAX);
    buf_init(&r->command, (size_t)64 << 10);
    buf_init(&r->message, (size_t)256 << 10);
    buf_init(&r->refused, (size_t)8 << 10);
    buf_init(&r->refused_whole, (size_t)256 << 10);
    for (size_t i = 0; i < ARRAY_LEN(r->uploads); i++)
        buf_init(&r->uploads[i], BODY_MAX);
    claude_result_init(&r->result);
    r->f.end = END_EXIT;
    if (timeout_s > TOOL_S)
        r->timeout_ms = (timeout_s + MANAGED_SLACK_S) * 1000;
    if (claude_program_write(rq, &terms, &r->payload, e) < 0 ||
        claude_program_read(&r->d, r->payload.ptr, r->payload.len, e) < 0) {
        managed_run_free(r);
        return NULL;
    }
    r->d.rq.run = rq->run;
    return r;
}

void managed_run_free(struct managed_run *r)
{
    if (r == NULL)
        return;
    claude_decoded_release(&r->d);
    claude_result_release(&r->result);
    buf_release(&r->payload);
    buf_release(&r->command);
    buf_release(&r->message);
    buf_release(&r->refused);
    buf_release(&r->refused_whole);
    for (size_t i = 0; i < ARRAY_LEN(r->uploads); i++)
        buf_release(&r->uploads[i]);
    free(r);
}

/* ---- made ready */

const char *managed_starts_over(struct sandbox *base, const struct sandbox_run *rq)
{
    const struct managed *s = (const struct managed *)base;
    return s->link == LINK_LIVE && claude_program_bytes(rq) > CLAUDE_LITERAL_MAX
               ? "a new container: too large for the one that runs, whose files are lost"
               : NULL;
}

/* ---- its beginning */

static void refuse(struct managed *s, const struct err *e)
{
    s->core.refused = (struct sandbox_refusal){ s->run->d.rq.run, *e };
    managed_run_free(s->run);
    s->run = NULL;
    loop_wake_idle(s->core.loop, s->core.later);
}

void managed_run_next(struct managed *s)
{
    struct err e = ERR_INIT;
    if (s->queued == NULL || s->run != NULL || s->phase != MANAGED_READY || s->core.ending ||
        s->core.refused.run != 0 || (s->link != LINK_NONE && s->link != LINK_LIVE))
        return;
    struct managed_run *r = s->run = s->queued;
    s->queued = NULL;
    r->step = MANAGED_STEP_PLACE;
    r->began_us = clock_boot_us();
    if (r->interrupted) {
        managed_run_end(s, END_INTERRUPTED, "", false, "nothing was run");
        return;
    }
    if (managed_body_write(s, r) < 0)
        err_set(&e, ERR_LIMIT, "claude-managed: the run is too large to be sent");
    if (e.code != ERR_NONE || managed_body_check(s, r, &e) < 0)
        refuse(s, &e);
    else if (r->mounted)
        managed_place(s);
    else
        managed_ask(s);
}

void managed_ask(struct managed *s)
{
    struct managed_run *r = s->run;
    struct buf body = BUF_INIT(BODY_MAX);
    if (r == NULL)
        return;
    r->step = MANAGED_STEP_ASKING;
    r->began_us = clock_boot_us();
    r->asks++;
    loop_arm_us(s->core.loop, s->deadline, s->patience_ms * 1000);
    (void)buf_add(&body, r->message.ptr, r->message.len);
    managed_post(s, &body, CLAUDE_ONCE, true);
    buf_release(&body);
}

/* ---- its end */

static void tell_usage(struct managed *s)
{
    char source[160];
    if (s->input_tokens == 0 && s->output_tokens == 0 && s->cache_tokens == 0)
        return;
    snprintf(source, sizeof source, "claude-managed %s", s->model);
    struct sandbox_usage u = { .source = source,
                               .input_tokens = s->input_tokens,
                               .output_tokens = s->output_tokens,
                               .cache_read_tokens = s->cache_tokens,
                               .cost_nanousd = managed_tokens_nanousd(
                                   s->model, s->input_tokens, s->output_tokens, s->cache_tokens,
                                   s->write_tokens) };
    struct sandbox_event ev = { .kind = SANDBOX_USAGE, .usage = &u };
    s->tokens_nanousd += u.cost_nanousd > 0 ? u.cost_nanousd : 0;
    s->input_tokens = s->output_tokens = s->cache_tokens = s->write_tokens = 0;
    core_tell(&s->core, &ev);
}

static void tell_output(struct managed *s, enum sandbox_stream stream, const struct buf *b)
{
    struct sandbox_event ev = { .kind = SANDBOX_OUTPUT,
                                .run = s->run->d.rq.run,
                                .stream = stream,
                                .ptr = b->ptr,
                                .len = b->len };
    if (b->len > 0)
        core_tell(&s->core, &ev);
}

static void tell_results(struct managed *s)
{
    struct claude_result *c = &s->run->result;
    tell_output(s, STREAM_STDOUT, &c->out);
    tell_output(s, STREAM_STDERR, &c->err);
    struct sandbox_event ev = { .kind = SANDBOX_RESULT,
                                .run = s->run->d.rq.run,
                                .mime = "text/plain",
                                .main = true,
                                .ptr = c->value.ptr,
                                .len = c->value.len };
    if (c->value.len > 0)
        core_tell(&s->core, &ev);
}

static void fill_result(struct managed_run *r)
{
    struct claude_result *c = &r->result;
    r->f.stdout_bytes = c->out_bytes;
    r->f.stderr_bytes = c->err_bytes;
    r->f.stdout_dropped = c->out_bytes - c->out.len;
    r->f.stderr_dropped = c->err_bytes - c->err.len;
    r->f.wall_us = c->wall_us;
    r->f.error_name = buf_str(&c->error[0]);
    r->f.error_value = buf_str(&c->error[1]);
    r->f.error_traceback = buf_str(&c->error[2]);
    r->f.check_ran = c->check_ran;
    r->f.check_ok = c->check_ran && c->check_text.len == 0;
    r->f.check_text = buf_str(&c->check_text);
    r->f.exists = c->exists;
    r->f.exists_count = r->d.rq.exists_count;
}

static void tell_files(struct managed *s, const struct claude_result *c, uint32_t run)
{
    struct sandbox_changed_file files[ARRAY_LEN(c->files)];
    for (size_t i = 0; i < c->file_count; i++)
        files[i] = (struct sandbox_changed_file){ .path = c->paths.ptr + c->files[i].path_at,
                                                  .change = c->files[i].change,
                                                  .bytes = c->files[i].bytes };
    struct sandbox_event ev = {
        .kind = SANDBOX_STATE, .run = run, .files = files, .file_count = c->file_count
    };
    core_tell(&s->core, &ev);
}

static void say(struct managed *s, struct managed_run *r, const char *message)
{
    size_t n = 0;
    n += (size_t)snprintf(r->message_text, sizeof r->message_text, "%.300s", message);
    if (r->refused.len > 0 && n < sizeof r->message_text)
        n += (size_t)snprintf(r->message_text + n, sizeof r->message_text - n, "%s%s",
                              n > 0 ? "; " : "", buf_str(&r->refused));
    if (s->lost_files && n < sizeof r->message_text)
        snprintf(r->message_text + n, sizeof r->message_text - n, "%s%s", n > 0 ? "; " : "",
                 "it ran in a new container: files of earlier runs are not there");
}

/* FINISHED, once, with whatever came of it before. */
static void finish(struct managed *s, enum run_end end, const char *what, const char *message)
{
    struct managed_run *r = s->run;
    INVARIANT(!r->told);
    r->told = true;
    loop_arm_us(s->core.loop, s->deadline, -1);
    if (r->has_result)
        tell_results(s);
    r->f.limits_hit = r->f.error_name = r->f.error_value = r->f.error_traceback = "";
    r->f.check_text = "";
    if (r->refused_count > 0) {
        r->f.error_name = "Deviation";
        r->f.error_value = buf_str(&r->refused);
        r->f.error_traceback = buf_str(&r->refused_whole);
    }
    if (r->has_result && end != END_INTEGRITY)
        fill_result(r);
    else if (r->step >= MANAGED_STEP_RUNNING)
        r->f.wall_us = clock_boot_us() - r->began_us;
    snprintf(r->what, sizeof r->what, "%s", what);
    say(s, r, message);
    s->lost_files = false;
    r->f.end = end;
    r->f.what = r->what;
    r->f.message = r->message_text;
    tell_usage(s);
    struct sandbox_event ev = { .kind = SANDBOX_FINISHED, .run = r->d.rq.run, .finished = &r->f };
    core_tell(&s->core, &ev);
}

static void retire(struct managed *s)
{
    struct managed_run *r = s->run;
    if (r->has_result && !s->core.ending && !s->core.closed)
        tell_files(s, &r->result, r->d.rq.run);
    s->run = NULL;
    managed_run_free(r);
}

void managed_run_end(struct managed *s, enum run_end end, const char *what, bool drop,
                     const char *message)
{
    if (s->run == NULL)
        return;
    if (drop)
        s->run->f.state_lost = s->link != LINK_NONE;
    finish(s, end, what, message);
    retire(s);
    if (s->core.ending || s->core.closed)
        return;
    if (s->contract.lifecycle == LIFECYCLE_RUN)
        managed_end_with(s, END_KILLED, NULL, NULL);
    else if (drop)
        managed_drop_session(s);
    else
        managed_run_next(s);
}

void managed_run_done(struct managed *s)
{
    struct managed_run *r = s->run;
    const struct claude_result *c = &r->result;
    enum run_end end = c->failed     ? END_PROVIDER
                       : c->late     ? END_TIMEOUT
                       : c->code < 0 ? END_SIGNAL
                                     : END_EXIT;
    r->f.has_code = end == END_SIGNAL || end == END_EXIT;
    r->f.code = !r->f.has_code ? 0 : c->code < 0 ? -c->code : c->code;
    managed_run_end(s, end, "", r->drop, c->failed ? "the program could not be started there" : "");
}

void managed_run_lost(struct managed *s, enum run_end as, const char *what, const char *message)
{
    if (s->run == NULL) {
        s->run = s->queued;
        s->queued = NULL;
    }
    if (s->run == NULL)
        return;
    s->run->f.state_lost = true;
    finish(s, as, what, message);
    retire(s);
    if (s->queued != NULL)
        managed_run_lost(s, as, what, message);
}

/* ---- asked to end */

void managed_run_stop(struct managed *s, enum run_end as)
{
    struct managed_run *r = s->run;
    struct buf body = BUF_INIT(1024);
    if (r == NULL || r->stop_asked || r->told || s->core.ending || r->step == MANAGED_STEP_ENDING)
        return;
    r->stop_asked = true;
    r->stopping = as;
    if (r->step == MANAGED_STEP_PLACE) {
        managed_run_end(s, as, "", true, "nothing was run");
        return;
    }
    if (managed_write_interrupt(&body) == 0)
        managed_post(s, &body, CLAUDE_AGAIN, false);
    buf_release(&body);
    loop_arm_us(s->core.loop, s->deadline, 10 * MANAGED_SECOND_US);
}

void managed_on_deadline(void *arg)
{
    struct managed *s = arg;
    struct managed_run *r = s->run;
    if (s->core.closed || s->core.ending || r == NULL || r->told)
        return;
    core_enter(&s->core);
    if (r->stop_asked)
        managed_run_end(s, r->stopping, "", true,
                        "the session did not stop when it was interrupted and was deleted");
    else if (r->step == MANAGED_STEP_ASKING)
        managed_run_end(s, END_PROVIDER, "", true,
                        "the model did not call for the command in time; nothing was run");
    else if (r->step == MANAGED_STEP_ENDING)
        managed_run_end(s, END_UNKNOWN, "", true,
                        "the model's turn did not end after the result: whether it wanted more is "
                        "not known");
    else
        managed_run_stop(s, r->confirmed ? END_TIMEOUT : END_UNKNOWN);
    core_leave(&s->core);
}
