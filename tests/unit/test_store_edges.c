/* test_store_edges.c - the store at its edges: names that are none, bodies that contradict their
 * blobs, groups that are full, file systems that lack what is needed. */
#include "session_fixture.h"

#include <sqlite3.h>

#include "sessions/store_int.h"

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup_in_memory, fixture_teardown)

static void write_file(const char *name, const void *p, size_t len)
{
    char *path = xasprintf("%s/%s", fx.dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, len), len);
    close(fd);
    free(path);
}

/* ---- names ---- */

static void ids_have_an_alphabet(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        bool valid;
    } cases[] = {
        { "a", true },    { "Az09", true }, { "a-b", true },       { "_a", true },
        { "-", true },    { "", false },    { "a.b", false },      { "a/b", false },
        { "a b", false }, { "a\n", false }, { "a:b", false },      { "{", false },
        { "@", false },   { "`", false },   { "\xc3\xa9", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (store_id_is_valid(cases[i].id, strlen(cases[i].id)) != cases[i].valid)
            fail_msg("\"%s\"", cases[i].id);
    char longest[STORE_ID_MAX + 1];
    memset(longest, 'a', sizeof longest);
    assert_true(store_id_is_valid(longest, STORE_ID_MAX));
    assert_false(store_id_is_valid(longest, STORE_ID_MAX + 1));
}

static void other_names_are_no_sessions(void **state)
{
    (void)state;
    static const char *const names[] = { "nodot", "x.sqlite", "a b.db", ".db", "x.db.bak" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err e = ERR_INIT;
        struct store *s = NULL;
        char *path = xasprintf("%s/%s", fx.dir, names[i]);
        write_file(names[i], "x", 1);
        assert_int_equal(store_open(&s, path, &e), -1);
        says(&e, ERR_FORMAT, "a session file is named <id>.db");
        assert_int_equal(store_open_read(&s, path, &e), -1);
        says(&e, ERR_FORMAT, "a session file is named <id>.db");
        assert_null(s);
        free(path);
    }
}

static void a_session_may_be_named_without_its_folder(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = NULL;
    int back = open(".", O_RDONLY | O_DIRECTORY);
    store_close(fixture_create());
    assert_int_equal(chdir(fx.dir), 0);
    assert_ok(store_open(&s, ID ".db", &e));
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    store_close(s);
    assert_ok(store_open_read(&s, ID ".db", &e));
    assert_string_equal(store_id(s), ID);
    assert_int_equal(store_last_seq(s), 1);
    store_close(s);
    assert_int_equal(fchdir(back), 0);
    close(back);
}

static void what_can_not_be_asked_for_is_told(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = NULL;
    write_file("file", "x", 1);
    char *below = xasprintf("%s/file/x.db", fx.dir);
    assert_int_equal(store_open(&s, below, &e), -1);
    says(&e, ERR_IO, "file/x.db: Not a directory");
    assert_int_equal(store_open(&s, fx.path, &e), -1);
    says(&e, ERR_MISSING, "no such session");
    assert_int_equal(mkdir(fx.path, 0700), 0);
    assert_int_equal(store_open(&s, fx.path, &e), -1);
    says(&e, ERR_FORMAT, "not a file");
    assert_null(s);
    assert_non_null(strstr(store_library_version(), "3."));
    store_close(NULL);
    free(below);
}

/* ---- a session that can't be made ---- */

static void what_stands_in_the_way_stays(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = NULL;
    struct stat st;
    char *way = xasprintf("%s/" ID ".new", fx.dir);
    assert_int_equal(mkdir(way, 0700), 0);
    assert_int_equal(store_create(&s, fx.dir, ID, &e), -1);
    says(&e, ERR_IO, "create ");
    assert_null(s);
    assert_int_equal(stat(way, &st), 0);
    assert_int_equal(access(fx.path, F_OK), -1);
    free(way);
}

/* A file system without shared memory can't hold a write-ahead log: told, and nothing is left. */
static void a_log_is_needed(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = NULL;
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL), *poor = sqlite3_vfs_find("unix-dotfile");
    assert_non_null(poor);
    assert_int_equal(sqlite3_vfs_register(poor, 1), SQLITE_OK);
    int rc = store_create(&s, fx.dir, ID, &e);
    assert_int_equal(sqlite3_vfs_register(usual, 1), SQLITE_OK);
    assert_int_equal(rc, -1);
    says(&e, ERR_IO, "no write-ahead log on this file system: choose another --data");
    assert_null(s);
    assert_int_equal(access(fx.path, F_OK), -1);
}

/* ---- events that are refused: the store goes on ---- */

static void odd_output_is_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    struct event ev = { .type = EVENT_RUN_OUTPUT, .run = 1, .stream = 1, .bytes = NULL, .len = 5 };
    assert_err(store_append(s, &ev, &e), ERR_FORMAT);
    says(&e, ERR_FORMAT, "no bytes");
    store_set_bulk(s); /* in an import, too, nothing is written twice */
    assert_ok(append_output(s, 1, 1, "hello", 5, &e));
    ev = (struct event){
        .type = EVENT_RUN_OUTPUT, .run = 1, .stream = 1, .offset = 2, .bytes = "llo!", .len = 4
    };
    assert_err(store_append(s, &ev, &e), ERR_FORMAT);
    says(&e, ERR_FORMAT, "offset 2 of run 1, but 5 bytes are recorded");
    ev.offset = 9; /* what lies between was erased where it comes from */
    assert_ok(store_append(s, &ev, &e));
    assert_int_equal(store_output_bytes(s, 1, 1), 13);
    assert_int_equal(store_output_bytes(s, 0, 0), 0);
    ev = (struct event){
        .type = EVENT_RUN_OUTPUT, .run = 2, .stream = 1, .offset = 7, .bytes = "x", .len = 1
    };
    char c;
    assert_ok(store_append(s, &ev, &e));
    assert_int_equal(store_read_output(s, 2, 1, 0, &c, 1, &e), 0); /* erased reads as the end */
    assert_int_equal(store_read_output(s, 2, 1, 7, &c, 1, &e), 1);
    store_close(s);
}

/* The chain covers the body, and the body must be that of the blob. */
static void a_body_can_not_contradict_its_blob(void **state)
{
    (void)state;
    static const struct {
        bool checkpoint;
        const char *json, *says;
    } cases[] = {
        { false, "{\"mime\":\"x/z\",\"main\":true}", "\"mime\" is not that of the blob" },
        { false, "{\"mime\":\"x/y\",\"main\":true,\"artifact\":\"other\"}", "\"artifact\" is not" },
        { false, "{\"mime\":\"x/y\",\"main\":true,\"bytes\":6}", "\"bytes\" is not" },
        { false, "{\"mime\":\"x/y\",\"main\":true,\"sha256\":\"00\"}", "\"sha256\" is not" },
        { false, "{\"mime\":\"x/y\",\"main\":true,\"SHA256\":\"00\"}", "SHA256" },
        { true, "{\"kind\":\"other\"}", "\"kind\" is not" },
        { true, "{\"kind\":\"saved\",\"ref\":\"other\"}", "\"ref\" is not" },
        { true, "{\"kind\":\"saved\",\"meta_sha256\":\"00\"}", "\"meta_sha256\" is not" },
    };
    struct store *s = fixture_create();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        int rc = cases[i].checkpoint ? append_checkpoint(s, cases[i].json, "r", "bytes", 5, &e)
                                     : append_artifact(s, cases[i].json, "plot", 5, &e);
        assert_int_equal(rc, -1);
        if (e.code != ERR_FORMAT || strcasestr(e.msg, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, e.msg);
    }
    struct err e = ERR_INIT;
    assert_err(append_artifact(s, "{\"mime\":\"x/y\",\"main\":true}", "p", STORE_BLOB_MAX + 1, &e),
               ERR_LIMIT);
    assert_err(append_checkpoint(s, "{}", "r", "p", STORE_BLOB_MAX + 1, &e), ERR_LIMIT);
    assert_int_equal(store_last_seq(s), 0);
    assert_false(store_failed(s, NULL));
    store_close(s);
}

static int keep_body(void *arg, const struct event *ev)
{
    struct buf *out = arg;
    return buf_add(out, ev->json, ev->json_len);
}

/* Whatever stands behind the last brace, and also when nothing is missing. */
static void a_body_is_completed(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct buf first = BUF_INIT(4096), second = BUF_INIT(4096);
    struct store *s = fixture_create();
    assert_ok(append_artifact(s, "{\"mime\":\"x/y\",\"main\":true} \n", "plot", 5, &e));
    assert_ok(store_each(s, 1, 1, keep_body, &first, &e));
    assert_non_null(strstr(buf_str(&first), "{\"mime\":\"x/y\",\"main\":true,\"artifact\":\"plot\","
                                            "\"bytes\":5,\"sha256\":\""));
    assert_ok(append_artifact(s, buf_str(&first), "plot", 5, &e));
    assert_ok(store_each(s, 2, 99, keep_body, &second, &e)); /* more than there are */
    assert_string_equal(buf_str(&second), buf_str(&first));
    store_close(s);
    buf_release(&first);
    buf_release(&second);
}

static void names_and_bodies_have_a_size(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    char *name = xcalloc(1, (64 << 10) + 1);
    memset(name, 'n', 64 << 10);
    assert_err(append_artifact(s, "{\"mime\":\"x/y\",\"main\":true}", name, 5, &e), ERR_LIMIT);
    says(&e, ERR_LIMIT, "names of the blob");
    free(name);
    int rc = -1;
    for (s->body_text.max = 0; rc < 0; s->body_text.max++) {
        rc = append_artifact(s, "{\"mime\":\"x/y\",\"main\":true}", "plot", 5, &e);
        if (rc < 0)
            says(&e, ERR_LIMIT, "the body has more than");
    }
    assert_true(s->body_text.max > 100);
    assert_int_equal(store_last_seq(s), 1);
    store_close(s);
}

/* ---- a store that has failed says so to everybody ---- */

static void a_failed_store_does_nothing_more(void **state)
{
    (void)state;
    struct err e = ERR_INIT, why = ERR_INIT;
    struct store *s = fixture_create();
    struct event ev = { .type = EVENT_NOTE, .type_name = "note" };
    bool more;
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    err_set(&why, ERR_FORMAT, "the disk is on fire");
    assert_int_equal(store_fail(s, &why), -1);
    says(&why, ERR_IO, "can't be written any more"); /* damage met on the way is no format error */
    assert_err(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e), ERR_IO);
    assert_err(store_append_erased(s, &ev, &e), ERR_IO);
    assert_err(store_flush(s, &e), ERR_IO);
    assert_err(store_erase(s, 1, &e), ERR_IO);
    assert_err(store_drop_checkpoint(s, "r", 1, &more, &e), ERR_IO);
    says(&e, ERR_IO, "on fire");
    ev = (struct event){ .type = EVENT_NOTE };
    assert_err(store_append_last(s, &ev, &e), ERR_LIMIT); /* without a body: refused, but tried */
    assert_err(store_append_last(s, &ev, &e), ERR_IO);
    assert_int_equal(store_last_seq(s), 1);
    store_close(s);
}

/* ---- an import ---- */

static void large_groups_end(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    store_set_bulk(s);
    for (unsigned i = 1; i <= 5000; i++) {
        struct event ev = { .type = EVENT_NOTE, .type_name = "note", .at_us = i, .boot_us = i };
        assert_ok(store_append_erased(s, &ev, &e));
    }
    assert_int_equal(store_durable_seq(s), 4096);
    store_close(s);
    s = fixture_open(false);
    assert_int_equal(store_last_seq(s), 5000);
    assert_false(store_has_output(s));
    store_close(s);
    char *chunk = xcalloc(1, STORE_CHUNK_MAX);
    s = fixture_open(true);
    store_set_bulk(s);
    for (unsigned i = 0; i < 15; i++)
        assert_ok(append_output(s, 1, 1, chunk, STORE_CHUNK_MAX, &e));
    assert_int_equal(store_durable_seq(s), 5000);
    assert_ok(append_output(s, 1, 1, chunk, STORE_CHUNK_MAX, &e));
    assert_int_equal(store_durable_seq(s), 5016);
    assert_true(store_has_output(s));
    store_close(s);
    free(chunk);
}

/* A durable event that belongs together with its next one is on disk with that one. */
static void what_goes_on_waits(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s = fixture_create();
    struct event ev = { .type = EVENT_TASK_GIVEN, .json = TASK_JSON, .more = true };
    ev.json_len = strlen(ev.json);
    assert_true(event_is_durable(ev.type));
    assert_ok(store_append(s, &ev, &e));
    assert_int_equal(store_durable_seq(s), 0);
    assert_true(store_flush_due_us(s) > 0);
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_int_equal(store_durable_seq(s), 2);
    assert_int_equal(store_flush_due_us(s), 0);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_an_alphabet),
        T(other_names_are_no_sessions),
        T(a_session_may_be_named_without_its_folder),
        T(what_can_not_be_asked_for_is_told),
        T(what_stands_in_the_way_stays),
        T(a_log_is_needed),
        T(odd_output_is_refused),
        T(a_body_can_not_contradict_its_blob),
        T(a_body_is_completed),
        T(names_and_bodies_have_a_size),
        T(a_failed_store_does_nothing_more),
        T(large_groups_end),
        T(what_goes_on_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
