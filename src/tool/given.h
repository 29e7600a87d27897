/* given.h - what a recorded proposal gave to its code beside it. */
#ifndef AIRLOCK_TOOL_GIVEN_H
#define AIRLOCK_TOOL_GIVEN_H

#include "base/json.h"

/* The arguments and the input of a run.proposed, in place of what `argv`, `count` and `input` hold:
 * an edit proposes anew, and the last proposal counts. Words and array are the caller's to free,
 * also on failure. ERR_LIMIT, ERR_FORMAT (an input that is no base64). */
int given_read(const struct json *body, char ***argv, size_t *count, struct buf *input,
               struct err *e) MUST_CHECK;

#endif
