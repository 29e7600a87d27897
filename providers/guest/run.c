/* run.c - one execution, from its request to its one `done`. */
#include "guest.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARS_US 3000000 /* for an interpreter to tell its variables */

struct run run;

static void finish(void);
static void run_check(void);

void run_reset(void)
{
    struct run old = run;
    memset(&run, 0, sizeof run);
    run.store = old.store;
    run.argv = old.argv;
    run.said = old.said;
    run.check_said = old.check_said;
    run.said.n = run.check_said.n = 0;
    memcpy(run.what, old.what, sizeof run.what);
}

static struct str stored(struct piece p)
{
    return (struct str){ run.store.p + p.at, p.n };
}

static void fail(const char *message)
{
    run.failed = true;
    if (run.message[0] == '\0')
        snprintf(run.message, sizeof run.message, "%s", message);
    finish();
}

/* ---- beginning */

/* What is still in the pipes belongs to no run. */
static void note_background(struct interp *in)
{
    while (run_wants_pipe(in, 0) &&
           stream_relay(FRAME_OUTPUT, STREAM_BACKGROUND | 1, in->out[0], stream_room()) > 0) {
    }
    while (run_wants_pipe(in, 1) &&
           stream_relay(FRAME_OUTPUT, STREAM_BACKGROUND | 2, in->err[0], stream_room()) > 0) {
    }
}

static void begin(void)
{
    struct interp *in = run.in;
    struct str code = stored(run.code), check = stored(run.check), cwd = stored(run.cwd);
    struct str input = stored(run.input);
    struct bytes m = { 0 };
    bool python = in->language == LANG_PYTHON;
    bool chdir = cwd.n > 0 && (in->cwd.n != cwd.n || memcmp(in->cwd.p, cwd.p, cwd.n) != 0);

    bytes_add(&m, cwd.p, cwd.n + 1);
    for (size_t i = 0; i < run.argc; i++)
        bytes_add(&m, stored(run.argv[i]).p, run.argv[i].n + 1);
    interp_fill(in->args, &in->args_len, m.p, m.n);
    interp_fill(in->input, &in->input_len, input.p, input.n);
    m.n = 0;
    bytes_add(&m, code.p, code.n);
    if (python)
        bytes_add(&m, check.p, check.n);
    size_t have = SIZE_MAX;
    interp_fill(in->code, &have, m.p, m.n);
    m.n = 0;
    note_background(in);
    bytes_addf(&m, "{\"t\":\"begin\",\"run\":%u}", run.id);
    stream_control(&m);
    m.n = 0;
    bytes_addf(&m,
               "{\"t\":\"exec\",\"run\":%u,\"code\":%zu,\"check\":%zu,\"chdir\":%d,\"argc\":%zu,"
               "\"args\":%zu,\"input\":%zu}\n",
               run.id, code.n, python ? check.n : 0, chdir, run.argc, in->args_len, input.n);
    in->cwd.n = 0;
    bytes_add(&in->cwd, cwd.p, cwd.n);
    in->busy = true;
    in->vars_run = 0;
    run.state = RUN_ON;
    run.begin_us = now_us();
    limits_begin();
    interp_send(in, &m, -1);
    bytes_free(&m);
}

void run_request(void)
{
    struct str language = stored(run.language);
    int i = language_find(language.p, language.n);
    char why[256] = "no such language in this sandbox";
    scan_baseline();
    run.state = RUN_STARTING;
    run.begin_us = now_us();
    limits_starting();
    if (run.failed) {
        finish();
        return;
    }
    if (i < 0 || !interp_start(&interps[i], stored(run.interpreter).p, why, sizeof why)) {
        fail(why);
        return;
    }
    run.in = &interps[i];
    if (run.in->ready)
        begin();
}

void run_interp_ready(struct interp *in)
{
    if (run.state == RUN_STARTING && run.in == in)
        begin();
    else if (run.state == RUN_CHECKING && in->language == LANG_PYTHON && !run.check_asked)
        run_check();
}

/* ---- output */

static bool counts(const struct interp *in)
{
    return run.in == in && (run.state == RUN_ON || run.state == RUN_DRAIN);
}

bool run_wants_pipe(const struct interp *in, int which)
{
    if (in->args <= 0 || stream_room() == 0)
        return false;
    return !(run.state == RUN_DRAIN && run.in == in && run.left[which] == 0);
}

static size_t readable(int fd)
{
    int n = 0;
    return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static void after_drain(void)
{
    if (run.state != RUN_DRAIN || run.left[0] != 0 || run.left[1] != 0)
        return;
    bool ended = !run.died || run.said.n > 0;
    if (run.check.n > 0 && run.in->language != LANG_PYTHON && ended && run.why == WHY_NONE) {
        run_check();
    } else if (run.died && run.in->language == LANG_PYTHON && frozen_any()) {
        run.state = RUN_RESUMING;
        frozen_take_over();
    } else {
        finish();
    }
}

static void relay(struct interp *in, int which)
{
    int fd = which == 0 ? in->out[0] : in->err[0];
    unsigned id = (unsigned)which + 1;
    size_t max = stream_room();
    if (!run_wants_pipe(in, which))
        return;
    if (run.state == RUN_DRAIN && run.in == in && run.left[which] < max)
        max = run.left[which];
    ssize_t n = stream_relay(FRAME_OUTPUT, counts(in) ? id : id | STREAM_BACKGROUND, fd, max);
    if (counts(in) && n > 0)
        run.bytes[which] += (uint64_t)n;
    if (run.state == RUN_DRAIN &&
        run.in == in) /* nothing though FIONREAD said so: someone took it */
        run.left[which] = n > 0 ? run.left[which] - (size_t)n : 0;
}

void run_relay(struct interp *in)
{
    relay(in, 0);
    relay(in, 1);
    after_drain();
}

static void drain(void)
{
    run.state = RUN_DRAIN;
    run.left[0] = readable(run.in->out[0]);
    run.left[1] = readable(run.in->err[0]);
    if (run.left[0] + run.left[1] > 0)
        run_relay(run.in);
    else
        after_drain();
}

/* ---- ending */

void run_interp_done(struct interp *in, struct str line)
{
    if ((uint32_t)json_int(line, "run", 0) != run.id)
        return;
    if (run.state == RUN_CHECKING && in->language == LANG_PYTHON && run.check_asked) {
        in->busy = false;
        run.check_said.n = 0;
        bytes_add(&run.check_said, line.p, line.n);
        finish();
    } else if (run.state == RUN_ON && run.in == in) {
        in->busy = false;
        bytes_add(&run.said, line.p, line.n);
        if (run.why == WHY_TIMEOUT)
            procs_sweep(run.begin_us);
        drain();
    }
}

/* The check of a run in another language: python, in the same sandbox. */
static void run_check(void)
{
    struct interp *py = &interps[LANG_PYTHON];
    struct str check = stored(run.check), cwd = stored(run.cwd);
    struct bytes m = { 0 };
    char why[256] = "";
    run.state = RUN_CHECKING;
    if (!interp_start(py, setup.python.n > 0 ? setup.python.p : "/usr/bin/python3", why,
                      sizeof why)) {
        finish();
        return;
    }
    if (!py->ready)
        return;
    run.check_asked = py->busy = true;
    size_t have = SIZE_MAX;
    interp_fill(py->args, &py->args_len, cwd.p, cwd.n + 1);
    interp_fill(py->code, &have, check.p, check.n);
    bytes_addf(&m, "{\"t\":\"check\",\"run\":%u,\"check\":%zu,\"chdir\":1,\"args\":%zu}\n", run.id,
               check.n, py->args_len);
    interp_send(py, &m, -1);
    bytes_free(&m);
}

void run_interp_died(struct interp *in, int status)
{
    if (run.state == RUN_CHECKING && in->language == LANG_PYTHON) {
        finish();
        return;
    }
    if (run.state == RUN_NONE || run.in != in) {
        if (in->language == LANG_PYTHON && frozen_any())
            frozen_take_over();
        struct bytes m = { 0 };
        bytes_addf(&m, "{\"t\":\"died\",\"language\":\"%s\",\"code\":%d,\"signal\":%d}",
                   language_names[in->language], WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        stream_control(&m);
        bytes_free(&m);
        return;
    }
    run.died = run.lost = true;
    run.status = status;
    if (run.state == RUN_STARTING) {
        fail(in->why[0] != '\0' ? in->why : "the interpreter ended before it was ready");
    } else if (run.state == RUN_ON) {
        if (run.why != WHY_NONE)
            procs_sweep(run.begin_us);
        drain();
    }
}

void run_resumed(uint32_t from)
{
    if (run.state != RUN_RESUMING)
        return; /* it died between runs, or beside one of another language */
    run.resumed = from;
    run.lost = from == 0;
    finish();
}

static const char *end_word(void)
{
    if (run.failed)
        return run.what[0] != '\0' ? "limit" : "sandbox";
    if (run.why == WHY_TIMEOUT)
        return "timeout";
    if (run.why == WHY_MEMORY)
        return "oom";
    if (run.why == WHY_INTERRUPT &&
        (run.died || json_int((struct str){ run.said.p, run.said.n }, "interrupted", 0) != 0))
        return "interrupted";
    return run.died && run.said.n == 0 && WIFSIGNALED(run.status) ? "signal" : "exit";
}

static void add_exists(struct bytes *m)
{
    bytes_addf(m, ",\"exists\":[");
    for (size_t i = 0; i < run.existc; i++) {
        struct stat st;
        bool there = chdir(GUEST_WORKSPACE) == 0 && stat(stored(run.exists[i]).p, &st) == 0;
        bytes_addf(m, "%s%s", i > 0 ? "," : "", there ? "true" : "false");
    }
    bytes_addf(m, "]");
}

static bool disk_is_full(void)
{
    static const char *const dirs[] = { GUEST_WORKSPACE, "/tmp", "/dev/shm" };
    struct statfs s;
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (statfs(dirs[i], &s) == 0 && s.f_blocks > 0 && s.f_bavail == 0)
            return true;
    }
    return false;
}

static void send_done(const char *end)
{
    struct str said = { run.said.p, run.said.n };
    struct bytes m = { 0 };
    bool exited = run.died && run.said.n == 0 && WIFEXITED(run.status);
    int64_t code = exited ? WEXITSTATUS(run.status) : json_int(said, "code", -1);
    bytes_addf(
        &m, "{\"t\":\"done\",\"run\":%u,\"end\":\"%s\",\"wall_us\":%lld,\"out\":%llu,\"err\":%llu",
        run.id, end, (long long)(now_us() - run.begin_us), (unsigned long long)run.bytes[0],
        (unsigned long long)run.bytes[1]);
    if (code >= 0)
        bytes_addf(&m, ",\"code\":%lld", (long long)code);
    if (run.died && run.said.n == 0 && WIFSIGNALED(run.status))
        bytes_addf(&m, ",\"signal\":%d", WTERMSIG(run.status));
    if (run.what[0] != '\0')
        bytes_addf(&m, ",\"what\":\"%s\"", run.what);
    bytes_addf(&m, ",\"lost\":%s,\"resumed\":%u", run.lost ? "true" : "false", run.resumed);
    if (run.message[0] != '\0') {
        bytes_addf(&m, ",\"message\":");
        bytes_add_json(&m, run.message, strlen(run.message));
    }
    if (!run.failed)
        add_exists(&m);
    if (disk_is_full())
        bytes_addf(&m, ",\"disk_full\":true");
    if (run.said.n > 0) {
        bytes_addf(&m, ",\"of\":");
        bytes_add(&m, run.said.p, run.said.n);
    }
    if (run.check_said.n > 0) {
        bytes_addf(&m, ",\"check\":");
        bytes_add(&m, run.check_said.p, run.check_said.n);
    }
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
}

static void send_files(void)
{
    struct bytes m = { 0 };
    bool truncated = false;
    bytes_addf(&m, "{\"t\":\"files\",\"run\":%u,\"files\":", run.id);
    scan_changes(&m, &truncated);
    bytes_addf(&m, ",\"truncated\":%s}", truncated ? "true" : "false");
    stream_control(&m);
    bytes_free(&m);
}

static void ask_for_state(void)
{
    struct interp *in = run.in;
    if (run.id != PROBE_RUN && in != NULL && in->pid != 0 && in->ready && !run.died) {
        if (in->language == LANG_PYTHON) {
            frozen_make(in, run.id, run.checkpoint && !setup.once);
        } else {
            in->vars_run = run.id;
            in->vars_until_us = now_us() + VARS_US;
        }
        return;
    }
    state_unknown(run.id);
}

static void finish(void)
{
    const char *end = end_word();
    if (run.in != NULL)
        run.in->busy = false;
    send_done(end);
    stream_flush();
    if (setup.once)
        procs_sweep(run.begin_us);
    send_files();
    ask_for_state();
    run.state = RUN_NONE;
    run.in = NULL;
    run.what[0] = '\0';
    if (run.store.cap > (1u << 20))
        bytes_free(&run.store);
}

void run_abandon(void)
{
    run.died = true;
    interp_kill(run.in, SIGKILL);
    interp_forget_streams(run.in);
    finish();
}
