/* index_row.c - what the index keeps of one session: its row, and its texts. */
#include "sessions/index_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- the row ---- */

bool index_row_matches(struct sql_stmt *row, const struct stamp *now)
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

int index_row_find(struct index *ix, const char *id, const struct stamp *now, struct summary *m,
                   bool *same, struct err *e)
{
    sql_bind_text(ix->get, 1, id, strlen(id));
    int got = sql_step(ix->get, e);
    *same = got == 1 && index_row_matches(ix->get, now);
    if (got == 1 && !*same)
        load_summary(m, ix->get);
    sql_reset(ix->get);
    return got < 0 ? -1 : 0;
}

/* ---- the texts ---- */

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

static void drop_texts(void *arg)
{
    struct texts *x = arg;
    x->failed |= delete_of(x->ix, "DELETE FROM text WHERE id = ?1", x->id, x->e) < 0;
}

int index_row_read(struct index *ix, const char *id, struct stamp stamp, struct summary *m,
                   struct err *e)
{
    struct texts x = { .ix = ix, .id = id, .e = e };
    char *path = xasprintf("%s/%s.db", ix->sessions_dir, id);
    m->text = keep_text;
    m->restart = drop_texts;
    m->arg = &x;
    if (!summary_update(m, path))
        stamp.size = -1;
    m->arg = NULL;
    free(path);
    return x.failed ? -1 : save_summary(ix, id, &stamp, m, e);
}

int index_row_forget(struct index *ix, const char *id, struct err *e)
{
    int rc = delete_of(ix, "DELETE FROM session WHERE id = ?1", id, e);
    return rc == 0 ? delete_of(ix, "DELETE FROM text WHERE id = ?1", id, e) : -1;
}
