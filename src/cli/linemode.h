/* linemode.h - the session as lines: for --plain, dumb terminals, screen readers and pipes. The
 * same words at the prompt as on the screen (a task, !code, :commands), the same gate rules. Input
 * that is no terminal is no person: its gates deny. */
#ifndef AIRLOCK_CLI_LINEMODE_H
#define AIRLOCK_CLI_LINEMODE_H

#include "cli/app.h"

/* `why` says why there is no screen. Returns the exit code. */
int linemode_run(struct app *app, const char *task, const char *resume, const char *why);

#endif
