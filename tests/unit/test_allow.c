/* test_allow.c - the allow list: items, what matches them, which addresses no name may lead to, and
 * the heads of proxy requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/buf.h"
#include "providers/allow.h"
#include "providers/proxy_head.h"

static void items_have_one_spelling(void **state)
{
    static const struct {
        const char *item, *spelled; /* NULL: no item */
    } cases[] = {
        { "a", "a" },
        { "Example.COM", "example.com" },
        { "example.com.", "example.com" },
        { "*.PyPI.org:8443", "*.pypi.org:8443" },
        { "a:00080", "a:80" },
        { "10.0.0.1:1", "10.0.0.1:1" },
        { "[2001:DB8:0:0::1]:443", "[2001:db8::1]:443" },
        { "[::ffff:10.0.0.1]", "10.0.0.1" },
        { "xn--bcher-kva.example", "xn--bcher-kva.example" },
        { "_x.example", "_x.example" },
        { "127.0.1", NULL },
        { "2130706433", "127.0.0.1" },
        { "0x7f000001", "127.0.0.1" },
        { "", NULL },
        { ".", NULL },
        { "*", NULL },
        { "*.", NULL },
        { "*.*.a", NULL },
        { "a.*.b", NULL },
        { "*.10.0.0.1", NULL },
        { "a..b", NULL },
        { ".a", NULL },
        { "a b", NULL },
        { "a/b", NULL },
        { "a@b", NULL },
        { "a:", NULL },
        { "a:0", NULL },
        { "a:65536", NULL },
        { "a:+80", NULL },
        { "a:80x", NULL },
        { "::1", NULL },
        { "[::1", NULL },
        { "[::1]x", NULL },
        { "[a]", NULL },
        { "1.2.3.4.5", NULL },
        { "1.2.3.256", NULL },
        { "a.0x", NULL },
        { "b\xc3\xbc"
          "cher.example",
          NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char item[64];
        snprintf(item, sizeof item, "%s", cases[i].item);
        bool ok = allow_item_normalise(item);
        if (ok != (cases[i].spelled != NULL))
            fail_msg("\"%s\" is %s item", cases[i].item, ok ? "an" : "no");
        assert_string_equal(item, ok ? cases[i].spelled : cases[i].item);
    }
}

static void names_have_a_ceiling(void **state)
{
    char name[300];
    struct allow_host h;
    (void)state;
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 60 == 59 ? '.' : 'a';
    name[252] = 'a';
    assert_true(allow_host_read(&h, name, 253));
    assert_false(allow_host_read(&h, name, 255));
    memset(name, 'a', 64);
    assert_false(allow_host_read(&h, name, 64));
    assert_true(allow_host_read(&h, name, 63));
    assert_false(allow_host_read(&h, "a\0b", 3));
}

static void only_what_is_listed_matches(void **state)
{
    static const char *const items[] = { "example.com", "*.pypi.org", "plain.example:8080",
                                         "10.1.2.3:5000", "[2001:db8::1]" };
    static const struct {
        const char *target;
        bool match;
    } cases[] = {
        { "example.com:443", true },
        { "EXAMPLE.com.:80", true },
        { "example.com:22", false },
        { "www.example.com:443", false },
        { "example.com.evil.org:443", false },
        { "notexample.com:443", false },
        { "files.pypi.org:443", true },
        { "a.b.pypi.org:443", true },
        { "pypi.org:443", false },
        { "xpypi.org:443", false },
        { "plain.example:8080", true },
        { "plain.example:443", false },
        { "10.1.2.3:5000", true },
        { "10.1.2.3:443", false },
        { "0x0a010203:5000", true },
        { "10.66051:5000", true },
        { "[::ffff:10.1.2.3]:5000", true },
        { "[2001:db8:0::1]:443", true },
        { "[2001:db8::2]:443", false },
    };
    struct allow_rule rules[ARRAY_LEN(items)];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        assert_true(allow_rule_read(&rules[i], items[i]));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct allow_host h;
        uint16_t port = 0;
        assert_true(allow_target_read(&h, &port, cases[i].target, strlen(cases[i].target)));
        bool got = allow_find(rules, ARRAY_LEN(rules), &h, port) != NULL;
        if (got != cases[i].match)
            fail_msg("%s: %s", cases[i].target, got ? "let through" : "refused");
    }
}

static void addresses_are_told_apart(void **state)
{
    static const struct {
        const char *address, *kind; /* NULL: public */
    } cases[] = {
        { "8.8.8.8", NULL },
        { "1.1.1.1", NULL },
        { "172.15.255.255", NULL },
        { "172.32.0.0", NULL },
        { "100.63.255.255", NULL },
        { "100.128.0.0", NULL },
        { "223.255.255.255", NULL },
        { "198.17.0.1", NULL },
        { "198.20.0.1", NULL },
        { "2606:4700::1111", NULL },
        { "64:ff9b::808:808", NULL },
        { "0.0.0.0", "this network" },
        { "10.255.0.1", "private" },
        { "100.64.0.1", "shared, private" },
        { "100.100.100.200", "cloud metadata" },
        { "127.0.0.1", "loopback" },
        { "127.255.255.254", "loopback" },
        { "168.63.129.16", "cloud metadata" },
        { "169.254.1.1", "link-local" },
        { "169.254.169.254", "cloud metadata" },
        { "172.16.0.1", "private" },
        { "172.31.255.255", "private" },
        { "192.0.2.1", "documentation" },
        { "192.168.1.1", "private" },
        { "198.19.255.255", "reserved" },
        { "224.0.0.1", "multicast" },
        { "255.255.255.255", "reserved" },
        { "::", "this host" },
        { "::1", "loopback" },
        { "::127.0.0.1", "loopback" },
        { "::ffff:10.0.0.1", "private" },
        { "::ffff:8.8.8.8", NULL },
        { "64:ff9b::7f00:1", "loopback" },
        { "2002:7f00:1::", "a relay" },
        { "2001:0:1::", "reserved" },
        { "2001:db8::1", "documentation" },
        { "fd00:ec2::254", "cloud metadata" },
        { "fc00::1", "private" },
        { "fdff::1", "private" },
        { "fe80::1", "link-local" },
        { "febf::1", "link-local" },
        { "fec0::1", "private" },
        { "ff02::1", "multicast" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        bool is_v4 = inet_pton(AF_INET, cases[i].address, &v4.sin_addr) == 1;
        assert_true(is_v4 || inet_pton(AF_INET6, cases[i].address, &v6.sin6_addr) == 1);
        const char *kind = allow_address_kind(is_v4 ? (const struct sockaddr *)(const void *)&v4
                                                    : (const struct sockaddr *)(const void *)&v6);
        if ((kind == NULL) != (cases[i].kind == NULL) ||
            (kind != NULL && strcmp(kind, cases[i].kind) != 0))
            fail_msg("%s is %s, not %s", cases[i].address, kind != NULL ? kind : "public",
                     cases[i].kind != NULL ? cases[i].kind : "public");
    }
    struct sockaddr other = { .sa_family = AF_UNIX };
    assert_non_null(allow_address_kind(&other));
}

static void heads_are_read_strictly(void **state)
{
    static const struct {
        const char *head;
        const char *target; /* "host:port"; NULL: refused */
        const char *onward; /* of a plain request */
    } cases[] = {
        { "CONNECT a:443 HTTP/1.1\r\n\r\n", "a:443", "" },
        { "connect a:443 HTTP/1.0\r\nHost: b\r\n\r\n", "a:443", "" },
        { "CONNECT [::1]:9 HTTP/1.1\r\n\r\n", "::1:9", "" },
        { "GET http://a HTTP/1.1\r\n\r\n", "a:80",
          "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" },
        { "GET http://a?q HTTP/1.1\r\n\r\n", "a:80",
          "GET /?q HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" },
        { "PUT HTTP://a:81/x HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\nConnection: x\r\n"
          "Proxy-Connection: keep-alive\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n",
          "a:81",
          "PUT /x HTTP/1.1\r\nHost: a:81\r\nConnection: close\r\nContent-Length: 3\r\n\r\n" },
        { "CONNECT a HTTP/1.1\r\n\r\n", NULL, NULL },
        { "CONNECT a:0 HTTP/1.1\r\n\r\n", NULL, NULL },
        { "CONNECT http://a:1 HTTP/1.1\r\n\r\n", NULL, NULL },
        { "CONNECT  a:1 HTTP/1.1\r\n\r\n", NULL, NULL },
        { "CONNECT a:1\r\n\r\n", NULL, NULL },
        { "CONNECT a:1 HTTP/2\r\n\r\n", NULL, NULL },
        { "CONNECT a:1 HTTP/1.1 x\r\n\r\n", NULL, NULL },
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", NULL, NULL },
        { "GET https://a/ HTTP/1.1\r\n\r\n", NULL, NULL },
        { "GET http:///x HTTP/1.1\r\n\r\n", NULL, NULL },
        { "GET http://u@a/ HTTP/1.1\r\n\r\n", NULL, NULL },
        { "GET http://a:x/ HTTP/1.1\r\n\r\n", NULL, NULL },
        { "G\x01T http://a/ HTTP/1.1\r\n\r\n", NULL, NULL },
        { "GET http://a/\t HTTP/1.1\r\n\r\n", NULL, NULL },
        { "GET http://a/ HTTP/1.1\r\nno colon\r\n\r\n", NULL, NULL },
        { "GET http://a/ HTTP/1.1\r\n: v\r\n\r\n", NULL, NULL },
        { "GET http://a/ HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", NULL, NULL },
        { "GET http://a/ HTTP/1.1\r\nA : b\r\n\r\n", NULL, NULL },
        { "GET http://a/ HTTP/1.1\r\nA: b\nHost: c\r\n\r\n", NULL, NULL },
        { "GET http://a/ HTTP/1.1\r\nA: b\rHost: c\r\n\r\n", NULL, NULL },
        { "\r\n\r\n", NULL, NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct proxy_head h;
        struct buf onward = BUF_INIT(2 * PROXY_HEAD_MAX);
        struct err e = ERR_INIT;
        size_t len = strlen(cases[i].head);
        char target[300] = "";
        assert_int_equal(proxy_head_len(cases[i].head, len), len);
        int rc = proxy_head_read(&h, &onward, cases[i].head, len, &e);
        if ((rc == 0) != (cases[i].target != NULL))
            fail_msg("case %zu: %s", i, rc == 0 ? "taken" : e.msg);
        if (rc == 0) {
            snprintf(target, sizeof target, "%s:%u", h.host.name, h.port);
            assert_string_equal(target, cases[i].target);
            assert_string_equal(buf_str(&onward), cases[i].onward);
        } else {
            assert_int_equal(e.code, ERR_FORMAT);
        }
        buf_release(&onward);
    }
}

static void half_a_head_is_none(void **state)
{
    static const char head[] = "CONNECT a:443 HTTP/1.1\r\nA: b\r\n\r\n";
    (void)state;
    for (size_t n = 0; n < sizeof head - 1; n++)
        assert_int_equal(proxy_head_len(head, n), 0);
    assert_int_equal(proxy_head_len("x\r\n\r\nmore", 9), 5);
    assert_int_equal(proxy_head_len(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_have_one_spelling),     cmocka_unit_test(names_have_a_ceiling),
        cmocka_unit_test(only_what_is_listed_matches), cmocka_unit_test(addresses_are_told_apart),
        cmocka_unit_test(heads_are_read_strictly),     cmocka_unit_test(half_a_head_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
