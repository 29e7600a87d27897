/* bench_start.c - from nothing to `--version` and to the first screen with 10 000 sessions
 * (`start`), what that holds in memory (`rss`), and what it does when nobody does anything
 * (`frame.idle`). */
#include <fcntl.h>
#include <spawn.h>

#include "bench_peers.h"
#include "sessions.h"

#define VERSIONS 40
#define SCREENS  7
#define IDLE_S   3

/* ms from spawn to exit, output thrown away. */
static double run_once(const char *program, const char *arg)
{
    static const char *const env[] = { "LC_ALL=C.UTF-8", NULL };
    const char *argv[] = { program, arg, NULL };
    posix_spawn_file_actions_t fa;
    pid_t pid;
    int status = -1;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
    double start = bench_now();
    if (posix_spawn(&pid, program, &fa, NULL, (char *const *)(uintptr_t)argv,
                    (char *const *)(uintptr_t)env) != 0)
        bench_die(program);
    waitpid(pid, &status, 0);
    double took = (bench_now() - start) * 1e3;
    posix_spawn_file_actions_destroy(&fa);
    if (status != 0)
        bench_die(program);
    return took;
}

static int version(const char *program, const char *arg)
{
    double ms[VERSIONS];
    for (int i = 0; i < VERSIONS; i++)
        ms[i] = run_once(program, arg);
    bench_print3(ms, VERSIONS);
    return 0;
}

/* ---- the first screen ---- */

static int first_screen(const char *argv0, const char *who, const char *data)
{
    static struct tty t;
    double first[SCREENS], shown[SCREENS], bytes[SCREENS];
    for (int i = 0; i < SCREENS; i++) {
        char *home = bench_make_dir();
        struct peer p = peer_find(argv0, who, home);
        if (strcmp(who, "ours") == 0) {
            p.argv[1] = "--data";
            p.argv[2] = data;
            p.shown = "find the cause";
        }
        tty_open(&t, 200, 60, p.argv, home, p.is_peer, -1);
        shown[i] = (tty_wait(&t, p.shown) - t.started) * 1e3;
        first[i] = (t.first - t.started) * 1e3;
        tty_settle(&t, 50);
        bytes[i] = (double)t.bytes;
        tty_close(&t, SIGKILL);
        bench_remove_dir(home);
    }
    bench_print3(shown, SCREENS);
    bench_print3(first, SCREENS);
    bench_print3(bytes, SCREENS);
    return 0;
}

/* ---- memory, and silence ---- */

/* MB: what the screen's process has, and what its helpers have of their own. */
static double tree_mb(pid_t pid)
{
    pid_t tree[64];
    size_t n = tty_tree(pid, tree, 64);
    double kb = tty_status(pid, "VmRSS:");
    for (size_t i = 1; i < n; i++) {
        double own = tty_status(tree[i], "RssAnon:");
        kb += own > 0 ? own : 0;
    }
    return kb / 1e3;
}

static double switches(pid_t pid)
{
    pid_t tree[64];
    double sum = 0;
    size_t n = tty_tree(pid, tree, 64);
    for (size_t i = 0; i < n; i++) {
        double v = tty_status(tree[i], "voluntary_ctxt_switches:");
        sum += v > 0 ? v : 0;
    }
    return sum;
}

/* Prints MB at the first screen, MB with a session of 100 events, bytes and wake-ups per idle
 * second. */
static int memory(const char *argv0, const char *data)
{
    static struct tty t;
    char *home = bench_make_dir(), own[300], sessions[400];
    const char *start[] = { peer_airlock(argv0), "--data", data, NULL };
    const char *resume[] = { peer_airlock(argv0), "--data", own, "resume", "hundred", NULL };
    snprintf(own, sizeof own, "%.280s/own", home);
    snprintf(sessions, sizeof sessions, "%s/sessions", own);
    mkdir(own, 0700);
    make_session(sessions, "hundred", 100);

    tty_open(&t, 200, 60, start, home, false, -1);
    tty_wait(&t, "find the cause");
    printf("%f ", tree_mb(t.pid)); /* before a warm sandbox is started */
    tty_run(&t, 2500);
    uint64_t bytes = t.bytes;
    double woken = switches(t.pid);
    tty_run(&t, IDLE_S * 1e3);
    double idle_bytes = (double)(t.bytes - bytes) / IDLE_S;
    double idle_woken = (switches(t.pid) - woken) / IDLE_S;
    tty_close(&t, SIGTERM);

    tty_open(&t, 200, 60, resume, home, false, -1);
    tty_wait(&t, "find the cause");
    printf("%f ", tty_status(t.pid, "VmRSS:") / 1e3);
    tty_close(&t, SIGTERM);
    printf("%f %f\n", idle_bytes, idle_woken);
    bench_remove_dir(home);
    return 0;
}

static int as_asked(char **argv, int argc)
{
    if (strcmp(argv[1], "version") == 0)
        return version(peer_airlock(argv[0]), "--version");
    if (strcmp(argv[1], "version-floor") == 0)
        return version(bench_beside(argv[0], "floor_start"), NULL);
    if (strcmp(argv[1], "memory") == 0 && argc == 3)
        return memory(argv[0], argv[2]);
    return first_screen(argv[0], argv[1], argc == 3 ? argv[2] : NULL);
}

static void say_others(const char *argv0)
{
    static const char *const others[] = { "less", "vim", "htop" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const char *other[] = { argv0, others[i], NULL };
        double v[BENCH_VALUES];
        if (bench_run(other, v) > 0)
            printf("# start.screen: %s %s ms, %s B\n", others[i], bench_number(v[0]),
                   bench_number(v[6]));
    }
}

int main(int argc, char **argv)
{
    static const struct bench_goal versions[] = {
        { "start.version", "ms", BENCH_TIME, false, 3, .p95 = 1, .max = 2, .reference = 2 },
    };
    static const struct bench_goal screens[] = {
        { "start", "ms", BENCH_PEER, false, 1, .p95 = 1, .max = 2 },
        { "start.screen", "ms", BENCH_TIME, false, 25, .reference = 2 },
    };
    static const struct bench_goal sizes[] = {
        { "rss", "MB", BENCH_VALUE, false, 15, .ours = 0 },
        { "rss.session", "MB", BENCH_VALUE, false, 20, .ours = 1 },
        { "frame.idle-bytes", "B/s", BENCH_VALUE, false, 0, .ours = 2 },
        { "frame.idle-wakeups", "/s", BENCH_VALUE, false, 0, .ours = 3 },
    };
    if (argc > 1)
        return as_asked(argv, argc);
    char *dir = bench_make_dir(), data[300];
    snprintf(data, sizeof data, "%s", dir);
    fill_sessions(data);
    const char *v_ours[] = { argv[0], "version", NULL };
    const char *v_floor[] = { argv[0], "version-floor", NULL };
    const char *s_ours[] = { argv[0], "ours", data, NULL }, *s_peer[] = { argv[0], "tig", NULL };
    const char *m_ours[] = { argv[0], "memory", data, NULL };
    struct bench_plan v = { .ours = v_ours, .floor = v_floor };
    struct bench_plan s = {
        .ours = s_ours, .floor = v_floor, .peer = s_peer, .peer_name = "tig", .floor_is_other = true
    };
    struct bench_plan m = { .ours = m_ours, .pairs = 1 };
    int rc = bench_goals(&v, versions, 1);
    rc |= bench_goals(&s, screens, 2);
    say_others(argv[0]);
    rc |= bench_goals(&m, sizes, 4);
    bench_remove_dir(data);
    return rc;
}
