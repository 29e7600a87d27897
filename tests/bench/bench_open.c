/* bench_open.c - the list with 10 000 sessions, and opening a session of 1 000 events (`open`). */
#include <fcntl.h>

#include "sessions.h"

#define TIMES 30

static int count_event(void *arg, const struct event *ev)
{
    *(int *)arg += ev->body != NULL;
    return 0;
}

static void forget_cache(const char *path)
{
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        fdatasync(fd);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
}

static void touch_dir(const char *dir)
{
    char path[400];
    snprintf(path, sizeof path, "%s/x", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    unlink(path);
}

enum how { STALE, QUIET, CHANGED, COLD };

static double list_ms(const char *data, const char *sessions, enum how how)
{
    double ms[TIMES];
    char index[400];
    snprintf(index, sizeof index, "%s/index.db", data);
    for (int i = 0; i < TIMES; i++) {
        if (how == CHANGED)
            touch_dir(sessions);
        if (how == COLD)
            forget_cache(index);
        double start = bench_now();
        list_once(data, how != STALE);
        ms[i] = (bench_now() - start) * 1e3;
    }
    return bench_quantile(ms, TIMES, 0.5);
}

static double open_ms(const char *path, bool writing)
{
    double ms[TIMES];
    for (int i = 0; i < TIMES; i++) {
        struct store *s;
        int n = 0;
        double start = bench_now();
        check(writing ? store_open(&s, path, &e) : store_open_read(&s, path, &e));
        check(store_each(s, 0, 0, count_event, &n, &e));
        ms[i] = (bench_now() - start) * 1e3;
        store_close(s);
        if (n != 1000)
            exit(1);
    }
    return bench_quantile(ms, TIMES, 0.5);
}

static int ours(void)
{
    char *data = bench_make_dir(), sessions[300], one[400];
    snprintf(sessions, sizeof sessions, "%s/sessions", data);
    double rebuild = fill_sessions(data);
    printf("%f %f", list_ms(data, sessions, QUIET), list_ms(data, sessions, COLD));
    printf(" %f %f", list_ms(data, sessions, STALE), list_ms(data, sessions, CHANGED));
    printf(" %f", rebuild * 1e6 / SESSIONS);
    snprintf(sessions, sizeof sessions, "%s/other", data);
    make_session(sessions, "big", 1000);
    snprintf(one, sizeof one, "%s/big.db", sessions);
    printf(" %f %f\n", open_ms(one, false), open_ms(one, true));
    bench_remove_dir(data);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "open.list", "ms", BENCH_TIME, false, 2, .ours = 0, .reference = 0.33 },
        { "open.list-cold", "ms", BENCH_VALUE, false, 10, .ours = 1 },
        { "open.list-ratio", "ms", BENCH_RATIO, false, 3, .ours = 0, .floor = 0 },
        { "open.list-stale", "ms", BENCH_TIME, false, 2, .ours = 2, .reference = 0.33 },
        { "open.list-changed", "ms", BENCH_TIME, false, 40, .ours = 3, .reference = 0.33 },
        { "open.list-rebuild", "us/session", BENCH_TIME, false, 1000, .ours = 4,
          .reference = 0.33 },
        { "open", "ms", BENCH_TIME, false, 5, .ours = 5, .floor = 1, .reference = 0.8 },
        { "open.ratio", "ms", BENCH_RATIO, false, 8, .ours = 5, .floor = 1 },
        { "open.write", "ms", BENCH_TIME, false, 5, .ours = 6, .floor = 1, .reference = 0.8 },
    };
    if (argc == 2 && strcmp(argv[1], "ours") == 0)
        return ours();
    const char *ours_argv[] = { argv[0], "ours", NULL };
    const char *floor_argv[] = { bench_beside(argv[0], "floor_open"), NULL };
    struct bench_plan plan = { .ours = ours_argv, .floor = floor_argv, .pairs = 3 };
    return bench_goals(&plan, goals, sizeof goals / sizeof goals[0]);
}
