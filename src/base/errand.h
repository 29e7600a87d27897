/* errand.h - something small that a confined process may not do itself, done for it by a child of
 * the launcher: a function of ours in a copy of this program as it was at its start, which holds no
 * key and is not confined. [architecture §8, threats §5]
 *
 * One socket pair: replies with at most one descriptor come back, single letters go there. When
 * this process dies or ends the errand, the other side reads an end.
 */
#ifndef AIRLOCK_BASE_ERRAND_H
#define AIRLOCK_BASE_ERRAND_H

#include <stdint.h>
#include "proc.h"

struct errand;

struct errand_reply {
    int64_t number;
    struct err err; /* code ERR_NONE: done */
};

/* Start `inside` with these arguments (argv[0] names it) in our current directory. `fd` (borrowed,
 * -1 none) is its descriptor ERRAND_GIVEN. ERR_IO. */
int errand_begin(struct errand **out, struct launcher *l, int (*inside)(int argc, char **argv),
                 const char *const *argv, int fd, struct err *e) MUST_CHECK;
/* The next reply, waited for. Its error is ours. `number` and `fd` (taken; -1: none came) may be
 * NULL. ERR_IO when it died or is silent for too long. */
int errand_wait(struct errand *er, int64_t *number, int *fd, struct err *e) MUST_CHECK;
int errand_say(struct errand *er, char letter, struct err *e) MUST_CHECK;
void errand_end(struct errand *er); /* NULL-safe */

/* Begin, one reply, end. */
int errand_run(struct launcher *l, int (*inside)(int argc, char **argv), const char *const *argv,
               int given, int64_t *number, int *fd, struct err *e) MUST_CHECK;

/* ---- inside */

enum { ERRAND_SOCKET = 3, ERRAND_GIVEN = 4 };
void errand_reply(const struct errand_reply *r, int fd /* borrowed; -1 none */);
char errand_hear(void); /* the next letter, waited for; '\0': nobody wants it any more */

#endif
