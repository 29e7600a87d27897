/* bench_e2b.c - the sandbox e2b beside its server's own time: a run from exec to its end (`e2b`),
 * and a flood of output through the interpreter's NDJSON (`e2b-flood`). */
#include <sys/resource.h>

#include "base/loop.h"
#include "base/net.h"
#include "e2b.h"
#include "providers/registry.h"
#include "providers/walled.h"

static char url[64];
static bool ready, finished, told;
static uint64_t seen;
static struct err e;
static struct loop *lp;
static struct sandbox *box;

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "E2B_API_URL") == 0 || strcmp(name, "E2B_SANDBOX_URL") == 0)
        return url;
    return strcmp(name, "E2B_API_KEY") == 0 ? "e2b_0123456789abcdef0123456789abcdef01234567" : NULL;
}

static void on_sandbox(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    (void)arg;
    (void)s;
    if (ev->kind == SANDBOX_READY)
        ready = true;
    else if (ev->kind == SANDBOX_FAILED)
        bench_die(ev->err->msg);
    else if (ev->kind == SANDBOX_OUTPUT)
        seen += ev->len;
    else if (ev->kind == SANDBOX_STATE)
        told = true;
    else if (ev->kind == SANDBOX_FINISHED && ev->finished->end != END_EXIT)
        bench_die(ev->finished->message);
    else if (ev->kind == SANDBOX_FINISHED)
        finished = true;
}

static void until(const bool *what)
{
    while (!*what)
        if (loop_turn(lp, 5000, &e) < 0)
            bench_die(e.msg);
}

static double one_run(const char *code)
{
    static uint32_t number;
    struct sandbox_run rq = { .run = ++number,
                              .language = "python",
                              .interpreter = "e2b context: python",
                              .code = code,
                              .code_len = strlen(code),
                              .cwd = "/workspace",
                              .input = "",
                              .check_code = "" };
    finished = told = false;
    seen = 0;
    double start = bench_now();
    if (sandbox_e2b.exec(box, &rq, &e) < 0)
        bench_die(e.msg);
    until(&finished);
    double us = (bench_now() - start) * 1e6;
    until(&told);
    return us;
}

static double flood(long bytes)
{
    char code[40];
    snprintf(code, sizeof code, "flood %ld", bytes);
    double cpu = bench_cpu();
    (void)one_run(code);
    if (seen < (uint64_t)bytes)
        bench_die("output is missing");
    return (double)seen / 1e6 / (bench_cpu() - cpu);
}

static int ours(char **argv)
{
    size_t runs = strtoul(argv[1], NULL, 10);
    double *us = calloc(runs + 1, sizeof *us);
    struct rusage before, after;
    pid_t pid;
    snprintf(url, sizeof url, "http://127.0.0.1:%d", e2b_start(&pid));
    if (loop_new(&lp, &e) < 0)
        bench_die(e.msg);
    struct net *net = net_new(lp);
    struct sandbox_config cfg = { .loop = lp,
                                  .net = net,
                                  .setting = setting,
                                  .contract = walled_default_contract(),
                                  .label = "bench",
                                  .sink = on_sandbox };
    if (sandbox_e2b.open(&box, &cfg, &e) < 0)
        bench_die(e.msg);
    until(&ready);
    for (size_t i = 0; i < runs; i++)
        us[i] = one_run("6*7");
    bench_print3(us, runs);
    getrusage(RUSAGE_SELF, &before);
    printf("%f\n", flood(strtol(argv[2], NULL, 10)));
    getrusage(RUSAGE_SELF, &after);
    printf("%f\n", (double)(after.ru_maxrss - before.ru_maxrss) / 1024);
    sandbox_e2b.close(box);
    net_free(net);
    loop_free(lp);
    e2b_stop(pid);
    free(us);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "e2b", "us", BENCH_OVER, false, 1000, .ours = 0, .floor = 0, .p95 = 1, .max = 2 },
        { "e2b-flood", "MB/s", BENCH_RATIO, true, 0.6, .ours = 3, .floor = 3 },
        { "e2b-flood.rss", "MiB", BENCH_VALUE, false, 16, .ours = 4 },
    };
    char runs[24], bytes[24];
    if (argc == 3)
        return ours(argv);
    snprintf(runs, sizeof runs, "%ld", bench_size(2400));
    snprintf(bytes, sizeof bytes, "%ld", bench_size(64 << 20));
    const char *mine[] = { argv[0], runs, bytes, NULL };
    const char *floor[] = { bench_beside(argv[0], "floor_e2b"), runs, bytes, NULL };
    struct bench_plan plan = { .ours = mine, .floor = floor };
    return bench_goals(&plan, goals, ARRAY_LEN(goals));
}
