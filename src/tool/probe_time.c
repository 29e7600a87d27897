/* probe_time.c - code that does not end, in four ways; and sandboxes killed while they are born. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tool/probe_int.h"

#define LIMIT_S    1
#define SLACK_US   INT64_C(3000000) /* beyond the limit: TERM's grace, a checkpoint resumed */
#define PATIENCE   INT64_C(6000000) /* then nobody enforces it */
#define SWEEP_US   INT64_C(1000000) /* how long an ended process may still be seen */
#define CELL_US    INT64_C(30000000)
#define BIRTHS     6
#define BIRTH_STEP 4000

static size_t survivors(struct probe *p)
{
    char name[48];
    int64_t end = clock_boot_us() + SWEEP_US;
    size_t left;
    snprintf(name, sizeof name, "probe-%s", p->nonce);
    while ((left = probe_find_processes(name, NULL, 0)) > 0 && clock_boot_us() < end)
        probe_wait(p, 50000);
    return left;
}

/* Is `kept` what the end of the run before said it would be? */
static void judge_state(struct probe_box *b, const char *how, const struct probe_box *ended,
                        bool stateful)
{
    char what[64];
    bool lost = ended->state_lost && ended->resumed_from == 0;
    const char *said = lost ? "said to be lost" : stateful ? "said to be kept" : "never kept";
    snprintf(what, sizeof what, "variables after %s", how);
    if (probe_box_run(b, "print(kept)", "", CELL_US) < 0) {
        probe_add(b->p, PROBE_FAIL, what, b->message, "the next run did not end");
        return;
    }
    bool there = strcmp(buf_str(&b->out), "17\n") == 0;
    probe_add(b->p, there == (stateful && !lost) ? PROBE_PASS : PROBE_FAIL, what,
              there ? "there" : "not there", "%s", said);
}

/* False when nobody ended it: then the other ways need not be tried. */
static bool try_one(struct probe *p, const struct contract *c, const char *how)
{
    struct probe_box b;
    char question[96], what[64];
    bool stateful =
        (p->cfg->sandbox->caps & SANDBOX_IS_STATEFUL) != 0 && c->lifecycle == LIFECYCLE_SESSION;
    snprintf(question, sizeof question, "{\"nonce\":\"%s\",\"how\":\"%s\"}", p->nonce, how);
    snprintf(what, sizeof what, "end a %s", how);
    if (probe_box_open(&b, p, c) < 0)
        return false;
    bool ended = probe_box_run(&b, "kept = 17", "", CELL_US) == 0 &&
                 probe_box_run(&b, probe_script("timeout"), question, PATIENCE) == 0;
    bool begun = strstr(buf_str(&b.out), "begun") != NULL;
    bool in_time = b.took_us <= LIMIT_S * INT64_C(1000000) + SLACK_US;
    if (!ended)
        probe_add(p, PROBE_FAIL, what, b.message, "it went on after its time");
    else if (!begun)
        probe_add(p, PROBE_UNPROVED, what, b.error_name, "it did not begin");
    else
        probe_add(p, b.end == END_TIMEOUT && in_time ? PROBE_PASS : PROBE_FAIL, what,
                  run_end_name(b.end), "after %.2f s of %d s", (double)b.took_us / 1e6, LIMIT_S);
    size_t left = survivors(p);
    snprintf(what, sizeof what, "what a %s started", how);
    probe_add(p, left == 0 ? PROBE_PASS : PROBE_FAIL, what, "", "%zu left", left);
    if (ended && begun && c->lifecycle == LIFECYCLE_SESSION) {
        struct probe_box said = b;
        judge_state(&b, how, &said, stateful);
    }
    probe_box_close(&b);
    return ended;
}

void probe_timeout(struct probe *p)
{
    static const char *const ways[] = { "loop", "stubborn", "daemon", "storm" };
    struct contract c = *p->cfg->contract;
    c.timeout_s = LIMIT_S;
    for (size_t i = 0; i < ARRAY_LEN(ways) && try_one(p, &c, ways[i]); i++) {
    }
}

void probe_kill(struct probe *p)
{
    uint64_t since = probe_ticks_now();
    for (int i = 0; i < BIRTHS; i++) {
        struct probe_box b;
        char what[64];
        if (probe_box_begin(&b, p, p->cfg->contract) < 0)
            return;
        probe_wait(p, i * BIRTH_STEP);
        snprintf(what, sizeof what, "kill %d ms after its creation began", i * BIRTH_STEP / 1000);
        bool confirmed = probe_box_kill(&b);
        probe_box_close(&b);
        int64_t end = clock_boot_us() + SWEEP_US;
        size_t left;
        while ((left = probe_count_strays(since)) > 0 && clock_boot_us() < end)
            probe_wait(p, 50000);
        probe_add(p,
                  !confirmed  ? PROBE_UNPROVED
                  : left == 0 ? PROBE_PASS
                              : PROBE_FAIL,
                  what, confirmed ? "confirmed" : "not confirmed", "%zu processes left", left);
    }
}
