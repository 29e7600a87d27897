/* test_review_spellings.c - the corpus of spellings: each row of review_spellings_*.h must give its
 * finding; code as honest people write it must give none above LOW. What is known to stay unseen is
 * listed in share/doc/TRUST.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tool/review.h"

struct spelling {
    const char *code, *rule;
};

#include "tests/unit/review_spellings_javascript.h"
#include "tests/unit/review_spellings_python.h"
#include "tests/unit/review_spellings_shell.h"

static struct review_rules *rules;

static int load(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    return review_load(&rules, &e);
}

static int unload(void **state)
{
    (void)state;
    review_rules_free(rules);
    return 0;
}

/* Does the review name `rule`? NULL: anything above LOW. */
static bool is_named(const char *language, const struct spelling *c, struct buf *said)
{
    static const struct review_context ctx = { .network_open = true };
    struct review r;
    bool named = false;
    review_run(rules, language, c->code, strlen(c->code), &ctx, &r);
    for (size_t i = 0; i < r.count; i++) {
        const struct review_finding *f = &r.findings[i];
        named |= c->rule != NULL ? strcmp(f->rule, c->rule) == 0 : f->severity > SEVERITY_LOW;
        (void)buf_addf(said, " %s:%d", f->rule, (int)f->severity);
    }
    review_release(&r);
    return named;
}

static void expect(const char *language, const struct spelling *cases, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        struct buf said = BUF_INIT(1 << 16);
        if (is_named(language, &cases[i], &said) != (cases[i].rule != NULL)) {
            wrong++;
            print_error("%s\n  wanted %s, got%s\n", cases[i].code,
                        cases[i].rule != NULL ? cases[i].rule : "nothing above low",
                        buf_str(&said));
        }
        buf_release(&said);
    }
    assert_int_equal(wrong, 0);
}

static void test_python(void **state)
{
    (void)state;
    expect("python", python_spellings, ARRAY_LEN(python_spellings));
}

static void test_shell(void **state)
{
    (void)state;
    expect("shell", shell_spellings, ARRAY_LEN(shell_spellings));
}

static void test_javascript(void **state)
{
    (void)state;
    expect("javascript", javascript_spellings, ARRAY_LEN(javascript_spellings));
}

static void test_honest_python(void **state)
{
    (void)state;
    static const struct spelling cases[] = {
        { "import os\nprint(os.getcwd(), os.path.join('a', 'b'), os.cpu_count())", NULL },
        { "import os\nfor root, dirs, files in os.walk('.'):\n    print(root)", NULL },
        { "import os\nif hasattr(os, 'fork'):\n    print(getattr(os, 'getcwd')())", NULL },
        { "import os\nx = 'HOME' in os.environ and os.environ['HOME']", NULL },
        { "def close(self, unlink=None):\n    self.file.close()\n    self.x = 1", NULL },
        { "def f(os, fs): return os.path", NULL },
        { "import subprocess\nok = subprocess.CompletedProcess, subprocess.PIPE", NULL },
        { "import ssl, socket, smtplib\ntry: f()\nexcept (ssl.SSLError, socket.timeout): pass\n"
          "print(smtplib.SMTP_PORT)",
          NULL },
        { "items.remove(x); d.pop('system'); q.get('eval')", NULL },
        { "model.eval(); df.eval('a + b'); re.compile('a').match(s)", NULL },
        { "class A:\n    def remove(self, x): self.items.remove(x)", NULL },
        { "from pathlib import Path\np = Path('out') / 'a.csv'\np.write_text('x')\np.open('w')",
          NULL },
        { "import pandas as pd\ndf = pd.read_csv('a.csv')\ndf.to_csv('b.csv')\n"
          "df.groupby('x').agg({'y': 'sum'}).plot().figure.savefig('p.png')",
          NULL },
        { "import numpy as np\nnp.save('a.npy', np.zeros((100, 100)))", NULL },
        { "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('drop table x')", NULL },
        { "while queue:\n    queue.pop()\nwhile x > 0: x -= 1\nwhile []: pass", NULL },
        { "for block in iter(lambda: f.read(8192), b''): h.update(block)", NULL },
        { "x = 10**100; y = 1 << 1000; z = 1.79e308", NULL },
        { "import sys\nm = sys.modules[__name__]\nprint(sys.argv[1], sys.version_info[0])", NULL },
        { "globals()['x%d' % i] = 1", NULL },
        { "print('rm -rf /', \"os.system('ls')\")  # exec(x)", NULL },
        { "import timeit\nprint(timeit.timeit(lambda: f(), number=10))", NULL },
        { "import operator\nxs.sort(key=operator.attrgetter('name'))\n"
          "m = operator.methodcaller('lower')",
          NULL },
        { "match command.split():\n    case ['go', where]: print(where)", NULL },
        { "import logging\nlogging.getLogger(__name__).info('deleted %s', name)", NULL },
    };
    expect("python", cases, ARRAY_LEN(cases));
}

static void test_honest_shell(void **state)
{
    (void)state;
    static const struct spelling cases[] = {
        { "set -euo pipefail\ncd \"$(dirname \"$0\")\"\necho \"$@\"", NULL },
        { "for f in *.txt; do echo \"$f\"; done", NULL },
        { "while read -r line; do echo \"$line\"; done < in.txt", NULL },
        { "while [ \"$i\" -lt 3 ]; do i=$((i + 1)); done", NULL },
        { "grep -rn 'rm -rf' . | head", NULL },
        { "git -c user.name=x commit -m 'remove exec'; git commit-tree x -p y", NULL },
        { "tar xf a.tgz -C out; tar czf a.tgz dir", NULL },
        { "mkdir -p out/a && touch out/a/b && ln -s b out/c", NULL },
        { "sort -o out.txt in.txt; gcc x.c -o x", NULL },
        { "python3 -E -S x.py; python3 -m venv .venv", NULL },
        { "diff <(sort a) <(sort b)", NULL },
        { "cat > run.sh <<'E'\necho hello\nE\nsh run.sh", NULL },
        { "bash -c \"echo $x\"; sh ./build.sh", NULL },
        { "echo \"don't rm x\"; printf '%s\\n' 'curl x | sh'", NULL },
        { "if ! command -v jq >/dev/null 2>&1; then exit 1; fi", NULL },
        { "case \"$1\" in -h) echo rm;; *) echo eval;; esac", NULL },
        { "env LC_ALL=C sort x; timeout 5 make", NULL },
        { "alias ll='ls -l'; hash -r", NULL },
        { "awk -F, '{ s += $2 } END { print s }' x.csv", NULL },
        { "sed -n '/x/!p' a", NULL },
    };
    expect("shell", cases, ARRAY_LEN(cases));
}

static void test_honest_javascript(void **state)
{
    (void)state;
    static const struct spelling cases[] = {
        { "const fs = require('fs'); console.log(fs.readFileSync('x', 'utf8'))", NULL },
        { "const { promises: fs } = require('fs'); await fs.readFile('x')", NULL },
        { "const { readFile } = require('fs/promises'); readFile('x').then(r => r.length)", NULL },
        { "import { readFile } from 'node:fs/promises'; const t = await readFile('x')", NULL },
        { "import('fs').then(fs => fs.readFileSync('x'))", NULL },
        { "function handle(request, ws, got) { return request.body + ws.id + got }", NULL },
        { "const expected = 1, got = f(); if (got !== expected) throw new Error(got)", NULL },
        { "const path = require('path'); path.join('a', 'b'); args[path.length]", NULL },
        { "for (let i = 0; i < a.length; i++) { map[i] = buffer[j++] }", NULL },
        { "class A { #next = new Array(3); f(i) { return this.#next[this.#next[i]] } }", NULL },
        { "const B = Buffer[Symbol.species]; Buffer.from('x')", NULL },
        { "const net = require('net'); net.isIP(x)", NULL },
        { "/rm/.exec(s); model.eval(x); repo.fetch(); list.remove(1)", NULL },
        { "process.env.NODE_ENV === 'test'; const { HOME } = process.env", NULL },
        { "setTimeout(() => f(), 10); setTimeout(f, 10)", NULL },
        { "while (i < 3) { i++ } do { x() } while (x())", NULL },
        { "fs.writeFileSync('out.txt', 'x'); fs.mkdirSync('a', { recursive: true })", NULL },
        { "s = 'eval(x)'; // require('child_process').exec('ls')", NULL },
        { "const g = ({ fs }) => 1; function h({ fs, os }) { return 1 }", NULL },
        { "const fs_1 = __importDefault(require('fs'))", NULL },
    };
    expect("javascript", cases, ARRAY_LEN(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python),       cmocka_unit_test(test_shell),
        cmocka_unit_test(test_javascript),   cmocka_unit_test(test_honest_python),
        cmocka_unit_test(test_honest_shell), cmocka_unit_test(test_honest_javascript),
    };
    return cmocka_run_group_tests_name("review_spellings", tests, load, unload);
}
