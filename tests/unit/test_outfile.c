/* test_outfile.c - a file is there whole or not at all. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/outfile.h"
#include "base/path.h"

static char *dir, *path;

static int setup(void **state)
{
    (void)state;
    dir = xstrdup("/tmp/airlock-test-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    path = path_join(dir, "out");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    int rc = rmdir(dir); /* fails when something else was left */
    free(dir);
    free(path);
    return rc;
}

static void write_one(const char *text, bool force, int want)
{
    struct err e = ERR_INIT;
    struct outfile f;
    int rc = outfile_open(&f, path, force, &e);
    if (rc == 0) {
        outfile_add_str(&f, text);
        outfile_addf(&f, "%d", 7);
        assert_int_equal(f.bytes, strlen(text) + 1);
        rc = outfile_commit(&f, &e);
    }
    assert_int_equal(rc, want);
    if (want < 0)
        assert_int_equal(e.code, ERR_BUSY);
}

static void expect(const char *want)
{
    struct err e = ERR_INIT;
    struct buf got = BUF_INIT(1 << 20);
    assert_int_equal(path_read_file(path, &got, &e), 0);
    assert_string_equal(buf_str(&got), want);
    buf_release(&got);
}

static void test_whole_or_not(void **state)
{
    struct err e = ERR_INIT;
    struct outfile f;
    struct stat st;
    (void)state;
    assert_int_equal(outfile_open(&f, path, false, &e), 0);
    outfile_add_str(&f, "half");
    assert_int_not_equal(access(path, F_OK), 0);
    outfile_abandon(&f);
    outfile_abandon(&f);
    assert_int_not_equal(access(path, F_OK), 0);
    write_one("one", false, 0);
    expect("one7");
    write_one("two", false, -1);
    expect("one7");
    write_one("three", true, 0);
    expect("three7");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_made_meanwhile(void **state)
{
    struct err e = ERR_INIT;
    struct outfile f;
    (void)state;
    assert_int_equal(outfile_open(&f, path, false, &e), 0);
    outfile_add_str(&f, "late");
    assert_int_equal(path_write_file(path, "first", 5, &e), 0);
    assert_int_equal(outfile_commit(&f, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    expect("first");
}

static void test_large_pieces(void **state)
{
    struct err e = ERR_INIT;
    struct outfile f;
    struct stat st;
    char *big = xcalloc(1, 3 << 20);
    (void)state;
    assert_int_equal(outfile_open(&f, path, false, &e), 0);
    for (int i = 0; i < 3; i++) {
        outfile_add(&f, big, 3 << 20);
        for (int k = 0; k < 1000; k++)
            outfile_add(&f, big, 1000);
    }
    assert_int_equal(f.bytes, 3 * ((3 << 20) + 1000000));
    assert_int_equal(outfile_commit(&f, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 3 * ((3 << 20) + 1000000));
    free(big);
}

static void test_failures_are_told(void **state)
{
    struct err e = ERR_INIT;
    struct outfile f;
    (void)state;
    assert_int_equal(outfile_open(&f, dir, false, &e), -1);
    assert_int_equal(outfile_open(&f, "/no/such/dir/file", false, &e), -1);
    assert_int_equal(outfile_open(&f, "/dev/full", false, &e), 0);
    outfile_add_str(&f, "x");
    assert_int_equal(outfile_commit(&f, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(outfile_open(&f, "/dev/null", true, &e), 0); /* written to, not replaced */
    assert_int_equal(outfile_commit(&f, &e), 0);
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_or_not, setup, teardown),
        cmocka_unit_test_setup_teardown(test_made_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_are_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
