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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_every_cut_and_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
