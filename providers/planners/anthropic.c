/* anthropic.c - Claude plans, over the Messages API. [claude.md §1–5] */
#include "providers/planners/anthropic.h"

#include <string.h>
#include "providers/registry.h"

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
                   "again; without one, -p human and -p runbook:FILE.md work");
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

static int find_server(struct llm_server *out, const struct planner_config *cfg, struct err *e)
{
    if (llm_server_open(out, cfg, "ANTHROPIC_BASE_URL", "anthropic.base_url",
                        "https://api.anthropic.com", e) < 0)
        return -1;
    if (add_headers(out, cfg, e) == 0 && add_credential(out, cfg, e) == 0)
        return 0;
    llm_server_release(out);
    return -1;
}

static const char *hint(int status)
{
    return status == 401   ? "; is the key in ANTHROPIC_API_KEY right?"
           : status == 404 ? "; is the model's name right? airlock run -p anthropic:MODEL"
                           : "";
}

static const struct llm_dialect messages = {
    .ops = &planner_anthropic,
    .book = "anthropic",
    .default_model = "claude-opus-5-5",
    .target = "/v1/messages",
    .models = "/v1/models?limit=100",
    .hint = hint,
    .find_server = find_server,
    .write = anthropic_write,
    .event = anthropic_event,
    .echo = anthropic_echo,
    .recall = anthropic_recall,
};

static int available(const struct planner_config *cfg, struct err *e)
{
    return llm_available(&messages, cfg, e);
}

static int open_planner(struct planner **out, const struct planner_config *cfg, struct err *e)
{
    return llm_open(out, &messages, cfg, e);
}

static int list_models(const struct planner_config *cfg, planner_models_fn fn, void *arg,
                       struct err *e)
{
    return llm_list_models(&messages, cfg, fn, arg, e);
}

const struct planner_ops planner_anthropic = {
    .name = "anthropic",
    .title = "Claude plans: -p anthropic:MODEL[@EFFORT]; needs ANTHROPIC_API_KEY",
    .caps = PLANNER_NEEDS_KEY | PLANNER_STREAMS | PLANNER_NETWORK,
    .available = available,
    .open = open_planner,
    .task = llm_words,
    .message = llm_words,
    .observe = llm_observe,
    .plan_edited = llm_plan_edited,
    .cancel = llm_cancel,
    .close = llm_close,
    .resume = llm_resume,
    .queued = llm_queued,
    .set_model = llm_set_model,
    .context = llm_context,
    .list_models = list_models,
};
