/* e2b_step.c - one execution on the wire: files, arguments, the code, how it is ended early, the
 * check. Nothing here sends the code a second time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define CELL_MS 30000

/* ---- output */

static void on_output(void *arg, enum sandbox_stream stream, const char *p, size_t len)
{
    struct e2b *s = arg;
    struct e2b_run *r = s->run;
    if (r == NULL || r->told || r->step == STEP_CHECK)
        return;
    uint64_t cap = (uint64_t)s->contract.output_mib << 20, room = cap - s->kept;
    size_t keep = len < room ? len : (size_t)room;
    bool out = stream == STREAM_STDOUT;
    *(out ? &r->f.stdout_bytes : &r->f.stderr_bytes) += len;
    *(out ? &r->f.stdout_dropped : &r->f.stderr_dropped) += len - keep;
    s->kept += keep;
    struct sandbox_event ev = {
        .kind = SANDBOX_OUTPUT, .run = r->rq.run, .stream = stream, .ptr = p, .len = keep
    };
    if (keep > 0)
        core_tell(&s->core, &ev);
}

static void on_result(void *arg, const char *mime, const char *p, size_t len, bool main)
{
    struct e2b *s = arg;
    struct e2b_run *r = s->run;
    if (r == NULL || r->told || r->step == STEP_CHECK)
        return;
    struct sandbox_event ev = {
        .kind = SANDBOX_RESULT, .run = r->rq.run, .mime = mime, .ptr = p, .len = len, .main = main
    };
    core_tell(&s->core, &ev);
}

void e2b_stream_told(struct e2b *s, struct e2b_stream_told *out)
{
    *out = (struct e2b_stream_told){ on_output, on_result, s };
}

/* ---- files and what stands before the code */

static void on_begun(struct e2b *s, const struct net_result *r);
static void on_file(struct e2b *s, const struct net_result *r);
static void run_code(struct e2b *s);
static void check_or_report(struct e2b *s);

/* Nothing of the code left us: the run ends so. */
static void fail_before(struct e2b *s, const struct err *e)
{
    struct e2b_run *r = s->run;
    r->f.end = r->stop_asked ? r->stopping : END_PROVIDER;
    snprintf(r->message, sizeof r->message, "%s; the code was not executed", e->msg);
    e2b_run_report(s);
}

static void send_begin(struct e2b *s)
{
    struct e2b_run *r = s->run;
    r->step = STEP_BEGIN;
    if (r->begin.body == NULL)
        run_code(s);
    else
        e2b_send_cell(&s->work, &r->begin, CELL_MS, on_begun);
}

void e2b_run_files(struct e2b *s)
{
    struct e2b_run *r = s->run;
    r->step = STEP_FILES;
    if (r->next_part == r->part_count) {
        send_begin(s);
        return;
    }
    const struct e2b_part *p = &r->files[r->next_part++];
    struct e2b_request rq = { .plane = E2B_ENVD,
                              .method = "POST",
                              .target = p->target,
                              .content_type = "application/octet-stream",
                              .body = p->body,
                              .body_len = p->len,
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = 3600000 },
                              .done = on_file };
    e2b_send(&s->work, &rq);
}

static void on_file(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (remote_succeeded(r)) {
        e2b_run_files(s);
        return;
    }
    (void)e2b_why(&s->work, r, "putting a file of the run", NULL, &e);
    fail_before(s, &e);
}

static void on_begun(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    enum e2b_trouble trouble;
    struct e2b_run *run = s->run;
    if (e2b_read_cell(r, &s->report, &trouble, &e) < 0) {
        fail_before(s, &e);
        return;
    }
    if (run->context == &s->contexts[0]) {
        s->begun_odd = run->rq.argv_count > 0 || run->rq.input_len > 0;
        free(s->cwd);
        s->cwd = xstrdup(run->rq.cwd);
    }
    run_code(s);
}

/* ---- the code */

static void on_stream(void *arg, const char *p, size_t len)
{
    struct e2b *s = arg;
    struct err e = ERR_INIT;
    if (s->run == NULL || s->stream.bad_lines > 0)
        return;
    if (e2b_stream_feed(&s->stream, p, len, &e) < 0) {
        s->stream.first_bad = e;
        s->stream.bad_lines++;
    }
}

static void on_frames(void *arg, const char *p, size_t len)
{
    struct e2b *s = arg;
    if (s->run != NULL && s->frames_err.code == ERR_NONE)
        (void)!connect_feed(&s->frames, p, len, &s->frames_err);
}

static void on_code(struct e2b *s, const struct net_result *r);
static void on_process(struct e2b *s, const struct net_result *r);

static void send_stream(struct e2b *s, const struct e2b_part *cell, e2b_done_fn done)
{
    struct e2b_request rq = { .plane = E2B_CODE,
                              .method = "POST",
                              .target = "/execute",
                              .body = cell->body,
                              .body_len = cell->len,
                              .again = E2B_ONCE,
                              .deadlines = { .idle_ms = s->idle_ms, .may_be_slow = true },
                              .body_max = INT64_MAX,
                              .on_data = on_stream,
                              .done = done };
    e2b_stream_reset(&s->stream);
    e2b_send(&s->work, &rq);
}

static void hold_back(struct e2b *s)
{
    if (s->paused)
        remote_call_pause(&s->work.call, true);
}

static void run_code(struct e2b *s)
{
    struct e2b_run *r = s->run;
    r->step = STEP_CODE;
    r->started_us = clock_boot_us();
    loop_arm_us(s->core.loop, s->deadline, s->contract.timeout_s * E2B_SECOND_US);
    if (r->context != NULL) {
        send_stream(s, &r->code, on_code);
        hold_back(s);
        return;
    }
    connect_release(&s->frames);
    connect_init(&s->frames, e2b_on_frame, s);
    err_clear(&s->frames_err);
    e2b_start_process(&s->work, r->code.body, r->code.len, false, on_frames, on_process);
    hold_back(s);
}

static void after_judging(struct e2b *s)
{
    struct e2b_run *r = s->run;
    r->f.wall_us = clock_boot_us() - r->started_us;
    loop_arm_us(s->core.loop, s->deadline, -1);
    loop_arm_us(s->core.loop, s->step_timer, -1);
    if (r->f.end == END_LOST && r->f.state_lost && s->stream.trouble == E2B_NO_TROUBLE) {
        struct err why = ERR_INIT; /* the edge knows no such sandbox any more */
        err_set(&why, ERR_NET, "%.400s", r->message);
        e2b_end_with(s, END_LOST, "", &why);
        return;
    }
    check_or_report(s);
}

static void on_code(struct e2b *s, const struct net_result *r)
{
    e2b_judge_code(s, r);
    after_judging(s);
}

static void on_process(struct e2b *s, const struct net_result *r)
{
    e2b_judge_process(s, r);
    s->stream.trouble = E2B_NO_TROUBLE;
    after_judging(s);
}

/* ---- ended early */

static void on_nudged(struct e2b *s, const struct net_result *r)
{
    (void)s;
    (void)r; /* whether it helped shows in the stream */
}

/* Signal a process and all below it: a shell whose child dies first would go on with its script. */
static void nudge(struct e2b *s, int pid, const char *signal)
{
    char command[300];
    if (pid <= 0)
        return;
    if (s->side.call.busy)
        e2b_call_drop(&s->side);
    snprintf(command, sizeof command,
             "t() { l=$(cat /proc/$1/task/*/children 2>/dev/null); kill -%s $1 2>/dev/null; "
             "for c in $l; do t $c; done; }; t %d",
             signal, pid);
    e2b_shell(&s->side, command, on_nudged);
}

static void nudge_kernel(struct e2b *s, int pid)
{
    char command[64];
    if (s->side.call.busy)
        e2b_call_drop(&s->side);
    snprintf(command, sizeof command, "kill -INT %d", pid);
    e2b_shell(&s->side, command, on_nudged);
}

static void on_free(struct e2b *s, const struct net_result *r);

/* Closing the connection is the interrupt the vendor knows. What the code still says is lost. */
static void close_on_it(struct e2b *s)
{
    struct e2b_run *r = s->run;
    struct e2b_part cell;
    e2b_call_drop(&s->work);
    r->step = STEP_FREE;
    r->f.wall_us = clock_boot_us() - r->started_us;
    r->f.end = r->stopping;
    snprintf(r->message, sizeof r->message,
             "its connection was closed to end it; what it printed after that is lost");
    if (strcmp(r->context->language, "python") != 0) {
        (void)e2b_cell_code(r->context, "", 0, &cell);
    } else {
        e2b_cell_ask(&s->contexts[0], "names", "", 0, -1, &cell);
    }
    e2b_send_cell(&s->work, &cell, E2B_PATIENCE_S * 1000, on_free);
    e2b_part_release(&cell);
}

static void on_restarted(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct e2b_run *run = s->run;
    if (!remote_succeeded(r)) {
        (void)e2b_why(&s->work, r, "ending code that ignores every interrupt", NULL, &e);
        e2b_end_with(s, run->stopping, "", &e);
        return;
    }
    run->f.state_lost = true;
    snprintf(run->message, sizeof run->message,
             "the code ignored the interrupt: its context was restarted, all variables are lost");
    e2b_run_report(s);
}

static void on_free(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct e2b_run *run = s->run;
    enum e2b_trouble trouble;
    struct buf target = BUF_INIT(256);
    if (e2b_read_cell(r, &s->report, &trouble, &e) == 0) {
        e2b_run_report(s);
        return;
    }
    run->step = STEP_RESTART;
    (void)buf_addf(&target, "/contexts/%s/restart", run->context->id);
    struct e2b_request rq = { .plane = E2B_CODE,
                              .method = "POST",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = 30000 },
                              .done = on_restarted };
    e2b_send(&s->work, &rq);
    buf_release(&target);
}

void e2b_run_stop(struct e2b *s, enum run_end as)
{
    struct e2b_run *r = s->run;
    if (r == NULL || r->told || r->stop_asked)
        return;
    r->stopping = as;
    r->stop_asked = true;
    if (r->step == STEP_FILES || r->step == STEP_BEGIN) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_CANCELLED, "interrupted while the run was made ready");
        e2b_call_drop(&s->work);
        fail_before(s, &e);
        return;
    }
    if (r->step != STEP_CODE && r->step != STEP_CHECK)
        return;
    int pid = r->step == STEP_CHECK ? s->contexts[0].pid
              : r->context == NULL  ? r->pid
                                    : r->context->pid;
    if (r->step == STEP_CODE && r->context == NULL)
        nudge(s, pid, "INT");
    else if (pid > 0)
        nudge_kernel(s, pid);
    loop_arm_us(s->core.loop, s->step_timer, pid > 0 ? E2B_GRACE_US : 0);
}

void e2b_run_urge(struct e2b *s)
{
    struct e2b_run *r = s->run;
    struct err e = ERR_INIT;
    if (!r->stop_asked || r->told || (r->step != STEP_CODE && r->step != STEP_CHECK))
        return;
    if (r->step == STEP_CODE && r->context != NULL) {
        close_on_it(s);
        return;
    }
    if (r->step == STEP_CODE && r->urged++ == 0 && r->pid > 0) {
        nudge(s, r->pid, "KILL");
        loop_arm_us(s->core.loop, s->step_timer, E2B_GRACE_US);
        return;
    }
    err_set(&e, ERR_LIMIT, "e2b: the code could not be ended by itself, so the sandbox was");
    e2b_end_with(s, r->stopping, "", &e);
}

void e2b_on_deadline(void *arg)
{
    struct e2b *s = arg;
    core_enter(&s->core);
    e2b_run_stop(s, END_TIMEOUT);
    core_leave(&s->core);
}

/* ---- the check */

static void on_checked(struct e2b *s, const struct net_result *r)
{
    struct e2b_run *run = s->run;
    struct e2b_stream *st = &s->stream;
    loop_arm_us(s->core.loop, s->deadline, -1);
    loop_arm_us(s->core.loop, s->step_timer, -1);
    run->f.check_ran = true;
    run->f.check_ok = st->ended && r->status == 200 && !st->has_error && st->bad_lines == 0 &&
                      st->trouble == E2B_NO_TROUBLE;
    if (st->has_error)
        (void)buf_addf(&run->check_text, "%.200s: %.2000s", buf_str(&st->name),
                       buf_str(&st->value));
    else if (!run->f.check_ok)
        (void)buf_add_str(&run->check_text, "the check did not come to its end");
    run->f.state_lost |= st->trouble == E2B_KERNEL_DIED || st->trouble == E2B_LINK_LOST;
    e2b_run_report(s);
}

static void check_or_report(struct e2b *s)
{
    struct e2b_run *r = s->run;
    bool python_lost = r->f.state_lost && r->context == &s->contexts[0];
    if (r->check.body == NULL || r->f.end != END_EXIT || python_lost) {
        e2b_run_report(s);
        return;
    }
    r->step = STEP_CHECK;
    r->stop_asked = false;
    loop_arm_us(s->core.loop, s->deadline, s->contract.timeout_s * E2B_SECOND_US);
    send_stream(s, &r->check, on_checked);
}
