/* index_scan.c - which session files changed since the index last looked. */
#include "sessions/index_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sessions/sidecar.h"
#include "sessions/store.h"
#include "sessions/trash.h"

/* A file that was changed this shortly before we looked may change again within the same tick of
 * its clock: it is not trusted to be what we read. */
#define RACY_NS     INT64_C(100000000)
#define COMMIT_EACH 256 /* sessions read per transaction: others see progress, and get a turn */

struct found {
    char id[STORE_ID_MAX + 1];
    bool hot, changed;
};

struct scan {
    struct index *ix;
    int dir_fd;
    int64_t now_ns;
    struct found *list; /* sorted by id */
    size_t count, cap;
    char **hot; /* ids with a lock or WAL, not sorted */
    size_t hot_count, hot_cap;
    unsigned in_transaction; /* changes in the open one */
};

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- one file ---- */

/* 1 there, 0 gone */
static int look(const struct scan *sc, const char *id, bool hot, struct stamp *out)
{
    struct stat st;
    char name[80];
    *out = (struct stamp){ .hot = hot };
    snprintf(name, sizeof name, "%s.db", id);
    if (fstatat(sc->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        snprintf(name, sizeof name, "%s.db.gz", id);
        out->archived = true;
        if (fstatat(sc->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return 0;
    }
    out->size = st.st_size;
    out->mtime_ns = nanoseconds(st.st_mtim);
    if (!hot)
        return 1;
    snprintf(name, sizeof name, "%s.db-wal", id);
    if (fstatat(sc->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        out->wal_size = st.st_size;
        out->wal_mtime_ns = nanoseconds(st.st_mtim);
    }
    return 1;
}

static int begin(struct scan *sc, struct err *e)
{
    if (sql_in_transaction(sc->ix->db))
        return 0;
    sc->in_transaction = 0;
    return sql_exec(sc->ix->db, "BEGIN IMMEDIATE", e);
}

static int counted(struct scan *sc, struct err *e)
{
    if (++sc->in_transaction < COMMIT_EACH)
        return 0;
    return sql_exec(sc->ix->db, "COMMIT", e);
}

/* Read the session and write down what it says. */
static int reread(struct scan *sc, const char *id, struct stamp stamp, struct summary *m,
                  struct err *e)
{
    if (stamp.mtime_ns > sc->now_ns - RACY_NS || stamp.wal_mtime_ns > sc->now_ns - RACY_NS)
        stamp.size = -1;
    if (begin(sc, e) < 0 || index_row_read(sc->ix, id, stamp, m, e) < 0)
        return -1;
    return counted(sc, e);
}

static int forget(struct scan *sc, const char *id, struct err *e)
{
    if (begin(sc, e) < 0 || index_row_forget(sc->ix, id, e) < 0)
        return -1;
    return counted(sc, e);
}

static bool erase_unborn(const struct scan *sc, const char *id)
{
    char *path = xasprintf("%s/%s.db", sc->ix->sessions_dir, id);
    bool erased = trash_erase_unborn(path);
    free(path);
    return erased;
}

static int check_one(struct scan *sc, const char *id, bool hot, struct err *e)
{
    struct stamp stamp;
    struct summary m;
    if (!look(sc, id, hot, &stamp))
        return forget(sc, id, e);
    summary_init(&m);
    bool same = false;
    int rc = index_row_find(sc->ix, id, &stamp, &m, &same, e);
    if (rc == 0 && !same)
        rc = reread(sc, id, stamp, &m, e);
    if (rc == 0 && !same && m.last_seq == 0 && erase_unborn(sc, id))
        rc = forget(sc, id, e);
    summary_release(&m);
    return rc;
}

/* ---- the directory ---- */

static bool has_suffix(const char *name, const char *suffix, size_t *stem)
{
    size_t n = strlen(name), k = strlen(suffix);
    *stem = n - k;
    return n > k && strcmp(name + n - k, suffix) == 0 && store_id_is_valid(name, n - k);
}

static void note_name(struct scan *sc, const char *name)
{
    size_t stem;
    if (has_suffix(name, ".db", &stem) || has_suffix(name, ".db.gz", &stem)) {
        if (sc->count == sc->cap) {
            sc->cap = sc->cap != 0 ? sc->cap * 2 : 256;
            sc->list = xreallocarray(sc->list, sc->cap, sizeof *sc->list);
        }
        struct found *f = &sc->list[sc->count++];
        memcpy(f->id, name, stem);
        f->id[stem] = '\0';
        f->hot = f->changed = false;
    } else if (has_suffix(name, ".db-wal", &stem) || has_suffix(name, ".lock", &stem) ||
               has_suffix(name, ".new", &stem)) {
        if (sc->hot_count == sc->hot_cap) {
            sc->hot_cap = sc->hot_cap != 0 ? sc->hot_cap * 2 : 16;
            sc->hot = xreallocarray(sc->hot, sc->hot_cap, sizeof *sc->hot);
        }
        sc->hot[sc->hot_count++] = xstrndup(name, stem);
    } else {
        sidecar_remove_stray(sc->ix->sessions_dir, name);
    }
}

static int compare_found(const void *a, const void *b)
{
    return strcmp(((const struct found *)a)->id, ((const struct found *)b)->id);
}

/* After a crash in the middle of packing both files stand there; the plain one counts. */
static void drop_doubles(struct scan *sc)
{
    size_t kept = 0;
    for (size_t i = 0; i < sc->count; i++) {
        if (kept == 0 || strcmp(sc->list[kept - 1].id, sc->list[i].id) != 0)
            sc->list[kept++] = sc->list[i];
    }
    sc->count = kept;
}

static int list_directory(struct scan *sc, struct err *e)
{
    int fd = fcntl(sc->dir_fd, F_DUPFD_CLOEXEC, 0);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (d == NULL) {
        err_sys(e, ERR_IO, "read %s", sc->ix->sessions_dir);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    rewinddir(d);
    for (struct dirent *de; (de = readdir(d)) != NULL;)
        note_name(sc, de->d_name);
    closedir(d);
    if (sc->count != 0)
        qsort(sc->list, sc->count, sizeof *sc->list, compare_found);
    drop_doubles(sc);
    for (size_t i = 0; i < sc->hot_count; i++) {
        struct found *f = sc->count != 0 ? bsearch(sc->hot[i], sc->list, sc->count,
                                                   sizeof *sc->list, compare_found)
                                         : NULL;
        if (f != NULL)
            f->hot = true;
        else
            sidecar_remove_leftovers(sc->ix->sessions_dir, sc->hot[i]);
    }
    return 0;
}

/* The ids in the index, sorted; also of files that are gone. */
static int list_known(struct scan *sc, const char *text, char ***out, size_t *count, struct err *e)
{
    struct sql_stmt *st = NULL;
    size_t cap = 0;
    int got;
    *out = NULL;
    *count = 0;
    if (sql_prepare(sc->ix->db, &st, text, e) < 0)
        return -1;
    while ((got = sql_step(st, e)) == 1) {
        if (*count == cap) {
            cap = cap != 0 ? cap * 2 : 256;
            *out = xreallocarray(*out, cap, sizeof **out);
        }
        (*out)[(*count)++] = xstrdup(sql_text(st, 0, NULL));
    }
    sql_finalize(st);
    return got < 0 ? -1 : 0;
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

/* Mark what has to be read, and name what is gone: the directory and the index, both sorted, side
 * by side. */
static int compare_all(struct scan *sc, struct buf *gone, struct err *e)
{
    struct sql_stmt *st = NULL;
    struct stamp stamp;
    size_t i = 0;
    if (sql_prepare(sc->ix->db, &st, "SELECT " STAMP_COLUMNS " FROM session ORDER BY id", e) < 0)
        return -1;
    int got = sql_step(st, e);
    while (got == 1 || (got == 0 && i < sc->count)) {
        struct found *f = i < sc->count ? &sc->list[i] : NULL;
        int side = got != 1 ? -1 : f == NULL ? 1 : strcmp(f->id, sql_text(st, COL_ID, NULL));
        if (side < 0 && f != NULL)
            f->changed = true;
        else if (side == 0 && f != NULL)
            f->changed = !look(sc, f->id, f->hot, &stamp) || !index_row_matches(st, &stamp);
        else if (buf_addf(gone, "%s ", sql_text(st, COL_ID, NULL)) < 0)
            break; /* more than a list can have */
        if (side <= 0)
            i++;
        if (side >= 0)
            got = sql_step(st, e);
    }
    sql_finalize(st);
    return got < 0 ? -1 : 0;
}

static int forget_gone(struct scan *sc, struct buf *gone, struct err *e)
{
    char *p = gone->ptr;
    while (p != NULL && *p != '\0') {
        size_t n = strcspn(p, " ");
        p[n] = '\0';
        if (forget(sc, p, e) < 0)
            return -1;
        p += n + 1;
    }
    return 0;
}

static int scan_all(struct scan *sc, struct err *e)
{
    struct buf gone = BUF_INIT(64 << 20);
    int rc = list_directory(sc, e);
    if (rc == 0)
        rc = compare_all(sc, &gone, e);
    for (size_t i = 0; i < sc->count && rc == 0; i++) {
        if (sc->list[i].changed)
            rc = check_one(sc, sc->list[i].id, sc->list[i].hot, e);
    }
    if (rc == 0)
        rc = forget_gone(sc, &gone, e);
    buf_release(&gone);
    return rc;
}

static bool is_hot(const struct scan *sc, const char *id)
{
    char lock[80], wal[80];
    snprintf(lock, sizeof lock, "%s.lock", id);
    snprintf(wal, sizeof wal, "%s.db-wal", id);
    return faccessat(sc->dir_fd, lock, F_OK, 0) == 0 || faccessat(sc->dir_fd, wal, F_OK, 0) == 0;
}

/* Only those that can change while the directory does not. */
static int scan_hot(struct scan *sc, struct err *e)
{
    char **known;
    size_t count;
    int rc = list_known(sc, "SELECT id FROM session INDEXED BY session_hot WHERE hot OR size < 0",
                        &known, &count, e);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = check_one(sc, known[i], is_hot(sc, known[i]), e);
    }
    free_list(known, count);
    return rc;
}

/* ---- is there anything to do? ---- */

static int64_t dir_mtime(const struct scan *sc)
{
    struct stat st;
    return fstat(sc->dir_fd, &st) == 0 ? nanoseconds(st.st_mtim) : -1;
}

static int set_dir_mtime(struct scan *sc, int64_t mtime_ns, struct err *e)
{
    struct sql_stmt *st = NULL;
    if (mtime_ns > sc->now_ns - RACY_NS)
        mtime_ns = -1;
    if (begin(sc, e) < 0 || sql_prepare(sc->ix->db, &st, "UPDATE scan SET dir_mtime = ?1", e) < 0)
        return -1;
    sql_bind_int(st, 1, mtime_ns);
    int rc = sql_run(st, e);
    sql_finalize(st);
    return rc;
}

static int run_scan(struct scan *sc, const char *id, struct err *e)
{
    int64_t known, now = dir_mtime(sc);
    if (id != NULL)
        return check_one(sc, id, is_hot(sc, id), e);
    if (sql_get_int(sc->ix->db, "SELECT dir_mtime FROM scan", &known, e) < 0)
        return -1;
    if (known == now && now >= 0)
        return scan_hot(sc, e);
    return scan_all(sc, e) < 0 ? -1 : set_dir_mtime(sc, now, e);
}

static void release(struct scan *sc)
{
    free_list(sc->hot, sc->hot_count);
    free(sc->list);
    close(sc->dir_fd);
}

int index_scan(struct index *ix, const char *id, struct err *e)
{
    struct scan sc = { .ix = ix, .now_ns = clock_wall_us() * 1000 };
    sc.dir_fd = open(ix->sessions_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sc.dir_fd < 0)
        return errno == ENOENT ? sql_exec(ix->db, "DELETE FROM session", e)
                               : err_sys(e, ERR_IO, "open %s", ix->sessions_dir);
    int rc = run_scan(&sc, id, e);
    if (rc == 0 && sql_in_transaction(ix->db))
        rc = sql_exec(ix->db, "COMMIT", e);
    sql_roll_back(ix->db);
    release(&sc);
    return rc;
}
