/* export_doc.c - events as what they mean to a reader. */
#include "cli/export_doc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)

struct doc {
    struct export *x;
    const struct doc_ops *ops;
    void *arg;
    struct state state; /* as of the event */
    struct err *e;
    bool failed;
};

/* ---- one line about the rest ---- */

static void add_names(const struct event *ev, const char *key, const char *label, struct buf *out)
{
    const struct json *list = json_get(ev->body, key);
    const char *between = "";
    if (json_len(list) == 0)
        return;
    (void)buf_addf(out, "; %s: ", label);
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
        const char *name =
            json_kind(m) == JSON_OBJECT ? json_get_str(m, "name", "?") : json_str(m, "?");
        (void)buf_addf(out, "%s%.200s", between, name);
        between = ", ";
    }
}

static void say_lease(const struct event *ev, struct buf *out)
{
    int64_t runs = json_get_int(ev->body, "runs", -1);
    int64_t minutes = json_get_int(ev->body, "minutes", 0);
    (void)buf_add_str(out, "lease granted");
    if (runs >= 0)
        (void)buf_addf(out, ", %" PRId64 " runs", runs);
    if (minutes > 0)
        (void)buf_addf(out, ", %" PRId64 " minutes", minutes);
    add_names(ev, "approximated", "only approximated", out);
}

static void say_sandbox(const struct event *ev, const char *what, struct buf *out)
{
    (void)buf_addf(out, "sandbox %s %s %.128s", json_get_str(ev->body, "kind", ""), what,
                   json_get_str(ev->body, "id", ""));
}

static void say_finished(const struct event *ev, struct buf *out)
{
    char cost[64];
    const char *answer = json_get_str(ev->body, "answer", "");
    export_money(json_get_int(ev->body, "cost_nanousd", 0), cost, sizeof cost);
    (void)buf_addf(out, "session finished: %s, %" PRId64 " runs, %" PRId64 " denied, %s",
                   json_get_str(ev->body, "outcome", ""), json_get_int(ev->body, "runs", 0),
                   json_get_int(ev->body, "denied", 0), cost);
    if (answer[0] != '\0')
        (void)buf_addf(out, "; answer: %s", answer);
}

static void say_net(const struct state *st, const struct event *ev, struct buf *out)
{
    const struct state_run *r = state_run_at(st, ev->run);
    const struct state_net *n = r != NULL ? state_net_of(r, ev) : NULL;
    if (n == NULL)
        return;
    (void)buf_addf(out, "run %u, network: ", ev->run);
    state_net_say(n, out);
}

static void say_other(const struct state *st, const struct event *ev, struct buf *out)
{
    if (ev->json == NULL && ev->bytes == NULL) {
        (void)buf_addf(out, "event %" PRIu64 " (%s): its content was erased", ev->seq,
                       ev->type_name);
        return;
    }
    switch (ev->type) {
    case EVENT_SESSION_RESUMED:
        (void)buf_add_str(out, "session resumed");
        break;
    case EVENT_SESSION_FINISHED:
        say_finished(ev, out);
        break;
    case EVENT_LEASE_GRANTED:
        say_lease(ev, out);
        break;
    case EVENT_LEASE_ENDED:
        (void)buf_addf(out, "lease ended: %s", json_get_str(ev->body, "why", ""));
        break;
    case EVENT_SANDBOX_READY:
        say_sandbox(ev, "ready", out);
        break;
    case EVENT_SANDBOX_CLOSED:
        say_sandbox(ev, "closed", out);
        break;
    case EVENT_SANDBOX_PAUSED:
        say_sandbox(ev, "paused", out);
        break;
    case EVENT_SANDBOX_WAITING:
        (void)buf_addf(out, "waiting for a sandbox: %.300s", json_get_str(ev->body, "why", ""));
        break;
    case EVENT_SANDBOX_ORPHANED:
        say_sandbox(ev, "may still be running", out);
        break;
    case EVENT_STATE_RESTORED:
        (void)buf_addf(out, "state restored from run %" PRId64,
                       json_get_int(ev->body, "from_run", 0));
        add_names(ev, "kept", "kept", out);
        add_names(ev, "lost", "lost", out);
        break;
    case EVENT_FILE_PUT:
    case EVENT_FILE_GOT:
        (void)buf_addf(out, "file %s %s, %" PRId64 " bytes",
                       ev->type == EVENT_FILE_PUT ? "put" : "got",
                       json_get_str(ev->body, "path", ""), json_get_int(ev->body, "bytes", 0));
        break;
    case EVENT_NETWORK_ASKED:
    case EVENT_NETWORK_CLOSED:
        say_net(st, ev, out);
        break;
    case EVENT_UNKNOWN:
        (void)buf_addf(out, "event %" PRIu64 " (%s) was written by a newer Airlock", ev->seq,
                       ev->type_name);
        break;
    default:
        break;
    }
}

static void tell_other(struct doc *d, const struct event *ev)
{
    struct buf text = BUF_INIT(LINE_MAX_BYTES * 4);
    say_other(&d->state, ev, &text);
    if (text.len > 0 && d->ops->other != NULL)
        d->ops->other(d->arg, ev, buf_str(&text));
    buf_release(&text);
}

/* ---- the calls ---- */

static void tell_words(struct doc *d, const struct event *ev)
{
    const char *hint = json_get_str(ev->body, "hint", "");
    if (d->ops->words == NULL)
        return;
    if (ev->type != EVENT_ERROR) {
        d->ops->words(d->arg, ev, json_get_str(ev->body, "author", ""),
                      json_get_str(ev->body, "text", ""));
        return;
    }
    char *text = xasprintf("%s%s%s", json_get_str(ev->body, "message", ""),
                           hint[0] != '\0' ? "\n" : "", hint);
    d->ops->words(d->arg, ev, "error", text);
    free(text);
}

typedef void (*run_fn)(void *arg, const struct state_run *r, const struct event *ev);

static run_fn of_run(const struct doc *d, enum event_type t)
{
    switch (t) {
    case EVENT_RUN_PROPOSED:
        return d->ops->proposed;
    case EVENT_RUN_REVIEWED:
        return d->ops->reviewed;
    case EVENT_GATE_DECIDED:
        return d->ops->decided;
    case EVENT_RUN_FINISHED:
        return d->ops->ran;
    case EVENT_RUN_VERDICT:
        return d->ops->verdict;
    case EVENT_STATE_CHANGED:
        return d->ops->changed;
    default:
        return NULL;
    }
}

static void tell(struct doc *d, const struct event *ev)
{
    const struct state_run *r = state_run_at(&d->state, ev->run);
    bool erased = ev->json == NULL && ev->bytes == NULL;
    if (ev->type == EVENT_RUN_OUTPUT && !erased) {
        /* shown with the end of its run */
    } else if (erased) {
        tell_other(d, ev);
    } else if (ev->type == EVENT_TASK_GIVEN || ev->type == EVENT_PLANNER_MESSAGE ||
               ev->type == EVENT_NOTE || ev->type == EVENT_ERROR) {
        tell_words(d, ev);
    } else if (ev->type == EVENT_PLAN_UPDATED) {
        if (d->ops->plan != NULL)
            d->ops->plan(d->arg, &d->state, ev);
    } else if (ev->type == EVENT_GATE_OPENED && r != NULL) {
        if (d->ops->gate != NULL)
            d->ops->gate(d->arg, &d->state, r, ev);
    } else if (r != NULL && of_run(d, ev->type) != NULL) {
        of_run(d, ev->type)(d->arg, r, ev);
    } else {
        tell_other(d, ev);
    }
    if (d->ops->event != NULL)
        d->ops->event(d->arg, &d->state, ev);
}

static int on_event(void *arg, const struct event *ev)
{
    struct doc *d = arg;
    if (state_apply(&d->state, ev, NULL, d->e) < 0) {
        d->failed = true;
        return 1;
    }
    if (export_wants(d->x, ev->run))
        tell(d, ev);
    return outfile_failed(d->x->out);
}

/* What was still running, or waiting, when the record ends. */
static void tell_unfinished(struct doc *d)
{
    for (size_t i = 0; i < d->state.run_count && d->ops->ran != NULL; i++) {
        const struct state_run *r = d->state.runs[i];
        if (r->status != RUN_FINISHED && r->status != RUN_DENIED && r->status != RUN_STOPPED &&
            export_wants(d->x, r->number))
            d->ops->ran(d->arg, r, NULL);
    }
}

int doc_walk(struct export *x, const struct doc_ops *ops, void *arg, struct err *e)
{
    struct doc d = { .x = x, .ops = ops, .arg = arg, .e = e };
    state_init(&d.state);
    state_set_session(&d.state, store_id(x->store));
    int rc = export_each(x, on_event, &d, e);
    if (rc == 0 && !d.failed)
        tell_unfinished(&d);
    state_release(&d.state);
    return d.failed ? -1 : rc;
}

/* ---- words ---- */

void doc_run_title(const struct state_run *r, struct buf *out)
{
    (void)buf_addf(out, "Run %u · %s", r->number, r->language);
    if (r->step[0] != '\0')
        (void)buf_addf(out, " · step %s, attempt %u", r->step, r->attempt);
    if (r->twin_of != 0)
        (void)buf_addf(out, " · dry run of %u", r->twin_of);
    if (r->rev > 1)
        (void)buf_addf(out, " · edit %u", r->rev - 1);
}

void doc_decision(const struct state_run *r, struct buf *out)
{
    static const char *const by[][2] = { { "person", "the person" },
                                         { "typed", "typing it" },
                                         { "lease", "the lease" },
                                         { "policy", "the policy file" } };
    static const char *const did[][2] = {
        { "approve", "approved" }, { "deny", "denied" },       { "edit", "sent back with an edit" },
        { "stop", "stopped" },     { "dry-run", "tried out" },
    };
    const char *who = r->by, *what = r->decision;
    char took[32];
    for (size_t i = 0; i < ARRAY_LEN(by); i++)
        who = strcmp(r->by, by[i][0]) == 0 ? by[i][1] : who;
    for (size_t i = 0; i < ARRAY_LEN(did); i++)
        what = strcmp(r->decision, did[i][0]) == 0 ? did[i][1] : what;
    clock_duration(r->waited_ms * 1000, took, sizeof took);
    (void)buf_addf(out, "%s by %s", what, who);
    if (strcmp(r->by, "person") == 0)
        (void)buf_addf(out, ", %u lines seen, after %s", r->seen_lines, took);
}

static void add_size(int64_t bytes, struct buf *out)
{
    if (bytes >= 0)
        (void)buf_addf(out, ", %" PRId64 " bytes", bytes);
}

bool doc_var(const struct state_var *v, struct buf *out)
{
    if (v->change == CHANGE_SAME)
        return false;
    (void)buf_addf(out, "%s %s: %s", var_change_name(v->change), v->name, v->type);
    if (v->shape != NULL && v->shape[0] != '\0')
        (void)buf_addf(out, " %s", v->shape);
    add_size(v->bytes, out);
    if (v->preview != NULL && v->preview[0] != '\0')
        (void)buf_addf(out, " = %s", v->preview);
    return true;
}

bool doc_file(const struct state_file *f, struct buf *out)
{
    if (f->change == CHANGE_SAME)
        return false;
    (void)buf_addf(out, "%s file %s", var_change_name(f->change), f->path);
    add_size(f->bytes, out);
    return true;
}
