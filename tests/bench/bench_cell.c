/* bench_cell.c - own code through session, gate, sandbox and record, in this process: a cell in a
 * running kernel (`cell`), the first one of all (`kernel-start`), and from the person's decision to
 * the first byte that leaves (`gate`; the 30 ms in which the key must stay alone are not in it). */
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/loop.h"
#include "bench.h"
#include "cli/app.h"
#include "cli/session.h"

#define CELLS   150
#define GATES   60
#define STARTS  8
#define CAPSULE 4096

static struct err e;
static unsigned syncs;

/* SQLite's calls come here: how often a decision waits for the disk. */
int fdatasync(int fd);
int fdatasync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd);
int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

static void check(int rc)
{
    if (rc < 0)
        bench_die(e.msg);
}

/* ---- a session that nobody looks at ---- */

struct ear {
    bool asked, started, said, finished, failed, told; /* told: its variables are known */
    double finished_at, said_at;
    unsigned syncs; /* until it finished */
};

static void on_applied(void *arg, const struct event *ev)
{
    struct ear *h = arg;
    if (ev->type == EVENT_RUN_STARTED)
        h->started = true;
    if (ev->type == EVENT_RUN_OUTPUT && !h->said) {
        h->said = true;
        h->said_at = bench_now();
    }
    if (ev->type == EVENT_RUN_FINISHED)
        h->failed = strcmp(json_get_str(ev->body, "end", ""), "exit") != 0;
    if (ev->type == EVENT_STATE_CHANGED)
        h->told = true;
    if (ev->type != EVENT_RUN_VERDICT)
        return;
    h->finished = true;
    h->finished_at = bench_now();
    h->syncs = syncs - h->syncs;
}

static void on_ask(void *arg, uint32_t run, const char *why)
{
    (void)run, (void)why;
    ((struct ear *)arg)->asked = true;
}

static void on_failed(void *arg, const struct err *why)
{
    (void)arg;
    bench_die(why->msg);
}

static struct app app;
static struct session *session;
static struct ear ear;

static void turn(void)
{
    check(loop_turn(app.loop, 20000, &e));
}

static void open_session(void)
{
    struct session_listener l = {
        .applied = on_applied, .ask = on_ask, .failed = on_failed, .arg = &ear
    };
    struct session_spec spec = { .planner = "human",
                                 .sandbox = "local",
                                 .contract = &app.contract };
    check(session_create(&session, &app, &spec, &l, &e));
}

static void grant_lease(void)
{
    struct round_lease l = { .minutes = 60 };
    check(round_grant_lease(session_round(session), &l, &e));
}

static void propose(const char *code, size_t len)
{
    struct round_own own = { .language = "python", .code = code, .code_len = len };
    ear = (struct ear){ .syncs = syncs };
    check(round_own_code(session_round(session), &own, &e));
}

static void finish(void)
{
    while (!ear.finished)
        turn();
    if (ear.failed)
        bench_die("the code did not run to its end");
}

static void settle(void)
{
    finish();
    round_save_now(session_round(session));
    while (!round_is_quiet(session_round(session)))
        turn();
    /* As 50 ms later by itself: the next cell does not pay for this one's variables. */
    check(store_flush(session_store(session), &e));
}

/* ms until run.finished and run.verdict are on disk: they are one commit. The next may begin when
 * the variables are told: one cell after the other, as the peer is asked for them, and as a runbook
 * or a model goes on. */
static double run_cell(const char *code)
{
    double start = bench_now();
    propose(code, strlen(code));
    finish();
    while (!ear.told)
        turn();
    return (ear.finished_at - start) * 1e3;
}

/* ---- what is measured ---- */

static void measure_cells(void)
{
    double set[CELLS], print[CELLS], each[CELLS];
    open_session();
    grant_lease();
    (void)run_cell("x = 0");
    for (int i = 0; i < CELLS; i++) {
        set[i] = run_cell("x = 1");
        each[i] = ear.syncs;
    }
    for (int i = 0; i < CELLS; i++)
        print[i] = run_cell("print(1)");
    session_close(session);
    bench_print3(set, CELLS);
    bench_print3(print, CELLS);
    printf("%f\n", bench_quantile(each, CELLS, 0.5));
}

static void measure_gate(void)
{
    static char code[CAPSULE];
    double ms[GATES], each[GATES];
    memset(code, '#', sizeof code);
    memcpy(code, "x = 1\n", 6);
    open_session();
    for (int i = -1; i < GATES; i++) {
        propose(code, sizeof code);
        while (!ear.asked)
            turn();
        struct round_decide d = { .decision = DECIDE_APPROVE,
                                  .by = "person",
                                  .reason = "",
                                  .capsule = session_state(session)->gate.capsule,
                                  .seen_lines = 2 };
        unsigned before = syncs;
        double start = bench_now();
        check(round_decide(session_round(session), &d, &e));
        while (!ear.started)
            turn();
        /* The turn in which run.started was recorded also checked and sent the request. */
        if (i >= 0) {
            ms[i] = (bench_now() - start) * 1e3;
            each[i] = syncs - before;
        }
        settle();
    }
    session_close(session);
    bench_print3(ms, GATES);
    printf("%f\n", bench_quantile(each, GATES, 0.5));
}

static void measure_starts(void)
{
    double ms[STARTS];
    for (int i = 0; i < STARTS; i++) {
        open_session();
        grant_lease();
        double start = bench_now();
        propose("print(1)", 8);
        settle();
        if (!ear.said)
            bench_die("nothing was printed");
        ms[i] = (ear.said_at - start) * 1e3;
        session_close(session);
    }
    bench_print3(ms, STARTS);
}

static int ours(const char *what)
{
    char *dir = bench_make_dir(), config[300];
    check(launcher_start(&app.launcher, &e));
    snprintf(config, sizeof config, "%s/config.ini", dir);
    app.opt.data = dir;
    app.opt.config = config;
    setenv("XDG_STATE_HOME", dir, 1);
    setenv("XDG_RUNTIME_DIR", dir, 1);
    check(app_init(&app, &e));
    check(app_need_loop(&app, &e));
    const struct sandbox_ops *local = sandbox_find("local");
    const struct sandbox_host host = { .launcher = app.launcher };
    if (local == NULL || local->available(&host, &e) < 0) {
        fprintf(stderr, "# %s\n", e.msg);
        bench_remove_dir(dir);
        return BENCH_MISSING;
    }
    if (strcmp(what, "cells") == 0)
        measure_cells();
    else if (strcmp(what, "gate") == 0)
        measure_gate();
    else
        measure_starts();
    app_release(&app);
    launcher_stop(app.launcher);
    bench_remove_dir(dir);
    return 0;
}

int main(int argc, char **argv)
{
    /* Floors: echo by a bare python 0.058 ms, a commit's fdatasync 0.12 ms, both twice or once. */
    static const struct bench_goal cells[] = {
        { "cell", "ms", BENCH_PEER, false, 0.2, .ours = 0, .peer = 0, .p95 = 1, .max = 2 },
        { "cell.set", "ms", BENCH_TIME, false, 0.5, .ours = 0, .floor = 0, .reference = 0.3 },
        { "cell.print", "ms", BENCH_TIME, false, 0.5, .ours = 3, .floor = 0, .reference = 0.3 },
        { "cell.syncs", "a cell", BENCH_VALUE, false, 2, .ours = 6 },
    };
    static const struct bench_goal gate[] = {
        { "gate", "ms", BENCH_OVER, false, 1, .ours = 0, .floor = 4, .p95 = 1, .max = 2 },
        { "gate.syncs", "a decision", BENCH_VALUE, false, 2, .ours = 3 },
    };
    static const struct bench_goal starts[] = {
        { "kernel-start", "ms", BENCH_TIME, false, 40, .ours = 0, .p95 = 1, .max = 2,
          .reference = 23 },
        { "kernel-start.peer", "ms", BENCH_PEER, false, 0.05, .ours = 0, .peer = 2 },
    };
    if (argc == 2)
        return ours(argv[1]);
    const char *c[] = { argv[0], "cells", NULL }, *g[] = { argv[0], "gate", NULL };
    const char *s[] = { argv[0], "starts", NULL };
    const char *floor[] = { bench_beside(argv[0], "floor_cell"), NULL };
    const char *floor_start[] = { bench_beside(argv[0], "floor_kernel"), NULL };
    const char *peer[] = { "/usr/bin/python3", "-I", "tests/bench/peer_ipykernel.py", NULL };
    struct bench_plan plan = { .ours = c, .floor = floor, .peer = peer, .peer_name = "ipykernel" };
    int rc = bench_goals(&plan, cells, sizeof cells / sizeof cells[0]);
    plan.ours = g;
    plan.peer = NULL;
    rc |= bench_goals(&plan, gate, sizeof gate / sizeof gate[0]);
    plan = (struct bench_plan){
        .ours = s, .floor = floor_start, .peer = peer, .peer_name = "ipykernel", .pairs = 3
    };
    return rc | bench_goals(&plan, starts, sizeof starts / sizeof starts[0]);
}
