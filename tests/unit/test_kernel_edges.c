/* test_kernel_edges.c - our side of the guest protocol: a guest that does not answer in time,
 * requests that are refused, ends of runs that are weighed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/kernel_guest.h"

/* ---- time */

/* As late as was asked for, and a little more. */
static void let_pass(struct fake *f, int64_t more_us)
{
    assert_true(f->armed >= 0);
    fake_ahead_us += f->armed + more_us;
    kernel_tick(f->k);
}

static void a_guest_that_does_not_keep_the_time_limit(void **state)
{
    struct fake f;
    (void)state;
    open_fake(&f);
    greet(&f);
    kernel_tick(f.k); /* nothing is on */
    begin(&f, 3);
    fake_ahead_us += 1000000;
    kernel_tick(f.k); /* there is time left */
    assert_int_equal(f.finished, 0);
    let_pass(&f, 1000);
    assert_int_equal(f.finished, 1);
    assert_true(traced(&f, "FINISHED run=3 end=2 ")); /* a timeout */
    assert_int_equal(f.broken, 1);
    assert_non_null(strstr(f.why.msg, "does not keep the time limit"));
    kernel_tick(f.k); /* dead is dead */
    assert_int_equal(f.broken, 1);
    close_fake(&f);
}

static void a_guest_that_does_not_answer(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct fake f;
        struct sandbox_run rq = small_request(3, "code");
        char saved[40];
        open_fake(&f);
        greet(&f);
        if (what == 0) { /* it never begins */
            assert_int_equal(kernel_exec(f.k, &rq, &e), 0);
        } else if (what == 1) {
            begin(&f, 3);
            says(&f, DONE(3, ""));
            says(&f, "{\"t\":\"checkpoint\",\"run\":3}");
            assert_int_equal(kernel_restore(f.k, 3, &e), 0);
        } else {
            snprintf(saved, sizeof saved, "AIRLOCK-SAVED 1 %010u\n", 7u);
            assert_int_equal(kernel_load(f.k, saved, strlen(saved), &e), 0);
        }
        if (what > 0) {
            assert_int_equal(kernel_exec(f.k, &rq, &e), -1);
            assert_int_equal(e.code, ERR_BUSY);
            assert_non_null(strstr(e.msg, "being restored"));
        }
        let_pass(&f, 1000);
        assert_int_equal(f.broken, 1);
        assert_string_equal(f.why.msg, "the guest does not answer");
        if (what > 0)
            assert_true(traced(&f, "RESTORED") && traced(&f, "err("));
        close_fake(&f);
    }
}

/* Who holds its output back, or slept himself, does not blame the guest. */
static void lateness_of_our_own_is_not_the_guests(void **state)
{
    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        struct fake f;
        open_fake(&f);
        greet(&f);
        begin(&f, 3);
        if (paused)
            kernel_pause_output(f.k, true);
        let_pass(&f, paused ? 1000 : 3000000);
        assert_int_equal(f.broken, 0);
        assert_true(f.armed > 0);
        if (paused)
            kernel_pause_output(f.k, false);
        let_pass(&f, 1000); /* but then it is */
        assert_int_equal(f.broken, 1);
        close_fake(&f);
    }
}

/* ---- refused */

static void what_is_no_saved_namespace(void **state)
{
    static const char *const rows[] = { "", "AIRLOCK-SAVED 1 0000000007",
                                        "AIRLOCK-SAVED 2 0000000007\n",
                                        "AIRLOCK-SAVED 1 0000000007 ", "no" };
    struct err e = ERR_INIT;
    struct fake f;
    (void)state;
    open_fake(&f);
    greet(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(kernel_load(f.k, rows[i], strlen(rows[i]), &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
    }
    char *large = xcalloc(1, SAVED_MAX + 100);
    snprintf(large, 100, "AIRLOCK-SAVED 1 %010u\n", 7u);
    assert_int_equal(kernel_load(f.k, large, SAVED_MAX + 28, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    free(large);
    begin(&f, 3);
    assert_int_equal(kernel_load(f.k, "", 0, &e), -1); /* while a run is on */
    assert_int_equal(e.code, ERR_BUSY);
    close_fake(&f);
}

static void files_and_completions_that_are_refused(void **state)
{
    static char name[NAME_MAX_BYTES + 2], text[(64 << 10) + 2], bytes[4] = "abc";
    char empty[] = "", root[] = "/a", ok[] = "a/b";
    struct err e = ERR_INIT;
    struct fake f;
    (void)state;
    memset(name, 'a', sizeof name - 1);
    memset(text, 'a', sizeof text - 1);
    open_fake(&f);
    greet(&f);
    char *const bad[] = { empty, root, name };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct sandbox_file file = { .name = bad[i], .ptr = bytes, .len = 3 };
        assert_int_equal(kernel_put(f.k, &file, &e), -1);
        assert_int_equal(e.code, ERR_USAGE);
        assert_int_equal(kernel_get(f.k, bad[i], 10, &e), -1);
    }
    struct sandbox_file large = { .name = ok, .ptr = bytes, .len = (size_t)BODY_MAX + 1 };
    assert_int_equal(kernel_put(f.k, &large, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.msg, "use a mount"));
    struct sandbox_file nothing = { .name = ok };
    assert_int_equal(kernel_put(f.k, &nothing, &e), 0); /* the first is on its way … */
    size_t sent = f.sent.len;
    assert_int_equal(kernel_get(f.k, ok, SIZE_MAX, &e), 0); /* … the second waits */
    assert_int_equal(f.sent.len, sent);
    assert_int_equal(kernel_complete(f.k, "python", text, 1, 1, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    int asked = 0;
    while (asked < 1000 && kernel_complete(f.k, "python", "ab", 99, 1, &e) == 0)
        asked++;
    assert_int_equal(asked, 32);
    assert_int_equal(e.code, ERR_BUSY);
    kernel_lost(f.k, END_LOST, "gone");
    kernel_lost(f.k, END_LOST, "gone"); /* once */
    assert_true(traced(&f, "FILE_DONE"));
    assert_int_equal(kernel_put(f.k, &nothing, &e), -1);
    assert_int_equal(e.code, ERR_NET);
    assert_int_equal(kernel_complete(f.k, "python", "a", 1, 1, &e), -1);
    assert_int_equal(e.code, ERR_NET);
    close_fake(&f);
    open_fake(&f); /* freed with all of it still under way */
    greet(&f);
    assert_int_equal(kernel_get(f.k, ok, 5, &e), 0);
    assert_int_equal(kernel_put(f.k, &nothing, &e), 0);
    begin(&f, 3);
    says(&f, "{\"t\":\"files\",\"run\":3,\"files\":[{\"change\":\"new\",\"bytes\":4,\"path\":"
             "\"a\"}],\"truncated\":false}");
    close_fake(&f);
}

/* ---- ends that are weighed */

static void begin_in(struct fake *f, const char *language, const char *check)
{
    struct sandbox_run rq = small_request(3, "code");
    struct err e;
    rq.language = language;
    rq.check_code = check;
    rq.check_code_len = strlen(check);
    assert_int_equal(kernel_exec(f->k, &rq, &e), 0);
    says(f, "{\"t\":\"begin\",\"run\":3}");
}

#define ENDS(end, more)                                                                            \
    "{\"t\":\"done\",\"run\":3,\"end\":\"" end "\",\"wall_us\":5,\"out\":0,\"err\":0,"             \
    "\"lost\":false,\"resumed\":0" more "}"

static void limits_are_told_from_exits(void **state)
{
    static const struct {
        const char *language, *done;
        int64_t oom, pids; /* so many more than before */
        const char *traced;
    } rows[] = {
        { "python", ENDS("exit", ",\"code\":0"), 0, 0, "end=0 code=1/0 what= hit= " },
        { "python", ENDS("exit", ",\"code\":0"), 1, 1, "end=0 code=1/0 what= hit=memory,pids " },
        { "python", ENDS("exit", ",\"code\":1,\"disk_full\":true"), 0, 0,
          "end=0 code=1/1 what= hit=disk " },
        { "python", ENDS("exit", ",\"code\":1,\"of\":{\"limit\":\"disk\"}"), 0, 0,
          "end=6 code=1/1 what=disk hit= " },
        { "python", ENDS("exit", ",\"code\":1,\"of\":{\"limit\":\"odd\"}"), 0, 0,
          "end=0 code=1/1 what= hit= " },
        { "python", ENDS("exit", ",\"code\":153"), 0, 0, "end=6 code=1/153 what=file size hit= " },
        { "python", ENDS("signal", ",\"signal\":25"), 0, 0, "end=6 code=1/25 what=file size " },
        { "python", ENDS("signal", ",\"signal\":9"), 1, 0, "end=5 code=0/9 " },
        { "python", ENDS("signal", ",\"signal\":9"), 0, 1, "end=1 code=1/9 what= hit=pids " },
        { "python", ENDS("exit", ",\"code\":137"), 1, 0, "end=0 code=1/137 what= hit=memory " },
        { "bash", ENDS("exit", ",\"code\":137"), 1, 0, "end=5 code=0/137 " },
        { "bash", ENDS("exit", ",\"code\":137"), 0, 0, "end=0 code=1/137 " },
        { "bash", ENDS("exit", ",\"code\":1"), 0, 1, "end=6 code=1/1 what=pids hit= " },
        { "bash", ENDS("exit", ",\"code\":0"), 0, 1, "end=0 code=1/0 what= hit=pids " },
        { "python", ENDS("limit", ",\"what\":\"pids\",\"message\":\"too much\""), 0, 0,
          "end=6 code=0/-1 what=pids hit= " },
        { "python", ENDS("limit", ",\"what\":\"odd\""), 0, 1, "what= hit= " },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake f;
        open_fake(&f);
        greet(&f);
        begin_in(&f, rows[i].language, "");
        f.oom += rows[i].oom;
        f.pids += rows[i].pids;
        says(&f, rows[i].done);
        if (!traced(&f, rows[i].traced))
            fail_msg("row %zu: broken %d: %s", i, f.broken, buf_str(&f.trace));
        close_fake(&f);
    }
}

static void checks_that_ran_or_did_not(void **state)
{
    static const struct {
        const char *language, *more, *traced;
    } rows[] = {
        { "python", ",\"code\":0,\"of\":{\"check\":{\"ok\":true}}", "check=11" },
        { "python", ",\"code\":0,\"of\":{\"check\":{\"ok\":false,\"text\":\"no\"}}", "check=10" },
        { "python", ",\"code\":0,\"of\":{\"check\":1}", "check=00" },
        { "python", ",\"code\":0", "check=00" },
        { "bash", ",\"code\":0,\"check\":{\"check\":{\"ok\":true}}", "check=11" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake f;
        char done[256];
        open_fake(&f);
        greet(&f);
        begin_in(&f, rows[i].language, "assert x");
        snprintf(done, sizeof done,
                 "{\"t\":\"done\",\"run\":3,\"end\":\"exit\",\"wall_us\":5,\"out\":0,\"err\":0,"
                 "\"lost\":false,\"resumed\":0%s}",
                 rows[i].more);
        says(&f, done);
        if (!traced(&f, rows[i].traced))
            fail_msg("row %zu: broken %d: %s", i, f.broken, buf_str(&f.trace));
        close_fake(&f);
    }
}

/* A run that never began can be refused, not have an end of its own. */
static void ends_of_runs_that_had_not_begun(void **state)
{
    static const struct {
        const char *done;
        bool fine;
    } rows[] = {
        { ENDS("sandbox", ",\"message\":\"no room\""), true },
        { ENDS("limit", ",\"what\":\"disk\""), true },
        { ENDS("interrupted", ""), true },
        { ENDS("timeout", ""), true },
        { ENDS("exit", ",\"code\":0"), false },
        { ENDS("signal", ",\"signal\":9"), false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake f;
        struct sandbox_run rq = small_request(3, "code");
        struct err e = ERR_INIT;
        open_fake(&f);
        greet(&f);
        assert_int_equal(kernel_exec(f.k, &rq, &e), 0);
        says(&f, rows[i].done);
        if (f.broken != !rows[i].fine || f.finished != 1)
            fail_msg("row %zu: broken %d: %s", i, f.broken, f.why.msg);
        close_fake(&f);
    }
}

static void interpreters_of_their_own_kind(void **state)
{
    static const char *const languages[] = { "python", "javascript", "bash", NULL };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
        struct contract c = {
            .timeout_s = 30, .memory_mib = 64, .pids = 8, .disk_mib = 1, .output_mib = 1
        };
        struct fake f = { .accept = SIZE_MAX };
        struct kernel_config cfg = {
            .contract = &c, .start = languages[i], .arg = &f, .write = fake_write, .sink = fake_sink
        };
        buf_init(&f.sent, 1 << 20);
        buf_init(&f.trace, 1 << 20);
        f.k = kernel_new(&cfg);
        assert_null(kernel_hello(f.k));
        greet(&f);
        assert_non_null(kernel_hello(f.k));
        const char *path = i == 0 ? "/usr/bin/python3" : i == 1 ? "node" : "/usr/bin/bash";
        bool told = memmem(f.sent.ptr, f.sent.len, path, strlen(path)) != NULL;
        assert_int_equal(told, languages[i] != NULL);
        begin(&f, 3);
        kernel_feed(f.k, "\xff", 1);
        kernel_lost(f.k, END_LOST, "gone"); /* without anybody who wants to know */
        assert_int_equal(f.finished, 1);
        close_fake(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_does_not_keep_the_time_limit),
        cmocka_unit_test(a_guest_that_does_not_answer),
        cmocka_unit_test(lateness_of_our_own_is_not_the_guests),
        cmocka_unit_test(what_is_no_saved_namespace),
        cmocka_unit_test(files_and_completions_that_are_refused),
        cmocka_unit_test(limits_are_told_from_exits),
        cmocka_unit_test(checks_that_ran_or_did_not),
        cmocka_unit_test(ends_of_runs_that_had_not_begun),
        cmocka_unit_test(interpreters_of_their_own_kind),
    };
    return cmocka_run_group_tests_name("kernel edges", tests, NULL, NULL);
}
