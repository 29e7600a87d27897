/* test_round_record.c - nothing acts that is not on record: a session in which the k-th write
 * fails, for each k; and what a sandbox says as it is written down. [AUD-1, AUD-4] */
#include "round_fixture.h"

#include "tool/round_int.h"

#define SECRET "sk-secret-0123456789abcdef"

/* ---- the k-th write fails ---- */

static bool alive(size_t box)
{
    return box < d.box_count && d.box[box] != NULL;
}

static void tell_if(size_t box, struct sandbox_event ev)
{
    if (alive(box))
        tell(box, ev);
}

static void finish_if(size_t box, uint32_t run, const char *value)
{
    struct sandbox_finished f = sandbox_finished_bare(END_EXIT, "");
    struct sandbox_changed_file file = { "a.txt", CHANGE_NEW, 3 };
    struct sandbox_var v = { .name = "x",
                             .type = "int",
                             .preview = value,
                             .digest = value,
                             .bytes = 28,
                             .change = CHANGE_CHANGED };
    char blob[32];
    snprintf(blob, sizeof blob, "namespace %u", run);
    f.has_code = true;
    tell_if(box, (struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                         .run = run,
                                         .stream = STREAM_STDOUT,
                                         .ptr = "out\n",
                                         .len = 4 });
    tell_if(
        box,
        (struct sandbox_event){
            .kind = SANDBOX_RESULT, .run = run, .mime = "image/png", .ptr = "\x89PNG", .len = 4 });
    tell_if(box,
            (struct sandbox_event){
                .kind = SANDBOX_RESULT, .run = run, .mime = "text/plain", .ptr = "one", .len = 3 });
    tell_if(box, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = run, .finished = &f });
    tell_if(box, (struct sandbox_event){ .kind = SANDBOX_CHECKPOINT, .run = run });
    tell_if(box, (struct sandbox_event){ .kind = SANDBOX_STATE,
                                         .run = run,
                                         .vars = &v,
                                         .var_count = 1,
                                         .files = &file,
                                         .file_count = 1 });
    tell_if(box, (struct sandbox_event){
                     .kind = SANDBOX_SAVED, .run = run, .ptr = blob, .len = strlen(blob) });
    tell_if(box, (struct sandbox_event){ .kind = SANDBOX_SNAPSHOT, .run = run, .id = "snap" });
}

static void decide_if(enum round_decision what)
{
    struct err e = ERR_INIT;
    if (d.st.gate.open)
        (void)!decide(what, &e);
}

/* A session with something of everything; every step is tried, whatever became of those before. */
static void story(void)
{
    struct err e = ERR_INIT;
    struct planner_step step = { "1", "count", STEP_ACTIVE, "exit 0" };
    struct planner_usage used = { .source = "m", .cost_nanousd = -1 };
    struct round_lease lease = { .runs = 5 };
    struct sandbox_file file = { (char *)(uintptr_t) "in.txt", 0644, (char *)(uintptr_t) "in", 2 };
    struct round_own own = {
        .language = "python", .code = "print(2)", .code_len = 8, .files = &file, .file_count = 1
    };
    (void)!round_task(d.r, "count", "person", &e);
    turns();
    say((struct planner_event){ .kind = PLANNER_USAGE, .usage = &used });
    say((struct planner_event){ .kind = PLANNER_PLAN, .steps = &step, .step_count = 1 });
    say((struct planner_event){ .kind = PLANNER_MESSAGE, .text = "now", .text_len = 3 });
    propose("print(1)", "1", "exit 0");
    if (d.st.gate.open)
        (void)!round_edit(d.r, "print(11)", 9, NULL, &e);
    turns();
    decide_if(DECIDE_DRY_RUN);
    if (d.st.run_count > 1)
        tell_if(0, (struct sandbox_event){ .kind = SANDBOX_READY, .id = "twin" });
    finish_if(0, 1, "0");
    tell_if(0, (struct sandbox_event){ .kind = SANDBOX_CLOSED, .confirmed = true });
    decide_if(DECIDE_APPROVE);
    tell_if(1, (struct sandbox_event){ .kind = SANDBOX_READY, .id = "one" });
    finish_if(1, 1, "1");
    (void)!round_grant_lease(d.r, &lease, &e);
    propose("print(3)", "1", "");
    finish_if(1, 3, "3");
    round_end_lease(d.r, "enough");
    (void)!round_put(d.r, &file, &e);
    tell_if(1, (struct sandbox_event){ .kind = SANDBOX_FILE_DONE, .path = "in.txt" });
    if (round_get(d.r, "out.txt", 10, &e) == 0)
        tell_if(1, (struct sandbox_event){
                       .kind = SANDBOX_FILE_DONE, .path = "out.txt", .ptr = "o", .len = 1 });
    (void)!round_travel(d.r, 1, &e);
    turns();
    tell_if(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED, .run = 1 });
    (void)!round_pause(d.r, &e);
    tell_if(1, (struct sandbox_event){ .kind = SANDBOX_PAUSED, .id = "one" });
    (void)!round_own_code(d.r, &own, &e);
    turns();
    decide_if(DECIDE_APPROVE);
    tell_if(1, (struct sandbox_event){ .kind = SANDBOX_READY, .id = "one", .again = true });
    tell_if(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED });
    finish_if(1, 4, "4");
    (void)!round_edit_plan(d.r, &step, 1, &e);
    (void)!round_set_model(d.r, "m2", &e);
    propose("print(5)", "1", "");
    decide_if(DECIDE_DENY);
    (void)!round_finish(d.r, "done", "42", &e);
    turns();
}

static void begin_story(void)
{
    d.sandbox.caps |= SANDBOX_CAN_SAVE | SANDBOX_CAN_PAUSE | SANDBOX_CAN_SNAPSHOT |
                      SANDBOX_CAN_CHECKPOINT | SANDBOX_CAN_TWIN;
    d.sandbox.cost = box_cost;
    d.planner.set_model = plan_set_model;
    desk_begin();
}

/* Of what came after the record failed. */
static void expect_standstill(size_t k)
{
    static const char *const acts[] = { "> open", "> exec",    "> load", "> put",   "> get",
                                        "> wake", "> restore", "> task", "> pause", "> observe",
                                        "> save", "> message", "? " };
    const char *after = strstr(buf_str(&d.log), "! the disk is full\n");
    if (after == NULL)
        fail_msg("write %zu: nobody was told\n%s", k, buf_str(&d.log));
    TIMES(1, "! ");
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        if (strstr(after, acts[i]) != NULL)
            fail_msg("write %zu: %s\n%s", k, acts[i], after);
    }
    for (size_t i = 0; i < d.box_count; i++) {
        char kill[48];
        snprintf(kill, sizeof kill, "> kill %zu killed", i);
        if (d.box[i] != NULL && times(kill) == 0)
            fail_msg("write %zu: sandbox %zu lives\n%s", k, i, buf_str(&d.log));
    }
    assert_true(round_is_quiet(d.r));
    struct err e = ERR_INIT;
    struct round_decide x = { .decision = DECIDE_APPROVE,
                              .by = "person",
                              .capsule = d.st.gate.capsule };
    assert_int_equal(round_decide(d.r, &x, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(round_finish(d.r, "done", "", &e), -1);
    assert_int_equal(round_note(d.r, "x", "person", &e), -1);
}

static void test_nothing_acts_that_is_not_on_record(void **state)
{
    (void)state;
    begin_story();
    story();
    SILENT("! ");
    assert_true(d.st.finished);
    assert_int_equal(d.st.run_count, 5);
    for (uint32_t run = 1; run <= 5; run++) {
        assert_int_equal(status_of(run), run == 5 ? RUN_DENIED : RUN_FINISHED);
    }
    size_t writes = d.appends;
    assert_true(writes > 60);
    for (size_t k = 1; k <= writes; k++) {
        assert_int_equal(desk_teardown(NULL), 0);
        assert_int_equal(desk_setup(NULL), 0);
        d.fail_append = k;
        begin_story();
        story();
        if (d.appends < k) /* a pause within the millisecond has no cost to write down */
            break;
        expect_standstill(k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_acts_that_is_not_on_record),
    };
    return cmocka_run_group_tests_name("round_record", tests, NULL, desk_end);
}
