/* cmd_cost.c - what sessions have cost: `cost ID` call by call, `cost` all of them by session,
 * model, sandbox or day. What is not known is said to be unknown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "cli/saved.h"
#include "cli/whatif.h"
#include "providers/registry.h"
#include "tool/cost.h"
#include "ui/text.h"

struct costing {
    struct app *app;
    struct cost cost;
    struct whatif whatif;
    struct buf out;
    unsigned calls;
    int broken; /* the exit code that says that a session was not read to its end; 0 */
    char **ids;
    size_t id_count;
};

/* ---- words ---- */

/* "$0.004125": six places, as one call may cost that little; nothing is rounded up to look exact.
 */
static void put_money(const struct cost_sum *s, struct buf *out)
{
    if (s->calls > 0 && s->unpriced == s->calls && s->cost_nanousd == 0) {
        (void)buf_add_str(out, "unknown");
        return;
    }
    (void)buf_addf(out, "$%lld.%06lld", (long long)(s->cost_nanousd / 1000000000),
                   (long long)(s->cost_nanousd % 1000000000 / 1000));
    if (s->unpriced > 0)
        (void)buf_addf(out, " + unknown (%lld call%s without a price)", (long long)s->unpriced,
                       s->unpriced == 1 ? "" : "s");
}

static void put_sandbox(const struct cost_sum *s, struct buf *out)
{
    if (s->sandbox_ms == 0 && s->unclosed == 0)
        return;
    (void)buf_addf(out, "sandbox %s%lld.%lld s", s->unclosed > 0 ? "at least " : "",
                   (long long)(s->sandbox_ms / 1000), (long long)(s->sandbox_ms % 1000 / 100));
    if (s->unclosed > 0)
        (void)buf_addf(out, " (the end of %lld is not in the record)", (long long)s->unclosed);
}

static void put_tokens(const struct cost_sum *s, struct buf *out)
{
    (void)buf_addf(out, "%10lld %10lld %10lld %9lld  ", (long long)s->input_tokens,
                   (long long)s->cache_read_tokens, (long long)s->cache_write_tokens,
                   (long long)s->output_tokens);
}

static void put_head(const char *what, struct buf *out)
{
    (void)buf_addf(out, "%-36s %10s %10s %10s %9s  %s\n", what, "in", "cached", "written", "out",
                   "cost");
}

static void put_sum(const char *name, const struct cost_sum *s, struct buf *out)
{
    bool model = s->calls > 0;
    (void)buf_addf(out, "%-36s ", name);
    if (model) {
        put_tokens(s, out);
        put_money(s, out);
    } else if (s->cost_nanousd > 0) {
        put_money(s, out);
        (void)buf_add_str(out, "  ");
    }
    if (model && s->sandbox_ms + s->unclosed > 0)
        (void)buf_add_str(out, "  ");
    put_sandbox(s, out);
    (void)buf_add_char(out, '\n');
}

/* ---- JSON ---- */

static void json_sum(struct json_w *w, const struct cost_sum *s)
{
    json_w_int(w, "calls", s->calls);
    json_w_int(w, "input_tokens", s->input_tokens);
    json_w_int(w, "cache_read_tokens", s->cache_read_tokens);
    json_w_int(w, "cache_write_tokens", s->cache_write_tokens);
    json_w_int(w, "output_tokens", s->output_tokens);
    if (s->calls > 0 && s->unpriced == s->calls && s->cost_nanousd == 0)
        json_w_null(w, "cost_nanousd");
    else
        json_w_int(w, "cost_nanousd", s->cost_nanousd);
    json_w_int(w, "calls_without_price", s->unpriced);
    json_w_int(w, "sandbox_ms", s->sandbox_ms);
    json_w_int(w, "sandboxes_not_closed", s->unclosed);
}

static void json_row(const char *kind, const char *name, const char *key, const struct cost_sum *s,
                     struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "kind", kind);
    if (key != NULL)
        json_w_strn(&w, name, key, strlen(key));
    json_sum(&w, s);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

static void json_call(const struct event *ev, const char *source, const struct cost_sum *s,
                      struct buf *out)
{
    struct json_w w;
    char at[CLOCK_ISO_LEN];
    clock_iso(ev->at_us, at);
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "kind", "call");
    json_w_int(&w, "seq", (int64_t)ev->seq);
    json_w_str(&w, "at", at);
    json_w_str(&w, "model", source);
    json_sum(&w, s);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

/* ---- one session, call by call ---- */

static void on_call(void *arg, const struct event *ev, const char *source, const struct cost_sum *s)
{
    struct costing *c = arg;
    char at[CLOCK_ISO_LEN], name[64];
    whatif_add(&c->whatif, s);
    if (c->app->opt.arg_count == 0)
        return; /* of many sessions: by rows */
    c->calls++;
    if (c->app->opt.json) {
        json_call(ev, source, s, &c->out);
        return;
    }
    clock_iso(ev->at_us, at);
    if (c->calls == 1)
        put_head("call", &c->out);
    snprintf(name, sizeof name, "%3u %.8s %.40s", c->calls, at + 11, source);
    put_sum(name, s, &c->out);
}

static int on_event(void *arg, const struct event *ev)
{
    struct costing *c = arg;
    cost_add(&c->cost, ev);
    return 0;
}

static void print_rows(struct costing *c)
{
    const struct cost *k = &c->cost;
    bool json = c->app->opt.json;
    if (!json && k->count > 0) {
        char what[32];
        snprintf(what, sizeof what, "by %s", cost_by_name(k->by));
        put_head(what, &c->out);
    }
    for (size_t i = 0; i < k->count; i++) {
        if (json)
            json_row("row", cost_by_name(k->by), k->rows[i].key, &k->rows[i].sum, &c->out);
        else
            put_sum(k->rows[i].key, &k->rows[i].sum, &c->out);
    }
    if (json)
        json_row("total", "", NULL, &k->total, &c->out);
    else if (k->total.calls == 0 && k->total.sandbox_ms + k->total.unclosed == 0)
        (void)buf_add_str(&c->out, "the record knows of no answer of a model and of no sandbox\n");
    else
        put_sum("total", &k->total, &c->out);
}

/* A sum that lacks something is told as such. */
static void note_broken(struct costing *c, const char *id, const struct err *why)
{
    struct err e = *why;
    err_wrap(&e, "session %s was not read to its end", id);
    int code = app_fail(&e);
    c->broken = c->broken != EXIT_INTEGRITY ? code : c->broken;
}

/* All of it is read, as `show` does, so that both find the same damage. */
static int one_session(struct costing *c, const char *word, struct err *e)
{
    struct store *store = NULL;
    struct err why = ERR_INIT;
    uint64_t to = 0;
    if (saved_open_store(&store, c->app, word, e) < 0)
        return -1;
    cost_begin(&c->cost, store_id(store));
    bool linked = store_check_links(store, &to, &why) == 0;
    if ((!linked && to == 0) || store_each(store, 1, to, on_event, c, &why) < 0 || !linked)
        note_broken(c, store_id(store), &why);
    cost_end(&c->cost);
    store_close(store);
    if (c->calls > 0 && !c->app->opt.json)
        (void)buf_add_char(&c->out, '\n');
    return 0;
}

/* ---- all ---- */

static int take_id(void *arg, const struct index_entry *x)
{
    struct costing *c = arg;
    c->ids = xreallocarray(c->ids, c->id_count + 1, sizeof *c->ids);
    c->ids[c->id_count++] = xstrdup(x->id);
    return 0;
}

static void add_session(struct costing *c, const char *id)
{
    char *path = xasprintf("%s/%s.db", c->app->paths.sessions_dir, id);
    struct store *store = NULL;
    struct err e = ERR_INIT;
    cost_begin(&c->cost, id);
    if (store_open_read(&store, path, &e) < 0 ||
        store_each_of(store, COST_TYPES, 1, 0, on_event, c, &e) < 0)
        note_broken(c, id, &e);
    cost_end(&c->cost);
    store_close(store);
    free(path);
}

static int all_sessions(struct costing *c, struct err *e)
{
    struct app *app = c->app;
    if (app_need_index(app, e) < 0 || index_refresh(app->index, e) < 0 ||
        index_list(app->index, NULL, INDEX_KEPT, 0, take_id, c, e) < 0)
        return -1;
    for (size_t i = 0; i < c->id_count; i++)
        add_session(c, c->ids[i]);
    return 0;
}

/* ---- at other prices ---- */

static void on_offer(void *arg, const char *book, const char *model, int64_t nanousd)
{
    struct costing *c = arg;
    if (!c->app->opt.json) {
        char name[100];
        struct cost_sum s = { .cost_nanousd = nanousd };
        snprintf(name, sizeof name, "%s:%s", book, model);
        (void)buf_addf(&c->out, "%-36s ", name);
        put_money(&s, &c->out);
        (void)buf_add_char(&c->out, '\n');
        return;
    }
    struct json_w w;
    json_w_init(&w, &c->out);
    json_w_object(&w, NULL);
    json_w_str(&w, "kind", "what-if");
    char *name = xasprintf("%s:%s", book, model);
    json_w_str(&w, "model", name);
    json_w_int(&w, "calls", (int64_t)c->whatif.count);
    json_w_int(&w, "cost_nanousd", nanousd);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(&c->out, '\n');
    free(name);
}

static int print_whatif(struct costing *c, struct err *e)
{
    if (!c->app->opt.what_if)
        return 0;
    if (c->whatif.count == 0 && !c->app->opt.json)
        (void)buf_add_str(&c->out, "\nno call of a model to price otherwise\n");
    if (c->whatif.count == 0)
        return 0;
    if (!c->app->opt.json)
        (void)buf_addf(&c->out, "\nthe same tokens in %s%zu call%s, at the price of\n",
                       c->whatif.full ? "the first " : "", c->whatif.count,
                       c->whatif.count == 1 ? "" : "s");
    return whatif_each(&c->whatif, app_setting, c->app, on_offer, c, e);
}

/* Names in a record may come from anywhere. */
static int print(struct costing *c)
{
    struct buf clean = BUF_INIT((size_t)32 << 20);
    const struct buf *what = &c->out;
    if (!c->app->opt.json &&
        text_clean_lines(&clean, buf_str(&c->out), c->out.len, TEXT_PROSE, false) == 0)
        what = &clean;
    int rc = app_print(what->len > 0 ? what->ptr : "", what->len);
    buf_release(&clean);
    return rc < 0 ? EXIT_WORK_FAILED : c->broken;
}

static bool ends_with_us(const char *kind)
{
    const struct sandbox_ops *ops = sandbox_find(kind);
    return ops != NULL && ops->farewell == NULL;
}

int cmd_cost(struct app *app)
{
    struct costing c = { .app = app };
    struct err e = ERR_INIT;
    bool one = app->opt.arg_count == 1;
    enum cost_by by = one ? COST_BY_MODEL : COST_BY_SESSION;
    int rc = 0;
    if (app->opt.arg_count > 1)
        rc = err_set(&e, ERR_USAGE, "cost takes ID, or nothing for all sessions");
    else if (app->opt.by != NULL && cost_by_parse(app->opt.by, &by) < 0)
        rc = err_set(&e, ERR_USAGE, "--by takes session, sandbox, model or day, not '%.20s'",
                     app->opt.by);
    cost_init(&c.cost, by);
    c.cost.ends_with_us = ends_with_us;
    c.cost.call = on_call;
    c.cost.arg = &c;
    buf_init(&c.out, (size_t)16 << 20);
    if (rc == 0)
        rc = one ? one_session(&c, app->opt.args[0], &e) : all_sessions(&c, &e);
    int code = EXIT_OK;
    if (rc == 0) {
        print_rows(&c);
        rc = print_whatif(&c, &e);
    }
    if (rc == 0)
        code = print(&c);
    whatif_release(&c.whatif);
    buf_release(&c.out);
    cost_release(&c.cost);
    for (size_t i = 0; i < c.id_count; i++)
        free(c.ids[i]);
    free(c.ids);
    return rc < 0 ? app_fail(&e) : code;
}
