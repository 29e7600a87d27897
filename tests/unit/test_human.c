/* test_human.c - the planner that leaves the planning to the person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/loop.h"
#include "providers/registry.h"

static struct {
    size_t messages, waits, others;
    bool inside; /* a call is on: the sink must not be heard */
} heard;

static void on_event(void *arg, struct planner *p, const struct planner_event *ev)
{
    (void)arg;
    (void)p;
    assert_false(heard.inside);
    if (ev->kind == PLANNER_MESSAGE) {
        heard.messages++;
        assert_non_null(strstr(ev->text, "!CODE"));
        assert_non_null(strstr(ev->text, ":tour"));
        assert_non_null(strstr(ev->text, ":help"));
        assert_int_equal(ev->text_len, strlen(ev->text));
    } else if (ev->kind == PLANNER_WAITING) {
        heard.waits++;
    } else {
        heard.others++;
    }
}

static void says_once_what_can_be_typed_and_waits(void **state)
{
    (void)state;
    struct loop *lp = NULL;
    struct planner *p = NULL;
    struct err e = ERR_INIT;
    struct planner_observation o = { .call_id = "" };
    assert_int_equal(loop_new(&lp, &e), 0);
    struct planner_config cfg = { .loop = lp, .sink = on_event };
    assert_int_equal(planner_human.available(&cfg, &e), 0);
    assert_int_equal(planner_human.open(&p, &cfg, &e), 0);
    assert_true(planner_human.caps & PLANNER_PERSON);
    heard.inside = true;
    assert_int_equal(p->ops->task(p, "sort the mail", &e), 0);
    heard.inside = false;
    assert_int_equal(loop_turn(lp, 0, &e), 0);
    assert_int_equal(heard.messages, 1);
    assert_int_equal(heard.waits, 1);
    assert_int_equal(p->ops->message(p, "and the post", &e), 0);
    assert_int_equal(loop_turn(lp, 0, &e), 0);
    assert_int_equal(p->ops->observe(p, &o, &e), 0);
    assert_int_equal(loop_turn(lp, 0, &e), 0);
    assert_int_equal(p->ops->plan_edited(p, NULL, 0, &e), 0);
    p->ops->cancel(p);
    assert_int_equal(heard.messages, 1);
    assert_int_equal(heard.waits, 3);
    assert_int_equal(heard.others, 0);
    assert_int_equal(p->ops->message(p, "never heard", &e), 0);
    p->ops->close(p); /* with something still to say */
    assert_int_equal(loop_turn(lp, 0, &e), 0);
    assert_int_equal(heard.waits, 3);
    loop_free(lp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_once_what_can_be_typed_and_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
