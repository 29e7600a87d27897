/* cell.h - the screen as plain data: a grid of cells with styles, and the only ways to write one.
 * [style §8]
 *
 * Views draw on a grid; term.c alone copies changed cells to ncurses. Every text that is put here
 * goes through ui/text, so no cell can hold a control, bidi or zero-width character. [SAN-1]
 * Styles name a *role* ("what it means"); theme_resolve() turns it into colours, so a grid and its
 * golden dump do not depend on the theme.
 */
#ifndef AIRLOCK_UI_CELL_H
#define AIRLOCK_UI_CELL_H

#include <stdlib.h>
#include "base/buf.h"
#include "ui/text.h"

enum style_role {
    ROLE_TEXT,     /* ordinary */
    ROLE_DIM,      /* masked, old, secondary */
    ROLE_FRAME,    /* borders */
    ROLE_FRAME_ON, /* border and title of the pane with the focus */
    ROLE_TITLE,
    ROLE_STATUS, /* the status line */
    ROLE_WAIT,   /* yellow: waiting for you */
    ROLE_BAD,    /* red: refused, failed, HIGH */
    ROLE_GOOD,   /* green: verified, and nothing else */
    ROLE_INFO,   /* blue: information */
    ROLE_KEY,    /* a key in a hint */
    ROLE_GUTTER, /* line numbers */
    ROLE_SELECT, /* the selected row of a list, selected lines */
    ROLE_HIT,    /* search hit */
    ROLE_ADD,    /* line of a diff */
    ROLE_DEL,
    ROLE_ADD_WORD, /* the words that differ */
    ROLE_DEL_WORD,
    ROLE_KEYWORD, /* code colours */
    ROLE_STRING,
    ROLE_COMMENT,
    ROLE_NUMBER,
    ROLE_NAME, /* a function or builtin */
    ROLE_OPERATOR,
    ROLE_CONTROL, /* text marks: ^M */
    ROLE_HIDDEN,  /* <U+200B> */
    ROLE_INVALID, /* <0xC0> */
    ROLE_CONFUSABLE,
    ROLE_BLANK, /* tab arrow, counted blanks */
    ROLE_COUNT, /* ⟲n */
    ROLE_JOINED,
    ROLE_HEADING, /* prose */
    ROLE_STRONG,
    ROLE_EMPHASIS,
    ROLE_CODE,   /* code inside prose */
    ROLE_PROMPT, /* what the person types */
    ROLE_MAX
};
const char *style_role_name(enum style_role r); /* "text" … as in themes and dumps */

enum style_attr {
    STYLE_BOLD = 1u << 0,
    STYLE_UNDERLINE = 1u << 1,
    STYLE_REVERSE = 1u << 2,
    STYLE_DIM = 1u << 3,
};

/* fg/bg: 0 = as the role says; n = colour n-1 of the 256 (program output uses 1–16 only, pictures
 * the rest), or STYLE_RGB on a terminal that has them all. attrs are added to the role's. */
struct style {
    uint8_t role, attrs;
    uint16_t fg, bg;
};
#define STYLE_RGB(r, g, b)                                                                         \
    ((uint16_t)(257 + (((r) >> 3) << 10 | ((g) >> 3) << 5 | (b) >> 3))) /* 5 bits each */
#define STYLE(r) ((struct style){ .role = (uint8_t)(r) })

/* `cp` is a code point, 0 for the right half of a wide one, or CELL_POOL | index of a cluster. */
#define CELL_POOL 0x80000000u
struct cell {
    uint32_t cp;
    struct style style;
    uint8_t width; /* 1, 2; 0 = right half */
};
struct cell_cluster {
    uint32_t cp[1 + TEXT_MARKS_MAX];
    uint8_t count;
};

struct rect {
    int x, y, w, h;
};
struct rect rect_inner(struct rect r); /* without a one-cell frame; never negative */
bool rect_has(struct rect r, int x, int y);

struct grid {
    int w, h;
    struct cell *cells; /* w * h, row by row */
    struct cell_cluster *pool;
    size_t pool_count, pool_cap;
    bool ascii; /* not a UTF-8 terminal: frames and marks in ASCII, the rest <U+XXXX> [TTY-5] */
};

#define GRID_SIDE_MAX 1000
/* Any size from 0x0; sides above GRID_SIDE_MAX are cut. Contents are blank afterwards. */
void grid_init(struct grid *g, int w, int h);
void grid_resize(struct grid *g, int w, int h);
void grid_release(struct grid *g);
void grid_clear(struct grid *g);

/* All writers clip to the grid (and to `max_x`, exclusive) and repair wide characters they cut. */
struct cell *grid_at(struct grid *g, int x, int y); /* NULL outside */
/* The code points of a cell (1–5; a right half has none): count. */
size_t grid_cell_text(const struct grid *g, const struct cell *c, uint32_t out[1 + TEXT_MARKS_MAX]);
bool grid_cell_equal(const struct grid *a, const struct cell *x, const struct grid *b,
                     const struct cell *y);

/* Text of ours or anybody's, one line, cleaned as TEXT_PROSE. Returns the x behind the last cell.
 * What does not fit is cut; the _fit form ends a cut text in `…`. */
int grid_put_text(struct grid *g, int x, int y, int max_x, const char *s, struct style st);
int grid_put_textn(struct grid *g, int x, int y, int max_x, const char *s, size_t len,
                   struct style st);
int grid_put_fit(struct grid *g, int x, int y, int max_x, const char *s, struct style st);
int grid_put_format(struct grid *g, int x, int y, int max_x, struct style st, const char *fmt, ...)
    PRINTF_LIKE(6, 7);
/* One glyph of ui/text over a base style: marks and SGR are laid over it. */
int grid_put_glyph(struct grid *g, int x, int y, int max_x, const struct text_glyph *gl,
                   struct style base);
void grid_fill(struct grid *g, struct rect r, uint32_t cp, struct style st);
/* Restyle cells that are there (selection, search hits). */
void grid_paint(struct grid *g, struct rect r, struct style st);

/* Glyphs of our own, with their ASCII stand-ins. */
enum symbol {
    SYM_OK,
    SYM_FAIL,
    SYM_NOW, /* the active step */
    SYM_PENDING,
    SYM_DOT,  /* between words */
    SYM_OPEN, /* ended, unverified */
    SYM_FULL,
    SYM_WAIT, /* waits for the person */
    SYM_DENIED,
    SYM_EDITED,
    SYM_MORE, /* cut here */
    SYM_LINE, /* in titles */
    SYM_MINUS,
    SYM_DELTA,
    SYM_ARROW,
    SYM_POINT, /* a finding points at its line */
    SYM_MASK,
    SYM_UP,
    SYM_DOWN,
    SYM_TWIN,
    SYM_WRAP,
    SYM_BULLET,
    SYM_HALF,
    SYM_RULE,
    SYM_LOCK,
    SYM_ABOUT, /* at most */
    SYM_TIMES,
    SYM_MAX
};
const char *grid_symbol(const struct grid *g, enum symbol s);

/* A frame whose lines join those that are there already (├ ┬ ┼). */
void grid_box(struct grid *g, struct rect r, struct style st);

/* Text rows, then the runs of style that are not plain text. For golden files. */
void grid_dump(const struct grid *g, struct buf *out);
uint64_t grid_hash(const struct grid *g); /* equal grids, equal hash; for replay's frame check */

#endif
