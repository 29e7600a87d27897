/* walled_int.h - private to walled.c, walled_commands.c and walled_pool.c: one sandbox on a wall.
 */
#ifndef AIRLOCK_PROVIDERS_WALLED_INT_H
#define AIRLOCK_PROVIDERS_WALLED_INT_H

#include "providers/sandbox_core.h"
#include "providers/walled.h"

struct kernel;
struct loop_source;

struct walled {
    struct sandbox_core core;
    const struct walled_kind *kind;
    struct walled_pool *pool; /* while it waits there; NULL once somebody owns it */
    struct launcher *launcher;
    struct wall *wall;
    struct kernel *kernel;
    struct loop_source *tick, *backstop, *ttl;
    int64_t created_us, cold_start_us, timeout_s, ttl_s;
    char id[64];
    char languages[128]; /* ",python,,bash,": started before */
    bool once;           /* lifecycle=run */
    bool ready, adopted, used, first_use;
    bool say_ready; /* READY is due, from the loop */
    uint32_t run;   /* in flight, 0 none */
    uint32_t last_run;
    bool gone; /* the wall is dead; CLOSED was sent */
};

int walled_create(const struct walled_kind *kind, const struct sandbox_config *cfg,
                  struct walled **out, struct err *e) MUST_CHECK;
void walled_take_over(struct walled *w, const struct sandbox_config *cfg);
void walled_adopted(struct walled *w);

/* Kill it: what runs ends `as`. `what` NULL: the owner asked; else for END_LIMIT its word, and the
 * death is a failure when `message` says so. The first call counts. */
void walled_end_with(struct walled *w, enum run_end as, const char *what, const char *message);
void walled_arm_backstop(struct walled *w); /* for the run that is on */

#endif
