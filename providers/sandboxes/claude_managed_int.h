/* claude_managed_int.h - what the files of the sandbox claude-managed share; nobody else includes
 * it.
 *
 * claude_managed.c          the ops table, making and ending
 * claude_managed_birth.c    agent and environment, checked as they came out
 * claude_managed_session.c  a session with its files, its stream, and what when that is cut
 * claude_managed_control.c  bodies to the server, answers of it
 * claude_managed_body.c     one execution: what leaves, made ready and read back
 * claude_managed_run.c      one execution: asked for, its end told
 * claude_managed_judge.c    one execution: what the session does, and what it may do
 * claude_managed_fleet.c    the account's other sessions; the last word
 * claude_managed_offer.c    what is kept of a contract; prices
 *
 * A session is made when the first run comes: only then can files be mounted, and the first run
 * travels as one. Later runs travel in the command itself, up to CLAUDE_LITERAL_MAX; a larger one
 * takes a new session, and what was in the old container is gone. [claude.md §8, §9]
 */
#ifndef AIRLOCK_SANDBOXES_CLAUDE_MANAGED_INT_H
#define AIRLOCK_SANDBOXES_CLAUDE_MANAGED_INT_H

#include "base/clock.h"
#include "base/log.h"
#include "providers/sandbox_core.h"
#include "providers/sandboxes/claude_feed.h"
#include "providers/sandboxes/claude_http.h"
#include "providers/sandboxes/claude_program.h"
#include "providers/sandboxes/claude_sweep.h"

#define MANAGED_BETA       "managed-agents-2026-04-01"
#define MANAGED_LABEL_KEY  "airlock" /* metadata: our label */
#define MANAGED_MODEL      "claude-haiku-5-5"
#define MANAGED_CONTROL_MS 60000
#define MANAGED_ASKS_MAX   3 /* the first time and two more */
#define MANAGED_CALLS_MAX  256
#define MANAGED_SECOND_US  INT64_C(1000000)
#define MANAGED_SLACK_S                                                                            \
    20 /* beyond timeout_s: the runner ends it, Airlock only when that fails                       \
        */
#define MANAGED_CODE_MAX      ((size_t)1 << 20)
#define MANAGED_SHOWN         160
#define MANAGED_RUNNER_MOUNT  "/airlock.py" /* below MANAGED_UPLOADS in the container */
#define MANAGED_PAYLOAD_MOUNT "/airlock-run.json"
#define MANAGED_UPLOADS       "/mnt/session/uploads"

struct managed;

/* ---- one execution */

enum managed_step {
    MANAGED_STEP_PLACE,   /* a session is made */
    MANAGED_STEP_ASKING,  /* the model was told; its call is awaited */
    MANAGED_STEP_RUNNING, /* the call was allowed */
    MANAGED_STEP_ENDING,  /* its result is there; the turn must end without another call */
};

struct managed_run {
    struct claude_decoded d; /* a copy of the run, out of our own payload */
    struct buf payload;      /* as it travels */
    struct buf command;      /* the one that may be allowed */
    struct buf message;      /* body of the request that asks for it */
    struct buf uploads[2];   /* bodies: the runner, the payload; empty when nothing is mounted */
    char upload_types[2][80];
    size_t uploaded;
    bool mounted;
    int64_t timeout_ms; /* of the tool's own; 0: not said */
    enum managed_step step;
    unsigned asks;
    char allowed[CLAUDE_ID_MAX]; /* the call that was confirmed */
    int64_t began_us;            /* of the step */
    struct claude_result result;
    bool has_result;
    enum run_end stopping; /* END_INTERRUPTED, END_TIMEOUT: asked to end */
    bool interrupted, stop_asked, told;
    bool confirmed;           /* the server knows that it may run */
    bool extra;               /* a call came behind the one that was allowed */
    bool drop;                /* the session goes with the run */
    struct buf refused;       /* the last call that was not allowed, for people */
    struct buf refused_whole; /* all of it */
    unsigned refused_count;
    struct sandbox_finished f;
    char message_text[640], what[24];
};

enum managed_decision { MANAGED_OPEN, MANAGED_ALLOWED, MANAGED_DENIED, MANAGED_ANSWERED };
struct managed_call {
    char id[CLAUDE_ID_MAX];
    bool matches; /* it is the approved one, byte for byte */
    enum managed_decision decision;
};

enum managed_phase { MANAGED_MAKING, MANAGED_READY, MANAGED_KILLING, MANAGED_GONE };
/* Of the session that is there, or will be. */
enum managed_link {
    LINK_NONE,
    LINK_SWEEPING, /* the last one is deleted first */
    LINK_UPLOADING,
    LINK_CREATING,
    LINK_SEEKING, /* the answer to create was lost */
    LINK_OPENING, /* the stream */
    LINK_LIVE,
    LINK_CUT, /* the stream was cut and is opened again */
};

struct managed_body {
    struct managed_body *next;
    struct buf bytes;
    enum claude_again again;
    bool acts; /* the run ends when it could not be sent */
};

struct managed {
    struct sandbox_core core;
    struct claude_http http;
    struct contract contract; /* without strings */
    char *model, *label;
    struct claude_remains made; /* all that is there of ours */
    int64_t agent_version;
    enum managed_phase phase;
    enum managed_link link;
    bool orphan_possible; /* a create whose outcome nobody knows, a deletion that failed */
    int seek_ms;          /* between two looks for what a lost create may have made [1 s] */
    int idle_ms;          /* of the stream: then it is opened again [60 s] */
    int64_t patience_ms;  /* for the model's call, and for the end of its turn [180 s] */
    unsigned seeks, cuts;
    int64_t created_us, running_since_us, running_us;
    int64_t tokens_nanousd; /* so far, where it is known */

    struct claude_call life;   /* create, upload, seek */
    struct claude_call stream; /* the session's events */
    struct claude_call look;   /* history */
    struct claude_call send;   /* our events */
    struct managed_body *outbox;
    struct claude_sweep sweep;
    struct claude_feed feed;
    struct managed_call calls[MANAGED_CALLS_MAX];
    size_t call_count;
    bool lost_files; /* there was a session before: to be said with the next end */
    int64_t input_tokens, output_tokens, cache_tokens, write_tokens;

    struct managed_run *run, *queued;
    struct loop_source *deadline, *again, *ttl;
    bool was_ready;
};

/* Destroy it: what runs ends `as`. `what` NULL: the owner asked. `why` NULL: no failure. */
void managed_end_with(struct managed *s, enum run_end as, const char *what, const struct err *why);
void managed_sweep_all(struct managed *s); /* the last step of an end */
void managed_ready(struct managed *s);
void managed_failed(struct managed *s, const struct err *why);

/* ---- claude_managed_birth.c */
void managed_create(struct managed *s);

/* ---- claude_managed_session.c */
/* A session for s->run; managed_ask follows, or the run's end. */
void managed_place(struct managed *s);
/* The session is given up and deleted; the next run gets another one. */
void managed_drop_session(struct managed *s);
void managed_lose_session(struct managed *s); /* the same, to be said with the next run's end */
void managed_post(struct managed *s, struct buf *body, enum claude_again again, bool acts);
void managed_drop_outbox(struct managed *s);
void managed_on_again(void *arg);

/* ---- claude_managed_control.c */
int managed_write_agent(const struct managed *s, struct buf *out);
int managed_write_environment(const struct managed *s, struct buf *out);
int managed_write_session(const struct managed *s, struct buf *out);
int managed_write_message(const struct managed_run *r, struct buf *out);
int managed_write_decision(const char *call, const char *deny_message, struct buf *out);
int managed_write_interrupt(struct buf *out);
/* The command in a body of managed_write_message; lent from *tree, which the caller frees. NULL: it
 * is none. */
const char *managed_read_message(struct json **tree, const struct buf *body, int64_t *timeout_ms);
/* Does the server hold every call of the one tool that there is? ERR_INTEGRITY names what is other
 * than asked for. `agent`: an agent, or the one of a session. */
int managed_check_agent(const struct json *agent, struct err *e) MUST_CHECK;
int managed_check_environment(const struct json *environment, struct err *e) MUST_CHECK;
/* An id out of an answer. */
int managed_take_id(const struct json *o, char to[CLAUDE_ID_MAX], struct err *e) MUST_CHECK;

/* ---- claude_managed_run.c */
struct managed_run *managed_run_new(const struct sandbox_run *rq, int64_t timeout_s, struct err *e);
void managed_run_free(struct managed_run *r);
void managed_run_next(struct managed *s); /* what is queued begins, when it can */
void managed_ask(struct managed *s);      /* there is a session: the model is told */
void managed_run_stop(struct managed *s, enum run_end as);
/* The run ends. With `drop` its session is given up. */
void managed_run_end(struct managed *s, enum run_end end, const char *what, bool drop,
                     const char *message);
/* Its result is whole and the turn is over. */
void managed_run_done(struct managed *s);
/* The sandbox is gone. */
void managed_run_lost(struct managed *s, enum run_end as, const char *what, const char *message);
void managed_on_deadline(void *arg);
/* Too large for the session that is there? */
const char *managed_starts_over(struct sandbox *base, const struct sandbox_run *rq);

/* ---- claude_managed_body.c */
/* The requests of a run, made ready: in the command, or in files for a new session. -1: too large.
 */
int managed_body_write(const struct managed *s, struct managed_run *r);
/* Decoded again from them, byte for byte, for check_body. ERR_INTEGRITY: something else would
 * leave. */
int managed_body_check(struct managed *s, struct managed_run *r, struct err *e) MUST_CHECK;

/* ---- claude_managed_judge.c */
void managed_judge_all(struct managed *s); /* what the feed holds */

/* ---- claude_managed_fleet.c */
extern const struct fleet_ops managed_fleet;
/* Deletes all of it on a loop of its own, for `ms` at most; with no session and `seek`: whatever
 * has our label. Is it known that nothing is left? */
bool managed_farewell(const struct managed *s, bool seek, int ms);
void managed_write_list(const char *agent, const char *page, struct buf *out);
/* Of a page of sessions the first with exactly this label, or NULL; lent from `page`. */
const struct json *managed_find_label(const struct json *page, const char *label);

/* ---- claude_managed_offer.c */
void managed_enforcement(const struct contract *c, struct contract_enforcement *out);
const char *managed_interpreter(const struct contract *c, const char *language);
int64_t managed_nanousd(int64_t running_ms); /* at the published rate; -1 unknown */
int64_t managed_tokens_nanousd(const char *model, int64_t input, int64_t output, int64_t cached,
                               int64_t written);

#endif
