/* llm_server.c - settings become an origin with its secrets. */
#include "providers/planners/llm_server.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void llm_server_release(struct llm_server *s)
{
    net_origin_free(s->origin);
    for (size_t i = 0; i < s->header_count; i++) {
        free((char *)(uintptr_t)s->headers[i].name);
        free((char *)(uintptr_t)s->headers[i].value);
    }
    *s = (struct llm_server){ .origin = NULL };
}

const char *llm_setting(const struct planner_config *cfg, const char *name)
{
    const char *v = cfg->setting != NULL ? cfg->setting(cfg->setting_arg, name) : NULL;
    return v != NULL && v[0] != '\0' ? v : NULL;
}

int llm_setting_int(const struct planner_config *cfg, const char *name, int64_t min, int64_t max,
                    int64_t *inout, struct err *e)
{
    const char *v = llm_setting(cfg, name);
    if (v == NULL)
        return 0;
    int64_t n = http_number(v, max + 1);
    if (n < min || n > max)
        return err_set(e, ERR_USAGE, "%s: a whole number from %lld to %lld, not '%.20s'", name,
                       (long long)min, (long long)max, v);
    *inout = n;
    return 0;
}

int llm_server_open(struct llm_server *out, const struct planner_config *cfg, const char *env,
                    const char *config, const char *dflt, struct err *e)
{
    const char *name = env, *url = llm_setting(cfg, env);
    if (url == NULL) {
        name = config;
        url = llm_setting(cfg, config);
    }
    *out = (struct llm_server){ .is_default = url == NULL };
    char *base = xstrdup(url != NULL ? url : dflt);
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/')
        base[--n] = '\0';
    int rc = net_origin_new(&out->origin, base, e);
    free(base);
    return rc < 0 ? err_wrap(e, "%s", name) : 0;
}

int llm_server_add_key(struct llm_server *s, const struct planner_config *cfg, const char *name,
                       const char *header, const char *prefix, struct err *e)
{
    const char *v = llm_setting(cfg, name);
    if (v == NULL)
        return 0;
    if (net_origin_add_secret(s->origin, header, prefix, v, strlen(v), e) < 0)
        return err_wrap(e, "%s", name);
    return 1;
}

bool llm_server_has(const struct llm_server *s, const char *header)
{
    for (size_t i = 0; i < s->header_count; i++) {
        if (strcasecmp(s->headers[i].name, header) == 0)
            return true;
    }
    return net_origin_has_secret(s->origin, header);
}

int llm_server_add_header(struct llm_server *s, const char *name, const char *value, struct err *e)
{
    if (!http_is_token(name) || !http_is_field_value(value, strlen(value)) ||
        net_header_is_ours(name))
        return err_set(e, ERR_USAGE, "'%.40s' is no header that can be set", name);
    size_t at = 0;
    while (at < s->header_count && strcasecmp(s->headers[at].name, name) != 0)
        at++;
    if (at == LLM_HEADERS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d headers", LLM_HEADERS_MAX);
    struct net_header *h = &s->headers[at];
    if (at == s->header_count)
        s->header_count++;
    free((char *)(uintptr_t)h->name);
    free((char *)(uintptr_t)h->value);
    *h = (struct net_header){ .name = xstrdup(name), .value = xstrdup(value) };
    return 0;
}

static int add_line(struct llm_server *s, const struct http_line *line, struct err *e)
{
    char name[HTTP_NAME_MAX + 1], *value;
    if (line->name_len == 0 || line->name_len >= sizeof name)
        return err_set(e, ERR_USAGE, "a line is not `Name: value`");
    memcpy(name, line->name, line->name_len);
    name[line->name_len] = '\0';
    if (!http_is_token(name))
        return err_set(e, ERR_USAGE, "a line is not `Name: value`");
    if (http_is_secret_name(name) && line->value_len >= 8 && !llm_server_has(s, name))
        return net_origin_add_secret(s->origin, name, "", line->value, line->value_len, e);
    value = xstrndup(line->value, line->value_len);
    int rc = llm_server_add_header(s, name, value, e);
    explicit_bzero(value, line->value_len);
    free(value);
    return rc;
}

int llm_server_add_lines(struct llm_server *s, const char *setting, const char *lines,
                         struct err *e)
{
    struct http_line line;
    while (http_next_line(&lines, &line)) {
        if (add_line(s, &line, e) < 0)
            return err_wrap(e, "%s", setting);
    }
    return 0;
}
