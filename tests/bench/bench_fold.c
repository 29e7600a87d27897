/* bench_fold.c - the fold over a long session, without a reducer (`replay`). */
#include "bench.h"
#include "sessions/store.h"

static int append_delta(struct store *s, struct err *e)
{
    static const char body[] = "{\"text\":\"what a planner says in one delta of its stream\","
                               "\"author\":\"planner\"}";
    struct event ev = { .type = EVENT_PLANNER_MESSAGE, .json = body, .json_len = sizeof body - 1 };
    return store_append(s, &ev, e);
}

static int count_event(void *arg, const struct event *ev)
{
    *(long *)arg += ev->body != NULL;
    return 0;
}

static int ours(long n)
{
    struct err e = ERR_INIT;
    struct store *s;
    struct verify_report report;
    char *dir = bench_make_dir();
    long seen = 0;
    if (store_create(&s, dir, "bench", &e) < 0)
        goto failed;
    for (long i = 0; i < n; i++) {
        if (append_delta(s, &e) < 0)
            goto failed;
    }
    if (store_flush(s, &e) < 0)
        goto failed;
    double start = bench_now();
    if (store_each(s, 0, 0, count_event, &seen, &e) < 0 || seen != n)
        goto failed;
    printf("%f\n", (double)n / (bench_now() - start));
    start = bench_now();
    if (store_verify(s, &report, &e) < 0 || report.result != VERIFY_WHOLE)
        goto failed;
    printf("%f\n", (double)n / (bench_now() - start));
    store_close(s);
    bench_remove_dir(dir);
    return 0;
failed:
    fprintf(stderr, "%s\n", e.msg);
    return 1;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "fold", "events/s", BENCH_TIME, true, 400000, .ours = 0, .reference = 1300000 },
        { "fold.ratio", "events/s", BENCH_RATIO, true, 0.25, .ours = 0, .floor = 0 },
        { "fold.verify", "events/s", BENCH_TIME, true, 150000, .ours = 1, .reference = 1300000 },
    };
    if (argc == 3 && strcmp(argv[1], "ours") == 0)
        return ours(atol(argv[2]));
    char n[32];
    snprintf(n, sizeof n, "%ld", bench_size(1000000));
    const char *ours_argv[] = { argv[0], "ours", n, NULL };
    const char *floor_argv[] = { bench_beside(argv[0], "floor_fold"), n, NULL };
    struct bench_plan plan = { .ours = ours_argv, .floor = floor_argv, .pairs = 3 };
    return bench_goals(&plan, goals, 3);
}
