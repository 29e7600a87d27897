/* failing_calls.h - a system that fails: the calls by which sessions/ opens, reads, writes and
 * names files are replaced in the test program that includes this; the call with a number fails
 * once. */
#ifndef AIRLOCK_TESTS_FAILING_CALLS_H
#define AIRLOCK_TESTS_FAILING_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    long fail_at, calls; /* 1-based; 0 never */
    int error;
    const char *what; /* the call that failed */
} calls;

static bool call_fails(const char *what)
{
    if (calls.fail_at == 0 || ++calls.calls != calls.fail_at)
        return false;
    calls.what = what;
    errno = calls.error;
    return true;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
                      ? (mode_t)va_arg(ap, unsigned)
                      : 0;
    va_end(ap);
    return call_fails("open") ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* `template` is made unique by a counter, which is enough here. */
int mkostemp(char *template, int flags)
{
    static unsigned number;
    char digits[8];
    snprintf(digits, sizeof digits, "%06u", ++number % 1000000);
    memcpy(template + strlen(template) - 6, digits, 6);
    return call_fails("mkostemp") ? -1
                                  : (int)syscall(SYS_openat, AT_FDCWD, template,
                                                 O_RDWR | O_CREAT | O_EXCL | flags, 0600);
}

#define REPLACED(ret, name, params, call)                                                          \
    ret name params                                                                                \
    {                                                                                              \
        return call_fails(#name) ? (ret)-1 : (ret)(call);                                          \
    }
REPLACED(int, fstat, (int fd, struct stat *st), syscall(SYS_fstat, fd, st))
REPLACED(int, stat, (const char *path, struct stat *st), syscall(SYS_stat, path, st))
REPLACED(int, lstat, (const char *path, struct stat *st), syscall(SYS_lstat, path, st))
REPLACED(off_t, lseek, (int fd, off_t at, int from), syscall(SYS_lseek, fd, at, from))
REPLACED(ssize_t, read, (int fd, void *p, size_t n), syscall(SYS_read, fd, p, n))
REPLACED(ssize_t, write, (int fd, const void *p, size_t n), syscall(SYS_write, fd, p, n))
REPLACED(ssize_t, pread, (int fd, void *p, size_t n, off_t at), syscall(SYS_pread64, fd, p, n, at))
REPLACED(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at),
         syscall(SYS_pwrite64, fd, p, n, at))
REPLACED(int, ftruncate, (int fd, off_t size), syscall(SYS_ftruncate, fd, size))
REPLACED(int, fsync, (int fd), syscall(SYS_fsync, fd))
REPLACED(int, rename, (const char *a, const char *b), syscall(SYS_rename, a, b))
REPLACED(int, unlink, (const char *path), syscall(SYS_unlink, path))
REPLACED(int, access, (const char *path, int how), syscall(SYS_access, path, how))
REPLACED(int, flock, (int fd, int what), syscall(SYS_flock, fd, what))

int posix_fallocate(int fd, off_t at, off_t len)
{
    if (call_fails("posix_fallocate"))
        return calls.error;
    return syscall(SYS_fallocate, fd, 0, at, len) < 0 ? errno : 0;
}

#endif
