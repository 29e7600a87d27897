/* anthropic_server.c - the vendor's variables become a server with its key. [claude.md §1] */
#include "providers/planners/anthropic_server.h"

#define DEFAULT_VERSION "2026-10-21"

/* The key wins over the token, as in the vendor's own clients. [claude.md §1] */
static int add_credential(struct llm_server *s, const struct planner_config *cfg, struct err *e)
{
    if (llm_server_has(s, "x-api-key") || llm_server_has(s, "authorization"))
        return 0; /* the user's own headers hold one */
    int rc = llm_server_add_key(s, cfg, "ANTHROPIC_API_KEY", "x-api-key", "", e);
    if (rc == 0)
        rc = llm_server_add_key(s, cfg, "ANTHROPIC_AUTH_TOKEN", "authorization", "Bearer ", e);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return err_set(e, ERR_MISSING,
                   "no key: put one from https://platform.claude.com into the environment "
                   "(export ANTHROPIC_API_KEY=sk-ant-…; or ANTHROPIC_AUTH_TOKEN) and start airlock "
                   "again");
}

/* The user's own lines come last: they win, as in the vendor's clients. */
static int add_headers(struct llm_server *s, const struct planner_config *cfg, struct err *e)
{
    const char *version = llm_setting(cfg, "ANTHROPIC_VERSION");
    if (llm_server_add_header(s, "content-type", "application/json", e) < 0 ||
        llm_server_add_header(s, "accept", "application/json", e) < 0 ||
        llm_server_add_header(s, "anthropic-version", version != NULL ? version : DEFAULT_VERSION,
                              e) < 0)
        return -1;
    const char *lines = llm_setting(cfg, "ANTHROPIC_CUSTOM_HEADERS");
    return lines != NULL ? llm_server_add_lines(s, "ANTHROPIC_CUSTOM_HEADERS", lines, e) : 0;
}

int anthropic_server_find(struct llm_server *out, const char *(*setting)(void *arg, const char *),
                          void *arg, struct err *e)
{
    const struct planner_config cfg = { .setting = setting, .setting_arg = arg };
    if (llm_server_open(out, &cfg, "ANTHROPIC_BASE_URL", "anthropic.base_url",
                        "https://api.anthropic.com", e) < 0)
        return -1;
    if (add_headers(out, &cfg, e) == 0 && add_credential(out, &cfg, e) == 0)
        return 0;
    llm_server_release(out);
    return -1;
}
