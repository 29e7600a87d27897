/* player.h - a recorded session as something that can be wound back and forth: its file, the state
 * at one moment, snapshots on the way, the clock. Reads only; starts, sends and writes nothing.
 *
 * First the record is read once, as far as it is whole (player_read, in pieces, so that a long one
 * can be left); that gives the clock, the marks and at most PLAYER_SNAPSHOTS snapshots, spread so
 * that no seek folds more than a small part. Then the state stands at any event that is asked for.
 * A live session is played as of the moment it was opened.
 */
#ifndef AIRLOCK_CLI_PLAYER_H
#define AIRLOCK_CLI_PLAYER_H

#include "sessions/replay.h"
#include "sessions/store.h"
#include "tool/state.h"

#define PLAYER_SNAPSHOTS 128

struct player;

/* A session file, by id and path; idle_us as replay_init. ERR_MISSING, ERR_FORMAT. */
int player_open(struct player **out, const char *id, const char *path, int64_t idle_us,
                struct err *e) MUST_CHECK;
void player_free(struct player *p);

/* Read on for about `budget_us` (0: to the end). True when all was read; the state then stands at
 * the end. Before that nothing else may be asked but player_percent. */
bool player_read(struct player *p, int64_t budget_us);
int player_percent(const struct player *p); /* of player_read */
/* Where the record stops being whole, and why; ERR_NONE: it is whole. The events before are played.
 */
const struct err *player_broken(const struct player *p);

/* Go to the moment after event `seq` (0: before the first; cut to the last). -1 only when the file
 * can't be read any more or is not what it was. */
int player_go(struct player *p, uint64_t seq, struct err *e) MUST_CHECK;
/* The same forwards, giving each event to `fn` after the state holds it; stops before `seq` when
 * about `budget_us` are over (0: never). */
typedef void (*player_fn)(void *arg, const struct event *ev);
int player_play(struct player *p, uint64_t seq, int64_t budget_us, player_fn fn, void *arg,
                struct err *e) MUST_CHECK;

const char *player_id(const struct player *p);
uint64_t player_seq(const struct player *p);  /* where it stands */
uint64_t player_last(const struct player *p); /* the last whole event */
const struct state *player_state(const struct player *p);
struct store *player_store(const struct player *p);
struct replay *player_clock(const struct player *p);
/* What was decided at the gate that is open now, in words: "approved by person after 4.1 s, 7 lines
 * seen: reason". False when no gate is open, or the record ends before a decision. */
struct past_decision {
    uint64_t seq;
    char decision[16], by[16];
    char text[512];
};
bool player_decision(struct player *p, struct past_decision *out);
/* The event at which run `number` was proposed; 0: there is no such run. */
uint64_t player_run_seq(const struct player *p, uint32_t number);

#endif
