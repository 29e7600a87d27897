/* json_check.c - the grammar of RFC 8259 and nothing more. */
#include "base/json_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define NUMBER_LEN_MAX 63 /* cJSON copies a number into 64 bytes and ignores the rest */
#define EXACT_DIGITS   15 /* any decimal of so many digits survives a double */

struct check {
    const unsigned char *start, *at, *end;
    uint64_t objects; /* bit n: what is open at depth n is an object */
    unsigned depth;
    struct json_facts *facts;
    struct err *e;
};

static int check_bad_at(struct check *c, const unsigned char *at, const char *what)
{
    return err_set(c->e, ERR_FORMAT, "JSON: byte %zu: %s", (size_t)(at - c->start), what);
}

static int check_bad(struct check *c, const char *what)
{
    return check_bad_at(c, c->at, c->at == c->end ? "the text ends too early" : what);
}

static void skip_blanks(struct check *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t'))
        c->at++;
}

static bool next_is(struct check *c, unsigned char byte)
{
    if (c->at == c->end || *c->at != byte)
        return false;
    c->at++;
    return true;
}

/* Four hex digits at the cursor, or -1. */
static int32_t hex4(struct check *c)
{
    int32_t v = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        unsigned char d = c->at < c->end ? *c->at : 0;
        if (d >= '0' && d <= '9')
            v = v << 4 | (d - '0');
        else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f')
            v = v << 4 | ((d | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* Behind a backslash. */
static int check_escape(struct check *c)
{
    const unsigned char *from = c->at - 1;
    if (!next_is(c, 'u')) {
        if (c->at == c->end || *c->at == 0 || strchr("\"\\/bfnrt", *c->at) == NULL)
            return check_bad(c, "no such escape");
        c->at++;
        return 0;
    }
    int32_t v = hex4(c);
    if (v < 0)
        return check_bad(c, "\\u needs four hex digits");
    if (v == 0)
        return check_bad_at(c, from, "\\u0000 is refused");
    if (v < 0xD800 || v > 0xDFFF)
        return 0;
    if (v < 0xDC00 && next_is(c, '\\') && next_is(c, 'u')) {
        v = hex4(c);
        if (v >= 0xDC00 && v <= 0xDFFF)
            return 0;
    }
    return check_bad_at(c, from, "half of a surrogate pair");
}

/* Behind the opening quote. */
static int check_string(struct check *c)
{
    for (;;) {
        c->at += json_plain_run((const char *)c->at, (size_t)(c->end - c->at));
        if (c->at == c->end)
            return check_bad(c, "");
        if (next_is(c, '"'))
            return 0;
        if (next_is(c, '\\')) {
            if (check_escape(c) < 0)
                return -1;
            continue;
        }
        uint32_t cp;
        unsigned n =
            *c->at < 0x20 ? 0 : utf8_decode((const char *)c->at, (size_t)(c->end - c->at), &cp);
        if (n == 0)
            return check_bad(c, *c->at < 0x20 ? "raw control byte in a string" : "invalid UTF-8");
        c->at += n;
    }
}

static size_t skip_digits(struct check *c)
{
    const unsigned char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return (size_t)(c->at - from);
}

static int keep_long_number(struct check *c, const unsigned char *from)
{
    char text[NUMBER_LEN_MAX + 1];
    size_t len = (size_t)(c->at - from);
    if (len > NUMBER_LEN_MAX)
        return err_set(c->e, ERR_LIMIT, "JSON: byte %zu: a number of more than %d characters",
                       (size_t)(from - c->start), NUMBER_LEN_MAX);
    memcpy(text, from, len);
    text[len] = '\0';
    if (!isfinite(strtod(text, NULL)))
        return check_bad_at(c, from, "a number too large for a double");
    struct json_facts *f = c->facts;
    if (f->long_count == f->long_cap) {
        f->long_cap = f->long_cap != 0 ? f->long_cap * 2 : 16;
        f->longs = xreallocarray(f->longs, f->long_cap, sizeof *f->longs);
    }
    f->longs[f->long_count++] = (struct json_long){ f->numbers, (size_t)(from - c->start), len };
    return 0;
}

static int check_number(struct check *c)
{
    const unsigned char *from = c->at;
    bool exponent = false;
    next_is(c, '-');
    if (!next_is(c, '0') && skip_digits(c) == 0)
        return check_bad(c, "a number needs a digit here");
    if (next_is(c, '.') && skip_digits(c) == 0)
        return check_bad(c, "a number needs a digit here");
    if (c->at < c->end && (*c->at | 0x20) == 'e') {
        exponent = true;
        c->at++;
        if (!next_is(c, '+'))
            next_is(c, '-');
        if (skip_digits(c) == 0)
            return check_bad(c, "a number needs a digit here");
    }
    if (((size_t)(c->at - from) > EXACT_DIGITS || exponent) && keep_long_number(c, from) < 0)
        return -1;
    c->facts->numbers++;
    return 0;
}

static int check_word(struct check *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return check_bad(c, "no JSON value begins like this");
    c->at += len;
    return 0;
}

static int check_key(struct check *c)
{
    skip_blanks(c);
    if (!next_is(c, '"'))
        return check_bad(c, "a key in quotes must stand here");
    if (check_string(c) < 0)
        return -1;
    skip_blanks(c);
    return next_is(c, ':') ? 0 : check_bad(c, "':' must stand here");
}

static int check_open(struct check *c, bool object)
{
    if (c->depth == JSON_DEPTH_MAX)
        return err_set(c->e, ERR_LIMIT, "JSON: byte %zu: nested deeper than %d",
                       (size_t)(c->at - c->start) - 1, JSON_DEPTH_MAX);
    uint64_t bit = UINT64_C(1) << c->depth++;
    c->objects = object ? c->objects | bit : c->objects & ~bit;
    return 0;
}

static bool in_object(const struct check *c)
{
    return (c->objects >> (c->depth - 1) & 1) != 0;
}

/* One value, or the opening of a container: then *opened is set when an item must follow. */
static int check_value(struct check *c, bool *opened)
{
    *opened = false;
    skip_blanks(c);
    if (++c->facts->values > JSON_NODES_MAX)
        return err_set(c->e, ERR_LIMIT, "JSON: more than %d values", JSON_NODES_MAX);
    if (c->at == c->end)
        return check_bad(c, "");
    switch (*c->at) {
    case '"':
        c->at++;
        return check_string(c);
    case '{':
    case '[':
        break;
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        if (*c->at != '-' && (*c->at < '0' || *c->at > '9'))
            return check_bad(c, "no JSON value begins like this");
        return check_number(c);
    }
    bool object = *c->at++ == '{';
    if (check_open(c, object) < 0)
        return -1;
    skip_blanks(c);
    if (next_is(c, object ? '}' : ']'))
        c->depth--;
    else
        *opened = true;
    return *opened && object ? check_key(c) : 0;
}

/* Behind a value: closings, then a comma (*more) or the end of the document. */
static int check_after(struct check *c, bool *more)
{
    *more = false;
    while (c->depth > 0) {
        skip_blanks(c);
        bool object = in_object(c);
        if (next_is(c, ',')) {
            *more = true;
            return object ? check_key(c) : 0;
        }
        if (!next_is(c, object ? '}' : ']'))
            return check_bad(c,
                             object ? "',' or '}' must stand here" : "',' or ']' must stand here");
        c->depth--;
    }
    skip_blanks(c);
    return c->at == c->end ? 0 : check_bad(c, "bytes behind the document");
}

static int check_document(struct check *c)
{
    if (c->end - c->at >= 3 && memcmp(c->at, "\xEF\xBB\xBF", 3) == 0)
        return check_bad(c, "a byte order mark is refused");
    for (bool more = true; more;) {
        bool opened;
        do {
            if (check_value(c, &opened) < 0)
                return -1;
        } while (opened);
        if (check_after(c, &more) < 0)
            return -1;
    }
    return 0;
}

int json_check(struct json_facts *out, const char *ptr, size_t len, struct err *e)
{
    const unsigned char *u = (const unsigned char *)(ptr != NULL ? ptr : "");
    struct check c = { .start = u, .at = u, .end = u + len, .facts = out, .e = e };
    *out = (struct json_facts){ 0 };
    return check_document(&c);
}

void json_facts_release(struct json_facts *f)
{
    free(f->longs);
    *f = (struct json_facts){ 0 };
}
