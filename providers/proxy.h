/* proxy.h - the one way out of a sandbox under `network=allow:`: an HTTP proxy outside of it that
 * lets the contract's hosts through and tells of every attempt. [SBX-1, local-sandboxes §1.6]
 *
 * The sandbox keeps an empty network namespace. Its guest opens a listening socket in there and
 * sends it out over the descriptor it was started with (guest/proto.h); from then on a process of
 * ours, outside, accepts from that socket. That process is a fork of the launcher (no keys, not
 * root, confined), and forks once more for each connection. It speaks CONNECT and plain HTTP in
 * absolute form, resolves names itself, and connects only to an address it has checked. TLS is
 * passed on unread: what a host that is allowed does with the bytes is not to be seen here.
 *
 * Each attempt is told before anything leaves this machine; the connection is made when the one who
 * was told has said that it is on record, and not else.
 */
#ifndef AIRLOCK_PROVIDERS_PROXY_H
#define AIRLOCK_PROVIDERS_PROXY_H

#include "base/buf.h"
#include "providers/allow.h"

struct loop;
struct launcher;
struct proxy;

#define PROXY_AT_ONCE    32 /* connections; the next waits in the sandbox's own queue */
#define PROXY_PER_SECOND 20 /* attempts, once the first PROXY_BURST are spent */
#define PROXY_BURST      64
#define PROXY_ATTEMPTS   4096 /* in the life of one sandbox; then nobody listens any more */
#define PROXY_BYTES_MAX  ((uint64_t)4 << 30) /* both ways, in the life of one sandbox */
#define PROXY_HEAD_MS    15000
#define PROXY_RESOLVE_S  25
#define PROXY_CONNECT_MS 10000
#define PROXY_IDLE_MS    120000
#define PROXY_TOLD_MS    10000 /* for the record of an attempt */

enum proxy_note_kind { PROXY_ASKED = 1, PROXY_CLOSED };
enum proxy_verdict { PROXY_ALLOWED = 1, PROXY_REFUSED, PROXY_FAILED /* allowed, not reachable */ };

/* What is told. Strings are bytes that came from inside. */
struct proxy_note {
    uint32_t kind, attempt;        /* numbered from 1; CLOSED has that of its ASKED */
    uint32_t verdict;              /* of ASKED */
    uint32_t port;                 /* 0: there was none to be read */
    char host[ALLOW_HOST_MAX + 1]; /* "" likewise */
    char method[8];                /* "CONNECT", "HTTP" */
    char address[48];              /* CLOSED: what it was connected to; "" never */
    char why[160];                 /* of what is not allowed; of a CLOSED that is no ordinary end */
    uint64_t sent, received;       /* CLOSED: bytes from and to the sandbox */
    int64_t ms;                    /* CLOSED: since ASKED */
};
const char *proxy_verdict_name(uint32_t verdict);

/* From the loop. Of a PROXY_ASKED: true when it is on record. All lent. */
typedef bool (*proxy_sink)(void *arg, const struct proxy_note *note);

struct proxy_config {
    struct loop *loop;
    struct launcher *launcher;
    char *const *hosts; /* items of the contract, borrowed */
    size_t host_count;
    proxy_sink sink;
    void *arg;
};

/* Start it. *guest_end goes to the guest, and is the caller's to close. ERR_USAGE (an item),
 * ERR_IO. */
int proxy_start(struct proxy **out, const struct proxy_config *cfg, int *guest_end,
                struct err *e) MUST_CHECK;
/* The sandbox is dead: hear what its connections still have to tell (tens of milliseconds), end it.
 */
void proxy_finish(struct proxy *p);
void proxy_free(struct proxy *p); /* at once, with no further notes; NULL is fine */

#endif
