/* view_move.c - scrolling, selecting runs and lines: pure changes of the model. */
#include "ui/view_int.h"

#include <string.h>

/* ---- what a move means ---- */

static long rows_of(enum view_move m, int height, int count)
{
    long page = height > 2 ? height - 1 : 1, half = height > 3 ? height / 2 : 1;
    switch (m) {
    case MOVE_UP:
        return -(long)count;
    case MOVE_DOWN:
        return count;
    case MOVE_PAGE_UP:
        return -page * count;
    case MOVE_PAGE_DOWN:
        return page * count;
    case MOVE_HALF_UP:
        return -half * count;
    case MOVE_HALF_DOWN:
        return half * count;
    case MOVE_TOP:
    case MOVE_BOTTOM:
    case MOVE_LEFT:
    case MOVE_RIGHT:
        break;
    }
    return 0;
}

static void move_doc(struct view_scroll *s, const struct doc *d, const struct doc_box *box,
                     enum view_move m, int count)
{
    struct doc_at at = view_doc_start(d, s, box),
                  bottom = doc_bottom(d, (size_t)box->r.h, box->width);
    if (m == MOVE_TOP)
        at = (struct doc_at){ 0, 0 };
    else if (m == MOVE_BOTTOM)
        at = bottom;
    else
        at = doc_move(d, at, rows_of(m, box->r.h, count), box->width);
    if (doc_compare(at, bottom) > 0)
        at = bottom;
    doc_place(d, at, box->width, &s->top, &s->row);
}

static void move_lines(const struct state_run *run, const struct view_model *vm,
                       struct view_scroll *s, struct rect r, unsigned stream, enum view_move m,
                       int count)
{
    enum text_mode mode = vm->raw ? TEXT_CODE : TEXT_OUTPUT;
    size_t width = r.w > 1 ? (size_t)r.w - 1 : 1, height = (size_t)(r.h > 0 ? r.h : 0);
    struct lines ln;
    lines_open(&ln, &run->out[stream], &vm->source, run->number, stream);
    struct line_at at = view_lines_start(&ln, s, height, width, mode),
                   bottom = lines_bottom(&ln, height, width, mode);
    if (m == MOVE_TOP)
        at = (struct line_at){ 0, 0 };
    else if (m == MOVE_BOTTOM)
        at = bottom;
    else
        at = lines_move(&ln, at, rows_of(m, r.h, count), width, mode);
    bool end = at.offset > bottom.offset || (at.offset == bottom.offset && at.row >= bottom.row);
    s->follow = end && m != MOVE_UP && m != MOVE_PAGE_UP && m != MOVE_HALF_UP && m != MOVE_TOP;
    s->top = end ? bottom.offset : at.offset;
    s->row = (uint32_t)(end ? bottom.row : at.row);
    lines_close(&ln);
}

/* An index of `count` items, moved and kept inside. */
static uint64_t move_index(uint64_t at, size_t count, enum view_move m, int height, int steps)
{
    int64_t to = (int64_t)at + rows_of(m, height, steps);
    if (m == MOVE_TOP || to < 0 || count == 0)
        return 0;
    if (m == MOVE_BOTTOM || to >= (int64_t)count)
        return count - 1;
    return (uint64_t)to;
}

/* The top row of something with `rows` rows. */
static uint64_t move_top(uint64_t top, uint64_t rows, enum view_move m, int height, int steps)
{
    uint64_t max = rows > (uint64_t)(height > 0 ? height : 0) ? rows - (uint64_t)height : 0;
    int64_t to = (int64_t)(top < max ? top : max) + rows_of(m, height, steps);
    if (m == MOVE_TOP || to < 0)
        return 0;
    return m == MOVE_BOTTOM || (uint64_t)to > max ? max : (uint64_t)to;
}

/* Rows of a pane that only drawing can tell. */
static uint64_t probe_rows(const struct state *st, const struct view_model *vm, int w, int h,
                           enum view_pane pane)
{
    struct view_info info;
    struct grid g;
    grid_init(&g, w, h);
    view_draw(st, vm, &g, &info);
    grid_release(&g);
    return info.rows[pane];
}

/* ---- the panes ---- */

static void show_run(const struct state *st, struct view_model *vm, uint32_t run)
{
    static const enum view_pane panes[] = { PANE_CODE, PANE_OUT, PANE_ERR, PANE_STATE,
                                            PANE_RECORD };
    vm->run = run >= st->run_count ? 0 : run; /* the newest is also what follows */
    vm->select.pane = PANE_PROMPT;
    vm->show_result = false;
    vm->result = 0;
    for (size_t i = 0; i < ARRAY_LEN(panes); i++) {
        vm->scroll[panes[i]].top = vm->scroll[panes[i]].row = 0;
        vm->scroll[panes[i]].follow = panes[i] == PANE_OUT || panes[i] == PANE_ERR;
    }
}

/* Newest first, so down is earlier. */
static void move_run(const struct state *st, struct view_model *vm, enum view_move m, int height,
                     int count)
{
    if (st->run_count == 0)
        return;
    const struct state_run *now = view_run(st, vm);
    uint32_t number = vm->run && vm->run <= st->run_count ? vm->run
                      : now                               ? now->number
                                                          : (uint32_t)st->run_count;
    if (m == MOVE_LEFT || m == MOVE_RIGHT)
        m = m == MOVE_LEFT ? MOVE_DOWN : MOVE_UP;
    uint64_t index = move_index(st->run_count - number, st->run_count, m, height, count);
    show_run(st, vm, (uint32_t)(st->run_count - index));
}

/* ---- the plan: its cursor takes the panes along to the runs of the step ---- */

static void move_step(const struct state *st, struct view_model *vm, enum view_move m, int height,
                      int count)
{
    size_t at = view_plan_step(st, vm);
    if (at == SIZE_MAX)
        return;
    at = move_index(at, st->step_count, m, height, count);
    vm->scroll[PANE_PLAN].selected = (int64_t)at;
    if (st->steps[at].last_run)
        show_run(st, vm, st->steps[at].last_run);
}

/* The next run of the step in that direction. */
static void move_in_step(const struct state *st, struct view_model *vm, int dir)
{
    size_t at = view_plan_step(st, vm);
    const struct state_run *now = view_run(st, vm);
    if (at == SIZE_MAX || !now)
        return;
    for (int64_t n = (int64_t)now->number + dir; n >= 1 && n <= (int64_t)st->run_count; n += dir) {
        const struct state_run *r = st->runs[n - 1];
        if (r->twin_of == 0 && strcmp(r->step, st->steps[at].id) == 0) {
            show_run(st, vm, (uint32_t)n);
            return;
        }
    }
}

/* Lines move the cursor, pages the text below. */
static void move_context(const struct state *st, struct view_model *vm, int w, int h,
                         enum view_move m, int full, int count)
{
    struct view_scroll *s = &vm->context_scroll;
    bool lines =
        !vm->context.title && (m == MOVE_UP || m == MOVE_DOWN || m == MOVE_TOP || m == MOVE_BOTTOM);
    int text_rows = full - view_context_rows(vm, full);
    if (lines) {
        s->selected = (int64_t)move_index(s->selected > 0 ? (uint64_t)s->selected : 0,
                                          vm->context.count, m, full, count);
        s->top = 0;
    } else {
        s->top = move_top(s->top, probe_rows(st, vm, w, h, PANE_PROMPT), m,
                          text_rows > 1 ? text_rows : 1, count);
    }
}

static void move_result(const struct state *st, struct view_model *vm, enum view_move m, int w,
                        int h, int height, int count)
{
    const struct state_run *r = view_output_run(st, vm);
    struct view_scroll *s = &vm->scroll[PANE_OUT];
    if (m == MOVE_LEFT || m == MOVE_RIGHT) {
        if (m == MOVE_LEFT && vm->result > 0)
            vm->result--;
        else if (m == MOVE_RIGHT && r && vm->result + 1 < r->result_count)
            vm->result++;
        s->row = 0;
        return;
    }
    s->row = (uint32_t)move_top(s->row, probe_rows(st, vm, w, h, PANE_OUT), m, height, count);
}

static void move_select(const struct state *st, struct view_model *vm, const struct layout *l,
                        enum view_pane pane, long lines);

static void move_text(const struct state *st, struct view_model *vm, const struct layout *l,
                      enum view_pane pane, enum view_move m, int count)
{
    struct view_scroll *s = &vm->scroll[pane];
    if (vm->select.pane == pane && (m == MOVE_UP || m == MOVE_DOWN)) {
        move_select(st, vm, l, pane, m == MOVE_UP ? -(long)count : count);
        return;
    }
    if (pane == PANE_CODE) {
        struct doc_view *d = view_get_code(st, vm);
        if (!d)
            return;
        struct doc_box box = view_doc_box(l, pane, &d->doc, true);
        move_doc(s, &d->doc, &box, m, count);
        view_put_doc(vm, d);
        return;
    }
    struct rect r = view_output_rect(st, vm, l, pane);
    const struct state_run *run = view_output_run(st, vm);
    struct doc_view *d = view_get_output_diff(st, vm, pane);
    if (d) {
        struct doc_box box = view_doc_box(l, pane, &d->doc, false);
        box.r = r;
        move_doc(s, &d->doc, &box, m, count);
        s->follow = false;
        view_put_doc(vm, d);
    } else if (run) {
        move_lines(run, vm, s, r, pane == PANE_ERR ? STREAM_STDERR : STREAM_STDOUT, m, count);
    }
}

/* Notes count from the end: what comes later must not move what is read. */
static void move_notes(const struct state *st, struct view_model *vm, int w, int h, int height,
                       enum view_move m, int count)
{
    struct view_scroll *s = &vm->scroll[PANE_NOTES];
    int64_t hidden = s->follow ? 0 : (int64_t)s->top;
    hidden = m == MOVE_TOP ? INT32_MAX : m == MOVE_BOTTOM ? 0 : hidden - rows_of(m, height, count);
    s->top = hidden > 0 ? (uint64_t)hidden : 0;
    s->follow = false;
    uint64_t rows = probe_rows(st, vm, w, h, PANE_NOTES),
             max = rows > (uint64_t)height ? rows - (uint64_t)height : 0;
    if (s->top > max)
        s->top = max;
    s->follow = s->top == 0;
}

void view_move(const struct state *st, struct view_model *vm, int w, int h, enum view_pane pane,
               enum view_move m, int count)
{
    struct layout l;
    view_layout(st, vm, w, h, &l);
    if (pane == PANE_GATE)
        pane = PANE_CODE;
    int height = layout_inner(&l, pane).h, full = rect_inner(view_full_rect(st, &l)).h;
    bool sideways = m == MOVE_LEFT || m == MOVE_RIGHT;
    if (vm->screen == SCREEN_HELP) {
        vm->help_scroll.top =
            move_top(vm->help_scroll.top, probe_rows(st, vm, w, h, PANE_PROMPT), m, full, count);
    } else if (vm->screen == SCREEN_CONTEXT) {
        move_context(st, vm, w, h, m, full, count);
    } else if (vm->screen == SCREEN_PAGE) {
        view_page_move(&vm->page, m, probe_rows(st, vm, w, h, PANE_PROMPT), full);
    } else if (vm->screen == SCREEN_START || vm->screen == SCREEN_HITS) {
        struct view_scroll *s = &vm->scroll[PANE_TIMELINE];
        s->selected = (int64_t)move_index(
            s->selected > 0 ? (uint64_t)s->selected : 0,
            vm->screen == SCREEN_START ? vm->session_count : vm->hit_count, m, full, count);
    } else if (pane == PANE_OUT && vm->show_result) {
        move_result(st, vm, m, w, h, height - 1, count);
    } else if (pane == PANE_PLAN && sideways) {
        move_in_step(st, vm, m == MOVE_LEFT ? -1 : 1);
    } else if (pane == PANE_TIMELINE || sideways) {
        move_run(st, vm, m, height, count);
    } else if (pane == PANE_CODE || pane == PANE_OUT || pane == PANE_ERR) {
        move_text(st, vm, &l, pane, m, count);
    } else if (pane == PANE_NOTES) {
        move_notes(st, vm, w, h, height, m, count);
    } else if (pane == PANE_PLAN) {
        move_step(st, vm, m, height, count);
    } else if (pane == PANE_STATE) {
        struct view_scroll *s = &vm->scroll[pane];
        s->selected = (int64_t)move_index(s->selected > 0 ? (uint64_t)s->selected : 0,
                                          probe_rows(st, vm, w, h, pane), m, height, count);
    } else if (pane == PANE_RECORD) {
        vm->scroll[pane].top =
            move_top(vm->scroll[pane].top, probe_rows(st, vm, w, h, pane), m, height, count);
    }
}

void view_wheel(const struct state *st, struct view_model *vm, int w, int h, int x, int y, int rows)
{
    struct layout l;
    view_layout(st, vm, w, h, &l);
    enum view_pane pane = layout_pane_at(&l, x, y);
    if (vm->screen == SCREEN_SESSION && (pane == PANE_PROMPT || pane == PANE_TIMELINE))
        return; /* turning the wheel must not change which run is shown */
    view_move(st, vm, w, h, pane, rows < 0 ? MOVE_UP : MOVE_DOWN, rows < 0 ? -rows : rows);
}

/* ---- selecting lines ---- */

/* The line at `at`; deleted ones have the place of the one that follows. */
static struct doc_at line_entry(const struct doc *d, uint64_t at)
{
    struct doc_at e = doc_locate(d, at, 0, 1000000);
    while (e.entry + 1 < d->count && d->entries[e.entry].kind == DOC_DEL)
        e.entry++;
    return e;
}

/* Start of the line that lies `lines` from the one at `at`. */
static uint64_t line_from(const struct state *st, const struct view_model *vm, enum view_pane pane,
                          uint64_t at, long lines)
{
    const struct state_run *run = view_output_run(st, vm);
    struct doc_view *d =
        pane == PANE_CODE ? view_get_code(st, vm) : view_get_output_diff(st, vm, pane);
    if (d) {
        struct doc_at e = line_entry(&d->doc, at);
        while (lines && d->doc.count) {
            size_t next = lines > 0 ? e.entry + 1 : e.entry - 1;
            if (next >= d->doc.count)
                break;
            e.entry = next;
            if (d->doc.entries[next].kind != DOC_DEL && d->doc.entries[next].kind != DOC_EXTRA)
                lines += lines > 0 ? -1 : 1;
        }
        at = d->doc.count ? d->doc.entries[e.entry].anchor : 0;
        view_put_doc(vm, d);
        return at;
    }
    if (!run)
        return at;
    struct lines ln;
    struct piece p;
    unsigned stream = pane == PANE_ERR ? STREAM_STDERR : STREAM_STDOUT;
    lines_open(&ln, &run->out[stream], &vm->source, run->number, stream);
    for (; lines > 0 && lines_get(&ln, at, &p) && p.next < run->out[stream].bytes; lines--)
        at = p.next;
    for (; lines < 0 && at > 0; lines++)
        at = lines_start(&ln, at - 1);
    lines_close(&ln);
    return at;
}

/* Where the pane begins to show. */
static uint64_t top_line(const struct state *st, const struct view_model *vm,
                         const struct layout *l, enum view_pane pane)
{
    struct view_scroll s = vm->scroll[pane];
    struct view_model copy = *vm;
    copy.scroll[pane] = s;
    copy.select.pane = PANE_PROMPT;
    move_text(st, &copy, l, pane, MOVE_DOWN, 0); /* settles a followed or clamped place */
    return copy.scroll[pane].top;
}

void view_select(const struct state *st, struct view_model *vm, int w, int h, enum view_pane pane)
{
    struct layout l;
    if (pane != PANE_CODE && pane != PANE_OUT && pane != PANE_ERR)
        return;
    if (vm->select.pane == pane) {
        vm->select.pane = PANE_PROMPT;
        return;
    }
    view_layout(st, vm, w, h, &l);
    vm->select.anchor = vm->select.cursor = top_line(st, vm, &l, pane);
    vm->select.pane = pane;
}

/* So far down that the first row of the line at the selection's cursor is the last in the pane. */
static void keep_in_doc(struct view_scroll *s, const struct doc *d, const struct doc_box *box,
                        uint64_t cursor)
{
    struct doc_at at = line_entry(d, cursor);
    at = doc_move(d, at, -(long)(box->r.h > 1 ? box->r.h - 1 : 0), box->width);
    if (doc_compare(view_doc_start(d, s, box), at) < 0)
        doc_place(d, at, box->width, &s->top, &s->row);
}

static void keep_in_lines(const struct state_run *run, const struct view_model *vm,
                          struct view_scroll *s, struct rect r, unsigned stream)
{
    enum text_mode mode = vm->raw ? TEXT_CODE : TEXT_OUTPUT;
    struct line_at at = { vm->select.cursor, 0 };
    struct lines ln;
    lines_open(&ln, &run->out[stream], &vm->source, run->number, stream);
    at = lines_move(&ln, at, -(long)(r.h > 1 ? r.h - 1 : 0), r.w > 1 ? (size_t)r.w - 1 : 1, mode);
    if (at.offset > s->top || (at.offset == s->top && at.row > s->row)) {
        s->top = at.offset;
        s->row = (uint32_t)at.row;
    }
    lines_close(&ln);
}

static void move_select(const struct state *st, struct view_model *vm, const struct layout *l,
                        enum view_pane pane, long lines)
{
    struct view_scroll *s = &vm->scroll[pane];
    vm->select.cursor = line_from(st, vm, pane, vm->select.cursor, lines);
    s->top = top_line(st, vm, l, pane);
    s->follow = false;
    if (vm->select.cursor < s->top) {
        s->top = vm->select.cursor;
        s->row = 0;
        return;
    }
    const struct state_run *run = view_output_run(st, vm);
    struct doc_view *d =
        pane == PANE_CODE ? view_get_code(st, vm) : view_get_output_diff(st, vm, pane);
    if (d) {
        struct doc_box box = view_doc_box(l, pane, &d->doc, pane == PANE_CODE);
        if (pane != PANE_CODE)
            box.r = view_output_rect(st, vm, l, pane);
        keep_in_doc(s, &d->doc, &box, vm->select.cursor);
        view_put_doc(vm, d);
    } else if (run) {
        keep_in_lines(run, vm, s, view_output_rect(st, vm, l, pane),
                      pane == PANE_ERR ? STREAM_STDERR : STREAM_STDOUT);
    }
}
