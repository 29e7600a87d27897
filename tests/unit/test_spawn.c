/* test_spawn.c - between fork and exec: whichever call fails there, or lies, the program is not
 * run, and what could not be done is named. [SBX-1, local-sandboxes §0 rule 2]
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/proc_wire.h"

/* ---- calls that fail or lie in the child: these stand before the C library's ---- */

static struct {
    const char *call; /* which fails; NULL none */
    unsigned nth;     /* of its calls, from 1 */
    const char *lie;  /* "euid", "ruid", "suid", "rgid", "egid", "sgid", "groups", "way back" … */
    unsigned count;
    pid_t parent;
} wrong;

static bool fails(const char *call)
{
    if (wrong.call == NULL || getpid() == wrong.parent || strcmp(wrong.call, call) != 0 ||
        ++wrong.count != wrong.nth)
        return false;
    errno = ENOSYS;
    return true;
}

static bool lies(const char *about)
{
    return wrong.lie != NULL && getpid() != wrong.parent && strcmp(wrong.lie, about) == 0;
}

#define REPLACED(name, params, number, ...)                                                        \
    int name params                                                                                \
    {                                                                                              \
        return fails(#name) ? -1 : (int)syscall(number, __VA_ARGS__);                              \
    }
REPLACED(close_range, (unsigned a, unsigned b, int flags), SYS_close_range, a, b, flags)
REPLACED(dup2, (int a, int b), SYS_dup2, a, b)
REPLACED(setpgid, (pid_t a, pid_t b), SYS_setpgid, a, b)
REPLACED(chdir, (const char *path), SYS_chdir, path)
REPLACED(mkdir, (const char *path, mode_t mode), SYS_mkdir, path, mode)
REPLACED(unshare, (int flags), SYS_unshare, flags)
REPLACED(setrlimit, (__rlimit_resource_t what, const struct rlimit *r), SYS_setrlimit, what, r)
REPLACED(setgroups, (size_t n, const gid_t *list), SYS_setgroups, n, list)
REPLACED(setresuid, (uid_t r, uid_t e, uid_t s), SYS_setresuid, r, e, s)
REPLACED(setresgid, (gid_t r, gid_t e, gid_t s), SYS_setresgid, r, e, s)
REPLACED(mount, (const char *a, const char *b, const char *c, unsigned long d, const void *e),
         SYS_mount, a, b, c, d, e)
REPLACED(move_mount, (int a, const char *b, int c, const char *d, unsigned e), SYS_move_mount, a, b,
         c, d, e)

pid_t setsid(void)
{
    return fails("setsid") ? -1 : (pid_t)syscall(SYS_setsid);
}

int setuid(uid_t uid)
{
    return lies("way back") ? 0 : (int)syscall(SYS_setuid, uid);
}

uid_t geteuid(void)
{
    return lies("no root") || lies("no root, once root") ? 1000 : (uid_t)syscall(SYS_geteuid);
}

int getgroups(int n, gid_t *list)
{
    return lies("groups") ? 1 : (int)syscall(SYS_getgroups, n, list);
}

pid_t getppid(void)
{
    return lies("parent") ? 1 : (pid_t)syscall(SYS_getppid);
}

int getresuid(uid_t *r, uid_t *e, uid_t *s)
{
    if (fails("getresuid") || syscall(SYS_getresuid, r, e, s) < 0)
        return -1;
    if (lies("no root"))
        *r = *e = *s = 1000;
    if (lies("no root, once root"))
        *r = *e = 1000;
    *r += lies("ruid");
    *e += lies("euid");
    *s += lies("suid");
    return 0;
}

int getresgid(gid_t *r, gid_t *e, gid_t *s)
{
    if (fails("getresgid") || syscall(SYS_getresgid, r, e, s) < 0)
        return -1;
    *r += lies("rgid");
    *e += lies("egid");
    *s += lies("sgid");
    return 0;
}

int prctl(int option, ...)
{
    va_list ap;
    va_start(ap, option);
    unsigned long a = va_arg(ap, unsigned long);
    va_end(ap);
    if ((option == PR_SET_NO_NEW_PRIVS && fails("no_new_privs")) ||
        (option == PR_SET_KEEPCAPS && fails("keepcaps")) ||
        (option == PR_SET_PDEATHSIG && fails("pdeathsig")))
        return -1;
    return (int)syscall(SYS_prctl, option, a, 0, 0, 0);
}

int fcntl(int fd, int what, ...)
{
    va_list ap;
    va_start(ap, what);
    long arg = va_arg(ap, long);
    va_end(ap);
    return what == F_DUPFD_CLOEXEC && fails("fcntl") ? -1 : (int)syscall(SYS_fcntl, fd, what, arg);
}

static bool no_pipe;

int pipe2(int fds[2], int flags)
{
    if (no_pipe) {
        errno = EMFILE;
        return -1;
    }
    return (int)syscall(SYS_pipe2, fds, flags);
}

/* ---- starting one ---- */

static char mark[64]; /* is there when it ran; in a folder that everybody may write to */

static int start(unsigned flags, const int *mounts, size_t mount_count, const char *cwd,
                 enum spawn_step *step)
{
    static char sh[] = "sh", c[] = "-c", text[100];
    char *argv[] = { sh, c, text, NULL }, *envp[] = { NULL };
    int fds[] = { open("/dev/null", O_RDWR | O_CLOEXEC) };
    const int32_t there[] = { 5 };
    struct spawn_plan plan = { .path = "/bin/sh",
                               .cwd = cwd,
                               .argv = argv,
                               .envp = envp,
                               .fds = fds,
                               .child_fd = there,
                               .fd_count = 1,
                               .mounts = mounts,
                               .mount_count = mount_count,
                               .flags = flags,
                               .nofile = 64 };
    pid_t pid = -1;
    snprintf(mark, sizeof mark, "/tmp/airlock-test-spawn-%d", (int)getpid());
    snprintf(text, sizeof text, "echo run > %s", mark);
    unlink(mark);
    wrong.parent = getpid();
    wrong.count = 0;
    int rc = spawn_start(&plan, &pid, step);
    if (rc == 0)
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    else
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it is gone already */
    wrong.call = wrong.lie = NULL;
    close(fds[0]);
    return rc;
}

static bool ran(void)
{
    return access(mark, F_OK) == 0;
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip();
}

static const struct {
    const char *call;
    unsigned nth, flags;
    enum spawn_step step;
} calls[] = {
    { "fcntl", 1, 0, SPAWN_DESCRIPTORS },
    { "fcntl", 2, 0, SPAWN_DESCRIPTORS },
    { "close_range", 1, 0, SPAWN_DESCRIPTORS },
    { "dup2", 1, 0, SPAWN_DESCRIPTORS },
    { "setpgid", 1, 0, SPAWN_SESSION },
    { "setsid", 1, WIRE_NEW_SESSION, SPAWN_SESSION },
    { "setrlimit", 1, 0, SPAWN_LIMITS },
    { "pdeathsig", 1, WIRE_KILL_ON_DEATH, SPAWN_DEATH_SIGNAL },
    { "chdir", 1, 0, SPAWN_CWD },
    { "no_new_privs", 1, WIRE_DROP_ROOT, SPAWN_DROP_ROOT },
    { "keepcaps", 1, WIRE_DROP_ROOT, SPAWN_DROP_ROOT },
    { "setgroups", 1, WIRE_DROP_ROOT, SPAWN_DROP_ROOT },
    { "setresgid", 1, WIRE_DROP_ROOT, SPAWN_DROP_ROOT },
    { "setresuid", 1, WIRE_DROP_ROOT, SPAWN_DROP_ROOT },
    { "getresuid", 1, WIRE_DROP_ROOT, SPAWN_DROP_ROOT },
    { "getresgid", 1, WIRE_DROP_ROOT, SPAWN_DROP_ROOT },
};

static void a_call_that_fails_is_named(void **state)
{
    (void)state;
    enum spawn_step step;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if ((calls[i].flags & WIRE_DROP_ROOT) != 0 && geteuid() != 0)
            continue;
        wrong.call = calls[i].call;
        wrong.nth = calls[i].nth;
        int rc = start(calls[i].flags, NULL, 0, "/", &step);
        if (rc != ENOSYS || step != calls[i].step || ran())
            fail_msg("%s: %d while %s%s", calls[i].call, rc, spawn_step_name(step),
                     ran() ? ", and it ran" : "");
    }
    assert_int_equal(start(WIRE_NEW_SESSION | WIRE_KILL_ON_DEATH, NULL, 0, "/", &step), 0);
    assert_int_equal(step, SPAWN_OK);
    assert_true(ran());
    assert_int_equal(start(WIRE_FOREGROUND, NULL, 0, "/", &step), 0);
    assert_int_equal(start(0, NULL, 0, "/nonexistent", &step), ENOENT);
    assert_int_equal(step, SPAWN_CWD);
    no_pipe = true;
    assert_int_equal(start(0, NULL, 0, "/", &step), EMFILE);
    no_pipe = false;
    assert_int_equal(step, SPAWN_FORK);
    unlink(mark);
}

/* Every id is read back and the way back is tried: what does not look right is not run. */
static void root_is_given_up_wholly(void **state)
{
    (void)state;
    static const char *const about[] = { "ruid",   "euid",     "suid",
                                         "rgid",   "egid",     "sgid",
                                         "groups", "way back", "no root, once root" };
    enum spawn_step step;
    need_root();
    for (size_t i = 0; i < ARRAY_LEN(about); i++) {
        wrong.lie = about[i];
        int rc = start(WIRE_DROP_ROOT, NULL, 0, "/", &step);
        if (rc != EPERM || step != SPAWN_DROP_ROOT || ran())
            fail_msg("%s: %d while %s%s", about[i], rc, spawn_step_name(step),
                     ran() ? ", and it ran" : "");
    }
    struct stat st;
    assert_int_equal(start(WIRE_DROP_ROOT, NULL, 0, "/", &step), 0);
    assert_int_equal(stat(mark, &st), 0);
    assert_int_equal(st.st_uid, spawn_drop_uid(getpid()));
    assert_int_equal(st.st_gid, spawn_drop_uid(getpid()));
    wrong.lie = "no root"; /* nothing to give up */
    wrong.call = "getresuid";
    wrong.nth = 1;
    assert_int_equal(start(WIRE_DROP_ROOT, NULL, 0, "/", &step), EPERM);
    assert_int_equal(step, SPAWN_DROP_ROOT);
    wrong.lie = "no root";
    assert_int_equal(start(WIRE_DROP_ROOT, NULL, 0, "/", &step), 0);
    unlink(mark);
}

static void an_orphan_is_not_run(void **state)
{
    (void)state;
    enum spawn_step step;
    wrong.lie = "parent";
    assert_int_equal(start(WIRE_KILL_ON_DEATH, NULL, 0, "/", &step), ESRCH);
    assert_int_equal(step, SPAWN_DEATH_SIGNAL);
    assert_false(ran());
}

static void mounts_are_attached_or_it_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        unsigned nth;
    } steps[] = { { "fcntl", 3 }, { "unshare", 1 }, { "mount", 1 }, { "mkdir", 1 },
                  { "mkdir", 2 }, { "mount", 2 },   { "mkdir", 3 }, { "move_mount", 1 } };
    enum spawn_step step;
    int tree = -1;
    need_root();
    tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/usr", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
    if (tree < 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        wrong.call = steps[i].call;
        wrong.nth = steps[i].nth;
        int rc = start(0, &tree, 1, "/", &step);
        enum spawn_step want = i == 0 ? SPAWN_DESCRIPTORS : SPAWN_MOUNTS;
        if (rc != ENOSYS || step != want || ran())
            fail_msg("%s %u: %d while %s", steps[i].call, steps[i].nth, rc, spawn_step_name(step));
    }
    wrong.lie = "no root";
    assert_int_equal(start(0, &tree, 1, "/", &step), EPERM);
    assert_int_equal(step, SPAWN_MOUNTS);
    assert_false(ran());
    assert_int_equal(start(0, &tree, 1, "/", &step), 0);
    assert_true(ran());
    unlink(mark);
    close(tree);
}

static void each_step_has_a_name(void **state)
{
    (void)state;
    for (int step = SPAWN_OK; step <= SPAWN_EXEC; step++)
        for (int other = SPAWN_OK; other < step; other++)
            assert_string_not_equal(spawn_step_name((enum spawn_step)step),
                                    spawn_step_name((enum spawn_step)other));
    assert_string_equal(spawn_step_name((enum spawn_step)99), "an unknown step");
    assert_string_equal(spawn_step_name(SPAWN_DROP_ROOT), "giving up root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_is_named),
        cmocka_unit_test(root_is_given_up_wholly),
        cmocka_unit_test(an_orphan_is_not_run),
        cmocka_unit_test(mounts_are_attached_or_it_is_told),
        cmocka_unit_test(each_step_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
