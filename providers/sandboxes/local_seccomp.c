/* local_seccomp.c - builds the system call filter with libseccomp. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "providers/sandboxes/local_seccomp.h"

#define LIBRARY_ROOM     ((size_t)96 << 10)
#define FILTER_BYTES_MAX (4096 * 8) /* the kernel takes at most 4096 instructions */

/* Calls that change the system, reach into other processes, or are a large kernel surface which
 * nobody computing something needs. By name: libseccomp turns it into each architecture's number,
 * and names it does not know are found below by number. */
static const char *const refused[] = {
    /* mounts and roots */
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen",
    "fsmount", "fsconfig", "fspick", "mount_setattr",
    /* namespaces */
    "unshare", "setns",
    /* other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
    "move_pages", "migrate_pages",
    /* keys, kernel programs, kernel memory */
    "keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "lookup_dcookie", "memfd_secret",
    /* machine */
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "get_kernel_syms", "query_module", "reboot", "swapon", "swapoff", "quotactl",
    "quotactl_fd", "acct", "syslog", "vhangup", "nfsservctl", "uselib", "_sysctl", "sysfs", "ustat",
    /* clocks */
    "clock_settime", "clock_adjtime", "settimeofday", "adjtimex", "stime",
    /* files by handle, watching whole mounts */
    "open_by_handle_at", "name_to_handle_at", "fanotify_init", "fanotify_mark",
    /* processor state */
    "iopl", "ioperm", "modify_ldt", "vm86", "vm86old", "personality",
    /* NUMA */
    "mbind", "set_mempolicy", "get_mempolicy", "set_mempolicy_home_node"
};

/* Newer than the library on Debian 12; from 424 on the numbers are the same everywhere. */
static const int refused_numbers[] = { 457 /* statmount */, 458 /* listmount */,
                                       459 /* lsm_get_self_attr */, 460 /* lsm_set_self_attr */,
                                       461 /* lsm_list_modules */ };
enum { FIRST_UNKNOWN = 463, LAST_UNKNOWN = 511 };

#if defined(__s390__) || defined(__CRIS__)
enum { CLONE_FLAGS_ARG = 1 };
#else
enum { CLONE_FLAGS_ARG = 0 };
#endif

static int add_refused(scmp_filter_ctx ctx)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        int nr = seccomp_syscall_resolve_name(refused[i]);
        if (nr == __NR_SCMP_ERROR)
            continue; /* no such call on this architecture */
        int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
        if (rc < 0 && rc != -EDOM)
            return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(refused_numbers); i++) {
        int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused_numbers[i], 0);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ENOSYS is what an older kernel says: every C library has a way around it. clone3's flags lie in
 * memory where a filter can't see them; glibc falls back to clone, whose flags it can. */
static int add_unknown(scmp_filter_ctx ctx)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (int nr = FIRST_UNKNOWN; rc == 0 && nr <= LAST_UNKNOWN; nr++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
    return rc;
}

static int add_clone(scmp_filter_ctx ctx)
{
    static const uint64_t flags[] = { CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        int rc =
            seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                             SCMP_CMP(CLONE_FLAGS_ARG, SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The kernel reads the request as 32 bits; so must the comparison. */
static int add_ioctl(scmp_filter_ctx ctx)
{
    static const uint64_t requests[] = { TIOCSTI, 0x541C /* TIOCLINUX */ };
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        int rc =
            seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                             SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT64_C(0xffffffff), requests[i]));
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Of another process: the guest has the uid of the code, and would be left without descriptors. */
static int add_limits(scmp_filter_ctx ctx)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 2,
                            SCMP_CMP(0, SCMP_CMP_NE, 0, 0), SCMP_CMP(2, SCMP_CMP_NE, 0, 0));
}

/* One rule can't name an argument twice, so "none of these" is written as the gaps between them.
 * Set high bits make the number larger than AF_NETLINK: refused too. */
static int add_socket(scmp_filter_ctx ctx, int call)
{
    int rc = 0;
    for (int family = 0; rc == 0 && family < AF_NETLINK; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
                                  SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)family, 0));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
                              SCMP_CMP(0, SCMP_CMP_GT, AF_NETLINK, 0));
    if (rc == 0) /* of netlink only NETLINK_ROUTE (0), which getaddrinfo needs */
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), call, 2,
                              SCMP_CMP(0, SCMP_CMP_EQ, AF_NETLINK, 0),
                              SCMP_CMP(2, SCMP_CMP_NE, 0, 0));
    return rc;
}

static int add_rules(scmp_filter_ctx ctx)
{
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = add_refused(ctx);
    if (rc == 0)
        rc = add_unknown(ctx);
    if (rc == 0)
        rc = add_clone(ctx);
    if (rc == 0)
        rc = add_ioctl(ctx);
    if (rc == 0)
        rc = add_limits(ctx);
    if (rc == 0)
        rc = add_socket(ctx, SCMP_SYS(socket));
    if (rc == 0)
        rc = add_socket(ctx, SCMP_SYS(socketpair));
    return rc;
}

/* The library only writes to a descriptor. */
static int export_program(scmp_filter_ctx ctx, struct buf *out, struct err *e)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return err_sys(e, ERR_IO, "system call filter: memfd");
    int rc = seccomp_export_bpf(ctx, fd);
    off_t size = rc == 0 ? lseek(fd, 0, SEEK_END) : -1;
    char *room = size > 0 ? buf_reserve(out, (size_t)size) : NULL;
    if (room == NULL || pread(fd, room, (size_t)size, 0) != size)
        rc = err_set(e, ERR_MISSING, "system call filter: libseccomp could not write it");
    else
        buf_grew(out, (size_t)size);
    close(fd);
    return rc;
}

static int build(struct buf *out, struct err *e)
{
    xneed(LIBRARY_ROOM); /* libseccomp 2.5.4 turns for ever when an allocation of its own fails */
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (ctx == NULL)
        return err_set(e, ERR_MISSING, "system call filter: libseccomp does not start");
    int rc = add_rules(ctx);
    if (rc < 0) {
        errno = -rc;
        rc = err_sys(e, ERR_MISSING, "system call filter: libseccomp refuses a rule");
    } else {
        rc = export_program(ctx, out, e);
    }
    seccomp_release(ctx);
    return rc;
}

int local_seccomp_program(struct buf *out, struct err *e)
{
    static struct buf cache = BUF_INIT(FILTER_BYTES_MAX);
    if (cache.len == 0 && build(&cache, e) < 0) {
        buf_reset(&cache);
        return -1;
    }
    if (buf_add(out, cache.ptr, cache.len) < 0)
        return err_set(e, ERR_LIMIT, "system call filter: %zu bytes are too many", cache.len);
    return 0;
}
