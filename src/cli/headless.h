/* headless.h - what `run`, `exec` and `--plain` share: one session without a screen, on the
 * terminal line by line or not at all. */
#ifndef AIRLOCK_CLI_HEADLESS_H
#define AIRLOCK_CLI_HEADLESS_H

#include "cli/app.h"
#include "cli/session.h"
#include "ui/text.h"

struct line_gate;

struct headless {
    struct app *app;
    struct session *session;
    enum {
        PRINT_LINES,
        PRINT_JSON,
        PRINT_OUTPUT, /* the code's own stdout and stderr, nothing else */
        PRINT_NOTHING
    } print;
    bool person; /* somebody is at the terminal and can be asked */
    bool interrupted, out_failed;
    int out_error; /* why printing ended, as an errno; 0 also for a reader that went away */
    uint8_t signals;
    struct buf json; /* lines that wait until their events are on disk */
    uint64_t json_seq;
    struct text_stream clean[3]; /* for a terminal, by stream */
    bool tty[3];                 /* is our stdout/stderr a terminal */
    struct err broken;           /* why the record stopped; code ERR_NONE = it did not */
    struct line_gate *gate;
    /* What is typed while no gate is open; a NULL line is the end of input. NULL: ignored. */
    void (*line)(void *arg, const char *line);
    void *line_arg;
    char gave_up[16];      /* code of the planner's last error, unless it has worked since; "" */
    char deny_reason[256]; /* of the last gate nobody could decide */
    int64_t give_up_us;    /* boot clock; 0 none */
};

/* Only the fields; no loop, no signals. For several of them in one process. */
void headless_init(struct headless *h, struct app *app);
/* SIGINT, SIGTERM and SIGHUP to `fn`. */
int headless_watch_signals(struct app *app, loop_signal_fn fn, void *arg, struct err *e) MUST_CHECK;
/* What one of them means: the gate is denied, the run interrupted; at the third time it is over.
 * `arg` = struct headless. */
void headless_signal(void *arg, int signo);
/* headless_init, the loop, signals and (with a person) the terminal; no session yet. */
int headless_open(struct headless *h, struct app *app, struct err *e) MUST_CHECK;
/* A saved session instead of a new one. */
int headless_resume(struct headless *h, const char *path, struct err *e) MUST_CHECK;
/* A branch of a saved one. */
int headless_fork(struct headless *h, const struct branch *b, struct err *e) MUST_CHECK;
/* Close the session, keep the rest. */
void headless_leave_session(struct headless *h);
/* headless_open, and start a session with the options of the command line. `task` is recorded; NULL
 * none. */
int headless_start(struct headless *h, struct app *app, const char *planner, const char *model,
                   struct err *e) MUST_CHECK;
int headless_create(struct headless *h, const struct session_spec *spec, struct err *e) MUST_CHECK;
/* The same with the options of the command line. */
int headless_new_session(struct headless *h, const char *planner, const char *model,
                         bool typed_runs, struct err *e) MUST_CHECK;
/* A signal that ends the program came: any but SIGINT, its third, or one without a session. */
bool headless_must_end(const struct headless *h);
bool headless_is_over(struct headless *h); /* nothing is under way */
/* Grant --lease when given. */
int headless_lease(struct headless *h, struct err *e) MUST_CHECK;
/* Turn the loop until nothing is under way and the planner has nothing to say. */
int headless_run(struct headless *h, struct err *e) MUST_CHECK;
/* `outcome` NULL: the session is not over, only left. */
void headless_end(struct headless *h, const char *outcome);
/* After headless_end: `status`, or `failed` instead of 0 and a word on stderr when what was to be
 * printed could not be. */
int headless_status(const struct headless *h, int status, int failed);

#endif
