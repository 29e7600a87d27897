/* llm_refusal.h - what a server said instead of an answer, in whatever form. */
#ifndef AIRLOCK_PLANNERS_LLM_REFUSAL_H
#define AIRLOCK_PLANNERS_LLM_REFUSAL_H

#include "base/buf.h"

struct llm_refusal {
    int status;
    char type[64], code[64], message[256];
    const char *body; /* all of it, as it came; lent */
    bool spent;       /* money lifts this limit, not time */
};

/* `body` is lent to *f. */
void llm_read_refusal(struct llm_refusal *f, int status, struct buf *body);

#endif
