/* utf8.c - validating and walking UTF-8. */
#include "base/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* The second byte alone tells overlongs, surrogates and > U+10FFFF apart (Unicode, table 3-7). */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return is_tail(second);
    }
}

unsigned utf8_decode(const char *p, size_t len, uint32_t *cp)
{
    const unsigned char *u = (const unsigned char *)p;
    if (u[0] < 0x80) {
        *cp = u[0];
        return 1;
    }
    if (u[0] < 0xC2 || u[0] > 0xF4 || len < 2 || !second_fits(u[0], u[1]))
        return 0;
    if (u[0] < 0xE0) {
        *cp = (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
        return 2;
    }
    if (len < 3 || !is_tail(u[2]))
        return 0;
    if (u[0] < 0xF0) {
        *cp = (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
        return 3;
    }
    if (len < 4 || !is_tail(u[3]))
        return 0;
    *cp = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3F) << 12 |
          (uint32_t)(u[2] & 0x3F) << 6 | (u[3] & 0x3F);
    return 4;
}

unsigned utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp >= 0xD800 && cp <= 0xDFFF)
        return 0;
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    if (cp > 0x10FFFF)
        return 0;
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

/* Two words a turn, so that one branch pays for 16 bytes. */
static size_t ascii_run(const char *p, size_t len)
{
    size_t i = 0;
    for (; len - i >= 16; i += 16) {
        uint64_t w[2];
        memcpy(w, p + i, sizeof w);
        if (((w[0] | w[1]) & HIGH_BITS) != 0)
            break;
    }
    while (i < len && (unsigned char)p[i] < 0x80)
        i++;
    return i;
}

size_t utf8_valid_prefix(const char *p, size_t len)
{
    size_t i = 0;
    for (;;) {
        i += ascii_run(p + i, len - i);
        /* Text of other scripts comes in runs too: stay here until ASCII is back. */
        while (i < len && (unsigned char)p[i] >= 0x80) {
            uint32_t cp;
            unsigned n = utf8_decode(p + i, len - i, &cp);
            if (n == 0)
                return i;
            i += n;
        }
        if (i == len)
            return i;
    }
}

bool utf8_is_valid(const char *p, size_t len)
{
    return utf8_valid_prefix(p, len) == len;
}
