/* test_plan.c - a person's changes to a plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/plan.h"

static struct state st;
static struct plan plan;

static void feed(const char *type, uint32_t run, const char *text)
{
    struct err e = ERR_INIT;
    struct json *body = NULL;
    struct event ev = { .type = event_type_find(type),
                        .run = run,
                        .seq = st.last_seq + 1,
                        .json = text,
                        .json_len = strlen(text) };
    if (event_parse(&ev, &body, &e) < 0 || state_apply(&st, &ev, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    json_free(body);
}

/* Three steps; step 2 has a run, and so has a step 9 that is no more. */
static int begin(void **state)
{
    (void)state;
    state_init(&st);
    feed("plan.updated", 0,
         "{\"steps\":[{\"id\":\"1\",\"title\":\"a\",\"status\":\"done\"},{\"id\":\"2\",\"title\":"
         "\"b\",\"status\":\"active\",\"expect\":\"exit 0\"},{\"id\":\"4\",\"title\":\"c\"}]}");
    for (uint32_t run = 1; run <= 2; run++) {
        feed("run.proposed", run,
             run == 1 ? "{\"rev\":1,\"step\":\"2\",\"attempt\":1,\"language\":\"python\",\"code\":"
                        "\"1\",\"purpose\":\"\",\"author\":\"planner\"}"
                      : "{\"rev\":1,\"step\":\"5\",\"attempt\":1,\"language\":\"python\",\"code\":"
                        "\"1\",\"purpose\":\"\",\"author\":\"planner\"}");
        feed("run.reviewed", run, "{\"findings\":[]}");
    }
    plan_init(&plan, &st);
    return 0;
}

static int end(void **state)
{
    (void)state;
    plan_release(&plan);
    state_release(&st);
    return 0;
}

/* "1a+ 2b> 4c." */
static const char *shown(void)
{
    static char text[256];
    text[0] = '\0';
    for (size_t i = 0; i < plan.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s%.1s", i > 0 ? " " : "",
                 plan.steps[i].id, plan.steps[i].title, step_status_name(plan.steps[i].status));
    return text;
}

static void commands(void **state)
{
    (void)state;
    static const struct {
        const char *words, *plan; /* afterwards */
    } rows[] = {
        { "add new step", "1ad 2ba 4cp 6new stepp" }, /* 5 was a step's id once */
        { "edit 4 d", "1ad 2ba 4cp 6dp" },
        { "move 4 1", "6dp 1ad 2ba 4cp" },
        { "move 1 3", "1ad 2ba 6dp 4cp" },
        { "mark 3 s", "1ad 2ba 6ds 4cp" },
        { "mark 2 pending", "1ad 2bp 6ds 4cp" },
        { "m 2 2", "1ad 2bp 6ds 4cp" },
        { "delete 3", "1ad 2bp 4cp" },
        { "del 3", "1ad 2bp" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        if (plan_command(&plan, rows[i].words, &e) < 0)
            fail_msg("%s: %s", rows[i].words, e.msg);
        assert_string_equal(shown(), rows[i].plan);
    }
    assert_string_equal(plan.steps[1].expect, "exit 0");
}

static void what_can_not_be(void **state)
{
    (void)state;
    static const struct {
        const char *words, *says;
    } rows[] = {
        { "", "step takes add TEXT" },
        { "sing", "step takes add TEXT" },
        { "add", "a step needs words" },
        { "add  ", "a step needs words" },
        { "add \377", "must be UTF-8" },
        { "edit 9 x", "there is no step 9: the plan has 3" },
        { "edit x", "there is no step 0" },
        { "delete 2", "step 2 has runs (1 …) and stays" },
        { "delete 99999999999999999999", "there is no step" },
        { "move 1 4", "there is no step 4" },
        { "mark 1 denied", "can be marked pending, active" },
        { "mark 1", "can be marked pending, active" },
    };
    char before[256];
    snprintf(before, sizeof before, "%s", shown());
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(plan_command(&plan, rows[i].words, &e), -1);
        if (strstr(e.msg, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].words, e.msg);
        assert_string_equal(shown(), before);
    }
}

static void it_stays_within_bounds(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char *title = xcalloc(1, PLAN_TITLE_MAX + 2);
    memset(title, 'x', PLAN_TITLE_MAX + 1);
    assert_int_equal(plan_add(&plan, 0, title, &e), -1);
    title[PLAN_TITLE_MAX] = '\0';
    assert_int_equal(plan_add(&plan, 0, title, &e), 0);
    free(title);
    assert_int_equal(plan_add(&plan, 0, "two\nlines", &e), -1);
    while (plan.count < PLAN_STEPS_MAX)
        assert_int_equal(plan_add(&plan, plan.count, "more", &e), 0);
    assert_int_equal(plan_add(&plan, 0, "too many", &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commands, begin, end),
        cmocka_unit_test_setup_teardown(what_can_not_be, begin, end),
        cmocka_unit_test_setup_teardown(it_stays_within_bounds, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
