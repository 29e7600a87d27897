/* json_flat.c - one pass over an object's text, no copies but of the strings that are asked for. */
#include "base/json_flat.h"

#include <string.h>

#include "base/utf8.h"

struct cursor {
    const char *start, *at, *end;
};

static int bad(const struct cursor *c, const char *what, struct err *e)
{
    return err_set(e, ERR_FORMAT, "byte %zu: %s", (size_t)(c->at - c->start), what);
}

static void skip_blank(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n'))
        c->at++;
}

/* Past a string; `at` stands on its first quote. */
static int skip_string(struct cursor *c, struct err *e)
{
    const char *p = c->at + 1;
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(c->end - p));
        if (quote == NULL)
            return bad(c, "a string does not end", e);
        size_t slashes = 0;
        while (quote - slashes > p && quote[-(ptrdiff_t)slashes - 1] == '\\')
            slashes++;
        p = quote + 1;
        if (slashes % 2 == 0)
            break;
    }
    c->at = p;
    return 0;
}

static int skip_word(struct cursor *c, struct err *e)
{
    const char *from = c->at;
    while (c->at < c->end && *c->at != '\0' && strchr(",]} \t\r\n\"[{:", *c->at) == NULL)
        c->at++;
    return c->at > from ? 0 : bad(c, "a value is missing", e);
}

/* Past an array or object: brackets must pair, what stands between is not looked at. */
static int skip_nested(struct cursor *c, struct err *e)
{
    char open[JSON_FLAT_DEPTH_MAX];
    size_t depth = 0;
    do {
        if (c->at >= c->end)
            return bad(c, "an array or object does not end", e);
        char ch = *c->at;
        if (ch == '"') {
            if (skip_string(c, e) < 0)
                return -1;
            continue;
        }
        c->at++;
        if (ch == '{' || ch == '[') {
            if (depth == JSON_FLAT_DEPTH_MAX)
                return bad(c, "nested too deeply", e);
            open[depth++] = ch == '{' ? '}' : ']';
        } else if ((ch == '}' || ch == ']') && open[--depth] != ch) {
            return bad(c, "brackets do not pair", e);
        }
    } while (depth > 0);
    return 0;
}

static int skip_value(struct cursor *c, struct err *e)
{
    if (c->at >= c->end)
        return bad(c, "a value is missing", e);
    if (*c->at == '"')
        return skip_string(c, e);
    return *c->at == '{' || *c->at == '[' ? skip_nested(c, e) : skip_word(c, e);
}

static int read_member(struct cursor *c, struct json_member *m, struct err *e)
{
    if (c->at >= c->end || *c->at != '"')
        return bad(c, "a key is missing", e);
    m->key = c->at + 1;
    if (skip_string(c, e) < 0)
        return -1;
    m->key_len = (size_t)(c->at - 1 - m->key);
    skip_blank(c);
    if (c->at >= c->end || *c->at++ != ':')
        return bad(c, "':' is missing", e);
    skip_blank(c);
    m->raw = c->at;
    if (skip_value(c, e) < 0)
        return -1;
    m->raw_len = (size_t)(c->at - m->raw);
    skip_blank(c);
    return 0;
}

int json_flat_read(const char *ptr, size_t len, json_flat_fn fn, void *arg, struct err *e)
{
    struct cursor c = { ptr, ptr, ptr + len };
    skip_blank(&c);
    if (c.at >= c.end || *c.at++ != '{')
        return bad(&c, "no object", e);
    skip_blank(&c);
    bool more = c.at >= c.end || *c.at != '}';
    while (more) {
        struct json_member m;
        if (read_member(&c, &m, e) < 0)
            return -1;
        if (c.at >= c.end || (*c.at != ',' && *c.at != '}'))
            return bad(&c, "',' or '}' is missing", e);
        fn(arg, &m);
        more = *c.at == ',';
        if (more) {
            c.at++;
            skip_blank(&c);
        }
    }
    c.at++;
    skip_blank(&c);
    return c.at == c.end ? 0 : bad(&c, "bytes behind the object", e);
}

bool json_member_is(const struct json_member *m, const char *key)
{
    return strlen(key) == m->key_len && memcmp(key, m->key, m->key_len) == 0;
}

bool json_member_is_null(const struct json_member *m)
{
    return m->raw_len == 4 && memcmp(m->raw, "null", 4) == 0;
}

bool json_member_is_string(const struct json_member *m)
{
    return m->raw_len >= 2 && m->raw[0] == '"';
}

/* ---- strings */

static int hex4(const char *p, const char *end)
{
    int n = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        n = n << 4 | d;
    }
    return n;
}

static int add_point(struct buf *out, unsigned point)
{
    char u[4];
    return buf_add(out, u, utf8_encode(point, u));
}

/* `*at` stands behind "\u". Two halves of a pair become one character. */
static int add_escape_u(const char **at, const char *end, struct buf *out, bool *wrong)
{
    int unit = hex4(*at, end);
    *wrong = unit < 0;
    if (unit < 0)
        return 0;
    *at += 4;
    unsigned point = (unsigned)unit;
    if (point >= 0xD800 && point < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' &&
        (*at)[1] == 'u') {
        int low = hex4(*at + 2, end);
        if (low >= 0xDC00 && low < 0xE000) {
            point = 0x10000 + ((point - 0xD800) << 10) + ((unsigned)low - 0xDC00);
            *at += 6;
        }
    }
    return add_point(out, point >= 0xD800 && point < 0xE000 ? 0xFFFD : point);
}

static int add_escape(const char **at, const char *end, struct buf *out, bool *wrong)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    char c = **at;
    const char *known = c != '\0' ? strchr(names, c) : NULL;
    ++*at;
    if (c == 'u')
        return add_escape_u(at, end, out, wrong);
    *wrong = known == NULL;
    return known != NULL ? buf_add_char(out, bytes[known - names]) : 0;
}

int json_member_bytes(const struct json_member *m, struct buf *out, struct err *e)
{
    if (!json_member_is_string(m))
        return err_set(e, ERR_FORMAT, "%.*s: no string", (int)(m->key_len < 40 ? m->key_len : 40),
                       m->key);
    const char *p = m->raw + 1, *end = m->raw + m->raw_len - 1;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        const char *stop = slash != NULL ? slash : end;
        bool wrong = false;
        if (buf_add(out, p, (size_t)(stop - p)) < 0)
            return err_set(e, ERR_LIMIT, "a string is longer than %zu bytes", out->max);
        p = stop;
        if (p == end)
            break;
        p++;
        if (p == end)
            return err_set(e, ERR_FORMAT, "a string ends in its escape");
        if (add_escape(&p, end, out, &wrong) < 0)
            return err_set(e, ERR_LIMIT, "a string is longer than %zu bytes", out->max);
        if (wrong)
            return err_set(e, ERR_FORMAT, "a string has an escape that means nothing");
    }
    return 0;
}
