/* view_status.c - the status line: what goes on, by importance; what does not fit goes from the
 * right. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>

#define SOON_US INT64_C(120000000) /* a sandbox that ends so soon stands out */

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
    if (!l->active || l->runs_left == 0) /* used up: it covers nothing any more */
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
