/* llm_show.h - JSON that a model reads or wrote, unfolded for people: a member a line, text of
 * several lines as a block. Nothing is left out but what is opaque by design (signatures), of which
 * the size is told. */
#ifndef AIRLOCK_PLANNERS_LLM_SHOW_H
#define AIRLOCK_PLANNERS_LLM_SHOW_H

#include "base/buf.h"

/* Values separated by commas, as an answer is kept, or one. What is no JSON is copied as it is. */
void llm_show(const char *p, size_t len, struct buf *out);

#endif
