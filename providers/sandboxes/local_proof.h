/* local_proof.h - evidence about processes: who lives in a pid namespace, whose child one is.
 * [SBX-8, local-sandboxes §0.3] */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_PROOF_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_PROOF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Hold the pid namespace of `pid`: while the descriptor is open its inode number can't be given to
 * another one. -1: not to be had. */
int proof_hold_pidns(pid_t pid, uint64_t *inode);
/* Processes whose pid namespace is `inode`, as far as /proc shows them to us. -1: can't tell. */
int proof_count_pidns(uint64_t inode);
pid_t proof_parent(pid_t pid); /* -1: no such process */
/* SIGKILL every child of `parent`, each through a pidfd that was checked to be one. */
void proof_kill_children(pid_t parent);

int proof_pidfd_open(pid_t pid);
int proof_pidfd_kill(int pidfd); /* SIGKILL; 0 also when it is dead already */

#endif
