/* local_probe.h - can this machine make a local sandbox, and if not, what would mend it. */
#ifndef AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_PROBE_H
#define AIRLOCK_PROVIDERS_SANDBOXES_LOCAL_PROBE_H

#include "base/buf.h"

struct launcher;

/* sandbox_ops.available: bubblewrap is there, not setuid, new enough, and really makes its
 * namespaces (tried once with `true`, < 20 ms, remembered). */
int local_available(struct launcher *l, struct err *e);

/* What the machine says about user namespaces, as read from /proc and /. Strings may be "". */
struct local_facts {
    long max_user_namespaces; /* -1: no such setting */
    long userns_clone;        /* kernel.unprivileged_userns_clone, old Debian; -1 */
    long apparmor_restrict;   /* kernel.apparmor_restrict_unprivileged_userns; -1 */
    bool in_container;        /* /.dockerenv, /run/.containerenv */
};

/* bwrap's stderr + facts → reason and remedy. Pure; always -1. */
int local_explain_facts(const char *said, const struct local_facts *facts, struct err *e);

#endif
