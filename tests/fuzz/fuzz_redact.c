/* fuzz_redact.c - any split gives what the whole gives; no secret is left in it; little is held.
 *
 * Input: u8 length and bytes of a first secret (made printable), the same for a second, u8 seed of
 * the splits, then the text. In the text 0xF0..0xFF stand for pieces of the secrets, so that hits
 * and near hits are common.
 */
#include <stdlib.h>
#include <string.h>

#include "base/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p;
    size_t len;
};

static uint8_t next(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->p++;
}

static size_t secret(struct input *in, char out[40])
{
    size_t len = 8 + next(in) % 32;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(0x20 + next(in) % 0x5f);
    return len;
}

/* Without the markers: they are ours, and a secret may be part of their text. */
static void check_clean(const struct redact *r, const char *p, size_t len)
{
    static const char marker[] = "[secret:\x01]";
    while (len > 0) {
        const char *m = memmem(p, len, marker, sizeof marker - 1);
        size_t part = m != NULL ? (size_t)(m - p) : len;
        INVARIANT(redact_find(r, p, part, NULL) == NULL);
        if (m == NULL)
            return;
        p += part + sizeof marker - 1;
        len -= part + sizeof marker - 1;
    }
}

static void check_splits(const struct redact *r, const struct buf *text, const struct buf *want,
                         unsigned seed, bool with_shapes)
{
    struct redact_stream s;
    struct buf out = BUF_INIT(SIZE_MAX / 4);
    size_t at = 0, most = seed % 7 == 0 ? 1 : 1 + seed % 50;
    redact_stream_init(&s);
    while (at < text->len) {
        size_t n = (size_t)rand_r(&seed) % (most + 1);
        n = n < text->len - at ? n : text->len - at;
        INVARIANT(redact_stream_feed(r, &s, text->ptr + at, n, &out) >= 0);
        INVARIANT(s.held.len < (with_shapes ? 4097 : 6 * 40));
        at += n;
    }
    INVARIANT(redact_stream_end(r, &s, &out) >= 0);
    INVARIANT(out.len == want->len && (out.len == 0 || memcmp(out.ptr, want->ptr, out.len) == 0));
    redact_stream_release(&s);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    char values[2][40];
    size_t lens[2];
    struct redact *r = redact_new();
    for (int i = 0; i < 2; i++) {
        lens[i] = secret(&in, values[i]);
        INVARIANT(redact_add(r, "\x01", values[i], lens[i], NULL) == 0);
    }
    unsigned seed = next(&in);
    struct buf text = BUF_INIT(SIZE_MAX / 4), want = BUF_INIT(SIZE_MAX / 4);
    while (in.len > 0) {
        uint8_t c = next(&in);
        if (c < 0xF0) {
            buf_add_char(&text, (char)c);
        } else {
            size_t len = lens[c & 1], from = c & 2 ? next(&in) % len : 0;
            buf_add(&text, values[c & 1] + from, c & 4 ? next(&in) % (len - from) : len - from);
        }
    }
    INVARIANT(redact_text(r, buf_str(&text), text.len, &want) >= 0);
    check_clean(r, buf_str(&want), want.len);
    check_splits(r, &text, &want, seed, false);
    check_splits(r, &text, &want, seed * 31 + 7, false);
    redact_add_shapes(r);
    buf_reset(&want);
    INVARIANT(redact_text(r, buf_str(&text), text.len, &want) >= 0);
    check_splits(r, &text, &want, seed * 17 + 3, true);
    buf_release(&text);
    buf_release(&want);
    redact_free(r);
    return 0;
}
