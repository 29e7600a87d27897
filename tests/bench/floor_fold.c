/* floor_fold.c - rows of one table read in order, each body parsed by cJSON: `floor_fold N`. Prints
 * rows/s. */
#include <cjson/cJSON.h>
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
    long n = argc > 1 ? atol(argv[1]) : 100000, seen = 0;
    char path[300], *dir = bench_make_dir();
    const char *body = "{\"text\":\"what a planner says in one delta of its stream\",\"author\":"
                       "\"planner\"}";
    sqlite3_stmt *st;
    snprintf(path, sizeof path, "%s/floor.db", dir);
    sqlite3_open(path, &db);
    run("PRAGMA page_size=16384; PRAGMA synchronous=OFF;"
        "CREATE TABLE log(seq INTEGER PRIMARY KEY, type TEXT, body TEXT); BEGIN");
    sqlite3_prepare_v2(db, "INSERT INTO log VALUES(?1, 'planner.message', ?2)", -1, &st, NULL);
    for (long i = 1; i <= n; i++) {
        sqlite3_bind_int64(st, 1, i);
        sqlite3_bind_text(st, 2, body, -1, SQLITE_STATIC);
        sqlite3_step(st);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    run("COMMIT");
    sqlite3_prepare_v2(db, "SELECT seq, type, body FROM log ORDER BY seq", -1, &st, NULL);
    double start = bench_now();
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 2);
        cJSON *v = cJSON_ParseWithLength(text, (size_t)sqlite3_column_bytes(st, 2));
        seen += sqlite3_column_int64(st, 0) > 0 && cJSON_IsObject(v);
        cJSON_Delete(v);
    }
    printf("%f\n", (double)seen / (bench_now() - start));
    sqlite3_finalize(st);
    sqlite3_close(db);
    bench_remove_dir(dir);
    return seen != n;
}
