/* session.c - wires one session file to one state and one round: made, opened again, closed. */
#include "cli/session_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/app.h"
#include "cli/branch.h"
#include "cli/doctor.h"
#include "cli/keycommand.h"
#include "providers/sandboxes/local.h"

/* ---- output for views ---- */

static ssize_t read_output(void *arg, uint32_t run, unsigned stream, uint64_t offset, char *dst,
                           size_t len)
{
    struct err e = ERR_INIT;
    return store_read_output(arg, run, stream, offset, dst, len, &e);
}

struct output_source store_output_source(struct store *store)
{
    return (struct output_source){ .read = read_output, .arg = store };
}

struct output_source session_output(struct session *s)
{
    return store_output_source(s->store);
}

/* ---- opening ---- */

static const struct planner_ops *need_planner(const char *name, struct err *e)
{
    size_t count;
    const struct planner_ops *ops = planner_find(name);
    if (ops != NULL)
        return ops;
    const struct planner_ops *const *list = planner_list(&count);
    struct buf names = BUF_INIT(1024);
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(&names, "%s%s", i > 0 ? ", " : "", list[i]->name);
    err_set(e, ERR_USAGE, "no planner '%.40s'; there are: %s", name, buf_str(&names));
    buf_release(&names);
    return NULL;
}

static int start_round(struct session *s, const struct session_spec *spec, struct err *e)
{
    struct app *app = s->app;
    if (key_command_ask(app, spec->planner, e) < 0 || key_command_ask(app, spec->sandbox, e) < 0)
        return -1;
    if (spec->image == NULL)
        (void)!doctor_recall(app, spec->sandbox, s->timeout_proved, sizeof s->timeout_proved);
    struct round_config rc = {
        .loop = app->loop,
        .launcher = app->launcher,
        .net = app->net,
        .state = &s->state,
        .planner = need_planner(spec->planner, e),
        .planner_model = spec->model,
        .sandbox = sandbox_choose(spec->sandbox, spec->image, e),
        .sandbox_image = spec->image,
        .contract = spec->contract,
        .rules = app->rules,
        .redact = app->redact,
        .policy = app->policy,
        .default_language = app->config.language,
        .setting = app_setting,
        .setting_arg = app,
        .private_dir = app->paths.state_dir,
        .timeout_proved = s->timeout_proved,
        .typed_runs = spec->typed_runs,
        .allow_warm = spec->allow_warm,
        .unattended = s->listener.unattended,
        .port = session_port(s),
    };
    if (rc.planner == NULL || rc.sandbox == NULL)
        return -1;
    if ((rc.planner->caps & PLANNER_NETWORK) || (rc.sandbox->caps & SANDBOX_IS_REMOTE)) {
        if (app_need_net(app, e) < 0)
            return -1;
        rc.net = app->net;
    }
    return round_new(&s->round, &rc, e);
}

static struct session *session_new(struct app *app, const struct session_listener *l)
{
    struct session *s = xcalloc(1, sizeof *s);
    s->app = app;
    s->listener = *l;
    state_init(&s->state);
    s->flush = loop_add_timer(app->loop, session_on_flush, s);
    return s;
}

/* Where no round is there yet to do it: appended, applied, told. Releases `b`. */
static int record(struct session *s, struct event_builder *b, struct err *e)
{
    int rc = event_end(b, e);
    if (rc == 0)
        rc = store_append(s->store, &b->ev, e);
    if (rc == 0)
        rc = state_apply(&s->state, &b->ev, NULL, e);
    if (rc == 0)
        session_tell_applied(s, &b->ev);
    event_release(b);
    return rc;
}

static int record_created(struct session *s, const struct session_spec *spec, struct err *e)
{
    struct event_builder b;
    uint8_t digest[SHA256_LEN];
    char hex[SHA256_HEX_LEN + 1];
    INVARIANT(spec->contract != NULL);
    struct contract c = *spec->contract; /* borrowed */
    contract_note_introspection(&c, sandbox_choose(spec->sandbox, spec->image, e));
    contract_digest(&c, digest);
    hex_encode(digest, sizeof digest, hex);
    event_begin(&b, EVENT_SESSION_CREATED, 0);
    json_w_str(&b.w, "planner", spec->planner);
    json_w_str(&b.w, "model", spec->model != NULL ? spec->model : "");
    json_w_str(&b.w, "sandbox", spec->sandbox);
    json_w_str(&b.w, "image", spec->image != NULL ? spec->image : "");
    contract_to_json(&c, &b.w, "contract");
    json_w_str(&b.w, "contract_digest", hex);
    json_w_str(&b.w, "version", AIRLOCK_VERSION);
    if (spec->parent != NULL)
        json_w_str(&b.w, "parent", spec->parent);
    if (spec->branch != NULL) {
        json_w_int(&b.w, "parent_seq", (int64_t)spec->branch->seq);
        json_w_str(&b.w, "parent_chain", spec->branch->chain);
        json_w_strn(&b.w, "name", spec->branch->name, strlen(spec->branch->name));
    }
    return record(s, &b, e);
}

/* Where sessions and settings lie is never mounted into a sandbox, wherever that is. [SBX-6] */
static void keep_ours_private(const struct app *app)
{
    local_keep_private(app->paths.data_dir);
    local_keep_private(app->paths.state_dir);
    char *dir = xstrdup(app->paths.config_file), *slash = strrchr(dir, '/');
    if (slash != NULL && slash != dir)
        *slash = '\0';
    local_keep_private(dir);
    free(dir);
}

/* Everything that can be refused is refused before a file exists. */
static int check_spec(struct app *app, const struct session_spec *spec, struct err *e)
{
    const struct planner_ops *planner = need_planner(spec->planner, e);
    const struct sandbox_ops *sandbox =
        planner != NULL ? sandbox_choose(spec->sandbox, spec->image, e) : NULL;
    keep_ours_private(app);
    struct contract_enforcement en;
    const struct sandbox_host host = { .launcher = app->launcher,
                                       .setting = app_setting,
                                       .setting_arg = app };
    struct planner_config pc = { .loop = app->loop,
                                 .net = app->net,
                                 .model = spec->model,
                                 .setting = app_setting,
                                 .setting_arg = app };
    if (sandbox == NULL)
        return -1;
    if (planner->available(&pc, e) < 0)
        return err_wrap(e, "planner %s", spec->planner);
    if ((sandbox->caps & SANDBOX_IS_REMOTE) && sandbox->available(&host, e) < 0)
        return err_wrap(e, "sandbox %s", spec->sandbox);
    sandbox->enforcement(spec->contract, &en);
    if (contract_check_strict(spec->contract, &en, e) < 0)
        return err_wrap(e, "sandbox %s", spec->sandbox);
    return app_need_rules(app, e);
}

int session_create(struct session **out, struct app *app, const struct session_spec *spec,
                   const struct session_listener *l, struct err *e)
{
    if (app_need_loop(app, e) < 0 || app_need_frames(app, e) < 0 || check_spec(app, spec, e) < 0)
        return -1;
    struct session *s = session_new(app, l);
    id_new(s->id);
    state_set_session(&s->state, s->id);
    if (path_make_private_dir(app->paths.sessions_dir, e) < 0 ||
        store_create(&s->store, app->paths.sessions_dir, s->id, e) < 0 ||
        record_created(s, spec, e) < 0 ||
        (spec->branch != NULL && branch_bring(spec->branch, s->store, &s->state, e) < 0) ||
        start_round(s, spec, e) < 0 ||
        (spec->branch != NULL && round_resume_state(s->round, e) < 0)) {
        session_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

/* ---- folding a saved file ---- */

struct fold {
    struct state *state;
    struct err *e;
};

static int fold_event(void *arg, const struct event *ev)
{
    struct fold *f = arg;
    if (state_apply(f->state, ev, NULL, f->e) < 0) {
        err_wrap(f->e, "event %llu", (unsigned long long)ev->seq);
        return -1;
    }
    return 0;
}

int session_load_state(struct store *store, uint64_t to, struct state *st, struct err *e)
{
    struct err why = ERR_INIT;
    struct fold f = { .state = st, .e = &why };
    state_set_session(st, store_id(store));
    int rc = store_each(store, 1, to, fold_event, &f, e);
    if (why.code != ERR_NONE) {
        *e = why;
        rc = -1;
    }
    return rc;
}

static int spec_of_state(const struct state *st, struct contract *c, struct session_spec *spec,
                         struct err *e)
{
    struct json *o = NULL;
    if (json_parse(&o, st->contract_json, strlen(st->contract_json), e) < 0)
        return err_wrap(e, "its contract");
    struct contract recorded;
    int rc = contract_from_json(&recorded, o, e);
    json_free(o);
    if (rc == 0) {
        contract_release(c);
        *c = recorded;
    }
    spec->planner = st->planner;
    spec->model = st->model[0] != '\0' ? st->model : NULL;
    spec->sandbox = st->sandbox;
    spec->image = st->image[0] != '\0' ? st->image : NULL;
    spec->contract = c;
    return rc;
}

/* Nothing in a session that somebody else made is executed, approved or connected to. [IMP-1] */
int session_check_own(const struct state *st, struct err *e)
{
    if (!st->foreign)
        return 0;
    return err_set(e, ERR_DENIED,
                   "session %s was imported: it can be shown, compared, replayed and exported, but"
                   " not resumed or run",
                   st->session);
}

static int record_resumed(struct session *s, struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_SESSION_RESUMED, 0);
    json_w_str(&b.w, "version", AIRLOCK_VERSION);
    return record(s, &b, e);
}

int session_fork(struct session **out, struct app *app, const struct branch *b,
                 const struct session_listener *l, struct err *e)
{
    struct contract c;
    struct session_spec spec = { .typed_runs = app->config.gate_own_typed,
                                 .allow_warm = true,
                                 .parent = b->parent,
                                 .branch = b };
    contract_init(&c);
    int rc = spec_of_state(b->state, &c, &spec, e);
    if (rc == 0)
        rc = session_create(out, app, &spec, l, e);
    contract_release(&c);
    return rc;
}

int session_resume(struct session **out, struct app *app, const char *path,
                   const struct session_listener *l, struct err *e)
{
    struct contract c;
    struct session_spec spec = { .typed_runs = app->config.gate_own_typed, .allow_warm = true };
    if (app_need_loop(app, e) < 0 || app_need_rules(app, e) < 0 || app_need_frames(app, e) < 0)
        return -1;
    struct session *s = session_new(app, l);
    contract_init(&c);
    int rc = store_open(&s->store, path, e);
    if (rc == 0) {
        snprintf(s->id, sizeof s->id, "%s", store_id(s->store));
        s->told_seq = store_last_seq(s->store);
        rc = session_load_state(s->store, 0, &s->state, e);
    }
    if (rc == 0)
        rc = session_check_own(&s->state, e);
    if (rc == 0)
        rc = store_drop_loose_parts(s->store, e);
    if (rc == 0)
        rc = spec_of_state(&s->state, &c, &spec, e);
    if (rc == 0)
        rc = record_resumed(s, e);
    if (rc == 0)
        rc = start_round(s, &spec, e);
    if (rc == 0)
        rc = round_resume_state(s->round, e);
    contract_release(&c);
    if (rc < 0) {
        session_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void session_close(struct session *s)
{
    struct err e = ERR_INIT;
    if (s == NULL)
        return;
    if (s->round != NULL) {
        round_end_remote(s->round, false);
        (void)!session_flush(s, &e); /* closing the store does it as well, but tells nobody */
    }
    round_free(s->round);
    loop_remove(s->app->loop, s->flush);
    bool had_store = s->store != NULL;
    store_close(s->store);
    state_release(&s->state);
    /* The index is derived: a failure here harms nothing and is not worth a word. */
    if (had_store && app_need_index(s->app, &e) == 0)
        (void)!index_refresh_one(s->app->index, s->id, &e);
    free(s);
}

int session_refresh_index(struct session *s, struct err *e)
{
    if (session_flush(s, e) < 0) {
        round_stop_record(s->round, e);
        return -1;
    }
    if (app_need_index(s->app, e) < 0)
        return -1;
    return index_refresh_one(s->app->index, s->id, e);
}

struct round *session_round(struct session *s)
{
    return s->round;
}

struct state *session_state(struct session *s)
{
    return &s->state;
}

struct store *session_store(struct session *s)
{
    return s->store;
}
