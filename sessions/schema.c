/* schema.c - tables, migrations and derived rows of a session file. */
#include "sessions/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sessions/store.h"

/* Every table and index costs a page of 16 KiB in each file, so there are few: artifacts are looked
 * up by walking their table, variables and sandboxes live in the index of their key.
 *
 * Step n makes version n + 1. A released step never changes again; a new one is added behind it. */
static const char *const migrations[STORE_SCHEMA_VERSION] = {
    "CREATE TABLE session(id TEXT NOT NULL) STRICT;"

    "CREATE TABLE event(seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, boot_us INTEGER NOT NULL,"
    " type TEXT NOT NULL, run INTEGER NOT NULL, salt BLOB NOT NULL, payload_hash BLOB NOT NULL,"
    " chain BLOB NOT NULL) STRICT;"
    "CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN"
    " SELECT raise(ABORT, 'events are past facts'); END;"
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN"
    " SELECT raise(ABORT, 'events are past facts'); END;"

    "CREATE TABLE payload(seq INTEGER PRIMARY KEY REFERENCES event, json TEXT NOT NULL) STRICT;"

    "CREATE TABLE output(seq INTEGER PRIMARY KEY REFERENCES event, run INTEGER NOT NULL,"
    " stream INTEGER NOT NULL, offset INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
    "CREATE INDEX output_at ON output(run, stream, offset);"

    "CREATE TABLE artifact(seq INTEGER PRIMARY KEY REFERENCES event, run INTEGER NOT NULL,"
    " mime TEXT NOT NULL, name TEXT NOT NULL, bytes BLOB NOT NULL) STRICT;"

    "CREATE TABLE repl_var(run INTEGER NOT NULL, seq INTEGER NOT NULL REFERENCES event,"
    " pos INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, shape TEXT NOT NULL,"
    " bytes INTEGER, preview TEXT NOT NULL, digest TEXT NOT NULL, change TEXT NOT NULL,"
    " PRIMARY KEY(run, seq, pos)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE checkpoint(seq INTEGER PRIMARY KEY REFERENCES event, run INTEGER NOT NULL,"
    " kind TEXT NOT NULL, ref TEXT NOT NULL, meta TEXT NOT NULL, bytes BLOB NOT NULL) STRICT;"

    "CREATE TABLE sandbox(label TEXT NOT NULL PRIMARY KEY, id TEXT NOT NULL, kind TEXT NOT NULL,"
    " state TEXT NOT NULL, created_us INTEGER NOT NULL, seq INTEGER NOT NULL REFERENCES event)"
    " STRICT, WITHOUT ROWID;",
};

/* ---- versions ---- */

/* Inside the caller's transaction. */
static int run_step(struct sql *db, int64_t version, struct err *e)
{
    char pragma[64];
    INVARIANT(version >= 0 && version < STORE_SCHEMA_VERSION);
    snprintf(pragma, sizeof pragma, "PRAGMA user_version=%" PRId64, version + 1);
    return sql_exec(db, migrations[version], e) < 0 ? -1 : sql_exec(db, pragma, e);
}

int schema_upgrade(struct sql *db, int64_t version, struct err *e)
{
    for (; version < STORE_SCHEMA_VERSION; version++) {
        if (sql_exec(db, "BEGIN IMMEDIATE", e) < 0 || run_step(db, version, e) < 0 ||
            sql_exec(db, "COMMIT", e) < 0) {
            sql_roll_back(db);
            return err_wrap(e, "schema version %" PRId64, version + 1);
        }
    }
    return 0;
}

static int add_session(struct sql *db, const char *id, struct err *e)
{
    struct sql_stmt *st = NULL;
    if (sql_prepare(db, &st, "INSERT INTO session(id) VALUES(?1)", e) < 0)
        return -1;
    sql_bind_text(st, 1, id, strlen(id));
    int rc = sql_run(st, e);
    sql_finalize(st);
    return rc;
}

/* One transaction: until it is on disk the file is "empty" to everybody. */
int schema_create(struct sql *db, const char *id, struct err *e)
{
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA application_id=%d", SCHEMA_APPLICATION_ID);
    int rc = sql_exec(db, "PRAGMA page_size=16384; BEGIN IMMEDIATE", e);
    for (int64_t v = 0; rc == 0 && v < STORE_SCHEMA_VERSION; v++)
        rc = run_step(db, v, e);
    if (rc == 0)
        rc = add_session(db, id, e);
    if (rc == 0)
        rc = sql_exec(db, pragma, e);
    if (rc == 0)
        rc = sql_exec(db, "COMMIT", e);
    sql_roll_back(db);
    return rc;
}

int schema_check(struct sql *db, int64_t *version, struct err *e)
{
    int64_t app, tables;
    if (sql_get_int(db, "PRAGMA application_id", &app, e) < 0 ||
        sql_get_int(db, "PRAGMA user_version", version, e) < 0 ||
        sql_get_int(db, "SELECT count(*) FROM sqlite_schema", &tables, e) < 0)
        return -1;
    if (app == 0 && tables == 0)
        return err_set(e, ERR_FORMAT, "empty: its creation was cut short, it can be removed");
    if (app != SCHEMA_APPLICATION_ID || *version < 1)
        return err_set(e, ERR_FORMAT, "a database, but not an Airlock session");
    if (*version > STORE_SCHEMA_VERSION)
        return err_set(e, ERR_FORMAT,
                       "written by a newer Airlock (schema %" PRId64 ", this one knows %d)",
                       *version, STORE_SCHEMA_VERSION);
    return 0;
}

/* ---- comparing ---- */

#define LISTING_MAX ((size_t)64 << 10)

/* The definitions as text, one after the other, each ended by a NUL. */
static int list_schema(struct sql *db, struct buf *out, struct err *e)
{
    struct sql_stmt *st = NULL;
    int got;
    if (sql_prepare(db, &st,
                    "SELECT name || ' ' || type || ' of ' || tbl_name || ': ' || coalesce(sql, '')"
                    " FROM sqlite_schema ORDER BY name",
                    e) < 0)
        return -1;
    while ((got = sql_step(st, e)) == 1) {
        size_t len;
        const char *line = sql_text(st, 0, &len);
        if (buf_add(out, line, len) < 0 || buf_add_char(out, '\0') < 0) {
            got = err_set(e, ERR_FORMAT, "more tables than we write");
            break;
        }
    }
    sql_finalize(st);
    return got;
}

/* What it must be: our own statements, run in memory. Kept for the life of the process, since
 * listing the sessions opens many files and this is most of the work. */
static const struct buf *model_listing(int64_t version, struct err *e)
{
    static struct buf known[STORE_SCHEMA_VERSION];
    struct buf *b = &known[version - 1];
    struct sql *model = NULL;
    if (b->len != 0)
        return b;
    buf_init(b, LISTING_MAX);
    int rc = sql_open(&model, NULL, SQL_MEMORY, 0, e);
    for (int64_t v = 0; rc == 0 && v < version; v++)
        rc = run_step(model, v, e);
    if (rc == 0)
        rc = list_schema(model, b, e);
    sql_close(model);
    if (rc == 0)
        return b;
    buf_release(b);
    return NULL;
}

static int differ(const struct buf *ours, struct buf *theirs, struct err *e)
{
    const char *a = ours->ptr, *a_end = a + ours->len;
    const char *b = buf_str(theirs), *b_end = b + theirs->len;
    while (a < a_end && b < b_end && strcmp(a, b) == 0) {
        a += strlen(a) + 1;
        b += strlen(b) + 1;
    }
    /* Sorted by name: the smaller one is missing on the other side. */
    const char *name = b == b_end || (a < a_end && strcmp(a, b) < 0) ? a : b;
    return err_set(e, ERR_FORMAT, "the definition of \"%.*s\" is not the one we write",
                   (int)strcspn(name, " "), name);
}

int schema_compare(struct sql *db, int64_t version, struct err *e)
{
    struct buf theirs = BUF_INIT(LISTING_MAX);
    const struct buf *ours = model_listing(version, e);
    int rc = ours != NULL ? list_schema(db, &theirs, e) : -1;
    if (rc == 0 && (theirs.len != ours->len || memcmp(buf_str(&theirs), ours->ptr, ours->len) != 0))
        rc = differ(ours, &theirs, e);
    buf_release(&theirs);
    return rc;
}

/* ---- derived rows ---- */

int derive_open(struct derive *d, struct sql *db, struct err *e)
{
    *d = (struct derive){ NULL, NULL };
    if (sql_prepare(db, &d->add_var,
                    "INSERT INTO repl_var(seq, run, name, type, shape, bytes, preview, digest,"
                    " change, pos) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    e) < 0)
        return -1;
    if (sql_prepare(db, &d->put_sandbox,
                    "INSERT INTO sandbox(label, id, kind, state, created_us, seq)"
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(label) DO UPDATE SET"
                    " id = CASE excluded.id WHEN '' THEN id ELSE excluded.id END,"
                    " kind = excluded.kind, state = excluded.state, seq = excluded.seq",
                    e) < 0) {
        derive_close(d);
        return -1;
    }
    return 0;
}

void derive_close(struct derive *d)
{
    sql_finalize(d->add_var);
    sql_finalize(d->put_sandbox);
    *d = (struct derive){ NULL, NULL };
}

static void bind_str(struct sql_stmt *st, int param, const struct json *o, const char *key)
{
    const char *s = json_get_str(o, key, "");
    sql_bind_text(st, param, s, strlen(s));
}

static int derive_var(struct sql_stmt *st, const struct event *ev, const struct json *v,
                      int64_t pos, struct err *e)
{
    const struct json *bytes = json_get(v, "bytes");
    sql_bind_int(st, 1, (int64_t)ev->seq);
    sql_bind_int(st, 2, ev->run);
    bind_str(st, 3, v, "name");
    bind_str(st, 4, v, "type");
    bind_str(st, 5, v, "shape");
    if (bytes != NULL) /* unbound is null: size unknown */
        sql_bind_int(st, 6, json_int(bytes, -1));
    bind_str(st, 7, v, "preview");
    bind_str(st, 8, v, "digest");
    bind_str(st, 9, v, "change");
    sql_bind_int(st, 10, pos);
    return sql_run(st, e);
}

static int derive_sandbox(struct sql_stmt *st, const struct event *ev, struct err *e)
{
    const char *state = event_type_name(ev->type) + strlen("sandbox.");
    bind_str(st, 1, ev->body, "label");
    bind_str(st, 2, ev->body, "id");
    bind_str(st, 3, ev->body, "kind");
    sql_bind_text(st, 4, state, strlen(state));
    sql_bind_int(st, 5, ev->at_us);
    sql_bind_int(st, 6, (int64_t)ev->seq);
    return sql_run(st, e);
}

bool event_has_rows(enum event_type t)
{
    return t == EVENT_STATE_CHANGED || t == EVENT_SANDBOX_CREATING || t == EVENT_SANDBOX_READY ||
           t == EVENT_SANDBOX_CLOSED || t == EVENT_SANDBOX_ORPHANED || t == EVENT_SANDBOX_PAUSED;
}

int derive_rows(struct derive *d, const struct event *ev, struct err *e)
{
    if (!event_has_rows(ev->type))
        return 0;
    if (ev->type != EVENT_STATE_CHANGED)
        return derive_sandbox(d->put_sandbox, ev, e);
    const struct json *vars = json_get(ev->body, "vars");
    int64_t pos = 0;
    for (const struct json *v = json_first(vars); v != NULL; v = json_next(v)) {
        if (derive_var(d->add_var, ev, v, pos++, e) < 0)
            return -1;
    }
    return 0;
}
