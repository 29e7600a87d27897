/* test_e2b_life.c - a sandbox of E2B's beyond its birth and its runs: paused and woken, found
 * again, waited for, started from a snapshot; and each of these meeting faults. No false success,
 * nothing executed twice, no sandbox that nobody knows of. */
#include "contract/box.h"

#define STATUS(s, body) "\"do\":\"status\",\"status\":" #s ",\"body\":\"" body "\""
#define MESSAGE(m)      "{\\\"code\\\":1,\\\"message\\\":\\\"" m "\\\"}"
#define AT_CAP          MESSAGE("you have reached the maximum number of concurrent E2B sandboxes (1)")
#define PAUSE           "POST /sandboxes/ID/pause"
#define CONNECT         "POST /sandboxes/ID/connect"
#define SNAPSHOT        "POST /sandboxes/ID/snapshots"
#define LOOK            "GET /sandboxes/ID"

/* ---- what the server saw */

static struct json *stats(void)
{
    struct err e = ERR_INIT;
    struct json *tree;
    const char *line = box_remote_say("{\"ask\":\"stats\"}");
    if (json_parse(&tree, line, strlen(line), &e) < 0)
        fail_msg("%s: %s", e.msg, line);
    return tree;
}

static size_t count_of(const char *what)
{
    struct json *tree = stats();
    size_t n = json_len(json_get(tree, what));
    json_free(tree);
    return n;
}

static size_t in_state(const char *word)
{
    struct json *tree = stats();
    size_t n = 0;
    for (const struct json *o = json_first(json_get(tree, "states")); o != NULL; o = json_next(o))
        n += strcmp(json_str(o, ""), word) == 0;
    json_free(tree);
    return n;
}

static int64_t number_of(const char *what)
{
    struct json *tree = stats();
    int64_t n = json_get_int(tree, what, -1);
    json_free(tree);
    return n;
}

static int executed(const char *code)
{
    struct json *tree = stats();
    int n = 0;
    for (const struct json *o = json_first(json_get(tree, "codes")); o != NULL; o = json_next(o))
        n += strcmp(json_str(o, ""), code) == 0;
    json_free(tree);
    return n;
}

static void say(const char *line)
{
    assert_string_equal(box_remote_say(line), "{}\n");
}

static void set_fault(const char *on, const char *fault)
{
    char *line = xasprintf("{\"on\":\"%s\",%s}", on, fault);
    say(line);
    free(line);
}

static void forget(void)
{
    say("{\"ask\":\"forget\"}");
}

static void set_cap(int n)
{
    char *line = xasprintf("{\"ask\":\"cap\",\"to\":%d}", n);
    say(line);
    free(line);
}

/* ---- acts */

static struct box *prepared(const char *image)
{
    struct box *b = box_new();
    b->image = image;
    return b;
}

static void open_box(struct box *b)
{
    struct contract c = box_contract();
    struct err e = ERR_INIT;
    if (box_open_with(b, &c, NULL, false, &e) < 0)
        fail_msg("open: %s", e.msg);
}

static void settle(struct box *b) /* ready, or closed */
{
    struct err e = ERR_INIT;
    int64_t until = clock_mono_us() + BOX_WAIT_US;
    while (b->ready == 0 && b->closed == 0 && clock_mono_us() < until)
        assert_int_equal(loop_turn(box_world.loop, 200, &e), 0);
}

static int act(struct box *b, int (*fn)(struct sandbox *s, struct err *e), struct err *e)
{
    b->in_call = true;
    int rc = fn(b->s, e);
    b->in_call = false;
    return rc;
}

static void pause_it(struct box *b)
{
    struct err e = ERR_INIT;
    int before = b->paused;
    if (act(b, box_world.ops->pause, &e) < 0)
        fail_msg("pause: %s", e.msg);
    while (b->paused == before && b->closed == 0)
        assert_int_equal(loop_turn(box_world.loop, 200, &e), 0);
}

/* READY, PAUSED (it stays) or CLOSED. */
static void wake_it(struct box *b)
{
    struct err e = ERR_INIT;
    int ready = b->ready, paused = b->paused, restored = b->restored;
    if (act(b, box_world.ops->wake, &e) < 0)
        fail_msg("wake: %s", e.msg);
    while (b->ready == ready && b->paused == paused && b->closed == 0)
        assert_int_equal(loop_turn(box_world.loop, 200, &e), 0);
    if (b->ready > ready)
        assert_int_equal(b->restored, restored + 1);
}

static void snapshot_it(struct box *b)
{
    struct err e = ERR_INIT;
    unsigned keep = 0;
    int before = b->snapshots;
    b->in_call = true;
    int rc = box_world.ops->snapshot(b->s, b->run, &keep, &e);
    b->in_call = false;
    if (rc < 0)
        fail_msg("snapshot: %s", e.msg);
    assert_int_equal(keep, 3);
    box_wait(b, snapshots, before + 1);
}

/* ---- paused and woken */

static void pause_keeps_memory_and_files(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    assert_true(b->ends_ms > 0);
    box_run_state(b, "x = [1, 2]; open('/workspace/f', 'w').write('kept')");
    pause_it(b);
    assert_int_equal(b->paused_err.code, ERR_NONE);
    assert_int_equal(in_state("paused"), 1);
    assert_int_equal(act(b, box_world.ops->pause, &e), -1); /* once */
    wake_it(b);
    assert_true(b->again);
    assert_non_null(strstr(b->kept, "x"));
    box_run_state(b, "print(x, open('/workspace/f').read())");
    assert_out(b, "[1, 2] kept\n");
    assert_int_equal(executed("x = [1, 2]; open('/workspace/f', 'w').write('kept')"), 1);
    box_free(b);
    assert_int_equal(count_of("alive"), 0);
}

static void no_pause_while_it_works(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    (void)state;
    struct sandbox_run rq = box_request(b, "python", "print('on', flush=True)\nwhile True: pass");
    box_start(b, &rq);
    assert_int_equal(act(b, box_world.ops->pause, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    box_wait(b, out.len, 3);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    box_free(b);
}

static void closing_leaves_a_paused_one(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    char id[128];
    (void)state;
    box_run_state(b, "x = 41");
    snprintf(id, sizeof id, "%s", b->id);
    pause_it(b);
    box_free(b);
    assert_int_equal(in_state("paused"), 1);
    b = prepared(NULL);
    b->attach = id;
    open_box(b);
    settle(b);
    assert_string_equal(b->id, id);
    box_wait(b, restored, 1);
    assert_non_null(strstr(b->kept, "x"));
    box_run_state(b, "print(x + 1)");
    assert_out(b, "42\n");
    assert_int_equal(number_of("created"), number_of("killed") + 1);
    pause_it(b);
    box_kill(b, END_KILLED); /* this does end it */
    box_wait(b, closed, 1);
    assert_true(b->confirmed);
    box_free(b);
    assert_int_equal(count_of("alive"), 0);
}

struct fault {
    const char *name, *on, *fault;
    bool well;  /* it is done all the same */
    bool still; /* … else: the sandbox lives on as it was (false: it is gone, and said so) */
};

static const struct fault on_pause[] = {
    { "409 already", PAUSE, STATUS(409, MESSAGE("Sandbox is already paused")), false, true },
    { "409 transition", PAUSE, STATUS(409, MESSAGE("Sandbox is being snapshotted")), false, true },
    { "done, then reset", PAUSE, "\"do\":\"after\"", true, true },
    { "done, then 504", PAUSE, "\"do\":\"after-hang\"", true, true },
    { "reset", PAUSE, "\"do\":\"reset\"", false, true },
    { "400", PAUSE, STATUS(400, MESSAGE("no")), false, true },
    { "401", PAUSE, STATUS(401, ""), false, true },
    { "403", PAUSE, STATUS(403, MESSAGE("team is blocked")), false, true },
    { "429", PAUSE, STATUS(429, "slow"), false, true },
    { "500", PAUSE, STATUS(500, MESSAGE("x")), false, true },
    { "502 html", PAUSE, STATUS(502, "<html>"), false, true },
    { "503", PAUSE, STATUS(503, MESSAGE("busy")), false, true },
    { "504 text", PAUSE, STATUS(504, "upstream request timeout"), false, true },
};

static void pauses_meet_faults(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(on_pause); i++) {
        const struct fault *f = &on_pause[i];
        if (strstr(f->fault, "hang") != NULL)
            continue; /* the server's patience is longer than ours here */
        struct box *b = box_open_default();
        box_run_state(b, "x = 7");
        set_fault(f->on, f->fault);
        pause_it(b);
        forget();
        bool done = b->paused == 1 && b->paused_err.code == ERR_NONE;
        if (done != f->well || b->closed != 0 || done != (in_state("paused") == 1))
            fail_msg("%s: paused %d: %s", f->name, done, b->paused_err.msg);
        if (done)
            wake_it(b);
        box_run_state(b, "print(x)"); /* of use as before */
        assert_out(b, "7\n");
        box_free(b);
        assert_int_equal(count_of("alive"), 0);
    }
}

static void paused_by_another(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "x = 1");
    say("{\"ask\":\"expire\"}");
    pause_it(b); /* 404 */
    assert_int_equal(b->closed, 1);
    assert_int_equal(b->failed, 1);
    assert_true(b->confirmed);
    box_free(b);
}

static const struct fault on_wake[] = {
    { "400", CONNECT, STATUS(400, MESSAGE("no")), false, true },
    { "401", CONNECT, STATUS(401, ""), false, true },
    { "403", CONNECT, STATUS(403, MESSAGE("team is blocked")), false, true },
    { "404", CONNECT, STATUS(404, MESSAGE("Sandbox doesn't exist")), false, false },
    { "409 once", CONNECT, STATUS(409, MESSAGE("Sandbox is still transitioning")), true, true },
    { "409 for good", CONNECT, "\"times\":20," STATUS(409, MESSAGE("being paused")), false, true },
    { "504 text", CONNECT, STATUS(504, "upstream request timeout"), true, true },
    { "500 place", CONNECT, STATUS(500, MESSAGE("Failed to place sandbox")), true, true },
    { "reset", CONNECT, "\"do\":\"reset\"", true, true },
    { "done, then reset", CONNECT, "\"do\":\"after\"", true, true },
    { "answer cut", CONNECT, "\"do\":\"cut\",\"at\":30", true, true },
    { "no JSON", CONNECT, STATUS(200, "fine"), false, true },
    { "another's id", CONNECT, STATUS(200, "{\\\"sandboxID\\\":\\\"../x\\\"}"), false, true },
    { "cap, then room", CONNECT, "\"times\":2," STATUS(429, AT_CAP), true, true },
    { "cap", CONNECT, "\"times\":50," STATUS(429, AT_CAP), false, true },
    { "look reset", LOOK, "\"do\":\"reset\"", true, true },
    { "envd resets first", "GET /health", "\"do\":\"reset\"", true, true },
    { "contexts reset first", "GET /contexts", "\"do\":\"reset\"", true, true },
    { "report reset", "POST /execute", "\"do\":\"reset\"", true, true },
    { "report cut", "POST /execute", "\"do\":\"cut\",\"at\":20", true, true },
};

static void wakes_meet_faults(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(on_wake); i++) {
        const struct fault *f = &on_wake[i];
        struct box *b = box_open_default();
        box_run_state(b, "x = 7");
        pause_it(b);
        set_fault(f->on, f->fault);
        wake_it(b);
        forget();
        if ((b->ready == 2) != f->well || (b->closed == 0) != f->still)
            fail_msg("%s: ready %d closed %d: %s %s", f->name, b->ready, b->closed,
                     b->paused_err.msg, b->failure.msg);
        if (f->still && !f->well) { /* it stayed paused, and can be woken yet */
            assert_true(b->paused_err.code != ERR_NONE);
            wake_it(b);
            assert_int_equal(b->ready, 2);
        }
        if (f->still) {
            box_run_state(b, "print(x)");
            if (strcmp(buf_str(&b->out), "7\n") != 0)
                fail_msg("%s: kept '%s', %s %s %s", f->name, b->kept, b->error_name, b->error_value,
                         b->message);
        }
        box_free(b);
        if (f->still)
            assert_int_equal(count_of("alive"), 0);
        else
            say("{\"ask\":\"sweep\"}"); /* the server was made to lie: it is there */
    }
}

static void what_it_may_reach_is_set_again(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    pause_it(b);
    set_fault("PUT /sandboxes/ID/network", STATUS(400, MESSAGE("no")));
    wake_it(b);
    forget();
    assert_int_equal(b->closed, 1); /* else nobody knows what it may reach */
    assert_non_null(strstr(b->failure.msg, "network rules"));
    box_free(b);
    assert_int_equal(count_of("alive"), 0);
}

/* ---- found again */

static void a_vanished_one_is_said(void **state)
{
    BOX_NEEDS();
    struct box *b = prepared(NULL);
    (void)state;
    int64_t before = number_of("created");
    b->attach = "iaaaaaaaaaaaaaaaaaaaa";
    open_box(b);
    settle(b);
    assert_int_equal(b->ready, 0);
    assert_true(b->confirmed);
    assert_non_null(strstr(b->failure.msg, "is gone"));
    assert_int_equal(number_of("created"), before); /* and nothing made in its place */
    box_free(b);
}

static void one_of_another_label_is_left_alone(void **state)
{
    BOX_NEEDS();
    struct box *theirs = box_open_default(), *b = prepared(NULL);
    (void)state;
    b->attach = theirs->id;
    b->label = "someone-1";
    open_box(b);
    settle(b);
    assert_int_equal(b->ready, 0);
    assert_int_equal(b->failure.code, ERR_DENIED);
    box_free(b);
    assert_int_equal(in_state("running"), 1);
    box_run_state(theirs, "print(1)");
    assert_out(theirs, "1\n");
    box_free(theirs);
}

static void found_by_its_label_alone(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "x = 5");
    pause_it(b);
    box_free(b);
    b = prepared(NULL);
    b->attach = "";
    open_box(b);
    settle(b);
    assert_int_equal(b->ready, 1);
    box_wait(b, restored, 1);
    box_run_state(b, "print(x)");
    assert_out(b, "5\n");
    box_free(b);
    b = prepared(NULL); /* there is none now */
    b->attach = "";
    open_box(b);
    settle(b);
    assert_int_equal(b->ready, 0);
    assert_true(b->confirmed);
    box_free(b);
}

static void unreachable_is_not_gone(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    char id[128];
    (void)state;
    snprintf(id, sizeof id, "%s", b->id);
    pause_it(b);
    box_free(b);
    b = prepared(NULL);
    b->attach = id;
    set_fault(CONNECT, "\"times\":20," STATUS(500, ""));
    open_box(b);
    settle(b);
    forget();
    assert_int_equal(b->ready, 0);
    assert_false(b->confirmed);
    box_free(b);
    assert_int_equal(in_state("paused"), 1);
    say("{\"ask\":\"sweep\"}");
}

static void a_lost_interpreter_is_told(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    (void)state;
    box_run_state(b, "x = 5");
    pause_it(b);
    set_fault("GET /contexts", STATUS(200, "[]"));
    wake_it(b);
    forget();
    assert_int_equal(b->ready, 2);
    assert_string_equal(b->kept, "");
    box_run_state(b, "print('x' in globals())");
    assert_out(b, "False\n");
    box_free(b);
}

/* ---- waited for */

static void a_place_is_waited_for(void **state)
{
    BOX_NEEDS();
    struct box *first = box_open_default(), *b = prepared(NULL);
    struct err e = ERR_INIT;
    (void)state;
    box_remote.queue_ms = "60000";
    set_cap(1);
    open_box(b);
    box_wait(b, queued, 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(loop_turn(box_world.loop, 20, &e), 0);
    assert_int_equal(b->ready + b->closed, 0);
    box_free(first);
    settle(b);
    assert_int_equal(b->ready, 1);
    assert_int_equal(b->queued, 1); /* said once */
    box_run(b, "print(1)");
    assert_out(b, "1\n");
    box_free(b);
    set_cap(20);
    box_remote.queue_ms = NULL;
    assert_int_equal(count_of("alive"), 0);
}

static void waiting_can_be_given_up(void **state)
{
    BOX_NEEDS();
    struct box *first = box_open_default();
    (void)state;
    int64_t made = number_of("created");
    box_remote.queue_ms = "60000";
    set_cap(1);
    for (int how = 0; how < 3; how++) {
        struct box *b = prepared(NULL);
        open_box(b);
        box_wait(b, queued, 1);
        if (how == 0)
            box_interrupt(b);
        else if (how == 1)
            box_kill(b, END_KILLED);
        if (how < 2) {
            box_wait(b, closed, 1);
            assert_true(b->confirmed);
        }
        box_free(b);
    }
    set_cap(20);
    box_remote.queue_ms = NULL;
    assert_int_equal(number_of("created"), made);
    box_free(first);
    assert_int_equal(count_of("alive"), 0);
}

static void waking_can_wait_and_be_given_up(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default(), *other;
    struct err e = ERR_INIT;
    (void)state;
    box_run_state(b, "x = 3");
    pause_it(b);
    other = box_open_default();
    box_remote.queue_ms = "60000";
    box_free(b);
    b = prepared(NULL);
    b->attach = "";
    b->label = NULL;
    box_free(b);
    b = box_open_default();
    box_run_state(b, "x = 3");
    pause_it(b);
    set_cap(1);
    assert_int_equal(act(b, box_world.ops->wake, &e), 0);
    box_wait(b, queued, 1);
    b->in_call = false;
    int paused = b->paused;
    box_world.ops->interrupt(b->s); /* tells at once */
    assert_int_equal(b->paused, paused + 1);
    box_free(other);
    wake_it(b);
    box_run_state(b, "print(x)");
    assert_out(b, "3\n");
    set_cap(20);
    box_remote.queue_ms = NULL;
    box_free(b);
    say("{\"ask\":\"sweep\"}");
}

/* ---- snapshots */

static void snapshots_are_gone_back_to(void **state)
{
    BOX_NEEDS();
    struct box *b = prepared("code-interpreter-v1,snapshots=3"), *then;
    struct err e = ERR_INIT;
    char id[256];
    (void)state;
    open_box(b);
    settle(b);
    box_run_state(b, "x = 1; open('/workspace/f', 'w').write('one')");
    snapshot_it(b);
    assert_int_equal(b->snapshot_err.code, ERR_NONE);
    snprintf(id, sizeof id, "%s", b->snapshot_id);
    assert_non_null(strstr(id, "airlock-contract-test-1"));
    box_run_state(b, "x = 2; open('/workspace/f', 'w').write('two')");
    then = prepared(NULL);
    then->snapshot = id;
    open_box(then);
    settle(then);
    box_wait(then, restored, 1);
    assert_true(then->again);
    assert_non_null(strstr(then->kept, "x"));
    box_run_state(then, "print(x, open('/workspace/f').read())");
    assert_out(then, "1 one\n");
    box_run_state(b, "print(x)");
    assert_out(b, "2\n");
    int before = b->snapshots;
    assert_int_equal(box_world.ops->drop_snapshot(b->s, 1, id, &e), 0);
    box_wait(b, snapshots, before + 1);
    assert_int_equal(b->snapshot_err.code, ERR_NONE);
    assert_int_equal(count_of("snapshots"), 0);
    box_free(then);
    then = prepared(NULL);
    then->snapshot = id;
    open_box(then);
    settle(then);
    assert_int_equal(then->ready, 0);
    assert_int_equal(then->failure.code, ERR_MISSING);
    box_free(then);
    box_free(b);
    assert_int_equal(count_of("alive"), 0);
}

static const struct fault on_snapshot[] = {
    { "400", SNAPSHOT, STATUS(400, MESSAGE("envd is too old")), false, true },
    { "403", SNAPSHOT, STATUS(403, MESSAGE("team is blocked")), false, true },
    { "404", SNAPSHOT, STATUS(404, MESSAGE("Sandbox doesn't exist")), false, true },
    { "409", SNAPSHOT, "\"times\":9," STATUS(409, MESSAGE("being paused")), false, true },
    { "500", SNAPSHOT, STATUS(500, MESSAGE("x")), false, true },
    { "503 once", SNAPSHOT,
      STATUS(503,
             "{\\\"message\\\":\\\"x\\\",\\\"error_code\\\":\\\"sandbox_capacity_unavailable\\\"}"),
      true, true },
    { "504 text", SNAPSHOT, STATUS(504, "upstream request timeout"), false, true },
    { "made, then reset", SNAPSHOT, "\"do\":\"after\"", true, true },
    { "made, answer cut", SNAPSHOT, "\"do\":\"cut\",\"at\":10", true, true },
    { "reset", SNAPSHOT, "\"do\":\"reset\"", false, true },
    { "no JSON", SNAPSHOT, STATUS(201, "done"), false, true },
    { "a strange id", SNAPSHOT, STATUS(201, "{\\\"snapshotID\\\":\\\"../../x\\\"}"), false, true },
};

static void snapshots_meet_faults(void **state)
{
    BOX_NEEDS();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(on_snapshot); i++) {
        const struct fault *f = &on_snapshot[i];
        struct box *b = prepared("code-interpreter-v1,snapshots=3");
        open_box(b);
        settle(b);
        box_run_state(b, "x = 7");
        set_fault(f->on, f->fault);
        snapshot_it(b);
        forget();
        bool made = b->snapshot_err.code == ERR_NONE && b->snapshot_id[0] != '\0';
        if (made != f->well || made != (count_of("snapshots") == 1))
            fail_msg("%s: %s %s", f->name, b->snapshot_id, b->snapshot_err.msg);
        box_run_state(b, "print(x)");
        assert_out(b, "7\n");
        box_free(b);
        say("{\"ask\":\"sweep\"}");
    }
}

static void only_asked_for(void **state)
{
    BOX_NEEDS();
    struct box *b = box_open_default();
    struct err e = ERR_INIT;
    unsigned keep;
    (void)state;
    assert_int_equal(box_world.ops->snapshot(b->s, 1, &keep, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    box_free(b);
}

static void options_are_read(void **state)
{
    BOX_NEEDS();
    static const char *const bad[] = { "x,snapshots=0", "x,snapshots=65", "x,snapshots=",
                                       "x,y=1",         "x,snapshots=1 ", "snapshots=-1" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct box *b = prepared(bad[i]);
        struct contract c = box_contract();
        struct err e = ERR_INIT;
        if (box_open_with(b, &c, NULL, false, &e) == 0 || e.code != ERR_USAGE)
            fail_msg("%s: %s", bad[i], e.msg);
        b->s = NULL;
        box_free(b);
    }
}

/* ---- money */

static void the_budget_pauses_it(void **state)
{
    BOX_NEEDS();
    struct box *b = prepared(NULL);
    struct err e = ERR_INIT;
    (void)state;
    b->allowance = 90000; /* some seconds of the default size */
    open_box(b);
    settle(b);
    assert_true(b->ends_ms < 4000);
    box_run_state(b, "x = 1");
    box_wait(b, paused, 1);
    assert_int_equal(b->paused_err.code, ERR_NONE);
    assert_int_equal(in_state("paused"), 1);
    b->allowance = 0;
    assert_int_equal(act(b, box_world.ops->wake, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    box_kill(b, END_KILLED);
    box_wait(b, closed, 1);
    box_free(b);
    assert_int_equal(count_of("alive"), 0);
}

static void the_price_is_that_of_its_size(void **state)
{
    BOX_NEEDS();
    struct box *b = prepared("code-interpreter-big"), *small = box_open_default();
    (void)state;
    open_box(b);
    settle(b);
    box_run_state(b, "x = 1");
    int64_t big_cost = box_world.ops->cost(b->s, 1000), cost = box_world.ops->cost(small->s, 1000);
    assert_true(cost > 0 && big_cost > 3 * cost);
    box_free(b);
    box_free(small);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(pause_keeps_memory_and_files),
    BOX_TEST(no_pause_while_it_works),
    BOX_TEST(closing_leaves_a_paused_one),
    BOX_TEST(pauses_meet_faults),
    BOX_TEST(paused_by_another),
    BOX_TEST(wakes_meet_faults),
    BOX_TEST(what_it_may_reach_is_set_again),
    BOX_TEST(a_vanished_one_is_said),
    BOX_TEST(one_of_another_label_is_left_alone),
    BOX_TEST(found_by_its_label_alone),
    BOX_TEST(unreachable_is_not_gone),
    BOX_TEST(a_lost_interpreter_is_told),
    BOX_TEST(a_place_is_waited_for),
    BOX_TEST(waiting_can_be_given_up),
    BOX_TEST(waking_can_wait_and_be_given_up),
    BOX_TEST(snapshots_are_gone_back_to),
    BOX_TEST(snapshots_meet_faults),
    BOX_TEST(only_asked_for),
    BOX_TEST(options_are_read),
    BOX_TEST(the_budget_pauses_it),
    BOX_TEST(the_price_is_that_of_its_size),
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
