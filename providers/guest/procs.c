/* procs.c - what /proc tells: our own walls, our descendants, the memory they use. */
#include "guest.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define PROCS_MAX 8192
#define SWEEP_US  3000000

struct proc {
    pid_t pid, parent;
    int64_t born; /* clock ticks since boot */
    bool ours;    /* a descendant of the guest */
};

static struct proc procs[PROCS_MAX];

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * (int64_t)1000000 + t.tv_nsec / 1000;
}

static size_t read_file(const char *path, char *p, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, p, size - 1) : 0;
    if (fd >= 0)
        close(fd);
    if (n < 0)
        n = 0;
    p[n] = '\0';
    return (size_t)n;
}

static bool read_proc(pid_t pid, struct proc *out)
{
    char path[48], stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_file(path, stat, sizeof stat) == 0)
        return false;
    char *p = strrchr(stat, ')'); /* the name before it may hold anything */
    if (p == NULL || p[1] == '\0' || p[2] == 'Z' || p[2] == 'X')
        return false;
    p += 4; /* behind ") S " */
    out->pid = pid;
    out->parent = (pid_t)strtol(p, &p, 10);
    for (int field = 5; field < 22 && p != NULL; field++)
        p = strchr(p + 1, ' ');
    out->born = p != NULL ? strtoll(p, NULL, 10) : 0;
    out->ours = false;
    return true;
}

static size_t list_procs(void)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    size_t n = 0;
    while (d != NULL && n < PROCS_MAX && (e = readdir(d)) != NULL) {
        if (isdigit((unsigned char)e->d_name[0]) &&
            read_proc((pid_t)strtol(e->d_name, NULL, 10), &procs[n]))
            n++;
    }
    if (d != NULL)
        closedir(d);
    return n;
}

static bool is_listed(pid_t pid, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (procs[i].pid == pid)
            return true;
    }
    return false;
}

/* We adopt orphans (subreaper), so a descendant's chain of parents always leads here; unless one
 * died while we looked: then false, look again. */
static bool mark_ours(size_t n)
{
    pid_t me = getpid();
    bool sure = true;
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < n; i++) {
            bool ours = procs[i].parent == me;
            for (size_t k = 0; k < n && !ours && !procs[i].ours; k++)
                ours = procs[k].ours && procs[k].pid == procs[i].parent;
            if (ours && !procs[i].ours)
                procs[i].ours = again = true;
        }
    }
    for (size_t i = 0; i < n && sure; i++)
        sure = procs[i].ours || procs[i].parent == 0 || is_listed(procs[i].parent, n);
    return sure;
}

static bool is_kept(pid_t pid, int64_t since)
{
    if (since < 0)
        return false;
    for (int i = 0; i < LANG_COUNT; i++) {
        if (interps[i].pid == pid)
            return true;
    }
    return frozen_is_pid(pid);
}

/* Stop all of them first: what is stopped can't fork, so a storm ends. */
void procs_sweep(int64_t born_since_us)
{
    int64_t since = born_since_us < 0 ? -1 : born_since_us / (1000000 / sysconf(_SC_CLK_TCK)) - 1;
    int64_t until = now_us() + SWEEP_US;
    size_t last = 0;
    for (bool killing = false; now_us() < until;) {
        size_t n = list_procs(), hit = 0;
        bool sure = mark_ours(n);
        for (size_t i = 0; i < n; i++) {
            if (procs[i].ours && procs[i].born >= since && !is_kept(procs[i].pid, since)) {
                hit++;
                kill(procs[i].pid, killing ? SIGKILL : SIGSTOP);
            }
        }
        reap_zombies();
        if (hit == 0 && sure)
            return;
        if (killing)
            usleep(500);
        killing = killing || hit == last;
        last = hit;
    }
    guest_log("guest: %zu processes would not go", last);
}

/* ---- memory, where no cgroup counts it */

static int64_t field_kib(const char *text, const char *name)
{
    const char *p = strstr(text, name);
    return p != NULL ? strtoll(p + strlen(name), NULL, 10) : 0;
}

/* An empty file costs no block, but the kernel this much. */
#define INODE_BYTES 1024

static int64_t tmpfs_used(void)
{
    static const char *const mounts[] = { GUEST_WORKSPACE, "/tmp", "/dev/shm" };
    int64_t sum = 0;
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        struct statfs s;
        if (statfs(mounts[i], &s) == 0 && s.f_type == 0x01021994)
            sum += (int64_t)(s.f_blocks - s.f_bfree) * s.f_bsize +
                   (int64_t)(s.f_files - s.f_ffree) * INODE_BYTES;
    }
    return sum;
}

/* System V segments: kept by the kernel whether or not a process has them mapped. The 15th and 16th
 * column are what is resident and swapped. */
static int64_t segments_used(void)
{
    FILE *f = fopen("/proc/sysvipc/shm", "re");
    char line[512];
    int64_t sum = 0;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char *p = line;
        int64_t column[16] = { 0 };
        for (int i = 0; i < 16 && *p != '\0'; i++)
            column[i] = strtoll(p, &p, 10);
        sum += column[14] + column[15];
    }
    if (f != NULL)
        fclose(f);
    return sum;
}

/* How the whole machine changed since the first look. Others do some of it: good for deciding to
 * look closer, not for blame. */
struct machine {
    int64_t shared;    /* more in memory files, segments and tmpfs */
    int64_t available; /* less for everybody */
    bool is_short;
};

static struct machine look_at_machine(void)
{
    static char text[4096];
    static int64_t shared = -1, available;
    read_file("/proc/meminfo", text, sizeof text);
    int64_t now_shared = field_kib(text, "Shmem:") * 1024, total = field_kib(text, "MemTotal:");
    int64_t now_available = field_kib(text, "MemAvailable:") * 1024;
    if (shared < 0) {
        shared = now_shared;
        available = now_available;
    }
    return (struct machine){ .shared = now_shared - shared,
                             .available = available - now_available,
                             .is_short = now_available / 1024 < total / 16 };
}

/* Memory files by what holds them open, each once. */
static int64_t memfds_of(pid_t pid)
{
    static ino_t seen[4096];
    static size_t seen_count;
    char path[64], target[32];
    int64_t sum = 0;
    struct dirent *e;
    if (pid == 0)
        seen_count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = pid != 0 ? opendir(path) : NULL;
    while (d != NULL && (e = readdir(d)) != NULL) {
        struct stat st;
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target);
        if (n < 7 || memcmp(target, "/memfd:", 7) != 0 || fstatat(dirfd(d), e->d_name, &st, 0) != 0)
            continue;
        bool known = seen_count == sizeof seen / sizeof *seen;
        for (size_t i = 0; i < seen_count && !known; i++)
            known = seen[i] == st.st_ino;
        if (known)
            continue;
        seen[seen_count++] = st.st_ino;
        sum += (int64_t)st.st_blocks * 512;
    }
    if (d != NULL)
        closedir(d);
    return sum;
}

/* Memory that no process is resident with. */
static int64_t unmapped_memory(size_t n, int64_t limit)
{
    struct machine m = look_at_machine();
    int64_t sum = segments_used();
    memfds_of(0);
    for (size_t i = 0; i < n && m.shared > limit / 4; i++)
        if (procs[i].ours)
            sum += memfds_of(procs[i].pid);
    /* There are ways to hold pages that leave no trace (what waits in sockets): when the machine
     * itself is about to run out, the run that may have done it goes. */
    bool suspect = m.is_short && m.available > limit && run.state == RUN_ON;
    return suspect && sum <= limit ? limit + 1 : sum;
}

static int64_t sum_memory(const char *file, const char *field, int64_t limit)
{
    static char text[4096];
    int64_t sum = tmpfs_used();
    size_t n = list_procs();
    (void)mark_ours(n);
    sum += unmapped_memory(n, limit);
    for (size_t i = 0; i < n; i++) {
        char path[48];
        if (!procs[i].ours)
            continue;
        snprintf(path, sizeof path, "/proc/%d/%s", (int)procs[i].pid, file);
        read_file(path, text, sizeof text);
        sum += field_kib(text, field) * 1024;
    }
    return sum;
}

void procs_drop_segments(void)
{
    struct shmid_ds info;
    int last = shmctl(0, SHM_INFO, (struct shmid_ds *)&(struct shm_info){ 0 });
    for (int i = 0; i <= last; i++) {
        int id = shmctl(i, SHM_STAT, &info);
        if (id >= 0)
            (void)shmctl(id, IPC_RMID, NULL);
    }
}

/* Resident sizes count shared pages twice, and are cheap; shares are exact, and are not. */
int64_t procs_memory(int64_t limit)
{
    int64_t sum = sum_memory("status", "VmRSS:", limit);
    return sum <= limit ? sum : sum_memory("smaps_rollup", "\nPss:", limit);
}

/* ---- the walls */

static bool can_write_in(const char *dir)
{
    char path[64];
    snprintf(path, sizeof path, "%s/.airlock-probe", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    close(fd);
    unlink(path);
    return true;
}

static void add_status(struct bytes *m, const char *status)
{
    const char *cap = strstr(status, "\nCapEff:"), *nnp = strstr(status, "\nNoNewPrivs:");
    const char *sec = strstr(status, "\nSeccomp:");
    bytes_addf(m, ",\"cap_eff\":\"%016llx\"",
               cap != NULL ? strtoull(cap + 8, NULL, 16) : 0xffffffffffffffffULL);
    bytes_addf(m, ",\"no_new_privs\":%ld", nnp != NULL ? strtol(nnp + 12, NULL, 10) : -1);
    bytes_addf(m, ",\"seccomp\":%ld", sec != NULL ? strtol(sec + 9, NULL, 10) : -1);
}

void hello_send(void)
{
    static const char *const dirs[] = { "/", "/usr", "/etc", "/dev" };
    char text[4096];
    struct utsname u;
    struct bytes m = { 0 };
    bytes_addf(&m, "{\"t\":\"hello\",\"proto\":%d,\"pid\":%d,\"uid\":%d", GUEST_PROTO,
               (int)getpid(), (int)getuid());
    read_file("/proc/self/status", text, sizeof text);
    add_status(&m, text);
    int fd = open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC);
    bytes_addf(&m, ",\"core_pattern\":%s,\"writable\":[", fd >= 0 ? "true" : "false");
    if (fd >= 0)
        close(fd);
    for (size_t i = 0, told = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (can_write_in(dirs[i]))
            bytes_addf(&m, "%s\"%s\"", told++ > 0 ? "," : "", dirs[i]);
    }
    bytes_addf(&m, "],\"kernel\":");
    bytes_add_json(&m, u.release, uname(&u) == 0 ? strlen(u.release) : 0);
    size_t n = read_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
    bytes_addf(&m, ",\"boot_id\":");
    bytes_add_json(&m, text, n > 0 ? n - 1 : 0);
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
}
