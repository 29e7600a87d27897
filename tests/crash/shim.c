/* shim.c - loaded into Airlock by LD_PRELOAD, in tests only: counts the system calls that change
 * something outside the process and, at the N-th, ends the process, fails the call, or cuts it
 * short; fails the k-th allocation; and keeps a record of what was written and synced.
 * tests/crash/harness.py says what to do, by environment variables:
 *
 *   SHIM_PAGE      a file of one page, mapped by all: what was counted (struct page), for after a
 *                  kill, too
 *   SHIM_WHO       self (default) or launcher: whose calls count
 *   SHIM_OPS       which calls count: letters, see enum class
 *   SHIM_AT        the call to act at, from 1; 0: only count
 *   SHIM_DO        kill (before the call), half (after part of a write), fail, short
 *   SHIM_ERRNO     what a failing call fails with
 *   SHIM_FOR_EVER  1: and every counted call after it
 *   SHIM_MALLOC    the allocation to fail, from 1; some libraries' are left alone, see is_spared
 *   SHIM_LOG       a file to append the record to,
 *   SHIM_DIR       of the files below this folder
 *
 * Only Airlock itself and its launcher have the shim: everything else is started with an
 * environment made from nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum class {
    BYTES = 1,   /* w: write, pwrite, ftruncate, fallocate */
    SYNC = 2,    /* s: fsync, fdatasync */
    NAMES = 4,   /* n: open with O_CREAT, mkdir, rename, link, unlink, rmdir, chmod */
    SENDS = 8,   /* x: send, sendmsg, write to what is no file */
    MAKES = 16,  /* f: whatever makes a descriptor */
    LOCKS = 32,  /* l: flock, record locks */
    READS = 64,  /* r: read, pread of a file */
    WAITS = 128, /* i: what a signal can interrupt */
};

struct page {
    int32_t self, launcher;
    uint64_t calls, mallocs;
    uint64_t fired; /* how often it acted */
    char what[32];  /* the call it acted at first */
};

enum doing { DO_NOTHING, DO_KILL, DO_HALF, DO_FAIL, DO_SHORT };

static struct {
    struct page *page;
    unsigned ops;
    uint64_t at, malloc_at;
    enum doing doing;
    int error, log_fd;
    bool launcher, for_ever, ready;
    char dir[PATH_MAX];
} shim = { .log_fd = -1 };

#define FDS 1024
static char paths[FDS][PATH_MAX]; /* of open files below shim.dir */

/* ---- beginning */

static uint64_t number(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static unsigned classes(const char *letters)
{
    static const char known[] = "wsnxflri";
    unsigned set = 0;
    for (; letters != NULL && *letters != '\0'; letters++) {
        const char *at = strchr(known, *letters);
        if (at != NULL)
            set |= 1u << (at - known);
    }
    return set;
}

static enum doing doing(const char *word)
{
    return word == NULL                ? DO_NOTHING
           : strcmp(word, "kill") == 0 ? DO_KILL
           : strcmp(word, "half") == 0 ? DO_HALF
           : strcmp(word, "fail") == 0 ? DO_FAIL
                                       : DO_SHORT;
}

__attribute__((constructor)) static void begin(void)
{
    const char *page = getenv("SHIM_PAGE"), *log = getenv("SHIM_LOG"), *dir = getenv("SHIM_DIR");
    const char *who = getenv("SHIM_WHO");
    int fd = page != NULL ? (int)syscall(SYS_openat, AT_FDCWD, page, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *shim.page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at == MAP_FAILED)
        return;
    if (log != NULL)
        shim.log_fd = (int)syscall(SYS_openat, AT_FDCWD, log,
                                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    snprintf(shim.dir, sizeof shim.dir, "%s", dir != NULL ? dir : "/nowhere");
    shim.ops = classes(getenv("SHIM_OPS"));
    shim.at = number("SHIM_AT");
    shim.malloc_at = number("SHIM_MALLOC");
    shim.doing = doing(getenv("SHIM_DO"));
    shim.error = (int)number("SHIM_ERRNO");
    shim.for_ever = number("SHIM_FOR_EVER") != 0;
    shim.launcher = who != NULL && strcmp(who, "launcher") == 0;
    shim.page = at;
    shim.page->self = getpid();
    shim.ready = true;
}

/* Is this the process whose calls count? The launcher is the first child of Airlock. */
static bool is_it(void)
{
    if (!shim.ready)
        return false;
    pid_t me = getpid();
    if (me != shim.page->self && shim.page->launcher == 0 && getppid() == shim.page->self)
        shim.page->launcher = me;
    return me == (shim.launcher ? shim.page->launcher : shim.page->self);
}

static bool is_self(void)
{
    return shim.ready && getpid() == shim.page->self;
}

static void die(void)
{
    for (;;)
        syscall(SYS_kill, getpid(), SIGKILL);
}

/* What is to be done at this call. */
static enum doing count(unsigned class, const char *what)
{
    if ((shim.ops & class) == 0 || !is_it())
        return DO_NOTHING;
    uint64_t n = __atomic_add_fetch(&shim.page->calls, 1, __ATOMIC_SEQ_CST);
    if (shim.at == 0 || n < shim.at || (n > shim.at && !shim.for_ever))
        return DO_NOTHING;
    if (shim.page->fired++ == 0)
        snprintf(shim.page->what, sizeof shim.page->what, "%s", what);
    if (shim.doing == DO_KILL)
        die();
    errno = shim.error;
    return shim.doing;
}

/* ---- the record */

struct record {
    uint8_t op;
    uint8_t zero;
    uint16_t path_len;
    uint32_t len;
    uint64_t offset;
};

static void note(char op, const char *path, uint64_t offset, const void *p, size_t len)
{
    if (shim.log_fd < 0 || !is_self())
        return;
    struct record r = { .op = (uint8_t)op,
                        .path_len = (uint16_t)strlen(path),
                        .len = (uint32_t)len,
                        .offset = offset };
    struct iovec iov[3] = { { &r, sizeof r },
                            { (void *)(uintptr_t)path, r.path_len },
                            { (void *)(uintptr_t)p, len } };
    if (syscall(SYS_writev, shim.log_fd, iov, 3) < 0)
        die();
}

static bool is_below(const char *path)
{
    size_t len = strlen(shim.dir);
    return strncmp(path, shim.dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static const char *path_of(int fd)
{
    return fd >= 0 && fd < FDS && paths[fd][0] != '\0' ? paths[fd] : NULL;
}

static void join(char *to, size_t size, int dir_fd, const char *name)
{
    const char *dir = path_of(dir_fd);
    if (name[0] == '/' || dir == NULL)
        snprintf(to, size, "%s", name);
    else
        snprintf(to, size, "%s/%s", dir, name);
}

static void remember(int fd, const char *path)
{
    if (fd >= 0 && fd < FDS && shim.log_fd >= 0 && is_below(path))
        snprintf(paths[fd], sizeof paths[fd], "%s", path);
}

/* ---- bytes */

/* What the kernel takes for an order (control groups, /proc) is taken whole, so it is never cut:
 * the half of a number would be another one. */
static bool is_order(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 &&
           (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC ||
            fs.f_type == PROC_SUPER_MAGIC);
}

/* A file of a disk. */
static bool is_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !is_order(fd);
}

static void note_bytes(int fd, uint64_t offset, const void *p, ssize_t n)
{
    if (shim.log_fd < 0 || n <= 0)
        return;
    const char *path = path_of(fd);
    if (path != NULL)
        note('W', path, offset, p, (size_t)n);
    else if (fd == STDOUT_FILENO)
        note('A', "", 0, p, (size_t)n);
}

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
    bool file = shim.ready && is_file(fd);
    /* What goes wrong must be told somewhere: stderr always works. */
    enum doing d =
        fd == STDERR_FILENO ? DO_NOTHING : count((file ? BYTES : SENDS) | WAITS, "write");
    if (d == DO_FAIL)
        return -1;
    if (d != DO_NOTHING && n > 1 && !is_order(fd))
        n /= 2;
    bool noted = file && shim.log_fd >= 0 && is_self(); /* a jailed child may not even ask */
    off_t at = noted ? lseek(fd, 0, SEEK_CUR) : 0;
    struct stat st = { .st_size = 0 };
    if (noted && (fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &st) == 0)
        at = st.st_size;
    ssize_t done = syscall(SYS_write, fd, p, n);
    if (d == DO_HALF)
        die();
    note_bytes(fd, (uint64_t)at, p, done);
    return done;
}

EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
    enum doing d = count(BYTES, "pwrite");
    if (d == DO_FAIL)
        return -1;
    if (d != DO_NOTHING && n > 1)
        n /= 2;
    ssize_t done = syscall(SYS_pwrite64, fd, p, n, offset);
    if (d == DO_HALF)
        die();
    note_bytes(fd, (uint64_t)offset, p, done);
    return done;
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t offset)
{
    return pwrite64(fd, p, n, offset);
}

static int cut(int fd, off64_t size)
{
    enum doing d = count(BYTES, "ftruncate");
    if (d == DO_FAIL)
        return -1;
    int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (d == DO_HALF)
        die();
    const char *path = path_of(fd);
    if (rc == 0 && path != NULL)
        note('T', path, (uint64_t)size, NULL, 0);
    return rc;
}

EXPORT int ftruncate(int fd, off_t size)
{
    return cut(fd, size);
}

EXPORT int ftruncate64(int fd, off64_t size)
{
    return cut(fd, size);
}

EXPORT int posix_fallocate(int fd, off_t offset, off_t len)
{
    struct stat st;
    enum doing d = count(BYTES, "fallocate");
    if (d == DO_FAIL)
        return shim.error;
    int rc = syscall(SYS_fallocate, fd, 0, offset, len) < 0 ? errno : 0;
    if (d == DO_HALF)
        die();
    const char *path = path_of(fd);
    if (rc == 0 && path != NULL && fstat(fd, &st) == 0)
        note('T', path, (uint64_t)st.st_size, NULL, 0);
    return rc;
}

static int sync_with(long call, int fd, const char *name)
{
    enum doing d = count(SYNC, name);
    if (d == DO_FAIL)
        return -1;
    int rc = (int)syscall(call, fd);
    if (d == DO_HALF)
        die();
    const char *path = path_of(fd);
    if (rc == 0 && path != NULL)
        note('S', path, 0, NULL, 0);
    return rc;
}

EXPORT int fsync(int fd)
{
    return sync_with(SYS_fsync, fd, "fsync");
}

EXPORT int fdatasync(int fd)
{
    return sync_with(SYS_fdatasync, fd, "fdatasync");
}

/* ---- names */

static void note_names(char op, const char *from, const char *to)
{
    if (is_below(from) || (to != NULL && is_below(to)))
        note(op, from, 0, to, to != NULL ? strlen(to) : 0);
}

static int open_any(int dir, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    bool makes = (flags & O_CREAT) != 0 && (flags & O_TMPFILE) != O_TMPFILE;
    enum doing d = count((makes ? NAMES : 0) | MAKES | WAITS, "open");
    if (d == DO_FAIL)
        return -1;
    join(path, sizeof path, dir, name);
    bool was = shim.log_fd < 0 || !is_self() || syscall(SYS_access, path, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, dir, name, flags, mode);
    if (d == DO_HALF)
        die();
    if (fd >= 0 && shim.log_fd >= 0) {
        remember(fd, path);
        if (!was && is_below(path))
            note('C', path, 0, NULL, 0);
        else if ((flags & O_TRUNC) != 0 && is_below(path))
            note('T', path, 0, NULL, 0);
    }
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(ap, int) : 0;
}

#define OPEN(name)                                                                                 \
    EXPORT int name(const char *path, int flags, ...)                                              \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode_t mode = mode_of(flags, ap);                                                          \
        va_end(ap);                                                                                \
        return open_any(AT_FDCWD, path, flags, mode);                                              \
    }
#define OPENAT(name)                                                                               \
    EXPORT int name(int dir, const char *path, int flags, ...)                                     \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode_t mode = mode_of(flags, ap);                                                          \
        va_end(ap);                                                                                \
        return open_any(dir, path, flags, mode);                                                   \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

EXPORT int mkostemp(char *template, int flags)
{
    static int (*real)(char *, int);
    enum doing d = count(NAMES | MAKES, "mkostemp");
    if (d == DO_FAIL)
        return -1;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "mkostemp");
    int fd = real(template, flags);
    if (d == DO_HALF)
        die();
    if (fd >= 0 && shim.log_fd >= 0) {
        remember(fd, template);
        if (is_below(template))
            note('C', template, 0, NULL, 0);
    }
    return fd;
}

#define NAME_CALL(class, name, params, call, op, from, to)                                         \
    EXPORT int name params                                                                         \
    {                                                                                              \
        enum doing d = count(class, #name);                                                        \
        if (d == DO_FAIL)                                                                          \
            return -1;                                                                             \
        int rc = (int)(call);                                                                      \
        if (d == DO_HALF)                                                                          \
            die();                                                                                 \
        if (rc == 0)                                                                               \
            note_names(op, from, to);                                                              \
        return rc;                                                                                 \
    }
NAME_CALL(NAMES, rename, (const char *a, const char *b), syscall(SYS_rename, a, b), 'R', a, b)
NAME_CALL(NAMES, link, (const char *a, const char *b), syscall(SYS_link, a, b), 'L', a, b)
NAME_CALL(NAMES, unlink, (const char *a), syscall(SYS_unlink, a), 'U', a, NULL)
NAME_CALL(NAMES, mkdir, (const char *a, mode_t m), syscall(SYS_mkdir, a, m), 'M', a, NULL)
NAME_CALL(NAMES, rmdir, (const char *a), syscall(SYS_rmdir, a), 'U', a, NULL)
NAME_CALL(NAMES, chmod, (const char *a, mode_t m), syscall(SYS_chmod, a, m), 'N', a, NULL)

EXPORT int renameat2(int ad, const char *a, int bd, const char *b, unsigned flags)
{
    char from[PATH_MAX], to[PATH_MAX];
    enum doing d = count(NAMES, "renameat2");
    if (d == DO_FAIL)
        return -1;
    join(from, sizeof from, ad, a);
    join(to, sizeof to, bd, b);
    int rc = (int)syscall(SYS_renameat2, ad, a, bd, b, flags);
    if (d == DO_HALF)
        die();
    if (rc == 0)
        note_names('R', from, to);
    return rc;
}

EXPORT int unlinkat(int dir, const char *name, int flags)
{
    char path[PATH_MAX];
    enum doing d = count(NAMES, "unlinkat");
    if (d == DO_FAIL)
        return -1;
    join(path, sizeof path, dir, name);
    int rc = (int)syscall(SYS_unlinkat, dir, name, flags);
    if (d == DO_HALF)
        die();
    if (rc == 0)
        note_names('U', path, NULL);
    return rc;
}

EXPORT int close(int fd)
{
    if (fd >= 0 && fd < FDS && shim.log_fd >= 0 && is_self())
        paths[fd][0] = '\0';
    return fd == shim.log_fd && fd >= 0 ? 0 : (int)syscall(SYS_close, fd);
}

/* ---- everything else that leaves the process, or can fail */

EXPORT ssize_t send(int fd, const void *p, size_t n, int flags)
{
    enum doing d = count(SENDS | WAITS, "send");
    if (d == DO_FAIL)
        return -1;
    if (d != DO_NOTHING && n > 1)
        n /= 2;
    ssize_t done = syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
    if (d == DO_HALF)
        die();
    if (done > 0)
        note('X', "", 0, p, (size_t)done < 4096 ? (size_t)done : 4096);
    return done;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (count(SENDS | WAITS, "sendmsg") == DO_FAIL)
        return -1;
    return syscall(SYS_sendmsg, fd, msg, flags);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    if (count(WAITS, "recvmsg") == DO_FAIL)
        return -1;
    return syscall(SYS_recvmsg, fd, msg, flags);
}

EXPORT ssize_t read(int fd, void *p, size_t n)
{
    enum doing d = count((shim.ready && is_file(fd) ? READS : 0) | WAITS, "read");
    if (d == DO_FAIL)
        return -1;
    return syscall(SYS_read, fd, p, d == DO_SHORT && n > 1 ? n / 2 : n);
}

EXPORT ssize_t pread64(int fd, void *p, size_t n, off64_t offset)
{
    enum doing d = count(READS, "pread");
    if (d == DO_FAIL)
        return -1;
    return syscall(SYS_pread64, fd, p, d == DO_SHORT && n > 1 ? n / 2 : n, offset);
}

EXPORT ssize_t pread(int fd, void *p, size_t n, off_t offset)
{
    return pread64(fd, p, n, offset);
}

EXPORT int epoll_wait(int ep, struct epoll_event *ev, int max, int timeout)
{
    if (count(WAITS, "epoll_wait") == DO_FAIL)
        return -1;
    return (int)syscall(SYS_epoll_wait, ep, ev, max, timeout);
}

EXPORT int flock(int fd, int op)
{
    if (count(LOCKS | WAITS, "flock") == DO_FAIL)
        return -1;
    return (int)syscall(SYS_flock, fd, op);
}

static int control(int fd, int cmd, void *arg)
{
    if ((cmd == F_SETLK || cmd == F_SETLKW || cmd == F_OFD_SETLK) &&
        ((struct flock *)arg)->l_type != F_UNLCK && count(LOCKS, "fcntl") == DO_FAIL)
        return -1;
    return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

#define FCNTL(name)                                                                                \
    EXPORT int name(int fd, int cmd, ...)                                                          \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, cmd);                                                                         \
        void *arg = va_arg(ap, void *);                                                            \
        va_end(ap);                                                                                \
        return control(fd, cmd, arg);                                                              \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

#define MAKER(name, params, call)                                                                  \
    EXPORT int name params                                                                         \
    {                                                                                              \
        if (count(MAKES, #name) == DO_FAIL)                                                        \
            return -1;                                                                             \
        return (int)(call);                                                                        \
    }
MAKER(epoll_create1, (int f), syscall(SYS_epoll_create1, f))
MAKER(pipe2, (int fds[2], int f), syscall(SYS_pipe2, fds, f))
MAKER(socketpair, (int a, int b, int c, int fds[2]), syscall(SYS_socketpair, a, b, c, fds))
MAKER(timerfd_create, (int c, int f), syscall(SYS_timerfd_create, c, f))
MAKER(memfd_create, (const char *name, unsigned f), syscall(SYS_memfd_create, name, f))
MAKER(signalfd, (int fd, const sigset_t *set, int f), syscall(SYS_signalfd4, fd, set, 8, f))

/* ---- memory */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

/* Libraries that a failed allocation of their own kills or hangs, however they are called. */
static bool is_spared(const void *caller)
{
    static const char *const names[] = { "libseccomp", "libcrypto", "libtinfo" };
    Dl_info info;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (dladdr(caller, &info) != 0 && strstr(info.dli_fname, names[i]) != NULL)
            return true;
    }
    return false;
}

static bool starves(const void *caller)
{
    if (shim.malloc_at == 0 || !is_self())
        return false;
    uint64_t n = ++shim.page->mallocs;
    if (n < shim.malloc_at || (shim.page->fired != 0 && !shim.for_ever) || is_spared(caller))
        return false;
    if (shim.page->fired++ == 0)
        snprintf(shim.page->what, sizeof shim.page->what, "malloc");
    errno = ENOMEM;
    return true;
}

EXPORT void *malloc(size_t n)
{
    return starves(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

EXPORT void *calloc(size_t n, size_t size)
{
    return starves(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *p, size_t n)
{
    return n != 0 && starves(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}
