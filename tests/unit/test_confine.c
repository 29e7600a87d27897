/* test_confine.c - what a confined process can no longer do, each tried in a child. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/confine.h"
#include <string.h>

static long try_fork(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
static long try_fork_of_libc(void)
{
    return fork();
}
static long try_exec(void)
{
    char *argv[] = { (char *)(uintptr_t) "/bin/true", NULL };
    return execv(argv[0], argv);
}
static long try_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}
static long try_inet(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}
static long try_pair(void)
{
    int fds[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}
static long try_connect(void)
{
    struct sockaddr a = { .sa_family = AF_UNIX };
    return connect(0, &a, sizeof a);
}
static long try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static long try_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}
static long try_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}
static long try_tty(void)
{
    return ioctl(0, TIOCSTI, "x");
}
/* The high half of the request is not looked at by the kernel. */
static long try_tty_high(void)
{
    return syscall(SYS_ioctl, 0, 0x100000000ul | TIOCSTI, "x");
}

static const struct {
    const char *name;
    long (*call)(void);
} refused[] = {
    { "clone", try_fork },         { "fork", try_fork_of_libc }, { "execve", try_exec },
    { "socket unix", try_socket }, { "socket inet", try_inet },  { "socketpair", try_pair },
    { "connect", try_connect },    { "ptrace", try_ptrace },     { "unshare", try_unshare },
    { "io_uring", try_uring },     { "TIOCSTI", try_tty },       { "TIOCSTI high", try_tty_high },
};

/* 0: all as it should be; else the number of the case, or 100. */
static int child(void)
{
    struct err e = ERR_INIT;
    if (confine_to_reading(&e) < 0)
        return 100;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        errno = 0;
        if (refused[i].call() != -1 || errno != EPERM)
            return (int)i + 1;
    }
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char byte;
    struct timespec now, none = { 0, 1 };
    if (fd < 0 || read(fd, &byte, 1) != 1 || close(fd) < 0 ||
        clock_gettime(CLOCK_BOOTTIME, &now) < 0)
        return 101;
    if (nanosleep(&none, NULL) < 0 || confine_to_reading(&e) < 0)
        return 102;
    return 0;
}

/* What a process that supervises gives up, asked for something that can't be: only the filter says
 * EPERM to all of it. */
#define CALL(name)                                                                                 \
    {                                                                                              \
#name, SYS_##name                                                                          \
    }
static const struct {
    const char *name;
    long number;
} given_up[] = {
    CALL(execveat),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(kcmp),
    CALL(pidfd_getfd),
    CALL(tkill),
    CALL(rt_sigqueueinfo),
    CALL(rt_tgsigqueueinfo),
    CALL(io_uring_enter),
    CALL(io_uring_register),
    CALL(mount),
    CALL(umount2),
    CALL(pivot_root),
    CALL(chroot),
    CALL(move_mount),
    CALL(open_tree),
    CALL(fsopen),
    CALL(mount_setattr),
    CALL(setns),
    CALL(setuid),
    CALL(setgid),
    CALL(setresuid),
    CALL(setresgid),
    CALL(setgroups),
    CALL(capset),
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    CALL(init_module),
    CALL(finit_module),
    CALL(open_by_handle_at),
    CALL(personality),
#ifndef __SANITIZE_ADDRESS__ /* of the leak checker */
    CALL(ptrace),
#endif
};

static bool is_refused(size_t i)
{
    return syscall(given_up[i].number, -1L, -1L, -1L, -1L, -1L, -1L) == -1 && errno == EPERM;
}

/* 0: all as it should be; else a number of the step. */
static int supervising_child(void)
{
    static const char *const names[] = { "execve", "unshare", "io_uring", "TIOCSTI",
                                         "TIOCSTI high" };
    struct err e = ERR_INIT;
    int status;
    size_t refused_before = 0;
    for (size_t i = 0; i < ARRAY_LEN(given_up); i++)
        refused_before += is_refused(i);
    if (refused_before == ARRAY_LEN(given_up) || confine_to_supervising(&e) < 0)
        return 100;
    for (size_t k = 0; k < ARRAY_LEN(names); k++)
        for (size_t i = 0; i < ARRAY_LEN(refused); i++)
            if (strcmp(refused[i].name, names[k]) == 0 &&
                (refused[i].call() != -1 || errno != EPERM))
                return (int)i + 1;
    for (size_t i = 0; i < ARRAY_LEN(given_up); i++)
        if (!is_refused(i))
            return 20 + (int)i;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    if (fd < 0 || pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
        return 101;
    return 0;
}

static void a_supervising_process_starts_nothing(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(supervising_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_confined_process_only_reads(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        int n = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        fail_msg("case %d (%s)", n,
                 n >= 1 && n <= (int)ARRAY_LEN(refused) ? refused[n - 1].name : "-");
    }
}

/* 0: all as it should be; else a number of the step. */
static int network_child(void)
{
    static const char *const refused_names[] = { "execve",   "ptrace",  "unshare",
                                                 "io_uring", "TIOCSTI", "TIOCSTI high" };
    struct err e = ERR_INIT;
    int status, version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (confine_to_network(&e) < 0)
        return 100;
    for (size_t k = 0; k < ARRAY_LEN(refused_names); k++)
        for (size_t i = 0; i < ARRAY_LEN(refused); i++)
            if (strcmp(refused[i].name, refused_names[k]) == 0 &&
                (refused[i].call() != -1 || errno != EPERM))
                return (int)i + 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    if (fd < 0 || pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3)
        return 101;
    if (open("/etc/hosts", O_RDONLY | O_CLOEXEC) < 0)
        return 102;
    if (version > 0 &&
        (open("/tmp", O_RDONLY | O_CLOEXEC) >= 0 || open("/etc/hosts", O_WRONLY | O_CLOEXEC) >= 0 ||
         open("/proc/self/environ", O_RDONLY | O_CLOEXEC) >= 0))
        return 103;
    return 0;
}

static void a_process_with_a_network_has_little_else(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(network_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confined_process_only_reads),
        cmocka_unit_test(a_supervising_process_starts_nothing),
        cmocka_unit_test(a_process_with_a_network_has_little_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
