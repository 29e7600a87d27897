/* floor_kernel.c - bwrap, python, one line: ms from fork to the first byte: p50 p95 max. */
#include "bench.h"

#define STARTS 8

static double start_once(void)
{
    int fds[2];
    char byte;
    if (pipe(fds) < 0)
        bench_die("pipe");
    double start = bench_now();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        execl("/usr/bin/bwrap", "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr",
              "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc",
              "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--new-session", "/usr/bin/python3",
              "-I", "-c", "print(1)", (char *)NULL);
        _exit(BENCH_MISSING);
    }
    close(fds[1]);
    if (read(fds[0], &byte, 1) != 1)
        exit(BENCH_MISSING);
    double took = bench_now() - start;
    close(fds[0]);
    waitpid(pid, NULL, 0);
    return took * 1e3;
}

int main(void)
{
    double ms[STARTS];
    for (int i = 0; i < STARTS; i++)
        ms[i] = start_once();
    bench_print3(ms, STARTS);
    return 0;
}
