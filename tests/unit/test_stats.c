/* test_stats.c - decisions counted from events, waits, and what a policy file would change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tool/stats.h"

#define KEY_A    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define CONTRACT "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static struct stats s;

static int begin(void **state)
{
    (void)state;
    stats_init(&s);
    return 0;
}

static int end(void **state)
{
    (void)state;
    stats_release(&s);
    return 0;
}

static void feed_at(enum event_type type, uint32_t run, int64_t at_us, const char *json)
{
    struct err e = ERR_INIT;
    struct json *body = NULL;
    struct event ev = {
        .type = type, .run = run, .at_us = at_us, .json = json, .json_len = strlen(json)
    };
    if (event_parse(&ev, &body, &e) < 0)
        fail_msg("%s", e.msg);
    stats_event(&s, &ev);
    json_free(body);
}

static void feed(enum event_type type, uint32_t run, const char *json)
{
    feed_at(type, run, 1, json);
}

static void created(const char *sandbox)
{
    char json[400];
    snprintf(json, sizeof json,
             "{\"planner\":\"human\",\"model\":\"\",\"sandbox\":\"%s\",\"contract\":{},"
             "\"contract_digest\":\"%s\",\"version\":\"1\"}",
             sandbox, CONTRACT);
    feed(EVENT_SESSION_CREATED, 0, json);
}

/* A gate for `run` with these findings, decided. `key` NULL: recorded before there were keys. */
static void decide(uint32_t run, const char *findings, const char *key, const char *decision,
                   const char *by, int waited_ms, const char *reason)
{
    char json[1200], field[100] = "";
    snprintf(json, sizeof json, "{\"findings\":[%s]}", findings);
    feed(EVENT_RUN_REVIEWED, run, json);
    if (key != NULL)
        snprintf(field, sizeof field, ",\"code_key\":\"%s\"", key);
    snprintf(json, sizeof json,
             "{\"rev\":1,\"capsule\":\"x\",\"contract_digest\":\"%s\",\"sandbox\":\"local\"%s}",
             CONTRACT, field);
    feed(EVENT_GATE_OPENED, run, json);
    snprintf(
        json, sizeof json,
        "{\"decision\":\"%s\",\"by\":\"%s\",\"capsule\":\"x\",\"seen_lines\":1,\"waited_ms\":%d,"
        "\"reason\":\"%s\"}",
        decision, by, waited_ms, reason);
    feed(EVENT_GATE_DECIDED, run, json);
}

#define HIGH_DELETE "{\"line\":1,\"severity\":\"HIGH\",\"rule\":\"py.delete\",\"text\":\"deletes\"}"
#define LOW_NET     "{\"line\":2,\"severity\":\"LOW\",\"rule\":\"py.net\",\"text\":\"connects\"}"

static const struct stats_row *row(struct stats_table *t, const char *key)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->rows[i].key, key) == 0)
            return &t->rows[i];
    }
    fail_msg("no row %s", key);
    return NULL;
}

static void decisions_are_counted_where_they_belong(void **state)
{
    (void)state;
    stats_begin(&s, "one");
    created("local");
    decide(1, HIGH_DELETE "," HIGH_DELETE "," LOW_NET, KEY_A, "deny", "person", 100, "too broad");
    decide(2, LOW_NET, KEY_B, "approve", "person", 300, "");
    decide(3, "", KEY_B, "approve", "lease", 0, "");
    decide(4, HIGH_DELETE, KEY_B, "deny", "policy", 0, "nobody is there");
    stats_end(&s);
    stats_begin(&s, "two");
    created("docker");
    decide(1, LOW_NET, KEY_A, "deny", "person", 200, "too broad");
    decide(2, "", KEY_A, "approve", "typed", 0, "");
    stats_end(&s);
    assert_int_equal(s.sessions, 2);
    assert_int_equal(stats_tally_sum(&s.all), 6);
    assert_int_equal(s.all.approved, 1);
    assert_int_equal(s.all.denied, 2);
    assert_int_equal(s.all.unasked, 2);
    assert_int_equal(s.all.refused, 1);
    assert_int_equal(s.by_lease, 1);
    assert_int_equal(s.by_typed, 1);
    assert_int_equal(s.by_severity[1 + SEVERITY_HIGH].denied, 1);
    assert_int_equal(s.by_severity[1 + SEVERITY_LOW].denied, 1);
    assert_int_equal(s.by_severity[0].unasked, 2);
    /* Twice at one gate is once. */
    assert_int_equal(row(&s.rules, "py.delete")->tally.denied, 1);
    assert_int_equal(row(&s.rules, "py.delete")->tally.refused, 1);
    assert_int_equal(row(&s.rules, "py.delete")->severity, SEVERITY_HIGH);
    assert_int_equal(row(&s.rules, "py.net")->tally.denied, 2);
    assert_int_equal(row(&s.findings, "py.net: connects")->tally.approved, 1);
    stats_table_sort(&s.reasons);
    assert_int_equal(s.reasons.count, 2);
    assert_string_equal(s.reasons.rows[0].key, "too broad");
    assert_int_equal(s.reasons.rows[0].count, 2);
}

static void waits_have_percentiles(void **state)
{
    (void)state;
    assert_int_equal(stats_wait_percentile(&s, -2, 50), -1);
    stats_begin(&s, "one");
    created("local");
    for (uint32_t i = 1; i <= 100; i++)
        decide(i, i <= 90 ? "" : HIGH_DELETE, KEY_A, "approve", "person", (int)(101 - i) * 10, "");
    stats_end(&s);
    assert_int_equal(stats_wait_percentile(&s, -2, 50), 500);
    assert_int_equal(stats_wait_percentile(&s, -2, 90), 900);
    assert_int_equal(stats_wait_percentile(&s, -2, 1), 10);
    assert_int_equal(stats_wait_percentile(&s, -2, 100), 1000);
    assert_int_equal(stats_wait_count(&s, SEVERITY_HIGH), 10);
    assert_int_equal(stats_wait_percentile(&s, SEVERITY_HIGH, 50), 50);
    assert_int_equal(stats_wait_percentile(&s, SEVERITY_LOW, 50), -1);
}

static void sandboxes_are_added_up(void **state)
{
    (void)state;
    stats_begin(&s, "one");
    created("local");
    feed_at(EVENT_SANDBOX_READY, 0, 1000000, "{\"kind\":\"local\",\"label\":\"x\",\"id\":\"1\"}");
    feed(EVENT_RUN_FINISHED, 1,
         "{\"end\":\"exit\",\"wall_ms\":40,\"stdout_bytes\":0,\"stderr_bytes\":0}");
    feed(EVENT_USAGE, 0, "{\"source\":\"m\",\"cost_nanousd\":700}");
    feed_at(EVENT_SANDBOX_READY, 5, 2000000, "{\"kind\":\"local\",\"label\":\"y\",\"id\":\"2\"}");
    feed_at(EVENT_SESSION_FINISHED, 0, 3500000,
            "{\"outcome\":\"done\",\"runs\":1,\"denied\":0,\"cost_nanousd\":700}");
    stats_end(&s);
    stats_begin(&s, "two");
    created("local");
    feed(EVENT_USAGE, 0, "{\"source\":\"m\",\"cost_nanousd\":9007199254740991}");
    feed(EVENT_SANDBOX_CLOSED, 0, "{\"kind\":\"local\",\"label\":\"x\",\"sandbox_ms\":500}");
    stats_end(&s);
    const struct stats_row *r = row(&s.sandboxes, "local");
    assert_int_equal(r->count, 2);
    assert_int_equal(r->runs, 1);
    assert_int_equal(r->wall_ms, 40);
    assert_int_equal(r->alive_ms, 2500 + 500);
    assert_int_equal(r->cost_nanousd, 9007199254740991 + 700);
}

/* The program ended without a word; days later the session goes on, and says so. */
static void nobody_lives_between_two_programs(void **state)
{
    (void)state;
    stats_begin(&s, "one");
    created("local");
    feed_at(EVENT_SANDBOX_READY, 0, 1000000, "{\"kind\":\"local\",\"label\":\"x\",\"id\":\"1\"}");
    feed_at(EVENT_RUN_FINISHED, 1, 3000000,
            "{\"end\":\"exit\",\"wall_ms\":40,\"stdout_bytes\":0,\"stderr_bytes\":0}");
    feed_at(EVENT_SESSION_RESUMED, 0, 900000000, "{\"version\":\"1\"}");
    feed_at(EVENT_SANDBOX_CLOSED, 0, 900000001, "{\"kind\":\"local\",\"label\":\"x\"}");
    feed_at(EVENT_SANDBOX_READY, 0, 901000000, "{\"kind\":\"local\",\"label\":\"y\",\"id\":\"2\"}");
    feed_at(EVENT_RUN_FLAGGED, 1, 901500000,
            "{\"stream\":\"stdout\",\"severity\":\"HIGH\",\"rule\":\"r\",\"text\":\"t\"}");
    stats_end(&s);
    assert_int_equal(row(&s.sandboxes, "local")->alive_ms, 2000 + 500);
    assert_int_equal(row(&s.sandboxes, "local")->count, 1);
    assert_int_equal(s.flags, 1);
}

static void each_decision_has_its_place(void **state)
{
    (void)state;
    char text[STATS_KEY_MAX + 100], finding[STATS_KEY_MAX + 300];
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    snprintf(finding, sizeof finding, "{\"severity\":\"grave\",\"rule\":\"r\",\"text\":\"%s\"}",
             text);
    stats_begin(&s, "one");
    created("local");
    decide(1, finding, KEY_A, "edit", "person", 1, "");
    decide(1, "", KEY_A, "stop", "person", 1, "");
    decide(2, "", KEY_A, "dry-run", "person", 1, "");
    decide(3, "", KEY_A, "deny", "person", 1, "");
    /* A decision whose review is gone is not counted to the findings of another. */
    decide(4, HIGH_DELETE, KEY_A, "approve", "person", 1, "");
    feed(EVENT_GATE_DECIDED, 5,
         "{\"decision\":\"approve\",\"by\":\"person\",\"capsule\":\"x\",\"seen_lines\":1,"
         "\"waited_ms\":1}");
    stats_end(&s);
    assert_int_equal(s.all.edited, 1);
    assert_int_equal(s.all.stopped, 1);
    assert_int_equal(s.all.dry_run, 1);
    assert_int_equal(stats_tally_sum(&s.all), 6);
    assert_int_equal(s.by_severity[1 + SEVERITY_HIGH].edited, 1); /* nobody knows that word */
    assert_int_equal(row(&s.rules, "py.delete")->tally.approved, 1);
    assert_int_equal(s.by_severity[0].approved, 1);
    assert_int_equal(row(&s.reasons, "(no reason given)")->count, 1);
    stats_table_sort(&s.findings);
    for (size_t i = 0; i < s.findings.count; i++)
        assert_true(strlen(s.findings.rows[i].key) <= STATS_KEY_MAX);
    assert_int_equal(stats_wait_count(&s, SEVERITY_MEDIUM), 0);
    stats_release(NULL);
}

/* ---- policy ---- */

static struct buf changes;

static void on_change(void *arg, const struct stats_change *c)
{
    (void)arg;
    assert_int_equal(buf_addf(&changes, "%s:%u %s by %s -> %s\n", c->session, c->run, c->was, c->by,
                              c->would_run ? "run" : "ask"),
                     0);
}

static void a_policy_is_replayed(void **state)
{
    (void)state;
    char dir[] = "/tmp/airlock-stats-XXXXXX", path[64];
    struct err e = ERR_INIT;
    struct policy *p = NULL;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/policy", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "allow %s %s\n", CONTRACT, KEY_A);
    fclose(f);
    chmod(path, 0600);
    if (policy_load(&p, path, &e) < 0)
        fail_msg("%s", e.msg);
    unlink(path);
    rmdir(dir);
    buf_init(&changes, 1 << 16);
    s.policy = p;
    s.changed = on_change;
    stats_begin(&s, "one");
    created("local");
    decide(1, "", KEY_A, "deny", "person", 1, "no");     /* would run */
    decide(2, "", KEY_A, "approve", "person", 1, "");    /* would not be asked */
    decide(3, "", KEY_B, "approve", "policy", 0, "");    /* would be asked */
    decide(4, "", KEY_A, "approve", "policy", 0, "");    /* the same */
    decide(5, "", KEY_B, "deny", "policy", 0, "nobody"); /* the same */
    decide(6, "", KEY_A, "approve", "lease", 0, "");     /* a lease comes first */
    decide(7, "", KEY_A, "approve", "typed", 0, "");
    decide(8, "", NULL, "deny", "person", 1, "no"); /* can't be told */
    decide(9, "", KEY_A, "dry-run", "person", 1, "");
    decide(9, "", KEY_A, "approve", "person", 1, ""); /* after a dry run a person is asked */
    stats_end(&s);
    assert_string_equal(buf_str(&changes), "one:1 deny by person -> run\n"
                                           "one:2 approve by person -> run\n"
                                           "one:3 approve by policy -> ask\n"
                                           "one:9 dry-run by person -> run\n");
    assert_int_equal(s.no_key, 1);
    assert_int_equal(s.judged, 6);
    buf_release(&changes);
    policy_free(p);
}

/* ---- bounds ---- */

static void tables_keep_their_bounds(void **state)
{
    (void)state;
    char reason[40];
    stats_begin(&s, "one");
    created("local");
    for (uint32_t i = 1; i <= STATS_ROWS_MAX + 100; i++) {
        snprintf(reason, sizeof reason, "reason %u", i);
        decide(i, "", KEY_A, "deny", "person", 1, reason);
    }
    decide(9999, "", KEY_A, "deny", "person", 1, "reason 7");
    stats_end(&s);
    assert_int_equal(s.reasons.count, STATS_ROWS_MAX);
    assert_int_equal(s.reasons.left_out, 100);
    assert_int_equal(row(&s.reasons, "reason 7")->count, 2);
    assert_int_equal(s.all.denied, STATS_ROWS_MAX + 101);
}

static void an_erased_body_counts_for_nothing(void **state)
{
    (void)state;
    stats_begin(&s, "one");
    stats_event(&s, &(struct event){ .type = EVENT_GATE_DECIDED, .run = 1 });
    stats_end(&s);
    assert_int_equal(stats_tally_sum(&s.all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decisions_are_counted_where_they_belong, begin, end),
        cmocka_unit_test_setup_teardown(waits_have_percentiles, begin, end),
        cmocka_unit_test_setup_teardown(sandboxes_are_added_up, begin, end),
        cmocka_unit_test_setup_teardown(nobody_lives_between_two_programs, begin, end),
        cmocka_unit_test_setup_teardown(each_decision_has_its_place, begin, end),
        cmocka_unit_test_setup_teardown(a_policy_is_replayed, begin, end),
        cmocka_unit_test_setup_teardown(tables_keep_their_bounds, begin, end),
        cmocka_unit_test_setup_teardown(an_erased_body_counts_for_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
