/* test_utf8.c - every code point there and back; every ill-formed beginning refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/utf8.h"

static void test_all_code_points(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110000; cp++) {
        char out[4];
        uint32_t back = 0xFFFFFFFF;
        unsigned n = utf8_encode(cp, out);
        unsigned want = cp < 0x80                                         ? 1
                        : cp < 0x800                                      ? 2
                        : (cp >= 0xD800 && cp <= 0xDFFF) || cp > 0x10FFFF ? 0
                        : cp < 0x10000                                    ? 3
                                                                          : 4;
        assert_int_equal(n, want);
        if (n == 0)
            continue;
        assert_int_equal(utf8_decode(out, n, &back), n);
        assert_int_equal(back, cp);
        assert_true(utf8_is_valid(out, n));
        for (unsigned cut = 1; cut < n; cut++)
            assert_int_equal(utf8_decode(out, cut, &back), 0);
    }
    char out[4];
    assert_int_equal(utf8_encode(UINT32_MAX, out), 0);
}

/* All sequences of three bytes, against what the encoder makes: so nothing else is accepted. */
static void test_nothing_else(void **state)
{
    (void)state;
    for (uint32_t seq = 0; seq < 1 << 24; seq++) {
        char p[3] = { (char)(seq >> 16), (char)(seq >> 8), (char)seq }, again[4];
        uint32_t cp;
        unsigned n = utf8_decode(p, 3, &cp);
        if (n == 0)
            continue;
        if (utf8_encode(cp, again) != n || memcmp(p, again, n) != 0)
            fail_msg("%06x", seq);
    }
    for (uint32_t seq = 0; seq < 1 << 20; seq++) { /* F0..F7, and the other three almost free */
        char p[4] = { (char)(0xF0 | seq >> 17), (char)(0x60 | (seq >> 10 & 0x7F)),
                      (char)(0x80 ^ (seq >> 3 & 0xC0)), (char)(0x80 ^ ((seq & 0xFF) << 3)) },
             again[4];
        uint32_t cp;
        unsigned n = utf8_decode(p, 4, &cp);
        if (n != 0 && (utf8_encode(cp, again) != n || memcmp(p, again, n) != 0))
            fail_msg("%06x", seq);
    }
}

static void test_ill_formed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3(",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2(\xa1",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xef\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint32_t cp = 7;
        assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &cp), 0);
        assert_int_equal(cp, 7);
        assert_int_equal(utf8_valid_prefix(bad[i], strlen(bad[i])), 0);
    }
}

/* A bad byte at every offset of texts of every length up to some words: the prefix ends there. */
static void test_prefix(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_prefix("", 0), 0);
    assert_true(utf8_is_valid(NULL, 0));
    for (size_t len = 1; len <= 70; len++) {
        char *p = xmalloc(len);
        memset(p, 'a', len);
        assert_int_equal(utf8_valid_prefix(p, len), len);
        for (size_t i = 0; i < len; i++) {
            p[i] = '\xff';
            assert_int_equal(utf8_valid_prefix(p, len), i);
            assert_false(utf8_is_valid(p, len));
            if (i + 1 < len) {
                memcpy(p + i, "\xc3\xa9", 2);
                assert_int_equal(utf8_valid_prefix(p, len), len);
                p[i + 1] = 'a';
                assert_int_equal(utf8_valid_prefix(p, len), i);
            }
            p[i] = 'a';
        }
        free(p);
    }
}

/* The fast way agrees with walking by utf8_decode. */
static void test_random(void **state)
{
    (void)state;
    unsigned seed = 11;
    for (int round = 0; round < 100000; round++) {
        static const char pool[] = "abcdefgh\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\x80";
        char p[64];
        size_t len = (size_t)rand_r(&seed) % sizeof p, at = 0;
        for (size_t i = 0; i < len;) {
            size_t from = (size_t)rand_r(&seed) % (sizeof pool - 1);
            for (size_t n = (size_t)rand_r(&seed) % 9; n > 0 && i < len && pool[from] != 0; n--)
                p[i++] = pool[from++];
        }
        while (at < len) {
            uint32_t cp;
            unsigned n = utf8_decode(p + at, len - at, &cp);
            if (n == 0)
                break;
            at += n;
        }
        assert_int_equal(utf8_valid_prefix(p, len), at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_code_points), cmocka_unit_test(test_nothing_else),
        cmocka_unit_test(test_ill_formed),      cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
