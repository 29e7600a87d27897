/* e2b_birth.c - a sandbox is made once: what becomes of the answer, and what when there is none.
 * [e2b.md §2.1, §2.3] */
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define SEEKS_MAX 5

static void created(struct e2b *s)
{
    s->lived = s->snapshot[0] != '\0';
    s->since_us = clock_boot_us();
    if (s->core.ending)
        e2b_kill_now(s);
    else if (s->made != NULL)
        s->made(s);
    else if (s->lived)
        e2b_find_again(s);
    else
        e2b_prepare(s);
}

void e2b_not_born(struct e2b *s, const struct err *e)
{
    if (!s->core.ending) {
        s->core.why = *e;
        s->core.end_what = "";
        s->core.end_as = END_SANDBOX;
    }
    s->core.ending = true;
    e2b_gone(s, !s->orphan_possible);
}

static void seek_again(struct e2b *s)
{
    struct err e = ERR_INIT;
    if (s->seeks < SEEKS_MAX) {
        loop_arm_us(s->core.loop, s->renew, s->seek_ms * INT64_C(1000));
        return;
    }
    s->orphan_possible = true;
    err_set(&e, ERR_NET,
            "e2b: the answer to the creation was lost and no sandbox of ours is listed; if one "
            "comes up it ends by itself within 5 minutes: airlock sandboxes");
    e2b_not_born(s, &e);
}

static void on_listed(struct e2b *s, const struct net_result *r)
{
    struct err e = ERR_INIT;
    char ids[1][E2B_ID_MAX];
    int n = remote_succeeded(r) ? e2b_read_listing(r->body, r->body_len, s->label, ids, 1, &e) : -1;
    if (n == 1) {
        memcpy(s->id, ids[0], sizeof s->id);
        if (s->core.ending)
            e2b_kill_now(s);
        else
            e2b_connect(s);
        return;
    }
    seek_again(s);
}

void e2b_seek(struct e2b *s)
{
    struct buf target = BUF_INIT(2048);
    s->phase = E2B_SEEKING;
    s->seeks++;
    e2b_write_list_target(s->label, NULL, &target);
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "GET",
                              .target = buf_str(&target),
                              .again = E2B_AGAIN,
                              .deadlines = { .total_ms = E2B_CONTROL_MS },
                              .done = on_listed };
    e2b_send(&s->life, &rq);
    buf_release(&target);
}

/* Did this answer surely make nothing? The scheduler's own refusals say so by name. */
static bool surely_nothing(const struct net_result *r, const struct e2b_refusal *why)
{
    static const char *const codes[] = { "sandbox_capacity_unavailable",
                                         "sandbox_no_compatible_node", "sandbox_placement_timeout",
                                         "sandbox_create_failed" };
    if (r->end != NET_ANSWERED)
        return !r->left;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (strcmp(why->code, codes[i]) == 0)
            return true;
    return r->status < 500 && r->status >= 400;
}

static void on_created(struct e2b *s, const struct net_result *r)
{
    struct e2b_refusal why;
    struct err e = ERR_INIT;
    if (remote_succeeded(r)) {
        if (e2b_take_sandbox(s, r->body, r->body_len, &e) == 0)
            created(s);
        else
            e2b_seek(s);
        return;
    }
    (void)e2b_why(&s->life, r, "creating a sandbox", &why, &e);
    if (s->snapshot[0] != '\0' && r->status == 404 && strstr(why.message, "emplate") != NULL) {
        err_set(&e, ERR_MISSING, "the snapshot %.100s is not at E2B any more", s->snapshot);
        e2b_not_born(s, &e);
    } else if (!s->v1 && !s->core.ending && r->end == NET_ANSWERED &&
               (r->status == 404 || r->status == 405) && strstr(why.message, "template") == NULL) {
        s->v1 = true; /* an older server */
        e2b_create(s);
    } else if (why.at_cap && !s->core.ending) {
        e2b_queue(s, &e);
    } else if (surely_nothing(r, &why)) {
        e2b_not_born(s, &e);
    } else {
        e2b_seek(s);
    }
}

void e2b_create(struct e2b *s)
{
    s->created_us = clock_boot_us();
    struct buf body = BUF_INIT((size_t)1 << 20);
    int rc = e2b_write_create(s, &body);
    INVARIANT(rc == 0);
    struct e2b_request rq = { .plane = E2B_API,
                              .method = "POST",
                              .target = s->v1 ? "/sandboxes" : "/v2/sandboxes",
                              .body = body.ptr,
                              .body_len = body.len,
                              .again = E2B_ONCE,
                              .deadlines = { .first_byte_ms = E2B_START_MS,
                                             .total_ms = E2B_START_MS },
                              .done = on_created };
    e2b_send(&s->life, &rq);
    buf_release(&body);
}
