/* test_e2b_requests.c - the sandbox e2b when a request goes wrong: each one of a whole life, in
 * each way, once and for ever; killed and closed at each moment. Everything asked for ends once,
 * code is never sent twice, no success is told of what did not come, and what is left is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/e2b_machine.h"

static const struct fake_fault ways[] = {
    FAKE_NO_ANSWER,
    { .end = NET_ANSWERED, .status = 500 },
    { .end = NET_ANSWERED,
      .status = 502,
      .body = "{\"sandboxId\":\"i1\",\"message\":\"The sandbox was not found\",\"code\":502}" },
    { .end = NET_ANSWERED,
      .status = 502,
      .body = "{\"message\":\"The sandbox is running but port is not open\",\"code\":502}" },
    { .end = NET_ANSWERED, .status = 400, .body = "{\"code\":400,\"message\":\"bad\"}" },
    { .end = NET_ANSWERED, .status = 404, .body = "{\"code\":404,\"message\":\"none\"}" },
    { .end = NET_ANSWERED, .status = 409, .body = "no" },
    { .end = NET_ANSWERED,
      .status = 429,
      .body = "{\"code\":429,\"message\":\"you have reached the maximum number of concurrent E2B "
              "sandboxes\"}" },
    { .end = NET_ANSWERED, .status = 200, .body = "" },
    { .end = NET_ANSWERED, .status = 200, .body = "{" },
    { .end = NET_ANSWERED, .status = 200, .body = "[]" },
    { .end = NET_ANSWERED, .status = 200, .body = "{\"sandboxID\":\"A/b\",\"id\":\"x y\"}" },
    { .end = NET_ANSWERED, .status = 200, .body = OVER },
    { .end = NET_ANSWERED, .status = 200, .body = TROUBLE("ContextRestarting") OVER },
};

static bool over(void)
{
    return told.closed > 0;
}

static void run_code(const char *language, bool rich)
{
    static const char *const argv[] = { "prog", "x" }, *const exists[] = { "f" };
    char name[] = "in.csv", bytes[] = "1,2\n";
    struct sandbox_file file = { .name = name, .mode = 0644, .ptr = bytes, .len = 4 };
    struct sandbox_run rq = request(language, "print(6 * 7)");
    struct err e = ERR_INIT;
    unsigned had = told.finished, outputs = told.outputs;
    if (over())
        return;
    if (rich) {
        rq.argv = argv;
        rq.argv_count = 2;
        rq.input = "in";
        rq.input_len = 2;
        rq.files = &file;
        rq.file_count = 1;
        rq.exists = exists;
        rq.exists_count = 1;
        rq.check_code = "assert a";
        rq.check_code_len = 8;
    }
    if (box->ops->exec(box, &rq, &e) < 0) { /* its end is under way */
        assert_int_equal(e.code, ERR_CANCELLED);
        await(&told.closed, 1);
        return;
    }
    await(&told.finished, had + 1);
    assert_int_equal(told.finished, had + 1); /* also when it is closed */
    /* An answer that is whole and empty is an end without output; else 42 was printed. */
    bool empty = fake.fault.body != NULL && strcmp(fake.fault.body, OVER) == 0;
    if (told.end == END_EXIT && told.outputs == outputs && !empty)
        fail_msg("%s: a success without its output, behind %s, with %d '%s'", language, fake.last,
                 fake.fault.status, fake.fault.body != NULL ? fake.fault.body : "");
    turns(6); /* its report */
}

/* Beside a run; busy for a moment is fine. */
#define ASIDE(call, count)                                                                         \
    do {                                                                                           \
        err_clear(&e);                                                                             \
        unsigned had = (count);                                                                    \
        for (unsigned i = 0; i < 2000 && !over() && (call) < 0 && e.code == ERR_BUSY; i++) {       \
            assert_int_equal(loop_turn(lp, 100, &e), 0);                                           \
            err_clear(&e);                                                                         \
        }                                                                                          \
        if (!over() && e.code == ERR_NONE) {                                                       \
            await(&(count), had + 1);                                                              \
            assert_true(over() || (count) == had + 1);                                             \
        }                                                                                          \
    } while (0)

static void files_and_names(void)
{
    char name[] = "a.txt", bytes[] = "text";
    struct sandbox_file f = { .name = name, .mode = 0600, .ptr = bytes, .len = 4 };
    struct err e = ERR_INIT;
    ASIDE(box->ops->put(box, &f, &e), told.files);
    ASIDE(box->ops->get(box, "a.txt", 100, &e), told.files);
    ASIDE(box->ops->complete(box, "python", "ab", 2, 5, &e), told.names);
}

/* false: it sleeps on. */
static bool sleep_and_wake(void)
{
    struct err e = ERR_INIT;
    unsigned ready = told.ready;
    ASIDE(box->ops->pause(box, &e), told.paused);
    if (over() || told.pausing.code != ERR_NONE)
        return true;
    if (box->ops->wake(box, &e) < 0)
        return false;
    unsigned paused = told.paused, both = 0;
    for (unsigned i = 0; both == 0 && !over(); i++) {
        assert_true(i < 72000);
        assert_int_equal(loop_turn(lp, 100, &e), 0);
        both = (told.ready > ready) + (told.paused > paused);
    }
    turns(4);
    return told.paused == paused;
}

static void freeze(void)
{
    struct err e = ERR_INIT;
    unsigned keep;
    ASIDE(box->ops->snapshot(box, told.finished, &keep, &e), told.snapshots);
    ASIDE(box->ops->drop_snapshot(box, 1, "t/airlock-s1-1-1:default", &e), told.snapshots);
}

static unsigned runs_of_a_life;

static void go_through(void)
{
    await(&told.ready, 1);
    run_code("python", false);
    run_code("python", true);
    files_and_names();
    run_code("bash", true);
    if (sleep_and_wake()) {
        run_code("javascript", false);
        freeze();
        run_code("python", false);
    }
    if (!over())
        box->ops->kill(box, END_KILLED);
    await(&told.closed, 1);
    runs_of_a_life = told.finished;
}

static void each_request_in_each_way(void **state)
{
    static const unsigned often[] = { 1, 1000 };
    (void)state;
    set_up();
    open_box();
    go_through();
    unsigned n = fake.sent;
    assert_int_equal(runs_of_a_life, 5);
    assert_int_equal(told.end, END_EXIT);
    assert_int_equal(told.states, 5);
    assert_int_equal(told.restored, 1);
    assert_int_equal(told.kept, 1);
    assert_true(told.confirmed);
    assert_false(server.alive);
    tear_down();
    assert_true(n > 30 && n < 90);
    for (size_t w = 0; w < ARRAY_LEN(ways); w++)
        for (unsigned at = 0; at < n; at++)
            for (size_t k = 0; k < ARRAY_LEN(often); k++) {
                set_up();
                fake_fail(&ways[w], at, often[k]);
                open_box();
                go_through();
                bool lies = ways[w].status == 200 || ways[w].status == 404; /* to DELETE */
                if (told.confirmed && server.alive && !lies)
                    fail_msg("way %zu, %u times from request %u: one is left, unknown", w, often[k],
                             at);
                if (server.executed + server.processes > runs_of_a_life)
                    fail_msg("way %zu, %u times from request %u: %u runs, %u cells, %u processes",
                             w, often[k], at, runs_of_a_life, server.executed, server.processes);
                tear_down();
            }
}

static void killed_and_closed_at_each_moment(void **state)
{
    enum { KILL, CLOSE, FAREWELL, INTERRUPT, WAYS };
    unsigned unknown = 0; /* a creation was under way */
    (void)state;
    for (int how = KILL; how < WAYS; how++)
        for (unsigned at = 0; at < 40; at++) {
            struct err e = ERR_INIT;
            set_up();
            open_box();
            start_code("python", "print(42)");
            for (unsigned i = 0; i < at; i++)
                assert_int_equal(loop_turn(lp, 1, &e), 0);
            bool done = told.finished == 1;
            if (how == KILL) {
                box->ops->kill(box, END_KILLED);
                box->ops->kill(box, END_KILLED);
                await(&told.closed, 1);
                assert_int_equal(told.finished, 1);
                assert_true(done || told.end == END_KILLED);
                assert_true(told.confirmed);
                struct sandbox_run rq = request("python", "");
                assert_int_equal(box->ops->exec(box, &rq, &e), -1);
                assert_int_equal(e.code, ERR_CANCELLED);
            } else if (how == INTERRUPT) {
                box->ops->interrupt(box);
                await(&told.finished, 1);
                assert_int_equal(told.finished, 1);
                assert_true(done || told.end == END_INTERRUPTED || told.end == END_EXIT);
            } else if (how == FAREWELL) {
                bool known = box->ops->farewell(box);
                unknown += !known;
                assert_true(!known || !server.alive);
            }
            tear_down();
            if (server.alive)
                fail_msg("end %d, turn %u: it is left", how, at);
        }
    assert_true(unknown < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_in_each_way),
        cmocka_unit_test(killed_and_closed_at_each_moment),
    };
    return cmocka_run_group_tests_name("e2b requests", tests, NULL, NULL);
}
