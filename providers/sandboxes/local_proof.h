/* local_proof.h - evidence about processes: who lives in a pid namespace, whose child one is.
 * [SBX-8, local-sandboxes §0.3] */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_PROOF_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_PROOF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/proc.h"

/* What looks into other processes' namespaces is done by the launcher's child: this process may be
 * confined, and Landlock then shows it none of them. */

/* Hold the pid namespace of `pid`: while the descriptor is open its inode number can't be given to
 * another one. ERR_IO. */
int proof_hold_pidns(struct launcher *l, pid_t pid, int *fd, uint64_t *inode,
                     struct err *e) MUST_CHECK;
/* Processes whose pid namespace is `inode`, as far as /proc shows them to us. -1: can't tell. */
int proof_count_pidns(struct launcher *l, uint64_t inode);

pid_t proof_parent(pid_t pid); /* -1: no such process */
/* SIGKILL every child of `parent`, each through a pidfd that was checked to be one. */
void proof_kill_children(pid_t parent);
/* SIGKILL what is left of the session whose leader was `leader` (a bubblewrap that died before it
 * had told its child). While one is left its number can't be given to another. Returns how many
 * there were; 0 while the leader lives. */
int proof_kill_session(pid_t leader);
/* SIGKILL each bubblewrap of ours that sleeps since its parent was killed, whoever's it was: it
 * waits for ever, before it ran anything. Done by a child of the launcher; nobody waits for it. */
void proof_sweep(struct launcher *l, const char *guest);
/* The same by this process, for when the launcher was killed before it could say whom it started.
 * Looks for a moment, since what must die first dies right after it. */
void proof_sweep_here(const char *guest);

int proof_pidfd_open(pid_t pid);
int proof_pidfd_kill(int pidfd); /* SIGKILL; 0 also when it is dead already */

#endif
