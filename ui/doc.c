/* doc.c - building the rows of a text or a comparison, and moving through them. */
#include "ui/doc.h"

#include <stdlib.h>
#include <string.h>
#include "base/diff.h"

static struct doc_entry *add(struct doc *d, enum doc_kind kind)
{
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 64;
        d->entries = xreallocarray(d->entries, d->cap, sizeof *d->entries);
    }
    struct doc_entry *e = &d->entries[d->count++];
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->count = 1;
    return e;
}

/* Add the line of `text` at *at and step over it. */
static void add_line(struct doc *d, enum doc_kind kind, const char *text, size_t len, size_t *at,
                     uint32_t line, size_t anchor)
{
    struct doc_entry *e = add(d, kind);
    const char *p = text + *at, *lf = memchr(p, '\n', len - *at);
    e->p = p;
    e->len = lf ? (size_t)(lf - p) : len - *at;
    e->lf = lf != NULL;
    e->line = line;
    e->anchor = anchor;
    *at += e->len + e->lf;
}

static bool is_blank(const struct doc_entry *e)
{
    for (size_t i = 0; i < e->len; i++)
        if (e->p[i] != ' ' && e->p[i] != '\t' && e->p[i] != '\r')
            return false;
    return true;
}

/* More than DOC_BLANKS_MAX blank lines in a row: empty ones are counted, others marked. */
static void count_blanks(struct doc *d)
{
    size_t to = 0;
    for (size_t i = 0; i < d->count;) {
        size_t end = i;
        bool empty = true;
        while (end < d->count && d->entries[end].kind == d->entries[i].kind &&
               is_blank(&d->entries[end])) {
            empty = empty && d->entries[end].len == 0;
            end++;
        }
        size_t n = end - i;
        if (n > DOC_BLANKS_MAX && empty && d->entries[i].kind == DOC_SAME) {
            d->entries[to] = d->entries[i];
            d->entries[to].kind = DOC_BLANKS;
            d->entries[to++].count = (uint32_t)n;
            i = end;
            continue;
        }
        for (size_t k = 0; k < (n ? n : 1); k++, i++, to++) {
            d->entries[to] = d->entries[i];
            d->entries[to].blank = n > DOC_BLANKS_MAX;
        }
    }
    d->count = to;
}

/* In a block of deleted and added lines the k-th of each belong together. */
static void pair_lines(struct doc *d)
{
    for (size_t i = 0; i < d->count;) {
        size_t del = i, add_from, end;
        while (del < d->count && d->entries[del].kind != DOC_DEL)
            del++;
        for (add_from = del; add_from < d->count && d->entries[add_from].kind == DOC_DEL;)
            add_from++;
        for (end = add_from; end < d->count && d->entries[end].kind == DOC_ADD;)
            end++;
        for (size_t k = 0; del + k < add_from && add_from + k < end; k++) {
            d->entries[del + k].pair = (uint32_t)(add_from + k + 1);
            d->entries[add_from + k].pair = (uint32_t)(del + k + 1);
        }
        i = end > i ? end : i + 1;
    }
}

static void fold_same(struct doc *d)
{
    size_t to = 0;
    for (size_t i = 0; i < d->count;) {
        size_t end = i;
        while (end < d->count && d->entries[end].kind == DOC_SAME)
            end++;
        size_t n = end - i, head = i == 0 ? 0 : DOC_CONTEXT,
               tail = end == d->count ? 0 : DOC_CONTEXT;
        if (n <= head + tail + 1) {
            do
                d->entries[to++] = d->entries[i++];
            while (i < end);
            continue;
        }
        for (size_t k = 0; k < head; k++)
            d->entries[to++] = d->entries[i + k];
        d->entries[to] = d->entries[i + head];
        d->entries[to].kind = DOC_FOLD;
        d->entries[to++].count = (uint32_t)(n - head - tail);
        for (size_t k = end - tail; k < end; k++)
            d->entries[to++] = d->entries[k];
        i = end;
    }
    d->count = to;
}

static void build_compared(struct doc *d)
{
    struct diff diff;
    size_t a = 0, b = 0;
    uint32_t a_line = 1, b_line = 1;
    if (diff_lines(&diff, d->base, d->base_len, d->text, d->len, NULL) < 0) {
        d->capped = true;
        return;
    }
    d->compared = true;
    d->capped = diff.capped;
    d->added = diff.added;
    d->deleted = diff.deleted;
    for (size_t i = 0; i < diff.count; i++) {
        for (size_t k = 0; k < diff.runs[i].count; k++) {
            switch (diff.runs[i].op) {
            case DIFF_DEL:
                add_line(d, DOC_DEL, d->base, d->base_len, &a, a_line++, b);
                break;
            case DIFF_ADD:
                add_line(d, DOC_ADD, d->text, d->len, &b, b_line++, b);
                break;
            case DIFF_SAME: {
                const char *lf = memchr(d->base + a, '\n', d->base_len - a);
                a = lf ? (size_t)(lf - d->base) + 1 : d->base_len;
                a_line++;
                add_line(d, DOC_SAME, d->text, d->len, &b, b_line++, b);
                break;
            }
            }
        }
    }
    diff_release(&diff);
}

void doc_build(struct doc *d, const char *text, size_t len, const char *base, size_t base_len,
               enum text_mode mode, bool fold)
{
    memset(d, 0, sizeof *d);
    d->text = xmemdup(text ? text : "", len);
    d->len = len;
    d->mode = mode;
    if (base) {
        d->base = xmemdup(base, base_len);
        d->base_len = base_len;
        build_compared(d);
    }
    if (!d->compared) {
        uint32_t line = 1;
        for (size_t at = 0; at < len;)
            add_line(d, DOC_SAME, d->text, len, &at, line++, at);
    }
    if (mode == TEXT_CODE)
        count_blanks(d);
    if (d->compared && fold && d->added + d->deleted > 0)
        fold_same(d);
    if (d->compared)
        pair_lines(d);
}

void doc_add_extra(struct doc *d, const char *text)
{
    size_t anchor = d->len;
    if (d->count && d->entries[d->count - 1].kind == DOC_EXTRA)
        anchor = d->entries[d->count - 1].anchor + 1;
    struct doc_entry *e = add(d, DOC_EXTRA);
    e->p = text;
    e->len = strlen(text);
    e->lf = e->len > 0 && text[e->len - 1] == '\n';
    e->len -= e->lf;
    e->anchor = anchor;
}

void doc_drop_extras(struct doc *d)
{
    while (d->count && d->entries[d->count - 1].kind == DOC_EXTRA)
        d->count--;
}

void doc_release(struct doc *d)
{
    free(d->text);
    free(d->base);
    free(d->entries);
    memset(d, 0, sizeof *d);
}

/* ---- places ---- */

static size_t entry_rows(const struct doc *d, size_t entry, size_t width)
{
    const struct doc_entry *e = &d->entries[entry];
    if (e->kind == DOC_BLANKS || e->kind == DOC_FOLD || e->len == 0 || width == 0)
        return 1;
    return text_count_rows(e->p, e->len, d->mode, e->lf, width);
}

/* The first entry at or behind `anchor`. */
static size_t find_anchor(const struct doc *d, uint64_t anchor)
{
    size_t lo = 0, hi = d->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->entries[mid].anchor < anchor)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct doc_at doc_move(const struct doc *d, struct doc_at at, long rows, size_t width)
{
    while (rows > 0 && at.entry < d->count) {
        size_t have = entry_rows(d, at.entry, width), left = have - at.row - 1;
        if ((size_t)rows <= left) {
            at.row += (size_t)rows;
            return at;
        }
        if (at.entry + 1 == d->count) {
            at.row = have - 1;
            return at;
        }
        rows -= (long)left + 1;
        at = (struct doc_at){ at.entry + 1, 0 };
    }
    while (rows < 0) {
        if ((size_t)-rows <= at.row) {
            at.row -= (size_t)-rows;
            return at;
        }
        if (at.entry == 0)
            return (struct doc_at){ 0, 0 };
        rows += (long)at.row + 1;
        at.entry--;
        at.row = entry_rows(d, at.entry, width) - 1;
    }
    return at;
}

struct doc_at doc_locate(const struct doc *d, uint64_t top, uint32_t row, size_t width)
{
    struct doc_at at = { find_anchor(d, top), 0 };
    if (at.entry >= d->count) {
        if (d->count == 0)
            return at;
        at.entry = d->count - 1;
    } else if (d->entries[at.entry].anchor > top && at.entry > 0) {
        /* inside a fold or a counted run of blanks */
        at.entry--;
        return at;
    }
    return doc_move(d, at, (long)row, width);
}

void doc_place(const struct doc *d, struct doc_at at, size_t width, uint64_t *top, uint32_t *row)
{
    size_t rows = at.row;
    *top = 0;
    *row = 0;
    if (at.entry >= d->count)
        return;
    *top = d->entries[at.entry].anchor;
    for (size_t i = at.entry; i > 0 && d->entries[i - 1].anchor == *top; i--)
        rows += entry_rows(d, i - 1, width);
    *row = rows > UINT32_MAX ? UINT32_MAX : (uint32_t)rows;
}

struct doc_at doc_bottom(const struct doc *d, size_t height, size_t width)
{
    if (d->count == 0)
        return (struct doc_at){ 0, 0 };
    struct doc_at last = { d->count - 1, entry_rows(d, d->count - 1, width) - 1 };
    return doc_move(d, last, -(long)(height ? height - 1 : 0), width);
}

int doc_compare(struct doc_at a, struct doc_at b)
{
    if (a.entry != b.entry)
        return a.entry < b.entry ? -1 : 1;
    return a.row < b.row ? -1 : a.row > b.row;
}
