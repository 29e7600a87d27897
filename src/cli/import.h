/* import.h - a bundle becomes a session that may only be looked at. [IMP-1]
 *
 * The bundle is read in a child behind walls (base/jail); what comes out of it is folded and
 * appended here, under a new id, in a directory that no list of sessions looks into. Only a whole
 * and coherent bundle moves from there to the sessions.
 */
#ifndef AIRLOCK_CLI_IMPORT_H
#define AIRLOCK_CLI_IMPORT_H

#include "base/path.h"
#include "base/sha256.h"
#include "sessions/store.h"

struct imported {
    char id[STORE_ID_MAX + 1];
    char from[STORE_ID_MAX + 1]; /* the id where it was made */
    uint64_t events;
};

/* `fd` (borrowed) is read to its end. ERR_FORMAT "line 12: …", ERR_LIMIT, ERR_INTEGRITY (the hash
 * of the bundle, or events that contradict each other), ERR_IO: nothing is left behind. */
int import_bundle(struct imported *out, const struct paths *paths, int fd,
                  struct err *e) MUST_CHECK;

#endif
