/* confine.h - a process gives up for good what a mere reader never needs. libseccomp stands behind
 * confine.c. */
#ifndef AIRLOCK_BASE_CONFINE_H
#define AIRLOCK_BASE_CONFINE_H

#include "err.h"

/* From here on this process can start no process and no thread, make and use no socket, reach into
 * no other process, change no mount, namespace or credential, load nothing into the kernel, and
 * push no input into its terminal: each such call fails with EPERM (clone3 with ENOSYS). Files, the
 * terminal and time work as before. What it has open stays open. Can't be undone, and is inherited.
 * ERR_IO when the kernel refuses: then nothing was given up. */
int confine_to_reading(struct err *e) MUST_CHECK;

#endif
