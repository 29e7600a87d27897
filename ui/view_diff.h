/* view_diff.h - a comparison on a screen of its own: sections (one part of one pair of runs each)
 * as rows, unified or side by side, equal stretches folded, the words that differ marked.
 *
 * Pure like the other views: texts are borrowed, drawing reads nothing else. Long lines are cut at
 * the edge; `left` scrolls sideways.
 */
#ifndef AIRLOCK_UI_VIEW_DIFF_H
#define AIRLOCK_UI_VIEW_DIFF_H

#include "base/diff.h"
#include "ui/cell.h"

struct view_diff_text {
    const char *p;
    const size_t *starts; /* of the lines, and the end: count + 1 */
    size_t count;
};

struct view_diff_section {
    const char *title; /* "stdout: differs at line 3" */
    const char *note;  /* below it; "" none */
    struct view_diff_text a, b;
    const struct diff *diff; /* NULL: nothing to show below the title */
    bool differs;
};

enum view_diff_kind {
    DIFF_ROW_TITLE,
    DIFF_ROW_NOTE,
    DIFF_ROW_FOLD, /* `count` equal lines */
    DIFF_ROW_SAME, /* line a and line b */
    DIFF_ROW_DEL,  /* line a; its pair, when has_pair, is line b */
    DIFF_ROW_ADD,  /* line b; its pair is line a */
    DIFF_ROW_PAIR  /* side by side: line a (has_a) against line b (has_b) */
};
struct view_diff_row {
    enum view_diff_kind kind;
    bool has_a, has_b, has_pair;
    bool begins; /* a change begins here */
    uint32_t section;
    size_t a, b, count;
};

struct view_diff {
    const struct view_diff_section *sections;
    size_t section_count;
    bool beside, all /* nothing is folded */, no_words;
    /* rows, by view_diff_layout */
    struct view_diff_row *rows;
    size_t row_count, row_cap;
    size_t top, cursor /* the change looked at, a row */, left;
    /* what stands around them */
    const char *header, *masks, *message; /* message NULL: the keys instead */
    const char *search;                   /* NULL or "" none; smart case */
    bool typing;                          /* the search text is being typed */
    bool choosing;                        /* masks are switched: their list takes both lines */
};

/* Make the rows anew (sections, beside, all changed). The place is kept as well as it can be. */
void view_diff_layout(struct view_diff *d);
void view_diff_release(struct view_diff *d);
void view_diff_draw(const struct view_diff *d, struct grid *g);

/* Rows that fit below the header and above the keys. */
size_t view_diff_height(const struct grid *g);
void view_diff_move(struct view_diff *d, long rows, size_t height);
/* To the next (dir 1) or previous change; false: there is none. */
bool view_diff_jump(struct view_diff *d, int dir, size_t height);
/* To the next row that holds the search text. */
bool view_diff_find(struct view_diff *d, int dir, size_t height);

#endif
