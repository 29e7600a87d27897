/* mask_int.h - what the files of the masks share; nobody else includes it. */
#ifndef AIRLOCK_SESSIONS_MASK_INT_H
#define AIRLOCK_SESSIONS_MASK_INT_H

#include <string.h>
#include <strings.h>

#include "sessions/mask.h"

/* Matchers look at `s` from `at` on and at a bounded stretch before it, and return how many bytes
 * they take (0: none). They read past what they take only by a bounded stretch or a run of one
 * class of bytes that no other start lies in: so a line costs linear time. */
struct text {
    const char *s;
    size_t len;
};

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool is_word(char c)
{
    return is_digit(c) || is_alpha(c) || c == '_' || (unsigned char)c >= 0x80;
}

static inline bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline char at(const struct text *t, size_t i)
{
    return i < t->len ? t->s[i] : '\0';
}

static inline char before(const struct text *t, size_t i, size_t back)
{
    return i >= back ? t->s[i - back] : '\0';
}

static inline size_t run_of(const struct text *t, size_t i, bool (*is)(char), size_t max)
{
    size_t n = 0;
    while (n < max && i + n < t->len && is(t->s[i + n]))
        n++;
    return n;
}

static inline size_t digits(const struct text *t, size_t i)
{
    return run_of(t, i, is_digit, SIZE_MAX);
}

/* Exactly `n` digits with a value from lo to hi. */
static inline bool number(const struct text *t, size_t i, size_t n, unsigned lo, unsigned hi)
{
    unsigned v = 0;
    if (run_of(t, i, is_digit, n) != n)
        return false;
    for (size_t k = 0; k < n; k++)
        v = v * 10 + (unsigned)(t->s[i + k] - '0');
    return v >= lo && v <= hi;
}

static inline bool starts(const struct text *t, size_t i, const char *word)
{
    size_t n = strlen(word);
    return i + n <= t->len && strncasecmp(t->s + i, word, n) == 0;
}

static inline bool ends_here(const struct text *t, size_t i)
{
    return i >= t->len || !is_word(t->s[i]);
}

/* A built-in mask. */
struct mask_rule {
    const char *name;
    size_t (*match)(const struct text *t, size_t from);
};
extern const struct mask_rule mask_rules[MASK_COUNT];

size_t mask_match_date(const struct text *t, size_t from);
size_t mask_match_time(const struct text *t, size_t from);
size_t mask_match_duration(const struct text *t, size_t from);

/* The person's own, mask_own.c. `nth` from 0. */
size_t mask_own_count(void);
const char *mask_own_name(size_t nth);
/* Append the line with what rule `nth` finds replaced. 1 it found something, 0, -1 `out` is full.
 */
int mask_own_line(size_t nth, const char *line, size_t len, struct buf *out);

#endif
