/* view.c - one picture: layout, frames, titles, and who draws what. */
#include "ui/view_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void view_model_init(struct view_model *vm)
{
    memset(vm, 0, sizeof *vm);
    vm->prompt.candidate_chosen = SIZE_MAX;
    vm->colors = 256;
    for (int p = 0; p < PANE_COUNT; p++)
        vm->scroll[p].selected = -1;
    vm->scroll[PANE_OUT].follow = vm->scroll[PANE_ERR].follow = true;
    vm->scroll[PANE_NOTES].follow = true;
}

/* ---- which run ---- */

/* The run the person chose to look at; none while in the gate: whoever decides sees what is
 * decided. [APR-14] */
static uint32_t chosen_run(const struct state *st, const struct view_model *vm)
{
    return st->gate.open && vm->focus == PANE_GATE ? 0 : vm->run;
}

const struct state_run *view_run(const struct state *st, const struct view_model *vm)
{
    if (chosen_run(st, vm))
        return state_run_at(st, vm->run);
    if (st->gate.open)
        return state_run_at(st, st->gate.run);
    if (st->running)
        return state_run_at(st, st->running);
    return state_last_run(st);
}

const struct state_run *view_base(const struct state *st, const struct view_model *vm)
{
    const struct state_run *r = view_run(st, vm);
    if (!r)
        return NULL;
    if (vm->base)
        return vm->base == r->number ? NULL : state_run_at(st, vm->base);
    return state_previous_attempt(st, r);
}

static bool has_run(const struct state_run *r)
{
    return r->status == RUN_RUNNING || r->status == RUN_FINISHED || r->out[1].bytes ||
           r->out[2].bytes;
}

/* The newest that ran, or NULL. */
static const struct state_run *last_output(const struct state *st)
{
    for (size_t i = st->run_count; i > 0; i--)
        if (has_run(st->runs[i - 1]) && st->runs[i - 1]->twin_of == 0)
            return st->runs[i - 1];
    return NULL;
}

const struct state_run *view_twin(const struct state *st, const struct state_run *r)
{
    for (size_t i = st->run_count; r && i-- > r->number;) {
        if (st->runs[i]->twin_of == r->number)
            return has_run(st->runs[i]) ? st->runs[i] : NULL;
    }
    return NULL;
}

const struct state_run *view_output_run(const struct state *st, const struct view_model *vm)
{
    const struct state_run *r = view_run(st, vm);
    /* What a dry run of it showed is what one decides from. */
    if (r && !has_run(r) && view_twin(st, r))
        return view_twin(st, r);
    while (r && !has_run(r) && !chosen_run(st, vm))
        r = state_previous_attempt(st, r);
    if (!r && !chosen_run(st, vm))
        return last_output(st); /* what happened last is what one decides from */
    return r && has_run(r) ? r : NULL;
}

const struct state_run *view_output_base(const struct state *st, const struct view_model *vm)
{
    const struct state_run *r = view_output_run(st, vm);
    if (!r)
        return NULL;
    if (vm->base)
        return vm->base == r->number ? NULL : state_run_at(st, vm->base);
    for (r = state_previous_attempt(st, r); r && !has_run(r);)
        r = state_previous_attempt(st, r);
    return r;
}

bool view_code_is_gates(const struct state *st, const struct view_model *vm)
{
    const struct state_run *r = view_run(st, vm);
    const struct gate *g = vm->gate.gate;
    return r && g && g->open && st->gate.open && r->number == g->run && r->rev == g->rev &&
           st->gate.run == g->run && st->gate.rev == g->rev;
}

bool view_code_is_compared(const struct state *st, const struct view_model *vm)
{
    const struct state_run *r = view_run(st, vm);
    if (!r || vm->diff_code == VIEW_DIFF_OFF)
        return false;
    if (vm->gate.edited_from && view_code_is_gates(st, vm))
        return true;
    const struct state_run *b = view_base(st, vm);
    if (!b || !b->code || strcmp(b->language, r->language) != 0)
        return false;
    return vm->diff_code == VIEW_DIFF_ON || vm->base || r->attempt > 1;
}

bool view_output_is_compared(const struct state *st, const struct view_model *vm)
{
    const struct state_run *r = view_output_run(st, vm), *b = view_output_base(st, vm);
    if (!r || !b || vm->diff_output == VIEW_DIFF_OFF)
        return false;
    if (vm->diff_output == VIEW_DIFF_ON || vm->base)
        return true;
    return st->gate.open && r->status == RUN_FINISHED && b->status == RUN_FINISHED;
}

void view_toggle_diff(const struct state *st, struct view_model *vm, enum view_pane pane)
{
    if (pane == PANE_CODE || pane == PANE_GATE)
        vm->diff_code = view_code_is_compared(st, vm) ? VIEW_DIFF_OFF : VIEW_DIFF_ON;
    else
        vm->diff_output = view_output_is_compared(st, vm) ? VIEW_DIFF_OFF : VIEW_DIFF_ON;
}

void view_toggle_diffs(const struct state *st, struct view_model *vm, uint32_t base)
{
    bool shown = view_code_is_compared(st, vm) || view_output_is_compared(st, vm);
    bool off = shown && base == vm->base;
    vm->base = off ? 0 : base;
    vm->diff_code = vm->diff_output = off ? VIEW_DIFF_OFF : VIEW_DIFF_ON;
}

/* ---- titles ---- */

void title_add(struct title *t, enum style_role role, const char *fmt, ...)
{
    if (t->count == ARRAY_LEN(t->piece))
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->piece[t->count].text, sizeof t->piece[0].text, fmt, ap);
    va_end(ap);
    t->piece[t->count++].role = role;
}

void title_right(struct title *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->right, sizeof t->right, fmt, ap);
    va_end(ap);
}

void view_title(const struct view *v, enum view_pane pane, const struct title *t)
{
    struct rect r = v->l->pane[pane];
    bool focus = v->vm->focus == pane;
    int x = r.x + (v->l->framed ? 1 : 0), end = r.x + r.w - (v->l->framed ? 1 : 0);
    struct style line = STYLE(focus ? ROLE_FRAME_ON : ROLE_FRAME);
    if (r.w < 4 || r.h < 1)
        return;
    if (!v->l->framed)
        for (int i = r.x; i < r.x + r.w; i++)
            grid_put_text(v->g, i, r.y, r.x + r.w, SYM(v, SYM_LINE), line);
    if (pane <= PANE_NOTES)
        x = grid_put_format(v->g, x, r.y, end, STYLE(ROLE_KEY), "%d ", (int)pane);
    x = grid_put_fit(v->g, x, r.y, end, view_pane_name(pane),
                     STYLE(focus ? ROLE_FRAME_ON : ROLE_TITLE));
    int right = (int)text_width(t->right, strlen(t->right), TEXT_PROSE),
        stop = right && end - x > right + 24 ? end - right - 2 : end;
    for (size_t i = 0; i < t->count; i++) {
        const char *s = t->piece[i].text;
        int need = 3 + (int)text_width(s, strlen(s), TEXT_PROSE);
        bool whole = x + need < stop;
        if (!whole && (i > 0 || stop - x < 8))
            break;
        x = grid_put_format(v->g, x, r.y, end, line, " %s ", SYM(v, SYM_LINE));
        x = grid_put_fit(v->g, x, r.y, stop - 1, s, STYLE(t->piece[i].role));
    }
    x = grid_put_text(v->g, x, r.y, end, " ", line);
    if (right && x + right + 1 < end) {
        grid_put_text(v->g, end - right - 1, r.y, end, " ", line);
        grid_put_text(v->g, end - right, r.y, end, t->right, STYLE(ROLE_DIM));
    }
}

struct rect view_full_rect(const struct state *st, const struct layout *l)
{
    struct rect r = l->body;
    if (st->gate.open && l->pane[PANE_GATE].w)
        r.h = l->pane[PANE_GATE].y - r.y + 1;
    return r;
}

/* ---- the picture ---- */

static void draw_too_small(const struct view *v)
{
    char text[64];
    const char *lines[3] = { text, NULL, NULL };
    snprintf(text, sizeof text, "needs %dx%d, this is %dx%d", LAYOUT_MIN_W, LAYOUT_MIN_H, v->g->w,
             v->g->h);
    if (v->st->gate.open) {
        lines[1] = "a gate waits";
        lines[2] = "^C denies";
    }
    int y = v->g->h > 3 ? (v->g->h - 3) / 2 : 0;
    for (size_t i = 0; i < 3; i++)
        if (lines[i])
            grid_put_fit(v->g, 0, y++, v->g->w, lines[i], STYLE(i ? ROLE_WAIT : ROLE_TEXT));
}

static void draw_frames(const struct view *v)
{
    if (!v->l->framed)
        return;
    for (int p = PANE_PLAN; p < PANE_COUNT; p++)
        if (p != (int)v->vm->focus)
            grid_box(v->g, v->l->pane[p], STYLE(ROLE_FRAME));
    if (v->vm->focus != PANE_PROMPT)
        grid_box(v->g, v->l->pane[v->vm->focus], STYLE(ROLE_FRAME_ON));
}

static void draw_panes(const struct view *v)
{
    const struct rect *p = v->l->pane;
    draw_frames(v);
    if (p[PANE_PLAN].w)
        view_draw_plan(v);
    if (p[PANE_CODE].w)
        view_draw_code(v);
    if (p[PANE_OUT].w)
        view_draw_output(v, PANE_OUT);
    if (p[PANE_ERR].w)
        view_draw_output(v, PANE_ERR);
    if (p[PANE_GATE].w)
        view_draw_gate(v);
    if (p[PANE_TIMELINE].w)
        view_draw_timeline(v);
    if (p[PANE_STATE].w)
        view_draw_state(v);
    if (p[PANE_NOTES].w)
        view_draw_notes(v);
    if (p[PANE_RECORD].w)
        view_draw_record(v);
}

void view_layout(const struct state *st, const struct view_model *vm, int w, int h,
                 struct layout *out)
{
    struct layout_ask ask = { .w = w,
                              .h = h,
                              .focus = vm->focus,
                              .main = vm->main,
                              .zoom = vm->zoom,
                              .gate_open = st->gate.open,
                              .prompt_rows = 1 };
    ask.no_output = !last_output(st);
    for (const char *p = vm->prompt.above; p && (p = strchr(p, '\n')); p++)
        ask.prompt_rows++;
    if (vm->prompt.above && vm->prompt.above[0])
        ask.prompt_rows++;
    layout_make(out, &ask);
}

static void draw_bottom(const struct view *v)
{
    if (v->vm->replay.on && v->vm->focus != PANE_PROMPT)
        view_draw_bar(v);
    else
        view_draw_prompt(v);
    view_draw_hints(v);
    view_draw_candidates(v);
    view_draw_message(v);
}

bool view_draw_typed(const struct state *st, const struct view_model *vm, struct grid *g,
                     struct view_info *info)
{
    struct layout now;
    view_layout(st, vm, g->w, g->h, &now);
    if (!layout_equal(&now, &info->layout) || now.too_small || now.hints.h == 0 ||
        vm->focus != PANE_PROMPT || st->gate.open || g->pool_count > 0)
        return false;
    struct view v = {
        .st = st, .vm = vm, .g = g, .info = info, .l = &info->layout, .glyph_max = (size_t)g->w + 8
    };
    v.glyphs = xcalloc(v.glyph_max, sizeof *v.glyphs);
    grid_fill(g, now.prompt, ' ', STYLE(ROLE_TEXT));
    grid_fill(g, now.hints, ' ', STYLE(ROLE_TEXT));
    draw_bottom(&v);
    free(v.glyphs);
    return true;
}

void view_draw(const struct state *st, const struct view_model *vm, struct grid *g,
               struct view_info *info)
{
    struct view_info unused;
    if (!info)
        info = &unused;
    memset(info, 0, sizeof *info);
    info->cursor_x = info->cursor_y = -1;
    view_layout(st, vm, g->w, g->h, &info->layout);
    grid_clear(g);
    struct view v = {
        .st = st, .vm = vm, .g = g, .info = info, .l = &info->layout, .glyph_max = (size_t)g->w + 8
    };
    const struct state_run *run = view_run(st, vm);
    info->shown_run = run ? run->number : 0;
    if (info->layout.too_small) {
        draw_too_small(&v);
        return;
    }
    v.glyphs = xcalloc(v.glyph_max, sizeof *v.glyphs);
    view_draw_status(&v);
    if (vm->screen == SCREEN_HELP)
        view_draw_help(&v);
    else if (vm->screen == SCREEN_CONTEXT)
        view_draw_context(&v);
    else if (vm->screen == SCREEN_HITS && !st->gate.open)
        view_draw_hits(&v);
    else if (vm->screen == SCREEN_PAGE)
        view_draw_page(&v);
    else if (vm->screen == SCREEN_START && !st->gate.open)
        view_draw_sessions(&v);
    else
        draw_panes(&v);
    draw_bottom(&v);
    free(v.glyphs);
}
