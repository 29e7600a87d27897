/* test_config.c - the configuration file: read, checked, and rewritten so that it reads back. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/path.h"
#include "cli/config.h"

static char dir[200], path[300];

static int make_dir(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/airlock-config-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/config.ini", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void put(const char *text, size_t len)
{
    struct err e = ERR_INIT;
    assert_int_equal(path_write_file(path, text, len, &e), 0);
}

static void expect_text(const char *want)
{
    struct buf text = BUF_INIT((size_t)1 << 20);
    struct err e = ERR_INIT;
    assert_int_equal(path_read_file(path, &text, &e), 0);
    assert_string_equal(buf_str(&text), want);
    buf_release(&text);
}

/* The value in force after the file was read; static. */
static const char *get(const char *name)
{
    static char out[300];
    struct config c;
    struct err e = ERR_INIT;
    struct buf value = BUF_INIT(sizeof out - 1);
    if (config_load(&c, path, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(config_get(&c, name, &value, &e), 0);
    snprintf(out, sizeof out, "%s", buf_str(&value));
    buf_release(&value);
    config_release(&c);
    return out;
}

/* ---- reading */

static void test_no_file_is_the_defaults(void **state)
{
    (void)state;
    struct config c;
    struct err e = ERR_INIT;
    size_t count;
    unlink(path);
    assert_int_equal(config_load(&c, path, &e), 0);
    assert_int_equal(e.code, ERR_NONE);
    const struct config_key *keys = config_keys(&count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        struct buf value = BUF_INIT(100);
        assert_int_equal(config_get(&c, keys[i].key, &value, &e), 0);
        assert_string_equal(buf_str(&value), keys[i].dflt);
        buf_release(&value);
    }
    assert_null(config_setting(&c, "planner.effort")); /* not set */
    assert_null(config_setting(&c, "theme"));          /* not of a planner */
    assert_null(config_setting(&c, "nosuch"));
    config_release(&c);
}

static void test_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key, *value;
    } cases[] = {
        { "planner = runbook:x.md\n", "planner", "runbook:x.md" },
        { "planner: runbook\n", "planner", "runbook" },
        { "mouse = no", "mouse", "no" },
        { "[gate]\nown = ask\n", "gate.own", "ask" },
        { "[gate]\nown = typed\n", "gate.own", "typed" },
        { "[gate]\nconfirm = hex\n", "gate.confirm", "hex" },
        { "[gate]\nconfirm=high ; as ever\n", "gate.confirm", "high" },
        { "[gate]\narm_ms=250\n[gate]\narm_ms = 10000\n", "gate.arm_ms", "10000" },
        { "; a comment\n# another\n[planner]\neffort = xhigh\n", "planner.effort", "xhigh" },
        { "[planner]\neffort =\n", "planner.effort", "" },
        { "[planner]\ntries = 5\n", "planner.tries", "5" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put(cases[i].text, strlen(cases[i].text));
        assert_string_equal(get(cases[i].key), cases[i].value);
    }
}

static void expect_refused(const char *text, size_t len, enum err_code code, const char *says)
{
    struct config c;
    struct err e = ERR_INIT;
    put(text, len);
    assert_int_equal(config_load(&c, path, &e), -1);
    if (e.code != code || strstr(e.msg, says) == NULL)
        fail_msg("%.40s: %d %s", text, (int)e.code, e.msg);
    config_release(&c);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "planner =\n", "config.ini:1: planner = '': it takes NAME[:MODEL]" },
        { "\ntheme = blue\n", ":2: theme = 'blue': it takes default|light|mono|high-contrast" },
        { "theme = lighter\n", "theme = 'lighter'" },
        { "theme = ligh\n", "theme = 'ligh'" },
        { "mouse = maybe\n", "mouse = 'maybe': it takes yes|no" },
        { "[gate]\narm_ms = 249\n", ":2: gate.arm_ms = '249': it takes 250-10000" },
        { "[gate]\narm_ms = 10001\n", "250-10000" },
        { "[gate]\narm_ms = 300ms\n", "250-10000" },
        { "[gate]\narm_ms =\n", "250-10000" },
        { "[planner]\ntries = 6\n", "planner.tries = '6': it takes 1-5" },
        { "[planner]\neffort = hard\n", "planner.effort = 'hard': it takes none|minimal" },
        { "[gate]\nexpire_mins = 5\n", "'gate.expire_mins' (did you mean 'gate.expire_min'?)" },
        { "nothing.like.it = 5\n", "`airlock config list` shows all" },
        { "theme\n", ":1: not `key = value` or `[section]`" },
        { "[gate\n", ":1: not `key = value` or `[section]`" },
        { "[masks]\nx = a(\n", "masks.x: " },
        { "[contract]\nnosuch = 1\n", "nosuch" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_refused(cases[i].text, strlen(cases[i].text), ERR_USAGE, cases[i].says);
    expect_refused("theme = \0mono\n", 14, ERR_FORMAT, ":1: a NUL byte");
}

/* inih cuts longer lines in two; the last one needs no line end. */
static void test_long_lines(void **state)
{
    (void)state;
    char text[400] = "mouse = no\n;";
    size_t head = strlen(text);
    for (size_t len = 197; len <= 202; len++) {
        for (size_t end = 0; end < 2; end++) {
            memset(text + head, 'x', len - 1);
            memcpy(text + head + len - 1, "\nmouse = yes\n", 14);
            size_t all = head + len - 1 + (end == 0 ? 0 : 13);
            if (len >= 199) {
                expect_refused(text, all, ERR_LIMIT, ":2: the line is longer than 199 bytes");
            } else {
                put(text, all);
                assert_string_equal(get("mouse"), end == 0 ? "no" : "yes");
            }
        }
    }
}

static void test_masks_and_contract(void **state)
{
    (void)state;
    struct config c;
    struct err e = ERR_INIT;
    static const char text[] =
        "[masks]\nid = [0-9]+\nidx = x\nid = [a-f]+\n[contract]\npids = 15\npids = 16\n";
    put(text, sizeof text - 1);
    assert_int_equal(config_load(&c, path, &e), 0);
    assert_int_equal(c.mask_count, 2); /* of a name that stands there twice the last one counts */
    assert_string_equal(c.masks[0], "id=[a-f]+");
    assert_string_equal(c.masks[1], "idx=x");
    assert_int_equal(c.contract_count, 2);
    assert_string_equal(c.contract[1], "pids=16");
    config_release(&c);
}

/* ---- writing */

static void test_rewritten(void **state)
{
    (void)state;
    static const struct {
        const char *before, *name, *value, *after;
    } cases[] = {
        { "", "theme", "mono", "theme = mono\n" },
        { "", "gate.own", "ask", "[gate]\nown = ask\n" },
        { "; mine\n[gate]\nown = ask", "theme", "mono",
          "theme = mono\n; mine\n[gate]\nown = ask\n" },
        { "theme=light\n# end\n", "theme", "mono", "theme = mono\n# end\n" },
        { "theme: light\n", "theme", "mono", "theme = mono\n" },
        { "\ttheme\t= light\n", "theme", "mono", "theme = mono\n" },
        { "; theme = light\n#theme=light\n", "theme", "mono",
          "theme = mono\n; theme = light\n#theme=light\n" },
        { "theme = light\nmouse = no\ntheme = default\n", "theme", "mono",
          "theme = mono\nmouse = no\n" },
        { "[gate]\nown = ask\n[planner]\ntries = 2\n", "planner.tries", "3",
          "[gate]\nown = ask\n[planner]\ntries = 3\n" },
        { "[planner]\ntries = 2\n[gate]\nown = ask\n", "planner.effort", "low",
          "[planner]\ntries = 2\n[gate]\nown = ask\n[planner]\neffort = low\n" },
        { "[masks]\nid = a\n", "masks.id", "b|c", "[masks]\nid = b|c\n" },
        { "[contract]\npids = 15\npids = 16\n", "contract.pids", "17", "[contract]\npids = 17\n" },
        { "[contract]\nenv = A\nenv = B\n", "contract.env", "C", "[contract]\nenv = C\nenv = B\n" },
        { "[contract]\nfiles.mount = /a:/b:ro\nfiles.mount = /c:/d:ro\n", "contract.files.mount",
          "/e:/f:ro", "[contract]\nfiles.mount = /e:/f:ro\nfiles.mount = /c:/d:ro\n" },
        { "[planner]\neffort = low\n", "planner.effort", "", "[planner]\neffort = \n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        put(cases[i].before, strlen(cases[i].before));
        if (config_set(path, cases[i].name, cases[i].value, &e) < 0)
            fail_msg("%s: %s", cases[i].name, e.msg);
        expect_text(cases[i].after);
        if (strchr("tgp", cases[i].name[0]) != NULL)
            assert_string_equal(get(cases[i].name), cases[i].value);
    }
}

/* Nothing is written that would not be read back; the file stays as it was. */
static void test_not_rewritten(void **state)
{
    (void)state;
    static char big[200];
    memset(big, 'y', sizeof big - 1);
    const struct {
        const char *before, *name, *value;
        enum err_code code;
        const char *says;
    } cases[] = {
        { "", "masks.x", "foo ;bar", ERR_USAGE, "would not be read back as it is" },
        { "", "masks.a=b", "c", ERR_USAGE, "would not be read back" },
        { "", "masks.;a", "c", ERR_USAGE, "would not be read back" },
        { "", "planner", " human", ERR_USAGE, "would not be read back" },
        { "", "theme", "blue", ERR_USAGE, "it takes" },
        { "", "themes", "mono", ERR_USAGE, "did you mean 'theme'?" },
        { "", "contract.nosuch", "1", ERR_USAGE, "nosuch" },
        { "", "planner", "a\nb", ERR_USAGE, "does not fit one line" },
        { "", "planner", "a\rb", ERR_USAGE, "does not fit one line" },
        { "", "planner", big, ERR_USAGE, "does not fit one line" },
        { "nonsense = 1\n", "theme", "mono", ERR_USAGE, "config.ini:2: unknown key 'nonsense'" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        put(cases[i].before, strlen(cases[i].before));
        if (config_set(path, cases[i].name, cases[i].value, &e) == 0 || e.code != cases[i].code ||
            strstr(e.msg, cases[i].says) == NULL)
            fail_msg("%s: %d %s", cases[i].name, (int)e.code, e.msg);
        expect_text(cases[i].before);
    }
}

/* A file that is nearly as large as it may be loses none of its lines. */
static void test_full(void **state)
{
    (void)state;
    struct buf text = BUF_INIT((size_t)64 << 10);
    while (text.len + 64 <= text.max)
        assert_int_equal(
            buf_add_str(&text, "; a line of sixty-four bytes, so that they fill it up exactly..\n"),
            0);
    assert_int_equal(text.len, text.max);
    buf_truncate(&text, text.len - 12); /* "mouse = no\n" and the line end that is not there */
    struct err e = ERR_INIT;
    put(text.ptr, text.len);
    assert_int_equal(config_set(path, "mouse", "yes", &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.msg, "config.ini would be larger than 65536 bytes"));
    expect_text(text.ptr);
    assert_int_equal(config_set(path, "mouse", "no", &e), 0);
    assert_string_equal(get("mouse"), "no");
    buf_release(&text);
}

static void test_where(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct stat st;
    char *deep = xasprintf("%s/a/b/c.ini", dir);
    assert_int_equal(config_set(deep, "theme", "mono", &e), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(chmod(deep, 0644), 0);
    assert_int_equal(config_set(deep, "theme", "light", &e), -1);
    assert_int_equal(e.code, ERR_DENIED);
    unlink(deep);
    for (int i = 0; i < 2; i++) {
        *strrchr(deep, '/') = '\0';
        assert_int_equal(rmdir(deep), 0);
    }
    free(deep);
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(here >= 0);
    assert_int_equal(chdir(dir), 0);
    unlink(path);
    assert_int_equal(config_set("config.ini", "theme", "light", &e), 0); /* no directory named */
    assert_int_equal(fchdir(here), 0);
    close(here);
    assert_string_equal(get("theme"), "light");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_file_is_the_defaults),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_masks_and_contract),
        cmocka_unit_test(test_rewritten),
        cmocka_unit_test(test_not_rewritten),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_where),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
