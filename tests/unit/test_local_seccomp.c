/* test_local_seccomp.c - the system call filter, loaded for real into a child of this test. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "providers/sandboxes/local_seccomp.h"

struct attempt {
    const char *what;
    long nr, a, b, c, d;
    int wanted; /* errno; 0: must work; -1: anything but EPERM, ENOSYS, EAFNOSUPPORT */
};

static const struct attempt attempts[] = {
    { "getpid", SYS_getpid, 0, 0, 0, 0, 0 },
    { "mount", SYS_mount, 0, 0, 0, 0, EPERM },
    { "umount2", SYS_umount2, 0, 0, 0, 0, EPERM },
    { "pivot_root", SYS_pivot_root, 0, 0, 0, 0, EPERM },
    { "chroot", SYS_chroot, 0, 0, 0, 0, EPERM },
    { "open_tree", SYS_open_tree, 0, 0, 0, 0, EPERM },
    { "move_mount", SYS_move_mount, 0, 0, 0, 0, EPERM },
    { "mount_setattr", SYS_mount_setattr, 0, 0, 0, 0, EPERM },
    { "unshare user", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, EPERM },
    { "unshare nothing", SYS_unshare, 0, 0, 0, 0, EPERM },
    { "setns", SYS_setns, -1, 0, 0, 0, EPERM },
    { "clone new user", SYS_clone, CLONE_NEWUSER, 0, 0, 0, EPERM },
    { "clone new net and more", SYS_clone, CLONE_NEWNET | CLONE_VM | CLONE_FS, 0, 0, 0, EPERM },
    { "clone3", SYS_clone3, 0, 0, 0, 0, ENOSYS },
    { "ptrace", SYS_ptrace, 0, 0, 0, 0, EPERM },
    { "process_vm_readv", SYS_process_vm_readv, 1, 0, 0, 0, EPERM },
    { "pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0, 0, EPERM },
    { "keyctl", SYS_keyctl, 0, 0, 0, 0, EPERM },
    { "add_key", SYS_add_key, 0, 0, 0, 0, EPERM },
    { "bpf", SYS_bpf, 0, 0, 0, 0, EPERM },
    { "perf_event_open", SYS_perf_event_open, 0, 0, 0, 0, EPERM },
    { "userfaultfd", SYS_userfaultfd, 0, 0, 0, 0, EPERM },
    { "io_uring_setup", SYS_io_uring_setup, 0, 0, 0, 0, EPERM },
    { "kexec_load", SYS_kexec_load, 0, 0, 0, 0, EPERM },
    { "init_module", SYS_init_module, 0, 0, 0, 0, EPERM },
    { "reboot", SYS_reboot, 0, 0, 0, 0, EPERM },
    { "syslog", SYS_syslog, 10, 0, 0, 0, EPERM },
    { "clock_settime", SYS_clock_settime, 0, 0, 0, 0, EPERM },
    { "open_by_handle_at", SYS_open_by_handle_at, 0, 0, 0, 0, EPERM },
    { "name_to_handle_at", SYS_name_to_handle_at, 0, 0, 0, 0, EPERM },
    { "fanotify_init", SYS_fanotify_init, 0, 0, 0, 0, EPERM },
    { "personality", SYS_personality, -1, 0, 0, 0, EPERM },
    { "mbind", SYS_mbind, 0, 0, 0, 0, EPERM },
    { "statmount", 457, 0, 0, 0, 0, EPERM },
    { "listmount", 458, 0, 0, 0, 0, EPERM },
    { "open_tree_attr, newer than the list", 467, 0, 0, 0, 0, ENOSYS },
    { "a call of the future", 500, 0, 0, 0, 0, ENOSYS },
    { "socket unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0 },
    { "socket inet", SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0 },
    { "socket inet6", SYS_socket, AF_INET6, SOCK_DGRAM, 0, 0, -1 },
    { "socket netlink route", SYS_socket, AF_NETLINK, SOCK_RAW, 0, 0, 0 },
    { "socket netlink audit", SYS_socket, AF_NETLINK, SOCK_RAW, 9, 0, EPERM },
    { "socket vsock", SYS_socket, AF_VSOCK, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
    { "socket packet", SYS_socket, AF_PACKET, SOCK_RAW, 0, 0, EAFNOSUPPORT },
    { "socket alg", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0, 0, EAFNOSUPPORT },
    { "socket unspec", SYS_socket, AF_UNSPEC, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
    { "socket 15", SYS_socket, 15, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
    { "socket vsock, high bits set", SYS_socket, (1L << 32) | AF_VSOCK, SOCK_STREAM, 0, 0,
      EAFNOSUPPORT },
    { "socketpair vsock", SYS_socketpair, AF_VSOCK, SOCK_STREAM, 0, 0, EAFNOSUPPORT },
    { "ioctl TIOCSTI", SYS_ioctl, 0, TIOCSTI, 0, 0, EPERM },
    { "ioctl TIOCSTI, high bits set", SYS_ioctl, 0, (1L << 32) | TIOCSTI, 0, 0, EPERM },
    { "ioctl TIOCLINUX", SYS_ioctl, 0, 0x541C, 0, 0, EPERM },
    { "ioctl FIONREAD of nothing", SYS_ioctl, -1, FIONREAD, 0, 0, EBADF },
};

static int load_filter(void)
{
    struct buf program = BUF_INIT(64u << 10);
    struct err e = ERR_INIT;
    if (local_seccomp_program(&program, &e) < 0)
        return -1;
    struct sock_fprog prog = { .len = (unsigned short)(program.len / sizeof(struct sock_filter)),
                               .filter = (struct sock_filter *)(void *)program.ptr };
    int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (rc == 0)
        rc = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
    buf_release(&program);
    return rc;
}

static bool is_as_wanted(const struct attempt *a, long rc, int error)
{
    if (a->wanted == 0)
        return rc >= 0;
    if (a->wanted > 0)
        return rc == -1 && error == a->wanted;
    return rc >= 0 || (error != EPERM && error != ENOSYS);
}

/* In the child: writes what was not as wanted to `fd`. */
static void try_all(int fd)
{
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        const struct attempt *a = &attempts[i];
        errno = 0;
        long rc = syscall(a->nr, a->a, a->b, a->c, a->d, 0L, 0L);
        int error = errno;
        if (rc == 0 && a->nr == SYS_clone) /* it worked: this is the new process */
            _exit(0);
        if (!is_as_wanted(a, rc, error))
            dprintf(fd, "%s: %ld, %s\n", a->what, rc, strerror(error));
    }
}

static void in_filtered_child(void (*what)(int fd), char *said, size_t size, int *status)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        if (load_filter() < 0)
            dprintf(ends[1], "the filter does not load: %s\n", strerror(errno));
        else
            what(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t n;
    while (len + 1 < size && (n = read(ends[0], said + len, size - 1 - len)) > 0)
        len += (size_t)n;
    said[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, status, 0), pid);
}

static void every_call_is_answered_as_listed(void **state)
{
    char said[8192];
    int status;
    (void)state;
    in_filtered_child(try_all, said, sizeof said, &status);
    if (said[0] != '\0')
        fail_msg("%s", said);
    assert_true(WIFEXITED(status));
}

static void fork_and_go(int fd)
{
    pid_t pid = fork(); /* clone with no namespace flag */
    if (pid == 0)
        _exit(7);
    int status;
    if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
        dprintf(fd, "fork does not work\n");
}

static void processes_can_still_be_made(void **state)
{
    char said[256];
    int status;
    (void)state;
    in_filtered_child(fork_and_go, said, sizeof said, &status);
    assert_string_equal(said, "");
}

#if defined(__x86_64__)
static void call_as_i386(int fd)
{
    long rc;
    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L /* getpid */) : "memory");
    dprintf(fd, "the 32-bit call came back: %ld\n", rc);
}

static void call_as_x32(int fd)
{
    long rc = syscall(0x40000000L | SYS_getpid);
    dprintf(fd, "the x32 call came back: %ld\n", rc);
}
#endif

static void foreign_architectures_die(void **state)
{
    (void)state;
#if defined(__x86_64__)
    void (*const calls[])(int) = { call_as_i386, call_as_x32 };
    for (size_t i = 0; i < 2; i++) {
        char said[256];
        int status;
        in_filtered_child(calls[i], said, sizeof said, &status);
        assert_string_equal(said, "");
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
#else
    fprintf(stderr, "SKIP: foreign calls are tried on x86-64 only\n");
    skip();
#endif
}

static void is_the_same_each_time(void **state)
{
    struct buf a = BUF_INIT(64u << 10), b = BUF_INIT(64u << 10);
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(local_seccomp_program(&a, &e), 0);
    assert_int_equal(local_seccomp_program(&b, &e), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
    assert_int_equal(a.len % sizeof(struct sock_filter), 0);
    buf_release(&a);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_answered_as_listed),
        cmocka_unit_test(processes_can_still_be_made),
        cmocka_unit_test(foreign_architectures_die),
        cmocka_unit_test(is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
