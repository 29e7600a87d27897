/* layout.h - which pane stands where: arithmetic on rectangles, no drawing. [peers §3 rule 7]
 *
 * Under 100 columns stacked, 100–179 two columns, from 180 three. Under 24 rows the plan goes,
 * under 16 only the gate and one pane; under 40x10 nothing but a message with the needed size (and
 * deny still works). While a gate is open the result depends on the screen's size, focus and zoom
 * alone, so nothing moves under the person's eyes.
 */
#ifndef AIRLOCK_UI_LAYOUT_H
#define AIRLOCK_UI_LAYOUT_H

#include "ui/cell.h"

enum view_pane {
    PANE_PROMPT = 0, /* as focus: the prompt line */
    PANE_PLAN = 1,
    PANE_CODE,
    PANE_OUT,
    PANE_ERR,
    PANE_GATE,
    PANE_TIMELINE,
    PANE_STATE,
    PANE_NOTES,  /* what was said: task, planner's words, notes, errors */
    PANE_RECORD, /* the selected run in words; no key of its own, only where there is room */
    PANE_COUNT
};
const char *view_pane_name(enum view_pane p); /* "Plan" … */

#define LAYOUT_MIN_W 40
#define LAYOUT_MIN_H 10

struct layout_ask {
    int w, h;
    bool gate_open;
    enum view_pane focus; /* a pane without a place of its own takes the middle while focused */
    enum view_pane main;  /* where only one fits: the one looked at last; 0 = code */
    enum view_pane zoom;  /* 0 none; while a gate is open the gate stays */
    bool no_output;       /* nothing ran yet: the code at the gate gets all the room */
    int prompt_rows;      /* of an unfinished block; 1 otherwise. Ignored while a gate is open */
};

struct layout {
    bool too_small;
    int columns;                             /* 1, 2, 3 */
    struct rect status, body, prompt, hints; /* h == 0: not shown; body = all panes together */
    /* With frame; neighbours share their border. w == 0: not shown. */
    struct rect pane[PANE_COUNT];
    bool framed; /* false while zoomed: no border at the sides, so copying takes text only */
};

void layout_make(struct layout *out, const struct layout_ask *ask);
bool layout_equal(const struct layout *a, const struct layout *b);
/* What is inside the frame (or, zoomed, below the title); never negative. */
struct rect layout_inner(const struct layout *l, enum view_pane p);
/* Pane at a screen cell (mouse), PANE_PROMPT for prompt and none. */
enum view_pane layout_pane_at(const struct layout *l, int x, int y);
/* Next (dir 1) or previous (-1) pane in reading order that can be focused; wraps round. */
enum view_pane layout_next_pane(const struct layout *l, enum view_pane from, int dir);

#endif
