/* test_managed_turns.c - claude-managed, event by event: a session that says what it should, and
 * one that says anything else. Nothing but the approved call is ever allowed; each end is told as
 * it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/managed_box.h"

struct turn {
    const char *turn[SCRIPT_MAX], *end[SCRIPT_MAX];
    enum run_end how;
    unsigned allowed;
    const char *says; /* in the message of the run */
};

static void play(const struct turn *t, size_t row)
{
    set_up();
    server.turn = t->turn[0] != NULL ? t->turn : good_turn;
    server.end = t->end[0] != NULL ? t->end : good_end;
    open_box();
    await(&told.ready, 1);
    start_code("print(42)");
    await(&told.finished, 1);
    if (told.end != t->how || strstr(told.message, t->says) == NULL || server.allowed != t->allowed)
        fail_msg("row %zu: %s (%s), %u allowed: %s", row, run_end_name(told.end),
                 run_end_name(t->how), server.allowed, told.message);
    tear_down();
    assert_int_equal(told.finished, 1);
    assert_false(server.alive);
    assert_false(server.agent_there);
    assert_false(server.environment_there);
}

static void a_run_goes_well(void **state)
{
    (void)state;
    set_up();
    open_box();
    await(&told.ready, 1);
    start_code("print(42)");
    await(&told.finished, 1);
    assert_int_equal(told.end, END_EXIT);
    assert_int_equal(told.code, 0);
    assert_int_equal(told.outputs, 1);
    assert_int_equal(told.states, 1);
    assert_int_equal(told.usages, 1);
    assert_true(told.cost > 0);
    assert_int_equal(server.files, 2);
    start_code("print(43)"); /* in the same session, without files */
    await(&told.finished, 2);
    assert_int_equal(told.end, END_EXIT);
    assert_int_equal(server.sessions, 1);
    assert_int_equal(server.files, 2);
    box->ops->kill(box, END_KILLED);
    await(&told.closed, 1);
    assert_true(told.confirmed);
    tear_down();
}

#define CALL_OF(name, input)                                                                       \
    "{\"type\":\"agent.tool_use\",\"id\":\"$I\",\"name\":\"" name "\",\"input\":" input            \
    ",\"evaluated_permission\":\"ask\"}"
#define FAILS(type, retry)                                                                         \
    "{\"type\":\"session.error\",\"error\":{\"type\":\"" type "\",\"message\":\"m\","              \
    "\"retry_status\":{\"type\":\"" retry "\"}}}"
#define RESULT_OF(id, bad, content)                                                                \
    "{\"type\":\"agent.tool_result\",\"tool_use_id\":\"" id "\",\"is_error\":" bad                 \
    ",\"content\":" content "}"
#define TEXT(t) "[{\"type\":\"text\",\"text\":\"" t "\"}]"

static const struct turn turns_of_a_session[] = {
    /* calls that can't be judged */
    { { "{\"type\":\"agent.tool_use\",\"id\":\"$I\",\"name\":\"bash\",\"input\":{}}" },
      { NULL },
      END_INTEGRITY,
      0,
      "does not wait" },
    { { "{\"type\":\"agent.tool_use\",\"id\":\"a/b\",\"name\":\"bash\","
        "\"evaluated_permission\":\"ask\"}" },
      { NULL },
      END_INTEGRITY,
      0,
      "can't be named" },
    { { "{\"type\":\"session.status_idle\",\"stop_reason\":{\"type\":\"requires_action\","
        "\"event_ids\":[\"sevt_77\"]}}" },
      { NULL },
      END_INTEGRITY,
      0,
      "did not tell" },
    /* calls that are not the approved one: refused, and asked for again, three times at most */
    { { CALL_OF("bash", "{\"command\":\"id\"}"), WAITS },
      { NULL },
      END_PROVIDER,
      0,
      "did not call for the command in time" },
    { { CALL_OF("bash", "[\"$C\"]"), WAITS, ENDS, CALL_OF("bash", "[]"), WAITS, ENDS },
      { NULL },
      END_INTEGRITY,
      0,
      "refused 2 of its calls, the last: bash []" },
    { { CALL_OF("bash", "{\"command\":7}"), WAITS, ENDS, ENDS, ENDS },
      { NULL },
      END_INTEGRITY,
      0,
      "refused 1 of its calls, the last: bash {\"command\":7}" },
    { { CALL_OF("python", "{\"command\":\"$C\"}"), WAITS, ENDS, ENDS, ENDS },
      { NULL },
      END_INTEGRITY,
      0,
      "refused 1 of its calls, the last: python" },
    { { CALL_OF("bash", "{\"command\":\"$C\",\"timeout_ms\":5}"), WAITS, ENDS, ENDS, ENDS },
      { NULL },
      END_INTEGRITY,
      0,
      "out of turn timeout_ms=5" },
    { { CALL_OF("bash", "{\"command\":\"$C \"}"), WAITS, ENDS, ENDS, ENDS },
      { NULL },
      END_INTEGRITY,
      0,
      "other from byte" },
    { { "{\"type\":\"agent.tool_use\",\"id\":\"$I\",\"name\":\"rm\","
        "\"evaluated_permission\":\"ask\"}",
        WAITS, ENDS, ENDS, ENDS },
      { NULL },
      END_INTEGRITY,
      0,
      "refused 1 of its calls" },
    /* the approved one, but the server waits for something else, too */
    { { CALL, CALL,
        "{\"type\":\"session.status_idle\",\"stop_reason\":{\"type\":"
        "\"requires_action\",\"event_ids\":[\"sevt_1\",\"sevt_2\"]}}",
        ENDS, ENDS, ENDS },
      { NULL },
      END_INTEGRITY,
      0,
      "refused 2 calls at once" },
    { { CALL,
        "{\"type\":\"session.status_idle\",\"stop_reason\":{\"type\":\"requires_action\","
        "\"event_ids\":[]}}",
        ENDS, ENDS, ENDS },
      { NULL },
      END_PROVIDER,
      0,
      "did not call" },
    /* ends without a call */
    { { ENDS, ENDS, ENDS }, { NULL }, END_PROVIDER, 0, "did not call for the approved command" },
    { { STOPS("retries_exhausted") }, { NULL }, END_PROVIDER, 0, "retries exhausted" },
    { { STOPS("refusal") }, { NULL }, END_PROVIDER, 0, "refused to go on" },
    { { STOPS("") }, { NULL }, END_PROVIDER, 0, "not known here" },
    { { STOPS("budget_reached") }, { NULL }, END_LIMIT, 0, "budget" },
    { { FAILS("api_error", "terminal") }, { NULL }, END_PROVIDER, 0, "api_error: m" },
    { { FAILS("api_error", "retrying"), CALL, WAITS }, { NULL }, END_EXIT, 1, "" },
    { { FAILS("billing_error", "terminal") }, { NULL }, END_LIMIT, 0, "billing_error: m" },
    { { "{\"type\":\"session.status_terminated\"}" }, { NULL }, END_LOST, 0, "by the server" },
    { { RUNS, "{\"type\":\"session.deleted\"}" }, { NULL }, END_LOST, 0, "by the server" },
    { { "{\"type\":\"agent.thread_message_sent\"}" }, { NULL }, END_INTEGRITY, 0, "one tool" },
    { { "{\"type\":\"workflow_run.started\"}" }, { NULL }, END_INTEGRITY, 0, "one tool" },
    { { "{\"type\":\"session.thread_created\"}" }, { NULL }, END_INTEGRITY, 0, "one tool" },
    { { "{\"type\":\"agent.mcp_tool_result\"}" }, { NULL }, END_INTEGRITY, 0, "one tool" },
    { { "{\"type\":\"session.updated\"}" }, { NULL }, END_INTEGRITY, 0, "somebody else changed" },
    { { "{\"type\":\"user.tool_confirmation\",\"tool_use_id\":\"x\",\"result\":\"allow\"}" },
      { NULL },
      END_INTEGRITY,
      0,
      "somebody else allowed" },
    { { CALL, CONFIRMS }, { NULL }, END_INTEGRITY, 0, "somebody else allowed" },
    { { "{\"type\":\"user.tool_confirmation\",\"tool_use_id\":\"x\",\"result\":\"deny\"}", CALL,
        WAITS },
      { NULL },
      END_EXIT,
      1,
      "" },
    /* results that can't be */
    { { CALL, RESULT_OF("$I", "false", TEXT("42")) },
      { NULL },
      END_INTEGRITY,
      0,
      "a call that was not allowed" },
    { { NULL }, { RESULT, RESULT }, END_INTEGRITY, 1, "two results" },
    { { NULL },
      { RESULT_OF("$I", "false", TEXT("$B")), ENDS },
      END_INTEGRITY,
      1,
      "ran other code" },
    { { NULL }, { RESULT_OF("$I", "false", TEXT("42")), ENDS }, END_UNKNOWN, 1, "it printed: 42" },
    { { NULL },
      { RESULT_OF("$I", "false", "[{\"type\":\"image\",\"text\":\"$R\"}]"), ENDS },
      END_UNKNOWN,
      1,
      "printed none" },
    { { NULL }, { RUNS, ENDS }, END_UNKNOWN, 1, "without the command's result" },
    { { NULL }, { RUNS, STOPS("refusal") }, END_UNKNOWN, 1, "refused to go on" },
    { { NULL }, { "{\"type\":\"session.deleted\"}" }, END_UNKNOWN, 1, "ended by the server" },
    /* the result is whole, whatever comes behind it; but more calls are a deviation */
    { { NULL }, { RESULT, STOPS("retries_exhausted") }, END_EXIT, 1, "" },
    { { NULL }, { RESULT, "{\"type\":\"session.deleted\"}" }, END_EXIT, 1, "" },
    { { NULL }, { RESULT, CALL, WAITS, ENDS }, END_INTEGRITY, 1, "wanted more" },
    { { NULL }, { RESULT, CALL, WAITS, STOPS("refusal") }, END_INTEGRITY, 1, "wanted more" },
    { { NULL },
      { CALL_OF("bash", "{\"command\":\"id\"}"), RESULT_OF("sevt_1", "false", TEXT("$R")), ENDS },
      END_INTEGRITY,
      1,
      "wanted more" },
    { { NULL }, { RESULT }, END_UNKNOWN, 1, "turn did not end after the result" },
    /* nobody answers: it is stopped, then told as it is */
    { { RUNS }, { NULL }, END_PROVIDER, 0, "did not call for the command in time" },
    { { NULL }, { RUNS, CONFIRMS }, END_TIMEOUT, 1, "" },
    { { NULL }, { USED }, END_UNKNOWN, 1, "" },
};

static void each_turn_ends_as_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(turns_of_a_session); i++)
        play(&turns_of_a_session[i], i);
}

/* What was denied must not run. */
static void a_denied_call_has_no_result(void **state)
{
    static const char *const other[] = { CALL_OF("bash", "{\"command\":\"id\"}"), WAITS, NULL };
    static const char *const obeys[] = { RESULT_OF("$I", "true", TEXT("denied")), CALL, WAITS,
                                         NULL };
    static const char *const runs[] = { RESULT_OF("$I", "false", TEXT("uid=0")), NULL };
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        set_up();
        server.turn = other;
        server.denied = bad ? runs : obeys;
        open_box();
        await(&told.ready, 1);
        start_code("print(42)");
        await(&told.finished, 1);
        assert_int_equal(told.end, bad ? END_INTEGRITY : END_EXIT);
        assert_non_null(strstr(told.message, bad ? "denied has a result" : "refused 1 of its"));
        assert_int_equal(server.refused, 1);
        tear_down();
    }
}

/* ---- how the program itself ended */

static void ends_of_the_program(void **state)
{
    static const struct {
        int64_t code;
        bool late, unstarted;
        enum run_end end;
        int told;
    } rows[] = {
        { 3, false, false, END_EXIT, 3 },
        { -9, false, false, END_SIGNAL, 9 },
        { -9, true, false, END_TIMEOUT, 0 },
        { 0, false, true, END_PROVIDER, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.exit_code = rows[i].code;
        server.late = rows[i].late;
        server.unstarted = rows[i].unstarted;
        open_box();
        start_code("x"); /* before it is ready: it waits */
        await(&told.finished, 1);
        assert_int_equal(told.end, rows[i].end);
        assert_int_equal(told.code, rows[i].told);
        tear_down();
    }
}

static void a_long_timeout_is_said_and_held(void **state)
{
    static const char *const without[] = {
        CALL_OF("bash", "{\"command\":\"$C\"}"), WAITS, ENDS, ENDS, ENDS, NULL
    };
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        set_up();
        terms.timeout_s = 300;
        server.turn = kept ? good_turn : without;
        open_box();
        start_code("x");
        await(&told.finished, 1);
        assert_int_equal(server.timeout_ms, 320000);
        assert_int_equal(told.end, kept ? END_EXIT : END_INTEGRITY);
        tear_down();
    }
}

static void a_run_that_was_not_approved_never_leaves(void **state)
{
    (void)state;
    set_up();
    refuse_body = true;
    open_box();
    start_code("x");
    await(&told.finished, 1);
    assert_int_equal(told.end, END_INTEGRITY);
    assert_non_null(strstr(told.message, "not what was approved"));
    assert_int_equal(server.files + server.sessions, 0);
    refuse_body = false;
    start_code("x");
    await(&told.finished, 2);
    assert_int_equal(told.end, END_EXIT);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_goes_well),
        cmocka_unit_test(each_turn_ends_as_it_is),
        cmocka_unit_test(a_denied_call_has_no_result),
        cmocka_unit_test(ends_of_the_program),
        cmocka_unit_test(a_long_timeout_is_said_and_held),
        cmocka_unit_test(a_run_that_was_not_approved_never_leaves),
    };
    return cmocka_run_group_tests_name("managed turns", tests, NULL, NULL);
}
