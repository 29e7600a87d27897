/* bench_append.c - durable events (`append`) and streamed deltas (`append-group`) through the
 * store.
 */
#include "bench.h"
#include "sessions/store.h"

static const char text[] =
    "a piece of what a planner says, about as long as a delta of a stream is "
    "when it has been put together for one frame of the screen";

/* A gate decision as round.c writes it. */
static int append_decision(struct store *s, struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_GATE_DECIDED, 1);
    json_w_str(&b.w, "decision", "approve");
    json_w_str(&b.w, "by", "person");
    json_w_str(&b.w, "capsule", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    json_w_int(&b.w, "seen_lines", 40);
    json_w_int(&b.w, "waited_ms", 2500);
    int rc = event_end(&b, e);
    if (rc == 0)
        rc = store_append(s, &b.ev, e);
    event_release(&b);
    return rc;
}

static int append_delta(struct store *s, struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_PLANNER_MESSAGE, 0);
    json_w_strn(&b.w, "text", text, sizeof text - 1);
    json_w_str(&b.w, "author", "planner");
    int rc = event_end(&b, e);
    if (rc == 0)
        rc = store_append(s, &b.ev, e);
    event_release(&b);
    return rc;
}

/* Prints events/s, and us of an append: p50, p95, max. */
static int ours(long n, bool durable)
{
    struct err e = ERR_INIT;
    struct store *s;
    char *dir = bench_make_dir();
    double *us = calloc((size_t)n, sizeof *us), start, last;
    if (store_create(&s, dir, "bench", &e) < 0)
        goto failed;
    start = last = bench_now();
    for (long i = 0; i < n; i++) {
        if ((durable ? append_decision(s, &e) : append_delta(s, &e)) < 0)
            goto failed;
        double now = bench_now();
        us[i] = (now - last) * 1e6;
        last = now;
    }
    if (store_flush(s, &e) < 0)
        goto failed;
    printf("%f ", (double)n / (bench_now() - start));
    bench_print3(us, (size_t)n);
    store_close(s);
    bench_remove_dir(dir);
    free(us);
    return 0;
failed:
    fprintf(stderr, "%s\n", e.msg);
    return 1;
}

int main(int argc, char **argv)
{
    static const struct bench_goal durable[] = {
        { "append", "events/s", BENCH_RATIO, true, 0.7, .ours = 0, .floor = 0 },
        { "append.fdatasync", "us", BENCH_RATIO, false, 1.6, .ours = 1, .floor = 2, .p95 = 2,
          .max = 3 },
    };
    static const struct bench_goal group[] = {
        { "append-group", "events/s", BENCH_RATIO, true, 0.6, .ours = 0, .floor = 0 },
        { "append-group.abs", "events/s", BENCH_TIME, true, 25000, .ours = 0, .floor = 0,
          .reference = 40500 },
    };
    if (argc == 4 && strcmp(argv[1], "ours") == 0)
        return ours(atol(argv[2]), atol(argv[3]) == 1);
    char n[32], many[32];
    snprintf(n, sizeof n, "%ld", bench_size(16000));
    snprintf(many, sizeof many, "%ld", bench_size(400000));
    const char *floor = bench_beside(argv[0], "floor_append");
    const char *ours_one[] = { argv[0], "ours", n, "1", NULL };
    const char *floor_one[] = { floor, n, "1", NULL };
    const char *ours_many[] = { argv[0], "ours", many, "16", NULL };
    const char *floor_many[] = { floor, many, "16", NULL };
    struct bench_plan one = { .ours = ours_one, .floor = floor_one };
    struct bench_plan many_plan = { .ours = ours_many, .floor = floor_many };
    int rc = bench_goals(&one, durable, 2);
    return rc | bench_goals(&many_plan, group, 2);
}
