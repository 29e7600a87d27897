/* e2b_fleet.c - what runs at E2B under this key: listed and ended. [e2b.md §2.4] */
#include <stdlib.h>
#include <string.h>

#include "providers/fleet.h"
#include "providers/sandboxes/e2b_int.h"

#define PAGES_MAX 100

struct fleet_call {
    struct net *net;
    struct net_origin *api;
    struct net_call *call;
    fleet_item_fn item; /* NULL: it is a kill */
    fleet_done_fn done;
    void *arg;
    char next[256];
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
    struct net_request rq = { .method = method,
                              .origin = c->api,
                              .target = target,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
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
    e2b_write_list_target(NULL, c->next[0] != '\0' ? c->next : NULL, &target);
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

static void on_page(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct err e = ERR_INIT;
    struct json *list = NULL;
    c->call = NULL;
    if (!e2b_succeeded(r)) {
        explain(&e, r, "listing sandboxes");
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
        tell(c, o);
    json_free(list);
    const char *next = net_header(r->response, "X-Next-Token");
    if (next == NULL || next[0] == '\0') {
        finish(c, NULL);
        return;
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
    struct fleet_call *c;
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

/* ---- kill */

static void on_killed(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct err e = ERR_INIT;
    c->call = NULL;
    if (e2b_succeeded(r) || (r->end == NET_ANSWERED && r->status == 404)) {
        finish(c, NULL);
        return;
    }
    explain(&e, r, "ending a sandbox");
    finish(c, &e);
}

static int fleet_kill(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                      fleet_done_fn done, void *arg, struct err *e)
{
    struct fleet_call *c;
    struct buf target = BUF_INIT(256);
    if (!e2b_is_id(id))
        return err_set(e, ERR_USAGE, "'%.60s' is no sandbox of E2B's", id);
    if (open_call(&c, cfg, e) < 0)
        return -1;
    c->done = done;
    c->arg = arg;
    e2b_target(&target, id, "");
    int rc = ask(c, "DELETE", buf_str(&target), on_killed, e);
    buf_release(&target);
    if (rc < 0)
        fleet_drop(c);
    else
        *out = c;
    return rc;
}

const struct fleet_ops e2b_fleet = { fleet_list, fleet_kill, fleet_drop };
