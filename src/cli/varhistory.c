/* varhistory.c - when a variable or a file changed. */
#include "cli/varhistory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct look {
    const struct state *st;
    const struct state_run *run;
    const char *name;
    var_moment_fn fn;
    void *arg;
    bool stopped;
};

static void tell(struct look *l, struct var_moment *m)
{
    if (m->change == CHANGE_SAME)
        return;
    m->run = l->run->number;
    m->led_here = l->st->vars_run == 0 || state_leads_to(l->st, m->run, l->st->vars_run);
    l->stopped |= l->fn(l->arg, m) != 0;
}

static enum var_change change_of(const char *word)
{
    for (int c = CHANGE_NEW; c <= CHANGE_UNKNOWN; c++) {
        if (strcmp(word, var_change_name((enum var_change)c)) == 0)
            return (enum var_change)c;
    }
    return CHANGE_UNKNOWN;
}

static int from_store(void *arg, const struct store_var *v)
{
    struct look *l = arg;
    if (strcmp(v->name, l->name) != 0)
        return 0;
    struct var_moment m = { .change = change_of(v->change),
                            .type = v->type,
                            .shape = v->shape,
                            .preview = v->preview,
                            .digest = v->digest,
                            .bytes = v->bytes };
    tell(l, &m);
    return 1;
}

static void look_at_vars(struct look *l)
{
    for (size_t i = 0; i < l->run->var_count; i++) {
        const struct state_var *v = &l->run->vars[i];
        if (strcmp(v->name, l->name) != 0)
            continue;
        struct var_moment m = { .change = v->change,
                                .type = v->type,
                                .shape = v->shape,
                                .preview = v->preview,
                                .digest = v->digest,
                                .bytes = v->bytes };
        tell(l, &m);
    }
}

static void tell_file(struct look *l, enum var_change change, int64_t bytes)
{
    struct var_moment m = {
        .change = change, .type = "file", .shape = "", .preview = "", .digest = "", .bytes = bytes
    };
    tell(l, &m);
}

static void look_at_files(struct look *l)
{
    for (size_t i = 0; i < l->run->file_count; i++) {
        const struct state_file *f = &l->run->files[i];
        if (strcmp(f->path, l->name) == 0)
            tell_file(l, f->change, f->bytes);
    }
}

static int files_from_event(void *arg, const struct event *ev)
{
    struct look *l = arg;
    if (ev->body == NULL || ev->run != l->run->number)
        return 0;
    const struct json *list = json_get(ev->body, "files");
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
        if (strcmp(json_get_str(m, "path", ""), l->name) == 0)
            tell_file(l, change_of(json_get_str(m, "change", "")), json_get_int(m, "bytes", -1));
    }
    return 0;
}

/* The state keeps no lists of runs long ago, and of one run only the first STATE_VARS_MAX. */
static int look(struct look *l, struct store *store, bool file, struct err *e)
{
    const struct state_run *r = l->run;
    bool held = r->number > l->st->lists_oldest;
    if (file && held && r->file_count < STATE_VARS_MAX)
        look_at_files(l);
    else if (file)
        return store_each_of(store, 1ull << EVENT_STATE_CHANGED, r->first_seq, r->last_seq,
                             files_from_event, l, e);
    else if (held && r->var_count < STATE_VARS_MAX)
        look_at_vars(l);
    else
        return store_each_var(store, r->number, from_store, l, e);
    return 0;
}

int var_history(struct store *store, const struct state *st, const char *name, bool file,
                var_moment_fn fn, void *arg, struct err *e)
{
    struct look l = { .st = st, .name = name, .fn = fn, .arg = arg };
    for (size_t i = 0; i < st->run_count && !l.stopped; i++) {
        l.run = st->runs[i];
        if (l.run->twin_of != 0 || l.run->started_at_us == 0)
            continue;
        if (look(&l, store, file, e) < 0)
            return -1;
    }
    return 0;
}

void var_history_title(const struct state *st, const char *name, uint32_t last, char *out,
                       size_t size)
{
    uint32_t since = 0;
    for (uint32_t n = last + 1; n <= st->run_count; n++)
        since += st->runs[n - 1]->twin_of == 0 && st->runs[n - 1]->started_at_us != 0;
    if (last == 0 && st->origin != NULL)
        snprintf(out, size, "%.60s: as it was when this branch began", name);
    else if (last == 0)
        snprintf(out, size, "%.60s: no run changed it", name);
    else if (since == 0)
        snprintf(out, size, "%.60s: last changed in run %u, the newest", name, last);
    else
        snprintf(out, size, "%.60s: last changed in run %u, %u run%s ago", name, last, since,
                 since == 1 ? "" : "s");
}

void var_moment_print(const struct var_moment *m, struct buf *out)
{
    (void)buf_addf(out, "run %-4u %-8s %s%s%s", m->run, var_change_name(m->change), m->type,
                   m->shape[0] != '\0' ? " " : "", m->shape);
    if (m->bytes >= 0)
        (void)buf_addf(out, "  %" PRId64 " B", m->bytes);
    if (m->digest[0] != '\0')
        (void)buf_addf(out, "  #%.8s", m->digest);
    if (!m->led_here)
        (void)buf_add_str(out, "  (another branch)");
    (void)buf_add_str(out, m->preview[0] != '\0' ? "  " : "");
    for (const char *p = m->preview; *p != '\0'; p++)
        (void)buf_add_char(out, *p == '\n' ? ' ' : *p);
}
