/* e2b_prepare.c - from a sandbox that was just made to one that can run code: the workspace, a
 * context of the interpreter, our cells in it. [e2b.md §5.1] */
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define POLL_US  (E2B_SECOND_US / 4)
#define CELL_MS  30000
#define START_MS 60000 /* a kernel is started for it */

static const char make_workspace[] =
    "mkdir -p " E2B_WORKSPACE " && chmod 0755 " E2B_WORKSPACE
    " && { id user >/dev/null 2>&1 && chown user:user " E2B_WORKSPACE " || true; }";

struct e2b_context *e2b_find_context(struct e2b *s, const char *language)
{
    for (size_t i = 0; i < s->context_count; i++)
        if (strcmp(s->contexts[i].language, language) == 0)
            return &s->contexts[i];
    return NULL;
}

/* ---- our cells */

static void then(struct e2b *s, const struct err *e)
{
    void (*next)(struct e2b *, const struct err *) = s->then;
    s->then = NULL;
    next(s, e);
}

static void on_cells(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    enum e2b_trouble trouble;
    int rc = e2b_read_cell(r, &s->report, &trouble, &e);
    if (rc == 0)
        rc = e2b_take_hello(&s->contexts[0], &s->report, &e);
    then(s, rc < 0 ? &e : NULL);
}

void e2b_set_up(struct e2b *s, void (*next)(struct e2b *s, const struct err *e))
{
    struct e2b_part cell;
    s->then = next;
    e2b_cell_setup(&s->contexts[0], s->lived && !s->fresh, &cell);
    e2b_send_cell(&s->work, &cell, CELL_MS, on_cells);
    e2b_part_release(&cell);
}

/* ---- contexts */

static void ask_context(struct e2b *s);

static int take_context(struct e2b *s, const struct net_result *r, struct err *e)
{
    struct json *o = NULL;
    const char *id = "";
    int rc = json_parse(&o, r->body, r->body_len, e);
    if (rc == 0)
        rc = json_need_str(o, "context", "id", &id, e);
    if (rc == 0 && (strlen(id) == 0 || strlen(id) >= E2B_ID_MAX ||
                    strspn(id, "0123456789abcdefABCDEF-") != strlen(id)))
        rc = err_set(e, ERR_FORMAT, "the server named a context '%.60s'", id);
    if (rc == 0) {
        struct e2b_context *c = e2b_find_context(s, s->wanted);
        if (c == NULL) {
            INVARIANT(s->context_count < E2B_CONTEXTS);
            c = &s->contexts[s->context_count++];
        }
        *c = (struct e2b_context){ .pid = 0 };
        memcpy(c->language, s->wanted, sizeof c->language);
        memcpy(c->id, id, strlen(id) + 1);
        c->ready = c != &s->contexts[0];
    }
    json_free(o);
    return rc;
}

static void on_context(struct e2b *s, const struct net_result *r)
{
    struct e2b_refusal why;
    struct err e = ERR_INIT;
    if (!remote_succeeded(r)) {
        (void)e2b_why(&s->work, r, "starting an interpreter", &why, &e);
        if (why.port_closed && clock_boot_us() < s->wait_until_us)
            loop_arm_us(s->core.loop, s->step_timer, POLL_US); /* not listening yet */
        else
            then(s, &e);
        return;
    }
    if (take_context(s, r, &e) < 0)
        then(s, &e);
    else if (s->contexts[0].ready)
        then(s, NULL);
    else
        e2b_set_up(s, s->then);
}

static void ask_context(struct e2b *s)
{
    struct buf body = BUF_INIT(1024);
    struct json_w w;
    json_w_init(&w, &body);
    json_w_object(&w, NULL);
    json_w_str(&w, "language", s->wanted);
    json_w_str(&w, "cwd", E2B_WORKSPACE);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    struct e2b_request rq = { .plane = E2B_CODE,
                              .method = "POST",
                              .target = "/contexts",
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_ONCE,
                              .deadlines = { .total_ms = START_MS },
                              .done = on_context };
    e2b_send(&s->work, &rq);
    buf_release(&body);
}

void e2b_need_context(struct e2b *s, const char *language,
                      void (*next)(struct e2b *s, const struct err *e))
{
    INVARIANT(strlen(language) < sizeof s->wanted);
    memcpy(s->wanted, language, strlen(language) + 1);
    s->then = next;
    s->wait_until_us = clock_boot_us() + 30 * E2B_SECOND_US;
    ask_context(s);
}

/* ---- before the first code */

void e2b_alive(struct e2b *s)
{
    s->phase = E2B_READY;
    s->queued_us = 0;
    s->asked = 0;
    s->cold_start_us = clock_boot_us() - s->created_us;
    e2b_lease_begin(s);
}

void e2b_is_ready(struct e2b *s)
{
    e2b_alive(s);
    struct sandbox_event ev = { .kind = SANDBOX_READY,
                                .id = s->id,
                                .cold_start_us = s->cold_start_us,
                                .again = s->lived,
                                .ms = e2b_ends_in_ms(s) };
    core_tell(&s->core, &ev);
}

static void on_prepared(struct e2b *s, const struct err *e)
{
    if (e != NULL) {
        struct err why = *e;
        e2b_end_with(s, END_SANDBOX, "", &why);
        return;
    }
    e2b_is_ready(s);
    if (!s->core.closed)
        e2b_run_next(s);
}

static void on_workspace(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    if (e2b_shell_status(r) == 0) {
        e2b_need_context(s, "python", on_prepared);
        return;
    }
    if (!remote_succeeded(r))
        (void)e2b_why(&s->work, r, "making " E2B_WORKSPACE, NULL, &e);
    else
        err_set(&e, ERR_NET, "e2b: " E2B_WORKSPACE " can't be made in this template");
    e2b_end_with(s, END_SANDBOX, "", &e);
}

int e2b_reach(struct e2b *s, struct err *e)
{
    const struct e2b_address at = { s->id, s->domain[0] != '\0' ? s->domain : NULL, s->envd_token,
                                    s->traffic_token };
    net_origin_free(s->code);
    net_origin_free(s->envd);
    s->code = s->envd = NULL;
    s->phase = E2B_PREPARING;
    if (e2b_place_port(&s->place, &at, E2B_PORT_CODE, &s->code, e) < 0 ||
        e2b_place_port(&s->place, &at, E2B_PORT_ENVD, &s->envd, e) < 0)
        return err_wrap(e, "e2b");
    return 0;
}

void e2b_prepare(struct e2b *s)
{
    struct err e = ERR_INIT;
    if (e2b_reach(s, &e) < 0) {
        e2b_end_with(s, END_SANDBOX, "", &e);
        return;
    }
    e2b_ask_size(s);
    e2b_shell(&s->work, make_workspace, on_workspace);
}

void e2b_on_step_timer(void *arg)
{
    struct e2b *s = arg;
    core_enter(&s->core);
    if (s->phase == E2B_PAUSING)
        e2b_pause_look(s);
    else if (s->then != NULL && !s->work.call.busy && !s->core.ending)
        ask_context(s);
    else if (s->run != NULL)
        e2b_run_urge(s);
    core_leave(&s->core);
}
