/* jail.c - fork, descriptors, limits, filter: then the child's own function. */
#include "base/jail.h"

#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

static void limit(int what, rlim_t n)
{
    struct rlimit r = { n, n };
    (void)setrlimit((__rlimit_resource_t)what, &r);
}

static bool lock_down(void)
{
    static const int allowed[] = { SCMP_SYS(read),         SCMP_SYS(write),  SCMP_SYS(mmap),
                                   SCMP_SYS(munmap),       SCMP_SYS(mremap), SCMP_SYS(brk),
                                   SCMP_SYS(madvise),      SCMP_SYS(exit),   SCMP_SYS(exit_group),
                                   SCMP_SYS(rt_sigreturn), SCMP_SYS(futex) };
    static const int sanitizer[] = { SCMP_SYS(sigaltstack), SCMP_SYS(mprotect),
                                     SCMP_SYS(sched_yield), SCMP_SYS(gettid) };
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!ctx)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0) < 0)
            return false;
    for (size_t i = 0; i < ARRAY_LEN(sanitizer) && UNDER_ASAN; i++)
        if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, sanitizer[i], 0) < 0)
            return false;
    return seccomp_load(ctx) == 0;
}

static bool keep_two(int in, int out)
{
    in = fcntl(in, F_DUPFD, 10);
    out = fcntl(out, F_DUPFD, 10);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
        return false;
    return close_range(2, ~0u, 0) == 0;
}

static NORETURN void child_main(const struct jail *j)
{
    struct itimerval alarm = { .it_value = { .tv_sec = j->wall_s } };
    sigset_t none;
    sigemptyset(&none);
    signal(SIGALRM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_DUMPABLE, 0);
    if (!keep_two(j->in, j->out))
        _exit(JAIL_NO_WALL);
    (void)setitimer(ITIMER_REAL, &alarm, NULL);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, j->cpu_s);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0);
    if (!UNDER_ASAN)
        limit(RLIMIT_AS, j->memory_bytes);
    if (!lock_down())
        _exit(JAIL_NO_WALL);
    _exit(j->main(j->arg));
}

int jail_start(pid_t *pid, const struct jail *j, struct err *e)
{
    *pid = fork();
    if (*pid == 0)
        child_main(j);
    return *pid < 0 ? err_sys(e, ERR_IO, "making a process") : 0;
}
