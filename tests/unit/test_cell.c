/* test_cell.c - the grid: clipping, wide characters, frames, dump and hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ui/cell.h"

static const char *row_text(struct grid *g, int y)
{
    static struct buf out = BUF_INIT(1 << 16);
    buf_reset(&out);
    for (int x = 0; x < g->w; x++) {
        uint32_t cps[1 + TEXT_MARKS_MAX];
        size_t n = grid_cell_text(g, grid_at(g, x, y), cps);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(text_add_cp(&out, cps[i]), 0);
    }
    return buf_str(&out);
}

static void test_sizes(void **state)
{
    struct grid g;
    (void)state;
    grid_init(&g, 0, 0);
    assert_null(grid_at(&g, 0, 0));
    assert_int_equal(grid_put_text(&g, 0, 0, 10, "x", STYLE(ROLE_TEXT)), 0);
    grid_box(&g, (struct rect){ 0, 0, 5, 5 }, STYLE(ROLE_FRAME));
    grid_resize(&g, -3, 5);
    assert_int_equal(g.w, 0);
    grid_resize(&g, 100000, 2);
    assert_int_equal(g.w, GRID_SIDE_MAX);
    grid_release(&g);
    grid_release(&g);
}

static void test_clipping(void **state)
{
    struct grid g;
    (void)state;
    grid_init(&g, 6, 2);
    assert_int_equal(grid_put_text(&g, 0, 0, 4, "abcdefgh", STYLE(ROLE_TEXT)), 4);
    assert_string_equal(row_text(&g, 0), "abcd  ");
    grid_put_text(&g, 0, 5, 6, "below", STYLE(ROLE_TEXT));
    grid_put_text(&g, 0, -1, 6, "above", STYLE(ROLE_TEXT));
    assert_string_equal(row_text(&g, 1), "      ");
    /* a wide one that does not fit is not cut in two */
    assert_int_equal(grid_put_text(&g, 0, 1, 4, "abc\xe5\x8c\x97", STYLE(ROLE_TEXT)), 3);
    assert_string_equal(row_text(&g, 1), "abc   ");
    grid_put_fit(&g, 0, 0, 6, "abcdefgh", STYLE(ROLE_TEXT));
    assert_string_equal(row_text(&g, 0), "abcde\xe2\x80\xa6");
    grid_put_fit(&g, 0, 0, 6, "abcdef", STYLE(ROLE_TEXT));
    assert_string_equal(row_text(&g, 0), "abcdef");
    grid_release(&g);
}

static void test_wide_repair(void **state)
{
    struct grid g;
    (void)state;
    grid_init(&g, 6, 1);
    grid_put_text(&g, 0, 0, 6, "\xe5\x8c\x97\xe4\xba\xac", STYLE(ROLE_TEXT));
    assert_int_equal(grid_at(&g, 0, 0)->width, 2);
    assert_int_equal(grid_at(&g, 1, 0)->width, 0);
    grid_put_text(&g, 1, 0, 2, "x", STYLE(ROLE_TEXT)); /* onto a right half */
    assert_string_equal(row_text(&g, 0), " x\xe4\xba\xac  ");
    grid_put_text(&g, 2, 0, 3, "y", STYLE(ROLE_TEXT)); /* onto a left half */
    assert_string_equal(row_text(&g, 0), " xy   ");
    grid_put_text(&g, 0, 0, 6, "\xe5\x8c\x97\xe4\xba\xac", STYLE(ROLE_TEXT));
    grid_put_text(&g, 1, 0, 6, "\xe4\xba\xac", STYLE(ROLE_TEXT)); /* across two */
    assert_string_equal(row_text(&g, 0), " \xe4\xba\xac   ");
    grid_put_text(&g, 0, 0, 6, "\xe5\x8c\x97\xe4\xba\xac", STYLE(ROLE_TEXT));
    grid_fill(&g, (struct rect){ 1, 0, 2, 1 }, '.', STYLE(ROLE_TEXT));
    assert_string_equal(row_text(&g, 0), " ..   ");
    grid_release(&g);
}

static void test_clusters(void **state)
{
    struct grid g, h;
    uint32_t cps[1 + TEXT_MARKS_MAX];
    (void)state;
    grid_init(&g, 4, 1);
    grid_init(&h, 4, 1);
    grid_put_text(&g, 0, 0, 4, "e\xcc\x81o", STYLE(ROLE_TEXT));
    grid_put_text(&h, 3, 0, 4, "o\xcc\x88", STYLE(ROLE_TEXT)); /* another pool index */
    grid_put_text(&h, 0, 0, 4, "e\xcc\x81o", STYLE(ROLE_TEXT));
    assert_int_equal(grid_cell_text(&g, grid_at(&g, 0, 0), cps), 2);
    assert_int_equal(cps[1], 0x301);
    assert_true(grid_cell_equal(&g, grid_at(&g, 0, 0), &h, grid_at(&h, 0, 0)));
    assert_false(grid_cell_equal(&g, grid_at(&g, 0, 0), &h, grid_at(&h, 3, 0)));
    assert_false(grid_cell_equal(&g, grid_at(&g, 0, 0), &g, grid_at(&g, 1, 0)));
    grid_release(&g);
    grid_release(&h);
}

static void test_boxes_join(void **state)
{
    static const char *const want[] = { "\u250c\u2500\u252c\u2500\u2510", "\u2502 \u2502 \u2502",
                                        "\u251c\u2500\u253c\u2500\u2524", "\u2502 \u2502 \u2502",
                                        "\u2514\u2500\u2534\u2500\u2518" };
    struct grid g;
    (void)state;
    grid_init(&g, 5, 5);
    for (int i = 0; i < 4; i++)
        grid_box(&g, (struct rect){ i % 2 * 2, i / 2 * 2, 3, 3 }, STYLE(ROLE_FRAME));
    for (int y = 0; y < 5; y++)
        assert_string_equal(row_text(&g, y), want[y]);
    /* a program's own line drawing is no frame of ours */
    grid_clear(&g);
    grid_put_text(&g, 2, 0, 3, "\u253c", STYLE(ROLE_TEXT));
    grid_box(&g, (struct rect){ 0, 0, 5, 2 }, STYLE(ROLE_FRAME));
    assert_string_equal(row_text(&g, 0), "\u250c\u2500\u2500\u2500\u2510");
    g.ascii = true;
    grid_clear(&g);
    grid_box(&g, (struct rect){ 0, 0, 5, 3 }, STYLE(ROLE_FRAME));
    assert_string_equal(row_text(&g, 0), "+---+");
    assert_string_equal(row_text(&g, 1), "|   |");
    grid_release(&g);
}

static void test_dump_and_hash(void **state)
{
    struct grid g, h;
    struct buf out = BUF_INIT(4096);
    (void)state;
    grid_init(&g, 8, 2);
    grid_init(&h, 8, 2);
    grid_put_text(&g, 1, 0, 8, "ok", STYLE(ROLE_GOOD));
    struct style st = STYLE(ROLE_TEXT);
    st.fg = 2;
    st.attrs = STYLE_BOLD;
    grid_put_text(&g, 5, 0, 8, "x", st);
    grid_dump(&g, &out);
    assert_string_equal(buf_str(&out), "8x2\n ok  x\n\nstyles\n0: 1-2 good, 5-5 text fg=1 bold\n");
    assert_true(grid_hash(&g) != grid_hash(&h));
    grid_put_text(&h, 5, 0, 8, "x", st);
    grid_put_text(&h, 1, 0, 8, "ok", STYLE(ROLE_GOOD));
    assert_true(grid_hash(&g) == grid_hash(&h));
    grid_put_text(&h, 1, 0, 8, "ok", STYLE(ROLE_BAD));
    assert_true(grid_hash(&g) != grid_hash(&h));
    buf_release(&out);
    grid_release(&g);
    grid_release(&h);
}

/* Nothing reaches a cell uncleaned, whatever it is put with. [SAN-1] */
static void test_only_clean_cells(void **state)
{
    static const char *const bad[] = { "\x1b[2J", "a\nb\tc\r", "\xe2\x80\xae", "\xff\xfe",
                                       "\x7f",    "\xc2\x9b",  "\xe2\x80\x8b", "\xf3\xa0\x81\x81" };
    struct grid g;
    (void)state;
    grid_init(&g, 60, 1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        grid_clear(&g);
        grid_put_text(&g, 0, 0, 60, bad[i], STYLE(ROLE_TEXT));
        grid_put_fit(&g, 20, 0, 25, bad[i], STYLE(ROLE_TEXT));
        grid_put_format(&g, 30, 0, 60, STYLE(ROLE_TEXT), "%s", bad[i]);
        for (int x = 0; x < g.w; x++)
            assert_true(text_cp_is_safe(grid_at(&g, x, 0)->cp));
    }
    grid_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_wide_repair),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_boxes_join),
        cmocka_unit_test(test_dump_and_hash),
        cmocka_unit_test(test_only_clean_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
