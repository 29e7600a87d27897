/* test_buf.c - growth, ceilings, NUL behind the end; and err's messages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static void test_empty(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_add(&b, NULL, 0), 0);
    buf_drop_front(&b, 5);
    buf_truncate(&b, 5);
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    buf_release(&b);
    buf_release(&b);
    buf_release(NULL);
    char *p = buf_detach(&b);
    assert_string_equal(p, "");
    free(p);
}

static void test_growth(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(buf_add_char(&b, (char)('a' + i % 26)), 0);
        assert_int_equal(b.ptr[b.len], 0);
    }
    assert_int_equal(b.len, 10000);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.ptr[i], 'a' + i % 26);
    size_t cap = b.cap;
    buf_reset(&b);
    assert_int_equal(b.cap, cap);
    assert_string_equal(b.ptr, "");
    buf_release(&b);
    assert_int_equal(b.max, SIZE_MAX / 2); /* may be used again */
    assert_int_equal(buf_add_str(&b, "x"), 0);
    buf_release(&b);
}

/* At the ceiling everything fits; one byte beyond nothing changes, whichever function is asked. */
static void test_ceiling(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(5);
    assert_int_equal(buf_add_str(&b, "abc"), 0);
    assert_int_equal(buf_add_str(&b, "def"), -1);
    assert_int_equal(buf_addf(&b, "%d", 123), -1);
    assert_null(buf_reserve(&b, 3));
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_string_equal(b.ptr, "abc");
    assert_int_equal(buf_addf(&b, "%d", 12), 0);
    assert_int_equal(buf_add_char(&b, 'x'), -1);
    assert_int_equal(buf_add(&b, "", 0), 0);
    assert_string_equal(b.ptr, "abc12");
    buf_release(&b);
    struct buf none = BUF_INIT(0);
    assert_int_equal(buf_add_char(&none, 'x'), -1);
    assert_int_equal(buf_add_str(&none, ""), 0);
    assert_string_equal(buf_str(&none), "");
    buf_release(&none);
}

static void test_reserve(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    char *at = buf_reserve(&b, 500);
    assert_non_null(at);
    assert_int_equal(b.len, 0);
    assert_string_equal(buf_str(&b), ""); /* nothing was added */
    memset(at, 'r', 500);
    buf_grew(&b, 3);
    assert_string_equal(b.ptr, "rrr");
    buf_release(&b);
}

static void test_cutting(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    buf_add(&b, "abc\0def", 7);
    buf_drop_front(&b, 2);
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.ptr, "c\0def", 6);
    buf_truncate(&b, 9);
    assert_int_equal(b.len, 5);
    buf_truncate(&b, 1);
    assert_string_equal(b.ptr, "c");
    buf_drop_front(&b, 7);
    assert_string_equal(b.ptr, "");
    buf_add_str(&b, "kept");
    char *p = buf_detach(&b);
    assert_string_equal(p, "kept");
    assert_null(b.ptr);
    free(p);
}

static void test_copies(void **state)
{
    (void)state;
    char *s = xstrdup("text"), *n = xstrndup("text", 2), *whole = xstrndup("ab", 9);
    char *f = xasprintf("%s-%d", "x", 7), *m = xmemdup("a\0b", 3);
    void *z = xmalloc(0), *c = xcalloc(0, 0);
    assert_string_equal(s, "text");
    assert_string_equal(n, "te");
    assert_string_equal(whole, "ab");
    assert_string_equal(f, "x-7");
    assert_memory_equal(m, "a\0b", 4);
    free(s);
    free(n);
    free(whole);
    free(f);
    free(m);
    free(z);
    free(c);
}

static void test_err(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(err_set(&e, ERR_LIMIT, "more than %d", 5), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.msg, "more than 5");
    assert_int_equal(err_wrap(&e, "reading %s", "x"), -1);
    assert_string_equal(e.msg, "reading x: more than 5");
    assert_int_equal(e.code, ERR_LIMIT);
    errno = ENOENT;
    assert_int_equal(err_sys(&e, ERR_IO, "opening %s", "y"), -1);
    assert_string_equal(e.msg, "opening y: No such file or directory");
    assert_int_equal(e.sys, ENOENT);
    err_clear(&e);
    assert_int_equal(e.code, ERR_NONE);
    assert_string_equal(e.msg, "");
    assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
    assert_int_equal(err_sys(NULL, ERR_IO, "x"), -1);
    assert_int_equal(err_wrap(NULL, "x"), -1);
    err_clear(NULL);
}

/* Messages stop at the end of the struct, whatever is put into them. */
static void test_err_long(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char big[2000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&e, ERR_IO, "%s", big);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    errno = EIO;
    err_sys(&e, ERR_IO, "%s", big);
    err_wrap(&e, "%s", big);
    err_wrap(&e, "short");
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    assert_memory_equal(e.msg, "short: xxx", 10);
}

static void test_err_names(void **state)
{
    (void)state;
    for (int i = ERR_NONE; i <= ERR_INTEGRITY; i++) {
        assert_string_not_equal(err_code_name((enum err_code)i), "unknown");
        for (int k = ERR_NONE; k < i; k++)
            assert_string_not_equal(err_code_name((enum err_code)i),
                                    err_code_name((enum err_code)k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_growth),
        cmocka_unit_test(test_ceiling),   cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_cutting),   cmocka_unit_test(test_copies),
        cmocka_unit_test(test_err),       cmocka_unit_test(test_err_long),
        cmocka_unit_test(test_err_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
