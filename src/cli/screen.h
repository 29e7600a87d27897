/* screen.h - the screen: one terminal, one session (or the list of recent ones), the keys. It owns
 * the view model, turns keys into calls of the round, and draws when something changed: at once
 * after a key, at most every 16 ms otherwise, never at idle. It stands in cli and not in ui because
 * it needs the round, the store and the session list. */
#ifndef AIRLOCK_CLI_SCREEN_H
#define AIRLOCK_CLI_SCREEN_H

#include "cli/app.h"

/* Run until the person leaves. `task` starts a session at once, `resume` (a file's path) opens a
 * saved one; both may be NULL. Returns the exit code. */
int screen_run(struct app *app, const char *task, const char *resume);
/* The list of sessions, filtered by `query` ("": all of them). */
int screen_run_list(struct app *app, const char *query);

/* The same screen over a record: nothing runs, nothing is written. `p` is borrowed. */
struct player;
struct screen_watch {
    const char *run;  /* where to begin, a run's word as in saved.h; NULL */
    int64_t quarters; /* speed, in quarters of the recorded one */
    bool hides;       /* keep back what was decided */
};
int screen_watch(struct app *app, struct player *p, const struct screen_watch *how);

#endif
