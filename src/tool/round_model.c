/* round_model.c - the planner's model: which it is, which there are, what it sees, what waits for
 * it. */
#include "tool/round_int.h"

#include <string.h>

static const struct planner_ops *ops_of(const struct round *r)
{
    return r->planner->ops;
}

unsigned round_queued(const struct round *r)
{
    return ops_of(r)->queued != NULL ? ops_of(r)->queued(r->planner) : 0;
}

bool round_model(const struct round *r, struct planner_context_sum *out)
{
    if (ops_of(r)->context == NULL)
        return false;
    ops_of(r)->context(r->planner, out, NULL, NULL);
    return true;
}

static int no_model(const struct round *r, struct err *e)
{
    return err_set(e, ERR_USAGE, "planner %s asks no model", ops_of(r)->name);
}

int round_context(const struct round *r, struct planner_context_sum *out, planner_context_fn fn,
                  void *arg, struct err *e)
{
    if (ops_of(r)->context == NULL)
        return no_model(r, e);
    ops_of(r)->context(r->planner, out, fn, arg);
    return 0;
}

int round_list_models(const struct round *r, planner_models_fn fn, void *arg, struct err *e)
{
    struct planner_config pc = {
        .loop = r->cfg.loop,
        .net = r->cfg.net,
        .setting = r->cfg.setting,
        .setting_arg = r->cfg.setting_arg,
    };
    if (ops_of(r)->list_models == NULL)
        return no_model(r, e);
    return ops_of(r)->list_models(&pc, fn, arg, e);
}

int round_set_model(struct round *r, const char *model, struct err *e)
{
    struct event_builder b;
    if (ops_of(r)->set_model == NULL)
        return no_model(r, e);
    if (r->broken || r->cfg.state->finished)
        return err_set(e, ERR_USAGE, "the session has ended");
    if (ops_of(r)->set_model(r->planner, model, e) < 0)
        return -1;
    event_begin(&b, EVENT_MODEL_CHANGED, 0);
    json_w_strn(&b.w, "model", model, strlen(model));
    return round_record(r, &b) < 0 ? err_set(e, ERR_IO, "it could not be recorded") : 0;
}
