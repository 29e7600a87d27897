/* hostile_host.h - the host as the payloads of tests/hostile must leave it: canaries, listeners, a
 * process, and an inventory that is compared before and after. */
#ifndef AIRLOCK_TESTS_CONTRACT_HOSTILE_HOST_H
#define AIRLOCK_TESTS_CONTRACT_HOSTILE_HOST_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/path.h"
#include "base/sha256.h"
#include "contract/box.h"

struct host {
    char dir[96], nonce[40], secret[40];
    int tcp, tcp6, udp, abstract, unix_fd;
    int tcp_port, udp_port;
    pid_t victim;
};

static inline void host_random(char *out, const char *prefix)
{
    unsigned char raw[8];
    assert_int_equal(getrandom(raw, sizeof raw, 0), (ssize_t)sizeof raw);
    int n = snprintf(out, 40, "%s", prefix);
    for (size_t i = 0; i < sizeof raw; i++)
        n += snprintf(out + n, 40 - (size_t)n, "%02x", raw[i]);
}

static inline void host_put(const struct host *h, const char *name, unsigned mode)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", h->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, h->secret, strlen(h->secret)), (ssize_t)strlen(h->secret));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static inline int host_listen(int family, int type, const struct sockaddr *at, socklen_t len)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, at, len) < 0 || (type == SOCK_STREAM && listen(fd, 8) < 0))) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline int host_port(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

static inline void host_open_sockets(struct host *h)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_un un = { .sun_family = AF_UNIX }, abstract = { .sun_family = AF_UNIX };
    size_t len = strlen(h->nonce);
    h->tcp = host_listen(AF_INET, SOCK_STREAM, (struct sockaddr *)&v4, sizeof v4);
    h->udp = host_listen(AF_INET, SOCK_DGRAM, (struct sockaddr *)&v4, sizeof v4);
    assert_true(h->tcp >= 0 && h->udp >= 0);
    h->tcp_port = host_port(h->tcp);
    h->udp_port = host_port(h->udp);
    v6.sin6_port = htons((uint16_t)h->tcp_port);
    h->tcp6 = host_listen(AF_INET6, SOCK_STREAM, (struct sockaddr *)&v6, sizeof v6); /* may be -1 */
    snprintf(un.sun_path, sizeof un.sun_path, "%s/socket", h->dir);
    h->unix_fd = host_listen(AF_UNIX, SOCK_STREAM, (struct sockaddr *)&un, sizeof un);
    assert_int_equal(chmod(un.sun_path, 0777), 0);
    memcpy(abstract.sun_path + 1, h->nonce, len);
    h->abstract = host_listen(AF_UNIX, SOCK_STREAM, (struct sockaddr *)&abstract,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len));
    assert_true(h->unix_fd >= 0 && h->abstract >= 0);
}

static inline void host_open(struct host *h)
{
    char path[200];
    host_random(h->nonce, "hostile-");
    host_random(h->secret, "canary-");
    snprintf(h->dir, sizeof h->dir, "%s/%s.d", box_home, h->nonce + 8); /* without the nonce */
    assert_int_equal(mkdir(h->dir, 0700), 0);
    host_put(h, "public", 0644);
    host_put(h, "secret", 0600);
    host_put(h, "writable", 0666);
    snprintf(path, sizeof path, "%s/fifo", h->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    host_open_sockets(h);
    assert_int_equal(chmod(h->dir, 0777), 0);
    h->victim = fork();
    if (h->victim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
}

static inline void host_close(struct host *h)
{
    static const char *const names[] = { "public", "secret", "writable", "fifo", "socket" };
    int fds[] = { h->tcp, h->tcp6, h->udp, h->abstract, h->unix_fd };
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", h->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(h->dir);
    kill(h->victim, SIGKILL);
    waitpid(h->victim, NULL, 0);
}

/* ---- the inventory: a text with a line for each fact ---- */

static inline void host_add_file(struct buf *out, const char *path)
{
    struct buf text = BUF_INIT(1u << 20);
    if (path_read_file(path, &text, NULL) < 0)
        (void)buf_addf(out, "%s: not to be read\n", path);
    else
        (void)buf_addf(out, "%s: %s\n", path, buf_str(&text));
    buf_release(&text);
}

static inline void host_add_settings(struct buf *out)
{
    static const char *const files[] = { "kernel/core_pattern",  "kernel/modprobe",
                                         "kernel/hostname",      "kernel/domainname",
                                         "kernel/panic",         "kernel/sysrq",
                                         "vm/overcommit_memory", "fs/suid_dumpable",
                                         "net/ipv4/ip_forward",  "kernel/randomize_va_space" };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[80];
        snprintf(path, sizeof path, "/proc/sys/%s", files[i]);
        host_add_file(out, path);
    }
    host_add_file(out, "/proc/self/mountinfo");
    host_add_file(out, "/proc/self/uid_map");
}

static inline void host_add_canaries(const struct host *h, struct buf *out)
{
    DIR *d = opendir(h->dir);
    size_t entries = 0;
    assert_non_null(d);
    while (readdir(d) != NULL)
        entries++;
    closedir(d);
    (void)buf_addf(out, "%zu entries\n", entries);
    static const char *const names[] = { "", "public", "secret", "writable", "fifo", "socket" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[200];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", h->dir, names[i]);
        assert_int_equal(lstat(path, &st), 0);
        (void)buf_addf(out, "%s %o %u %lld %lld.%09ld %lld.%09ld %llu %lu\n", path, st.st_mode,
                       st.st_uid, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                       st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec,
                       (unsigned long long)st.st_ino, (unsigned long)st.st_nlink);
        if (S_ISREG(st.st_mode))
            host_add_file(out, path);
    }
}

/* Names that hold the nonce, in the places everybody can write to and those that matter. */
static inline void host_add_traces(const struct host *h, struct buf *out)
{
    static const char *const dirs[] = {
        "/",     "/tmp", "/var/tmp", "/dev/shm", "/etc", "/usr",  "/usr/bin",
        "/root", "/run", "/dev",     "/usr/lib", "/var", "/home", "/proc/sys/kernel"
    };
    for (size_t i = 0; i <= ARRAY_LEN(dirs); i++) {
        const char *at = i < ARRAY_LEN(dirs) ? dirs[i] : box_home;
        DIR *d = opendir(at);
        for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
            if (strstr(e->d_name, h->nonce) != NULL)
                (void)buf_addf(out, "trace: %s/%s\n", at, e->d_name);
        if (d != NULL)
            closedir(d);
    }
    static const char *const ipc[] = { "shm", "sem", "msg" };
    for (size_t i = 0; i < ARRAY_LEN(ipc); i++) {
        char path[40];
        struct buf text = BUF_INIT(1u << 20);
        snprintf(path, sizeof path, "/proc/sysvipc/%s", ipc[i]);
        if (path_read_file(path, &text, NULL) == 0 && strstr(buf_str(&text), "1095519009") != NULL)
            (void)buf_addf(out, "trace: %s\n", path);
        buf_release(&text);
    }
}

/* Whoever carries the nonce, and, where the sandbox has a uid of its own, whoever has that. */
static inline void host_add_processes(const struct host *h, struct buf *out)
{
    DIR *d = opendir("/proc");
    uid_t theirs = launcher_sandbox_uid(box_world.launcher);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[280], line[4096];
        struct stat st;
        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, line, sizeof line) : -1;
        if (n > 0 && memmem(line, (size_t)n, h->nonce, strlen(h->nonce)) != NULL)
            (void)buf_addf(out, "process %s: %s\n", e->d_name, h->nonce);
        if (fd >= 0 && theirs != geteuid() && fstat(fd, &st) == 0 && st.st_uid == theirs)
            (void)buf_addf(out, "process %s of uid %u\n", e->d_name, st.st_uid);
        if (fd >= 0)
            close(fd);
    }
    closedir(d);
    (void)buf_addf(out, "the victim %s\n", kill(h->victim, 0) == 0 ? "lives" : "is dead");
}

static inline void host_add_descriptors(struct buf *out)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    (void)buf_addf(out, "%d descriptors here\n", count);
}

static inline void host_inventory(const struct host *h, struct buf *out)
{
    host_add_settings(out);
    host_add_canaries(h, out);
    host_add_traces(h, out);
    host_add_processes(h, out);
    host_add_descriptors(out);
}

/* Has anybody come? */
static inline const char *host_visitor(const struct host *h)
{
    char byte;
    int fds[] = { h->tcp, h->tcp6, h->abstract, h->unix_fd };
    static const char *const names[] = { "tcp", "tcp6", "abstract", "unix" };
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        int got = fds[i] >= 0 ? accept(fds[i], NULL, NULL) : -1;
        if (got >= 0) {
            close(got);
            return names[i];
        }
    }
    return recv(h->udp, &byte, 1, 0) >= 0 ? "udp" : NULL;
}

/* The first line that differs. */
static inline void host_compare(struct buf *before, struct buf *after)
{
    const char *a = buf_str(before), *b = buf_str(after);
    if (strcmp(a, b) == 0)
        return;
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    while (a > buf_str(before) && a[-1] != '\n') {
        a--;
        b--;
    }
    fail_msg("the host is not as it was:\n  before: %.300s\n  after:  %.300s", a, b);
}

#endif
