/* test_planner.c - planners that ask a model, against servers on loopback that behave, each in its
 * own manner (tests/servers/llm). What misbehaves: test_planner_faults. */
#include "contract/planner_box.h"

/* ---- servers that behave */

static const char whole_code[] = "print(6*7)  # \xC3\xA9\xF0\x9F\x98\x80\n";

static void check_whole(void)
{
    assert_int_equal(heard.proposals, 1);
    assert_string_equal(buf_str(&heard.said), whole_code);
    assert_string_equal(buf_str(&heard.code), whole_code); /* what streamed is what is proposed */
    assert_string_equal(buf_str(&heard.prose), "Here is the code.");
    assert_string_equal(buf_str(&heard.thought), "I think \xC3\xA9\xF0\x9F\x98\x80.");
    assert_int_equal(heard.finishes, 1);
    assert_string_equal(buf_str(&heard.answer), "It is 42.\n\nEvidence:\n- run 2 printed 42");
    assert_int_equal(heard.errors, 0);
}

static const char *const everywhere[] = { "proposal", "bytes", "crlf", "pings", "unknown", "gzip" };

static void whole_answers_lead_to_one_proposal(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(everywhere); i++) {
        struct planner *p = begin(everywhere[i], "");
        go_through(p, false);
        check_whole();
        assert_int_equal(heard.usages, 2);
        assert_true(heard.cost == 2 * dialect->cost);
        assert_true(heard.input == 2 * dialect->input && heard.cached == 2 * dialect->cached);
        end(p);
    }
}

static void a_connection_that_stays_open_is_left(void **state)
{
    (void)state;
    struct planner *p = begin("stays_open", "");
    go_through(p, false);
    check_whole();
    end(p);
}

static void conversation_to_the_end(void **state)
{
    (void)state;
    struct planner *p = begin("conversation", "");
    go_through(p, false);
    assert_int_equal(heard.plans, 2);
    assert_int_equal(heard.proposals, 2);
    assert_int_equal(heard.finishes, 1);
    assert_int_equal(heard.errors, 0);
    end(p);
}

static void a_denial_goes_back_and_the_work_goes_on(void **state)
{
    (void)state;
    struct planner *p = begin("conversation", "");
    go_through(p, true);
    assert_int_equal(heard.proposals, 2);
    assert_int_equal(heard.finishes, 1);
    end(p);
}

static void parallel_calls_have_a_gate_each_and_go_back_together(void **state)
{
    (void)state;
    struct planner *p = begin("parallel", "");
    until_over();
    assert_int_equal(heard.proposals, 1);
    observe(p, false, "1\n");
    until_over();
    assert_int_equal(heard.proposals, 2);
    observe(p, true, "");
    until_over();
    assert_int_equal(heard.finishes, 1);
    end(p);
}

/* However often it happens: each time the oldest gives way, and the work goes on. */
static void a_small_model_goes_on_to_the_end(void **state)
{
    char *out = xcalloc(1, 3001);
    (void)state;
    memset(out, 'x', 3000);
    struct planner *p = begin("small", "12000");
    for (unsigned seen = 0; heard.finishes == 0; seen = heard.proposals) {
        until_over();
        if (heard.proposals > seen)
            observe(p, false, out);
        else if (heard.errors > 0)
            fail_msg("%s", buf_str(&heard.error));
    }
    assert_int_equal(heard.proposals, 10);
    assert_true(heard.retries > 2);
    end(p);
    free(out);
}

/* ---- manners of chat-completions servers */

static void every_manner_leads_to_the_same_proposal(void **state)
{
    static const struct {
        const char *name;
        unsigned usages;
    } manners[] = { { "whole_arguments", 2 }, { "with_reason", 1 },
                    { "no_usage", 1 },        { "usage_each", 2 },
                    { "reasoning", 2 },       { "reasoning_twice", 2 },
                    { "parts", 2 },           { "no_done", 1 },
                    { "no_blank_line", 2 },   { "stop", 2 },
                    { "reason_twice", 1 },    { "no_ids", 2 },
                    { "null_ids", 2 },        { "ids_change", 2 },
                    { "name_each", 2 },       { "name_in_pieces", 2 },
                    { "no_index", 2 },        { "object_arguments", 2 },
                    { "message_chunk", 2 },   { "in_one", 2 },
                    { "no_type", 2 },         { "until_close", 2 },
                    { "stays_open", 2 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(manners); i++) {
        print_message("%s\n", manners[i].name);
        struct planner *p = begin(manners[i].name, "");
        go_through(p, false);
        check_whole();
        assert_int_equal(heard.usages, manners[i].usages);
        end(p);
    }
}

static void two_calls_are_two_however_they_come(void **state)
{
    static const char *const names[] = { "mixed", "index_0", "one_id", "no_id_no_index" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        print_message("%s\n", names[i]);
        char first[64];
        struct planner *p = begin(names[i], "");
        until_over();
        assert_string_equal(buf_str(&heard.said), "print(1)\n");
        snprintf(first, sizeof first, "%s", heard.call_id);
        observe(p, false, "1\n");
        until_over();
        assert_string_equal(buf_str(&heard.said), "print(1)\nprint(2)\n");
        assert_string_not_equal(heard.call_id, first); /* results name the call they belong to */
        observe(p, false, "2\n");
        until_over();
        assert_int_equal(heard.finishes, 1);
        assert_int_equal(heard.errors, 0);
        end(p);
    }
}

static void what_a_server_refuses_by_name_is_left_out(void **state)
{
    static const struct {
        const char *name, *model, *max_tokens;
        unsigned retries;
    } parts[] = { { "no_stream_options", NULL, NULL, 1 }, { "no_parallel_key", NULL, NULL, 1 },
                  { "new_limit", NULL, "900", 1 },        { "no_limit", NULL, "900", 2 },
                  { "no_effort", "m@high", NULL, 1 },     { "no_thoughts", NULL, NULL, 1 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        print_message("%s\n", parts[i].name);
        with.model = parts[i].model;
        with.max_tokens = parts[i].max_tokens;
        struct planner *p = begin(parts[i].name, "");
        go_through(p, false);
        check_whole();
        assert_int_equal(heard.retries, parts[i].retries); /* once, not with every call */
        end(p);
    }
    with.model = with.max_tokens = NULL;
}

static void a_server_here_needs_no_key(void **state)
{
    (void)state;
    static const char *const keys[] = { NULL, "" };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        with.key = keys[i];
        struct planner *p = begin("proposal", "");
        until_over();
        assert_int_equal(heard.proposals, 1);
        end(p);
    }
    with.key = "no"; /* what people set for servers that ask for any: sent, and here refused */
    struct planner *p = begin("proposal", "");
    until_over();
    assert_non_null(strstr(buf_str(&heard.error), "401"));
    end(p);
    with.key = KEY;
}

static void elsewhere_it_needs_one_and_a_model(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct planner_config cfg = config();
    with.key = NULL;
    snprintf(server.url, sizeof server.url, "https://api.example.com/v1");
    assert_int_equal(dialect->ops->available(&cfg, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    assert_non_null(strstr(e.msg, "export OPENAI_API_KEY="));
    assert_non_null(strstr(e.msg, "http://localhost:11434/v1"));
    with.key = KEY;
    assert_int_equal(dialect->ops->available(&cfg, &e), 0);
    cfg.model = NULL;
    assert_int_equal(dialect->ops->available(&cfg, &e), -1);
    assert_non_null(strstr(e.msg, "which model?"));
    snprintf(server.url, sizeof server.url, "http://example.com/v1");
    assert_int_equal(dialect->ops->available(&cfg, &e), -1); /* a key never goes out in clear */
}

/* ---- Claude's keys */

static void the_token_is_a_bearer(void **state)
{
    (void)state;
    with.key = NULL;
    with.token = KEY;
    struct planner *p = begin("proposal", "");
    until_over();
    assert_int_equal(heard.proposals, 1);
    end(p);
    with.key = KEY;
    with.token = NULL;
}

static void without_a_key_it_says_how_to_add_one(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    with.key = NULL;
    struct planner_config cfg = config();
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:9");
    assert_int_equal(dialect->ops->available(&cfg, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    assert_non_null(strstr(e.msg, "export ANTHROPIC_API_KEY="));
    with.key = "short";
    assert_int_equal(dialect->ops->available(&cfg, &e), -1);
    with.key = KEY;
    snprintf(server.url, sizeof server.url, "http://example.com");
    assert_int_equal(dialect->ops->available(&cfg, &e), -1); /* a key never goes out in clear */
}

/* ---- busy servers */

static void a_storm_passes(void **state)
{
    (void)state;
    struct planner *p = begin("storm", "2");
    until_over();
    assert_int_equal(heard.proposals, 1);
    assert_int_equal(heard.retries, 2);
    assert_int_equal(heard.errors, 0);
    end(p);
    p = begin("rate", "");
    until_over();
    assert_int_equal(heard.proposals, 1);
    assert_int_equal(heard.retry_ms, 1000); /* as the server asked */
    end(p);
    p = begin("fails_once", "500");
    until_over();
    assert_int_equal(heard.proposals, 1);
    end(p);
}

static void a_storm_that_stays_ends_in_words(void **state)
{
    (void)state;
    with.tries = "2";
    struct planner *p = begin("storm", "99");
    until_over();
    assert_int_equal(heard.retries, 1);
    assert_int_equal(heard.errors, 1);
    assert_non_null(strstr(buf_str(&heard.error), "529"));
    assert_non_null(strstr(buf_str(&heard.error), "req_test"));
    struct err e = ERR_INIT; /* and the person may ask again */
    assert_int_equal(p->ops->message(p, "try again", &e), 0);
    until_over();
    assert_int_equal(heard.errors, 2);
    end(p);
    with.tries = NULL;
}

/* ---- the person */

static void cancel_takes_effect_at_once(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct planner *p = begin("slow_code", "/nonexistent/never");
    int64_t stop = clock_boot_us() + PATIENCE_US;
    while (heard.code.len == 0 && clock_boot_us() < stop)
        assert_int_equal(loop_turn(lp, 20, &e), 0);
    assert_true(heard.code.len > 0);
    heard.inside = true;
    p->ops->cancel(p);
    p->ops->cancel(p);
    heard.inside = false;
    size_t code = heard.code.len;
    for (int i = 0; i < 5; i++)
        assert_int_equal(loop_turn(lp, 20, &e), 0);
    assert_int_equal(heard.code.len, code);
    assert_int_equal(heard.proposals, 0);
    assert_int_equal(p->ops->message(p, "go on", &e), 0);
    until_over();
    assert_int_equal(heard.finishes, 1);
    end(p);
}

static void a_budget_stops_the_call_before_it_is_made(void **state)
{
    struct planner_allowance left = { .nanousd = 1000, .tokens = -1 };
    (void)state;
    with.left = &left;
    struct planner *p = begin("proposal", "");
    until_over();
    assert_int_equal(heard.errors, 1);
    assert_int_equal(heard.usages, 0);
    assert_non_null(strstr(buf_str(&heard.error), "budget"));
    end(p);
    left = (struct planner_allowance){ .nanousd = -1, .tokens = 500 };
    p = begin("proposal", "");
    until_over();
    assert_int_equal(heard.usages, 0);
    assert_non_null(strstr(buf_str(&heard.error), "more tokens than are left"));
    end(p);
    with.left = NULL;
}

/* Where a limit holds, what a server does not count is counted by us. */
static void what_is_not_counted_is_estimated_under_a_limit(void **state)
{
    struct planner_allowance left = { .nanousd = -1, .tokens = 1000000 };
    (void)state;
    with.left = &left;
    struct planner *p = begin("no_usage", "");
    until_over();
    assert_int_equal(heard.proposals, 1);
    assert_int_equal(heard.usages, 1);
    assert_true(heard.input > 500);
    end(p);
    with.left = NULL;
}

static void a_secret_in_the_conversation_is_not_sent(void **state)
{
    (void)state;
    struct planner *p = begin("proposal", "");
    until_over();
    observe(p, false, "hunter2-hunter2\n");
    until_over();
    assert_int_equal(heard.finishes, 0);
    assert_int_equal(heard.errors, 1);
    assert_non_null(strstr(buf_str(&heard.error), "TOKEN"));
    end(p);
}

/* ---- which models there are */

struct list {
    unsigned calls;
    size_t count;
    char ids[256];
    int64_t context;
    struct err err;
};

static void on_models(void *arg, const struct planner_model *models, size_t count,
                      const struct err *err)
{
    struct list *l = arg;
    size_t at = 0;
    l->calls++;
    l->count = count;
    if (err != NULL)
        l->err = *err;
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(l->ids + at, sizeof l->ids - at, "%s ", models[i].id);
        if (models[i].context_tokens > 0)
            l->context = models[i].context_tokens;
    }
}

static struct list list_models(const char *scenario)
{
    struct list l = { .calls = 0 };
    struct err e = ERR_INIT;
    int64_t stop = clock_boot_us() + PATIENCE_US;
    start_server(scenario, "");
    assert_int_equal(loop_new(&lp, &e), 0);
    net = net_new(lp);
    struct planner_config cfg = config();
    if (dialect->ops->list_models(&cfg, on_models, &l, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(l.calls, 0);
    while (l.calls == 0 && clock_boot_us() < stop)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    assert_int_equal(l.calls, 1);
    net_free(net);
    loop_free(lp);
    stop_server();
    return l;
}

static void models_are_listed(void **state)
{
    (void)state;
    struct list l = list_models("proposal");
    assert_int_equal(l.err.code, ERR_NONE);
    assert_int_equal(l.count, 3);
    assert_string_equal(l.ids, dialect == &claude
                                   ? "claude-opus-5-5 claude-sonnet-5-5 claude-new-9 "
                                   : "qwen3:8b local.gguf vllm/model ");
    assert_int_equal(l.context, dialect == &claude ? 1000000 : 8192);
}

static void a_list_that_fails_says_so(void **state)
{
    (void)state;
    with.key = "another-key-that-is-wrong";
    struct list l = list_models("proposal");
    with.key = KEY;
    assert_int_equal(l.count, 0);
    assert_int_equal(l.err.code, ERR_DENIED);
    assert_non_null(strstr(l.err.msg, "401"));
    if (dialect == &claude) {
        l = list_models("models_for_ever");
        assert_int_equal(l.err.code, ERR_LIMIT);
        l = list_models("models_storm");
        assert_non_null(strstr(l.err.msg, "529"));
    } else {
        l = list_models("models_bad");
        assert_int_equal(l.err.code, ERR_FORMAT);
        l = list_models("models_odd");
        assert_string_equal(l.ids, "ok ");
    }
}

int main(void)
{
    const struct CMUnitTest of_claude[] = {
        cmocka_unit_test(whole_answers_lead_to_one_proposal),
        cmocka_unit_test(a_connection_that_stays_open_is_left),
        cmocka_unit_test(conversation_to_the_end),
        cmocka_unit_test(a_denial_goes_back_and_the_work_goes_on),
        cmocka_unit_test(a_small_model_goes_on_to_the_end),
        cmocka_unit_test(parallel_calls_have_a_gate_each_and_go_back_together),
        cmocka_unit_test(the_token_is_a_bearer),
        cmocka_unit_test(without_a_key_it_says_how_to_add_one),
        cmocka_unit_test(a_storm_passes),
        cmocka_unit_test(a_storm_that_stays_ends_in_words),
        cmocka_unit_test(cancel_takes_effect_at_once),
        cmocka_unit_test(a_budget_stops_the_call_before_it_is_made),
        cmocka_unit_test(a_secret_in_the_conversation_is_not_sent),
        cmocka_unit_test(models_are_listed),
        cmocka_unit_test(a_list_that_fails_says_so),
    };
    const struct CMUnitTest of_chat[] = {
        cmocka_unit_test(whole_answers_lead_to_one_proposal),
        cmocka_unit_test(every_manner_leads_to_the_same_proposal),
        cmocka_unit_test(two_calls_are_two_however_they_come),
        cmocka_unit_test(what_a_server_refuses_by_name_is_left_out),
        cmocka_unit_test(conversation_to_the_end),
        cmocka_unit_test(a_denial_goes_back_and_the_work_goes_on),
        cmocka_unit_test(a_small_model_goes_on_to_the_end),
        cmocka_unit_test(parallel_calls_have_a_gate_each_and_go_back_together),
        cmocka_unit_test(a_server_here_needs_no_key),
        cmocka_unit_test(elsewhere_it_needs_one_and_a_model),
        cmocka_unit_test(a_storm_passes),
        cmocka_unit_test(a_storm_that_stays_ends_in_words),
        cmocka_unit_test(cancel_takes_effect_at_once),
        cmocka_unit_test(a_budget_stops_the_call_before_it_is_made),
        cmocka_unit_test(what_is_not_counted_is_estimated_under_a_limit),
        cmocka_unit_test(a_secret_in_the_conversation_is_not_sent),
        cmocka_unit_test(models_are_listed),
        cmocka_unit_test(a_list_that_fails_says_so),
    };
    if (load_secrets() < 0)
        return 1;
    int failed = cmocka_run_group_tests(of_claude, use_claude, NULL);
    failed += cmocka_run_group_tests(of_chat, use_chat, NULL);
    redact_free(secrets);
    return failed;
}
