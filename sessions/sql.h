/* sql.h - SQLite behind one file: connections, statements, and its errors in our words. Internal to
 * sessions/. [AUD-2, IMP-2]
 *
 * Statements are prepared once and values bound, never pasted. Errors: ERR_FORMAT (not a database,
 * damaged), ERR_BUSY (locked by another program), ERR_LIMIT (too big), else ERR_IO with errno in
 * `sys` (ENOSPC when the disk is full). Bound memory is borrowed until the next sql_reset; columns
 * are lent until the next sql_step or sql_reset.
 */
#ifndef AIRLOCK_SESSIONS_SQL_H
#define AIRLOCK_SESSIONS_SQL_H

#include "base/buf.h"

struct sql;      /* a connection; never crosses fork */
struct sql_stmt; /* a prepared statement */

enum sql_mode {
    SQL_READ,   /* read-only, query_only, no checkpoint when it closes */
    SQL_WRITE,  /* the file must exist */
    SQL_MEMORY, /* no file */
};

/* Defensive, trusted_schema and mmap off, foreign keys on, waits `busy_ms` for locks. `path` is a
 * file name, never a URI. */
int sql_open(struct sql **out, const char *path, enum sql_mode mode, int busy_ms,
             struct err *e) MUST_CHECK;
void sql_close(struct sql *db); /* its statements must be finalized; NULL is fine */

/* One or more statements without results. */
int sql_exec(struct sql *db, const char *text, struct err *e) MUST_CHECK;
/* First column of the first row; ERR_MISSING when there is none. */
int sql_get_int(struct sql *db, const char *text, int64_t *out, struct err *e) MUST_CHECK;
/* The same as text, copied; caller frees. NULL reads as "". */
int sql_get_text(struct sql *db, const char *text, char **out, struct err *e) MUST_CHECK;
bool sql_in_transaction(struct sql *db);
void sql_roll_back(struct sql *db); /* whatever is open; failure is no error */
/* Close without copying the WAL back: the disk has just failed us. */
void sql_keep_wal(struct sql *db);
int64_t sql_changes(struct sql *db); /* rows changed by the last statement */

int sql_prepare(struct sql *db, struct sql_stmt **out, const char *text, struct err *e) MUST_CHECK;
void sql_finalize(struct sql_stmt *st); /* NULL is fine */
void sql_bind_int(struct sql_stmt *st, int param, int64_t v);
void sql_bind_text(struct sql_stmt *st, int param, const char *s, size_t len); /* NULL: null */
void sql_bind_blob(struct sql_stmt *st, int param, const void *p, size_t len);
int sql_step(struct sql_stmt *st, struct err *e) MUST_CHECK; /* 1 a row, 0 done, -1 */
/* Step a statement that gives no rows, and reset it. */
int sql_run(struct sql_stmt *st, struct err *e) MUST_CHECK;
void sql_reset(struct sql_stmt *st); /* bindings go too; NULL is fine */

int64_t sql_int(struct sql_stmt *st, int col);
const char *sql_text(struct sql_stmt *st, int col, size_t *len); /* "" for null; len may be NULL */
const void *sql_blob(struct sql_stmt *st, int col, size_t *len); /* "" when empty */
/* Do both stand on rows with the same values and types? */
bool sql_same_row(struct sql_stmt *a, struct sql_stmt *b);

const char *sql_version(void); /* "3.40.1 2022-12-28 …": library version and source id, static */

#endif
