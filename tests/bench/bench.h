/* bench.h - ours against a floor program and a peer, A B C A B C …: one line per claim.
 * [performance §2, §3]
 *
 * A benchmark is a program that runs itself as `ours …`, its floor and perhaps a peer. Each prints
 * one number per measured quantity (below zero: can't be seen here); exit 77 says that what it
 * measures is not installed. The median of the pairwise ratios decides:
 *   name  ours  floor ratio  peer ratio  goal  PASS|FAIL|SKIP
 *
 * What noise touches may miss its goal by half (BENCH_STRICT=1: may not) and says so; bytes, counts
 * and memory may not. An absolute time is a goal for the machine of performance.md: where the floor
 * is slower than it was there, the goal is as much slower.
 * BENCH_FULL=1: full sizes, else 1/8. BENCH_PAIRS: 5. BENCH_JSON: a file to append the record to.
 */
#ifndef AIRLOCK_TESTS_BENCH_H
#define AIRLOCK_TESTS_BENCH_H

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_UNUSED    __attribute__((unused))
#define BENCH_VALUES    16 /* numbers a program may print */
#define BENCH_PAIRS_MAX 25
#define BENCH_NOISE     1.5
#define BENCH_MISSING   77  /* exit status: not installed here */
#define BENCH_SECONDS   120 /* no program runs longer */

BENCH_UNUSED static double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Processor time of this process. */
BENCH_UNUSED static double bench_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
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
    size_t i = n != 0 ? (size_t)(q * (double)(n - 1) + 0.5) : 0;
    return n != 0 ? v[i < n ? i : n - 1] : 0;
}

/* p50 p95 max */
BENCH_UNUSED static void bench_print3(double *v, size_t n)
{
    printf("%.9g %.9g %.9g\n", bench_quantile(v, n, 0.5), bench_quantile(v, n, 0.95),
           bench_quantile(v, n, 1));
}

BENCH_UNUSED static bool bench_is_full(void)
{
    const char *s = getenv("BENCH_FULL");
    return s != NULL && s[0] == '1';
}

BENCH_UNUSED static long bench_size(long full)
{
    return bench_is_full() ? full : full / 8;
}

BENCH_UNUSED _Noreturn static void bench_die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(2);
}

/* A private directory; bench_remove_dir takes it away with what is in it. */
BENCH_UNUSED static char *bench_make_dir(void)
{
    static char dir[256];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        bench_die(dir);
    return dir;
}

BENCH_UNUSED static void bench_remove_dir(const char *dir)
{
    char path[512];
    DIR *d = opendir(dir);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%.250s/%.200s", dir, de->d_name);
        if (unlink(path) < 0)
            bench_remove_dir(path);
    }
    if (d != NULL)
        closedir(d);
    rmdir(dir);
}

/* ---- running ---- */

/* Run a program to its end and read the numbers it prints: how many, -1 it failed, -2 missing. */
BENCH_UNUSED static int bench_run(const char *const *argv, double out[BENCH_VALUES])
{
    int fds[2], n = 0, status = 0;
    if (pipe(fds) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(BENCH_SECONDS);
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
    if (WIFEXITED(status) && WEXITSTATUS(status) == BENCH_MISSING)
        return -2;
    return status == 0 && n > 0 ? n : -1;
}

/* ---- goals ---- */

enum bench_kind {
    BENCH_RATIO, /* ours / floor */
    BENCH_PEER,  /* ours / peer */
    BENCH_VALUE, /* ours: bytes, counts, memory */
    BENCH_TIME,  /* ours, where the floor was `reference` */
    BENCH_OVER,  /* ours - floor */
};

struct bench_goal {
    const char *name, *unit;
    enum bench_kind kind;
    bool at_least; /* else at most */
    double goal;
    int ours, floor, peer; /* which number of each program */
    int p95, max;          /* numbers of ours to quote beside it; 0 none */
    double reference;
    bool exact; /* a ratio that noise can't touch */
};

struct bench_plan {
    const char *const *ours, *const *floor, *const *peer; /* argv; floor and peer may be NULL */
    const char *peer_name;
    size_t pairs;        /* 0: BENCH_PAIRS, or 5 */
    bool floor_is_other; /* the floor is for BENCH_TIME alone: its ratio says nothing */
};

struct bench_runs {
    double v[BENCH_PAIRS_MAX][BENCH_VALUES];
    size_t n;
};

BENCH_UNUSED static double bench_median(const struct bench_runs *r, int which)
{
    double v[BENCH_PAIRS_MAX];
    for (size_t i = 0; i < r->n; i++)
        v[i] = r->v[i][which];
    return bench_quantile(v, r->n, 0.5);
}

BENCH_UNUSED static double bench_ratio(const struct bench_runs *a, int x,
                                       const struct bench_runs *b, int y)
{
    double v[BENCH_PAIRS_MAX];
    size_t n = a->n < b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++)
        v[i] = b->v[i][y] != 0 ? a->v[i][x] / b->v[i][y] : 0;
    return bench_quantile(v, n, 0.5);
}

BENCH_UNUSED static const char *bench_number(double v)
{
    static char text[8][24];
    static unsigned turn;
    char *s = text[turn++ % 8];
    double a = v < 0 ? -v : v;
    int digits = a >= 100 || a == 0 ? 0 : a >= 10 ? 1 : a >= 0.1 ? 2 : 4;
    snprintf(s, sizeof text[0], "%.*f", digits, v);
    return s;
}

struct bench_result {
    double ours, floor, ratio, peer, peer_ratio, allowed, off; /* off ≤ 1: the goal is met */
    bool noisy;
    const char *verdict;
};

BENCH_UNUSED static void bench_decide(const struct bench_goal *g, struct bench_result *r)
{
    const char *strict = getenv("BENCH_STRICT");
    double got = g->kind == BENCH_RATIO  ? r->ratio
                 : g->kind == BENCH_PEER ? r->peer_ratio
                 : g->kind == BENCH_OVER ? r->ours - r->floor
                                         : r->ours;
    r->allowed = g->goal;
    if (g->kind == BENCH_TIME && g->reference > 0 && r->floor > 0) {
        double here = r->floor / g->reference;
        if (g->at_least ? here < 1 : here > 1)
            r->allowed *= here;
    }
    r->off = g->at_least      ? (got > 0 ? r->allowed / got : INFINITY)
             : r->allowed > 0 ? got / r->allowed
                              : (got > 0 ? INFINITY : 0);
    bool slack = g->kind != BENCH_VALUE && !g->exact && (strict == NULL || strict[0] != '1');
    r->noisy = slack && r->off > 1 && r->off <= BENCH_NOISE;
    r->verdict = r->off <= 1 || r->noisy ? "PASS" : "FAIL";
}

BENCH_UNUSED static void bench_print_goal(const struct bench_goal *g, const struct bench_plan *p,
                                          const struct bench_result *r, char *out, size_t size)
{
    int n = snprintf(out, size, "%s%s", g->at_least ? ">=" : "<=", bench_number(g->goal));
    size_t at = n > 0 && (size_t)n < size ? (size_t)n : size - 1;
    if (g->kind == BENCH_RATIO)
        snprintf(out + at, size - at, "x floor");
    else if (g->kind == BENCH_PEER)
        snprintf(out + at, size - at, "x %s", p->peer_name);
    else if (g->kind == BENCH_OVER)
        snprintf(out + at, size - at, " %s + floor", g->unit);
    else if (r->allowed != g->goal)
        snprintf(out + at, size - at, " %s (here %s)", g->unit, bench_number(r->allowed));
    else
        snprintf(out + at, size - at, " %s", g->unit);
}

BENCH_UNUSED static void bench_record(const struct bench_goal *g, const struct bench_plan *p,
                                      const struct bench_result *r, const struct bench_runs *ours)
{
    const char *path = getenv("BENCH_JSON");
    static const char *const kinds[] = { "ratio", "peer", "value", "time", "over" };
    FILE *f = path != NULL && path[0] != '\0' ? fopen(path, "a") : NULL;
    if (f == NULL)
        return;
    fprintf(f, "{\"name\":\"%s\",\"unit\":\"%s\",\"kind\":\"%s\",\"ours\":%.9g", g->name, g->unit,
            kinds[g->kind], r->ours);
    if (g->p95 > 0)
        fprintf(f, ",\"p95\":%.9g,\"max\":%.9g", bench_median(ours, g->p95),
                bench_median(ours, g->max));
    fprintf(f, ",\"pairs\":%zu", ours->n);
    if (!isnan(r->floor))
        fprintf(f, ",\"floor\":%.9g,\"ratio\":%.9g", r->floor, r->ratio);
    if (!isnan(r->peer))
        fprintf(f, ",\"peer\":\"%s\",\"peer_value\":%.9g,\"peer_ratio\":%.9g", p->peer_name,
                r->peer, r->peer_ratio);
    fprintf(f, ",\"goal\":%.9g,\"allowed\":%.9g,\"at_least\":%s,\"within_noise\":%s", g->goal,
            r->allowed, g->at_least ? "true" : "false", r->noisy ? "true" : "false");
    fprintf(f, ",\"verdict\":\"%s\"}\n", r->verdict);
    fclose(f);
}

BENCH_UNUSED static bool bench_judge(const struct bench_goal *g, const struct bench_plan *p,
                                     const struct bench_runs *ours, const struct bench_runs *floor,
                                     const struct bench_runs *peer)
{
    struct bench_result r = { .floor = NAN, .ratio = NAN, .peer = NAN, .peer_ratio = NAN };
    char mine[80], theirs[48], goal[64], a[24], b[24];
    bool has_floor = floor->n > 0 && g->kind != BENCH_VALUE && g->kind != BENCH_PEER;
    r.ours = bench_median(ours, g->ours);
    if (has_floor) {
        r.floor = bench_median(floor, g->floor);
        r.ratio = bench_ratio(ours, g->ours, floor, g->floor);
    }
    if (g->kind == BENCH_PEER && peer->n > 0) {
        r.peer = bench_median(peer, g->peer);
        r.peer_ratio = bench_ratio(ours, g->ours, peer, g->peer);
    }
    bench_decide(g, &r);
    if (ours->n == 0 || r.ours < 0 || (g->kind == BENCH_PEER && peer->n == 0))
        r.verdict = "SKIP";
    if (g->p95 > 0)
        snprintf(mine, sizeof mine, "%s/%s/%s %s", bench_number(r.ours),
                 bench_number(bench_median(ours, g->p95)), bench_number(bench_median(ours, g->max)),
                 g->unit);
    else
        snprintf(mine, sizeof mine, "%s %s", bench_number(r.ours), g->unit);
    snprintf(theirs, sizeof theirs, "%s %s", p->peer_name,
             isnan(r.peer) ? "-" : bench_number(r.peer));
    snprintf(a, sizeof a, "%s", has_floor ? bench_number(r.floor) : "-");
    snprintf(b, sizeof b, "%s", has_floor && !p->floor_is_other ? bench_number(r.ratio) : "-");
    bench_print_goal(g, p, &r, goal, sizeof goal);
    printf("%-18s %-26s %8s %6s  %-16s %6s  %-24s %s%s\n", g->name,
           ours->n > 0 && r.ours >= 0 ? mine : "-", a, b, g->kind == BENCH_PEER ? theirs : "-",
           isnan(r.peer_ratio) ? "-" : bench_number(r.peer_ratio), goal, r.verdict,
           r.noisy ? " within noise" : "");
    fflush(stdout);
    bench_record(g, p, &r, ours);
    return strcmp(r.verdict, "FAIL") != 0;
}

/* Alternate the programs and judge every goal: 0 when none failed. */
BENCH_UNUSED static int bench_goals(const struct bench_plan *p, const struct bench_goal *goals,
                                    size_t count)
{
    static struct bench_runs ours, floor, peer;
    const char *s = getenv("BENCH_PAIRS");
    size_t pairs = s != NULL ? (size_t)strtoul(s, NULL, 10) : p->pairs != 0 ? p->pairs : 5;
    int failed = 0, rc = 0, peer_rc = 0;
    ours.n = floor.n = peer.n = 0;
    if (pairs < 1 || pairs > BENCH_PAIRS_MAX)
        pairs = 5;
    for (size_t i = 0; i < pairs && rc >= 0; i++) {
        if ((rc = bench_run(p->ours, ours.v[i])) < 0)
            break;
        ours.n++;
        if (p->floor != NULL && (rc = bench_run(p->floor, floor.v[i])) > 0)
            floor.n++;
        if (p->peer != NULL && peer_rc >= 0 && (peer_rc = bench_run(p->peer, peer.v[i])) > 0)
            peer.n++;
    }
    if (rc == -1) {
        printf("%-18s a program failed  FAIL\n", goals[0].name);
        return 1;
    }
    for (size_t g = 0; g < count; g++)
        failed |= !bench_judge(&goals[g], p, &ours, &floor, &peer);
    return failed;
}

/* "<directory of argv0>/<name>" */
BENCH_UNUSED static const char *bench_beside(const char *argv0, const char *name)
{
    static char path[8][512];
    static unsigned turn;
    char *out = path[turn++ % 8];
    const char *slash = strrchr(argv0, '/');
    snprintf(out, sizeof path[0], "%.*s%s", slash != NULL ? (int)(slash - argv0) + 1 : 0, argv0,
             name);
    return out;
}

#endif
