/* text_alike.c - glyphs of code that can be mistaken for others: words that mix scripts or are made
 * of look-alikes (U+0430 for a), characters with a twin. */
#include "ui/text_int.h"

#include <utf8proc.h>

#include "base/utf8.h"

#define WORD_REACH 128 /* bytes a word is looked at, either way */

enum script { SCRIPT_OTHER, SCRIPT_LATIN, SCRIPT_GREEK, SCRIPT_CYRILLIC, SCRIPT_RARE };

static enum script script_of(uint32_t cp)
{
    static const struct {
        uint32_t from, to;
        enum script script;
    } ranges[] = {
        { 'A', 'Z', SCRIPT_LATIN },          { 'a', 'z', SCRIPT_LATIN },
        { 0xc0, 0x24f, SCRIPT_LATIN },       { 0x250, 0x2af, SCRIPT_LATIN },
        { 0x370, 0x3ff, SCRIPT_GREEK },      { 0x400, 0x52f, SCRIPT_CYRILLIC },
        { 0x531, 0x587, SCRIPT_RARE },       { 0x13a0, 0x13fd, SCRIPT_RARE },
        { 0x1c80, 0x1c8f, SCRIPT_CYRILLIC }, { 0x1e00, 0x1eff, SCRIPT_LATIN },
        { 0x1f00, 0x1fff, SCRIPT_GREEK },    { 0x2c60, 0x2c7f, SCRIPT_LATIN },
        { 0x2c80, 0x2cff, SCRIPT_RARE },     { 0x2de0, 0x2dff, SCRIPT_CYRILLIC },
        { 0xa4d0, 0xa4ff, SCRIPT_RARE },     { 0xa640, 0xa69f, SCRIPT_CYRILLIC },
        { 0xa720, 0xa7ff, SCRIPT_LATIN },    { 0xab30, 0xab6f, SCRIPT_LATIN },
        { 0xab70, 0xabbf, SCRIPT_RARE },     { 0x10280, 0x1031f, SCRIPT_RARE },
        { 0x10400, 0x104ff, SCRIPT_RARE },   { 0x118a0, 0x118ff, SCRIPT_RARE },
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (cp >= ranges[i].from && cp <= ranges[i].to)
            return ranges[i].script;
    return SCRIPT_OTHER;
}

static bool is_alike_script(uint32_t cp)
{
    enum script s = script_of(cp);
    return s == SCRIPT_GREEK || s == SCRIPT_CYRILLIC || s == SCRIPT_RARE;
}

/* Letters of Greek and Cyrillic that a Latin one looks like. */
static bool looks_latin(uint32_t cp)
{
    static const uint16_t alike[] = {
        0x391, 0x392, 0x395, 0x396, 0x397, 0x399, 0x39a, 0x39c, 0x39d, 0x39f, 0x3a1, 0x3a4,
        0x3a5, 0x3a7, 0x3b1, 0x3b9, 0x3ba, 0x3bd, 0x3bf, 0x3c1, 0x3c5, 0x3c7, 0x3f2, 0x3f3,
        0x405, 0x406, 0x408, 0x410, 0x412, 0x415, 0x417, 0x41a, 0x41c, 0x41d, 0x41e, 0x420,
        0x421, 0x422, 0x423, 0x425, 0x430, 0x435, 0x43a, 0x43e, 0x440, 0x441, 0x443, 0x445,
        0x455, 0x456, 0x458, 0x4ae, 0x4af, 0x4bb, 0x4c0, 0x4cf, 0x501, 0x51b, 0x51d,
    };
    for (size_t i = 0; i < ARRAY_LEN(alike); i++)
        if (alike[i] == cp)
            return true;
    return false;
}

/* Can it be part of an identifier? */
static bool is_word(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= '0' && cp <= '9') || (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z') ||
               cp == '_';
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
        return true;
    default:
        return false;
    }
}

/* Judge the word that the byte at `pos` lies in: does it mix scripts, or consist of look-alikes? */
static void judge_word(struct text_iter *it, size_t pos)
{
    size_t from = pos, floor = pos > WORD_REACH ? pos - WORD_REACH : 0;
    while (from > floor) {
        size_t back = from - 1;
        while (back > floor && ((unsigned char)it->line[back] & 0xc0) == 0x80)
            back--;
        uint32_t cp;
        if (utf8_decode(it->line + back, it->len - back, &cp) != from - back || !is_word(cp))
            break;
        from = back;
    }
    unsigned seen = 0;
    bool all_alike = true;
    size_t at = from;
    while (at < it->len && at < pos + WORD_REACH) {
        uint32_t cp;
        unsigned n = utf8_decode(it->line + at, it->len - at, &cp);
        if (n == 0 || !is_word(cp))
            break;
        enum script s = script_of(cp);
        seen |= 1u << s;
        if (is_alike_script(cp) && !looks_latin(cp))
            all_alike = false;
        at += n;
    }
    unsigned foreign = seen & (1u << SCRIPT_GREEK | 1u << SCRIPT_CYRILLIC | 1u << SCRIPT_RARE);
    bool mixed = foreign && ((seen & 1u << SCRIPT_LATIN) || (foreign & (foreign - 1)));
    it->token_mixed = mixed || (foreign && all_alike);
    it->token_end = at > pos ? at : pos + 1;
}

/* Does another spelling of this one code point (not ASCII) exist that a person can't tell apart?
 * One with a longer spelling than eight is no letter to be mistaken for others. */
static bool has_twin(uint32_t cp)
{
    if (cp >= 0xff01 && cp <= 0xff5e)
        return true; /* fullwidth ASCII */
    utf8proc_int32_t out[8];
    int last = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, out, 8,
                                                 UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &last);
    if (n == 1 && out[0] != (utf8proc_int32_t)cp)
        return true; /* canonical twin: U+212A KELVIN SIGN, U+037E … */
    if (!is_word(cp))
        return false;
    n = utf8proc_decompose_char((utf8proc_int32_t)cp, out, 8,
                                UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last);
    for (utf8proc_ssize_t i = 0; i < n && n <= 8; i++)
        if (out[i] >= 0x80)
            return false;
    return n <= 8;
}

/* base + mark that also exists as one code point (é). */
static bool composes(uint32_t base, uint32_t mark)
{
    utf8proc_int32_t pair[2] = { (utf8proc_int32_t)base, (utf8proc_int32_t)mark };
    return utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) == 1;
}

bool text_is_confusable(struct text_iter *it, const struct text_glyph *g)
{
    uint32_t cp = g->cp[0];
    for (unsigned i = 1; i < g->count; i++)
        if (composes(cp, g->cp[i]))
            return true;
    if (cp < 0x80)
        return false;
    if (has_twin(cp))
        return true;
    if (!is_alike_script(cp))
        return false;
    if (g->start >= it->token_end)
        judge_word(it, g->start);
    return it->token_mixed;
}
