/* test_probes.c - the isolation probes: every one passes in each sandbox that is there, and every
 * one fails where there are no walls. A probe that could not fail would prove nothing. */
#include "box.h"

#include "open_double.h"
#include "tool/contract.h"
#include "tool/probe.h"

struct told {
    int reports;
    enum probe_outcome outcome;
    size_t rows, failed;
    char why[512];
};

static void on_report(void *arg, const struct probe_report *r)
{
    struct told *t = arg;
    t->reports++;
    t->outcome = r->outcome;
    t->rows = r->row_count;
    snprintf(t->why, sizeof t->why, "%s: %s", r->name, r->why);
    for (size_t i = 0; i < r->row_count; i++)
        t->failed += r->rows[i].outcome == PROBE_FAIL;
}

static struct told probe(const struct sandbox_ops *ops, const char *name)
{
    struct told t = { 0 };
    struct err e = ERR_INIT;
    struct contract c;
    contract_init(&c);
    struct probe_config cfg = { .loop = box_world.loop,
                                .launcher = box_world.launcher,
                                .net = box_world.net,
                                .setting = box_setting,
                                .sandbox = ops,
                                .contract = &c,
                                .only = name,
                                .report = on_report,
                                .arg = &t };
    if (probe_run(&cfg, &e) < 0)
        fail_msg("%s", e.msg);
    contract_release(&c);
    assert_int_equal(t.reports, 1);
    assert_true(t.rows > 0);
    return t;
}

static void must_pass(const char *name)
{
    struct told t = probe(box_world.ops, name);
    if (t.outcome != PROBE_PASS)
        fail_msg("%s", t.why);
}

#define HOLDS(probe)                                                                               \
    static void probe##_holds(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        BOX_NEEDS_LOCAL(); /* a vendor's walls can't be tried against a server of our own */       \
        must_pass(#probe);                                                                         \
    }
HOLDS(filesystem)
HOLDS(network)
HOLDS(process)
HOLDS(timeout)
HOLDS(state)
HOLDS(limits)
HOLDS(kill)

/* ---- negative controls: once, as whoever runs the tests */

#define FAILS(probe_, at_least)                                                                    \
    static void probe_##_fails_without_walls(void **state)                                         \
    {                                                                                              \
        (void)state;                                                                               \
        struct told t = probe(&open_double_ops, #probe_);                                          \
        assert_int_equal(t.outcome, PROBE_FAIL);                                                   \
        assert_true(t.failed >= (at_least));                                                       \
    }
FAILS(filesystem, 6) /* each canary in several ways, and files that are left */
FAILS(network, 4)    /* three listeners, their count, the namespace */
FAILS(process, 5)    /* seen, signalled, same pids, no filter, no namespace */
FAILS(timeout, 1)    /* goes on */
FAILS(state, 1)      /* says it is stateful, and forgets */
FAILS(limits, 2)     /* memory and processes; a disk may be full */

static void kill_that_leaves_something_fails(void **state)
{
    (void)state;
    double_leaves_a_process = true;
    struct told t = probe(&open_double_ops, "kill");
    double_leaves_a_process = false;
    assert_int_equal(t.outcome, PROBE_FAIL);
}

static void an_unknown_probe_is_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct probe_config cfg = { .only = "nonesuch" };
    assert_int_equal(probe_run(&cfg, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
}

static const struct CMUnitTest holds[] = {
    cmocka_unit_test(filesystem_holds), cmocka_unit_test(network_holds),
    cmocka_unit_test(process_holds),    cmocka_unit_test(timeout_holds),
    cmocka_unit_test(state_holds),      cmocka_unit_test(limits_holds),
    cmocka_unit_test(kill_holds),
};

static const struct CMUnitTest controls[] = {
    cmocka_unit_test(filesystem_fails_without_walls),
    cmocka_unit_test(network_fails_without_walls),
    cmocka_unit_test(process_fails_without_walls),
    cmocka_unit_test(timeout_fails_without_walls),
    cmocka_unit_test(state_fails_without_walls),
    cmocka_unit_test(limits_fails_without_walls),
    cmocka_unit_test(kill_that_leaves_something_fails),
    cmocka_unit_test(an_unknown_probe_is_refused),
};

static int run_suite(const char *name)
{
    return cmocka_run_group_tests_name(name, holds, box_group_setup, box_group_teardown);
}

static int run_controls(void)
{
    size_t count;
    box_world.ops = sandbox_list(&count)[0];
    if (chdir("/tmp") < 0) /* the home is gone */
        return 1;
    return cmocka_run_group_tests_name("no walls", controls, box_group_setup, box_group_teardown);
}

int main(void)
{
    int failed = box_main(run_suite);
    return failed + run_controls() == 0 ? 0 : 1;
}
