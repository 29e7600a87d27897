/* limits.c - what ends code before its own end: its time, its memory, an interrupt. */
#include "guest.h"

#include <signal.h>
#include <stdio.h>

#define START_US  20000000 /* for an interpreter to say it is ready */
#define GRACE_US  300000   /* between SIGINT and SIGKILL at a timeout */
#define INSIST_US 800000   /* a second interrupt after this kills */
#define WATCH_US  200000   /* memory is looked at so often during a run … */
#define REST_US   500000   /* … and between runs */
#define NUDGE_US  60000

static int64_t watch_us, nudge_us;
static unsigned strikes; /* over the limit between runs, so many looks in a row */

void limits_starting(void)
{
    run.deadline_us = run.begin_us + START_US;
}

void limits_begin(void)
{
    run.deadline_us = run.begin_us + run.timeout_ms * 1000;
    watch_us = setup.watch > 0 ? run.begin_us + WATCH_US : 0;
    nudge_us = 0;
}

/* ---- interrupts */

/* Node is asked by a message first: it can lose a signal that comes as a script ends. One whose
 * loop does not turn then gets the signal. Bash can lose one between two commands: it gets a
 * second. Python notes one and may then go to sleep before it acts on it: any other signal wakes
 * it, and a second interrupt could hit the code's own way out. */
static void stop_code(int64_t now)
{
    struct bytes ask = { 0 };
    nudge_us = now + NUDGE_US;
    if (run.in->language != LANG_JAVASCRIPT) {
        interp_kill(run.in, SIGINT);
        return;
    }
    bytes_addf(&ask, "{\"t\":\"interrupt\",\"run\":%u}\n", run.id);
    interp_send(run.in, &ask, -1);
    bytes_free(&ask);
}

static void nudge(int64_t now)
{
    if (nudge_us == 0 || now < nudge_us)
        return;
    bool on = run.state == RUN_ON;
    nudge_us = on && run.in->language != LANG_BASH ? now + NUDGE_US : 0;
    if (on)
        interp_kill(run.in, run.in->language == LANG_PYTHON ? SIGURG : SIGINT);
}

void limits_interrupt(uint32_t id)
{
    int64_t now = now_us();
    if (id != run.id || run.state == RUN_NONE || run.state == RUN_RESUMING)
        return;
    if (run.state == RUN_STARTING) {
        run.why = WHY_INTERRUPT;
        run_abandon();
    } else if (run.state == RUN_CHECKING) {
        interp_kill(&interps[LANG_PYTHON], SIGINT);
    } else if (run.why == WHY_NONE) {
        run.why = WHY_INTERRUPT;
        run.asked_us = now;
        stop_code(now);
    } else if (run.state == RUN_ON && run.why == WHY_INTERRUPT && now - run.asked_us > INSIST_US) {
        interp_kill(run.in, SIGKILL);
    }
}

/* ---- memory */

/* Between runs what an earlier one left behind may grow: it goes first, then the interpreters. What
 * is left then are files, which nobody is left to add to. */
static void end_hogs(void)
{
    if (++strikes == 1)
        procs_sweep(1000000); /* all, since the machine was up for a second */
    if (strikes != 2)
        return;
    guest_log("guest: out of memory between runs");
    frozen_drop_after(0);
    for (int i = 0; i < LANG_COUNT; i++)
        interp_kill(&interps[i], SIGKILL);
    procs_drop_segments();
}

static void watch_memory(int64_t now)
{
    if (watch_us == 0 || now < watch_us || (run.state != RUN_ON && run.state != RUN_NONE))
        return;
    watch_us = now + (run.state == RUN_ON ? WATCH_US : REST_US);
    if (procs_memory(setup.watch) <= setup.watch) {
        strikes = 0;
    } else if (run.state == RUN_NONE) {
        end_hogs();
    } else {
        run.why = WHY_MEMORY;
        interp_kill(run.in, SIGKILL);
    }
}

/* ---- time */

static void out_of_time(int64_t now)
{
    struct interp *py = &interps[LANG_PYTHON];
    if (run.state == RUN_STARTING) {
        interp_kill(run.in, SIGKILL);
        snprintf(run.in->why, sizeof run.in->why, "%s was not ready in time", run.in->path);
        run.deadline_us = now + START_US;
    } else if (run.state == RUN_ON && run.kill_us == 0) {
        run.why = WHY_TIMEOUT;
        run.kill_us = run.deadline_us = now + GRACE_US;
        stop_code(now);
    } else if (run.state == RUN_ON) {
        interp_kill(run.in, SIGKILL);
        run.deadline_us = now + GRACE_US;
    } else if (run.state == RUN_CHECKING) {
        run.why = WHY_TIMEOUT;
        interp_kill(py, run.kill_us == 0 ? SIGINT : SIGKILL);
        run.kill_us = run.deadline_us = now + GRACE_US;
    } else {
        run.deadline_us = 0; /* draining is bounded by what is in the pipes */
    }
}

int64_t limits_deadline_us(void)
{
    int64_t at = run.state == RUN_NONE || run.state == RUN_RESUMING ? 0 : run.deadline_us;
    if ((run.state == RUN_ON || run.state == RUN_NONE) && watch_us != 0 &&
        (at == 0 || watch_us < at))
        at = watch_us;
    if (nudge_us != 0 && (at == 0 || nudge_us < at))
        at = nudge_us;
    for (int i = 0; i < LANG_COUNT; i++) {
        if (interps[i].vars_run != 0 && (at == 0 || interps[i].vars_until_us < at))
            at = interps[i].vars_until_us;
    }
    return at;
}

void limits_tick(int64_t now)
{
    if (run.state != RUN_NONE && run.state != RUN_RESUMING && run.deadline_us != 0 &&
        now >= run.deadline_us)
        out_of_time(now);
    watch_memory(now);
    nudge(now);
    for (int i = 0; i < LANG_COUNT; i++) {
        struct interp *in = &interps[i];
        if (in->vars_run == 0 || now < in->vars_until_us)
            continue;
        state_unknown(in->vars_run);
        in->vars_run = 0;
    }
}
