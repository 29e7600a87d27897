/* probe.h - does this sandbox hold? Probes that must fail inside it, judged by what the host saw.
 * [local-sandboxes §5, SBX-3]
 *
 * Every probe goes the way of model code: sandbox_ops.exec, nothing else. What the inside says is
 * one half; the other is what the host finds itself: files, connections, processes. A probe whose
 * evidence is incomplete is UNPROVED, which is never shown as a pass. Blocks: turns the loop until
 * the last probe is done.
 */
#ifndef AIRLOCK_TOOL_PROBE_H
#define AIRLOCK_TOOL_PROBE_H

#include "base/loop.h"
#include "providers/sandbox.h"

enum probe_outcome { PROBE_PASS, PROBE_UNPROVED, PROBE_FAIL };
const char *probe_outcome_name(enum probe_outcome o); /* "PASS" … */

/* One attempt: what was tried, what the inside says came of it, what the host saw. Untrusted text:
 * it goes to a terminal through ui/text only. */
struct probe_row {
    char *what, *inside, *host;
    enum probe_outcome outcome;
};

struct probe_report {
    const char *name, *question; /* "filesystem", "can it see or change the host's files?" */
    enum probe_outcome outcome;  /* the worst of the rows; UNPROVED without any */
    char why[256];               /* of what is not a pass: the first such row; "" */
    struct probe_row *rows;
    size_t row_count;
    int64_t took_us;
};

struct probe_config {
    struct loop *loop;
    struct launcher *launcher;
    struct net *net; /* these three as in sandbox_config */
    sandbox_setting_fn setting;
    void *setting_arg;
    const struct sandbox_ops *sandbox;
    const char *image;               /* as in sandbox_config */
    const struct contract *contract; /* lent; some probes tighten a copy */
    const char *only;                /* one probe's name, or NULL for all */
    /* Told as each probe is done; the report is lent for the call. */
    void (*report)(void *arg, const struct probe_report *r);
    void *arg;
};

#define PROBE_COUNT 7
const char *probe_name(size_t i); /* filesystem network process timeout state limits kill */
const char *probe_question(const char *name); /* "" for no probe */
void probe_report_release(struct probe_report *r);

/* 0 when all were run, whatever their outcome; -1 when the loop itself failed or `only` is no
 * probe. */
int probe_run(const struct probe_config *cfg, struct err *e) MUST_CHECK;

#endif
