/* counts.c - linked into every program of the coverage build: what it goes through is counted in a
 * file that all its processes map (`PROGRAM.counts` beside it), not in memory that is written when
 * a program leaves by exit(). So what a process did counts also when SIGKILL or _exit() ends it,
 * when a seccomp filter forbids it every file, and when another user or an empty root keeps it from
 * them. counts.ld puts the counters side by side; they are added to atomically
 * (-fprofile-update=atomic), and fork and exec are left alone (-fno-builtin-fork and the like):
 * gcc's own begin at zero again.
 *
 * Without that file the program counts as gcc has it. tests/run.sh makes it, empty, and at the end
 * calls each program with COUNTS_INTO_GCDA=1, which gives what was counted to gcov.
 */
#include <fcntl.h>
#include <gcov.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not const: the linker's names of two places. */
extern char counts_begin[], counts_end[];
static bool shared;

void __real___gcov_exit(void);
void __wrap___gcov_exit(void);

/* What gcc calls when a program leaves: write it all. */
void __wrap___gcov_exit(void)
{
    if (!shared)
        __real___gcov_exit();
}

/* System calls themselves: the shim of tests/crash counts what goes through the library. */
static int open_counts(void)
{
    char path[PATH_MAX + 8];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    if (n <= 0)
        return -1;
    memcpy(path + n, ".counts", sizeof ".counts");
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
}

static _Noreturn void give_to_gcov(int fd)
{
    size_t size = (size_t)(counts_end - counts_begin);
    if (syscall(SYS_pread64, fd, counts_begin, size, 0) == (long)size)
        __gcov_dump();
    _exit(0);
}

__attribute__((constructor)) static void begin(void)
{
    size_t size = (size_t)(counts_end - counts_begin);
    int fd = open_counts();
    if (fd < 0)
        return;
    if (getenv("COUNTS_INTO_GCDA") != NULL)
        give_to_gcov(fd);
    shared = syscall(SYS_ftruncate, fd, (off_t)size) == 0 &&
             mmap(counts_begin, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
                 MAP_FAILED;
    syscall(SYS_close, fd);
}
