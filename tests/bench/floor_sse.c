/* floor_sse.c - event streams read with poll and split at blank lines; paced: the time in each is
 * looked at, at full speed: cJSON parses each. `floor_sse DIALECT STREAMS RATE EVENTS` */
#include <cjson/cJSON.h>
#include <poll.h>

#include "sse.h"

static char rest[SSE_STREAMS_MAX][4096];
static size_t held[SSE_STREAMS_MAX], seen, room;
static double *us;

static void take(const struct sse_plan *p, char *event, size_t len)
{
    char *data = memmem(event, len, "data: ", 6), *at;
    if (data == NULL)
        return;
    if (p->rate <= 0) {
        cJSON *v = cJSON_ParseWithLength(data + 6, len - (size_t)(data + 6 - event));
        seen += cJSON_IsObject(v);
        cJSON_Delete(v);
    } else if (seen < room &&
               (at = memmem(data, len - (size_t)(data - event), "\":\"0", 4)) != NULL) {
        us[seen++] = (double)(sse_now_ns() - strtoll(at + 3, NULL, 10)) / 1000;
    }
}

static void feed(const struct sse_plan *p, int i, char *text, size_t len)
{
    size_t from = 0;
    for (char *end; (end = memmem(text + from, len - from, "\n\n", 2)) != NULL;) {
        take(p, text + from, (size_t)(end - text) - from);
        from = (size_t)(end - text) + 2;
    }
    held[i] = len - from < sizeof rest[i] ? len - from : 0;
    memcpy(rest[i], text + from, held[i]);
}

int main(int argc, char **argv)
{
    static char text[(256 << 10) + 4096];
    struct pollfd fds[SSE_STREAMS_MAX];
    struct sse_plan p = sse_plan_of(argv);
    pid_t pid;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    static const char ask[] = "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
    int open = p.streams;
    (void)argc;
    room = (size_t)p.events * (size_t)p.streams;
    us = malloc(room * sizeof *us);
    to.sin_port = htons((uint16_t)sse_start(&p, &pid));
    for (int i = 0; i < p.streams; i++) {
        fds[i] = (struct pollfd){ .fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN };
        if (connect(fds[i].fd, (struct sockaddr *)&to, sizeof to) < 0 ||
            write(fds[i].fd, ask, sizeof ask - 1) < 0)
            bench_die("no server");
    }
    double start = bench_now(), cpu = bench_cpu();
    while (open > 0 && poll(fds, (nfds_t)p.streams, 10000) > 0) {
        for (int i = 0; i < p.streams; i++) {
            if (fds[i].revents == 0)
                continue;
            memcpy(text, rest[i], held[i]);
            ssize_t n = read(fds[i].fd, text + held[i], sizeof text - sizeof rest[i]);
            if (n <= 0) {
                fds[i].fd = -1;
                open--;
            } else {
                feed(&p, i, text, held[i] + (size_t)n);
            }
        }
    }
    cpu = bench_cpu() - cpu;
    if (p.rate > 0)
        sse_print_paced(us, seen, cpu, bench_now() - start);
    else
        printf("%f\n", (double)p.events / cpu);
    sse_stop(pid);
    return seen + 10 < room;
}
