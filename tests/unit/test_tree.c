/* test_tree.c - sessions and their branches, drawn; what their record of the parent says; runs by
 * the word a person gives; when a variable changed. */
#include "session_fixture.h"

#include "cli/app.h"
#include "cli/saved.h"
#include "cli/session.h"
#include "cli/tree.h"
#include "cli/varhistory.h"

#define A "01jda000000000000000000000"
#define B "01jdb000000000000000000000"
#define C "01jdc000000000000000000000"
#define D "01jdd000000000000000000000"
#define E "01jde000000000000000000000"

static struct app app;

static int setup(void **state)
{
    struct err e = ERR_INIT;
    if (fixture_setup_in_memory(state) != 0)
        return -1;
    app = (struct app){ .index = NULL };
    app.paths.data_dir = xstrdup(fx.dir);
    app.paths.sessions_dir = path_join(fx.dir, "sessions");
    return path_make_private_dir(app.paths.sessions_dir, &e);
}

static int teardown(void **state)
{
    index_close(app.index);
    paths_release(&app.paths);
    return fixture_teardown(state);
}

static void add(struct store *s, enum event_type type, uint32_t run, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void add(struct store *s, enum event_type type, uint32_t run, const char *fmt, ...)
{
    char json[2048];
    struct err e = ERR_INIT;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(json, sizeof json, fmt, ap);
    va_end(ap);
    for (char *p = json; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    assert_ok(append_json(s, type, run, json, &e));
}

/* A session of two runs, the first of which made x. `parent`: more fields of its first event. */
static struct store *begin(const char *id, const char *more)
{
    struct err e = ERR_INIT;
    struct store *s;
    assert_ok(store_create(&s, app.paths.sessions_dir, id, &e));
    add(s, EVENT_SESSION_CREATED, 0,
        "{'planner':'human','model':'','sandbox':'local','contract':{},'contract_digest':'00',"
        "'version':'0'%s}",
        more);
    return s;
}

static void add_run(struct store *s, uint32_t n, const char *step, int code)
{
    add(s, EVENT_RUN_PROPOSED, n,
        "{'rev':1,'step':'%s','attempt':1,'language':'python','code':'line%u()\\nmore','purpose':"
        "'','author':'person'}",
        step, n);
    add(s, EVENT_RUN_REVIEWED, n, "{'findings':[]}");
    add(s, EVENT_GATE_OPENED, n,
        "{'rev':1,'capsule':'%064u','contract_digest':'d','sandbox':'local'}", n);
    add(s, EVENT_GATE_DECIDED, n,
        "{'decision':'approve','by':'person','capsule':'%064u','seen_lines':1,'waited_ms':1}", n);
    add(s, EVENT_RUN_STARTED, n, "{'sandbox_id':'x','capsule':'%064u'}", n);
    add(s, EVENT_RUN_FINISHED, n,
        "{'end':'exit','code':%d,'wall_ms':1,'stdout_bytes':0,'stderr_bytes':0}", code);
    add(s, EVENT_RUN_VERDICT, n, "{'verdict':'unverified','checks':[]}");
    add(s, EVENT_STATE_CHANGED, n,
        "{'vars':[{'name':'x','type':'int','change':'%s','preview':'%u'}],'files':[]}",
        n == 1 ? "new" : "changed", n);
}

static void done(struct store *s)
{
    struct err e = ERR_INIT;
    assert_ok(store_flush(s, &e));
    store_close(s);
}

static void make_parent(void)
{
    struct store *s = begin(A, ",'name':'the parent'");
    add_run(s, 1, "", 0);
    add_run(s, 2, "", 3);
    done(s);
}

/* The record of `id` so far: its last event and the chain there. */
static void chain_of(const char *id, uint64_t *seq, char hex[SHA256_HEX_LEN + 1])
{
    struct err e = ERR_INIT;
    struct store *s;
    struct state st;
    uint8_t chain[SHA256_LEN];
    char *path = xasprintf("%s/%s.db", app.paths.sessions_dir, id);
    state_init(&st);
    assert_ok(store_open_read(&s, path, &e));
    assert_ok(session_load_state(s, 0, &st, &e));
    *seq = st.last_seq;
    assert_ok(store_chain_at(s, *seq, chain, &e));
    hex_encode(chain, sizeof chain, hex);
    state_release(&st);
    store_close(s);
    free(path);
}

/* ---- the drawing */

static int collect(void *arg, const struct tree_line *l)
{
    return buf_addf(arg, "%s%s\n", l->asked && l->run == 0 ? "*" : "", l->text);
}

static void expect_tree(const char *id, const char *want)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(100000);
    assert_ok(tree_walk(&app, id, collect, &out, &e));
    assert_string_equal(buf_str(&out), want);
    buf_release(&out);
}

static int stop_at_second(void *arg, const struct tree_line *l)
{
    struct buf *out = arg;
    return buf_addf(out, "%s\n", l->text) < 0 || memchr(out->ptr, '\n', out->len - 1) != NULL;
}

static void test_family(void **state)
{
    (void)state;
    uint64_t seq;
    char hex[SHA256_HEX_LEN + 1], more[400];
    make_parent();
    chain_of(A, &seq, hex);
    snprintf(more, sizeof more, ",'parent':'" A ":1','parent_seq':%d,'parent_chain':'%s'", (int)seq,
             hex);
    struct store *s = begin(B, more);
    add(s, EVENT_TASK_GIVEN, 0,
        "{'text':'\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4"
        "\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc"
        "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xe2\x82\xac\xe2\x82\xac"
        "\\nmore','author':'person'}");
    add_run(s, 1, "", 0);
    done(s);
    snprintf(more, sizeof more, ",'parent':'" A ":2','parent_seq':%d,'parent_chain':'%064d'",
             (int)seq, 0); /* the parent is not the one it was forked from any more */
    s = begin(C, more);
    add(s, EVENT_SESSION_FINISHED, 0, "{'outcome':'done','runs':0,'denied':0,'cost_nanousd':0}");
    done(s);
    done(begin(D, ",'name':'rerun','parent':'" A "'"));
    done(begin(E, ",'parent':'01jdz000000000000000000000:4','parent_seq':3,'parent_chain':'00'"));

    expect_tree(A, "*the parent  " A "  open\n"
                   "├─ again  rerun  " D "  open\n"
                   "└─ runs 1-2  exit 3  <- here  line2()\n"
                   "   ├─ fork after run 1  äöüäöüäöüäöüäöüäöüäöüäöüäöüä€  " B "  open\n"
                   "   │  └─ run 1  exit 0, unverified  <- here  line1()\n"
                   "   └─ fork after run 2  (no task)  " C "  done  PARENT'S RECORD DIFFERS\n");
    expect_tree(E, "*(no task)  " E "  open  (its parent is not here)\n");
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(100000);
    assert_ok(tree_walk(&app, B, stop_at_second, &out, &e));
    assert_string_equal(buf_str(&out), "the parent  " A "  open\n├─ again  rerun  " D "  open\n");
    buf_release(&out);
}

static void test_what_can_not_be_read(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    make_parent();
    expect_tree("nosuch", "nosuch  can't be read: no session \"nosuch\" (`airlock sessions` lists "
                          "them)\n");
    char *path = xasprintf("%s/" B ".db", app.paths.sessions_dir);
    assert_ok(path_write_file(path, "no database", 11, &e));
    free(path);
    struct buf out = BUF_INIT(10000);
    assert_ok(tree_walk(&app, B, collect, &out, &e));
    assert_non_null(strstr(buf_str(&out), B "  can't be read: "));
    buf_release(&out);
}

/* A line of branches is shown to a depth, and a family that is its own ancestor comes to an end. */
static void test_depth(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char id[40], more[100];
    for (int i = 0; i < 45; i++) {
        snprintf(id, sizeof id, "01jdk%021d", i);
        snprintf(more, sizeof more, ",'parent':'01jdk%021d'", i > 0 ? i - 1 : 44);
        done(begin(id, more));
    }
    struct buf out = BUF_INIT(1000000);
    assert_ok(tree_walk(&app, id, collect, &out, &e));
    size_t lines = 0;
    for (const char *p = buf_str(&out); (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 41); /* DEPTH_MAX below the first */
    assert_non_null(strstr(buf_str(&out), "again  (no task)  01jdk"));
    buf_release(&out);
}

static void test_outcomes(void **state)
{
    (void)state;
    static const struct {
        struct state_run r;
        const char *want;
    } cases[] = {
        { { .status = RUN_DENIED }, "denied" },
        { { .status = RUN_STOPPED }, "stopped" },
        { { .status = RUN_RUNNING }, "running" },
        { { .status = RUN_PROPOSED }, "open" },
        { { .status = RUN_FINISHED, .verdict = VERDICT_VERIFIED, .end = END_OOM }, "verified" },
        { { .status = RUN_FINISHED, .verdict = VERDICT_REFUTED, .has_exit_code = true },
          "refuted" },
        { { .status = RUN_FINISHED, .end = END_EXIT, .has_exit_code = true, .error_name = "" },
          "exit 0, unverified" },
        { { .status = RUN_FINISHED,
            .end = END_EXIT,
            .has_exit_code = true,
            .exit_code = 1,
            .error_name = "KeyError" },
          "exit 1 KeyError" },
        { { .status = RUN_FINISHED,
            .end = END_EXIT,
            .has_exit_code = true,
            .exit_code = 2,
            .error_name = "" },
          "exit 2" },
        { { .status = RUN_FINISHED, .end = END_EXIT }, "exit" },
        { { .status = RUN_FINISHED, .end = END_TIMEOUT, .has_exit_code = true }, "timeout" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[96];
        tree_outcome(&cases[i].r, out, sizeof out);
        assert_string_equal(out, cases[i].want);
    }
}

/* ---- runs by a word */

static void test_find_run(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct saved s;
    struct store *made = begin(A, "");
    add_run(made, 1, "load", 0);
    add_run(made, 2, "load", 1); /* the same attempt again: the newest counts */
    add_run(made, 3, "a.b", 0);
    done(made);
    assert_ok(saved_open(&s, &app, A, &e));
    static const struct {
        const char *word;
        uint32_t want;
    } cases[] = {
        { "1", 1 },
        { "3", 3 },
        { "03", 3 },
        { "4", 0 },
        { "0", 0 },
        { "", 0 },
        { "1x", 0 },
        { " 1", 0 },
        { "+1", 0 },
        { "-1", 0 },
        { "sload.1", 2 },
        { "sa.b.1", 3 },
        { "sload.2", 0 },
        { "sload", 0 },
        { "sload.", 0 },
        { "sload.1x", 0 },
        { "sloa.1", 0 },
        { "sload2.1", 0 },
        { "slaod.1", 0 },
        { "s.1", 0 },
        { "sload. 1", 0 },
        { "\t1", 0 },
        { "18446744073709551617", 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (saved_find_run(&s.state, cases[i].word) != cases[i].want)
            fail_msg("'%s'", cases[i].word);
    }
    saved_close(&s);
    assert_ok(saved_open(&s, &app, "last:sload.1", &e));
    assert_int_equal(s.run, 2);
    saved_close(&s);
    assert_err(saved_open(&s, &app, "last:9", &e), ERR_USAGE);
    assert_string_equal(e.msg, "session " A " has no run '9' (it has 3)");
}

/* ---- when a variable changed */

/* So many variables and files that the state holds the lists of the newest runs only. */
static void add_many(struct store *s, uint32_t n, const char *change, int many)
{
    struct err e = ERR_INIT;
    struct buf json = BUF_INIT((size_t)1 << 20);
    int rc = buf_add_str(&json, "{\"vars\":[");
    for (int i = 1; i < many; i++)
        rc |= buf_addf(&json, "{\"name\":\"v%d\",\"change\":\"same\"},", i);
    rc |= buf_addf(&json,
                   "{\"name\":\"y\",\"type\":\"int\",\"change\":\"%s\",\"preview\":\"%u\"}],"
                   "\"files\":[",
                   change, n);
    for (int i = 1; i < many; i++)
        rc |= buf_addf(&json, "{\"path\":\"f%d\",\"change\":\"same\"},", i);
    rc |= buf_addf(&json, "{\"path\":\"y.csv\",\"change\":\"%s\",\"bytes\":%u}]}", change, n);
    assert_int_equal(rc, 0);
    struct event ev = {
        .type = EVENT_STATE_CHANGED, .run = n, .json = json.ptr, .json_len = json.len
    };
    assert_ok(store_append(s, &ev, &e));
    buf_release(&json);
}

static int note(void *arg, const struct var_moment *m)
{
    return buf_addf(arg, "%u %s %s%s\n", m->run, var_change_name(m->change), m->preview,
                    m->led_here ? "" : " elsewhere");
}

static int note_once(void *arg, const struct var_moment *m)
{
    (void)!note(arg, m);
    return 1;
}

static void expect_history(const struct saved *s, const char *name, bool file, var_moment_fn fn,
                           const char *want)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(1000);
    assert_ok(var_history(s->store, &s->state, name, file, fn, &out, &e));
    assert_string_equal(buf_str(&out), want);
    buf_release(&out);
}

static void test_history_of_what_is_not_held(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct saved s;
    struct store *made = begin(A, "");
    for (uint32_t n = 1; n <= 28; n++) {
        add_run(made, n, "", 0);
        add_many(made, n,
                 n == 1              ? "new"
                 : n == 2 || n == 27 ? "changed"
                                     : "same",
                 n == 27 ? 1010 : 999); /* run 27: more than the state keeps of one */
    }
    done(made);
    assert_ok(saved_open(&s, &app, A, &e));
    assert_true(s.state.lists_oldest >= 2);
    assert_true(s.state.lists_oldest < 20);
    static const char want[] = "1 new %s\n2 changed %s\n27 changed %s\n";
    char text[100];
    snprintf(text, sizeof text, want, "1", "2", "27");
    expect_history(&s, "y", false, note, text);
    expect_history(&s, "y", false, note_once, "1 new 1\n");
    expect_history(&s, "v7", false, note, ""); /* never changed */
    snprintf(text, sizeof text, want, "", "", "");
    expect_history(&s, "y.csv", true, note, text);
    expect_history(&s, "y.csv", true, note_once, "1 new \n");
    expect_history(&s, "f7", true, note, "");
    saved_close(&s);
}

static void test_history_titles(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct saved s;
    char title[160];
    make_parent();
    assert_ok(saved_open(&s, &app, A, &e));
    static const struct {
        uint32_t last;
        const char *want;
    } cases[] = {
        { 0, "x: no run changed it" },
        { 1, "x: last changed in run 1, 1 run ago" },
        { 2, "x: last changed in run 2, the newest" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        var_history_title(&s.state, "x", cases[i].last, title, sizeof title);
        assert_string_equal(title, cases[i].want);
    }
    saved_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_family, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_can_not_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test_setup_teardown(test_find_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_history_of_what_is_not_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_history_titles, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
