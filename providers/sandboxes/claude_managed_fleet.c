/* claude_managed_fleet.c - the sessions of ours that the account has: listed and ended, also by an
 * Airlock that goes away. [claude.md §8.1, SBX-9] */
#include <stdlib.h>
#include <string.h>

#include "providers/fleet.h"
#include "providers/sandboxes/claude_managed_int.h"

#define PAGES_MAX 100

void managed_write_list(const char *agent, const char *page, struct buf *out)
{
    buf_reset(out);
    (void)buf_add_str(out, "/v1/sessions");
    (void)http_add_query(out, "limit", "100");
    if (agent != NULL && agent[0] != '\0')
        (void)http_add_query(out, "agent_id", agent);
    if (page != NULL)
        (void)http_add_query(out, "page", page);
}

static const char *label_of(const struct json *session)
{
    return json_get_str(json_get(session, "metadata"), MANAGED_LABEL_KEY, "");
}

const struct json *managed_find_label(const struct json *page, const char *label)
{
    for (const struct json *o = json_first(json_get(page, "data")); o != NULL; o = json_next(o))
        if (strcmp(label_of(o), label) == 0 && claude_is_id(json_get_str(o, "id", "")))
            return o;
    return NULL;
}

static void copy_id(char to[CLAUDE_ID_MAX], const char *id)
{
    if (claude_is_id(id))
        memcpy(to, id, strlen(id) + 1);
}

/* What belongs to a session, as the server tells it. */
static void read_remains(struct claude_remains *out, const struct json *session)
{
    size_t n = 0;
    *out = (struct claude_remains){ .running = strcmp(json_get_str(session, "status", "running"),
                                                      "idle") != 0 };
    copy_id(out->session, json_get_str(session, "id", ""));
    copy_id(out->environment, json_get_str(session, "environment_id", ""));
    copy_id(out->agent, json_get_str(json_get(session, "agent"), "id", ""));
    for (const struct json *f = json_first(json_get(session, "resources"));
         f != NULL && n < CLAUDE_FILES_MAX; f = json_next(f))
        if (strcmp(json_get_str(f, "type", ""), "file") == 0)
            copy_id(out->files[n++], json_get_str(f, "file_id", ""));
}

/* ---- the fleet */

struct fleet_call {
    struct claude_http http;
    struct net_call *call;
    struct claude_sweep sweep;
    fleet_item_fn item;
    fleet_done_fn done;
    void *arg;
    char *id; /* a kill: the session */
    unsigned pages;
};

static void fleet_drop(struct fleet_call *c)
{
    if (c == NULL)
        return;
    net_drop(c->call);
    claude_sweep_release(&c->sweep);
    claude_http_release(&c->http);
    free(c->id);
    free(c);
}

static void finish(struct fleet_call *c, const struct err *e)
{
    fleet_done_fn done = c->done;
    void *arg = c->arg;
    struct err why = ERR_INIT;
    if (e != NULL)
        why = *e;
    fleet_drop(c);
    done(arg, e != NULL ? &why : NULL);
}

static int open_call(struct fleet_call **out, const struct fleet_config *cfg, fleet_done_fn done,
                     void *arg, struct err *e)
{
    struct fleet_call *c = xcalloc(1, sizeof *c);
    c->done = done;
    c->arg = arg;
    if (claude_http_open(&c->http, NULL, cfg->net, cfg->setting, cfg->setting_arg, MANAGED_BETA,
                         e) < 0) {
        free(c);
        return -1;
    }
    claude_sweep_init(&c->sweep, cfg->net, &c->http.server, cfg->loop);
    *out = c;
    return 0;
}

static int ask(struct fleet_call *c, const char *target, net_done_fn done, struct err *e)
{
    struct net_request rq = { .method = "GET",
                              .origin = c->http.server.origin,
                              .target = target,
                              .headers = c->http.server.headers,
                              .header_count = c->http.server.header_count,
                              .deadlines = { .total_ms = MANAGED_CONTROL_MS },
                              .on_done = done,
                              .arg = c };
    return net_send(c->http.net, &rq, &c->call, e);
}

static void tell(struct fleet_call *c, const struct json *o)
{
    const char *status = json_get_str(o, "status", "running"), *id = json_get_str(o, "id", "");
    bool costs = strcmp(status, "idle") != 0;
    struct fleet_item item = {
        .id = id,
        .label = label_of(o),
        .state = status,
        .image = json_get_str(json_get(json_get(o, "agent"), "model"), "id", ""),
        .started = json_get_str(o, "created_at", ""),
        .ends = "",
        .cpus = -1,
        .memory_mib = -1,
        .nanousd_hour = costs ? managed_nanousd(3600000) : 0,
    };
    /* Other sessions of the account are agents of somebody's, no sandboxes. */
    if (item.label[0] != '\0' && claude_is_id(id) && strcmp(status, "terminated") != 0)
        c->item(c->arg, &item);
}

static void on_page(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct json *page = NULL;
    struct err e = ERR_INIT;
    struct buf target = BUF_INIT(4096);
    c->call = NULL;
    if (r->end == NET_ANSWERED && (r->status == 403 || r->status == 404)) {
        finish(c, NULL); /* a key without Managed Agents has no sessions */
        return;
    }
    if (!remote_succeeded(r)) {
        (void)claude_why(NULL, r, "listing sessions (Managed Agents)", &e);
    } else if (json_parse(&page, r->body, r->body_len, &e) == 0 && json_get(page, "data") == NULL) {
        err_set(&e, ERR_FORMAT, "claude-managed: the list of sessions is no list");
    }
    for (const struct json *o = json_first(json_get(page, "data")); o != NULL; o = json_next(o))
        tell(c, o);
    const char *next = json_get_str(page, "next_page", "");
    bool more = e.code == ERR_NONE && next[0] != '\0';
    if (more && ++c->pages == PAGES_MAX)
        err_set(&e, ERR_LIMIT, "claude-managed: the list of sessions does not end");
    if (more)
        managed_write_list(NULL, next, &target);
    json_free(page);
    if (!more || e.code != ERR_NONE || ask(c, buf_str(&target), on_page, &e) < 0)
        finish(c, e.code != ERR_NONE ? &e : NULL);
    buf_release(&target);
}

static int fleet_list(struct fleet_call **out, const struct fleet_config *cfg, fleet_item_fn item,
                      fleet_done_fn done, void *arg, struct err *e)
{
    struct fleet_call *c;
    struct buf target = BUF_INIT(4096);
    if (open_call(&c, cfg, done, arg, e) < 0)
        return -1;
    c->item = item;
    managed_write_list(NULL, NULL, &target);
    int rc = ask(c, buf_str(&target), on_page, e);
    buf_release(&target);
    if (rc < 0)
        fleet_drop(c);
    else
        *out = c;
    return rc;
}

static void on_swept(void *arg, bool gone, const struct err *why)
{
    finish(arg, gone ? NULL : why);
}

static void on_session(void *arg, const struct net_result *r)
{
    struct fleet_call *c = arg;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    struct claude_remains left = { .running = true };
    c->call = NULL;
    if (r->end == NET_ANSWERED && r->status == 404) {
        finish(c, NULL);
        return;
    }
    if (!remote_succeeded(r)) {
        (void)claude_why(NULL, r, "ending a session", &e);
        finish(c, &e);
        return;
    }
    if (json_parse(&o, r->body, r->body_len, &e) == 0)
        read_remains(&left, o);
    json_free(o);
    copy_id(left.session, c->id);
    claude_sweep_start(&c->sweep, &left, on_swept, c);
}

static int fleet_kill(struct fleet_call **out, const struct fleet_config *cfg, const char *id,
                      fleet_done_fn done, void *arg, struct err *e)
{
    struct fleet_call *c;
    struct buf target = BUF_INIT(1024);
    if (!claude_is_id(id))
        return err_set(e, ERR_USAGE, "'%.60s' is no session of Claude's", id);
    if (open_call(&c, cfg, done, arg, e) < 0)
        return -1;
    c->id = xstrdup(id);
    claude_target(&target, "sessions", id, "");
    int rc = ask(c, buf_str(&target), on_session, e);
    buf_release(&target);
    if (rc < 0)
        fleet_drop(c);
    else
        *out = c;
    return rc;
}

const struct fleet_ops managed_fleet = { .list = fleet_list,
                                         .kill = fleet_kill,
                                         .drop = fleet_drop };

/* ---- the last word */

struct farewell {
    struct claude_http http;
    struct claude_sweep sweep;
    struct claude_remains left;
    const char *label;
    bool done, gone, known;
};

static void on_all_swept(void *arg, bool gone, const struct err *why)
{
    struct farewell *f = arg;
    if (!gone)
        log_msg(LOG_ERROR, "claude-managed", "a session may still be there: %s", why->msg);
    f->gone = gone;
    f->done = true;
}

static void on_listed(void *arg, const struct net_result *r)
{
    struct farewell *f = arg;
    struct json *page = NULL;
    f->known = remote_succeeded(r) && json_parse(&page, r->body, r->body_len, NULL) == 0;
    const struct json *o = managed_find_label(page, f->label);
    if (o != NULL)
        read_remains(&f->left, o);
    f->known = o != NULL; /* none: it may still come */
    json_free(page);
    f->done = true;
}

static void turn(struct loop *lp, const struct farewell *f, int64_t until_us)
{
    while (!f->done && clock_boot_us() < until_us)
        if (loop_turn(lp, 100, NULL) < 0)
            return;
}

static void look_for_it(struct farewell *f, const char *agent, int64_t until_us)
{
    struct buf target = BUF_INIT(1024);
    struct net_call *call;
    managed_write_list(agent, NULL, &target);
    struct net_request rq = { .method = "GET",
                              .origin = f->http.server.origin,
                              .target = buf_str(&target),
                              .headers = f->http.server.headers,
                              .header_count = f->http.server.header_count,
                              .deadlines = { .connect_ms = 3000 },
                              .on_done = on_listed,
                              .arg = f };
    f->done = net_send(f->http.net, &rq, &call, NULL) < 0;
    turn(f->http.loop, f, until_us);
    buf_release(&target);
}

bool managed_farewell(const struct managed *s, bool seek, int ms)
{
    struct farewell f = { .http = s->http, .left = s->made, .label = s->label, .known = true };
    int64_t until_us = clock_boot_us() + ms * INT64_C(1000);
    if (claude_remains_none(&s->made) && !seek)
        return true;
    if (loop_new(&f.http.loop, NULL) < 0)
        return false;
    f.http.net = net_new(f.http.loop);
    if (seek) {
        f.known = false;
        look_for_it(&f, s->made.agent, until_us);
    }
    f.done = false;
    claude_sweep_init(&f.sweep, f.http.net, &f.http.server, f.http.loop);
    claude_sweep_start(&f.sweep, &f.left, on_all_swept, &f);
    turn(f.http.loop, &f, until_us);
    bool gone = f.known && (f.gone || (f.sweep.gone && !f.done));
    claude_sweep_release(&f.sweep);
    net_free(f.http.net);
    loop_free(f.http.loop); /* the server is the sandbox's */
    return gone;
}
