/* llm_price.c - a price book is one JSON object: model id → facts. */
#include "providers/planners/llm_price.h"

#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/path.h"
#include "base/share.h"

#define TOKENS_MAX INT64_C(1000000000000) /* of one call; beyond it a server talks nonsense */

static void read_price(const struct json *o, struct llm_price *out)
{
    out->input = json_get_int(o, "input", -1);
    out->output = json_get_int(o, "output", -1);
    out->cache_read = json_get_int(o, "cache_read", out->input);
    out->cache_write = json_get_int(o, "cache_write", out->input);
}

static void read_facts(const struct json *o, struct llm_facts *out)
{
    out->known = true;
    read_price(o, &out->price);
    const struct json *l = json_get(o, "long");
    if (l != NULL) {
        out->long_tokens = json_get_int(l, "above", 0);
        read_price(l, &out->long_price);
    }
    out->context_tokens = json_get_int(o, "context", -1);
    out->output_tokens = json_get_int(o, "max_output", -1);
    out->effort = json_get_bool(o, "effort", false);
    snprintf(out->thinking, sizeof out->thinking, "%s", json_get_str(o, "thinking", ""));
}

/* "-20251001" */
static bool is_date(const char *s)
{
    return s[0] == '-' && strlen(s) == 9 && strspn(s + 1, "0123456789") == 8;
}

static const struct llm_facts unknown = { .price = { -1, -1, -1, -1 },
                                          .context_tokens = -1,
                                          .output_tokens = -1 };

/* *models is NULL on failure. The caller frees *root. */
static int open_book(struct json **root, const struct json **models, const char *p, size_t len,
                     struct err *e)
{
    *root = NULL;
    *models = NULL;
    if (json_parse(root, p, len, e) < 0)
        return -1;
    *models = json_get(*root, "models");
    if (*models != NULL && json_kind(*models) == JSON_OBJECT)
        return 0;
    *models = NULL;
    return err_set(e, ERR_FORMAT, "there is no object \"models\" in it");
}

/* 1 when the model is in it. */
static int read_book(struct llm_facts *out, const char *p, size_t len, const char *model,
                     struct err *e)
{
    struct json *root;
    const struct json *models;
    int found = open_book(&root, &models, p, len, e);
    for (const struct json *m = json_first(models); found >= 0 && m != NULL; m = json_next(m)) {
        size_t n = strlen(json_key(m));
        if (strncmp(json_key(m), model, n) != 0 || (model[n] != '\0' && !is_date(model + n)))
            continue;
        read_facts(m, out);
        found = 1;
    }
    json_free(root);
    return found;
}

void llm_facts_find(struct llm_facts *out, const char *book, const char *model)
{
    char name[64];
    *out = unknown;
    snprintf(name, sizeof name, "prices/%s.json", book);
    const struct share_file *f = share_find(name);
    if (f != NULL)
        (void)read_book(out, f->ptr, f->len, model, NULL);
}

int llm_facts_load(struct llm_facts *out, const char *book, const char *file, const char *model,
                   struct err *e)
{
    struct buf text = BUF_INIT((size_t)256 << 10);
    llm_facts_find(out, book, model);
    if (file == NULL)
        return 0;
    int rc = path_read_private(file, &text, e);
    if (rc == 0)
        rc = read_book(out, buf_str(&text), text.len, model, e);
    buf_release(&text);
    return rc < 0 ? err_wrap(e, "%s.prices %s", book, file) : 0;
}

int llm_facts_each(const char *book, const char *file, llm_facts_fn fn, void *arg, struct err *e)
{
    struct buf own = BUF_INIT((size_t)256 << 10);
    struct json *roots[2] = { NULL, NULL };
    const struct json *books[2] = { NULL, NULL };
    char name[64];
    snprintf(name, sizeof name, "prices/%s.json", book);
    const struct share_file *f = share_find(name);
    int rc = f != NULL ? open_book(&roots[0], &books[0], f->ptr, f->len, e) : 0;
    if (rc == 0 && file != NULL)
        rc = path_read_private(file, &own, e);
    if (rc == 0 && file != NULL)
        rc = open_book(&roots[1], &books[1], buf_str(&own), own.len, e);
    for (int i = 0; rc == 0 && i < 2; i++) {
        for (const struct json *m = json_first(books[i]); m != NULL; m = json_next(m)) {
            struct llm_facts facts = unknown;
            if (i == 0 && books[1] != NULL && json_get(books[1], json_key(m)) != NULL)
                continue;
            read_facts(m, &facts);
            fn(arg, json_key(m), &facts);
        }
    }
    json_free(roots[0]);
    json_free(roots[1]);
    buf_release(&own);
    return rc < 0 ? err_wrap(e, "%s.prices %s", book, file != NULL ? file : "") : 0;
}

static int64_t capped(int64_t tokens)
{
    return tokens < 0 ? 0 : tokens > TOKENS_MAX ? TOKENS_MAX : tokens;
}

int64_t llm_cost(const struct llm_facts *f, const struct llm_usage *u)
{
    const struct llm_price *p = &f->price;
    int64_t in = capped(u->input), read = capped(u->cache_read), write = capped(u->cache_write);
    if (f->long_tokens > 0 && in + read + write > f->long_tokens)
        p = &f->long_price;
    if (p->input < 0 || p->output < 0)
        return -1;
    return in * p->input + capped(u->output) * p->output + read * p->cache_read +
           write * p->cache_write;
}
