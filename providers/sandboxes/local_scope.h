/* local_scope.h - limits by a transient scope of the user's own systemd, for people who may not
 * make control groups themselves (a log-in by ssh or at a console). [local-sandboxes §1.5]
 *
 * Used only after a trial on this machine really got its limits and kept its descriptors.
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_SCOPE_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_SCOPE_H

#include "base/proc.h"
#include "providers/contract.h"
#include "providers/sandboxes/local_cgroup.h"

#define LOCAL_SCOPE_WORDS 24

/* A command under a scope: `argv` is NULL-terminated and lent from this struct. */
struct local_scope {
    const char *path; /* systemd-run */
    const char *argv[LOCAL_SCOPE_WORDS];
    char words[3][48];
    char *env[3]; /* where the user's bus is; NULL-terminated */
};

/* What a scope would limit, as a mask of 1 << enum cgroup_part; 0: not usable. Tries once (< 2 s,
 * normally 30 ms) and remembers; 0 at once where nothing could answer: root, no bus, no
 * systemd-run, control groups v1. `l` NULL: only what is known already. */
unsigned local_scope_limits(struct launcher *l);

/* `command` (absolute, with arguments, NULL-terminated, at most 8) under the limits of `c`.
 */
void local_scope_init(struct local_scope *s, const struct contract *c, const char *const *command);
void local_scope_release(struct local_scope *s);

/* The group that `pid` got; fails unless memory and pids are really limited there. */
int local_scope_adopt(struct cgroup **out, pid_t pid, struct err *e) MUST_CHECK;

#endif
