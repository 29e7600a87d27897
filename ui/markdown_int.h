/* markdown_int.h - the wrapping that prose.c and markdown.c share. */
#ifndef AIRLOCK_UI_MARKDOWN_INT_H
#define AIRLOCK_UI_MARKDOWN_INT_H

#include "ui/markdown.h"

/* Words flow into lines of `width` columns; new lines begin with `indent` blanks. */
struct wrap {
    struct prose *prose;
    size_t width, indent, column, start;
    bool open;  /* a line is being filled */
    bool blank; /* a blank is due before the next word */
};
void wrap_begin(struct wrap *w, struct prose *p, size_t width);
void wrap_line(struct wrap *w);
void wrap_end(struct wrap *w);
void wrap_text(struct wrap *w, const char *s, size_t len, enum style_role role);
/* As it is, blanks included; broken only where the line is full. */
void wrap_raw(struct wrap *w, const char *s, size_t len, enum style_role role);

#endif
