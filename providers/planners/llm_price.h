/* llm_price.h - what is known of a model beforehand: price, room, ways to think. From
 * share/prices/BOOK.json, which is compiled in, and a file of the user's. Prices change: cost is an
 * estimate. */
#ifndef AIRLOCK_PLANNERS_LLM_PRICE_H
#define AIRLOCK_PLANNERS_LLM_PRICE_H

#include "base/buf.h"

/* Nanodollars per token ($1 per million tokens = 1000). */
struct llm_price {
    int64_t input, output, cache_read, cache_write;
};

struct llm_facts {
    bool known; /* is in the book; if not, every other field is its neutral value */
    struct llm_price price;
    int64_t long_tokens; /* a prompt of more tokens than this costs long_price; 0: no such thing */
    struct llm_price long_price;
    int64_t context_tokens, output_tokens; /* -1 unknown */
    char thinking[16]; /* how it is asked for: "adaptive", "budget", "none"; "" unknown */
    bool effort;       /* takes an effort */
};

struct llm_usage {
    int64_t input, output, cache_read, cache_write;
};

/* A model's id, or an id with a date behind it ("claude-haiku-4-5-20251001"). */
void llm_facts_find(struct llm_facts *out, const char *book, const char *model);

/* The same, with a book of the user's over it: a private file of the same form; NULL none. ERR_IO,
 * ERR_MISSING, ERR_DENIED, ERR_FORMAT, of that file. */
int llm_facts_load(struct llm_facts *out, const char *book, const char *file, const char *model,
                   struct err *e) MUST_CHECK;

typedef void (*llm_facts_fn)(void *arg, const char *model, const struct llm_facts *facts);
/* Each model of the book and of the user's over it, whose facts then count. Errors as above. */
int llm_facts_each(const char *book, const char *file, llm_facts_fn fn, void *arg,
                   struct err *e) MUST_CHECK;

/* In nanodollars; -1 when the price is unknown. Never overflows: absurd counts are capped. */
int64_t llm_cost(const struct llm_facts *f, const struct llm_usage *u);

#endif
