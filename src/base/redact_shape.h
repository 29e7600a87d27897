/* redact_shape.h - secrets that are known by their look: keys of vendors, tokens, private keys.
 * [SEC-4] */
#ifndef AIRLOCK_BASE_REDACT_SHAPE_H
#define AIRLOCK_BASE_REDACT_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#define REDACT_SHAPE_MAX 4096 /* bytes of one that are hidden */

/* Does one begin at p? `before`: the byte before p, 0 at the start of a text. Its length and, in
 * *name, what it is ("github-token"); 0: none. Unless the text ends here (`final`), *wait says that
 * more bytes are needed to tell. */
size_t redact_shape_at(const char *p, size_t len, char before, bool final, const char **name,
                       bool *wait);
/* Which two bytes any of them begins with: calls `fn` for each pair. */
void redact_shape_starts(void (*fn)(void *arg, char a, char b), void *arg);

#endif
