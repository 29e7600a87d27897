/* sandbox_core.c - what the adapters of all sandboxes share. */
#include "providers/sandbox_core.h"

#include "base/http.h"

void core_init(struct sandbox_core *c, const struct sandbox_ops *ops, struct loop *loop,
               loop_timer_fn on_later)
{
    c->base.ops = ops;
    c->loop = loop;
    c->later = loop_add_idle(loop, on_later, c);
}

void core_listen(struct sandbox_core *c, const struct sandbox_config *cfg)
{
    c->sink = cfg->sink;
    c->check_body = cfg->check_body;
    c->arg = cfg->arg;
}

/* ---- telling */

void core_tell(struct sandbox_core *c, const struct sandbox_event *ev)
{
    if (c->sink != NULL)
        c->sink(c->arg, &c->base, ev);
}

void core_tell_refusal(struct sandbox_core *c)
{
    struct sandbox_finished f = sandbox_finished_bare(END_INTEGRITY, c->refused.why.msg);
    struct sandbox_event ev = { .kind = SANDBOX_FINISHED, .run = c->refused.run, .finished = &f };
    if (c->refused.run == 0)
        return;
    c->refused.run = 0;
    core_tell(c, &ev);
}

void core_tell_over(struct sandbox_core *c, const char *id, bool failed, bool confirmed)
{
    struct sandbox_event ev = { .kind = SANDBOX_FAILED, .id = id, .err = &c->why };
    struct sandbox_event over = { .kind = SANDBOX_CLOSED, .id = id, .confirmed = confirmed };
    if (failed)
        core_tell(c, &ev);
    core_tell(c, &over);
}

/* ---- the stack */

void core_enter(struct sandbox_core *c)
{
    c->depth++;
}

void core_leave(struct sandbox_core *c)
{
    if (--c->depth == 0 && c->closed)
        loop_wake_idle(c->loop, c->later);
}

/* ---- the end */

bool core_end(struct sandbox_core *c, enum run_end as, const char *what, const struct err *why)
{
    if (c->ending)
        return false;
    c->ending = true;
    c->end_as = as;
    c->end_what = what;
    if (why != NULL)
        c->why = *why;
    return true;
}

void core_silence(struct sandbox_core *c)
{
    c->sink = NULL;
    c->ending = true;
}

bool core_close(struct sandbox_core *c)
{
    c->sink = NULL;
    c->closed = true;
    if (c->depth == 0)
        return true;
    loop_wake_idle(c->loop, c->later);
    return false;
}

/* ---- settings */

int core_number_setting(const struct sandbox_config *cfg, const char *name, int dflt)
{
    const char *v = cfg->setting != NULL ? cfg->setting(cfg->setting_arg, name) : NULL;
    int64_t n = v != NULL ? http_number(v, 3600000) : -1;
    return n > 0 ? (int)n : dflt;
}

/* ---- what one can't */

int core_no_restore(struct sandbox *s, uint32_t run, struct err *e)
{
    return err_set(e, ERR_USAGE, "sandbox %s can't go back to run %u", s->ops->name, run);
}

int core_no_save(struct sandbox *s, struct err *e)
{
    return err_set(e, ERR_USAGE, "sandbox %s can't save its variables", s->ops->name);
}

int core_no_load(struct sandbox *s, const char *ptr, size_t len, struct err *e)
{
    (void)ptr;
    (void)len;
    return core_no_save(s, e);
}

int core_no_complete(struct sandbox *s, const char *language, const char *text, size_t cursor,
                     uint64_t token, struct err *e)
{
    (void)language;
    (void)text;
    (void)cursor;
    (void)token;
    return err_set(e, ERR_USAGE, "sandbox %s can't complete names", s->ops->name);
}
