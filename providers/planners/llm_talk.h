/* llm_talk.h - the conversation with a model, as it is sent again with every call, kept within
 * bounds.
 *
 * When it grows too long, old results are shortened first, then whole old exchanges become a line
 * each; the task, the person's words and the plan stay. Both change what stood before later
 * answers, to which some models bind their thinking: those answers are marked `stale`, and their
 * thinking is not sent any more. [claude.md §3, echo rule]
 */
#ifndef AIRLOCK_PLANNERS_LLM_TALK_H
#define AIRLOCK_PLANNERS_LLM_TALK_H

#include "base/buf.h"

#define LLM_ITEM_MAX ((size_t)8 << 20)

enum llm_item_kind {
    LLM_WORDS,  /* of the person, and notes of ours: text */
    LLM_DIGEST, /* what became of exchanges that were folded: text */
    LLM_ANSWER, /* of the model: text and plain, JSON as the wire has it */
    LLM_RESULT, /* of one call: text, call_id. Results follow the answer that holds their calls */
};

struct llm_item {
    enum llm_item_kind kind;
    struct buf text;
    struct buf plain; /* ANSWER: without its thinking; RESULT: what takes the place of text */
    char *call_id;
    int64_t tokens; /* ANSWER: as the server counted, thinking included; 0 unknown */
    bool is_error;
    bool stale;     /* ANSWER: send `plain` */
    bool shortened; /* the model sees less than there was */
};

struct llm_talk {
    struct llm_item *items;
    size_t count, cap;
    struct buf plan;   /* as it is now; "" none */
    struct buf folded; /* a line for each result that was folded */
};

void llm_talk_init(struct llm_talk *t);
void llm_talk_release(struct llm_talk *t);

/* Appended; all text is copied. */
void llm_talk_add_words(struct llm_talk *t, const char *text);
/* Lent until the next call. */
struct llm_item *llm_talk_add_answer(struct llm_talk *t, const struct buf *wire,
                                     const struct buf *plain);
/* `line` is what is left of it when room is short. */
void llm_talk_add_result(struct llm_talk *t, const char *call_id, const char *text,
                         const char *line, bool is_error);
void llm_talk_set_plan(struct llm_talk *t, const char *text);

/* What is sent of an item. Lent. */
const struct buf *llm_item_sent(const struct llm_item *it);
/* Bytes as sent, roughly: without the wire's frame. */
size_t llm_talk_bytes(const struct llm_talk *t);

/* Nothing is done up to `max` bytes; above, it is brought down to max/2 if it can be, so that this
 * happens rarely (each time costs the server's cache). What the newest two answers and their
 * results say is left alone. Returns whether something changed. */
bool llm_talk_fit(struct llm_talk *t, size_t max);
/* No thinking in it may be sent any more: another model answers from now on. */
void llm_talk_make_stale(struct llm_talk *t);

#endif
