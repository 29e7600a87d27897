/* text_int.h - what the files of ui/text share with each other and nobody else. */
#ifndef AIRLOCK_UI_TEXT_INT_H
#define AIRLOCK_UI_TEXT_INT_H

#include "ui/text.h"

/* text_sgr.c: length of an SGR sequence at p (which is ESC), applied to *s; 0 when it is none. */
size_t text_parse_sgr(const char *p, size_t len, struct text_sgr *s);
struct text_sgr text_visible_sgr(struct text_sgr s);

/* text_alike.c: can a person take the glyph (of code) for another one? By itself, or because the
 * word it stands in mixes scripts; a word is judged once (it->token_mixed, it->token_end). */
bool text_is_confusable(struct text_iter *it, const struct text_glyph *g);

#endif
