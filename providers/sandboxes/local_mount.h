/* local_mount.h - host paths of the contract, opened so that nothing can be swapped under us.
 * [SBX-6, architecture §3]
 *
 * A path is walked once with openat2 (no links, no magic links) and from then on only its
 * descriptor counts. Home itself, dot directories of home, key stores, system state, sockets and
 * our own directories are refused, whoever asks. As root the sandbox runs under another uid: each
 * mount is then a detached copy, idmapped so that the owner of the path is that uid, which the
 * launcher moves into a private mount namespace.
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_MOUNT_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_MOUNT_H

#include <sys/types.h>
#include "base/buf.h"
#include "base/proc.h"
#include "providers/contract.h"

/* Directories of this user and program that no mount may show. Borrowed strings, NULL: none. */
struct local_private {
    const char *home;
    const char *dirs[7]; /* config, data, state, runtime, two more */
};

/* 0, or ERR_DENIED with why and what to do instead. Looks at the words only. */
int local_mount_check_path(const char *path, const struct local_private *own,
                           struct err *e) MUST_CHECK;

/* Open `path`: an O_PATH descriptor of a directory or a plain file. ERR_DENIED, ERR_MISSING. */
int local_mount_open(const char *path, const struct local_private *own, int *fd,
                     struct err *e) MUST_CHECK;

/* Root: a detached mount of what `fd` shows for a sandbox under `uid`/`gid`. Idmapped where the
 * file system can; else read-only as any stranger sees it, and ERR_DENIED with the remedy for
 * `writable`. A child of the launcher does it: this process may mount and map nothing. */
int local_mount_detach(struct launcher *l, int fd, const char *path, bool writable, uid_t uid,
                       gid_t gid, int *tree, struct err *e) MUST_CHECK;

#endif
