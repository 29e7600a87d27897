/* floor_ingest.c - raw SQLite chunk rows, 64 KiB each, 16 to a transaction, no hash and no index:
 * `floor_ingest BYTES`. Prints MB/s written and MB/s read back. */
#include <sqlite3.h>

#include "bench.h"

#define CHUNK (64 << 10)

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
    long bytes = argc > 1 ? atol(argv[1]) : 1 << 26, chunks = bytes / CHUNK;
    char path[300], *chunk = malloc(CHUNK), *dst = malloc(CHUNK), *dir = bench_make_dir();
    sqlite3_stmt *st;
    for (long i = 0; i < CHUNK; i++)
        chunk[i] = (char)(' ' + i % 90);
    snprintf(path, sizeof path, "%s/floor.db", dir);
    sqlite3_open(path, &db);
    run("PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE out(seq INTEGER PRIMARY KEY, run INTEGER, stream INTEGER, off INTEGER,"
        " bytes BLOB)");
    sqlite3_prepare_v2(db, "INSERT INTO out VALUES(?1, 1, 1, ?2, ?3)", -1, &st, NULL);
    double start = bench_now();
    for (long i = 1; i <= chunks; i++) {
        if (i % 16 == 1)
            run("BEGIN IMMEDIATE");
        sqlite3_bind_int64(st, 1, i);
        sqlite3_bind_int64(st, 2, (i - 1) * CHUNK);
        sqlite3_bind_blob(st, 3, chunk, CHUNK, SQLITE_STATIC);
        sqlite3_step(st);
        sqlite3_reset(st);
        if (i % 16 == 0 || i == chunks)
            run("COMMIT");
    }
    printf("%f\n", (double)bytes / 1e6 / (bench_now() - start));
    sqlite3_finalize(st);
    sqlite3_prepare_v2(db, "SELECT bytes FROM out ORDER BY seq", -1, &st, NULL);
    start = bench_now();
    while (sqlite3_step(st) == SQLITE_ROW)
        memcpy(dst, sqlite3_column_blob(st, 0), CHUNK);
    printf("%f\n", (double)bytes / 1e6 / (bench_now() - start));
    sqlite3_finalize(st);
    sqlite3_close(db);
    bench_remove_dir(dir);
    return 0;
}
