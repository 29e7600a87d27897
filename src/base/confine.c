/* confine.c - the system calls a reader of records gives up. */
#include "base/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/ioctl.h>

#include "base/buf.h"

/* By name: the library knows each architecture's numbers, and leaves out what one does not have. */
static const char *const given_up[] = {
    /* processes and threads */
    "fork", "vfork", "clone", "execve", "execveat",
    /* sockets, made or used */
    "socket", "socketpair", "socketcall", "connect", "bind", "listen", "accept", "accept4",
    "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
    /* other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_open", "pidfd_getfd",
    "pidfd_send_signal", "process_madvise", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    /* calls by another way than a system call */
    "io_uring_setup", "io_uring_enter", "io_uring_register",
    /* mounts, roots, namespaces, credentials */
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsmount", "fsconfig", "fspick", "mount_setattr", "unshare", "setns", "setuid", "setgid",
    "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset",
    /* the kernel and the machine */
    "keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd", "kexec_load",
    "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon",
    "swapoff", "acct", "syslog", "quotactl", "open_by_handle_at", "fanotify_init", "clock_settime",
    "settimeofday", "adjtimex", "clock_adjtime", "iopl", "ioperm", "personality"
};

static int add_calls(scmp_filter_ctx ctx)
{
    for (size_t i = 0; i < ARRAY_LEN(given_up); i++) {
        int nr = seccomp_syscall_resolve_name(given_up[i]);
        int rc = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
        if (rc < 0 && rc != -EDOM)
            return rc;
    }
    /* glibc then falls back to clone. */
    return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* The kernel reads the request as 32 bits; so must the comparison. */
static int add_terminal(scmp_filter_ctx ctx)
{
    static const uint64_t requests[] = { TIOCSTI, 0x541C /* TIOCLINUX */ };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(requests); i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                              SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT64_C(0xffffffff), requests[i]));
    return rc;
}

#ifdef __SANITIZE_ADDRESS__
/* The leak checker looks from a traced clone of the process, which is what was given up. */
static bool is_confined;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return is_confined;
}
#endif

int confine_to_reading(struct err *e)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = ctx != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = add_calls(ctx);
    if (rc == 0)
        rc = add_terminal(ctx);
    if (rc == 0)
        rc = seccomp_load(ctx); /* sets no_new_privs as well */
    seccomp_release(ctx);
    if (rc < 0) {
        errno = -rc;
        return err_sys(e, ERR_IO, "the filter over this process");
    }
#ifdef __SANITIZE_ADDRESS__
    is_confined = true;
#endif
    return 0;
}
