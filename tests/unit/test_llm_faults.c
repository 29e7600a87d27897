/* test_llm_faults.c - a planner that asks a model when a request goes wrong: each one, in each way,
 * and each answer cut short; stopped and closed at each moment. Code is proposed whole or
 * not at all, once, and somebody's turn comes in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "providers/registry.h"
#include "unit/fake_net.h"

#define EV(json)   "event: x\ndata: " json "\n\n"
#define DATA(json) "data: " json "\n\n"
#define BEGIN      EV("{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5}}}")
#define CALL(id, name, input)                                                                      \
    EV("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\","   \
       "\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}}}")                                   \
    EV("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","   \
       "\"partial_json\":\"" input "\"}}")                                                         \
    EV("{\"type\":\"content_block_stop\",\"index\":0}")
#define STOP                                                                                       \
    EV("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"          \
       "\"output_tokens\":9}}")                                                                    \
    EV("{\"type\":\"message_stop\"}")
#define TOOL(id, name, input)                                                                      \
    DATA("{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"" id         \
         "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" input     \
         "\"}}]}}]}")                                                                              \
    DATA("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}")            \
    DATA("[DONE]")
#define CODE   "{\\\"language\\\":\\\"python\\\",\\\"code\\\":\\\"print(6*7)\\\"}"
#define ANSWER "{\\\"answer\\\":\\\"42\\\"}"

struct dialect {
    const struct planner_ops *ops;
    const char *proposes, *ends;
};
static const struct dialect dialects[] = {
    { &planner_anthropic, BEGIN CALL("c1", "execute_code", CODE) STOP,
      BEGIN CALL("c2", "finish", ANSWER) STOP },
    { &planner_openai, TOOL("c1", "execute_code", CODE), TOOL("c2", "finish", ANSWER) },
};

static const struct dialect *dialect;
static size_t cut; /* the first answer ends behind so many bytes; SIZE_MAX: whole */
static bool observed;

static struct {
    unsigned proposals, turns, finishes, retries;
    char call_id[64], error[512];
} told;

static struct loop *lp;
static struct net *net;
static struct planner *planner;

static void respond(struct fake_call *c)
{
    const char *text = observed ? dialect->ends : dialect->proposes;
    size_t len = strlen(text);
    fake_head(c, 200, "content-type: text/event-stream");
    if (cut < len) {
        fake_data(c, text, cut);
        cut = SIZE_MAX;
        fake_end(c, NET_CUT, true);
        return;
    }
    if (!c->lost)
        fake_data(c, text, len);
    fake_end(c, c->lost ? NET_CUT : NET_ANSWERED, true);
}

static void on_planner(void *arg, struct planner *p, const struct planner_event *ev)
{
    (void)arg, (void)p;
    if (ev->kind == PLANNER_PROPOSAL) {
        told.proposals++;
        told.turns++;
        assert_string_equal(ev->proposal->code, "print(6*7)");
        snprintf(told.call_id, sizeof told.call_id, "%s", ev->proposal->call_id);
    } else if (ev->kind == PLANNER_FINISH) {
        told.finishes++;
        told.turns++;
        assert_string_equal(ev->text, "42");
    } else if (ev->kind == PLANNER_WAITING) {
        told.turns++;
    } else if (ev->kind == PLANNER_ERROR) {
        told.retries += ev->retry_after_ms > 0;
        told.turns += ev->retry_after_ms == 0;
        snprintf(told.error, sizeof told.error, "%s", ev->err->msg);
        assert_true(ev->err->msg[0] != '\0');
    }
}

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "ANTHROPIC_API_KEY") == 0 || strcmp(name, "OPENAI_API_KEY") == 0)
        return "test-key-0123456789";
    bool url = strcmp(name, "ANTHROPIC_BASE_URL") == 0 || strcmp(name, "OPENAI_BASE_URL") == 0;
    return url ? "http://127.0.0.1:9" : NULL;
}

static void begin(void)
{
    struct err e = ERR_INIT;
    memset(&told, 0, sizeof told);
    observed = false;
    cut = SIZE_MAX;
    fake.respond = respond;
    assert_int_equal(loop_new(&lp, &e), 0);
    net = net_new(lp);
    struct planner_config cfg = {
        .loop = lp, .net = net, .model = "m", .sink = on_planner, .setting = setting
    };
    if (dialect->ops->open(&planner, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(planner->ops->task(planner, "go", &e), 0);
}

static void end(void)
{
    planner->ops->close(planner);
    net_free(net);
    loop_free(lp);
    fake_reset();
}

/* Until it is somebody's turn. */
static void await_turn(void)
{
    struct err e = ERR_INIT;
    unsigned had = told.turns;
    for (unsigned i = 0; told.turns == had; i++) {
        if (i == 36000)
            fail_msg("hangs; last error: %s", told.error);
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    }
}

static void observe(void)
{
    struct err e = ERR_INIT;
    struct planner_observation o = { .run = 1,
                                     .call_id = told.call_id,
                                     .step = "",
                                     .end = END_EXIT,
                                     .has_code = true,
                                     .verdict = "verified",
                                     .checks = "",
                                     .out = "42",
                                     .out_len = 2 };
    observed = true;
    if (planner->ops->observe(planner, &o, &e) < 0)
        fail_msg("%s", e.msg);
}

/* To its finish, or to an error that is the person's to look at. */
static void go_through(void)
{
    await_turn();
    if (told.proposals == 0)
        return;
    observe();
    await_turn();
    assert_int_equal(told.proposals, 1);
}

static void each_request_in_each_way(void **state)
{
    static const struct fake_fault ways[] = {
        FAKE_NO_ANSWER,
        { .end = NET_TOO_LARGE, .left = true },
        { .end = NET_REDIRECT, .left = true },
        { .end = NET_ANSWERED, .status = 400, .body = "{\"error\":{\"message\":\"bad\"}}" },
        { .end = NET_ANSWERED, .status = 401 },
        { .end = NET_ANSWERED, .status = 404, .body = "<html>" },
        { .end = NET_ANSWERED, .status = 413 },
        { .end = NET_ANSWERED, .status = 429 },
        { .end = NET_ANSWERED, .status = 500 },
        { .end = NET_ANSWERED, .status = 529 },
        { .end = NET_ANSWERED, .status = 200, .body = "" },
        { .end = NET_ANSWERED, .status = 200, .body = "{" },
        { .end = NET_ANSWERED, .status = 200, .body = "{}" },
        { .end = NET_ANSWERED, .status = 200, .body = "data: {\n\n" },
        { .end = NET_ANSWERED, .status = 200, .body = "data: []\n\n" },
        { .end = NET_ANSWERED,
          .status = 200,
          .headers = "content-type: application/json",
          .body = "{\"choices\":[]}" },
    };
    static const unsigned often[] = { 1, 1000 };
    (void)state;
    for (size_t d = 0; d < ARRAY_LEN(dialects); d++)
        for (size_t w = 0; w < ARRAY_LEN(ways); w++)
            for (unsigned at = 0; at < 2; at++)
                for (size_t k = 0; k < ARRAY_LEN(often); k++) {
                    dialect = &dialects[d];
                    begin();
                    fake_fail(&ways[w], at, often[k]);
                    go_through();
                    assert_true(told.finishes == 1 || told.error[0] != '\0');
                    assert_true(fake.sent < 40); /* it does not ask for ever */
                    end();
                }
}

static void each_answer_cut_short(void **state)
{
    (void)state;
    for (size_t d = 0; d < ARRAY_LEN(dialects); d++)
        for (int second = 0; second < 2; second++) {
            dialect = &dialects[d];
            size_t len = strlen(second ? dialect->ends : dialect->proposes);
            for (size_t at = 0; at < len; at += 11) { /* each byte: test_llm */
                begin();
                if (!second)
                    cut = at;
                await_turn();
                assert_int_equal(told.proposals, 1);
                if (second)
                    cut = at;
                observe();
                await_turn();
                if (told.finishes != 1)
                    fail_msg("dialect %zu, answer %d, byte %zu: %s", d, second, at, told.error);
                end();
            }
        }
}

static void stopped_and_closed_at_each_moment(void **state)
{
    (void)state;
    for (size_t d = 0; d < ARRAY_LEN(dialects); d++)
        for (int closed = 0; closed < 2; closed++)
            for (unsigned at = 0; at < 8; at++) {
                struct err e = ERR_INIT;
                dialect = &dialects[d];
                begin();
                for (unsigned i = 0; i < at; i++)
                    assert_int_equal(loop_turn(lp, 0, &e), 0);
                if (!closed) {
                    planner->ops->cancel(planner);
                    for (unsigned i = 0; i < 20; i++)
                        assert_int_equal(loop_turn(lp, 100, &e), 0);
                    unsigned sent = fake.sent;
                    assert_int_equal(planner->ops->message(planner, "go on", &e), 0);
                    await_turn();
                    assert_true(fake.sent > sent);
                }
                end();
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_in_each_way),
        cmocka_unit_test(each_answer_cut_short),
        cmocka_unit_test(stopped_and_closed_at_each_moment),
    };
    return cmocka_run_group_tests_name("llm faults", tests, NULL, NULL);
}
