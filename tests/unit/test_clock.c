/* test_clock.c - ISO times against the C library, ids, durations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"

static void test_clocks(void **state)
{
    (void)state;
    int64_t mono = clock_mono_us(), boot = clock_boot_us(), wall = clock_wall_us();
    assert_true(mono > 0 && boot >= mono - 1000000);
    assert_true(wall > INT64_C(1600000000) * 1000000);
    assert_true(clock_mono_us() >= mono && clock_boot_us() >= boot);
}

static void test_iso(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *want;
    } cases[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { INT64_C(1795341600123456), "2026-11-22T10:00:00.123456Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
        { INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z" },
        { INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z" },
        { INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z" },
        { INT64_MAX, "9999-12-31T23:59:59.999999Z" },
        { INT64_C(-62167219200000000), "0000-01-01T00:00:00.000000Z" },
        { INT64_MIN, "0000-01-01T00:00:00.000000Z" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[CLOCK_ISO_LEN];
        clock_iso(cases[i].us, out);
        assert_string_equal(out, cases[i].want);
        int64_t back;
        assert_int_equal(clock_parse_iso(out, &back), 0);
        if (cases[i].us != INT64_MAX && cases[i].us != INT64_MIN)
            assert_true(back == cases[i].us);
    }
}

static void test_iso_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.123456",
        "2026-11-22 10:00:00.123456Z",
        "2026-11-22T10:00:00.123456Z ",
        "2026-13-22T10:00:00.123456Z",
        "2026-00-22T10:00:00.123456Z",
        "2026-02-29T10:00:00.123456Z",
        "2026-11-31T10:00:00.123456Z",
        "2026-11-22T24:00:00.123456Z",
        "2026-11-22T10:60:00.123456Z",
        "2026-11-22T10:00:60.123456Z",
        "+026-11-22T10:00:00.123456Z",
        "2026-11-22T10:00:00.12345xZ",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t us = 7;
        assert_int_equal(clock_parse_iso(cases[i], &us), -1);
        assert_true(us == 7);
    }
}

static void test_iso_like_gmtime(void **state)
{
    (void)state;
    unsigned seed = 12;
    for (int i = 0; i < 50000; i++) {
        /* some 1000 years about 1970, and each day of a century */
        int64_t s = i < 40000 ? (int64_t)i * 86400 - INT64_C(1500000000)
                              : ((int64_t)rand_r(&seed) - (1 << 30)) * 16;
        char out[CLOCK_ISO_LEN], want[64];
        time_t t = (time_t)s;
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.000042Z", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        clock_iso(s * 1000000 + 42, out);
        assert_string_equal(out, want);
    }
}

static void test_ids(void **state)
{
    (void)state;
    char ids[200][ID_LEN + 1];
    int64_t before = clock_wall_us() / 1000;
    for (int i = 0; i < 200; i++)
        id_new(ids[i]);
    int64_t after = clock_wall_us() / 1000;
    for (int i = 0; i < 200; i++) {
        static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
        int64_t ms = 0;
        assert_int_equal(strlen(ids[i]), ID_LEN);
        assert_int_equal(strspn(ids[i], alphabet), ID_LEN);
        for (int k = 0; k < 10; k++)
            ms = ms * 32 + (strchr(alphabet, ids[i][k]) - alphabet);
        assert_true(ms >= before && ms <= after);
        assert_true(i == 0 || strncmp(ids[i - 1], ids[i], 10) <= 0);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
    }
    for (int k = 10; k < ID_LEN; k++) { /* every random place varies */
        int differing = 0;
        for (int i = 1; i < 200; i++)
            differing += ids[i][k] != ids[0][k];
        assert_true(differing > 0);
    }
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *want;
    } cases[] = {
        { -5, "0.00 s" },
        { 0, "0.00 s" },
        { 412345, "0.41 s" },
        { 9999999, "9.99 s" },
        { 10000000, "10.0 s" },
        { 59999999, "59.9 s" },
        { 60000000, "1 min" },
        { INT64_C(3599999999), "59 min" },
        { INT64_C(3600000000), "1 h" },
        { INT64_C(86399999999), "23 h" },
        { INT64_C(86400000000) * 5, "5 d" },
        { INT64_MAX, "106751991 d" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[32];
        clock_duration(cases[i].us, out, sizeof out);
        assert_string_equal(out, cases[i].want);
    }
    char tiny[4];
    clock_duration(412345, tiny, sizeof tiny);
    assert_string_equal(tiny, "0.4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),      cmocka_unit_test(test_iso),
        cmocka_unit_test(test_iso_refuses), cmocka_unit_test(test_iso_like_gmtime),
        cmocka_unit_test(test_ids),         cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
