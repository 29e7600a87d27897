/* walled.h - a sandbox made of a wall and the guest protocol: every function of sandbox_ops but
 * those that know the machine. [architecture §3]
 *
 * A kind of sandbox is a `struct walled_kind` and a `sandbox_ops` table whose calls are the ones
 * below; it adds available, enforcement, interpreter and an `open` of one line. On top of the
 * kernel's answers this keeps time (a run the guest does not end is ended from outside 2 s later;
 * ttl_s), turns deaths into ends, and makes CLOSED the last event.
 */
#ifndef AIRLOCK_PROVIDERS_WALLED_H
#define AIRLOCK_PROVIDERS_WALLED_H

#include "providers/sandbox.h"
#include "providers/wall.h"

struct loop_source;

struct walled_kind {
    const struct sandbox_ops *ops;
    const struct wall_ops *wall;
    unsigned require; /* enum kernel_require: what the guest must find true of this wall */
    /* Which python is started inside; NULL: the contract's. */
    const char *(*python)(const struct contract *c);
    bool own_allow_list; /* the place itself keeps network=allow: no proxy of ours leads out */
};

/* One sandbox that is kept ready under the default contract; adopted, another takes its place.
 * Zero-initialised, one per kind; drop it before its loop goes. */
struct walled_pool {
    struct sandbox *warm;
    const struct walled_kind *kind;
    struct loop *loop;
    struct launcher *launcher;
    struct loop_source *refill;
};

/* `pool` may be NULL: no warm ones. */
int walled_open(const struct walled_kind *kind, struct walled_pool *pool, struct sandbox **out,
                const struct sandbox_config *cfg, struct err *e) MUST_CHECK;
void walled_prewarm(const struct walled_kind *kind, struct walled_pool *pool, struct loop *loop,
                    struct launcher *l);
void walled_prewarm_drop(struct walled_pool *pool);
/* Is the pool's one ready to be adopted? For tests and benches. */
bool walled_is_warm(const struct walled_pool *pool);

/* The contract a warm sandbox is made under: the strict defaults of architecture §3. */
const struct contract *walled_default_contract(void);

int walled_exec(struct sandbox *s, const struct sandbox_run *rq, struct err *e);
void walled_interrupt(struct sandbox *s);
void walled_kill(struct sandbox *s, enum run_end as);
void walled_pause_output(struct sandbox *s, bool on);
int walled_restore(struct sandbox *s, uint32_t run, struct err *e);
int walled_save(struct sandbox *s, struct err *e);
int walled_load(struct sandbox *s, const char *ptr, size_t len, struct err *e);
int walled_put(struct sandbox *s, const struct sandbox_file *f, struct err *e);
int walled_get(struct sandbox *s, const char *path, size_t max, struct err *e);
int walled_complete(struct sandbox *s, const char *language, const char *text, size_t cursor,
                    uint64_t token, struct err *e);
void walled_close(struct sandbox *s);

/* The wall it is made of; lent. */
struct wall *walled_wall(struct sandbox *s);

#endif
