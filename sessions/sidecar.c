/* sidecar.c - lock, anchors and reserve of a session. */
#include "sessions/sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"

/* ---- lock ---- */

#define LOCK_TRIES   20
#define LOCK_WAIT_NS 5000000

/* Whoever closes a session removes its lock file, so the file we locked may be gone by now. */
static bool still_there(const char *path, int fd)
{
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

static int busy(const char *path, int fd, struct err *e)
{
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    int stem = (int)strcspn(name, ".");
    if (pid[0] == '\0' || strspn(pid, "0123456789") != strlen(pid))
        return err_set(e, ERR_BUSY, "session %.*s is open in another process", stem, name);
    return err_set(e, ERR_BUSY, "session %.*s is open in process %s", stem, name, pid);
}

/* 1 locked, 0 somebody has it or the file was replaced (try again), -1 */
static int try_lock(const char *path, int fd, struct err *e)
{
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK || errno == EINTR ? 0 : err_sys(e, ERR_IO, "lock %s", path);
    return still_there(path, fd);
}

static void write_pid(int fd)
{
    char pid[16];
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    /* The number is a courtesy to whoever meets the lock; the lock holds without it. */
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        return;
}

/* A few tries, since lock_is_held in another process takes the lock for a moment. */
int lock_take(const char *path, int *out, struct err *e)
{
    for (int i = 0;; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return err_sys(e, ERR_IO, "open %s", path);
        int got = try_lock(path, fd, e);
        if (got == 1) {
            write_pid(fd);
            *out = fd;
            return 0;
        }
        if (got == 0 && i == LOCK_TRIES)
            got = busy(path, fd, e);
        close(fd);
        if (got < 0)
            return -1;
        nanosleep(&(struct timespec){ .tv_nsec = LOCK_WAIT_NS }, NULL);
    }
}

void lock_drop(const char *path, int fd)
{
    if (fd < 0)
        return;
    unlink(path); /* while still locked: see still_there */
    close(fd);
}

bool lock_is_held(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno != ENOENT && errno != ENOTDIR;
    bool held = flock(fd, LOCK_SH | LOCK_NB) < 0; /* EWOULDBLOCK, or nobody can tell (ENOLCK) */
    close(fd);
    return held;
}

/* ---- sessions that never came to be ---- */

static void remove_file(const char *dir, const char *id, const char *ending)
{
    char *path = xasprintf("%s/%s%s", dir, id, ending);
    unlink(path); /* most of them are not there */
    free(path);
}

void sidecar_remove_new(const char *dir, const char *id)
{
    remove_file(dir, id, ".new-wal");
    remove_file(dir, id, ".new-shm");
    remove_file(dir, id, ".new");
}

void sidecar_remove_empty(const char *dir, const char *id)
{
    remove_file(dir, id, ".head");
    remove_file(dir, id, ".db-shm");
    remove_file(dir, id, ".db-wal");
    remove_file(dir, id, ".db"); /* last: as long as it stands, the others belong to something */
}

void sidecar_remove_leftovers(const char *dir, const char *id)
{
    char *lock = xasprintf("%s/%s.lock", dir, id);
    if (!lock_is_held(lock)) {
        sidecar_remove_new(dir, id);
        unlink(lock); /* who is about to lock it sees that it is gone: see still_there */
    }
    free(lock);
}

/* Copies that archive.c makes. Packing and unpacking hold the lock; a reader's copy loses its name
 * at once, so one with an old name is nobody's. */
#define STRAY_AGE_S 600

void sidecar_remove_stray(const char *dir, const char *name)
{
    static const char *const kinds[] = { ".db.pack-", ".db.unpack-", ".db.check-", ".db.copy-" };
    size_t stem = strcspn(name, ".");
    struct stat st;
    bool is = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        is |= strncmp(name + stem, kinds[i], strlen(kinds[i])) == 0;
    if (!is)
        return;
    char *path = path_join(dir, name), *lock = xasprintf("%s/%.*s.lock", dir, (int)stem, name);
    if (!lock_is_held(lock) && lstat(path, &st) == 0 && st.st_mtime < time(NULL) - STRAY_AGE_S)
        unlink(path);
    free(path);
    free(lock);
}

/* ---- anchors ---- */

#define SEQ_DIGITS  20
#define ANCHOR_LINE (SEQ_DIGITS + 1 + SHA256_HEX_LEN + 1)
#define ANCHORS_MAX ((size_t)256 << 20) /* bytes of a head file we are ready to read */

int anchor_open(const char *path, int *out, struct err *e)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, ERR_IO, "open %s", path);
    /* A line cut short by a crash would shift all that follow. */
    if (fstat(fd, &st) < 0 || ftruncate(fd, st.st_size - st.st_size % ANCHOR_LINE) < 0) {
        err_sys(e, ERR_IO, "open %s", path);
        close(fd);
        return -1;
    }
    *out = fd;
    return 0;
}

void anchor_write(int fd, uint64_t seq, const uint8_t head[SHA256_LEN])
{
    char line[ANCHOR_LINE + 1];
    snprintf(line, sizeof line, "%0*" PRIu64 " ", SEQ_DIGITS, seq);
    hex_encode(head, SHA256_LEN, line + SEQ_DIGITS + 1);
    line[ANCHOR_LINE - 1] = '\n';
    /* A short line on a full disk would shift all that follow: take it back. */
    ssize_t n = write(fd, line, ANCHOR_LINE);
    if (n > 0 && n < ANCHOR_LINE) {
        off_t end = lseek(fd, 0, SEEK_END);
        if (end < n || ftruncate(fd, end - n) < 0)
            return;
    }
}

static bool parse_anchor(const char *line, struct anchor *a)
{
    a->seq = 0;
    for (int i = 0; i < SEQ_DIGITS; i++) {
        if (line[i] < '0' || line[i] > '9' ||
            __builtin_mul_overflow(a->seq, (uint64_t)10, &a->seq) ||
            __builtin_add_overflow(a->seq, (uint64_t)(line[i] - '0'), &a->seq))
            return false;
    }
    return a->seq != 0 && line[SEQ_DIGITS] == ' ' && line[ANCHOR_LINE - 1] == '\n' &&
           hex_decode(line + SEQ_DIGITS + 1, SHA256_HEX_LEN, a->head) == 0;
}

int anchors_read(struct anchors *out, const char *path, struct err *e)
{
    struct buf text = BUF_INIT(ANCHORS_MAX);
    struct err why = ERR_INIT;
    *out = (struct anchors){ NULL, 0 };
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    if (path_read_file(path, &text, &why) < 0) {
        buf_release(&text);
        return err_set(e, why.code, "%s", why.msg);
    }
    out->list = xreallocarray(NULL, text.len / ANCHOR_LINE + 1, sizeof *out->list);
    for (size_t at = 0; at + ANCHOR_LINE <= text.len; at += ANCHOR_LINE) {
        if (parse_anchor(text.ptr + at, &out->list[out->count]))
            out->count++;
    }
    buf_release(&text);
    return 0;
}

void anchors_release(struct anchors *a)
{
    free(a->list);
    *a = (struct anchors){ NULL, 0 };
}

/* ---- reserve ---- */

static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char *path = path_join(dir, ".reserve-XXXXXX"); /* file systems without O_TMPFILE */
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    free(path);
    return fd;
}

int reserve_take(const char *dir, int *out, struct err *e)
{
    int fd = open_nameless(dir);
    if (fd < 0)
        return err_sys(e, ERR_IO, "reserve disk space in %s", dir);
    errno = posix_fallocate(fd, 0, RESERVE_BYTES);
    if (errno != 0) {
        err_sys(e, ERR_IO, "reserve %d KiB of disk space in %s", RESERVE_BYTES >> 10, dir);
        close(fd);
        return -1;
    }
    *out = fd;
    return 0;
}
