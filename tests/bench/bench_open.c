/* bench_open.c - the list with 10 000 sessions, and opening a session of 1 000 events (`open`). */
#include <fcntl.h>

#include "bench.h"
#include "sessions/index.h"
#include "sessions/store.h"

#define SESSIONS 10000
#define TIMES    30

static struct err e;

static void check(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "%s\n", e.msg);
        exit(1);
    }
}

static void make_session(const char *dir, const char *id, int events)
{
    static const char created[] = "{\"planner\":\"human\",\"model\":\"\",\"sandbox\":\"local\","
                                  "\"contract\":{},\"contract_digest\":\"00\",\"version\":\"0\"}";
    static const char note[] =
        "{\"text\":\"what a planner says in one delta\",\"author\":\"planner\"}";
    struct store *s;
    struct event first = { .type = EVENT_SESSION_CREATED,
                           .json = created,
                           .json_len = sizeof created - 1 };
    check(store_create(&s, dir, id, &e));
    check(store_append(s, &first, &e));
    for (int i = 1; i < events; i++) {
        struct event ev = { .type = EVENT_PLANNER_MESSAGE,
                            .json = note,
                            .json_len = sizeof note - 1 };
        check(store_append(s, &ev, &e));
    }
    check(store_flush(s, &e));
    store_close(s);
}

static int count_entry(void *arg, const struct index_entry *entry)
{
    (void)entry;
    ++*(int *)arg;
    return 0;
}

static int count_event(void *arg, const struct event *ev)
{
    *(int *)arg += ev->body != NULL;
    return 0;
}

static void list_once(const char *dir, bool refresh)
{
    struct index *ix;
    int n = 0;
    check(index_open(&ix, dir, &e));
    if (refresh)
        check(index_refresh(ix, &e));
    check(index_list(ix, NULL, false, 50, count_entry, &n, &e));
    index_close(ix);
    if (n != 50)
        exit(1);
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

/* 10 000 names of one session: what is measured is the looking, not the disk they would fill. */
static double fill(const char *data, const char *sessions)
{
    char first[400], path[400];
    make_session(sessions, "s00000", 20);
    snprintf(first, sizeof first, "%s/s00000.db", sessions);
    for (int i = 1; i < SESSIONS; i++) {
        snprintf(path, sizeof path, "%s/s%05d.db", sessions, i);
        if (link(first, path) < 0)
            exit(1);
    }
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL); /* old enough to be trusted */
    double start = bench_now();
    list_once(data, true);
    return bench_now() - start;
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
    double rebuild = fill(data, sessions);
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    list_once(data, true);
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
        { "list", "ms warm, 50 of 10 000", 0, -1, 2, false },
        { "list-cold", "ms", 1, -1, 10, false },
        { "list-floor", "to raw SQLite", 0, 0, 3, false },
        { "list-stale", "ms without a refresh", 2, -1, 2, false },
        { "list-changed", "ms after the directory changed", 3, -1, 40, false },
        { "list-rebuild", "us a session", 4, -1, 1000, false },
        { "open", "ms to fold 1 000 events", 5, -1, 5, false },
        { "open-floor", "to raw SQLite", 5, 1, 8, false },
        { "open-write", "ms to fold 1 000 events", 6, -1, 5, false },
    };
    if (argc == 2 && strcmp(argv[1], "ours") == 0)
        return ours();
    const char *ours_argv[] = { argv[0], "ours", NULL };
    const char *floor_argv[] = { bench_beside(argv[0], "floor_open"), NULL };
    return bench_pairs(ours_argv, floor_argv, goals, 9);
}
