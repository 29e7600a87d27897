/* claude_managed_session.c - a session for the runs of a sandbox: made once with the first run's
 * files in it, read back, listened to before anything is sent. Its stream may be cut: then it is
 * opened again and the history fills the gap. [claude.md §8.1, §8.2] */
#include <stdlib.h>
#include <string.h>

#include "providers/sandboxes/claude_managed_int.h"

#define SEEKS_MAX 5
#define CUTS_MAX  8 /* in a row, without an event between them */
#define PAGE      100

static void open_stream(struct managed *s);

/* No session comes of it; the run ends, and what was made goes. */
static void give_up(struct managed *s, enum run_end end, const struct err *e)
{
    managed_run_end(s, e->code == ERR_INTEGRITY ? END_INTEGRITY : end, "", true, e->msg);
}

/* ---- the stream */

static void session_target(const struct managed *s, struct buf *out, const char *more)
{
    claude_target(out, "sessions", s->made.session, more);
}

static void on_stream_head(void *arg, const struct net_response *r)
{
    struct managed *s = arg;
    (void)r;
    if (s->link == LINK_CUT || s->core.closed || s->core.ending)
        return; /* the history comes first */
    s->link = LINK_LIVE;
    core_enter(&s->core);
    managed_ask(s);
    core_leave(&s->core);
}

static void makes_no_sense(struct managed *s, const struct err *e)
{
    struct err why = *e;
    bool running = s->run != NULL && s->run->step >= MANAGED_STEP_RUNNING;
    err_wrap(&why, "what the session tells makes no sense and it was given up");
    if (s->run != NULL)
        managed_run_end(s, running ? END_UNKNOWN : END_PROVIDER, "", true, why.msg);
    else
        managed_lose_session(s);
}

static void on_stream_data(void *arg, const char *p, size_t len)
{
    struct managed *s = arg;
    struct err e = ERR_INIT;
    if (s->core.closed || s->core.ending || s->link == LINK_SWEEPING || s->link == LINK_NONE)
        return;
    core_enter(&s->core);
    int rc = claude_feed_bytes(&s->feed, p, len, &e);
    s->cuts = 0;
    managed_judge_all(s);
    if (rc < 0 && !s->core.ending && s->link == LINK_LIVE)
        makes_no_sense(s, &e);
    core_leave(&s->core);
}

/* ---- the history, after a cut */

static void ask_page(struct managed *s, const char *page);

static void on_page(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct err e = ERR_INIT;
    struct buf next = BUF_INIT(1024);
    core_enter(&s->core);
    if (!remote_succeeded(r)) {
        (void)claude_why(&s->look, r, "reading the session's history", &e);
        makes_no_sense(s, &e);
    } else if (claude_feed_page(&s->feed, r->body, r->body_len, &next, &e) < 0) {
        makes_no_sense(s, &e);
    } else if (next.len > 0) {
        ask_page(s, buf_str(&next));
    } else {
        claude_feed_caught_up(&s->feed);
        s->link = LINK_LIVE;
        managed_judge_all(s);
        if (!s->core.ending)
            managed_run_next(s);
    }
    buf_release(&next);
    core_leave(&s->core);
}

static void ask_page(struct managed *s, const char *page)
{
    struct buf target = BUF_INIT(4096);
    session_target(s, &target, "/events");
    (void)http_add_query(&target, "limit", "100");
    (void)http_add_query(&target, "order", "asc");
    if (page != NULL)
        (void)http_add_query(&target, "page", page);
    struct claude_request rq = { .method = "GET",
                                 .target = buf_str(&target),
                                 .again = CLAUDE_AGAIN,
                                 .deadlines = { .total_ms = MANAGED_CONTROL_MS },
                                 .done = on_page,
                                 .arg = s };
    claude_send(&s->look, &rq);
    buf_release(&target);
}

static void on_again_head(void *arg, const struct net_response *r)
{
    struct managed *s = arg;
    (void)r;
    if (s->link == LINK_CUT && !s->core.closed && !s->core.ending && !s->look.call.busy)
        ask_page(s, NULL);
}

static void on_stream_done(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct err e = ERR_INIT;
    if (s->core.closed || s->core.ending ||
        (s->link != LINK_LIVE && s->link != LINK_CUT && s->link != LINK_OPENING))
        return;
    core_enter(&s->core);
    bool refused = r->end == NET_ANSWERED && !remote_succeeded(r);
    bool quiet = r->end == NET_TIMEOUT && r->status == 200; /* perhaps there is nothing to tell */
    claude_call_drop(&s->look);
    s->cuts -= quiet && s->cuts > 0;
    if (refused || ++s->cuts > CUTS_MAX || (s->link == LINK_OPENING && r->status != 200)) {
        if (remote_succeeded(r))
            err_set(&e, ERR_NET, "the session's stream ends again and again");
        else
            (void)claude_why(&s->stream, r, "listening to the session", &e);
        makes_no_sense(s, &e);
    } else {
        log_msg(LOG_INFO, "claude-managed", "%s: the stream was cut (%s); opened again",
                s->made.session, net_end_name(r->end));
        s->link = LINK_CUT;
        loop_arm_us(s->core.loop, s->again, s->cuts > 1 ? MANAGED_SECOND_US / 2 : 0);
    }
    core_leave(&s->core);
}

static void open_stream(struct managed *s)
{
    struct buf target = BUF_INIT(1024);
    bool after_cut = s->link == LINK_CUT;
    session_target(s, &target, "/events/stream");
    if (!after_cut)
        s->link = LINK_OPENING;
    claude_feed_open(&s->feed, after_cut);
    struct claude_request rq = { .method = "GET",
                                 .target = buf_str(&target),
                                 .again = CLAUDE_AGAIN,
                                 .deadlines = { .idle_ms = s->idle_ms, .may_be_slow = true },
                                 .body_max = INT64_C(1) << 30,
                                 .on_head = after_cut ? on_again_head : on_stream_head,
                                 .on_data = on_stream_data,
                                 .done = on_stream_done,
                                 .arg = s };
    claude_send(&s->stream, &rq);
    buf_release(&target);
}

/* ---- create */

static void seek(struct managed *s);

/* What came out is read back: a session keeps the tools it was made with. */
static void take_session(struct managed *s, const struct json *o)
{
    struct err e = ERR_INIT;
    const struct json *agent = json_get(o, "agent");
    if (s->core.ending) {
        s->orphan_possible = managed_take_id(o, s->made.session, &e) < 0;
        managed_sweep_all(s);
        return;
    }
    if (managed_take_id(o, s->made.session, &e) == 0 && managed_check_agent(agent, &e) == 0) {
        if (strcmp(json_get_str(agent, "id", ""), s->made.agent) == 0 &&
            json_get_int(agent, "version", -1) == s->agent_version &&
            strcmp(json_get_str(o, "environment_id", ""), s->made.environment) == 0) {
            open_stream(s);
            return;
        }
        err_set(&e, ERR_INTEGRITY,
                "the session is not of the agent and the environment that were made for it; "
                "nothing was run");
    }
    give_up(s, END_PROVIDER, &e);
}

static void not_created(struct managed *s, const struct err *e)
{
    if (s->core.ending)
        managed_sweep_all(s);
    else
        give_up(s, END_PROVIDER, e);
}

static void on_listed(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct json *page = NULL;
    struct err e = ERR_INIT;
    const struct json *found = NULL;
    core_enter(&s->core);
    if (remote_succeeded(r) && json_parse(&page, r->body, r->body_len, &e) == 0)
        found = managed_find_label(page, s->label);
    if (found != NULL) {
        take_session(s, found);
    } else if (s->seeks < SEEKS_MAX) {
        loop_arm_us(s->core.loop, s->again, s->seek_ms * INT64_C(1000));
    } else {
        s->orphan_possible = true;
        err_set(&e, ERR_NET,
                "the answer to the session's creation was lost and none is listed; "
                "nothing was run: airlock sandboxes");
        not_created(s, &e);
    }
    json_free(page);
    core_leave(&s->core);
}

static void seek(struct managed *s)
{
    struct buf target = BUF_INIT(1024);
    s->link = LINK_SEEKING;
    s->seeks++;
    managed_write_list(s->made.agent, NULL, &target);
    struct claude_request rq = { .method = "GET",
                                 .target = buf_str(&target),
                                 .again = CLAUDE_AGAIN,
                                 .deadlines = { .total_ms = MANAGED_CONTROL_MS },
                                 .done = on_listed,
                                 .arg = s };
    claude_send(&s->life, &rq);
    buf_release(&target);
}

static void on_created(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    core_enter(&s->core);
    if (remote_succeeded(r) && json_parse(&o, r->body, r->body_len, &e) == 0) {
        take_session(s, o);
    } else if (remote_succeeded(r) || (r->end != NET_ANSWERED && r->left) ||
               (r->end == NET_ANSWERED && r->status >= 500)) {
        s->seeks = 0;
        seek(s); /* it may have been made: never a second create */
    } else {
        (void)claude_why(&s->life, r, "creating a session", &e);
        not_created(s, &e);
    }
    json_free(o);
    core_leave(&s->core);
}

static void create(struct managed *s)
{
    struct buf body = BUF_INIT((size_t)64 << 10);
    int rc = managed_write_session(s, &body);
    INVARIANT(rc == 0);
    s->link = LINK_CREATING;
    claude_feed_reset(&s->feed);
    s->call_count = 0;
    struct claude_request rq = { .method = "POST",
                                 .target = "/v1/sessions",
                                 .body = body.ptr,
                                 .body_len = body.len,
                                 .again = CLAUDE_ONCE,
                                 .deadlines = { .total_ms = MANAGED_CONTROL_MS },
                                 .done = on_created,
                                 .arg = s };
    claude_send(&s->life, &rq);
    buf_release(&body);
}

/* ---- files */

static void upload_next(struct managed *s);

static void on_uploaded(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct json *o = NULL;
    struct err e = ERR_INIT;
    core_enter(&s->core);
    if (remote_succeeded(r) && json_parse(&o, r->body, r->body_len, &e) == 0 &&
        managed_take_id(o, s->made.files[s->run->uploaded], &e) == 0) {
        s->run->uploaded++;
        upload_next(s);
    } else {
        if (e.code == ERR_NONE)
            (void)claude_why(&s->life, r, "sending the program", &e);
        give_up(s, END_PROVIDER, &e);
    }
    json_free(o);
    core_leave(&s->core);
}

static void upload_next(struct managed *s)
{
    struct managed_run *r = s->run;
    if (r->uploaded == ARRAY_LEN(r->uploads)) {
        create(s);
        return;
    }
    s->link = LINK_UPLOADING;
    struct claude_request rq = { .method = "POST",
                                 .target = "/v1/files",
                                 .content_type = r->upload_types[r->uploaded],
                                 .body = r->uploads[r->uploaded].ptr,
                                 .body_len = r->uploads[r->uploaded].len,
                                 .again = CLAUDE_ONCE,
                                 .deadlines = { .total_ms = 5 * MANAGED_CONTROL_MS },
                                 .done = on_uploaded,
                                 .arg = s };
    claude_send(&s->life, &rq);
}

void managed_place(struct managed *s)
{
    if (s->link != LINK_NONE)
        managed_lose_session(s); /* then again, from there */
    else
        upload_next(s);
}

/* ---- its end, while the sandbox goes on */

static void on_dropped(void *arg, bool gone, const struct err *why)
{
    struct managed *s = arg;
    core_enter(&s->core);
    s->link = LINK_NONE;
    if (!gone) {
        s->orphan_possible = true;
        log_msg(LOG_ERROR, "claude-managed", "a session may still be there: %s", why->msg);
    }
    if (s->core.ending)
        managed_sweep_all(s);
    else if (s->run != NULL && s->run->step == MANAGED_STEP_PLACE)
        managed_place(s);
    else
        managed_run_next(s);
    core_leave(&s->core);
}

void managed_drop_outbox(struct managed *s)
{
    while (s->outbox != NULL) {
        struct managed_body *b = s->outbox;
        s->outbox = b->next;
        buf_release(&b->bytes);
        free(b);
    }
}

void managed_drop_session(struct managed *s)
{
    struct claude_remains left = s->made;
    left.environment[0] = left.agent[0] = '\0';
    if (s->core.ending || s->link == LINK_SWEEPING)
        return;
    claude_call_drop(&s->life);
    claude_call_drop(&s->stream);
    claude_call_drop(&s->look);
    claude_call_drop(&s->send);
    managed_drop_outbox(s);
    loop_arm_us(s->core.loop, s->again, -1);
    if (s->running_since_us != 0) {
        s->running_us += clock_boot_us() - s->running_since_us;
        s->running_since_us = 0;
        left.running = true;
    }
    s->made.session[0] = '\0';
    for (size_t i = 0; i < CLAUDE_FILES_MAX; i++)
        s->made.files[i][0] = '\0';
    s->link = LINK_SWEEPING;
    claude_sweep_start(&s->sweep, &left, on_dropped, s);
}

void managed_lose_session(struct managed *s)
{
    s->lost_files = true;
    managed_drop_session(s);
}

/* ---- our events, one after the other */

static void post_next(struct managed *s);

static void on_posted(void *arg, const struct net_result *r)
{
    struct managed *s = arg;
    struct managed_body *b = s->outbox;
    struct err e = ERR_INIT;
    core_enter(&s->core);
    bool acts = b->acts, fine = remote_succeeded(r);
    s->outbox = b->next;
    buf_release(&b->bytes);
    free(b);
    if (!fine)
        (void)claude_why(&s->send, r, "telling the session", &e);
    if (!fine && acts && r->end == NET_ANSWERED && s->run != NULL)
        managed_run_end(s, END_PROVIDER, "", true, e.msg); /* else the stream will tell */
    else if (!fine)
        log_msg(LOG_WARN, "claude-managed", "%s: %s", s->made.session, e.msg);
    if (!s->core.ending && s->link != LINK_SWEEPING)
        post_next(s);
    core_leave(&s->core);
}

static void post_next(struct managed *s)
{
    struct managed_body *b = s->outbox;
    struct buf target = BUF_INIT(1024);
    if (b == NULL || s->send.call.busy)
        return;
    session_target(s, &target, "/events");
    struct claude_request rq = { .method = "POST",
                                 .target = buf_str(&target),
                                 .body = b->bytes.ptr,
                                 .body_len = b->bytes.len,
                                 .again = b->again,
                                 .deadlines = { .total_ms = MANAGED_CONTROL_MS },
                                 .done = on_posted,
                                 .arg = s };
    claude_send(&s->send, &rq);
    buf_release(&target);
}

void managed_post(struct managed *s, struct buf *body, enum claude_again again, bool acts)
{
    struct managed_body *b = xcalloc(1, sizeof *b), **at = &s->outbox;
    b->bytes = *body;
    b->again = again;
    b->acts = acts;
    *body = (struct buf)BUF_INIT(body->max);
    while (*at != NULL)
        at = &(*at)->next;
    *at = b;
    post_next(s);
}

void managed_on_again(void *arg)
{
    struct managed *s = arg;
    if (s->core.closed)
        return;
    if (s->link == LINK_SEEKING && !s->life.call.busy)
        seek(s);
    else if (s->link == LINK_CUT && !s->stream.call.busy && !s->core.ending)
        open_stream(s);
}
