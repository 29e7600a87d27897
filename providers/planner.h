/* planner.h - the planning layer: an LLM client, a runbook, a person, an outside agent.
 *
 * A planner only ever emits proposals and reads observations. It holds no sandbox handle, no store,
 * no terminal. One `const struct planner_ops` per kind, one array in registry.c. Calls return at
 * once; what comes back arrives through the sink, from the loop (or from planner `poll`), never
 * from inside the call itself.
 */
#ifndef AIRLOCK_PROVIDERS_PLANNER_H
#define AIRLOCK_PROVIDERS_PLANNER_H

#include "base/buf.h"
#include "providers/sandbox.h"

struct planner;
struct loop;
struct net;
struct redact;

enum step_status { STEP_PENDING, STEP_ACTIVE, STEP_DONE, STEP_FAILED, STEP_DENIED, STEP_SKIPPED };
const char *step_status_name(enum step_status s); /* "pending" … */
int step_status_parse(const char *name, enum step_status *out);

struct planner_step {
    const char *id; /* stable for life: "1", "2" … */
    const char *title;
    enum step_status status;
    const char *expect; /* one check per line; "" */
};

/* A proposal: code somebody wants to run. `expect` holds one check per line, in the words of
 * interface.md. */
struct planner_proposal {
    const char *language, *code, *purpose, *step /* "" none */, *expect;
    size_t code_len;
    const char
        *call_id; /* the planner's own handle of this proposal, echoed in the observation; "" */
    const struct sandbox_file *files; /* to lie in /workspace before the code: capsule field 14 */
    size_t file_count;
};

enum planner_event_kind {
    PLANNER_MESSAGE,    /* text: whole message for the person */
    PLANNER_DELTA,      /* text: streamed prose so far is appended; ended by MESSAGE */
    PLANNER_THINKING,   /* text */
    PLANNER_CODE_DELTA, /* language, text: code that is still being written; no bytes: a new piece
                         */
    PLANNER_PLAN,       /* steps */
    PLANNER_PROPOSAL,   /* proposal */
    PLANNER_USAGE,      /* usage */
    PLANNER_WAITING,    /* it is the person's turn */
    PLANNER_FINISH,     /* text = answer; the session's work is done */
    PLANNER_ERROR,      /* err; retry_after_ms > 0 while it will try again by itself */
};

struct planner_usage {
    const char *source; /* "anthropic:claude-…" */
    int64_t input_tokens, output_tokens, cache_read_tokens, cache_write_tokens;
    int64_t cost_nanousd; /* -1 unknown */
};

struct planner_event {
    enum planner_event_kind kind;
    const char *text, *language;
    size_t text_len;
    const struct planner_step *steps;
    size_t step_count;
    const struct planner_proposal *proposal;
    const struct planner_usage *usage;
    const struct err *err;
    int64_t retry_after_ms;
};
typedef void (*planner_sink)(void *arg, struct planner *p, const struct planner_event *ev);

/* What became of a proposal. */
struct planner_observation {
    uint32_t run;
    const char *call_id, *step;
    uint32_t attempt; /* 1–3 in that step */
    bool denied;      /* then `reason` holds the person's words, verbatim */
    const char *reason;
    enum run_end end;
    bool has_code;
    int code;
    const char *verdict; /* "verified", "refuted", "unverified" */
    bool spent;          /* counts as a failed attempt */
    const char *checks;  /* one per line: "ok exit 0" / "FAILED stdout contains 42 (got …)" */
    const char *out, *err_out; /* head and tail kept, middle clipped; redacted */
    size_t out_len, err_out_len;
    bool clipped; /* the middle of one of them is left out */
    const char *error_name, *error_value, *error_traceback;
    const char *results; /* text forms of rich results */
    uint32_t attempts_left;
    bool step_over;     /* no further attempt will be offered for this step */
    const char *edited; /* the code that ran, when the person changed it at the gate; else NULL */
    const char *flags; /* where its output seems to speak to a model: "stdout line 17, …"; or "" */
};

/* What may still be spent; -1: no limit. */
struct planner_allowance {
    int64_t nanousd, tokens;
};

struct planner_config {
    struct loop *loop;
    struct net *net;      /* NULL in planners without network */
    const char *model;    /* after the colon of -p; the runbook's path */
    const char *language; /* default language of own code */
    planner_sink sink;    /* must not close the planner */
    void *arg;
    /* A key or setting by its name ("ANTHROPIC_API_KEY", "planner.effort"): lent until the next
     * call, NULL when it is not set. A NULL function: nothing is set. Values never leave for
     * anywhere but the origin they belong to. [SEC-1] */
    const char *(*setting)(void *arg, const char *name);
    void *setting_arg;
    /* Asked before each call to a model, which is not made when its worst case costs more. NULL: no
     * limit. [RES-5] */
    void (*allowance)(void *arg, struct planner_allowance *out);
    void *allowance_arg;
    const struct redact *redact; /* text that holds a known secret is not sent; may be NULL */
    /* A random word to put into a model's instructions: whoever prints it has read them. NULL none.
     */
    const char *canary;
};

/* What the model sees, an item at a time, oldest first. All lent for the call. */
struct planner_context_item {
    const char *role; /* "instructions", "tools", "user", "assistant", "result" */
    const char *text; /* for people: JSON is unfolded, blocks are named */
    size_t text_len;
    int64_t tokens;
    bool counted;   /* `tokens` are the server's count, not an estimate of ours */
    bool shortened; /* the model sees less than there was */
    bool unsent;    /* it goes with the next call */
};
typedef void (*planner_context_fn)(void *arg, const struct planner_context_item *item);
struct planner_context_sum {
    const char *model, *effort;      /* lent; effort "" none */
    int64_t window_tokens;           /* what the model can hold; -1 unknown */
    int64_t last_input, last_output; /* of the last call, as the server counted; -1 none yet */
};

/* What the record of a saved session knows, told to a new planner one thing after the other. */
enum planner_past_kind {
    PAST_WORDS,       /* text: of the person */
    PAST_SAID,        /* text: of the planner */
    PAST_PROPOSAL,    /* proposal, with its call_id */
    PAST_OBSERVATION, /* observation of the proposal before; missing when it is still open */
    PAST_PLAN,        /* steps as they are now; after all of the above */
    PAST_END,         /* that is all: go on */
};
struct planner_past {
    enum planner_past_kind kind;
    const char *text;
    const struct planner_proposal *proposal;
    const struct planner_observation *observation;
    const struct planner_step *steps;
    size_t step_count;
};

/* Efforts, the words of all servers together: which of them a model takes, its server says. */
bool planner_effort_is_known(const char *word);
#define PLANNER_EFFORTS "low, medium, high, xhigh, max; some servers know none and minimal"

struct planner_model {
    const char *id, *title;
    int64_t context_tokens, output_tokens;                     /* -1 unknown */
    int64_t input_nanousd_per_token, output_nanousd_per_token; /* -1 unknown */
};
/* Once, with all models there are, or with err. Lent for the call. */
typedef void (*planner_models_fn)(void *arg, const struct planner_model *models, size_t count,
                                  const struct err *err);

enum planner_caps {
    PLANNER_NEEDS_KEY = 1u << 0,
    PLANNER_STREAMS = 1u << 1,
    PLANNER_PERSON = 1u << 2, /* the person proposes; free text is a note, not sent anywhere */
    PLANNER_NETWORK = 1u << 3,
    PLANNER_FIXED = 1u << 4, /* what it proposes was written beforehand: no output can steer it */
};

struct planner_ops {
    const char *name, *title;
    unsigned caps;
    /* 0, or what is missing and how to add it. Looks at model, net, setting of the config. */
    int (*available)(const struct planner_config *cfg, struct err *e);
    int (*open)(struct planner **out, const struct planner_config *cfg, struct err *e);
    int (*task)(struct planner *p, const char *text,
                struct err *e); /* first words of the session */
    /* Later words of the person; said while it is at work they wait for its next call. "" adds
     * nothing, but lets a planner that was cancelled go on with what waits. */
    int (*message)(struct planner *p, const char *text, struct err *e);
    int (*observe)(struct planner *p, const struct planner_observation *o, struct err *e);
    /* The person wants this plan. ERR_USAGE: the planner can't follow it; then nothing changed. */
    int (*plan_edited)(struct planner *p, const struct planner_step *steps, size_t count,
                       struct err *e);
    void (*cancel)(struct planner *p); /* stop the call under way; idempotent */
    void (*close)(struct planner *p);
    /* Those below are NULL where they mean nothing. */
    /* A saved session goes on: called after open and before anything else, for each thing the
     * record knows, oldest first, the last time with PAST_END. All is lent for the call. A proposal
     * without observation will still be observed. A failure: it starts without a memory. */
    int (*resume)(struct planner *p, const struct planner_past *past, struct err *e);
    /* How many messages of the person wait for the next call. */
    unsigned (*queued)(const struct planner *p);
    /* "MODEL" or "MODEL@EFFORT" from the next call on. ERR_BUSY while one is under way. */
    int (*set_model)(struct planner *p, const char *model, struct err *e);
    /* `fn` NULL: only the sum. */
    void (*context)(struct planner *p, struct planner_context_sum *sum, planner_context_fn fn,
                    void *arg);
    /* Ask which models there are: fn is called once, from the loop, within 30 s. Needs no open
     * planner, but cfg's loop and net until then. */
    int (*list_models)(const struct planner_config *cfg, planner_models_fn fn, void *arg,
                       struct err *e);
};

struct planner {
    const struct planner_ops *ops;
}; /* first member of every implementation */

/* registry.c */
const struct planner_ops *planner_find(const char *name);
const struct planner_ops *const *planner_list(size_t *count);

#endif
