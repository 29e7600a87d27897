/* show_vars.h - the part of `airlock show` about variables and files. */
#ifndef AIRLOCK_CLI_SHOW_VARS_H
#define AIRLOCK_CLI_SHOW_VARS_H

#include "sessions/store.h"
#include "tool/state.h"

/* What is known of the variables and files after a run; cleaned lines. */
void show_vars(const struct state *st, const struct state_run *sr, struct buf *out);
/* When `name` ("file PATH" for a file) changed. ERR_MISSING: never heard of. */
int show_var_history(struct store *store, const struct state *st, const char *name, bool json,
                     struct buf *out, struct err *e) MUST_CHECK;

#endif
