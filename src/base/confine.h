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
 * into the kernel. Files, processes, threads and sockets stay. ERR_IO. */
int confine_to_supervising(struct err *e) MUST_CHECK;

/* Where the kernel has Landlock: from here on this process, and what it forks itself, makes,
 * changes, cuts and removes files only below these directories or files (those that are there; NULL
 * items are skipped), reaches into no process outside, and connects to no abstract socket of
 * others. Reading stays. The launcher and what it starts are not meant: person's editors, openers
 * and what errand.h does. `hint` (static) is told with a write that was refused. Best effort:
 * confine_writes_level() says what came of it. Makes no sandbox possible but by the launcher. */
void confine_writes(const char *const *writable, size_t count, const char *hint);
/* The Landlock version that is kept here; 0: writes are not confined. */
int confine_writes_level(void);

/* What a write that was refused may be told: the hint, "" while this process is not confined so. */
const char *confine_hint(void);
/* Of the kernel: 1 …; 0 switched off, -1 not built in. */
int confine_landlock_abi(void);

#endif
