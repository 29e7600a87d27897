/* local_mount.c - opens the host paths of a contract and detaches them for the sandbox. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errand.h"
#include "providers/sandboxes/local_mount.h"

#define TOP_ENTRIES_MAX 500000 /* how much of a directory is searched for sockets */

/* ---- the words of a path ---- */

static bool is_below(const char *path, const char *dir) /* or the same */
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/' || len == 1);
}

static bool is_clean(const char *path)
{
    size_t len = strlen(path);
    if (path[0] != '/' || len >= 4096 || (len > 1 && path[len - 1] == '/'))
        return false;
    for (const char *p = path; *p != '\0';) {
        const char *end = strchrnul(p + 1, '/');
        size_t n = (size_t)(end - p - 1);
        if ((n == 0 && len > 1) || (n == 1 && p[1] == '.') || (n == 2 && memcmp(p, "/..", 3) == 0))
            return false;
        p = end;
    }
    for (const char *p = path; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    return true;
}

/* Directories with keys in them, wherever they lie. */
static bool holds_keys(const char *path)
{
    static const char *const names[] = {
        ".ssh", ".gnupg", ".aws",     ".azure",           ".kube",  ".docker", ".password-store",
        ".pki", ".netrc", ".mozilla", ".git-credentials", ".gcloud"
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i]);
        for (const char *at = path; (at = strstr(at, names[i])) != NULL; at += len)
            if (at > path && at[-1] == '/' && (at[len] == '\0' || at[len] == '/'))
                return true;
    }
    return false;
}

static const char *system_reason(const char *path)
{
    static const struct {
        const char *dir, *why;
    } refused[] = {
        { "/proc", "it is the kernel's" },
        { "/sys", "it is the kernel's" },
        { "/dev", "it holds devices" },
        { "/run", "it holds sockets of other programs" },
        { "/var/run", "it holds sockets of other programs" },
        { "/boot", "it is the machine's" },
        { "/etc", "it holds this machine's secrets" },
        { "/usr", "it is already visible inside, read-only" },
        { "/bin", "it is already visible inside, read-only" },
        { "/sbin", "it is already visible inside, read-only" },
        { "/lib", "it is already visible inside, read-only" },
        { "/lib64", "it is already visible inside, read-only" },
        { "/workspace", "the sandbox has its own" },
        { "/sbx", "the sandbox has its own" },
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (is_below(path, refused[i].dir))
            return refused[i].why;
    if (strcmp(path, "/") == 0)
        return "it is the whole machine";
    if (strcmp(path, "/tmp") == 0 || strcmp(path, "/var/tmp") == 0)
        return "it holds other programs' files and sockets";
    if (strcmp(path, "/home") == 0 || strcmp(path, "/var") == 0 || strcmp(path, "/root") == 0)
        return "it holds other people's files";
    return NULL;
}

static int refuse(struct err *e, const char *path, const char *why)
{
    return err_set(
        e, ERR_DENIED,
        "mount %s: refused, %s. Name the one directory that is needed, or copy files with "
        ":put and :get",
        path, why);
}

int local_mount_check_path(const char *path, const struct local_private *own, struct err *e)
{
    if (!is_clean(path))
        return err_set(e, ERR_DENIED,
                       "mount %s: give the full path, without \".\", \"..\" or a slash at the end",
                       path);
    const char *why = system_reason(path);
    if (why != NULL)
        return refuse(e, path, why);
    if (holds_keys(path))
        return refuse(e, path, "it holds keys or passwords");
    for (size_t i = 0; i < ARRAY_LEN(own->dirs); i++)
        if (own->dirs[i] != NULL && (is_below(path, own->dirs[i]) || is_below(own->dirs[i], path)))
            return refuse(e, path, "Airlock's own files are there");
    if (own->home == NULL || own->home[0] != '/' || own->home[1] == '\0')
        return 0;
    if (is_below(own->home, path))
        return refuse(e, path, "it shows the whole home directory");
    size_t len = strlen(own->home);
    if (is_below(path, own->home) && path[len + (own->home[len - 1] != '/')] == '.')
        return refuse(e, path, "dot files of the home directory hold keys and settings");
    return 0;
}

/* ---- the thing itself ---- */

static bool is_same_file(const struct stat *st, const char *path)
{
    struct stat other;
    return path != NULL && stat(path, &other) == 0 && other.st_dev == st->st_dev &&
           other.st_ino == st->st_ino;
}

/* By another name, a bind mount for example. */
static bool same_as_private(const struct stat *st, const struct local_private *own)
{
    if (is_same_file(st, "/") || is_same_file(st, own->home))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(own->dirs); i++)
        if (is_same_file(st, own->dirs[i]))
            return true;
    return false;
}

static bool is_socket(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_SOCK;
    return fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISSOCK(st.st_mode);
}

/* A socket in a directory can be connected to from inside, even when mounted read-only. The top
 * level is where they lie in practice (tmux, agents, docker.sock). NULL: there is none; what can't
 * be searched to its end may have one. */
static const char *shows_socket(int fd)
{
    static const char doubt[] = "whether there is a socket in it can't be seen";
    int top = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = top >= 0 ? fdopendir(top) : NULL;
    const char *why = NULL;
    if (dir == NULL) {
        if (top >= 0)
            close(top);
        return doubt;
    }
    for (int n = 0; why == NULL; n++) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL && errno == 0)
            break;
        if (entry == NULL || n == TOP_ENTRIES_MAX)
            why = doubt;
        else if (is_socket(dir, entry))
            why = "there is a socket in it that could be talked to from inside";
    }
    closedir(dir);
    return why;
}

int local_mount_open(const char *path, const struct local_private *own, int *out, struct err *e)
{
    if (local_mount_check_path(path, own, e) < 0)
        return -1;
    struct open_how how = { .flags = O_PATH | O_CLOEXEC,
                            .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd < 0 && errno == ELOOP)
        return err_set(e, ERR_DENIED,
                       "mount %s: a part of the path is a link; give the real path "
                       "(realpath shows it)",
                       path);
    if (fd < 0)
        return err_sys(e, ERR_MISSING, "mount %s", path);
    struct stat st;
    const char *why = NULL;
    if (fstat(fd, &st) < 0)
        why = "it can't be looked at";
    else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        why = "it is neither a directory nor a plain file";
    else if (same_as_private(&st, own))
        why = "it is the home directory, the root or Airlock's own directory by another name";
    else if (S_ISDIR(st.st_mode))
        why = shows_socket(fd);
    if (why != NULL) {
        close(fd);
        return refuse(e, path, why);
    }
    *out = fd;
    return 0;
}

/* ---- root: detached and idmapped ---- */

static int write_map(pid_t pid, const char *which, id_t on_disk, id_t shown)
{
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, which);
    int len = snprintf(map, sizeof map, "%u %u 1", (unsigned)on_disk, (unsigned)shown);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, map, (size_t)len);
    close(fd);
    return n == len ? 0 : -1;
}

/* A user namespace is only a table here: "owner on disk" -> "uid of the sandbox". A child holds it
 * until we have its descriptor, and must not outlive us: it has copies of all our descriptors, the
 * lock of the session among them. No exit signal: the loop's SIGCHLD is not ours to raise. */
static int map_namespace(const struct stat *st, uid_t uid, gid_t gid)
{
    pid_t us = getpid(), pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != us)
            _exit(1);
        for (;;)
            pause();
    }
    if (pid < 0)
        return -1;
    int fd = -1;
    if (write_map(pid, "uid_map", st->st_uid, uid) == 0 &&
        write_map(pid, "gid_map", st->st_gid, gid) == 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%ld/ns/user", (long)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
    return fd;
}

static int set_attributes(int tree, uint64_t set, int userns)
{
    struct mount_attr attr = { .attr_set = set };
    if (userns >= 0) {
        attr.attr_set |= MOUNT_ATTR_IDMAP;
        attr.userns_fd = (uint64_t)userns;
    }
    return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr);
}

/* In the launcher's child, as root: the detached mount, or why not. */
static int detach(int fd, const char *path, bool writable, uid_t uid, gid_t gid, int *out,
                  struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "mount %s", path);
    /* Not recursive: what is mounted below was not named in the contract. */
    int tree =
        (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0)
        return err_sys(e, ERR_IO, "mount %s: can't be detached", path);
    uint64_t set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY);
    int userns = map_namespace(&st, uid, gid);
    int rc = userns >= 0 ? set_attributes(tree, set, userns) : -1;
    if (userns >= 0)
        close(userns);
    if (rc < 0 && writable) {
        rc =
            err_set(e, ERR_DENIED,
                    "mount %s:rw as root: this file system can't show it to the sandbox's own uid. "
                    "Run airlock as the owner of the path, mount it :ro, or use :put and :get",
                    path);
    } else if (rc < 0) {
        rc = set_attributes(tree, set, -1);
        if (rc < 0)
            err_sys(e, ERR_IO, "mount %s: can't be made read-only", path);
    }
    if (rc < 0) {
        close(tree);
        return -1;
    }
    *out = tree;
    return 0;
}

/* argv: "mount", PATH, "rw" or "ro", UID, GID. The path's descriptor is the errand's. */
static int detach_inside(int argc, char **argv)
{
    struct errand_reply r = { 0 };
    int tree = -1;
    if (argc != 5)
        return 1;
    (void)!detach(ERRAND_GIVEN, argv[1], strcmp(argv[2], "rw") == 0,
                  (uid_t)strtoul(argv[3], NULL, 10), (gid_t)strtoul(argv[4], NULL, 10), &tree,
                  &r.err);
    errand_reply(&r, tree);
    return 0;
}

int local_mount_detach(struct launcher *l, int fd, const char *path, bool writable, uid_t uid,
                       gid_t gid, int *tree, struct err *e)
{
    char owner[16], group[16];
    snprintf(owner, sizeof owner, "%u", (unsigned)uid);
    snprintf(group, sizeof group, "%u", (unsigned)gid);
    const char *const argv[] = { "mount", path, writable ? "rw" : "ro", owner, group, NULL };
    if (errand_run(l, detach_inside, argv, fd, NULL, tree, e) < 0)
        return -1;
    return *tree >= 0 ? 0 : err_set(e, ERR_IO, "mount %s: no descriptor came", path);
}
