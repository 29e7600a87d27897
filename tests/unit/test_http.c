/* test_http.c - the words of HTTP, and where requests may go: targets, fields, dates, origins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "base/http.h"
#include "base/net.h"

static void test_tokens(void **state)
{
    (void)state;
    static const char *const good[] = { "GET", "x-api-key", "A", "!#$%&'*+-.^_`|~9" };
    static const char *const bad[] = { "",
                                       "a b",
                                       "a:",
                                       "a\r\n",
                                       "\xc3\xa9",
                                       "a/b",
                                       "\x7f",
                                       ("0123456789012345678901234567890123456789012345678901234567"
                                        "8901234") };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(http_is_token(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(http_is_token(bad[i]));
}

static void test_field_values(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "a b", "a\tb", "\xc3\xa9", "Bearer x==" };
    static const char *const bad[] = { " a", "a ", "\ta", "a\r", "a\nb", "a\x01", "a\x7f", "\x1b" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(http_is_field_value(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(http_is_field_value(bad[i], strlen(bad[i])));
    assert_false(http_is_field_value("a\0b", 3));
}

static void test_targets(void **state)
{
    (void)state;
    static const char *const good[] = { "/",          "/v1/x",       "/a%20b",     "/a?b=c&d=e",
                                        "/...",       "/a/.b/c..",   "/a?x=../..", "/a//b",
                                        "/a:b@c;d,e", "/%2e%2e%2ea", "/?/../",     "/.a/..b" };
    static const char *const bad[] = {
        "",        "a",           "/a b",    "/a#b",    "/%",    "/%2",      "/%zz",
        "/%00",    "/.",          "/..",     "/./a",    "/../a", "/a/..",    "/a/.",
        "/a/../b", "/a/%2e%2E/b", "/%2e",    "/.%2e?x", "/a\\b", "/a\r\n",   "/\xc3\xa9",
        "/a\"b",   "/<",          "/..?x=1", "/a|b",    "/[",    "http://x/"
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!http_is_target(good[i]))
            fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (http_is_target(bad[i]))
            fail_msg("%s is accepted", bad[i]);
}

/* Whatever goes in, what is built is a target. */
static void test_building_targets(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        const char part[] = { (char)c, 'x', '\0' };
        struct buf b = BUF_INIT(100);
        assert_int_equal(0, http_add_segment(&b, part));
        assert_int_equal(0, http_add_query(&b, part, part));
        assert_int_equal(0, http_add_query(&b, "x", part));
        assert_true(http_is_target(buf_str(&b)));
        buf_release(&b);
    }
    struct buf b = BUF_INIT(20);
    static const char *const bad[] = { "", ".", ".." };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(-1, http_add_segment(&b, bad[i]));
    assert_int_equal(0, http_add_segment(&b, "a/../b"));
    assert_int_equal(0, http_add_query(&b, "q", ""));
    assert_string_equal("/a%2F..%2Fb?q=", buf_str(&b));
    assert_int_equal(-1, http_add_segment(&b, "0123456789"));
    buf_release(&b);
}

static void test_numbers(void **state)
{
    (void)state;
    const struct {
        const char *s;
        int64_t max, want;
    } cases[] = { { "0", 9, 0 },
                  { "007", 9, 7 },
                  { "9", 9, 9 },
                  { "10", 9, 9 },
                  { "", 9, -1 },
                  { "-1", 9, -1 },
                  { " 1", 9, -1 },
                  { "1 ", 9, -1 },
                  { "1e3", 9, -1 },
                  { "+1", 9, -1 },
                  { "9223372036854775807", INT64_MAX, INT64_MAX },
                  { "99999999999999999999999", INT64_MAX, INT64_MAX } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(cases[i].want, http_number(cases[i].s, cases[i].max));
}

static void test_dates(void **state)
{
    (void)state;
    const int64_t us = INT64_C(784111777) * 1000000;
    const struct {
        const char *s;
        int64_t want;
    } cases[] = { { "Sun, 06 Nov 1994 08:49:37 GMT", us },
                  { "Sunday, 06-Nov-94 08:49:37 GMT", us },
                  { "Sun Nov  6 08:49:37 1994", us },
                  { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
                  { "Sat, 01-Jan-00 00:00:00 GMT", INT64_C(946684800) * 1000000 },
                  { "Sun, 06 Nov 1994 08:49:37", -1 },
                  { "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
                  { "Sun, 06 Nov 1994 25:49:37 GMT", -1 },
                  { "Sun, 06 Nov 1994 -1:49:37 GMT", -1 },
                  { "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
                  { "Sun, 06 Nox 1994 08:49:37 GMT", -1 },
                  { "Sun, 06 nov 1994 08:49:37 GMT", -1 },
                  { "Sun, 06 Nov 1969 08:49:37 GMT", -1 },
                  { "1994-11-06T08:49:37Z", -1 },
                  { "", -1 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(cases[i].want, http_date_us(cases[i].s));
}

static void test_retry_after(void **state)
{
    (void)state;
    const int64_t us = INT64_C(784111777) * 1000000;
    const struct {
        const char *s;
        int64_t now, want;
    } cases[] = { { "0", us, 0 },
                  { "120", us, 120000 },
                  { "86400", us, 86400000 },
                  { "99999999999", us, 86400000 },
                  { "-5", us, -1 },
                  { "1.5", us, -1 },
                  { "soon", us, -1 },
                  { "", us, -1 },
                  { "Sun, 06 Nov 1994 08:49:37 GMT", us - 30000000, 30000 },
                  { "Sun, 06 Nov 1994 08:49:37 GMT", us + 1, 0 },
                  { "Sun, 06 Nov 1994 08:49:37 GMT", 0, 86400000 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(cases[i].want, http_retry_after_ms(cases[i].s, cases[i].now));
}

static void test_origins(void **state)
{
    (void)state;
    const struct {
        const char *url, *text; /* NULL: refused */
    } cases[] = {
        { "https://api.example.com", "https://api.example.com" },
        { "https://API.Example.com/", "https://api.example.com" },
        { "HTTPS://api.example.com:443/v1/", "https://api.example.com" },
        { "https://api.example.com:8443/base/path", "https://api.example.com:8443" },
        { "https://49999-abc_d.e2b.app", "https://49999-abc_d.e2b.app" },
        { "https://10.0.0.1", "https://10.0.0.1" },
        { "https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443" },
        { "http://localhost:11434", "http://localhost:11434" },
        { "http://127.0.0.1", "http://127.0.0.1" },
        { "http://127.8.9.1:80", "http://127.8.9.1" },
        { "http://[::1]:1", "http://[::1]:1" },
        { "http://example.com", NULL },
        { "http://localhost.example.com", NULL },
        { "http://10.0.0.1", NULL },
        { "http://[::2]", NULL },
        { "ftp://example.com", NULL },
        { "file:///etc/passwd", NULL },
        { "//example.com", NULL },
        { "example.com", NULL },
        { "", NULL },
        { "https://", NULL },
        { "https:///path", NULL },
        { "https://user@example.com", NULL },
        { "https://user:pw@example.com", NULL },
        { "https://example.com?x", NULL },
        { "https://example.com#x", NULL },
        { "https://example.com\\@evil", NULL },
        { "https://example.com/../x", NULL },
        { "https://example.com/a b", NULL },
        { "https://exa mple.com", NULL },
        { "https://exam\r\nple.com", NULL },
        { "https://ex\xc3\xa4mple.com", NULL },
        { "https://example.com:", NULL },
        { "https://example.com:0", NULL },
        { "https://example.com:65536", NULL },
        { "https://example.com:99999999999", NULL },
        { "https://example.com:8a", NULL },
        { "https://example..com", NULL },
        { "https://.example.com", NULL },
        { "https://example.com.", NULL },
        { "https://127.1", NULL }, /* resolvers take these for addresses */
        { "https://0x7f000001", NULL },
        { "https://2130706433", NULL },
        { "https://1.2.3.4.5", NULL },
        { "https://256.1.1.1", NULL },
        { "https://[::1", NULL },
        { "https://[]", NULL },
        { "https://[1.2.3.4]", NULL },
        { "https://::1", NULL },
        { "https://[::1]x", NULL },
        { "https://[fe80::1%25eth0]", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_origin *o = NULL;
        struct err e = ERR_INIT;
        int rc = net_origin_new(&o, cases[i].url, &e);
        if ((rc == 0) != (cases[i].text != NULL))
            fail_msg("%s: %d %s", cases[i].url, rc, e.msg);
        if (rc < 0) {
            assert_int_equal(ERR_USAGE, e.code);
            assert_null(o);
            continue;
        }
        assert_string_equal(cases[i].text, net_origin_text(o));
        net_origin_free(o);
    }
    net_origin_free(NULL);
}

static void test_long_hosts(void **state)
{
    (void)state;
    char url[400];
    struct net_origin *o;
    snprintf(url, sizeof url, "https://%063d.%063d.%063d.com", 0, 0, 0);
    assert_int_equal(0, net_origin_new(&o, url, NULL));
    net_origin_free(o);
    snprintf(url, sizeof url, "https://%064d.com", 0);
    assert_int_equal(-1, net_origin_new(&o, url, NULL));
    snprintf(url, sizeof url, "https://%063d.%063d.%063d.%063d.com", 0, 0, 0, 0);
    assert_int_equal(-1, net_origin_new(&o, url, NULL));
}

static void test_unix_origins(void **state)
{
    (void)state;
    struct net_origin *o = NULL;
    char path[200] = "/";
    assert_int_equal(0, net_origin_new_unix(&o, "/run/docker.sock", NULL));
    assert_string_equal("unix:/run/docker.sock", net_origin_text(o));
    net_origin_free(o);
    assert_int_equal(-1, net_origin_new_unix(&o, "docker.sock", NULL));
    assert_int_equal(-1, net_origin_new_unix(&o, "", NULL));
    memset(path + 1, 'a', 107);
    assert_int_equal(-1, net_origin_new_unix(&o, path, NULL));
    path[107] = '\0';
    assert_int_equal(0, net_origin_new_unix(&o, path, NULL));
    net_origin_free(o);
}

static void test_secrets(void **state)
{
    (void)state;
    static char long_key[600];
    memset(long_key, 'k', sizeof long_key - 1);
    const struct {
        const char *value;
        size_t len;
        int rc;
    } cases[] = { { "12345678", 8, 0 },
                  { long_key, 512, 0 },
                  { "1234567", 7, -1 },
                  { long_key, 513, -1 },
                  { "", 0, -1 },
                  { "1234567\n", 8, -1 },
                  { "1234\r\n5678", 10, -1 },
                  { "1234\0005678", 9, -1 },
                  { "12345678 ", 9, -1 },
                  { "1234567\xe9", 8, -1 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_origin *o;
        struct err e = ERR_INIT;
        assert_int_equal(0, net_origin_new(&o, "https://h.example", NULL));
        assert_int_equal(cases[i].rc,
                         net_origin_add_secret(o, "X-Key", "", cases[i].value, cases[i].len, &e));
        if (cases[i].rc < 0) {
            assert_int_equal(ERR_FORMAT, e.code);
            assert_true(cases[i].len == 0 || strstr(e.msg, cases[i].value) == NULL);
        }
        net_origin_free(o);
    }
}

static void test_header_lines(void **state)
{
    const char *lines = " A : b c \r\n\n\t\nno colon\nX-Key:k\n:v";
    static const char *const want[][2] = {
        { "A", "b c" }, { "", "" }, { "X-Key", "k" }, { "", "v" }
    };
    struct http_line l;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(http_next_line(&lines, &l));
        assert_int_equal(l.name_len, strlen(want[i][0]));
        assert_memory_equal(l.name, want[i][0], l.name_len);
        assert_int_equal(l.value_len, strlen(want[i][1]));
        if (l.value_len > 0)
            assert_memory_equal(l.value, want[i][1], l.value_len);
    }
    assert_false(http_next_line(&lines, &l));
    assert_true(http_is_secret_name("Authorization") && http_is_secret_name("x-gateway-TOKEN"));
    assert_false(http_is_secret_name("X-Team"));
}

static void test_local_origins(void **state)
{
    static const struct {
        const char *url;
        bool local;
    } cases[] = {
        { "http://localhost:11434/v1", true }, { "http://127.0.0.1:8080", true },
        { "http://[::1]:1/v1", true },         { "https://localhost", true },
        { "https://example.com", false },      { "https://localhost.example.com", false }
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_origin *o = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(net_origin_new(&o, cases[i].url, &e), 0);
        assert_int_equal(net_origin_is_local(o), cases[i].local);
        assert_false(net_origin_has_secret(o, "authorization"));
        assert_int_equal(net_origin_add_secret(o, "authorization", "Bearer ", "12345678", 8, &e),
                         0);
        assert_true(net_origin_has_secret(o, "Authorization"));
        net_origin_free(o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),        cmocka_unit_test(test_field_values),
        cmocka_unit_test(test_targets),       cmocka_unit_test(test_building_targets),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_dates),
        cmocka_unit_test(test_retry_after),   cmocka_unit_test(test_origins),
        cmocka_unit_test(test_long_hosts),    cmocka_unit_test(test_unix_origins),
        cmocka_unit_test(test_secrets),       cmocka_unit_test(test_header_lines),
        cmocka_unit_test(test_local_origins),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
