/* runbook.c - a planner that follows a runbook: proposes its blocks one after the other and reads
 * what became of them.
 *
 * A failed attempt brings the next block of the step, if there is one; a denied block ends its step
 * and the others are not offered. Whatever a step comes to, later steps go on: what a reader wrote
 * down as steps may not depend on each other, and the summary says how each ended. */
#include "providers/planner.h"

#include <inttypes.h>
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
    r->cfg.sink(r->cfg.arg, &r->base, &ev);
    free(id);
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

static int runbook_observe(struct planner *p, const struct planner_observation *o, struct err *e)
{
    struct runner *r = (struct runner *)p;
    char *id = call_id(r);
    bool ours = r->open && strcmp(o->call_id, id) == 0;
    free(id);
    if (!ours)
        return err_set(e, ERR_USAGE, "the runbook is not waiting for proposal `%.20s`", o->call_id);
    r->open = false;
    if (!o->denied)
        r->files_there = !workspace_is_gone(o->end);
    if (o->denied) {
        end_step(r, STEP_DENIED);
    } else if (!o->spent) {
        end_step(r, STEP_DONE);
    } else if (o->step_over || r->block + 1 == r->rb.steps[r->step].block_count) {
        end_step(r, STEP_FAILED);
    } else {
        r->block++;
        say(r, SAY_BLOCK);
    }
    return 0;
}

/* A person may skip steps that have not begun, or bring skipped ones back. */
static int runbook_plan_edited(struct planner *p, const struct planner_step *steps, size_t count,
                               struct err *e)
{
    struct runner *r = (struct runner *)p;
    (void)e;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < r->rb.step_count; k++) {
            if (strcmp(steps[i].id, r->rb.steps[k].id) != 0)
                continue;
            if (r->status[k] == STEP_PENDING && steps[i].status == STEP_SKIPPED)
                r->status[k] = STEP_SKIPPED;
            else if (r->status[k] == STEP_SKIPPED && steps[i].status == STEP_PENDING && k > r->step)
                r->status[k] = STEP_PENDING;
        }
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
    free(r);
}

const struct planner_ops planner_runbook = {
    .name = "runbook",
    .title = "follows a Markdown file: -p runbook:FILE.md, or runbook:@tour",
    .caps = 0,
    .available = runbook_available,
    .open = runbook_open,
    .task = runbook_task,
    .message = runbook_message,
    .observe = runbook_observe,
    .plan_edited = runbook_plan_edited,
    .cancel = runbook_cancel,
    .close = runbook_close,
};
