/* line_regex.c - running the program over all ways at once (Thompson): one list of places in the
 * program per character, each place at most once. */
#include "base/line_regex_int.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/utf8.h"

#define STEPS_A_LOOK 100000 /* between two looks at the clock */

/* Places to be in the program; `stamp` says in which step one was entered last. */
struct places {
    uint32_t *list;
    size_t count;
};

struct machine {
    const struct line_regex *re;
    struct places now, next;
    uint32_t *stack;
    uint64_t *stamp, step;
    size_t steps_left;
    int64_t end_us;
    bool first[256], any_first; /* bytes a match can begin with, unless it can begin anywhere */
};

static bool set_has(const struct line_regex *re, const struct inst *in, uint32_t c)
{
    bool inside = false;
    for (int32_t i = 0; i < in->other && !inside; i++) {
        const struct range *r = &re->ranges[in->arg + i];
        inside = c >= r->low && c <= r->high;
    }
    return inside != in->negated;
}

bool line_regex_eats(const struct line_regex *re, const struct inst *in, uint32_t c)
{
    if (in->op == OP_CHAR)
        return c == (uint32_t)in->arg;
    return in->op == OP_ANY || (in->op == OP_SET && set_has(re, in, c));
}

bool line_regex_holds(const struct inst *in, uint32_t before, uint32_t after)
{
    bool edge = (before != LINE_REGEX_NO_CHAR && is_word_char(before)) !=
                (after != LINE_REGEX_NO_CHAR && is_word_char(after));
    switch (in->op) {
    case OP_START:
        return before == LINE_REGEX_NO_CHAR;
    case OP_END:
        return after == LINE_REGEX_NO_CHAR;
    case OP_WORD_EDGE:
        return edge;
    case OP_NO_WORD_EDGE:
        return !edge;
    default:
        return false;
    }
}

/* Enter `pc` and all that follows from it without eating. True when that is a match. */
static bool enter(struct machine *m, struct places *to, uint32_t pc, uint32_t before,
                  uint32_t after)
{
    size_t depth = 0;
    m->stack[depth++] = pc;
    while (depth > 0) {
        pc = m->stack[--depth];
        if (m->stamp[pc] == m->step)
            continue;
        m->stamp[pc] = m->step;
        const struct inst *in = &m->re->code[pc];
        switch (in->op) {
        case OP_MATCH:
            return true;
        case OP_SPLIT:
            m->stack[depth++] = pc + (uint32_t)in->other;
            m->stack[depth++] = pc + (uint32_t)in->arg;
            break;
        case OP_JUMP:
            m->stack[depth++] = pc + (uint32_t)in->arg;
            break;
        case OP_CHAR:
        case OP_ANY:
        case OP_SET:
            to->list[to->count++] = pc;
            break;
        case OP_START:
        case OP_END:
        case OP_WORD_EDGE:
        case OP_NO_WORD_EDGE:
            if (line_regex_holds(in, before, after))
                m->stack[depth++] = pc + 1;
        }
    }
    return false;
}

uint32_t line_regex_char(const char *p, const char *end, unsigned *len)
{
    uint32_t cp;
    *len = 1;
    if (p == end)
        return LINE_REGEX_NO_CHAR;
    if ((unsigned char)*p < 0x80)
        return (unsigned char)*p;
    unsigned n = utf8_decode(p, (size_t)(end - p), &cp);
    if (n == 0)
        return LINE_REGEX_NOT_UTF8;
    *len = n;
    return cp;
}

static bool out_of_time(struct machine *m, size_t steps)
{
    if (steps < m->steps_left) {
        m->steps_left -= steps;
        return false;
    }
    m->steps_left = STEPS_A_LOOK;
    return clock_mono_us() > m->end_us;
}

static const char *skip_dull(const struct machine *m, const char *p, const char *end)
{
    while (p < end && !m->first[(unsigned char)*p])
        p++;
    return p;
}

static enum line_regex_result match_line(struct machine *m, const char *p, const char *end)
{
    const char *line = p;
    unsigned len;
    m->now.count = 0;
    uint32_t before = LINE_REGEX_NO_CHAR, c = line_regex_char(p, end, &len);
    for (;;) {
        if (m->now.count == 0 && !m->any_first && p < end) {
            const char *to = skip_dull(m, p, end);
            if (out_of_time(m, (size_t)(to - p) / 16))
                return LINE_REGEX_TOO_SLOW;
            if (to != p) {
                before = (unsigned char)to[-1]; /* only ever asked whether it is a word character */
                p = to;
                m->step++;
                c = line_regex_char(p, end, &len);
            }
        }
        /* Places reached by eating were entered under this step's stamp; begin here as well. */
        if (enter(m, &m->now, 0, p == line ? LINE_REGEX_NO_CHAR : before, c))
            return LINE_REGEX_YES;
        if (c == LINE_REGEX_NO_CHAR)
            return LINE_REGEX_NO;
        if (out_of_time(m, m->now.count + 1))
            return LINE_REGEX_TOO_SLOW;
        p += len;
        uint32_t after = line_regex_char(p, end, &len);
        m->step++;
        m->next.count = 0;
        for (size_t i = 0; i < m->now.count; i++) {
            uint32_t pc = m->now.list[i];
            if (line_regex_eats(m->re, &m->re->code[pc], c) && enter(m, &m->next, pc + 1, c, after))
                return LINE_REGEX_YES;
        }
        struct places swap = m->now;
        m->now = m->next;
        m->next = swap;
        before = c;
        c = after;
    }
}

/* Bytes a match can begin with: what the places right at the start eat. Where there is an assertion
 * or the end of the program, it can begin anywhere. */
static void find_first(struct machine *m)
{
    m->any_first = enter(m, &m->now, 0, LINE_REGEX_NO_CHAR, LINE_REGEX_NO_CHAR);
    for (size_t pc = 0; pc < m->re->code_len; pc++) {
        enum op op = m->re->code[pc].op;
        m->any_first |= m->stamp[pc] == m->step && (op == OP_START || op == OP_END ||
                                                    op == OP_WORD_EDGE || op == OP_NO_WORD_EDGE);
    }
    for (size_t i = 0; i < m->now.count; i++) {
        const struct inst *in = &m->re->code[m->now.list[i]];
        for (uint32_t b = 0; b < 0x80; b++)
            m->first[b] |= line_regex_eats(m->re, in, b);
    }
    memset(m->first + 0x80, true, 0x80);
    m->step++;
}

enum line_regex_result line_regex_find(const struct line_regex *re, const char *text, size_t len,
                                       int64_t budget_us)
{
    struct machine m = { .re = re, .step = 1, .steps_left = STEPS_A_LOOK };
    enum line_regex_result result = LINE_REGEX_NO;
    const char *end = text + len;
    m.end_us = clock_mono_us() + budget_us;
    m.now.list = xcalloc(re->code_len, sizeof *m.now.list);
    m.next.list = xcalloc(re->code_len, sizeof *m.next.list);
    m.stack = xcalloc(2 * re->code_len + 1, sizeof *m.stack);
    m.stamp = xcalloc(re->code_len, sizeof *m.stamp);
    find_first(&m);
    for (const char *p = text; result == LINE_REGEX_NO;) {
        const char *nl = len > 0 ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        result = match_line(&m, p, nl != NULL ? nl : end);
        m.step++;
        if (nl == NULL || nl + 1 == end)
            break;
        p = nl + 1;
    }
    free(m.now.list);
    free(m.next.list);
    free(m.stack);
    free(m.stamp);
    return result;
}
