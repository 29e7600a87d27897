/* local_proof.c - reads /proc for evidence about the processes of a sandbox. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/errand.h"
#include "base/log.h"
#include "providers/sandboxes/local_proof.h"

#define SWEEPS   10
#define SWEEP_MS 5

int proof_pidfd_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int proof_pidfd_kill(int pidfd)
{
    int rc = (int)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    return rc < 0 && errno == ESRCH ? 0 : rc;
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

/* ---- in the launcher's child ---- */

static int open_pidns(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/ns/pid", (long)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* argv: "pid namespace", PID */
static int hold_inside(int argc, char **argv)
{
    struct errand_reply r = { 0 };
    struct stat st;
    int fd = argc == 2 ? open_pidns((pid_t)strtol(argv[1], NULL, 10)) : -1;
    if (fd < 0 || fstat(fd, &st) < 0)
        err_sys(&r.err, ERR_IO, "process %s", argc == 2 ? argv[1] : "?");
    else
        r.number = (int64_t)st.st_ino;
    errand_reply(&r, fd);
    return 0;
}

static int count_pidns(uint64_t inode)
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

/* argv: "processes", INODE */
static int count_inside(int argc, char **argv)
{
    struct errand_reply r = { 0 };
    r.number = argc == 2 ? count_pidns(strtoull(argv[1], NULL, 10)) : -1;
    errand_reply(&r, -1);
    return 0;
}

/* ---- asked here ---- */

int proof_hold_pidns(struct launcher *l, pid_t pid, int *fd, uint64_t *inode, struct err *e)
{
    char number[24];
    int64_t found = 0;
    snprintf(number, sizeof number, "%ld", (long)pid);
    const char *const argv[] = { "pid namespace", number, NULL };
    if (errand_run(l, hold_inside, argv, -1, &found, fd, e) < 0)
        return -1;
    if (*fd < 0)
        return err_set(e, ERR_IO, "process %s: no descriptor came", number);
    *inode = (uint64_t)found;
    return 0;
}

int proof_count_pidns(struct launcher *l, uint64_t inode)
{
    char number[24];
    int64_t count = -1;
    struct err e = ERR_INIT;
    snprintf(number, sizeof number, "%llu", (unsigned long long)inode);
    const char *const argv[] = { "processes", number, NULL };
    if (errand_run(l, count_inside, argv, -1, &count, NULL, &e) < 0) {
        log_msg(LOG_WARN, "local", "%s", e.msg);
        return -1;
    }
    return (int)count;
}

/* ---- by /proc/PID/stat, which everybody may read ---- */

struct standing {
    char state;
    long parent, session;
};

static bool read_standing(pid_t pid, struct standing *out)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    /* "pid (any name at all) S ppid pgrp session": the last parenthesis ends the name. */
    char *at = strrchr(text, ')');
    if (at == NULL || strlen(at) < 4)
        return false;
    long after[3];
    out->state = at[2];
    at += 3;
    for (size_t i = 0; i < ARRAY_LEN(after); i++) {
        char *end;
        after[i] = strtol(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    out->parent = after[0];
    out->session = after[2];
    return true;
}

pid_t proof_parent(pid_t pid)
{
    struct standing s;
    return read_standing(pid, &s) ? (pid_t)s.parent : -1;
}

static bool is_alive(pid_t pid)
{
    struct standing s;
    return read_standing(pid, &s) && s.state != 'Z' && s.state != 'X';
}

static bool is_child(pid_t pid, pid_t parent)
{
    return proof_parent(pid) == parent;
}

static bool is_left_of(pid_t pid, pid_t leader)
{
    struct standing s;
    return pid != leader && read_standing(pid, &s) && s.session == leader && s.state != 'Z';
}

/* Each through a pidfd, opened before it was looked at once more: still the one we mean. */
static int kill_each(bool (*is_meant)(pid_t pid, pid_t of), pid_t of)
{
    DIR *proc = opendir("/proc");
    int count = 0;
    for (pid_t pid; proc != NULL && (pid = next_pid(proc)) != 0;) {
        int fd = is_meant(pid, of) ? proof_pidfd_open(pid) : -1;
        if (fd < 0)
            continue;
        if (is_meant(pid, of)) {
            (void)proof_pidfd_kill(fd);
            count++;
        }
        close(fd);
    }
    if (proc != NULL)
        closedir(proc);
    return count;
}

void proof_kill_children(pid_t parent)
{
    (void)kill_each(is_child, parent);
}

int proof_kill_session(pid_t leader)
{
    return is_alive(leader) ? 0 : kill_each(is_left_of, leader);
}

/* ---- what a killed Airlock left asleep ---- */

static const char *swept_guest;

/* bubblewrap's child before it became the guest: our words, and a session without a leader. */
static bool is_asleep(pid_t pid, pid_t unused)
{
    char path[64], text[512], words[256];
    struct standing s;
    (void)unused;
    int len = snprintf(words, sizeof words, "--args%c3%c--%c%s", '\0', '\0', '\0', swept_guest) + 1;
    INVARIANT(len <= (int)sizeof words);
    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;
    if (fd >= 0)
        close(fd);
    const char *at = n > 0 ? memmem(text, (size_t)n, words, (size_t)len) : NULL;
    return at != NULL && read_standing(pid, &s) && s.session > 0 && s.session != pid &&
           !is_alive((pid_t)s.session);
}

static int sweep_inside(int argc, char **argv)
{
    if (argc != 2)
        return 1;
    (void)!nice(10);
    swept_guest = argv[1];
    (void)kill_each(is_asleep, 0);
    return 0;
}

void proof_sweep_here(const char *guest)
{
    swept_guest = guest;
    for (int i = 0; i < SWEEPS; i++) {
        (void)kill_each(is_asleep, 0);
        (void)poll(NULL, 0, SWEEP_MS);
    }
}

void proof_sweep(struct launcher *l, const char *guest)
{
    const char *const argv[] = { "sweep", guest, NULL };
    struct errand *er;
    struct err e = ERR_INIT;
    if (errand_begin(&er, l, sweep_inside, argv, -1, &e) < 0)
        log_msg(LOG_WARN, "local", "%s", e.msg);
    else
        errand_end(er);
}
