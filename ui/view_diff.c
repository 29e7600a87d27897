/* view_diff.c - rows of a comparison, and drawing them. */
#include "ui/view_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/keymap.h"

#define CONTEXT   3
#define FOLD_MIN  2                  /* fewer equal lines are shown */
#define MARKS_MAX ((size_t)64 << 10) /* bytes of a line that words are marked in */

/* ---- rows ---- */

static struct view_diff_row *add_row(struct view_diff *d, enum view_diff_kind kind,
                                     uint32_t section)
{
    if (d->row_count == d->row_cap) {
        d->row_cap = d->row_cap * 2 + 256;
        d->rows = xreallocarray(d->rows, d->row_cap, sizeof *d->rows);
    }
    struct view_diff_row *r = &d->rows[d->row_count++];
    *r = (struct view_diff_row){ .kind = kind, .section = section };
    return r;
}

static void add_same(struct view_diff *d, uint32_t section, size_t a, size_t b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct view_diff_row *r = add_row(d, DIFF_ROW_SAME, section);
        r->has_a = r->has_b = true;
        r->a = a + i;
        r->b = b + i;
    }
}

/* Equal lines with a change before and/or behind them. */
static void add_equal(struct view_diff *d, uint32_t section, const struct diff_run *run, bool first,
                      bool last)
{
    size_t head = first ? 0 : CONTEXT, tail = last ? 0 : CONTEXT;
    if (d->all || run->count < head + tail + FOLD_MIN) {
        add_same(d, section, run->a, run->b, run->count);
        return;
    }
    add_same(d, section, run->a, run->b, head);
    struct view_diff_row *r = add_row(d, DIFF_ROW_FOLD, section);
    r->a = run->a + head;
    r->b = run->b + head;
    r->count = run->count - head - tail;
    add_same(d, section, run->a + run->count - tail, run->b + run->count - tail, tail);
}

static void add_change(struct view_diff *d, uint32_t section, size_t a, size_t dels, size_t b,
                       size_t adds)
{
    size_t pairs = dels < adds ? dels : adds, most = dels > adds ? dels : adds;
    for (size_t i = 0; d->beside && i < most; i++) {
        struct view_diff_row *r = add_row(d, DIFF_ROW_PAIR, section);
        *r = (struct view_diff_row){ .kind = DIFF_ROW_PAIR,
                                     .section = section,
                                     .begins = i == 0,
                                     .has_a = i < dels,
                                     .has_b = i < adds,
                                     .has_pair = i < pairs,
                                     .a = a + i,
                                     .b = b + i };
    }
    for (size_t i = 0; !d->beside && i < dels; i++)
        *add_row(d, DIFF_ROW_DEL, section) = (struct view_diff_row){ .kind = DIFF_ROW_DEL,
                                                                     .section = section,
                                                                     .begins = i == 0,
                                                                     .has_a = true,
                                                                     .has_pair = i < pairs,
                                                                     .a = a + i,
                                                                     .b = b + i };
    for (size_t i = 0; !d->beside && i < adds; i++)
        *add_row(d, DIFF_ROW_ADD, section) = (struct view_diff_row){ .kind = DIFF_ROW_ADD,
                                                                     .section = section,
                                                                     .begins = i == 0 && dels == 0,
                                                                     .has_b = true,
                                                                     .has_pair = i < pairs,
                                                                     .a = a + i,
                                                                     .b = b + i };
}

static void add_section(struct view_diff *d, uint32_t n)
{
    const struct view_diff_section *s = &d->sections[n];
    add_row(d, DIFF_ROW_TITLE, n);
    if (s->note[0] != '\0')
        add_row(d, DIFF_ROW_NOTE, n);
    for (size_t i = 0; s->diff != NULL && i < s->diff->count;) {
        const struct diff_run *run = &s->diff->runs[i];
        if (run->op == DIFF_SAME) {
            add_equal(d, n, run, i == 0, i + 1 == s->diff->count);
            i++;
            continue;
        }
        size_t dels = 0, adds = 0, a = run->a, b = run->b;
        for (; i < s->diff->count && s->diff->runs[i].op == DIFF_DEL; i++)
            dels += s->diff->runs[i].count;
        for (; i < s->diff->count && s->diff->runs[i].op == DIFF_ADD; i++)
            adds += s->diff->runs[i].count;
        add_change(d, n, a, dels, b, adds);
    }
}

void view_diff_layout(struct view_diff *d)
{
    struct view_diff_row was = { .section = 0 };
    if (d->top < d->row_count)
        was = d->rows[d->top];
    d->row_count = 0;
    for (size_t i = 0; i < d->section_count; i++)
        add_section(d, (uint32_t)i);
    size_t top = 0;
    while (top + 1 < d->row_count &&
           (d->rows[top].section < was.section ||
            (d->rows[top].section == was.section && d->rows[top].a + d->rows[top].count < was.a)))
        top++;
    d->top = was.kind == DIFF_ROW_TITLE && was.section == 0 ? 0 : top;
    d->cursor = d->top;
}

void view_diff_release(struct view_diff *d)
{
    free(d->rows);
    d->rows = NULL;
    d->row_count = d->row_cap = 0;
}

/* ---- moving ---- */

size_t view_diff_height(const struct grid *g)
{
    return g->h > 3 ? (size_t)g->h - 3 : 1;
}

static void scroll_to(struct view_diff *d, size_t row, size_t height)
{
    size_t last = d->row_count > height ? d->row_count - height : 0;
    d->cursor = row;
    d->top = row > height / 4 ? row - height / 4 : 0;
    if (d->top > last)
        d->top = last;
}

void view_diff_move(struct view_diff *d, long rows, size_t height)
{
    size_t last = d->row_count > height ? d->row_count - height : 0, by = (size_t)labs(rows);
    if (rows < 0)
        d->top = d->top > by ? d->top - by : 0;
    else
        d->top = last - d->top > by && d->top <= last ? d->top + by : last;
    d->cursor = d->top;
}

bool view_diff_jump(struct view_diff *d, int dir, size_t height)
{
    for (size_t i = d->cursor; dir > 0 ? i + 1 < d->row_count : i > 0;) {
        i += (size_t)dir;
        if (d->rows[i].begins) {
            scroll_to(d, i, height);
            return true;
        }
    }
    return false;
}

static struct view_diff_text side(const struct view_diff *d, const struct view_diff_row *r, bool b)
{
    const struct view_diff_section *s = &d->sections[r->section];
    return b ? s->b : s->a;
}

static const char *line_of(const struct view_diff *d, const struct view_diff_row *r, bool b,
                           size_t *len, bool *lf)
{
    struct view_diff_text t = side(d, r, b);
    size_t n = b ? r->b : r->a, start = t.starts[n], end = t.starts[n + 1];
    *lf = end > start && t.p[end - 1] == '\n';
    *len = end - start - *lf;
    return t.p + start;
}

/* All lower case finds both. */
static const char *find_in(const char *p, size_t len, const char *text)
{
    size_t n = strlen(text);
    bool smart = true;
    for (const char *c = text; *c != '\0'; c++)
        smart &= !(*c >= 'A' && *c <= 'Z');
    if (n == 0 || n > len)
        return NULL;
    if (!smart)
        return memmem(p, len, text, n);
    for (size_t i = 0; i + n <= len; i++) {
        if (strncasecmp(p + i, text, n) == 0)
            return p + i;
    }
    return NULL;
}

static bool row_has(const struct view_diff *d, const struct view_diff_row *r)
{
    bool lf;
    size_t len;
    const char *p;
    if (r->has_a && (p = line_of(d, r, false, &len, &lf)) != NULL && find_in(p, len, d->search))
        return true;
    return r->has_b && (p = line_of(d, r, true, &len, &lf)) != NULL && find_in(p, len, d->search);
}

bool view_diff_find(struct view_diff *d, int dir, size_t height)
{
    if (d->search == NULL || d->search[0] == '\0')
        return false;
    for (size_t i = d->cursor; dir > 0 ? i + 1 < d->row_count : i > 0;) {
        i += (size_t)dir;
        if (row_has(d, &d->rows[i])) {
            scroll_to(d, i, height);
            return true;
        }
    }
    return false;
}

/* ---- drawing ---- */

struct pen {
    struct grid *g;
    const struct view_diff *d;
    int x, y, end;
    enum style_role role, word;
    const struct diff_span *spans;
    size_t span_count;
};

static bool in_spans(const struct pen *p, size_t at)
{
    for (size_t i = 0; i < p->span_count && p->spans[i].start <= at; i++) {
        if (at < p->spans[i].start + p->spans[i].len)
            return true;
    }
    return false;
}

static void draw_line(struct pen *p, const char *line, size_t len, bool lf)
{
    struct text_iter it;
    struct text_glyph gl;
    const char *hit = p->d->search != NULL ? find_in(line, len, p->d->search) : NULL;
    size_t hit_at = hit != NULL ? (size_t)(hit - line) : SIZE_MAX,
           hit_len = hit != NULL ? strlen(p->d->search) : 0, skip = p->d->left;
    text_begin(&it, line, len, TEXT_CODE, lf);
    it.ascii = p->g->ascii;
    while (p->x < p->end && text_next(&it, &gl)) {
        if (skip > 0) {
            skip -= skip < gl.width ? skip : gl.width;
            continue;
        }
        enum style_role role = gl.start >= hit_at && gl.start < hit_at + hit_len ? ROLE_HIT
                               : in_spans(p, gl.start)                           ? p->word
                                                                                 : p->role;
        p->x =
            grid_put_glyph(p->g, p->x, p->y, p->end, &gl, (struct style){ .role = (uint8_t)role });
    }
    if (p->x >= p->end && !text_at_end(&it))
        grid_put_text(p->g, p->end - 1, p->y, p->end, grid_symbol(p->g, SYM_MORE),
                      (struct style){ .role = ROLE_DIM });
}

static void number(struct pen *p, bool has, size_t n)
{
    struct style dim = { .role = ROLE_GUTTER };
    if (has)
        grid_put_format(p->g, p->x, p->y, p->end, dim, "%5zu", n + 1);
    p->x += 6;
}

static struct diff_marks words_of(const struct view_diff *d, const struct view_diff_row *r)
{
    struct diff_marks m = { 0 };
    bool lf;
    size_t a_len, b_len;
    if (!r->has_pair || d->no_words)
        return m;
    const char *a = line_of(d, r, false, &a_len, &lf), *b = line_of(d, r, true, &b_len, &lf);
    diff_words(&m, a, a_len < MARKS_MAX ? a_len : MARKS_MAX, b,
               b_len < MARKS_MAX ? b_len : MARKS_MAX);
    return m;
}

static void draw_side(struct pen *p, const struct view_diff_row *r, bool b, bool same,
                      const struct diff_marks *m)
{
    size_t len;
    bool lf;
    const char *line = line_of(p->d, r, b, &len, &lf);
    p->role = same ? ROLE_TEXT : b ? ROLE_ADD : ROLE_DEL;
    p->word = b ? ROLE_ADD_WORD : ROLE_DEL_WORD;
    p->spans = b ? m->b : m->a;
    p->span_count = b ? m->b_count : m->a_count;
    draw_line(p, line, len, lf);
}

static void draw_unified(struct pen *p, const struct view_diff_row *r)
{
    struct diff_marks m = words_of(p->d, r);
    bool same = r->kind == DIFF_ROW_SAME, b = r->kind == DIFF_ROW_ADD;
    number(p, r->has_a, r->a);
    number(p, r->has_b, r->b);
    grid_put_text(p->g, p->x, p->y, p->end,
                  same ? " "
                  : b  ? "+"
                       : "-",
                  (struct style){ .role = same ? ROLE_TEXT
                                          : b  ? ROLE_ADD
                                               : ROLE_DEL });
    p->x += 1;
    draw_side(p, r, b, same, &m);
    diff_marks_release(&m);
}

static void draw_beside(struct pen *p, const struct view_diff_row *r)
{
    struct diff_marks m = words_of(p->d, r);
    bool same = r->kind == DIFF_ROW_SAME;
    int w = p->end, half = w / 2;
    p->end = half - 1;
    number(p, r->has_a, r->a);
    if (r->has_a)
        draw_side(p, r, false, same, &m);
    grid_put_text(p->g, half - 1, p->y, w,
                  same        ? (p->g->ascii ? "|" : "\xe2\x94\x82")
                  : !r->has_b ? "<"
                  : !r->has_a ? ">"
                              : "|",
                  (struct style){ .role = same ? ROLE_FRAME : ROLE_WAIT });
    p->x = half;
    p->end = w;
    number(p, r->has_b, r->b);
    if (r->has_b)
        draw_side(p, r, true, same, &m);
    diff_marks_release(&m);
}

static void draw_row(struct pen *p, const struct view_diff_row *r)
{
    const struct view_diff_section *s = &p->d->sections[r->section];
    switch (r->kind) {
    case DIFF_ROW_TITLE:
        grid_put_text(p->g, 0, p->y, p->end, s->title,
                      (struct style){ .role = s->differs ? ROLE_TITLE : ROLE_GOOD });
        break;
    case DIFF_ROW_NOTE:
        grid_put_text(p->g, 2, p->y, p->end, s->note, (struct style){ .role = ROLE_WAIT });
        break;
    case DIFF_ROW_FOLD:
        grid_put_format(p->g, 12, p->y, p->end, (struct style){ .role = ROLE_DIM },
                        "%zu equal lines", r->count);
        break;
    default:
        if (p->d->beside)
            draw_beside(p, r);
        else
            draw_unified(p, r);
    }
}

static void draw_keys(const struct view_diff *d, struct grid *g)
{
    struct keymap_hint hints[16];
    int y = g->h - 1, x = 1;
    if (d->typing) {
        grid_put_format(g, 0, y, g->w, (struct style){ .role = ROLE_PROMPT }, "/%s", d->search);
        return;
    }
    if (d->message != NULL) {
        grid_put_fit(g, 1, y, g->w, d->message, (struct style){ .role = ROLE_WAIT });
        return;
    }
    size_t n = keymap_hints(KEYMAP_IN_DIFF, hints, ARRAY_LEN(hints));
    for (size_t i = 0; i < n; i++) {
        int w = (int)(strlen(hints[i].key) + strlen(hints[i].word)) + 1;
        if (x + w > g->w)
            continue;
        x = grid_put_text(g, x, y, g->w, hints[i].key, (struct style){ .role = ROLE_KEY });
        x = grid_put_text(g, x + 1, y, g->w, hints[i].word, (struct style){ .role = ROLE_DIM }) + 2;
    }
}

/* Both lines, broken at a blank. */
static void draw_choice(const struct view_diff *d, struct grid *g)
{
    struct style st = { .role = ROLE_WAIT };
    size_t len = strlen(d->masks), room = g->w > 2 ? (size_t)g->w - 2 : 1, cut = len;
    if (len > room) {
        cut = room;
        while (cut > 0 && d->masks[cut] != ' ')
            cut--;
    }
    grid_put_textn(g, 1, g->h - 2, g->w, d->masks, cut, st);
    grid_put_fit(g, 1, g->h - 1, g->w, d->masks + cut + strspn(d->masks + cut, " "), st);
}

void view_diff_draw(const struct view_diff *d, struct grid *g)
{
    size_t height = view_diff_height(g);
    char place[64];
    struct style bar = { .role = ROLE_STATUS };
    grid_fill(g, (struct rect){ 0, 0, g->w, 1 }, ' ', bar);
    grid_put_fit(g, 1, 0, g->w, d->header, bar);
    snprintf(place, sizeof place, " %zu-%zu/%zu ", d->row_count > 0 ? d->top + 1 : 0,
             d->top + height < d->row_count ? d->top + height : d->row_count, d->row_count);
    if (g->w > (int)strlen(place) + 30)
        grid_put_text(g, g->w - (int)strlen(place), 0, g->w, place, bar);
    for (size_t i = 0; i < height && d->top + i < d->row_count; i++) {
        struct pen p = { .g = g, .d = d, .y = 1 + (int)i, .end = g->w };
        draw_row(&p, &d->rows[d->top + i]);
    }
    if (d->choosing) {
        draw_choice(d, g);
        return;
    }
    grid_put_fit(g, 1, g->h - 2, g->w, d->masks, (struct style){ .role = ROLE_DIM });
    draw_keys(d, g);
}
