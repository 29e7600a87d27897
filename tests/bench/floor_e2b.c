/* floor_e2b.c - the code interpreter's answers with a socket and cJSON. `floor_e2b RUNS FLOOD`: µs
 * from the first byte of a request to the last of its answer (p50 p95 max), then MB/s of output. */
#include <cjson/cJSON.h>

#include "e2b.h"

static int port;

static int dial(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        bench_die("no server");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void ask(int fd, const char *body)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "POST /execute HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
    e2b_put(fd, text, (size_t)n);
}

static double one_run(int fd)
{
    char text[4096];
    size_t len = 0;
    double start = bench_now();
    ask(fd, E2B_BENCH_RUN);
    while (len < sizeof e2b_end ||
           memcmp(text + len - sizeof e2b_end + 1, e2b_end, sizeof e2b_end - 1) != 0) {
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0)
            bench_die("no answer");
        len += (size_t)n;
    }
    return (bench_now() - start) * 1e6;
}

/* Each line is parsed, its text counted. */
static double flood(long bytes)
{
    static char text[(256 << 10) + 65536];
    char body[64];
    size_t held = 0, seen = 0;
    int fd = dial();
    snprintf(body, sizeof body, "{\"code\":\"flood %ld\"}", bytes);
    double cpu = bench_cpu();
    ask(fd, body);
    for (ssize_t n; (n = read(fd, text + held, sizeof text - held)) > 0;) {
        size_t from = 0, have = held + (size_t)n;
        for (char *end; (end = memchr(text + from, '\n', have - from)) != NULL;) {
            cJSON *v = cJSON_ParseWithLength(text + from, (size_t)(end - text) - from);
            const cJSON *t = cJSON_GetObjectItemCaseSensitive(v, "text");
            if (cJSON_IsString(t))
                seen += strlen(t->valuestring);
            cJSON_Delete(v);
            from = (size_t)(end - text) + 1;
        }
        held = have - from;
        memmove(text, text + from, held);
    }
    close(fd);
    if (seen < (size_t)bytes)
        bench_die("output is missing");
    return (double)seen / 1e6 / (bench_cpu() - cpu);
}

int main(int argc, char **argv)
{
    pid_t pid;
    if (argc != 3)
        return 2;
    size_t runs = strtoul(argv[1], NULL, 10);
    double *us = calloc(runs + 1, sizeof *us);
    port = e2b_start(&pid);
    int fd = dial();
    for (size_t i = 0; i < runs; i++)
        us[i] = one_run(fd);
    bench_print3(us, runs);
    printf("%f\n", flood(strtol(argv[2], NULL, 10)));
    e2b_stop(pid);
    free(us);
    return 0;
}
