/* test_round_travel.c - going back on purpose, and the saved namespaces that make it possible: what
 * is refused, what comes back, what is said when it does not, which bytes are written and dropped.
 */
#include "round_past.h"

#include "tool/retain.h"

#define SECRET "sk-secret-0123456789abcdef"

static void tell_saved(uint32_t run, const char *ptr, size_t len, const char *digest)
{
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_SAVED, .run = run, .ptr = ptr, .len = len, .digest = digest });
}

static void tell_restored(size_t box, uint32_t run, const struct err *why)
{
    static const char *const kept[] = { "x" };
    tell(box,
         (struct sandbox_event){
             .kind = SANDBOX_RESTORED, .run = run, .kept = kept, .kept_count = 1, .err = why });
}

/* x is 1 after run 1 and 2 after run 2. */
static void begin_two_runs(unsigned caps, bool frozen)
{
    d.sandbox.caps |= caps;
    desk_begin();
    for (uint32_t run = 1; run <= 2; run++) {
        start_code(0, "x += 1");
        tell_exit(0, run, 0);
        if (frozen)
            tell(0, (struct sandbox_event){ .kind = SANDBOX_CHECKPOINT, .run = run });
        tell_state(0, run, "x", run == 1 ? "1" : "2");
    }
    clear();
}

/* ---- going back ---- */

static void test_by_the_frozen_copy(void **state)
{
    (void)state;
    begin_two_runs(SANDBOX_CAN_CHECKPOINT, true);
    GOOD(round_travel(d.r, 1, e));
    LOGGED("> restore 1 on 0");
    assert_false(round_is_quiet(d.r));
    BAD(round_travel(d.r, 1, e), ERR_BUSY, "something is under way");
    tell_restored(0, 1, because(ERR_MISSING, "no such copy"));
    LOGGED("\"message\":\"no such copy\",\"hint\":\"the variables are as before\"");
    assert_int_equal(d.st.vars_run, 2);
    GOOD(round_travel(d.r, 1, e));
    tell_restored(0, 1, NULL);
    LOGGED("state.restored 0 {\"from_run\":1,\"how\":\"fork\",\"kept\":[\"x\"],\"lost\":[]}");
    assert_int_equal(d.st.vars_run, 1);
    assert_true(d.st.went_back);
    BAD(round_travel(d.r, 1, e), ERR_USAGE, "those after run 1 already");
    BAD(round_travel(d.r, 9, e), ERR_USAGE, "there is no such run");
    d.refuse = "restore";
    BAD(round_travel(d.r, 2, e), ERR_NET, "no restore today");
    assert_true(round_is_quiet(d.r));
}

static void test_not_while_something_is_on(void **state)
{
    (void)state;
    begin_two_runs(SANDBOX_CAN_CHECKPOINT, true);
    GOOD(own_code("3", e));
    BAD(round_travel(d.r, 1, e), ERR_BUSY, "a gate is open: decide it first");
    GOOD(decide(DECIDE_APPROVE, e));
    BAD(round_travel(d.r, 1, e), ERR_BUSY, "something is under way");
    tell_exit(0, 3, 0);
    tell_state(0, 3, "x", "2");
    round_kill_sandbox(d.r);
    tell_closed(0);
    GOOD(own_code("4", e));
    GOOD(decide(DECIDE_APPROVE, e));
    BAD(round_travel(d.r, 1, e), ERR_BUSY, "something is under way"); /* it waits for a sandbox */
    SILENT("> restore");
}

/* The frozen copies were in the sandbox that is gone; the namespaces are in the record. */
static void test_by_the_saved_namespace(void **state)
{
    (void)state;
    begin_two_runs(SANDBOX_CAN_SAVE | SANDBOX_CAN_CHECKPOINT, true);
    tell_saved(1, "namespace 1", 11, NULL);
    round_kill_sandbox(d.r);
    tell_closed(0);
    clear();
    GOOD(round_travel(d.r, 1, e));
    SILENT("> restore");
    LOGGED("> open 01jd0000000000000000000000-2");
    tell_ready(1);
    LOGGED("> load 1 namespace 1");
    tell_restored(1, 1, NULL);
    LOGGED("\"from_run\":1,\"how\":\"saved\"");
    assert_int_equal(d.st.vars_run, 1);
    start_code(1, "print(x)");
    assert_int_equal(d.st.runs[2]->parent_run, 1);
}

static void test_the_living_sandbox_makes_room(void **state)
{
    (void)state;
    begin_two_runs(SANDBOX_CAN_SAVE, false);
    tell_saved(1, "namespace 1", 11, NULL);
    tell_saved(2, "namespace 2", 11, NULL);
    clear();
    GOOD(round_travel(d.r, 1, e));
    LOGGED("> kill 0 killed");
    SILENT("> open");
    tell_closed(0);
    tell_ready(1);
    tell_restored(1, 1, because(ERR_FORMAT, "bad pickle"));
    LOGGED("the interpreter is fresh");
    LOGGED("\"from_run\":0,\"how\":\"none\"");
    assert_int_equal(d.st.var_count, 0);

    /* No other sandbox can be had: that is said, and the next run tries again. */
    d.refuse = "open";
    GOOD(round_travel(d.r, 1, e));
    tell_closed(1);
    LOGGED("\"message\":\"no open today\",\"hint\":\"the next run starts a new sandbox\"");
    assert_true(round_is_quiet(d.r));
    BAD(round_travel(d.r, 1, e), ERR_NET, "no open today");
    assert_true(round_is_quiet(d.r));
}

static void test_what_is_being_saved_is_waited_for(void **state)
{
    (void)state;
    begin_two_runs(SANDBOX_CAN_SAVE, false);
    tell_saved(1, "namespace 1", 11, NULL);
    start_code(0, "x = 3");
    tell_exit(0, 3, 0);
    tell_state(0, 3, "x", "3"); /* its save is put off, or under way */
    BAD(round_travel(d.r, 1, e), ERR_BUSY, "the variables are being saved");
    SILENT("> kill");
    tell_saved(3, "namespace 3", 11, NULL);
    GOOD(round_travel(d.r, 1, e));
    LOGGED("> kill 0");
}

/* After a resume: a sandbox of this machine is gone with its frozen copies, whatever the record
 * knows; one elsewhere may live, but nobody is connected to it. */
static void test_after_a_resume(void **state)
{
    (void)state;
    for (int remote = 0; remote < 2; remote++) {
        if (remote)
            assert_int_equal(desk_setup(NULL), 0);
        d.sandbox.caps |= remote ? SANDBOX_IS_REMOTE : 0;
        past_sandbox("");
        past_run(1, "");
        fact("checkpoint.made", 1, "{'kind':'fork','lost':[]}");
        past_run(2, "");
        desk_begin();
        GOOD(round_resume_state(d.r, e));
        turns();
        TIMES(!remote, "sandbox.closed 0 {\"kind\":\"box\",\"id\":\"old-id\",\"label\":\"");
        TIMES(!remote, "\"confirmed\":false");
        if (remote)
            BAD(round_travel(d.r, 1, e), ERR_USAGE, "not connected");
        else
            BAD(round_travel(d.r, 1, e), ERR_USAGE, "no variables are saved");
        assert_true(round_is_quiet(d.r));
        if (!remote)
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* A record of before that was written down: in a new sandbox no old copy is frozen. */
static void test_a_new_sandbox_has_no_old_copies(void **state)
{
    (void)state;
    past_sandbox("");
    past_run(1, "");
    fact("checkpoint.made", 1, "{'kind':'fork','lost':[]}");
    fact("sandbox.creating", 0, "{'kind':'box','label':'01jd-8','id':'old-id'}");
    assert_true(d.st.runs[0]->has_checkpoint); /* the same one, connected to again */
    fact("sandbox.creating", 0, "{'kind':'box','label':'01jd-9'}");
    assert_false(d.st.runs[0]->has_checkpoint);
}

/* ---- saved namespaces ---- */

static void test_a_long_namespace_goes_in_parts(void **state)
{
    (void)state;
    enum { LEN = (5 << 19) + 7 }; /* two parts of a MiB and a rest */
    struct buf blob = BUF_INIT(LEN);
    begin_two_runs(SANDBOX_CAN_SAVE, false);
    memset(buf_reserve(&blob, LEN), 'n', LEN);
    buf_grew(&blob, LEN);
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SAVED,
                                    .run = 2,
                                    .ptr = blob.ptr,
                                    .len = blob.len,
                                    .blob = &blob,
                                    .digest = DIGEST });
    assert_int_equal(blob.len, 0); /* it was taken, not copied */
    buf_release(&blob);
    turns();
    LOGGED("checkpoint.part 2 {\"kind\":\"saved.part\",\"part\":1}");
    LOGGED("\"digest\":\"" DIGEST "\",\"size\":2621447,\"parts\":3");
    TIMES(2, "  blob saved.part 11111111 1048576");
    LOGGED("  blob saved 11111111 524295");
    assert_int_equal(d.blobs[0].bytes.len, LEN);
}

static void test_a_secret_is_not_saved(void **state)
{
    (void)state;
    enum { AT = (2 << 20) - 5 }; /* it lies across the border of two looks */
    char *big = xcalloc(3 << 20, 1);
    memset(big, 'n', 3 << 20);
    memcpy(big + AT, SECRET, sizeof SECRET - 1);
    GOOD(redact_add(d.redact, "KEY", SECRET, sizeof SECRET - 1, e));
    begin_two_runs(SANDBOX_CAN_SAVE, false);
    tell_saved(2, big, 3 << 20, NULL);
    turns();
    LOGGED("a variable holds a secret: the namespace is not recorded");
    SILENT("  blob");
    assert_false(d.st.runs[1]->saved.there);
    memcpy(big + AT, "nothing at all to be seen here", sizeof SECRET - 1);
    tell_saved(2, big, 3 << 20, NULL);
    turns();
    free(big);
    assert_true(d.st.runs[1]->saved.there);
}

/* Equal namespaces share their bytes. What says nothing is not recorded. */
static void test_equal_bytes_are_there_once(void **state)
{
    (void)state;
    begin_two_runs(SANDBOX_CAN_SAVE, false);
    tell_saved(1, "same", 4, "not 64 digits");
    tell_saved(2, "same", 4, NULL);
    TIMES(1, "  blob saved");
    TIMES(2, "checkpoint.made");
    assert_string_equal(d.st.runs[0]->saved.digest, d.st.runs[1]->saved.digest);
    clear();
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SAVED,
                                    .run = 2,
                                    .ptr = "x",
                                    .len = 1,
                                    .err = because(ERR_IO, "no room") });
    tell_saved(2, "", 0, NULL);
    tell_saved(0, "x", 1, NULL);
    tell_saved(77, "x", 1, NULL);
    SILENT("checkpoint");
}

/* Old namespaces lose their place, one after the other, and then their bytes. */
static void test_old_namespaces_are_dropped(void **state)
{
    (void)state;
    d.sandbox.caps |= SANDBOX_CAN_SAVE;
    desk_begin();
    for (uint32_t run = 1; run <= RETAIN_NEWEST + 2; run++) {
        char blob[16];
        start_code(0, "x += 1");
        tell_exit(0, run, 0);
        tell_state(0, run, "x", "1");
        snprintf(blob, sizeof blob, "n %u", run == 2 ? 3 : run); /* two are the same */
        clear();
        tell_saved(run, blob, strlen(blob), NULL);
        turns();
        TIMES(run > RETAIN_NEWEST, "\"why\":\"" RETAIN_WORDS "\"");
        if (run == RETAIN_NEWEST + 1) {
            LOGGED("checkpoint.lost 1");
            TIMES(2, "> drop "); /* it says that there is more */
        } else {
            SILENT("> drop"); /* the other one needs the bytes */
        }
    }
    assert_false(d.st.runs[0]->saved.there);
    assert_false(d.st.runs[1]->saved.there);
    assert_true(d.st.runs[2]->saved.there);
    d.refuse = "drop";
    start_code(0, "x += 1");
    tell_exit(0, RETAIN_NEWEST + 3, 0);
    tell_state(0, RETAIN_NEWEST + 3, "x", "1");
    tell_saved(RETAIN_NEWEST + 3, "last", 4, NULL);
    turns();
    LOGGED("! no drop today");
}

/* Saves of runs that follow one another at once are put off; the newest is not forgotten. */
static void test_a_save_that_was_put_off_comes(void **state)
{
    (void)state;
    begin_two_runs(SANDBOX_CAN_SAVE, false);
    SILENT("> save"); /* the first is under way since run 1 */
    tell_saved(1, "n 1", 3, NULL);
    struct err e = ERR_INIT;
    for (int i = 0; i < 5000 && times("> save 0") == 0; i++)
        assert_int_equal(loop_turn(d.loop, 10, &e), 0);
    TIMES(1, "> save 0");
    assert_false(round_is_quiet(d.r));
    tell_saved(2, "n 2", 3, NULL);
    turns();
    assert_true(d.st.runs[1]->saved.there);
    assert_true(round_is_quiet(d.r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_by_the_frozen_copy),
        CASE(test_not_while_something_is_on),
        CASE(test_by_the_saved_namespace),
        CASE(test_the_living_sandbox_makes_room),
        CASE(test_what_is_being_saved_is_waited_for),
        CASE(test_after_a_resume),
        CASE(test_a_new_sandbox_has_no_old_copies),
        CASE(test_a_long_namespace_goes_in_parts),
        CASE(test_a_secret_is_not_saved),
        CASE(test_equal_bytes_are_there_once),
        CASE(test_old_namespaces_are_dropped),
        CASE(test_a_save_that_was_put_off_comes),
    };
    return cmocka_run_group_tests_name("round_travel", tests, NULL, desk_end);
}
