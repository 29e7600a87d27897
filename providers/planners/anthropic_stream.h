/* anthropic_stream.h - one answer of the Messages API, put together from its events.
 *
 * Nothing of it may act before `ended`. Unknown events, deltas and blocks are skipped, blocks kept
 * for the echo. An event that contradicts the order of the protocol gives the answer up. [NET-6,
 * NET-7; claude.md §4]
 */
#ifndef AIRLOCK_PLANNERS_ANTHROPIC_STREAM_H
#define AIRLOCK_PLANNERS_ANTHROPIC_STREAM_H

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
    struct json *event;       /* owner of: */
    const struct json *start; /* the block as it began */
    const char *id, *name;    /* of a call */
    struct buf text;          /* prose, thoughts, or a call's input as JSON text */
    struct buf signature;
    bool has_signature, whole, shows_code;
    struct llm_preview preview;
};

/* For the eye, while it streams: PLANNER_DELTA, PLANNER_THINKING, PLANNER_CODE_DELTA. */
typedef void (*answer_tell_fn)(void *arg, enum planner_event_kind kind, const char *language,
                               const char *text, size_t len);

struct answer {
    struct answer_block *blocks[ANSWER_BLOCKS_MAX];
    size_t count, bytes;
    bool begun, ended, has_usage;
    char stop[64];         /* stop_reason; "" none yet */
    char stop_detail[256]; /* what explains it */
    struct llm_usage usage;
    bool refused; /* the server gave up in mid-stream: */
    char error_type[64], error_message[256];
    answer_tell_fn tell; /* may be NULL */
    void *arg;
};

void answer_init(struct answer *a, answer_tell_fn tell, void *arg);
void answer_release(struct answer *a);

/* ERR_FORMAT, ERR_LIMIT: give it up. */
int answer_event(struct answer *a, const struct sse_event *ev, struct err *e) MUST_CHECK;

/* The blocks as they are to be sent back, JSON separated by commas; `plain` without thinking. 0, or
 * -1 when one of them is full. */
int answer_echo(const struct answer *a, struct buf *wire, struct buf *plain);

/* Words of a server: control characters become blanks, the rest is cut at `size`. */
void answer_copy_words(char *dst, size_t size, const char *src);

#endif
