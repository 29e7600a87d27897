/* claude_http.c - one request to Anthropic's API: how it looks, and what may be repeated. */
#include "providers/sandboxes/claude_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sha256.h"
#include "providers/planners/anthropic_server.h"
#include "providers/planners/llm_refusal.h"

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
    struct buf body = BUF_INIT(REMOTE_REFUSAL_MAX);
    if (r->end != NET_ANSWERED) {
        *e = r->err;
        err_wrap(e, "%s", doing);
        return e->code;
    }
    if (r->body != NULL && r->body_len > 0)
        (void)buf_add(&body, r->body,
                      r->body_len < REMOTE_REFUSAL_MAX ? r->body_len : REMOTE_REFUSAL_MAX);
    else if (c != NULL)
        (void)buf_add(&body, buf_str(&c->call.refusal), c->call.refusal.len);
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

static int64_t pause_ms(void *arg, const struct net_result *r)
{
    const struct claude_call *c = arg;
    if (remote_succeeded(r) || c->call.streaming || forbids(r) || !may_go_away(r))
        return -1;
    if (c->rq.again == CLAUDE_ONCE && !net_may_retry(r))
        return -1;
    return net_backoff_ms(r, c->call.tries);
}

/* ---- sending */

static void on_head(void *arg, const struct net_response *r)
{
    struct claude_call *c = arg;
    if (c->rq.on_head != NULL)
        c->rq.on_head(c->rq.arg, r);
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct claude_call *c = arg;
    c->rq.on_data(c->rq.arg, p, len);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct claude_call *c = arg;
    free(c->type);
    c->type = NULL;
    c->rq.done(c->rq.arg, r);
}

/* The server's own headers, with the content type of this request. */
static void fill(void *arg, struct net_request *out, struct net_header *headers)
{
    const struct claude_call *c = arg;
    const struct llm_server *s = &c->http->server;
    size_t n = 0;
    for (size_t i = 0; i < s->header_count; i++) {
        bool type = strcasecmp(s->headers[i].name, "content-type") == 0;
        if (type && c->call.body == NULL)
            continue;
        headers[n] = s->headers[i];
        if (type && c->type != NULL)
            headers[n].value = c->type;
        n++;
    }
    out->origin = s->origin;
    out->header_count = n;
    out->deadlines = c->rq.deadlines;
    out->body_max = c->rq.body_max;
}

_Static_assert(LLM_HEADERS_MAX <= REMOTE_HEADERS_MAX, "all headers of a server have room");

static const struct remote_call_ops ops = { .name = "claude",
                                            .fill = fill,
                                            .pause_ms = pause_ms,
                                            .head = on_head,
                                            .data = on_data,
                                            .done = on_done };

void claude_call_init(struct claude_call *c, struct claude_http *h)
{
    *c = (struct claude_call){ .http = h };
    remote_call_init(&c->call, &ops, c, h->loop, h->net);
}

void claude_call_drop(struct claude_call *c)
{
    remote_call_drop(&c->call);
    free(c->type);
    c->type = NULL;
}

void claude_call_release(struct claude_call *c)
{
    remote_call_release(&c->call);
    free(c->type);
    c->type = NULL;
}

void claude_send(struct claude_call *c, const struct claude_request *rq)
{
    c->rq = *rq;
    c->type = rq->content_type != NULL ? xstrdup(rq->content_type) : NULL;
    remote_call_send(&c->call, rq->method, rq->target, rq->body, rq->body_len, rq->on_data != NULL);
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
