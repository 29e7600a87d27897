/* test_store_damage.c - what a session file must not hide: changed, missing and torn parts. */
#include "session_fixture.h"

#include <inttypes.h>
#include <sys/wait.h>

#include "sessions/sql.h"

/* ---- a session with a row in every table ---- */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static void add_random_output(struct store *s)
{
    struct err e = ERR_INIT;
    char bytes[300];
    size_t len = 1 + rnd(sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)rnd(256);
    assert_ok(append_output(s, rnd(4), 1 + rnd(2), bytes, len, &e));
}

static void add_random_note(struct store *s)
{
    struct err e = ERR_INIT;
    struct event_builder b;
    char text[200];
    size_t len = rnd(sizeof text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)rnd(256);
    event_begin(&b, rnd(2) == 0 ? EVENT_NOTE : EVENT_TASK_GIVEN, rnd(3));
    json_w_strn(&b.w, "text", text, len);
    json_w_str(&b.w, "author", "person");
    assert_ok(event_end(&b, &e));
    assert_ok(store_append(s, &b.ev, &e));
    event_release(&b);
}

static void add_vars(struct store *s)
{
    struct err e = ERR_INIT;
    assert_ok(
        append_json(s, EVENT_STATE_CHANGED, 2,
                    "{\"vars\":[{\"name\":\"x\",\"type\":\"int\",\"shape\":\"s\",\"bytes\":28,"
                    "\"preview\":\"1\",\"digest\":\"d\",\"change\":\"new\"},"
                    "{\"name\":\"y\",\"type\":\"list\",\"shape\":\"s\",\"preview\":\"[]\","
                    "\"digest\":\"d\",\"change\":\"same\"}],\"files\":[]}",
                    &e));
}

static void add_blobs(struct store *s)
{
    struct err e = ERR_INIT;
    struct event ev = { .type = EVENT_RUN_RESULT,
                        .run = 2,
                        .json = "{\"mime\":\"image/png\",\"main\":true}" };
    ev.json_len = strlen(ev.json);
    assert_ok(store_append_artifact(s, &ev, "image/png", "plot.png", "\x89PNG....", 8, &e));
    ev = (struct event){
        .type = EVENT_CHECKPOINT_MADE, .run = 2, .json = "{\"kind\":\"saved\"}", .json_len = 16
    };
    assert_ok(store_append_checkpoint(s, &ev, "saved", "ref", "pickle", 6, "{\"a\":1}", &e));
}

static void add_sandboxes(struct store *s)
{
    struct err e = ERR_INIT;
    assert_ok(append_json(s, EVENT_SANDBOX_CREATING, 0, "{\"kind\":\"e2b\",\"label\":\"L1\"}", &e));
    assert_ok(append_json(s, EVENT_SANDBOX_READY, 0,
                          "{\"kind\":\"e2b\",\"label\":\"L1\",\"id\":\"i9\"}", &e));
}

static void make_session(void)
{
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, &e));
    add_random_note(s);
    add_random_output(s);
    add_vars(s);
    add_blobs(s);
    add_sandboxes(s);
    add_random_output(s);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
}

/* ---- files as bytes ---- */

struct image {
    char *ptr;
    size_t len;
};

static struct image load(const char *path)
{
    struct image im = { xmalloc(8 << 20), 0 };
    int fd = open(path, O_RDONLY);
    if (fd >= 0) {
        ssize_t n = read(fd, im.ptr, 8 << 20);
        assert_true(n >= 0 && n < 8 << 20);
        im.len = (size_t)n;
        close(fd);
    }
    return im;
}

static void save(const char *path, const void *p, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, len), len);
    close(fd);
}

static char *beside(const char *suffix)
{
    return xasprintf("%s/" ID "%s", fx.dir, suffix);
}

static void remove_beside(const char *suffix)
{
    char *path = beside(suffix);
    unlink(path);
    free(path);
}

/* Put the whole session back as it was, and nothing else. */
struct saved {
    struct image db, wal, head;
};

static struct saved save_all(void)
{
    char *wal = beside(".db-wal"), *head = beside(".head");
    struct saved all = { load(fx.path), load(wal), load(head) };
    free(wal);
    free(head);
    return all;
}

static void restore_all(const struct saved *all)
{
    char *wal = beside(".db-wal"), *head = beside(".head");
    static const char *const rest[] = { ".db-wal", ".db-shm", ".db-journal", ".lock" };
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        remove_beside(rest[i]);
    save(fx.path, all->db.ptr, all->db.len);
    if (all->wal.len != 0)
        save(wal, all->wal.ptr, all->wal.len);
    save(head, all->head.ptr, all->head.len);
    free(wal);
    free(head);
}

static void free_all(struct saved *all)
{
    free(all->db.ptr);
    free(all->wal.ptr);
    free(all->head.ptr);
}

/* ---- verdicts ---- */

/* "whole", "broken", "truncated", or "refused" when it can't be opened; the report in *rep. */
static const char *judge(struct verify_report *rep)
{
    static const char *const words[] = { "whole", "broken", "truncated" };
    struct err e = ERR_INIT;
    struct store *s;
    memset(rep, 0, sizeof *rep);
    if (store_open_read(&s, fx.path, &e) < 0) {
        if (e.code != ERR_FORMAT && e.code != ERR_INTEGRITY && e.code != ERR_IO)
            fail_msg("%s", e.msg);
        snprintf(rep->reason, sizeof rep->reason, "%.150s", e.msg);
        return "refused";
    }
    if (store_verify(s, rep, &e) < 0) {
        store_close(s);
        snprintf(rep->reason, sizeof rep->reason, "%.150s", e.msg);
        return "refused";
    }
    store_close(s);
    return words[rep->result];
}

static int add_record(void *arg, const struct event *ev)
{
    return event_print_jsonl(ev, "s", arg);
}

/* All events, all bytes. */
static char *contents(void)
{
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT(16 << 20);
    struct store *s = fixture_open(false);
    assert_ok(store_each(s, 0, 0, add_record, &b, &e));
    store_close(s);
    return buf_detach(&b);
}

/* ---- random events come back as they were ---- */

struct kept {
    enum event_type type;
    uint32_t run;
    unsigned stream;
    uint64_t offset;
    int64_t at_us;
    char *bytes;
    size_t len;
};

struct comparison {
    const struct kept *list;
    size_t at;
};

static int compare_kept(void *arg, const struct event *ev)
{
    struct comparison *c = arg;
    const struct kept *k = &c->list[c->at++];
    assert_int_equal(ev->seq, c->at);
    assert_int_equal(ev->type, k->type);
    assert_int_equal(ev->run, k->run);
    assert_int_equal(ev->at_us, k->at_us);
    bool output = ev->type == EVENT_RUN_OUTPUT;
    assert_int_equal(output ? ev->len : ev->json_len, k->len);
    assert_memory_equal(output ? ev->bytes : ev->json, k->bytes, k->len);
    if (output) {
        assert_int_equal(ev->stream, k->stream);
        assert_int_equal(ev->offset, k->offset);
    }
    return 0;
}

#define RANDOM_EVENTS 2000

static void append_random(struct store *s, struct kept *k)
{
    struct err e = ERR_INIT;
    struct buf body = BUF_INIT(100000);
    struct event ev = { .run = rnd(5), .type = rnd(3) == 0 ? EVENT_NOTE : EVENT_RUN_OUTPUT };
    for (size_t i = 0, n = 1 + rnd(rnd(50) == 0 ? 65536 : 200); i < n; i++)
        assert_int_equal(buf_add_char(&body, (char)rnd(256)), 0);
    struct event_builder b;
    event_begin(&b, EVENT_NOTE, ev.run);
    json_w_strn(&b.w, "text", body.ptr, body.len);
    json_w_str(&b.w, "author", "planner");
    assert_ok(event_end(&b, &e));
    if (ev.type == EVENT_NOTE) {
        ev = b.ev;
    } else {
        ev.stream = 1 + rnd(2);
        ev.offset = STORE_OFFSET_NEXT;
        ev.bytes = body.ptr;
        ev.len = body.len;
    }
    assert_ok(store_append(s, &ev, &e));
    *k = (struct kept){ ev.type, ev.run, ev.stream, ev.offset, ev.at_us, NULL, 0 };
    k->len = ev.type == EVENT_NOTE ? ev.json_len : ev.len;
    k->bytes = xmemdup(ev.type == EVENT_NOTE ? ev.json : ev.bytes, k->len);
    event_release(&b);
    buf_release(&body);
}

static void test_random_events(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    seed = 1;
    struct kept *kept = xcalloc(RANDOM_EVENTS, sizeof *kept);
    struct store *s = fixture_create();
    for (size_t i = 0; i < RANDOM_EVENTS; i++) {
        append_random(s, &kept[i]);
        if (rnd(200) == 0) {
            store_close(s);
            s = fixture_open(true);
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        struct comparison c = { kept, 0 };
        assert_ok(store_each(s, 0, 0, compare_kept, &c, &e));
        assert_int_equal(c.at, RANDOM_EVENTS);
        assert_ok(store_verify(s, &rep, &e));
        assert_int_equal(rep.result, VERIFY_WHOLE);
        assert_int_equal(rep.events, RANDOM_EVENTS);
        store_close(s);
        s = fixture_open(false);
    }
    store_close(s);
    for (size_t i = 0; i < RANDOM_EVENTS; i++)
        free(kept[i].bytes);
    free(kept);
}

/* ---- one changed value anywhere ---- */

/* Open behind the store's back, without its triggers; close_raw puts them back word for word. */
static char *triggers[8];

static struct sql *open_raw(void)
{
    struct err e = ERR_INIT;
    struct sql *db;
    struct sql_stmt *st;
    size_t n = 0;
    assert_ok(sql_open(&db, fx.path, SQL_WRITE, 1000, &e));
    assert_ok(sql_exec(db, "PRAGMA foreign_keys=OFF; PRAGMA synchronous=OFF", &e));
    assert_ok(sql_prepare(db, &st, "SELECT sql FROM sqlite_schema WHERE type = 'trigger'", &e));
    while (sql_step(st, &e) == 1)
        triggers[n++] = xstrdup(sql_text(st, 0, NULL));
    sql_finalize(st);
    assert_int_equal(n, 2);
    assert_ok(sql_exec(db, "DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete", &e));
    return db;
}

static void close_raw(struct sql *db)
{
    struct err e = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(triggers) && triggers[i] != NULL; i++) {
        assert_ok(sql_exec(db, triggers[i], &e));
        free(triggers[i]);
        triggers[i] = NULL;
    }
    sql_close(db);
}

static int64_t change_raw(const char *text)
{
    struct err e = ERR_INIT;
    struct sql *db = open_raw();
    assert_ok(sql_exec(db, text, &e));
    int64_t changes = sql_changes(db);
    close_raw(db);
    return changes;
}

static void test_triggers_refuse(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct sql *db;
    make_session();
    assert_ok(sql_open(&db, fx.path, SQL_WRITE, 1000, &e));
    assert_err(sql_exec(db, "UPDATE event SET run = 9", &e), ERR_FORMAT);
    assert_err(sql_exec(db, "DELETE FROM event WHERE seq = 1", &e), ERR_FORMAT);
    assert_err(sql_exec(db, "INSERT INTO payload VALUES(999, '{}')", &e), ERR_FORMAT);
    sql_close(db);
}

struct column {
    char table[20], name[20], type[10];
};

static size_t list_columns(struct column *out, size_t max)
{
    struct err e = ERR_INIT;
    struct sql *db;
    struct sql_stmt *st;
    size_t n = 0;
    assert_ok(sql_open(&db, fx.path, SQL_READ, 1000, &e));
    assert_ok(sql_prepare(
        db, &st,
        "SELECT m.name, c.name, c.type FROM sqlite_schema m, pragma_table_info(m.name) c"
        " WHERE m.type = 'table'",
        &e));
    while (sql_step(st, &e) == 1) {
        assert_true(n < max);
        snprintf(out[n].table, sizeof out[n].table, "%s", sql_text(st, 0, NULL));
        snprintf(out[n].name, sizeof out[n].name, "%s", sql_text(st, 1, NULL));
        snprintf(out[n++].type, sizeof out[0].type, "%s", sql_text(st, 2, NULL));
    }
    sql_finalize(st);
    sql_close(db);
    return n;
}

/* SQL that makes another value of column @. */
static const char *const int_changes[] = { "@ + 1", "@ + 4294967296", "@ + 256", "@ - 1" };
static const char *const text_changes[] = {
    "char(unicode(@) + 1) || substr(@, 2)",
    "substr(@, 1, length(@) - 1) || 'Z'",
    "@ || 'x'",
    "substr(@, 1, length(@) - 1)",
    "''",
};
static const char *const blob_changes[] = {
    "CAST(x'00' || substr(@, 2) AS BLOB)",
    "CAST(substr(@, 1, length(@) - 1) || x'00' AS BLOB)",
    "CAST(@ || x'00' AS BLOB)",
    "CAST(substr(@, 2) AS BLOB)",
    "x''",
};

static char *fill_in(const char *change, const char *column)
{
    struct buf b = BUF_INIT(500);
    for (; *change != '\0'; change++)
        assert_int_equal(*change == '@' ? buf_add_str(&b, column) : buf_add_char(&b, *change), 0);
    return buf_detach(&b);
}

static const char *key_of(const char *table)
{
    if (strcmp(table, "repl_var") == 0)
        return "pos";
    if (strcmp(table, "sandbox") == 0)
        return "label";
    return strcmp(table, "session") == 0 ? "id" : "seq";
}

/* Change it in row `row`, and see it found. 0 when there is nothing to change. */
static int try_change(const struct column *c, const char *change, int row)
{
    struct verify_report rep;
    char *value = fill_in(change, c->name);
    const char *key = key_of(c->table);
    char *text = xasprintf("UPDATE OR IGNORE %s SET %s = %s WHERE %s IS NOT (%s) AND %s ="
                           " (SELECT %s FROM %s ORDER BY 1 LIMIT 1 OFFSET %d)",
                           c->table, c->name, value, c->name, value, key, key, c->table, row);
    int64_t changed = change_raw(text);
    if (changed != 0) {
        const char *said = judge(&rep);
        if (strcmp(said, "broken") != 0 && strcmp(said, "refused") != 0)
            fail_msg("%s: %s", text, said);
        assert_true(rep.reason[0] != '\0');
    }
    free(text);
    free(value);
    return changed != 0;
}

static int try_column(const struct column *c, const struct saved *all)
{
    bool number = strcmp(c->type, "INTEGER") == 0, blob = strcmp(c->type, "BLOB") == 0;
    const char *const *changes = number ? int_changes : blob ? blob_changes : text_changes;
    size_t count = number ? ARRAY_LEN(int_changes) : ARRAY_LEN(text_changes);
    int cases = 0;
    for (size_t i = 0; i < count; i++) {
        for (int row = 0; row < 10; row += 1 + row) { /* 0 1 3 7 */
            int changed = try_change(c, changes[i], row);
            cases += changed;
            if (changed != 0)
                restore_all(all);
        }
    }
    return cases;
}

static void test_any_changed_column(void **state)
{
    (void)state;
    struct column columns[64];
    struct verify_report rep;
    int cases = 0;
    seed = 3;
    make_session();
    struct saved all = save_all();
    assert_string_equal(judge(&rep), "whole");
    size_t n = list_columns(columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < n; i++) {
        int tried = try_column(&columns[i], &all);
        if (tried == 0)
            fail_msg("%s.%s was never changed", columns[i].table, columns[i].name);
        cases += tried;
    }
    assert_true(cases > 250);
    restore_all(&all);
    assert_string_equal(judge(&rep), "whole");
    free_all(&all);
}

/* Every byte of every hashed value, through the columns where a bit matters most. */
static void test_every_byte_of_a_row(void **state)
{
    (void)state;
    static const struct {
        const char *column;
        int bytes;
    } blobs[] = { { "salt", 16 }, { "payload_hash", 32 }, { "chain", 32 } };
    struct verify_report rep;
    seed = 4;
    make_session();
    struct saved all = save_all();
    for (size_t i = 0; i < ARRAY_LEN(blobs); i++) {
        for (int at = 1; at <= blobs[i].bytes; at++) {
            char text[300];
            snprintf(text, sizeof text,
                     "UPDATE event SET %1$s = CAST(substr(%1$s, 1, %2$d - 1) || CASE substr(%1$s, "
                     "%2$d, 1)"
                     " WHEN x'41' THEN x'42' ELSE x'41' END || substr(%1$s, %2$d + 1) AS BLOB) "
                     "WHERE seq = 3",
                     blobs[i].column, at);
            assert_int_equal(change_raw(text), 1);
            if (strcmp(judge(&rep), "broken") != 0 || rep.first_bad != 3)
                fail_msg("%s byte %d: %s at %" PRIu64, blobs[i].column, at, rep.reason,
                         rep.first_bad);
            restore_all(&all);
        }
    }
    free_all(&all);
}

static void test_added_and_removed_rows(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *want;
        uint64_t first_bad; /* 0: whatever */
    } cases[] = {
        { "DELETE FROM event WHERE seq = 3", "broken", 3 },
        { "DELETE FROM event WHERE seq = 1", "broken", 1 },
        { "DELETE FROM event WHERE seq >= 9; DELETE FROM output WHERE seq >= 9;"
          "DELETE FROM payload WHERE seq >= 9",
          "truncated", 9 },
        { "DELETE FROM event; DELETE FROM output; DELETE FROM payload; DELETE FROM sandbox;"
          "DELETE FROM artifact; DELETE FROM checkpoint; DELETE FROM repl_var",
          "truncated", 1 },
        { "DELETE FROM event WHERE seq >= 8", "broken", 8 }, /* their bodies tell */
        { "INSERT INTO event SELECT 99, at_us, boot_us, type, run, salt, payload_hash, chain FROM "
          "event WHERE seq = 1",
          "broken", 11 },
        { "INSERT INTO payload VALUES(99, '{}')", "broken", 0 },
        { "INSERT INTO payload SELECT seq, '{}' FROM event WHERE type = 'run.output'", "broken",
          0 },
        { "INSERT INTO output SELECT seq, run, 1, 0, x'00' FROM event WHERE seq = 2", "broken", 2 },
        { "INSERT INTO artifact SELECT 1, run, mime, name, bytes FROM artifact", "broken", 1 },
        { "INSERT INTO artifact SELECT 99, run, mime, name, bytes FROM artifact", "broken", 0 },
        { "INSERT INTO checkpoint SELECT 1, run, kind, ref, meta, bytes FROM checkpoint", "broken",
          1 },
        { "INSERT INTO repl_var SELECT run, seq, 7, name, type, shape, bytes, preview, digest, "
          "change"
          " FROM repl_var WHERE pos = 0",
          "broken", 4 },
        { "INSERT INTO repl_var SELECT 9, 1, pos, name, type, shape, bytes, preview, digest, "
          "change FROM repl_var",
          "broken", 1 },
        { "INSERT INTO repl_var SELECT 9, 99, pos, name, type, shape, bytes, preview, digest, "
          "change FROM repl_var",
          "broken", 0 },
        { "DELETE FROM repl_var WHERE pos = 1", "broken", 4 },
        { "INSERT INTO sandbox VALUES('L0', '', 'e2b', 'ready', 1, 1)", "broken", 0 },
        { "DELETE FROM sandbox", "broken", 0 },
        { "INSERT INTO session VALUES('another')", "broken", 0 },
        { "DELETE FROM session", "refused", 0 },
        { "UPDATE session SET id = 'another'", "broken", 1 },
        { "CREATE TABLE more(x)", "refused", 0 },
        { "CREATE VIEW v AS SELECT 1", "refused", 0 },
        { "DROP INDEX output_at", "refused", 0 },
        { "ALTER TABLE payload ADD COLUMN x TEXT", "refused", 0 },
        { "PRAGMA user_version=2", "refused", 0 },
        { "PRAGMA user_version=0", "refused", 0 },
        { "PRAGMA application_id=7", "refused", 0 },
        /* what may go: bodies, old checkpoints */
        { "DELETE FROM payload WHERE seq = 2", "whole", 0 },
        { "DELETE FROM output WHERE seq = 3", "whole", 0 },
        { "DELETE FROM checkpoint", "whole", 0 },
        { "DELETE FROM artifact", "whole", 0 },
    };
    struct verify_report rep;
    seed = 5;
    make_session();
    struct saved all = save_all();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        change_raw(cases[i].sql);
        const char *said = judge(&rep);
        if (strcmp(said, cases[i].want) != 0 ||
            (cases[i].first_bad != 0 && rep.first_bad != cases[i].first_bad))
            fail_msg("%s: %s at %" PRIu64 ": %s", cases[i].sql, said, rep.first_bad, rep.reason);
        restore_all(&all);
    }
    free_all(&all);
}

static void test_dropped_trigger(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s;
    struct sql *db;
    make_session();
    assert_ok(sql_open(&db, fx.path, SQL_WRITE, 1000, &e));
    assert_ok(sql_exec(db, "DROP TRIGGER event_no_delete", &e));
    sql_close(db);
    assert_err(store_open(&s, fx.path, &e), ERR_FORMAT);
    assert_err(store_open_read(&s, fx.path, &e), ERR_FORMAT);
    assert_non_null(strstr(e.msg, "event_no_delete"));
}

/* A fold gives what is whole, and stops where it is not. */
static int count(void *arg, const struct event *ev)
{
    *(uint64_t *)arg = ev->seq;
    return 0;
}

static void test_fold_stops_at_damage(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE payload SET json = replace(json, 'author', 'autho2') WHERE seq = 5",
        "UPDATE event SET salt = zeroblob(16) WHERE seq = 5",
        "UPDATE event SET salt = zeroblob(15) WHERE seq = 5",
        "UPDATE payload SET json = json || ' ' WHERE seq = 5",
        "DELETE FROM event WHERE seq = 5",
    };
    struct err e = ERR_INIT;
    make_session();
    struct saved all = save_all();
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        uint64_t last = 0;
        if (i == 0)
            change_raw("UPDATE payload SET json = json || char(10) WHERE seq = 5");
        else
            change_raw(changes[i]);
        struct store *s = fixture_open(false);
        assert_err(store_each(s, 0, 0, count, &last, &e), ERR_INTEGRITY);
        assert_non_null(strstr(e.msg, "event 5"));
        assert_int_equal(last, 4);
        store_close(s);
        restore_all(&all);
    }
    free_all(&all);
}

/* Without the bodies: what a row is made of, and that each is there. */
static void test_links(void **state)
{
    (void)state;
    static const struct {
        const char *change;
        uint64_t whole_to;
    } cases[] = {
        { "UPDATE event SET chain = zeroblob(32) WHERE seq = 5", 4 },
        { "UPDATE event SET chain = zeroblob(31) WHERE seq = 5", 4 },
        { "UPDATE event SET payload_hash = zeroblob(32) WHERE seq = 1", 0 },
        { "UPDATE event SET at_us = at_us + 1 WHERE seq = 3", 2 },
        { "UPDATE event SET run = 9 WHERE seq = 4", 3 },
        { "DELETE FROM event WHERE seq = 5", 4 },
        { "DELETE FROM event WHERE seq = 1", 0 },
        { "UPDATE payload SET json = json || ' ' WHERE seq = 5", UINT64_MAX }, /* a fold's affair */
    };
    struct err e = ERR_INIT;
    uint64_t to;
    make_session();
    struct saved all = save_all();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        change_raw(cases[i].change);
        struct store *s = fixture_open(false);
        int rc = store_check_links(s, &to, &e);
        if (cases[i].whole_to == UINT64_MAX
                ? rc != 0 || to != store_last_seq(s)
                : rc == 0 || e.code != ERR_INTEGRITY || to != cases[i].whole_to)
            fail_msg("case %zu: up to %llu: %s", i, (unsigned long long)to, e.msg);
        store_close(s);
        restore_all(&all);
        err_clear(&e);
    }
    free_all(&all);
}

/* Damage that comes while it is being looked at. */
static void test_links_of_an_open_file(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct sql *db;
    uint64_t to;
    make_session();
    struct store *s = fixture_open(true); /* it knows what it wrote last */
    change_raw("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)");
    assert_err(store_check_links(s, &to, &e), ERR_INTEGRITY);
    assert_non_null(strstr(e.msg, "missing"));
    assert_int_equal(to + 1, store_last_seq(s));
    store_close(s);
    s = fixture_open(false);
    assert_ok(sql_open(&db, fx.path, SQL_WRITE, 1000, &e));
    assert_ok(sql_exec(db, "ALTER TABLE event RENAME TO gone", &e));
    sql_close(db);
    assert_err(store_check_links(s, &to, &e), ERR_INTEGRITY);
    assert_non_null(strstr(e.msg, "no such table"));
    assert_int_equal(to, 0);
    store_close(s);
}

/* What is appended next would be chained to it, so a damaged end is not written to. */
static void test_damaged_end_is_not_written(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s;
    make_session();
    change_raw("UPDATE event SET run = 7 WHERE seq = (SELECT max(seq) FROM event)");
    assert_err(store_open(&s, fx.path, &e), ERR_INTEGRITY);
    assert_null(s);
    s = fixture_open(false); /* but it can be looked at */
    store_close(s);
}

/* ---- anchors ---- */

static void test_anchors(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    make_session();
    struct saved all = save_all();
    char *head = beside(".head");
    assert_true(all.head.len > 0 && all.head.len % 86 == 0);

    unlink(head); /* none: whole, and says so */
    assert_string_equal(judge(&rep), "whole");
    assert_int_equal(rep.anchored, 0);

    char *digit = &all.head.ptr[all.head.len - 5], was = *digit;
    *digit = was == '0' ? '1' : '0'; /* another history at the last anchor, still in hex */
    save(head, all.head.ptr, all.head.len);
    assert_string_equal(judge(&rep), "broken");
    assert_int_equal(rep.first_bad, rep.events);
    *digit = was;

    save(head, all.head.ptr, all.head.len - 40); /* the last line is torn */
    assert_string_equal(judge(&rep), "whole");
    struct store *s = fixture_open(true); /* and is taken away before the next one */
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
    assert_string_equal(judge(&rep), "whole");
    assert_int_equal(rep.anchored, 11);

    restore_all(&all);
    memset(all.head.ptr + 86, 0, 86); /* a power cut left zeros */
    save(head, all.head.ptr, all.head.len);
    assert_string_equal(judge(&rep), "whole");
    assert_int_equal(rep.anchored, 10);

    static const char junk[] = "99999999999999999999999999999999999999";
    save(head, junk, sizeof junk - 1);
    assert_string_equal(judge(&rep), "whole");

    /* an older copy of the session beside newer anchors */
    s = fixture_open(true);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
    save(fx.path, all.db.ptr, all.db.len);
    assert_string_equal(judge(&rep), "truncated");
    assert_int_equal(rep.first_bad, 11);
    assert_int_equal(rep.events, 10);
    free(head);
    free_all(&all);
}

/* ---- files that are not, or no longer, what they should be ---- */

static void test_not_a_session(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *want;
    } cases[] = {
        { "", "empty" },
        { "x", "empty" },
        { "this is some text, longer than the header of a database, which has one hundred bytes in "
          "it, and so it is read",
          "not a database" },
    };
    struct err e = ERR_INIT;
    struct store *s;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        save(fx.path, cases[i].bytes, strlen(cases[i].bytes));
        assert_err(store_open_read(&s, fx.path, &e), ERR_FORMAT);
        if (strstr(e.msg, cases[i].want) == NULL)
            fail_msg("%s", e.msg);
        assert_err(store_open(&s, fx.path, &e), ERR_FORMAT);
        assert_non_null(strstr(e.msg, cases[i].want));
        struct image im = load(fx.path); /* untouched */
        assert_int_equal(im.len, strlen(cases[i].bytes));
        free(im.ptr);
    }
}

static void test_other_databases(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *want;
    } cases[] = {
        { "CREATE TABLE t(x)", "not an Airlock session" },
        { "PRAGMA application_id=7", "not an Airlock session" },
        { "PRAGMA application_id=1095912523", "not an Airlock session" },
        { "PRAGMA application_id=1095912523; PRAGMA user_version=99", "newer" },
        { "PRAGMA application_id=1095912523; PRAGMA user_version=1", "not the one we write" },
    };
    struct err e = ERR_INIT;
    struct store *s;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sql *db;
        save(fx.path, "", 0);
        assert_ok(sql_open(&db, fx.path, SQL_WRITE, 1000, &e));
        assert_ok(sql_exec(db, cases[i].sql, &e));
        sql_close(db);
        assert_err(store_open(&s, fx.path, &e), ERR_FORMAT);
        if (strstr(e.msg, cases[i].want) == NULL)
            fail_msg("%s: %s", cases[i].sql, e.msg);
        assert_err(store_open_read(&s, fx.path, &e), ERR_FORMAT);
    }
}

/* Flip bits and cut the file anywhere: never a crash, and never "whole" with other contents. */
static void test_flipped_bits_in_the_file(void **state)
{
    (void)state;
    struct verify_report rep;
    unsigned noticed = 0, harmless = 0;
    seed = 6;
    make_session();
    struct saved all = save_all();
    char *want = contents();
    for (int i = 0; i < 1500; i++) {
        struct image im = { xmemdup(all.db.ptr, all.db.len), all.db.len };
        size_t page = rnd((uint32_t)(im.len / 16384)) * 16384u;
        /* half of them where the bytes are: at the ends of a page */
        uint32_t where = i % 2 == 0 ? rnd(16384) : i % 4 == 1 ? rnd(200) : 16383 - rnd(1200);
        im.ptr[page + where] ^= (char)(1 << rnd(8));
        save(fx.path, im.ptr, im.len);
        free(im.ptr);
        if (strcmp(judge(&rep), "whole") == 0) {
            char *got = contents();
            assert_string_equal(got, want);
            free(got);
            harmless++;
        } else {
            noticed++;
        }
        restore_all(&all);
    }
    assert_true(noticed > 100 && harmless > 100);
    free(want);
    free_all(&all);
}

static void test_cut_file(void **state)
{
    (void)state;
    struct verify_report rep;
    seed = 7;
    make_session();
    struct saved all = save_all();
    for (size_t len = 0; len < all.db.len; len += len < 600 ? 50 : 4096 - 100) {
        save(fx.path, all.db.ptr, len);
        if (strcmp(judge(&rep), "whole") == 0)
            fail_msg("%zu of %zu bytes: whole", len, all.db.len);
        restore_all(&all);
    }
    free_all(&all);
}

/* ---- after a crash: the WAL beside it is torn or gone ---- */

static void crash_session(int events)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err e = ERR_INIT;
        struct store *s = fixture_open(true);
        for (int i = 0; i < events; i++) {
            if (append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e) < 0)
                _exit(1);
        }
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

/* Any prefix of the log is a state it was in; nothing but a prefix is ever seen. */
static void test_torn_wal(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    unsigned prefixes = 0;
    seed = 8;
    make_session();
    crash_session(6);
    struct saved all = save_all();
    assert_true(all.wal.len > 6 * 16384);
    char *wal = beside(".db-wal");
    assert_string_equal(judge(&rep), "whole");
    assert_int_equal(rep.events, 16);
    for (int i = 0; i < 300; i++) {
        struct image im = { xmemdup(all.wal.ptr, all.wal.len), all.wal.len };
        size_t at = rnd((uint32_t)im.len);
        if (i % 3 == 0)
            im.len = at;
        else
            im.ptr[at] ^= (char)(1 + rnd(255));
        restore_all(&all);
        save(wal, im.ptr, im.len);
        free(im.ptr);
        const char *said = judge(&rep);
        if (rep.events < 10 || (strcmp(said, "whole") != 0 && strcmp(said, "truncated") != 0))
            fail_msg("%s: %s", said, rep.reason);
        assert_int_equal(rep.events == 16, strcmp(said, "whole") == 0);
        prefixes += rep.events < 16;
        if (i % 10 == 0) { /* and it can be taken up again */
            struct store *s = fixture_open(true);
            assert_int_equal(store_last_seq(s), rep.events);
            assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
            store_close(s);
        }
    }
    assert_true(prefixes > 100);
    free(wal);
    free_all(&all);
}

static void test_missing_wal(void **state)
{
    (void)state;
    struct verify_report rep;
    make_session();
    crash_session(3);
    struct saved all = save_all();
    remove_beside(".db-wal");
    remove_beside(".db-shm");
    assert_string_equal(judge(&rep), "truncated"); /* the anchors know */
    assert_int_equal(rep.events, 10);
    assert_int_equal(rep.anchored, 13);
    free_all(&all);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_random_events),
        T(test_triggers_refuse),
        T(test_any_changed_column),
        T(test_every_byte_of_a_row),
        T(test_added_and_removed_rows),
        T(test_dropped_trigger),
        T(test_fold_stops_at_damage),
        T(test_links),
        T(test_links_of_an_open_file),
        T(test_damaged_end_is_not_written),
        T(test_anchors),
        T(test_not_a_session),
        T(test_other_databases),
        T(test_flipped_bits_in_the_file),
        T(test_cut_file),
        T(test_torn_wal),
        T(test_missing_wal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
