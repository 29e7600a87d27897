/* origin.c - an index of the 12-byte pieces of what was said and shown. */
#include "tool/origin.h"

#include <stdlib.h>
#include <string.h>

#define HASH_BITS 16
#define DEPTH_MAX 512 /* places that are compared for one string */
#define CODE_MAX  ((size_t)1 << 20)

struct segment {
    size_t start, len; /* in the text */
    enum origin_kind kind;
    uint32_t run;
    const char *what;
    uint64_t line;
};

struct origin {
    struct buf text;
    struct segment *segments;
    size_t count, cap;
    uint32_t *first, *last; /* place + 1 by hash */
    uint32_t *next;         /* place + 1 of the next with the same hash */
    size_t next_cap;
};

struct origin *origin_new(void)
{
    struct origin *o = xcalloc(1, sizeof *o);
    buf_init(&o->text, 2 * ORIGIN_BYTES_MAX);
    o->first = xcalloc((size_t)1 << HASH_BITS, sizeof *o->first);
    o->last = xcalloc((size_t)1 << HASH_BITS, sizeof *o->last);
    return o;
}

void origin_free(struct origin *o)
{
    if (o == NULL)
        return;
    buf_release(&o->text);
    free(o->segments);
    free(o->first);
    free(o->last);
    free(o->next);
    free(o);
}

/* ---- adding ---- */

static uint32_t hash(const char *p)
{
    uint64_t a;
    uint32_t b;
    memcpy(&a, p, sizeof a);
    memcpy(&b, p + sizeof a, sizeof b);
    return (uint32_t)(((a ^ (uint64_t)b << 17) * 0x9e3779b97f4a7c15) >> (64 - HASH_BITS));
}

static void index_segment(struct origin *o, const struct segment *s)
{
    if (o->text.len > o->next_cap) {
        o->next_cap = o->text.len * 2;
        o->next = xreallocarray(o->next, o->next_cap, sizeof *o->next);
    }
    for (size_t i = s->start; i + ORIGIN_MIN <= s->start + s->len; i++) {
        uint32_t h = hash(o->text.ptr + i);
        o->next[i] = 0;
        if (o->first[h] == 0)
            o->first[h] = (uint32_t)i + 1;
        else
            o->next[o->last[h] - 1] = (uint32_t)i + 1;
        o->last[h] = (uint32_t)i + 1;
    }
}

/* Forget the older half, whole segments, and index the rest anew. */
static void forget(struct origin *o)
{
    size_t drop = 0;
    while (drop < o->count && o->segments[drop].start < o->text.len / 2)
        drop++;
    size_t bytes = drop < o->count ? o->segments[drop].start : o->text.len;
    buf_drop_front(&o->text, bytes);
    memmove(o->segments, o->segments + drop, (o->count - drop) * sizeof *o->segments);
    o->count -= drop;
    memset(o->first, 0, sizeof *o->first << HASH_BITS);
    memset(o->last, 0, sizeof *o->last << HASH_BITS);
    for (size_t i = 0; i < o->count; i++) {
        o->segments[i].start -= bytes;
        index_segment(o, &o->segments[i]);
    }
}

void origin_add(struct origin *o, enum origin_kind kind, uint32_t run, const char *what,
                uint64_t line, const char *p, size_t len)
{
    if (len < ORIGIN_MIN)
        return;
    if (len > ORIGIN_BYTES_MAX / 4)
        len = ORIGIN_BYTES_MAX / 4;
    if (o->text.len + len > ORIGIN_BYTES_MAX)
        forget(o);
    if (o->count == o->cap) {
        o->cap = o->cap > 0 ? o->cap * 2 : 32;
        o->segments = xreallocarray(o->segments, o->cap, sizeof *o->segments);
    }
    struct segment *s = &o->segments[o->count];
    *s = (struct segment){ o->text.len, len, kind, run, what, line };
    if (buf_add(&o->text, p, len) < 0)
        return;
    o->count++;
    index_segment(o, s);
}

/* ---- finding ---- */

static const struct segment *segment_at(const struct origin *o, size_t at)
{
    size_t lo = 0, hi = o->count;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (o->segments[mid].start <= at)
            lo = mid;
        else
            hi = mid;
    }
    return &o->segments[lo];
}

/* The output in which p[0..len) first stood; NULL when there is none, when somebody else said it
 * first, or when the person ever said it. */
static const struct segment *first_seen(const struct origin *o, const char *p, size_t len,
                                        size_t *at)
{
    const struct segment *found = NULL;
    bool planner_first = false;
    uint32_t k = o->first[hash(p)];
    for (unsigned n = 0; k != 0 && n < DEPTH_MAX; k = o->next[k - 1], n++) {
        const struct segment *s = segment_at(o, k - 1);
        if (k - 1 + len > s->start + s->len || memcmp(o->text.ptr + k - 1, p, len) != 0)
            continue;
        if (s->kind == ORIGIN_PERSON)
            return NULL;
        if (found == NULL && s->kind == ORIGIN_PLANNER)
            planner_first = true;
        if (found == NULL && s->kind == ORIGIN_OUTPUT && !planner_first) {
            found = s;
            *at = k - 1;
        }
    }
    return found;
}

struct finder {
    const struct origin *o;
    const char *code;
    struct origin_mark *marks;
    size_t count, max;
    size_t line_at; /* counted up to here */
    uint32_t line;
};

static uint64_t count_lines(const char *p, size_t len)
{
    uint64_t n = 0;
    for (const char *nl; (nl = memchr(p, '\n', len)) != NULL; n++) {
        len -= (size_t)(nl + 1 - p);
        p = nl + 1;
    }
    return n;
}

static bool mark(struct finder *f, size_t start, size_t len)
{
    size_t at = 0;
    if (len < ORIGIN_MIN || len > ORIGIN_LEN_MAX || f->count == f->max)
        return false;
    const struct segment *s = first_seen(f->o, f->code + start, len, &at);
    if (s == NULL)
        return false;
    f->line += (uint32_t)count_lines(f->code + f->line_at, start - f->line_at);
    f->line_at = start;
    uint64_t from = s->line + count_lines(f->o->text.ptr + s->start, at - s->start);
    struct origin_mark *last = f->count > 0 ? &f->marks[f->count - 1] : NULL;
    if (last != NULL && last->line == f->line && last->from_line == from && last->run == s->run &&
        last->what == s->what)
        return true;
    f->marks[f->count++] = (struct origin_mark){ .start = start,
                                                 .len = len,
                                                 .line = f->line,
                                                 .run = s->run,
                                                 .what = s->what,
                                                 .from_line = from };
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80 || (c != '\0' && strchr("_./:@%+&?~#-", c) != NULL);
}

/* Words of 12 bytes and more: hosts, paths, keys, names. */
static void mark_words(struct finder *f, size_t start, size_t end)
{
    while (start < end) {
        size_t n = 0;
        while (start < end && !is_word(f->code[start]))
            start++;
        while (start + n < end && is_word(f->code[start + n]))
            n++;
        size_t len = n;
        while (len > 0 && strchr(".:?", f->code[start + len - 1]) != NULL)
            len--; /* the end of a sentence is none of it */
        mark(f, start, len);
        start += n;
    }
}

/* What stands between the quotes of one piece of a string. */
static void inside_quotes(const char *code, const struct lex_token *t, size_t *start, size_t *end)
{
    *start = t->start;
    *end = t->start + t->len;
    if (t->flags & LEX_OPEN) {
        size_t at = *start;
        while (at < *end && strchr("\"'`", code[at]) == NULL)
            at++;
        if (at < *end) {
            char quote = code[at];
            *start = at;
            while (*start < *end && code[*start] == quote)
                (*start)++;
        }
    }
    if (t->flags & LEX_CLOSE) {
        while (*end > *start && strchr("\"'`", code[*end - 1]) != NULL)
            (*end)--;
    }
}

size_t origin_find(const struct origin *o, enum lex_lang lang, const char *code, size_t len,
                   struct origin_mark *marks, size_t max)
{
    struct finder f = { .o = o, .code = code, .marks = marks, .max = max, .line = 1 };
    struct lex lx;
    struct lex_token t;
    size_t plain = 0; /* what is no string begins here */
    if (o->count == 0)
        return 0;
    lex_init(&lx, lang, code, len < CODE_MAX ? len : CODE_MAX);
    while (lex_next(&lx, &t)) {
        if (t.kind == LEX_NEWLINE) {
            mark_words(&f, plain, t.start);
            plain = t.start + t.len;
        }
        if (t.kind != LEX_STRING)
            continue;
        size_t start, end;
        mark_words(&f, plain, t.start);
        plain = t.start + t.len;
        inside_quotes(code, &t, &start, &end);
        if (!mark(&f, start, end - start))
            mark_words(&f, start, end);
    }
    mark_words(&f, plain, len < CODE_MAX ? len : CODE_MAX);
    return f.count;
}
