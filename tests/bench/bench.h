/* bench.h - ours against a floor program, A B A B …: one line per scenario. [performance §3]
 *
 * A benchmark is a program that runs itself as `ours …` and its floor, both of which print one
 * number per measured quantity. Ratios of the pairs decide, their median is compared with the goal:
 *   name  ours  floor  ratio  goal  PASS|FAIL
 * BENCH_FULL=1: full sizes, else 1/8. BENCH_PAIRS: 5. Exit 1 when anything failed; with BENCH_CI=1
 * a goal may be missed by half (noise).
 */
#ifndef AIRLOCK_TESTS_BENCH_H
#define AIRLOCK_TESTS_BENCH_H

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_UNUSED __attribute__((unused))
#define BENCH_VALUES 8 /* numbers a program may print */

BENCH_UNUSED static double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

BENCH_UNUSED static int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Sorts. `q` 0–1. */
BENCH_UNUSED static double bench_quantile(double *v, size_t n, double q)
{
    qsort(v, n, sizeof *v, bench_compare);
    size_t i = (size_t)(q * (double)(n - 1) + 0.5);
    return n != 0 ? v[i < n ? i : n - 1] : 0;
}

BENCH_UNUSED static long bench_size(long full)
{
    const char *s = getenv("BENCH_FULL");
    return s != NULL && s[0] == '1' ? full : full / 8;
}

/* A private directory; bench_remove_dir takes it away with what is in it. */
BENCH_UNUSED static char *bench_make_dir(void)
{
    static char dir[256];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        exit(2);
    }
    return dir;
}

BENCH_UNUSED static void bench_remove_dir(const char *dir)
{
    char path[512];
    DIR *d = opendir(dir);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%.200s", dir, de->d_name);
        if (unlink(path) < 0)
            bench_remove_dir(path);
    }
    if (d != NULL)
        closedir(d);
    rmdir(dir);
}

/* Run a program to its end and read the numbers it prints. */
BENCH_UNUSED static int bench_run(const char *const *argv, double out[BENCH_VALUES])
{
    int fds[2], n = 0, status = 0;
    if (pipe(fds) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    while (n < BENCH_VALUES && f != NULL && fscanf(f, "%lf", &out[n]) == 1)
        n++;
    if (f != NULL)
        fclose(f);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 ? n : -1;
}

struct bench_goal {
    const char *name, *unit;
    int ours, floor; /* which number of each program; floor -1: none, then `ours` itself decides */
    double goal;
    bool at_least; /* ratio ≥ goal; else ≤ */
};

BENCH_UNUSED static bool bench_judge(const struct bench_goal *g, double *ours, double *floor,
                                     double *ratio, size_t pairs)
{
    double slack = getenv("BENCH_CI") != NULL ? 1.5 : 1.0;
    double r = bench_quantile(ratio, pairs, 0.5), o = bench_quantile(ours, pairs, 0.5);
    double decides = g->floor < 0 ? o : r;
    bool ok = g->at_least ? decides * slack >= g->goal : decides <= g->goal * slack;
    printf("%-16s %12.6g", g->name, o);
    if (g->floor < 0)
        printf(" %12s %6s", "-", "-");
    else
        printf(" %12.6g %6.3g", bench_quantile(floor, pairs, 0.5), r);
    printf(" %s%g %s %s\n", g->at_least ? ">=" : "<=", g->goal, g->unit, ok ? "PASS" : "FAIL");
    fflush(stdout);
    return ok;
}

#define BENCH_PAIRS_MAX 25

/* Alternate the two programs and judge every goal. 0 when all passed. */
BENCH_UNUSED static int bench_pairs(const char *const *ours, const char *const *floor,
                                    const struct bench_goal *goals, size_t count)
{
    double a[BENCH_PAIRS_MAX][BENCH_VALUES] = { 0 }, b[BENCH_PAIRS_MAX][BENCH_VALUES] = { 0 };
    const char *s = getenv("BENCH_PAIRS");
    size_t pairs = s != NULL ? (size_t)strtoul(s, NULL, 10) : 5;
    int failed = 0;
    if (pairs < 1 || pairs > BENCH_PAIRS_MAX)
        pairs = 5;
    for (size_t i = 0; i < pairs; i++) {
        if (bench_run(ours, a[i]) < 0 || (floor != NULL && bench_run(floor, b[i]) < 0)) {
            fprintf(stderr, "%s: a program failed\n", goals[0].name);
            return 2;
        }
    }
    for (size_t g = 0; g < count; g++) {
        double o[BENCH_PAIRS_MAX], f[BENCH_PAIRS_MAX], r[BENCH_PAIRS_MAX];
        for (size_t i = 0; i < pairs; i++) {
            o[i] = a[i][goals[g].ours];
            f[i] = goals[g].floor < 0 ? 1 : b[i][goals[g].floor];
            r[i] = o[i] / f[i];
        }
        failed |= !bench_judge(&goals[g], o, f, r, pairs);
    }
    return failed;
}

/* "<directory of argv0>/<name>" */
BENCH_UNUSED static const char *bench_beside(const char *argv0, const char *name)
{
    static char path[4][512];
    static unsigned turn;
    char *out = path[turn++ % 4];
    const char *slash = strrchr(argv0, '/');
    snprintf(out, sizeof path[0], "%.*s%s", slash != NULL ? (int)(slash - argv0) + 1 : 0, argv0,
             name);
    return out;
}

#endif
