/* bundle.h - a session as lines of JSON, for handing on: writing one, and reading what a stranger
 * wrote. [interface.md "Events", IMP-1]
 *
 *   {"type":"bundle.begin","format":1,"session":"01j…","redacted":true}
 *   … the events, as `--json` prints them; a run.result that has an artifact holds it as "base64"
 *   {"type":"bundle.end","events":23,"sha256":"…"}
 *
 * The hash is over all lines before the last, each with one LF behind it. Checkpoints stay at home:
 * they are memory to be brought back to life, which nobody does with a stranger's. An artifact of
 * more than BUNDLE_BLOB_MAX bytes is left out ("left_out":true); its hash stays in the record.
 *
 * The reader checks everything that can be told of one line; what the events mean together is the
 * reducer's to judge. It holds one line and what is decoded from it.
 */
#ifndef AIRLOCK_SESSIONS_BUNDLE_H
#define AIRLOCK_SESSIONS_BUNDLE_H

#include "base/ndjson.h"
#include "base/sha256.h"
#include "sessions/event.h"

#define BUNDLE_FORMAT   1
#define BUNDLE_BLOB_MAX ((size_t)20 << 20)

/* ---- writing: lines are added to `out` ---- */
int bundle_print_begin(struct buf *out, const char *session, bool redacted);
/* `blob` NULL: none. -1 when `out` is full (nothing added). */
int bundle_print_event(struct buf *out, const struct event *ev, const char *session,
                       const void *blob, size_t blob_len);
int bundle_print_end(struct buf *out, uint64_t events, const uint8_t sha256[SHA256_LEN]);

/* ---- reading ---- */
struct bundle_item {
    uint64_t line;
    struct event ev; /* body not parsed: json is the text to store, with what a bundle adds taken
                        away. The first event says that the session is foreign, and from where. */
    bool erased;
    const char *blob; /* of ev; NULL none */
    size_t blob_len;
};
/* Called for each event, in order; everything is lent. Non-zero ends the reading (set *e). */
typedef int (*bundle_fn)(void *arg, const struct bundle_item *item, struct err *e);

struct bundle_reader {
    bundle_fn fn;
    void *arg;
    struct ndjson lines;
    struct sha256 *sha;
    struct buf text, bytes; /* the body, and a decoded output or blob */
    char session[65];
    uint64_t line, seq;
    bool begun, ended;
    struct err failed;
};
void bundle_reader_init(struct bundle_reader *r, bundle_fn fn, void *arg);
void bundle_reader_release(struct bundle_reader *r);
/* ERR_FORMAT or ERR_LIMIT "line 12: …". */
int bundle_feed(struct bundle_reader *r, const char *p, size_t len, struct err *e) MUST_CHECK;
/* The file ends here: ERR_FORMAT when the bundle does not. */
int bundle_end(struct bundle_reader *r, struct err *e) MUST_CHECK;

#endif
