/* term.h - the terminal: ncurses behind one file. Copies changed cells of a grid, nothing else.
 * [style §8, TTY-1…6, SAN-1]
 *
 * It never asks the terminal anything. Beyond what ncurses takes from terminfo it writes these
 * sequences and no others: bracketed paste on/off (?2004), and, if the mouse is wanted, ?1000 and
 * ?1006 on/off. They are undone on every way out, also from a fatal signal.
 */
#ifndef AIRLOCK_UI_TERM_H
#define AIRLOCK_UI_TERM_H

#include "ui/cell.h"
#include "ui/theme.h"

struct term;

struct term_options {
    bool mouse;
    bool no_color;
};

/* True when the screen can't be used and lines must do: stdin or stdout no terminal, TERM unset or
 * dumb. *why is a static sentence. */
bool term_is_hopeless(const char **why);

/* Take the terminal over. ERR_MISSING. *note (may be NULL) gets a static sentence when TERM was
 * unknown and a fallback is used; else NULL. */
int term_open(struct term **out, const struct term_options *opt, const char **note,
              struct err *e) MUST_CHECK;
void term_close(struct term *t); /* gives it back; NULL is fine */

int term_colors(const struct term *t); /* 0, 8, 16, 256; above: colours by their parts */
bool term_is_utf8(const struct term *t);
void term_size(const struct term *t, int *w, int *h);

/* Ask the kernel for the size again (after SIGWINCH); true when it changed. */
bool term_resized(struct term *t);

/* Show the grid: only cells that differ from what is shown are written. cursor_x < 0 hides the
 * cursor. False: nothing was shown, the terminal is lent or has another size by now. */
bool term_draw(struct term *t, const struct grid *g, const struct theme *theme, int cursor_x,
               int cursor_y);
/* The same where only rows [from, g->h) were drawn on since. */
bool term_draw_from(struct term *t, const struct grid *g, const struct theme *theme, int from,
                    int cursor_x, int cursor_y);
/* Everything is drawn anew at the next term_draw (^L, after another program had the terminal). */
void term_redraw(struct term *t);

/* Lend the terminal to another program (the editor, the shell after ^Z) and take it back. */
void term_suspend(struct term *t);
void term_resume(struct term *t);

/* Throw away what was typed and not read yet. [APR-9] */
void term_flush_input(struct term *t);
bool term_input_waits(const struct term *t);

const char *term_library_version(void); /* "ncurses 6.4.20221231", static */

#endif
