/* test_e2b_ours.c - our own kernel in a sandbox of E2B's: the daemon, its stream and the guest
 * misbehave by name. No false success, nothing written twice, no sandbox left. */
#include "contract/e2b_box.h"

#define START "POST /process.Process/Start"
#define INPUT "POST /process.Process/SendInput"
#define GUEST "\"skip\":1," /* the first process makes room, the second one is the guest */
#define CODE                                                                                       \
    "f = open('ran', 'a'); f.write('x'); f.close()\nprint(open('ran').read(), 'hello', sep='')"

/* A run of the default sandbox that is a success is a whole one, once. */
static void assert_no_lie(const struct box *b, const char *name)
{
    if (b->f.end == END_EXIT && (b->f.code != 0 || b->out.len != 7))
        fail_msg("%s: code %d with %zu bytes", name, b->f.code, b->out.len);
    if (b->out.len > 0 && memcmp(b->out.ptr, "xhello\n", b->out.len < 7 ? b->out.len : 7) != 0)
        fail_msg("%s: %s", name, b->out.ptr);
    if (b->f.end != END_EXIT)
        assert_true(b->message[0] != '\0' && b->f.state_lost);
}

/* From its making to the end of a run; `ready` and `done` tell how far it came. */
static void one_life(const char *name, const char *on, const char *fault, bool *ready, bool *done)
{
    struct box *b = box_new();
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    set_fault(on, fault);
    assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
    while (b->ready == 0 && b->closed == 0)
        assert_int_equal(loop_turn(box_world.loop, 1000, &e), 0);
    *ready = b->ready == 1;
    *done = false;
    if (!*ready) {
        if (b->failed != 1 || b->failure.msg[0] == '\0')
            fail_msg("%s: failed %d times", name, b->failed);
    } else if (b->closed == 0) {
        struct sandbox_run rq = box_request(b, "python", CODE);
        if (box_try_exec(b, &rq, &e) == 0) {
            box_wait(b, finished, 1);
            assert_no_lie(b, name);
            *done = b->f.end == END_EXIT;
        }
    }
    forget();
    box_free(b);
    if (alive() != 0)
        fail_msg("%s: an orphan", name);
}

struct life {
    const char *name, *on, *fault;
    bool ready, done;
};

static const struct life lives[] = {
    { "files refused", "POST /files", STATUS(401, ""), false, false },
    { "disk full", "POST /files", STATUS(507, "{\\\"code\\\":507,\\\"message\\\":\\\"no\\\"}"),
      false, false },
    { "files reset once", "POST /files", "\"do\":\"reset\"", true, true },
    { "files 502 once", "POST /files", STATUS(502, "<html>"), true, true },
    { "room refused", START, STATUS(500, "no"), false, false },
    { "room cut", START, "\"do\":\"cut\",\"at\":60", false, false },
    { "guest refused", START, GUEST STATUS(401, "{\\\"code\\\":\\\"unauthenticated\\\"}"), false,
      false },
    { "guest 502 not found", START, GUEST STATUS(502, EDGE("The sandbox was not found")), false,
      false },
    { "guest 502 port", START,
      GUEST STATUS(502, EDGE("The sandbox is running but port is not open")), false, false },
    { "guest 502 html", START, GUEST STATUS(502, "<html>"), false, false },
    { "guest reset", START, GUEST "\"do\":\"reset\"", false, false },
    { "guest is no frame", START, GUEST REPLAY("hello, this is no frame at all"), false, false },
    { "guest is compressed", START, GUEST REPLAY("\\u0001\\u0000\\u0000\\u0000\\u0001x"), false,
      false },
    { "guest ends well at once", START, GUEST REPLAY("\\u0002\\u0000\\u0000\\u0000\\u0002{}"),
      false, false },
    { "guest is an error", START,
      GUEST REPLAY("\\u0002\\u0000\\u0000\\u0000\\u001b{\\\"error\\\":{\\\"code\\\":"
                   "\\\"internal\\\"}}"),
      false, false },
    { "a pid that can't be", START,
      GUEST REPLAY("\\u0000\\u0000\\u0000\\u0000\\u001e{\\\"event\\\":{\\\"start\\\":{\\\"pid\\\":-"
                   "1}}}"),
      false, false },
    { "not our guest", START,
      GUEST REPLAY("\\u0000\\u0000\\u0000\\u0000\\u001d{\\\"event\\\":{\\\"start\\\":{\\\"pid\\\":"
                   "7}}}\\u0000\\u0000\\u0000\\u0000\\u002b{\\\"event\\\":{\\\"data\\\":{"
                   "\\\"stdout\\\":\\\"aGVsbG8gd29ybGQ=\\\"}}}"),
      false, false },
    { "no base64", START,
      GUEST REPLAY("\\u0000\\u0000\\u0000\\u0000\\u001d{\\\"event\\\":{\\\"start\\\":{\\\"pid\\\":"
                   "7}}}\\u0000\\u0000\\u0000\\u0000\\u001e{\\\"event\\\":{\\\"data\\\":{"
                   "\\\"stdout\\\":\\\"@@@\\\"}}}"),
      false, false },
    { "split into bytes", START, GUEST "\"do\":\"\",\"split\":1", true, true },
    /* The first call sets the guest up, a later one carries the run. */
    { "set-up 502", INPUT, STATUS(502, EDGE("The sandbox was not found")), true, false },
    { "set-up reset", INPUT, "\"do\":\"reset\"", true, false },
    { "set-up done, then reset", INPUT, "\"do\":\"after\"", true, false },
    { "write 502 not found", INPUT, "\"skip\":1," STATUS(502, EDGE("The sandbox was not found")),
      true, false },
    { "write 502 port", INPUT,
      "\"skip\":1," STATUS(502, EDGE("The sandbox is running but port is not open")), true, false },
    { "write 502 html", INPUT, "\"skip\":1," STATUS(502, "<html>"), true, false },
    { "write 502 empty", INPUT, "\"skip\":1," STATUS(502, ""), true, false },
    { "write 500", INPUT, "\"skip\":1," STATUS(500, "{\\\"code\\\":\\\"internal\\\"}"), true,
      false },
    { "write to no process", INPUT, "\"skip\":1," STATUS(404, "{\\\"code\\\":\\\"not_found\\\"}"),
      true, false },
    { "write 401", INPUT, "\"skip\":1," STATUS(401, ""), true, false },
    { "write 204", INPUT, "\"skip\":1," STATUS(301, ""), true, false },
    { "write reset", INPUT, "\"skip\":1,\"do\":\"reset\"", true, false },
    { "written, then reset", INPUT, "\"skip\":1,\"do\":\"after\"", true, false },
    { "write 429 once", INPUT,
      "\"skip\":1,\"headers\":{\"Retry-After\":\"0\"}," STATUS(429, EDGE("slow down")), true,
      true },
    { "write 409 once", INPUT,
      "\"skip\":1," STATUS(409, EDGE("The sandbox is still transitioning.")), true, true },
};

static void lives_meet_faults(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        const struct life *l = &lives[i];
        bool ready, done;
        one_life(l->name, l->on, l->fault, &ready, &done);
        /* A stream that breaks tells at once: whether READY was first is not ours to say. */
        if ((!l->ready && ready) || (l->done && !done))
            fail_msg("%s: ready %d, done %d", l->name, ready, done);
        bool may_be_done = l->done || strstr(l->fault, "after") != NULL;
        if (done && !may_be_done)
            fail_msg("%s: a success", l->name);
    }
}

/* The guest's stream cut behind each of its messages, then inside of them. */
static void cut_at_every_message(void **state)
{
    BOX_NEEDS();
    int dones = 0;
    (void)state;
    for (int n = 0; n < 24; n++) {
        char fault[80], name[40];
        bool ready, done;
        snprintf(fault, sizeof fault, GUEST "\"do\":\"%s\",\"writes\":%d",
                 n % 2 != 0 ? "cut" : "end", n);
        snprintf(name, sizeof name, "cut behind message %d", n);
        one_life(name, START, fault, &ready, &done);
        dones += done;
        if (n == 0)
            assert_false(ready);
    }
    assert_true(dones > 0); /* at last it was cut behind the run */
}

static void cut_inside_of_messages(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int at = 1; at < 2400; at = at < 40 ? at + 5 : at + 111) {
        char fault[80], name[40];
        bool ready, done;
        snprintf(fault, sizeof fault, GUEST "\"do\":\"cut\",\"at\":%d", at);
        snprintf(name, sizeof name, "cut after %d bytes", at);
        one_life(name, START, fault, &ready, &done);
    }
}

/* ---- what is in there dies */

static void interpreter_dies(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "x = 41");
    box_wait(b, checkpoints, 1);
    box_run(b, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)");
    assert_true(b->f.end != END_EXIT);
    assert_int_equal(b->f.resumed_from, 1);
    box_run(b, "print(x + 1)"); /* of the frozen copy */
    assert_out(b, "42\n");
    box_free(b);
    assert_int_equal(alive(), 0);
}

static void guest_dies(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run(b, "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time\n"
               "time.sleep(30)");
    assert_end(b, END_LOST);
    assert_true(b->f.state_lost);
    assert_non_null(strstr(b->message, "guest"));
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    box_free(b);
    assert_int_equal(alive(), 0);
}

static void expiry_is_told(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
    box_start(b, &rq);
    box_wait(b, out.len, 3);
    say("{\"ask\":\"expire\"}");
    box_wait(b, finished, 1);
    assert_end(b, END_LOST);
    box_wait(b, closed, 1);
    box_free(b);
}

static void closed_while_it_is_made(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct box *b = box_new();
        struct contract c = box_contract();
        struct err e = ERR_INIT;
        assert_int_equal(box_open_with(b, &c, NULL, false, &e), 0);
        for (int turn = 0; turn < i * 3; turn++)
            assert_int_equal(loop_turn(box_world.loop, 10, &e), 0);
        box_free(b);
    }
    assert_int_equal(alive(), 0);
}

/* It needs nothing of E2B's but a python: not even the image with the interpreter. */
static void any_template_will_do(void **state)
{
    BOX_NEEDS();
    (void)state;
    const char *was = box_world.image;
    box_world.image = "base,kernel=ours";
    struct box *b = box_open_default();
    box_world.image = was;
    box_run(b, "print('here')");
    assert_out(b, "here\n");
    box_free(b);
}

/* E2B keeps the list by itself: a proxy of ours would lead nowhere there. */
static void an_allow_list_needs_no_proxy(void **state)
{
    BOX_NEEDS();
    struct contract c = box_contract();
    char host[] = "example.org";
    (void)state;
    c.network = NETWORK_ALLOW;
    c.hosts[0] = host;
    c.host_count = 1;
    struct box *b = box_open(&c);
    box_run(b, "import os\nprint([n for n in os.environ if 'proxy' in n.lower()])");
    assert_out(b, "[]\n");
    box_free(b);
}

static void words_of_the_image(void **state)
{
    static const struct {
        const char *image;
        const struct sandbox_ops *ops;
    } cases[] = { { NULL, &sandbox_e2b },
                  { "", &sandbox_e2b },
                  { "base", &sandbox_e2b },
                  { "kernel=ours", &sandbox_e2b_ours },
                  { "base,kernel=ours", &sandbox_e2b_ours },
                  { "base,kernel=e2b", &sandbox_e2b },
                  { ",kernel=ours", &sandbox_e2b_ours },
                  { "base,kernel=mine", NULL },
                  { "base,ours", NULL },
                  { "base,kernel=ours,x", NULL } };
    struct err e = ERR_INIT;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_ptr_equal(sandbox_choose("e2b", cases[i].image, &e), cases[i].ops);
    assert_null(sandbox_choose("e3b", NULL, &e));
    assert_ptr_equal(sandbox_choose("local", "x,y=z", &e), &sandbox_local);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(words_of_the_image),   BOX_TEST(lives_meet_faults),
    BOX_TEST(cut_at_every_message), BOX_TEST(cut_inside_of_messages),
    BOX_TEST(interpreter_dies),     BOX_TEST(guest_dies),
    BOX_TEST(expiry_is_told),       BOX_TEST(closed_while_it_is_made),
    BOX_TEST(any_template_will_do), BOX_TEST(an_allow_list_needs_no_proxy),
};

static int run_suite(const char *name)
{
    return cmocka_run_group_tests_name(name, tests, box_group_setup, box_group_teardown);
}

int main(void)
{
    setenv("BOX_SANDBOX", "e2b:kernel=ours", 1);
    return box_main(run_suite);
}
