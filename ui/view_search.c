/* view_search.c - searching a pane, copying from it, and what of the gate's code was seen. */
#include "ui/view_int.h"

#include <string.h>

/* ---- search ---- */

/* Last hit that begins before `end`. */
static size_t find_last(const char *hay, size_t len, const char *needle, size_t n, size_t end)
{
    size_t last = SIZE_MAX;
    for (size_t at = 0; at < len;) {
        size_t hit = view_find(hay + at, len - at, needle, n);
        if (hit == SIZE_MAX || at + hit >= end)
            break;
        last = at + hit;
        at += hit + 1;
    }
    return last;
}

static enum view_found found_at(struct view_model *vm, uint64_t hit)
{
    vm->search.found = true;
    vm->search.scanning = false;
    vm->search.hit = hit;
    return VIEW_FOUND;
}

/* Put the line with the hit a third down the pane. */
static void scroll_doc_to(struct view_scroll *s, const struct doc *d, const struct doc_box *box,
                          uint64_t hit)
{
    struct doc_at at = doc_locate(d, hit, 0, box->width);
    while (at.entry + 1 < d->count && d->entries[at.entry].kind == DOC_DEL)
        at.entry++;
    if (at.entry < d->count && d->entries[at.entry].anchor < hit) {
        const struct doc_entry *e = &d->entries[at.entry];
        struct text_iter it;
        size_t row = 0;
        text_begin(&it, e->p, e->len, d->mode, e->lf);
        while (text_skip_rows(&it, box->width, 1) && e->anchor + it.pos <= hit)
            row++;
        at = doc_move(d, at, (long)row, box->width);
    }
    at = doc_move(d, at, -(long)(box->r.h / 3), box->width);
    doc_place(d, at, box->width, &s->top, &s->row);
}

static enum view_found search_doc(struct view_model *vm, struct doc_view *d,
                                  const struct doc_box *box, int dir)
{
    struct view_search *q = &vm->search;
    size_t n = strlen(q->text), hit;
    const struct doc *doc = &d->doc;
    uint64_t from = q->found ? q->hit + (dir > 0) : vm->scroll[q->pane].top;
    if (dir > 0) {
        size_t at = from < doc->len ? (size_t)from : doc->len;
        hit = view_find(doc->text + at, doc->len - at, q->text, n);
        hit = hit == SIZE_MAX ? hit : at + hit;
    } else {
        hit = find_last(doc->text, doc->len, q->text, n, from < doc->len ? (size_t)from : doc->len);
    }
    if (hit == SIZE_MAX)
        return VIEW_NOT_FOUND;
    scroll_doc_to(&vm->scroll[q->pane], doc, box, hit);
    return found_at(vm, hit);
}

static void scroll_lines_to(struct view_model *vm, struct lines *ln, uint64_t hit, struct rect r)
{
    enum text_mode mode = vm->raw ? TEXT_CODE : TEXT_OUTPUT;
    size_t width = r.w > 1 ? (size_t)r.w - 1 : 1;
    struct view_scroll *s = &vm->scroll[vm->search.pane];
    struct line_at at = { lines_start(ln, hit), 0 };
    struct piece p;
    if (lines_get(ln, at.offset, &p)) {
        struct text_iter it;
        text_begin(&it, p.p, p.len, mode, p.lf);
        while (text_skip_rows(&it, width, 1) && at.offset + it.pos <= hit)
            at.row++;
    }
    at = lines_move(ln, at, -(long)(r.h / 3), width, mode);
    s->top = at.offset;
    s->row = (uint32_t)at.row;
    s->follow = false;
}

/* Forward or backward by chunks that overlap by the length of what is looked for. */
static enum view_found search_lines(const struct state_run *run, struct view_model *vm,
                                    struct rect r, unsigned stream, int dir, size_t budget)
{
    struct view_search *q = &vm->search;
    size_t n = strlen(q->text), used = 0;
    uint64_t bytes = run->out[stream].bytes,
             at = q->found ? q->hit + (dir > 0) : vm->scroll[q->pane].top;
    enum view_found rc = VIEW_NOT_FOUND;
    struct lines ln;
    if (!q->found && vm->scroll[q->pane].follow && dir < 0)
        at = bytes;
    if (q->scanning)
        at = q->scan;
    q->scanning = false;
    lines_open(&ln, &run->out[stream], &vm->source, run->number, stream);
    while (dir > 0 ? at < bytes : at > 0) {
        uint64_t from = dir > 0 ? at : at > LINES_PIECE ? at - LINES_PIECE : 0;
        size_t len = (size_t)LINES_PIECE + n - 1;
        if (used > budget) {
            q->scanning = true;
            q->scan = at;
            rc = VIEW_MORE;
            break;
        }
        const char *p = lines_bytes(&ln, from, &len);
        if (len == 0)
            break;
        size_t hit = dir > 0 ? view_find(p, len, q->text, n)
                             : find_last(p, len, q->text, n, (size_t)(at - from));
        if (hit != SIZE_MAX) {
            rc = found_at(vm, from + hit);
            scroll_lines_to(vm, &ln, q->hit, r);
            break;
        }
        used += len;
        at = dir > 0 ? from + LINES_PIECE : from;
    }
    lines_close(&ln);
    return rc;
}

static bool run_matches(const struct state_run *r, const char *text)
{
    size_t n = strlen(text);
    struct run_words w;
    view_run_words(r, &w);
    if (view_find(r->purpose, strlen(r->purpose), text, n) != SIZE_MAX)
        return true;
    if (view_find(w.text, strlen(w.text), text, n) != SIZE_MAX)
        return true;
    return view_find(r->code, r->code_len, text, n) != SIZE_MAX;
}

/* Down the list is back in time. */
static enum view_found search_runs(const struct state *st, struct view_model *vm, int w, int h,
                                   int dir)
{
    const struct state_run *now = view_run(st, vm);
    long number = now ? (long)now->number : (long)st->run_count + 1;
    for (number -= dir; number >= 1 && number <= (long)st->run_count; number -= dir)
        if (run_matches(st->runs[number - 1], vm->search.text)) {
            long here = now ? (long)now->number : (long)st->run_count;
            view_move(st, vm, w, h, PANE_TIMELINE, number < here ? MOVE_DOWN : MOVE_UP,
                      (int)(number < here ? here - number : number - here));
            return found_at(vm, (uint64_t)number);
        }
    return VIEW_NOT_FOUND;
}

enum view_found view_search(const struct state *st, struct view_model *vm, int w, int h, int dir,
                            size_t budget)
{
    struct view_search *q = &vm->search;
    struct layout l;
    enum view_found rc = VIEW_NOT_FOUND;
    if (!q->text || !q->text[0])
        return rc;
    view_layout(st, vm, w, h, &l);
    if (vm->screen == SCREEN_HELP)
        return view_search_help(vm, rect_inner(view_full_rect(st, &l)), dir);
    if (q->pane == PANE_TIMELINE)
        return search_runs(st, vm, w, h, dir);
    if (q->pane == PANE_CODE || q->pane == PANE_GATE) {
        q->pane = PANE_CODE;
        struct doc_view *d = view_get_code(st, vm);
        if (!d)
            return rc;
        struct doc_box box = view_doc_box(&l, PANE_CODE, &d->doc, true);
        rc = search_doc(vm, d, &box, dir);
        view_put_doc(vm, d);
        return rc;
    }
    const struct state_run *run = view_output_run(st, vm);
    if ((q->pane != PANE_OUT && q->pane != PANE_ERR) || !run)
        return rc;
    struct rect r = view_output_rect(st, vm, &l, q->pane);
    struct doc_view *d = view_get_output_diff(st, vm, q->pane);
    if (d) {
        struct doc_box box = view_doc_box(&l, q->pane, &d->doc, false);
        box.r = r;
        rc = search_doc(vm, d, &box, dir);
        view_put_doc(vm, d);
        return rc;
    }
    return search_lines(run, vm, r, q->pane == PANE_ERR ? STREAM_STDERR : STREAM_STDOUT, dir,
                        budget);
}

/* ---- copying ---- */

/* What the pane shows, without its frame; blanks at line ends go. */
static int copy_shown(const struct state *st, const struct view_model *vm, int w, int h,
                      enum view_pane pane, struct buf *out)
{
    struct view_info info;
    struct grid g;
    int rc = 0;
    grid_init(&g, w, h);
    view_draw(st, vm, &g, &info);
    struct rect r = layout_inner(&info.layout, pane);
    for (int y = r.y; y < r.y + r.h && rc == 0; y++) {
        size_t line = out->len, end = line;
        for (int x = r.x; x < r.x + r.w && rc == 0; x++) {
            uint32_t cps[1 + TEXT_MARKS_MAX];
            const struct cell *c = grid_at(&g, x, y);
            size_t n = c ? grid_cell_text(&g, c, cps) : 0;
            for (size_t i = 0; i < n; i++)
                rc |= text_add_cp(out, cps[i]);
            if (n && cps[0] != ' ')
                end = out->len;
        }
        buf_truncate(out, end);
        rc |= buf_add_char(out, '\n');
    }
    grid_release(&g);
    return rc;
}

static int copy_bytes(struct lines *ln, uint64_t from, uint64_t to, enum text_mode mode,
                      struct buf *out)
{
    struct piece p;
    while (from <= to && lines_get(ln, from, &p)) {
        if (text_clean(out, p.p, p.len, mode, p.lf, false) < 0)
            return -1;
        if (p.lf && buf_add_char(out, '\n') < 0)
            return -1;
        from = p.next;
    }
    return 0;
}

static int copy_selected(const struct state *st, const struct view_model *vm, struct buf *out)
{
    const struct view_select *sel = &vm->select;
    uint64_t from = sel->anchor < sel->cursor ? sel->anchor : sel->cursor,
             to = sel->anchor < sel->cursor ? sel->cursor : sel->anchor;
    struct doc_view *d =
        sel->pane == PANE_CODE ? view_get_code(st, vm) : view_get_output_diff(st, vm, sel->pane);
    int rc = 0;
    if (d) {
        const char *lf = to < d->doc.len ? memchr(d->doc.text + to, '\n', d->doc.len - to) : NULL;
        size_t end = lf ? (size_t)(lf - d->doc.text) + 1 : d->doc.len;
        if (from < end)
            rc = text_clean_lines(out, d->doc.text + from, end - from, d->doc.mode, false);
        view_put_doc(vm, d);
        return rc;
    }
    const struct state_run *run = view_output_run(st, vm);
    unsigned stream = sel->pane == PANE_ERR ? STREAM_STDERR : STREAM_STDOUT;
    if (!run)
        return 0;
    struct lines ln;
    lines_open(&ln, &run->out[stream], &vm->source, run->number, stream);
    rc = copy_bytes(&ln, from, to, vm->raw ? TEXT_CODE : TEXT_OUTPUT, out);
    lines_close(&ln);
    return rc;
}

int view_copy(const struct state *st, const struct view_model *vm, int w, int h,
              enum view_pane pane, struct buf *out)
{
    if (vm->select.pane != PANE_PROMPT && vm->select.pane == pane)
        return copy_selected(st, vm, out);
    return copy_shown(st, vm, w, h, pane, out);
}

/* ---- coverage ---- */

size_t view_gate_units(const struct state_run *run, size_t attachments)
{
    return run->code_len + attachments;
}

static bool unit_seen(const struct gate *g, size_t i)
{
    return i < g->line_count && (g->seen[i / 8] >> (i % 8) & 1);
}

/* First unit in [from, to) that was not seen, or `to`. */
static size_t first_unseen(const struct gate *g, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        while (i % 8 == 0 && i + 8 <= to && i + 8 <= g->line_count && g->seen[i / 8] == 0xff)
            i += 8;
        if (i >= to || !unit_seen(g, i))
            return i < to ? i : to;
    }
    return to;
}

void view_gate_lines(const struct gate *gate, const struct state_run *run, size_t attachments,
                     size_t *seen, size_t *total)
{
    *seen = *total = 0;
    if (!gate->seen)
        return;
    for (size_t at = 0; at < run->code_len;) {
        const char *lf = memchr(run->code + at, '\n', run->code_len - at);
        size_t end = lf ? (size_t)(lf - run->code) + 1 : run->code_len;
        *seen += first_unseen(gate, at, end) == end;
        ++*total;
        at = end;
    }
    for (size_t i = 0; i < attachments; i++) {
        *seen += unit_seen(gate, run->code_len + i);
        ++*total;
    }
}

void view_goto_unseen(const struct state *st, struct view_model *vm, int w, int h)
{
    const struct gate *g = vm->gate.gate;
    const struct state_run *run = view_run(st, vm);
    struct layout l;
    if (!g || !g->seen || !run || !view_code_is_gates(st, vm))
        return;
    size_t at = first_unseen(g, 0, g->line_count);
    struct doc_view *d = at < g->line_count ? view_get_code(st, vm) : NULL;
    if (!d)
        return;
    view_layout(st, vm, w, h, &l);
    struct doc_box box = view_doc_box(&l, PANE_CODE, &d->doc, true);
    box.r.h = 0; /* to the top, not a third down: as much new as can be */
    if (at < run->code_len)
        scroll_doc_to(&vm->scroll[PANE_CODE], &d->doc, &box, at);
    else
        vm->scroll[PANE_CODE].top = d->doc.len + (at - run->code_len);
    view_put_doc(vm, d);
}
