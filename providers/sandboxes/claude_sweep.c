/* claude_sweep.c - one deletion after the other. */
#include "providers/sandboxes/claude_sweep.h"

#include <string.h>

#include "base/log.h"

#define STEP_MS   20000
#define PAUSE_US  INT64_C(250000)
#define TRIES_MAX 40 /* of the session, while it is said to be running */
#define FAILS_MAX 4

enum { STEP_STOP, STEP_SESSION, STEP_ENVIRONMENT, STEP_AGENT, STEP_FILES };
#define STEP_DONE (STEP_FILES + CLAUDE_FILES_MAX)

static void next_step(struct claude_sweep *w);

bool claude_remains_none(const struct claude_remains *r)
{
    bool none = r->session[0] == '\0' && r->environment[0] == '\0' && r->agent[0] == '\0';
    for (size_t i = 0; i < CLAUDE_FILES_MAX; i++)
        none = none && r->files[i][0] == '\0';
    return none;
}

void claude_target(struct buf *out, const char *kind, const char *id, const char *more)
{
    buf_reset(out);
    (void)buf_addf(out, "/v1/%s", kind);
    if (id != NULL)
        (void)http_add_segment(out, id);
    (void)buf_add_str(out, more);
}

static void finish(struct claude_sweep *w)
{
    w->busy = false;
    w->done(w->arg, w->gone, w->gone ? NULL : &w->why);
}

static char *id_of(struct claude_sweep *w)
{
    switch (w->step) {
    case STEP_STOP:
    case STEP_SESSION:
        return w->left.session;
    case STEP_ENVIRONMENT:
        return w->left.environment;
    case STEP_AGENT:
        return w->left.agent;
    default:
        return w->left.files[w->step - STEP_FILES];
    }
}

/* Gone, or it was not there. */
static bool is_gone(const struct net_result *r)
{
    return remote_succeeded(r) ||
           (r->end == NET_ANSWERED && (r->status == 404 || r->status == 410));
}

/* "Not idle yet" is answered as one of these. */
static bool is_not_yet(const struct net_result *r)
{
    return r->end == NET_ANSWERED && (r->status == 400 || r->status == 409);
}

static bool try_again(struct claude_sweep *w, const struct net_result *r)
{
    bool yet = w->step == STEP_SESSION && is_not_yet(r);
    bool passing = r->end != NET_ANSWERED || r->status == 429 || r->status >= 500;
    if (w->step == STEP_STOP || (!yet && !passing) ||
        ++w->tries >= (yet && w->loop != NULL ? TRIES_MAX : FAILS_MAX))
        return false;
    if (yet && w->tries == 1)
        w->step = STEP_STOP;
    return true;
}

static void on_done(void *arg, const struct net_result *r)
{
    struct claude_sweep *w = arg;
    w->call = NULL;
    if (is_gone(r)) {
        w->gone = w->gone || w->step == STEP_SESSION;
    } else if (try_again(w, r)) {
        if (w->loop != NULL)
            loop_arm_us(w->loop, w->timer, PAUSE_US);
        else
            next_step(w);
        return;
    } else if (w->step != STEP_STOP) {
        struct err e = ERR_INIT;
        (void)claude_why(NULL, r, "deleting", &e);
        log_msg(LOG_WARN, "claude-managed", "%s: %s", id_of(w), e.msg);
        if (w->step == STEP_SESSION)
            w->why = e;
    }
    if (w->step != STEP_STOP) {
        id_of(w)[0] = '\0';
        w->tries = 0;
    }
    w->step++;
    next_step(w);
}

static int ask(struct claude_sweep *w)
{
    static const char stop[] = "{\"events\":[{\"type\":\"user.interrupt\"}]}";
    static const char *const kinds[] = { "sessions", "sessions", "environments", "agents",
                                         "files" };
    struct buf target = BUF_INIT(1024);
    bool post = w->step == STEP_STOP || w->step == STEP_AGENT;
    claude_target(&target, kinds[w->step < STEP_FILES ? w->step : STEP_FILES], id_of(w),
                  w->step == STEP_STOP    ? "/events"
                  : w->step == STEP_AGENT ? "/archive"
                                          : "");
    struct net_request rq = { .method = post ? "POST" : "DELETE",
                              .origin = w->server->origin,
                              .target = buf_str(&target),
                              .headers = w->server->headers,
                              .header_count = w->server->header_count,
                              .body = w->step == STEP_STOP ? stop
                                      : post               ? "{}"
                                                           : NULL,
                              .body_len = w->step == STEP_STOP ? sizeof stop - 1
                                          : post               ? 2
                                                               : 0,
                              .deadlines = { .connect_ms = 3000, .total_ms = STEP_MS },
                              .on_done = on_done,
                              .arg = w };
    int rc = net_send(w->net, &rq, &w->call, &w->why);
    buf_release(&target);
    return rc;
}

static void next_step(struct claude_sweep *w)
{
    while (w->step < STEP_DONE &&
           (id_of(w)[0] == '\0' || (w->step == STEP_STOP && !w->left.running && w->tries == 0)))
        w->step++;
    if (w->step == STEP_DONE || ask(w) < 0)
        finish(w);
}

static void on_timer(void *arg)
{
    struct claude_sweep *w = arg;
    if (w->busy)
        next_step(w);
}

void claude_sweep_init(struct claude_sweep *w, struct net *net, const struct llm_server *server,
                       struct loop *loop)
{
    *w = (struct claude_sweep){ .net = net, .server = server, .loop = loop };
    if (loop != NULL)
        w->timer = loop_add_timer(loop, on_timer, w);
}

void claude_sweep_release(struct claude_sweep *w)
{
    net_drop(w->call);
    w->call = NULL;
    w->busy = false;
    if (w->loop != NULL)
        loop_remove(w->loop, w->timer);
    w->timer = NULL;
}

void claude_sweep_start(struct claude_sweep *w, const struct claude_remains *r,
                        claude_swept_fn done, void *arg)
{
    INVARIANT(!w->busy);
    w->left = *r;
    w->step = STEP_STOP;
    w->tries = 0;
    w->busy = true;
    w->gone = r->session[0] == '\0';
    err_clear(&w->why);
    w->done = done;
    w->arg = arg;
    if (w->loop != NULL)
        loop_arm_us(w->loop, w->timer, 0); /* never from inside */
    else
        next_step(w);
}
