/* test_proxy.c - the two processes of the allow list's proxy: what ours believes of the other's
 * notes, and which socket the other takes from a guest. Both through the real launcher. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/loop.h"
#include "base/proc.h"
#include "providers/proxy_int.h"

#define PATIENCE 400 /* turns of 50 ms; only a hang gets near it */
#define TRIES    20  /* of what is given tens of milliseconds, which a busy machine may not have */

static struct launcher *launcher;

/* ---- the other process, played: it tells notes that are not as they should be */

static const struct proxy_note good = { .kind = PROXY_ASKED,
                                        .attempt = 1,
                                        .verdict = PROXY_ALLOWED,
                                        .port = 443,
                                        .host = "a.example",
                                        .method = "CONNECT" };

enum { FORGERIES = 15 };

static struct proxy_note forged(int which)
{
    struct proxy_note n = good;
    switch (which) {
    case 0:
        n.kind = 0;
        break;
    case 1:
        n.kind = PROXY_CLOSED + 1;
        break;
    case 2:
        n.attempt = PROXY_ATTEMPTS + 2;
        break;
    case 3:
        n.port = UINT16_MAX + 1;
        break;
    case 4:
        n.ms = -1;
        break;
    case 5:
        n.sent = UINT64_MAX;
        break;
    case 6:
        n.received = UINT64_MAX;
        break;
    case 7:
        memset(n.host, 'a', sizeof n.host); /* without an end */
        break;
    case 8:
        memset(n.method, 'a', sizeof n.method);
        break;
    case 9:
        memset(n.address, '1', sizeof n.address);
        break;
    case 10:
        memset(n.why, 'w', sizeof n.why);
        break;
    case 11:
        memcpy(n.host, "a\033[2J", 6);
        break;
    case 12:
        memcpy(n.why, "a\nb", 4);
        break;
    case 13:
        memcpy(n.host, "a\177", 3);
        break;
    case 14:
        memcpy(n.address, "\xff", 2);
        break;
    }
    return n;
}

/* What is said to one note. */
static char ask(const struct proxy_note *n, size_t len)
{
    int pair[2];
    char byte = '?';
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } with = { .space = { 0 } };
    struct iovec iov = { (void *)(uintptr_t)n, len };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = with.space };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return '!';
    m.msg_controllen = CMSG_SPACE(sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &pair[1], sizeof(int));
    if (sendmsg(PROXY_FD_NOTES, &m, MSG_NOSIGNAL) < 0)
        byte = '!';
    close(pair[1]);
    struct pollfd p = { .fd = pair[0], .events = POLLIN };
    if (byte == '?' && poll(&p, 1, 5000) == 1 && recv(pair[0], &byte, 1, 0) != 1)
        byte = '-';
    close(pair[0]);
    return byte;
}

static void wait_for_end(void)
{
    struct pollfd p = { .fd = PROXY_FD_NOTES, .events = POLLIN };
    (void)poll(&p, 1, 20000);
}

static int play(const char *part)
{
    struct proxy_note n = { .kind = PROXY_CLOSED, .attempt = 2 };
    if (strcmp(part, "forger.example") == 0) {
        for (int i = 0; i < FORGERIES; i++) {
            struct proxy_note bad = forged(i);
            n.why[i] = ask(&bad, sizeof bad);
        }
        n.why[FORGERIES] = ask(&good, sizeof good - 1);
        n.why[FORGERIES + 1] = ask(&good, sizeof good);
        (void)proxy_tell(PROXY_FD_NOTES, &n, -1);
        wait_for_end();
    } else if (strcmp(part, "flood.example") == 0) {
        for (int i = 0; i < 100; i++)
            (void)proxy_tell(PROXY_FD_NOTES, &n, -1);
        wait_for_end();
        n.attempt = 3; /* what its connections still have to tell */
        (void)proxy_tell(PROXY_FD_NOTES, &n, -1);
    } else if (strcmp(part, "stays.example") == 0) {
        for (;;)
            pause();
    }
    return 0; /* "leaves.example" */
}

static int played(int argc, char **argv)
{
    return argc > 1 ? play(argv[1]) : 1;
}

/* ---- seams: whose process it is */

#define proxy_serve either_serve
static int either_serve(int argc, char **argv);
#include "providers/proxy.c"
#undef proxy_serve

static int either_serve(int argc, char **argv)
{
    bool of_the_play = argc > 1 && strstr(argv[1], ".example") != NULL;
    return of_the_play ? played(argc, argv) : proxy_serve(argc, argv);
}

/* ---- our side */

static struct {
    unsigned asked, closed;
    char last[160];
    bool on_record;
    struct proxy_note note;
} heard;

static bool on_note(void *arg, const struct proxy_note *n)
{
    (void)arg;
    heard.note = *n;
    if (n->kind == PROXY_ASKED)
        heard.asked++;
    else
        heard.closed++;
    snprintf(heard.last, sizeof heard.last, "%s", n->why);
    return heard.on_record;
}

static struct loop *lp;
static struct proxy *proxy;
static int guest_end;

static void start_with(const char *item)
{
    struct err e = ERR_INIT;
    char own[64];
    snprintf(own, sizeof own, "%s", item);
    char *hosts[] = { own };
    memset(&heard, 0, sizeof heard);
    heard.on_record = true;
    assert_int_equal(loop_new(&lp, &e), 0);
    struct proxy_config cfg = {
        .loop = lp, .launcher = launcher, .hosts = hosts, .host_count = 1, .sink = on_note
    };
    if (proxy_start(&proxy, &cfg, &guest_end, &e) < 0)
        fail_msg("%s", e.msg);
}

static void await(const unsigned *count, unsigned want)
{
    struct err e = ERR_INIT;
    for (int i = 0; *count < want; i++) {
        if (i == PATIENCE)
            fail_msg("nothing is told");
        assert_int_equal(loop_turn(lp, 50, &e), 0);
    }
}

static void stop(void)
{
    proxy_finish(proxy);
    proxy_finish(proxy); /* it is over */
    proxy_free(proxy);
    loop_free(lp);
    if (guest_end >= 0)
        close(guest_end);
}

static void a_note_is_believed_only_when_it_is_whole(void **state)
{
    (void)state;
    start_with("forger.example");
    await(&heard.closed, 1);
    assert_int_equal(heard.asked, 1); /* the good one */
    assert_int_equal(strlen(heard.last), FORGERIES + 2);
    assert_int_equal(strspn(heard.last, "n"), FORGERIES + 1);
    assert_int_equal(heard.last[FORGERIES + 1], 'y');
    stop();
}

static void what_is_left_to_tell_is_heard_at_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < TRIES && heard.note.attempt != 3; i++) {
        start_with("flood.example");
        await(&heard.closed, 100);
        stop();
    }
    assert_int_equal(heard.closed, 101);
    assert_int_equal(heard.note.attempt, 3);
    start_with("leaves.example"); /* it goes by itself: nothing gets out any more */
    for (int i = 0; i < PATIENCE && proxy->notes >= 0; i++) {
        struct err e = ERR_INIT;
        assert_int_equal(loop_turn(lp, 50, &e), 0);
    }
    assert_int_equal(proxy->notes, -1);
    stop();
    start_with("stays.example"); /* it never answers: it is not waited for */
    stop();
    proxy_finish(NULL);
    proxy_free(NULL);
}

static void items_that_are_no_hosts(void **state)
{
    struct err e = ERR_INIT;
    char bad[] = "a b";
    char *hosts[] = { bad };
    (void)state;
    assert_int_equal(loop_new(&lp, &e), 0);
    struct proxy_config cfg = {
        .loop = lp, .launcher = launcher, .hosts = hosts, .host_count = 1, .sink = on_note
    };
    assert_int_equal(proxy_start(&proxy, &cfg, &guest_end, &e), -1);
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.msg, "network=allow: a b is no host"));
    loop_free(lp);
    assert_string_equal(proxy_verdict_name(PROXY_ALLOWED), "allowed");
    assert_string_equal(proxy_verdict_name(PROXY_REFUSED), "refused");
    assert_string_equal(proxy_verdict_name(PROXY_FAILED), "failed");
    assert_string_equal(proxy_verdict_name(0), "refused");
}

/* ---- the real one, and what a guest may hand it */

static void hand_over(int fd)
{
    struct proxy_note n = { .kind = 0 };
    assert_true(proxy_tell(guest_end, &n, fd));
}

static int tcp(struct sockaddr_in *at, bool listening)
{
    socklen_t len = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    if (listening)
        assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

/* One connection that asks for a host that is not on the list. */
static int try_it(const struct sockaddr_in *at)
{
    static const char head[] = "CONNECT b.test:443 HTTP/1.1\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof *at), 0);
    assert_int_equal(send(fd, head, sizeof head - 1, MSG_NOSIGNAL), sizeof head - 1);
    return fd;
}

static void more_attempts_than_a_burst_are_slowed(void **state)
{
    enum { MANY = PROXY_BURST + 6 };
    struct sockaddr_in at;
    int fds[MANY];
    (void)state;
    start_with("a.test");
    int fd = tcp(&at, true);
    hand_over(fd);
    for (int i = 0; i < MANY; i++)
        fds[i] = try_it(&at);
    await(&heard.asked, MANY); /* each one is told, with a number of its own */
    assert_int_equal(heard.note.verdict, PROXY_REFUSED);
    assert_string_equal(heard.note.host, "b.test");
    assert_string_equal(heard.last, "not on the allow list");
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    close(fd);
    stop();
}

/* Nothing is accepted from a socket that is no listening one of TCP. */
static void only_a_listening_socket_is_taken(void **state)
{
    enum { NOTHING, NO_FD, UDP, UNIX_STREAM, NOT_LISTENING, A_FILE, WAYS };
    struct sockaddr_in at;
    (void)state;
    for (int how = NOTHING; how < WAYS; how++) {
        int fd = -1;
        start_with("a.test");
        if (how == UDP)
            fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        else if (how == UNIX_STREAM)
            fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        else if (how == NOT_LISTENING)
            fd = tcp(&at, false);
        else if (how == A_FILE)
            fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (how != NOTHING)
            hand_over(fd);
        close(guest_end);
        guest_end = -1;
        if (fd >= 0)
            close(fd);
        for (int i = 0; i < 3; i++) {
            struct err e = ERR_INIT;
            assert_int_equal(loop_turn(lp, 10, &e), 0);
        }
        assert_true(proxy->notes >= 0); /* it waits for its end, and tells nothing */
        assert_int_equal(heard.asked + heard.closed, 0);
        stop();
    }
}

/* A connection that is open when the sandbox ends tells how far it came. */
static void end_with_an_open_connection(void)
{
    struct sockaddr_in out, in;
    char item[64], head[64], yes[12];
    int origin = tcp(&out, true);
    snprintf(item, sizeof item, "127.0.0.1:%d", ntohs(out.sin_port));
    start_with(item);
    int listener = tcp(&in, true);
    hand_over(listener);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&in, sizeof in), 0);
    int n = snprintf(head, sizeof head, "CONNECT %s HTTP/1.1\r\n\r\n", item);
    assert_int_equal(send(client, head, (size_t)n, MSG_NOSIGNAL), n);
    await(&heard.asked, 1);
    assert_int_equal(heard.note.verdict, PROXY_ALLOWED);
    assert_int_equal(recv(client, yes, sizeof yes, MSG_WAITALL), sizeof yes);
    stop();
    close(client);
    close(listener);
    close(origin);
}

static void open_connections_tell_their_end(void **state)
{
    (void)state;
    heard.closed = 0;
    for (int i = 0; i < TRIES && heard.closed == 0; i++)
        end_with_an_open_connection();
    assert_int_equal(heard.closed, 1);
    assert_string_equal(heard.last, "the sandbox ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_is_believed_only_when_it_is_whole),
        cmocka_unit_test(what_is_left_to_tell_is_heard_at_the_end),
        cmocka_unit_test(items_that_are_no_hosts),
        cmocka_unit_test(more_attempts_than_a_burst_are_slowed),
        cmocka_unit_test(only_a_listening_socket_is_taken),
        cmocka_unit_test(open_connections_tell_their_end),
    };
    struct err e = ERR_INIT;
    signal(SIGPIPE, SIG_IGN);
    if (launcher_start(&launcher, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 1;
    }
    int rc = cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
    launcher_stop(launcher);
    return rc;
}
