/* review_shape.c - the small patterns of the rules: shapes of keys, and how examples are written.
 */
#include "tool/review_impl.h"

#include <stdlib.h>
#include <string.h>

#define EXAMPLE_REPEAT 20000u

/* Is `c` in the class [p, end), as `A-Za-z0-9_-`? */
static bool in_class(const char *p, const char *end, unsigned char c)
{
    for (; p < end; p++) {
        if (p + 2 < end && p[1] == '-') {
            if (c >= (unsigned char)p[0] && c <= (unsigned char)p[2])
                return true;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return true;
        }
    }
    return false;
}

/* `{n}`, `{n,}`, `{n,m}` at *p, moved behind it; once without. */
static void read_count(const char **p, size_t *min, size_t *max)
{
    *min = *max = 1;
    if (**p != '{')
        return;
    char *end;
    *min = *max = strtoul(*p + 1, &end, 10);
    if (*end == ',') {
        *max = SIZE_MAX;
        if (end[1] != '}')
            *max = strtoul(end + 1, &end, 10);
        else
            end++;
    }
    *p = *end == '}' ? end + 1 : end;
}

size_t shape_match(const char *shape, const char *p, size_t len, size_t *seen)
{
    size_t at = 0;
    while (*shape != '\0') {
        const char *cls = shape, *cls_end = shape + 1;
        if (*shape == '[') {
            cls = shape + 1;
            cls_end = strchr(cls, ']');
            if (cls_end == NULL)
                return 0;
            shape = cls_end + 1;
        } else {
            shape++;
        }
        size_t min, max, n = 0;
        read_count(&shape, &min, &max);
        while (n < max && at < len && in_class(cls, cls_end, (unsigned char)p[at])) {
            at++;
            n++;
        }
        *seen = at;
        if (n < min)
            return 0;
    }
    return at;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

void example_decode(const char *text, struct buf *out)
{
    for (const char *p = text; *p != '\0'; p++) {
        char c = *p;
        if (c == '\\' && p[1] == 'n') {
            c = '\n';
            p++;
        } else if (c == '\\' && p[1] == 't') {
            c = '\t';
            p++;
        } else if (c == '\\' && p[1] == '\\') {
            p++;
        } else if (c == '\\' && p[1] == '*') {
            char *end;
            unsigned long n = strtoul(p + 2, &end, 10);
            if (*end == '\0' || n > EXAMPLE_REPEAT)
                return;
            while (n-- > 1 && buf_add_char(out, *end) == 0)
                ;
            p = end;
            c = *end;
        } else if (c == '\\' && p[1] == 'x' && hex_value(p[2]) >= 0 && hex_value(p[3]) >= 0) {
            c = (char)(hex_value(p[2]) * 16 + hex_value(p[3]));
            p += 3;
        }
        if (buf_add_char(out, c) < 0)
            return;
    }
}

/* ---- shapes by their first byte ---- */

static bool starts_with(const struct rule_shape *s, unsigned char c)
{
    if (!s->is_shape || s->text[0] != '[')
        return (unsigned char)s->text[0] == c;
    char one = (char)c;
    char first[64];
    const char *end = strchr(s->text, ']');
    size_t n = end != NULL ? (size_t)(end - s->text) + 1 : 0;
    if (n == 0 || n >= sizeof(first))
        return false;
    memcpy(first, s->text, n);
    first[n] = '\0';
    size_t seen;
    return shape_match(first, &one, 1, &seen) == 1;
}

static void mark_pairs(struct review_rules *r, const struct rule_shape *s, unsigned first)
{
    bool literal = s->text[0] != '[' && s->len > 1 && s->text[1] != '[' && s->text[1] != '{';
    for (unsigned second = 0; s->is_shape && second < 256; second++) {
        unsigned pair = first << 8 | second;
        if (!literal || (unsigned char)s->text[1] == second)
            r->shape_pairs[pair / 8] |= (uint8_t)(1u << pair % 8);
    }
}

/* by_first[c] … by_first[c + 1]: positions in by_first + 257 of the shapes that may start with c.
 */
void rules_index_shapes(struct review_rules *r)
{
    r->by_first = xcalloc(257 + r->shape_count * 64 + 64, sizeof(uint32_t));
    uint32_t at = 0, max = (uint32_t)(r->shape_count * 64 + 64);
    for (unsigned c = 0; c < 256; c++) {
        r->by_first[c] = at;
        for (size_t i = 0; i < r->shape_count && at < max; i++) {
            if (!starts_with(&r->shapes[i], (unsigned char)c))
                continue;
            r->by_first[257 + at++] = (uint32_t)i;
            mark_pairs(r, &r->shapes[i], c);
        }
    }
    r->by_first[256] = at;
}
