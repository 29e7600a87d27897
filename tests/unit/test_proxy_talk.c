/* test_proxy_talk.c - one connection of the proxy: what is refused and how that is told, which
 * addresses a name may lead to, and the record before anything goes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/proxy_world.h"

/* ---- refused ---- */

static void what_reaches_nobody_is_told_and_why(void **state)
{
    static const struct {
        const char *says, *method, *host;
        uint32_t port;
        const char *status, *why;
    } rows[] = {
        { "", "", "", 0, "400 Bad Request", "nothing was asked" },
        { "CONNECT a.example:443 HTTP/1.1\r\n", "", "", 0, "400 Bad Request",
          "the request is not whole" },
        { "nonsense\r\n\r\n", "", "", 0, "400 Bad Request", "not an HTTP request" },
        { "CONNECT b.example:443 HTTP/1.1\r\n\r\n", "CONNECT", "b.example", 443, "403 Forbidden",
          "not on the allow list" },
        { "CONNECT a.example:22 HTTP/1.1\r\n\r\n", "CONNECT", "a.example", 22, "403 Forbidden",
          "not on the allow list" },
        { "GET http://B.example/x HTTP/1.1\r\nA: b\r\n\r\n", "HTTP", "b.example", 80,
          "403 Forbidden", "not on the allow list" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        struct proxy_note n;
        set_up(&w);
        allow(&w, "a.example");
        begin(&w);
        say(w.client, rows[i].says);
        assert_int_equal(shutdown(w.client, SHUT_WR), 0);
        assert_true(hear(&w, &n, NULL));
        assert_int_equal(n.kind, PROXY_ASKED);
        assert_int_equal(n.verdict, PROXY_REFUSED);
        assert_string_equal(n.method, rows[i].method);
        assert_string_equal(n.host, rows[i].host);
        assert_int_equal(n.port, rows[i].port);
        assert_string_equal(n.why, rows[i].why);
        expect_page(&w, rows[i].status, "X-Proxy-Error: refused\r\n", rows[i].why);
        end(&w);
    }
}

static void a_head_without_end_is_not_kept(void **state)
{
    static char blob[PROXY_HEAD_MAX + 8192];
    struct world w;
    struct proxy_note n;
    size_t sent = 0;
    (void)state;
    memset(blob, 'a', sizeof blob);
    set_up(&w);
    begin(&w);
    while (sent < sizeof blob) {
        ssize_t k = send(w.client, blob + sent, sizeof blob - sent, MSG_NOSIGNAL);
        if (k < 0)
            break;
        sent += (size_t)k;
    }
    assert_true(hear(&w, &n, NULL));
    assert_string_equal(n.why, "the request is not whole");
    assert_string_equal(n.host, "");
    end(&w);
}

static void all_bytes_spent_is_the_end(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    set_up(&w);
    allow(&w, "a.example");
    atomic_store(&w.server.shared->bytes, PROXY_BYTES_MAX);
    begin(&w);
    say(w.client, "CONNECT a.example:443 HTTP/1.1\r\n\r\n");
    assert_true(hear(&w, &n, NULL));
    assert_int_equal(n.verdict, PROXY_REFUSED);
    expect_page(&w, "503 Service Unavailable", "refused",
                "this sandbox has moved all the bytes it may");
    end(&w);
}

/* ---- names ---- */

static void names_lead_only_to_public_addresses(void **state)
{
    static const struct {
        const char *addresses, *own, *why; /* why NULL: it is allowed */
    } rows[] = {
        { "127.0.0.1", NULL, "the name leads to 127.0.0.1, which is loopback" },
        { "::1", NULL, "the name leads to ::1, which is loopback" },
        { "10.0.0.1 169.254.169.254", NULL,
          "the name leads to 169.254.169.254, which is cloud metadata" },
        { "fd00::1", NULL, "the name leads to fd00::1, which is private" },
        { "::ffff:192.168.1.1", NULL, "the name leads to ::ffff:192.168.1.1, which is private" },
        { "8.8.4.4", NULL, "the name leads to 8.8.4.4, which is this machine's own" },
        { "::ffff:8.8.4.4", NULL, "the name leads to ::ffff:8.8.4.4, which is this machine's own" },
        { "64:ff9b::8.8.4.4", NULL,
          "the name leads to 64:ff9b::808:404, which is this machine's own" },
        { "2606:4700::1", NULL, "the name leads to 2606:4700::1, which is this machine's own" },
        { "8.8.8.8", "-", "the name leads to 8.8.8.8, which is this machine's own" },
        { "8.8.8.8", NULL, NULL },
        { "2606:4700::2", NULL, NULL },
        { "10.0.0.1 8.8.8.8", NULL, NULL }, /* what may not be reached is left out */
        { "8.8.8.8 10.0.0.1", NULL, NULL },
        { "8.8.8.1 8.8.8.2 8.8.8.3 8.8.8.4 8.8.8.5 8.8.8.6 8.8.8.7 8.8.8.8 8.8.8.9 8.8.8.10", NULL,
          NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        struct proxy_note n;
        set_up(&w);
        allow(&w, "a.example");
        fake.addresses = rows[i].addresses;
        if (rows[i].own != NULL)
            fake.own = rows[i].own;
        begin(&w);
        say(w.client, "CONNECT a.example:443 HTTP/1.1\r\n\r\n");
        if (rows[i].why != NULL) {
            assert_true(hear(&w, &n, NULL));
            assert_int_equal(n.verdict, PROXY_REFUSED);
            assert_string_equal(n.why, rows[i].why);
            expect_page(&w, "403 Forbidden", "refused", rows[i].why);
        } else {
            record(&w, &n, 'n');
            expect_page(&w, "503 Service Unavailable", "refused",
                        "the attempt could not be recorded");
        }
        end(&w);
    }
}

static void a_name_that_does_not_resolve_failed(void **state)
{
    struct world w;
    struct proxy_note n;
    char why[160];
    (void)state;
    set_up(&w);
    allow(&w, "a.example");
    fake.error = EAI_NONAME;
    begin(&w);
    say(w.client, "CONNECT a.example:443 HTTP/1.1\r\n\r\n");
    assert_true(hear(&w, &n, NULL));
    assert_int_equal(n.verdict, PROXY_FAILED);
    snprintf(why, sizeof why, "the name does not resolve: %s", gai_strerror(EAI_NONAME));
    assert_string_equal(n.why, why);
    expect_page(&w, "502 Bad Gateway", "X-Proxy-Error: unreachable\r\n", why);
    end(&w);
}

/* ---- the record ---- */

enum record_end { SAYS_NO, SAYS_NOTHING, IS_GONE, RECORD_ENDS };

static void nothing_goes_out_before_it_is_on_record(void **state)
{
    (void)state;
    for (enum record_end how = SAYS_NO; how < RECORD_ENDS; how++) {
        struct world w;
        struct proxy_note n;
        int answer;
        set_up(&w);
        listen_outside(&w);
        begin(&w);
        if (how == IS_GONE)
            close(w.notes);
        char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n", w.port);
        say(w.client, ask);
        free(ask);
        if (how == SAYS_NO)
            record(&w, &n, 'n');
        if (how == SAYS_NOTHING) {
            assert_true(hear(&w, &n, &answer));
            close(answer);
        }
        expect_page(&w, "503 Service Unavailable", "refused", "the attempt could not be recorded");
        if (how == IS_GONE)
            w.notes = open("/dev/null", O_RDONLY | O_CLOEXEC);
        struct pollfd p = { .fd = w.listener, .events = POLLIN };
        assert_int_equal(poll(&p, 1, 0), 0);
        if (how == IS_GONE) {
            int status;
            assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
            assert_int_equal(status, 0);
            close(w.client);
            close(w.notes);
            close(w.listener);
            munmap(w.server.shared, sizeof *w.server.shared);
        } else {
            end(&w);
        }
    }
}

static void who_does_not_answer_is_told_of(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    set_up(&w);
    listen_outside(&w);
    close(w.listener); /* nobody is there any more */
    w.listener = -1;
    begin(&w);
    char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n", w.port);
    say(w.client, ask);
    free(ask);
    record(&w, &n, 'y');
    expect_closed(&w, &n);
    assert_int_equal(n.verdict, PROXY_FAILED);
    assert_string_equal(n.why, "could not connect: Connection refused");
    assert_string_equal(n.address, "");
    expect_page(&w, "502 Bad Gateway", "X-Proxy-Error: unreachable\r\n", n.why);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_reaches_nobody_is_told_and_why),
        cmocka_unit_test(a_head_without_end_is_not_kept),
        cmocka_unit_test(all_bytes_spent_is_the_end),
        cmocka_unit_test(names_lead_only_to_public_addresses),
        cmocka_unit_test(a_name_that_does_not_resolve_failed),
        cmocka_unit_test(nothing_goes_out_before_it_is_on_record),
        cmocka_unit_test(who_does_not_answer_is_told_of),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("proxy talk", tests, NULL, NULL);
}
