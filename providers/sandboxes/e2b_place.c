/* e2b_place.c - the vendor's variables, and the words of its errors. */
#include "providers/sandboxes/e2b_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

#define DOMAIN "e2b.app"

/* ---- variables */

static const char *get(e2b_setting_fn setting, void *arg, const char *name)
{
    const char *v = setting != NULL ? setting(arg, name) : NULL;
    return v != NULL && v[0] != '\0' ? v : NULL;
}

static bool is_domain(const char *s)
{
    return strlen(s) <= E2B_DOMAIN_MAX && s[0] != '.' && s[0] != '-' &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0';
}

static int check_url(const char *name, const char *url, struct err *e)
{
    struct net_origin *o = NULL;
    int rc = net_origin_new(&o, url, e);
    net_origin_free(o);
    return rc < 0 ? err_wrap(e, "%s", name) : 0;
}

int e2b_place_read(struct e2b_place *out, e2b_setting_fn setting, void *arg, struct err *e)
{
    const char *domain = get(setting, arg, "E2B_DOMAIN"), *api = get(setting, arg, "E2B_API_URL");
    const char *sandbox = get(setting, arg, "E2B_SANDBOX_URL");
    const char *debug = get(setting, arg, "E2B_DEBUG");
    struct e2b_place p = { .debug = debug != NULL && strcasecmp(debug, "true") == 0 };
    domain = domain != NULL ? domain : DOMAIN;
    if (!p.debug && get(setting, arg, "E2B_API_KEY") == NULL)
        return err_set(
            e, ERR_MISSING,
            "no key for E2B; fix: export E2B_API_KEY=e2b_… (from the dashboard, e2b.dev)");
    if (!is_domain(domain))
        return err_set(e, ERR_USAGE, "E2B_DOMAIN is no domain: %.80s", domain);
    if ((api != NULL && check_url("E2B_API_URL", api, e) < 0) ||
        (sandbox != NULL && check_url("E2B_SANDBOX_URL", sandbox, e) < 0))
        return -1;
    p.domain = xstrdup(domain);
    p.api_url = api != NULL ? xstrdup(api)
                : p.debug   ? xstrdup("http://localhost:3000")
                            : xasprintf("https://api.%s", domain);
    p.sandbox_url = sandbox != NULL ? xstrdup(sandbox) : NULL;
    *out = p;
    return 0;
}

void e2b_place_release(struct e2b_place *p)
{
    free(p->domain);
    free(p->sandbox_url);
    free(p->api_url);
    *p = (struct e2b_place){ .debug = false };
}

int e2b_place_api(const struct e2b_place *p, e2b_setting_fn setting, void *arg,
                  struct net_origin **out, struct err *e)
{
    struct net_origin *o;
    const char *key = get(setting, arg, "E2B_API_KEY");
    if (net_origin_new(&o, p->api_url, e) < 0)
        return -1;
    if (key != NULL && net_origin_add_secret(o, "X-API-Key", "", key, strlen(key), e) < 0) {
        net_origin_free(o);
        return err_wrap(e, "E2B_API_KEY");
    }
    *out = o;
    return 0;
}

bool e2b_is_id(const char *id)
{
    size_t len = strlen(id);
    return len > 0 && len < E2B_ID_MAX &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static int add_token(struct net_origin *o, const char *header, const char *token, struct err *e)
{
    if (token == NULL || token[0] == '\0')
        return 0;
    return net_origin_add_secret(o, header, "", token, strlen(token), e);
}

int e2b_place_port(const struct e2b_place *p, const struct e2b_address *a, int port,
                   struct net_origin **out, struct err *e)
{
    struct net_origin *o;
    const char *domain = a->domain != NULL ? a->domain : p->domain;
    if (!is_domain(domain) || !e2b_is_id(a->id))
        return err_set(e, ERR_FORMAT, "the server named a sandbox '%.64s' in domain '%.64s'", a->id,
                       domain);
    char *url = p->sandbox_url != NULL ? xstrdup(p->sandbox_url)
                : p->debug             ? xasprintf("http://localhost:%d", port)
                                       : xasprintf("https://%d-%s.%s", port, a->id, domain);
    int rc = net_origin_new(&o, url, e);
    free(url);
    if (rc < 0)
        return -1;
    if (add_token(o, "X-Access-Token", a->envd_token, e) < 0 ||
        (port != E2B_PORT_ENVD &&
         add_token(o, "E2B-Traffic-Access-Token", a->traffic_token, e) < 0)) {
        net_origin_free(o);
        return err_wrap(e, "the sandbox's token");
    }
    *out = o;
    return 0;
}

/* ---- answers */

static void copy_words(char *to, size_t size, const char *from, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < size; i++) {
        unsigned char c = (unsigned char)from[i];
        if (c >= 0x20 && c < 0x7F)
            to[n++] = (char)c;
        else if (n > 0 && to[n - 1] != ' ')
            to[n++] = ' ';
    }
    to[n] = '\0';
}

/* Plain text counts, a page of HTML does not. */
static void read_text(struct e2b_refusal *out, const char *body, size_t len)
{
    if (len > 0 && body[0] != '<')
        copy_words(out->message, sizeof out->message, body, len);
}

void e2b_refusal_read(struct e2b_refusal *out, int status, const char *body, size_t len)
{
    struct json *o = NULL;
    *out = (struct e2b_refusal){ .not_found = false };
    if (len == 0 || json_parse(&o, body, len, NULL) < 0) {
        read_text(out, body, len);
        return;
    }
    const char *message = json_get_str(o, "message", ""), *code = json_get_str(o, "error_code", "");
    if (code[0] == '\0')
        code = json_get_str(o, "code", ""); /* envd's RPC; a number elsewhere */
    copy_words(out->message, sizeof out->message, message, strlen(message));
    copy_words(out->code, sizeof out->code, code, strlen(code));
    out->not_found = status == 502 && strstr(message, "was not found") != NULL;
    out->port_closed = status == 502 && strstr(message, "port is not open") != NULL;
    out->in_transition = status == 409 && strstr(message, "transition") != NULL;
    out->at_cap = status == 429 && strstr(message, "maximum number") != NULL;
    json_free(o);
}

static const char *hint_of(const struct net_result *r, const struct e2b_refusal *why)
{
    if (why->not_found)
        return "the sandbox expired, was killed or is paused; the next run starts a new one";
    if (why->port_closed)
        return "nothing listens there: is the template one with the code interpreter?";
    if (why->at_cap)
        return "end others first: airlock sandboxes";
    if (strcmp(why->code, "sandbox_capacity_unavailable") == 0 ||
        strcmp(why->code, "sandbox_placement_timeout") == 0)
        return "E2B has no room at the moment: try again";
    switch (r->status) {
    case 401:
        return "is the key in E2B_API_KEY right?";
    case 403:
        return "the team may not do this: credit, a block, or a template of others";
    case 404:
        return "is the name after e2b: right, and the sandbox still there?";
    case 409:
        return "it is in another state: try again in a moment";
    case 429:
        return "too many requests: try again in a moment";
    case 507:
        return "the sandbox's disk is full";
    default:
        return r->status >= 500 ? "trouble at E2B: try again" : "";
    }
}

enum err_code e2b_explain(struct err *e, const char *doing, const struct net_result *r,
                          const struct e2b_refusal *why)
{
    if (r->end != NET_ANSWERED) {
        *e = r->err;
        err_wrap(e, "e2b: %s", doing);
        return e->code;
    }
    const char *hint = hint_of(r, why);
    enum err_code code = r->status == 401 || r->status == 403 ? ERR_DENIED
                         : why->at_cap                        ? ERR_LIMIT
                                                              : ERR_NET;
    err_set(e, code, "e2b: %s: the server answered %d%s%s%s%s%s%s", doing, r->status,
            why->message[0] != '\0' ? ": " : "", why->message, hint[0] != '\0' ? "; " : "", hint,
            r->request_id[0] != '\0' ? "; request " : "", r->request_id);
    return code;
}
