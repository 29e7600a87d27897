/* index.h - index.db: a derived list of sessions, deletable and rebuildable at any time. Failing to
 * update it never fails a command. [architecture §5, interface.md "ID"]
 *
 * A refresh looks at the directory of sessions; only files whose size, times or last event differ
 * are read, and those only from the event on that was read last. When the directory itself has not
 * changed and nothing is live, it is one stat(2). Where index.db can't be written (read-only data,
 * a full disk) the same list is kept in memory.
 */
#ifndef AIRLOCK_SESSIONS_INDEX_H
#define AIRLOCK_SESSIONS_INDEX_H

#include "base/buf.h"

struct index;

struct index_entry {
    const char *id, *name, *task; /* task: at most 1 KiB of the first one */
    const char *outcome;          /* "" until it is finished, and again when it was resumed */
    const char *planner, *sandbox;
    const char *parent; /* "ID:RUN" of a fork, "ID" of a rerun; "" */
    const char *tags;   /* blank-separated; "" when none */
    int64_t created_us, last_us;
    int64_t runs, denied, failed, cost_nanousd;
    int64_t open_sandboxes; /* neither closed nor paused: for the reaper */
    uint64_t last_seq;
    int64_t trashed_us; /* when it went to the trash */
    int64_t high;       /* HIGH findings of all its runs */
    bool trashed, foreign, live;
    bool archived; /* packed; reading it unpacks a copy */
    bool waiting;  /* it stopped with a gate open */
    bool has_output;
    const char *problem; /* why the file could not be read; "" */
};

/* `data_dir` is made when it is missing. A damaged index.db is thrown away. */
int index_open(struct index **out, const char *data_dir, struct err *e) MUST_CHECK;
void index_close(struct index *ix); /* NULL is fine */

/* Bring it up to date with sessions/. An unreadable session is no error, see `problem`; neither is
 * another process that holds index.db (the list is then a moment old). ERR_IO: the directory of
 * sessions can't be read. */
int index_refresh(struct index *ix, struct err *e) MUST_CHECK;
/* Only this one (session end, rename, tag). */
int index_refresh_one(struct index *ix, const char *id, struct err *e) MUST_CHECK;

/* A query: words that all stand in id, name, task or tags (ASCII case is ignored), and filters:
 * ~fail ~denied ~high (it has such runs), ~gate (it waits at one), ~live ~archived, tag:WORD,
 * sandbox:WORD (beginnings), since:2026-11-22 or since:N with s m h d w behind it. */
#define INDEX_QUERY_WORDS 16
struct index_query {
    char text[512]; /* the words, cut apart */
    const char *words[INDEX_QUERY_WORDS], *tags[4];
    size_t word_count, tag_count;
    const char *sandbox;
    unsigned flags;
    int64_t since_us;
};
/* `text` NULL or "": everything. ERR_USAGE: an unknown filter, `since:` without a value, more
 * words, tags or bytes than fit (left out, they would let more through). */
int index_query_parse(struct index_query *q, const char *text, int64_t now_us,
                      struct err *e) MUST_CHECK;
bool index_query_matches(const struct index_query *q, const struct index_entry *x);

/* Newest first. `limit` 0: all. ERR_USAGE as above. */
enum index_which { INDEX_KEPT, INDEX_ALL, INDEX_TRASHED };
typedef int (*index_fn)(void *arg, const struct index_entry *entry); /* lent; non-zero stops */
int index_list(struct index *ix, const char *query, enum index_which which, size_t limit,
               index_fn fn, void *arg, struct err *e) MUST_CHECK;

/* `word` = an id, a unique prefix, a name, or "last" → the id, and its path (caller frees both).
 * Refreshes first where it has to. ERR_MISSING, ERR_USAGE when ambiguous (names the candidates). */
int index_resolve(struct index *ix, const char *word, char **id, char **path,
                  struct err *e) MUST_CHECK;

#endif
