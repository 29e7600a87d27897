/* cmd_sandboxes.c - what may still be running and cost money: the remote sandboxes of the accounts
 * whose keys are set, matched with the sessions here; `reap` ends what no session holds. [SBX-9] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "cli/commands.h"
#include "cli/sandboxes.h"
#include "sessions/store.h"
#include "ui/text.h"

#define ITEMS_MAX 10000
#define WAIT_US   INT64_C(120000000)

static const char *const whose_words[] = { "in use", "left over", "kept", "of elsewhere",
                                           "not Airlock's" };

/* ---- asking */

struct wanted {
    const char *label;
    bool paused;
};

static int note_paused(void *arg, const struct store_sandbox *row)
{
    struct wanted *w = arg;
    w->paused |= strcmp(row->label, w->label) == 0 && strcmp(row->state, "paused") == 0;
    return 0;
}

/* Nobody holds its session; was it left like this on purpose? */
static enum whose left_or_kept(struct store *store, const struct item *it)
{
    struct wanted w = { .label = it->label };
    struct err e = ERR_INIT;
    if (strcmp(it->state, "snapshot") == 0)
        return WHOSE_KEPT;
    (void)!store_each_sandbox(store, note_paused, &w, &e);
    return w.paused && strcmp(it->state, "paused") == 0 ? WHOSE_KEPT : WHOSE_LEFT;
}

static enum whose whose_is(struct app *app, struct item *it)
{
    size_t len = strcspn(it->label, "-");
    struct store *store;
    struct err e = ERR_INIT;
    if (it->label[0] == '\0')
        return WHOSE_OTHERS;
    if (len != ID_LEN || strspn(it->label, "0123456789abcdefghjkmnpqrstvwxyz") != len)
        return WHOSE_UNKNOWN;
    memcpy(it->session, it->label, len);
    it->session[len] = '\0';
    char *path = xasprintf("%s/%s.db", app->paths.sessions_dir, it->session);
    enum whose whose = WHOSE_UNKNOWN;
    if (store_open_read(&store, path, &e) == 0) {
        whose = store_is_live(store) ? WHOSE_LIVE : left_or_kept(store, it);
        store_close(store);
    }
    free(path);
    return whose;
}

static void on_item(void *arg, const struct fleet_item *f)
{
    struct fleet *fl = arg;
    if (fl->count == ITEMS_MAX)
        return;
    if (fl->count == fl->cap) {
        fl->cap = fl->cap > 0 ? fl->cap * 2 : 16;
        fl->items = xreallocarray(fl->items, fl->cap, sizeof *fl->items);
    }
    struct item *it = &fl->items[fl->count++];
    *it = (struct item){ .ops = fl->ops,
                         .id = xstrdup(f->id),
                         .label = xstrdup(f->label),
                         .state = xstrdup(f->state),
                         .image = xstrdup(f->image),
                         .started = xstrdup(f->started),
                         .ends = xstrdup(f->ends),
                         .cpus = f->cpus,
                         .memory_mib = f->memory_mib,
                         .nanousd_hour = f->nanousd_hour };
    it->whose = whose_is(fl->app, it);
}

void sandboxes_on_done(void *arg, const struct err *e)
{
    struct fleet *fl = arg;
    fl->done = true;
    fl->failed = e != NULL;
    if (e != NULL)
        fl->err = *e;
}

void sandboxes_begin(struct fleet *fl, const struct sandbox_ops *ops)
{
    fl->ops = ops;
    fl->done = false;
}

/* Turn the loop until the call that was started is done. */
int sandboxes_wait(struct fleet *fl, struct fleet_call *call, struct err *e)
{
    int64_t until = clock_mono_us() + WAIT_US;
    while (!fl->done) {
        if (clock_mono_us() > until) {
            fl->ops->fleet->drop(call);
            return err_set(e, ERR_NET, "%s does not answer", fl->ops->name);
        }
        if (loop_turn(fl->app->loop, 1000, e) < 0)
            return -1;
    }
    if (fl->failed)
        *e = fl->err;
    return fl->failed ? -1 : 0;
}

struct fleet_config sandboxes_config(struct app *app)
{
    return (struct fleet_config){
        .loop = app->loop, .net = app->net, .setting = app_setting, .setting_arg = app
    };
}

static int ask_one(struct fleet *fl, const struct sandbox_ops *ops, struct err *e)
{
    struct fleet_config cfg = sandboxes_config(fl->app);
    struct fleet_call *call;
    sandboxes_begin(fl, ops);
    if (ops->fleet->list(&call, &cfg, on_item, sandboxes_on_done, fl, e) < 0)
        return -1;
    return sandboxes_wait(fl, call, e);
}

/* Every provider whose key is set; how many could not be asked. */
static int ask_all(struct fleet *fl, size_t *asked)
{
    size_t count;
    int failed = 0;
    const struct sandbox_ops *const *list = sandbox_list(&count);
    const struct sandbox_host host = { .launcher = fl->app->launcher,
                                       .setting = app_setting,
                                       .setting_arg = fl->app };
    for (size_t i = 0; i < count; i++) {
        struct err e = ERR_INIT;
        if (list[i]->fleet == NULL || list[i]->available(&host, &e) < 0)
            continue;
        ++*asked;
        if (ask_one(fl, list[i], &e) < 0) {
            app_fail(&e);
            failed++;
        } else if (fl->told_count < ARRAY_LEN(fl->told)) {
            fl->told[fl->told_count++] = list[i];
        }
    }
    return failed;
}

static void release(struct fleet *fl)
{
    for (size_t i = 0; i < fl->count; i++) {
        struct item *it = &fl->items[i];
        char *all[] = { it->id, it->label, it->state, it->image, it->started, it->ends };
        for (size_t k = 0; k < ARRAY_LEN(all); k++)
            free(all[k]);
    }
    free(fl->items);
}

/* ---- showing */

static void add_cell(struct buf *out, const char *text, int width)
{
    size_t before = out->len;
    (void)text_clean(out, text, strlen(text), TEXT_PROSE, false, false);
    for (size_t n = out->len - before; n < (size_t)width; n++)
        (void)buf_add_char(out, ' ');
    (void)buf_add_char(out, ' ');
}

static void print_text(const struct item *it)
{
    struct buf out = BUF_INIT((size_t)64 << 10);
    char cost[40] = "?";
    if (it->nanousd_hour >= 0)
        snprintf(cost, sizeof cost, "$%.3f/h", (double)it->nanousd_hour / 1e9);
    add_cell(&out, it->ops->name, 8);
    add_cell(&out, it->id, 22);
    add_cell(&out, it->state, 8);
    add_cell(&out, whose_words[it->whose], 13);
    add_cell(&out, it->session[0] != '\0' ? it->session : "-", ID_LEN);
    add_cell(&out, cost, 9);
    (void)buf_add_str(&out, it->ends[0] != '\0' ? "ends " : "");
    add_cell(&out, it->ends, 0);
    while (out.len > 0 && out.ptr[out.len - 1] == ' ')
        buf_truncate(&out, out.len - 1);
    printf("%s\n", buf_str(&out));
    buf_release(&out);
}

static void print_json(const struct item *it, const char *did)
{
    struct buf out = BUF_INIT((size_t)64 << 10);
    struct json_w w;
    json_w_init(&w, &out);
    json_w_object(&w, NULL);
    json_w_str(&w, "kind", it->ops->name);
    json_w_str(&w, "id", it->id);
    json_w_str(&w, "state", it->state);
    json_w_str(&w, "whose", whose_words[it->whose]);
    json_w_str(&w, "session", it->session[0] != '\0' ? it->session : NULL);
    json_w_str(&w, "label", it->label);
    json_w_str(&w, "image", it->image);
    json_w_str(&w, "started", it->started);
    json_w_str(&w, "ends", it->ends);
    json_w_int(&w, "cpus", it->cpus);
    json_w_int(&w, "memory_mib", it->memory_mib);
    json_w_int(&w, "nanousd_hour", it->nanousd_hour);
    if (did != NULL)
        json_w_str(&w, "reaped", did);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    printf("%s\n", buf_str(&out));
    buf_release(&out);
}

static void show(const struct fleet *fl, size_t asked)
{
    size_t left = 0;
    for (size_t i = 0; i < fl->count; i++) {
        left += fl->items[i].whose == WHOSE_LEFT;
        if (fl->app->opt.json)
            print_json(&fl->items[i], NULL);
        else
            print_text(&fl->items[i]);
    }
    if (fl->app->opt.json)
        return;
    if (asked == 0)
        printf("no provider of remote sandboxes has a key here: see airlock providers\n");
    else if (fl->count == 0)
        printf("nothing is running\n");
    else if (left > 0)
        printf(
            "%zu left over by sessions that ended here: airlock resume goes on with one, airlock "
            "sandboxes adopt ID pauses it, reap ends them\n",
            left);
}

/* ---- reaping */

int sandboxes_record(struct app *app, const struct sandbox_fact *f, struct err *e)
{
    struct store *store;
    struct event_builder b;
    char *path = xasprintf("%s/%s.db", app->paths.sessions_dir, f->session);
    int rc = store_open(&store, path, e);
    free(path);
    if (rc < 0)
        return -1;
    event_begin(&b, f->type, 0);
    json_w_str(&b.w, "kind", f->kind);
    json_w_str(&b.w, "id", f->id);
    json_w_str(&b.w, "label", f->label);
    if (f->type == EVENT_SANDBOX_CLOSED)
        json_w_bool(&b.w, "confirmed", f->confirmed);
    json_w_str(&b.w, "by", f->by);
    rc = event_end(&b, e);
    if (rc == 0)
        rc = store_append(store, &b.ev, e);
    if (rc == 0)
        rc = store_flush(store, e);
    event_release(&b);
    store_close(store);
    return rc;
}

/* That it is closed belongs into the record of its session; a snapshot's run is told when it is
 * wanted. */
static int record_closed(struct app *app, const char *session, const char *kind, const char *id,
                         const char *label, bool seen, struct err *e)
{
    const struct sandbox_fact fact = { .type = EVENT_SANDBOX_CLOSED,
                                       .session = session,
                                       .kind = kind,
                                       .id = id,
                                       .label = label,
                                       .by = "reaper",
                                       .confirmed = seen };
    return sandboxes_record(app, &fact, e);
}

static int reap_one(struct fleet *fl, const struct item *it)
{
    struct err e = ERR_INIT;
    struct fleet_config cfg = sandboxes_config(fl->app);
    struct fleet_call *call;
    sandboxes_begin(fl, it->ops);
    if (it->ops->fleet->kill(&call, &cfg, it->id, sandboxes_on_done, fl, &e) < 0 ||
        sandboxes_wait(fl, call, &e) < 0) {
        app_fail(&e);
        return -1;
    }
    bool sandbox = strcmp(it->state, "snapshot") != 0;
    if (sandbox && (it->whose == WHOSE_LEFT || it->whose == WHOSE_KEPT) &&
        record_closed(fl->app, it->session, it->ops->name, it->id, it->label, true, &e) < 0) {
        err_wrap(&e, "%s was ended, but session %s could not be told", it->id, it->session);
        app_fail(&e);
    }
    if (fl->app->opt.json)
        print_json(it, "ended");
    else
        printf("ended %s %s\n", it->ops->name, it->id);
    return 0;
}

const struct item *sandboxes_find(const struct fleet *fl, const char *id, bool free)
{
    struct err e = ERR_INIT;
    for (size_t i = 0; i < fl->count; i++) {
        const struct item *it = &fl->items[i];
        if (strcmp(it->id, id) != 0)
            continue;
        if (!free || it->whose != WHOSE_LIVE)
            return it;
        err_set(&e, ERR_BUSY, "sandbox %.60s is in use by session %s: end it there (:kill)", id,
                it->session);
        app_fail(&e);
        return NULL;
    }
    err_set(&e, ERR_MISSING, "no sandbox %.60s runs: see airlock sandboxes", id);
    app_fail(&e);
    return NULL;
}

/* By name: anything but what a running Airlock holds. */
static int reap_named(struct fleet *fl, const char *id)
{
    const struct item *it = sandboxes_find(fl, id, true);
    return it != NULL ? reap_one(fl, it) : -1;
}

/* ---- what is not listed any more, and whose session does not know. It ended by itself, or it is
 * of another account: so it is written down as closed, but not as confirmed. */

struct loose {
    struct fleet *fl;
    char **sessions;
    size_t count;
    struct row {
        char *kind, *id, *label;
    } rows[64];
    size_t row_count;
};

static int note_session(void *arg, const struct index_entry *x)
{
    struct loose *lo = arg;
    const struct sandbox_ops *ops = sandbox_find(x->sandbox);
    if (x->open_sandboxes == 0 || x->live || x->archived || ops == NULL || ops->fleet == NULL)
        return 0;
    lo->sessions = xreallocarray(lo->sessions, lo->count + 1, sizeof *lo->sessions);
    lo->sessions[lo->count++] = xstrdup(x->id);
    return 0;
}

static bool has_told(const struct fleet *fl, const struct sandbox_ops *ops)
{
    for (size_t i = 0; i < fl->told_count; i++)
        if (fl->told[i] == ops)
            return true;
    return false;
}

static bool is_listed(const struct fleet *fl, const char *label)
{
    for (size_t i = 0; i < fl->count; i++)
        if (strcmp(fl->items[i].label, label) == 0)
            return true;
    return false;
}

static int note_row(void *arg, const struct store_sandbox *row)
{
    struct loose *lo = arg;
    const struct sandbox_ops *ops = sandbox_find(row->kind);
    if (strcmp(row->state, "closed") == 0 || !has_told(lo->fl, ops) ||
        is_listed(lo->fl, row->label) || lo->row_count == ARRAY_LEN(lo->rows))
        return 0;
    lo->rows[lo->row_count++] = (struct row){ .kind = xstrdup(row->kind),
                                              .id = xstrdup(row->id),
                                              .label = xstrdup(row->label) };
    return 0;
}

static int settle_session(struct loose *lo, const char *session)
{
    struct store *store;
    struct err e = ERR_INIT;
    char *path = xasprintf("%s/%s.db", lo->fl->app->paths.sessions_dir, session);
    int settled = 0;
    if (store_open_read(&store, path, &e) == 0) {
        (void)!store_each_sandbox(store, note_row, lo, &e);
        store_close(store);
    }
    free(path);
    for (size_t i = 0; i < lo->row_count; i++) {
        struct row *r = &lo->rows[i];
        if (record_closed(lo->fl->app, session, r->kind, r->id, r->label, false, &e) < 0)
            app_fail(&e);
        else if (!lo->fl->app->opt.json)
            printf("not there any more: %s %s of %s\n", r->kind,
                   r->id[0] != '\0' ? r->id : "(none)", session);
        settled++;
        free(r->kind);
        free(r->id);
        free(r->label);
    }
    lo->row_count = 0;
    return settled;
}

static int settle(struct fleet *fl)
{
    struct loose *lo = xcalloc(1, sizeof *lo);
    struct err e = ERR_INIT;
    int settled = 0;
    lo->fl = fl;
    if (app_need_index(fl->app, &e) < 0 || index_refresh(fl->app->index, &e) < 0 ||
        index_list(fl->app->index, NULL, INDEX_ALL, 0, note_session, lo, &e) < 0)
        app_fail(&e);
    for (size_t i = 0; i < lo->count; i++) {
        settled += settle_session(lo, lo->sessions[i]);
        (void)!index_refresh_one(fl->app->index, lo->sessions[i], &e);
        free(lo->sessions[i]);
    }
    free(lo->sessions);
    free(lo);
    return settled;
}

static int reap(struct fleet *fl, char *const *ids, int count)
{
    int failed = 0, ended = 0;
    for (int i = 0; i < count; i++)
        failed += reap_named(fl, ids[i]) < 0;
    for (size_t i = 0; count == 0 && i < fl->count; i++) {
        if (fl->items[i].whose != WHOSE_LEFT)
            continue;
        ended++;
        failed += reap_one(fl, &fl->items[i]) < 0;
    }
    if (count == 0)
        ended += settle(fl);
    if (count == 0 && ended == 0 && !fl->app->opt.json)
        printf("nothing was left over\n");
    return failed;
}

static const struct {
    const char *word;
    int (*fn)(struct fleet *fl, char *const *ids, int count);
    bool needs_ids;
} verbs[] = {
    { "reap", reap, false },
    { "adopt", sandboxes_adopt, true },
    { "ignore", sandboxes_ignore, true },
    { "show", sandboxes_look, true },
};

int cmd_sandboxes(struct app *app)
{
    struct err e = ERR_INIT;
    struct fleet fl = { .app = app };
    size_t asked = 0, verb = 0;
    const char *word = app->opt.arg_count > 0 ? app->opt.args[0] : NULL;
    while (word != NULL && verb < ARRAY_LEN(verbs) && strcmp(verbs[verb].word, word) != 0)
        verb++;
    if (verb == ARRAY_LEN(verbs)) {
        err_set(&e, ERR_USAGE,
                "airlock sandboxes [reap [ID…] | adopt ID… | ignore ID… | show ID…], not '%.40s'",
                word);
        return app_fail(&e);
    }
    if (word != NULL && verbs[verb].needs_ids && app->opt.arg_count == 1) {
        err_set(&e, ERR_USAGE, "airlock sandboxes %s takes ids: see airlock sandboxes", word);
        return app_fail(&e);
    }
    if (app_need_net(app, &e) < 0)
        return app_fail(&e);
    int failed = ask_all(&fl, &asked);
    if (word != NULL)
        failed += verbs[verb].fn(&fl, app->opt.args + 1, app->opt.arg_count - 1);
    else
        show(&fl, asked);
    release(&fl);
    return failed > 0 ? EXIT_MISSING : EXIT_OK;
}
