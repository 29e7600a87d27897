/* archive.c - packing and unpacking session files, never without a whole one on disk. */
#include "sessions/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/gzip.h"
#include "base/path.h"
#include "base/sha256.h"
#include "sessions/sidecar.h"
#include "sessions/store.h"

static char *beside(const char *path, const char *suffix)
{
    return xasprintf("%s%s", path, suffix);
}

/* "dir/id.db" → "dir/id.lock" */
static char *lock_of(const char *path)
{
    return xasprintf("%.*s.lock", (int)(strlen(path) - 3), path);
}

bool archive_exists(const char *path)
{
    struct stat st;
    char *gz = beside(path, ".gz");
    bool is = lstat(gz, &st) == 0 && S_ISREG(st.st_mode);
    free(gz);
    return is;
}

static void sync_dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash != NULL ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* best effort: the order of the names is right in every case */
        close(fd);
    }
    free(dir);
}

static int open_old(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? fd : err_sys(e, errno == ENOENT ? ERR_MISSING : ERR_IO, "%s", path);
}

static int make_new(char *template, struct err *e)
{
    int fd = mkostemp(template, O_CLOEXEC);
    return fd >= 0 ? fd : err_sys(e, ERR_IO, "create %s", template);
}

/* ---- hashing, so that what was packed is known to come out again ---- */

static int hash_file(int fd, uint8_t out[SHA256_LEN], struct err *e)
{
    struct sha256 *h = sha256_new();
    char *room = xmalloc((size_t)256 << 10);
    ssize_t n = lseek(fd, 0, SEEK_SET) == 0 ? 1 : -1;
    sha256_begin(h);
    while (n > 0 && (n = read(fd, room, (size_t)256 << 10)) > 0)
        sha256_add(h, room, (size_t)n);
    sha256_end(h, out);
    sha256_free(h);
    free(room);
    return n < 0 ? err_sys(e, ERR_IO, "read it back") : 0;
}

/* Unpack `packed` (an open file) into a nameless one and compare with `plain`. */
static int check_packed(int plain, int packed, const char *path, struct err *e)
{
    char *name = xasprintf("%s.check-XXXXXX", path);
    uint8_t a[SHA256_LEN], b[SHA256_LEN];
    uint64_t bytes;
    int fd = make_new(name, e), rc = -1;
    if (fd >= 0) {
        unlink(name);
        rc = lseek(packed, 0, SEEK_SET) < 0 ? err_sys(e, ERR_IO, "read it back") : 0;
        if (rc == 0)
            rc = gunzip_file(packed, fd, ARCHIVE_PLAIN_MAX, &bytes, e);
        if (rc == 0 && (hash_file(plain, a, e) < 0 || hash_file(fd, b, e) < 0))
            rc = -1;
        if (rc == 0 && memcmp(a, b, sizeof a) != 0)
            rc = err_set(e, ERR_IO, "what was packed does not come out again");
        close(fd);
    }
    free(name);
    return rc;
}

/* ---- packing ---- */

static int pack_into(const char *path, int plain, char *temp, const char *gz, struct err *e)
{
    uint64_t bytes;
    int fd = make_new(temp, e);
    if (fd < 0)
        return -1;
    int rc = gzip_file(plain, fd, &bytes, e);
    if (rc == 0 && fsync(fd) < 0)
        rc = err_sys(e, ERR_IO, "sync");
    if (rc == 0)
        rc = check_packed(plain, fd, path, e);
    if (rc == 0 && rename(temp, gz) < 0)
        rc = err_sys(e, ERR_IO, "rename");
    close(fd);
    if (rc < 0)
        unlink(temp);
    return rc;
}

/* Writing and closing it leaves one plain file, with nothing of it in a log beside. */
static int settle(const char *path, struct err *e)
{
    struct store *s = NULL;
    struct stat st;
    char *wal = beside(path, "-wal");
    int rc = store_open(&s, path, e);
    store_close(s);
    if (rc == 0 && lstat(wal, &st) == 0)
        rc = err_set(e, ERR_BUSY, "somebody is reading it");
    free(wal);
    return rc;
}

int archive_pack(const char *path, struct err *e)
{
    char *lock = lock_of(path), *gz = beside(path, ".gz"), *temp = beside(path, ".pack-XXXXXX");
    int lock_fd = -1, plain = -1;
    int rc = access(path, F_OK) < 0 ? err_sys(e, ERR_MISSING, "%s", path) : settle(path, e);
    if (rc == 0)
        rc = lock_take(lock, &lock_fd, e);
    if (rc == 0 && (plain = open_old(path, e)) < 0)
        rc = -1;
    if (rc == 0)
        rc = pack_into(path, plain, temp, gz, e);
    if (rc == 0) {
        sync_dir_of(path);
        if (unlink(path) < 0)
            rc = err_sys(e, ERR_IO, "remove %s", path);
        sync_dir_of(path);
    }
    if (plain >= 0)
        close(plain);
    lock_drop(lock, lock_fd);
    free(lock);
    free(gz);
    free(temp);
    return rc;
}

/* ---- unpacking ---- */

static int unpack_into(const char *path, char *temp, bool sync, struct err *e)
{
    char *gz = beside(path, ".gz");
    uint64_t bytes;
    int from = open_old(gz, e), to = from >= 0 ? make_new(temp, e) : -1;
    int rc = to >= 0 ? gunzip_file(from, to, ARCHIVE_PLAIN_MAX, &bytes, e) : -1;
    if (rc == 0 && sync && fsync(to) < 0)
        rc = err_sys(e, ERR_IO, "sync");
    if (rc < 0)
        err_wrap(e, "%s", gz);
    if (to >= 0) {
        close(to);
        if (rc < 0)
            unlink(temp);
    }
    if (from >= 0)
        close(from);
    free(gz);
    return rc;
}

int archive_unpack_locked(const char *path, struct err *e)
{
    char *gz = beside(path, ".gz"), *temp = beside(path, ".unpack-XXXXXX");
    int rc = unpack_into(path, temp, true, e);
    if (rc == 0 && rename(temp, path) < 0) {
        rc = err_sys(e, ERR_IO, "rename %s", temp);
        unlink(temp);
    }
    if (rc == 0) {
        sync_dir_of(path);
        unlink(gz);
    }
    free(gz);
    free(temp);
    return rc;
}

int archive_unpack(const char *path, struct err *e)
{
    char *lock = lock_of(path);
    int fd = -1, rc = lock_take(lock, &fd, e);
    if (rc == 0)
        rc = archive_unpack_locked(path, e);
    lock_drop(lock, fd);
    free(lock);
    return rc;
}

int archive_copy(const char *path, char **copy, struct err *e)
{
    char *temp = beside(path, ".copy-XXXXXX");
    if (unpack_into(path, temp, false, e) < 0) {
        free(temp);
        return -1;
    }
    *copy = temp;
    return 0;
}
