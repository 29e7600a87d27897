/* review_unicode.c - compact tables for Trojan source: invisible, reordering and look-alike. */
#include "tool/review_unicode.h"

#include "base/buf.h"
#include "base/utf8.h"

struct range {
    uint32_t first, last;
    uint8_t what;
};

/* Sorted. */
static const struct range classes[] = {
    { 0x80, 0x84, CP_CONTROL },         { 0x85, 0x85, CP_SPACE },
    { 0x86, 0x9f, CP_CONTROL },         { 0xa0, 0xa0, CP_SPACE },
    { 0xaa, 0xaa, CP_COMPAT },          { 0xad, 0xad, CP_INVISIBLE },
    { 0xb2, 0xb3, CP_COMPAT },          { 0xb5, 0xb5, CP_PLAIN },
    { 0xb9, 0xba, CP_COMPAT },          { 0x132, 0x133, CP_COMPAT },
    { 0x13f, 0x140, CP_COMPAT },        { 0x149, 0x149, CP_COMPAT },
    { 0x17f, 0x17f, CP_COMPAT },        { 0x1c4, 0x1cc, CP_COMPAT },
    { 0x1f1, 0x1f3, CP_COMPAT },        { 0x2b0, 0x2b8, CP_COMPAT },
    { 0x2e0, 0x2e4, CP_COMPAT },        { 0x300, 0x34e, CP_MARK },
    { 0x34f, 0x34f, CP_INVISIBLE },     { 0x350, 0x36f, CP_MARK },
    { 0x483, 0x489, CP_MARK },          { 0x61c, 0x61c, CP_BIDI },
    { 0x115f, 0x1160, CP_INVISIBLE },   { 0x1680, 0x1680, CP_SPACE },
    { 0x17b4, 0x17b5, CP_INVISIBLE },   { 0x180b, 0x180f, CP_INVISIBLE },
    { 0x1ab0, 0x1aff, CP_MARK },        { 0x1d2c, 0x1d6a, CP_COMPAT },
    { 0x1d78, 0x1d78, CP_COMPAT },      { 0x1d9b, 0x1dbf, CP_COMPAT },
    { 0x1dc0, 0x1dff, CP_MARK },        { 0x2000, 0x200a, CP_SPACE },
    { 0x200b, 0x200c, CP_INVISIBLE },   { 0x200d, 0x200d, CP_JOINER },
    { 0x200e, 0x200f, CP_BIDI },        { 0x2028, 0x2029, CP_SPACE },
    { 0x202a, 0x202e, CP_BIDI },        { 0x202f, 0x202f, CP_SPACE },
    { 0x205f, 0x205f, CP_SPACE },       { 0x2060, 0x2065, CP_INVISIBLE },
    { 0x2066, 0x2069, CP_BIDI },        { 0x206a, 0x206f, CP_INVISIBLE },
    { 0x2070, 0x209c, CP_COMPAT },      { 0x20d0, 0x20ff, CP_MARK },
    { 0x2102, 0x2102, CP_COMPAT },      { 0x210a, 0x2115, CP_COMPAT },
    { 0x2119, 0x211d, CP_COMPAT },      { 0x2124, 0x2124, CP_COMPAT },
    { 0x2128, 0x2128, CP_COMPAT },      { 0x212a, 0x212d, CP_COMPAT },
    { 0x212f, 0x2139, CP_COMPAT },      { 0x2145, 0x2149, CP_COMPAT },
    { 0x2160, 0x2188, CP_COMPAT },      { 0x2800, 0x2800, CP_INVISIBLE },
    { 0x2c7c, 0x2c7d, CP_COMPAT },      { 0x3000, 0x3000, CP_SPACE },
    { 0x3164, 0x3164, CP_INVISIBLE },   { 0xe000, 0xf8ff, CP_PRIVATE },
    { 0xfb00, 0xfb06, CP_COMPAT },      { 0xfe00, 0xfe0e, CP_INVISIBLE },
    { 0xfe0f, 0xfe0f, CP_JOINER },      { 0xfe20, 0xfe2f, CP_MARK },
    { 0xfeff, 0xfeff, CP_INVISIBLE },   { 0xff01, 0xff5e, CP_COMPAT },
    { 0xffa0, 0xffa0, CP_INVISIBLE },   { 0xfff0, 0xfff8, CP_INVISIBLE },
    { 0x1bca0, 0x1bca3, CP_INVISIBLE }, { 0x1d173, 0x1d17a, CP_INVISIBLE },
    { 0x1d400, 0x1d7ff, CP_COMPAT },    { 0x1ee00, 0x1eeff, CP_COMPAT },
    { 0x1fbf0, 0x1fbf9, CP_COMPAT },    { 0xe0000, 0xe0fff, CP_TAG },
    { 0xf0000, 0x10ffff, CP_PRIVATE },
};

enum script { SCRIPT_NONE, SCRIPT_LATIN, SCRIPT_GREEK, SCRIPT_CYRILLIC, SCRIPT_OTHER };

/* Only scripts that are taken for one another; the rest mixes with Latin in honest names. */
static const struct range scripts[] = {
    { 'A', 'Z', SCRIPT_LATIN },          { 'a', 'z', SCRIPT_LATIN },
    { 0xc0, 0xd6, SCRIPT_LATIN },        { 0xd8, 0xf6, SCRIPT_LATIN },
    { 0xf8, 0x2af, SCRIPT_LATIN },       { 0x370, 0x3ff, SCRIPT_GREEK },
    { 0x400, 0x52f, SCRIPT_CYRILLIC },   { 0x531, 0x587, SCRIPT_OTHER },
    { 0x5d0, 0x5f2, SCRIPT_OTHER },      { 0x10a0, 0x10ff, SCRIPT_OTHER },
    { 0x13a0, 0x13ff, SCRIPT_OTHER },    { 0x1c80, 0x1c8f, SCRIPT_CYRILLIC },
    { 0x1e00, 0x1eff, SCRIPT_LATIN },    { 0x1f00, 0x1fff, SCRIPT_GREEK },
    { 0x2c60, 0x2c7f, SCRIPT_LATIN },    { 0x2c80, 0x2cff, SCRIPT_OTHER },
    { 0x2de0, 0x2dff, SCRIPT_CYRILLIC }, { 0xa4d0, 0xa4ff, SCRIPT_OTHER },
    { 0xa640, 0xa69f, SCRIPT_CYRILLIC }, { 0xa720, 0xa7ff, SCRIPT_LATIN },
    { 0xab70, 0xabbf, SCRIPT_OTHER },
};

/* Letters drawn like an ASCII letter in common fonts. Sorted. */
static const uint16_t lookalikes[] = {
    0x131,  0x1c0,  0x251,  0x261,  0x26a,  0x269,  0x28f,  0x391,  0x392,  0x395,  0x396,  0x397,
    0x399,  0x39a,  0x39c,  0x39d,  0x39f,  0x3a1,  0x3a4,  0x3a5,  0x3a7,  0x3bf,  0x3f2,  0x3f3,
    0x3f9,  0x405,  0x406,  0x408,  0x410,  0x412,  0x415,  0x41a,  0x41c,  0x41d,  0x41e,  0x420,
    0x421,  0x422,  0x425,  0x430,  0x435,  0x43e,  0x440,  0x441,  0x443,  0x445,  0x455,  0x456,
    0x458,  0x474,  0x475,  0x4ae,  0x4af,  0x4bb,  0x4c0,  0x4cf,  0x501,  0x50c,  0x51a,  0x51b,
    0x51c,  0x51d,  0x53d,  0x54f,  0x555,  0x561,  0x563,  0x566,  0x570,  0x575,  0x578,  0x57c,
    0x57d,  0x581,  0x584,  0x585,  0x5d5,  0x5d8,  0x5df,  0x5e1,  0x13a0, 0x13a1, 0x13a2, 0x13a5,
    0x13a9, 0x13aa, 0x13ab, 0x13ac, 0x13b3, 0x13b7, 0x13bb, 0x13c0, 0x13c2, 0x13c3, 0x13ce, 0x13cf,
    0x13d2, 0x13d4, 0x13d9, 0x13da, 0x13de, 0x13df, 0x13e2, 0x2c85, 0x2c8e, 0x2c92, 0x2c94, 0x2c9a,
    0x2c9e, 0x2c9f, 0x2ca2, 0x2ca3, 0x2ca4, 0x2ca5, 0x2ca6, 0x2cac, 0xa4d0, 0xa4d2, 0xa4d3, 0xa4d4,
    0xa4d6, 0xa4d7, 0xa4d9, 0xa4da, 0xa4dc, 0xa4dd, 0xa4df, 0xa4e0, 0xa4e1, 0xa4e2, 0xa4e3, 0xa4e6,
    0xa4e7, 0xa4e8, 0xa4ea, 0xa4eb, 0xa4ec, 0xa4ed, 0xa4ee, 0xa4f0, 0xa4f2, 0xa4f3,
};

static unsigned find_range(const struct range *t, size_t n, uint32_t cp, unsigned none)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (cp < t[mid].first)
            hi = mid;
        else if (cp > t[mid].last)
            lo = mid + 1;
        else
            return t[mid].what;
    }
    return none;
}

enum cp_class unicode_class(uint32_t cp)
{
    if (cp < 0x80)
        return CP_PLAIN;
    return (enum cp_class)find_range(classes, ARRAY_LEN(classes), cp, CP_PLAIN);
}

static bool is_lookalike(uint32_t cp)
{
    size_t lo = 0, hi = ARRAY_LEN(lookalikes);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (lookalikes[mid] == cp)
            return true;
        if (lookalikes[mid] < cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

enum word_trick unicode_word(const char *p, size_t len)
{
    unsigned seen = 0;
    size_t letters = 0, alike = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp = 0;
        unsigned n = utf8_decode(p + i, len - i, &cp);
        i += n > 0 ? n : 1;
        if (n == 0)
            continue;
        if (unicode_class(cp) == CP_COMPAT)
            return WORD_COMPAT;
        unsigned script = find_range(scripts, ARRAY_LEN(scripts), cp, SCRIPT_NONE);
        seen |= 1u << script;
        letters += cp >= 0x80 || script == SCRIPT_LATIN;
        alike += is_lookalike(cp);
    }
    unsigned foreign = seen & (1u << SCRIPT_GREEK | 1u << SCRIPT_CYRILLIC | 1u << SCRIPT_OTHER);
    bool latin = (seen & 1u << SCRIPT_LATIN) != 0;
    if (alike > 0 && alike < letters && latin)
        return WORD_LOOKALIKE;
    if (alike > 0 && alike == letters)
        return WORD_WHOLE;
    /* Greek alone beside Latin is how mathematics is written: sigma_max */
    if ((foreign & (foreign - 1)) != 0 || (latin && (foreign & ~(1u << SCRIPT_GREEK)) != 0))
        return WORD_MIXED;
    return WORD_PLAIN;
}
