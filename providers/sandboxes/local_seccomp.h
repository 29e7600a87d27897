/* local_seccomp.h - the system call filter of the local sandbox (libseccomp behind it). [SBX-7,
 * local-sandboxes §1.4]
 *
 * A deny list behind the namespaces: the second line, never the first. Foreign architectures kill
 * the process, `clone3` and every call newer than this list answer ENOSYS (so a newer kernel does
 * not make the list weaker), sockets outside unix/inet/inet6/netlink-route EAFNOSUPPORT.
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_SECCOMP_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_SECCOMP_H

#include "base/buf.h"

/* Append the filter as `struct sock_filter` words. Built once per process, then copied.
 * ERR_MISSING when the kernel or the library can't express a rule: nothing may be started then. */
int local_seccomp_program(struct buf *out, struct err *e) MUST_CHECK;

#endif
