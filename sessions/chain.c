/* chain.c - the byte layouts of the hash chain. */
#include "sessions/chain.h"

#include <string.h>

#define SESSION_TAG "airlock.session.1" /* hashed with its NUL, as the other two */
#define PAYLOAD_TAG "airlock.payload.1"
#define EVENT_TAG   "airlock.event.1"

/* The fixed part of a record is put together first: one update costs less than nine. */
struct record {
    uint8_t raw[16 + SHA256_LEN + 8 + 8 + 8 + 4 + 2 + EVENT_NAME_MAX + SHA256_LEN];
    size_t len;
};

static void put(struct record *r, const void *p, size_t len)
{
    INVARIANT(len <= sizeof r->raw - r->len);
    memcpy(r->raw + r->len, p, len);
    r->len += len;
}

static void put_be(struct record *r, uint64_t v, unsigned bytes)
{
    uint8_t raw[8];
    for (unsigned i = bytes; i-- > 0; v >>= 8)
        raw[i] = (uint8_t)v;
    put(r, raw, bytes);
}

void chain_start(struct sha256 *h, const char *session, uint8_t out[SHA256_LEN])
{
    sha256_begin(h);
    sha256_add(h, SESSION_TAG, sizeof SESSION_TAG);
    sha256_add(h, session, strlen(session));
    sha256_end(h, out);
}

void chain_hash_body(struct sha256 *h, const uint8_t salt[CHAIN_SALT_LEN], const struct event *ev,
                     uint8_t out[SHA256_LEN])
{
    struct record r = { .len = 0 };
    put(&r, PAYLOAD_TAG, sizeof PAYLOAD_TAG);
    put(&r, salt, CHAIN_SALT_LEN);
    if (ev->type == EVENT_RUN_OUTPUT) {
        put_be(&r, ev->stream, 1);
        put_be(&r, ev->offset, 8);
    }
    sha256_begin(h);
    sha256_add(h, r.raw, r.len);
    if (ev->type == EVENT_RUN_OUTPUT)
        sha256_add(h, ev->bytes, ev->len);
    else
        sha256_add(h, ev->json, ev->json_len);
    sha256_end(h, out);
}

void chain_next(struct sha256 *h, const uint8_t prev[SHA256_LEN], const struct event *ev,
                const uint8_t payload_hash[SHA256_LEN], uint8_t out[SHA256_LEN])
{
    struct record r = { .len = 0 };
    size_t name_len = strlen(ev->type_name);
    put(&r, EVENT_TAG, sizeof EVENT_TAG);
    put(&r, prev, SHA256_LEN);
    put_be(&r, ev->seq, 8);
    put_be(&r, (uint64_t)ev->at_us, 8);
    put_be(&r, (uint64_t)ev->boot_us, 8);
    put_be(&r, ev->run, 4);
    put_be(&r, name_len, 2);
    put(&r, ev->type_name, name_len);
    put(&r, payload_hash, SHA256_LEN);
    sha256_begin(h);
    sha256_add(h, r.raw, r.len);
    sha256_end(h, out);
}
