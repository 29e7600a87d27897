/* test_proc.c - the launcher and its children, seen from inside and outside.
 *
 * This program is also its own child: called with a word it prints what it was given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/loop.h"
#include "base/proc.h"

#define OUT_MAX   65536
#define PATIENCE  20000 /* ms; only a broken launcher gets near it */
#define SLEEP_FOR "1000"

static struct launcher *launcher;
static char self[4096];
static const char *const no_env[] = { NULL };

/* ---- the child's part */

static int child_fds(void)
{
    for (int fd = 0; fd < 300; fd++) {
        char link[64], target[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n < 0)
            continue;
        target[n] = '\0';
        printf("%d %s\n", fd, target);
    }
    return 0;
}

static int child_args(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("[%s]", argv[i]);
    for (char **v = environ; *v != NULL; v++)
        printf("{%s}", *v);
    char cwd[4096];
    printf("(%s)", getcwd(cwd, sizeof cwd));
    return 0;
}

static int child_status(void)
{
    char line[512];
    FILE *f = fopen("/proc/self/status", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        fputs(line, stdout);
    printf("sid %d pgid %d pid %d\n", (int)getsid(0), (int)getpgid(0), (int)getpid());
    struct rlimit lim;
    getrlimit(RLIMIT_NOFILE, &lim);
    printf("nofile %llu %llu\n", (unsigned long long)lim.rlim_cur,
           (unsigned long long)lim.rlim_max);
    if (f != NULL)
        fclose(f);
    return 0;
}

static int child_main(int argc, char **argv)
{
    if (strcmp(argv[1], "fds") == 0)
        return child_fds();
    if (strcmp(argv[1], "args") == 0)
        return child_args(argc, argv);
    if (strcmp(argv[1], "status") == 0)
        return child_status();
    return 99;
}

/* ---- helpers */

static int start(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    if (launcher_start(&launcher, &e) < 0)
        print_error("%s\n", e.msg);
    return launcher != NULL ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    launcher_stop(launcher);
    launcher = NULL;
    return 0;
}

static struct proc *spawn_ok(const struct proc_spec *spec)
{
    struct proc *p = NULL;
    struct err e = ERR_INIT;
    if (proc_spawn(launcher, spec, &p, &e) < 0)
        fail_msg("%s", e.msg);
    return p;
}

static int wait_for(struct proc *p)
{
    int status = -2;
    struct err e = ERR_INIT;
    if (proc_wait(p, PATIENCE, &status, &e) < 0)
        fail_msg("%s", e.msg);
    proc_free(p);
    return status;
}

/* Run it with its stdout in `out`. Returns the status. */
static int run(struct proc_spec *spec, char out[OUT_MAX])
{
    int p[2];
    assert_int_equal(0, pipe2(p, O_CLOEXEC));
    spec->fds[spec->fd_count++] = (struct proc_fd){ p[1], 1 };
    struct proc *child = spawn_ok(spec);
    close(p[1]);
    size_t len = 0;
    ssize_t n;
    while (len < OUT_MAX - 1 && (n = read(p[0], out + len, OUT_MAX - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(p[0]);
    return wait_for(child);
}

static struct proc_spec shell(const char *const *argv)
{
    return (struct proc_spec){ .path = "/bin/sh", .argv = argv, .envp = no_env };
}

static bool pidfd_ended(int pidfd, int timeout_ms)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    return poll(&p, 1, timeout_ms) > 0;
}

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void send_kill(int pidfd)
{
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

static const char *line_of(const char *out, const char *name)
{
    static char line[512];
    const char *at = strstr(out, name);
    assert_non_null(at);
    size_t len = strcspn(at, "\n");
    assert_true(len < sizeof line);
    memcpy(line, at, len);
    line[len] = '\0';
    return line;
}

/* ---- how they end */

static void test_exit_statuses(void **state)
{
    (void)state;
    const struct {
        const char *script;
        bool signalled;
        int code;
    } cases[] = {
        { "exit 0", false, 0 },
        { "exit 7", false, 7 },
        { "exit 127", false, 127 },
        { "kill -9 $$", true, SIGKILL },
        { "kill -TERM $$", true, SIGTERM },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *argv[] = { "sh", "-c", cases[i].script, NULL };
        struct proc_spec spec = shell(argv);
        int status = wait_for(spawn_ok(&spec));
        assert_int_equal(cases[i].signalled, WIFSIGNALED(status));
        assert_int_equal(cases[i].code,
                         cases[i].signalled ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void test_failures_are_errors(void **state)
{
    (void)state;
    static char big[300000];
    memset(big, 'x', sizeof big - 1);
    const struct {
        const char *path, *cwd, *arg;
        enum err_code code;
        int sys;
    } cases[] = {
        { "/no/such/program", NULL, NULL, ERR_MISSING, ENOENT },
        { "/etc/passwd/x", NULL, NULL, ERR_MISSING, ENOTDIR },
        { "/etc", NULL, NULL, ERR_IO, EACCES },
        { "/etc/passwd", NULL, NULL, ERR_IO, EACCES },
        { "/bin/sh", "/no/such/dir", NULL, ERR_IO, ENOENT },
        { "sh", NULL, NULL, ERR_USAGE, 0 },
        { "/bin/sh", NULL, big, ERR_LIMIT, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *argv[] = { "x", cases[i].arg, NULL };
        struct proc_spec spec = {
            .path = cases[i].path, .argv = argv, .envp = no_env, .cwd = cases[i].cwd
        };
        struct proc *p = NULL;
        struct err e = ERR_INIT;
        assert_int_equal(-1, proc_spawn(launcher, &spec, &p, &e));
        assert_null(p);
        assert_int_equal(cases[i].code, e.code);
        assert_int_equal(cases[i].sys, e.sys);
        if (cases[i].arg == NULL)
            assert_non_null(strstr(e.msg, cases[i].path));
    }
    const char *argv[] = { "sh", "-c", "exit 3", NULL };
    struct proc_spec spec = shell(argv);
    assert_int_equal(3, WEXITSTATUS(wait_for(spawn_ok(&spec)))); /* and the next one works */
}

static void test_wait_times_out_and_kill_works(void **state)
{
    (void)state;
    const char *argv[] = { "sleep", SLEEP_FOR, NULL };
    struct proc_spec spec = { .path = "/bin/sleep", .argv = argv, .envp = no_env };
    struct proc *p = spawn_ok(&spec);
    struct err e = ERR_INIT;
    int status = -2;
    assert_false(proc_wait_nohang(p, &status));
    assert_int_equal(-1, proc_wait(p, 5, &status, &e));
    assert_int_equal(ERR_LIMIT, e.code);
    assert_int_equal(-2, status);
    assert_int_equal(0, proc_kill(p, SIGTERM));
    status = wait_for(p);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void on_pidfd(void *arg, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    loop_stop(arg);
}

static void test_pidfd_in_a_loop(void **state)
{
    (void)state;
    const char *argv[] = { "sh", "-c", "read x; exit 5", NULL };
    int in[2], status;
    assert_int_equal(0, pipe2(in, O_CLOEXEC));
    struct proc_spec spec = shell(argv);
    spec.fds[spec.fd_count++] = (struct proc_fd){ in[0], 0 };
    struct proc *p = spawn_ok(&spec);
    struct loop *lp;
    struct loop_source *s;
    assert_int_equal(0, loop_new(&lp, NULL));
    assert_int_equal(
        0, loop_add_fd(lp, proc_pidfd(p), LOOP_READ, LOOP_NORMAL, on_pidfd, lp, &s, NULL));
    assert_int_equal(2, write(in[1], "x\n", 2));
    assert_int_equal(0, loop_run(lp, NULL));
    loop_remove(lp, s);
    while (!proc_wait_nohang(p, &status))
        ;
    assert_int_equal(5, WEXITSTATUS(status));
    proc_free(p);
    loop_free(lp);
    close(in[0]);
    close(in[1]);
}

/* More ends than the socket may hold, collected in the opposite order; some handles are given up.
 */
static void test_many_children(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct proc *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char script[32];
        snprintf(script, sizeof script, "exit %d", i % 100);
        const char *argv[] = { "sh", "-c", script, NULL };
        struct proc_spec spec = shell(argv);
        p[i] = spawn_ok(&spec);
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        if (i % 10 == 9)
            proc_free(p[i]);
        else
            assert_int_equal(i % 100, WEXITSTATUS(wait_for(p[i])));
    }
}

/* ---- what they are given */

static void test_descriptors_are_exactly_those_named(void **state)
{
    (void)state;
    char a[] = "/tmp/airlock-proc-a-XXXXXX", b[] = "/tmp/airlock-proc-b-XXXXXX", want[512],
         out[OUT_MAX];
    int fa = mkstemp(a), fb = mkstemp(b);
    int leak = open("/dev/zero", O_RDONLY); /* not close-on-exec, on purpose */
    assert_true(fa >= 0 && fb >= 0 && leak >= 0);
    unlink(a);
    unlink(b);
    const char *argv[] = { "x", "fds", NULL };
    /* Crosswise: each lands on the number the other has here, and on one the launcher uses. */
    struct proc_spec spec = { .path = self, .argv = argv, .envp = no_env, .fd_count = 4 };
    spec.fds[0] = (struct proc_fd){ fa, fb };
    spec.fds[1] = (struct proc_fd){ fb, fa };
    spec.fds[2] = (struct proc_fd){ fa, 3 == fa || 3 == fb ? 200 : 3 };
    spec.fds[3] = (struct proc_fd){ fb, 255 };
    assert_int_equal(0, run(&spec, out));
    char *pipe_line = strstr(out, "1 pipe:");
    assert_non_null(pipe_line);
    memmove(pipe_line, strchr(pipe_line, '\n') + 1, strlen(strchr(pipe_line, '\n')));
    int third = spec.fds[2].child;
    struct {
        int fd;
        const char *name;
    } expect[] = { { fa < fb ? fa : fb, fa < fb ? b : a },
                   { fa < fb ? fb : fa, fa < fb ? a : b },
                   { 255, b } };
    int n = snprintf(want, sizeof want, "0 /dev/null\n2 /dev/null\n");
    if (third == 3)
        n += snprintf(want + n, sizeof want - (size_t)n, "3 %s (deleted)\n", a);
    for (size_t i = 0; i < ARRAY_LEN(expect); i++) {
        if (i == 2 && third == 200)
            n += snprintf(want + n, sizeof want - (size_t)n, "200 %s (deleted)\n", a);
        n += snprintf(want + n, sizeof want - (size_t)n, "%d %s (deleted)\n", expect[i].fd,
                      expect[i].name);
    }
    assert_string_equal(want, out);
    close(fa);
    close(fb);
    close(leak);
}

static void test_arguments_environment_directory(void **state)
{
    (void)state;
    char out[OUT_MAX];
    const char *argv[] = { "name", "args", "", "a b", "\xff$(x)\n", NULL };
    const char *envp[] = { "A=1", "B=", NULL };
    struct proc_spec spec = { .path = self, .argv = argv, .envp = envp, .cwd = "/usr" };
    assert_int_equal(0, run(&spec, out));
    assert_string_equal("[name][args][][a b][\xff$(x)\n]{A=1}{B=}(/usr)", out);
    spec = (struct proc_spec){ .path = self, .argv = argv, .envp = no_env };
    assert_int_equal(0, run(&spec, out));
    assert_string_equal("[name][args][][a b][\xff$(x)\n](/)", out);
}

/* In the launcher's child: says on 1 what it was given. */
static int report_inside(int argc, char **argv)
{
    char text[256];
    int n = snprintf(text, sizeof text, "%d %s %s", argc, argv[0], argv[argc - 1]);
    for (int fd = 0; fd < 300; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            n += snprintf(text + n, sizeof text - (size_t)n, " %d", fd);
    n += snprintf(text + n, sizeof text - (size_t)n, " %s",
                  environ == NULL || environ[0] == NULL ? "bare" : environ[0]);
    return write(1, text, (size_t)n) == n ? 7 : 1;
}

static void test_a_function_instead_of_a_program(void **state)
{
    (void)state;
    char out[OUT_MAX];
    int extra = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const char *argv[] = { "name", "last", NULL };
    struct proc_spec spec = {
        .path = "/inside", .inside = report_inside, .argv = argv, .envp = no_env, .fd_count = 2
    };
    spec.fds[0] = (struct proc_fd){ extra, 6 };
    spec.fds[1] = (struct proc_fd){ extra, 4 };
    assert_int_equal(7, WEXITSTATUS(run(&spec, out)));
    assert_string_equal("2 name last 0 1 2 4 6 bare", out);
    close(extra);
}

static void test_signals_are_default(void **state)
{
    (void)state;
    char out[OUT_MAX];
    const char *argv[] = { "x", "status", NULL };
    struct proc_spec spec = { .path = self, .argv = argv, .envp = no_env };
    assert_int_equal(0, run(&spec, out));
    assert_string_equal("SigBlk:\t0000000000000000", line_of(out, "SigBlk"));
    /* 32 and 33 are libc's own: whoever started us may have left them ignored, and no program of
     * ours can tell. */
    unsigned long long ignored = strtoull(line_of(out, "SigIgn") + strlen("SigIgn:\t"), NULL, 16);
    assert_int_equal(0, ignored & ~0x180000000ull);
}

static void test_sessions(void **state)
{
    (void)state;
    char out[OUT_MAX];
    int sid, pgid, pid;
    const char *argv[] = { "x", "status", NULL };
    struct proc_spec spec = { .path = self, .argv = argv, .envp = no_env, .new_session = true };
    assert_int_equal(0, run(&spec, out));
    assert_int_equal(3, sscanf(line_of(out, "sid "), "sid %d pgid %d pid %d", &sid, &pgid, &pid));
    assert_true(sid == pid && pgid == pid);

    spec = (struct proc_spec){ .path = self, .argv = argv, .envp = no_env };
    assert_int_equal(0, run(&spec, out));
    assert_int_equal(3, sscanf(line_of(out, "sid "), "sid %d pgid %d pid %d", &sid, &pgid, &pid));
    assert_true(sid == getsid(0) && pgid == pid); /* the terminal's ^C does not reach it */

    spec = (struct proc_spec){ .path = self, .argv = argv, .envp = no_env, .foreground_tty = true };
    assert_int_equal(0, run(&spec, out));
    assert_int_equal(3, sscanf(line_of(out, "sid "), "sid %d pgid %d pid %d", &sid, &pgid, &pid));
    assert_true(sid == getsid(0) && pgid == getpgrp());
}

static void test_foreground_keeps_stdio(void **state)
{
    (void)state;
    char out[OUT_MAX], link[64], want[4096];
    const char *argv[] = { "x", "fds", NULL };
    struct proc_spec spec = { .path = self, .argv = argv, .envp = no_env, .foreground_tty = true };
    assert_int_equal(0, run(&spec, out));
    for (int fd = 0; fd < 3; fd += 2) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        int n = snprintf(want, sizeof want, "%d ", fd);
        ssize_t len = readlink(link, want + n, sizeof want - 1 - (size_t)n);
        assert_true(len > 0);
        want[n + len] = '\0';
        assert_string_equal(want, line_of(out, want));
    }
}

static void test_nofile(void **state)
{
    (void)state;
    char out[OUT_MAX];
    const char *argv[] = { "x", "status", NULL };
    struct proc_spec spec = { .path = self, .argv = argv, .envp = no_env, .nofile = 77 };
    assert_int_equal(0, run(&spec, out));
    assert_string_equal("nofile 77 77", line_of(out, "nofile"));
}

static void test_drop_root(void **state)
{
    (void)state;
    static const char script[] =
        "cat /proc/self/status; test -r /etc/shadow && echo shadow; exit 0";
    char out[OUT_MAX], want[128];
    const char *argv[] = { "sh", "-c", script, NULL };
    const char *envp[] = { "PATH=/usr/bin:/bin", NULL };
    struct proc_spec spec = { .path = "/bin/sh", .argv = argv, .envp = envp, .drop_root = true };
    unsigned uid = launcher_sandbox_uid(launcher);
    assert_int_equal(0, run(&spec, out));
    snprintf(want, sizeof want, "Uid:\t%u\t%u\t%u\t%u", uid, uid, uid, uid);
    assert_string_equal(want, line_of(out, "Uid:"));
    assert_string_equal("NoNewPrivs:\t1", line_of(out, "NoNewPrivs:"));
    assert_string_equal("CapPrm:\t0000000000000000", line_of(out, "CapPrm:"));
    assert_string_equal("CapEff:\t0000000000000000", line_of(out, "CapEff:"));
    assert_null(strstr(out, "shadow"));
    if (geteuid() != 0) {
        print_message("[  SKIPPED ] dropping root itself: the tests do not run as root\n");
        assert_int_equal(getuid(), uid);
        return;
    }
    assert_int_equal(61184 + launcher_pid(launcher) % 4096, uid);
    snprintf(want, sizeof want, "Gid:\t%u\t%u\t%u\t%u", uid, uid, uid, uid);
    assert_string_equal(want, line_of(out, "Gid:"));
    assert_string_equal("Groups:\t ", line_of(out, "Groups:"));
}

static void test_no_new_privs_is_not_forced_on_helpers(void **state)
{
    (void)state;
    char out[OUT_MAX], ours[OUT_MAX] = "";
    const char *argv[] = { "x", "status", NULL };
    FILE *f = fopen("/proc/self/status", "re");
    assert_non_null(f);
    ours[fread(ours, 1, sizeof ours - 1, f)] = '\0';
    fclose(f);
    struct proc_spec spec = { .path = self, .argv = argv, .envp = no_env };
    assert_int_equal(0, run(&spec, out));
    char want[64];
    snprintf(want, sizeof want, "%s", line_of(ours, "NoNewPrivs:"));
    assert_string_equal(want, line_of(out, "NoNewPrivs:"));
}

static void remove_tree(const char *dir, const char *sub, const char *file)
{
    unlink(file);
    rmdir(sub);
    rmdir(dir);
}

static void test_mounts(void **state)
{
    (void)state;
    static const char script[] = "cat " PROC_MOUNT_DIR "/0/f " PROC_MOUNT_DIR "/1; "
                                 "(echo x >>" PROC_MOUNT_DIR "/y) && echo wrote; exit 0";
    char dir[] = "/tmp/airlock-proc-XXXXXX", sub[64], file[80], out[OUT_MAX];
    struct proc *p = NULL;
    struct err e = ERR_INIT;
    mode_t mask = umask(077);      /* as in the program; modes in the child must not depend on it */
    assert_non_null(mkdtemp(dir)); /* 0700: the dropped uid can't walk through it */
    snprintf(sub, sizeof sub, "%s/sub", dir);
    snprintf(file, sizeof file, "%s/f", sub);
    assert_true(mkdir(sub, 0) == 0 && chmod(sub, 0755) == 0);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fchmod(fd, 0644) == 0 && write(fd, "hi\n", 3) == 3);
    close(fd);
    const char *argv[] = { "sh", "-c", script, NULL };
    const char *envp[] = { "PATH=/usr/bin:/bin", NULL };
    struct proc_spec spec = {
        .path = "/bin/sh", .argv = argv, .envp = envp, .drop_root = true, .mount_count = 2
    };
    if (geteuid() != 0) {
        spec.mounts[0] = spec.mounts[1] = open(sub, O_PATH | O_CLOEXEC);
        assert_int_equal(-1, proc_spawn(launcher, &spec, &p, &e));
        assert_int_equal(EPERM, e.sys);
        close(spec.mounts[0]);
        remove_tree(dir, sub, file);
        umask(mask);
        print_message("[  SKIPPED ] mounts themselves: the tests do not run as root\n");
        return;
    }
    spec.mounts[0] = open_tree(AT_FDCWD, sub, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    spec.mounts[1] = open_tree(AT_FDCWD, file, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    assert_true(spec.mounts[0] >= 0 && spec.mounts[1] >= 0);
    assert_int_equal(0, run(&spec, out));
    assert_string_equal("hi\nhi\n", out);
    assert_int_equal(-1, access(PROC_MOUNT_DIR "/0", F_OK)); /* nothing of it out here */
    close(spec.mounts[1]);
    spec.fd_count = 0;
    spec.mounts[1] = open("/dev/null", O_RDONLY | O_CLOEXEC); /* no detached mount */
    assert_int_equal(-1, proc_spawn(launcher, &spec, &p, &e));
    assert_int_equal(ERR_IO, e.code);
    assert_non_null(strstr(e.msg, "mount"));
    close(spec.mounts[0]);
    close(spec.mounts[1]);
    remove_tree(dir, sub, file);
    umask(mask);
}

/* ---- the launcher itself */

static size_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, out, size);
    close(fd);
    return n > 0 ? (size_t)n : 0;
}

static void test_launcher_holds_nothing(void **state)
{
    (void)state;
    const char *argv[] = { "sh", "-c", "exit 0", NULL };
    struct proc_spec spec = shell(argv);
    wait_for(spawn_ok(&spec)); /* it is up */
    char path[64], env[4096];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)launcher_pid(launcher));
    DIR *d = opendir(path);
    if (d == NULL) { /* not dumpable, so only root may look: that much is shown by the failure */
        assert_int_not_equal(0, geteuid());
        assert_int_equal(EACCES, errno);
        skip();
    }
    int count = 0;
    for (struct dirent *de; (de = readdir(d)) != NULL;)
        count += de->d_name[0] != '.';
    closedir(d);
    assert_int_equal(5, count); /* 0–2, the socket, the signals */
    size_t n = read_proc(launcher_pid(launcher), "environ", env, sizeof env);
    for (size_t i = 0; i < n; i++)
        assert_int_equal('\0', env[i]);
}

/* Without room for its pidfd a child must not be left behind unknown. */
static void test_no_descriptor_left(void **state)
{
    (void)state;
    char path[64], children[64];
    const char *argv[] = { "sleep", SLEEP_FOR, NULL };
    struct proc_spec spec = { .path = "/bin/sleep", .argv = argv, .envp = no_env };
    struct proc *p = NULL;
    struct err e = ERR_INIT;
    struct rlimit old, none = { 0, 0 };
    getrlimit(RLIMIT_NOFILE, &old);
    none.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    int rc = proc_spawn(launcher, &spec, &p, &e);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(-1, rc);
    assert_int_equal(ERR_IO, e.code);
    assert_non_null(strstr(e.msg, "too many open files"));
    snprintf(path, sizeof path, "task/%d/children", (int)launcher_pid(launcher));
    for (int i = 0; i < PATIENCE / 10; i++) {
        if (read_proc(launcher_pid(launcher), path, children, sizeof children) == 0)
            return;
        poll(NULL, 0, 10);
    }
    fail_msg("the child lives on");
}

static void test_large_requests(void **state)
{
    (void)state;
    char out[OUT_MAX];
    static char big[100000];
    memset(big, 'x', sizeof big - 1);
    const char *argv[] = { "sh", "-c", "echo ${#1} ${#2}", "sh", big, big, NULL };
    struct proc_spec spec = { .path = "/bin/sh", .argv = argv, .envp = no_env };
    assert_int_equal(0, run(&spec, out));
    assert_string_equal("99999 99999\n", out);
}

/* A client of its own, which dies by SIGKILL with everything running. */
struct scene {
    pid_t launcher, doomed, spared, guarded, nested;
};

static NORETURN void client_main(int out, int hold)
{
    struct launcher *l;
    struct scene s = { 0 };
    const char *sleeper[] = { "sleep", SLEEP_FOR, NULL };
    /* A grandchild in a session of its own: it outlives its parent and lands at the launcher. */
    const char *nest[] = { "sh", "-c", "setsid sleep " SLEEP_FOR " & echo $! >&3; wait", NULL };
    const char *envp[] = { "PATH=/usr/bin:/bin", NULL };
    int p[2];
    struct proc *a, *b, *c, *d;
    struct proc_spec spec = { .path = "/bin/sleep", .argv = sleeper, .envp = envp };
    if (launcher_start(&l, NULL) < 0 || pipe2(p, O_CLOEXEC) < 0)
        _exit(1);
    if (proc_spawn(l, &spec, &b, NULL) < 0 || proc_spawn(l, &spec, &c, NULL) < 0)
        _exit(1);
    spec.kill_on_death = true;
    if (proc_spawn(l, &spec, &a, NULL) < 0)
        _exit(1);
    spec.path = "/bin/sh";
    spec.argv = nest;
    spec.fds[spec.fd_count++] = (struct proc_fd){ p[1], 3 };
    if (proc_spawn(l, &spec, &d, NULL) < 0 || launcher_guard_pidfd(l, proc_pidfd(c), NULL) < 0)
        _exit(1);
    char number[32] = "";
    if (read(p[0], number, sizeof number - 1) <= 0)
        _exit(1);
    s = (struct scene){ launcher_pid(l), proc_pid(a), proc_pid(b), proc_pid(c),
                        (pid_t)strtol(number, NULL, 10) };
    if (write(out, &s, sizeof s) != sizeof s)
        _exit(1);
    char byte;
    (void)!read(hold, &byte, 1);
    _exit(2);
}

static void test_death_of_the_client(void **state)
{
    (void)state;
    int out[2], hold[2];
    struct scene s;
    assert_int_equal(0, pipe2(out, O_CLOEXEC));
    assert_int_equal(0, pipe2(hold, O_CLOEXEC));
    pid_t client = fork();
    if (client == 0)
        client_main(out[1], hold[0]);
    close(out[1]);
    assert_int_equal(sizeof s, read(out[0], &s, sizeof s));
    int fd[] = { pidfd_of(s.launcher), pidfd_of(s.doomed), pidfd_of(s.guarded),
                 pidfd_of(s.nested) };
    int spared = pidfd_of(s.spared);
    for (size_t i = 0; i < ARRAY_LEN(fd); i++)
        assert_false(pidfd_ended(fd[i], 0));
    kill(client, SIGKILL);
    assert_int_equal(client, waitpid(client, NULL, 0));
    for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
        if (!pidfd_ended(fd[i], PATIENCE)) {
            send_kill(fd[i]);
            send_kill(spared);
            fail_msg("process %zu is still there", i);
        }
        close(fd[i]);
    }
    assert_false(pidfd_ended(spared, 0));
    send_kill(spared);
    close(spared);
    close(out[0]);
    close(hold[0]);
    close(hold[1]);
}

static void test_death_of_the_launcher(void **state)
{
    (void)state;
    const char *argv[] = { "sleep", SLEEP_FOR, NULL };
    struct proc_spec spec = { .path = "/bin/sleep", .argv = argv, .envp = no_env };
    struct proc *spared = spawn_ok(&spec), *p = NULL;
    spec.kill_on_death = true;
    struct proc *doomed = spawn_ok(&spec);
    kill(launcher_pid(launcher), SIGKILL);
    int status = 0;
    struct err e = ERR_INIT;
    assert_int_equal(0, proc_wait(doomed, PATIENCE, &status, &e));
    assert_int_equal(-1, status); /* unknown */
    assert_false(proc_wait_nohang(spared, &status));
    assert_int_equal(-1, proc_spawn(launcher, &spec, &p, &e));
    assert_int_equal(ERR_IO, e.code);
    assert_non_null(strstr(e.msg, "launcher"));
    assert_int_equal(0, proc_kill(spared, SIGKILL));
    assert_int_equal(0, proc_wait(spared, PATIENCE, &status, &e));
    proc_free(doomed);
    proc_free(spared);
    launcher_stop(launcher);
    launcher = NULL;
}

/* A bubblewrap that dies by itself while it starts leaves a child asleep in its session. */
static void test_what_a_doomed_child_leaves(void **state)
{
    (void)state;
    const char *argv[] = { "sh", "-c", "sleep " SLEEP_FOR " & echo $!; read line", NULL };
    const char *envp[] = { "PATH=/usr/bin:/bin", NULL };
    for (int doomed = 0; doomed < 2; doomed++) {
        char out[64];
        struct proc_spec spec = { .path = "/bin/sh",
                                  .argv = argv,
                                  .envp = envp,
                                  .new_session = true,
                                  .kill_on_death = doomed };
        int told[2], held[2];
        assert_int_equal(0, pipe2(told, O_CLOEXEC));
        assert_int_equal(0, pipe2(held, O_CLOEXEC));
        spec.fds[spec.fd_count++] = (struct proc_fd){ told[1], 1 };
        spec.fds[spec.fd_count++] = (struct proc_fd){ held[0], 0 };
        struct proc *child = spawn_ok(&spec);
        close(told[1]);
        close(held[0]);
        ssize_t n = read(told[0], out, sizeof out - 1);
        assert_true(n > 0);
        out[n] = '\0';
        int left = pidfd_of((pid_t)strtol(out, NULL, 10));
        assert_true(left >= 0);
        close(held[1]); /* now it ends */
        (void)wait_for(child);
        assert_int_equal(doomed, pidfd_ended(left, doomed ? PATIENCE : 50));
        send_kill(left);
        close(left);
        close(told[0]);
    }
}

static void test_stop_with_children_left(void **state)
{
    (void)state;
    const char *argv[] = { "sleep", SLEEP_FOR, NULL };
    struct proc_spec spec = {
        .path = "/bin/sleep", .argv = argv, .envp = no_env, .kill_on_death = true
    };
    struct proc *p = spawn_ok(&spec);
    launcher_stop(launcher);
    launcher = NULL;
    int status;
    assert_int_equal(0, proc_wait(p, PATIENCE, &status, NULL));
    proc_free(p);
}

static void test_signals_do_not_reach_the_launcher(void **state)
{
    (void)state;
    const int signals[] = { SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGTERM, SIGPIPE, SIGUSR1 };
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        assert_int_equal(0, kill(launcher_pid(launcher), signals[i]));
    const char *argv[] = { "sh", "-c", "exit 4", NULL };
    struct proc_spec spec = shell(argv);
    assert_int_equal(4, WEXITSTATUS(wait_for(spawn_ok(&spec))));
}

/* ---- words */

static void test_split_words(void **state)
{
    (void)state;
    const struct {
        const char *command, *joined; /* words with | behind each; NULL: an error */
    } cases[] = {
        { "pass show e2b", "pass|show|e2b|" },
        { "  a\t b\n", "a|b|" },
        { "a 'b c' \"d e\"f", "a|b c|d ef|" },
        { "a '' \"\"", "a|||" },
        { "a\\ b \\'c", "a b|'c|" },
        { "\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d|" },
        { "'a\\b'", "a\\b|" },
        { "$HOME `x` $(y) *;|&", "$HOME|`x`|$(y)|*;|&|" },
        { "a", "a|" },
        { "", NULL },
        { " \t", NULL },
        { "a 'b", NULL },
        { "a \"b", NULL },
        { "a \"b\\", NULL },
        { "a\\", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char **words = NULL;
        struct err e = ERR_INIT;
        int rc = proc_split_words(cases[i].command, &words, &e);
        assert_int_equal(cases[i].joined != NULL ? 0 : -1, rc);
        if (rc < 0) {
            assert_int_equal(ERR_USAGE, e.code);
            continue;
        }
        struct buf b = BUF_INIT(1000);
        for (char **w = words; *w != NULL; w++)
            assert_int_equal(0, buf_addf(&b, "%s|", *w));
        assert_string_equal(cases[i].joined, buf_str(&b));
        buf_release(&b);
        proc_free_words(words);
    }
}

static void test_resolve(void **state)
{
    (void)state;
    char dir[] = "/tmp/airlock-path-XXXXXX", prog[64], path[256], *got = NULL;
    assert_non_null(mkdtemp(dir));
    snprintf(prog, sizeof prog, "%s/prog", dir);
    close(open(prog, O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
    char *old = strdup(getenv("PATH") != NULL ? getenv("PATH") : "/bin");
    snprintf(path, sizeof path, "::relative:/nowhere:%s:/bin", dir);
    setenv("PATH", path, 1);
    struct err e = ERR_INIT;
    assert_int_equal(0, proc_resolve("prog", &got, &e));
    assert_string_equal(prog, got);
    free(got);
    assert_int_equal(0, proc_resolve("sh", &got, &e));
    assert_string_equal("/bin/sh", got);
    free(got);
    assert_int_equal(0, proc_resolve("/bin/sh", &got, &e));
    free(got);
    got = NULL;
    const struct {
        const char *word;
        enum err_code code;
    } bad[] = { { "no-such-program", ERR_MISSING },
                { "/no/such", ERR_MISSING },
                { "/etc", ERR_MISSING },
                { "./prog", ERR_USAGE },
                { "bin/sh", ERR_USAGE },
                { "", ERR_USAGE } };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(-1, proc_resolve(bad[i].word, &got, &e));
        assert_int_equal(bad[i].code, e.code);
    }
    /* An empty PATH entry is not the current directory. */
    assert_int_equal(0, chdir(dir));
    setenv("PATH", "::.", 1);
    assert_int_equal(-1, proc_resolve("prog", &got, &e));
    assert_null(got);
    assert_int_equal(0, chdir("/"));
    setenv("PATH", old, 1);
    free(old);
    unlink(prog);
    rmdir(dir);
}

static bool has_word(char **words, const char *word)
{
    for (; *words != NULL; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

static void test_helper_env(void **state)
{
    (void)state;
    static char entries[][40] = { "HOME=/h",       "LC_ALL=C", "XDG_RUNTIME_DIR=/r",
                                  "E2B_API_KEY=k", "HOMES=x",  "LD_PRELOAD=/x.so",
                                  "TZ=UTC",        "PATHS=y",  "GIT_DIR=z",
                                  "LC_broken" };
    char *list[ARRAY_LEN(entries) + 1] = { NULL };
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        list[i] = entries[i];
    char **old = environ;
    environ = list;
    char **env = proc_helper_env();
    environ = NULL;
    char **none = proc_helper_env();
    environ = old;
    size_t count = 0;
    while (env[count] != NULL)
        count++;
    assert_int_equal(4, count);
    assert_true(has_word(env, "HOME=/h") && has_word(env, "LC_ALL=C") &&
                has_word(env, "XDG_RUNTIME_DIR=/r") && has_word(env, "TZ=UTC"));
    assert_null(none[0]);
    proc_free_words(env);
    proc_free_words(none);
}

/* ---- turns at the processor ---- */

/* ns of one turn of the calling process, 0 when the kernel does not say; and its nice value. */
static uint64_t turn_ns(int *nice_value)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
        uint32_t least, most;
    } at = { .size = sizeof at };
    assert_int_equal(syscall(SYS_sched_getattr, 0, &at, sizeof at, 0), 0);
    *nice_value = at.nice;
    return at.runtime;
}

/* 0: as it should be; 1: this kernel gives all the same turns; else what is wrong. */
static int try_short_turns(void)
{
    int before = 0, after = 0, in_child = 0, status = 0;
    if (nice(3) < 0)
        return 2;
    uint64_t usual = turn_ns(&before);
    proc_take_short_turns();
    uint64_t ours = turn_ns(&after);
    if (before != after)
        return 3;
    if (ours == usual)
        return 1;
    pid_t child = fork();
    if (child == 0)
        _exit(turn_ns(&in_child) == usual && in_child == before ? 0 : 1);
    if (waitpid(child, &status, 0) != child || status != 0)
        return 4;
    return ours == 100000 ? 0 : 5;
}

static void test_short_turns(void **state)
{
    (void)state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(try_short_turns());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 1)
        skip(); /* before Linux 6.12 */
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return child_main(argc, argv);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return 99;
    /* What children must not inherit. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
#define WITH_LAUNCHER(t) cmocka_unit_test_setup_teardown(t, start, stop)
    const struct CMUnitTest tests[] = {
        WITH_LAUNCHER(test_exit_statuses),
        WITH_LAUNCHER(test_failures_are_errors),
        WITH_LAUNCHER(test_wait_times_out_and_kill_works),
        WITH_LAUNCHER(test_pidfd_in_a_loop),
        WITH_LAUNCHER(test_many_children),
        WITH_LAUNCHER(test_descriptors_are_exactly_those_named),
        WITH_LAUNCHER(test_arguments_environment_directory),
        WITH_LAUNCHER(test_signals_are_default),
        WITH_LAUNCHER(test_sessions),
        WITH_LAUNCHER(test_foreground_keeps_stdio),
        WITH_LAUNCHER(test_nofile),
        WITH_LAUNCHER(test_a_function_instead_of_a_program),
        WITH_LAUNCHER(test_drop_root),
        WITH_LAUNCHER(test_no_new_privs_is_not_forced_on_helpers),
        WITH_LAUNCHER(test_mounts),
        WITH_LAUNCHER(test_launcher_holds_nothing),
        WITH_LAUNCHER(test_no_descriptor_left),
        WITH_LAUNCHER(test_large_requests),
        cmocka_unit_test(test_death_of_the_client),
        WITH_LAUNCHER(test_death_of_the_launcher),
        WITH_LAUNCHER(test_what_a_doomed_child_leaves),
        WITH_LAUNCHER(test_stop_with_children_left),
        WITH_LAUNCHER(test_signals_do_not_reach_the_launcher),
        cmocka_unit_test(test_split_words),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_helper_env),
        cmocka_unit_test(test_short_turns),
    };
    return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
