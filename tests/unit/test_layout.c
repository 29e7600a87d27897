/* test_layout.c - where the panes are: thresholds, no gaps, no overlaps, nothing moves at a gate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ui/layout.h"

static struct layout make(int w, int h, bool gate, enum view_pane focus, enum view_pane zoom)
{
    struct layout l;
    struct layout_ask ask = {
        .w = w, .h = h, .gate_open = gate, .focus = focus, .zoom = zoom, .prompt_rows = 1
    };
    layout_make(&l, &ask);
    return l;
}

static bool shown(const struct layout *l, enum view_pane p)
{
    return l->pane[p].w > 0;
}

static void test_thresholds(void **state)
{
    (void)state;
    static const struct {
        int w, h, columns;
        bool small, plan, timeline, record;
    } cases[] = {
        { 39, 10, 1, true, false, false, false },   { 40, 9, 1, true, false, false, false },
        { 40, 10, 1, false, false, false, false },  { 80, 24, 1, false, true, false, false },
        { 80, 23, 1, false, false, false, false },  { 99, 30, 1, false, true, false, false },
        { 100, 24, 2, false, true, true, false },   { 100, 23, 2, false, false, true, false },
        { 179, 40, 2, false, true, true, false },   { 180, 40, 3, false, true, true, true },
        { 200, 15, 1, false, false, false, false }, { 1000, 1000, 3, false, true, true, true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct layout l = make(cases[i].w, cases[i].h, false, PANE_CODE, 0);
        assert_int_equal(l.columns, cases[i].columns);
        assert_int_equal(l.too_small, cases[i].small);
        assert_int_equal(shown(&l, PANE_PLAN), cases[i].plan);
        assert_int_equal(shown(&l, PANE_TIMELINE), cases[i].timeline);
        assert_int_equal(shown(&l, PANE_RECORD), cases[i].record);
    }
}

static bool inside(struct rect r, struct rect area)
{
    return r.x >= area.x && r.y >= area.y && r.x + r.w <= area.x + area.w &&
           r.y + r.h <= area.y + area.h;
}

/* Inner rectangles never touch each other, frames stay in the body. */
static void test_no_overlap(void **state)
{
    (void)state;
    for (int w = LAYOUT_MIN_W; w < 230; w += 7)
        for (int h = LAYOUT_MIN_H; h < 80; h += 3)
            for (int k = 0; k < PANE_COUNT * 4; k++) {
                struct layout l = make(w, h, k & 1, (enum view_pane)(k / 4),
                                       k & 2 ? (enum view_pane)(k / 4) : PANE_PROMPT);
                for (int p = PANE_PLAN; p < PANE_COUNT; p++) {
                    struct rect a = layout_inner(&l, (enum view_pane)p);
                    if (l.pane[p].w == 0)
                        continue;
                    assert_true(inside(l.pane[p], l.body));
                    assert_true(a.w > 0 && a.h > 0);
                    for (int q = p + 1; q < PANE_COUNT; q++) {
                        struct rect b = layout_inner(&l, (enum view_pane)q);
                        bool apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y ||
                                     b.y + b.h <= a.y;
                        if (l.pane[q].w && !apart)
                            fail_msg("%dx%d: %s over %s", w, h, view_pane_name((enum view_pane)p),
                                     view_pane_name((enum view_pane)q));
                    }
                }
            }
}

/* An open gate and the code it is about are always on screen. */
static void test_gate_shows_its_code(void **state)
{
    (void)state;
    for (int w = LAYOUT_MIN_W; w < 230; w += 3)
        for (int h = LAYOUT_MIN_H; h < 80; h++) {
            struct layout l = make(w, h, true, PANE_GATE, 0);
            assert_true(shown(&l, PANE_GATE) && shown(&l, PANE_CODE));
            assert_true(layout_inner(&l, PANE_CODE).h >= 2 || h < 12);
            for (int z = PANE_PLAN; z < PANE_COUNT; z++) {
                l = make(w, h, true, PANE_GATE, (enum view_pane)z);
                assert_true(shown(&l, PANE_GATE) && shown(&l, PANE_CODE));
                l = make(w, h, true, PANE_PROMPT, (enum view_pane)z);
                assert_true(shown(&l, PANE_GATE));
            }
        }
}

static void test_nothing_moves_while_a_gate_is_open(void **state)
{
    struct layout a, b;
    struct layout_ask ask = { .w = 120, .h = 36, .gate_open = true, .prompt_rows = 1 };
    (void)state;
    layout_make(&a, &ask);
    ask.prompt_rows = 9; /* typing goes on while the gate waits */
    layout_make(&b, &ask);
    assert_memory_equal(&a, &b, sizeof a);
    for (int f = PANE_PROMPT; f <= PANE_STATE; f++) { /* two columns: those all have a place */
        ask.focus = (enum view_pane)f;
        layout_make(&b, &ask);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

static void test_hidden_panes_get_the_middle(void **state)
{
    (void)state;
    struct layout l = make(80, 24, true, PANE_TIMELINE, 0);
    assert_true(shown(&l, PANE_TIMELINE) && shown(&l, PANE_GATE) && !shown(&l, PANE_CODE));
    l = make(80, 24, false, PANE_NOTES, 0);
    assert_true(shown(&l, PANE_NOTES));
    l = make(40, 10, false, PANE_ERR, 0);
    assert_true(shown(&l, PANE_ERR) && !shown(&l, PANE_CODE));
}

static void test_prompt_rows(void **state)
{
    struct layout l;
    struct layout_ask ask = { .w = 80, .h = 24, .prompt_rows = 100 };
    (void)state;
    layout_make(&l, &ask);
    assert_int_equal(l.prompt.h, 6); /* a quarter at most */
    assert_int_equal(l.prompt.y + l.prompt.h, l.hints.y);
    assert_int_equal(l.body.y + l.body.h, l.prompt.y);
}

static void test_panes_by_place_and_order(void **state)
{
    (void)state;
    struct layout l = make(120, 36, false, PANE_CODE, 0);
    assert_int_equal(layout_pane_at(&l, l.pane[PANE_ERR].x + 2, l.pane[PANE_ERR].y + 2), PANE_ERR);
    assert_int_equal(layout_pane_at(&l, 0, 35), PANE_PROMPT);
    enum view_pane p = PANE_CODE;
    int seen = 0;
    do { /* round without a closed gate */
        p = layout_next_pane(&l, p, 1);
        assert_true(p != PANE_GATE && p != PANE_PROMPT);
        seen++;
    } while (p != PANE_CODE);
    assert_int_equal(seen, PANE_COUNT - 2);
    assert_int_equal(layout_next_pane(&l, PANE_PLAN, -1), PANE_RECORD);
    l = make(120, 36, true, PANE_CODE, 0);
    assert_int_equal(layout_next_pane(&l, PANE_ERR, 1), PANE_GATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_no_overlap),
        cmocka_unit_test(test_gate_shows_its_code),
        cmocka_unit_test(test_nothing_moves_while_a_gate_is_open),
        cmocka_unit_test(test_hidden_panes_get_the_middle),
        cmocka_unit_test(test_prompt_rows),
        cmocka_unit_test(test_panes_by_place_and_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
