/* cmd_providers.c - what planners and sandboxes there are, what is missing, and the models of one
 * planner. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "providers/planner.h"
#include "ui/text.h"

#define PATIENCE_US INT64_C(35000000) /* planner.h: a list is there, or an error, within 30 s */

static int print(struct buf *out)
{
    int rc = app_print(buf_str(out), out->len);
    buf_release(out);
    return rc < 0 ? EXIT_WORK_FAILED : EXIT_OK;
}

static void print_provider(const struct app *app, const char *sort, const char *name,
                           const char *title, const char *extra, int rc, const struct err *e,
                           struct buf *out)
{
    if (app->opt.json) {
        struct json_w w;
        json_w_init(&w, out);
        json_w_object(&w, NULL);
        json_w_str(&w, "kind", sort);
        json_w_str(&w, "name", name);
        json_w_str(&w, "title", title);
        json_w_bool(&w, "ready", rc == 0);
        if (rc < 0)
            json_w_strn(&w, "missing", e->msg, strlen(e->msg));
        json_w_str(&w, "detail", extra);
        json_w_close_object(&w);
        (void)!json_w_end(&w);
        (void)buf_add_char(out, '\n');
        return;
    }
    (void)buf_addf(out, "%-8s %-27s %-7s %s%s%s\n", sort, name, rc == 0 ? "ready" : "MISSING",
                   title, extra[0] != '\0' ? "; " : "", extra);
    if (rc < 0) {
        (void)buf_addf(out, "%45s", "");
        (void)text_clean_lines(out, e->msg, strlen(e->msg), TEXT_PROSE, false);
        (void)buf_add_char(out, '\n');
    }
}

static void capability_words(unsigned caps, struct buf *out)
{
    static const struct {
        unsigned cap;
        const char *word;
    } words[] = {
        { SANDBOX_IS_STATEFUL, "stateful" },
        { SANDBOX_CAN_CHECKPOINT, "checkpoints" },
        { SANDBOX_CAN_SAVE, "saved namespace" },
        { SANDBOX_CAN_FILES, "files" },
        { SANDBOX_CAN_NET_DENY, "network deny" },
        { SANDBOX_CAN_NET_ALLOWLIST, "network allow list" },
        { SANDBOX_CAN_TWIN, "dry run" },
        { SANDBOX_HAS_NATIVE_GATE, "gated by the server" },
        { SANDBOX_IS_CHECKED_ONLY, "checked, not gated" },
        { SANDBOX_IS_REMOTE, "remote" },
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (caps & words[i].cap)
            (void)buf_addf(out, "%s%s", out->len > 0 ? ", " : "", words[i].word);
    }
}

static void planner_words(const struct planner_ops *ops, struct buf *out)
{
    if (ops->caps & PLANNER_STREAMS)
        (void)buf_add_str(out, "shows code while it is written; ");
    if (ops->list_models != NULL)
        (void)buf_addf(out, "models and prices: airlock providers -p %s", ops->name);
    else
        (void)buf_add_str(out, "$0");
}

static int check_planner(struct app *app, const struct planner_ops *ops, struct buf *out)
{
    struct err e = ERR_INIT;
    struct buf words = BUF_INIT(1024);
    /* One that follows a file is there when the one that is built in can be followed. */
    struct planner_config cfg = { .net = app->net,
                                  .setting = app_setting,
                                  .setting_arg = app,
                                  .model = ops->caps & PLANNER_FIXED ? "@tour" : NULL };
    int rc = ops->available(&cfg, &e);
    planner_words(ops, &words);
    print_provider(app, "planner", ops->name, ops->title, buf_str(&words), rc, &e, out);
    buf_release(&words);
    return rc;
}

/* `name`: as `-s` takes it. */
static void check_sandbox(struct app *app, const struct sandbox_ops *ops, const char *name,
                          struct buf *out)
{
    struct err e = ERR_INIT;
    struct buf extra = BUF_INIT(1024), caps = BUF_INIT(1024);
    const struct sandbox_host host = { .launcher = app->launcher,
                                       .setting = app_setting,
                                       .setting_arg = app };
    int rc = ops->available(&host, &e);
    capability_words(ops->caps, &caps);
    (void)buf_addf(&extra, "%s; %s; %s%s", ops->languages, buf_str(&caps), ops->isolation,
                   (ops->caps & SANDBOX_IS_REMOTE) != 0 ? "" : "; $0");
    print_provider(app, "sandbox", name, ops->title, buf_str(&extra), rc, &e, out);
    buf_release(&caps);
    buf_release(&extra);
}

/* ---- the models of one planner ---- */

struct models {
    const struct app *app;
    const char *planner, *filter; /* part of an id; NULL all */
    struct buf out;
    bool done;
    struct err err;
};

static void print_price(int64_t nanousd_per_token, struct buf *out)
{
    if (nanousd_per_token < 0)
        (void)buf_addf(out, " %8s", "-");
    else
        (void)buf_addf(out, " %8.2f", (double)nanousd_per_token / 1000);
}

static void print_count(int64_t n, struct buf *out)
{
    if (n < 0)
        (void)buf_addf(out, " %9s", "-");
    else
        (void)buf_addf(out, " %9lld", (long long)n);
}

static void write_count(struct json_w *w, const char *key, int64_t n)
{
    if (n >= 0)
        json_w_int(w, key, n);
}

static void print_model(struct models *l, const struct planner_model *m)
{
    struct buf *out = &l->out;
    if (l->app->opt.json) {
        struct json_w w;
        json_w_init(&w, out);
        json_w_object(&w, NULL);
        json_w_str(&w, "kind", "model");
        json_w_str(&w, "planner", l->planner);
        json_w_str(&w, "id", m->id);
        json_w_str(&w, "title", m->title);
        write_count(&w, "context_tokens", m->context_tokens);
        write_count(&w, "output_tokens", m->output_tokens);
        write_count(&w, "input_nanousd_per_token", m->input_nanousd_per_token);
        write_count(&w, "output_nanousd_per_token", m->output_nanousd_per_token);
        json_w_close_object(&w);
        (void)!json_w_end(&w);
    } else {
        struct buf id = BUF_INIT(1024);
        (void)text_clean_lines(&id, m->id, strlen(m->id), TEXT_PROSE, false);
        (void)buf_addf(out, "%-36s", buf_str(&id));
        print_count(m->context_tokens, out);
        print_count(m->output_tokens, out);
        print_price(m->input_nanousd_per_token, out);
        print_price(m->output_nanousd_per_token, out);
        buf_release(&id);
    }
    (void)buf_add_char(out, '\n');
}

static void on_models(void *arg, const struct planner_model *models, size_t count,
                      const struct err *err)
{
    struct models *l = arg;
    size_t shown = 0;
    l->done = true;
    if (err != NULL) {
        l->err = *err;
        return;
    }
    if (!l->app->opt.json)
        (void)buf_addf(&l->out, "%-36s %9s %9s %8s %8s\n", l->planner, "context", "answer",
                       "$/M in", "$/M out");
    for (size_t i = 0; i < count; i++) {
        if (l->filter != NULL && strstr(models[i].id, l->filter) == NULL)
            continue;
        print_model(l, &models[i]);
        shown++;
    }
    if (shown == 0)
        err_set(&l->err, ERR_MISSING, "%s: no model%s%.60s among the %zu its server has",
                l->planner, l->filter != NULL ? " with " : "", l->filter != NULL ? l->filter : "",
                count);
}

static int list_models(struct app *app, const struct planner_ops *ops, const char *filter)
{
    struct models l = { .app = app, .planner = ops->name, .filter = filter };
    struct err e = ERR_INIT;
    if (app_need_net(app, &e) < 0)
        return app_fail(&e);
    struct planner_config cfg = { .loop = app->loop,
                                  .net = app->net,
                                  .setting = app_setting,
                                  .setting_arg = app,
                                  .redact = app->redact };
    buf_init(&l.out, (size_t)1 << 20);
    int64_t stop = clock_boot_us() + PATIENCE_US;
    int rc = ops->list_models(&cfg, on_models, &l, &e);
    while (rc == 0 && !l.done && clock_boot_us() < stop)
        rc = loop_turn(app->loop, 1000, &e);
    if (rc == 0 && !l.done)
        rc = err_set(&e, ERR_NET, "%s: no list of models came", ops->name);
    if (rc == 0 && l.err.code != ERR_NONE) {
        e = l.err;
        rc = -1;
    }
    if (rc == 0)
        return print(&l.out);
    buf_release(&l.out);
    err_wrap(&e, "planner %s", ops->name);
    return app_fail(&e);
}

static int show_planner(struct app *app, const char *word)
{
    char name[64];
    const char *filter = app_split_name(word, name, sizeof name);
    const struct planner_ops *ops = planner_find(name);
    if (ops != NULL && ops->list_models != NULL)
        return list_models(app, ops, filter);
    if (ops == NULL) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_USAGE, "no planner '%.40s'; see airlock providers", name);
        return app_fail(&e);
    }
    struct buf out = BUF_INIT((size_t)64 << 10);
    (void)check_planner(app, ops, &out);
    return print(&out);
}

int cmd_providers(struct app *app)
{
    struct buf out = BUF_INIT((size_t)1 << 20);
    size_t count;
    if (app->opt.arg_count > 0) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_USAGE, "providers takes no '%.40s'; the models of a planner: -p NAME",
                app->opt.args[0]);
        return app_fail(&e);
    }
    if (app->opt.planner != NULL)
        return show_planner(app, app->opt.planner);
    const struct planner_ops *const *planners = planner_list(&count);
    for (size_t i = 0; i < count; i++)
        (void)check_planner(app, planners[i], &out);
    const struct sandbox_ops *const *sandboxes = sandbox_list(&count);
    for (size_t i = 0; i < count; i++) {
        check_sandbox(app, sandboxes[i], sandboxes[i]->name, &out);
        for (const struct sandbox_variant *v = sandboxes[i]->variants; v != NULL && v->word != NULL;
             v++) {
            char name[64];
            snprintf(name, sizeof name, "%s:%s", sandboxes[i]->name, v->word);
            if (v->ops != NULL && v->ops != sandboxes[i])
                check_sandbox(app, v->ops, name, &out);
        }
    }
    return print(&out);
}
