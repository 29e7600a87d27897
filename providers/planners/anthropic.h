/* anthropic.h - what the parts of the anthropic planner share. */
#ifndef AIRLOCK_PLANNERS_ANTHROPIC_H
#define AIRLOCK_PLANNERS_ANTHROPIC_H

#include "base/loop.h"
#include "base/net.h"
#include "providers/planners/anthropic_stream.h"
#include "providers/planners/llm_talk.h"
#include "providers/planners/llm_tool.h"

/*   idle ──words, results──▶ calling ──whole answer──▶ acting ──all calls answered──▶ idle
 *                             ▲   └─busy, cut─▶ pausing (countdown) ──┐
 *                             └───────────────────────────────────────┘ */
enum phase { PHASE_IDLE, PHASE_CALLING, PHASE_PAUSING, PHASE_ACTING };

struct anthropic {
    struct planner base; /* first */
    struct planner_config cfg;
    char *model, *effort /* "" none */, *version, *canary /* "" none */;
    char *source; /* "anthropic:claude-…" */
    struct llm_facts facts;
    int64_t max_tokens;
    size_t talk_max; /* bytes of the conversation before it is made shorter */
    int64_t tries_max, idle_ms, first_ms, total_ms;
    struct net_origin *origin;

    struct llm_talk talk;
    struct buf said; /* what the person said meanwhile */
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
    struct buf refusal; /* body of an answer that is not 200 */
    int status;
    struct err bad; /* why the stream was given up */
    unsigned tries;
};

/* anthropic_call.c: ask the model; what comes of it is told, or goes to anthropic_take. */
void anthropic_call(struct anthropic *a);
/* Stop the call under way, without a word. */
void anthropic_drop(struct anthropic *a);
/* What the call cost so far, once. */
void anthropic_tell_usage(struct anthropic *a);
/* anthropic_wire.c: the request for the conversation as it stands. -1: too long. */
int anthropic_write(const struct anthropic *a, struct buf *body);

/* anthropic.c: a whole answer is there. */
void anthropic_take(struct anthropic *a);
/* Errors for the person; with retry_after_ms 0 it is their turn. */
void anthropic_fail(struct anthropic *a, struct err *err, int64_t retry_after_ms);
void anthropic_say(struct anthropic *a, enum planner_event_kind kind, const char *text, size_t len);
void anthropic_wake(struct anthropic *a);

#endif
