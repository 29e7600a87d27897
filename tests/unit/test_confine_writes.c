/* test_confine_writes.c - a process whose writes are confined: each act works before and fails
 * after, where the kernel has Landlock; and what the launcher's child does for it all the same. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/confine.h"
#include "base/errand.h"
#include "base/outfile.h"
#include "base/path.h"
#include "cli/app.h"
#include "providers/sandboxes/local_proof.h"

static char root[64], own[80], other[80];
static pid_t stranger; /* a process outside of every child's walls */

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/airlock-confine-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(own, sizeof own, "%s/own", root);
    snprintf(other, sizeof other, "%s/other", root);
    if (mkdir(own, 0700) < 0 || mkdir(other, 0700) < 0)
        return -1;
    stranger = fork();
    if (stranger == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return stranger > 0 ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    kill(stranger, SIGKILL);
    waitpid(stranger, NULL, 0);
    snprintf(command, sizeof command, "%s", root);
    char *const argv[] = { (char *)(uintptr_t) "rm", (char *)(uintptr_t) "-rf", command, NULL };
    pid_t pid = fork();
    if (pid == 0) {
        execv("/bin/rm", argv);
        _exit(127); /* no second test runner */
    }
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static const char *in(const char *dir, const char *name)
{
    static char path[4][128];
    static unsigned at;
    char *room = path[at++ % 4];
    snprintf(room, sizeof path[0], "%s/%s", dir, name);
    return room;
}

static int touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    int rc = fd >= 0 ? (int)write(fd, "some bytes", 10) : -1;
    if (fd >= 0)
        close(fd);
    return rc < 0 ? -1 : 0;
}

/* ---- acts elsewhere: 0 or -1 with errno */

static int do_create(void)
{
    return touch(in(other, "new"));
}
static int do_change(void)
{
    int fd = open(in(other, "there"), O_WRONLY | O_APPEND | O_CLOEXEC);
    return fd < 0 ? -1 : close(fd);
}
static int do_cut(void)
{
    return truncate(in(other, "there"), 3);
}
static int do_remove(void)
{
    return unlink(in(other, "doomed"));
}
static int do_make_dir(void)
{
    return mkdir(in(other, "dir"), 0700);
}
static int do_link(void)
{
    return symlink("x", in(other, "link"));
}
static int do_move_out(void)
{
    return rename(in(own, "mine"), in(other, "moved"));
}
static int do_fifo(void)
{
    return mkfifo(in(other, "fifo"), 0600);
}
static int do_tell_a_kernel_file(void)
{
    int fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : close(fd);
}
static int do_look_into_another(void)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)stranger);
    return stat(path, &st);
}

static const struct {
    const char *name;
    int (*act)(void);
    int abi; /* that knows of it */
} acts[] = {
    { "create", do_create, 1 },
    { "change", do_change, 1 },
    { "cut", do_cut, 3 },
    { "remove", do_remove, 1 },
    { "make a directory", do_make_dir, 1 },
    { "link", do_link, 1 },
    { "move out", do_move_out, 1 },
    { "fifo", do_fifo, 1 },
    { "a kernel file", do_tell_a_kernel_file, 1 },
    { "another's namespace", do_look_into_another, 1 },
};

static void prepare_acts(void)
{
    static const char *const gone[] = { "new", "link", "moved", "fifo" };
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        unlink(in(other, gone[i]));
    rmdir(in(other, "dir"));
    assert_int_equal(touch(in(other, "there")), 0);
    assert_int_equal(touch(in(other, "doomed")), 0);
    assert_int_equal(touch(in(own, "mine")), 0);
}

/* `child` in a process of its own: 0, or a number that says where it went wrong. */
static void run_child(int (*child)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void need_landlock(void)
{
    if (confine_landlock_abi() > 0)
        return;
    fprintf(stderr, "SKIP: no Landlock\n");
    skip();
}

static void confine_to_own(void)
{
    const char *const writable[] = { NULL, own, "/nonesuch", "/dev/null" };
    confine_writes(writable, ARRAY_LEN(writable), " (a hint)");
}

/* ---- tests */

static int acts_child(void)
{
    int abi = confine_landlock_abi();
    confine_to_own();
    if (confine_writes_level() != abi)
        return 100;
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        if (acts[i].abi > abi)
            continue;
        errno = 0;
        if (acts[i].act() == 0 || (errno != EACCES && errno != EXDEV))
            return (int)i + 1;
    }
    errno = EACCES;
    if (strcmp(confine_hint(), " (a hint)") != 0)
        return 101;
    if (touch(in(own, "a")) < 0 || rename(in(own, "a"), in(own, "b")) < 0 ||
        truncate(in(own, "b"), 1) < 0 || unlink(in(own, "b")) < 0 ||
        mkdir(in(own, "d"), 0700) < 0 || rmdir(in(own, "d")) < 0 || touch("/dev/null") < 0)
        return 102;
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? 103 : 0;
}

static void nothing_is_changed_elsewhere(void **state)
{
    (void)state;
    need_landlock();
    prepare_acts();
    for (size_t i = 0; i < ARRAY_LEN(acts); i++) /* without walls each of them works */
        if (acts[i].act() < 0)
            fail_msg("control: %s: %s", acts[i].name, strerror(errno));
    prepare_acts();
    run_child(acts_child);
}

static int connect_abstract(const char *name)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", name);
    int rc = connect(fd, (struct sockaddr *)&a,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
    int saved = errno;
    close(fd);
    errno = saved;
    return rc;
}

static char abstract_name[64];

static int abstract_child(void)
{
    if (connect_abstract(abstract_name) < 0)
        return 1;
    confine_to_own();
    return connect_abstract(abstract_name) == 0 || errno != EPERM ? 2 : 0;
}

static void abstract_sockets_of_others_are_out_of_reach(void **state)
{
    (void)state;
    need_landlock();
    if (confine_landlock_abi() < 6) {
        fprintf(stderr, "SKIP: Landlock ABI %d, needs 6\n", confine_landlock_abi());
        skip();
    }
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(abstract_name, sizeof abstract_name, "airlock-test-%d", (int)getpid());
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", abstract_name);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&a,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract_name))),
        0);
    assert_int_equal(listen(fd, 8), 0);
    run_child(abstract_child);
    close(fd);
}

/* The very list of a session. */
static int session_child(void)
{
    struct app app = { 0 };
    struct err e = ERR_INIT;
    setenv("HOME", own, 1);
    setenv("XDG_STATE_HOME", in(own, "state"), 1);
    setenv("XDG_DATA_HOME", in(own, "data"), 1);
    setenv("XDG_RUNTIME_DIR", in(own, "run"), 1);
    if (do_create() < 0 || unlink(in(other, "new")) < 0 || app_init(&app, &e) < 0)
        return 1;
    app_confine();
    app_confine_session(&app);
    if (confine_writes_level() == 0 || do_create() == 0 || errno != EACCES)
        return 2;
    if (touch(in(app.paths.data_dir, "x")) < 0 || touch(in(app.paths.state_dir, "x")) < 0)
        return 3;
    if (path_make_private_dir(app.paths.sessions_dir, &e) < 0 ||
        touch(in(app.paths.sessions_dir, "x")) < 0)
        return 4;
    if (path_write_file(app.paths.config_file, "x", 1, &e) == 0 ||
        path_write_file(in(own, "x"), "x", 1, &e) == 0 ||
        strstr(e.msg, "its own directories") == NULL)
        return 5;
    app_release(&app);
    return 0;
}

static void a_session_writes_below_its_own(void **state)
{
    (void)state;
    need_landlock();
    prepare_acts();
    run_child(session_child);
}

/* What the launcher's child does for it. */
static int errand_child(void)
{
    struct launcher *l;
    struct err e = ERR_INIT;
    struct outfile f;
    uint64_t inode = 0;
    struct stat st;
    char path[64];
    int fd = -1;
    if (chdir(other) < 0 || launcher_start(&l, &e) < 0)
        return 1;
    snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)stranger);
    if (stat(path, &st) < 0)
        return 2;
    confine_to_own();
    if (outfile_open(&f, in(other, "written"), true, &e) == 0)
        return 3;
    err_clear(&e);
    if (outfile_open_by(&f, l, "written", false, &e) < 0)
        return 4;
    outfile_add_str(&f, "by another\n");
    if (access(in(other, "written"), F_OK) == 0 || outfile_commit(&f, &e) < 0)
        return 5;
    if (outfile_open_by(&f, l, "written", false, &e) == 0 || e.code != ERR_BUSY)
        return 6;
    if (outfile_open_by(&f, l, "dropped", true, &e) < 0)
        return 7;
    outfile_abandon(&f);
    if (outfile_open_by(&f, l, "/nonesuch/x", true, &e) == 0 ||
        strstr(e.msg, "/nonesuch/x") == NULL)
        return 8;
    if (proof_hold_pidns(l, stranger, &fd, &inode, &e) < 0 || inode != st.st_ino || close(fd) < 0)
        return 9;
    if (proof_count_pidns(l, inode) < 1 || proof_count_pidns(l, 1) != 0)
        return 10;
    if (proof_hold_pidns(l, 0x7ffffffe, &fd, &inode, &e) == 0)
        return 11;
    kill(launcher_pid(l), SIGKILL);
    siginfo_t ended;
    waitid(P_PID, (id_t)launcher_pid(l), &ended, WEXITED | WNOWAIT);
    if (proof_count_pidns(l, inode) != -1 || outfile_open_by(&f, l, "late", true, &e) == 0)
        return 12;
    launcher_stop(l);
    return 0;
}

static size_t count_files(const char *dir)
{
    char pattern[128];
    size_t n = 0;
    struct buf all = BUF_INIT(4096);
    snprintf(pattern, sizeof pattern, "%s/written", dir);
    n += path_read_file(pattern, &all, NULL) == 0 && strcmp(buf_str(&all), "by another\n") == 0;
    buf_release(&all);
    return n;
}

static void a_child_of_the_launcher_does_it(void **state)
{
    (void)state;
    need_landlock();
    run_child(errand_child);
    assert_int_equal(count_files(other), 1);
    assert_int_not_equal(access(in(other, "dropped"), F_OK), 0);
    struct stat st;
    assert_int_equal(stat(in(other, "written"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_changed_elsewhere),
        cmocka_unit_test(abstract_sockets_of_others_are_out_of_reach),
        cmocka_unit_test(a_session_writes_below_its_own),
        cmocka_unit_test(a_child_of_the_launcher_does_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
