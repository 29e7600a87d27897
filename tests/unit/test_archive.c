/* test_archive.c - sessions put away and taken back, the trash, and the queries of the list. */
#include "session_fixture.h"

#include "sessions/archive.h"
#include "sessions/index.h"
#include "sessions/trash.h"

static bool exists(const char *suffix)
{
    char *name = xasprintf("%s%s", fx.path, suffix);
    bool is = access(name, F_OK) == 0;
    free(name);
    return is;
}

static void make(void)
{
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, &e));
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    store_close(s);
}

static size_t files_in_dir(void)
{
    size_t n = 0;
    DIR *d = opendir(fx.dir);
    for (struct dirent *de; (de = readdir(d)) != NULL;)
        n += de->d_name[0] != '.' || strlen(de->d_name) > 2;
    closedir(d);
    return n;
}

static void test_pack_read_and_write_again(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s;
    struct verify_report report;
    make();
    assert_ok(archive_pack(fx.path, &e));
    assert_true(exists(".gz") && !exists("") && archive_exists(fx.path));
    size_t files = files_in_dir();
    s = fixture_open(false); /* reading leaves it packed, and nothing behind */
    assert_int_equal(store_last_seq(s), 2);
    assert_string_equal(store_id(s), ID);
    assert_ok(store_verify(s, &report, &e));
    assert_int_equal(report.result, VERIFY_WHOLE);
    store_close(s);
    assert_true(!exists("") && files_in_dir() == files);
    s = fixture_open(true); /* writing brings it back */
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    store_close(s);
    assert_true(exists("") && !exists(".gz"));
    s = fixture_open(false);
    assert_int_equal(store_last_seq(s), 3);
    assert_err(archive_unpack(fx.path, &e), ERR_MISSING);
    store_close(s);
    assert_ok(archive_pack(fx.path, &e));
    assert_ok(archive_unpack(fx.path, &e));
    assert_true(exists("") && !exists(".gz"));
}

static void test_pack_refuses_an_open_session(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    make();
    struct store *s = fixture_open(true);
    assert_err(archive_pack(fx.path, &e), ERR_BUSY);
    store_close(s);
    assert_true(exists("") && !exists(".gz"));
    unlink(fx.path);
    assert_err(archive_pack(fx.path, &e), ERR_MISSING);
}

static void test_damaged_archive_is_left_alone(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s;
    make();
    assert_ok(archive_pack(fx.path, &e));
    char *gz = xasprintf("%s.gz", fx.path);
    assert_int_equal(truncate(gz, 500), 0);
    size_t files = files_in_dir();
    assert_err(store_open_read(&s, fx.path, &e), ERR_FORMAT);
    assert_err(store_open(&s, fx.path, &e), ERR_FORMAT);
    assert_err(archive_unpack(fx.path, &e), ERR_FORMAT);
    assert_true(exists(".gz") && !exists("") && files_in_dir() == files);
    free(gz);
}

static void test_trash_erases_only_what_lies_in_it(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    make();
    assert_err(trash_erase(fx.path, INT64_MAX, &e), ERR_DENIED);
    struct store *s = fixture_open(true);
    struct event ev = { .type = EVENT_SESSION_TRASHED, .at_us = 5000, .json = "{}", .json_len = 2 };
    assert_ok(store_append(s, &ev, &e));
    assert_err(trash_erase(fx.path, INT64_MAX, &e), ERR_BUSY);
    store_close(s);
    assert_err(trash_erase(fx.path, 4999, &e), ERR_DENIED);
    s = fixture_open(true);
    assert_ok(append_json(s, EVENT_SESSION_TRASHED, 0, "{\"restored\":true}", &e));
    store_close(s);
    assert_err(trash_erase(fx.path, INT64_MAX, &e), ERR_DENIED);
    s = fixture_open(true);
    ev.seq = 0;
    assert_ok(store_append(s, &ev, &e));
    store_close(s);
    assert_ok(archive_pack(fx.path, &e));
    assert_ok(trash_erase(fx.path, 5000, &e));
    assert_int_equal(files_in_dir(), 0);
}

#define NOW INT64_C(1763792419000000)
#define DAY INT64_C(86400000000)
static const struct {
    const char *query;
    bool matches;
} queries[] = {
    { "", true },
    { "clean CSV", true },
    { "clean nothing", false },
    { "~fail", true },
    { "~denied", false },
    { "~high ~gate", true },
    { "~archived", false },
    { "~live", false },
    { "tag:week", true },
    { "tag:b tag:WEEKLY", true },
    { "tag:eekly", false },
    { "sandbox:e2", true },
    { "sandbox:local", false },
    { "since:3d", true },
    { "since:1d", false },
    { "since:2025-11-01", true },
    { "since:2099-01-01", false },
    { "  ~fail   csv  since:1w ", true },
    { "~ tag: sandbox:", false }, /* a lone ~ is a word */
    { "tag: sandbox:", true },
    { "tag:week tag:a tag:b", true },
    { "~high\t~fail\n~gate", true },
    { "~live", false },
};

static void test_queries(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct index_query q;
    const struct index_entry x = { .id = "01j",
                                   .name = "clean-up",
                                   .task = "Clean the csv",
                                   .sandbox = "e2b",
                                   .tags = "a weekly b",
                                   .outcome = "",
                                   .last_us = NOW - 2 * DAY,
                                   .failed = 1,
                                   .high = 2,
                                   .waiting = true };
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        assert_ok(index_query_parse(&q, queries[i].query, NOW, &e));
        if (index_query_matches(&q, &x) != queries[i].matches)
            fail_msg("query '%s'", queries[i].query);
    }
    static const char *const bad[] = { "~nothing",
                                       "since:",
                                       "since:3y",
                                       "since:2025-11",
                                       "x since:-1d",
                                       "since:100001d",
                                       "since:3dd",
                                       "since:2025-11-01x",
                                       "tag:a tag:b tag:c tag:d tag:e",
                                       "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(index_query_parse(&q, bad[i], NOW, &e), ERR_USAGE);
    /* A condition that does not fit is not left out. */
    char text[sizeof q.text + 1];
    memset(text, 'x', sizeof text);
    text[sizeof q.text - 1] = '\0';
    assert_ok(index_query_parse(&q, text, NOW, &e));
    text[sizeof q.text - 1] = 'x';
    text[sizeof q.text] = '\0';
    assert_err(index_query_parse(&q, text, NOW, &e), ERR_USAGE);
    assert_ok(index_query_parse(&q, NULL, NOW, &e));
    assert_true(index_query_matches(&q, &x));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pack_read_and_write_again),
        T(test_pack_refuses_an_open_session),
        T(test_damaged_archive_is_left_alone),
        T(test_trash_erases_only_what_lies_in_it),
        T(test_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
