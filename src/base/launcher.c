/* launcher.c - the process that starts every other one, and outlives us just long enough to kill
 * what must not. Single-threaded, no libraries, no secrets. [architecture §8, SEC-3] */
#include "base/proc_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARDS_MAX    256
#define CHILDREN_TEXT 16384 /* of /proc/…/children: some 2000 pids */
#define WILL_ROUNDS   200
#define WILL_ROUND_MS 5
#define SOCKET_BUF    (2 * WIRE_MESSAGE_MAX)

struct child {
    uint32_t id;
    pid_t pid;
    int status;
    bool kill_on_death;
    bool ended; /* reaped, but its message did not fit into the socket yet */
};

struct launcher_side {
    int sock, signal_fd;
    pid_t client;
    struct child *children;
    size_t count, cap;
    int guards[GUARDS_MAX]; /* pidfds of processes that are not our children */
    size_t guard_count;
    char *message; /* WIRE_MESSAGE_MAX */
};

/* ---- messages, both directions */

int wire_send(int sock, const void *head, size_t head_len, const void *body, size_t body_len,
              const int *fds, size_t fd_count, bool wait)
{
    union {
        char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        struct cmsghdr align;
    } control = { { 0 } };
    struct iovec iov[2] = {
        { .iov_base = (void *)(uintptr_t)head, .iov_len = head_len },
        { .iov_base = (void *)(uintptr_t)body, .iov_len = body_len },
    };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body_len != 0 ? 2 : 1 };
    if (fd_count > 0) {
        INVARIANT(fd_count <= WIRE_FDS_MAX);
        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t n;
    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

ssize_t wire_recv(int sock, void *ptr, size_t size, int fds[WIRE_FDS_MAX], size_t *fd_count,
                  bool wait)
{
    union {
        char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = { .iov_base = ptr, .iov_len = size };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.space,
                          .msg_controllen = sizeof control.space };
    ssize_t n;
    *fd_count = 0;
    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        *fd_count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), *fd_count * sizeof(int));
    }
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        close_all(fds, *fd_count);
        *fd_count = 0;
    }
    if (msg.msg_flags & MSG_TRUNC) {
        errno = EMSGSIZE;
        return -1;
    }
    return n;
}

/* ---- the will: what we died for is carried out here */

/* Our children as the kernel lists them, orphans we inherited included (we are their subreaper).
 * Best effort: empty where the kernel does not tell. */
static size_t list_children(pid_t *pids, size_t max)
{
    char text[CHILDREN_TEXT];
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    size_t len = 0, count = 0;
    ssize_t n;
    while (len < sizeof text - 1 && (n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    close(fd);
    text[len] = '\0';
    char *at = text, *end;
    for (long pid; count < max && (pid = strtol(at, &end, 10)) > 0 && end != at; at = end)
        pids[count++] = (pid_t)pid;
    return count;
}

static bool contains(const pid_t *pids, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static size_t doomed_left(const struct launcher_side *l)
{
    size_t left = 0;
    for (size_t i = 0; i < l->count; i++)
        left += l->children[i].kill_on_death && !l->children[i].ended;
    return left;
}

/* A bubblewrap that dies by itself while it starts (its pipes broke when we lost our client, say)
 * leaves a child that sleeps for ever: ours now, and told apart from other orphans by its session.
 */
static void kill_left_of(pid_t leader)
{
    static pid_t now[CHILDREN_TEXT / 2];
    size_t count = list_children(now, ARRAY_LEN(now));
    for (size_t i = 0; i < count; i++)
        if (getsid(now[i]) == leader)
            kill(now[i], SIGKILL);
}

static void reap(struct launcher_side *l)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < l->count; i++) {
            struct child *c = &l->children[i];
            if (c->pid == pid && !c->ended) {
                c->ended = true;
                c->status = status;
                if (c->kill_on_death)
                    kill_left_of(pid);
            }
        }
    }
}

/* Killing a bwrap early leaves its pid 1 running [local-sandboxes §0 rule 3]; that one then becomes
 * our child. So whatever appears below us while our doomed children die is theirs, and goes too.
 * Other helpers (a browser the opener started, say) were there before, and stay. */
static void kill_orphans(struct launcher_side *l, const pid_t *before, size_t before_count)
{
    static pid_t now[CHILDREN_TEXT / 2];
    for (int round = 0; round < WILL_ROUNDS; round++) {
        reap(l);
        size_t left = doomed_left(l), orphans = 0;
        size_t count = list_children(now, ARRAY_LEN(now));
        for (size_t i = 0; i < count; i++) {
            if (contains(before, before_count, now[i]))
                continue;
            kill(now[i], SIGKILL);
            orphans++;
        }
        if (left == 0 && orphans == 0)
            return;
        poll(NULL, 0, WILL_ROUND_MS);
    }
}

static NORETURN void carry_out_will(struct launcher_side *l)
{
    static pid_t before[CHILDREN_TEXT / 2];
    for (size_t i = 0; i < l->guard_count; i++)
        syscall(SYS_pidfd_send_signal, l->guards[i], SIGKILL, NULL, 0);
    reap(l);
    if (doomed_left(l) == 0)
        _exit(0);
    size_t count = list_children(before, ARRAY_LEN(before));
    for (size_t i = 0; i < l->count; i++)
        if (l->children[i].kill_on_death && !l->children[i].ended)
            kill(l->children[i].pid, SIGKILL);
    kill_orphans(l, before, count);
    _exit(0);
}

/* ---- requests */

/* The next string of the message, or NULL when it is cut short. */
static char *next_string(char **at, const char *end)
{
    char *s = *at;
    char *nul = memchr(s, '\0', (size_t)(end - s));
    if (nul == NULL)
        return NULL;
    *at = nul + 1;
    return s;
}

static char **next_strings(char **at, const char *end, size_t count)
{
    if (count > (size_t)(end - *at))
        return NULL;
    char **list = xcalloc(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        list[i] = next_string(at, end);
        if (list[i] == NULL) {
            free(list);
            return NULL;
        }
    }
    return list;
}

static bool request_is_whole(const struct wire_spawn *rq, size_t len, size_t fd_count)
{
    if (len < sizeof *rq || rq->fd_count > WIRE_CHILD_FDS || rq->mount_count > PROC_MOUNTS_MAX ||
        rq->fd_count + rq->mount_count != fd_count)
        return false;
    for (size_t i = 0; i < rq->fd_count; i++)
        if (rq->child_fd[i] < 0 || rq->child_fd[i] > WIRE_CHILD_FD_TOP)
            return false;
    return true;
}

static void remember_child(struct launcher_side *l, uint32_t id, pid_t pid, bool kill_on_death)
{
    if (l->count == l->cap) {
        l->cap = l->cap != 0 ? l->cap * 2 : 16;
        l->children = xreallocarray(l->children, l->cap, sizeof *l->children);
    }
    l->children[l->count++] =
        (struct child){ .id = id, .pid = pid, .kill_on_death = kill_on_death };
}

static int start_requested(char *message, size_t len, const int *fds, size_t fd_count, pid_t *pid,
                           enum spawn_step *step)
{
    const struct wire_spawn *rq = (const struct wire_spawn *)(const void *)message;
    char *at = message + sizeof *rq, *end = message + len;
    *step = SPAWN_REQUEST;
    if (!request_is_whole(rq, len, fd_count))
        return EBADMSG;
    struct spawn_plan plan = { .fds = fds,
                               .child_fd = rq->child_fd,
                               .fd_count = rq->fd_count,
                               .mounts = fds + rq->fd_count,
                               .mount_count = rq->mount_count,
                               .flags = rq->flags,
                               .inside = rq->inside,
                               .nofile = rq->nofile };
    int rc = EBADMSG;
    plan.path = next_string(&at, end);
    plan.cwd = plan.path != NULL ? next_string(&at, end) : NULL;
    plan.argv = plan.cwd != NULL ? next_strings(&at, end, rq->argc) : NULL;
    plan.envp = plan.argv != NULL ? next_strings(&at, end, rq->envc) : NULL;
    if (plan.envp != NULL)
        rc = spawn_start(&plan, pid, step);
    free(plan.argv);
    free(plan.envp);
    return rc;
}

static void on_spawn(struct launcher_side *l, size_t len, const int *fds, size_t fd_count)
{
    const struct wire_spawn *rq = (const struct wire_spawn *)(const void *)l->message;
    pid_t pid = 0;
    enum spawn_step step;
    int pidfd = -1;
    int error = start_requested(l->message, len, fds, fd_count, &pid, &step);
    if (error == 0) {
        remember_child(l, rq->id, pid, (rq->flags & WIRE_KILL_ON_DEATH) != 0);
        /* Ours and not reaped: the number can't have gone to anybody else. */
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
            error = errno;
            step = SPAWN_FORK;
            kill(pid, SIGKILL);
            pid = 0;
        }
    }
    struct wire_answer a = {
        .kind = WIRE_STARTED, .id = rq->id, .pid = pid, .step = (int32_t)step, .error = error
    };
    if (wire_send(l->sock, &a, sizeof a, NULL, 0, &pidfd, pidfd >= 0, true) < 0)
        carry_out_will(l);
    if (pidfd >= 0)
        close(pidfd);
}

/* Takes fds[0]. Past the ceiling the oldest gives way: by far the likeliest to be dead. */
static void on_guard(struct launcher_side *l, const int *fds, size_t fd_count)
{
    if (fd_count != 1) {
        close_all(fds, fd_count);
        return;
    }
    if (l->guard_count == GUARDS_MAX) {
        close(l->guards[0]);
        memmove(l->guards, l->guards + 1, (GUARDS_MAX - 1) * sizeof l->guards[0]);
        l->guard_count--;
    }
    l->guards[l->guard_count++] = fds[0];
}

static void on_message(struct launcher_side *l)
{
    int fds[WIRE_FDS_MAX];
    size_t fd_count;
    ssize_t n = wire_recv(l->sock, l->message, WIRE_MESSAGE_MAX, fds, &fd_count, false);
    if (n < 0 && (errno == EAGAIN || errno == EMSGSIZE))
        return;
    if (n <= 0)
        carry_out_will(l);
    uint32_t kind = 0;
    if ((size_t)n >= sizeof kind)
        memcpy(&kind, l->message, sizeof kind);
    if (kind == WIRE_GUARD) {
        on_guard(l, fds, fd_count);
        return;
    }
    if (kind == WIRE_SPAWN && (size_t)n >= sizeof(struct wire_guard))
        on_spawn(l, (size_t)n, fds, fd_count);
    close_all(fds, fd_count);
    /* What one helper was given in its environment is not for the memory of the next child. */
    explicit_bzero(l->message, (size_t)n);
}

/* ---- the launcher's own loop */

/* Say who ended. A full socket keeps the rest for later. */
static void report_ended(struct launcher_side *l)
{
    for (size_t i = 0; i < l->count;) {
        const struct child *c = &l->children[i];
        if (!c->ended) {
            i++;
            continue;
        }
        struct wire_answer a = {
            .kind = WIRE_ENDED, .id = c->id, .pid = c->pid, .status = c->status
        };
        if (wire_send(l->sock, &a, sizeof a, NULL, 0, NULL, 0, false) < 0) {
            if (errno == EAGAIN || errno == ENOBUFS)
                return;
            carry_out_will(l);
        }
        l->children[i] = l->children[--l->count];
    }
}

static bool has_unreported(const struct launcher_side *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->children[i].ended)
            return true;
    return false;
}

static void drop_dead_guards(struct launcher_side *l, const struct pollfd *polled)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->guard_count; i++) {
        if (polled[i].revents != 0)
            close(l->guards[i]);
        else
            l->guards[kept++] = l->guards[i];
    }
    l->guard_count = kept;
}

static void drain_signals(struct launcher_side *l)
{
    struct signalfd_siginfo got[16];
    while (read(l->signal_fd, got, sizeof got) > 0)
        ;
    reap(l);
    if (getppid() != l->client) /* the parent-death signal, or a stray TERM: only the fact counts */
        carry_out_will(l);
}

static void serve_once(struct launcher_side *l)
{
    struct pollfd p[2 + GUARDS_MAX];
    p[0] = (struct pollfd){ .fd = l->sock,
                            .events = (short)(POLLIN | (has_unreported(l) ? POLLOUT : 0)) };
    p[1] = (struct pollfd){ .fd = l->signal_fd, .events = POLLIN };
    for (size_t i = 0; i < l->guard_count; i++)
        p[2 + i] = (struct pollfd){ .fd = l->guards[i], .events = POLLIN };
    if (poll(p, 2 + l->guard_count, -1) < 0 && errno != EINTR)
        carry_out_will(l);
    drop_dead_guards(l, p + 2);
    if (p[1].revents != 0)
        drain_signals(l);
    if (p[0].revents & (POLLIN | POLLHUP | POLLERR))
        on_message(l);
    report_ended(l);
}

/* Bytes of the environment may hold keys that `main` wipes in its own copy only. [SEC-3] */
static void wipe_environment(void)
{
    for (char **v = environ; v != NULL && *v != NULL; v++)
        explicit_bzero(*v, strlen(*v));
    environ = NULL;
}

/* Nothing of us stays open in the launcher but its socket. */
static int keep_only(int sock)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high = fcntl(sock, F_DUPFD_CLOEXEC, 4);
    if (null < 0 || high < 0)
        return -1;
    for (int fd = 0; fd < 3; fd++)
        if (null == fd ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null, fd) < 0)
            return -1;
    if (dup3(high, 3, O_CLOEXEC) < 0 || close_range(4, UINT_MAX, 0) < 0)
        return -1;
    return 3;
}

void launcher_main(int sock, pid_t client)
{
    struct rlimit no_core = { 0, 0 };
    sigset_t all, watched;
    struct launcher_side l = { .client = client };
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    wipe_environment();
    prctl(PR_SET_NAME, "airlock-launch");
    /* All blocked: terminal signals for our group are none of its business. Children unblock. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    l.sock = keep_only(sock);
    l.signal_fd = signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
    if (l.sock < 0 || l.signal_fd < 0 || chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        _exit(1);
    int size = SOCKET_BUF;
    setsockopt(l.sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    l.message = xmalloc(WIRE_MESSAGE_MAX);
    while (getppid() == client)
        serve_once(&l);
    carry_out_will(&l);
}
