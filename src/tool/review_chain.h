/* review_chain.h - inside the review of Python and JavaScript: what the two files on dotted names
 * share (review_chain.c, review_steps.c). Nobody else includes it. */
#ifndef AIRLOCK_TOOL_REVIEW_CHAIN_H
#define AIRLOCK_TOOL_REVIEW_CHAIN_H

#include "tool/review_names.h"

static inline bool chain_is(const struct chain *c, const char *name)
{
    return c->name[0] == name[0] && strcmp(c->name, name) == 0; /* asked often, seldom true */
}

static inline bool chain_ends(const struct chain *c, const char *tail)
{
    size_t n = strlen(tail);
    return c->len >= n && memcmp(c->name + c->len - n, tail, n) == 0;
}

/* The name so far: set it, add to it, take `n` bytes off its end. */
void chain_set(struct chain *c, const char *p, size_t len);
void chain_append(struct chain *c, const char *p, size_t len);
void chain_cut(struct chain *c, size_t n);
/* The name has changed at its root: is it one that the rules know? */
void chain_check_root(const struct names *n, struct chain *c);
/* One name for what has several. */
void chain_normalise(struct names *n, struct chain *c);
/* The chain of an argument; false when they are nested too deep to follow. */
bool chain_resolve_inner(struct names *n, size_t i, struct chain *out);

/* c->at is the `(` or the `[` of the next step. */
void chain_take_call(struct names *n, struct chain *c);
void chain_take_index(struct names *n, struct chain *c);

#endif
