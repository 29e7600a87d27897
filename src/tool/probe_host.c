/* probe_host.c - what this machine's /proc says of processes that should not be seen, or not be
 * there. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool/probe_int.h"

#define STATUS_MAX 8192

static ssize_t read_proc(int64_t pid, const char *what, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%lld/%s", (long long)pid, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n;
}

/* The words behind "\nKEY:\t", lent; "" when there is none. */
static const char *status_field(const char *status, const char *key)
{
    const char *at = strstr(status, key);
    return at != NULL && at > status && at[-1] == '\n' ? at + strlen(key) + 1 : "";
}

static bool has_two_words(const char *s)
{
    s += strspn(s, " \t");
    s += strcspn(s, " \t\n");
    return isdigit((unsigned char)s[strspn(s, " \t")]) != 0;
}

static bool same_namespace(int64_t pid, const char *which, bool *known)
{
    char path[64];
    struct stat ours, theirs;
    snprintf(path, sizeof path, "/proc/self/ns/%s", which);
    bool ok = stat(path, &ours) == 0;
    snprintf(path, sizeof path, "/proc/%lld/ns/%s", (long long)pid, which);
    *known = ok && stat(path, &theirs) == 0;
    return *known && ours.st_ino == theirs.st_ino;
}

static bool describe(int64_t pid, struct probe_process *out)
{
    char status[STATUS_MAX];
    if (read_proc(pid, "status", status, sizeof status) <= 0 ||
        strncmp(status_field(status, "State"), "\tZ", 2) == 0) /* ended, and not reaped yet */
        return false;
    *out = (struct probe_process){ .pid = pid };
    out->nested_pids = has_two_words(status_field(status, "NSpid"));
    out->no_new_privs = strtol(status_field(status, "NoNewPrivs"), NULL, 10) == 1;
    out->has_caps = strtoull(status_field(status, "CapEff"), NULL, 16) != 0;
    out->seccomp = strtol(status_field(status, "Seccomp"), NULL, 10) == 2;
    out->uid = (uint32_t)strtoul(status_field(status, "Uid"), NULL, 10);
    out->other_user = !same_namespace(pid, "user", &out->net_known) && out->net_known;
    out->other_net = !same_namespace(pid, "net", &out->net_known) && out->net_known;
    return true;
}

/* The arguments are asked for, not the name: a name is cut at 15 bytes. */
static bool has_nonce(int64_t pid, const char *nonce)
{
    char args[STATUS_MAX];
    ssize_t n = read_proc(pid, "cmdline", args, sizeof args);
    return n > 0 && memmem(args, (size_t)n, nonce, strlen(nonce)) != NULL;
}

size_t probe_find_processes(const char *nonce, struct probe_process *out, size_t max)
{
    size_t found = 0;
    DIR *d = opendir("/proc");
    struct dirent *de;
    while (d != NULL && (de = readdir(d)) != NULL) {
        int64_t pid = strtoll(de->d_name, NULL, 10);
        if (pid <= 0 || pid == getpid() || !has_nonce(pid, nonce))
            continue;
        if (found < max && !describe(pid, &out[found]))
            continue; /* it has ended since */
        found++;
    }
    if (d != NULL)
        closedir(d);
    return found;
}

/* Fields 4 and 22 of stat(5), behind the name, which may hold anything. */
static bool parent_and_start(int64_t pid, int64_t *parent, uint64_t *start)
{
    char stat[1024];
    if (read_proc(pid, "stat", stat, sizeof stat) <= 0)
        return false;
    char *at = strrchr(stat, ')');
    if (at == NULL || strlen(at) < 4)
        return false;
    *parent = strtoll(at + 4, NULL, 10);
    at += 2;
    for (int field = 3; field < 22 && at != NULL; field++) {
        at = strchr(at, ' ');
        at = at != NULL ? at + 1 : NULL;
    }
    *start = at != NULL ? strtoull(at, NULL, 10) : 0;
    return at != NULL;
}

uint64_t probe_ticks_now(void)
{
    int64_t parent;
    uint64_t start = 0, newest = 0;
    DIR *d = opendir("/proc");
    struct dirent *de;
    while (d != NULL && (de = readdir(d)) != NULL) {
        int64_t pid = strtoll(de->d_name, NULL, 10);
        if (pid > 0 && parent_and_start(pid, &parent, &start) && start > newest)
            newest = start;
    }
    if (d != NULL)
        closedir(d);
    return newest;
}

static bool descends_from_us(int64_t pid)
{
    uint64_t start;
    for (int depth = 0; depth < 64 && pid > 1; depth++) {
        if (pid == getpid())
            return true;
        if (!parent_and_start(pid, &pid, &start))
            return false;
    }
    return false;
}

size_t probe_count_strays(uint64_t since_ticks)
{
    size_t found = 0;
    DIR *d = opendir("/proc");
    struct dirent *de;
    while (d != NULL && (de = readdir(d)) != NULL) {
        struct probe_process who;
        int64_t pid = strtoll(de->d_name, NULL, 10), parent;
        uint64_t start;
        if (pid <= 0 || !parent_and_start(pid, &parent, &start) || start < since_ticks ||
            !describe(pid, &who) || !who.nested_pids)
            continue;
        if (descends_from_us(pid)) /* the launcher below us inherits every orphan */
            found++;
    }
    if (d != NULL)
        closedir(d);
    return found;
}
