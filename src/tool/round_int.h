/* round_int.h - what the files of the round share; nobody else includes it. */
#ifndef AIRLOCK_TOOL_ROUND_INT_H
#define AIRLOCK_TOOL_ROUND_INT_H

#include "base/clock.h"
#include "base/loop.h"
#include "providers/proxy.h"
#include "tool/birth.h"
#include "tool/capsule.h"
#include "tool/contract.h"
#include "tool/gate.h"
#include "tool/origin.h"
#include "tool/retain.h"
#include "tool/round.h"
#include "tool/travel.h"
#include "tool/tripwire.h"
#include "tool/verdict.h"

#define SAVED_BYTES_MAX    ((size_t)96 << 20)
#define ROUND_QUEUE_MAX    256   /* effects waiting for their turn */
#define OUTPUT_HOLD_US     50000 /* output is coalesced this long at most */
#define OBSERVE_CLIP_BYTES STATE_OBSERVE_CLIP
#define LABEL_SIZE         64
#define CANARY_SIZE        25
#define PROPOSAL_FILES_MAX ((size_t)64 << 20)
#define ARTIFACT_TEXT_MAX  ((size_t)64 << 10) /* longer texts are artifacts */

/* What a proposal carries beyond what the state keeps; one per run, freed with the round. */
struct proposal {
    struct proposal *next;
    uint32_t run; /* 0 while queued */
    char *language, *code, *purpose, *step, *expect, *author, *call_id, *input;
    size_t code_len, input_len;
    char **argv;
    size_t argv_count;
    struct sandbox_file *files;
    size_t file_count;
    bool typed;
    uint32_t twin_of;
    char waited_as[SHA256_HEX_LEN + 1]; /* code key at the gate of an earlier process; "" */
};

/* Output on its way into the record: redacted, then coalesced. */
struct round_stream {
    struct redact_stream filter;
    struct buf pending;
    struct tripwire_stream watch;
};

/* A throw-away second sandbox in which a dry run happens. */
struct twin {
    struct sandbox *sandbox;
    struct birth *birth;
    char label[LABEL_SIZE];
    struct capsule *capsule; /* of the original: these very bytes run */
    uint32_t run, of;        /* the twin's own number, the original's */
    bool loading, fetching, judged_ready;
    struct judged judged;        /* waits for the report of what changed */
    struct sandbox_file *copies; /* files of /workspace on their way over */
    size_t copy_count, copied, to_fetch, bytes, skipped;
    char **fetch;
};

/* A saved namespace on its way into the record, and old ones on their way out. */
struct save {
    enum { SAVE_NOTHING, SAVE_SCAN, SAVE_WRITE, SAVE_RETAIN, SAVE_DROP } stage;
    struct buf blob;
    size_t at;
    uint32_t run;
    int part;
    char digest[SHA256_HEX_LEN + 1], drop[SHA256_HEX_LEN + 1];
    char **kept, **lost;
    size_t kept_count, lost_count;
};

struct round {
    struct round_config cfg;
    char *planner_model, *sandbox_image, *default_language;
    struct contract contract;
    struct contract_enforcement enforcement;
    uint8_t contract_digest[SHA256_LEN];
    struct planner *planner;
    bool planner_waiting, planner_finished, planner_busy;
    bool finish_due; /* the session ends as soon as the sandbox has told its variables */
    char *answer;    /* of that end */

    struct effect queue[ROUND_QUEUE_MAX];
    size_t queue_head, queue_len;
    struct loop_source *idle, *save_idle, *flush_timer, *lease_timer;
    struct save save;
    bool save_wanted; /* another one, once this is done and the machine has rested from it */
    int64_t save_asked_us, save_next_us; /* boot clock: the newest began; the next may begin */
    struct loop_source *save_timer;
    bool broken; /* the record can't be written: nothing more is done */

    struct proposal *proposals; /* of runs that exist, newest first */
    struct proposal *waiting; /* proposals that came while another was at the gate, oldest first */

    struct capsule *gate_capsule;
    struct capsule *run_capsule; /* approved; until its run finished */
    bool restoring_fresh;        /* into a new sandbox: files are lost too */
    uint32_t load_from;          /* the run whose saved namespace goes into it */
    struct travelling {
        bool on;
        uint32_t run;
    } travel;           /* the person goes back to the variables as they were after that run */
    uint32_t start_run; /* approved, waits for the sandbox */
    int64_t approved_boot_us, approved_slept_us; /* when, and what the machine had slept by then */
    struct sandbox *sandbox;
    struct birth *birth; /* what it is asked before it is used */
    char label[LABEL_SIZE];
    bool sandbox_ready, awaiting_state, awaiting_save, awaiting_restore;
    bool sandbox_paused, pausing;
    bool attaching;     /* connecting to one that lived before; RESTORED says what it still has */
    bool from_snapshot; /* it starts from the snapshot after run `load_from` */
    bool snapshot_missing; /* … which is not there any more */
    bool awaiting_snapshot;
    bool lived; /* … before: what its interpreter has is told */
    unsigned snapshots_kept;
    uint32_t sandbox_seq;
    int64_t sandbox_since_us;  /* ready at (boot clock) */
    struct expectation expect; /* of the run under way */
    const char **exists;
    size_t exists_count;
    uint8_t parent_state[SHA256_LEN];  /* digest of the newest saved namespace; zero = fresh */
    struct round_stream streams[2][3]; /* [0] background, [1] the run; by enum sandbox_stream */
    uint32_t artifact_seq;
    struct twin twin;
    uint8_t interrupts;

    struct tripwire *tripwire; /* NULL until something is looked at */
    char canary[CANARY_SIZE];
    struct origin *origin; /* what was said and shown, up to … */
    uint32_t origin_run;   /* … this run, and */
    size_t origin_message; /* … so many messages */
};

/* ---- round.c: the one door ---- */
/* Append, apply, tell, queue effects; releases `b` in every case. -1: the round is broken (already
 * told). */
int round_record(struct round *r, struct event_builder *b);
int round_record_raw(struct round *r, struct event *ev);
int round_record_artifact(struct round *r, struct event_builder *b, const char *mime,
                          const char *name, const void *p, size_t len);
int round_record_checkpoint(struct round *r, struct event_builder *b, const char *kind,
                            const char *ref, const void *p, size_t len);
void round_record_error(struct round *r, uint32_t run, const struct err *why, const char *hint);
void round_break(struct round *r, const struct err *e);
void round_queue(struct round *r, enum effect_kind kind, uint32_t run);

struct proposal *proposal_new(void);
void proposal_free(struct proposal *p);
struct proposal *proposal_of(struct round *r, uint32_t run);

/* ---- round_propose.c ---- */
/* Can it be carried exactly, and does it hold no secret? */
int round_check_proposal(struct round *r, const struct proposal *p, struct err *e) MUST_CHECK;
/* Check that it can be carried exactly, then append run.proposed, or queue it behind what is under
 * way. Takes `p`. */
int round_propose(struct round *r, struct proposal *p, struct err *e) MUST_CHECK;
void round_propose_next(struct round *r);
void round_write_proposed(struct json_w *w, const struct proposal *p, uint32_t rev,
                          uint32_t attempt);

/* ---- round_gate.c ---- */
void round_do_review(struct round *r, uint32_t run);
void round_do_gate(struct round *r, uint32_t run);
void round_do_ask(struct round *r, uint32_t run);

/* ---- round_run.c ---- */
void round_do_start(struct round *r, uint32_t run);
void round_on_sandbox(void *arg, struct sandbox *s, const struct sandbox_event *ev);
int round_check_body(void *arg, const struct sandbox_run *decoded, struct err *e);
/* The run that waits for the sandbox does not get it. */
void round_fail_unstarted(struct round *r, const struct err *why);
/* The sandbox is there, and has what an earlier one of this session left. */
bool round_can_start(const struct round *r);
void round_start_waiting(struct round *r);

/* ---- round_sandbox.c: `twin` is the number of the run a twin was opened for, 0 for the session's
 * own
 * ---- */
int round_open_sandbox(struct round *r, struct sandbox **out, sandbox_sink sink, uint32_t twin,
                       struct err *e) MUST_CHECK;
void round_record_ready(struct round *r, const struct sandbox_event *ev, uint32_t twin);
void round_record_closed(struct round *r, bool confirmed, uint32_t twin);
void round_record_sandbox_usage(struct round *r, const struct sandbox_usage *u);
void round_record_cost(struct round *r, int64_t ms); /* what it cost to live so long */

/* ---- round_prove.c: before the first use of a new sandbox [SBX-3] ---- */
/* `done` gets the reports, from the loop; NULL, and at once, where nothing can be tried. */
void round_prove(struct round *r, struct sandbox *s, struct birth **slot, birth_done_fn done);
/* Write down what was proved: true when the sandbox may be used. *why: what failed. */
bool round_record_proved(struct round *r, uint32_t twin,
                         const struct probe_report reports[LIGHT_COUNT], struct err *why);

/* ---- round_save.c ---- */
void round_save_init(struct round *r);
void round_save_release(struct round *r);
/* After a run: have the newest namespace saved, now or after the one that is being written. */
void round_save_namespace(struct round *r);
void round_on_saved(struct round *r, const struct sandbox_event *ev);

/* ---- round_life.c ---- */
int64_t round_allowance(void *arg);
void round_on_queued(struct round *r, const struct sandbox_event *ev);
void round_on_lease(struct round *r, const struct sandbox_event *ev);
void round_on_paused(struct round *r, const struct sandbox_event *ev);
void round_take_snapshot(struct round *r, uint32_t run);
void round_on_snapshot(struct round *r, const struct sandbox_event *ev);
/* Which a new sandbox should start from; NULL: none. */
const struct state_run *round_choose_snapshot(const struct round *r);
/* FAILED because the snapshot is not there: written down, true. */
bool round_snapshot_missing(struct round *r, const struct sandbox_event *ev);
/* Connect to the sandbox that the record knows of: 1 begun, 0 there is none. */
int round_attach(struct round *r, struct err *e) MUST_CHECK;
/* It is closed; was it one that was being connected to? Then what follows was begun. */
bool round_attach_failed(struct round *r, bool gone);

/* ---- round_given.c ---- */
/* The proposal of a run that waited when the program ended, out of the record. */
void round_bring_given_back(struct round *r, const struct state_run *sr);
/* The gate is about to open: is it the one of before? Else that is told, once. */
void round_compare_given(struct round *r, struct proposal *p, const uint8_t code_key[SHA256_LEN]);

/* ---- round_resume.c ---- */
int round_open_next(struct round *r, struct err *e) MUST_CHECK; /* a new one, to bring state into */
/* A new sandbox in a session that had variables: load the newest saved namespace, or state what is
 * lost. */
void round_bring_state_back(struct round *r);
bool round_had_state(const struct round *r);
void round_open_again(struct round *r);       /* the last one could not be had as was wished */
void round_go_on_travelling(struct round *r); /* the old sandbox is closed */

/* ---- round_watch.c: text that is addressed to the model, and where strings came from ---- */
void round_watch_open(struct round *r);
void round_watch_release(struct round *r);
/* A chunk that was just recorded; the end of a stream. */
void round_watch_output(struct round *r, uint32_t run, int stream, const char *p, size_t len);
void round_watch_output_end(struct round *r, uint32_t run, int stream);
/* A whole text: "result", "error", "variable", "file", "message". */
void round_watch_text(struct round *r, uint32_t run, const char *stream, const char *name,
                      const char *p, size_t len);
/* Findings that no rule of the review makes: flags of runs since the person last approved, strings
 * that came from output, the canary. */
struct round_notes {
    struct review_finding *list; /* .text owned */
    size_t count, cap;
};
void round_watch_notes(struct round *r, uint32_t run, struct round_notes *out);
void round_notes_release(struct round_notes *n);
/* "stdout line 17, error line 2": where what the planner is shown speaks to it. */
void round_watch_flags(const struct state_run *sr, struct buf *out);

/* ---- round_record.c: sandbox facts as events ---- */
void round_record_output(struct round *r, uint32_t run, enum sandbox_stream stream, const char *p,
                         size_t len);
void round_end_output(struct round *r, uint32_t run);
void round_flush_output(struct round *r);
void round_streams_reset(struct round *r, int which);
void round_record_result(struct round *r, uint32_t run, const struct sandbox_event *ev);
void round_record_finished(struct round *r, uint32_t run, const struct sandbox_finished *f);
/* Judge a run that just finished; round_record_judged writes it down. */
void round_judge(struct round *r, uint32_t run, const struct sandbox_finished *f,
                 struct judged *out);
void round_record_judged(struct round *r, uint32_t run, struct judged *j); /* releases j */
void round_record_verdict(struct round *r, uint32_t run, const struct sandbox_finished *f);
void round_record_state(struct round *r, uint32_t run, const struct sandbox_event *ev);
/* An attempt at the network, or its end: *ev->on_record says whether it is written down. */
void round_record_net(struct round *r, uint32_t run, const struct sandbox_event *ev);
void round_record_restored(struct round *r, const struct sandbox_event *ev); /* round_resume.c */
void round_write_names(struct round *r, struct json_w *w, const char *key, const char *const *names,
                       size_t count);

/* ---- round_plan.c ---- */
#define ROUND_CALL_ID_SIZE 24
/* What became of a run, as its planner is told; `o` is lent from the rest and from the state. */
struct round_observation {
    struct planner_observation o;
    struct buf out, err_out, checks, results, flags;
    char call_id[ROUND_CALL_ID_SIZE];
};
void round_observation_init(struct round *r, const struct state_run *sr,
                            struct round_observation *x);
void round_observation_release(struct round_observation *x);
const char *round_call_id(const struct state_run *sr, char room[ROUND_CALL_ID_SIZE]);
void round_interrupt_planner(struct round *r);
void round_on_planner(void *arg, struct planner *p, const struct planner_event *ev);
void round_do_plan_task(struct round *r);
void round_do_plan_message(struct round *r);
void round_do_observe(struct round *r, uint32_t run);
void round_tell_refused(struct round *r, const struct proposal *p, const char *reason);

/* ---- round_past.c ---- */
/* Tell the planner of a resumed session what the record knows. */
void round_tell_past(struct round *r);

/* ---- round_twin.c ---- */
void round_do_dry_run(struct round *r, uint32_t run);
void round_start_twin(struct round *r, uint32_t run);
void round_twin_drop(struct round *r);
/* A file that the twin asked for came: true when it was meant for it. */
bool round_twin_got(struct round *r, const struct sandbox_event *ev);
/* The session's sandbox is gone: what was asked of it does not come. */
void round_twin_alone(struct round *r);

/* round_plan.c: the planner is done; end the session once nothing is awaited of a sandbox that ends
 * with it. */
void round_finish_when_told(struct round *r);

#endif
