/* view_doc.c - documents of the panes (with their cache) and drawing their rows. */
#include "ui/view_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "base/diff.h"

struct view_cache {
    struct slot {
        bool used;
        char key[160];
        struct doc_view view;
    } slot[SLOT_COUNT];
};

struct view_cache *view_cache_new(void)
{
    return xcalloc(1, sizeof(struct view_cache));
}

static void doc_view_release(struct doc_view *d)
{
    if (d->colored) {
        highlight_release(&d->code_colors);
        highlight_release(&d->base_colors);
    }
    doc_release(&d->doc);
    memset(d, 0, sizeof *d);
}

void view_cache_free(struct view_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < SLOT_COUNT; i++)
        if (c->slot[i].used)
            doc_view_release(&c->slot[i].view);
    free(c);
}

void view_put_doc(const struct view_model *vm, struct doc_view *d)
{
    (void)vm;
    if (d && d->owned) {
        doc_view_release(d);
        free(d);
    }
}

static bool same_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* Room for a document: the slot of the cache, emptied, or one of its own. */
static struct doc_view *make_room(const struct view_model *vm, enum doc_slot slot, const char *key)
{
    if (!vm->cache) {
        struct doc_view *d = xcalloc(1, sizeof *d);
        d->owned = true;
        return d;
    }
    struct slot *s = &vm->cache->slot[slot];
    if (s->used)
        doc_view_release(&s->view);
    s->used = true;
    snprintf(s->key, sizeof s->key, "%s", key);
    return &s->view;
}

struct doc_view *view_doc_slot(const struct view_model *vm, enum doc_slot slot, const char *key,
                               bool *fresh)
{
    struct slot *s = vm->cache ? &vm->cache->slot[slot] : NULL;
    *fresh = !s || !s->used || strcmp(s->key, key) != 0;
    return *fresh ? make_room(vm, slot, key) : &s->view;
}

static void color_doc(struct doc_view *d, const char *language)
{
    highlight_init(&d->code_colors, language);
    highlight_init(&d->base_colors, language);
    highlight_extend(&d->code_colors, d->doc.text, d->doc.len);
    if (d->doc.compared)
        highlight_extend(&d->base_colors, d->doc.base, d->doc.base_len);
    d->colored = true;
}

static void add_attachments(struct doc *d, const struct state *st, const struct view_model *vm)
{
    doc_drop_extras(d);
    if (view_code_is_gates(st, vm))
        for (size_t i = 0; i < vm->gate.attachment_count; i++)
            doc_add_extra(d, vm->gate.attachments[i].text);
}

struct doc_view *view_get_code(const struct state *st, const struct view_model *vm)
{
    const struct state_run *run = view_run(st, vm), *b = view_base(st, vm);
    const char *text = run ? run->code : NULL, *base = NULL, *language = run ? run->language : "";
    size_t len = run ? run->code_len : 0, base_len = 0;
    bool streaming = vm->stream.code && !vm->run && !st->gate.open;
    if (streaming) {
        text = vm->stream.code;
        len = vm->stream.code_len;
        language = vm->stream.language;
    } else if (!run) {
        return NULL;
    } else if (view_code_is_compared(st, vm)) {
        bool edited = vm->gate.edited_from && view_code_is_gates(st, vm);
        base = edited ? vm->gate.edited_from : b->code;
        base_len = edited ? vm->gate.edited_from_len : b->code_len;
    }
    char key[160];
    snprintf(key, sizeof key, "%s|%d", language ? language : "", base != NULL);
    struct slot *s = vm->cache ? &vm->cache->slot[SLOT_CODE] : NULL;
    bool hit = s && s->used && strcmp(s->key, key) == 0 &&
               same_bytes(s->view.doc.text, s->view.doc.len, text, len) &&
               (!base || same_bytes(s->view.doc.base, s->view.doc.base_len, base, base_len));
    struct doc_view *d = hit ? &s->view : make_room(vm, SLOT_CODE, key);
    if (!hit) {
        doc_build(&d->doc, text, len, base, base_len, TEXT_CODE, false);
        color_doc(d, language);
    }
    add_attachments(&d->doc, st, vm);
    return d;
}

/* ---- drawing ---- */

static int digits(size_t n)
{
    int d = 1;
    while (n >= 10) {
        n /= 10;
        d++;
    }
    return d;
}

struct doc_box view_doc_box(const struct layout *l, enum view_pane pane, const struct doc *d,
                            bool numbers)
{
    struct doc_box box = { .r = layout_inner(l, pane) };
    uint32_t last = 1;
    for (size_t i = d->count; i > 0 && numbers; i--)
        if (d->entries[i - 1].kind != DOC_EXTRA && d->entries[i - 1].kind != DOC_DEL) {
            last = d->entries[i - 1].line + d->entries[i - 1].count;
            break;
        }
    box.number_width = numbers ? digits(last) : 0;
    if (numbers && box.number_width < 3 && box.r.w >= 60)
        box.number_width = 3;
    box.gutter = numbers ? 2 + box.number_width + (box.r.w >= 60 ? 2 : 1) : 2;
    if (box.gutter > box.r.w - 1)
        box.gutter = box.r.w > 1 ? box.r.w - 1 : 0;
    box.width = box.r.w > box.gutter ? (size_t)(box.r.w - box.gutter) : 1;
    return box;
}

struct doc_at view_doc_start(const struct doc *d, const struct view_scroll *s,
                             const struct doc_box *box)
{
    struct doc_at bottom = doc_bottom(d, (size_t)box->r.h, box->width);
    struct doc_at at = doc_locate(d, s->top, s->row, box->width);
    return doc_compare(at, bottom) > 0 ? bottom : at;
}

/* What the drawing of one document has at hand. */
struct pen {
    const struct view *v;
    struct doc_view *d;
    const struct doc_box *box;
    enum view_pane pane;
    const struct state_run *run;
    struct doc_seen *seen;
    struct highlight_walk new_walk, base_walk;
    bool walk_new, walk_base;
    struct diff_marks marks; /* of the entry at hand */
    bool has_marks;
    int y;
};

static const struct state_finding *worst_finding(const struct state_run *run, uint32_t line)
{
    const struct state_finding *worst = NULL;
    for (size_t i = 0; run && i < run->finding_count; i++)
        if (run->findings[i].line == line &&
            (!worst || run->findings[i].severity > worst->severity))
            worst = &run->findings[i];
    return worst;
}

enum style_role view_severity_role(enum finding_severity s)
{
    return s == SEVERITY_HIGH ? ROLE_BAD : s == SEVERITY_MEDIUM ? ROLE_WAIT : ROLE_INFO;
}

/* `+`/`−` in the first column, findings and flags in the second, then the line number. */
static void draw_gutter(const struct pen *p, const struct doc_entry *e, bool first)
{
    const struct view *v = p->v;
    int x = p->box->r.x, end = x + p->box->gutter;
    const struct state_finding *f = NULL;
    bool code = p->box->number_width > 0;
    if (code && (e->kind == DOC_SAME || e->kind == DOC_ADD))
        f = worst_finding(p->run, e->line);
    if (e->kind == DOC_ADD)
        grid_put_text(v->g, x, p->y, end, "+", STYLE(ROLE_ADD));
    else if (e->kind == DOC_DEL)
        grid_put_text(v->g, x, p->y, end, SYM(v, SYM_MINUS), STYLE(ROLE_DEL));
    else if (f && f->severity == SEVERITY_HIGH)
        grid_put_text(v->g, x, p->y, end, "!", STYLE(ROLE_BAD));
    if (!code)
        return;
    if (f)
        grid_put_text(v->g, x + 1, p->y, end, "!", STYLE(view_severity_role(f->severity)));
    else if (e->kind != DOC_EXTRA && e->kind != DOC_BLANKS && text_line_is_flagged(e->p, e->len))
        grid_put_text(v->g, x + 1, p->y, end, "?", STYLE(ROLE_HIDDEN));
    int nx = x + 2, w = p->box->number_width;
    if (!first)
        grid_put_text(v->g, nx + w - 1, p->y, end, SYM(v, SYM_WRAP), STYLE(ROLE_GUTTER));
    else if (e->kind == DOC_EXTRA)
        grid_put_text(v->g, nx + w - 1, p->y, end, "+", STYLE(ROLE_GUTTER));
    else
        grid_put_format(v->g, nx, p->y, end, STYLE(ROLE_GUTTER), "%*u", w, e->line);
}

static bool in_spans(const struct diff_span *s, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        if (at >= s[i].start && at < s[i].start + s[i].len)
            return true;
    return false;
}

static void load_marks(struct pen *p, const struct doc_entry *e)
{
    if (p->has_marks)
        diff_marks_release(&p->marks);
    p->has_marks = false;
    if (e->pair == 0 || p->v->vm->no_word_marks || e->len > 4096)
        return;
    const struct doc_entry *o = &p->d->doc.entries[e->pair - 1];
    if (o->len > 4096)
        return;
    const struct doc_entry *a = e->kind == DOC_DEL ? e : o, *b = e->kind == DOC_DEL ? o : e;
    diff_words(&p->marks, a->p, a->len, b->p, b->len);
    p->has_marks = true;
}

static enum style_role code_role(struct pen *p, const struct doc_entry *e, size_t offset)
{
    bool base = e->kind == DOC_DEL;
    struct highlight_walk *w = base ? &p->base_walk : &p->new_walk;
    bool *on = base ? &p->walk_base : &p->walk_new;
    const struct doc *d = &p->d->doc;
    const char *text = base ? d->base : d->text;
    if (!*on) {
        highlight_seek(w, base ? &p->d->base_colors : &p->d->code_colors, text,
                       base ? d->base_len : d->len, e->line - 1);
        *on = true;
    }
    return highlight_role(w, (size_t)(e->p - text) + offset);
}

static struct style glyph_style(struct pen *p, const struct doc_entry *e,
                                const struct text_glyph *g)
{
    if (e->kind == DOC_EXTRA)
        return STYLE(ROLE_TEXT);
    if (p->has_marks) {
        bool del = e->kind == DOC_DEL;
        if (in_spans(del ? p->marks.a : p->marks.b, del ? p->marks.a_count : p->marks.b_count,
                     g->start))
            return STYLE(del ? ROLE_DEL_WORD : ROLE_ADD_WORD);
    }
    if (e->kind == DOC_DEL)
        return STYLE(ROLE_DEL);
    return STYLE(p->d->colored ? code_role(p, e, g->start) : ROLE_TEXT);
}

/* Search hits and the selection lie over everything else. */
void view_paint_hits(const struct view *v, enum view_pane pane, struct rect row, const char *text,
                     size_t len, uint64_t anchor, const int *xs, size_t n)
{
    const struct view_model *vm = v->vm;
    const struct view_select *sel = &vm->select;
    if (sel->pane == pane) {
        uint64_t lo = sel->anchor < sel->cursor ? sel->anchor : sel->cursor,
                 hi = sel->anchor < sel->cursor ? sel->cursor : sel->anchor;
        if (anchor >= lo && anchor <= hi)
            grid_paint(v->g, row, STYLE(ROLE_SELECT));
    }
    if (!vm->search.text || !vm->search.text[0] || vm->search.pane != pane || n == 0)
        return;
    size_t needle = strlen(vm->search.text), first = v->glyphs[0].start,
           last = v->glyphs[n - 1].start;
    for (size_t at = first > needle ? first - needle : 0; at < len && at <= last;) {
        size_t hit = view_find(text + at, len - at, vm->search.text, needle);
        if (hit == SIZE_MAX)
            break;
        at += hit;
        for (size_t i = 0; i < n; i++) {
            const struct text_glyph *g = &v->glyphs[i];
            if (g->start >= at && g->start < at + needle)
                grid_paint(v->g, (struct rect){ xs[i], row.y, g->width, 1 }, STYLE(ROLE_HIT));
        }
        at += needle;
    }
}

/* The finding's words behind its line, where there is room; the gate has all of them in full. */
static void draw_note(const struct pen *p, const struct doc_entry *e, int x)
{
    const struct view *v = p->v;
    int end = p->box->r.x + p->box->r.w;
    const struct state_finding *f = worst_finding(p->run, e->line);
    if (!f || e->kind == DOC_DEL || e->kind == DOC_EXTRA || end - x < 24)
        return;
    char text[256];
    snprintf(text, sizeof text, "%s %s %s", SYM(v, SYM_POINT), severity_name(f->severity), f->text);
    int need = (int)text_width(text, strlen(text), TEXT_PROSE);
    int from = end - need - 1 > x + 3 ? end - need - 1 : x + 3;
    grid_put_fit(v->g, from, p->y, end, text, STYLE(view_severity_role(f->severity)));
}

static void saw(struct doc_seen *s, size_t from, size_t to)
{
    if (!s->any) {
        s->any = true;
        s->from = from;
        s->to = from;
    }
    if (to > s->to)
        s->to = to;
}

/* Bytes of the new text this row shows whole. */
static void note_seen(struct pen *p, const struct doc_entry *e, const struct text_iter *before,
                      size_t n, bool last)
{
    const struct doc *d = &p->d->doc;
    struct doc_seen *s = p->seen;
    if (e->kind == DOC_DEL)
        return;
    if (e->kind == DOC_EXTRA) {
        size_t index = 0;
        while (e - index > d->entries && (e - index - 1)->kind == DOC_EXTRA)
            index++;
        if (last)
            saw(s, d->len + index, d->len + index + 1);
        return;
    }
    if (!s->any)
        s->first_line = e->line;
    s->last_line = e->line;
    size_t from = e->anchor + (before->pending_len ? before->pending_end : before->pos), to = from;
    for (size_t i = 0; i < n; i++)
        if (p->v->glyphs[i].end > p->v->glyphs[i].start && e->anchor + p->v->glyphs[i].end > to)
            to = e->anchor + p->v->glyphs[i].end;
    if (last)
        to = e->anchor + e->len + e->lf;
    saw(s, from, to);
}

static void draw_counted(struct pen *p, const struct doc_entry *e)
{
    const struct view *v = p->v;
    int x = p->box->r.x + p->box->gutter, end = p->box->r.x + p->box->r.w;
    if (e->kind == DOC_BLANKS) {
        draw_gutter(p, e, true);
        grid_put_format(v->g, x, p->y, end, STYLE(ROLE_BLANK), "<%u blank lines>", e->count);
        if (!p->seen->any)
            p->seen->first_line = e->line;
        p->seen->last_line = e->line + e->count - 1;
        size_t bytes = 0; /* empty lines: one LF each, the last may lack it */
        while (bytes < e->count && e->anchor + bytes < p->d->doc.len)
            bytes++;
        saw(p->seen, e->anchor, e->anchor + bytes);
    } else {
        grid_put_format(v->g, x, p->y, end, STYLE(ROLE_DIM), "%s %u lines the same",
                        SYM(v, SYM_MORE), e->count);
        p->seen->last_line = e->line + e->count - 1;
    }
    p->y++;
}

/* A line of blanks only, among many: said in words, or code behind it may be overlooked. */
static bool draw_blank_line(struct pen *p, const struct doc_entry *e)
{
    if (!e->blank || e->len == 0 || memchr(e->p, '\t', e->len) || memchr(e->p, '\r', e->len))
        return false;
    int x = p->box->r.x + p->box->gutter, end = p->box->r.x + p->box->r.w;
    draw_gutter(p, e, true);
    grid_put_format(p->v->g, x, p->y, end, STYLE(ROLE_BLANK), "<%zu spaces>", e->len);
    struct text_iter whole = { 0 };
    note_seen(p, e, &whole, 0, true);
    p->y++;
    return true;
}

static void draw_entry(struct pen *p, const struct doc_entry *e, size_t skip)
{
    const struct view *v = p->v;
    int bottom = p->box->r.y + p->box->r.h, end = p->box->r.x + p->box->r.w;
    int *xs = xcalloc(v->glyph_max, sizeof *xs);
    struct text_iter it;
    bool more = true;
    text_begin(&it, e->p, e->len, p->d->doc.mode, e->lf);
    it.ascii = v->g->ascii;
    (void)text_skip_rows(&it, p->box->width, skip);
    load_marks(p, e);
    for (bool first = skip == 0; more && p->y < bottom; first = false) {
        struct text_iter before = it;
        int x = p->box->r.x + p->box->gutter;
        size_t n = text_row(&it, p->box->width, v->glyphs, v->glyph_max, &more);
        draw_gutter(p, e, first);
        for (size_t i = 0; i < n; i++) {
            xs[i] = x;
            x = grid_put_glyph(v->g, x, p->y, end, &v->glyphs[i], glyph_style(p, e, &v->glyphs[i]));
        }
        if (e->kind != DOC_DEL)
            view_paint_hits(v, p->pane, (struct rect){ p->box->r.x, p->y, p->box->r.w, 1 }, e->p,
                            e->len, e->anchor, xs, n);
        note_seen(p, e, &before, n, !more);
        if (!more && p->run && p->box->number_width)
            draw_note(p, e, x);
        p->y++;
    }
    free(xs);
}

void view_draw_doc(const struct view *v, struct doc_view *d, const struct doc_box *box,
                   enum view_pane pane, const struct state_run *run, struct doc_seen *seen)
{
    struct pen p = {
        .v = v, .d = d, .box = box, .pane = pane, .run = run, .seen = seen, .y = box->r.y
    };
    struct doc_at at = view_doc_start(&d->doc, &v->vm->scroll[pane], box);
    int bottom = box->r.y + box->r.h;
    memset(seen, 0, sizeof *seen);
    for (; at.entry < d->doc.count && p.y < bottom; at.entry++, at.row = 0) {
        const struct doc_entry *e = &d->doc.entries[at.entry];
        if (e->kind == DOC_BLANKS || e->kind == DOC_FOLD)
            draw_counted(&p, e);
        else if (!draw_blank_line(&p, e))
            draw_entry(&p, e, at.row);
    }
    struct doc_at end = doc_bottom(&d->doc, (size_t)box->r.h, box->width);
    at = view_doc_start(&d->doc, &v->vm->scroll[pane], box);
    seen->at_end = doc_compare(at, end) >= 0;
    if (p.has_marks)
        diff_marks_release(&p.marks);
}
