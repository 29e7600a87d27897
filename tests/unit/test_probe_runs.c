/* test_probe_runs.c - what becomes of runs, by the isolation probes: their time, what they leave
 * for the next one, the limits they meet, and a kill at any moment. */
#include "probe_play.h"

/* ---- time ---- */

static void test_timeouts(void **state)
{
    (void)state;
    static const struct {
        struct answer run, kept;
        enum probe_outcome outcome;
        const char *row;
    } cases[] = {
        { { "asked", "begun\n", END_TIMEOUT, false, false, false, NULL },
          { "print(kept)", "17\n", END_EXIT, false, false, false, NULL },
          PROBE_PASS,
          "PASS variables after loop|there|said to be kept" },
        { { "asked", "begun\n", END_TIMEOUT, true, false, false, NULL },
          { "print(kept)", "", END_EXIT, false, false, false, "NameError" },
          PROBE_PASS,
          "PASS variables after storm|not there|said to be lost" },
        { { "asked", "begun\n", END_TIMEOUT, true, false, false, NULL },
          { "print(kept)", "17\n", END_EXIT, false, false, false, NULL },
          PROBE_FAIL,
          "FAIL variables after loop|there|said to be lost" },
        { { "asked", "begun\n", END_TIMEOUT, false, false, false, NULL },
          { "print(kept)", "", END_EXIT, false, false, false, "NameError" },
          PROBE_FAIL,
          "FAIL variables after loop|not there|said to be kept" },
        { { "asked", "begun\n", END_EXIT, false, false, false, NULL },
          { "print(kept)", "17\n", END_EXIT, false, false, false, NULL },
          PROBE_FAIL,
          "FAIL end a loop|exit|after 0" },
        { { "asked", "", END_EXIT, false, false, false, "SyntaxError" },
          { "print(kept)", "17\n", END_EXIT, false, false, false, NULL },
          PROBE_UNPROVED,
          "UNPROVED end a loop|SyntaxError|it did not begin" },
        { { "asked", "begun\n", END_TIMEOUT, true, true, false, NULL },
          { "print(kept)", "17\n", END_EXIT, false, false, false, NULL },
          PROBE_FAIL,
          "FAIL variables after loop|" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct answer answers[] = { cases[i].run, cases[i].kept, { .about = NULL } };
        again();
        probe("timeout", answers);
        expect(cases[i].outcome, cases[i].row);
        expect(cases[i].outcome, "PASS what a loop started||0 left");
    }
    again();
    w.contract.lifecycle = LIFECYCLE_RUN; /* no run after it */
    const struct answer once[] = { cases[0].run, { .about = NULL } };
    probe("timeout", once);
    expect(PROBE_PASS, "PASS end a storm|timeout|");
    assert_null(strstr(buf_str(&w.rows), "variables after"));
}

static void test_a_kill_at_any_moment(void **state)
{
    (void)state;
    probe("kill", NULL);
    expect(PROBE_PASS, "PASS kill 20 ms after its creation began|confirmed|0 processes left");
    w.unconfirmed = true;
    probe("kill", NULL);
    expect(PROBE_UNPROVED, "UNPROVED kill 0 ms after its creation began|not confirmed|");
}

/* ---- state ---- */

#define SET                                                                                        \
    {                                                                                              \
        "probe_value = sys", "", END_EXIT, false, false, false, NULL                               \
    }
#define GET                                                                                        \
    {                                                                                              \
        "probe_math.floor", "%N 1 %N%N %N", END_EXIT, false, false, false, NULL                    \
    }
#define TURNED                                                                                     \
    {                                                                                              \
        "print(probe_turn)", "first", END_EXIT, false, false, false, NULL                          \
    }
#define NONE                                                                                       \
    {                                                                                              \
        .about = NULL                                                                              \
    }

static void test_what_a_run_leaves(void **state)
{
    (void)state;
    static const struct {
        struct answer answers[6];
        unsigned caps;
        bool once, no_restore;
        enum probe_outcome outcome;
        const char *row;
    } cases[] = {
        { { SET, GET, TURNED, NONE },
          SANDBOX_IS_STATEFUL | SANDBOX_CAN_CHECKPOINT,
          false,
          false,
          PROBE_PASS,
          "PASS go back one run|there|promised" },
        { { SET, GET, TURNED, NONE },
          SANDBOX_IS_STATEFUL | SANDBOX_CAN_CHECKPOINT,
          false,
          true,
          PROBE_UNPROVED,
          "UNPROVED go back one run||no checkpoint was kept" },
        { { SET, GET, NONE },
          SANDBOX_IS_STATEFUL | SANDBOX_CAN_CHECKPOINT,
          false,
          false,
          PROBE_FAIL,
          "FAIL go back one run|not there|promised" },
        { { SET, GET, NONE },
          SANDBOX_IS_STATEFUL,
          false,
          false,
          PROBE_PASS,
          "PASS variable, module, function and file in the next run|there|promised" },
        { { SET, { "probe_math.floor", "", END_EXIT, false, false, false, "NameError" }, NONE },
          SANDBOX_IS_STATEFUL,
          false,
          false,
          PROBE_FAIL,
          "in the next run|NameError|promised" },
        { { SET, GET, NONE }, 0, true, false, PROBE_FAIL, "in the next run|there|must not be" },
        { { { "probe_value = sys", "", END_EXIT, false, true, false, NULL }, NONE },
          0,
          true,
          false,
          PROBE_PASS,
          "PASS the next run||the sandbox ended with its run" },
        { { SET, GET, { "print(probe_value)", "%N", END_EXIT, false, false, false, NULL }, NONE },
          SANDBOX_IS_STATEFUL,
          false,
          false,
          PROBE_FAIL,
          "FAIL the variable in another sandbox|there|must not be there" },
        { { SET, GET, { "os.path.exists", "%N", END_EXIT, false, false, false, NULL }, NONE },
          SANDBOX_IS_STATEFUL,
          false,
          false,
          PROBE_FAIL,
          "FAIL the file in another sandbox|there|must not be there" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        again();
        w.ops.caps = cases[i].caps;
        w.contract.lifecycle = cases[i].once ? LIFECYCLE_RUN : LIFECYCLE_SESSION;
        w.no_restore = cases[i].no_restore;
        probe("state", cases[i].answers);
        expect(cases[i].outcome, cases[i].row);
    }
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *out;
        enum run_end end;
        enum probe_outcome outcome;
        const char *row;
    } cases[] = {
        { "{\"got\":\"ENOSPC\",\"done\":15}", END_EXIT, PROBE_FAIL,
          "PASS disk: 4 times 16 MiB|ENOSPC after 15 MiB|the limit held" },
        { "{\"got\":\"EDQUOT\",\"done\":15}", END_EXIT, PROBE_FAIL, "PASS disk" },
        { "{\"got\":\"EFBIG\",\"done\":15}", END_EXIT, PROBE_FAIL, "PASS disk" },
        { "{\"got\":\"MemoryError\",\"done\":100}", END_EXIT, PROBE_FAIL,
          "PASS memory: 4 times 128 MiB|MemoryError after 100 MiB|the limit held" },
        { "", END_OOM, PROBE_FAIL, "PASS memory: 4 times 128 MiB|ended: oom " },
        { "{\"got\":\"EAGAIN\",\"done\":30}", END_EXIT, PROBE_FAIL,
          "PASS processes: 4 times 32 processes|EAGAIN after 30 processes|" },
        { "{\"got\":\"ENOMEM\",\"done\":30}", END_EXIT, PROBE_FAIL, "PASS processes" },
        { "{\"got\":\"all of it\",\"done\":64}", END_EXIT, PROBE_FAIL,
          "FAIL disk: 4 times 16 MiB|all of it after 64 MiB|the limit did not hold" },
        { "{\"got\"", END_EXIT, PROBE_FAIL, "FAIL disk: 4 times 16 MiB|ended: exit " },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct answer answers[] = {
            { "", cases[i].out, cases[i].end, false, false, false, NULL }, { .about = NULL }
        };
        again();
        probe("limits", answers);
        expect(cases[i].outcome, cases[i].row);
    }
    again();
    w.enforcement.field[FIELD_DISK] = (struct field_enforcement){ NOT_ENFORCEABLE, "no quota" };
    probe("limits", NULL);
    expect(PROBE_FAIL, "UNPROVED disk||not enforceable: no quota");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_timeouts),
        CASE(test_a_kill_at_any_moment),
        CASE(test_what_a_run_leaves),
        CASE(test_limits),
    };
    return cmocka_run_group_tests_name("probe_runs", tests, NULL, NULL);
}
