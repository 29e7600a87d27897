/* bench_replay.c - a long session folded through the reducer with clock, marks and snapshots, and
 * seeks to any point of it (`replay`). The floor reads as many rows and parses each. */
#include <malloc.h>
#include <stdarg.h>

#include "base/buf.h"
#include "cli/player.h"
#include "cli/session.h"
#include "sessions.h"

#define SEEKS 200

static int64_t at_us = 1700000000000000;

static void add(struct store *s, enum event_type type, uint32_t run, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void add(struct store *s, enum event_type type, uint32_t run, const char *fmt, ...)
{
    char json[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(json, sizeof json, fmt, ap);
    va_end(ap);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    at_us += 1000;
    struct event ev = { .type = type,
                        .run = run,
                        .at_us = at_us,
                        .boot_us = at_us,
                        .json = json,
                        .json_len = (size_t)n,
                        .more = true };
    check(store_append(s, &ev, &e));
}

static void add_output(struct store *s, uint32_t run, const char *text)
{
    at_us++;
    struct event ev = { .type = EVENT_RUN_OUTPUT,
                        .run = run,
                        .at_us = at_us,
                        .boot_us = at_us,
                        .stream = 1,
                        .offset = STORE_OFFSET_NEXT,
                        .bytes = text,
                        .len = strlen(text) };
    check(store_append(s, &ev, &e));
}

/* 60 events: what a planner says, one run with output, its variables. */
static void add_turn(struct store *s, uint32_t n)
{
    char cap[65];
    snprintf(cap, sizeof cap, "%064x", n);
    for (int i = 0; i < 36; i++)
        add(s, EVENT_PLANNER_MESSAGE, 0,
            "{'text':'what a planner says in one delta','author':'planner'}");
    add(s, EVENT_RUN_PROPOSED, n,
        "{'rev':1,'step':'','attempt':1,'language':'python','code':'x = %u\\nprint(x)',"
        "'purpose':'count on','author':'planner'}",
        n);
    add(s, EVENT_RUN_REVIEWED, n, "{'findings':[]}");
    add(s, EVENT_GATE_OPENED, n,
        "{'rev':1,'capsule':'%s','contract_digest':'00','sandbox':'local','walls':[],'attached':[]"
        "}",
        cap);
    add(s, EVENT_GATE_DECIDED, n,
        "{'decision':'approve','by':'person','capsule':'%s','seen_lines':2,'waited_ms':900}", cap);
    add(s, EVENT_RUN_STARTED, n, "{'sandbox_id':'box','capsule':'%s'}", cap);
    for (int i = 0; i < 16; i++)
        add_output(s, n, "a line of output, and some more of it\nand another\n");
    add(s, EVENT_RUN_FINISHED, n,
        "{'end':'exit','code':0,'wall_ms':5,'stdout_bytes':1,'stderr_bytes':1}");
    add(s, EVENT_RUN_VERDICT, n, "{'verdict':'unverified','checks':[]}");
    add(s, EVENT_STATE_CHANGED, n,
        "{'vars':[{'name':'x','type':'int','preview':'%u','digest':'%u','change':'changed'}],"
        "'files':[]}",
        n, n);
}

static void record(const char *dir, long events)
{
    struct store *s;
    check(store_create(&s, dir, "bench", &e));
    add_created(s);
    for (long n = 1; n * 60 <= events; n++)
        add_turn(s, (uint32_t)n);
    check(store_flush(s, &e));
    store_close(s);
}

/* What the state alone takes, without a way back. */
static double plain_bytes(const char *path)
{
    struct store *s;
    struct state st;
    size_t before = mallinfo2().uordblks;
    state_init(&st);
    check(store_open_read(&s, path, &e));
    check(session_load_state(s, 0, &st, &e));
    store_close(s);
    double bytes = (double)(mallinfo2().uordblks - before);
    state_release(&st);
    return bytes;
}

static void seek_about(struct player *p, double ms[SEEKS])
{
    uint32_t x = 1;
    for (int i = 0; i < SEEKS; i++) {
        x = x * 1103515245u + 12345u;
        uint64_t to = 1 + (x >> 4) % player_last(p);
        double start = bench_now();
        check(player_go(p, to, &e));
        ms[i] = (bench_now() - start) * 1e3;
        if (player_seq(p) != to)
            bench_die("a seek that missed");
    }
}

static int ours(long events)
{
    char path[300], *dir = bench_make_dir();
    double ms[SEEKS];
    struct player *p;
    record(dir, events);
    snprintf(path, sizeof path, "%.250s/bench.db", dir);
    double plain = plain_bytes(path);
    size_t before = mallinfo2().uordblks;
    check(player_open(&p, "bench", path, REPLAY_IDLE_US, &e));
    double start = bench_now();
    while (!player_read(p, 8000))
        ;
    double took = bench_now() - start;
    if (player_broken(p)->code != ERR_NONE)
        bench_die(player_broken(p)->msg);
    printf("%f %f ", (double)player_last(p) / took,
           (double)(mallinfo2().uordblks - before) / plain);
    seek_about(p, ms);
    bench_print3(ms, SEEKS);
    player_free(p);
    bench_remove_dir(dir);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "replay", "events/s", BENCH_TIME, true, 400000, .ours = 0, .reference = 1300000 },
        { "replay.ratio", "events/s", BENCH_RATIO, true, 0.25, .ours = 0, .floor = 0 },
        { "replay.seek", "ms", BENCH_VALUE, false, 100, .ours = 4, .p95 = 3, .max = 4 },
        /* with the open file's page cache, which weighs more in a short session */
        { "replay.memory", "x state", BENCH_VALUE, false, 2, .ours = 1 },
    };
    if (argc == 3 && strcmp(argv[1], "ours") == 0)
        return ours(atol(argv[2]));
    char n[32];
    snprintf(n, sizeof n, "%ld", bench_size(1000000));
    const char *ours_argv[] = { argv[0], "ours", n, NULL };
    const char *floor_argv[] = { bench_beside(argv[0], "floor_fold"), n, NULL };
    struct bench_plan plan = { .ours = ours_argv, .floor = floor_argv, .pairs = 3 };
    return bench_goals(&plan, goals, sizeof goals / sizeof goals[0]);
}
