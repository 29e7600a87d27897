/* travel.c - going back to an earlier run: how, and at what price. */
#include "tool/travel.h"

#include <stdio.h>
#include <string.h>

static bool refuse(struct travel *t, const char *why)
{
    t->how = TRAVEL_NOT;
    snprintf(t->why, sizeof t->why, "%s", why);
    return false;
}

static bool has_run(struct travel *t, const struct state *st)
{
    const struct state_run *r = state_run_at(st, t->run);
    if (r == NULL)
        return refuse(t, "there is no such run");
    if (r->twin_of != 0)
        return refuse(t, "a dry run leaves no variables behind: choose the run it was made for");
    if (r->started_at_us == 0)
        return refuse(t, "it never ran: there are no variables after it");
    return true;
}

/* What comes nearer; a snapshot before a namespace, since it has the files too. */
static void plan_saved(struct travel *t, const struct state *st)
{
    const struct state_run *from = state_saved_near(st, t->run),
                           *snapshot = state_snapshot_near(st, t->run);
    if (snapshot != NULL && (from == NULL || from->number <= snapshot->number)) {
        t->how = TRAVEL_SNAPSHOT;
        t->from = snapshot->number;
        return;
    }
    if (from == NULL) {
        refuse(t, "no variables are saved of it or of a run before it; airlock rerun --into runs "
                  "its code again, with a gate for each");
        return;
    }
    t->how = TRAVEL_SAVED;
    t->from = from->number;
}

void travel_plan_fork(struct travel *out, const struct state *st, uint32_t run)
{
    *out = (struct travel){ .run = run, .fork = true };
    if (has_run(out, st))
        plan_saved(out, st);
}

void travel_plan(struct travel *out, const struct state *st, uint32_t run)
{
    const struct state_run *r = state_run_at(st, run);
    *out = (struct travel){ .run = run };
    if (!has_run(out, st))
        return;
    bool live = st->sbx == SBX_READY || st->sbx == SBX_PAUSED;
    if (live && st->vars_run == run && !st->vars_lost && !r->state_lost) {
        out->how = TRAVEL_HERE;
        snprintf(out->why, sizeof out->why, "the variables are those after run %u already", run);
    } else if (live && r->has_checkpoint) {
        out->how = TRAVEL_FROZEN;
        out->from = run;
    } else {
        plan_saved(out, st);
    }
}

/* ---- in words ---- */

static bool is_lost(const struct state_run *from, const struct state_var *v)
{
    for (size_t i = 0; i < from->saved.lost_count; i++) {
        if (state_lost_is(from->saved.lost[i], v))
            return true;
    }
    return false;
}

static void put_var(const struct state_var *v, struct buf *out)
{
    (void)buf_addf(out, "+ %s  %s%s%s  ", v->name, v->type, v->shape[0] != '\0' ? " " : "",
                   v->shape);
    for (const char *p = v->preview; *p != '\0'; p++)
        (void)buf_add_char(out, *p == '\n' ? ' ' : *p);
    (void)buf_add_char(out, '\n');
}

static void put_vars(const struct travel *t, const struct state *st, struct buf *out)
{
    const struct state_run *to = state_run_at(st, t->run);
    const struct state_run *from = t->from == 0 ? st->origin : state_run_at(st, t->from);
    bool saved = t->how == TRAVEL_SAVED, elsewhere = saved || t->how == TRAVEL_SNAPSHOT;
    size_t kept = 0;
    (void)buf_add_str(out, "\nComes back:\n");
    for (size_t i = 0; i < to->var_count; i++) {
        const struct state_var *v = &to->vars[i];
        if (v->change == CHANGE_GONE || (saved && is_lost(from, v)) ||
            (elsewhere && v->since_run > t->from))
            continue;
        put_var(v, out);
        kept++;
    }
    if (kept == 0)
        (void)buf_add_str(out, to->var_count == 0 ? "  what is in it: its list is not in memory\n"
                                                  : "  nothing\n");
    (void)buf_add_str(out, "\nIs lost:\n");
    for (size_t i = 0; saved && i < from->saved.lost_count; i++)
        (void)buf_addf(out, "- %s\n", from->saved.lost[i]);
    for (size_t i = 0; elsewhere && i < to->var_count; i++) {
        const struct state_var *v = &to->vars[i];
        if (v->change != CHANGE_GONE && v->since_run > t->from && !(saved && is_lost(from, v)))
            (void)buf_addf(out, "- %s (its value after run %u)\n", v->name, v->since_run);
    }
}

/* Files: not rolled back, or not there any more. */
static void put_files(const struct travel *t, const struct state *st, struct buf *out)
{
    bool saved = t->how == TRAVEL_SAVED;
    if (t->how == TRAVEL_SNAPSHOT)
        return; /* they come back as they were */
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *r = st->runs[i];
        bool theirs = r->twin_of == 0 && (!t->fork || state_leads_to(st, r->number, t->run));
        for (size_t k = 0; k < r->file_count && theirs; k++) {
            const struct state_file *f = &r->files[k];
            if (saved ? f->change == CHANGE_NEW : r->number > t->run)
                (void)buf_addf(out, saved ? "- file %s\n" : "- file %s (stays as run %u left it)\n",
                               f->path, r->number);
        }
    }
}

static void put_now(const struct travel *t, const struct state *st, struct buf *out)
{
    const struct state_run *now = state_run_at(st, st->vars_run);
    (void)buf_add_str(out, "\nStays: every run in the record, with its output and decision.\n");
    if (now == NULL || st->vars_lost || t->fork)
        return;
    if (now->snapshot[0] != '\0')
        (void)buf_addf(out, "There is a snapshot of run %u: t on it comes back to it.\n",
                       now->number);
    else if (now->saved.there)
        (void)buf_addf(out,
                       "The variables after run %u are saved (%zu could not be): t on it comes "
                       "back to them.\n",
                       now->number, now->saved.lost_count);
    else
        (void)buf_addf(out,
                       "The variables after run %u are NOT saved: this leaves them for good.\n",
                       now->number);
}

void travel_print(const struct travel *t, const struct state *st, struct buf *out)
{
    if (t->how == TRAVEL_NOT || t->how == TRAVEL_HERE) {
        (void)buf_addf(out, "Run %u: %s\n", t->run, t->why);
        return;
    }
    (void)buf_addf(out, "Back to the variables as they were after run %u.\n", t->run);
    if (t->how == TRAVEL_FROZEN)
        (void)buf_add_str(out, "How: the frozen copy of the interpreter in the live sandbox takes "
                               "over. Exact.\n");
    else if (t->how == TRAVEL_SNAPSHOT)
        (void)buf_add_str(out, "How: a new sandbox starts from the provider's snapshot: memory and "
                               "files as they were; no code runs again.\n");
    else
        (void)buf_add_str(out, "How: the saved namespace is loaded inside a new sandbox; no code "
                               "runs again.\n");
    if (t->how != TRAVEL_FROZEN && t->from != t->run)
        (void)buf_addf(out, "Run %u itself was not saved: the nearest before it is %s %u.\n",
                       t->run, t->from == 0 ? "the beginning, run" : "run", t->from);
    put_vars(t, st, out);
    put_files(t, st, out);
    if (t->how == TRAVEL_SNAPSHOT)
        (void)buf_add_str(out, "- what later runs did, in memory and in files; connections\n");
    else
        (void)buf_add_str(out,
                          t->how == TRAVEL_SAVED
                              ? "- processes, open files and connections; bash and JavaScript\n"
                              : "- processes that later runs started; later frozen copies\n");
    put_now(t, st, out);
}
