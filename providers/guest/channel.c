/* channel.c - sockets between the guest and its processes that carry descriptors and attest who
 * spoke. */
#include "guest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

ssize_t channel_recv(int fd, void *p, size_t n, pid_t *pid)
{
    union {
        char space[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } with;
    struct iovec iov = { p, n };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = with.space,
                        .msg_controllen = sizeof with.space };
    ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); got > 0 && c != NULL; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred cred;
            memcpy(&cred, CMSG_DATA(c), sizeof cred);
            *pid = cred.pid;
        }
    }
    return got;
}

bool channel_make(int sv[2])
{
    int on = 1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
        return false;
    setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    fcntl(sv[0], F_SETFL, O_NONBLOCK);
    return true;
}

bool channel_send(int to, const char *line, const int *fds, size_t n)
{
    union {
        char space[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } with = { .space = { 0 } };
    struct iovec iov = { (void *)(uintptr_t)line, strlen(line) };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = with.space,
                        .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
    struct cmsghdr *c = &with.align; /* as CMSG_FIRSTHDR(&m) */
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    return sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)iov.iov_len;
}
