/* test_managed_edges.c - claude-managed: what a server makes is read back before it is used; what
 * it says between two runs; ends that were not asked for; what it refuses to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/managed_box.h"

/* ---- read back */

#define SET(rest)    "{\"id\":\"agent_1\",\"version\":1," rest "}"
#define TOOLS(tools) SET("\"tools\":[" tools "]")
#define BASH(more)                                                                                 \
    "{\"name\":\"bash\",\"enabled\":true,\"permission_policy\":{\"type\":\"always_ask\"}}" more
#define BOX_OF(dflt, configs)                                                                      \
    "{\"type\":\"agent_toolset_20260401\",\"default_config\":" dflt ",\"configs\":[" configs "]}"
#define OFF "{\"enabled\":false}"

static void an_agent_with_other_tools_is_not_used(void **state)
{
    static const struct {
        const char *agent, *says;
    } rows[] = {
        { SET("\"tools\":[]"), "other tools than bash" },
        { TOOLS(BOX_OF(OFF, BASH("")) ",{}"), "other tools than bash" },
        { TOOLS("{\"type\":\"custom\"}"), "other tools than bash" },
        { SET("\"mcp_servers\":[{}]," TOOLSET_ONLY), "other tools than bash" },
        { SET("\"skills\":{}," TOOLSET_ONLY), "other tools than bash" },
        { SET("\"multiagent\":{}," TOOLSET_ONLY), "other tools than bash" },
        { TOOLS(BOX_OF("{}", BASH(""))), "not named are enabled" },
        { TOOLS(BOX_OF("{\"enabled\":0}", BASH(""))), "not named are enabled" },
        { TOOLS(BOX_OF("{\"enabled\":true}", BASH(""))), "not named are enabled" },
        { TOOLS(BOX_OF(OFF, BASH(",{\"name\":\"read\",\"enabled\":true}"))),
          "another tool than bash" },
        { TOOLS(BOX_OF(OFF, BASH(",{\"name\":\"read\"}"))), "another tool than bash" },
        { TOOLS(BOX_OF(OFF, "{\"name\":\"bash\",\"enabled\":true}")), "without being asked" },
        { TOOLS(BOX_OF(OFF, "")), "bash is not enabled" },
        { TOOLS(BOX_OF(OFF, "{\"name\":\"bash\",\"enabled\":false}")), "bash is not enabled" },
        { TOOLS(BOX_OF(OFF, BASH(",") BASH(""))), "bash is not enabled" },
        { "{\"id\":\"agent_1\"," TOOLSET_ONLY "}", "version" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.agent = rows[i].agent;
        open_box();
        await(&told.closed, 1);
        assert_int_equal(told.failed, 1);
        if (strstr(told.why.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, told.why.msg);
        assert_true(told.confirmed);
        assert_false(server.agent_there);
        tear_down();
    }
    set_up(); /* a tool that is off is none */
    server.agent = TOOLS(BOX_OF(OFF, BASH(",{\"name\":\"read\",\"enabled\":false}")));
    open_box();
    await(&told.ready, 1);
    tear_down();
}

#define NET(net)   "{\"id\":\"env_1\",\"config\":{\"type\":\"cloud\",\"networking\":" net "}}"
#define NONE(host) "{\"type\":\"limited\",\"allowed_hosts\":" host

static void an_open_network_is_not_used(void **state)
{
    static const char *const rows[] = {
        "{\"id\":\"env_1\"}",
        "{\"id\":\"env_1\",\"config\":{\"type\":\"self_hosted\"}}",
        NET("{\"type\":\"unrestricted\"}"),
        NET("{\"type\":\"limited\",\"allow_package_managers\":false,\"allow_mcp_servers\":false}"),
        NET(NONE("{}") ",\"allow_package_managers\":false,\"allow_mcp_servers\":false}"),
        NET(NONE("[\"a.example\"]") ",\"allow_package_managers\":false,"
                                    "\"allow_mcp_servers\":false}"),
        NET(NONE("[]") ",\"allow_package_managers\":true,\"allow_mcp_servers\":false}"),
        NET(NONE("[]") ",\"allow_package_managers\":false}"),
        NET(NONE("[]") ",\"allow_package_managers\":false,\"allow_mcp_servers\":null}"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.environment = rows[i];
        open_box();
        start_code("x");
        await(&told.closed, 1);
        if (told.finished != 1 || told.end != END_INTEGRITY ||
            strstr(told.message, "network is not closed") == NULL)
            fail_msg("row %zu: %s", i, told.message);
        assert_false(server.environment_there);
        tear_down();
    }
}

static void a_session_of_something_else_is_not_used(void **state)
{
#define SESSION(agent, env) "{\"id\":\"sesn_1\",\"agent\":" agent ",\"environment_id\":\"" env "\"}"
    static const char *const rows[] = {
        SESSION("{\"id\":\"agent_2\",\"version\":1," TOOLSET_ONLY "}", "env_1"),
        SESSION("{\"id\":\"agent_1\",\"version\":2," TOOLSET_ONLY "}", "env_1"),
        SESSION("{\"id\":\"agent_1\",\"version\":1," TOOLSET_ONLY "}", "env_2"),
        SESSION("{\"id\":\"agent_1\",\"version\":1}", "env_1"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.session = rows[i];
        open_box();
        start_code("x");
        await(&told.finished, 1);
        assert_int_equal(told.end, END_INTEGRITY);
        assert_non_null(strstr(told.message, "nothing was run"));
        assert_null(server.command);
        tear_down();
        assert_false(server.alive);
    }
}

/* ---- between two runs */

static void what_happens_between_two_runs(void **state)
{
    static const struct {
        const char *events[6];
        bool dead;         /* the sandbox ends */
        unsigned sessions; /* how many the next run makes it */
        unsigned refused;
    } rows[] = {
        { { ENDS, USED, RUNS, ENDS }, false, 1, 0 },
        { { CALL, WAITS }, false, 1, 1 },
        { { WAITS }, false, 1, 0 }, /* about a call that was answered long ago */
        { { "{\"type\":\"session.deleted\"}" }, false, 2, 0 },
        { { STOPS("refusal") }, false, 2, 0 },
        { { "{\"type\":\"session.error\",\"error\":{\"type\":\"x\"}}" }, false, 2, 0 },
        { { RESULT }, true, 0, 0 },
        { { "{\"type\":\"session.updated\"}" }, true, 0, 0 },
        { { STOPS("budget_reached") }, true, 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        open_box();
        start_code("print(1)");
        await(&told.finished, 1);
        turns(2);
        tell_all(rows[i].events);
        if (rows[i].dead) {
            await(&told.closed, 1);
            assert_int_equal(told.failed, 1);
            assert_true(told.confirmed);
        } else {
            start_code("print(2)");
            await(&told.finished, 2);
            bool said = strstr(told.message, "in a new container") != NULL;
            if (told.end != END_EXIT || server.sessions != rows[i].sessions ||
                said != (rows[i].sessions == 2) || server.refused != rows[i].refused)
                fail_msg("row %zu: %s, %u sessions, %u refused: %s", i, run_end_name(told.end),
                         server.sessions, server.refused, told.message);
            assert_int_equal(told.failed, 0);
        }
        tear_down();
        assert_false(server.alive);
    }
}

static void bytes_without_sense_between_two_runs(void **state)
{
    (void)state;
    set_up();
    open_box();
    start_code("print(1)");
    await(&told.finished, 1);
    fake_data(server.stream, "data: {\n\n", 9);
    start_code("print(2)");
    await(&told.finished, 2);
    assert_int_equal(told.end, END_EXIT);
    assert_int_equal(server.sessions, 2);
    assert_non_null(strstr(told.message, "in a new container"));
    tear_down();
}

/* ---- the history after a cut */

static void a_history_that_can_not_be_read_ends_the_run(void **state)
{
    static const struct fake_fault rows[] = {
        { .end = NET_ANSWERED, .status = 403 },
        { .end = NET_ANSWERED, .status = 200, .body = "{" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.end = nothing;
        open_box();
        start_code("print(1)");
        for (unsigned k = 0; k < 400 && server.allowed == 0; k++)
            turns(1);
        fake.fault = rows[i];
        fake.fault.on = "GET /v1/sessions/sesn_1/events?";
        fake.fault.times = 100;
        fake_end(server.stream, NET_CUT, true);
        await(&told.finished, 1);
        /* It was allowed: it may have run. */
        if (told.end != END_UNKNOWN || strstr(told.message, "makes no sense") == NULL)
            fail_msg("row %zu: %s: %s", i, run_end_name(told.end), told.message);
        tear_down();
        assert_false(server.alive);
    }
}

/* ---- ends */

static void an_interrupted_run_ends_as_the_session_says(void **state)
{
    static const char *const cut[] = { "{\"type\":\"agent.tool_result\",\"tool_use_id\":\"$I\","
                                       "\"content\":[{\"type\":\"text\",\"text\":\"cut\"}]}",
                                       ENDS, NULL };
    static const char *const whole[] = { RESULT, ENDS, NULL };
    static const struct {
        const char *const *stopped;
        enum run_end end;
    } rows[] = { { cut, END_INTERRUPTED }, { whole, END_EXIT }, { nothing, END_INTERRUPTED } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.end = nothing;
        server.stopped = rows[i].stopped;
        open_box();
        start_code("print(1)");
        for (unsigned k = 0; k < 400 && server.allowed == 0; k++)
            turns(1);
        box->ops->interrupt(box);
        box->ops->interrupt(box);
        await(&told.finished, 1);
        assert_int_equal(told.end, rows[i].end);
        assert_true(server.interrupted >= 1);
        tear_down();
        assert_false(server.alive);
    }
}

static void interrupted_before_it_began(void **state)
{
    (void)state;
    set_up();
    open_box();
    start_code("x");
    box->ops->interrupt(box);
    await(&told.finished, 1);
    assert_int_equal(told.end, END_INTERRUPTED);
    assert_string_equal(told.message, "nothing was run");
    assert_int_equal(server.sessions, 0);
    box->ops->interrupt(box); /* nothing is on */
    turns(2);
    tear_down();
}

static void one_run_is_its_whole_life(void **state)
{
    (void)state;
    set_up();
    terms.lifecycle = LIFECYCLE_RUN;
    open_box();
    start_code("x");
    await(&told.closed, 1);
    assert_int_equal(told.finished, 1);
    assert_int_equal(told.end, END_EXIT);
    assert_int_equal(told.failed, 0);
    assert_true(told.confirmed);
    tear_down();
}

static void its_time_is_up(void **state)
{
    (void)state;
    for (int running = 0; running < 2; running++) {
        set_up();
        terms.ttl_s = 20;
        server.end = running ? nothing : good_end;
        open_box();
        if (running)
            start_code("x");
        await(&told.closed, 1);
        if (running)
            assert_int_equal(told.end, END_LIMIT);
        else
            assert_int_equal(told.failed, 1);
        assert_non_null(strstr(running ? told.message : told.why.msg, "reached its ttl_s"));
        assert_true(told.confirmed);
        tear_down();
    }
}

static void what_can_not_be_deleted_is_told(void **state)
{
    (void)state;
    set_up();
    open_box();
    start_code("x");
    await(&told.finished, 1);
    fake.fault = (struct fake_fault){
        .on = "DELETE /v1/sessions/", .times = 100, .end = NET_ANSWERED, .status = 403
    };
    box->ops->kill(box, END_KILLED);
    await(&told.closed, 1);
    assert_false(told.confirmed);
    assert_int_equal(told.failed, 1);
    assert_non_null(strstr(told.why.msg, "it may still be there: airlock sandboxes"));
    tear_down();
}

static void only_running_time_costs(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    server.end = nothing;
    open_box();
    await(&told.ready, 1);
    assert_int_equal(box->ops->cost(box, 3600000), 0);
    start_code("x");
    for (unsigned k = 0; k < 400 && server.allowed == 0; k++)
        turns(1);
    tell_event(RUNS);
    for (int i = 0; i < 100; i++)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    int64_t cost = box->ops->cost(box, 0);
    assert_true(cost >= managed_nanousd(9000));
    tell_event(ENDS);
    cost = box->ops->cost(box, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    assert_int_equal(box->ops->cost(box, 0), cost);
    tear_down();
}

static void a_spent_budget_leaves_a_cent(void **state)
{
    (void)state;
    set_up();
    terms.budget_nanousd = 1;
    open_box();
    start_code("x");
    await(&told.finished, 1);
    tear_down();
    set_up();
    struct buf body = BUF_INIT(1 << 16);
    struct managed s = { .contract = { .budget_nanousd = 5 }, .label = NULL };
    char label[] = "l";
    s.label = label;
    assert_int_equal(managed_write_session(&s, &body), 0);
    assert_non_null(strstr(buf_str(&body), "\"amount\":\"1\""));
    buf_reset(&body);
    s.contract.budget_nanousd = 0; /* none: a ceiling all the same */
    assert_int_equal(managed_write_session(&s, &body), 0);
    assert_non_null(strstr(buf_str(&body), "\"amount\":\"500\""));
    buf_reset(&body);
    s.contract.budget_nanousd = INT64_C(3000000000);
    s.tokens_nanousd = INT64_C(1000000000);
    assert_int_equal(managed_write_session(&s, &body), 0);
    assert_non_null(strstr(buf_str(&body), "\"amount\":\"200\""));
    buf_release(&body);
    tear_down();
}

/* ---- refused */

static const char *no_key(void *arg, const char *name)
{
    (void)arg, (void)name;
    return NULL;
}

static void what_it_can_not_have(void **state)
{
    struct err e = ERR_INIT;
    char path[] = "/srv", var[] = "HOME", room[64];
    struct sandbox_config cfg;
    (void)state;
    set_up();
    static const char *const says[] = { "no network here", "-c network=deny", "can be mounted",
                                        "no environment variables", "ANTHROPIC_API_KEY" };
    for (int i = 0; i < 5; i++) {
        cfg = config();
        terms.network = i == 1 ? NETWORK_OPEN : NETWORK_DENY;
        terms.mount_count = i == 2;
        terms.mounts[0].path = path;
        terms.env_count = i == 3;
        terms.env[0] = var;
        if (i == 0)
            cfg.net = NULL;
        if (i == 4)
            cfg.setting = no_key;
        assert_int_equal(sandbox_claude_managed.open(&box, &cfg, &e), -1);
        if (strstr(e.msg, says[i]) == NULL)
            fail_msg("%d: %s", i, e.msg);
    }
    struct sandbox_host host = { .setting = no_key };
    assert_int_equal(sandbox_claude_managed.available(&host, &e), -1);
    assert_int_equal(sandbox_claude_managed.origin(&host, room, sizeof room, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    host.setting = setting;
    assert_int_equal(sandbox_claude_managed.origin(&host, room, sizeof room, &e), 0);
    assert_string_equal(room, "http://127.0.0.1:9");
    assert_null(box);
    tear_down();
}

static void what_it_does_not_run(void **state)
{
    struct err e = ERR_INIT;
    static char large[MANAGED_CODE_MAX + 2];
    const char *up[] = { "a/../b" };
    (void)state;
    memset(large, '#', sizeof large - 1);
    set_up();
    server.turn = nothing;
    open_box();
    struct sandbox_run rq = {
        .run = 1, .language = "ruby", .code = "", .cwd = "/workspace", .check_code = ""
    };
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    rq.language = "python";
    rq.code = large;
    rq.code_len = sizeof large - 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq.code_len = 1;
    rq.check_code = large;
    rq.check_code_len = sizeof large - 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq.check_code_len = 0;
    rq.exists = up;
    rq.exists_count = CLAUDE_EXISTS_MAX + 1; /* more than a result can tell */
    static const char *many[CLAUDE_EXISTS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = "a";
    rq.exists = many;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    rq.exists_count = 0;
    assert_int_equal(box->ops->exec(box, &rq, &e), 0);
    assert_int_equal(box->ops->exec(box, &rq, &e), -1); /* queued */
    assert_int_equal(e.code, ERR_BUSY);
    for (unsigned k = 0; k < 400 && server.command == NULL; k++)
        turns(1);
    assert_int_equal(box->ops->exec(box, &rq, &e), -1); /* on */
    assert_int_equal(e.code, ERR_BUSY);
    assert_int_equal(told.finished, 0);
    tear_down();
}

static void what_it_has_not(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    open_box();
    assert_int_equal(box->ops->restore(box, 1, &e), -1);
    assert_non_null(strstr(e.msg, "can't go back to run 1"));
    assert_int_equal(box->ops->save(box, &e), -1);
    assert_int_equal(box->ops->load(box, "", 0, &e), -1);
    assert_non_null(strstr(e.msg, "can't save its variables"));
    assert_int_equal(box->ops->put(box, NULL, &e), -1);
    assert_int_equal(box->ops->get(box, "x", 1, &e), -1);
    assert_non_null(strstr(e.msg, "moves no files"));
    assert_int_equal(box->ops->complete(box, "python", "x", 1, 1, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    box->ops->pause_output(box, true);
    box->ops->close(NULL);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_with_other_tools_is_not_used),
        cmocka_unit_test(an_open_network_is_not_used),
        cmocka_unit_test(a_session_of_something_else_is_not_used),
        cmocka_unit_test(what_happens_between_two_runs),
        cmocka_unit_test(bytes_without_sense_between_two_runs),
        cmocka_unit_test(a_history_that_can_not_be_read_ends_the_run),
        cmocka_unit_test(an_interrupted_run_ends_as_the_session_says),
        cmocka_unit_test(interrupted_before_it_began),
        cmocka_unit_test(one_run_is_its_whole_life),
        cmocka_unit_test(its_time_is_up),
        cmocka_unit_test(what_can_not_be_deleted_is_told),
        cmocka_unit_test(only_running_time_costs),
        cmocka_unit_test(a_spent_budget_leaves_a_cent),
        cmocka_unit_test(what_it_can_not_have),
        cmocka_unit_test(what_it_does_not_run),
        cmocka_unit_test(what_it_has_not),
    };
    return cmocka_run_group_tests_name("managed edges", tests, NULL, NULL);
}
