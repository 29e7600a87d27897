/* proxy_serve.c - the proxy's process: takes the guest's socket, accepts, one child a connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "providers/proxy_int.h"

#define GRACE_MS 40 /* for connections whose sandbox is dead to tell how they ended */

struct serving {
    struct proxy_server server;
    int listener, children_fd;
    struct {
        pid_t pid;
        uint32_t attempt;
    } children[PROXY_AT_ONCE];
    size_t child_count;
    uint32_t attempts;
    int64_t credit_us; /* of attempts not made: a second of it buys PROXY_PER_SECOND */
    int64_t last_us;
    bool done;
};

#define ATTEMPT_US (INT64_C(1000000) / PROXY_PER_SECOND)

/* ---- the socket from inside ---- */

static int get_int(int fd, int what)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, what, &value, &len) == 0 ? value : -1;
}

static bool is_listener(int fd)
{
    return get_int(fd, SO_DOMAIN) == AF_INET && get_int(fd, SO_TYPE) == SOCK_STREAM &&
           get_int(fd, SO_ACCEPTCONN) == 1;
}

/* Waits for the guest. -1: it ended, or what came is no listening TCP socket. */
static int take_listener(void)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } with;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = with.space,
                        .msg_controllen = sizeof with.space };
    ssize_t n;
    do
        n = recvmsg(PROXY_FD_GUEST, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (!is_listener(fd) || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- set-up ---- */

static void limit(int what, rlim_t n)
{
    struct rlimit r = { n, n };
    (void)setrlimit((__rlimit_resource_t)what, &r);
}

static bool set_up(struct serving *s, int argc, char **argv)
{
    struct err e = ERR_INIT;
    sigset_t watched;
    s->server.notes = PROXY_FD_NOTES;
    for (int i = 1; i < argc && s->server.rule_count < CONTRACT_HOSTS_MAX; i++)
        if (!allow_rule_read(&s->server.rules[s->server.rule_count++], argv[i]))
            return false;
    prctl(PR_SET_NAME, "airlock-proxy");
    prctl(PR_SET_DUMPABLE, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, 64);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    s->children_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    void *shared = mmap(NULL, sizeof *s->server.shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s->children_fd < 0 || shared == MAP_FAILED)
        return false;
    s->server.shared = shared;
    /* Names as they are written, without this machine's search list, and not for ever. */
    setenv("RES_OPTIONS", "timeout:3 attempts:2", 1);
    setenv("LOCALDOMAIN", ".", 1);
    return confine_to_network(&e) == 0;
}

/* ---- connections ---- */

/* One that died of something tells nothing more itself. */
static void bury(struct serving *s, size_t i, int status)
{
    struct proxy_note n = { .kind = PROXY_CLOSED,
                            .attempt = s->children[i].attempt,
                            .why = "its process died" };
    if (WIFSIGNALED(status))
        (void)proxy_tell(s->server.notes, &n, -1);
    s->children[i] = s->children[--s->child_count];
}

static void reap(struct serving *s)
{
    struct signalfd_siginfo info;
    pid_t pid;
    int status;
    while (read(s->children_fd, &info, sizeof info) > 0)
        ;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < s->child_count; i++)
            if (s->children[i].pid == pid) {
                bury(s, i, status);
                break;
            }
}

static NORETURN void child_main(struct serving *s, int client, pid_t parent)
{
    sigset_t later;
    sigemptyset(&later);
    sigaddset(&later, SIGTERM); /* heard while bytes are relayed */
    close(s->listener);
    close(s->children_fd);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    sigprocmask(SIG_SETMASK, &later, NULL);
    proxy_talk(&s->server, client, s->attempts);
    _exit(0);
}

static void take_connection(struct serving *s)
{
    int client = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    pid_t parent = getpid();
    if (client < 0)
        return;
    s->attempts++;
    s->credit_us -= ATTEMPT_US;
    pid_t pid = fork();
    if (pid == 0)
        child_main(s, client, parent);
    if (pid > 0) {
        s->children[s->child_count].pid = pid;
        s->children[s->child_count++].attempt = s->attempts;
    } else {
        struct proxy_note n = { .kind = PROXY_ASKED,
                                .attempt = s->attempts,
                                .verdict = PROXY_REFUSED,
                                .why = "no process could be made for it" };
        (void)proxy_tell(s->server.notes, &n, -1);
    }
    close(client);
}

static void stop_listening(struct serving *s)
{
    struct proxy_note n = { .kind = PROXY_ASKED,
                            .attempt = s->attempts + 1,
                            .verdict = PROXY_REFUSED,
                            .why = "too many attempts: this sandbox gets no more" };
    (void)proxy_tell(s->server.notes, &n, -1);
    close(s->listener);
    s->listener = -1;
}

static void earn(struct serving *s)
{
    int64_t now = clock_mono_us();
    s->credit_us += now - s->last_us;
    s->last_us = now;
    if (s->credit_us > PROXY_BURST * ATTEMPT_US)
        s->credit_us = PROXY_BURST * ATTEMPT_US;
}

static void serve_once(struct serving *s)
{
    earn(s);
    bool broke = s->credit_us < ATTEMPT_US;
    bool open = s->listener >= 0 && s->child_count < PROXY_AT_ONCE && !broke;
    struct pollfd p[] = { { .fd = s->server.notes, .events = POLLIN },
                          { .fd = s->children_fd, .events = POLLIN },
                          { .fd = open ? s->listener : -1, .events = POLLIN } };
    int wait_ms = broke ? (int)((ATTEMPT_US - s->credit_us) / 1000) + 1 : -1;
    if (poll(p, ARRAY_LEN(p), wait_ms) < 0 && errno != EINTR)
        s->done = true;
    if (p[0].revents != 0) /* nothing is ever said this way but the end */
        s->done = true;
    if (p[1].revents != 0)
        reap(s);
    if (p[2].revents != 0 && !s->done) {
        take_connection(s);
        if (s->attempts == PROXY_ATTEMPTS)
            stop_listening(s);
    }
}

static void signal_children(const struct serving *s, int signo)
{
    for (size_t i = 0; i < s->child_count; i++)
        kill(s->children[i].pid, signo);
}

/* The sandbox is gone: those that are left tell how far they came. */
static void wind_up(struct serving *s)
{
    int64_t until = clock_mono_us() + GRACE_MS * 1000, left;
    signal_children(s, SIGTERM);
    while (s->child_count > 0 && (left = until - clock_mono_us()) > 0) {
        struct pollfd p = { .fd = s->children_fd, .events = POLLIN };
        (void)poll(&p, 1, (int)(left / 1000) + 1);
        reap(s);
    }
    signal_children(s, SIGKILL);
}

int proxy_serve(int argc, char **argv)
{
    struct serving *s = xcalloc(1, sizeof *s);
    if (!set_up(s, argc, argv))
        return 1;
    s->listener = take_listener();
    close(PROXY_FD_GUEST);
    s->last_us = clock_mono_us();
    s->credit_us = PROXY_BURST * ATTEMPT_US;
    while (!s->done)
        serve_once(s);
    wind_up(s);
    return 0;
}
