/* highlight.h - code colours: tokens of tool/lex to roles, from any line on, also while the code is
 * still growing. */
#ifndef AIRLOCK_UI_HIGHLIGHT_H
#define AIRLOCK_UI_HIGHLIGHT_H

#include "tool/lex.h"
#include "ui/cell.h"

/* Line starts of one code, kept sparsely. */
struct highlight {
    struct lex_lines lines;
};
void highlight_init(struct highlight *h, const char *language);
void highlight_release(struct highlight *h);
/* Read on to the end of `code`; what was read before must be unchanged. */
void highlight_extend(struct highlight *h, const char *code, size_t len);

/* A walk along the bytes from a line on; questions must come in rising order. */
struct highlight_walk {
    struct lex lex;
    size_t start, end; /* of the token at hand */
    enum style_role role;
};
void highlight_seek(struct highlight_walk *w, const struct highlight *h, const char *code,
                    size_t len, size_t line);
enum style_role highlight_role(struct highlight_walk *w, size_t offset);

#endif
