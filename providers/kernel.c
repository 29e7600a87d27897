/* kernel.c - our side of the guest protocol: the stream both ways, its time and its end. */
#include "providers/kernel_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LATE_US     2000000
#define CREDIT_STEP (512u << 10)

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

void kernel_begin_json(struct json_w *w, struct buf *json, const char *t)
{
    buf_init(json, FRAME_MAX);
    json_w_init(w, json);
    json_w_object(w, NULL);
    json_w_str(w, "t", t);
}

/* {"t":t,"run":run} */
void kernel_send_about(struct kernel *k, const char *t, uint32_t run)
{
    struct buf json;
    struct json_w w;
    kernel_begin_json(&w, &json, t);
    json_w_int(&w, "run", run);
    json_w_close_object(&w);
    INVARIANT(json_w_end(&w) == 0);
    kernel_frame(&k->out, FRAME_CONTROL, json.ptr, json.len);
    buf_release(&json);
    kernel_flush(k);
}

static void add_bulk(struct buf *out, const char *p, size_t len)
{
    for (size_t at = 0; at < len; at += FRAME_MAX)
        kernel_frame(out, FRAME_BULK, p + at, len - at < FRAME_MAX ? len - at : FRAME_MAX);
}

void kernel_give_credit(struct kernel *k)
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

/* A message with a body of one or two byte strings, queued. */
void kernel_send_body(struct kernel *k, struct buf *json, struct json_w *w, const char *a,
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
    buf_init(&k->out, KERNEL_OUT_MAX);
    buf_init(&k->payload, FRAME_MAX);
    buf_init(&k->run.result, RESULT_MAX);
    buf_init(&k->run.body, KERNEL_BODY_MAX);
    buf_init(&k->saved, SAVED_MAX + KERNEL_SAVED_HEAD_LEN);
    k->saved_sha = sha256_new();
    buf_init(&k->bulk, KERNEL_GET_MAX);
    k->files_end = &k->files;
    kernel_queue_setup(k, cfg);
    if (k->start != NULL)
        kernel_queue_start(k);
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
    sha256_free(k->saved_sha);
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
    else if (to == &k->saved)
        sha256_add(k->saved_sha, p, len);
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
    kernel_give_credit(k);
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

static void overdue(struct kernel *k)
{
    struct err e;
    if (k->op != KERNEL_EXEC || !k->run.begun) {
        kernel_break(k, ERR_NET, "the guest does not answer");
        return;
    }
    k->phase = KERNEL_DEAD;
    err_set(&e, ERR_NET, "the guest does not keep the time limit");
    end_run(k, END_TIMEOUT, "", e.msg);
    fail_waiting(k, &e);
    if (k->cfg.broken != NULL)
        k->cfg.broken(k->cfg.arg, &e);
}

void kernel_tick(struct kernel *k)
{
    int64_t now = clock_boot_us();
    int64_t *at = k->op == KERNEL_EXEC ? &k->run.overdue_us : &k->op_overdue_us;
    if (k->phase == KERNEL_DEAD || k->op == KERNEL_IDLE)
        return;
    if (k->paused || now > *at + LATE_US) {
        *at = now +
              KERNEL_OVERDUE_US; /* we hold it up, or slept ourselves: its answer is on its way */
    } else if (now >= *at) {
        overdue(k);
        return;
    }
    kernel_rearm(k);
}
