/* claude_http.c - one request to Anthropic's API, repeated where that can do no harm. */
#include "providers/sandboxes/claude_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/sha256.h"
#include "providers/planners/anthropic_server.h"
#include "providers/planners/llm_refusal.h"

#define REFUSAL_MAX ((size_t)64 << 10)

/* ---- the server */

static int add_beta(struct llm_server *s, const char *beta, struct err *e)
{
    const char *theirs = NULL;
    for (size_t i = 0; i < s->header_count; i++)
        if (strcasecmp(s->headers[i].name, "anthropic-beta") == 0)
            theirs = s->headers[i].value;
    char *both = theirs != NULL ? xasprintf("%s,%s", theirs, beta) : xstrdup(beta);
    int rc = llm_server_add_header(s, "anthropic-beta", both, e);
    free(both);
    return rc;
}

int claude_http_open(struct claude_http *out, struct loop *loop, struct net *net,
                     sandbox_setting_fn setting, void *arg, const char *beta, struct err *e)
{
    *out = (struct claude_http){ .loop = loop, .net = net };
    if (anthropic_server_find(&out->server, setting, arg, e) < 0)
        return -1;
    if (beta == NULL || add_beta(&out->server, beta, e) == 0)
        return 0;
    claude_http_release(out);
    return -1;
}

void claude_http_release(struct claude_http *h)
{
    llm_server_release(&h->server);
}

bool claude_is_id(const char *id)
{
    size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return n > 0 && n < CLAUDE_ID_MAX && id[n] == '\0';
}

/* ---- answers */

bool claude_succeeded(const struct net_result *r)
{
    return r->end == NET_ANSWERED && r->status >= 200 && r->status < 300;
}

static enum err_code code_of(const struct llm_refusal *f)
{
    if (f->spent || f->status == 402)
        return ERR_LIMIT;
    switch (f->status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
    case 410:
        return ERR_MISSING;
    case 400:
    case 413:
    case 422:
        return ERR_FORMAT;
    default:
        return ERR_NET;
    }
}

enum err_code claude_why(struct claude_call *c, const struct net_result *r, const char *doing,
                         struct err *e)
{
    struct llm_refusal f;
    struct buf body = BUF_INIT(REFUSAL_MAX);
    if (r->end != NET_ANSWERED) {
        *e = r->err;
        err_wrap(e, "%s", doing);
        return e->code;
    }
    if (r->body != NULL && r->body_len > 0)
        (void)buf_add(&body, r->body, r->body_len < REFUSAL_MAX ? r->body_len : REFUSAL_MAX);
    else if (c != NULL)
        (void)buf_add(&body, buf_str(&c->refusal), c->refusal.len);
    llm_read_refusal(&f, r->status, &body);
    bool words = f.message[0] != '\0', id = r->request_id[0] != '\0';
    err_set(e, code_of(&f), "%s: the server answered %d%s%s%s%s%s%s%s%s", doing, r->status,
            f.type[0] != '\0' ? " " : "", f.type, words ? ": " : "", f.message,
            r->status == 401 ? "; is the key in ANTHROPIC_API_KEY right?" : "",
            id ? " (request " : "", r->request_id, id ? ")" : "");
    buf_release(&body);
    return e->code;
}

/* ---- again? The server may forbid it or ask for it by name. [claude.md §1] */

static bool forbids(const struct net_result *r)
{
    const char *v = r->response != NULL ? net_header(r->response, "x-should-retry") : NULL;
    return v != NULL && strcmp(v, "false") == 0;
}

static bool may_go_away(const struct net_result *r)
{
    if (r->end != NET_ANSWERED)
        return r->end == NET_UNREACHABLE || r->end == NET_TIMEOUT || r->end == NET_CUT;
    return r->status == 408 || r->status == 409 || r->status == 429 || r->status >= 500;
}

static int64_t pause_ms(const struct claude_call *c, const struct net_result *r)
{
    if (claude_succeeded(r) || c->streaming || forbids(r) || !may_go_away(r))
        return -1;
    if (c->rq.again == CLAUDE_ONCE && !net_may_retry(r))
        return -1;
    return net_backoff_ms(r, c->tries);
}

/* ---- sending */

static void on_timer(void *arg);

void claude_call_init(struct claude_call *c, struct claude_http *h)
{
    *c = (struct claude_call){ .http = h };
    c->timer = loop_add_timer(h->loop, on_timer, c);
    buf_init(&c->refusal, REFUSAL_MAX);
}

static void forget(struct claude_call *c)
{
    free(c->target);
    free(c->body);
    free(c->type);
    c->target = c->type = NULL;
    c->body = NULL;
    c->busy = c->streaming = false;
}

void claude_call_drop(struct claude_call *c)
{
    net_drop(c->net);
    c->net = NULL;
    loop_arm_us(c->http->loop, c->timer, -1);
    forget(c);
}

void claude_call_release(struct claude_call *c)
{
    if (c->http == NULL)
        return;
    claude_call_drop(c);
    loop_remove(c->http->loop, c->timer);
    buf_release(&c->refusal);
    c->http = NULL;
}

void claude_call_pause(struct claude_call *c, bool on)
{
    if (c->net == NULL)
        return;
    if (on)
        net_pause(c->net);
    else
        net_resume(c->net);
}

static void on_head(void *arg, const struct net_response *r)
{
    struct claude_call *c = arg;
    c->streaming = net_status(r) == 200;
    if (c->streaming && c->rq.on_head != NULL)
        c->rq.on_head(c->rq.arg, r);
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct claude_call *c = arg;
    if (c->streaming) {
        c->rq.on_data(c->rq.arg, p, len);
        return;
    }
    size_t room = REFUSAL_MAX - c->refusal.len;
    (void)buf_add(&c->refusal, p, len < room ? len : room);
}

static void finish(struct claude_call *c, const struct net_result *r)
{
    claude_done_fn done = c->rq.done;
    void *arg = c->rq.arg;
    forget(c);
    done(arg, r);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct claude_call *c = arg;
    c->net = NULL;
    int64_t ms = pause_ms(c, r);
    if (ms < 0) {
        finish(c, r);
        return;
    }
    log_msg(LOG_INFO, "claude", "%s %s: %s %d, again in %lld ms", c->rq.method, c->target,
            net_end_name(r->end), r->status, (long long)ms);
    loop_arm_us(c->http->loop, c->timer, ms * 1000);
}

/* The server's own headers, with the content type of this request. */
static size_t headers_of(const struct claude_call *c, struct net_header *out)
{
    const struct llm_server *s = &c->http->server;
    size_t n = 0;
    for (size_t i = 0; i < s->header_count; i++) {
        bool type = strcasecmp(s->headers[i].name, "content-type") == 0;
        if (type && c->body == NULL)
            continue;
        out[n] = s->headers[i];
        if (type && c->type != NULL)
            out[n].value = c->type;
        n++;
    }
    return n;
}

static void send_now(struct claude_call *c)
{
    struct net_header headers[LLM_HEADERS_MAX];
    const struct claude_request *rq = &c->rq;
    struct net_request request = {
        .method = rq->method,
        .origin = c->http->server.origin,
        .target = c->target,
        .headers = headers,
        .header_count = headers_of(c, headers),
        .body = c->body,
        .body_len = rq->body_len,
        .deadlines = rq->deadlines,
        .body_max = rq->body_max,
        .on_head = rq->on_data != NULL ? on_head : NULL,
        .on_data = rq->on_data != NULL ? on_data : NULL,
        .on_done = on_done,
        .arg = c,
    };
    c->tries++;
    c->streaming = false;
    buf_reset(&c->refusal);
    if (net_send(c->http->net, &request, &c->net, &c->failed) < 0)
        loop_arm_us(c->http->loop, c->timer, 0);
}

static void on_timer(void *arg)
{
    struct claude_call *c = arg;
    if (c->failed.code != ERR_NONE) {
        struct net_result r = { .end = NET_UNREACHABLE, .retry_after_ms = -1, .err = c->failed };
        err_clear(&c->failed);
        finish(c, &r);
        return;
    }
    send_now(c);
}

void claude_send(struct claude_call *c, const struct claude_request *rq)
{
    INVARIANT(!c->busy);
    c->rq = *rq;
    c->busy = true;
    c->tries = 0;
    err_clear(&c->failed);
    c->target = xstrdup(rq->target);
    c->body = rq->body != NULL ? xmemdup(rq->body, rq->body_len) : NULL;
    c->type = rq->content_type != NULL ? xstrdup(rq->content_type) : NULL;
    send_now(c);
}

/* ---- a file */

int claude_write_upload(const char *name, const char *mime, const void *p, size_t len,
                        struct buf *body, char type[80])
{
    uint8_t raw[16]; /* nobody can have put it into the file */
    char boundary[2 * sizeof raw + 1];
    random_bytes(raw, sizeof raw);
    hex_encode(raw, sizeof raw, boundary);
    snprintf(type, 80, "multipart/form-data; boundary=airlock-%s", boundary);
    if (buf_addf(body,
                 "--airlock-%s\r\nContent-Disposition: form-data; name=\"file\"; "
                 "filename=\"%s\"\r\nContent-Type: %s\r\n\r\n",
                 boundary, name, mime) < 0 ||
        buf_add(body, p, len) < 0)
        return -1;
    return buf_addf(body, "\r\n--airlock-%s--\r\n", boundary);
}
