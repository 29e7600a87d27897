/* test_rerun_given.c - what was given to a run beside its code, taken from the record again. */
#include "session_fixture.h"

#include "cli/rerun.h"

static void add(struct store *s, enum event_type type, uint32_t run, const char *more)
{
    struct err e = ERR_INIT;
    char json[1000];
    snprintf(json, sizeof json,
             "{\"rev\":1,\"step\":\"\",\"attempt\":1,\"language\":\"python\",\"code\":\"x\","
             "\"purpose\":\"\",\"author\":\"person\"%s}",
             more);
    assert_ok(append_json(s, type, run, json, &e));
}

/* As file.put of `run` (0: of the session). */
static void put(struct store *s, uint32_t run, const char *name, const char *text)
{
    struct err e = ERR_INIT;
    struct event_builder b;
    uint8_t hash[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    sha256_once(text, strlen(text), hash);
    hex_encode(hash, sizeof hash, hex);
    event_begin(&b, EVENT_FILE_PUT, run);
    json_w_str(&b.w, "path", name);
    json_w_int(&b.w, "bytes", (int64_t)strlen(text));
    json_w_str(&b.w, "sha256", hex);
    assert_ok(event_end(&b, &e));
    assert_ok(
        store_append_artifact(s, &b.ev, "application/octet-stream", name, text, strlen(text), &e));
    event_release(&b);
}

/* Of run 1, whose last event was the newest. */
static int collect(struct rerun_given *g, struct store *s, struct err *e)
{
    struct err none = ERR_INIT;
    const struct state_run sr = { .number = 1, .last_seq = store_last_seq(s) };
    assert_int_equal(store_flush(s, &none), 0);
    return rerun_collect(g, s, &sr, 1, e);
}

static void test_words_and_input(void **state)
{
    (void)state;
    static const struct {
        const char *more, *argv, *input;
    } cases[] = {
        { "", "", "" },
        { ",\"argv\":[]", "", "" },
        { ",\"argv\":[\"a b\",\"\",\"c\"]", "a b||c|", "" },
        { ",\"stdin\":\"typed\\n\"", "", "typed\n" },
        { ",\"stdin_base64\":\"AGI=\",\"argv\":[\"x\"]", "x|", "\0b" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct rerun_given g;
        struct buf argv = BUF_INIT(100);
        struct store *s = fixture_create();
        add(s, EVENT_RUN_PROPOSED, 2, ",\"argv\":[\"of another run\"]");
        add(s, EVENT_RUN_PROPOSED, 1, ",\"argv\":[\"before\",\"the edit\"],\"stdin\":\"old\"");
        add(s, EVENT_RUN_PROPOSED, 1, cases[i].more);
        assert_ok(collect(&g, s, &e));
        for (size_t k = 0; k < g.argv_count; k++)
            assert_int_equal(buf_addf(&argv, "%s|", g.argv[k]), 0);
        assert_string_equal(buf_str(&argv), cases[i].argv);
        size_t len = i == 4 ? 2 : strlen(cases[i].input);
        assert_int_equal(g.input.len, len);
        if (len > 0)
            assert_memory_equal(g.input.ptr, cases[i].input, len);
        assert_int_equal(g.file_count, 0);
        buf_release(&argv);
        rerun_given_release(&g);
        store_close(s);
        unlink(fx.path);
        char *head = xasprintf("%.*shead", (int)strlen(fx.path) - 2, fx.path);
        unlink(head);
        free(head);
    }
}

static void test_files(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct rerun_given g;
    struct store *s = fixture_create();
    put(s, 0, "shared.csv", "of the session");
    put(s, 2, "other.csv", "of another run");
    add(s, EVENT_RUN_PROPOSED, 1, "");
    put(s, 1, "own.csv", "");
    put(s, 1, "own2.csv", "of this run");
    assert_ok(collect(&g, s, &e));
    assert_int_equal(g.file_count, 3);
    static const char *const want[][2] = { { "shared.csv", "of the session" },
                                           { "own.csv", "" },
                                           { "own2.csv", "of this run" } };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_string_equal(g.files[i].name, want[i][0]);
        assert_int_equal(g.files[i].len, strlen(want[i][1]));
        assert_memory_equal(g.files[i].ptr, want[i][1], g.files[i].len);
        assert_int_equal(g.files[i].mode, 0644);
    }
    rerun_given_release(&g);
    store_close(s);
}

/* What can't be had again as it was is said, and the run is not made up. */
static void test_what_is_gone(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct rerun_given g;
    struct store *s = fixture_create();
    add(s, EVENT_RUN_PROPOSED, 1, "");
    put(s, 1, "a.csv", "first");
    put(s, 1, "a.csv", "second"); /* of a name the store has the newest */
    assert_err(collect(&g, s, &e), ERR_MISSING);
    assert_non_null(strstr(e.msg, "file a.csv was put again later: its old bytes are gone"));
    rerun_given_release(&g);
    store_close(s);
}

static void test_an_input_that_is_none(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct rerun_given g;
    struct store *s = fixture_create();
    add(s, EVENT_RUN_PROPOSED, 1, ",\"stdin_base64\":\"!\"");
    assert_int_equal(collect(&g, s, &e), -1);
    rerun_given_release(&g);
    store_close(s);
}

static void test_a_file_that_is_not_there(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct rerun_given g;
    struct store *s = fixture_create();
    add(s, EVENT_RUN_PROPOSED, 1, "");
    assert_ok(append_json(s, EVENT_FILE_PUT, 1, "{\"path\":\"lost.csv\",\"bytes\":3}", &e));
    assert_int_equal(collect(&g, s, &e), -1);
    assert_non_null(strstr(e.msg, "file lost.csv: "));
    rerun_given_release(&g);
    store_close(s);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_words_and_input),
        T(test_files),
        T(test_what_is_gone),
        T(test_an_input_that_is_none),
        T(test_a_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
