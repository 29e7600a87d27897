/* test_ndjson.c - lines of a stream: ends, ceilings, and every way to split bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "base/ndjson.h"

#define MAX 8

static void on_line(void *arg, const char *line, size_t len)
{
    struct buf *b = arg;
    assert_true(len > 0);
    assert_int_equal(0, buf_add(b, line, len));
    assert_int_equal(0, buf_add_char(b, '|'));
}

static void check(const char *in, size_t len, const char *want, size_t want_len, int rc,
                  size_t pending)
{
    for (size_t piece = 1; piece <= len + 1; piece++) {
        struct buf got = BUF_INIT(1000);
        struct ndjson n;
        struct err e = ERR_INIT;
        int r = 0;
        ndjson_init(&n, MAX, on_line, &got);
        for (size_t at = 0; r == 0 && at < len; at += piece) {
            size_t some = piece > len - at ? len - at : piece;
            char *copy = xmemdup(in + at, some);
            r = ndjson_feed(&n, copy, some, &e);
            free(copy);
        }
        assert_int_equal(rc, r);
        assert_int_equal(want_len, got.len);
        if (want_len > 0)
            assert_memory_equal(want, got.ptr, want_len);
        if (r < 0) {
            assert_int_equal(ERR_LIMIT, e.code);
            assert_int_equal(-1, ndjson_feed(&n, "\n", 1, &e));
            assert_int_equal(-1, ndjson_end(&n, &e));
        } else {
            assert_int_equal(pending, ndjson_pending(&n));
            assert_int_equal(0, ndjson_end(&n, &e));
            assert_int_equal(0, ndjson_pending(&n));
            assert_int_equal(want_len + (pending > 0 ? pending + 1 : 0), got.len);
        }
        ndjson_release(&n);
        buf_release(&got);
    }
}

static void test_lines(void **state)
{
    (void)state;
    const struct {
        const char *in, *want;
        int rc;
        size_t pending;
    } cases[] = {
        { "", "", 0, 0 },
        { "a\n", "a|", 0, 0 },
        { "a\nbc\n", "a|bc|", 0, 0 },
        { "a\nbc", "a|", 0, 2 },
        { "a\r\nb\r\n", "a|b|", 0, 0 },
        { "\n\n\r\na\n\n", "a|", 0, 0 },
        { "a\rb\n", "a\rb|", 0, 0 },
        { "a\r\r\n", "a\r|", 0, 0 },
        { "12345678\nx\n", "12345678|x|", 0, 0 },
        { "1234567\r\n", "1234567|", 0, 0 },
        { "a\n123456789\nb\n", "a|", -1, 0 },
        { "a\n123456789", "a|", -1, 0 },
        { "12345678\r\n", "", -1, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].in, strlen(cases[i].in), cases[i].want, strlen(cases[i].want), cases[i].rc,
              cases[i].pending);
    check("a\0b\n\xff\n", 6, "a\0b|\xff|", 6, 0, 0);
}

/* A line in a thousand pieces costs no more than its bytes. */
static void test_many_pieces(void **state)
{
    (void)state;
    struct buf got = BUF_INIT(1 << 20);
    struct ndjson n;
    ndjson_init(&n, 1 << 20, on_line, &got);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(0, ndjson_feed(&n, "abcde", 5, NULL));
    assert_int_equal(500000, ndjson_pending(&n));
    assert_int_equal(0, ndjson_feed(&n, "\n", 1, NULL));
    assert_int_equal(500001, got.len);
    ndjson_release(&n);
    buf_release(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_many_pieces),
    };
    return cmocka_run_group_tests_name("ndjson", tests, NULL, NULL);
}
