/* anthropic_stream.h - one answer of the Messages API, put together from its events.
 *
 * Unknown events, deltas and blocks are skipped, blocks kept for the echo. An event that
 * contradicts the order of the protocol gives the answer up. [NET-6, NET-7; claude.md §4]
 */
#ifndef AIRLOCK_PLANNERS_ANTHROPIC_STREAM_H
#define AIRLOCK_PLANNERS_ANTHROPIC_STREAM_H

#include "providers/planners/llm_answer.h"

/* ERR_FORMAT, ERR_LIMIT: give it up. */
int anthropic_event(struct answer *a, const struct sse_event *ev, struct err *e) MUST_CHECK;

/* The blocks as they are to be sent back, JSON separated by commas; `plain` without thinking. 0, or
 * -1 when one of them is full. */
int anthropic_echo(const struct answer *a, struct buf *wire, struct buf *plain);

#endif
