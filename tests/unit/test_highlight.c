/* test_highlight.c - tokens to roles, from any line, and while the code still grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ui/highlight.h"

/* One letter a byte: k keyword, s string, c comment, n number, f name, o operator, . text. */
static char letter(enum style_role r)
{
    switch (r) {
    case ROLE_KEYWORD:
        return 'k';
    case ROLE_STRING:
        return 's';
    case ROLE_COMMENT:
        return 'c';
    case ROLE_NUMBER:
        return 'n';
    case ROLE_NAME:
        return 'f';
    case ROLE_OPERATOR:
        return 'o';
    default:
        return '.';
    }
}

static const char *colors(const char *language, const char *code, size_t len, size_t line,
                          size_t from)
{
    static char out[8192];
    struct highlight h;
    struct highlight_walk w;
    highlight_init(&h, language);
    highlight_extend(&h, code, len);
    highlight_seek(&w, &h, code, len, line);
    size_t n = 0;
    for (size_t i = from; i < len; i++)
        out[n++] = letter(highlight_role(&w, i));
    out[n] = '\0';
    highlight_release(&h);
    return out;
}

static void test_roles(void **state)
{
    static const struct {
        const char *language, *code, *want;
    } cases[] = {
        { "python", "if x == 10: # no", "kk...oo.nno.cccc" },
        { "python", "s = 'a b'", "..o.sssss" },
        { "python", "def f(): pass", "kkk.fooo.kkkk" },
        { "bash", "echo \"hi\" # x", NULL },
        { "javascript", "let x = 1; // c", "kkk...o.no.cccc" },
        { "cobol", "IF X = 'A'", ".........." },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = colors(cases[i].language, cases[i].code, strlen(cases[i].code), 0, 0);
        if (cases[i].want)
            assert_string_equal(got, cases[i].want);
        else
            assert_non_null(strstr(got, "ssss"));
    }
}

/* A string over many lines is a string wherever the walk begins. */
static void test_from_any_line(void **state)
{
    char code[4096];
    size_t n = 0;
    (void)state;
    n += (size_t)snprintf(code + n, sizeof code - n, "s = '''\n");
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(code + n, sizeof code - n, "if %d\n", i);
    n += (size_t)snprintf(code + n, sizeof code - n, "'''\nif 1: pass\n");
    char whole[4096];
    snprintf(whole, sizeof whole, "%s", colors("python", code, n, 0, 0));
    size_t line = 0;
    for (size_t at = 0; at < n; at++) {
        if (at > 0 && code[at - 1] != '\n')
            continue;
        assert_string_equal(colors("python", code, n, line, at), whole + at);
        line++;
    }
}

/* Half a program has the colours of that half. */
static void test_while_growing(void **state)
{
    static const char code[] = "import os\nx = \"\"\"a\nif b\n\"\"\"\nif x: # end\n    print(1)\n";
    struct highlight h;
    (void)state;
    highlight_init(&h, "python");
    for (size_t n = 0; n <= sizeof code - 1; n++) {
        struct highlight_walk w;
        char grown[sizeof code];
        highlight_extend(&h, code, n);
        highlight_seek(&w, &h, code, n, 0);
        for (size_t i = 0; i < n; i++)
            grown[i] = letter(highlight_role(&w, i));
        grown[n] = '\0';
        assert_string_equal(grown, colors("python", code, n, 0, 0));
    }
    highlight_release(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_from_any_line),
        cmocka_unit_test(test_while_growing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
