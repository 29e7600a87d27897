/* llm_call.c - one call to a model: budget, secrets, sending, the stream, and what to do when it
 * fails. Asking again is safe: nothing of an unfinished answer ever acts. [NET-5, NET-6] */
#include "providers/planners/llm_planner.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/redact.h"

#define BODY_MAX        ((size_t)32 << 20)
#define REFUSAL_MAX     ((size_t)64 << 10)
#define BYTES_PER_TOKEN 3 /* a careful estimate: the newest tokenizers are above it */
#define GRACE_US        INT64_C(2000000) /* for the connection to end after the answer has */

/* ---- the stream ---- */

static void on_piece(void *arg, enum planner_event_kind kind, const char *language,
                     const char *text, size_t len)
{
    struct llm_planner *m = arg;
    if (m->phase != PHASE_CALLING)
        return;
    struct planner_event ev = { .kind = kind, .language = language, .text = text, .text_len = len };
    m->cfg.sink(m->cfg.arg, &m->base, &ev);
}

static void on_event(void *arg, const struct sse_event *ev)
{
    struct llm_planner *m = arg;
    if (m->phase != PHASE_CALLING || m->bad.code != ERR_NONE)
        return;
    if (m->dialect->event(&m->answer, ev, &m->bad) < 0)
        err_wrap(&m->bad, "the answer makes no sense and was dropped");
}

static void on_head(void *arg, const struct net_response *r)
{
    struct llm_planner *m = arg;
    const char *type = net_header(r, "content-type");
    m->status = net_status(r);
    m->in_one = m->dialect->in_one && m->status == 200 && type != NULL &&
                strncasecmp(type, "application/json", 16) == 0;
}

/* What is no stream: kept, to be read when all of it is there. */
static void keep_body(struct llm_planner *m, const char *p, size_t len)
{
    size_t max = m->in_one ? m->body.max : REFUSAL_MAX, room = max - m->body.len;
    (void)buf_add(&m->body, p, len < room ? len : room);
    if (m->in_one && len > room)
        err_set(&m->bad, ERR_LIMIT, "the answer is longer than %zu MiB", m->body.max >> 20);
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct llm_planner *m = arg;
    struct err e = ERR_INIT;
    if (m->status != 200 || m->in_one)
        keep_body(m, p, len);
    else if (sse_feed(&m->sse, p, len, &e) < 0 && m->bad.code == ERR_NONE)
        m->bad = e;
    if (m->phase != PHASE_CALLING || m->call == NULL)
        return;
    if (m->bad.code != ERR_NONE || m->answer.refused)
        net_cancel(m->call);
    else if (m->answer.ended)
        loop_arm_us(m->cfg.loop, m->timer, GRACE_US);
}

/* ---- its end ---- */

/* Where a limit holds, what a server does not count is counted here, carefully. */
static bool estimate(struct llm_planner *m)
{
    struct answer *an = &m->answer;
    size_t asked = m->asked_bytes;
    m->asked_bytes = 0;
    if (an->has_usage || !m->limited || asked == 0 || (m->status != 200 && m->status != 0))
        return false;
    an->usage = (struct llm_usage){ .input = (int64_t)(asked / BYTES_PER_TOKEN),
                                    .output = (int64_t)(an->bytes / BYTES_PER_TOKEN) };
    return an->has_usage = true;
}

void llm_tell_usage(struct llm_planner *m)
{
    const struct llm_usage *u = &m->answer.usage;
    char source[192];
    bool estimated = estimate(m);
    if (!m->answer.has_usage)
        return;
    snprintf(source, sizeof source, "%s%s", m->source, estimated ? ", estimated" : "");
    struct planner_usage usage = { .source = source,
                                   .input_tokens = u->input,
                                   .output_tokens = u->output,
                                   .cache_read_tokens = u->cache_read,
                                   .cache_write_tokens = u->cache_write,
                                   .cost_nanousd = llm_cost(&m->facts, u) };
    struct planner_event ev = { .kind = PLANNER_USAGE, .usage = &usage };
    m->answer.has_usage = false; /* once */
    m->last_input = u->input + u->cache_read + u->cache_write;
    m->last_output = u->output;
    m->cfg.sink(m->cfg.arg, &m->base, &ev);
}

static void ask_again(struct llm_planner *m, struct err *e)
{
    m->phase = PHASE_IDLE;
    m->tries--;
    m->wanted = true;
    llm_fail(m, e, 1);
    llm_wake(m);
}

static void pause_or_fail(struct llm_planner *m, const struct net_result *r)
{
    struct err e = ERR_INIT;
    int64_t ms = -1;
    switch (llm_read_failure(m, r, &e)) {
    case FAILURE_ADAPTED:
        ask_again(m, &e);
        return;
    case FAILURE_FULL:
        m->answer.why = WHY_FULL;
        llm_take(m);
        return;
    case FAILURE_PASSING:
        if (m->tries < (unsigned)m->tries_max)
            ms = net_backoff_ms(r, m->tries);
        break;
    case FAILURE_FINAL:
        break;
    }
    m->phase = PHASE_IDLE;
    if (ms < 0) {
        llm_fail(m, &e, 0);
        return;
    }
    m->phase = PHASE_PAUSING;
    loop_arm_us(m->cfg.loop, m->timer, ms * 1000);
    size_t said = strlen(e.msg);
    snprintf(e.msg + said, sizeof e.msg - said, "; try %u of %d in %.1f s", m->tries + 1,
             (int)m->tries_max, (double)ms / 1000);
    llm_fail(m, &e, ms > 0 ? ms : 1);
}

/* A body that holds the whole answer proves its end by being whole. */
static void read_body(struct llm_planner *m)
{
    struct sse_event ev = {
        .type = "message", .data = buf_str(&m->body), .data_len = m->body.len, .id = ""
    };
    on_event(m, &ev);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct llm_planner *m = arg;
    m->call = NULL;
    loop_arm_us(m->cfg.loop, m->timer, -1);
    if (m->phase != PHASE_CALLING)
        return;
    if (m->in_one && r->end == NET_ANSWERED)
        read_body(m);
    if (r->end == NET_ANSWERED && m->answer.may_end)
        m->answer.ended = true;
    if (r->end == NET_UNREACHABLE)
        m->asked_bytes = 0;
    llm_tell_usage(m);
    if (m->phase != PHASE_CALLING)
        return; /* whoever heard it stopped us */
    bool whole =
        m->answer.ended && m->bad.code == ERR_NONE && !m->answer.refused && m->status == 200;
    /* Its last event proves its end, however the connection ends. */
    if (whole && (r->end == NET_ANSWERED || r->end == NET_CUT || r->end == NET_TIMEOUT))
        llm_take(m);
    else
        pause_or_fail(m, r);
}

/* ---- sending ---- */

/* The worst that this call may cost must be within what is left. [RES-5] */
static int check_allowance(const struct llm_planner *m, size_t bytes, struct err *e)
{
    struct planner_allowance left = m->left;
    struct llm_usage worst = { .cache_write = (int64_t)(bytes / BYTES_PER_TOKEN),
                               .output = m->max_tokens };
    if (!m->limited)
        return 0;
    int64_t cost = llm_cost(&m->facts, &worst);
    if (left.nanousd >= 0 && cost < 0)
        return err_set(e, ERR_LIMIT,
                       "%s: its price is unknown, so a budget can't be kept; take a model whose "
                       "price is known, or no budget",
                       m->source);
    if (left.nanousd >= 0 && cost > left.nanousd)
        return err_set(e, ERR_LIMIT,
                       "%s: the next call may cost $%.4f, and $%.4f of the budget are left",
                       m->source, (double)cost / 1e9, (double)left.nanousd / 1e9);
    if (left.tokens >= 0 && worst.cache_write + worst.output > left.tokens)
        return err_set(e, ERR_LIMIT, "%s: the next call may take more tokens than are left",
                       m->source);
    return 0;
}

static int check_secrets(const struct llm_planner *m, const struct buf *body, struct err *e)
{
    size_t at;
    const char *name = m->cfg.redact != NULL && !redact_is_empty(m->cfg.redact)
                           ? redact_find(m->cfg.redact, body->ptr, body->len, &at)
                           : NULL;
    if (name == NULL)
        return 0;
    return err_set(e, ERR_DENIED, "not sent: the conversation holds the secret %s", name);
}

static int send_request(struct llm_planner *m, const struct buf *body, struct err *e)
{
    struct net_request rq = {
        .method = "POST",
        .origin = m->server.origin,
        .target = m->dialect->target,
        .headers = m->server.headers,
        .header_count = m->server.header_count,
        .body = body->ptr,
        .body_len = body->len,
        .deadlines = { .first_byte_ms = (int)m->first_ms,
                       .idle_ms = (int)m->idle_ms,
                       .total_ms = (int)m->total_ms,
                       .may_be_slow = true },
        .gzip = true,
        .on_head = on_head,
        .on_data = on_data,
        .on_done = on_done,
        .arg = m,
    };
    return net_send(m->cfg.net, &rq, &m->call, e);
}

void llm_call(struct llm_planner *m)
{
    struct err e = ERR_INIT;
    struct buf body = BUF_INIT(BODY_MAX);
    sse_release(&m->sse);
    sse_init(&m->sse, SSE_EVENT_MAX, on_event, m);
    answer_release(&m->answer);
    answer_init(&m->answer, on_piece, m);
    m->answer.serial = m->serial++;
    buf_reset(&m->body);
    err_clear(&m->bad);
    m->status = 0;
    m->in_one = false;
    m->left = (struct planner_allowance){ -1, -1 };
    if (m->cfg.allowance != NULL)
        m->cfg.allowance(m->cfg.allowance_arg, &m->left);
    m->limited = m->left.nanousd >= 0 || m->left.tokens >= 0;
    int rc = m->dialect->write(m, &body);
    if (rc < 0)
        err_set(&e, ERR_LIMIT, "the conversation is longer than %zu MiB", BODY_MAX >> 20);
    if (rc == 0 && check_allowance(m, body.len, &e) == 0 && check_secrets(m, &body, &e) == 0 &&
        send_request(m, &body, &e) == 0) {
        m->tries++;
        m->asked_bytes = body.len;
        m->phase = PHASE_CALLING;
    } else {
        m->phase = PHASE_IDLE;
        llm_fail(m, &e, 0);
    }
    buf_release(&body);
}

void llm_drop(struct llm_planner *m)
{
    net_drop(m->call);
    m->call = NULL;
    loop_arm_us(m->cfg.loop, m->timer, -1);
}
