/* proxy_talk.c - one connection of the proxy: request, verdict, record, then bytes both ways. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "providers/proxy_int.h"

#define CANDIDATES_MAX 8
#define RELAY_BYTES    (64u << 10)

struct talk {
    const struct proxy_server *server;
    int client, origin;
    struct proxy_note note;
    int64_t asked_us;
    struct proxy_head head;
    struct buf in, onward; /* what the client said; the plain request as it goes on */
    size_t head_len;
    struct sockaddr_storage candidates[CANDIDATES_MAX];
    size_t candidate_count;
};

bool proxy_tell(int notes, const struct proxy_note *n, int answer)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } with = { .space = { 0 } };
    struct iovec iov = { (void *)(uintptr_t)n, sizeof *n };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (answer >= 0) {
        m.msg_control = with.space;
        m.msg_controllen = CMSG_SPACE(sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &answer, sizeof answer);
    }
    ssize_t sent;
    do
        sent = sendmsg(notes, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *n;
}

/* ---- bytes with a deadline ---- */

static bool wait_for(int fd, short events, int64_t until_us)
{
    struct pollfd p = { .fd = fd, .events = events };
    int64_t left;
    while ((left = until_us - clock_mono_us()) > 0) {
        int n = poll(&p, 1, (int)(left / 1000) + 1);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
    return false;
}

static bool send_all(int fd, const char *p, size_t len)
{
    int64_t until = clock_mono_us() + PROXY_IDLE_MS * INT64_C(1000);
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0 && !wait_for(fd, POLLOUT, until))
            return false;
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The head, and whatever came along with it. */
static bool read_head(struct talk *t)
{
    int64_t until = clock_mono_us() + PROXY_HEAD_MS * INT64_C(1000);
    while ((t->head_len = proxy_head_len(t->in.ptr, t->in.len)) == 0) {
        char *room = buf_reserve(&t->in, 4096);
        if (room == NULL || !wait_for(t->client, POLLIN, until))
            return false;
        ssize_t n = recv(t->client, room, 4096, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        buf_grew(&t->in, n > 0 ? (size_t)n : 0);
    }
    return true;
}

/* ---- verdicts ---- */

static void say_why(struct talk *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say_why(struct talk *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->note.why, sizeof t->note.why, fmt, ap);
    va_end(ap);
}

/* The code inside reads why, as the person does. */
static void answer(struct talk *t, const char *status)
{
    char page[512];
    int body = (int)strlen(t->note.why) + 10;
    int n = snprintf(page, sizeof page,
                     "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
                     "X-Proxy-Error: %s\r\nConnection: close\r\n\r\nairlock: %s\n",
                     status, body, t->note.verdict == PROXY_FAILED ? "unreachable" : "refused",
                     t->note.why);
    if (n > 0 && (size_t)n < sizeof page)
        (void)send_all(t->client, page, (size_t)n);
    (void)shutdown(t->client, SHUT_WR);
}

static void refuse(struct talk *t, enum proxy_verdict verdict, const char *status)
{
    t->note.kind = PROXY_ASKED;
    t->note.verdict = verdict;
    (void)proxy_tell(t->server->notes, &t->note, -1);
    answer(t, status);
}

static bool read_request(struct talk *t)
{
    struct err e = ERR_INIT;
    if (!read_head(t)) {
        say_why(t, t->in.len == 0 ? "nothing was asked" : "the request is not whole");
        refuse(t, PROXY_REFUSED, "400 Bad Request");
        return false;
    }
    if (proxy_head_read(&t->head, &t->onward, t->in.ptr, t->head_len, &e) < 0) {
        say_why(t, "%.150s", e.msg);
        refuse(t, PROXY_REFUSED, "400 Bad Request");
        return false;
    }
    snprintf(t->note.method, sizeof t->note.method, "%s", t->head.connect ? "CONNECT" : "HTTP");
    snprintf(t->note.host, sizeof t->note.host, "%s", t->head.host.name);
    t->note.port = t->head.port;
    return true;
}

static bool is_listed(struct talk *t)
{
    const struct proxy_server *s = t->server;
    if (atomic_load(&s->shared->bytes) >= PROXY_BYTES_MAX) {
        say_why(t, "this sandbox has moved all the bytes it may");
        refuse(t, PROXY_REFUSED, "503 Service Unavailable");
        return false;
    }
    if (allow_find(s->rules, s->rule_count, &t->head.host, t->head.port) != NULL)
        return true;
    say_why(t, "not on the allow list");
    refuse(t, PROXY_REFUSED, "403 Forbidden");
    return false;
}

/* ---- names ---- */

static const struct talk *resolving;

/* A resolver can't be told to hurry. Only calls that a handler may make. */
static void on_alarm(int signo)
{
    static struct proxy_note n;
    (void)signo;
    if (resolving != NULL) {
        n = resolving->note;
        n.kind = PROXY_ASKED;
        n.verdict = PROXY_FAILED;
        memcpy(n.why, "the name did not resolve in time", 33);
        (void)send(resolving->server->notes, &n, sizeof n, MSG_NOSIGNAL);
    }
    _exit(0);
}

static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
    const uint8_t *a4 = allow_address_v4(a), *b4 = allow_address_v4(b);
    if (a4 != NULL && b4 != NULL)
        return memcmp(a4, b4, 4) == 0;
    return a->sa_family == AF_INET6 && b->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, 16) == 0;
}

/* An address of this machine, whatever range it is in and however it is written. */
static bool is_own(const struct sockaddr *sa)
{
    struct ifaddrs *list;
    bool own = false;
    if (getifaddrs(&list) < 0)
        return true;
    for (const struct ifaddrs *i = list; i != NULL && !own; i = i->ifa_next)
        own = i->ifa_addr != NULL && is_same(i->ifa_addr, sa);
    freeifaddrs(list);
    return own;
}

static void print_address(const struct sockaddr_storage *ss, char *out, size_t size)
{
    const void *at = ss->ss_family == AF_INET6
                         ? (const void *)&((const struct sockaddr_in6 *)(const void *)ss)->sin6_addr
                         : (const void *)&((const struct sockaddr_in *)(const void *)ss)->sin_addr;
    if (inet_ntop(ss->ss_family, at, out, (socklen_t)size) == NULL)
        snprintf(out, size, "?");
}

/* Keep what may be reached. An address that the list names itself is what the person meant. */
static void add_candidate(struct talk *t, const struct addrinfo *ai)
{
    const char *kind = allow_address_kind(ai->ai_addr);
    struct sockaddr_storage ss = { 0 };
    if (ai->ai_addrlen > sizeof ss || t->candidate_count == CANDIDATES_MAX)
        return;
    memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
    if (kind == NULL && is_own(ai->ai_addr))
        kind = "this machine's own";
    if (!t->head.host.is_address && kind != NULL) {
        char text[INET6_ADDRSTRLEN];
        print_address(&ss, text, sizeof text);
        say_why(t, "the name leads to %s, which is %s", text, kind);
        return;
    }
    t->candidates[t->candidate_count++] = ss;
}

static bool resolve(struct talk *t)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags =
                                  AI_NUMERICSERV | (t->head.host.is_address ? AI_NUMERICHOST : 0) },
                    *list = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", t->head.port);
    signal(SIGALRM, on_alarm);
    resolving = t;
    alarm(PROXY_RESOLVE_S);
    int rc = getaddrinfo(t->head.host.name, port, &hints, &list);
    alarm(0);
    resolving = NULL;
    for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next)
        add_candidate(t, ai);
    if (list != NULL)
        freeaddrinfo(list);
    if (rc != 0) {
        say_why(t, "the name does not resolve: %s", gai_strerror(rc));
        refuse(t, PROXY_FAILED, "502 Bad Gateway");
        return false;
    }
    if (t->candidate_count == 0) {
        refuse(t, PROXY_REFUSED, "403 Forbidden");
        return false;
    }
    t->note.why[0] = '\0';
    return true;
}

/* ---- on record, then out ---- */

/* Nothing leaves before the one who records it says so. */
static bool is_recorded(struct talk *t)
{
    int pair[2];
    char byte = 0;
    t->note.kind = PROXY_ASKED;
    t->note.verdict = PROXY_ALLOWED;
    t->asked_us = clock_mono_us();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    bool told = proxy_tell(t->server->notes, &t->note, pair[1]);
    close(pair[1]);
    bool yes = told && wait_for(pair[0], POLLIN, t->asked_us + PROXY_TOLD_MS * INT64_C(1000)) &&
               recv(pair[0], &byte, 1, 0) == 1 && byte == 'y';
    close(pair[0]);
    if (!yes) {
        say_why(t, "the attempt could not be recorded");
        answer(t, "503 Service Unavailable");
    }
    return yes;
}

static int connect_one(const struct sockaddr_storage *ss)
{
    int error = 0;
    socklen_t len = sizeof error;
    socklen_t size =
        ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(ss->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)(const void *)ss, size) == 0)
        return fd;
    if (errno == EINPROGRESS) {
        errno = ETIMEDOUT;
        if (wait_for(fd, POLLOUT, clock_mono_us() + PROXY_CONNECT_MS * INT64_C(1000)) &&
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0) {
            if (error == 0)
                return fd;
            errno = error;
        }
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool connect_out(struct talk *t)
{
    for (size_t i = 0; i < t->candidate_count && t->origin < 0; i++) {
        t->origin = connect_one(&t->candidates[i]);
        if (t->origin >= 0)
            print_address(&t->candidates[i], t->note.address, sizeof t->note.address);
        else
            say_why(t, "could not connect: %s", strerror(errno));
    }
    if (t->origin >= 0) {
        t->note.why[0] = '\0';
        return true;
    }
    t->note.verdict = PROXY_FAILED;
    answer(t, "502 Bad Gateway");
    return false;
}

/* ---- both ways ---- */

struct way {
    int from, to;
    uint64_t *count;
    char held[RELAY_BYTES];
    size_t at, len;
    bool ended; /* `from` has, and `to` was told */
};

/* One read or write of what can go on. false: the connection is over. */
static bool move(struct talk *t, struct way *w)
{
    if (w->len == 0 && !w->ended) {
        ssize_t n = recv(w->from, w->held, sizeof w->held, 0);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0) {
            w->ended = true;
            (void)shutdown(w->to, SHUT_WR);
            return true;
        }
        w->at = 0;
        w->len = (size_t)n;
        *w->count += (uint64_t)n;
        if (atomic_fetch_add(&t->server->shared->bytes, (uint64_t)n) + (uint64_t)n >
            PROXY_BYTES_MAX) {
            say_why(t, "this sandbox has moved all the bytes it may");
            return false;
        }
    }
    while (w->len > 0) {
        ssize_t n = send(w->to, w->held + w->at, w->len, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        w->at += (size_t)n;
        w->len -= (size_t)n;
    }
    return true;
}

static void want(struct pollfd *from, struct pollfd *to, const struct way *w)
{
    if (w->len > 0)
        to->events |= POLLOUT;
    else if (!w->ended)
        from->events |= POLLIN;
}

static volatile sig_atomic_t told_to_end;

static void on_end(int signo)
{
    (void)signo;
    told_to_end = 1;
}

static void relay(struct talk *t)
{
    static struct way out, in;
    const struct timespec patience = { .tv_sec = PROXY_IDLE_MS / 1000 };
    sigset_t none;
    sigemptyset(&none);
    signal(SIGTERM, on_end);
    out = (struct way){ .from = t->client, .to = t->origin, .count = &t->note.sent };
    in = (struct way){ .from = t->origin, .to = t->client, .count = &t->note.received };
    while (!out.ended || !in.ended) {
        struct pollfd p[2] = { { .fd = t->client }, { .fd = t->origin } };
        want(&p[0], &p[1], &out);
        want(&p[1], &p[0], &in);
        int n = ppoll(p, 2, &patience, &none);
        if (told_to_end) {
            say_why(t, "the sandbox ended");
            return;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            say_why(t, "nothing moved for %d s", PROXY_IDLE_MS / 1000);
            return;
        }
        /* A sandbox that is gone hangs up for good; what the other side still says is for nobody.
         */
        if (!move(t, &out) || !move(t, &in) || (p[0].revents & (POLLHUP | POLLERR)) != 0)
            return;
    }
}

/* The first bytes: our yes to a tunnel, or the plain request; then what came behind the head. */
static bool begin(struct talk *t)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    const char *rest = t->in.ptr + t->head_len;
    size_t len = t->in.len - t->head_len;
    if (t->head.connect ? !send_all(t->client, yes, sizeof yes - 1)
                        : !send_all(t->origin, t->onward.ptr, t->onward.len))
        return false;
    t->note.sent += t->head.connect ? 0 : t->onward.len;
    t->note.sent += len;
    return send_all(t->origin, rest, len);
}

void proxy_talk(const struct proxy_server *s, int client, uint32_t attempt)
{
    struct talk t = { .server = s, .client = client, .origin = -1 };
    t.note.attempt = attempt;
    buf_init(&t.in, PROXY_HEAD_MAX);
    buf_init(&t.onward, 2 * PROXY_HEAD_MAX);
    if (read_request(&t) && is_listed(&t) && resolve(&t) && is_recorded(&t)) {
        if (connect_out(&t) && begin(&t))
            relay(&t);
        t.note.kind = PROXY_CLOSED;
        t.note.ms = (clock_mono_us() - t.asked_us) / 1000;
        (void)proxy_tell(s->notes, &t.note, -1);
    }
    if (t.origin >= 0)
        close(t.origin);
    close(client);
    buf_release(&t.in);
    buf_release(&t.onward);
}
