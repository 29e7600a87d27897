/* anthropic.c - Claude plans, over the Messages API. [claude.md §1–5] */
#include "providers/planners/anthropic.h"

#include "providers/planners/anthropic_server.h"
#include "providers/registry.h"

static int find_server(struct llm_server *out, const struct planner_config *cfg, struct err *e)
{
    struct err why = ERR_INIT;
    if (anthropic_server_find(out, cfg->setting, cfg->setting_arg, &why) == 0)
        return 0;
    return err_set(e, why.code, "%s%s", why.msg,
                   why.code == ERR_MISSING ? "; without one, -p human and -p runbook:FILE.md work"
                                           : "");
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
