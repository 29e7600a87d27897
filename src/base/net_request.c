/* net_request.c - a request before it is sent: what we refuse to send, and its header lines. */
#include "base/net_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX 64

/* Headers that decide how a message is framed or where it goes are set here and nowhere else. */
bool net_header_is_ours(const char *name)
{
    static const char *const ours[] = { "host",
                                        "content-length",
                                        "transfer-encoding",
                                        "connection",
                                        "accept-encoding",
                                        "expect",
                                        "upgrade",
                                        "te",
                                        "trailer",
                                        "cookie",
                                        "proxy-authorization" };
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcasecmp(ours[i], name) == 0)
            return true;
    return false;
}

static int check_header(const struct net_origin *o, const struct net_header *h, struct err *e)
{
    if (!http_is_token(h->name))
        return err_set(e, ERR_USAGE, "%s: a header has a name that is none", o->text);
    if (!http_is_field_value(h->value, strlen(h->value)))
        return err_set(e, ERR_USAGE, "%s: the header %s holds what a header can't", o->text,
                       h->name);
    if (net_header_is_ours(h->name) || net_origin_has_secret(o, h->name))
        return err_set(e, ERR_USAGE, "%s: the header %s is not the caller's", o->text, h->name);
    return 0;
}

int net_request_check(const struct net_request *rq, struct err *e)
{
    const char *where = rq->origin->text;
    if (!http_is_token(rq->method))
        return err_set(e, ERR_USAGE, "%s: the method is no word", where);
    if (!http_is_target(rq->target))
        return err_set(e, ERR_USAGE, "%s: the path of the request is not proper", where);
    if (rq->header_count > HEADERS_MAX)
        return err_set(e, ERR_USAGE, "%s: more than %d headers", where, HEADERS_MAX);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < rq->header_count; i++)
        rc = check_header(rq->origin, &rq->headers[i], e);
    return rc;
}

static void add_line(struct buf *text, size_t offsets[], size_t *count, const char *name,
                     const char *value)
{
    offsets[(*count)++] = text->len;
    (void)buf_addf(text, "%s%s%s", name, value[0] != '\0' ? ": " : "", value);
    (void)buf_add_char(text, '\0');
}

void net_lines_build(struct net_lines *l, const struct net_request *rq)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    size_t offsets[HEADERS_MAX + 2], n = 0;
    for (size_t i = 0; i < rq->header_count; i++) {
        const struct net_header *h = &rq->headers[i];
        char *bare = xasprintf("%s;", h->name); /* how libcurl is told a header without value */
        add_line(&text, offsets, &n, h->value[0] != '\0' ? h->name : bare, h->value);
        free(bare);
    }
    add_line(&text, offsets, &n, "Expect:", ""); /* off: no pause before large bodies */
    if (rq->gzip)
        add_line(&text, offsets, &n, "Accept-Encoding", "gzip");
    l->text = buf_detach(&text);
    l->count = n + rq->origin->secret_count;
    l->lines = xcalloc(l->count, sizeof *l->lines);
    for (size_t i = 0; i < l->count; i++)
        l->lines[i] = i < n ? l->text + offsets[i] : rq->origin->secrets[i - n].line;
}

void net_lines_release(struct net_lines *l)
{
    free(l->lines);
    free(l->text);
}
