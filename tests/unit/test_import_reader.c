/* test_import_reader.c - the reader of a bundle has met a stranger's bytes: whatever it says
 * instead of events, the import is refused and nothing is left behind. The jail is replaced in this
 * program: its child says what a case wants. [IMP-1] */
#include "session_fixture.h"

#include <signal.h>

#include "base/jail.h"
#include "base/path.h"
#include "cli/import.h"
#include "cli/import_frame.h"

static struct buf script = BUF_INIT((size_t)1 << 20);
static struct {
    int status, signo; /* how the child ends */
    bool no_child;
} ends;

int jail_start(pid_t *pid, const struct jail *j, struct err *e)
{
    if (ends.no_child)
        return err_set(e, ERR_IO, "no child could be made");
    *pid = fork();
    if (*pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        (void)!write_all_fd(j->out, buf_str(&script), script.len);
        signal(SIGSYS, SIG_DFL); /* the test library has one of its own */
        if (ends.signo != 0)
            raise(ends.signo);
        _exit(ends.status);
    }
    return *pid > 0 ? 0 : err_sys(e, ERR_IO, "fork");
}

/* ---- what the child says ---- */

static void say(struct frame f, const char *name, const char *body, const char *blob)
{
    f.name_len = (uint32_t)strlen(name);
    f.body_len = strlen(body);
    f.blob_len = strlen(blob);
    int rc = buf_add(&script, &f, sizeof f) | buf_add_str(&script, name) |
             buf_add_str(&script, body) | buf_add_str(&script, blob);
    assert_int_equal(rc, 0);
}

static void say_event(const char *name, const char *body)
{
    say((struct frame){ .kind = FRAME_EVENT, .line = 7, .at_us = 1000000 }, name, body, "");
}

static void say_created(bool foreign)
{
    char json[400];
    snprintf(json, sizeof json,
             "{\"planner\":\"human\",\"model\":\"\",\"sandbox\":\"local\",\"contract\":{},"
             "\"contract_digest\":\"00\",\"version\":\"0.1.0\"%s}",
             foreign ? ",\"foreign\":true,\"origin\":{\"session\":\"" ID "\"}" : "");
    say_event("session.created", json);
}

static void say_end(const char *id)
{
    say((struct frame){ .kind = FRAME_END }, "", id, "");
}

/* A lone header, whatever it promises. */
static void say_header(struct frame f)
{
    assert_int_equal(buf_add(&script, &f, sizeof f), 0);
}

/* ---- importing ---- */

static struct paths paths;

static int setup(void **state)
{
    if (fixture_setup_in_memory(state) != 0)
        return -1;
    memset(&ends, 0, sizeof ends);
    buf_reset(&script);
    paths = (struct paths){ .data_dir = xstrdup(fx.dir), .sessions_dir = path_join(fx.dir, "s") };
    return 0;
}

static int teardown(void **state)
{
    paths_release(&paths);
    return fixture_teardown(state);
}

static size_t files_in(const char *name)
{
    size_t n = 0;
    char *path = path_join(fx.dir, name);
    DIR *d = opendir(path);
    for (struct dirent *de; d != NULL && (de = readdir(d)) != NULL;)
        n += de->d_name[0] != '.';
    if (d != NULL)
        closedir(d);
    free(path);
    return n;
}

static void expect_refused(const char *when, enum err_code code, const char *says)
{
    struct imported out;
    struct err e = ERR_INIT;
    if (import_bundle(&out, &paths, -1, &e) != -1 || e.code != code || strstr(e.msg, says) == NULL)
        fail_msg("%s: %s: %s", when, err_code_name(e.code), e.msg);
    if (files_in("s") != 0 || files_in("importing") != 0)
        fail_msg("%s: something was left behind", when);
}

static void test_what_is_taken(void **state)
{
    (void)state;
    struct imported out;
    struct err e = ERR_INIT;
    struct store *s;
    say_created(true);
    say_event("task.given", TASK_JSON);
    say((struct frame){ .kind = FRAME_EVENT, .at_us = INT64_MIN }, "note", NOTE_JSON, "");
    say((struct frame){ .kind = FRAME_EVENT, .at_us = INT64_MAX }, "a.newer.one", "{}", "");
    say_end(ID);
    assert_ok(import_bundle(&out, &paths, -1, &e));
    assert_int_equal(out.events, 4);
    assert_string_equal(out.from, ID);
    char *path = xasprintf("%s/%s.db", paths.sessions_dir, out.id);
    assert_ok(store_open_read(&s, path, &e));
    store_close(s);
    free(path);
    assert_int_equal(files_in("importing"), 0);
}

static void say_header_after_created(struct frame f)
{
    say_created(true);
    say_header(f);
}

static void bad_kind_zero(void)
{
    say_header_after_created((struct frame){ .kind = 0 });
}
static void bad_kind_five(void)
{
    say_header_after_created((struct frame){ .kind = 5 });
}
static void bad_name_length(void)
{
    say_header_after_created((struct frame){ .kind = FRAME_EVENT, .name_len = UINT32_MAX });
}
static void bad_body_length(void)
{
    say_header_after_created((struct frame){ .kind = FRAME_EVENT, .body_len = UINT64_MAX });
}
static void bad_blob_length(void)
{
    say_header_after_created((struct frame){ .kind = FRAME_EVENT, .blob_len = UINT64_MAX });
}
static void half_a_header(void)
{
    say_created(true);
    assert_int_equal(buf_add_str(&script, "half"), 0);
}
static void name_cut(void)
{
    say_header_after_created((struct frame){ .kind = FRAME_EVENT, .name_len = 4 });
    assert_int_equal(buf_add_str(&script, "ta"), 0);
}
static void body_cut(void)
{
    say_header_after_created((struct frame){ .kind = FRAME_EVENT, .body_len = 4 });
    assert_int_equal(buf_add_str(&script, "ta"), 0);
}
static void no_name(void)
{
    say_created(true);
    say_event("", "{}");
}
static void no_json(void)
{
    say_created(true);
    say_event("task.given", "{\"text\":");
}
static void field_missing(void)
{
    say_created(true);
    say_event("task.given", "{}");
}
static void contradicting(void)
{
    say_created(true);
    say_created(true);
}
static void output_of_no_run(void)
{
    say_created(true);
    say((struct frame){ .kind = FRAME_EVENT, .line = 7, .run = 3, .stream = 1 }, "run.output", "x",
        "");
}
static void wrong_blob(void)
{
    say_created(true);
    say((struct frame){ .kind = FRAME_EVENT, .line = 7, .has_blob = 1 }, "file.put",
        "{\"path\":\"a\",\"bytes\":5,\"sha256\":\"00\"}", "blob");
}
static void end_of_nothing(void)
{
    say_end(ID);
}
static void not_foreign(void)
{
    say_created(false);
    say_end(ID);
}
static void senseless_id(void)
{
    say_created(true);
    say_end("../../etc/passwd");
}
static void more_behind_the_end(void)
{
    say_created(true);
    say_end(ID);
    say_event("task.given", TASK_JSON);
}
static void said_damaged(void)
{
    say((struct frame){ .kind = FRAME_FAILED, .code = ERR_INTEGRITY }, "", "the hash is another",
        "");
}
static void said_too_large(void)
{
    say((struct frame){ .kind = FRAME_FAILED, .code = ERR_LIMIT }, "", "too large", "");
}
static void said_unreadable(void)
{
    say((struct frame){ .kind = FRAME_FAILED, .code = ERR_IO }, "", "can't be read", "");
}
static void said_a_code_there_is_not(void)
{
    say((struct frame){ .kind = FRAME_FAILED, .code = -77 }, "", "whatever", "");
}
static void said_denied(void) /* a code that only we give */
{
    say((struct frame){ .kind = FRAME_FAILED, .code = ERR_DENIED }, "", "whatever", "");
}

static void test_what_is_refused(void **state)
{
    (void)state;
#define CASE(fn, code, says)                                                                       \
    {                                                                                              \
#fn, fn, code, says                                                                        \
    }
    static const char senseless[] = "the bundle's reader said something senseless";
    const struct {
        const char *name;
        void (*say)(void);
        enum err_code code;
        const char *says;
    } cases[] = {
        CASE(bad_kind_zero, ERR_FORMAT, senseless),
        CASE(bad_kind_five, ERR_FORMAT, senseless),
        CASE(bad_name_length, ERR_FORMAT, senseless),
        CASE(bad_body_length, ERR_FORMAT, senseless),
        CASE(bad_blob_length, ERR_FORMAT, senseless),
        CASE(half_a_header, ERR_FORMAT, senseless),
        CASE(name_cut, ERR_FORMAT, senseless),
        CASE(body_cut, ERR_FORMAT, senseless),
        CASE(no_name, ERR_FORMAT, "line 7: an event without a name"),
        CASE(no_json, ERR_FORMAT, "line 7: "),
        CASE(field_missing, ERR_FORMAT, "line 7: "),
        CASE(contradicting, ERR_INTEGRITY, "line 7: "),
        CASE(output_of_no_run, ERR_INTEGRITY, "line 7: "),
        CASE(wrong_blob, ERR_FORMAT, "is not that of the blob"),
        CASE(end_of_nothing, ERR_FORMAT, "the bundle was not read to its end"),
        CASE(not_foreign, ERR_FORMAT, "the bundle was not read to its end"),
        CASE(senseless_id, ERR_FORMAT, "the bundle was not read to its end"),
        CASE(more_behind_the_end, ERR_FORMAT, "the bundle goes on behind its end"),
        CASE(said_damaged, ERR_INTEGRITY, "the hash is another"),
        CASE(said_too_large, ERR_LIMIT, "too large"),
        CASE(said_unreadable, ERR_IO, "can't be read"),
        CASE(said_a_code_there_is_not, ERR_FORMAT, "whatever"),
        CASE(said_denied, ERR_FORMAT, "whatever"),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&script);
        cases[i].say();
        expect_refused(cases[i].name, cases[i].code, cases[i].says);
    }
}

/* It ends before it has said that it is through. */
static void test_how_the_reader_may_end(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int status, signo;
        enum err_code code;
        const char *says;
    } cases[] = {
        { "early", 0, 0, ERR_FORMAT, "the bundle's reader ended early" },
        { "failed", 1, 0, ERR_FORMAT, "the bundle's reader ended early" },
        { "no wall", JAIL_NO_WALL, 0, ERR_IO, "could not be walled in" },
        { "slow", 0, SIGXCPU, ERR_LIMIT, "took more than 30 s to read" },
        { "killed", 0, SIGKILL, ERR_LIMIT, "took more than 30 s to read" },
        { "stopped", 0, SIGSYS, ERR_LIMIT, "was stopped (signal 31; it may use 256 MiB)" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&script);
        say_created(true);
        ends.status = cases[i].status;
        ends.signo = cases[i].signo;
        expect_refused(cases[i].name, cases[i].code, cases[i].says);
    }
    ends.no_child = true;
    expect_refused("no child", ERR_IO, "no child could be made");
}

/* What an import that was killed has left goes with the next one; what another one works on stays.
 */
static void test_leftovers(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *other;
    char *dir = path_join(fx.dir, "importing"), *left = path_join(dir, "01jdz0.db");
    assert_ok(path_make_private_dir(dir, &e));
    assert_ok(path_write_file(left, "left", 4, &e));
    assert_ok(store_create(&other, dir, ID, &e));
    say_created(true);
    struct imported out;
    assert_int_equal(import_bundle(&out, &paths, -1, &e), -1);
    assert_int_equal(access(left, F_OK), -1);
    assert_true(files_in("importing") > 0);
    store_close(other);
    assert_int_equal(import_bundle(&out, &paths, -1, &e), -1);
    assert_int_equal(files_in("importing"), 0);
    free(left);
    free(dir);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_what_is_taken),
        T(test_what_is_refused),
        T(test_how_the_reader_may_end),
        T(test_leftovers),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    buf_release(&script);
    return rc;
}
