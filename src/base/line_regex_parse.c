/* line_regex_parse.c - from a pattern to a program. One pass: each construct emits its instructions
 * behind those of its operands; a repetition copies what it repeats. */
#include "base/line_regex_int.h"

#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"

#define DEPTH_MAX  50
#define RANGES_MAX 2000
#define REPEAT_MAX 1000

struct parser {
    const char *start, *at, *end;
    struct line_regex *re;
    size_t code_cap, range_cap;
    unsigned depth;
    struct err *e;
};

static int wrong(struct parser *p, const char *why)
{
    return err_set(p->e, ERR_FORMAT, "not a regular expression: %s at byte %zu", why,
                   (size_t)(p->at - p->start));
}

static bool peek(const struct parser *p, char c)
{
    return p->at < p->end && *p->at == c;
}

static bool take(struct parser *p, char c)
{
    if (!peek(p, c))
        return false;
    p->at++;
    return true;
}

/* ---- emitting ---- */

static int grow(struct parser *p, size_t more)
{
    struct line_regex *re = p->re;
    if (more > LINE_REGEX_SIZE_MAX - re->code_len)
        return err_set(p->e, ERR_FORMAT,
                       "a regular expression too large once its repetitions are written out");
    if (re->code_len + more > p->code_cap) {
        p->code_cap = (re->code_len + more) * 2;
        re->code = xreallocarray(re->code, p->code_cap, sizeof *re->code);
    }
    return 0;
}

static int emit(struct parser *p, struct inst in)
{
    if (grow(p, 1) < 0)
        return -1;
    p->re->code[p->re->code_len++] = in;
    return 0;
}

/* Room for one instruction in front of what begins at `at`. Distances inside do not change. */
static int insert(struct parser *p, size_t at, struct inst in)
{
    if (grow(p, 1) < 0)
        return -1;
    struct inst *code = p->re->code;
    memmove(code + at + 1, code + at, (p->re->code_len - at) * sizeof *code);
    code[at] = in;
    p->re->code_len++;
    return 0;
}

static int copy(struct parser *p, size_t at, size_t len)
{
    if (len == 0) /* of nothing, and perhaps there is no room for anything yet */
        return 0;
    if (grow(p, len) < 0)
        return -1;
    memmove(p->re->code + p->re->code_len, p->re->code + at, len * sizeof *p->re->code);
    p->re->code_len += len;
    return 0;
}

static struct inst split(size_t other)
{
    return (struct inst){ .op = OP_SPLIT, .arg = 1, .other = (int32_t)other };
}

/* ---- sets ---- */

static int add_range(struct parser *p, uint32_t low, uint32_t high)
{
    struct line_regex *re = p->re;
    if (re->range_count == RANGES_MAX)
        return wrong(p, "too many ranges");
    if (re->range_count == p->range_cap) {
        p->range_cap = p->range_cap != 0 ? p->range_cap * 2 : 16;
        re->ranges = xreallocarray(re->ranges, p->range_cap, sizeof *re->ranges);
    }
    re->ranges[re->range_count++] = (struct range){ low, high };
    return 0;
}

struct class
{
    const char *name;
    struct range ranges[4];
    size_t count;
};

static const struct class digits = { "digit", { { '0', '9' } }, 1 };
static const struct class words = { "word",
                                    { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } },
                                    4 };
static const struct class spaces = { "space", { { '\t', '\r' }, { ' ', ' ' } }, 2 };
static const struct class posix[] = {
    { "alpha", { { 'A', 'Z' }, { 'a', 'z' } }, 2 },
    { "alnum", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } }, 3 },
    { "blank", { { '\t', '\t' }, { ' ', ' ' } }, 2 },
    { "cntrl", { { 0, 0x1f }, { 0x7f, 0x7f } }, 2 },
    { "graph", { { 0x21, 0x7e } }, 1 },
    { "lower", { { 'a', 'z' } }, 1 },
    { "print", { { 0x20, 0x7e } }, 1 },
    { "punct", { { 0x21, 0x2f }, { 0x3a, 0x40 }, { 0x5b, 0x60 }, { 0x7b, 0x7e } }, 4 },
    { "upper", { { 'A', 'Z' } }, 1 },
    { "xdigit", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } }, 3 },
};

static int add_class(struct parser *p, const struct class *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (add_range(p, c->ranges[i].low, c->ranges[i].high) < 0)
            return -1;
    }
    return 0;
}

/* Everything a class is not, within Unicode. Its ranges are in order. */
static int add_complement(struct parser *p, const struct class *c)
{
    uint32_t next = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (c->ranges[i].low > next && add_range(p, next, c->ranges[i].low - 1) < 0)
            return -1;
        next = c->ranges[i].high + 1;
    }
    return add_range(p, next, 0x10ffff);
}

static const struct class *class_of(char letter)
{
    switch (letter) {
    case 'd':
    case 'D':
        return &digits;
    case 'w':
    case 'W':
        return &words;
    case 's':
    case 'S':
        return &spaces;
    default:
        return NULL;
    }
}

static const struct class *find_posix(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(posix); i++) {
        if (strlen(posix[i].name) == len && memcmp(posix[i].name, name, len) == 0)
            return &posix[i];
    }
    if (len == 5 && memcmp(name, "digit", 5) == 0)
        return &digits;
    return len == 5 && memcmp(name, "space", 5) == 0 ? &spaces : NULL;
}

static int next_char(struct parser *p, uint32_t *cp)
{
    unsigned n = utf8_decode(p->at, (size_t)(p->end - p->at), cp);
    if (n == 0)
        return wrong(p, "invalid UTF-8");
    p->at += n;
    return 0;
}

/* After a backslash: the character it stands for. Letters and digits would mean something
 * elsewhere, so those not offered are told. */
static int escaped_char(struct parser *p, uint32_t *cp)
{
    if (p->at == p->end)
        return wrong(p, "a backslash at the end");
    if (take(p, 't')) {
        *cp = '\t';
        return 0;
    }
    if (is_word_char((unsigned char)*p->at) && *p->at != '_')
        return wrong(p, *p->at >= '1' && *p->at <= '9' ? "back-references are not offered"
                                                       : "an escape that is not offered");
    return next_char(p, cp);
}

static int bracket_class(struct parser *p)
{
    const char *name = p->at + 2;
    const char *stop = memmem(name, (size_t)(p->end - name), ":]", 2);
    const struct class *c = stop != NULL ? find_posix(name, (size_t)(stop - name)) : NULL;
    if (c == NULL)
        return wrong(p, "no such class");
    p->at = stop + 2;
    return add_class(p, c);
}

static int bracket_item(struct parser *p)
{
    uint32_t low = 0, high;
    if (p->end - p->at > 2 && p->at[0] == '[' && p->at[1] == ':')
        return bracket_class(p);
    if (take(p, '\\')) {
        const struct class *c = p->at < p->end ? class_of(*p->at) : NULL;
        if (c != NULL) {
            char letter = *p->at++;
            return letter >= 'a' ? add_class(p, c) : add_complement(p, c);
        }
        if (escaped_char(p, &low) < 0)
            return -1;
    } else if (next_char(p, &low) < 0) {
        return -1;
    }
    high = low;
    if (p->end - p->at > 1 && p->at[0] == '-' && p->at[1] != ']') {
        p->at++;
        if (take(p, '\\') ? escaped_char(p, &high) < 0 : next_char(p, &high) < 0)
            return -1;
        if (high < low)
            return wrong(p, "a range that ends before it begins");
    }
    return add_range(p, low, high);
}

static int parse_bracket(struct parser *p)
{
    struct inst in = { .op = OP_SET, .arg = (int32_t)p->re->range_count };
    in.negated = take(p, '^');
    for (bool first = true; first || !peek(p, ']'); first = false) {
        if (p->at == p->end)
            return wrong(p, "a [ that is not closed");
        if (bracket_item(p) < 0)
            return -1;
    }
    p->at++;
    in.other = (int32_t)p->re->range_count - in.arg;
    return emit(p, in);
}

/* ---- the grammar ---- */

static int parse_alternatives(struct parser *p);

static int parse_group(struct parser *p)
{
    if (take(p, '?') && !take(p, ':'))
        return wrong(p, "of the (? groups only (?: is offered");
    if (++p->depth > DEPTH_MAX)
        return wrong(p, "groups nested too deeply");
    if (parse_alternatives(p) < 0)
        return -1;
    p->depth--;
    return take(p, ')') ? 0 : wrong(p, "a ( that is not closed");
}

static int parse_escape(struct parser *p)
{
    uint32_t cp;
    char letter = p->at < p->end ? *p->at : '\0';
    const struct class *c = class_of(letter);
    if (c != NULL) {
        struct inst in = { .op = OP_SET, .arg = (int32_t)p->re->range_count };
        in.negated = letter < 'a';
        p->at++;
        if (add_class(p, c) < 0)
            return -1;
        in.other = (int32_t)c->count;
        return emit(p, in);
    }
    if (take(p, 'b'))
        return emit(p, (struct inst){ .op = OP_WORD_EDGE });
    if (take(p, 'B'))
        return emit(p, (struct inst){ .op = OP_NO_WORD_EDGE });
    if (escaped_char(p, &cp) < 0)
        return -1;
    return emit(p, (struct inst){ .op = OP_CHAR, .arg = (int32_t)cp });
}

static int parse_atom(struct parser *p)
{
    uint32_t cp;
    if (take(p, '('))
        return parse_group(p);
    if (take(p, '['))
        return parse_bracket(p);
    if (take(p, '.'))
        return emit(p, (struct inst){ .op = OP_ANY });
    if (take(p, '^'))
        return emit(p, (struct inst){ .op = OP_START });
    if (take(p, '$'))
        return emit(p, (struct inst){ .op = OP_END });
    if (take(p, '\\'))
        return parse_escape(p);
    if (peek(p, '*') || peek(p, '+') || peek(p, '?'))
        return wrong(p, "nothing to repeat");
    if (next_char(p, &cp) < 0)
        return -1;
    return emit(p, (struct inst){ .op = OP_CHAR, .arg = (int32_t)cp });
}

static bool read_number(const char **at, const char *end, uint32_t *n)
{
    const char *s = *at;
    for (*n = 0; s < end && *s >= '0' && *s <= '9'; s++) {
        *n = *n * 10 + (uint32_t)(*s - '0');
        *n = *n <= REPEAT_MAX ? *n : REPEAT_MAX + 1;
    }
    bool any = s != *at;
    *at = s;
    return any;
}

/* `{m}`, `{m,}`, `{m,n}`; anything else after a { is plain text. UINT32_MAX: without end. */
static bool read_interval(struct parser *p, uint32_t *min, uint32_t *max)
{
    const char *s = p->at + 1;
    bool low = read_number(&s, p->end, min);
    *max = *min;
    if (s < p->end && *s == ',') {
        s++;
        if (!read_number(&s, p->end, max)) {
            if (!low)
                return false;
            *max = UINT32_MAX;
        }
    } else if (!low) {
        return false;
    }
    if (s == p->end || *s != '}')
        return false;
    p->at = s + 1;
    return true;
}

static bool read_repeat(struct parser *p, uint32_t *min, uint32_t *max)
{
    *min = peek(p, '+') ? 1 : 0;
    *max = peek(p, '?') ? 1 : UINT32_MAX;
    if (peek(p, '{'))
        return read_interval(p, min, max);
    return take(p, '*') || take(p, '+') || take(p, '?');
}

/* What begins at `at` stands there once; make it stand there `min` to `max` times. */
static int write_repeat(struct parser *p, size_t at, uint32_t min, uint32_t max)
{
    size_t len = p->re->code_len - at;
    if (max == 0) {
        p->re->code_len = at;
        return 0;
    }
    for (uint32_t i = 1; i < min; i++) {
        if (copy(p, at, len) < 0)
            return -1;
    }
    size_t last = min > 0 ? p->re->code_len - len : at;
    if (max == UINT32_MAX && min > 0) /* L: x; split L, on */
        return emit(p, (struct inst){ .op = OP_SPLIT, .arg = -(int32_t)len, .other = 1 });
    if (max == UINT32_MAX) { /* L: split on, out; x; jump L; out: */
        if (insert(p, last, split(len + 2)) < 0)
            return -1;
        return emit(p, (struct inst){ .op = OP_JUMP, .arg = -(int32_t)(len + 1) });
    }
    if (min == 0) { /* split on, out; x; out: */
        if (insert(p, at, split(len + 1)) < 0)
            return -1;
        min = 1;
        last = at + 1;
    }
    for (uint32_t i = min; i < max; i++) {
        if (emit(p, split(len + 1)) < 0 || copy(p, last, len) < 0)
            return -1;
    }
    return 0;
}

static int parse_repeated(struct parser *p)
{
    size_t at = p->re->code_len;
    uint32_t min, max;
    if (parse_atom(p) < 0)
        return -1;
    while (read_repeat(p, &min, &max)) {
        (void)take(p, '?'); /* lazy: the same lines match */
        if (min > max || min > REPEAT_MAX || (max > REPEAT_MAX && max != UINT32_MAX))
            return wrong(p, "a repetition that can't be");
        if (write_repeat(p, at, min, max) < 0)
            return -1;
    }
    return 0;
}

static int parse_sequence(struct parser *p)
{
    while (p->at < p->end && *p->at != '|' && *p->at != ')') {
        if (parse_repeated(p) < 0)
            return -1;
    }
    return 0;
}

static int parse_alternatives(struct parser *p)
{
    size_t at = p->re->code_len;
    if (parse_sequence(p) < 0)
        return -1;
    if (!take(p, '|'))
        return 0;
    /* split first, second; first; jump out; second; out: */
    size_t first = p->re->code_len - at;
    if (insert(p, at, split(first + 2)) < 0 || emit(p, (struct inst){ .op = OP_JUMP }) < 0)
        return -1;
    size_t jump = p->re->code_len - 1;
    if (++p->depth > DEPTH_MAX * 4)
        return wrong(p, "too many alternatives");
    if (parse_alternatives(p) < 0)
        return -1;
    p->depth--;
    p->re->code[jump].arg = (int32_t)(p->re->code_len - jump);
    return 0;
}

static int parse_all(struct parser *p)
{
    if ((size_t)(p->end - p->start) > LINE_REGEX_PATTERN_MAX)
        return err_set(p->e, ERR_FORMAT, "a regular expression of more than %zu bytes",
                       LINE_REGEX_PATTERN_MAX);
    if (parse_alternatives(p) < 0)
        return -1;
    if (p->at < p->end)
        return wrong(p, "a ) that closes nothing");
    return emit(p, (struct inst){ .op = OP_MATCH });
}

int line_regex_new(struct line_regex **out, const char *pattern, struct err *e)
{
    struct parser p = { .start = pattern, .at = pattern, .end = pattern + strlen(pattern), .e = e };
    p.re = xcalloc(1, sizeof *p.re);
    if (parse_all(&p) < 0) {
        line_regex_free(p.re);
        return -1;
    }
    *out = p.re;
    return 0;
}

void line_regex_free(struct line_regex *re)
{
    if (re == NULL)
        return;
    free(re->code);
    free(re->ranges);
    free(re);
}
