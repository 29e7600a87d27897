/* test_proxy_talk.c - one connection of the proxy, in a process of its own as in the product: what
 * is refused and how that is told, which addresses a name may lead to, the record before anything
 * goes out, and bytes both ways. Names, own addresses and connections to public ones are the
 * test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

static void put_address(struct sockaddr_storage *out, const char *text, uint16_t port)
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

static const char *next_word(const char **rest, char *out, size_t size)
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

static void set_up(struct world *w)
{
    *w = (struct world){ .client = -1, .notes = -1, .listener = -1, .origin = -1 };
    memset(&fake, 0, sizeof fake);
    fake.own = "127.0.0.1 ::1 8.8.4.4 2606:4700::1";
    w->server.shared = mmap(NULL, sizeof *w->server.shared, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(w->server.shared, MAP_FAILED);
}

static void allow(struct world *w, const char *item)
{
    assert_true(allow_rule_read(&w->server.rules[w->server.rule_count++], item));
}

/* A server on loopback, and what is allowed: its very address. */
static void listen_outside(struct world *w)
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
static void begin(struct world *w)
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

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void await(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    if (poll(&p, 1, PATIENCE_MS) != 1)
        fail_msg("nothing comes");
}

/* The next note; `answer` (may be NULL) gets the descriptor it came with, or -1. false: the end. */
static bool hear(struct world *w, struct proxy_note *n, int *answer)
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
static void record(struct world *w, struct proxy_note *n, char byte)
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
static const char *read_all(int fd)
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

static void expect_closed(struct world *w, struct proxy_note *n)
{
    assert_true(hear(w, n, NULL));
    assert_int_equal(n->kind, PROXY_CLOSED);
    assert_true(n->ms >= 0);
}

/* It must have left by itself, with nothing more to tell. */
static void end(struct world *w)
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
static void expect_page(struct world *w, const char *status, const char *kind, const char *why)
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

/* ---- refused ---- */

static void what_reaches_nobody_is_told_and_why(void **state)
{
    static const struct {
        const char *says, *method, *host;
        uint32_t port;
        const char *status, *why;
    } rows[] = {
        { "", "", "", 0, "400 Bad Request", "nothing was asked" },
        { "CONNECT a.example:443 HTTP/1.1\r\n", "", "", 0, "400 Bad Request",
          "the request is not whole" },
        { "nonsense\r\n\r\n", "", "", 0, "400 Bad Request", "not an HTTP request" },
        { "CONNECT b.example:443 HTTP/1.1\r\n\r\n", "CONNECT", "b.example", 443, "403 Forbidden",
          "not on the allow list" },
        { "CONNECT a.example:22 HTTP/1.1\r\n\r\n", "CONNECT", "a.example", 22, "403 Forbidden",
          "not on the allow list" },
        { "GET http://B.example/x HTTP/1.1\r\nA: b\r\n\r\n", "HTTP", "b.example", 80,
          "403 Forbidden", "not on the allow list" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        struct proxy_note n;
        set_up(&w);
        allow(&w, "a.example");
        begin(&w);
        say(w.client, rows[i].says);
        assert_int_equal(shutdown(w.client, SHUT_WR), 0);
        assert_true(hear(&w, &n, NULL));
        assert_int_equal(n.kind, PROXY_ASKED);
        assert_int_equal(n.verdict, PROXY_REFUSED);
        assert_string_equal(n.method, rows[i].method);
        assert_string_equal(n.host, rows[i].host);
        assert_int_equal(n.port, rows[i].port);
        assert_string_equal(n.why, rows[i].why);
        expect_page(&w, rows[i].status, "X-Proxy-Error: refused\r\n", rows[i].why);
        end(&w);
    }
}

static void a_head_without_end_is_not_kept(void **state)
{
    static char blob[PROXY_HEAD_MAX + 8192];
    struct world w;
    struct proxy_note n;
    size_t sent = 0;
    (void)state;
    memset(blob, 'a', sizeof blob);
    set_up(&w);
    begin(&w);
    while (sent < sizeof blob) {
        ssize_t k = send(w.client, blob + sent, sizeof blob - sent, MSG_NOSIGNAL);
        if (k < 0)
            break;
        sent += (size_t)k;
    }
    assert_true(hear(&w, &n, NULL));
    assert_string_equal(n.why, "the request is not whole");
    assert_string_equal(n.host, "");
    end(&w);
}

static void all_bytes_spent_is_the_end(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    set_up(&w);
    allow(&w, "a.example");
    atomic_store(&w.server.shared->bytes, PROXY_BYTES_MAX);
    begin(&w);
    say(w.client, "CONNECT a.example:443 HTTP/1.1\r\n\r\n");
    assert_true(hear(&w, &n, NULL));
    assert_int_equal(n.verdict, PROXY_REFUSED);
    expect_page(&w, "503 Service Unavailable", "refused",
                "this sandbox has moved all the bytes it may");
    end(&w);
}

/* ---- names ---- */

static void names_lead_only_to_public_addresses(void **state)
{
    static const struct {
        const char *addresses, *own, *why; /* why NULL: it is allowed */
    } rows[] = {
        { "127.0.0.1", NULL, "the name leads to 127.0.0.1, which is loopback" },
        { "::1", NULL, "the name leads to ::1, which is loopback" },
        { "10.0.0.1 169.254.169.254", NULL,
          "the name leads to 169.254.169.254, which is cloud metadata" },
        { "fd00::1", NULL, "the name leads to fd00::1, which is private" },
        { "::ffff:192.168.1.1", NULL, "the name leads to ::ffff:192.168.1.1, which is private" },
        { "8.8.4.4", NULL, "the name leads to 8.8.4.4, which is this machine's own" },
        { "::ffff:8.8.4.4", NULL, "the name leads to ::ffff:8.8.4.4, which is this machine's own" },
        { "64:ff9b::8.8.4.4", NULL,
          "the name leads to 64:ff9b::808:404, which is this machine's own" },
        { "2606:4700::1", NULL, "the name leads to 2606:4700::1, which is this machine's own" },
        { "8.8.8.8", "-", "the name leads to 8.8.8.8, which is this machine's own" },
        { "8.8.8.8", NULL, NULL },
        { "2606:4700::2", NULL, NULL },
        { "10.0.0.1 8.8.8.8", NULL, NULL }, /* what may not be reached is left out */
        { "8.8.8.8 10.0.0.1", NULL, NULL },
        { "8.8.8.1 8.8.8.2 8.8.8.3 8.8.8.4 8.8.8.5 8.8.8.6 8.8.8.7 8.8.8.8 8.8.8.9 8.8.8.10", NULL,
          NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world w;
        struct proxy_note n;
        set_up(&w);
        allow(&w, "a.example");
        fake.addresses = rows[i].addresses;
        if (rows[i].own != NULL)
            fake.own = rows[i].own;
        begin(&w);
        say(w.client, "CONNECT a.example:443 HTTP/1.1\r\n\r\n");
        if (rows[i].why != NULL) {
            assert_true(hear(&w, &n, NULL));
            assert_int_equal(n.verdict, PROXY_REFUSED);
            assert_string_equal(n.why, rows[i].why);
            expect_page(&w, "403 Forbidden", "refused", rows[i].why);
        } else {
            record(&w, &n, 'n');
            expect_page(&w, "503 Service Unavailable", "refused",
                        "the attempt could not be recorded");
        }
        end(&w);
    }
}

static void a_name_that_does_not_resolve_failed(void **state)
{
    struct world w;
    struct proxy_note n;
    char why[160];
    (void)state;
    set_up(&w);
    allow(&w, "a.example");
    fake.error = EAI_NONAME;
    begin(&w);
    say(w.client, "CONNECT a.example:443 HTTP/1.1\r\n\r\n");
    assert_true(hear(&w, &n, NULL));
    assert_int_equal(n.verdict, PROXY_FAILED);
    snprintf(why, sizeof why, "the name does not resolve: %s", gai_strerror(EAI_NONAME));
    assert_string_equal(n.why, why);
    expect_page(&w, "502 Bad Gateway", "X-Proxy-Error: unreachable\r\n", why);
    end(&w);
}

/* ---- the record ---- */

enum record_end { SAYS_NO, SAYS_NOTHING, IS_GONE, RECORD_ENDS };

static void nothing_goes_out_before_it_is_on_record(void **state)
{
    (void)state;
    for (enum record_end how = SAYS_NO; how < RECORD_ENDS; how++) {
        struct world w;
        struct proxy_note n;
        int answer;
        set_up(&w);
        listen_outside(&w);
        begin(&w);
        if (how == IS_GONE)
            close(w.notes);
        char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n", w.port);
        say(w.client, ask);
        free(ask);
        if (how == SAYS_NO)
            record(&w, &n, 'n');
        if (how == SAYS_NOTHING) {
            assert_true(hear(&w, &n, &answer));
            close(answer);
        }
        expect_page(&w, "503 Service Unavailable", "refused", "the attempt could not be recorded");
        if (how == IS_GONE)
            w.notes = open("/dev/null", O_RDONLY | O_CLOEXEC);
        struct pollfd p = { .fd = w.listener, .events = POLLIN };
        assert_int_equal(poll(&p, 1, 0), 0);
        if (how == IS_GONE) {
            int status;
            assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
            assert_int_equal(status, 0);
            close(w.client);
            close(w.notes);
            close(w.listener);
            munmap(w.server.shared, sizeof *w.server.shared);
        } else {
            end(&w);
        }
    }
}

static void who_does_not_answer_is_told_of(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    set_up(&w);
    listen_outside(&w);
    close(w.listener); /* nobody is there any more */
    w.listener = -1;
    begin(&w);
    char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n", w.port);
    say(w.client, ask);
    free(ask);
    record(&w, &n, 'y');
    expect_closed(&w, &n);
    assert_int_equal(n.verdict, PROXY_FAILED);
    assert_string_equal(n.why, "could not connect: Connection refused");
    assert_string_equal(n.address, "");
    expect_page(&w, "502 Bad Gateway", "X-Proxy-Error: unreachable\r\n", n.why);
    end(&w);
}

/* ---- both ways ---- */

static void accept_origin(struct world *w)
{
    await(w->listener, POLLIN);
    w->origin = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(w->origin >= 0);
}

/* As far as the yes; `more` comes right behind the head. */
static void open_tunnel(struct world *w, const char *more)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    char got[sizeof yes] = "";
    struct proxy_note n;
    set_up(w);
    listen_outside(w);
    begin(w);
    char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n%s", w->port, more);
    say(w->client, ask);
    free(ask);
    record(w, &n, 'y');
    accept_origin(w);
    await(w->client, POLLIN);
    assert_int_equal(recv(w->client, got, sizeof yes - 1, MSG_WAITALL), sizeof yes - 1);
    assert_string_equal(got, yes);
}

static void a_tunnel_carries_both_ways_until_both_are_done(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    open_tunnel(&w, "early ");
    say(w.client, "and late");
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    assert_string_equal(read_all(w.origin), "early and late");
    say(w.origin, "answer"); /* half a connection is enough for it */
    assert_int_equal(shutdown(w.origin, SHUT_WR), 0);
    assert_string_equal(read_all(w.client), "answer");
    expect_closed(&w, &n);
    assert_int_equal(n.sent, 14);
    assert_int_equal(n.received, 6);
    assert_string_equal(n.why, "");
    assert_string_equal(n.address, "127.0.0.1");
    assert_int_equal(atomic_load(&w.server.shared->bytes), 8 + 6);
    end(&w);
}

static void a_name_is_reached_at_the_first_address_that_answers(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    set_up(&w);
    listen_outside(&w);
    allow(&w, "a.example");
    fake.addresses = "8.8.8.8 9.9.9.9";
    fake.deaf = "8.8.8.8";
    fake.stand_in = w.port;
    begin(&w);
    say(w.client, "GET http://a.example/x HTTP/1.1\r\nHost: other\r\nA: b\r\n\r\nbody");
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    record(&w, &n, 'y');
    accept_origin(&w);
    static const char onward[] =
        "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nA: b\r\n\r\nbody";
    assert_string_equal(read_all(w.origin), onward);
    close(w.origin);
    w.origin = -1;
    assert_string_equal(read_all(w.client), "");
    expect_closed(&w, &n);
    assert_string_equal(n.address, "9.9.9.9");
    assert_string_equal(n.why, "");
    assert_int_equal(n.sent, sizeof onward - 1);
    end(&w);
}

/* More than the buffers between hold, to a reader that starts late: it waits, and loses nothing. */
static void a_slow_reader_gets_every_byte(void **state)
{
    enum { BYTES = 3 << 20, CHUNK = 1 << 16 };
    static char chunk[CHUNK];
    struct world w;
    struct proxy_note n;
    size_t sent = 0, got = 0;
    (void)state;
    open_tunnel(&w, "");
    assert_int_equal(fcntl(w.origin, F_SETFL, O_NONBLOCK), 0);
    while (got < BYTES) {
        ssize_t k = sent < BYTES ? send(w.origin, chunk, CHUNK, MSG_NOSIGNAL) : -1;
        if (k > 0) {
            sent += (size_t)k;
            continue;
        }
        assert_true(sent >= BYTES || errno == EAGAIN); /* full: now something is read */
        await(w.client, POLLIN);
        k = recv(w.client, chunk, CHUNK, MSG_DONTWAIT);
        assert_true(k > 0);
        got += (size_t)k;
    }
    while (got < sent) {
        await(w.client, POLLIN);
        ssize_t k = recv(w.client, chunk, CHUNK, MSG_DONTWAIT);
        assert_true(k > 0);
        got += (size_t)k;
    }
    close(w.origin);
    w.origin = -1;
    assert_int_equal(shutdown(w.client, SHUT_WR), 0);
    expect_closed(&w, &n);
    assert_int_equal(n.received, sent);
    end(&w);
}

static void the_bytes_of_a_life_are_counted_while_they_move(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    open_tunnel(&w, "");
    atomic_store(&w.server.shared->bytes, PROXY_BYTES_MAX - 3);
    say(w.client, "four");
    expect_closed(&w, &n);
    assert_string_equal(n.why, "this sandbox has moved all the bytes it may");
    assert_string_equal(read_all(w.origin), "");
    end(&w);
}

static void a_sandbox_that_ends_says_how_far_it_came(void **state)
{
    struct world w;
    struct proxy_note n;
    char got[3];
    (void)state;
    open_tunnel(&w, "abc");
    assert_int_equal(recv(w.origin, got, 3, MSG_WAITALL), 3);
    say(w.origin, "x");
    await(w.client, POLLIN); /* it relays: the signal is heard */
    assert_int_equal(kill(w.pid, SIGTERM), 0);
    expect_closed(&w, &n);
    assert_string_equal(n.why, "the sandbox ended");
    assert_int_equal(n.sent, 3);
    assert_int_equal(n.received, 1);
    end(&w);
}

static void a_side_that_is_gone_ends_it(void **state)
{
    struct world w;
    struct proxy_note n;
    (void)state;
    open_tunnel(&w, ""); /* the sandbox's side hangs up for good */
    close(w.client);
    w.client = -1;
    expect_closed(&w, &n);
    assert_string_equal(n.why, "");
    assert_string_equal(read_all(w.origin), "");
    end(&w);

    open_tunnel(&w, ""); /* the other one breaks off */
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(w.origin, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    close(w.origin);
    w.origin = -1;
    expect_closed(&w, &n);
    end(&w);
}

static void who_left_before_the_yes_sent_nothing(void **state)
{
    struct world w;
    struct proxy_note n;
    int answer;
    (void)state;
    set_up(&w);
    listen_outside(&w);
    begin(&w);
    char *ask = xasprintf("CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\nsecret", w.port);
    say(w.client, ask);
    free(ask);
    assert_true(hear(&w, &n, &answer));
    close(w.client);
    w.client = -1;
    say(answer, "y");
    close(answer);
    expect_closed(&w, &n);
    assert_int_equal(n.sent, 0);
    accept_origin(&w);
    assert_string_equal(read_all(w.origin), "");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_reaches_nobody_is_told_and_why),
        cmocka_unit_test(a_head_without_end_is_not_kept),
        cmocka_unit_test(all_bytes_spent_is_the_end),
        cmocka_unit_test(names_lead_only_to_public_addresses),
        cmocka_unit_test(a_name_that_does_not_resolve_failed),
        cmocka_unit_test(nothing_goes_out_before_it_is_on_record),
        cmocka_unit_test(who_does_not_answer_is_told_of),
        cmocka_unit_test(a_tunnel_carries_both_ways_until_both_are_done),
        cmocka_unit_test(a_name_is_reached_at_the_first_address_that_answers),
        cmocka_unit_test(a_slow_reader_gets_every_byte),
        cmocka_unit_test(the_bytes_of_a_life_are_counted_while_they_move),
        cmocka_unit_test(a_sandbox_that_ends_says_how_far_it_came),
        cmocka_unit_test(a_side_that_is_gone_ends_it),
        cmocka_unit_test(who_left_before_the_yes_sent_nothing),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
