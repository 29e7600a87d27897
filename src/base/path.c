/* path.c - the program's directories, and opening files with care. */
#include "base/confine.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)
#define READ_STEP    (64u << 10)

bool path_stays_below(const char *name)
{
    for (const char *at = name;; at++) {
        size_t n = strcspn(at, "/");
        if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        at += n;
        if (*at == '\0')
            return true;
    }
}

char *path_join(const char *dir, const char *name)
{
    return xasprintf("%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", name);
}

/* ---- where things are ---- */

static const char *env_absolute(const char *name)
{
    const char *v = getenv(name);
    return v != NULL && v[0] == '/' ? v : NULL;
}

/* $name/airlock, or $HOME/fallback/airlock; NULL when neither can be said. */
static char *xdg_dir(const char *name, const char *fallback)
{
    const char *base = env_absolute(name);
    if (base != NULL)
        return path_join(base, "airlock");
    const char *home = env_absolute("HOME");
    return home != NULL ? xasprintf("%s/%s/airlock", home, fallback) : NULL;
}

/* What the person named, made absolute: it must still mean the same after a chdir. */
static char *named(const char *value)
{
    if (value[0] == '/')
        return xstrdup(value);
    char *cwd = getcwd(NULL, 0);
    char *whole = path_join(cwd != NULL ? cwd : ".", value);
    free(cwd);
    return whole;
}

static const char *choose(const char *option, const char *env_name)
{
    if (option != NULL)
        return option;
    const char *v = getenv(env_name);
    return v != NULL && v[0] != '\0' ? v : NULL;
}

static char *config_path(const char *option)
{
    const char *chosen = choose(option, "AIRLOCK_CONFIG");
    if (chosen != NULL)
        return named(chosen);
    char *dir = xdg_dir("XDG_CONFIG_HOME", ".config");
    char *file = dir != NULL ? path_join(dir, "config.ini") : NULL;
    free(dir);
    return file;
}

static char *data_path(const char *option)
{
    const char *chosen = choose(option, "AIRLOCK_DATA_DIR");
    return chosen != NULL ? named(chosen) : xdg_dir("XDG_DATA_HOME", ".local/share");
}

int paths_init(struct paths *p, const char *data, const char *config, struct err *e)
{
    struct paths n = { .config_file = config_path(config), .data_dir = data_path(data) };
    n.state_dir = xdg_dir("XDG_STATE_HOME", ".local/state");
    if (n.config_file == NULL || n.data_dir == NULL || n.state_dir == NULL) {
        paths_release(&n);
        return err_set(e, ERR_MISSING,
                       "where to keep sessions is unknown: HOME is not set to an absolute path");
    }
    n.sessions_dir = path_join(n.data_dir, "sessions");
    const char *runtime = env_absolute("XDG_RUNTIME_DIR");
    n.runtime_dir = runtime != NULL ? path_join(runtime, "airlock") : path_join(n.state_dir, "run");
    *p = n;
    return 0;
}

void paths_release(struct paths *p)
{
    if (p == NULL)
        return;
    free(p->config_file);
    free(p->data_dir);
    free(p->sessions_dir);
    free(p->state_dir);
    free(p->runtime_dir);
    *p = (struct paths){ 0 };
}

/* ---- directories ---- */

static int make_parents(char *path, struct err *e)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdir(path, 0700);
        if (rc < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            err_sys(e, ERR_IO, "making the directory %s", path);
        else
            rc = 0; /* what can't be made here shows at the last component */
        *slash = '/';
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int check_private_dir(int fd, const char *dir, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "looking at the directory %s", dir);
    if (st.st_uid != geteuid())
        return err_set(e, ERR_DENIED,
                       "the directory %s belongs to another user (uid %u): name "
                       "one of your own",
                       dir, (unsigned)st.st_uid);
    if ((st.st_mode & OTHERS_WRITE) != 0)
        return err_set(e, ERR_DENIED, "others may write to the directory %s: chmod go-w %s", dir,
                       dir);
    return 0;
}

static int open_dir_error(const char *dir, struct err *e)
{
    if (errno == ENOTDIR || errno == ELOOP)
        return err_set(e, ERR_DENIED,
                       "%s is not a directory (or is a symbolic link): name the "
                       "directory itself",
                       dir);
    return err_sys(e, ERR_IO, "opening the directory %s", dir);
}

int path_make_private_dir(const char *dir, struct err *e)
{
    char *path = xstrdup(dir);
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    int rc = len != 0 ? make_parents(path, e) : err_set(e, ERR_USAGE, "a directory has no name");
    if (rc == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
        rc = err_sys(e, ERR_IO, "making the directory %s", path);
    if (rc == 0) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        rc = fd < 0 ? open_dir_error(path, e) : check_private_dir(fd, path, e);
        if (fd >= 0)
            close(fd);
    }
    free(path);
    return rc;
}

/* ---- reading ---- */

static int wait_for(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    int rc = poll(&p, 1, -1);
    return rc < 0 && errno != EINTR ? -1 : 0;
}

/* One read of at most `len` bytes: >0, 0 at the end, -1 with errno. */
static ssize_t read_some(int fd, void *p, size_t len)
{
    for (;;) {
        ssize_t n = read(fd, p, len);
        if (n >= 0)
            return n;
        if (errno != EINTR && (errno != EAGAIN || wait_for(fd, POLLIN) < 0))
            return -1;
    }
}

/* How much to ask for: a plain file and a byte more to see its end, else a step. */
static size_t read_step(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uintmax_t)st.st_size > SIZE_MAX / 2)
        return READ_STEP;
    return (size_t)st.st_size + 1;
}

int path_read_fd(int fd, struct buf *out, struct err *e)
{
    size_t start = out->len, step = read_step(fd);
    for (;;) {
        size_t room = out->max - out->len, ask = step < room ? step : room;
        char beyond = 0, *at = ask != 0 ? buf_reserve(out, ask) : &beyond;
        ssize_t n = read_some(fd, at, ask != 0 ? ask : 1);
        if (n == 0)
            return 0;
        if (n > 0 && ask != 0) {
            buf_grew(out, (size_t)n);
            step = READ_STEP;
            continue;
        }
        int rc = n < 0 ? err_sys(e, ERR_IO, "reading")
                       : err_set(e, ERR_LIMIT, "more than %zu bytes", out->max - start);
        buf_truncate(out, start);
        return rc;
    }
}

int path_read_file(const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_sys(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "opening %s", path);
    int rc = path_read_fd(fd, out, e);
    close(fd);
    return rc < 0 ? err_wrap(e, "%s", path) : 0;
}

/* The directory of `path` as a descriptor for openat, and the name in it (lent from path). */
static int open_parent(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    char *dir =
        slash == NULL ? xstrdup(".") : xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int saved = errno;
    free(dir);
    errno = saved;
    return fd;
}

/* Who may write to the directory may put another file in the place of ours; with the sticky bit
 * only its owner may. */
static int check_parent(int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "looking at the directory of %s", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(e, ERR_DENIED,
                       "the directory of %s belongs to another user (uid %u): move "
                       "the file to a directory of your own",
                       path, (unsigned)st.st_uid);
    if ((st.st_mode & OTHERS_WRITE) != 0 && (st.st_mode & S_ISVTX) == 0)
        return err_set(e, ERR_DENIED, "others may write to the directory of %s: chmod go-w on it",
                       path);
    return 0;
}

static int check_private_file(int fd, const char *path, size_t max, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(e, ERR_IO, "looking at %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_DENIED, "%s is not a plain file", path);
    if (st.st_uid != geteuid())
        return err_set(e, ERR_DENIED, "%s belongs to another user (uid %u): copy it", path,
                       (unsigned)st.st_uid);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return err_set(e, ERR_DENIED, "others may use %s: chmod 600 %s", path, path);
    if (st.st_nlink != 1)
        return err_set(e, ERR_DENIED, "%s has %ju hard links: copy it to a file of its own", path,
                       (uintmax_t)st.st_nlink);
    if ((uintmax_t)st.st_size > max)
        return err_set(e, ERR_LIMIT, "%s is larger than %zu bytes", path, max);
    return 0;
}

/* The descriptor, or -1. */
static int open_private(const char *path, struct err *e)
{
    const char *name;
    int dir = open_parent(path, &name);
    if (dir < 0)
        return err_sys(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "opening the directory of %s",
                       path);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP) {
        err_set(e, ERR_DENIED, "%s is a symbolic link: name the file itself", path);
    } else if (fd < 0) {
        err_sys(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "opening %s", path);
    } else if (check_parent(dir, path, e) < 0) {
        close(fd);
        fd = -1;
    }
    close(dir);
    return fd;
}

int path_read_private(const char *path, struct buf *out, struct err *e)
{
    int fd = open_private(path, e);
    if (fd < 0)
        return -1;
    int rc = check_private_file(fd, path, out->max - out->len, e);
    if (rc == 0 && path_read_fd(fd, out, e) < 0)
        rc = err_wrap(e, "%s", path);
    close(fd);
    return rc;
}

/* ---- writing ---- */

int write_all_fd(int fd, const void *p, size_t len)
{
    const char *at = p;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0) {
            if (errno != EINTR && (errno != EAGAIN || wait_for(fd, POLLOUT) < 0))
                return -1;
            continue;
        }
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_dir_of(const char *path)
{
    const char *name;
    int dir = open_parent(path, &name);
    if (dir < 0)
        return -1;
    /* O_PATH can't be synced: open it again for reading, where that is allowed. */
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? (errno == EACCES ? 0 : -1) : fsync(fd);
    if (rc < 0 && errno == EINVAL)
        rc = 0; /* some file systems have nothing to sync there */
    if (fd >= 0)
        close(fd);
    close(dir);
    return rc;
}

int path_write_file(const char *path, const void *p, size_t len, struct err *e)
{
    char *temp = xasprintf("%s.XXXXXX", path);
    int fd = mkostemp(temp, O_CLOEXEC), rc = 0;
    if (fd < 0) {
        rc = err_sys(e, ERR_IO, "making a file beside %s%s", path, confine_hint());
        free(temp);
        return rc;
    }
    if (write_all_fd(fd, p, len) < 0 || fsync(fd) < 0)
        rc = err_sys(e, ERR_IO, "writing %s", path);
    if (close(fd) < 0 && rc == 0)
        rc = err_sys(e, ERR_IO, "writing %s", path);
    if (rc == 0 && rename(temp, path) < 0)
        rc = err_sys(e, ERR_IO, "putting %s in place", path);
    if (rc < 0)
        unlink(temp);
    else if (sync_dir_of(path) < 0)
        rc = err_sys(e, ERR_IO, "syncing the directory of %s", path);
    free(temp);
    return rc;
}
