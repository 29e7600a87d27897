/* diff_items.c - equal text, equal number: an interner over the lines or words of two sides. */
#include "base/diff_items.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

#define BATCH 32 /* items hashed before the first is looked up */

struct slot {
    uint32_t tag; /* of the hash; and all of it that a larger table needs */
    uint32_t id;  /* + 1; 0: free */
};

struct interner {
    struct slot *slots;
    size_t mask;
    struct diff_item *texts; /* by id */
    size_t count, room;
    uint64_t seed;
};

/* Others choose the text, so its hashes must not be theirs to choose. */
static uint64_t hash_seed(void)
{
    static uint64_t seed;
    while (seed == 0)
        random_bytes(&seed, sizeof seed);
    return seed;
}

static void interner_init(struct interner *t, size_t expected)
{
    size_t size = 64;
    while (size < expected * 2 && size < (size_t)1 << 21)
        size *= 2;
    *t = (struct interner){ .mask = size - 1, .seed = hash_seed() };
    t->slots = xcalloc(size, sizeof *t->slots);
}

static uint64_t load(const char *p, size_t len)
{
    uint64_t v = 0;
    memcpy(&v, p, len);
    return v;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* 16 bytes for one wide multiplication, which is about as fast as memory. */
static uint64_t hash(const struct interner *t, const char *p, size_t len)
{
    uint64_t h = t->seed ^ len;
    for (; len > 16; p += 16, len -= 16)
        h = mix(load(p, 8) ^ UINT64_C(0x9E3779B97F4A7C15), load(p + 8, 8) ^ h);
    uint64_t x, y;
    if (len >= 8) {
        x = load(p, 8);
        y = load(p + len - 8, 8);
    } else if (len >= 4) {
        x = load(p, 4);
        y = load(p + len - 4, 4);
    } else {
        x = load(p, len);
        y = 0;
    }
    return mix(mix(x ^ UINT64_C(0x9E3779B97F4A7C15), y ^ h), UINT64_C(0xD6E8FEB86659FD93));
}

static void interner_grow(struct interner *t)
{
    size_t mask = t->mask * 2 + 1;
    struct slot *bigger = xcalloc(mask + 1, sizeof *bigger);
    for (size_t i = 0; i <= t->mask; i++) {
        size_t at = t->slots[i].tag & mask;
        if (t->slots[i].id == 0)
            continue;
        while (bigger[at].id != 0)
            at = (at + 1) & mask;
        bigger[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = bigger;
    t->mask = mask;
}

static uint32_t intern(struct interner *t, const char *p, uint32_t len, uint32_t tag)
{
    size_t at = tag & t->mask;
    for (; t->slots[at].id != 0; at = (at + 1) & t->mask) {
        if (t->slots[at].tag != tag)
            continue;
        INVARIANT(t->texts != NULL);
        const struct diff_item *x = &t->texts[t->slots[at].id - 1];
        if (x->len == len && memcmp(x->ptr, p, len) == 0)
            return t->slots[at].id - 1;
    }
    if (t->count == t->room) {
        t->room = t->room != 0 ? t->room * 2 : 64;
        t->texts = xreallocarray(t->texts, t->room, sizeof *t->texts);
    }
    t->texts[t->count] = (struct diff_item){ p, len };
    t->slots[at] = (struct slot){ tag, (uint32_t)++t->count };
    if (t->count * 4 > t->mask * 3)
        interner_grow(t);
    return (uint32_t)t->count - 1;
}

/* ---- items: the lines or words of one side ---- */

struct items {
    uint32_t *ids;
    size_t count, room;
};

static void items_reserve(struct items *t, size_t more)
{
    if (t->room - t->count >= more)
        return;
    t->room = t->room != 0 ? t->room * 2 : 256;
    t->ids = xreallocarray(t->ids, t->room, sizeof *t->ids);
}

/* In batches: while one item waits for its slot to come from memory, the next are hashed. */
static int items_add_all(struct items *t, struct interner *in, const char *p, size_t len,
                         diff_cut_fn cut)
{
    while (len > 0) {
        struct diff_item batch[BATCH];
        uint32_t tags[BATCH];
        size_t n = 0;
        for (; n < BATCH && len > 0; n++) {
            size_t item = cut(p, len);
            batch[n] = (struct diff_item){ p, (uint32_t)item };
            tags[n] = (uint32_t)hash(in, p, item);
            __builtin_prefetch(&in->slots[tags[n] & in->mask]);
            p += item;
            len -= item;
        }
        items_reserve(t, BATCH);
        for (size_t i = 0; i < n; i++)
            t->ids[t->count++] = intern(in, batch[i].ptr, batch[i].len, tags[i]);
        if (t->count > DIFF_ITEMS_MAX - BATCH)
            return -1;
    }
    return 0;
}

size_t diff_cut_line(const char *p, size_t len)
{
    const char *lf = memchr(p, '\n', len);
    return lf != NULL ? (size_t)(lf - p) + 1 : len;
}

static bool is_word_byte(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 0x80 || u == '_' || (u >= '0' && u <= '9') ||
           ((u | 0x20) >= 'a' && (u | 0x20) <= 'z');
}

size_t diff_cut_word(const char *p, size_t len)
{
    size_t n = 1;
    if (is_word_byte(p[0])) {
        while (n < len && is_word_byte(p[n]))
            n++;
    } else if (p[0] == ' ' || p[0] == '\t') {
        while (n < len && p[n] == p[0])
            n++;
    }
    return n;
}

int diff_pair_compare(struct diff_pair *x, const char *a, size_t from, size_t a_end, const char *b,
                      size_t b_end, diff_cut_fn cut, uint64_t budget)
{
    struct interner in;
    struct items ia = { 0 }, ib = { 0 };
    interner_init(&in, ((a_end > b_end ? a_end : b_end) - from) / 16);
    bool few = items_add_all(&ia, &in, a + from, a_end - from, cut) == 0 &&
               items_add_all(&ib, &in, b + from, b_end - from, cut) == 0;
    free(in.slots);
    *x = (struct diff_pair){ .texts = in.texts, .a_ids = ia.ids, .b_ids = ib.ids };
    if (!few)
        return -1;
    x->seq = (struct seqdiff){ .a = ia.ids,
                               .b = ib.ids,
                               .a_len = ia.count,
                               .b_len = ib.count,
                               .classes = in.count,
                               .budget = budget,
                               .del = xcalloc(ia.count, 1),
                               .add = xcalloc(ib.count, 1) };
    seqdiff_run(&x->seq);
    return 0;
}

void diff_pair_release(struct diff_pair *x)
{
    free(x->texts);
    free(x->a_ids);
    free(x->b_ids);
    free(x->seq.del);
    free(x->seq.add);
}
