/* store.h - one session = one SQLite file: the append-only event log and what hangs on it.
 * [architecture §5, AUD-1…8, performance §1.4, §1.5]
 *
 * One thread; each call may wait for the disk. One writing process per file, by flock on
 * `<id>.lock` (held for life) before SQLite opens. Readers take no lock and see a live session "as
 * of seq N". Streamed events are group-committed (STORE_GROUP_EVENTS or STORE_GROUP_US); durable
 * ones (event_is_durable) commit by themselves before append returns. After an I/O error the store
 * is read-only for good: every append fails. (AUD-4)
 */
#ifndef AIRLOCK_SESSIONS_STORE_H
#define AIRLOCK_SESSIONS_STORE_H

#include <sys/types.h>
#include "base/sha256.h"
#include "sessions/event.h"

struct store; /* opaque: the fields live in store.c */

#define STORE_SCHEMA_VERSION 1
#define STORE_CHUNK_MAX      ((size_t)64 << 10) /* one run.output event holds at most this much */
#define STORE_GROUP_EVENTS   16
#define STORE_GROUP_US       50000

/* Make `<dir>/<id>.db`, opened for writing. ERR_IO; ERR_BUSY when the id is taken. *out is NULL on
 * failure. */
int store_create(struct store **out, const char *dir, const char *id, struct err *e) MUST_CHECK;

/* Open for writing (resume, rename, tag). ERR_BUSY "… is open in process 4711", ERR_MISSING,
 * ERR_FORMAT (not ours, damaged, or written by a newer program: the message says which). Upgrades
 * older schemas. */
int store_open(struct store **out, const char *path, struct err *e) MUST_CHECK;

/* Open read-only, query_only, no lock, no checkpoint on close; may be live in another process. */
int store_open_read(struct store **out, const char *path, struct err *e) MUST_CHECK;
void store_close(struct store *s); /* commits what is open */

const char *store_id(const struct store *s);
const char *store_path(const struct store *s);
bool store_is_live(struct store *s); /* read-only handle: does a writer hold the lock? */
uint64_t store_last_seq(const struct store *s);

/* Append; the body is copied. Sets seq, at_us, boot_us. run.output bytes ≤ STORE_CHUNK_MAX.
 * state.changed also fills repl_var, sandbox.* the sandbox table, in the same transaction. */
int store_append(struct store *s, struct event *ev, struct err *e) MUST_CHECK;

/* As store_append with a blob beside the event, in the same transaction. */
int store_append_artifact(struct store *s, struct event *ev, const char *mime, const char *name,
                          const void *p, size_t len, struct err *e) MUST_CHECK;
int store_append_checkpoint(struct store *s, struct event *ev, const char *kind, const char *ref,
                            const void *p, size_t len, const char *meta_json,
                            struct err *e) MUST_CHECK;

int store_flush(struct store *s, struct err *e) MUST_CHECK; /* commit the open group */
/* clock_boot_us() at which the open group must be flushed; 0 when none is open. */
int64_t store_flush_due_us(const struct store *s);
/* seq of the last event that is on disk. `--json` and MCP print only up to it. */
uint64_t store_durable_seq(const struct store *s);

/* Fold: events seq from…to (0 = to the end) in order, bodies parsed and lent for the call. `fn`
 * returns non-zero to stop. A damaged body or gap ends the fold with ERR_INTEGRITY naming the seq,
 * after all whole events were given. */
typedef int (*store_event_fn)(void *arg, const struct event *ev);
int store_each(struct store *s, uint64_t from, uint64_t to, store_event_fn fn, void *arg,
               struct err *e) MUST_CHECK;

/* Output bytes of a stream, across chunk borders. Returns how many (0 at the end), -1 on error.
 * Sees uncommitted ones. */
ssize_t store_read_output(struct store *s, uint32_t run, unsigned stream, uint64_t offset,
                          char *dst, size_t len, struct err *e);
uint64_t store_output_bytes(struct store *s, uint32_t run, unsigned stream);

/* Blobs: appended to `out` (capped by out->max). ERR_MISSING. */
int store_read_artifact(struct store *s, uint32_t run, const char *name, struct buf *out,
                        struct err *e) MUST_CHECK;
/* Newest checkpoint of `kind` with run ≤ `run` (0 = newest); *run_out its run. */
int store_read_checkpoint(struct store *s, const char *kind, uint32_t run, uint32_t *run_out,
                          struct buf *out, struct err *e) MUST_CHECK;

/* verify: recompute the chain. */
enum verify_result { VERIFY_WHOLE, VERIFY_BROKEN, VERIFY_TRUNCATED };
struct verify_report {
    enum verify_result result;
    uint64_t events, erased, first_bad; /* seq */
    uint8_t head[SHA256_LEN];
    char reason[160];
};
int store_verify(struct store *s, struct verify_report *out, struct err *e) MUST_CHECK;

#endif
