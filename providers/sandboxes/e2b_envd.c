/* e2b_envd.c - processes and files of the sandbox, by its daemon. [e2b.md §6, §7] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/utf8.h"
#include "providers/sandboxes/e2b_int.h"

#define FILE_MAX ((size_t)1 << 30)

/* ---- processes */

/* bash takes the code as an argument, its arguments behind it: "$0" is the first. Input is a file,
 * since a pipe would have to be fed while its process already runs. */
int e2b_write_process(const struct sandbox_run *rq, const char *input, struct buf *out)
{
    static const char with_input[] = "exec <\"$1\"; rm -f \"$1\"; shift; exec /bin/bash -c \"$@\"";
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_object(&w, "process");
    json_w_str(&w, "cmd", input[0] != '\0' ? "/bin/sh" : "/bin/bash");
    json_w_array(&w, "args");
    json_w_str(&w, NULL, "-c");
    if (input[0] != '\0') {
        json_w_str(&w, NULL, with_input);
        json_w_str(&w, NULL, "sh");
        json_w_str(&w, NULL, input);
    }
    json_w_strn(&w, NULL, rq->code, rq->code_len);
    for (size_t i = 0; i < rq->argv_count; i++)
        json_w_str(&w, NULL, rq->argv[i]);
    json_w_close_array(&w);
    json_w_str(&w, "cwd", rq->cwd);
    json_w_close_object(&w);
    json_w_bool(&w, "stdin", false);
    json_w_close_object(&w);
    return json_w_end(&w);
}

void e2b_start_process(struct e2b_call *c, const void *frame, size_t len, bool as_root,
                       net_data_fn on_data, e2b_done_fn done)
{
    struct buf body = BUF_INIT(len + 16);
    (void)connect_add_frame(&body, frame, len);
    struct e2b_request rq = { .plane = E2B_ENVD,
                              .method = "POST",
                              .target = "/process.Process/Start",
                              .content_type = "application/connect+json",
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_ONCE,
                              .as_root = as_root,
                              .deadlines = { .idle_ms = 200000, .may_be_slow = true },
                              .body_max = on_data != NULL ? INT64_MAX : 0,
                              .on_data = on_data,
                              .done = done };
    e2b_send(c, &rq);
    buf_release(&body);
}

void e2b_shell(struct e2b_call *c, const char *command, e2b_done_fn done)
{
    struct buf json = BUF_INIT((size_t)64 << 10);
    struct json_w w;
    json_w_init(&w, &json);
    json_w_object(&w, NULL);
    json_w_object(&w, "process");
    json_w_str(&w, "cmd", "/bin/sh");
    json_w_array(&w, "args");
    json_w_str(&w, NULL, "-c");
    json_w_str(&w, NULL, command);
    json_w_close_array(&w);
    json_w_close_object(&w);
    json_w_bool(&w, "stdin", false);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    e2b_start_process(c, json.ptr, json.len, true, NULL, done);
    buf_release(&json);
}

/* ---- what a process says */

/* "signal: killed" or the name of another one. */
static int signal_of(const char *status)
{
    static const struct {
        const char *name;
        int signal;
    } known[] = { { "hangup", 1 },       { "interrupt", 2 },  { "quit", 3 },
                  { "aborted", 6 },      { "killed", 9 },     { "segmentation fault", 11 },
                  { "broken pipe", 13 }, { "terminated", 15 } };
    const char *name = strncmp(status, "signal: ", 8) == 0 ? status + 8 : "";
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].signal;
    return 0;
}

static void take_end(struct e2b_run *r, const struct json *end)
{
    const char *status = json_get_str(end, "status", "");
    r->process_ended = true;
    r->process_code = (int)json_get_int(end, "exitCode", 0);
    r->process_signalled =
        !json_get_bool(end, "exited", false) && strncmp(status, "signal", 6) == 0;
    if (r->process_signalled)
        r->process_code = signal_of(status);
    snprintf(r->process_status, sizeof r->process_status, "%s", status);
}

static int take_output(struct e2b *s, const struct json *data, struct err *e)
{
    struct e2b_stream_told told;
    e2b_stream_told(s, &told);
    for (int i = STREAM_STDOUT; i <= STREAM_STDERR; i++) {
        const char *text = json_get_str(data, i == STREAM_STDOUT ? "stdout" : "stderr", "");
        struct buf raw = BUF_INIT(CONNECT_FRAME_MAX);
        int rc = base64_decode(&raw, text, strlen(text), e);
        if (rc == 0 && raw.len > 0)
            told.output(told.arg, (enum sandbox_stream)i, raw.ptr, raw.len);
        buf_release(&raw);
        if (rc < 0)
            return -1;
    }
    return 0;
}

void e2b_on_frame(void *arg, const char *json, size_t len, bool end)
{
    struct e2b *s = arg;
    struct e2b_run *r = s->run;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    if (r == NULL || s->frames_err.code != ERR_NONE)
        return;
    if (json_parse(&o, json, len, &e) < 0) {
        s->frames_err = e;
        return;
    }
    if (end) {
        const struct json *error = json_get(o, "error");
        if (error != NULL)
            err_set(&r->process_failed, ERR_NET, "%.60s: %.300s", json_get_str(error, "code", ""),
                    json_get_str(error, "message", ""));
    } else {
        const struct json *event = json_get(o, "event"), *start = json_get(event, "start");
        if (start != NULL)
            r->pid = (int)json_get_int(start, "pid", 0);
        if (json_get(event, "end") != NULL)
            take_end(r, json_get(event, "end"));
        if (json_get(event, "data") != NULL &&
            take_output(s, json_get(event, "data"), &s->frames_err) < 0)
            err_wrap(&s->frames_err, "output of the process");
    }
    json_free(o);
}

struct outcome {
    int status;
    bool ended;
};

static void watch_end(void *arg, const char *json, size_t len, bool end)
{
    struct outcome *out = arg;
    struct json *o = NULL;
    if (json_parse(&o, json, len, NULL) < 0)
        return;
    const struct json *event = json_get(json_get(o, "event"), "end");
    if (event != NULL)
        out->status =
            json_get_bool(event, "exited", false) ? (int)json_get_int(event, "exitCode", 0) : -1;
    out->ended |= end && json_get(o, "error") == NULL;
    json_free(o);
}

int e2b_shell_status(const struct net_result *r)
{
    struct outcome out = { .status = -1 };
    struct connect c;
    if (!remote_succeeded(r))
        return -1;
    connect_init(&c, watch_end, &out);
    int rc = connect_feed(&c, r->body, r->body_len, NULL);
    connect_release(&c);
    return rc == 0 && out.ended ? out.status : -1;
}

/* ---- files */

void e2b_upload_target(const char *path, struct buf *out)
{
    buf_reset(out);
    (void)buf_add_str(out, "/files");
    (void)http_add_query(out, "path", path);
}

bool e2b_is_inside(const char *path)
{
    size_t len = strlen(path);
    return len <= 4000 && utf8_is_valid(path, len) && path_stays_below(path);
}

/* Something beside the runs: asked of the python context first, then done. */
enum errand_kind { ERRAND_PUT, ERRAND_GET, ERRAND_COMPLETE };

struct e2b_errand {
    enum errand_kind kind;
    char *path;
    char *ptr; /* what is put */
    size_t len, max;
    uint32_t mode;
    uint64_t token;
};

void e2b_errand_drop(struct e2b *s)
{
    e2b_call_drop(&s->file);
    if (s->errand != NULL) {
        free(s->errand->path);
        free(s->errand->ptr);
        free(s->errand);
    }
    s->errand = NULL;
}

static void end_errand(struct e2b *s, const char *ptr, size_t len, const struct err *why)
{
    struct e2b_errand *er = s->errand;
    struct sandbox_event ev = {
        .kind = SANDBOX_FILE_DONE, .path = er->path, .ptr = ptr, .len = len, .err = why
    };
    s->errand = NULL;
    if (er->kind == ERRAND_COMPLETE)
        ev = (struct sandbox_event){ .kind = SANDBOX_COMPLETION, .token = er->token };
    core_tell(&s->core, &ev);
    free(er->path);
    free(er->ptr);
    free(er);
}

static void end_names(struct e2b *s, const struct json *list)
{
    struct e2b_errand *er = s->errand;
    size_t count = json_len(list), n = 0;
    const char **names = xcalloc(count + 1, sizeof *names);
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m))
        names[n++] = json_str(m, "");
    struct sandbox_event ev = {
        .kind = SANDBOX_COMPLETION, .token = er->token, .kept = names, .kept_count = n
    };
    s->errand = NULL;
    core_tell(&s->core, &ev);
    free(names);
    free(er->path);
    free(er->ptr);
    free(er);
}

static void on_moded(struct e2b *s, const struct net_result *r)
{
    struct buf said = BUF_INIT((size_t)1 << 20);
    enum e2b_trouble trouble;
    struct err e = ERR_INIT;
    int rc = e2b_read_cell(r, &said, &trouble, &e);
    buf_release(&said);
    end_errand(s, NULL, 0, rc < 0 ? &e : NULL);
}

static void on_uploaded(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct e2b_part cell;
    if (!remote_succeeded(r)) {
        (void)e2b_why(&s->file, r, "putting a file", NULL, &e);
        end_errand(s, NULL, 0, &e);
        return;
    }
    struct sandbox_file f = { .name = s->errand->path, .mode = s->errand->mode };
    struct sandbox_run rq = { .cwd = s->cwd, .files = &f, .file_count = 1 };
    (void)e2b_cell_begin(&s->contexts[0], &rq, "", &cell);
    e2b_send_cell(&s->file, &cell, 30000, on_moded);
    e2b_part_release(&cell);
}

static void on_downloaded(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (!remote_succeeded(r)) {
        (void)e2b_why(&s->file, r, s->errand->path, NULL, &e);
        end_errand(s, NULL, 0, &e);
    } else if (r->body_len > s->errand->max) {
        err_set(&e, ERR_LIMIT, "%s is larger than %zu bytes", s->errand->path, s->errand->max);
        end_errand(s, NULL, 0, &e);
    } else {
        end_errand(s, r->body != NULL ? r->body : "", r->body_len, NULL);
    }
}

static void move_file(struct e2b *s, const char *real)
{
    struct e2b_errand *er = s->errand;
    struct buf target = BUF_INIT(16 << 10);
    bool put = er->kind == ERRAND_PUT;
    e2b_upload_target(real, &target);
    struct e2b_request rq = { .plane = E2B_ENVD,
                              .method = put ? "POST" : "GET",
                              .target = buf_str(&target),
                              .content_type = "application/octet-stream",
                              .body = put ? (er->ptr != NULL ? er->ptr : "") : NULL,
                              .body_len = put ? er->len : 0,
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = 3600000 },
                              .body_max = put ? 0 : (int64_t)er->max + 1,
                              .done = put ? on_uploaded : on_downloaded };
    e2b_send(&s->file, &rq);
    buf_release(&target);
}

static void on_placed(struct e2b *s, const struct net_result *r)
{
    struct buf said = BUF_INIT((size_t)4 << 20);
    enum e2b_trouble trouble;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    struct e2b_errand *er = s->errand;
    int rc = e2b_read_cell(r, &said, &trouble, &e);
    if (rc == 0)
        rc = json_parse(&o, buf_str(&said), said.len, &e);
    const char *real = json_get_str(o, "path", ""), *error = json_get_str(o, "error", "");
    if (rc == 0 && er->kind != ERRAND_COMPLETE && (error[0] != '\0' || real[0] != '/'))
        rc = err_set(&e, ERR_DENIED, "%.200s: %.200s", er->path, error);
    if (rc == 0 && er->kind == ERRAND_GET && json_get_int(o, "size", INT64_MAX) > (int64_t)er->max)
        rc = err_set(&e, ERR_LIMIT, "%.200s is larger than %zu bytes", er->path, er->max);
    if (rc < 0)
        end_errand(s, NULL, 0, &e);
    else if (er->kind == ERRAND_COMPLETE)
        end_names(s, json_get(o, "names"));
    else
        move_file(s, real);
    json_free(o);
    buf_release(&said);
}

static int begin_errand(struct e2b *s, struct e2b_errand *er, const char *name, const char *text,
                        size_t len, int flag, struct err *e)
{
    struct e2b_part cell;
    int rc = 0;
    if (s->phase != E2B_READY || s->core.ending)
        rc = err_set(e, ERR_USAGE, "the sandbox is not there");
    else if ((s->run != NULL && !s->run->told) || s->errand != NULL || s->file.call.busy ||
             !s->contexts[0].ready)
        rc = err_set(e, ERR_BUSY, "the sandbox is at something else: try again in a moment");
    if (rc < 0) {
        free(er->path);
        free(er->ptr);
        free(er);
        return -1;
    }
    s->errand = er;
    e2b_cell_ask(&s->contexts[0], name, text, len, flag, &cell);
    e2b_send_cell(&s->file, &cell, 30000, on_placed);
    e2b_part_release(&cell);
    return 0;
}

static int check_path(const char *path, struct err *e)
{
    if (e2b_is_inside(path))
        return 0;
    return err_set(e, ERR_USAGE, "'%.200s' is no path inside the workspace", path);
}

int e2b_put(struct sandbox *base, const struct sandbox_file *f, struct err *e)
{
    if (check_path(f->name, e) < 0)
        return -1;
    struct e2b_errand *er = xcalloc(1, sizeof *er);
    *er = (struct e2b_errand){ .kind = ERRAND_PUT,
                               .path = xstrdup(f->name),
                               .ptr = xmemdup(f->len > 0 ? f->ptr : "", f->len),
                               .len = f->len,
                               .mode = f->mode };
    return begin_errand((struct e2b *)base, er, "place", f->name, strlen(f->name), 1, e);
}

int e2b_get(struct sandbox *base, const char *path, size_t max, struct err *e)
{
    if (check_path(path, e) < 0)
        return -1;
    struct e2b_errand *er = xcalloc(1, sizeof *er);
    *er = (struct e2b_errand){ .kind = ERRAND_GET,
                               .path = xstrdup(path),
                               .max = max < FILE_MAX ? max : FILE_MAX };
    return begin_errand((struct e2b *)base, er, "place", path, strlen(path), 0, e);
}

int e2b_complete(struct sandbox *base, const char *language, const char *text, size_t cursor,
                 uint64_t token, struct err *e)
{
    if (strcmp(language, "python") != 0)
        return err_set(e, ERR_USAGE, "sandbox e2b completes names of python only");
    if (!utf8_is_valid(text, cursor))
        return err_set(e, ERR_FORMAT, "the text is no UTF-8");
    struct e2b_errand *er = xcalloc(1, sizeof *er);
    *er = (struct e2b_errand){ .kind = ERRAND_COMPLETE, .path = xstrdup(""), .token = token };
    return begin_errand((struct e2b *)base, er, "names", text, cursor, -1, e);
}
