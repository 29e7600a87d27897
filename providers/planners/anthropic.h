/* anthropic.h - the Messages API as a dialect: the parts of it that live in files of their own. */
#ifndef AIRLOCK_PLANNERS_ANTHROPIC_H
#define AIRLOCK_PLANNERS_ANTHROPIC_H

#include "providers/planners/anthropic_stream.h"
#include "providers/planners/llm_planner.h"

/* anthropic_wire.c: the request for the conversation as it stands. -1: too long. */
int anthropic_write(const struct llm_planner *m, struct buf *body);
int anthropic_recall(const char *text, const struct planner_proposal *p, struct buf *wire);

#endif
