/* proc.c - our side of the launcher: asking for programs, and hearing how they ended. */
#include "base/proc.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/proc_wire.h"

#define SHORT_TURN_NS  100000 /* the shortest that Linux gives */

#define ANSWER_MS      (WIRE_EXEC_MS + 1000)
#define STOP_MS        2000
#define ENDED_SOON_MS  20
#define STATUS_UNKNOWN (-1)

struct launcher {
    int sock, pidfd;
    pid_t pid;
    bool gone; /* it died under us */
    uint32_t last_id;
    struct proc *procs;
};

struct proc {
    struct launcher *launcher; /* NULL after launcher_stop */
    struct proc *prev, *next;
    uint32_t id;
    pid_t pid;
    int pidfd;
    bool ended;
    int status;
};

/* ---- the launcher's life */

static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* No handler of ours may run in the child before it has blocked everything. */
static pid_t fork_launcher(int sock[2])
{
    sigset_t all, old;
    pid_t us = getpid();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0) {
        close(sock[0]);
        launcher_main(sock[1], us);
    }
    int saved = errno;
    sigprocmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return pid;
}

int launcher_start(struct launcher **out, struct err *e)
{
    int sock[2], size = 2 * WIRE_MESSAGE_MAX;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
        return err_sys(e, ERR_IO, "cannot make the launcher's socket");
    setsockopt(sock[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    pid_t pid = fork_launcher(sock);
    close(sock[1]);
    if (pid < 0) {
        err_sys(e, ERR_IO, "cannot start the launcher");
        close(sock[0]);
        return -1;
    }
    struct launcher *l = xcalloc(1, sizeof *l);
    l->sock = sock[0];
    l->pid = pid;
    l->pidfd = open_pidfd(pid);
    *out = l;
    return 0;
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, timeout_ms) > 0;
}

void launcher_stop(struct launcher *l)
{
    if (l == NULL)
        return;
    for (struct proc *p = l->procs; p != NULL; p = p->next)
        p->launcher = NULL;
    close(l->sock); /* it sees the end, kills what it must, and leaves */
    if (l->pidfd < 0 || !readable(l->pidfd, STOP_MS))
        kill(l->pid, SIGKILL);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (l->pidfd >= 0)
        close(l->pidfd);
    free(l);
}

pid_t launcher_pid(const struct launcher *l)
{
    return l->pid;
}

bool launcher_is_gone(const struct launcher *l)
{
    return l->gone;
}

uid_t launcher_sandbox_uid(const struct launcher *l)
{
    return geteuid() == 0 ? spawn_drop_uid(l->pid) : geteuid();
}

/* ---- answers */

static void kill_late(int pidfd)
{
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    close(pidfd);
}

static struct proc *find_proc(struct launcher *l, uint32_t id)
{
    for (struct proc *p = l->procs; p != NULL; p = p->next)
        if (p->id == id)
            return p;
    return NULL;
}

/* Receive one answer. 1: *a and *pidfd (-1 when none came); 0: none there; -1: the launcher is
 * gone. */
static int receive(struct launcher *l, struct wire_answer *a, int *pidfd)
{
    int fds[WIRE_FDS_MAX];
    size_t count;
    ssize_t n = wire_recv(l->sock, a, sizeof *a, fds, &count, false);
    if (n < 0 && (errno == EAGAIN || errno == EMSGSIZE))
        return 0;
    *pidfd = n > 0 && count > 0 ? fds[0] : -1;
    if (n == (ssize_t)sizeof *a)
        return 1;
    l->gone = true;
    return -1;
}

static void note(struct launcher *l, const struct wire_answer *a, int pidfd)
{
    struct proc *p = a->kind == WIRE_ENDED ? find_proc(l, a->id) : NULL;
    if (p != NULL) {
        p->ended = true;
        p->status = a->status;
    }
    if (pidfd >= 0)
        kill_late(pidfd); /* the start we gave up waiting for */
}

static void collect(struct launcher *l)
{
    struct wire_answer a;
    int pidfd;
    while (receive(l, &a, &pidfd) > 0)
        note(l, &a, pidfd);
}

/* ---- starting */

static int add_strings(struct buf *b, const char *const *list, uint32_t *count)
{
    for (*count = 0; list[*count] != NULL; ++*count)
        if (buf_add(b, list[*count], strlen(list[*count]) + 1) < 0)
            return -1;
    return 0;
}

static int check_spec(const struct proc_spec *s, struct err *e)
{
    if (s->path == NULL || s->path[0] != '/')
        return err_set(e, ERR_USAGE, "cannot start %s: not an absolute path",
                       s->path != NULL ? s->path : "(nothing)");
    INVARIANT(s->fd_count <= PROC_FDS_MAX && s->mount_count <= PROC_MOUNTS_MAX);
    INVARIANT(!(s->new_session && s->foreground_tty));
    for (size_t i = 0; i < s->fd_count; i++) {
        INVARIANT(s->fds[i].child >= 0 && s->fds[i].child <= WIRE_CHILD_FD_TOP);
        for (size_t k = 0; k < i; k++)
            INVARIANT(s->fds[i].child != s->fds[k].child);
    }
    return 0;
}

static bool names_child_fd(const struct proc_spec *s, int number)
{
    for (size_t i = 0; i < s->fd_count; i++)
        if (s->fds[i].child == number)
            return true;
    return false;
}

/* The child's descriptors, then the mounts. Returns how many. */
static size_t gather_fds(const struct proc_spec *s, struct wire_spawn *rq, int fds[WIRE_FDS_MAX])
{
    size_t n = 0;
    for (; n < s->fd_count; n++) {
        fds[n] = s->fds[n].ours;
        rq->child_fd[n] = s->fds[n].child;
    }
    for (int std = 0; s->foreground_tty && std < 3; std++) {
        if (!names_child_fd(s, std)) {
            fds[n] = std;
            rq->child_fd[n++] = std;
        }
    }
    rq->fd_count = (uint32_t)n;
    for (size_t i = 0; i < s->mount_count; i++)
        fds[n++] = s->mounts[i];
    rq->mount_count = (uint32_t)s->mount_count;
    return n;
}

static int send_request(struct launcher *l, const struct proc_spec *s, uint32_t id, struct err *e)
{
    struct wire_spawn rq = {
        .kind = WIRE_SPAWN, .id = id, .nofile = s->nofile, .inside = (uintptr_t)s->inside
    };
    struct buf strings = BUF_INIT(WIRE_MESSAGE_MAX - sizeof rq);
    int fds[WIRE_FDS_MAX];
    const char *cwd = s->cwd != NULL ? s->cwd : "/";
    rq.flags = (s->new_session ? WIRE_NEW_SESSION : 0u) |
               (s->foreground_tty ? WIRE_FOREGROUND : 0u) | (s->drop_root ? WIRE_DROP_ROOT : 0u) |
               (s->kill_on_death ? WIRE_KILL_ON_DEATH : 0u);
    int rc = buf_add(&strings, s->path, strlen(s->path) + 1);
    if (rc == 0)
        rc = buf_add(&strings, cwd, strlen(cwd) + 1);
    if (rc == 0)
        rc = add_strings(&strings, s->argv, &rq.argc);
    if (rc == 0)
        rc = add_strings(&strings, s->envp, &rq.envc);
    if (rc < 0)
        err_set(e, ERR_LIMIT, "cannot start %s: arguments and environment pass %d KiB", s->path,
                WIRE_MESSAGE_MAX / 1024);
    size_t fd_count = gather_fds(s, &rq, fds);
    /* It has no other request of ours, so the socket has room: no waiting here. */
    if (rc == 0 &&
        wire_send(l->sock, &rq, sizeof rq, strings.ptr, strings.len, fds, fd_count, false) < 0) {
        l->gone = l->gone || errno == EPIPE || errno == ECONNRESET;
        rc = err_sys(e, errno == EMSGSIZE ? ERR_LIMIT : ERR_IO, "cannot start %s: the launcher",
                     s->path);
    }
    buf_release(&strings);
    return rc;
}

static int launcher_gone(const char *path, struct err *e)
{
    return err_set(e, ERR_IO, "cannot start %s: the launcher process has died; restart Airlock",
                   path);
}

static int await_started(struct launcher *l, const char *path, uint32_t id, struct wire_answer *a,
                         int *pidfd, struct err *e)
{
    int64_t deadline = clock_mono_us() + ANSWER_MS * 1000;
    for (;;) {
        int got = receive(l, a, pidfd);
        if (got < 0)
            return launcher_gone(path, e);
        if (got > 0 && a->kind == WIRE_STARTED && a->id == id)
            return 0;
        if (got > 0) {
            note(l, a, *pidfd);
            continue;
        }
        int64_t left = deadline - clock_mono_us();
        if (left <= 0)
            return err_set(e, ERR_IO, "cannot start %s: the launcher does not answer", path);
        readable(l->sock, (int)(left / 1000) + 1);
    }
}

static int start_failed(const char *path, const char *cwd, const struct wire_answer *a,
                        struct err *e)
{
    enum spawn_step step = (enum spawn_step)a->step;
    bool absent = step == SPAWN_EXEC && (a->error == ENOENT || a->error == ENOTDIR);
    errno = a->error;
    if (step == SPAWN_EXEC)
        return err_sys(e, absent ? ERR_MISSING : ERR_IO, "cannot run %s", path);
    if (step == SPAWN_CWD)
        return err_sys(e, ERR_IO, "cannot start %s: entering %s", path, cwd);
    return err_sys(e, ERR_IO, "cannot start %s: %s", path, spawn_step_name(step));
}

static struct proc *proc_new(struct launcher *l, const struct wire_answer *a, int pidfd)
{
    struct proc *p = xcalloc(1, sizeof *p);
    p->launcher = l;
    p->id = a->id;
    p->pid = a->pid;
    p->pidfd = pidfd;
    p->next = l->procs;
    if (l->procs != NULL)
        l->procs->prev = p;
    l->procs = p;
    return p;
}

int proc_spawn(struct launcher *l, const struct proc_spec *spec, struct proc **out, struct err *e)
{
    struct wire_answer a;
    int pidfd = -1;
    uint32_t id = ++l->last_id;
    if (check_spec(spec, e) < 0)
        return -1;
    if (l->gone)
        return launcher_gone(spec->path, e);
    if (send_request(l, spec, id, e) < 0 || await_started(l, spec->path, id, &a, &pidfd, e) < 0)
        return -1;
    if (a.error != 0)
        return start_failed(spec->path, spec->cwd != NULL ? spec->cwd : "/", &a, e);
    if (pidfd < 0) {
        kill(a.pid, SIGKILL); /* just made: the number is still its own */
        return err_set(e, ERR_IO, "cannot start %s: too many open files", spec->path);
    }
    *out = proc_new(l, &a, pidfd);
    return 0;
}

/* ---- one child */

pid_t proc_pid(const struct proc *p)
{
    return p->pid;
}

int proc_pidfd(const struct proc *p)
{
    return p->pidfd;
}

int proc_kill(struct proc *p, int signo)
{
    return (int)syscall(SYS_pidfd_send_signal, p->pidfd, signo, NULL, 0);
}

/* Without a launcher nobody can tell the status any more. */
static bool settle_without_launcher(struct proc *p)
{
    if (p->ended || (p->launcher != NULL && !p->launcher->gone) || !readable(p->pidfd, 0))
        return p->ended;
    p->ended = true;
    p->status = STATUS_UNKNOWN;
    return true;
}

bool proc_wait_nohang(struct proc *p, int *status)
{
    if (!p->ended && p->launcher != NULL)
        collect(p->launcher);
    /* Kernel and launcher speak at the same time: when the pidfd is first, the message is a moment
     * away, and waiting for it beats being called again and again meanwhile. */
    if (!p->ended && p->launcher != NULL && readable(p->pidfd, 0) &&
        readable(p->launcher->sock, ENDED_SOON_MS))
        collect(p->launcher);
    if (!settle_without_launcher(p))
        return false;
    *status = p->status;
    return true;
}

int proc_wait(struct proc *p, int timeout_ms, int *status, struct err *e)
{
    int64_t deadline = clock_mono_us() + (int64_t)timeout_ms * 1000;
    while (!proc_wait_nohang(p, status)) {
        int64_t left_us = timeout_ms < 0 ? 1000000 : deadline - clock_mono_us();
        if (left_us <= 0)
            return err_set(e, ERR_LIMIT, "process %d has not ended within %d ms", (int)p->pid,
                           timeout_ms);
        readable(p->pidfd, (int)(left_us / 1000) + 1);
    }
    return 0;
}

void proc_free(struct proc *p)
{
    if (p == NULL)
        return;
    if (p->launcher != NULL) {
        if (p->prev != NULL)
            p->prev->next = p->next;
        else
            p->launcher->procs = p->next;
        if (p->next != NULL)
            p->next->prev = p->prev;
    }
    close(p->pidfd);
    free(p);
}

/* As <linux/sched/types.h> has it, which some libcs can't be included beside. */
struct turns {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t length_ns, deadline_ns, period_ns;
    uint32_t least, most;
};

void proc_take_short_turns(void)
{
    struct turns t = { .size = sizeof t };
    if (syscall(SYS_sched_getattr, 0, &t, sizeof t, 0) < 0 || t.policy != SCHED_OTHER)
        return;
    t.flags = 1; /* SCHED_FLAG_RESET_ON_FORK */
    t.length_ns = SHORT_TURN_NS;
    (void)syscall(SYS_sched_setattr, 0, &t, 0);
}

int launcher_guard_pidfd(struct launcher *l, int pidfd, struct err *e)
{
    struct wire_guard g = { .kind = WIRE_GUARD, .id = 0 };
    if (wire_send(l->sock, &g, sizeof g, NULL, 0, &pidfd, 1, false) < 0)
        return err_sys(e, ERR_IO, "cannot have the launcher guard a process");
    return 0;
}
