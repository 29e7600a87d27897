/* kernel.c - our side of the guest protocol: the stream both ways, and the commands. */
#include "providers/kernel_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define OUT_MAX      ((size_t)512 << 20)
#define CREDIT_STEP  (512u << 10)
#define START_US     21000000 /* the guest gives an interpreter 20 s */
#define OVERDUE_US   8000000  /* over the run's time: grace, kill and resume are done by then */
#define OP_US        70000000
#define GET_MAX      ((size_t)1 << 30)
#define COMPLETE_MAX (64u << 10)

static const char *const languages[KERNEL_LANGUAGES] = { "python", "javascript", "bash" };

int kernel_language(const char *name)
{
    for (int i = 0; i < KERNEL_LANGUAGES; i++) {
        if (strcmp(languages[i], name) == 0)
            return i;
    }
    return -1;
}

int64_t kernel_counter(const struct kernel *k, int64_t (*fn)(void *))
{
    return fn != NULL ? fn(k->cfg.arg) : -1;
}

void kernel_emit(struct kernel *k, const struct sandbox_event *ev)
{
    k->cfg.sink(k->cfg.arg, ev);
}

/* ---- sending */

void kernel_flush(struct kernel *k)
{
    if (k->phase != KERNEL_UP || k->gone)
        return;
    while (k->out_at < k->out.len) {
        ssize_t n = k->cfg.write(k->cfg.arg, k->out.ptr + k->out_at, k->out.len - k->out_at);
        if (n < 0)
            k->gone = true;
        if (n <= 0)
            return;
        k->out_at += (size_t)n;
    }
    k->out_at = 0;
    if (k->out.cap > (4u << 20))
        buf_release(&k->out);
    else
        buf_reset(&k->out);
}

static void send_json(struct kernel *k, struct buf *json, struct json_w *w)
{
    INVARIANT(json_w_end(w) == 0);
    kernel_frame(&k->out, FRAME_CONTROL, json->ptr, json->len);
    buf_release(json);
    kernel_flush(k);
}

/* {"t":t,"run":run} */
static void send_about(struct kernel *k, const char *t, uint32_t run)
{
    struct buf json = BUF_INIT(FRAME_MAX);
    struct json_w w;
    json_w_init(&w, &json);
    json_w_object(&w, NULL);
    json_w_str(&w, "t", t);
    json_w_int(&w, "run", run);
    json_w_close_object(&w);
    send_json(k, &json, &w);
}

static void add_bulk(struct buf *out, const char *p, size_t len)
{
    for (size_t at = 0; at < len; at += FRAME_MAX)
        kernel_frame(out, FRAME_BULK, p + at, len - at < FRAME_MAX ? len - at : FRAME_MAX);
}

static void give_credit(struct kernel *k)
{
    if (k->paused || k->unacknowledged < CREDIT_STEP || k->phase != KERNEL_UP)
        return;
    uint32_t n = (uint32_t)k->unacknowledged;
    unsigned char be[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16),
                            (unsigned char)(n >> 8), (unsigned char)n };
    k->unacknowledged = 0;
    kernel_frame(&k->out, FRAME_CREDIT, be, sizeof be);
    kernel_flush(k);
}

static void add_env(struct json_w *w, const char *name, const char *value)
{
    json_w_array(w, NULL);
    json_w_str(w, NULL, name);
    json_w_strn(w, NULL, value, strlen(value));
    json_w_close_array(w);
}

/* The whole environment of an interpreter: what it needs, then the person's names. */
static void add_environment(struct json_w *w, const struct kernel_config *cfg)
{
    static const char *const fixed[][2] = {
        { "PATH", "/usr/local/bin:/usr/bin:/bin" },
        { "HOME", GUEST_WORKSPACE },
        { "USER", "sandbox" },
        { "LANG", "C.UTF-8" },
        { "TMPDIR", "/tmp" },
        { "XDG_CACHE_HOME", "/tmp/.cache" },
        { "MPLCONFIGDIR", "/tmp/.matplotlib" },
        { "MPLBACKEND", "module://_airlock_plots" },
        { "FONTCONFIG_FILE", GUEST_DIR "/kernels/python/fonts.conf" },
    };
    static const char *const threads[] = { "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                                           "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS" };
    const struct contract *c = cfg->contract;
    char cpu[24];
    snprintf(cpu, sizeof cpu, "%lld", (long long)(c->cpu > 0 ? c->cpu : 1));
    json_w_array(w, "env");
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        add_env(w, fixed[i][0], fixed[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        add_env(w, threads[i], cpu);
    for (size_t i = 0; i < c->env_count && cfg->env_values != NULL; i++) {
        if (cfg->env_values[i] != NULL)
            add_env(w, c->env[i], cfg->env_values[i]);
    }
    json_w_close_array(w);
}

static void queue_setup(struct kernel *k, const struct kernel_config *cfg)
{
    const struct contract *c = cfg->contract;
    struct buf json = BUF_INIT(FRAME_MAX);
    struct json_w w;
    json_w_init(&w, &json);
    json_w_object(&w, NULL);
    json_w_str(&w, "t", "setup");
    json_w_int(&w, "nproc", cfg->nproc);
    json_w_int(&w, "nofile", 256);
    json_w_int(&w, "fsize", c->disk_mib << 20);
    json_w_int(&w, "watch", cfg->watch_memory ? c->memory_mib << 20 : 0);
    json_w_int(&w, "keep", k->checkpoints ? 8 : 0);
    json_w_bool(&w, "once", c->lifecycle == LIFECYCLE_RUN);
    json_w_str(&w, "python", k->python);
    add_environment(&w, cfg);
    json_w_close_object(&w);
    INVARIANT(json_w_end(&w) == 0);
    kernel_frame(&k->out, FRAME_CONTROL, json.ptr, json.len);
    buf_release(&json);
}

/* A message with a body of one or two byte strings, queued. */
static void send_body(struct kernel *k, struct buf *json, struct json_w *w, const char *a,
                      size_t a_len, const char *b, size_t b_len, struct buf *out)
{
    json_w_array(w, "sizes");
    json_w_int(w, NULL, (int64_t)a_len);
    if (b != NULL)
        json_w_int(w, NULL, (int64_t)b_len);
    json_w_close_array(w);
    json_w_close_object(w);
    INVARIANT(json_w_end(w) == 0);
    kernel_frame(out, FRAME_CONTROL, json->ptr, json->len);
    add_bulk(out, a, a_len);
    if (b != NULL)
        add_bulk(out, b, b_len);
    buf_release(json);
    if (out == &k->out)
        kernel_flush(k);
}

static void begin_json(struct json_w *w, struct buf *json, const char *t)
{
    buf_init(json, FRAME_MAX);
    json_w_init(w, json);
    json_w_object(w, NULL);
    json_w_str(w, "t", t);
}

static void queue_start(struct kernel *k)
{
    struct buf json;
    struct json_w w;
    const char *path = kernel_language(k->start) == KERNEL_PYTHON ? k->python
                       : kernel_language(k->start) == KERNEL_BASH ? "/usr/bin/bash"
                                                                  : "/usr/bin/node";
    begin_json(&w, &json, "start");
    send_body(k, &json, &w, k->start, strlen(k->start), path, strlen(path), &k->out);
}

/* ---- life */

struct kernel *kernel_new(const struct kernel_config *cfg)
{
    const struct contract *c = cfg->contract;
    struct kernel *k = xcalloc(1, sizeof *k);
    k->cfg = *cfg;
    k->cfg.contract = NULL;
    k->cfg.env_values = NULL;
    k->timeout_ms = c->timeout_s * 1000;
    k->output_max = (uint64_t)c->output_mib << 20;
    k->memory_max = c->memory_mib << 20;
    k->checkpoints = !cfg->no_checkpoints && c->lifecycle == LIFECYCLE_SESSION;
    k->python = xstrdup(c->python != NULL ? c->python : "/usr/bin/python3");
    k->start = cfg->start != NULL ? xstrdup(cfg->start) : NULL;
    k->cfg.start = NULL;
    buf_init(&k->out, OUT_MAX);
    buf_init(&k->payload, FRAME_MAX);
    buf_init(&k->run.result, RESULT_MAX);
    buf_init(&k->run.body, KERNEL_BODY_MAX);
    buf_init(&k->saved, SAVED_MAX + KERNEL_SAVED_HEAD_LEN);
    buf_init(&k->bulk, GET_MAX);
    k->files_end = &k->files;
    queue_setup(k, cfg);
    if (k->start != NULL)
        queue_start(k);
    return k;
}

static void free_file(struct kernel_file *f)
{
    buf_release(&f->body);
    free(f->path);
    free(f);
}

void kernel_free(struct kernel *k)
{
    if (k == NULL)
        return;
    while (k->files != NULL) {
        struct kernel_file *f = k->files;
        k->files = f->next;
        free_file(f);
    }
    while (k->reports != NULL) {
        struct kernel_report *r = k->reports;
        k->reports = r->next;
        kernel_report_free(r);
    }
    while (k->checkpoint_list != NULL)
        kernel_checkpoint_remove(k, k->checkpoint_list->run);
    for (int i = 0; i < KERNEL_LANGUAGES; i++)
        kernel_vars_release(&k->last[i]);
    for (size_t i = 0; i < k->changed_count; i++)
        free(k->changed[i].path);
    free(k->changed);
    buf_release(&k->out);
    buf_release(&k->payload);
    buf_release(&k->run.result);
    buf_release(&k->run.body);
    buf_release(&k->saved);
    buf_release(&k->bulk);
    free(k->run.mime);
    free(k->start);
    free(k->python);
    free(k);
}

const struct kernel_hello *kernel_hello(const struct kernel *k)
{
    return k->phase == KERNEL_GREETING ? NULL : &k->hello;
}

uint32_t kernel_running(const struct kernel *k)
{
    return k->op == KERNEL_EXEC ? k->run.id : 0;
}

bool kernel_wants_write(const struct kernel *k)
{
    return k->phase == KERNEL_UP && !k->gone && k->out_at < k->out.len;
}

void kernel_writable(struct kernel *k)
{
    kernel_flush(k);
}

/* ---- the end of all */

static void fail_waiting(struct kernel *k, const struct err *e)
{
    if (k->saving) {
        k->saving = false;
        kernel_emit(k, &(struct sandbox_event){ .kind = SANDBOX_SAVED, .err = e });
    }
    if (k->op == KERNEL_RESTORE || k->op == KERNEL_LOAD) {
        k->op = KERNEL_IDLE;
        kernel_emit(k, &(struct sandbox_event){
                           .kind = SANDBOX_RESTORED, .run = k->restore_run, .err = e });
    }
    while (k->files != NULL) {
        struct kernel_file *f = k->files;
        k->files = f->next;
        kernel_emit(
            k, &(struct sandbox_event){ .kind = SANDBOX_FILE_DONE, .path = f->path, .err = e });
        free_file(f);
    }
    k->files_end = &k->files;
}

static void end_run(struct kernel *k, enum run_end as, const char *what, const char *message)
{
    if (k->op != KERNEL_EXEC)
        return;
    int64_t oom = kernel_counter(k, k->cfg.oom_count);
    if (as == END_LOST && k->run.oom >= 0 && oom > k->run.oom)
        as = END_OOM;
    kernel_finish(k, &(struct sandbox_finished){
                         .end = as, .what = what, .state_lost = true, .message = message });
}

void kernel_lost(struct kernel *k, enum run_end as, const char *message)
{
    if (k->phase == KERNEL_DEAD)
        return;
    struct err e;
    err_set(&e, as == END_KILLED ? ERR_CANCELLED : ERR_NET, "%s",
            message != NULL && message[0] != '\0' ? message : "the sandbox is gone");
    k->phase = KERNEL_DEAD;
    end_run(k, as, "", e.msg);
    fail_waiting(k, &e);
    kernel_rearm(k);
}

void kernel_break(struct kernel *k, enum err_code code, const char *fmt, ...)
{
    struct err e = ERR_INIT;
    va_list ap;
    if (k->phase == KERNEL_DEAD)
        return;
    e.code = code;
    va_start(ap, fmt);
    vsnprintf(e.msg, sizeof e.msg, fmt, ap);
    va_end(ap);
    k->phase = KERNEL_DEAD;
    if (code == ERR_FORMAT || code == ERR_LIMIT)
        end_run(k, END_LIMIT, "protocol", e.msg);
    else
        end_run(k, END_SANDBOX, "", e.msg);
    fail_waiting(k, &e);
    kernel_rearm(k);
    if (k->cfg.broken != NULL)
        k->cfg.broken(k->cfg.arg, &e);
}

/* ---- receiving */

static void take_output(struct kernel *k, const char *p, size_t len)
{
    unsigned id = k->head[1];
    bool background = (id & STREAM_BACKGROUND) != 0;
    size_t which = (id & 3u) - 1, room;
    uint64_t *bytes = background ? &k->background_bytes : &k->run.bytes[which];
    uint64_t before = background ? k->background_bytes : k->run.bytes[0] + k->run.bytes[1];
    *bytes += len;
    room = before < k->output_max ? (size_t)(k->output_max - before) : 0;
    if (room < len && !background)
        k->run.dropped[which] += len - room;
    len = len < room ? len : room;
    if (len > 0)
        kernel_emit(k, &(struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                                .run = background ? 0 : k->run.id,
                                                .stream = (enum sandbox_stream)(which + 1),
                                                .ptr = p,
                                                .len = len });
}

static void take_bulk(struct kernel *k, const char *p, size_t len)
{
    struct buf *to = k->head[1] == BULK_SAVED ? &k->saved : &k->bulk;
    size_t max = k->head[1] == BULK_SAVED ? SAVED_MAX + KERNEL_SAVED_HEAD_LEN : k->files->max;
    if (to->len + len > max || buf_add(to, p, len) < 0)
        kernel_break(k, ERR_LIMIT, "the guest sent more than was asked for");
}

static void take_payload(struct kernel *k, const char *p, size_t len)
{
    if (k->head[0] == FRAME_CONTROL) {
        if (buf_add(&k->payload, p, len) < 0)
            kernel_break(k, ERR_LIMIT, "the guest sent a message over 1 MiB");
        return;
    }
    k->unacknowledged += len;
    if (k->unacknowledged > CREDIT_WINDOW + FRAME_MAX)
        kernel_break(k, ERR_FORMAT, "the guest sent more than its credit");
    else if (k->head[0] == FRAME_OUTPUT)
        take_output(k, p, len);
    else
        take_bulk(k, p, len);
}

static bool head_is_allowed(const struct kernel *k)
{
    const unsigned char *h = k->head;
    unsigned which = h[1] & ~(unsigned)STREAM_BACKGROUND;
    if (h[2] != 0 || h[3] != 0 || k->payload_left > FRAME_MAX)
        return false;
    switch (h[0]) {
    case FRAME_CONTROL:
        return h[1] == 0;
    case FRAME_OUTPUT:
        return (which == 1 || which == 2) &&
               (which != h[1] || (k->op == KERNEL_EXEC && k->run.begun));
    case FRAME_BULK:
        return (h[1] == BULK_SAVED && k->saving) ||
               (h[1] == BULK_FILE && k->files != NULL && k->files->get);
    default:
        return false;
    }
}

static void begin_frame(struct kernel *k)
{
    const unsigned char *h = k->head;
    k->payload_left = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | (size_t)h[7];
    if (k->phase == KERNEL_GREETING && h[0] != FRAME_CONTROL)
        kernel_break(k, ERR_FORMAT, "the guest did not say hello");
    else if (!head_is_allowed(k))
        kernel_break(k, ERR_FORMAT, "the guest sent a frame that can't be (kind %u, stream %u)",
                     h[0], h[1]);
}

static void end_frame(struct kernel *k)
{
    k->head_len = 0;
    if (k->head[0] != FRAME_CONTROL)
        return;
    struct buf message = k->payload;
    buf_init(&k->payload, FRAME_MAX); /* a sink may feed us again */
    kernel_said(k, buf_str(&message), message.len);
    if (k->payload.ptr == NULL) {
        buf_reset(&message);
        k->payload = message;
    } else {
        buf_release(&message);
    }
}

static size_t take_magic(struct kernel *k, const char *p, size_t len)
{
    size_t n = 0;
    while (n < len && k->magic_at < GUEST_MAGIC_LEN) {
        if (p[n++] != GUEST_MAGIC[k->magic_at++]) {
            kernel_break(k, ERR_FORMAT, "what was started is not the guest");
            break;
        }
    }
    return n;
}

void kernel_feed(struct kernel *k, const char *p, size_t len)
{
    size_t n = k->phase == KERNEL_GREETING ? take_magic(k, p, len) : 0;
    p += n;
    len -= n;
    while (len > 0 && k->phase != KERNEL_DEAD) {
        if (k->head_len < FRAME_HEAD) {
            n = FRAME_HEAD - k->head_len < len ? FRAME_HEAD - k->head_len : len;
            memcpy(k->head + k->head_len, p, n);
            k->head_len += n;
            if (k->head_len == FRAME_HEAD)
                begin_frame(k);
        } else {
            n = k->payload_left < len ? k->payload_left : len;
            k->payload_left -= n;
            take_payload(k, p, n);
        }
        p += n;
        len -= n;
        if (k->head_len == FRAME_HEAD && k->payload_left == 0 && k->phase != KERNEL_DEAD)
            end_frame(k);
    }
    give_credit(k);
}

/* ---- time: only a guest that does not do its own timing is noticed here */

void kernel_rearm(struct kernel *k)
{
    int64_t at = k->op == KERNEL_EXEC   ? k->run.overdue_us
                 : k->op != KERNEL_IDLE ? k->op_overdue_us
                                        : 0;
    int64_t delay = at - clock_boot_us();
    if (k->cfg.arm != NULL)
        k->cfg.arm(k->cfg.arg, k->phase == KERNEL_DEAD || at == 0 ? -1 : delay > 0 ? delay : 0);
}

void kernel_tick(struct kernel *k)
{
    int64_t now = clock_boot_us();
    if (k->phase == KERNEL_DEAD || k->op == KERNEL_IDLE)
        return;
    if (k->paused) { /* we hold it up ourselves */
        k->run.overdue_us = k->op_overdue_us = now + OVERDUE_US;
    } else if (k->op == KERNEL_EXEC && now >= k->run.overdue_us) {
        if (k->run.begun) {
            struct err e;
            k->phase = KERNEL_DEAD;
            err_set(&e, ERR_NET, "the guest does not keep the time limit");
            end_run(k, END_TIMEOUT, "", e.msg);
            fail_waiting(k, &e);
            if (k->cfg.broken != NULL)
                k->cfg.broken(k->cfg.arg, &e);
            return;
        }
        kernel_break(k, ERR_NET, "the guest does not begin");
        return;
    } else if (k->op != KERNEL_EXEC && now >= k->op_overdue_us) {
        kernel_break(k, ERR_NET, "the guest does not answer");
        return;
    }
    kernel_rearm(k);
}

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
        k->out.max = OUT_MAX;
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
        send_about(k, "drop", k->checkpoint_list->run);
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
    r->overdue_us = clock_boot_us() + START_US + k->timeout_ms * 1000;
}

int kernel_exec(struct kernel *k, const struct sandbox_run *rq, struct err *e)
{
    if (check_idle(k, e) < 0)
        return -1;
    buf_reset(&k->run.body);
    bool checkpoint = k->checkpoints && kernel_language(rq->language) == KERNEL_PYTHON;
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
        send_about(k, "interrupt", k->run.id);
}

void kernel_pause_output(struct kernel *k, bool on)
{
    k->paused = on;
    if (on)
        return;
    if (k->op == KERNEL_EXEC && k->run.begun) {
        int64_t at = clock_boot_us() + OVERDUE_US;
        if (k->run.overdue_us < at)
            k->run.overdue_us = at;
    }
    give_credit(k);
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
    send_about(k, "restore", run);
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
    INVARIANT(buf_addf(&k->saved, KERNEL_SAVED_HEAD, 0) == 0); /* the run is filled in at the end */
    send_about(k, "save", 0);
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
    begin_json(&w, &json, "load");
    send_body(k, &json, &w, ptr + KERNEL_SAVED_HEAD_LEN, len - KERNEL_SAVED_HEAD_LEN, NULL, 0,
              &k->out);
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
    buf_init(&k->bulk, GET_MAX);
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
    begin_json(&w, &json, "put");
    json_w_int(&w, "token", (int64_t)f->token);
    json_w_int(&w, "mode", file->mode & 0777);
    send_body(k, &json, &w, file->name, strlen(file->name), file->ptr != NULL ? file->ptr : "",
              file->ptr != NULL ? file->len : 0, &f->body);
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
    if (max > GET_MAX - 1)
        max = GET_MAX - 1;
    struct kernel_file *f = add_file(k, path, true, max);
    begin_json(&w, &json, "get");
    json_w_int(&w, "token", (int64_t)f->token);
    json_w_int(&w, "max", (int64_t)max);
    send_body(k, &json, &w, path, strlen(path), NULL, 0, &f->body);
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
    begin_json(&w, &json, "complete");
    json_w_int(&w, "token", (int64_t)k->completions[i].id);
    json_w_int(&w, "cursor", (int64_t)(cursor < len ? cursor : len));
    send_body(k, &json, &w, language, strlen(language), text, len, &k->out);
    return 0;
}
