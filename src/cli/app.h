/* app.h - what one process has: directories, configuration, launcher, loop, loaded secrets, rules.
 * Wires everything. */
#ifndef AIRLOCK_CLI_APP_H
#define AIRLOCK_CLI_APP_H

#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/redact.h"
#include "cli/config.h"
#include "cli/options.h"
#include "sessions/index.h"
#include "tool/contract.h"
#include "tool/policy.h"
#include "tool/review.h"

struct app {
    struct options opt;
    struct paths paths;
    struct config config;
    struct launcher *launcher;
    struct loop *loop;
    struct redact *redact;
    struct review_rules *rules;
    struct policy *policy;    /* NULL without --policy */
    struct index *index;      /* opened on first use */
    struct contract contract; /* defaults, then the config, then -c */
    struct net *net;
    struct frames *frames; /* of live sessions, with --frames; NULL */
};

/* Directories, configuration, contract, policy. Not the launcher: main started it before. */
int app_init(struct app *app, struct err *e) MUST_CHECK;
void app_release(struct app *app);

/* $XDG_STATE_HOME/airlock/log; -v writes more. */
/* One -c: KEY=VALUE, several lines of it, or a file of such lines. ERR_USAGE, ERR_MISSING. */
int app_add_contract(struct app *app, const char *word, struct err *e) MUST_CHECK;
/* From here on this process only supervises (base/confine.h). A kernel that has no such thing is no
 * reason not to work: airlock doctor says so. */
void app_confine(void);
/* And it writes only below its own directories (made now), /dev and its control groups; what a
 * person names is written by a child of the launcher (outfile_open_by). */
void app_confine_session(const struct app *app);
/* A process that makes no sandbox: it writes only below our state, the current and the temporary
 * directory, where the kernel can see to it. */
void app_confine_replay(const struct app *app);
void app_open_log(struct app *app);

/* Lazily: the review rules (a broken rule file is a bug of ours and is said), the index, the loop.
 */
int app_need_rules(struct app *app, struct err *e) MUST_CHECK;
int app_need_index(struct app *app, struct err *e) MUST_CHECK;
int app_need_loop(struct app *app, struct err *e) MUST_CHECK;
/* With --frames: where those of live sessions go. ERR_USAGE, ERR_IO. */
int app_need_frames(struct app *app, struct err *e) MUST_CHECK;
/* With the loop; only for planners and sandboxes that use the network. */
int app_need_net(struct app *app, struct err *e) MUST_CHECK;

/* "name[:rest]" → name (copied into room) and rest (lent, NULL when absent). */
const char *app_split_name(const char *word, char *room, size_t size);
/* The sandbox that is asked for (-s, else the configuration's) and, unless NULL, its image (lent;
 * NULL none). NULL: it is unknown, `e` says so. */
const struct sandbox_ops *app_sandbox(const struct app *app, const char **image, struct err *e);

/* Does this planner ask a model, so that it needs a task in words? (A runbook's task is its own.)
 */
bool app_planner_asks_model(const char *planner);

/* A key from the environment, or a setting from there or the configuration. Fits
 * planner_config.setting; `app` is the struct app. Lent for ever. */
const char *app_setting(void *app, const char *name);

/* Print "airlock: <message>" to stderr, cleaned for a terminal, unless there is none, and give the
 * exit code that belongs to e->code. */
int app_fail(const struct err *e);
int exit_code_of(const struct err *e);
/* Write to standard output. -1 when that fails, said on stderr the first time, unless a reader went
 * away. */
int app_print(const char *p, size_t len);
/* After that: ERR_IO without a word, for app_fail() to give its exit code alone. Always -1. */
int app_print_failed(struct err *e);
int app_print_end(void); /* the same for what printf still holds */

#endif
