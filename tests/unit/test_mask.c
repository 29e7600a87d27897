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
    { "time", "1763792419.x 1763792419.5x", "1763792419.x 1763792419.5x" },
    { "time", "10:00:00-0100 10:00:00+99", "<time> <time>+99" },
    { "time", "10:00:00+01:99", "<time>+01:99" },
    { "time", "10:00:99 12:30x 12:30:4 12:60", "10:00:99 12:30x 12:30:4 12:60" },
    { "time", "10:00:01,250 3:45:10 12:30: x", "<time> <time> <time>: x" },
    { "time", "3:45am 3:45 amx 13:45 pm 03:45 p", "<time> 3:45 amx <time> <time> p" },
    { "time", "2026-11-22_10:00:00 aT10:00:00", "2026-11-22_<time> aT10:00:00" },
    { "date", "on 2026-11-22.", "on <date>." },
    { "date", "Sun Nov 22 05:20:19", "<date> 05:20:19" },
    { "date", "Sun, 22 Nov 2026 05:20", "<date> 05:20" },
    { "date", "Nov 2, 2026!", "<date>!" },
    { "date", "2026-13-22", "2026-13-22" },
    { "date", "May be 3", "May be 3" },
    { "date", "March", "March" },
    { "date", "Novemberish 22, 2026", "Novemberish 22, 2026" },
    { "date", "Nov 22-2026 Nov 22, x Nov 22,x", "<date> <date>, x <date>,x" },
    { "date", "Nov 22 2026x Nov 22 2026:30", "<date> 2026x <date> 2026:30" },
    { "date", "2026-11-32 2026-11-22_10 2026-11-22Tx", "2026-11-32 <date>_10 2026-11-22Tx" },
    { "date", "2026/11/22 2026/11-22 1969-01-01", "<date> 2026/11-22 1969-01-01" },
    { "date", "2026-11-22x 2026-11-22_x", "2026-11-22x 2026-11-22_x" },
    { "date", "Nov  2 Nov   2 Nov 22nd", "<date> Nov   2 Nov 22nd" },
    { "date", "Sun.22 Nov 2026, 22 Nov, 32-Nov-2026", "Sun.<date>, 22 Nov, 32-Nov-2026" },
    { "date", "22-Nov-2026 22/Nov/2026", "<date> 22/Nov/2026" },
    { "date,time", "2026-11-22T10:00:00Z", "<date>T<time>" },
    { "duration", "took 3.2 ms, 5s", "took <duration>, <duration>" },
    { "duration", "real 0m0.003s", "real <duration>" },
    { "duration", "2 minutes", "<duration>" },
    { "duration", "3 \xc2\xb5s", "<duration>" },
    { "duration", "5 m", "5 m" },
    { "duration", "3 msgs", "3 msgs" },
    { "duration", "x3s v1.2.3s", "x3s v1.2.3s" },
    { "duration", ".5s 5.s 1h5m 5", ".<duration> 5.s <duration> 5" },
    { "duration", "1h2h3h4h5h6h", "1h2h3h4h5h6h" },
    { "pid", "pid=4711, PID: 12", "pid=<pid>, PID: <pid>" },
    { "pid", "sshd[812]: x", "sshd[<pid>]: x" },
    { "pid", "a[812] rapid 5", "a[812] rapid 5" },
    { "pid", " [812]: a[812]x 5x pid          5", " [812]: a[812]x 5x pid          5" },
    { "pid", "a[812]. pid 123456789012345678901", "a[812]. pid 123456789012345678901" },
    { "pid", "   5 Thread#7", "   5 Thread#<pid>" },
    { "address", "<F at 0x7f3a91c2de10>", "<F at <address>>" },
    { "address", "0xff 0xdead 0x7f3a91g", "0xff 0xdead 0x7f3a91g" },
    { "address", "0x12345678901234567", "0x12345678901234567" },
    { "tmp", "open /tmp/tmpab12/x.csv.", "open <tmp>/x.csv." },
    { "tmp", "see /tmp/a.txt.", "see <tmp>." },
    { "tmp", "/home/tmp/x /tmp/ a/tmp/x", "/home/tmp/x /tmp/ a/tmp/x" },
    { "uuid", "id 123e4567-e89b-12d3-a456-426614174000;", "id <uuid>;" },
    { "uuid", "123e4567-e89b-12d3-a456-42661417400", "123e4567-e89b-12d3-a456-42661417400" },
    { "uuid", "123e4567-e89b-12d3-a456-426614174000x", "123e4567-e89b-12d3-a456-426614174000x" },
    { "tmp", "/dev/shm/q /private/tmp/a /var/folders/x /tmp", "<tmp> <tmp> <tmp> /tmp" },
    { "tmp", "//tmp/a ~/tmp/a /tmp/... ", "//tmp/a ~/tmp/a /tmp/... " },
    { "port", "http://localhost:8080/ 127.0.0.1:99", "http://localhost:<port>/ 127.0.0.1:<port>" },
    { "port", "port 5432, http://h.example:80", "port <port>, http://h.example:<port>" },
    { "port", "line:80 report 7", "line:80 report 7" },
    { "port", "[::1]:8080 http://a-b:80 a.b.c.d:80", "[::1]:<port> http://a-b:<port> a.b.c.d:80" },
    { "port", "a/h:80 ::80 /h:80 port 123456 8080x", "a/h:80 ::80 /h:80 port 123456 8080x" },
    { "port", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:80" },
    { "progress", "10%\r50%\r100%", "<progress>100%" },
    { "progress", "dl [===>    ] 45% x", "dl <progress> x" },
    { "progress", " 45%|\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88  | 45/100", " <progress>" },
    { "progress", "dos line\r", "dos line\r" },
    { "progress", "[==] [===| |===] [ - ]", "[==] [===| |===] [ - ]" },
    { "progress", "[===]     45%", "<progress>     45%" },
    { "progress", "[===] 45 of", "<progress> 45 of" },
    { "progress", "45%      [===]", "45%      <progress>" },
    { "progress", "[\xe2\x96\xa0\xe2\x96\xa0\xe2\x96\xa0]",
      "[\xe2\x96\xa0\xe2\x96\xa0\xe2\x96\xa0]" },
    { "progress", "[\xe2\x95\x90===] [===\xe2\x96]", "[\xe2\x95\x90===] [===\xe2\x96]" },
    { "progress", "[===\xe2\x96\x7f]", "[===\xe2\x96\x7f]" },
    { "ansi", "a\033[31mb\033[0m", "ab" },
    { "ansi", "x\033[1", "x\033[1" },
    { "ansi", "\033[1 \033x \033[ \033", "\033[1 \033x \033[ \033" },
    { "ansi", "\033[1\x80 \033[1\x7f \033[1\a", "\033[1\x80 \033[1\x7f \033[1\a" },
    { "ansi", "\033[1111111111111111111111111111111111111111111111111111111111111111m",
      "\033[1111111111111111111111111111111111111111111111111111111111111111m" },
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

/* A buffer that is too small, however little, is told. */
static void test_full_buffers(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    for (int own = 0; own < 2; own++) {
        if (own)
            assert_int_equal(mask_define("word", "[b-y]{3,}", &e), 0);
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
            unsigned set;
            struct buf whole = BUF_INIT(4096);
            size_t len = strlen(table[i].in);
            assert_int_equal(mask_parse(own ? "all" : table[i].mask, &set, &e), 0);
            assert_true(mask_line(set, table[i].in, len, &whole) >= 0);
            for (size_t max = 0; max < whole.len; max++) {
                struct buf out;
                buf_init(&out, max);
                assert_int_equal(mask_line(set, table[i].in, len, &out), -1);
                buf_release(&out);
            }
            buf_release(&whole);
        }
    }
    mask_forget_own();
    struct buf out = BUF_INIT(1);
    assert_int_equal(mask_lines(MASK_ALL, "a\n", 2, &out), -1);
    buf_release(&out);
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
    assert_int_equal(mask_parse("abcdefghijabcdefghijabcdefghijabcdefghijxyz", &set, &e), -1);
    assert_non_null(strstr(e.msg, "no mask 'abcdefghijabcdefghijabcdefghijabcdefghij':"));
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
    struct buf one = BUF_INIT(1000);
    assert_int_equal(mask_line(set, "job 1 id=abcdef", 15, &one), set);
    assert_string_equal(buf_str(&one), "job 1 <hash>");
    buf_release(&one);
    const char *const names[] = {
        "time", "job", "all", "none", "A", "", "-x", "{a", "aB", "0a", "abcdefghijklmnopqrstuvwxy"
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(mask_define(names[i], "x", &e), -1);
    assert_int_equal(mask_define("bad", "(", &e), -1);
    mask_forget_own();
    assert_int_equal(mask_parse("job", &set, &e), -1);
}

static void test_own_masks_have_an_end(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    char name[3] = "aa";
    struct buf out = BUF_INIT(4096);
    assert_int_equal(mask_define("abcdefghijklmnopqrstuvwx", "[0-9]", &e), 0);
    assert_true(mask_line(MASK_ALL, "1234567890123456789012345678901234567890", 40, &out) > 0);
    assert_int_equal(out.len, 40 * 26); /* much longer than the line */
    for (int i = 1; i < MASK_OWN_MAX; i++, name[1]++)
        assert_int_equal(mask_define(name, i == 1 ? "[a-z]" : "\\bx", &e), 0);
    /* A mask of a mask of a mask: told, before it fills the memory. */
    buf_reset(&out);
    assert_int_equal(mask_line(MASK_ALL, "1234567890123456789012345678901234567890", 40, &out), -1);
    assert_int_equal(mask_define("more", "x", &e), -1);
    assert_non_null(strstr(e.msg, "masks of your own"));
    assert_int_equal(mask_count(), MASK_COUNT + MASK_OWN_MAX);
    mask_forget_own();
    buf_release(&out);
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
        cmocka_unit_test(test_full_buffers),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_lines_stay_lines),
        cmocka_unit_test(test_hostile_lines),
        cmocka_unit_test(test_own_masks),
        cmocka_unit_test(test_own_masks_have_an_end),
        cmocka_unit_test(test_own_mask_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
