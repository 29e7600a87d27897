/* llm_server.c - settings become an origin with its secrets. */
#include "providers/planners/llm_server.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
    *out = (struct llm_server){ .origin = NULL };
    if (url == NULL) {
        name = config;
        url = llm_setting(cfg, config);
    }
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

int llm_server_add_header(struct llm_server *s, const char *name, const char *value, struct err *e)
{
    if (s->header_count == LLM_HEADERS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d headers", LLM_HEADERS_MAX);
    if (!http_is_token(name) || !http_is_field_value(value, strlen(value)))
        return err_set(e, ERR_USAGE, "the header %.40s is none", name);
    s->headers[s->header_count++] =
        (struct net_header){ .name = xstrdup(name), .value = xstrdup(value) };
    return 0;
}
