/* capsule.h - the canonical record of exactly what will run, and its hash. The person approves
 * these bytes.
 *
 * "AIRLOCK-CAPSULE\0" u32be 1, then every field in order as `u16be tag, u64be len, bytes`, none
 * omitted: 1 session · 2 run u32be, rev u32be · 3 nonce[32] · 4 sandbox kind · 5 endpoint origin ·
 * 6 contract digest[32] · 7 language · 8 interpreter · 9 code · 10 argv · 11 cwd · 12 env: name,
 * SHA-256(nonce ‖ value) · 13 stdin · 14 files: name, mode, size, SHA-256 · 15 check code · 16
 * parent state[32] (zero = fresh). Lists are `u32be n` then items `u64be len, bytes`, names sorted
 * by bytes. An item of 12 is `u64be len, name, hash[32]` (32 zeros: unset), one of 14 `u64be len,
 * name, u32be mode, u64be size, hash[32]`; argv keeps its order. The code key = SHA-256 over fields
 * 7–11 and 13–15 (as encoded). [architecture §4, APR-1…5]
 */
#ifndef AIRLOCK_TOOL_CAPSULE_H
#define AIRLOCK_TOOL_CAPSULE_H

#include "base/sha256.h"
#include "providers/sandbox.h"

#define CODE_MAX ((size_t)1 << 20)

struct capsule_env {
    const char *name, *value; /* value may be NULL: unset */
};

/* What goes in; all borrowed. */
struct capsule_spec {
    const char *session;
    uint32_t run, rev;
    uint8_t nonce[32];
    const char *sandbox, *origin; /* origin "" for local */
    uint8_t contract_digest[SHA256_LEN];
    const struct sandbox_run *rq; /* fields 7–11, 13–15 */
    const struct capsule_env *env;
    size_t env_count;
    uint8_t parent_state[SHA256_LEN];
};

struct capsule; /* immutable: its record lives in a sealed memfd mapped read-only (APR-2) */

/* ERR_FORMAT for what a transport can't carry exactly (NUL or invalid UTF-8 in code, argv, check
 * code, names …, empty code, a file name that leaves the workspace or comes twice: the message says
 * where), ERR_LIMIT above CODE_MAX ("put data in a file"). stdin and file contents are any bytes.
 * `rq->run` is not looked at: `run` counts. *out only on success. */
int capsule_new(struct capsule **out, const struct capsule_spec *spec, struct err *e) MUST_CHECK;
void capsule_free(struct capsule *c);

const uint8_t *capsule_hash(const struct capsule *c); /* 32 bytes, lent */
const char *capsule_hex(const struct capsule *c);     /* 64 digits, lent */
const char *capsule_short(const struct capsule *c);   /* "7f3a-91c2" */
const uint8_t *capsule_code_key(const struct capsule *c);
const uint8_t *capsule_record(const struct capsule *c, size_t *len);
/* The code bytes inside the record: what the screen shows, what is sent. Lent. */
const char *capsule_code(const struct capsule *c, size_t *len);
/* The request to execute, its pointers into the sealed record. Lent. */
const struct sandbox_run *capsule_request(const struct capsule *c);

/* Compare a request decoded from an adapter's final body with the record: everything in it, the run
 * number and the contents of files (in any order) included, and the recomputed hash. `exists`,
 * which asks and does nothing, is compared when the capsule was made with one. ERR_INTEGRITY names
 * the field that differs. [APR-3] */
int capsule_check_request(const struct capsule *c, const struct sandbox_run *decoded,
                          struct err *e) MUST_CHECK;

#endif
