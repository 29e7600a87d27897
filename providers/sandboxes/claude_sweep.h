/* claude_sweep.h - the end of what a managed sandbox made at Anthropic: the session is stopped and
 * deleted (its container with it), then environment and files are deleted, the agent is archived.
 * [claude.md §8.1]
 *
 * Only the session runs code and costs money: whether it is gone is what counts. The rest is tidied
 * as far as it goes.
 */
#ifndef AIRLOCK_SANDBOXES_CLAUDE_SWEEP_H
#define AIRLOCK_SANDBOXES_CLAUDE_SWEEP_H

#include "providers/sandboxes/claude_http.h"

#define CLAUDE_FILES_MAX 4

/* Ids; "" there is none. */
struct claude_remains {
    char session[CLAUDE_ID_MAX], environment[CLAUDE_ID_MAX], agent[CLAUDE_ID_MAX];
    char files[CLAUDE_FILES_MAX][CLAUDE_ID_MAX];
    bool running; /* the session may not be idle: it is interrupted first */
};
bool claude_remains_none(const struct claude_remains *r);

/* `gone`: it is known that the session is not there. `why` says why not, else it is NULL. From the
 * loop, once; it may start another sweep. */
typedef void (*claude_swept_fn)(void *arg, bool gone, const struct err *why);

struct claude_sweep {
    struct net *net;
    const struct llm_server *server; /* borrowed */
    struct loop *loop;               /* NULL: it does not wait between tries */
    struct loop_source *timer;
    struct net_call *call;
    struct claude_remains left; /* what was done with is "" */
    int step;
    unsigned tries;
    bool busy, gone;
    struct err why;
    claude_swept_fn done;
    void *arg;
};
void claude_sweep_init(struct claude_sweep *w, struct net *net, const struct llm_server *server,
                       struct loop *loop);
void claude_sweep_release(struct claude_sweep *w); /* drops it without a word */
void claude_sweep_start(struct claude_sweep *w, const struct claude_remains *r,
                        claude_swept_fn done, void *arg); /* not while busy */

/* "/v1/<kind>/<id>[/<more>…]" */
void claude_target(struct buf *out, const char *kind, const char *id, const char *more);

#endif
