/* net.h - HTTP requests on the loop; libcurl is loaded when the first one is made, never before.
 *
 * A request goes to an origin, whose secret headers (keys) travel with it and nowhere else. What
 * comes back arrives through three callbacks, always from the loop, never from inside a call made
 * here: head (once), data (many), done (exactly once, last). In a callback everything may be
 * called: start, pause, cancel, free the owner.
 *
 * No redirects, no cookies, no netrc, no proxy from the environment; TLS ≥ 1.2 with verification
 * that can't be switched off; plain http to loopback and Unix sockets only. [NET-1 … NET-6]
 */
#ifndef AIRLOCK_BASE_NET_H
#define AIRLOCK_BASE_NET_H

#include "base/http.h"
#include "base/loop.h"

/* ---- origins */

/* scheme://host[:port], a path prefix perhaps, and the secrets that belong to it. Counted: requests
 * under way keep it alive. */
struct net_origin;

/* `url` is the user's ("https://api.example.com/base"): https, or http where the host is localhost
 * or a loopback address. No user, query or fragment. ERR_USAGE says what is wrong. Copied. */
int net_origin_new(struct net_origin **out, const char *url, struct err *e) MUST_CHECK;
/* http over a Unix socket (absolute path): Docker, Firecracker. */
int net_origin_new_unix(struct net_origin **out, const char *socket_path, struct err *e) MUST_CHECK;
void net_origin_free(struct net_origin *o);

/* Send "header: <prefix><value>" ("Bearer ", or "") with every request to this origin. The value is
 * copied to memory that stays out of core dumps and is wiped. ERR_FORMAT unless printable ASCII,
 * 8–512 bytes. */
int net_origin_add_secret(struct net_origin *o, const char *header, const char *prefix,
                          const char *value, size_t len, struct err *e) MUST_CHECK;
bool net_origin_has_secret(const struct net_origin *o, const char *header);
/* Is it this machine (localhost, a loopback address, a Unix socket)? */
bool net_origin_is_local(const struct net_origin *o);
/* Trust this PEM file instead of the system's authorities. Copied. */
void net_origin_set_ca_file(struct net_origin *o, const char *path);
/* "https://api.example.com" or "unix:/run/docker.sock": for messages and the capsule. Lent. */
const char *net_origin_text(const struct net_origin *o);

/* ---- requests */

struct net;
struct net_call; /* one request under way; gone once its done callback has returned */

/* Costs nothing until the first request. */
struct net *net_new(struct loop *lp);
void net_free(struct net *n); /* what is under way is dropped without a word; not in a callback */
/* From the config only: "http://proxy:3128". Copied; NULL: none (the default). */
void net_set_proxy(struct net *n, const char *proxy);

struct net_header {
    const char *name, *value;
};

/* Host, lengths, encodings and the like: never the caller's to set. */
bool net_header_is_ours(const char *name);

#define NET_NEVER (-1)
/* Milliseconds; 0 takes the value in brackets, NET_NEVER switches it off. [NET-3] */
struct net_deadlines {
    int connect_ms;    /* name, TCP and TLS [10 s] */
    int first_byte_ms; /* from the last byte we sent to the first of the answer [60 s] */
    int idle_ms;       /* between bytes of the answer, not counted while paused [90 s] */
    int total_ms;      /* [never] */
    bool may_be_slow;  /* a stream of events: less than 16 bytes/s for 60 s is fine */
};

enum net_end {
    NET_ANSWERED,    /* whole answer, whatever its status */
    NET_UNREACHABLE, /* no connection: name, refused, TLS */
    NET_TIMEOUT,     /* first_byte, idle, total, or too slow */
    /* The connection ended early: what came is incomplete [NET-6]. So is, over TLS, a body without
     * length or chunks: nothing proves its end, unless its own last event does. */
    NET_CUT,
    NET_PROTOCOL,  /* no HTTP we accept: malformed, an encoding not asked for */
    NET_TOO_LARGE, /* a ceiling of NET-4, or a compression bomb */
    NET_REDIRECT,  /* 3xx: not followed */
    NET_UPLOAD,    /* on_read gave up */
    NET_CANCELLED, /* net_cancel */
};
const char *net_end_name(enum net_end end);

struct net_response; /* lent to callbacks */
int net_status(const struct net_response *r);
/* Value of the first header of that name (any case), NULL when absent. Lent. */
const char *net_header(const struct net_response *r, const char *name);

struct net_result {
    enum net_end end;
    int status;             /* 0 when no head arrived */
    int64_t retry_after_ms; /* what the server asked for, -1 when it did not */
    char request_id[128];   /* the server's name for this request, printable; "" when none */
    bool left;              /* some of the request may have reached the server */
    bool truncated;         /* a head came, but not the whole body */
    const char *body;       /* whole body when there is no on_data; lent, with its NUL */
    size_t body_len;
    uint64_t received;                   /* body bytes, decoded */
    const struct net_response *response; /* NULL when no head arrived */
    struct err err;                      /* set unless NET_ANSWERED: for people; names the origin */
};

typedef void (*net_head_fn)(void *arg, const struct net_response *r);
typedef void (*net_data_fn)(void *arg, const char *p, size_t len);
typedef void (*net_done_fn)(void *arg, const struct net_result *result);
/* Fill up to `size` bytes. Returns how many, 0 at the end, NET_READ_LATER (net_continue_upload
 * wakes it), or NET_READ_FAIL. Called from inside the engine: call nothing of net here. */
typedef ptrdiff_t (*net_read_fn)(void *arg, char *p, size_t size);
#define NET_READ_LATER (-1)
#define NET_READ_FAIL  (-2)

struct net_request {
    const char *method; /* "POST" */
    const struct net_origin *origin;
    const char *target; /* built with http_add_segment and http_add_query */
    const struct net_header *headers;
    size_t header_count;
    const void *body; /* NULL: none (POST, PUT and PATCH then say length 0) */
    size_t body_len;
    net_read_fn on_read; /* instead of body */
    int64_t upload_len;  /* of on_read; -1: unknown, sent in chunks */
    struct net_deadlines deadlines;
    int64_t body_max;    /* of the answer, decoded; 0: 64 MiB */
    bool gzip;           /* offer gzip; else identity only */
    bool http1;          /* HTTP/1.1, never 2 */
    net_head_fn on_head; /* may be NULL */
    net_data_fn on_data; /* NULL: the body is kept for `done` */
    net_done_fn on_done;
    void *arg;
};

/* Start. All of *rq is borrowed for this call, strings and body copied. The body is sent at most
 * once: where libcurl would repeat it on a fresh connection the request ends as NET_CUT instead.
 * Errors, with no callback to come: ERR_USAGE (method, target, header), ERR_MISSING (no libcurl).
 */
int net_send(struct net *n, const struct net_request *rq, struct net_call **out,
             struct err *e) MUST_CHECK;

/* No data and no done until resumed; the connection is held back too. */
void net_pause(struct net_call *c);
void net_resume(struct net_call *c);
void net_continue_upload(struct net_call *c);

/* The connection is closed now; done comes later in this turn (or the next), with NET_CANCELLED,
 * even when the answer was complete but not yet told. Nothing more is handed on. */
void net_cancel(struct net_call *c);
/* The same without any further callback: for owners that go away. NULL is fine. */
void net_drop(struct net_call *c);

/* ---- what to do next [NET-5] */

#define NET_TRIES_MAX          5 /* the first one and four more */
#define NET_RETRY_AFTER_MAX_MS 120000
/* May the same request be sent again without harm? Nothing left here, or the server refused before
 * doing anything (429, 503, 529). */
bool net_may_retry(const struct net_result *r);
/* How long before try number `tries` + 1: as the server said, else full jitter below
 * min(0.5 · 2^(tries-1), 8) s. -1: don't, ask (too many tries, or longer than 120 s). */
int64_t net_backoff_ms(const struct net_result *r, unsigned tries);

/* "libcurl/7.88.1 OpenSSL/3.0.17 …", static; "" when there is none. Loads it. */
const char *net_library_version(void);

#endif
