/* test_planner.c - planners that ask a model, against a server on loopback that behaves well, and
 * badly by name (tests/servers/llm). Whatever it does: no proposal but from a whole answer, no
 * hang, no key where it does not belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/loop.h"
#include "base/net.h"
#include "base/redact.h"
#include "providers/registry.h"

#define KEY         "sk-ant-test-0123456789"
#define PATIENCE_US INT64_C(20000000) /* only a hang gets near it */

static struct {
    pid_t pid;
    int life;
    char url[64];
} server;

static struct {
    const char *tries, *key, *token, *context;
    struct planner_allowance *left;
} with;

static struct {
    unsigned proposals, plans, messages, errors, retries, waits, finishes, usages, evil;
    int64_t cost, retry_ms;
    struct buf code, prose, thought, error, answer, said;
    bool over, inside;
    char call_id[64];
} heard;

static struct loop *lp;
static struct net *net;
static struct redact *secrets;

/* ---- the server */

static void start_server(const char *scenario, const char *arg)
{
    int in[2], out[2];
    char port[16] = "";
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    server.pid = fork();
    assert_true(server.pid >= 0);
    if (server.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl("/usr/bin/python3", "python3", "tests/servers/llm/server.py", scenario, arg,
              (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server.life = in[1];
    size_t n = 0;
    while (n + 1 < sizeof port && read(out[0], port + n, 1) == 1 && port[n] != '\n')
        n++;
    close(out[0]);
    assert_true(n > 0); /* run from the root of the tree, with /usr/bin/python3 */
    port[n] = '\0';
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%s/", port);
}

static void stop_server(void)
{
    close(server.life);
    waitpid(server.pid, NULL, 0);
}

/* ---- the planner's listener */

static void keep(struct buf *b, const char *p, size_t len)
{
    b->max = (size_t)16 << 20;
    assert_int_equal(buf_add(b, p, len), 0);
}

static void on_proposal(const struct planner_proposal *p)
{
    heard.proposals++;
    heard.evil += strstr(p->code, "evil") != NULL;
    snprintf(heard.call_id, sizeof heard.call_id, "%s", p->call_id);
    keep(&heard.said, p->code, p->code_len);
}

static void on_planner(void *arg, struct planner *p, const struct planner_event *ev)
{
    (void)arg;
    (void)p;
    assert_false(heard.inside); /* never from inside a call */
    switch (ev->kind) {
    case PLANNER_MESSAGE:
        heard.messages++;
        break;
    case PLANNER_DELTA:
        keep(&heard.prose, ev->text, ev->text_len);
        break;
    case PLANNER_THINKING:
        keep(&heard.thought, ev->text, ev->text_len);
        break;
    case PLANNER_CODE_DELTA:
        keep(&heard.code, ev->text, ev->text_len);
        break;
    case PLANNER_PLAN:
        heard.plans++;
        assert_string_equal(ev->steps[0].title, "Compute the answer");
        break;
    case PLANNER_PROPOSAL:
        on_proposal(ev->proposal);
        heard.over = true;
        break;
    case PLANNER_USAGE:
        heard.usages++;
        heard.cost += ev->usage->cost_nanousd;
        break;
    case PLANNER_WAITING:
        heard.waits++;
        heard.over = true;
        break;
    case PLANNER_FINISH:
        heard.finishes++;
        keep(&heard.answer, ev->text, ev->text_len);
        heard.over = true;
        break;
    case PLANNER_ERROR:
        heard.errors += ev->retry_after_ms == 0;
        heard.retries += ev->retry_after_ms > 0;
        heard.retry_ms = ev->retry_after_ms;
        buf_reset(&heard.error);
        keep(&heard.error, ev->err->msg, strlen(ev->err->msg));
        assert_null(strstr(ev->err->msg, KEY));
        assert_null(strchr(ev->err->msg, '\x1b'));
        if (ev->retry_after_ms == 0)
            heard.over = true;
        break;
    }
}

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "ANTHROPIC_API_KEY") == 0)
        return with.key;
    if (strcmp(name, "ANTHROPIC_AUTH_TOKEN") == 0)
        return with.token;
    if (strcmp(name, "ANTHROPIC_BASE_URL") == 0)
        return server.url;
    if (strcmp(name, "planner.tries") == 0)
        return with.tries;
    if (strcmp(name, "planner.context_bytes") == 0)
        return with.context;
    if (strcmp(name, "planner.first_ms") == 0 || strcmp(name, "planner.idle_ms") == 0)
        return "400";
    return NULL;
}

static void allowance(void *arg, struct planner_allowance *out)
{
    (void)arg;
    *out = *with.left;
}

static void forget(void)
{
    buf_release(&heard.code);
    buf_release(&heard.prose);
    buf_release(&heard.thought);
    buf_release(&heard.error);
    buf_release(&heard.answer);
    buf_release(&heard.said);
    memset(&heard, 0, sizeof heard);
}

/* ---- one planner against one server */

static struct planner_config config(void)
{
    return (struct planner_config){
        .loop = lp,
        .net = net,
        .model = "claude-opus-5-5",
        .sink = on_planner,
        .setting = setting,
        .allowance = with.left != NULL ? allowance : NULL,
        .redact = secrets,
        .canary = "zebra-lamp",
    };
}

static struct planner *begin(const char *scenario, const char *arg)
{
    struct err e = ERR_INIT;
    struct planner *p = NULL;
    forget();
    start_server(scenario, arg);
    assert_int_equal(loop_new(&lp, &e), 0);
    net = net_new(lp);
    struct planner_config cfg = config();
    if (planner_anthropic.open(&p, &cfg, &e) < 0)
        fail_msg("%s", e.msg);
    heard.inside = true;
    assert_int_equal(p->ops->task(p, "Compute six times seven.", &e), 0);
    heard.inside = false;
    return p;
}

static void end(struct planner *p)
{
    p->ops->close(p);
    net_free(net);
    loop_free(lp);
    stop_server();
}

static void until_over(void)
{
    struct err e = ERR_INIT;
    int64_t stop = clock_boot_us() + PATIENCE_US;
    heard.over = false;
    while (!heard.over) {
        assert_int_equal(loop_turn(lp, 100, &e), 0);
        if (clock_boot_us() > stop)
            fail_msg("hangs; last error: %s", buf_str(&heard.error));
    }
}

static void observe(struct planner *p, bool denied, const char *out)
{
    struct err e = ERR_INIT;
    struct planner_observation o = { .run = heard.proposals,
                                     .call_id = heard.call_id,
                                     .step = "1",
                                     .attempt = 1,
                                     .denied = denied,
                                     .reason = denied ? "not like that" : "",
                                     .end = denied ? END_DENIED : END_EXIT,
                                     .has_code = !denied,
                                     .verdict = "verified",
                                     .checks = "",
                                     .out = out,
                                     .out_len = strlen(out),
                                     .err_out = "",
                                     .error_name = "",
                                     .error_value = "",
                                     .error_traceback = "",
                                     .results = "",
                                     .attempts_left = 3 };
    heard.inside = true;
    if (p->ops->observe(p, &o, &e) < 0)
        fail_msg("%s", e.msg);
    heard.inside = false;
}

/* Answer proposals until something else ends it. */
static void go_through(struct planner *p, bool denied)
{
    for (unsigned seen = heard.proposals;; seen = heard.proposals) {
        until_over();
        if (heard.proposals == seen)
            return;
        observe(p, denied, "42\n");
    }
}

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

static void whole_answers_lead_to_one_proposal(void **state)
{
    static const char *const names[] = { "proposal", "bytes", "crlf", "pings", "unknown", "gzip" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct planner *p = begin(names[i], "");
        go_through(p, false);
        check_whole();
        assert_int_equal(heard.usages, 2);
        /* 1000 in, 50 out at $4 and $20 a million, twice */
        assert_true(heard.cost == 2 * (1000 * 4000 + 50 * 20000));
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
    assert_string_equal(heard.call_id, "toolu_1");
    observe(p, false, "1\n");
    until_over();
    assert_int_equal(heard.proposals, 2);
    assert_string_equal(heard.call_id, "toolu_2");
    observe(p, true, "");
    until_over();
    assert_int_equal(heard.finishes, 1);
    end(p);
}

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
    assert_int_equal(planner_anthropic.available(&cfg, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    assert_non_null(strstr(e.msg, "export ANTHROPIC_API_KEY="));
    with.key = "short";
    assert_int_equal(planner_anthropic.available(&cfg, &e), -1);
    with.key = KEY;
    snprintf(server.url, sizeof server.url, "http://example.com");
    assert_int_equal(planner_anthropic.available(&cfg, &e), -1); /* a key never goes out in clear */
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

/* ---- servers that misbehave */

struct fault {
    const char *scenario, *arg, *words; /* words of the error; NULL: any end but a proposal */
};

static const struct fault faults[] = {
    { "short", "", "before the answer did" },
    { "no_stop_event", "", "before the answer did" },
    { "status", "400", "400" },
    { "status", "401", "ANTHROPIC_API_KEY" },
    { "status", "403", "403" },
    { "status", "404", "model" },
    { "status", "500", "500" },
    { "status", "529", "529" },
    { "html", "", "413" },
    { "redirect", "", NULL },
    { "malformed", "", "makes no sense" },
    { "latin1", "", "makes no sense" },
    { "no_http", "", NULL },
    { "hang", "", NULL },
    { "stall", "", NULL },
    { "endless_line", "", NULL },
    { "endless_code", "", NULL },
    { "bomb", "", NULL },
    { "error_event", "", "gave up" },
    { "error_event", "overloaded_error", "gave up" },
    { "max_tokens", "", "max_tokens" },
    { "refusal", "", "cyber" },
    { "stop", "end_turn", NULL },
    { "stop", "stop_sequence", NULL },
    { "stop", "compaction", NULL },
    { "stop", "TOOL_USE", NULL },
    { "context", "", "longer than the model can read" },
    { "pause_turn", "", "pauses" },
    { "empty", "", NULL },
    { "after_end", "", "makes no sense" },
    { "no_reason", "", "makes no sense" },
    { "two_reasons", "", "makes no sense" },
    { "open_block", "", "makes no sense" },
    { "no_start", "", "makes no sense" },
    { "twice", "", "makes no sense" },
    { "same_id", "", "makes no sense" },
    { "bad_call", "", NULL },
    { "plans_only", "", "nothing that could run" },
};

static void no_fault_becomes_a_proposal(void **state)
{
    (void)state;
    with.tries = "1";
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        const struct fault *f = &faults[i];
        struct planner *p = begin(f->scenario, f->arg);
        until_over();
        if (heard.proposals != 0 || heard.evil != 0)
            fail_msg("%s %s: a proposal", f->scenario, f->arg);
        if (f->words != NULL && strstr(buf_str(&heard.error), f->words) == NULL)
            fail_msg("%s %s: '%s'", f->scenario, f->arg, buf_str(&heard.error));
        end(p);
    }
    with.tries = NULL;
}

/* Cut after every ninth byte (each byte: test_llm, without the network). */
static void a_cut_is_never_a_proposal(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    with.tries = "1";
    struct planner *p = begin("cut_each", "9");
    for (unsigned i = 0; i < 150; i++) {
        until_over();
        assert_int_equal(heard.proposals, 0);
        assert_int_equal(heard.finishes, 0);
        assert_int_equal(p->ops->message(p, "again", &e), 0);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers_lead_to_one_proposal),
        cmocka_unit_test(a_connection_that_stays_open_is_left),
        cmocka_unit_test(conversation_to_the_end),
        cmocka_unit_test(a_denial_goes_back_and_the_work_goes_on),
        cmocka_unit_test(parallel_calls_have_a_gate_each_and_go_back_together),
        cmocka_unit_test(the_token_is_a_bearer),
        cmocka_unit_test(without_a_key_it_says_how_to_add_one),
        cmocka_unit_test(a_storm_passes),
        cmocka_unit_test(a_storm_that_stays_ends_in_words),
        cmocka_unit_test(no_fault_becomes_a_proposal),
        cmocka_unit_test(a_cut_is_never_a_proposal),
        cmocka_unit_test(cancel_takes_effect_at_once),
        cmocka_unit_test(a_budget_stops_the_call_before_it_is_made),
        cmocka_unit_test(a_secret_in_the_conversation_is_not_sent),
    };
    with.key = KEY;
    secrets = redact_new();
    if (redact_add(secrets, "ANTHROPIC_API_KEY", KEY, strlen(KEY), NULL) < 0 ||
        redact_add(secrets, "TOKEN", "hunter2-hunter2", 15, NULL) < 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redact_free(secrets);
    return failed;
}
