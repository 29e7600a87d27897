/* tree.h - the branches of a session: those within it (`state.restored`), and the sessions that
 * were forked from it or that it was forked from. [architecture §6] */
#ifndef AIRLOCK_CLI_TREE_H
#define AIRLOCK_CLI_TREE_H

#include "cli/app.h"
#include "tool/state.h"

enum tree_kin {
    TREE_ROOT,    /* it names no parent */
    TREE_SAME,    /* the parent's chain is the one it was forked from */
    TREE_MISSING, /* the parent is not here: can't be told */
    TREE_DIFFERS, /* the parent's record is not the one it was forked from */
};
const char *tree_kin_name(enum tree_kin k);
/* Is the parent that `st` names still the one it was forked from? A rerun, whose parent has no
 * chain in it, is TREE_SAME when the parent is there. */
enum tree_kin tree_check_parent(struct app *app, const struct state *st);

struct tree_line {
    const char *text;             /* drawn with its branches */
    const char *session;          /* id */
    uint32_t run;                 /* the last of a stretch of runs; 0: the line is the session's */
    const struct state_run *last; /* … and that run */
    const struct state *state;
    uint32_t first, after;    /* the stretch, and the run it goes on from */
    enum tree_kin kin;        /* of a session's line */
    bool asked;               /* the session that was asked for */
    const struct err *broken; /* of a session's line: why its record is not whole; NULL: it is */
};
/* Lent for the call; non-zero stops. */
typedef int (*tree_fn)(void *arg, const struct tree_line *line);

/* The whole family of session `id`, from the oldest that is there. At most TREE_SESSIONS_MAX of
 * them are read. */
#define TREE_SESSIONS_MAX 200
int tree_walk(struct app *app, const char *id, tree_fn fn, void *arg, struct err *e) MUST_CHECK;

/* "verified", "exit 1", "denied" … of a run, for a person. */
void tree_outcome(const struct state_run *r, char *out, size_t size);

#endif
