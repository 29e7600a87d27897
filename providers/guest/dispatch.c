/* dispatch.c - messages from us: control objects, and the byte strings that follow some of them. */
#include "guest.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZES_MAX    (6 + ARGS_MAX + EXISTS_MAX + 2 * EXEC_FILES_MAX)
#define IN_MEMORY    ((CODE_MAX + CHECK_MAX + INPUT_MAX) + (8u << 20))
#define EXEC_STRINGS 6 /* language interpreter code cwd input check */

struct setup setup = { .nproc = 0, .nofile = 256, .keep = 8 };

enum body_kind { BODY_NONE, BODY_START, BODY_EXEC, BODY_LOAD, BODY_PUT, BODY_GET, BODY_COMPLETE };

/* The body that is coming in: `at` pieces are complete, `got` bytes of the next one are here. */
static struct body {
    enum body_kind kind;
    struct bytes control;
    size_t count, at, got, names; /* from piece `names` on: name, content, name, content … */
    size_t sizes[SIZES_MAX];
    struct piece pieces[SIZES_MAX];
    struct bytes store;
    int fd; /* where the current content goes; -1 nowhere */
    char why[256];
} body;

static struct str control(void)
{
    return (struct str){ body.control.p, body.control.n };
}

static struct str piece(size_t i)
{
    return (struct str){ body.store.p + body.pieces[i].at, body.pieces[i].n };
}

static bool is_content(size_t i)
{
    return i >= body.names && (i - body.names) % 2 == 1;
}

/* ---- what complete bodies mean */

static struct interp *interp_for(struct str language)
{
    int i = language_find(language.p, language.n);
    return i < 0 ? NULL : &interps[i];
}

static void body_start(void)
{
    struct interp *in = interp_for(piece(0));
    char why[256] = "no such language here";
    struct bytes m = { 0 };
    if (in != NULL && interp_start(in, piece(1).p, why, sizeof why))
        return; /* `started` comes with its `ready` */
    bytes_addf(&m, "{\"t\":\"started\",\"language\":");
    bytes_add_json(&m, piece(0).p, piece(0).n);
    bytes_addf(&m, ",\"error\":");
    bytes_add_json(&m, why, strlen(why));
    bytes_addf(&m, "}");
    stream_control(&m);
    bytes_free(&m);
}

static void body_exec(void)
{
    if (run.state != RUN_NONE)
        guest_die("guest: an execution while another is on");
    run_reset();
    struct str c = control();
    run.id = (uint32_t)json_int(c, "run", 0);
    run.timeout_ms = json_int(c, "timeout_ms", 30000);
    run.checkpoint = json_int(c, "checkpoint", 0) != 0;
    run.argc = (size_t)json_int(c, "argc", 0);
    run.existc = (size_t)json_int(c, "existc", 0);
    run.language = body.pieces[0];
    run.interpreter = body.pieces[1];
    run.code = body.pieces[2];
    run.cwd = body.pieces[3];
    run.input = body.pieces[4];
    run.check = body.pieces[5];
    free(run.argv);
    run.argv = calloc(run.argc + run.existc + 1, sizeof *run.argv);
    if (run.argv == NULL)
        guest_die("guest: out of memory");
    memcpy(run.argv, body.pieces + EXEC_STRINGS, (run.argc + run.existc) * sizeof *run.argv);
    run.exists = run.argv + run.argc;
    struct bytes old = run.store;
    run.store = body.store;
    body.store = old;
    run.failed = body.why[0] != '\0';
    memcpy(run.message, body.why, sizeof body.why);
    run_request();
}

static void body_load(void)
{
    struct interp *in = &interps[LANG_PYTHON];
    struct bytes m = { 0 };
    if (in->pid != 0 && body.fd >= 0) {
        in->busy = true;
        bytes_addf(&m, "{\"t\":\"load\",\"code\":%zu}\n", body.sizes[0]);
        interp_send(in, &m, -1);
    } else {
        bytes_addf(&m, "{\"t\":\"restored\",\"run\":0,\"error\":");
        bytes_add_json(&m, body.why, strlen(body.why));
        bytes_addf(&m, "}");
        stream_control(&m);
    }
    body.fd = -1; /* the interpreter's own */
    bytes_free(&m);
}

static void body_put(void)
{
    struct str c = control();
    files_answer((uint64_t)json_int(c, "token", 0), piece(0).p, piece(0).n, (int64_t)body.sizes[1],
                 (unsigned)json_int(c, "mode", 0644), body.why[0] != '\0' ? body.why : NULL);
}

static void body_complete(void)
{
    static const char digits[] = "0123456789abcdef";
    struct interp *in = interp_for(piece(0));
    struct str c = control(), text = piece(1);
    struct bytes m = { 0 };
    long long token = (long long)json_int(c, "token", 0);
    if (in == NULL || !in->ready || in->busy) {
        bytes_addf(&m, "{\"t\":\"completion\",\"token\":%lld,\"of\":{\"names\":[]}}", token);
        stream_control(&m);
    } else {
        bytes_addf(&m, "{\"t\":\"complete\",\"token\":%lld,\"cursor\":%lld,\"text\":\"", token,
                   (long long)json_int(c, "cursor", 0));
        for (size_t i = 0; i < text.n; i++) {
            unsigned char b = (unsigned char)text.p[i];
            bytes_add(&m, (char[2]){ digits[b >> 4], digits[b & 15] }, 2);
        }
        bytes_add(&m, "\"}\n", 3);
        interp_send(in, &m, -1);
    }
    bytes_free(&m);
}

static void body_done(void)
{
    enum body_kind kind = body.kind;
    struct str c = control();
    body.kind = BODY_NONE;
    switch (kind) {
    case BODY_START:
        body_start();
        break;
    case BODY_EXEC:
        body_exec();
        break;
    case BODY_LOAD:
        body_load();
        break;
    case BODY_PUT:
        body_put();
        break;
    case BODY_GET:
        files_get((uint64_t)json_int(c, "token", 0), json_int(c, "max", 0), piece(0).p, piece(0).n);
        break;
    case BODY_COMPLETE:
        body_complete();
        break;
    case BODY_NONE:
        break;
    }
    if (body.store.cap > (1u << 20))
        bytes_free(&body.store);
}

/* ---- how a body comes in */

static int64_t file_mode(size_t file)
{
    const char *at = NULL;
    struct str modes = json_get(control(), "modes"), item;
    if (body.kind == BODY_PUT)
        return json_int(control(), "mode", 0644);
    while (json_each(modes, &at, &item)) {
        if (file-- == 0)
            return strtoll(item.p, NULL, 10);
    }
    return 0644;
}

static void begin_piece(void)
{
    body.got = 0;
    body.fd = -1;
    body.pieces[body.at] = (struct piece){ body.store.n, body.sizes[body.at] };
    if (is_content(body.at)) {
        struct str name = piece(body.at - 1);
        char why[256] = "";
        body.fd = files_begin_put(name.p, name.n, (unsigned)file_mode((body.at - body.names) / 2),
                                  why, sizeof why);
        if (body.fd < 0 && body.why[0] == '\0')
            memcpy(body.why, why, sizeof body.why);
    } else if (body.kind == BODY_LOAD) {
        struct interp *in = &interps[LANG_PYTHON];
        const char *path = setup.python.n > 0 ? setup.python.p : "/usr/bin/python3";
        if (interp_start(in, path, body.why, sizeof body.why)) {
            body.fd = in->code;
            if (ftruncate(in->code, 0) != 0 || lseek(in->code, 0, SEEK_SET) != 0)
                body.fd = -1;
        }
    }
}

static void end_piece(void)
{
    if (is_content(body.at)) {
        if (body.fd >= 0)
            close(body.fd);
        body.fd = -1;
    } else if (body.kind != BODY_LOAD) {
        bytes_add(&body.store, "", 1); /* a NUL behind each, so they are C strings as well */
    }
    if (++body.at < body.count)
        begin_piece();
}

/* Pieces that are complete, empty ones included. */
static void advance(void)
{
    while (body.at < body.count && body.got == body.sizes[body.at])
        end_piece();
    if (body.at == body.count)
        body_done();
}

void dispatch_bulk(const char *p, size_t n)
{
    if (body.kind == BODY_NONE)
        guest_die("guest: bytes that belong to nothing");
    while (n > 0) {
        if (body.kind == BODY_NONE)
            guest_die("guest: a body is longer than it said");
        size_t part = body.sizes[body.at] - body.got < n ? body.sizes[body.at] - body.got : n;
        if (is_content(body.at) || body.kind == BODY_LOAD) {
            if (body.fd >= 0 && !files_write(body.fd, p, part) && body.why[0] == '\0') {
                memcpy(body.why, "no space left in the sandbox", 29);
                memcpy(run.what, "disk", 5);
            }
        } else {
            bytes_add(&body.store, p, part);
        }
        body.got += part;
        p += part;
        n -= part;
        advance();
    }
}

static bool read_sizes(struct str c)
{
    const char *at = NULL;
    struct str sizes = json_get(c, "sizes"), item;
    size_t in_memory = 0;
    body.count = 0;
    while (json_each(sizes, &at, &item)) {
        char *end;
        unsigned long long v = strtoull(item.p, &end, 10);
        if (body.count == SIZES_MAX || end != item.p + item.n ||
            v > (body.kind == BODY_LOAD ? SAVED_MAX : BODY_MAX))
            return false;
        if (!is_content(body.count) && body.kind != BODY_LOAD)
            in_memory += v;
        body.sizes[body.count++] = (size_t)v;
    }
    return in_memory <= IN_MEMORY;
}

static void begin_body(enum body_kind kind, struct str c)
{
    if (body.kind != BODY_NONE)
        guest_die("guest: a body inside a body");
    size_t argc = (size_t)json_int(c, "argc", 0), existc = (size_t)json_int(c, "existc", 0);
    size_t filec = (size_t)json_int(c, "filec", 0);
    static const size_t want[] = { 0, 2, EXEC_STRINGS, 1, 2, 1, 2 };
    body.kind = kind;
    body.at = body.got = body.store.n = body.control.n = 0;
    body.fd = -1;
    body.why[0] = '\0';
    body.names = kind == BODY_PUT ? 0 : kind == BODY_EXEC ? EXEC_STRINGS + argc + existc : SIZE_MAX;
    if (argc > ARGS_MAX || existc > EXISTS_MAX || filec > EXEC_FILES_MAX || !read_sizes(c) ||
        body.count != want[kind] + (kind == BODY_EXEC ? argc + existc + 2 * filec : 0))
        guest_die("guest: a message whose sizes do not fit");
    bytes_add(&body.control, c.p, c.n);
    run.what[0] = '\0';
    begin_piece();
    advance();
}

/* ---- control */

static void take_setup(struct str c)
{
    const char *at = NULL;
    struct str env = json_get(c, "env"), pair;
    if (setup.done)
        guest_die("guest: set up twice");
    setup.done = true;
    setup.once = json_int(c, "once", 0) != 0;
    setup.nproc = json_int(c, "nproc", 0);
    setup.nofile = json_int(c, "nofile", 256);
    setup.fsize = json_int(c, "fsize", 0);
    setup.watch = json_int(c, "watch", 0);
    setup.keep = json_int(c, "keep", 8);
    if (setup.keep < 0 || setup.keep > KEEP_MAX)
        setup.keep = KEEP_MAX;
    json_text(json_get(c, "python"), &setup.python);
    if (setup.watch > 0)
        (void)procs_memory(setup.watch); /* what the machine has without the code */
    while (json_each(env, &at, &pair)) {
        const char *in_pair = NULL;
        struct str name, value;
        if (!json_each(pair, &in_pair, &name) || !json_each(pair, &in_pair, &value) ||
            !json_text(name, &setup.env))
            continue;
        bytes_add(&setup.env, "=", 1);
        json_text(value, &setup.env);
        bytes_add(&setup.env, "", 1);
        setup.env_count++;
    }
}

void dispatch_control(struct str c)
{
    static const struct {
        const char *t;
        enum body_kind kind;
    } bodies[] = { { "start", BODY_START }, { "exec", BODY_EXEC }, { "load", BODY_LOAD },
                   { "put", BODY_PUT },     { "get", BODY_GET },   { "complete", BODY_COMPLETE } };
    uint32_t id = (uint32_t)json_int(c, "run", 0);
    if (json_is(c, "t", "setup")) {
        take_setup(c);
        return;
    }
    if (!setup.done)
        guest_die("guest: not set up");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        if (json_is(c, "t", bodies[i].t)) {
            begin_body(bodies[i].kind, c);
            return;
        }
    }
    if (json_is(c, "t", "interrupt"))
        limits_interrupt(id);
    else if (json_is(c, "t", "drop"))
        frozen_drop(id, "asked");
    else if (json_is(c, "t", "restore"))
        restore_asked(id);
    else if (json_is(c, "t", "save"))
        save_begin();
    else
        guest_die("guest: a message nobody knows");
}
