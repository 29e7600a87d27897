/* bench_diff.c - line diff of large outputs against GNU diff and git on the same files: 1 % changed
 * (`diff-1pct`), and the worst that comes (`diff-worst`): all different, shuffled, one long line.
 */
#include "text.h"

#include <sys/resource.h>

#include "base/diff.h"
#include "base/path.h"

static struct err e;

static void read_file(const char *path, struct buf *out)
{
    buf_init(out, (size_t)1 << 30);
    if (path_read_file(path, out, &e) < 0)
        bench_die(e.msg);
}

static double peak_mib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

/* Seconds of one comparison. */
static double compare(const char *path_a, const char *path_b, size_t *changes)
{
    struct buf a, b;
    struct diff d;
    double start = bench_cpu(); /* with the reading, as the others */
    read_file(path_a, &a);
    read_file(path_b, &b);
    if (diff_lines(&d, buf_str(&a), a.len, buf_str(&b), b.len, &e) < 0)
        bench_die(e.msg);
    double took = bench_cpu() - start;
    *changes = d.added + d.deleted;
    diff_release(&d);
    buf_release(&a);
    buf_release(&b);
    return took;
}

/* One line of 200 kB with marks inside. */
static double long_line(void)
{
    enum { LEN = 200000 };
    char *a = malloc(LEN), *b = malloc(LEN);
    struct diff_marks m;
    if (a == NULL || b == NULL)
        bench_die("memory");
    for (int i = 0; i < LEN; i++)
        a[i] = b[i] = i % 7 == 0 ? ' ' : (char)('a' + i % 26);
    for (int i = 50; i < LEN; i += 1000)
        b[i] = 'X';
    double start = bench_cpu();
    diff_words(&m, a, LEN, b, LEN);
    double took = bench_cpu() - start;
    if (m.a_count == 0 || m.b_count == 0)
        bench_die("no marks in the long line");
    diff_marks_release(&m);
    free(a);
    free(b);
    return took;
}

static void name(char *out, size_t size, const char *dir, const char *which)
{
    snprintf(out, size, "%.250s/%s", dir, which);
}

static int ours(const char *dir)
{
    static const char *const sides[] = { "changed", "other", "shuffled" };
    char a[300], small[300], b[300];
    size_t changes;
    name(a, sizeof a, dir, "base");
    name(small, sizeof small, dir, "small");
    for (int i = 0; i < 3; i++) {
        name(b, sizeof b, dir, sides[i]);
        printf("%f\n", compare(i == 2 ? small : a, b, &changes));
        if (changes == 0)
            bench_die("no difference was found");
        if (i == 0)
            printf("%f\n", peak_mib());
    }
    printf("%f\n", long_line() * 1000);
    return 0;
}

/* CPU seconds of a program that compares `a` and `b`; below zero: missing. */
static double cpu_of(const char *const *argv)
{
    struct rusage u;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
            _exit(127);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    while (wait4(pid, &status, 0, &u) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return -1;
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec * 1e-6 +
           (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec * 1e-6;
}

static int peer(const char *dir, bool git)
{
    char a[300], b[300];
    name(a, sizeof a, dir, "base");
    name(b, sizeof b, dir, "changed");
    const char *const gnu[] = { "diff", a, b, NULL }, *const its[] = {
        "git", "diff", "--no-index", "--histogram", a, b, NULL
    };
    double took = cpu_of(git ? its : gnu);
    if (took < 0)
        return BENCH_MISSING;
    printf("%f\n", took);
    return 0;
}

/* ---- the files ---- */

static FILE *create(const char *dir, const char *which)
{
    char path[300];
    name(path, sizeof path, dir, which);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        bench_die(path);
    return f;
}

static void put_lines(const char *dir, const char *which, long n, int changed_per_mille,
                      uint32_t salt)
{
    FILE *f = create(dir, which);
    uint32_t seed = 99, pick = 7;
    for (long i = 0; i < n; i++) {
        uint32_t r = text_next(&seed);
        bool changed = (int)(text_next(&pick) % 1000) < changed_per_mille;
        fprintf(
            f,
            "2026-11-22 10:%02u:%02u INFO worker %6ld handled request %08x in %u ms, queue %u%s\n",
            r % 60, r / 60 % 60, i, r ^ (changed ? salt : 0), r % 900, r / 7 % 64,
            "                     ");
    }
    if (fclose(f) != 0)
        bench_die(which);
}

static void put_shuffled(const char *dir, long n, bool shuffled)
{
    FILE *f = create(dir, shuffled ? "shuffled" : "small");
    long *at = malloc((size_t)n * sizeof *at);
    uint32_t seed = 5;
    if (at == NULL)
        bench_die("memory");
    for (long i = 0; i < n; i++)
        at[i] = i;
    for (long i = n - 1; shuffled && i > 0; i--) {
        long k = (long)(text_next(&seed) % (uint32_t)(i + 1)), was = at[i];
        at[i] = at[k];
        at[k] = was;
    }
    for (long i = 0; i < n; i++)
        fprintf(f, "line %ld of many, as they come in a shuffled log of some length\n", at[i]);
    free(at);
    if (fclose(f) != 0)
        bench_die("shuffled");
}

int main(int argc, char **argv)
{
    static const struct bench_goal first[] = {
        { "diff-1pct", "s", BENCH_PEER, false, 0.5, .ours = 0, .peer = 0 },
        { "diff-1pct.rss", "MiB", BENCH_VALUE, false, 350, .ours = 1 },
        { "diff-worst.other", "s", BENCH_VALUE, false, 1.0, .ours = 2 },
        { "diff-worst.shuffled", "s", BENCH_VALUE, false, 0.5, .ours = 3 },
        { "diff-worst.line", "ms", BENCH_VALUE, false, 50, .ours = 4 },
    };
    static const struct bench_goal second[] = {
        { "diff-1pct.git", "s", BENCH_PEER, false, 0.33, .ours = 0, .peer = 0 },
    };
    if (argc == 3 && strcmp(argv[1], "ours") == 0)
        return ours(argv[2]);
    if (argc == 3 && strcmp(argv[1], "gnu") == 0)
        return peer(argv[2], false);
    if (argc == 3 && strcmp(argv[1], "git") == 0)
        return peer(argv[2], true);
    char *dir = xstrdup(bench_make_dir());
    long n =
        1000000; /* whole: it takes seconds, and the peers' costs do not shrink in proportion */
    put_lines(dir, "base", n, 0, 0);
    put_lines(dir, "changed", n, 10, 0x5a5a5a5a);
    put_lines(dir, "other", n, 1000, 0x12345678);
    put_shuffled(dir, n / 10, false);
    put_shuffled(dir, n / 10, true);
    const char *ours_argv[] = { argv[0], "ours", dir, NULL },
               *gnu_argv[] = { argv[0], "gnu", dir, NULL },
               *git_argv[] = { argv[0], "git", dir, NULL };
    struct bench_plan a = { .ours = ours_argv, .peer = gnu_argv, .peer_name = "diff", .pairs = 3 },
                      b = { .ours = ours_argv,
                            .peer = git_argv,
                            .peer_name = "git histogram",
                            .pairs = 3 };
    int rc = bench_goals(&a, first, ARRAY_LEN(first));
    rc |= bench_goals(&b, second, ARRAY_LEN(second));
    bench_remove_dir(dir);
    free(dir);
    return rc;
}
