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

static bool same_stamp(struct sql_stmt *row, const struct stamp *now)
{
    return sql_int(row, COL_SIZE) == now->size && sql_int(row, COL_MTIME) == now->mtime_ns &&
           sql_int(row, COL_WAL_SIZE) == now->wal_size &&
           sql_int(row, COL_WAL_MTIME) == now->wal_mtime_ns && sql_int(row, COL_HOT) == now->hot;
}

static void load_text(struct buf *b, struct sql_stmt *row, int col)
{
    size_t len;
    const char *s = sql_text(row, col, &len);
    buf_reset(b);
    if (buf_add(b, s, len) < 0) /* a foreign hand wrote it: it will be read again */
        buf_reset(b);
}

static void load_summary(struct summary *m, struct sql_stmt *row)
{
    size_t len;
    load_text(&m->name, row, COL_NAME);
    load_text(&m->task, row, COL_TASK);
    load_text(&m->outcome, row, COL_OUTCOME);
    load_text(&m->planner, row, COL_PLANNER);
    load_text(&m->parent, row, COL_PARENT);
    load_text(&m->sandbox, row, COL_SANDBOX);
    load_text(&m->tags, row, COL_TAGS);
    load_text(&m->problem, row, COL_PROBLEM);
    m->created_us = sql_int(row, COL_CREATED);
    m->last_us = sql_int(row, COL_LAST);
    m->runs = sql_int(row, COL_RUNS);
    m->denied = sql_int(row, COL_DENIED);
    m->failed = sql_int(row, COL_FAILED);
    m->cost_nanousd = sql_int(row, COL_COST);
    m->failed_run = sql_int(row, COL_FAILED_RUN);
    m->last_seq = sql_int(row, COL_LAST_SEQ);
    m->trashed = sql_int(row, COL_TRASHED) != 0;
    m->foreign = sql_int(row, COL_FOREIGN) != 0;
    m->trashed_us = sql_int(row, COL_TRASHED_US);
    m->high = sql_int(row, COL_HIGH);
    m->waiting = sql_int(row, COL_WAITING) != 0;
    m->has_output = sql_int(row, COL_HAS_OUTPUT) != 0;
    const void *head = sql_blob(row, COL_HEAD, &len);
    if (len == sizeof m->head)
        memcpy(m->head, head, len);
    else
        m->last_seq = 0; /* read from the start */
}

static void bind_text(struct sql_stmt *st, int col, struct buf *b)
{
    sql_bind_text(st, col + 1, buf_str(b), b->len);
}

static int save_summary(struct index *ix, const char *id, const struct stamp *stamp,
                        struct summary *m, struct err *e)
{
    struct sql_stmt *st = ix->put;
    const struct {
        int col;
        int64_t v;
    } ints[] = {
        { COL_SIZE, stamp->size },
        { COL_MTIME, stamp->mtime_ns },
        { COL_WAL_SIZE, stamp->wal_size },
        { COL_WAL_MTIME, stamp->wal_mtime_ns },
        { COL_HOT, stamp->hot },
        { COL_CREATED, m->created_us != 0 ? m->created_us : stamp->mtime_ns / 1000 },
        { COL_LAST, m->last_us },
        { COL_RUNS, m->runs },
        { COL_DENIED, m->denied },
        { COL_FAILED, m->failed },
        { COL_COST, m->cost_nanousd },
        { COL_OPEN_SANDBOXES, m->open_sandboxes },
        { COL_FAILED_RUN, m->failed_run },
        { COL_LAST_SEQ, m->last_seq },
        { COL_TRASHED, m->trashed },
        { COL_FOREIGN, m->foreign },
        { COL_ARCHIVED, stamp->archived },
        { COL_TRASHED_US, m->trashed_us },
        { COL_HIGH, m->high },
        { COL_WAITING, m->waiting },
        { COL_HAS_OUTPUT, m->has_output },
    };
    sql_bind_text(st, COL_ID + 1, id, strlen(id));
    for (size_t i = 0; i < ARRAY_LEN(ints); i++)
        sql_bind_int(st, ints[i].col + 1, ints[i].v);
    bind_text(st, COL_NAME, &m->name);
    bind_text(st, COL_TASK, &m->task);
    bind_text(st, COL_OUTCOME, &m->outcome);
    bind_text(st, COL_PLANNER, &m->planner);
    bind_text(st, COL_PARENT, &m->parent);
    bind_text(st, COL_SANDBOX, &m->sandbox);
    bind_text(st, COL_TAGS, &m->tags);
    bind_text(st, COL_PROBLEM, &m->problem);
    sql_bind_blob(st, COL_HEAD + 1, m->head, sizeof m->head);
    return sql_run(st, e);
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

/* The texts of one session on their way into the index. */
struct texts {
    struct index *ix;
    const char *id;
    uint64_t seq;
    int64_t nth; /* of this event */
    struct err *e;
    bool failed;
};

static void keep_text(void *arg, const struct index_text *t)
{
    struct texts *x = arg;
    struct sql_stmt *st = x->ix->put_text;
    x->nth = t->seq == x->seq ? x->nth + 1 : 0;
    x->seq = t->seq;
    if (x->failed || t->len == 0)
        return;
    sql_bind_text(st, 1, x->id, strlen(x->id));
    sql_bind_int(st, 2, (int64_t)t->seq);
    sql_bind_int(st, 3, x->nth);
    sql_bind_int(st, 4, t->run);
    sql_bind_int(st, 5, t->where);
    sql_bind_text(st, 6, t->p, t->len < INDEX_TEXT_MAX ? t->len : INDEX_TEXT_MAX);
    x->failed = sql_run(st, x->e) < 0;
}

static int delete_of(struct index *ix, const char *text, const char *id, struct err *e)
{
    struct sql_stmt *st = NULL;
    if (sql_prepare(ix->db, &st, text, e) < 0)
        return -1;
    sql_bind_text(st, 1, id, strlen(id));
    int rc = sql_run(st, e);
    sql_finalize(st);
    return rc;
}

static void drop_texts(void *arg)
{
    struct texts *x = arg;
    x->failed |= delete_of(x->ix, "DELETE FROM text WHERE id = ?1", x->id, x->e) < 0;
}

/* Read the session and write down what it says. */
static int reread(struct scan *sc, const char *id, struct stamp stamp, struct summary *m,
                  struct err *e)
{
    struct texts x = { .ix = sc->ix, .id = id, .e = e };
    char *path = xasprintf("%s/%s.db", sc->ix->sessions_dir, id);
    int rc = begin(sc, e);
    bool lasts = true;
    m->text = keep_text;
    m->restart = drop_texts;
    m->arg = &x;
    if (rc == 0)
        lasts = summary_update(m, path);
    m->arg = NULL;
    free(path);
    if (!lasts || stamp.mtime_ns > sc->now_ns - RACY_NS ||
        stamp.wal_mtime_ns > sc->now_ns - RACY_NS)
        stamp.size = -1;
    if (rc < 0 || x.failed || save_summary(sc->ix, id, &stamp, m, e) < 0)
        return -1;
    return counted(sc, e);
}

static int forget(struct scan *sc, const char *id, struct err *e)
{
    if (begin(sc, e) < 0 || delete_of(sc->ix, "DELETE FROM session WHERE id = ?1", id, e) < 0 ||
        delete_of(sc->ix, "DELETE FROM text WHERE id = ?1", id, e) < 0)
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
    sql_bind_text(sc->ix->get, 1, id, strlen(id));
    int got = sql_step(sc->ix->get, e);
    bool same = got == 1 && same_stamp(sc->ix->get, &stamp);
    if (got == 1 && !same)
        load_summary(&m, sc->ix->get);
    sql_reset(sc->ix->get);
    int rc = got < 0 ? -1 : 0;
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
            f->changed = !look(sc, f->id, f->hot, &stamp) || !same_stamp(st, &stamp);
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
        char lock[80], wal[80];
        snprintf(lock, sizeof lock, "%s.lock", known[i]);
        snprintf(wal, sizeof wal, "%s.db-wal", known[i]);
        bool hot =
            faccessat(sc->dir_fd, lock, F_OK, 0) == 0 || faccessat(sc->dir_fd, wal, F_OK, 0) == 0;
        rc = check_one(sc, known[i], hot, e);
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
