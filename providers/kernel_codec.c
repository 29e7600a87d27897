/* kernel_codec.c - the body of an execution as bytes of the stream, and those bytes read again. */
#include "providers/kernel_int.h"

#include <stdlib.h>
#include <string.h>

#define STRINGS 6 /* language interpreter code cwd input check */

struct span {
    const char *ptr;
    size_t len;
};

void kernel_frame(struct buf *out, unsigned kind, const void *p, size_t len)
{
    unsigned char head[FRAME_HEAD] = { (unsigned char)kind,
                                       0,
                                       0,
                                       0,
                                       (unsigned char)(len >> 24),
                                       (unsigned char)(len >> 16),
                                       (unsigned char)(len >> 8),
                                       (unsigned char)len };
    INVARIANT(len <= FRAME_MAX);
    INVARIANT(buf_add(out, head, sizeof head) == 0 && buf_add(out, p, len) == 0);
}

/* ---- encode */

static int check_sizes(const struct sandbox_run *rq, struct err *e)
{
    if (rq->run == 0)
        return err_set(e, ERR_USAGE, "a run needs a number above 0");
    if (rq->code_len > CODE_MAX)
        return err_set(e, ERR_LIMIT, "the code is %zu bytes, more than 1 MiB: put data in a file",
                       rq->code_len);
    if (rq->check_code_len > CHECK_MAX)
        return err_set(e, ERR_LIMIT, "the check code is larger than 1 MiB");
    if (rq->input_len > INPUT_MAX)
        return err_set(e, ERR_LIMIT, "stdin is larger than %u MiB: put data in a file",
                       INPUT_MAX >> 20);
    if (rq->argv_count > ARGS_MAX || rq->exists_count > EXISTS_MAX ||
        rq->file_count > EXEC_FILES_MAX)
        return err_set(e, ERR_LIMIT, "at most %d arguments, %d paths and %d files a run", ARGS_MAX,
                       EXISTS_MAX, EXEC_FILES_MAX);
    return 0;
}

static int add_span(struct span *spans, size_t *n, const char *what, const char *s, struct err *e)
{
    size_t len = s != NULL ? strlen(s) : 0;
    if (len > NAME_MAX_BYTES * 16)
        return err_set(e, ERR_LIMIT, "%s is %zu bytes, more than 64 KiB", what, len);
    spans[(*n)++] = (struct span){ s != NULL ? s : "", len };
    return 0;
}

static void add_bytes(struct span *spans, size_t *n, const char *p, size_t len)
{
    spans[(*n)++] = (struct span){ p != NULL ? p : "", p != NULL ? len : 0 };
}

/* The byte strings in the order of proto.h. */
static int list_spans(const struct sandbox_run *rq, struct span *spans, size_t *n, struct err *e)
{
    int rc = add_span(spans, n, "the language", rq->language, e);
    rc |= add_span(spans, n, "the interpreter", rq->interpreter, e);
    add_bytes(spans, n, rq->code, rq->code_len);
    rc |= add_span(spans, n, "the work directory", rq->cwd, e);
    add_bytes(spans, n, rq->input, rq->input_len);
    add_bytes(spans, n, rq->check_code, rq->check_code_len);
    for (size_t i = 0; i < rq->argv_count && rc == 0; i++)
        rc = add_span(spans, n, "an argument", rq->argv[i], e);
    for (size_t i = 0; i < rq->exists_count && rc == 0; i++)
        rc = add_span(spans, n, "a path", rq->exists[i], e);
    for (size_t i = 0; i < rq->file_count && rc == 0; i++) {
        rc = add_span(spans, n, "a file name", rq->files[i].name, e);
        add_bytes(spans, n, rq->files[i].ptr, rq->files[i].len);
    }
    return rc;
}

static void add_control(struct buf *out, const struct sandbox_run *rq, int64_t timeout_ms,
                        bool checkpoint, const struct span *spans, size_t n)
{
    struct buf json = BUF_INIT(FRAME_MAX);
    struct json_w w;
    json_w_init(&w, &json);
    json_w_object(&w, NULL);
    json_w_str(&w, "t", "exec");
    json_w_int(&w, "run", rq->run);
    json_w_int(&w, "timeout_ms", timeout_ms);
    json_w_bool(&w, "checkpoint", checkpoint);
    json_w_int(&w, "argc", (int64_t)rq->argv_count);
    json_w_int(&w, "existc", (int64_t)rq->exists_count);
    json_w_int(&w, "filec", (int64_t)rq->file_count);
    json_w_array(&w, "modes");
    for (size_t i = 0; i < rq->file_count; i++)
        json_w_int(&w, NULL, rq->files[i].mode);
    json_w_close_array(&w);
    json_w_array(&w, "sizes");
    for (size_t i = 0; i < n; i++)
        json_w_int(&w, NULL, (int64_t)spans[i].len);
    json_w_close_array(&w);
    json_w_close_object(&w);
    INVARIANT(json_w_end(&w) == 0);
    kernel_frame(out, FRAME_CONTROL, json.ptr, json.len);
    buf_release(&json);
}

/* Small strings share a frame, so a usual request is two of them. */
static void add_bulk(struct buf *out, const struct span *spans, size_t n)
{
    struct buf frame = BUF_INIT(FRAME_MAX);
    for (size_t i = 0; i < n; i++) {
        for (size_t at = 0; at < spans[i].len;) {
            size_t room = FRAME_MAX - frame.len, left = spans[i].len - at;
            size_t part = left < room ? left : room;
            INVARIANT(buf_add(&frame, spans[i].ptr + at, part) == 0);
            at += part;
            if (frame.len == FRAME_MAX) {
                kernel_frame(out, FRAME_BULK, frame.ptr, frame.len);
                buf_reset(&frame);
            }
        }
    }
    if (frame.len > 0)
        kernel_frame(out, FRAME_BULK, frame.ptr, frame.len);
    buf_release(&frame);
}

int kernel_encode_exec(const struct sandbox_run *rq, int64_t timeout_ms, bool checkpoint,
                       struct buf *out, struct err *e)
{
    if (check_sizes(rq, e) < 0)
        return -1;
    size_t n = 0, total = 0;
    struct span *spans =
        xcalloc(STRINGS + rq->argv_count + rq->exists_count + 2 * rq->file_count, sizeof *spans);
    int rc = list_spans(rq, spans, &n, e);
    for (size_t i = 0; i < n && rc == 0; i++) {
        total += spans[i].len;
        if (spans[i].len > BODY_MAX || total > BODY_MAX)
            rc =
                err_set(e, ERR_LIMIT, "all together more than %u MiB: use a mount", BODY_MAX >> 20);
    }
    if (rc == 0 && out->max - out->len < KERNEL_BODY_MAX - BODY_MAX + total)
        rc = err_set(e, ERR_LIMIT, "no room for the request");
    if (rc == 0) {
        add_control(out, rq, timeout_ms, checkpoint, spans, n);
        add_bulk(out, spans, n);
    }
    free(spans);
    return rc < 0 ? -1 : 0;
}

/* ---- decode: from the bytes alone. Only the one way kernel_encode_exec writes it is accepted, so
 * that two bodies never mean the same and nothing rides along unread. */

struct decoded {
    struct json *control;
    char *arena; /* the byte strings, each ended by a NUL */
    struct span *spans;
    size_t count, total;
    const char **argv, **exists;
    struct sandbox_file *files;
};

static int read_frame(const char **p, const char *end, unsigned *kind, struct span *payload,
                      struct err *e)
{
    const unsigned char *h = (const unsigned char *)*p;
    if (end - *p < FRAME_HEAD)
        return err_set(e, ERR_FORMAT, "request: a frame is cut short");
    payload->len = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | (size_t)h[7];
    payload->ptr = *p + FRAME_HEAD;
    *kind = h[0];
    if (h[1] != 0 || h[2] != 0 || h[3] != 0 || payload->len > FRAME_MAX ||
        (size_t)(end - payload->ptr) < payload->len)
        return err_set(e, ERR_FORMAT, "request: a frame that can't be");
    *p = payload->ptr + payload->len;
    return 0;
}

static int read_sizes(struct decoded *d, struct err *e)
{
    const struct json *sizes = json_get(d->control, "sizes");
    size_t n = json_len(sizes);
    d->spans = xcalloc(n + 1, sizeof *d->spans);
    for (const struct json *s = json_first(sizes); s != NULL; s = json_next(s)) {
        int64_t len = json_int(s, -1);
        if (len < 0 || len > BODY_MAX || d->total + (size_t)len > BODY_MAX)
            return err_set(e, ERR_FORMAT, "request: a size that can't be");
        d->spans[d->count++].len = (size_t)len;
        d->total += (size_t)len;
    }
    d->arena = xcalloc(d->total + d->count + 1, 1);
    char *at = d->arena;
    for (size_t i = 0; i < d->count; i++) {
        d->spans[i].ptr = at;
        at += d->spans[i].len + 1;
    }
    return 0;
}

static char *string_at(const struct decoded *d, size_t i)
{
    return d->arena + (d->spans[i].ptr - d->arena);
}

/* Spread bulk bytes over the byte strings. */
static int read_bulk(struct decoded *d, const char *p, const char *end, struct err *e)
{
    size_t i = 0, at = 0, seen = 0;
    while (p < end) {
        struct span part = { 0 };
        unsigned kind = 0;
        if (read_frame(&p, end, &kind, &part, e) < 0)
            return -1;
        if (kind != FRAME_BULK || part.len == 0 || (part.len < FRAME_MAX && p < end) ||
            part.len > d->total - seen)
            return err_set(e, ERR_FORMAT, "request: its body is not what it says");
        seen += part.len;
        while (part.len > 0) {
            size_t room = d->spans[i].len - at, n = part.len < room ? part.len : room;
            memcpy(string_at(d, i) + at, part.ptr, n);
            part.ptr += n;
            part.len -= n;
            at += n;
            if (at == d->spans[i].len) {
                i++;
                at = 0;
            }
        }
    }
    return seen == d->total ? 0 : err_set(e, ERR_FORMAT, "request: its body is cut short");
}

static int fill_run(struct kernel_request *out, struct decoded *d, struct err *e)
{
    int64_t run, argc, existc, filec;
    const struct json *c = d->control;
    if (json_need_int(c, "exec", "run", 1, UINT32_MAX, &run, e) < 0 ||
        json_need_int(c, "exec", "timeout_ms", 0, INT64_C(1) << 40, &out->timeout_ms, e) < 0 ||
        json_need_int(c, "exec", "argc", 0, ARGS_MAX, &argc, e) < 0 ||
        json_need_int(c, "exec", "existc", 0, EXISTS_MAX, &existc, e) < 0 ||
        json_need_int(c, "exec", "filec", 0, EXEC_FILES_MAX, &filec, e) < 0)
        return -1;
    const struct json *modes = json_get(c, "modes");
    if (json_len(modes) != (size_t)filec ||
        d->count != (size_t)(STRINGS + argc + existc + 2 * filec))
        return err_set(e, ERR_FORMAT, "request: its parts do not add up");
    size_t at = STRINGS;
    d->argv = xcalloc((size_t)argc + 1, sizeof *d->argv);
    d->exists = xcalloc((size_t)existc + 1, sizeof *d->exists);
    d->files = xcalloc((size_t)filec + 1, sizeof *d->files);
    for (int64_t i = 0; i < argc; i++)
        d->argv[i] = d->spans[at++].ptr;
    for (int64_t i = 0; i < existc; i++)
        d->exists[i] = d->spans[at++].ptr;
    const struct json *mode = json_first(modes);
    for (int64_t i = 0; i < filec; i++, at += 2, mode = json_next(mode)) {
        d->files[i] = (struct sandbox_file){ .name = string_at(d, at),
                                             .mode = (uint32_t)json_int(mode, 0),
                                             .ptr = string_at(d, at + 1),
                                             .len = d->spans[at + 1].len };
    }
    out->checkpoint = json_get_bool(c, "checkpoint", false);
    out->run = (struct sandbox_run){ .run = (uint32_t)run,
                                     .language = d->spans[0].ptr,
                                     .interpreter = d->spans[1].ptr,
                                     .code = d->spans[2].ptr,
                                     .code_len = d->spans[2].len,
                                     .argv = d->argv,
                                     .argv_count = (size_t)argc,
                                     .cwd = d->spans[3].ptr,
                                     .input = d->spans[4].ptr,
                                     .input_len = d->spans[4].len,
                                     .files = d->files,
                                     .file_count = (size_t)filec,
                                     .check_code = d->spans[5].ptr,
                                     .check_code_len = d->spans[5].len,
                                     .exists = d->exists,
                                     .exists_count = (size_t)existc };
    return 0;
}

/* Written again it must be the same bytes; strings that hold a NUL where none can be are found
 * here. */
static int check_canonical(const struct kernel_request *rq, const struct decoded *d,
                           const struct span *control, struct err *e)
{
    struct buf again = BUF_INIT(FRAME_MAX + FRAME_HEAD);
    bool same = true;
    add_control(&again, &rq->run, rq->timeout_ms, rq->checkpoint, d->spans, d->count);
    if (again.len != FRAME_HEAD + control->len ||
        memcmp(again.ptr + FRAME_HEAD, control->ptr, control->len) != 0)
        same = false;
    for (size_t i = 0; i < d->count; i++) {
        bool bytes = i == 2 || i == 4 || i == 5 ||
                     (i >= STRINGS + rq->run.argv_count + rq->run.exists_count &&
                      (i - STRINGS - rq->run.argv_count - rq->run.exists_count) % 2 == 1);
        same = same && (bytes || strlen(d->spans[i].ptr) == d->spans[i].len);
    }
    buf_release(&again);
    return same ? 0 : err_set(e, ERR_FORMAT, "request: not written as we write it");
}

int kernel_decode_exec(struct kernel_request *out, const char *ptr, size_t len, struct err *e)
{
    struct decoded *d = xcalloc(1, sizeof *d);
    const char *p = ptr, *end = ptr + len;
    struct span control = { 0 };
    unsigned kind = 0;
    *out = (struct kernel_request){ .own = d };
    int rc = read_frame(&p, end, &kind, &control, e);
    if (rc == 0 && kind != FRAME_CONTROL)
        rc = err_set(e, ERR_FORMAT, "request: it does not begin with a control message");
    if (rc == 0)
        rc = json_parse(&d->control, control.ptr, control.len, e);
    if (rc == 0 && (read_sizes(d, e) < 0 || read_bulk(d, p, end, e) < 0 ||
                    fill_run(out, d, e) < 0 || check_canonical(out, d, &control, e) < 0))
        rc = -1;
    if (rc < 0)
        kernel_request_release(out);
    return rc;
}

void kernel_request_release(struct kernel_request *rq)
{
    if (rq == NULL || rq->own == NULL)
        return;
    struct decoded *d = rq->own;
    free(d->arena);
    free(d->spans);
    free(d->argv);
    free(d->exists);
    free(d->files);
    json_free(d->control);
    free(d);
    *rq = (struct kernel_request){ 0 };
}
