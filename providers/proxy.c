/* proxy.c - our side of the proxy: starts it, hears its notes, answers, ends it. */
#include "providers/proxy.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "providers/contract.h"
#include "providers/proxy_int.h"

#define NOTES_PER_TURN 32
#define FINISH_MS      100 /* the process gives its connections GRACE_MS of them */
#define DEATH_MS       1000

struct proxy {
    struct loop *loop;
    struct proc *proc;
    struct loop_source *on_notes;
    int notes;
    bool finishing; /* its end is expected */
    proxy_sink sink;
    void *arg;
};

const char *proxy_verdict_name(uint32_t verdict)
{
    switch (verdict) {
    case PROXY_ALLOWED:
        return "allowed";
    case PROXY_FAILED:
        return "failed";
    default:
        return "refused";
    }
}

/* ---- notes ---- */

static bool is_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    for (const char *c = text; end != NULL && c < end; c++)
        if (*c < 0x20 || *c > 0x7e)
            return false;
    return end != NULL;
}

/* It read what strangers wrote: it is believed like one. */
static bool note_is_whole(const struct proxy_note *n, size_t len)
{
    return len == sizeof *n && (n->kind == PROXY_ASKED || n->kind == PROXY_CLOSED) &&
           n->attempt <= PROXY_ATTEMPTS + 1 && n->port <= UINT16_MAX && n->ms >= 0 &&
           n->sent <= INT64_MAX && n->received <= INT64_MAX && is_text(n->host, sizeof n->host) &&
           is_text(n->method, sizeof n->method) && is_text(n->address, sizeof n->address) &&
           is_text(n->why, sizeof n->why);
}

static int answer_of(struct msghdr *m)
{
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static void hang_up(struct proxy *p)
{
    loop_remove(p->loop, p->on_notes);
    p->on_notes = NULL;
    close(p->notes);
    p->notes = -1;
}

/* One note. false: none now, or none ever again. */
static bool take_note(struct proxy *p)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } with;
    struct proxy_note note;
    struct iovec iov = { &note, sizeof note };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = with.space,
                        .msg_controllen = sizeof with.space };
    if (p->notes < 0)
        return false;
    ssize_t n = recvmsg(p->notes, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        if (!p->finishing)
            log_msg(LOG_ERROR, "proxy", "it ended: nothing gets out of the sandbox any more");
        hang_up(p);
        return false;
    }
    int to = answer_of(&m);
    bool on_record = note_is_whole(&note, (size_t)n) && p->sink(p->arg, &note);
    if (to >= 0) {
        (void)send(to, on_record ? "y" : "n", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(to);
    }
    return true;
}

static void on_notes(void *arg, int fd, unsigned events)
{
    struct proxy *p = arg;
    (void)fd, (void)events;
    for (int i = 0; i < NOTES_PER_TURN && take_note(p); i++)
        ;
}

/* ---- its life ---- */

static int spawn(struct proxy *p, const struct proxy_config *cfg, int guest, int notes,
                 struct err *e)
{
    static const char *const no_env[] = { NULL };
    const char *argv[CONTRACT_HOSTS_MAX + 2] = { "airlock-proxy" };
    INVARIANT(cfg->host_count <= CONTRACT_HOSTS_MAX);
    for (size_t i = 0; i < cfg->host_count; i++)
        argv[i + 1] = cfg->hosts[i];
    struct proc_spec spec = { .path = "/airlock-proxy",
                              .inside = proxy_serve,
                              .argv = argv,
                              .envp = no_env,
                              .fds = { { guest, PROXY_FD_GUEST }, { notes, PROXY_FD_NOTES } },
                              .fd_count = 2,
                              .new_session = true,
                              .drop_root = true,
                              .kill_on_death = true };
    return proc_spawn(cfg->launcher, &spec, &p->proc, e);
}

static int check_items(const struct proxy_config *cfg, struct err *e)
{
    struct allow_rule r;
    for (size_t i = 0; i < cfg->host_count; i++)
        if (!allow_rule_read(&r, cfg->hosts[i]))
            return err_set(e, ERR_USAGE, "network=allow: %.80s is no host", cfg->hosts[i]);
    return 0;
}

static int start(struct proxy *p, const struct proxy_config *cfg, int guest[2], int notes[2],
                 struct err *e)
{
    if (check_items(cfg, e) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, guest) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, notes) < 0)
        return err_sys(e, ERR_IO, "network=allow: socketpair");
    if (spawn(p, cfg, guest[0], notes[1], e) < 0)
        return err_wrap(e, "network=allow: the proxy");
    if (loop_add_fd(p->loop, notes[0], LOOP_READ, LOOP_NORMAL, on_notes, p, &p->on_notes, e) < 0)
        return -1;
    p->notes = notes[0];
    return 0;
}

static void close_if(int fd)
{
    if (fd >= 0)
        close(fd);
}

int proxy_start(struct proxy **out, const struct proxy_config *cfg, int *guest_end, struct err *e)
{
    struct proxy *p = xcalloc(1, sizeof *p);
    int guest[2] = { -1, -1 }, notes[2] = { -1, -1 };
    *p = (struct proxy){ .loop = cfg->loop, .notes = -1, .sink = cfg->sink, .arg = cfg->arg };
    int rc = start(p, cfg, guest, notes, e);
    close_if(guest[0]);
    close_if(notes[1]);
    if (rc < 0) {
        close_if(guest[1]);
        close_if(p->notes < 0 ? notes[0] : -1);
        proxy_free(p);
        return -1;
    }
    *guest_end = guest[1];
    *out = p;
    return 0;
}

void proxy_finish(struct proxy *p)
{
    if (p == NULL || p->notes < 0)
        return;
    int64_t until = clock_mono_us() + FINISH_MS * INT64_C(1000), left;
    p->finishing = true;
    (void)shutdown(p->notes, SHUT_WR);
    while (p->notes >= 0 && (left = until - clock_mono_us()) > 0) {
        struct pollfd f = { .fd = p->notes, .events = POLLIN };
        if (poll(&f, 1, (int)(left / 1000) + 1) > 0)
            (void)take_note(p);
    }
    if (p->notes >= 0)
        hang_up(p);
}

void proxy_free(struct proxy *p)
{
    struct err e = ERR_INIT;
    int status;
    if (p == NULL)
        return;
    if (p->notes >= 0)
        hang_up(p);
    if (p->proc != NULL) {
        (void)proc_kill(p->proc, SIGKILL);
        if (proc_wait(p->proc, DEATH_MS, &status, &e) < 0)
            log_msg(LOG_ERROR, "proxy", "%s", e.msg);
    }
    proc_free(p->proc);
    free(p);
}
