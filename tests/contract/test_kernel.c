/* test_kernel.c - the real guest and the real interpreters behind a real wall, through kernel.h. */
#include "kernel_box.h"

#define HAVE_NODE (access("/usr/bin/node", X_OK) == 0)

static struct box *shared; /* for what leaves no damage */

static int open_shared(void **state)
{
    (void)state;
    shared = box_new();
    shared->start = "python";
    box_open(shared);
    BOX_UNTIL(shared, shared->ready);
    return 0;
}

static int close_shared(void **state)
{
    (void)state;
    box_close(shared);
    return 0;
}

static bool has(struct buf *b, const char *needle)
{
    return strstr(buf_str(b), needle) != NULL;
}

/* ---- tables: code in, end and streams out */

struct example {
    const char *name, *code;
    enum run_end end;
    int code_;
    const char *out;    /* all of stdout; NULL: any */
    const char *err;    /* in stderr; NULL: it is empty; "": any */
    const char *result; /* text/plain of the last expression; NULL: none */
    const char *error;  /* name */
};

static void run_examples(const char *language, const struct example *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *x = &list[i];
        struct seen *s = box_run(shared, language, x->code);
        const char *result = s->results > 0 ? s->result[0].text : NULL;
        bool ok = s->end.end == x->end && (x->end != END_EXIT || s->end.code == x->code_) &&
                  (x->out == NULL || strcmp(buf_str(&s->out), x->out) == 0) &&
                  (x->err == NULL ? s->err.len == 0 : has(&s->err, x->err)) &&
                  (x->result == NULL ? true : result != NULL && strcmp(result, x->result) == 0) &&
                  (x->error == NULL || strcmp(x->error, s->error_name) == 0) &&
                  !s->end.state_lost && s->end.resumed_from == 0;
        if (!ok)
            fail_msg("%s \"%s\": end %d code %d lost %d\nstdout <%s>\nstderr <%s>\nresult <%s>\n"
                     "error <%s: %s>\nmessage <%s>",
                     language, x->name, s->end.end, s->end.code, s->end.state_lost,
                     buf_str(&s->out), buf_str(&s->err), result != NULL ? result : "-",
                     s->error_name, s->error_value, s->message);
    }
}

static const struct example python[] = {
    { "expression", "6*7", END_EXIT, 0, "", NULL, "42", NULL },
    { "descriptors 3 and 4 are free", "import os; [os.open('/dev/null', 0) for _ in range(2)]",
      END_EXIT, 0, "", NULL, "[3, 4]", NULL },
    { "print", "print('h\xc3\xa9', 1)", END_EXIT, 0, "h\xc3\xa9 1\n", NULL, NULL, NULL },
    { "state is kept", "kept_x = 3", END_EXIT, 0, "", NULL, NULL, NULL },
    { "state is there", "kept_x + 1", END_EXIT, 0, "", NULL, "4", NULL },
    { "last value is _", "_", END_EXIT, 0, "", NULL, "4", NULL },
    { "none shows nothing", "None", END_EXIT, 0, "", NULL, NULL, NULL },
    { "empty code", "", END_EXIT, 0, "", NULL, NULL, NULL },
    { "only a comment", "# nothing", END_EXIT, 0, "", NULL, NULL, NULL },
    { "no newline at the end", "import sys; sys.stdout.write('no newline'); None", END_EXIT, 0,
      "no newline", NULL, NULL, NULL },
    { "exception", "a = 1\nraise ValueError('bad')", END_EXIT, 1, "", "  File \"<run ", NULL,
      "ValueError" },
    { "traceback has its line", "def f():\n    return 1/0\nf()", END_EXIT, 1, "",
      "in f\n    return 1/0\n           ~^~\n", NULL, "ZeroDivisionError" },
    { "syntax error", "x = = 1", END_EXIT, 1, "", "    x = = 1\n        ^\n", NULL, "SyntaxError" },
    { "exit 0", "import sys; sys.exit()", END_EXIT, 0, "", NULL, NULL, NULL },
    { "exit 7", "import sys; sys.exit(7)", END_EXIT, 7, "", NULL, NULL, NULL },
    { "exit with words", "raise SystemExit('stop here')", END_EXIT, 1, "", "stop here\n", NULL,
      NULL },
    { "exit 256 is 0", "raise SystemExit(256)", END_EXIT, 0, "", NULL, NULL, NULL },
    { "base exception", "class E(BaseException): pass\nraise E()", END_EXIT, 1, "", "E", NULL,
      "E" },
    { "generator exit", "raise GeneratorExit", END_EXIT, 1, "", "GeneratorExit", NULL,
      "GeneratorExit" },
    { "own keyboard interrupt", "raise KeyboardInterrupt", END_EXIT, 1, "", "KeyboardInterrupt",
      NULL, "KeyboardInterrupt" },
    { "recursion", "def r(): return r()\nr()", END_EXIT, 1, "", "RecursionError", NULL,
      "RecursionError" },
    { "broken repr", "class B:\n    def __repr__(self): raise RuntimeError('no repr')\nB()",
      END_EXIT, 1, "", "no repr", NULL, "RuntimeError" },
    { "broken str of an exception",
      "class E(Exception):\n    def __str__(self): raise TypeError('x')\nraise E()", END_EXIT, 1,
      "", "E: <exception str() failed>", NULL, "E" },
    { "exception group", "raise ExceptionGroup('g', [ValueError(1)])", END_EXIT, 1, "",
      "ValueError: 1", NULL, "ExceptionGroup" },
    { "chained", "try: 1/0\nexcept Exception as e: raise KeyError('k') from e", END_EXIT, 1, "",
      "The above exception was the direct cause", NULL, "KeyError" },
    { "argv", "import sys; sys.argv", END_EXIT, 0, "", NULL, "['prog']", NULL },
    { "environment", "import os; print(os.environ['GREETING'])", END_EXIT, 0,
      "hello \xc3\xa4\"\\\n", NULL, NULL, NULL },
    { "cwd", "os.getcwd()", END_EXIT, 0, "", NULL, "'/workspace'", NULL },
    { "stdin is at its end", "input()", END_EXIT, 1, "", "EOFError", NULL, "EOFError" },
    { "top-level await", "import asyncio\nawait asyncio.sleep(0.01, 5)", END_EXIT, 0, "", NULL, "5",
      NULL },
    { "await again", "async def g(): return 8\nawait g()", END_EXIT, 0, "", NULL, "8", NULL },
    { "asyncio.run", "asyncio.run(g())", END_EXIT, 0, "", NULL, "8", NULL },
    { "future import stays", "from __future__ import annotations", END_EXIT, 0, "", NULL, NULL,
      NULL },
    { "future import stayed", "def f(a: nowhere): pass\nf.__annotations__", END_EXIT, 0, "", NULL,
      "{'a': 'nowhere'}", NULL },
    { "stderr", "import sys; print('oops', file=sys.stderr)", END_EXIT, 0, "", "oops\n", NULL,
      NULL },
    { "subprocess output", "import subprocess; subprocess.run(['echo', 'sub']); None", END_EXIT, 0,
      "sub\n", NULL, NULL, NULL },
    { "print before subprocess", "print('first'); subprocess.run(['echo', 'second']); None",
      END_EXIT, 0, "first\nsecond\n", NULL, NULL, NULL },
    { "thread output",
      "import threading\nt = threading.Thread(target=print, args=('t',)); t.start(); t.join()",
      END_EXIT, 0, "t\n", NULL, NULL, NULL },
    { "closed stdout", "import sys; sys.stdout.close()", END_EXIT, 0, "", NULL, NULL, NULL },
    { "after closed stdout", "print('back')", END_EXIT, 0, "back\n", NULL, NULL, NULL },
    { "closed descriptors", "import os; os.close(0); os.close(1); os.close(2)", END_EXIT, 0, NULL,
      NULL, NULL, NULL },
    { "after closed descriptors", "print('again')", END_EXIT, 0, "again\n", NULL, NULL, NULL },
    { "stdout sent elsewhere",
      "fd = os.open('/dev/null', 1); os.dup2(fd, 1); os.close(fd); print('lost')", END_EXIT, 0, "",
      NULL, NULL, NULL },
    { "after it", "print('found')", END_EXIT, 0, "found\n", NULL, NULL, NULL },
    { "stdout replaced", "import io; sys.stdout = io.StringIO(); print('in')", END_EXIT, 0, "",
      NULL, NULL, NULL },
    { "stays replaced, as state", "v = sys.stdout.getvalue(); sys.stdout = sys.__stdout__; v",
      END_EXIT, 0, "", NULL, "'in\\n'", NULL },
    { "stdout deleted", "del sys.stdout", END_EXIT, 0, "", NULL, NULL, NULL },
    { "after deletion", "print('there')", END_EXIT, 0, "there\n", NULL, NULL, NULL },
    { "signal handlers changed",
      "import signal\nfor n in (2, 13, 15, 17): signal.signal(n, signal.SIG_IGN)", END_EXIT, 0, "",
      NULL, NULL, NULL },
    { "and back", "for n in (13, 15, 17): signal.signal(n, signal.SIG_DFL)", END_EXIT, 0, "", NULL,
      NULL, NULL },
    { "a tiny recursion limit", "sys.setrecursionlimit(50)", END_EXIT, 0, "", NULL, NULL, NULL },
    { "tracing left on", "sys.settrace(lambda *a: None)", END_EXIT, 0, NULL, "", NULL, NULL },
    { "builtins rebound",
      "import builtins; saved_len = builtins.len; builtins.len = None; builtins.str = 5", END_EXIT,
      0, "", NULL, NULL, NULL },
    { "works with broken builtins", "1/0", END_EXIT, 1, "", "ZeroDivisionError", NULL,
      "ZeroDivisionError" },
    { "builtins mended", "builtins.len = saved_len; builtins.str = type(''); len('abc')", END_EXIT,
      0, "", NULL, "3", NULL },
    { "modules thrown out", "for m in ('os', 'io', 'json'): sys.modules.pop(m, None)", END_EXIT, 0,
      "", NULL, NULL, NULL },
    { "works without them", "1/0", END_EXIT, 1, "", "1/0\n    ~^~", NULL, "ZeroDivisionError" },
    { "main can be pickled",
      "import pickle\nclass P: pass\ntype(pickle.loads(pickle.dumps(P()))) is P", END_EXIT, 0, "",
      NULL, "True", NULL },
    { "main is clean", "sorted(n for n in vars(sys.modules['__main__']) if n.startswith('__'))",
      END_EXIT, 0, "", NULL,
      "['__builtins__', '__doc__', '__loader__', '__name__', '__package__', "
      "'__spec__']",
      NULL },
    { "a child that falls through",
      "if os.fork() == 0: print('child')\nelse: os.wait(); print('parent')", END_EXIT, 0,
      "child\nparent\n", NULL, NULL, NULL },
    { "a child that raises",
      "if os.fork() == 0: raise ValueError('in child')\nelse: os.wait()[1] >> 8", END_EXIT, 0, "",
      "in child", NULL, NULL },
    { "no foreign children", "try: os.wait()\nexcept ChildProcessError: print('none')", END_EXIT, 0,
      "none\n", NULL, NULL, NULL },
    { "multiprocessing",
      "import multiprocessing\ndef sq(x): return x*x\nwith multiprocessing.Pool(2) as p: "
      "r = p.map(sq, [1, 2, 3])\nr",
      END_EXIT, 0, "", NULL, "[1, 4, 9]", NULL },
    { "print_exc knows the source",
      "import traceback\ntry:\n    int('x')\nexcept ValueError:\n    "
      "traceback.print_exc()",
      END_EXIT, 0, "", "    int('x')\n", NULL, NULL },
    { "inspect knows the source",
      "def src(): return 1\nimport inspect; print(inspect.getsource(src))", END_EXIT, 0,
      "def src(): return 1\n\n", NULL, NULL, NULL },
    { "own excepthook", "sys.excepthook = lambda t, v, tb: print('mine', v)\nraise ValueError(3)",
      END_EXIT, 1, "mine 3\n", NULL, NULL, "ValueError" },
    { "excepthook back", "sys.excepthook = sys.__excepthook__", END_EXIT, 0, "", NULL, NULL, NULL },
    { "surrogates in output",
      "print('\\ud800'.encode('utf-8', 'surrogatepass').decode('utf-8', 'surrogateescape'))",
      END_EXIT, 0, "\xed\xa0\x80\n", NULL, NULL, NULL },
    { "surrogates in an error", "raise ValueError('\\ud800\\0')", END_EXIT, 1, "", "", NULL,
      "ValueError" },
    { "no protocol descriptor reaches children",
      "r = subprocess.run('ls -l /proc/self/fd | grep -c -e socket: -e memfd:', shell=True, "
      "capture_output=True)\nr.stdout",
      END_EXIT, 0, "", NULL, "b'0\\n'", NULL },
    { "an object of its own as stdout",
      "class Tee:\n    def write(self, s): os.write(1, ('tee ' + s).encode())\n    def "
      "flush(self): pass\n"
      "sys.stdout = Tee(); sys.stdout.write('1\\n'); None",
      END_EXIT, 0, "tee 1\n", NULL, NULL, NULL },
    { "it stays", "sys.stdout.write('2\\n'); sys.stdout = sys.__stdout__", END_EXIT, 0, "tee 2\n",
      NULL, NULL, NULL },
    { "no descriptor left", "hold = []\nwhile True: hold.append(open('/dev/null'))", END_EXIT, 1,
      "", "Too many open files", NULL, "OSError" },
    { "and more", "len(hold) > 200", END_EXIT, 0, "", NULL, "True", NULL },
    { "after they are free", "hold.clear(); open('/dev/null').close()", END_EXIT, 0, "", NULL, NULL,
      NULL },
    { "signals sent to the guest",
      "import time\nfor n in (2, 15, 1, 9, 19): os.kill(1, n)\ntime.sleep(0.05)", END_EXIT, 0, "",
      NULL, NULL, NULL },
    { "which is still there", "os.path.exists('/proc/1')", END_EXIT, 0, "", NULL, "True", NULL },
    { "exit in a thread", "t = threading.Thread(target=sys.exit, args=(9,)); t.start(); t.join()",
      END_EXIT, 0, "", NULL, NULL, NULL },
    { "wall: root is read-only", "try: open('/x', 'w')\nexcept OSError as e: print(e.errno)",
      END_EXIT, 0, "30\n", NULL, NULL, NULL },
    { "guest can't be looked into",
      "try: os.listdir('/proc/1/fd')\nexcept OSError as e: print(e.errno)", END_EXIT, 0, "13\n",
      NULL, NULL, NULL },
};

static void test_python(void **state)
{
    (void)state;
    run_examples("python", python, ARRAY_LEN(python));
}

static const struct example javascript[] = {
    { "expression", "6*7", END_EXIT, 0, "", NULL, "42", NULL },
    { "console", "console.log('h\xc3\xa9', [1, {a: 2}]); console.error('e')", END_EXIT, 0,
      "h\xc3\xa9 [ 1, { a: 2 } ]\n", "e\n", NULL, NULL },
    { "const", "const c = 1; let l = 2; var v = 3; class K { m() { return 4 } }", END_EXIT, 0, "",
      NULL, NULL, NULL },
    { "state", "[c, l, v, new K().m()]", END_EXIT, 0, "", NULL, "[ 1, 2, 3, 4 ]", NULL },
    { "const again", "const c = 10; let l = 20; c + l", END_EXIT, 0, "", NULL, "30", NULL },
    { "await", "await new Promise(r => setTimeout(() => r('late'), 5))", END_EXIT, 0, "", NULL,
      "'late'", NULL },
    { "a promise is awaited", "(async () => { await 1; return 11 })()", END_EXIT, 0, "", NULL, "11",
      NULL },
    { "throw", "function f() { throw new TypeError('bad') }\nf()", END_EXIT, 1, "",
      "TypeError: bad\n    at f (run-", NULL, "TypeError" },
    { "throw a string", "throw 'words'", END_EXIT, 1, "", "Uncaught 'words'", NULL, "Uncaught" },
    { "syntax error", "let = = 1", END_EXIT, 1, "", "SyntaxError: ", NULL, "SyntaxError" },
    { "rejected", "Promise.reject(new RangeError('r'))", END_EXIT, 1, "", "RangeError: r", NULL,
      "RangeError" },
    { "rejected, unhandled", "Promise.reject(new Error('u')); 1", END_EXIT, 1, "", "Error: u", NULL,
      "Error" },
    { "thrown from a timer",
      "setTimeout(() => { throw new Error('timer') }, 1); await new Promise(r => setTimeout(r, "
      "500))",
      END_EXIT, 1, "", "Error: timer", NULL, "Error" },
    { "exit", "var beforeExit = 1; process.exit(3); console.log('no')", END_EXIT, 3, "", NULL, NULL,
      NULL },
    { "state after exit", "beforeExit", END_EXIT, 0, "", NULL, "1", NULL },
    { "exit later", "await 1; process.exit(4)", END_EXIT, 4, "", NULL, NULL, NULL },
    { "exit code set", "process.exitCode = 5", END_EXIT, 5, "", NULL, NULL, NULL },
    { "exit code not kept", "0", END_EXIT, 0, "", NULL, "0", NULL },
    { "exit can't be caught",
      "try { process.exit(6) } catch (e) { console.log('caught') } finally { console.log('f') }",
      END_EXIT, 6, "", NULL, NULL, NULL },
    { "modules", "require('path').join('a', 'b') + os.EOL.length", END_EXIT, 0, "", NULL, "'a/b1'",
      NULL },
    { "argv", "process.argv.slice(1)", END_EXIT, 0, "", NULL, "[ 'prog' ]", NULL },
    { "environment", "process.env.GREETING", END_EXIT, 0, "", NULL, "'hello \xc3\xa4\"\\\\'",
      NULL },
    { "stdin at its end", "fs.readFileSync(0, 'utf8')", END_EXIT, 0, "", NULL, "''", NULL },
    { "child output", "require('child_process').execSync('echo child', {stdio: 'inherit'}); 0",
      END_EXIT, 0, "child\n", NULL, "0", NULL },
    { "destroyed stdout", "process.stdout.destroy()", END_EXIT, 0, "", NULL, NULL, NULL },
    { "after it", "console.log('back')", END_EXIT, 0, "back\n", NULL, NULL, NULL },
    { "an import says what to do", "import x from 'fs'", END_EXIT, 1, "", "hint: use require", NULL,
      "SyntaxError" },
    { "an ES module", "(await importModule('node:os')).EOL.length", END_EXIT, 0, "", NULL, "1",
      NULL },
};

static void test_javascript(void **state)
{
    (void)state;
    if (!HAVE_NODE)
        skip();
    run_examples("javascript", javascript, ARRAY_LEN(javascript));
}

static const struct example bash[] = {
    { "echo", "echo hi; echo oops >&2", END_EXIT, 0, "hi\n", "oops\n", NULL, NULL },
    { "status", "(exit 3)", END_EXIT, 3, "", NULL, NULL, NULL },
    { "state", "x=1; arr=(a 'b c'); declare -A m=([k]='v w'); f() { echo \"f $1\"; }", END_EXIT, 0,
      "", NULL, NULL, NULL },
    { "state is there", "echo $x \"${arr[1]}\" \"${m[k]}\"; f 2", END_EXIT, 0, "1 b c v w\nf 2\n",
      NULL, NULL, NULL },
    { "exit ends the run", "y=5; exit 4; echo no", END_EXIT, 4, "", NULL, NULL, NULL },
    { "and keeps the state", "echo $x $y \"${arr[1]}\" \"${m[k]}\"; f 3", END_EXIT, 0,
      "1 5 b c v w\nf 3\n", NULL, NULL, NULL },
    { "exit in a function", "g() { exit 9; }; g", END_EXIT, 9, "", NULL, NULL, NULL },
    { "exit in a subshell", "(exit 2); echo $?; exit", END_EXIT, 0, "2\n", NULL, NULL, NULL },
    { "set -e", "set -e; z=1; false; echo no", END_EXIT, 1, "", NULL, NULL, NULL },
    { "after set -e", "set +e; echo $z", END_EXIT, 0, "1\n", NULL, NULL, NULL },
    { "set -u", "set -u; echo $nowhere", END_EXIT, 127, "", "nowhere: unbound variable", NULL,
      NULL },
    { "after set -u", "set +u; echo ok", END_EXIT, 0, "ok\n", NULL, NULL, NULL },
    { "set -x", "set -x; echo a", END_EXIT, 0, "a\n", "++ echo a\n", NULL, NULL },
    { "set -x stays", "echo b; set +x", END_EXIT, 0, "b\n", "++ echo b\n", NULL, NULL },
    { "line numbers", "echo 1\n\nnosuchcommand\n", END_EXIT, 127, "1\n",
      "prog: line 3: nosuchcommand", NULL, NULL },
    { "syntax error", "if then", END_EXIT, 2, "", "syntax error", NULL, NULL },
    { "and it goes on", "echo $x", END_EXIT, 0, "1\n", NULL, NULL, NULL },
    { "cd stays", "cd /tmp", END_EXIT, 0, "", NULL, NULL, NULL },
    { "cd stayed", "pwd; cd /workspace", END_EXIT, 0, "/tmp\n", NULL, NULL, NULL },
    { "trap on EXIT", "trap 'echo bye' EXIT; echo hi", END_EXIT, 0, "hi\nbye\n", NULL, NULL, NULL },
    { "trap on EXIT, and exit", "trap 'echo bye' EXIT; exit 6", END_EXIT, 6, "bye\n", NULL, NULL,
      NULL },
    { "arguments", "echo $0 $#", END_EXIT, 0, "prog 0\n", NULL, NULL, NULL },
    { "stdin", "cat; read line || echo end", END_EXIT, 0, "end\n", NULL, NULL, NULL },
    { "streams redirected", "exec >/dev/null 2>&1; echo lost", END_EXIT, 0, "", NULL, NULL, NULL },
    { "and mended", "echo found", END_EXIT, 0, "found\n", NULL, NULL, NULL },
    { "low descriptors closed", "for i in 3 4 5 6 7 8 9; do eval \"exec $i<&-\"; done; echo ok",
      END_EXIT, 0, "ok\n", NULL, NULL, NULL },
    { "pipes", "printf 'b\\na\\n' | sort | tr '\\n' ' '", END_EXIT, 0, "a b ", NULL, NULL, NULL },
    { "here document", "cat <<X\nt $x\nX\n", END_EXIT, 0, "t 1\n", NULL, NULL, NULL },
    { "names that are read-only", "readonly line=1 REPLY=2 name=3 n=4 args=5 status=6", END_EXIT, 0,
      "", NULL, NULL, NULL },
    { "exit with them", "exit 3", END_EXIT, 3, "", NULL, NULL, NULL },
    { "they are there", "echo $line $n", END_EXIT, 0, "1 4\n", NULL, NULL, NULL },
    { "interrupt trap of its own", "trap 'echo int' INT", END_EXIT, 0, "", NULL, NULL, NULL },
};

static void test_bash(void **state)
{
    (void)state;
    run_examples("bash", bash, ARRAY_LEN(bash));
}

/* ---- the request: bytes arrive as they are */

static void test_hello(void **state)
{
    (void)state;
    const struct kernel_hello *h = kernel_hello(shared->k);
    assert_int_equal(h->pid, 1);
    assert_int_equal(h->uid, 1000);
    assert_int_equal(h->cap_eff, 0);
    assert_int_equal(h->no_new_privs, 1);
    assert_string_equal(h->writable, "");
    assert_false(h->core_pattern_writable);
    assert_true(strlen(h->boot_id) == 36);
}

static void test_self_check_fails(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->require = KERNEL_REQUIRE_ALL; /* there is no filter in this wall */
    box_open(b);
    while (!b->broken && box_turn(b)) {
    }
    assert_true(b->broken);
    assert_false(b->ready);
    assert_non_null(strstr(b->why.msg, "no seccomp filter is on"));
    box_close(b);
}

static void test_code_bytes(void **state)
{
    (void)state;
    struct sandbox_run rq = request(next_run++, "python", "");
    struct buf code = BUF_INIT(CODE_MAX + 64);
    buf_add_str(&code, "s = '''");
    while (code.len < CODE_MAX - 64)
        buf_add_str(&code, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\tz\n");
    buf_add_str(&code, "'''; len(s)");
    rq.code = code.ptr;
    rq.code_len = code.len;
    struct seen *s = box_run_request(shared, rq);
    assert_int_equal(s->end.code, 0);
    assert_true(strtol(s->result[0].text, NULL, 10) > 300000);
    buf_release(&code);

    rq = request(next_run++, "python", "");
    rq.code = "print(1)\0print(2)";
    rq.code_len = 17;
    s = box_run_request(shared, rq);
    assert_int_equal(s->end.code, 1);
    assert_true(has(&s->err, "null bytes"));

    s = py(shared, "x = '\xff\xfe'");
    assert_int_equal(s->end.code, 1);
    assert_string_equal(s->error_name, "SyntaxError");

    rq = request(next_run++, "bash", "");
    rq.code = "echo 1\0echo 2";
    rq.code_len = 13;
    s = box_run_request(shared, rq);
    assert_int_equal(s->end.code, 2);
    assert_true(has(&s->err, "NUL byte"));
    s = box_run(shared, "bash", "x='\xff\xfe'; printf %s \"$x\"");
    assert_memory_equal(s->out.ptr, "\xff\xfe", 2);
    if (HAVE_NODE) {
        s = box_run(shared, "javascript", "'\xff\xfe'");
        assert_int_equal(s->end.code, 1);
    }
}

static void test_code_too_long(void **state)
{
    (void)state;
    struct err e;
    char *code = xcalloc(1, CODE_MAX + 2);
    memset(code, '#', CODE_MAX + 1);
    struct sandbox_run rq = request(next_run, "python", code);
    assert_int_equal(kernel_exec(shared->k, &rq, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(kernel_running(shared->k), 0);
    free(code);
}

static void test_arguments_and_input(void **state)
{
    (void)state;
    static const char *const argv[] = { "p", "", "a b", "\xff", "\xe2\x82\xac\n" };
    struct sandbox_run rq = request(next_run++, "python",
                                    "import sys, os\nprint([os.fsencode(a) for a in sys.argv])\n"
                                    "print(sys.stdin.readline(), end='')\nprint(os.read(0, 5))");
    rq.argv = argv;
    rq.argv_count = ARRAY_LEN(argv);
    rq.input = "line one\nline two\n";
    rq.input_len = 18;
    struct seen *s = box_run_request(shared, rq);
    assert_string_equal(buf_str(&s->out),
                        "[b'p', b'', b'a b', b'\\xff', b'\\xe2\\x82\\xac\\n']\nline one\nb''\n");
    s = py(shared, "input()"); /* nothing of it is left for the next one */
    assert_string_equal(s->error_name, "EOFError");

    rq = request(next_run++, "bash", "echo $# \"$2\"; cat");
    rq.argv = argv;
    rq.argv_count = 3;
    rq.input = "x\0y";
    rq.input_len = 3;
    s = box_run_request(shared, rq);
    assert_int_equal(s->out.len, 9);
    assert_memory_equal(s->out.ptr, "2 a b\nx\0y", 9);
    if (!HAVE_NODE)
        return;
    rq = request(next_run++, "javascript",
                 "let text = ''; for await (const d of process.stdin) text += d; text.length");
    rq.input = "12345";
    rq.input_len = 5;
    s = box_run_request(shared, rq);
    assert_string_equal(s->result[0].text, "5");
}

static void test_cwd(void **state)
{
    (void)state;
    struct sandbox_run rq = request(next_run++, "python", "import os; os.getcwd()");
    rq.cwd = "/tmp";
    assert_string_equal(box_run_request(shared, rq)->result[0].text, "'/tmp'");
    py(shared, "os.chdir('/usr')"); /* the request's differs from the one before: it holds again */
    assert_string_equal(py(shared, "os.getcwd()")->result[0].text, "'/usr'");
    rq = request(next_run++, "python", "os.getcwd()");
    rq.cwd = "/tmp";
    assert_string_equal(box_run_request(shared, rq)->result[0].text, "'/tmp'");
    rq = request(next_run++, "python", "print('not reached')");
    rq.cwd = "/nowhere";
    struct seen *s = box_run_request(shared, rq);
    assert_int_equal(s->end.code, 1);
    assert_string_equal(s->error_name, "FileNotFoundError");
    assert_int_equal(s->out.len, 0);
    py(shared, "None");
}

static void test_files_with_the_run(void **state)
{
    (void)state;
    static char text[] = "a,b\n1,2\n", big[70000];
    memset(big, 'z', sizeof big);
    struct sandbox_file files[] = { { (char *)(uintptr_t) "in/data.csv", 0640, text, 8 },
                                    { (char *)(uintptr_t) "big.bin", 0755, big, sizeof big },
                                    { (char *)(uintptr_t) "empty", 0600, text, 0 } };
    struct sandbox_run rq =
        request(next_run++, "python",
                "import os\nprint(open('in/data.csv').read(), end='')\n"
                "print(os.path.getsize('big.bin'), oct(os.stat('big.bin').st_mode & 0o777), "
                "os.path.getsize('empty'))");
    static const char *const exists[] = { "in/data.csv", "nowhere", "/usr/bin/python3" };
    rq.files = files;
    rq.file_count = 3;
    rq.exists = exists;
    rq.exists_count = 3;
    struct seen *s = box_run_request(shared, rq);
    assert_string_equal(buf_str(&s->out), "a,b\n1,2\n70000 0o755 0\n");
    assert_true(s->exists[0] && !s->exists[1] && s->exists[2]);
    py(shared, "os.remove('big.bin'); os.symlink('/tmp', 'link')");
    files[0].name = (char *)(uintptr_t) "link/data.csv";
    s = box_run_request(shared, rq);
    assert_int_equal(s->end.end, END_SANDBOX);
    assert_non_null(strstr(s->message, "link/data.csv: a link or a file is in the way"));
    assert_int_equal(s->out.len, 0);
    py(shared, "os.remove('link')");
}

static void test_missing_interpreter(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    struct sandbox_run rq = request(next_run++, "python", "1");
    rq.interpreter = "/usr/bin/nosuchpython";
    struct seen *s = box_run_request(b, rq);
    assert_int_equal(s->end.end, END_SANDBOX);
    assert_non_null(strstr(s->message, "nosuchpython: No such file"));
    rq = request(next_run++, "cobol", "1");
    s = box_run_request(b, rq);
    assert_int_equal(s->end.end, END_SANDBOX);
    assert_non_null(strstr(s->message, "no such language"));
    assert_string_equal(py(b, "1")->result[0].text, "1"); /* and the sandbox is whole */
    box_close(b);
}

static void test_busy_and_refused(void **state)
{
    (void)state;
    struct err e;
    struct box *b = shared;
    struct sandbox_run rq = request(next_run++, "python", "import time; time.sleep(0.2)");
    box_send(b, rq);
    struct sandbox_run other = request(next_run++, "python", "1");
    assert_int_equal(kernel_exec(b->k, &other, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(kernel_restore(b->k, 1, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);

    b->refuse = true;
    seen_reset(b, other.run);
    assert_int_equal(kernel_exec(b->k, &other, &e), -1);
    assert_int_equal(e.code, ERR_INTEGRITY);
    assert_int_equal(kernel_running(b->k), 0);
    b->refuse = false;
    assert_string_equal(py(b, "1")->result[0].text, "1");
    assert_int_equal(b->seen.finished, 1);
}

/* ---- checks */

static struct seen *run_checked(const char *language, const char *code, const char *check)
{
    struct sandbox_run rq = request(next_run++, language, code);
    rq.check_code = check;
    rq.check_code_len = strlen(check);
    struct seen *s = box_run_request(shared, rq);
    assert_true(s->end.check_ran);
    return s;
}

static void test_checks(void **state)
{
    (void)state;
    struct seen *s = run_checked("python", "checked = 5", "assert checked == 5");
    assert_true(s->end.check_ok);
    s = run_checked("python", "checked = 6", "x = 1\nassert checked == 5, 'not five'");
    assert_false(s->end.check_ok);
    assert_string_equal(s->check,
                        "AssertionError: not five (line 2: assert checked == 5, 'not five')");
    assert_int_equal(s->end.code, 0);
    s = run_checked("python", "checked = 7", "checked = 8; print('noise'); nosuchname");
    assert_non_null(strstr(s->check, "NameError"));
    assert_int_equal(s->out.len + s->err.len, 0); /* it does not add to the run's output */
    assert_string_equal(py(shared, "checked")->result[0].text, "7"); /* nor to its names */
    s = run_checked("python", "1/0", "assert True");
    assert_true(s->end.check_ok);
    assert_int_equal(s->end.code, 1);
    s = run_checked("python", "pass", "assert (");
    assert_non_null(strstr(s->check, "SyntaxError"));
    s = run_checked("python", "pass", "import sys; sys.exit(3)");
    assert_false(s->end.check_ok);
    s = run_checked("bash", "echo 12 >made", "assert open('made').read() == '12\\n'");
    assert_true(s->end.check_ok);
    s = run_checked("bash", "echo 13 >made", "assert open('made').read() == '12\\n'");
    assert_false(s->end.check_ok);
    if (HAVE_NODE) {
        s = run_checked("javascript", "fs.writeFileSync('made', 'js')",
                        "assert open('made').read() == 'js'");
        assert_true(s->end.check_ok);
    }
}

/* ---- results */

static void test_rich_results(void **state)
{
    (void)state;
    struct seen *s = py(shared, "class R:\n"
                                "    def __repr__(self): return 'plain'\n"
                                "    def _repr_html_(self): return '<b>rich</b>'\n"
                                "    def _repr_png_(self): return b'\\x89PNG\\0\\xff'\n"
                                "    def _repr_latex_(self): raise RuntimeError\n"
                                "R()");
    assert_int_equal(s->results, 3);
    assert_string_equal(s->result[0].text, "plain");
    assert_string_equal(s->result[1].mime, "text/html");
    assert_string_equal(s->result[1].text, "<b>rich</b>");
    assert_string_equal(s->result[2].mime, "image/png");
    assert_int_equal(s->result[2].len, 6);
    assert_true(s->result[0].main);

    s = py(shared, "class B:\n"
                   "    def _repr_mimebundle_(self, include=None, exclude=None):\n"
                   "        return {'text/plain': 'p', 'application/json': {'a': [1, None]}}, {}\n"
                   "B()");
    assert_int_equal(s->results, 2);
    assert_string_equal(s->result[0].text, "p");
    assert_string_equal(s->result[1].text, "{\"a\": [1, null]}");

    s = py(shared, "display(1, 'two'); R");
    assert_int_equal(s->results, 3);
    assert_false(s->result[0].main);
    assert_true(s->result[2].main);

    s = py(shared, "'x' * 3_000_000");
    assert_int_equal(s->results, 1);
    assert_in_range(s->result[0].len, 1 << 20, (1 << 20) + 100);
    s = py(shared, "class Big:\n    def _repr_png_(self): return b'z' * 3_000_000\nBig()");
    assert_int_equal(s->result[1].len, 3000000); /* in parts, joined again */
    s = py(shared, "class Huge:\n    def _repr_png_(self): return b'z' * 40_000_000\nHuge()");
    assert_int_equal(s->results, 1);
}

static void test_plots(void **state)
{
    (void)state;
    if (box_run(shared, "python", "import matplotlib")->end.code != 0) {
        print_message("matplotlib is not installed: plots are NOT tested\n");
        skip();
    }
    struct seen *s = py(shared, "import matplotlib.pyplot as plt\n"
                                "plt.plot([1, 2]); plt.show(); print('between')\n"
                                "plt.figure(); plt.plot([3]); None");
    assert_int_equal(s->err.len, 0);
    assert_int_equal(s->results, 2);
    assert_string_equal(s->result[0].mime, "image/png");
    assert_memory_equal(s->result[1].text, "\x89PNG", 4);
    assert_string_equal(py(shared, "plt.get_fignums()")->result[0].text, "[]");
}

/* ---- output */

static void test_flood(void **state)
{
    (void)state;
    struct seen *s = py(shared, "import sys\nb = 'x' * 1023 + '\\n'\nfor i in range(64 * 1024): "
                                "sys.stdout.write(b)\nsys.stderr.write('y' * 5_000_000); None");
    assert_int_equal(s->end.stdout_bytes, 64 << 20);
    assert_int_equal(s->out.len, 64 << 20);
    assert_int_equal(s->end.stderr_bytes, 5000000);
    assert_int_equal(s->end.stderr_dropped + s->err.len, 5000000);
    for (size_t i = 1023; i < s->out.len; i += 1024)
        assert_true(s->out.ptr[i] == '\n');
}

static void test_output_cap(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->output_mib = 2;
    box_open(b);
    struct seen *s =
        py(b, "import sys\nfor i in range(80): sys.stdout.write('x' * 65536)\nprint('end'); 7");
    assert_int_equal(s->end.end, END_EXIT);
    assert_string_equal(s->result[0].text, "7"); /* it went on */
    assert_int_equal(s->out.len, 2 << 20);
    assert_int_equal(s->end.stdout_bytes, 80 * 65536 + 4);
    assert_int_equal(s->end.stdout_dropped, 80 * 65536 + 4 - (2 << 20));
    s = py(b, "print('fresh')"); /* each run has its own */
    assert_string_equal(buf_str(&s->out), "fresh\n");
    box_close(b);
}

/* What was not yet acknowledged before is less than a step of credit. */
static void fill_window(struct box *b)
{
    BOX_UNTIL(b, b->seen.out.len > CREDIT_WINDOW - (512u << 10));
    struct pollfd p = { .fd = b->fd, .events = POLLIN };
    while (poll(&p, 1, 100) == 1)
        box_turn(b);
    assert_true(b->seen.out.len <= CREDIT_WINDOW);
}

static void test_back_pressure(void **state)
{
    (void)state;
    struct box *b = shared;
    seen_reset(b, next_run);
    kernel_pause_output(b->k, true);
    box_send(b, request(next_run++, "python",
                        "import os\nfor i in range(320): os.write(1, b'z' * 65536)"));
    fill_window(b);
    assert_int_equal(b->seen.finished, 0);
    kernel_pause_output(b->k, false);
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(b->seen.out.len, 320 * 65536);
}

static void test_control_overtakes_output(void **state)
{
    (void)state;
    struct box *b = shared;
    kernel_pause_output(b->k, true);
    box_send(b, request(next_run++, "python", "while True: print('y' * 1000)"));
    fill_window(b);
    kernel_interrupt(b->k);
    kernel_pause_output(b->k, false);
    BOX_UNTIL(b, b->seen.finished == 1 && b->seen.states == 1);
    assert_int_equal(b->seen.end.end, END_INTERRUPTED);
}

static void test_background_output(void **state)
{
    (void)state;
    struct box *b = shared;
    buf_reset(&b->background);
    struct seen *s = py(
        b, "import subprocess\nsubprocess.Popen(['sh', '-c', "
           "'echo now; while [ ! -e go ]; do sleep 0.01; done; echo later; rm go'])\nimport time; "
           "time.sleep(0.3)");
    assert_string_equal(buf_str(&s->out), "now\n");
    s = py(
        b,
        "open('go', 'w').close()\nwhile os.path.exists('go'): time.sleep(0.01)\ntime.sleep(0.1)");
    /* Which run a process of an earlier one writes in can't be told apart: it is this one's. */
    assert_string_equal(buf_str(&s->out), "later\n");
    py(b, "subprocess.Popen(['sh', '-c', 'while [ ! -e /tmp/go ]; do sleep 0.01; done; sleep 0.3; "
          "echo idle'])");
    py(b, "open('/tmp/go', 'w').close()");
    BOX_UNTIL(b, has(&b->background, "idle\n"));
}

static void test_alarm_after_the_end(void **state)
{
    (void)state;
    struct box *b = shared;
    buf_reset(&b->background);
    py(b, "import signal\ndef ring(n, f): raise "
          "RuntimeError('late')\nsignal.signal(signal.SIGALRM, ring)\n"
          "signal.setitimer(signal.ITIMER_REAL, 0.05)");
    BOX_UNTIL(b, has(&b->background, "RuntimeError: late\n"));
    assert_string_equal(py(b, "6 * 7")->result[0].text, "42");
}

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

static void test_interrupt_twice(void **state)
{
    (void)state;
    struct box *b = shared;
    uint32_t kept = py_kept(b, "stubborn = 'before'");
    box_send(b, request(next_run++, "python",
                        "import time\nstubborn = 'after'\nprint('on', flush=True)\nwhile True:\n"
                        "    try:\n        while True: time.sleep(0.01)\n"
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
        assert_int_equal(var(s, "o")->change, CHANGE_UNKNOWN);
    } else {
        print_message("numpy is not installed: arrays are NOT tested\n");
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

/* ---- code that meddles */

static void test_meddling(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    struct seen *s = py(
        b, "import os, socket, stat\n"
           "for fd in range(3, 256):\n    try:\n        if stat.S_ISSOCK(os.fstat(fd).st_mode):\n"
           "            k = socket.socket(fileno=os.dup(fd))\n"
           "            "
           "k.send(b'garbage\\n{\"t\":\"done\",\"run\":999}\\n{\"t\":\"ready\"}\\n[1]\\n{\"t\":"
           "\"result\"')\n"
           "            "
           "k.send(b'}\\n{\"t\":\"hello\",\"x\":\"\\\\u0000\"}\\n{\"t\":\"forked\",\"run\":1,"
           "\"error\":\"\\\\ud800\"}\\n')\n"
           "    except OSError: pass\n'went on'");
    assert_int_equal(s->end.end, END_EXIT);
    assert_string_equal(s->result[0].text, "'went on'");
    assert_false(b->broken);
    /* A result that is no result breaks the protocol: the sandbox ends, and says why. */
    box_send(b, request(next_run++, "python",
                        "import time\nk.send(b'{\"t\":\"result\",\"run\":%d}\\n' % "
                        "__import__('_airlock').K.run)\n"
                        "time.sleep(5)"));
    while (!b->broken && box_turn(b)) {
    }
    assert_int_equal(b->seen.finished, 1);
    assert_int_equal(b->seen.end.end, END_LIMIT);
    assert_string_equal(b->seen.what, "protocol");
    box_close(b);
}

static void test_stream_cut(void **state)
{
    (void)state;
    struct box *b = box_new();
    box_open(b);
    py(b, "1");
    box_send(
        b, request(next_run++, "python", "print('on', flush=True)\nimport time; time.sleep(100)"));
    BOX_UNTIL(b, b->seen.out.len > 0);
    kernel_lost(b->k, END_LOST, "the connection was cut");
    assert_int_equal(b->seen.finished, 1);
    assert_int_equal(b->seen.end.end, END_LOST);
    assert_string_equal(b->seen.message, "the connection was cut");
    struct err e;
    struct sandbox_run rq = request(next_run++, "python", "1");
    assert_int_equal(kernel_exec(b->k, &rq, &e), -1);
    kernel_feed(b->k, "junk", 4);
    kernel_tick(b->k);
    assert_false(b->broken);
    box_close(b);
}

static int setup_bwrap(void **state)
{
    if (access("/usr/bin/bwrap", X_OK) != 0) {
        print_message("bubblewrap is not installed: NOTHING of the guest is tested\n");
        shared = NULL;
        return -1;
    }
    return open_shared(state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_self_check_fails),
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_javascript),
        cmocka_unit_test(test_bash),
        cmocka_unit_test(test_code_bytes),
        cmocka_unit_test(test_code_too_long),
        cmocka_unit_test(test_arguments_and_input),
        cmocka_unit_test(test_cwd),
        cmocka_unit_test(test_files_with_the_run),
        cmocka_unit_test(test_missing_interpreter),
        cmocka_unit_test(test_busy_and_refused),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_rich_results),
        cmocka_unit_test(test_plots),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_output_cap),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_control_overtakes_output),
        cmocka_unit_test(test_background_output),
        cmocka_unit_test(test_alarm_after_the_end),
        cmocka_unit_test(test_interrupt),
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
        cmocka_unit_test(test_meddling),
        cmocka_unit_test(test_stream_cut),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, setup_bwrap, close_shared);
}
