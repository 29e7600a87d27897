/* confine.h - a process gives up for good what it never needs again. libseccomp and Landlock stand
 * behind confine.c. */
#ifndef AIRLOCK_BASE_CONFINE_H
#define AIRLOCK_BASE_CONFINE_H

#include <stddef.h>
#include "err.h"

/* From here on this process can start no process and no thread, make and use no socket, reach into
 * no other process, change no mount, namespace or credential, load nothing into the kernel, and
 * push no input into its terminal: each such call fails with EPERM (clone3 with ENOSYS). Files, the
 * terminal and time work as before. What it has open stays open. Can't be undone, and is inherited.
 * ERR_IO when the kernel refuses: then nothing was given up. */
int confine_to_reading(struct err *e) MUST_CHECK;

/* For a process that talks to the network for others: it starts no program, reaches into no other
 * process, changes no mount, namespace, credential or terminal, loads nothing into the kernel; and,
 * where the kernel has Landlock, opens no file but to read what resolving a name takes (below /etc,
 * /usr, /lib*, /run). Making processes and sockets stays. Needs no_new_privs or sets it. ERR_IO. */
int confine_to_network(struct err *e) MUST_CHECK;

/* For the process of the screen, or of a session without one: it starts no program (the launcher
 * does), traces and reads no other process, mounts nothing, changes no credential, loads nothing
 * into the kernel. Files, processes, threads and sockets stay. No Landlock here: the proof that a
 * sandbox is dead reads /proc/PID/ns, which Landlock forbids across its domains. ERR_IO. */
int confine_to_supervising(struct err *e) MUST_CHECK;

/* Where the kernel has Landlock: from here on this process writes only below these directories
 * (those that are there; NULL items are skipped). Best effort; for what makes no sandbox. */
void confine_writes(const char *const *writable, size_t count);

/* What a write that was refused may be told: " (…)", "" while this process is not confined so. */
const char *confine_hint(void);
/* Of the kernel: 1 …; 0 switched off, -1 not built in. */
int confine_landlock_abi(void);

#endif
