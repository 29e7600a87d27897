/* claude_feed.h - the events of a managed session: from the stream as its bytes arrive and from the
 * history after the stream was cut; each one once, in order. [claude.md §8.2] */
#ifndef AIRLOCK_SANDBOXES_CLAUDE_FEED_H
#define AIRLOCK_SANDBOXES_CLAUDE_FEED_H

#include "base/json.h"
#include "base/sse.h"

#define CLAUDE_EVENTS_MAX 60000 /* of one session */
#define CLAUDE_QUEUE_MAX  4096

struct claude_queue {
    struct json **items;
    size_t first, count, cap;
};

struct claude_feed {
    struct sse sse;
    struct claude_queue live, past;
    bool holding;   /* what the stream brings waits for the history */
    uint64_t *seen; /* hashes of ids, open addressing; 0 empty */
    size_t seen_count, seen_cap;
    struct err bad;
};

void claude_feed_init(struct claude_feed *f);
void claude_feed_release(struct claude_feed *f);
/* Another session: nothing was seen. */
void claude_feed_reset(struct claude_feed *f);

/* A new stream begins. `after_cut`: its events wait until the history was told. */
void claude_feed_open(struct claude_feed *f, bool after_cut);
/* Bytes of the stream. ERR_FORMAT, ERR_LIMIT: it makes no sense; for good. */
int claude_feed_bytes(struct claude_feed *f, const char *p, size_t len, struct err *e) MUST_CHECK;
/* A page of the history; the name of the next page goes to `next`, "" none. */
int claude_feed_page(struct claude_feed *f, const char *body, size_t len, struct buf *next,
                     struct err *e) MUST_CHECK;
/* All of the history was told. */
void claude_feed_caught_up(struct claude_feed *f);

/* The next event that was not there before; the caller frees it. NULL: none now. */
struct json *claude_feed_next(struct claude_feed *f);

#endif
