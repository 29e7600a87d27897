/* test_claude_managed.c - a model and a server that do other than they should, by name: none of it
 * is a success, nothing that was not approved is ever allowed, and nothing is left behind. */
#include "contract/box.h"

#include "base/sha256.h"

#define ANY (-1)

static void say(const char *line)
{
    assert_string_equal(box_remote_say(line), "{}\n");
}

static const struct json *stats(struct json **tree)
{
    struct err e = ERR_INIT;
    const char *line = box_remote_say("{\"ask\":\"stats\"}");
    if (json_parse(tree, line, strlen(line), &e) < 0)
        fail_msg("%s: %s", e.msg, line);
    return *tree;
}

static void forget(void)
{
    say("{\"ask\":\"forget\"}");
}

/* What is decided is looked at here, so nothing need be executed. */
static void only_record(void)
{
    forget();
    say("{\"record\":true}");
}

/* Nothing of ours is there any more. */
static void assert_clean(const char *name)
{
    struct json *tree;
    const struct json *s = stats(&tree);
    if (json_len(json_get(s, "alive")) != 0 || json_get_int(s, "agents", -1) != 0 ||
        json_get_int(s, "environments", -1) != 0 || json_get_int(s, "files", -1) != 0)
        fail_msg("%s: something is left: %s", name, box_remote_say("{\"ask\":\"stats\"}"));
    json_free(tree);
}

static int64_t allowed(void)
{
    struct json *tree;
    int64_t n = 0;
    for (const struct json *v = json_first(json_get(stats(&tree), "confirmed")); v != NULL;
         v = json_next(v))
        n += strcmp(json_str(v, ""), "allow") == 0;
    json_free(tree);
    return n;
}

/* ---- deviations */

struct deviation {
    const char *script; /* for the server */
    enum run_end end;
    int64_t allowed; /* how many calls may be let through: 1 is the approved one */
    const char *message;
};

static const struct deviation deviations[] = {
    { "{\"model\":[\"alter\",\"alter\",\"alter\"]}", END_INTEGRITY, 0, "other from byte" },
    { "{\"model\":[\"end\",\"end\",\"end\"]}", END_INTEGRITY, 0, "refused 3 of its calls" },
    { "{\"model\":[\"twice\",\"twice\",\"twice\"]}", END_INTEGRITY, 0, "refused" },
    { "{\"model\":[\"second\",\"second\",\"second\"]}", END_INTEGRITY, 0, "refused" },
    { "{\"model\":[\"tool\",\"tool\",\"tool\"]}", END_INTEGRITY, 0, "write" },
    { "{\"model\":[\"restart\",\"restart\",\"restart\"]}", END_INTEGRITY, 0, "restart" },
    { "{\"model\":[\"key\",\"key\",\"key\"]}", END_INTEGRITY, 0, "600001" },
    { "{\"model\":[\"alter\",\"words\",\"alter\"]}", END_INTEGRITY, 0, "refused" },
    { "{\"model\":[\"words\",\"words\",\"words\"]}", END_PROVIDER, 0, "nothing was run" },
    { "{\"after\":[\"more\"]}", END_INTEGRITY, 1, "wanted more" },
    { "{\"after\":[\"again\"]}", END_INTEGRITY, 1, "wanted more" },
    { "{\"model\":[\"unasked\"]}", END_INTEGRITY, 0, "does not wait" },
    { "{\"model\":[\"unsaid\"]}", END_INTEGRITY, 0, "does not wait" },
    { "{\"model\":[\"judged\"]}", END_INTEGRITY, 0, "does not wait" },
    { "{\"model\":[\"mcp\"]}", END_INTEGRITY, 0, "one tool" },
    { "{\"model\":[\"custom\"]}", END_INTEGRITY, 0, "one tool" },
    { "{\"model\":[\"other-client\"]}", END_INTEGRITY, 0, "somebody else" },
    { "{\"model\":[\"updated\"]}", END_INTEGRITY, 0, "somebody else" },
    { "{\"model\":[\"result-of-nothing\"]}", END_INTEGRITY, 0, "not allowed" },
    { "{\"model\":[\"early-result\"]}", END_INTEGRITY, 0, "not allowed" },
    { "{\"model\":[\"budget\"]}", END_LIMIT, 0, "budget" },
    { "{\"after\":[\"budget\"]}", END_LIMIT, 1, "budget" },
    { "{\"model\":[\"billing\"]}", END_LIMIT, 0, "No credit" },
    { "{\"model\":[\"refusal\"]}", END_PROVIDER, 0, "refused to go on" },
    { "{\"model\":[\"exhausted\"]}", END_PROVIDER, 0, "Overloaded" },
    { "{\"model\":[\"unknown-reason\"]}", END_PROVIDER, 0, "not known" },
    { "{\"model\":[\"terminated\"]}", END_LOST, 0, "ended by the server" },
    { "{\"lie\":[\"denied-runs\"]}", END_EXIT, 1, "" }, /* nothing is denied: no deviation */
    { "{\"lie\":[\"double\"]}", END_INTEGRITY, 1, "two results" },
    { "{\"lie\":[\"cut-result\"]}", END_UNKNOWN, 1, "whole" },
    { "{\"lie\":[\"other-run\"]}", END_INTEGRITY, 1, "not of this run" },
    { "{\"lie\":[\"other-code\"]}", END_INTEGRITY, 1, "other code" },
    { "{\"lie\":[\"tools\"]}", END_INTEGRITY, 0, "without being asked" },
    { "{\"lie\":[\"other-agent\"]}", END_INTEGRITY, 0, "not of the agent" },
    /* no deviation: these go well in the end */
    { "{\"model\":[\"alter\",\"good\"]}", END_EXIT, 1, "refused 1" },
    { "{\"model\":[\"alter\",\"twice\",\"good\"]}", END_EXIT, 1, "refused" },
    { "{\"model\":[\"words\",\"good\"]}", END_EXIT, 1, "" },
    { "{\"model\":[\"unknown\"]}", END_EXIT, 1, "" },
    { "{\"model\":[\"retrying\"]}", END_EXIT, 1, "" },
    { "{\"model\":[\"slow\"]}", END_EXIT, 1, "" },
    { "{\"after\":[\"exhausted\"]}", END_EXIT, 1, "" },
    { "{\"split\":1}", END_EXIT, 1, "" },
};

static void run_one(const struct deviation *d)
{
    only_record();
    say(d->script);
    struct box *b = box_open_default();
    struct sandbox_run rq = box_request(b, "python", "print('hello')");
    box_start(b, &rq);
    box_wait(b, finished, 1);
    if (b->f.end != d->end || strstr(b->message, d->message) == NULL)
        fail_msg("%s: end %s, not %s: %s", d->script, run_end_name(b->f.end), run_end_name(d->end),
                 b->message);
    if (allowed() != d->allowed)
        fail_msg("%s: %lld calls were allowed", d->script, (long long)allowed());
    box_free(b);
    assert_clean(d->script);
}

static void deviations_end_as_they_are(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(deviations); i++)
        run_one(&deviations[i]);
}

static void a_denied_call_that_runs_is_seen(void **state)
{
    BOX_NEEDS();
    struct deviation d = { "{\"model\":[\"alter\"]}", END_INTEGRITY, 0, "denied has a result" };
    (void)state;
    forget();
    say(d.script);
    say("{\"lie\":[\"denied-runs\"]}");
    struct box *b = box_open_default();
    box_run(b, "print('hello')");
    assert_end(b, END_INTEGRITY);
    assert_non_null(strstr(b->message, d.message));
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    box_free(b);
    assert_clean("denied-runs");
}

static void what_is_not_as_asked_for_is_not_used(void **state)
{
    BOX_NEEDS();
    struct box *b = box_new();
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    (void)state;
    forget();
    say("{\"lie\":[\"network\"]}");
    assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
    box_wait(b, closed, 1);
    assert_int_equal(b->failed, 1);
    assert_int_equal(b->failure.code, ERR_INTEGRITY);
    assert_non_null(strstr(b->failure.msg, "network"));
    box_free(b);
    assert_clean("network");
}

/* ---- the wire */

static const struct {
    const char *fault;
    int end; /* ANY: any end but a success */
} faults[] = {
    { "{\"on\":\"POST /v1/sessions\",\"do\":\"after\"}",
      END_EXIT }, /* sought, found by its label */
    { "{\"on\":\"POST /v1/sessions\",\"do\":\"status\",\"status\":500}", END_PROVIDER },
    { "{\"on\":\"POST /v1/sessions\",\"do\":\"status\",\"status\":400,\"body\":\"<html>\"}",
      END_PROVIDER },
    { "{\"on\":\"POST /v1/sessions\",\"do\":\"status\",\"status\":529,"
      "\"headers\":{\"retry-after\":\"0\"}}",
      END_EXIT },
    { "{\"on\":\"POST /v1/files\",\"do\":\"status\",\"status\":413,\"body\":\"too large\"}",
      END_PROVIDER },
    { "{\"on\":\"GET /v1/sessions/ID/events/stream\",\"do\":\"status\",\"status\":404}",
      END_PROVIDER },
    { "{\"on\":\"GET /v1/sessions/ID/events/stream\",\"do\":\"reset\"}", END_EXIT },
    { "{\"on\":\"POST /v1/sessions/ID/events\",\"do\":\"status\",\"status\":400}", END_PROVIDER },
    { "{\"on\":\"POST /v1/sessions/ID/events\",\"do\":\"after\"}", END_EXIT },
    { "{\"on\":\"POST /v1/sessions/ID/events\",\"do\":\"after\",\"skip\":1}", END_EXIT },
    { "{\"on\":\"POST /v1/sessions/ID/events\",\"do\":\"status\",\"status\":403,\"skip\":1}",
      END_PROVIDER },
    { "{\"on\":\"DELETE /v1/sessions/ID\",\"do\":\"status\",\"status\":500}", END_EXIT },
};

static void faults_of_the_wire(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        only_record();
        struct box *b = box_open_default();
        say(faults[i].fault);
        box_run(b, "print('hello')");
        if ((int)b->f.end != faults[i].end)
            fail_msg("%s: end %s: %s", faults[i].fault, run_end_name(b->f.end), b->message);
        assert_true(allowed() <= 1);
        box_free(b);
    }
}

/* The stream is cut behind every event, and inside the next one: the run goes on. */
static void cut_streams_are_picked_up(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int at = 0; at < 12; at++) {
        char fault[160];
        only_record();
        snprintf(fault, sizeof fault,
                 "{\"on\":\"GET /v1/sessions/ID/events/stream\",\"do\":\"cut\",\"events\":%d,"
                 "\"bytes\":%d}",
                 at, at % 2 * 40);
        say(fault);
        struct box *b = box_open_default();
        box_run(b, "print('hello')");
        if (b->f.end != END_EXIT)
            fail_msg("cut behind %d events: end %s: %s", at, run_end_name(b->f.end), b->message);
        assert_int_equal(allowed(), 1);
        box_free(b);
        assert_clean(fault);
    }
}

/* ---- large programs, ends by the person */

static void a_large_program_takes_a_new_container(void **state)
{
    BOX_NEEDS();
    struct json *tree;
    struct buf code = BUF_INIT(1 << 20);
    (void)state;
    forget();
    (void)buf_add_str(&code, "import os\nprint(os.path.exists('kept'))\n#");
    while (code.len < 20000)
        (void)buf_add_char(&code, 'x');
    struct box *b = box_open_default();
    box_run(b, "open('kept', 'w').close()");
    box_run(b, "import os\nprint(os.path.exists('kept'))");
    assert_out(b, "True\n"); /* in the command: the same container */
    struct sandbox_run rq = box_request(b, "python", buf_str(&code));
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_out(b, "False\n");
    assert_non_null(strstr(b->message, "new container"));
    assert_int_equal(json_get_int(stats(&tree), "created", -1), 2);
    json_free(tree);
    box_free(b);
    assert_clean("large");
    buf_release(&code);
}

static void wait_for_executions(size_t count)
{
    size_t n = 0;
    for (int i = 0; i < 400 && n < count; i++) {
        struct json *tree;
        n = json_len(json_get(stats(&tree), "executed"));
        json_free(tree);
        box_turns(1);
    }
    assert_true(n >= count);
}

static void interrupts_and_kills(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int kill = 0; kill < 2; kill++) {
        forget();
        struct box *b = box_open_default();
        struct sandbox_run rq = box_request(b, "python", "while True: pass");
        box_start(b, &rq);
        wait_for_executions(1);
        if (kill)
            box_kill(b, END_KILLED);
        else
            box_interrupt(b);
        box_wait(b, finished, 1);
        assert_end(b, kill ? END_KILLED : END_INTERRUPTED);
        if (kill)
            box_wait(b, closed, 1);
        else
            box_run(b, "print('next')");
        assert_true(kill || strcmp(buf_str(&b->out), "next\n") == 0);
        box_free(b);
        assert_clean("interrupt");
    }
}

/* ---- many programs through the whole adapter; the server decodes, by code of its own, and records
 */

static uint64_t seed = 5;

static uint32_t roll(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static void random_programs_arrive_unchanged(void **state)
{
    BOX_NEEDS();
    const char *env = getenv("AIRLOCK_PROPERTY_RUNS");
    size_t many = env != NULL ? (size_t)strtol(env, NULL, 10) : 150;
    struct buf wanted = BUF_INIT(64 << 20);
    struct json *tree;
    (void)state;
    only_record();
    struct box *b = box_open_default();
    size_t in_session = 0;
    for (size_t i = 0; i < many; i++) {
        char code[1500];
        struct sandbox_run rq = box_request(b, roll(2) ? "python" : "bash", "");
        size_t len = roll(sizeof code);
        for (size_t k = 0; k < len; k++)
            code[k] = (char)roll(256);
        rq.code = code;
        rq.code_len = len;
        box_exec(b, &rq);
        assert_exit(b, 0);
        assert_int_equal(base64_encode(&wanted, code, len), 0);
        (void)buf_add_char(&wanted, '\n');
        if (++in_session == 200) { /* a session holds so many calls */
            box_free(b);
            b = box_open_default();
            in_session = 0;
        }
    }
    const char *at = buf_str(&wanted);
    size_t count = 0;
    for (const struct json *v = json_first(json_get(stats(&tree), "codes")); v != NULL;
         v = json_next(v), count++) {
        size_t n = strcspn(at, "\n");
        assert_int_equal(strlen(json_str(v, "")), n);
        assert_memory_equal(json_str(v, ""), at, n);
        at += n + 1;
    }
    assert_int_equal(count, many);
    json_free(tree);
    box_free(b);
    buf_release(&wanted);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(deviations_end_as_they_are),
    BOX_TEST(a_denied_call_that_runs_is_seen),
    BOX_TEST(what_is_not_as_asked_for_is_not_used),
    BOX_TEST(faults_of_the_wire),
    BOX_TEST(cut_streams_are_picked_up),
    BOX_TEST(a_large_program_takes_a_new_container),
    BOX_TEST(interrupts_and_kills),
    BOX_TEST(random_programs_arrive_unchanged),
};

static int run_suite(const char *name)
{
    if (strcmp(box_world.ops->name, "claude-managed") != 0)
        return 0;
    return cmocka_run_group_tests_name(name, tests, box_group_setup, box_group_teardown);
}

int main(void)
{
    return box_main(run_suite);
}
