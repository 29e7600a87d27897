/* proxy_world.h - one connection of the proxy, in a process of its own as in the product. Names,
 * own addresses and connections to public ones are the test's. */
#ifndef AIRLOCK_TESTS_PROXY_WORLD_H
#define AIRLOCK_TESTS_PROXY_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "providers/proxy_int.h"

#define PATIENCE_MS 10000 /* only a hang gets near it */
#define ATTEMPT     7

/* ---- the world around it: found by the linker before the C library's ---- */

static struct {
    const char *addresses; /* what every name leads to, with blanks between; NULL: real ones */
    int error;             /* EAI_… */
    const char *own;       /* addresses of this machine; NULL: real ones, "-": can't be known */
    int stand_in;          /* port on loopback that public addresses lead to; 0: nowhere */
    const char *deaf;      /* a public address that refuses */
} fake;

static inline void put_address(struct sockaddr_storage *out, const char *text, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return;
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
}

static inline const char *next_word(const char **rest, char *out, size_t size)
{
    *rest += strspn(*rest, " ");
    size_t n = strcspn(*rest, " ");
    if (n == 0)
        return NULL;
    snprintf(out, size, "%.*s", (int)n, *rest);
    *rest += n;
    return out;
}

struct found {
    struct addrinfo ai;
    struct sockaddr_storage at;
};

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    char word[64];
    bool number = (hints->ai_flags & AI_NUMERICHOST) != 0;
    const char *rest = number ? name : fake.addresses;
    *out = NULL;
    if (!number && fake.error != 0)
        return fake.error;
    for (struct addrinfo **at = out; next_word(&rest, word, sizeof word) != NULL;) {
        struct found *f = xcalloc(1, sizeof *f);
        put_address(&f->at, word, (uint16_t)strtoul(service, NULL, 10));
        f->ai.ai_addr = (struct sockaddr *)(void *)&f->at;
        f->ai.ai_addrlen =
            f->at.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        *at = &f->ai;
        at = &f->ai.ai_next;
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

struct own {
    struct ifaddrs i;
    struct sockaddr_storage at;
};

int getifaddrs(struct ifaddrs **out)
{
    char word[64];
    const char *rest = fake.own;
    if (strcmp(fake.own, "-") == 0)
        return -1;
    *out = xcalloc(1, sizeof(struct own)); /* an interface without an address */
    struct ifaddrs **at = &(*out)->ifa_next;
    while (next_word(&rest, word, sizeof word) != NULL) {
        struct own *o = xcalloc(1, sizeof *o);
        put_address(&o->at, word, 0);
        o->i.ifa_addr = (struct sockaddr *)(void *)&o->at;
        *at = &o->i;
        at = &o->i.ifa_next;
    }
    return 0;
}

void freeifaddrs(struct ifaddrs *list)
{
    while (list != NULL) {
        struct ifaddrs *next = list->ifa_next;
        free(list);
        list = next;
    }
}

/* Nothing leaves this machine. */
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    struct sockaddr_storage at;
    char text[64] = "";
    if (to->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)to)->sin_addr, text, 64);
    if (allow_address_kind(to) != NULL)
        return (int)syscall(SYS_connect, fd, to, len);
    if (fake.stand_in == 0 || (fake.deaf != NULL && strcmp(text, fake.deaf) == 0)) {
        errno = ECONNREFUSED;
        return -1;
    }
    put_address(&at, "127.0.0.1", (uint16_t)fake.stand_in);
    return (int)syscall(SYS_connect, fd, &at, sizeof(struct sockaddr_in));
}

/* ---- one connection ---- */

struct world {
    struct proxy_server server;
    pid_t pid;
    int client, notes, listener, origin;
    int port; /* of the listener, on loopback */
};

static inline void set_up(struct world *w)
{
    *w = (struct world){ .client = -1, .notes = -1, .listener = -1, .origin = -1 };
    memset(&fake, 0, sizeof fake);
    fake.own = "127.0.0.1 ::1 8.8.4.4 2606:4700::1";
    w->server.shared = mmap(NULL, sizeof *w->server.shared, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(w->server.shared, MAP_FAILED);
}

static inline void allow(struct world *w, const char *item)
{
    assert_true(allow_rule_read(&w->server.rules[w->server.rule_count++], item));
}

/* A server on loopback, and what is allowed: its very address. */
static inline void listen_outside(struct world *w)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    char item[32];
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(w->listener, 4), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &len), 0);
    w->port = ntohs(at.sin_port);
    snprintf(item, sizeof item, "127.0.0.1:%d", w->port);
    allow(w, item);
}

/* Our ends are `client` and `notes`. The process leaves by exit(): its figures count. */
static inline void begin(struct world *w)
{
    int client[2], notes[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, notes), 0);
    assert_int_equal(fcntl(client[1], F_SETFL, O_NONBLOCK), 0);
    fflush(stdout);
    fflush(stderr);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0) {
        sigset_t later; /* as proxy_serve has it: heard while bytes are relayed */
        sigemptyset(&later);
        sigaddset(&later, SIGTERM);
        sigprocmask(SIG_SETMASK, &later, NULL);
        close(client[0]);
        close(notes[0]);
        if (w->listener >= 0)
            close(w->listener);
        w->server.notes = notes[1];
        proxy_talk(&w->server, client[1], ATTEMPT);
        exit(0);
    }
    close(client[1]);
    close(notes[1]);
    w->client = client[0];
    w->notes = notes[0];
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void await(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    if (poll(&p, 1, PATIENCE_MS) != 1)
        fail_msg("nothing comes");
}

/* The next note; `answer` (may be NULL) gets the descriptor it came with, or -1. false: the end. */
static inline bool hear(struct world *w, struct proxy_note *n, int *answer)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } with;
    struct iovec iov = { n, sizeof *n };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = with.space,
                        .msg_controllen = sizeof with.space };
    int fd = -1;
    await(w->notes, POLLIN);
    ssize_t got = recvmsg(w->notes, &m, MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return false;
    assert_int_equal(got, sizeof *n);
    assert_int_equal(n->attempt, ATTEMPT);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c != NULL)
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if (answer != NULL)
        *answer = fd;
    else
        assert_int_equal(fd, -1);
    return true;
}

/* It asks to be put on record; say `byte`. */
static inline void record(struct world *w, struct proxy_note *n, char byte)
{
    int answer;
    assert_true(hear(w, n, &answer));
    assert_int_equal(n->kind, PROXY_ASKED);
    assert_int_equal(n->verdict, PROXY_ALLOWED);
    assert_string_equal(n->why, "");
    assert_true(answer >= 0);
    assert_int_equal(send(answer, &byte, 1, MSG_NOSIGNAL), 1);
    close(answer);
}

/* All that still comes out of `fd`. Lent. */
static inline const char *read_all(int fd)
{
    static char text[16384];
    size_t len = 0;
    for (;;) {
        await(fd, POLLIN);
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        assert_true(len < sizeof text - 1);
    }
    text[len] = '\0';
    return text;
}

static inline void expect_closed(struct world *w, struct proxy_note *n)
{
    assert_true(hear(w, n, NULL));
    assert_int_equal(n->kind, PROXY_CLOSED);
    assert_true(n->ms >= 0);
}

/* It must have left by itself, with nothing more to tell. */
static inline void end(struct world *w)
{
    struct proxy_note n;
    int status;
    assert_false(hear(w, &n, NULL));
    if (w->client >= 0)
        close(w->client);
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(w->notes);
    if (w->origin >= 0)
        close(w->origin);
    if (w->listener >= 0)
        close(w->listener);
    munmap(w->server.shared, sizeof *w->server.shared);
}

/* The page that code inside reads. */
static inline void expect_page(struct world *w, const char *status, const char *kind,
                               const char *why)
{
    char head[256], body[256];
    const char *page = read_all(w->client);
    snprintf(body, sizeof body, "\r\n\r\nairlock: %s\n", why);
    snprintf(head, sizeof head,
             "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n", status,
             strlen(body) - 4);
    if (strncmp(page, head, strlen(head)) != 0 || strstr(page, body) == NULL ||
        strstr(page, kind) == NULL)
        fail_msg("not \"%s … %s\":\n%s", status, why, page);
}

#endif
