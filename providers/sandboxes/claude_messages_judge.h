/* claude_messages_judge.h - what a model of Anthropic's did when it was told to call one tool once
 * with one argument: compared block by block while the stream arrives.
 *
 * Nothing is accepted that was not expected: exactly one call of the tool, made directly, its input
 * one object with one member that is the text asked for, byte for byte, and one result for it.
 * Anything else is a deviation, from then on nothing is read any more, and who reads the stream
 * closes it. One answer may come in several rounds (`pause_turn`). [claude.md §6, §9.1]
 */
#ifndef AIRLOCK_SANDBOXES_CLAUDE_MESSAGES_JUDGE_H
#define AIRLOCK_SANDBOXES_CLAUDE_MESSAGES_JUDGE_H

#include "base/sse.h"
#include "providers/planners/llm_answer.h"

#define JUDGE_FILES_MAX 16
#define JUDGE_ID_MAX    129
#define JUDGE_SEEN_MAX  ((size_t)64 << 10)

/* All borrowed until release. */
struct judge_wanted {
    const char *tool; /* "bash_code_execution", "code_execution" */
    const char *key;  /* of its one argument: "command", "code" */
    const char *text;
    size_t len;
};

struct judge {
    struct judge_wanted want;
    struct answer answer; /* of this round */
    struct sse sse;
    bool looked_at[ANSWER_BLOCKS_MAX]; /* blocks of this round whose beginning was judged … */
    bool settled[ANSWER_BLOCKS_MAX];   /* … and their end */
    struct buf echo;                   /* earlier rounds, as they are sent back */

    struct err bad;       /* it is no answer that can be read; or the server gave up */
    struct err deviation; /* something else was done than was asked for */
    struct buf seen;      /* what: text for people, from outside */
    struct buf words;     /* what the model said, its beginning */

    bool called, call_ok,
        answered; /* the call began; it is the one asked for; its result is there */
    char call_id[JUDGE_ID_MAX];
    char error_code[64]; /* the result is an error; "" it is not */
    int64_t return_code;
    struct buf out, err; /* of the tool */
    char files[JUDGE_FILES_MAX][JUDGE_ID_MAX];
    size_t file_count, files_more; /* more: how many beyond the bound */
    struct llm_usage usage;        /* of all rounds */
    bool has_usage;
};

void judge_init(struct judge *j, const struct judge_wanted *want);
void judge_release(struct judge *j);

/* More of the stream. -1: nothing more is to be read (`bad` or `deviation` is set, or the server
 * gave up: answer.refused). */
int judge_feed(struct judge *j, const char *p, size_t len) MUST_CHECK;
/* The stream of this round is over: is it whole? Takes its usage. */
bool judge_end_round(struct judge *j);
/* After a whole round that ended with `pause_turn`: what it said goes to `echo`, the next one may
 * begin. -1: too long. */
int judge_next_round(struct judge *j) MUST_CHECK;

#endif
