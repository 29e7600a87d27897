/* state_checkpoint.c - checkpoints, restores, and which run went on from which. [architecture §6]
 */
#include "tool/state_int.h"

#include <stdlib.h>
#include <string.h>

void state_saved_release(struct state_saved *s)
{
    for (size_t i = 0; i < s->lost_count; i++)
        free(s->lost[i]);
    free(s->lost);
    free(s->digest);
    *s = (struct state_saved){ 0 };
}

static void take_saved(struct state_saved *s, const struct json *body)
{
    const struct json *lost = json_get(body, "lost");
    size_t max = json_len(lost) < STATE_VARS_MAX ? json_len(lost) : STATE_VARS_MAX, n = 0;
    state_saved_release(s);
    s->there = true;
    s->bytes = json_get_int(body, "size", json_get_int(body, "bytes", 0));
    s->digest = xstrdup(body_str(body, "digest"));
    s->lost = xcalloc(max, sizeof *s->lost);
    for (const struct json *m = json_first(lost); m != NULL && n < max; m = json_next(m))
        s->lost[n++] = xstrdup(json_str(m, ""));
    s->lost_count = n;
}

/* Run 0 of a branch: the namespace it begins with, and its variables as the parent had them. They
 * are not back yet. */
static int take_origin(struct state *st, const struct event *ev, struct err *e)
{
    if (st->origin != NULL || st->run_count > 0)
        return contradiction(ev, e, "a beginning after the beginning");
    struct state_run *r = state_run_new();
    string_set(&r->language, body_str(ev->body, "language"));
    state_vars_read(st, r, json_get(ev->body, "vars"));
    for (size_t i = 0; i < r->var_count; i++)
        r->vars[i].since_run = 0;
    if (strcmp(body_str(ev->body, "kind"), "snapshot") == 0)
        string_set(&r->snapshot, body_str(ev->body, "snapshot"));
    else
        take_saved(&r->saved, ev->body);
    st->origin = r;
    state_vars_adopt(st, r, NULL);
    st->vars_lost = st->var_count > 0;
    return 0;
}

int state_on_checkpoint(struct state *st, const struct event *ev, struct effects *out,
                        struct err *e)
{
    (void)out;
    bool made = ev->type == EVENT_CHECKPOINT_MADE;
    bool saved = strcmp(body_str(ev->body, "kind"), "saved") == 0;
    bool snapshot = strcmp(body_str(ev->body, "kind"), "snapshot") == 0;
    if (ev->run == 0 && (saved || snapshot) && made)
        return take_origin(st, ev, e);
    if (ev->run == 0)
        state_origin_own(st);
    struct state_run *r =
        ev->run == 0 && (saved || snapshot) ? st->origin : state_need_run(st, ev, e);
    if (r == NULL)
        return ev->run == 0 ? contradiction(ev, e, "there is no such run") : -1;
    if (snapshot)
        string_set(&r->snapshot, made ? body_str(ev->body, "snapshot") : "");
    else if (!saved)
        r->has_checkpoint = made;
    else if (made)
        take_saved(&r->saved, ev->body);
    else
        r->saved.there = false;
    return 0;
}

int state_on_restored(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    int64_t from = json_get_int(ev->body, "from_run", 0);
    if (from < 0 || from > (int64_t)st->run_count)
        return contradiction(ev, e, "restored from run %lld, which is none", (long long)from);
    uint32_t newest = 0;
    for (size_t i = 0; i < st->run_count; i++) {
        if (st->runs[i]->started_at_us != 0 && st->runs[i]->twin_of == 0)
            newest = st->runs[i]->number;
    }
    if (strcmp(body_str(ev->body, "how"), "attached") != 0) /* else it never was elsewhere */
        st->went_back = from < newest;
    if (from > 0)
        state_vars_adopt(st, st->runs[from - 1], json_get(ev->body, "lost"));
    else if (st->origin != NULL && json_len(json_get(ev->body, "kept")) > 0)
        state_vars_adopt(st, st->origin, json_get(ev->body, "lost"));
    else
        state_vars_forget(st);
    return 0;
}

/* ---- which run went on from which ---- */

static const struct state_run *stop_at(const struct state *st, uint32_t run)
{
    return run == 0 ? st->origin : state_run_at(st, run);
}

const struct state_run *state_saved_near(const struct state *st, uint32_t run)
{
    for (size_t steps = 0; steps <= st->run_count; steps++) {
        const struct state_run *r = stop_at(st, run);
        if (r == NULL || r->saved.there || run == 0)
            return r != NULL && r->saved.there ? r : NULL;
        run = r->parent_run;
    }
    return NULL;
}

const struct state_run *state_snapshot_near(const struct state *st, uint32_t run)
{
    for (size_t steps = 0; steps <= st->run_count; steps++) {
        const struct state_run *r = stop_at(st, run);
        if (r == NULL || r->snapshot[0] != '\0' || run == 0)
            return r != NULL && r->snapshot[0] != '\0' ? r : NULL;
        run = r->parent_run;
    }
    return NULL;
}

bool state_leads_to(const struct state *st, uint32_t run, uint32_t later)
{
    for (size_t steps = 0; steps <= st->run_count; steps++) {
        const struct state_run *r = state_run_at(st, later);
        if (run == later)
            return true;
        if (r == NULL)
            return false;
        later = r->parent_run;
    }
    return false;
}

bool state_is_tip(const struct state *st, const struct state_run *r)
{
    if (r->twin_of != 0 || r->started_at_us == 0)
        return false;
    for (size_t i = r->number; i < st->run_count; i++) {
        const struct state_run *later = st->runs[i];
        if (later->parent_run == r->number && later->started_at_us != 0 && later->twin_of == 0)
            return false;
    }
    return true;
}
