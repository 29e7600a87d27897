/* test_index.c - the derived list: what it says, when it reads again, and finding by word. */
#include "session_fixture.h"

#include <errno.h>
#include <sys/wait.h>
#include <utime.h>

#include "sessions/index.h"
#include "sessions/sql.h"

static char *sessions_dir;

static int setup(void **state)
{
    if (fixture_setup(state) < 0)
        return -1;
    sessions_dir = xasprintf("%s/sessions", fx.dir);
    return 0;
}

static int teardown(void **state)
{
    free(sessions_dir);
    return fixture_teardown(state);
}

static struct index *open_index(void)
{
    struct err e = ERR_INIT;
    struct index *ix;
    assert_ok(index_open(&ix, fx.dir, &e));
    return ix;
}

static struct store *make_session(const char *id, const char *task, int64_t at_us)
{
    struct err e = ERR_INIT;
    struct store *s;
    assert_ok(store_create(&s, sessions_dir, id, &e));
    struct event ev = { .type = EVENT_SESSION_CREATED,
                        .at_us = at_us,
                        .json = CREATED_JSON,
                        .json_len = strlen(CREATED_JSON) };
    assert_ok(store_append(s, &ev, &e));
    struct event_builder b;
    event_begin(&b, EVENT_TASK_GIVEN, 0);
    json_w_str(&b.w, "text", task);
    json_w_str(&b.w, "author", "person");
    assert_ok(event_end(&b, &e));
    assert_ok(store_append(s, &b.ev, &e));
    event_release(&b);
    return s;
}

static void make_closed(const char *id, const char *task, int64_t at_us)
{
    store_close(make_session(id, task, at_us));
}

static int add_line(void *arg, const struct index_entry *en)
{
    struct buf *b = arg;
    buf_addf(b, "%s|%s|%s|%s|%s", en->id, en->name, en->task, en->outcome, en->tags);
    if (en->live)
        buf_add_str(b, "|live");
    if (en->trashed)
        buf_add_str(b, "|trashed");
    if (en->foreign)
        buf_add_str(b, "|foreign");
    if (en->problem[0] != '\0')
        buf_add_str(b, "|problem");
    return buf_add_char(b, '\n');
}

/* lent until the next call */
static const char *list(struct index *ix, const char *query, bool trashed, size_t limit)
{
    static char text[8192];
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT(8000);
    assert_ok(index_refresh(ix, &e));
    assert_ok(index_list(ix, query, trashed, limit, add_line, &b, &e));
    snprintf(text, sizeof text, "%s", buf_str(&b));
    buf_release(&b);
    return text;
}

/* ---- listing ---- */

static void test_list(void **state)
{
    (void)state;
    struct index *ix = open_index();
    assert_string_equal(list(ix, NULL, false, 0), "");
    make_closed("bbb", "count the Words", 2000);
    make_closed("aaa", "plot a curve", 3000);
    make_closed("ccc", "find the leak", 1000);
    assert_string_equal(list(ix, NULL, false, 0),
                        "aaa||plot a curve||\nbbb||count the Words||\nccc||find the leak||\n");
    assert_string_equal(list(ix, NULL, false, 1), "aaa||plot a curve||\n");
    assert_string_equal(list(ix, "the", false, 0),
                        "bbb||count the Words||\nccc||find the leak||\n");
    assert_string_equal(list(ix, " words  COUNT ", false, 0), "bbb||count the Words||\n");
    assert_string_equal(list(ix, "the", false, 1), "bbb||count the Words||\n");
    assert_string_equal(list(ix, "cc", false, 0), "ccc||find the leak||\n");
    assert_string_equal(list(ix, "nothing", false, 0), "");
    index_close(ix);
    ix = open_index(); /* from the file */
    assert_string_equal(list(ix, "leak", false, 0), "ccc||find the leak||\n");
    index_close(ix);
}

static int copy_entry(void *arg, const struct index_entry *en)
{
    int64_t *v = arg;
    v[0] = en->runs;
    v[1] = en->denied;
    v[2] = en->failed;
    v[3] = en->cost_nanousd;
    v[4] = en->open_sandboxes;
    v[5] = en->created_us;
    v[6] = en->last_us;
    v[7] = (int64_t)en->last_seq;
    return 0;
}

static void get(struct index *ix, int64_t v[8])
{
    struct err e = ERR_INIT;
    memset(v, 0, 8 * sizeof *v);
    assert_ok(index_refresh(ix, &e));
    assert_ok(index_list(ix, NULL, true, 1, copy_entry, v, &e));
}

static const char *finished(const char *end, const char *code)
{
    static char json[200];
    snprintf(json, sizeof json,
             "{\"end\":\"%s\"%s%s,\"wall_ms\":1,\"stdout_bytes\":0,\"stderr_bytes\":0}", end,
             code[0] != '\0' ? ",\"code\":" : "", code);
    return json;
}

#define PROPOSED                                                                                   \
    "{\"rev\":1,\"step\":\"\",\"attempt\":1,\"language\":\"python\",\"code\":\"1\",\"purpose\":"   \
    "\"\",\"author\":\"person\"}"
#define DECIDED(what)                                                                              \
    "{\"decision\":\"" what                                                                        \
    "\",\"by\":\"person\",\"capsule\":\"\",\"seen_lines\":1,\"waited_ms\":1}"
#define VERDICT(what) "{\"verdict\":\"" what "\",\"checks\":[]}"

/* The numbers, whole and when the fold goes on where it stopped. */
static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        enum event_type type;
        uint32_t run;
        const char *json;
    } events[] = {
        { EVENT_RUN_PROPOSED, 1, PROPOSED },
        { EVENT_GATE_DECIDED, 1, DECIDED("deny") },
        { EVENT_RUN_PROPOSED, 2, PROPOSED },
        { EVENT_RUN_PROPOSED, 2, PROPOSED },
        { EVENT_GATE_DECIDED, 2, DECIDED("approve") },
        { EVENT_RUN_FINISHED, 2, "exit 1" },
        { EVENT_RUN_VERDICT, 2, VERDICT("refuted") }, /* counted once */
        { EVENT_RUN_PROPOSED, 3, PROPOSED },
        { EVENT_RUN_FINISHED, 3, "exit 0" },
        { EVENT_RUN_VERDICT, 3, VERDICT("refuted") },
        { EVENT_RUN_PROPOSED, 4, PROPOSED },
        { EVENT_RUN_FINISHED, 4, "exit 0" },
        { EVENT_RUN_VERDICT, 4, VERDICT("verified") },
        { EVENT_RUN_FINISHED, 5, "timeout" },
        { EVENT_USAGE, 0, "{\"source\":\"x\",\"cost_nanousd\":70}" },
        { EVENT_USAGE, 0, "{\"source\":\"x\"}" },
        { EVENT_USAGE, 0, "{\"source\":\"x\",\"cost_nanousd\":7}" },
        { EVENT_SANDBOX_CREATING, 0, "{\"kind\":\"e2b\",\"label\":\"1\"}" },
        { EVENT_SANDBOX_CREATING, 0, "{\"kind\":\"e2b\",\"label\":\"2\"}" },
        { EVENT_SANDBOX_CLOSED, 0, "{\"kind\":\"e2b\",\"label\":\"1\"}" },
    };
    struct err e = ERR_INIT;
    struct index *whole, *step = open_index();
    struct store *s = make_session("aaa", "t", 5000);
    int64_t v[8];
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const char *json = events[i].json;
        if (strncmp(json, "exit ", 5) == 0)
            json = finished("exit", json + 5);
        else if (json[0] != '{')
            json = finished(json, "");
        assert_ok(append_json(s, events[i].type, events[i].run, json, &e));
        assert_ok(store_flush(s, &e));
        get(step, v);
        assert_int_equal(v[7], i + 3);
    }
    store_close(s);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            index_close(step);
            char *path = xasprintf("%s/index.db", fx.dir);
            assert_int_equal(unlink(path), 0);
            free(path);
            step = open_index();
        }
        get(step, v);
        assert_int_equal(v[0], 4);
        assert_int_equal(v[1], 1);
        assert_int_equal(v[2], 3);
        assert_int_equal(v[3], 77);
        assert_int_equal(v[4], 1);
        assert_int_equal(v[5], 5000);
        assert_true(v[6] > 5000);
        assert_int_equal(v[7], ARRAY_LEN(events) + 2);
    }
    whole = step;
    index_close(whole);
}

static void test_life(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct index *ix = open_index();
    struct store *s = make_session("aaa", "t", 1);
    assert_string_equal(list(ix, NULL, false, 0), "aaa||t|||live\n");
    assert_ok(append_json(s, EVENT_SESSION_RENAMED, 0, "{\"name\":\"demo\"}", &e));
    assert_ok(append_json(s, EVENT_SESSION_TAGGED, 0, "{\"tags\":[\"a\",\"b\"]}", &e));
    assert_string_equal(list(ix, "b", false, 0), "aaa|demo|t||a b|live\n");
    assert_ok(append_json(s, EVENT_SESSION_FINISHED, 0,
                          "{\"outcome\":\"done\",\"runs\":0,\"denied\":0,\"cost_nanousd\":0}", &e));
    store_close(s);
    assert_string_equal(list(ix, NULL, false, 0), "aaa|demo|t|done|a b\n");
    char *path = xasprintf("%s/aaa.db", sessions_dir);
    assert_ok(store_open(&s, path, &e));
    assert_ok(append_json(s, EVENT_SESSION_RESUMED, 0, "{\"version\":\"1\"}", &e));
    assert_string_equal(list(ix, NULL, false, 0), "aaa|demo|t||a b|live\n");
    assert_ok(append_json(s, EVENT_SESSION_TRASHED, 0, "{}", &e));
    assert_string_equal(list(ix, NULL, false, 0), "");
    assert_string_equal(list(ix, NULL, true, 0), "aaa|demo|t||a b|live|trashed\n");
    assert_ok(append_json(s, EVENT_SESSION_TRASHED, 0, "{\"restored\":true}", &e));
    store_close(s);
    assert_string_equal(list(ix, NULL, false, 0), "aaa|demo|t||a b\n");
    assert_int_equal(unlink(path), 0);
    assert_string_equal(list(ix, NULL, false, 0), "");
    free(path);
    index_close(ix);
}

/* A session whose process died is listed, and not as live. */
static void test_crashed_session(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        make_session("aaa", "t", 1); /* never closed */
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    struct index *ix = open_index();
    assert_string_equal(list(ix, NULL, false, 0), "aaa||t||\n");
    assert_string_equal(list(ix, NULL, false, 0), "aaa||t||\n");
    index_close(ix);
}

static void write_file(const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", sessions_dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    free(path);
}

static void test_unreadable_sessions(void **state)
{
    (void)state;
    make_closed("aaa", "t", 1);
    write_file("bbb.db", "this is no database, but it is long enough to look like one: "
                         "....................................");
    write_file("ccc.db", "");
    write_file("not a session.db", "");
    write_file("ddd.lock", "");
    struct index *ix = open_index();
    const char *text = list(ix, NULL, false, 0);
    assert_non_null(strstr(text, "aaa||t||\n"));
    assert_non_null(strstr(text, "bbb|||||problem\n"));
    assert_non_null(strstr(text, "ccc|||||problem\n"));
    assert_null(strstr(text, "not a"));
    assert_null(strstr(text, "ddd"));
    index_close(ix);
}

/* ---- only what changed is read ---- */

/* Put a mark in the index that a fresh reading would wipe out. */
static void mark(const char *id)
{
    struct err e = ERR_INIT;
    struct sql *db;
    char *path = xasprintf("%s/index.db", fx.dir);
    char *text = xasprintf("UPDATE session SET planner = 'marked' WHERE id = '%s'", id);
    assert_ok(sql_open(&db, path, SQL_WRITE, 1000, &e));
    assert_ok(sql_exec(db, text, &e));
    assert_int_equal(sql_changes(db), 1);
    sql_close(db);
    free(text);
    free(path);
}

static int is_marked(void *arg, const struct index_entry *en)
{
    struct buf *b = arg;
    return strcmp(en->planner, "marked") == 0 ? buf_addf(b, "%s ", en->id) : 0;
}

static const char *marked(struct index *ix)
{
    static char text[100];
    struct err e = ERR_INIT;
    struct buf b = BUF_INIT(90);
    assert_ok(index_list(ix, NULL, true, 0, is_marked, &b, &e));
    snprintf(text, sizeof text, "%s", buf_str(&b));
    buf_release(&b);
    return text;
}

/* Set back so far that the index trusts it. */
static void age(const char *name)
{
    char *path = xasprintf("%s/%s", sessions_dir, name);
    struct utimbuf old = { 1000000000, 1000000000 };
    assert_int_equal(utime(path, &old), 0);
    free(path);
}

static void test_reads_only_changes(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    make_closed("aaa", "t", 1);
    make_closed("bbb", "t", 2);
    age("aaa.db");
    age("bbb.db");
    struct index *ix = open_index();
    assert_ok(index_refresh(ix, &e));
    mark("aaa");
    mark("bbb");
    assert_ok(
        index_refresh(ix, &e)); /* the directory is too young to be trusted: all are looked at */
    assert_string_equal(marked(ix), "bbb aaa ");
    make_closed("ccc", "t", 3);
    assert_ok(index_refresh(ix, &e));
    assert_string_equal(marked(ix), "bbb aaa ");
    /* touched, so read again: the fold finds nothing new and keeps what it had */
    char *path = xasprintf("%s/aaa.db", sessions_dir);
    struct store *s;
    assert_ok(store_open(&s, path, &e));
    assert_ok(
        append_json(s, EVENT_SESSION_RESUMED, 0, "{\"version\":\"1\",\"planner\":\"new\"}", &e));
    store_close(s);
    assert_ok(index_refresh(ix, &e));
    assert_string_equal(marked(ix), "bbb ");
    /* another file under the same name */
    assert_int_equal(unlink(path), 0);
    make_closed("aaa", "another", 1);
    mark("aaa");
    assert_ok(index_refresh(ix, &e));
    assert_string_equal(marked(ix), "bbb ");
    free(path);
    index_close(ix);
}

/* With an old directory and nothing live, files are not even looked at; a live one still is. */
static void test_quiet_directory(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    make_closed("aaa", "t", 1);
    struct store *s = make_session("live", "t", 2);
    age("aaa.db");
    age("");
    struct index *ix = open_index();
    assert_ok(index_refresh(ix, &e));
    mark("aaa");
    char *path = xasprintf("%s/aaa.db", sessions_dir);
    assert_int_equal(chmod(path, 0600), 0);
    write_file("aaa.db", "garbage in place"); /* the directory does not change by this */
    assert_ok(append_json(s, EVENT_SESSION_RENAMED, 0, "{\"name\":\"renamed\"}", &e));
    assert_string_equal(list(ix, "renamed", false, 0), "live|renamed|t|||live\n");
    assert_string_equal(marked(ix), "aaa ");
    assert_ok(index_refresh_one(ix, "aaa", &e));
    assert_non_null(strstr(list(ix, NULL, false, 0), "aaa||t|||problem\n")); /* the rest is kept */
    store_close(s);
    free(path);
    index_close(ix);
}

/* ---- the index's own troubles ---- */

static void test_damaged_index(void **state)
{
    (void)state;
    make_closed("aaa", "t", 1);
    char *path = xasprintf("%s/index.db", fx.dir);
    static const char *const contents[] = {
        "no database at all, and longer than a header of one hundred bytes; "
        "..........................................",
        ""
    };
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, contents[i], strlen(contents[i])), strlen(contents[i]));
        close(fd);
        struct index *ix = open_index();
        assert_string_equal(list(ix, NULL, false, 0), "aaa||t||\n");
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        index_close(ix);
    }
    free(path);
}

/* Broken behind the back of an open index. */
static void test_index_breaks_while_open(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    make_closed("aaa", "t", 1);
    struct index *ix = open_index();
    assert_ok(index_refresh(ix, &e));
    char *path = xasprintf("%s/index.db", fx.dir);
    struct sql *db;
    assert_ok(sql_open(&db, path, SQL_WRITE, 1000, &e));
    assert_ok(sql_exec(db, "DROP TABLE scan", &e));
    sql_close(db);
    make_closed("bbb", "t", 2);
    assert_string_equal(list(ix, NULL, false, 0), "bbb||t||\naaa||t||\n");
    free(path);
    index_close(ix);
}

/* The place for index.db is taken by a directory: the list is made in memory. */
static void test_index_in_memory(void **state)
{
    (void)state;
    make_closed("aaa", "t", 1);
    char *path = xasprintf("%s/index.db", fx.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    struct index *ix = open_index();
    assert_string_equal(list(ix, NULL, false, 0), "aaa||t||\n");
    index_close(ix);
    free(path);
}

static void test_two_indexes(void **state)
{
    (void)state;
    struct index *a = open_index(), *b = open_index();
    make_closed("aaa", "t", 1);
    assert_string_equal(list(a, NULL, false, 0), "aaa||t||\n");
    assert_string_equal(list(b, NULL, false, 0), "aaa||t||\n");
    make_closed("bbb", "t", 2);
    assert_string_equal(list(b, NULL, false, 0), "bbb||t||\naaa||t||\n");
    assert_string_equal(list(a, NULL, false, 0), "bbb||t||\naaa||t||\n");
    index_close(a);
    index_close(b);
}

/* Held by another program: the old list is given. */
static void test_busy_index(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct sql *db;
    make_closed("aaa", "t", 1);
    struct index *ix = open_index();
    assert_string_equal(list(ix, NULL, false, 0), "aaa||t||\n");
    char *path = xasprintf("%s/index.db", fx.dir);
    assert_ok(sql_open(&db, path, SQL_WRITE, 1000, &e));
    assert_ok(sql_exec(db, "BEGIN IMMEDIATE", &e));
    make_closed("bbb", "t", 2);
    assert_string_equal(list(ix, NULL, false, 0), "aaa||t||\n");
    sql_close(db);
    assert_string_equal(list(ix, NULL, false, 0), "bbb||t||\naaa||t||\n");
    free(path);
    index_close(ix);
}

/* ---- finding ---- */

static void rename_session(const char *id, const char *json)
{
    struct err e = ERR_INIT;
    struct store *s;
    char *path = xasprintf("%s/%s.db", sessions_dir, id);
    assert_ok(store_open(&s, path, &e));
    assert_ok(
        append_json(s, strstr(json, "name") != NULL ? EVENT_SESSION_RENAMED : EVENT_SESSION_TRASHED,
                    0, json, &e));
    store_close(s);
    free(path);
}

static void test_resolve(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct index *ix = open_index();
    char *id = NULL, *path = NULL;
    assert_err(index_resolve(ix, "last", &id, &path, &e), ERR_MISSING);
    make_closed("01aa", "t", 3000);
    make_closed("01ab", "t", 2000);
    make_closed("02b", "t", 1000);
    rename_session("01ab", "{\"name\":\"demo\"}");
    rename_session("02b", "{\"name\":\"01\"}");
    static const struct {
        const char *word, *id;
        enum err_code want;
    } cases[] = {
        { "last", "01aa", ERR_NONE },  { "01aa", "01aa", ERR_NONE }, { "01a", NULL, ERR_USAGE },
        { "02", "02b", ERR_NONE },     { "demo", "01ab", ERR_NONE }, { "01", "02b", ERR_NONE },
        { "0", NULL, ERR_USAGE },      { "9", NULL, ERR_MISSING },   { "", NULL, ERR_USAGE },
        { "../x", NULL, ERR_MISSING }, { "dem", NULL, ERR_MISSING }, { "01aa2", NULL, ERR_MISSING },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        err_clear(&e);
        int rc = index_resolve(ix, cases[i].word, &id, &path, &e);
        if (e.code != cases[i].want)
            fail_msg("%s: %s", cases[i].word, e.msg);
        if (rc == 0) {
            assert_string_equal(id, cases[i].id);
            assert_non_null(strstr(path, "/sessions/"));
            assert_int_equal(access(path, F_OK), 0);
            free(id);
            free(path);
        }
    }
    assert_err(index_resolve(ix, "01a", &id, &path, &e), ERR_USAGE);
    assert_non_null(strstr(e.msg, "01ab, 01aa"));
    /* names: two of them; then one in the trash */
    rename_session("01aa", "{\"name\":\"demo\"}");
    assert_err(index_resolve(ix, "demo", &id, &path, &e), ERR_USAGE);
    rename_session("01aa", "{}");
    assert_ok(index_resolve(ix, "demo", &id, &path, &e));
    assert_string_equal(id, "01ab");
    free(id);
    free(path);
    assert_ok(index_resolve(ix, "last", &id, &path, &e));
    assert_string_equal(id, "01ab"); /* 01aa is in the trash */
    free(id);
    free(path);
    assert_ok(index_resolve(ix, "01aa", &id, &path, &e));
    free(id);
    free(path);
    index_close(ix);
}

static void test_last_is_ours(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct store *s;
    static const char foreign[] =
        "{\"planner\":\"human\",\"model\":\"\",\"sandbox\":\"local\",\"contract\":{},"
        "\"contract_digest\":\"00\",\"version\":\"0.1.0\",\"foreign\":true}";
    make_closed("mine", "t", 1000);
    assert_ok(store_create(&s, sessions_dir, "theirs", &e));
    assert_ok(append_json(s, EVENT_SESSION_CREATED, 0, foreign, &e));
    store_close(s);
    write_file("broken.db", "");
    struct index *ix = open_index();
    char *id, *path;
    assert_ok(index_resolve(ix, "last", &id, &path, &e));
    assert_string_equal(id, "mine");
    free(id);
    free(path);
    assert_non_null(strstr(list(ix, NULL, false, 0), "theirs|||||foreign"));
    index_close(ix);
}

/* Text from a session that is longer than a list needs, cut in whole characters. */
static void test_long_task(void **state)
{
    (void)state;
    char *task = xmalloc(5001);
    for (int i = 0; i < 2500; i++)
        memcpy(task + 2 * i, "\xc3\xa9", 2);
    task[5000] = '\0';
    task[0] = task[1] = 'x';
    memmove(task + 1, task + 2, 4999);
    make_closed("aaa", task, 1);
    free(task);
    struct index *ix = open_index();
    const char *text = list(ix, NULL, false, 0);
    assert_int_equal(strlen(text), strlen("aaa||||\n") + 1023);
    index_close(ix);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_list),
        T(test_numbers),
        T(test_life),
        T(test_crashed_session),
        T(test_unreadable_sessions),
        T(test_reads_only_changes),
        T(test_quiet_directory),
        T(test_damaged_index),
        T(test_index_breaks_while_open),
        T(test_index_in_memory),
        T(test_two_indexes),
        T(test_busy_index),
        T(test_resolve),
        T(test_last_is_ours),
        T(test_long_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
