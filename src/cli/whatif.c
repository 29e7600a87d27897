/* whatif.c - the calls of a record at the prices of every model in the books. */
#include "cli/whatif.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const books[] = { "anthropic", "openai" };

struct offer {
    const char *book;
    char *model;
    int64_t nanousd;
};

struct offers {
    const struct whatif *w;
    const char *book;
    struct offer *list;
    size_t count;
};

void whatif_add(struct whatif *w, const struct cost_sum *call)
{
    w->full |= w->count == WHATIF_CALLS_MAX;
    if (w->full)
        return;
    if (w->count == w->cap) {
        w->cap = w->cap > 0 ? w->cap * 2 : 64;
        w->calls = xreallocarray(w->calls, w->cap, sizeof *w->calls);
    }
    w->calls[w->count++] = (struct llm_usage){ .input = call->input_tokens,
                                               .output = call->output_tokens,
                                               .cache_read = call->cache_read_tokens,
                                               .cache_write = call->cache_write_tokens };
}

void whatif_release(struct whatif *w)
{
    free(w->calls);
    *w = (struct whatif){ .count = 0 };
}

static void on_model(void *arg, const char *model, const struct llm_facts *facts)
{
    struct offers *o = arg;
    int64_t sum = 0;
    for (size_t i = 0; i < o->w->count; i++) {
        int64_t cost = llm_cost(facts, &o->w->calls[i]);
        if (cost < 0)
            return; /* no price is known */
        if (__builtin_add_overflow(sum, cost, &sum))
            sum = INT64_MAX;
    }
    o->list = xreallocarray(o->list, o->count + 1, sizeof *o->list);
    o->list[o->count++] = (struct offer){ o->book, xstrdup(model), sum };
}

static int by_price(const void *a, const void *b)
{
    const struct offer *x = a, *y = b;
    if (x->nanousd != y->nanousd)
        return x->nanousd < y->nanousd ? -1 : 1;
    return strcmp(x->model, y->model);
}

int whatif_each(const struct whatif *w, const char *(*setting)(void *arg, const char *name),
                void *setting_arg, whatif_fn fn, void *arg, struct err *e)
{
    struct offers o = { .w = w };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(books); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.prices", books[i]);
        const char *file = setting(setting_arg, name);
        o.book = books[i];
        rc = llm_facts_each(books[i], file != NULL && file[0] != '\0' ? file : NULL, on_model, &o,
                            e);
    }
    if (o.count > 0)
        qsort(o.list, o.count, sizeof *o.list, by_price);
    for (size_t i = 0; rc == 0 && i < o.count; i++)
        fn(arg, o.list[i].book, o.list[i].model, o.list[i].nanousd);
    for (size_t i = 0; i < o.count; i++)
        free(o.list[i].model);
    free(o.list);
    return rc;
}
