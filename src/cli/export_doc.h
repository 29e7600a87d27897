/* export_doc.h - the walk for documents that people read: what happened, in order, as calls.
 *
 * `st` is the state as it was right after the event. Every text may come from outside: a format
 * cleans and escapes it for its own language.
 */
#ifndef AIRLOCK_CLI_EXPORT_DOC_H
#define AIRLOCK_CLI_EXPORT_DOC_H

#include "cli/export.h"

struct doc_ops {
    /* task, message, note, error: author is person, planner, program or error */
    void (*words)(void *arg, const struct event *ev, const char *author, const char *text);
    void (*plan)(void *arg, const struct state *st, const struct event *ev);
    void (*proposed)(void *arg, const struct state_run *r, const struct event *ev);
    void (*reviewed)(void *arg, const struct state_run *r, const struct event *ev);
    void (*gate)(void *arg, const struct state *st, const struct state_run *r,
                 const struct event *ev);
    void (*decided)(void *arg, const struct state_run *r, const struct event *ev);
    /* It ended, or never will (`ev` NULL): its output and results are to be shown now. Denied and
     * stopped ones have none and do not come here. */
    void (*ran)(void *arg, const struct state_run *r, const struct event *ev);
    void (*verdict)(void *arg, const struct state_run *r, const struct event *ev);
    void (*changed)(void *arg, const struct state_run *r, const struct event *ev);
    /* one line of ours about anything else */
    void (*other)(void *arg, const struct event *ev, const char *text);
    /* every event of a wanted run, behind the call above */
    void (*event)(void *arg, const struct state *st, const struct event *ev);
};

/* NULL members are skipped. Runs that are not wanted are too. */
int doc_walk(struct export *x, const struct doc_ops *ops, void *arg, struct err *e) MUST_CHECK;

/* "Run 3 · python · step s1, attempt 2": not from outside but for `language` and `step`. */
void doc_run_title(const struct state_run *r, struct buf *out);
/* "approved by the person, 12 lines seen, after 3.4 s" */
void doc_decision(const struct state_run *r, struct buf *out);
/* "new  df  DataFrame (150, 5)  …": one line of a variable or file that is not the same as before
 */
bool doc_var(const struct state_var *v, struct buf *out);
bool doc_file(const struct state_file *f, struct buf *out);

#endif
