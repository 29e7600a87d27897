/* tree.c - the branches of a session, and of the sessions around it. */
#include "cli/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/saved.h"

#define DEPTH_MAX 40
#define HEAD_MAX  60 /* bytes shown of a name or a purpose */

/* Every session that has a parent, and the parent's id and run. */
struct kin {
    char *id, *parent;
    uint32_t run;
    int64_t created_us;
};

struct walk {
    struct app *app;
    const char *asked;
    struct kin *kin;
    size_t count, cap, read;
    tree_fn fn;
    void *arg;
    bool stopped;
};

const char *tree_kin_name(enum tree_kin k)
{
    static const char *const names[] = { "root", "same", "missing", "differs" };
    return names[k];
}

void tree_outcome(const struct state_run *r, char *out, size_t size)
{
    if (r->status == RUN_DENIED || r->status == RUN_STOPPED)
        snprintf(out, size, "%s", r->status == RUN_DENIED ? "denied" : "stopped");
    else if (r->status != RUN_FINISHED)
        snprintf(out, size, "%s", r->status == RUN_RUNNING ? "running" : "open");
    else if (r->verdict == VERDICT_VERIFIED || r->verdict == VERDICT_REFUTED)
        snprintf(out, size, "%s", run_verdict_name(r->verdict));
    else if (r->end == END_EXIT && r->has_exit_code && r->exit_code == 0)
        snprintf(out, size, "exit 0, unverified");
    else if (r->end == END_EXIT && r->has_exit_code)
        snprintf(out, size, "exit %d%s%s", r->exit_code, r->error_name[0] != '\0' ? " " : "",
                 r->error_name);
    else
        snprintf(out, size, "%s", run_end_name(r->end));
}

/* ---- who is whose child ---- */

static int add_kin(void *arg, const struct index_entry *x)
{
    struct walk *w = arg;
    const char *colon = strchr(x->parent, ':');
    if (x->parent[0] == '\0')
        return 0;
    if (w->count == w->cap) {
        w->cap = w->cap != 0 ? w->cap * 2 : 32;
        w->kin = xreallocarray(w->kin, w->cap, sizeof *w->kin);
    }
    size_t n = colon != NULL ? (size_t)(colon - x->parent) : strlen(x->parent);
    w->kin[w->count++] = (struct kin){
        .id = xstrdup(x->id),
        .parent = xstrndup(x->parent, n),
        .run = colon != NULL ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0,
        .created_us = x->created_us,
    };
    return 0;
}

static int by_age(const void *a, const void *b)
{
    const struct kin *x = a, *y = b;
    return (x->created_us > y->created_us) - (x->created_us < y->created_us);
}

static const struct kin *kin_of(const struct walk *w, const char *id)
{
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->kin[i].id, id) == 0)
            return &w->kin[i];
    }
    return NULL;
}

static bool is_here(const struct walk *w, const char *id)
{
    struct err none = ERR_INIT;
    char *found = NULL, *path = NULL;
    int rc = index_resolve(w->app->index, id, &found, &path, &none);
    bool here = rc == 0 && strcmp(found, id) == 0;
    free(found);
    free(path);
    return here;
}

/* The oldest ancestor that is here. */
static const char *find_root(const struct walk *w, const char *id)
{
    for (int i = 0; i < DEPTH_MAX; i++) {
        const struct kin *k = kin_of(w, id);
        if (k == NULL || !is_here(w, k->parent))
            break;
        id = k->parent;
    }
    return id;
}

enum tree_kin tree_check_parent(struct app *app, const struct state *st)
{
    struct store *store = NULL;
    struct err none = ERR_INIT;
    uint8_t chain[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    if (st->parent[0] == '\0')
        return TREE_ROOT;
    char *id = xstrndup(st->parent, strcspn(st->parent, ":"));
    int rc = saved_open_store(&store, app, id, &none);
    enum tree_kin kin = rc == 0 && strcmp(store_id(store), id) == 0 ? TREE_SAME : TREE_MISSING;
    if (kin == TREE_SAME && st->parent_seq != 0) {
        if (store_chain_at(store, st->parent_seq, chain, &none) < 0)
            memset(chain, 0, sizeof chain);
        hex_encode(chain, sizeof chain, hex);
        kin = strcmp(hex, st->parent_chain) == 0 ? TREE_SAME : TREE_DIFFERS;
    }
    store_close(store);
    free(id);
    return kin;
}

/* ---- drawing ---- */

struct node {
    struct walk *w;
    const struct state *st;
    bool asked;
    struct kids {
        uint32_t count, first; /* runs that went on from it, and the earliest of them */
    } * kids;                  /* by run; [0]: began with nothing */
};

static void tell(struct walk *w, struct tree_line *line, const struct buf *prefix, const char *knee,
                 const char *words)
{
    char *text = xasprintf("%s%s%s", buf_str((struct buf *)(uintptr_t)prefix), knee, words);
    line->text = text;
    w->stopped |= w->fn(w->arg, line) != 0;
    free(text);
}

static void walk_session(struct walk *w, const char *id, uint32_t after, struct buf *prefix,
                         const char *knee, const char *below, int depth);

/* Of the first line so many bytes that no character is cut in two. */
static int head_len(const char *text)
{
    size_t n = strcspn(text, "\n");
    return (int)(n > HEAD_MAX ? utf8_valid_prefix(text, HEAD_MAX) : n);
}

/* A stretch of runs: as long as each has one that went on from it. */
static uint32_t stretch_end(const struct node *n, uint32_t first)
{
    uint32_t last = first;
    for (size_t steps = 0; steps < n->st->run_count && n->kids[last].count == 1; steps++)
        last = n->kids[last].first;
    return last;
}

static bool went_on(const struct state_run *r)
{
    return r->started_at_us != 0 && r->twin_of == 0;
}

static void count_kids(struct node *n)
{
    n->kids = xcalloc(n->st->run_count + 1, sizeof *n->kids);
    for (size_t i = n->st->run_count; i-- > 0;) {
        const struct state_run *r = n->st->runs[i];
        if (!went_on(r) || r->parent_run > n->st->run_count)
            continue;
        n->kids[r->parent_run].count++;
        n->kids[r->parent_run].first = r->number;
    }
}

static bool is_in_stretch(const struct state *st, uint32_t run, uint32_t first, uint32_t last)
{
    return state_leads_to(st, first, run) && state_leads_to(st, run, last);
}

static void walk_stretch(const struct node *n, uint32_t first, struct buf *prefix, const char *knee,
                         const char *below, int depth);

/* What goes on from the stretch: forks of its runs, then its own further branches. `after` 0: what
 * began with nothing. */
static void walk_children(const struct node *n, uint32_t first, uint32_t last, struct buf *prefix,
                          int depth)
{
    const struct state *st = n->st;
    size_t kids = 0, at = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n->w->count; i++) {
            const struct kin *k = &n->w->kin[i];
            bool ours = strcmp(k->parent, st->session) == 0 &&
                        (last == 0 ? state_run_at(st, k->run) == NULL
                                   : is_in_stretch(st, k->run, first, last));
            if (!ours)
                continue;
            kids += pass == 0;
            if (pass == 1) {
                bool end = ++at == kids;
                walk_session(n->w, k->id, k->run, prefix, end ? "└─ " : "├─ ", end ? "   " : "│  ",
                             depth + 1);
            }
        }
        for (uint32_t r = 1; r <= st->run_count; r++) {
            const struct state_run *sr = st->runs[r - 1];
            if (sr->parent_run != last || !went_on(sr))
                continue;
            kids += pass == 0;
            if (pass == 1) {
                bool end = ++at == kids;
                walk_stretch(n, r, prefix, end ? "└─ " : "├─ ", end ? "   " : "│  ", depth + 1);
            }
        }
    }
}

static void walk_stretch(const struct node *n, uint32_t first, struct buf *prefix, const char *knee,
                         const char *below, int depth)
{
    const struct state *st = n->st;
    uint32_t last = stretch_end(n, first);
    const struct state_run *end = state_run_at(st, last), *begin = state_run_at(st, first);
    char outcome[96], words[512], span[48];
    if (n->w->stopped || depth > DEPTH_MAX)
        return;
    if (first == last)
        snprintf(span, sizeof span, "run %u", first);
    else
        snprintf(span, sizeof span, "runs %u-%u", first, last);
    tree_outcome(end, outcome, sizeof outcome);
    /* Where its sandbox was closed at the end, that is where a resume goes on from. */
    bool gone = st->vars_lost && st->sbx != SBX_CLOSED;
    bool here = !gone && st->vars_run != 0 && is_in_stretch(st, st->vars_run, first, last);
    char at[32] = "";
    if (here)
        snprintf(at, sizeof at, st->vars_run == last ? "  <- here" : "  <- here, at run %u",
                 st->vars_run);
    const char *purpose = end->purpose[0] != '\0' ? end->purpose : end->code;
    snprintf(words, sizeof words, "%s  %s%s  %.*s", span, outcome, at, head_len(purpose), purpose);
    struct tree_line line = { .session = st->session,
                              .state = st,
                              .run = last,
                              .last = end,
                              .first = first,
                              .after = begin->parent_run,
                              .asked = n->asked };
    tell(n->w, &line, prefix, knee, words);
    size_t keep = prefix->len;
    (void)buf_add_str(prefix, below);
    walk_children(n, first, last, prefix, depth);
    buf_truncate(prefix, keep);
}

static void walk_session(struct walk *w, const char *id, uint32_t after, struct buf *prefix,
                         const char *knee, const char *below, int depth)
{
    struct saved s;
    struct err why = ERR_INIT;
    char words[512], from[48] = "";
    if (w->stopped || depth > DEPTH_MAX || w->read++ == TREE_SESSIONS_MAX)
        return;
    if (saved_open(&s, w->app, id, &why) < 0) {
        struct tree_line line = { .session = id, .kin = TREE_MISSING, .broken = &why };
        snprintf(words, sizeof words, "%s  can't be read: %.200s", id, why.msg);
        tell(w, &line, prefix, knee, words);
        return;
    }
    struct node n = { .w = w, .st = &s.state, .asked = strcmp(id, w->asked) == 0 };
    struct tree_line line = { .session = s.id,
                              .state = &s.state,
                              .after = after,
                              .asked = n.asked,
                              .kin = tree_check_parent(w->app, &s.state),
                              .broken = s.broken.code != ERR_NONE ? &s.broken : NULL };
    if (after != 0)
        snprintf(from, sizeof from, "fork after run %u  ", after);
    else if (s.state.parent[0] != '\0')
        snprintf(from, sizeof from, "%s", depth > 0 ? "again  " : "");
    const char *name = s.state.name[0] != '\0'   ? s.state.name
                       : s.state.task[0] != '\0' ? s.state.task
                                                 : "(no task)";
    snprintf(words, sizeof words, "%s%.*s  %s  %s%s%s%s", from, head_len(name), name, s.id,
             s.state.outcome[0] != '\0' ? s.state.outcome : "open",
             line.kin == TREE_DIFFERS ? "  PARENT'S RECORD DIFFERS" : "",
             line.kin == TREE_MISSING && s.state.parent[0] != '\0' ? "  (its parent is not here)"
                                                                   : "",
             s.broken.code != ERR_NONE ? "  (not whole: airlock verify tells)" : "");
    tell(w, &line, prefix, knee, words);
    size_t keep = prefix->len;
    (void)buf_add_str(prefix, below);
    count_kids(&n);
    walk_children(&n, 0, 0, prefix, depth);
    free(n.kids);
    buf_truncate(prefix, keep);
    saved_close(&s);
}

int tree_walk(struct app *app, const char *id, tree_fn fn, void *arg, struct err *e)
{
    struct walk w = { .app = app, .asked = id, .fn = fn, .arg = arg };
    struct buf prefix = BUF_INIT(4096);
    int rc = 0;
    if (app_need_index(app, e) < 0 || index_refresh(app->index, e) < 0 ||
        index_list(app->index, NULL, INDEX_KEPT, 0, add_kin, &w, e) < 0)
        rc = -1;
    if (rc == 0 && w.count > 0)
        qsort(w.kin, w.count, sizeof *w.kin, by_age);
    if (rc == 0)
        walk_session(&w, find_root(&w, id), 0, &prefix, "", "", 0);
    for (size_t i = 0; i < w.count; i++) {
        free(w.kin[i].id);
        free(w.kin[i].parent);
    }
    free(w.kin);
    buf_release(&prefix);
    return rc;
}
