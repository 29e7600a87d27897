/* errand.c - both ends of an errand: what is asked, and what comes back. */
#include "base/errand.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc_wire.h"

#define REPLY_MS 10000 /* a disk may be slow; nothing here waits for a person */

struct errand {
    struct proc *proc;
    int sock;
};

int errand_begin(struct errand **out, struct launcher *l, int (*inside)(int, char **),
                 const char *const *argv, int fd, struct err *e)
{
    static const char *const no_env[] = { NULL };
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        (void)err_sys(e, ERR_IO, "%s: socketpair", argv[0]);
        return -1;
    }
    char *cwd = getcwd(NULL, 0);
    struct proc_spec spec = { .path = "/errand",
                              .inside = inside,
                              .argv = argv,
                              .envp = no_env,
                              .cwd = cwd,
                              .fds = { { ends[1], ERRAND_SOCKET }, { fd, ERRAND_GIVEN } },
                              .fd_count = fd >= 0 ? 2 : 1,
                              .new_session = true };
    struct proc *p = NULL;
    int rc = proc_spawn(l, &spec, &p, e);
    free(cwd);
    close(ends[1]);
    if (rc < 0) {
        close(ends[0]);
        (void)err_wrap(e, "%s", argv[0]);
        return -1;
    }
    struct errand *er = xcalloc(1, sizeof *er);
    *er = (struct errand){ .proc = p, .sock = ends[0] };
    *out = er;
    return 0;
}

/* -1: errno; 0: it is gone; 1: *r and *fd. */
static int receive(struct errand *er, struct errand_reply *r, int *fd)
{
    int64_t until = clock_mono_us() + (int64_t)REPLY_MS * 1000;
    for (;;) {
        int fds[WIRE_FDS_MAX];
        size_t count;
        ssize_t n = wire_recv(er->sock, r, sizeof *r, fds, &count, false);
        *fd = n > 0 && count > 0 ? fds[0] : -1;
        if (n >= 0 || errno != EAGAIN)
            return n == (ssize_t)sizeof *r ? 1 : n < 0 ? -1 : 0;
        int64_t left = until - clock_mono_us();
        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        struct pollfd p = { .fd = er->sock, .events = POLLIN };
        (void)poll(&p, 1, (int)(left / 1000) + 1);
    }
}

int errand_wait(struct errand *er, int64_t *number, int *fd, struct err *e)
{
    struct errand_reply r;
    int came = -1, got = receive(er, &r, &came);
    if (fd != NULL)
        *fd = got == 1 && r.err.code == ERR_NONE ? came : -1;
    if (came >= 0 && (fd == NULL || *fd < 0))
        close(came);
    if (got < 0)
        return err_sys(e, ERR_IO, "the launcher's helper");
    if (got == 0)
        return err_set(e, ERR_IO, "the launcher's helper ended without an answer");
    if (r.err.code != ERR_NONE) {
        if (e != NULL)
            *e = r.err;
        return -1;
    }
    if (number != NULL)
        *number = r.number;
    return 0;
}

int errand_say(struct errand *er, char letter, struct err *e)
{
    if (wire_send(er->sock, &letter, 1, NULL, 0, NULL, 0, false) < 0)
        return err_sys(e, ERR_IO, "the launcher's helper");
    return 0;
}

void errand_end(struct errand *er)
{
    if (er == NULL)
        return;
    close(er->sock);
    proc_free(er->proc);
    free(er);
}

int errand_run(struct launcher *l, int (*inside)(int, char **), const char *const *argv, int given,
               int64_t *number, int *fd, struct err *e)
{
    struct errand *er = NULL;
    if (errand_begin(&er, l, inside, argv, given, e) < 0)
        return -1;
    int rc = errand_wait(er, number, fd, e);
    errand_end(er);
    return rc;
}

/* ---- inside */

void errand_reply(const struct errand_reply *r, int fd)
{
    (void)wire_send(ERRAND_SOCKET, r, sizeof *r, NULL, 0, &fd, fd >= 0, true);
}

char errand_hear(void)
{
    int fds[WIRE_FDS_MAX];
    size_t count;
    char letter;
    return wire_recv(ERRAND_SOCKET, &letter, 1, fds, &count, true) == 1 ? letter : '\0';
}
