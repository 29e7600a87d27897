/* test_claude_messages_state.c - the interpreter that stays (`-s claude-messages:kernel=repl`):
 * what it keeps and tells, how its loss is told, and what is done where no model or server has one.
 */
#include "contract/box.h"

static void say(const char *line)
{
    assert_string_equal(box_remote_say(line), "{}\n");
}

static struct json *stats(void)
{
    struct json *o = NULL;
    const char *line = box_remote_say("{\"ask\": \"stats\"}");
    assert_int_equal(json_parse(&o, line, strlen(line), NULL), 0);
    return o;
}

/* As it is after a start: everything is executed. */
static void begin(void)
{
    say("{\"recite\": false}");
    say("{\"types\": []}");
    say("{\"cell_s\": 0}");
    say("{\"words\": []}");
    say("{\"ask\": \"expire\"}");
    say("{\"ask\": \"forget\"}");
}

static struct box *open_model(const char *image)
{
    struct box *b = box_new();
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    b->image = image;
    assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
    box_wait(b, ready, 1);
    return b;
}

static size_t commands(void)
{
    struct json *o = stats();
    size_t n = json_len(json_get(o, "commands"));
    json_free(o);
    return n;
}

/* Of the request `i`: the type of its tool. */
static void assert_type(size_t i, const char *wanted)
{
    struct json *o = stats(), *body = NULL;
    size_t at = 0;
    for (const struct json *b = json_first(json_get(o, "bodies")); b != NULL; b = json_next(b)) {
        const char *text = json_str(b, "");
        if (text[0] == '\0' || at++ != i)
            continue;
        assert_int_equal(json_parse(&body, text, strlen(text), NULL), 0);
        assert_string_equal(json_get_str(json_at(json_get(body, "tools"), 0), "type", ""), wanted);
    }
    assert_non_null(body);
    json_free(body);
    json_free(o);
}

static const char *line_of_gate(struct box *b, const char *language)
{
    struct sandbox_run rq = box_request(b, language, "1");
    return box_world.ops->starts_over(b->s, &rq);
}

#define assert_gate(b, language, wanted)                                                           \
    do {                                                                                           \
        const char *line = line_of_gate(b, language);                                              \
        if (line == NULL || strstr(line, wanted) == NULL)                                          \
            fail_msg("at the gate: %s", line != NULL ? line : "nothing");                          \
    } while (0)

/* ---- it stays */

static void the_newest_type_is_taken(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run(b, "x = 20");
    assert_type(0, "code_execution_20260521");
    assert_null(line_of_gate(b, "python"));
    box_run(b, "print(x + 22)");
    assert_out(b, "42\n");
    assert_int_equal(commands(), 2);
    box_free(b);
}

static void an_older_server_is_asked_for_less(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    say("{\"types\": [\"code_execution_20250825\", \"code_execution_20260120\"]}");
    struct box *b = box_open_default();
    box_run(b, "x = 20");
    assert_exit(b, 0);
    assert_type(0, "code_execution_20260521");
    assert_type(1, "code_execution_20260120");
    assert_int_equal(b->checked, 2); /* each body was looked at before it left */
    box_run(b, "print(x + 22)");
    assert_out(b, "42\n");
    assert_type(2, "code_execution_20260120");
    assert_int_equal(commands(), 2);
    box_free(b);
}

/* One that has none is told of: each run is fresh, and nobody says otherwise. */
static void assert_fresh(struct box *b)
{
    box_run(b, "x = 20\nopen('kept', 'w').close()");
    assert_exit(b, 0);
    assert_true(b->f.state_lost);
    assert_non_null(strstr(b->message, "no interpreter stays"));
    assert_gate(b, "python", "a fresh interpreter");
    assert_null(line_of_gate(b, "bash"));
    box_run(b, "import os\nprint('x' in globals(), os.path.exists('kept'))");
    assert_out(b, "False True\n");
    assert_true(b->f.state_lost);
}

static void a_server_without_it_gives_a_fresh_one(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    say("{\"types\": [\"code_execution_20250825\"]}");
    struct box *b = box_open_default();
    assert_fresh(b);
    assert_type(2, "code_execution_20250825");
    assert_int_equal(commands(), 2); /* what was not taken was not executed */
    box_free(b);
}

static void a_model_without_it_gives_a_fresh_one(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = open_model("claude-haiku-4-5,kernel=repl");
    assert_fresh(b);
    assert_type(0, "code_execution_20250825");
    box_free(b);
}

static void the_model_is_the_first_word(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = open_model("claude-opus-5-5,kernel=repl");
    box_run(b, "x = 1");
    struct json *o = stats();
    assert_non_null(
        strstr(json_str(json_at(json_get(o, "bodies"), 1), ""), "\"model\":\"claude-opus-5-5\""));
    json_free(o);
    box_free(b);
    struct err e = ERR_INIT;
    assert_ptr_equal(sandbox_choose("claude-messages", "kernel=repl", &e),
                     &sandbox_claude_messages_state);
    assert_ptr_equal(sandbox_choose("claude-messages", "claude-opus-5-5", &e),
                     &sandbox_claude_messages);
    assert_null(sandbox_choose("claude-messages", "claude-opus-5-5,kernel=ours", &e));
}

static void a_container_for_one_run_is_asked_for_no_interpreter(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    (void)state;
    begin();
    c.lifecycle = LIFECYCLE_RUN;
    struct box *b = box_open(&c);
    box_run(b, "print(1)");
    assert_exit(b, 0);
    assert_type(0, "code_execution_20250825");
    box_wait(b, closed, 1);
    box_free(b);
}

/* ---- around the program */

static void odd_sources_run_as_they_are(void **state)
{
    static const struct {
        const char *code;
        size_t len;
        int exit;
        const char *out;
    } cases[] = {
#define CASE(code, exit, out) { code, sizeof code - 1, exit, out }
        CASE("print(1)", 0, "1\n"),
        CASE("print(1)\rprint(2)\r\nprint(3)\n", 0, "1\n2\n3\n"),
        CASE("# -*- coding: latin-1 -*-\nprint('\xe9')", 0, "\xc3\xa9\n"),
        CASE("\xef\xbb\xbfprint('bom')", 0, "bom\n"),
        CASE("print('a\0b')", 1, ""),
        CASE("x = '\xed\xa0\x80'", 1, ""),
        CASE("print(ascii('\\ud800'))", 0, "'\\ud800'\n"),
        CASE("print('\\ud800')", 1, ""),
        CASE("from __future__ import annotations\ndef f(a: Nowhere): ...\nprint(f.__annotations__)",
             0, "{'a': 'Nowhere'}\n"),
        CASE("def f(a: int): ...\nprint(f.__annotations__)", 0, "{'a': <class 'int'>}\n"),
        CASE("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 5\n"
             "print(asyncio.run(f()))",
             0, "5\n"),
        CASE("await nothing", 1, ""),
        CASE("import sys\nsys.stdout = None", 0, ""),
        CASE("import os\nos.close(1)\nos.close(0)", 0, ""),
        CASE("import os\nif os.fork() == 0:\n    print('child')\n    raise SystemExit(3)\n"
             "print(os.waitstatus_to_exitcode(os.wait()[1]))",
             0, "child\n3\n"),
        CASE("print('AIRLOCK-RESULT {}')\nP = RUN = main = None", 0, "AIRLOCK-RESULT {}\n"),
        CASE("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", 1, ""),
        CASE("import __main__\nprint(__main__.f is f, __name__)", 0, "True __main__\n"),
        CASE("import sys\nsys.exit('words')", 1, ""),
        CASE("", 0, ""),
#undef CASE
    };
    BOX_NEEDS();
    (void)state;
    for (int beside = 0; beside < 2; beside++) { /* its main thread, and another one */
        begin();
        if (beside)
            say("{\"words\": [\"thread\"]}");
        struct box *b = box_open_default();
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct sandbox_run rq = box_request(b, "python", "");
            rq.code = cases[i].code;
            rq.code_len = cases[i].len;
            box_exec(b, &rq);
            if (b->f.end != END_EXIT || b->f.code != cases[i].exit)
                fail_msg("%zu: end %s %d: %s %s", i, run_end_name(b->f.end), b->f.code, b->message,
                         buf_str(&b->err));
            assert_string_equal(buf_str(&b->out), cases[i].out);
        }
        box_free(b);
    }
}

static void beside_the_main_thread_it_is_ended_too(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    (void)state;
    begin();
    say("{\"words\": [\"thread\"]}");
    c.timeout_s = 1;
    struct box *b = box_open(&c);
    box_run(b, "kept = 1");
    box_run(b, "while True: pass");
    assert_end(b, END_TIMEOUT);
    assert_false(b->f.state_lost);
    box_run(b, "print(kept)");
    assert_out(b, "1\n");
    box_free(b);
}

/* Of those it ends it asks how they ended, and of no others. */
static void what_an_earlier_run_started_keeps_its_end(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    (void)state;
    begin();
    c.timeout_s = 1;
    struct box *b = box_open(&c);
    box_run(b, "import subprocess\np = subprocess.Popen(['sh', '-c', 'exit 3'])");
    assert_exit(b, 0);
    box_run(b, "q = subprocess.Popen(['sleep', '60'])\nwhile True: pass");
    assert_end(b, END_TIMEOUT);
    assert_false(b->f.state_lost);
    box_run(b, "print(p.wait(), q.poll() is not None)");
    assert_out(b, "3 True\n");
    box_free(b);
}

static void a_shell_shares_the_files(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run_state(b, "x = 1\nopen('f', 'w').write('from python')");
    box_run_in(b, "bash", "cat f");
    assert_out(b, "from python");
    box_run_state(b, "x");
    assert_non_null(box_var(b, "x"));
    assert_int_equal(box_var(b, "x")->change, CHANGE_SAME);
    box_free(b);
}

/* What was not executed changed nothing, and that is told as well. */
static void what_did_not_run_keeps_the_variables(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run_state(b, "x = 1\ny = 2");
    box_run_state(b, "del y");
    say("{\"do\": \"status\", \"status\": 402}");
    box_run_state(b, "x = 2");
    assert_end(b, END_PROVIDER);
    assert_false(b->f.state_lost);
    assert_non_null(box_var(b, "x"));
    assert_int_equal(box_var(b, "x")->change, CHANGE_SAME);
    assert_null(box_var(b, "y"));
    box_run(b, "print(x)");
    assert_out(b, "1\n");
    box_free(b);
}

/* ---- it is gone */

static void an_expired_container_is_told_before_anything_runs(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run(b, "x = 1");
    say("{\"ask\": \"expire\"}");
    say("{\"ask\": \"forget\"}");
    box_run(b, "open('/workspace/ran', 'w')");
    assert_end(b, END_LOST);
    assert_true(b->f.state_lost);
    assert_non_null(strstr(b->message, "nothing was executed"));
    assert_int_equal(commands(), 0);
    assert_gate(b, "python", "variables and files of earlier runs are gone");
    assert_gate(b, "bash", "the files of earlier runs are gone");
    box_run(b, "import os\nprint('x' in globals(), os.path.exists('ran'))");
    assert_out(b, "False False\n");
    assert_null(line_of_gate(b, "python"));
    box_free(b);
}

static void an_expired_container_of_a_shell_is_replaced_and_told(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run(b, "x = 1");
    say("{\"ask\": \"expire\"}");
    box_run_in(b, "bash", "echo here");
    assert_exit(b, 0);
    assert_true(b->f.state_lost);
    assert_non_null(strstr(b->message, "expired"));
    assert_false(b->state); /* the variables are not told of as if they were there */
    assert_gate(b, "python", "the variables of earlier runs are gone");
    assert_null(line_of_gate(b, "bash"));
    box_run(b, "print('x' in globals())");
    assert_out(b, "False\n");
    box_free(b);
}

static void a_lost_interpreter_runs_nothing(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run(b, "x = 1\nopen('kept', 'w').close()");
    say("{\"ask\": \"restart\"}");
    box_run(b, "open('ran', 'w').close()");
    assert_end(b, END_LOST);
    assert_true(b->f.state_lost);
    assert_gate(b, "python", "the variables of earlier runs are gone; files stay");
    assert_null(line_of_gate(b, "bash"));
    box_run(b, "import os\nprint('x' in globals(), sorted(os.listdir()))");
    assert_out(b, "False ['kept']\n");
    assert_null(line_of_gate(b, "python"));
    box_free(b);
}

static void a_deviation_costs_the_variables(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run(b, "x = 1");
    say("{\"do\": \"alter\"}");
    box_run(b, "x = 2");
    assert_end(b, END_INTEGRITY);
    assert_true(b->f.state_lost);
    assert_gate(b, "python", "a new container");
    box_run(b, "print('x' in globals())");
    assert_out(b, "False\n");
    box_free(b);
}

/* The hash comes before the code runs, or nothing is taken. */
static void the_line_before_is_demanded(void **state)
{
    static const char *const tricks[] = { "{\"do\": \"no-begin\"}", "{\"do\": \"wrong-begin\"}" };
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    for (size_t i = 0; i < ARRAY_LEN(tricks); i++) {
        say(tricks[i]);
        box_run(b, "print('out')");
        assert_end(b, END_INTEGRITY);
        assert_out(b, "");
        assert_non_null(strstr(b->message, "before"));
        assert_true(b->f.state_lost);
    }
    box_free(b);
}

static void a_container_without_a_name_is_not_gone_on_in(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    say("{\"do\": \"no-container\"}");
    box_run(b, "x = 1");
    assert_exit(b, 0);
    assert_true(b->f.state_lost);
    box_run(b, "print('x' in globals())");
    assert_exit(b, 0);
    assert_out(b, "False\n");
    box_free(b);
}

/* Anthropic's own limit for a cell. */
static void a_cell_that_is_ended_there_is_a_timeout(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    say("{\"cell_s\": 0.3}");
    struct box *b = box_open_default();
    box_run(b, "import time\ntime.sleep(20)");
    assert_end(b, END_TIMEOUT);
    assert_true(b->f.state_lost);
    say("{\"cell_s\": 0}");
    box_run(b, "print('next')");
    assert_out(b, "next\n");
    box_free(b);
}

/* Airlock's limit is the nearer one. */
static void no_cell_is_given_more_time_than_there_is(void **state)
{
    static const struct {
        int64_t timeout_s;
        const char *language, *carried;
    } cases[] = { { 30, "python", "\"timeout\":30," },
                  { 100, "python", "\"timeout\":80," },
                  { 100, "bash", "\"timeout\":100," } };
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct contract c = box_contract();
        begin();
        c.timeout_s = cases[i].timeout_s;
        struct box *b = box_open(&c);
        box_run_in(b, cases[i].language, "");
        assert_exit(b, 0);
        struct json *o = stats();
        assert_non_null(
            strstr(json_str(json_at(json_get(o, "commands"), 0), ""), cases[i].carried));
        json_free(o);
        box_free(b);
    }
}

static void assert_var(struct box *b, const char *name, const char *type, const char *preview,
                       enum var_change change)
{
    const struct box_var *v = box_var(b, name);
    assert_non_null(v);
    assert_string_equal(v->type, type);
    if (strstr(v->preview, preview) == NULL)
        fail_msg("%s: %s", name, v->preview);
    assert_int_equal(v->change, change);
}

static void arrays_and_frames_are_looked_into(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run(b, "import numpy as np\nimport pandas as pd");
    if (b->f.code != 0) {
        print_message("numpy or pandas is not installed: arrays are NOT tested\n");
        box_free(b);
        skip();
    }
    box_run_state(b, "a = np.arange(6.0).reshape(2, 3)\no = np.array([None, {}])\n"
                     "df = pd.DataFrame({'a': [1, 2, 3], 'b': list('xyz')})\nse = df['a']");
    assert_var(b, "a", "numpy.ndarray[float64]", "array([0.0, 1.0", CHANGE_NEW);
    assert_var(b, "df", "pandas.core.frame.DataFrame", "['a', 'b']", CHANGE_NEW);
    assert_var(b, "se", "pandas.core.series.Series", "[1, 2, 3]", CHANGE_NEW);
    box_run_state(b, "a[0, 0] = 9\ndf.loc[0, 'b'] = 'q'");
    assert_var(b, "a", "numpy.ndarray[float64]", "array([9.0, 1.0", CHANGE_CHANGED);
    assert_var(b, "df", "pandas.core.frame.DataFrame", "['a', 'b']", CHANGE_CHANGED);
    assert_var(b, "o", "ndarray", "<", CHANGE_UNKNOWN); /* what it can't see, it does not claim */
    box_run_state(b, "pass");
    assert_var(b, "a", "numpy.ndarray[float64]", "array", CHANGE_SAME);
    assert_var(b, "df", "pandas.core.frame.DataFrame", "columns", CHANGE_SAME);
    assert_var(b, "se", "pandas.core.series.Series", "[1, 2, 3]", CHANGE_SAME);
    box_free(b);
}

/* It looks at what a program made, and calls nothing of it. */
static void what_is_strange_is_not_touched(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run_state(b, "import sys\n"
                     "class Meta(type):\n"
                     "    def __getattribute__(self, n): open('/workspace/called', 'w')\n"
                     "class Trap(metaclass=Meta):\n"
                     "    def __getattribute__(self, n): open('/workspace/called', 'w')\n"
                     "    __repr__ = __len__ = __hash__ = __eq__ = __iter__ = __getattribute__\n"
                     "class L(list):\n"
                     "    def __len__(self): open('/workspace/called', 'w')\n"
                     "t, l, d = Trap(), [L()], {'a': L()}\n"
                     "sys.modules['numpy'] = sys.modules['pandas'] = Trap()\n"
                     "globals()[L()] = globals()[5] = 1 if 0 else 2\n"
                     "me = globals()\nloop = [0]\nloop[0] = loop\nhuge = 10 ** 5000\n"
                     "big = [huge]\nhalf = '\\ud800'");
    assert_int_equal(b->f.code, 1); /* a list is no key */
    box_run_state(b, "me = globals()\nloop = [0]\nloop[0] = loop\nhuge = 10 ** 5000\n"
                     "big = [huge]\nhalf = '\\ud800'\nme[5] = me['\\ud800'] = 1");
    assert_exit(b, 0);
    static const char *const names[] = { "t", "l", "d", "me", "loop", "huge", "big", "half" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (box_var(b, names[i]) == NULL)
            fail_msg("%s is not told", names[i]);
    box_run_in(b, "bash", "ls");
    assert_out(b, "");
    box_free(b);
}

static void more_variables_than_are_told_are_counted(void **state)
{
    BOX_NEEDS();
    (void)state;
    begin();
    struct box *b = box_open_default();
    box_run_state(b, "for i in range(250): globals()['v%d' % i] = '\\u20ac' * 100");
    assert_exit(b, 0);
    assert_non_null(strstr(b->message, "51 more variables"));
    for (size_t i = 0; i < b->var_count; i++)
        assert_true(strlen(b->vars[i].preview) <= 160);
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(the_newest_type_is_taken),
    BOX_TEST(an_older_server_is_asked_for_less),
    BOX_TEST(a_server_without_it_gives_a_fresh_one),
    BOX_TEST(a_model_without_it_gives_a_fresh_one),
    BOX_TEST(the_model_is_the_first_word),
    BOX_TEST(a_container_for_one_run_is_asked_for_no_interpreter),
    BOX_TEST(odd_sources_run_as_they_are),
    BOX_TEST(beside_the_main_thread_it_is_ended_too),
    BOX_TEST(what_an_earlier_run_started_keeps_its_end),
    BOX_TEST(a_shell_shares_the_files),
    BOX_TEST(what_did_not_run_keeps_the_variables),
    BOX_TEST(an_expired_container_is_told_before_anything_runs),
    BOX_TEST(an_expired_container_of_a_shell_is_replaced_and_told),
    BOX_TEST(a_lost_interpreter_runs_nothing),
    BOX_TEST(a_deviation_costs_the_variables),
    BOX_TEST(the_line_before_is_demanded),
    BOX_TEST(a_container_without_a_name_is_not_gone_on_in),
    BOX_TEST(a_cell_that_is_ended_there_is_a_timeout),
    BOX_TEST(no_cell_is_given_more_time_than_there_is),
    BOX_TEST(arrays_and_frames_are_looked_into),
    BOX_TEST(what_is_strange_is_not_touched),
    BOX_TEST(more_variables_than_are_told_are_counted),
};

static int run_suite(const char *name)
{
    return cmocka_run_group_tests_name(name, tests, box_group_setup, box_group_teardown);
}

int main(void)
{
    setenv("BOX_SANDBOX", "claude-messages:kernel=repl", 1);
    return box_main(run_suite);
}
