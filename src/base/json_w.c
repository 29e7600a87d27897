/* json_w.c - the JSON writer and base64: plain appends to a buf. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_check.h"
#include "base/utf8.h"

static bool ascii_only;

void json_write_ascii_only(bool on)
{
    ascii_only = on;
}

/* What steers a terminal (C1), or hides or turns text around. A person may look at the JSON too, so
 * these are always written as escapes, which mean the same. [SAN-1, SAN-4] */
static bool is_hidden(uint32_t cp)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = { { 0x80, 0x9f },     { 0x61c, 0x61c },   { 0x180e, 0x180e },
                   { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
                   { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff } };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (cp >= ranges[i].from && cp <= ranges[i].to)
            return true;
    return ascii_only;
}

static size_t multibyte_run(const char *s, size_t len)
{
    size_t i = 0;
    while (i < len && (unsigned char)s[i] >= 0x80) {
        uint32_t cp;
        unsigned n = utf8_decode(s + i, len - i, &cp);
        if (n == 0 || is_hidden(cp))
            break;
        i += n;
    }
    return i;
}

/* "\\u202e", a pair of them beyond U+FFFF: its length. */
static size_t write_escape(uint32_t cp, char out[16])
{
    if (cp < 0x10000)
        return (size_t)snprintf(out, 16, "\\u%04x", cp);
    cp -= 0x10000;
    return (size_t)snprintf(out, 16, "\\u%04x\\u%04x", 0xd800 + (cp >> 10), 0xdc00 + (cp & 0x3ff));
}

/* Room for exactly `len` bytes that the caller then fills, or NULL once the buf was full. */
static char *take(struct json_w *w, size_t len)
{
    char *at = w->failed ? NULL : buf_reserve(w->b, len);
    if (at == NULL)
        w->failed = true;
    else
        buf_grew(w->b, len);
    return at;
}

static void put(struct json_w *w, const void *p, size_t len)
{
    char *at = take(w, len);
    if (at != NULL && len != 0)
        memcpy(at, p, len);
}

static void put_odd_byte(struct json_w *w, unsigned char c)
{
    static const char shorts[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };
    if (c == '"' || c == '\\') {
        put(w, (char[]){ '\\', (char)c }, 2);
    } else if (c == 0 || c >= 0x80) {
        /* Our own reader refuses \u0000 like bad UTF-8, so neither may ever be written. */
        put(w, "\xEF\xBF\xBD", 3);
    } else if (c < sizeof shorts && shorts[c] != 0) {
        put(w, (char[]){ '\\', shorts[c] }, 2);
    } else {
        static const char digits[] = "0123456789abcdef";
        put(w, (char[]){ '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] }, 6);
    }
}

/* Anything that can't stand as it is; returns its length. */
static size_t put_odd(struct json_w *w, const char *s, size_t len)
{
    char text[16];
    uint32_t cp;
    unsigned n = (unsigned char)*s >= 0x80 ? utf8_decode(s, len, &cp) : 0;
    if (n > 0) {
        put(w, text, write_escape(cp, text));
        return n;
    }
    put_odd_byte(w, (unsigned char)*s);
    return 1;
}

static void put_escaped(struct json_w *w, const char *s, size_t len)
{
    size_t i = 0;
    while (i < len && !w->failed) {
        size_t run = json_plain_run(s + i, len - i);
        run += multibyte_run(s + i + run, len - i - run);
        if (run == 0) {
            i += put_odd(w, s + i, len - i);
            continue;
        }
        put(w, s + i, run);
        i += run;
    }
}

static void put_quoted(struct json_w *w, const char *s, size_t len)
{
    if (json_plain_run(s, len) == len) {
        char *at = take(w, len + 2);
        if (at == NULL)
            return;
        at[0] = '"';
        if (len != 0)
            memcpy(at + 1, s, len);
        at[len + 1] = '"';
        return;
    }
    put(w, "\"", 1);
    put_escaped(w, s, len);
    put(w, "\"", 1);
}

static void put_key(struct json_w *w, const char *key)
{
    size_t len = strlen(key);
    if (json_plain_run(key, len) != len) { /* not one of our own: from json_w_value */
        put(w, ",", w->need_comma);
        put_quoted(w, key, len);
        put(w, ":", 1);
        return;
    }
    char *at = take(w, len + 3 + w->need_comma);
    if (at == NULL)
        return;
    if (w->need_comma)
        *at++ = ',';
    *at++ = '"';
    at = mempcpy(at, key, len);
    *at++ = '"';
    *at = ':';
}

/* Comma and key before any value. */
static void begin(struct json_w *w, const char *key)
{
    bool in_object = w->depth > 0 && (w->arrays >> (w->depth - 1) & 1) == 0;
    INVARIANT((key != NULL) == in_object);
    INVARIANT(!w->done);
    if (key != NULL)
        put_key(w, key);
    else if (w->need_comma)
        put(w, ",", 1);
    w->need_comma = true;
    w->done = w->depth == 0;
}

static void open_container(struct json_w *w, const char *key, bool array)
{
    begin(w, key);
    INVARIANT(w->depth < JSON_DEPTH_MAX);
    put(w, array ? "[" : "{", 1);
    uint64_t bit = UINT64_C(1) << w->depth++;
    w->arrays = array ? w->arrays | bit : w->arrays & ~bit;
    w->need_comma = w->done = false;
}

static void close_container(struct json_w *w, bool array)
{
    INVARIANT(w->depth > 0);
    w->depth--;
    INVARIANT((w->arrays >> w->depth & 1) == array);
    put(w, array ? "]" : "}", 1);
    w->need_comma = true;
    w->done = w->depth == 0;
}

void json_w_init(struct json_w *w, struct buf *b)
{
    *w = (struct json_w){ .b = b };
}

int json_w_end(struct json_w *w)
{
    INVARIANT(w->done && w->depth == 0);
    return w->failed ? -1 : 0;
}

void json_w_object(struct json_w *w, const char *key)
{
    open_container(w, key, false);
}

void json_w_array(struct json_w *w, const char *key)
{
    open_container(w, key, true);
}

void json_w_close_object(struct json_w *w)
{
    close_container(w, false);
}

void json_w_close_array(struct json_w *w)
{
    close_container(w, true);
}

void json_w_str(struct json_w *w, const char *key, const char *s)
{
    if (s == NULL)
        json_w_null(w, key);
    else
        json_w_strn(w, key, s, strlen(s));
}

void json_w_strn(struct json_w *w, const char *key, const char *s, size_t len)
{
    begin(w, key);
    put_quoted(w, s, len);
}

void json_w_lines(struct json_w *w, const char *key, const char *text)
{
    json_w_array(w, key);
    for (const char *s = text; *s != '\0';) {
        size_t n = strcspn(s, "\n");
        if (n > 0)
            json_w_strn(w, NULL, s, n);
        s += n + (s[n] == '\n');
    }
    json_w_close_array(w);
}

void json_w_int(struct json_w *w, const char *key, int64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (n < 0)
        digits[--at] = '-';
    begin(w, key);
    put(w, digits + at, sizeof digits - at);
}

void json_w_double(struct json_w *w, const char *key, double d)
{
    if (!isfinite(d)) {
        json_w_null(w, key);
        return;
    }
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    /* Under a locale with another decimal point both calls above used it. */
    size_t len = strlen(text), point = strspn(text, "-0123456789e+");
    if (point < len)
        text[point] = '.';
    begin(w, key);
    put(w, text, len);
}

void json_w_bool(struct json_w *w, const char *key, bool v)
{
    json_w_raw(w, key, v ? "true" : "false", v ? 4 : 5);
}

void json_w_null(struct json_w *w, const char *key)
{
    json_w_raw(w, key, "null", 4);
}

void json_w_raw(struct json_w *w, const char *key, const char *json, size_t len)
{
    begin(w, key);
    put(w, json, len);
}

int json_add_shown(struct buf *out, const char *json, size_t len)
{
    size_t done = 0;
    for (size_t at = 0; at < len;) {
        uint32_t cp = 0x7f;
        char text[16];
        unsigned n = (unsigned char)json[at] < 0x7f ? 0 : 1;
        if (n > 0 && json[at] != 0x7f)
            n = utf8_decode(json + at, len - at, &cp);
        if (n > 0 && (cp == 0x7f || is_hidden(cp))) {
            if (buf_add(out, json + done, at - done) < 0 ||
                buf_add(out, text, write_escape(cp, text)) < 0)
                return -1;
            done = at + n;
        }
        at += n > 0 ? n : 1;
    }
    return buf_add(out, json + done, len - done);
}

void json_w_text_or_base64(struct json_w *w, const char *text_key, const char *base64_key,
                           const void *p, size_t len)
{
    bool is_text = len == 0 || (memchr(p, 0, len) == NULL && utf8_is_valid(p, len));
    if (is_text)
        json_w_strn(w, text_key, p, len);
    else
        json_w_base64(w, base64_key, p, len);
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t base64_size(size_t len)
{
    return (len + 2) / 3 * 4;
}

static void encode_group(char *out, uint32_t bits)
{
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = alphabet[bits >> 6 & 63];
    out[3] = alphabet[bits & 63];
}

static void encode_all(char *out, const unsigned char *p, size_t len)
{
    for (; len >= 3; p += 3, len -= 3, out += 4)
        encode_group(out, (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]);
    if (len == 0)
        return;
    encode_group(out, (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0));
    out[3] = '=';
    if (len == 1)
        out[2] = '=';
}

int base64_encode(struct buf *out, const void *p, size_t len)
{
    size_t size = base64_size(len);
    char *at = buf_reserve(out, size);
    if (at == NULL)
        return -1;
    encode_all(at, p, len);
    buf_grew(out, size);
    return 0;
}

void json_w_base64(struct json_w *w, const char *key, const void *p, size_t len)
{
    begin(w, key);
    put(w, "\"", 1);
    char *at = take(w, base64_size(len));
    if (at != NULL)
        encode_all(at, p, len);
    put(w, "\"", 1);
}

#define BAD 0xFF

static const unsigned char *decode_table(void)
{
    static unsigned char table[256];
    if (table[0] != BAD) {
        memset(table + 1, BAD, 255);
        for (unsigned char i = 0; i < 64; i++)
            table[(unsigned char)alphabet[i]] = i;
        table[0] = BAD; /* last: it says the rest is ready */
    }
    return table;
}

static int base64_bad(struct err *e, size_t offset)
{
    return err_set(e, ERR_FORMAT, "base64: byte %zu is not what it must be", offset);
}

int base64_decode(struct buf *out, const char *s, size_t len, struct err *e)
{
    const unsigned char *value = decode_table(), *u = (const unsigned char *)s;
    if (len % 4 != 0)
        return err_set(e, ERR_FORMAT, "base64: %zu bytes are not whole groups of four", len);
    if (len == 0)
        return 0;
    size_t pad = s[len - 1] != '=' ? 0 : s[len - 2] != '=' ? 1 : 2, size = len / 4 * 3 - pad;
    char *at = buf_reserve(out, size);
    if (at == NULL)
        return err_set(e, ERR_LIMIT, "base64: more than %zu bytes", out->max);
    for (size_t i = 0; i < len; i += 4) {
        size_t absent = i + 4 == len ? pad : 0;
        uint32_t bits = 0;
        unsigned char seen = 0;
        for (size_t k = 0; k < 4; k++) {
            unsigned char v = k < 4 - absent ? value[u[i + k]] : 0;
            seen |= v;
            bits = bits << 6 | (v & 63);
        }
        /* Bits behind the last whole byte must be zero, or two texts would mean the same bytes. */
        if (seen == BAD || (absent != 0 && (bits & ((1u << 8 * absent) - 1)) != 0))
            return base64_bad(e, i);
        *at++ = (char)(bits >> 16);
        if (absent < 2)
            *at++ = (char)(bits >> 8);
        if (absent < 1)
            *at++ = (char)bits;
    }
    buf_grew(out, size);
    return 0;
}
