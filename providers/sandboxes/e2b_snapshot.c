/* e2b_snapshot.c - files and memory after a run, kept by E2B under a name of ours, and deleted
 * again. What was lost on the way is looked for by its name. [e2b.md §2.4] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define LIST_LIMIT "100"

bool e2b_is_snapshot(const char *id)
{
    size_t len = strlen(id);
    return len > 0 && len < E2B_SNAPSHOT_MAX && id[0] != '.' && id[0] != '/' &&
           strstr(id, "..") == NULL &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-_./:") == len;
}

/* "airlock-<session>-<number>-<run>" */
static void write_name(const struct e2b *s, uint32_t run, char *out, size_t size)
{
    snprintf(out, size, E2B_LABEL_KEY "-%.80s-%u", s->label, run);
}

/* ---- made */

static void tell(struct e2b *s, uint32_t run, const char *id, const struct err *e)
{
    struct sandbox_event ev = { .kind = SANDBOX_SNAPSHOT, .run = run, .id = id, .err = e };
    core_tell(&s->core, &ev);
}

static void finished(struct e2b *s, const char *id, const struct err *e)
{
    uint32_t run = s->freezing;
    s->freezing = 0;
    if (s->core.ending) {
        e2b_kill_now(s);
        return;
    }
    tell(s, run, id, e);
    if (!s->core.closed && !s->core.ending)
        e2b_run_next(s);
}

static bool has_name(const struct json *o, const char *name)
{
    const char *id = json_get_str(o, "snapshotID", ""), *slash = strrchr(id, '/');
    const char *bare = slash != NULL ? slash + 1 : id;
    return strncmp(bare, name, strlen(name)) == 0 &&
           (bare[strlen(name)] == ':' || bare[strlen(name)] == '\0');
}

static void on_listed(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct json *list = NULL;
    char name[128];
    write_name(s, s->freezing, name, sizeof name);
    if (remote_succeeded(r) && json_parse(&list, r->body, r->body_len, &e) == 0) {
        for (const struct json *o = json_first(list); o != NULL; o = json_next(o)) {
            const char *id = json_get_str(o, "snapshotID", "");
            if (!has_name(o, name) || !e2b_is_snapshot(id))
                continue;
            char *own = xstrdup(id);
            json_free(list);
            finished(s, own, NULL);
            free(own);
            return;
        }
    }
    json_free(list);
    err_set(&e, ERR_NET,
            "e2b: whether the snapshot %.100s was made is not known; if it was, airlock sandboxes "
            "shows it",
            name);
    finished(s, NULL, &e);
}

static void look_for_it(struct e2b *s)
{
    struct buf target = BUF_INIT(512);
    (void)buf_add_str(&target, "/snapshots");
    (void)http_add_query(&target, "sandboxID", s->id);
    (void)http_add_query(&target, "limit", LIST_LIMIT);
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "GET",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_listed };
    e2b_send(&s->life, &rq);
    buf_release(&target);
}

static void on_made(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct json *o = NULL;
    const char *id = "";
    if (remote_succeeded(r) && json_parse(&o, r->body, r->body_len, &e) == 0)
        id = json_get_str(o, "snapshotID", "");
    bool refused = r->end == NET_ANSWERED && r->status >= 400 && r->status < 500;
    if (e2b_is_snapshot(id)) {
        finished(s, id, NULL);
    } else if (refused || (r->end != NET_ANSWERED && !r->left)) {
        (void)e2b_why(&s->life, r, "making a snapshot", NULL, &e);
        if (r->status == 404)
            err_set(&e, ERR_NET, "e2b: no snapshot: the sandbox is gone");
        finished(s, NULL, &e);
    } else {
        look_for_it(s);
    }
    json_free(o);
}

int e2b_snapshot(struct sandbox *base, uint32_t run, unsigned *keep, struct err *e)
{
    struct e2b *s = (struct e2b *)base;
    struct buf target = BUF_INIT(256), body = BUF_INIT(512);
    char name[128];
    if (s->snapshots == 0)
        return err_set(e, ERR_USAGE, "no snapshots were asked for: -s e2b:TEMPLATE,snapshots=N");
    if (s->phase != E2B_READY || s->core.ending || s->life.call.busy || s->freezing != 0 ||
        (s->run != NULL && !s->run->told))
        return err_set(e, ERR_BUSY, "something is under way in the sandbox");
    *keep = s->snapshots;
    s->freezing = run;
    write_name(s, run, name, sizeof name);
    e2b_target(&target, s->id, "snapshots");
    (void)buf_addf(&body, "{\"name\":\"%s\"}", name);
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "POST",
                              .target = buf_str(&target),
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_ONCE,
                              .deadlines = { .first_byte_ms = E2B_START_MS,
                                             .total_ms = E2B_START_MS },
                              .done = on_made };
    e2b_send(&s->life, &rq);
    buf_release(&target);
    buf_release(&body);
    return 0;
}

/* ---- deleted */

static void on_deleted(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    uint32_t run = s->dropping;
    s->dropping = 0;
    if (remote_succeeded(r) || (r->end == NET_ANSWERED && r->status == 404)) {
        tell(s, run, NULL, NULL);
        return;
    }
    (void)e2b_why(&s->trash, r, "deleting a snapshot", NULL, &e);
    tell(s, run, "", &e);
}

int e2b_drop_snapshot(struct sandbox *base, uint32_t run, const char *id, struct err *e)
{
    struct e2b *s = (struct e2b *)base;
    struct buf target = BUF_INIT(1024);
    if (s->trash.call.busy || s->core.ending || s->phase == E2B_GONE)
        return err_set(e, ERR_BUSY, "another snapshot is being deleted");
    if (!e2b_is_snapshot(id))
        return err_set(e, ERR_FORMAT, "'%.60s' is no snapshot of E2B's", id);
    s->dropping = run;
    (void)buf_add_str(&target, "/templates");
    (void)http_add_segment(&target, id);
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "DELETE",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_deleted };
    e2b_send(&s->trash, &rq);
    buf_release(&target);
    return 0;
}
