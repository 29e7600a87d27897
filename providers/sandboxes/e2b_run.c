/* e2b_run.c - one execution: copied, made into requests that are read back and compared before
 * anything leaves, and its one end told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "providers/sandboxes/e2b_int.h"

/* ---- a copy of our own: the caller's bytes are lent for the call only */

static char **copy_words(const char *const *words, size_t count)
{
    char **out = xcalloc(count + 1, sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = xstrdup(words[i]);
    return out;
}

static void free_words(const char *const *words, size_t count)
{
    char **own = (char **)(uintptr_t)words;
    for (size_t i = 0; i < count; i++)
        free(own[i]);
    free(own);
}

struct e2b_run *e2b_run_copy(const struct sandbox_run *rq)
{
    struct e2b_run *r = xcalloc(1, sizeof *r);
    struct sandbox_file *files = xcalloc(rq->file_count + 1, sizeof *files);
    for (size_t i = 0; i < rq->file_count; i++)
        files[i] = (struct sandbox_file){
            .name = xstrdup(rq->files[i].name),
            .mode = rq->files[i].mode,
            .ptr = xmemdup(rq->files[i].len > 0 ? rq->files[i].ptr : "", rq->files[i].len),
            .len = rq->files[i].len,
        };
    r->rq = *rq;
    r->rq.language = xstrdup(rq->language);
    r->rq.interpreter = xstrdup(rq->interpreter);
    r->rq.cwd = xstrdup(rq->cwd);
    r->rq.code = xmemdup(rq->code_len > 0 ? rq->code : "", rq->code_len);
    r->rq.input = xmemdup(rq->input_len > 0 ? rq->input : "", rq->input_len);
    r->rq.check_code = xmemdup(rq->check_code_len > 0 ? rq->check_code : "", rq->check_code_len);
    r->rq.argv = (const char *const *)copy_words(rq->argv, rq->argv_count);
    r->rq.exists = (const char *const *)copy_words(rq->exists, rq->exists_count);
    r->rq.files = files;
    r->exists = xcalloc(rq->exists_count + 1, sizeof *r->exists);
    buf_init(&r->error_name, (size_t)4 << 10);
    buf_init(&r->error_value, (size_t)1 << 20);
    buf_init(&r->error_traceback, (size_t)1 << 20);
    buf_init(&r->check_text, (size_t)64 << 10);
    r->f.end = END_EXIT;
    return r;
}

static void free_text(const char *p)
{
    free((char *)(uintptr_t)p);
}

void e2b_run_free(struct e2b_run *r)
{
    if (r == NULL)
        return;
    struct sandbox_file *files = (struct sandbox_file *)(uintptr_t)r->rq.files;
    for (size_t i = 0; i < r->rq.file_count; i++) {
        free(files[i].name);
        free(files[i].ptr);
    }
    free(files);
    for (size_t i = 0; i < r->part_count; i++)
        e2b_part_release(&r->files[i]);
    free(r->files);
    e2b_part_release(&r->begin);
    e2b_part_release(&r->code);
    e2b_part_release(&r->check);
    free_words(r->rq.argv, r->rq.argv_count);
    free_words(r->rq.exists, r->rq.exists_count);
    const char *texts[] = { r->rq.language, r->rq.interpreter, r->rq.cwd,
                            r->rq.code,     r->rq.input,       r->rq.check_code };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free_text(texts[i]);
    free(r->exists);
    buf_release(&r->error_name);
    buf_release(&r->error_value);
    buf_release(&r->error_traceback);
    buf_release(&r->check_text);
    free(r);
}

/* ---- made ready */

static void add_file(struct e2b_run *r, const char *path, const char *ptr, size_t len)
{
    struct buf target = BUF_INIT((size_t)16 << 10);
    e2b_upload_target(path, &target);
    r->files[r->part_count++] =
        (struct e2b_part){ .target = buf_detach(&target), .body = xmemdup(ptr, len), .len = len };
}

static char *input_path(const struct e2b_run *r)
{
    return r->rq.input_len > 0 ? xasprintf("/tmp/airlock-input-%u", r->rq.run) : xstrdup("");
}

static void write_files(struct e2b_run *r, const char *input)
{
    r->files = xcalloc(r->rq.file_count + 1, sizeof *r->files);
    for (size_t i = 0; i < r->rq.file_count; i++) {
        char *path = xasprintf("%s/%s", E2B_WORKSPACE, r->rq.files[i].name);
        add_file(r, path, r->rq.files[i].ptr, r->rq.files[i].len);
        free(path);
    }
    if (input[0] != '\0')
        add_file(r, input, r->rq.input, r->rq.input_len);
}

static bool is_process(const struct e2b_run *r)
{
    return strcmp(r->rq.language, "bash") == 0;
}

/* What stands before the code: not needed when all is as the last run left it. */
static int write_begin(struct e2b *s, struct e2b_run *r, const char *input)
{
    struct sandbox_run rq = r->rq;
    bool python = r->context == &s->contexts[0];
    if (!python) { /* only the permissions of files; the python context stays as it is */
        rq.argv_count = 0;
        rq.cwd = s->cwd;
    }
    bool odd = python && (rq.argv_count > 0 || rq.input_len > 0);
    bool moved = python && strcmp(rq.cwd, s->cwd) != 0;
    if (rq.file_count == 0 && !odd && !moved && !(python && s->begun_odd))
        return 0;
    return e2b_cell_begin(&s->contexts[0], &rq, python ? input : "", &r->begin);
}

static int write_parts(struct e2b *s, struct e2b_run *r)
{
    char *input = input_path(r);
    int rc = 0;
    write_files(r, input);
    if (is_process(r)) {
        struct buf json = BUF_INIT(8 * E2B_CODE_MAX);
        rc = e2b_write_process(&r->rq, input, &json);
        r->code.len = json.len;
        r->code.body = buf_detach(&json);
        buf_release(&json);
    } else {
        rc = e2b_cell_code(r->context, r->rq.code, r->rq.code_len, &r->code);
    }
    if (rc == 0)
        rc = write_begin(s, r, input);
    if (rc == 0 && r->rq.check_code_len > 0)
        rc = e2b_cell_code(&s->contexts[0], r->rq.check_code, r->rq.check_code_len, &r->check);
    free(input);
    return rc;
}

/* ---- ends */

static void fill_finished(struct e2b_run *r, struct sandbox_finished *f)
{
    *f = r->f;
    f->what = r->limit;
    f->limits_hit = "";
    f->error_name = buf_str(&r->error_name);
    f->error_value = buf_str(&r->error_value);
    f->error_traceback = buf_str(&r->error_traceback);
    f->check_text = buf_str(&r->check_text);
    f->message = r->message;
    f->exists = r->step == STEP_REPORT ? r->exists : NULL;
    f->exists_count = f->exists != NULL ? r->rq.exists_count : 0;
}

/* FINISHED, once; the run itself stays until its report is there. */
static void finish(struct e2b *s)
{
    struct e2b_run *r = s->run;
    struct sandbox_finished f;
    if (r == NULL || r->told)
        return;
    r->told = true;
    loop_arm_us(s->core.loop, s->deadline, -1);
    loop_arm_us(s->core.loop, s->step_timer, -1);
    fill_finished(r, &f);
    struct sandbox_event ev = { .kind = SANDBOX_FINISHED, .run = r->rq.run, .finished = &f };
    core_tell(&s->core, &ev);
}

/* The run leaves the stage; what is queued may begin. */
static void retire(struct e2b *s)
{
    e2b_run_free(s->run);
    s->run = NULL;
    if (s->contract.lifecycle == LIFECYCLE_RUN && !s->core.closed)
        e2b_end_with(s, END_KILLED, NULL, NULL);
    else if (!s->core.closed)
        e2b_run_next(s);
}

static void lost_in_report(struct e2b *s, const struct err *e)
{
    struct err why = *e;
    err_wrap(&why, "the sandbox does not answer any more and was given up");
    e2b_end_with(s, END_LOST, "", &why);
}

static void on_set_up_again(struct e2b *s, const struct err *e)
{
    if (e != NULL)
        lost_in_report(s, e);
    else
        retire(s);
}

/* The kernel is a new one: our cells go in again, and there is nothing to report. */
static void start_over(struct e2b *s)
{
    s->contexts[0].ready = false;
    s->begun_odd = false;
    free(s->cwd);
    s->cwd = xstrdup("");
    e2b_set_up(s, on_set_up_again);
}

static void on_report(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct e2b_run *run = s->run;
    enum e2b_trouble trouble;
    int rc = e2b_read_cell(r, &s->report, &trouble, &e);
    if (rc < 0 && trouble != E2B_KERNEL_DIED) {
        finish(s); /* its own end is known all the same */
        if (!s->core.closed)
            lost_in_report(s, &e);
        return;
    }
    if (rc < 0 && !run->told) {
        run->f.state_lost = true;
        snprintf(run->message, sizeof run->message,
                 "the interpreter died right after the code: all variables are lost");
    }
    if (rc == 0)
        e2b_take_exists(&s->report, run->exists, run->rq.exists_count);
    uint32_t number = run->rq.run;
    finish(s);
    if (s->core.closed || s->core.ending)
        return;
    if (rc == 0)
        e2b_tell_state(s, &s->report, number);
    if (s->core.closed || s->core.ending)
        return;
    if (rc < 0)
        start_over(s);
    else
        retire(s);
}

void e2b_run_report(struct e2b *s)
{
    struct e2b_run *r = s->run;
    struct e2b_part cell;
    r->step = STEP_REPORT;
    if (r->rq.exists_count == 0)
        finish(s);
    if (s->core.closed || s->core.ending)
        return;
    if (r->f.state_lost && strcmp(s->contexts[0].language, r->rq.language) == 0) {
        finish(s);
        if (!s->core.closed && !s->core.ending)
            start_over(s);
        return;
    }
    e2b_cell_report(&s->contexts[0], &r->rq, &cell);
    e2b_send_cell(&s->work, &cell, 60000, on_report);
    e2b_part_release(&cell);
}

void e2b_run_lost(struct e2b *s, enum run_end as, const char *what, const char *message)
{
    struct e2b_run *r = s->run != NULL ? s->run : s->queued;
    if (r == NULL)
        return;
    if (r == s->queued)
        s->queued = NULL;
    s->run = r;
    if (!r->told) {
        r->f.end = as;
        r->f.has_code = false;
        r->f.state_lost = true;
        if (r->started_us != 0)
            r->f.wall_us = clock_boot_us() - r->started_us;
        snprintf(r->limit, sizeof r->limit, "%s", what);
        snprintf(r->message, sizeof r->message, "%s", message);
        finish(s);
    }
    s->run = NULL;
    e2b_run_free(r);
    if (s->queued != NULL) /* behind a run whose report was due */
        e2b_run_lost(s, as, what, message);
}

/* ---- its beginning */

static void on_language(struct e2b *s, const struct err *e);

static void refuse(struct e2b *s, const struct err *e)
{
    s->core.refused = (struct sandbox_refusal){ s->run->rq.run, *e };
    e2b_run_free(s->run);
    s->run = NULL;
    loop_wake_idle(s->core.loop, s->core.later);
}

static void begin(struct e2b *s)
{
    struct e2b_run *r = s->run;
    struct err e = ERR_INIT;
    if (!is_process(r))
        r->context = e2b_find_context(s, r->rq.language);
    if (write_parts(s, r) < 0)
        err_set(&e, ERR_LIMIT, "e2b: the run is too large for one request");
    if (e.code != ERR_NONE || e2b_check_parts(s, r, &e) < 0) {
        refuse(s, &e);
        return;
    }
    s->kept = 0;
    e2b_run_files(s);
}

static void on_language(struct e2b *s, const struct err *e)
{
    struct e2b_run *r = s->run;
    if (e == NULL) {
        begin(s);
        return;
    }
    r->f.end = END_PROVIDER;
    snprintf(r->message, sizeof r->message, "%.400s; nothing was executed", e->msg);
    e2b_run_report(s);
}

void e2b_run_next(struct e2b *s)
{
    if (s->queued == NULL || s->run != NULL || s->phase != E2B_READY || s->core.ending ||
        s->work.call.busy || s->core.refused.run != 0 || s->freezing != 0)
        return;
    s->run = s->queued;
    s->queued = NULL;
    if (is_process(s->run) || e2b_find_context(s, s->run->rq.language) != NULL) {
        begin(s);
        return;
    }
    s->run->step = STEP_CONTEXT;
    e2b_need_context(s, s->run->rq.language, on_language);
}
