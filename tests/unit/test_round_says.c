/* test_round_says.c - what a sandbox says, as it is written down: results, ends, variables, the
 * network; without secrets, bounded, and only of a sandbox that proved its walls. */
#include "round_past.h"

#define SECRET "sk-secret-0123456789abcdef"

static void tell_result(const char *mime, const char *p, size_t len)
{
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_RESULT, .run = 1, .mime = mime, .ptr = p, .len = len });
}

static void test_results(void **state)
{
    (void)state;
    char *big = xcalloc(70000, 1);
    memset(big, 'b', 70000);
    GOOD(redact_add(d.redact, "KEY", SECRET, sizeof SECRET - 1, e));
    desk_begin();
    start_code(0, "1");
    tell_result("text/plain", "plain", 5);
    LOGGED("\"bytes\":5,\"text\":\"plain\"}");
    tell_result("text/plain", "the key is " SECRET, 11 + sizeof SECRET - 1);
    LOGGED(
        "run.result 1 {\"mime\":\"text/plain\",\"main\":false,\"bytes\":37,\"text\":\"the key is");
    tell_result("image/png", "\x89PNG\r\n", 6);
    LOGGED("artifact image/png result-1-1 6");
    tell_result("text/plain", "with\0NUL", 8);
    LOGGED("artifact text/plain result-1-2 8");
    tell_result("text/plain", big, 70000);
    LOGGED("artifact text/plain result-1-3 70000");
    tell_result("image/png", "\x89PNG " SECRET, 5 + sizeof SECRET - 1);
    LOGGED("\"text\":\"[secret: result not recorded]\"");
    SILENT("result-1-4");
    SILENT(SECRET);
    free(big);
}

static void tell_finished(struct sandbox_finished f)
{
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = 1, .finished = &f });
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *limits, *error, *value, *message;
        uint64_t out_dropped, err_dropped;
        const char *says;
    } cases[] = {
        { "pids,disk", "", "", "", 0, 0, "\"limits_hit\":[\"pids\",\"disk\"]" },
        { "", "", "", "", 5, 0, "\"stdout_dropped\":5" },
        { "", "", "", "", 0, 7, "\"stderr_dropped\":7" },
        { "", "E", "it was " SECRET, "", 0, 0, "\"error\":{\"name\":\"E\",\"value\":\"it was [" },
        { "", "", "", "see " SECRET, 0, 0, "\"message\":\"see [" },
        { "", "ModuleNotFoundError", "No module named 'yaml.x'", "", 0, 0,
          "apt-get install python3-yaml, or -c files.mount=DIR/venv:ro" },
        { "", "ModuleNotFoundError", "No module named 'yam'", "", 0, 0,
          "import sees Debian's packages only: -c files.mount=DIR/venv:ro" },
        { "", "ModuleNotFoundError", "No module", "", 0, 0, "\"value\":\"No module\"" },
        { "", "ImportError", "No module named 'yaml'", "", 0, 0, "\"name\":\"ImportError\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        GOOD(redact_add(d.redact, "KEY", SECRET, sizeof SECRET - 1, e));
        desk_begin();
        start_code(0, "1");
        struct sandbox_finished f = sandbox_finished_bare(END_EXIT, cases[i].message);
        f.limits_hit = cases[i].limits;
        f.error_name = cases[i].error;
        f.error_value = cases[i].value;
        f.stdout_dropped = cases[i].out_dropped;
        f.stderr_dropped = cases[i].err_dropped;
        tell_finished(f);
        LOGGED(cases[i].says);
        SILENT(SECRET);
        TIMES(strncmp(cases[i].error, "Module", 6) == 0 && strchr(cases[i].value, '\'') != NULL,
              "import sees");
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

/* The interpreter died and an older copy took over by itself, or nothing did. */
static void test_a_crash(void **state)
{
    (void)state;
    d.sandbox.caps |= SANDBOX_CAN_CHECKPOINT;
    desk_begin();
    start_code(0, "x = 1");
    tell_exit(0, 1, 0);
    tell_state(0, 1, "x", "1");
    start_code(0, "boom");
    struct sandbox_finished f = sandbox_finished_bare(END_SIGNAL, "");
    f.state_lost = true;
    f.resumed_from = 1;
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = 2, .finished = &f });
    LOGGED("\"state_lost\":true,\"resumed_from\":1");
    assert_int_equal(d.st.var_count, 1);
    assert_int_equal(d.st.vars_run, 1);
    assert_false(d.st.vars_lost);
    start_code(0, "boom");
    f.resumed_from = 0;
    tell(0, (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = 3, .finished = &f });
    assert_true(d.st.vars_lost);
    assert_true(round_is_quiet(d.r)); /* no report of variables is awaited */
}

static void test_output_is_bounded_and_in_order(void **state)
{
    (void)state;
    char *big = xcalloc(200000, 1);
    memset(big, 'b', 200000);
    desk_begin();
    start_code(0, "1");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                    .run = 0,
                                    .stream = STREAM_STDERR,
                                    .ptr = "late\n",
                                    .len = 5 }); /* of no run any more */
    tell(0, (struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                    .run = 1,
                                    .stream = STREAM_STDOUT,
                                    .ptr = "first\n",
                                    .len = 6 });
    tell(
        0,
        (struct sandbox_event){
            .kind = SANDBOX_OUTPUT, .run = 1, .stream = STREAM_STDOUT, .ptr = big, .len = 200000 });
    tell_exit(0, 1, 0);
    assert_int_equal(d.st.runs[0]->out[STREAM_STDOUT].bytes, 200006);
    TIMES(4, "run.output 1 1"); /* 64 KiB each */
    round_kill_sandbox(d.r);
    tell_closed(0);
    assert_int_equal(d.st.background[STREAM_STDERR].bytes, 5);
    /* A record that breaks in the middle of a flood takes no more of it. */
    start_code(1, "2");
    d.refuse_event = "run.output";
    size_t before = d.appends;
    tell(
        1,
        (struct sandbox_event){
            .kind = SANDBOX_OUTPUT, .run = 2, .stream = STREAM_STDOUT, .ptr = big, .len = 200000 });
    assert_int_equal(d.appends, before + 1);
    LOGGED("! the disk is full");
    tell(1,
         (struct sandbox_event){
             .kind = SANDBOX_OUTPUT, .run = 2, .stream = STREAM_STDOUT, .ptr = "more", .len = 4 });
    assert_int_equal(d.appends, before + 1);
    free(big);
}

/* A new interpreter takes every name for new: it is compared with what was to come back. */
static void test_what_really_changed(void **state)
{
    (void)state;
    static const struct {
        const char *type, *digest;
        const char *change;
    } cases[] = {
        { "int", "a", "same" },   { "int", "b", "changed" },  { "str", "a", "changed" },
        { "int", "", "unknown" }, { "int", NULL, "unknown" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (i > 0)
            assert_int_equal(desk_setup(NULL), 0);
        static const char *const kept[] = { "x" };
        past_run(1, VAR("x", "a"));
        past_saved(1, "");
        desk_begin();
        GOOD(own_code("1", e));
        GOOD(decide(DECIDE_APPROVE, e));
        tell_ready(0);
        tell(0, (struct sandbox_event){ .kind = SANDBOX_RESTORED, .kept = kept, .kept_count = 1 });
        struct sandbox_var v = { .name = "x",
                                 .type = cases[i].type,
                                 .preview = "1",
                                 .digest = cases[i].digest,
                                 .shape = "3x2",
                                 .bytes = -1,
                                 .change = CHANGE_NEW };
        tell_exit(0, 2, 0);
        tell(0,
             (struct sandbox_event){ .kind = SANDBOX_STATE, .run = 2, .vars = &v, .var_count = 1 });
        char want[64];
        snprintf(want, sizeof want, "\"change\":\"%s\"", cases[i].change);
        LOGGED(want);
        LOGGED("\"shape\":\"3x2\",\"preview\"");
        if (i + 1 < ARRAY_LEN(cases))
            assert_int_equal(desk_teardown(NULL), 0);
    }
}

static void test_the_network(void **state)
{
    (void)state;
    struct proxy_note asked = { .kind = PROXY_ASKED,
                                .attempt = 1,
                                .verdict = PROXY_ALLOWED,
                                .method = "CONNECT",
                                .host = "h.example",
                                .port = 443 };
    struct proxy_note closed = { .kind = PROXY_CLOSED,
                                 .attempt = 1,
                                 .host = "h.example",
                                 .address = "10.0.0.1",
                                 .sent = 5,
                                 .received = 6,
                                 .ms = 7,
                                 .why = "reset" };
    struct proxy_note odd = { .kind = PROXY_ASKED,
                              .attempt = 2,
                              .verdict = PROXY_REFUSED,
                              .method = "HTTP",
                              .why = "no host" };
    bool on_record = false;
    desk_begin();
    start_code(0, "1");
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_NET, .run = 1, .net = &asked, .on_record = &on_record });
    assert_true(on_record);
    LOGGED("network.asked 1 {\"attempt\":1,\"verdict\":\"allowed\",\"method\":\"CONNECT\",\"host\":"
           "\"h.example\",\"port\":443}");
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_NET, .run = 1, .net = &closed, .on_record = &on_record });
    LOGGED("\"address\":\"10.0.0.1\",\"sent_bytes\":5,\"received_bytes\":6,\"wall_ms\":7,\"why\":"
           "\"reset\"}");
    tell(0, (struct sandbox_event){ .kind = SANDBOX_NET,
                                    .run = 1,
                                    .net = &odd,
                                    .background = true,
                                    .on_record = &on_record });
    LOGGED("\"host\":\"\",\"why\":\"no host\",\"background\":true}");
    struct sandbox_usage u = { .source = "m", .cost_nanousd = -1 };
    tell(0, (struct sandbox_event){ .kind = SANDBOX_USAGE, .usage = &u });
    LOGGED("usage 0 "
           "{\"source\":\"m\",\"input_tokens\":0,\"output_tokens\":0,\"cache_read_tokens\":0}");
    d.refuse_event = "network.asked"; /* what is not on record does not go out */
    on_record = true;
    tell(0, (struct sandbox_event){
                .kind = SANDBOX_NET, .run = 1, .net = &asked, .on_record = &on_record });
    assert_false(on_record);
}

/* ---- walls that did not hold ---- */

static void answer_probe(size_t box, const char *text, enum run_end end)
{
    struct sandbox_finished f = sandbox_finished_bare(end, "");
    tell(box, (struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                      .run = SANDBOX_PROBE_RUN,
                                      .stream = STREAM_STDOUT,
                                      .ptr = text,
                                      .len = strlen(text) });
    tell(box, (struct sandbox_event){
                  .kind = SANDBOX_FINISHED, .run = SANDBOX_PROBE_RUN, .finished = &f });
}

static void test_no_code_runs_where_a_wall_failed(void **state)
{
    (void)state;
    d.sandbox.caps &= ~(unsigned)SANDBOX_NO_PROBES;
    desk_begin();
    GOOD(own_code("print(1)", e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell_ready(0);
    TIMES(1, "> exec 4294967295 on 0");
    SILENT("run.started");
    answer_probe(0, "workspace\t3\n", END_OOM);
    BEFORE("sandbox.probed 0", "run.finished 1 {\"end\":\"sandbox\"");
    LOGGED("the sandbox failed its state probe and was destroyed");
    LOGGED("> kill 0 killed");
    SILENT("run.started");
    tell_closed(0);
    /* What is only unproved may be used; the person sees it. */
    GOOD(own_code("print(2)", e));
    GOOD(decide(DECIDE_APPROVE, e));
    tell_ready(1);
    answer_probe(1, "", END_OOM);
    LOGGED("> exec 2 on 1 print(2)");
    tell_exit(1, 2, 0);
    tell_state(1, 2, "", "");
    /* So with the twin of a dry run. */
    GOOD(own_code("print(3)", e));
    GOOD(decide(DECIDE_DRY_RUN, e));
    tell_ready(2);
    answer_probe(2, "workspace\t3\n", END_OOM);
    LOGGED("run.finished 4 {\"end\":\"sandbox\"");
    LOGGED("> kill 2 killed");
    SILENT("> exec 3 on 2");
    tell_closed(2);
    assert_true(d.st.gate.open && d.st.gate.run == 3);
    GOOD(decide(DECIDE_DRY_RUN, e));
    tell_ready(3);
    answer_probe(3, "", END_OOM);
    LOGGED("> exec 3 on 3 print(3)");
}

static void test_a_sandbox_that_can_not_be_asked(void **state)
{
    (void)state;
    d.sandbox.caps &= ~(unsigned)SANDBOX_NO_PROBES;
    past_run(1, VAR("x", "a"));
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    d.refuse = "exec";
    tell_ready(0);
    LOGGED("the new sandbox could not be probed: it stays unproved");
    LOGGED("state.restored");
    /* A wall that fails while no run waits: it is destroyed all the same. */
    d.refuse = NULL;
    round_kill_sandbox(d.r);
    tell_closed(0);
    assert_int_equal(desk_teardown(NULL), 0);
    assert_int_equal(desk_setup(NULL), 0);
    d.sandbox.caps &= ~(unsigned)SANDBOX_NO_PROBES;
    past_run(1, VAR("x", "a"));
    desk_begin();
    GOOD(round_resume_state(d.r, e));
    tell_ready(0);
    answer_probe(0, "workspace\t3\n", END_OOM);
    LOGGED("nothing ran in it; see airlock doctor");
    LOGGED("> kill 0 killed");
    tell_closed(0);
    assert_true(round_is_quiet(d.r));
    TIMES(1, "> open"); /* not again by itself: it would fail again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_results),
        CASE(test_ends),
        CASE(test_a_crash),
        CASE(test_output_is_bounded_and_in_order),
        CASE(test_what_really_changed),
        CASE(test_the_network),
        CASE(test_no_code_runs_where_a_wall_failed),
        CASE(test_a_sandbox_that_can_not_be_asked),
    };
    return cmocka_run_group_tests_name("round_says", tests, NULL, desk_end);
}
