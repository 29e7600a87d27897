/* sql.c - the one file that knows SQLite. */
#include "sessions/sql.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX (96 << 20) /* the largest row: a saved namespace of 64 MiB and then some */

/* The public names are ours; the objects are SQLite's. */
static sqlite3 *raw(struct sql *db)
{
    return (sqlite3 *)(void *)db;
}

static sqlite3_stmt *raw_stmt(struct sql_stmt *st)
{
    return (sqlite3_stmt *)(void *)st;
}

static enum err_code code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* a table or column that should be there is not */
    case SQLITE_CONSTRAINT:
        return ERR_FORMAT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    default:
        return ERR_IO;
    }
}

static int errno_of(sqlite3 *db, int rc)
{
    if ((rc & 0xff) == SQLITE_FULL)
        return ENOSPC;
    if ((rc & 0xff) == SQLITE_NOMEM)
        return ENOMEM;
    if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN)
        return sqlite3_system_errno(db);
    return 0;
}

static int fail(sqlite3 *db, int rc, struct err *e)
{
    int sys = errno_of(db, rc);
    if (sys == ENOMEM)
        err_no_memory(); /* half an answer would be taken for a whole one */
    if (sys != 0)
        err_set(e, code_of(rc), "%s (%s)", sqlite3_errmsg(db), strerror(sys));
    else
        err_set(e, code_of(rc), "%s", sqlite3_errmsg(db));
    if (e != NULL)
        e->sys = sys;
    return -1;
}

/* ---- connections ---- */

static int configure(sqlite3 *db, enum sql_mode mode, int busy_ms, struct err *e)
{
    static const char common[] = "PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF;"
                                 "PRAGMA cell_size_check=ON; PRAGMA foreign_keys=ON;"
                                 "PRAGMA temp_store=MEMORY;";
    static const char read_only[] = "PRAGMA query_only=ON;";
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, busy_ms);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK && mode == SQL_READ)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, common, NULL, NULL, NULL);
    if (rc == SQLITE_OK && mode == SQL_READ)
        rc = sqlite3_exec(db, read_only, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(db, rc, e);
}

int sql_open(struct sql **out, const char *path, enum sql_mode mode, int busy_ms, struct err *e)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    flags |= mode == SQL_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    if (mode == SQL_MEMORY)
        flags |= SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY;
    int rc = sqlite3_open_v2(mode == SQL_MEMORY ? ":memory:" : path, &db, flags, NULL);
    if (db == NULL)
        err_no_memory();
    if (rc != SQLITE_OK)
        fail(db, rc, e);
    if (rc != SQLITE_OK || configure(db, mode, busy_ms, e) < 0) {
        sqlite3_close(db);
        return -1;
    }
    *out = (struct sql *)(void *)db;
    return 0;
}

void sql_close(struct sql *db)
{
    INVARIANT(sqlite3_close(raw(db)) == SQLITE_OK); /* a statement was forgotten */
}

int sql_exec(struct sql *db, const char *text, struct err *e)
{
    int rc = sqlite3_exec(raw(db), text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(raw(db), rc, e);
}

/* *st stands on the first row of `text`. */
static int first_row(struct sql *db, struct sql_stmt **st, const char *text, struct err *e)
{
    if (sql_prepare(db, st, text, e) < 0)
        return -1;
    int got = sql_step(*st, e);
    if (got == 0)
        err_set(e, ERR_MISSING, "no row");
    return got == 1 ? 0 : -1;
}

int sql_get_int(struct sql *db, const char *text, int64_t *out, struct err *e)
{
    struct sql_stmt *st = NULL;
    int rc = first_row(db, &st, text, e);
    if (rc == 0)
        *out = sql_int(st, 0);
    sql_finalize(st);
    return rc;
}

int sql_get_text(struct sql *db, const char *text, char **out, struct err *e)
{
    struct sql_stmt *st = NULL;
    int rc = first_row(db, &st, text, e);
    if (rc == 0) {
        size_t len;
        const char *s = sql_text(st, 0, &len);
        *out = xmemdup(s, len);
    }
    sql_finalize(st);
    return rc;
}

bool sql_in_transaction(struct sql *db)
{
    return sqlite3_get_autocommit(raw(db)) == 0;
}

void sql_roll_back(struct sql *db)
{
    if (sql_in_transaction(db))
        sqlite3_exec(raw(db), "ROLLBACK", NULL, NULL, NULL);
}

void sql_keep_wal(struct sql *db)
{
    sqlite3_db_config(raw(db), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

int64_t sql_changes(struct sql *db)
{
    return sqlite3_changes64(raw(db));
}

/* ---- statements ---- */

int sql_prepare(struct sql *db, struct sql_stmt **out, const char *text, struct err *e)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(raw(db), text, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK)
        return fail(raw(db), rc, e);
    *out = (struct sql_stmt *)(void *)st;
    return 0;
}

void sql_finalize(struct sql_stmt *st)
{
    sqlite3_finalize(raw_stmt(st));
}

static void check_bound(int rc)
{
    if ((rc & 0xff) == SQLITE_NOMEM)
        err_no_memory();
    INVARIANT(rc == SQLITE_OK);
}

/* NULL is an empty value, or none for want of memory. */
static void check_null(struct sql_stmt *st)
{
    if ((sqlite3_errcode(sqlite3_db_handle(raw_stmt(st))) & 0xff) == SQLITE_NOMEM)
        err_no_memory();
}

/* Binding fails on a wrong parameter number, which is a bug, and on values beyond VALUE_MAX, which
 * callers exclude. */
void sql_bind_int(struct sql_stmt *st, int param, int64_t v)
{
    check_bound(sqlite3_bind_int64(raw_stmt(st), param, v));
}

void sql_bind_text(struct sql_stmt *st, int param, const char *s, size_t len)
{
    check_bound(sqlite3_bind_text64(raw_stmt(st), param, s, len, SQLITE_STATIC, SQLITE_UTF8));
}

void sql_bind_blob(struct sql_stmt *st, int param, const void *p, size_t len)
{
    check_bound(sqlite3_bind_blob64(raw_stmt(st), param, len != 0 ? p : "", len, SQLITE_STATIC));
}

int sql_step(struct sql_stmt *st, struct err *e)
{
    int rc = sqlite3_step(raw_stmt(st));
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    return fail(sqlite3_db_handle(raw_stmt(st)), rc, e);
}

int sql_run(struct sql_stmt *st, struct err *e)
{
    int rc = sql_step(st, e);
    sql_reset(st);
    return rc < 0 ? -1 : 0;
}

void sql_reset(struct sql_stmt *st)
{
    if (st == NULL)
        return;
    sqlite3_reset(raw_stmt(st));
    sqlite3_clear_bindings(raw_stmt(st));
}

int64_t sql_int(struct sql_stmt *st, int col)
{
    return sqlite3_column_int64(raw_stmt(st), col);
}

const char *sql_text(struct sql_stmt *st, int col, size_t *len)
{
    const unsigned char *s = sqlite3_column_text(raw_stmt(st), col);
    if (s == NULL)
        check_null(st);
    if (len != NULL)
        *len = s != NULL ? (size_t)sqlite3_column_bytes(raw_stmt(st), col) : 0;
    return s != NULL ? (const char *)s : "";
}

const void *sql_blob(struct sql_stmt *st, int col, size_t *len)
{
    const void *p = sqlite3_column_blob(raw_stmt(st), col);
    if (p == NULL)
        check_null(st);
    *len = p != NULL ? (size_t)sqlite3_column_bytes(raw_stmt(st), col) : 0;
    return p != NULL ? p : "";
}

static bool same_value(sqlite3_stmt *a, sqlite3_stmt *b, int col)
{
    int type = sqlite3_column_type(a, col);
    if (type != sqlite3_column_type(b, col))
        return false;
    if (type == SQLITE_NULL)
        return true;
    if (type == SQLITE_INTEGER)
        return sqlite3_column_int64(a, col) == sqlite3_column_int64(b, col);
    const void *pa = sqlite3_column_blob(a, col), *pb = sqlite3_column_blob(b, col);
    int len = sqlite3_column_bytes(a, col);
    return len == sqlite3_column_bytes(b, col) && (len == 0 || memcmp(pa, pb, (size_t)len) == 0);
}

bool sql_same_row(struct sql_stmt *a, struct sql_stmt *b)
{
    int cols = sqlite3_column_count(raw_stmt(a));
    if (cols != sqlite3_column_count(raw_stmt(b)))
        return false;
    for (int i = 0; i < cols; i++) {
        if (!same_value(raw_stmt(a), raw_stmt(b), i))
            return false;
    }
    return true;
}

const char *sql_version(void)
{
    static char text[160];
    if (text[0] == '\0')
        snprintf(text, sizeof text, "%s %s", sqlite3_libversion(), sqlite3_sourceid());
    return text;
}
