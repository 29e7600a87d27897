/* local_args.c - builds the bubblewrap argument list of one sandbox. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "providers/sandboxes/local_args.h"

const char *const local_system_dirs[LOCAL_SYSTEM_DIRS] = { "bin",   "sbin",  "lib",
                                                           "lib32", "lib64", "libx32" };
const char *const local_proc_hidden[LOCAL_PROC_HIDDEN] = { "/proc/cmdline", "/proc/config.gz",
                                                           "/proc/kallsyms", "/proc/keys" };

void local_machine_look(struct local_machine *m)
{
    for (size_t i = 0; i < LOCAL_SYSTEM_DIRS; i++) {
        char path[16];
        struct stat st;
        snprintf(path, sizeof path, "/%s", local_system_dirs[i]);
        m->dir[i] = LOCAL_DIR_NONE;
        if (lstat(path, &st) == 0)
            m->dir[i] = S_ISLNK(st.st_mode)   ? LOCAL_DIR_LINK
                        : S_ISDIR(st.st_mode) ? LOCAL_DIR_REAL
                                              : LOCAL_DIR_NONE;
    }
    for (size_t i = 0; i < LOCAL_PROC_HIDDEN; i++) {
        struct stat st;
        m->proc_hidden[i] = lstat(local_proc_hidden[i], &st) == 0;
    }
}

/* A full buf is noticed once, at the end: everything is appended in order, so a list that lost a
 * word has lost its last words too. */
static void add_words(struct buf *b, int *rc, const char *const *words)
{
    for (; *words != NULL; words++)
        if (*rc == 0)
            *rc = buf_add(b, *words, strlen(*words) + 1);
}
#define add(b, rc, ...) add_words(b, rc, (const char *const[]){ __VA_ARGS__, NULL })

static void add_fd(struct buf *b, int *rc, const char *option, int fd, const char *to)
{
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    add(b, rc, option, number, to);
}

static void add_namespaces(struct buf *b, int *rc, const struct contract *c)
{
    /* Each by name: --unshare-all uses "try" forms that can silently give less. */
    add(b, rc, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts",
        "--unshare-cgroup", "--disable-userns");
    if (c->network != NETWORK_OPEN)
        add(b, rc, "--unshare-net");
    /* The guest is pid 1: nothing inside can signal it to death, and its end ends all. */
    add(b, rc, "--as-pid-1", "--die-with-parent", "--new-session", "--hostname", "sandbox", "--uid",
        "1000", "--gid", "1000", "--cap-drop", "ALL");
}

/* The guest's own; it gives its interpreters theirs. */
static void add_environment(struct buf *b, int *rc)
{
    add(b, rc, "--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME",
        "/workspace", "--setenv", "LANG", "C.UTF-8");
}

static void add_system(struct buf *b, int *rc, const struct local_machine *m)
{
    add(b, rc, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < LOCAL_SYSTEM_DIRS; i++) {
        char from[32], to[32];
        snprintf(to, sizeof to, "/%s", local_system_dirs[i]);
        snprintf(from, sizeof from, "usr/%s", local_system_dirs[i]);
        if (m->dir[i] == LOCAL_DIR_LINK)
            add(b, rc, "--symlink", from, to);
        else if (m->dir[i] == LOCAL_DIR_REAL)
            add(b, rc, "--ro-bind", to, to);
    }
    /* What programs below /usr point at, and no more of /etc: a file here is on every machine of
     * the distribution and says nothing about this one. */
    static const char *const etc[] = { "/etc/alternatives", "/etc/ld.so.cache",
                                       "/etc/ld.so.conf",   "/etc/ld.so.conf.d",
                                       "/etc/fonts",        "/etc/matplotlibrc",
                                       "/etc/mime.types",   "/etc/ssl/openssl.cnf",
                                       "/etc/ssl/certs",    "/etc/ca-certificates" };
    add(b, rc, "--perms", "0755", "--dir", "/etc");
    for (size_t i = 0; i < ARRAY_LEN(etc); i++)
        add(b, rc, "--ro-bind-try", etc[i], etc[i]);
}

/* With the host's network come the host's names. */
static void add_resolver(struct buf *b, int *rc, const struct contract *c)
{
    static const char *const files[] = { "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                         "/etc/services", "/etc/protocols" };
    if (c->network != NETWORK_OPEN)
        return;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        add(b, rc, "--ro-bind-try", files[i], files[i]);
}

static void add_kernel_files(struct buf *b, int *rc, const struct local_machine *m)
{
    /* /proc/sys holds core_pattern: writable, it is code execution on the host. Read-only is the
     * second layer behind "never bwrap as uid 0". [local-sandboxes §0.2] */
    add(b, rc, "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys");
    for (size_t i = 0; i < LOCAL_PROC_HIDDEN; i++)
        if (m->proc_hidden[i])
            add(b, rc, "--ro-bind", "/dev/null", local_proc_hidden[i]);
    add(b, rc, "--dev", "/dev");
}

static void add_tmpfs(struct buf *b, int *rc, int64_t mib, const char *perms, const char *to)
{
    char size[32];
    snprintf(size, sizeof size, "%lld", (long long)mib << 20);
    add(b, rc, "--size", size, "--perms", perms, "--tmpfs", to);
}

static void add_mounts(struct buf *b, int *rc, const struct local_args *a)
{
    for (size_t i = 0; i < a->mount_count; i++) {
        const struct local_mount_arg *m = &a->mounts[i];
        if (m->fd >= 0)
            add_fd(b, rc, m->writable ? "--bind-fd" : "--ro-bind-fd", m->fd, m->to);
        else
            add(b, rc, m->writable ? "--bind" : "--ro-bind", m->from, m->to);
    }
}

static void add_data(struct buf *b, int *rc, const struct local_args *a)
{
    for (size_t i = 0; i < a->data_count; i++) {
        char perms[16];
        snprintf(perms, sizeof perms, "%04o", (unsigned)a->data[i].mode & 0777u);
        add(b, rc, "--perms", perms);
        add_fd(b, rc, "--ro-bind-data", a->data[i].fd, a->data[i].path);
    }
}

int local_args_build(struct buf *out, const struct local_args *a, struct err *e)
{
    int rc = 0;
    add_namespaces(out, &rc, a->contract);
    add_environment(out, &rc);
    add_system(out, &rc, a->machine);
    add_resolver(out, &rc, a->contract);
    add_kernel_files(out, &rc, a->machine);
    add_tmpfs(out, &rc, LOCAL_SMALL_MIB, "1777", "/dev/shm");
    add_tmpfs(out, &rc, LOCAL_SMALL_MIB, "1777", "/tmp");
    add_tmpfs(out, &rc, a->contract->disk_mib, "0755", "/workspace");
    add_data(out, &rc, a);
    add_mounts(out, &rc, a);
    /* bwrap's own root and /dev are writable tmpfs without a size: close them last. */
    add(out, &rc, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/workspace");
    add_fd(out, &rc, "--seccomp", a->seccomp_fd, NULL);
    add_fd(out, &rc, "--json-status-fd", a->status_fd, NULL);
    add_fd(out, &rc, "--block-fd", a->block_fd, NULL);
    if (rc < 0)
        return err_set(e, ERR_LIMIT, "bubblewrap: the argument list is over %zu bytes", out->max);
    return 0;
}
