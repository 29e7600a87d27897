/* prose.c - styled lines: storage, wrapping at blanks, drawing. */
#include "ui/markdown_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void prose_init(struct prose *p)
{
    memset(p, 0, sizeof *p);
    buf_init(&p->text, 8 * PROSE_BYTES_MAX);
}

void prose_release(struct prose *p)
{
    buf_release(&p->text);
    free(p->spans);
    free(p->lines);
    memset(p, 0, sizeof *p);
}

void prose_reset(struct prose *p)
{
    buf_reset(&p->text);
    p->span_count = p->line_count = 0;
}

static void add_span(struct prose *p, const char *s, size_t len, enum style_role role)
{
    struct prose_span *last = p->span_count ? &p->spans[p->span_count - 1] : NULL;
    size_t start = p->text.len;
    if (len == 0 || buf_add(&p->text, s, len) < 0)
        return;
    if (last && p->lines[p->line_count - 1].count > 0 && last->role == role &&
        last->start + last->len == start) {
        last->len += len;
        return;
    }
    if (p->span_count == p->span_cap) {
        p->span_cap = p->span_cap ? p->span_cap * 2 : 64;
        p->spans = xreallocarray(p->spans, p->span_cap, sizeof *p->spans);
    }
    p->spans[p->span_count++] = (struct prose_span){ start, len, (uint8_t)role };
    p->lines[p->line_count - 1].count++;
}

static void add_line(struct prose *p)
{
    if (p->line_count == p->line_cap) {
        p->line_cap = p->line_cap ? p->line_cap * 2 : 32;
        p->lines = xreallocarray(p->lines, p->line_cap, sizeof *p->lines);
    }
    p->lines[p->line_count++] = (struct prose_line){ p->span_count, 0 };
}

void prose_add_empty(struct prose *p)
{
    add_line(p);
}

void prose_add_span(struct prose *p, const char *s, size_t len, enum style_role role, bool more)
{
    if (!more || p->line_count == 0)
        add_line(p);
    add_span(p, s, len, role);
}

/* ---- wrapping ---- */

void wrap_begin(struct wrap *w, struct prose *p, size_t width)
{
    *w = (struct wrap){ .prose = p, .width = width < 8 ? 8 : width };
}

void wrap_line(struct wrap *w)
{
    static const char blanks[] = "                                                                ";
    size_t indent = w->indent < w->width / 2 ? w->indent : w->width / 2;
    if (indent > sizeof blanks - 1)
        indent = sizeof blanks - 1;
    add_line(w->prose);
    add_span(w->prose, blanks, indent, ROLE_TEXT);
    w->column = w->start = indent;
    w->open = true;
    w->blank = false;
}

void wrap_end(struct wrap *w)
{
    w->open = w->blank = false;
}

/* As much as the line still takes; the rest on further lines. Something wider than a whole line is
 * put anyway and cut when it is drawn. */
static void put_cut(struct wrap *w, const char *s, size_t len, enum style_role role)
{
    while (len) {
        size_t used, room = w->column < w->width ? w->width - w->column : 0,
                     fit = text_fit(s, len, room, TEXT_PROSE, &used);
        if (fit == 0 && w->column > w->start) {
            wrap_line(w);
            continue;
        }
        if (fit == 0)
            fit = text_grapheme(s, len);
        add_span(w->prose, s, fit, role);
        w->column += used;
        s += fit;
        len -= fit;
        if (len)
            wrap_line(w);
    }
}

/* One word, cut only when it is longer than a line. */
static void put_word(struct wrap *w, const char *s, size_t len, enum style_role role)
{
    size_t columns = text_width(s, len, TEXT_PROSE);
    if (!w->open)
        wrap_line(w);
    if (w->column + w->blank + columns > w->width && w->column > w->start)
        wrap_line(w);
    if (w->blank && w->column > w->start) {
        add_span(w->prose, " ", 1, role);
        w->column++;
    }
    w->blank = false;
    put_cut(w, s, len, role);
}

void wrap_text(struct wrap *w, const char *s, size_t len, enum style_role role)
{
    size_t at = 0;
    while (at < len) {
        if (s[at] == ' ' || s[at] == '\n' || s[at] == '\t') {
            w->blank = true;
            at++;
            continue;
        }
        size_t from = at;
        while (at < len && s[at] != ' ' && s[at] != '\n' && s[at] != '\t')
            at++;
        put_word(w, s + from, at - from, role);
    }
}

void wrap_raw(struct wrap *w, const char *s, size_t len, enum style_role role)
{
    if (!w->open)
        wrap_line(w);
    if (w->blank && w->column > w->start && w->column < w->width) {
        add_span(w->prose, " ", 1, role);
        w->column++;
    }
    w->blank = false;
    while (len) { /* tabs become blanks here: spans are measured and drawn apart */
        const char *tab = memchr(s, '\t', len);
        size_t n = tab ? (size_t)(tab - s) : len;
        put_cut(w, s, n, role);
        if (tab)
            put_cut(w, "        ", 8 - (w->column - w->start) % 8, role);
        n += tab != NULL;
        s += n;
        len -= n;
    }
}

/* Lines of a text; those that are too long are wrapped at blanks and keep their indentation. */
static void wrap_lines(struct wrap *w, const char *s, size_t len, enum style_role role)
{
    while (len) {
        const char *lf = memchr(s, '\n', len);
        size_t n = lf ? (size_t)(lf - s) : len, lead = 0;
        while (lead < n && s[lead] == ' ')
            lead++;
        if (!w->open)
            wrap_line(w);
        if (text_width(s, n, TEXT_PROSE) <= w->width - w->column) {
            wrap_raw(w, s, n, role); /* as it is: a table keeps its columns */
        } else {
            wrap_raw(w, s, lead < w->width / 2 ? lead : 0, role);
            wrap_text(w, s + lead, n - lead, role);
        }
        wrap_end(w);
        n += lf != NULL;
        s += n;
        len -= n;
    }
}

void prose_add_plain(struct prose *p, const char *s, size_t len, size_t width, enum style_role role)
{
    struct wrap w;
    bool cut = len > PROSE_BYTES_MAX;
    wrap_begin(&w, p, width);
    wrap_lines(&w, s, cut ? PROSE_BYTES_MAX : len, role);
    if (cut)
        prose_add_span(p, "(cut here)", 10, ROLE_DIM, false);
}

void prose_add_field(struct prose *p, const struct prose_field *f, const char *s, size_t len,
                     size_t width)
{
    struct wrap w;
    char label[64];
    snprintf(label, sizeof label, "%-*s", (int)(f->columns < 60 ? f->columns : 60), f->name);
    wrap_begin(&w, p, width);
    wrap_line(&w);
    wrap_raw(&w, label, strlen(label), f->name_role);
    w.start = w.column;
    w.indent = f->columns;
    wrap_lines(&w, s, len < PROSE_BYTES_MAX ? len : PROSE_BYTES_MAX, f->role);
}

int grid_put_prose(struct grid *g, int x, int y, int max_x, const struct prose *p, size_t line)
{
    const struct prose_line *l = &p->lines[line];
    for (size_t i = l->first; i < l->first + l->count; i++)
        x = grid_put_textn(g, x, y, max_x, p->text.ptr + p->spans[i].start, p->spans[i].len,
                           STYLE(p->spans[i].role));
    return x;
}
