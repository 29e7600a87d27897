/* llm_models.c - which models a server has, page after page. */
#include "providers/planners/llm_planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/redact.h"

#define LIST_MS    30000 /* planner.h: within 30 s */
#define LIST_BYTES ((int64_t)8 << 20)
#define MODELS_MAX 2000
#define PAGES_MAX  50

struct listing {
    const struct llm_dialect *dialect;
    struct planner_config cfg;
    struct llm_server server;
    char *prices; /* the user's own file; NULL none */
    planner_models_fn fn;
    void *arg;
    struct planner_model *models; /* ids and titles are owned */
    size_t count;
    unsigned pages;
    int64_t until_us;
    struct net_call *call;
};

static void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free((char *)(uintptr_t)l->models[i].id);
        free((char *)(uintptr_t)l->models[i].title);
    }
    free(l->models);
    free(l->prices);
    llm_server_release(&l->server);
    free(l);
}

static void finish(struct listing *l, struct err *e)
{
    struct buf clean = BUF_INIT(4096);
    if (e == NULL) {
        l->fn(l->arg, l->models, l->count, NULL);
    } else {
        if (l->cfg.redact != NULL && redact_text(l->cfg.redact, e->msg, strlen(e->msg), &clean) > 0)
            snprintf(e->msg, sizeof e->msg, "%s", buf_str(&clean));
        l->fn(l->arg, NULL, 0, e);
    }
    buf_release(&clean);
    listing_free(l);
}

/* A number by the first of the names that servers have for it. */
static int64_t first_count(const struct json *o, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        int64_t n = json_get_int(o, *keys, -1);
        if (n > 0)
            return n;
    }
    return -1;
}

/* What the book knows, and over it what the server says. */
static void add_model(struct listing *l, const struct json *o)
{
    static const char *const windows[] = { "max_input_tokens", "context_length", "max_model_len",
                                           NULL };
    static const char *const in_meta[] = { "n_ctx", "n_ctx_train", NULL };
    static const char *const outputs[] = { "max_tokens", "max_output_tokens", NULL };
    const char *id = json_get_str(o, "id", ""), *title;
    struct llm_facts facts;
    char words[160];
    if (id[0] == '\0' || strlen(id) > 128 || l->count == MODELS_MAX)
        return;
    title = json_get_str(o, "display_name", id);
    answer_copy_words(words, sizeof words, title);
    if (llm_facts_load(&facts, l->dialect->book, l->prices, id, NULL) < 0)
        llm_facts_find(&facts, l->dialect->book, id);
    int64_t window = first_count(o, windows), output = first_count(o, outputs);
    if (window < 0)
        window = first_count(json_get(o, "meta"), in_meta);
    l->models = xreallocarray(l->models, l->count + 1, sizeof *l->models);
    l->models[l->count++] = (struct planner_model){
        .id = xstrdup(id),
        .title = xstrdup(words),
        .context_tokens = window > 0 ? window : facts.context_tokens,
        .output_tokens = output > 0 ? output : facts.output_tokens,
        .input_nanousd_per_token = facts.price.input,
        .output_nanousd_per_token = facts.price.output,
    };
}

static int ask_page(struct listing *l, const char *after, struct err *e);

/* 1: another page is on its way. */
static int read_page(struct listing *l, const struct net_result *r, struct err *e)
{
    struct json *root = NULL;
    if (json_parse(&root, r->body, r->body_len, e) < 0)
        return err_wrap(e, "%s: the list of models is no JSON", net_origin_text(l->server.origin));
    const struct json *list = json_get(root, "data");
    int rc = 0;
    if (list == NULL || json_kind(list) != JSON_ARRAY)
        rc = err_set(e, ERR_FORMAT, "%s: there is no list of models in its answer",
                     net_origin_text(l->server.origin));
    for (const struct json *m = json_first(list); rc == 0 && m != NULL; m = json_next(m))
        add_model(l, m);
    const char *last = json_get_str(root, "last_id", "");
    if (rc == 0 && json_get_bool(root, "has_more", false) && last[0] != '\0')
        rc = ask_page(l, last, e) < 0 ? -1 : 1;
    json_free(root);
    return rc;
}

static void refuse(struct listing *l, const struct net_result *r, struct err *e)
{
    struct llm_refusal f;
    struct buf body = BUF_INIT((size_t)64 << 10);
    (void)buf_add(&body, r->body, r->body_len < body.max ? r->body_len : body.max);
    llm_read_refusal(&f, r->status, &body);
    err_set(e, r->status == 401 || r->status == 403 ? ERR_DENIED : ERR_NET,
            "%s: the server answered %d%s%s%s%s%s", l->dialect->ops->name, r->status,
            f.type[0] != '\0' ? " " : "", f.type, f.message[0] != '\0' ? ": " : "", f.message,
            l->dialect->hint(r->status));
    buf_release(&body);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct listing *l = arg;
    struct err e = ERR_INIT;
    int rc = -1;
    l->call = NULL;
    if (r->end != NET_ANSWERED)
        e = r->err;
    else if (r->status != 200)
        refuse(l, r, &e);
    else
        rc = read_page(l, r, &e);
    if (rc <= 0)
        finish(l, rc < 0 ? &e : NULL);
}

static int ask_page(struct listing *l, const char *after, struct err *e)
{
    int64_t left_ms = (l->until_us - clock_boot_us()) / 1000;
    struct buf target = BUF_INIT(4096);
    int rc = buf_add_str(&target, l->dialect->models);
    if (rc == 0 && after != NULL)
        rc = http_add_query(&target, "after_id", after);
    if (rc < 0 || ++l->pages > PAGES_MAX || left_ms <= 0)
        rc = err_set(e, ERR_LIMIT, "%s: its list of models has no end",
                     net_origin_text(l->server.origin));
    struct net_request rq = {
        .method = "GET",
        .origin = l->server.origin,
        .target = buf_str(&target),
        .headers = l->server.headers,
        .header_count = l->server.header_count,
        .deadlines = { .total_ms = left_ms > 0 ? (int)left_ms : 1 },
        .body_max = LIST_BYTES,
        .gzip = true,
        .on_done = on_done,
        .arg = l,
    };
    if (rc == 0)
        rc = net_send(l->cfg.net, &rq, &l->call, e);
    buf_release(&target);
    return rc;
}

int llm_list_models(const struct llm_dialect *d, const struct planner_config *cfg,
                    planner_models_fn fn, void *arg, struct err *e)
{
    struct listing *l = xcalloc(1, sizeof *l);
    *l = (struct listing){ .dialect = d,
                           .cfg = *cfg,
                           .fn = fn,
                           .arg = arg,
                           .until_us = clock_boot_us() + INT64_C(1000) * LIST_MS };
    const char *prices = llm_prices_file(d, cfg);
    l->prices = prices != NULL ? xstrdup(prices) : NULL;
    if (d->find_server(&l->server, cfg, e) == 0 && ask_page(l, NULL, e) == 0)
        return 0;
    listing_free(l);
    return -1;
}
