/* proxy_int.h - private to proxy.c (our side), proxy_serve.c (the process outside the sandbox) and
 * proxy_talk.c (one connection). */
#ifndef AIRLOCK_PROVIDERS_PROXY_INT_H
#define AIRLOCK_PROVIDERS_PROXY_INT_H

#include "base/clock.h"
#include "providers/contract.h"
#include "providers/proxy.h"
#include "providers/proxy_head.h"

/* Descriptors of the process. */
enum { PROXY_FD_GUEST = 3, PROXY_FD_NOTES };

/* Shared by the processes of one proxy. */
struct proxy_shared {
    _Atomic uint64_t bytes;
};

struct proxy_server {
    struct allow_rule rules[CONTRACT_HOSTS_MAX];
    size_t rule_count;
    struct proxy_shared *shared;
    int notes;
};

/* The process, in the launcher's child. Its arguments are the items. Its exit status is told to
 * nobody. */
int proxy_serve(int argc, char **argv);
/* One connection, in a process of its own, from its first byte to its CLOSED. */
void proxy_talk(const struct proxy_server *s, int client, uint32_t attempt);
/* Send one note; `answer` (-1 none) goes along. false: nobody listens. */
bool proxy_tell(int notes, const struct proxy_note *n, int answer);

#endif
