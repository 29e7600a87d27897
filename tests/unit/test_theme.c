/* test_theme.c - themes: all roles, errors with their line, colours brought down, no colour at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/share.h"
#include "ui/theme.h"

static void test_all_themes_load(void **state)
{
    struct theme t;
    struct err e = ERR_INIT;
    (void)state;
    for (size_t i = 0; theme_names()[i]; i++) {
        assert_int_equal(theme_load(&t, theme_names()[i], 256, &e), 0);
        assert_string_equal(t.name, theme_names()[i]);
    }
    assert_int_equal(theme_load(&t, "pink", 256, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.msg, "high-contrast"));
}

/* Every theme says something of every role, so a new role can't be forgotten. */
static void test_every_role_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; theme_names()[i]; i++) {
        char path[64];
        snprintf(path, sizeof path, "themes/%s.theme", theme_names()[i]);
        const struct share_file *f = share_find(path);
        assert_non_null(f);
        for (int r = 0; r < ROLE_MAX; r++) {
            char line[64];
            snprintf(line, sizeof line, "\n%s =", style_role_name((enum style_role)r));
            if (!memmem(f->ptr, f->len, line, strlen(line)))
                fail_msg("%s has no %s", path, style_role_name((enum style_role)r));
        }
    }
}

static bool same(struct theme_look a, struct theme_look b)
{
    return a.fg == b.fg && a.bg == b.bg && a.attrs == b.attrs;
}

/* What a byte stands for must be told from the byte itself in every theme. [SAN-3] */
static void test_marks_stand_out(void **state)
{
    static const enum style_role marks[] = { ROLE_CONTROL,    ROLE_HIDDEN, ROLE_INVALID,
                                             ROLE_CONFUSABLE, ROLE_BLANK,  ROLE_COUNT };
    static const enum style_role code[] = { ROLE_TEXT,    ROLE_STRING, ROLE_NAME,
                                            ROLE_KEYWORD, ROLE_NUMBER, ROLE_OPERATOR };
    static const int colors[] = { 256, 16, 8, 0 };
    struct theme t;
    (void)state;
    for (size_t i = 0; theme_names()[i]; i++)
        for (size_t c = 0; c < ARRAY_LEN(colors); c++) {
            assert_int_equal(theme_load(&t, theme_names()[i], colors[c], NULL), 0);
            for (size_t m = 0; m < ARRAY_LEN(marks); m++)
                for (size_t k = 0; k < ARRAY_LEN(code); k++)
                    if (same(theme_resolve(&t, STYLE(marks[m]), colors[c]),
                             theme_resolve(&t, STYLE(code[k]), colors[c])))
                        fail_msg("%s at %d colours: %s looks like %s", t.name, colors[c],
                                 style_role_name(marks[m]), style_role_name(code[k]));
        }
}

static void test_green_is_verified_only(void **state)
{
    struct theme t;
    (void)state;
    assert_int_equal(theme_load(&t, "default", 16, NULL), 0);
    for (int r = 0; r < ROLE_MAX; r++)
        if (r != ROLE_GOOD)
            assert_false(t.role[r].fg == 2 || t.role[r].fg == 10 || t.role[r].bg == 2);
}

static void test_parse_errors(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "text = purple\n", "x:1" },
        { "# ok\n\nnothing = red\n", "x:3" },
        { "text red\n", "x:1" },
        { "text = 256\n", "x:1" },
    };
    struct theme t = { .name = "kept" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(theme_parse(&t, "x", cases[i].text, strlen(cases[i].text), &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_non_null(strstr(e.msg, cases[i].want));
        assert_string_equal(t.name, "kept");
    }
    static const char good[] = "text = 17 on bright-red bold dim\n";
    assert_int_equal(theme_parse(&t, "y", good, sizeof good - 1, NULL), 0);
    assert_int_equal(t.role[ROLE_TEXT].fg, 17);
    assert_int_equal(t.role[ROLE_TEXT].bg, 9);
    assert_int_equal(t.role[ROLE_TEXT].attrs, STYLE_BOLD | STYLE_DIM);
}

static void test_no_color(void **state)
{
    struct theme t;
    (void)state;
    assert_int_equal(theme_load(&t, "default", 0, NULL), 0);
    assert_string_equal(t.name, "mono");
    for (int r = 0; r < ROLE_MAX; r++) {
        struct style st = STYLE(r);
        st.fg = 3; /* of a program's output */
        st.bg = 200;
        struct theme_look look = theme_resolve(&t, st, 0);
        assert_int_equal(look.fg, -1);
        assert_int_equal(look.bg, -1);
    }
}

static void test_reduce(void **state)
{
    (void)state;
    assert_int_equal(theme_reduce_color(9, 8), 1);
    assert_int_equal(theme_reduce_color(196, 16), 9);
    assert_int_equal(theme_reduce_color(196, 8), 1);
    assert_int_equal(theme_reduce_color(231, 16), 15);
    assert_int_equal(theme_reduce_color(232, 16), 0);
    assert_int_equal(theme_reduce_color(100, 256), 100);
    assert_int_equal(theme_reduce_color(-1, 256), -1);
    assert_int_equal(theme_nearest_rgb(255, 0, 0, 256), 196);
    assert_int_equal(theme_nearest_rgb(8, 8, 8, 256), 232);
    assert_int_equal(theme_nearest_rgb(255, 255, 255, 16), 15);
    assert_int_equal(theme_nearest_rgb(1, 2, 3, 0), -1);
    for (int i = 0; i < 256; i++) { /* every result is a colour there is */
        assert_in_range(theme_reduce_color(i, 8), 0, 7);
        assert_in_range(theme_reduce_color(i, 16), 0, 15);
    }
    struct theme t;
    struct style st = STYLE(ROLE_TEXT);
    assert_int_equal(theme_load(&t, "default", 256, NULL), 0);
    st.fg = st.bg = 5;
    assert_int_equal(theme_resolve(&t, st, 256).fg, -1); /* equal colours hide */
    assert_int_equal(theme_resolve(&t, STYLE(ROLE_DIM), 8).attrs & STYLE_DIM, STYLE_DIM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_themes_load), cmocka_unit_test(test_every_role_is_named),
        cmocka_unit_test(test_marks_stand_out), cmocka_unit_test(test_green_is_verified_only),
        cmocka_unit_test(test_parse_errors),    cmocka_unit_test(test_no_color),
        cmocka_unit_test(test_reduce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
