/* contract.h - parsing, printing and digesting the contract (the struct is providers/contract.h).
 * [architecture §3] */
#ifndef AIRLOCK_TOOL_CONTRACT_H
#define AIRLOCK_TOOL_CONTRACT_H

#include "base/json.h"
#include "base/sha256.h"
#include "providers/contract.h"
#include "providers/sandbox.h"

void contract_init(struct contract *c); /* the strict defaults */
void contract_release(struct contract *c);
void contract_copy(struct contract *dst, const struct contract *src); /* dst uninitialised */

/* One `KEY=VALUE` of `-c`. ERR_USAGE names the key, what it takes and the range; an unknown key
 * names the nearest one. */
int contract_set(struct contract *c, const char *key_value, struct err *e) MUST_CHECK;
/* Take note of what `ops` runs by itself: part of the digest from then on. */
void contract_note_introspection(struct contract *c, const struct sandbox_ops *ops);
/* Lines of KEY = VALUE as for `-c`, `#` begins a comment (contract_text.c). All or nothing:
 * ERR_USAGE names the line. */
int contract_set_text(struct contract *c, const char *text, size_t len, struct err *e) MUST_CHECK;
/* Such a text, every key present, each with what becomes of it as a comment. */
void contract_print(const struct contract *c, const struct contract_enforcement *en,
                    struct buf *out);
/* Every key and value in the words of `-c`; files.mount once for each, "" when there is none. */
void contract_each_setting(const struct contract *c,
                           void (*fn)(void *arg, const char *key, const char *value), void *arg);
/* FIELD_COUNT: a key no sandbox has a part in; then contract_kept_by_us says who has. */
enum contract_field contract_field_of_key(const char *key);
bool contract_is_key(const char *word); /* exactly one, without a value */
const char *contract_kept_by_us(const char *key);
int contract_from_json(struct contract *c, const struct json *o,
                       struct err *e) MUST_CHECK; /* as recorded */
void contract_to_json(const struct contract *c, struct json_w *w, const char *key);

/* SHA-256 over `key=value\n`, keys sorted, integers decimal, all present; then, where there is one,
 * `introspection=HEX\n`. */
void contract_digest(const struct contract *c, uint8_t out[SHA256_LEN]);
void contract_canonical(const struct contract *c, struct buf *out); /* the text that is digested */

/* Is `a` wider than `b` in any field (so that resuming under it needs a gate)? Names the first such
 * field. */
bool contract_is_wider(const struct contract *a, const struct contract *b, const char **field);

/* strict: ERR_DENIED naming the first of network, files, timeout, ttl that `en` can't enforce. */
int contract_check_strict(const struct contract *c, const struct contract_enforcement *en,
                          struct err *e) MUST_CHECK;

const char *contract_field_name(enum contract_field f); /* "network", "files", "timeout_s" … */
void contract_field_value(const struct contract *c, enum contract_field f,
                          struct buf *out); /* "deny", "30" … */
const char *enforcement_name(enum enforcement how);

/* For --help, the man page and completions: key, what it takes, default, one line. */
struct contract_key {
    const char *key, *takes, *dflt, *help;
};
const struct contract_key *contract_keys(size_t *count);

#endif
