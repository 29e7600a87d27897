/* text.h - what agents' programs print, deterministic: logs, tests, tracebacks, tables, progress
 * bars; 5 % beyond ASCII, 10 % coloured. [performance §3] */
#ifndef AIRLOCK_TESTS_BENCH_TEXT_H
#define AIRLOCK_TESTS_BENCH_TEXT_H

#include "bench.h"

static uint32_t text_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static int text_line(FILE *f, uint32_t *seed, unsigned n)
{
    uint32_t r = text_next(seed), k = text_next(seed) % 1000;
    static const char *const words[] = { "worker", "request", "cache", "retry", "table",
                                         "index",  "socket",  "batch", "token", "naïve café" };
    const char *word = words[r / 7 % (r % 20 == 0 ? 10 : 9)];
    switch (r % 10) {
    case 0:
        return fprintf(f,
                       "\033[3%um%s\033[0m tests/unit/test_%s.py::test_%u \033[32mPASSED\033[0m\n",
                       r % 7 + 1, k % 9 == 0 ? "WARN" : "INFO", word, k);
    case 1:
        return fprintf(f, "  File \"/workspace/app/%s.py\", line %u, in handle_%s\n", word, k,
                       word);
    case 2:
        return fprintf(f, "    raise ValueError(f\"{key!r} of %s %u is not a number\")\n", word, k);
    case 3:
        return fprintf(f, "%u,%s,%u.%02u,%u,2026-11-22T10:%02u:%02u,ok\n", n, word, k, r % 100,
                       r % 65536, k % 60, r % 60);
    case 4:
        return fprintf(f, "downloading %3u %%\rdownloading %3u %%\rdownloading done %u\n", k % 50,
                       50 + k % 50, n);
    default:
        return fprintf(f,
                       "2026-11-22 10:%02u:%02u,%03u INFO  app.%s: %s %u of %u took %u.%u ms, "
                       "queue length %u\n",
                       k % 60, r % 60, k, word, word, n, n + k, k % 90, r % 10, r % 300);
    }
}

/* A file of about `bytes`, whole lines: its exact size. */
BENCH_UNUSED static long text_make(const char *path, long bytes, uint32_t seed)
{
    FILE *f = fopen(path, "w");
    long done = 0;
    if (f == NULL)
        bench_die(path);
    for (unsigned n = 0; done < bytes; n++)
        done += text_line(f, &seed, n);
    if (fclose(f) != 0)
        bench_die(path);
    return done;
}

#endif
