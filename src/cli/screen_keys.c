/* screen_keys.c - where a key goes: the gate, the prompt, or a command of the one key table. */
#include "cli/screen_int.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/screen_replay.h"

/* The gate of a replay is only looked at. */
unsigned screen_context(const struct screen *s)
{
    unsigned context = view_key_context(&s->vm);
    return s->film != NULL && context == KEYMAP_IN_GATE ? KEYMAP_IN_LIST : context;
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

static bool is_session(const struct screen *s)
{
    return s->session != NULL || s->film != NULL;
}

/* ---- questions with y/n: only about leaving and killing, never about the gate ---- */

static bool answer_question(struct screen *s, const struct key_event *ev)
{
    if (s->asking == ASK_NOTHING)
        return false;
    bool yes =
        ev->kind == KEY_PRESS && !ev->burst && (ev->key == 'y' || ev->key == 'Y' || ev->key == 'Q');
    int what = s->asking;
    s->asking = ASK_NOTHING;
    s->vm.question.text = NULL;
    if (yes && what == ASK_QUIT) {
        screen_gate_deny(s, "Airlock was left");
        screen_leave(s, EXIT_OK);
    } else if (yes && what == ASK_KILL && screen_round(s) != NULL) {
        round_kill_sandbox(screen_round(s));
    }
    screen_changed_by_key(s);
    return true;
}

static void ask_quit(struct screen *s)
{
    const struct state *st = screen_state(s);
    if (st->running == 0 && !st->gate.open && st->phase != PHASE_PLANNING) {
        screen_leave(s, EXIT_OK);
        return;
    }
    buf_reset(&s->question);
    (void)buf_addf(&s->question, "Quit? %s  y quits, any other key stays.",
                   st->running != 0 ? "A run is on: its sandbox dies with Airlock."
                   : st->gate.open  ? "A gate is open: it will be denied."
                                    : "The planner is at work.");
    s->vm.question = (struct view_message){ .text = buf_str(&s->question), .tone = TONE_WAIT };
    s->asking = ASK_QUIT;
    screen_changed_by_key(s);
}

/* ---- ^C ---- */

static void interrupt(struct screen *s)
{
    const struct state *st = screen_state(s);
    size_t len;
    prompt_line(&len, NULL);
    if (s->use != USE_MAIN) {
        screen_prompt_done(s);
        return;
    }
    if (screen_round(s) != NULL && st->running == 0 && st->phase == PHASE_PLANNING) {
        unsigned queued = round_queued(screen_round(s));
        round_interrupt(screen_round(s));
        screen_toast(s, TONE_WAIT,
                     queued > 0 ? "the model was interrupted; it gets what you said now"
                                : "the model was interrupted; it waits for your words");
        return;
    }
    if (screen_round(s) != NULL && st->running == 0 && st->phase == PHASE_RUNNING) {
        round_interrupt(screen_round(s));
        screen_toast(s, TONE_WAIT, "the sandbox is not waited for any more; nothing was executed");
        return;
    }
    if (screen_round(s) != NULL && st->running != 0) {
        round_interrupt(screen_round(s));
        screen_toast(s, TONE_WAIT,
                     s->interrupts++ == 0 ? "interrupting; again destroys the sandbox"
                                          : "destroying the sandbox");
        return;
    }
    if (len > 0 || s->block.len > 0) {
        buf_reset(&s->block);
        prompt_clear();
        return;
    }
    if (s->film != NULL) {
        screen_toast(s, TONE_INFO, "nothing runs in a replay; q leaves it");
        return;
    }
    screen_toast(s, TONE_INFO, "nothing is running; Q (after Esc) or :quit leaves");
}

/* ---- commands ---- */

static enum view_pane list_pane(const struct screen *s)
{
    return s->vm.screen == SCREEN_START || s->vm.screen == SCREEN_HITS ? PANE_TIMELINE
                                                                       : s->vm.focus;
}

static void move(struct screen *s, enum view_move m)
{
    view_move(screen_state(s), &s->vm, s->grid.w, s->grid.h, list_pane(s), m, 1);
    if (s->vm.screen == SCREEN_START)
        screen_list_moved(s);
}

static void search_again(struct screen *s, int dir)
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

static void suspend(struct screen *s)
{
    struct sigaction sa = { .sa_handler = SIG_DFL }, old;
    term_suspend(s->term);
    sigaction(SIGTSTP, &sa, &old);
    raise(SIGTSTP);
    sigaction(SIGTSTP, &old, NULL);
    term_resume(s->term);
    screen_terminal_is_back(s);
}

static void back(struct screen *s, uint32_t key)
{
    if (s->vm.screen == SCREEN_HELP || s->vm.screen == SCREEN_CONTEXT)
        s->vm.screen = is_session(s) ? SCREEN_SESSION : SCREEN_START;
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

/* In the plan along the runs of the step, in a shown result along the results of its run; without
 * steps, and elsewhere, along all runs. */
static void choose_run(struct screen *s, enum view_move m)
{
    const struct state *st = screen_state(s);
    enum view_pane pane =
        s->vm.focus == PANE_PLAN && st->step_count == 0 ? PANE_TIMELINE : s->vm.focus;
    view_move(st, &s->vm, s->grid.w, s->grid.h, pane, m, 1);
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

static void open_item(struct screen *s)
{
    struct err e = ERR_INIT;
    int rc = s->vm.screen == SCREEN_HITS    ? screen_find_open(s, &e)
             : s->vm.screen == SCREEN_START ? screen_open_selected(s, &e)
                                            : 0;
    if (rc < 0)
        screen_fail(s, &e);
}

/* Looking and moving: never changes the session. True when `cmd` was one of these. */
static bool do_looking(struct screen *s, enum keymap_command cmd)
{
    switch (cmd) {
    case CMD_UP:
        move(s, MOVE_UP);
        break;
    case CMD_DOWN:
        move(s, MOVE_DOWN);
        break;
    case CMD_PAGE_UP:
        move(s, MOVE_PAGE_UP);
        break;
    case CMD_PAGE_DOWN:
        move(s, MOVE_PAGE_DOWN);
        break;
    case CMD_HALF_UP:
        move(s, MOVE_HALF_UP);
        break;
    case CMD_HALF_DOWN:
        move(s, MOVE_HALF_DOWN);
        break;
    case CMD_TOP:
        move(s, MOVE_TOP);
        break;
    case CMD_BOTTOM:
        move(s, MOVE_BOTTOM);
        break;
    case CMD_LEFT:
        choose_run(s, MOVE_LEFT);
        break;
    case CMD_RIGHT:
        choose_run(s, MOVE_RIGHT);
        break;
    case CMD_ZOOM:
        s->vm.zoom = s->vm.zoom != PANE_PROMPT ? PANE_PROMPT : s->vm.focus;
        break;
    case CMD_SEARCH_NEXT:
        search_again(s, 1);
        break;
    case CMD_SEARCH_PREV:
        search_again(s, -1);
        break;
    case CMD_SELECT:
        view_select(screen_state(s), &s->vm, s->grid.w, s->grid.h, s->vm.focus);
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

static bool only_in_a_replay(struct screen *s, enum keymap_command cmd)
{
    if (!film_owns(cmd))
        return false;
    screen_toast(s, TONE_INFO, "only in a replay: :replay, or R in the list of sessions");
    return true;
}

void screen_do(struct screen *s, enum keymap_command cmd, const char *args, uint32_t key)
{
    if (s->film != NULL ? film_do(s->film, cmd, args) : only_in_a_replay(s, cmd))
        return;
    if (do_looking(s, cmd) || screen_list_key(s, cmd))
        return;
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
    case CMD_OPEN:
        open_item(s);
        break;
    case CMD_PICK_LEFT:
    case CMD_PICK_RIGHT:
        screen_pick(s, cmd == CMD_PICK_RIGHT);
        break;
    case CMD_PAGE_GO:
        screen_page_go(s);
        break;
    case CMD_SEARCH:
        screen_use_prompt(s, USE_SEARCH, "");
        break;
    case CMD_COMMAND_LINE:
        if (s->vm.focus != PANE_PROMPT)
            s->film_focus = s->vm.focus;
        screen_focus(s, PANE_PROMPT);
        prompt_set(":");
        break;
    case CMD_COPY:
        screen_copy(s);
        break;
    case CMD_SAVE:
        screen_save_result(s, args);
        break;
    case CMD_DIFF:
        view_toggle_diff(screen_state(s), &s->vm, s->vm.focus);
        screen_say_diff(s);
        break;
    case CMD_HELP:
        s->vm.screen = s->vm.screen == SCREEN_HELP ? (is_session(s) ? SCREEN_SESSION : SCREEN_START)
                                                   : SCREEN_HELP;
        break;
    case CMD_FIND:
        screen_find(s, args);
        break;
    case CMD_SESSIONS:
        screen_focus(s, PANE_TIMELINE);
        screen_list_sessions(s, args[0] != '\0' ? args : NULL);
        break;
    case CMD_REDRAW:
        term_redraw(s->term);
        break;
    case CMD_SUSPEND:
        suspend(s);
        break;
    case CMD_INTERRUPT:
        interrupt(s);
        break;
    case CMD_QUIT:
        ask_quit(s);
        break;
    case CMD_STEP_ADD:
    case CMD_STEP_EDIT:
    case CMD_STEP_DELETE:
    case CMD_STEP_UP:
    case CMD_STEP_DOWN:
    case CMD_STEP_MARK:
    case CMD_STEP_SKIP:
        screen_step_key(s, cmd);
        break;
    case CMD_LEASE_END:
        if (screen_round(s) != NULL)
            round_end_lease(screen_round(s), "ended by the person");
        break;
    default: {
        /* The rest is what can be typed behind a colon as well. */
        const struct keymap_entry *k = keymap_entry(cmd);
        if (k != NULL) {
            char *line = xasprintf("%s %s", k->name, args);
            screen_command(s, line);
            free(line);
        }
    }
    }
}

/* ---- dispatch ---- */

static void on_mouse(struct screen *s, const struct key_event *ev)
{
    if (ev->mouse != KEY_MOUSE_PRESS) {
        view_wheel(screen_state(s), &s->vm, s->grid.w, s->grid.h, ev->x, ev->y,
                   ev->mouse == KEY_MOUSE_WHEEL_UP ? -3 : 3);
        return;
    }
    if (s->vm.screen != SCREEN_SESSION)
        return;
    if (s->film != NULL && film_click(s->film, ev->x, ev->y))
        return;
    enum view_pane p = layout_pane_at(&s->info.layout, ev->x, ev->y);
    if (p != s->vm.focus && s->use == USE_MAIN)
        screen_focus(s, p);
}

static void on_prompt_key(struct screen *s, const struct key_event *ev)
{
    if (ev->key == KEYMAP_TAB) {
        screen_tab(s);
        return;
    }
    screen_drop_candidates(s);
    prompt_feed(ev->bytes, ev->len, ev->burst);
    if (s->use == USE_FILTER)
        screen_list_filter(s, prompt_line(NULL, NULL));
}

static void on_press(struct screen *s, const struct key_event *ev)
{
    unsigned context = screen_context(s);
    if (s->film != NULL && film_key(s->film, ev))
        return;
    if (context == KEYMAP_IN_GATE) {
        if (ev->key == KEYMAP_CTRL('L') || ev->key == KEYMAP_CTRL('Z') || ev->key == KEYMAP_F1 ||
            ev->key == '?')
            screen_do(
                s,
                keymap_find_key(ev->key == '?' ? KEYMAP_IN_GATE : KEYMAP_EVERYWHERE, ev->key)->id,
                "", ev->key);
        else
            screen_gate_key(s, ev);
        return;
    }
    const struct keymap_entry *k = keymap_find_key(context, ev->key);
    if (context & (KEYMAP_IN_PANE | KEYMAP_IN_LIST | KEYMAP_IN_PLAN)) {
        if (ev->key >= '1' && ev->key <= '8')
            k = keymap_entry(CMD_PANE);
    }
    if (k != NULL)
        screen_do(s, k->id, "", ev->key);
    else if (context == KEYMAP_IN_PROMPT)
        on_prompt_key(s, ev);
    else if (s->film != NULL && keymap_find_key(KEYMAP_IN_GATE, ev->key) != NULL)
        film_refuse(s);
}

/* A key that goes to readline and changes nothing but the line. */
static bool is_typed(const struct screen *s, const struct key_event *ev)
{
    return ev->kind == KEY_PRESS && ev->key != KEYMAP_TAB && s->asking == ASK_NOTHING &&
           s->use == USE_MAIN && s->candidate_count == 0 && s->film == NULL &&
           screen_context(s) == KEYMAP_IN_PROMPT &&
           keymap_find_key(KEYMAP_IN_PROMPT, ev->key) == NULL;
}

void screen_on_key(void *arg, const struct key_event *ev)
{
    struct screen *s = arg;
    s->pending = GATE_NOTHING; /* whatever the key does: the one before did not stand alone */
    if (is_typed(s, ev))
        screen_changed_by_typing(s);
    else
        screen_changed_by_key(s);
    if (answer_question(s, ev))
        return;
    if (s->film == NULL && s->vm.focus == PANE_GATE && ev->kind != KEY_PRESS &&
        ev->kind != KEY_MOUSE) {
        screen_gate_key(s, ev);
        return;
    }
    switch (ev->kind) {
    case KEY_PRESS:
        on_press(s, ev);
        break;
    case KEY_PASTE:
        if (s->vm.focus == PANE_PROMPT)
            screen_paste(s, ev->bytes, ev->len);
        if (ev->cut)
            screen_toast(s, TONE_WAIT, "the paste was longer than 1 MiB: the rest was dropped");
        break;
    case KEY_MOUSE:
        if (s->film == NULL && s->vm.focus == PANE_GATE)
            gate_disturb(&s->gate, clock_boot_us());
        on_mouse(s, ev);
        break;
    case KEY_UNKNOWN:
        break;
    }
}
