/* sha256.h - SHA-256 (OpenSSL EVP behind it), hex, and random bytes. */
#ifndef AIRLOCK_BASE_SHA256_H
#define AIRLOCK_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN     32
#define SHA256_HEX_LEN 64

struct sha256; /* opaque context, reusable */

struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *h);
void sha256_begin(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *p, size_t len);
void sha256_add_u16be(struct sha256 *h, uint16_t v);
void sha256_add_u32be(struct sha256 *h, uint32_t v);
void sha256_add_u64be(struct sha256 *h, uint64_t v);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_LEN]);
void sha256_once(const void *p, size_t len, uint8_t out[SHA256_LEN]);

void hex_encode(const uint8_t *p, size_t len, char *out /* 2*len+1 */);
int hex_decode(const char *s, size_t len,
               uint8_t *out /* len/2 */); /* -1: odd or not lower-case hex */

/* getrandom(2); aborts when the kernel gives none. */
void random_bytes(void *p, size_t len);

#endif
