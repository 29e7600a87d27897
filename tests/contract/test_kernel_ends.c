/* test_kernel_ends.c - runs that do not end by themselves, interpreters that are lost, limits that
 * are met. */
#include "kernel_box.h"

/* ---- interrupts and time */

static void test_interrupt(void **state)
{
    (void)state;
    struct box *b = shared;
    py(b, "import time; before_int = 1");
    static const char *const loops[] = {
        "print('on', flush=True)\nwhile True: pass", "print('on', flush=True)\ntime.sleep(100)",
        "print('on', flush=True)\nimport subprocess; subprocess.run(['sleep', '100'])",
        "print('on', flush=True)\nwhile True: sum(range(10**5))"
    };
    for (size_t i = 0; i < ARRAY_LEN(loops); i++) {
        box_send(b, request(next_run++, "python", loops[i]));
        BOX_UNTIL(b, b->seen.out.len > 0);
        kernel_interrupt(b->k);
        kernel_interrupt(b->k);
        BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
        assert_int_equal(b->seen.end.end, END_INTERRUPTED);
        assert_false(b->seen.end.state_lost);
        assert_string_equal(b->seen.error_name, "KeyboardInterrupt");
    }
    assert_string_equal(py(b, "before_int")->result[0].text, "1");
    kernel_interrupt(b->k); /* nothing runs: nothing happens */
    assert_string_equal(py(b, "before_int")->result[0].text, "1");
}

/* What an interrupted run had started is killed, and does not stay as zombies that count as
 * processes. */
static void test_interrupt_buries_children(void **state)
{
    (void)state;
    struct box *b = shared;
    box_send(b, request(next_run++, "python",
                        "import subprocess, time\n"
                        "many = [subprocess.Popen(['sleep', '100']) for _ in range(20)]\n"
                        "print('on', flush=True)\ntime.sleep(100)"));
    BOX_UNTIL(b, b->seen.out.len > 0);
    kernel_interrupt(b->k);
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(b->seen.end.end, END_INTERRUPTED);
    assert_false(b->seen.end.state_lost);
    struct seen *s = py(
        b, "import os\ndef is_zombie(p):\n"
           "    try: state, parent = open('/proc/%s/stat' % p).read().rsplit(') ')[1].split()[:2]\n"
           "    except OSError: return False\n"
           "    return state == 'Z' and int(parent) == os.getpid()\n"
           "[p for p in os.listdir('/proc') if p.isdigit() and is_zombie(p)]");
    assert_string_equal(s->result[0].text, "[]");
    assert_string_equal(py(b, "many[0].wait()")->error_name, "");
}

/* Python takes a signal that comes just before it goes to sleep for one to be seen after. */
static void test_interrupt_asleep(void **state)
{
    (void)state;
    struct box *b = shared;
    for (int i = 0; i < 60; i++) {
        box_send(b, request(next_run++, "python",
                            "import time; print('on', flush=True); time.sleep(100)"));
        BOX_UNTIL(b, b->seen.out.len > 0);
        kernel_interrupt(b->k);
        BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
        assert_int_equal(b->seen.end.end, END_INTERRUPTED);
    }
}

static void test_interrupt_twice(void **state)
{
    (void)state;
    struct box *b = shared;
    uint32_t kept = py_kept(b, "stubborn = 'before'");
    box_send(b, request(next_run++, "python",
                        "import time\nstubborn = 'after'\nwhile True:\n"
                        "    try:\n        print('on')\n        while True: time.sleep(0.01)\n"
                        "    except KeyboardInterrupt: print('no')"));
    BOX_UNTIL(b, b->seen.out.len > 0);
    kernel_interrupt(b->k);
    BOX_UNTIL(b, has(&b->seen.out, "no\n"));
    while (b->seen.finished == 0) { /* one that insists */
        usleep(100000);
        kernel_interrupt(b->k);
        box_turn(b);
    }
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(b->seen.end.end, END_INTERRUPTED);
    assert_int_equal(b->seen.end.resumed_from, kept);
    assert_non_null(strstr(b->seen.message, "the variables are those after run"));
    assert_string_equal(py(b, "stubborn")->result[0].text, "'before'");
}

static void test_interrupt_others(void **state)
{
    (void)state;
    struct box *b = shared;
    static const char *const loops[][2] = {
        { "bash", "kept=1; echo on; while :; do :; done" },
        { "bash", "echo on; sleep 100" },
        { "javascript", "var kept = 1; console.log('on'); while (true) {}" },
        { "javascript", "console.log('on'); await new Promise(() => {})" }
    };
    for (size_t i = 0; i < ARRAY_LEN(loops); i++) {
        if (i >= 2 && !HAVE_NODE)
            break;
        if (i == 0)
            box_run(b, "bash", "trap - INT"); /* an earlier case left its own */
        box_send(b, request(next_run++, loops[i][0], loops[i][1]));
        BOX_UNTIL(b, b->seen.out.len > 0);
        kernel_interrupt(b->k);
        BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
        assert_int_equal(b->seen.end.end, END_INTERRUPTED);
        assert_false(b->seen.end.state_lost);
    }
    assert_string_equal(buf_str(&box_run(b, "bash", "echo $kept")->out), "1\n");
    if (HAVE_NODE)
        assert_string_equal(box_run(b, "javascript", "kept")->result[0].text, "1");
}

static struct box *quick_box(int64_t nproc)
{
    struct box *b = box_new();
    b->nproc = nproc;
    b->timeout_s = 1;
    box_open(b);
    BOX_UNTIL(b, b->ready);
    return b;
}

static void test_timeout(void **state)
{
    (void)state;
    struct box *b = quick_box(0);
    py(b, "t = 1");
    struct seen *s = py(b, "t = 2\nwhile True: pass"); /* obeys: its state is kept */
    assert_int_equal(s->end.end, END_TIMEOUT);
    assert_false(s->end.state_lost);
    assert_int_equal(s->end.resumed_from, 0);
    assert_string_equal(py(b, "t")->result[0].text, "2");
    uint32_t kept = py_kept(b, "t = 3");
    int64_t from = clock_boot_us();
    s = py(b, "import signal, subprocess\nt = 4\nsignal.signal(2, signal.SIG_IGN); "
              "signal.signal(15, signal.SIG_IGN)\n"
              "subprocess.Popen(['sh', '-c', 'trap \"\" 2 15; (setsid sh -c \"sleep 77 & sleep "
              "78\" &); sleep 79'])\n"
              "while True: pass");
    assert_int_equal(s->end.end, END_TIMEOUT);
    assert_int_equal(s->end.resumed_from, kept);
    assert_true(clock_boot_us() - from < 30000000);
    s = py(b, "import subprocess\nprint(t, subprocess.run('cat /proc/[0-9]*/cmdline | tr \"\\\\0\" "
              "\" \"', shell=True, "
              "capture_output=True, text=True).stdout.count('sleep 7'))");
    assert_string_equal(buf_str(&s->out), "3 0\n"); /* nothing of it is left */
    box_close(b);
}

static void test_timeout_of_others(void **state)
{
    (void)state;
    struct box *b = quick_box(0);
    struct seen *s = box_run(b, "bash", "trap '' INT; while :; do :; done");
    assert_int_equal(s->end.end, END_TIMEOUT);
    assert_true(s->end.state_lost);
    s = box_run(b, "bash", "echo alive");
    assert_string_equal(buf_str(&s->out), "alive\n");
    s = box_run(b, "bash", "kept=1; sleep 50");
    assert_int_equal(s->end.end, END_TIMEOUT);
    assert_false(s->end.state_lost);
    if (HAVE_NODE) {
        s = box_run(b, "javascript", "await 1; while (true) {}"); /* past the watchdog */
        assert_int_equal(s->end.end, END_TIMEOUT);
        s = box_run(b, "javascript", "1");
        assert_string_equal(s->result[0].text, "1");
    }
    struct sandbox_run rq = request(next_run++, "python", "1");
    rq.check_code = "while True: pass";
    rq.check_code_len = strlen(rq.check_code);
    s = box_run_request(b, rq);
    assert_int_equal(s->end.end, END_TIMEOUT);
    box_close(b);
}

static void test_fork_storm(void **state)
{
    (void)state;
    struct box *b = quick_box(100);
    py(b, "calm = 1");
    struct seen *s =
        py(b, "import os\nwhile True:\n    try: os.fork()\n    except BaseException: pass");
    assert_int_equal(s->end.end, END_TIMEOUT);
    s = py(b, "calm, len([p for p in __import__('os').listdir('/proc') if p.isdigit()]) < 8");
    assert_string_equal(s->result[0].text, "(1, True)");
    box_close(b);
}

/* ---- losing the interpreter */

static void test_lost_interpreter(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        enum run_end end;
        int code_;
    } ways[] = { { "import os; os._exit(3)", END_EXIT, 3 },
                 { "import os; os.kill(os.getpid(), 9)", END_SIGNAL, 9 },
                 { "import ctypes; ctypes.string_at(0)", END_SIGNAL, 11 },
                 { "import os; os.abort()", END_SIGNAL, 6 },
                 { "import os; os.execv('/usr/bin/true', ['true'])", END_EXIT, 0 },
                 { "import os; os.closerange(3, 256)", END_EXIT, 70 } };
    struct box *b = shared;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        uint32_t kept = py_kept(b, "x = 'kept'; y = [1, 2]");
        struct seen *s = py(b, ways[i].code);
        assert_int_equal(s->end.end, ways[i].end);
        assert_int_equal(s->end.code, ways[i].code_);
        assert_int_equal(s->end.resumed_from, kept);
        assert_false(s->end.state_lost);
        assert_int_equal(var(s, "x")->change, CHANGE_SAME);
        assert_string_equal(py(b, "x, y")->result[0].text, "('kept', [1, 2])");
    }
}

static void test_lost_without_checkpoint(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->no_checkpoints = true;
    box_open(b);
    py(b, "x = 1");
    assert_int_equal(b->checkpoints, 0);
    struct seen *s = py(b, "import os; os._exit(0)");
    assert_true(s->end.state_lost);
    assert_int_equal(s->end.resumed_from, 0);
    assert_non_null(strstr(s->message, "its variables with it"));
    assert_int_equal(var(s, "x")->change, CHANGE_GONE);
    s = py(b, "x");
    assert_string_equal(s->error_name, "NameError");
    box_close(b);
}

static void test_kill_everything(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    py_kept(b, "x = 1");
    /* The guest is pid 1 and stays; the copies go. */
    struct seen *s = py(b, "import os; os.kill(-1, 9); os.kill(os.getpid(), 9)");
    assert_true(s->end.state_lost);
    BOX_UNTIL(b, b->lost_checkpoints == 1);
    s = py(b, "2");
    assert_string_equal(s->result[0].text, "2");
    box_close(b);
}

static void test_lost_between_runs(void **state)
{
    (void)state;
    struct box *b = shared;
    uint32_t kept = py_kept(b, "x = 5");
    int before = b->restored;
    box_send(b, request(next_run++, "python",
                        "import threading, os, time\nx = 6\nthreading.Thread(target=lambda: "
                        "(time.sleep(0.2), os._exit(4)))"
                        ".start()"));
    BOX_UNTIL(b, b->restored > before);
    assert_true(b->restored_run >= kept);
    assert_true(has(&b->lost, "thread") || b->restored_run == kept);
    box_run(b, "bash", "(sleep 0.2; kill -9 $$) & bvar=1");
    BOX_UNTIL(b, b->restored > before + 1);
    assert_true(has(&b->lost, "bvar\n"));
}

static void test_oom_and_limits(void **state)
{
    (void)state;
    struct box *b = shared;
    b->oom = b->pids = 0;
    py_kept(b, "x = 1");
    box_send(b, request(next_run++, "python", "import os; os.kill(os.getpid(), 9)"));
    b->oom = 1; /* the counter of the wall rose meanwhile */
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(b->seen.end.end, END_OOM);
    box_send(b, request(next_run++, "python", "1"));
    b->oom = 2;
    b->pids = 5;
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(b->seen.end.end, END_EXIT);
    assert_string_equal(b->seen.limits, "memory,pids");
    b->oom = b->pids = -1;
}

static void test_disk(void **state)
{
    (void)state;
    struct box *b = shared;
    struct seen *s =
        py(b, "for i in range(100):\n    with open(f'full{i}', 'wb', buffering=0) as f:\n"
              "        for _ in range(10): f.write(b'z' * 1000000)");
    assert_int_equal(s->end.end, END_LIMIT);
    assert_string_equal(s->what, "disk");
    s = py(b, "try:\n    with open('more', 'wb', buffering=0) as f:\n        while f.write(b'z' * "
              "4096): pass\n"
              "except OSError as e: print(e.errno)");
    assert_int_equal(s->end.end, END_EXIT);
    assert_string_equal(buf_str(&s->out), "28\n");
    assert_string_equal(s->limits, "disk");
    s = py(b, "import os, glob\nfor n in glob.glob('full*') + ['more']: os.remove(n)");
    assert_string_equal(s->limits, "");
    s = box_run(b, "bash", "head -c 80000000 /dev/zero >toobig");
    assert_int_equal(s->end.end, END_LIMIT);
    assert_string_equal(s->what, "file size");
    box_run(b, "bash", "rm -f toobig");
}

static void test_nproc(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->nproc = 20;
    box_open(b);
    struct seen *s =
        py(b, "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60); os._exit(0)");
    assert_int_equal(s->end.end, END_LIMIT);
    assert_string_equal(s->what, "pids");
    assert_non_null(var(s, "time")); /* told by the live one: nothing could be forked */
    box_close(b);
}

static void test_memory_watch(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->watch = true;
    b->memory_mib = 150;
    box_open(b);
    uint32_t kept = py_kept(b, "x = 1");
    struct seen *s = py(b, "hog = [b'z' * 1000000 for _ in range(400)]\nwhile True: pass");
    assert_int_equal(s->end.end, END_OOM);
    assert_int_equal(s->end.resumed_from, kept);
    box_close(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_interrupt_asleep),
        cmocka_unit_test(test_interrupt_buries_children),
        cmocka_unit_test(test_interrupt_twice),
        cmocka_unit_test(test_interrupt_others),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_timeout_of_others),
        cmocka_unit_test(test_fork_storm),
        cmocka_unit_test(test_lost_interpreter),
        cmocka_unit_test(test_lost_without_checkpoint),
        cmocka_unit_test(test_kill_everything),
        cmocka_unit_test(test_lost_between_runs),
        cmocka_unit_test(test_oom_and_limits),
        cmocka_unit_test(test_disk),
        cmocka_unit_test(test_nproc),
        cmocka_unit_test(test_memory_watch),
    };
    return RUN_CASES(tests, argc, argv);
}
