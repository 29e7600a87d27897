/* failing_sql.h - SQLite that fails: sqlite3_prepare_v3, _step, _exec and _open_v2 are replaced in
 * the test program that includes this; the call with a number fails, or statements lose rows. */
#ifndef AIRLOCK_TESTS_FAILING_SQL_H
#define AIRLOCK_TESTS_FAILING_SQL_H

#include <dlfcn.h>
#include <sqlite3.h>

static struct {
    long fail_at, calls; /* 1-based; 0 never */
    int code;
    bool always;      /* every call fails */
    const char *lost; /* of statements with these words only so many rows are found */
    int rows;
    int depth; /* SQLite calls itself: a statement it skips is no failure of ours */
} sql;

static int fails(void)
{
    if (sql.always)
        return sql.code;
    return sql.fail_at != 0 && sql.depth == 0 && ++sql.calls == sql.fail_at ? sql.code : SQLITE_OK;
}

static void *real(const char *name)
{
    void *fn = dlsym(RTLD_NEXT, name);
    assert_non_null(fn);
    return fn;
}

int sqlite3_prepare_v3(sqlite3 *db, const char *text, int len, unsigned flags, sqlite3_stmt **out,
                       const char **tail)
{
    static int (*fn)(sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);
    int rc = fails();
    if (fn == NULL)
        *(void **)&fn = real("sqlite3_prepare_v3");
    if (rc != SQLITE_OK)
        *out = NULL;
    if (rc != SQLITE_OK)
        return rc;
    sql.depth++;
    rc = fn(db, text, len, flags, out, tail);
    sql.depth--;
    return rc;
}

int sqlite3_step(sqlite3_stmt *st)
{
    static int (*fn)(sqlite3_stmt *);
    int rc = fails();
    if (fn == NULL)
        *(void **)&fn = real("sqlite3_step");
    if (rc != SQLITE_OK)
        return rc;
    if (sql.lost != NULL && sql.depth == 0 && strstr(sqlite3_sql(st), sql.lost) != NULL &&
        sql.rows-- <= 0)
        return SQLITE_DONE;
    sql.depth++;
    rc = fn(st);
    sql.depth--;
    return rc;
}

int sqlite3_exec(sqlite3 *db, const char *text, int (*each)(void *, int, char **, char **),
                 void *arg, char **why)
{
    static int (*fn)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *,
                     char **);
    int rc = fails();
    if (fn == NULL)
        *(void **)&fn = real("sqlite3_exec");
    if (rc != SQLITE_OK && why != NULL)
        *why = NULL;
    if (rc != SQLITE_OK)
        return rc;
    sql.depth++;
    rc = fn(db, text, each, arg, why);
    sql.depth--;
    return rc;
}

int sqlite3_open_v2(const char *name, sqlite3 **out, int flags, const char *vfs)
{
    static int (*fn)(const char *, sqlite3 **, int, const char *);
    int rc = fails();
    if (fn == NULL)
        *(void **)&fn = real("sqlite3_open_v2");
    /* As it fails: with a handle that knows why. (Without one it had no memory.) */
    return fn(rc != SQLITE_OK ? "/nonexistent/x.db" : name, out, flags, vfs);
}

#endif
