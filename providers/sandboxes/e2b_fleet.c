/* e2b_fleet.c - what there is at E2B under this key: listed, looked at, paused and ended. [e2b.md
 * §2.4] */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "providers/fleet.h"
#include "providers/sandboxes/e2b_int.h"

#define PAGES_MAX 100
#define LINES_MAX "200"

struct fleet_call {
    struct net *net;
    struct net_origin *api;
    struct net_call *call;
    fleet_item_fn item;
    fleet_line_fn line;
    fleet_done_fn done;
    void *arg;
    char id[E2B_SNAPSHOT_MAX], next[256];
    bool snapshots; /* their pages, after those of the sandboxes */
    bool v1;
    unsigned pages;
};

static void fleet_drop(struct fleet_call *c)
{
    if (c == NULL)
        return;
    net_drop(c->call);
    net_origin_free(c->api);
    free(c);
}

static void finish(struct fleet_call *c, const struct err *e)
{
    fleet_done_fn done = c->done;
    void *arg = c->arg;
    fleet_drop(c);
    done(arg, e);
}

static int open_call(struct fleet_call **out, const struct fleet_config *cfg, struct err *e)
{
    struct e2b_place place;
    struct net_origin *api;
    if (e2b_place_read(&place, cfg->setting, cfg->setting_arg, e) < 0)
        return -1;
    int rc = e2b_place_api(&place, cfg->setting, cfg->setting_arg, &api, e);
    e2b_place_release(&place);
    if (rc < 0)
        return -1;
    *out = xcalloc(1, sizeof **out);
    (*out)->net = cfg->net;
    (*out)->api = api;
    return 0;
}

static int ask(struct fleet_call *c, const char *method, const char *target, net_done_fn done,
               struct err *e)
{
    static const struct net_header json[] = { { "Content-Type", "application/json" } };
    bool post = strcmp(method, "POST") == 0;
    struct net_request rq = { .method = method,
                              .origin = c->api,
                              .target = target,
                              .headers = json,
                              .header_count = post ? 1 : 0,
                              .body = post ? "{}" : NULL,
                              .body_len = post ? 2 : 0,
                              .deadlines = { .total_ms = post ? E2B_START_MS : E2B_CONTROL_MS },
                              .on_done = done,
                              .arg = c };
    return net_send(c->net, &rq, &c->call, e);
}

static void explain(struct err *e, const struct net_result *r, const char *doing)
{
    struct e2b_refusal why;
    e2b_refusal_read(&why, r->status, r->body, r->body_len);
    (void)e2b_explain(e, doing, r, &why);
}

/* ---- list */

static void on_page(void *arg, const struct net_result *r);

static int ask_page(struct fleet_call *c, struct err *e)
{
    struct buf target = BUF_INIT(4096);
    if (c->snapshots) {
        (void)buf_add_str(&target, "/snapshots");
        (void)http_add_query(&target, "limit", "100");
        if (c->next[0] != '\0')
            (void)http_add_query(&target, "nextToken", c->next);
    } else {
        e2b_write_list_target(NULL, c->next[0] != '\0' ? c->next : NULL, &target);
    }
    int rc = ask(c, "GET", buf_str(&target), on_page, e);
    buf_release(&target);
    return rc;
}

static void tell(struct fleet_call *c, const struct json *o)
{
    const char *state = json_get_str(o, "state", "running"), *id = json_get_str(o, "sandboxID", "");
    int64_t cpus = json_get_int(o, "cpuCount", -1), mib = json_get_int(o, "memoryMB", -1);
    bool running = strcmp(state, "running") == 0;
    struct fleet_item item = {
        .id = id,
        .label = json_get_str(json_get(o, "metadata"), E2B_LABEL_KEY, ""),
        .state = state,
        .image = json_get_str(o, "alias", json_get_str(o, "templateID", "")),
        .started = json_get_str(o, "startedAt", ""),
        .ends = json_get_str(o, "endAt", ""),
        .cpus = cpus,
        .memory_mib = mib,
        .nanousd_hour = running ? e2b_nanousd(cpus, mib, 3600) : 0,
    };
    if (e2b_is_id(id))
        c->item(c->arg, &item);
}

/* Ours are called "airlock-<label>-<run>". */
static void tell_snapshot(struct fleet_call *c, const struct json *o)
{
    static const char ours[] = E2B_LABEL_KEY "-";
    const char *id = json_get_str(o, "snapshotID", ""), *slash = strrchr(id, '/');
    const char *name = slash != NULL ? slash + 1 : id;
    bool is_ours = strncmp(name, ours, sizeof ours - 1) == 0;
    char *label = is_ours ? xstrdup(name + sizeof ours - 1) : xstrdup("");
    label[strcspn(label, ":")] = '\0';
    struct fleet_item item = { .id = id,
                               .label = label,
                               .state = "snapshot",
                               .image = "",
                               .started = "",
                               .ends = "",
                               .cpus = -1,
                               .memory_mib = -1,
                               .nanousd_hour = -1 };
    if (e2b_is_snapshot(id))
        c->item(c->arg, &item);
    free(label);
}

static void on_page(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct err e = ERR_INIT;
    struct json *list = NULL;
    c->call = NULL;
    if (c->snapshots && r->end == NET_ANSWERED && (r->status == 404 || r->status == 405)) {
        finish(c, NULL); /* an older server knows none */
        return;
    }
    if (!remote_succeeded(r)) {
        explain(&e, r, c->snapshots ? "listing snapshots" : "listing sandboxes");
        finish(c, &e);
        return;
    }
    if (json_parse(&list, r->body, r->body_len, &e) < 0 || json_kind(list) != JSON_ARRAY) {
        json_free(list);
        err_set(&e, ERR_FORMAT, "e2b: the list of sandboxes is no list");
        finish(c, &e);
        return;
    }
    for (const struct json *o = json_first(list); o != NULL; o = json_next(o))
        c->snapshots ? tell_snapshot(c, o) : tell(c, o);
    json_free(list);
    const char *next = net_header(r->response, "X-Next-Token");
    bool last = next == NULL || next[0] == '\0';
    if (last && c->snapshots) {
        finish(c, NULL);
        return;
    }
    if (last) {
        c->snapshots = true;
        next = "";
    }
    if (++c->pages == PAGES_MAX || strlen(next) >= sizeof c->next) {
        err_set(&e, ERR_LIMIT, "e2b: the list of sandboxes does not end");
        finish(c, &e);
        return;
    }
    memcpy(c->next, next, strlen(next) + 1);
    if (ask_page(c, &e) < 0)
        finish(c, &e);
}

static int fleet_list(struct fleet_call **out, const struct fleet_config *cfg, fleet_item_fn item,
                      fleet_done_fn done, void *arg, struct err *e)
{
    struct fleet_call *c = NULL;
    if (open_call(&c, cfg, e) < 0)
        return -1;
    c->item = item;
    c->done = done;
    c->arg = arg;
    if (ask_page(c, e) < 0) {
        fleet_drop(c);
        return -1;
    }
    *out = c;
    return 0;
}

/* ---- one of them */

static int begin(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                 fleet_done_fn done, void *arg, struct err *e)
{
    *out = NULL;
    if (!e2b_is_id(id) && !e2b_is_snapshot(id)) {
        err_set(e, ERR_USAGE, "'%.60s' is no sandbox of E2B's", id);
        return -1;
    }
    if (open_call(out, cfg, e) < 0)
        return -1;
    INVARIANT(*out != NULL);
    (*out)->done = done;
    (*out)->arg = arg;
    memcpy((*out)->id, id, strlen(id) + 1);
    return 0;
}

static int ask_of(struct fleet_call *c, const char *method, const char *action, net_done_fn done,
                  struct err *e)
{
    struct buf target = BUF_INIT(2048);
    e2b_target(&target, c->id, action);
    int rc = ask(c, method, buf_str(&target), done, e);
    buf_release(&target);
    return rc;
}

static void on_killed(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct err e = ERR_INIT;
    c->call = NULL;
    if (remote_succeeded(r) || (r->end == NET_ANSWERED && r->status == 404)) {
        finish(c, NULL);
        return;
    }
    explain(&e, r, e2b_is_id(c->id) ? "ending a sandbox" : "deleting a snapshot");
    finish(c, &e);
}

static int fleet_kill(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                      fleet_done_fn done, void *arg, struct err *e)
{
    struct fleet_call *c = NULL;
    struct buf target = BUF_INIT(2048);
    if (begin(&c, cfg, id, done, arg, e) < 0)
        return -1;
    if (e2b_is_id(id)) {
        e2b_target(&target, id, "");
    } else {
        (void)buf_add_str(&target, "/templates");
        (void)http_add_segment(&target, id);
    }
    int rc = ask(c, "DELETE", buf_str(&target), on_killed, e);
    buf_release(&target);
    if (rc < 0)
        fleet_drop(c);
    else
        *out = c;
    return rc;
}

static void on_paused(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct err e = ERR_INIT;
    struct e2b_refusal why;
    c->call = NULL;
    e2b_refusal_read(&why, r->status, r->body, r->body_len);
    bool already =
        r->end == NET_ANSWERED && r->status == 409 && strstr(why.message, "already paused") != NULL;
    if (remote_succeeded(r) || already) {
        finish(c, NULL);
        return;
    }
    explain(&e, r, "pausing a sandbox");
    finish(c, &e);
}

static int fleet_pause(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                       fleet_done_fn done, void *arg, struct err *e)
{
    struct fleet_call *c = NULL;
    if (!e2b_is_id(id))
        return err_set(e, ERR_USAGE, "'%.60s' is no sandbox of E2B's", id);
    if (begin(&c, cfg, id, done, arg, e) < 0)
        return -1;
    if (ask_of(c, "POST", "pause", on_paused, e) < 0) {
        fleet_drop(c);
        return -1;
    }
    *out = c;
    return 0;
}

/* ---- looked at */

static void say_metric(struct fleet_call *c, const struct json *m)
{
    const int64_t mib = INT64_C(1) << 20;
    struct buf line = BUF_INIT(1024);
    (void)buf_addf(&line,
                   "cpu %.1f%% of %" PRId64 ", memory %" PRId64 " of %" PRId64 " MiB, disk %" PRId64
                   " of %" PRId64 " MiB",
                   json_num(json_get(m, "cpuUsedPct"), 0), json_get_int(m, "cpuCount", 0),
                   json_get_int(m, "memUsed", 0) / mib, json_get_int(m, "memTotal", 0) / mib,
                   json_get_int(m, "diskUsed", 0) / mib, json_get_int(m, "diskTotal", 0) / mib);
    c->line(c->arg, buf_str(&line), line.len);
    buf_release(&line);
}

static void say_log(struct fleet_call *c, const struct json *o)
{
    struct buf line = BUF_INIT((size_t)64 << 10);
    (void)buf_addf(&line, "%s %s %s", json_get_str(o, "timestamp", ""),
                   json_get_str(o, "level", ""),
                   json_get_str(o, "message", json_get_str(o, "line", "")));
    c->line(c->arg, buf_str(&line), line.len);
    buf_release(&line);
}

static void on_logs(void *arg, const struct net_result *r);

static int ask_logs(struct fleet_call *c, struct err *e)
{
    struct buf target = BUF_INIT(2048);
    if (!c->v1)
        (void)buf_add_str(&target, "/v2");
    (void)buf_add_str(&target, "/sandboxes");
    (void)http_add_segment(&target, c->id);
    (void)http_add_segment(&target, "logs");
    (void)http_add_query(&target, "limit", LINES_MAX);
    int rc = ask(c, "GET", buf_str(&target), on_logs, e);
    buf_release(&target);
    return rc;
}

static void on_logs(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct err e = ERR_INIT;
    struct json *o = NULL;
    c->call = NULL;
    if (!c->v1 && r->end == NET_ANSWERED && (r->status == 404 || r->status == 405)) {
        c->v1 = true;
        if (ask_logs(c, &e) < 0)
            finish(c, &e);
        return;
    }
    if (!remote_succeeded(r))
        explain(&e, r, "asking for its log");
    else if (json_parse(&o, r->body, r->body_len, &e) == 0)
        for (const struct json *l = json_first(json_get(o, "logs")); l != NULL; l = json_next(l))
            say_log(c, l);
    json_free(o);
    finish(c, e.code != ERR_NONE ? &e : NULL);
}

static void on_metrics(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct err e = ERR_INIT;
    struct json *o = NULL;
    c->call = NULL;
    if (!remote_succeeded(r)) {
        explain(&e, r, "asking what it uses");
        finish(c, &e);
        return;
    }
    size_t n = json_parse(&o, r->body, r->body_len, &e) == 0 ? json_len(o) : 0;
    if (n > 0)
        say_metric(c, json_at(o, n - 1)); /* the newest */
    json_free(o);
    if (e.code != ERR_NONE || ask_logs(c, &e) < 0)
        finish(c, &e);
}

static int fleet_look(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                      fleet_line_fn line, fleet_done_fn done, void *arg, struct err *e)
{
    struct fleet_call *c = NULL;
    if (!e2b_is_id(id))
        return err_set(e, ERR_USAGE, "'%.60s' is no sandbox of E2B's", id);
    if (begin(&c, cfg, id, done, arg, e) < 0)
        return -1;
    c->line = line;
    if (ask_of(c, "GET", "metrics", on_metrics, e) < 0) {
        fleet_drop(c);
        return -1;
    }
    *out = c;
    return 0;
}

const struct fleet_ops e2b_fleet = { .list = fleet_list,
                                     .kill = fleet_kill,
                                     .pause = fleet_pause,
                                     .look = fleet_look,
                                     .drop = fleet_drop };
