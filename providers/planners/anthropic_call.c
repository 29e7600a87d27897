/* anthropic_call.c - one call to the Messages API: budget, secrets, sending, the stream, and what
 * to do when it fails. Asking again is safe: nothing of an unfinished answer ever acts. [NET-5,
 * NET-6]
 */
#include "providers/planners/anthropic.h"

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
    struct anthropic *a = arg;
    if (a->phase != PHASE_CALLING)
        return;
    struct planner_event ev = { .kind = kind, .language = language, .text = text, .text_len = len };
    a->cfg.sink(a->cfg.arg, &a->base, &ev);
}

static void on_event(void *arg, const struct sse_event *ev)
{
    struct anthropic *a = arg;
    if (a->phase != PHASE_CALLING || a->bad.code != ERR_NONE)
        return;
    if (answer_event(&a->answer, ev, &a->bad) < 0)
        err_wrap(&a->bad, "the answer makes no sense and was dropped");
}

static void on_head(void *arg, const struct net_response *r)
{
    struct anthropic *a = arg;
    a->status = net_status(r);
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct anthropic *a = arg;
    struct err e = ERR_INIT;
    if (a->status != 200) {
        size_t room = REFUSAL_MAX - a->refusal.len;
        (void)buf_add(&a->refusal, p, len < room ? len : room);
        return;
    }
    if (sse_feed(&a->sse, p, len, &e) < 0 && a->bad.code == ERR_NONE)
        a->bad = e;
    if (a->phase != PHASE_CALLING || a->call == NULL)
        return;
    if (a->bad.code != ERR_NONE || a->answer.refused)
        net_cancel(a->call);
    else if (a->answer.ended)
        loop_arm_us(a->cfg.loop, a->timer, GRACE_US);
}

/* ---- its end ---- */

void anthropic_tell_usage(struct anthropic *a)
{
    const struct llm_usage *u = &a->answer.usage;
    if (!a->answer.has_usage)
        return;
    struct planner_usage usage = { .source = a->source,
                                   .input_tokens = u->input,
                                   .output_tokens = u->output,
                                   .cache_read_tokens = u->cache_read,
                                   .cache_write_tokens = u->cache_write,
                                   .cost_nanousd = llm_cost(&a->facts, u) };
    struct planner_event ev = { .kind = PLANNER_USAGE, .usage = &usage };
    a->answer.has_usage = false; /* once */
    a->cfg.sink(a->cfg.arg, &a->base, &ev);
}

/* A limit that money lifts, not time. */
static bool is_spend_limit(const char *code)
{
    return strstr(code, "spend_limit") != NULL;
}

/* An answer that is not 200: `body` may be anything. True when asking again may help. */
static bool read_refusal(struct anthropic *a, const struct net_result *r, struct err *e)
{
    struct json *o = NULL;
    char type[64] = "", message[256] = "";
    bool spent = false;
    if (a->refusal.len > 0 && json_parse(&o, a->refusal.ptr, a->refusal.len, NULL) == 0) {
        const struct json *er = json_get(o, "error");
        answer_copy_words(type, sizeof type, json_get_str(er, "type", ""));
        answer_copy_words(message, sizeof message, json_get_str(er, "message", ""));
        spent = is_spend_limit(json_get_str(json_get(er, "details"), "error_code", ""));
    }
    json_free(o);
    const char *hint = r->status == 401   ? "; is the key in ANTHROPIC_API_KEY right?"
                       : r->status == 404 ? "; is the model's name right? airlock run -p "
                                            "anthropic:MODEL"
                                          : "";
    err_set(e, r->status == 401 || r->status == 403 ? ERR_DENIED : ERR_NET,
            "%s: the server answered %d%s%s%s%s%s%s%s%s", a->source, r->status,
            type[0] != '\0' ? " " : "", type, message[0] != '\0' ? ": " : "", message, hint,
            r->request_id[0] != '\0' ? " (request " : "", r->request_id,
            r->request_id[0] != '\0' ? ")" : "");
    const char *should = r->response != NULL ? net_header(r->response, "x-should-retry") : NULL;
    if (should != NULL && strcmp(should, "false") == 0)
        return false;
    return !spent && (r->status == 408 || r->status == 409 || r->status == 429 || r->status >= 500);
}

/* Why there is no whole answer. True when asking again may help. */
static bool read_failure(struct anthropic *a, const struct net_result *r, struct err *e)
{
    static const char dropped[] = "what came of the answer is incomplete and was dropped";
    const struct answer *an = &a->answer;
    if (a->bad.code != ERR_NONE) {
        *e = a->bad;
        err_wrap(e, "%s", a->source);
        return false;
    }
    if (an->refused) {
        err_set(e, ERR_NET, "%s: the server gave up: %s: %s; %s", a->source, an->error_type,
                an->error_message, dropped);
        return strcmp(an->error_type, "overloaded_error") == 0 ||
               strcmp(an->error_type, "api_error") == 0 ||
               strcmp(an->error_type, "timeout_error") == 0 ||
               strcmp(an->error_type, "rate_limit_error") == 0;
    }
    if (r->status != 0 && r->status != 200 && r->end == NET_ANSWERED)
        return read_refusal(a, r, e);
    if (r->end == NET_ANSWERED || r->end == NET_CUT) {
        err_set(e, ERR_NET, "%s: the connection ended before the answer did: %s", a->source,
                an->begun ? dropped : "nothing came of it");
        return true;
    }
    *e = r->err;
    err_wrap(e, "%s", a->source);
    return r->end == NET_UNREACHABLE || r->end == NET_TIMEOUT;
}

static void pause_or_fail(struct anthropic *a, const struct net_result *r)
{
    struct err e = ERR_INIT;
    int64_t ms = -1;
    if (read_failure(a, r, &e) && a->tries < (unsigned)a->tries_max)
        ms = net_backoff_ms(r, a->tries);
    a->phase = PHASE_IDLE;
    if (ms < 0) {
        anthropic_fail(a, &e, 0);
        return;
    }
    a->phase = PHASE_PAUSING;
    loop_arm_us(a->cfg.loop, a->timer, ms * 1000);
    size_t said = strlen(e.msg);
    snprintf(e.msg + said, sizeof e.msg - said, "; try %u of %d in %.1f s", a->tries + 1,
             (int)a->tries_max, (double)ms / 1000);
    anthropic_fail(a, &e, ms > 0 ? ms : 1);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct anthropic *a = arg;
    a->call = NULL;
    loop_arm_us(a->cfg.loop, a->timer, -1);
    if (a->phase != PHASE_CALLING)
        return;
    anthropic_tell_usage(a);
    if (a->phase != PHASE_CALLING)
        return; /* whoever heard it stopped us */
    bool whole =
        a->answer.ended && a->bad.code == ERR_NONE && !a->answer.refused && a->status == 200;
    /* Its last event proves its end, however the connection ends. */
    if (whole && (r->end == NET_ANSWERED || r->end == NET_CUT || r->end == NET_TIMEOUT))
        anthropic_take(a);
    else
        pause_or_fail(a, r);
}

/* ---- sending ---- */

/* The worst that this call may cost must be within what is left. [RES-5] */
static int check_allowance(const struct anthropic *a, size_t bytes, struct err *e)
{
    struct planner_allowance left = { -1, -1 };
    struct llm_usage worst = { .cache_write = (int64_t)(bytes / BYTES_PER_TOKEN),
                               .output = a->max_tokens };
    if (a->cfg.allowance == NULL)
        return 0;
    a->cfg.allowance(a->cfg.allowance_arg, &left);
    int64_t cost = llm_cost(&a->facts, &worst);
    if (left.nanousd >= 0 && cost < 0)
        return err_set(e, ERR_LIMIT,
                       "%s: its price is unknown, so a budget can't be kept; take a model whose "
                       "price is known, or no budget",
                       a->source);
    if (left.nanousd >= 0 && cost > left.nanousd)
        return err_set(e, ERR_LIMIT,
                       "%s: the next call may cost $%.4f, and $%.4f of the budget are left",
                       a->source, (double)cost / 1e9, (double)left.nanousd / 1e9);
    if (left.tokens >= 0 && worst.cache_write + worst.output > left.tokens)
        return err_set(e, ERR_LIMIT, "%s: the next call may take more tokens than are left",
                       a->source);
    return 0;
}

static int check_secrets(const struct anthropic *a, const struct buf *body, struct err *e)
{
    size_t at;
    const char *name = a->cfg.redact != NULL && !redact_is_empty(a->cfg.redact)
                           ? redact_find(a->cfg.redact, body->ptr, body->len, &at)
                           : NULL;
    if (name == NULL)
        return 0;
    return err_set(e, ERR_DENIED, "not sent: the conversation holds the secret %s", name);
}

static int send_request(struct anthropic *a, const struct buf *body, struct err *e)
{
    const struct net_header headers[] = { { "content-type", "application/json" },
                                          { "accept", "application/json" },
                                          { "anthropic-version", a->version } };
    struct net_request rq = {
        .method = "POST",
        .origin = a->origin,
        .target = "/v1/messages",
        .headers = headers,
        .header_count = ARRAY_LEN(headers),
        .body = body->ptr,
        .body_len = body->len,
        .deadlines = { .first_byte_ms = (int)a->first_ms,
                       .idle_ms = (int)a->idle_ms,
                       .total_ms = (int)a->total_ms,
                       .may_be_slow = true },
        .gzip = true,
        .on_head = on_head,
        .on_data = on_data,
        .on_done = on_done,
        .arg = a,
    };
    return net_send(a->cfg.net, &rq, &a->call, e);
}

void anthropic_call(struct anthropic *a)
{
    struct err e = ERR_INIT;
    struct buf body = BUF_INIT(BODY_MAX);
    sse_release(&a->sse);
    sse_init(&a->sse, SSE_EVENT_MAX, on_event, a);
    answer_release(&a->answer);
    answer_init(&a->answer, on_piece, a);
    buf_reset(&a->refusal);
    err_clear(&a->bad);
    a->status = 0;
    int rc = anthropic_write(a, &body);
    if (rc < 0)
        err_set(&e, ERR_LIMIT, "the conversation is longer than %zu MiB", BODY_MAX >> 20);
    if (rc == 0 && check_allowance(a, body.len, &e) == 0 && check_secrets(a, &body, &e) == 0 &&
        send_request(a, &body, &e) == 0) {
        a->tries++;
        a->phase = PHASE_CALLING;
    } else {
        a->phase = PHASE_IDLE;
        anthropic_fail(a, &e, 0);
    }
    buf_release(&body);
}

void anthropic_drop(struct anthropic *a)
{
    net_drop(a->call);
    a->call = NULL;
    loop_arm_us(a->cfg.loop, a->timer, -1);
}
