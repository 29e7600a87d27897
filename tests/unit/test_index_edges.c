/* test_index_edges.c - the list where it can't be kept, where another program wrote it, where there
 * is nothing or too much to find. */
#include "session_fixture.h"

#include "sessions/index.h"
#include "sessions/sql.h"

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)

static void make(const char *id, const char *extra_type, const char *extra)
{
    struct err e = ERR_INIT;
    struct store *s;
    char *dir = xasprintf("%s/sessions", fx.dir);
    assert_ok(store_create(&s, dir, id, &e));
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, &e));
    if (extra != NULL)
        assert_ok(append_json(s, event_type_find(extra_type), 1, extra, &e));
    store_close(s);
    free(dir);
}

static struct index *open_index(void)
{
    struct err e = ERR_INIT;
    struct index *ix;
    assert_ok(index_open(&ix, fx.dir, &e));
    assert_ok(index_refresh(ix, &e));
    return ix;
}

static int count(void *arg, const struct index_entry *en)
{
    (void)en;
    ++*(int *)arg;
    return 0;
}

static int stop(void *arg, const struct index_entry *en)
{
    (void)en;
    return ++*(int *)arg;
}

static int listed(struct index *ix, const char *query)
{
    struct err e = ERR_INIT;
    int n = 0;
    assert_ok(index_list(ix, query, INDEX_KEPT, 0, count, &n, &e));
    return n;
}

static void who_stops_is_asked_no_more(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    int n = 0;
    make("aaa", NULL, NULL);
    make("bbb", NULL, NULL);
    struct index *ix = open_index();
    assert_ok(index_list(ix, NULL, INDEX_KEPT, 0, stop, &n, &e));
    assert_int_equal(n, 1);
    assert_err(index_list(ix, "~nonsense", INDEX_KEPT, 0, stop, &n, &e), ERR_USAGE);
    index_close(ix);
    index_close(NULL);
}

/* An index.db of another version, or of another program: it is only a list, and made anew. */
static void other_versions_are_made_anew(void **state)
{
    (void)state;
    static const char *const changes[] = { "PRAGMA user_version=99",
                                           "DROP TABLE scan",
                                           "DROP TABLE text",
                                           "DROP INDEX session_hot",
                                           "DROP TABLE session",
                                           "UPDATE session SET head = x'00', size = 1",
                                           "UPDATE session SET task = printf('%.70000c', 'x')" };
    make("aaa", NULL, NULL);
    make("bbb", NULL, NULL);
    index_close(open_index());
    char *path = xasprintf("%s/index.db", fx.dir);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct err e = ERR_INIT;
        struct sql *db;
        assert_ok(sql_open(&db, path, SQL_WRITE, 1000, &e));
        assert_ok(sql_exec(db, changes[i], &e));
        sql_close(db);
        struct index *ix = open_index();
        if (listed(ix, NULL) != 2)
            fail_msg("%s", changes[i]);
        index_close(ix);
    }
    free(path);
}

static void without_a_place_it_is_in_memory(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct index *ix;
    char *below = xasprintf("%s/file/data", fx.dir), *file = xasprintf("%s/file", fx.dir);
    close(open(file, O_WRONLY | O_CREAT, 0600));
    assert_ok(index_open(&ix, below, &e));
    assert_int_equal(index_refresh(ix, &e), -1); /* no folder can be there: that is told */
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(listed(ix, NULL), 0);
    index_close(ix);
    free(below);
    free(file);
    char *sessions = xasprintf("%s/sessions", fx.dir);
    close(open(sessions, O_WRONLY | O_CREAT, 0600)); /* a file where the folder should be */
    assert_ok(index_open(&ix, fx.dir, &e));
    assert_int_equal(index_refresh(ix, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    index_close(ix);
    free(sessions);
}

static void nothing_and_too_much_to_find(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char *id = NULL, *path = NULL, name[24];
    struct index *ix = open_index();
    assert_err(index_resolve(ix, "last", &id, &path, &e), ERR_MISSING);
    assert_string_equal(e.msg, "there is no session yet");
    assert_err(index_resolve(ix, "no such/thing", &id, &path, &e), ERR_MISSING);
    index_close(ix);
    make("zzz", NULL, NULL);
    char *damaged = xasprintf("%s/sessions/zzz.db", fx.dir);
    assert_int_equal(truncate(damaged, 100), 0);
    ix = open_index();
    assert_err(index_resolve(ix, "last", &id, &path, &e), ERR_MISSING);
    assert_string_equal(e.msg, "no session can be read: airlock sessions says why");
    for (int i = 0; i < 24; i++) {
        snprintf(name, sizeof name, "same-beginning-%02d", i);
        make(name, NULL, NULL);
    }
    assert_err(index_resolve(ix, "same", &id, &path, &e), ERR_USAGE);
    assert_non_null(strstr(e.msg, "\"same\" could be 24 sessions: same-beginning-23, "));
    assert_ok(index_resolve(ix, "same-beginning-07", &id, &path, &e));
    assert_string_equal(id, "same-beginning-07");
    free(id);
    free(path);
    assert_null(strstr(e.msg, "beginning-00")); /* there is room for the first ones only */
    index_close(ix);
    free(damaged);
}

/* What the events of one session say of it, with bodies that lack what they may lack. */
static void events_make_the_row(void **state)
{
    (void)state;
    static const struct {
        const char *type, *json, *query;
    } cases[] = {
        { "gate.decided",
          "{\"decision\":\"deny\",\"by\":\"person\",\"capsule\":\"00\",\"seen_lines\":1,\"waited_"
          "ms\":1}",
          "~denied" },
        { "run.reviewed", "{\"findings\":[{\"severity\":\"HIGH\"},{\"severity\":\"low\"},{}]}",
          "~high" },
        { "gate.opened",
          "{\"rev\":1,\"capsule\":\"00\",\"contract_digest\":\"00\",\"sandbox\":\"local\"}",
          "~gate" },
        { "session.tagged", "{\"tags\":[\"red\",\"blue\"]}", "tag:blue" },
        { "session.renamed", "{\"name\":\"a name\"}", "name" },
        { "sandbox.creating", "{\"kind\":\"local\",\"label\":\"x\"}", "sandbox:local" },
        { "session.resumed", "{\"version\":\"0.1.0\",\"sandbox\":\"e2b\"}", "sandbox:e2b" },
        { "session.resumed", "{\"version\":\"0.1.0\"}", "sandbox:local" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char id[8];
        empty_dir(fx.dir);
        snprintf(id, sizeof id, "s%zu", i);
        make(id, cases[i].type, cases[i].json);
        make("other", NULL, NULL);
        struct index *ix = open_index();
        int n = listed(ix, cases[i].query), all = listed(ix, NULL);
        if (all != 2 || n != (strcmp(cases[i].query, "sandbox:local") == 0 ? 2 : 1))
            fail_msg("%s: %d of %d", cases[i].type, n, all);
        index_close(ix);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_stops_is_asked_no_more),
        T(other_versions_are_made_anew),
        T(without_a_place_it_is_in_memory),
        T(nothing_and_too_much_to_find),
        T(events_make_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
