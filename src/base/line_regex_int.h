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

#endif
