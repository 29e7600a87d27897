/* kernel_vars.c - what the variables and files of a session are after each run, compared with
 * before. The guest only says what is there; what that means (new, changed, gone) is worked out
 * here. */
#include "providers/kernel_int.h"

#include <stdlib.h>
#include <string.h>

#define CHANGED_MAX 4000

/* ---- tables */

static void var_release(struct kernel_var *v)
{
    free(v->name);
    free(v->type);
    free(v->shape);
    free(v->preview);
    free(v->digest);
}

void kernel_vars_release(struct kernel_vars *t)
{
    for (size_t i = 0; i < t->count; i++)
        var_release(&t->v[i]);
    free(t->v);
    *t = (struct kernel_vars){ 0 };
}

static void add_var(struct kernel_vars *t, struct kernel_var v)
{
    if (t->count == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 16;
        t->v = xreallocarray(t->v, t->cap, sizeof *t->v);
    }
    t->v[t->count++] = v;
}

static void copy_vars(struct kernel_vars *to, const struct kernel_vars *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct kernel_var *v = &from->v[i];
        add_var(to, (struct kernel_var){ .name = xstrdup(v->name),
                                         .type = xstrdup(v->type),
                                         .shape = xstrdup(v->shape),
                                         .preview = xstrdup(v->preview),
                                         .digest = xstrdup(v->digest),
                                         .bytes = v->bytes,
                                         .opaque = v->opaque });
    }
}

static int by_name(const void *a, const void *b)
{
    const struct kernel_var *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void sort_vars(struct kernel_vars *t)
{
    if (t->count > 1)
        qsort(t->v, t->count, sizeof *t->v, by_name);
    size_t kept = 0; /* a name said twice: the first counts */
    for (size_t i = 0; i < t->count; i++) {
        if (kept > 0 && strcmp(t->v[kept - 1].name, t->v[i].name) == 0)
            var_release(&t->v[i]);
        else
            t->v[kept++] = t->v[i];
    }
    t->count = kept;
}

void kernel_vars_take(struct kernel *k, int language, const struct kernel_vars *from)
{
    struct kernel_vars copy = { 0 };
    copy_vars(&copy, from);
    kernel_vars_release(&k->last[language]);
    k->last[language] = copy;
}

/* ---- reports */

struct kernel_report *kernel_report(struct kernel *k, uint32_t run, bool make)
{
    struct kernel_report **at = &k->reports;
    while (*at != NULL && (*at)->run != run)
        at = &(*at)->next;
    if (*at == NULL && make) {
        *at = xcalloc(1, sizeof **at);
        (*at)->run = run;
        (*at)->language = -1;
    }
    return *at;
}

void kernel_report_free(struct kernel_report *r)
{
    for (size_t i = 0; i < r->file_count; i++)
        free((char *)(uintptr_t)r->files[i].path);
    free(r->files);
    kernel_vars_release(&r->vars);
    free(r);
}

/* A required string, cut to `max` bytes at the end of a character. */
static int need_short(const struct json *o, const char *key, size_t max, char **out, struct err *e)
{
    const char *s;
    if (json_need_str(o, "state.vars", key, &s, e) < 0)
        return -1;
    size_t len = strlen(s);
    for (len = len > max ? max : len; ((unsigned char)s[len] & 0xc0) == 0x80; len--) {
    }
    *out = xstrndup(s, len);
    return 0;
}

int kernel_report_vars(struct kernel *k, struct kernel_report *r, const struct json *of,
                       struct err *e)
{
    (void)k;
    const struct json *vars = json_get(of, "vars");
    for (const struct json *v = json_first(vars); v != NULL; v = json_next(v)) {
        struct kernel_var var = { 0 };
        if (r->vars.count == KERNEL_VARS_MAX)
            return err_set(e, ERR_LIMIT, "state: more than %d variables", KERNEL_VARS_MAX);
        if (need_short(v, "name", 1024, &var.name, e) < 0 ||
            need_short(v, "type", 1024, &var.type, e) < 0 ||
            need_short(v, "shape", 256, &var.shape, e) < 0 ||
            need_short(v, "preview", 400, &var.preview, e) < 0 ||
            need_short(v, "digest", 128, &var.digest, e) < 0) {
            var_release(&var);
            return -1;
        }
        var.bytes = json_get_int(v, "bytes", -1);
        var.opaque = json_get_int(v, "opaque", 0) != 0 || var.digest[0] == '\0';
        add_var(&r->vars, var);
    }
    return 0;
}

static bool read_change(const char *word, enum var_change *out)
{
    static const struct {
        const char *word;
        enum var_change change;
    } words[] = { { "new", CHANGE_NEW }, { "changed", CHANGE_CHANGED }, { "gone", CHANGE_GONE } };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i].word) == 0) {
            *out = words[i].change;
            return true;
        }
    }
    return false;
}

static void note_changed(struct kernel *k, uint32_t run, const char *path)
{
    if (k->checkpoint_count == 0 || k->changed_count == CHANGED_MAX)
        return;
    k->changed = xreallocarray(k->changed, k->changed_count + 1, sizeof *k->changed);
    k->changed[k->changed_count++] = (struct kernel_changed){ run, xstrdup(path) };
}

int kernel_report_files(struct kernel *k, struct kernel_report *r, const struct json *files,
                        struct err *e)
{
    size_t n = json_len(files);
    if (n > KERNEL_FILES_MAX)
        return err_set(e, ERR_LIMIT, "files: more than %d", KERNEL_FILES_MAX);
    r->files = xcalloc(n + 1, sizeof *r->files);
    for (const struct json *f = json_first(files); f != NULL; f = json_next(f)) {
        struct sandbox_changed_file *out = &r->files[r->file_count];
        const char *path, *change;
        if (json_need_str(f, "files", "path", &path, e) < 0 ||
            json_need_str(f, "files", "change", &change, e) < 0)
            return -1;
        if (!read_change(change, &out->change))
            return err_set(e, ERR_FORMAT, "files.change: no such word");
        out->path = xstrdup(path);
        out->bytes = json_get_int(f, "bytes", -1);
        r->file_count++;
        note_changed(k, r->run, path);
    }
    r->have_files = true;
    return 0;
}

/* ---- comparing */

static enum var_change compare(const struct kernel_var *was, const struct kernel_var *is)
{
    if (was == NULL)
        return CHANGE_NEW;
    if (strcmp(was->type, is->type) != 0)
        return CHANGE_CHANGED;
    if (is->digest[0] == '\0' || was->digest[0] == '\0')
        return CHANGE_UNKNOWN;
    if (strcmp(was->digest, is->digest) != 0 || strcmp(was->shape, is->shape) != 0)
        return CHANGE_CHANGED;
    return is->opaque ? CHANGE_UNKNOWN : CHANGE_SAME;
}

static void tell_var(struct sandbox_var *out, const struct kernel_var *v, enum var_change change)
{
    *out = (struct sandbox_var){ .name = v->name,
                                 .type = v->type,
                                 .shape = v->shape,
                                 .preview = change == CHANGE_GONE ? "" : v->preview,
                                 .digest = change == CHANGE_GONE ? "" : v->digest,
                                 .bytes = v->bytes,
                                 .change = change };
}

/* Both tables are sorted: one walk over the two. */
static size_t compare_all(struct sandbox_var *out, const struct kernel_vars *was,
                          const struct kernel_vars *is)
{
    size_t a = 0, b = 0, n = 0;
    while (a < was->count || b < is->count) {
        int order = a == was->count  ? 1
                    : b == is->count ? -1
                                     : strcmp(was->v[a].name, is->v[b].name);
        if (order < 0)
            tell_var(&out[n++], &was->v[a], CHANGE_GONE);
        else
            tell_var(&out[n++], &is->v[b], compare(order == 0 ? &was->v[a] : NULL, &is->v[b]));
        a += order <= 0;
        b += order >= 0;
    }
    return n;
}

static void tell(struct kernel *k, struct kernel_report *r)
{
    static const struct kernel_vars none;
    const struct kernel_vars *was = r->language >= 0 ? &k->last[r->language] : &none;
    const struct kernel_vars *is = r->vars_unknown ? was : &r->vars;
    struct sandbox_var *vars = xcalloc(was->count + is->count + 1, sizeof *vars);
    size_t n = compare_all(vars, was, is);
    for (size_t i = 0; i < n && r->vars_unknown; i++)
        vars[i].change = CHANGE_UNKNOWN;
    kernel_emit(k, &(struct sandbox_event){ .kind = SANDBOX_STATE,
                                            .run = r->run,
                                            .vars = vars,
                                            .var_count = n,
                                            .files = r->files,
                                            .file_count = r->file_count });
    free(vars);
    if (r->language < 0 || r->vars_unknown)
        return;
    struct kernel_checkpoint *c = kernel_checkpoint(k, r->run);
    if (c != NULL && r->language == KERNEL_PYTHON && !c->have_vars) {
        copy_vars(&c->vars, &r->vars);
        c->have_vars = true;
    }
    kernel_vars_release(&k->last[r->language]);
    k->last[r->language] = r->vars;
    r->vars = (struct kernel_vars){ 0 };
}

void kernel_report_maybe_tell(struct kernel *k, struct kernel_report *r)
{
    if (!r->have_files || !r->have_vars)
        return;
    for (struct kernel_report **at = &k->reports; *at != NULL; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    sort_vars(&r->vars);
    tell(k, r);
    kernel_report_free(r);
}

/* ---- checkpoints */

struct kernel_checkpoint *kernel_checkpoint(struct kernel *k, uint32_t run)
{
    struct kernel_checkpoint *c = k->checkpoint_list;
    while (c != NULL && c->run != run)
        c = c->next;
    return c;
}

void kernel_checkpoint_add(struct kernel *k, uint32_t run)
{
    struct kernel_checkpoint **at = &k->checkpoint_list;
    while (*at != NULL)
        at = &(*at)->next;
    *at = xcalloc(1, sizeof **at);
    (*at)->run = run;
    k->checkpoint_count++;
}

/* Files changed up to the oldest checkpoint that is left can't be asked for any more. */
static void forget_changed(struct kernel *k)
{
    uint32_t oldest = k->checkpoint_list != NULL ? k->checkpoint_list->run : UINT32_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < k->changed_count; i++) {
        if (k->changed[i].run > oldest)
            k->changed[kept++] = k->changed[i];
        else
            free(k->changed[i].path);
    }
    k->changed_count = kept;
}

void kernel_checkpoint_remove(struct kernel *k, uint32_t run)
{
    struct kernel_checkpoint **at = &k->checkpoint_list;
    while (*at != NULL && (*at)->run != run)
        at = &(*at)->next;
    struct kernel_checkpoint *c = *at;
    if (c == NULL)
        return;
    *at = c->next;
    kernel_vars_release(&c->vars);
    free(c);
    k->checkpoint_count--;
    forget_changed(k);
}

/* ---- lists of names */

static char **append(char **list, size_t *count, char *item)
{
    list = xreallocarray(list, *count + 1, sizeof *list);
    list[(*count)++] = item;
    return list;
}

char **kernel_names(const struct kernel_vars *v, const char *prefix, char **list, size_t *count)
{
    for (size_t i = 0; i < v->count; i++)
        list = append(list, count, xasprintf("%s%s", prefix, v->v[i].name));
    return list;
}

char **kernel_changed_since(const struct kernel *k, uint32_t run, char **list, size_t *count)
{
    size_t from = *count;
    for (size_t i = 0; i < k->changed_count; i++) {
        char *item = xasprintf("file %s", k->changed[i].path);
        bool told = k->changed[i].run <= run;
        for (size_t j = from; j < *count && !told; j++)
            told = strcmp(list[j], item) == 0;
        if (told)
            free(item);
        else
            list = append(list, count, item);
    }
    return list;
}
