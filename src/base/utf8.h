/* utf8.h - validating and walking UTF-8 (RFC 3629: no overlongs, no surrogates, ≤ U+10FFFF). */
#ifndef AIRLOCK_BASE_UTF8_H
#define AIRLOCK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decode one code point at p. Returns its length 1–4, or 0 when the bytes are ill-formed or cut
 * short (then exactly one byte should be shown as <0xNN> and skipped). len must be > 0. */
unsigned utf8_decode(const char *p, size_t len, uint32_t *cp);
unsigned utf8_encode(uint32_t cp, char out[4]); /* 0 for surrogates and > U+10FFFF */

/* Length of the longest valid prefix (== len when all is valid). ASCII runs are taken 8 bytes at a
 * time. */
size_t utf8_valid_prefix(const char *p, size_t len);
bool utf8_is_valid(const char *p, size_t len);

#endif
