/* e2b_control.c - bodies and answers of the control plane: create, list, one sandbox. [e2b.md §2]
 */
#include <string.h>

#include "providers/sandboxes/e2b_int.h"

#define SLASH24 "0.0.0.0/0"

void e2b_target(struct buf *out, const char *id, const char *action)
{
    buf_reset(out);
    (void)buf_add_str(out, "/sandboxes");
    (void)http_add_segment(out, id);
    if (action[0] != '\0')
        (void)http_add_segment(out, action);
}

/* ---- create */

static void write_rules(struct json_w *w, const struct contract *c)
{
    if (c->network == NETWORK_ALLOW) {
        json_w_array(w, "allowOut");
        for (size_t i = 0; i < c->host_count; i++)
            json_w_str(w, NULL, c->hosts[i]);
        json_w_close_array(w);
    }
    if (c->network != NETWORK_OPEN) {
        json_w_array(w, "denyOut");
        json_w_str(w, NULL, SLASH24);
        json_w_close_array(w);
    }
}

/* What the contract says of the network, as rules that leave nothing to a default: nobody outside
 * reaches a port, the list is the whole list. */
static void write_network(struct json_w *w, const struct contract *c)
{
    json_w_bool(w, "allow_internet_access", c->network != NETWORK_DENY);
    json_w_object(w, "network");
    json_w_bool(w, "allowPublicTraffic", false);
    write_rules(w, c);
    json_w_close_object(w);
}

/* The same for one that runs: what is not named is cleared, who may come in stays. */
int e2b_write_network(const struct e2b *s, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_bool(&w, "allow_internet_access", s->contract.network != NETWORK_DENY);
    write_rules(&w, &s->contract);
    json_w_close_object(&w);
    return json_w_end(&w);
}

int64_t e2b_lease_s(const struct e2b *s)
{
    int64_t wanted = s->contract.ttl_s + E2B_SLACK_S;
    return wanted < E2B_LEASE_S ? wanted : E2B_LEASE_S;
}

int e2b_write_create(const struct e2b *s, struct buf *out)
{
    const struct contract *c = &s->contract;
    struct json_w w;
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "templateID", s->snapshot[0] != '\0' ? s->snapshot : s->template);
    json_w_int(&w, "timeout", e2b_lease_s(s));
    if (s->v1)
        json_w_bool(&w, "secure", true);
    json_w_object(&w, "metadata");
    json_w_str(&w, E2B_LABEL_KEY, s->label);
    json_w_close_object(&w);
    json_w_object(&w, "envVars");
    for (size_t i = 0; i < c->env_count; i++)
        if (s->env_values[i] != NULL)
            json_w_str(&w, c->env[i], s->env_values[i]);
    json_w_close_object(&w);
    write_network(&w, c);
    json_w_close_object(&w);
    return json_w_end(&w);
}

static int take_text(const struct json *o, const char *key, char *to, size_t size, struct err *e)
{
    const char *v = json_get_str(o, key, "");
    if (strlen(v) >= size)
        return err_set(e, ERR_FORMAT, "e2b: the server's %s is longer than %zu bytes", key, size);
    memcpy(to, v, strlen(v) + 1);
    return 0;
}

int e2b_take_sandbox(struct e2b *s, const char *body, size_t len, struct err *e)
{
    struct json *o = NULL;
    const char *id;
    if (json_parse(&o, body, len, e) < 0)
        return err_wrap(e, "e2b: the answer to create");
    int rc = json_need_str(o, "create", "sandboxID", &id, e);
    if (rc == 0) {
        char *dash; /* an old server's "<id>-<client>" */
        rc = take_text(o, "sandboxID", s->id, sizeof s->id, e);
        if ((dash = strchr(s->id, '-')) != NULL)
            *dash = '\0';
    }
    if (rc == 0 && !e2b_is_id(s->id))
        rc = err_set(e, ERR_FORMAT, "e2b: the server named the sandbox '%.40s'", s->id);
    if (rc == 0)
        rc = take_text(o, "envdVersion", s->version, sizeof s->version, e);
    if (rc == 0)
        rc = take_text(o, "domain", s->domain, sizeof s->domain, e);
    if (rc == 0)
        rc = take_text(o, "envdAccessToken", s->envd_token, sizeof s->envd_token, e);
    if (rc == 0)
        rc = take_text(o, "trafficAccessToken", s->traffic_token, sizeof s->traffic_token, e);
    json_free(o);
    return rc;
}

/* ---- list */

/* Percent-encoding that leaves unreserved characters alone. */
static void add_encoded(struct buf *out, const char *s)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *s != '\0'; s++) {
        if (strchr(plain, *s) != NULL)
            (void)buf_add_char(out, *s);
        else
            (void)buf_addf(out, "%%%02X", (unsigned char)*s);
    }
}

void e2b_write_list_target(const char *label, const char *next, struct buf *out)
{
    struct buf pair = BUF_INIT(4096), once = BUF_INIT(4096);
    (void)buf_add_str(out, "/v2/sandboxes");
    (void)http_add_query(out, "state", "running,paused");
    (void)http_add_query(out, "limit", "100");
    if (label != NULL) { /* the server decodes three times: encoded twice here, once by add_query */
        add_encoded(&once, label);
        (void)buf_add_str(&pair, E2B_LABEL_KEY "=");
        add_encoded(&pair, buf_str(&once));
        (void)http_add_query(out, "metadata", buf_str(&pair));
    }
    if (next != NULL)
        (void)http_add_query(out, "nextToken", next);
    buf_release(&pair);
    buf_release(&once);
}

int e2b_read_listing(const char *body, size_t len, const char *label, char (*ids)[E2B_ID_MAX],
                     size_t max, struct err *e)
{
    struct json *o = NULL;
    size_t n = 0;
    if (json_parse(&o, body, len, e) < 0)
        return err_wrap(e, "e2b: the list of sandboxes");
    if (json_kind(o) != JSON_ARRAY) {
        json_free(o);
        return err_set(e, ERR_FORMAT, "e2b: the list of sandboxes is no list");
    }
    for (const struct json *item = json_first(o); item != NULL && n < max; item = json_next(item)) {
        const char *id = json_get_str(item, "sandboxID", "");
        const char *has = json_get_str(json_get(item, "metadata"), E2B_LABEL_KEY, "");
        if (strcmp(has, label) == 0 && e2b_is_id(id))
            memcpy(ids[n++], id, strlen(id) + 1);
    }
    json_free(o);
    return (int)n;
}
