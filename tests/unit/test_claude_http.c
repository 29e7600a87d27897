/* test_claude_http.c - requests to Anthropic's API against a small loopback server: what they say,
 * when they are repeated, what a refusal means. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "providers/sandboxes/claude_http.h"

#define PATIENCE_US INT64_C(30000000)

/* ---- a server: one canned answer a connection, all it was sent goes to a pipe */

static struct {
    pid_t pid;
    int log;
    char url[64];
} server;

static void serve(int fd, int log, const char *const *answers)
{
    char room[8192];
    for (size_t i = 0; answers[i] != NULL; i++) {
        int c = accept(fd, NULL, NULL);
        ssize_t n = 0, len = 0;
        while (len < (ssize_t)sizeof room - 1 &&
               (n = read(c, room + len, sizeof room - 1 - (size_t)len)) > 0) {
            len += n;
            room[len] = '\0';
            const char *body = strstr(room, "\r\n\r\n"),
                       *says = strcasestr(room, "content-length: ");
            long want = says != NULL ? strtol(says + 16, NULL, 10) : 0;
            if (body != NULL && strlen(body + 4) >= (size_t)want)
                break;
        }
        (void)!write(log, room, (size_t)len);
        (void)!write(log, "\n====\n", 6);
        (void)!write(c, answers[i], strlen(answers[i]));
        close(c);
    }
}

static void start(const char *const *answers)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    int p[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(pipe(p), 0);
    server.pid = fork();
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        serve(fd, p[1], answers);
        _exit(0);
    }
    close(fd);
    close(p[1]);
    server.log = p[0];
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%u/", ntohs(at.sin_port));
}

static void stop(struct buf *log)
{
    char room[4096];
    ssize_t n;
    int status;
    kill(server.pid, SIGKILL);
    while ((n = read(server.log, room, sizeof room)) > 0)
        (void)buf_add(log, room, (size_t)n);
    close(server.log);
    waitpid(server.pid, &status, 0);
}

static const char *setting(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "ANTHROPIC_BASE_URL") == 0)
        return server.url;
    if (strcmp(name, "ANTHROPIC_API_KEY") == 0)
        return "test-key-0123456789";
    if (strcmp(name, "ANTHROPIC_CUSTOM_HEADERS") == 0)
        return "anthropic-beta: theirs";
    return NULL;
}

/* ---- one request */

struct heard {
    int done, status;
    char body[256];
    struct buf data;
    struct err e;
    struct claude_call *call;
};

static void on_data(void *arg, const char *p, size_t len)
{
    struct heard *h = arg;
    (void)buf_add(&h->data, p, len);
}

static void on_done(void *arg, const struct net_result *r)
{
    struct heard *h = arg;
    h->done++;
    h->status = r->status;
    snprintf(h->body, sizeof h->body, "%s", r->body != NULL ? r->body : "");
    if (!remote_succeeded(r))
        (void)claude_why(h->call, r, "doing it", &h->e);
}

static struct heard ask(const char *const *answers, enum claude_again again, bool stream,
                        struct buf *log)
{
    struct heard h = { .data = BUF_INIT(1 << 16) };
    struct claude_http http;
    struct claude_call call;
    struct loop *lp;
    struct err e = ERR_INIT;
    start(answers);
    assert_int_equal(loop_new(&lp, &e), 0);
    struct net *net = net_new(lp);
    if (claude_http_open(&http, lp, net, setting, NULL, "ours", &e) < 0)
        fail_msg("%s", e.msg);
    claude_call_init(&call, &http);
    h.call = &call;
    char type[] = "text/x-odd";
    struct claude_request rq = { .method = "POST",
                                 .target = "/v1/things",
                                 .content_type = stream ? NULL : type,
                                 .body = "{}",
                                 .body_len = 2,
                                 .again = again,
                                 .on_data = stream ? on_data : NULL,
                                 .done = on_done,
                                 .arg = &h };
    claude_send(&call, &rq);
    memset(type, 'x', sizeof type - 1); /* it was copied */
    int64_t until = clock_boot_us() + PATIENCE_US;
    while (h.done == 0 && clock_boot_us() < until)
        assert_int_equal(loop_turn(lp, 100, &e), 0);
    assert_int_equal(h.done, 1);
    claude_call_release(&call);
    claude_http_release(&http);
    net_free(net);
    loop_free(lp);
    stop(log);
    return h;
}

static int count(struct buf *log, const char *what)
{
    int n = 0;
    for (const char *p = buf_str(log); (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"ok\":1}\n"
#define BUSY "HTTP/1.1 529 Busy\r\nretry-after: 0\r\nContent-Length: 0\r\n\r\n"
#define OUCH "HTTP/1.1 500 Ouch\r\nretry-after: 0\r\nContent-Length: 0\r\n\r\n"
#define STOP "HTTP/1.1 500 Ouch\r\nx-should-retry: false\r\nContent-Length: 0\r\n\r\n"
#define NO                                                                                         \
    "HTTP/1.1 400 No\r\nrequest-id: req_1\r\nContent-Length: 86\r\n\r\n"                           \
    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"not "         \
    "\\u001b[31mso\"}}"

static void test_says(void **state)
{
    static const char *const answers[] = { OK, NULL };
    struct buf log = BUF_INIT(1 << 20);
    (void)state;
    struct heard h = ask(answers, CLAUDE_ONCE, false, &log);
    assert_int_equal(h.status, 200);
    assert_string_equal(h.body, "{\"ok\":1}\n");
    assert_non_null(strstr(buf_str(&log), "POST /v1/things HTTP/1.1\r\n"));
    assert_non_null(strstr(buf_str(&log), "x-api-key: test-key-0123456789\r\n"));
    assert_non_null(strstr(buf_str(&log), "anthropic-beta: theirs,ours\r\n"));
    assert_non_null(strstr(buf_str(&log), "anthropic-version: 2026-10-21\r\n"));
    assert_non_null(strstr(buf_str(&log), "content-type: text/x-odd\r\n"));
    buf_release(&log);
}

static void test_again(void **state)
{
    static const struct {
        const char *answers[4];
        enum claude_again again;
        int status, asked;
    } cases[] = {
        { { BUSY, BUSY, OK, NULL }, CLAUDE_ONCE, 200, 3 },
        { { OUCH, OK, NULL }, CLAUDE_AGAIN, 200, 2 },
        { { OUCH, OK, NULL }, CLAUDE_ONCE, 500, 1 }, /* it may have acted */
        { { STOP, OK, NULL }, CLAUDE_AGAIN, 500, 1 },
        { { NO, OK, NULL }, CLAUDE_AGAIN, 400, 1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf log = BUF_INIT(1 << 20);
        struct heard h = ask(cases[i].answers, cases[i].again, false, &log);
        assert_int_equal(h.status, cases[i].status);
        assert_int_equal(count(&log, "===="), cases[i].asked);
        buf_release(&log);
    }
}

static void test_streams(void **state)
{
    static const char *const good[] = { BUSY, OK, NULL }, *const bad[] = { NO, NULL };
    struct buf log = BUF_INIT(1 << 20);
    (void)state;
    struct heard h = ask(good, CLAUDE_ONCE, true, &log);
    assert_int_equal(h.status, 200);
    assert_string_equal(buf_str(&h.data), "{\"ok\":1}\n");
    buf_release(&h.data);
    h = ask(bad, CLAUDE_ONCE, true, &log);
    assert_int_equal(h.data.len, 0);
    assert_int_equal(h.e.code, ERR_FORMAT);
    assert_non_null(
        strstr(h.e.msg, "doing it: the server answered 400 invalid_request_error: not"));
    assert_non_null(strstr(h.e.msg, "(request req_1)"));
    assert_null(strchr(h.e.msg, '\x1b'));
    buf_release(&h.data);
    buf_release(&log);
}

/* ---- without a server */

static void test_refusals(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_code code;
    } cases[] = {
        { 401, "{\"error\":{\"type\":\"authentication_error\"}}", ERR_DENIED },
        { 403, "", ERR_DENIED },
        { 404, "{\"error\":{\"type\":\"not_found_error\"}}", ERR_MISSING },
        { 402, "{\"error\":{\"type\":\"billing_error\"}}", ERR_LIMIT },
        { 429, "{\"error\":{\"type\":\"rate_limit_error\"}}", ERR_NET },
        { 429, "{\"error\":{\"type\":\"x\",\"details\":{\"error_code\":\"spend_limit\"}}}",
          ERR_LIMIT },
        { 413, "<html>too large</html>", ERR_FORMAT },
        { 529, "overloaded", ERR_NET },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = ERR_INIT;
        struct net_result r = { .end = NET_ANSWERED,
                                .status = cases[i].status,
                                .body = cases[i].body,
                                .body_len = strlen(cases[i].body) };
        assert_int_equal(claude_why(NULL, &r, "asking", &e), cases[i].code);
    }
}

static const char *no_setting(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static void test_small_things(void **state)
{
    struct claude_http h;
    struct err e = ERR_INIT;
    struct buf body = BUF_INIT(4096);
    char type[80];
    (void)state;
    assert_int_equal(claude_http_open(&h, NULL, NULL, no_setting, NULL, "b", &e), -1);
    assert_int_equal(e.code, ERR_MISSING);
    assert_non_null(strstr(e.msg, "ANTHROPIC_API_KEY"));
    assert_true(claude_is_id("sesn_01AbC-x"));
    assert_false(claude_is_id(""));
    assert_false(claude_is_id("a/b"));
    assert_false(claude_is_id("a.b"));
    assert_int_equal(claude_write_upload("run.json", "application/json", "\0x\r\n", 4, &body, type),
                     0);
    assert_memory_equal(type, "multipart/form-data; boundary=airlock-", 38);
    char *first = xasprintf("--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                            "filename=\"run.json\"\r\nContent-Type: application/json\r\n\r\n",
                            type + 30);
    assert_memory_equal(body.ptr, first, strlen(first));
    assert_memory_equal(body.ptr + strlen(first), "\0x\r\n\r\n--airlock-", 16);
    assert_string_equal(body.ptr + body.len - 4, "--\r\n");
    free(first);
    buf_release(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says),         cmocka_unit_test(test_again),
        cmocka_unit_test(test_streams),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_small_things),
    };
    return cmocka_run_group_tests_name("claude http", tests, NULL, NULL);
}
