/* claude_messages_form.c - a fresh interpreter for each run, or the container's own, whose
 * variables stay: what was asked for, what the model and the server have, and what is lost when a
 * container goes. [claude.md §2, §6.1, §6.3] */
#include <stdio.h>
#include <string.h>

#include "providers/sandboxes/claude_messages_int.h"

/* The newest first. Only the last one is asked for when no state is wanted: what a model does not
 * have it can't use. */
static const struct {
    const char *type;
    bool stays;
} rungs[] = {
    { "code_execution_20260521", true },  /* as the next one, and it knows of the 90 s of a cell */
    { "code_execution_20260120", true },  /* the interpreter stays */
    { "code_execution_20250825", false }, /* a shell for each call; nothing stays but files */
};

const char *messages_tool_type(const struct claude_messages *s)
{
    return rungs[s->wants_state ? s->rung : ARRAY_LEN(rungs) - 1].type;
}

enum claude_form messages_form(const struct claude_messages *s, const char *language)
{
    return s->wants_state && rungs[s->rung].stays && strcmp(language, "python") == 0 ? CLAUDE_CELL
                                                                                     : CLAUDE_SHELL;
}

bool messages_falls_short(const struct claude_messages *s)
{
    return s->wants_state && !rungs[s->rung].stays;
}

void messages_take_last_rung(struct claude_messages *s)
{
    s->rung = s->first_rung = ARRAY_LEN(rungs) - 1;
}

void messages_took_rung(struct claude_messages *s, bool taken)
{
    s->rung_taken |= taken;
    if (!s->rung_taken)
        s->rung = s->first_rung;
}

/* No container was named, so the type is what an old server may not know. What is wrong with the
 * request otherwise is wrong with the next one, too, and is told then. */
bool messages_next_rung(struct claude_messages *s, int64_t status)
{
    if (!s->wants_state || s->rung_taken || status != 400 || s->container[0] != '\0' ||
        s->rung + 1 == ARRAY_LEN(rungs))
        return false;
    log_msg(LOG_INFO, MESSAGES_NAME, "%s is not taken here: %s is tried", rungs[s->rung].type,
            rungs[s->rung + 1].type);
    s->rung++;
    return true;
}

/* ---- what was there */

void messages_lose(struct claude_messages *s, enum messages_lost what)
{
    if (what == LOST_CONTAINER)
        s->container[0] = s->expires[0] = '\0';
    s->life[0] = '\0';
    s->vars.count = 0;
    if (s->used && what > s->lost)
        s->lost = what;
}

void messages_keep_vars(struct claude_messages *s, const struct claude_result *x)
{
    struct messages_vars *v = &s->vars;
    buf_reset(&v->text);
    v->count = 0;
    if (buf_add(&v->text, x->var_text.ptr, x->var_text.len) < 0)
        return;
    for (size_t i = 0; i < x->var_count; i++)
        v->vars[v->count++] = x->vars[i];
}

const char *messages_starts_over(struct sandbox *base, const struct sandbox_run *rq)
{
    struct claude_messages *s = (struct claude_messages *)base;
    bool python = s->wants_state && strcmp(rq->language, "python") == 0;
    if (s->lost == LOST_CONTAINER)
        return python ? "a new container: variables and files of earlier runs are gone"
                      : "a new container: the files of earlier runs are gone";
    if (python && messages_falls_short(s)) {
        snprintf(s->lost_line, sizeof s->lost_line,
                 "a fresh interpreter: with %.60s none stays; files do", s->model);
        return s->lost_line;
    }
    if (python && s->lost == LOST_INTERPRETER)
        return "a new interpreter: the variables of earlier runs are gone; files stay";
    return NULL;
}
