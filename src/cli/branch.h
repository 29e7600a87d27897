/* branch.h - a session of its own that begins with the variables another one had after a run.
 *
 * The parent is only read. The new session names it with `parent` (ID:RUN), the sequence number of
 * the last event of that run and the parent's chain after it, so that `verify` can tell whether the
 * parent is still the same; its saved namespace is copied, so the branch does not need the parent.
 */
#ifndef AIRLOCK_CLI_BRANCH_H
#define AIRLOCK_CLI_BRANCH_H

#include "sessions/store.h"
#include "tool/state.h"

struct branch {
    struct store *store; /* of the parent; borrowed, as is the state */
    const struct state *state;
    const struct state_run *run, *from; /* gone back to; whose namespace it is */
    char parent[STORE_ID_MAX + 16], name[112];
    bool snapshot; /* the provider's snapshot of `from`, not its namespace */
    uint64_t seq;
    char chain[SHA256_HEX_LEN + 1];
};
/* ERR_MISSING: no variables are saved there; the message says what to do. */
int branch_describe(struct branch *b, struct store *store, const struct state *st, uint32_t run,
                    struct err *e) MUST_CHECK;
/* Copy the namespace into `to`, whose state is `st`: checkpoint.made of run 0. */
int branch_bring(const struct branch *b, struct store *to, struct state *st,
                 struct err *e) MUST_CHECK;

#endif
