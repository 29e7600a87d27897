/* screen_replay.h - a recorded session on the screen: the same views over a state that is wound by
 * the player. Whatever would act is refused here; whatever looks goes the ordinary way. */
#ifndef AIRLOCK_CLI_SCREEN_REPLAY_H
#define AIRLOCK_CLI_SCREEN_REPLAY_H

#include "cli/screen_int.h"

struct film *film_new(struct screen *s, struct player *p, const struct screen_watch *how);
void film_free(struct film *f);
/* Begin to read the record; the first moment follows. */
void film_begin(struct film *f);
const struct state *film_state(const struct film *f);
struct store *film_store(const struct film *f);
/* What the model shows of it, before each picture. */
void film_fill(struct film *f);

/* A key that means something in a replay: true. */
bool film_key(struct film *f, const struct key_event *ev);
/* A click on the bar: true. */
bool film_click(struct film *f, int x, int y);
/* A command: done or refused: true. False: it only looks, and is done the ordinary way. */
bool film_do(struct film *f, enum keymap_command cmd, const char *args);
/* Is this a command that only makes sense in a replay? */
bool film_owns(enum keymap_command cmd);
/* Does it only look, so that a replay allows it? */
bool film_looks(enum keymap_command cmd);
/* The answer to everything that would act. */
void film_refuse(struct screen *s);

#endif
