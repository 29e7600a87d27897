/* floor_open.c - raw SQLite: open a table of 10 000 rows and read the newest 50; open a log of 1
 * 000 rows and read it, bodies parsed by cJSON. Prints both p50 in ms. */
#include <cjson/cJSON.h>
#include <sqlite3.h>

#include "bench.h"

#define BODY "{\"text\":\"what a planner says in one delta\",\"author\":\"planner\"}"

static void make(const char *path, const char *rows)
{
    sqlite3 *db;
    char sql[600];
    snprintf(
        sql, sizeof sql,
        "PRAGMA synchronous=OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, at INTEGER, body TEXT);"
        "CREATE INDEX t_at ON t(at); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM n WHERE i < %s) INSERT INTO t SELECT i, i * 7919 %% 10007, '%s' FROM n",
        rows, BODY);
    sqlite3_open(path, &db);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        exit(1);
    sqlite3_close(db);
}

static double read_ms(const char *path, const char *sql)
{
    double ms[50];
    for (int i = 0; i < 50; i++) {
        sqlite3 *db;
        sqlite3_stmt *st;
        double start = bench_now();
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
        sqlite3_prepare_v2(db, sql, -1, &st, NULL);
        while (sqlite3_step(st) == SQLITE_ROW)
            cJSON_Delete(cJSON_Parse((const char *)sqlite3_column_text(st, 2)));
        sqlite3_finalize(st);
        sqlite3_close(db);
        ms[i] = (bench_now() - start) * 1e3;
    }
    return bench_quantile(ms, 50, 0.5);
}

int main(void)
{
    char list[300], log[300], *dir = bench_make_dir();
    snprintf(list, sizeof list, "%s/list.db", dir);
    snprintf(log, sizeof log, "%s/log.db", dir);
    make(list, "10000");
    make(log, "1000");
    printf("%f\n", read_ms(list, "SELECT id, at, body FROM t ORDER BY at DESC LIMIT 50"));
    printf("%f\n", read_ms(log, "SELECT id, at, body FROM t ORDER BY id"));
    bench_remove_dir(dir);
    return 0;
}
