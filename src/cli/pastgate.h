/* pastgate.h - the open gate as the record has it, for views: nothing of it is asked of this
 * machine.
 */
#ifndef AIRLOCK_CLI_PASTGATE_H
#define AIRLOCK_CLI_PASTGATE_H

#include "providers/contract.h"
#include "ui/view.h"

struct past_gate {
    struct gate gate; /* open, not focused, nothing seen: nobody decides here */
    struct view_contract_line lines[FIELD_COUNT];
    size_t line_count; /* 0: the recorded contract can't be read */
    struct view_attachment *attachments;
    size_t attachment_count;
    struct buf text; /* what the lines and rows point into */
    char sandbox[160], from[96];
    char capsule[65]; /* of the gate that is filled in; "" none */
};

void past_gate_init(struct past_gate *g);
void past_gate_release(struct past_gate *g);
/* Make `out` show the gate that is open in `st`, or none. Lent until the next call. */
void past_gate_fill(struct past_gate *g, const struct state *st, struct view_gate *out);

/* The contract it stood under and what of it was enforced where. Release *c also on failure:
 * ERR_FORMAT. */
int past_gate_contract(const struct state *st, struct contract *c, struct contract_enforcement *en,
                       struct err *e) MUST_CHECK;

/* What the interpreter at the gate knows of earlier runs, in words; also for a gate that is open
 * now. */
void past_gate_from(const struct state *st, char *out, size_t size);

#endif
