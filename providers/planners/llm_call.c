/* llm_call.c - one call to a model: budget, secrets, sending, the stream, and what to do when it
 * fails. Asking again is safe: nothing of an unfinished answer ever acts. [NET-5, NET-6] */
#include "providers/planners/llm_planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    m->status = net_status(r);
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct llm_planner *m = arg;
    struct err e = ERR_INIT;
    if (m->status != 200) {
        size_t room = REFUSAL_MAX - m->refusal.len;
        (void)buf_add(&m->refusal, p, len < room ? len : room);
        return;
    }
    if (sse_feed(&m->sse, p, len, &e) < 0 && m->bad.code == ERR_NONE)
        m->bad = e;
    if (m->phase != PHASE_CALLING || m->call == NULL)
        return;
    if (m->bad.code != ERR_NONE || m->answer.refused)
        net_cancel(m->call);
    else if (m->answer.ended)
        loop_arm_us(m->cfg.loop, m->timer, GRACE_US);
}

/* ---- its end ---- */

void llm_tell_usage(struct llm_planner *m)
{
    const struct llm_usage *u = &m->answer.usage;
    if (!m->answer.has_usage)
        return;
    struct planner_usage usage = { .source = m->source,
                                   .input_tokens = u->input,
                                   .output_tokens = u->output,
                                   .cache_read_tokens = u->cache_read,
                                   .cache_write_tokens = u->cache_write,
                                   .cost_nanousd = llm_cost(&m->facts, u) };
    struct planner_event ev = { .kind = PLANNER_USAGE, .usage = &usage };
    m->answer.has_usage = false; /* once */
    m->cfg.sink(m->cfg.arg, &m->base, &ev);
}

/* A limit that money lifts, not time. */
static bool is_spend_limit(const char *code)
{
    return strstr(code, "spend_limit") != NULL;
}

/* An answer that is not 200: `body` may be anything. True when asking again may help. */
static bool read_refusal(struct llm_planner *m, const struct net_result *r, struct err *e)
{
    struct json *o = NULL;
    char type[64] = "", message[256] = "";
    bool spent = false;
    if (m->refusal.len > 0 && json_parse(&o, m->refusal.ptr, m->refusal.len, NULL) == 0) {
        const struct json *er = json_get(o, "error");
        answer_copy_words(type, sizeof type, json_get_str(er, "type", ""));
        answer_copy_words(message, sizeof message, json_get_str(er, "message", ""));
        spent = is_spend_limit(json_get_str(json_get(er, "details"), "error_code", ""));
    }
    json_free(o);
    const char *hint = m->dialect->hint(r->status);
    err_set(e, r->status == 401 || r->status == 403 ? ERR_DENIED : ERR_NET,
            "%s: the server answered %d%s%s%s%s%s%s%s%s", m->source, r->status,
            type[0] != '\0' ? " " : "", type, message[0] != '\0' ? ": " : "", message, hint,
            r->request_id[0] != '\0' ? " (request " : "", r->request_id,
            r->request_id[0] != '\0' ? ")" : "");
    const char *should = r->response != NULL ? net_header(r->response, "x-should-retry") : NULL;
    if (should != NULL && strcmp(should, "false") == 0)
        return false;
    return !spent && (r->status == 408 || r->status == 409 || r->status == 429 || r->status >= 500);
}

/* Why there is no whole answer. True when asking again may help. */
static bool read_failure(struct llm_planner *m, const struct net_result *r, struct err *e)
{
    static const char dropped[] = "what came of the answer is incomplete and was dropped";
    const struct answer *an = &m->answer;
    if (m->bad.code != ERR_NONE) {
        *e = m->bad;
        err_wrap(e, "%s", m->source);
        return false;
    }
    if (an->refused) {
        err_set(e, ERR_NET, "%s: the server gave up: %s: %s; %s", m->source, an->error_type,
                an->error_message, dropped);
        return an->passing;
    }
    if (r->status != 0 && r->status != 200 && r->end == NET_ANSWERED)
        return read_refusal(m, r, e);
    if (r->end == NET_ANSWERED || r->end == NET_CUT) {
        err_set(e, ERR_NET, "%s: the connection ended before the answer did: %s", m->source,
                an->begun ? dropped : "nothing came of it");
        return true;
    }
    *e = r->err;
    err_wrap(e, "%s", m->source);
    return r->end == NET_UNREACHABLE || r->end == NET_TIMEOUT;
}

static void pause_or_fail(struct llm_planner *m, const struct net_result *r)
{
    struct err e = ERR_INIT;
    int64_t ms = -1;
    if (read_failure(m, r, &e) && m->tries < (unsigned)m->tries_max)
        ms = net_backoff_ms(r, m->tries);
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

static void on_done(void *arg, const struct net_result *r)
{
    struct llm_planner *m = arg;
    m->call = NULL;
    loop_arm_us(m->cfg.loop, m->timer, -1);
    if (m->phase != PHASE_CALLING)
        return;
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
    struct planner_allowance left = { -1, -1 };
    struct llm_usage worst = { .cache_write = (int64_t)(bytes / BYTES_PER_TOKEN),
                               .output = m->max_tokens };
    if (m->cfg.allowance == NULL)
        return 0;
    m->cfg.allowance(m->cfg.allowance_arg, &left);
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
    buf_reset(&m->refusal);
    err_clear(&m->bad);
    m->status = 0;
    int rc = m->dialect->write(m, &body);
    if (rc < 0)
        err_set(&e, ERR_LIMIT, "the conversation is longer than %zu MiB", BODY_MAX >> 20);
    if (rc == 0 && check_allowance(m, body.len, &e) == 0 && check_secrets(m, &body, &e) == 0 &&
        send_request(m, &body, &e) == 0) {
        m->tries++;
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
