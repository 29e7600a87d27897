/* view_output.c - stdout and stderr of a run: the stream itself, raw, or compared with the run
 * before. */
#include "ui/view_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPARE_MAX ((size_t)1 << 20) /* of each side; more is not compared, and that is said */

static unsigned stream_of(enum view_pane pane)
{
    return pane == PANE_ERR ? STREAM_STDERR : STREAM_STDOUT;
}

/* ---- the compared form ---- */

/* The first COMPARE_MAX bytes, through the masks. */
static void take_output(const struct view_model *vm, const struct state_run *r, unsigned stream,
                        struct buf *out, bool *cut)
{
    struct lines ln;
    struct piece p;
    lines_open(&ln, &r->out[stream], &vm->source, r->number, stream);
    uint64_t at = 0;
    while (at < COMPARE_MAX && lines_get(&ln, at, &p)) {
        if (vm->masks.apply)
            vm->masks.apply(vm->masks.arg, p.p, p.len, out);
        else
            (void)buf_add(out, p.p, p.len);
        if (p.lf)
            (void)buf_add_char(out, '\n');
        at = p.next;
    }
    *cut = at < r->out[stream].bytes;
    lines_close(&ln);
}

static struct doc_view *build_output_diff(const struct view_model *vm, const struct state_run *r,
                                          const struct state_run *b, unsigned stream,
                                          struct doc_view *d)
{
    struct buf now = BUF_INIT(4 * COMPARE_MAX), then = BUF_INIT(4 * COMPARE_MAX);
    bool cut_now, cut_then;
    take_output(vm, r, stream, &now, &cut_now);
    take_output(vm, b, stream, &then, &cut_then);
    doc_build(&d->doc, buf_str(&now), now.len, buf_str(&then), then.len,
              vm->raw ? TEXT_CODE : TEXT_OUTPUT, true);
    d->doc.capped = d->doc.capped || cut_now || cut_then;
    buf_release(&now);
    buf_release(&then);
    return d;
}

struct doc_view *view_get_output_diff(const struct state *st, const struct view_model *vm,
                                      enum view_pane pane)
{
    const struct state_run *r = view_output_run(st, vm), *b = view_output_base(st, vm);
    unsigned stream = stream_of(pane);
    if (!r || !b || !view_output_is_compared(st, vm))
        return NULL;
    char key[160];
    snprintf(key, sizeof key, "%s|%u|%llu|%u|%llu|%s|%d", st->session, r->number,
             (unsigned long long)r->out[stream].bytes, b->number,
             (unsigned long long)b->out[stream].bytes,
             vm->masks.apply && vm->masks.names ? vm->masks.names : "", vm->raw);
    bool fresh;
    struct doc_view *d = view_doc_slot(vm, pane == PANE_ERR ? SLOT_ERR : SLOT_OUT, key, &fresh);
    return fresh ? build_output_diff(vm, r, b, stream, d) : d;
}

/* ---- titles ---- */

static void add_end(const struct view *v, struct title *t, const struct state_run *r)
{
    struct run_words w;
    view_run_words(r, &w);
    if (r->status == RUN_FINISHED && r->end == END_EXIT && r->has_exit_code && r->exit_code != 0)
        title_add(t, w.role, "%s exit %d", SYM(v, w.glyph), r->exit_code);
    else
        title_add(t, w.role, "%s %s", SYM(v, w.glyph), w.text);
}

static void add_time(struct title *t, const struct state_run *r)
{
    char span[32];
    if (r->wall_ms > 0) {
        view_span(r->wall_ms, span, sizeof span);
        title_add(t, ROLE_DIM, "%s", span);
    }
}

/* Text in it that speaks to the model: where it is, first of all. Results, variables and files are
 * told of in the out pane. */
static void add_flags(struct title *t, enum view_pane pane, const struct state_run *r)
{
    const struct state_flag *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < r->flag_count; i++) {
        const struct state_flag *f = &r->flags[i];
        if ((strcmp(f->stream, "stderr") == 0) != (pane == PANE_ERR))
            continue;
        if (count++ == 0 || f->severity > first->severity)
            first = f;
    }
    if (count == 0)
        return;
    bool stream = strncmp(first->stream, "std", 3) == 0;
    char where[120];
    state_flag_where(first, 0, where, sizeof where);
    char more[24] = "";
    if (count > 1)
        snprintf(more, sizeof more, " +%zu", count - 1);
    title_add(t, view_severity_role(first->severity), "! %s%s",
              stream ? where + strlen(first->stream) + 1 : where, more);
}

/* What it reached for outside: so many let through of so many. The notes say what. */
static void add_net(struct title *t, const struct state_run *r)
{
    unsigned long long asked = r->net_asked, refused = r->net_refused;
    if (refused > 0)
        title_add(t, ROLE_BAD, "net %llu/%llu", asked - refused, asked);
    else if (asked > 0)
        title_add(t, ROLE_WAIT, "net %llu", asked);
}

/* A model gets head and tail of it; the person sees all of it here. */
static bool is_clipped(const struct view *v, enum view_pane pane, const struct state_run *r)
{
    return v->vm->planner_model && !r->own && r->twin_of == 0 && r->status == RUN_FINISHED &&
           r->out[stream_of(pane)].bytes > 2 * STATE_OBSERVE_CLIP;
}

static void output_title(const struct view *v, enum view_pane pane, const struct state_run *r,
                         const struct title *extra)
{
    struct title t = { 0 };
    const struct state_run *code = view_run(v->st, v->vm);
    if (r) {
        bool other = !code || code->number != r->number;
        if (other)
            title_add(&t, ROLE_WAIT, "of run %u", r->number);
        if (is_clipped(v, pane, r))
            title_add(&t, ROLE_WAIT, "model gets %zu kB", 2 * STATE_OBSERVE_CLIP >> 10);
        add_flags(&t, pane, r);
        if (pane == PANE_OUT || v->l->pane[PANE_OUT].w == 0) {
            add_net(&t, r);
            add_end(v, &t, r);
        }
        const struct state_output *o = &r->out[stream_of(pane)];
        uint64_t lines = o->newlines + (o->bytes > 0 && !o->ends_in_newline);
        if (pane == PANE_ERR && o->bytes)
            title_add(&t, ROLE_TEXT, lines == 1 ? "1 line" : "%llu lines",
                      (unsigned long long)lines);
        if (pane == PANE_OUT && v->l->pane[PANE_ERR].w == 0 && r->out[STREAM_STDERR].bytes)
            title_add(&t, ROLE_WAIT, "4 Err %llu lines",
                      (unsigned long long)r->out[STREAM_STDERR].newlines);
    }
    for (size_t i = 0; i < extra->count; i++)
        title_add(&t, extra->piece[i].role, "%s", extra->piece[i].text);
    if (r && pane == PANE_OUT)
        add_time(&t, r);
    snprintf(t.right, sizeof t.right, "%s", extra->right);
    view_title(v, pane, &t);
}

/* ---- contents ---- */

/* The gravest flag of what begins in [from, to) of the stream; NULL none. */
static const struct state_flag *flag_in(const struct state_run *run, enum view_pane pane,
                                        uint64_t from, uint64_t to)
{
    const char *stream = pane == PANE_ERR ? "stderr" : "stdout";
    const struct state_flag *worst = NULL;
    for (size_t i = 0; i < run->flag_count; i++) {
        const struct state_flag *f = &run->flags[i];
        if (strcmp(f->stream, stream) == 0 && f->offset >= from && f->offset < to &&
            (worst == NULL || f->severity > worst->severity))
            worst = f;
    }
    return worst;
}

/* In the column before the text: this line speaks to the model. */
static void draw_flag(const struct view *v, struct rect r, int y, const struct state_flag *f)
{
    if (f != NULL && y < r.y + r.h)
        grid_put_text(v->g, r.x, y, r.x + 1, "!", STYLE(view_severity_role(f->severity)));
}

/* One piece from its `row` on; returns the y behind it. */
static int draw_piece(const struct view *v, enum view_pane pane, struct rect r, int y,
                      const struct piece *p, size_t row, enum text_mode mode)
{
    struct text_iter it;
    bool more = true;
    int *xs = xcalloc(v->glyph_max, sizeof *xs), end = r.x + r.w;
    text_begin(&it, p->p, p->len, mode, p->lf);
    it.ascii = v->g->ascii;
    (void)text_skip_rows(&it, (size_t)r.w - 1, row);
    while (more && y < r.y + r.h) {
        size_t n = text_row(&it, (size_t)r.w - 1, v->glyphs, v->glyph_max, &more);
        int x = r.x + 1;
        for (size_t i = 0; i < n; i++) {
            xs[i] = x;
            x = grid_put_glyph(v->g, x, y, end, &v->glyphs[i], STYLE(ROLE_TEXT));
        }
        view_paint_hits(v, pane, (struct rect){ r.x, y, r.w, 1 }, p->p, p->len, p->start, xs, n);
        y++;
    }
    free(xs);
    return y;
}

static void draw_stream(const struct view *v, enum view_pane pane, struct rect r,
                        const struct state_run *run, struct title *t)
{
    const struct state_output *o = &run->out[stream_of(pane)];
    const struct view_scroll *s = &v->vm->scroll[pane];
    enum text_mode mode = v->vm->raw ? TEXT_CODE : TEXT_OUTPUT;
    size_t width = r.w > 1 ? (size_t)r.w - 1 : 1;
    struct lines ln;
    struct piece p;
    if (o->dropped && r.h > 1) {
        r.h--;
        grid_put_format(v->g, r.x + 1, r.y + r.h, r.x + r.w, STYLE(ROLE_WAIT),
                        "truncated +%llu bytes (output_mib)", (unsigned long long)o->dropped);
    }
    lines_open(&ln, o, &v->vm->source, run->number, stream_of(pane));
    struct line_at at = view_lines_start(&ln, s, (size_t)r.h, width, mode);
    uint64_t first = lines_number(&ln, at.offset), next = at.offset, last_start = next;
    int y = r.y;
    size_t row = at.row;
    while (y < r.y + r.h && lines_get(&ln, next, &p)) {
        last_start = p.start;
        draw_flag(v, r, y, flag_in(run, pane, p.start, p.next));
        y = draw_piece(v, pane, r, y, &p, row, mode);
        next = p.next;
        row = 0;
    }
    struct line_at bottom = lines_bottom(&ln, (size_t)r.h, width, mode);
    bool at_end = at.offset > bottom.offset || (at.offset == bottom.offset && at.row >= bottom.row);
    uint64_t total = o->newlines + (o->bytes > 0 && !o->ends_in_newline),
             last = lines_number(&ln, last_start);
    if (ln.broken)
        grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w, "[output can't be read]", STYLE(ROLE_BAD));
    else if (!at_end || first > 0)
        title_right(t, "%llu-%llu/%llu", (unsigned long long)first + 1,
                    (unsigned long long)last + 1, (unsigned long long)total);
    v->info->at_end[pane] = at_end;
    v->info->rows[pane] = total;
    lines_close(&ln);
}

static bool draw_compared(const struct view *v, enum view_pane pane, struct rect r, struct title *t)
{
    struct doc_view *d = view_get_output_diff(v->st, v->vm, pane);
    const struct state_run *b = view_output_base(v->st, v->vm);
    if (!d)
        return false;
    struct doc_box box = view_doc_box(v->l, pane, &d->doc, false);
    struct doc_seen seen;
    box.r = r;
    view_draw_doc(v, d, &box, pane, NULL, &seen);
    if (d->doc.added + d->doc.deleted)
        title_add(t, ROLE_TEXT, "%s%u: +%zu %s%zu", SYM(v, SYM_DELTA), b->number, d->doc.added,
                  SYM(v, SYM_MINUS), d->doc.deleted);
    else
        title_add(t, ROLE_TEXT, "the same as run %u", b->number);
    if (d->doc.capped)
        title_add(t, ROLE_WAIT, "the first MiB, roughly");
    if (v->vm->masks.apply && v->vm->masks.names && v->vm->masks.names[0])
        title_add(t, ROLE_DIM, "masks: %s", v->vm->masks.names);
    v->info->at_end[pane] = seen.at_end;
    v->info->rows[pane] = d->doc.count;
    view_put_doc(v->vm, d);
    return true;
}

struct rect view_output_rect(const struct state *st, const struct view_model *vm,
                             const struct layout *l, enum view_pane pane)
{
    struct rect r = layout_inner(l, pane);
    if (pane == PANE_OUT)
        r.h -= view_result_rows(st, vm, r);
    return r;
}

static const char *nothing(const struct view *v, const struct state_run *r, enum view_pane pane)
{
    if (!r)
        return v->st->gate.open ? "nothing has run yet" : "";
    if (r->status == RUN_RUNNING && !r->cut_off)
        return pane == PANE_OUT ? "running, nothing written yet" : "";
    return pane == PANE_OUT && r->result_count == 0 ? "nothing was written" : "";
}

/* How much of `text` goes into a row: up to a blank, if there is one. */
static size_t row_length(const char *text, int width)
{
    size_t n = 0, blank = 0;
    while (text[n] != '\0') {
        size_t next = n + text_grapheme(text + n, strlen(text + n));
        if (text[n] == ' ')
            blank = n;
        if ((int)text_width(text, next, TEXT_PROSE) > width)
            return blank > 0 ? blank : n > 0 ? n : next;
        n = next;
    }
    return n;
}

/* Why it ended as it did, where the errors of the code would stand. */
static bool draw_message(const struct view *v, enum view_pane pane, struct rect r,
                         const struct state_run *run)
{
    const char *p = run->message;
    if (pane != PANE_ERR || run->status != RUN_FINISHED || p == NULL || p[0] == '\0')
        return false;
    for (int y = 0; y < r.h && p[0] != '\0'; y++) {
        size_t n = row_length(p, r.w - 1);
        grid_put_textn(v->g, r.x + 1, r.y + y, r.x + r.w, p, n,
                       STYLE(run->end == END_INTEGRITY ? ROLE_BAD : ROLE_WAIT));
        p += n + (p[n] == ' ');
    }
    return true;
}

void view_draw_output(const struct view *v, enum view_pane pane)
{
    const struct state_run *run = view_output_run(v->st, v->vm);
    struct rect inner = layout_inner(v->l, pane), r = view_output_rect(v->st, v->vm, v->l, pane);
    struct title t = { 0 };
    if (pane == PANE_OUT && run && r.h < inner.h)
        view_draw_results(v, (struct rect){ r.x, r.y + r.h, r.w, inner.h - r.h });
    if (run && v->vm->raw)
        title_add(&t, ROLE_INFO, "raw");
    if (r.h > 0 && r.w > 1) {
        bool drawn = run && draw_compared(v, pane, r, &t);
        if (!drawn && run && run->out[stream_of(pane)].bytes)
            draw_stream(v, pane, r, run, &t);
        else if (!drawn && (!run || !draw_message(v, pane, r, run)))
            grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w, nothing(v, run, pane), STYLE(ROLE_DIM));
    }
    output_title(v, pane, run, &t);
}
