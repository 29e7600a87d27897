/* outfile.c - buffered writing behind a temporary name. */
#include "base/confine.h"
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errand.h"
#include "base/path.h"

#define HELD_MAX ((size_t)256 << 10)

static int exists(const char *path, struct err *e)
{
    return err_set(e, ERR_BUSY, "%s exists already: choose another name, or --force", path);
}

static int open_temp(struct outfile *f, struct err *e)
{
    f->temp = xasprintf("%s.XXXXXX", f->path);
    f->fd = mkostemp(f->temp, O_CLOEXEC);
    if (f->fd >= 0)
        return 0;
    err_sys(e, ERR_IO, "making a file beside %s%s", f->path, confine_hint());
    free(f->temp);
    f->temp = NULL;
    return -1;
}

int outfile_open(struct outfile *f, const char *path, bool force, struct err *e)
{
    struct stat st;
    *f = (struct outfile){ .fd = STDOUT_FILENO, .force = force, .held = BUF_INIT(SIZE_MAX / 2) };
    if (path == NULL || strcmp(path, "-") == 0)
        return 0;
    f->fd = -1;
    f->path = xstrdup(path);
    bool there = stat(path, &st) == 0;
    int rc = 0;
    if (there && S_ISDIR(st.st_mode))
        rc = err_set(e, ERR_IO, "%s is a directory", path);
    else if (there && !S_ISREG(st.st_mode)) {
        f->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        rc = f->fd < 0 ? err_sys(e, ERR_IO, "%s%s", path, confine_hint()) : 0;
    } else if (there && !force)
        rc = exists(path, e);
    else
        rc = open_temp(f, e);
    if (rc < 0)
        outfile_abandon(f);
    return rc;
}

/* ---- by a child of the launcher ---- */

enum { WORD_COMMIT = 'c', WORD_ABANDON = 'a' };

/* argv: "the file", PATH, "force" or "" */
static int hold_inside(int argc, char **argv)
{
    struct errand_reply opened = { 0 }, ended = { 0 };
    struct outfile f;
    if (argc != 3 || outfile_open(&f, argv[1], argv[2][0] != '\0', &opened.err) < 0) {
        errand_reply(&opened, -1);
        return 1;
    }
    errand_reply(&opened, f.fd);
    if (errand_hear() == WORD_COMMIT)
        (void)!outfile_commit(&f, &ended.err);
    else
        outfile_abandon(&f);
    errand_reply(&ended, -1);
    return 0;
}

int outfile_open_by(struct outfile *f, struct launcher *l, const char *path, bool force,
                    struct err *e)
{
    const char *const argv[] = { "the file", strcmp(path, "-") == 0 ? "./-" : path,
                                 force ? "force" : "", NULL };
    if (l == NULL)
        return outfile_open(f, argv[1], force, e);
    *f = (struct outfile){ .fd = -1, .force = force, .held = BUF_INIT(SIZE_MAX / 2) };
    if (errand_begin(&f->holder, l, hold_inside, argv, -1, e) < 0)
        return -1;
    int rc = errand_wait(f->holder, NULL, &f->fd, e);
    if (rc == 0 && f->fd < 0)
        rc = err_set(e, ERR_IO, "%s: no descriptor came", path);
    if (rc < 0) {
        errand_end(f->holder);
        f->holder = NULL;
        return -1;
    }
    f->path = xstrdup(path);
    return 0;
}

static int tell_holder(struct outfile *f, char word, struct err *e)
{
    int rc = errand_say(f->holder, word, e);
    if (rc == 0)
        rc = errand_wait(f->holder, NULL, NULL, e);
    errand_end(f->holder);
    f->holder = NULL;
    return rc;
}

/* ---- what is written ---- */

static void flush(struct outfile *f)
{
    if (f->failed == 0 && f->held.len > 0 && write_all_fd(f->fd, f->held.ptr, f->held.len) < 0)
        f->failed = errno;
    buf_reset(&f->held);
}

void outfile_add(struct outfile *f, const void *p, size_t len)
{
    f->bytes += len;
    if (f->held.len + len > HELD_MAX)
        flush(f);
    if (len <= HELD_MAX)
        (void)buf_add(&f->held, p, len);
    else if (f->failed == 0 && write_all_fd(f->fd, p, len) < 0)
        f->failed = errno;
}

void outfile_add_str(struct outfile *f, const char *s)
{
    outfile_add(f, s, strlen(s));
}

void outfile_addf(struct outfile *f, const char *fmt, ...)
{
    char room[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(room, sizeof room, fmt, ap);
    va_end(ap);
    INVARIANT(n >= 0 && (size_t)n < sizeof room); /* for short things of our own */
    outfile_add(f, room, (size_t)n);
}

bool outfile_failed(const struct outfile *f)
{
    return f->failed != 0;
}

/* Without --force a file that came meanwhile is not written over either. */
static int take_name(struct outfile *f, struct err *e)
{
    if (f->force ? rename(f->temp, f->path) == 0
                 : renameat2(AT_FDCWD, f->temp, AT_FDCWD, f->path, RENAME_NOREPLACE) == 0)
        return 0;
    if (!f->force && errno == EINVAL && link(f->temp, f->path) == 0) { /* not known there */
        unlink(f->temp);
        return 0;
    }
    return errno == EEXIST ? exists(f->path, e)
                           : err_sys(e, ERR_IO, "putting %s in place", f->path);
}

int outfile_commit(struct outfile *f, struct err *e)
{
    const char *name = f->path != NULL ? f->path : "standard output";
    int rc = 0;
    flush(f);
    if (f->failed == 0 && f->temp != NULL && fsync(f->fd) < 0)
        f->failed = errno;
    if (f->failed != 0) {
        errno = f->failed;
        rc = err_sys(e, ERR_IO, "writing %s", name);
    } else if (f->holder != NULL) {
        rc = tell_holder(f, WORD_COMMIT, e);
    } else if (f->temp != NULL && (rc = take_name(f, e)) == 0) {
        free(f->temp);
        f->temp = NULL;
    }
    outfile_abandon(f);
    return rc;
}

void outfile_abandon(struct outfile *f)
{
    if (f->holder != NULL)
        (void)!tell_holder(f, WORD_ABANDON, NULL);
    if (f->temp != NULL)
        unlink(f->temp);
    if (f->path != NULL && f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->temp);
    buf_release(&f->held);
    *f = (struct outfile){ .fd = -1 };
}
