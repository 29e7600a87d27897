/* test_e2b_edges.c - the sandbox e2b beside its runs: one that lived before, how long it may live,
 * no room, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/e2b_machine.h"

/* ---- one that lived before */

static void attach_to(const char *id)
{
    struct sandbox_config cfg = config();
    set_up();
    cfg = config();
    cfg.attach = id;
    server.alive = true;
    open_with(&cfg);
}

#define CONTEXT(id, language, cwd)                                                                 \
    "{\"id\":\"" id "\",\"language\":\"" language "\",\"cwd\":\"" cwd "\"}"
#define WORK(id, language) CONTEXT(id, language, "/workspace")
#define MANY                                                                                       \
    WORK("c1", "r")                                                                                \
    "," WORK("c2", "java") "," WORK("c3", "deno") "," WORK("c4", "a") "," WORK(                    \
        "c5", "b") "," WORK("c6", "c")
#define PYTHON CONTEXT("c0", "python", "/workspace")

static void its_interpreters_are_found_again(void **state)
{
    static const struct {
        const char *contexts;
        bool fresh;         /* a new python has to be started */
        unsigned languages; /* besides python */
    } rows[] = {
        { "[" PYTHON "]", false, 0 },
        { "[" CONTEXT("c1", "javascript", "/workspace") "," PYTHON "]", false, 1 },
        { "[" PYTHON "," CONTEXT("c2", "python", "/workspace") "]", false, 0 },
        { "[" PYTHON "," CONTEXT("c1", "javascript", "/home") "]", false, 0 },
        { "[" PYTHON "," CONTEXT("../x", "javascript", "/workspace") "]", false, 0 },
        { "[" PYTHON "," CONTEXT("", "javascript", "/workspace") "]", false, 0 },
        { "[" PYTHON "," CONTEXT("c1", "a-language-without-end", "/workspace") "]", false, 0 },
        { "[" PYTHON "," MANY "]", false, 5 },
        { "[" CONTEXT("c1", "javascript", "/workspace") "]", true, 0 },
        { "[]", true, 0 },
        { "{}", true, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        attach_to("i1");
        server.contexts = rows[i].contexts;
        await(&told.ready, 1);
        assert_true(told.again);
        turns(2);
        assert_int_equal(told.restored, 1);
        const struct e2b *s = (const struct e2b *)box;
        if (told.kept != (rows[i].fresh ? 0 : 1) || s->context_count != 1 + rows[i].languages)
            fail_msg("row %zu: %zu kept, %zu contexts", i, told.kept, s->context_count);
        assert_string_equal(s->contexts[0].language, "python");
        start_code("python", "x");
        await(&told.finished, 1);
        assert_int_equal(told.end, END_EXIT);
        tear_down();
    }
}

/* What its python says when it is asked: each ends in a python that can be used. */
static void a_python_that_answers_oddly_is_replaced(void **state)
{
    static const struct {
        const char *cell;
        const char *on; /* only of these */
        unsigned restarts;
    } rows[] = {
        { OVER, "_cells'].report(", 0 }, /* our cells are not in it */
        { ERROR("KeyError", "_airlock_cells") OVER, "_cells'].report(", 0 },
        { TROUBLE("ContextRestarting") OVER, "_cells'].report(", 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        attach_to("i1");
        server.cell = rows[i].cell;
        server.cell_on = rows[i].on;
        await(&told.ready, 1);
        if (told.failed != 0 || server.restarts != rows[i].restarts)
            fail_msg("row %zu: failed %u, %u restarts: %s", i, told.failed, server.restarts,
                     told.why.msg);
        server.cell = NULL;
        start_code("python", "x");
        await(&told.finished, 1);
        assert_int_equal(told.end, END_EXIT);
        tear_down();
    }
    /* It is held by code that ran before. */
    attach_to("i1");
    fake.fault =
        (struct fake_fault){ .on = "POST /execute", .times = 1, .end = NET_TIMEOUT, .left = true };
    await(&told.ready, 1);
    assert_int_equal(server.restarts, 1);
    assert_int_equal(told.kept, 0);
    tear_down();
}

static void what_can_not_be_attached_to(void **state)
{
    static const struct {
        const char *id;
        bool alive;
        const char *made, *look, *listing;
        struct fake_fault fault;
        const char *says;
        bool left; /* it is not ended */
    } rows[] = {
        { .id = "i1", .says = "sandbox i1 is gone" },
        { .id = "i1",
          .alive = true,
          .look = LOOK("running", "other"),
          .says = "does not have the label of this session: left alone",
          .left = true },
        { .id = "i1",
          .alive = true,
          .made = "{\"sandboxID\":\"i2\"}",
          .says = "the server answered for another",
          .left = true },
        { .id = "i1", .alive = true, .made = "{}", .says = "sandboxID", .left = true },
        { .id = "i1",
          .alive = true,
          .fault = { .on = "GET /sandboxes/i1", .times = 100, .end = NET_ANSWERED, .status = 500 },
          .says = "looking at the sandbox",
          .left = true },
        { .id = "", .says = "is not there" },
        { .id = "", .alive = true, .listing = "{}", .says = "is no list", .left = true },
        { .id = "",
          .alive = true,
          .fault = { .on = "GET /v2/sandboxes", .times = 100, .end = NET_ANSWERED, .status = 500 },
          .says = "looking for the session's sandbox",
          .left = true },
        { .id = "i1",
          .alive = true,
          .fault = { .on = "PUT /sandboxes/i1/network",
                     .times = 100,
                     .end = NET_ANSWERED,
                     .status = 400 },
          .says = "network rules" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        attach_to(rows[i].id);
        server.alive = rows[i].alive;
        server.made = rows[i].made;
        server.look = rows[i].look;
        server.listing = rows[i].listing;
        fake.fault = rows[i].fault;
        await(&told.closed, 1);
        assert_int_equal(told.failed, 1);
        if (strstr(told.why.msg, rows[i].says) == NULL || server.alive != rows[i].left ||
            told.confirmed == rows[i].left)
            fail_msg("row %zu: alive %d, confirmed %d: %s", i, server.alive, told.confirmed,
                     told.why.msg);
        assert_int_equal(server.creations, 0); /* never replaced by another */
        tear_down();
    }
}

static void killed_while_it_is_found_again(void **state)
{
    static const char *const steps[] = { "POST /sandboxes/i1/connect",
                                         "GET /sandboxes/i1",
                                         "PUT /sandboxes/i1/network",
                                         "GET /health",
                                         "GET /contexts",
                                         "POST /execute" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        attach_to("i1");
        server.hold = steps[i];
        await_held();
        server.hold = NULL;
        box->ops->kill(box, END_KILLED);
        struct fake_call *c = server.held;
        if (!c->gone) /* its answer is waited for */
            serve(c);
        await(&told.closed, 1);
        assert_true(told.confirmed);
        assert_false(server.alive);
        tear_down();
    }
}

/* ---- how long it may live */

static void it_is_kept_alive(void **state)
{
    (void)state;
    set_up();
    open_box();
    await(&told.ready, 1);
    await(&server.renewals, 3);
    fake.fault = fake_answered("POST /sandboxes/i1/timeout", 500, 5);
    await(&server.renewals, 4); /* that passes */
    assert_int_equal(told.failed, 0);
    fake.fault = fake_answered("POST /sandboxes/i1/timeout", 404, 1);
    await(&told.closed, 1);
    assert_int_equal(told.failed, 1);
    assert_non_null(strstr(told.why.msg, "keeping the sandbox alive"));
    tear_down();
}

static void its_time_is_up(void **state)
{
    (void)state;
    for (int running = 0; running < 2; running++) {
        set_up();
        terms.ttl_s = 20;
        server.lines = NULL;
        open_box();
        await(&told.ready, 1);
        if (running)
            start_code("python", "x");
        await(&told.closed, 1);
        if (running)
            assert_int_equal(told.end, END_LIMIT);
        assert_non_null(strstr(running ? told.message : told.why.msg, "reached its ttl_s"));
        assert_true(told.confirmed);
        assert_false(server.alive);
        tear_down();
    }
}

static void its_money_is_used_up(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    for (int running = 0; running < 2; running++) {
        set_up();
        terms.timeout_s = 80000;
        server.lines = NULL;
        money = e2b_nanousd(2, 512, 60);
        assert_true(money > 0);
        open_box();
        await(&told.ready, 1);
        if (running) {
            start_code("python", "x");
            await(&told.closed, 1);
            assert_int_equal(told.end, END_LIMIT);
            assert_non_null(strstr(told.message, "budget is used up: the sandbox was destroyed"));
            assert_false(server.alive);
        } else { /* it is paused: that costs nothing and keeps all */
            await(&told.paused, 1);
            assert_int_equal(told.pausing.code, ERR_NONE);
            assert_true(server.alive);
            money = 0;
            assert_int_equal(box->ops->wake(box, &e), -1);
            assert_int_equal(e.code, ERR_LIMIT);
            assert_non_null(strstr(e.msg, "stays paused"));
            money = -1;
            assert_int_equal(box->ops->wake(box, &e), 0);
            await(&told.ready, 2);
        }
        tear_down();
    }
}

static void its_end_moves_with_the_money(void **state)
{
    (void)state;
    set_up();
    open_box();
    await(&told.ready, 1);
    money = e2b_nanousd(2, 512, 3600);
    await(&told.leases, 1); /* told with the next renewal */
    assert_true(e2b_ends_in_ms((struct e2b *)box) < 3601000);
    tear_down();
}

/* ---- no room */

#define FULL                                                                                       \
    "{\"code\":429,\"message\":\"you have reached the maximum number of concurrent E2B "           \
    "sandboxes\"}"

static struct fake_fault full(const char *on, unsigned times)
{
    struct fake_fault f = fake_answered(on, 429, times);
    f.body = FULL;
    return f;
}

static void no_room_is_waited_for(void **state)
{
    enum { COMES, NEVER, INTERRUPTED, KILLED, WAYS };
    (void)state;
    for (int how = COMES; how < WAYS; how++) {
        set_up();
        fake.fault = full("POST /v2/sandboxes", how == COMES ? 4 : 100000);
        open_box();
        await(&told.queued, 1);
        assert_int_equal(told.ready, 0);
        if (how == INTERRUPTED)
            box->ops->interrupt(box);
        if (how == KILLED)
            box->ops->kill(box, END_KILLED);
        if (how == COMES)
            await(&told.ready, 1);
        else
            await(&told.closed, 1);
        assert_int_equal(told.failed, how == NEVER);
        assert_true(how == COMES || told.confirmed);
        tear_down();
    }
}

static void no_room_for_a_paused_one(void **state)
{
    enum { COMES, INTERRUPTED, KILLED, WAYS };
    struct err e = ERR_INIT;
    (void)state;
    for (int how = COMES; how < WAYS; how++) {
        set_up();
        open_box();
        await(&told.ready, 1);
        turns(4);
        assert_int_equal(box->ops->pause(box, &e), 0);
        await(&told.paused, 1);
        fake.fault = full("POST /sandboxes/i1/connect", how == COMES ? 4 : 100000);
        assert_int_equal(box->ops->wake(box, &e), 0);
        await(&told.queued, 1);
        if (how == COMES) {
            await(&told.ready, 2);
        } else if (how == INTERRUPTED) {
            box->ops->interrupt(box);
            await(&told.paused, 2);
            assert_true(server.alive && server.paused); /* it stays so */
        } else {
            box->ops->kill(box, END_KILLED);
            await(&told.closed, 1);
            assert_true(told.confirmed);
            assert_false(server.alive);
        }
        tear_down();
    }
}

/* ---- refused */

static const char *no_key(void *arg, const char *name)
{
    (void)arg, (void)name;
    return NULL;
}

static void what_it_can_not_have(void **state)
{
    static const char *const says[] = { "no network here",   "can be mounted there",
                                        "knows no ports",    "is no sandbox of E2B's",
                                        "is no snapshot of", "has a quote, a backslash",
                                        "has a quote",       "E2B_API_KEY",
                                        "snapshots" };
    char path[] = "/srv", host[] = "a.example:443", var[] = "V";
    const char *quote[] = { "it's" }, *bytes[] = { "\xff" };
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        struct sandbox_config cfg = config();
        terms.mount_count = i == 1;
        terms.mounts[0].path = path;
        terms.network = i == 2 ? NETWORK_ALLOW : NETWORK_DENY;
        terms.host_count = i == 2;
        terms.hosts[0] = host;
        terms.env_count = i == 5 || i == 6;
        terms.env[0] = var;
        cfg.env_values = i == 5 ? quote : bytes;
        cfg.net = i == 0 ? NULL : net;
        cfg.attach = i == 3 ? "A/b" : NULL;
        cfg.snapshot = i == 4 ? "../x" : NULL;
        cfg.setting = i == 7 ? no_key : setting;
        cfg.image = i == 8 ? "base,snapshots=x" : NULL;
        assert_int_equal(sandbox_e2b.open(&box, &cfg, &e), -1);
        if (strstr(e.msg, says[i]) == NULL)
            fail_msg("%zu: %s", i, e.msg);
    }
    struct sandbox_host h = { .setting = no_key };
    char room[64];
    assert_int_equal(sandbox_e2b.available(&h, &e), -1);
    assert_int_equal(sandbox_e2b.origin(&h, room, sizeof room, &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    tear_down();
}

static void what_it_does_not_run(void **state)
{
    static char large[E2B_CODE_MAX + 2];
    static const char *const word[] = { "a" }, *const bad[] = { "\xff" };
    char up[] = "../x", ok[] = "a/.b";
    struct sandbox_file out = { .name = up }, in = { .name = ok };
    struct err e = ERR_INIT;
    (void)state;
    set_up();
    server.lines = NULL;
    open_box();
    struct sandbox_run rq = request("ruby", "x");
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    rq = request("python", "x");
    rq.code = large;
    rq.code_len = sizeof large;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq.code_len = 1; /* a NUL */
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_FORMAT);
    rq = request("python", "x");
    rq.check_code = large;
    rq.check_code_len = sizeof large;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq.check_code_len = 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_FORMAT);
    rq = request("python", "x");
    rq.input_len = E2B_INPUT_MAX + 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    rq = request("javascript", "x");
    rq.argv = word;
    rq.argv_count = 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    rq.argv_count = 0;
    rq.input = "x";
    rq.input_len = 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    rq = request("bash", "x");
    rq.argv = bad;
    rq.argv_count = 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_int_equal(e.code, ERR_FORMAT);
    rq = request("python", "x");
    rq.files = &out;
    rq.file_count = 1;
    assert_int_equal(box->ops->exec(box, &rq, &e), -1);
    assert_non_null(strstr(e.msg, "leads out of the workspace"));
    rq.files = &in;
    assert_int_equal(box->ops->exec(box, &rq, &e), 0);
    assert_int_equal(box->ops->exec(box, &rq, &e), -1); /* it waits */
    assert_int_equal(e.code, ERR_BUSY);
    await_stream();
    assert_int_equal(box->ops->exec(box, &rq, &e), -1); /* it is on */
    assert_int_equal(e.code, ERR_BUSY);
    tear_down();
}

static void paths_stay_inside(void **state)
{
    static const char *const good[] = { "a", "a/b", ".a", "..a", "a..", "a/...", "\xC3\xA9" };
    static const char *const bad[] = { "",    "/a",    "a/",   "a//b", ".",      "..",
                                       "./a", "a/./b", "../a", "a/..", "a/../b", "\xff" };
    static char large[4002];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(e2b_is_inside(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(e2b_is_inside(bad[i]));
    memset(large, 'a', sizeof large - 1);
    assert_false(e2b_is_inside(large));
}

static void what_it_has_not(void **state)
{
    struct err e = ERR_INIT;
    char up[] = "../x";
    struct sandbox_file f = { .name = up };
    unsigned keep;
    (void)state;
    set_up();
    struct sandbox_config cfg = config();
    cfg.image = NULL;
    open_with(&cfg);
    assert_int_equal(box->ops->get(box, "a", 1, &e), -1); /* not there yet */
    assert_int_equal(e.code, ERR_USAGE);
    assert_int_equal(box->ops->pause(box, &e), -1);
    await(&told.ready, 1);
    assert_int_equal(box->ops->restore(box, 1, &e), -1);
    assert_int_equal(box->ops->save(box, &e), -1);
    assert_int_equal(box->ops->load(box, "", 0, &e), -1);
    assert_non_null(strstr(e.msg, "can't save its variables"));
    assert_int_equal(box->ops->snapshot(box, 1, &keep, &e), -1);
    assert_non_null(strstr(e.msg, "snapshots=N"));
    assert_int_equal(box->ops->put(box, &f, &e), -1);
    assert_int_equal(box->ops->get(box, "../x", 1, &e), -1);
    assert_non_null(strstr(e.msg, "no path inside the workspace"));
    assert_int_equal(box->ops->complete(box, "bash", "x", 1, 1, &e), -1);
    assert_int_equal(box->ops->complete(box, "python", "\xff", 1, 1, &e), -1);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_int_equal(box->ops->get(box, "a", 1, &e), 0);
    assert_int_equal(box->ops->get(box, "a", 1, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    await(&told.files, 1);
    assert_int_equal(told.file.code, ERR_LIMIT); /* two bytes are more than one */
    box->ops->close(NULL);
    assert_int_equal(box->ops->get(box, "a", 9, &e), 0);
    tear_down(); /* with an errand under way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_interpreters_are_found_again),
        cmocka_unit_test(a_python_that_answers_oddly_is_replaced),
        cmocka_unit_test(what_can_not_be_attached_to),
        cmocka_unit_test(killed_while_it_is_found_again),
        cmocka_unit_test(it_is_kept_alive),
        cmocka_unit_test(its_time_is_up),
        cmocka_unit_test(its_money_is_used_up),
        cmocka_unit_test(its_end_moves_with_the_money),
        cmocka_unit_test(no_room_is_waited_for),
        cmocka_unit_test(no_room_for_a_paused_one),
        cmocka_unit_test(what_it_can_not_have),
        cmocka_unit_test(what_it_does_not_run),
        cmocka_unit_test(paths_stay_inside),
        cmocka_unit_test(what_it_has_not),
    };
    return cmocka_run_group_tests_name("e2b edges", tests, NULL, NULL);
}
