/* cost.h - what sessions have cost: a pure fold over their events, one session after the other.
 *
 * Tokens and money are those of the record, as servers counted them and as prices stood then. A
 * call whose price was not known counts as unknown, never as nothing. A sandbox's seconds run from
 * its ready to its end by the boot clock; one whose end is not recorded counts up to the last thing
 * that is known of it: as "at least", unless its kind always ends with the program.
 */
#ifndef AIRLOCK_TOOL_COST_H
#define AIRLOCK_TOOL_COST_H

#include "sessions/event.h"

/* The events it looks at, for store_each_of(). */
#define COST_TYPES                                                                                 \
    ((UINT64_C(1) << EVENT_USAGE) | (UINT64_C(1) << EVENT_SANDBOX_READY) |                         \
     (UINT64_C(1) << EVENT_SANDBOX_CLOSED) | (UINT64_C(1) << EVENT_SANDBOX_PAUSED) |               \
     (UINT64_C(1) << EVENT_RUN_FINISHED) | (UINT64_C(1) << EVENT_SESSION_FINISHED) |               \
     (UINT64_C(1) << EVENT_SESSION_RESUMED))

enum cost_by { COST_BY_MODEL, COST_BY_SESSION, COST_BY_SANDBOX, COST_BY_DAY, COST_BY_COUNT };
/* "model" …; -1 for another word. */
int cost_by_parse(const char *word, enum cost_by *out);
const char *cost_by_name(enum cost_by by);

struct cost_sum {
    int64_t calls, unpriced; /* of a model; those of unknown price */
    int64_t input_tokens, cache_read_tokens, cache_write_tokens, output_tokens;
    int64_t cost_nanousd; /* of what is known */
    int64_t sandbox_ms;   /* at least, when … */
    int64_t unclosed;     /* … the end of so many is not in the record */
};
struct cost_row {
    char *key; /* "anthropic:claude-…", a session's id, a sandbox's kind, "2026-11-22" (UTC) */
    struct cost_sum sum;
};
struct cost_sandbox;

struct cost {
    enum cost_by by;
    struct cost_row *rows; /* in the order in which they came up */
    size_t count, cap;
    struct cost_sum total;
    /* Told of each call of a model, in order. May be NULL. */
    void (*call)(void *arg, const struct event *ev, const char *source, const struct cost_sum *sum);
    void *arg;
    /* Does a sandbox of this kind end with Airlock, whatever happens? NULL: none does. */
    bool (*ends_with_us)(const char *kind);
    char *session;                    /* the one being read */
    int64_t last_at_us, last_boot_us; /* of the events so far */
    struct cost_sandbox *open;
    size_t open_count;
};

void cost_init(struct cost *c, enum cost_by by);
void cost_release(struct cost *c);
void cost_begin(struct cost *c, const char *session);
void cost_add(struct cost *c, const struct event *ev);
void cost_end(struct cost *c);

#endif
