/* test_verdict.c - reading expectations and judging by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tool/verdict.h"

/* ---- reading ---- */

static void every_form_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum check_kind kind;
        const char *arg;
        int64_t number;
    } rows[] = {
        { "exit 0", CHECK_EXIT, NULL, 0 },
        { "  exit   255  ", CHECK_EXIT, NULL, 255 },
        { "stderr empty", CHECK_STDERR_EMPTY, NULL, 0 },
        { "stdout contains a  b", CHECK_STDOUT_CONTAINS, "a  b", 0 },
        { "stdout contains \"q\"", CHECK_STDOUT_CONTAINS, "\"q\"", 0 },
        { "stdout matches ^x[0-9]{2}$", CHECK_STDOUT_MATCHES, "^x[0-9]{2}$", 0 },
        { "stdout equals 42", CHECK_STDOUT_EQUALS, "42", 0 },
        { "stdout equals", CHECK_STDOUT_EQUALS, "", 0 },
        { "stdout is json", CHECK_STDOUT_IS, "json", 0 },
        { "stdout is integer", CHECK_STDOUT_IS, "integer", 0 },
        { "stdout is number", CHECK_STDOUT_IS, "number", 0 },
        { "file out.csv exists", CHECK_FILE_EXISTS, "out.csv", 0 },
        { "file a b exists exists", CHECK_FILE_EXISTS, "a b exists", 0 },
        { "within 5", CHECK_WITHIN, NULL, 5000 },
        { "within 0.25", CHECK_WITHIN, NULL, 250 },
        { "within 2 s", CHECK_WITHIN, NULL, 2000 },
        { "code: assert x.split('\\n')", CHECK_CODE, "assert x.split('\\n')", 0 },
        { "code:for i in x:\n\t    assert i\n\tprint(i)", CHECK_CODE,
          "for i in x:\n    assert i\nprint(i)", 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct expectation x;
        struct err e = ERR_INIT;
        if (expectation_parse(&x, rows[i].text, strlen(rows[i].text), &e) < 0)
            fail_msg("%s: %s", rows[i].text, e.msg);
        assert_int_equal(x.count, 1);
        assert_int_equal(x.checks[0].kind, rows[i].kind);
        assert_int_equal(x.checks[0].number, rows[i].number);
        if (rows[i].arg != NULL)
            assert_string_equal(x.checks[0].arg, rows[i].arg);
        expectation_release(&x);
    }
}

static void what_is_no_check_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "exit 0\nstdot contains x", "line 2: `stdot contains x` is no check; a check is one of" },
        { "exit 256", "0 to 255" },
        { "exit", "0 to 255" },
        { "exit -1", "0 to 255" },
        { "exits 0", "is no check" },
        { "stderr", "is no check" },
        { "stderr is empty", "is no check" },
        { "stdout", "is no check" },
        { "stdout contains", "nothing to look for" },
        { "stdout contain x", "is no check" },
        { "stdout matches [", "not a regular expression" },
        { "stdout matches (a)\\1", "back-references" },
        { "stdout matches ((((a{100}){100}){100}){100})", "too large" },
        { "stdout is xml", "json, integer or number" },
        { "file x", "file PATH exists" },
        { "file  exists", "file PATH exists" },
        { "within", "seconds" },
        { "within 0", "seconds" },
        { "within 1.2345", "seconds" },
        { "within fast", "seconds" },
        { "code:", "no code in it" },
        { "\texit 0", "continues nothing" },
        { "exit 0\n\n\n\nbogus", "line 5" },
        { "code: a\n\tb\n\tc\nbogus", "line 4" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct expectation x = { NULL, 77 };
        struct err e = ERR_INIT;
        assert_int_equal(expectation_parse(&x, rows[i].text, strlen(rows[i].text), &e), -1);
        assert_int_equal(e.code, ERR_FORMAT);
        if (strstr(e.msg, rows[i].says) == NULL)
            fail_msg("%s said: %s", rows[i].text, e.msg);
        assert_int_equal(x.count, 77);
    }
}

static void many_checks_are_too_many(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    struct expectation x;
    struct err e = ERR_INIT;
    for (int i = 0; i <= EXPECT_CHECKS_MAX; i++)
        buf_add_str(&text, "exit 0\n");
    assert_int_equal(expectation_parse(&x, text.ptr, text.len, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(expectation_parse(&x, text.ptr, text.len - 7, &e), 0);
    assert_int_equal(x.count, EXPECT_CHECKS_MAX);
    expectation_release(&x);
    assert_int_equal(expectation_parse(&x, "", 0, &e), 0);
    assert_int_equal(x.count, 0);
    assert_int_equal(expectation_parse(&x, "a\0b", 3, &e), -1);
    buf_release(&text);
}

static void checks_survive_being_joined(void **state)
{
    (void)state;
    static const char code[] = "code: def f():\n    return 1\nassert f() == 1\n";
    struct buf text = BUF_INIT(1 << 20);
    struct expectation x;
    struct err e = ERR_INIT;
    size_t n;
    expectation_add(&text, "exit 0", 6);
    expectation_add(&text, code, strlen(code));
    expectation_add(&text, "file a exists", 13);
    expectation_add(&text, "code: assert True", 17);
    expectation_add(&text, "file b exists", 13);
    assert_int_equal(expectation_parse(&x, text.ptr, text.len, &e), 0);
    assert_int_equal(x.count, 5);
    char *all = expectation_check_code(&x);
    assert_string_equal(all, "def f():\n    return 1\nassert f() == 1\nassert True\n");
    const char **paths = expectation_paths(&x, &n);
    assert_int_equal(n, 2);
    assert_string_equal(paths[0], "a");
    assert_string_equal(paths[1], "b");
    free(paths);
    free(all);
    expectation_release(&x);
    buf_release(&text);
}

/* ---- judging ---- */

static struct {
    const char *ptr;
    size_t len;
    size_t at_most; /* bytes a read gives */
    bool fails;
} stored;

static ssize_t read_stored(void *arg, uint32_t run, unsigned stream, uint64_t offset, char *dst,
                           size_t len)
{
    (void)arg;
    assert_int_equal(run, 9);
    assert_int_equal(stream, STREAM_STDOUT);
    if (stored.fails)
        return -1;
    if (offset >= stored.len)
        return 0;
    size_t n = stored.len - offset < len ? stored.len - (size_t)offset : len;
    n = n < stored.at_most ? n : stored.at_most;
    memcpy(dst, stored.ptr + offset, n);
    return (ssize_t)n;
}

static const struct output_source source = { read_stored, NULL };

/* `in_tail`: that many last bytes are in memory, the others come through the source. */
static void judge_bytes(struct judged *out, const char *expect, const struct sandbox_finished *f,
                        const char *bytes, size_t len, size_t in_tail)
{
    struct expectation x;
    struct err e = ERR_INIT;
    struct state_run run = { .number = 9 };
    struct state_output *o = &run.out[STREAM_STDOUT];
    if (expectation_parse(&x, expect, strlen(expect), &e) < 0)
        fail_msg("%s", e.msg);
    stored.ptr = bytes;
    stored.len = len;
    stored.at_most = stored.at_most != 0 ? stored.at_most : SIZE_MAX;
    buf_init(&o->tail, SIZE_MAX / 2);
    buf_add(&o->tail, bytes + (len - in_tail), in_tail);
    o->bytes = len;
    o->tail_offset = len - in_tail;
    verdict_judge(out, &x, f, &run, &source);
    buf_release(&o->tail);
    expectation_release(&x);
}

static const struct sandbox_finished exit_0 = {
    .end = END_EXIT, .has_code = true, .what = "", .wall_us = 1500000
};

static void judgements(void **state)
{
    (void)state;
    static const struct {
        const char *expect, *out;
        enum run_verdict verdict;
        const char *got; /* of the first check that is not ok */
    } rows[] = {
        { "", "x", VERDICT_UNVERIFIED, NULL },
        { "exit 0", "", VERDICT_VERIFIED, NULL },
        { "exit 1", "", VERDICT_REFUTED, "exit 0" },
        { "stderr empty", "", VERDICT_VERIFIED, NULL },
        { "stdout contains 42", "is 42!", VERDICT_VERIFIED, NULL },
        { "stdout contains 42", "is 41!\nmore", VERDICT_REFUTED, "is 41!\\nmore" },
        { "stdout contains 42", "", VERDICT_REFUTED, "stdout is empty" },
        { "stdout contains x", "a\001\377\303\274", VERDICT_REFUTED, "a??\303\274" },
        { "stdout equals 42", "42\n", VERDICT_VERIFIED, NULL },
        { "stdout equals 42", "42", VERDICT_VERIFIED, NULL },
        { "stdout equals 42", "42\n\n", VERDICT_REFUTED, NULL },
        { "stdout equals 42", "4", VERDICT_REFUTED, NULL },
        { "stdout equals 42", "421", VERDICT_REFUTED, NULL },
        { "stdout equals", "", VERDICT_VERIFIED, NULL },
        { "stdout equals", "\n", VERDICT_VERIFIED, NULL },
        { "stdout equals", "x", VERDICT_REFUTED, NULL },
        { "stdout matches ^b+$", "a\nbbb\nc", VERDICT_VERIFIED, NULL },
        { "stdout matches ^b+$", "a\nbbbx\nc", VERDICT_REFUTED, NULL },
        { "stdout matches a.c", "a\nc\n", VERDICT_REFUTED, NULL },
        { "stdout matches ^$", "a\n", VERDICT_REFUTED, NULL },
        { "stdout matches ^$", "a\n\nb", VERDICT_VERIFIED, NULL },
        { "stdout matches ^$", "", VERDICT_VERIFIED, NULL },
        { "stdout is json", "{\"a\":[1,2]}\n", VERDICT_VERIFIED, NULL },
        { "stdout is json", "{\"a\":1", VERDICT_REFUTED, NULL },
        { "stdout is json", "", VERDICT_REFUTED, NULL },
        { "stdout is integer", " -42\n", VERDICT_VERIFIED, NULL },
        { "stdout is integer", "4.2", VERDICT_REFUTED, "4.2" },
        { "stdout is integer", "", VERDICT_REFUTED, NULL },
        { "stdout is integer", "1 2", VERDICT_REFUTED, NULL },
        { "stdout is number", "1e-9\n", VERDICT_VERIFIED, NULL },
        { "stdout is number", ".5", VERDICT_VERIFIED, NULL },
        { "stdout is number", "nan", VERDICT_REFUTED, NULL },
        { "stdout is number", "1e", VERDICT_REFUTED, NULL },
        { "stdout is number", ".", VERDICT_REFUTED, NULL },
        { "stdout is number", "-1.5e+3", VERDICT_VERIFIED, NULL },
        { "stdout is number", "2E5", VERDICT_VERIFIED, NULL },
        { "stdout is number", "7.", VERDICT_VERIFIED, NULL },
        { "stdout is number", "1.5.2", VERDICT_REFUTED, NULL },
        { "stdout is number", "1e5x", VERDICT_REFUTED, NULL },
        { "stdout is number", "1e-", VERDICT_REFUTED, NULL },
        { "stdout is number", "e5", VERDICT_REFUTED, NULL },
        { "stdout is integer", "\t+7 \r\n", VERDICT_VERIFIED, NULL },
        { "stdout is integer", "-", VERDICT_REFUTED, "-" },
        { "stdout is integer", "7-", VERDICT_REFUTED, "7-" },
        { "stdout is integer", " \n ", VERDICT_REFUTED, NULL },
        { "within 1.5", "", VERDICT_VERIFIED, NULL },
        { "within 1.4", "", VERDICT_REFUTED, "1.500 s" },
        { "file a exists", "", VERDICT_REFUTED, "not decided: the run never got there" },
        { "code: assert x", "", VERDICT_REFUTED, "the check did not run" },
        { "exit 0\nstdout contains a\nstdout contains b", "b", VERDICT_REFUTED, "b" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t tail = 0; tail <= strlen(rows[i].out); tail++) {
            struct judged j;
            judge_bytes(&j, rows[i].expect, &exit_0, rows[i].out, strlen(rows[i].out), tail);
            if (j.verdict != rows[i].verdict)
                fail_msg("`%s` on `%s`: %s", rows[i].expect, rows[i].out,
                         run_verdict_name(j.verdict));
            for (size_t k = 0; k < j.count && rows[i].got != NULL; k++) {
                if (!j.checks[k].ok) {
                    assert_string_equal(j.checks[k].got, rows[i].got);
                    break;
                }
            }
            judged_release(&j);
        }
    }
}

static void the_end_of_the_run_counts(void **state)
{
    (void)state;
    static const struct {
        enum run_end end;
        int code;
        const char *expect;
        enum run_verdict verdict;
        bool spent;
    } rows[] = {
        { END_EXIT, 1, "", VERDICT_REFUTED, true },
        { END_EXIT, 1, "stdout contains x", VERDICT_REFUTED, true }, /* exit 0 is meant */
        { END_EXIT, 1, "exit 1\nstdout contains x", VERDICT_VERIFIED, false },
        { END_SIGNAL, 9, "stdout contains x", VERDICT_REFUTED, true },
        { END_SIGNAL, 9, "exit 137", VERDICT_VERIFIED, false },
        { END_SIGNAL, 9, "exit 9", VERDICT_REFUTED, true },
        { END_TIMEOUT, 0, "exit 0", VERDICT_REFUTED, true },
        { END_TIMEOUT, 0, "exit 124", VERDICT_VERIFIED, false },
        { END_OOM, 0, "stdout contains x", VERDICT_REFUTED, true },
        { END_LOST, 0, "", VERDICT_REFUTED, true },
        { END_EXIT, 0, "", VERDICT_UNVERIFIED, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sandbox_finished f = { .end = rows[i].end,
                                      .has_code = rows[i].end <= END_SIGNAL,
                                      .code = rows[i].code,
                                      .what = "" };
        struct judged j;
        judge_bytes(&j, rows[i].expect, &f, "x", 1, 1);
        assert_int_equal(j.verdict, rows[i].verdict);
        assert_int_equal(verdict_is_spent(j.verdict, &f), rows[i].spent);
        judged_release(&j);
    }
}

static void the_meant_exit_is_shown_when_it_fails(void **state)
{
    (void)state;
    struct sandbox_finished f = { .end = END_LIMIT, .what = "disk" };
    struct judged j;
    judge_bytes(&j, "stdout contains x", &f, "x", 1, 1);
    assert_int_equal(j.count, 2);
    assert_string_equal(j.checks[0].kind, "exit");
    assert_string_equal(j.checks[0].text, "exit 0");
    assert_string_equal(j.checks[0].got, "limit disk");
    assert_true(j.checks[1].ok);
    judged_release(&j);
}

static void answers_of_the_sandbox_are_used(void **state)
{
    (void)state;
    static const bool exists[] = { true, false };
    struct sandbox_finished f = exit_0;
    struct judged j;
    f.exists = exists;
    f.exists_count = 2;
    f.check_ran = true;
    f.check_text = "AssertionError: 3 rows";
    judge_bytes(&j, "file a exists\ncode: assert y\nfile b exists\nfile c exists", &f, "", 0, 0);
    assert_int_equal(j.verdict, VERDICT_REFUTED);
    assert_true(j.checks[0].ok);
    assert_false(j.checks[1].ok);
    assert_string_equal(j.checks[1].got, "AssertionError: 3 rows");
    assert_string_equal(j.checks[2].got, "it does not exist");
    assert_string_equal(j.checks[3].got, "not decided: the run never got there");
    judged_release(&j);
    f.check_ok = true;
    judge_bytes(&j, "file a exists\ncode: assert y", &f, "", 0, 0);
    assert_int_equal(j.verdict, VERDICT_VERIFIED);
    judged_release(&j);
}

static void large_output_is_streamed(void **state)
{
    (void)state;
    const size_t len = (size_t)20 << 20;
    char *big = xmalloc(len);
    struct judged j;
    memset(big, 'a', len);
    for (size_t i = 100; i < len; i += 101)
        big[i] = '\n';
    stored.at_most = 100000;               /* short reads */
    memcpy(big + 262144 - 3, "NEEDLE", 6); /* over the edge of the window */
    judge_bytes(&j, "stdout contains NEEDLE", &exit_0, big, len, 1000);
    assert_int_equal(j.verdict, VERDICT_VERIFIED);
    judged_release(&j);
    judge_bytes(&j, "stdout contains NEEDLES", &exit_0, big, len, 1000);
    assert_int_equal(j.verdict, VERDICT_REFUTED);
    judged_release(&j);
    memcpy(big + len - 8, "LASTLAST", 8);
    judge_bytes(&j, "stdout contains LASTLAST", &exit_0, big, len, 3);
    assert_int_equal(j.verdict, VERDICT_VERIFIED);
    judged_release(&j);
    judge_bytes(&j, "stdout matches LASTLAST", &exit_0, big, len, 3);
    assert_int_equal(j.verdict, VERDICT_REFUTED);
    assert_non_null(strstr(j.checks[0].got, "not decided"));
    judged_release(&j);
    judge_bytes(&j, "stdout is json", &exit_0, big, len, 3);
    assert_non_null(strstr(j.checks[0].got, "not decided"));
    judged_release(&j);
    stored.fails = true;
    judge_bytes(&j, "stdout contains NEEDLE\nstdout matches a\nstdout is json", &exit_0, big, len,
                3);
    assert_non_null(strstr(j.checks[0].got, "can't be read back"));
    judged_release(&j);
    judge_bytes(&j, "stdout matches a", &exit_0, big, 1000, 3);
    assert_non_null(strstr(j.checks[0].got, "can't be read back"));
    judged_release(&j);
    stored.fails = false;
    stored.at_most = 0;
    free(big);
}

/* What can't be decided is not ok, and says so; what is shown of stdout fits a line. */
static void what_can_not_be_decided_is_not_ok(void **state)
{
    (void)state;
    static const struct {
        const char *expect, *out;
        uint64_t dropped;
        bool in_memory, has_source;
        const char *got; /* NULL: it is ok */
    } rows[] = {
        { "stdout contains b", "abc", 5, true, true, NULL },
        { "stdout contains x", "abc", 5, true, true, "not decided: stdout was cut at output_mib" },
        { "stdout contains b", "abc", 0, false, false, "not decided: stdout can't be read back" },
        { "stdout equals abc", "abc", 5, true, true, "not decided: stdout was cut at output_mib" },
        { "stdout equals abc", "abc", 0, false, false, "not decided: stdout can't be read back" },
        { "stdout equals abd", "abc", 0, true, true, "abc" },
        { "stdout equals abc", "abcd", 0, true, true, "abcd" },
        { "stdout matches b", "abc", 5, true, true, NULL },
        { "stdout matches x", "abc", 5, true, true, "not decided: no match in the first 8 MiB" },
        { "stdout is json", "1", 5, true, true, "not decided: stdout has more than 8 MiB" },
        { "stdout is integer", "1", 0, false, false, "not decided: stdout can't be read back" },
        { "stdout is integer", "x\x7f\x01", 0, true, true, "x??" },
        /* A character that the hundredth byte cuts, and one that it does not. */
        { "stdout is integer",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "a"
          "aaaaaaaaaa\303\274b",
          0, true, true,
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "a"
          "aaaaaaaaaa\xe2\x80\xa6" },
        { "stdout is integer",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "a"
          "aaaaaaaaa\303\274b",
          0, true, true,
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "a"
          "aaaaaaaaa\303\274\xe2\x80\xa6" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct expectation x;
        struct err e = ERR_INIT;
        struct judged j;
        struct state_run run = { .number = 9 };
        struct state_output *o = &run.out[STREAM_STDOUT];
        size_t len = strlen(rows[i].out);
        assert_int_equal(expectation_parse(&x, rows[i].expect, strlen(rows[i].expect), &e), 0);
        stored.ptr = rows[i].out;
        stored.len = len;
        stored.at_most = SIZE_MAX;
        buf_init(&o->tail, 1000);
        if (rows[i].in_memory)
            assert_int_equal(buf_add(&o->tail, rows[i].out, len), 0);
        o->bytes = len;
        o->dropped = rows[i].dropped;
        o->tail_offset = rows[i].in_memory ? 0 : len;
        verdict_judge(&j, &x, &exit_0, &run, rows[i].has_source ? &source : NULL);
        assert_int_equal(j.checks[0].ok, rows[i].got == NULL);
        if (rows[i].got != NULL)
            assert_string_equal(j.checks[0].got, rows[i].got);
        judged_release(&j);
        buf_release(&o->tail);
        expectation_release(&x);
    }
    stored.at_most = 0;
    judged_release(NULL);
}

static void stderr_counts_what_was_dropped(void **state)
{
    (void)state;
    for (unsigned dropped = 0; dropped < 3; dropped++) {
        struct expectation x;
        struct err e = ERR_INIT;
        struct judged j;
        struct state_run run = { .number = 9 };
        run.out[STREAM_STDERR].bytes = 3;
        run.out[STREAM_STDERR].dropped = dropped;
        assert_int_equal(expectation_parse(&x, "stderr empty", 12, &e), 0);
        verdict_judge(&j, &x, &exit_0, &run, NULL);
        char want[40];
        snprintf(want, sizeof want, "%u bytes on stderr", 3 + dropped);
        assert_string_equal(j.checks[0].got, want);
        assert_int_equal(j.verdict, VERDICT_REFUTED);
        judged_release(&j);
        expectation_release(&x);
    }
}

/* A provider that does not tell the status; a check that died before it was asked. */
static void what_the_sandbox_left_out(void **state)
{
    (void)state;
    struct sandbox_finished f = { .end = END_EXIT, .what = "", .check_text = "no interpreter" };
    struct judged j;
    judge_bytes(&j, "exit 0\ncode: assert x", &f, "", 0, 0);
    assert_int_equal(j.verdict, VERDICT_REFUTED);
    assert_string_equal(j.checks[0].got, "it ended, with a status that is not known");
    assert_string_equal(j.checks[1].got, "no interpreter");
    judged_release(&j);
    f = (struct sandbox_finished){
        .end = END_SIGNAL, .what = "", .check_text = "", .check_ran = true
    };
    judge_bytes(&j, "exit 128\ncode: assert x", &f, "", 0, 0);
    assert_false(j.checks[0].ok);
    assert_false(j.checks[1].ok);
    assert_string_equal(j.checks[1].got, "");
    judged_release(&j);
    judge_bytes(&j, "", &f, "", 0, 0);
    assert_true(verdict_is_spent(j.verdict, &f));
    assert_true(verdict_is_spent(VERDICT_UNVERIFIED, &f));
    assert_false(verdict_is_spent(VERDICT_VERIFIED, &f));
    judged_release(&j);
}

static void test_checks_in_one_line(void **state)
{
    static const struct {
        const char *line, *checks;
    } cases[] = { { "", "" },
                  { " ; ", "" },
                  { "exit 0", "exit 0" },
                  { "  exit 0 ; stdout is json ", "exit 0\nstdout is json" },
                  { " a ; b ;  c ;", "a\nb\nc" },
                  { "exit 0 ;  ; stdout contains 42;; ", "exit 0\nstdout contains 42" },
                  { "stdout contains x;y ; exit 1", "stdout contains x;y\nexit 1" } };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_INIT(64);
        assert_int_equal(expectation_from_line(&out, cases[i].line), 0);
        assert_string_equal(buf_str(&out), cases[i].checks);
        buf_release(&out);
    }
    struct buf small = BUF_INIT(3);
    assert_int_equal(expectation_from_line(&small, "exit 0"), -1);
    buf_release(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks_in_one_line),
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(what_is_no_check_is_refused_with_its_line),
        cmocka_unit_test(many_checks_are_too_many),
        cmocka_unit_test(checks_survive_being_joined),
        cmocka_unit_test(judgements),
        cmocka_unit_test(the_end_of_the_run_counts),
        cmocka_unit_test(the_meant_exit_is_shown_when_it_fails),
        cmocka_unit_test(answers_of_the_sandbox_are_used),
        cmocka_unit_test(large_output_is_streamed),
        cmocka_unit_test(what_can_not_be_decided_is_not_ok),
        cmocka_unit_test(stderr_counts_what_was_dropped),
        cmocka_unit_test(what_the_sandbox_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
