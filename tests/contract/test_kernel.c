/* test_kernel.c - the real guest and the real interpreters behind a real wall: what code gives, and
 * that its bytes arrive as they are. */
#include "kernel_box.h"

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

static void test_results_without_end(void **state)
{
    (void)state;
    struct box *b = box_new();
    b->output_mib = 1;
    box_open(b);
    struct seen *s = py(b, "for i in range(5000): display(i)\n8");
    assert_int_equal(s->end.end, END_EXIT);
    assert_string_equal(s->limits, "results");
    assert_int_equal(s->results, 16); /* as many as this test keeps */
    box_close(b);
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
        cmocka_unit_test(test_results_without_end),
        cmocka_unit_test(test_plots),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_output_cap),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_control_overtakes_output),
        cmocka_unit_test(test_background_output),
        cmocka_unit_test(test_alarm_after_the_end),
        cmocka_unit_test(test_meddling),
        cmocka_unit_test(test_stream_cut),
    };
    return RUN_CASES(tests, argc, argv);
}
