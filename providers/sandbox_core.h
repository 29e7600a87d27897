/* sandbox_core.h - what the adapters of all sandboxes share: whom one tells, that it ends once and
 * why, and when it may be freed.
 *
 * The first member of an adapter's struct, so that a `struct sandbox *` of its table is one of
 * them. Reentrance: whoever is told may call back, so an adapter that is called from outside of its
 * owner (a loop source, an answer) stands between core_enter() and core_leave(); closing in there
 * only marks it, and `later` frees it.
 */
#ifndef AIRLOCK_PROVIDERS_SANDBOX_CORE_H
#define AIRLOCK_PROVIDERS_SANDBOX_CORE_H

#include "base/loop.h"
#include "providers/sandbox.h"

/* An execution that check_body refused: it never left, and ends all the same, END_INTEGRITY. */
struct sandbox_refusal {
    uint32_t run; /* 0 none */
    struct err why;
};

struct sandbox_core {
    struct sandbox base;
    struct loop *loop; /* borrowed */
    sandbox_sink sink; /* NULL: nobody listens */
    sandbox_check_body check_body;
    void *arg;                      /* of both */
    struct loop_source *later;      /* idle; the adapter's */
    struct sandbox_refusal refused; /* its FINISHED is due, from the loop */
    bool ending;                    /* what was running ends `end_as` */
    enum run_end end_as;
    const char *end_what; /* NULL: the owner's own kill; else the word for END_LIMIT, or "" */
    struct err why;       /* of an end that is a failure */
    bool closed;          /* by the owner: free as soon as nothing of it is on the stack */
    unsigned depth;
};

/* The table, and the idle source `later`, which runs on_later(adapter). Nobody listens yet. */
void core_init(struct sandbox_core *c, const struct sandbox_ops *ops, struct loop *loop,
               loop_timer_fn on_later);
/* Whom it tells from now on. */
void core_listen(struct sandbox_core *c, const struct sandbox_config *cfg);

void core_tell(struct sandbox_core *c, const struct sandbox_event *ev);
void core_tell_refusal(struct sandbox_core *c); /* once */
/* The last two words: FAILED with `why`, when `failed`, and CLOSED. */
void core_tell_over(struct sandbox_core *c, const char *id, bool failed, bool confirmed);

void core_enter(struct sandbox_core *c);
void core_leave(struct sandbox_core *c);

/* The first call counts and says true. `why` may be NULL; all of it is copied but `what`. */
bool core_end(struct sandbox_core *c, enum run_end as, const char *what, const struct err *why);
/* Its owner does not listen any more. */
void core_silence(struct sandbox_core *c);
/* True: free it now. False: `later` will be called, with `closed`. */
bool core_close(struct sandbox_core *c) MUST_CHECK;

/* A positive number of the settings in ms, at most an hour; else `dflt`. */
int core_number_setting(const struct sandbox_config *cfg, const char *name, int dflt);

/* ---- entries of a table for what a sandbox can't: ERR_USAGE with its name */
int core_no_restore(struct sandbox *s, uint32_t run, struct err *e) MUST_CHECK;
int core_no_save(struct sandbox *s, struct err *e) MUST_CHECK;
int core_no_load(struct sandbox *s, const char *ptr, size_t len, struct err *e) MUST_CHECK;
int core_no_complete(struct sandbox *s, const char *language, const char *text, size_t cursor,
                     uint64_t token, struct err *e) MUST_CHECK;

#endif
