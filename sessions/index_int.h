/* index_int.h - what the files of the index share; nobody else includes it. */
#ifndef AIRLOCK_SESSIONS_INDEX_INT_H
#define AIRLOCK_SESSIONS_INDEX_INT_H

#include "base/sha256.h"
#include "sessions/index.h"
#include "sessions/search.h"
#include "sessions/sql.h"

struct index {
    char *path, *sessions_dir;
    struct sql *db;
    bool in_memory;
    struct sql_stmt *get, *put, *put_text;
};

struct index_text {
    uint64_t seq;
    uint32_t run;
    enum search_place where;
    const char *p;
    size_t len;
};
#define INDEX_TEXT_MAX ((size_t)1 << 20) /* bytes kept of one text */

/* The columns of table `session`, in the order in which get, put and list name them. */
enum {
    COL_ID,
    COL_SIZE, /* the stamp: what the file looks like from outside; different: read it again */
    COL_MTIME,
    COL_WAL_SIZE,
    COL_WAL_MTIME,
    COL_HOT, /* a lock or a WAL stood beside it: it may change without the directory changing */
    COL_NAME,
    COL_TASK,
    COL_OUTCOME,
    COL_PLANNER,
    COL_SANDBOX,
    COL_TAGS,
    COL_PROBLEM,
    COL_CREATED,
    COL_LAST,
    COL_RUNS,
    COL_DENIED,
    COL_FAILED,
    COL_COST,
    COL_OPEN_SANDBOXES,
    COL_FAILED_RUN,
    COL_LAST_SEQ,
    COL_HEAD,
    COL_TRASHED,
    COL_FOREIGN,
    COL_ARCHIVED,
    COL_TRASHED_US,
    COL_HIGH,
    COL_WAITING,
    COL_HAS_OUTPUT,
    COL_PARENT,
    COL_COUNT
};
#define INDEX_COLUMNS                                                                              \
    "id, size, mtime, wal_size, wal_mtime, hot, name, task, outcome, planner, sandbox, tags,"      \
    " problem, created_us, last_us, runs, denied, failed, cost_nanousd, open_sandboxes,"           \
    " failed_run, last_seq, head, trashed, foreign_, archived, trashed_us, high, waiting,"         \
    " has_output, parent"

#define STAMP_COLUMNS "id, size, mtime, wal_size, wal_mtime, hot"

struct stamp {
    int64_t size, mtime_ns, wal_size, wal_mtime_ns;
    bool hot, archived; /* archived: size and time are those of the packed file */
};

/* Everything the index knows of one session; also the state of its fold, so that it can go on where
 * it stopped. */
struct summary {
    struct buf name, task, outcome, planner, sandbox, tags, problem, parent;
    int64_t created_us, last_us, runs, denied, failed, cost_nanousd, open_sandboxes;
    int64_t failed_run; /* the last run counted as failed: it is counted once */
    int64_t last_seq;
    uint8_t head[SHA256_LEN]; /* chain at last_seq */
    int64_t trashed_us, high;
    bool trashed, foreign, waiting, has_output;
    /* Where its texts go; may be NULL. `restart`: those told before are void. */
    void (*text)(void *arg, const struct index_text *t);
    void (*restart)(void *arg);
    void *arg;
};
void summary_init(struct summary *m);
void summary_release(struct summary *m);
/* Fold what is new in the session file at `path`. A failure is told in m->problem; false then: it
 * may pass (a full disk; SQLite calls a failed read damage, too), so the file is to be read again
 * though it did not change. */
bool summary_update(struct summary *m, const char *path);

/* ---- index_row.c: what is kept of one session. The last two want an open transaction. */
/* Was the file read when it looked as `now`? `row` begins with STAMP_COLUMNS. */
bool index_row_matches(struct sql_stmt *row, const struct stamp *now);
/* *same: there is a row, and it matches. Where it does not, m is what it says, to go on from. */
int index_row_find(struct index *ix, const char *id, const struct stamp *now, struct summary *m,
                   bool *same, struct err *e) MUST_CHECK;
/* Fold what is new in the file into m, then keep m, the texts and the stamp. */
int index_row_read(struct index *ix, const char *id, struct stamp stamp, struct summary *m,
                   struct err *e) MUST_CHECK;
int index_row_forget(struct index *ix, const char *id, struct err *e) MUST_CHECK;

/* One pass over the directory; `id` NULL: all of it. */
int index_scan(struct index *ix, const char *id, struct err *e);

#endif
