/* test_sandbox.c - what every sandbox must do with code: run exactly what it is given, and bring
 * back every byte. Written against sandbox.h; the rest of the contract is in test_sandbox_*.c. */
#include "contract/box.h"

/* ---- output and results ---- */

static void prints(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "print(42)");
    assert_exit(b, 0);
    assert_out(b, "42\n");
    assert_int_equal(b->err.len, 0);
    assert_int_equal(b->f.stdout_bytes, 3);
    assert_int_equal(b->f.stdout_dropped, 0);
    assert_true(b->f.wall_us > 0);
    box_free(b);
}

static void ready_comes_once_with_an_id(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "pass");
    assert_int_equal(b->ready, 1);
    assert_false(b->warm);
    size_t len = strlen(b->id);
    assert_in_range(len, 1, 128);
    assert_int_equal(
        strspn(b->id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), len);
    box_free(b);
}

static void last_expression_is_the_result(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "x = 6\nx * 7");
    assert_exit(b, 0);
    assert_int_equal(b->results, 1);
    assert_string_equal(b->result_mime, "text/plain");
    assert_string_equal(buf_str(&b->result), "42");
    assert_out(b, "");
    box_run(b, "None");
    assert_int_equal(b->results, 0);
    box_free(b);
}

static void rich_results_are_bytes(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "class P:\n"
               "    def _repr_mimebundle_(self, include=None, exclude=None):\n"
               "        return {'image/png': b'\\x89PNG\\x00\\xff'}\n"
               "P()");
    assert_exit(b, 0);
    assert_true(b->results >= 1);
    box_free(b);
}

static void streams_stay_apart(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')");
    assert_exit(b, 0);
    assert_out(b, "out\nout again\n");
    assert_string_equal(buf_str(&b->err), "err\n");
    assert_int_equal(b->f.stderr_bytes, 4);
    box_free(b);
}

static void output_is_bytes(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_IS_TEXT_ONLY);
    struct box *b = box_open_default();
    (void)state;
    box_run(b,
            "import sys\nsys.stdout.buffer.write(bytes(range(256)) + b'\\xff\\xfe\\xc0\\x00end')");
    assert_exit(b, 0);
    assert_int_equal(b->out.len, 263);
    for (int i = 0; i < 256; i++)
        assert_int_equal((unsigned char)b->out.ptr[i], i);
    assert_memory_equal(b->out.ptr + 256, "\xff\xfe\xc0\0end", 7);
    box_free(b);
}

static void output_without_newline_is_kept(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "print('no end', end='')");
    assert_out(b, "no end");
    box_free(b);
}

static void one_long_line(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "print('x' * 200_000)");
    assert_exit(b, 0);
    assert_int_equal(b->out.len, 200001);
    assert_int_equal(strspn(buf_str(&b->out), "x"), 200000);
    box_free(b);
}

static void output_of_subprocesses_is_caught(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import subprocess\nsubprocess.run(['sh', '-c', 'echo to out; echo to err >&2'])\n"
               "import os\nos.write(1, b'raw\\n')");
    assert_exit(b, 0);
    assert_non_null(strstr(buf_str(&b->out), "to out\n"));
    assert_non_null(strstr(buf_str(&b->out), "raw\n"));
    assert_string_equal(buf_str(&b->err), "to err\n");
    box_free(b);
}

static void flood_is_counted_and_cut(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
    struct contract c = box_contract(); /* output_mib 64 */
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "import sys\n"
               "line = b'y' * 1023 + b'\\n'\n"
               "block = line * 1024\n"
               "for i in range(70):\n"
               "    sys.stdout.buffer.write(block)\n"
               "sys.stdout.flush()\n"
               "print('done', file=sys.stderr)");
    assert_exit(b, 0); /* the run goes on past the cap */
    assert_int_equal(b->f.stdout_bytes, 70u << 20);
    assert_int_equal(b->f.stdout_bytes - b->f.stdout_dropped, b->out.len);
    assert_in_range(b->out.len, (64u << 20) - 65536, 64u << 20);
    assert_int_equal(b->f.stderr_bytes, 5); /* said, or counted as dropped behind the cap */
    assert_int_equal(b->err.len, 5 - b->f.stderr_dropped);
    box_run(b, "print('still here')");
    assert_out(b, "still here\n");
    box_free(b);
}

static void paused_output_waits(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "pass");
    b->in_call = true;
    box_world.ops->pause_output(b->s, true);
    b->in_call = false;
    struct sandbox_run rq = box_request(b, "python",
                                        "import sys\nfor i in range(32): "
                                        "sys.stdout.buffer.write(b'z' * (1 << 20))");
    box_start(b, &rq);
    int finished = b->finished;
    box_turns(25);
    assert_int_equal(b->finished, finished); /* it can't be done: most of it has nowhere to go */
    assert_true(b->out.len <= (8u << 20));   /* and did not pile up here */
    b->in_call = true;
    box_world.ops->pause_output(b->s, false);
    b->in_call = false;
    box_wait(b, finished, finished + 1);
    assert_exit(b, 0);
    assert_int_equal(b->out.len, 32u << 20); /* nothing was dropped */
    box_free(b);
}

static void background_output_belongs_to_no_run(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    BOX_NEEDS_NOT(SANDBOX_IS_TEXT_ONLY);
    struct box *b = box_open_default();
    struct sandbox_file go = { .name = "go", .mode = 0644, .ptr = "", .len = 0 };
    struct err e = ERR_INIT;
    (void)state;
    box_run(b, "import subprocess\n"
               "p = subprocess.Popen(['sh', '-c', "
               "'while [ ! -e /workspace/go ]; do sleep 0.02; done; echo late'])");
    assert_exit(b, 0);
    assert_int_equal(box_call(b, box_world.ops->put(b->s, &go, &e)), 0);
    box_wait(b, background.len, 5);
    assert_string_equal(buf_str(&b->background), "late\n");
    assert_out(b, "");
    box_run(b, "print('mine')");
    assert_out(b, "mine\n");
    box_free(b);
}

/* ---- what is given to the code ---- */

static void arguments_reach_python(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    static const char *const argv[] = { "prog", "one two", "", "\xc3\xa4" };
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "import sys\nprint(ascii(sys.argv))");
    rq.argv = argv;
    rq.argv_count = 4;
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_out(b, "['prog', 'one two', '', '\\xe4']\n");
    box_free(b);
}

static void input_reaches_the_code(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "import sys\nprint(repr(sys.stdin.read()))");
    rq.input = "line 1\nline 2";
    rq.input_len = 13;
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_out(b, "'line 1\\nline 2'\n");
    rq = box_request(b, "python", "import sys\nprint(repr(sys.stdin.read()))");
    box_exec(b, &rq);
    assert_out(b, "''\n"); /* no input is an end of file at once */
    box_free(b);
}

static void big_input_arrives_whole(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_TAKES_LITTLE);
    struct box *b = box_open_default();
    size_t len = 8u << 20;
    char *input = xmalloc(len);
    (void)state;
    for (size_t i = 0; i < len; i++)
        input[i] = (char)('a' + i % 23);
    struct sandbox_run rq =
        box_request(b, "python",
                    "import sys, hashlib\nd = sys.stdin.buffer.read()\n"
                    "print(len(d), d == bytes(97 + i % 23 for i in range(len(d))))");
    rq.input = input;
    rq.input_len = len;
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_out(b, "8388608 True\n");
    free(input);
    box_free(b);
}

static void directory_is_the_one_asked_for(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os\nprint(os.getcwd())\nos.mkdir('sub')");
    assert_out(b, "/workspace\n");
    struct sandbox_run rq = box_request(b, "python", "import os\nprint(os.getcwd())");
    rq.cwd = "/workspace/sub";
    box_exec(b, &rq);
    assert_out(b, "/workspace/sub\n");
    box_free(b);
}

static void files_are_there_before_the_code(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_FILES);
    struct box *b = box_open_default();
    char one[] = "a.txt", two[] = "deep/er/run.sh", body[] = "hello",
         script[] = "#!/bin/sh\necho ran\n";
    const struct sandbox_file files[] = {
        { .name = one, .mode = 0644, .ptr = body, .len = 5 },
        { .name = two, .mode = 0755, .ptr = script, .len = sizeof script - 1 },
    };
    (void)state;
    struct sandbox_run rq = box_request(b, "bash", "cat a.txt; echo; ./deep/er/run.sh");
    rq.files = files;
    rq.file_count = 2;
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_out(b, "hello\nran\n");
    box_free(b);
}

static void existence_is_asked_after_the_run(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    static const char *const paths[] = { "made.txt", "absent.txt", "/workspace/made.txt",
                                         "dangling" };
    (void)state;
    struct sandbox_run rq =
        box_request(b, "python",
                    "import os\nopen('made.txt', 'w').close()\nos.symlink('/nowhere', 'dangling')");
    rq.exists = paths;
    rq.exists_count = 4;
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_int_equal(b->f.exists_count, 4);
    assert_true(b->exists[0]);
    assert_false(b->exists[1]);
    assert_true(b->exists[2]);
    box_free(b);
}

static void check_code_judges(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "total = 41 + 1");
    rq.check_code = "assert total == 42";
    rq.check_code_len = strlen(rq.check_code);
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_true(b->f.check_ran);
    assert_true(b->f.check_ok);
    rq = box_request(b, "python", "total = 41");
    rq.check_code = "assert total == 42, f'total is {total}'";
    rq.check_code_len = strlen(rq.check_code);
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_true(b->f.check_ran);
    assert_false(b->f.check_ok);
    assert_non_null(strstr(b->check_text, "total is 41"));
    rq = box_request(b, "python", "total = 42");
    box_exec(b, &rq);
    assert_false(b->f.check_ran);
    box_free(b);
}

static void only_contract_names_are_in_the_environment(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    char empty[] = "AIRLOCK_T_EMPTY", name[] = "AIRLOCK_T_NAME", unset[] = "AIRLOCK_T_UNSET";
    const char *const values[] = { "", "two words \xc3\xa9", NULL };
    struct box *b = box_new();
    struct err e = ERR_INIT;
    (void)state;
    c.env[0] = empty;
    c.env[1] = name;
    c.env[2] = unset;
    c.env_count = 3;
    BOX_NEEDS_KEPT_OF(&c, FIELD_ENV);
    setenv("AIRLOCK_T_SECRET", "sesame", 1);
    assert_int_equal(box_open_with(b, &c, values, true, &e), 0);
    box_wait(b, ready, 1);
    assert_false(b->warm); /* a warm one was made without them */
    box_run(b, "import os\n"
               "for n in 'EMPTY', 'NAME', 'UNSET', 'SECRET': "
               "print(n, ascii(os.environ.get('AIRLOCK_T_' + n)))\n"
               "print(sorted(n for n in os.environ if 'TOKEN' in n or 'KEY' in n))");
    assert_out(b, "EMPTY ''\nNAME 'two words \\xe9'\nUNSET None\nSECRET None\n[]\n");
    unsetenv("AIRLOCK_T_SECRET");
    box_free(b);
}

static void odd_code_is_a_result(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_IS_TEXT_ONLY);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, ""); /* empty */
    assert_exit(b, 0);
    struct sandbox_run rq = box_request(b, "python", "");
    rq.code = "x = 1\0\n";
    rq.code_len = 7;
    box_exec(b, &rq);
    assert_exit(b, 1);
    rq = box_request(b, "python", "");
    rq.code = "s = '\xff\xfe'";
    rq.code_len = 8;
    box_exec(b, &rq);
    assert_exit(b, 1);
    box_run(b, "print('ok')");
    assert_out(b, "ok\n");
    box_free(b);
}

static void odd_code_is_refused(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_IS_TEXT_ONLY);
    struct box *b = box_open_default();
    static const char *const codes[] = { "x = 1\0\n", "s = '\xff\xfe'" };
    (void)state;
    box_run(b, ""); /* empty is fine */
    assert_exit(b, 0);
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct err e = ERR_INIT;
        struct sandbox_run rq = box_request(b, "python", "");
        rq.code = codes[i];
        rq.code_len = 7;
        assert_int_equal(box_try_exec(b, &rq, &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
    }
    box_run(b, "print('ok')");
    assert_out(b, "ok\n");
    box_free(b);
}

static void code_size_is_limited(void **state)
{
    BOX_NEEDS_NOT(SANDBOX_TAKES_LITTLE);
    struct box *b = box_open_default();
    size_t len = (1u << 20) + 1;
    char *code = xmalloc(len);
    struct err e = ERR_INIT;
    (void)state;
    memset(code, '#', len);
    struct sandbox_run rq = box_request(b, "python", "");
    rq.code = code;
    rq.code_len = len;
    assert_int_equal(box_try_exec(b, &rq, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq.code_len = len - 1; /* a whole MiB is fine */
    box_exec(b, &rq);
    assert_exit(b, 0);
    free(code);
    box_free(b);
}

/* ---- languages ---- */

static void bash_runs(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    static const char *const argv[] = { "script", "a b" };
    (void)state;
    struct sandbox_run rq = box_request(b, "bash", "x=5; echo \"$0 $1 $#\"; (exit 3)");
    rq.argv = argv;
    rq.argv_count = 2;
    box_exec(b, &rq);
    assert_exit(b, 3);
    assert_out(b, "script a b 1\n");
    box_run_in(b, "bash", "echo $x");
    assert_exit(b, 0);
    bool forgets = (box_world.ops->caps & SANDBOX_SHELL_FORGETS) != 0;
    assert_out(b, forgets ? "\n" : "5\n"); /* state */
    box_free(b);
}

static void javascript_runs(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    if (box_world.ops->interpreter(&c, "javascript") == NULL) {
        fprintf(stderr, "SKIP: no node here\n");
        skip();
    }
    struct box *b = box_open(&c);
    (void)state;
    box_run_in(b, "javascript", "let x = 20; console.log('hi'); console.error('bad'); x + 1");
    assert_exit(b, 0);
    assert_out(b, "hi\n");
    assert_string_equal(buf_str(&b->err), "bad\n");
    box_run_in(b, "javascript", "console.log(x + 22)");
    assert_out(b, "42\n");
    box_run_in(b, "javascript", "throw new Error('no')");
    assert_exit(b, 1);
    assert_string_equal(b->error_value, "no");
    box_free(b);
}

static void languages_share_the_workspace(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run_in(b, "bash", "echo from bash > note");
    box_run(b, "print(open('note').read(), end='')");
    assert_out(b, "from bash\n");
    box_free(b);
}

static void unknown_language_is_refused(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    (void)state;
    assert_null(box_world.ops->interpreter(&c, "cobol"));
    assert_non_null(box_world.ops->interpreter(&c, "python"));
    assert_non_null(box_world.ops->interpreter(&c, "bash"));
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(prints),
    BOX_TEST(ready_comes_once_with_an_id),
    BOX_TEST(last_expression_is_the_result),
    BOX_TEST(rich_results_are_bytes),
    BOX_TEST(streams_stay_apart),
    BOX_TEST(output_is_bytes),
    BOX_TEST(output_without_newline_is_kept),
    BOX_TEST(one_long_line),
    BOX_TEST(output_of_subprocesses_is_caught),
    BOX_TEST(flood_is_counted_and_cut),
    BOX_TEST(paused_output_waits),
    BOX_TEST(background_output_belongs_to_no_run),
    BOX_TEST(arguments_reach_python),
    BOX_TEST(input_reaches_the_code),
    BOX_TEST(big_input_arrives_whole),
    BOX_TEST(directory_is_the_one_asked_for),
    BOX_TEST(files_are_there_before_the_code),
    BOX_TEST(existence_is_asked_after_the_run),
    BOX_TEST(check_code_judges),
    BOX_TEST(only_contract_names_are_in_the_environment),
    BOX_TEST(odd_code_is_a_result),
    BOX_TEST(odd_code_is_refused),
    BOX_TEST(code_size_is_limited),
    BOX_TEST(bash_runs),
    BOX_TEST(javascript_runs),
    BOX_TEST(languages_share_the_workspace),
    BOX_TEST(unknown_language_is_refused),
};

BOX_GROUP(tests)
