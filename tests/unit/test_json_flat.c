/* test_json_flat.c - the members of an object told one by one: cut anywhere, nested, escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json_flat.h"

static void collect(void *arg, const struct json_member *m)
{
    assert_int_equal(buf_addf(arg, "%.*s=%.*s;", (int)m->key_len, m->key, (int)m->raw_len, m->raw),
                     0);
}

static void test_members(void **state)
{
    (void)state;
    static const struct {
        const char *text, *members; /* what was told */
        const char *says;           /* NULL: it is an object */
    } cases[] = {
        { "{}", "", NULL },
        { " \t\r\n{ \t\r\n} \t\r\n", "", NULL },
        { "{\"a\":1}", "a=1;", NULL },
        { "{ \"a\" : 1 , \"b\" : \"x\" }", "a=1;b=\"x\";", NULL },
        { "{\"a\":[1,{\"b\":\"]\"}],\"c\":{}}", "a=[1,{\"b\":\"]\"}];c={};", NULL },
        { "{\"a\":\"\\\"\",\"b\":\"\\\\\"}", "a=\"\\\"\";b=\"\\\\\";", NULL },
        { "{\"a\\\"b\":null}", "a\\\"b=null;", NULL },
        { "", "", "no object" },
        { "  ", "", "no object" },
        { "[]", "", "no object" },
        { "{\"a\":1", "", "',' or '}' is missing" },
        { "{\"a\":1 2}", "", "',' or '}' is missing" },
        { "{\"a\":1,}", "a=1;", "a key is missing" },
        { "{a:1}", "", "a key is missing" },
        { "{\"a\" 1}", "", "':' is missing" },
        { "{\"a\"", "", "':' is missing" },
        { "{\"a\":", "", "a value is missing" },
        { "{\"a\":}", "", "a value is missing" },
        { "{\"a\":,}", "", "a value is missing" },
        { "{\"a\":[1}", "", "brackets do not pair" },
        { "{\"a\":{1]", "", "brackets do not pair" },
        { "{\"a\":[1", "", "does not end" },
        { "{\"a\":[\"x", "", "does not end" },
        { "{\"a\":\"x", "", "does not end" },
        { "{\"a\":\"x\\\"}", "", "does not end" },
        { "{\"a", "", "does not end" },
        { "{}x", "", "bytes behind the object" },
        { "{\"a\":1} {", "a=1;", "bytes behind the object" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct buf told = BUF_INIT(1000);
        int rc = json_flat_read(cases[i].text, strlen(cases[i].text), collect, &told, &e);
        if (rc != (cases[i].says == NULL ? 0 : -1) ||
            strcmp(buf_str(&told), cases[i].members) != 0 ||
            (rc < 0 && (e.code != ERR_FORMAT || strstr(e.msg, cases[i].says) == NULL)))
            fail_msg("%s: %d '%s' %s", cases[i].text, rc, buf_str(&told), e.msg);
        buf_release(&told);
    }
}

/* In a block of exactly its size, so that a sanitizer sees a byte too many. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] = " { \"key\" : [ 1, {\"b\" : \"]\\\"\\\\\"} ] , \"c\\u00e4\" : "
                               "\"x\\ud83d\\ude00\", \"d\":true } ";
    size_t whole = strlen(text) - 2; /* up to its last bracket */
    for (size_t n = 0; n <= whole + 1; n++) {
        struct err e = ERR_INIT;
        struct buf told = BUF_INIT(1000);
        char *copy = malloc(n != 0 ? n : 1);
        assert_non_null(copy);
        memcpy(copy, text, n);
        int rc = json_flat_read(copy, n, collect, &told, &e);
        assert_int_equal(rc, n > whole ? 0 : -1);
        assert_int_equal(e.code, n > whole ? ERR_NONE : ERR_FORMAT);
        free(copy);
        buf_release(&told);
    }
}

static void test_depth(void **state)
{
    (void)state;
    for (size_t depth = JSON_FLAT_DEPTH_MAX - 1; depth <= JSON_FLAT_DEPTH_MAX + 1; depth++) {
        struct err e = ERR_INIT;
        struct buf text = BUF_INIT(10000), told = BUF_INIT(10000);
        int rc = buf_add_str(&text, "{\"a\":");
        for (size_t i = 0; i < depth; i++)
            rc |= buf_add_char(&text, '[');
        for (size_t i = 0; i < depth; i++)
            rc |= buf_add_char(&text, ']');
        rc |= buf_add_char(&text, '}');
        assert_int_equal(rc, 0);
        rc = json_flat_read(text.ptr, text.len, collect, &told, &e);
        assert_int_equal(rc, depth <= JSON_FLAT_DEPTH_MAX ? 0 : -1);
        if (rc < 0)
            assert_non_null(strstr(e.msg, "nested too deeply"));
        buf_release(&text);
        buf_release(&told);
    }
}

static struct json_member member(const char *raw)
{
    return (struct json_member){ "key", 3, raw, strlen(raw) };
}

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *bytes; /* NULL: refused */
        size_t len;
    } cases[] = {
        { "\"\"", "", 0 },
        { "\"plain\"", "plain", 5 },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
        { "\"a\\u0041\\u00E4\\u00e4\\u20ac\"", "aA\xc3\xa4\xc3\xa4\xe2\x82\xac", 9 },
        { "\"\\u0000x\"", "\0x", 2 },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4 },
        { "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 4 },
        { "\"\\ud83d\"", "\xef\xbf\xbd", 3 }, /* half a pair */
        { "\"\\ud83dx23456\"", "\xef\xbf\xbdx23456", 9 },
        { "\"\\ud83d\\n12345\"", "\xef\xbf\xbd\n12345", 9 },
        { "\"\\ud83d\\u0041\"",
          "\xef\xbf\xbd"
          "A",
          4 },
        { "\"\\ud83d\\ue000\"", "\xef\xbf\xbd\xee\x80\x80", 6 },
        { "\"\\ude00\"", "\xef\xbf\xbd", 3 },
        { "\"\\u12\"", NULL, 0 },
        { "\"\\u12g4\"", NULL, 0 },
        { "\"\\u12G4\"", NULL, 0 },
        { "\"\\u 123\"", NULL, 0 },
        { "\"\\x\"", NULL, 0 },
        { "\"a\\\"", NULL, 0 },
        { "1", NULL, 0 },
        { "null", NULL, 0 },
        { "\"", NULL, 0 },
        { "[\"a\"]", NULL, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct buf out = BUF_INIT(100);
        struct json_member m = member(cases[i].raw);
        int rc = json_member_bytes(&m, &out, &e);
        if (rc != (cases[i].bytes != NULL ? 0 : -1))
            fail_msg("%s: %d %s", cases[i].raw, rc, e.msg);
        if (rc == 0) {
            assert_int_equal(out.len, cases[i].len);
            assert_memory_equal(buf_str(&out), cases[i].bytes, cases[i].len);
        } else {
            assert_int_equal(e.code, ERR_FORMAT);
        }
        buf_release(&out);
    }
}

/* Whatever the ceiling, too much is refused and never goes beyond it. */
static void test_ceiling(void **state)
{
    (void)state;
    struct json_member m = member("\"ab\\n\\u20accd\"");
    for (size_t max = 0; max <= 8; max++) {
        struct err e = ERR_INIT;
        struct buf out = BUF_INIT(max);
        assert_int_equal(json_member_bytes(&m, &out, &e), max < 8 ? -1 : 0);
        assert_int_equal(e.code, max < 8 ? ERR_LIMIT : ERR_NONE);
        assert_true(out.len <= max);
        buf_release(&out);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        bool null, string;
    } cases[] = { { "null", true, false },   { "nul", false, false }, { "nulx", false, false },
                  { "nullx", false, false }, { "\"\"", false, true }, { "\"null\"", false, true },
                  { "\"", false, false },    { "12", false, false } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_member m = member(cases[i].raw);
        assert_int_equal(json_member_is_null(&m), cases[i].null);
        assert_int_equal(json_member_is_string(&m), cases[i].string);
        assert_true(json_member_is(&m, "key"));
        assert_false(json_member_is(&m, "ke"));
        assert_false(json_member_is(&m, "kez"));
        assert_false(json_member_is(&m, "keys"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members), cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_strings),
        cmocka_unit_test(test_ceiling), cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
