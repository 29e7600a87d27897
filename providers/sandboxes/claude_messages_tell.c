/* claude_messages_tell.c - what becomes of one execution, as events: what it used up, its one end,
 * the files and variables it left. */
#include <string.h>

#include "providers/sandboxes/claude_messages_int.h"

static void fill_finished(struct messages_run *r, struct sandbox_finished *f)
{
    *f = r->f;
    f->what = r->limit;
    f->limits_hit = "";
    f->error_name = buf_str(&r->error_name);
    f->error_value = buf_str(&r->error_value);
    f->error_traceback = buf_str(&r->error_traceback);
    f->check_text = r->has_result ? buf_str(&r->result.check_text) : "";
    f->message = r->message;
    f->exists = r->has_result ? r->result.exists : NULL;
    f->exists_count = r->has_result ? r->decoded.rq.exists_count : 0;
}

static void tell_usage(struct claude_messages *s, struct messages_run *r)
{
    const struct llm_usage *u = &r->judge.usage;
    const struct sandbox_usage usage = { .source = s->usage_source,
                                         .input_tokens = u->input + u->cache_write,
                                         .output_tokens = u->output,
                                         .cache_read_tokens = u->cache_read,
                                         .cost_nanousd = llm_cost(&s->facts, u) };
    struct sandbox_event ev = { .kind = SANDBOX_USAGE, .run = r->number, .usage = &usage };
    if (r->judge.has_usage)
        core_tell(&s->core, &ev);
}

/* Those of the interpreter that stays. What did not run there changed none. */
static size_t fill_vars(const struct claude_messages *s, const struct messages_run *r,
                        struct sandbox_var *out)
{
    const char *text = s->vars.text.ptr;
    bool fresh = r->has_result && r->decoded.terms.form == CLAUDE_CELL;
    size_t n = 0;
    if (strcmp(r->decoded.rq.language, "python") != 0)
        return 0;
    for (size_t i = 0; i < s->vars.count; i++) {
        const struct claude_var *v = &s->vars.vars[i];
        if (fresh || v->change != CHANGE_GONE)
            out[n++] = (struct sandbox_var){ .name = text + v->name_at,
                                             .type = text + v->type_at,
                                             .shape = text + v->shape_at,
                                             .preview = text + v->preview_at,
                                             .digest = v->digest,
                                             .bytes = v->bytes,
                                             .change = fresh ? v->change : CHANGE_SAME };
    }
    return n;
}

/* Who was promised variables is told of them after every run that did not lose them; a shell that
 * lost them can't speak of them. */
static bool has_state(const struct claude_messages *s, const struct messages_run *r)
{
    if (!s->wants_state)
        return r->has_result;
    if (!r->f.state_lost)
        return true;
    return r->has_result && strcmp(r->decoded.rq.language, "python") == 0;
}

static void tell_state(struct claude_messages *s, const struct messages_run *r)
{
    const struct claude_result *x = &r->result;
    struct sandbox_changed_file files[ARRAY_LEN(x->files)];
    struct sandbox_var vars[CLAUDE_VARS_MAX];
    if (!has_state(s, r) || s->core.ending || s->core.closed)
        return;
    for (size_t i = 0; i < x->file_count; i++)
        files[i] = (struct sandbox_changed_file){ .path = x->paths.ptr + x->files[i].path_at,
                                                  .change = x->files[i].change,
                                                  .bytes = x->files[i].bytes };
    struct sandbox_event ev = { .kind = SANDBOX_STATE,
                                .run = r->number,
                                .vars = vars,
                                .var_count = fill_vars(s, r, vars),
                                .files = files,
                                .file_count = x->file_count };
    core_tell(&s->core, &ev);
}

void messages_tell_end(struct claude_messages *s, struct messages_run *r)
{
    struct sandbox_finished f;
    tell_usage(s, r);
    fill_finished(r, &f);
    struct sandbox_event ev = { .kind = SANDBOX_FINISHED, .run = r->number, .finished = &f };
    core_tell(&s->core, &ev);
    tell_state(s, r);
}
