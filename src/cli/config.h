/* config.h - the user's configuration file (INI, 0600, never from a project directory).
 * [interface.md "Files"]
 *
 *   planner = human            sandbox = local           theme = default
 *   [gate]      own = typed|ask   confirm = high|hex   arm_ms = 500   expire_min = 10
 *   [sessions]  trash_days = 30
 *   [anthropic] model base_url    [openai] model base_url
 *   [planner]   effort max_tokens tries first_ms idle_ms total_ms context_bytes
 *   [masks]     NAME = REGEX       what comparisons of output ignore beside the built-in masks
 *   [contract]  KEY = VALUE       as for -c
 *
 * A missing file is the defaults. An unknown key or a bad value is ERR_USAGE with file:line.
 */
#ifndef AIRLOCK_CLI_CONFIG_H
#define AIRLOCK_CLI_CONFIG_H

#include "base/buf.h"

#define CONFIG_SETTINGS 24

struct config {
    char *planner, *sandbox, *theme, *language; /* never NULL after config_load */
    bool gate_own_typed, gate_confirm_hex;
    int64_t gate_arm_ms, gate_expire_min, trash_days;
    bool mouse;
    char *settings[CONFIG_SETTINGS]; /* of planners, by their place in the table; "" not set */
    char **masks;                    /* "name=regex" */
    size_t mask_count;
    char **contract; /* "key=value" */
    size_t contract_count;
};

int config_load(struct config *c, const char *path, struct err *e) MUST_CHECK;
void config_release(struct config *c);

/* For `airlock config`: known keys with what they take, the value in force. */
struct config_key {
    const char *key, *takes, *help, *dflt /* "" none */;
};
const struct config_key *config_keys(size_t *count);
/* A setting of a planner ("planner.effort"); NULL when it is not set, or is no such thing. Lent. */
const char *config_setting(const struct config *c, const char *key);
int config_get(const struct config *c, const char *key, struct buf *out, struct err *e) MUST_CHECK;
/* Check, then rewrite the file with `key` set (comments and order kept). */
int config_set(const char *path, const char *key, const char *value, struct err *e) MUST_CHECK;

#endif
