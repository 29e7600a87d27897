/* gate_rows.h - what a capsule holds beside its code, one row each: shown at the gate, must be seen
 * there, and is recorded with it. [APR-7] */
#ifndef AIRLOCK_TOOL_GATE_ROWS_H
#define AIRLOCK_TOOL_GATE_ROWS_H

#include "tool/capsule.h"
#include "tool/contract.h"

/* `text` is lent for the call: "file in.csv 0644 1204 bytes sha256 7f3a91c2…"; what of a
 * long text has no room is named by the SHA-256 of all of it. */
typedef void (*gate_row_fn)(void *arg, const char *text);
void gate_each_row(const struct capsule *capsule, const struct contract *c, gate_row_fn fn,
                   void *arg);

#endif
