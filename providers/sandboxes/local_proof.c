/* local_proof.c - reads /proc for evidence about the processes of a sandbox. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "providers/sandboxes/local_proof.h"

int proof_pidfd_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int proof_pidfd_kill(int pidfd)
{
    int rc = (int)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    return rc < 0 && errno == ESRCH ? 0 : rc;
}

int proof_hold_pidns(pid_t pid, uint64_t *inode)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%ld/ns/pid", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0) {
        close(fd);
        return -1;
    }
    *inode = st.st_ino;
    return fd;
}

/* The next numeric name of an open /proc; 0 at the end. */
static pid_t next_pid(DIR *proc)
{
    const struct dirent *entry;
    while ((entry = readdir(proc)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' && pid > 0)
            return (pid_t)pid;
    }
    return 0;
}

int proof_count_pidns(uint64_t inode)
{
    DIR *proc = opendir("/proc");
    int count = 0;
    if (proc == NULL)
        return -1;
    for (pid_t pid; (pid = next_pid(proc)) != 0;) {
        char path[64];
        struct stat st;
        snprintf(path, sizeof path, "%ld/ns/pid", (long)pid);
        if (fstatat(dirfd(proc), path, &st, 0) == 0 && st.st_ino == inode)
            count++;
    }
    closedir(proc);
    return count;
}

pid_t proof_parent(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    /* "pid (any name at all) S ppid": the last parenthesis ends the name. */
    const char *name_end = strrchr(text, ')');
    if (name_end == NULL || strlen(name_end) < 4)
        return -1;
    return (pid_t)strtol(name_end + 4, NULL, 10);
}

void proof_kill_children(pid_t parent)
{
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return;
    for (pid_t pid; (pid = next_pid(proc)) != 0;) {
        if (proof_parent(pid) != parent)
            continue;
        int fd = proof_pidfd_open(pid);
        if (fd < 0)
            continue;
        if (proof_parent(pid) == parent) /* still the one we looked at */
            (void)proof_pidfd_kill(fd);
        close(fd);
    }
    closedir(proc);
}
