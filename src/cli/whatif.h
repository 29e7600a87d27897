/* whatif.h - what the calls of a record would have cost at other models' prices: the same tokens,
 * each call priced by itself, as long prompts cost more. Another model would have used other
 * tokens: it is a comparison of prices, no forecast. */
#ifndef AIRLOCK_CLI_WHATIF_H
#define AIRLOCK_CLI_WHATIF_H

#include "providers/planners/llm_price.h"
#include "tool/cost.h"

#define WHATIF_CALLS_MAX 1000000

struct whatif {
    struct llm_usage *calls;
    size_t count, cap;
    bool full; /* more calls than WHATIF_CALLS_MAX: the rest does not count */
};

void whatif_add(struct whatif *w, const struct cost_sum *call);
void whatif_release(struct whatif *w);

/* Of one model: nanodollars of all calls. */
typedef void (*whatif_fn)(void *arg, const char *book, const char *model, int64_t nanousd);
/* Each model of known price in the books of `setting` ("anthropic.prices" names the user's), the
 * cheapest first. */
int whatif_each(const struct whatif *w, const char *(*setting)(void *arg, const char *name),
                void *setting_arg, whatif_fn fn, void *arg, struct err *e) MUST_CHECK;

#endif
