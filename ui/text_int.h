/* text_int.h - what the files of ui/text share with each other and nobody else. */
#ifndef AIRLOCK_UI_TEXT_INT_H
#define AIRLOCK_UI_TEXT_INT_H

#include "ui/text.h"

/* text_sgr.c: length of an SGR sequence at p (which is ESC), applied to *s; 0 when it is none. */
size_t text_parse_sgr(const char *p, size_t len, struct text_sgr *s);
struct text_sgr text_visible_sgr(struct text_sgr s);

/* text_alike.c: judge the word that the byte at `pos` lies in; sets token_mixed and token_end. */
void text_judge_word(struct text_iter *it, size_t pos);
bool text_is_alike_script(uint32_t cp); /* Greek, Cyrillic and rarer ones with Latin look-alikes */

/* text.c: can it be part of an identifier? */
bool text_is_word(uint32_t cp);

#endif
