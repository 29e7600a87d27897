/* main.c - the guest's set-up and its one loop. See guest.h for the map, proto.h for the language.
 */
#include "guest.h"

#include <errno.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MAX  64
#define DEAD_MAX 64

static int signals;

/* The one way out: whoever accepts from this socket is outside. */
static void open_proxy_port(const char *number)
{
    int to = (int)strtol(number, NULL, 10), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(GUEST_PROXY_PORT),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0 ||
        !channel_send(to, "p", &fd, 1))
        guest_die("guest: no port for the proxy");
    close(fd);
}

static void set_up(void)
{
    sigset_t watched;
    close_range(3, ~0U, 0);    /* what a wall left open is not for the code behind us */
    prctl(PR_SET_DUMPABLE, 0); /* our memory and descriptors are nobody's */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGHUP);
    sigprocmask(SIG_SETMASK, &watched, NULL);
    signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || chdir(GUEST_WORKSPACE) != 0)
        guest_die("guest: no " GUEST_WORKSPACE " here");
    umask(022);
    for (int i = 0; i < LANG_COUNT; i++)
        interps[i].language = (enum language)i;
}

/* Deaths that mean something, until the loop comes to them; the rest only counted as processes. */
static struct {
    pid_t pid;
    int status;
} dead[DEAD_MAX];
static size_t dead_count;

void reap_zombies(void)
{
    int status;
    pid_t pid;
    while (dead_count < DEAD_MAX && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
        bool known = frozen_is_pid(pid);
        for (int i = 0; i < LANG_COUNT; i++)
            known = known || interps[i].pid == pid;
        if (known) {
            dead[dead_count].pid = pid;
            dead[dead_count++].status = status;
        }
    }
}

static void bury(void)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info) {
        /* From outside the namespace, whose pids have no number in here; not from the code. */
        if (info.ssi_signo == SIGTERM && (info.ssi_pid == 0 || getpid() != 1)) {
            procs_sweep(-1);
            _exit(0);
        }
    }
    reap_zombies();
    for (size_t n = 0; n < dead_count; n++) {
        for (int i = 0; i < LANG_COUNT; i++) {
            if (interps[i].pid == dead[n].pid)
                interp_died(&interps[i], dead[n].status);
        }
        frozen_died(dead[n].pid);
    }
    dead_count = 0;
}

static int wait_ms(void)
{
    int64_t at = limits_deadline_us(), other = frozen_deadline_us();
    if (other != 0 && (at == 0 || other < at))
        at = other;
    if (at == 0)
        return -1;
    int64_t left = at - now_us();
    return left <= 0 ? 0 : (int)(left / 1000 + 1);
}

/* Descriptors of the interpreters; what the host can't take now is not read. */
static size_t poll_interps(struct pollfd *fds)
{
    size_t n = 0;
    for (int i = 0; i < LANG_COUNT; i++) {
        struct interp *in = &interps[i];
        if (in->pid != 0 && !stream_is_choked())
            fds[n++] = (struct pollfd){ .fd = in->ctl, .events = POLLIN };
        if (run_wants_pipe(in, 0))
            fds[n++] = (struct pollfd){ .fd = in->out[0], .events = POLLIN };
        if (run_wants_pipe(in, 1))
            fds[n++] = (struct pollfd){ .fd = in->err[0], .events = POLLIN };
    }
    return n;
}

static void interps_ready(const struct pollfd *fds, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        for (int i = 0; i < LANG_COUNT && fds[k].revents != 0; i++) {
            struct interp *in = &interps[i];
            if (in->args <= 0)
                continue;
            if (fds[k].fd == in->out[0] || fds[k].fd == in->err[0])
                run_relay(in);
            else if (in->pid != 0 && fds[k].fd == in->ctl)
                interp_read(in);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        open_proxy_port(argv[1]);
    set_up();
    stream_open(STDIN_FILENO, STDOUT_FILENO);
    hello_send();
    for (;;) {
        struct pollfd fds[FDS_MAX] = { { .fd = stream_in_fd(), .events = POLLIN },
                                       { .fd = signals, .events = POLLIN } };
        stream_flush();
        size_t n = 2;
        if (stream_wants_write())
            fds[n++] = (struct pollfd){ .fd = stream_out_fd(), .events = POLLOUT };
        size_t from = n;
        n += poll_interps(fds + n);
        size_t copies = n;
        n += frozen_poll(fds + n, FDS_MAX - n);
        bool more = (files_getting() && stream_room() > 0) || dead_count > 0;
        int timeout = more ? 0 : wait_ms();
        if (poll(fds, n, timeout) < 0 && errno != EINTR)
            guest_die("guest: poll failed");
        interps_ready(fds + from, copies - from);
        frozen_ready(fds + copies, n - copies);
        if (fds[1].revents != 0 || dead_count > 0)
            bury();
        if (fds[0].revents != 0)
            stream_read();
        files_relay();
        int64_t now = now_us();
        limits_tick(now);
        frozen_tick(now);
    }
}
