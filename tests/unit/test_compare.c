/* test_compare.c - equal, equal behind masks, different: with lines, caps and sources that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sessions/compare.h"
#include "sessions/mask.h"

static const struct {
    const char *a, *b;
    unsigned masks;
    enum compare_verdict verdict;
    size_t line;
    unsigned found;
} table[] = {
    { "", "", MASK_ALL, COMPARE_IDENTICAL, 0, 0 },
    { "a 5s\n", "a 5s\n", MASK_ALL, COMPARE_IDENTICAL, 0, 0 },
    { "a 5s\nb\n", "a 6s\nb\n", MASK_ALL, COMPARE_MASKED, 0, 1u << MASK_DURATION },
    { "a 5s\nb\n", "a 6s\nb\n", MASK_NONE, COMPARE_DIFFERS, 1, 0 },
    { "a 5s\nb\n", "a 6s\nc\n", MASK_ALL, COMPARE_DIFFERS, 2, 1u << MASK_DURATION },
    { "a 5s\n", "a 6s\n", 1u << MASK_TIME, COMPARE_DIFFERS, 1, 0 },
    { "a\n", "a", MASK_ALL, COMPARE_DIFFERS, 1, 0 },
    { "a\nb\n", "a\nb\nc\n", MASK_ALL, COMPARE_DIFFERS, 3, 0 },
    { "", "x", MASK_ALL, COMPARE_DIFFERS, 1, 0 },
};

static const struct compare_how plain = { .masks = MASK_NONE };

static void test_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct compare c;
        struct err e = ERR_INIT;
        const struct compare_how how = { .masks = table[i].masks };
        assert_int_equal(compare_texts(&c, table[i].a, strlen(table[i].a), table[i].b,
                                       strlen(table[i].b), &how, &e),
                         0);
        assert_int_equal(c.verdict, table[i].verdict);
        assert_int_equal(c.line, table[i].line);
        assert_int_equal(c.masks, table[i].found);
        assert_false(c.cut);
        compare_release(&c);
    }
}

/* Endless sides that are the same up to `differ`. */
struct endless {
    uint64_t size, differ;
    bool fails;
};

static ssize_t read_endless(void *arg, uint64_t offset, char *dst, size_t len, struct err *e)
{
    const struct endless *x = arg;
    if (x->fails && offset > 100000)
        return err_set(e, ERR_IO, "broken");
    if (offset >= x->size)
        return 0;
    size_t n = x->size - offset < len ? (size_t)(x->size - offset) : len;
    n = n > 4000 ? 4000 : n; /* short reads */
    for (size_t i = 0; i < n; i++)
        dst[i] = (offset + i) % 1000 == 999 ? '\n' : offset + i == x->differ ? 'y' : 'x';
    return (ssize_t)n;
}

static void test_beyond_the_cap(void **state)
{
    struct endless a = { COMPARE_MAX + 5000, UINT64_MAX, false }, b = a;
    struct compare_source sa = { read_endless, &a }, sb = { read_endless, &b };
    struct compare c;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(compare_sources(&c, &sa, &sb, &plain, &e), 0);
    assert_int_equal(c.verdict, COMPARE_IDENTICAL); /* asked of all bytes */
    assert_false(c.cut);
    compare_release(&c);
    b.differ = COMPARE_MAX + 100;
    assert_int_equal(compare_sources(&c, &sa, &sb, &plain, &e), 0);
    assert_int_equal(c.verdict, COMPARE_DIFFERS);
    assert_true(c.cut);
    assert_int_equal(c.diff.added + c.diff.deleted, 0);
    compare_release(&c);
}

static void test_a_failed_read_is_told(void **state)
{
    struct endless a = { 200000, UINT64_MAX, false }, b = { 200000, UINT64_MAX, true };
    struct compare_source sa = { read_endless, &a }, sb = { read_endless, &b };
    struct compare c;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(compare_sources(&c, &sa, &sb, &plain, &e), -1);
    assert_string_equal(e.msg, "broken");
    compare_release(&c);
    assert_int_equal(compare_sources(&c, &sb, &sa, &plain, &e), -1);
    compare_release(&c);
}

/* As often as it was asked before it says no. */
static int have_patience(void *arg, struct err *e)
{
    int *left = arg;
    return --*left < 0 ? err_set(e, ERR_CANCELLED, "enough") : 0;
}

static void test_giving_up(void **state)
{
    struct endless a = { 9 << 20, UINT64_MAX, false }, b = { 9 << 20, 5, false };
    struct compare_source sa = { read_endless, &a }, sb = { read_endless, &b };
    struct compare c;
    int asked = 0;
    (void)state;
    for (int patience = 0;; patience++) {
        struct err e = ERR_INIT;
        int left = patience;
        const struct compare_how how = { MASK_ALL, have_patience, &left };
        int rc = compare_sources(&c, &sa, &sb, &how, &e);
        compare_release(&c);
        if (rc == 0)
            break;
        assert_int_equal(e.code, ERR_CANCELLED);
        assert_int_equal(left, -1); /* never asked again */
        asked++;
    }
    assert_true(asked > 4 * 9 / 4); /* both sides read and masked, 4 MiB at a time */
}

static void test_binary(void **state)
{
    static const struct {
        const char *a, *b;
        size_t a_len, b_len;
        bool binary;
    } cases[] = { { "a\n", "b\n", 2, 2, false },
                  { "a\0b\n", "b\n", 4, 2, true },
                  { "b\n", "\0", 2, 1, true },
                  { "\xff\xfe\n", "x", 3, 1, false } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct compare c;
        struct err e = ERR_INIT;
        assert_int_equal(
            compare_texts(&c, cases[i].a, cases[i].a_len, cases[i].b, cases[i].b_len, &plain, &e),
            0);
        assert_int_equal(c.binary, cases[i].binary);
        compare_release(&c);
    }
}

static void test_line_starts(void **state)
{
    size_t n, *at = compare_line_starts("a\n\nbc", 5, &n);
    (void)state;
    assert_int_equal(n, 3);
    assert_int_equal(at[1], 2);
    assert_int_equal(at[2], 3);
    assert_int_equal(at[3], 5);
    free(at);
    at = compare_line_starts("", 0, &n);
    assert_int_equal(n, 0);
    free(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_beyond_the_cap),
        cmocka_unit_test(test_a_failed_read_is_told),
        cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_line_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
