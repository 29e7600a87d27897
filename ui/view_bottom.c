/* view_bottom.c - the lines below the panes: the prompt, the keys that mean something now,
 * messages. */
#include "ui/view_int.h"

#include <string.h>
#include "ui/keymap.h"

/* ---- the prompt ---- */

static void draw_above(const struct view *v, struct rect r)
{
    const char *text = v->vm->prompt.above;
    size_t lines = 0, skip;
    if (!text || r.h < 2)
        return;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        lines++;
    skip = lines > (size_t)r.h - 1 ? lines - ((size_t)r.h - 1) : 0;
    int y = r.y;
    for (const char *p = text; *p && y < r.y + r.h - 1;) {
        size_t n = strcspn(p, "\n");
        if (skip > 0)
            skip--;
        else
            grid_put_textn(v->g, r.x + 1, y++, r.w, p, n, STYLE(ROLE_PROMPT));
        p += n + (p[n] == '\n');
    }
}

/* Columns before the byte at `cursor`. */
static int cursor_column(const struct view_prompt *p)
{
    struct text_iter it;
    struct text_glyph g;
    int x = 0;
    text_begin(&it, p->text, p->len, TEXT_CODE, false);
    while (text_next(&it, &g) && g.start < p->cursor)
        x += g.width;
    return x;
}

static void draw_typed(const struct view *v, int x, int y, int end)
{
    const struct view_prompt *p = &v->vm->prompt;
    int room = end - x, column = cursor_column(p),
        shift = column >= room ? column - room * 2 / 3 : 0;
    struct text_iter it;
    struct text_glyph g;
    int at = -shift;
    text_begin(&it, p->text, p->len, TEXT_CODE, false);
    it.ascii = v->g->ascii;
    while (at < room && text_next(&it, &g)) {
        if (at >= 0)
            grid_put_glyph(v->g, x + at, y, end, &g, STYLE(ROLE_PROMPT));
        at += g.width;
    }
    if (shift > 0)
        grid_put_text(v->g, x, y, end, SYM(v, SYM_MORE), STYLE(ROLE_DIM));
    v->info->cursor_x = x + column - shift;
}

static void draw_secret(const struct view *v, int x, int y, int end)
{
    const struct view_prompt *p = &v->vm->prompt;
    int n = 0;
    for (size_t at = 0; at < p->len && x + n + 1 < end; n++) {
        grid_put_text(v->g, x + n, y, end, SYM(v, SYM_BULLET), STYLE(ROLE_PROMPT));
        at += text_grapheme(p->text + at, p->len - at);
    }
    v->info->cursor_x = x + n;
}

void view_draw_prompt(const struct view *v)
{
    const struct view_prompt *p = &v->vm->prompt;
    struct rect r = v->l->prompt;
    bool focus = v->vm->focus == PANE_PROMPT;
    if (r.h == 0)
        return;
    draw_above(v, r);
    int y = r.y + r.h - 1, x = grid_put_fit(v->g, r.x + 1, y, r.w / 2, p->label ? p->label : "> ",
                                            STYLE(focus ? ROLE_KEY : ROLE_DIM));
    int gate_x = v->info->cursor_x, gate_y = v->info->cursor_y;
    if (p->secret)
        draw_secret(v, x, y, r.w);
    else if (p->len)
        draw_typed(v, x, y, r.w);
    else
        v->info->cursor_x = x;
    if (!p->len && p->placeholder)
        grid_put_fit(v->g, x, y, r.w, p->placeholder, STYLE(ROLE_DIM));
    v->info->cursor_y = y;
    if (!focus) { /* a field of the gate keeps the cursor */
        v->info->cursor_x = gate_x;
        v->info->cursor_y = gate_y;
    }
}

/* ---- the bottom line: what can be done now ---- */

unsigned view_place(const struct view_model *vm, enum view_screen screen)
{
    if ((screen == SCREEN_HELP && !vm->help_asks) || screen == SCREEN_CONTEXT)
        return KEYMAP_IN_HELP;
    if (vm->focus == PANE_PROMPT)
        return KEYMAP_IN_PROMPT;
    if (screen == SCREEN_PAGE)
        return KEYMAP_IN_PAGE;
    if (screen == SCREEN_START)
        return KEYMAP_IN_START;
    if (screen == SCREEN_HITS)
        return KEYMAP_IN_HITS;
    if (vm->focus == PANE_GATE)
        return KEYMAP_IN_GATE;
    if (vm->focus == PANE_CODE || vm->focus == PANE_OUT || vm->focus == PANE_ERR)
        return KEYMAP_IN_PANE;
    if (vm->focus == PANE_PLAN)
        return KEYMAP_IN_PLAN;
    return KEYMAP_IN_LIST;
}

unsigned view_key_context(const struct view_model *vm)
{
    return view_place(vm, vm->screen);
}

static const char *gate_hint(const struct view *v)
{
    const struct view_gate *g = &v->vm->gate;
    if (g->deny_text)
        return "Enter sends the denial  Esc goes back";
    if (g->gate && g->gate->prompt != GATE_PROMPT_NONE)
        return "any other key goes back, nothing is decided  ^C denies";
    if (g->why)
        return "w or Esc closes this page";
    return "arrows PgUp PgDn Space scroll the code  Esc or Tab leaves, undecided  ^C denies";
}

/* In a replay its own keys come first, but where one reads or types. */
static unsigned offered_context(const struct view_model *vm)
{
    unsigned context = view_key_context(vm);
    bool own = context == KEYMAP_IN_HELP || context == KEYMAP_IN_PROMPT;
    return vm->replay.on && !own ? KEYMAP_IN_REPLAY : context;
}

/* Only keys that would do something are offered. */
static bool is_possible(const struct view *v, enum keymap_command id)
{
    const struct state_run *out = view_output_run(v->st, v->vm), *run = view_run(v->st, v->vm);
    bool output = v->vm->focus == PANE_OUT || v->vm->focus == PANE_ERR;
    switch (id) {
    case CMD_DIFF:
        return output ? view_output_base(v->st, v->vm) != NULL : view_base(v->st, v->vm) != NULL;
    case CMD_MASKS:
        return view_output_is_compared(v->st, v->vm);
    case CMD_RAW:
        return output;
    case CMD_RESULT:
        return out && out->result_count > 0;
    case CMD_RESTORE:
        return run && (run->has_checkpoint || run->saved.there || run->snapshot[0]);
    case CMD_PICK_LEFT:
    case CMD_PICK_RIGHT:
        return v->vm->page.two;
    case CMD_PAGE_GO:
        return v->vm->page.goes;
    case CMD_FORK:
        return v->vm->page.forks;
    case CMD_CHANGES:
        return v->vm->focus == PANE_STATE;
    case CMD_SEARCH:
        return v->vm->screen == SCREEN_SESSION &&
               (output || v->vm->focus == PANE_CODE || v->vm->focus == PANE_TIMELINE);
    case CMD_CONTEXT:
        return v->vm->planner_model != NULL;
    case CMD_OPEN:
    case CMD_REPLAY:
        return v->vm->session_count > 0;
    case CMD_REVEAL:
        return v->vm->replay.hides && v->st->gate.open && v->vm->replay.decision == NULL;
    default:
        return true;
    }
}

void view_draw_hints(const struct view *v)
{
    struct keymap_hint hints[24];
    struct rect r = v->l->hints;
    int x = r.x + 1;
    if (r.h == 0)
        return;
    bool gate_line = !v->vm->replay.on &&
                     (v->vm->focus == PANE_GATE || (v->st->gate.open && v->vm->gate.deny_text));
    if (v->st->gate.open && !gate_line && !v->vm->replay.on) {
        x = grid_put_text(v->g, x, r.y, r.w, "^G", STYLE(ROLE_WAIT));
        x = grid_put_text(v->g, x, r.y, r.w, " decide", STYLE(ROLE_TEXT)) + 2;
    }
    size_t n = keymap_hints(offered_context(v->vm), hints, ARRAY_LEN(hints));
    if (gate_line) { /* its keys stand in the gate itself */
        grid_put_fit(v->g, x, r.y, r.w, gate_hint(v), STYLE(ROLE_DIM));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int w = (int)(strlen(hints[i].key) + strlen(hints[i].word)) + 1;
        if (x + w > r.w || !is_possible(v, hints[i].id))
            continue; /* a shorter one may still fit */
        x = grid_put_text(v->g, x, r.y, r.w, hints[i].key, STYLE(ROLE_KEY));
        x = grid_put_text(v->g, x, r.y, r.w, " ", STYLE(ROLE_TEXT));
        x = grid_put_text(v->g, x, r.y, r.w, hints[i].word, STYLE(ROLE_DIM)) + 2;
    }
}

void view_draw_candidates(const struct view *v)
{
    const struct view_prompt *p = &v->vm->prompt;
    struct rect r = v->l->hints.h ? v->l->hints : v->l->status;
    if (p->candidate_count == 0 || v->vm->focus != PANE_PROMPT || r.h == 0)
        return;
    grid_fill(v->g, r, ' ', STYLE(ROLE_TEXT));
    int x = r.x + 1;
    for (size_t i = 0; i < p->candidate_count; i++) {
        const char *s = p->candidates[i];
        int w = (int)text_width(s, strlen(s), TEXT_PROSE);
        if (x + w + 8 > r.w && i + 1 < p->candidate_count) {
            grid_put_format(v->g, x, r.y, r.w, STYLE(ROLE_DIM), "+%zu", p->candidate_count - i);
            return;
        }
        x = grid_put_fit(v->g, x, r.y, r.w, s,
                         STYLE(i == p->candidate_chosen ? ROLE_SELECT : ROLE_TEXT)) +
            2;
    }
}

void view_draw_message(const struct view *v)
{
    static const uint8_t roles[] = { ROLE_TEXT, ROLE_INFO, ROLE_WAIT, ROLE_GOOD, ROLE_BAD };
    const struct view_message *m = v->vm->question.text ? &v->vm->question
                                   : v->vm->toast.text  ? &v->vm->toast
                                                        : NULL;
    struct rect r = v->l->hints.h ? v->l->hints : v->l->status;
    if (!m || r.h == 0)
        return;
    grid_fill(v->g, r, ' ', STYLE(ROLE_TEXT));
    int x = grid_put_fit(v->g, r.x + 1, r.y, r.w, m->text, STYLE(roles[m->tone]));
    if (m == &v->vm->question) {
        v->info->cursor_x = x + 1 < r.w ? x + 1 : r.w - 1;
        v->info->cursor_y = r.y;
    }
}
