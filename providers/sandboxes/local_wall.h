/* local_wall.h - the bubblewrap wall: namespaces, system call filter, limits, proof of death.
 * [local-sandboxes §1, SBX-4, SBX-8] */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_WALL_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_WALL_H

#include "providers/wall.h"

extern const struct wall_ops wall_local;

/* What bwrap wrote when it could not make a sandbox → the reason and the remedy on this machine.
 * `said` is its stderr. Always -1. */
int local_explain(const char *said, struct err *e);

#endif
