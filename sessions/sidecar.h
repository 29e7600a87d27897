/* sidecar.h - the files beside a session file: `<id>.lock` (who writes it), `<id>.head` (anchors of
 * the hash chain), and a nameless reserve of disk space. Internal to sessions/. [AUD-2, AUD-4,
 * AUD-6]
 */
#ifndef AIRLOCK_SESSIONS_SIDECAR_H
#define AIRLOCK_SESSIONS_SIDECAR_H

#include "base/buf.h"
#include "base/sha256.h"

/* Take the lock of a session for life: a flock with our pid written in the file. ERR_BUSY "… is
 * open in process 4711". *fd is closed by lock_drop. */
int lock_take(const char *path, int *fd, struct err *e) MUST_CHECK;
void lock_drop(const char *path, int fd); /* removes the file; fd -1 is fine */
/* Does a process hold it? True also where that can't be found out (no rights, no descriptors, a
 * file system without locks): who asks is about to remove something or to call a session nobody's.
 * Never blocks and never gets in a writer's way for more than a moment. */
bool lock_is_held(const char *path);

/* What a session file that is being made lies in: "<id>.new" and what SQLite puts beside it. */
void sidecar_remove_new(const char *dir, const char *id);
/* All files of a session that nothing was ever written to, but its lock. */
void sidecar_remove_empty(const char *dir, const char *id);
/* As sidecar_remove_new, and the lock, of a session that its maker did not live to finish: there is
 * no session file of that id and nobody holds the lock. Else nothing. */
void sidecar_remove_leftovers(const char *dir, const char *id);
/* A copy that packing, unpacking or reading an archived session left when it died; `name` may be
 * that of any file in `dir`, others stay. */
void sidecar_remove_stray(const char *dir, const char *name);

/* Anchors: one line of fixed length per durable commit, "seq chain\n". Appended, never synced: the
 * page cache survives us, and after a power cut a missing line only means a weaker check. */
int anchor_open(const char *path, int *fd, struct err *e) MUST_CHECK;
void anchor_write(int fd, uint64_t seq, const uint8_t head[SHA256_LEN]); /* failure is no error */

struct anchor {
    uint64_t seq;
    uint8_t head[SHA256_LEN];
};
struct anchors {
    struct anchor *list; /* ascending seq, as written */
    size_t count;
};
/* Lines that are no anchors (torn, zeroed by a power cut) are left out; no file: none. */
int anchors_read(struct anchors *out, const char *path, struct err *e) MUST_CHECK;
void anchors_release(struct anchors *a);

/* Hold RESERVE_BYTES of the file system of `dir` in a file without a name; closing *fd gives them
 * back. ERR_IO when the disk is that full already. */
#define RESERVE_BYTES (1 << 20)
int reserve_take(const char *dir, int *fd, struct err *e) MUST_CHECK;

#endif
