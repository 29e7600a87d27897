/* interp.c - interpreter processes: how they are started, spoken to and listened to. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPE_SIZE   (1 << 20)
#define LAST_FD     8
#define KERNEL_ARGS 5

const char *const language_names[LANG_COUNT] = { "python", "javascript", "bash" };
struct interp interps[LANG_COUNT];

/* Arguments in front of the kernel's file. -I: no user site, no environment, no cwd on the path. */
static const char *const kernel_argv[LANG_COUNT][KERNEL_ARGS] = {
    { "-I", GUEST_DIR "/kernels/python/kernel.py" },
    { GUEST_DIR "/kernels/node/kernel.js" },
    { "--norc", "--noprofile", "-c",
      ". \"$0\"; while __airlock_next; do set -- \"${__airlock_argv[@]:1}\"; "
      "eval \"$__airlock_code\"; "
      "{ __airlock_end \"$?\"; } 2>/dev/null; done",
      GUEST_DIR "/kernels/bash/kernel.sh" },
};

int language_find(const char *p, size_t n)
{
    for (int i = 0; i < LANG_COUNT; i++) {
        if (strlen(language_names[i]) == n && memcmp(language_names[i], p, n) == 0)
            return i;
    }
    return -1;
}

static bool make_pipe(int p[2])
{
    if (pipe2(p, O_CLOEXEC) != 0)
        return false;
    (void)fcntl(p[1], F_SETPIPE_SZ, PIPE_SIZE); /* refused above the user's quota: smaller then */
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    return true;
}

/* The pipes and memfds outlive the process: a frozen copy that takes its place gets the same. */
static bool make_streams(struct interp *in)
{
    if (in->args > 0)
        return true;
    if (!make_pipe(in->out) || !make_pipe(in->err))
        return false;
    in->code = memfd_create("code", MFD_CLOEXEC);
    in->input = memfd_create("input", MFD_CLOEXEC);
    in->vars = memfd_create("vars", MFD_CLOEXEC);
    in->args = memfd_create("args", MFD_CLOEXEC);
    in->input_len = in->args_len = 0;
    return in->code >= 0 && in->input >= 0 && in->vars >= 0 && in->args >= 0;
}

static void set_limit(int which, int64_t value)
{
    struct rlimit was, want = { (rlim_t)value, (rlim_t)value };
    if (getrlimit(which, &was) == 0 && was.rlim_max < want.rlim_max)
        want.rlim_max = want.rlim_cur = was.rlim_max;
    setrlimit(which, &want);
}

static void set_limits(void)
{
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_NOFILE, setup.nofile);
    if (setup.nproc > 0)
        set_limit(RLIMIT_NPROC, setup.nproc);
    if (setup.fsize > 0)
        set_limit(RLIMIT_FSIZE, setup.fsize);
}

static char **make_env(void)
{
    char **env = calloc(setup.env_count + 1, sizeof *env);
    char *at = setup.env.p;
    for (size_t i = 0; env != NULL && i < setup.env_count; i++) {
        env[i] = at;
        at += strlen(at) + 1;
    }
    return env;
}

static void prefer_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "300", 3);
        close(fd);
    }
}

/* In the child: nothing of ours but the nine descriptors is left. */
static _Noreturn void become(const struct interp *in, int ctl)
{
    int want[LAST_FD + 1] = { open("/dev/null", O_RDONLY | O_CLOEXEC),
                              in->out[1],
                              in->err[1],
                              ctl,
                              ctl,
                              in->code,
                              in->input,
                              in->args,
                              in->vars };
    int high[LAST_FD + 1];
    sigset_t none;
    char *argv[KERNEL_ARGS + 2] = { (char *)(uintptr_t)in->path };
    for (int i = 0; i <= LAST_FD; i++)
        high[i] = fcntl(want[i], F_DUPFD_CLOEXEC, 64);
    for (int i = 0; i <= LAST_FD; i++)
        dup2(high[i], i);
    for (size_t i = 0; i < KERNEL_ARGS && kernel_argv[in->language][i] != NULL; i++)
        argv[i + 1] = (char *)(uintptr_t)kernel_argv[in->language][i];
    setpgid(0, 0);
    prctl(PR_SET_DUMPABLE, 1); /* else /proc/self belongs to root until exec */
    prefer_oom();
    set_limits();
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(in->path, argv, make_env());
    dprintf(4, "{\"t\":\"ready\",\"error\":\"%s\"}\n", strerror(errno));
    _exit(127);
}

bool interp_start(struct interp *in, const char *path, char *why, size_t why_size)
{
    int ctl[2], on = 1;
    if (in->pid != 0 && strcmp(in->path, path) == 0)
        return true;
    if (strlen(path) >= sizeof in->path || path[0] != '/') {
        snprintf(why, why_size, "the interpreter must be an absolute path");
        return false;
    }
    if (in->pid != 0) { /* another one of the same language: its state goes with it */
        interp_kill(in, SIGKILL);
        interp_forget_streams(in);
        if (in->language == LANG_PYTHON)
            frozen_drop_after(0);
    }
    in->language = (enum language)(in - interps);
    memcpy(in->path, path, strlen(path) + 1);
    if (!make_streams(in) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ctl) != 0) {
        snprintf(why, why_size, "can't make its pipes: %s", strerror(errno));
        return false;
    }
    setsockopt(ctl[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    fcntl(ctl[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        become(in, ctl[1]);
    close(ctl[1]);
    if (pid < 0) {
        snprintf(why, why_size, "can't start %s: %s", path, strerror(errno));
        close(ctl[0]);
        return false;
    }
    in->pid = pid;
    in->ctl = ctl[0];
    in->ready = in->busy = false;
    in->started_us = now_us();
    in->line.n = in->cwd.n = 0;
    in->vars_run = 0;
    in->why[0] = '\0';
    return true;
}

void interp_kill(struct interp *in, int signo)
{
    if (in->pid > 1 && kill(-in->pid, signo) != 0)
        kill(in->pid, signo);
}

void interp_forget_streams(struct interp *in)
{
    if (in->pid != 0)
        close(in->ctl);
    in->pid = 0;
    in->ctl = -1;
    in->ready = in->busy = false;
    in->line.n = 0;
}

void interp_fill(int memfd, size_t *have, const void *p, size_t n)
{
    if (n == 0 && *have == 0)
        return;
    if (*have != n && ftruncate(memfd, (off_t)n) != 0)
        guest_log("guest: a memfd could not be cut");
    for (size_t off = 0; off < n;) {
        ssize_t w = pwrite(memfd, (const char *)p + off, n - off, (off_t)off);
        if (w <= 0)
            guest_die("guest: no memory for a request");
        off += (size_t)w;
    }
    *have = n;
}

/* Requests are small and the interpreter reads them at once; one that does not is not well. */
void interp_send(struct interp *in, const struct bytes *line, int fd)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } with = { .space = { 0 } };
    size_t sent = 0;
    while (sent < line->n) {
        struct iovec iov = { line->p + sent, line->n - sent };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
        if (fd >= 0 && sent == 0) {
            m.msg_control = with.space;
            m.msg_controllen = sizeof with.space;
            struct cmsghdr *c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(c), &fd, sizeof fd);
        }
        ssize_t n = sendmsg(in->ctl, &m, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
            continue;
        }
        struct pollfd p = { .fd = in->ctl, .events = POLLOUT };
        if (errno != EINTR && (errno != EAGAIN || poll(&p, 1, 1000) != 1)) {
            guest_log("guest: %s takes no requests", language_names[in->language]);
            interp_kill(in, SIGKILL);
            return;
        }
    }
}

/* ---- lines */

static void forward(const char *t, const struct interp *in, uint32_t id, struct str line)
{
    struct bytes m = { 0 };
    bytes_addf(&m, "{\"t\":\"%s\",\"run\":%u,\"language\":\"%s\",\"of\":", t, id,
               language_names[in->language]);
    bytes_add(&m, line.p, line.n);
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
}

static void line_ready(struct interp *in, struct str line)
{
    struct bytes m = { 0 }, why = { 0 };
    if (json_text(json_get(line, "error"), &why)) {
        guest_log("guest: %s: %s", in->path, why.p);
        snprintf(in->why, sizeof in->why, "%s: %s", in->path, why.p);
        bytes_free(&why);
        return; /* its death says the rest */
    }
    in->ready = true;
    bytes_addf(&m, "{\"t\":\"started\",\"language\":\"%s\",\"pid\":%d}",
               language_names[in->language], (int)in->pid);
    stream_control(&m);
    bytes_free(&m);
    run_interp_ready(in);
}

/* Variables of bash: NUL-terminated name, attributes, value in a memfd. */
static void vars_from_memfd(struct interp *in, uint32_t id)
{
    struct bytes raw = { 0 }, m = { 0 };
    char *at = bytes_room(&raw, 512u << 10);
    ssize_t got = pread(in->vars, at, 512u << 10, 0);
    raw.n = got > 0 ? (size_t)got : 0;
    const char *p = raw.p, *end = raw.p + raw.n;
    bytes_addf(&m, "{\"vars\":[");
    for (bool first = true; p < end && m.n < FRAME_MAX / 2; first = false) {
        struct str field[4];
        bool whole = true;
        for (int i = 0; i < 4 && whole; i++) {
            const char *nul = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
            whole = nul != NULL;
            if (whole)
                field[i] = (struct str){ p, (size_t)(nul - p) };
            p = whole ? nul + 1 : end;
        }
        if (!whole)
            break;
        uint64_t h = 0xcbf29ce484222325; /* FNV-1a: tells change, proves nothing */
        for (size_t i = 0; i < field[3].n; i++)
            h = (h ^ (unsigned char)field[3].p[i]) * 0x100000001b3;
        size_t shown = utf8_cut(field[3].p, field[3].n, 300);
        bytes_addf(&m, "%s{\"name\":", first ? "" : ",");
        bytes_add_json(&m, field[0].p, field[0].n);
        bytes_addf(&m, ",\"type\":");
        bytes_add_json(&m, field[1].p, field[1].n);
        bytes_addf(&m, ",\"shape\":");
        bytes_add_json(&m, field[2].p, field[2].n);
        bytes_addf(&m, ",\"bytes\":%zu,\"digest\":\"%016llx\",\"preview\":", field[3].n,
                   (unsigned long long)h);
        bytes_add_json(&m, field[3].p, shown);
        bytes_add(&m, "}", 1);
    }
    bytes_addf(&m, "],\"more\":0}");
    forward("state", in, id, (struct str){ m.p, m.n });
    bytes_free(&raw);
    bytes_free(&m);
}

static void line_vars(struct interp *in, struct str line)
{
    uint32_t id = in->vars_run;
    if (id == 0 || (uint32_t)json_int(line, "run", 0) != id)
        return;
    if (json_int(line, "memfd", 0) != 0)
        vars_from_memfd(in, id);
    else
        forward("state", in, id, line);
    if (json_int(line, "more", 0) == 0)
        in->vars_run = 0;
}

static void interp_line(struct interp *in, struct str line)
{
    bool in_run = run.in == in && run.state == RUN_ON && json_int(line, "run", 0) == run.id;
    if (line.n > FRAME_MAX - 256 || !json_is_object(line))
        guest_log("guest: %s said something that is no message", language_names[in->language]);
    else if (json_is(line, "t", "ready"))
        line_ready(in, line);
    else if (json_is(line, "t", "result") && in_run)
        forward("result", in, run.id, line);
    else if (json_is(line, "t", "done"))
        run_interp_done(in, line);
    else if (json_is(line, "t", "stop") && in_run)
        kill(in->pid, SIGINT); /* its code asked for the end of the run */
    else if (json_is(line, "t", "forked"))
        frozen_forked(line);
    else if (json_is(line, "t", "vars"))
        line_vars(in, line);
    else if (json_is(line, "t", "completion"))
        forward("completion", in, 0, line);
    else if (json_is(line, "t", "restored") && in->busy && run.state == RUN_NONE) {
        in->busy = false;
        forward("restored", in, 0, line);
    }
}

bool interp_read(struct interp *in)
{
    char *at = bytes_room(&in->line, 64u << 10);
    ssize_t n = recv(in->ctl, at, 64u << 10, MSG_DONTWAIT);
    if (n <= 0)
        return false; /* its death is told by its pid */
    size_t from = in->line.n, done = 0;
    in->line.n += (size_t)n;
    for (;;) {
        char *end = memchr(in->line.p + from, '\n', in->line.n - from);
        if (end == NULL)
            break;
        pid_t pid = in->pid;
        interp_line(in, (struct str){ in->line.p + done, (size_t)(end - in->line.p) - done });
        if (in->pid != pid)
            return false; /* another took its place; the buffer is theirs */
        done = from = (size_t)(end - in->line.p) + 1;
    }
    bytes_drop(&in->line, done);
    if (in->line.n > FRAME_MAX) {
        guest_log("guest: %s sent an endless line", language_names[in->language]);
        in->line.n = 0;
    }
    return true;
}

void interp_died(struct interp *in, int status)
{
    while (in->pid != 0 && interp_read(in)) {
        /* what it had still said */
    }
    bool loading = in->busy && run.state == RUN_NONE;
    uint32_t vars_run = in->vars_run;
    interp_forget_streams(in);
    in->vars_run = 0;
    if (vars_run != 0)
        forward("state", in, vars_run, (struct str){ "{\"unknown\":1,\"more\":0}", 22 });
    if (loading)
        forward("restored", in, 0, (struct str){ "{\"error\":\"the interpreter died\"}", 32 });
    run_interp_died(in, status);
}
