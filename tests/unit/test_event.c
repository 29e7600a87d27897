/* test_event.c - the table of types, what a body must hold, and the JSONL record. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sessions/event.h"

static void test_names(void **state)
{
    (void)state;
    for (unsigned t = EVENT_UNKNOWN + 1; t < EVENT_TYPE_COUNT; t++) {
        const char *name = event_type_name((enum event_type)t);
        assert_non_null(name);
        assert_true(strlen(name) <= EVENT_NAME_MAX);
        assert_int_equal(event_type_find(name), t);
    }
    assert_string_equal(event_type_name(EVENT_RUN_PROPOSED), "run.proposed");
    assert_string_equal(event_type_name(EVENT_CHECKPOINT_LOST), "checkpoint.lost");
    assert_string_equal(event_type_name(EVENT_TYPE_COUNT), "unknown");
    assert_int_equal(event_type_find("run.propose"), EVENT_UNKNOWN);
    assert_int_equal(event_type_find(""), EVENT_UNKNOWN);
    assert_int_equal(event_type_find("unknown"), EVENT_UNKNOWN);
}

/* The list of AUD-3, by prefix; and what lets a connection out. */
static void test_durable(void **state)
{
    (void)state;
    static const char *const durable[] = { "gate.",       "sandbox.",    "lease.",
                                           "session.",    "run.started", "run.finished",
                                           "run.verdict", "task.given",  "network.asked" };
    for (unsigned t = EVENT_UNKNOWN; t < EVENT_TYPE_COUNT; t++) {
        bool want = false;
        for (size_t i = 0; i < ARRAY_LEN(durable); i++)
            want |=
                strncmp(event_type_name((enum event_type)t), durable[i], strlen(durable[i])) == 0;
        if (event_is_durable((enum event_type)t) != want)
            fail_msg("%s", event_type_name((enum event_type)t));
    }
    assert_false(event_is_durable(EVENT_TYPE_COUNT));
}

static void test_build(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct event_builder b;
    event_begin(&b, EVENT_GATE_DECIDED, 3);
    json_w_str(&b.w, "decision", "deny");
    json_w_str(&b.w, "by", "person");
    json_w_str(&b.w, "capsule", "ab12");
    json_w_str(&b.w, "reason", "not \"that\" file");
    json_w_int(&b.w, "seen_lines", 12);
    json_w_int(&b.w, "waited_ms", 3400);
    assert_int_equal(event_end(&b, &e), 0);
    assert_int_equal(b.ev.run, 3);
    assert_string_equal(b.ev.type_name, "gate.decided");
    assert_string_equal(json_get_str(b.ev.body, "reason", ""), "not \"that\" file");
    assert_int_equal(b.ev.json_len, strlen(b.ev.json));
    event_release(&b);
    event_release(NULL);
}

static void test_build_limit(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct event_builder b;
    size_t len = EVENT_BODY_MAX;
    char *text = xmalloc(len);
    memset(text, 'x', len);
    event_begin(&b, EVENT_NOTE, 0);
    json_w_strn(&b.w, "text", text, len);
    json_w_str(&b.w, "author", "person");
    assert_int_equal(event_end(&b, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    event_release(&b);
    free(text);
}

/* A bug must stop the program, so it runs in a child. */
static void assert_aborts(void (*fn)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void end_or_exit(struct event_builder *b)
{
    struct err e;
    if (event_end(b, &e) < 0)
        _exit(1);
}

static void build_without_field(void)
{
    struct event_builder b;
    event_begin(&b, EVENT_TASK_GIVEN, 0);
    json_w_str(&b.w, "text", "x");
    end_or_exit(&b);
}

static void build_wrong_kind(void)
{
    struct event_builder b;
    event_begin(&b, EVENT_TASK_GIVEN, 0);
    json_w_int(&b.w, "text", 1);
    json_w_str(&b.w, "author", "person");
    end_or_exit(&b);
}

static void build_wrong_word(void)
{
    struct event_builder b;
    event_begin(&b, EVENT_TASK_GIVEN, 0);
    json_w_str(&b.w, "text", "x");
    json_w_str(&b.w, "author", "perso");
    end_or_exit(&b);
}

static void build_output(void)
{
    struct event_builder b;
    event_begin(&b, EVENT_RUN_OUTPUT, 1);
}

static void test_bugs_abort(void **state)
{
    (void)state;
    assert_aborts(build_without_field);
    assert_aborts(build_wrong_kind);
    assert_aborts(build_wrong_word);
    assert_aborts(build_output);
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *type, *json;
        enum err_code want;
    } cases[] = {
        { "task.given", "{\"text\":\"x\",\"author\":\"person\"}", ERR_NONE },
        /* a word from the future is kept */
        { "task.given", "{\"text\":\"x\",\"author\":\"robot\"}", ERR_NONE },
        { "task.given", "{\"text\":\"x\",\"author\":\"person\",\"new\":[1]}", ERR_NONE },
        { "task.given", "{\"text\":\"x\"}", ERR_FORMAT },
        { "task.given", "{\"text\":\"x\",\"author\":null}", ERR_FORMAT },
        { "task.given", "{\"text\":7,\"author\":\"person\"}", ERR_FORMAT },
        { "task.given", "{\"text\":\"x\",\"author\":\"person\",\"seq\":1}", ERR_FORMAT },
        { "task.given", "[]", ERR_FORMAT },
        { "task.given", "{\"text\":\"x\"", ERR_FORMAT },
        { "task.given", "", ERR_FORMAT },
        { "usage", "{\"source\":\"local\",\"sandbox_ms\":1.5}", ERR_FORMAT },
        { "usage", "{\"source\":\"local\",\"sandbox_ms\":15}", ERR_NONE },
        { "run.result", "{\"mime\":\"text/plain\",\"main\":1}", ERR_FORMAT },
        { "plan.updated", "{\"steps\":{}}", ERR_FORMAT },
        { "session.created", "{\"planner\":\"human\"}", ERR_FORMAT },
        { "future.thing", "{\"anything\":{\"goes\":[]}}", ERR_NONE },
        { "future.thing", "{\"type\":\"x\"}", ERR_FORMAT },
        { "future.thing", "{\"Seq\":1}", ERR_FORMAT },
        { "future.thing", "3", ERR_FORMAT },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct json *body = NULL;
        struct event ev = { .type = event_type_find(cases[i].type),
                            .type_name = cases[i].type,
                            .json = cases[i].json,
                            .json_len = strlen(cases[i].json) };
        int rc = event_parse(&ev, &body, &e);
        if ((rc == 0) != (cases[i].want == ERR_NONE) || e.code != cases[i].want)
            fail_msg("%s %s: %s", cases[i].type, cases[i].json, e.msg);
        assert_true((ev.body != NULL) == (rc == 0));
        json_free(body);
    }
}

#define AT "\"at\":\"2026-11-22T10:00:00.123456Z\",\"session\":\"s1\""

static void test_jsonl(void **state)
{
    (void)state;
    static const struct {
        struct event ev;
        const char *json, *want;
    } cases[] = {
        { { .seq = 12, .run = 3, .type = EVENT_NOTE },
          "{\"text\":\"x\",\"author\":\"person\"}",
          "{\"seq\":12," AT
          ",\"run\":3,\"type\":\"note\",\"text\":\"x\",\"author\":\"person\"}\n" },
        { { .seq = 1, .type = EVENT_NOTE },
          "{\"text\":\"x\",\"author\":\"person\"}",
          "{\"seq\":1," AT ",\"type\":\"note\",\"text\":\"x\",\"author\":\"person\"}\n" },
        { { .seq = 2, .type = EVENT_UNKNOWN, .type_name = "future.thing" },
          "{}",
          "{\"seq\":2," AT ",\"type\":\"future.thing\"}\n" },
        { { .seq = 2, .type = EVENT_UNKNOWN, .type_name = "future.thing" },
          " {\n \"a\" : 1\r\n} \n",
          "{\"seq\":2," AT ",\"type\":\"future.thing\",  \"a\" : 1  }\n" },
        { { .seq = 3, .type = EVENT_NOTE },
          NULL,
          "{\"seq\":3," AT ",\"type\":\"note\",\"erased\":true}\n" },
        { { .seq = 4,
            .run = 2,
            .type = EVENT_RUN_OUTPUT,
            .stream = 2,
            .offset = 7,
            .bytes = "h\xc3\xa9\n",
            .len = 4 },
          NULL,
          "{\"seq\":4," AT ",\"run\":2,\"type\":\"run.output\",\"stream\":\"stderr\",\"offset\":7,"
          "\"text\":\"h\xc3\xa9\\n\"}\n" },
        { { .seq = 5, .type = EVENT_RUN_OUTPUT, .stream = 1, .bytes = "\xff\0a", .len = 3 },
          NULL,
          "{\"seq\":5," AT ",\"run\":0,\"type\":\"run.output\",\"stream\":\"stdout\",\"offset\":0,"
          "\"base64\":\"/wBh\"}\n" },
        { { .seq = 6, .run = 1, .type = EVENT_RUN_OUTPUT },
          NULL,
          "{\"seq\":6," AT ",\"run\":1,\"type\":\"run.output\",\"stream\":\"stdout\",\"offset\":0,"
          "\"erased\":true}\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct json *body = NULL;
        struct event ev = cases[i].ev;
        ev.at_us = 1795341600123456;
        ev.json = cases[i].json;
        ev.json_len = cases[i].json != NULL ? strlen(cases[i].json) : 0;
        if (ev.json != NULL)
            assert_int_equal(event_parse(&ev, &body, &e), 0);
        struct buf out = BUF_INIT(1000);
        assert_int_equal(event_print_jsonl(&ev, "s1", &out), 0);
        assert_string_equal(buf_str(&out), cases[i].want);
        /* Every smaller ceiling is told, and nothing is left behind. */
        for (size_t max = 0; max < out.len; max++) {
            struct buf small = BUF_INIT(max);
            assert_int_equal(event_print_jsonl(&ev, "s1", &small), -1);
            assert_int_equal(small.len, 0);
            buf_release(&small);
        }
        buf_release(&out);
        json_free(body);
    }
}

static void test_table(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(64 << 10);
    assert_int_equal(event_print_table(&out), 0);
    assert_non_null(strstr(buf_str(&out), "| `lease.ended` | durable | `why` string |"));
    assert_non_null(strstr(buf_str(&out), "`verdict` string (verified refuted unverified)"));
    assert_non_null(strstr(buf_str(&out), "`twin_of`? integer"));
    for (size_t max = 0; max < out.len; max += 7) {
        struct buf small = BUF_INIT(max);
        assert_int_equal(event_print_table(&small), -1);
        buf_release(&small);
    }
    buf_release(&out);
}

/* Whatever the field: a secret of ours does not get into a body. */
static void secrets_are_hidden_in_every_field(void **state)
{
    (void)state;
    static const char key[] = "sk-ant-unit-9876543210";
    struct redact *secrets = redact_new();
    struct event_builder b;
    struct err e = ERR_INIT;
    assert_int_equal(redact_add(secrets, "KEY", key, strlen(key), &e), 0);
    for (int with = 0; with < 2; with++) {
        event_begin(&b, EVENT_ERROR, 0);
        json_w_str(&b.w, "code", "net");
        json_w_str(&b.w, "message", with ? "no such key: sk-ant-unit-9876543210" : "no such key");
        assert_int_equal(event_hide_secrets(&b, secrets, &e), 0);
        assert_int_equal(event_hide_secrets(&b, NULL, &e), 0);
        json_w_str(&b.w, "hint", "");
        assert_int_equal(event_end(&b, &e), 0);
        assert_string_equal(json_get_str(b.ev.body, "message", ""),
                            with ? "no such key: [secret:KEY]" : "no such key");
        event_release(&b);
    }
    redact_free(secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_hidden_in_every_field),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_durable),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_build_limit),
        cmocka_unit_test(test_bugs_abort),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
