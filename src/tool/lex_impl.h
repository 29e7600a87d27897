/* lex_impl.h - what lex.c and the three languages share. Nobody else includes it. */
#ifndef AIRLOCK_TOOL_LEX_IMPL_H
#define AIRLOCK_TOOL_LEX_IMPL_H

#include <string.h>
#include "tool/lex.h"

/* Frames with this bit hold text: blanks in them belong to tokens. The other bits are the
 * language's. */
#define FRAME_TEXT 0x80u

/* Each reads one token that starts at lx->at (< lx->len), moves lx->at behind it (at least one
 * byte) and sets kind and flags. */
void lex_python_step(struct lex *lx, struct lex_token *t);
void lex_shell_step(struct lex *lx, struct lex_token *t);
void lex_javascript_step(struct lex *lx, struct lex_token *t);

static inline int lex_peek(const struct lex *lx, size_t ahead)
{
    size_t at = lx->at + ahead;
    return at < lx->len ? (unsigned char)lx->code[at] : -1;
}

/* The innermost frame, 0 when there is none. */
static inline uint8_t lex_top(const struct lex *lx)
{
    return lx->state.depth > 0 ? lx->state.frames[lx->state.depth - 1] : 0;
}

static inline void lex_set_top(struct lex *lx, uint8_t frame)
{
    lx->state.frames[lx->state.depth - 1] = frame;
}

/* Push a frame that must not be forgotten. Past the limit the state is lost: false. */
bool lex_push(struct lex *lx, uint8_t frame);
/* Push a plain bracket: past the limit it is only counted. */
void lex_push_bracket(struct lex *lx, uint8_t frame);
/* Undo the last push; a counted bracket first. False when only that count went down. */
bool lex_pop(struct lex *lx);

/* Length of the line end at lx->at: 0, 1, or 2 for CRLF. A lone CR counts when `cr_ends`. */
size_t lex_newline_len(const struct lex *lx, bool cr_ends);

/* Is [p, p+n) one of the `count` sorted words? */
bool lex_is_word(const char *const *words, size_t count, const char *p, size_t n);

static inline bool lex_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static inline bool lex_is_hex(int c)
{
    return lex_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline bool lex_is_alpha(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Identifiers take every byte above ASCII: what is wrong with those is for the review to say. */
static inline bool lex_is_name_start(int c)
{
    return lex_is_alpha(c) || c >= 0x80;
}

static inline bool lex_is_name(int c)
{
    return lex_is_name_start(c) || lex_is_digit(c);
}

/* Digits, letters of a base prefix, fraction and exponent as Python and JavaScript write them. */
void lex_take_number(struct lex *lx);

/* The longest of the operators in `ops` (longest first, NULL at the end) at lx->at, else one byte.
 */
void lex_take_operator(struct lex *lx, const char *const *ops);

#endif
