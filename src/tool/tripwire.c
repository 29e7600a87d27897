/* tripwire.c - the matcher: a look every six bytes, a comparison where they are those of an anchor.
 */
#include "tool/tripwire_impl.h"

#include <stddef.h>
#include <string.h>

#define WORK_MAX     400 /* words looked at for one anchor */
#define EXCERPT_LINE 40  /* it goes on behind a line end only when it is shorter */
#define TAGS_MIN     5   /* so many are seen wherever the looks fall */

/* A stretch of a stream in which anchors are judged. */
struct job {
    const struct tripwire *t;
    struct tripwire_stream *s;
    const char *p;
    size_t len;
    uint64_t base; /* of p[0] in the stream */
    tripwire_fn fn;
    void *arg;
};

/* What a pattern may look at around its anchor. */
struct window {
    const char *p;
    size_t lo, hi;
    unsigned work;
};

/* ---- words ---- */

/* Do the letters p[0..len) spell `alt`? */
static bool is_alt(const char *p, size_t len, const char *alt)
{
    size_t i = 0;
    for (; i < len && alt[i] != '\0' && alt[i] != '*'; i++) {
        if (wire_lower(p[i]) != alt[i])
            return false;
    }
    return alt[i] == '*' || (i == len && alt[i] == '\0');
}

static bool is_part(const struct wire_part *part, const char *p, size_t len)
{
    for (size_t i = 0; i < part->alt_count; i++) {
        if (is_alt(p, len, part->alts[i]))
            return true;
    }
    return false;
}

/* A sentence or a paragraph ends at p[i]: words on both sides do not belong together. */
static bool is_end(const struct window *w, size_t i)
{
    char c = w->p[i];
    if (i + 1 >= w->hi)
        return false;
    if (c == '\n')
        return w->p[i + 1] == '\n';
    return (c == '.' || c == '!' || c == '?' || c == ';') && wire_is_blank(w->p[i + 1]);
}

/* Letters that end an escape sequence (`^[[1;31mIgnore`) are none of the word behind it. */
static size_t skip_escape(const struct window *w, size_t start, size_t end)
{
    size_t k = start, i = start;
    while (k > w->lo && ((w->p[k - 1] >= '0' && w->p[k - 1] <= '9') || w->p[k - 1] == ';'))
        k--;
    if (k < w->lo + 2 || w->p[k - 1] != '[' || w->p[k - 2] != '\033')
        return start;
    while (i < end && w->p[i] >= '0' && w->p[i] <= '9')
        i++;
    return i < end ? i + 1 : end;
}

/* Where the word in [start, end) begins: behind quotes, and behind the letter of a line end in a
 * quoted text (`'one\nIgnore`). */
static size_t word_start(const struct window *w, size_t start, size_t end)
{
    size_t i = skip_escape(w, start, end);
    if (i < end && i > w->lo && w->p[i - 1] == '\\' &&
        (w->p[i] == 'n' || w->p[i] == 'r' || w->p[i] == 't'))
        i++;
    while (i < end && w->p[i] == '\'')
        i++;
    return i;
}

static size_t word_end(const struct window *w, size_t start, size_t end)
{
    while (end > start && w->p[end - 1] == '\'')
        end--;
    return end;
}

/* The word before *pos, which becomes where to go on from. */
static bool word_before(struct window *w, size_t *pos, size_t *word, size_t *len)
{
    size_t i = *pos;
    if (w->work++ > WORK_MAX)
        return false;
    while (i > w->lo && !wire_is_letter(w->p[i - 1])) {
        if (is_end(w, i - 1))
            return false;
        i--;
    }
    size_t end = i;
    while (i > w->lo && wire_is_letter(w->p[i - 1]))
        i--;
    *pos = i;
    *word = word_start(w, i, end);
    *len = word_end(w, *word, end) - *word;
    return end > i;
}

/* The word behind *pos, which becomes where to go on from. */
static bool word_behind(struct window *w, size_t *pos, size_t *word, size_t *len)
{
    size_t i = *pos;
    if (w->work++ > WORK_MAX)
        return false;
    while (i < w->hi && !wire_is_letter(w->p[i])) {
        if (is_end(w, i))
            return false;
        i++;
    }
    size_t start = i;
    while (i < w->hi && wire_is_letter(w->p[i]))
        i++;
    *pos = i;
    *word = word_start(w, start, i);
    *len = word_end(w, *word, i) - *word;
    return i > start;
}

/* Do the parts before `part` stand before `pos`? *start: where the first of them begins. */
static bool match_before(struct window *w, const struct wire_pattern *pat, size_t part, size_t pos,
                         size_t *start)
{
    if (part == 0) {
        *start = pos;
        return true;
    }
    for (unsigned gap = 0; gap <= pat->parts[part].gap; gap++) {
        size_t word, len;
        if (!word_before(w, &pos, &word, &len))
            return false;
        if (is_part(&pat->parts[part - 1], w->p + word, len) &&
            match_before(w, pat, part - 1, word, start))
            return true;
    }
    return false;
}

static bool match_behind(struct window *w, const struct wire_pattern *pat, size_t part, size_t pos)
{
    if (part == pat->part_count)
        return true;
    for (unsigned gap = 0; gap <= pat->parts[part].gap; gap++) {
        size_t word, len;
        if (!word_behind(w, &pos, &word, &len))
            return false;
        if (is_part(&pat->parts[part], w->p + word, len) && match_behind(w, pat, part + 1, pos))
            return true;
    }
    return false;
}

/* ---- one anchor ---- */

static bool is_anchor(const struct wire_anchor *a, const char *p)
{
    for (size_t i = 0; i < a->len; i++) {
        char c = a->text[i];
        if (c == ' ' ? !wire_is_blank(p[i]) : wire_lower(p[i]) != c)
            return false;
    }
    return true;
}

static bool stands_near(const struct window *w, const struct wire_near *near)
{
    for (size_t k = 0; k < near->alt_count; k++) {
        size_t len = strlen(near->alts[k]);
        for (size_t i = w->lo; i + len <= w->hi; i++) {
            size_t n = 0;
            while (n < len && wire_lower(w->p[i + n]) == near->alts[k][n])
                n++;
            if (n == len)
                return true;
        }
    }
    return false;
}

static bool all_near(const struct window *w, const struct wire_rule *rule)
{
    for (size_t i = 0; i < rule->near_count; i++) {
        if (!stands_near(w, &rule->near[i]))
            return false;
    }
    return true;
}

static struct window window_at(const struct job *j, size_t at)
{
    return (struct window){
        .p = j->p,
        .lo = at > TRIPWIRE_BACK ? at - TRIPWIRE_BACK : 0,
        .hi = j->len - at > TRIPWIRE_AHEAD ? at + TRIPWIRE_AHEAD : j->len,
    };
}

/* The words before and behind an anchor; *start: where the pattern begins. */
static bool match_words(struct window *w, const struct wire_anchor *a,
                        const struct wire_pattern *pat, size_t at, size_t *start)
{
    size_t end = at + a->len;
    size_t from = at;
    while (from > w->lo && wire_is_letter(w->p[from - 1]))
        from--;
    if (word_start(w, from, end) != at)
        return false;
    while (end < w->hi && w->p[end] == '\'')
        end++;
    if (end < w->hi && wire_is_letter(w->p[end]) && !a->open)
        return false;
    while (end < w->hi && wire_is_letter(w->p[end]))
        end++;
    return match_before(w, pat, a->first, at, start) &&
           match_behind(w, pat, (size_t)a->first + a->count, end);
}

/* ---- hits ---- */

/* Four bytes that are a tag character (U+E0000…): invisible, and they spell ASCII. */
static bool is_tag(const char *p)
{
    return memcmp(p, "\xf3\xa0", 2) == 0 && ((unsigned char)p[2] & 0xfe) == 0x80 &&
           ((unsigned char)p[3] & 0xc0) == 0x80;
}

/* One line of printable ASCII; tag characters as the letters they hide. */
static void write_excerpt(const struct job *j, size_t at, char out[TRIPWIRE_EXCERPT_MAX + 1])
{
    size_t n = 0, end = j->len - at > TRIPWIRE_EXCERPT_MAX ? at + TRIPWIRE_EXCERPT_MAX : j->len;
    while (at < end && wire_is_blank(j->p[at]))
        at++;
    for (size_t i = at; i < end; i++) {
        unsigned char c = (unsigned char)j->p[i];
        if (i + 4 <= end && is_tag(j->p + i)) {
            c = (unsigned char)(((unsigned char)j->p[i + 2] & 1u) << 6 |
                                ((unsigned char)j->p[i + 3] & 0x3fu));
            i += 3;
        }
        if (c == '\n' && n >= EXCERPT_LINE)
            break;
        if (wire_is_blank((char)c))
            c = ' ';
        if (c == ' ' && n > 0 && out[n - 1] == ' ')
            continue;
        out[n++] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* The same rule again on the same line: one hit. */
static bool is_double(const struct job *j, size_t rule, size_t at)
{
    uint64_t last = j->s->last_of_rule[rule], here = j->base + at;
    if (j->s->of_rule[rule] == 0 || last > here)
        return j->s->of_rule[rule] != 0;
    return here - last < TRIPWIRE_BACK && last >= j->base &&
           memchr(j->p + (last - j->base), '\n', (size_t)(here - last)) == NULL;
}

static void tell(struct job *j, uint16_t rule, size_t at)
{
    char excerpt[TRIPWIRE_EXCERPT_MAX + 1];
    const struct wire_rule *r = &j->t->rules[rule];
    if (at < j->len && j->p[at] == '\n')
        at++; /* the line end before a role is not on its line */
    bool twice = is_double(j, rule, at);
    j->s->last_of_rule[rule] = j->base + at;
    if (twice || j->s->of_rule[rule] >= TRIPWIRE_RULE_MAX)
        return;
    j->s->of_rule[rule]++;
    j->s->last_of_rule[rule] = j->base + at;
    write_excerpt(j, at, excerpt);
    /* Offset 1 is the first byte: see tripwire_stream_init. */
    struct tripwire_hit hit = { .offset = j->base + at > 0 ? j->base + at - 1 : 0,
                                .rule = r->id,
                                .text = r->text,
                                .excerpt = excerpt,
                                .severity = (enum finding_severity)r->severity };
    if (j->s->hits++ == TRIPWIRE_HITS_MAX) {
        hit.rule = "tripwire.many";
        hit.text = "goes on like this: the rest of it was not looked at";
        j->s->over = true;
    }
    j->fn(j->arg, &hit);
}

static void judge_anchor(struct job *j, const struct wire_anchor *a, size_t at)
{
    const struct wire_pattern *pat = &j->t->patterns[a->pattern];
    struct window w = window_at(j, at);
    size_t start = at;
    if (j->len - at < a->len || !is_anchor(a, j->p + at))
        return;
    if (a->count > 0 && !match_words(&w, a, pat, at, &start))
        return;
    if (all_near(&w, &j->t->rules[pat->rule]))
        tell(j, pat->rule, start);
}

/* A run of tag characters. A flag is a black flag and a few. */
static void judge_tags(struct job *j, size_t from, size_t to, size_t at)
{
    static const char flag[] = "\xf0\x9f\x8f\xb4";
    size_t start = at, count = 0;
    while (start > 0 && at - start < 4 && (unsigned char)j->p[start] != 0xf3)
        start--;
    if ((unsigned char)j->p[start] != 0xf3)
        return;
    while (start >= 4 && at - start < TRIPWIRE_BACK && is_tag(j->p + start - 4))
        start -= 4;
    if (start < from || start >= to || at - start >= 2 * WIRE_STRIDE)
        return; /* it began earlier, and was judged there */
    for (size_t i = start; i + 4 <= j->len && count < TRIPWIRE_AHEAD / 4 && is_tag(j->p + i);
         i += 4)
        count++;
    bool is_flag = count <= 7 && start >= 4 && memcmp(j->p + start - 4, flag, 4) == 0;
    if (count >= TAGS_MIN && !is_flag)
        tell(j, (uint16_t)j->t->tags_rule, start);
}

static void judge_gram(struct job *j, uint64_t gram, size_t at, size_t from, size_t to)
{
    const struct tripwire *t = j->t;
    uint32_t k = t->buckets[wire_hash(gram) % WIRE_BUCKETS];
    for (; k != 0 && !j->s->over; k = t->entries[k - 1].next) {
        const struct wire_entry *en = &t->entries[k - 1];
        if (en->gram != gram)
            continue;
        if (en->anchor == WIRE_TAGS)
            judge_tags(j, from, to, at);
        else if (at >= from + en->offset && at - en->offset < to)
            judge_anchor(j, &t->anchors[en->anchor], at - en->offset);
    }
}

/* ---- looking ---- */

static inline uint64_t is_known(const struct tripwire *t, const char *p)
{
    uint32_t h = wire_hash(wire_gram(p));
    return t->bits[h / 64] >> (h % 64) & 1;
}

/* Judge the anchors that begin in p[from..to). */
static void look(struct job *j, size_t from, size_t to)
{
    const struct tripwire *t = j->t;
    const char *p = j->p;
    if (j->len < WIRE_GRAM)
        return;
    size_t end = j->len - WIRE_GRAM + 1, last = to + TRIPWIRE_ANCHOR_MIN, i = from;
    if (last < end)
        end = last;
    while (i < end && !j->s->over) {
        /* Four looks in one step, while they show nothing. */
        while (i + 3 * WIRE_STRIDE < end &&
               (is_known(t, p + i) | is_known(t, p + i + WIRE_STRIDE) |
                is_known(t, p + i + 2 * WIRE_STRIDE) | is_known(t, p + i + 3 * WIRE_STRIDE)) == 0)
            i += 4 * WIRE_STRIDE;
        if (i >= end)
            break;
        if (is_known(t, p + i))
            judge_gram(j, wire_gram(p + i), i, from, to);
        i += WIRE_STRIDE;
    }
}

/* Judge what begins before offset `until` of the stream. */
static void decide(struct job *j, uint64_t until)
{
    if (until <= j->s->decided)
        return;
    look(j, (size_t)(j->s->decided - j->base), (size_t)(until - j->base));
    j->s->decided = until;
}

/* ---- streams ---- */

void tripwire_stream_init(struct tripwire_stream *s)
{
    memset(s, 0, offsetof(struct tripwire_stream, carry));
    s->carry[0] = '\n'; /* what begins a stream begins a line */
    s->carry_len = 1;
    s->at = 1;
}

static void keep(struct tripwire_stream *s, const char *p, size_t len)
{
    size_t n = len < (size_t)TRIPWIRE_CARRY ? len : (size_t)TRIPWIRE_CARRY;
    memmove(s->carry, p + len - n, n);
    s->carry_len = n;
}

void tripwire_feed(const struct tripwire *t, struct tripwire_stream *s, const char *p, size_t len,
                   tripwire_fn fn, void *arg)
{
    char joined[2 * TRIPWIRE_CARRY];
    if (s->over || len == 0)
        return;
    size_t head = len < (size_t)TRIPWIRE_CARRY ? len : (size_t)TRIPWIRE_CARRY;
    uint64_t before = s->at;
    memcpy(joined, s->carry, s->carry_len);
    memcpy(joined + s->carry_len, p, head);
    struct job j = { .t = t,
                     .s = s,
                     .p = joined,
                     .len = s->carry_len + head,
                     .base = before - s->carry_len,
                     .fn = fn,
                     .arg = arg };
    s->at += len;
    uint64_t end = before + head;
    decide(&j, end > TRIPWIRE_AHEAD ? end - TRIPWIRE_AHEAD : 0);
    if (head == len) {
        keep(s, joined, j.len);
        return;
    }
    j.p = p;
    j.len = len;
    j.base = before;
    decide(&j, s->at - TRIPWIRE_AHEAD);
    keep(s, p, len);
}

void tripwire_end(const struct tripwire *t, struct tripwire_stream *s, tripwire_fn fn, void *arg)
{
    struct job j = { .t = t,
                     .s = s,
                     .p = s->carry,
                     .len = s->carry_len,
                     .base = s->at - s->carry_len,
                     .fn = fn,
                     .arg = arg };
    if (!s->over)
        decide(&j, s->at);
    tripwire_stream_init(s);
}

void tripwire_scan(const struct tripwire *t, const char *p, size_t len, tripwire_fn fn, void *arg)
{
    struct tripwire_stream s;
    tripwire_stream_init(&s);
    tripwire_feed(t, &s, p, len, fn, arg);
    tripwire_end(t, &s, fn, arg);
}
