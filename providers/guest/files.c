/* files.c - put and get below /workspace: never through a link, regular files only. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_MAX 255

static struct {
    int fd; /* -1: none */
    uint64_t token;
    int64_t max, size;
    unsigned mode;
    struct bytes path;
} getting = { .fd = -1 };

void files_answer(uint64_t token, const char *path, size_t n, int64_t size, unsigned mode,
                  const char *error)
{
    struct bytes m = { 0 };
    bytes_addf(&m, "{\"t\":\"file\",\"token\":%llu,\"size\":%lld,\"mode\":%u,\"path\":",
               (unsigned long long)token, (long long)size, mode);
    bytes_add_json(&m, path, n);
    if (error != NULL) {
        bytes_addf(&m, ",\"error\":");
        bytes_add_json(&m, error, strlen(error));
    }
    bytes_add(&m, "}", 1);
    stream_control(&m);
    bytes_free(&m);
}

/* One step down; links and ".." are refused by construction, as RESOLVE_BENEATH would. */
static int step(int dir, const char *part, bool create)
{
    int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, part, flags);
    if (fd < 0 && errno == ENOENT && create && mkdirat(dir, part, 0755) == 0)
        fd = openat(dir, part, flags);
    return fd;
}

static int open_below(const char *name, size_t n, bool create, unsigned mode)
{
    int dir = open(GUEST_WORKSPACE, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *p = name, *end = name + n;
    while (dir >= 0) {
        char part[PART_MAX + 1];
        const char *slash = memchr(p, '/', (size_t)(end - p));
        size_t len = (size_t)((slash != NULL ? slash : end) - p);
        bool bad = len == 0 || len > PART_MAX || memchr(p, 0, len) != NULL;
        memcpy(part, p, bad ? 0 : len);
        part[bad ? 0 : len] = '\0';
        if (bad || strcmp(part, ".") == 0 || strcmp(part, "..") == 0) {
            close(dir);
            errno = EINVAL;
            return -1;
        }
        int flags = create ? O_WRONLY | O_CREAT : O_RDONLY;
        int next = slash != NULL
                       ? step(dir, part, create)
                       : openat(dir, part, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                                mode & 0777);
        int why = errno;
        close(dir);
        errno = why;
        if (slash == NULL)
            return next;
        dir = next;
        p = slash + 1;
    }
    return -1;
}

static const char *reason(int err)
{
    return err == ELOOP || err == ENOTDIR ? "a link or a file is in the way"
           : err == ENXIO                 ? "not a regular file"
           : err == EINVAL                ? "not a path below the work directory"
                                          : strerror(err);
}

int files_begin_put(const char *name, size_t n, unsigned mode, char *why, size_t why_size)
{
    struct stat st;
    int fd = open_below(name, n, true, mode);
    const char *text = fd < 0 ? reason(errno) : NULL;
    scan_forget();
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
        text = "not a regular file";
    else if (fd >= 0 && (ftruncate(fd, 0) != 0 || fchmod(fd, mode & 0777) != 0))
        text = strerror(errno);
    if (text == NULL)
        return fd;
    snprintf(why, why_size, "%.*s: %s", n > 120 ? 120 : (int)n, name, text);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool files_write(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

void files_get(uint64_t token, int64_t max, const char *name, size_t n)
{
    struct stat st = { 0 };
    char why[96] = "";
    if (getting.fd >= 0)
        guest_die("guest: a get while another is on");
    int fd = open_below(name, n, false, 0);
    if (fd < 0)
        snprintf(why, sizeof why, "%s", reason(errno));
    else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        snprintf(why, sizeof why, "not a regular file");
    else if (st.st_size > max)
        snprintf(why, sizeof why, "%lld bytes, more than the %lld allowed", (long long)st.st_size,
                 (long long)max);
    if (why[0] != '\0') {
        files_answer(token, name, n, 0, 0, why);
        if (fd >= 0)
            close(fd);
        return;
    }
    getting.fd = fd;
    getting.token = token;
    getting.max = max;
    getting.size = 0;
    getting.mode = st.st_mode & 0777;
    getting.path.n = 0;
    bytes_add(&getting.path, name, n);
}

bool files_getting(void)
{
    return getting.fd >= 0;
}

void files_relay(void)
{
    const char *why = NULL;
    size_t room = stream_room();
    int64_t left = getting.max - getting.size;
    if (getting.fd < 0 || room == 0)
        return;
    ssize_t n = left > 0 ? stream_relay(FRAME_BULK, BULK_FILE, getting.fd,
                                        (int64_t)room < left ? room : (size_t)left)
                         : 0;
    if (n > 0) {
        getting.size += n;
        return;
    }
    if (n < 0)
        why = "it can't be read";
    files_answer(getting.token, getting.path.p, getting.path.n, getting.size, getting.mode, why);
    close(getting.fd);
    getting.fd = -1;
}
