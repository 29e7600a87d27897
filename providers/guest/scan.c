/* scan.c - what a run changed below /workspace: two walks compared, by what stat says. */
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES_MAX 20000
#define NAMES_MAX   (4u << 20)
#define DEPTH_MAX   32
#define TOLD_MAX    1000
#define TOLD_BYTES  (512u << 10)

struct entry {
    uint32_t name; /* in names */
    int64_t size, mtime_ns, ctime_ns;
    uint64_t ino;
};
struct tree {
    struct bytes names;
    struct entry *entries;
    size_t count, cap;
    bool truncated;
};

static struct tree before, after;
static const struct tree *sorting;

static int64_t in_ns(struct timespec t)
{
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void add(struct tree *t, const char *path, size_t n, const struct stat *st)
{
    if (t->count == ENTRIES_MAX || t->names.n + n > NAMES_MAX) {
        t->truncated = true;
        return;
    }
    if (t->count == t->cap) {
        t->cap = t->cap > 0 ? t->cap * 2 : 64;
        t->entries = realloc(t->entries, t->cap * sizeof *t->entries);
        if (t->entries == NULL)
            guest_die("guest: out of memory");
    }
    t->entries[t->count++] = (struct entry){ .name = (uint32_t)t->names.n,
                                             .size = st->st_size,
                                             .mtime_ns = in_ns(st->st_mtim),
                                             .ctime_ns = in_ns(st->st_ctim),
                                             .ino = st->st_ino };
    bytes_add(&t->names, path, n + 1);
}

static void walk(struct tree *t, int dir, struct bytes *path, int depth)
{
    DIR *d = fdopendir(dir);
    struct dirent *e;
    if (d == NULL) {
        close(dir);
        return;
    }
    while (!t->truncated && (e = readdir(d)) != NULL) {
        struct stat st;
        size_t had = path->n;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        bytes_add(path, e->d_name, strlen(e->d_name));
        if (!S_ISDIR(st.st_mode)) {
            add(t, path->p, path->n, &st);
        } else if (depth == DEPTH_MAX) {
            t->truncated = true;
        } else {
            int sub = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            bytes_add(path, "/", 1);
            if (sub >= 0)
                walk(t, sub, path, depth + 1);
        }
        path->n = had;
        path->p[had] = '\0';
    }
    closedir(d);
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return strcmp(sorting->names.p + x->name, sorting->names.p + y->name);
}

static void take(struct tree *t)
{
    struct bytes path = { 0 };
    t->names.n = t->count = 0;
    t->truncated = false;
    int dir = open(GUEST_WORKSPACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        walk(t, dir, &path, 0);
    bytes_free(&path);
    sorting = t;
    if (t->count > 1)
        qsort(t->entries, t->count, sizeof *t->entries, by_name);
}

static bool known;

void scan_forget(void)
{
    known = false;
}

/* What the last scan saw is where the next run starts, so nothing that changes between two runs
 * goes untold; unless we put files there ourselves. */
void scan_baseline(void)
{
    if (known) {
        struct tree old = before;
        before = after;
        after = old;
    } else {
        take(&before);
    }
    known = false;
}

static void tell(struct bytes *json, const struct tree *t, const struct entry *e,
                 const char *change)
{
    const char *name = t->names.p + e->name;
    bytes_addf(json, "%s{\"change\":\"%s\",\"bytes\":%lld,\"path\":",
               json->p[json->n - 1] == '[' ? "" : ",", change, (long long)e->size);
    bytes_add_json(json, name, strlen(name));
    bytes_add(json, "}", 1);
}

static bool is_same(const struct entry *x, const struct entry *y)
{
    return x->size == y->size && x->mtime_ns == y->mtime_ns && x->ctime_ns == y->ctime_ns &&
           x->ino == y->ino;
}

void scan_changes(struct bytes *json, bool *truncated)
{
    size_t a = 0, b = 0, told = 0;
    take(&after);
    known = true;
    *truncated = before.truncated || after.truncated;
    bytes_add(json, "[", 1);
    while (a < before.count || b < after.count) {
        const struct entry *x = a < before.count ? &before.entries[a] : NULL;
        const struct entry *y = b < after.count ? &after.entries[b] : NULL;
        int order = 0; /* < 0: only before, > 0: only after */
        if (x == NULL || y == NULL)
            order = x == NULL ? 1 : -1;
        else
            order = strcmp(before.names.p + x->name, after.names.p + y->name);
        a += order <= 0;
        b += order >= 0;
        if (x != NULL && y != NULL && order == 0 && is_same(x, y))
            continue;
        if (told++ == TOLD_MAX || json->n > TOLD_BYTES) {
            *truncated = true;
            break;
        }
        if (y != NULL && order >= 0)
            tell(json, &after, y, order == 0 ? "changed" : "new");
        else if (x != NULL)
            tell(json, &before, x, "gone");
    }
    bytes_add(json, "]", 1);
}
