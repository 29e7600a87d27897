/* bench_flood.c - a sandboxed program writes text as fast as it can, the screen is open: MB/s into
 * the session file (`flood`), memory (`flood-rss`), bytes to the terminal (`flood-tty`). */
#include "bench_tmux.h"
#include "sessions/store.h"
#include "text.h"

#define TEXT_BYTES (8L << 20)

static struct err e;
static struct tty t;

static void check(int rc)
{
    if (rc < 0)
        bench_die(e.msg);
}

/* ---- what was recorded ---- */

struct times {
    int64_t first_us, over_us;
};

static int see_event(void *arg, const struct event *ev)
{
    struct times *x = arg;
    if (ev->type == EVENT_RUN_OUTPUT && x->first_us == 0)
        x->first_us = ev->at_us;
    if (ev->type == EVENT_RUN_FINISHED)
        x->over_us = ev->at_us;
    return 0;
}

/* Every byte must be there, and be the right one. */
static void compare(struct store *s, const char *path, long text_bytes, int times)
{
    enum { PIECE = 1 << 20 };
    char *was = malloc((size_t)text_bytes), *got = malloc(PIECE);
    FILE *f = fopen(path, "r");
    uint64_t at = 0, all = (uint64_t)text_bytes * (uint64_t)times;
    if (f == NULL || fread(was, 1, (size_t)text_bytes, f) != (size_t)text_bytes)
        bench_die(path);
    while (at < all) {
        size_t off = (size_t)(at % (uint64_t)text_bytes), left = (size_t)text_bytes - off;
        ssize_t n = store_read_output(s, 1, 1, at, got, left < PIECE ? left : PIECE, &e);
        if (n <= 0 || memcmp(got, was + off, (size_t)n) != 0)
            bench_die("the record is not what was written");
        at += (uint64_t)n;
    }
    if (store_output_bytes(s, 1, 1) != all)
        bench_die("the record is longer than what was written");
    fclose(f);
    free(was);
    free(got);
}

static double recorded_s(const char *path, const char *text, long text_bytes, int times)
{
    struct store *s;
    struct times x = { 0, 0 };
    check(store_open_read(&s, path, &e));
    check(store_each(s, 0, 0, see_event, &x, &e));
    compare(s, text, text_bytes, times);
    store_close(s);
    return (double)(x.over_us - x.first_us) * 1e-6;
}

/* ---- the programs ---- */

/* Read and write calls so far; -1 where only root may see them. */
static double io_calls(pid_t pid)
{
    char path[64], word[32];
    double sum = 0, v;
    bool seen = false;
    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && fscanf(f, "%31s %lf", word, &v) == 2) {
        sum += strcmp(word, "syscr:") == 0 || strcmp(word, "syscw:") == 0 ? v : 0;
        seen = true;
    }
    if (f != NULL)
        fclose(f);
    return seen ? sum : -1;
}

/* Prints MB/s, peak MB, MB/s to the terminal, read and write calls per MiB. */
static int ours(const char *argv0, int times)
{
    char *home = bench_make_dir(), text[300], data[300], mount[330], code[400], session[500] = "";
    snprintf(text, sizeof text, "%s/text", home);
    snprintf(data, sizeof data, "%s/data", home);
    snprintf(mount, sizeof mount, "files.mount=%s:ro", text);
    snprintf(code, sizeof code, "!sh for i in $(seq %d); do cat %s; done", times, text);
    long bytes = text_make(text, TEXT_BYTES, 1);
    chmod(home, 0755);
    const char *argv[] = { peer_airlock(argv0), "--data", data,  "-c", "output_mib=2048", "-c",
                           "timeout_s=100",     "-c",     mount, NULL };
    tty_open(&t, 200, 60, argv, home, false, -1);
    tty_wait(&t, ":tour");
    tty_settle(&t, 300);
    tty_type(&t, code);
    tty_settle(&t, 50);
    double calls = io_calls(t.pid), start = bench_now();
    uint64_t before = t.bytes;
    tty_send(&t, "\r");
    tty_wait(&t, "exit 0");
    double shown_s = bench_now() - start, mib = (double)bytes * times / (1 << 20);
    double peak = tty_status(t.pid, "VmHWM:") / 1e3;
    double calls_end = io_calls(t.pid);
    calls = calls_end < 0 ? -1 : (calls_end - calls) / mib;
    double to_tty = (double)(t.bytes - before) / 1e6 / shown_s;
    tty_close(&t, SIGTERM);
    session_find(data, session, sizeof session);
    double s = recorded_s(session, text, bytes, times);
    printf("%f %f %f %f\n", (double)bytes * times / 1e6 / s, peak, to_tty, calls);
    bench_remove_dir(home);
    return 0;
}

/* Prints MB/s and MB/s to the terminal. */
static int tmux(int times)
{
    char *home = bench_make_dir(), text[300], code[500];
    snprintf(text, sizeof text, "%s/text", home);
    long bytes = text_make(text, TEXT_BYTES, 1);
    const char *shell[] = { "sh", NULL };
    pid_t server = tmux_open(&t, home, shell);
    tty_send(&t, "echo rea''dy\r");
    tty_wait(&t, "ready");
    tty_settle(&t, 300);
    snprintf(code, sizeof code, "for i in $(seq %d); do cat %s; done; echo EN''D\r", times, text);
    uint64_t before = t.bytes;
    double start = bench_now();
    tty_send(&t, code);
    tty_wait(&t, "END");
    double s = bench_now() - start;
    printf("%f %f %f\n", (double)bytes * times / 1e6 / s, 0.0,
           (double)(t.bytes - before) / 1e6 / s);
    tmux_close(&t, server);
    bench_remove_dir(home);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "flood", "MB/s", BENCH_RATIO, true, 0.7, .ours = 0 },
        { "flood.abs", "MB/s", BENCH_TIME, true, 250, .reference = 370 },
        { "flood.tmux", "MB/s", BENCH_PEER, true, 8, .ours = 0 },
        { "flood.calls", "/MiB", BENCH_VALUE, false, 400, .ours = 3 },
        { "flood-tty", "MB/s", BENCH_VALUE, false, 0.5, .ours = 2 },
        { "flood-rss", "MB", BENCH_VALUE, false, 32, .ours = 1 },
    };
    static const struct bench_goal flat[] = {
        { "flood-rss.flat", "MB", BENCH_RATIO, false, 1.1, .ours = 1, .floor = 1, .exact = true },
    };
    char much[16], little[16], bytes[32];
    if (argc == 3)
        return strcmp(argv[1], "tmux") == 0 ? tmux((int)strtol(argv[2], NULL, 10))
                                            : ours(argv[0], (int)strtol(argv[2], NULL, 10));
    snprintf(much, sizeof much, "%ld", bench_size(128));
    snprintf(little, sizeof little, "%ld", bench_size(8));
    snprintf(bytes, sizeof bytes, "%ld", bench_size(128) * TEXT_BYTES);
    const char *o[] = { argv[0], "ours", much, NULL }, *small[] = { argv[0], "ours", little, NULL };
    const char *floor[] = { bench_beside(argv[0], "floor_ingest"), bytes, NULL };
    const char *peer[] = { argv[0], "tmux", "2", NULL };
    struct bench_plan plan = { .ours = o, .floor = floor, .peer = peer, .peer_name = "tmux" };
    struct bench_plan same = { .ours = o, .floor = small, .pairs = 1 };
    int rc = bench_goals(&plan, goals, sizeof goals / sizeof goals[0]);
    return rc | bench_goals(&same, flat, 1);
}
