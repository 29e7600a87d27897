/* local_cgroup.h - memory, process and CPU limits of one local sandbox by control groups. [SBX-4,
 * local-sandboxes §1.5]
 *
 * v1 as root (one directory per controller), v2 where a directory above ours is delegated to us.
 * Where neither is to be had there is no group and the contract says "approximated".
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_CGROUP_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_CGROUP_H

#include <sys/types.h>
#include "base/buf.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

enum cgroup_part { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_PARTS };

/* Where groups can be made. dir[x] NULL: that limit can't be had. */
struct cgroup_place {
    int version;             /* 0 none, 1, 2 */
    char *dir[CGROUP_PARTS]; /* parent directories; v2: all the same string contents */
    char *unified;           /* v1 machines with an empty v2 mount: for cgroup.kill; may be NULL */
};
/* Find the place below `root` (normally CGROUP_ROOT) for a process whose /proc/self/cgroup reads
 * `self`. Tries by making and removing a directory. Never fails: version 0 says there is none. */
void cgroup_find(struct cgroup_place *out, const char *root, const char *self);
void cgroup_place_release(struct cgroup_place *p);

/* Groups are named "airlock-<pid>-<n>". Remove those of programs that were killed before they
 * could: empty, and no process has that pid. */
#define CGROUP_NAME_PREFIX "airlock-"
void cgroup_sweep(const struct cgroup_place *p);

struct cgroup_limits {
    int64_t memory_bytes, pids, cpus;
};

struct cgroup; /* the directories of one sandbox */

/* Make the group and set its limits; each is read back. Failure leaves nothing behind. */
int cgroup_new(struct cgroup **out, const struct cgroup_place *where, const char *name,
               const struct cgroup_limits *limits, struct err *e) MUST_CHECK;
/* Take over a v2 group that somebody else made (systemd-run's scope): counts and kills, is not
 * removed. `path` as in /proc/PID/cgroup. */
int cgroup_adopt(struct cgroup **out, const char *root, const char *path, struct err *e) MUST_CHECK;

int cgroup_add(struct cgroup *g, pid_t pid, struct err *e) MUST_CHECK;
/* Limits that were really set, as a mask of 1 << enum cgroup_part. */
unsigned cgroup_has(const struct cgroup *g);
int64_t cgroup_oom_kills(struct cgroup *g);    /* -1 unknown */
int64_t cgroup_pids_refused(struct cgroup *g); /* -1 unknown */
int64_t cgroup_memory_bytes(struct cgroup *g); /* in use now; -1 unknown */
void cgroup_kill(struct cgroup *g);            /* all members, where the kernel can */
/* Remove the directories. true: gone (or not ours); false: still busy, try again soon. */
bool cgroup_remove(struct cgroup *g);
void cgroup_free(struct cgroup *g); /* frees memory only */

#endif
