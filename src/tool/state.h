/* state.h - the in-memory state of one session: a pure fold over its events. [architecture §1,
 * style §7]
 *
 * state_apply reads no clock, file, socket or random number: time and ids arrive in the event. So
 * one log gives one state; replay is this function with the effects dropped. Views read it; nobody
 * else writes it. All strings are owned by the state and NUL-terminated; program output keeps only
 * a bounded tail and a sparse line index, the rest is read from the session file through `struct
 * output_source`.
 */
#ifndef AIRLOCK_TOOL_STATE_H
#define AIRLOCK_TOOL_STATE_H

#include <sys/types.h>
#include "base/buf.h"
#include "providers/planner.h"
#include "providers/sandbox.h"
#include "sessions/event.h"

#define STATE_TAIL_MAX     ((size_t)256 << 10)  /* bytes of output kept in memory per stream */
#define STATE_INDEX_STEP   ((uint64_t)64 << 10) /* one line-index entry per this many bytes */
#define STATE_ATTEMPTS_MAX 3
#define STATE_ROW_END      '\x1e'
#define STATE_CELL_END     '\x1f'
#define STATE_TAIL_OLD     ((size_t)4 << 10) /* … once there were STATE_TAILS_MAX runs since */
#define STATE_TAILS_MAX    8
#define STATE_VARS_MAX     1000  /* variables and files kept per run; the rest: store */
#define STATE_LISTS_MAX    50000 /* of all runs together */
#define STATE_OBSERVE_CLIP                                                                         \
    ((size_t)16 << 10) /* a planner sees so much of an output's head and tail */
#define STATE_RESULTS_MAX 256
#define STATE_FLAGS_MAX   64                  /* of a run */
#define STATE_NETS_MAX    64                  /* of a run */
#define STATE_TEXT_MAX    ((size_t)256 << 10) /* of a result's text */

enum finding_severity { SEVERITY_INFO, SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH };
const char *severity_name(enum finding_severity s); /* "HIGH" … */

struct state_finding {
    uint32_t line; /* 1-based; 0 = whole */
    enum finding_severity severity;
    char *rule, *text;
};

/* Text that is addressed to the model (tool/tripwire.h), in what a run wrote or left. */
struct state_flag {
    char *stream;    /* "stdout", "stderr", "result", "error", "variable", "file" */
    char *name;      /* of the variable or file, MIME of the result; "" */
    uint32_t line;   /* 1-based; 0 the whole */
    uint64_t offset; /* of its first byte, in stdout and stderr */
    enum finding_severity severity;
    char *rule, *text, *excerpt;
};
/* "run 3 stdout line 17", "run 3 variable df". */
void state_flag_where(const struct state_flag *f, uint32_t run, char *out, size_t size);

/* What a run reached for under network=allow. */
enum net_verdict { NET_ALLOWED, NET_REFUSED, NET_FAILED /* allowed, but not to be reached */ };
const char *net_verdict_name(enum net_verdict v);
struct state_net {
    uint32_t attempt; /* its number in that sandbox */
    enum net_verdict verdict;
    char *host, *method, *address, *why; /* "" unknown, none */
    uint32_t port;
    uint64_t sent, received; /* bytes, once closed */
    bool open, background;   /* background: after the run had ended */
};
/* "allowed CONNECT pypi.org:443 (1.2.3.4), 900 bytes out, 5000 in", "refused … : why". */
void state_net_say(const struct state_net *n, struct buf *out);

/* One stream of one run. */
struct state_output {
    uint64_t bytes; /* recorded so far */
    uint64_t newlines;
    uint64_t dropped; /* beyond output_mib: "truncated +N bytes" */
    struct buf tail;  /* the last ≤ STATE_TAIL_MAX bytes */
    uint64_t tail_offset;
    struct output_mark {
        uint64_t offset, line;
    } * marks; /* line number (0-based) of the line that `offset` lies in */
    size_t mark_count, mark_cap;
    bool ends_in_newline, has_gaps; /* gaps: bodies that were erased */
};

enum run_status {
    RUN_PROPOSED,
    RUN_REVIEWED,
    RUN_AT_GATE,
    RUN_APPROVED,
    RUN_RUNNING,
    RUN_FINISHED,
    RUN_DENIED,
    RUN_STOPPED
};
enum run_verdict { VERDICT_NONE, VERDICT_VERIFIED, VERDICT_REFUTED, VERDICT_UNVERIFIED };
const char *run_verdict_name(enum run_verdict v);

struct state_check {
    char *kind, *text, *got;
    bool ok;
};
struct state_result {
    char *mime, *text /* or NULL */, *artifact /* name, or NULL */;
    uint64_t bytes;
    bool main;
};
struct state_var {
    char *name, *type, *shape, *preview, *digest, *language;
    int64_t bytes;
    enum var_change change;
    uint32_t since_run;
};
/* A namespace as bytes, in the session file. */
struct state_saved {
    bool there; /* false: none was made, or it was dropped again */
    int64_t bytes;
    char *digest;      /* hex, NULL none; equal namespaces of a session share their bytes */
    char **lost;       /* "name (why)": what could not be kept */
    size_t lost_count; /* ≤ STATE_VARS_MAX */
};
struct state_file {
    char *path;
    enum var_change change;
    int64_t bytes;
};

/* Strings are "" when there is nothing to say, never NULL but where that is said.
 * Whatever these own is copied by state_snapshot.c and freed by state.c or state_run.c: a member
 * that is added has its place there as well. */
struct state_run {
    uint32_t number, rev, twin_of, attempt;
    char *step, *language, *code, *purpose, *expect, *author; /* expect: one check per line */
    char *call_id; /* the planner's own handle of it; "" */
    size_t code_len;
    struct state_finding *findings;
    size_t finding_count;
    enum finding_severity worst; /* meaningful when finding_count > 0 */
    enum run_status status;
    char *capsule; /* hex, "" before the gate */
    char *decision, *by, *reason;
    int64_t proposed_at_us, gate_at_us, decided_at_us, started_at_us, finished_at_us;
    int64_t waited_ms;
    uint32_t seen_lines;
    struct state_output out[3]; /* by enum sandbox_stream; [0] unused */
    struct state_result *results;
    size_t result_count;
    enum run_end end;
    char *end_what, *limits_hit, *message;
    bool has_exit_code, spent;
    bool own;     /* the person's own code (author of its first rev): no planner is told of it */
    bool cut_off; /* the record stopped while it was on: how far it came is unknown */
    bool erased;  /* some event of it has lost its body: what is left can't be judged */
    int exit_code;
    char *error_name, *error_value, *error_traceback;
    int64_t wall_ms;
    enum run_verdict verdict;
    struct state_check *checks;
    size_t check_count;
    struct state_var *vars; /* as reported after this run */
    size_t var_count;
    struct state_file *files;
    size_t file_count;
    uint32_t parent_run; /* it began with the variables as they were after that run; 0: with none,
                            or with those the session began with */
    bool has_checkpoint; /* a frozen copy of the interpreter is in the live sandbox */
    bool state_lost;
    char *snapshot; /* the provider's, of files and memory after it; "" none */
    struct state_saved saved;
    struct state_flag *flags; /* in the order in which they were found */
    size_t flag_count;
    struct state_net *nets; /* the first STATE_NETS_MAX attempts */
    size_t net_count;
    uint64_t net_asked, net_refused, net_sent, net_received; /* of all */
    uint64_t first_seq, last_seq, decided_seq;
    uint32_t sharers; /* snapshots that hold this run beside the state */
};

struct state_step {
    char *id, *title, *expect;
    enum step_status status;
    uint32_t attempts, last_run;
};
struct state_message {
    char *author, *text;
    uint64_t seq;
    int64_t at_us;
    uint32_t run;
}; /* task, note, planner, error */

enum session_phase { PHASE_IDLE, PHASE_PLANNING, PHASE_GATE, PHASE_RUNNING, PHASE_FINISHED };
enum sandbox_status {
    SBX_NONE,
    SBX_CREATING,
    SBX_READY,
    SBX_CLOSED,
    SBX_LOST,
    SBX_WAITING,
    SBX_PAUSED
};

/* What is said of a gate whose run finds less than earlier ones left, when it was recorded by a
 * program that did not say what. */
#define STATE_LOST_LINE "a new container: too large for the one that runs, whose files are lost"

struct state_gate {
    bool open;
    uint32_t run, rev;
    char *capsule, *contract_digest, *sandbox;
    /* As recorded, rows with STATE_ROW_END between: "field STATE_CELL_END how STATE_CELL_END why"
     * of what is not enforced; what the capsule holds beside its code. */
    char *walls, *attached;
    char *isolation;      /* "process (namespaces + seccomp)"; "" not recorded */
    char *held_by;        /* who holds it to that; "" not recorded */
    bool checked_only;    /* checked, not gated */
    bool state_lost;      /* something of earlier runs is not there any more … */
    char *lost_line;      /* … said in a line; "" none */
    bool has_walls;       /* older programs did not record them */
    int64_t opened_at_us; /* CLOCK_BOOTTIME */
};
struct state_lease {
    bool active;
    int64_t runs_left /* -1 no count */, until_boot_us /* 0 none */;
    char *step, *approximated;
};

struct state {
    char *session, *name, *planner, *model, *sandbox, *image, *version, *parent, *tags, *task;
    char *contract_json, *contract_digest;
    int64_t created_at_us, last_at_us, last_boot_us; /* last: of the newest event */
    uint64_t last_seq, unknown_events;
    enum session_phase phase;
    int64_t retry_at_us; /* while planning: when the planner asks its model again; else past or 0 */
    struct state_message *messages; /* lent by `words` */
    size_t message_count;
    struct state_words *words;
    struct state_step *steps;
    size_t step_count;
    struct state_run **runs; /* runs[i]->number == i + 1 */
    size_t run_count, run_cap;
    uint32_t running;         /* number of the run on the sandbox now; 0 none */
    uint32_t denials_in_step; /* in a row */
    struct state_gate gate;
    struct state_lease lease;
    enum sandbox_status sbx;
    /* What the newest sandbox was asked before its first use: a letter a probe (filesystem,
     * network, process, timeout, state), + proved, - failed, ? unproved; "" not asked. */
    char *lights;
    /* … and the evidence, rows with STATE_ROW_END between: cells "probe", name, result, why; then
     * its attempts, "row", what, inside, host, result. */
    char *evidence;
    char *sandbox_id, *sandbox_label; /* of the newest; the id "" until it is known */
    uint32_t sandbox_seq;             /* the highest number in a label */
    int64_t sandbox_ends_boot_us; /* of one that ends by itself: when; 0 unknown or not at all */
    int64_t sandbox_waits_at_us;  /* SBX_WAITING: since */
    int64_t cold_start_ms;
    bool sandbox_warm;
    struct state_var *vars; /* the REPL now; since_run says when each last changed */
    size_t var_count;
    uint32_t vars_run;        /* after which run */
    struct state_run *origin; /* a branch: what it began with, as a run without a number; NULL */
    char *parent_chain;       /* … and the chain of the parent after event `parent_seq`, hex */
    uint64_t parent_seq;
    bool went_back;    /* … which is not the newest: state.restored, and nothing ran since */
    bool vars_lost;    /* the interpreter that held them is gone, and nothing was restored yet */
    size_t lists_held; /* entries in the vars and files of all runs, ≤ STATE_LISTS_MAX … */
    uint32_t lists_oldest; /* … by dropping those of the first so many runs */
    struct state_output background[3];
    int64_t cost_nanousd, input_tokens, output_tokens, sandbox_ms;
    char *outcome, *answer; /* of session.finished */
    bool finished, trashed;
    bool stopped;       /* the record could not be written any more: the last word says why */
    bool foreign;       /* imported: to be looked at only [IMP-1] … */
    char *foreign_from; /* … and the id it had where it was made */
    uint32_t denied, failed, verified;
    uint32_t flagged_run; /* the newest with a flag, until a later run was decided on; 0 none */
};

/* What has to happen now; dropped in replay. */
enum effect_kind {
    EFFECT_REVIEW,       /* run was proposed: review it */
    EFFECT_GATE,         /* reviewed: build the capsule, open the gate */
    EFFECT_ASK,          /* gate is open: lease, policy or person decides */
    EFFECT_START,        /* approved: start exactly this capsule */
    EFFECT_DRY_RUN,      /* decided dry-run: run in a twin */
    EFFECT_VERDICT,      /* finished: compare with the expectation */
    EFFECT_OBSERVE,      /* tell the planner */
    EFFECT_PLAN_TASK,    /* first words */
    EFFECT_PLAN_MESSAGE, /* later words of the person */
    EFFECT_STOP,         /* the person stopped the session's work */
};
struct effect {
    enum effect_kind kind;
    uint32_t run;
};
#define EFFECTS_MAX 4
struct effects {
    struct effect list[EFFECTS_MAX];
    size_t count;
};

/* Effects of an event:
 *   run.proposed REVIEW · run.reviewed GATE · gate.opened ASK · run.finished VERDICT
 *   gate.decided approve START · dry-run DRY_RUN · deny OBSERVE · stop STOP · edit none (a
 *     run.proposed with rev + 1 follows)
 *   run.verdict OBSERVE; task.given by the person PLAN_TASK the first time, then PLAN_MESSAGE; note
 *     by the person PLAN_MESSAGE. Nothing of the person's own code is OBSERVEd.
 *
 * A dry run executes the very capsule that was decided on, once, in a throw-away twin:
 *   gate.decided {dry-run, capsule H} of run N   N is RUN_REVIEWED again, DRY_RUN(N)
 *   run.proposed {run M, twin_of N, same code}   M is RUN_APPROVED, START(M); one twin per decision
 *   run.started {run M, capsule H} … run.finished, run.verdict of M   then GATE(N)
 *   gate.opened {run N, same rev, capsule H'}    H is used up; now N is decided
 * M is never an attempt; sandbox.* and state.* events that carry its number leave the session's
 * sandbox and REPL alone.
 *
 * A run begins with rev 0 or 1 and each edit adds one. A gate may be opened again for the same run
 * and rev (the contract changed, the session was resumed): the capsule before it is dead.
 * session.resumed closes an open gate and ends a lease.
 * A run that never started may still finish when its end says that no code ran (sandbox, provider,
 * lost, killed, interrupted, integrity, denied).
 *
 * Attempts: run.verdict decides whether an attempt is spent (not verified, and not exit 0
 * unverified). What a twin, a denial or an edit costs: nothing. */
void state_init(struct state *st);
/* Whose events they are: the id is the file's, no event carries it. Copied. */
void state_set_session(struct state *st, const char *id);
void state_release(struct state *st);
/* Fold one event. A fact that contradicts the state (an approval of another capsule, a start
 * without one, a second finish, output of a run that is over, offsets with a gap …) is
 * ERR_INTEGRITY and changes nothing. `out` may be NULL (replay). */
int state_apply(struct state *st, const struct event *ev, struct effects *out,
                struct err *e) MUST_CHECK;

struct state_run *state_run_at(const struct state *st, uint32_t number); /* NULL: none */
/* The attempt that a network event is about; NULL: not kept. */
const struct state_net *state_net_of(const struct state_run *r, const struct event *ev);
/* Where the namespace is that comes nearest to the one after `run` (0: what the session began
 * with): its own, or that of the nearest run before it on its branch. NULL: nowhere. */
const struct state_run *state_saved_near(const struct state *st, uint32_t run);
/* The same for a snapshot of the provider's. */
const struct state_run *state_snapshot_near(const struct state *st, uint32_t run);
/* Do the variables of `run` lead to those of `later`? True for the same run. */
bool state_leads_to(const struct state *st, uint32_t run, uint32_t later);
/* Is `v` what an entry of a lost[] speaks of: "NAME", "NAME (why)", "LANGUAGE:NAME …"? */
bool state_lost_is(const char *entry, const struct state_var *v);
/* A run is started, is no twin, and no other run went on from it. */
bool state_is_tip(const struct state *st, const struct state_run *r);
struct state_run *state_last_run(const struct state *st); /* newest that is no twin; NULL */
/* The attempt before this one: same step, or the previous run of the same author when it has no
 * step; NULL. */
const struct state_run *state_previous_attempt(const struct state *st, const struct state_run *r);
struct state_step *state_step_find(const struct state *st, const char *id);
/* Failed attempts already spent in `step`; 0 for "". */
uint32_t state_attempts_spent(const struct state *st, const char *step);

/* The state as it is now, kept for going back to: replay seeks with it. It shares what it can with
 * the state (finished runs, what was said), so it costs a pointer a run and what is open. Of output
 * nothing is kept: after a restore it is read from the session file. */
struct state_snapshot;
struct state_snapshot *state_snapshot_take(struct state *st);
/* `st` becomes what it was then; the snapshot stays good. */
void state_snapshot_restore(struct state *st, struct state_snapshot *s);
uint64_t state_snapshot_seq(const struct state_snapshot *s);
void state_snapshot_free(struct state_snapshot *s);

/* Output beyond the tail. read: bytes got, 0 at the end, -1 on error (then show "[output can't be
 * read]"). */
struct output_source {
    ssize_t (*read)(void *arg, uint32_t run, unsigned stream, uint64_t offset, char *dst,
                    size_t len);
    void *arg;
};

#endif
