/* fuzz_bundle.c - the reader of a stranger's bundle: however the bytes are split, it says the same,
 * and an event it gives has the form that the store will ask for.
 *
 * Input: byte 0 seeds the splits, the rest is the file; a line `E` stands for a closing line that
 * fits what came before, so that whole bundles are found too. */
#include <stdlib.h>
#include <string.h>
#include "sessions/bundle.h"
#include "sessions/store.h"

#define CHECK(cond) ((cond) ? (void)0 : abort())

static int on_item(void *arg, const struct bundle_item *item, struct err *e)
{
    const struct event *ev = &item->ev;
    struct json *body = NULL;
    struct err why = ERR_INIT;
    struct event copy = *ev;
    (void)e;
    CHECK(ev->seq == item->line - 1 && ev->type_name[0] != '\0');
    CHECK(strlen(ev->type_name) <= EVENT_NAME_MAX);
    CHECK((ev->seq == 1) == (ev->type == EVENT_SESSION_CREATED));
    if (ev->bytes != NULL)
        CHECK(ev->len > 0 && ev->len <= STORE_CHUNK_MAX && (ev->stream == 1 || ev->stream == 2));
    else
        CHECK(item->erased == (ev->json == NULL));
    if (ev->json != NULL && event_parse(&copy, &body, &why) == 0) {
        CHECK(ev->type != EVENT_SESSION_CREATED || json_get_bool(body, "foreign", false));
        CHECK(json_get(body, "seq") == NULL && json_get(body, "session") == NULL);
    }
    json_free(body);
    return buf_addf(arg, "%llu %s %u %zu %zu\n", (unsigned long long)ev->seq, ev->type_name,
                    ev->run, ev->json_len + ev->len, item->blob_len);
}

static int run(struct buf *out, const char *p, size_t len, unsigned seed)
{
    struct bundle_reader r;
    struct err e = ERR_INIT;
    int rc = 0;
    buf_init(out, 1 << 24);
    bundle_reader_init(&r, on_item, out);
    for (size_t at = 0; rc == 0 && at < len;) {
        size_t some = seed == 0 ? len : 1 + (size_t)rand_r(&seed) % 40;
        some = some > len - at ? len - at : some;
        char *copy = xmemdup(p + at, some);
        rc = bundle_feed(&r, copy, some, &e);
        free(copy);
        at += some;
    }
    if (rc == 0)
        rc = bundle_end(&r, &e);
    CHECK(rc == 0 || (e.code != ERR_NONE && e.msg[0] != '\0'));
    CHECK(rc < 0 || (r.begun && r.ended && r.seq > 0));
    bundle_reader_release(&r);
    return rc;
}

/* Every line `E` becomes the end of what stands before it. */
static void close_bundles(struct buf *out, const char *p, size_t len)
{
    uint64_t lines = 0;
    while (len > 0) {
        const char *lf = memchr(p, '\n', len);
        size_t n = lf != NULL ? (size_t)(lf - p) + 1 : len;
        if (n == 2 && p[0] == 'E' && out->len > 0) {
            uint8_t sha[SHA256_LEN];
            sha256_once(out->ptr, out->len, sha);
            CHECK(bundle_print_end(out, lines - 1, sha) == 0);
        } else {
            CHECK(buf_add(out, p, n) == 0);
        }
        lines += n > 1;
        p += n;
        len -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct buf text = BUF_INIT(1 << 24), out[2];
    int rc[2];
    if (len < 2 || len > 1 << 20)
        return 0;
    close_bundles(&text, (const char *)p + 1, len - 1);
    rc[0] = run(&out[0], buf_str(&text), text.len, 0);
    rc[1] = run(&out[1], buf_str(&text), text.len, p[0] + 1u);
    CHECK(rc[0] == rc[1] && out[0].len == out[1].len);
    CHECK(out[0].len == 0 || memcmp(out[0].ptr, out[1].ptr, out[0].len) == 0);
    buf_release(&out[0]);
    buf_release(&out[1]);
    buf_release(&text);
    return 0;
}
