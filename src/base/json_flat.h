/* json_flat.h - the members of one JSON object, read where they lie: for streams whose lines are
 * megabytes of program output, which a tree (json.h) would copy, bound and refuse.
 *
 * Strings become bytes: `\u0000` is a NUL byte, a lone surrogate U+FFFD. Nested values are checked
 * for balance and handed on as text. Where a key comes twice, both are told: the reader decides.
 */
#ifndef AIRLOCK_BASE_JSON_FLAT_H
#define AIRLOCK_BASE_JSON_FLAT_H

#include "base/buf.h"

#define JSON_FLAT_DEPTH_MAX 512

struct json_member {
    const char *key; /* as it stands between its quotes, escapes and all */
    size_t key_len;
    const char *raw; /* the value's text, from its first to its last byte */
    size_t raw_len;
};

/* Members are lent for the call. */
typedef void (*json_flat_fn)(void *arg, const struct json_member *m);

/* Tell every member of the object that `ptr` is. ERR_FORMAT (with byte offset) when it is no whole
 * object; members before the fault were told. */
int json_flat_read(const char *ptr, size_t len, json_flat_fn fn, void *arg,
                   struct err *e) MUST_CHECK;

bool json_member_is(const struct json_member *m, const char *key);
/* Is the value null? a string? */
bool json_member_is_null(const struct json_member *m);
bool json_member_is_string(const struct json_member *m);
/* Append the bytes of a string value. -1 with ERR_FORMAT when it is none or an escape is wrong,
 * ERR_LIMIT when `out` is full. */
int json_member_bytes(const struct json_member *m, struct buf *out, struct err *e) MUST_CHECK;

#endif
