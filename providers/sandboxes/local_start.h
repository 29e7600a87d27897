/* local_start.h - brings one bubblewrap up to the point where it waits for us. [local-sandboxes
 * §1.3]
 *
 * What `local_wall` needs to drive it from there: the descriptors, the process, its control group.
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_START_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_START_H

#include "base/proc.h"
#include "providers/wall.h"
#include "providers/sandboxes/local_cgroup.h"

struct local_start {
    struct proc *outer;   /* bwrap itself, outside */
    int stream;           /* our end of the socketpair, non-blocking */
    int log;              /* what bwrap and the guest write to stderr, non-blocking */
    int status;           /* bwrap's JSON documents, non-blocking */
    int block;            /* one byte lets the guest go */
    struct cgroup *group; /* NULL: none to be had here, or `scoped` */
    bool scoped;          /* the user's systemd limits it: local_scope_adopt() once bwrap runs */
};

/* `guest_net` (borrowed, -1 none) is the descriptor the guest sends its proxy port to. The mounts
 * are opened, the group is made, bwrap is started (never as uid 0) and will block before it runs
 * the guest. Failure leaves nothing behind. */
int local_start(struct local_start *out, const struct wall_config *cfg, int guest_net,
                struct err *e) MUST_CHECK;

/* Facts about this machine, looked up once per process. */
const char *local_bwrap_path(struct err *e); /* absolute, checked; NULL with the remedy */
const struct cgroup_place *local_cgroup_place(void);
/* Is this limit kept by a control group here? As far as is known without starting anything. */
bool local_limits_by_group(enum cgroup_part part);

#endif
