/* bench_ingest.c - output chunks through the store, and read back. */
#include "bench.h"
#include "sessions/store.h"

#define READ_SIZE ((size_t)256 << 10)

static int count_bytes(void *arg, const struct event *ev)
{
    *(size_t *)arg += ev->len;
    return 0;
}

/* Prints MB/s written, MB/s read by store_read_output, MB/s of a fold (hashes checked). */
static int ours(long bytes)
{
    struct err e = ERR_INIT;
    struct store *s;
    char *chunk = xmalloc(STORE_CHUNK_MAX), *dst = xmalloc(READ_SIZE), *dir = bench_make_dir();
    for (size_t i = 0; i < STORE_CHUNK_MAX; i++)
        chunk[i] = (char)(' ' + i % 90);
    if (store_create(&s, dir, "bench", &e) < 0)
        goto failed;
    double start = bench_now();
    for (long done = 0; done < bytes; done += (long)STORE_CHUNK_MAX) {
        struct event ev = { .type = EVENT_RUN_OUTPUT,
                            .run = 1,
                            .stream = 1,
                            .offset = STORE_OFFSET_NEXT,
                            .bytes = chunk,
                            .len = STORE_CHUNK_MAX };
        if (store_append(s, &ev, &e) < 0)
            goto failed;
    }
    if (store_flush(s, &e) < 0)
        goto failed;
    printf("%f\n", (double)bytes / 1e6 / (bench_now() - start));
    start = bench_now();
    uint64_t at = 0;
    for (ssize_t n; (n = store_read_output(s, 1, 1, at, dst, READ_SIZE, &e)) > 0;)
        at += (uint64_t)n;
    if (at != (uint64_t)bytes)
        goto failed;
    printf("%f\n", (double)bytes / 1e6 / (bench_now() - start));
    size_t seen = 0;
    start = bench_now();
    if (store_each(s, 0, 0, count_bytes, &seen, &e) < 0 || seen != (size_t)bytes)
        goto failed;
    printf("%f\n", (double)bytes / 1e6 / (bench_now() - start));
    store_close(s);
    bench_remove_dir(dir);
    free(chunk);
    free(dst);
    return 0;
failed:
    fprintf(stderr, "%s\n", e.msg);
    return 1;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "ingest", "MB/s", BENCH_RATIO, true, 0.7, .ours = 0, .floor = 0 },
        { "ingest.read", "MB/s", BENCH_TIME, true, 1000, .ours = 1, .floor = 1, .reference = 4500 },
        { "ingest.fold", "MB/s", BENCH_TIME, true, 500, .ours = 2, .floor = 1, .reference = 4500 },
    };
    if (argc == 3 && strcmp(argv[1], "ours") == 0)
        return ours(atol(argv[2]));
    char bytes[32];
    snprintf(bytes, sizeof bytes, "%ld", bench_size(1L << 30));
    const char *ours_argv[] = { argv[0], "ours", bytes, NULL };
    const char *floor_argv[] = { bench_beside(argv[0], "floor_ingest"), bytes, NULL };
    struct bench_plan plan = { .ours = ours_argv, .floor = floor_argv };
    return bench_goals(&plan, goals, 3);
}
