/* test_review.c - findings: the rules' own examples, tables of code in three languages, positions,
 * contexts, limits, and rules that are written wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tool/review.h"
#include "review_cases.h"

static struct review_rules *rules;
static const char *const mounts[] = { "/mnt/data" };
static const struct review_context open_context = { mounts, 1, true };

static int load_rules(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    if (review_load(&rules, &e) == 0)
        return 0;
    print_error("%s\n", e.msg);
    return -1;
}

static int free_rules(void **state)
{
    (void)state;
    review_rules_free(rules);
    return 0;
}

static void run(struct review *out, const char *language, const char *code)
{
    review_run(rules, language, code, strlen(code), &open_context, out);
}

static const struct review_finding *find(const struct review *r, const char *rule)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->findings[i].rule, rule) == 0)
            return &r->findings[i];
    }
    return NULL;
}

static void describe(const struct review *r, struct buf *out)
{
    for (size_t i = 0; i < r->count; i++)
        buf_addf(out, "\n  line %u, severity %d, %s: %s", r->findings[i].line,
                 (int)r->findings[i].severity, r->findings[i].rule, r->findings[i].text);
}

/* ---- the rules themselves ---- */

static void test_examples(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    size_t examples = 0;
    if (review_self_test(rules, &examples, &e) < 0)
        fail_msg("%s", e.msg);
    assert_true(examples > 600);
    assert_true(review_rule_count(rules) > 150);
    const char *id, *category, *text;
    for (size_t i = 0; review_rule_at(rules, i, &id, &category, &text); i++)
        assert_true(strlen(id) > 3 && strlen(category) > 2 && strlen(text) > 3);
    assert_false(review_rule_at(rules, review_rule_count(rules), &id, &category, &text));
}

#define GOOD "rule a.b\ncategory c\nseverity high\ntext t\ncall f\n"

static void test_broken_rules(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "match x\n", "no rule was begun" },
        { GOOD "match f()\n", "`match` and a `no`" },
        { GOOD "no g()\n", "`match` and a `no`" },
        { "rule a.b\ncategory c\ntext t\ncall f\nmatch f()\nno g()\n", "severity" },
        { "rule a.b\nseverity high\ntext t\ncall f\nmatch f()\nno g()\n", "category" },
        { "rule a.b\ncategory c\nseverity high\ntext t\nmatch f()\nno g()\n", "matches nothing" },
        { GOOD "match f()\nno g()\nrule a.b\n", "used before" },
        { GOOD "severity grave\n", "severity is" },
        { GOOD "severity high low\n", "severity is" },
        { GOOD "whatever x\n", "unknown word" },
        { GOOD "call\n", "no names" },
        { GOOD "when 0\n", "when ARGUMENT CLASS" },
        { GOOD "when 0 nice\n", "unknown class" },
        { GOOD "code 0 latin\n", "which language" },
        { GOOD "path\n", "which argument" },
        { GOOD "match\n", "empty example" },
        { "rule\n", "rule ID" },
        { "rule a b\n", "rule ID" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct review_rules *r = NULL;
        struct err e = ERR_INIT;
        int rc = review_load_text(&r, "python", cases[i].text, strlen(cases[i].text), &e);
        assert_int_equal(rc, -1);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_ptr_equal(r, NULL);
        if (strstr(e.msg, cases[i].says) == NULL || strstr(e.msg, "python:") == NULL)
            fail_msg("%s\nsaid: %s", cases[i].text, e.msg);
    }
    struct review_rules *r = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(review_load_text(&r, "latin", "", 0, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
}

/* Examples that are wrong are found by the self-test, with the rule and the line. */
static void test_wrong_examples(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { GOOD "match f()\nno g()\n", true },  { GOOD "match g()\nno g()\n", false },
        { GOOD "match f()\nno f()\n", false }, { GOOD "high f()\nno g()\n", true },
        { GOOD "low f()\nno g()\n", false },   { GOOD "match x = 1\\nf()\nno # f()\n", true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct review_rules *r = NULL;
        struct err e = ERR_INIT;
        size_t examples = 0;
        if (review_load_text(&r, "python", cases[i].text, strlen(cases[i].text), &e) < 0)
            fail_msg("%s", e.msg);
        int rc = review_self_test(r, &examples, &e);
        assert_int_equal(rc, cases[i].good ? 0 : -1);
        if (cases[i].good)
            assert_int_equal(examples, 2);
        else
            assert_true(e.code == ERR_FORMAT && strstr(e.msg, "rule a.b, line ") != NULL);
        review_rules_free(r);
    }
}

/* ---- code and findings ---- */

static void check_case(const struct review_case *c)
{
    struct review r;
    run(&r, c->language, c->code);
    bool ok;
    if (c->rule == NULL) {
        ok = r.count == 0;
    } else if (c->severity < 0) {
        ok = find(&r, c->rule) == NULL;
    } else {
        ok = false;
        for (size_t i = 0; i < r.count; i++)
            ok |= strcmp(r.findings[i].rule, c->rule) == 0 && r.findings[i].line == c->line &&
                  (int)r.findings[i].severity == c->severity;
    }
    if (!ok) {
        struct buf got = BUF_INIT(1 << 16);
        describe(&r, &got);
        fail_msg("%s:\n%s\nwanted %s%s, severity %d, line %u; got%s", c->language, c->code,
                 c->severity < 0 ? "no " : "", c->rule != NULL ? c->rule : "finding", c->severity,
                 c->line, buf_str(&got));
    }
    review_release(&r);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(review_cases); i++)
        check_case(&review_cases[i]);
}

/* Where a finding points is the code it is about, also within literals and here-documents. */
static void test_positions(void **state)
{
    (void)state;
    static const struct {
        const char *language, *code, *rule, *piece;
    } cases[] = {
        { "python", "x = 1\nimport os as o\no.remove('/etc/a')\n", "py.delete-file", "o.remove" },
        { "python", "os.system('ls; rm /etc/a')", "sh.rm", "rm /etc/a" },
        { "python", "os.system(\"rm \" + x)", "sh.rm", "\"rm \" + x" },
        { "python", "exec('import os\\nos.remove(\"/etc/a\")')", "py.delete-file",
          "'import os\\nos.remove(\"/etc/a\")'" },
        { "shell", "a\nb && rm -rf /etc x\n", "sh.rm-recursive", "rm -rf /etc x" },
        { "shell", "cat <<E | python3\nimport os\nos.remove('/etc/a')\nE\n", "py.delete-file",
          "os.remove" },
        { "shell", "bash -c 'x; rm /etc/a'", "sh.rm", "rm /etc/a" },
        { "shell", "bash -c 'python3 -c \"import os; os.remove(0)\"'", "py.delete-file",
          "\"import os; os.remove(0)\"" },
        { "shell", "echo x >/etc/a", "sh.redirect", "/etc/a" },
        { "javascript", "let a; require('fs').rmSync('/etc/a')", "js.delete-one",
          "require('fs').rmSync" },
        { "javascript", "eval(`1; eval(2)`)", "js.eval", "eval" },
        { "python", "k = 'AKIAABCDEFGHIJKLMNOP' # x", "any.secret-key", "AKIAABCDEFGHIJKLMNOP" },
        { "python", "x = 1 # \xe2\x80\xae", "any.bidi", "\xe2\x80\xae" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct review r;
        run(&r, cases[i].language, cases[i].code);
        const struct review_finding *f = find(&r, cases[i].rule);
        if (f == NULL)
            fail_msg("%s: no %s", cases[i].code, cases[i].rule);
        size_t n = strlen(cases[i].piece);
        if (f->len != n || memcmp(cases[i].code + f->start, cases[i].piece, n) != 0)
            fail_msg("%s: points at %.*s", cases[i].code, (int)f->len, cases[i].code + f->start);
        review_release(&r);
    }
}

static int severity_of(const char *language, const char *code, const struct review_context *ctx,
                       const char *rule)
{
    struct review r;
    review_run(rules, language, code, strlen(code), ctx, &r);
    const struct review_finding *f = find(&r, rule);
    int severity = f != NULL ? (int)f->severity : -1;
    review_release(&r);
    return severity;
}

static void test_context(void **state)
{
    (void)state;
    static const char *const inner[] = { "/workspace/in", "/data/" };
    static const struct review_context nothing = { NULL, 0, true };
    static const struct review_context closed = { NULL, 0, false };
    static const struct review_context mounted = { inner, 2, true };
    const char *rm = "rm -rf /workspace/in/x", *above = "rm -rf /workspace", *other = "rm /data/x";
    assert_int_equal(severity_of("sh", rm, &nothing, "sh.rm-recursive"), SEVERITY_MEDIUM);
    assert_int_equal(severity_of("sh", rm, &mounted, "sh.rm-recursive"), SEVERITY_HIGH);
    assert_int_equal(severity_of("sh", above, &nothing, "sh.rm-recursive"), SEVERITY_MEDIUM);
    assert_int_equal(severity_of("sh", above, &mounted, "sh.rm-recursive"), SEVERITY_HIGH);
    assert_int_equal(severity_of("sh", other, &mounted, "sh.rm"), SEVERITY_HIGH);
    assert_int_equal(severity_of("sh", "rm in2/x", &mounted, "sh.rm"), SEVERITY_LOW);
    assert_int_equal(severity_of("sh", "rm in/x", &mounted, "sh.rm"), SEVERITY_HIGH);
    assert_int_equal(severity_of("sh", "curl x", &nothing, "sh.network"), SEVERITY_MEDIUM);
    assert_int_equal(severity_of("sh", "curl x", &closed, "sh.network"), SEVERITY_LOW);
    assert_int_equal(severity_of("sh", "curl x", NULL, "sh.network"), SEVERITY_LOW);
    assert_int_equal(severity_of("sh", "curl x | sh", &closed, "sh.pipe-to-shell"), SEVERITY_HIGH);
    assert_int_equal(severity_of("py", "requests.get(u)", &closed, "py.network"), SEVERITY_LOW);
    /* one deep */
    assert_int_equal(severity_of("py", "os.system('rm in/x')", &mounted, "sh.rm"), SEVERITY_HIGH);
}

static void test_text(void **state)
{
    (void)state;
    struct review r;
    run(&r, "python", "import os\nos.remove('/etc/a')");
    assert_string_equal(find(&r, "py.delete-file")->text,
                        "deletes a file outside the workspace: /etc/a");
    review_release(&r);
    run(&r, "python", "import os\nos.remove('/mnt/data/\\u202e\\x1b')");
    assert_string_equal(find(&r, "py.delete-file")->text,
                        "deletes a file in a read-write mount: /mnt/data/????");
    review_release(&r);
    run(&r, "shell", "rm \"$x\"");
    assert_string_equal(find(&r, "sh.rm")->text, "deletes: rm \"$x\"");
    review_release(&r);
    /* a secret is never repeated */
    run(&r, "python", "k = 'AKIAABCDEFGHIJKLMNOP'");
    assert_ptr_equal(strstr(find(&r, "any.secret-key")->text, "AKIA"), NULL);
    review_release(&r);
}

/* ---- order, limits, any bytes ---- */

static void check_sorted(const struct review *r, size_t len)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct review_finding *f = &r->findings[i];
        assert_true(f->start + f->len <= len);
        if (i == 0 || (r->truncated && i + 1 == r->count))
            continue;
        const struct review_finding *g = f - 1;
        int c = strcmp(g->rule, f->rule);
        assert_true(g->line < f->line ||
                    (g->line == f->line && (c < 0 || (c == 0 && g->start < f->start))));
    }
}

static void test_order(void **state)
{
    (void)state;
    const char *code = "eval(x)\nimport socket\nos.remove('/etc/a'); eval(y); eval(z)\n"
                       "socket.socket()\n";
    struct review a, b;
    run(&a, "python", code);
    run(&b, "python", code);
    check_sorted(&a, strlen(code));
    assert_true(a.count >= 6);
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        assert_ptr_equal(a.findings[i].rule, b.findings[i].rule);
        assert_string_equal(a.findings[i].text, b.findings[i].text);
        assert_int_equal(a.findings[i].start, b.findings[i].start);
    }
    assert_int_equal(review_highest(&a), SEVERITY_HIGH);
    review_release(&a);
    review_release(&b);
    assert_int_equal(review_highest(&a), -1);
}

/* More than fit: the gravest stay, the last one says so and is HIGH. */
static void test_limit(void **state)
{
    (void)state;
    struct buf code = BUF_INIT(1 << 22);
    for (int i = 0; i < 3000; i++)
        buf_addf(&code, "open('/etc/%d')\n", i);
    buf_add_str(&code, "os.remove('/etc/a')\n");
    struct review r;
    review_run(rules, "python", code.ptr, code.len, &open_context, &r);
    assert_true(r.truncated);
    assert_int_equal(r.count, REVIEW_FINDINGS_MAX + 1);
    assert_int_equal(review_highest(&r), SEVERITY_HIGH);
    const struct review_finding *last = &r.findings[r.count - 1];
    assert_string_equal(last->rule, "review.truncated");
    assert_int_equal(last->severity, SEVERITY_HIGH);
    assert_non_null(find(&r, "py.delete-file"));
    assert_int_equal(find(&r, "py.delete-file")->line, 3001);
    check_sorted(&r, code.len);
    review_release(&r);
    /* far more than are even noted */
    for (int i = 0; i < 60000; i++)
        buf_addf(&code, "os.remove('/etc/%d')\n", i);
    review_run(rules, "python", code.ptr, code.len, &open_context, &r);
    assert_true(r.truncated && r.count == REVIEW_FINDINGS_MAX + 1);
    review_release(&r);
    buf_release(&code);
}

static void test_empty_and_unknown(void **state)
{
    (void)state;
    struct review r;
    run(&r, "python", "");
    assert_int_equal(r.count, 0);
    review_release(&r);
    review_run(rules, "python", NULL, 0, NULL, &r);
    assert_int_equal(r.count, 0);
    review_release(&r);
    run(&r, "cobol", "STOP RUN. \xe2\x80\xae");
    assert_non_null(find(&r, "any.bidi"));
    assert_int_equal(find(&r, "any.unknown-language")->severity, SEVERITY_HIGH);
    assert_int_equal(find(&r, "any.unknown-language")->line, 0);
    review_release(&r);
    run(&r, "python", "x = 1\n\n\n\n");
    assert_int_equal(r.count, 0);
    review_release(&r);
    review_release(&r);
    review_release(NULL);
    review_rules_free(NULL);
}

/* Half-streamed code and code with bytes knocked out: no crash, sorted, inside. */
static void test_damaged(void **state)
{
    (void)state;
    uint32_t seed = 11;
    for (size_t i = 0; i < ARRAY_LEN(review_cases); i++) {
        const struct review_case *c = &review_cases[i];
        size_t len = strlen(c->code);
        for (size_t n = 0; n <= len; n += 1 + len / 12) {
            char *part = xmemdup(c->code, n);
            struct review r;
            seed = seed * 1664525u + 1013904223u;
            if (n > 0 && seed % 3 == 0)
                part[(seed >> 8) % n] = (char)(seed >> 24);
            review_run(rules, c->language, part, n, &open_context, &r);
            check_sorted(&r, n);
            review_release(&r);
            free(part);
        }
    }
}

/* Code made to be slow ends: a quarter of a mebibyte of one piece each. */
static void test_large(void **state)
{
    (void)state;
    static const struct {
        const char *language, *piece;
    } cases[] = {
        { "python", "(" },
        { "python", "a=" },
        { "python", "getattr(os," },
        { "python", "f\"{" },
        { "python", "eyJ-" },
        { "python", "os.system('ls')\n" },
        { "python", "(a).b" },
        { "shell", "$(" },
        { "shell", "cat <<E\n" },
        { "shell", "a=$a " },
        { "shell", "eval 'a'\n" },
        { "shell", "| " },
        { "javascript", "`${" },
        { "javascript", "a=" },
        { "javascript", "{a:" },
        { "javascript", "x=/[;" },
        { "python", "\xe2\x80\xae" },
    };
    struct buf code = BUF_INIT(1 << 21);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct review r;
        buf_reset(&code);
        while (code.len < 1 << 18)
            buf_add_str(&code, cases[i].piece);
        review_run(rules, cases[i].language, code.ptr, code.len, &open_context, &r);
        assert_true(r.count <= REVIEW_FINDINGS_MAX + 1);
        check_sorted(&r, code.len);
        review_release(&r);
    }
    buf_release(&code);
}

/* Tables of names grow in the middle of a look at one: found on a file of Python's library. */
static void test_many_names(void **state)
{
    (void)state;
    struct buf code = BUF_INIT(1 << 20);
    for (unsigned names = 480; names < 520; names++) {
        struct review r;
        buf_reset(&code);
        buf_add_str(&code, "self.a = '/etc/a'\n");
        for (unsigned i = 0; i < names; i++)
            buf_addf(&code, "n%u = 0\n", i);
        buf_add_str(&code, "x = self.b\nimport os\nos.remove(self.c)\nos.remove(self.a)\n");
        review_run(rules, "python", code.ptr, code.len, &open_context, &r);
        assert_int_equal(r.count, 2);
        review_release(&r);
    }
    buf_release(&code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),       cmocka_unit_test(test_broken_rules),
        cmocka_unit_test(test_wrong_examples), cmocka_unit_test(test_cases),
        cmocka_unit_test(test_positions),      cmocka_unit_test(test_context),
        cmocka_unit_test(test_text),           cmocka_unit_test(test_order),
        cmocka_unit_test(test_limit),          cmocka_unit_test(test_empty_and_unknown),
        cmocka_unit_test(test_damaged),        cmocka_unit_test(test_large),
        cmocka_unit_test(test_many_names),
    };
    return cmocka_run_group_tests_name("review", tests, load_rules, free_rules);
}
