/* e2b_wall.c - a machine of E2B's as a wall: the guest is put there, started, written to and
 * listened to through the sandbox's daemon. */
#include "providers/sandboxes/e2b_wall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "providers/guest/proto.h"
#include "providers/registry.h"
#include "providers/sandboxes/e2b_int.h"

#define PIECE_MAX  ((size_t)512 << 10) /* of the guest's input, in one call */
#define PARCEL_MAX ((size_t)16 << 20)
#define INPUT_MS   60000
#define PARCEL_MS  600000
#define BOUNDARY   "airlock-7f0b6c1d9e2a45"

struct e2b_wall {
    struct wall base;
    struct e2b *m;
    wall_sink sink; /* NULL once closed */
    void *arg;
    struct buf parcel; /* guest and kernels, as one request; empty once sent */
    struct connect frames;
    struct err bad; /* of a frame */
    struct e2b_call input;
    struct buf queue; /* for the guest, not on its way yet */
    int pid;
    bool up, blocked, ended;
    char said[400]; /* the end of what the guest wrote to stderr */
    char status[64];
    struct err why;
};

static struct e2b_wall *of(struct e2b *m)
{
    return m->owner;
}

static void emit(struct e2b_wall *w, const struct wall_event *ev)
{
    if (w->sink != NULL)
        w->sink(w->arg, ev);
}

static void fail(struct e2b_wall *w, const struct err *why)
{
    e2b_end_with(w->m, END_LOST, "", why);
}

static void fail_with(struct e2b_wall *w, const struct net_result *r, const char *doing)
{
    struct err e = ERR_INIT;
    (void)e2b_why(&w->m->work, r, doing, NULL, &e);
    fail(w, &e);
}

/* ---- to the guest: one call at a time, none of them twice */

static void send_input(struct e2b_wall *w);

static void on_input(struct e2b *m, const struct net_result *r)
{
    struct e2b_wall *w = of(m);
    struct err e = ERR_INIT;
    if (!remote_succeeded(r)) {
        (void)e2b_why(&w->input, r, "writing to the guest", NULL, &e);
        fail(w, &e);
        return;
    }
    send_input(w);
    if (w->blocked && w->queue.len < PIECE_MAX && !m->core.ending) {
        w->blocked = false;
        emit(w, &(struct wall_event){ .kind = WALL_ROOM });
    }
}

static void write_input(const struct e2b_wall *w, size_t len, struct buf *out)
{
    struct json_w j;
    json_w_init(&j, out);
    json_w_object(&j, NULL);
    json_w_object(&j, "process");
    json_w_int(&j, "pid", w->pid);
    json_w_close_object(&j);
    json_w_object(&j, "input");
    json_w_base64(&j, "stdin", w->queue.ptr, len);
    json_w_close_object(&j);
    json_w_close_object(&j);
    INVARIANT(json_w_end(&j) == 0);
}

/* What was approved was read back from the stream; the call that carries it must carry just that.
 * [APR-3] */
static bool carries_the_same(const struct e2b_wall *w, const struct buf *body, size_t len)
{
    struct json *o = NULL;
    struct buf raw = BUF_INIT(PIECE_MAX + 4);
    struct err e = ERR_INIT;
    if (json_parse(&o, body->ptr, body->len, &e) < 0)
        return false;
    const char *text = json_get_str(json_get(o, "input"), "stdin", "");
    bool same = json_get_int(json_get(o, "process"), "pid", -1) == w->pid &&
                base64_decode(&raw, text, strlen(text), &e) == 0 && raw.len == len &&
                memcmp(raw.ptr, w->queue.ptr, len) == 0;
    json_free(o);
    buf_release(&raw);
    return same;
}

static void send_input(struct e2b_wall *w)
{
    size_t len = w->queue.len < PIECE_MAX ? w->queue.len : PIECE_MAX;
    struct buf body = BUF_INIT(2 * PIECE_MAX);
    if (len == 0 || w->input.call.busy || w->m->core.ending)
        return;
    write_input(w, len, &body);
    INVARIANT(carries_the_same(w, &body, len));
    buf_drop_front(&w->queue, len);
    struct e2b_request rq = { .plane = E2B_ENVD,
                              .method = "POST",
                              .target = "/process.Process/SendInput",
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_ONCE,
                              .deadlines = { .total_ms = INPUT_MS },
                              .done = on_input };
    e2b_send(&w->input, &rq);
    buf_release(&body);
}

static ssize_t wall_write(struct wall *base, const void *ptr, size_t len)
{
    struct e2b_wall *w = (struct e2b_wall *)base;
    if (w->m->core.ending || w->ended)
        return -1;
    if (!w->up)
        return 0;
    size_t room = w->queue.len < PIECE_MAX ? PIECE_MAX - w->queue.len : 0;
    size_t take = len < room ? len : room;
    w->blocked = take < len;
    if (take > 0 && buf_add(&w->queue, ptr, take) < 0)
        return 0;
    send_input(w);
    return (ssize_t)take;
}

/* ---- from the guest */

static void keep_said(struct e2b_wall *w, const char *p, size_t len)
{
    size_t had = strlen(w->said), room = sizeof w->said - 1;
    if (len > room) {
        p += len - room;
        len = room;
    }
    if (had + len > room) {
        memmove(w->said, w->said + (had + len - room), room - len);
        had = room - len;
    }
    memcpy(w->said + had, p, len);
    w->said[had + len] = '\0';
}

static int take_bytes(struct e2b_wall *w, const struct json *data, const char *key,
                      enum wall_event_kind kind)
{
    const char *text = json_get_str(data, key, "");
    struct buf raw = BUF_INIT(CONNECT_FRAME_MAX);
    int rc = base64_decode(&raw, text, strlen(text), &w->bad);
    if (rc == 0 && raw.len > 0) {
        if (kind == WALL_LOG)
            keep_said(w, raw.ptr, raw.len);
        emit(w, &(struct wall_event){ .kind = kind, .ptr = raw.ptr, .len = raw.len });
    }
    buf_release(&raw);
    return rc;
}

static void take_start(struct e2b_wall *w, const struct json *start)
{
    int64_t pid = json_get_int(start, "pid", 0);
    if (pid <= 0 || pid > INT32_MAX || w->up) {
        err_set(&w->bad, ERR_FORMAT, "the daemon named process %lld", (long long)pid);
        return;
    }
    w->pid = (int)pid;
    w->up = true;
    emit(w, &(struct wall_event){ .kind = WALL_UP, .id = w->m->id });
}

static void on_frame(void *arg, const char *text, size_t len, bool end)
{
    struct e2b_wall *w = arg;
    struct json *o = NULL;
    if (w->m->core.ending || w->bad.code != ERR_NONE)
        return;
    if (json_parse(&o, text, len, &w->bad) < 0)
        return;
    const struct json *event = json_get(o, "event"), *error = json_get(o, "error");
    const struct json *start = json_get(event, "start"), *data = json_get(event, "data");
    const struct json *over = json_get(event, "end");
    if (end && error != NULL)
        err_set(&w->bad, ERR_NET, "%.60s: %.300s", json_get_str(error, "code", ""),
                json_get_str(error, "message", ""));
    else if (start != NULL)
        take_start(w, start);
    else if (data != NULL && take_bytes(w, data, "stderr", WALL_LOG) == 0)
        (void)take_bytes(w, data, "stdout", WALL_BYTES);
    if (over != NULL) {
        w->ended = true;
        snprintf(w->status, sizeof w->status, "%s", json_get_str(over, "status", "?"));
    }
    json_free(o);
}

static void on_stream(void *arg, const char *p, size_t len)
{
    struct e2b_wall *w = of(arg);
    struct err e = ERR_INIT;
    if (w->m->core.ending)
        return;
    if (connect_feed(&w->frames, p, len, &e) < 0 && w->bad.code == ERR_NONE)
        w->bad = e;
    if (w->bad.code == ERR_NONE || w->m->core.ending)
        return;
    e = w->bad;
    err_wrap(&e, "e2b: the stream of the guest");
    fail(w, &e);
}

/* The stream is over, and with it the machine: whoever was answered by the guest is not any more.
 */
static void on_stream_end(struct e2b *m, const struct net_result *r)
{
    struct e2b_wall *w = of(m);
    struct err e = ERR_INIT;
    if (w->ended) {
        size_t len = strlen(w->said);
        while (len > 0 && w->said[len - 1] == '\n')
            w->said[--len] = '\0';
        err_set(&e, ERR_NET, "e2b: the guest ended (%s)%s%s", w->status, len > 0 ? ": " : "",
                w->said);
    } else if (remote_succeeded(r)) {
        err_set(&e, ERR_NET,
                "e2b: the stream of the guest was cut, so what it still did is not "
                "known");
    } else {
        (void)e2b_why(&m->work, r, "the stream of the guest", NULL, &e);
    }
    fail(w, &e);
}

/* ---- from a machine that was just made to one with the guest in it */

static void start_guest(struct e2b *m)
{
    struct buf json = BUF_INIT(4096);
    struct json_w j;
    json_w_init(&j, &json);
    json_w_object(&j, NULL);
    json_w_object(&j, "process");
    json_w_str(&j, "cmd", GUEST_PATH);
    json_w_array(&j, "args");
    json_w_close_array(&j);
    json_w_str(&j, "cwd", GUEST_WORKSPACE);
    json_w_close_object(&j);
    json_w_bool(&j, "stdin", true);
    json_w_close_object(&j);
    INVARIANT(json_w_end(&j) == 0);
    e2b_alive(m);
    e2b_start_process(&m->work, json.ptr, json.len, false, on_stream, on_stream_end);
    buf_release(&json);
}

static void on_unpacked(struct e2b *m, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (e2b_shell_status(r) == 0) {
        start_guest(m);
        return;
    }
    if (!remote_succeeded(r)) {
        fail_with(of(m), r, "making room for the guest");
        return;
    }
    err_set(&e, ERR_NET,
            "e2b: " GUEST_DIR " and " GUEST_WORKSPACE
            " can't be made in this template, or it has no python3");
    fail(of(m), &e);
}

/* Read-only, root's; the workspace is the user's. The interpreters lie where the template wants
 * them to, so they get names of their own, which stand in the capsule. */
static void unpack(struct e2b *m)
{
    static const char command[] =
        "set -e; mkdir -p " GUEST_DIR "/bin " GUEST_WORKSPACE "; "
        "chmod -R a=rX " GUEST_DIR "; chmod 0555 " GUEST_PATH "; "
        "PATH=\"$PATH:/usr/local/bin:/usr/bin:/bin\"; "
        "for n in python3 node; do p=$(command -v $n) || continue; "
        "rm -f " GUEST_DIR "/bin/$n; printf '#!/bin/sh\\nexec %s \"$@\"\\n' \"$p\" >" GUEST_DIR
        "/bin/$n; chmod 0555 " GUEST_DIR "/bin/$n; done; test -x " E2B_WALL_PYTHON "; "
        "chown -R 0:0 " GUEST_DIR " 2>/dev/null || true; chmod 0755 " GUEST_WORKSPACE "; "
        "if id user >/dev/null 2>&1; then chown user:user " GUEST_WORKSPACE "; fi";
    e2b_shell(&m->work, command, on_unpacked);
}

static void on_parcel(struct e2b *m, const struct net_result *r)
{
    if (remote_succeeded(r))
        unpack(m);
    else
        fail_with(of(m), r, "putting the guest into the sandbox");
}

static void on_made(struct e2b *m)
{
    struct e2b_wall *w = of(m);
    struct err e = ERR_INIT;
    w->m = m;
    if (e2b_reach(m, &e) < 0) {
        fail(w, &e);
        return;
    }
    struct e2b_request rq = { .plane = E2B_ENVD,
                              .method = "POST",
                              .target = "/files",
                              .content_type = "multipart/form-data; boundary=" BOUNDARY,
                              .body = w->parcel.ptr,
                              .body_len = w->parcel.len,
                              .again = E2B_AGAIN,
                              .as_root = true,
                              .deadlines = { .total_ms = PARCEL_MS },
                              .done = on_parcel };
    e2b_send(&m->work, &rq);
    buf_release(&w->parcel);
}

/* ---- the vtable */

static int pack(struct e2b_wall *w, const struct wall_config *cfg, struct err *e)
{
    int rc = 0;
    buf_init(&w->parcel, PARCEL_MAX);
    for (size_t i = 0; i < cfg->file_count && rc == 0; i++) {
        const struct wall_file *f = &cfg->files[i];
        INVARIANT(memmem(f->ptr, f->len, BOUNDARY, strlen(BOUNDARY)) == NULL);
        rc = buf_addf(&w->parcel,
                      "--" BOUNDARY
                      "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\n"
                      "Content-Type: application/octet-stream\r\n\r\n",
                      f->path);
        if (rc == 0)
            rc = buf_add(&w->parcel, f->ptr, f->len);
        if (rc == 0)
            rc = buf_add_str(&w->parcel, "\r\n");
    }
    if (rc == 0)
        rc = buf_add_str(&w->parcel, "--" BOUNDARY "--\r\n");
    return rc < 0 ? err_set(e, ERR_LIMIT, "e2b: the guest is too large") : 0;
}

/* Of the machine: only its end matters here. */
static void on_machine(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    struct e2b_wall *w = arg;
    (void)s;
    if (ev->kind == SANDBOX_FAILED)
        w->why = *ev->err;
    if (ev->kind == SANDBOX_CLOSED)
        emit(w,
             &(struct wall_event){ .kind = WALL_GONE, .confirmed = ev->confirmed, .err = &w->why });
}

static void wall_close(struct wall *base)
{
    struct e2b_wall *w = (struct e2b_wall *)base;
    if (w == NULL)
        return;
    w->sink = NULL;
    if (w->m != NULL) {
        e2b_call_release(&w->input);
        sandbox_e2b.close(&w->m->core.base);
    }
    connect_release(&w->frames);
    buf_release(&w->parcel);
    buf_release(&w->queue);
    free(w);
}

static int wall_create(struct wall **out, const struct wall_config *cfg, struct err *e)
{
    struct e2b_wall *w = xcalloc(1, sizeof *w);
    const struct sandbox_config machine = { .loop = cfg->loop,
                                            .launcher = cfg->launcher,
                                            .net = cfg->net,
                                            .setting = cfg->setting,
                                            .setting_arg = cfg->setting_arg,
                                            .contract = cfg->contract,
                                            .image = cfg->image,
                                            .label = cfg->label,
                                            .sink = on_machine,
                                            .arg = w };
    w->base.ops = &wall_e2b;
    w->sink = cfg->sink;
    w->arg = cfg->arg;
    buf_init(&w->queue, PIECE_MAX);
    connect_init(&w->frames, on_frame, w);
    if (pack(w, cfg, e) < 0 || e2b_open_machine(&w->m, &machine, on_made, w, e) < 0) {
        wall_close(&w->base);
        return -1;
    }
    e2b_call_init(&w->input, w->m);
    *out = &w->base;
    return 0;
}

static unsigned wall_limits(const struct wall *w)
{
    (void)w;
    return 0; /* the template decides; the guest watches the memory */
}

static int64_t wall_counter(const struct wall *w, enum wall_counter which)
{
    (void)w;
    (void)which;
    return -1;
}

static void wall_kill(struct wall *base)
{
    struct e2b_wall *w = (struct e2b_wall *)base;
    e2b_call_drop(&w->input);
    sandbox_e2b.kill(&w->m->core.base, END_KILLED);
}

struct sandbox *e2b_wall_machine(struct wall *w)
{
    return &((struct e2b_wall *)w)->m->core.base;
}

const struct wall_ops wall_e2b = {
    .name = "e2b",
    .create = wall_create,
    .limits = wall_limits,
    .write = wall_write,
    .counter = wall_counter,
    .kill = wall_kill,
    .close = wall_close,
};
