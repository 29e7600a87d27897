/* llm_answer.h - one answer of a model, put together from a stream: what every dialect has in
 * common.
 *
 * A dialect (anthropic_stream.h, openai_stream.h) reads events and adds blocks to the answer.
 * Nothing of it may act before `ended`. [NET-6, NET-7]
 */
#ifndef AIRLOCK_PLANNERS_LLM_ANSWER_H
#define AIRLOCK_PLANNERS_LLM_ANSWER_H

#include "base/json.h"
#include "base/sse.h"
#include "providers/planner.h"
#include "providers/planners/llm_preview.h"
#include "providers/planners/llm_price.h"

#define ANSWER_BLOCKS_MAX 256
#define ANSWER_BYTES_MAX  ((size_t)8 << 20) /* all blocks together */

enum block_kind { BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL, BLOCK_OTHER };

struct answer_block {
    enum block_kind kind;
    int64_t index;
    struct json *event;       /* owner of what is lent from an event; may be NULL */
    const struct json *start; /* the block as it began; NULL where a dialect has no such thing */
    char *id, *name;          /* of a call; name: of thoughts, the key they came in. Owned */
    struct buf text;          /* prose, thoughts, or a call's input as JSON text */
    struct buf signature;
    bool has_signature, whole, shows_code;
    struct llm_preview preview;
};

/* Why it ended, whatever the dialect calls it. */
enum answer_why {
    WHY_OTHER,   /* a word we don't know: as if it had come to an end */
    WHY_END,     /* it has said what it had to say */
    WHY_CALLS,   /* its calls are to be answered: the only end that acts */
    WHY_CUT,     /* longer than allowed */
    WHY_PAUSE,   /* it goes on when it is sent back */
    WHY_REFUSAL, /* it will not go on */
    WHY_FULL,    /* the conversation is longer than the model can read */
};

/* For the eye, while it streams: PLANNER_DELTA, PLANNER_THINKING, PLANNER_CODE_DELTA. */
typedef void (*answer_tell_fn)(void *arg, enum planner_event_kind kind, const char *language,
                               const char *text, size_t len);

struct answer {
    struct answer_block *blocks[ANSWER_BLOCKS_MAX];
    size_t count, bytes;
    bool begun, has_usage;
    bool ended;            /* its last event is there */
    bool may_end;          /* nothing is missing when the connection ends in good order now */
    char stop[64];         /* the server's word for why it ended; "" none yet */
    char stop_detail[256]; /* what explains it */
    enum answer_why why;
    struct llm_usage usage;
    bool refused; /* the server gave up in mid-stream: */
    bool passing; /* it may do better when asked again */
    char error_type[64], error_message[256];
    unsigned serial;         /* differs from answer to answer: for ids that a server did not give */
    bool takes_server_calls; /* set before the first event: what the server runs is a call too */
    char container[129], container_expires[40]; /* where it runs them; "" not told */
    answer_tell_fn tell;                        /* may be NULL */
    void *arg;
};

void answer_init(struct answer *a, answer_tell_fn tell, void *arg);
void answer_release(struct answer *a);

/* ---- for dialects ---- */

/* ERR_LIMIT: too many blocks. Lent until release. */
struct answer_block *answer_add_block(struct answer *a, enum block_kind kind, int64_t index,
                                      struct err *e) MUST_CHECK;
/* Add to one of a block's bufs, within the bound of the whole answer. ERR_LIMIT. */
int answer_keep(struct answer *a, struct buf *b, const char *p, size_t len,
                struct err *e) MUST_CHECK;
/* The name of a call is known: if its code is worth showing, begin to. */
void answer_begin_call(struct answer *a, struct answer_block *b);
/* More of a block's text: kept, and told as what it is. ERR_LIMIT. */
int answer_add_text(struct answer *a, struct answer_block *b, const char *p, size_t len,
                    struct err *e) MUST_CHECK;
/* A server counts: taken when it is a count at all. Cumulative: never added up. */
void answer_take_count(struct answer *a, const struct json *usage, const char *key, int64_t *out);

/* Words of a server: control characters become blanks, the rest is cut at `size`. */
void answer_copy_words(char *dst, size_t size, const char *src);

#endif
