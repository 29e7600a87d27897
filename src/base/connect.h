/* connect.h - the frames of a Connect-RPC stream in JSON: a flag byte, a length, a message.
 *
 * Where the bytes were split makes no difference. Only the frame marked as the end proves that the
 * stream is whole. [e2b.md §7]
 */
#ifndef AIRLOCK_BASE_CONNECT_H
#define AIRLOCK_BASE_CONNECT_H

#include "base/buf.h"

#define CONNECT_FRAME_MAX ((size_t)16 << 20)

/* `json` is lent for the call. `end`: it is the end-of-stream message ({} or {"error": …}). */
typedef void (*connect_fn)(void *arg, const char *json, size_t len, bool end);

struct connect {
    connect_fn fn;
    void *arg;
    struct buf held; /* a frame that is not whole */
    bool ended, failed;
};

void connect_init(struct connect *c, connect_fn fn, void *arg);
void connect_release(struct connect *c);
/* Whole frames go to fn. ERR_FORMAT on compressed frames and on bytes behind the end, ERR_LIMIT on
 * a frame over CONNECT_FRAME_MAX; from then on every call fails. */
int connect_feed(struct connect *c, const char *p, size_t len, struct err *e) MUST_CHECK;

/* Append one message as a frame. -1 when `out` is full. */
int connect_add_frame(struct buf *out, const char *json, size_t len);

#endif
