/* e2b_attach.c - a sandbox that lived before: one of an earlier Airlock, a paused one, or one that
 * starts from a snapshot. Connected to, held to the contract again, and asked what its interpreter
 * still has; nothing is executed a second time. [e2b.md §2.4, §2.5, §9] */
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define REPORTS_MAX 2
#define ASK_MS      20000 /* a cell may wait behind code that is being interrupted */

static void ask_contexts(struct e2b *s);
static void report(struct e2b *s);

/* It can't be had. What is paused stays so; what an earlier Airlock left is left once more. */
static void give_up(struct e2b *s, const struct err *e, bool gone)
{
    struct err why = *e;
    if (s->phase == E2B_CONNECTING && !gone && !s->attaching && !s->core.ending) {
        e2b_not_woken(s, &why);
        return;
    }
    s->orphan_possible = !gone;
    e2b_not_born(s, &why);
}

/* ---- its size */

static void take_size(struct e2b *s, const struct json *o)
{
    int64_t cpus = json_get_int(o, "cpuCount", -1), mib = json_get_int(o, "memoryMB", -1);
    s->cpus = cpus > 0 ? cpus : s->cpus;
    s->memory_mib = mib > 0 ? mib : s->memory_mib;
}

static void on_size(struct e2b *s, const struct net_result *r)
{
    struct json *o = NULL;
    if (remote_succeeded(r) && json_parse(&o, r->body, r->body_len, NULL) == 0)
        take_size(s, o);
    json_free(o);
}

static void send_look(struct e2b *s, struct e2b_call *c, e2b_done_fn done)
{
    struct buf target = BUF_INIT(256);
    e2b_target(&target, s->id, "");
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "GET",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = done };
    e2b_send(c, &rq);
    buf_release(&target);
}

void e2b_ask_size(struct e2b *s)
{
    if (!s->place.debug && !s->side.call.busy)
        send_look(s, &s->side, on_size);
}

/* ---- connecting */

static void on_looked(struct e2b *s, const struct net_result *r);

/* The answer names the sandbox that was asked for, with its tokens. */
static int take_connected(struct e2b *s, const struct net_result *r, struct err *e)
{
    char id[E2B_ID_MAX], token[sizeof s->traffic_token];
    memcpy(id, s->id, sizeof id);
    memcpy(token, s->traffic_token, sizeof token); /* not always told again [e2b.md §2.4] */
    int rc = e2b_take_sandbox(s, r->body, r->body_len, e);
    if (rc == 0 && strcmp(id, s->id) != 0)
        rc = err_set(e, ERR_FORMAT, "e2b: connecting to %s: the server answered for another", id);
    if (rc == 0 && s->traffic_token[0] == '\0')
        memcpy(s->traffic_token, token, sizeof token);
    explicit_bzero(token, sizeof token);
    memcpy(s->id, id, sizeof id);
    return rc;
}

static void on_connected(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct e2b_refusal why;
    if (remote_succeeded(r)) {
        if (take_connected(s, r, &e) < 0) {
            give_up(s, &e, false);
            return;
        }
        s->since_us = clock_boot_us();
        s->phase = E2B_PREPARING;
        if (s->core.ending)
            e2b_kill_now(s);
        else
            send_look(s, &s->life, on_looked);
        return;
    }
    (void)e2b_why(&s->life, r, "connecting to the sandbox", &why, &e);
    bool gone = r->end == NET_ANSWERED && r->status == 404;
    if (gone)
        err_set(&e, ERR_NET,
                "sandbox %s is gone: it ended by itself or was ended, with its variables and files",
                s->id);
    if (why.at_cap && !s->core.ending)
        e2b_queue(s, &e);
    else
        give_up(s, &e, gone);
}

void e2b_connect(struct e2b *s)
{
    struct buf target = BUF_INIT(256), body = BUF_INIT(256);
    s->phase = E2B_CONNECTING;
    s->created_us = clock_boot_us();
    e2b_target(&target, s->id, "connect");
    (void)buf_addf(&body, "{\"timeout\":%lld}", (long long)e2b_lease_s(s));
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "POST",
                              .target = buf_str(&target),
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_AGAIN,
                              .deadlines = { .first_byte_ms = E2B_START_MS,
                                             .total_ms = E2B_START_MS },
                              .done = on_connected };
    e2b_send(&s->life, &rq);
    buf_release(&target);
    buf_release(&body);
}

/* By its label alone: the create was on its way when the one before us died. */
static void on_found(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    char ids[1][E2B_ID_MAX];
    int n = -1;
    if (remote_succeeded(r))
        n = e2b_read_listing(r->body, r->body_len, s->label, ids, 1, &e);
    else
        (void)e2b_why(&s->life, r, "looking for the session's sandbox", NULL, &e);
    if (n == 1) {
        memcpy(s->id, ids[0], sizeof s->id);
        e2b_connect(s);
    } else if (n == 0) {
        err_set(&e, ERR_NET, "the sandbox that was being made is not there");
        give_up(s, &e, true);
    } else {
        give_up(s, &e, false);
    }
}

void e2b_attach(struct e2b *s)
{
    struct buf target = BUF_INIT(2048);
    s->attaching = s->lived = true;
    s->phase = E2B_CONNECTING;
    if (s->id[0] != '\0') {
        e2b_connect(s);
        return;
    }
    e2b_write_list_target(s->label, NULL, &target);
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "GET",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_found };
    e2b_send(&s->life, &rq);
    buf_release(&target);
}

/* ---- held to the contract again */

static void on_network(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (!remote_succeeded(r)) { /* what it may reach is not known: it is not used */
        (void)e2b_why(&s->life, r, "setting the sandbox's network rules", NULL, &e);
        e2b_end_with(s, END_LOST, "", &e);
        return;
    }
    if (s->lived)
        e2b_find_again(s);
    else
        e2b_prepare(s); /* made just now, and its answer was lost */
}

static void set_network(struct e2b *s)
{
    struct buf target = BUF_INIT(256), body = BUF_INIT((size_t)1 << 20);
    e2b_target(&target, s->id, "network");
    int rc = e2b_write_network(s, &body);
    INVARIANT(rc == 0);
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "PUT",
                              .target = buf_str(&target),
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_network };
    e2b_send(&s->life, &rq);
    buf_release(&target);
    buf_release(&body);
}

static void on_looked(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct json *o = NULL;
    bool known = remote_succeeded(r) && json_parse(&o, r->body, r->body_len, NULL) == 0;
    const char *label = json_get_str(json_get(o, "metadata"), E2B_LABEL_KEY, "");
    bool ours = strcmp(label, s->label) == 0;
    if (known)
        take_size(s, o);
    json_free(o);
    if (known && !ours)
        err_set(&e, ERR_DENIED, "sandbox %s does not have the label of this session: left alone",
                s->id);
    else if (!known && s->attaching)
        (void)e2b_why(&s->life, r, "looking at the sandbox", NULL, &e);
    if (e.code != ERR_NONE)
        give_up(s, &e, r->end == NET_ANSWERED && r->status == 404);
    else
        set_network(s);
}

/* ---- its interpreter */

static void found(struct e2b *s)
{
    s->begun_odd = true; /* arguments, directory and input as they may be */
    free(s->cwd);
    s->cwd = xstrdup("");
    e2b_is_ready(s);
    if (!s->core.closed && !s->core.ending)
        e2b_tell_restored(s, &s->report);
    s->lived = s->fresh = s->attaching = false;
    if (!s->core.closed && !s->core.ending)
        e2b_run_next(s);
}

static void on_new_context(struct e2b *s, const struct err *e)
{
    if (e != NULL) {
        struct err why = *e;
        e2b_end_with(s, END_LOST, "", &why);
        return;
    }
    buf_reset(&s->report);
    found(s);
}

/* Nothing of it can be had any more. */
static void start_fresh(struct e2b *s)
{
    s->fresh = true;
    s->context_count = 0;
    e2b_need_context(s, "python", on_new_context);
}

static void on_report(struct e2b *s, const struct net_result *r);

static void on_cells_again(struct e2b *s, const struct err *e)
{
    if (e != NULL)
        start_fresh(s);
    else
        report(s);
}

static void on_restarted(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (!remote_succeeded(r)) {
        (void)e2b_why(&s->work, r, "starting its interpreter again", NULL, &e);
        e2b_end_with(s, END_LOST, "", &e);
        return;
    }
    s->fresh = true;
    e2b_set_up(s, on_new_context);
}

/* What ran when the connection went did not let go: the interpreter is started again. */
static void restart(struct e2b *s)
{
    struct buf target = BUF_INIT(256);
    (void)buf_addf(&target, "/contexts/%s/restart", s->contexts[0].id);
    struct e2b_request rq = { .plane = E2B_CODE,
                              .method = "POST",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = 30000 },
                              .done = on_restarted };
    e2b_send(&s->work, &rq);
    buf_release(&target);
}

static void on_report(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    enum e2b_trouble trouble;
    struct e2b_context *c = &s->contexts[0];
    if (e2b_read_cell(r, &s->report, &trouble, &e) == 0 && e2b_take_hello(c, &s->report, &e) == 0) {
        found(s);
        return;
    }
    if (!remote_succeeded(r) && r->end != NET_TIMEOUT && s->looks++ < REPORTS_MAX)
        report(s); /* a connection of before: asking again does no harm */
    else if (r->end == NET_ANSWERED && r->status == 404)
        start_fresh(s);
    else if (!remote_succeeded(r))
        restart(s);
    else if (trouble == E2B_NO_TROUBLE && !s->fresh && !c->ready) {
        c->ready = true; /* it answers, but our cells are not in it */
        e2b_set_up(s, on_cells_again);
    } else {
        start_fresh(s);
    }
}

static void report(struct e2b *s)
{
    const struct sandbox_run nothing = { .run = 0 };
    struct e2b_part cell;
    e2b_cell_report(&s->contexts[0], &nothing, &cell);
    e2b_send_cell(&s->work, &cell, ASK_MS, on_report);
    e2b_part_release(&cell);
}

/* Ours are those in the workspace. */
static void take_contexts(struct e2b *s, const struct json *list)
{
    s->context_count = 0;
    for (int python = 1; python >= 0; python--) {
        for (const struct json *o = json_first(list); o != NULL; o = json_next(o)) {
            const char *id = json_get_str(o, "id", ""), *lang = json_get_str(o, "language", "");
            bool is_python = strcmp(lang, "python") == 0;
            if (strcmp(json_get_str(o, "cwd", ""), E2B_WORKSPACE) != 0 ||
                is_python != (python == 1) || e2b_find_context(s, lang) != NULL ||
                s->context_count == E2B_CONTEXTS || strlen(lang) >= sizeof s->wanted ||
                id[0] == '\0' || strlen(id) >= E2B_ID_MAX ||
                strspn(id, "0123456789abcdefABCDEF-") != strlen(id))
                continue;
            if (!is_python && s->context_count == 0)
                return; /* [0] is python's */
            struct e2b_context *c = &s->contexts[s->context_count++];
            *c = (struct e2b_context){ .ready = !is_python };
            memcpy(c->language, lang, strlen(lang) + 1);
            memcpy(c->id, id, strlen(id) + 1);
        }
    }
}

static void on_contexts(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    struct json *list = NULL;
    if (!remote_succeeded(r) || json_parse(&list, r->body, r->body_len, &e) < 0) {
        if (e.code == ERR_NONE)
            (void)e2b_why(&s->work, r, "asking for its interpreters", NULL, &e);
        e2b_end_with(s, END_LOST, "", &e);
        return;
    }
    take_contexts(s, list);
    json_free(list);
    if (s->context_count == 0)
        start_fresh(s);
    else
        report(s);
}

static void ask_contexts(struct e2b *s)
{
    struct e2b_request rq = { .plane = E2B_CODE,
                              .method = "GET",
                              .target = "/contexts",
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_contexts };
    e2b_send(&s->work, &rq);
}

/* The first request after a pause may be reset: so it is a harmless one. */
static void on_health(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (remote_succeeded(r)) {
        ask_contexts(s);
        return;
    }
    (void)e2b_why(&s->work, r, "waking the sandbox's daemon", NULL, &e);
    e2b_end_with(s, END_LOST, "", &e);
}

void e2b_find_again(struct e2b *s)
{
    struct err e = ERR_INIT;
    if (e2b_reach(s, &e) < 0) {
        e2b_end_with(s, END_SANDBOX, "", &e);
        return;
    }
    s->fresh = false;
    s->looks = 0;
    if (s->cpus < 0)
        e2b_ask_size(s);
    struct e2b_request rq = { .plane = E2B_ENVD,
                              .method = "GET",
                              .target = "/health",
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_health };
    e2b_send(&s->work, &rq);
}
