/* test_view_bars.c - the status line, the prompt and the lists: what stands there in each state of
 * things. */
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
#define H 40

/* ---- the status line ---- */

struct fact {
    enum event_type type;
    const char *json, *shown;
};

static void test_status_after_events(void **state)
{
    static const struct fact facts[] = {
        { EVENT_TASK_GIVEN, "{'author':'person','text':'count the rows'}", "count the rows" },
        { EVENT_TASK_GIVEN, "{'author':'person','text':'count the rows'}", " planning " },
        { EVENT_PLANNER_WAITING, "{}", " ready " },
        { EVENT_ERROR, "{'code':'net','message':'m','hint':'','retry_ms':4000}", " RETRY IN " },
        { EVENT_SESSION_RENAMED, "{'name':'fine name'}", "fine name" },
        { EVENT_LEASE_GRANTED, "{'runs':3,'approximated':[]}", " LEASE 3 runs " },
        { EVENT_LEASE_GRANTED, "{'runs':3,'minutes':5,'approximated':[]}", " LEASE 3 runs 0" },
        { EVENT_LEASE_GRANTED, "{'minutes':5,'approximated':[]}", " LEASE 0" },
        { EVENT_SANDBOX_CREATING, "{'kind':'local','label':'l'}", "local starting" },
        { EVENT_SANDBOX_READY, "{'kind':'local','label':'l','id':'sb'}", "local" },
        { EVENT_SANDBOX_CLOSED, "{'kind':'local','label':'l'}", "closed" },
        { EVENT_SESSION_FINISHED, "{'outcome':'','runs':0,'denied':0,'cost_nanousd':0}",
          "finished " },
        { EVENT_SESSION_FINISHED, "{'outcome':'all done','runs':0,'denied':0,'cost_nanousd':0}",
          "finished: all done" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
        struct scene s;
        memset(&s, 0, sizeof s);
        state_init(&s.st);
        view_model_init(&s.vm);
        s.now_us = SCENE_BEGIN_US;
        scene_event(&s, EVENT_SESSION_CREATED, 0,
                    "{'planner':'runbook','model':'clean.md','sandbox':'local','contract':{},"
                    "'contract_digest':'d1','version':'0.1.0'}");
        if (facts[i].type == EVENT_ERROR || facts[i].type == EVENT_PLANNER_WAITING) {
            scene_event(&s, EVENT_TASK_GIVEN, 0, "{'author':'person','text':'t'}");
        }
        scene_event(&s, facts[i].type, 0, facts[i].json);
        s.vm.now_us = s.now_us;
        s.vm.gate.boot_us = s.now_us - SCENE_BEGIN_US;
        shot_has(&s, W, H, facts[i].shown, true);
        for (int w = 1; w < 90; w += 4) /* drawn at any width: that is all that is asked here */
            shot_draw(&s, w, H);
        scene_end(&s);
    }
}

static void test_money(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    shot_has(&s, W, H, "$", false);
    s.vm.budget_nanousd = 2500000000;
    shot_has(&s, W, H, "$0 of 2.50", true);
    s.st.cost_nanousd = 31000000;
    shot_has(&s, W, H, "$0.031 of 2.50", true);
    s.vm.budget_nanousd = 0;
    shot_has(&s, W, H, "$0.031", true);
    shot_has(&s, W, H, " of ", false);
    scene_end(&s);
}

static void test_planner(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    shot_has(&s, W, H, "runbook clean.md", true);
    s.vm.planner_model = "claude-opus-5-5 high";
    shot_has(&s, W, H, "claude-opus-5-5 high", true);
    shot_has(&s, W, H, "runbook clean.md", false);
    s.st.phase = PHASE_PLANNING;
    s.vm.planner_status = "waiting for the planner, 3 s";
    shot_has(&s, W, H, "waiting for the planner, 3 s", true);
    scene_end(&s);
}

/* A sandbox that ends soon stands out with its time. */
static void test_the_end_of_a_sandbox(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    scene_event(&s, EVENT_SANDBOX_READY, 0, "{'kind':'e2b','label':'l','id':'sb','ends_ms':90000}");
    s.vm.now_us = s.now_us;
    s.vm.gate.boot_us = s.now_us - SCENE_BEGIN_US;
    struct shot t = { 0 };
    shot_must(shot_take(&t, &s, W, H), "01:30", true);
    s.vm.gate.boot_us += 100000000; /* past it */
    shot_must(shot_take(&t, &s, W, H), "00:00", true);
    buf_release(&t.text);
    scene_end(&s);
}

/* ---- the prompt ---- */

static void prompt(struct scene *s, const char *text, size_t cursor)
{
    s->vm.prompt.label = "> ";
    s->vm.prompt.text = text;
    s->vm.prompt.len = strlen(text);
    s->vm.prompt.cursor = cursor;
    s->vm.focus = PANE_PROMPT;
}

static void test_secret(void **state)
{
    struct scene s;
    struct shot t = { 0 };
    (void)state;
    scene_begin(&s);
    prompt(&s, "p\xc3\xa4ss word", 10);
    s.vm.prompt.secret = true;
    const char *text = shot_take(&t, &s, 80, 24);
    shot_must(text, "word", false);
    shot_must(text, "ss", false);
    assert_int_equal(t.info.cursor_x, 3 + 9); /* a dot for each character */
    char many[200];
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    prompt(&s, many, sizeof many - 1);
    shot_must(shot_take(&t, &s, 80, 24), "xxx", false);
    assert_true(t.info.cursor_x < 80);
    buf_release(&t.text);
    scene_end(&s);
}

/* The cursor stays in sight wherever in a long line it is. */
static void test_long_line(void **state)
{
    struct scene s;
    struct shot t = { 0 };
    char line[400];
    (void)state;
    scene_begin(&s);
    for (size_t i = 0; i < sizeof line - 1; i++)
        line[i] = (char)('a' + i % 26);
    line[sizeof line - 1] = '\0';
    for (size_t at = 0; at < sizeof line; at += 7) {
        prompt(&s, line, at);
        (void)shot_take(&t, &s, 60, 24);
        assert_in_range(t.info.cursor_x, 3, 59);
        char around[8];
        size_t from = at >= 3 ? at - 3 : 0, n = at >= 3 ? 3 : at;
        memcpy(around, line + from, n);
        around[n] = '\0';
        shot_must(buf_str(&t.text), around, true);
    }
    buf_release(&t.text);
    scene_end(&s);
}

static void test_block_above_the_line(void **state)
{
    struct scene s;
    struct buf b = BUF_INIT(4096);
    (void)state;
    scene_begin(&s);
    prompt(&s, "", 0);
    for (int i = 0; i < 30; i++)
        assert_int_equal(buf_addf(&b, "block line %d\n", i), 0);
    s.vm.prompt.above = buf_str(&b);
    shot_has(&s, 80, 24, "block line 29", true); /* the last of them */
    shot_has(&s, 80, 24, "block line 0", false);
    buf_release(&b);
    scene_end(&s);
}

static void test_candidates(void **state)
{
    static const char *const names[] = { "alpha_one",  "alpha_two", "alpha_three", "alpha_four",
                                         "alpha_five", "alpha_six", "alpha_seven", "alpha_eight",
                                         "alpha_nine", "alpha_ten", "alpha_eleven" };
    struct scene s;
    (void)state;
    scene_begin(&s);
    prompt(&s, "!alpha_", 7);
    s.vm.prompt.candidates = names;
    s.vm.prompt.candidate_count = ARRAY_LEN(names);
    s.vm.prompt.candidate_chosen = SIZE_MAX;
    shot_has(&s, 80, 24, "alpha_one  alpha_two", true);
    shot_has(&s, 80, 24, "+", true); /* and how many are not shown */
    shot_has(&s, 80, 24, "alpha_eleven", false);
    shot_has(&s, W, H, "alpha_eleven", true);
    s.vm.focus = PANE_CODE;
    shot_has(&s, 80, 24, "alpha_one  alpha_two", false);
    scene_end(&s);
}

/* ---- the plan and the variables ---- */

static void test_plan_marks(void **state)
{
    struct scene s;
    struct shot t = { 0 };
    (void)state;
    scene_begin(&s);
    scene_event(&s, EVENT_PLAN_UPDATED, 0,
                "{'steps':[{'id':'1','title':'loads','status':'done'},"
                "{'id':'2','title':'fails','status':'failed'},"
                "{'id':'3','title':'is skipped','status':'skipped'},"
                "{'id':'4','title':'is active','status':'active',"
                "'expect':'exit 0\\nstderr empty'},"
                "{'id':'5','title':'waits','status':'pending'}]}");
    const char *text = shot_take(&t, &s, W, H);
    shot_must(text, "\xe2\x9c\x93 1 loads", true);
    shot_must(text, "\xe2\x9c\x97 2 fails", true);
    shot_must(text, "4 is active", true);
    shot_must(text, "expect: exit 0", true);
    shot_must(text, "expect: stderr empty", true);
    shot_must(text, "4/5", true);
    s.vm.scroll[PANE_PLAN].selected = 99;
    s.vm.focus = PANE_PLAN;
    assert_int_equal(view_plan_step(&s.st, &s.vm), 4);
    shot_has(&s, 40, 12, "waits", true); /* few rows: around the cursor */
    buf_release(&t.text);
    scene_end(&s);
}

static void test_variables(void **state)
{
    struct scene s;
    struct shot t = { 0 };
    bool file;
    (void)state;
    scene_two_attempts(&s);
    s.vm.run = 2;
    s.vm.focus = PANE_STATE;
    const char *text = shot_take(&t, &s, W, H);
    shot_must(text, "df", true);
    shot_must(text, "DataFrame 104", true);
    shot_must(text, "model", true);
    shot_must(text, "out.csv", true);
    static const char *const names[] = { "df", "path", "model", "out.csv" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        s.vm.scroll[PANE_STATE].selected = (int64_t)i;
        char *name = view_selected_name(&s.st, &s.vm, &file);
        assert_non_null(name);
        assert_int_equal(file, i == 3);
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(names); k++)
            known |= strcmp(name, names[k]) == 0;
        assert_true(known);
        free(name);
    }
    s.vm.focus = PANE_CODE; /* nothing is selected there */
    assert_null(view_selected_name(&s.st, &s.vm, &file));
    state_run_at(&s.st, 2)->state_lost = true;
    shot_has(&s, W, H, "interpreter", true);
    buf_release(&t.text);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_after_events),
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_planner),
        cmocka_unit_test(test_the_end_of_a_sandbox),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_block_above_the_line),
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_plan_marks),
        cmocka_unit_test(test_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
