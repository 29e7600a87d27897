/* birth.h - what a new sandbox proves before the first code of a session runs in it. [SBX-3,
 * local-sandboxes §5]
 *
 * A few must-fail attempts go the way of model code (sandbox_ops.exec), in two requests: files,
 * network, processes and what the interpreter keeps. The host plants a canary and listens. One
 * attempt that succeeds is a FAIL, missing evidence is UNPROVED. How long a run may take is not
 * tried here: it would cost that time. `airlock doctor` tries it, and everything else, at length.
 *
 * Nothing blocks: events of the sandbox are handed in, the answer comes once, from the loop.
 */
#ifndef AIRLOCK_TOOL_BIRTH_H
#define AIRLOCK_TOOL_BIRTH_H

#include "tool/probe.h"

struct birth;

enum birth_light {
    LIGHT_FILES,
    LIGHT_NETWORK,
    LIGHT_PROCESS,
    LIGHT_TIMEOUT,
    LIGHT_STATE,
    LIGHT_COUNT
};

/* Reports in the order of enum birth_light; lent for the call, in which the birth may be freed. */
typedef void (*birth_done_fn)(void *arg, const struct probe_report reports[LIGHT_COUNT]);

struct birth_config {
    struct loop *loop;
    const struct contract *contract; /* lent until birth_free */
    const char *private_dir;         /* of this user: a canary is put there for the moment; NULL */
    /* Not tried at birth: when it was proved elsewhere, in words; NULL or "": it was not. */
    const char *timeout_proved;
    birth_done_fn done;
    void *arg;
};

/* `s` is ready and idle. ERR_*: it could not be asked, then nothing is proved. */
int birth_begin(struct birth **out, struct sandbox *s, const struct birth_config *cfg,
                struct err *e) MUST_CHECK;
/* Before that: the canary is away, and `done` will not be called. NULL is fine. */
void birth_free(struct birth *b);

/* Is this event about a probe? Then it was dealt with. Asked for every event of a sandbox that was
 * born so, also long after. `b` may be NULL. */
bool birth_take(struct birth *b, const struct sandbox_event *ev);
/* [APR-3] for the probes' own requests: exactly what was asked. */
int birth_check_body(const struct birth *b, const struct sandbox_run *decoded,
                     struct err *e) MUST_CHECK;

#endif
