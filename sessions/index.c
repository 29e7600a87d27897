/* index.c - the list of sessions: opening index.db, listing, and finding a session by word. */
#include "sessions/index_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "sessions/archive.h"
#include "sessions/sidecar.h"
#include "sessions/store.h"

#define BUSY_MS 2000

/* Derived, so there are no migrations: another version is thrown away. */
#define INDEX_VERSION 4

static const char create_tables[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS session(id TEXT NOT NULL PRIMARY KEY, size INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL, wal_size INTEGER NOT NULL, wal_mtime INTEGER NOT NULL,"
    " hot INTEGER NOT NULL, name TEXT NOT NULL, task TEXT NOT NULL, outcome TEXT NOT NULL,"
    " planner TEXT NOT NULL, sandbox TEXT NOT NULL, tags TEXT NOT NULL, problem TEXT NOT NULL,"
    " created_us INTEGER NOT NULL, last_us INTEGER NOT NULL, runs INTEGER NOT NULL,"
    " denied INTEGER NOT NULL, failed INTEGER NOT NULL, cost_nanousd INTEGER NOT NULL,"
    " open_sandboxes INTEGER NOT NULL, failed_run INTEGER NOT NULL, last_seq INTEGER NOT NULL,"
    " head BLOB NOT NULL, trashed INTEGER NOT NULL, foreign_ INTEGER NOT NULL,"
    " archived INTEGER NOT NULL, trashed_us INTEGER NOT NULL, high INTEGER NOT NULL,"
    " waiting INTEGER NOT NULL, has_output INTEGER NOT NULL,"
    " parent TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS text(id TEXT NOT NULL, seq INTEGER NOT NULL, nth INTEGER NOT NULL,"
    " run INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL,"
    " PRIMARY KEY(id, seq, nth)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS session_created ON session(created_us, id);"
    "CREATE INDEX IF NOT EXISTS session_name ON session(name) WHERE name <> '';"
    "CREATE INDEX IF NOT EXISTS session_stamp ON session(" STAMP_COLUMNS ");"
    "CREATE INDEX IF NOT EXISTS session_hot ON session(id) WHERE hot OR size < 0;"
    "CREATE TABLE IF NOT EXISTS scan(dir_mtime INTEGER NOT NULL) STRICT;"
    "INSERT INTO scan SELECT -1 WHERE NOT EXISTS(SELECT 1 FROM scan);"
    "PRAGMA user_version=" TEXT_OF(INDEX_VERSION) ";"
                                                  "COMMIT";

/* ---- opening ---- */

static void close_database(struct index *ix)
{
    sql_finalize(ix->get);
    sql_finalize(ix->put);
    sql_finalize(ix->put_text);
    ix->get = ix->put = ix->put_text = NULL;
    sql_close(ix->db);
    ix->db = NULL;
}

static int prepare(struct index *ix, struct err *e)
{
    int64_t version;
    if (sql_get_int(ix->db, "PRAGMA user_version", &version, e) < 0)
        return -1;
    if (version != 0 && version != INDEX_VERSION)
        return err_set(e, ERR_FORMAT, "another version");
    if (sql_exec(ix->db, "PRAGMA synchronous=NORMAL", e) < 0 ||
        (version == 0 && sql_exec(ix->db, create_tables, e) < 0) ||
        sql_prepare(ix->db, &ix->get, "SELECT " INDEX_COLUMNS " FROM session WHERE id = ?1", e) < 0)
        return -1;
    if (sql_prepare(ix->db, &ix->put,
                    "REPLACE INTO session(" INDEX_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7,"
                    " ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,"
                    " ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31)",
                    e) < 0)
        return -1;
    return sql_prepare(ix->db, &ix->put_text,
                       "REPLACE INTO text(id, seq, nth, run, place, body)"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                       e);
}

static int open_database(struct index *ix, bool in_memory, struct err *e)
{
    close_database(ix);
    ix->in_memory = in_memory;
    if (!in_memory) { /* SQLite would make it 0644 */
        int fd = open(ix->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0)
            close(fd);
    }
    enum sql_mode mode = in_memory ? SQL_MEMORY : SQL_WRITE;
    return sql_open(&ix->db, ix->path, mode, BUSY_MS, e) < 0 ? -1 : prepare(ix, e);
}

static void throw_away(struct index *ix)
{
    char *journal = xasprintf("%s-journal", ix->path);
    close_database(ix);
    unlink(ix->path);
    unlink(journal);
    free(journal);
}

/* On disk if possible, anew if damaged, else in memory. */
static int open_somehow(struct index *ix, struct err *e)
{
    struct err why = ERR_INIT;
    if (open_database(ix, false, &why) == 0)
        return 0;
    if (why.code == ERR_FORMAT) {
        throw_away(ix);
        if (open_database(ix, false, &why) == 0)
            return 0;
    }
    return open_database(ix, true, e);
}

int index_open(struct index **out, const char *data_dir, struct err *e)
{
    struct err ignored = ERR_INIT;
    *out = NULL;
    if (access(data_dir, F_OK) < 0 && path_make_private_dir(data_dir, &ignored) < 0)
        err_clear(&ignored); /* the list is then an empty one in memory */
    struct index *ix = xcalloc(1, sizeof *ix);
    ix->path = path_join(data_dir, "index.db");
    ix->sessions_dir = path_join(data_dir, "sessions");
    if (open_somehow(ix, e) < 0) {
        index_close(ix);
        return -1;
    }
    *out = ix;
    return 0;
}

void index_close(struct index *ix)
{
    if (ix == NULL)
        return;
    close_database(ix);
    free(ix->path);
    free(ix->sessions_dir);
    free(ix);
}

/* ---- refreshing ---- */

/* Damage found on the way: once more with a new file. A disk that takes no writes: in memory.
 * Another process that is at it right now: its work will do, and the list is a moment old. */
static int scan_or_start_anew(struct index *ix, const char *id, struct err *e)
{
    struct err why = ERR_INIT;
    if (index_scan(ix, id, &why) == 0)
        return 0;
    if (why.code == ERR_BUSY)
        return 0;
    if (ix->in_memory)
        return err_set(e, why.code, "index: %s", why.msg);
    if (why.code == ERR_FORMAT)
        throw_away(ix);
    if ((why.code != ERR_FORMAT || open_database(ix, false, &why) < 0) &&
        open_database(ix, true, e) < 0)
        return -1;
    return index_scan(ix, NULL, e);
}

int index_refresh(struct index *ix, struct err *e)
{
    return scan_or_start_anew(ix, NULL, e);
}

int index_refresh_one(struct index *ix, const char *id, struct err *e)
{
    return scan_or_start_anew(ix, id, e);
}

/* ---- listing ---- */

static bool is_live(struct index *ix, struct sql_stmt *row)
{
    if (sql_int(row, COL_HOT) == 0)
        return false;
    char *lock = xasprintf("%s/%s.lock", ix->sessions_dir, sql_text(row, COL_ID, NULL));
    bool held = lock_is_held(lock);
    free(lock);
    return held;
}

static struct index_entry read_entry(struct index *ix, struct sql_stmt *row)
{
    return (struct index_entry){
        .id = sql_text(row, COL_ID, NULL),
        .name = sql_text(row, COL_NAME, NULL),
        .task = sql_text(row, COL_TASK, NULL),
        .outcome = sql_text(row, COL_OUTCOME, NULL),
        .planner = sql_text(row, COL_PLANNER, NULL),
        .sandbox = sql_text(row, COL_SANDBOX, NULL),
        .parent = sql_text(row, COL_PARENT, NULL),
        .tags = sql_text(row, COL_TAGS, NULL),
        .problem = sql_text(row, COL_PROBLEM, NULL),
        .created_us = sql_int(row, COL_CREATED),
        .last_us = sql_int(row, COL_LAST),
        .runs = sql_int(row, COL_RUNS),
        .denied = sql_int(row, COL_DENIED),
        .failed = sql_int(row, COL_FAILED),
        .cost_nanousd = sql_int(row, COL_COST),
        .open_sandboxes = sql_int(row, COL_OPEN_SANDBOXES),
        .last_seq = (uint64_t)sql_int(row, COL_LAST_SEQ),
        .trashed = sql_int(row, COL_TRASHED) != 0,
        .foreign = sql_int(row, COL_FOREIGN) != 0,
        .archived = sql_int(row, COL_ARCHIVED) != 0,
        .trashed_us = sql_int(row, COL_TRASHED_US),
        .high = sql_int(row, COL_HIGH),
        .waiting = sql_int(row, COL_WAITING) != 0,
        .has_output = sql_int(row, COL_HAS_OUTPUT) != 0,
        .live = is_live(ix, row),
    };
}

int index_list(struct index *ix, const char *query, enum index_which which, size_t limit,
               index_fn fn, void *arg, struct err *e)
{
    struct index_query q;
    struct sql_stmt *st = NULL;
    size_t given = 0;
    int got = 0;
    if (index_query_parse(&q, query, clock_wall_us(), e) < 0)
        return -1;
    if (sql_prepare(ix->db, &st,
                    "SELECT " INDEX_COLUMNS " FROM session WHERE trashed BETWEEN ?1 AND ?2"
                    " ORDER BY created_us DESC, id DESC",
                    e) < 0)
        return -1;
    sql_bind_int(st, 1, which == INDEX_TRASHED);
    sql_bind_int(st, 2, which != INDEX_KEPT);
    while ((limit == 0 || given < limit) && (got = sql_step(st, e)) == 1) {
        struct index_entry entry = read_entry(ix, st);
        if (!index_query_matches(&q, &entry))
            continue;
        given++;
        if (fn(arg, &entry) != 0)
            break;
    }
    sql_finalize(st);
    return got < 0 ? -1 : 0;
}

/* ---- finding ---- */

struct candidates {
    char *id; /* the first */
    size_t count;
    struct buf names; /* the first few, for people */
};

static int collect(struct index *ix, const char *text, const char *word, struct candidates *c,
                   struct err *e)
{
    struct sql_stmt *st = NULL;
    int got;
    if (sql_prepare(ix->db, &st, text, e) < 0)
        return -1;
    if (word != NULL)
        sql_bind_text(st, 1, word, strlen(word));
    while ((got = sql_step(st, e)) == 1) {
        const char *id = sql_text(st, 0, NULL);
        if (c->count++ == 0)
            c->id = xstrdup(id);
        if (buf_addf(&c->names, "%s%.64s", c->names.len != 0 ? ", " : "", id) < 0)
            continue; /* enough of them */
    }
    sql_finalize(st);
    return got < 0 ? -1 : 0;
}

/* In this order; the first that finds anything decides. */
static int find(struct index *ix, const char *word, struct candidates *c, struct err *e)
{
    static const char *const queries[] = {
        "SELECT id FROM session WHERE id = ?1",
        "SELECT id FROM session WHERE name = ?1 AND name <> '' AND NOT trashed ORDER BY id DESC",
        "SELECT id FROM session WHERE name = ?1 AND name <> '' ORDER BY id DESC",
        "SELECT id FROM session WHERE id >= ?1 AND id < ?1 || x'7f' ORDER BY id DESC",
    };
    for (size_t i = 0; i < ARRAY_LEN(queries) && c->count == 0; i++) {
        if (collect(ix, queries[i], word, c, e) < 0)
            return -1;
    }
    return 0;
}

static int find_last(struct index *ix, struct candidates *c, struct err *e)
{
    return collect(ix,
                   "SELECT id FROM session WHERE NOT trashed AND NOT foreign_ AND problem = ''"
                   " ORDER BY created_us DESC, id DESC LIMIT 1",
                   NULL, c, e);
}

static int no_last(struct index *ix, struct err *e)
{
    int64_t unreadable = 0;
    struct err ignored = ERR_INIT;
    if (sql_get_int(ix->db, "SELECT count(*) FROM session WHERE problem <> ''", &unreadable,
                    &ignored) < 0)
        unreadable = 0;
    return err_set(e, ERR_MISSING,
                   unreadable > 0 ? "no session can be read: airlock sessions says why"
                                  : "there is no session yet");
}

static int decide(struct index *ix, const char *word, struct candidates *c, struct err *e)
{
    if (c->count == 1)
        return 0;
    if (c->count > 1)
        return err_set(e, ERR_USAGE, "\"%.80s\" could be %zu sessions: %s", word, c->count,
                       buf_str(&c->names));
    if (strcmp(word, "last") == 0)
        return no_last(ix, e);
    return err_set(e, ERR_MISSING, "no session \"%.80s\" (`airlock sessions` lists them)", word);
}

/* A whole id needs no list. */
static bool is_file(struct index *ix, const char *word, char **path)
{
    if (!store_id_is_valid(word, strlen(word)))
        return false;
    *path = xasprintf("%s/%s.db", ix->sessions_dir, word);
    if (access(*path, F_OK) == 0 || archive_exists(*path))
        return true;
    free(*path);
    return false;
}

int index_resolve(struct index *ix, const char *word, char **id, char **path, struct err *e)
{
    struct candidates c = { .names = BUF_INIT(300) };
    struct err ignored = ERR_INIT;
    char *file;
    bool last = strcmp(word, "last") == 0;
    if (!last && is_file(ix, word, &file)) {
        *id = xstrdup(word);
        *path = file;
        return 0;
    }
    if (index_refresh(ix, &ignored) < 0)
        err_clear(&ignored); /* an older list is better than none */
    int rc = last ? find_last(ix, &c, e) : find(ix, word, &c, e);
    if (rc == 0)
        rc = decide(ix, word, &c, e);
    if (rc == 0) {
        *path = xasprintf("%s/%s.db", ix->sessions_dir, c.id);
        *id = c.id;
        c.id = NULL;
    }
    free(c.id);
    buf_release(&c.names);
    return rc;
}
