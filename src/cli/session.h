/* session.h - a session file, its state and its round, wired together. Several can live in one
 * process.
 *
 * This is the only place where the store and the tool layer meet: it implements `struct
 * round_port`. Frontends (the screen, line mode, headless commands) listen through `struct
 * session_listener`.
 */
#ifndef AIRLOCK_CLI_SESSION_H
#define AIRLOCK_CLI_SESSION_H

#include "sessions/store.h"
#include "tool/round.h"

struct app;
struct branch;
struct session;

struct session_listener {
    void (*applied)(void *arg, const struct event *ev); /* after the state holds it */
    void (*durable)(void *arg, uint64_t seq);           /* everything up to seq is on disk */
    void (*ask)(void *arg, uint32_t run, const char *why);
    void (*streaming)(void *arg, const struct planner_event *ev);
    void (*completion)(void *arg, uint64_t token, const char *const *names, size_t count);
    void (*failed)(void *arg,
                   const struct err *e); /* the record can't be written: read-only from now on */
    void *arg;
    bool unattended; /* it goes when the session is over: nobody looks into the sandbox then */
};

struct session_spec {
    const char *planner, *model; /* names; model may be NULL */
    const char *sandbox, *image;
    const struct contract *contract;
    const char *name;            /* NULL */
    const char *parent;          /* "ID:RUN" of a fork, "ID" of a rerun; NULL */
    const struct branch *branch; /* it begins with those variables (parent and name are set) */
    bool typed_runs;
    bool allow_warm;
};

/* Create the file and append session.created. ERR_USAGE for unknown names (with the nearest),
 * ERR_MISSING with a remedy. */
int session_create(struct session **out, struct app *app, const struct session_spec *spec,
                   const struct session_listener *l, struct err *e) MUST_CHECK;
/* A session under the parent's planner, sandbox and contract that begins with the variables `b`
 * describes; they are loaded into a new sandbox at once (state.restored says what came). */
int session_fork(struct session **out, struct app *app, const struct branch *b,
                 const struct session_listener *l, struct err *e) MUST_CHECK;
/* Open a saved session for going on: folds the events, then brings the REPL state back into a new
 * sandbox. */
int session_resume(struct session **out, struct app *app, const char *path,
                   const struct session_listener *l, struct err *e) MUST_CHECK;
/* ERR_DENIED for an imported session: it may be looked at only. Asked before anything of a saved
 * session is resumed, run again, forked or approved. [IMP-1] */
int session_check_own(const struct state *st, struct err *e) MUST_CHECK;
/* Commit, refresh the index, free. The sandbox dies with it. */
void session_close(struct session *s);

/* Commits what is open and brings the row of the index up to date with it. */
int session_refresh_index(struct session *s, struct err *e) MUST_CHECK;

struct round *session_round(struct session *s);
struct state *session_state(struct session *s);
struct store *session_store(struct session *s);
struct output_source session_output(struct session *s);

/* For read-only commands: fold a file into `st`. An integrity error leaves what was whole in `st`
 * and is returned. */
int session_load_state(struct store *store, uint64_t to, struct state *st,
                       struct err *e) MUST_CHECK;
struct output_source store_output_source(struct store *store);

#endif
