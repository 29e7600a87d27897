/* test_round_life.c - a sandbox beyond one run: waited for, paused and woken, interrupted, its
 * snapshots, its files, and what it is asked while nothing runs. */
#include "fake_clock.h"
#include "round_past.h"

static void begin_remote(unsigned caps)
{
    d.sandbox.caps |= caps | SANDBOX_IS_REMOTE;
    d.sandbox.cost = box_cost;
    d.sandbox.farewell = box_farewell;
    desk_begin();
}

/* One run is over, the sandbox is there, with variable x. */
static void begin_after_a_run(unsigned caps)
{
    begin_remote(caps);
    start_code(0, "x = 1");
    tell_exit(0, 1, 0);
    tell_state(0, 1, "x", "1");
    clear();
}

static void tell_paused(const struct err *why, bool stays)
{
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_PAUSED, .id = "box-id", .err = why, .confirmed = stays });
}

static void tell_back(size_t box)
{
    static const char *const kept[] = { "x" };
    tell(box, (struct sandbox_event){
                  .kind = SANDBOX_READY, .id = "box-id", .again = true, .ms = 5000 });
    tell(box, (struct sandbox_event){ .kind = SANDBOX_RESTORED, .kept = kept, .kept_count = 1 });
}

/* ---- paused and woken ---- */

static void test_what_can_not_be_paused(void **state)
{
    (void)state;
    begin_after_a_run(0);
    BAD(round_pause(d.r, e), ERR_USAGE, "sandbox box can't be paused");
    d.sandbox.caps |= SANDBOX_CAN_PAUSE;
    d.sandbox.pause = NULL;
    BAD(round_pause(d.r, e), ERR_USAGE, "sandbox box can't be paused");
    d.sandbox.pause = box_pause;
    BAD(round_wake(d.r, e), ERR_USAGE, "no sandbox is paused");
    d.refuse = "pause";
    BAD(round_pause(d.r, e), ERR_NET, "no pause today");
    d.refuse = NULL;
    GOOD(own_code("2", e));
    GOOD(decide(DECIDE_APPROVE, e));
    BAD(round_pause(d.r, e), ERR_BUSY, "something is still on");
    tell_exit(0, 2, 0);
    BAD(round_pause(d.r, e), ERR_BUSY, "something is still on"); /* it reports its variables */
    tell_state(0, 2, "x", "1");
    TIMES(1, "> pause"); /* only the one that failed */
    GOOD(round_pause(d.r, e));
    BAD(round_pause(d.r, e), ERR_USAGE, "no sandbox is running"); /* under way */
    assert_false(round_is_quiet(d.r));
    tell_paused(NULL, false);
    BAD(round_pause(d.r, e), ERR_USAGE, "paused already");
    BAD(round_get(d.r, "a", 1, e), ERR_USAGE, ":wake it first");
    tell_closed(0);
    BAD(round_pause(d.r, e), ERR_USAGE, "no sandbox is running");
    BAD(round_wake(d.r, e), ERR_USAGE, "no sandbox is paused");
}

static void test_a_run_wakes_it(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_PAUSE);
    GOOD(round_pause(d.r, e));
    tell_paused(NULL, false);
    assert_int_equal(d.st.sbx, SBX_PAUSED);
    GOOD(own_code("print(x)", e));
    GOOD(decide(DECIDE_APPROVE, e));
    LOGGED("> wake 0");
    SILENT("> exec");
    tell_back(0);
    BEFORE("state.restored", "> exec 2 on 0 print(x)");
    LOGGED("\"how\":\"attached\"");
    assert_int_equal(d.st.runs[1]->parent_run, 1);
    LOGGED("\"ends_ms\":5000");
}

/* It was on its way to sleep when a run was approved. */
static void test_a_run_that_comes_while_it_is_paused(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_PAUSE);
    GOOD(own_code("print(x)", e));
    GOOD(round_pause(d.r, e));
    GOOD(decide(DECIDE_APPROVE, e));
    SILENT("> wake");
    tell_paused(NULL, false);
    BEFORE("sandbox.paused", "> wake 0");
}

static void test_a_pause_that_fails_leaves_it_running(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_PAUSE);
    GOOD(own_code("print(x)", e));
    GOOD(round_pause(d.r, e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell_paused(because(ERR_NET, "no answer"), false);
    LOGGED("it runs on, and costs");
    LOGGED("> exec 2 on 0 print(x)");
    assert_int_equal(d.st.sbx, SBX_READY);
}

static void test_a_wake_that_fails_leaves_it_paused(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_PAUSE);
    GOOD(round_pause(d.r, e));
    tell_paused(NULL, false);
    d.refuse = "wake";
    BAD(round_wake(d.r, e), ERR_NET, "no wake today");
    assert_int_equal(d.st.sbx, SBX_PAUSED);
    d.refuse = NULL;
    GOOD(round_wake(d.r, e));
    assert_false(round_is_quiet(d.r));
    tell_paused(because(ERR_NET, "no answer"), true);
    LOGGED("it stays paused: :wake tries again, :kill ends it");
    assert_int_equal(d.st.sbx, SBX_PAUSED);
    assert_true(round_is_quiet(d.r));

    /* The run that it was woken for has its end, and the next one tries again. */
    GOOD(own_code("print(x)", e));
    GOOD(decide(DECIDE_APPROVE, e));
    clear();
    tell_paused(because(ERR_NET, "no answer"), true);
    LOGGED("run.finished 2 {\"end\":\"sandbox\"");
    SILENT("it stays paused");
    GOOD(own_code("print(x)", e));
    d.refuse = "wake";
    GOOD(decide(DECIDE_APPROVE, e));
    LOGGED("run.finished 3 {\"end\":\"sandbox\"");
    LOGGED("no wake today");
    assert_int_equal(d.st.sbx, SBX_PAUSED);
}

/* ---- waited for, interrupted, killed ---- */

static void test_waiting_for_a_place(void **state)
{
    (void)state;
    begin_remote(0);
    GOOD(own_code("1", e));
    BAD(round_put(d.r, &(struct sandbox_file){ 0 }, e), ERR_USAGE, "no sandbox is running yet");
    BAD(round_complete(d.r, "python", "x", 1, 7, e), ERR_USAGE, "no sandbox is running yet");
    GOOD(decide(DECIDE_APPROVE, e));
    tell(0, (struct sandbox_event){ .kind = SANDBOX_QUEUED,
                                    .ms = 60000,
                                    .err = because(ERR_LIMIT, "20 of 20 are in use") });
    LOGGED("sandbox.waiting 0 {\"kind\":\"box\",\"label\":\"01jd0000000000000000000000-1\",\"why\":"
           "\"20 of 20 are in use\",\"wait_ms\":60000}");
    assert_int_equal(d.st.sbx, SBX_WAITING);
    round_interrupt(d.r);
    LOGGED("run.finished 1 {\"end\":\"interrupted\"");
    LOGGED("the code was not executed");
    LOGGED("> interrupt 0");
    turns();
    tell_ready(0); /* it came after all: nothing runs in it by itself */
    SILENT("> exec");
    assert_true(round_is_quiet(d.r));
    tell(0, (struct sandbox_event){ .kind = SANDBOX_LEASE, .ms = 90000 });
    LOGGED("sandbox.lease 0");
    assert_int_equal(d.box[0]->allowance(d.box[0]->arg), -1);
}

static void test_one_interrupt_asks_the_next_kills(void **state)
{
    (void)state;
    desk_begin();
    round_interrupt(d.r); /* nothing is on */
    round_kill_sandbox(d.r);
    SILENT("> kill");
    start_code(0, "while True: pass");
    round_interrupt(d.r);
    TIMES(1, "> interrupt 0");
    SILENT("> kill");
    round_interrupt(d.r);
    TIMES(1, "> interrupt 0");
    LOGGED("> kill 0 killed");
    round_kill_sandbox(d.r);
    TIMES(2, "> kill 0 killed");
}

/* Approved while the old sandbox goes down: it runs in a new one, once. */
static void test_a_run_outlives_the_sandbox_before(void **state)
{
    (void)state;
    desk_begin();
    start_code(0, "1");
    tell_exit(0, 1, 0);
    tell_state(0, 1, "", "");
    round_kill_sandbox(d.r);
    GOOD(own_code("2", e));
    d.refuse = "exec"; /* what is dying takes nothing */
    GOOD(decide(DECIDE_APPROVE, e));
    LOGGED("run.finished 2 {\"end\":\"sandbox\"");
    d.refuse = NULL;
    tell_closed(0);
    GOOD(own_code("3", e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell_closed(1); /* gone before it was there */
    LOGGED("> open 01jd0000000000000000000000-3");
    tell_ready(2);
    TIMES(1, "> exec 3 on 2 3");
}

static void test_a_sandbox_that_fails_is_told(void **state)
{
    (void)state;
    desk_begin();
    GOOD(own_code("1", e));
    d.refuse = "open";
    GOOD(decide(DECIDE_APPROVE, e));
    LOGGED("run.finished 1 {\"end\":\"sandbox\"");
    d.refuse = NULL;
    GOOD(own_code("2", e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell(0,
         (struct sandbox_event){ .kind = SANDBOX_FAILED, .err = because(ERR_MISSING, "no image") });
    LOGGED("run.finished 2 {\"end\":\"sandbox\"");
    tell_closed(0);
    start_code(1, "3");
    tell_exit(1, 3, 0);
    tell_state(1, 3, "", "");
    tell(1, (struct sandbox_event){ .kind = SANDBOX_FAILED, .err = because(ERR_NET, "it died") });
    LOGGED("\"message\":\"it died\",\"hint\":\"the next run starts a new sandbox\"");
    tell_closed(1);
    assert_int_equal(d.st.sbx, SBX_CLOSED);
}

/* One that is for one run is destroyed with it. */
static void test_one_run_one_sandbox(void **state)
{
    (void)state;
    GOOD(contract_set(&d.contract, "lifecycle=run", e));
    desk_begin();
    start_code(0, "1");
    tell_exit(0, 1, 0);
    LOGGED("> kill 0 killed");
    SILENT("> save");
    tell_closed(0);
    start_code(1, "2");
    LOGGED("> exec 2 on 1 2");
    GOOD(round_resume_state(d.r, e)); /* nothing to bring back */
    TIMES(2, "> open");
}

/* ---- its cost and its end ---- */

static void test_a_remote_one_ends_with_its_session(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_PAUSE);
    round_end_remote(d.r, true);
    BEFORE("> farewell 0", "sandbox.closed 0");
    LOGGED("\"confirmed\":true");
    LOGGED("> close 0");
    round_end_remote(d.r, true);
    TIMES(1, "> farewell");
}

static void test_a_paused_one_is_left_as_it_is(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_PAUSE);
    GOOD(round_pause(d.r, e));
    tell_paused(NULL, false);
    clear();
    round_end_remote(d.r, false);
    SILENT("> farewell");
    SILENT("sandbox.closed");
    LOGGED("> close 0");
}

static void test_what_may_live_on_is_an_orphan(void **state)
{
    (void)state;
    static const struct fleet_ops *fleet = (const struct fleet_ops *)&reason;
    d.proved_gone = false;
    d.sandbox.fleet = fleet;
    begin_after_a_run(0);
    round_end_remote(d.r, true);
    LOGGED("sandbox.orphaned 0");
    LOGGED("\"confirmed\":false");
}

/* ---- files and names ---- */

static void test_files_are_on_record_before_they_go(void **state)
{
    (void)state;
    struct sandbox_file f = { (char *)(uintptr_t) "in.txt", 0644, (char *)(uintptr_t) "abc", 3 };
    begin_after_a_run(0);
    GOOD(round_put(d.r, &f, e));
    BEFORE("file.put 0 {\"path\":\"in.txt\",\"bytes\":3,\"sha256\":\"ba7816bf",
           "> put 0 in.txt abc");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FILE_DONE, .path = "in.txt" });
    SILENT("file.got");
    GOOD(round_get(d.r, "out.txt", 77, e));
    LOGGED("> get 0 out.txt 77");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FILE_DONE,
                                    .path = "out.txt",
                                    .err = because(ERR_LIMIT, "out.txt is too large") });
    LOGGED("\"message\":\"out.txt is too large\"");
    SILENT("file.got");
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_FILE_DONE, .path = "out.txt", .ptr = "", .len = 0 });
    LOGGED("file.got 0 {\"path\":\"out.txt\",\"bytes\":0");
    d.refuse = "put";
    BAD(round_put(d.r, &f, e), ERR_NET, "no put today");
    d.refuse_event = "file.put";
    BAD(round_put(d.r, &f, e), ERR_IO, "could not be recorded, so it was not done");
    TIMES(2, "> put");
}

static void test_names_are_completed_where_they_can_be(void **state)
{
    (void)state;
    static const char *const names[] = { "xylem" };
    begin_after_a_run(0);
    BAD(round_complete(d.r, "bash", "xy", 2, 9, e), ERR_USAGE, "sandbox box can't complete names");
    d.sandbox.caps |= SANDBOX_CAN_COMPLETE;
    GOOD(round_complete(d.r, "bash", "xy", 2, 9, e));
    LOGGED("> complete 0 bash xy 2 9");
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_COMPLETION, .token = 9, .kept = names, .kept_count = 1 });
    LOGGED("= 9 xylem");
    GOOD(own_code("2", e));
    GOOD(decide(DECIDE_APPROVE, e));
    BAD(round_complete(d.r, "bash", "xy", 2, 9, e), ERR_BUSY, "run 2 is still on");
}

/* ---- snapshots ---- */

static void run_with_snapshot(uint32_t run, const char *id)
{
    if (run > 1) {
        GOOD(own_code("x", e));
        GOOD(decide(DECIDE_APPROVE, e));
        tell_exit(0, run, 0);
        tell_state(0, run, "x", "1");
    }
    assert_false(round_is_quiet(d.r));
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SNAPSHOT, .run = run, .id = id });
    assert_true(round_is_quiet(d.r));
}

static void test_only_the_newest_snapshots_are_kept(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_SNAPSHOT);
    run_with_snapshot(1, "s1");
    LOGGED("checkpoint.made 1 {\"kind\":\"snapshot\",\"snapshot\":\"s1\"}");
    run_with_snapshot(2, "s2");
    SILENT("> drop-snapshot");
    run_with_snapshot(3, "s3");
    LOGGED("> drop-snapshot 1 s1 on 0");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SNAPSHOT,
                                    .run = 1,
                                    .id = "s1",
                                    .err = because(ERR_NET, "no answer") });
    LOGGED("it is still at the provider's");
    assert_string_equal(d.st.runs[0]->snapshot, "s1");
    run_with_snapshot(4, "s4"); /* asked again, and then for the next */
    TIMES(2, "> drop-snapshot 1 s1");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SNAPSHOT, .run = 1 });
    LOGGED("checkpoint.lost 1 {\"kind\":\"snapshot\",\"why\":\"only the newest are kept\"}");
    assert_string_equal(d.st.runs[0]->snapshot, "");
    LOGGED("> drop-snapshot 2 s2 on 0");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SNAPSHOT, .run = 2 });
    SILENT("> drop-snapshot 3");
}

static void test_a_snapshot_that_fails_is_said(void **state)
{
    (void)state;
    begin_after_a_run(SANDBOX_CAN_SNAPSHOT);
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_SNAPSHOT, .run = 1, .err = because(ERR_LIMIT, "no room") });
    LOGGED("there is no going back to this run");
    assert_true(round_is_quiet(d.r));
    d.refuse = "snapshot"; /* none was asked for: nothing is awaited */
    GOOD(own_code("2", e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell_exit(0, 2, 0);
    tell_state(0, 2, "x", "1");
    assert_true(round_is_quiet(d.r));
}

/* ---- an approval is for now [APR-6] ---- */

static void test_an_approval_does_not_outlive_a_suspended_machine(void **state)
{
    static const struct {
        int64_t slept_us;
        bool starts;
    } cases[] = { { 0, true },
                  { INT64_C(59000000), true },
                  { INT64_C(61000000), false },
                  { INT64_C(601000000), false } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        desk_begin();
        GOOD(own_code("print(1)", e));
        GOOD(decide(DECIDE_APPROVE, e));
        LOGGED("> open");
        fake_ahead_us += cases[i].slept_us; /* while the sandbox is made */
        tell_ready(0);
        TIMES(cases[i].starts ? 1 : 0, "> exec 1");
        TIMES(cases[i].starts ? 1 : 0, "run.started 1");
        TIMES(cases[i].starts ? 0 : 1, "it has to be approved again");
        if (!cases[i].starts) {
            LOGGED("\"end\":\"sandbox\"");
            GOOD(own_code("print(2)", e)); /* the sandbox is there, and the next one runs */
            GOOD(decide(DECIDE_APPROVE, e));
            TIMES(1, "> exec 2");
        }
        if (i + 1 < ARRAY_LEN(cases))
            (void)desk_teardown(NULL);
    }
    fake_ahead_us = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_an_approval_does_not_outlive_a_suspended_machine),
        CASE(test_what_can_not_be_paused),
        CASE(test_a_run_wakes_it),
        CASE(test_a_run_that_comes_while_it_is_paused),
        CASE(test_a_pause_that_fails_leaves_it_running),
        CASE(test_a_wake_that_fails_leaves_it_paused),
        CASE(test_waiting_for_a_place),
        CASE(test_one_interrupt_asks_the_next_kills),
        CASE(test_a_run_outlives_the_sandbox_before),
        CASE(test_a_sandbox_that_fails_is_told),
        CASE(test_one_run_one_sandbox),
        CASE(test_a_remote_one_ends_with_its_session),
        CASE(test_a_paused_one_is_left_as_it_is),
        CASE(test_what_may_live_on_is_an_orphan),
        CASE(test_files_are_on_record_before_they_go),
        CASE(test_names_are_completed_where_they_can_be),
        CASE(test_only_the_newest_snapshots_are_kept),
        CASE(test_a_snapshot_that_fails_is_said),
    };
    return cmocka_run_group_tests_name("round_life", tests, NULL, desk_end);
}
