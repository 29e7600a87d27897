/* test_session_faults.c - each system call and each call of SQLite fails once while sessions are
 * put away, taken back, erased, listed and searched: the failure is told or made up for, nothing is
 * left lying about, and no session is lost. [AUD-4]
 */
#include "session_fixture.h"

#include <sys/file.h>

#include "failing_calls.h"
#include "failing_sql.h"
#include "sessions/archive.h"
#include "sessions/index.h"
#include "sessions/search.h"
#include "sessions/trash.h"

#define T(fn)  cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define EVENTS 3

static char *dir;    /* of the sessions */
static char *path;   /* of the one that scenarios work on */
static char *packed; /* the same, put away */

static int setup(void **state)
{
    if (fixture_setup_in_memory(state) < 0)
        return -1;
    dir = xasprintf("%s/sessions", fx.dir);
    path = xasprintf("%s/" ID ".db", dir);
    packed = xasprintf("%s.gz", path);
    return 0;
}

static int teardown(void **state)
{
    calls.fail_at = sql.fail_at = 0;
    free(dir);
    free(path);
    free(packed);
    return fixture_teardown(state);
}

static void make(const char *id)
{
    struct err e = ERR_INIT;
    struct store *s;
    assert_ok(store_create(&s, dir, id, &e));
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, &e));
    assert_ok(append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, &e));
    assert_ok(append_output(s, 1, 1, "the words\n", 10, &e));
    store_close(s);
}

static bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

/* Whole and all there, wherever it lies now. */
static void check_session(const char *when)
{
    struct err e = ERR_INIT;
    struct store *s;
    struct verify_report report;
    if (store_open_read(&s, path, &e) < 0)
        fail_msg("%s: %s", when, e.msg);
    assert_ok(store_verify(s, &report, &e));
    if (report.result != VERIFY_WHOLE || store_last_seq(s) < EVENTS)
        fail_msg("%s: %s", when, report.reason);
    store_close(s);
}

/* What is made on the way goes again, unless that very call failed. */
static void check_leftovers(const char *when)
{
    DIR *d = opendir(dir);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;)
        if (strchr(de->d_name, '-') != NULL && strcmp(calls.what, "unlink") != 0)
            fail_msg("%s: %s is left", when, de->d_name);
    if (d != NULL)
        closedir(d);
}

/* ---- each system call fails ---- */

struct scenario {
    const char *name;
    void (*before)(void);
    int (*act)(struct err *e);
    void (*after)(int rc, const char *when);
};

static void each_call_fails(const struct scenario *x, int error)
{
    bool done = false;
    for (long k = 1; !done; k++) {
        struct err e = ERR_INIT;
        char when[120];
        empty_dir(fx.dir);
        x->before();
        calls.calls = 0;
        calls.error = error;
        calls.what = "";
        calls.fail_at = k;
        int rc = x->act(&e);
        done = calls.calls < k;
        calls.fail_at = 0;
        snprintf(when, sizeof when, "%s, call %ld (%s): %.60s", x->name, k, calls.what, e.msg);
        if (rc < 0 && (e.code == ERR_NONE || e.msg[0] == '\0'))
            fail_msg("%s: no reason", when);
        if (rc < 0 && done)
            fail_msg("%s: without a cause", when);
        check_leftovers(when);
        x->after(rc, when);
        assert_true(k < 5000);
    }
}

static void make_one(void)
{
    make(ID);
}

static void make_packed(void)
{
    struct err e = ERR_INIT;
    make(ID);
    assert_ok(archive_pack(path, &e));
}

static void make_trashed(void)
{
    struct err e = ERR_INIT;
    struct store *s;
    make(ID);
    assert_ok(store_open(&s, path, &e));
    assert_ok(append_json(s, EVENT_SESSION_TRASHED, 0, "{}", &e));
    store_close(s);
}

static void make_unborn(void)
{
    struct err e = ERR_INIT;
    struct store *s;
    assert_ok(store_create(&s, dir, ID, &e));
    store_close(s);
}

static void make_nothing(void)
{
    assert_int_equal(mkdir(dir, 0700), 0);
}

static int pack(struct err *e)
{
    return archive_pack(path, e);
}

static int unpack(struct err *e)
{
    return archive_unpack(path, e);
}

static int read_packed(struct err *e)
{
    struct store *s;
    int rc = store_open_read(&s, path, e);
    store_close(rc == 0 ? s : NULL);
    return rc;
}

static int erase(struct err *e)
{
    return trash_erase(path, INT64_MAX, e);
}

static int erase_unborn(struct err *e)
{
    return trash_erase_unborn(path) ? 0 : err_set(e, ERR_BUSY, "it stays");
}

static int create(struct err *e)
{
    struct store *s = NULL;
    int rc = store_create(&s, dir, ID, e);
    if (rc == 0)
        rc = append_json(s, EVENT_SESSION_CREATED, 0, CREATED_JSON, e);
    if (rc == 0)
        rc = append_json(s, EVENT_TASK_GIVEN, 0, TASK_JSON, e);
    if (rc == 0)
        rc = append_output(s, 1, 1, "the words\n", 10, e);
    if (rc == 0)
        rc = store_flush(s, e);
    store_close(s);
    return rc;
}

static void is_packed(int rc, const char *when)
{
    if (rc == 0 && (!exists(packed) || exists(path)))
        fail_msg("%s: it was not packed", when);
    check_session(when);
}

static void is_unpacked(int rc, const char *when)
{
    if (rc == 0 && !exists(path))
        fail_msg("%s: it was not unpacked", when);
    check_session(when);
}

static void is_as_it_was(int rc, const char *when)
{
    (void)rc;
    if (!exists(packed) || exists(path))
        fail_msg("%s: reading changed something", when);
    check_session(when);
}

static void is_gone(int rc, const char *when)
{
    if (rc == 0 && (exists(path) || exists(packed)))
        fail_msg("%s: it was not erased", when);
    if (rc < 0)
        check_session(when); /* the file itself goes last: it can be erased again */
}

static void is_nowhere(int rc, const char *when)
{
    if (rc == 0 && exists(path))
        fail_msg("%s: it was not erased", when);
}

static void is_there(int rc, const char *when)
{
    struct err e = ERR_INIT;
    struct store *s;
    if (rc == 0)
        check_session(when);
    else if (exists(path) && store_open(&s, path, &e) < 0)
        fail_msg("%s: %s", when, e.msg);
    else if (exists(path))
        store_close(s);
}

static void files_of_sessions(void **state)
{
    (void)state;
    static const struct scenario scenarios[] = {
        { "packing", make_one, pack, is_packed },
        { "unpacking", make_packed, unpack, is_unpacked },
        { "reading a packed one", make_packed, read_packed, is_as_it_was },
        { "erasing", make_trashed, erase, is_gone },
        { "erasing an unborn one", make_unborn, erase_unborn, is_nowhere },
        { "creating", make_nothing, create, is_there },
    };
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        each_call_fails(&scenarios[i], EIO);
        each_call_fails(&scenarios[i], EOPNOTSUPP);
    }
    each_call_fails(&scenarios[5], EINTR);
}

/* ---- the list and the search ---- */

static int add_line(void *arg, const struct index_entry *en)
{
    return buf_addf(arg, "%s%s\n", en->id, en->problem[0] != '\0' ? " problem" : "");
}

static int list_all(struct buf *out, char **last, struct err *e)
{
    struct index *ix = NULL;
    char *file = NULL;
    int rc = index_open(&ix, fx.dir, e);
    if (rc == 0)
        rc = index_refresh(ix, e);
    if (rc == 0)
        rc = index_refresh_one(ix, "bbb", e);
    if (rc == 0)
        rc = index_list(ix, NULL, INDEX_KEPT, 0, add_line, out, e);
    if (rc == 0)
        rc = index_resolve(ix, "last", last, &file, e);
    index_close(ix);
    free(file);
    return rc;
}

static void make_three(void)
{
    static const char *const ids[] = { "aaa", "bbb", "ccc" };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        make(ids[i]);
}

#define LISTED "ccc\nbbb\n"

/* One has changed, one is new, one is gone. */
static void make_changes(void)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(1000);
    char *last = NULL;
    struct store *s;
    make("bbb");
    make("ddd");
    assert_ok(list_all(&out, &last, &e));
    make("ccc");
    char *file = xasprintf("%s/ddd.db", dir);
    unlink(file);
    free(file);
    file = xasprintf("%s/bbb.db", dir);
    assert_ok(store_open(&s, file, &e));
    assert_ok(append_json(s, EVENT_NOTE, 0, NOTE_JSON, &e));
    store_close(s);
    free(file);
    free(last);
    buf_release(&out);
}

/* Whatever failed once: the next look is right again. */
static void check_list(const char *when)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(1000);
    char *last = NULL;
    assert_ok(list_all(&out, &last, &e));
    if (strcmp(buf_str(&out), LISTED) != 0 || strcmp(last, "ccc") != 0)
        fail_msg("%s: listed then: %s", when, buf_str(&out));
    free(last);
    buf_release(&out);
}

static void list_with(long first, long step, bool system, int code)
{
    bool done = false;
    for (long k = first; !done; k += step) {
        struct err e = ERR_INIT;
        struct buf out = BUF_INIT(1000);
        char *last = NULL, when[80];
        empty_dir(fx.dir);
        make_changes();
        calls.calls = sql.calls = 0;
        calls.what = "";
        calls.error = sql.code = code;
        calls.fail_at = system ? k : 0;
        sql.fail_at = system ? 0 : k;
        int rc = list_all(&out, &last, &e);
        done = (system ? calls.calls : sql.calls) < k;
        calls.fail_at = sql.fail_at = 0;
        snprintf(when, sizeof when, "listing, %s %ld (%s)", system ? "call" : "SQL", k, calls.what);
        if (rc < 0 && (e.code == ERR_NONE || done))
            fail_msg("%s: %s", when, e.msg);
        if (done && strcmp(buf_str(&out), LISTED) != 0)
            fail_msg("%s: listed %s", when, buf_str(&out));
        check_list(when);
        free(last);
        buf_release(&out);
        assert_true(k < 5000);
    }
}

static void the_list_comes_right_again(void **state)
{
    (void)state;
    list_with(1, 6, false, SQLITE_CORRUPT);
    list_with(3, 6, false, SQLITE_BUSY);
    list_with(5, 6, false, SQLITE_IOERR);
    list_with(1, 1, true, EIO);
}

static int add_hit(void *arg, const struct search_hit *h)
{
    return buf_addf(arg, "%s %s\n", h->session, search_place_name(h->where));
}

static int find(struct buf *out, struct search_progress *told, struct err *e)
{
    struct index *ix;
    struct search *s = NULL;
    struct search_spec spec = { .text = "words" };
    long at = sql.fail_at;
    sql.fail_at = 0;
    assert_int_equal(index_open(&ix, fx.dir, e), 0);
    assert_int_equal(index_refresh(ix, e), 0);
    sql.fail_at = at;
    int rc = search_new(&s, ix, dir, &spec, add_hit, out, e);
    while (rc == 0 && (rc = search_step(s, 1, e)) == 1)
        rc = 0;
    if (s != NULL)
        search_told(s, told);
    search_free(s);
    sql.fail_at = 0;
    index_close(ix);
    return rc;
}

#define FOUND "ccc task\nbbb task\naaa task\nccc stdout\nbbb stdout\naaa stdout\n"

/* What could not be read is counted, or the search says that it failed: nothing is "not found". */
static void a_search_says_what_it_missed(void **state)
{
    (void)state;
    bool done = false;
    make_three();
    for (long k = 1; !done; k++) {
        struct err e = ERR_INIT;
        struct buf out = BUF_INIT(1000);
        struct search_progress told = { 0 };
        sql.calls = 0;
        sql.code = SQLITE_IOERR;
        sql.fail_at = k;
        int rc = find(&out, &told, &e);
        done = sql.calls < k;
        if (rc == 0 && told.unreadable == 0 && strcmp(buf_str(&out), FOUND) != 0)
            fail_msg("SQL %ld: found %s", k, buf_str(&out));
        if (rc == 0 && (told.unreadable != 0) != (told.last[0] != '\0'))
            fail_msg("SQL %ld: %zu unreadable: %s", k, told.unreadable, told.last);
        if (rc < 0 && (e.code == ERR_NONE || done))
            fail_msg("SQL %ld: %s", k, e.msg);
        buf_release(&out);
        assert_true(k < 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(files_of_sessions),
        T(the_list_comes_right_again),
        T(a_search_says_what_it_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
