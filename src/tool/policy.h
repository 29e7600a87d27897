/* policy.h - the user's policy file: (contract digest, code key) pairs that may run without being
 * asked. [APR-13] INI-free: lines `allow CONTRACT_HEX CODEKEY_HEX [# words]`. The file must be
 * 0600, ours, outside any project directory (not below the current directory). Read once at start;
 * its digest is recorded. Never patterns on code. */
#ifndef AIRLOCK_TOOL_POLICY_H
#define AIRLOCK_TOOL_POLICY_H

#include "base/sha256.h"
#include "base/err.h"
#include <stdbool.h>

struct policy;
/* ERR_DENIED (SEC-2, others can write to a directory above it, or it lies below the current
 * directory; the root is no project), ERR_MISSING, ERR_FORMAT "FILE:LINE: …", ERR_LIMIT, ERR_IO. */
int policy_load(struct policy **out, const char *path, struct err *e) MUST_CHECK;
void policy_free(struct policy *p);
bool policy_allows(const struct policy *p, const uint8_t contract[SHA256_LEN],
                   const uint8_t code_key[SHA256_LEN]);
const char *policy_digest_hex(const struct policy *p);

#endif
