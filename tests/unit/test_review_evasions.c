/* test_review_evasions.c - the same deed, spelt otherwise: names and paths put together out of
 * escapes, pieces and other names, in three languages. What a spelling hides, a finding must still
 * say. */
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

struct spelling {
    const char *code, *rule; /* one of the rules, with a | between */
};

static bool names(const char *list, const char *rule)
{
    size_t len = strlen(rule);
    for (const char *p = list; *p != '\0'; p += strcspn(p, "|"), p += *p == '|') {
        if (strcspn(p, "|") == len && memcmp(p, rule, len) == 0)
            return true;
    }
    return false;
}

/* Does the review name one of the rules, not below `least`? */
static bool is_found(const char *language, const struct spelling *c, enum finding_severity least,
                     struct buf *said)
{
    struct review r;
    bool found = false;
    const struct review_context ctx = { .network_open = true };
    review_run(rules, language, c->code, strlen(c->code), &ctx, &r);
    for (size_t i = 0; i < r.count; i++) {
        found |= names(c->rule, r.findings[i].rule) && r.findings[i].severity >= least;
        (void)buf_addf(said, " %s:%d", r.findings[i].rule, (int)r.findings[i].severity);
    }
    review_release(&r);
    return found;
}

/* Cut off anywhere: nothing is read behind the end, nothing found there. */
static void cut_anywhere(const char *language, const char *code)
{
    for (size_t len = strlen(code); len-- > 0;) {
        struct review r;
        char *part = malloc(len + (len == 0)); /* no NUL behind it */
        assert_non_null(part);
        memcpy(part, code, len);
        review_run(rules, language, part, len, NULL, &r);
        for (size_t i = 0; i < r.count; i++)
            assert_true(r.findings[i].start + r.findings[i].len <= len);
        review_release(&r);
        free(part);
    }
}

static void expect_all(const char *language, const struct spelling *cases, size_t count,
                       enum finding_severity least)
{
    size_t missed = 0;
    for (size_t i = 0; i < count; i++)
        cut_anywhere(language, cases[i].code);
    for (size_t i = 0; i < count; i++) {
        struct buf said = BUF_INIT(1 << 16);
        if (!is_found(language, &cases[i], least, &said)) {
            missed++;
            print_error("%s\n  is not %s but%s\n", cases[i].code, cases[i].rule, buf_str(&said));
        }
        buf_release(&said);
    }
    assert_int_equal(missed, 0);
}

static void a_shell_command_by_any_spelling(void **state)
{
    (void)state;
    static const struct spelling cases[] = {
        { "$'\\162\\155' /etc/a", "sh.rm" },
        { "$'\\u0072m' /etc/a", "sh.rm" },
        { "$'\\U00000072\\U0000006d' /etc/a", "sh.rm" },
        { "$'r'$'\\x6D' /etc/a", "sh.rm" },
        { "$'\\x72'm /etc/a", "sh.rm" },
        { "r=$'\\162m'; $r /etc/a", "sh.rm" },
        { "r\"\"m /etc/a", "sh.rm" },
        { "'r'm /etc/a", "sh.rm" },
        { "\\rm /etc/a", "sh.rm" },
        { "r\\\nm /etc/a", "sh.rm" },
        { "/bin/rm /etc/a", "sh.rm" },
        { "X='rm -rf'; $X /etc", "sh.rm-recursive" },
        { "X=rm; \"$X\" -rf /etc", "sh.rm-recursive" },
        { "X=rm Y=$X; $Y -rf /etc", "sh.rm-recursive|sh.dynamic-command|sh.split-name" },
        { "X=r; ${X}m -rf /etc", "sh.rm-recursive|sh.split-name" },
        { "command rm /etc/a", "sh.rm" },
        { "env -i rm /etc/a", "sh.rm" },
        { "nohup nice -n 5 rm /etc/a", "sh.rm" },
        { "timeout 5 rm /etc/a", "sh.rm" },
        { "xargs rm < list", "sh.rm" },
        { "{ rm /etc/a; }", "sh.rm" },
        { "( rm /etc/a )", "sh.rm" },
        { "! rm /etc/a", "sh.rm" },
        { "if true; then rm /etc/a; fi", "sh.rm" },
        { "while read f; do rm /etc/$f; done", "sh.rm" },
        { "f() { rm /etc/a; }; f", "sh.rm" },
        { "echo $(rm /etc/a)", "sh.rm" },
        { "echo `rm /etc/a`", "sh.rm" },
        { "cat <(rm /etc/a)", "sh.rm" },
        { "cat <<E\n$(rm /etc/a)\nE\n", "sh.rm" },
        { "true && rm /etc/a || true", "sh.rm" },
        { "case x in x) rm /etc/a;; esac", "sh.rm" },
        { "time rm /etc/a", "sh.rm" },
        { "rm -- /etc/a", "sh.rm" },
        { "rm /et\"c\"/a", "sh.rm" },
        { "rm /{etc,usr}/a", "sh.rm" },
        { "rm ${HOME}/.ssh/id", "sh.rm" },
        { "rm ~/.ssh/id", "sh.rm" },
        { "rm -rf \"$PWD\"/../../etc", "sh.rm-recursive" },
        { "$SHELL -c 'rm /etc/a'", "sh.rm" },
        { "$BASH -c 'rm /etc/a'", "sh.rm" },
        { "bash -c \"rm /etc/a\"", "sh.rm" },
        { "sh <<'E'\nrm /etc/a\nE\n", "sh.rm" },
        { "eval 'rm /etc/a'", "sh.rm" },
        { "eval \"r\"m /etc/a", "sh.rm|sh.eval" },
        { "trap 'rm /etc/a' EXIT", "sh.rm" },
        { "${X:-rm} /etc/a", "sh.rm|sh.dynamic-command" },
        { "$(echo rm) /etc/a", "sh.rm|sh.dynamic-command" },
        { "$(printf '\\162\\155') /etc/a", "sh.rm|sh.dynamic-command" },
        { "IFS=,; c=rm,/etc/a; $c", "sh.ifs-trick|sh.rm|sh.dynamic-command" },
        { "a=(rm /etc/a); \"${a[@]}\"", "sh.rm|sh.dynamic-command" },
        { "alias x='rm'; x /etc/a", "sh.rm" },
        { "/b?n/rm /etc/a", "sh.glob-command|sh.rm" },
        { "{rm,/etc/a}", "sh.brace-command|sh.rm" },
        { "python3 -c 'import os; os.remove(\"/etc/a\")'", "py.delete-file" },
        { "node -e 'require(\"fs\").rmSync(\"/etc/a\")'",
          "js.delete-file|js.delete-tree|js.delete-extra|js.delete-one" },
    };
    expect_all("bash", cases, ARRAY_LEN(cases), SEVERITY_MEDIUM);
}

#define PY "py.delete-file|py.dynamic-name|py.built-name|py.introspection"

static void a_python_name_by_any_spelling(void **state)
{
    (void)state;
    static const struct spelling cases[] = {
        { "import os\ngetattr(os, \"\\x72emove\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"\\u0072emove\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"\\U00000072emove\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"\\162emove\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"\\N{LATIN SMALL LETTER R}emove\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"evomer\"[::-1])(\"/etc/a\")", PY },
        { "import os\ngetattr(os, b\"remove\".decode())(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"re\" \"move\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"re\" + \"move\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, f\"re{'move'}\")(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"\".join([\"re\", \"move\"]))(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"%s%s\" % (\"re\", \"move\"))(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"{}{}\".format(\"re\", \"move\"))(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"remoXe\".replace(\"X\", \"v\"))(\"/etc/a\")", PY },
        { "import os\ngetattr(os, \"REMOVE\".lower())(\"/etc/a\")", PY },
        { "import os\ngetattr(os, chr(114) + \"emove\")(\"/etc/a\")", PY },
        { "import os\nn = \"re\"\nn += \"move\"\ngetattr(os, n)(\"/etc/a\")", PY },
        { "import os\n(lambda f: f(\"/etc/a\"))(os.remove)", PY },
        { "import os\nlist(map(os.remove, [\"/etc/a\"]))", PY },
        { "import os, functools\nfunctools.partial(os.remove, \"/etc/a\")()", PY },
        { "import importlib\nimportlib.import_module(\"os\").remove(\"/etc/a\")", PY },
        { "__import__(\"o\" + \"s\").remove(\"/etc/a\")", PY "|py.dynamic-import" },
        { "from os import *\nremove(\"/etc/a\")", PY },
        { "import os as o, sys\nsys.modules[\"os\"].remove(\"/etc/a\")", PY },
        { "import posix\nposix.remove(\"/etc/a\")", PY },
        { "import nt as n\nn.unlink(\"/etc/a\")", PY },
        { "from posix import unlink as u\nu(\"/etc/a\")", PY },
        { "try:\n    import os as x\nexcept ImportError:\n    x = None\nx.remove(\"/etc/a\")", PY },
        { "class C:\n    import os\nC.os.remove(\"/etc/a\")", PY },
        { "import os\nd = {\"f\": os.remove}\nd[\"f\"](\"/etc/a\")", PY },
        { "import os\nfor f in (os.remove,):\n    f(\"/etc/a\")", PY },
        { "import os\n(r := os.remove)(\"/etc/a\")", PY },
        { "exec(\"import os\\nos.remove('/etc/a')\")", PY },
        { "exec(bytes([105,109,112,111,114,116]))", "py.exec-decoded|py.eval|py.char-codes" },
        { "eval(compile(\"__import__('os').remove('/etc/a')\", \"\", \"eval\"))", PY },
        { "import os\nos.remove(\"/\" \"etc/a\")", "py.delete-file" },
        { "import os\nos.remove(os.sep + \"etc\")", "py.delete-file" },
        { "import os\nos.remove(path=\"/etc/a\")", "py.delete-file" },
        { "import os\nos.remove(*[\"/etc/a\"])", "py.delete-file" },
        { "import os\nos.remove(**{\"path\": \"/etc/a\"})", "py.delete-file" },
        { "import os\nos . remove ( \"/etc/a\" )", "py.delete-file" },
        { "import os; k = os.environb[b\"API_KEY\"]", "any.env-secret" },
        { "import os; k = os.getenvb(b\"API_KEY\")", "any.env-secret" },
        { "import os; k = os.environ.pop(\"API_KEY\")", "any.env-secret" },
        { "import os; k = os.environ[\"API_\" + \"KEY\"]", "any.env-secret" },
        { "s = \"\\x65\\x76\\x61\\x6c\\x28\\x29\\x3b\"", "py.escaped-text" },
        { "s = \"\\145\\166\\141\\154\\160\\162\"", "py.escaped-text" },
        { "s = \"\\u0065\\u0076\\u0061\\u006c\\u0028\\u0029\"", "py.escaped-text" },
        { "s = \"\\U00000065\\U00000076\\U00000061\\U0000006c\\U00000028\\U00000029\"",
          "py.escaped-text" },
    };
    expect_all("python", cases, ARRAY_LEN(cases), SEVERITY_MEDIUM);
}

#define JS                                                                                         \
    "js.delete-file|js.delete-tree|js.delete-extra|js.delete-one|js.delete-method|"                \
    "js.built-name|js.escaped-name|js.dynamic-require"

static void a_javascript_name_by_any_spelling(void **state)
{
    (void)state;
    static const struct spelling cases[] = {
        { "const {rmSync: r} = require('fs'); r('/etc/a')", JS },
        { "const {...f} = require('fs'); f.rmSync('/etc/a')", JS },
        { "const {rmSync = null} = require('fs'); rmSync('/etc/a')", JS },
        { "const {rmSync = (x) => x, b} = require('fs'); rmSync('/etc/a')", JS },
        { "const {promises: {rm}} = require('fs'); rm('/etc/a')", JS },
        { "const {'rmSync': r} = require('fs'); r('/etc/a')", JS },
        { "const {['rmSync']: r} = require('fs'); r('/etc/a')", JS },
        { "let r; ({rmSync: r} = require('fs')); r('/etc/a')", JS },
        { "import f, {rmSync} from 'fs'; rmSync('/etc/a')", JS },
        { "import * as f from 'node:fs'; f.rmSync('/etc/a')", JS },
        { "import f from 'fs'; f.rmSync('/etc/a')", JS },
        { "import {rmSync as r} from 'fs'; r('/etc/a')", JS },
        { "import {default as f} from 'fs'; f.rmSync('/etc/a')", JS },
        { "(await import('fs')).rmSync('/etc/a')", JS },
        { "import('fs').then(f => f.rmSync('/etc/a'))", JS },
        { "require('f' + 's').rmSync('/etc/a')", JS },
        { "require(`fs`).rmSync('/etc/a')", JS },
        { "module.require('fs').rmSync('/etc/a')", JS },
        { "process.mainModule.require('fs').rmSync('/etc/a')", JS },
        { "process.getBuiltinModule('fs').rmSync('/etc/a')", JS },
        { "const f = require('fs'); f['rm' + 'Sync']('/etc/a')", JS },
        { "const f = require('fs'); f['\\x72mSync']('/etc/a')", JS },
        { "const f = require('fs'); f['\\u0072mSync']('/etc/a')", JS },
        { "const f = require('fs'); f['\\u{72}mSync']('/etc/a')", JS },
        { "const f = require('fs'); f[`rmSync`]('/etc/a')", JS },
        { "const f = require('fs'); f.r\\u006dSync('/etc/a')", JS },
        { "const f = require('fs'); f?.rmSync?.('/etc/a')", JS },
        { "const f = require('fs'); f.rmSync.call(null, '/etc/a')", JS },
        { "const f = require('fs'); f.rmSync.apply(null, ['/etc/a'])", JS },
        { "const f = require('fs'); f.rmSync.bind(f)('/etc/a')", JS },
        { "const f = require('fs'); const r = f.rmSync; r('/etc/a')", JS },
        { "const f = require('fs'); (0, f.unlinkSync)('/etc/a')", JS },
        { "const f = require('fs'); Reflect.apply(f.unlinkSync, f, ['/etc/a'])", JS },
        { "const f = require('fs'); ['/etc/a'].forEach(f.unlinkSync)", JS },
        { "const {GH_TOKEN: t} = process.env", "any.env-secret" },
        { "const {env: {GH_TOKEN}} = process", "any.env-secret" },
        { "const {env} = process; env.GH_TOKEN", "any.env-secret" },
        { "Deno.env.get('GH_TOKEN')", "any.env-secret" },
        { "s = '\\u{65}\\u{76}\\u{61}\\u{6c}\\u{28}\\u{29}'", "js.escaped-text" },
    };
    expect_all("javascript", cases, ARRAY_LEN(cases), SEVERITY_MEDIUM);
}

/* What only looks like it. */
static void honest_code_is_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *language;
        struct spelling code;
    } cases[] = {
        { "python", { "s = \"\\u2065\\u2066\\u2075\\u2073\\u2061\\u2070\"", "py.escaped-text" } },
        { "python",
          { "s = \"\\U00012065\\U00012066\\U00012075\\U00012073\\U00012061\\U00012070\"",
            "py.escaped-text" } },
        { "python", { "print(\"20 \\N{DEGREE SIGN}C\")", "py.dynamic-name|py.built-name" } },
        { "python", { "posix = shop()\nposix.remove(\"/etc/a\")", "py.delete-file" } },
        { "python", { "s = \"\\u00\"", "py.escaped-text" } },
        { "javascript",
          { "s = '\\u{1F600}\\u{1F601}\\u{1F602}\\u{1F603}\\u{1F604}\\u{1F605}'",
            "js.escaped-text" } },
        { "javascript", { "const {'a': b} = x; b('/etc/a')", "js.delete-file" } },
        { "bash",
          { "IFS=$'\\n'; for f in $(ls); do echo \"$f\"; done",
            "sh.dynamic-command|sh.ifs-trick" } },
        { "bash", { "x=ls; IFS=, read -r a b; $x", "sh.dynamic-command" } },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf said = BUF_INIT(1 << 16);
        if (is_found(cases[i].language, &cases[i].code, SEVERITY_INFO, &said))
            fail_msg("%s\n  is%s", cases[i].code.code, buf_str(&said));
        buf_release(&said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shell_command_by_any_spelling),
        cmocka_unit_test(a_python_name_by_any_spelling),
        cmocka_unit_test(a_javascript_name_by_any_spelling),
        cmocka_unit_test(honest_code_is_left_alone),
    };
    return cmocka_run_group_tests_name("review_evasions", tests, load, unload);
}
