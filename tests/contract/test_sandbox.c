/* test_sandbox.c - what every sandbox must do with code: run it, keep its state, and end it, each
 * end under its own name. Written against sandbox.h; the rest is in test_sandbox_*.c. */
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
    BOX_NEEDS();
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
    BOX_NEEDS();
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
    BOX_NEEDS();
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
    BOX_NEEDS();
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
    BOX_NEEDS();
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
    struct sandbox_run rq = box_request(b, "python", "print(os.getcwd())");
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
    BOX_NEEDS();
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

static void code_size_is_limited(void **state)
{
    BOX_NEEDS();
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
    assert_out(b, "5\n"); /* state */
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

/* ---- ends ---- */

static void exit_codes(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    static const struct {
        const char *code;
        int wanted;
    } cases[] = { { "import sys; sys.exit(3)", 3 },
                  { "import sys; sys.exit()", 0 },
                  { "raise SystemExit(200)", 200 },
                  { "1/0", 1 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        box_run(b, cases[i].code);
        assert_exit(b, cases[i].wanted);
    }
    box_free(b);
}

static void exceptions_are_told(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "def f():\n    raise KeyError('lost key')\nf()");
    assert_exit(b, 1);
    assert_string_equal(b->error_name, "KeyError");
    assert_non_null(strstr(b->error_value, "lost key"));
    assert_non_null(strstr(b->error_traceback, "line 2"));
    box_run(b, "x = = 1");
    assert_exit(b, 1);
    assert_string_equal(b->error_name, "SyntaxError");
    box_run(b, "print('fine')");
    assert_exit(b, 0);
    assert_string_equal(b->error_name, "");
    box_free(b);
}

static void timeout_ends_a_loop(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    c.timeout_s = 1;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "kept = 'yes'");
    box_run(b, "print('before', flush=True)\nwhile True: pass");
    assert_end(b, END_TIMEOUT);
    assert_out(b, "before\n");
    box_run(b, "print(kept)");
    assert_exit(b, 0);
    assert_out(b, "yes\n"); /* the state of before, by checkpoint or because it obeyed */
    box_free(b);
}

static void timeout_ends_the_stubborn(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    c.timeout_s = 1;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "kept = 1");
    box_run(b,
            "import signal, subprocess\n"
            "for s in range(1, 32):\n"
            "    try: signal.signal(s, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\n"
            "subprocess.Popen(['setsid', 'sh', '-c', 'trap \"\" INT TERM; while :; do :; done'])\n"
            "while True:\n"
            "    try:\n"
            "        while True: pass\n"
            "    except BaseException: pass");
    assert_end(b, END_TIMEOUT);
    box_run(b, "print('alive')");
    assert_exit(b, 0);
    assert_out(b, "alive\n");
    box_free(b);
}

static void interrupt_ends_a_run(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "x = 'kept'");
    struct sandbox_run rq = box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
    int before = b->finished;
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    box_interrupt(b);
    box_wait(b, finished, before + 1);
    assert_end(b, END_INTERRUPTED);
    assert_false(b->f.state_lost);
    box_run(b, "print(x)");
    assert_out(b, "kept\n");
    box_free(b);
}

static void interrupt_without_a_run_is_nothing(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_interrupt(b);
    box_interrupt(b);
    box_run(b, "print('unharmed')");
    assert_exit(b, 0);
    box_interrupt(b);
    box_run(b, "print('again')");
    assert_exit(b, 0);
    box_free(b);
}

static void interrupt_ends_bash_children(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    struct sandbox_run rq = box_request(b, "bash", "echo on; sleep 1000; echo off");
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    box_interrupt(b);
    box_wait(b, finished, 1);
    assert_end(b, END_INTERRUPTED);
    box_run_in(b, "bash", "echo next");
    assert_out(b, "next\n");
    box_free(b);
}

static void kill_ends_run_and_sandbox(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    box_kill(b, END_KILLED);
    box_kill(b, END_TIMEOUT); /* the first word counts */
    box_wait(b, closed, 1);
    assert_int_equal(b->finished, 1);
    assert_end(b, END_KILLED);
    assert_true(b->confirmed);
    assert_int_equal(b->failed, 0);
    struct err e = ERR_INIT;
    rq = box_request(b, "python", "1");
    assert_int_equal(box_try_exec(b, &rq, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    box_interrupt(b);
    box_kill(b, END_KILLED); /* all harmless now */
    box_turns(2);
    box_free(b);
}

static void kill_takes_the_end_it_is_given(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    box_kill(b, END_INTERRUPTED);
    box_wait(b, closed, 1);
    assert_end(b, END_INTERRUPTED);
    box_free(b);
}

static void kill_of_an_idle_sandbox_only_closes(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "pass");
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_int_equal(b->finished, 1);
    assert_int_equal(b->failed, 0);
    assert_true(b->confirmed);
    box_free(b);
}

static void kill_while_starting(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct box *b = box_new();
        struct contract c = box_contract();
        struct err e = ERR_INIT;
        assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
        for (int turn = 0; turn < i % 8; turn++)
            assert_int_equal(loop_turn(box_world.loop, 2, &e), 0);
        box_kill(b, END_KILLED);
        box_wait(b, closed, 1);
        assert_true(b->confirmed);
        assert_int_equal(b->failed, 0);
        box_free(b);
    }
}

static void run_queued_before_ready_and_killed(void **state)
{
    BOX_NEEDS();
    struct box *b = box_new();
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
    struct sandbox_run rq = box_request(b, "python", "print(1)");
    box_start(b, &rq);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_int_equal(b->finished, 1);
    assert_end(b, END_KILLED);
    assert_out(b, "");
    box_free(b);
}

static void run_queued_before_ready_runs(void **state)
{
    BOX_NEEDS();
    struct box *b = box_new();
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
    box_run(b, "print('early')");
    assert_exit(b, 0);
    assert_out(b, "early\n");
    assert_int_equal(b->ready, 1);
    box_free(b);
}

static void signals_are_told(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "x = 1");
    box_run(b, "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)");
    assert_end(b, END_SIGNAL);
    assert_int_equal(b->f.code, 11);
    assert_true(b->f.state_lost || b->f.resumed_from == 1); /* said either way */
    box_run(b, "print('next')");
    assert_exit(b, 0);
    assert_out(b, "next\n");
    box_free(b);
}

static void lost_interpreter_comes_back_from_its_checkpoint(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_CHECKPOINT);
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "x = 'from run 1'");
    box_wait(b, checkpoints, 1);
    box_run(b, "x = 'from run 2'\nimport os\nos._exit(9)");
    assert_end(b, END_EXIT);
    assert_int_equal(b->f.code, 9);
    assert_int_equal(b->f.resumed_from, 1);
    assert_true(b->message[0] != '\0');
    box_run(b, "print(x)");
    assert_out(b, "from run 1\n");
    box_free(b);
}

static void one_run_at_a_time(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    struct sandbox_run second = box_request(b, "python", "print('second')");
    b->in_call = true;
    assert_int_equal(box_world.ops->exec(b->s, &second, &e), -1);
    b->in_call = false;
    assert_int_equal(e.code, ERR_BUSY);
    box_interrupt(b);
    box_wait(b, finished, 1);
    assert_end(b, END_INTERRUPTED);
    box_free(b);
}

/* ---- the approval of bytes ---- */

static void body_is_checked_before_it_leaves(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "print('checked')");
    assert_int_equal(b->checked, 1);
    assert_string_equal(b->checked_code, "print('checked')");
    b->refuse = true;
    box_run(b, "open('/workspace/ran', 'w')");
    assert_end(b, END_INTEGRITY);
    assert_int_equal(b->checked, 2);
    b->refuse = false;
    box_run(b, "import os\nprint(os.path.exists('/workspace/ran'))");
    assert_exit(b, 0);
    assert_out(b, "False\n");
    box_free(b);
}

/* ---- lives ---- */

static void close_in_the_middle_leaves_nothing(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct box *b = box_open_default();
        struct sandbox_run rq =
            box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
        box_start(b, &rq);
        if (i > 0)
            box_wait(b, out.len, 3);
        box_free(b); /* no event may come from inside: in_call is set there */
    }
    box_turns(2);
}

static void closing_inside_the_sink(void *arg, struct sandbox *s, const struct sandbox_event *ev)
{
    int *closed = arg;
    if (ev->kind != SANDBOX_OUTPUT && ev->kind != SANDBOX_CLOSED)
        return;
    assert_int_equal(*closed, 0); /* no further events */
    ++*closed;
    box_world.ops->close(s);
}

static void close_from_inside_an_event(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int i = 0; i < 2; i++) { /* at its first output; at CLOSED */
        struct contract c = box_contract();
        struct sandbox *s;
        struct err e = ERR_INIT;
        int closed = 0;
        struct sandbox_config cfg = { .loop = box_world.loop,
                                      .launcher = box_world.launcher,
                                      .contract = &c,
                                      .sink = closing_inside_the_sink,
                                      .arg = &closed };
        assert_int_equal(box_world.ops->open(&s, &cfg, &e), 0);
        struct sandbox_run rq = { .run = 1,
                                  .language = "python",
                                  .interpreter = box_world.ops->interpreter(&c, "python"),
                                  .code = "print(1)",
                                  .code_len = 8,
                                  .cwd = "/workspace",
                                  .input = "",
                                  .check_code = "" };
        if (i == 0)
            assert_int_equal(box_world.ops->exec(s, &rq, &e), 0);
        else
            box_world.ops->kill(s, END_KILLED);
        for (int turn = 0; closed == 0 && turn < 1000; turn++)
            assert_int_equal(loop_turn(box_world.loop, 100, &e), 0);
        assert_int_equal(closed, 1);
        box_turns(3);
    }
}

static void two_sandboxes_are_two(void **state)
{
    BOX_NEEDS();
    struct box *a = box_open_default(), *b = box_open_default();
    (void)state;
    box_run(a, "mine = 'a'\nopen('/workspace/f', 'w').write('a')");
    box_run(b, "print('mine' in globals(), __import__('os').path.exists('/workspace/f'))");
    assert_out(b, "False False\n");
    struct sandbox_run ra = box_request(a, "python", "print('on', flush=True)\nwhile True: pass");
    box_start(a, &ra);
    box_wait(a, out.len, 3);
    box_run(b, "print('b runs meanwhile')");
    assert_exit(b, 0);
    box_kill(a, END_KILLED);
    box_wait(a, closed, 1);
    assert_true(a->confirmed); /* b's processes are not counted as a's survivors */
    box_run(b, "print('b still')");
    assert_out(b, "b still\n");
    box_free(a);
    box_free(b);
}

static void run_lifecycle_is_one_run(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    c.lifecycle = LIFECYCLE_RUN;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "print('once')");
    assert_exit(b, 0);
    assert_out(b, "once\n");
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    assert_int_equal(b->failed, 0);
    box_free(b);
}

static void ttl_ends_an_idle_sandbox(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    c.ttl_s = 1;
    struct box *b = box_open(&c);
    (void)state;
    box_wait(b, closed, 1);
    assert_int_equal(b->failed, 1);
    assert_int_equal(b->failure.code, ERR_LIMIT);
    assert_non_null(strstr(b->failure.msg, "ttl"));
    assert_true(b->confirmed);
    box_free(b);
}

static void ttl_ends_a_run(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    c.ttl_s = 1;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "while True: pass");
    assert_end(b, END_LIMIT);
    assert_string_equal(b->what, "ttl");
    box_wait(b, closed, 1);
    assert_int_equal(b->failed, 0);
    box_free(b);
}

static void warm_one_is_adopted(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_WARM);
    struct box *b = box_new();
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    (void)state;
    box_world.ops->prewarm(box_world.loop, box_world.launcher);
    box_turns(3);
    assert_int_equal(box_open_with(b, &c, NULL, true, &e), 0);
    box_wait(b, ready, 1);
    assert_true(b->warm);
    box_run(b, "print(sorted(n for n in globals() if not n.startswith('_')))");
    assert_out(b, "[]\n"); /* it holds nothing */
    box_wait(b, checkpoints, 1);
    box_free(b);

    b = box_new(); /* another contract gets one of its own */
    c.memory_mib = 512;
    box_world.ops->prewarm(box_world.loop, box_world.launcher);
    assert_int_equal(box_open_with(b, &c, NULL, true, &e), 0);
    box_wait(b, ready, 1);
    assert_false(b->warm);
    box_free(b);
    box_world.ops->prewarm_drop();
    box_world.ops->prewarm_drop();
}

static void warm_ones_end_as_they_should(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_WARM);
    struct contract c = box_contract();
    struct box *b = box_new();
    struct err e = ERR_INIT;
    (void)state;
    c.ttl_s = 1; /* counts from adoption */
    box_world.ops->prewarm(box_world.loop, box_world.launcher);
    box_turns(3);
    assert_int_equal(box_open_with(b, &c, NULL, true, &e), 0);
    box_wait(b, closed, 1);
    assert_true(b->warm);
    assert_int_equal(b->failure.code, ERR_LIMIT);
    box_free(b);
    box_world.ops->prewarm_drop();
}

static void missing_interpreter_is_told(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    char python[] = "/opt/nowhere/bin/python";
    c.python = python;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "print(1)");
    assert_end(b, END_SANDBOX);
    assert_true(b->message[0] != '\0');
    box_run_in(b, "bash", "echo others work");
    assert_exit(b, 0);
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(prints),
    cmocka_unit_test(ready_comes_once_with_an_id),
    cmocka_unit_test(last_expression_is_the_result),
    cmocka_unit_test(rich_results_are_bytes),
    cmocka_unit_test(streams_stay_apart),
    cmocka_unit_test(output_is_bytes),
    cmocka_unit_test(output_without_newline_is_kept),
    cmocka_unit_test(one_long_line),
    cmocka_unit_test(output_of_subprocesses_is_caught),
    cmocka_unit_test(flood_is_counted_and_cut),
    cmocka_unit_test(paused_output_waits),
    cmocka_unit_test(background_output_belongs_to_no_run),
    cmocka_unit_test(arguments_reach_python),
    cmocka_unit_test(input_reaches_the_code),
    cmocka_unit_test(big_input_arrives_whole),
    cmocka_unit_test(directory_is_the_one_asked_for),
    cmocka_unit_test(files_are_there_before_the_code),
    cmocka_unit_test(existence_is_asked_after_the_run),
    cmocka_unit_test(check_code_judges),
    cmocka_unit_test(only_contract_names_are_in_the_environment),
    cmocka_unit_test(odd_code_is_a_result),
    cmocka_unit_test(code_size_is_limited),
    cmocka_unit_test(bash_runs),
    cmocka_unit_test(javascript_runs),
    cmocka_unit_test(languages_share_the_workspace),
    cmocka_unit_test(unknown_language_is_refused),
    cmocka_unit_test(exit_codes),
    cmocka_unit_test(exceptions_are_told),
    cmocka_unit_test(timeout_ends_a_loop),
    cmocka_unit_test(timeout_ends_the_stubborn),
    cmocka_unit_test(interrupt_ends_a_run),
    cmocka_unit_test(interrupt_without_a_run_is_nothing),
    cmocka_unit_test(interrupt_ends_bash_children),
    cmocka_unit_test(kill_ends_run_and_sandbox),
    cmocka_unit_test(kill_takes_the_end_it_is_given),
    cmocka_unit_test(kill_of_an_idle_sandbox_only_closes),
    cmocka_unit_test(kill_while_starting),
    cmocka_unit_test(run_queued_before_ready_and_killed),
    cmocka_unit_test(run_queued_before_ready_runs),
    cmocka_unit_test(signals_are_told),
    cmocka_unit_test(lost_interpreter_comes_back_from_its_checkpoint),
    cmocka_unit_test(one_run_at_a_time),
    cmocka_unit_test(body_is_checked_before_it_leaves),
    cmocka_unit_test(close_in_the_middle_leaves_nothing),
    cmocka_unit_test(close_from_inside_an_event),
    cmocka_unit_test(two_sandboxes_are_two),
    cmocka_unit_test(run_lifecycle_is_one_run),
    cmocka_unit_test(ttl_ends_an_idle_sandbox),
    cmocka_unit_test(ttl_ends_a_run),
    cmocka_unit_test(warm_one_is_adopted),
    cmocka_unit_test(warm_ones_end_as_they_should),
    cmocka_unit_test(missing_interpreter_is_told),
};

BOX_GROUP(tests)
