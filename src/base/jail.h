/* jail.h - a forked child that can compute and use two descriptors, and nothing else: for reading
 * what a stranger made (pictures, bundles). [threats IMP-1, §5 "parser child"]
 *
 * The child is a copy of this process behind an allow-list of system calls (read, write, memory,
 * exit), without other descriptors, core files, processes or files it could grow. Keys are not in
 * its copy (base/redact, cli/secrets). It dies with us.
 */
#ifndef AIRLOCK_BASE_JAIL_H
#define AIRLOCK_BASE_JAIL_H

#include <sys/types.h>
#include "buf.h"

struct jail {
    int in, out;            /* become descriptors 0 and 1; borrowed */
    size_t memory_bytes;    /* of address space (not under a sanitizer, which needs terabytes) */
    unsigned cpu_s;         /* SIGXCPU, then SIGKILL */
    unsigned wall_s;        /* SIGALRM; 0: as long as it takes */
    int (*main)(void *arg); /* in the child: its value is the exit status. Must not log. */
    void *arg;
};

#define JAIL_NO_WALL 121 /* exit status: the walls could not be put up, nothing was read */

/* *pid is to be reaped by the caller. ERR_IO. */
int jail_start(pid_t *pid, const struct jail *j, struct err *e) MUST_CHECK;

#endif
