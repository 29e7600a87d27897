/* floor_cell.c - a bare python that executes lines from a pipe, and two commits' worth of fdatasync
 * before each: ms p50 p95 max of both together, p50 of the echo alone, of the two syncs alone. */
#include <fcntl.h>

#include "bench.h"

#define CELLS 150

static const char kernel[] = "import sys\n"
                             "r, w, names = sys.stdin, sys.stdout, {}\n"
                             "for line in r:\n"
                             "    exec(compile(line, 'cell', 'exec'), names)\n"
                             "    w.write('done\\n')\n"
                             "    w.flush()\n";

static void two_syncs(int fd)
{
    static const char row[500];
    for (int i = 0; i < 2; i++)
        if (write(fd, row, sizeof row) < 0 || fdatasync(fd) < 0)
            bench_die("floor_cell");
}

int main(void)
{
    int to[2], from[2];
    double all[CELLS], echo[CELLS], sync[CELLS];
    char answer[16], path[300], *dir = bench_make_dir();
    snprintf(path, sizeof path, "%s/log", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || pipe(to) < 0 || pipe(from) < 0)
        bench_die(path);
    if (fork() == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        execl("/usr/bin/python3", "python3", "-I", "-c", kernel, (char *)NULL);
        _exit(127);
    }
    for (int i = -1; i < CELLS; i++) {
        double start = bench_now();
        two_syncs(fd);
        double mid = bench_now();
        if (write(to[1], "x = 1\n", 6) < 0 || read(from[0], answer, sizeof answer) <= 0)
            bench_die("no python3");
        if (i < 0)
            continue;
        sync[i] = (mid - start) * 1e3;
        echo[i] = (bench_now() - mid) * 1e3;
        all[i] = sync[i] + echo[i];
    }
    bench_print3(all, CELLS);
    printf("%f %f\n", bench_quantile(echo, CELLS, 0.5), bench_quantile(sync, CELLS, 0.5));
    unlink(path);
    return rmdir(dir);
}
