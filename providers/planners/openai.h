/* openai.h - chat completions as a dialect: the parts of it that live in files of their own. */
#ifndef AIRLOCK_PLANNERS_OPENAI_H
#define AIRLOCK_PLANNERS_OPENAI_H

#include "providers/planners/llm_planner.h"
#include "providers/planners/openai_stream.h"

/* openai_wire.c: the request for the conversation as it stands. -1: too long. */
int openai_write(const struct llm_planner *m, struct buf *body);
int openai_recall(const char *text, const struct planner_proposal *p, struct buf *wire);
/* What this server refused by its name is left out from now on: that name, NULL when it was nothing
 * that can be left out. */
const char *openai_adapt(struct llm_planner *m, const struct llm_refusal *f);

#endif
