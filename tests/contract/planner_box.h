/* planner_box.h - one planner that asks a model, against one server on loopback
 * (tests/servers/llm), and what was heard of it. For each dialect the same. */
#ifndef AIRLOCK_TESTS_PLANNER_BOX_H
#define AIRLOCK_TESTS_PLANNER_BOX_H

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

#define UNUSED      __attribute__((unused))

#define KEY         "sk-ant-test-0123456789"
#define PATIENCE_US INT64_C(20000000) /* only a hang gets near it */

/* A kind of server. */
struct dialect {
    const struct planner_ops *ops;
    const char *model, *key_name, *url_name, *url_end;
    int64_t cost; /* of one call: -1 unknown */
    int64_t input, cached;
};

static const struct dialect claude = {
    .ops = &planner_anthropic,
    .model = "claude-opus-5-5",
    .key_name = "ANTHROPIC_API_KEY",
    .url_name = "ANTHROPIC_BASE_URL",
    .url_end = "/",
    .cost = 1000 * 4000 + 50 * 20000, /* 1000 in, 50 out at $4 and $20 a million */
    .input = 1000,
};
static const struct dialect chat = {
    .ops = &planner_openai,
    .model = "some/model:8b",
    .key_name = "OPENAI_API_KEY",
    .url_name = "OPENAI_BASE_URL",
    .url_end = "/v1",
    .cost = -1,
    .input = 800,
    .cached = 200,
};
static const struct dialect *dialect;

static struct {
    pid_t pid;
    int life;
    char url[64];
} server;

static struct {
    const char *tries, *key, *token, *context, *max_tokens, *model;
    struct planner_allowance *left;
} with;

static struct {
    unsigned proposals, plans, messages, errors, retries, waits, finishes, usages, evil;
    int64_t cost, retry_ms, input, cached;
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
        execl("/usr/bin/python3", "python3", "-B", "tests/servers/llm/server.py", scenario, arg,
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
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%s%s", port, dialect->url_end);
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
        heard.input += ev->usage->input_tokens;
        heard.cached += ev->usage->cache_read_tokens;
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

UNUSED static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, dialect->key_name) == 0)
        return with.key;
    if (strcmp(name, "ANTHROPIC_AUTH_TOKEN") == 0)
        return with.token;
    if (strcmp(name, dialect->url_name) == 0)
        return server.url;
    if (strcmp(name, "planner.max_tokens") == 0)
        return with.max_tokens;
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
        .model = with.model != NULL ? with.model : dialect->model,
        .sink = on_planner,
        .setting = setting,
        .allowance = with.left != NULL ? allowance : NULL,
        .redact = secrets,
        .canary = "zebra-lamp",
    };
}

UNUSED static struct planner *begin(const char *scenario, const char *arg)
{
    struct err e = ERR_INIT;
    struct planner *p = NULL;
    forget();
    start_server(scenario, arg);
    assert_int_equal(loop_new(&lp, &e), 0);
    net = net_new(lp);
    struct planner_config cfg = config();
    if (dialect->ops->open(&p, &cfg, &e) < 0)
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
UNUSED static void go_through(struct planner *p, bool denied)
{
    for (unsigned seen = heard.proposals;; seen = heard.proposals) {
        until_over();
        if (heard.proposals == seen)
            return;
        observe(p, denied, "42\n");
    }
}

/* A group of tests for one dialect. */
UNUSED static int use_claude(void **state)
{
    (void)state;
    dialect = &claude;
    return 0;
}

UNUSED static int use_chat(void **state)
{
    (void)state;
    dialect = &chat;
    return 0;
}

UNUSED static int load_secrets(void)
{
    with.key = KEY;
    secrets = redact_new();
    return redact_add(secrets, "API_KEY", KEY, strlen(KEY), NULL) < 0 ||
                   redact_add(secrets, "TOKEN", "hunter2-hunter2", 15, NULL) < 0
               ? -1
               : 0;
}

#endif
