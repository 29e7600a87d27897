/* openai.c - any server that speaks OpenAI's chat completions plans: OpenAI, Ollama, llama.cpp,
 * vLLM, gateways. The address is the one that ends in /v1, as the vendor's own clients take it. */
#include "providers/planners/openai.h"

#include <string.h>
#include "providers/registry.h"

/* A server on this machine needs no key; if one is set it goes there, however short. */
static int add_local_key(struct llm_server *s, const struct planner_config *cfg, struct err *e)
{
    const char *v = llm_setting(cfg, "OPENAI_API_KEY");
    if (v == NULL || strlen(v) >= 8)
        return llm_server_add_key(s, cfg, "OPENAI_API_KEY", "authorization", "Bearer ", e) < 0 ? -1
                                                                                               : 0;
    char line[32] = "Bearer ";
    memcpy(line + 7, v, strlen(v) + 1);
    return llm_server_add_header(s, "authorization", line, e);
}

static int add_key(struct llm_server *s, const struct planner_config *cfg, struct err *e)
{
    if (net_origin_is_local(s->origin))
        return add_local_key(s, cfg, e);
    int rc = llm_server_add_key(s, cfg, "OPENAI_API_KEY", "authorization", "Bearer ", e);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    return err_set(e, ERR_MISSING,
                   "no key: export OPENAI_API_KEY=… and start airlock again; a server on this "
                   "machine needs none (Ollama: export OPENAI_BASE_URL=http://localhost:11434/v1; "
                   "llama.cpp: http://localhost:8080/v1)");
}

static int add_headers(struct llm_server *s, const struct planner_config *cfg, struct err *e)
{
    static const char *const optional[][2] = { { "OPENAI_ORG_ID", "openai-organization" },
                                               { "OPENAI_PROJECT_ID", "openai-project" } };
    if (llm_server_add_header(s, "content-type", "application/json", e) < 0 ||
        llm_server_add_header(s, "accept", "text/event-stream, application/json", e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(optional); i++) {
        const char *v = llm_setting(cfg, optional[i][0]);
        if (v != NULL && llm_server_add_header(s, optional[i][1], v, e) < 0)
            return err_wrap(e, "%s", optional[i][0]);
    }
    return 0;
}

static int find_server(struct llm_server *out, const struct planner_config *cfg, struct err *e)
{
    if (llm_server_open(out, cfg, "OPENAI_BASE_URL", "openai.base_url", "https://api.openai.com/v1",
                        e) < 0)
        return -1;
    if (add_headers(out, cfg, e) == 0 && add_key(out, cfg, e) == 0)
        return 0;
    llm_server_release(out);
    return -1;
}

static const char *hint(int status)
{
    return status == 401   ? "; is the key in OPENAI_API_KEY right?"
           : status == 404 ? "; is the model's name right (airlock providers -p openai), and the "
                             "address in OPENAI_BASE_URL? It mostly ends in /v1"
           : status == 405 ? "; is the address in OPENAI_BASE_URL right? It mostly ends in /v1"
                           : "";
}

/* There is no one word for it. */
static bool is_too_long(const struct llm_refusal *f)
{
    return (f->status == 400 || f->status == 413 || f->status == 422) &&
           (strstr(f->code, "context_length") != NULL || strstr(f->type, "context_size") != NULL ||
            strstr(f->message, "maximum context length") != NULL);
}

static const struct llm_dialect chat = {
    .ops = &planner_openai,
    .book = "openai",
    .target = "/chat/completions",
    .models = "/models",
    .hint = hint,
    .is_too_long = is_too_long,
    .adapt = openai_adapt,
    .find_server = find_server,
    .write = openai_write,
    .event = openai_event,
    .in_one = true,
    .echo = openai_echo,
    .recall = openai_recall,
};

static int available(const struct planner_config *cfg, struct err *e)
{
    return llm_available(&chat, cfg, e);
}

static int open_planner(struct planner **out, const struct planner_config *cfg, struct err *e)
{
    return llm_open(out, &chat, cfg, e);
}

static int list_models(const struct planner_config *cfg, planner_models_fn fn, void *arg,
                       struct err *e)
{
    return llm_list_models(&chat, cfg, fn, arg, e);
}

const struct planner_ops planner_openai = {
    .name = "openai",
    .title = "any OpenAI-compatible server plans (Ollama, llama.cpp): -p openai:MODEL[@EFFORT]",
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
