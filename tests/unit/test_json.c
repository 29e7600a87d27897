/* test_json.c - the strict reader, the exact writer, base64. */
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/utf8.h"

static struct json *parse(const char *text)
{
    struct json *v = NULL;
    struct err e = ERR_INIT;
    if (json_parse(&v, text, strlen(text), &e) < 0)
        fail_msg("%s: %s", text, e.msg);
    return v;
}

static void refuse(const char *text, size_t len, enum err_code code, const char *why)
{
    struct json *v = NULL;
    struct err e = ERR_INIT;
    /* An exact heap copy, so that a read past the end is seen by the sanitizer. */
    char *copy = xmalloc(len);
    memcpy(copy, text, len);
    if (json_parse(&v, copy, len, &e) == 0)
        fail_msg("was accepted: %.*s", (int)len, text);
    free(copy);
    assert_null(v);
    if (e.code != code || strstr(e.msg, why) == NULL)
        fail_msg("%.*s: code %d, \"%s\" lacks \"%s\"", (int)len, text, (int)e.code, e.msg, why);
}

#define BYTES(s) s, sizeof(s) - 1

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *why;
    } cases[] = {
        { BYTES(""), "byte 0: the text ends too early" },
        { BYTES("  "), "byte 2: the text ends too early" },
        { BYTES("{"), "byte 1: the text ends too early" },
        { BYTES("{\"1\":1,"), "byte 7: the text ends too early" },
        { BYTES("[1"), "byte 2: the text ends too early" },
        { BYTES("[1,]"), "byte 3: no JSON value" },
        { BYTES("[,1]"), "byte 1: no JSON value" },
        { BYTES("[1 2]"), "byte 3: ',' or ']'" },
        { BYTES("[1}"), "byte 2: ',' or ']'" },
        { BYTES("{\"a\":1]"), "byte 6: ',' or '}'" },
        { BYTES("{\"a\":1,}"), "byte 7: a key in quotes" },
        { BYTES("{a:1}"), "byte 1: a key in quotes" },
        { BYTES("{\"a\" 1}"), "byte 5: ':'" },
        { BYTES("1 2"), "byte 2: bytes behind" },
        { BYTES("{}x"), "byte 2: bytes behind" },
        { BYTES("{}\0"), "byte 2: bytes behind" },
        { BYTES("\xEF\xBB\xBF{}"), "byte 0: a byte order mark" },
        { BYTES("\"a"), "byte 2: the text ends too early" },
        { BYTES("\"a\\"), "byte 3: the text ends too early" },
        { BYTES("\"\\u12"), "byte 5: the text ends too early" },
        { BYTES("\"a\nb\""), "byte 2: raw control byte" },
        { BYTES("\"aaaaaaaaaaaaaaa\x1f\""), "byte 16: raw control byte" },
        { BYTES("\"\0\""), "byte 1: raw control byte" },
        { BYTES("\"\xff\""), "byte 1: invalid UTF-8" },
        { BYTES("\"\xc0\x80\""), "byte 1: invalid UTF-8" },
        { BYTES("\"\xed\xa0\x80\""), "byte 1: invalid UTF-8" },
        { BYTES("\"12345678\xc3\""), "byte 9: invalid UTF-8" },
        { BYTES("\"\\u0000\""), "byte 1: \\u0000" },
        { BYTES("{\"a\\u0000b\":1}"), "byte 3: \\u0000" },
        { BYTES("\"\\ud800\""), "byte 1: half of a surrogate" },
        { BYTES("\"\\udc00\""), "byte 1: half of a surrogate" },
        { BYTES("\"\\ud800\\u0041\""), "byte 1: half of a surrogate" },
        { BYTES("\"\\ud800\\n\""), "byte 1: half of a surrogate" },
        { BYTES("\"\\ud83d\\ud83d\""), "byte 1: half of a surrogate" },
        { BYTES("\"\\x41\""), "byte 2: no such escape" },
        { BYTES("\"\\u00g0\""), "byte 5: \\u needs four hex digits" },
        { BYTES("'a'"), "no JSON value" },
        { BYTES("tru"), "no JSON value" },
        { BYTES("nulll"), "byte 4: bytes behind" },
        { BYTES("NaN"), "no JSON value" },
        { BYTES("Infinity"), "no JSON value" },
        { BYTES("+1"), "no JSON value" },
        { BYTES(".5"), "no JSON value" },
        { BYTES("01"), "byte 1: bytes behind" },
        { BYTES("-"), "byte 1: the text ends too early" },
        { BYTES("-a"), "byte 1: a number needs a digit" },
        { BYTES("1."), "byte 2: the text ends too early" },
        { BYTES("1.e5"), "byte 2: a number needs a digit" },
        { BYTES("1e"), "byte 2: the text ends too early" },
        { BYTES("1e+x"), "byte 3: a number needs a digit" },
        { BYTES("1e999"), "byte 0: a number too large" },
        { BYTES("0x10"), "byte 1: bytes behind" },
        { BYTES("\x0b{}"), "byte 0: no JSON value" },
        { BYTES("{\"a\":1,\"a\":2}"), "the key \"a\" stands twice" },
        { BYTES("{\"code\":1,\"CODE\":2}"), "the key \"CODE\" stands twice" },
        { BYTES("{\"code\":1,\"c\\u006fde\":2}"), "the key \"code\" stands twice" },
        { BYTES("[{\"x\":{\"k\":1,\"K\":2}}]"), "the key \"K\" stands twice" },
        { BYTES("{\"\":1,\"\":2}"), "the key \"\" stands twice" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refuse(cases[i].text, cases[i].len, ERR_FORMAT, cases[i].why);
}

static void test_limits(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(8 << 20);
    struct json *v;
    struct err e = ERR_INIT;
    for (int deep = JSON_DEPTH_MAX; deep <= JSON_DEPTH_MAX + 1; deep++) {
        buf_reset(&b);
        for (int i = 0; i < deep; i++)
            buf_add_str(&b, i % 2 ? "{\"k\":" : "[");
        buf_add_str(&b, "1");
        for (int i = deep; i-- > 0;)
            buf_add_char(&b, i % 2 ? '}' : ']');
        if (deep > JSON_DEPTH_MAX) {
            refuse(b.ptr, b.len, ERR_LIMIT, "nested deeper than 64");
        } else {
            assert_int_equal(json_parse(&v, b.ptr, b.len, &e), 0);
            json_free(v);
        }
    }
    for (int n = JSON_NODES_MAX - 1; n <= JSON_NODES_MAX; n++) { /* and the array itself */
        buf_reset(&b);
        for (int i = 0; i < n; i++)
            buf_add_str(&b, i ? ",1" : "[1");
        buf_add_str(&b, "]");
        if (n == JSON_NODES_MAX) {
            refuse(b.ptr, b.len, ERR_LIMIT, "more than 200000 values");
        } else {
            assert_int_equal(json_parse(&v, b.ptr, b.len, &e), 0);
            assert_int_equal(json_len(v), n);
            json_free(v);
        }
    }
    char digits[80];
    memset(digits, '1', sizeof digits);
    refuse(digits, 64, ERR_LIMIT, "a number of more than 63");
    assert_int_equal(json_parse(&v, digits, 63, &e), 0);
    json_free(v);
    buf_release(&b);
}

static void test_many_keys(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(16 << 20);
    for (int twice = 0; twice < 2; twice++) {
        buf_reset(&b);
        for (int i = 0; i < 100000; i++)
            buf_addf(&b, "%s\"key%d\":%d", i ? "," : "{", i, i);
        buf_add_str(&b, twice ? ",\"KEY77777\":0}" : "}");
        if (twice) {
            refuse(b.ptr, b.len, ERR_FORMAT, "stands twice");
        } else {
            struct json *v = parse(b.ptr);
            assert_int_equal(json_get_int(v, "key99999", -1), 99999);
            json_free(v);
        }
    }
    buf_release(&b);
}

static void test_getters(void **state)
{
    (void)state;
    struct json *v = parse(" { \"s\" : \"a\\u00e9\\ud83d\\ude00\\n\\/\" , \"n\":null,\"t\":true,"
                           "\"f\":false,\"i\":-42,\"d\":1.5,\"a\":[1,\"two\",[]],\"o\":{}}\r\n\t");
    assert_string_equal(json_get_str(v, "s", NULL), "a\xc3\xa9\xf0\x9f\x98\x80\n/");
    assert_null(json_get(v, "n"));
    assert_null(json_get(v, "S"));
    assert_null(json_get(v, "absent"));
    assert_null(json_get(NULL, "s"));
    assert_null(json_get(json_get(v, "a"), "s"));
    assert_true(json_get_bool(v, "t", false));
    assert_false(json_get_bool(v, "f", true));
    assert_true(json_get_bool(v, "i", true));
    assert_int_equal(json_get_int(v, "i", 0), -42);
    assert_int_equal(json_get_int(v, "d", 7), 7);
    assert_int_equal(json_get_int(v, "s", 7), 7);
    assert_true(json_num(json_get(v, "d"), 0) == 1.5);
    assert_string_equal(json_get_str(v, "i", "dflt"), "dflt");
    const struct json *a = json_get(v, "a");
    assert_int_equal(json_len(a), 3);
    assert_int_equal(json_kind(json_at(a, 2)), JSON_ARRAY);
    assert_null(json_at(a, 3));
    assert_null(json_first(json_at(a, 2)));
    assert_string_equal(json_str(json_next(json_first(a)), ""), "two");
    assert_string_equal(json_key(json_at(v, 0)), "s");
    assert_int_equal(json_kind(json_at(v, 1)), JSON_NULL);
    assert_int_equal(json_kind(NULL), JSON_NULL);
    assert_int_equal(json_len(NULL), 0);
    assert_int_equal(json_len(json_get(v, "s")), 0);
    json_free(v);
    json_free(NULL);
}

static void test_exact_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t want; /* -1: refused as an integer */
    } cases[] = {
        { "0", 0 },
        { "-0", 0 },
        { "1.0", 1 },
        { "9007199254740991", INT64_C(9007199254740991) },
        { "9007199254740992", INT64_C(9007199254740992) },
        { "-9007199254740992", INT64_C(-9007199254740992) },
        { "9007199254740993", -1 },
        { "-9007199254740993", -1 },
        { "9007199254740991.4", -1 },
        { "0.99999999999999999999", -1 },
        { "9223372036854775807", -1 },
        { "99999999999999999999999", -1 },
        { "1e300", -1 },
        { "1e-400", -1 },
        { "0.5", -1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *v = parse(cases[i].text);
        if (json_int(v, -1) != cases[i].want)
            fail_msg("%s", cases[i].text);
        json_free(v);
    }
}

static void test_need(void **state)
{
    (void)state;
    struct json *v = parse("{\"s\":\"x\",\"i\":5,\"big\":9007199254740993,\"n\":null}");
    struct err e = ERR_INIT;
    const char *s = NULL;
    int64_t n = 0;
    assert_int_equal(json_need_str(v, "msg", "s", &s, &e), 0);
    assert_string_equal(s, "x");
    assert_int_equal(json_need_str(v, "msg", "i", &s, &e), -1);
    assert_string_equal(e.msg, "msg.i: not a string");
    assert_int_equal(json_need_str(v, "msg", "n", &s, &e), -1);
    assert_string_equal(e.msg, "msg.n: missing");
    assert_int_equal(json_need_int(v, "msg", "i", 0, 5, &n, &e), 0);
    assert_int_equal(n, 5);
    assert_int_equal(json_need_int(v, "msg", "i", 0, 4, &n, &e), -1);
    assert_string_equal(e.msg, "msg.i: not within 0 and 4");
    assert_int_equal(json_need_int(v, "msg", "big", 0, INT64_MAX, &n, &e), -1);
    assert_string_equal(e.msg, "msg.big: not an integer within 2^53");
    assert_int_equal(json_need_int(v, "msg", "gone", 0, 4, &n, &e), -1);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_int_equal(n, 5);
    json_free(v);
}

static void test_print(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        { " [ 1 , 2.50 , -0.0, \"a\\u0041\\u001f\\\"\\\\\\/\" ] ",
          "[1,2.5,-0,\"aA\\u001f\\\"\\\\/\"]" },
        { "{\"a\":{\"b\":[{}],\"c\":null},\"k\\n\":[true,false]}",
          "{\"a\":{\"b\":[{}],\"c\":null},\"k\\n\":[true,false]}" },
        { "[12345678901234567890,0.1234567890123456789,1e21,1E-7]",
          "[12345678901234567890,0.1234567890123456789,1e21,1E-7]" },
        { "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"", "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT(1000);
        struct json *v = parse(cases[i].in);
        assert_int_equal(json_print(v, &b), 0);
        assert_string_equal(b.ptr, cases[i].out);
        json_free(v);
        buf_release(&b);
    }
}

static void test_writer(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 16);
    struct json_w w;
    struct json *v = parse("{\"x\":[1]}");
    json_w_init(&w, &b);
    json_w_object(&w, NULL);
    json_w_str(&w, "s", "plain text that is longer than eight");
    json_w_str(&w, "null", NULL);
    json_w_strn(&w, "odd", BYTES("\0\x01\b\t\n\f\r\x1f \"\\/\x7f\xc3\xa9\xff\xed\xa0\x80z"));
    json_w_array(&w, "a");
    json_w_int(&w, NULL, INT64_MIN);
    json_w_int(&w, NULL, INT64_MAX);
    json_w_int(&w, NULL, 0);
    json_w_double(&w, NULL, 0.1);
    json_w_double(&w, NULL, 1.0 / 3);
    json_w_double(&w, NULL, 1e300);
    json_w_double(&w, NULL, -5);
    json_w_double(&w, NULL, (double)NAN);
    json_w_double(&w, NULL, (double)INFINITY);
    json_w_bool(&w, NULL, true);
    json_w_null(&w, NULL);
    json_w_raw(&w, NULL, "{}", 2);
    json_w_value(&w, NULL, v);
    json_w_array(&w, NULL);
    json_w_close_array(&w);
    json_w_close_array(&w);
    json_w_object(&w, "o");
    json_w_close_object(&w);
    json_w_base64(&w, "b", "\xff\xfe\xfd\xfc", 4);
    json_w_text_or_base64(&w, "text", "base64", "ok", 2);
    json_w_text_or_base64(&w, "text2", "base64", NULL, 0);
    json_w_text_or_base64(&w, "text3", "base643", "a\0b", 3);
    json_w_text_or_base64(&w, "text4", "base644", "\xff", 1);
    json_w_close_object(&w);
    assert_int_equal(json_w_end(&w), 0);
    assert_string_equal(
        b.ptr,
        "{\"s\":\"plain text that is longer than eight\",\"null\":null,"
        "\"odd\":\"\xef\xbf\xbd\\u0001\\b\\t\\n\\f\\r\\u001f \\\"\\\\/\x7f\xc3\xa9\xef\xbf\xbd"
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\","
        "\"a\":[-9223372036854775808,9223372036854775807,0,0.1,0.3333333333333333,1e+300,-5,null,"
        "null,true,null,{},{\"x\":[1]},[]],\"o\":{},\"b\":\"//79/A==\",\"text\":\"ok\","
        "\"text2\":\"\",\"base643\":\"YQBi\",\"base644\":\"/w==\"}");
    json_free(v);
    v = parse(b.ptr);
    json_free(v);
    buf_release(&b);
}

/* Whatever the ceiling, the writer never passes it and says so exactly when it was met. */
static void test_writer_full(void **state)
{
    (void)state;
    for (size_t max = 0; max < 80; max++) {
        struct buf b = BUF_INIT(max);
        struct json_w w;
        json_w_init(&w, &b);
        json_w_object(&w, NULL);
        json_w_str(&w, "key", "some\ntext\xff");
        json_w_int(&w, "n", -12);
        json_w_base64(&w, "b", "abcd", 4);
        json_w_array(&w, "a");
        json_w_close_array(&w);
        json_w_close_object(&w);
        int rc = json_w_end(&w);
        assert_true(b.len <= max);
        const char *whole =
            "{\"key\":\"some\\ntext\xef\xbf\xbd\",\"n\":-12,\"b\":\"YWJjZA==\",\"a\":[]}";
        assert_int_equal(rc, max >= strlen(whole) ? 0 : -1);
        if (rc == 0)
            assert_string_equal(b.ptr, whole);
        buf_release(&b);
    }
}

/* What steers a terminal or hides is an escape, whoever wrote the text; it means the same. [SAN-4]
 */
static void test_hidden_characters_are_escapes(void **state)
{
    static const char raw[] = "\xc2\x9b"
                              "2J\xc2\x9f\xc2\xa0\xe2\x80\xae\xef\xbb\xbf\xc3\xa9\xf3\xa0\x81\x81!";
    static const char shown[] = "\"\\u009b2J\\u009f\xc2\xa0\\u202e\\ufeff\xc3\xa9\\udb40\\udc41!\"";
    (void)state;
    struct buf b = BUF_INIT(1 << 10), again = BUF_INIT(1 << 10);
    struct json_w w;
    json_w_init(&w, &b);
    json_w_str(&w, NULL, raw);
    assert_int_equal(json_w_end(&w), 0);
    assert_string_equal(buf_str(&b), shown);
    struct json *v = parse(buf_str(&b));
    assert_string_equal(json_str(v, ""), raw);
    json_free(v);
    buf_reset(&b);
    assert_int_equal(buf_addf(&b, "\"%s\"", raw), 0);
    assert_int_equal(json_add_shown(&again, b.ptr, b.len), 0);
    assert_string_equal(buf_str(&again), shown);
    buf_reset(&again);
    assert_int_equal(json_add_shown(&again, BYTES("[\"a\x7f\"]")), 0);
    assert_string_equal(buf_str(&again), "[\"a\\u007f\"]");
    struct buf small = BUF_INIT(9);
    assert_int_equal(json_add_shown(&small, b.ptr, b.len), -1);
    buf_release(&small);
    buf_release(&again);
    buf_release(&b);
}

/* Any bytes as a string come back as themselves, or with U+FFFD where they were not text. */
static void test_string_round_trip(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        char in[40];
        size_t len = (size_t)rand_r(&seed) % sizeof in;
        static const char pool[] = "abc\"\\\n\x01\xc3\xa9\xf0\x9f\x98\x80\xff\xe2\x82\xac /u0";
        for (size_t i = 0; i < len; i++)
            in[i] = pool[(size_t)rand_r(&seed) % sizeof pool];
        struct buf b = BUF_INIT(4096);
        struct json_w w;
        json_w_init(&w, &b);
        json_w_strn(&w, NULL, in, len);
        assert_int_equal(json_w_end(&w), 0);
        struct json *v = parse(b.ptr);
        const char *s = json_str(v, NULL);
        size_t at = 0;
        for (size_t i = 0; i < len;) {
            uint32_t cp = 0;
            unsigned n = in[i] == 0 ? 0 : utf8_decode(in + i, len - i, &cp);
            assert_memory_equal(s + at, n != 0 ? in + i : "\xef\xbf\xbd", n != 0 ? n : 3);
            at += n != 0 ? n : 3;
            i += n != 0 ? n : 1;
        }
        assert_int_equal(s[at], 0);
        json_free(v);
        buf_release(&b);
    }
}

static void test_doubles_round_trip(void **state)
{
    (void)state;
    unsigned seed = 2;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = 0;
        for (int k = 0; k < 4; k++)
            bits = bits << 16 | ((unsigned)rand_r(&seed) & 0xFFFF);
        double d;
        memcpy(&d, &bits, sizeof d);
        if (!isfinite(d))
            continue;
        struct buf b = BUF_INIT(100);
        struct json_w w;
        json_w_init(&w, &b);
        json_w_double(&w, NULL, d);
        assert_int_equal(json_w_end(&w), 0);
        struct json *v = parse(b.ptr);
        assert_true(json_num(v, 0) == d);
        json_free(v);
        buf_release(&b);
    }
}

static void test_decimal_comma(void **state)
{
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL) {
        print_message("SKIPPED LOUDLY: no de_DE.UTF-8 locale to try a decimal comma\n");
        skip();
    }
    struct buf b = BUF_INIT(100);
    struct json_w w;
    json_w_init(&w, &b);
    json_w_double(&w, NULL, 0.5);
    assert_int_equal(json_w_end(&w), 0);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(b.ptr, "0.5");
    buf_release(&b);
}

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *coded;
    } cases[] = { { "", "" },
                  { "f", "Zg==" },
                  { "fo", "Zm8=" },
                  { "foo", "Zm9v" },
                  { "foob", "Zm9vYg==" },
                  { "fooba", "Zm9vYmE=" },
                  { "foobar", "Zm9vYmFy" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = BUF_INIT(100);
        struct err e = ERR_INIT;
        assert_int_equal(base64_encode(&b, cases[i].plain, strlen(cases[i].plain)), 0);
        assert_string_equal(buf_str(&b), cases[i].coded);
        buf_reset(&b);
        assert_int_equal(base64_decode(&b, cases[i].coded, strlen(cases[i].coded), &e), 0);
        assert_string_equal(buf_str(&b), cases[i].plain);
        buf_release(&b);
    }
    static const char *const bad[] = { "A",    "AA",   "AAA",      "A===",     "====",    "Zh==",
                                       "Zm9=", "Zg=a", "Zg==Zg==", "Zm9v\nZg", "Zm 9v==", "Zm9_",
                                       "=Zm9", "Z=m9", "Zm-v",     "Zm9\xff" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf b = BUF_INIT(100);
        struct err e = ERR_INIT;
        if (base64_decode(&b, bad[i], strlen(bad[i]), &e) == 0)
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(e.code, ERR_FORMAT);
        assert_int_equal(b.len, 0);
        buf_release(&b);
    }
    struct buf small = BUF_INIT(5);
    struct err e = ERR_INIT;
    assert_int_equal(base64_encode(&small, "abcd", 4), -1);
    assert_int_equal(base64_decode(&small, "Zm9vYmFy", 8, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    buf_release(&small);
}

static void test_base64_round_trip(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (size_t len = 0; len < 300; len++) {
        unsigned char raw[300];
        for (size_t i = 0; i < len; i++)
            raw[i] = (unsigned char)rand_r(&seed);
        struct buf text = BUF_INIT(1000), back = BUF_INIT(len); /* just room enough */
        struct err e = ERR_INIT;
        assert_int_equal(base64_encode(&text, raw, len), 0);
        assert_int_equal(base64_decode(&back, buf_str(&text), text.len, &e), 0);
        assert_int_equal(back.len, len);
        if (len > 0)
            assert_memory_equal(back.ptr, raw, len);
        buf_release(&text);
        buf_release(&back);
    }
}

static void test_lines(void **state)
{
    struct buf out = BUF_INIT(100);
    struct json_w w;
    (void)state;
    json_w_init(&w, &out);
    json_w_object(&w, NULL);
    json_w_lines(&w, "a", "one\n\ntwo\nthree");
    json_w_lines(&w, "b", "\n");
    json_w_lines(&w, "c", "");
    json_w_close_object(&w);
    assert_int_equal(json_w_end(&w), 0);
    assert_string_equal(out.ptr, "{\"a\":[\"one\",\"two\",\"three\"],\"b\":[],\"c\":[]}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_exact_integers),
        cmocka_unit_test(test_need),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_full),
        cmocka_unit_test(test_hidden_characters_are_escapes),
        cmocka_unit_test(test_string_round_trip),
        cmocka_unit_test(test_doubles_round_trip),
        cmocka_unit_test(test_decimal_comma),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
