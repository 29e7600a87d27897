/* open_double.h - the probes' negative control: a "sandbox" with no walls at all. Each run is a
 * python of this machine, with this user's rights, that nothing ends. For tests only. */
#ifndef AIRLOCK_TESTS_CONTRACT_OPEN_DOUBLE_H
#define AIRLOCK_TESTS_CONTRACT_OPEN_DOUBLE_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/path.h"
#include "providers/sandbox.h"

static bool double_leaves_a_process; /* in a pid namespace of its own, for 5 s */

struct open_double {
    struct sandbox base;
    struct loop *loop;
    struct loop_source *idle, *timer, *out;
    sandbox_sink sink;
    void *arg;
    pid_t pid;
    int fd; /* its stdout */
    uint32_t run;
    bool dead;
};

static inline void double_emit(struct open_double *d, struct sandbox_event ev)
{
    d->sink(d->arg, &d->base, &ev);
}

static inline void double_finish(struct open_double *d, enum run_end end)
{
    struct sandbox_finished f = { .end = end,
                                  .what = "",
                                  .limits_hit = "",
                                  .error_name = "",
                                  .error_value = "",
                                  .error_traceback = "",
                                  .check_text = "",
                                  .message = "" };
    loop_remove(d->loop, d->out);
    close(d->fd);
    d->out = NULL;
    d->fd = -1;
    kill(d->pid, SIGKILL);
    waitpid(d->pid, NULL, 0);
    d->pid = 0;
    double_emit(d,
                (struct sandbox_event){ .kind = SANDBOX_FINISHED, .run = d->run, .finished = &f });
}

static inline void double_read(void *arg, int fd, unsigned events)
{
    struct open_double *d = arg;
    char bytes[65536];
    (void)events;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0)
        double_emit(d, (struct sandbox_event){ .kind = SANDBOX_OUTPUT,
                                               .run = d->run,
                                               .stream = STREAM_STDOUT,
                                               .ptr = bytes,
                                               .len = (size_t)n });
    else if (n == 0)
        double_finish(d, END_EXIT);
}

static inline void double_idle(void *arg)
{
    struct open_double *d = arg;
    if (!d->dead) {
        double_emit(d, (struct sandbox_event){ .kind = SANDBOX_READY, .id = "open" });
        return;
    }
    if (d->pid != 0)
        double_finish(d, END_KILLED);
    double_emit(d, (struct sandbox_event){ .kind = SANDBOX_CLOSED, .confirmed = true });
}

static inline int double_open(struct sandbox **out, const struct sandbox_config *cfg,
                              struct err *e);

static inline void double_child(const struct sandbox_run *rq, int in, int out)
{
    signal(SIGPIPE, SIG_DFL);
    dup2(in, 0);
    dup2(out, 1);
    close_range(3, ~0u, 0);
    char *const argv[] = { (char *)(uintptr_t) "python3", (char *)(uintptr_t) "-c",
                           (char *)(uintptr_t)rq->code, NULL };
    execv("/usr/bin/python3", argv);
    _exit(127);
}

static inline int double_exec(struct sandbox *s, const struct sandbox_run *rq, struct err *e)
{
    struct open_double *d = (struct open_double *)s;
    int in[2], out[2];
    if (pipe(in) < 0 || pipe(out) < 0)
        return err_sys(e, ERR_IO, "pipe");
    d->run = rq->run;
    d->pid = fork();
    if (d->pid == 0)
        double_child(rq, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    (void)!write_all_fd(in[1], rq->input, rq->input_len);
    close(in[1]);
    d->fd = out[0];
    (void)!fcntl(d->fd, F_SETFL, O_NONBLOCK);
    return loop_add_fd(d->loop, d->fd, LOOP_READ, LOOP_NORMAL, double_read, d, &d->out, e);
}

static inline void double_kill(struct sandbox *s, enum run_end as)
{
    struct open_double *d = (struct open_double *)s;
    (void)as;
    d->dead = true;
    loop_wake_idle(d->loop, d->idle);
}

static inline void double_close(struct sandbox *s)
{
    struct open_double *d = (struct open_double *)s;
    loop_remove(d->loop, d->idle);
    free(d);
}

static inline int double_available(const struct sandbox_host *h, struct err *e)
{
    (void)h, (void)e;
    return 0;
}

/* It promises everything. */
static inline void double_enforcement(const struct contract *c, struct contract_enforcement *out)
{
    (void)c;
    memset(out, 0, sizeof *out);
}

static inline const char *double_interpreter(const struct contract *c, const char *language)
{
    (void)c, (void)language;
    return "/usr/bin/python3";
}

static const struct sandbox_ops open_double_ops = {
    .name = "open",
    .title = "no walls (tests only)",
    .isolation = "none",
    .caps = SANDBOX_IS_STATEFUL,
    .languages = "python",
    .available = double_available,
    .enforcement = double_enforcement,
    .interpreter = double_interpreter,
    .open = double_open,
    .exec = double_exec,
    .kill = double_kill,
    .close = double_close,
};

static inline void double_leave_a_process(void)
{
    if (fork() != 0)
        return;
    close_range(3, ~0u, 0);
    execl("/usr/bin/unshare", "unshare", "-U", "-p", "-f", "/bin/sleep", "5", (char *)NULL);
    _exit(127);
}

static inline int double_open(struct sandbox **out, const struct sandbox_config *cfg, struct err *e)
{
    struct open_double *d = xcalloc(1, sizeof *d);
    (void)e;
    d->base.ops = &open_double_ops;
    d->loop = cfg->loop;
    d->sink = cfg->sink;
    d->arg = cfg->arg;
    d->fd = -1;
    d->idle = loop_add_idle(d->loop, double_idle, d);
    loop_wake_idle(d->loop, d->idle);
    if (double_leaves_a_process)
        double_leave_a_process();
    *out = &d->base;
    return 0;
}

#endif
