/* varhistory.h - when a variable or a file changed: the runs that made it, changed it or lost it.
 * Runs whose lists the state has let go of are read from the session file. */
#ifndef AIRLOCK_CLI_VARHISTORY_H
#define AIRLOCK_CLI_VARHISTORY_H

#include "sessions/store.h"
#include "tool/state.h"

struct var_moment {
    uint32_t run;
    enum var_change change; /* never CHANGE_SAME */
    const char *type, *shape, *preview, *digest;
    int64_t bytes;
    bool led_here; /* the variables there are now come from that run, not from another branch */
};
/* Oldest first; lent for the call, non-zero stops. `file`: `name` is a path below /workspace. */
typedef int (*var_moment_fn)(void *arg, const struct var_moment *m);
int var_history(struct store *store, const struct state *st, const char *name, bool file,
                var_moment_fn fn, void *arg, struct err *e) MUST_CHECK;

/* "x: last changed in run 3, 2 runs before the newest" */
void var_history_title(const struct state *st, const char *name, uint32_t last, char *out,
                       size_t size);
/* One line: run, change, type, size, digest, preview. */
void var_moment_print(const struct var_moment *m, struct buf *out);

#endif
