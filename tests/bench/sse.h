/* sse.h - a model's server for benchmarks: event streams on loopback from a child process, paced or
 * at full speed. Each piece of text of a paced stream is the time at which it was sent. */
#ifndef AIRLOCK_TESTS_BENCH_SSE_H
#define AIRLOCK_TESTS_BENCH_SSE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bench.h"

#define SSE_STREAMS_MAX 128

struct sse_plan {
    bool chat;       /* chat completions; else the Messages API */
    bool code;       /* chat: the code of a call, ten words a line: "k000000 k000001 …" */
    int streams;     /* connections */
    double rate;     /* events per second and stream; 0: as fast as they are read */
    long events;     /* per stream */
    long long *sent; /* of code: when each was sent; shared with the child */
};

BENCH_UNUSED static long long sse_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const char sse_head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                               "connection: close\r\n\r\n";
static const char *const sse_begin[] = {
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_"
    "tokens\":1,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_"
    "block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "data: "
    "{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n"
};
static const char sse_begin_code[] =
    "data: "
    "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{"
    "\"name\":\"execute_code\",\"arguments\":\"{\\\"language\\\":\\\"python\\\",\\\"purpose\\\":"
    "\\\"p\\\",\\\"code\\\":\\\"\"}}]}}]}\n\n";
static const char *const sse_piece[] = {
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"
    "\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1763800000,"
    "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"finish_reason\":"
    "null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
    "\"arguments\":\"%s\"}}]}}]}\n\n"
};
static const char *const sse_end[] = {
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: "
    "message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
    "\"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: "
    "{\"type\":\"message_stop\"}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
    "\"stop\"}]}\n\ndata: [DONE]\n\n"
};

/* Formats of the table above, with the one string they take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t sse_format(const struct sse_plan *p, const char *text, char *out, size_t size)
{
    return (size_t)snprintf(out, size, sse_piece[p->code ? 2 : p->chat], text);
}
#pragma GCC diagnostic pop

static void sse_write(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n <= 0)
            _exit(0); /* the reader has gone */
        p += n;
        len -= (size_t)n;
    }
}

/* The whole request: head, then as many bytes as it says. */
static void sse_read_request(int fd)
{
    static char text[1 << 20];
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0)
            _exit(0);
        text[len += (size_t)n] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *said = strcasestr(text, "content-length:");
        long body = said != NULL ? strtol(said + 15, NULL, 10) : 0;
        if (end != NULL && len >= (size_t)(end + 4 - text) + (size_t)body)
            return;
    }
}

static void sse_pace(const struct sse_plan *p, const int *fds)
{
    char text[32], event[512];
    long long start = sse_now_ns(), step = (long long)(1e9 / p->rate / p->streams);
    for (long i = 0; i < p->events * p->streams; i++) {
        long long due = start + i * step;
        struct timespec t = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        if (p->code)
            snprintf(text, sizeof text, "k%06ld%s", i, i % 10 == 9 ? "\\\\n" : " ");
        else
            snprintf(text, sizeof text, "%019lld", sse_now_ns());
        if (p->code)
            p->sent[i] = sse_now_ns();
        sse_write(fds[i % p->streams], event, sse_format(p, text, event, sizeof event));
    }
}

/* Many events to a write: the reader is what is measured. */
static void sse_burst(const struct sse_plan *p, int fd)
{
    enum { BATCH = 400 };
    static char block[BATCH * 512];
    size_t one = sse_format(p, " token", block, sizeof block), len = one;
    for (int i = 1; i < BATCH; i++, len += one)
        memcpy(block + len, block, one);
    for (long left = p->events; left > 0; left -= BATCH)
        sse_write(fd, block, one * (size_t)(left < BATCH ? left : BATCH));
}

_Noreturn static void sse_serve(const struct sse_plan *p, int listener)
{
    int fds[SSE_STREAMS_MAX], on = 1;
    alarm(BENCH_SECONDS);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < p->streams; i++) {
        fds[i] = accept(listener, NULL, NULL);
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        sse_read_request(fds[i]);
        sse_write(fds[i], sse_head, sizeof sse_head - 1);
        sse_write(fds[i], sse_begin[p->chat], strlen(sse_begin[p->chat]));
        if (p->code)
            sse_write(fds[i], sse_begin_code, sizeof sse_begin_code - 1);
    }
    if (p->rate > 0)
        sse_pace(p, fds);
    else
        sse_burst(p, fds[0]);
    for (int i = 0; i < p->streams; i++) {
        sse_write(fds[i], sse_end[p->chat], strlen(sse_end[p->chat]));
        shutdown(fds[i], SHUT_WR);
    }
    for (int i = 0; i < p->streams; i++)
        sse_read_request(fds[i]); /* until the reader has closed; ends this process */
    _exit(0);
}

/* Its port; *pid is to be killed and waited for. */
BENCH_UNUSED static int sse_start(const struct sse_plan *p, pid_t *pid)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, SSE_STREAMS_MAX) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        bench_die("no loopback");
    *pid = fork();
    if (*pid == 0)
        sse_serve(p, fd);
    close(fd);
    return ntohs(at.sin_port);
}

BENCH_UNUSED static void sse_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* `NAME DIALECT STREAMS RATE EVENTS` */
BENCH_UNUSED static struct sse_plan sse_plan_of(char **argv)
{
    struct sse_plan p = { .chat = strcmp(argv[1], "chat") == 0,
                          .streams = (int)strtol(argv[2], NULL, 10),
                          .rate = strtod(argv[3], NULL),
                          .events = strtol(argv[4], NULL, 10) };
    if (p.streams < 1 || p.streams > SSE_STREAMS_MAX || p.events < 1)
        bench_die("sse: DIALECT STREAMS RATE EVENTS");
    return p;
}

/* p50, p95 and max in us, p99 in ms, processor time in % of a core. */
BENCH_UNUSED static void sse_print_paced(double *us, size_t n, double cpu, double wall)
{
    bench_print3(us, n);
    printf("%f %f\n", bench_quantile(us, n, 0.99) / 1000, 100 * cpu / wall);
}

#endif
