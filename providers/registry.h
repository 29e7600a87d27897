/* registry.h - every planner and every sandbox there is, by name. The arrays are in registry.c;
 * one line here and one there adds a provider. */
#ifndef AIRLOCK_PROVIDERS_REGISTRY_H
#define AIRLOCK_PROVIDERS_REGISTRY_H

#include "providers/planner.h"
#include "providers/sandbox.h"

extern const struct planner_ops planner_human, planner_runbook, planner_anthropic, planner_openai;
extern const struct sandbox_ops sandbox_local, sandbox_e2b, sandbox_claude_managed,
    sandbox_claude_messages;
extern const struct sandbox_ops sandbox_e2b_ours; /* -s e2b:TEMPLATE,kernel=ours */
extern const struct sandbox_ops
    sandbox_claude_messages_state; /* -s claude-messages:MODEL,kernel=repl */

#endif
