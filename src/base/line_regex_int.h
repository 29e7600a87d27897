/* line_regex_int.h - the program a pattern becomes: written by line_regex_parse.c, run by
 * line_regex.c. */
#ifndef AIRLOCK_BASE_LINE_REGEX_INT_H
#define AIRLOCK_BASE_LINE_REGEX_INT_H

#include "base/line_regex.h"

enum op {
    OP_CHAR, /* arg: the code point */
    OP_ANY,
    OP_SET,   /* arg: first range, count of them, negated */
    OP_START, /* of the line */
    OP_END,
    OP_WORD_EDGE,
    OP_NO_WORD_EDGE,
    OP_SPLIT, /* go on at both, as distances */
    OP_JUMP,  /* arg: distance */
    OP_MATCH
};

struct inst {
    enum op op;
    bool negated;
    int32_t arg, other;
};

struct range {
    uint32_t low, high;
};

struct line_regex {
    struct inst *code;
    size_t code_len;
    struct range *ranges;
    size_t range_count;
};

static inline bool is_word_char(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* ---- line_regex.c ---- */
#define LINE_REGEX_NO_CHAR  UINT32_MAX /* before the line, behind it */
#define LINE_REGEX_NOT_UTF8 0x110000   /* a byte that is no part of a character */
/* The character at p, NO_CHAR at the end. */
uint32_t line_regex_char(const char *p, const char *end, unsigned *len);
bool line_regex_eats(const struct line_regex *re, const struct inst *in, uint32_t c);
/* An assertion between two characters. */
bool line_regex_holds(const struct inst *in, uint32_t before, uint32_t after);

#endif
