/* test_proxy_relay.c - one connection of the proxy that is let through: bytes both ways, counted,
 * until either side, the sandbox or its share of bytes ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/proxy_world.h"

static void accept_origin(struct world *w)
{
    await(w->listener, POLLIN);
    w->origin = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(w->origin >= 0);
}

/* As far as the yes; `more` comes right behind the head. */
static void open_tunnel(struct world *w, const char *more)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    char got[sizeof yes] = "";
    struct proxy_note n;
    set_up(w);
    listen_outside(w);
    begin(w);
    char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n%s", w->port, more);
    say(w->client, ask);
    free(ask);
    record(w, &n, 'y');
    accept_origin(w);
    await(w->client, POLLIN);
    assert_int_equal(recv(w->client, got, sizeof yes - 1, MSG_WAITALL), sizeof yes - 1);
    assert_string_equal(got, yes);
}

static void a_tunnel_carries_both_ways_until_both_are_done(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    open_tunnel(&w, "early ");
    say(w.client, "and late");
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    assert_string_equal(read_all(w.origin), "early and late");
    say(w.origin, "answer"); /* half a connection is enough for it */
    assert_int_equal(shutdown(w.origin, SHUT_WR), 0);
    assert_string_equal(read_all(w.client), "answer");
    expect_closed(&w, &n);
    assert_int_equal(n.sent, 14);
    assert_int_equal(n.received, 6);
    assert_string_equal(n.why, "");
    assert_string_equal(n.address, "127.0.0.1");
    assert_int_equal(atomic_load(&w.server.shared->bytes), 8 + 6);
    end(&w);
}

static void a_name_is_reached_at_the_first_address_that_answers(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    set_up(&w);
    listen_outside(&w);
    allow(&w, "a.example");
    fake.addresses = "8.8.8.8 9.9.9.9";
    fake.deaf = "8.8.8.8";
    fake.stand_in = w.port;
    begin(&w);
    say(w.client, "GET http://a.example/x HTTP/1.1\r\nHost: other\r\nA: b\r\n\r\nbody");
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    record(&w, &n, 'y');
    accept_origin(&w);
    static const char onward[] =
        "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nA: b\r\n\r\nbody";
    assert_string_equal(read_all(w.origin), onward);
    close(w.origin);
    w.origin = -1;
    assert_string_equal(read_all(w.client), "");
    expect_closed(&w, &n);
    assert_string_equal(n.address, "9.9.9.9");
    assert_string_equal(n.why, "");
    assert_int_equal(n.sent, sizeof onward - 1);
    end(&w);
}

/* More than the buffers between hold, to a reader that starts late: it waits, and loses nothing. */
static void a_slow_reader_gets_every_byte(void **state)
{
    enum { BYTES = 3 << 20, CHUNK = 1 << 16 };
    static char chunk[CHUNK];
    struct world w;
    struct proxy_note n;
    size_t sent = 0, got = 0;
    (void)state;
    open_tunnel(&w, "");
    assert_int_equal(fcntl(w.origin, F_SETFL, O_NONBLOCK), 0);
    while (got < BYTES) {
        ssize_t k = sent < BYTES ? send(w.origin, chunk, CHUNK, MSG_NOSIGNAL) : -1;
        if (k > 0) {
            sent += (size_t)k;
            continue;
        }
        assert_true(sent >= BYTES || errno == EAGAIN); /* full: now something is read */
        await(w.client, POLLIN);
        k = recv(w.client, chunk, CHUNK, MSG_DONTWAIT);
        assert_true(k > 0);
        got += (size_t)k;
    }
    while (got < sent) {
        await(w.client, POLLIN);
        ssize_t k = recv(w.client, chunk, CHUNK, MSG_DONTWAIT);
        assert_true(k > 0);
        got += (size_t)k;
    }
    close(w.origin);
    w.origin = -1;
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    expect_closed(&w, &n);
    assert_int_equal(n.received, sent);
    end(&w);
}

static void the_bytes_of_a_life_are_counted_while_they_move(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    open_tunnel(&w, "");
    atomic_store(&w.server.shared->bytes, PROXY_BYTES_MAX - 3);
    say(w.client, "four");
    expect_closed(&w, &n);
    assert_string_equal(n.why, "this sandbox has moved all the bytes it may");
    assert_string_equal(read_all(w.origin), "");
    end(&w);
}

static void a_sandbox_that_ends_says_how_far_it_came(void **state)
{
    struct world w;
    struct proxy_note n;
    char got[3];
    (void)state;
    open_tunnel(&w, "abc");
    assert_int_equal(recv(w.origin, got, 3, MSG_WAITALL), 3);
    say(w.origin, "x");
    await(w.client, POLLIN); /* it relays: the signal is heard */
    assert_int_equal(kill(w.pid, SIGTERM), 0);
    expect_closed(&w, &n);
    assert_string_equal(n.why, "the sandbox ended");
    assert_int_equal(n.sent, 3);
    assert_int_equal(n.received, 1);
    end(&w);
}

static void a_side_that_is_gone_ends_it(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    open_tunnel(&w, ""); /* the sandbox's side hangs up for good */
    close(w.client);
    w.client = -1;
    expect_closed(&w, &n);
    assert_string_equal(n.why, "");
    assert_string_equal(read_all(w.origin), "");
    end(&w);

    open_tunnel(&w, ""); /* the other one breaks off */
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(w.origin, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(w.origin);
    w.origin = -1;
    expect_closed(&w, &n);
    end(&w);
}

static void who_left_before_the_yes_sent_nothing(void **state)
{
    struct world w;
    struct proxy_note n;
    int answer;
    (void)state;
    set_up(&w);
    listen_outside(&w);
    begin(&w);
    char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\nsecret", w.port);
    say(w.client, ask);
    free(ask);
    assert_true(hear(&w, &n, &answer));
    close(w.client);
    w.client = -1;
    say(answer, "y");
    close(answer);
    expect_closed(&w, &n);
    assert_int_equal(n.sent, 0);
    accept_origin(&w);
    assert_string_equal(read_all(w.origin), "");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tunnel_carries_both_ways_until_both_are_done),
        cmocka_unit_test(a_name_is_reached_at_the_first_address_that_answers),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(the_bytes_of_a_life_are_counted_while_they_move),
        cmocka_unit_test(a_sandbox_that_ends_says_how_far_it_came),
        cmocka_unit_test(a_side_that_is_gone_ends_it),
        cmocka_unit_test(who_left_before_the_yes_sent_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("proxy relay", tests, NULL, NULL);
}
