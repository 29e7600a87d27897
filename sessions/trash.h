/* trash.h - erasing a session for good, with every file that belongs to it. Deleting is an event
 * (session.trashed) that another one takes back; only what lies in the trash can be erased. */
#ifndef AIRLOCK_SESSIONS_TRASH_H
#define AIRLOCK_SESSIONS_TRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* `path` = "<dir>/<id>.db", plain or archived. Erased only when its own record says that it was
 * trashed at or before `before_us`. ERR_DENIED when it is not in the trash or not that long,
 * ERR_BUSY when it is open somewhere, ERR_MISSING. */
int trash_erase(const char *path, int64_t before_us, struct err *e) MUST_CHECK;

/* Erase a session whose maker died before its first event: its file says that there is none, no
 * anchor says that there ever was one, and nobody has it open. Returns whether it was so. */
bool trash_erase_unborn(const char *path);

#endif
