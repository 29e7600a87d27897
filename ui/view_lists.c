/* view_lists.c - plan, timeline and interpreter state. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>

/* ---- plan ---- */

static enum symbol step_glyph(const struct view *v, const struct state_step *s,
                              enum style_role *role)
{
    const struct state_run *last = s->last_run ? state_run_at(v->st, s->last_run) : NULL;
    *role = ROLE_TEXT;
    switch (s->status) {
    case STEP_DONE:
        /* green means verified, and nothing else does */
        if (last && last->verdict == VERDICT_VERIFIED)
            *role = ROLE_GOOD;
        return SYM_OK;
    case STEP_ACTIVE:
        *role = ROLE_INFO;
        return SYM_NOW;
    case STEP_FAILED:
        *role = ROLE_BAD;
        return SYM_FAIL;
    case STEP_DENIED:
        *role = ROLE_BAD;
        return SYM_DENIED;
    case STEP_SKIPPED:
        *role = ROLE_DIM;
        return SYM_MINUS;
    case STEP_PENDING:
        break;
    }
    *role = ROLE_DIM;
    return SYM_PENDING;
}

static size_t active_step(const struct state *st)
{
    size_t at = 0;
    for (size_t i = 0; i < st->step_count; i++) {
        if (st->steps[i].status == STEP_ACTIVE)
            return i;
        if (st->steps[i].status != STEP_PENDING)
            at = i;
    }
    return at;
}

size_t view_plan_step(const struct state *st, const struct view_model *vm)
{
    int64_t at = vm->scroll[PANE_PLAN].selected;
    if (st->step_count == 0)
        return SIZE_MAX;
    if (at < 0)
        return active_step(st);
    return (size_t)at < st->step_count ? (size_t)at : st->step_count - 1;
}

/* "runs ✗ 2  ✓ 3", under the step with the cursor. */
static void draw_step_runs(const struct view *v, struct rect r, int y, const struct state_step *s)
{
    int x = grid_put_text(v->g, r.x + 5, y, r.x + r.w, "runs", STYLE(ROLE_DIM)) + 1;
    for (size_t i = 0; i < v->st->run_count; i++) {
        const struct state_run *run = v->st->runs[i];
        struct run_words w;
        if (run->twin_of != 0 || strcmp(run->step, s->id) != 0)
            continue;
        view_run_words(run, &w);
        bool shown = v->info->shown_run == run->number;
        x = grid_put_format(v->g, x, y, r.x + r.w, STYLE(w.role), "%s ", SYM(v, w.glyph));
        x = grid_put_format(v->g, x, y, r.x + r.w, STYLE(shown ? ROLE_SELECT : ROLE_TEXT), "%u",
                            run->number);
        x += 2;
    }
}

static void step_words(const struct state_step *s, char *out, size_t size)
{
    if (s->attempts > 1 || (s->attempts == 1 && s->status == STEP_ACTIVE))
        snprintf(out, size, "try %u/%d", s->attempts, STATE_ATTEMPTS_MAX);
    else if (s->status == STEP_FAILED || s->status == STEP_DENIED || s->status == STEP_SKIPPED)
        snprintf(out, size, "%s", step_status_name(s->status));
    else
        out[0] = '\0';
}

/* All steps in one row, the active one always among them. */
static void draw_plan_row(const struct view *v, struct rect r)
{
    const struct state *st = v->st;
    size_t first = v->vm->focus == PANE_PLAN ? view_plan_step(st, v->vm) : active_step(st),
           used = 0;
    while (first > 0) { /* as many before it as leave two thirds for the rest */
        used += strlen(st->steps[first - 1].title) + 5;
        if (used > (size_t)r.w / 3)
            break;
        first--;
    }
    int x = r.x + 1, end = r.x + r.w;
    if (first > 0)
        x = grid_put_format(v->g, x, r.y, end, STYLE(ROLE_DIM), "%s ", SYM(v, SYM_MORE));
    for (size_t i = first; i < st->step_count && x < end - 2; i++) {
        enum style_role role;
        char words[48], text[256];
        enum symbol glyph = step_glyph(v, &st->steps[i], &role);
        step_words(&st->steps[i], words, sizeof words);
        snprintf(text, sizeof text, "%s%zu %s%s%s%s", SYM(v, glyph), i + 1, st->steps[i].title,
                 words[0] ? " (" : "", words, words[0] ? ")" : "");
        if (v->vm->focus == PANE_PLAN && i == view_plan_step(st, v->vm))
            role = ROLE_SELECT;
        x = grid_put_fit(v->g, x, r.y, end, text, STYLE(role)) + 2;
    }
}

static int draw_step(const struct view *v, struct rect r, int y, size_t i)
{
    const struct state_step *s = &v->st->steps[i];
    enum style_role role;
    char words[48];
    enum symbol glyph = step_glyph(v, s, &role);
    int end = r.x + r.w, x = r.x + 1;
    bool chosen = v->vm->focus == PANE_PLAN && i == view_plan_step(v->st, v->vm);
    step_words(s, words, sizeof words);
    int room = end - (words[0] ? (int)strlen(words) + 2 : 0);
    x = grid_put_format(v->g, x, y, room, STYLE(role), "%s %zu ", SYM(v, glyph), i + 1);
    bool quiet = s->status == STEP_SKIPPED;
    grid_put_fit(v->g, x, y, room, s->title, STYLE(quiet ? ROLE_DIM : ROLE_TEXT));
    grid_put_text(v->g, room + 1, y, end, words,
                  STYLE(s->status == STEP_ACTIVE ? ROLE_TEXT : ROLE_DIM));
    if (chosen)
        grid_paint(v->g, (struct rect){ r.x, y, r.w, 1 }, STYLE(ROLE_SELECT));
    y++;
    for (const char *p = s->expect; p && *p && s->status == STEP_ACTIVE && y < r.y + r.h;) {
        size_t n = strcspn(p, "\n");
        char text[256];
        snprintf(text, sizeof text, "expect: %.*s", n < 240 ? (int)n : 240, p);
        grid_put_fit(v->g, r.x + 5, y++, end, text, STYLE(ROLE_DIM));
        p += n + (p[n] == '\n');
    }
    if (chosen && s->last_run && y < r.y + r.h)
        draw_step_runs(v, r, y++, s);
    return y;
}

void view_draw_plan(const struct view *v)
{
    const struct state *st = v->st;
    const struct view_scroll *s = &v->vm->scroll[PANE_PLAN];
    struct rect r = layout_inner(v->l, PANE_PLAN);
    struct title t = { 0 };
    size_t active = active_step(st);
    if (st->step_count)
        title_right(&t, "%zu/%zu", active + 1, st->step_count);
    view_title(v, PANE_PLAN, &t);
    v->info->rows[PANE_PLAN] = st->step_count;
    if (r.h < 1)
        return;
    if (st->step_count == 0) {
        grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w, st->task[0] ? st->task : "no plan yet",
                     STYLE(st->task[0] ? ROLE_TEXT : ROLE_DIM));
        return;
    }
    if (r.h == 1) {
        draw_plan_row(v, r);
        return;
    }
    size_t first =
        view_list_first(st->step_count, (size_t)r.h, s->top, (int64_t)view_plan_step(st, v->vm));
    int y = r.y;
    for (size_t i = first; i < st->step_count && y < r.y + r.h; i++)
        y = draw_step(v, r, y, i);
}

/* ---- timeline: newest first ---- */

/* It went on from another run than the one before it. */
static bool is_branch(const struct state *st, const struct state_run *run)
{
    if (run->started_at_us == 0 || run->twin_of || run->parent_run == 0)
        return false;
    for (size_t i = run->number - 1; i > run->parent_run; i--) {
        const struct state_run *between = st->runs[i - 1];
        if (between->started_at_us && !between->twin_of && !between->state_lost)
            return true;
    }
    return false;
}

static void draw_timeline_row(const struct view *v, struct rect r, int y,
                              const struct state_run *run, bool selected)
{
    struct run_words w;
    char span[32] = "", right[64];
    int end = r.x + r.w, x = r.x;
    view_run_words(run, &w);
    if (run->wall_ms > 0)
        view_span(run->wall_ms, span, sizeof span);
    const char *high = run->finding_count && run->worst == SEVERITY_HIGH ? "HIGH" : "";
    snprintf(right, sizeof right, "%s%s%s", high, high[0] && span[0] ? " " : "", span);
    int right_x = end - (int)strlen(right) - 1;
    x = grid_put_format(v->g, x, y, end, STYLE(ROLE_GUTTER), "%4u ", run->number);
    x = grid_put_format(v->g, x, y, end, STYLE(w.role), "%s ", SYM(v, w.glyph));
    if (is_branch(v->st, run))
        x = grid_put_format(v->g, x, y, right_x, STYLE(ROLE_INFO), "after %u ", run->parent_run);
    if (run->twin_of)
        x = grid_put_format(v->g, x, y, right_x, STYLE(ROLE_DIM), "dry %u ", run->twin_of);
    x = grid_put_fit(v->g, x, y, right_x - 1, w.text, STYLE(w.role));
    if (run->purpose[0] && x + 16 < right_x)
        grid_put_fit(v->g, x + 2, y, right_x - 1, run->purpose, STYLE(ROLE_DIM));
    x = grid_put_text(v->g, right_x, y, end, high, STYLE(ROLE_BAD));
    grid_put_text(v->g, x + (high[0] ? 1 : 0), y, end, span, STYLE(ROLE_DIM));
    if (selected)
        grid_paint(v->g, (struct rect){ r.x, y, r.w, 1 }, STYLE(ROLE_SELECT));
}

void view_draw_timeline(const struct view *v)
{
    const struct state *st = v->st;
    struct rect r = layout_inner(v->l, PANE_TIMELINE);
    struct title t = { 0 };
    size_t n = st->run_count;
    if (n)
        title_right(&t, "%zu run%s", n, n == 1 ? "" : "s");
    if (st->verified)
        title_add(&t, ROLE_GOOD, "%s %u", SYM(v, SYM_OK), st->verified);
    if (st->failed)
        title_add(&t, ROLE_BAD, "%s %u", SYM(v, SYM_FAIL), st->failed);
    if (st->denied)
        title_add(&t, ROLE_BAD, "%s %u", SYM(v, SYM_DENIED), st->denied);
    if (st->went_back && st->vars_run && !st->running)
        title_add(&t, ROLE_INFO, "at run %u", st->vars_run);
    view_title(v, PANE_TIMELINE, &t);
    v->info->rows[PANE_TIMELINE] = n;
    if (n == 0 && r.h > 0) {
        grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w, "no runs yet", STYLE(ROLE_DIM));
        return;
    }
    int64_t selected = v->vm->run && v->vm->run <= n ? (int64_t)(n - v->vm->run) : -1;
    size_t first = view_list_first(n, (size_t)r.h, v->vm->scroll[PANE_TIMELINE].top, selected);
    for (int i = 0; i < r.h && first + (size_t)i < n; i++) {
        size_t index = n - 1 - first - (size_t)i;
        draw_timeline_row(v, r, r.y + i, st->runs[index], v->vm->run == index + 1);
    }
}

/* ---- state: the interpreter's names, then the files that changed ---- */

static enum style_role change_role(enum var_change c)
{
    switch (c) {
    case CHANGE_NEW:
    case CHANGE_CHANGED:
        return ROLE_INFO;
    case CHANGE_GONE:
        return ROLE_BAD;
    case CHANGE_UNKNOWN:
        return ROLE_WAIT;
    case CHANGE_SAME:
        break;
    }
    return ROLE_DIM;
}

static void draw_var(const struct view *v, struct rect r, int y, const struct state_var *k)
{
    char change[48], type[96];
    int end = r.x + r.w,
        name_w = r.w >= 70   ? 18
                 : r.w >= 44 ? 12
                             : 10,
        type_w = r.w >= 70 ? 24 : 14;
    if (k->change == CHANGE_SAME && k->since_run)
        snprintf(change, sizeof change, "since %u", k->since_run);
    else
        snprintf(change, sizeof change, "%s", var_change_name(k->change));
    int right = end - (int)strlen(change) - 1, x = r.x + 1;
    enum style_role role = k->change == CHANGE_GONE ? ROLE_DIM : ROLE_TEXT;
    grid_put_fit(v->g, x, y, x + name_w < right ? x + name_w : right, k->name, STYLE(role));
    x += name_w + 1;
    snprintf(type, sizeof type, "%s%s%s", k->type, k->shape[0] ? " " : "", k->shape);
    /* Where room is short, the value comes before an aligned or whole type. */
    int natural = (int)text_width(type, strlen(type), TEXT_PROSE);
    if (x + type_w + 8 > right)
        type_w = natural < right - x - 5 ? natural : right - x - 1;
    if (type_w > 0)
        grid_put_fit(v->g, x, y, x + type_w, type, STYLE(ROLE_DIM));
    x += type_w + 1;
    if (x + 4 < right)
        grid_put_fit(v->g, x, y, right - 1, k->preview, STYLE(role));
    grid_put_text(v->g, right, y, end, change, STYLE(change_role(k->change)));
}

static void draw_file(const struct view *v, struct rect r, int y, const struct state_file *f)
{
    char size[32] = "", change[32];
    int end = r.x + r.w;
    if (f->bytes >= 0)
        view_bytes((uint64_t)f->bytes, size, sizeof size);
    snprintf(change, sizeof change, "%s", var_change_name(f->change));
    int right = end - (int)strlen(change) - 1, x = r.x + 1;
    x = grid_put_text(v->g, x, y, right, "file ", STYLE(ROLE_DIM));
    x = grid_put_fit(v->g, x, y, right - 10, f->path, STYLE(ROLE_TEXT));
    grid_put_text(v->g, x + 2, y, right, size, STYLE(ROLE_DIM));
    grid_put_text(v->g, right, y, end, change, STYLE(change_role(f->change)));
}

/* The names there are now, and behind them those the last run lost. */
static size_t gone_count(const struct state_run *r)
{
    size_t n = 0;
    for (size_t i = 0; r && i < r->var_count; i++)
        n += r->vars[i].change == CHANGE_GONE;
    return n;
}

static const struct state_var *nth_gone(const struct state_run *r, size_t n)
{
    for (size_t i = 0; r && i < r->var_count; i++)
        if (r->vars[i].change == CHANGE_GONE && n-- == 0)
            return &r->vars[i];
    return NULL;
}

/* What the pane lists: names, those the last run lost, files. */
struct state_rows {
    const struct state_run *run, *last;
    size_t now, gone, files;
};

static struct state_rows state_rows(const struct state *st, const struct view_model *vm)
{
    struct state_rows r = { .run = vm->run ? state_run_at(st, vm->run) : NULL };
    r.last = r.run ? r.run : st->vars_run ? state_run_at(st, st->vars_run) : NULL;
    r.now = r.run ? r.run->var_count : st->var_count;
    r.gone = r.run ? 0 : gone_count(r.last);
    r.files = r.last ? r.last->file_count : 0;
    return r;
}

static const struct state_var *nth_var(const struct state *st, const struct state_rows *r, size_t k)
{
    if (k < r->now)
        return r->run ? &r->run->vars[k] : &st->vars[k];
    return nth_gone(r->last, k - r->now);
}

/* Where the cursor is, kept inside. */
static size_t cursor_of(const struct view_model *vm, size_t count)
{
    int64_t at = vm->scroll[PANE_STATE].selected;
    return at < 0 || count == 0 ? 0 : (uint64_t)at < count ? (size_t)at : count - 1;
}

char *view_selected_name(const struct state *st, const struct view_model *vm, bool *file)
{
    struct state_rows r = state_rows(st, vm);
    size_t count = r.now + r.gone + r.files, at = cursor_of(vm, count);
    const struct state_var *var = at < r.now + r.gone ? nth_var(st, &r, at) : NULL;
    *file = var == NULL;
    if (vm->focus != PANE_STATE || at >= count)
        return NULL;
    if (var != NULL)
        return xstrdup(var->name);
    INVARIANT(r.last != NULL); /* it has files */
    return xstrdup(r.last->files[at - r.now - r.gone].path);
}

void view_draw_state(const struct view *v)
{
    const struct state *st = v->st;
    struct rect r = layout_inner(v->l, PANE_STATE);
    struct state_rows rows = state_rows(st, v->vm);
    size_t vars = rows.now + rows.gone, count = vars + rows.files, at = cursor_of(v->vm, count);
    bool focus = v->vm->focus == PANE_STATE;
    struct title t = { 0 };
    if (rows.last && rows.last->state_lost)
        title_add(&t, ROLE_BAD, "interpreter lost, variables are gone");
    if (rows.last)
        title_right(&t, "after run %u", rows.last->number);
    else if (st->origin)
        title_right(&t, "from %.40s", st->parent);
    view_title(v, PANE_STATE, &t);
    v->info->rows[PANE_STATE] = count;
    if (r.h < 1)
        return;
    if (count == 0)
        grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w, "no variables yet", STYLE(ROLE_DIM));
    size_t first = view_list_first(count, (size_t)r.h, v->vm->scroll[PANE_STATE].top,
                                   focus ? (int64_t)at : -1);
    for (int i = 0; i < r.h && first + (size_t)i < count; i++) {
        size_t k = first + (size_t)i;
        const struct state_var *var = k < vars ? nth_var(st, &rows, k) : NULL;
        if (var)
            draw_var(v, r, r.y + i, var);
        else if (k >= vars)
            draw_file(v, r, r.y + i, &rows.last->files[k - vars]);
        if (focus && k == at)
            grid_paint(v->g, (struct rect){ r.x, r.y + i, r.w, 1 }, STYLE(ROLE_SELECT));
    }
}
