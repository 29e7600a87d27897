/* bench_flood_key.c - keys while a sandboxed program floods: from the key press to the letter in
 * its cell (`flood-key`), and from ^C to the program's handler (`flood-key.interrupt`). */
#include <sched.h>

#include "bench_tmux.h"
#include "sessions/store.h"
#include "text.h"

#define TEXT_BYTES (1L << 20)

static struct err e;
static struct tty t;

/* Letters, 25–45 ms apart: ms until each stands where the cursor was. `x`, `y`: the first cell. */
static void press_keys(int keys, int x, int y)
{
    double ms[400];
    uint32_t seed = 7;
    for (int i = 0; i < keys; i++) {
        char key[2] = { (char)('a' + i % 26), '\0' };
        struct tty_press p = tty_key(&t, key, (unsigned char)key[0], x + i, y, false);
        if (p.cell_ms < 0) {
            tty_show(&t, stderr);
            bench_die("a key was not shown");
        }
        ms[i] = p.cell_ms;
        tty_run(&t, 25 + text_next(&seed) % 20);
    }
    bench_print3(ms, (size_t)keys);
}

/* CLOCK_MONOTONIC in ns, written by the handler as the run's stderr. */
static double handled_at(const char *path)
{
    struct store *s;
    char text[64] = "";
    if (store_open_read(&s, path, &e) < 0)
        bench_die(e.msg);
    ssize_t n = store_read_output(s, 1, 2, 0, text, sizeof text - 1, &e);
    store_close(s);
    return n > 0 ? strtod(text, NULL) * 1e-9 : 0;
}

static int ours(const char *argv0, int keys)
{
    char *home = bench_make_dir(), text[300], data[300], mount[330], code[600], session[500] = "";
    int x, y;
    snprintf(text, sizeof text, "%s/text", home);
    snprintf(data, sizeof data, "%s/data", home);
    snprintf(mount, sizeof mount, "files.mount=%s:ro", text);
    snprintf(code, sizeof code,
             "!py import os,signal,time; b=open('%s','rb').read(); h=lambda *a: (os.write(2, "
             "b'%%d' %% time.monotonic_ns()), os._exit(0)); signal.signal(2, h); [os.write(1, b) "
             "for i in range(10**6)]",
             text);
    text_make(text, TEXT_BYTES, 1);
    chmod(home, 0755);
    const char *argv[] = { peer_airlock(argv0), "--data", data,  "-c", "output_mib=4096", "-c",
                           "timeout_s=100",     "-c",     mount, NULL };
    tty_open(&t, 200, 60, argv, home, false, -1);
    tty_wait(&t, ":tour");
    tty_settle(&t, 300);
    tty_type(&t, code);
    tty_settle(&t, 50);
    tty_send(&t, "\r");
    tty_wait(&t, "running");
    tty_run(&t, 100);
    tty_wait(&t, "a task, !code");
    if (!tty_find(&t, "a task, !code", &x, &y))
        bench_die("no prompt");
    press_keys(keys, x, y);
    double asked = bench_now();
    tty_send(&t, "\003");
    tty_wait(&t, "interpreter");
    tty_run(&t, 300);
    tty_close(&t, SIGTERM);
    session_find(data, session, sizeof session);
    double handled = handled_at(session);
    if (handled == 0)
        bench_die("the interrupt was not handled");
    printf("%f\n", (handled - asked) * 1e3);
    bench_remove_dir(home);
    return 0;
}

static int tmux(int keys)
{
    char *home = bench_make_dir(), text[300], flood[400];
    snprintf(text, sizeof text, "%s/text", home);
    snprintf(flood, sizeof flood, "while :; do cat %s; done", text);
    text_make(text, TEXT_BYTES, 1);
    const char *words[] = { flood, ";", "split-window",
                            "-l",  "5", "stty -icanon; exec cat >/dev/null",
                            NULL };
    pid_t server = tmux_open(&t, home, words);
    tty_run(&t, 1000);
    press_keys(keys, 0, t.h - 6);
    tmux_close(&t, server);
    bench_remove_dir(home);
    return 0;
}

static int floor_program(const char *argv0, int keys)
{
    char *home = bench_make_dir(), program[4096];
    if (realpath(bench_beside(argv0, "floor_key"), program) == NULL)
        bench_die("floor_key");
    const char *argv[] = { program, "flood", NULL };
    tty_open(&t, 200, 60, argv, home, false, -1);
    tty_wait(&t, "ready");
    tty_run(&t, 300);
    press_keys(keys, 0, t.h - 1);
    tty_close(&t, SIGKILL);
    bench_remove_dir(home);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "flood-key", "ms", BENCH_TIME, false, 2, .ours = 0, .p95 = 1, .max = 2,
          .reference = 1.1 },
        { "flood-key.p95", "ms", BENCH_TIME, false, 6, .ours = 1, .floor = 1, .reference = 3.3 },
        { "flood-key.max", "ms", BENCH_TIME, false, 17, .ours = 2, .floor = 2, .reference = 9 },
        { "flood-key.interrupt", "ms", BENCH_TIME, false, 10, .ours = 3, .reference = 1.1 },
        { "flood-key.tmux", "ms", BENCH_PEER, false, 2, .ours = 0 },
    };
    char keys[16];
    if (argc == 3) {
        int n = (int)strtol(argv[2], NULL, 10);
        return strcmp(argv[1], "tmux") == 0    ? tmux(n)
               : strcmp(argv[1], "floor") == 0 ? floor_program(argv[0], n)
                                               : ours(argv[0], n);
    }
    snprintf(keys, sizeof keys, "%d", bench_is_full() ? 150 : 40);
    const char *o[] = { argv[0], "ours", keys, NULL }, *f[] = { argv[0], "floor", keys, NULL };
    const char *p[] = { argv[0], "tmux", keys, NULL };
    struct bench_plan plan = { .ours = o, .floor = f, .peer = p, .peer_name = "tmux", .pairs = 3 };
    return bench_goals(&plan, goals, sizeof goals / sizeof goals[0]);
}
