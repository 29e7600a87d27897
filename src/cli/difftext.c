/* difftext.c - hunks of a comparison: unified or side by side. */
#include "cli/difftext.h"

#include <stdlib.h>
#include <string.h>

#include "ui/text.h"

#define CONTEXT        3
#define LINE_MAX_SHOWN ((size_t)64 << 10) /* bytes of one line; the rest is counted */
#define FLUSH_AT       ((size_t)1 << 20)

struct lines {
    const char *p;
    size_t *starts, count;
};

struct line {
    const char *p;
    size_t len;
    bool lf;
};

struct printer {
    const struct difftext *d;
    struct lines a, b;
    struct buf *out;
    bool stopped;
};

static struct line line_at(const struct lines *l, size_t n)
{
    size_t start = l->starts[n], end = l->starts[n + 1];
    bool lf = end > start && l->p[end - 1] == '\n';
    return (struct line){ l->p + start, end - start - lf, lf };
}

static void flush_when_large(struct printer *p)
{
    if (p->out->len > FLUSH_AT && p->d->flush != NULL && p->d->flush(p->out) != 0)
        p->stopped = true;
}

/* ---- one line ---- */

static void put_clean(struct printer *p, const char *s, size_t len, bool lf)
{
    (void)text_clean(p->out, s, len, TEXT_CODE, lf, p->d->ascii);
}

static size_t shown(const struct line *x)
{
    return x->len < LINE_MAX_SHOWN ? x->len : LINE_MAX_SHOWN;
}

static void end_line(struct printer *p, const struct line *x, bool color)
{
    if (x->len > LINE_MAX_SHOWN)
        (void)buf_addf(p->out, " (+%zu bytes)", x->len - LINE_MAX_SHOWN);
    (void)buf_add_str(p->out, color ? "\033[0m\n" : "\n");
    if (!x->lf)
        (void)buf_add_str(p->out, "\\ no newline at the end\n");
    flush_when_large(p);
}

static void put_line(struct printer *p, char sign, const struct line *x,
                     const struct diff_span *spans, size_t span_count)
{
    bool color = p->d->color && sign != ' ';
    size_t at = 0, end = shown(x);
    if (color)
        (void)buf_add_str(p->out, sign == '-' ? "\033[31m" : "\033[32m");
    (void)buf_add_char(p->out, sign);
    for (size_t i = 0; i < span_count && spans[i].start < end; i++) {
        size_t stop = spans[i].start + spans[i].len < end ? spans[i].start + spans[i].len : end;
        put_clean(p, x->p + at, spans[i].start - at, false);
        (void)buf_add_str(p->out, sign == '-' ? "[-" : "{+");
        put_clean(p, x->p + spans[i].start, stop - spans[i].start, false);
        (void)buf_add_str(p->out, sign == '-' ? "-]" : "+}");
        at = stop;
    }
    put_clean(p, x->p + at, end - at, x->lf);
    end_line(p, x, color);
}

/* ---- unified ---- */

/* A deleted group and the added one behind it (either may be empty). */
static void put_change(struct printer *p, size_t a, size_t dels, size_t b, size_t adds)
{
    size_t pairs = p->d->words ? (dels < adds ? dels : adds) : 0;
    for (size_t pass = 0; pass < 2; pass++) {
        size_t count = pass == 0 ? dels : adds;
        for (size_t i = 0; i < count && !p->stopped; i++) {
            struct line x = line_at(pass == 0 ? &p->a : &p->b, (pass == 0 ? a : b) + i);
            struct diff_marks m = { 0 };
            if (i < pairs) {
                struct line y = line_at(&p->a, a + i), z = line_at(&p->b, b + i);
                diff_words(&m, y.p, shown(&y), z.p, shown(&z));
            }
            put_line(p, pass == 0 ? '-' : '+', &x, pass == 0 ? m.a : m.b,
                     pass == 0 ? m.a_count : m.b_count);
            diff_marks_release(&m);
        }
    }
}

/* ---- side by side ---- */

static void put_half(struct printer *p, const struct line *x, size_t columns, bool pad)
{
    struct buf clean = BUF_INIT((size_t)1 << 20);
    size_t used = 0, n = 0;
    if (x != NULL) {
        /* More bytes than columns can hold would only be cut off again. */
        size_t len = x->len < columns * 16 ? x->len : columns * 16;
        (void)text_clean(&clean, x->p, len, TEXT_CODE, x->lf, p->d->ascii);
        n = text_fit(buf_str(&clean), clean.len, columns, TEXT_PROSE, &used);
    }
    (void)buf_add(p->out, buf_str(&clean), n);
    if (pad)
        (void)buf_addf(p->out, "%*s", (int)(columns - used), "");
    buf_release(&clean);
}

static void put_pair(struct printer *p, const struct line *x, const struct line *y, char sign)
{
    size_t columns = (p->d->width - 3) / 2;
    put_half(p, x, columns, true);
    (void)buf_addf(p->out, " %c ", sign);
    put_half(p, y, columns, false);
    (void)buf_add_char(p->out, '\n');
    flush_when_large(p);
}

static void put_change_beside(struct printer *p, size_t a, size_t dels, size_t b, size_t adds)
{
    for (size_t i = 0; (i < dels || i < adds) && !p->stopped; i++) {
        struct line x, y;
        if (i < dels)
            x = line_at(&p->a, a + i);
        if (i < adds)
            y = line_at(&p->b, b + i);
        put_pair(p, i < dels ? &x : NULL, i < adds ? &y : NULL,
                 i >= dels   ? '>'
                 : i >= adds ? '<'
                             : '|');
    }
}

static void put_same(struct printer *p, size_t a, size_t b, size_t count)
{
    for (size_t i = 0; i < count && !p->stopped; i++) {
        struct line x = line_at(&p->a, a + i), y = line_at(&p->b, b + i);
        if (p->d->side_by_side)
            put_pair(p, &x, &y, ' ');
        else
            put_line(p, ' ', &x, NULL, 0);
    }
}

/* ---- hunks ---- */

/* Runs from…to-1 belong to one hunk: changes with at most 2 * CONTEXT equal lines between. */
static size_t hunk_end(const struct diff *d, size_t from)
{
    size_t to = from;
    while (to < d->count &&
           (d->runs[to].op != DIFF_SAME || (d->runs[to].count <= 2 * CONTEXT && to + 1 < d->count)))
        to++;
    return to;
}

static void put_range(struct buf *out, char sign, size_t from, size_t to)
{
    (void)buf_addf(out, " %c%zu,%zu", sign, to > from ? from + 1 : from, to - from);
}

static void put_hunk(struct printer *p, const struct diff *d, size_t from, size_t to)
{
    const struct diff_run *first = &d->runs[from];
    size_t lead = from > 0 ? (d->runs[from - 1].count < CONTEXT ? d->runs[from - 1].count : CONTEXT)
                           : 0,
           tail = to < d->count ? (d->runs[to].count < CONTEXT ? d->runs[to].count : CONTEXT) : 0;
    size_t a = first->a, b = first->b, a_end = a, b_end = b;
    for (size_t i = from; i < to; i++) {
        a_end += d->runs[i].op != DIFF_ADD ? d->runs[i].count : 0;
        b_end += d->runs[i].op != DIFF_DEL ? d->runs[i].count : 0;
    }
    (void)buf_add_str(p->out, "@@");
    put_range(p->out, '-', a - lead, a_end + tail);
    put_range(p->out, '+', b - lead, b_end + tail);
    (void)buf_add_str(p->out, " @@\n");
    put_same(p, a - lead, b - lead, lead);
    for (size_t i = from; i < to && !p->stopped;) {
        const struct diff_run *r = &d->runs[i];
        if (r->op == DIFF_SAME) {
            put_same(p, a, b, r->count);
            a += r->count;
            b += r->count;
            i++;
            continue;
        }
        size_t dels = 0, adds = 0;
        for (; i < to && d->runs[i].op == DIFF_DEL; i++)
            dels += d->runs[i].count;
        for (; i < to && d->runs[i].op == DIFF_ADD; i++)
            adds += d->runs[i].count;
        if (p->d->side_by_side)
            put_change_beside(p, a, dels, b, adds);
        else
            put_change(p, a, dels, b, adds);
        a += dels;
        b += adds;
    }
    put_same(p, a, b, tail);
}

void difftext_print(const struct difftext *d, const struct compare *c, struct buf *out)
{
    struct printer p = { .d = d, .a = { .p = c->a.ptr }, .b = { .p = c->b.ptr }, .out = out };
    p.a.starts = compare_line_starts(c->a.ptr, c->a.len, &p.a.count);
    p.b.starts = compare_line_starts(c->b.ptr, c->b.len, &p.b.count);
    for (size_t i = 0; i < c->diff.count && !p.stopped;) {
        if (c->diff.runs[i].op == DIFF_SAME) {
            i++;
            continue;
        }
        size_t end = hunk_end(&c->diff, i);
        put_hunk(&p, &c->diff, i, end);
        i = end;
    }
    free(p.a.starts);
    free(p.b.starts);
}

/* ---- JSON ---- */

static void put_json(struct json_w *w, const struct lines *l, const char *op, size_t n)
{
    struct line x = line_at(l, n);
    json_w_object(w, NULL);
    json_w_str(w, "op", op);
    json_w_int(w, "line", (int64_t)n + 1);
    json_w_strn(w, "text", x.p, x.len < 4096 ? x.len : 4096);
    if (x.len > 4096)
        json_w_int(w, "more_bytes", (int64_t)(x.len - 4096));
    json_w_close_object(w);
}

void difftext_json(const struct compare *c, struct json_w *w)
{
    struct lines a = { .p = c->a.ptr }, b = { .p = c->b.ptr };
    size_t left = DIFFTEXT_JSON_MAX;
    a.starts = compare_line_starts(c->a.ptr, c->a.len, &a.count);
    b.starts = compare_line_starts(c->b.ptr, c->b.len, &b.count);
    for (size_t i = 0; i < c->diff.count && left > 0; i++) {
        const struct diff_run *r = &c->diff.runs[i];
        for (size_t k = 0; r->op != DIFF_SAME && k < r->count && left > 0; k++, left--)
            put_json(w, r->op == DIFF_DEL ? &a : &b, r->op == DIFF_DEL ? "del" : "add",
                     (r->op == DIFF_DEL ? r->a : r->b) + k);
    }
    size_t all = c->diff.added + c->diff.deleted;
    if (all > DIFFTEXT_JSON_MAX) {
        json_w_object(w, NULL);
        json_w_str(w, "op", "more");
        json_w_int(w, "lines", (int64_t)(all - DIFFTEXT_JSON_MAX));
        json_w_close_object(w);
    }
    free(a.starts);
    free(b.starts);
}
