/* kernel_ask.c - what a kernel is asked to do: run, go back, save, move files, complete. */
#include "providers/kernel_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define START_US     21000000 /* the guest gives an interpreter 20 s */
#define OP_US        70000000
#define COMPLETE_MAX (64u << 10)

/* ---- executions */

static int check_idle(const struct kernel *k, struct err *e)
{
    if (k->phase == KERNEL_DEAD)
        return err_set(e, ERR_NET, "the sandbox is gone");
    if (k->op == KERNEL_EXEC)
        return err_set(e, ERR_BUSY, "run %u is on", k->run.id);
    if (k->op != KERNEL_IDLE)
        return err_set(e, ERR_BUSY, "the state is being restored");
    return 0;
}

static int check_body(struct kernel *k, struct err *e)
{
    struct kernel_request rq;
    if (k->cfg.check_body == NULL)
        return 0;
    if (kernel_decode_exec(&rq, k->run.body.ptr, k->run.body.len, e) < 0) {
        e->code = ERR_INTEGRITY;
        return -1;
    }
    int rc = k->cfg.check_body(k->cfg.check_arg, &rq.run, e);
    kernel_request_release(&rq);
    return rc;
}

static void send_run(struct kernel *k)
{
    k->run.waiting = false;
    k->run.overdue_us = clock_boot_us() + START_US + k->timeout_ms * 1000;
    if (k->out_at == k->out.len && k->phase == KERNEL_UP) {
        struct buf was = k->out;
        k->out = k->run.body;
        k->out.max = KERNEL_OUT_MAX;
        k->out_at = 0;
        buf_release(&was);
        buf_init(&k->run.body, KERNEL_BODY_MAX);
    } else {
        INVARIANT(buf_add(&k->out, k->run.body.ptr, k->run.body.len) == 0);
        buf_release(&k->run.body);
    }
    kernel_flush(k);
    kernel_rearm(k);
}

static bool memory_is_short(const struct kernel *k)
{
    int64_t used = kernel_counter(k, k->cfg.memory_used);
    return k->checkpoint_list != NULL && used >= 0 && used > k->memory_max / 2;
}

/* While more than half is used the oldest copy goes, and a run waits for that. */
void kernel_go_on(struct kernel *k)
{
    struct err e = ERR_INIT;
    if (k->run.dropping)
        return;
    if (memory_is_short(k)) {
        k->run.dropping = true;
        kernel_send_about(k, "drop", k->checkpoint_list->run);
        return;
    }
    if (k->op != KERNEL_EXEC || !k->run.waiting)
        return;
    if (check_body(k, &e) < 0)
        kernel_finish(k, &(struct sandbox_finished){ .end = END_INTEGRITY, .message = e.msg });
    else
        send_run(k);
}

static void begin_run(struct kernel *k, const struct sandbox_run *rq)
{
    struct kernel_run *r = &k->run;
    r->id = rq->run;
    r->language = kernel_language(rq->language);
    r->exists_count = rq->exists_count;
    r->check = rq->check_code_len > 0;
    r->waiting = true;
    r->begun = r->result_bad = false;
    r->timeout_ms = k->timeout_ms;
    r->oom = kernel_counter(k, k->cfg.oom_count);
    r->pids = kernel_counter(k, k->cfg.pids_count);
    memset(r->bytes, 0, sizeof r->bytes);
    memset(r->dropped, 0, sizeof r->dropped);
    buf_reset(&r->result);
    r->result_bytes = 0;
    r->overdue_us = clock_boot_us() + START_US + k->timeout_ms * 1000;
}

int kernel_exec(struct kernel *k, const struct sandbox_run *rq, struct err *e)
{
    if (check_idle(k, e) < 0)
        return -1;
    buf_reset(&k->run.body);
    bool checkpoint = k->checkpoints && rq->run != SANDBOX_PROBE_RUN &&
                      kernel_language(rq->language) == KERNEL_PYTHON;
    if (kernel_encode_exec(rq, k->timeout_ms, checkpoint, &k->run.body, e) < 0)
        return -1;
    bool wait = memory_is_short(k) || k->run.dropping;
    if (!wait && check_body(k, e) < 0) {
        buf_release(&k->run.body);
        return -1;
    }
    begin_run(k, rq);
    k->op = KERNEL_EXEC;
    if (wait)
        kernel_go_on(k);
    else
        send_run(k);
    kernel_rearm(k);
    return 0;
}

void kernel_run_over(struct kernel *k)
{
    k->op = KERNEL_IDLE;
    k->run.begun = k->run.waiting = false;
    buf_release(&k->run.body);
    buf_release(&k->run.result);
    free(k->run.mime);
    k->run.mime = NULL;
    kernel_rearm(k);
}

void kernel_interrupt(struct kernel *k)
{
    if (k->op == KERNEL_EXEC && k->phase != KERNEL_DEAD && !k->run.waiting)
        kernel_send_about(k, "interrupt", k->run.id);
}

void kernel_pause_output(struct kernel *k, bool on)
{
    k->paused = on;
    if (on)
        return;
    if (k->op == KERNEL_EXEC && k->run.begun) {
        int64_t at = clock_boot_us() + KERNEL_OVERDUE_US;
        if (k->run.overdue_us < at)
            k->run.overdue_us = at;
    }
    kernel_give_credit(k);
}

/* ---- state */

static void begin_op(struct kernel *k, enum kernel_op op, uint32_t run)
{
    k->op = op;
    k->restore_run = run;
    k->op_overdue_us = clock_boot_us() + OP_US;
    kernel_rearm(k);
}

int kernel_restore(struct kernel *k, uint32_t run, struct err *e)
{
    if (check_idle(k, e) < 0)
        return -1;
    if (kernel_checkpoint(k, run) == NULL)
        return err_set(e, ERR_MISSING, "no checkpoint after run %u is left in this sandbox", run);
    begin_op(k, KERNEL_RESTORE, run);
    kernel_send_about(k, "restore", run);
    return 0;
}

int kernel_save(struct kernel *k, struct err *e)
{
    if (k->phase == KERNEL_DEAD)
        return err_set(e, ERR_NET, "the sandbox is gone");
    if (k->saving)
        return err_set(e, ERR_BUSY, "the state is being saved");
    k->saving = true;
    buf_reset(&k->saved);
    sha256_begin(k->saved_sha);
    INVARIANT(buf_addf(&k->saved, KERNEL_SAVED_HEAD, 0) == 0); /* the run is filled in at the end */
    kernel_send_about(k, "save", 0);
    return 0;
}

/* What SAVED handed out: a line that names the run, then what the interpreter wrote. */
int kernel_load(struct kernel *k, const char *ptr, size_t len, struct err *e)
{
    struct buf json;
    struct json_w w;
    unsigned long run;
    if (check_idle(k, e) < 0)
        return -1;
    if (len < KERNEL_SAVED_HEAD_LEN || memcmp(ptr, KERNEL_SAVED_HEAD, 16) != 0 ||
        ptr[KERNEL_SAVED_HEAD_LEN - 1] != '\n')
        return err_set(e, ERR_FORMAT, "this is no saved namespace of this program");
    if (len - KERNEL_SAVED_HEAD_LEN > SAVED_MAX)
        return err_set(e, ERR_LIMIT, "the saved namespace is larger than one can be");
    run = strtoul(ptr + 16, NULL, 10);
    begin_op(k, KERNEL_LOAD, run <= UINT32_MAX ? (uint32_t)run : 0);
    kernel_begin_json(&w, &json, "load");
    kernel_send_body(k, &json, &w, ptr + KERNEL_SAVED_HEAD_LEN, len - KERNEL_SAVED_HEAD_LEN, NULL,
                     0, &k->out);
    return 0;
}

/* ---- files: one at a time, in the order they were asked for */

void kernel_next_file(struct kernel *k)
{
    struct kernel_file *f = k->files;
    if (f == NULL || f->body.len == 0)
        return;
    INVARIANT(buf_add(&k->out, f->body.ptr, f->body.len) == 0);
    buf_release(&f->body);
    buf_release(&k->bulk);
    buf_init(&k->bulk, KERNEL_GET_MAX);
    kernel_flush(k);
}

static struct kernel_file *add_file(struct kernel *k, const char *path, bool get, size_t max)
{
    struct kernel_file *f = xcalloc(1, sizeof *f);
    f->get = get;
    f->token = ++k->next_token;
    f->path = xstrdup(path);
    f->max = max;
    buf_init(&f->body, KERNEL_BODY_MAX);
    *k->files_end = f;
    k->files_end = &f->next;
    return f;
}

static int check_path(const struct kernel *k, const char *path, struct err *e)
{
    size_t len = strlen(path);
    if (k->phase == KERNEL_DEAD)
        return err_set(e, ERR_NET, "the sandbox is gone");
    if (len == 0 || len > NAME_MAX_BYTES || path[0] == '/')
        return err_set(e, ERR_USAGE,
                       "a file in the sandbox is named by a path below " GUEST_WORKSPACE);
    return 0;
}

int kernel_put(struct kernel *k, const struct sandbox_file *file, struct err *e)
{
    struct buf json;
    struct json_w w;
    if (check_path(k, file->name, e) < 0)
        return -1;
    if (file->len > BODY_MAX)
        return err_set(e, ERR_LIMIT, "%s: larger than %u MiB, use a mount", file->name,
                       BODY_MAX >> 20);
    struct kernel_file *f = add_file(k, file->name, false, 0);
    kernel_begin_json(&w, &json, "put");
    json_w_int(&w, "token", (int64_t)f->token);
    json_w_int(&w, "mode", file->mode & 0777);
    kernel_send_body(k, &json, &w, file->name, strlen(file->name),
                     file->ptr != NULL ? file->ptr : "", file->ptr != NULL ? file->len : 0,
                     &f->body);
    if (k->files == f)
        kernel_next_file(k);
    return 0;
}

int kernel_get(struct kernel *k, const char *path, size_t max, struct err *e)
{
    struct buf json;
    struct json_w w;
    if (check_path(k, path, e) < 0)
        return -1;
    if (max > KERNEL_GET_MAX - 1)
        max = KERNEL_GET_MAX - 1;
    struct kernel_file *f = add_file(k, path, true, max);
    kernel_begin_json(&w, &json, "get");
    json_w_int(&w, "token", (int64_t)f->token);
    json_w_int(&w, "max", (int64_t)max);
    kernel_send_body(k, &json, &w, path, strlen(path), NULL, 0, &f->body);
    if (k->files == f)
        kernel_next_file(k);
    return 0;
}

int kernel_complete(struct kernel *k, const char *language, const char *text, size_t cursor,
                    uint64_t token, struct err *e)
{
    struct buf json;
    struct json_w w;
    size_t i = 0;
    while (i < KERNEL_COMPLETIONS && k->completions[i].id != 0)
        i++;
    if (k->phase == KERNEL_DEAD)
        return err_set(e, ERR_NET, "the sandbox is gone");
    if (i == KERNEL_COMPLETIONS)
        return err_set(e, ERR_BUSY, "too many completions at once");
    size_t len = strlen(text);
    if (len > COMPLETE_MAX)
        return err_set(e, ERR_LIMIT, "the text is too long to complete");
    k->completions[i].token = token;
    k->completions[i].id = ++k->next_token;
    kernel_begin_json(&w, &json, "complete");
    json_w_int(&w, "token", (int64_t)k->completions[i].id);
    json_w_int(&w, "cursor", (int64_t)(cursor < len ? cursor : len));
    kernel_send_body(k, &json, &w, language, strlen(language), text, len, &k->out);
    return 0;
}
