/* human.c - the person plans: what they type is a task or a note, and code is theirs to propose.
 * The planner only says, once, what can be typed. */
#include "providers/planner.h"

#include <stdlib.h>
#include <string.h>
#include "base/loop.h"
#include "providers/registry.h"

struct human {
    struct planner base;
    struct planner_config cfg;
    struct loop_source *idle;
    bool greeted;
};

static const char greeting[] =
    "Noted. No model is connected, so the code is yours: type !CODE to "
    "run a line, ! alone for your editor, :tour for a guided tour, :help "
    "for the rest.";

static void tell(struct human *h, enum planner_event_kind kind, const char *text)
{
    struct planner_event ev = { .kind = kind, .text = text, .text_len = strlen(text) };
    h->cfg.sink(h->cfg.arg, &h->base, &ev);
}

static void on_idle(void *arg)
{
    struct human *h = arg;
    if (!h->greeted) {
        h->greeted = true;
        tell(h, PLANNER_MESSAGE, greeting);
    }
    tell(h, PLANNER_WAITING, "");
}

static int human_available(const struct planner_config *cfg, struct err *e)
{
    (void)cfg;
    (void)e;
    return 0;
}

static int human_open(struct planner **out, const struct planner_config *cfg, struct err *e)
{
    (void)e;
    struct human *h = xcalloc(1, sizeof *h);
    h->base.ops = &planner_human;
    h->cfg = *cfg;
    h->idle = loop_add_idle(cfg->loop, on_idle, h);
    *out = &h->base;
    return 0;
}

static int wait_for_person(struct planner *p)
{
    struct human *h = (struct human *)p;
    loop_wake_idle(h->cfg.loop, h->idle);
    return 0;
}

static int human_words(struct planner *p, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    return wait_for_person(p);
}

static int human_observe(struct planner *p, const struct planner_observation *o, struct err *e)
{
    (void)o;
    (void)e;
    return wait_for_person(p);
}

static int human_plan_edited(struct planner *p, const struct planner_step *steps, size_t count,
                             struct err *e)
{
    (void)p;
    (void)steps;
    (void)count;
    (void)e;
    return 0;
}

static void human_cancel(struct planner *p)
{
    (void)p;
}

static void human_close(struct planner *p)
{
    struct human *h = (struct human *)p;
    if (h == NULL)
        return;
    loop_remove(h->cfg.loop, h->idle);
    free(h);
}

const struct planner_ops planner_human = {
    .name = "human",
    .title = "the person writes the code; needs nothing",
    .caps = PLANNER_PERSON,
    .available = human_available,
    .open = human_open,
    .task = human_words,
    .message = human_words,
    .observe = human_observe,
    .plan_edited = human_plan_edited,
    .cancel = human_cancel,
    .close = human_close,
};
