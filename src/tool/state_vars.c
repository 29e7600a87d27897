/* state_vars.c - the REPL's variables as the kernel reported them. */
#include "tool/state_int.h"

#include <stdlib.h>
#include <string.h>

void state_vars_free(struct state_var *vars, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(vars[i].name);
        free(vars[i].type);
        free(vars[i].shape);
        free(vars[i].preview);
        free(vars[i].digest);
        free(vars[i].language);
    }
    free(vars);
}

void state_files_free(struct state_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(files[i].path);
    free(files);
}

void state_vars_forget(struct state *st)
{
    state_vars_free(st->vars, st->var_count);
    st->vars = NULL;
    st->var_count = 0;
    st->vars_run = 0;
    st->vars_lost = false;
}

static enum var_change read_change(const char *word)
{
    for (int c = CHANGE_NEW; c <= CHANGE_UNKNOWN; c++) {
        if (strcmp(word, var_change_name((enum var_change)c)) == 0)
            return (enum var_change)c;
    }
    return CHANGE_UNKNOWN;
}

struct state_var state_var_copy(const struct state_var *v)
{
    struct state_var c = *v;
    c.name = xstrdup(v->name);
    c.type = xstrdup(v->type);
    c.shape = xstrdup(v->shape);
    c.preview = xstrdup(v->preview);
    c.digest = xstrdup(v->digest);
    c.language = xstrdup(v->language);
    return c;
}

/* Each language has names of its own. Variables come in the same order run after run, so the search
 * starts where the last one ended. */
static const struct state_var *find_var(const struct state *st, const char *language,
                                        const char *name, size_t *hint)
{
    for (size_t i = 0; i < st->var_count; i++) {
        size_t at = (*hint + i) % st->var_count;
        if (strcmp(st->vars[at].name, name) == 0 && strcmp(st->vars[at].language, language) == 0) {
            *hint = at + 1;
            return &st->vars[at];
        }
    }
    return NULL;
}

void state_vars_read(struct state *st, struct state_run *r, const struct json *list)
{
    size_t count = json_len(list) < STATE_VARS_MAX ? json_len(list) : STATE_VARS_MAX;
    size_t hint = 0;
    r->vars = xcalloc(count, sizeof *r->vars);
    for (const struct json *m = json_first(list); m != NULL && r->var_count < count;
         m = json_next(m)) {
        struct state_var *v = &r->vars[r->var_count++];
        v->name = xstrdup(json_get_str(m, "name", ""));
        v->language = xstrdup(r->language);
        v->type = xstrdup(json_get_str(m, "type", ""));
        v->shape = xstrdup(json_get_str(m, "shape", ""));
        v->preview = xstrdup(json_get_str(m, "preview", ""));
        v->digest = xstrdup(json_get_str(m, "digest", ""));
        v->bytes = json_get_int(m, "bytes", -1);
        v->change = read_change(json_get_str(m, "change", ""));
        const struct state_var *before = find_var(st, v->language, v->name, &hint);
        bool moved = v->change == CHANGE_NEW || v->change == CHANGE_CHANGED;
        v->since_run = before != NULL && !moved ? before->since_run : r->number;
    }
}

static void read_files(struct state_run *r, const struct json *list)
{
    size_t count = json_len(list) < STATE_VARS_MAX ? json_len(list) : STATE_VARS_MAX;
    r->files = xcalloc(count, sizeof *r->files);
    for (const struct json *m = json_first(list); m != NULL && r->file_count < count;
         m = json_next(m)) {
        r->files[r->file_count++] =
            (struct state_file){ .path = xstrdup(json_get_str(m, "path", "")),
                                 .change = read_change(json_get_str(m, "change", "")),
                                 .bytes = json_get_int(m, "bytes", -1) };
    }
}

bool state_lost_is(const char *entry, const struct state_var *v)
{
    size_t lang = strlen(v->language), name = strlen(v->name);
    if (strncmp(entry, v->language, lang) == 0 && entry[lang] == ':')
        entry += lang + 1;
    return strncmp(entry, v->name, name) == 0 &&
           (entry[name] == '\0' || (entry[name] == ' ' && entry[name + 1] == '('));
}

static bool is_lost(const struct json *list, const struct state_var *v)
{
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
        if (state_lost_is(json_str(m, ""), v))
            return true;
    }
    return false;
}

void state_vars_adopt(struct state *st, const struct state_run *r, const struct json *lost)
{
    struct state_var *vars = xcalloc(r->var_count + st->var_count, sizeof *vars);
    size_t n = 0;
    for (size_t i = 0; i < r->var_count; i++) {
        if (r->vars[i].change != CHANGE_GONE && !is_lost(lost, &r->vars[i]))
            vars[n++] = state_var_copy(&r->vars[i]);
    }
    for (size_t i = 0; i < st->var_count; i++) {
        if (strcmp(st->vars[i].language, r->language) != 0 && !is_lost(lost, &st->vars[i]))
            vars[n++] = state_var_copy(&st->vars[i]);
    }
    state_vars_forget(st);
    st->vars = vars;
    st->var_count = n;
    st->vars_run = r->number;
}

static void drop_lists(struct state_run *r)
{
    state_vars_free(r->vars, r->var_count);
    state_files_free(r->files, r->file_count);
    r->vars = NULL;
    r->files = NULL;
    r->var_count = r->file_count = 0;
}

/* Lists of runs long ago go first; the session file has them. */
static void forget_old_lists(struct state *st, const struct state_run *r)
{
    st->lists_held += r->var_count + r->file_count;
    while (st->lists_held > STATE_LISTS_MAX && st->lists_oldest + 1 < r->number) {
        state_run_own(st, ++st->lists_oldest);
        struct state_run *old = st->runs[st->lists_oldest - 1];
        st->lists_held -= old->var_count + old->file_count;
        drop_lists(old);
    }
}

int state_on_changed(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    struct state_run *r = state_need_run(st, ev, e);
    if (r == NULL)
        return -1;
    if (r->status != RUN_RUNNING && r->status != RUN_FINISHED && !r->erased)
        return contradiction(ev, e, "state of a run that never started");
    st->lists_held -= r->var_count + r->file_count;
    drop_lists(r);
    state_vars_read(st, r, json_get(ev->body, "vars"));
    read_files(r, json_get(ev->body, "files"));
    if (r->twin_of == 0) {
        state_vars_adopt(st, r, NULL);
        st->went_back = false;
    }
    forget_old_lists(st, r);
    return 0;
}
