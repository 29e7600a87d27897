/* doctor_host.c - what the kernel offers, where we stand, and what this process gave up. */
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/path.h"
#include "cli/doctor.h"
#include "providers/sandboxes/local_cgroup.h"
#include "providers/sandboxes/local_start.h"

#define FREE_MIB_MIN 64

static bool read_line(const char *path, char *out, size_t size)
{
    struct buf b = BUF_INIT(64 << 10);
    struct err e = ERR_INIT;
    bool ok = path_read_file(path, &b, &e) == 0;
    snprintf(out, size, "%.*s", (int)strcspn(buf_str(&b), "\n"), buf_str(&b));
    buf_release(&b);
    return ok;
}

/* ---- the kernel */

static bool check_userns(struct app *app)
{
    char max[64], clone[64], armor[64], detail[384];
    const char *fix = "";
    bool has_max = read_line("/proc/sys/user/max_user_namespaces", max, sizeof max);
    bool has_clone = read_line("/proc/sys/kernel/unprivileged_userns_clone", clone, sizeof clone);
    bool has_armor =
        read_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", armor, sizeof armor);
    if (access("/proc/self/ns/user", F_OK) < 0)
        fix = "a kernel with CONFIG_USER_NS";
    else if (has_max && strtol(max, NULL, 10) == 0)
        fix = "sysctl -w user.max_user_namespaces=15000 (as root)";
    else if (has_clone && strtol(clone, NULL, 10) == 0)
        fix = "sysctl -w kernel.unprivileged_userns_clone=1 (as root)";
    snprintf(detail, sizeof detail, "max_user_namespaces %s%s%s%s%s", has_max ? max : "not set",
             has_clone ? ", unprivileged_userns_clone " : "", has_clone ? clone : "",
             has_armor ? ", apparmor_restrict " : "", has_armor ? armor : "");
    return doctor_check(app, "userns", true, fix[0] == '\0', detail, fix);
}

static bool check_cgroup(struct app *app)
{
    static const char *const names[CGROUP_PARTS] = { "memory", "pids", "cpu" };
    char detail[384] = "", missing[64] = "";
    for (int i = 0; i < CGROUP_PARTS; i++) {
        bool has = local_limits_by_group((enum cgroup_part)i);
        char *to = has ? detail : missing;
        size_t size = has ? sizeof detail : sizeof missing, n = strlen(to);
        snprintf(to + n, size - n, "%s%s", n > 0 ? " " : "", names[i]);
    }
    if (missing[0] != '\0') { /* said for each field of the contract too: approximated */
        size_t n = strlen(detail);
        snprintf(detail + n, sizeof detail - n,
                 "%snone for %s: approximated by rlimits and the guest (as root, or in a session "
                 "of systemd, there is one)",
                 n > 0 ? "; " : "", missing);
    }
    return doctor_check(app, "cgroup", false, true, detail, "");
}

static bool check_seccomp(struct app *app)
{
    char actions[256];
    bool has = read_line("/proc/sys/kernel/seccomp/actions_avail", actions, sizeof actions) &&
               strstr(actions, "kill_process") != NULL && strstr(actions, "errno") != NULL;
    return doctor_check(app, "seccomp", true, has, has ? actions : "not offered",
                        "a kernel with CONFIG_SECCOMP_FILTER, 4.14 or newer");
}

/* What only a confined process is refused, by which no file changes. (A process without dumps can't
 * open its own files in /proc unless it is root; a file without a name is not to be had anywhere.)
 */
static bool can_write_elsewhere(void)
{
    static const struct {
        const char *path;
        int flags;
    } places[] = { { "/proc/self/comm", O_WRONLY },
                   { "/tmp", O_TMPFILE | O_WRONLY },
                   { "/var/tmp", O_TMPFILE | O_WRONLY } };
    bool can = false;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        int fd = open(places[i].path, places[i].flags | O_CLOEXEC, 0600);
        if (fd >= 0)
            close(fd);
        can = can || fd >= 0;
    }
    return can;
}

static bool can_write_here(const struct app *app)
{
    char *path = path_join(app->paths.state_dir, ".doctor-XXXXXX");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    free(path);
    return fd >= 0;
}

/* The walls of a session, put up around a child; and whether they hold, which takes that the same
 * thing worked without them. */
static bool try_session_walls(const struct app *app)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        bool before = can_write_elsewhere();
        app_confine_session(app);
        _exit(before && confine_writes_level() > 0 && !can_write_elsewhere() && can_write_here(app)
                  ? 0
                  : 1);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool check_landlock(struct app *app)
{
    char detail[192];
    int abi = confine_landlock_abi();
    bool holds = abi > 0 && try_session_walls(app);
    if (abi > 0)
        snprintf(detail, sizeof detail,
                 "ABI %d; a session changes files below its own directories "
                 "only: %s%s",
                 abi, holds ? "tried" : "does not hold here",
                 abi < 3 ? " (cutting one is not seen before ABI 3)" : "");
    else
        snprintf(detail, sizeof detail, "%s", abi < 0 ? "not built in" : "switched off at boot");
    return doctor_check(app, "landlock", false, holds, detail,
                        abi > 0
                            ? "the log says why; the data and state directories must be there and "
                              "writable"
                            : "boot with lsm=landlock,... (a kernel 5.13 or newer has it)");
}

bool doctor_check_kernel(struct app *app)
{
    struct utsname u;
    char kernel[160];
    uname(&u);
    snprintf(kernel, sizeof kernel, "%.60s %.60s", u.sysname, u.release);
    bool ok =
        doctor_check(app, "kernel", true,
                     strcmp(u.sysname, "Linux") == 0 && version_compare(u.release, "5.11") >= 0,
                     kernel, "Linux 5.11 or newer");
    ok = check_userns(app) && ok;
    ok = check_cgroup(app) && ok;
    ok = check_seccomp(app) && ok;
    return check_landlock(app) && ok;
}

/* ---- terminal, locale, directories */

static void check_terminal(const struct app *app)
{
    const char *term = getenv("TERM"), *set = nl_langinfo(CODESET);
    char detail[128];
    bool usable = term != NULL && strcmp(term, "dumb") != 0;
    snprintf(detail, sizeof detail, "TERM=%.60s%s", term != NULL ? term : "(unset)",
             usable ? "" : ": lines instead of a screen");
    doctor_check(app, "terminal", false, usable, detail, "export TERM=xterm-256color");
    bool utf8 = strcmp(set, "UTF-8") == 0;
    snprintf(detail, sizeof detail, "%.40s%s", set,
             utf8 ? "" : ": other characters are shown as <U+XXXX>");
    doctor_check(app, "locale", false, utf8, detail, "export LC_ALL=C.UTF-8");
}

static bool check_dir(const struct app *app, const char *what, const char *dir, bool needed)
{
    struct err e = ERR_INIT;
    struct stat st;
    char *detail = NULL, *fix = xasprintf("chown $USER '%s' && chmod 700 '%s'", dir, dir);
    bool ok = path_make_private_dir(dir, &e) == 0 && stat(dir, &st) == 0;
    if (ok)
        detail = xasprintf("%s, mode %04o", dir, (unsigned)st.st_mode & 07777);
    bool rc = doctor_check(app, what, needed, ok, ok ? detail : e.msg, fix);
    free(detail);
    free(fix);
    return rc;
}

static bool check_config(const struct app *app)
{
    struct stat st;
    const char *path = app->paths.config_file;
    bool there = stat(path, &st) == 0, ok = !there || (st.st_mode & 077) == 0;
    char *detail = there ? xasprintf("%s, mode %04o", path, (unsigned)st.st_mode & 07777)
                         : xasprintf("%s (none; the defaults hold)", path);
    char *fix = xasprintf("chmod 600 '%s'", path);
    bool rc = doctor_check(app, "config", true, ok, detail, fix);
    free(detail);
    free(fix);
    return rc;
}

static bool check_space(const struct app *app)
{
    struct statvfs st;
    char detail[96];
    if (statvfs(app->paths.sessions_dir, &st) < 0)
        return true; /* said by the directory's own check */
    uint64_t mib = (uint64_t)st.f_bavail * st.f_frsize >> 20;
    snprintf(detail, sizeof detail, "%llu MiB free for sessions", (unsigned long long)mib);
    return doctor_check(app, "space", true, mib >= FREE_MIB_MIN, detail,
                        "make room, or --data DIR on another disk; airlock sessions purge");
}

bool doctor_check_place(struct app *app)
{
    check_terminal(app);
    bool ok = check_config(app);
    ok = check_dir(app, "data", app->paths.sessions_dir, true) && ok;
    ok = check_dir(app, "state", app->paths.state_dir, true) && ok;
    ok = check_dir(app, "runtime", app->paths.runtime_dir, false) && ok;
    return check_space(app) && ok;
}

/* ---- this process */

static long status_number(const char *status, const char *key, int base)
{
    const char *at = strstr(status, key);
    return at != NULL ? strtol(at + strlen(key), NULL, base) : -1;
}

bool doctor_check_self(struct app *app)
{
    struct rlimit core;
    struct buf status = BUF_INIT(64 << 10);
    struct err e = ERR_INIT;
    char detail[256];
    (void)!path_read_file("/proc/self/status", &status, &e);
    long privs = status_number(buf_str(&status), "\nNoNewPrivs:", 10),
         filter = status_number(buf_str(&status), "\nSeccomp:", 10);
    bool quiet =
        prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;
    mode_t mask = umask(077);
    bool ok = quiet && mask == 077 && privs == 1 && filter == 2;
    snprintf(detail, sizeof detail, "%s, no_new_privs %s, system call filter %s, umask %03o",
             quiet ? "no core files, no ptrace by others" : "could be dumped or traced",
             privs == 1 ? "on" : "off", filter == 2 ? "on" : "off", (unsigned)mask);
    buf_release(&status);
    return doctor_check(app, "own walls", true, ok, detail,
                        "run it outside of a debugger, on a kernel with seccomp");
}
