/* round.h - one session at work: generate → review → gate → execute → observe → iterate.
 *
 * The round owns the planner, the sandbox and the capsules, and turns the effects of the reducer
 * into calls. Every fact goes through one door: built, handed to the port (which appends it to the
 * session file), applied to the state, told to the listener; only then are its effects carried out,
 * from the loop, never from inside a call. It knows no screen, no SQL and no wire format.
 * [architecture §1, AUD-1]
 */
#ifndef AIRLOCK_TOOL_ROUND_H
#define AIRLOCK_TOOL_ROUND_H

#include "base/redact.h"
#include "providers/planner.h"
#include "providers/sandbox.h"
#include "tool/policy.h"
#include "tool/review.h"
#include "tool/state.h"

struct round;
struct loop;
struct launcher;
struct net;

/* What the round needs from above. All calls are synchronous. */
struct round_port {
    /* Append to the session file. Durable types are on disk when it returns. A failure is final:
     * the round denies what is open, stops what runs and reports it once through `failed`. [AUD-4]
     */
    int (*append)(void *arg, struct event *ev, struct err *e);
    int (*append_artifact)(void *arg, struct event *ev, const char *mime, const char *name,
                           const void *p, size_t len, struct err *e);
    /* `ref` names the blob it is, or is a part of. */
    int (*append_checkpoint)(void *arg, struct event *ev, const char *kind, const char *ref,
                             const void *p, size_t len, struct err *e);
    /* The blob `ref`, all its parts. ERR_MISSING when it is not there. */
    int (*read_checkpoint)(void *arg, const char *ref, struct buf *out, struct err *e);
    /* The artifacts of a run, one after the other; `fn` gets them lent. May be NULL: there are
     * none.
     */
    int (*each_artifact)(void *arg, uint32_t run,
                         void (*fn)(void *fn_arg, const char *name, const void *p, size_t len),
                         void *fn_arg, struct err *e);
    /* The events from…to of the types whose bits are set, in order, lent; `fn` returns non-zero to
     * stop. May be NULL: there are none. */
    int (*each_event)(void *arg, uint64_t types, uint64_t from, uint64_t to,
                      int (*fn)(void *fn_arg, const struct event *ev), void *fn_arg, struct err *e);
    /* Take some of the bytes of `ref` out of the file; *more: call again. */
    int (*drop_checkpoint)(void *arg, const char *ref, bool *more, struct err *e);
    struct output_source output;
    /* Told after each event was applied. */
    void (*applied)(void *arg, const struct event *ev);
    /* A gate opened and neither typing, lease nor policy decided it: ask the person, or deny. `why`
     * says what did not cover it ("" when nothing was there to cover it). */
    void (*ask)(void *arg, uint32_t run, const char *why);
    /* Streaming text that is not (yet) an event: planner prose or code being written. For the eye
     * only. */
    void (*streaming)(void *arg, const struct planner_event *ev);
    /* The answer to round_complete. */
    void (*completion)(void *arg, uint64_t token, const char *const *names, size_t count);
    void (*failed)(void *arg, const struct err *e);
    void *arg;
};

struct round_config {
    struct loop *loop;
    struct launcher *launcher;
    struct net *net;     /* NULL without network planners */
    struct state *state; /* borrowed; already holds session.created */
    const struct planner_ops *planner;
    const char *planner_model;
    const char *(*setting)(void *arg, const char *name); /* of planners: planner.h */
    void *setting_arg;
    const struct sandbox_ops *sandbox;
    const char *sandbox_image;
    const struct contract *contract; /* copied */
    const struct review_rules *rules;
    const struct redact *redact; /* may be NULL */
    const struct policy *policy; /* may be NULL */
    const char *default_language;
    const char *private_dir;    /* of this user: probes plant a canary there; NULL: nowhere */
    const char *timeout_proved; /* as in birth_config; lent while the round lives */
    bool typed_runs;            /* gate.own = typed */
    bool allow_warm;
    bool unattended; /* nobody looks into the sandbox any more when the session is over */
    struct round_port port;
};

int round_new(struct round **out, const struct round_config *cfg, struct err *e) MUST_CHECK;
/* The record can't be written any more (a group that was not committed): what runs is stopped, what
 * waits is never approved, port.failed is told. [AUD-4] */
void round_stop_record(struct round *r, const struct err *why);
void round_free(struct round *r); /* closes planner and sandbox; appends nothing */

/* ---- what the person (or a program in their place) says. ERR_USAGE / ERR_BUSY say why it can't be
 * now. ---- */
int round_task(struct round *r, const char *text, const char *author, struct err *e) MUST_CHECK;
int round_note(struct round *r, const char *text, const char *author, struct err *e) MUST_CHECK;

/* The person's own code. `typed`: every byte was a key press (interface.md): runs at once when a
 * lease's conditions hold. */
struct round_own {
    const char *language, *code, *expect, *purpose;
    size_t code_len;
    const char *const *argv;
    size_t argv_count;
    const char *input;
    size_t input_len;
    const struct sandbox_file *files; /* put there before the code, part of the capsule */
    size_t file_count;
    bool typed;
};
int round_own_code(struct round *r, const struct round_own *own, struct err *e) MUST_CHECK;

enum round_decision { DECIDE_APPROVE, DECIDE_DENY, DECIDE_DRY_RUN, DECIDE_STOP };
struct round_decide {
    enum round_decision decision;
    const char *by; /* "person", "lease", "policy", "typed" */
    const char
        *capsule; /* hex of what was on the screen: must be the open gate's, else ERR_INTEGRITY */
    const char *reason; /* deny; "" */
    uint32_t seen_lines;
    uint32_t unseen_lines; /* approved with so many unread (typed `unread`) */
};
int round_decide(struct round *r, const struct round_decide *d, struct err *e) MUST_CHECK;
/* Why there is no dry run here: where what runs is only checked afterwards there is no twin that
 * could be thrown away. NULL: there is. Static. [APR-15] */
const char *round_no_dry_run(const struct round *r);
/* Edit at the gate: new code and/or expectation for the run at the gate: rev + 1, new capsule. NULL
 * keeps the old one. */
int round_edit(struct round *r, const char *code, size_t code_len, const char *expect,
               struct err *e) MUST_CHECK;

struct round_lease {
    int64_t runs /* 0: no count */, minutes /* 0: no limit */;
    const char *step;
};
/* Why no lease can be granted under this contract in this sandbox, whatever the code; NULL: one
 * can. Static or in `room`. */
const char *round_no_lease(const struct round *r, char *room, size_t size);
int round_grant_lease(struct round *r, const struct round_lease *l, struct err *e) MUST_CHECK;
void round_end_lease(struct round *r, const char *why);

/* The plan as the person wants it: the planner is asked, then it is recorded. ERR_USAGE: the
 * planner can't follow it, in its words; nothing is recorded. */
int round_edit_plan(struct round *r, const struct planner_step *steps, size_t count,
                    struct err *e) MUST_CHECK;

/* ---- the planner's model; ERR_USAGE for a planner that asks none ---- */
/* "MODEL" or "MODEL@EFFORT" from its next call on; recorded. ERR_BUSY while a call is under way. */
int round_set_model(struct round *r, const char *model, struct err *e) MUST_CHECK;
/* Which it is now; false: none. Lent until the next call of the round. */
bool round_model(const struct round *r, struct planner_context_sum *out);
/* fn is called once, from the loop, within 30 s. */
int round_list_models(const struct round *r, planner_models_fn fn, void *arg,
                      struct err *e) MUST_CHECK;
int round_context(const struct round *r, struct planner_context_sum *out, planner_context_fn fn,
                  void *arg, struct err *e) MUST_CHECK;
/* Messages of the person that wait for its next call. */
unsigned round_queued(const struct round *r);

void round_interrupt(struct round *r);    /* first ^C: the run under way, else the planner's call */
void round_kill_sandbox(struct round *r); /* second ^C */
/* A remote sandbox that costs nothing until the next run or round_wake(); left as it is when the
 * session is left, and found again by a resume. ERR_USAGE, ERR_BUSY. */
int round_pause(struct round *r, struct err *e) MUST_CHECK;
int round_wake(struct round *r, struct err *e) MUST_CHECK;
/* Go back to the variables as they were after `run` (tool/travel.h says how and at what price):
 * what follows is a branch, nothing is deleted. ERR_BUSY while something runs or waits at the gate.
 * → state.restored, or an error in the record. */
int round_travel(struct round *r, uint32_t run, struct err *e) MUST_CHECK;
int round_put(struct round *r, const struct sandbox_file *f, struct err *e) MUST_CHECK;
int round_get(struct round *r, const char *path, size_t max, struct err *e) MUST_CHECK;
/* Names of the interpreter of `language` that go on at `cursor` of `text`, to the listener. */
int round_complete(struct round *r, const char *language, const char *text, size_t cursor,
                   uint64_t token, struct err *e) MUST_CHECK;
/* Resume: create a sandbox and load the newest saved namespace into it → state.restored. */
int round_resume_state(struct round *r, struct err *e) MUST_CHECK;
/* A fact about the session itself (renamed, tagged): through the same door. Releases `b` in every
 * case. */
int round_append_event(struct round *r, struct event_builder *b, struct err *e) MUST_CHECK;
/* A remote sandbox does not outlive its session, but a paused one of a session that goes on: ended
 * within a few seconds, and written down whether that is known. Nothing is done for local ones,
 * which die with us. */
void round_end_remote(struct round *r, bool ended);
/* A sandbox of this machine that nobody will look into any more: killed; true as long as it is not
 * gone (sandbox.closed). False also for remote ones, see round_end_remote. */
bool round_dismiss_sandbox(struct round *r);
/* End the session: session.finished. */
int round_finish(struct round *r, const char *outcome, const char *answer,
                 struct err *e) MUST_CHECK;

/* ---- for views and headless ---- */
bool round_is_quiet(const struct round *r); /* nothing under way: no run, no planner call, no gate,
                                               no effect queued */
/* Nothing is left but the report of variables or the saving of the namespace. */
bool round_only_saving(const struct round *r);
/* Whoever waits for that: the saving that was put off, because one had just been done, begins. */
void round_save_now(struct round *r);
bool round_planner_done(const struct round *r); /* finished, or waits for the person */
const struct capsule *round_gate_capsule(const struct round *r); /* of the open gate; NULL */
const struct contract *round_contract(const struct round *r);
const struct contract_enforcement *round_enforcement(const struct round *r);

#endif
