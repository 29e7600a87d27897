/* test_store_rows.c - reading a session: callers that stop, places behind every end, rows that can
 * not be, pages and anchors that are damaged.
 */
#include "session_fixture.h"

#include <inttypes.h>

#include "sessions/chain.h"
#include "sessions/sql.h"

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)

/* ---- reading: callers that stop, places that can't be, room that is too small ---- */

static int stop_event(void *arg, const struct event *ev)
{
    (void)ev;
    return ++*(int *)arg;
}

static int count_event(void *arg, const struct event *ev)
{
    (void)ev;
    ++*(int *)arg;
    return 0;
}

static int stop_artifact(void *arg, const struct store_artifact *a)
{
    (void)a;
    return ++*(int *)arg;
}
static int stop_var(void *arg, const struct store_var *v)
{
    (void)v;
    return ++*(int *)arg;
}
static int stop_sandbox(void *arg, const struct store_sandbox *row)
{
    (void)row;
    return ++*(int *)arg;
}

static void who_stops_is_asked_no_more(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    int n = 0;
    for (int i = 0; i < 2; i++) {
        assert_ok(
            append_artifact(s, "{\"mime\":\"x/y\",\"main\":true}", i == 0 ? "a" : "b", 5, &e));
        assert_ok(append_json(s, EVENT_SANDBOX_CREATING, 0,
                              i == 0 ? "{\"kind\":\"local\",\"label\":\"a\"}"
                                     : "{\"kind\":\"local\",\"label\":\"b\"}",
                              &e));
    }
    assert_ok(append_json(s, EVENT_STATE_CHANGED, 1,
                          "{\"vars\":[{\"name\":\"x\",\"type\":\"int\"},"
                          "{\"name\":\"y\",\"type\":\"int\"}],\"files\":[]}",
                          &e));
    assert_ok(store_each(s, 1, 0, stop_event, &n, &e));
    assert_int_equal(n, 1);
    assert_ok(store_each_artifact(s, 0, stop_artifact, &n, &e));
    assert_int_equal(n, 2);
    assert_ok(store_each_var(s, 1, stop_var, &n, &e));
    assert_int_equal(n, 3);
    assert_ok(store_each_sandbox(s, stop_sandbox, &n, &e));
    assert_int_equal(n, 4);
    store_close(s);
}

static void places_behind_every_end(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    uint64_t found;
    char c;
    assert_ok(append_output(s, 1, 1, "hello", 5, &e));
    assert_int_equal(store_read_output(s, 1, 1, UINT64_MAX, &c, 1, &e), 0);
    assert_int_equal(store_read_output(s, 1, 1, 0, &c, SIZE_MAX, &e), 0);
    assert_int_equal(store_read_output(s, 1, 1, 4, &c, 1, &e), 1);
    assert_int_equal(c, 'o');
    assert_false(store_find_output(s, 1, 1, UINT64_MAX, &found));
    assert_true(store_find_output(s, 1, 1, 2, &found));
    assert_int_equal(found, 2);
    store_close(s);
}

static void a_checkpoint_is_read_to_its_end(void **state)
{
    (void)state;
    static const char part[] = "{\"kind\":\"saved.part\"}";
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    struct event ev = { .type = EVENT_CHECKPOINT_MADE, .json = part, .json_len = strlen(part) };
    struct buf out = BUF_INIT(100), small = BUF_INIT(5), first = BUF_INIT(1);
    assert_ok(store_append_checkpoint(s, &ev, "saved.part", "r", "one ", 4, NULL, &e));
    assert_err(store_read_checkpoint(s, "r", &out, &e), ERR_MISSING); /* it never ended */
    assert_ok(append_checkpoint(s, "{\"kind\":\"saved\"}", "r", "two", 3, &e));
    assert_ok(append_checkpoint(s, "{\"kind\":\"saved\"}", "r", "three", 5,
                                &e)); /* what comes behind is another one */
    buf_reset(&out);
    assert_ok(store_read_checkpoint(s, "r", &out, &e));
    assert_string_equal(buf_str(&out), "one two");
    assert_err(store_read_checkpoint(s, "r", &small, &e), ERR_LIMIT);
    assert_err(store_read_checkpoint(s, "r", &first, &e), ERR_LIMIT);
    says(&e, ERR_LIMIT, "more than the 1 that were asked for");
    store_close(s);
    buf_release(&out);
    buf_release(&small);
    buf_release(&first);
}

/* ---- rows that can not be: written behind the store's back ---- */

static void change_raw(const char *text)
{
    static const char *const drop = "DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete;";
    struct err e = ERR_INIT;
    struct sql *db;
    char *triggers = NULL;
    assert_ok(sql_open(&db, fx.path, SQL_WRITE, 1000, &e));
    assert_ok(
        sql_get_text(db, "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE type = 'trigger'",
                     &triggers, &e));
    assert_ok(sql_exec(db, "PRAGMA foreign_keys=OFF; PRAGMA synchronous=OFF", &e));
    assert_ok(sql_exec(db, drop, &e));
    assert_ok(sql_exec(db, text, &e));
    assert_ok(sql_exec(db, triggers, &e));
    sql_close(db);
    free(triggers);
}

static void make_session(void)
{
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_ok(append_output(s, 1, 1, "hello", 5, &e));
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    store_close(s);
}

static const char *judge(char reason[256])
{
    struct err e = ERR_INIT;
    struct store *s = fixture_open(false);
    struct verify_report rep;
    assert_ok(store_verify(s, &rep, &e));
    assert_int_equal(rep.result, VERIFY_BROKEN);
    snprintf(reason, 256, "%s", rep.reason);
    store_close(s);
    return reason;
}

/* The last record has columns of sizes that none can have: it is neither continued nor read. */
static void a_record_has_its_shape(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE event SET type = '' WHERE seq = 3",
        "UPDATE event SET type = printf('%.65c', 'x') WHERE seq = 3",
        "UPDATE event SET type = 'no' || char(0) || 'te' WHERE seq = 3",
        "UPDATE event SET salt = x'00' WHERE seq = 3",
        "UPDATE event SET payload_hash = x'00' WHERE seq = 3",
        "UPDATE event SET chain = x'00' WHERE seq = 3",
        "UPDATE event SET run = -1 WHERE seq = 3",
        "UPDATE event SET run = 4294967296 WHERE seq = 3",
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct err e = ERR_INIT;
        struct store *s = NULL;
        uint8_t chain[SHA256_LEN];
        char reason[256];
        empty_dir(fx.dir);
        make_session();
        change_raw(changes[i]);
        assert_err(store_open(&s, fx.path, &e), ERR_INTEGRITY);
        says(&e, ERR_INTEGRITY, "event 3 does not match its hash: see `airlock verify`");
        s = fixture_open(false);
        assert_ok(store_chain_at(s, 2, chain, &e));
        assert_err(store_chain_at(s, 3, chain, &e), ERR_INTEGRITY);
        assert_err(store_chain_at(s, 4, chain, &e), ERR_MISSING);
        store_close(s);
        assert_string_equal(judge(reason), "the record is damaged");
    }
}

static void output_belongs_to_its_event(void **state)
{
    (void)state;
    static const char *const changes[] = { "UPDATE output SET run = 2",
                                           "UPDATE output SET stream = 0",
                                           "UPDATE output SET stream = 3" };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct err e = ERR_INIT;
        char reason[256];
        int n = 0;
        empty_dir(fx.dir);
        make_session();
        change_raw(changes[i]);
        struct store *s = fixture_open(false);
        assert_err(store_each(s, 1, 0, count_event, &n, &e), ERR_INTEGRITY);
        says(&e, ERR_INTEGRITY, "event 2: its output belongs elsewhere");
        assert_int_equal(n, 1);
        store_close(s);
        assert_non_null(strstr(judge(reason), "its output belongs elsewhere"));
    }
}

static void a_row_before_every_event_belongs_to_none(void **state)
{
    (void)state;
    char reason[256];
    make_session();
    change_raw("INSERT INTO artifact VALUES(0, 1, 'x/y', 'plot', x'00')");
    assert_string_equal(judge(reason), "artifact row 0 belongs to no event");
}

/* A text that its hash vouches for, but that is no body: only our own hand could have made it. */
static void a_body_with_a_right_hash_is_still_read(void **state)
{
    (void)state;
    static const uint8_t salt[CHAIN_SALT_LEN];
    struct err e = ERR_INIT;
    struct event ev = { .seq = 4,
                        .type = EVENT_NOTE,
                        .type_name = "note",
                        .at_us = 1,
                        .boot_us = 1,
                        .json = "[1, 2",
                        .json_len = 5 };
    struct sha256 *h = sha256_new();
    struct sql *db;
    struct sql_stmt *st;
    uint8_t hash[SHA256_LEN], chain[SHA256_LEN];
    char reason[256];
    make_session();
    struct store *s = fixture_open(false);
    assert_ok(store_chain_at(s, 3, chain, &e));
    store_close(s);
    chain_hash_body(h, salt, &ev, hash);
    chain_next(h, chain, &ev, hash, chain);
    sha256_free(h);
    assert_ok(sql_open(&db, fx.path, SQL_WRITE, 1000, &e));
    assert_ok(sql_prepare(db, &st, "INSERT INTO event VALUES(4, 1, 1, 'note', 0, ?1, ?2, ?3)", &e));
    sql_bind_blob(st, 1, salt, sizeof salt);
    sql_bind_blob(st, 2, hash, sizeof hash);
    sql_bind_blob(st, 3, chain, sizeof chain);
    assert_ok(sql_run(st, &e));
    sql_finalize(st);
    assert_ok(sql_exec(db, "INSERT INTO payload VALUES(4, '[1, 2')", &e));
    sql_close(db);
    int n = 0;
    s = fixture_open(false);
    assert_err(store_each(s, 1, 0, count_event, &n, &e), ERR_INTEGRITY);
    says(&e, ERR_INTEGRITY, "event 4: ");
    assert_int_equal(n, 3);
    store_close(s);
    assert_true(strlen(judge(reason)) > 0);
}

/* ---- pages and anchors ---- */

static void pages_are_checked_before_writing(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = NULL;
    unsigned char many = 99;
    make_session();
    int fd = open(fx.path, O_RDWR);
    assert_int_equal(pwrite(fd, &many, 1, 16384 + 7), 1); /* "fragmented bytes" of the 2nd page */
    close(fd);
    assert_err(store_open(&s, fx.path, &e), ERR_FORMAT);
    says(&e, ERR_FORMAT, "damaged: ");
    assert_null(s);
}

static void anchors_that_can_not_be_read_are_no_proof(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct verify_report rep;
    make_session();
    char *head = xasprintf("%s/" ID ".head", fx.dir);
    assert_int_equal(unlink(head), 0);
    assert_int_equal(mkdir(head, 0700), 0);
    struct store *s = fixture_open(false);
    assert_int_equal(store_verify(s, &rep, &e), -1);
    says(&e, ERR_IO, "verify session " ID);
    store_close(s);
    assert_int_equal(store_open(&s, fx.path, &e), -1);
    says(&e, ERR_IO, ".head: Is a directory");
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_stops_is_asked_no_more),
        T(places_behind_every_end),
        T(a_checkpoint_is_read_to_its_end),
        T(a_record_has_its_shape),
        T(output_belongs_to_its_event),
        T(a_row_before_every_event_belongs_to_none),
        T(a_body_with_a_right_hash_is_still_read),
        T(pages_are_checked_before_writing),
        T(anchors_that_can_not_be_read_are_no_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
