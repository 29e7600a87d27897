/* retain.h - which saved namespaces a session keeps: a file stays bounded however long it goes on.
 *
 * Kept are those of the newest RETAIN_NEWEST runs and the newest RETAIN_TIPS ends of other
 * branches, as long as all together have no more than RETAIN_BYTES. What the REPL stands on now and
 * what a branch began with are never dropped. [architecture §6: "kept for the last N turns"]
 */
#ifndef AIRLOCK_TOOL_RETAIN_H
#define AIRLOCK_TOOL_RETAIN_H

#include "tool/state.h"

#define RETAIN_NEWEST 8
#define RETAIN_TIPS   8
#define RETAIN_BYTES  ((int64_t)256 << 20)
#define RETAIN_WORDS  "an old one: the newest 8, 8 ends of branches and 256 MiB are kept"

/* The run whose saved namespace goes next; 0: all may stay. */
uint32_t retain_choose(const struct state *st);

#endif
