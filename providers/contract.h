/* contract.h - what a sandbox promises: every field always present, defaults strict. [SBX-1,
 * architecture §3]
 *
 * Plain data, shared by the tool layer (parses, digests, shows it: tool/contract.h) and the
 * sandboxes (enforce it).
 */
#ifndef AIRLOCK_PROVIDERS_CONTRACT_H
#define AIRLOCK_PROVIDERS_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum contract_lifecycle { LIFECYCLE_SESSION, LIFECYCLE_RUN };
enum contract_network { NETWORK_DENY, NETWORK_ALLOW, NETWORK_OPEN };

#define CONTRACT_HOSTS_MAX  32
#define CONTRACT_MOUNTS_MAX 16
#define CONTRACT_ENV_MAX    32

struct contract_mount {
    char *path; /* absolute on the host; the same path inside */
    bool writable;
};

struct contract {
    enum contract_lifecycle lifecycle; /* session */
    int64_t ttl_s;                     /* 3600; 1–86400 */
    int64_t concurrency;               /* 1; 1–64 */
    enum contract_network network;     /* deny */
    char *hosts[CONTRACT_HOSTS_MAX];   /* of `allow:`, sorted by bytes */
    size_t host_count;
    struct contract_mount mounts[CONTRACT_MOUNTS_MAX]; /* sorted by path */
    size_t mount_count;
    char *python;                /* interpreter path inside, "/usr/bin/python3" */
    int64_t timeout_s;           /* 30; 1–86400 */
    int64_t cpu;                 /* 1; 1–64 */
    int64_t memory_mib;          /* 1024; 64–65536 */
    int64_t pids;                /* 128; 8–4096 */
    int64_t disk_mib;            /* 256; 1–65536: /workspace */
    int64_t output_mib;          /* 64; 1–4096 */
    char *env[CONTRACT_ENV_MAX]; /* names only, sorted; values come from our environment at create
                                    time */
    size_t env_count;
    int64_t budget_nanousd; /* 0: none */
    bool strict;            /* refuse what can't be enforced (network, mounts, timeout, ttl) */
    /* Not a person's key: SHA-256, in hex, of the code of Airlock's own that the sandbox runs in
     * the interpreter beside what was approved, to read its variables; "" where there is none. */
    char introspection[65];
};

/* Fields that have an enforcement of their own; the names are those of `-c`. */
enum contract_field {
    FIELD_LIFECYCLE,
    FIELD_TTL,
    FIELD_NETWORK,
    FIELD_FILES,
    FIELD_TIMEOUT,
    FIELD_CPU,
    FIELD_MEMORY,
    FIELD_PIDS,
    FIELD_DISK,
    FIELD_OUTPUT,
    FIELD_ENV,
    FIELD_COUNT
};
enum enforcement { ENFORCED, APPROXIMATED, NOT_ENFORCEABLE };

struct field_enforcement {
    enum enforcement how;
    char why[96]; /* "rlimits per process: no cgroup for this user"; empty when ENFORCED needs no
                     word */
};
struct contract_enforcement {
    struct field_enforcement field[FIELD_COUNT];
};

#endif
