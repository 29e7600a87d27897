/* test_e2b_runs.c - one execution in the sandbox e2b: how its answer is judged, how it is ended
 * early, its check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/e2b_machine.h"

/* ---- how the answer is judged */

#define CODE(value) ERROR("SystemExit", value) OVER
#define WORDS       "no such file or directory"

static void answers_of_the_interpreter(void **state)
{
    static const struct {
        const char *lines;
        enum run_end end;
        int code;
        bool lost;
        const char *error, *says;
    } rows[] = {
        { PRINTS OVER, END_EXIT, 0, false, "", "" },
        { ERROR("ValueError", "x") OVER, END_EXIT, 1, false, "ValueError", "" },
        { ERROR("Odd\\u0000Error", "x") OVER, END_EXIT, 1, false, "Odd Error", "" },
        { CODE("3"), END_EXIT, 3, false, "", "" },
        { CODE(""), END_EXIT, 0, false, "", "" },
        { CODE("None"), END_EXIT, 0, false, "", "" },
        { CODE("0"), END_EXIT, 0, false, "", "" },
        { CODE("300"), END_EXIT, 44, false, "", "" },
        { CODE("-1"), END_EXIT, 255, false, "", "" },
        { CODE("-"), END_EXIT, 1, false, "", "" },
        { CODE("bad"), END_EXIT, 1, false, "", "" },
        { CODE(WORDS), END_EXIT, 1, false, "", "" }, /* words are no success, however long */
        { TROUBLE("ContextRestarting") OVER, END_LOST, 0, true, "", "all variables are lost" },
        { TROUBLE("WebSocketError") OVER, END_UNKNOWN, 0, true, "", "what it did is not known" },
        { TROUBLE("ExecutionAborted") OVER, END_UNKNOWN, 0, false, "", "aborted the run" },
        { "{}\n" OVER, END_UNKNOWN, 0, false, "", "sent 1 line that can't be read (a line has no" },
        { "{}\n[]\n" ERROR("E", "v") OVER, END_UNKNOWN, 0, false, "E", "sent 2 lines" },
        { PRINTS, END_UNKNOWN, 0, false, "", "a stream without its last line" },
        { "", END_UNKNOWN, 0, false, "", "not sent again" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.lines = rows[i].lines;
        open_box();
        start_code("python", "x");
        await(&told.finished, 1);
        if (told.end != rows[i].end || told.code != rows[i].code ||
            told.state_lost != rows[i].lost || strcmp(told.error_name, rows[i].error) != 0 ||
            strstr(told.message, rows[i].says) == NULL)
            fail_msg("row %zu: %s %d, lost %d, %s: %s", i, run_end_name(told.end), told.code,
                     told.state_lost, told.error_name, told.message);
        assert_int_equal(told.has_code, rows[i].end == END_EXIT);
        server.lines = PRINTS OVER;
        start_code("python", "y"); /* and it goes on */
        await(&told.finished, 2);
        assert_int_equal(told.end, END_EXIT);
        tear_down();
    }
}

/* Another language's error is an error, whatever its name. */
static void javascript_has_no_system_exit(void **state)
{
    (void)state;
    set_up();
    server.lines = CODE("3");
    open_box();
    start_code("javascript", "x");
    await(&told.finished, 1);
    assert_int_equal(told.code, 1);
    assert_string_equal(told.error_name, "SystemExit");
    tear_down();
}

#define END_OF(rest) "{\"event\":{\"end\":{" rest "}}}"

static void answers_of_a_process(void **state)
{
    static const struct {
        const char *frames[4], *last;
        enum run_end end;
        int code;
        const char *says;
    } rows[] = {
        { { STARTS, SAYS, EXITS }, "{}", END_EXIT, 0, "" },
        { { STARTS, END_OF("\"exited\":true,\"exitCode\":3") }, "{}", END_EXIT, 3, "" },
        { { END_OF("\"status\":\"signal: killed\"") }, "{}", END_SIGNAL, 9, "" },
        { { END_OF("\"status\":\"signal: terminated\"") }, "{}", END_SIGNAL, 15, "" },
        { { END_OF("\"status\":\"signal: new one\"") }, "{}", END_SIGNAL, 0, "" },
        { { END_OF("\"status\":\"signalled\"") }, "{}", END_SIGNAL, 0, "" },
        { { END_OF("\"exitCode\":4,\"status\":\"odd\"") }, "{}", END_EXIT, 4, "" },
        { { STARTS, SAYS }, "{}", END_UNKNOWN, 0, "has no end of the process" },
        { { "{" }, "{}", END_UNKNOWN, 0, "not sent again" },
        { { "{", STARTS, EXITS }, "{}", END_UNKNOWN, 0, "not sent again" },
        { { "{\"event\":{\"data\":{\"stdout\":\"!\"}}}", EXITS },
          "{}",
          END_UNKNOWN,
          0,
          "output of the process" },
        { { EXITS },
          "{\"error\":{\"code\":\"internal\",\"message\":\"m\"}}",
          END_UNKNOWN,
          0,
          "internal: m" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        memcpy(server.frames, rows[i].frames, sizeof rows[i].frames);
        server.last = rows[i].last;
        open_box();
        start_code("bash", "x");
        await(&told.finished, 1);
        if (told.end != rows[i].end || told.code != rows[i].code ||
            strstr(told.message, rows[i].says) == NULL)
            fail_msg("row %zu: %s %d: %s", i, run_end_name(told.end), told.code, told.message);
        assert_int_equal(server.processes, 1);
        tear_down();
    }
}

static void output_beyond_its_ceiling_is_counted(void **state)
{
    static char lines[3 << 20];
    size_t n = (size_t)snprintf(lines, sizeof lines, "{\"type\":\"stderr\",\"text\":\"");
    (void)state;
    memset(lines + n, 'x', (2 << 20));
    snprintf(lines + n + (2 << 20), 100, "\"}\n" PRINTS OVER);
    set_up();
    server.lines = lines;
    open_box();
    start_code("python", "x");
    await(&told.finished, 1);
    assert_int_equal(told.end, END_EXIT);
    assert_int_equal(told.outputs, 1); /* the rest is dropped */
    tear_down();
}

/* ---- ended early */

enum stop { INTERRUPT, TIMEOUT };

static void stop(enum stop how)
{
    if (how == INTERRUPT)
        box->ops->interrupt(box); /* else its time will be up */
}

static void hold(const char *language)
{
    set_up();
    server.lines = NULL;
    server.frames[1] = server.last = NULL;
    open_box();
    await(&told.ready, 1);
    start_code(language, "x");
    await_stream();
    turns(3);
}

static void code_that_obeys(void **state)
{
    static const enum run_end ends[] = { END_INTERRUPTED, END_TIMEOUT };
    (void)state;
    for (enum stop how = INTERRUPT; how <= TIMEOUT; how++)
        for (int bash = 0; bash < 2; bash++) {
            struct buf frames = BUF_INIT(1 << 12);
            hold(bash ? "bash" : "python");
            stop(how);
            await(&server.nudges, 1);
            assert_non_null(strstr(server.shell, bash ? "t 9" : "kill -INT 77"));
            add_frame(&frames, END_OF("\"status\":\"signal: interrupt\""), false);
            add_frame(&frames, "{}", true);
            if (bash)
                fake_data(server.stream, frames.ptr, frames.len);
            else
                fake_data(server.stream, ERROR("KeyboardInterrupt", "") OVER,
                          strlen(ERROR("KeyboardInterrupt", "") OVER));
            fake_end(server.stream, NET_ANSWERED, true);
            await(&told.finished, 1);
            assert_int_equal(told.end, ends[how]);
            assert_false(told.has_code);
            assert_false(told.state_lost);
            buf_release(&frames);
            tear_down();
        }
}

/* It was through by itself at the same time: an interrupt changes nothing, a timeout does. */
static void code_that_was_faster(void **state)
{
    (void)state;
    for (enum stop how = INTERRUPT; how <= TIMEOUT; how++) {
        hold("python");
        stop(how);
        await(&server.nudges, 1);
        fake_data(server.stream, PRINTS OVER, strlen(PRINTS OVER));
        fake_end(server.stream, NET_ANSWERED, true);
        await(&told.finished, 1);
        assert_int_equal(told.end, how == INTERRUPT ? END_EXIT : END_TIMEOUT);
        tear_down();
    }
}

static void code_that_ignores_an_interrupt(void **state)
{
    static const struct {
        const char *language, *cell;
        int restart; /* status; 0: none is needed */
    } rows[] = { { "python", NULL, 0 },
                 { "javascript", NULL, 0 },
                 { "python", "", 200 },
                 { "javascript", "", 200 },
                 { "python", "", 500 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        hold(rows[i].language);
        bool python = strcmp(rows[i].language, "python") == 0;
        server.cell = rows[i].cell;
        server.cell_on = python ? ".names(" : "\"code\":\"\"";
        if (rows[i].restart == 500)
            fake.fault = (struct fake_fault){
                .on = "POST /contexts/", .times = 100, .end = NET_ANSWERED, .status = 500
            };
        box->ops->interrupt(box);
        box->ops->interrupt(box);
        await(&told.finished, 1);
        assert_int_equal(told.end, END_INTERRUPTED);
        assert_int_equal(server.restarts, rows[i].restart == 200);
        assert_int_equal(told.state_lost, rows[i].restart != 0);
        assert_true(server.stream->gone); /* its connection was closed */
        if (rows[i].restart == 500) {
            await(&told.closed, 1);
            assert_true(told.confirmed);
        } else {
            assert_non_null(strstr(told.message, rows[i].restart == 0 ? "its connection was closed"
                                                                      : "variables are lost"));
            server.lines = PRINTS OVER;
            server.cell = NULL;
            start_code("python", "x");
            await(&told.finished, 2);
            assert_int_equal(told.end, END_EXIT);
        }
        tear_down();
    }
}

static void a_process_that_ignores_everything(void **state)
{
    (void)state;
    hold("bash");
    box->ops->interrupt(box);
    await(&told.closed, 1); /* INT, KILL, then the sandbox goes */
    assert_int_equal(server.nudges, 2);
    assert_non_null(strstr(server.shell, "kill -KILL"));
    assert_int_equal(told.end, END_INTERRUPTED);
    assert_non_null(strstr(told.message, "could not be ended by itself, so the sandbox was"));
    assert_true(told.confirmed);
    tear_down();
    hold("bash"); /* it did not even tell its number */
    tear_down();
    set_up();
    server.frames[0] = server.last = NULL;
    open_box();
    await(&told.ready, 1);
    start_code("bash", "x");
    await_stream();
    box->ops->interrupt(box);
    await(&told.closed, 1);
    assert_int_equal(server.nudges, 0);
    tear_down();
}

static void interrupted_before_the_code_left(void **state)
{
    static const char *const steps[] = { "POST /files?", "POST /execute" };
    char name[] = "f", bytes[] = "b";
    struct sandbox_file f = { .name = name, .mode = 0600, .ptr = bytes, .len = 1 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        set_up();
        open_box();
        await(&told.ready, 1);
        server.hold = steps[i];
        struct sandbox_run rq = request("python", "x");
        rq.files = &f;
        rq.file_count = 1;
        start(&rq);
        await_held();
        server.hold = NULL;
        box->ops->interrupt(box);
        await(&told.finished, 1);
        assert_int_equal(told.end, END_INTERRUPTED);
        assert_non_null(strstr(told.message, "the code was not executed"));
        assert_int_equal(server.executed, 0);
        tear_down();
    }
}

static void a_context_that_can_not_be_had(void **state)
{
    (void)state;
    set_up();
    open_box();
    await(&told.ready, 1);
    fake.fault = (struct fake_fault){
        .on = "POST /contexts", .times = 1, .end = NET_ANSWERED, .status = 500
    };
    start_code("javascript", "x");
    box->ops->interrupt(box); /* nothing is on yet that could be ended */
    await(&told.finished, 1);
    assert_int_equal(told.end, END_PROVIDER);
    assert_non_null(strstr(told.message, "nothing was executed"));
    tear_down();
}

/* ---- the check */

static void start_with_check(void)
{
    struct sandbox_run rq = request("python", "x");
    rq.check_code = "assert a";
    rq.check_code_len = 8;
    start(&rq);
}

static void checks_are_told(void **state)
{
    static const struct {
        const char *check;
        bool ok, lost;
        const char *text;
    } rows[] = {
        { OVER, true, false, "" },
        { PRINTS OVER, true, false, "" },
        { ERROR("AssertionError", "a") OVER, false, false, "AssertionError: a" },
        { PRINTS, false, false, "did not come to its end" },
        { "{}\n" OVER, false, false, "did not come to its end" },
        { TROUBLE("ContextRestarting") OVER, false, true, "" },
        { TROUBLE("UnexpectedEndOfExecution") OVER, false, true, "" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.check = rows[i].check;
        open_box();
        start_with_check();
        await(&told.finished, 1);
        assert_int_equal(told.end, END_EXIT);
        assert_true(told.check_ran);
        if (told.check_ok != rows[i].ok || told.state_lost != rows[i].lost ||
            strstr(told.check_text, rows[i].text) == NULL)
            fail_msg("row %zu: ok %d, lost %d: %s", i, told.check_ok, told.state_lost,
                     told.check_text);
        assert_int_equal(told.outputs, 1); /* what a check prints is nobody's */
        tear_down();
    }
}

static void a_check_that_hangs_takes_the_sandbox(void **state)
{
    (void)state;
    set_up();
    open_box();
    await(&told.ready, 1);
    start_with_check();
    for (unsigned i = 0; i < 100 && server.executed == 0; i++)
        turns(1);
    server.hold = "POST /execute";
    await_held();
    await(&told.finished, 1);
    assert_int_equal(told.end, END_TIMEOUT);
    assert_int_equal(server.nudges, 1);
    await(&told.closed, 1);
    assert_true(told.confirmed);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_the_interpreter),
        cmocka_unit_test(javascript_has_no_system_exit),
        cmocka_unit_test(answers_of_a_process),
        cmocka_unit_test(output_beyond_its_ceiling_is_counted),
        cmocka_unit_test(code_that_obeys),
        cmocka_unit_test(code_that_was_faster),
        cmocka_unit_test(code_that_ignores_an_interrupt),
        cmocka_unit_test(a_process_that_ignores_everything),
        cmocka_unit_test(interrupted_before_the_code_left),
        cmocka_unit_test(a_context_that_can_not_be_had),
        cmocka_unit_test(checks_are_told),
        cmocka_unit_test(a_check_that_hangs_takes_the_sandbox),
    };
    return cmocka_run_group_tests_name("e2b runs", tests, NULL, NULL);
}
