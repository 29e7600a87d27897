/* sandboxes.h - what the files of `airlock sandboxes` share: what the accounts have, and whose it
 * is.
 */
#ifndef AIRLOCK_CLI_SANDBOXES_H
#define AIRLOCK_CLI_SANDBOXES_H

#include "base/clock.h"
#include "cli/app.h"
#include "providers/fleet.h"
#include "sessions/event.h"

/* Whose is it? By its label, "<session>-<number>". */
enum whose {
    WHOSE_LIVE, /* a running Airlock holds its session */
    WHOSE_LEFT, /* its session is here and nobody holds it */
    WHOSE_KEPT, /* … but it was paused, or is a snapshot: on purpose, and it costs nothing or little
                 */
    WHOSE_UNKNOWN, /* Airlock's, but of another machine or data directory */
    WHOSE_OTHERS,  /* not Airlock's */
};

struct item {
    const struct sandbox_ops *ops;
    char *id, *label, *state, *image, *started, *ends;
    int64_t cpus, memory_mib, nanousd_hour;
    enum whose whose;
    char session[ID_LEN + 1];
};

struct fleet {
    struct app *app;
    const struct sandbox_ops *ops; /* being asked */
    struct item *items;
    size_t count, cap;
    bool done, failed;
    struct err err;
    const struct sandbox_ops *told[16]; /* providers that told all they have */
    size_t told_count;
};

/* For the calls of struct fleet_ops; `fl` is their argument. */
struct fleet_config sandboxes_config(struct app *app);
void sandboxes_on_done(void *arg, const struct err *e);
/* Before a call; then turn the loop until it is done. */
void sandboxes_begin(struct fleet *fl, const struct sandbox_ops *ops);
int sandboxes_wait(struct fleet *fl, struct fleet_call *call, struct err *e) MUST_CHECK;
/* NULL: said on stderr why it is none, or (with `free`) that it is in use. */
const struct item *sandboxes_find(const struct fleet *fl, const char *id, bool free);
/* A fact about a sandbox of a session that nobody holds, into its record. */
struct sandbox_fact {
    enum event_type type;
    const char *session, *kind, *id, *label, *by;
    bool confirmed;
};
int sandboxes_record(struct app *app, const struct sandbox_fact *f, struct err *e) MUST_CHECK;

/* cmd_sandboxes_keep.c: how many failed. */
int sandboxes_adopt(struct fleet *fl, char *const *ids, int count);
int sandboxes_ignore(struct fleet *fl, char *const *ids, int count);
int sandboxes_look(struct fleet *fl, char *const *ids, int count);

#endif
