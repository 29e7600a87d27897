/* confine.h - a process gives up for good what it never needs again. libseccomp and Landlock stand
 * behind confine.c. */
#ifndef AIRLOCK_BASE_CONFINE_H
#define AIRLOCK_BASE_CONFINE_H

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

#endif
