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
static unsigned key_context(const struct screen *s)
{
    unsigned context = view_key_context(&s->vm);
    return s->film != NULL && context == KEYMAP_IN_GATE ? KEYMAP_IN_LIST : context;
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
    if (s->info.layout.too_small && s->gate.open) {
        screen_gate_deny(s, ""); /* as it says there, wherever the focus is */
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

static void suspend(struct screen *s)
{
    struct sigaction sa = { .sa_handler = SIG_DFL }, old;
    term_suspend(s->term);
    sigaction(SIGTSTP, &sa, &old);
    /* A replay may be the child of another screen, which would wait for it and keep the shell from
     * the terminal: so all of the job stops, as `fg` wakes all of it. */
    if (s->film != NULL)
        kill(0, SIGTSTP);
    else
        raise(SIGTSTP);
    sigaction(SIGTSTP, &old, NULL);
    term_resume(s->term);
    screen_terminal_is_back(s);
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

static void begin_command(struct screen *s)
{
    if (s->vm.focus != PANE_PROMPT)
        s->film_focus = s->vm.focus;
    screen_focus(s, PANE_PROMPT);
    prompt_set(":");
}

/* What has no key of its own can be typed behind a colon. */
static void do_as_typed(struct screen *s, enum keymap_command cmd, const char *args)
{
    const struct keymap_entry *k = keymap_entry(cmd);
    if (k == NULL)
        return;
    char *line = xasprintf("%s %s", k->name, args);
    screen_command(s, line);
    free(line);
}

static bool only_in_a_replay(struct screen *s, enum keymap_command cmd)
{
    if (!film_owns(cmd))
        return false;
    screen_toast(s, TONE_INFO, "only in a replay: :replay, or R in the list of sessions");
    return true;
}

static void ask_search(struct screen *s)
{
    enum view_pane p = s->vm.focus;
    bool can =
        s->vm.screen == SCREEN_HELP || (s->vm.screen == SCREEN_SESSION && p != PANE_PLAN &&
                                        p != PANE_STATE && p != PANE_NOTES && p != PANE_RECORD);
    if (can)
        screen_use_prompt(s, USE_SEARCH, "");
    else
        screen_toast(s, TONE_INFO,
                     "no search here: code, out, err and timeline (2 3 4 6) have one");
}

void screen_do(struct screen *s, enum keymap_command cmd, const char *args, uint32_t key)
{
    if (s->film != NULL ? film_do(s->film, cmd, args) : only_in_a_replay(s, cmd))
        return;
    if (screen_look(s, cmd, key) || screen_list_key(s, cmd))
        return;
    switch (cmd) {
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
        ask_search(s);
        break;
    case CMD_COMMAND_LINE:
        begin_command(s);
        break;
    case CMD_COPY:
        screen_copy(s);
        break;
    case CMD_SAVE:
        screen_save_result(s, args);
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
    default:
        do_as_typed(s, cmd, args);
        break;
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
    unsigned context = key_context(s);
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
           key_context(s) == KEYMAP_IN_PROMPT && keymap_find_key(KEYMAP_IN_PROMPT, ev->key) == NULL;
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
