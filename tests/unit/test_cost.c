/* test_cost.c - adding up what sessions have cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/cost.h"

static struct cost cost;
static unsigned told;

static void on_call(void *arg, const struct event *ev, const char *source, const struct cost_sum *s)
{
    (void)arg;
    (void)ev;
    assert_true(s->calls == 1 && source[0] != '\0');
    told++;
}

#define S INT64_C(1000000)

static void feed(const char *type, int64_t at_us, const char *text)
{
    struct err e = ERR_INIT;
    struct json *body = NULL;
    struct event ev = { .type = event_type_find(type),
                        .at_us = INT64_C(1763800000) * S + at_us,
                        .boot_us = at_us,
                        .json = text,
                        .json_len = strlen(text) };
    if (event_parse(&ev, &body, &e) < 0)
        fail_msg("%s", e.msg);
    assert_true((COST_TYPES >> ev.type & 1) != 0);
    cost_add(&cost, &ev);
    json_free(body);
}

#define CALL(model, price)                                                                         \
    "{\"source\":\"" model "\",\"input_tokens\":1000,\"output_tokens\":50,"                        \
    "\"cache_read_tokens\":10,\"cache_write_tokens\":5" price "}"
#define BOX(label) "{\"kind\":\"local\",\"label\":\"" label "\",\"id\":\"1\"}"

static void two_sessions(enum cost_by by)
{
    cost_release(&cost);
    cost_init(&cost, by);
    cost.call = on_call;
    told = 0;
    cost_begin(&cost, "one");
    feed("sandbox.ready", 1 * S, BOX("a"));
    feed("usage", 2 * S, CALL("x:big", ",\"cost_nanousd\":5000000"));
    feed("sandbox.ready", 3 * S, BOX("twin"));
    feed("usage", 4 * S, CALL("x:new", ""));
    feed("sandbox.closed", 5 * S, BOX("twin"));
    feed("sandbox.closed", 11 * S, BOX("a"));
    feed("sandbox.closed", 12 * S, BOX("a")); /* once */
    cost_end(&cost);
    cost_begin(&cost, "two");
    feed("usage", 86400 * S, CALL("x:big", ",\"cost_nanousd\":5000000"));
    feed("usage", 86400 * S, "{\"source\":\"e2b\",\"sandbox_ms\":900,\"cost_nanousd\":7}");
    feed("sandbox.ready", 86401 * S, BOX("b"));
    feed("run.finished", 86403 * S,
         "{\"end\":\"exit\",\"wall_ms\":1,\"stdout_bytes\":0,\"stderr_bytes\":0}");
    feed("session.resumed", 86900 * S, "{\"version\":\"1\"}"); /* it had crashed: at least 2 s */
    cost_end(&cost);
}

static const struct cost_sum *sum_of(const char *key)
{
    for (size_t i = 0; i < cost.count; i++) {
        if (strcmp(cost.rows[i].key, key) == 0)
            return &cost.rows[i].sum;
    }
    fail_msg("no row %s", key);
    return NULL;
}

static void totals_do_not_depend_on_the_rows(void **state)
{
    (void)state;
    for (int by = 0; by < COST_BY_COUNT; by++) {
        two_sessions((enum cost_by)by);
        assert_int_equal(told, 3);
        assert_int_equal(cost.total.calls, 3);
        assert_int_equal(cost.total.unpriced, 1);
        assert_int_equal(cost.total.input_tokens, 3000);
        assert_int_equal(cost.total.cache_read_tokens, 30);
        assert_int_equal(cost.total.cache_write_tokens, 15);
        assert_int_equal(cost.total.output_tokens, 150);
        assert_int_equal(cost.total.cost_nanousd, 10000007);
        assert_int_equal(cost.total.sandbox_ms, 14000);
        assert_int_equal(cost.total.unclosed, 1);
    }
}

static void each_way_of_looking(void **state)
{
    (void)state;
    two_sessions(COST_BY_MODEL);
    assert_int_equal(cost.count, 2);
    assert_int_equal(sum_of("x:big")->cost_nanousd, 10000000);
    assert_true(sum_of("x:new")->unpriced == 1 && sum_of("x:new")->cost_nanousd == 0);
    two_sessions(COST_BY_SESSION);
    assert_int_equal(sum_of("one")->sandbox_ms, 12000);
    assert_true(sum_of("two")->unclosed == 1 && sum_of("two")->sandbox_ms == 2000);
    two_sessions(COST_BY_SANDBOX);
    assert_int_equal(sum_of("local")->sandbox_ms, 14000);
    assert_int_equal(sum_of("e2b")->cost_nanousd, 7);
    two_sessions(COST_BY_DAY);
    assert_int_equal(cost.count, 2);
    assert_int_equal(sum_of("2025-11-22")->calls, 2);
    cost_release(&cost);
}

static void nothing_overflows(void **state)
{
    (void)state;
    cost_init(&cost, COST_BY_MODEL);
    cost_begin(&cost, "one");
    for (int i = 0; i < 3; i++)
        feed("usage", 0,
             "{\"source\":\"x\",\"input_tokens\":9007199254740991,"
             "\"cost_nanousd\":9007199254740991}");
    assert_int_equal(cost.total.cost_nanousd, INT64_C(3) * 9007199254740991);
    cost.total.cost_nanousd = INT64_MAX - 1;
    feed("usage", 0, "{\"source\":\"x\",\"input_tokens\":-5,\"cost_nanousd\":100}");
    assert_int_equal(cost.total.cost_nanousd, INT64_MAX);
    for (int i = 0; i < 100; i++)
        feed("sandbox.ready", 0, BOX("same"));
    cost_end(&cost);
    assert_int_equal(cost.total.unclosed, 100);
    enum cost_by by;
    assert_int_equal(cost_by_parse("weather", &by), -1);
    cost_release(&cost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_do_not_depend_on_the_rows),
        cmocka_unit_test(each_way_of_looking),
        cmocka_unit_test(nothing_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
