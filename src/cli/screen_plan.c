/* screen_plan.c - the plan, edited by the person: keys in its pane, `:step`, and a line to type in.
 * Each change is one event; the planner may refuse it. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/plan.h"

/* The step with the cursor, from 1; 0: there is no plan. */
static size_t selected(const struct screen *s)
{
    size_t at = view_plan_step(screen_state(s), &s->vm);
    return at == SIZE_MAX ? 0 : at + 1;
}

static void select_step(struct screen *s, size_t place)
{
    s->vm.scroll[PANE_PLAN].selected = (int64_t)place - 1;
}

/* Tell the planner and the record; the cursor follows the step. */
static void commit(struct screen *s, const struct plan *p, size_t place, struct err *e)
{
    char *id = place >= 1 && place <= p->count ? xstrdup(p->steps[place - 1].id) : NULL;
    if (round_edit_plan(screen_round(s), p->steps, p->count, e) < 0)
        screen_fail(s, e);
    for (size_t i = 0; id != NULL && i < screen_state(s)->step_count; i++) {
        if (strcmp(screen_state(s)->steps[i].id, id) == 0)
            select_step(s, i + 1);
    }
    free(id);
    screen_changed(s);
}

void screen_step(struct screen *s, const char *words, struct err *e)
{
    struct plan p;
    plan_init(&p, screen_state(s));
    if (plan_command(&p, words, e) < 0)
        screen_fail(s, e);
    else
        commit(s, &p, selected(s), e);
    plan_release(&p);
}

/* ---- keys of the pane ---- */

static void ask(struct screen *s, enum prompt_use use, size_t place, const char *text)
{
    const struct state *st = screen_state(s);
    free(s->step_id);
    s->step_id = place >= 1 ? xstrdup(st->steps[place - 1].id) : NULL;
    screen_use_prompt(s, use, text);
}

static void toggle_skip(struct screen *s, struct plan *p, size_t at, struct err *e)
{
    bool skipped = p->steps[at - 1].status == STEP_SKIPPED;
    if (plan_mark(p, at, skipped ? "pending" : "skipped", e) < 0)
        screen_fail(s, e);
    else
        commit(s, p, at, e);
}

static void move_step(struct screen *s, struct plan *p, size_t at, size_t to, struct err *e)
{
    if (plan_move(p, at, to, e) == 0)
        commit(s, p, to, e);
}

static void change(struct screen *s, enum keymap_command cmd, size_t at)
{
    struct plan p;
    struct err e = ERR_INIT;
    plan_init(&p, screen_state(s));
    if (cmd == CMD_STEP_UP)
        move_step(s, &p, at, at - 1, &e);
    else if (cmd == CMD_STEP_DOWN)
        move_step(s, &p, at, at + 1, &e);
    else if (cmd == CMD_STEP_SKIP)
        toggle_skip(s, &p, at, &e);
    else if (plan_delete(&p, at, &e) < 0)
        screen_fail(s, &e);
    else
        commit(s, &p, at, &e);
    plan_release(&p);
}

void screen_step_key(struct screen *s, enum keymap_command cmd)
{
    const struct state *st = screen_state(s);
    size_t at = selected(s);
    if (s->session == NULL || st->finished)
        screen_toast(s, TONE_INFO, "no plan to change: the session has ended");
    else if (cmd == CMD_STEP_ADD)
        ask(s, USE_STEP_ADD, at, "");
    else if (at == 0)
        screen_toast(s, TONE_INFO, "the plan has no steps yet: + adds one");
    else if (cmd == CMD_STEP_EDIT)
        ask(s, USE_STEP_EDIT, at, st->steps[at - 1].title);
    else if (cmd == CMD_STEP_MARK)
        ask(s, USE_STEP_MARK, at, "");
    else
        change(s, cmd, at);
}

/* ---- the line ---- */

/* Where the step asked about stands now: the plan may have changed while one typed. 0: nowhere. */
static size_t place_of(const struct screen *s)
{
    const struct state *st = screen_state(s);
    for (size_t i = 0; s->step_id != NULL && i < st->step_count; i++) {
        if (strcmp(st->steps[i].id, s->step_id) == 0)
            return i + 1;
    }
    return 0;
}

const char *screen_step_label(struct screen *s)
{
    size_t at = place_of(s);
    if (s->use == USE_STEP_ADD && at > 0)
        snprintf(s->label, sizeof s->label, "new step after %zu: ", at);
    else if (s->use == USE_STEP_ADD)
        snprintf(s->label, sizeof s->label, "new step: ");
    else if (s->use == USE_STEP_EDIT)
        snprintf(s->label, sizeof s->label, "step %zu: ", at);
    else
        snprintf(s->label, sizeof s->label, "step %zu is (p a d f s): ", at);
    return s->label;
}

void screen_step_line(struct screen *s, const char *text)
{
    struct plan p;
    struct err e = ERR_INIT;
    enum prompt_use use = s->use;
    size_t at = place_of(s);
    char *words = xstrdup(text);
    screen_prompt_done(s);
    plan_init(&p, screen_state(s));
    int rc = screen_round(s) == NULL ? err_set(&e, ERR_USAGE, "the session was left")
             : use == USE_STEP_ADD   ? plan_add(&p, at, words, &e)
             : use == USE_STEP_EDIT  ? plan_rename(&p, at, words, &e)
                                     : plan_mark(&p, at, words, &e);
    if (words[0] == '\0') {
        /* an empty line changes nothing */
    } else if (rc < 0) {
        screen_fail(s, &e);
    } else {
        commit(s, &p, use == USE_STEP_ADD ? at + 1 : at, &e);
    }
    plan_release(&p);
    free(words);
}
