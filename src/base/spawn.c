/* spawn.c - between fork and exec: what a child of the launcher is made of. */
#include "base/proc_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DROP_UID_FIRST 61184
#define DROP_UID_RANGE 4096

/* What the child says through a close-on-exec pipe when it does not get as far as exec. */
struct failure {
    int32_t step, error;
};

const char *spawn_step_name(enum spawn_step step)
{
    switch (step) {
    case SPAWN_OK:
        return "started";
    case SPAWN_REQUEST:
        return "reading the request";
    case SPAWN_FORK:
        return "making a process";
    case SPAWN_DESCRIPTORS:
        return "handing over descriptors";
    case SPAWN_SESSION:
        return "making a session";
    case SPAWN_MOUNTS:
        return "attaching mounts";
    case SPAWN_LIMITS:
        return "setting limits";
    case SPAWN_DROP_ROOT:
        return "giving up root";
    case SPAWN_DEATH_SIGNAL:
        return "tying it to the launcher";
    case SPAWN_CWD:
        return "entering the directory";
    case SPAWN_EXEC:
        return "running the program";
    }
    return "an unknown step";
}

uid_t spawn_drop_uid(pid_t launcher)
{
    return DROP_UID_FIRST + (uid_t)launcher % DROP_UID_RANGE;
}

/* ---- steps of the child. Each returns 0 or an errno. */

/* Out of the way of every target number first, so that overlaps do no harm. The copies are
 * close-on-exec; dup2 onto the target is what clears that. */
static int move_up(int *fd, int lowest)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, lowest);
    if (moved < 0)
        return errno;
    *fd = moved;
    return 0;
}

static int lowest_free_number(const struct spawn_plan *plan)
{
    int lowest = 3;
    for (size_t i = 0; i < plan->fd_count; i++)
        if (plan->child_fd[i] >= lowest)
            lowest = plan->child_fd[i] + 1;
    return lowest;
}

/* 0–2 that are not named stay what they are in the launcher: /dev/null. */
static int place_descriptors(const struct spawn_plan *plan, int mounts[], int *report)
{
    int fds[WIRE_CHILD_FDS], lowest = lowest_free_number(plan);
    int rc = move_up(report, lowest);
    for (size_t i = 0; rc == 0 && i < plan->fd_count; i++) {
        fds[i] = plan->fds[i];
        rc = move_up(&fds[i], lowest);
    }
    for (size_t i = 0; rc == 0 && i < plan->mount_count; i++) {
        mounts[i] = plan->mounts[i];
        rc = move_up(&mounts[i], lowest);
    }
    if (rc != 0)
        return rc;
    if (close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0)
        return errno;
    for (size_t i = 0; i < plan->fd_count; i++)
        if (dup2(fds[i], plan->child_fd[i]) < 0)
            return errno;
    return 0;
}

/* The editor stays in our own process group, the terminal's foreground one. Others must not get
 * the terminal's ^C, nor be able to read from it. */
static int place_session(unsigned flags)
{
    if (flags & WIRE_NEW_SESSION)
        return setsid() < 0 ? errno : 0;
    if (flags & WIRE_FOREGROUND)
        return 0;
    return setpgid(0, 0) < 0 ? errno : 0;
}

/* A directory of root's that nobody else can swap. */
static int make_root_dir(const char *path)
{
    struct stat st;
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return errno;
    if (lstat(path, &st) < 0)
        return errno;
    if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022) != 0)
        return EPERM;
    return (st.st_mode & 0777) == 0755 || chmod(path, 0755) == 0 ? 0 : errno;
}

static int attach_mount(int mount_fd, size_t index)
{
    char at[sizeof PROC_MOUNT_DIR + 24];
    struct stat st;
    snprintf(at, sizeof at, PROC_MOUNT_DIR "/%zu", index);
    if (fstat(mount_fd, &st) < 0)
        return errno;
    if (S_ISDIR(st.st_mode)) {
        if (mkdir(at, 0755) < 0)
            return errno;
    } else {
        int fd = open(at, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
            return errno;
        close(fd);
    }
    if (move_mount(mount_fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return errno;
    return 0;
}

/* All in a mount namespace of the child's own, from which nothing spreads back. */
static int attach_mounts(const int mounts[], size_t count)
{
    if (count == 0)
        return 0;
    if (geteuid() != 0)
        return EPERM;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return errno;
    int rc = make_root_dir("/run/airlock");
    if (rc == 0)
        rc = make_root_dir(PROC_MOUNT_DIR);
    if (rc != 0)
        return rc;
    if (mount("airlock", PROC_MOUNT_DIR, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0755,size=64k,nr_inodes=64") < 0)
        return errno;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = attach_mount(mounts[i], i);
    return rc;
}

static int set_limits(uint64_t nofile)
{
    if (nofile == 0)
        return 0;
    struct rlimit lim = { .rlim_cur = nofile, .rlim_max = nofile };
    return setrlimit(RLIMIT_NOFILE, &lim) < 0 ? errno : 0;
}

static bool has_capability_left(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { 0 };
    if (syscall(SYS_capget, &head, caps) < 0)
        return true;
    return (caps[0].permitted | caps[1].permitted | caps[0].effective | caps[1].effective) != 0;
}

/* A bubblewrap started by uid 0 can write core_pattern [local-sandboxes §0 rule 2]: so every id is
 * changed, read back, and the way back tried. */
static int drop_root(pid_t launcher)
{
    uid_t r, e, s, to = spawn_drop_uid(launcher);
    gid_t rg, eg, sg;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return errno;
    if (geteuid() != 0)
        return getresuid(&r, &e, &s) < 0 || r == 0 || s == 0 ? EPERM : 0;
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
        setresgid(to, to, to) < 0 || setresuid(to, to, to) < 0)
        return errno;
    if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
        return errno;
    if (r != to || e != to || s != to || rg != to || eg != to || sg != to)
        return EPERM;
    if (getgroups(0, NULL) != 0 || setuid(0) == 0 || has_capability_left())
        return EPERM;
    return 0;
}

/* Second line to the launcher's own killing, should it be killed itself. After the uid has changed,
 * which would clear it. */
static int tie_to_launcher(pid_t launcher)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return errno;
    return getppid() == launcher ? 0 : ESRCH;
}

static void default_signals(void)
{
    struct sigaction sa = { .sa_handler = SIG_DFL };
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &sa, NULL); /* fails for KILL and STOP, as it should */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static NORETURN void give_up(int report, enum spawn_step step, int error)
{
    struct failure f = { .step = (int32_t)step, .error = error };
    ssize_t n = write(report, &f, sizeof f);
    (void)n; /* the launcher then sees an end instead of a reason: exit 127 */
    _exit(127);
}

static bool is_placed(const struct spawn_plan *plan, int fd)
{
    for (size_t i = 0; i < plan->fd_count; i++)
        if (plan->child_fd[i] == fd)
            return true;
    return false;
}

/* No exec closes what is marked for it, `report` included, whose end says that all went well. */
static NORETURN void run_inside(const struct spawn_plan *plan)
{
    int (*inside)(int, char **) = (int (*)(int, char **))plan->inside;
    int lowest = lowest_free_number(plan), argc = 0;
    for (int fd = 3; fd < lowest; fd++)
        if (!is_placed(plan, fd))
            close(fd);
    (void)close_range((unsigned)lowest, UINT_MAX, 0);
    while (plan->argv[argc] != NULL)
        argc++;
    _exit(inside(argc, plan->argv));
}

static NORETURN void child_main(const struct spawn_plan *plan, int report, pid_t launcher)
{
    int mounts[PROC_MOUNTS_MAX], rc;
    if ((rc = place_descriptors(plan, mounts, &report)) != 0)
        give_up(report, SPAWN_DESCRIPTORS, rc);
    if ((rc = place_session(plan->flags)) != 0)
        give_up(report, SPAWN_SESSION, rc);
    if ((rc = attach_mounts(mounts, plan->mount_count)) != 0)
        give_up(report, SPAWN_MOUNTS, rc);
    if ((rc = set_limits(plan->nofile)) != 0)
        give_up(report, SPAWN_LIMITS, rc);
    if ((plan->flags & WIRE_DROP_ROOT) && (rc = drop_root(launcher)) != 0)
        give_up(report, SPAWN_DROP_ROOT, rc);
    if ((plan->flags & WIRE_KILL_ON_DEATH) && (rc = tie_to_launcher(launcher)) != 0)
        give_up(report, SPAWN_DEATH_SIGNAL, rc);
    if (chdir(plan->cwd) < 0)
        give_up(report, SPAWN_CWD, errno);
    default_signals();
    if (plan->inside != 0)
        run_inside(plan);
    execve(plan->path, plan->argv, plan->envp);
    give_up(report, SPAWN_EXEC, errno);
}

/* ---- the launcher's side */

/* An end without a word is success: exec closed the pipe. */
static int await_exec(int report, struct failure *f)
{
    struct pollfd p = { .fd = report, .events = POLLIN };
    *f = (struct failure){ 0 };
    int n;
    do {
        n = poll(&p, 1, WIRE_EXEC_MS);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        *f = (struct failure){ .step = SPAWN_EXEC, .error = n == 0 ? ETIMEDOUT : errno };
        return -1;
    }
    return read(report, f, sizeof *f) == 0 ? 0 : -1;
}

int spawn_start(const struct spawn_plan *plan, pid_t *pid, enum spawn_step *step)
{
    int report[2];
    pid_t launcher = getpid();
    *step = SPAWN_FORK;
    if (pipe2(report, O_CLOEXEC) < 0)
        return errno;
    pid_t child = fork();
    if (child < 0) {
        int saved = errno;
        close(report[0]);
        close(report[1]);
        return saved;
    }
    if (child == 0)
        child_main(plan, report[1], launcher);
    close(report[1]);
    struct failure f;
    int rc = await_exec(report[0], &f);
    close(report[0]);
    if (rc == 0) {
        *pid = child;
        *step = SPAWN_OK;
        return 0;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    *step = (enum spawn_step)f.step;
    return f.error != 0 ? f.error : EIO;
}
