/* index.h - index.db: a derived list of sessions (and text search later), deletable and rebuildable
 * at any time. Failing to update it never fails a command. [architecture §5] */
#ifndef AIRLOCK_SESSIONS_INDEX_H
#define AIRLOCK_SESSIONS_INDEX_H

#include "base/buf.h"

struct index;

struct index_entry {
    char *id, *name, *task, *outcome, *planner, *sandbox,
        *tags; /* tags: blank-separated; "" when none */
    int64_t created_us, last_us;
    int64_t runs, denied, failed, cost_nanousd;
    uint64_t last_seq;
    bool trashed, foreign, live;
    char *problem; /* why the file could not be read; "" */
};

int index_open(struct index **out, const char *data_dir, struct err *e) MUST_CHECK;
void index_close(struct index *ix);

/* Bring it up to date with sessions/ (stat every file, read those whose size/mtime/last seq
 * differ). */
int index_refresh(struct index *ix, struct err *e) MUST_CHECK;
/* Only this one (session end, rename, tag). */
int index_refresh_one(struct index *ix, const char *id, struct err *e) MUST_CHECK;

/* Newest first; `query` NULL or words matched in id, name, task, tags. Trashed ones only when asked
 * for. */
typedef int (*index_fn)(void *arg, const struct index_entry *entry); /* lent; non-zero stops */
int index_list(struct index *ix, const char *query, bool trashed, size_t limit, index_fn fn,
               void *arg, struct err *e) MUST_CHECK;

/* `word` = an id, a unique prefix, a name, or "last" → the id, and its path (caller frees).
 * ERR_MISSING, ERR_USAGE when ambiguous (names the candidates). */
int index_resolve(struct index *ix, const char *word, char **id, char **path,
                  struct err *e) MUST_CHECK;

#endif
