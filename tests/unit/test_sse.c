/* test_sse.c - server-sent events: the standard's rules, ceilings, and every way to split bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/sse.h"

#define MAX 64

/* Events as text: type "|" id "|" data ";" */
static void on_event(void *arg, const struct sse_event *ev)
{
    struct buf *b = arg;
    assert_int_equal('\0', ev->data[ev->data_len]);
    assert_int_equal(0, buf_addf(b, "%s|%s|", ev->type, ev->id));
    assert_int_equal(0, buf_add(b, ev->data, ev->data_len));
    assert_int_equal(0, buf_add_char(b, ';'));
}

struct run {
    struct buf events;
    int rc;
    enum err_code code;
    int64_t retry_ms;
    bool pending;
};

/* Feed in pieces of `piece` bytes (0: all at once). */
static void run(struct run *r, const char *in, size_t len, size_t piece)
{
    struct sse s;
    struct err e = ERR_INIT;
    *r = (struct run){ .events = BUF_INIT(1 << 20) };
    sse_init(&s, MAX, on_event, &r->events);
    for (size_t at = 0; at < len || at == 0;) {
        size_t n = piece == 0 || piece > len - at ? len - at : piece;
        char *copy = xmemdup(in + at, n); /* so that reading past it is seen */
        r->rc = sse_feed(&s, copy, n, &e);
        free(copy);
        at += n;
        if (r->rc < 0 || n == 0)
            break;
    }
    if (r->rc < 0)
        assert_int_equal(-1, sse_feed(&s, "", 0, NULL));
    r->code = e.code;
    r->retry_ms = s.retry_ms;
    r->pending = sse_pending(&s);
    sse_release(&s);
}

static void check(const char *in, size_t len, const char *want, size_t want_len, int rc)
{
    for (size_t piece = 0; piece <= len; piece++) {
        struct run r;
        run(&r, in, len, piece);
        assert_int_equal(rc, r.rc);
        assert_int_equal(want_len, r.events.len);
        if (want_len > 0)
            assert_memory_equal(want, r.events.ptr, want_len);
        buf_release(&r.events);
    }
}

static void test_rules(void **state)
{
    (void)state;
    const struct {
        const char *in, *want;
    } cases[] = {
        { "data: a\n\n", "message||a;" },
        { "data:a\n\n", "message||a;" },
        { "data:  a\n\n", "message|| a;" },
        { "data: a\r\n\r\n", "message||a;" },
        { "data: a\r\r", "message||a;" },
        { "data: a\r\n\n", "message||a;" },
        { "data: a\n\r\n", "message||a;" },
        { "data: a\r\rdata: b\n\ndata: c\r\n\r\n", "message||a;message||b;message||c;" },
        { "data: a\ndata: b\n\n", "message||a\nb;" },
        { "data\n\n", "message||;" },
        { "data:\n\n", "message||;" },
        { "data\ndata\n\n", "message||\n;" },
        { "data: \n\n", "message||;" },
        { "event: e\ndata: a\n\n", "e||a;" },
        { "event: e\n\ndata: a\n\n", "message||a;" }, /* no data: the type is forgotten */
        { "event: e\nevent: f\ndata: a\n\n", "f||a;" },
        { "event\ndata: a\n\n", "message||a;" },
        { "id: 1\ndata: a\n\ndata: b\n\n", "message|1|a;message|1|b;" },
        { "id: 1\n\nid\ndata: b\n\n", "message||b;" },
        { ": comment\ndata: a\n: more\n\n", "message||a;" },
        { ":\n\n:\n\n", "" },
        { "\n\n\r\r\n\n", "" },
        { "nonsense: x\nDATA: y\n data: z\n\n", "" },
        { "data: a", "" },
        { "data: a\n", "" },
        { "data: a: b\n\n", "message||a: b;" },
        { "\xef\xbb\xbf"
          "data: a\n\n",
          "message||a;" },
        { "\xef\xbb\xbf\xef\xbb\xbf"
          "data: a\n\n",
          "" },
        { "\xef\xbb"
          "data: a\n\ndata: b\n\n",
          "message||b;" },
        { "data: \xff\xfe\n\n", "message||\xff\xfe;" },
        { "", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].in, strlen(cases[i].in), cases[i].want, strlen(cases[i].want), 0);
}

static void test_nul(void **state)
{
    (void)state;
    static const char in[] = "data: a\0b\nid: 1\n\nid: 2\0\ndata: c\n\n";
    static const char want[] = "message|1|a\0b;message|1|c;";
    check(in, sizeof in - 1, want, sizeof want - 1, 0);
}

static void test_retry(void **state)
{
    (void)state;
    const struct {
        const char *in;
        int64_t ms;
    } cases[] = {
        { "retry: 1500\n", 1500 }, { "retry: 1\nretry: x\n", 1 },
        { "retry: -1\n", -1 },     { "retry: 1.5\n", -1 },
        { "retry:\n", -1 },        { "retry: 99999999999999999999999\n", -1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run r;
        run(&r, cases[i].in, strlen(cases[i].in), 0);
        assert_int_equal(cases[i].ms, r.retry_ms);
        buf_release(&r.events);
    }
}

static void test_pending(void **state)
{
    (void)state;
    const struct {
        const char *in;
        bool pending;
    } cases[] = {
        { "", false },       { "data: a\n\n", false }, { "data: a\n", true },
        { "data: a", true }, { "event: e\n", true },   { ": ping\n", false },
        { ": pi", true },    { "data: a\r\r", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run r;
        run(&r, cases[i].in, strlen(cases[i].in), 0);
        assert_int_equal(cases[i].pending, r.pending);
        buf_release(&r.events);
    }
}

/* Exactly MAX passes, one more does not; what came before is handed on all the same. */
static void test_ceilings(void **state)
{
    (void)state;
    char in[400];
    for (int over = 0; over < 2; over++) {
        const char *ok = "message||x;";
        struct buf want = BUF_INIT(1000);
        /* one line: "data:" + n bytes + LF */
        int n = snprintf(in, sizeof in, "data:x\n\ndata:%0*d\n\n", MAX - 6 + over, 0);
        assert_int_equal(0, buf_add_str(&want, ok));
        if (!over)
            assert_int_equal(0, buf_addf(&want, "message||%0*d;", MAX - 6, 0));
        check(in, (size_t)n, want.ptr, want.len, over ? -1 : 0);
        /* many lines of an event that says nothing */
        n = snprintf(in, sizeof in, "data:x\n\n");
        for (int i = 0; i < MAX / 4 + over; i++)
            n += snprintf(in + n, sizeof in - (size_t)n, "a:b\n");
        check(in, (size_t)n, ok, strlen(ok), over ? -1 : 0);
        /* a comment line, of any number of which none counts */
        n = snprintf(in, sizeof in, "data:x\n\n:%0*d\n:%0*d\n", MAX - 1, 0, MAX - 1 + over, 0);
        check(in, (size_t)n, ok, strlen(ok), over ? -1 : 0);
        buf_release(&want);
    }
    struct run r;
    run(&r, in, strlen(in), 1);
    assert_int_equal(ERR_LIMIT, r.code);
    buf_release(&r.events);
}

static unsigned next(unsigned *seed)
{
    return (unsigned)rand_r(seed);
}

/* Random bytes of the alphabet that matters, random splits: always what one piece gives. */
static void test_random_splits(void **state)
{
    (void)state;
    static const char *const words[] = { "data", "event", "id",          "retry", ":",
                                         " ",    "\n",    "\n",          "\r",    "\r\n",
                                         "x",    "12",    "\xef\xbb\xbf" };
    unsigned seed = 11;
    for (int round = 0; round < 3000; round++) {
        char in[120];
        size_t len = 0;
        while (len < 80) {
            const char *w = words[next(&seed) % ARRAY_LEN(words)];
            memcpy(in + len, w, strlen(w));
            len += strlen(w);
        }
        struct run whole;
        run(&whole, in, len, 0);
        struct buf parts = BUF_INIT(1 << 20);
        struct sse s;
        int rc = 0;
        sse_init(&s, MAX, on_event, &parts);
        for (size_t at = 0; rc == 0 && at < len;) {
            size_t n = next(&seed) % 7;
            if (n > len - at)
                n = len - at;
            rc = sse_feed(&s, in + at, n, NULL);
            at += n;
        }
        assert_int_equal(whole.rc, rc);
        assert_string_equal(buf_str(&whole.events), buf_str(&parts));
        assert_int_equal(whole.retry_ms, s.retry_ms);
        if (rc == 0)
            assert_int_equal(whole.pending, sse_pending(&s));
        sse_release(&s);
        buf_release(&parts);
        buf_release(&whole.events);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),    cmocka_unit_test(test_nul),
        cmocka_unit_test(test_retry),    cmocka_unit_test(test_pending),
        cmocka_unit_test(test_ceilings), cmocka_unit_test(test_random_splits),
    };
    return cmocka_run_group_tests_name("sse", tests, NULL, NULL);
}
