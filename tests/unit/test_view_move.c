/* test_view_move.c - moving in every pane: where the cursor and the top go, and that they stay
 * inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "unit/shot.h"

#define W 200
#define H 60

static void move(struct scene *s, enum view_pane p, enum view_move m, int count)
{
    view_move(&s->st, &s->vm, W, H, p, m, count);
}

/* ---- the plan ---- */

static void test_plan(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s); /* runs 1 to 3 belong to step 2 of 5 */
    struct view_scroll *sc = &s.vm.scroll[PANE_PLAN];
    s.vm.focus = PANE_PLAN;
    move(&s, PANE_PLAN, MOVE_TOP, 1);
    assert_int_equal(sc->selected, 0);
    move(&s, PANE_PLAN, MOVE_UP, 1);
    assert_int_equal(sc->selected, 0);
    s.vm.run = 1;
    move(&s, PANE_PLAN, MOVE_DOWN, 1); /* to the newest run of the step */
    assert_int_equal(sc->selected, 1);
    assert_int_equal(view_run(&s.st, &s.vm)->number, 3);
    move(&s, PANE_PLAN, MOVE_LEFT, 1);
    assert_int_equal(s.vm.run, 2);
    move(&s, PANE_PLAN, MOVE_LEFT, 1);
    move(&s, PANE_PLAN, MOVE_LEFT, 1); /* there is none before the first */
    assert_int_equal(s.vm.run, 1);
    s.vm.select.pane = PANE_OUT;
    s.vm.show_result = true;
    move(&s, PANE_PLAN, MOVE_RIGHT, 1);
    assert_int_equal(s.vm.run, 2);
    assert_int_equal(s.vm.select.pane, PANE_PROMPT); /* of another run nothing is selected */
    assert_false(s.vm.show_result);
    move(&s, PANE_PLAN, MOVE_RIGHT, 1);
    assert_int_equal(s.vm.run, 0); /* the newest: what comes is followed */
    s.vm.run = 2;
    move(&s, PANE_PLAN, MOVE_BOTTOM, 1); /* a step without a run leaves the panes alone */
    assert_int_equal(sc->selected, 4);
    assert_int_equal(s.vm.run, 2);
    move(&s, PANE_PLAN, MOVE_LEFT, 1);
    assert_int_equal(s.vm.run, 2);
    move(&s, PANE_PLAN, MOVE_PAGE_DOWN, 9);
    assert_int_equal(sc->selected, 4);
    move(&s, PANE_PLAN, MOVE_HALF_UP, 9);
    assert_int_equal(sc->selected, 0);
    scene_end(&s);
}

static void test_without_steps_or_runs(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    static const enum view_pane panes[] = { PANE_PLAN, PANE_CODE,  PANE_OUT,   PANE_ERR,
                                            PANE_GATE, PANE_STATE, PANE_NOTES, PANE_TIMELINE };
    for (size_t i = 0; i < ARRAY_LEN(panes); i++)
        for (enum view_move m = MOVE_UP; m <= MOVE_RIGHT; m++) {
            move(&s, panes[i], m, 1);
            assert_int_equal(s.vm.run, 0);
            assert_int_equal(s.vm.scroll[panes[i]].top, 0);
            assert_true(s.vm.scroll[panes[i]].selected <= 0);
        }
    for (enum view_pane p = PANE_PROMPT; p < PANE_COUNT; p++) {
        view_select(&s.st, &s.vm, W, H, p);
        move(&s, p, MOVE_DOWN, 1);
        s.vm.select.pane = PANE_PROMPT;
    }
    scene_end(&s);
}

/* ---- the list of runs ---- */

static void test_runs(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    s.vm.scroll[PANE_CODE].top = 7;
    move(&s, PANE_TIMELINE, MOVE_LEFT, 1); /* earlier */
    assert_int_equal(s.vm.run, 2);
    assert_int_equal(s.vm.scroll[PANE_CODE].top, 0);
    assert_true(s.vm.scroll[PANE_OUT].follow);
    move(&s, PANE_TIMELINE, MOVE_BOTTOM, 1);
    assert_int_equal(s.vm.run, 1);
    move(&s, PANE_TIMELINE, MOVE_DOWN, 1);
    assert_int_equal(s.vm.run, 1);
    move(&s, PANE_TIMELINE, MOVE_RIGHT, 1);
    assert_int_equal(s.vm.run, 2);
    move(&s, PANE_TIMELINE, MOVE_HALF_UP, 1);
    assert_int_equal(s.vm.run, 0);
    s.vm.run = 99; /* a number of another session */
    move(&s, PANE_TIMELINE, MOVE_UP, 1);
    assert_true(s.vm.run <= 3);
    scene_end(&s);
}

/* ---- what was said: the place is counted from the end ---- */

static void test_notes(void **state)
{
    struct scene s;
    struct shot t = { 0 };
    char json[128];
    (void)state;
    scene_begin(&s);
    for (int i = 0; i < 60; i++) {
        snprintf(json, sizeof json, "{'author':'person','text':'remark %d'}", i);
        scene_event(&s, EVENT_NOTE, 0, json);
    }
    struct view_scroll *sc = &s.vm.scroll[PANE_NOTES];
    s.vm.focus = PANE_NOTES;
    sc->follow = true;
    shot_must(shot_take(&t, &s, W, H), "remark 59", true);
    assert_true(t.info.at_end[PANE_NOTES]);
    move(&s, PANE_NOTES, MOVE_PAGE_UP, 1);
    assert_false(sc->follow);
    shot_must(shot_take(&t, &s, W, H), "remark 59", false);
    assert_false(t.info.at_end[PANE_NOTES]);
    uint64_t top = sc->top;
    move(&s, PANE_NOTES, MOVE_DOWN, 1);
    assert_int_equal(sc->top, top - 1);
    move(&s, PANE_NOTES, MOVE_TOP, 1);
    const char *text = shot_take(&t, &s, W, H);
    shot_must(text, "remark 0", true);
    shot_must(text, "remark 59", false);
    top = sc->top;
    move(&s, PANE_NOTES, MOVE_UP, 5); /* there is nothing above */
    assert_int_equal(sc->top, top);
    move(&s, PANE_NOTES, MOVE_BOTTOM, 1);
    assert_true(sc->follow);
    assert_int_equal(sc->top, 0);
    buf_release(&t.text);
    scene_end(&s);
}

/* ---- variables, and the record of a run ---- */

static void test_state_and_record(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    s.vm.focus = PANE_STATE;
    move(&s, PANE_STATE, MOVE_DOWN, 1);
    assert_int_equal(s.vm.scroll[PANE_STATE].selected, 1);
    move(&s, PANE_STATE, MOVE_BOTTOM, 1);
    int64_t last = s.vm.scroll[PANE_STATE].selected;
    assert_true(last >= 2);
    move(&s, PANE_STATE, MOVE_DOWN, 3);
    assert_int_equal(s.vm.scroll[PANE_STATE].selected, last);
    move(&s, PANE_STATE, MOVE_LEFT, 1); /* sideways it is the runs */
    assert_int_equal(s.vm.run, 2);
    s.vm.focus = PANE_RECORD;
    view_move(&s.st, &s.vm, W, 26, PANE_RECORD, MOVE_BOTTOM, 1);
    uint64_t top = s.vm.scroll[PANE_RECORD].top;
    assert_true(top > 0);
    view_move(&s.st, &s.vm, W, 26, PANE_RECORD, MOVE_UP, 1);
    assert_int_equal(s.vm.scroll[PANE_RECORD].top, top - 1);
    view_move(&s.st, &s.vm, W, 26, PANE_RECORD, MOVE_PAGE_DOWN, 5);
    assert_int_equal(s.vm.scroll[PANE_RECORD].top, top);
    view_move(&s.st, &s.vm, W, 26, PANE_RECORD, MOVE_TOP, 1);
    assert_int_equal(s.vm.scroll[PANE_RECORD].top, 0);
    scene_end(&s);
}

/* ---- output that is compared with the attempt before ---- */

static void print_lines(struct scene *s, uint32_t run, const char *word, int count)
{
    struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < count; i++)
        assert_int_equal(buf_addf(&b, "%s %d\n", i % 7 ? "line" : word, i), 0);
    scene_print(s, run, STREAM_STDOUT, buf_str(&b));
    buf_release(&b);
}

static void two_outputs(struct scene *s)
{
    static const char *const capsules[] = { SCENE_CAPSULE_1, SCENE_CAPSULE_2 };
    static const char *const words[] = { "old", "new" };
    scene_begin(s);
    scene_event(s, EVENT_PLAN_UPDATED, 0,
                "{'steps':[{'id':'1','title':'count','status':'active'}]}");
    for (uint32_t run = 1; run <= 2; run++) {
        scene_propose(s, run, 1, "1", run, "python", "print(1)\nprint(2)\n", "", "p");
        scene_review(s, run, "");
        scene_gate(s, run, 1, capsules[run - 1]);
        scene_decide(s, run, "approve", capsules[run - 1], "");
        scene_start(s, run, capsules[run - 1]);
        print_lines(s, run, words[run - 1], 199);
        scene_finish(s, run, "exit", 0, 5, "");
    }
    s->vm.diff_output = VIEW_DIFF_ON;
    s->vm.focus = PANE_OUT;
}

static void test_compared_output(void **state)
{
    struct scene s;
    (void)state;
    two_outputs(&s);
    struct view_scroll *sc = &s.vm.scroll[PANE_OUT];
    assert_true(view_output_is_compared(&s.st, &s.vm));
    shot_has(&s, W, H, "old", true);
    move(&s, PANE_OUT, MOVE_BOTTOM, 1);
    uint64_t end = sc->top;
    assert_true(end > 0);
    assert_false(sc->follow); /* what is compared stands still */
    move(&s, PANE_OUT, MOVE_PAGE_UP, 1);
    assert_true(sc->top < end);
    move(&s, PANE_OUT, MOVE_PAGE_DOWN, 99);
    assert_int_equal(sc->top, end);
    move(&s, PANE_OUT, MOVE_TOP, 1);
    assert_int_equal(sc->top, 0);
    /* search goes through the text of the newer one, both ways, and shows the hit */
    s.vm.search = (struct view_search){ .text = "new 105", .pane = PANE_OUT };
    assert_int_equal(view_search(&s.st, &s.vm, W, H, 1, SIZE_MAX), VIEW_FOUND);
    uint64_t hit = s.vm.search.hit;
    shot_has(&s, W, H, "new 105", true);
    s.vm.search =
        (struct view_search){ .text = "new", .pane = PANE_OUT, .found = true, .hit = hit };
    assert_int_equal(view_search(&s.st, &s.vm, W, H, -1, SIZE_MAX), VIEW_FOUND);
    assert_true(s.vm.search.hit < hit);
    shot_has(&s, W, H, "new 98", true);
    s.vm.search.text = "nowhere";
    assert_int_equal(view_search(&s.st, &s.vm, W, H, -1, SIZE_MAX), VIEW_NOT_FOUND);
    scene_end(&s);
}

/* Lines that are gone can't be selected: the cursor steps over them. */
static void test_selecting_in_compared_output(void **state)
{
    struct scene s;
    struct buf out = BUF_INIT(1 << 20);
    (void)state;
    two_outputs(&s);
    move(&s, PANE_OUT, MOVE_TOP, 1);
    view_select(&s.st, &s.vm, W, H, PANE_OUT);
    for (int i = 0; i < 7; i++) /* one by one, over a line that changed and over folded ones */
        move(&s, PANE_OUT, MOVE_DOWN, 1);
    assert_int_equal(view_copy(&s.st, &s.vm, W, H, PANE_OUT, &out), 0);
    assert_string_equal(buf_str(&out), "new 0\nline 1\nline 2\nline 3\nline 4\nline 5\nline 6\n"
                                       "new 7\nline 8\n");
    move(&s, PANE_OUT, MOVE_UP, 6);
    buf_reset(&out);
    assert_int_equal(view_copy(&s.st, &s.vm, W, H, PANE_OUT, &out), 0);
    assert_string_equal(buf_str(&out), "new 0\nline 1\n");
    move(&s, PANE_OUT, MOVE_UP, 70); /* not above the first */
    buf_reset(&out);
    assert_int_equal(view_copy(&s.st, &s.vm, W, H, PANE_OUT, &out), 0);
    assert_string_equal(buf_str(&out), "new 0\n");
    move(&s, PANE_OUT, MOVE_DOWN, 500); /* nor below the last; the pane follows the cursor */
    buf_reset(&out);
    assert_int_equal(view_copy(&s.st, &s.vm, W, H, PANE_OUT, &out), 0);
    assert_non_null(strstr(buf_str(&out), "line 198\n"));
    assert_true(s.vm.scroll[PANE_OUT].top > 0);
    shot_has(&s, W, H, "line 198", true);
    buf_release(&out);
    scene_end(&s);
}

/* A selection begins where the pane shows, also at the end that is followed, and scrolls both ways.
 */
static void test_selecting_output(void **state)
{
    struct scene s;
    struct buf out = BUF_INIT(1 << 20);
    (void)state;
    two_outputs(&s);
    s.vm.diff_output = VIEW_DIFF_OFF;
    s.vm.scroll[PANE_OUT].follow = true;
    view_select(&s.st, &s.vm, W, H, PANE_OUT);
    assert_true(s.vm.select.anchor > 1000); /* not the first line of the output */
    move(&s, PANE_OUT, MOVE_UP, 150);
    uint64_t top = s.vm.scroll[PANE_OUT].top;
    assert_int_equal(top, s.vm.select.cursor);
    move(&s, PANE_OUT, MOVE_DOWN, 190);
    assert_true(s.vm.scroll[PANE_OUT].top > top);
    assert_int_equal(view_copy(&s.st, &s.vm, W, H, PANE_OUT, &out), 0);
    assert_non_null(strstr(buf_str(&out), "line 198\n"));
    view_select(&s.st, &s.vm, W, H, PANE_ERR); /* empty, but no crash */
    move(&s, PANE_ERR, MOVE_DOWN, 3);
    buf_reset(&out);
    assert_int_equal(view_copy(&s.st, &s.vm, W, H, PANE_ERR, &out), 0);
    assert_int_equal(out.len, 0);
    view_select(&s.st, &s.vm, W, H, PANE_TIMELINE); /* a list has no lines to select */
    assert_int_equal(s.vm.select.pane, PANE_ERR);
    buf_release(&out);
    scene_end(&s);
}

static void test_copying_into_too_little_room(void **state)
{
    struct scene s;
    (void)state;
    two_outputs(&s);
    s.vm.diff_output = VIEW_DIFF_OFF;
    for (int selected = 0; selected < 2; selected++)
        for (size_t room = 0; room < 64; room += 3) {
            struct buf out = BUF_INIT(room);
            s.vm.select.pane = PANE_PROMPT;
            if (selected) {
                move(&s, PANE_OUT, MOVE_TOP, 1);
                view_select(&s.st, &s.vm, W, H, PANE_OUT);
                move(&s, PANE_OUT, MOVE_DOWN, 30);
            }
            assert_true(view_copy(&s.st, &s.vm, W, H, PANE_OUT, &out) < 0);
            buf_release(&out);
        }
    scene_end(&s);
}

/* ---- the rest: help, hits, a page, the wheel ---- */

static void test_lists_over_the_panes(void **state)
{
    static const struct view_hit hits[] = { { .session = "01a",
                                              .name = "",
                                              .where = "task",
                                              .text = "abc",
                                              .text_len = 3,
                                              .hit_len = 1,
                                              .line = 1 },
                                            { .session = "01b",
                                              .name = "n",
                                              .where = "stdout",
                                              .text = "abc",
                                              .text_len = 3,
                                              .hit_len = 1,
                                              .run = 2,
                                              .line = 5 } };
    struct scene s;
    (void)state;
    scene_begin(&s);
    s.vm.screen = SCREEN_HITS;
    s.vm.focus = PANE_TIMELINE;
    s.vm.hits = hits;
    s.vm.hit_count = 2;
    s.vm.scroll[PANE_TIMELINE].selected = -1;
    move(&s, PANE_TIMELINE, MOVE_DOWN, 1);
    assert_int_equal(s.vm.scroll[PANE_TIMELINE].selected, 1);
    move(&s, PANE_TIMELINE, MOVE_PAGE_DOWN, 1);
    assert_int_equal(s.vm.scroll[PANE_TIMELINE].selected, 1);
    move(&s, PANE_TIMELINE, MOVE_PAGE_UP, 1);
    assert_int_equal(s.vm.scroll[PANE_TIMELINE].selected, 0);
    view_wheel(&s.st, &s.vm, W, H, 3, 3, 3);
    assert_int_equal(s.vm.scroll[PANE_TIMELINE].selected, 1);
    s.vm.screen = SCREEN_HELP;
    view_move(&s.st, &s.vm, 80, 24, PANE_PROMPT, MOVE_BOTTOM, 1);
    uint64_t end = s.vm.help_scroll.top;
    assert_true(end > 20);
    view_move(&s.st, &s.vm, 80, 24, PANE_PROMPT, MOVE_HALF_UP, 1);
    assert_true(s.vm.help_scroll.top < end && s.vm.help_scroll.top > end - 20);
    view_move(&s.st, &s.vm, 80, 24, PANE_PROMPT, MOVE_TOP, 1);
    assert_int_equal(s.vm.help_scroll.top, 0);
    scene_end(&s);
}

/* The wheel over the list of runs would change which run is shown; over text it scrolls. */
static void test_wheel(void **state)
{
    struct scene s;
    struct layout l;
    (void)state;
    two_outputs(&s);
    s.vm.diff_output = VIEW_DIFF_OFF;
    view_layout(&s.st, &s.vm, W, H, &l);
    struct rect runs = l.pane[PANE_TIMELINE], out = l.pane[PANE_OUT];
    s.vm.run = 1;
    view_wheel(&s.st, &s.vm, W, H, runs.x + 2, runs.y + 1, 3);
    assert_int_equal(s.vm.run, 1);
    s.vm.scroll[PANE_OUT].follow = true;
    view_wheel(&s.st, &s.vm, W, H, out.x + 2, out.y + 2, -3);
    assert_false(s.vm.scroll[PANE_OUT].follow);
    uint64_t top = s.vm.scroll[PANE_OUT].top;
    view_wheel(&s.st, &s.vm, W, H, out.x + 2, out.y + 2, 1);
    assert_true(s.vm.scroll[PANE_OUT].top > top);
    view_wheel(&s.st, &s.vm, W, H, 0, H - 1, -3); /* the bottom line is no pane */
    scene_end(&s);
}

/* A page: with lines to pick the cursor goes from one to the next, else it scrolls. */
static void test_page(void **state)
{
    struct view_page_line lines[40];
    struct scene s;
    struct shot t = { 0 };
    char text[40][16];
    (void)state;
    scene_begin(&s);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        int n = snprintf(text[i], sizeof text[i], "row %zu.", i);
        lines[i] = (struct view_page_line){ .text = text[i],
                                            .len = i % 5 == 4 ? 0 : (size_t)n,
                                            .tone = (enum view_tone)(i % 5),
                                            .pick = i % 3 == 0 };
    }
    s.vm.screen = SCREEN_PAGE;
    s.vm.focus = PANE_TIMELINE;
    s.vm.page = (struct view_page){
        .title = "T", .lines = lines, .count = ARRAY_LEN(lines), .selected = 0
    };
    static const struct {
        enum view_move m;
        int64_t at;
    } picks[] = { { MOVE_DOWN, 3 },      { MOVE_UP, 0 },         { MOVE_UP, 0 },
                  { MOVE_BOTTOM, 39 },   { MOVE_DOWN, 39 },      { MOVE_UP, 36 },
                  { MOVE_HALF_UP, 12 },  { MOVE_PAGE_UP, 0 },    { MOVE_LEFT, 0 },
                  { MOVE_DOWN, 3 },      { MOVE_HALF_DOWN, 27 }, { MOVE_TOP, 0 },
                  { MOVE_PAGE_DOWN, 39 } };
    for (size_t i = 0; i < ARRAY_LEN(picks); i++) {
        view_page_move(&s.vm.page, picks[i].m, 40, 16);
        assert_int_equal(s.vm.page.selected, picks[i].at);
    }
    shot_must(shot_take(&t, &s, 60, 20), "row 38.", true);
    assert_int_equal(t.info.rows[PANE_PROMPT], ARRAY_LEN(lines));
    shot_must(buf_str(&t.text), "row 0.", false);
    s.vm.page.selected = -1;
    static const struct {
        enum view_move m;
        uint64_t top;
    } tops[] = { { MOVE_DOWN, 1 },    { MOVE_PAGE_DOWN, 16 }, { MOVE_HALF_DOWN, 24 },
                 { MOVE_BOTTOM, 24 }, { MOVE_UP, 23 },        { MOVE_HALF_UP, 15 },
                 { MOVE_PAGE_UP, 0 }, { MOVE_RIGHT, 0 },      { MOVE_TOP, 0 } };
    for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
        view_page_move(&s.vm.page, tops[i].m, 40, 16);
        assert_int_equal(s.vm.page.top, tops[i].top);
    }
    view_page_move(&s.vm.page, MOVE_BOTTOM, 5, 16); /* all of it fits */
    assert_int_equal(s.vm.page.top, 0);
    s.vm.page.selected = 99; /* behind the end: nothing is marked */
    shot_must(shot_take(&t, &s, 60, 20), "row 0.", true);
    shot_must(shot_take(&t, &s, 8, 3), "row", false);
    buf_release(&t.text);
    scene_end(&s);
}

/* A page keeps an open gate in sight. */
static void test_page_beside_a_gate(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    scene_arm(&s);
    s.vm.focus = PANE_TIMELINE;
    s.vm.screen = SCREEN_PAGE;
    s.vm.page = (struct view_page){ .title = "Branches", .right = "Enter goes", .selected = -1 };
    shot_has(&s, 120, 36, "Branches", true);
    shot_has(&s, 120, 36, "Enter goes", true);
    shot_has(&s, 120, 36, "5 Gate", true);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_without_steps_or_runs),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_state_and_record),
        cmocka_unit_test(test_compared_output),
        cmocka_unit_test(test_selecting_in_compared_output),
        cmocka_unit_test(test_selecting_output),
        cmocka_unit_test(test_copying_into_too_little_room),
        cmocka_unit_test(test_lists_over_the_panes),
        cmocka_unit_test(test_wheel),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_page_beside_a_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
