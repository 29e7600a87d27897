/* local_scope.c - runs bubblewrap under a scope of the user's systemd, where that works. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "providers/sandboxes/local_scope.h"

#define TRIAL_MS   2000
#define TRIAL_FD   9
#define TRIAL_MIB  64
#define TRIAL_PIDS 16
#define SAID_MAX   256

static char *systemd_run; /* absolute once found */

static bool bus_answers(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    if (dir == NULL || dir[0] != '/')
        return false;
    char *bus = path_join(dir, "bus");
    bool there = access(bus, R_OK | W_OK) == 0;
    free(bus);
    return there;
}

static bool could_work(void)
{
    return geteuid() != 0 && access(CGROUP_ROOT "/cgroup.controllers", F_OK) == 0 &&
           bus_answers() &&
           (systemd_run != NULL || proc_resolve("systemd-run", &systemd_run, NULL) == 0);
}

/* What the scope is asked for must be what its files say, from inside: a mask of 1 << enum
 * cgroup_part, 0 when memory or processes are not limited or a descriptor was lost. */
static unsigned limits_said(const char *said)
{
    char wanted[64];
    int len = snprintf(wanted, sizeof wanted, "kept\n%lld\n%d\n", (long long)TRIAL_MIB << 20,
                       TRIAL_PIDS + 1);
    if (strncmp(said, wanted, (size_t)len) != 0)
        return 0;
    unsigned cpu = strcmp(said + len, "100000 100000\n") == 0 ? 1u << CGROUP_CPU : 0;
    return 1u << CGROUP_MEMORY | 1u << CGROUP_PIDS | cpu;
}

static size_t read_until_end(int fd, char *out, size_t size)
{
    size_t len = 0;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (len + 1 < size && poll(&p, 1, TRIAL_MS) > 0) {
        ssize_t n = read(fd, out + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len;
}

static unsigned trial(struct launcher *l)
{
    static const char *const command[] = {
        "/bin/sh", "-c",
        "d=" CGROUP_ROOT "$(sed -n s/^0:://p /proc/self/cgroup); "
        "[ -e /proc/self/fd/9 ] && echo kept; cat $d/memory.max $d/pids.max $d/cpu.max",
        NULL
    };
    struct contract small = { .memory_mib = TRIAL_MIB, .pids = TRIAL_PIDS, .cpu = 1 };
    struct local_scope s;
    struct proc *proc = NULL;
    char said[SAID_MAX] = "";
    int ends[2];
    unsigned limits = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return 0;
    local_scope_init(&s, &small, command);
    struct proc_spec spec = { .path = s.path,
                              .argv = s.argv,
                              .envp = (const char *const *)s.env,
                              .fds = { { ends[1], 1 }, { ends[1], TRIAL_FD } },
                              .fd_count = 2,
                              .new_session = true,
                              .kill_on_death = true };
    int rc = proc_spawn(l, &spec, &proc, NULL);
    close(ends[1]);
    if (rc == 0) {
        (void)read_until_end(ends[0], said, sizeof said);
        limits = limits_said(said);
        (void)proc_kill(proc, SIGKILL);
    }
    close(ends[0]);
    proc_free(proc);
    local_scope_release(&s);
    return limits;
}

unsigned local_scope_limits(struct launcher *l)
{
    static bool known;
    static unsigned limits;
    if (!known && l != NULL) {
        limits = could_work() ? trial(l) : 0;
        known = true;
    }
    return limits;
}

void local_scope_init(struct local_scope *s, const struct contract *c, const char *const *command)
{
    size_t n = 0;
    memset(s, 0, sizeof *s);
    s->path = systemd_run;
    snprintf(s->words[0], sizeof s->words[0], "MemoryMax=%lld", (long long)c->memory_mib << 20);
    /* bwrap itself stands in the scope, too. */
    snprintf(s->words[1], sizeof s->words[1], "TasksMax=%lld", (long long)c->pids + 1);
    snprintf(s->words[2], sizeof s->words[2], "CPUQuota=%lld%%", (long long)c->cpu * 100);
    /* OOMPolicy: the kernel kills one process; systemd must not end the sandbox for that. */
    const char *const front[] = {
        "systemd-run", "--user", "--scope",         "--quiet", "--collect",          "-p",
        s->words[0],   "-p",     "MemorySwapMax=0", "-p",      "OOMPolicy=continue", "-p",
        s->words[1],   "-p",     s->words[2],       "--"
    };
    for (size_t i = 0; i < ARRAY_LEN(front); i++)
        s->argv[n++] = front[i];
    for (size_t i = 0; command[i] != NULL; i++) {
        INVARIANT(n + 1 < LOCAL_SCOPE_WORDS);
        s->argv[n++] = command[i];
    }
    const char *dir = getenv("XDG_RUNTIME_DIR");
    const char *bus = getenv("DBUS_SESSION_BUS_ADDRESS");
    size_t envs = 0;
    if (dir != NULL)
        s->env[envs++] = xasprintf("XDG_RUNTIME_DIR=%s", dir);
    if (bus != NULL)
        s->env[envs] = xasprintf("DBUS_SESSION_BUS_ADDRESS=%s", bus);
}

void local_scope_release(struct local_scope *s)
{
    free(s->env[0]);
    free(s->env[1]);
}

int local_scope_adopt(struct cgroup **out, pid_t pid, struct err *e)
{
    struct buf text = BUF_INIT(64u << 10);
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/cgroup", (long)pid);
    if (path_read_file(path, &text, e) < 0)
        return err_wrap(e, "local sandbox: its control group");
    const char *line = strstr(buf_str(&text), "0::");
    int rc = -1;
    if (line == NULL) {
        err_set(e, ERR_IO, "local sandbox: %s names no control group v2", path);
    } else {
        char *where = xstrndup(line + 3, strcspn(line + 3, "\n"));
        rc = cgroup_adopt(out, CGROUP_ROOT, where, e);
        free(where);
    }
    buf_release(&text);
    unsigned needed = 1u << CGROUP_MEMORY | 1u << CGROUP_PIDS;
    if (rc == 0 && (cgroup_has(*out) & needed) != needed) {
        cgroup_free(*out);
        *out = NULL;
        rc = err_set(e, ERR_IO, "local sandbox: systemd did not set the limits of its scope");
    }
    return rc;
}
