/* screen_travel.c - going back to an earlier run from the screen: first what it costs, then there;
 * and a session of its own from there. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/tree.h"
#include "tool/travel.h"

/* A run's number as typed, else the one that is shown. 0: none, told. */
static uint32_t which_run(struct screen *s, const char *args)
{
    const struct state *st = screen_state(s);
    const struct state_run *shown = view_run(st, &s->vm);
    char *end = NULL;
    unsigned long n = args[0] != '\0' ? strtoul(args, &end, 10) : shown != NULL ? shown->number : 0;
    if (args[0] != '\0' && (*end != '\0' || n == 0)) {
        screen_toast(s, TONE_INFO, "'%s' is no number of a run", args);
        return 0;
    }
    if (n == 0 || n > st->run_count) {
        screen_toast(s, TONE_INFO, n > 0 ? "there is no run %lu" : "no run is chosen", n);
        return 0;
    }
    return (uint32_t)n;
}

static void show_plan(struct screen *s, const struct travel *t, bool fork)
{
    char title[64];
    struct buf text = BUF_INIT((size_t)8 << 20);
    bool can = t->how == TRAVEL_FROZEN || t->how == TRAVEL_SAVED || t->how == TRAVEL_SNAPSHOT;
    snprintf(title, sizeof title, fork ? "Fork from run %u" : "Time travel to run %u", t->run);
    screen_page_begin(s, fork ? PAGE_FORK : PAGE_TRAVEL, t->run, title,
                      !can   ? "q back"
                      : fork ? "Enter forks, q back"
                             : "t goes there, F as a session of its own, q back");
    s->vm.page.goes = can;
    s->vm.page.forks = !fork;
    travel_print(t, screen_state(s), &text);
    if (fork && can)
        (void)buf_add_str(&text, "This session stays as it is; the new one names it as its parent, "
                                 "with the chain of its record.\n");
    screen_page_add_text(s, buf_str(&text));
    screen_page_show(s);
    buf_release(&text);
}

void screen_travel(struct screen *s, const char *args, struct err *e)
{
    struct travel t;
    uint32_t run = which_run(s, args);
    (void)e;
    if (run == 0)
        return;
    travel_plan(&t, screen_state(s), run);
    show_plan(s, &t, false);
}

void screen_travel_go(struct screen *s, uint32_t run, uint32_t not_picked)
{
    struct err e = ERR_INIT;
    if (round_travel(screen_round(s), run, &e) < 0)
        screen_fail(s, &e);
    else {
        screen_toast(s, TONE_WAIT, "going back to run %u", run);
        if (not_picked != 0)
            screen_picked(s, run, not_picked);
    }
}

void screen_fork(struct screen *s, const char *args, struct err *e)
{
    struct travel t;
    bool here = s->vm.screen == SCREEN_PAGE && s->page.kind == PAGE_TRAVEL;
    uint32_t run = here ? s->page.run : which_run(s, args);
    (void)e;
    if (run == 0)
        return;
    travel_plan_fork(&t, screen_state(s), run);
    show_plan(s, &t, true);
}

void screen_fork_go(struct screen *s, uint32_t run)
{
    struct err e = ERR_INIT;
    if (screen_branch(s, run, &e) < 0)
        screen_fail(s, &e);
}

/* ---- the tree ---- */

static int add_branch(void *arg, const struct tree_line *l)
{
    struct screen *s = arg;
    bool here = l->state != NULL && strcmp(l->session, screen_state(s)->session) == 0;
    enum view_tone tone = l->kin == TREE_DIFFERS                 ? TONE_BAD
                          : l->run == 0                          ? TONE_INFO
                          : l->last->verdict == VERDICT_VERIFIED ? TONE_GOOD
                                                                 : TONE_PLAIN;
    screen_page_add_pick(s, tone, l->text, strlen(l->text), l->run, here ? NULL : l->session);
    if (here && l->run == 0)
        s->vm.page.selected = (int64_t)s->page.count - 1;
    return 0;
}

void screen_tree(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    if (store_flush(session_store(s->session), e) < 0) {
        screen_fail(s, e);
        return;
    }
    screen_page_begin(s, PAGE_TREE, 0, "Branches", "Enter opens, q back");
    s->vm.page.goes = true;
    if (tree_walk(s->app, screen_state(s)->session, add_branch, s, e) < 0)
        screen_fail(s, e);
    screen_page_show(s);
}
