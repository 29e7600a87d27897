/* claude_http.h - requests to Anthropic's API for the sandboxes claude-managed and claude-messages:
 * one server, one request at a time each, repeated where that can do no harm. [claude.md §1]
 *
 * Redirects are never followed, the key goes to this origin and nowhere else (base/net.h).
 */
#ifndef AIRLOCK_SANDBOXES_CLAUDE_HTTP_H
#define AIRLOCK_SANDBOXES_CLAUDE_HTTP_H

#include "base/loop.h"
#include "base/net.h"
#include "providers/planners/llm_server.h"
#include "providers/remote_call.h"
#include "providers/sandbox.h"

#define CLAUDE_ID_MAX 128 /* with its NUL [SBX-9] */

struct claude_http {
    struct loop *loop;
    struct net *net;
    struct llm_server server;
};

/* `beta` is the value of anthropic-beta, NULL none; a user's own ones are kept beside it. loop and
 * net may be NULL when nothing will be sent. ERR_MISSING without a key, ERR_USAGE, ERR_FORMAT. */
int claude_http_open(struct claude_http *out, struct loop *loop, struct net *net,
                     sandbox_setting_fn setting, void *arg, const char *beta,
                     struct err *e) MUST_CHECK;
void claude_http_release(struct claude_http *h);

/* May it stand in a path and in a file of ours? */
bool claude_is_id(const char *id);

enum claude_again {
    CLAUDE_ONCE,  /* it acts: a second time only when the first one surely did nothing */
    CLAUDE_AGAIN, /* harmless to repeat */
};

/* `r` is lent. From the loop, exactly once for each claude_send, last; it may send again, drop,
 * release. */
typedef void (*claude_done_fn)(void *arg, const struct net_result *r);

struct claude_request {
    const char *method, *target;
    const char *content_type; /* copied; NULL: JSON */
    const void *body;         /* copied; NULL none */
    size_t body_len;
    enum claude_again again;
    struct net_deadlines deadlines;
    int64_t body_max;
    net_head_fn on_head; /* of a 200 only; may be NULL */
    net_data_fn on_data; /* of a 200 only: a stream, never repeated once it began; may be NULL */
    claude_done_fn done;
    void *arg; /* of all three */
};

struct claude_call {
    struct claude_http *http;
    struct remote_call call;
    struct claude_request rq; /* target, type and body are not kept here */
    char *type;               /* of the content, when it is not JSON */
};
/* `h` is borrowed until release; so is its loop. */
void claude_call_init(struct claude_call *c, struct claude_http *h);
void claude_call_release(struct claude_call *c);
void claude_send(struct claude_call *c, const struct claude_request *rq); /* not while busy */
void claude_call_drop(struct claude_call *c); /* without a word; the connection closes now */
/* Why not, in words; `c` NULL: the body is in `r`. ERR_DENIED (the key), ERR_MISSING (no such
 * thing), ERR_LIMIT (money), ERR_FORMAT (what was sent is not taken), else ERR_NET. Returns the
 * code. */
enum err_code claude_why(struct claude_call *c, const struct net_result *r, const char *doing,
                         struct err *e);

/* A file as the body of POST /v1/files; the content type of the request is in `type`, 80 bytes.
 * `name` and `mime` are ours. -1: the buf is full. */
int claude_write_upload(const char *name, const char *mime, const void *p, size_t len,
                        struct buf *body, char type[80]) MUST_CHECK;

#endif
