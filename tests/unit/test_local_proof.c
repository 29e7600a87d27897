/* test_local_proof.c - what a bubblewrap leaves asleep that was killed while it started: found by
 * its session, or by the next Airlock; and nothing else is taken for it. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/buf.h"
#include "providers/sandboxes/local_proof.h"
#include "providers/sandboxes/local_start.h"

#define PATIENCE 20000 /* ms; only how long a hopeless wait takes */

static struct launcher *launcher;
static int sleepers[8]; /* pidfds of what must not outlive the test, should it fail */
static size_t sleeper_count;

static int setup(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    /* What loses its parent here becomes ours: the test must not leave it behind. */
    return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || launcher_start(&launcher, &e) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < sleeper_count; i++)
        (void)proof_pidfd_kill(sleepers[i]);
    launcher_stop(launcher);
    return 0;
}

static bool has_ended(int pidfd, int timeout_ms)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    return poll(&p, 1, timeout_ms) > 0;
}

/* ---- sessions */

/* A session of two: the leader, and a member whose pid comes back. */
static pid_t make_session(pid_t *member)
{
    int p[2];
    assert_int_equal(pipe(p), 0);
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        pid_t pid = fork();
        alarm(PATIENCE / 1000); /* should the test fail, they go by themselves */
        if (pid > 0 && write(p[1], &pid, sizeof pid) != sizeof pid)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(p[0], member, sizeof *member), sizeof *member);
    close(p[0]);
    close(p[1]);
    return leader;
}

static void a_session_without_its_leader_is_killed(void **state)
{
    (void)state;
    pid_t member, other_member;
    pid_t leader = make_session(&member), other = make_session(&other_member);
    int pidfd = proof_pidfd_open(member), other_pidfd = proof_pidfd_open(other_member);
    assert_int_equal(proof_kill_session(leader), 0); /* it lives */
    assert_false(has_ended(pidfd, 0));
    kill(leader, SIGKILL);
    siginfo_t ended; /* a dead leader that nobody asked for yet counts as dead */
    assert_int_equal(waitid(P_PID, (id_t)leader, &ended, WEXITED | WNOWAIT), 0);
    assert_int_equal(proof_kill_session(leader), 1);
    assert_true(has_ended(pidfd, PATIENCE));
    assert_int_equal(waitpid(leader, NULL, 0), leader);
    assert_int_equal(waitpid(member, NULL, 0), member);
    assert_int_equal(proof_kill_session(leader), 0);
    assert_false(has_ended(other_pidfd, 0));
    kill(other, SIGKILL);
    assert_int_equal(waitpid(other, NULL, 0), other);
    assert_int_equal(proof_kill_session(other), 1);
    assert_int_equal(waitpid(other_member, NULL, 0), other_member);
    close(pidfd);
    close(other_pidfd);
}

/* ---- a real bubblewrap, stopped where ours is when its parent dies */

struct asleep {
    pid_t outer, child;
    int pidfd, held, status;
};

/* It waits for its uid map, for ever: `held` is the end that would let it go on. */
static void start_bwrap(const char *bwrap, const char *guest, int args, int block, int status)
{
    char *argv[] = { (char *)(uintptr_t)bwrap, (char *)(uintptr_t) "--args",
                     (char *)(uintptr_t) "3",  (char *)(uintptr_t) "--",
                     (char *)(uintptr_t)guest, NULL };
    setsid();
    if (dup2(args, 23) < 0 || dup2(block, 24) < 0 || dup2(status, 25) < 0 || dup2(23, 3) < 0 ||
        dup2(24, 4) < 0 || dup2(25, 5) < 0)
        _exit(1);
    close_range(6, ~0u, 0);
    execv(bwrap, argv);
    _exit(1);
}

/* false: bubblewrap can't make a sandbox here. */
static bool fall_asleep(struct asleep *a, const char *guest)
{
    static const char list[] = "--unshare-user\0--unshare-pid\0--ro-bind\0/\0/\0"
                               "--userns-block-fd\0004\0--info-fd\0005";
    struct err e = ERR_INIT;
    const char *bwrap = local_bwrap_path(&e);
    int args = memfd_create("args", 0), block[2], status[2];
    char text[256];
    if (bwrap == NULL)
        return false;
    assert_int_equal(write(args, list, sizeof list), sizeof list);
    assert_int_equal(lseek(args, 0, SEEK_SET), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, block), 0);
    assert_int_equal(pipe2(status, O_CLOEXEC), 0);
    a->outer = fork();
    if (a->outer == 0)
        start_bwrap(bwrap, guest, args, block[1], status[1]);
    close(args);
    close(block[1]);
    close(status[1]);
    a->held = block[0];
    ssize_t n = read(status[0], text, sizeof text - 1); /* {"child-pid": N … */
    a->status = status[0];                              /* it says more, and must not die of that */
    text[n > 0 ? n : 0] = '\0';
    const char *number = strchr(text, ':');
    a->child = number != NULL ? (pid_t)strtol(number + 1, NULL, 10) : 0;
    a->pidfd = a->child > 0 ? proof_pidfd_open(a->child) : -1;
    if (a->pidfd >= 0)
        sleepers[sleeper_count++] = dup(a->pidfd);
    return a->pidfd >= 0;
}

static void kill_outer(struct asleep *a)
{
    kill(a->outer, SIGKILL);
    assert_int_equal(waitpid(a->outer, NULL, 0), a->outer);
}

static void bury(struct asleep *a)
{
    (void)proof_pidfd_kill(a->pidfd);
    assert_int_equal(waitpid(a->child, NULL, 0), a->child);
    close(a->pidfd);
    close(a->held);
    close(a->status);
}

static void what_sleeps_is_swept(void **state)
{
    (void)state;
    char mine[64], other[64];
    struct asleep left = { 0 }, alive = { 0 }, foreign = { 0 };
    snprintf(mine, sizeof mine, "/sbx/guest-%d", (int)getpid());
    snprintf(other, sizeof other, "/sbx/other-%d", (int)getpid());
    if (!fall_asleep(&left, mine)) {
        fprintf(stderr, "SKIP: no bubblewrap that works here\n");
        skip();
    }
    assert_true(fall_asleep(&alive, mine)); /* still starting: its parent lives */
    assert_true(fall_asleep(&foreign, other));
    kill_outer(&left);
    kill_outer(&foreign);
    assert_false(has_ended(left.pidfd, 50)); /* that is the matter: it does not end by itself */
    proof_sweep(launcher, mine);
    assert_true(has_ended(left.pidfd, PATIENCE));
    bury(&left);
    assert_false(has_ended(alive.pidfd, 0));
    assert_false(has_ended(foreign.pidfd, 0));
    assert_int_equal(proof_kill_session(foreign.outer), 1);
    assert_true(has_ended(foreign.pidfd, PATIENCE));
    bury(&foreign);
    kill_outer(&alive);
    bury(&alive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_without_its_leader_is_killed),
        cmocka_unit_test(what_sleeps_is_swept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
