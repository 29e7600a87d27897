/* linegate.h - the approval gate on a terminal without a screen: everything is printed, then words
 * are read.
 *
 * The same rules as on the screen (tool/gate.h): what was typed before the gate was fully printed
 * and 500 ms of silence had passed is discarded; `a` approves, with a HIGH finding `a XX` (the
 * capsule's first two hex digits); Enter alone, y, n and digits decide nothing; the end of input
 * denies. Input is read from stdin, which must be a terminal.
 */
#ifndef AIRLOCK_CLI_LINEGATE_H
#define AIRLOCK_CLI_LINEGATE_H

#include <stdbool.h>
#include "base/err.h"

struct headless;
struct line_gate;

int line_gate_new(struct line_gate **out, struct headless *h, struct err *e) MUST_CHECK;
void line_gate_free(struct line_gate *g);
/* Print the open gate of the session and begin to listen. `why`: what did not cover it; "" none. */
void line_gate_open(struct line_gate *g, const char *why);
bool line_gate_is_open(const struct line_gate *g);
void line_gate_deny(struct line_gate *g, const char *reason);

#endif
