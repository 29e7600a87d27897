/* test_bundle.c - what the writer of bundles writes, its reader reads, however it is split. */
#include "unit/session_fixture.h"

#include "sessions/bundle.h"

static const char odd[] = "a\0\xff\x80 odd";

/* Everything an item says, as text. */
static int describe(void *arg, const struct bundle_item *item, struct err *e)
{
    const struct event *ev = &item->ev;
    (void)e;
    assert_int_equal(0, buf_addf(arg, "%llu %s %u %lld", (unsigned long long)ev->seq, ev->type_name,
                                 ev->run, (long long)ev->at_us));
    if (item->erased)
        assert_int_equal(0, buf_add_str(arg, " erased"));
    if (ev->bytes != NULL) {
        assert_int_equal(0, buf_addf(arg, " %u@%llu:", ev->stream, (unsigned long long)ev->offset));
        assert_int_equal(0, buf_add(arg, ev->bytes, ev->len));
    }
    if (ev->json != NULL)
        assert_int_equal(0, buf_addf(arg, " %s", ev->json));
    if (item->blob != NULL)
        assert_int_equal(0, buf_add(arg, item->blob, item->blob_len));
    return buf_add_char(arg, '\n');
}

static void add(struct buf *out, uint64_t seq, enum event_type type, uint32_t run, const char *json,
                const void *blob, size_t blob_len)
{
    struct err e = ERR_INIT;
    struct json *body = NULL;
    struct event ev = { .seq = seq, .at_us = 1000000, .type = type, .run = run, .json = json };
    ev.json_len = json != NULL ? strlen(json) : 0;
    if (json != NULL)
        assert_ok(event_parse(&ev, &body, &e));
    assert_int_equal(0, bundle_print_event(out, &ev, ID, blob, blob_len));
    json_free(body);
}

static void make(struct buf *out)
{
    uint8_t sha[SHA256_LEN];
    struct event chunk = { .seq = 3,
                           .at_us = 1000000,
                           .type = EVENT_RUN_OUTPUT,
                           .run = 1,
                           .stream = 2,
                           .offset = 5,
                           .bytes = odd,
                           .len = sizeof odd - 1 };
    assert_int_equal(0, bundle_print_begin(out, ID, true));
    add(out, 1, EVENT_SESSION_CREATED, 0, CREATED_JSON, NULL, 0);
    add(out, 2, EVENT_TASK_GIVEN, 0, TASK_JSON, NULL, 0);
    assert_int_equal(0, bundle_print_event(out, &chunk, ID, NULL, 0));
    add(out, 4, EVENT_RUN_RESULT, 1, "{\"mime\":\"a/b\",\"main\":true,\"artifact\":\"r\"}", odd,
        sizeof odd - 1);
    add(out, 5, EVENT_NOTE, 0, NULL, NULL, 0);
    sha256_once(out->ptr, out->len, sha);
    assert_int_equal(0, bundle_print_end(out, 5, sha));
}

static int read_in_pieces(const struct buf *text, size_t piece, struct buf *out, struct err *e)
{
    struct bundle_reader r;
    int rc = 0;
    bundle_reader_init(&r, describe, out);
    for (size_t at = 0; rc == 0 && at < text->len; at += piece) {
        size_t n = text->len - at < piece ? text->len - at : piece;
        char *copy = xmemdup(text->ptr + at, n);
        rc = bundle_feed(&r, copy, n, e);
        free(copy);
    }
    if (rc == 0)
        rc = bundle_end(&r, e);
    bundle_reader_release(&r);
    return rc;
}

static void test_round(void **state)
{
    struct err e = ERR_INIT;
    struct buf text = BUF_INIT(1 << 20), first = BUF_INIT(1 << 20);
    (void)state;
    make(&text);
    assert_ok(read_in_pieces(&text, text.len, &first, &e));
    assert_non_null(strstr(first.ptr, "1 session.created 0 1000000 {\"planner\":\"human\""));
    assert_non_null(strstr(first.ptr, "\"foreign\":true,\"origin\":{\"session\":\"" ID "\"}}\n"));
    assert_non_null(strstr(first.ptr, "2 task.given 0 1000000 " TASK_JSON "\n"));
    assert_non_null(strstr(first.ptr, "3 run.output 1 1000000 2@5:a"));
    assert_non_null(memmem(first.ptr, first.len, odd, sizeof odd - 1));
    assert_non_null(memmem(first.ptr, first.len, "5 note 0 1000000 erased\n", 24));
    for (size_t piece = 1; piece < 200; piece += 7) {
        struct buf again = BUF_INIT(1 << 20);
        assert_ok(read_in_pieces(&text, piece, &again, &e));
        assert_int_equal(again.len, first.len);
        assert_memory_equal(again.ptr, first.ptr, first.len);
        buf_release(&again);
    }
    buf_release(&text);
    buf_release(&first);
}

/* Cut anywhere, or with any one byte changed, it is refused or at least not taken for whole. */
static void test_every_cut_and_flip(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    (void)state;
    make(&text);
    for (size_t at = 0; at + 1 < text.len; at++) {
        struct err e = ERR_INIT;
        struct buf out = BUF_INIT(1 << 20), cut = text;
        cut.len = at;
        assert_int_equal(-1, read_in_pieces(&cut, 4096, &out, &e));
        assert_true(e.code == ERR_FORMAT);
        buf_reset(&out);
        char was = text.ptr[at];
        text.ptr[at] = (char)(was ^ 1);
        int rc = read_in_pieces(&text, 4096, &out, &e);
        /* The words of the first and last line that nobody reads are the only exception. */
        if (rc == 0)
            assert_true(at > text.len - 120 || text.ptr[at] == '\0');
        text.ptr[at] = was;
        buf_release(&out);
    }
    buf_release(&text);
}

/* A buffer that is too small, however little, is told, and an event leaves nothing in it. */
static void test_full_buffers(void **state)
{
    (void)state;
    static const uint8_t sha[SHA256_LEN];
    struct err e = ERR_INIT;
    struct json *body = NULL;
    struct buf whole = BUF_INIT(1 << 16);
    struct event ev = { .seq = 1, .type = EVENT_RUN_RESULT, .run = 1 };
    ev.json = "{\"mime\":\"a/b\",\"main\":true,\"artifact\":\"r\"}";
    ev.json_len = strlen(ev.json);
    assert_ok(event_parse(&ev, &body, &e));
    for (int what = 0; what < 3; what++) {
        int rc = -1;
        for (size_t max = 0; rc < 0; max++) {
            struct buf out;
            buf_init(&out, max);
            rc = what == 0   ? bundle_print_begin(&out, ID, true)
                 : what == 1 ? bundle_print_event(&out, &ev, ID, odd, sizeof odd - 1)
                             : bundle_print_end(&out, 1, sha);
            assert_true(rc == 0 || what != 1 || out.len == 0);
            assert_true(rc < 0 || (out.len == max && out.ptr[max - 1] == '\n'));
            buf_release(&out);
        }
    }
    /* What is too large stays at home, and that is said. */
    assert_int_equal(bundle_print_event(&whole, &ev, ID, odd, BUNDLE_BLOB_MAX + 1), 0);
    assert_non_null(strstr(buf_str(&whole), "\"artifact\":\"r\",\"left_out\":true}\n"));
    buf_release(&whole);
    json_free(body);
}

#define BEGIN "{\"type\":\"bundle.begin\",\"format\":1,\"session\":\"" ID "\"}\n"
#define HEAD(seq, type)                                                                            \
    "{\"seq\":" seq ",\"at\":\"2026-11-22T10:00:00.123456Z\",\"session\":\"" ID                    \
    "\",\"type\":\"" type "\""
#define CREATED HEAD("1", "session.created") "," CREATED_MEMBERS "}\n"
#define CREATED_MEMBERS                                                                            \
    "\"planner\":\"human\",\"model\":\"\",\"sandbox\":\"local\",\"contract\":{},"                  \
    "\"contract_digest\":\"00\",\"version\":\"0.1.0\""

static const struct {
    const char *text, *says;
} strange[] = {
    { "", "the file is empty" },
    { "hello\n", "line 1: no Airlock bundle" },
    { "{\"a\":1}\n", "line 1: " },
    { CREATED, "line 1: no Airlock bundle" },
    { "{\"type\":\"bundle.begin\",\"format\":2,\"session\":\"a\"}\n",
      "format 2; this program reads 1" },
    { "{\"type\":\"bundle.begin\",\"format\":1,\"session\":\"a/b\"}\n", "no id of a session" },
    { "{\"type\":\"bundle.begin\",\"format\":1}\n", "session" },
    { "{\"type\":\"bundle.begin\",\"session\":\"a\"}\n", "format" },
    { BEGIN BEGIN, "line 2: a second bundle begins here" },
    { BEGIN, "line 1: the bundle is cut short here" },
    { BEGIN "nonsense\n", "line 2: " },
    { BEGIN "{\"seq\":1}\n", "type" },
    { BEGIN HEAD("1", "Note") "}\n", "\"type\" is no name" },
    { BEGIN HEAD("1", "") "}\n", "\"type\" is no name" },
    { BEGIN HEAD("1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") "}\n",
      "\"type\" is no name" },
    { BEGIN HEAD("2", "note") "}\n", "event 2 stands where 1 must" },
    { BEGIN HEAD("1", "note") "}\n", "session.created is the first event" },
    { BEGIN CREATED HEAD("2", "session.created") "," CREATED_MEMBERS "}\n",
      "line 3: session.created is the first event, and only that" },
    { BEGIN HEAD("1", "session.created") ",\"erased\":true}\n", "that can't be imported" },
    { BEGIN HEAD("1", "note") ",\"run\":-1}\n", "run" },
    { BEGIN "{\"seq\":1,\"at\":\"yesterday\",\"session\":\"" ID "\",\"type\":\"note\"}\n",
      "no time" },
    { BEGIN "{\"seq\":1,\"at\":\"x\",\"session\":\"other\",\"type\":\"note\"}\n",
      "another session" },
    { BEGIN "{\"seq\":1,\"session\":\"" ID "\",\"type\":\"note\"}\n", "at" },
    { BEGIN "{\"seq\":1,\"at\":\"x\",\"type\":\"note\"}\n", "session" },
    { BEGIN "{\"at\":\"x\",\"type\":\"note\"}\n", "seq" },
    { BEGIN CREATED HEAD("2", "run.output") ",\"stream\":\"stdin\",\"offset\":0,\"text\":\"x\"}\n",
      "stdout or stderr" },
    { BEGIN CREATED HEAD("2", "run.output") ",\"offset\":0,\"text\":\"x\"}\n", "stream" },
    { BEGIN CREATED HEAD("2", "run.output") ",\"stream\":\"stdout\",\"text\":\"x\"}\n", "offset" },
    { BEGIN CREATED HEAD("2", "run.output") ",\"stream\":\"stdout\",\"offset\":0}\n", "base64" },
    { BEGIN CREATED HEAD("2", "run.output") ",\"stream\":\"stdout\",\"offset\":0,\"text\":\"\"}\n",
      "0 bytes, not 1 to 65536" },
    { BEGIN CREATED HEAD("2",
                         "run.output") ",\"stream\":\"stdout\",\"offset\":0,\"base64\":\"?\"}\n",
      "run.output.base64" },
    { BEGIN CREATED HEAD("2", "run.result") ",\"artifact\":\"r\",\"base64\":\"?\"}\n",
      "run.result.base64" },
    { BEGIN "{\"type\":\"bundle.end\",\"events\":1,\"sha256\":\"00\"}\n",
      "1 events are announced, 0 are here" },
    { BEGIN CREATED "{\"type\":\"bundle.end\",\"events\":1,\"sha256\":\"00\"}\n",
      "do not match the bundle's hash" },
    { BEGIN CREATED "{\"type\":\"bundle.end\",\"events\":1}\n", "sha256" },
    { BEGIN CREATED "{\"type\":\"bundle.end\",\"sha256\":\"00\"}\n", "events" },
};

static void test_what_strangers_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
        struct err e = ERR_INIT;
        struct buf text = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
        assert_int_equal(buf_add_str(&text, strange[i].text), 0);
        assert_int_equal(read_in_pieces(&text, 4096, &out, &e), -1);
        if (strstr(e.msg, strange[i].says) == NULL)
            fail_msg("%zu: %s", i, e.msg);
        buf_release(&text);
        buf_release(&out);
    }
}

static int refuse(void *arg, const struct bundle_item *item, struct err *e)
{
    (void)arg;
    return err_set(e, ERR_LIMIT, "no event %llu, please", (unsigned long long)item->ev.seq);
}

static void test_the_end(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    struct bundle_reader r;
    make(&text);
    assert_int_equal(buf_add_str(&text, "{}\n"), 0);
    assert_int_equal(read_in_pieces(&text, 4096, &out, &e), -1);
    assert_non_null(strstr(e.msg, "line 8: something stands behind bundle.end"));
    bundle_reader_init(&r, refuse, NULL);
    assert_int_equal(bundle_feed(&r, text.ptr, text.len, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.msg, "line 2: no event 1, please");
    bundle_reader_release(&r);
    buf_release(&text);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),        cmocka_unit_test(test_every_cut_and_flip),
        cmocka_unit_test(test_full_buffers), cmocka_unit_test(test_what_strangers_write),
        cmocka_unit_test(test_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
