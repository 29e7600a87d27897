/* llm_server.h - where a model is asked: origin, key and headers, from the user's settings alone.
 * [SEC-1, NET-2] */
#ifndef AIRLOCK_PLANNERS_LLM_SERVER_H
#define AIRLOCK_PLANNERS_LLM_SERVER_H

#include "base/net.h"
#include "providers/planner.h"

#define LLM_HEADERS_MAX 24

struct llm_server {
    struct net_origin *origin; /* holds the key */
    bool is_default;           /* the vendor's own: the user named no other */
    struct net_header headers[LLM_HEADERS_MAX];
    size_t header_count;
};
void llm_server_release(struct llm_server *s);

/* A setting by its name; NULL when it is not set, or empty. Lent until the next call. */
const char *llm_setting(const struct planner_config *cfg, const char *name);
/* Takes *inout when it is set. ERR_USAGE: not a whole number from `min` to `max`. */
int llm_setting_int(const struct planner_config *cfg, const char *name, int64_t min, int64_t max,
                    int64_t *inout, struct err *e) MUST_CHECK;

/* The origin of the address that the setting `env` names, or `config`, or of `dflt`. */
int llm_server_open(struct llm_server *out, const struct planner_config *cfg, const char *env,
                    const char *config, const char *dflt, struct err *e) MUST_CHECK;
/* A key by its name, if it is set: 1, 0 it is not, -1 it is no key. */
int llm_server_add_key(struct llm_server *s, const struct planner_config *cfg, const char *name,
                       const char *header, const char *prefix, struct err *e) MUST_CHECK;
/* Sent with every request; takes the place of one of that name. Copied. */
int llm_server_add_header(struct llm_server *s, const char *name, const char *value,
                          struct err *e) MUST_CHECK;
/* "Name: value" lines of the user's. What may be a key is kept as keys are, and nobody else's
 * header of that name is sent: llm_server_has tells. */
int llm_server_add_lines(struct llm_server *s, const char *setting, const char *lines,
                         struct err *e) MUST_CHECK;
bool llm_server_has(const struct llm_server *s, const char *header);

#endif
