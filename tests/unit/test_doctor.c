/* test_doctor.c - versions compared, and the list of those known to be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/json.h"
#include "base/share.h"
#include "cli/doctor.h"

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void versions_are_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        { "3.40.1", "3.40.1", 0 }, { "3.9", "3.40", -1 },    { "3.40", "3.40.1", -1 },
        { "8.4.0", "7.88.1", 1 },  { "", "0", 0 },           { "6.4.20221231", "6.4.20230408", -1 },
        { "5.11", "5.11.0", 0 },   { "6.18.44", "5.11", 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(sign(version_compare(cases[i].a, cases[i].b)), cases[i].want);
        assert_int_equal(sign(version_compare(cases[i].b, cases[i].a)), -cases[i].want);
    }
}

/* As `dpkg --compare-versions` says. */
static void debian_versions_follow_debian(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        { "3.40.1-2+deb12u2", "3.40.1-2+deb12u1", 1 },
        { "3.40.1-2", "3.40.1-2+deb12u1", -1 },
        { "7.88.1-10+deb12u15", "7.88.1-10+deb12u4", 1 },
        { "1.0~rc1-1", "1.0-1", -1 },
        { "3.0.22-1~deb12u2", "3.0.22-1", -1 },
        { "1:1.0-1", "2.0-1", 1 },
        { "6.4-4", "6.4-3", 1 },
        { "1.0a-1", "1.0-1", 1 },
        { "1.0+b-1", "1.0a-1", 1 },
        { "1.2-1-1", "1.2-1", 1 },
        { "2.0", "2.0", 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (sign(debian_version_compare(cases[i].a, cases[i].b)) != cases[i].want ||
            sign(debian_version_compare(cases[i].b, cases[i].a)) != -cases[i].want)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
}

static struct json *shipped(void)
{
    const struct share_file *f = share_find("doctor/known-bad.json");
    struct json *list = NULL;
    struct err e = ERR_INIT;
    assert_non_null(f);
    assert_int_equal(json_parse(&list, f->ptr, f->len, &e), 0);
    return list;
}

static void the_list_is_whole(void **state)
{
    (void)state;
    static const char *const needed[] = { "component", "package", "from", "fixed", "id", "why" };
    struct json *list = shipped();
    assert_true(json_len(list) >= 10);
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
        for (size_t i = 0; i < ARRAY_LEN(needed); i++)
            assert_true(json_get_str(m, needed[i], "")[0] != '\0');
        assert_true(version_compare(json_get_str(m, "from", ""), json_get_str(m, "fixed", "")) < 0);
    }
    json_free(list);
}

static void a_bad_version_is_found_unless_debian_mended_it(void **state)
{
    (void)state;
    static const struct {
        const char *component, *version, *package, *ids; /* in the order of the list */
    } cases[] = {
        { "sqlite", "3.40.1", "3.40.1-2+deb12u2", "WAL-reset race," },
        { "sqlite", "3.40.1", "3.40.1-2+deb12u1", "CVE-2025-6965,WAL-reset race," },
        { "sqlite", "3.40.1", "", "CVE-2025-6965,WAL-reset race," },
        { "sqlite", "3.51.3", "", "" },
        { "sqlite", "", "", "" },
        { "curl", "8.3.0", "", "CVE-2023-38545," },
        { "curl", "8.4.0", "", "" },
        { "openssl", "3.0.6", "", "CVE-2022-3602," },
        { "openssl", "3.0.7", "", "" },
        { "nonesuch", "1.0", "", "" },
    };
    struct json *list = shipped();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char ids[256] = "";
        size_t next = 0, n = 0;
        const struct json *m;
        while ((m = doctor_known_bad(list, cases[i].component, cases[i].version, cases[i].package,
                                     &next)) != NULL)
            n += (size_t)snprintf(ids + n, sizeof ids - n, "%s,", json_get_str(m, "id", "?"));
        assert_string_equal(ids, cases[i].ids);
    }
    json_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_numbers),
        cmocka_unit_test(debian_versions_follow_debian),
        cmocka_unit_test(the_list_is_whole),
        cmocka_unit_test(a_bad_version_is_found_unless_debian_mended_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
