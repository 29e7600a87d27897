/* test_net.c - requests against small loopback servers that answer well, badly, slowly or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/net.h"

#define REQUEST_MAX (8 * 1024 * 1024)
#define PATIENCE_US 30000000 /* only a broken engine gets near it */

static struct loop *lp;
static struct net *net;

/* ---- servers: a forked child per test, and one of its own for each connection */

struct server {
    pid_t pid;
    int log;     /* what it was sent: every request, whole */
    int release; /* one byte lets await_release() go on */
    unsigned port;
    struct net_origin *origin;
};

typedef void (*serve_fn)(int fd, const void *arg);

static int server_log, server_release;

static void send_all(int fd, const void *p, size_t len)
{
    for (const char *at = p; len > 0;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

static void send_text(int fd, const char *s)
{
    send_all(fd, s, strlen(s));
}

static void await_release(void)
{
    char byte;
    (void)!read(server_release, &byte, 1);
}

/* Until the peer closes. */
static void hold(int fd)
{
    char byte[512];
    while (read(fd, byte, sizeof byte) > 0)
        ;
}

/* One request with its body, by Content-Length or chunks. 0 at the end of the connection. */
static size_t read_request(int fd, char *buf)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, buf + len, REQUEST_MAX - 1 - len);
        if (n <= 0)
            return 0;
        len += (size_t)n;
        buf[len] = '\0';
        const char *end = strstr(buf, "\r\n\r\n");
        if (end == NULL)
            continue;
        size_t head = (size_t)(end - buf) + 4;
        const char *cl = strstr(buf, "Content-Length: ");
        bool chunked = strstr(buf, "Transfer-Encoding: chunked") != NULL;
        size_t want = cl != NULL && cl < end ? strtoul(cl + 16, NULL, 10) : 0;
        if (chunked ? len >= head + 5 && memcmp(buf + len - 5, "0\r\n\r\n", 5) == 0
                    : len >= head + want)
            break;
    }
    send_all(server_log, buf, len);
    return len;
}

static char *request_space(void)
{
    static char *space;
    if (space == NULL)
        space = xmalloc(REQUEST_MAX);
    return space;
}

static void log_one_request(int fd)
{
    read_request(fd, request_space());
}

static NORETURN void server_main(int listener, serve_fn serve, const void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(0);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(listener);
            serve(fd, arg);
            _exit(0);
        }
        close(fd);
    }
}

static struct server server_start_on(int listener, serve_fn serve, const void *arg)
{
    struct server s = { 0 };
    int log[2], release[2];
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, log));
    assert_int_equal(0, pipe2(release, O_CLOEXEC));
    int size = 1 << 20;
    setsockopt(log[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    s.pid = fork();
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        server_log = log[1];
        server_release = release[0];
        server_main(listener, serve, arg);
    }
    close(listener);
    close(log[1]);
    close(release[0]);
    s.log = log[0];
    s.release = release[1];
    return s;
}

static int listen_tcp(unsigned *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(fd, (struct sockaddr *)&a, sizeof a));
    assert_int_equal(0, listen(fd, 32));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *)&a, &len));
    *port = ntohs(a.sin_port);
    return fd;
}

static struct net_origin *loopback(unsigned port)
{
    char url[64];
    struct net_origin *o = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    assert_int_equal(0, net_origin_new(&o, url, NULL));
    return o;
}

static struct server server_start(serve_fn serve, const void *arg)
{
    unsigned port;
    int fd = listen_tcp(&port);
    struct server s = server_start_on(fd, serve, arg);
    s.port = port;
    s.origin = loopback(port);
    return s;
}

/* Stops it; what it was sent goes to `log` (caller frees) unless NULL. */
static void server_stop(struct server *s, char **log)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    struct buf b = BUF_INIT(REQUEST_MAX);
    char chunk[65536];
    for (ssize_t n; (n = read(s->log, chunk, sizeof chunk)) > 0;)
        assert_int_equal(0, buf_add(&b, chunk, (size_t)n));
    if (log != NULL)
        *log = buf_detach(&b);
    buf_release(&b);
    close(s->log);
    close(s->release);
    net_origin_free(s->origin);
}

/* ---- calls and what they report */

struct seen {
    struct net_call *call;
    unsigned heads, pieces, dones;
    struct buf data;
    struct net_result result; /* body and response are gone */
    char retry_header[64];
    /* what the callbacks do */
    bool pause_on_data, cancel_on_data, cancel_on_head, drop_on_data, cancel_on_done;
};

static void seen_init(struct seen *s)
{
    *s = (struct seen){ .data = BUF_INIT(64 << 20) };
}

static void on_head(void *arg, const struct net_response *r)
{
    struct seen *s = arg;
    assert_int_equal(0, s->heads + s->pieces + s->dones);
    s->heads++;
    assert_true(net_status(r) >= 200);
    if (s->cancel_on_head)
        net_cancel(s->call);
}

static void on_data(void *arg, const char *p, size_t len)
{
    struct seen *s = arg;
    assert_int_equal(1, s->heads);
    assert_int_equal(0, s->dones);
    assert_true(len > 0);
    s->pieces++;
    assert_int_equal(0, buf_add(&s->data, p, len));
    if (s->pause_on_data)
        net_pause(s->call);
    if (s->cancel_on_data)
        net_cancel(s->call);
    if (s->drop_on_data)
        net_drop(s->call);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct seen *s = arg;
    assert_int_equal(0, s->dones);
    s->dones++;
    s->result = *r;
    if (r->body != NULL)
        assert_int_equal(0, buf_add(&s->data, r->body, r->body_len));
    if (r->response != NULL && net_header(r->response, "X-Test") != NULL)
        snprintf(s->retry_header, sizeof s->retry_header, "%s", net_header(r->response, "x-tEST"));
    if (s->cancel_on_done)
        net_cancel(s->call);
}

static struct net_request request(const struct server *sv, struct seen *s)
{
    return (struct net_request){ .method = "GET",
                                 .origin = sv->origin,
                                 .target = "/",
                                 .on_head = on_head,
                                 .on_data = on_data,
                                 .on_done = on_done,
                                 .arg = s };
}

static void send_ok(const struct net_request *rq, struct seen *s)
{
    struct err e = ERR_INIT;
    if (net_send(net, rq, &s->call, &e) < 0)
        fail_msg("%s", e.msg);
}

static void turn(void)
{
    struct err e = ERR_INIT;
    if (loop_turn(lp, 1000, &e) < 0)
        fail_msg("%s", e.msg);
}

static void await_done(struct seen *s)
{
    int64_t limit = clock_mono_us() + PATIENCE_US;
    while (s->dones == 0) {
        turn();
        if (clock_mono_us() > limit)
            fail_msg("no end in sight");
    }
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(0, loop_new(&lp, NULL));
    net = net_new(lp);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_free(net);
    loop_free(lp);
    return 0;
}

/* ---- answers, good and bad */

struct answer {
    const char *name, *raw;
    size_t len; /* 0: strlen */
    bool hang;  /* keep the connection open */
    enum net_end end;
    int status;
    bool truncated;
    const char *body;
    const char *method;
};

static const char gzip_hello[] =
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 32\r\n\r\n"
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\xaf\xca\x2c\xe0\x02"
    "\x00\x86\x1f\x82\xa4\x0c\x00\x00\x00";
#define GZIP_HEAD (sizeof gzip_hello - 1 - 32)

static void serve_answer(int fd, const void *arg)
{
    const struct answer *a = arg;
    log_one_request(fd);
    send_all(fd, a->raw, a->len != 0 ? a->len : strlen(a->raw));
    if (a->hang)
        hold(fd);
}

static void check_answer(const struct answer *a, bool gzip)
{
    struct server sv = server_start(serve_answer, a);
    struct seen s;
    seen_init(&s);
    struct net_request rq = request(&sv, &s);
    rq.gzip = gzip;
    if (a->method != NULL)
        rq.method = a->method;
    send_ok(&rq, &s);
    await_done(&s);
    if (s.result.end != a->end)
        print_error("%s: %s, not %s: %s\n", a->name, net_end_name(s.result.end),
                    net_end_name(a->end), s.result.err.msg);
    assert_int_equal(a->end, s.result.end);
    if (s.result.status != a->status || s.result.truncated != a->truncated)
        print_error("%s: status %d, truncated %d\n", a->name, s.result.status, s.result.truncated);
    assert_int_equal(a->status, s.result.status);
    assert_int_equal(a->truncated, s.result.truncated);
    assert_true(s.result.left);
    if (a->body != NULL)
        assert_string_equal(a->body, buf_str(&s.data));
    if (a->end == NET_ANSWERED)
        assert_int_equal(ERR_NONE, s.result.err.code);
    else
        assert_non_null(strstr(s.result.err.msg, "http://127.0.0.1:"));
    buf_release(&s.data);
    server_stop(&sv, NULL);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static void test_answers(void **state)
{
    (void)state;
    const struct answer cases[] = {
        { "length", OK_HEAD "Content-Length: 2\r\n\r\nhi", .status = 200, .body = "hi" },
        { "length, kept open", OK_HEAD "Content-Length: 2\r\n\r\nhi", .hang = true, .status = 200,
          .body = "hi" },
        { "chunks", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n",
          .status = 200, .body = "hi!" },
        { "trailer", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n",
          .status = 200, .body = "hi" },
        { "until close", OK_HEAD "\r\nhi", .status = 200, .body = "hi" },
        { "interim answers",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n"
          "HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
          .status = 404, .body = "x" },
        { "no content", "HTTP/1.1 204 No\r\n\r\n", .hang = true, .status = 204, .body = "" },
        { "to HEAD", OK_HEAD "Content-Length: 20\r\n\r\n", .hang = true, .status = 200, .body = "",
          .method = "HEAD" },
        { "identity", OK_HEAD "Content-Encoding: identity\r\nContent-Length: 1\r\n\r\nx",
          .status = 200, .body = "x" },
        { "server error", "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad", .status = 500,
          .body = "bad" },
        { "body cut", OK_HEAD "Content-Length: 5\r\n\r\nhi", .end = NET_CUT, .status = 200,
          .truncated = true, .body = "hi" },
        { "chunk cut", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhi", .end = NET_CUT,
          .status = 200, .truncated = true, .body = "hi" },
        { "last chunk missing", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
          .end = NET_CUT, .status = 200, .truncated = true, .body = "hi" },
        { "chunk size is no number", OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n",
          .end = NET_CUT, .status = 200, .truncated = true },
        { "head cut", "HTTP/1.1 200 OK\r\nContent-Le", .end = NET_CUT },
        { "nothing", "", .end = NET_CUT },
        { "no HTTP", "hello\r\nworld\r\n\r\n", .end = NET_PROTOCOL },
        { "bad status", "HTTP/1.1 2x0 OK\r\n\r\n", .end = NET_PROTOCOL },
        { "upgrade", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", .hang = true,
          .end = NET_PROTOCOL },
        { "header without colon", OK_HEAD "Nonsense\r\n\r\nhi", .end = NET_PROTOCOL },
        { "folded header", OK_HEAD "A: b\r\n c\r\n\r\nhi", .end = NET_PROTOCOL },
        { "blank in a name", OK_HEAD "A b: c\r\n\r\nhi", .end = NET_PROTOCOL },
        { "not modified", "HTTP/1.1 304 Not\r\n\r\n", .end = NET_REDIRECT, .status = 304,
          .truncated = true },
        { "brotli", OK_HEAD "Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
          .end = NET_PROTOCOL, .status = 200, .truncated = true, .body = "" },
        { "gzip not offered", gzip_hello, sizeof gzip_hello - 1, .end = NET_PROTOCOL, .status = 200,
          .truncated = true, .body = "" },
        { "gzip in transfer", OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
          .end = NET_PROTOCOL, .status = 200, .truncated = true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_answer(&cases[i], false);
}

static void test_gzip(void **state)
{
    (void)state;
    static char corrupt[sizeof gzip_hello], cut[sizeof gzip_hello];
    memcpy(corrupt, gzip_hello, sizeof corrupt);
    corrupt[GZIP_HEAD + 12] ^= 0x55;
    snprintf(cut, sizeof cut,
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n");
    memcpy(cut + GZIP_HEAD, gzip_hello + GZIP_HEAD, 20);
    const struct answer cases[] = {
        { "gzip", gzip_hello, sizeof gzip_hello - 1, .status = 200, .body = "hello, gzip\n" },
        { "corrupt", corrupt, sizeof corrupt - 1, .end = NET_PROTOCOL, .status = 200,
          .truncated = true },
        { "gzip cut short", cut, GZIP_HEAD + 20, .end = NET_CUT, .status = 200, .truncated = true },
        { "twice", OK_HEAD "Content-Encoding: gzip, gzip\r\n\r\nx", .end = NET_PROTOCOL,
          .status = 200, .truncated = true },
        { "two headers", OK_HEAD "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\nx",
          .end = NET_PROTOCOL, .status = 200, .truncated = true },
        { "deflate", OK_HEAD "Content-Encoding: deflate\r\n\r\nx", .end = NET_PROTOCOL,
          .status = 200, .truncated = true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_answer(&cases[i], true);
}

/* ---- floods */

struct bits {
    unsigned char *p;
    size_t len;
    unsigned bit;
};

/* Most significant bit first, as Huffman codes are packed. */
static void put_code(struct bits *b, unsigned code, unsigned count)
{
    while (count-- > 0) {
        b->p[b->len] |= (unsigned char)((code >> count & 1) << b->bit);
        if (++b->bit == 8) {
            b->bit = 0;
            b->len++;
        }
    }
}

/* A deflate stream of one zero byte and then runs of 258: 13 bits each, 158 to 1. */
static void serve_bomb(int fd, const void *arg)
{
    static unsigned char out[400000] = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff";
    struct bits b = { .p = out, .len = 10 };
    (void)arg;
    put_code(&b, 0x1, 1); /* the last block … */
    put_code(&b, 0x2, 2); /* … in fixed codes (01, least significant bit first) */
    put_code(&b, 0x30, 8);
    while (b.len < sizeof out - 8) {
        put_code(&b, 0xc5, 8);
        put_code(&b, 0, 5);
    }
    log_one_request(fd);
    send_text(fd, OK_HEAD "Content-Encoding: gzip\r\n\r\n");
    send_all(fd, out, b.len);
    hold(fd);
}

static void serve_endless_header(int fd, const void *arg)
{
    char line[4096];
    memset(line, 'a', sizeof line);
    log_one_request(fd);
    send_text(fd, OK_HEAD "X: ");
    for (int i = 0; i < 4096 && send(fd, line, sizeof line, MSG_NOSIGNAL) > 0; i++)
        if (arg != NULL)
            send_text(fd, "\r\nX: ");
}

static void serve_endless_interim(int fd, const void *arg)
{
    (void)arg;
    log_one_request(fd);
    for (int i = 0; i < 100000; i++)
        if (send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) <= 0)
            return;
}

static void serve_endless_body(int fd, const void *arg)
{
    static char block[65536];
    (void)arg;
    log_one_request(fd);
    send_text(fd, OK_HEAD "\r\n");
    while (send(fd, block, sizeof block, MSG_NOSIGNAL) > 0)
        ;
}

static void test_floods(void **state)
{
    (void)state;
    const struct {
        const char *name, *word;
        serve_fn serve;
        const void *arg;
        bool keep; /* body kept for `done` */
        int64_t body_max;
    } cases[] = {
        { "gzip bomb", "bomb", serve_bomb, NULL, false, 0 },
        { "gzip bomb, kept", "bomb", serve_bomb, NULL, true, 0 },
        { "one endless header", "", serve_endless_header, NULL, false, 0 },
        { "endless headers", "64 KiB", serve_endless_header, "", false, 0 },
        { "endless interim answers", "64 KiB", serve_endless_interim, NULL, false, 0 },
        { "endless body", "larger", serve_endless_body, NULL, false, 3000000 },
        { "endless body, kept", "larger", serve_endless_body, NULL, true, 3000000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server sv = server_start(cases[i].serve, cases[i].arg);
        struct seen s;
        seen_init(&s);
        struct net_request rq = request(&sv, &s);
        rq.gzip = true;
        rq.body_max = cases[i].body_max;
        if (cases[i].keep)
            rq.on_data = NULL;
        send_ok(&rq, &s);
        await_done(&s);
        if (s.result.end != NET_TOO_LARGE)
            print_error("%s: %s\n", cases[i].name, s.result.err.msg);
        assert_int_equal(NET_TOO_LARGE, s.result.end);
        assert_int_equal(ERR_LIMIT, s.result.err.code);
        assert_non_null(strstr(s.result.err.msg, cases[i].word));
        assert_true(s.data.len <= 16 << 20);
        if (cases[i].body_max != 0)
            assert_true(s.data.len <= (size_t)cases[i].body_max);
        buf_release(&s.data);
        server_stop(&sv, NULL);
    }
}

/* ---- silence */

static void serve_part_then_silence(int fd, const void *arg)
{
    log_one_request(fd);
    send_text(fd, arg);
    hold(fd);
}

static void test_deadlines(void **state)
{
    (void)state;
    const struct {
        const char *part, *word;
        struct net_deadlines d;
        bool truncated;
    } cases[] = {
        { "", "no answer", { .first_byte_ms = 60 }, false },
        { "HTTP/1.1 200 OK\r\nA: b\r\n", "silent", { .idle_ms = 60 }, false },
        { OK_HEAD "Content-Length: 9\r\n\r\nhi", "silent", { .idle_ms = 60 }, true },
        { OK_HEAD "Content-Length: 9\r\n\r\nhi",
          "time for this request",
          { .idle_ms = NET_NEVER, .first_byte_ms = NET_NEVER, .total_ms = 60 },
          true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server sv = server_start(serve_part_then_silence, cases[i].part);
        struct seen s;
        seen_init(&s);
        struct net_request rq = request(&sv, &s);
        rq.deadlines = cases[i].d;
        send_ok(&rq, &s);
        await_done(&s);
        assert_int_equal(NET_TIMEOUT, s.result.end);
        assert_int_equal(cases[i].truncated, s.result.truncated);
        assert_non_null(strstr(s.result.err.msg, cases[i].word));
        assert_true(s.result.left);
        assert_false(net_may_retry(&s.result));
        buf_release(&s.data);
        server_stop(&sv, NULL);
    }
}

/* Each gap is shorter than `idle`, all of them together are longer. */
static void serve_drops(int fd, const void *arg)
{
    (void)arg;
    log_one_request(fd);
    send_text(fd, OK_HEAD "Content-Length: 8\r\n\r\n");
    for (int i = 0; i < 8; i++) {
        usleep(200000);
        send_text(fd, "x");
    }
    hold(fd);
}

static void test_slow_is_not_silent(void **state)
{
    (void)state;
    struct server sv = server_start(serve_drops, NULL);
    struct seen s;
    seen_init(&s);
    struct net_request rq = request(&sv, &s);
    rq.deadlines.idle_ms = 1400;
    send_ok(&rq, &s);
    await_done(&s);
    assert_int_equal(NET_ANSWERED, s.result.end);
    assert_string_equal("xxxxxxxx", buf_str(&s.data));
    buf_release(&s.data);
    server_stop(&sv, NULL);
}

static void test_unreachable(void **state)
{
    (void)state;
    unsigned port;
    close(listen_tcp(&port)); /* nobody there now */
    struct server sv = { .origin = loopback(port) };
    struct seen s;
    seen_init(&s);
    struct net_request rq = request(&sv, &s);
    rq.method = "POST";
    rq.body = "x";
    rq.body_len = 1;
    send_ok(&rq, &s);
    await_done(&s);
    assert_int_equal(NET_UNREACHABLE, s.result.end);
    assert_int_equal(ERR_NET, s.result.err.code);
    assert_false(s.result.left);
    assert_int_equal(0, s.result.status);
    assert_true(net_may_retry(&s.result));
    assert_int_equal(0, s.heads);
    buf_release(&s.data);
    net_origin_free(sv.origin);
}

/* ---- what is sent */

static void serve_ok(int fd, const void *arg)
{
    (void)arg;
    while (read_request(fd, request_space()) > 0)
        send_text(fd, OK_HEAD "Content-Length: 2\r\n\r\nok");
}

static void test_request_bytes(void **state)
{
    (void)state;
    struct server sv = server_start(serve_ok, NULL);
    struct seen s;
    seen_init(&s);
    const struct net_header h[] = { { "Content-Type", "application/octet-stream" },
                                    { "X-Empty", "" } };
    struct net_request rq = request(&sv, &s);
    struct buf target = BUF_INIT(1000);
    assert_int_equal(0, http_add_segment(&target, "v1"));
    assert_int_equal(0, http_add_segment(&target, "a b/c"));
    assert_int_equal(0, http_add_query(&target, "q", "1&2=\xc3\xa9"));
    rq.method = "PUT";
    rq.target = buf_str(&target);
    rq.headers = h;
    rq.header_count = 2;
    rq.body = "a\0b\xff";
    rq.body_len = 4;
    rq.on_data = NULL;
    assert_int_equal(
        0, net_origin_add_secret(sv.origin, "Authorization", "Bearer ", "secret-1234", 11, NULL));
    send_ok(&rq, &s);
    await_done(&s);
    assert_int_equal(NET_ANSWERED, s.result.end);
    assert_string_equal("ok", buf_str(&s.data));
    buf_release(&s.data);
    buf_release(&target);
    char *log;
    server_stop(&sv, &log);
    assert_memory_equal("PUT /v1/a%20b%2Fc?q=1%262%3D%C3%A9 HTTP/1.1\r\n", log, 45);
    assert_non_null(strstr(log, "\r\nAuthorization: Bearer secret-1234\r\n"));
    assert_non_null(strstr(log, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(log, "\r\nContent-Length: 4\r\n"));
    assert_non_null(strstr(log, "\r\nUser-Agent: airlock/"));
    assert_null(strstr(log, "Expect"));
    assert_null(strstr(log, "Accept-Encoding"));
    assert_memory_equal("\r\n\r\na\0b\xff", strstr(log, "\r\n\r\n"), 8);
    free(log);
}

static void test_bodyless_methods(void **state)
{
    (void)state;
    const struct {
        const char *method, *has, *has_not;
    } cases[] = { { "GET", "GET / HTTP/1.1\r\n", "Content-Length" },
                  { "DELETE", "DELETE / HTTP/1.1\r\n", "Content-Length" },
                  { "POST", "\r\nContent-Length: 0\r\n", "Transfer-Encoding" },
                  { "PATCH", "\r\nContent-Length: 0\r\n", "Transfer-Encoding" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server sv = server_start(serve_ok, NULL);
        struct seen s;
        seen_init(&s);
        struct net_request rq = request(&sv, &s);
        rq.method = cases[i].method;
        send_ok(&rq, &s);
        await_done(&s);
        assert_int_equal(NET_ANSWERED, s.result.end);
        buf_release(&s.data);
        char *log;
        server_stop(&sv, &log);
        assert_non_null(strstr(log, cases[i].has));
        assert_null(strstr(log, cases[i].has_not));
        free(log);
    }
}

static void test_large_body_both_ways(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20 };
    struct server sv = server_start(serve_ok, NULL);
    struct seen s;
    seen_init(&s);
    char *body = xmalloc(SIZE);
    memset(body, 'z', SIZE);
    struct net_request rq = request(&sv, &s);
    rq.method = "POST";
    rq.body = body;
    rq.body_len = SIZE;
    send_ok(&rq, &s);
    /* The log is read at the same time, or the server would stand still. */
    struct buf log = BUF_INIT(REQUEST_MAX);
    while (s.dones == 0) {
        char chunk[65536];
        struct pollfd p = { .fd = sv.log, .events = POLLIN };
        if (poll(&p, 1, 0) > 0)
            assert_int_equal(0, buf_add(&log, chunk, (size_t)read(sv.log, chunk, sizeof chunk)));
        struct err e;
        assert_int_equal(0, loop_turn(lp, 5, &e));
    }
    assert_int_equal(NET_ANSWERED, s.result.end);
    char *rest;
    server_stop(&sv, &rest);
    size_t head = (size_t)(strstr(log.ptr, "\r\n\r\n") - log.ptr) + 4;
    assert_int_equal(SIZE, log.len + strlen(rest) - head);
    free(rest);
    free(body);
    buf_release(&log);
    buf_release(&s.data);
}

struct upload {
    struct seen seen;
    unsigned step;
    bool fail;
};

static ptrdiff_t on_read(void *arg, char *p, size_t size)
{
    struct upload *u = arg;
    assert_true(size > 8);
    switch (u->step++) {
    case 0:
        memcpy(p, "one", 3);
        return 3;
    case 1:
        return u->fail ? NET_READ_FAIL : NET_READ_LATER;
    case 2:
        memcpy(p, "two", 3);
        return 3;
    }
    return 0;
}

static void test_streamed_upload(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct server sv = server_start(serve_ok, NULL);
        struct upload u = { .step = 0 };
        seen_init(&u.seen);
        struct net_request rq = request(&sv, &u.seen);
        rq.arg = &u;
        rq.method = "POST";
        rq.on_read = on_read;
        rq.upload_len = known ? 6 : -1;
        send_ok(&rq, &u.seen);
        while (u.step < 2)
            turn();
        turn();
        assert_int_equal(2, u.step); /* not asked again before we say so */
        net_continue_upload(u.seen.call);
        await_done(&u.seen);
        assert_int_equal(NET_ANSWERED, u.seen.result.end);
        buf_release(&u.seen.data);
        char *log;
        server_stop(&sv, &log);
        assert_non_null(
            strstr(log, known ? "\r\n\r\nonetwo" : "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
        free(log);
    }
}

static void test_upload_gives_up(void **state)
{
    (void)state;
    struct server sv = server_start(serve_ok, NULL);
    struct upload u = { .fail = true };
    seen_init(&u.seen);
    struct net_request rq = request(&sv, &u.seen);
    rq.arg = &u;
    rq.method = "POST";
    rq.on_read = on_read;
    rq.upload_len = -1;
    send_ok(&rq, &u.seen);
    await_done(&u.seen);
    assert_int_equal(NET_UPLOAD, u.seen.result.end);
    assert_true(u.seen.result.left);
    buf_release(&u.seen.data);
    server_stop(&sv, NULL);
}

/* Answers the first request of a connection and closes on the second, having read it. */
static void serve_then_die(int fd, const void *arg)
{
    (void)arg;
    log_one_request(fd);
    send_text(fd, OK_HEAD "Content-Length: 2\r\n\r\nok");
    log_one_request(fd);
}

/* libcurl repeats requests by itself when a kept connection dies. Not those with a body. */
static void test_body_is_sent_at_most_once(void **state)
{
    (void)state;
    static const char *const methods[] = { "POST", "DELETE" };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct server sv = server_start(serve_then_die, NULL);
        struct seen first, second;
        seen_init(&first);
        seen_init(&second);
        struct net_request rq = request(&sv, &first);
        send_ok(&rq, &first);
        await_done(&first);
        rq.arg = &second;
        rq.method = methods[i];
        rq.target = "/execute";
        bool with_body = i == 0;
        rq.body = with_body ? "run" : NULL;
        rq.body_len = with_body ? 3 : 0;
        send_ok(&rq, &second);
        await_done(&second);
        if (with_body) {
            assert_int_equal(NET_CUT, second.result.end);
            assert_true(second.result.left);
        }
        buf_release(&first.data);
        buf_release(&second.data);
        char *log;
        server_stop(&sv, &log);
        char *at = strstr(log, "/execute");
        assert_non_null(at);
        assert_null(strstr(at + 1, "/execute"));
        free(log);
    }
}

/* ---- what is refused before anything is sent */

static void test_refused_requests(void **state)
{
    (void)state;
    struct server sv = { .origin = loopback(9) };
    struct seen s;
    seen_init(&s);
    assert_int_equal(0, net_origin_add_secret(sv.origin, "X-Api-Key", "", "12345678", 8, NULL));
    const struct {
        const char *method, *target, *name, *value;
    } cases[] = {
        { "G ET", "/", NULL, NULL },
        { "", "/", NULL, NULL },
        { "GET\r\n", "/", NULL, NULL },
        { "GET", "", NULL, NULL },
        { "GET", "x", NULL, NULL },
        { "GET", "//h/../x", NULL, NULL },
        { "GET", "/a b", NULL, NULL },
        { "GET", "/a\r\nX: y", NULL, NULL },
        { "GET", "/a#b", NULL, NULL },
        { "GET", "/%", NULL, NULL },
        { "GET", "/", "A", "b\r\nC: d" },
        { "GET", "/", "A", "b\n" },
        { "GET", "/", "A\r\nB", "c" },
        { "GET", "/", "A:", "c" },
        { "GET", "/", "", "c" },
        { "GET", "/", "A", " c" },
        { "GET", "/", "Host", "evil" },
        { "GET", "/", "content-length", "0" },
        { "GET", "/", "x-api-key", "other" },
        { "GET", "/", "Transfer-Encoding", "chunked" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_header h = { cases[i].name, cases[i].value };
        struct net_request rq = request(&sv, &s);
        struct err e = ERR_INIT;
        rq.method = cases[i].method;
        rq.target = cases[i].target;
        rq.headers = &h;
        rq.header_count = cases[i].name != NULL;
        if (net_send(net, &rq, &s.call, &e) == 0)
            fail_msg("case %zu was sent", i);
        assert_int_equal(ERR_USAGE, e.code);
    }
    assert_int_equal(0, s.dones);
    net_origin_free(sv.origin);
}

static void test_secrets_stay_with_their_origin(void **state)
{
    (void)state;
    static const char redirect[] = "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/steal?x=y\r\n"
                                   "Content-Length: 0\r\n\r\n";
    struct answer a = { .raw = redirect };
    struct server own = server_start(serve_answer, &a), other = server_start(serve_ok, NULL);
    struct seen s[2];
    for (int i = 0; i < 2; i++)
        seen_init(&s[i]);
    assert_int_equal(0,
                     net_origin_add_secret(own.origin, "x-api-key", "", "canary-12345", 12, NULL));
    struct net_request rq = request(&own, &s[0]);
    send_ok(&rq, &s[0]);
    rq = request(&other, &s[1]);
    send_ok(&rq, &s[1]);
    await_done(&s[0]);
    await_done(&s[1]);
    assert_int_equal(NET_REDIRECT, s[0].result.end);
    assert_int_equal(307, s[0].result.status);
    assert_non_null(strstr(s[0].result.err.msg, "http://127.0.0.1,"));
    assert_null(strstr(s[0].result.err.msg, "steal"));
    assert_int_equal(0, s[0].heads);
    char *own_log, *other_log;
    server_stop(&own, &own_log);
    server_stop(&other, &other_log);
    assert_non_null(strstr(own_log, "x-api-key: canary-12345\r\n"));
    assert_null(strstr(other_log, "canary"));
    free(own_log);
    free(other_log);
    for (int i = 0; i < 2; i++)
        buf_release(&s[i].data);
}

static void test_proxy_environment_is_ignored(void **state)
{
    (void)state;
    struct server sv = server_start(serve_ok, NULL);
    struct seen s;
    seen_init(&s);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    struct net_request rq = request(&sv, &s);
    send_ok(&rq, &s);
    await_done(&s);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(NET_ANSWERED, s.result.end);
    buf_release(&s.data);
    server_stop(&sv, NULL);
}

static void test_unix_socket(void **state)
{
    (void)state;
    char dir[] = "/tmp/airlock-net-XXXXXX";
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    assert_non_null(mkdtemp(dir));
    snprintf(a.sun_path, sizeof a.sun_path, "%s/s", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(fd, (struct sockaddr *)&a, sizeof a));
    assert_int_equal(0, listen(fd, 4));
    struct server sv = server_start_on(fd, serve_ok, NULL);
    assert_int_equal(0, net_origin_new_unix(&sv.origin, a.sun_path, NULL));
    struct seen s;
    seen_init(&s);
    struct net_request rq = request(&sv, &s);
    send_ok(&rq, &s);
    await_done(&s);
    assert_int_equal(NET_ANSWERED, s.result.end);
    buf_release(&s.data);
    char *log;
    server_stop(&sv, &log);
    assert_non_null(strstr(log, "\r\nHost: localhost\r\n"));
    free(log);
    unlink(a.sun_path);
    rmdir(dir);
}

/* ---- control of what runs */

#define BIG (4 << 20)

static void serve_big(int fd, const void *arg)
{
    static char block[65536];
    (void)arg;
    log_one_request(fd);
    memset(block, 'b', sizeof block);
    send_text(fd, OK_HEAD "Content-Length: 4194304\r\n\r\n");
    for (size_t sent = 0; sent < BIG; sent += sizeof block)
        send_all(fd, block, sizeof block);
    hold(fd);
}

static void test_pause_and_resume(void **state)
{
    (void)state;
    struct server sv = server_start(serve_big, NULL);
    struct seen s;
    seen_init(&s);
    s.pause_on_data = true;
    struct net_request rq = request(&sv, &s);
    rq.deadlines.idle_ms = 1000; /* does not run while paused */
    send_ok(&rq, &s);
    while (s.pieces == 0)
        turn();
    size_t before = s.data.len;
    int64_t until = clock_mono_us() + 1200000;
    while (clock_mono_us() < until) {
        struct err e;
        assert_int_equal(0, loop_turn(lp, 10, &e));
    }
    assert_int_equal(1, s.pieces);
    assert_int_equal(before, s.data.len);
    assert_int_equal(0, s.dones);
    assert_true(before < BIG); /* held back, not swallowed */
    s.pause_on_data = false;
    net_resume(s.call);
    await_done(&s);
    assert_int_equal(NET_ANSWERED, s.result.end);
    assert_int_equal(BIG, s.data.len);
    assert_int_equal(BIG, s.result.received);
    buf_release(&s.data);
    server_stop(&sv, NULL);
}

static void test_done_waits_for_resume(void **state)
{
    (void)state;
    struct answer a = { .raw = OK_HEAD "Content-Length: 2\r\n\r\nhi" };
    struct server sv = server_start(serve_answer, &a);
    struct seen s;
    seen_init(&s);
    s.pause_on_data = true;
    struct net_request rq = request(&sv, &s);
    send_ok(&rq, &s);
    while (s.pieces == 0)
        turn();
    for (int i = 0; i < 3; i++) {
        struct err e;
        assert_int_equal(0, loop_turn(lp, 5, &e));
    }
    assert_int_equal(0, s.dones);
    net_resume(s.call);
    await_done(&s);
    assert_int_equal(NET_ANSWERED, s.result.end);
    buf_release(&s.data);
    server_stop(&sv, NULL);
}

static void test_cancel(void **state)
{
    (void)state;
    /* 0: before the first turn, 1: in on_head, 2: in on_data, 3: while paused */
    for (int when = 0; when < 4; when++) {
        struct server sv = server_start(serve_big, NULL);
        struct seen s;
        seen_init(&s);
        s.cancel_on_head = when == 1;
        s.cancel_on_data = when == 2;
        s.pause_on_data = when == 3;
        s.cancel_on_done = true; /* does nothing any more */
        struct net_request rq = request(&sv, &s);
        send_ok(&rq, &s);
        if (when == 3)
            while (s.pieces == 0)
                turn();
        if (when == 0 || when == 3) {
            net_cancel(s.call);
            assert_int_equal(0, s.dones); /* never from inside the call */
            turn();
            assert_int_equal(1, s.dones); /* but in the next turn */
        }
        await_done(&s);
        assert_int_equal(NET_CANCELLED, s.result.end);
        assert_int_equal(ERR_CANCELLED, s.result.err.code);
        assert_int_equal(when >= 2, s.pieces);
        assert_int_equal(when != 0, s.result.truncated);
        turn();
        buf_release(&s.data);
        server_stop(&sv, NULL);
    }
}

/* Complete, but not yet told: what is cancelled then is not reported as an answer. */
static void test_cancel_of_an_untold_answer(void **state)
{
    (void)state;
    struct answer a = { .raw = OK_HEAD "Content-Length: 2\r\n\r\nhi" };
    struct server sv = server_start(serve_answer, &a);
    struct seen s;
    seen_init(&s);
    struct net_request rq = request(&sv, &s);
    send_ok(&rq, &s);
    net_pause(s.call);
    for (int i = 0; i < 50; i++) {
        struct err e;
        assert_int_equal(0, loop_turn(lp, 2, &e));
    }
    net_cancel(s.call);
    await_done(&s);
    assert_int_equal(NET_CANCELLED, s.result.end);
    assert_int_equal(0, s.pieces);
    buf_release(&s.data);
    server_stop(&sv, NULL);
}

static void test_drop(void **state)
{
    (void)state;
    for (int when = 0; when < 2; when++) {
        struct server sv = server_start(serve_big, NULL);
        struct seen s, other;
        seen_init(&s);
        seen_init(&other);
        s.drop_on_data = when == 1;
        struct net_request rq = request(&sv, &s);
        send_ok(&rq, &s);
        if (when == 0)
            net_drop(s.call);
        else
            while (s.pieces == 0)
                turn();
        for (int i = 0; i < 3; i++) {
            struct err e;
            assert_int_equal(0, loop_turn(lp, 5, &e));
        }
        assert_int_equal(0, s.dones);
        assert_int_equal(when, s.pieces);
        buf_release(&s.data);
        server_stop(&sv, NULL);
    }
    net_drop(NULL);
}

static void test_free_with_calls_under_way(void **state)
{
    (void)state;
    struct server sv = server_start(serve_part_then_silence, "");
    struct seen s;
    seen_init(&s);
    struct net_request rq = request(&sv, &s);
    send_ok(&rq, &s);
    for (int i = 0; i < 3; i++) {
        struct err e;
        assert_int_equal(0, loop_turn(lp, 5, &e));
    }
    net_free(net);
    net = net_new(lp);
    assert_int_equal(0, s.dones);
    server_stop(&sv, NULL);
}

struct chain {
    struct seen seen;
    const struct server *sv;
    unsigned left;
};

static void on_chain_done(void *arg, const struct net_result *r)
{
    struct chain *c = arg;
    assert_int_equal(NET_ANSWERED, r->end);
    if (c->left-- == 0) {
        c->seen.dones = 1;
        return;
    }
    struct net_request rq = request(c->sv, &c->seen);
    rq.on_head = NULL;
    rq.on_data = NULL;
    rq.on_done = on_chain_done;
    rq.arg = c;
    send_ok(&rq, &c->seen);
}

/* The next request is started from the done callback of the one before. */
static void test_requests_from_callbacks(void **state)
{
    (void)state;
    struct server sv = server_start(serve_ok, NULL);
    struct chain c = { .sv = &sv, .left = 20 };
    struct net_result first = { .end = NET_ANSWERED };
    on_chain_done(&c, &first);
    await_done(&c.seen);
    char *log;
    server_stop(&sv, &log);
    size_t count = 0;
    for (char *at = log; (at = strstr(at, "GET / ")) != NULL; at++)
        count++;
    assert_int_equal(20, count);
    free(log);
}

/* A slow one and a quick one at the same time; our own descriptors are served meanwhile. */
static void on_timer(void *arg)
{
    ++*(int *)arg;
}

static void serve_after_release(int fd, const void *arg)
{
    (void)arg;
    log_one_request(fd);
    await_release();
    send_text(fd, OK_HEAD "Content-Length: 2\r\n\r\nhi");
}

static void test_side_by_side(void **state)
{
    (void)state;
    struct server slow = server_start(serve_after_release, NULL),
                  quick = server_start(serve_ok, NULL);
    struct seen a, b;
    int ticks = 0;
    seen_init(&a);
    seen_init(&b);
    struct net_request rq = request(&slow, &a);
    send_ok(&rq, &a);
    rq = request(&quick, &b);
    send_ok(&rq, &b);
    struct loop_source *timer = loop_add_timer(lp, on_timer, &ticks);
    loop_arm_us(lp, timer, 1000);
    await_done(&b);
    while (ticks == 0)
        turn();
    assert_int_equal(0, a.dones);
    assert_int_equal(1, write(slow.release, "x", 1));
    await_done(&a);
    assert_int_equal(NET_ANSWERED, a.result.end);
    loop_remove(lp, timer);
    buf_release(&a.data);
    buf_release(&b.data);
    server_stop(&slow, NULL);
    server_stop(&quick, NULL);
}

/* ---- what to do next */

static void test_result_details(void **state)
{
    (void)state;
    const struct {
        const char *head, *id;
        int64_t retry_ms;
        bool may_retry;
    } cases[] = {
        { "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nRequest-Id: req_1\r\n", "req_1", 7000, true },
        { "HTTP/1.1 529 Full\r\nretry-after-ms: 250\r\nRetry-After: 7\r\nX-Request-ID: \x01z\r\n",
          "?z", 250, true },
        { "HTTP/1.1 503 No\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "", 0, true },
        { "HTTP/1.1 503 No\r\nRetry-After: soon\r\n", "", -1, true },
        { "HTTP/1.1 500 No\r\nX-E2B-Trace-ID: t\r\n", "t", -1, false },
        { "HTTP/1.1 200 OK\r\nX-Test:  v \r\n", "", -1, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char raw[512];
        snprintf(raw, sizeof raw, "%sContent-Length: 0\r\n\r\n", cases[i].head);
        struct answer a = { .raw = raw };
        struct server sv = server_start(serve_answer, &a);
        struct seen s;
        seen_init(&s);
        struct net_request rq = request(&sv, &s);
        send_ok(&rq, &s);
        await_done(&s);
        assert_int_equal(NET_ANSWERED, s.result.end);
        assert_string_equal(cases[i].id, s.result.request_id);
        assert_int_equal(cases[i].retry_ms, s.result.retry_after_ms);
        assert_int_equal(cases[i].may_retry, net_may_retry(&s.result));
        if (strstr(cases[i].head, "X-Test") != NULL)
            assert_string_equal("v", s.retry_header);
        buf_release(&s.data);
        server_stop(&sv, NULL);
    }
}

static void test_backoff(void **state)
{
    (void)state;
    const int64_t tops[] = { 500, 1000, 2000, 4000 };
    struct net_result r = { .retry_after_ms = -1 };
    for (unsigned tries = 1; tries < NET_TRIES_MAX; tries++) {
        int64_t most = 0;
        for (int i = 0; i < 200; i++) {
            int64_t ms = net_backoff_ms(&r, tries);
            assert_in_range(ms, 0, tops[tries - 1]);
            most = ms > most ? ms : most;
        }
        assert_true(most > tops[tries - 1] / 2);
    }
    assert_int_equal(-1, net_backoff_ms(&r, NET_TRIES_MAX));
    r.retry_after_ms = 3000;
    assert_int_equal(3000, net_backoff_ms(&r, 1));
    r.retry_after_ms = NET_RETRY_AFTER_MAX_MS + 1;
    assert_int_equal(-1, net_backoff_ms(&r, 1));
}

static bool libcurl_is_mapped(void)
{
    char line[4096];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        found = found || strstr(line, "libcurl") != NULL;
    if (f != NULL)
        fclose(f);
    return found;
}

static bool linked_at_start;

static void test_loaded_late(void **state)
{
    (void)state;
    if (linked_at_start) {
        print_message("[  SKIPPED ] late loading: this test program is linked to libcurl\n");
        skip();
    }
    struct net_origin *o = loopback(9);
    struct net_request rq = { .method = "GET", .origin = o, .target = "x", .on_done = on_done };
    struct net_call *c;
    assert_int_equal(-1, net_send(net, &rq, &c, NULL)); /* refused: nothing to load for */
    assert_false(libcurl_is_mapped());
    struct seen s;
    seen_init(&s);
    rq.target = "/";
    rq.arg = &s;
    assert_int_equal(0, net_send(net, &rq, &c, NULL));
    assert_true(libcurl_is_mapped());
    net_drop(c);
    net_origin_free(o);
}

int main(void)
{
    linked_at_start = libcurl_is_mapped();
#define WITH_NET(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_NET(test_loaded_late),
        WITH_NET(test_answers),
        WITH_NET(test_gzip),
        WITH_NET(test_floods),
        WITH_NET(test_deadlines),
        WITH_NET(test_slow_is_not_silent),
        WITH_NET(test_unreachable),
        WITH_NET(test_request_bytes),
        WITH_NET(test_bodyless_methods),
        WITH_NET(test_large_body_both_ways),
        WITH_NET(test_streamed_upload),
        WITH_NET(test_upload_gives_up),
        WITH_NET(test_body_is_sent_at_most_once),
        WITH_NET(test_refused_requests),
        WITH_NET(test_secrets_stay_with_their_origin),
        WITH_NET(test_proxy_environment_is_ignored),
        WITH_NET(test_unix_socket),
        WITH_NET(test_pause_and_resume),
        WITH_NET(test_done_waits_for_resume),
        WITH_NET(test_cancel),
        WITH_NET(test_cancel_of_an_untold_answer),
        WITH_NET(test_drop),
        WITH_NET(test_free_with_calls_under_way),
        WITH_NET(test_requests_from_callbacks),
        WITH_NET(test_side_by_side),
        WITH_NET(test_result_details),
        cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
