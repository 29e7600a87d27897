/* fuzz_sse.c - the event parser: however the bytes are split, the events are the same, and nothing
 * larger than the ceiling is ever held.
 *
 * Input: byte 0 sets the ceiling, byte 1 seeds the splits, the rest is the stream. */
#include <stdlib.h>
#include <string.h>
#include "base/sse.h"

#define CHECK(cond) ((cond) ? (void)0 : abort())

struct seen {
    struct buf text; /* every event, unambiguously */
    size_t event_max;
};

static void on_event(void *arg, const struct sse_event *ev)
{
    struct seen *s = arg;
    CHECK(ev->data_len <= s->event_max && ev->data[ev->data_len] == '\0');
    CHECK(buf_addf(&s->text, "%zu %zu %zu\n", strlen(ev->type), strlen(ev->id), ev->data_len) == 0);
    CHECK(buf_add_str(&s->text, ev->type) == 0 && buf_add_str(&s->text, ev->id) == 0);
    CHECK(buf_add(&s->text, ev->data, ev->data_len) == 0);
}

static int run(struct seen *seen, const uint8_t *p, size_t len, unsigned seed, int64_t *retry_ms,
               bool *pending)
{
    struct sse s;
    int rc = 0;
    buf_init(&seen->text, SIZE_MAX / 2);
    sse_init(&s, seen->event_max, on_event, seen);
    for (size_t at = 0; rc == 0 && at < len;) {
        size_t n = seed == 0 ? len : (size_t)rand_r(&seed) % 9;
        if (n > len - at)
            n = len - at;
        char *copy = xmemdup(p + at, n);
        rc = sse_feed(&s, copy, n, NULL);
        free(copy);
        at += n;
        CHECK(s.line.len <= seen->event_max && s.data.len <= seen->event_max + 1);
    }
    *retry_ms = s.retry_ms;
    *pending = sse_pending(&s);
    sse_release(&s);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    if (len < 2)
        return 0;
    struct seen a = { .event_max = 16u + p[0] }, b = a;
    int64_t retry_a, retry_b;
    bool pending_a, pending_b;
    int rc_a = run(&a, p + 2, len - 2, 0, &retry_a, &pending_a);
    int rc_b = run(&b, p + 2, len - 2, p[1] + 1u, &retry_b, &pending_b);
    CHECK(rc_a == rc_b && retry_a == retry_b && a.text.len == b.text.len);
    CHECK(rc_a < 0 || pending_a == pending_b);
    CHECK(a.text.len == 0 || memcmp(a.text.ptr, b.text.ptr, a.text.len) == 0);
    buf_release(&a.text);
    buf_release(&b.text);
    return 0;
}
