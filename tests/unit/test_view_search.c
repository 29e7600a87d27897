/* test_view_search.c - searching where the text is odd: wrapped lines, deleted ones, no run, both
 * ways; what of a gate is unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "unit/shot.h"

static enum view_found search(struct scene *s, enum view_pane pane, const char *text, int dir)
{
    s->vm.search.text = text;
    s->vm.search.pane = pane;
    return view_search(&s->st, &s->vm, 80, 24, dir, SIZE_MAX);
}

static void restart(struct scene *s)
{
    s->vm.search = (struct view_search){ 0 };
}

static void run_with(struct scene *s, const char *code, const char *printed)
{
    scene_begin(s);
    scene_propose(s, 1, 1, "", 1, "python", code, "", "count them");
    scene_review(s, 1, "");
    scene_gate(s, 1, 1, SCENE_CAPSULE_1);
    scene_decide(s, 1, "approve", SCENE_CAPSULE_1, "");
    scene_start(s, 1, SCENE_CAPSULE_1);
    scene_print(s, 1, STREAM_STDERR, printed);
}

static void test_nothing_to_search(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    for (enum view_pane p = PANE_PROMPT; p < PANE_COUNT; p++) {
        assert_int_equal(search(&s, p, "x", 1), VIEW_NOT_FOUND);
        assert_int_equal(search(&s, p, "x", -1), VIEW_NOT_FOUND);
        assert_int_equal(search(&s, p, "", 1), VIEW_NOT_FOUND);
        assert_int_equal(search(&s, p, NULL, 1), VIEW_NOT_FOUND);
    }
    scene_end(&s);
    run_with(&s, "", "");
    assert_int_equal(search(&s, PANE_CODE, "x", 1), VIEW_NOT_FOUND);
    assert_int_equal(search(&s, PANE_ERR, "x", 1), VIEW_NOT_FOUND);
    assert_int_equal(search(&s, PANE_STATE, "x", 1), VIEW_NOT_FOUND); /* a list */
    scene_end(&s);
}

/* In one line that takes many rows the row with the hit is shown, not the line's first. */
static void test_a_hit_far_in_a_line(void **state)
{
    struct scene s;
    struct buf b = BUF_INIT(1 << 20);
    (void)state;
    assert_int_equal(buf_add_str(&b, "first = 1\nlong = '"), 0);
    for (int i = 0; i < 400; i++)
        assert_int_equal(buf_addf(&b, "%dabcdef ", i), 0);
    assert_int_equal(buf_add_str(&b, "'\nlast = 3\n"), 0);
    run_with(&s, buf_str(&b), "");
    s.vm.focus = PANE_CODE;
    shot_has(&s, 80, 24, "399abc", false);
    assert_int_equal(search(&s, PANE_CODE, "395abc", 1), VIEW_FOUND);
    shot_has(&s, 80, 24, "395abc", true);
    assert_int_equal(search(&s, PANE_CODE, "17abcdef", -1), VIEW_FOUND);
    assert_int_equal(s.vm.search.hit, (uint64_t)(strstr(buf_str(&b), " 317abcdef") + 2 - b.ptr));
    shot_has(&s, 80, 24, "317abcdef", true);
    assert_int_equal(search(&s, PANE_CODE, "17abcdef", -1), VIEW_FOUND); /* the one before */
    assert_int_equal(s.vm.search.hit, (uint64_t)(strstr(buf_str(&b), " 217abcdef") + 2 - b.ptr));
    restart(&s);
    scene_print(&s, 1, STREAM_STDERR, buf_str(&b));
    s.vm.scroll[PANE_CODE] = (struct view_scroll){ .selected = -1 };
    s.vm.focus = PANE_ERR;
    s.vm.scroll[PANE_ERR].follow = true; /* from the end of what is followed */
    assert_int_equal(search(&s, PANE_ERR, "17abcdef", -1), VIEW_FOUND);
    assert_int_equal(s.vm.search.hit, (uint64_t)(strstr(buf_str(&b), " 317abcdef") + 2 - b.ptr));
    assert_false(s.vm.scroll[PANE_ERR].follow);
    shot_has(&s, 80, 24, "318abcdef", true);
    shot_has(&s, 80, 24, "46-53 hit", true);
    restart(&s);
    s.vm.scroll[PANE_ERR] = (struct view_scroll){ .follow = true };
    s.vm.raw = true;
    assert_int_equal(search(&s, PANE_ERR, "last = 3", -1), VIEW_FOUND);
    shot_has(&s, 80, 24, "last = 3", true);
    buf_release(&b);
    scene_end(&s);
}

static void test_a_hit_behind_deleted_lines(void **state)
{
    struct scene s;
    (void)state;
    run_with(&s, "a = 1\nb = 2\nc = 3\nd = 4\n", "");
    scene_finish(&s, 1, "exit", 1, 5, "");
    scene_propose(&s, 2, 1, "", 2, "python", "a = 1\nd = 4\n", "", "");
    scene_review(&s, 2, "");
    scene_gate(&s, 2, 1, SCENE_CAPSULE_2);
    s.vm.base = 1;
    s.vm.diff_code = VIEW_DIFF_ON;
    s.vm.focus = PANE_GATE;
    assert_int_equal(search(&s, PANE_GATE, "d = 4", 1), VIEW_FOUND); /* the gate's code */
    assert_int_equal(s.vm.search.pane, PANE_CODE);
    assert_int_equal(s.vm.search.hit, 6);
    assert_int_equal(search(&s, PANE_CODE, "c = 3", 1), VIEW_NOT_FOUND); /* gone is gone */
    assert_int_equal(search(&s, PANE_CODE, "a = 1", -1), VIEW_FOUND);
    assert_int_equal(s.vm.search.hit, 0);
    assert_int_equal(search(&s, PANE_CODE, "a = 1", -1), VIEW_NOT_FOUND);
    scene_end(&s);
}

/* In the list of runs: by purpose, by how it ended, by code; down is back in time. */
static void test_runs(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    assert_int_equal(search(&s, PANE_TIMELINE, "exit 1", 1), VIEW_FOUND);
    assert_int_equal(s.vm.run, 2);
    assert_int_equal(search(&s, PANE_TIMELINE, "exit 1", 1), VIEW_FOUND);
    assert_int_equal(s.vm.run, 1);
    assert_int_equal(search(&s, PANE_TIMELINE, "exit 1", 1), VIEW_NOT_FOUND);
    assert_int_equal(search(&s, PANE_TIMELINE, "keep the last", -1), VIEW_FOUND);
    assert_int_equal(s.vm.run, 0); /* run 3, the newest */
    assert_int_equal(search(&s, PANE_TIMELINE, "print(len(df))", 1), VIEW_FOUND);
    assert_int_equal(s.vm.run, 2);
    assert_int_equal(search(&s, PANE_TIMELINE, "no such words", -1), VIEW_NOT_FOUND);
    assert_int_equal(s.vm.run, 2);
    s.vm.run = 99; /* none: from behind the newest */
    assert_int_equal(search(&s, PANE_TIMELINE, "exit 1", 1), VIEW_FOUND);
    assert_int_equal(s.vm.run, 2);
    scene_end(&s);
}

/* ---- what was not seen at the gate ---- */

static void test_unseen_without_a_gate(void **state)
{
    struct scene s;
    size_t seen = 5, total = 5;
    (void)state;
    run_with(&s, "a = 1\n", "");
    struct gate none = { 0 };
    view_gate_lines(&none, state_run_at(&s.st, 1), 1, &seen, &total);
    assert_int_equal(seen + total, 0);
    s.vm.scroll[PANE_CODE].top = 3;
    view_goto_unseen(&s.st, &s.vm, 80, 24); /* nowhere to go */
    s.vm.gate.gate = &none;
    view_goto_unseen(&s.st, &s.vm, 80, 24);
    assert_int_equal(s.vm.scroll[PANE_CODE].top, 3);
    scene_end(&s);
}

/* Rows behind the code are units as well: the place goes to the first that was not seen. */
static void test_unseen_attachments(void **state)
{
    static const struct view_attachment more[] = { { "file a 0644" },
                                                   { "env TOKEN" },
                                                   { "file b 0600" } };
    struct scene s;
    struct buf code = BUF_INIT(1 << 16);
    size_t seen, total;
    (void)state;
    for (int i = 0; i < 40; i++)
        assert_int_equal(buf_addf(&code, "line_%d = %d\n", i, i), 0);
    scene_begin(&s);
    scene_propose(&s, 1, 1, "", 1, "python", buf_str(&code), "", "");
    scene_review(&s, 1, "");
    scene_gate(&s, 1, 1, SCENE_CAPSULE_1);
    s.vm.gate.attachments = more;
    s.vm.gate.attachment_count = ARRAY_LEN(more);
    scene_arm(&s);
    const struct state_run *r = state_run_at(&s.st, 1);
    gate_painted(&s.gate, 0, r->code_len, s.gate.opened_boot_us + 1000);
    view_gate_lines(&s.gate, r, ARRAY_LEN(more), &seen, &total);
    assert_int_equal(seen, 40);
    assert_int_equal(total, 43);
    view_goto_unseen(&s.st, &s.vm, 80, 24);
    shot_has(&s, 80, 24, "file a 0644", true);
    gate_painted(&s.gate, r->code_len, 3, s.gate.opened_boot_us + 2000);
    view_gate_lines(&s.gate, r, ARRAY_LEN(more), &seen, &total);
    assert_int_equal(seen, total);
    struct view_scroll before = s.vm.scroll[PANE_CODE];
    view_goto_unseen(&s.st, &s.vm, 80, 24); /* all of it was seen */
    assert_int_equal(s.vm.scroll[PANE_CODE].top, before.top);
    buf_release(&code);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_search),
        cmocka_unit_test(test_a_hit_far_in_a_line),
        cmocka_unit_test(test_a_hit_behind_deleted_lines),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_unseen_without_a_gate),
        cmocka_unit_test(test_unseen_attachments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
