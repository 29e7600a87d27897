/* runbook.c - a planner that follows a runbook: proposes its blocks one after the other and reads
 * what became of them.
 *
 * A failed attempt brings the next block of the step, if there is one; a denied block ends its step
 * and the others are not offered. Whatever a step comes to, later steps go on: what a reader wrote
 * down as steps may not depend on each other, and the summary says how each ended. */
#include "providers/planner.h"

#include <stdlib.h>
#include <string.h>
#include "base/loop.h"
#include "providers/planners/runbook_parse.h"
#include "providers/registry.h"

/* What the next turn of the loop has to say. */
enum pending { SAY_PLAN = 1, SAY_BLOCK = 2, SAY_WAITING = 4 };

struct runner {
    struct planner base;
    struct planner_config cfg;
    struct runbook rb;
    struct loop_source *idle;
    enum step_status *status; /* one per step */
    size_t step, block;       /* to propose next, or proposed */
    unsigned *tried;          /* one per step: blocks proposed before it was resumed */
    char *open_id;            /* of the proposal whose end it waits for */
    unsigned pending;
    bool begun, open, files_there, finished, cancelled, told;
};

/* ---- saying ---- */

static void tell_text(struct runner *r, enum planner_event_kind kind, const char *text)
{
    struct planner_event ev = { .kind = kind, .text = text, .text_len = strlen(text) };
    r->cfg.sink(r->cfg.arg, &r->base, &ev);
}

static void tell_plan(struct runner *r)
{
    struct planner_step *steps = xcalloc(r->rb.step_count, sizeof *steps);
    for (size_t i = 0; i < r->rb.step_count; i++) {
        const struct runbook_step *s = &r->rb.steps[i];
        steps[i] = (struct planner_step){
            .id = s->id, .title = s->title, .status = r->status[i], .expect = s->expect
        };
    }
    struct planner_event ev = { .kind = PLANNER_PLAN,
                                .steps = steps,
                                .step_count = r->rb.step_count };
    r->cfg.sink(r->cfg.arg, &r->base, &ev);
    free(steps);
}

/* "s3.1": which block an observation is about. */
static char *call_id(const struct runner *r)
{
    return xasprintf("s%zu.%zu", r->step + 1, r->block + 1);
}

static void tell_block(struct runner *r)
{
    const struct runbook_step *s = &r->rb.steps[r->step];
    const struct runbook_block *b = &s->blocks[r->block];
    char *id = call_id(r);
    struct planner_proposal proposal = { .language = b->language,
                                         .code = b->code,
                                         .code_len = b->code_len,
                                         .purpose = b->purpose,
                                         .step = s->id,
                                         .expect = s->expect,
                                         .call_id = id };
    if (!r->files_there) {
        proposal.files = r->rb.files;
        proposal.file_count = r->rb.file_count;
    }
    struct planner_event ev = { .kind = PLANNER_PROPOSAL, .proposal = &proposal };
    r->open = true;
    free(r->open_id);
    r->open_id = id;
    r->cfg.sink(r->cfg.arg, &r->base, &ev);
}

/* "3 of 5 steps done. Failed: Compare (2). Denied: Clean up (4)." */
static void add_ended(const struct runner *r, enum step_status which, const char *word,
                      struct buf *out)
{
    const char *before = word;
    for (size_t i = 0; i < r->rb.step_count; i++) {
        if (r->status[i] != which)
            continue;
        buf_addf(out, "%s%s (%s)", before, r->rb.steps[i].title, r->rb.steps[i].id);
        before = ", ";
    }
    if (before != word)
        buf_add_char(out, '.');
}

static void tell_finish(struct runner *r)
{
    struct buf text = BUF_INIT(RUNBOOK_BYTES_MAX * 2);
    size_t done = 0;
    for (size_t i = 0; i < r->rb.step_count; i++)
        done += r->status[i] == STEP_DONE;
    buf_addf(&text, "%s: %zu of %zu steps done.", r->rb.title, done, r->rb.step_count);
    add_ended(r, STEP_FAILED, " Failed: ", &text);
    add_ended(r, STEP_DENIED, " Denied: ", &text);
    add_ended(r, STEP_SKIPPED, " Skipped: ", &text);
    r->finished = true;
    tell_text(r, PLANNER_FINISH, buf_str(&text));
    buf_release(&text);
}

static void on_idle(void *arg)
{
    struct runner *r = arg;
    unsigned pending = r->pending;
    r->pending = 0;
    if (pending & SAY_WAITING) {
        if (!r->told)
            tell_text(r, PLANNER_MESSAGE,
                      "A runbook follows its file; your words are kept as a note.");
        r->told = true;
        if (!(pending & SAY_BLOCK))
            tell_text(r, PLANNER_WAITING, "");
    }
    if (r->cancelled || r->finished)
        return;
    if (pending & SAY_PLAN)
        tell_plan(r);
    if (!(pending & SAY_BLOCK))
        return;
    if (r->step < r->rb.step_count)
        tell_block(r);
    else
        tell_finish(r);
}

static void say(struct runner *r, unsigned what)
{
    r->pending |= what;
    loop_wake_idle(r->cfg.loop, r->idle);
}

/* ---- moving on ---- */

static void enter_step(struct runner *r)
{
    while (r->step < r->rb.step_count && r->status[r->step] != STEP_PENDING)
        r->step++;
    r->block = 0;
    if (r->step < r->rb.step_count)
        r->status[r->step] = STEP_ACTIVE;
    say(r, SAY_PLAN | SAY_BLOCK);
}

static void end_step(struct runner *r, enum step_status how)
{
    r->status[r->step] = how;
    enter_step(r);
}

static int runbook_task(struct planner *p, const char *text, struct err *e)
{
    struct runner *r = (struct runner *)p;
    (void)text; /* the runbook's own paragraph is the task; what was typed is in the record */
    if (r->begun)
        return err_set(e, ERR_USAGE, "the runbook has begun already");
    r->begun = true;
    enter_step(r);
    return 0;
}

static int runbook_message(struct planner *p, const char *text, struct err *e)
{
    struct runner *r = (struct runner *)p;
    (void)text;
    (void)e;
    say(r, SAY_WAITING);
    return 0;
}

/* The workspace went with the sandbox, and the files in it. */
static bool workspace_is_gone(enum run_end end)
{
    return end == END_LOST || end == END_KILLED || end == END_SANDBOX;
}

/* What its step came to; ACTIVE: another block follows. */
static enum step_status ended_as(const struct runner *r, const struct planner_observation *o)
{
    if (o->denied)
        return STEP_DENIED;
    if (!o->spent)
        return STEP_DONE;
    bool last = r->block + 1 == r->rb.steps[r->step].block_count;
    return o->step_over || last ? STEP_FAILED : STEP_ACTIVE;
}

static int runbook_observe(struct planner *p, const struct planner_observation *o, struct err *e)
{
    struct runner *r = (struct runner *)p;
    if (!r->open || strcmp(o->call_id, r->open_id) != 0)
        return err_set(e, ERR_USAGE, "the runbook is not waiting for proposal `%.20s`", o->call_id);
    r->open = false;
    if (!o->denied)
        r->files_there = !workspace_is_gone(o->end);
    enum step_status status = ended_as(r, o);
    if (status != STEP_ACTIVE) {
        end_step(r, status);
    } else {
        r->block++;
        say(r, SAY_BLOCK);
    }
    return 0;
}

/* ---- the plan, edited by the person ---- */

static size_t find_step(const struct runner *r, const char *id)
{
    size_t i = 0;
    while (i < r->rb.step_count && strcmp(r->rb.steps[i].id, id) != 0)
        i++;
    return i;
}

/* What is not begun can be skipped or said to be done, and brought back. */
static bool may_become(const struct runner *r, size_t k, enum step_status to)
{
    bool later = !r->begun || k > r->step || r->step >= r->rb.step_count;
    bool open = r->status[k] == STEP_PENDING, closed = to == STEP_SKIPPED || to == STEP_DONE;
    bool marked = r->status[k] == STEP_SKIPPED || (r->status[k] == STEP_DONE && later);
    if (to == r->status[k] || (open && closed))
        return true;
    return marked && later && !r->finished && (closed || to == STEP_PENDING);
}

static int check_edit(const struct runner *r, const struct planner_step *steps, size_t count,
                      struct err *e)
{
    bool same = count == r->rb.step_count;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(steps[i].id, r->rb.steps[i].id) == 0 &&
               strcmp(steps[i].title, r->rb.steps[i].title) == 0;
    if (!same)
        return err_set(e, ERR_USAGE,
                       "a runbook's steps are those of its file, in its order: mark what is to be "
                       "skipped, or edit the file");
    for (size_t i = 0; i < count; i++) {
        if (!may_become(r, i, steps[i].status))
            return err_set(e, ERR_USAGE,
                           "step %s is %s and can't become %s: a runbook's step can be skipped or "
                           "marked done before it begins, and brought back",
                           steps[i].id, step_status_name(r->status[i]),
                           step_status_name(steps[i].status));
    }
    return 0;
}

static int runbook_plan_edited(struct planner *p, const struct planner_step *steps, size_t count,
                               struct err *e)
{
    struct runner *r = (struct runner *)p;
    if (check_edit(r, steps, count, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        r->status[i] = steps[i].status;
    return 0;
}

/* ---- a saved session goes on ---- */

static bool is_ended(enum step_status s)
{
    return s != STEP_PENDING && s != STEP_ACTIVE;
}

/* Where to go on: the step of the open proposal, else the first that did not end, at its next
 * block. */
static void go_on(struct runner *r)
{
    if (!r->begun)
        return; /* the task is still to come */
    if (r->open)
        return;
    size_t k = 0;
    while (k < r->rb.step_count && is_ended(r->status[k]))
        k++;
    r->step = k;
    if (k == r->rb.step_count) {
        r->finished = true;
        return;
    }
    r->status[k] = STEP_ACTIVE;
    r->block = r->tried[k];
    say(r, SAY_PLAN | SAY_BLOCK);
}

/* A step without a run ended as the plan says: it was skipped, or marked. */
static void adopt(struct runner *r, const struct planner_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = find_step(r, steps[i].id);
        if (k < r->rb.step_count && r->status[k] == STEP_PENDING && is_ended(steps[i].status))
            r->status[k] = steps[i].status;
    }
}

static int runbook_resume(struct planner *p, const struct planner_past *past, struct err *e)
{
    struct runner *r = (struct runner *)p;
    const char *step = past->proposal != NULL      ? past->proposal->step
                       : past->observation != NULL ? past->observation->step
                                                   : "";
    size_t k = find_step(r, step);
    (void)e;
    switch (past->kind) {
    case PAST_PROPOSAL:
        INVARIANT(past->proposal != NULL);
        if (k == r->rb.step_count || r->tried[k] == r->rb.steps[k].block_count)
            break; /* the file is not what it was */
        r->step = k;
        r->block = r->tried[k]++;
        r->status[k] = STEP_ACTIVE;
        r->begun = r->open = true;
        free(r->open_id);
        r->open_id = xstrdup(past->proposal->call_id);
        break;
    case PAST_OBSERVATION:
        INVARIANT(past->observation != NULL);
        if (r->open && strcmp(r->open_id, past->observation->call_id) == 0)
            r->status[r->step] = ended_as(r, past->observation);
        r->open = false;
        break;
    case PAST_PLAN:
        r->begun = true;
        adopt(r, past->steps, past->step_count);
        break;
    case PAST_END:
        go_on(r);
        break;
    default:
        break;
    }
    return 0;
}

static void runbook_cancel(struct planner *p)
{
    struct runner *r = (struct runner *)p;
    r->cancelled = true;
    r->pending &= SAY_WAITING;
}

/* ---- life ---- */

static int runbook_available(const struct planner_config *cfg, struct err *e)
{
    struct runbook rb;
    if (runbook_load(&rb, cfg->model, e) < 0)
        return -1;
    runbook_release(&rb);
    return 0;
}

static int runbook_open(struct planner **out, const struct planner_config *cfg, struct err *e)
{
    struct runner *r = xcalloc(1, sizeof *r);
    if (runbook_load(&r->rb, cfg->model, e) < 0) {
        free(r);
        return -1;
    }
    r->base.ops = &planner_runbook;
    r->cfg = *cfg;
    r->status = xcalloc(r->rb.step_count, sizeof *r->status);
    r->tried = xcalloc(r->rb.step_count, sizeof *r->tried);
    r->idle = loop_add_idle(cfg->loop, on_idle, r);
    *out = &r->base;
    return 0;
}

static void runbook_close(struct planner *p)
{
    struct runner *r = (struct runner *)p;
    if (r == NULL)
        return;
    loop_remove(r->cfg.loop, r->idle);
    runbook_release(&r->rb);
    free(r->status);
    free(r->tried);
    free(r->open_id);
    free(r);
}

const struct planner_ops planner_runbook = {
    .name = "runbook",
    .title = "follows a Markdown file: -p runbook:FILE.md, or runbook:@tour",
    .caps = PLANNER_FIXED,
    .available = runbook_available,
    .open = runbook_open,
    .task = runbook_task,
    .message = runbook_message,
    .observe = runbook_observe,
    .plan_edited = runbook_plan_edited,
    .cancel = runbook_cancel,
    .close = runbook_close,
    .resume = runbook_resume,
};
