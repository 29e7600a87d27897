/* test_claude_feed.c - the events of a managed session: a recorded stream cut at every byte, cuts
 * that the history fills, doubles, nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "providers/sandboxes/claude_feed.h"

#define SAMPLE "tests/servers/claude-managed/samples/managed-agents-session.sse"

static struct buf sample;

static int load(void **state)
{
    char room[4096];
    size_t n;
    FILE *f = fopen(SAMPLE, "r");
    (void)state;
    buf_init(&sample, 1 << 20);
    while (f != NULL && (n = fread(room, 1, sizeof room, f)) > 0)
        (void)buf_add(&sample, room, n);
    if (f != NULL)
        fclose(f);
    return sample.len > 0 ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    buf_release(&sample);
    return 0;
}

/* "type id" of all that comes, a line each. */
static void collect(struct claude_feed *f, struct buf *out)
{
    for (struct json *v; (v = claude_feed_next(f)) != NULL; json_free(v))
        (void)buf_addf(out, "%s %s\n", json_get_str(v, "type", "?"), json_get_str(v, "id", "?"));
}

static void feed(struct claude_feed *f, const char *p, size_t len)
{
    struct err e = ERR_INIT;
    if (claude_feed_bytes(f, p, len, &e) < 0)
        fail_msg("%s", e.msg);
}

static const char whole[] = "user.message sevt_01u\nsession.status_running sevt_02\n"
                            "span.model_request_start sevt_03\nagent.tool_use sevt_04tool\n"
                            "span.model_request_end sevt_05\nsession.status_idle sevt_06\n"
                            "user.tool_confirmation sevt_07\nsession.status_running sevt_08\n"
                            "agent.tool_result sevt_09\nagent.message sevt_10\n"
                            "session.status_idle sevt_11\n";

static void test_every_split(void **state)
{
    (void)state;
    for (size_t at = 0; at <= sample.len; at++) {
        struct claude_feed f;
        struct buf out = BUF_INIT(1 << 16);
        claude_feed_init(&f);
        claude_feed_open(&f, false);
        feed(&f, sample.ptr, at);
        collect(&f, &out);
        feed(&f, sample.ptr + at, sample.len - at);
        collect(&f, &out);
        assert_string_equal(buf_str(&out), whole);
        buf_release(&out);
        claude_feed_release(&f);
    }
}

/* The sample as a page of history: everything up to event `count`. */
static void write_page(struct buf *page, int count, const char *next)
{
    buf_reset(page);
    (void)buf_add_str(page, "{\"data\":[");
    const char *at = sample.ptr;
    for (int i = 0; i < count && (at = strstr(at, "data: ")) != NULL; i++) {
        at += 6;
        (void)buf_addf(page, "%s%.*s", i > 0 ? "," : "", (int)strcspn(at, "\n"), at);
    }
    (void)buf_addf(page, "],\"next_page\":%s%s%s}", next != NULL ? "\"" : "",
                   next != NULL ? next : "null", next != NULL ? "\"" : "");
}

/* Cut after every byte; meanwhile the rest happened, and its last two events come on the new stream
 * before the history does: all of it is told once, in order. */
static void test_cut_anywhere(void **state)
{
    const char *tail = strstr(sample.ptr, "event: agent.message");
    (void)state;
    assert_non_null(tail);
    for (size_t at = 0; at <= sample.len; at++) {
        struct claude_feed f;
        struct buf out = BUF_INIT(1 << 16), page = BUF_INIT(1 << 16), next = BUF_INIT(64);
        struct err e = ERR_INIT;
        claude_feed_init(&f);
        claude_feed_open(&f, false);
        feed(&f, sample.ptr, at);
        collect(&f, &out);
        claude_feed_open(&f, true);
        feed(&f, tail, sample.len - (size_t)(tail - sample.ptr));
        size_t before = out.len;
        collect(&f, &out);
        assert_int_equal(out.len, before); /* it waits */
        write_page(&page, 5, "p2");
        assert_int_equal(claude_feed_page(&f, page.ptr, page.len, &next, &e), 0);
        assert_string_equal(buf_str(&next), "p2");
        write_page(&page, 9, NULL);
        assert_int_equal(claude_feed_page(&f, page.ptr, page.len, &next, &e), 0);
        assert_int_equal(next.len, 0);
        claude_feed_caught_up(&f);
        collect(&f, &out);
        assert_string_equal(buf_str(&out), whole);
        buf_release(&out);
        buf_release(&page);
        buf_release(&next);
        claude_feed_release(&f);
    }
}

static void test_nonsense(void **state)
{
    static const char *const bad[] = { "data: {\n\n",
                                       "data: []\n\n",
                                       "data: 1\n\n",
                                       "data: {\"id\":\"x\"}\n\n",
                                       "data: {\"type\":1}\n\n",
                                       "data: {\"type\":\"a\",\"type\":\"b\"}\n\n" };
    static const char *const pages[] = { "", "[]", "{\"data\":{}}", "{\"data\":[1", "{}" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct claude_feed f;
        struct err e = ERR_INIT;
        claude_feed_init(&f);
        assert_int_equal(claude_feed_bytes(&f, bad[i], strlen(bad[i]), &e), -1);
        assert_int_equal(claude_feed_bytes(&f, ": fine\n\n", 8, &e), -1); /* for good */
        assert_null(claude_feed_next(&f));
        claude_feed_release(&f);
    }
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct claude_feed f;
        struct buf next = BUF_INIT(64);
        struct err e = ERR_INIT;
        claude_feed_init(&f);
        assert_int_equal(claude_feed_page(&f, pages[i], strlen(pages[i]), &next, &e), -1);
        buf_release(&next);
        claude_feed_release(&f);
    }
}

/* Many events, each twice. */
static void test_doubles(void **state)
{
    struct claude_feed f;
    struct buf out = BUF_INIT(1 << 20);
    size_t lines = 0;
    (void)state;
    claude_feed_init(&f);
    for (int i = 0; i < 3000; i++) {
        char text[96];
        int n = snprintf(text, sizeof text, "data: {\"type\":\"t\",\"id\":\"sevt_%d\"}\n\n", i);
        feed(&f, text, (size_t)n);
        feed(&f, text, (size_t)n);
        collect(&f, &out);
    }
    for (size_t i = 0; i < out.len; i++)
        lines += out.ptr[i] == '\n';
    assert_int_equal(lines, 3000);
    buf_release(&out);
    claude_feed_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_doubles),
    };
    return cmocka_run_group_tests_name("claude feed", tests, load, unload);
}
