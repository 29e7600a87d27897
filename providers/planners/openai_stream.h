/* openai_stream.h - one answer of a chat-completions server, put together from its chunks, or from
 * one message that holds all of it.
 *
 * Servers that call themselves compatible differ, so this reads: calls in fragments by index, or
 * whole in one chunk; an index that is missing, or 0 for every call; ids that are missing, change
 * from chunk to chunk or are there twice (each call gets one of its own); a name in pieces or in
 * every chunk; arguments as an object; thoughts as `reasoning_content`, `reasoning` or parts of the
 * content; no usage, usage in every chunk; no `[DONE]`. What it does not forgive: a fragment of no
 * call, anything behind the reason why it ended, two such reasons. [NET-6, NET-7]
 */
#ifndef AIRLOCK_PLANNERS_OPENAI_STREAM_H
#define AIRLOCK_PLANNERS_OPENAI_STREAM_H

#include "providers/planners/llm_answer.h"

/* A chunk, a whole completion, or "[DONE]". ERR_FORMAT, ERR_LIMIT: give it up. */
int openai_event(struct answer *a, const struct sse_event *ev, struct err *e) MUST_CHECK;

/* The answer as one message to be sent back, JSON; `plain` without its thoughts. Nothing when there
 * is neither prose nor a call. 0, or -1 when one of them is full. */
int openai_echo(const struct answer *a, struct buf *wire, struct buf *plain);

#endif
