/* editor.h - a text in the person's own editor ($VISUAL, $EDITOR, else editor, nano, vi). */
#ifndef AIRLOCK_CLI_EDITOR_H
#define AIRLOCK_CLI_EDITOR_H

#include "base/buf.h"

/* Gives the terminal to the program, waits for it, takes the terminal back. 0 with its status. */
typedef int (*editor_run_fn)(void *arg, const char *const *argv, int *status, struct err *e);

/* `text` goes into a file of our own in `dir` (made if need be) that ends with `name`; what is in
 * it afterwards is appended to *out, and the file removed. ERR_MISSING: no editor; ERR_CANCELLED:
 * it ended with an error. */
int editor_edit(const char *dir, const char *name, const char *text, size_t len, editor_run_fn run,
                void *arg, struct buf *out, struct err *e) MUST_CHECK;
/* "run-3.py": the ending tells the editor the language. */
void editor_name_code(char *out, size_t size, unsigned run, const char *language);

#endif
