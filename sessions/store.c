/* store.c - opening, closing and committing a session file. */
#include "sessions/store_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "sessions/archive.h"
#include "sessions/sidecar.h"

#define BUSY_MS           5000
#define QUICK_CHECK_BYTES ((int64_t)16 << 20) /* larger files: `verify` checks them */

static const char *const texts[STMT_COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ADD_EVENT] = "INSERT INTO event(" STORE_EVENT_COLUMNS ")"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [STMT_ADD_PAYLOAD] = "INSERT INTO payload(seq, json) VALUES(?1, ?2)",
    [STMT_ADD_OUTPUT] = "INSERT INTO output(seq, run, stream, offset, bytes)"
                        " VALUES(?1, ?2, ?3, ?4, ?5)",
    [STMT_ADD_ARTIFACT] = "INSERT INTO artifact(seq, run, mime, name, bytes)"
                          " VALUES(?1, ?2, ?3, ?4, ?5)",
    [STMT_ADD_CHECKPOINT] = "INSERT INTO checkpoint(seq, run, kind, ref, meta, bytes)"
                            " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [STMT_LAST_SEQ] = "SELECT coalesce(max(seq), 0) FROM event",
    [STMT_EACH_EVENT] =
        "SELECT " STORE_EVENT_COLUMNS " FROM event WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
    [STMT_EACH_PAYLOAD] = "SELECT seq, json FROM payload WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
    [STMT_EACH_OUTPUT] = "SELECT seq, run, stream, offset, bytes FROM output"
                         " WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
    [STMT_READ_OUTPUT] =
        "SELECT offset, bytes FROM output WHERE run = ?1 AND stream = ?2 AND offset >="
        " coalesce((SELECT max(offset) FROM output WHERE run = ?1 AND stream = ?2"
        " AND offset <= ?3), 0) ORDER BY offset",
    [STMT_OUTPUT_END] = "SELECT offset + length(bytes) FROM output"
                        " WHERE run = ?1 AND stream = ?2 ORDER BY offset DESC LIMIT 1",
    [STMT_WALK_OUTPUT] =
        "SELECT run, stream, offset, bytes FROM output WHERE seq > ?1 ORDER BY seq",
    [STMT_HAS_OUTPUT] = "SELECT EXISTS(SELECT 1 FROM output)",
};

struct sql_stmt *store_stmt(struct store *s, enum store_stmt which, struct err *e)
{
    if (s->stmts[which] == NULL && sql_prepare(s->db, &s->stmts[which], texts[which], e) < 0)
        return NULL;
    return s->stmts[which];
}

/* ---- the object ---- */

bool store_id_is_valid(const char *id, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool letter = (id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z');
        if (!letter && (id[i] < '0' || id[i] > '9') && id[i] != '-' && id[i] != '_')
            return false;
    }
    return len > 0 && len <= STORE_ID_MAX;
}

/* "<dir>/<id>.db" taken apart; NULL when `path` is not of that form. */
static struct store *new_store(const char *path, bool writable, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || strcmp(dot, ".db") != 0 || !store_id_is_valid(name, (size_t)(dot - name))) {
        err_set(e, ERR_FORMAT, "%s: a session file is named <id>.db", path);
        return NULL;
    }
    int stem = (int)(dot - path);
    struct store *s = xcalloc(1, sizeof *s);
    s->path = xstrdup(path);
    s->lock_path = xasprintf("%.*s.lock", stem, path);
    s->head_path = xasprintf("%.*s.head", stem, path);
    s->dir = slash != NULL ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    s->id = xstrndup(name, (size_t)(dot - name));
    s->sha = sha256_new();
    s->lock_fd = s->head_fd = s->reserve_fd = -1;
    s->writable = writable;
    buf_init(&s->body_text, EVENT_BODY_MAX);
    return s;
}

static void close_database(struct store *s)
{
    if (s->db != NULL && s->failed) /* its pages are not to be trusted; the next opener recovers */
        sql_keep_wal(s->db);
    for (unsigned i = 0; i < STMT_COUNT; i++) {
        sql_finalize(s->stmts[i]);
        s->stmts[i] = NULL;
    }
    derive_close(&s->derive);
    sql_close(s->db);
    s->db = NULL;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void free_store(struct store *s)
{
    close_database(s);
    close_fd(&s->head_fd);
    close_fd(&s->reserve_fd);
    lock_drop(s->lock_path, s->lock_fd);
    sha256_free(s->sha);
    json_free(s->body);
    buf_release(&s->body_text);
    free(s->path);
    free(s->lock_path);
    free(s->head_path);
    free(s->dir);
    free(s->id);
    free(s);
}

/* ---- what is in the file ---- */

int store_read_row(struct sql_stmt *st, struct event_row *row)
{
    size_t name_len, salt_len, hash_len, chain_len;
    const char *name = sql_text(st, 3, &name_len);
    const void *salt = sql_blob(st, 5, &salt_len);
    const void *hash = sql_blob(st, 6, &hash_len);
    const void *chain = sql_blob(st, 7, &chain_len);
    int64_t run = sql_int(st, 4);
    memset(&row->ev, 0, sizeof row->ev);
    row->ev.seq = (uint64_t)sql_int(st, 0);
    if (name_len == 0 || name_len > EVENT_NAME_MAX || strlen(name) != name_len ||
        salt_len != sizeof row->salt || hash_len != SHA256_LEN || chain_len != SHA256_LEN ||
        run < 0 || run > UINT32_MAX)
        return -1;
    row->ev.at_us = sql_int(st, 1);
    row->ev.boot_us = sql_int(st, 2);
    row->ev.run = (uint32_t)run;
    row->ev.type = event_type_find(name);
    memcpy(row->name, name, name_len + 1);
    row->ev.type_name = row->name;
    memcpy(row->salt, salt, sizeof row->salt);
    memcpy(row->payload_hash, hash, SHA256_LEN);
    memcpy(row->chain, chain, SHA256_LEN);
    return 0;
}

static int read_last_seq(struct store *s, uint64_t *out, struct err *e)
{
    struct sql_stmt *st = store_stmt(s, STMT_LAST_SEQ, e);
    if (st == NULL || sql_step(st, e) < 0) {
        sql_reset(st);
        return -1;
    }
    *out = (uint64_t)sql_int(st, 0);
    sql_reset(st);
    return 0;
}

/* Take the log up where it ends, and make sure that the end is sound: what is appended next is
 * chained to it. [AUD-8] */
static int load_tail(struct store *s, struct err *e)
{
    struct event_row row;
    uint8_t prev[SHA256_LEN], want[SHA256_LEN];
    if (read_last_seq(s, &s->last_seq, e) < 0)
        return -1;
    chain_start(s->sha, s->id, prev);
    memcpy(s->head, prev, sizeof prev);
    struct sql_stmt *st = s->last_seq != 0 ? store_stmt(s, STMT_EACH_EVENT, e) : NULL;
    if (st == NULL)
        return s->last_seq != 0 ? -1 : 0;
    sql_bind_int(st, 1, (int64_t)s->last_seq - 1);
    sql_bind_int(st, 2, (int64_t)s->last_seq);
    uint64_t seq = 0;
    int got;
    while ((got = sql_step(st, e)) == 1 && store_read_row(st, &row) == 0) {
        chain_next(s->sha, prev, &row.ev, row.payload_hash, want);
        memcpy(prev, row.chain, sizeof prev);
        seq = row.ev.seq;
    }
    sql_reset(st);
    if (got < 0)
        return -1;
    if (got == 1 || seq != s->last_seq || memcmp(want, prev, sizeof want) != 0)
        return err_set(e, ERR_INTEGRITY,
                       "event %" PRIu64 " does not match its hash: see `airlock verify`",
                       s->last_seq);
    memcpy(s->head, prev, sizeof prev);
    return 0;
}

/* The session's id is in the file; a copy under another name may be read, not written. */
static int load_id(struct store *s, struct err *e)
{
    char *id = NULL;
    if (sql_get_text(s->db, "SELECT id FROM session UNION ALL SELECT '' LIMIT 1", &id, e) < 0)
        return -1;
    if (!store_id_is_valid(id, strlen(id))) {
        free(id);
        return err_set(e, ERR_FORMAT, "the session id in the file is damaged");
    }
    if (s->writable && strcmp(id, s->id) != 0) {
        err_set(e, ERR_FORMAT, "this is a copy of session %s: rename it to %s.db to write it", id,
                id);
        free(id);
        return -1;
    }
    free(s->id);
    s->id = id;
    return 0;
}

static int quick_check(struct store *s, struct err *e)
{
    int64_t bytes;
    char *said = NULL;
    if (sql_get_int(s->db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                    &bytes, e) < 0)
        return -1;
    if (bytes > QUICK_CHECK_BYTES)
        return 0;
    if (sql_get_text(s->db, "PRAGMA quick_check(1)", &said, e) < 0)
        return -1;
    int rc = strcmp(said, "ok") == 0 ? 0 : err_set(e, ERR_FORMAT, "damaged: %.200s", said);
    free(said);
    return rc;
}

/* ---- opening ---- */

static int journal_mode(struct store *s, const char *pragma, bool *is_wal, struct err *e)
{
    char *mode = NULL;
    if (sql_get_text(s->db, pragma, &mode, e) < 0)
        return -1;
    *is_wal = strcmp(mode, "wal") == 0;
    free(mode);
    return 0;
}

/* The step from a plain file to WAL, and back in settle, changes a few bytes of the first sector,
 * so it needs no journal on disk: a power cut leaves it done or not done. This saves three syncs at
 * every open and close. (A session that crashed is in WAL mode already.)
 *
 * Copying the WAL back blocks us: 2 MiB at a time take 4 ms, SQLite's default of 1000 pages (16
 * MiB) takes 20 and is no faster in all. */
static int use_wal(struct store *s, struct err *e)
{
    bool is_wal;
    if (sql_exec(s->db,
                 "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=128;"
                 "PRAGMA journal_size_limit=67108864",
                 e) < 0 ||
        journal_mode(s, "PRAGMA journal_mode", &is_wal, e) < 0)
        return -1;
    if (!is_wal && (journal_mode(s, "PRAGMA journal_mode=MEMORY", &is_wal, e) < 0 ||
                    journal_mode(s, "PRAGMA journal_mode=WAL", &is_wal, e) < 0))
        return -1;
    if (!is_wal)
        return err_set(e, ERR_IO, "no write-ahead log on this file system: choose another --data");
    return 0;
}

static int check_file(struct store *s, struct err *e)
{
    int64_t version = 0;
    int rc = schema_check(s->db, &version, e);
    if (rc == 0)
        rc = schema_compare(s->db, version, e);
    if (rc == 0 && s->writable)
        rc = schema_upgrade(s->db, version, e);
    return rc == 0 ? load_id(s, e) : -1;
}

/* What a writer needs beside the database. */
static int open_sidecars(struct store *s, struct err *e)
{
    s->durable_seq = s->last_seq;
    memcpy(s->durable_head, s->head, sizeof s->head);
    if (anchor_open(s->head_path, &s->head_fd, e) < 0)
        return -1;
    return reserve_take(s->dir, &s->reserve_fd, e);
}

/* Who writes to an archived session has it back first. */
static int come_back(const char *path, struct err *e)
{
    return access(path, F_OK) < 0 ? archive_unpack_locked(path, e) : 0;
}

static int open_writer(struct store *s, struct err *e)
{
    if (lock_take(s->lock_path, &s->lock_fd, e) < 0 || come_back(s->path, e) < 0 ||
        sql_open(&s->db, s->path, SQL_WRITE, BUSY_MS, e) < 0 || check_file(s, e) < 0 ||
        quick_check(s, e) < 0 || use_wal(s, e) < 0 || load_tail(s, e) < 0)
        return -1;
    return open_sidecars(s, e);
}

static int check_exists(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno == ENOENT && archive_exists(path) ? 0
               : errno == ENOENT ? err_set(e, ERR_MISSING, "%s: no such session", path)
                                 : err_sys(e, ERR_IO, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_FORMAT, "%s: not a file", path);
    return 0;
}

int store_open(struct store **out, const char *path, struct err *e)
{
    *out = NULL;
    struct store *s = check_exists(path, e) == 0 ? new_store(path, true, e) : NULL;
    if (s == NULL)
        return -1;
    if (open_writer(s, e) < 0) {
        bool is_open = e->code == ERR_BUSY && s->lock_fd < 0;
        free_store(s);
        return is_open ? -1 : err_wrap(e, "%s", path);
    }
    *out = s;
    return 0;
}

static int open_reader(struct store *s, const char *path, struct err *e)
{
    if (sql_open(&s->db, path, SQL_READ, BUSY_MS, e) < 0 || check_file(s, e) < 0)
        return -1;
    return read_last_seq(s, &s->last_seq, e);
}

/* A plain copy, without a name from here on: it goes when it is closed. */
static int open_archived(struct store *s, struct err *e)
{
    char *copy = NULL;
    if (archive_copy(s->path, &copy, e) < 0)
        return -1;
    int rc = open_reader(s, copy, e);
    unlink(copy);
    free(copy);
    return rc;
}

int store_open_read(struct store **out, const char *path, struct err *e)
{
    *out = NULL;
    struct store *s = check_exists(path, e) == 0 ? new_store(path, false, e) : NULL;
    if (s == NULL)
        return -1;
    bool archived = access(path, F_OK) < 0;
    if ((archived ? open_archived(s, e) : open_reader(s, path, e)) < 0) {
        free_store(s);
        return err_wrap(e, "%s", path);
    }
    *out = s;
    return 0;
}

/* SQLite would make the file 0644; nobody has it yet. */
static int make_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, ERR_IO, "create %s", path);
    close(fd);
    return 0;
}

/* Nothing is in the file that a crash could hurt, so its tables are written without a journal and
 * unsynced; the step to WAL then syncs the file once. */
static int fill_new(struct store *s, const char *path, struct err *e)
{
    int rc = -1;
    if (make_file(path, e) == 0 && sql_open(&s->db, path, SQL_WRITE, BUSY_MS, e) == 0 &&
        sql_exec(s->db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", e) == 0 &&
        schema_create(s->db, s->id, e) == 0)
        rc = use_wal(s, e);
    close_database(s);
    return rc;
}

/* A session file appears whole or not at all: it is made as "<id>.new" and renamed. (The first sync
 * of its WAL syncs the directory.) A crash on the way leaves what sidecar_remove_leftovers knows.
 */
static int make_whole(struct store *s, struct err *e)
{
    if (access(s->path, F_OK) == 0)
        return err_set(e, ERR_BUSY, "session %s exists already", s->id);
    char *path = xasprintf("%s/%s.new", s->dir, s->id);
    sidecar_remove_new(s->dir, s->id); /* of one that died on the way */
    int rc = fill_new(s, path, e);
    if (rc == 0 && rename(path, s->path) < 0)
        rc = err_sys(e, ERR_IO, "name %s", s->path);
    if (rc < 0)
        sidecar_remove_new(s->dir, s->id);
    free(path);
    return rc;
}

static int open_new(struct store *s, struct err *e)
{
    if (sql_open(&s->db, s->path, SQL_WRITE, BUSY_MS, e) < 0 || use_wal(s, e) < 0 ||
        load_tail(s, e) < 0)
        return -1;
    return open_sidecars(s, e);
}

int store_create(struct store **out, const char *dir, const char *id, struct err *e)
{
    *out = NULL;
    if (!store_id_is_valid(id, strlen(id)))
        return err_set(e, ERR_FORMAT, "\"%.80s\" can't be the id of a session", id);
    if (path_make_private_dir(dir, e) < 0)
        return -1;
    char *path = xasprintf("%s/%s.db", dir, id);
    struct store *s = new_store(path, true, e);
    free(path);
    INVARIANT(s != NULL); /* the path was made of a valid id */
    if (lock_take(s->lock_path, &s->lock_fd, e) < 0 || make_whole(s, e) < 0) {
        free_store(s);
        return -1;
    }
    if (open_new(s, e) < 0) {
        close_database(s);
        sidecar_remove_empty(s->dir, s->id);
        err_wrap(e, "create %s", s->path);
        free_store(s);
        return -1;
    }
    *out = s;
    return 0;
}

/* Back to one plain file: a reader of a closed session then needs no WAL beside it, and would
 * otherwise leave one behind. When a reader is at it right now the WAL just stays. */
static void settle(struct store *s)
{
    bool is_wal = false;
    struct err ignored = ERR_INIT;
    for (unsigned i = 0; i < STMT_COUNT; i++)
        sql_reset(s->stmts[i]);
    if (journal_mode(s, "PRAGMA journal_mode=MEMORY", &is_wal, &ignored) < 0)
        return;
}

void store_close(struct store *s)
{
    struct err ignored = ERR_INIT;
    if (s == NULL)
        return;
    if (s->writable && !s->failed && store_flush(s, &ignored) == 0) {
        if (s->durable_seq > s->anchored_seq)
            anchor_write(s->head_fd, s->durable_seq, s->durable_head);
        settle(s);
    }
    free_store(s);
}

/* ---- after a failure ---- */

/* A commit that was reported as failed may still be in the file: what is found there counts. */
int store_reopen(struct store *s, struct err *e)
{
    close_database(s);
    memset(s->ends, 0, sizeof s->ends);
    if (sql_open(&s->db, s->path, SQL_WRITE, BUSY_MS, e) < 0 || use_wal(s, e) < 0 ||
        sql_exec(s->db, "PRAGMA wal_autocheckpoint=0", e) < 0 || load_tail(s, e) < 0)
        return -1;
    s->durable_seq = s->last_seq;
    memcpy(s->durable_head, s->head, sizeof s->head);
    return 0;
}

void store_give_reserve(struct store *s)
{
    close_fd(&s->reserve_fd);
}

/* ---- asking ---- */

const char *store_library_version(void)
{
    return sql_version();
}

const char *store_id(const struct store *s)
{
    return s->id;
}

const char *store_path(const struct store *s)
{
    return s->path;
}

bool store_is_live(struct store *s)
{
    return s->writable || lock_is_held(s->lock_path);
}

uint64_t store_last_seq(const struct store *s)
{
    uint64_t seq = s->last_seq;
    struct err ignored = ERR_INIT;
    if (s->writable)
        return seq;
    struct sql_stmt *st = s->stmts[STMT_LAST_SEQ]; /* prepared when it was opened */
    if (sql_step(st, &ignored) == 1)
        seq = (uint64_t)sql_int(st, 0);
    sql_reset(st);
    return seq;
}
