/* confine.c - what a reader of records gives up, what a process does that only has a network, and
 * what the one does that a person looks at. */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"

/* By name: the library knows each architecture's numbers, and leaves out what one does not have. */
static const char *const of_a_reader[] = {
    /* processes and threads */
    "fork", "vfork", "clone",
    /* sockets, made or used */
    "socket", "socketpair", "socketcall", "connect", "bind", "listen", "accept", "accept4",
    "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"
};

static const char *const of_everybody[] = {
    /* programs */
    "execve", "execveat",
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

enum confined { READER, NETWORKER, SUPERVISOR };

/* It asks the launcher's children to end. */
static bool supervisor_needs(const char *name)
{
    static const char *const needed[] = {
        "pidfd_open", "pidfd_send_signal",
#ifdef __SANITIZE_ADDRESS__
        "ptrace", /* of the leak checker, in a clone of the process */
#endif
    };
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        if (strcmp(needed[i], name) == 0)
            return true;
    }
    return false;
}

static int add_names(scmp_filter_ctx ctx, const char *const *names, size_t count, enum confined who)
{
    for (size_t i = 0; i < count; i++) {
        if (who == SUPERVISOR && supervisor_needs(names[i]))
            continue;
        int nr = seccomp_syscall_resolve_name(names[i]);
        int rc = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
        if (rc < 0 && rc != -EDOM)
            return rc;
    }
    return 0;
}

static int add_calls(scmp_filter_ctx ctx, enum confined who)
{
    int rc = add_names(ctx, of_everybody, ARRAY_LEN(of_everybody), who);
    if (rc == 0 && who == READER)
        rc = add_names(ctx, of_a_reader, ARRAY_LEN(of_a_reader), who);
    /* glibc then falls back to clone. */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    return rc;
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

static int load_filter(enum confined who, struct err *e)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = ctx != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0)
        rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = add_calls(ctx, who);
    if (rc == 0)
        rc = add_terminal(ctx);
    if (rc == 0)
        rc = seccomp_load(ctx); /* sets no_new_privs as well */
    seccomp_release(ctx);
    if (rc < 0) {
        errno = -rc;
        return err_sys(e, ERR_IO, "the filter over this process");
    }
    return 0;
}

int confine_to_reading(struct err *e)
{
    if (load_filter(READER, e) < 0)
        return -1;
#ifdef __SANITIZE_ADDRESS__
    is_confined = true;
#endif
    return 0;
}

/* ---- files ---- */

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Everything the first version of Landlock knows. */
#define ALL_RIGHTS ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* A rule over a file may only name what can be done to one. */
#define FILE_RIGHTS                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     UINT64_C(1) << 14 /* truncate */)

static void allow(int rules, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr beneath = { .allowed_access = rights,
                                                  .parent_fd = open(path, O_PATH | O_CLOEXEC) };
    struct stat st;
    if (beneath.parent_fd < 0)
        return;
    if (fstat(beneath.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        beneath.allowed_access &= FILE_RIGHTS;
    (void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(beneath.parent_fd);
}

/* A second line, where the kernel has it: the process is not root and holds no keys anyway. */
static void confine_files(void)
{
    static const char *const readable[] = { "/etc", "/usr", "/lib", "/lib32", "/lib64", "/run" };
    struct landlock_ruleset_attr handled = { .handled_access_fs = ALL_RIGHTS };
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (rules < 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(readable); i++)
        allow(rules, readable[i], READ_RIGHTS);
    (void)syscall(SYS_landlock_restrict_self, rules, 0);
    close(rules);
}

int confine_to_network(struct err *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_sys(e, ERR_IO, "giving up new privileges");
    confine_files();
    return load_filter(NETWORKER, e);
}

/* ---- the supervising process ---- */

int confine_to_supervising(struct err *e)
{
    return load_filter(SUPERVISOR, e);
}

#define WRITE_RIGHTS (ALL_RIGHTS & ~(READ_RIGHTS | (uint64_t)LANDLOCK_ACCESS_FS_EXECUTE))
/* Of later versions than the headers that this must build with. */
#define RIGHT_REFER           (UINT64_C(1) << 13) /* 2: moving between directories */
#define RIGHT_TRUNCATE        (UINT64_C(1) << 14) /* 3 */
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0)  /* 6 */

struct ruleset {
    uint64_t fs, net, scoped;
};

static int writes_level;
static const char *writes_hint = "";

int confine_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : errno == EOPNOTSUPP ? 0 : -1;
}

/* What a ruleset has to know of, else it is allowed everywhere (but REFER: forbidden then). */
static int create_ruleset(int abi, uint64_t *rights)
{
    struct ruleset r = { .fs = WRITE_RIGHTS };
    size_t size = abi >= 6 ? sizeof r : sizeof r.fs;
    if (abi >= 2)
        r.fs |= RIGHT_REFER;
    if (abi >= 3)
        r.fs |= RIGHT_TRUNCATE;
    if (abi >= 6)
        r.scoped = SCOPE_ABSTRACT_SOCKET;
    *rights = r.fs;
    return (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
}

void confine_writes(const char *const *writable, size_t count, const char *hint)
{
    int abi = confine_landlock_abi();
    uint64_t rights;
    int rules = abi > 0 ? create_ruleset(abi, &rights) : -1;
    if (rules < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (writable[i] != NULL)
            allow(rules, writable[i], rights);
    }
    if (syscall(SYS_landlock_restrict_self, rules, 0) == 0) {
        writes_level = abi;
        writes_hint = hint;
    }
    close(rules);
}

int confine_writes_level(void)
{
    return writes_level;
}

const char *confine_hint(void)
{
    return writes_level > 0 && errno == EACCES ? writes_hint : "";
}
