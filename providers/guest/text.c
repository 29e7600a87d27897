/* text.c - growable bytes, and JSON read as slices of the text it came in. */
#include "guest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 64

__attribute__((format(printf, 1, 0))) static void log_line(const char *fmt, va_list ap)
{
    char line[512];
    int n = vsnprintf(line, sizeof line - 1, fmt, ap);
    if (n < 0)
        return;
    if ((size_t)n > sizeof line - 2)
        n = sizeof line - 2;
    line[n] = '\n';
    (void)!write(STDERR_FILENO, line, (size_t)n + 1);
}

void guest_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_line(fmt, ap);
    va_end(ap);
}

void guest_die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_line(fmt, ap);
    va_end(ap);
    _exit(3);
}

char *bytes_room(struct bytes *b, size_t n)
{
    if (b->cap - b->n < n + 1) {
        size_t cap = b->cap * 2 > b->n + n + 1 ? b->cap * 2 : b->n + n + 64;
        char *p = realloc(b->p, cap);
        if (p == NULL)
            guest_die("guest: out of memory");
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->n;
}

void bytes_add(struct bytes *b, const void *p, size_t n)
{
    char *at = bytes_room(b, n);
    if (n != 0)
        memcpy(at, p, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void bytes_addf(struct bytes *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    char *at = bytes_room(b, (size_t)n);
    va_start(ap, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void bytes_drop(struct bytes *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

void bytes_free(struct bytes *b)
{
    free(b->p);
    *b = (struct bytes){ 0 };
}

/* Length of the well-formed UTF-8 character at p, 0 if there is none. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (len == 0 || len > n || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

size_t utf8_cut(const char *p, size_t n, size_t max)
{
    if (n <= max)
        return n;
    size_t cut = max;
    while (cut > 0 && cut + 4 > max && ((unsigned char)p[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}

void bytes_add_json(struct bytes *b, const char *p, size_t n)
{
    bytes_add(b, "\"", 1);
    for (size_t i = 0; i < n;) {
        const unsigned char *c = (const unsigned char *)p + i;
        size_t len = utf8_len(c, n - i);
        if (*c == '"' || *c == '\\')
            bytes_addf(b, "\\%c", *c);
        else if (*c == '\n')
            bytes_add(b, "\\n", 2);
        else if (len == 0 || *c == 0)
            bytes_add(b, "\xef\xbf\xbd", 3);
        else if (*c < 0x20)
            bytes_addf(b, "\\u%04x", *c);
        else
            bytes_add(b, c, len);
        i += len != 0 ? len : 1;
    }
    bytes_add(b, "\"", 1);
}

/* ---- JSON. skip_* return the position behind, NULL when it is not well-formed. */

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p == '\\' && ++p == end)
            return NULL;
    }
    return NULL;
}

static const char *skip_plain(const char *p, const char *end)
{
    const char *from = p;
    while (p < end && *p != '\0' && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *p) != NULL)
        p++;
    return p > from ? p : NULL;
}

static const char *skip_value(const char *p, const char *end, int depth);

static const char *skip_members(const char *p, const char *end, int depth, char close)
{
    p = skip_space(p + 1, end);
    if (p < end && *p == close)
        return p + 1;
    while (p < end) {
        if (close == '}') {
            if (*p != '"' || (p = skip_string(p, end)) == NULL)
                return NULL;
            p = skip_space(p, end);
            if (p == end || *p != ':')
                return NULL;
            p = skip_space(p + 1, end);
        }
        p = skip_value(p, end, depth + 1);
        if (p == NULL)
            return NULL;
        p = skip_space(p, end);
        if (p < end && *p == close)
            return p + 1;
        if (p == end || *p != ',')
            return NULL;
        p = skip_space(p + 1, end);
    }
    return NULL;
}

static const char *skip_value(const char *p, const char *end, int depth)
{
    if (p == end || depth > DEPTH_MAX)
        return NULL;
    switch (*p) {
    case '"':
        return skip_string(p, end);
    case '{':
        return skip_members(p, end, depth, '}');
    case '[':
        return skip_members(p, end, depth, ']');
    default:
        return skip_plain(p, end);
    }
}

bool json_is_object(struct str s)
{
    const char *end = s.p + s.n, *p = skip_space(s.p, end);
    if (p == end || *p != '{' || (p = skip_value(p, end, 0)) == NULL)
        return false;
    return skip_space(p, end) == end;
}

struct str json_get(struct str o, const char *key)
{
    const char *end = o.p + o.n, *p = o.p == NULL ? NULL : skip_space(o.p, end);
    size_t key_len = strlen(key);
    if (p == NULL || p == end || *p != '{')
        return (struct str){ 0 };
    p = skip_space(p + 1, end);
    while (p < end && *p == '"') {
        const char *name = p + 1, *colon = skip_string(p, end);
        if (colon == NULL)
            break;
        bool same = (size_t)(colon - 1 - name) == key_len && memcmp(name, key, key_len) == 0;
        p = skip_space(colon, end);
        if (p == end || *p != ':')
            break;
        const char *value = skip_space(p + 1, end);
        p = skip_value(value, end, 0);
        if (p == NULL)
            break;
        if (same)
            return (struct str){ value, (size_t)(p - value) };
        p = skip_space(p, end);
        if (p == end || *p != ',')
            break;
        p = skip_space(p + 1, end);
    }
    return (struct str){ 0 };
}

static bool parse_int(struct str v, int64_t *out)
{
    char digits[24];
    char *end;
    if (v.p == NULL || v.n == 0 || v.n >= sizeof digits)
        return false;
    memcpy(digits, v.p, v.n);
    digits[v.n] = '\0';
    *out = strtoll(digits, &end, 10);
    return *end == '\0';
}

int64_t json_int(struct str o, const char *key, int64_t dflt)
{
    int64_t v;
    struct str raw = json_get(o, key);
    if (raw.n == 4 && memcmp(raw.p, "true", 4) == 0)
        return 1;
    return parse_int(raw, &v) ? v : dflt;
}

bool json_is(struct str o, const char *key, const char *value)
{
    struct str v = json_get(o, key);
    size_t n = strlen(value);
    return v.p != NULL && v.n == n + 2 && v.p[0] == '"' && memcmp(v.p + 1, value, n) == 0;
}

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static void add_code_point(struct bytes *out, int c)
{
    char u[4];
    size_t n = 0;
    if (c < 0x80) {
        u[n++] = (char)c;
    } else if (c < 0x800) {
        u[n++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        u[n++] = (char)(0xe0 | c >> 12);
        u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        u[n++] = (char)(0xf0 | c >> 18);
        u[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        u[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        u[n++] = (char)(0x80 | (c & 0x3f));
    bytes_add(out, u, n);
}

/* The escape at p (behind the backslash): its length, 0 when broken. */
static size_t add_escape(struct bytes *out, const char *p, const char *end)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = *p != '\0' ? strchr(from, *p) : NULL;
    if (at != NULL) {
        bytes_add(out, &to[at - from], 1);
        return 1;
    }
    if (*p != 'u' || end - p < 5)
        return 0;
    int c = hex4(p + 1);
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 11 && p[5] == '\\' && p[6] == 'u') {
        int low = hex4(p + 7);
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        add_code_point(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
        return 11;
    }
    if (c <= 0 || (c >= 0xd800 && c < 0xe000))
        return 0;
    add_code_point(out, c);
    return 5;
}

bool json_text(struct str v, struct bytes *out)
{
    if (v.p == NULL || v.n < 2 || v.p[0] != '"')
        return false;
    const char *p = v.p + 1, *end = v.p + v.n - 1;
    while (p < end) {
        const char *plain = p;
        while (p < end && *p != '\\')
            p++;
        bytes_add(out, plain, (size_t)(p - plain));
        if (p == end)
            break;
        size_t n = ++p < end ? add_escape(out, p, end) : 0;
        if (n == 0)
            return false;
        p += n;
    }
    bytes_add(out, "", 0);
    return true;
}

bool json_each(struct str a, const char **at, struct str *item)
{
    if (a.p == NULL || a.n < 2 || a.p[0] != '[')
        return false;
    const char *end = a.p + a.n;
    const char *p = skip_space(*at == NULL ? a.p + 1 : *at, end);
    if (p < end && *p == ',')
        p = skip_space(p + 1, end);
    if (p == end || *p == ']')
        return false;
    const char *behind = skip_value(p, end, 0);
    if (behind == NULL)
        return false;
    *item = (struct str){ p, (size_t)(behind - p) };
    *at = behind;
    return true;
}
