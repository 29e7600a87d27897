/* store.h - one session = one SQLite file: the append-only event log and what hangs on it.
 * [architecture §5, AUD-1…8, performance §1.4, §1.5]
 *
 * One thread; each call may wait for the disk. One writing process per file, by flock on
 * `<id>.lock` (held for life) before SQLite opens. Readers take no lock and see a live session "as
 * of seq N". Streamed events are group-committed (STORE_GROUP_EVENTS or STORE_GROUP_US); durable
 * ones (event_is_durable) commit by themselves before append returns. After an I/O error the store
 * is read-only for good: every append fails. (AUD-4)
 *
 * While it is written the file has a WAL beside it; a clean close leaves one plain file (and its
 * `<id>.head` anchors), so reading a closed session creates nothing.
 */
#ifndef AIRLOCK_SESSIONS_STORE_H
#define AIRLOCK_SESSIONS_STORE_H

#include <sys/types.h>

#include "base/sha256.h"
#include "sessions/event.h"

struct store; /* opaque: the fields live in store_int.h */

#define STORE_SCHEMA_VERSION 1
#define STORE_ID_MAX         64
#define STORE_CHUNK_MAX      ((size_t)64 << 10) /* one run.output event holds at most this much */
#define STORE_BLOB_MAX       ((size_t)64 << 20) /* an artifact or checkpoint */
#define STORE_GROUP_EVENTS   16
#define STORE_GROUP_BYTES    ((size_t)1 << 20)
#define STORE_GROUP_US       50000
#define STORE_OFFSET_NEXT    UINT64_MAX /* event.offset: the store fills in where the stream ends */

/* 1–STORE_ID_MAX of a-z A-Z 0-9 - _ */
bool store_id_is_valid(const char *id, size_t len);

/* Make `<dir>/<id>.db`, opened for writing. ERR_FORMAT (no id), ERR_IO; ERR_BUSY when
 * the id is taken. *out is NULL on failure. */
int store_create(struct store **out, const char *dir, const char *id, struct err *e) MUST_CHECK;

/* Open for writing (resume, rename, tag). ERR_BUSY "… is open in process 4711", ERR_MISSING,
 * ERR_FORMAT (not ours, damaged, or written by a newer program: the message says which),
 * ERR_INTEGRITY (the last event does not match its hash). Upgrades older schemas. */
int store_open(struct store **out, const char *path, struct err *e) MUST_CHECK;

/* Open read-only, query_only, no lock, no checkpoint on close; may be live in another process.
 * ERR_MISSING, ERR_FORMAT as above. */
int store_open_read(struct store **out, const char *path, struct err *e) MUST_CHECK;
/* Commits what is open; call store_flush before when failure matters. NULL is fine. */
void store_close(struct store *s);

/* "3.40.1 2022-12-28 …": SQLite's version and source id, for `doctor`. [AUD-2] Static. */
const char *store_library_version(void);

const char *store_id(const struct store *s);
const char *store_path(const struct store *s);
bool store_is_live(struct store *s); /* does a writer hold the lock (this handle included)? */
uint64_t store_last_seq(const struct store *s);

/* Append; the body is copied. Sets seq, at_us, boot_us. The body is parsed and checked unless
 * ev->body says that it was. run.output: 1–STORE_CHUNK_MAX bytes, and `offset` must be where its
 * stream ends (or STORE_OFFSET_NEXT). state.changed also fills repl_var, sandbox.* the sandbox
 * table, in the same transaction. ERR_FORMAT, ERR_LIMIT: this event was refused, the store goes on;
 * everything else ends it (store_failed). */
int store_append(struct store *s, struct event *ev, struct err *e) MUST_CHECK;

/* As store_append with a blob beside the event, in the same transaction. The store adds `mime`,
 * `artifact` (the name), `bytes` and `sha256` to the body where they are not there yet, so that the
 * chain covers the blob; ev->json and ev->body then are lent until the next append. */
int store_append_artifact(struct store *s, struct event *ev, const char *mime, const char *name,
                          const void *p, size_t len, struct err *e) MUST_CHECK;
/* The same with `kind`, `ref`, `bytes`, `sha256` and `meta_sha256`; `ref` and `meta_json` NULL:
 * "". A blob too long for one event goes in parts, each of kind "….part" with the same ref. */
int store_append_checkpoint(struct store *s, struct event *ev, const char *kind, const char *ref,
                            const void *p, size_t len, const char *meta_json,
                            struct err *e) MUST_CHECK;

/* For an import: append an event whose body was erased where it comes from. `type_name` set. */
int store_append_erased(struct store *s, struct event *ev, struct err *e) MUST_CHECK;
/* From here on nobody relies on an event before the store is closed: durable ones join the group
 * and groups are large. */
void store_set_bulk(struct store *s);

int store_flush(struct store *s, struct err *e) MUST_CHECK; /* commit the open group */
/* clock_boot_us() at which the open group must be flushed; 0 when none is open. */
int64_t store_flush_due_us(const struct store *s);
/* seq of the last event that is on disk. `--json` and MCP print only up to it. */
uint64_t store_durable_seq(const struct store *s);

/* After a failure: true, and why in *why (may be NULL). Events behind store_durable_seq are lost;
 * the rest can be read. */
bool store_failed(const struct store *s, struct err *why);
/* The last word of a failed store ("stopped: disk full"), once: gives the reserve of disk space
 * back, opens the file anew and appends `ev` durably. May fail like any append. */
int store_append_last(struct store *s, struct event *ev, struct err *e) MUST_CHECK;

/* Erase the body of event `seq` with the rows that hang on it (but not the sandbox table: the
 * reaper needs it); the event stays and `verify` calls it erased. The bytes are overwritten.
 * ERR_MISSING when there is no body. */
int store_erase(struct store *s, uint64_t seq, struct err *e) MUST_CHECK;
/* Drop at most `rows` rows of the checkpoint `ref`, the last first; *more when some are left. Their
 * events stay. */
int store_drop_checkpoint(struct store *s, const char *ref, unsigned rows, bool *more,
                          struct err *e) MUST_CHECK;
/* Drop the parts of checkpoints that were never ended (the writer died on the way). */
int store_drop_loose_parts(struct store *s, struct err *e) MUST_CHECK;

/* Fold: events seq from…to (0 = to the end as it is now) in order, bodies parsed, checked against
 * their hash and lent for the call; an erased body is NULL. `fn` returns non-zero to stop. A
 * damaged body or gap ends the fold with ERR_INTEGRITY naming the seq, after all whole events were
 * given. `fn` may append, but not fold or verify the same store. */
typedef int (*store_event_fn)(void *arg, const struct event *ev);
int store_each(struct store *s, uint64_t from, uint64_t to, store_event_fn fn, void *arg,
               struct err *e) MUST_CHECK;

/* The same, but only the types whose bit (1 << type) is set in `types` are read, checked and given.
 */
int store_each_of(struct store *s, uint64_t types, uint64_t from, uint64_t to, store_event_fn fn,
                  void *arg, struct err *e) MUST_CHECK;
/* Are all events there and linked, as far as that can be told without their bodies (which a fold
 * looks at)? *whole_to is the last that is. ERR_INTEGRITY says what is wrong behind it. */
int store_check_links(struct store *s, uint64_t *whole_to, struct err *e) MUST_CHECK;
/* The chain as it stood after event `seq` (0: at the start). ERR_MISSING. */
int store_chain_at(struct store *s, uint64_t seq, uint8_t out[SHA256_LEN],
                   struct err *e) MUST_CHECK;

/* Output bytes of a stream, across chunk borders. Returns how many (0 at the end), -1 on error.
 * Sees uncommitted ones. Erased ones read as the end. */
ssize_t store_read_output(struct store *s, uint32_t run, unsigned stream, uint64_t offset,
                          char *dst, size_t len, struct err *e);
/* Behind a gap (erased chunks): where the next byte at or after `offset` lies. False: there is
 * none.
 */
bool store_find_output(struct store *s, uint32_t run, unsigned stream, uint64_t offset,
                       uint64_t *found);
uint64_t store_output_bytes(struct store *s, uint32_t run, unsigned stream);

/* Output as it lies in the file, chunk by chunk in the order of its events, all runs and streams:
 * for searching. Not compared with the hash chain (that is what `verify` is for). One walk at a
 * time; each call lends one chunk: 1, 0 at the end, -1. *walking is false at first and is the
 * call's own. */
struct store_chunk {
    uint32_t run;
    unsigned stream;
    uint64_t offset;
    const char *bytes;
    size_t len;
};
int store_walk_output(struct store *s, bool *walking, struct store_chunk *out,
                      struct err *e) MUST_CHECK;
bool store_has_output(struct store *s);

/* Blobs: appended to `out` (capped by out->max: ERR_LIMIT). ERR_MISSING. The newest of that name.
 */
int store_read_artifact(struct store *s, uint32_t run, const char *name, struct buf *out,
                        struct err *e) MUST_CHECK;
/* A checkpoint by its ref: the parts (rows of kind "….part") and the row that ends them, joined. */
int store_read_checkpoint(struct store *s, const char *ref, struct buf *out,
                          struct err *e) MUST_CHECK;

/* Rows, lent for the call; a callback returns non-zero to stop. */
struct store_artifact {
    uint64_t seq;
    uint32_t run;
    const char *mime, *name;
    uint64_t bytes;
};
typedef int (*store_artifact_fn)(void *arg, const struct store_artifact *a);
int store_each_artifact(struct store *s, uint32_t run /* 0: of all */, store_artifact_fn fn,
                        void *arg, struct err *e) MUST_CHECK;

struct store_var {
    const char *name, *type, *shape, *preview, *digest, *change;
    int64_t bytes; /* -1 unknown */
};
typedef int (*store_var_fn)(void *arg, const struct store_var *v);
/* As the last state.changed of `run` reported them. */
int store_each_var(struct store *s, uint32_t run, store_var_fn fn, void *arg,
                   struct err *e) MUST_CHECK;

/* For the reaper: what was created and how far it got ("creating" "ready" "closed" "orphaned"). */
struct store_sandbox {
    const char *label, *id, *kind, *state;
    int64_t created_us;
    uint64_t seq; /* of its latest event */
};
typedef int (*store_sandbox_fn)(void *arg, const struct store_sandbox *row);
int store_each_sandbox(struct store *s, store_sandbox_fn fn, void *arg, struct err *e) MUST_CHECK;

/* verify: recompute the chain, compare every row with it, and the head with its anchors. */
enum verify_result { VERIFY_WHOLE, VERIFY_BROKEN, VERIFY_TRUNCATED };
struct verify_report {
    enum verify_result result;
    uint64_t events, erased, first_bad; /* seq */
    uint64_t anchored;                  /* highest seq with an anchor; 0: none was found */
    uint8_t head[SHA256_LEN];
    char reason[160];
};
int store_verify(struct store *s, struct verify_report *out, struct err *e) MUST_CHECK;

#endif
