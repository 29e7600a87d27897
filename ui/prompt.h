/* prompt.h - the prompt line: readline in callback mode, fed from our own bytes. It never touches
 * the terminal. [style §9]
 *
 * It also knows whether the line was *typed*: every byte a single key press or a completion of a
 * REPL name (no paste, burst, history, macro or editor). One prompt per process: readline's state
 * is global.
 */
#ifndef AIRLOCK_UI_PROMPT_H
#define AIRLOCK_UI_PROMPT_H

#include "base/buf.h"

typedef void (*prompt_enter)(void *arg, const char *line, bool typed);

/* `history_path` may be NULL; a file that can't be read is no history. */
void prompt_open(const char *history_path, prompt_enter fn, void *arg);
void prompt_close(void); /* writes the history */

/* One key press as its bytes; `fast` = part of a burst (then the line is not typed any more). */
void prompt_feed(const char *bytes, size_t len, bool fast);
/* Pasted text: newlines and tabs become spaces, other controls are dropped; never submits. */
void prompt_paste(const char *text, size_t len);
/* Put in by a completion of a REPL name: still typed. */
void prompt_complete(const char *text, size_t len);

const char *prompt_line(size_t *len, size_t *cursor); /* lent */
void prompt_set(const char *text);                    /* replaces the line; not typed */
void prompt_clear(void);
void prompt_remember(const char *line); /* adds to the history (never what holds a secret) */

const char *prompt_library_version(void); /* "8.2", static */

#endif
