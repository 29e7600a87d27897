/* plain.h - the same events as lines, for --plain, `run` without a screen, dumb terminals and
 * screen readers. Every foreign text is cleaned; one meaning per word, no colour needed. */
#ifndef AIRLOCK_UI_PLAIN_H
#define AIRLOCK_UI_PLAIN_H

#include "sessions/event.h"
#include "tool/state.h"
#include "ui/text.h"

struct contract;
struct contract_enforcement;

/* Lines for one event that was just applied to `st`; nothing for events a person need not hear of.
 * Output is prefixed by `out| ` / `err| ` and cleaned through `streams[stream]` (3 of them), which
 * hold back unfinished lines. */
void plain_event(const struct state *st, const struct event *ev, struct text_stream *streams,
                 struct buf *out);

/* The open gate in full: findings, contract with what is enforced and what is not, expectation,
 * every line of code with its number, diff against the previous attempt, the capsule and what it
 * holds beside the code (`rows`, made by plain_gate_row). */
void plain_gate(const struct state *st, const struct state_run *sr, const struct contract *c,
                const struct contract_enforcement *en, const struct buf *rows, const char *why,
                struct buf *out);
/* One of tool/gate_rows.h, as code is shown: no two different texts look the same. [APR-7] */
void plain_gate_row(struct buf *rows, const char *text);

/* One line that says how a run ended: "run 3: exit 0, verified (0.41 s)". */
void plain_run_end(const struct state_run *sr, struct buf *out);
/* "  net    refused CONNECT example.org:443: not on the allow list" */
void plain_net(const struct state_net *n, struct buf *out);
/* One line: severity, where, what it does, the words themselves. `run` 0: not named. */
void plain_flag(const struct state_flag *f, uint32_t run, struct buf *out);

/* "approve" → "approved"; a word it does not know as it is. */
const char *plain_decided_word(const char *decision);

#endif
