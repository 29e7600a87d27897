/* test_e2b_stream.c - answers of the code interpreter: recorded ones in every splitting, the rest
 * by hand; the frames of processes; the refusals of four servers. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/connect.h"
#include "base/json_flat.h"
#include "providers/sandboxes/e2b_place.h"
#include "providers/sandboxes/e2b_stream.h"

#define SAMPLES "tests/servers/e2b/samples"

/* ---- a transcript of all that is told: joined output, results, the end */

struct heard {
    struct buf out, err, results;
};

static void on_output(void *arg, enum sandbox_stream stream, const char *p, size_t len)
{
    struct heard *h = arg;
    assert_int_equal(buf_add(stream == STREAM_STDOUT ? &h->out : &h->err, p, len), 0);
}

static void on_result(void *arg, const char *mime, const char *p, size_t len, bool main)
{
    struct heard *h = arg;
    (void)buf_addf(&h->results, "%s%s %zu ", main ? "*" : "", mime, len);
    (void)buf_add(&h->results, p, len);
    (void)buf_add_char(&h->results, '\n');
}

struct told {
    struct heard heard;
    struct e2b_stream st;
};

static void begin(struct told *t)
{
    const struct e2b_stream_told to = { on_output, on_result, &t->heard };
    buf_init(&t->heard.out, 64 << 20);
    buf_init(&t->heard.err, 64 << 20);
    buf_init(&t->heard.results, 64 << 20);
    e2b_stream_init(&t->st, &to);
}

static void end(struct told *t)
{
    buf_release(&t->heard.out);
    buf_release(&t->heard.err);
    buf_release(&t->heard.results);
    e2b_stream_release(&t->st);
}

static void feed(struct told *t, const char *p, size_t len)
{
    struct err e = ERR_INIT;
    if (e2b_stream_feed(&t->st, p, len, &e) < 0)
        fail_msg("%s", e.msg);
}

static void assert_same_buf(const struct buf *a, const struct buf *b, const char *name, size_t at)
{
    if (a->len != b->len || (a->len > 0 && memcmp(a->ptr, b->ptr, a->len) != 0))
        fail_msg("%s split at %zu: %zu and %zu bytes", name, at, a->len, b->len);
}

static void assert_same(const struct told *a, const struct told *b, const char *name, size_t at)
{
    assert_same_buf(&a->heard.out, &b->heard.out, name, at);
    assert_same_buf(&a->heard.err, &b->heard.err, name, at);
    assert_same_buf(&a->heard.results, &b->heard.results, name, at);
    assert_same_buf(&a->st.name, &b->st.name, name, at);
    assert_same_buf(&a->st.traceback, &b->st.traceback, name, at);
    if (a->st.ended != b->st.ended || a->st.trouble != b->st.trouble ||
        a->st.has_error != b->st.has_error || a->st.bad_lines != b->st.bad_lines)
        fail_msg("%s split at %zu: another end", name, at);
}

static void read_sample(const char *name, struct buf *out)
{
    char path[512];
    char chunk[4096];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", SAMPLES, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        assert_int_equal(buf_add(out, chunk, n), 0);
    fclose(f);
}

static void split_one(const char *name)
{
    struct buf raw = BUF_INIT(1 << 20);
    struct told whole, parts;
    read_sample(name, &raw);
    begin(&whole);
    feed(&whole, buf_str(&raw), raw.len);
    for (size_t at = 0; at <= raw.len; at++) { /* in two, then (at 0) byte by byte */
        begin(&parts);
        size_t step = at == 0 ? 1 : at;
        for (size_t i = 0; i < raw.len; i += step) {
            size_t left = raw.len - i;
            feed(&parts, raw.ptr + i, i == 0 || at == 0 ? (step < left ? step : left) : left);
            if (at != 0 && i > 0)
                break;
        }
        assert_same(&whole, &parts, name, at);
        end(&parts);
    }
    for (size_t cut = 0; cut < raw.len; cut++) { /* a part never looks whole */
        begin(&parts);
        feed(&parts, buf_str(&raw), cut);
        if (parts.st.ended)
            fail_msg("%s: ended after %zu of %zu bytes", name, cut, raw.len);
        end(&parts);
    }
    end(&whole);
    buf_release(&raw);
}

static void samples_in_every_splitting(void **state)
{
    DIR *dir = opendir(SAMPLES);
    const struct dirent *entry;
    size_t count = 0;
    (void)state;
    if (dir == NULL) {
        fprintf(stderr, "SKIP: %s: run from the top of the tree\n", SAMPLES);
        skip();
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        split_one(entry->d_name);
        count++;
    }
    closedir(dir);
    assert_in_range(count, 80, 200);
}

/* ---- what single samples mean */

static const struct {
    const char *file, *out, *error, *value;
    bool ended;
    enum e2b_trouble trouble;
    const char *results; /* part of the transcript */
} meanings[] = {
    { "01-print-and-expression.ndjson", "hello\n", "", "", true, 0, "*text/plain 1 2\n" },
    { "04-error-zerodivision.ndjson", "", "ZeroDivisionError", "division by zero", true, 0, "" },
    { "07-html-markdown-latex-svg-json-js.ndjson", "", "", "", true, 0, "text/html 9 <b>hi</b>\n" },
    { "07-html-markdown-latex-svg-json-js.ndjson", "", "", "", true, 0,
      "text/markdown 6 **hi**\n" },
    { "07-html-markdown-latex-svg-json-js.ndjson", "", "", "", true, 0, "text/latex 5 $x^2$\n" },
    { "07-html-markdown-latex-svg-json-js.ndjson", "", "", "", true, 0,
      "application/json 8 {\"a\": 1}\n" },
    { "17-sys-exit.ndjson", "", "SystemExit", "3", true, 0, "" },
    { "22-matplotlib-png-chart.ndjson", "", "", "", true, 0, "image/png 1" },
    { "22-matplotlib-png-chart.ndjson", "", "", "", true, 0, "\x89PNG" },
    { "22-matplotlib-png-chart.ndjson", "", "", "", true, 0, "application/vnd.e2b.chart+json" },
    { "23-keepalive-long-silent.ndjson", "done\n", "", "", true, 0, "" },
    { "44-restart-during-execution.ndjson", "start\n", "", "", true, E2B_LINK_LOST, "" },
    { "49-kernel-os-exit.ndjson", "", "", "", true, E2B_KERNEL_DIED, "" },
    { "51-kernel-sigkill.ndjson", "", "", "", true, E2B_KERNEL_DIED, "" },
    { "78-execute-with-jupyter-down.ndjson", "", "", "", false, 0, "" },
    { "83-ansi-escape.ndjson", "\x1b[31mred\x1b[0m\n", "", "", true, 0, "" },
};

static void samples_mean_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        struct buf raw = BUF_INIT(1 << 20);
        struct told t;
        read_sample(meanings[i].file, &raw);
        begin(&t);
        feed(&t, buf_str(&raw), raw.len);
        assert_string_equal(buf_str(&t.heard.out), meanings[i].out);
        assert_string_equal(buf_str(&t.st.name), meanings[i].error);
        assert_string_equal(buf_str(&t.st.value), meanings[i].value);
        assert_int_equal(t.st.ended, meanings[i].ended);
        assert_int_equal(t.st.trouble, meanings[i].trouble);
        assert_int_equal(t.st.bad_lines, 0);
        const char *part = meanings[i].results;
        if (part[0] != '\0' &&
            memmem(buf_str(&t.heard.results), t.heard.results.len, part, strlen(part)) == NULL)
            fail_msg("%s: no %s in %s", meanings[i].file, part, buf_str(&t.heard.results));
        end(&t);
        buf_release(&raw);
    }
}

static void nul_bytes_are_kept(void **state)
{
    struct buf raw = BUF_INIT(1 << 20);
    struct told t;
    (void)state;
    read_sample("81-nul-byte-in-output.ndjson", &raw);
    begin(&t);
    feed(&t, buf_str(&raw), raw.len);
    assert_int_equal(t.heard.out.len, 4);
    assert_memory_equal(t.heard.out.ptr, "a\0b\n", 4);
    end(&t);
    buf_release(&raw);
}

static void one_line_of_megabytes(void **state)
{
    size_t len = 5u << 20;
    struct buf raw = BUF_INIT(32 << 20);
    struct told t;
    (void)state;
    (void)buf_add_str(&raw, "{\"type\": \"stdout\", \"text\": \"");
    for (size_t i = 0; i < len; i++)
        (void)buf_add_char(&raw, 'x');
    (void)buf_add_str(&raw, "\"}\n{\"type\": \"end_of_execution\"}\n");
    begin(&t);
    for (size_t i = 0; i < raw.len; i += 16384)
        feed(&t, raw.ptr + i, raw.len - i < 16384 ? raw.len - i : 16384);
    assert_int_equal(t.heard.out.len, len);
    assert_true(t.st.ended);
    end(&t);
    buf_release(&raw);
}

/* ---- members of one object */

static void count_member(void *arg, const struct json_member *m)
{
    (void)m;
    ++*(size_t *)arg;
}

static void flat_objects(void **state)
{
    static const struct {
        const char *text;
        int members; /* -1: refused */
    } cases[] = {
        { "{}", 0 },
        { " { } ", 0 },
        { "{\"a\":1}", 1 },
        { "{\"a\":\"}\\\"\",\"b\":{\"c\":[1,{\"d\":\"]\"}]},\"e\":null}", 3 },
        { "{\"a\":1,}", -1 },
        { "{\"a\"}", -1 },
        { "{\"a\":}", -1 },
        { "{\"a\":1", -1 },
        { "{\"a\":\"x}", -1 },
        { "{\"a\":[}", -1 },
        { "{\"a\":[1}", -1 },
        { "{\"a\":1}x", -1 },
        { "{a:1}", -1 },
        { "[]", -1 },
        { "", -1 },
        { "{", -1 },
        { "{\"a\":1 \"b\":2}", -1 },
        { "{\"\\\\\":1}", 1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = 0;
        struct err e = ERR_INIT;
        int rc = json_flat_read(cases[i].text, strlen(cases[i].text), count_member, &n, &e);
        if ((rc == 0 ? (int)n : -1) != cases[i].members)
            fail_msg("%s: %d, %zu members", cases[i].text, rc, n);
    }
}

static void flat_strings(void **state)
{
    static const struct {
        const char *raw, *bytes; /* NULL: refused */
        size_t len;
    } cases[] = {
        { "\"\"", "", 0 },
        { "\"a\\n\\t\\\"\\\\\\/\"", "a\n\t\"\\/", 6 },
        { "\"\\u0000\"", "\0", 1 },
        { "\"\\u00e9\\u20ac\"", "\xc3\xa9\xe2\x82\xac", 5 },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 4 },
        { "\"\\ud83d\"", "\xef\xbf\xbd", 3 },
        { "\"\\ud83dx\"", "\xef\xbf\xbdx", 4 },
        { "\"\\ude00\"", "\xef\xbf\xbd", 3 },
        { "\"\\ud83d\\u0041\"",
          "\xef\xbf\xbd"
          "A",
          4 },
        { "\"\\x\"", NULL, 0 },
        { "\"\\u12\"", NULL, 0 },
        { "\"\\u12g4\"", NULL, 0 },
        { "12", NULL, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_member m = { "k", 1, cases[i].raw, strlen(cases[i].raw) };
        struct buf out = BUF_INIT(100);
        struct err e = ERR_INIT;
        int rc = json_member_bytes(&m, &out, &e);
        if ((rc == 0) != (cases[i].bytes != NULL))
            fail_msg("%s: %d", cases[i].raw, rc);
        if (rc == 0) {
            assert_int_equal(out.len, cases[i].len);
            assert_memory_equal(buf_str(&out), cases[i].bytes, out.len);
        }
        buf_release(&out);
    }
}

/* ---- frames */

struct frames {
    struct buf text;
    bool ended;
};

static void on_frame(void *arg, const char *json, size_t len, bool is_end)
{
    struct frames *f = arg;
    (void)buf_add(&f->text, json, len);
    (void)buf_add_char(&f->text, '|');
    f->ended |= is_end;
}

static int read_frames(const char *raw, size_t len, size_t split, struct frames *f)
{
    struct connect c;
    int rc = 0;
    buf_init(&f->text, 4096);
    f->ended = false;
    connect_init(&c, on_frame, f);
    for (size_t i = 0; i < len && rc == 0; i += split)
        rc = connect_feed(&c, raw + i, len - i < split ? len - i : split, NULL);
    connect_release(&c);
    return rc;
}

static void frames_in_every_splitting(void **state)
{
    struct buf raw = BUF_INIT(4096);
    struct frames f;
    (void)state;
    assert_int_equal(connect_add_frame(&raw, "{\"a\":1}", 7), 0);
    assert_int_equal(connect_add_frame(&raw, "", 0), 0);
    (void)buf_add(&raw, "\2\0\0\0\2{}", 7);
    for (size_t split = 1; split <= raw.len; split++) {
        assert_int_equal(read_frames(raw.ptr, raw.len, split, &f), 0);
        assert_string_equal(buf_str(&f.text), "{\"a\":1}||{}|");
        assert_true(f.ended);
        buf_release(&f.text);
    }
    for (size_t cut = 0; cut < raw.len; cut++) {
        assert_int_equal(read_frames(raw.ptr, cut, 3, &f), 0);
        assert_false(f.ended);
        buf_release(&f.text);
    }
    buf_release(&raw);
}

static void frames_that_make_no_sense(void **state)
{
    static const struct {
        const char *raw;
        size_t len;
    } cases[] = {
        { "\1\0\0\0\1x", 6 },   /* compressed */
        { "\2\0\0\0\2{}x", 8 }, /* bytes behind the end */
        { "\0\xff\xff\xff\xff"
          "abc",
          8 }, /* 4 GiB */
        { "hello, world", 12 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frames f;
        assert_int_equal(read_frames(cases[i].raw, cases[i].len, 2, &f), -1);
        buf_release(&f.text);
    }
}

/* ---- refusals */

static void refusals_are_understood(void **state)
{
    static const struct {
        int status;
        const char *body, *message, *code;
        bool not_found, port_closed, in_transition, at_cap;
    } cases[] = {
        { 404, "{\"code\":404,\"message\":\"no such\"}", "no such", "", false, false, false,
          false },
        { 503, "{\"code\":503,\"message\":\"m\",\"error_code\":\"sandbox_capacity_unavailable\"}",
          "m", "sandbox_capacity_unavailable", false, false, false, false },
        { 502, "{\"sandboxId\":\"i\",\"message\":\"The sandbox was not found\",\"code\":502}",
          "The sandbox was not found", "", true, false, false, false },
        { 502,
          "{\"message\":\"The sandbox is running but port is not "
          "open\",\"port\":49999,\"code\":502}",
          "The sandbox is running but port is not open", "", false, true, false, false },
        { 409, "{\"message\":\"The sandbox is still transitioning. Try again\"}",
          "The sandbox is still transitioning. Try again", "", false, false, true, false },
        { 429, "{\"message\":\"you have reached the maximum number of\"}",
          "you have reached the maximum number of", "", false, false, false, true },
        { 504, "upstream request timeout", "upstream request timeout", "", false, false, false,
          false },
        { 502, "<html><body>502</body></html>", "", "", false, false, false, false },
        { 500, "", "", "", false, false, false, false },
        { 401, "{\"code\":\"unauthenticated\",\"message\":\"a\\u001b[31m\\nb\"}", "a [31m b",
          "unauthenticated", false, false, false, false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct e2b_refusal why;
        e2b_refusal_read(&why, cases[i].status, cases[i].body, strlen(cases[i].body));
        assert_string_equal(why.message, cases[i].message);
        assert_string_equal(why.code, cases[i].code);
        assert_int_equal(why.not_found, cases[i].not_found);
        assert_int_equal(why.port_closed, cases[i].port_closed);
        assert_int_equal(why.in_transition, cases[i].in_transition);
        assert_int_equal(why.at_cap, cases[i].at_cap);
    }
}

/* ---- variables of the vendor's */

static const char *(*pairs)[2];

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    for (size_t i = 0; pairs[i][0] != NULL; i++)
        if (strcmp(pairs[i][0], name) == 0)
            return pairs[i][1];
    return NULL;
}

static void places_follow_the_variables(void **state)
{
#define KEY                                                                                        \
    {                                                                                              \
        "E2B_API_KEY", "e2b_0123456789abcdef"                                                      \
    }
    static const struct {
        const char *a[2], *b[2];
        const char *api; /* NULL: refused */
        int code;
    } cases[] = {
        { { NULL, NULL }, { NULL, NULL }, NULL, ERR_MISSING },
        { KEY, { NULL, NULL }, "https://api.e2b.app", 0 },
        { KEY, { "E2B_DOMAIN", "e2b.example" }, "https://api.e2b.example", 0 },
        { KEY, { "E2B_DOMAIN", "a b" }, NULL, ERR_USAGE },
        { KEY, { "E2B_DOMAIN", "x/y" }, NULL, ERR_USAGE },
        { KEY, { "E2B_API_URL", "http://127.0.0.1:9" }, "http://127.0.0.1:9", 0 },
        { KEY, { "E2B_API_URL", "http://example.com" }, NULL, ERR_USAGE },
        { KEY, { "E2B_SANDBOX_URL", "ftp://x" }, NULL, ERR_USAGE },
        { { "E2B_DEBUG", "TRUE" }, { NULL, NULL }, "http://localhost:3000", 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *all[3][2] = { { cases[i].a[0], cases[i].a[1] },
                                  { cases[i].b[0], cases[i].b[1] },
                                  { NULL, NULL } };
        struct e2b_place p;
        struct err e = ERR_INIT;
        pairs = all;
        int rc = e2b_place_read(&p, setting, NULL, &e);
        if ((rc == 0) != (cases[i].api != NULL))
            fail_msg("case %zu: %s", i, e.msg);
        if (rc == 0) {
            assert_string_equal(p.api_url, cases[i].api);
            e2b_place_release(&p);
        } else {
            assert_int_equal(e.code, cases[i].code);
        }
    }
}

static void sandbox_ids_are_checked(void **state)
{
    (void)state;
    assert_true(e2b_is_id("i0a1b2c3d4e5f6g7h8i9j"));
    assert_true(e2b_is_id("debug_sandbox_id"));
    assert_false(e2b_is_id(""));
    assert_false(e2b_is_id("../x"));
    assert_false(e2b_is_id("a.b"));
    assert_false(e2b_is_id("A"));
    assert_false(
        e2b_is_id("i23456789012345678901234567890123456789012345678901234567890123456789"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_in_every_splitting),
        cmocka_unit_test(samples_mean_what_they_say),
        cmocka_unit_test(nul_bytes_are_kept),
        cmocka_unit_test(one_line_of_megabytes),
        cmocka_unit_test(flat_objects),
        cmocka_unit_test(flat_strings),
        cmocka_unit_test(frames_in_every_splitting),
        cmocka_unit_test(frames_that_make_no_sense),
        cmocka_unit_test(refusals_are_understood),
        cmocka_unit_test(places_follow_the_variables),
        cmocka_unit_test(sandbox_ids_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
