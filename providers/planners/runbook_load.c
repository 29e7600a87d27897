/* runbook_load.c - where a runbook and its data files come from: the disk, or compiled in. */
#include "providers/planners/runbook_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/path.h"
#include "base/share.h"

static int wrong_data(const char *name, const struct runbook_data *d, enum err_code code,
                      const char *why, struct err *e)
{
    return err_set(e, code, "%s:%zu: data %.120s: %s", name, d->line, d->path, why);
}

/* Open a file below `dir` without following a link anywhere: each part by itself. */
static int open_below(int dir, const char *path)
{
    int fd = dir;
    for (const char *at = path; fd >= 0;) {
        size_t n = strcspn(at, "/");
        char *part = xstrndup(at, n);
        int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
        int next = openat(fd, part, at[n] == '/' ? flags | O_DIRECTORY : flags);
        int saved = errno;
        free(part);
        if (fd != dir)
            close(fd);
        errno = saved;
        fd = next;
        if (at[n] == '\0')
            return fd;
        at += n + 1;
    }
    return -1;
}

static int read_disk(int dir, const char *name, const struct runbook_data *d, struct buf *out,
                     struct err *e)
{
    struct stat st;
    int fd = open_below(dir, d->path);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return wrong_data(name, d, ERR_DENIED, "is reached through a symbolic link", e);
    if (fd < 0)
        return wrong_data(name, d, errno == ENOENT ? ERR_MISSING : ERR_IO, strerror(errno), e);
    int rc = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        rc = wrong_data(name, d, ERR_DENIED, "is no regular file", e);
    else if (path_read_fd(fd, out, e) < 0)
        rc = err_wrap(e, "%s:%zu: data %.120s", name, d->line, d->path);
    close(fd);
    return rc;
}

static int read_share(const char *name, const struct runbook_data *d, struct buf *out,
                      struct err *e)
{
    char *full = path_join("runbooks", d->path);
    const struct share_file *f = share_find(full);
    free(full);
    if (f == NULL)
        return wrong_data(name, d, ERR_MISSING, "is not part of this program", e);
    if (buf_add(out, f->ptr, f->len) < 0)
        return wrong_data(name, d, ERR_LIMIT, "is too large", e);
    return 0;
}

static int add_file(struct runbook *rb, const char *name, const struct runbook_data *d,
                    struct buf *data, struct err *e)
{
    const char *slash = strrchr(d->path, '/');
    const char *base = slash != NULL ? slash + 1 : d->path;
    for (size_t i = 0; i < rb->file_count; i++) {
        if (strcmp(rb->files[i].name, base) == 0)
            return wrong_data(name, d, ERR_FORMAT, "another data file has that name", e);
    }
    size_t len = data->len;
    rb->files = xreallocarray(rb->files, rb->file_count + 1, sizeof *rb->files);
    rb->files[rb->file_count++] =
        (struct sandbox_file){ xstrdup(base), 0644, buf_detach(data), len };
    return 0;
}

/* `dir` < 0: compiled in. */
static int load_data(struct runbook *rb, const char *name, int dir, struct err *e)
{
    size_t left = RUNBOOK_DATA_MAX;
    for (size_t i = 0; i < rb->data_count; i++) {
        struct runbook_data *d = &rb->data[i];
        struct buf data = BUF_INIT(left);
        if (!path_stays_below(d->path))
            return wrong_data(name, d, ERR_DENIED,
                              "has to lie below the runbook: a relative path without . or ..", e);
        int rc = dir >= 0 ? read_disk(dir, name, d, &data, e) : read_share(name, d, &data, e);
        left -= data.len;
        if (rc == 0)
            rc = add_file(rb, name, d, &data, e);
        buf_release(&data);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* "tour, clean-csv …": the runbooks that are compiled in. */
static void list_built_in(struct buf *out)
{
    size_t count;
    const struct share_file *f = share_list(&count);
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(f[i].name);
        if (strncmp(f[i].name, "runbooks/", 9) != 0 || n < 13 ||
            strcmp(f[i].name + n - 3, ".md") != 0 || strchr(f[i].name + 9, '/') != NULL)
            continue;
        buf_addf(out, "%s@%.*s", out->len > 0 ? ", " : "", (int)(n - 12), f[i].name + 9);
    }
}

static int load_built_in(struct runbook *out, const char *model, struct err *e)
{
    struct buf names = BUF_INIT(4096);
    char *path = xasprintf("runbooks/%s.md", model + 1);
    const struct share_file *f = strchr(model, '/') == NULL ? share_find(path) : NULL;
    int rc;
    if (f == NULL) {
        list_built_in(&names);
        rc = err_set(e, ERR_MISSING, "runbook %.80s is not part of this program; there are %s",
                     model, buf_str(&names));
    } else {
        rc = runbook_parse(out, model, f->ptr, f->len, e);
        if (rc == 0 && (rc = load_data(out, model, -1, e)) < 0)
            runbook_release(out);
    }
    buf_release(&names);
    free(path);
    return rc;
}

static int load_file(struct runbook *out, const char *path, struct err *e)
{
    struct buf text = BUF_INIT(RUNBOOK_BYTES_MAX);
    int rc = path_read_file(path, &text, e);
    if (rc < 0)
        err_wrap(e, "runbook");
    else
        rc = runbook_parse(out, path, buf_str(&text), text.len, e);
    buf_release(&text);
    if (rc < 0 || out->data_count == 0)
        return rc;
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL   ? xstrdup(".")
                   : slash == path ? xstrdup("/")
                                   : xmemdup(path, (size_t)(slash - path));
    int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        rc = err_sys(e, ERR_IO, "runbook: opening %s", parent);
    else
        rc = load_data(out, path, dir, e);
    if (dir >= 0)
        close(dir);
    free(parent);
    if (rc < 0)
        runbook_release(out);
    return rc;
}

int runbook_load(struct runbook *out, const char *model, struct err *e)
{
    if (model == NULL || *model == '\0')
        return err_set(e, ERR_USAGE,
                       "a runbook planner needs a file: -p runbook:FILE.md, or runbook:@tour");
    return model[0] == '@' ? load_built_in(out, model, e) : load_file(out, model, e);
}
