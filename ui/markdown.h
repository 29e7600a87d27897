/* markdown.h - prose as styled lines of a width: Markdown (md4c behind it) and plain text.
 *
 * The text stays as it came; it is cleaned when it is drawn (grid_put_prose), and measured the same
 * way here, so a control or a bidi mark in it takes the room of its mark.
 */
#ifndef AIRLOCK_UI_MARKDOWN_H
#define AIRLOCK_UI_MARKDOWN_H

#include "ui/cell.h"

struct prose_span {
    size_t start, len; /* in `text` */
    uint8_t role;
};
struct prose_line {
    size_t first, count; /* spans */
};
struct prose {
    struct buf text;
    struct prose_span *spans;
    size_t span_count, span_cap;
    struct prose_line *lines;
    size_t line_count, line_cap;
};

#define PROSE_BYTES_MAX ((size_t)256 << 10) /* of one text; the rest is said to be cut */

void prose_init(struct prose *p);
void prose_release(struct prose *p);
void prose_reset(struct prose *p);

/* Append lines of at most `width` columns (≥ 8; less counts as 8), broken at blanks. */
void prose_add_markdown(struct prose *p, const char *md, size_t len, size_t width);
void prose_add_plain(struct prose *p, const char *s, size_t len, size_t width,
                     enum style_role role);
/* A name of `columns` columns, and behind it the text, wrapped under itself. */
struct prose_field {
    const char *name;
    size_t columns;
    enum style_role name_role, role;
};
void prose_add_field(struct prose *p, const struct prose_field *f, const char *s, size_t len,
                     size_t width);
/* One line as it is: several calls with `more` build it from spans. */
void prose_add_span(struct prose *p, const char *s, size_t len, enum style_role role, bool more);
void prose_add_empty(struct prose *p);

/* Draw one line; returns the x behind it. */
int grid_put_prose(struct grid *g, int x, int y, int max_x, const struct prose *p, size_t line);

#endif
