/* local_death.c - kills one bubblewrap, and proves that nothing of it is left. [SBX-8]
 *
 * The kill rule: once its pid is known, pid 1 of the sandbox is what we kill, by pidfd; the
 * kernel then ends everything in its pid namespace. Killing the outer bwrap alone leaves the
 * sandbox running (40 of 40 tries), so that is done only when pid 1 is dead or was never seen, and
 * then its children go first.
 */
#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "providers/sandboxes/local_proof.h"
#include "providers/sandboxes/local_wall_int.h"

#define KILL_RETRY_US   250000
#define KILL_PATIENCE   40 /* retries, then the death is reported as not confirmed */
#define REMOVE_RETRY_US 2000
#define REMOVE_PATIENCE 500
#define CLOSE_WAIT_US   2000000

/* ---- killing ---- */

void local_strike(struct local_wall *w)
{
    if (w->child_pidfd >= 0 && !w->child_dead)
        (void)proof_pidfd_kill(w->child_pidfd);
    cgroup_kill(w->group);
    if (w->outer_dead || w->tries == 0)
        return;             /* bwrap has a moment to reap its child and go by itself */
    if (w->child_pidfd < 0) /* never told: it goes first; the launcher inherits orphans */
        proof_kill_children(proc_pid(w->outer));
    if (w->child_dead || w->child_pidfd < 0)
        (void)proc_kill(w->outer, SIGKILL);
}

/* The first strike waits for the status document while bwrap is starting: see the kill rule. */
void local_begin_kill(struct local_wall *w)
{
    if (w->phase >= PHASE_KILLING)
        return;
    w->phase = PHASE_KILLING;
    w->tries = 0;
    local_strike(w);
    loop_arm_us(w->loop, w->timer, KILL_RETRY_US);
}

void local_fail(struct local_wall *w, const struct err *why)
{
    if (w->why.code == ERR_NONE && !w->killed)
        w->why = *why;
    local_begin_kill(w);
}

/* ---- the end ---- */

static void report_gone(struct local_wall *w, bool confirmed)
{
    loop_arm_us(w->loop, w->timer, -1);
    w->phase = PHASE_GONE;
    if (w->killed)
        err_clear(&w->why);
    struct wall_event ev = {
        .kind = WALL_GONE, .id = w->id, .confirmed = confirmed, .err = &w->why
    };
    local_emit(w, &ev);
}

/* A bubblewrap that died before it had told its child leaves one that sleeps for ever: nobody is
 * its parent any more, but its session is still bubblewrap's. true: nothing is left. */
static bool clear_away(struct local_wall *w)
{
    bool told = w->child_pidfd >= 0;
    bool none = told || !w->outer_dead || proof_kill_session(proc_pid(w->outer)) == 0;
    return cgroup_remove(w->group) && none;
}

/* pid 1's pidfd becomes readable only after the kernel has ended and reaped its whole namespace;
 * the scan and the empty control group are the independent second and third witness. */
static void remove_rest(struct local_wall *w)
{
    bool gone = clear_away(w);
    if (!gone && ++w->tries < REMOVE_PATIENCE) {
        loop_arm_us(w->loop, w->timer, REMOVE_RETRY_US);
        return;
    }
    int survivors = w->pidns_fd >= 0 ? proof_count_pidns(w->launcher, w->pidns) : 0;
    if (survivors != 0)
        log_msg(LOG_ERROR, "local", "%s: %d processes left in its pid namespace", w->id, survivors);
    report_gone(w, gone && survivors == 0);
}

static void say_why(struct local_wall *w)
{
    if (w->killed || w->why.code != ERR_NONE)
        return;
    if (w->child_pidfd < 0)
        local_explain(w->log_tail, &w->why);
    else if (w->log_len > 0)
        err_set(&w->why, ERR_IO, "the sandbox ended by itself: %s", w->log_tail);
    else
        err_set(&w->why, ERR_IO, "the sandbox ended by itself");
}

int64_t local_read_counter(const struct local_wall *w, enum wall_counter which)
{
    switch (which) {
    case WALL_OOM_KILLS:
        return cgroup_oom_kills(w->group);
    case WALL_PIDS_REFUSED:
        return cgroup_pids_refused(w->group);
    default:
        return cgroup_memory_bytes(w->group);
    }
}

static void finish(struct local_wall *w)
{
    local_drain_log(w); /* nobody can write any more, so what is buffered is all there is */
    local_drain_stream(w);
    proxy_finish(w->proxy);
    say_why(w);
    for (int i = 0; i < WALL_COUNTERS; i++)
        w->last[i] = local_read_counter(w, (enum wall_counter)i);
    w->phase = PHASE_REMOVING;
    w->tries = 0;
    remove_rest(w);
}

/* Called after each change. */
static void advance(struct local_wall *w)
{
    if (w->phase >= PHASE_REMOVING)
        return;
    bool child_gone = w->child_dead || (w->child_pidfd < 0 && w->outer_dead);
    if (child_gone && w->outer_dead)
        finish(w);
    else if (child_gone || w->outer_dead)
        local_begin_kill(w); /* one of the two died: the other must follow */
}

void local_on_timer(void *arg)
{
    struct local_wall *w = arg;
    struct err e = ERR_INIT;
    switch (w->phase) {
    case PHASE_STARTING:
        err_set(&e, ERR_IO, "local sandbox: bubblewrap did not start within %d s: %s",
                LOCAL_START_US / 1000000, w->log_tail);
        local_fail(w, &e);
        break;
    case PHASE_KILLING:
        if (++w->tries > KILL_PATIENCE) {
            report_gone(w, false);
            break;
        }
        local_strike(w);
        loop_arm_us(w->loop, w->timer, KILL_RETRY_US);
        break;
    case PHASE_REMOVING:
        remove_rest(w);
        break;
    case PHASE_UP:
    case PHASE_GONE:
        break;
    }
}

void local_on_child_end(void *arg, int fd, unsigned events)
{
    struct local_wall *w = arg;
    (void)fd, (void)events;
    loop_remove(w->loop, w->on_child);
    w->on_child = NULL;
    w->child_dead = true;
    advance(w);
}

void local_on_outer_end(void *arg, int fd, unsigned events)
{
    struct local_wall *w = arg;
    int status;
    (void)fd, (void)events;
    if (!proc_wait_nohang(w->outer, &status))
        return;
    loop_remove(w->loop, w->on_outer);
    w->on_outer = NULL;
    w->outer_dead = true;
    local_drain_status(w); /* it may have told us its child with its last breath */
    advance(w);
}

/* ---- at the end of the program ---- */

static bool wait_readable(int fd, int64_t until_us)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int64_t left = until_us - clock_mono_us();
    return left > 0 && poll(&p, 1, (int)(left / 1000) + 1) > 0;
}

static void wait_for_outer(struct local_wall *w, int64_t until_us)
{
    while (!w->outer_dead && wait_readable(proc_pidfd(w->outer), until_us)) {
        int status;
        w->outer_dead = proc_wait_nohang(w->outer, &status);
    }
}

/* The same steps as in the loop, waited for: the program may be about to end. */
void local_kill_and_wait(struct local_wall *w)
{
    int64_t until = clock_mono_us() + CLOSE_WAIT_US;
    local_begin_kill(w);
    while (w->child_pidfd < 0 && w->status >= 0 && wait_readable(w->status, until))
        (void)local_take_status(w);
    local_strike(w);
    if (w->child_pidfd >= 0 && !w->child_dead)
        w->child_dead = wait_readable(w->child_pidfd, until);
    if (w->child_dead)
        wait_for_outer(w, clock_mono_us() + KILL_RETRY_US);
    w->tries++;
    local_strike(w);
    wait_for_outer(w, clock_mono_us() + CLOSE_WAIT_US);
    for (int i = 0; i < REMOVE_PATIENCE && !clear_away(w); i++)
        (void)poll(NULL, 0, 2);
}
