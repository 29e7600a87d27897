/* test_mask.c - what each noise mask takes, and what it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sessions/mask.h"

static const struct {
    const char *mask, *in, *out;
} table[] = {
    { "time", "at 12:30:01.250 done", "at <time> done" },
    { "time", "2026-11-22T10:00:00.123456Z x", "2026-11-22T<time> x" },
    { "time", "3:45 PM", "<time>" },
    { "time", "1763792419.25", "<time>" },
    { "time", "10:00:00+01:00", "<time>" },
    { "time", "a.py:12:34: error", "a.py:12:34: error" },
    { "time", "ratio 3:45", "ratio 3:45" },
    { "time", "99:99", "99:99" },
    { "time", "1763792419", "1763792419" },
    { "date", "on 2026-11-22.", "on <date>." },
    { "date", "Sun Nov 22 05:20:19", "<date> 05:20:19" },
    { "date", "Sun, 22 Nov 2026 05:20", "<date> 05:20" },
    { "date", "Nov 2, 2026!", "<date>!" },
    { "date", "2026-13-22", "2026-13-22" },
    { "date", "May be 3", "May be 3" },
    { "date", "March", "March" },
    { "date,time", "2026-11-22T10:00:00Z", "<date>T<time>" },
    { "duration", "took 3.2 ms, 5s", "took <duration>, <duration>" },
    { "duration", "real 0m0.003s", "real <duration>" },
    { "duration", "2 minutes", "<duration>" },
    { "duration", "3 \xc2\xb5s", "<duration>" },
    { "duration", "5 m", "5 m" },
    { "duration", "3 msgs", "3 msgs" },
    { "duration", "x3s v1.2.3s", "x3s v1.2.3s" },
    { "pid", "pid=4711, PID: 12", "pid=<pid>, PID: <pid>" },
    { "pid", "sshd[812]: x", "sshd[<pid>]: x" },
    { "pid", "a[812] rapid 5", "a[812] rapid 5" },
    { "address", "<F at 0x7f3a91c2de10>", "<F at <address>>" },
    { "address", "0xff 0xdead", "0xff 0xdead" },
    { "address", "0x12345678901234567", "0x12345678901234567" },
    { "tmp", "open /tmp/tmpab12/x.csv.", "open <tmp>/x.csv." },
    { "tmp", "see /tmp/a.txt.", "see <tmp>." },
    { "tmp", "/home/tmp/x /tmp/ a/tmp/x", "/home/tmp/x /tmp/ a/tmp/x" },
    { "uuid", "id 123e4567-e89b-12d3-a456-426614174000;", "id <uuid>;" },
    { "uuid", "123e4567-e89b-12d3-a456-42661417400", "123e4567-e89b-12d3-a456-42661417400" },
    { "port", "http://localhost:8080/ 127.0.0.1:99", "http://localhost:<port>/ 127.0.0.1:<port>" },
    { "port", "port 5432, http://h.example:80", "port <port>, http://h.example:<port>" },
    { "port", "line:80 report 7", "line:80 report 7" },
    { "progress", "10%\r50%\r100%", "<progress>100%" },
    { "progress", "dl [===>    ] 45% x", "dl <progress> x" },
    { "progress", " 45%|\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88  | 45/100", " <progress>" },
    { "progress", "dos line\r", "dos line\r" },
    { "progress", "[1, 2, 3] [ ... ] 45% | 3", "[1, 2, 3] [ ... ] 45% | 3" },
    { "none", "12:30:01 5s 0x7f3a91c2de10", "12:30:01 5s 0x7f3a91c2de10" },
    { "all", "", "" },
    { "all", "result 42", "result 42" },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buf out = BUF_INIT(4096);
        struct err e = ERR_INIT;
        unsigned set = 99;
        assert_int_equal(mask_parse(table[i].mask, &set, &e), 0);
        int found = mask_line(set, table[i].in, strlen(table[i].in), &out);
        assert_string_equal(buf_str(&out), table[i].out);
        assert_int_equal(found != 0, strcmp(table[i].in, table[i].out) != 0);
        assert_int_equal(found & ~(int)set, 0);
        buf_release(&out);
    }
}

static void test_sets(void **state)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT(256);
    unsigned set = 7;
    (void)state;
    assert_int_equal(mask_parse("all", &set, &e), 0);
    assert_int_equal(set, MASK_ALL);
    assert_int_equal(mask_parse("time, pid", &set, &e), 0);
    mask_print(set, &out);
    assert_string_equal(buf_str(&out), "time, pid");
    buf_reset(&out);
    mask_print(MASK_NONE, &out);
    assert_string_equal(buf_str(&out), "none");
    assert_int_equal(mask_parse("tims", &set, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.msg, "duration"));
    buf_release(&out);
}

static void test_lines_stay_lines(void **state)
{
    struct buf out = BUF_INIT(256);
    const char in[] = "a 5s\n\nb\0 12:30\nlast";
    (void)state;
    assert_int_equal(mask_lines(MASK_ALL, in, sizeof in - 1, &out),
                     1 << MASK_DURATION | 1 << MASK_TIME);
    assert_int_equal(out.len, 28);
    assert_memory_equal(buf_str(&out), "a <duration>\n\nb\0 <time>\nlast", 28);
    buf_release(&out);
}

/* Inputs made to be read again and again; and a full buffer is told. */
static void test_hostile_lines(void **state)
{
    static const char *const units[] = { "1", "1 ",    "1m",   "1.", "[=",          "[ ",
                                         "/", "/tmp/", "0x",   "1:", "a:1",         "9%",
                                         "-", "Nov ",  "pid ", "\r", "\xe2\x96\x88" };
    enum { SIZE = 400000 };
    (void)state;
    for (size_t u = 0; u < ARRAY_LEN(units); u++) {
        struct buf in = BUF_INIT(SIZE + 64), out = BUF_INIT((size_t)16 * SIZE), tiny = BUF_INIT(64);
        while (in.len < SIZE)
            assert_int_equal(buf_add_str(&in, units[u]), 0);
        assert_true(mask_line(MASK_ALL, in.ptr, in.len, &out) >= 0);
        assert_int_equal(mask_lines(MASK_ALL, in.ptr, in.len, &tiny) < 0, out.len > 64);
        buf_release(&in);
        buf_release(&out);
        buf_release(&tiny);
    }
}

static const struct {
    const char *in, *out;
} own_table[] = {
    { "job 4711 of worker-12", "<job> of worker-12" },
    { "job 1 job 22;", "<job> <job>;" },
    { "\033[32mjob 5\033[0m at 12:30:01", "<job> at <time>" },
    { "jobs 5", "jobs 5" },
    { "id=abcdef id=ab", "<hash> id=ab" },
    { "", "" },
    { "\033[31mred\033[0m \033]0;x", "red \033]0;x" },
};

static void test_own_masks(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    unsigned set = MASK_ALL;
    assert_int_equal(mask_define("job", "\\bjob [0-9]+", &e), 0);
    assert_int_equal(mask_define("hash", "id=[a-f]{6,}", &e), 0);
    assert_int_equal(mask_count(), MASK_COUNT + 2);
    for (size_t i = 0; i < ARRAY_LEN(own_table); i++) {
        struct buf out = BUF_INIT(1000);
        assert_true(mask_line(MASK_ALL, own_table[i].in, strlen(own_table[i].in), &out) >= 0);
        assert_string_equal(buf_str(&out), own_table[i].out);
        buf_release(&out);
    }
    assert_int_equal(mask_parse("-job,-time", &set, &e), 0);
    assert_int_equal(set & (1u << MASK_COUNT), 0);
    assert_int_equal(set & (1u << MASK_TIME), 0);
    assert_int_not_equal(set & (1u << MASK_PID), 0);
    assert_int_equal(mask_parse("+job", &set, &e), 0);
    assert_int_not_equal(set & (1u << MASK_COUNT), 0);
    assert_int_equal(mask_parse("hash", &set, &e), 0);
    assert_int_equal(set, 1u << (MASK_COUNT + 1));
    const char *const names[] = { "time", "job", "all", "A", "", "-x" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(mask_define(names[i], "x", &e), -1);
    assert_int_equal(mask_define("bad", "(", &e), -1);
    mask_forget_own();
    assert_int_equal(mask_parse("job", &set, &e), -1);
}

/* A pattern made to be slow leaves the line as it is, soon. */
static void test_own_mask_is_bounded(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    static char line[200000];
    struct buf out = BUF_INIT((size_t)1 << 20);
    memset(line, 'a', sizeof line);
    assert_int_equal(mask_define("slow", "(a|aa)*b", &e), 0);
    assert_true(mask_line(MASK_ALL, line, sizeof line, &out) >= 0);
    assert_int_equal(out.len, sizeof line);
    buf_release(&out);
    mask_forget_own();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_lines_stay_lines),
        cmocka_unit_test(test_hostile_lines),
        cmocka_unit_test(test_own_masks),
        cmocka_unit_test(test_own_mask_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
