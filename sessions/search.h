/* search.h - a text in everything recorded: tasks, plans, code, errors, results and messages from
 * the index, output by a scan of the session files. [performance §1.6]
 *
 * Bytes are looked for as they are; each line that holds the text is one hit. The scan is cut into
 * steps, so that a screen can go on between them; memory does not grow with what is searched.
 */
#ifndef AIRLOCK_SESSIONS_SEARCH_H
#define AIRLOCK_SESSIONS_SEARCH_H

#include "sessions/index.h"

#define SEARCH_TEXT_MAX 1000 /* bytes looked for, without line ends */
#define SEARCH_LINE_MAX 4096 /* bytes of a hit's line that are given, around the hit */

enum search_place {
    SEARCH_TASK,
    SEARCH_PLAN,
    SEARCH_PLANNER,
    SEARCH_NOTE,
    SEARCH_CODE,
    SEARCH_RESULT,
    SEARCH_ERROR,
    SEARCH_STDOUT,
    SEARCH_STDERR
};
const char *search_place_name(enum search_place p); /* "stdout"; static */

struct search_hit {
    const char *session; /* id */
    uint32_t run;        /* 0 none */
    enum search_place where;
    uint64_t line;    /* 1-based, in the text or stream */
    const char *text; /* the line, or as much of it as was at hand; bytes, lent for the call */
    size_t len, at;   /* at: where the hit begins */
    bool more;        /* no hit: in this stream there are more, which are not told */
};
typedef int (*search_fn)(void *arg, const struct search_hit *hit); /* non-zero ends the search */

struct search_spec {
    const char *text;   /* 1…SEARCH_TEXT_MAX bytes */
    const char *filter; /* of sessions, as in index.h; NULL all */
    size_t per_stream;  /* hits told of one stream of one run; 0 all */
};

struct search;
/* The index should be fresh. ERR_USAGE. `fn` is called from search_step only. */
int search_new(struct search **out, struct index *ix, const char *sessions_dir,
               const struct search_spec *spec, search_fn fn, void *arg, struct err *e) MUST_CHECK;
/* Texts first, then output, newest session first; returns after about `budget` bytes: 1 there is
 * more, 0 that was all, -1 the index can't be read. */
int search_step(struct search *s, size_t budget, struct err *e) MUST_CHECK;
void search_free(struct search *s);

struct search_progress {
    size_t sessions, done; /* with output */
    size_t unreadable;     /* not read to their end */
    bool damaged;          /* … one of them, since its record is */
    char last[65];         /* the id of one of those; "" */
    uint64_t bytes;
};
void search_told(const struct search *s, struct search_progress *out);

#endif
