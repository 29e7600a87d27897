/* test_sandbox_limits.c - what every sandbox must withstand: memory, processes, disk. Each limit
 * has its own end, is noted when the code handled it, and the sandbox goes on. */
#include "contract/box.h"

static void memory_hog_is_oom(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.memory_mib = 256;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "kept = 'state'");
    box_run(b, "blocks = []\nwhile True: blocks.append(bytearray(b'x' * (8 << 20)))");
    assert_end(b, END_OOM);
    box_run(b, "print('alive')");
    assert_exit(b, 0);
    assert_out(b, "alive\n");
    box_free(b);
}

static void state_comes_back_after_oom(void **state)
{
    BOX_NEEDS_CAP(SANDBOX_CAN_CHECKPOINT);
    struct contract c = box_contract();
    c.memory_mib = 256;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "kept = 'state'");
    box_wait(b, checkpoints, 1);
    box_run(b, "blocks = []\nwhile True: blocks.append(bytearray(b'x' * (8 << 20)))");
    assert_end(b, END_OOM);
    assert_true(b->f.state_lost || b->f.resumed_from == 1);
    if (b->f.resumed_from == 1) { /* else its loss was stated: that is allowed too */
        box_run(b, "print(kept)");
        assert_out(b, "state\n");
    }
    box_free(b);
}

static void hog_in_a_child_does_not_end_the_run(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.memory_mib = 256;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "import subprocess\n"
               "p = subprocess.run(['python3', '-c', 'x = []\\nwhile 1: x.append(bytearray(b\"x\" "
               "* (8 << 20)))'],"
               " stderr=subprocess.DEVNULL)\n"
               "print('child died', p.returncode != 0)");
    if (b->f.end == END_EXIT) /* the code saw it and went on */
        assert_out(b, "child died True\n");
    else
        assert_end(b, END_OOM);
    box_run(b, "print('alive')");
    assert_out(b, "alive\n");
    box_free(b);
}

/* What a run leaves behind must not grow while a person thinks about the next one. */
static void hog_left_behind_is_ended(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.memory_mib = 128;
    struct box *b = box_open(&c);
    bool gone = false;
    (void)state;
    box_run(b, "import os, time\n"
               "hog = os.fork()\n"
               "if hog == 0:\n"
               "    os.setsid()\n"
               "    x = []\n"
               "    for _ in range(40): time.sleep(0.02); x.append(bytearray(b'x' * (8 << 20)))\n"
               "    time.sleep(60); os._exit(0)\n");
    assert_exit(b, 0);
    for (int tries = 0; tries < 60 && !gone; tries++) {
        box_turns(15);
        box_run(b, "def state(pid):\n"
                   "    try: return open('/proc/%d/stat' % pid).read().rsplit(')')[-1].split()[0]\n"
                   "    except OSError: return 'gone'\n"
                   "print(state(hog))");
        gone = b->f.end != END_EXIT || strcmp(buf_str(&b->out), "gone\n") == 0 ||
               strcmp(buf_str(&b->out), "Z\n") == 0;
    }
    assert_true(gone);
    box_run(b, "print('alive')");
    assert_out(b, "alive\n");
    box_free(b);
}

static void files_count_as_memory(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    struct contract_enforcement how;
    c.memory_mib = 128;
    c.disk_mib = 1024;
    struct box *b = box_open(&c);
    (void)state;
    box_world.ops->enforcement(&c, &how); /* approximated: a watch may be too late */
    box_run(b, "f = open('/workspace/big', 'wb')\n"
               "for i in range(400): f.write(b'x' * (1 << 20))");
    assert_true(b->f.end == END_OOM || b->f.end == END_SIGNAL || b->f.end == END_LOST ||
                b->f.end == END_LIMIT || how.field[FIELD_MEMORY].how != ENFORCED);
    box_free(b);
}

static void fork_bomb_is_held(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.pids = 64;
    c.timeout_s = 20;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "import os, time\n"
               "made = 0\n"
               "try:\n"
               "    while made < 5000:\n"
               "        if os.fork() == 0:\n"
               "            time.sleep(1000)\n"
               "        made += 1\n"
               "except BlockingIOError:\n"
               "    print('refused', made < 64, flush=True)");
    assert_exit(b, 0);
    assert_out(b, "refused True\n");
    box_run(b, "print('next')"); /* children of the first run may still be there */
    if (b->f.end == END_EXIT)
        assert_out(b, "next\n");
    else
        assert_end(b, END_LIMIT);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    box_free(b);
}

static void shell_fork_bomb_ends(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.pids = 64;
    c.timeout_s = 2;
    struct box *b = box_open(&c);
    (void)state;
    box_run_in(b, "bash", "bomb() { bomb | bomb & }; bomb; sleep 60");
    assert_true(b->f.end == END_TIMEOUT || b->f.end == END_LIMIT || b->f.end == END_EXIT);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    assert_true(b->confirmed); /* whatever it made is dead */
    box_free(b);
}

static void full_disk_is_an_error_of_the_code(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    c.disk_mib = 8;
    struct box *b = box_open(&c);
    (void)state;
    box_run(b, "import errno\n"
               "try:\n"
               "    with open('big', 'wb', buffering=0) as f:\n"
               "        for i in range(4096): f.write(b'x' * (1 << 20))\n"
               "except OSError as e:\n"
               "    print(errno.errorcode[e.errno], i <= 8)");
    assert_exit(b, 0);
    assert_true(strcmp(buf_str(&b->out), "ENOSPC True\n") == 0 ||
                strcmp(buf_str(&b->out), "EFBIG True\n") == 0);
    box_run(b, "import os\nos.remove('big')\nopen('small', 'w').write('fits')\nprint('ok')");
    assert_exit(b, 0);
    assert_out(b, "ok\n");
    box_free(b);
}

static void full_tmp_is_an_error_of_the_code(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import errno\n"
               "for d in '/tmp', '/dev/shm':\n"
               "    n = 0\n"
               "    try:\n"
               "        for k in range(8):\n"
               "            with open(f'{d}/f{k}', 'wb', buffering=0) as f:\n"
               "                for i in range(32): n += f.write(b'x' * (1 << 20))\n"
               "    except OSError as e:\n"
               "        print(d, errno.errorcode[e.errno], n <= 64 << 20)");
    assert_exit(b, 0);
    assert_out(b, "/tmp ENOSPC True\n/dev/shm ENOSPC True\n");
    box_free(b);
}

static void sparse_file_costs_nothing(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os\n"
               "try:\n"
               "    with open('sparse', 'wb') as f: f.truncate(4 << 30)\n"
               "    print(os.stat('sparse').st_blocks)\n"
               "except OSError as e:\n"
               "    print(0)");
    assert_exit(b, 0);
    assert_out(b, "0\n");
    box_free(b);
}

static void open_files_are_bounded(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import errno\nfiles = []\n"
               "try:\n"
               "    while len(files) < 100000: files.append(open('/dev/null'))\n"
               "except OSError as e:\n"
               "    n = len(files); del files\n"
               "    print(errno.errorcode[e.errno], n < 5000)");
    assert_exit(b, 0);
    assert_out(b, "EMFILE True\n");
    box_free(b);
}

static void limits_cannot_be_raised(void **state)
{
    BOX_NEEDS_LOCAL();
    struct box *b = box_open_default();
    (void)state;
    box_run(b,
            "import resource as r\n"
            "for name in 'RLIMIT_NOFILE', 'RLIMIT_CORE':\n"
            "    soft, hard = r.getrlimit(getattr(r, name))\n"
            "    try:\n"
            "        r.setrlimit(getattr(r, name), (hard + 1, hard + 1)); print(name, 'raised')\n"
            "    except (ValueError, OSError):\n"
            "        print(name, 'kept')");
    assert_exit(b, 0);
    assert_out(b, "RLIMIT_NOFILE kept\nRLIMIT_CORE kept\n");
    box_free(b);
}

static void cpu_hogs_share_what_is_allowed(void **state)
{
    BOX_NEEDS_LOCAL();
    struct contract c = box_contract();
    struct contract_enforcement how;
    (void)state;
    box_world.ops->enforcement(&c, &how);
    if (how.field[FIELD_CPU].how != ENFORCED) {
        fprintf(stderr, "SKIP: cpu is not enforced here: %s\n", how.field[FIELD_CPU].why);
        skip();
    }
    struct box *b = box_open(&c);
    box_run(b, "import os, time, resource\n"
               "t = time.monotonic()\n"
               "kids = []\n"
               "for i in range(4):\n"
               "    p = os.fork()\n"
               "    if p == 0:\n"
               "        while time.monotonic() - t < 1.0: pass\n"
               "        os._exit(0)\n"
               "    kids.append(p)\n"
               "for p in kids: os.waitpid(p, 0)\n"
               "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
               "wall = time.monotonic() - t\n"
               "print((used.ru_utime + used.ru_stime) / wall < 1.5)");
    assert_exit(b, 0);
    assert_out(b, "True\n");
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(memory_hog_is_oom),
    BOX_TEST(state_comes_back_after_oom),
    BOX_TEST(hog_in_a_child_does_not_end_the_run),
    BOX_TEST(hog_left_behind_is_ended),
    BOX_TEST(files_count_as_memory),
    BOX_TEST(fork_bomb_is_held),
    BOX_TEST(shell_fork_bomb_ends),
    BOX_TEST(full_disk_is_an_error_of_the_code),
    BOX_TEST(full_tmp_is_an_error_of_the_code),
    BOX_TEST(sparse_file_costs_nothing),
    BOX_TEST(open_files_are_bounded),
    BOX_TEST(limits_cannot_be_raised),
    BOX_TEST(cpu_hogs_share_what_is_allowed),
};

BOX_GROUP(tests)
