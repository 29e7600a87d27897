/* probe_int.h - what the probes share: a sandbox driven to an answer, and the report being written.
 */
#ifndef AIRLOCK_TOOL_PROBE_INT_H
#define AIRLOCK_TOOL_PROBE_INT_H

#include "base/json.h"
#include "tool/probe.h"

#define PROBE_NONCE 17 /* 16 hex digits and NUL */

struct probe {
    const struct probe_config *cfg;
    struct probe_report *report;
    char nonce[PROBE_NONCE];
    struct err broken; /* of the loop: everything stops */
};

void probe_add(struct probe *p, enum probe_outcome o, const char *what, const char *inside,
               const char *fmt, ...) PRINTF_LIKE(5, 6);

/* ---- probe_box.c: one sandbox */
struct probe_box {
    struct probe *p;
    struct sandbox *s;
    struct contract contract; /* a shallow copy: strings are the config's */
    uint32_t run, checkpoint; /* the newest of each */
    bool ready, closed, confirmed, finished, restored, refused;
    struct buf out, err;
    /* of the last run */
    enum run_end end;
    bool state_lost;
    uint32_t resumed_from;
    char error_name[64], message[256];
    int64_t took_us;
};

/* Open and wait. Adds an UNPROVED row and returns -1 when it does not come up. */
int probe_box_open(struct probe_box *b, struct probe *p, const struct contract *c) MUST_CHECK;
/* Open only: for the probe that kills what is not up yet. */
int probe_box_begin(struct probe_box *b, struct probe *p, const struct contract *c) MUST_CHECK;
/* Run python with `input` on its stdin and wait for the end: -1 when there is none in `patience`
 * (the sandbox is then destroyed; a row is the caller's to add). */
int probe_box_run(struct probe_box *b, const char *code, const char *input,
                  int64_t patience_us) MUST_CHECK;
/* The same in two steps: until the output holds `word`, then to the end. */
int probe_box_start(struct probe_box *b, const char *code, const char *input) MUST_CHECK;
bool probe_box_said(struct probe_box *b, const char *word, int64_t patience_us);
int probe_box_finish(struct probe_box *b, int64_t patience_us) MUST_CHECK;
/* Wait for the checkpoint of the last run; false when there is none. */
bool probe_box_settle(struct probe_box *b);
/* Back to the state after `run`; false when that can't be had. */
bool probe_box_restore(struct probe_box *b, uint32_t run);
/* Destroy and wait for CLOSED: true when the provider proved that nothing is left. */
bool probe_box_kill(struct probe_box *b);
void probe_box_close(struct probe_box *b);
/* Let the loop turn for that long. */
void probe_wait(struct probe *p, int64_t us);

/* A script of share/probes, lent. */
const char *probe_script(const char *name);
/* Parse what a script printed: one JSON object. NULL (and a row) when it is none. */
struct json *probe_answer(struct probe_box *b, const char *what);

/* ---- probe_host.c: what the host sees of processes */
struct probe_process {
    int64_t pid;
    bool nested_pids, no_new_privs, has_caps, seccomp, other_user, other_net, net_known;
    uint32_t uid;
};
/* Processes of this machine with `nonce` in their arguments; at most `max` are described, all are
 * counted. */
size_t probe_find_processes(const char *nonce, struct probe_process *out, size_t max);
/* Processes in a pid namespace of their own that descend from this process and are younger than
 * `since_ticks`. */
size_t probe_count_strays(uint64_t since_ticks);
uint64_t probe_ticks_now(void);

void probe_boot_id(char *out, size_t size); /* of this machine; "" unknown */

/* ---- probe_net.c: where this host listens, on any address of it; -1 none. `abstract` names have
 * no file. */
int probe_listen_inet(bool stream, int *port);
int probe_listen_unix(const char *path, bool abstract);

/* ---- the probes */
void probe_files(struct probe *p);
void probe_network(struct probe *p);
void probe_processes(struct probe *p);
void probe_timeout(struct probe *p);
void probe_state(struct probe *p);
void probe_limits(struct probe *p);
void probe_kill(struct probe *p);

#endif
