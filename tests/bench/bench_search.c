/* bench_search.c - a literal in stored output, against memmem over the same bytes in memory (floor)
 * and grep -cF over them in a file (`search`). */
#include "text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sessions/search.h"
#include "sessions/store.h"

#define MISS "no such words in here"
#define LATE "the needle at the end"

static struct err e;

static void check(int rc)
{
    if (rc < 0)
        bench_die(e.msg);
}

static char *map_file(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        bench_die(path);
    char *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        bench_die("mmap");
    *len = (size_t)st.st_size;
    return p;
}

static double per_gib(double seconds, size_t bytes)
{
    return seconds * (double)(1 << 30) / (double)bytes;
}

/* The same bytes as the output of one run. */
static void record(const char *sessions, const char *p, size_t len)
{
    struct store *s;
    check(store_create(&s, sessions, "bench", &e));
    struct event ev = { .type = EVENT_NOTE, .json = "{\"text\":\"x\",\"author\":\"person\"}" };
    ev.json_len = strlen(ev.json);
    check(store_append(s, &ev, &e));
    for (size_t at = 0; at < len; at += STORE_CHUNK_MAX) {
        struct event out = { .type = EVENT_RUN_OUTPUT,
                             .run = 1,
                             .stream = 1,
                             .offset = STORE_OFFSET_NEXT,
                             .bytes = p + at,
                             .len = len - at < STORE_CHUNK_MAX ? len - at : STORE_CHUNK_MAX };
        check(store_append(s, &out, &e));
    }
    check(store_flush(s, &e));
    store_close(s);
}

static int note_hit(void *arg, const struct search_hit *hit)
{
    double *first = arg;
    (void)hit;
    if (*first == 0)
        *first = bench_now();
    return 0;
}

/* Seconds for all of it; *first is when the first hit came. */
static double search_for(const char *dir, const char *text, double *first)
{
    char sessions[300];
    struct index *ix;
    struct search *s;
    struct search_spec spec = { .text = text, .per_stream = 20 };
    int more;
    *first = 0;
    snprintf(sessions, sizeof sessions, "%.250s/sessions", dir);
    check(index_open(&ix, dir, &e));
    check(index_refresh(ix, &e));
    double start = bench_now();
    check(search_new(&s, ix, sessions, &spec, note_hit, first, &e));
    while ((more = search_step(s, (size_t)16 << 20, &e)) == 1)
        ;
    check(more);
    double took = bench_now() - start;
    if (*first != 0)
        *first -= start;
    search_free(s);
    index_close(ix);
    return took;
}

static int ours(const char *file)
{
    size_t len;
    double first;
    char *p = map_file(file, &len), *dir = bench_make_dir(), sessions[300];
    snprintf(sessions, sizeof sessions, "%.250s/sessions", dir);
    record(sessions, p, len);
    munmap(p, len);
    search_for(dir, MISS, &first); /* warm */
    if (first != 0)
        bench_die("it found what is not there");
    printf("%f\n", per_gib(search_for(dir, MISS, &first), len));
    search_for(dir, "PASSED", &first);
    printf("%f\n", first * 1000);
    double took = search_for(dir, LATE, &first);
    if (first == 0)
        bench_die("it does not find what is there");
    printf("%f\n", per_gib(took, len));
    bench_remove_dir(dir);
    return 0;
}

static int floor_(const char *file)
{
    size_t len;
    char *p = map_file(file, &len);
    if (memmem(p, len, MISS, strlen(MISS)) != NULL) /* warm */
        return 1;
    double start = bench_now();
    if (memmem(p, len, MISS, strlen(MISS)) != NULL)
        return 1;
    printf("%f\n", per_gib(bench_now() - start, len));
    return 0;
}

static int peer(const char *file)
{
    struct stat st;
    double took = 0;
    if (access("/usr/bin/grep", X_OK) < 0 && access("/bin/grep", X_OK) < 0)
        return BENCH_MISSING;
    for (int i = 0; i < 2; i++) { /* the first one warms */
        double start = bench_now();
        pid_t pid = fork();
        if (pid == 0) {
            int null = open("/dev/null", O_WRONLY);
            dup2(null, STDOUT_FILENO);
            execlp("grep", "grep", "-cF", MISS, file, (char *)NULL);
            _exit(127);
        }
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        took = bench_now() - start;
    }
    if (stat(file, &st) < 0)
        return 1;
    printf("%f\n", per_gib(took, (size_t)st.st_size));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "search", "s/GiB", BENCH_TIME, false, 1.5, .ours = 0, .reference = 0.133 },
        { "search.first", "ms", BENCH_TIME, false, 50, .ours = 1, .reference = 0.133 },
        { "search.late-hit", "s/GiB", BENCH_TIME, false, 1.5, .ours = 2, .reference = 0.133 },
        { "search.grep", "s/GiB", BENCH_PEER, false, 4, .ours = 0, .peer = 0 },
    };
    if (argc == 3 && strcmp(argv[1], "ours") == 0)
        return ours(argv[2]);
    if (argc == 3 && strcmp(argv[1], "floor") == 0)
        return floor_(argv[2]);
    if (argc == 3 && strcmp(argv[1], "peer") == 0)
        return peer(argv[2]);
    char file[300], *dir = xstrdup(bench_make_dir());
    snprintf(file, sizeof file, "%.250s/text", dir);
    text_make(file, bench_size(1L << 30), 7);
    FILE *f = fopen(file, "a");
    if (f == NULL || fputs(LATE "\n", f) < 0 || fclose(f) != 0)
        bench_die(file);
    const char *ours_argv[] = { argv[0], "ours", file, NULL },
               *floor_argv[] = { argv[0], "floor", file, NULL },
               *peer_argv[] = { argv[0], "peer", file, NULL };
    struct bench_plan plan = { .ours = ours_argv,
                               .floor = floor_argv,
                               .peer = peer_argv,
                               .peer_name = "grep -cF",
                               .pairs = 3 };
    int rc = bench_goals(&plan, goals, ARRAY_LEN(goals));
    bench_remove_dir(dir);
    free(dir);
    return rc;
}
