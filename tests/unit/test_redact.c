/* test_redact.c - secrets in all their forms, over every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/redact.h"
#include "base/sha256.h"

static void add(struct redact *r, const char *name, const char *value)
{
    struct err e = ERR_INIT;
    if (redact_add(r, name, value, strlen(value), &e) < 0)
        fail_msg("%s", e.msg);
}

static char *filtered(const struct redact *r, const char *text, size_t len, int *hits)
{
    struct buf out = BUF_INIT(1 << 20);
    int n = redact_text(r, text, len, &out);
    assert_true(n >= 0);
    if (hits != NULL)
        *hits = n;
    return buf_detach(&out);
}

static void expect(const struct redact *r, const char *text, const char *want)
{
    char *got = filtered(r, text, strlen(text), NULL);
    assert_string_equal(got, want);
    free(got);
}

static void test_refused_values(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    char long_value[514];
    memset(long_value, 'x', sizeof long_value);
    static const char *const bad[] = { "", "1234567", "12345678\n", "key\x01with",
                                       "kl\xc3\xa9tter8" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        assert_int_equal(redact_add(r, "K", bad[i], strlen(bad[i]), &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        if (bad[i][0] != '\0')
            assert_null(strstr(e.msg, bad[i])); /* never the value itself */
    }
    struct err e = ERR_INIT;
    assert_int_equal(redact_add(r, "K", long_value, 513, &e), -1);
    assert_true(redact_is_empty(r));
    assert_int_equal(redact_add(r, "K", long_value, 512, &e), 0);
    assert_false(redact_is_empty(r));
    redact_free(r);
    redact_free(NULL);
    assert_true(redact_is_empty(NULL));
}

static void test_exact(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    expect(r, "nothing loaded: sk-12345678", "nothing loaded: sk-12345678");
    add(r, "KEY", "sk-12345678");
    add(r, "TWO", "password");
    expect(r, "", "");
    expect(r, "s", "s");
    expect(r, "sk-1234567", "sk-1234567");
    expect(r, "sk-12345678", "[secret:KEY]");
    expect(r, "a sk-12345678 b password c", "a [secret:KEY] b [secret:TWO] c");
    expect(r, "sk-12345678sk-12345678", "[secret:KEY][secret:KEY]");
    expect(r, "sksk-12345678passwordd", "sk[secret:KEY][secret:TWO]d");
    expect(r, "Password sk-12345679", "Password sk-12345679");
    int hits;
    free(filtered(r, "passwordpassword", 16, &hits));
    assert_int_equal(hits, 2);
    redact_free(r);
}

/* What stands in both of two overlapping hits is not all that must go. */
static void test_overlaps(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    add(r, "A", "abcdefgh");
    add(r, "B", "efghijkl");
    add(r, "LONG", "abcdefghijk");
    add(r, "SELF", "zzzzzzzz");
    expect(r, "-abcdefgh-", "-[secret:A]-");
    expect(r, "-abcdefghijk-", "-[secret:LONG]-");
    expect(r, "-abcdefghij-", "-[secret:A]ij-");
    expect(r, "-abcdefghijkl-", "-[secret:LONG]-");
    expect(r, "-zzzzzzzzzzz-", "-[secret:SELF]-");
    redact_free(r);
}

static void base64_of(const char *prefix, const char *value, const char *suffix, struct buf *out)
{
    char whole[2000];
    int n = snprintf(whole, sizeof whole, "%s%s%s", prefix, value, suffix);
    assert_int_equal(base64_encode(out, whole, (size_t)n), 0);
}

/* Of a coded secret at most the two characters at its edges, shared with neighbours, stay. */
static void test_base64_forms(void **state)
{
    (void)state;
    static const char *const values[] = { "sk-12345678", "12345678", "a?b>c~d?e>f~",
                                          "???????????" };
    static const char *const around[] = { "", "x", "xy", "xyz", "Authorization: Bearer " };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct redact *r = redact_new();
        add(r, "KEY", values[i]);
        for (size_t k = 0; k < ARRAY_LEN(around); k++) {
            for (int url = 0; url < 2; url++) {
                struct buf b = BUF_INIT(4000);
                base64_of(around[k], values[i], around[ARRAY_LEN(around) - 1 - k], &b);
                for (char *p = b.ptr; url && *p != '\0'; p++)
                    *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
                int hits;
                char *got = filtered(r, b.ptr, b.len, &hits);
                if (hits < 1)
                    fail_msg("%s behind %s: %s", values[i], around[k], got);
                assert_true(strlen(got) <= b.len - (8 * strlen(values[i]) / 6 - 2) +
                                               (size_t)hits * strlen("[secret:KEY]"));
                free(got);
                buf_release(&b);
            }
        }
        redact_free(r);
    }
}

static void test_other_forms(void **state)
{
    (void)state;
    const char *value = "p@ss/w\"r\\d <1>+~";
    struct redact *r = redact_new();
    add(r, "KEY", value);
    char hex[2 * 16 + 1];
    hex_encode((const uint8_t *)value, 16, hex);
    expect(r, hex, "[secret:KEY]");
    for (char *p = hex; *p != '\0'; p++)
        *p = (char)(*p >= 'a' ? *p - 32 : *p);
    expect(r, hex, "[secret:KEY]");
    static const char *const coded[] = {
        "p%40ss%2Fw%22r%5Cd%20%3C1%3E%2B~",            /* RFC 3986 */
        "p%40ss%2fw%22r%5cd%20%3c1%3e%2b~",            /* in lower case */
        "p%40ss/w%22r%5Cd%20%3C1%3E%2B~",              /* "/" left alone */
        "p%40ss%2Fw%22r%5Cd+%3C1%3E%2B%7E",            /* HTML form */
        "p%40ss%2Fw%22r%5Cd+%3C1%3E%2B~",              /* quote_plus */
        "p@ss/w\\\"r\\\\d <1>+~",                      /* JSON */
        "p@ss\\/w\\\"r\\\\d <1>+~",                    /* JSON with \/ */
        "p@ss/w\\\"r\\\\d \\u003c1\\u003e+~",          /* JSON for HTML */
        "p@ss/w\\u0022r\\\\d \\u003c1\\u003e\\u002b~", /* JSON for HTML, more so */
    };
    for (size_t i = 0; i < ARRAY_LEN(coded); i++)
        expect(r, coded[i], "[secret:KEY]");
    struct buf b = BUF_INIT(100); /* and our own writer */
    struct json_w w;
    json_w_init(&w, &b);
    json_w_str(&w, NULL, value);
    assert_int_equal(json_w_end(&w), 0);
    expect(r, b.ptr, "\"[secret:KEY]\"");
    buf_release(&b);
    redact_free(r);
}

static void test_find(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    size_t offset = 99;
    assert_null(redact_find(r, "sk-12345678", 11, &offset));
    add(r, "KEY", "sk-12345678");
    assert_null(redact_find(r, "sk-1234567", 10, &offset));
    assert_null(redact_find(r, "", 0, &offset));
    assert_int_equal(offset, 99);
    assert_string_equal(redact_find(r, "a = 'sk-12345678'", 17, &offset), "KEY");
    assert_int_equal(offset, 5);
    assert_string_equal(redact_find(r, "sk-12345678", 11, NULL), "KEY");
    redact_free(r);
}

/* ---- streams ---- */

static void feed_split(const struct redact *r, const char *text, size_t len, unsigned *seed,
                       size_t step, struct buf *out)
{
    struct redact_stream s;
    redact_stream_init(&s);
    for (size_t i = 0; i < len;) {
        size_t n = seed != NULL ? (size_t)rand_r(seed) % (2 * step) : step;
        if (n > len - i)
            n = len - i;
        char *copy = xmalloc(n);
        memcpy(copy, text + i, n);
        assert_true(redact_stream_feed(r, &s, copy, n, out) >= 0);
        free(copy);
        i += n;
    }
    assert_true(redact_stream_end(r, &s, out) >= 0);
    redact_stream_release(&s);
}

static void test_every_split(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    add(r, "KEY", "sk-12345678");
    add(r, "LONG", "sk-12345678-and-more");
    const char *text = "sk-1 sk-12345678-and-sk-12345678-and-more sk-12345678-and-mor sk-12345678";
    size_t len = strlen(text);
    char *want = filtered(r, text, len, NULL);
    for (size_t a = 0; a <= len; a++) {
        for (size_t b = a; b <= len; b++) {
            struct redact_stream s;
            struct buf out = BUF_INIT(1000);
            redact_stream_init(&s);
            redact_stream_feed(r, &s, text, a, &out);
            redact_stream_feed(r, &s, text + a, b - a, &out);
            redact_stream_feed(r, &s, text + b, len - b, &out);
            redact_stream_end(r, &s, &out);
            assert_string_equal(buf_str(&out), want);
            redact_stream_release(&s);
            buf_release(&out);
        }
    }
    free(want);
    redact_free(r);
}

static void test_random_splits(void **state)
{
    (void)state;
    unsigned seed = 4;
    for (int round = 0; round < 3000; round++) {
        static const char *const pool[] = { "abababab",  "babababa",  "abababababab",
                                            "aaaaaaaaa", "abcabcabc", "b/a\"b\\a b" };
        struct redact *r = redact_new();
        for (int i = 0; i < 3; i++)
            add(r, i ? "two" : "one", pool[(size_t)rand_r(&seed) % ARRAY_LEN(pool)]);
        char text[200];
        size_t len = (size_t)rand_r(&seed) % sizeof text;
        for (size_t i = 0; i < len;) {
            const char *piece = pool[(size_t)rand_r(&seed) % ARRAY_LEN(pool)];
            for (size_t n = 1 + (size_t)rand_r(&seed) % strlen(piece); n > 0 && i < len; n--)
                text[i++] = *piece++;
        }
        char *want = filtered(r, text, len, NULL);
        struct buf out = BUF_INIT(1 << 16);
        feed_split(r, text, len, &seed, 1 + (size_t)round % 9, &out);
        assert_string_equal(buf_str(&out), want);
        /* nothing of any secret is left in it */
        size_t at;
        assert_null(redact_find(r, out.ptr, out.len, &at));
        buf_release(&out);
        free(want);
        redact_free(r);
    }
}

/* Held back is only what may be the beginning of a secret, and never as much as the longest form.
 */
static void test_hold_back(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    add(r, "KEY", "sk-12345678");
    struct redact_stream s;
    struct buf out = BUF_INIT(1000);
    redact_stream_init(&s);
    redact_stream_feed(r, &s, ">>> ", 4, &out);
    assert_string_equal(out.ptr, ">>> ");
    redact_stream_feed(r, &s, "sk-1234567", 10, &out);
    assert_string_equal(out.ptr, ">>> ");
    assert_int_equal(s.held.len, 10);
    redact_stream_feed(r, &s, "!", 1, &out);
    assert_string_equal(out.ptr, ">>> sk-1234567!");
    redact_stream_feed(r, &s, "sk-12345678", 11, &out);
    assert_string_equal(out.ptr, ">>> sk-1234567![secret:KEY]");
    redact_stream_feed(r, &s, "sk-", 3, &out);
    assert_int_equal(redact_stream_end(r, &s, &out), 0);
    assert_string_equal(out.ptr, ">>> sk-1234567![secret:KEY]sk-");
    redact_stream_release(&s);
    redact_stream_release(NULL);
    buf_release(&out);
    redact_free(r);
}

static void test_full_output(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    add(r, "KEY", "sk-12345678");
    for (size_t max = 0; max < 20; max++) {
        struct buf out = BUF_INIT(max);
        struct redact_stream s;
        redact_stream_init(&s);
        assert_int_equal(redact_text(r, "12 sk-12345678 6789", 19, &out), -1);
        assert_null(strstr(buf_str(&out), "sk"));
        buf_reset(&out);
        for (int i = 0; i < 50; i++)
            redact_stream_feed(r, &s, "x sk-1234567", 12, &out);
        assert_true(out.len <= max);
        redact_stream_release(&s);
        buf_release(&out);
    }
    redact_free(r);
}

/* ---- base64 in lines ---- */

static void test_wrapped_base64(void **state)
{
    (void)state;
    static const char *const breaks[] = { "\n", "\r\n" };
    const char *value = "sk-ant-0123456789abcdefghijklmnopqrstuvwxyz";
    struct redact *r = redact_new();
    add(r, "KEY", value);
    for (size_t shift = 0; shift < 80; shift++) {
        char before[100];
        struct buf whole = BUF_INIT(4000), lines = BUF_INIT(4000), out = BUF_INIT(4000);
        memset(before, 'x', shift);
        before[shift] = '\0';
        base64_of(before, value, " and what follows it in the same file, some more bytes", &whole);
        for (size_t i = 0; i < whole.len; i++) {
            assert_int_equal(buf_add_char(&lines, whole.ptr[i]), 0);
            if (i % 76 == 75)
                assert_int_equal(buf_add_str(&lines, breaks[shift % 2]), 0);
        }
        int hits;
        char *got = filtered(r, lines.ptr, lines.len, &hits);
        if (hits != 1)
            fail_msg("behind %zu: %s", shift, got);
        feed_split(r, lines.ptr, lines.len, NULL, 1 + shift % 7, &out);
        assert_string_equal(buf_str(&out), got);
        free(got);
        buf_release(&whole);
        buf_release(&lines);
        buf_release(&out);
    }
    expect(r, "c2st\nYW50\n and c2stYW50\n", "c2st\nYW50\n and c2stYW50\n");
    redact_free(r);
}

/* ---- what looks like a secret ---- */

#define LINE64 "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"

static const struct {
    const char *in, *out;
} shape_cases[] = {
    { "k=sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx-yz_0123456789;", "k=[secret:anthropic-key];" },
    { "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-ab", "[secret:openai-key]" },
    { "\"ghp_0123456789abcdefghijABCDEFGHIJ012345\"", "\"[secret:github-token]\"" },
    { "github_pat_11ABCDEFG0abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUV", "[secret:github-token]" },
    { "AKIAIOSFODNN7EXAMPLE", "[secret:aws-key-id]" },
    { "id ASIAIOSFODNN7EXAMPLE.", "id [secret:aws-key-id]." },
    { "e2b_0123456789abcdef0123456789abcdef01234567", "[secret:e2b-key]" },
    { "AIzaSyA-0123456789abcdefghijklmnopqrstuv", "AIzaSyA-0123456789abcdefghijklmnopqrstuv" },
    { "AIzaSyA-0123456789abcdefghijklmnopqrstu", "[secret:google-key]" },
    { "xoxb-123456789012-abcdefGHIJKL", "[secret:slack-token]" },
    { "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P x",
      "Bearer [secret:jwt] x" },
    { "a\n-----BEGIN RSA PRIVATE KEY-----\n" LINE64 "\n" LINE64
      "\n-----END RSA PRIVATE KEY-----\nb",
      "a\n[secret:private-key]\nb" },
    { "\"-----BEGIN PRIVATE KEY-----\\n" LINE64 "\\n\", \"x\": 1",
      "\"[secret:private-key]\", \"x\": 1" },
    { "-----BEGIN PRIVATE KEY-----\n" LINE64 "\n", "[secret:private-key]" },
    /* and what only begins like one */
    { "sk-learn-contrib-and-some-more-words-like-these", NULL },
    { "task-management-Abcdefghijklmnopqrstuvwxyz0123456789", NULL },
    { "disk-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd", NULL },
    { "sk-ant-test-0123456789", NULL },
    { "ghp_short", NULL },
    { "ghp_0123456789abcdefghijABCDEFGHIJ01234-", NULL },
    { "AKIAIOSFODNN7EXAMPLEX", NULL },
    { "AKIAiosfodnn7example", NULL },
    { "XAKIAIOSFODNN7EXAMPLE", NULL },
    { "e2b_template_name_that_is_long_enough_0", NULL },
    { "xoxo-hugs-and-kisses-and-more-0", NULL },
    { "xoxb-only-words-and-no-number-in-it", NULL },
    { "eyJust.three.parts", NULL },
    { "eyJhbGciOiJIUzI1NiJ9 eyJzdWIiOiIxMjM0NTY3ODkwIn0", NULL },
    { "-----BEGIN CERTIFICATE-----\n" LINE64 "\n-----END CERTIFICATE-----", NULL },
    { "-----BEGIN PUBLIC KEY-----\n" LINE64, NULL },
    { "a file between -----BEGIN PRIVATE KEY----- and -----END PRIVATE KEY-----.", NULL },
    { "--------------------------------", NULL },
    { "commit 0123456789abcdef0123456789abcdef01234567", NULL },
};

static void test_shapes(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    expect(r, shape_cases[0].in, shape_cases[0].in); /* only when asked for */
    assert_true(redact_is_idle(r));
    redact_add_shapes(r);
    assert_true(redact_is_empty(r) && !redact_is_idle(r));
    for (size_t i = 0; i < ARRAY_LEN(shape_cases); i++) {
        const char *in = shape_cases[i].in, *out = shape_cases[i].out;
        expect(r, in, out != NULL ? out : in);
        assert_int_equal(redact_touches(r, in, strlen(in)), out != NULL && strcmp(in, out) != 0);
        assert_null(redact_find(r, in, strlen(in), NULL));
        /* The whole is the same for every split. */
        for (size_t step = 1; step < 5; step++) {
            struct buf got = BUF_INIT(4000);
            feed_split(r, in, strlen(in), NULL, step, &got);
            assert_string_equal(buf_str(&got), out != NULL ? out : in);
            buf_release(&got);
        }
    }
    /* One that is loaded goes by its own name. */
    add(r, "MINE", "ghp_0123456789abcdefghijABCDEFGHIJ012345");
    expect(r, "ghp_0123456789abcdefghijABCDEFGHIJ012345", "[secret:MINE]");
    char text[] = "id AKIAIOSFODNN7EXAMPLE.";
    assert_int_equal(redact_blot(r, text, sizeof text - 1, '*'), 1);
    assert_string_equal(text, "id ********************.");
    redact_free(r);
}

static void test_shapes_in_random_splits(void **state)
{
    (void)state;
    unsigned seed = 9;
    struct redact *r = redact_new();
    redact_add_shapes(r);
    add(r, "KEY", "hunter2hunter2");
    for (int round = 0; round < 300; round++) {
        struct buf text = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
        for (int i = 0; i < 6; i++) {
            const char *s = shape_cases[(size_t)rand_r(&seed) % ARRAY_LEN(shape_cases)].in;
            size_t len = rand_r(&seed) % 3 == 0 ? (size_t)rand_r(&seed) % strlen(s) : strlen(s);
            assert_int_equal(buf_add(&text, s, len), 0);
            for (unsigned n = (unsigned)rand_r(&seed) % 3; n > 0; n--)
                assert_int_equal(buf_add_str(&text, n % 2 ? " " : "hunter2hunter2\n"), 0);
        }
        char *want = filtered(r, buf_str(&text), text.len, NULL);
        feed_split(r, text.ptr, text.len, &seed, 1 + (size_t)round % 40, &out);
        assert_string_equal(buf_str(&out), want);
        free(want);
        buf_release(&text);
        buf_release(&out);
    }
    redact_free(r);
}

/* A key that never ends is hidden as far as one may reach, and not held back for ever. */
static void test_endless_shapes(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    struct redact_stream s;
    struct buf out = BUF_INIT(1 << 20);
    redact_add_shapes(r);
    redact_stream_init(&s);
    char *text = xmalloc(20000);
    memset(text, 'A', 20000);
    memcpy(text, "-----BEGIN PRIVATE KEY-----\n", 28);
    for (int i = 0; i < 20; i++) {
        assert_true(redact_stream_feed(r, &s, text + (size_t)i * 1000, 1000, &out) >= 0);
        assert_true(s.held.len <= 4096);
    }
    assert_true(redact_stream_end(r, &s, &out) >= 0);
    assert_memory_equal(out.ptr, "[secret:private-key]AAAA", 24);
    assert_int_equal(out.len, 20 + 20000 - 4096);
    free(text);
    redact_stream_release(&s);
    buf_release(&out);
    redact_free(r);
}

static void test_global(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    assert_null(redact_global());
    redact_set_global(r);
    assert_ptr_equal(redact_global(), r);
    redact_free(r); /* leaves no dangling pointer behind */
    assert_null(redact_global());
}

static void test_blot(void **state)
{
    (void)state;
    struct redact *r = redact_new();
    add(r, "KEY", "abcdefgh12345678");
    add(r, "PART", "12345678xyz9");
    char text[] =
        "a abcdefgh12345678 b YWJjZGVmZ2gxMjM0NTY3OA== c abcdefgh12345678xyz9 d abcdefgh1234567";
    assert_int_equal(redact_blot(r, text, sizeof text - 1, '*'), 4); /* the last two overlap */
    assert_string_equal(text, "a **************** b *********************A== c "
                              "******************** d abcdefgh1234567");
    assert_int_equal(redact_blot(r, text, sizeof text - 1, '*'), 0);
    assert_true(redact_reach(r) >= 16 && redact_reach(NULL) == 0);
    redact_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blot),           cmocka_unit_test(test_refused_values),
        cmocka_unit_test(test_exact),          cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_base64_forms),   cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_find),           cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_random_splits),  cmocka_unit_test(test_hold_back),
        cmocka_unit_test(test_full_output),    cmocka_unit_test(test_wrapped_base64),
        cmocka_unit_test(test_shapes),         cmocka_unit_test(test_shapes_in_random_splits),
        cmocka_unit_test(test_endless_shapes), cmocka_unit_test(test_global),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
