/* local_probe.c - tries bubblewrap once and puts its refusals into words a person can act on. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "providers/sandboxes/local_probe.h"
#include "providers/sandboxes/local_scope.h"
#include "providers/sandboxes/local_start.h"
#include "providers/sandboxes/local_wall.h"

#define PROBE_MS 5000
#define SAID_MAX 2048

/* ---- words ---- */

static long read_setting(const char *path)
{
    char text[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    return strtol(text, NULL, 10);
}

static struct local_facts look_at_machine(void)
{
    return (struct local_facts){
        .max_user_namespaces = read_setting("/proc/sys/user/max_user_namespaces"),
        .userns_clone = read_setting("/proc/sys/kernel/unprivileged_userns_clone"),
        .apparmor_restrict = read_setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        .in_container = access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0,
    };
}

static bool is_about_namespaces(const char *said)
{
    static const char *const words[] = { "No permissions to creat", "Creating new namespace failed",
                                         "setting up uid map",      "setting up gid map",
                                         "Failed to make / slave",  "loopback: Failed",
                                         "user namespace",          "Can't mount proc" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(said, words[i]) != NULL)
            return true;
    return false;
}

int local_explain_facts(const char *said, const struct local_facts *f, struct err *e)
{
    int len = (int)strcspn(said, "\n");
    if (len > 200)
        len = 200;
    const char *remedy = "";
    if (!is_about_namespaces(said))
        remedy = "";
    else if (f->max_user_namespaces == 0)
        remedy = "User namespaces are off: sysctl user.max_user_namespaces=15000 (as root)";
    else if (f->userns_clone == 0)
        remedy = "User namespaces are for root only: sysctl kernel.unprivileged_userns_clone=1 "
                 "(as root)";
    else if (f->apparmor_restrict == 1)
        remedy = "AppArmor refuses user namespaces: install a profile for bwrap that has the rule "
                 "\"userns,\" (package apparmor-profiles: bwrap-userns-restrict), or sysctl "
                 "kernel.apparmor_restrict_unprivileged_userns=0 (as root)";
    else if (f->in_container)
        remedy = "This is inside a container that forbids namespaces: start it with "
                 "--security-opt seccomp=unconfined --security-opt systempaths=unconfined, or use "
                 "another sandbox (-s docker)";
    else
        remedy = "The kernel refuses user namespaces to this user: see `unshare -U true`";
    if (strstr(said, "Unknown option") != NULL)
        remedy = "This bubblewrap is too old: 0.8.0 is needed";
    return err_set(e, ERR_MISSING, "local sandbox: %.*s%s%s", len > 0 ? len : 40,
                   len > 0 ? said : "bubblewrap ended without a word         ",
                   remedy[0] != '\0' ? ". " : "", remedy);
}

int local_explain(const char *said, struct err *e)
{
    struct local_facts facts = look_at_machine();
    return local_explain_facts(said, &facts, e);
}

/* ---- the trial ---- */

/* Read until everybody closed it or the time is up. */
static void read_all(int fd, char *out, size_t size)
{
    size_t len = 0;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (len + 1 < size && poll(&p, 1, PROBE_MS) > 0) {
        ssize_t n = read(fd, out + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
}

/* Run bwrap with these arguments; its stdout and stderr go to `said`. 0 when it exits 0. */
static int run_bwrap(struct launcher *l, const char *const argv[], char said[SAID_MAX],
                     struct err *e)
{
    int ends[2], status = -1;
    struct proc *proc = NULL;
    const char *const envp[] = { NULL };
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(e, ERR_IO, "pipe");
    struct proc_spec spec = { .path = local_bwrap_path(e),
                              .argv = argv,
                              .envp = envp,
                              .fds = { { ends[1], 1 }, { ends[1], 2 } },
                              .fd_count = 2,
                              .new_session = true,
                              .drop_root = true,
                              .kill_on_death = true };
    int rc = spec.path != NULL ? proc_spawn(l, &spec, &proc, e) : -1;
    close(ends[1]);
    said[0] = '\0';
    if (rc == 0) {
        read_all(ends[0], said, SAID_MAX);
        rc = proc_wait(proc, PROBE_MS, &status, e);
    }
    close(ends[0]);
    if (rc < 0 && proc != NULL)
        (void)proc_kill(proc, SIGKILL);
    proc_free(proc);
    if (rc < 0)
        return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : local_explain(said, e);
}

static int check_version(struct launcher *l, struct err *e)
{
    static const char *const argv[] = { "bwrap", "--version", NULL };
    static const char name[] = "bubblewrap ";
    char said[SAID_MAX] = "", *end = said;
    long major = 0, minor = -1;
    if (run_bwrap(l, argv, said, e) < 0)
        return -1;
    if (strncmp(said, name, sizeof name - 1) == 0)
        major = strtol(said + sizeof name - 1, &end, 10);
    if (*end == '.')
        minor = strtol(end + 1, NULL, 10);
    if (minor < 0)
        return err_set(e, ERR_MISSING, "local sandbox: bwrap --version says nothing we know: %.60s",
                       said);
    if (major == 0 && minor < 8)
        return err_set(e, ERR_MISSING,
                       "local sandbox: bubblewrap %ld.%ld is too old: 0.8.0 is needed", major,
                       minor);
    return 0;
}

static int try_namespaces(struct launcher *l, struct err *e)
{
    static const char *const argv[] = { "bwrap",
                                        "--unshare-user",
                                        "--unshare-ipc",
                                        "--unshare-pid",
                                        "--unshare-net",
                                        "--unshare-uts",
                                        "--unshare-cgroup",
                                        "--disable-userns",
                                        "--ro-bind",
                                        "/",
                                        "/",
                                        "--proc",
                                        "/proc",
                                        "--cap-drop",
                                        "ALL",
                                        "--",
                                        "/usr/bin/true",
                                        NULL };
    char said[SAID_MAX];
    return run_bwrap(l, argv, said, e);
}

int local_available(struct launcher *l, struct err *e)
{
    static bool works; /* a refusal is asked again: the person may have mended it */
    if (works)
        return 0;
    if (check_version(l, e) < 0 || try_namespaces(l, e) < 0)
        return -1;
    if (local_cgroup_place()->version == 0)
        (void)local_scope_limits(l); /* so that enforcement() can tell */
    works = true;
    return 0;
}
