/* e2b.h - the least of an E2B for benchmarks: its answers are ready, so its own time is that of the
 * exchange alone. Code "flood N" prints N bytes. */
#ifndef AIRLOCK_TESTS_BENCH_E2B_H
#define AIRLOCK_TESTS_BENCH_E2B_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "bench.h"

#define E2B_BENCH_TEXT 4050 /* of one line of output: 50 lines of 80 and their ends */
#define E2B_BENCH_RUN  "{\"code\":\"6*7\",\"context_id\":\"00000000-0000-4000-8000-000000000000\"}"

static const char e2b_count[] = "{\"type\": \"number_of_executions\", \"execution_count\": "
                                "1}\n{\"type\": \"stdout\", \"text\": "
                                "\"42\\n\", \"timestamp\": \"2026-05-01T10:00:00.120001+00:00\"}\n";
static const char e2b_end[] = "{\"type\": \"end_of_execution\"}\n";

static void e2b_put(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n <= 0)
            _exit(0); /* the reader has gone */
        p += n;
        len -= (size_t)n;
    }
}

static void e2b_answer(int fd, int status, const char *body, size_t len)
{
    char text[4096];
    int n =
        snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status, len);
    memcpy(text + n, body, len);
    e2b_put(fd, text, (size_t)n + len);
}

static void e2b_say(int fd, int status, const char *body)
{
    e2b_answer(fd, status, body, strlen(body));
}

/* A process of the daemon that ends well at once. */
static void e2b_process(int fd)
{
    static const char *const events[] = {
        "{\"event\":{\"start\":{\"pid\":7}}}",
        "{\"event\":{\"end\":{\"exited\":true,\"status\":\"exit status 0\"}}}", "{}"
    };
    char body[512];
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(events[i]);
        const char head[5] = { (char)(i == 2 ? 2 : 0), 0, 0, 0, (char)len };
        memcpy(body + at, head, sizeof head);
        memcpy(body + at + sizeof head, events[i], len);
        at += sizeof head + len;
    }
    e2b_answer(fd, 200, body, at);
}

static void e2b_flood(int fd, long bytes)
{
    enum { BATCH = 16 };
    static char block[BATCH * 2 * E2B_BENCH_TEXT];
    static const char head[] = "{\"type\": \"stdout\", \"text\": \"",
                      tail[] = "\", \"timestamp\": \"2026-05-01T10:00:00.120001+00:00\"}\n";
    size_t one = 0;
    long lines = (bytes + E2B_BENCH_TEXT - 1) / E2B_BENCH_TEXT;
    memcpy(block, head, sizeof head - 1);
    one = sizeof head - 1;
    for (int i = 0; i < E2B_BENCH_TEXT / 81; i++) {
        memset(block + one, 'a' + i % 26, 80);
        memcpy(block + one + 80, "\\n", 2);
        one += 82;
    }
    memcpy(block + one, tail, sizeof tail - 1);
    one += sizeof tail - 1;
    for (int i = 1; i < BATCH; i++)
        memcpy(block + (size_t)i * one, block, one);
    for (; lines > 0; lines -= BATCH)
        e2b_put(fd, block, one * (size_t)(lines < BATCH ? lines : BATCH));
}

/* Without a length: its end is the connection's, as proxies between us and E2B also do it. */
static void e2b_execute(int fd, const char *body)
{
    static const char report[] =
        "{\"type\": \"result\", \"extra\": {\"application/vnd.airlock.report+json\": {\"pid\": 7, "
        "\"exists\": [], \"vars\": [], \"files\": []}}, \"is_main_result\": false}\n";
    const char *flood = strstr(body, "\"flood ");
    char text[1024];
    if (flood != NULL) {
        static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        e2b_put(fd, head, sizeof head - 1);
        e2b_flood(fd, strtol(flood + 7, NULL, 10));
        e2b_put(fd, e2b_end, sizeof e2b_end - 1);
        _exit(0);
    }
    bool ours = strstr(body, "_airlock") != NULL || strstr(body, "<airlock>") != NULL;
    snprintf(text, sizeof text, "%s%s", ours ? report : e2b_count, e2b_end);
    e2b_say(fd, 200, text);
}

static void e2b_route(int fd, char *text, const char *body)
{
    if (strncmp(text, "DELETE ", 7) == 0 || strstr(text, "/timeout ") != NULL)
        e2b_put(fd, "HTTP/1.1 204 X\r\n\r\n", 18);
    else if (strncmp(text, "POST /v2/sandboxes ", 19) == 0)
        e2b_say(fd, 201,
                "{\"sandboxID\":\"i0123456789abcdefghij\",\"envdVersion\":\"0.6.13\","
                "\"envdAccessToken\":\"0123456789\",\"trafficAccessToken\":\"9876543210\","
                "\"domain\":null}");
    else if (strncmp(text, "POST /contexts ", 15) == 0)
        e2b_say(fd, 200,
                "{\"id\":\"00000000-0000-4000-8000-000000000000\",\"language\":\"python\","
                "\"cwd\":\"/workspace\"}");
    else if (strncmp(text, "POST /process", 13) == 0)
        e2b_process(fd);
    else if (strncmp(text, "POST /execute ", 14) == 0)
        e2b_execute(fd, body);
    else
        e2b_say(fd, 404, "{}");
}

_Noreturn static void e2b_connection(int fd)
{
    static char text[1 << 20];
    size_t len = 0;
    for (;;) {
        const char *end = len > 0 ? strstr(text, "\r\n\r\n") : NULL;
        const char *said = end != NULL ? strcasestr(text, "content-length:") : NULL;
        size_t body = said != NULL && said < end ? strtoul(said + 15, NULL, 10) : 0;
        size_t whole = end != NULL ? (size_t)(end + 4 - text) + body : SIZE_MAX;
        if (len >= whole) {
            e2b_route(fd, text, end + 4);
            memmove(text, text + whole, len - whole + 1);
            len -= whole;
            continue;
        }
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0)
            _exit(0);
        text[len += (size_t)n] = '\0';
    }
}

/* Its port; `pid` is to be killed. */
static int e2b_start(pid_t *pid)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 ||
        listen(listener, 64) < 0 || getsockname(listener, (struct sockaddr *)&at, &len) < 0)
        bench_die("no server");
    fflush(stdout);
    *pid = fork();
    if (*pid != 0) {
        close(listener);
        return ntohs(at.sin_port);
    }
    alarm(BENCH_SECONDS);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            alarm(BENCH_SECONDS);
            e2b_connection(fd);
        }
    }
    _exit(0);
}

static void e2b_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

#endif
