/* test_round_gate.c - decisions: what is bound to what was shown, what a lease, typing and a policy
 * cover, edits at the gate, and what a proposal may not hold. */
#include "round_fixture.h"

#include "tool/capsule.h"

#define SECRET "sk-secret-0123456789abcdef"

static void add_secret(void)
{
    GOOD(redact_add(d.redact, "API_KEY", SECRET, strlen(SECRET), e));
}

/* ---- deciding ---- */

static void test_only_what_is_shown_is_decided(void **state)
{
    (void)state;
    desk_begin();
    struct round_decide x = { .decision = DECIDE_APPROVE, .by = "person", .capsule = "" };
    BAD(round_decide(d.r, &x, e), ERR_USAGE, "no gate is open");
    BAD(round_edit(d.r, "2", 1, NULL, e), ERR_USAGE, "no gate is open");
    assert_null(round_gate_capsule(d.r));
    GOOD(own_code("print(1)", e));
    LOGGED("? 1 ");
    assert_string_equal(capsule_hex(round_gate_capsule(d.r)), d.st.gate.capsule);
    char *shown = xstrdup(d.st.gate.capsule);
    shown[0] = shown[0] == '0' ? '1' : '0';
    x.capsule = shown;
    BAD(round_decide(d.r, &x, e), ERR_INTEGRITY, "not the one at the gate");
    /* The record says one thing, the program another: neither is approved. */
    free(d.st.gate.capsule);
    d.st.gate.capsule = shown;
    BAD(round_decide(d.r, &x, e), ERR_INTEGRITY, "not the one at the gate");
    turns();
    SILENT("gate.decided");
    SILENT("> open");
    assert_true(d.st.gate.open);
}

static void test_a_decision_is_recorded_as_made(void **state)
{
    (void)state;
    static const struct {
        struct round_decide x;
        const char *recorded;
        enum run_status status;
        unsigned opened, cancelled;
    } cases[] = {
        { { .decision = DECIDE_APPROVE, .seen_lines = 9 },
          "\"seen_lines\":9,\"waited_ms\"",
          RUN_APPROVED,
          1,
          0 },
        { { .decision = DECIDE_APPROVE, .unseen_lines = 7 },
          "\"reviewed\":\"partial\",\"unseen_lines\":7",
          RUN_APPROVED,
          1,
          0 },
        { { .decision = DECIDE_DENY, .reason = "not now" },
          "\"decision\":\"deny\",\"by\":\"person\"",
          RUN_DENIED,
          0,
          0 },
        { { .decision = DECIDE_DENY, .reason = "not now" },
          "\"reason\":\"not now\"",
          RUN_DENIED,
          0,
          0 },
        { { .decision = DECIDE_STOP, .reason = "" }, "\"decision\":\"stop\"", RUN_STOPPED, 0, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        desk_begin();
        GOOD(own_code("print(1)", e));
        struct round_decide x = cases[i].x;
        x.by = "person";
        x.capsule = d.st.gate.capsule;
        GOOD(round_decide(d.r, &x, e));
        turns();
        LOGGED(cases[i].recorded);
        assert_int_equal(status_of(1), cases[i].status);
        TIMES(cases[i].opened, "> open");
        TIMES(cases[i].cancelled, "> cancel");
        SILENT("\"reason\":\"\"");
        BAD(decide(DECIDE_APPROVE, e), ERR_USAGE, "no gate is open"); /* it is used up */
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* What stands in the capsule is what the sandbox gets, or nothing at all. */
static void test_another_body_is_not_sent(void **state)
{
    (void)state;
    d.tampers = true;
    desk_begin();
    GOOD(own_code("print(1)", e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell_ready(0);
    LOGGED("run.finished 1 {\"end\":\"integrity\"");
    assert_int_equal(d.st.running, 0);
    /* Nothing is approved any more: the same body is refused, whoever asks. */
    struct sandbox_run rq = { .run = 1, .language = "python", .code = "print(1)", .code_len = 8 };
    BAD(d.box[0]->check(d.box[0]->arg, &rq, e), ERR_INTEGRITY, "no approved capsule for run 1");
}

/* The adapter looked again, right before it sent: no state follows of what never left. */
static void test_a_body_that_is_refused_late_holds_nothing_up(void **state)
{
    (void)state;
    d.sandbox.caps |= SANDBOX_IS_STATEFUL;
    desk_begin();
    start_code(0, "print(1)");
    struct sandbox_finished f = sandbox_finished_bare(END_INTEGRITY, "another body");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = 1, .finished = &f });
    LOGGED("run.finished 1 {\"end\":\"integrity\"");
    GOOD(own_code("print(2)", e));
    assert_int_equal(d.st.gate.run, 2);
}

static void test_a_gate_says_what_holds_it(void **state)
{
    (void)state;
    d.sandbox.held_by = "nobody at all";
    d.sandbox.caps |= SANDBOX_IS_CHECKED_ONLY;
    d.sandbox.starts_over = box_starts_over;
    d.enforcement.field[FIELD_CPU] = (struct field_enforcement){ APPROXIMATED, "by nice" };
    desk_begin();
    start_code(0, "print(1)");
    assert_false(d.st.gate.state_lost);
    assert_true(d.st.gate.checked_only);
    assert_string_equal(d.st.gate.held_by, "nobody at all");
    assert_non_null(strstr(d.st.gate.walls, "by nice"));
    tell_exit(0, 1, 0);
    tell_state(0, 1, "", "");
    GOOD(own_code("print(2)", e));
    assert_false(d.st.gate.state_lost);
    BAD(decide(DECIDE_DRY_RUN, e), ERR_DENIED, "only checked afterwards");
    assert_true(d.st.gate.open);
    GOOD(decide(DECIDE_DENY, e));
    d.starts_over = true;
    GOOD(own_code("print(3)", e));
    assert_true(d.st.gate.state_lost);
    assert_string_equal(d.st.gate.lost_line, "what was there is gone");
    assert_int_equal(d.st.gate.run, 3);
}

static void test_where_code_goes_is_in_the_capsule(void **state)
{
    (void)state;
    d.sandbox.origin = box_origin;
    d.refuse = "origin";
    desk_begin();
    GOOD(own_code("print(1)", e));
    LOGGED("! run 1: no origin today");
    assert_false(d.st.gate.open);
    assert_true(round_is_quiet(d.r)); /* it is over: nothing is waited for */
    BAD(own_code("print(2)", e), ERR_IO, "can't be written any more");
    BAD(decide(DECIDE_APPROVE, e), ERR_IO, "nothing can be approved");
    BAD(round_edit(d.r, "2", 1, NULL, e), ERR_USAGE, "no gate is open");
}

/* ---- editing ---- */

static void test_an_edit_is_a_new_rev_and_capsule(void **state)
{
    (void)state;
    desk_begin();
    propose("print(1)", "", "exit 0");
    char *old = xstrdup(d.st.gate.capsule);
    BAD(round_edit(d.r, NULL, 0, NULL, e), ERR_CANCELLED, "nothing was changed");
    BAD(round_edit(d.r, "print(1)", 8, "exit 0", e), ERR_CANCELLED, "nothing was changed");
    BAD(round_edit(d.r, "  \n", 3, NULL, e), ERR_FORMAT, "no code");
    BAD(round_edit(d.r, "print(2)", 8, "stdout sings", e), ERR_FORMAT, "expectation");
    assert_string_equal(d.st.gate.capsule, old);
    SILENT("gate.decided");

    GOOD(round_edit(d.r, "print(2)", 8, NULL, e)); /* the code alone, of the same length */
    turns();
    assert_int_equal(d.st.gate.rev, 2);
    assert_string_equal(d.st.runs[0]->code, "print(2)");
    assert_string_equal(d.st.runs[0]->expect, "exit 0");
    assert_string_not_equal(d.st.gate.capsule, old);
    GOOD(round_edit(d.r, NULL, 0, "exit 3", e)); /* the expectation alone */
    turns();
    assert_int_equal(d.st.gate.rev, 3);
    assert_string_equal(d.st.runs[0]->code, "print(2)");
    assert_string_equal(d.st.runs[0]->expect, "exit 3");
    struct round_decide x = { .decision = DECIDE_APPROVE, .by = "person", .capsule = old };
    BAD(round_decide(d.r, &x, e), ERR_INTEGRITY, "not the one at the gate");
    free(old);
    GOOD(decide(DECIDE_APPROVE, e));
    tell_ready(0);
    LOGGED("> exec 1 on 0 print(2)");
    tell_exit(0, 1, 3);
    tell_state(0, 1, "", "");
    LOGGED("verdict=verified");
    LOGGED("edited=print(2)");
}

/* ---- leases ---- */

static int grant(int64_t runs, int64_t minutes, const char *step, struct err *e)
{
    struct round_lease l = { .runs = runs, .minutes = minutes, .step = step };
    int rc = round_grant_lease(d.r, &l, e);
    turns();
    return rc;
}

static void test_a_lease_has_bounds(void **state)
{
    (void)state;
    static const struct {
        int64_t runs, minutes;
        const char *step;
        bool good;
    } cases[] = {
        { 0, 0, NULL, false },   { -1, 5, NULL, false },   { 10001, 0, NULL, false },
        { 5, -1, NULL, false },  { 0, 1441, NULL, false }, { 10000, 0, NULL, true },
        { 0, 1440, NULL, true }, { 1, 1, "2", true },      { 0, 0, "2", true },
    };
    desk_begin();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (cases[i].good)
            GOOD(grant(cases[i].runs, cases[i].minutes, cases[i].step, e));
        else
            BAD(grant(cases[i].runs, cases[i].minutes, cases[i].step, e), ERR_USAGE, "a lease is");
        assert_int_equal(d.st.lease.active, cases[i].good);
    }
    round_end_lease(d.r, "enough");
    assert_false(d.st.lease.active);
    round_end_lease(d.r, "again");
    TIMES(1, "lease.ended");
}

/* What the contract or the sandbox leaves open is covered by no lease. */
static void test_a_lease_needs_walls(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        int loose; /* the field that is not enforced; -1 none */
        unsigned caps;
        const char *says; /* NULL: granted */
    } cases[] = {
        { "network=open", -1, 0, "network is not denied" },
        { "network=allow:example.org", -1, 0, "network is not denied" },
        { "files.mount=/tmp:rw", -1, 0, "mounted read-write" },
        { "files.mount=/tmp:ro", -1, 0, NULL },
        { NULL, FIELD_NETWORK, 0, "can't enforce" },
        { NULL, FIELD_FILES, 0, "can't enforce" },
        { NULL, FIELD_TIMEOUT, 0, "can't enforce" },
        { NULL, FIELD_TTL, 0, "can't enforce" },
        { NULL, FIELD_OUTPUT, 0, "can't enforce" },
        { NULL, FIELD_CPU, 0, NULL },
        { NULL, -1, SANDBOX_IS_CHECKED_ONLY, "can't enforce" },
        { NULL, -1, 0, NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        if (cases[i].setting != NULL)
            GOOD(contract_set(&d.contract, cases[i].setting, e));
        if (cases[i].loose >= 0)
            d.enforcement.field[cases[i].loose].how = APPROXIMATED;
        d.sandbox.caps |= cases[i].caps;
        desk_begin();
        char room[160];
        const char *no = round_no_lease(d.r, room, sizeof room);
        assert_int_equal(no != NULL, cases[i].says != NULL);
        assert_int_equal(round_no_dry_run(d.r) != NULL, cases[i].caps != 0);
        if (cases[i].says != NULL)
            BAD(grant(3, 0, NULL, e), ERR_DENIED, cases[i].says);
        else
            GOOD(grant(3, 0, NULL, e));
        assert_int_equal(d.st.lease.active, cases[i].says == NULL);
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

static void test_a_lease_covers_its_runs(void **state)
{
    (void)state;
    d.enforcement.field[FIELD_PIDS] = (struct field_enforcement){ APPROXIMATED, "" };
    desk_begin();
    propose("print(1)", "1", "");
    LOGGED("? 1 ");
    GOOD(grant(2, 0, "1", e)); /* the gate that is open is decided at once */
    LOGGED("lease.granted 0 {\"runs\":2,\"step\":\"1\",\"approximated\":[\"pids\"]}");
    LOGGED("\"by\":\"lease\"");
    tell_ready(0);
    tell_exit(0, 1, 0);
    tell_state(0, 1, "", "");
    clear();
    propose("print(2)", "2", "");
    LOGGED("? 2 the lease was granted for another step");
    SILENT("\"by\":\"lease\"");
    GOOD(decide(DECIDE_DENY, e));
    propose("import os\nos.remove('/etc/passwd')", "1", "");
    LOGGED("? 3 HIGH line 2: not covered by the lease");
    GOOD(
        round_edit(d.r, "print(3)", 8, NULL, e)); /* the person's own words now: theirs to decide */
    turns();
    LOGGED("? 3 \n");
    assert_int_equal(d.st.gate.rev, 2);
    GOOD(decide(DECIDE_DENY, e));
    clear();
    propose("print(4)", "1", "");
    LOGGED("\"by\":\"lease\"");
    tell_exit(0, 4, 0);
    tell_state(0, 4, "", "");
    propose("print(5)", "1", "");
    LOGGED("? 5 the lease has no runs left");
}

static void test_typed_code_runs_where_a_lease_could(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool typed, typed_runs, unasked;
    } cases[] = {
        { "print(1)", true, true, true },
        { "print(1)", false, true, false },
        { "print(1)", true, false, false },
        { "import os\nos.remove('/etc/passwd')", true, true, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        d.cfg.typed_runs = cases[i].typed_runs;
        desk_begin();
        struct round_own own = { .language = "python",
                                 .code = cases[i].code,
                                 .code_len = strlen(cases[i].code),
                                 .typed = cases[i].typed };
        GOOD(round_own_code(d.r, &own, e));
        turns();
        TIMES(cases[i].unasked, "\"by\":\"typed\"");
        TIMES(!cases[i].unasked, "? 1 ");
        assert_int_equal(status_of(1), cases[i].unasked ? RUN_APPROVED : RUN_AT_GATE);
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* A lease that was granted before the gate opened; its budget is spent meanwhile. */
static void test_a_lease_ends_with_the_budget(void **state)
{
    (void)state;
    d.contract.budget_nanousd = 100;
    desk_begin();
    LOGGED("> planner - python 100");
    GOOD(grant(5, 0, NULL, e));
    propose("print(1)", "", "");
    LOGGED("\"by\":\"lease\"");
    assert_int_equal(d.box[0]->allowance(d.box[0]->arg), 100);
    struct planner_usage u = { .source = "m", .cache_write_tokens = 3, .cost_nanousd = 100 };
    say((struct planner_event){ .kind = PLANNER_USAGE, .usage = &u });
    LOGGED("\"cache_write_tokens\":3");
    assert_int_equal(d.box[0]->allowance(d.box[0]->arg), 0);
    tell_ready(0);
    tell_exit(0, 1, 0);
    tell_state(0, 1, "", "");
    propose("print(2)", "", "");
    LOGGED("? 2 the budget does not hold");
    BAD(grant(5, 0, NULL, e), ERR_DENIED, "the budget does not hold");
}

/* ---- what a proposal may not hold ---- */

static void test_what_can_not_be_carried_is_refused(void **state)
{
    (void)state;
    static const char *const argv[] = { "a", SECRET };
    struct sandbox_file file = { (char *)(uintptr_t) "data.txt", 0644, (char *)(uintptr_t)SECRET,
                                 sizeof SECRET - 1 };
    char *long_code = xcalloc(((size_t)1 << 20) + 2, 1);
    memset(long_code, 'x', ((size_t)1 << 20) + 1);
    const struct {
        struct round_own own;
        enum err_code code;
        const char *says;
    } cases[] = {
        { { .code = "", .code_len = 0 }, ERR_FORMAT, "there is no code in it" },
        { { .code = " \n\t", .code_len = 3 }, ERR_FORMAT, "there is no code in it" },
        { { .code = long_code, .code_len = strlen(long_code) }, ERR_LIMIT, "limit of 1 MiB" },
        { { .code = "a\nb\0c", .code_len = 5 }, ERR_FORMAT, "line 2 of the code holds a NUL" },
        { { .code = "a\n\nb\xff", .code_len = 5 }, ERR_FORMAT, "line 3 of the code is not valid" },
        { { .code = "1", .code_len = 1, .language = "cobol" },
          ERR_USAGE,
          "sandbox box does not run cobol (it runs: python)" },
        { { .code = "\n" SECRET, .code_len = sizeof SECRET },
          ERR_DENIED,
          "line 2 holds secret API_KEY; pass it with `-c env=API_KEY`" },
        { { .code = "1", .code_len = 1, .input = SECRET, .input_len = sizeof SECRET - 1 },
          ERR_DENIED,
          "its input holds secret API_KEY" },
        { { .code = "1", .code_len = 1, .purpose = "send " SECRET },
          ERR_DENIED,
          "its purpose holds secret API_KEY" },
        { { .code = "1", .code_len = 1, .expect = "stdout contains " SECRET },
          ERR_DENIED,
          "its expectation holds secret API_KEY" },
        { { .code = "1", .code_len = 1, .argv = argv, .argv_count = 2 },
          ERR_DENIED,
          "argument 1 holds secret API_KEY" },
        { { .code = "1", .code_len = 1, .files = &file, .file_count = 1 },
          ERR_DENIED,
          "file data.txt holds secret API_KEY" },
        { { .code = "1", .code_len = 1, .expect = "stdout sings" }, ERR_FORMAT, "expectation: " },
    };
    add_secret();
    desk_begin();
    clear();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct round_own own = cases[i].own;
        own.language = own.language != NULL ? own.language : "python";
        BAD(round_own_code(d.r, &own, e), cases[i].code, cases[i].says);
        turns();
        assert_int_equal(d.st.run_count, 0);
        assert_int_equal(d.log.len, 0); /* not a byte of it is recorded */
    }
    free(long_code);
    propose("1", SECRET, ""); /* a step is the planner's alone */
    LOGGED("its step holds secret API_KEY: say it without");
    LOGGED("> observe 0 call-1 denied=1 reason=its step holds secret API_KEY");
    assert_int_equal(d.st.run_count, 0);
}

static void test_without_secrets_nothing_is_searched(void **state)
{
    (void)state;
    d.cfg.redact = NULL;
    static const char *const argv[] = { "-v" };
    struct sandbox_file file = { (char *)(uintptr_t) "in.bin", 0644, (char *)(uintptr_t) "\xff",
                                 1 };
    struct round_own own = { .language = "python",
                             .code = "1",
                             .code_len = 1,
                             .argv = argv,
                             .argv_count = 1,
                             .input = "\xff\xfe",
                             .input_len = 2,
                             .files = &file,
                             .file_count = 1,
                             .purpose = "see",
                             .expect = "exit 0\n\nstderr empty" };
    desk_begin();
    GOOD(round_own_code(d.r, &own, e));
    turns();
    LOGGED("\"expect\":[\"exit 0\",\"stderr empty\"],\"argv\":[\"-v\"],\"stdin_base64\":\"//4=\"");
    LOGGED("file.put 1 {\"path\":\"in.bin\",\"bytes\":1");
    LOGGED("artifact application/octet-stream in.bin 1");
    assert_non_null(strstr(d.st.gate.attached, "in.bin"));
    GOOD(round_edit(d.r, "2", 1, NULL, e)); /* what lies beside the code stays */
    turns();
    assert_non_null(strstr(d.st.gate.attached, "in.bin"));
    GOOD(round_task(d.r, "words", "person", e));
}

/* Proposals wait for each other, oldest first. */
static void test_proposals_wait_their_turn(void **state)
{
    (void)state;
    desk_begin();
    GOOD(own_code("print(1)", e));
    GOOD(own_code("print(2)", e));
    GOOD(own_code("print(3)", e));
    assert_int_equal(d.st.run_count, 1);
    assert_false(round_only_saving(d.r));
    GOOD(decide(DECIDE_DENY, e));
    assert_string_equal(d.st.runs[1]->code, "print(2)");
    GOOD(decide(DECIDE_APPROVE, e));
    assert_int_equal(d.st.run_count, 2); /* not before it is over */
    tell_ready(0);
    tell_exit(0, 2, 0);
    assert_int_equal(d.st.run_count, 2);
    tell_state(0, 2, "", "");
    assert_string_equal(d.st.runs[2]->code, "print(3)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_only_what_is_shown_is_decided),
        CASE(test_a_decision_is_recorded_as_made),
        CASE(test_another_body_is_not_sent),
        CASE(test_a_body_that_is_refused_late_holds_nothing_up),
        CASE(test_a_gate_says_what_holds_it),
        CASE(test_where_code_goes_is_in_the_capsule),
        CASE(test_an_edit_is_a_new_rev_and_capsule),
        CASE(test_a_lease_has_bounds),
        CASE(test_a_lease_needs_walls),
        CASE(test_a_lease_covers_its_runs),
        CASE(test_typed_code_runs_where_a_lease_could),
        CASE(test_a_lease_ends_with_the_budget),
        CASE(test_what_can_not_be_carried_is_refused),
        CASE(test_without_secrets_nothing_is_searched),
        CASE(test_proposals_wait_their_turn),
    };
    return cmocka_run_group_tests_name("round_gate", tests, NULL, desk_end);
}
