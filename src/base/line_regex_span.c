/* line_regex_span.c - where in a line: the same walk over all ways at once, each with the place it
 * began at; of two at the same point of the program the one that began first stays. */
#include "base/line_regex_int.h"

#include <stdlib.h>

struct way {
    uint32_t pc;
    size_t start;
};

struct line_regex_scan {
    const struct line_regex *re;
    struct way *now, *next;
    size_t now_count, next_count;
    uint32_t *stack;
    uint64_t *stamp, step;
};

struct line_regex_scan *line_regex_scan_new(const struct line_regex *re)
{
    struct line_regex_scan *s = xcalloc(1, sizeof *s);
    s->re = re;
    s->now = xcalloc(re->code_len, sizeof *s->now);
    s->next = xcalloc(re->code_len, sizeof *s->next);
    s->stack = xcalloc(2 * re->code_len + 1, sizeof *s->stack);
    s->stamp = xcalloc(re->code_len, sizeof *s->stamp);
    return s;
}

void line_regex_scan_free(struct line_regex_scan *s)
{
    if (s == NULL)
        return;
    free(s->now);
    free(s->next);
    free(s->stack);
    free(s->stamp);
    free(s);
}

/* Enter `pc` and what follows from it without eating, into `to`. True when that is a match. */
static bool enter(struct line_regex_scan *s, struct way *to, size_t *count, struct way w,
                  uint32_t before, uint32_t after)
{
    size_t depth = 0;
    bool match = false;
    s->stack[depth++] = w.pc;
    while (depth > 0) {
        uint32_t pc = s->stack[--depth];
        if (s->stamp[pc] == s->step)
            continue;
        s->stamp[pc] = s->step;
        const struct inst *in = &s->re->code[pc];
        switch (in->op) {
        case OP_MATCH:
            match = true;
            break;
        case OP_SPLIT:
            s->stack[depth++] = pc + (uint32_t)in->other;
            s->stack[depth++] = pc + (uint32_t)in->arg;
            break;
        case OP_JUMP:
            s->stack[depth++] = pc + (uint32_t)in->arg;
            break;
        case OP_CHAR:
        case OP_ANY:
        case OP_SET:
            to[(*count)++] = (struct way){ pc, w.start };
            break;
        case OP_START:
        case OP_END:
        case OP_WORD_EDGE:
        case OP_NO_WORD_EDGE:
            if (line_regex_holds(in, before, after))
                s->stack[depth++] = pc + 1;
        }
    }
    return match;
}

/* All ways one character on. A match ends behind it; ways that began after it are dropped. */
static void eat(struct line_regex_scan *s, uint32_t c, uint32_t after, size_t end, bool *found,
                size_t *start, size_t *len)
{
    s->next_count = 0;
    for (size_t i = 0; i < s->now_count; i++) {
        struct way w = s->now[i];
        if (*found && w.start > *start)
            break; /* they stand in the order in which they began */
        if (!line_regex_eats(s->re, &s->re->code[w.pc], c))
            continue;
        w.pc++;
        if (enter(s, s->next, &s->next_count, w, c, after)) {
            *found = true;
            *start = w.start;
            *len = end - w.start;
        }
    }
    struct way *swap = s->now;
    s->now = s->next;
    s->next = swap;
    s->now_count = s->next_count;
}

bool line_regex_span(struct line_regex_scan *s, const char *line, size_t len, size_t from,
                     size_t *steps, size_t *start, size_t *match_len)
{
    const char *p = line + from, *end = line + len;
    unsigned n;
    bool found = false;
    uint32_t before = LINE_REGEX_NO_CHAR, c = line_regex_char(p, end, &n);
    if (from > 0)
        before = (unsigned char)p[-1]; /* only ever asked whether it is a word character */
    s->now_count = 0;
    s->step++;
    while (c != LINE_REGEX_NO_CHAR && *steps > s->now_count + 1) {
        *steps -= s->now_count + 1;
        if (!found) /* an empty match does not count */
            enter(s, s->now, &s->now_count, (struct way){ 0, (size_t)(p - line) }, before, c);
        else if (s->now_count == 0)
            break;
        p += n;
        uint32_t after = line_regex_char(p, end, &n);
        s->step++;
        eat(s, c, after, (size_t)(p - line), &found, start, match_len);
        before = c;
        c = after;
    }
    if (c != LINE_REGEX_NO_CHAR && !(found && s->now_count == 0))
        *steps = 0;
    return found;
}
