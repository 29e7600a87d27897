/* seams.h - the real screen, gate, key decoder and views on a clock, a terminal and a record that
 * the harness owns. The linker puts the seams in place of the loop, the clock, the terminal and the
 * round (Makefile: GATE_WRAP); everything between a byte of the tty and round_decide() is the
 * program's own.
 */
#ifndef AIRLOCK_TESTS_GATE_SEAMS_H
#define AIRLOCK_TESTS_GATE_SEAMS_H

#include "cli/screen_int.h"
#include "golden/scene.h"

/* ---- the world as the program sees it ---- */
struct world {
    int64_t now_us; /* every clock of the program */
    struct screen *screen;
    struct scene *scene; /* the session's state */
    int w, h;            /* the terminal */
    char waiting[4096];  /* bytes in the terminal's queue, not read yet */
    size_t waiting_len;
    bool at_eof;
    unsigned signals;              /* pending, one bit each */
    const struct capsule *capsule; /* at the gate; NULL none */
    struct contract contract;
};
extern struct world world;

void world_begin(void);
void world_end(void);
/* One turn of the loop at world.now_us. `signals_first`: epoll promises no order of the two. */
void world_turn(bool signals_first);
int64_t world_timer_due(void); /* -1 none */

/* ---- what the harness is told; it defines these ---- */
void told_frame(const struct grid *g);
void told_flush(void); /* the program threw away what was typed and not read */
void told_stop(void);  /* it stopped itself (^Z); when this returns it goes on */
int told_decide(const struct round_decide *d);
void told_edit(void);
bool next_step(void); /* one step of the script; false: the life is over */

/* Faults put in on purpose, to see that the oracle speaks. */
enum broken {
    BREAK_NOTHING,
    BREAK_COVERAGE, /* every row counts as seen */
    BREAK_ARMING,   /* the gate is armed at once */
    BREAK_HEX,      /* HIGH asks nothing */
    BREAK_BURST,    /* the decoder marks no bursts, and gives out pastes as keys */
    BREAK_CAPSULE,  /* another capsule is decided than is shown */
    BREAK_SIGNALS,  /* the gate stays armed over a resize and SIGCONT */
    BREAK_COUNT
};
extern enum broken broken;

#endif
