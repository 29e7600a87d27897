/* test_policy.c - which policy files are trusted, and what they allow. */
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
#include "base/buf.h"
#include "base/path.h"
#include "tool/policy.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static char dir[256], start[4096];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-policy-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return getcwd(start, sizeof start) == NULL || mkdtemp(dir) == NULL ? -1 : 0;
}

static const char *in_dir(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(in_dir("policy"));
    unlink(in_dir("link"));
    unlink(in_dir("open/policy"));
    rmdir(in_dir("open"));
    rmdir(in_dir("project"));
    return chdir(start) < 0 || rmdir(dir) < 0 ? -1 : 0;
}

static void write_policy(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(in_dir(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(in_dir(name), mode), 0);
}

static void refused(const char *name, enum err_code code, const char *says)
{
    struct policy *p = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(policy_load(&p, in_dir(name), &e), -1);
    assert_null(p);
    assert_int_equal(e.code, code);
    if (strstr(e.msg, says) == NULL)
        fail_msg("it said: %s", e.msg);
}

static void pairs_are_found_exactly(void **state)
{
    (void)state;
    static const char text[] = "# mine\n\n  allow " HEX_A " " HEX_B "  # the nightly report\r\n"
                               "allow\t" HEX_B "\t" HEX_B "\n#end";
    uint8_t a[SHA256_LEN], b[SHA256_LEN], digest[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    struct policy *p = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(hex_decode(HEX_A, 64, a) + hex_decode(HEX_B, 64, b), 0);
    write_policy("policy", text, 0600);
    if (policy_load(&p, in_dir("policy"), &e) < 0)
        fail_msg("%s", e.msg);
    assert_true(policy_allows(p, a, b));
    assert_true(policy_allows(p, b, b));
    assert_false(policy_allows(p, b, a));
    assert_false(policy_allows(p, a, a));
    assert_false(policy_allows(NULL, a, b));
    sha256_once(text, strlen(text), digest);
    hex_encode(digest, sizeof digest, hex);
    assert_string_equal(policy_digest_hex(p), hex);
    policy_free(p);
    policy_free(NULL);
}

static void lines_that_mean_nothing_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "allow " HEX_A " " HEX_B "\nallow *", "policy:2: after `allow`" },
        { "permit " HEX_A " " HEX_B, "policy:1: it begins with neither" },
        { "\n\nallow " HEX_A, "policy:3: after `allow`" },
        { "allow " HEX_A " " HEX_B " " HEX_A, "has no meaning there" },
        { "allow " HEX_A " 00", "64 lower-case" },
        { "allow AA112233445566778899aabbccddeeff00112233445566778899aabbccddeeff " HEX_B,
          "64 lower-case" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_policy("policy", rows[i].text, 0600);
        refused("policy", ERR_FORMAT, rows[i].says);
    }
}

static void files_others_could_have_written_are_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = { 0644, 0660, 0604, 0602 };
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        write_policy("policy", "", modes[i]);
        refused("policy", ERR_DENIED, "policy");
    }
    write_policy("policy", "", 0600);
    assert_int_equal(symlink("policy", in_dir("link")), 0);
    struct policy *p = NULL;
    struct err e = ERR_INIT;
    assert_int_equal(policy_load(&p, in_dir("link"), &e), -1);
    unlink(in_dir("link"));
    refused("none", ERR_MISSING, "policy");
    refused("none/policy", ERR_MISSING, "policy");
    char big[70000];
    memset(big, '#', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    write_policy("policy", big, 0600);
    refused("policy", ERR_LIMIT, "policy");
    write_policy("policy", "", 0600);
    mkdir(in_dir("open"), 0700);
    chmod(in_dir("open"), 0777);
    write_policy("open/policy", "", 0600);
    refused("open/policy", ERR_DENIED, "others can write");
    chmod(in_dir("open"), 01777);
    assert_int_equal(policy_load(&p, in_dir("open/policy"), &e), 0);
    policy_free(p);
}

static void files_of_a_project_are_refused(void **state)
{
    (void)state;
    struct policy *p = NULL;
    struct err e = ERR_INIT;
    write_policy("policy", "", 0600);
    mkdir(in_dir("project"), 0700);
    assert_int_equal(chdir(dir), 0);
    refused("policy", ERR_DENIED, "below the current directory");
    assert_int_equal(policy_load(&p, "policy", &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_int_equal(policy_load(&p, "project/../policy", &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    assert_int_equal(chdir("project"), 0);
    assert_int_equal(policy_load(&p, "../policy", &e), 0); /* beside it */
    policy_free(p);
    assert_int_equal(chdir("/"), 0); /* the root is no project */
    assert_int_equal(policy_load(&p, in_dir("policy"), &e), 0);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pairs_are_found_exactly, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(lines_that_mean_nothing_are_told, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(files_others_could_have_written_are_refused, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(files_of_a_project_are_refused, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
