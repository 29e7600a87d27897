/* test_managed_faults.c - claude-managed when a request goes wrong: each one, in each way; killed
 * and closed at each moment. Every run ends once, the sandbox too, what is left is known, and no
 * success is told of what did not come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/managed_box.h"

static const struct fake_fault ways[] = {
    FAKE_NO_ANSWER,
    { .end = NET_TOO_LARGE, .left = true },
    { .end = NET_ANSWERED, .status = 500 },
    { .end = NET_ANSWERED,
      .status = 400,
      .body = "{\"error\":{\"type\":\"invalid_request_error\"}}" },
    { .end = NET_ANSWERED, .status = 404 },
    { .end = NET_ANSWERED, .status = 409 },
    { .end = NET_ANSWERED, .status = 529 },
    { .end = NET_ANSWERED, .status = 200, .body = "" },
    { .end = NET_ANSWERED, .status = 200, .body = "{" },
    { .end = NET_ANSWERED, .status = 200, .body = "[]" },
    { .end = NET_ANSWERED, .status = 200, .body = "{\"id\":\"a/b\"}" },
    { .end = NET_ANSWERED, .status = 200, .body = "{\"id\":\"x_1\",\"version\":0,\"data\":{}}" },
};

/* Two small runs, the second in the session of the first, and one that is too large for it. */
static const char *code_of(unsigned i)
{
    static char large[CLAUDE_LITERAL_MAX + 100];
    memset(large, '#', sizeof large - 1);
    return i == 2 ? large : "print(42)";
}

static bool alive_or_gone(void)
{
    return told.closed > 0;
}

/* As a session would use it; stops where it ended. */
static void go_through(unsigned runs)
{
    for (unsigned i = 0; i < runs && !alive_or_gone(); i++) {
        unsigned had = told.finished;
        start_code(code_of(i));
        await(&told.finished, had + 1);
        turns(4);
        if (told.end == END_EXIT && told.outputs == 0)
            fail_msg("a success without its output, behind %s", fake.last);
    }
    if (!alive_or_gone())
        box->ops->kill(box, END_KILLED);
    await(&told.closed, 1);
    assert_int_equal(told.closed, 1);
    assert_true(told.finished <= runs);
}

static unsigned requests_of_a_life(void)
{
    set_up();
    open_box();
    go_through(3);
    unsigned n = fake.sent;
    assert_int_equal(told.finished, 3);
    assert_int_equal(told.end, END_EXIT);
    assert_non_null(strstr(told.message, "in a new container"));
    assert_true(told.confirmed);
    tear_down();
    return n;
}

static void each_request_in_each_way(void **state)
{
    static const unsigned often[] = { 1, 100 };
    unsigned n = requests_of_a_life();
    (void)state;
    assert_true(n > 15 && n < 60);
    for (size_t w = 0; w < ARRAY_LEN(ways); w++)
        for (unsigned at = 0; at < n; at++)
            for (size_t k = 0; k < ARRAY_LEN(often); k++) {
                set_up();
                fake_fail(&ways[w], at, often[k]);
                open_box();
                go_through(3);
                bool lies = ways[w].status == 200 || ways[w].status == 404; /* to DELETE */
                if (told.confirmed && server.alive && !lies)
                    fail_msg("way %zu, %u times from request %u: a session is left, unknown", w,
                             often[k], at);
                if (server.allowed > told.finished)
                    fail_msg("way %zu, request %u: allowed twice", w, at);
                tear_down();
            }
}

/* The owner's own end, between any two turns of the loop. */
static void killed_and_closed_at_each_moment(void **state)
{
    enum { KILL, CLOSE, FAREWELL, INTERRUPT, ENDS_OF_IT };
    (void)state;
    unsigned unknown = 0; /* a creation was under way */
    for (int how = KILL; how < ENDS_OF_IT; how++)
        for (unsigned at = 0; at < 60; at++) {
            struct err e = ERR_INIT;
            set_up();
            open_box();
            start_code("print(42)");
            for (unsigned i = 0; i < at; i++)
                assert_int_equal(loop_turn(lp, 10, &e), 0);
            bool over = told.finished == 1;
            if (how == KILL) {
                box->ops->kill(box, END_KILLED);
                box->ops->kill(box, END_KILLED);
                await(&told.closed, 1);
                assert_int_equal(told.finished, 1);
                assert_true(over || told.end == END_KILLED);
                assert_true(told.confirmed);
                struct sandbox_run rq = { .run = 2, .language = "python", .code = "" };
                assert_int_equal(box->ops->exec(box, &rq, &e), -1);
                assert_int_equal(e.code, ERR_CANCELLED);
            } else if (how == INTERRUPT) {
                box->ops->interrupt(box);
                await(&told.finished, 1);
                assert_true(over || told.end == END_INTERRUPTED || told.end == END_EXIT);
                start_code("print(42)"); /* the next one goes */
                await(&told.finished, 2);
                assert_int_equal(told.end, END_EXIT);
            } else if (how == FAREWELL) {
                bool known = box->ops->farewell(box);
                unknown += !known;
                assert_true(!known || !server.alive);
                assert_int_equal(told.finished, over);
            }
            tear_down();
            if (server.alive || server.agent_there || server.environment_there)
                fail_msg("end %d, turn %u: something is left: session %d agent %d environment %d",
                         how, at, server.alive, server.agent_there, server.environment_there);
        }
    assert_true(unknown < 5);
}

/* Its creation was lost, and the owner does not wait for it. */
static void a_lost_creation_is_sought_to_the_end(void **state)
{
    static const struct {
        bool made, kill;
    } rows[] = { { true, false }, { true, true }, { false, false }, { false, true } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        fake.fault = (struct fake_fault){ .on = "POST /v1/sessions",
                                          .times = 1,
                                          .end = NET_CUT,
                                          .left = true,
                                          .served = rows[i].made };
        open_box();
        start_code("print(42)");
        for (unsigned k = 0; k < 200 && strncmp(fake.last, "GET /v1/sessions?", 17) != 0; k++)
            turns(1);
        if (rows[i].kill)
            box->ops->kill(box, END_KILLED);
        await(&told.finished, 1);
        assert_int_equal(told.end, rows[i].kill   ? END_KILLED
                                   : rows[i].made ? END_EXIT
                                                  : END_PROVIDER);
        if (!rows[i].kill && !rows[i].made)
            assert_non_null(strstr(told.message, "none is listed"));
        if (!rows[i].kill)
            box->ops->kill(box, END_KILLED);
        await(&told.closed, 1);
        assert_int_equal(told.confirmed, rows[i].made);
        assert_false(server.alive);
        tear_down();
    }
}

/* ---- the stream */

static void a_cut_stream_is_read_from_its_history(void **state)
{
    (void)state;
    for (size_t pages = 0; pages < 2; pages++)
        for (unsigned at = 0; at < 10; at++) {
            set_up();
            server.pages = pages;
            open_box();
            await(&told.ready, 1);
            start_code("print(42)");
            for (unsigned i = 0; i < 400 && server.told + server.calls < at; i++)
                turns(1);
            if (server.stream != NULL && !server.stream->gone)
                fake_end(server.stream, NET_CUT, true);
            await(&told.finished, 1);
            assert_int_equal(told.end, END_EXIT);
            assert_int_equal(server.allowed, 1);
            tear_down();
        }
}

static void a_stream_that_is_cut_for_ever_is_given_up(void **state)
{
    static const struct {
        struct fake_fault fault;
        const char *says;
    } rows[] = {
        { { .end = NET_CUT, .left = true }, "listening to the session" },
        { { .end = NET_ANSWERED, .status = 403 },
          "listening to the session: the server answered 403" },
        { { .end = NET_ANSWERED, .status = 200 }, "ends again and again" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_up();
        server.turn = nothing;
        open_box();
        start_code("print(42)");
        for (unsigned k = 0; k < 400 && server.command == NULL; k++)
            turns(1);
        fake.fault = rows[i].fault;
        fake.fault.on = "GET /v1/sessions/sesn_1/events/stream";
        fake.fault.times = 1000;
        fake_end(server.stream, NET_CUT, true);
        await(&told.finished, 1);
        assert_int_equal(told.end, END_PROVIDER);
        if (strstr(told.message, rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, told.message);
        fake.fault.times = 0;
        server.turn = good_turn;
        start_code("print(42)"); /* in another session */
        await(&told.finished, 2);
        assert_int_equal(told.end, END_EXIT);
        assert_int_equal(server.sessions, 2);
        tear_down();
    }
}

/* Nothing to tell for an hour is no cut: it is listened to again, as often as it takes. */
static void a_quiet_stream_is_opened_again(void **state)
{
    (void)state;
    set_up();
    terms.timeout_s = 86400;
    server.end = nothing;
    open_box();
    start_code("print(42)");
    for (unsigned i = 0; i < 400 && server.allowed == 0; i++)
        turns(1);
    for (unsigned i = 0; i < 30; i++) {
        fake_end(server.stream, NET_TIMEOUT, true);
        for (unsigned k = 0; k < 40 && (server.stream == NULL || server.stream->gone); k++) {
            struct err e = ERR_INIT;
            assert_int_equal(loop_turn(lp, 10, &e), 0);
        }
        turns(6);
        assert_int_equal(told.finished, 0);
    }
    tell_all(good_end);
    await(&told.finished, 1);
    assert_int_equal(told.end, END_EXIT);
    tear_down();
}

static void what_is_no_event_is_given_up(void **state)
{
    static const char *const bytes[] = { "data: {\n\n", "data: []\n\n", "data: {\"type\":1}\n\n" };
    (void)state;
    for (int running = 0; running < 2; running++)
        for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
            set_up();
            if (running)
                server.end = nothing;
            else
                server.turn = nothing;
            open_box();
            start_code("print(42)");
            for (unsigned k = 0;
                 k < 400 && (running ? server.allowed == 0 : server.command == NULL); k++)
                turns(1);
            turns(2);
            fake_data(server.stream, bytes[i], strlen(bytes[i]));
            await(&told.finished, 1);
            assert_int_equal(told.end, running ? END_UNKNOWN : END_PROVIDER);
            assert_non_null(strstr(told.message, "makes no sense"));
            assert_true(told.state_lost);
            tear_down();
            assert_false(server.alive);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_in_each_way),
        cmocka_unit_test(killed_and_closed_at_each_moment),
        cmocka_unit_test(a_lost_creation_is_sought_to_the_end),
        cmocka_unit_test(a_cut_stream_is_read_from_its_history),
        cmocka_unit_test(a_stream_that_is_cut_for_ever_is_given_up),
        cmocka_unit_test(a_quiet_stream_is_opened_again),
        cmocka_unit_test(what_is_no_event_is_given_up),
    };
    return cmocka_run_group_tests_name("managed faults", tests, NULL, NULL);
}
