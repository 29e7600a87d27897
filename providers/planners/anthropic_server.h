/* anthropic_server.h - where the Messages API and its relatives are, by the vendor's own variables:
 * ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN (one is needed), ANTHROPIC_BASE_URL, ANTHROPIC_VERSION,
 * ANTHROPIC_CUSTOM_HEADERS. For the planner and the sandboxes of Claude. [claude.md §1] */
#ifndef AIRLOCK_PLANNERS_ANTHROPIC_SERVER_H
#define AIRLOCK_PLANNERS_ANTHROPIC_SERVER_H

#include "providers/planners/llm_server.h"

/* ERR_MISSING without a key, ERR_USAGE, ERR_FORMAT for what is wrong in a variable. Release *out
 * with llm_server_release. */
int anthropic_server_find(struct llm_server *out, const char *(*setting)(void *arg, const char *),
                          void *arg, struct err *e) MUST_CHECK;

#endif
