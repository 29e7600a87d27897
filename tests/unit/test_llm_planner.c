/* test_llm_planner.c - a planner that asks a model, told things at each moment: words, models,
 * plans and stops before, while and after it is at work; against a server in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "providers/planners/llm_planner.h"
#include "providers/registry.h"
#include "unit/fake_net.h"

#define EV(json) "event: x\ndata: " json "\n\n"
#define BEGIN                                                                                      \
    EV("{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,"                   \
       "\"output_tokens\":1}}}")
#define CALL(id, name, input)                                                                      \
    EV("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\","   \
       "\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}}}")                                   \
    EV("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","   \
       "\"partial_json\":\"" input "\"}}")                                                         \
    EV("{\"type\":\"content_block_stop\",\"index\":0}")
#define WORDS(text)                                                                                \
    EV("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","       \
       "\"text\":\"" text "\"}}")                                                                  \
    EV("{\"type\":\"content_block_stop\",\"index\":0}")
#define OVER(why)                                                                                  \
    EV("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" why "\"},\"usage\":{"           \
       "\"output_tokens\":9}}")                                                                    \
    EV("{\"type\":\"message_stop\"}")
#define CODE     CALL("c1", "execute_code", "{\\\"language\\\":\\\"python\\\",\\\"code\\\":\\\"x\\\"}")
#define FINISH   CALL("c2", "finish", "{\\\"answer\\\":\\\"42\\\"}")
#define PROPOSES BEGIN CODE OVER("tool_use")
#define ENDS     BEGIN FINISH OVER("tool_use")
#define TALKS    BEGIN WORDS("Well?") OVER("end_turn")

static struct {
    const char *answers[6];
    bool stays; /* the connection is not closed behind the last event */
    int status; /* instead of the first answer, once */
    size_t at;
    struct fake_call *open;
    struct buf bodies; /* of all requests */
} server;

static struct {
    unsigned proposals, waits, finishes, errors, retries, messages, usages;
    char call_id[64], error[512];
} told;

static struct loop *lp;
static struct net *net;
static struct planner *planner;
static const char *odd_name, *odd_value; /* one setting */

static void respond(struct fake_call *c)
{
    (void)buf_addf(&server.bodies, "%s\n", c->body);
    if (server.status != 0) {
        int status = server.status;
        server.status = 0;
        fake_reply(c, status, NULL, "{}");
        return;
    }
    const char *text = server.answers[server.at] != NULL ? server.answers[server.at++] : NULL;
    fake_head(c, 200, "content-type: text/event-stream");
    server.open = c;
    if (text == NULL)
        return;
    fake_data(c, text, strlen(text));
    if (!server.stays)
        fake_end(c, NET_ANSWERED, true);
}

static void on_planner(void *arg, struct planner *p, const struct planner_event *ev)
{
    (void)arg, (void)p;
    switch (ev->kind) {
    case PLANNER_PROPOSAL:
        told.proposals++;
        snprintf(told.call_id, sizeof told.call_id, "%s", ev->proposal->call_id);
        break;
    case PLANNER_WAITING:
        told.waits++;
        break;
    case PLANNER_FINISH:
        told.finishes++;
        break;
    case PLANNER_MESSAGE:
        told.messages++;
        break;
    case PLANNER_USAGE:
        told.usages++;
        break;
    case PLANNER_ERROR:
        told.errors += ev->retry_after_ms == 0;
        told.retries += ev->retry_after_ms > 0;
        snprintf(told.error, sizeof told.error, "%s", ev->err->msg);
        break;
    default:
        break;
    }
}

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (odd_name != NULL && strcmp(name, odd_name) == 0)
        return odd_value;
    if (strcmp(name, "ANTHROPIC_API_KEY") == 0)
        return "test-key-0123456789";
    return strcmp(name, "ANTHROPIC_BASE_URL") == 0 ? "http://127.0.0.1:9" : NULL;
}

static struct planner_config config(void)
{
    return (struct planner_config){
        .loop = lp, .net = net, .model = "claude-opus-5-5", .sink = on_planner, .setting = setting
    };
}

static void set_up(void)
{
    struct err e = ERR_INIT;
    memset(&server, 0, sizeof server);
    memset(&told, 0, sizeof told);
    buf_init(&server.bodies, (size_t)8 << 20);
    fake.respond = respond;
    assert_int_equal(loop_new(&lp, &e), 0);
    net = net_new(lp);
    planner = NULL;
}

static void open_planner(void)
{
    struct err e = ERR_INIT;
    struct planner_config cfg = config();
    if (planner_anthropic.open(&planner, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
}

static void tear_down(void)
{
    if (planner != NULL)
        planner->ops->close(planner);
    net_free(net);
    loop_free(lp);
    fake_reset();
    buf_release(&server.bodies);
}

static void await(const unsigned *count, unsigned want)
{
    struct err e = ERR_INIT;
    for (unsigned i = 0; *count < want; i++) {
        if (i == 36000)
            fail_msg("hangs; last error: %s", told.error);
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    }
}

static void turns(unsigned n)
{
    struct err e = ERR_INIT;
    while (n-- > 0)
        assert_int_equal(loop_turn(lp, 0, &e), 0);
}

static void task(const char *text)
{
    struct err e = ERR_INIT;
    if (planner->ops->task(planner, text, &e) < 0)
        fail_msg("%s", e.msg);
}

static int observe(const char *call_id, struct err *e)
{
    struct planner_observation o = { .run = 1,
                                     .call_id = call_id,
                                     .step = "",
                                     .end = END_EXIT,
                                     .has_code = true,
                                     .verdict = "verified",
                                     .checks = "",
                                     .out = "42",
                                     .out_len = 2 };
    return planner->ops->observe(planner, &o, e);
}

/* ---- cases */

static void work_that_is_finished_takes_no_more_words(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    server.answers[0] = PROPOSES;
    server.answers[1] = ENDS;
    open_planner();
    assert_int_equal(observe("c1", &e), -1); /* nothing is open */
    assert_int_equal(e.code, ERR_USAGE);
    task("go");
    await(&told.proposals, 1);
    assert_int_equal(observe("c9", &e), -1);
    assert_non_null(strstr(e.msg, "not waiting for `c9`"));
    assert_int_equal(observe(told.call_id, &e), 0);
    await(&told.finishes, 1);
    assert_int_equal(told.usages, 2);
    assert_int_equal(planner->ops->message(planner, "more", &e), -1);
    assert_string_equal(e.msg, "the work is finished");
    tear_down();
}

/* All is said, and the server keeps the connection: its words count all the same. */
static void an_answer_need_not_be_hung_up(void **state)
{
    (void)state;
    set_up();
    server.stays = true;
    server.answers[0] = PROPOSES;
    open_planner();
    task("go");
    await(&told.proposals, 1);
    assert_int_equal(told.usages, 1);
    assert_int_equal(told.errors + told.retries, 0);
    assert_true(server.open->gone);
    tear_down();
}

static void words_have_a_ceiling(void **state)
{
    static char large[300000];
    struct err e = ERR_INIT;
    unsigned said = 0;
    (void)state;
    memset(large, 'x', sizeof large - 1);
    set_up();
    open_planner();
    task("go");
    await(&fake.sent, 1);
    while (said < 100 && planner->ops->message(planner, large, &e) == 0)
        said++;
    assert_true(said > 0 && said < 100);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.msg, "that is more than can be said at once");
    tear_down();
}

/* Stopped with its proposal at the gate: then nobody will run that any more, and the model is told.
 */
static void words_after_a_stop_answer_what_was_open(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    for (int observed = 0; observed < 2; observed++) {
        set_up();
        server.answers[0] = PROPOSES;
        server.answers[1] = TALKS;
        open_planner();
        task("go");
        await(&told.proposals, 1);
        planner->ops->cancel(planner);
        planner->ops->cancel(planner);
        if (observed) { /* it was denied after all: the person's turn */
            assert_int_equal(observe(told.call_id, &e), 0);
            await(&told.waits, 1);
        }
        turns(3);
        assert_int_equal(server.at, 1); /* no call of its own */
        assert_int_equal(planner->ops->message(planner, "rather this", &e), 0);
        await(&told.waits, observed + 1u);
        const char *bodies = buf_str(&server.bodies);
        assert_int_equal(strstr(bodies, "Not executed: the person stopped the work.") != NULL,
                         !observed);
        assert_non_null(strstr(bodies, "rather this"));
        tear_down();
    }
}

static void stopped_while_it_waits_to_ask_again(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    server.status = 529;
    server.answers[0] = TALKS;
    open_planner();
    task("go");
    await(&told.retries, 1);
    planner->ops->cancel(planner);
    for (int i = 0; i < 200; i++)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    assert_int_equal(server.at, 0); /* it does not ask */
    assert_int_equal(planner->ops->message(planner, "", &e), 0);
    await(&told.waits, 1); /* now it goes on */
    assert_int_equal(server.at, 1);
    tear_down();
}

static void a_plan_that_was_changed_is_told(void **state)
{
    struct planner_step steps[] = { { .id = "1", .title = "Look", .expect = "" } };
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    server.answers[0] = PROPOSES;
    server.answers[1] = TALKS;
    open_planner();
    task("go");
    await(&told.proposals, 1);
    assert_int_equal(planner->ops->plan_edited(planner, steps, 1, &e), 0);
    assert_int_equal(observe(told.call_id, &e), 0);
    await(&told.waits, 1);
    assert_non_null(strstr(buf_str(&server.bodies), "I changed the plan. It is now:"));
    tear_down();
}

static void models_are_changed_between_calls(void **state)
{
    static char large[140];
    static const struct {
        const char *model;
        int rc;
        enum err_code code;
        const char *says;
    } rows[] = {
        { "claude-haiku-5-5", 0, ERR_NONE, "" },
        { "claude-opus-5-5@low", 0, ERR_NONE, "" },
        { "somebody/else@work", 0, ERR_NONE, "" }, /* no effort: a part of its name */
        { "@high", 0, ERR_NONE, "" },              /* and so is this */
        { "", -1, ERR_USAGE, "no model's name" },
        { large, -1, ERR_USAGE, "no model's name" },
    };
    struct err e = ERR_INIT;
    (void)state;
    memset(large, 'm', sizeof large - 1);
    set_up();
    server.answers[0] = TALKS;
    open_planner();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        err_clear(&e);
        if (planner->ops->set_model(planner, rows[i].model, &e) != rows[i].rc ||
            e.code != rows[i].code || strstr(e.msg, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, e.msg);
    }
    odd_name = "anthropic.prices";
    odd_value = "/none/there.json";
    assert_int_equal(planner->ops->set_model(planner, "m", &e), -1);
    odd_name = NULL;
    task("go");
    await(&fake.sent, 1);
    assert_int_equal(planner->ops->set_model(planner, "m", &e), -1); /* a call is under way */
    assert_int_equal(e.code, ERR_BUSY);
    await(&told.waits, 1);
    assert_non_null(strstr(buf_str(&server.bodies), "\"model\":\"@high\""));
    tear_down();
}

static void settings_that_make_no_sense_are_named(void **state)
{
    static const struct {
        const char *name, *value, *says;
    } rows[] = {
        { "planner.tries", "0", "planner.tries" },
        { "planner.tries", "x", "planner.tries" },
        { "planner.first_ms", "1", "planner.first_ms" },
        { "planner.idle_ms", "-5", "planner.idle_ms" },
        { "planner.total_ms", "99999999999", "planner.total_ms" },
        { "planner.context_bytes", "1", "planner.context_bytes" },
        { "planner.max_tokens", "0", "planner.max_tokens" },
        { "ANTHROPIC_BASE_URL", "ftp://x", "ANTHROPIC_BASE_URL" },
        { "ANTHROPIC_API_KEY", NULL, "ANTHROPIC_API_KEY" },
    };
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct planner_config cfg = config();
        odd_name = rows[i].name;
        odd_value = rows[i].value;
        int rc = planner_anthropic.open(&planner, &cfg, &e);
        odd_name = NULL;
        if (rc == 0 || strstr(e.msg, rows[i].says) == NULL)
            fail_msg("%s=%s: %d %s", rows[i].name, rows[i].value, rc, e.msg);
    }
    struct planner_config cfg = config();
    cfg.net = NULL;
    assert_int_equal(planner_anthropic.open(&planner, &cfg, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    cfg = config();
    cfg.model = "";
    assert_int_equal(planner_openai.open(&planner, &cfg, &e), -1); /* it has no model of its own */
    planner = NULL;
    planner_anthropic.close(NULL);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_that_is_finished_takes_no_more_words),
        cmocka_unit_test(an_answer_need_not_be_hung_up),
        cmocka_unit_test(words_have_a_ceiling),
        cmocka_unit_test(words_after_a_stop_answer_what_was_open),
        cmocka_unit_test(stopped_while_it_waits_to_ask_again),
        cmocka_unit_test(a_plan_that_was_changed_is_told),
        cmocka_unit_test(models_are_changed_between_calls),
        cmocka_unit_test(settings_that_make_no_sense_are_named),
    };
    return cmocka_run_group_tests_name("llm planner", tests, NULL, NULL);
}
