/* test_kernel_state.c - the state of a session: checkpoints, saved namespaces, files, variables,
 * completion. */
#include "kernel_box.h"

/* ---- checkpoints */

static void restore(struct box *b, uint32_t run)
{
    struct err e;
    int before = b->restored;
    assert_int_equal(kernel_restore(b->k, run, &e), 0);
    BOX_UNTIL(b, b->restored > before);
}

static void test_restore(void **state)
{
    (void)state;
    struct box *b = box_new();
    struct err e;
    box_open(b);
    uint32_t one = py_kept(b, "import threading, random\nx = 1; data = {'a': [1]}; random.seed(1)");
    uint32_t two =
        py_kept(b, "x = 2; data['a'].append(2); open('made', 'w').close(); r = random.random()");
    uint32_t three = py_kept(b, "x = 3; del data; y = 9");
    restore(b, two);
    assert_int_equal(b->restored_err.code, ERR_NONE);
    assert_int_equal(b->restored_run, two);
    assert_true(has(&b->kept, "data\n") && !has(&b->kept, "y\n"));
    assert_int_equal(kernel_restore(b->k, three, &e), -1); /* later ones are gone */
    assert_int_equal(e.code, ERR_MISSING);
    struct seen *s = py(b, "x, data, 'y' in globals()");
    assert_string_equal(s->result[0].text, "(2, {'a': [1, 2]}, False)");
    restore(b, one);                           /* from a branch, further back */
    assert_true(has(&b->lost, "file made\n")); /* files are not rolled back, and that is said */
    s = py(b, "random.random() == 0.13436424411240122, x, data");
    assert_string_equal(s->result[0].text, "(True, 1, {'a': [1]})");
    assert_int_equal(var(s, "x")->change, CHANGE_SAME);
    restore(b, one); /* it stays usable */
    restore(b, one);
    assert_string_equal(py(b, "x")->result[0].text, "1");
    box_close(b);
}

static void test_restore_names_threads(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    uint32_t run = py_kept(b, "import threading, time\nt = threading.Thread(target=time.sleep, "
                              "args=(1000,), daemon=True, "
                              "name='worker')\nt.start()");
    restore(b, run);
    assert_true(has(&b->lost, "thread worker\n"));
    assert_string_equal(py(b, "threading.active_count()")->result[0].text, "1");
    box_close(b);
}

static void test_keeps_eight(void **state)
{
    (void)state;
    struct box *b = box_new();
    struct err e;
    box_open(b);
    uint32_t first = py_kept(b, "n = 0");
    uint32_t last = first;
    for (int i = 1; i < 11; i++)
        last = py_kept(b, "n += 1");
    BOX_UNTIL(b, b->lost_checkpoints == 3);
    assert_int_equal(kernel_restore(b->k, first, &e), -1);
    restore(b, last - 7);
    assert_string_equal(py(b, "n")->result[0].text, "3");
    /* guest, live, N, the next one, its maker; the killed ones go in their own time */
    long left = 100;
    for (int i = 0; i < 100 && left > 5; i++) {
        struct seen *s = py(b, "import os; len([p for p in os.listdir('/proc') if p.isdigit()])");
        left = strtol(s->result[0].text, NULL, 10);
    }
    assert_true(left <= 5);
    box_close(b);
}

static void test_memory_drops_copies(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    py_kept(b, "a = 1");
    py_kept(b, "a = 2");
    uint32_t third = py_kept(b, "a = 3");
    assert_int_equal(b->lost_checkpoints, 0);
    b->memory = (int64_t)600 << 20; /* more than half of 1024 MiB, and it stays so */
    box_send(b, request(next_run++, "python", "a"));
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(b->seen.end.end, END_EXIT);
    assert_true(b->lost_checkpoints >= 3); /* all, before the run began */
    assert_string_equal(b->seen.result[0].text, "3");
    b->memory = 0;
    struct err e;
    assert_int_equal(kernel_restore(b->k, third, &e), -1);
    box_close(b);
}

static void test_many_quick_runs(void **state)
{
    (void)state;
    struct box *b = shared;
    py(b, "count = 0");
    for (int i = 0; i < 100; i++) {
        box_send(b, request(next_run++, "python", "count += 1"));
        BOX_UNTIL(b, b->seen.finished == 1); /* the next goes out at once */
    }
    assert_string_equal(py(b, "count")->result[0].text, "100");
}

static void test_once(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->once = true;
    box_open(b);
    py(b, "import subprocess; subprocess.Popen(['setsid', 'sleep', '123']); x = 1");
    assert_int_equal(b->checkpoints, 0);
    struct seen *s = py(b, "import subprocess\nsubprocess.run('cat /proc/[0-9]*/cmdline | tr "
                           "\"\\\\0\" \" \"', shell=True, "
                           "capture_output=True, text=True).stdout.count('sleep 123')");
    assert_string_equal(s->result[0].text, "0");
    box_close(b);
}

/* ---- saving */

static void save(struct box *b)
{
    struct err e;
    int before = b->saved;
    assert_int_equal(kernel_save(b->k, &e), 0);
    BOX_UNTIL(b, b->saved > before);
}

static void load(struct box *b, const char *p, size_t len)
{
    struct err e;
    int before = b->restored;
    assert_int_equal(kernel_load(b->k, p, len, &e), 0);
    BOX_UNTIL(b, b->restored > before);
}

static void test_save_and_load(void **state)
{
    (void)state;
    struct box *a = box_new(), *b = box_new();
    box_open(a);
    box_open(b);
    py(a, "import math, sqlite3\nimport os.path as op\n"
          "n = 41; text = 'h\xc3\xa9'; d = {'l': [1, 2]}; s = {1}; big = b'z' * 17_000_000\n"
          "gen = (i for i in range(3)); conn = sqlite3.connect(':memory:')\n"
          "class Point:\n    scale = 2\n    def __init__(self, x): self.x = x\n    def "
          "double(self): return self.x * self.scale + n\n"
          "p = Point(3)\n"
          "def add(k, m=1): return n + k + m\n"
          "def outer(q):\n    def inner(): return q + n\n    return inner\n"
          "inn = outer(100); lam = lambda v: add(v) + math.floor(1.5)");
    box_run(a, "bash", "shellvar=1");
    uint32_t last = next_run;
    py_kept(a, "n = 42");
    save(a);
    assert_int_equal(a->saved_err.code, ERR_NONE);
    assert_int_equal(strlen(a->digest), 64);
    assert_true(has(&a->kept, "p\n") && has(&a->kept, "lam\n") && has(&a->kept, "math\n"));
    assert_true(has(&a->lost, "big (TooBig: larger than 16 MiB)\n"));
    assert_true(has(&a->lost, "gen (TypeError") && has(&a->lost, "conn (TypeError"));
    assert_true(has(&a->lost, "bash:shellvar\n"));
    load(b, a->blob.ptr, a->blob.len);
    assert_int_equal(b->restored_err.code, ERR_NONE);
    assert_int_equal(b->restored_run, last);
    struct seen *s = py(
        b,
        "n, text, d, s, p.double(), add(1), inn(), lam(2), op.basename('a/b'), type(p) is Point");
    assert_string_equal(s->result[0].text,
                        "(42, 'h\xc3\xa9', {'l': [1, 2]}, {1}, 48, 44, 142, 46, 'b', True)");
    s = py(b, "n = 0\nadd(1), inn(), p.double()"); /* one namespace, as before */
    assert_string_equal(s->result[0].text, "(2, 100, 6)");
    s = py(b, "gen");
    assert_string_equal(s->error_name, "NameError");
    box_close(a);
    box_close(b);
}

static void test_save_without_checkpoint(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->no_checkpoints = true;
    box_open(b);
    save(b); /* nothing has run */
    assert_int_equal(b->saved_err.code, ERR_NONE);
    assert_int_equal(b->kept.len, 0);
    py(b, "x = 1");
    save(b);
    assert_string_equal(buf_str(&b->kept), "x\n");
    assert_string_equal(py(b, "x")->result[0].text, "1");
    box_close(b);
}

static void test_save_of_hostile_objects(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->start = "python";
    box_open(b);
    py_kept(b, "import os, time\n"
               "class Dies:\n    def __reduce__(self): os._exit(1)\n"
               "class Raises:\n    def __reduce__(self): raise KeyboardInterrupt\n"
               "fine = 1; r = Raises()");
    save(b);
    assert_true(has(&b->kept, "fine\n") && has(&b->lost, "r (KeyboardInterrupt)\n"));
    py_kept(b, "d = Dies()");
    save(b);
    assert_int_equal(b->saved_err.code, ERR_IO);
    assert_string_equal(py(b, "fine")->result[0].text, "1"); /* only the saver died */
    box_close(b);
}

static void test_load_garbage(void **state)
{
    (void)state;
    struct err e;
    struct box *b = shared;
    assert_int_equal(kernel_load(b->k, "what?", 5, &e), -1);
    assert_int_equal(e.code, ERR_FORMAT);
    static const char cut[] = "AIRLOCK-SAVED 1 0000000007\nAIRLOCK-PYTHON 1 3.11\n\0\0\0\xff{";
    static const char other[] = "AIRLOCK-SAVED 1 0000000007\nAIRLOCK-PYTHON 1 2.7\n";
    load(b, cut, sizeof cut - 1);
    assert_int_equal(b->restored_err.code, ERR_MISSING);
    load(b, other, sizeof other - 1);
    assert_non_null(strstr(b->restored_err.msg, "not a namespace of this python"));
    assert_string_equal(py(b, "1")->result[0].text, "1");
}

static void test_run_while_saving(void **state)
{
    (void)state;
    struct box *b = shared;
    struct err e;
    py_kept(b, "blobs = {i: bytes([i % 256]) * 1000 for i in range(8000)}");
    int before = b->saved;
    assert_int_equal(kernel_save(b->k, &e), 0);
    assert_int_equal(kernel_save(b->k, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_string_equal(py(b, "len(blobs)")->result[0].text, "8000");
    BOX_UNTIL(b, b->saved > before);
    assert_int_equal(b->saved_err.code, ERR_NONE);
    assert_true(b->blob.len > 8000000);
    py(b, "del blobs");
}

/* ---- files */

static const struct err *put(struct box *b, const char *name, uint32_t mode, const char *p,
                             size_t len)
{
    struct sandbox_file f = { (char *)(uintptr_t)name, mode, (char *)(uintptr_t)p, len };
    int before = b->file_done;
    if (kernel_put(b->k, &f, &b->file_err) < 0)
        return &b->file_err;
    BOX_UNTIL(b, b->file_done > before);
    return &b->file_err;
}

static const struct err *get(struct box *b, const char *name, size_t max)
{
    int before = b->file_done;
    if (kernel_get(b->k, name, max, &b->file_err) < 0)
        return &b->file_err;
    BOX_UNTIL(b, b->file_done > before);
    return &b->file_err;
}

static void test_put_and_get(void **state)
{
    (void)state;
    struct box *b = shared;
    struct buf big = BUF_INIT(8 << 20);
    for (uint32_t i = 0; i < 1500000; i++)
        buf_add(&big, &i, 4);
    assert_int_equal(put(b, "deep/er/file.bin", 0751, big.ptr, big.len)->code, ERR_NONE);
    assert_int_equal(get(b, "deep/er/file.bin", big.len)->code, ERR_NONE);
    assert_int_equal(b->file.len, big.len);
    assert_memory_equal(b->file.ptr, big.ptr, big.len);
    assert_string_equal(
        py(b, "import os; oct(os.stat('/workspace/deep/er/file.bin').st_mode)")->result[0].text,
        "'0o100751'");
    assert_int_equal(put(b, "deep/er/file.bin", 0644, "", 0)->code, ERR_NONE);
    assert_int_equal(get(b, "deep/er/file.bin", 10)->code, ERR_NONE);
    assert_int_equal(b->file.len, 0);
    buf_release(&big);
}

static void test_files_refused(void **state)
{
    (void)state;
    struct box *b = shared;
    py(b,
       "import os\nos.chdir('/workspace')\nos.makedirs('d', exist_ok=True); os.symlink('/etc', "
       "'out'); os.symlink('d', 'dlink')\n"
       "os.symlink('/usr/bin/true', 'flink'); os.mkfifo('fifo'); open('real', 'w').write('12345')\n"
       "import socket; u = socket.socket(socket.AF_UNIX); u.bind('sock')");
    static const char *const bad[] = { "out/passwd", "dlink/x", "flink",   "fifo",
                                       "sock",       "d",       "../real", "d/../real",
                                       "./real",     "d//x",    "nowhere", "real/x" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (get(b, bad[i], 100)->code == ERR_NONE)
            fail_msg("got %s", bad[i]);
        if (strcmp(bad[i], "nowhere") != 0 && put(b, bad[i], 0644, "x", 1)->code == ERR_NONE)
            fail_msg("put %s", bad[i]);
    }
    assert_int_equal(get(b, "/etc/passwd", 100)->code, ERR_USAGE);
    assert_int_equal(get(b, "", 100)->code, ERR_USAGE);
    get(b, "real", 4);
    assert_non_null(strstr(b->file_err.msg, "more than the 4 allowed"));
    assert_int_equal(get(b, "real", 5)->code, ERR_NONE);
    assert_string_equal(buf_str(&b->file), "12345");
    py(b,
       "for f in ('out', 'dlink', 'flink', 'fifo', 'real', 'sock'): os.remove(f)\nos.rmdir('d'); "
       "u.close()");
    assert_int_equal(put(b, "huge", 0644, "x", 1)->code, ERR_NONE);
}

static void test_put_fills_the_disk(void **state)
{
    (void)state;
    struct box *b = shared;
    char *p = xcalloc(1, 40 << 20);
    for (int i = 0; i < 3; i++)
        put(b, i == 0 ? "much0" : i == 1 ? "much1" : "much2", 0644, p, 40 << 20);
    assert_non_null(strstr(b->file_err.msg, "no space left"));
    free(p);
    py(b, "import os\nfor i in range(3): os.remove(f'/workspace/much{i}')");
    struct err e;
    for (int i = 0; i < 20; i++) /* many at once, in their order */
        assert_int_equal(kernel_get(b->k, i % 2 ? "huge" : "nowhere", 10, &e), 0);
    int done = b->file_done;
    BOX_UNTIL(b, b->file_done == done + 20);
}

static void test_changed_files(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    struct seen *s = py(b, "import os\nos.makedirs('sub/dir')\nopen('a', 'w').write('1'); "
                           "open('sub/dir/b\\n', 'w').write('22')\n"
                           "os.symlink('a', 'l'); open(b'bad\\xff', 'w').close()");
    assert_string_equal(s->files, "new:a,new:bad\xef\xbf\xbd,new:l,new:sub/dir/b\n,");
    s = py(b, "open('a', 'a').write('2'); os.remove('l'); os.rename('sub/dir/b\\n', 'c')");
    assert_string_equal(s->files, "changed:a,new:c,gone:l,gone:sub/dir/b\n,");
    s = py(b, "open('a').read()");
    assert_string_equal(s->files, "");
    s = py(b, "for i in range(1500): open(f'many{i}', 'w').close()");
    assert_int_equal(strncmp(s->files, "new:many0,", 10), 0);
    s = py(b, "1");
    assert_string_equal(s->files, "");
    box_close(b);
}

/* ---- variables */

static void test_variables(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    struct seen *s = py(
        b,
        "i = 1; t = 'text'; l = [1, 'two', 3.0]; d = {'k': (1,)}; _hidden = 1; f = lambda a, b: a\n"
        "import math\nclass C: pass\nc = C(); c.v = 1; by = b'\\0\\xff'; s = set(); n = None; deep "
        "= [[[[[1]]]]]");
    static const char *const want[][4] = {
        { "i", "int", "", "1" },
        { "t", "str", "4", "'text'" },
        { "l", "list", "3", "[1, 'two', 3.0]" },
        { "d", "dict", "1", "{'k': (1,)}" },
        { "f", "function", "", "<function <lambda>(a, b)>" },
        { "math", "module", "", "<module math>" },
        { "C", "type", "", "<class C>" },
        { "c", "C", "", "<C>" },
        { "by", "bytes", "2", "b'\\x00\\xff'" },
        { "s", "set", "0", "set()" },
        { "n", "NoneType", "", "None" },
        { "deep", "list", "1", "[[[[…]]]]" },
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct seen_var *v = var(s, want[i][0]);
        assert_non_null(v);
        assert_string_equal(v->type, want[i][1]);
        assert_string_equal(v->shape, want[i][2]);
        assert_string_equal(v->preview, want[i][3]);
        assert_int_equal(v->change, CHANGE_NEW);
    }
    assert_null(var(s, "_hidden"));
    s = py(b, "i = 2; l.append(4); c.v = 2; del t; deep[0][0][0][0][0] = 2");
    assert_int_equal(var(s, "i")->change, CHANGE_CHANGED);
    assert_int_equal(var(s, "l")->change, CHANGE_CHANGED);
    assert_int_equal(var(s, "c")->change, CHANGE_CHANGED);
    assert_int_equal(var(s, "deep")->change, CHANGE_CHANGED);
    assert_int_equal(var(s, "d")->change, CHANGE_SAME);
    assert_int_equal(var(s, "t")->change, CHANGE_GONE);
    assert_int_equal(var(s, "f")->change, CHANGE_SAME);
    s = py(b, "1");
    assert_null(var(s, "t"));
    assert_int_equal(var(s, "c")->change, CHANGE_SAME);
    box_close(b);
}

static void test_variables_call_nothing(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    struct seen *s = py(
        b,
        "calls = []\n"
        "class Meta(type):\n    def __getattribute__(c, n): calls.append(n); return "
        "type.__getattribute__(c, n)\n"
        "    def __repr__(c): calls.append('mr'); return 'x'\n    def __instancecheck__(c, o): "
        "calls.append('ic')\n"
        "class Spy(metaclass=Meta):\n"
        "    def __getattribute__(s, n): calls.append(n); return object.__getattribute__(s, n)\n"
        "    def __repr__(s): calls.append('repr'); return 'r'\n    __str__ = __hash__ = __len__ = "
        "__eq__ = __repr__\n"
        "    @property\n    def __class__(s): calls.append('class'); return int\n"
        "class Slots:\n    __slots__ = ('a', 'b')\n"
        "class MyList(list):\n    def __iter__(s): calls.append('iter'); return list.__iter__(s)\n"
        "    def __len__(s): calls.append('len'); return 3\n"
        "spy = Spy(); sl = Slots(); sl.a = 1; ml = MyList([1]); keyed = {1: spy}\n"
        "gen = (x for x in [1]); loop = []; loop.append(loop)\ncalls.clear()");
    assert_string_equal(var(s, "spy")->preview, "<Spy>");
    assert_string_equal(var(s, "calls")->preview, "[]");
    assert_string_equal(py(b, "calls")->result[0].text, "[]");
    s = py(b, "sl.a = 2");
    assert_int_equal(var(s, "sl")->change, CHANGE_CHANGED);
    assert_int_equal(var(s, "gen")->change, CHANGE_UNKNOWN); /* what it holds can't be seen */
    assert_int_equal(var(s, "ml")->change, CHANGE_UNKNOWN);
    assert_int_equal(var(s, "loop")->change, CHANGE_SAME);
    box_close(b);
}

static void test_variables_big(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    struct seen *s =
        py(b, "big = b'z' * 50_000_000; huge = list(range(1_000_000)); n = 1\ndef f(): pass");
    assert_non_null(strchr(var(s, "big")->digest, '~'));
    assert_int_equal(s->vars_count, 4);
    s = py(b, "n = 2");
    assert_int_equal(var(s, "n")->change, CHANGE_CHANGED); /* what the code names comes first */
    s = py(b, "import numpy as np\na = np.arange(6.0).reshape(2, 3); o = np.array([None, {}]); e = "
              "np.zeros(0)");
    if (s->end.code == 0) {
        assert_string_equal(var(s, "a")->type, "numpy.ndarray[float64]");
        assert_string_equal(var(s, "a")->shape, "2\xc3\x97"
                                                "3");
        assert_string_equal(var(s, "a")->preview, "array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])");
        s = py(b, "a[1, 1] = 9; a2 = a.T");
        assert_int_equal(var(s, "a")->change, CHANGE_CHANGED);
        assert_int_equal(var(s, "e")->change, CHANGE_SAME);
        assert_int_equal(var(s, "o")->change, CHANGE_SAME); /* its objects are looked into */
    } else {
        print_message("numpy is not installed: arrays are NOT tested\n");
    }
    s = py(
        b,
        "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3], 'b': list('xyz')}); se = df['a']");
    if (s->end.code == 0) {
        assert_string_equal(var(s, "df")->type, "pandas.core.frame.DataFrame");
        assert_string_equal(var(s, "df")->shape, "3\xc3\x97"
                                                 "2");
        assert_string_equal(var(s, "df")->preview,
                            "'a' int64 [1, 2, 3]; 'b' object ['x', 'y', 'z']");
        assert_true(var(s, "df")->bytes > 0);
        s = py(b, "df.loc[1, 'a'] = 9");
        assert_int_equal(var(s, "df")->change, CHANGE_CHANGED);
        s = py(b, "se2 = se * 2");
        assert_string_equal(var(s, "se2")->type, "pandas.core.series.Series");
    } else {
        print_message("pandas is not installed: frames are NOT tested\n");
    }
    s = py(b, "for i in range(3000): globals()[f'v{i}'] = i");
    assert_int_equal(s->vars_count, 64); /* as many as this test keeps */
    box_close(b);
}

static void test_variables_of_others(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    struct seen *s =
        box_run(b, "bash",
                "x='a b'; declare -a arr=(1 2); declare -A m=([k]=v); declare -i n=5; PATH=/bin");
    assert_string_equal(var(s, "x")->preview, "a b");
    assert_string_equal(var(s, "arr")->type, "array");
    assert_string_equal(var(s, "arr")->shape, "2");
    assert_string_equal(var(s, "m")->type, "map");
    assert_string_equal(var(s, "n")->type, "integer");
    assert_string_equal(var(s, "PATH")->preview, "/bin");
    assert_null(var(s, "HOME"));
    s = box_run(b, "bash", "arr+=(3); unset x; bad=$'\\xff\\n\"'");
    assert_int_equal(var(s, "arr")->change, CHANGE_CHANGED);
    assert_int_equal(var(s, "x")->change, CHANGE_GONE);
    assert_int_equal(var(s, "m")->change, CHANGE_SAME);
    assert_string_equal(var(s, "bad")->preview, "\xef\xbf\xbd\n\"");
    if (HAVE_NODE) {
        s = box_run(b, "javascript",
                    "const c = {a: [1, 'x'], get g() { throw 1 }}; let l = new Map([[1, 2]]); var "
                    "p = new Proxy({}, "
                    "{ get() { throw 2 } }); class K {}; function f() {}");
        assert_string_equal(var(s, "c")->preview, "{a: [1, \"x\"], g: <getter>}");
        assert_string_equal(var(s, "l")->type, "Map");
        assert_string_equal(var(s, "p")->preview, "<Proxy>");
        assert_string_equal(var(s, "K")->type, "class");
        s = box_run(b, "javascript", "c.a.push(2); l.set(1, 3)");
        assert_int_equal(var(s, "c")->change, CHANGE_CHANGED);
        assert_int_equal(var(s, "l")->change, CHANGE_CHANGED);
        assert_int_equal(var(s, "p")->change, CHANGE_UNKNOWN);
        assert_int_equal(var(s, "f")->change, CHANGE_SAME);
    }
    box_close(b);
}

/* ---- completion */

static const char *complete(struct box *b, const char *language, const char *text)
{
    struct err e;
    int before = b->completed;
    assert_int_equal(kernel_complete(b->k, language, text, strlen(text), 7, &e), 0);
    BOX_UNTIL(b, b->completed > before);
    return buf_str(&b->names);
}

static void test_completion(void **state)
{
    (void)state;
    struct box *b = shared;
    py(b, "import os\nfirst_name = 'x'; first_number = 2\nran = []\n"
          "class Trap:\n    def __getattr__(s, n): ran.append(n); raise AttributeError\n    "
          "@property\n    def prop(s): ran.append('prop')\n"
          "    def method(s): pass\ntrap = Trap(); trap.inst = 1; ran.clear()");
    assert_string_equal(complete(b, "python", "first_n"), "first_name\nfirst_number\n");
    assert_non_null(strstr(complete(b, "python", "x = os.path.jo"), "os.path.join\n"));
    assert_non_null(strstr(complete(b, "python", "first_name.upp"), "first_name.upper\n"));
    assert_string_equal(complete(b, "python", "trap.p"), "trap.prop\n");
    assert_string_equal(complete(b, "python", "trap.i"), "trap.inst\n");
    assert_string_equal(complete(b, "python", "trap.prop.x"), "");
    assert_non_null(strstr(complete(b, "python", "import jso"), "json\n"));
    assert_string_equal(complete(b, "python", "wh"), "while\n");
    assert_string_equal(complete(b, "python", "\xff\xc3."), "");
    assert_string_equal(py(b, "ran")->result[0].text, "[]");
    box_run(b, "bash", "longvariable=1");
    assert_non_null(strstr(complete(b, "bash", "echo $longv"), "longvariable\n"));
    if (HAVE_NODE) {
        box_run(b, "javascript", "let longName = [1]");
        assert_non_null(strstr(complete(b, "javascript", "longN"), "longName\n"));
        assert_non_null(strstr(complete(b, "javascript", "longName.fil"), "longName.filter\n"));
        assert_non_null(strstr(complete(b, "javascript", "Math.ma"), "Math.max\n"));
    }
    box_send(b, request(next_run++, "python", "import time; time.sleep(0.3)"));
    BOX_UNTIL(b, b->seen.run != 0);
    assert_string_equal(complete(b, "python", "first_n"), ""); /* busy: at once, with nothing */
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_string_equal(complete(b, "fortran", "x"), "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_restore_names_threads),
        cmocka_unit_test(test_keeps_eight),
        cmocka_unit_test(test_memory_drops_copies),
        cmocka_unit_test(test_many_quick_runs),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_save_without_checkpoint),
        cmocka_unit_test(test_save_of_hostile_objects),
        cmocka_unit_test(test_load_garbage),
        cmocka_unit_test(test_run_while_saving),
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_files_refused),
        cmocka_unit_test(test_put_fills_the_disk),
        cmocka_unit_test(test_changed_files),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_variables_call_nothing),
        cmocka_unit_test(test_variables_big),
        cmocka_unit_test(test_variables_of_others),
        cmocka_unit_test(test_completion),
    };
    return RUN_CASES(tests, argc, argv);
}
