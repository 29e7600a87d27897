/* origin.h - where a string in new code came from: marks what a planner copied verbatim out of the
 * output it was shown. "Where did this host come from?" [peers.md idea 21]
 *
 * What was said and shown is kept in the order of the session, up to ORIGIN_BYTES_MAX (the oldest
 * half is forgotten then). A string of the code is marked when the first place where it stands is
 * output: not what the planner wrote before it saw it, and never what the person said.
 */
#ifndef AIRLOCK_TOOL_ORIGIN_H
#define AIRLOCK_TOOL_ORIGIN_H

#include "base/buf.h"
#include "tool/lex.h"

#define ORIGIN_MIN       12 /* bytes of a string or word that is looked for */
#define ORIGIN_LEN_MAX   4096
#define ORIGIN_BYTES_MAX ((size_t)1 << 20)
#define ORIGIN_MARKS_MAX 32

enum origin_kind { ORIGIN_PERSON, ORIGIN_PLANNER, ORIGIN_OUTPUT };

struct origin;
struct origin *origin_new(void);
void origin_free(struct origin *o);

/* Copied. `what` is lent for good ("stdout"); `line` is the number of its first line. */
void origin_add(struct origin *o, enum origin_kind kind, uint32_t run, const char *what,
                uint64_t line, const char *p, size_t len);

struct origin_mark {
    size_t start, len; /* in the code */
    uint32_t line;     /* of the code, 1-based */
    uint32_t run;
    const char *what;
    uint64_t from_line;
};
/* Marks in the order of the code, at most `max`; one for each line of code and line of output. */
size_t origin_find(const struct origin *o, enum lex_lang lang, const char *code, size_t len,
                   struct origin_mark *marks, size_t max);

#endif
