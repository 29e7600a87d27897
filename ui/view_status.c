/* view_status.c - the lines around the panes: status, prompt, keys, messages. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>
#include "ui/keymap.h"

#define SOON_US INT64_C(120000000) /* a sandbox that ends so soon stands out */

/* ---- the status line: by importance, dropped from the right ---- */

struct bar {
    const struct view *v;
    int x;
    bool full;
};

static void bar_add(struct bar *b, enum style_role role, unsigned attrs, const char *text)
{
    struct rect r = b->v->l->status;
    int w = (int)text_width(text, strlen(text), TEXT_PROSE);
    struct style st = STYLE(role);
    st.attrs = (uint8_t)attrs;
    if (b->full || text[0] == '\0')
        return;
    if (b->x + w + 1 > r.w) {
        b->full = true;
        return;
    }
    grid_put_text(b->v->g, b->x, r.y, r.w, text, st);
    b->x += w + 2;
}

static void add_phase(struct bar *b)
{
    const struct state *st = b->v->st;
    const struct view_model *vm = b->v->vm;
    char text[128];
    switch (st->phase) {
    case PHASE_GATE:
        bar_add(b, ROLE_WAIT, STYLE_REVERSE, " WAITING FOR YOU ");
        break;
    case PHASE_RUNNING: {
        const struct state_run *r = state_run_at(st, st->running);
        char span[32] = "";
        if (r && r->started_at_us && vm->now_us > r->started_at_us)
            view_clock(vm->now_us - r->started_at_us, span, sizeof span);
        if (r)
            snprintf(text, sizeof text, "%s running %u  %s", SYM(b->v, SYM_NOW), st->running, span);
        else
            snprintf(text, sizeof text, "%s approved", SYM(b->v, SYM_NOW));
        bar_add(b, ROLE_STATUS, STYLE_BOLD, text);
        break;
    }
    case PHASE_PLANNING:
        if (st->retry_at_us > vm->now_us) {
            snprintf(text, sizeof text, " RETRY IN %lld s ",
                     (long long)((st->retry_at_us - vm->now_us + 999999) / 1000000));
            bar_add(b, ROLE_WAIT, STYLE_REVERSE, text);
        } else {
            bar_add(b, ROLE_STATUS, STYLE_BOLD,
                    vm->planner_status ? vm->planner_status : "planning");
        }
        break;
    case PHASE_FINISHED:
        if (st->stopped)
            snprintf(text, sizeof text, " %.*s ", 60, st->outcome);
        else
            snprintf(text, sizeof text, "finished%s%s", st->outcome[0] ? ": " : "", st->outcome);
        bar_add(b, st->stopped ? ROLE_BAD : ROLE_STATUS, st->stopped ? STYLE_REVERSE : STYLE_BOLD,
                text);
        break;
    case PHASE_IDLE:
        bar_add(b, ROLE_STATUS, 0, st->run_count || st->message_count ? "ready" : "");
        break;
    }
}

/* Stays until a later run was decided on. */
static void add_flag(struct bar *b)
{
    char text[48];
    if (b->v->st->flagged_run == 0)
        return;
    snprintf(text, sizeof text, " FLAG run %u ", b->v->st->flagged_run);
    bar_add(b, ROLE_BAD, STYLE_REVERSE, text);
}

static void add_queued(struct bar *b)
{
    char text[48];
    if (b->v->vm->queued == 0)
        return;
    snprintf(text, sizeof text, " %u QUEUED ", b->v->vm->queued);
    bar_add(b, ROLE_WAIT, STYLE_REVERSE, text);
}

static void add_lease(struct bar *b)
{
    const struct state_lease *l = &b->v->st->lease;
    char text[96], left[24] = "";
    if (!l->active)
        return;
    if (l->until_boot_us)
        view_clock(l->until_boot_us - b->v->vm->gate.boot_us, left, sizeof left);
    if (l->runs_left >= 0)
        snprintf(text, sizeof text, " LEASE %lld runs %s ", (long long)l->runs_left, left);
    else
        snprintf(text, sizeof text, " LEASE %s ", left);
    bar_add(b, ROLE_WAIT, STYLE_REVERSE, text);
}

/* How long it waits for a place, or until it is ended: "ends 29:12". */
static bool sandbox_span(const struct view *v, char *out, size_t size)
{
    const struct state *st = v->st;
    char clock[24] = "";
    if (st->sbx == SBX_WAITING && v->vm->now_us >= st->sandbox_waits_at_us)
        view_clock(v->vm->now_us - st->sandbox_waits_at_us, clock, sizeof clock);
    else if (st->sandbox_ends_boot_us != 0)
        view_clock(st->sandbox_ends_boot_us > v->vm->gate.boot_us
                       ? st->sandbox_ends_boot_us - v->vm->gate.boot_us
                       : 0,
                   clock, sizeof clock);
    else
        return false;
    snprintf(out, size, "%s%s%s", st->sbx == SBX_WAITING ? "for a place " : "ends ", clock,
             st->sbx == SBX_WAITING ? ", ^C gives up" : "");
    return true;
}

static void add_sandbox(struct bar *b)
{
    const struct state *st = b->v->st;
    static const char *const words[] = { "",      " starting", "",       " closed",
                                         " LOST", " WAITS",    " paused" };
    char text[160], span[64];
    size_t at = 0;
    if (!st->sandbox[0])
        return;
    int n = snprintf(text, sizeof text, "%.40s%s ", st->sandbox, words[st->sbx]);
    at = n > 0 ? (size_t)n : 0;
    if (sandbox_span(b->v, span, sizeof span)) {
        n = snprintf(text + at, sizeof text - at, "%s ", span);
        at += n > 0 ? (size_t)n : 0;
    }
    const char *lights = st->lights;
    for (int i = 0; i < 5 && lights[i] && at + 4 < sizeof text; i++) {
        n = snprintf(text + at, sizeof text - at, "%s",
                     SYM(b->v, lights[i] == '+'   ? SYM_FULL
                               : lights[i] == '-' ? SYM_FAIL
                                                  : SYM_OPEN));
        at += n > 0 ? (size_t)n : 0;
    }
    bool soon = st->sandbox_ends_boot_us != 0 &&
                st->sandbox_ends_boot_us - b->v->vm->gate.boot_us < SOON_US;
    bool loud = st->sbx == SBX_WAITING || soon;
    bool bad = st->sbx == SBX_LOST || strchr(lights, '-') != NULL;
    bar_add(b,
            bad    ? ROLE_BAD
            : loud ? ROLE_WAIT
                   : ROLE_STATUS,
            bad || loud ? STYLE_REVERSE : 0, text);
}

static void add_model(struct bar *b)
{
    char text[96];
    if (!b->v->vm->planner_model)
        return;
    snprintf(text, sizeof text, "%.24s %.60s", b->v->st->planner, b->v->vm->planner_model);
    bar_add(b, ROLE_STATUS, 0, text);
}

static void add_step(struct bar *b)
{
    const struct state *st = b->v->st;
    char text[64];
    for (size_t i = 0; i < st->step_count; i++)
        if (st->steps[i].status == STEP_ACTIVE) {
            snprintf(text, sizeof text, "step %zu/%zu", i + 1, st->step_count);
            bar_add(b, ROLE_STATUS, 0, text);
            return;
        }
}

static void add_money(struct bar *b)
{
    const struct state *st = b->v->st;
    char cost[32], of[32], text[80];
    if (st->cost_nanousd == 0 && b->v->vm->budget_nanousd == 0)
        return;
    view_money(st->cost_nanousd, cost, sizeof cost);
    if (b->v->vm->budget_nanousd) {
        view_money(b->v->vm->budget_nanousd, of, sizeof of);
        snprintf(text, sizeof text, "%s of %s", cost, of + 1);
    } else {
        snprintf(text, sizeof text, "%s", cost);
    }
    bar_add(b, ROLE_STATUS, 0, text);
}

static void add_rest(struct bar *b)
{
    const struct state *st = b->v->st;
    char text[96];
    /* At rest nothing wakes us to move a clock, so it stands at what happened last. */
    bool rests = st->phase == PHASE_IDLE || st->phase == PHASE_FINISHED;
    int64_t until = rests ? st->last_at_us : b->v->vm->now_us;
    if (st->created_at_us && until > st->created_at_us) {
        view_clock(until - st->created_at_us, text, sizeof text);
        bar_add(b, ROLE_STATUS, 0, text);
    }
    int64_t tokens = st->input_tokens + st->output_tokens;
    if (tokens > 0) {
        snprintf(text, sizeof text, "%lld tok", (long long)tokens);
        bar_add(b, ROLE_STATUS, 0, text);
    }
    if (!b->v->vm->planner_model && st->planner[0]) {
        snprintf(text, sizeof text, "%.40s%s%.40s", st->planner, st->model[0] ? " " : "",
                 st->model);
        bar_add(b, ROLE_STATUS, 0, text);
    }
}

/* The beginning of the task stands for a name. */
static void first_words(const struct view *v, const char *task, char *out, size_t size)
{
    size_t used, line = strcspn(task, "\n"), room = v->g->w < 60 ? 14 : 28,
                 fit = text_fit(task, line, room, TEXT_PROSE, &used);
    while (fit > 0 && fit < line && task[fit] != ' ')
        fit--;
    if (fit == 0)
        fit = text_fit(task, line, room, TEXT_PROSE, &used);
    snprintf(out, size, "%.*s%s", (int)fit, task, fit < strlen(task) ? SYM(v, SYM_MORE) : "");
}

void view_draw_status(const struct view *v)
{
    const struct state *st = v->st;
    struct rect r = v->l->status;
    struct bar b = { .v = v, .x = 1 };
    char text[96];
    if (r.h == 0)
        return;
    grid_fill(v->g, r, ' ', STYLE(ROLE_STATUS));
    bool narrow = r.w < 60;
    if (!narrow || v->vm->screen == SCREEN_START)
        bar_add(&b, ROLE_STATUS, STYLE_BOLD, "airlock");
    if (v->vm->screen == SCREEN_START) {
        snprintf(text, sizeof text, "%zu session%s", v->vm->session_count,
                 v->vm->session_count == 1 ? "" : "s");
        bar_add(&b, ROLE_STATUS, 0, text);
        return;
    }
    if (st->name[0])
        snprintf(text, sizeof text, "%.40s", st->name);
    else if (st->task[0])
        first_words(v, st->task, text, sizeof text);
    else
        snprintf(text, sizeof text, "%.10s", st->session);
    if (st->run_count)
        snprintf(text + strlen(text), sizeof text - strlen(text), " #%zu", st->run_count);
    if (v->vm->replay.on)
        bar_add(&b, ROLE_INFO, STYLE_REVERSE, " REPLAY ");
    if (st->foreign) /* imported: made elsewhere, by whomever */
        bar_add(&b, ROLE_WAIT, STYLE_REVERSE, " FOREIGN ");
    if (narrow)
        add_phase(&b);
    bar_add(&b, ROLE_STATUS, 0, text);
    if (!narrow)
        add_phase(&b);
    add_flag(&b);
    add_queued(&b);
    add_lease(&b);
    add_step(&b);
    add_sandbox(&b);
    add_model(&b);
    add_money(&b);
    add_rest(&b);
}

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

static unsigned context_of(const struct view_model *vm)
{
    if (vm->screen == SCREEN_HELP || vm->screen == SCREEN_CONTEXT)
        return KEYMAP_IN_HELP;
    if (vm->focus == PANE_PROMPT)
        return KEYMAP_IN_PROMPT;
    if (vm->replay.on)
        return KEYMAP_IN_REPLAY;
    if (vm->screen == SCREEN_PAGE)
        return KEYMAP_IN_PAGE;
    if (vm->screen == SCREEN_START)
        return KEYMAP_IN_START;
    if (vm->screen == SCREEN_HITS)
        return KEYMAP_IN_HITS;
    if (vm->focus == PANE_GATE)
        return KEYMAP_IN_GATE;
    if (vm->focus == PANE_CODE || vm->focus == PANE_OUT || vm->focus == PANE_ERR)
        return KEYMAP_IN_PANE;
    if (vm->focus == PANE_PLAN)
        return KEYMAP_IN_PLAN;
    return KEYMAP_IN_LIST;
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
    size_t n = keymap_hints(context_of(v->vm), hints, ARRAY_LEN(hints));
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
