/* tripwire_anchor.c - the stretches of known bytes by which patterns are found: choosing one of
 * each pattern, and the index of what six bytes can be part of which. */
#include "tool/tripwire_impl.h"

#include <stdlib.h>
#include <string.h>

#define SPELLINGS_MAX 160 /* of one pattern's anchor */
#define ANCHOR_ROOM   256

/* ---- grams ---- */

static void add_entry(struct tripwire *t, const char gram[WIRE_GRAM], uint16_t anchor,
                      uint8_t offset)
{
    char room[8] = { 0 };
    memcpy(room, gram, WIRE_GRAM);
    uint64_t g = wire_gram(room);
    if (t->entry_count == t->entry_cap) {
        t->entry_cap = t->entry_cap > 0 ? t->entry_cap * 2 : 4096;
        t->entries = xreallocarray(t->entries, t->entry_cap, sizeof *t->entries);
    }
    t->entries[t->entry_count++] =
        (struct wire_entry){ .gram = g, .anchor = anchor, .offset = offset };
}

/* A blank in an anchor may be a line end in the text. */
static void add_gram(struct tripwire *t, const char *p, uint16_t anchor, uint8_t offset)
{
    for (unsigned mask = 0; mask < 1u << WIRE_GRAM; mask++) {
        char gram[WIRE_GRAM];
        bool is_used = true;
        for (unsigned i = 0; i < WIRE_GRAM; i++) {
            bool turn = mask >> i & 1;
            is_used = is_used && (!turn || p[i] == ' ');
            gram[i] = turn ? '\n' : p[i];
        }
        if (is_used)
            add_entry(t, gram, anchor, offset);
    }
}

/* Tag characters are F3 A0 80/81 80…BF. A look falls on each second rotation of a run: those that
 * begin with F3 and with A0 are enough. */
void tripwire_add_tags(struct tripwire *t)
{
    for (unsigned i = 0; i < 2 * 0x20 * 2; i++) {
        const char run[8] = {
            (char)0xf3, (char)0xa0, (char)(0x80 | (i & 1)),     (char)(0xa0 | i >> 2),
            (char)0xf3, (char)0xa0, (char)(0x80 | (i >> 1 & 1))
        };
        add_entry(t, run, WIRE_TAGS, 0);
        add_entry(t, run + 1, WIRE_TAGS, 0);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct wire_entry *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset > y->offset ? -1 : 1;
    if (x->anchor != y->anchor)
        return x->anchor < y->anchor ? -1 : 1;
    return x->gram < y->gram ? -1 : x->gram > y->gram;
}

/* Chains in the order in which the anchors of one gram begin in a text. */
void tripwire_index(struct tripwire *t)
{
    size_t n = 0;
    qsort(t->entries, t->entry_count, sizeof *t->entries, by_place);
    for (size_t i = 0; i < t->entry_count; i++) {
        if (n == 0 || by_place(&t->entries[n - 1], &t->entries[i]) != 0)
            t->entries[n++] = t->entries[i];
    }
    t->entry_count = n;
    for (size_t i = n; i-- > 0;) {
        uint32_t h = wire_hash(t->entries[i].gram);
        t->bits[h / 64] |= (uint64_t)1 << (h % 64);
        t->entries[i].next = t->buckets[h % WIRE_BUCKETS];
        t->buckets[h % WIRE_BUCKETS] = (uint32_t)i + 1;
    }
}

/* ---- anchors ---- */

void tripwire_add_anchor(struct tripwire *t, struct wire_anchor a)
{
    if (t->anchor_count == t->anchor_cap) {
        t->anchor_cap = t->anchor_cap > 0 ? t->anchor_cap * 2 : 512;
        t->anchors = xreallocarray(t->anchors, t->anchor_cap, sizeof *t->anchors);
    }
    INVARIANT(t->anchor_count < WIRE_TAGS && a.len >= TRIPWIRE_ANCHOR_MIN);
    for (uint8_t i = 0; i < WIRE_STRIDE; i++)
        add_gram(t, a.text + i, (uint16_t)t->anchor_count, i);
    t->anchors[t->anchor_count++] = a;
}

static size_t alt_len(const char *alt)
{
    return strcspn(alt, "*");
}

/* How many spellings parts [first, first + count) have as one stretch of text, and the shortest; 0:
 * they can't be one. */
static size_t count_spellings(const struct wire_pattern *pat, size_t first, size_t count,
                              size_t *shortest)
{
    size_t n = 1;
    *shortest = count - 1;
    for (size_t i = first; i < first + count; i++) {
        const struct wire_part *part = &pat->parts[i];
        size_t min = SIZE_MAX;
        if (i > first && part->gap > 0)
            return 0;
        for (size_t k = 0; k < part->alt_count; k++) {
            size_t len = alt_len(part->alts[k]);
            if (part->alts[k][len] == '*' && i + 1 < first + count)
                return 0;
            min = len < min ? len : min;
        }
        n *= part->alt_count;
        *shortest += min;
        if (n > SPELLINGS_MAX)
            return 0;
    }
    return n;
}

static void add_spellings(struct tripwire *t, uint16_t pattern, size_t first, size_t count)
{
    const struct wire_pattern *pat = &t->patterns[pattern];
    size_t pick[WIRE_PARTS_MAX] = { 0 };
    for (;;) {
        struct buf text = BUF_INIT(ANCHOR_ROOM);
        bool open = false;
        for (size_t i = 0; i < count; i++) {
            const char *alt = pat->parts[first + i].alts[pick[i]];
            open = alt[alt_len(alt)] == '*';
            if (i > 0)
                (void)buf_add_char(&text, ' ');
            (void)buf_add(&text, alt, alt_len(alt));
        }
        size_t len = text.len;
        tripwire_add_anchor(t, (struct wire_anchor){ .text = tripwire_own(t, buf_detach(&text)),
                                                     .len = len,
                                                     .pattern = pattern,
                                                     .first = (uint8_t)first,
                                                     .count = (uint8_t)count,
                                                     .open = open });
        size_t i = 0;
        while (i < count && ++pick[i] == pat->parts[first + i].alt_count)
            pick[i++] = 0;
        if (i == count)
            return;
    }
}

/* The stretch with the fewest spellings that is long enough everywhere. */
bool tripwire_choose_anchor(struct tripwire *t, uint16_t pattern)
{
    const struct wire_pattern *pat = &t->patterns[pattern];
    size_t best = 0, best_first = 0, best_count = 0;
    for (size_t first = 0; first < pat->part_count; first++) {
        for (size_t count = 1; first + count <= pat->part_count; count++) {
            size_t shortest, n = count_spellings(pat, first, count, &shortest);
            if (n == 0 || shortest < TRIPWIRE_ANCHOR_MIN || (best != 0 && n >= best))
                continue;
            best = n;
            best_first = first;
            best_count = count;
        }
    }
    if (best == 0)
        return false;
    add_spellings(t, pattern, best_first, best_count);
    return true;
}
