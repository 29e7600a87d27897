/* stats.h - what people decided at gates, over many sessions: by rule and finding, how long it
 * took, why they said no, what it cost where; and which of these decisions a policy file would
 * change.
 *
 * A fold over recorded events: nothing is executed, and memory does not grow with the number of
 * sessions (tables keep STATS_ROWS_MAX rows, waits STATS_WAITS_MAX; what is beyond is counted).
 */
#ifndef AIRLOCK_TOOL_STATS_H
#define AIRLOCK_TOOL_STATS_H

#include "sessions/event.h"
#include "tool/policy.h"
#include "tool/state.h"

#define STATS_ROWS_MAX  4096
#define STATS_WAITS_MAX 1000000
#define STATS_KEY_MAX   200 /* bytes of a rule, finding, reason or name; the rest is cut */

/* The event types that a fold needs, for store_each_of. */
#define STATS_TYPES                                                                                \
    (1ull << EVENT_SESSION_CREATED | 1ull << EVENT_SESSION_RESUMED | 1ull << EVENT_RUN_REVIEWED |  \
     1ull << EVENT_GATE_OPENED | 1ull << EVENT_GATE_DECIDED | 1ull << EVENT_RUN_FINISHED |         \
     1ull << EVENT_RUN_FLAGGED | 1ull << EVENT_SANDBOX_READY | 1ull << EVENT_SANDBOX_CLOSED |      \
     1ull << EVENT_SANDBOX_PAUSED | 1ull << EVENT_SESSION_FINISHED | 1ull << EVENT_USAGE)

/* Decisions. `approved` and `denied` by a person; `unasked`: approved by typing, lease or policy;
 * `refused`: denied without a person. */
struct stats_tally {
    uint64_t approved, unasked, denied, refused, edited, dry_run, stopped;
};
uint64_t stats_tally_sum(const struct stats_tally *t);

struct stats_row {
    char *key;
    struct stats_tally tally;
    uint64_t count;                          /* reasons: how often; sandboxes: sessions */
    uint64_t runs;                           /* sandboxes: that ended there */
    int64_t wall_ms, alive_ms, cost_nanousd; /* sandboxes */
    int severity;                            /* rules and findings: the worst seen; else -1 */
};

struct stats_table {
    struct stats_row *rows;
    size_t count, cap;
    uint32_t *slots; /* row + 1 by hash of the key */
    uint64_t left_out;
};

struct stats_wait {
    int64_t ms;
    int8_t severity; /* worst finding at that gate; -1 none */
};

/* A decision that would be another one under the policy. */
struct stats_change {
    const char *session;
    uint32_t run;
    const char *was, *by, *reason; /* as recorded */
    bool would_run;                /* unasked; false: it would be asked about */
    const char *code_key, *contract_digest;
};
typedef void (*stats_change_fn)(void *arg, const struct stats_change *c);

struct stats {
    uint64_t sessions, runs, flags;
    struct stats_tally all, by_severity[5]; /* [0] no finding, [1 + severity] */
    struct stats_table rules, findings, reasons, sandboxes;
    struct stats_wait *waits; /* of persons */
    size_t wait_count, wait_cap;
    uint64_t waits_left_out;
    uint64_t by_lease, by_typed, by_policy; /* of `unasked` */
    /* policy replay */
    const struct policy *policy; /* borrowed; NULL none */
    stats_change_fn changed;
    void *arg;
    uint64_t judged, no_key; /* decisions it was asked about; recorded without a code key */
    struct stats_session *now;
};

void stats_init(struct stats *s);
void stats_release(struct stats *s);
/* Between them the events of one session, in order. `id` is borrowed until the end. */
void stats_begin(struct stats *s, const char *id);
void stats_event(struct stats *s, const struct event *ev);
void stats_end(struct stats *s);

/* Sorts `waits`. The p-th percentile (nearest rank, 1–100) of the waits with that worst severity;
 * -2: of all. -1 when there are none. */
int64_t stats_wait_percentile(struct stats *s, int severity, unsigned p);
uint64_t stats_wait_count(const struct stats *s, int severity);
/* Sort the rows: most decisions (or most often, or most runs) first, then by key. */
void stats_table_sort(struct stats_table *t);

#endif
