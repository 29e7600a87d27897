/* chain.h - the hash chain over a session's events. [architecture §5, AUD-5]
 *
 *   chain_0      = SHA-256("airlock.session.1\0" ‖ session id)
 *   payload_hash = SHA-256("airlock.payload.1\0" ‖ salt[16] ‖ body)
 *   chain_n      = SHA-256("airlock.event.1\0" ‖ chain_{n-1} ‖ u64be seq ‖ u64be at_us ‖
 *                          u64be boot_us ‖ u32be run ‖ u16be len ‖ type ‖ payload_hash)
 *
 * body = the stored JSON bytes; of run.output `u8 stream ‖ u64be offset ‖ bytes`. The salt lets a
 * body be erased without leaving something to guess it from.
 */
#ifndef AIRLOCK_SESSIONS_CHAIN_H
#define AIRLOCK_SESSIONS_CHAIN_H

#include "base/sha256.h"
#include "sessions/event.h"

#define CHAIN_SALT_LEN 16

/* `h` is scratch. `type_name` of the event must be set and ≤ EVENT_NAME_MAX bytes. */
void chain_start(struct sha256 *h, const char *session, uint8_t out[SHA256_LEN]);
void chain_hash_body(struct sha256 *h, const uint8_t salt[CHAIN_SALT_LEN], const struct event *ev,
                     uint8_t out[SHA256_LEN]);
/* `out` may be `prev`. */
void chain_next(struct sha256 *h, const uint8_t prev[SHA256_LEN], const struct event *ev,
                const uint8_t payload_hash[SHA256_LEN], uint8_t out[SHA256_LEN]);

#endif
