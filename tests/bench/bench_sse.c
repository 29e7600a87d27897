/* bench_sse.c - the streams of models through the planners: from the byte on the wire to the piece
 * of text that the program is told (`sse`, `sse-many`), and at full speed (`sse-burst`). */
#include <sys/resource.h>

#include "base/loop.h"
#include "base/net.h"
#include "providers/registry.h"
#include "sse.h"

static char url[64];
static double *us;
static size_t seen, room;
static int waiting;
static bool paced;

static void on_planner(void *arg, struct planner *p, const struct planner_event *ev)
{
    (void)arg;
    (void)p;
    if (ev->kind == PLANNER_DELTA) {
        if (paced && seen < room)
            us[seen] = (double)(sse_now_ns() - strtoll(ev->text, NULL, 10)) / 1000;
        seen++;
    } else if (ev->kind == PLANNER_WAITING) {
        waiting++;
    } else if (ev->kind == PLANNER_ERROR) {
        bench_die(ev->err->msg);
    }
}

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "ANTHROPIC_BASE_URL") == 0 || strcmp(name, "OPENAI_BASE_URL") == 0)
        return url;
    return strcmp(name, "ANTHROPIC_API_KEY") == 0 ? "sk-bench-0123456789" : NULL;
}

static int ours(char **argv)
{
    struct sse_plan plan = sse_plan_of(argv);
    struct planner *planners[SSE_STREAMS_MAX];
    struct rusage use;
    struct err e = ERR_INIT;
    struct loop *lp;
    pid_t pid;
    paced = plan.rate > 0;
    room = (size_t)plan.events * (size_t)plan.streams;
    us = calloc(room, sizeof *us);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", sse_start(&plan, &pid));
    if (loop_new(&lp, &e) < 0)
        bench_die(e.msg);
    struct net *net = net_new(lp);
    struct planner_config cfg = {
        .loop = lp, .net = net, .model = "m", .sink = on_planner, .setting = setting
    };
    const struct planner_ops *ops = plan.chat ? &planner_openai : &planner_anthropic;
    for (int i = 0; i < plan.streams; i++) {
        if (ops->open(&planners[i], &cfg, &e) < 0 || ops->task(planners[i], "go", &e) < 0)
            bench_die(e.msg);
    }
    while (seen == 0 && loop_turn(lp, 1000, &e) == 0)
        ;
    double start = bench_now(), cpu = bench_cpu();
    while (waiting < plan.streams && loop_turn(lp, 1000, &e) == 0)
        ;
    cpu = bench_cpu() - cpu;
    double wall = bench_now() - start;
    getrusage(RUSAGE_SELF, &use);
    if (paced)
        sse_print_paced(us, seen < room ? seen : room, cpu, wall);
    else
        printf("%f %f\n", (double)seen / cpu, (double)use.ru_maxrss / 1024);
    for (int i = 0; i < plan.streams; i++)
        ops->close(planners[i]);
    net_free(net);
    loop_free(lp);
    sse_stop(pid);
    free(us);
    return seen != room;
}

static int measure(const char *self, const char *dialect, int streams, int rate, long events,
                   size_t pairs, const struct bench_goal *goals, size_t count)
{
    char n[16], r[16], many[32];
    snprintf(n, sizeof n, "%d", streams);
    snprintf(r, sizeof r, "%d", rate);
    snprintf(many, sizeof many, "%ld", events);
    const char *mine[] = { self, dialect, n, r, many, NULL };
    const char *floor[] = { bench_beside(self, "floor_sse"), dialect, n, r, many, NULL };
    struct bench_plan plan = { .ours = mine, .floor = floor, .pairs = pairs };
    return bench_goals(&plan, goals, count);
}

int main(int argc, char **argv)
{
    static const struct bench_goal one[] = {
        { "sse", "us", BENCH_OVER, false, 500, .ours = 0, .floor = 0, .p95 = 1, .max = 2 },
        { "sse.p99", "ms", BENCH_TIME, false, 17, .ours = 3, .floor = 3, .reference = 1 },
        { "sse.cpu", "% core", BENCH_TIME, false, 2, .ours = 4, .floor = 4, .reference = 1 },
    };
    static const struct bench_goal chat[] = {
        { "sse.chat", "us", BENCH_OVER, false, 500, .ours = 0, .floor = 0, .p95 = 1, .max = 2 },
    };
    static const struct bench_goal twenty[] = {
        { "sse-many.20", "% core", BENCH_TIME, false, 10, .ours = 4, .floor = 4, .reference = 2 },
        { "sse-many.20.p99", "ms", BENCH_TIME, false, 17, .ours = 3, .floor = 3, .reference = 1 },
    };
    static const struct bench_goal hundred[] = {
        { "sse-many.100", "% core", BENCH_TIME, false, 35, .ours = 4, .floor = 4, .reference = 8 },
        { "sse-many.100.p99", "ms", BENCH_TIME, false, 17, .ours = 3, .floor = 3, .reference = 1 },
    };
    static const struct bench_goal burst[] = {
        { "sse-burst", "events/s", BENCH_TIME, true, 300000, .ours = 0, .floor = 0,
          .reference = 1000000 },
        { "sse-burst.rss", "MiB", BENCH_VALUE, false, 32, .ours = 1 },
    };
    static const struct bench_goal chat_burst[] = {
        { "sse-burst.chat", "events/s", BENCH_RATIO, true, 0.3, .ours = 0, .floor = 0 },
    };
    if (argc == 5)
        return ours(argv);
    const char *self = argv[0];
    int rc = measure(self, "messages", 1, 100, bench_size(1200), 0, one, ARRAY_LEN(one));
    rc |= measure(self, "chat", 1, 100, bench_size(1200), 3, chat, ARRAY_LEN(chat));
    rc |= measure(self, "messages", 20, 50, bench_size(600), 3, twenty, ARRAY_LEN(twenty));
    rc |= measure(self, "messages", 100, 50, bench_size(600), 3, hundred, ARRAY_LEN(hundred));
    rc |= measure(self, "messages", 1, 0, bench_size(1600000), 0, burst, ARRAY_LEN(burst));
    return rc |
           measure(self, "chat", 1, 0, bench_size(800000), 3, chat_burst, ARRAY_LEN(chat_burst));
}
