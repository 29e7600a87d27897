/* bench_tmux.h - tmux with a server of its own, which is our child and ends with us. */
#ifndef AIRLOCK_TESTS_BENCH_TMUX_H
#define AIRLOCK_TESTS_BENCH_TMUX_H

#include "bench_peers.h"

/* Start a server that stays in the foreground, and a client on a 200x60 terminal that runs `words`
 * (arguments of new-session). The server's pid. */
BENCH_UNUSED static pid_t tmux_open(struct tty *t, const char *home, const char *const *words)
{
    char socket[400];
    const char *argv[24] = { "tmux", "-S", socket, "-f", "/dev/null", "new-session" };
    size_t n = 6;
    if (!peer_has("tmux"))
        exit(BENCH_MISSING);
    snprintf(socket, sizeof socket, "%.300s/tmux", home);
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        setenv("HOME", home, 1);
        setenv("SHELL", "/bin/sh", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        execlp("tmux", "tmux", "-S", socket, "-f", "/dev/null", "-D", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && access(socket, F_OK) < 0; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    while (*words != NULL && n < 23)
        argv[n++] = *words++;
    argv[n] = NULL;
    tty_open(t, 200, 60, argv, home, false, -1);
    return server;
}

BENCH_UNUSED static void tmux_close(struct tty *t, pid_t server)
{
    tty_close(t, SIGKILL);
    kill(server, SIGTERM);
    double end = bench_now() + 5;
    while (waitpid(server, NULL, WNOHANG) == 0) {
        if (bench_now() > end)
            kill(server, SIGKILL);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
}

#endif
