/* archive.h - a session put away: `<id>.db` becomes `<id>.db.gz` beside its anchors, and comes back
 * when somebody writes to it. [performance §1.4]
 *
 * Nothing is removed before its replacement was synced and read back. Readers (store_open_read) get
 * a plain copy that has no name any more when they have it open, so looking at an archived session
 * leaves it archived.
 */
#ifndef AIRLOCK_SESSIONS_ARCHIVE_H
#define AIRLOCK_SESSIONS_ARCHIVE_H

#include "base/buf.h"

#define ARCHIVE_PLAIN_MAX ((uint64_t)64 << 30) /* of a session file */

/* `path` always names the plain file, `<dir>/<id>.db`. */
bool archive_exists(const char *path);
/* ERR_BUSY when it is open somewhere, ERR_MISSING when there is no plain file. */
int archive_pack(const char *path, struct err *e) MUST_CHECK;
/* Back in place. ERR_BUSY as above. */
int archive_unpack(const char *path, struct err *e) MUST_CHECK;
/* The same, for who holds the session's lock already. */
int archive_unpack_locked(const char *path, struct err *e) MUST_CHECK;
/* A plain copy under a name of its own in the same directory; the caller unlinks it and frees the
 * name. */
int archive_copy(const char *path, char **copy, struct err *e) MUST_CHECK;

#endif
