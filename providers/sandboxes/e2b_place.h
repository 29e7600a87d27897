/* e2b_place.h - where E2B is, by the vendor's own variables, and what its answers mean. [e2b.md §1,
 * §2.1, §4]
 *
 * E2B_API_KEY (needed), E2B_DOMAIN [e2b.app], E2B_API_URL, E2B_SANDBOX_URL, E2B_DEBUG. The key goes
 * with requests to the control plane and nowhere else.
 */
#ifndef AIRLOCK_SANDBOXES_E2B_PLACE_H
#define AIRLOCK_SANDBOXES_E2B_PLACE_H

#include "base/net.h"

typedef const char *(*e2b_setting_fn)(void *arg, const char *name);

#define E2B_PORT_CODE  49999
#define E2B_PORT_ENVD  49983
#define E2B_TEMPLATE   "code-interpreter-v1"
#define E2B_DEBUG_ID   "debug_sandbox_id"
#define E2B_ID_MAX     64
#define E2B_DOMAIN_MAX 253

struct e2b_place {
    char *domain;      /* of new sandboxes */
    char *sandbox_url; /* NULL: a host per sandbox and port */
    char *api_url;
    bool debug; /* E2B_DEBUG: a server of the vendor's on this machine, no control plane */
};

/* ERR_MISSING without a key, ERR_USAGE for what is wrong in a variable. */
int e2b_place_read(struct e2b_place *out, e2b_setting_fn setting, void *arg,
                   struct err *e) MUST_CHECK;
void e2b_place_release(struct e2b_place *p);
/* The control plane, with the key. */
int e2b_place_api(const struct e2b_place *p, e2b_setting_fn setting, void *arg,
                  struct net_origin **out, struct err *e) MUST_CHECK;

/* What reaches one sandbox; tokens may be NULL. */
struct e2b_address {
    const char *id, *domain, *envd_token, *traffic_token;
};
/* Port E2B_PORT_CODE or E2B_PORT_ENVD of a sandbox, with its tokens. */
int e2b_place_port(const struct e2b_place *p, const struct e2b_address *a, int port,
                   struct net_origin **out, struct err *e) MUST_CHECK;

/* Is it a sandbox id that may stand in a path and a host name? */
bool e2b_is_id(const char *id);

/* ---- answers */

/* What an answer that is no success says, from whichever of the four servers it came. */
struct e2b_refusal {
    char message[200]; /* its own words, printable; "" none */
    char code[64];     /* error_code of the control plane, code of envd's RPC; "" none */
    bool not_found;    /* the edge: no such sandbox, or it is paused, expired, killed */
    bool port_closed;  /* the edge: nothing listens, or the service broke before its answer */
    bool in_transition;
    bool at_cap; /* 429 of the second kind: as many sandboxes as the plan allows */
};
void e2b_refusal_read(struct e2b_refusal *out, int status, const char *body, size_t len);

/* Say why `doing` failed and what to do; `r` is anything but a success. Returns e->code. */
enum err_code e2b_explain(struct err *e, const char *doing, const struct net_result *r,
                          const struct e2b_refusal *why);

#endif
