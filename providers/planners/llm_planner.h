/* llm_planner.h - a planner that asks a model: turns, calls, bounds. What differs between servers
 * is a dialect.
 *
 * One call at a time. Nothing of an answer acts before all of it is there; then its calls are
 * answered one after the other, proposals by their observations, and all results go back together.
 *
 *   idle ──words, results──▶ calling ──whole answer──▶ acting ──all calls answered──▶ idle
 *                             ▲   └─busy, cut─▶ pausing (countdown) ──┐
 *                             └───────────────────────────────────────┘
 */
#ifndef AIRLOCK_PLANNERS_LLM_PLANNER_H
#define AIRLOCK_PLANNERS_LLM_PLANNER_H

#include "base/loop.h"
#include "providers/planners/llm_answer.h"
#include "providers/planners/llm_refusal.h"
#include "providers/planners/llm_server.h"
#include "providers/planners/llm_talk.h"
#include "providers/planners/llm_tool.h"

struct llm_planner;

/* What a server speaks: one const table in anthropic.c, openai.c. */
struct llm_dialect {
    const struct planner_ops *ops;
    const char *book;          /* of share/prices */
    const char *default_model; /* NULL: the person names one */
    const char *target;        /* where a model is asked: "/v1/messages" */
    const char *models;        /* where they are listed, a page at a time or all at once */
    /* Why a request of ours was refused, in words that help; "" none. `status` is HTTP's. */
    const char *(*hint)(int status);
    /* Was it refused since the conversation is too long? NULL: can't be told. */
    bool (*is_too_long)(const struct llm_refusal *f);
    /* A part of the request that this server does not take: left out from now on (m->left_out).
     * Its name, or NULL when it was not that; each at most once. NULL: nothing can be left out. */
    const char *(*adapt)(struct llm_planner *m, const struct llm_refusal *f);
    /* Origin, key, headers. ERR_MISSING says what and how to add it. */
    int (*find_server)(struct llm_server *out, const struct planner_config *cfg, struct err *e);
    /* The body of the request for the conversation as it stands. -1: too long. */
    int (*write)(const struct llm_planner *m, struct buf *body);
    /* An event of the stream. ERR_FORMAT, ERR_LIMIT: the answer is given up. */
    int (*event)(struct answer *a, const struct sse_event *ev, struct err *e);
    bool in_one; /* an answer may also come as one JSON body: `event` reads it too */
    /* The answer as it is to be sent back; `plain` without its thinking. -1: too long. */
    int (*echo)(const struct answer *a, struct buf *wire, struct buf *plain);
    /* The same for an answer that only the record knows: words, a call of execute_code, or both;
     * NULL for what it does not have. */
    int (*recall)(const char *text, const struct planner_proposal *p, struct buf *wire);
};

enum phase { PHASE_IDLE, PHASE_CALLING, PHASE_PAUSING, PHASE_ACTING };

struct llm_planner {
    struct planner base; /* first */
    const struct llm_dialect *dialect;
    struct planner_config cfg;
    struct llm_server server;
    char *model, *effort /* "" none */, *canary /* "" none */;
    char *source; /* "anthropic:claude-…" */
    struct llm_facts facts;
    int64_t max_tokens, max_tokens_set /* by the user; 0 not */;
    unsigned left_out; /* of requests; what the bits mean is the dialect's */
    size_t talk_max;   /* bytes of the conversation before it is made shorter */
    int64_t tries_max, idle_ms, first_ms, total_ms;

    struct llm_talk talk;
    struct buf said;                 /* what the person said meanwhile … */
    unsigned said_count;             /* … in so many messages */
    bool plan_edited;                /* by the person: told with the next call */
    char *recalled;                  /* words of an answer while its call may follow; resume only */
    size_t sent_items;               /* of the talk, in the last call … */
    size_t sent_bytes;               /* … with instructions and tools */
    int64_t last_input, last_output; /* tokens of the last call, by the server; -1 unknown */
    enum phase phase;
    bool wanted;   /* the model is to be asked when nothing else is left to do */
    bool stopped;  /* the person stopped the work: no call until they speak */
    bool finished; /* `finish` was called */
    bool waiting;  /* WAITING is to be said */
    size_t act_at; /* ACTING: which block of the answer comes next */
    char *open_call;
    unsigned barren, pauses, cuts, squeezes; /* in a row */
    struct loop_source *pump, *timer;

    struct net_call *call;
    struct sse sse;
    struct answer answer;
    struct buf
        body; /* what is no stream: of an answer that is not 200, or that came in one piece */
    bool in_one;
    int status;
    size_t asked_bytes; /* of a call whose cost was not told yet */
    struct err bad;     /* why the stream was given up */
    unsigned tries, serial;
    struct planner_allowance left; /* when the call was made */
    bool limited;                  /* by it */
};

/* ---- llm_planner.c: the operations that are the same for every dialect (planner.h) */
int llm_available(const struct llm_dialect *d, const struct planner_config *cfg, struct err *e);
int llm_open(struct planner **out, const struct llm_dialect *d, const struct planner_config *cfg,
             struct err *e);
int llm_words(struct planner *p, const char *text, struct err *e);
int llm_observe(struct planner *p, const struct planner_observation *o, struct err *e);
int llm_plan_edited(struct planner *p, const struct planner_step *steps, size_t count,
                    struct err *e);
void llm_cancel(struct planner *p);
void llm_close(struct planner *p);
int llm_set_model(struct planner *p, const char *model, struct err *e);
void llm_wake(struct llm_planner *m);
/* Something waits to be said to the model. */
bool llm_has_more(const struct llm_planner *m);
void llm_write_pending(const struct llm_planner *m, struct buf *out);
/* The open call is answered by what became of its run. */
void llm_add_observation(struct llm_planner *m, const struct planner_observation *o);

/* ---- llm_memory.c: more operations: what the model sees */
int llm_resume(struct planner *p, const struct planner_past *past, struct err *e);
unsigned llm_queued(const struct planner *p);
void llm_context(struct planner *p, struct planner_context_sum *sum, planner_context_fn fn,
                 void *arg);
size_t llm_fixed_bytes(void); /* of what stands before the conversation */
/* What the model is told before the conversation. */
void llm_system_text(const struct llm_planner *m, struct buf *out);

/* The user's own price book (setting "NAME.prices"); NULL none. Lent until the next setting. */
const char *llm_prices_file(const struct llm_dialect *d, const struct planner_config *cfg);

/* ---- llm_models.c */
int llm_list_models(const struct llm_dialect *d, const struct planner_config *cfg,
                    planner_models_fn fn, void *arg, struct err *e);

/* ---- llm_call.c: ask the model; what comes of it is told, or goes to llm_take. */
void llm_call(struct llm_planner *m);
/* Stop the call under way, without a word. */
void llm_drop(struct llm_planner *m);
/* What the call cost so far, once. */
void llm_tell_usage(struct llm_planner *m);

/* ---- llm_failure.c: why there is no whole answer. */
enum llm_failure {
    FAILURE_FINAL,
    FAILURE_PASSING, /* asking again after a while may help */
    FAILURE_ADAPTED, /* asking again at once will help */
    FAILURE_FULL,    /* a shorter conversation will help */
};
enum llm_failure llm_read_failure(struct llm_planner *m, const struct net_result *r, struct err *e);

/* ---- llm_act.c: a whole answer is there; then its calls, one after the other. */
void llm_take(struct llm_planner *m);
void llm_act(struct llm_planner *m);
/* Every call needs a result: those that are left get this one. */
void llm_skip_rest(struct llm_planner *m, const char *why);

/* ---- saying. Errors are for the person; with retry_after_ms 0 it is their turn. */
void llm_fail(struct llm_planner *m, struct err *err, int64_t retry_after_ms);
void llm_say(struct llm_planner *m, enum planner_event_kind kind, const char *text, size_t len);

#endif
