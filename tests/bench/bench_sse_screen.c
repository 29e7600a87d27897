/* bench_sse_screen.c - from a word of code that a model sends to its cells on the terminal, with
 * everything between (`sse-screen`): planner, session file, state, view. */
#include "bench_peers.h"
#include "sse.h"

#define WORDS_MAX 400

static struct tty t;

/* Airlock with a model of ours; the task is given, and the stream begins. */
static void begin(const char *argv0, const char *home, int port)
{
    char config[300], data[300];
    snprintf(config, sizeof config, "%s/config.ini", home);
    snprintf(data, sizeof data, "%s/data", home);
    FILE *f = fopen(config, "w");
    if (f == NULL)
        bench_die(config);
    fprintf(f, "[openai]\nbase_url = http://127.0.0.1:%d\n", port);
    fclose(f);
    chmod(config, 0600);
    const char *argv[] = { peer_airlock(argv0), "--data", data, "--config", config, "-p",
                           "openai:m",          NULL };
    tty_open(&t, 200, 60, argv, home, false, -1);
    tty_wait(&t, ":help");
    tty_settle(&t, 300);
    tty_type(&t, "go");
    tty_settle(&t, 50);
    tty_send(&t, "\r");
}

/* Processor seconds of a process' one thread so far. */
static double cpu_of(pid_t pid)
{
    char path[64];
    double ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f != NULL && fscanf(f, "%lf", &ns) != 1)
        ns = 0;
    if (f != NULL)
        fclose(f);
    return ns / 1e9;
}

static int ours(const char *argv0, long words)
{
    double us[WORDS_MAX];
    char *home = bench_make_dir(), word[16];
    struct sse_plan plan = { .chat = true, .code = true, .streams = 1, .rate = 100 };
    pid_t pid;
    plan.events = words;
    plan.sent = mmap(NULL, WORDS_MAX * sizeof *plan.sent, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    begin(argv0, home, sse_start(&plan, &pid));
    tty_wait(&t, "k000000");
    double start = bench_now(), cpu = cpu_of(t.pid);
    for (long i = 0; i < words; i++) {
        snprintf(word, sizeof word, "k%06ld", i);
        us[i] = tty_wait(&t, word) * 1e6 - (double)plan.sent[i] / 1e3;
    }
    bench_print3(us, (size_t)words);
    printf("%f %f\n", bench_quantile(us, (size_t)words, 0.99) / 1000,
           100 * (cpu_of(t.pid) - cpu) / (bench_now() - start));
    tty_close(&t, SIGKILL);
    sse_stop(pid);
    bench_remove_dir(home);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "sse-screen", "us", BENCH_OVER, false, 500, .ours = 0, .floor = 0, .p95 = 1, .max = 2 },
        { "sse-screen.p99", "ms", BENCH_TIME, false, 17, .ours = 3, .floor = 3, .reference = 1 },
        { "sse-screen.cpu", "% core", BENCH_TIME, false, 2, .ours = 4, .floor = 4, .reference = 1 },
    };
    if (argc == 3)
        return ours(argv[0], strtol(argv[2], NULL, 10));
    const char *o[] = { argv[0], "ours", bench_is_full() ? "400" : "150", NULL };
    const char *f[] = { bench_beside(argv[0], "floor_sse"), "messages", "1", "100", "150", NULL };
    struct bench_plan plan = { .ours = o, .floor = f, .pairs = 3 };
    return bench_goals(&plan, goals, sizeof goals / sizeof goals[0]);
}
