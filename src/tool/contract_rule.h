/* contract_rule.h - the contract's keys as a table, shared by contract.c (what is said about one)
 * and contract_set.c (how one is read). Nobody else includes it. */
#ifndef AIRLOCK_TOOL_CONTRACT_RULE_H
#define AIRLOCK_TOOL_CONTRACT_RULE_H

#include "tool/contract.h"

#define BUDGET_USD_MAX 100000
#define NANO_PER_USD   INT64_C(1000000000)

enum key_kind {
    KEY_LIFECYCLE,
    KEY_INTEGER,
    KEY_NETWORK,
    KEY_MOUNT,
    KEY_PYTHON,
    KEY_ENV,
    KEY_BUDGET,
    KEY_STRICT
};

struct key_rule {
    enum key_kind kind;
    size_t offset; /* KEY_INTEGER: of an int64_t in struct contract */
    int64_t min, max, dflt;
    struct contract_key words;
};

#define CONTRACT_KEY_COUNT 15
extern const struct key_rule contract_rules[CONTRACT_KEY_COUNT];

/* The rule of a key spelled exactly so; NULL: none. */
const struct key_rule *contract_rule_find(const char *key, size_t len);
int64_t *contract_int_field(struct contract *c, const struct key_rule *r);
void contract_drop_lists(struct contract *c); /* frees hosts, mounts, env names */

/* Its value in `c`, as the canonical text has it. */
void contract_rule_value(const struct contract *c, const struct key_rule *r, struct buf *out);
/* Read `value` for `r` into `c`. ERR_USAGE; `c` is then as it was. */
int contract_set_value(struct contract *c, const struct key_rule *r, const char *value,
                       struct err *e) MUST_CHECK;

#endif
