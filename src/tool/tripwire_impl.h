/* tripwire_impl.h - what the files of the tripwire share: tripwire.c (looking at streams),
 * tripwire_rules.c (the rules, read once), tripwire_anchor.c (the index of known bytes). Nobody
 * else includes it. */
#ifndef AIRLOCK_TOOL_TRIPWIRE_IMPL_H
#define AIRLOCK_TOOL_TRIPWIRE_IMPL_H

#include <string.h>

#include "tool/tripwire.h"

#define WIRE_STRIDE    6 /* one look every so many bytes … */
#define WIRE_GRAM      6 /* … at so many: a stretch of 11 bytes can't be missed */
#define WIRE_PARTS_MAX 6
#define WIRE_ALTS_MAX  16
#define WIRE_NEAR_MAX  3
#define WIRE_BITS      18
#define WIRE_BUCKETS   4096u
_Static_assert(WIRE_STRIDE + WIRE_GRAM - 1 == TRIPWIRE_ANCHOR_MIN, "no anchor can be missed");

/* One place in a sequence of words: any of `alts`, with up to `gap` other words before it. */
struct wire_part {
    const char *alts[WIRE_ALTS_MAX]; /* lower case; a final `*` stands for any further letters */
    size_t alt_count;
    unsigned gap;
};

struct wire_near {
    const char *alts[WIRE_ALTS_MAX]; /* lower case; one of them stands within the window */
    size_t alt_count;
};

struct wire_rule {
    const char *id, *text;
    int severity; /* -1: not said yet */
    struct wire_near near[WIRE_NEAR_MAX];
    size_t near_count;
    unsigned line;
};

/* A sequence of words. A string has no parts: its anchor is all of it. */
struct wire_pattern {
    uint16_t rule;
    struct wire_part parts[WIRE_PARTS_MAX];
    size_t part_count;
};

/* Known bytes: lower case, a blank stands for any blank or line end. */
struct wire_anchor {
    const char *text;
    size_t len;
    uint16_t pattern;
    uint8_t first, count; /* the parts that it spells; count 0: a string */
    bool open;            /* further letters may follow */
};

enum { WIRE_TAGS = UINT16_MAX }; /* instead of an anchor: a run of tag characters */

struct wire_entry {
    uint64_t gram;
    uint32_t next;   /* index + 1 in the bucket */
    uint16_t anchor; /* or WIRE_TAGS */
    uint8_t offset;  /* of the gram in the anchor */
};

struct wire_example {
    uint16_t rule;
    bool match;
    const char *text;
    unsigned line;
};

struct tripwire {
    uint64_t bits[(1u << WIRE_BITS) / 64]; /* grams of all anchors, by hash */
    uint32_t buckets[WIRE_BUCKETS];
    struct wire_entry *entries;
    size_t entry_count, entry_cap;
    struct wire_anchor *anchors;
    size_t anchor_count, anchor_cap;
    struct wire_pattern *patterns;
    size_t pattern_count, pattern_cap;
    struct wire_rule rules[TRIPWIRE_RULES_MAX];
    size_t rule_count;
    int tags_rule; /* -1 none */
    struct wire_example *examples;
    size_t example_count, example_cap;
    void **owned;
    size_t owned_count, owned_cap;
};

/* ---- tripwire_rules.c ---- */
char *tripwire_own(struct tripwire *t, char *p); /* taken: freed with `t`; p */

/* ---- tripwire_anchor.c: while the rules are read ---- */
/* Anchors for a pattern of words: all spellings of the stretch of it that has the fewest. False:
 * none has TRIPWIRE_ANCHOR_MIN known bytes. */
bool tripwire_choose_anchor(struct tripwire *t, uint16_t pattern);
void tripwire_add_anchor(struct tripwire *t, struct wire_anchor a); /* a.text is lent for good */
void tripwire_add_tags(struct tripwire *t); /* runs of tag characters are looked for, too */
void tripwire_index(struct tripwire *t);    /* all were added */

/* ---- grams ---- */

/* Six bytes, letters in lower case; reads eight. */
static inline uint64_t wire_gram(const char *p)
{
    uint64_t gram;
    memcpy(&gram, p, sizeof gram);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    gram >>= 16;
#endif
    return (gram | 0x202020202020) & 0xffffffffffff;
}

static inline uint32_t wire_hash(uint64_t gram)
{
    return (uint32_t)((gram * 0x9e3779b97f4a7c15) >> (64 - WIRE_BITS));
}

static inline char wire_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool wire_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Letters of a word: also digits, `_`, the apostrophe (inside), all beyond ASCII. */
static inline bool wire_is_letter(char c)
{
    char l = wire_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '\'' ||
           (unsigned char)c >= 0x80;
}

#endif
