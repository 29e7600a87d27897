/* test_e2b_faults.c - E2B misbehaves by name, on every plane: no false success, no code executed
 * twice, no sandbox left that nobody knows of. */
#include "contract/e2b_box.h"

#define CODE "f = open('/workspace/ran', 'a'); f.write('x'); f.close()\nprint('hello')\n6 * 7"
#define TOOK "{\\\"type\\\": \\\"number_of_executions\\\", \\\"execution_count\\\": 1}\\n"
#define ANY  (-1)

/* ---- a run meets a fault */

struct fault {
    const char *name, *fault;
    int end, code;    /* ANY: any end but a success */
    int executed_max; /* 0: it must not have left; 1: perhaps */
};

static const struct fault on_run[] = {
    { "not found", STATUS(502, EDGE("The sandbox was not found")), END_LOST, ANY, 0 },
    { "port closed", STATUS(502, EDGE("The sandbox is running but port is not open")), END_UNKNOWN,
      ANY, 0 },
    { "502 html", STATUS(502, "<html><h1>502 Bad Gateway</h1></html>"), END_UNKNOWN, ANY, 0 },
    { "502 empty", STATUS(502, ""), END_UNKNOWN, ANY, 0 },
    { "502 text", STATUS(502, "bad gateway"), END_UNKNOWN, ANY, 0 },
    { "500 text", STATUS(500, "All connection attempts failed"), END_UNKNOWN, ANY, 0 },
    { "503", STATUS(503, "{\\\"code\\\":503,\\\"message\\\":\\\"no\\\"}"), END_UNKNOWN, ANY, 0 },
    { "504 text", STATUS(504, "upstream request timeout"), END_UNKNOWN, ANY, 0 },
    { "400", STATUS(400, "Only one of context_id or language can be provided"), END_PROVIDER, ANY,
      0 },
    { "401", STATUS(401, ""), END_PROVIDER, ANY, 0 },
    { "403", STATUS(403, EDGE("Sandbox is secured with traffic access token.")), END_PROVIDER, ANY,
      0 },
    { "404 context", STATUS(404, "Context x not found"), END_PROVIDER, ANY, 0 },
    { "405", STATUS(405, "{\\\"detail\\\":\\\"Method Not Allowed\\\"}"), END_PROVIDER, ANY, 0 },
    { "422", STATUS(422, "{\\\"detail\\\":[]}"), END_PROVIDER, ANY, 0 },
    { "301", "\"do\":\"status\",\"status\":301,\"headers\":{\"Location\":\"http://127.0.0.1:1/\"}",
      ANY, ANY, 0 },
    { "204", STATUS(204, ""), ANY, ANY, 0 },
    { "429 for good", "\"times\":50,\"headers\":{\"Retry-After\":\"0\"}," STATUS(429, ""),
      END_PROVIDER, ANY, 0 },
    { "429 once", "\"headers\":{\"Retry-After\":\"0\"}," STATUS(429, EDGE("slow down")), END_EXIT,
      0, 1 },
    { "409 once", STATUS(409, EDGE("The sandbox is still transitioning.")), END_EXIT, 0, 1 },
    { "409 else", STATUS(409, EDGE("no")), END_PROVIDER, ANY, 0 },
    { "reset before", "\"do\":\"reset\"", END_UNKNOWN, ANY, 0 },
    { "reset after the head", "\"do\":\"after\"", END_UNKNOWN, ANY, 1 },
    { "empty 200", REPLAY(""), END_UNKNOWN, ANY, 0 },
    { "count only", REPLAY(TOOK), END_UNKNOWN, ANY, 0 },
    { "output only", REPLAY(TOOK "{\\\"type\\\": \\\"stdout\\\", \\\"text\\\": \\\"42\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "html in a 200", REPLAY("<html>ok</html>\\n"), END_UNKNOWN, ANY, 0 },
    { "garbage and an end", REPLAY(TOOK "garbage\\n{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "output without text",
      REPLAY("{\\\"type\\\": \\\"stdout\\\"}\\n{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "no type", REPLAY("{\\\"x\\\": 1}\\n{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "type twice",
      REPLAY("{\\\"type\\\": \\\"error\\\", \\\"type\\\": \\\"keepalive\\\"}\\n"
             "{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "bad image",
      REPLAY("{\\\"type\\\": \\\"result\\\", \\\"png\\\": \\\"@@@\\\"}\\n"
             "{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "kernel died",
      REPLAY(
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"ContextRestarting\\\", \\\"value\\\": "
          "\\\"Context was restarted\\\", \\\"traceback\\\": \\\"\\\"}\\n"
          "{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_LOST, ANY, 0 },
    { "link lost",
      REPLAY(
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"WebSocketError\\\", \\\"value\\\": "
          "\\\"\\\", \\\"traceback\\\": \\\"\\\"}\\n{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "unexpected end", REPLAY("{\\\"type\\\": \\\"unexpected_end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "aborted",
      REPLAY(
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"ExecutionAborted\\\", \\\"value\\\": "
          "\\\"\\\", \\\"traceback\\\": \\\"\\\"}\\n{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_UNKNOWN, ANY, 0 },
    { "an error of that name of the code's own",
      REPLAY(
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"ContextRestarting\\\", \\\"value\\\": "
          "\\\"\\\", \\\"traceback\\\": \\\"line 1\\\"}\\n"
          "{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_EXIT, 1, 0 },
    { "two errors",
      REPLAY(
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"A\\\", \\\"traceback\\\": \\\"t\\\"}\\n"
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"B\\\", \\\"traceback\\\": \\\"t\\\"}\\n"
          "{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_EXIT, 1, 0 },
    { "error and death",
      REPLAY(
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"A\\\", \\\"traceback\\\": \\\"t\\\"}\\n"
          "{\\\"type\\\": \\\"error\\\", \\\"name\\\": \\\"ContextRestarting\\\", "
          "\\\"traceback\\\": \\\"\\\"}\\n{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_LOST, ANY, 0 },
    { "unknown type",
      REPLAY("{\\\"type\\\": \\\"brand_new\\\", \\\"x\\\": [1]}\\n"
             "{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_EXIT, 0, 0 },
    { "bytes behind the end",
      REPLAY(
          "{\\\"type\\\": \\\"end_of_execution\\\"}\\n{\\\"type\\\": \\\"error\\\", \\\"name\\\": "
          "\\\"A\\\", \\\"traceback\\\": \\\"t\\\"}\\n"),
      END_EXIT, 0, 0 },
    { "one byte at a time",
      "\"split\":1," REPLAY("{\\\"type\\\": \\\"stdout\\\", \\\"text\\\": \\\"a\\\\u0000b\\\"}\\n"
                            "{\\\"type\\\": \\\"end_of_execution\\\"}\\n"),
      END_EXIT, 0, 0 },
    { "the end without its line end", REPLAY("{\\\"type\\\": \\\"end_of_execution\\\"}"),
      END_UNKNOWN, ANY, 0 },
    { "silence at once", "\"do\":\"stall\",\"at\":0", END_UNKNOWN, ANY, 1 },
    { "silence in a line", "\"do\":\"stall\",\"at\":70", END_UNKNOWN, ANY, 1 },
};

static void judge(const struct box *b, const struct fault *f, int times)
{
    bool success = b->f.end == END_EXIT && b->f.code == 0;
    if (f->end == ANY ? success : (int)b->f.end != f->end)
        fail_msg("%s: end %s: %s", f->name, run_end_name(b->f.end), b->message);
    if (f->code != ANY && (!b->f.has_code || b->f.code != f->code))
        fail_msg("%s: code %d", f->name, b->f.code);
    if (times > f->executed_max)
        fail_msg("%s: executed %d times", f->name, times);
    if (b->f.end == END_UNKNOWN || b->f.end == END_PROVIDER)
        assert_true(b->message[0] != '\0');
}

static void runs_meet_faults(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(on_run); i++) {
        struct box *b = box_open_default();
        set_fault("POST /execute", on_run[i].fault);
        box_run(b, CODE);
        judge(b, &on_run[i], executed());
        forget();
        box_free(b);
        assert_int_equal(alive(), 0);
    }
}

/* The answer to a run cut after each of its bytes: a success only when its last line was whole. */
static void cut_at_every_byte(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    static const char whole[] =
        "{\"type\": \"stdout\", \"text\": \"a\"}\n"
        "{\"type\": \"result\", \"text\": \"2\", \"is_main_result\": true}\n"
        "{\"type\": \"end_of_execution\"}\n";
    char *body = xasprintf("%s", "{\\\"type\\\": \\\"stdout\\\", \\\"text\\\": \\\"a\\\"}\\n"
                                 "{\\\"type\\\": \\\"result\\\", \\\"text\\\": \\\"2\\\", "
                                 "\\\"is_main_result\\\": true}\\n{\\\"type\\\": "
                                 "\\\"end_of_execution\\\"}\\n");
    (void)state;
    for (size_t at = 0; at <= sizeof whole - 1; at++) {
        char *fault = xasprintf("\"do\":\"replay-cut\",\"at\":%zu,\"body\":\"%s\"", at, body);
        set_fault("POST /execute", fault);
        box_run(b, "1");
        bool ended = at == sizeof whole - 1;
        if ((b->f.end == END_EXIT) != ended)
            fail_msg("cut at %zu: end %s", at, run_end_name(b->f.end));
        box_wait(b, state, true); /* and the sandbox is still of use */
        free(fault);
    }
    free(body);
    box_run(b, "print('well')");
    assert_out(b, "well\n");
    box_free(b);
    forget();
}

/* ---- a create meets a fault */

struct birth {
    const char *name, *on, *fault;
    bool ready;       /* it comes up all the same */
    int64_t made_max; /* sandboxes that the server made */
    enum err_code why;
};

static const struct birth on_create[] = {
    { "made, then reset", "POST /v2/sandboxes", "\"do\":\"after\"", true, 1, 0 },
    { "made, answer cut", "POST /v2/sandboxes", "\"do\":\"cut\",\"at\":40", true, 1, 0 },
    { "made, answer cut late", "POST /v2/sandboxes", "\"do\":\"cut\",\"at\":90", true, 1, 0 },
    { "401", "POST /v2/sandboxes", STATUS(401, "{\\\"code\\\":401,\\\"message\\\":\\\"no\\\"}"),
      false, 0, ERR_DENIED },
    { "403", "POST /v2/sandboxes", STATUS(403, "{\\\"message\\\":\\\"team is blocked\\\"}"), false,
      0, ERR_DENIED },
    { "400", "POST /v2/sandboxes", STATUS(400, "{\\\"message\\\":\\\"Timeout cannot\\\"}"), false,
      0, ERR_NET },
    { "no such template", "POST /v2/sandboxes",
      STATUS(404, "{\\\"message\\\":\\\"template 'x' not found\\\"}"), false, 0, ERR_NET },
    { "no second version", "POST /v2/sandboxes", STATUS(404, "{\\\"message\\\":\\\"no route\\\"}"),
      true, 1, 0 },
    { "method not allowed", "POST /v2/sandboxes", STATUS(405, ""), true, 1, 0 },
    { "429 at the cap", "POST /v2/sandboxes",
      "\"times\":9,\"headers\":{\"Retry-After\":\"0\"}," STATUS(
          429, "{\\\"message\\\":\\\"you have reached the maximum number of concurrent\\\"}"),
      false, 0, ERR_LIMIT },
    { "429 by rate", "POST /v2/sandboxes",
      "\"headers\":{\"Retry-After\":\"0\"}," STATUS(429, "slow"), true, 1, 0 },
    { "create failed", "POST /v2/sandboxes",
      STATUS(500, "{\\\"message\\\":\\\"x\\\",\\\"error_code\\\":\\\"sandbox_create_failed\\\"}"),
      false, 0, ERR_NET },
    { "no capacity once", "POST /v2/sandboxes",
      STATUS(503,
             "{\\\"message\\\":\\\"x\\\",\\\"error_code\\\":\\\"sandbox_capacity_unavailable\\\"}"),
      true, 1, 0 },
    { "201 and no JSON, nothing made", "POST /v2/sandboxes", STATUS(201, "created!"), false, 0,
      ERR_NET },
    { "201 with a strange id", "POST /v2/sandboxes",
      STATUS(201, "{\\\"sandboxID\\\":\\\"../../x\\\"}"), false, 0, ERR_NET },
    { "connection reset before", "POST /v2/sandboxes", "\"do\":\"reset\"", false, 0, ERR_NET },
    { "the workspace can't be made", "POST /process.Process/Start", STATUS(500, "no"), false, 1,
      ERR_NET },
    { "envd refuses the token", "POST /process.Process/Start", STATUS(401, ""), false, 1,
      ERR_DENIED },
    { "the interpreter comes late", "POST /contexts",
      "\"times\":3," STATUS(502, EDGE("The sandbox is running but port is not open")), true, 1, 0 },
    { "no interpreter", "POST /contexts", STATUS(500, "Failed to create context: {}"), false, 1,
      ERR_NET },
    { "a context with a strange id", "POST /contexts", STATUS(200, "{\\\"id\\\":\\\"a/b\\\"}"),
      false, 1, ERR_FORMAT },
    { "our cells fail", "POST /execute", REPLAY(TOOK), false, 1, ERR_NET },
    { "gone at once", "POST /contexts", STATUS(502, EDGE("The sandbox was not found")), false, 1,
      ERR_NET },
};

static void one_birth(const struct birth *f)
{
    struct box *b = box_new();
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    int64_t before = created();
    set_fault(f->on, f->fault);
    assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
    while (b->ready == 0 && b->closed == 0)
        assert_int_equal(loop_turn(box_world.loop, 1000, &e), 0);
    if ((b->ready == 1) != f->ready)
        fail_msg("%s: ready %d, failure %s", f->name, b->ready, b->failure.msg);
    if (created() - before > f->made_max)
        fail_msg("%s: made %lld times", f->name, (long long)(created() - before));
    if (!f->ready) {
        assert_int_equal(b->failed, 1);
        if (b->failure.code != f->why)
            fail_msg("%s: %s: %s", f->name, err_code_name(b->failure.code), b->failure.msg);
    } else {
        box_run(b, "print(1)");
        assert_out(b, "1\n");
    }
    forget();
    box_free(b);
    if (alive() != 0)
        fail_msg("%s: an orphan", f->name);
}

static void births_meet_faults(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(on_create); i++)
        one_birth(&on_create[i]);
}

/* ---- ends meet faults */

static void kills_are_repeated_until_they_are_known(void **state)
{
    BOX_NEEDS();
    static const struct {
        const char *fault;
        bool confirmed;
    } cases[] = { { STATUS(500, "x"), true },
                  { STATUS(502, "<html>"), true },
                  { "\"do\":\"reset\"", true },
                  { "\"do\":\"after\"", true }, /* it worked; the second answer is 404 */
                  { "\"headers\":{\"Retry-After\":\"0\"}," STATUS(429, ""), true },
                  { "\"times\":9," STATUS(403, ""), false } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct box *b = box_open_default();
        set_fault("DELETE /sandboxes/ID", cases[i].fault);
        box_kill(b, END_KILLED);
        box_wait(b, closed, 1);
        assert_int_equal(b->confirmed, cases[i].confirmed);
        assert_int_equal(b->failed, cases[i].confirmed ? 0 : 1); /* told, and what to do */
        assert_int_equal(alive(), cases[i].confirmed ? 0 : 1);
        forget();
        box_free(b);
    }
}

static void closed_while_it_is_made(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct box *b = box_new();
        struct contract c = box_contract();
        struct err e = ERR_INIT;
        assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
        for (int turn = 0; turn < i * 3; turn++)
            assert_int_equal(loop_turn(box_world.loop, 10, &e), 0);
        box_free(b);
    }
}

/* Gone behind our back: the next run says so, and nothing is executed. */
static void expiry_is_told(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "x = 1");
    say("{\"ask\":\"expire\"}");
    box_run(b, CODE);
    assert_end(b, END_LOST);
    assert_true(b->f.state_lost);
    assert_int_equal(executed(), 0);
    box_wait(b, closed, 1);
    box_free(b);
}

static void expiry_in_a_run_is_told(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    say("{\"ask\":\"expire\"}");
    box_wait(b, finished, 1);
    assert_true(b->f.end == END_UNKNOWN || b->f.end == END_LOST);
    box_wait(b, closed, 1);
    box_free(b);
}

/* ---- bash, whose stream has frames */

static void processes_meet_faults(void **state)
{
    BOX_NEEDS();
    static const struct fault faults[] = {
        { "cut in a head", "\"do\":\"cut\",\"at\":3", END_UNKNOWN, ANY, 1 },
        { "cut behind the start", "\"do\":\"cut\",\"at\":40", END_UNKNOWN, ANY, 1 },
        { "ends early", "\"do\":\"end\",\"at\":40", END_UNKNOWN, ANY, 1 },
        { "reset", "\"do\":\"reset\"", END_UNKNOWN, ANY, 0 },
        { "refused", STATUS(401, "{\\\"code\\\":\\\"unauthenticated\\\"}"), END_PROVIDER, ANY, 0 },
        { "no frames", REPLAY("hello, this is no frame at all"), END_UNKNOWN, ANY, 0 },
        { "gone", STATUS(502, EDGE("The sandbox was not found")), END_LOST, ANY, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct box *b = box_open_default();
        set_fault("POST /process.Process/Start", faults[i].fault);
        box_run_in(b, "bash", "echo hello");
        judge(b, &faults[i], 0);
        forget();
        box_free(b);
        assert_int_equal(alive(), 0);
    }
}

static void files_of_a_run_meet_faults(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    char name[] = "a", body[] = "hello";
    const struct sandbox_file file = { .name = name, .mode = 0644, .ptr = body, .len = 5 };
    (void)state;
    struct sandbox_run rq = box_request(b, "python", CODE);
    rq.files = &file;
    rq.file_count = 1;
    set_fault("POST /files", STATUS(507, "{\\\"code\\\":507,\\\"message\\\":\\\"no space\\\"}"));
    box_exec(b, &rq);
    assert_end(b, END_PROVIDER);
    assert_non_null(strstr(b->message, "disk is full"));
    assert_int_equal(executed(), 0);
    forget();
    box_wait(b, state, true);
    rq.run++;
    set_fault("POST /files", "\"do\":\"reset\""); /* a file may be put twice */
    box_exec(b, &rq);
    assert_exit(b, 0);
    assert_int_equal(executed(), 1);
    box_free(b);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(runs_meet_faults),           BOX_TEST(cut_at_every_byte),
    BOX_TEST(births_meet_faults),         BOX_TEST(kills_are_repeated_until_they_are_known),
    BOX_TEST(closed_while_it_is_made),    BOX_TEST(expiry_is_told),
    BOX_TEST(expiry_in_a_run_is_told),    BOX_TEST(processes_meet_faults),
    BOX_TEST(files_of_a_run_meet_faults),
};

static int run_suite(const char *name)
{
    return cmocka_run_group_tests_name(name, tests, box_group_setup, box_group_teardown);
}

int main(void)
{
    setenv("BOX_SANDBOX", "e2b", 1);
    return box_main(run_suite);
}
