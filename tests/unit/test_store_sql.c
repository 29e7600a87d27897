/* test_store_sql.c - each call of SQLite fails once, in everything the store does: the failure is
 * told, nothing crashes, and the file is whole afterwards with all that was durable. [AUD-4]
 *
 * The k-th call of a scenario fails (failing_sql.h), for every k there is.
 */
#include "session_fixture.h"

#include "base/sha256.h"
#include "failing_sql.h"

/* ---- what the store does ---- */

static uint64_t durable; /* of the session, as the store told */

static int take_event(void *arg, const struct event *ev)
{
    (void)ev;
    ++*(unsigned *)arg;
    return 0;
}

static int take_artifact(void *arg, const struct store_artifact *a)
{
    (void)a;
    ++*(unsigned *)arg;
    return 0;
}

static int take_var(void *arg, const struct store_var *v)
{
    (void)v;
    ++*(unsigned *)arg;
    return 0;
}

static int take_sandbox(void *arg, const struct store_sandbox *row)
{
    (void)row;
    ++*(unsigned *)arg;
    return 0;
}

#define VARS                                                                                       \
    "{\"vars\":[{\"name\":\"v\",\"type\":\"int\",\"preview\":\"1\",\"digest\":\"d\","              \
    "\"change\":\"new\"}],\"files\":[]}"

static int append_blobs(struct store *s, struct err *e)
{
    struct event art = { .type = EVENT_RUN_RESULT,
                         .run = 1,
                         .json = "{\"mime\":\"x/y\",\"main\":false}" };
    struct event chk = { .type = EVENT_CHECKPOINT_MADE,
                         .run = 1,
                         .json = "{\"kind\":\"namespace\"}" };
    art.json_len = strlen(art.json);
    chk.json_len = strlen(chk.json);
    if (store_append_artifact(s, &art, "x/y", "plot", "bytes", 5, e) < 0)
        return -1;
    return store_append_checkpoint(s, &chk, "namespace", "r1", "saved", 5, NULL, e);
}

static int fill(struct store *s, struct err *e)
{
    if (append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, e) < 0 ||
        append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, e) < 0 ||
        append_output(s, 1, 1, "hello\n", 6, e) < 0 ||
        append_json(s, EVENT_STATE_CHANGED, 1, VARS, e) < 0 ||
        append_json(s, EVENT_SANDBOX_CREATING, 0, "{\"kind\":\"local\",\"label\":\"l\"}", e) < 0)
        return -1;
    return append_blobs(s, e);
}

static int do_create(struct store **s, struct err *e)
{
    if (store_create(s, fx.dir, ID, e) < 0 || fill(*s, e) < 0)
        return -1;
    return store_flush(*s, e);
}

static int do_append(struct store **s, struct err *e)
{
    if (store_open(s, fx.path, e) < 0 || append_json(*s, EVENT_NOTE, 0, NOTE_JSON, e) < 0 ||
        append_output(*s, 1, 1, "more\n", 5, e) < 0)
        return -1;
    return store_flush(*s, e);
}

static int do_read(struct store **s, struct err *e)
{
    unsigned n = 0;
    char text[8];
    uint64_t found;
    uint8_t chain[SHA256_LEN];
    struct buf out = BUF_INIT(100);
    int rc = -1;
    if (store_open_read(s, fx.path, e) == 0 && store_chain_at(*s, 1, chain, e) == 0 &&
        store_each(*s, 1, 0, take_event, &n, e) == 0 &&
        store_each_of(*s, UINT64_C(1) << EVENT_NOTE, 1, 0, take_event, &n, e) == 0 &&
        store_read_output(*s, 1, 1, 0, text, sizeof text, e) >= 0 &&
        store_read_artifact(*s, 1, "plot", &out, e) == 0 &&
        store_read_checkpoint(*s, "r1", &out, e) == 0 &&
        store_each_artifact(*s, 0, take_artifact, &n, e) == 0 &&
        store_each_var(*s, 1, take_var, &n, e) == 0 &&
        store_each_sandbox(*s, take_sandbox, &n, e) == 0)
        rc = 0;
    if (*s != NULL) {
        (void)store_output_bytes(*s, 1, 1);
        (void)store_find_output(*s, 1, 1, 0, &found);
        (void)store_has_output(*s);
        (void)store_last_seq(*s);
    }
    buf_release(&out);
    return rc;
}

static int do_walk(struct store **s, struct err *e)
{
    struct store_chunk chunk;
    bool walking = false;
    int got;
    if (store_open_read(s, fx.path, e) < 0)
        return -1;
    while ((got = store_walk_output(*s, &walking, &chunk, e)) == 1)
        assert_true(chunk.len > 0);
    return got;
}

static int do_verify(struct store **s, struct err *e)
{
    struct verify_report report;
    if (store_open_read(s, fx.path, e) < 0 || store_verify(*s, &report, e) < 0)
        return -1;
    /* A call that fails is no proof of damage. */
    assert_int_equal(report.result, VERIFY_WHOLE);
    return 0;
}

static int do_erase(struct store **s, struct err *e)
{
    bool more;
    if (store_open(s, fx.path, e) < 0 || append_blobs(*s, e) < 0 || store_flush(*s, e) < 0 ||
        store_erase(*s, 2, e) < 0 || store_drop_checkpoint(*s, "r1", 1, &more, e) < 0)
        return -1;
    return store_drop_loose_parts(*s, e);
}

static int do_import(struct store **s, struct err *e)
{
    struct event erased = { .type = EVENT_NOTE, .type_name = "note" };
    if (store_create(s, fx.dir, ID, e) < 0)
        return -1;
    store_set_bulk(*s);
    if (fill(*s, e) < 0 || store_flush(*s, e) < 0 || store_append_erased(*s, &erased, e) < 0)
        return -1;
    return store_flush(*s, e);
}

/* The store has failed; its last word meets another failure. */
static int do_last(struct store **s, struct err *e)
{
    struct err why = ERR_INIT;
    struct event ev = { .type = EVENT_NOTE, .json = NOTE_JSON, .json_len = strlen(NOTE_JSON) };
    long at = sql.fail_at;
    sql.fail_at = 0;
    assert_int_equal(store_open(s, fx.path, e), 0);
    sql.always = true;
    assert_int_equal(append_json(*s, EVENT_TASK_GIVEN, 0, TASK_JSON, &why), -1);
    sql.always = false;
    sql.fail_at = at;
    assert_true(store_failed(*s, &why));
    int rc = store_append_last(*s, &ev, e);
    sql.fail_at = 0;
    assert_true(store_failed(*s, NULL));
    return rc;
}

/* ---- each call fails once ---- */

static void make_session(void)
{
    struct err e = ERR_INIT;
    struct store *s = NULL;
    assert_ok(do_create(&s, &e));
    durable = store_durable_seq(s);
    store_close(s);
}

static void check_session(void)
{
    struct err e = ERR_INIT;
    struct store *s = NULL;
    struct verify_report report;
    assert_ok(store_open(&s, fx.path, &e));
    assert_ok(store_verify(s, &report, &e));
    if (report.result != VERIFY_WHOLE)
        fail_msg("call %ld: %s", sql.calls, report.reason);
    assert_true(store_last_seq(s) >= durable);
    store_close(s);
}

static void each_call_fails(int (*scenario)(struct store **, struct err *), bool makes, int code)
{
    bool done = false;
    for (long k = 1; !done; k++) {
        struct store *s = NULL;
        struct err e = ERR_INIT;
        empty_dir(fx.dir);
        durable = 0;
        if (!makes)
            make_session();
        sql.calls = 0;
        sql.code = code;
        sql.fail_at = k;
        int rc = scenario(&s, &e);
        done = sql.calls < k;
        sql.fail_at = 0;
        assert_true(rc == 0 || (rc == -1 && e.code != ERR_NONE && e.msg[0] != '\0'));
        assert_true(rc == 0 || !done);
        if (s != NULL && store_durable_seq(s) > durable && !store_failed(s, NULL))
            durable = store_durable_seq(s);
        store_close(s);
        if (access(fx.path, F_OK) == 0)
            check_session();
        else
            assert_true(makes);
        assert_true(k < 5000);
    }
    sql.fail_at = 0;
}

static void while_creating(void **state)
{
    (void)state;
    each_call_fails(do_create, true, SQLITE_IOERR);
    each_call_fails(do_create, true, SQLITE_FULL);
}

static void while_appending(void **state)
{
    (void)state;
    each_call_fails(do_append, false, SQLITE_FULL);
    each_call_fails(do_append, false, SQLITE_BUSY);
    each_call_fails(do_append, false, SQLITE_CORRUPT);
}

static void while_speaking_last(void **state)
{
    (void)state;
    each_call_fails(do_last, false, SQLITE_FULL);
}

/* A table that loses rows: what is not there is not passed over. */
static void rows_that_are_lost(void **state)
{
    (void)state;
    static const char walk[] = "FROM event WHERE seq BETWEEN";
    struct err e = ERR_INIT;
    struct store *s = NULL;
    make_session();
    for (int rows = 0; rows < 2; rows++) {
        sql.lost = walk;
        sql.rows = rows;
        int rc = store_open(&s, fx.path, &e);
        sql.lost = NULL;
        assert_int_equal(rc, -1);
        assert_int_equal(e.code, ERR_INTEGRITY);
        assert_non_null(strstr(e.msg, "does not match its hash"));
    }
    for (int rows = 0; rows < 7; rows++) {
        struct verify_report report;
        unsigned n = 0;
        s = fixture_open(false);
        sql.lost = walk;
        sql.rows = rows;
        assert_err(store_each(s, 1, 0, take_event, &n, &e), ERR_INTEGRITY);
        assert_int_equal(n, rows);
        sql.rows = rows;
        assert_ok(store_verify(s, &report, &e));
        sql.lost = NULL;
        assert_int_not_equal(report.result, VERIFY_WHOLE);
        store_close(s);
    }
}

static void while_reading(void **state)
{
    (void)state;
    each_call_fails(do_read, false, SQLITE_IOERR);
    each_call_fails(do_walk, false, SQLITE_BUSY);
}

static void while_verifying(void **state)
{
    (void)state;
    each_call_fails(do_verify, false, SQLITE_IOERR);
}

static void while_erasing(void **state)
{
    (void)state;
    each_call_fails(do_erase, false, SQLITE_IOERR);
}

static void while_importing(void **state)
{
    (void)state;
    each_call_fails(do_import, true, SQLITE_IOERR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(while_creating, fixture_setup_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(while_appending, fixture_setup_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(while_speaking_last, fixture_setup_in_memory,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(rows_that_are_lost, fixture_setup_in_memory,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(while_reading, fixture_setup_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(while_verifying, fixture_setup_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(while_erasing, fixture_setup_in_memory, fixture_teardown),
        cmocka_unit_test_setup_teardown(while_importing, fixture_setup_in_memory, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
