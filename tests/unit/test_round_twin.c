/* test_round_twin.c - dry runs: what goes over into the twin, every way it can end, and that the
 * original is back at its gate afterwards. */
#include "round_fixture.h"

/* Run 1 left a variable, a saved namespace and two files; run 2 waits at its gate. */
static void begin_with_past(void)
{
    static const char *const kept[] = { "x" };
    struct sandbox_changed_file files[] = { { "a.txt", CHANGE_NEW, 3 },
                                            { "b.txt", CHANGE_NEW, 3 } };
    struct sandbox_var v = { .name = "x", .type = "int", .preview = "1", .bytes = 28 };
    d.sandbox.caps |= SANDBOX_CAN_SAVE | SANDBOX_CAN_TWIN;
    desk_begin();
    start_code(0, "x = 1");
    tell_exit(0, 1, 0);
    tell(0, (struct sandbox_event){ .kind = SANDBOX_STATE,
                                    .run = 1,
                                    .vars = &v,
                                    .var_count = 1,
                                    .files = files,
                                    .file_count = 2 });
    tell(0, (struct sandbox_event){ .kind = SANDBOX_SAVED,
                                    .run = 1,
                                    .ptr = "namespace",
                                    .len = 9,
                                    .kept = kept,
                                    .kept_count = 1 });
    assert_true(d.st.runs[0]->saved.there);
    GOOD(own_code("print(x)", e));
    clear();
}

static void tell_file(size_t box, const char *path, const char *bytes)
{
    tell(box, (struct sandbox_event){
                  .kind = SANDBOX_FILE_DONE, .path = path, .ptr = bytes, .len = strlen(bytes) });
}

static void tell_file_error(size_t box, const char *path)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_IO, "%s is a directory", path);
    tell(box, (struct sandbox_event){ .kind = SANDBOX_FILE_DONE, .path = path, .err = &why });
}

/* Both files come out of the session's sandbox. The last is asked for first. */
static void fetch_files(void)
{
    tell_file(0, "b.txt", "bbb");
    tell_file(0, "a.txt", "aaa");
}

static void expect_back_at_gate(uint32_t run)
{
    turns();
    assert_true(d.st.gate.open);
    assert_int_equal(d.st.gate.run, run);
    assert_int_equal(status_of(run), RUN_AT_GATE);
    assert_int_equal(d.st.running, 0);
}

static void test_a_twin_gets_state_and_files(void **state)
{
    (void)state;
    begin_with_past();
    char *capsule = xstrdup(d.st.gate.capsule);
    GOOD(decide(DECIDE_DRY_RUN, e));
    assert_int_equal(d.st.runs[2]->twin_of, 2);
    BEFORE("run.proposed 3", "> get 0 b.txt");
    SILENT("> get 0 a.txt"); /* one after the other */
    fetch_files();
    LOGGED("> open 01jd0000000000000000000000-2 attach=- snapshot=-");
    tell_ready(1);
    LOGGED("> load 1 namespace");
    SILENT("> put");
    tell(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED });
    LOGGED("> put 1 b.txt bbb");
    tell_file(1, "b.txt", "");
    BEFORE("> put 1 b.txt bbb", "> put 1 a.txt aaa");
    SILENT("run.started");
    tell_file(1, "a.txt", "");
    BEFORE("run.started 3", "> exec 2 on 1 print(x)"); /* recorded, then begun */
    assert_string_equal(d.st.runs[2]->capsule, capsule);
    free(capsule);

    /* What it says is the twin's own; of other runs nothing is taken. */
    tell(1,
         (struct sandbox_event){
             .kind = SANDBOX_OUTPUT, .run = 2, .stream = STREAM_STDOUT, .ptr = "1\n", .len = 2 });
    tell(1,
         (struct sandbox_event){
             .kind = SANDBOX_OUTPUT, .run = 7, .stream = STREAM_STDOUT, .ptr = "no\n", .len = 3 });
    tell(1, (struct sandbox_event){
                .kind = SANDBOX_RESULT, .run = 2, .mime = "text/plain", .ptr = "one", .len = 3 });
    struct sandbox_usage u = { .source = "model", .input_tokens = 5, .cost_nanousd = 7 };
    tell(1, (struct sandbox_event){ .kind = SANDBOX_USAGE, .usage = &u });
    struct proxy_note n = { .kind = PROXY_ASKED,
                            .attempt = 1,
                            .verdict = PROXY_REFUSED,
                            .port = 443,
                            .host = "h.example",
                            .method = "CONNECT" };
    bool on_record = false;
    tell(1, (struct sandbox_event){
                .kind = SANDBOX_NET, .run = 2, .net = &n, .on_record = &on_record });
    assert_true(on_record);
    tell_exit(1, 2, 0);
    LOGGED("run.result 3");
    LOGGED("run.output 3 1 1\n");
    SILENT("run.output 3 1 1\nno");
    assert_int_equal(d.st.cost_nanousd, 7);
    assert_int_equal(d.st.runs[2]->net_refused, 1);
    assert_int_equal(d.st.runs[1]->net_refused, 0);
    SILENT("run.verdict"); /* what changed comes first */
    tell_state(1, 2, "y", "2");
    LOGGED("run.verdict 3");
    LOGGED("> kill 1 killed");
    expect_back_at_gate(2);
    BAD(decide(DECIDE_DRY_RUN, e), ERR_BUSY, "still being removed");
    tell_closed(1);

    /* The session's own variables never moved. */
    assert_int_equal(d.st.var_count, 1);
    assert_string_equal(d.st.vars[0].name, "x");
    assert_int_equal(d.st.sbx, SBX_READY);
    GOOD(decide(DECIDE_APPROVE, e));
    TIMES(1, "> exec 2 on 0 print(x)");
}

/* However the twin ends, its run has one end and the original is back at its gate. */
static void finish_lost(void)
{
    struct sandbox_finished f = sandbox_finished_bare(END_OOM, "");
    f.state_lost = true;
    tell(1, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = 2, .finished = &f });
    LOGGED("> kill 1 killed");
    tell_closed(1);
}

static void fail_it(void)
{
    struct err why = ERR_INIT;
    err_set(&why, ERR_NET, "the host went away");
    tell(1, (struct sandbox_event){ .kind = SANDBOX_FAILED, .err = &why });
    tell_closed(1);
}

static void start_then_lost(void)
{
    tell_ready(1);
    finish_lost();
}

static void start_then_close(void)
{
    tell_ready(1);
    tell_exit(1, 2, 3);
    tell_closed(1); /* the report of what changed never came */
}

static void interrupt_before_ready(void)
{
    round_interrupt(d.r);
    LOGGED("> kill 1 interrupted");
    tell_closed(1); /* nothing was on: no FINISHED */
}

static void test_every_end_of_a_twin_is_told(void **state)
{
    (void)state;
    static const struct {
        void (*end)(void);
        const char *refuse, *finished, *verdict;
        bool opened;
    } cases[] = {
        { start_then_lost, NULL, "\"end\":\"oom\"", "refuted", true },
        { start_then_close, NULL, "\"end\":\"exit\"", "refuted", true },
        { fail_it, NULL, "the host went away", "refuted", true },
        { interrupt_before_ready, NULL, "\"end\":\"interrupted\"", "refuted", true },
        { NULL, "open", "no open today", "refuted", false },
        { NULL, "exec", "no exec today", "refuted", true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        desk_begin();
        start_code(0, "1");
        tell_exit(0, 1, 0);
        tell_state(0, 1, "", "");
        GOOD(own_code("print(2)", e));
        clear();
        d.refuse = cases[i].refuse;
        GOOD(decide(DECIDE_DRY_RUN, e));
        if (cases[i].end != NULL) {
            cases[i].end();
        } else if (cases[i].opened) {
            tell_ready(1);
            LOGGED("> kill 1 killed");
            tell_closed(1);
        }
        TIMES(1, "run.finished 3");
        TIMES(1, "run.verdict 3");
        LOGGED(cases[i].finished);
        assert_string_equal(run_verdict_name(d.st.runs[2]->verdict), cases[i].verdict);
        assert_int_equal(status_of(3), RUN_FINISHED);
        expect_back_at_gate(2);
        assert_true(!cases[i].opened || d.box[1] == NULL);
        /* The next dry run is one like the first. */
        d.refuse = NULL;
        GOOD(decide(DECIDE_DRY_RUN, e));
        assert_int_equal(d.st.runs[3]->twin_of, 2);
        LOGGED("> open 01jd0000000000000000000000-3");
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* What did not come along is said: the result may differ from the real run's. */
static void test_what_is_missing_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *refuse;
        bool load_fails;
        const char *says;
    } cases[] = {
        { "get", false, "2 files of /workspace" }, { "put", false, "2 files of /workspace" },
        { "load", false, "no load today" },        { "read", false, "no blob" },
        { NULL, true, "could not unpickle" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        begin_with_past();
        d.refuse = cases[i].refuse;
        GOOD(decide(DECIDE_DRY_RUN, e));
        if (i != 0)
            fetch_files();
        tell_ready(1);
        if (cases[i].load_fails) {
            struct err why = ERR_INIT;
            err_set(&why, ERR_FORMAT, "could not unpickle");
            tell(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED, .err = &why });
        } else if (times("> load") > 0 && strcmp(cases[i].refuse, "load") != 0) {
            tell(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED });
        }
        for (int k = 0; k < 2 && times("> exec") == 0; k++)
            tell_file(1, k == 0 ? "b.txt" : "a.txt", "");
        TIMES(1, "> exec 2 on 1 print(x)");
        LOGGED(cases[i].says);
        LOGGED("its result may differ from the real run's");
        BEFORE("its result may differ", "run.started 3");
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* A file that can't be copied is counted, the others go over; one that is gone is not asked for. */
static void test_only_what_is_there_is_copied(void **state)
{
    (void)state;
    struct sandbox_changed_file files[] = { { "b.txt", CHANGE_GONE, -1 },
                                            { "c.txt", CHANGE_NEW, 3 } };
    begin_with_past();
    GOOD(decide(DECIDE_APPROVE, e));
    tell_exit(0, 2, 0);
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_STATE, .run = 2, .files = files, .file_count = 2 });
    GOOD(own_code("print(3)", e));
    clear();
    GOOD(decide(DECIDE_DRY_RUN, e));
    tell_file_error(0, "c.txt");
    tell_file(0, "a.txt", "aaa");
    SILENT("> get 0 b.txt");
    tell_ready(1);
    tell(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED });
    LOGGED("> put 1 a.txt aaa");
    SILENT("> put 1 c.txt");
    tell_file_error(1, "a.txt"); /* a full disk, say */
    BEFORE("2 files of /workspace", "run.started 4");
}

/* The session's sandbox dies while files are fetched from it: nobody answers any more. */
static void test_a_twin_goes_on_alone(void **state)
{
    (void)state;
    begin_with_past();
    GOOD(decide(DECIDE_DRY_RUN, e));
    tell_file(0, "b.txt", "bbb");
    tell_closed(0);
    tell_ready(1);
    tell(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED });
    LOGGED("> put 1 b.txt bbb");
    tell_file(1, "b.txt", "");
    BEFORE("1 file of /workspace", "> exec 2 on 1");
    round_interrupt(d.r);
    LOGGED("> kill 1 interrupted");
    tell_exit(1, 2, 0);
    tell_closed(1);
    expect_back_at_gate(2);
}

/* The twin is asked for the files that the expectation names. */
static void test_a_twin_is_judged(void **state)
{
    (void)state;
    static const bool there[] = { false };
    struct round_own own = {
        .language = "python", .code = "1", .code_len = 1, .expect = "file out.txt exists"
    };
    struct sandbox_finished f = sandbox_finished_bare(END_EXIT, "");
    desk_begin();
    GOOD(round_own_code(d.r, &own, e));
    turns();
    GOOD(decide(DECIDE_DRY_RUN, e));
    tell_ready(0);
    LOGGED(">   asks for out.txt");
    f.has_code = true;
    f.exists = there;
    f.exists_count = 1;
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = 1, .finished = &f });
    tell_closed(0);
    LOGGED("run.verdict 2 {\"verdict\":\"refuted\"");
    expect_back_at_gate(1);
}

/* What the person asked for at the same time is theirs, whichever comes first. */
static void test_other_files_are_not_mistaken(void **state)
{
    (void)state;
    begin_with_past();
    GOOD(round_get(d.r, "mine.txt", 100, e));
    struct sandbox_file put = { .name = (char *)(uintptr_t) "b.txt",
                                .ptr = (char *)(uintptr_t) "x",
                                .len = 1 };
    GOOD(round_put(d.r, &put, e));
    GOOD(decide(DECIDE_DRY_RUN, e));
    tell_file(0, "mine.txt", "MINE");
    LOGGED("file.got 0 {\"path\":\"mine.txt\"");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FILE_DONE, .path = "b.txt" }); /* the put */
    fetch_files();
    tell_ready(1);
    tell(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED });
    LOGGED("> put 1 b.txt bbb");
    SILENT("> put 1 b.txt MINE");
    SILENT("files of /workspace");
}

/* A sandbox that proves to be no wall runs nothing, twin or not; nor does one whose record broke.
 */
static void test_a_record_that_breaks_stops_the_twin(void **state)
{
    (void)state;
    begin_with_past();
    GOOD(decide(DECIDE_DRY_RUN, e));
    fetch_files();
    d.refuse_event = "run.started";
    tell_ready(1);
    tell(1, (struct sandbox_event){ .kind = SANDBOX_RESTORED });
    tell_file(1, "b.txt", "");
    tell_file(1, "a.txt", "");
    LOGGED("! the disk is full");
    SILENT("> exec");
    LOGGED("> kill 0 killed");
    LOGGED("> kill 1 killed");
    tell_closed(1);
    SILENT("run.verdict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_twin_gets_state_and_files),  CASE(test_every_end_of_a_twin_is_told),
        CASE(test_what_is_missing_is_said),      CASE(test_only_what_is_there_is_copied),
        CASE(test_a_twin_goes_on_alone),         CASE(test_a_twin_is_judged),
        CASE(test_other_files_are_not_mistaken), CASE(test_a_record_that_breaks_stops_the_twin),
    };
    return cmocka_run_group_tests_name("round_twin", tests, NULL, desk_end);
}
