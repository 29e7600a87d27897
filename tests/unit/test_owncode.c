/* test_owncode.c - the person's own code at the prompt: its prefix, and when it goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "cli/screen_int.h"

static void test_prefixes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *language, *code; /* NULL: no code */
    } cases[] = {
        { "print(1)", NULL, NULL },
        { "", NULL, NULL },
        { " !print(1)", NULL, NULL },
        { "!print(1)", "bash", "print(1)" }, /* the default that was given */
        { "! print(1)", "bash", "print(1)" },
        { "!  x", "bash", " x" },
        { "!", "bash", "" },
        { "!py print(1)", "python", "print(1)" },
        { "!js let a", "javascript", "let a" },
        { "!sh ls", "bash", "ls" },
        { "!pyx", "bash", "pyx" },
        { "!PY x", "bash", "PY x" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *language = NULL, *code = NULL;
        bool is = own_code_parse(cases[i].line, "bash", &language, &code);
        assert_int_equal(is, cases[i].code != NULL);
        if (is && (strcmp(language, cases[i].language) != 0 || strcmp(code, cases[i].code) != 0))
            fail_msg("'%s': %s '%s'", cases[i].line, language, code);
    }
}

static void test_unfinished(void **state)
{
    (void)state;
    static const struct {
        const char *language, *code;
        bool open;
    } cases[] = {
        { "python", "x = 1", false },
        { "python", "", false },
        { "python", "def f():", true },
        { "python", "def f():  # why", true },
        { "python", "if x: y()", false },
        { "python", "@cache", true },
        { "python", "f(1,", true },
        { "python", "f(1, 2)", false },
        { "python", "s = '''a", true },
        { "python", "s = '''a'''", false },
        { "python", "s = 'a", false }, /* an error, which the interpreter says better */
        { "python", "x = [1,\n2]", false },
        { "python", "x = 1 + \\", true },
        { "python", "# only a comment:", false },
        { "python", "x[1:", true },
        { "javascript", "let x = {", true },
        { "javascript", "let x = {}", false },
        { "javascript", "f(`a", true },
        { "javascript", "/* a", true },
        { "javascript", "// {", false },
        { "bash", "ls", false },
        { "bash", "for i in 1 2; do", true },
        { "bash", "for i in 1 2; do echo; done", false },
        { "bash", "if true", true },
        { "bash", "if true; then echo; fi", false },
        { "bash", "while true; do", true },
        { "bash", "echo a |", true },
        { "bash", "echo a &&", true },
        { "bash", "echo a ||", true },
        { "bash", "echo do", false },
        { "bash", "echo {", false },
        { "bash", "cat <<X", true },
        { "bash", "cat <<X\na\nX", false },
        { "bash", "f() {", true },
        { "bash", "f() { ls; }", false },
        { "bash", "case a in", true },
        { "bash", "echo 'a", true },
        { "bash", "echo $(ls", true },
        { "bash", "echo a \\", true },
        { "bash", "# if", false },
        { "other", "if (", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (own_code_is_unfinished(cases[i].language, cases[i].code, strlen(cases[i].code)) !=
            cases[i].open)
            fail_msg("%s: %s", cases[i].language, cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
