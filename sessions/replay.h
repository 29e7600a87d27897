/* replay.h - the clock over recorded events, and the places in a session worth going to.
 *
 * The record is measured once, in order: replay_add for each event, replay_mark where something
 * happened that a person jumps to. Time here is playing time: the recorded gaps between events,
 * each cut to the idle cap, so a gate that waited all night costs a replay two seconds. Nothing
 * here reads a clock or a file. Events are numbered by their seq, 1 first, without gaps.
 */
#ifndef AIRLOCK_SESSIONS_REPLAY_H
#define AIRLOCK_SESSIONS_REPLAY_H

#include "sessions/event.h"

#define REPLAY_IDLE_US   ((int64_t)2000000) /* the cap unless another is asked for */
#define REPLAY_MARKS_MAX ((size_t)1 << 20)

enum replay_kind {
    REPLAY_RUN,        /* a run was proposed */
    REPLAY_GATE,       /* a gate opened */
    REPLAY_DECIDED,    /* … and was decided */
    REPLAY_FAILURE,    /* a run failed, a check was refuted, an error was recorded */
    REPLAY_HIGH,       /* a review with a HIGH finding */
    REPLAY_DIFFERENCE, /* a run ended that has an attempt before to compare its output with */
    REPLAY_KINDS
};
const char *replay_kind_name(enum replay_kind k); /* "run" "gate" … */

struct replay_mark {
    uint64_t seq;
    uint32_t run, base; /* base: REPLAY_DIFFERENCE's attempt before */
    enum replay_kind kind;
};

struct replay {
    size_t count, cap;
    uint32_t *gap_us; /* before event i + 1, at most 71 minutes */
    int64_t *block;   /* playing time at the start of each REPLAY_BLOCK events */
    size_t block_count;
    int64_t idle_us; /* 0: no cap */
    int64_t at_us, boot_us, total_us;
    struct replay_mark *marks; /* by seq */
    size_t mark_count, mark_cap;
};

void replay_init(struct replay *r, int64_t idle_us);
void replay_release(struct replay *r);
/* The next event of the record. */
void replay_add(struct replay *r, int64_t at_us, int64_t boot_us);
/* Something to jump to at the event added last. Beyond REPLAY_MARKS_MAX it is not kept. */
void replay_mark(struct replay *r, enum replay_kind kind, uint32_t run, uint32_t base);
void replay_set_idle(struct replay *r, int64_t idle_us);

/* Playing time of event `seq`: 0 for the first and before it, the end for later ones. */
int64_t replay_time_of(const struct replay *r, uint64_t seq);
/* The last event whose playing time is ≤ us; 0 when the record is empty. */
uint64_t replay_seq_at(const struct replay *r, int64_t us);

/* The nearest mark of one of `kinds` (bits 1 << kind) behind (dir 1) or before (dir -1) event
 * `seq`; NULL none. */
const struct replay_mark *replay_find(const struct replay *r, unsigned kinds, uint64_t seq,
                                      int dir);

#endif
