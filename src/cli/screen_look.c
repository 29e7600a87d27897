/* screen_look.c - where the person looks: the focus, moving, searching, what is shown and how.
 * Nothing here changes the session. */
#include "cli/screen_int.h"

#include "base/clock.h"
#include "cli/commands.h"

/* ---- the focus ---- */

static enum view_pane list_pane(const struct screen *s)
{
    return s->vm.screen == SCREEN_START || s->vm.screen == SCREEN_HITS ? PANE_TIMELINE
                                                                       : s->vm.focus;
}

void screen_focus(struct screen *s, enum view_pane p)
{
    if (p == PANE_GATE) {
        if (s->gate.open)
            screen_gate_focus(s, true);
        else if (s->film != NULL && screen_state(s)->gate.open)
            s->vm.focus = PANE_GATE;
        screen_changed(s);
        return;
    }
    gate_focus(&s->gate, false, clock_boot_us());
    s->vm.focus = p;
    if (s->vm.screen == SCREEN_START && p != PANE_PROMPT)
        screen_list_entered(s);
    screen_changed(s);
}

static void do_focus(struct screen *s, enum keymap_command cmd, uint32_t key)
{
    switch (cmd) {
    case CMD_FOCUS_PROMPT:
        screen_focus(s, PANE_PROMPT);
        break;
    case CMD_LEAVE_PROMPT:
        screen_drop_candidates(s);
        if (s->use != USE_MAIN)
            screen_prompt_done(s);
        else
            screen_focus(s, list_pane(s) == PANE_TIMELINE ? PANE_TIMELINE : PANE_CODE);
        if (s->film != NULL)
            prompt_clear();
        break;
    case CMD_FOCUS_GATE:
        if (s->vm.screen == SCREEN_CONTEXT)
            s->vm.screen = SCREEN_SESSION;
        if (s->gate.open)
            screen_gate_focus(s, true);
        else
            screen_toast(s, TONE_INFO, "no gate is open");
        break;
    case CMD_NEXT_PANE:
    case CMD_PREV_PANE:
        screen_focus(s,
                     layout_next_pane(&s->info.layout, s->vm.focus, cmd == CMD_NEXT_PANE ? 1 : -1));
        break;
    case CMD_PANE:
        if (key >= '1' && key <= '8')
            screen_focus(s, (enum view_pane)(key - '0'));
        break;
    default:
        break;
    }
}

/* ---- moving ---- */

static void move(struct screen *s, enum view_move m)
{
    view_move(screen_state(s), &s->vm, s->grid.w, s->grid.h, list_pane(s), m, 1);
    if (s->vm.screen == SCREEN_START)
        screen_list_moved(s);
}

/* In the plan along the runs of the step, in a shown result along the results of its run; without
 * steps, and elsewhere, along all runs. */
static void choose_run(struct screen *s, enum view_move m)
{
    const struct state *st = screen_state(s);
    enum view_pane pane =
        s->vm.focus == PANE_PLAN && st->step_count == 0 ? PANE_TIMELINE : s->vm.focus;
    view_move(st, &s->vm, s->grid.w, s->grid.h, pane, m, 1);
}

/* Up and down where the focus is, left and right along the runs. */
static bool do_move(struct screen *s, enum keymap_command cmd)
{
    static const struct {
        enum keymap_command cmd;
        enum view_move move;
    } moves[] = {
        { CMD_UP, MOVE_UP },           { CMD_DOWN, MOVE_DOWN },
        { CMD_PAGE_UP, MOVE_PAGE_UP }, { CMD_PAGE_DOWN, MOVE_PAGE_DOWN },
        { CMD_HALF_UP, MOVE_HALF_UP }, { CMD_HALF_DOWN, MOVE_HALF_DOWN },
        { CMD_TOP, MOVE_TOP },         { CMD_BOTTOM, MOVE_BOTTOM },
        { CMD_LEFT, MOVE_LEFT },       { CMD_RIGHT, MOVE_RIGHT },
    };
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        if (moves[i].cmd != cmd)
            continue;
        if (cmd == CMD_LEFT || cmd == CMD_RIGHT)
            choose_run(s, moves[i].move);
        else
            move(s, moves[i].move);
        return true;
    }
    return false;
}

/* ---- back ---- */

static void enter_help(struct screen *s)
{
    s->vm.help_over = s->vm.screen;
    s->vm.help_scroll = (struct view_scroll){ .selected = -1 };
    s->vm.help_hit = 0;
    s->vm.screen = SCREEN_HELP;
}

/* Back to what it lay over; a gate that opened meanwhile wants to be seen whole. */
static void leave_help(struct screen *s)
{
    bool hidden = screen_state(s)->gate.open && s->vm.help_over == SCREEN_PAGE;
    if (s->vm.help_asks)
        screen_prompt_done(s);
    s->vm.screen = s->vm.help_over;
    if (hidden)
        screen_page_close(s);
}

static void back(struct screen *s, uint32_t key)
{
    if (s->vm.screen == SCREEN_HELP)
        leave_help(s);
    else if (s->vm.screen == SCREEN_CONTEXT)
        s->vm.screen = SCREEN_SESSION;
    else if (s->vm.screen == SCREEN_HITS)
        screen_list_sessions(s, s->query);
    else if (s->vm.screen == SCREEN_PAGE)
        screen_page_close(s);
    else if (s->vm.screen == SCREEN_START && screen_list_back(s))
        return;
    else if (s->vm.screen == SCREEN_START && s->session != NULL)
        s->vm.screen = SCREEN_SESSION;
    else if (s->vm.select.pane != PANE_PROMPT)
        s->vm.select.pane = PANE_PROMPT;
    else if (s->vm.zoom != PANE_PROMPT)
        s->vm.zoom = PANE_PROMPT;
    else if (s->vm.run != 0)
        s->vm.run = 0;
    else if (s->film != NULL && key == 'q')
        screen_leave(s, EXIT_OK);
    else if (s->film == NULL)
        screen_focus(s, PANE_PROMPT);
}

/* ---- what is shown ---- */

void screen_search(struct screen *s, int dir)
{
    const size_t budget = (size_t)256 << 20;
    if (s->search.len == 0) {
        screen_toast(s, TONE_INFO, "nothing was searched for yet: /");
        return;
    }
    enum view_found f = view_search(screen_state(s), &s->vm, s->grid.w, s->grid.h, dir, budget);
    if (f != VIEW_FOUND)
        screen_toast(s, TONE_INFO,
                     f == VIEW_MORE ? "not in the next 256 MiB: n goes on" : "not found: %s",
                     buf_str(&s->search));
}

static void next_result(struct screen *s)
{
    const struct state_run *sr = view_run(screen_state(s), &s->vm);
    if (sr == NULL || sr->result_count == 0) {
        screen_toast(s, TONE_INFO, "this run has no results beside its output");
        return;
    }
    if (!s->vm.show_result) {
        s->vm.show_result = true;
        s->vm.result = 0;
    } else if (++s->vm.result >= sr->result_count) {
        s->vm.show_result = false;
        s->vm.result = 0;
    }
}

bool screen_look(struct screen *s, enum keymap_command cmd, uint32_t key)
{
    if (do_move(s, cmd))
        return true;
    switch (cmd) {
    case CMD_FOCUS_PROMPT:
    case CMD_LEAVE_PROMPT:
    case CMD_FOCUS_GATE:
    case CMD_NEXT_PANE:
    case CMD_PREV_PANE:
    case CMD_PANE:
        do_focus(s, cmd, key);
        break;
    case CMD_BACK:
        back(s, key);
        break;
    case CMD_HELP:
        if (s->vm.screen == SCREEN_HELP)
            leave_help(s);
        else
            enter_help(s);
        break;
    case CMD_ZOOM:
        s->vm.zoom = s->vm.zoom != PANE_PROMPT ? PANE_PROMPT : s->vm.focus;
        break;
    case CMD_SEARCH_NEXT:
        screen_search(s, 1);
        break;
    case CMD_SEARCH_PREV:
        screen_search(s, -1);
        break;
    case CMD_SELECT:
        view_select(screen_state(s), &s->vm, s->grid.w, s->grid.h, s->vm.focus);
        break;
    case CMD_DIFF:
        view_toggle_diff(screen_state(s), &s->vm, s->vm.focus);
        screen_say_diff(s);
        break;
    case CMD_RAW:
        s->vm.raw = !s->vm.raw;
        break;
    case CMD_WORD:
        s->vm.no_word_marks = !s->vm.no_word_marks;
        break;
    case CMD_FOLLOW:
        s->vm.scroll[s->vm.focus].follow = !s->vm.scroll[s->vm.focus].follow;
        break;
    case CMD_RESULT:
        next_result(s);
        break;
    default:
        return false;
    }
    return true;
}
