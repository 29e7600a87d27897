/* bench_key.c - idle, 200x60: from a key press to the first byte, to the expected cell, and how
 * many bytes it costs (`key`). Letters typed at a prompt, in less at that of its search; tig and
 * htop have none. */
#include "bench_peers.h"

#define KEYS 60

/* Presses KEYS keys. `letters`: they are typed and awaited where the cursor stands. */
static void measure(struct tty *t, const char *const *keys, bool letters)
{
    double first[KEYS], cell[KEYS], bytes[KEYS];
    for (int i = 0; i < KEYS; i++) {
        const char *key = keys[i % 2];
        int x = t->x, y = t->y;
        struct tty_press p = tty_key(t, key, letters ? (unsigned char)key[0] : 0, x, y, true);
        if (p.first_ms < 0 || (letters && p.cell_ms < 0)) {
            tty_show(t, stderr);
            fprintf(stderr, "key %d '%s' was not answered at %d,%d\n", i, key, x, y);
            exit(1);
        }
        first[i] = p.first_ms;
        cell[i] = p.cell_ms;
        bytes[i] = (double)p.bytes;
        tty_run(t, 3); /* not in step with anybody's timer */
    }
    bench_print3(first, KEYS);
    bench_print3(cell, KEYS);
    bench_print3(bytes, KEYS);
}

static int run(const char *argv0, const char *who)
{
    static struct tty t;
    static const char *const letters[] = { "a", "b" }, *const lines[] = { "\033OB", "\033OA" };
    char *home = bench_make_dir();
    struct peer p = peer_find(argv0, who, home);
    tty_open(&t, 200, 60, p.argv, home, p.is_peer, -1);
    tty_wait(&t, p.shown);
    tty_settle(&t, 400);
    if (p.enter != NULL) {
        tty_send(&t, p.enter);
        tty_settle(&t, 200);
    }
    measure(&t, p.types ? letters : lines, p.types);
    tty_close(&t, SIGKILL);
    bench_remove_dir(home);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "key", "ms", BENCH_PEER, false, 2.5, .ours = 0, .peer = 0, .p95 = 1, .max = 2 },
        { "key.p50", "ms", BENCH_TIME, false, 0.5, .ours = 0, .floor = 0, .reference = 0.12 },
        { "key.p95", "ms", BENCH_TIME, false, 3, .ours = 1, .floor = 1, .reference = 0.3 },
        { "key.cell", "ms", BENCH_TIME, false, 0.5, .ours = 3, .floor = 3, .reference = 0.12 },
        { "key.bytes", "B", BENCH_VALUE, false, 60, .ours = 6 },
    };
    static const char *const others[] = { "vim", "tig", "htop" };
    if (argc == 2)
        return run(argv[0], argv[1]);
    const char *ours[] = { argv[0], "ours", NULL }, *floor[] = { argv[0], "floor", NULL };
    const char *peer[] = { argv[0], "less", NULL };
    struct bench_plan plan = { .ours = ours, .floor = floor, .peer = peer, .peer_name = "less" };
    int rc = bench_goals(&plan, goals, sizeof goals / sizeof goals[0]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const char *other[] = { argv[0], others[i], NULL };
        double v[BENCH_VALUES];
        if (bench_run(other, v) > 0)
            printf("# key: %s %s ms, %s B\n", others[i], bench_number(v[0]), bench_number(v[6]));
    }
    return rc;
}
