/* e2b_machine.h - the sandbox e2b against a server in this process (fake_net.h): what it says, what
 * it was asked for, what the sandbox told. */
#ifndef AIRLOCK_TESTS_E2B_MACHINE_H
#define AIRLOCK_TESTS_E2B_MACHINE_H

#include "base/connect.h"
#include "providers/sandboxes/e2b_int.h"
#include "unit/fake_box.h"

#define MADE "{\"sandboxID\":\"i1\",\"envdVersion\":\"0.4.0\",\"domain\":null}"
#define LOOK(state, label)                                                                         \
    "{\"sandboxID\":\"i1\",\"state\":\"" state "\",\"metadata\":{\"airlock\":\"" label "\"},"      \
    "\"cpuCount\":2,\"memoryMB\":512}"
#define HELLO                                                                                      \
    "{\"type\":\"result\",\"extra\":{\"application/vnd.airlock.report+json\":{\"pid\":77,"         \
    "\"vars\":[{\"name\":\"a\",\"type\":\"int\",\"change\":\"new\"},{\"name\":\"b\",\"change\":"   \
    "\"gone\"}],\"files\":[{\"path\":\"f\",\"change\":\"odd\"}],\"exists\":[true],"                \
    "\"path\":\"/workspace/f\",\"size\":2,\"names\":[\"abc\"]}}}\n"
#define OVER "{\"type\":\"end_of_execution\"}\n"
#define ERROR(name, value)                                                                         \
    "{\"type\":\"error\",\"name\":\"" name "\",\"value\":\"" value "\",\"traceback\":\"tb\"}\n"
#define TROUBLE(name)                                                                              \
    "{\"type\":\"error\",\"name\":\"" name "\",\"value\":\"\",\"traceback\":\"\"}\n"
#define PRINTS "{\"type\":\"stdout\",\"text\":\"42\\n\"}\n"
#define STARTS "{\"event\":{\"start\":{\"pid\":9}}}"
#define SAYS   "{\"event\":{\"data\":{\"stdout\":\"NDIK\"}}}"
#define EXITS  "{\"event\":{\"end\":{\"exited\":true,\"exitCode\":0,\"status\":\"exit status 0\"}}}"

static struct {
    const char *lines;     /* of the code; NULL: it goes on and says nothing */
    const char *cell;      /* of a cell of ours; NULL: the honest one */
    const char *cell_on;   /* only of cells with this in them */
    const char *check;     /* of code that begins with "assert" */
    const char *frames[6]; /* of bash; [0] NULL: it goes on */
    const char *last;      /* its end frame */
    const char *made, *look, *contexts, *listing, *snapshot;
    const char *hold;       /* requests that begin so are not answered … */
    struct fake_call *held; /* … this one */
    int network;            /* status of PUT network */
    bool alive, paused;
    unsigned executed, processes, nudges, restarts, renewals, creations;
    struct fake_call *stream; /* of the code under way */
    const char *shell_end;    /* of a command of ours; NULL: it goes well */
    char shell[512];          /* the last command of ours */
} server;

static struct {
    unsigned ready, failed, finished, closed, outputs, results, states, restored, files, names,
        paused, snapshots, queued, leases;
    bool confirmed, state_lost, again, awake, check_ran, check_ok;
    enum run_end end;
    int code;
    bool has_code;
    struct err why, file, pausing, snap;
    char message[1024], error_name[64], check_text[256], snapshot[128];
    size_t kept;
} told;

static int64_t money; /* -1 no limit */

/* ---- the server */

static void add_frame(struct buf *out, const char *json, bool end)
{
    size_t at = out->len;
    assert_int_equal(connect_add_frame(out, json, strlen(json)), 0);
    if (end)
        out->ptr[at] = 2;
}

static void start_process(struct fake_call *c)
{
    struct buf out = BUF_INIT(1 << 16);
    const char *json = c->body + 5; /* behind the frame's head */
    bool ours = strstr(json, "/bin/sh") != NULL && strstr(json, "exec <") == NULL;
    if (ours) {
        snprintf(server.shell, sizeof server.shell, "%s", json);
        server.nudges += strstr(json, "kill ") != NULL;
        add_frame(&out, STARTS, false);
        add_frame(&out, server.shell_end != NULL ? server.shell_end : EXITS, false);
        add_frame(&out, "{}", true);
    } else {
        server.processes++;
        for (size_t i = 0; i < ARRAY_LEN(server.frames) && server.frames[i] != NULL; i++)
            add_frame(&out, server.frames[i], false);
        if (server.last != NULL)
            add_frame(&out, server.last, true);
    }
    if (c->lost) {
        fake_end(c, NET_CUT, true);
    } else {
        fake_head(c, 200, NULL);
        fake_data(c, buf_str(&out), out.len);
        if (ours || server.last != NULL)
            fake_end(c, NET_ANSWERED, true);
        else
            server.stream = c;
    }
    buf_release(&out);
}

static void execute(struct fake_call *c)
{
    bool ours = strstr(c->body, "_airlock_cells") != NULL || strstr(c->body, "<airlock>") != NULL ||
                strstr(c->body, "\"code\":\"\"") != NULL;
    bool check = strstr(c->body, "\"code\":\"assert") != NULL;
    if (ours) {
        bool odd = server.cell != NULL &&
                   (server.cell_on == NULL || strstr(c->body, server.cell_on) != NULL);
        fake_reply(c, 200, NULL, odd ? server.cell : HELLO OVER);
        return;
    }
    if (check) {
        fake_reply(c, 200, NULL, server.check != NULL ? server.check : OVER);
        return;
    }
    server.executed++;
    if (server.lines != NULL || c->lost) {
        fake_reply(c, 200, NULL, server.lines);
        return;
    }
    server.stream = c;
    fake_head(c, 200, NULL);
}

static void serve_one(struct fake_call *c, const char *action)
{
    bool delete = strcmp(c->base.method, "DELETE") == 0;
    if (!server.alive) {
        fake_reply(c, 404, NULL, "{\"message\":\"no such sandbox\"}");
    } else if (delete) {
        server.alive = false;
        fake_reply(c, 204, NULL, "");
    } else if (action[0] == '\0') {
        fake_reply(c, 200, NULL,
                   server.look != NULL ? server.look
                   : server.paused     ? LOOK("paused", LABEL)
                                       : LOOK("running", LABEL));
    } else if (strcmp(action, "/connect") == 0) {
        server.paused = false;
        fake_reply(c, 200, NULL, server.made != NULL ? server.made : MADE);
    } else if (strcmp(action, "/pause") == 0) {
        server.paused = true;
        fake_reply(c, 204, NULL, "");
    } else if (strcmp(action, "/snapshots") == 0) {
        fake_reply(c, 201, NULL,
                   server.snapshot != NULL ? server.snapshot
                                           : "{\"snapshotID\":\"t/airlock-s1-1-1:default\"}");
    } else {
        server.renewals += strcmp(action, "/timeout") == 0;
        fake_reply(c, server.network != 0 ? server.network : 204, NULL, "");
    }
}

static void serve_sandboxes(struct fake_call *c, const char *rest)
{
    bool post = strcmp(c->base.method, "POST") == 0;
    if (strncmp(rest, "/i1", 3) == 0) {
        serve_one(c, rest + 3);
    } else if (post) {
        server.alive = true;
        server.creations++;
        fake_reply(c, 201, NULL, server.made != NULL ? server.made : MADE);
    } else {
        fake_reply(c, 200, NULL,
                   server.listing != NULL ? server.listing
                   : server.alive         ? "[" LOOK("running", LABEL) "]"
                                          : "[]");
    }
}

static inline void serve(struct fake_call *c)
{
    const char *t = c->target;
    bool get = strcmp(c->base.method, "GET") == 0;
    if (server.hold != NULL && strncmp(fake.last, server.hold, strlen(server.hold)) == 0)
        server.held = c;
    else if (strncmp(t, "/v2/sandboxes", 13) == 0)
        serve_sandboxes(c, t + 13);
    else if (strncmp(t, "/sandboxes", 10) == 0)
        serve_sandboxes(c, t + 10);
    else if (strncmp(t, "/snapshots", 10) == 0)
        fake_reply(c, 200, NULL, "[{},{\"snapshotID\":\"t/airlock-s1-1-1:default\"}]");
    else if (strcmp(t, "/execute") == 0)
        execute(c);
    else if (strncmp(t, "/process.Process/", 17) == 0)
        start_process(c);
    else if (strcmp(t, "/contexts") == 0 && get)
        fake_reply(c, 200, NULL,
                   server.contexts != NULL
                       ? server.contexts
                       : "[{\"id\":\"c0\",\"language\":\"python\",\"cwd\":\"/workspace\"}]");
    else if (strcmp(t, "/contexts") == 0)
        fake_reply(c, 200, NULL, "{\"id\":\"c0\"}");
    else if (strncmp(t, "/contexts/", 10) == 0)
        server.restarts++, fake_reply(c, 200, NULL, "{}");
    else if (strncmp(t, "/files", 6) == 0)
        fake_reply(c, 200, NULL, get ? "hi" : "[]");
    else
        fake_reply(c, 204, NULL, "");
}

/* ---- what the sandbox tells */

static void take_finished(const struct sandbox_finished *f)
{
    told.finished++;
    told.end = f->end;
    told.code = f->code;
    told.has_code = f->has_code;
    told.state_lost = f->state_lost;
    told.check_ran = f->check_ran;
    told.check_ok = f->check_ok;
    snprintf(told.message, sizeof told.message, "%s", f->message);
    snprintf(told.error_name, sizeof told.error_name, "%s", f->error_name);
    snprintf(told.check_text, sizeof told.check_text, "%s", f->check_text);
}

static void keep_err(struct err *to, const struct err *e)
{
    *to = e != NULL ? *e : (struct err)ERR_INIT;
}

static inline void on_sandbox(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    (void)arg, (void)s;
    assert_int_equal(told.closed, 0); /* CLOSED is the last */
    switch (ev->kind) {
    case SANDBOX_READY:
        told.ready++;
        told.again = ev->again;
        break;
    case SANDBOX_FAILED:
        told.failed++;
        told.why = *ev->err;
        break;
    case SANDBOX_OUTPUT:
        told.outputs++;
        break;
    case SANDBOX_RESULT:
        told.results++;
        break;
    case SANDBOX_STATE:
        told.states++;
        break;
    case SANDBOX_RESTORED:
        told.restored++;
        told.kept = ev->kept_count;
        break;
    case SANDBOX_FILE_DONE:
        told.files++;
        keep_err(&told.file, ev->err);
        break;
    case SANDBOX_COMPLETION:
        told.names++;
        break;
    case SANDBOX_PAUSED:
        told.paused++;
        keep_err(&told.pausing, ev->err);
        told.awake = ev->err != NULL && !ev->confirmed;
        break;
    case SANDBOX_SNAPSHOT:
        told.snapshots++;
        keep_err(&told.snap, ev->err);
        snprintf(told.snapshot, sizeof told.snapshot, "%s", ev->id != NULL ? ev->id : "");
        break;
    case SANDBOX_QUEUED:
        told.queued++;
        break;
    case SANDBOX_LEASE:
        told.leases++;
        break;
    case SANDBOX_FINISHED:
        take_finished(ev->finished);
        break;
    case SANDBOX_CLOSED:
        told.closed++;
        told.confirmed = ev->confirmed;
        break;
    default:
        fail_msg("event %d", ev->kind);
    }
}

static inline int64_t allowance(void *arg)
{
    (void)arg;
    return money;
}

static inline const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "E2B_API_KEY") == 0)
        return "e2b_0123456789012345678901234567890123456789";
    bool url = strcmp(name, "E2B_API_URL") == 0 || strcmp(name, "E2B_SANDBOX_URL") == 0;
    return url ? "http://127.0.0.1:9" : NULL;
}

/* ---- one sandbox */

static inline struct sandbox_config config(void)
{
    return (struct sandbox_config){ .loop = lp,
                                    .net = net,
                                    .setting = setting,
                                    .contract = &terms,
                                    .image = "base,snapshots=2",
                                    .label = LABEL,
                                    .allowance = allowance,
                                    .sink = on_sandbox,
                                    .check_body = on_body };
}

/* Until *count is at least `want`, or it is closed. */
static inline void await(const unsigned *count, unsigned want)
{
    box_await(count, want, &told.closed);
}

static inline void set_up(void)
{
    memset(&server, 0, sizeof server);
    memset(&told, 0, sizeof told);
    server.lines = PRINTS OVER;
    server.frames[0] = STARTS;
    server.frames[1] = SAYS;
    server.frames[2] = EXITS;
    server.last = "{}";
    money = -1;
    terms = (struct contract){
        .lifecycle = LIFECYCLE_SESSION, .ttl_s = 86400, .timeout_s = 30, .output_mib = 1
    };
    box_set_up(serve);
}

static inline void open_with(const struct sandbox_config *cfg)
{
    struct err e = ERR_INIT;
    if (sandbox_e2b.open(&box, cfg, &e) < 0)
        fail_msg("%s", e.msg);
}

static inline void open_box(void)
{
    struct sandbox_config cfg = config();
    open_with(&cfg);
}

static inline struct sandbox_run request(const char *language, const char *code)
{
    return (struct sandbox_run){ .run = told.finished + 1,
                                 .language = language,
                                 .interpreter = language,
                                 .code = code,
                                 .code_len = strlen(code),
                                 .cwd = E2B_WORKSPACE,
                                 .input = "",
                                 .check_code = "" };
}

static inline void start(const struct sandbox_run *rq)
{
    struct err e = ERR_INIT;
    if (box->ops->exec(box, rq, &e) < 0)
        fail_msg("%s", e.msg);
}

static inline void start_code(const char *language, const char *code)
{
    struct sandbox_run rq = request(language, code);
    start(&rq);
}

/* A request is there that is not answered. */
static inline void await_held(void)
{
    struct err e = ERR_INIT;
    for (unsigned i = 0; i < 500 && server.held == NULL; i++)
        assert_int_equal(loop_turn(lp, 1, &e), 0);
    assert_non_null(server.held);
}

/* The code is there and says nothing yet. */
static inline void await_stream(void)
{
    struct err e = ERR_INIT;
    for (unsigned i = 0; i < 500 && server.stream == NULL; i++)
        assert_int_equal(loop_turn(lp, 1, &e), 0);
    assert_non_null(server.stream);
}

static inline void tear_down(void)
{
    box_tear_down();
}

#endif
