/* round_past.c - a resumed session's planner is told what the record knows, in the order in which
 * it happened: words, proposals and what became of them, the plan as it is now. [planner.h, resume]
 */
#include "tool/round_int.h"

#include <stdlib.h>
#include <string.h>

struct past {
    struct round *r;
    struct err e;
    bool failed;
};

static void tell(struct past *p, const struct planner_past *what)
{
    const struct planner *planner = p->r->planner;
    if (!p->failed)
        p->failed = planner->ops->resume(p->r->planner, what, &p->e) < 0;
}

static void tell_words(struct past *p, const struct state_message *m)
{
    struct planner_past what = { .text = m->text };
    if (strcmp(m->author, "person") == 0)
        what.kind = PAST_WORDS;
    else if (strcmp(m->author, "planner") == 0)
        what.kind = PAST_SAID;
    else
        return;
    tell(p, &what);
}

static bool is_over(const struct state_run *sr)
{
    return sr->status == RUN_FINISHED || sr->status == RUN_DENIED || sr->status == RUN_STOPPED;
}

/* A run and what became of it stand together: what was said meanwhile follows. */
static void tell_run(struct past *p, const struct state_run *sr)
{
    char room[ROUND_CALL_ID_SIZE];
    struct planner_proposal proposal = {
        .language = sr->language,
        .code = sr->code,
        .code_len = sr->code_len,
        .purpose = sr->purpose,
        .step = sr->step,
        .expect = sr->expect,
        .call_id = round_call_id(sr, room),
    };
    struct planner_past what = { .kind = PAST_PROPOSAL, .proposal = &proposal };
    if (sr->own || sr->twin_of != 0 || sr->erased)
        return;
    tell(p, &what);
    if (!is_over(sr))
        return;
    struct round_observation x;
    round_observation_init(p->r, sr, &x);
    what = (struct planner_past){ .kind = PAST_OBSERVATION, .observation = &x.o };
    tell(p, &what);
    round_observation_release(&x);
}

static void tell_plan(struct past *p)
{
    const struct state *st = p->r->cfg.state;
    struct planner_step *steps = xcalloc(st->step_count, sizeof *steps);
    for (size_t i = 0; i < st->step_count; i++) {
        const struct state_step *s = &st->steps[i];
        steps[i] = (struct planner_step){
            .id = s->id, .title = s->title, .status = s->status, .expect = s->expect
        };
    }
    struct planner_past what = { .kind = PAST_PLAN, .steps = steps, .step_count = st->step_count };
    if (st->step_count > 0)
        tell(p, &what);
    free(steps);
}

void round_tell_past(struct round *r)
{
    const struct state *st = r->cfg.state;
    struct past p = { .r = r, .e = ERR_INIT };
    size_t words = 0, runs = 0;
    if (r->planner->ops->resume == NULL || (st->message_count == 0 && st->run_count == 0))
        return;
    while (words < st->message_count || runs < st->run_count) {
        if (runs == st->run_count ||
            (words < st->message_count && st->messages[words].seq < st->runs[runs]->first_seq))
            tell_words(&p, &st->messages[words++]);
        else
            tell_run(&p, st->runs[runs++]);
    }
    tell_plan(&p);
    tell(&p, &(struct planner_past){ .kind = PAST_END });
    if (p.failed) {
        err_wrap(&p.e, "planner %s starts without a memory of this session", r->cfg.planner->name);
        round_record_error(r, 0, &p.e, "say again what it needs to know");
    }
}
