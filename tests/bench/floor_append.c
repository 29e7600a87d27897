/* floor_append.c - raw SQLite with the same durability, one table, no hash: `floor_append N BATCH`.
 * Prints rows/s, p50 us of a commit, and p50 us of write + fdatasync on a file that grows. */
#include <fcntl.h>
#include <sqlite3.h>

#include "bench.h"

static sqlite3 *db;

static void run(const char *sql)
{
    char *msg = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, msg);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    long n = argc > 2 ? atol(argv[1]) : 1000, batch = argc > 2 ? atol(argv[2]) : 1;
    char path[300], body[200], *dir = bench_make_dir();
    double *us = calloc((size_t)n, sizeof *us), start, last;
    sqlite3_stmt *st;
    memset(body, 'x', sizeof body);
    snprintf(path, sizeof path, "%s/floor.db", dir);
    sqlite3_open(path, &db);
    run("PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE log(seq INTEGER PRIMARY KEY, at INTEGER, type TEXT, body TEXT)");
    sqlite3_prepare_v2(db, "INSERT INTO log VALUES(?1, ?2, 'run.started', ?3)", -1, &st, NULL);
    start = last = bench_now();
    for (long i = 1; i <= n; i++) {
        if (i % batch == 1 || batch == 1)
            run("BEGIN IMMEDIATE");
        sqlite3_bind_int64(st, 1, i);
        sqlite3_bind_int64(st, 2, i * 1000);
        sqlite3_bind_text(st, 3, body, sizeof body, SQLITE_STATIC);
        sqlite3_step(st);
        sqlite3_reset(st);
        if (i % batch == 0 || i == n)
            run("COMMIT");
        double now = bench_now();
        us[i - 1] = (now - last) * 1e6;
        last = now;
    }
    printf("%f %f\n", (double)n / (last - start), bench_quantile(us, (size_t)n, 0.5));
    sqlite3_finalize(st);
    sqlite3_close(db);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    for (long i = 0; i < n && batch == 1; i++) {
        start = bench_now();
        if (write(fd, body, sizeof body) < 0 || fdatasync(fd) < 0)
            return 1;
        us[i] = (bench_now() - start) * 1e6;
    }
    printf("%f\n", bench_quantile(us, (size_t)n, 0.5));
    unlink(path);
    return rmdir(dir);
}
