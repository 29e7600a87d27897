/* test_sandbox_ends.c - how a run and a sandbox end: each end under its own name, exactly one for
 * each run, CLOSED last, and nothing left. Written against sandbox.h. */
#include "contract/box.h"

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
    if (box_world.ops->caps & SANDBOX_IS_STATEFUL) {
        box_run(b, "print(kept)");
        assert_exit(b, 0);
        assert_out(b, "yes\n"); /* the state of before, by checkpoint or because it obeyed */
    }
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
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
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
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
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
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
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
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
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
    BOX_NEEDS_NOT(SANDBOX_IS_TEXT_ONLY); /* all that comes is that the interpreter died */
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "x = 1");
    box_run(b, "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)");
    assert_end(b, END_SIGNAL);
    assert_int_equal(b->f.code, 11);
    bool stateful = (box_world.ops->caps & SANDBOX_IS_STATEFUL) != 0;
    assert_true(!stateful || b->f.state_lost || b->f.resumed_from == 1); /* said either way */
    box_run(b, "print('next')");
    assert_exit(b, 0);
    assert_out(b, "next\n");
    box_free(b);
}

static void dead_interpreter_is_told(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "x = 1\nopen('kept', 'w').close()");
    box_run(b, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)");
    assert_true(b->f.end != END_EXIT && b->f.end != END_UNKNOWN);
    bool stateful = (box_world.ops->caps & SANDBOX_IS_STATEFUL) != 0;
    assert_true(!stateful || b->f.state_lost || b->f.resumed_from == 1); /* said either way */
    bool lost = b->f.state_lost || !stateful;
    box_run_state(b, "import os\nprint('x' in globals(), os.path.exists('kept'), os.getcwd())");
    assert_exit(b, 0);
    assert_out(b, lost ? "False True /workspace\n" : "True True /workspace\n");
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
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
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
        if (box_world.ops->caps & SANDBOX_TELLS_AT_END)
            box_turns(i * 8);
        else if (i > 0)
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
                                      .net = box_world.net,
                                      .setting = box_setting,
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
    BOX_NEEDS_NOT(SANDBOX_TELLS_AT_END);
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
    BOX_NEEDS_LOCAL(); /* elsewhere the interpreter is the provider's */
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
    BOX_TEST(exit_codes),
    BOX_TEST(exceptions_are_told),
    BOX_TEST(timeout_ends_a_loop),
    BOX_TEST(timeout_ends_the_stubborn),
    BOX_TEST(interrupt_ends_a_run),
    BOX_TEST(interrupt_without_a_run_is_nothing),
    BOX_TEST(interrupt_ends_bash_children),
    BOX_TEST(kill_ends_run_and_sandbox),
    BOX_TEST(kill_takes_the_end_it_is_given),
    BOX_TEST(kill_of_an_idle_sandbox_only_closes),
    BOX_TEST(kill_while_starting),
    BOX_TEST(run_queued_before_ready_and_killed),
    BOX_TEST(run_queued_before_ready_runs),
    BOX_TEST(signals_are_told),
    BOX_TEST(dead_interpreter_is_told),
    BOX_TEST(lost_interpreter_comes_back_from_its_checkpoint),
    BOX_TEST(one_run_at_a_time),
    BOX_TEST(body_is_checked_before_it_leaves),
    BOX_TEST(close_in_the_middle_leaves_nothing),
    BOX_TEST(close_from_inside_an_event),
    BOX_TEST(two_sandboxes_are_two),
    BOX_TEST(run_lifecycle_is_one_run),
    BOX_TEST(ttl_ends_an_idle_sandbox),
    BOX_TEST(ttl_ends_a_run),
    BOX_TEST(warm_one_is_adopted),
    BOX_TEST(warm_ones_end_as_they_should),
    BOX_TEST(missing_interpreter_is_told),
};

BOX_GROUP(tests)
