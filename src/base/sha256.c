/* sha256.c - SHA-256 by OpenSSL, hex, and random bytes. */
#include "base/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/buf.h"

#define LIBRARY_ROOM ((size_t)120 << 10)

struct sha256 {
    EVP_MD_CTX *ctx;
};

/* OpenSSL fails for want of memory only, unless the installation is broken. */
static void need(bool ok)
{
    if (!ok && errno == ENOMEM)
        err_no_memory();
    INVARIANT(ok);
}

/* Fetched once: an implicit fetch for every hash costs more than hashing an event. Never freed,
 * like the thread's own context below: they live as long as the process. */
static const EVP_MD *algorithm(void)
{
    static EVP_MD *md;
    if (md == NULL) {
        xneed(LIBRARY_ROOM); /* OpenSSL 3.0 dies when its first steps find no memory */
        md = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
    need(md != NULL);
    return md;
}

struct sha256 *sha256_new(void)
{
    struct sha256 *h = xmalloc(sizeof *h);
    h->ctx = EVP_MD_CTX_new();
    need(h->ctx != NULL);
    return h;
}

void sha256_free(struct sha256 *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void sha256_begin(struct sha256 *h)
{
    need(EVP_DigestInit_ex2(h->ctx, algorithm(), NULL) == 1);
}

void sha256_add(struct sha256 *h, const void *p, size_t len)
{
    need(EVP_DigestUpdate(h->ctx, p, len) == 1);
}

static void add_be(struct sha256 *h, uint64_t v, unsigned bytes)
{
    uint8_t raw[8];
    for (unsigned i = bytes; i-- > 0; v >>= 8)
        raw[i] = (uint8_t)v;
    sha256_add(h, raw, bytes);
}

void sha256_add_u16be(struct sha256 *h, uint16_t v)
{
    add_be(h, v, 2);
}

void sha256_add_u32be(struct sha256 *h, uint32_t v)
{
    add_be(h, v, 4);
}

void sha256_add_u64be(struct sha256 *h, uint64_t v)
{
    add_be(h, v, 8);
}

void sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN])
{
    need(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1);
}

void sha256_once(const void *p, size_t len, uint8_t out[SHA256_LEN])
{
    static _Thread_local struct sha256 mine;
    if (mine.ctx == NULL)
        mine.ctx = EVP_MD_CTX_new();
    need(mine.ctx != NULL);
    sha256_begin(&mine);
    sha256_add(&mine, p, len);
    sha256_end(&mine, out);
}

void hex_encode(const uint8_t *p, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int hex_decode(const char *s, size_t len, uint8_t *out)
{
    if (len % 2 != 0)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (hex_digit(s[i]) < 0)
            return -1;
    }
    for (size_t i = 0; i < len / 2; i++)
        out[i] = (uint8_t)(hex_digit(s[2 * i]) * 16 + hex_digit(s[2 * i + 1]));
    return 0;
}

void random_bytes(void *p, size_t len)
{
    char *at = p;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        INVARIANT(n > 0);
        at += n;
        len -= (size_t)n;
    }
}
