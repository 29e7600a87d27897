/* claude_messages_int.h - what the files of the sandbox claude-messages share; nobody else includes
 * it.
 *
 * claude_messages.c        the ops table, its life from the question to the model to the end
 * claude_messages_form.c   fresh interpreter or one that stays: what the account's model can
 * claude_messages_run.c    one execution: carried, compared before it leaves, its one end told
 * claude_messages_tell.c   one execution: its end, its files and variables as events
 * claude_messages_end.c    one execution: what the answer means
 * claude_messages_files.c  one execution: what it left in $OUTPUT_DIR is brought out
 * claude_messages_wire.c   the request's body, written and read back
 * claude_messages_judge.c  the answer, held against the one call that was asked for
 * claude_messages_offer.c  what is kept of a contract, languages, price
 *
 * There is nothing to create: a container comes with the first answer, and can be named again in
 * later requests. It can't be ended either, so it is forgotten. [claude.md §6.3]
 */
#ifndef AIRLOCK_SANDBOXES_CLAUDE_MESSAGES_INT_H
#define AIRLOCK_SANDBOXES_CLAUDE_MESSAGES_INT_H

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "providers/planners/llm_price.h"
#include "providers/sandbox_core.h"
#include "providers/sandboxes/claude_http.h"
#include "providers/sandboxes/claude_messages_judge.h"
#include "providers/sandboxes/claude_program.h"

#define MESSAGES_NAME       "claude-messages"
#define MESSAGES_SECOND_US  INT64_C(1000000)
#define MESSAGES_BODY_MAX   ((size_t)16 << 20)
#define MESSAGES_ROUNDS_MAX 4   /* of `pause_turn` */
#define MESSAGES_PATIENCE_S 180 /* for the model, beyond timeout_s */
#define MESSAGES_OLD_S      240 /* a container idle for longer may be gone without a proper word */
#define MESSAGES_FILE_MAX   ((int64_t)16 << 20)
#define MESSAGES_CELL_S     80 /* Anthropic ends a cell of the interpreter after 90 */

/* ---- the request (claude_messages_wire.c) */

struct messages_ask {
    const char *model, *tool_type;
    struct judge_wanted want;
    const char *container;  /* "" a new one */
    const struct buf *echo; /* what the model has said so far, when it goes on; may be NULL */
    bool low_effort;
};
int messages_write(const struct messages_ask *q, struct buf *body) MUST_CHECK;

/* What a body asks for, read back from its bytes. */
struct messages_asked {
    struct json *root;
    const char *input; /* lent from root */
    size_t input_len;
    const char *container; /* "" a new one */
};
/* ERR_INTEGRITY: it asks for anything else than one input, for one tool, of `q`. Release in any
 * case. */
int messages_read(struct messages_asked *out, const struct messages_ask *q, const char *body,
                  size_t len, struct err *e) MUST_CHECK;
void messages_asked_release(struct messages_asked *a);

/* ---- one execution */

struct messages_run {
    uint32_t number;
    struct buf input; /* of the tool: a command, or a cell */
    struct buf body;  /* of the request that is on its way */
    struct judge judge;
    unsigned rounds;
    bool sent, again_fresh; /* some of it left; it was sent once more, without the container */
    int64_t started_us;
    enum run_end stopping; /* asked to end so */
    bool stop_asked;
    struct claude_decoded decoded; /* from the input, for judging the result */
    struct claude_result result;
    bool has_result;
    struct sandbox_finished f;
    char limit[16], message[800];
    struct buf error_name, error_value, error_traceback;
    size_t next_file, files_lost;
    char file_mime[100];
    int64_t file_bytes;
};

/* What the next run finds less than the ones before left there. */
enum messages_lost { LOST_NOTHING, LOST_INTERPRETER, LOST_CONTAINER };

/* The variables as they were told last. */
struct messages_vars {
    struct buf text;
    struct claude_var vars[CLAUDE_VARS_MAX];
    size_t count;
};

enum messages_phase { MESSAGES_ASKING, MESSAGES_READY, MESSAGES_GONE };

struct claude_messages {
    struct sandbox_core core;
    struct claude_http http;
    struct claude_call call;  /* one thing at a time: the model, the message, a file */
    struct contract contract; /* numbers only */
    char *model, *label, *usage_source;
    struct llm_facts facts;
    enum messages_phase phase;
    bool low_effort;
    int64_t opened_us, patience_us;
    char container[JUDGE_ID_MAX], expires[40]; /* "" none */
    int64_t used_us;                           /* when the container was last heard of */
    int64_t billed_s;                          /* of containers, so far */
    bool wants_state; /* the person asked for variables that stay, and the contract lets them */
    unsigned rung;    /* of the tool's types, the newest first */
    unsigned first_rung;
    bool rung_taken;                 /* … the server knows it */
    char life[CLAUDE_TOKEN_LEN + 1]; /* of the container's interpreter; "" none of ours yet */
    char lost_line[120];             /* for the gate */
    bool used;                       /* runs before left something */
    enum messages_lost lost;         /* … of which so much is gone */
    struct messages_vars vars;
    struct messages_run *run; /* under way, or waiting for READY */
    bool begun;               /* … under way */
    struct loop_source *deadline, *ttl;
    bool was_sent; /* at the end, a request was on its way */
};

void messages_end_with(struct claude_messages *s, enum run_end as, const char *what,
                       const struct err *why);

/* ---- claude_messages_form.c */
const char *messages_tool_type(const struct claude_messages *s);
enum claude_form messages_form(const struct claude_messages *s, const char *language);
/* The person asked for variables that stay, and neither model nor server has them. */
bool messages_falls_short(const struct claude_messages *s);
/* The model has no interpreter that stays. */
void messages_take_last_rung(struct claude_messages *s);
/* After a 400: an older type of the tool is tried. false: there is none, or this was not why. */
bool messages_next_rung(struct claude_messages *s, int64_t status);
/* A request was answered; or it was refused for good, which says nothing about the types. */
void messages_took_rung(struct claude_messages *s, bool taken);
/* The container, or only its interpreter, is not used again, and what was in it is gone. */
void messages_lose(struct claude_messages *s, enum messages_lost what);
/* The variables of a run that went well; `x` is lent. */
void messages_keep_vars(struct claude_messages *s, const struct claude_result *x);
const char *messages_starts_over(struct sandbox *base, const struct sandbox_run *rq);

/* ---- claude_messages_tell.c */
void messages_tell_end(struct claude_messages *s, struct messages_run *r);

/* ---- claude_messages_run.c */
int messages_run_new(struct messages_run **out, const struct claude_messages *s,
                     const struct sandbox_run *rq, struct err *e) MUST_CHECK;
void messages_run_free(struct messages_run *r);
void messages_run_begin(struct claude_messages *s); /* when it is READY and there is one */
void messages_run_send(struct claude_messages *s);
/* In the form that is right now; then messages_run_send. */
void messages_run_send_anew(struct claude_messages *s);
void messages_run_stop(struct claude_messages *s, enum run_end as);
void messages_run_lost(struct claude_messages *s, enum run_end as, const char *what,
                       const char *message);
void messages_run_finish(struct claude_messages *s); /* FINISHED; the run is gone */
void messages_on_deadline(void *arg);

/* ---- claude_messages_end.c: the answer of this round is over; `r` is lent, NULL: it was closed by
 * us. Sends again, goes on to the files, or sets the run's end. */
void messages_conclude(struct claude_messages *s, const struct net_result *r);

/* ---- claude_messages_files.c: one after the other; then the run is finished. */
void messages_bring_files(struct claude_messages *s);

/* ---- claude_messages_offer.c */
void messages_enforcement(const struct contract *c, struct contract_enforcement *out);
void messages_state_enforcement(const struct contract *c, struct contract_enforcement *out);
const char *messages_introspection(size_t *len);
const char *messages_interpreter(const struct contract *c, const char *language);
/* What an execution of `s` seconds is billed as, at least; 0 unknown. */
int64_t messages_billed_s(int64_t s);
/* -1 unknown. */
int64_t messages_nanousd(int64_t billed_s);

#endif
