/* state_net.c - what a run reached for under network=allow: attempts and how they ended. */
#include "tool/state_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NET_TEXT_MAX 300 /* bytes of each string that are kept */

void state_nets_free(struct state_run *r)
{
    for (size_t i = 0; i < r->net_count; i++) {
        free(r->nets[i].host);
        free(r->nets[i].method);
        free(r->nets[i].address);
        free(r->nets[i].why);
    }
    free(r->nets);
    r->nets = NULL;
    r->net_count = 0;
}

struct state_net *state_nets_copy(const struct state_run *r)
{
    struct state_net *to = r->nets != NULL ? xcalloc(STATE_NETS_MAX, sizeof *to) : NULL;
    for (size_t i = 0; to != NULL && i < r->net_count; i++) {
        to[i] = r->nets[i];
        to[i].host = xstrdup(r->nets[i].host);
        to[i].method = xstrdup(r->nets[i].method);
        to[i].address = xstrdup(r->nets[i].address);
        to[i].why = xstrdup(r->nets[i].why);
    }
    return to;
}

static const char *const verdicts[] = { "allowed", "refused", "failed" };

const char *net_verdict_name(enum net_verdict v)
{
    return (size_t)v < ARRAY_LEN(verdicts) ? verdicts[v] : "unknown";
}

/* A word that a newer program may have written is no permission. */
static enum net_verdict read_verdict(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
        if (strcmp(word, verdicts[i]) == 0)
            return (enum net_verdict)i;
    return NET_REFUSED;
}

static char *take(const struct json *body, const char *key)
{
    return xstrndup(body_str(body, key), NET_TEXT_MAX);
}

static uint64_t count_of(const struct json *body, const char *key)
{
    int64_t n = json_get_int(body, key, 0);
    return n > 0 ? (uint64_t)n : 0;
}

static void add_net(struct state_run *r, const struct event *ev, enum net_verdict verdict)
{
    if (r->nets == NULL)
        r->nets = xcalloc(STATE_NETS_MAX, sizeof *r->nets);
    r->nets[r->net_count++] = (struct state_net){
        .attempt = (uint32_t)count_of(ev->body, "attempt"),
        .verdict = verdict,
        .host = take(ev->body, "host"),
        .port = (uint32_t)count_of(ev->body, "port"),
        .method = take(ev->body, "method"),
        .address = xstrdup(""),
        .why = take(ev->body, "why"),
        .background = json_get_bool(ev->body, "background", false),
        .open = verdict == NET_ALLOWED,
    };
}

int state_on_net_asked(struct state *st, const struct event *ev, struct effects *out, struct err *e)
{
    (void)out;
    enum net_verdict verdict = read_verdict(body_str(ev->body, "verdict"));
    struct state_run *r = ev->run != 0 ? state_need_run(st, ev, e) : NULL;
    if (ev->run == 0)
        return 0;
    if (r == NULL)
        return -1;
    r->net_asked++;
    r->net_refused += verdict == NET_REFUSED;
    if (r->net_count < STATE_NETS_MAX)
        add_net(r, ev, verdict);
    return 0;
}

/* Of the newest sandbox's attempt of that number: an older one's was closed with it. */
int state_on_net_closed(struct state *st, const struct event *ev, struct effects *out,
                        struct err *e)
{
    (void)out;
    struct state_run *r = ev->run != 0 ? state_need_run(st, ev, e) : NULL;
    uint64_t attempt = count_of(ev->body, "attempt");
    if (ev->run == 0)
        return 0;
    if (r == NULL)
        return -1;
    r->net_sent += count_of(ev->body, "sent_bytes");
    r->net_received += count_of(ev->body, "received_bytes");
    for (size_t i = r->net_count; i-- > 0;) {
        struct state_net *n = &r->nets[i];
        if (n->attempt != attempt || !n->open)
            continue;
        n->open = false;
        n->sent = count_of(ev->body, "sent_bytes");
        n->received = count_of(ev->body, "received_bytes");
        free(n->address);
        n->address = take(ev->body, "address");
        if (body_str(ev->body, "why")[0] != '\0') {
            free(n->why);
            n->why = take(ev->body, "why");
        }
        break;
    }
    return 0;
}

void state_net_say(const struct state_net *n, struct buf *out)
{
    bool v6 = strchr(n->host, ':') != NULL;
    (void)buf_addf(out, "%s %s", net_verdict_name(n->verdict), n->method);
    if (n->host[0] != '\0')
        (void)buf_addf(out, "%s%s%s%s:%" PRIu32, n->method[0] != '\0' ? " " : "", v6 ? "[" : "",
                       n->host, v6 ? "]" : "", n->port);
    if (n->address[0] != '\0' && strcmp(n->address, n->host) != 0)
        (void)buf_addf(out, " (%s)", n->address);
    if (n->background)
        (void)buf_add_str(out, ", in the background");
    if (n->verdict == NET_ALLOWED && !n->open)
        (void)buf_addf(out, ", %" PRIu64 " bytes out, %" PRIu64 " in", n->sent, n->received);
    if (n->why[0] != '\0')
        (void)buf_addf(out, ": %s", n->why);
}

const struct state_net *state_net_of(const struct state_run *r, const struct event *ev)
{
    uint64_t attempt = count_of(ev->body, "attempt");
    for (size_t i = r->net_count; i-- > 0;)
        if (r->nets[i].attempt == attempt)
            return &r->nets[i];
    return NULL;
}
