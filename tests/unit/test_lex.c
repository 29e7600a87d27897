/* test_lex.c - tokens: golden dumps, cover of any bytes, going on from any line, growing code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tool/lex.h"
#include "lex_cases.h"

static void dump(struct buf *out, enum lex_lang lang, const char *code, size_t len)
{
    static const char letters[] = "tknb#srco@v!";
    struct lex lx;
    struct lex_token t;
    lex_init(&lx, lang, code, len);
    while (lex_next(&lx, &t)) {
        buf_add_str(out, out->len > 0 ? " " : "");
        if (t.kind == LEX_NEWLINE) {
            buf_add_char(out, (t.flags & LEX_INSIDE) != 0 ? '~' : '/');
            continue;
        }
        buf_add_char(out, letters[t.kind]);
        buf_add_str(out, (t.flags & LEX_UNSURE) != 0 ? "?" : "");
        buf_add_str(out, (t.flags & LEX_DEF) != 0 ? "*" : "");
        buf_addf(out, "<%.*s>", (int)t.len, code + t.start);
    }
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lex_cases); i++) {
        const struct lex_case *c = &lex_cases[i];
        struct buf out = BUF_INIT(1 << 16);
        dump(&out, c->lang, c->code, strlen(c->code));
        if (strcmp(buf_str(&out), c->tokens) != 0)
            fail_msg("%s:\n%s\ngave %s\nnot  %s", lex_language_name(c->lang), c->code,
                     buf_str(&out), c->tokens);
        buf_release(&out);
    }
}

static void test_languages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum lex_lang lang;
    } names[] = {
        { "python", LEX_LANG_PYTHON },   { "py", LEX_LANG_PYTHON },
        { "PYTHON3", LEX_LANG_PYTHON },  { "js", LEX_LANG_JAVASCRIPT },
        { "node", LEX_LANG_JAVASCRIPT }, { "Bash", LEX_LANG_SHELL },
        { "sh", LEX_LANG_SHELL },        { "shell", LEX_LANG_SHELL },
        { "ruby", LEX_LANG_NONE },       { "", LEX_LANG_NONE },
        { NULL, LEX_LANG_NONE },
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(lex_language(names[i].name), names[i].lang);
    assert_string_equal(lex_language_name(LEX_LANG_SHELL), "shell");
    assert_string_equal(lex_language_name((enum lex_lang)77), "");
    assert_string_equal(lex_kind_name(LEX_DECORATOR), "decorator");
    assert_string_equal(lex_kind_name((enum lex_kind)77), "");
}

/* ---- properties that hold for any bytes ---- */

#define TOKENS_MAX 4096

struct all {
    struct lex_token tokens[TOKENS_MAX];
    size_t count;
    size_t line_at[TOKENS_MAX], line_token[TOKENS_MAX];
    struct lex_state line_state[TOKENS_MAX];
    size_t lines;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

/* Read all; every byte is in one token or a blank, no token crosses a line. */
static void read_all(struct all *a, enum lex_lang lang, const char *code, size_t len)
{
    static const struct lex_state fresh;
    struct lex lx;
    struct lex_token t;
    size_t at = 0;
    lex_init(&lx, lang, code, len);
    a->count = 0;
    a->lines = 1;
    a->line_at[0] = a->line_token[0] = 0;
    a->line_state[0] = fresh;
    while (lex_next(&lx, &t)) {
        assert_true(t.len > 0 && t.kind < LEX_KINDS && a->count < TOKENS_MAX);
        for (; at < t.start; at++)
            assert_true(is_blank(code[at]));
        assert_int_equal(at, t.start);
        at += t.len;
        a->tokens[a->count++] = t;
        bool lf = code[at - 1] == '\n';
        assert_ptr_equal(memchr(code + t.start, '\n', t.len - (lf ? 1 : 0)), NULL);
        assert_true(!lf || t.kind == LEX_NEWLINE);
        if (!lf)
            continue;
        a->line_at[a->lines] = at;
        a->line_token[a->lines] = a->count;
        a->line_state[a->lines++] = lx.state;
    }
    for (; at < len; at++)
        assert_true(is_blank(code[at]));
}

/* From every line start with its state the same tokens follow. */
static void check_resume(const struct all *a, enum lex_lang lang, const char *code, size_t len)
{
    for (size_t i = 0; i < a->lines; i++) {
        struct lex lx;
        struct lex_token t;
        size_t k = a->line_token[i];
        lex_resume(&lx, lang, code, len, a->line_at[i], &a->line_state[i]);
        while (lex_next(&lx, &t)) {
            assert_true(k < a->count);
            assert_memory_equal(&t, &a->tokens[k], sizeof(t));
            k++;
        }
        assert_int_equal(k, a->count);
    }
}

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Bytes that matter to the three languages, and any byte now and then. */
static size_t random_code(uint32_t *seed, char *out, size_t max)
{
    static const char *const pieces[] = {
        "'",
        "\"",
        "`",
        "$(",
        "${",
        "$((",
        "))",
        ")",
        "}",
        "{",
        "(",
        "[",
        "]",
        "]]",
        "[[ ",
        "<<E",
        "<<-'E'",
        "\nE\n",
        "\nE",
        ";",
        ";;",
        "|",
        "&",
        "#",
        "//",
        "/*",
        "*/",
        "/",
        "\\",
        "\\\n",
        "\n",
        "\n",
        " ",
        " ",
        "=",
        "x",
        "if ",
        "for ",
        "case ",
        " in ",
        "esac",
        "do ",
        "done",
        "f\"",
        "r'''",
        "\"\"\"",
        ":",
        "!",
        "match ",
        "def ",
        "@",
        "return ",
        "=>",
        "<!--",
        "-->",
        "0x1",
        "1.5e",
        ".",
        "\r",
        "\t",
        "\xe2\x80\xa8",
        "\xc2\xa0",
        "\xff",
        "\\u0061",
        "$'",
        "`${",
        "a=(",
        "2>&",
        "<(",
        "?.",
    };
    size_t n = 0;
    size_t want = random_next(seed) % max;
    while (n + 8 < want) {
        if (random_next(seed) % 30 == 0) {
            out[n++] = (char)random_next(seed);
            continue;
        }
        const char *p = pieces[random_next(seed) % ARRAY_LEN(pieces)];
        size_t len = strlen(p);
        memcpy(out + n, p, len);
        n += len;
    }
    return n;
}

static void test_any_bytes(void **state)
{
    (void)state;
    uint32_t seed = 7;
    struct all *a = xcalloc(1, sizeof(*a));
    for (int i = 0; i < 3000; i++) {
        char code[512];
        size_t len = random_code(&seed, code, sizeof(code));
        /* exactly as long as it is, so that a byte too far is seen */
        char *exact = xmemdup(code, len);
        for (int lang = LEX_LANG_NONE; lang <= LEX_LANG_JAVASCRIPT; lang++) {
            read_all(a, (enum lex_lang)lang, exact, len);
            check_resume(a, (enum lex_lang)lang, exact, len);
        }
        free(exact);
    }
    free(a);
}

/* Half-streamed: every prefix of every case is covered too, and finished lines do not change. */
static void test_prefixes(void **state)
{
    (void)state;
    struct all *whole = xcalloc(1, sizeof(*whole)), *part = xcalloc(1, sizeof(*part));
    for (size_t i = 0; i < ARRAY_LEN(lex_cases); i++) {
        const struct lex_case *c = &lex_cases[i];
        size_t len = strlen(c->code);
        read_all(whole, c->lang, c->code, len);
        for (size_t n = 0; n <= len; n++) {
            char *exact = xmemdup(c->code, n);
            read_all(part, c->lang, exact, n);
            for (size_t line = 0; line < part->lines; line++)
                assert_memory_equal(&part->line_state[line], &whole->line_state[line],
                                    sizeof(struct lex_state));
            free(exact);
        }
    }
    free(whole);
    free(part);
}

static void test_growing_lines(void **state)
{
    (void)state;
    struct buf code = BUF_INIT(1 << 20);
    uint32_t seed = 3;
    for (int i = 0; i < 200; i++) {
        buf_addf(&code, "x%d = f\"{a}\" + '''\n", i);
        buf_addf(&code, i % 7 == 0 ? "still text %d\n" : "'''; y = %d\n", i);
    }
    struct all *a = xcalloc(1, sizeof(*a));
    read_all(a, LEX_LANG_PYTHON, code.ptr, code.len);
    struct lex_lines ls;
    lex_lines_init(&ls, LEX_LANG_PYTHON);
    struct lex lx;
    assert_int_equal(lex_lines_seek(&ls, code.ptr, code.len, 5, &lx), 0);
    for (size_t n = 0; n < code.len; n += 1 + random_next(&seed) % 40)
        lex_lines_extend(&ls, code.ptr, n);
    lex_lines_extend(&ls, code.ptr, code.len);
    lex_lines_extend(&ls, code.ptr, code.len);
    assert_int_equal(ls.known_line + 1, a->lines);
    assert_int_equal(ls.count, (a->lines - 1) / LEX_LINES_STEP + 1);
    for (size_t line = 0; line < a->lines; line++) {
        assert_int_equal(lex_lines_seek(&ls, code.ptr, code.len, line, &lx), line);
        assert_int_equal(lx.at, a->line_at[line]);
        assert_memory_equal(&lx.state, &a->line_state[line], sizeof(lx.state));
    }
    assert_int_equal(lex_lines_seek(&ls, code.ptr, code.len, 1000000, &lx), a->lines - 1);
    lex_lines_release(&ls);
    lex_lines_release(NULL);
    free(a);
    buf_release(&code);
}

/* Deeper than we follow: said once, and still every byte is covered. */
static void test_depth(void **state)
{
    (void)state;
    static const struct {
        enum lex_lang lang;
        const char *piece;
    } deep[] = {
        { LEX_LANG_PYTHON, "f\"{" },         { LEX_LANG_SHELL, "$(" },
        { LEX_LANG_SHELL, "\"${x:-" },       { LEX_LANG_JAVASCRIPT, "`${" },
        { LEX_LANG_SHELL, "case x in a) " },
    };
    for (size_t i = 0; i < ARRAY_LEN(deep); i++) {
        struct buf code = BUF_INIT(1 << 16);
        for (int k = 0; k < 100; k++)
            buf_add_str(&code, deep[i].piece);
        struct lex lx;
        struct lex_token t;
        size_t unsure = 0;
        lex_init(&lx, deep[i].lang, code.ptr, code.len);
        while (lex_next(&lx, &t))
            unsure += (t.flags & LEX_UNSURE) != 0;
        assert_true(lx.state.lost != 0);
        assert_int_equal(unsure, 1);
        buf_release(&code);
    }
    /* plain brackets are only counted */
    struct buf code = BUF_INIT(1 << 16);
    for (int k = 0; k < 300; k++)
        buf_add_str(&code, "[");
    for (int k = 0; k < 300; k++)
        buf_add_str(&code, "]");
    struct lex lx;
    struct lex_token t;
    uint8_t deepest = 0;
    lex_init(&lx, LEX_LANG_PYTHON, code.ptr, code.len);
    while (lex_next(&lx, &t))
        deepest = t.depth > deepest ? t.depth : deepest;
    assert_int_equal(lx.state.lost, 0);
    assert_int_equal(lx.state.depth + lx.state.over, 0);
    assert_int_equal(deepest, 255);
    buf_release(&code);
}

/* Here-documents we could not end where the shell does are no secret. */
static void test_heredoc_doubt(void **state)
{
    (void)state;
    static const char *const doubtful[] = {
        "cat <<$(x)\na\n",           "cat <<`x`\na\n",
        "cat <<'a\nb'\nc\n",         "cat <<\"a\\b\"\nc\n",
        "cat <<a <<b <<c <<d <<e\n", "cat <<\\\nEOF\nx\nEOF\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(doubtful); i++) {
        struct lex lx;
        struct lex_token t;
        lex_init(&lx, LEX_LANG_SHELL, doubtful[i], strlen(doubtful[i]));
        while (lex_next(&lx, &t))
            ;
        if (lx.state.lost == 0)
            fail_msg("no doubt about %s", doubtful[i]);
    }
}

/* Flags that the golden dumps do not show. */
static void test_flags(void **state)
{
    (void)state;
    static const struct {
        enum lex_lang lang;
        const char *code;
        size_t token;
        unsigned flags;
    } cases[] = {
        { LEX_LANG_PYTHON, "r'a'", 0, LEX_OPEN | LEX_CLOSE | LEX_RAW },
        { LEX_LANG_PYTHON, "f'a'", 0, LEX_OPEN | LEX_CLOSE | LEX_FORMAT },
        { LEX_LANG_PYTHON, "'''a\n'''", 0, LEX_OPEN | LEX_TRIPLE },
        { LEX_LANG_PYTHON, "'''a\n'''", 2, LEX_CLOSE | LEX_TRIPLE },
        { LEX_LANG_PYTHON, "# c", 0, LEX_OPEN | LEX_CLOSE },
        { LEX_LANG_PYTHON, "(\n)", 1, LEX_INSIDE },
        { LEX_LANG_SHELL, "ls -l", 0, LEX_COMMAND },
        { LEX_LANG_SHELL, "ls -l", 1, 0 },
        { LEX_LANG_SHELL, "x=1 ls", 3, LEX_COMMAND },
        { LEX_LANG_SHELL, "$(a) b", 0, LEX_COMMAND },
        { LEX_LANG_SHELL, "$(a) b", 1, LEX_COMMAND },
        { LEX_LANG_SHELL, "$(a) b", 3, 0 },
        { LEX_LANG_SHELL, "\"a\" b", 0, LEX_OPEN | LEX_FORMAT | LEX_COMMAND },
        { LEX_LANG_SHELL, "case a in b) c;; esac", 1, 0 },
        { LEX_LANG_SHELL, "case a in b) c;; esac", 5, LEX_COMMAND },
        { LEX_LANG_SHELL, "a 'b'", 1, LEX_OPEN | LEX_CLOSE | LEX_RAW },
        { LEX_LANG_JAVASCRIPT, "`a`", 0, LEX_OPEN | LEX_CLOSE | LEX_FORMAT },
        { LEX_LANG_JAVASCRIPT, "/* a\nb */", 0, LEX_OPEN },
        { LEX_LANG_JAVASCRIPT, "/* a\nb */", 2, LEX_CLOSE },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lex lx;
        struct lex_token t = { 0 };
        lex_init(&lx, cases[i].lang, cases[i].code, strlen(cases[i].code));
        for (size_t k = 0; k <= cases[i].token; k++)
            assert_true(lex_next(&lx, &t));
        if (t.flags != cases[i].flags)
            fail_msg("%s, token %zu: flags %#x", cases[i].code, cases[i].token, t.flags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_any_bytes),     cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_growing_lines), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_heredoc_doubt), cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests_name("lex", tests, NULL, NULL);
}
