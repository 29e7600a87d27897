/* proxy_head.h - the head of one proxy request: whom it wants to reach, and what is passed on. Pure
 * functions over bytes nobody trusts. */
#ifndef AIRLOCK_PROVIDERS_PROXY_HEAD_H
#define AIRLOCK_PROVIDERS_PROXY_HEAD_H

#include "base/buf.h"
#include "providers/allow.h"

#define PROXY_HEAD_MAX ((size_t)64 << 10)

struct proxy_head {
    struct allow_host host;
    uint16_t port;
    bool connect; /* a tunnel; else one plain request */
};

/* Length of the head with its empty line, 0: not all of it is here. */
size_t proxy_head_len(const char *p, size_t len);

/* Read a whole head. For a plain request `onward` gets the head for the server: origin-form, one
 * Host of ours, nothing that was meant for a proxy, `Connection: close` (each request is judged, so
 * none may follow on the same connection). ERR_FORMAT says what is wrong with it. */
int proxy_head_read(struct proxy_head *out, struct buf *onward, const char *p, size_t len,
                    struct err *e) MUST_CHECK;

#endif
