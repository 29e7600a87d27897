/* llm_preview.c - a JSON walker that never stops to judge: strings, escapes and depth are enough to
 * find one value in an object that is not whole yet. */
#include "providers/planners/llm_preview.h"

#include <string.h>
#include "base/json_check.h"
#include "base/utf8.h"

void llm_preview_init(struct llm_preview *v)
{
    *v = (struct llm_preview){ .want_key = true };
}

/* ---- characters of a string ---- */

static void take_bytes(struct llm_preview *v, const char *p, size_t len, struct buf *out)
{
    if (v->is_key || v->takes == PREVIEW_LANGUAGE) {
        char *at = v->is_key ? v->key : v->language;
        unsigned *n = v->is_key ? &v->key_len : &v->language_len;
        for (size_t i = 0; i < len && *n < LLM_LANGUAGE_MAX; i++)
            at[(*n)++] = p[i];
        at[*n] = '\0';
    } else if (v->takes == PREVIEW_CODE) {
        (void)buf_add(out, p, len);
    }
}

static void take_code_point(struct llm_preview *v, uint32_t cp, struct buf *out)
{
    char utf8[4];
    unsigned n = utf8_encode(cp, utf8);
    take_bytes(v, n > 0 ? utf8 : "\xEF\xBF\xBD", n > 0 ? n : 3u, out);
}

/* A high surrogate that got no other half. */
static void drop_high(struct llm_preview *v, struct buf *out)
{
    if (v->high != 0)
        take_code_point(v, 0xFFFD, out);
    v->high = 0;
}

static void take_unit(struct llm_preview *v, struct buf *out)
{
    uint32_t unit = v->unit;
    if (unit >= 0xDC00 && unit <= 0xDFFF && v->high != 0) {
        unit = 0x10000 + ((v->high - 0xD800) << 10) + (unit - 0xDC00);
        v->high = 0;
    }
    drop_high(v, out);
    if (unit >= 0xD800 && unit <= 0xDBFF)
        v->high = unit;
    else
        take_code_point(v, unit, out);
}

static void take_hex(struct llm_preview *v, unsigned char c, struct buf *out)
{
    unsigned digit = c >= '0' && c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10u;
    v->unit = v->unit << 4 | (digit & 15);
    if (--v->hex_left == 0)
        take_unit(v, out);
}

static bool is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static void take_escape(struct llm_preview *v, unsigned char c, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    v->escaped = false;
    if (c == 'u') {
        v->hex_left = 4;
        v->unit = 0;
        return;
    }
    drop_high(v, out);
    if (at != NULL)
        take_bytes(v, &to[at - from], 1, out);
    else
        take_code_point(v, 0xFFFD, out);
}

/* ---- UTF-8 is yielded in whole sequences, so that no piece ends inside one ---- */

static unsigned sequence_len(unsigned char c)
{
    return c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
}

static void flush_tail(struct llm_preview *v, struct buf *out)
{
    uint32_t cp;
    if (v->tail_len == 0)
        return;
    unsigned n = utf8_decode(v->tail, v->tail_len, &cp);
    if (n == v->tail_len)
        take_bytes(v, v->tail, n, out);
    else
        take_code_point(v, 0xFFFD, out);
    v->tail_len = v->tail_want = 0;
}

static void take_high_byte(struct llm_preview *v, char c, struct buf *out)
{
    bool leads = (unsigned char)c >= 0xC0;
    if (leads || v->tail_len == 0) {
        flush_tail(v, out);
        v->tail_want = leads ? sequence_len((unsigned char)c) : 1;
    }
    v->tail[v->tail_len++] = c;
    if (v->tail_len == v->tail_want)
        flush_tail(v, out);
}

static void end_string(struct llm_preview *v, struct buf *out)
{
    drop_high(v, out);
    v->in_string = false;
    if (v->is_key)
        v->want_key = false;
    v->takes = PREVIEW_NOTHING;
    v->is_key = false;
}

static void string_byte(struct llm_preview *v, char c, struct buf *out)
{
    unsigned char u = (unsigned char)c;
    if (u < 0x80)
        flush_tail(v, out);
    if (v->hex_left > 0 && is_hex(u)) {
        take_hex(v, u, out);
        return;
    }
    if (v->hex_left > 0) { /* not four digits: no escape after all */
        v->hex_left = 0;
        take_code_point(v, 0xFFFD, out);
    }
    if (v->escaped) {
        take_escape(v, u, out);
    } else if (c == '\\') {
        v->escaped = true;
    } else if (c == '"') {
        end_string(v, out);
    } else {
        drop_high(v, out);
        if (u < 0x80)
            take_bytes(v, &c, 1, out);
        else
            take_high_byte(v, c, out);
    }
}

/* ---- between strings ---- */

static bool begin_string(struct llm_preview *v)
{
    v->in_string = true;
    if (v->depth != 1)
        return false;
    if (v->want_key) {
        v->is_key = true;
        v->key_len = 0;
        v->key[0] = '\0';
        return false;
    }
    if (strcmp(v->key, "code") == 0) {
        v->takes = PREVIEW_CODE;
        return true;
    }
    if (strcmp(v->key, "language") == 0) {
        v->takes = PREVIEW_LANGUAGE;
        v->language_len = 0;
    }
    return false;
}

static bool structure_byte(struct llm_preview *v, char c)
{
    if (c == '"')
        return begin_string(v);
    if (c == '{' || c == '[')
        v->depth++;
    else if ((c == '}' || c == ']') && v->depth > 0)
        v->depth--;
    else if (c == ',' && v->depth == 1)
        v->want_key = true;
    return false;
}

bool llm_preview_feed(struct llm_preview *v, const char *p, size_t len, struct buf *out)
{
    bool code = v->takes == PREVIEW_CODE;
    for (size_t i = 0; i < len; i++) {
        if (!v->in_string) {
            code |= structure_byte(v, p[i]);
            continue;
        }
        bool plain = !v->escaped && v->hex_left == 0 && v->tail_len == 0 && v->high == 0;
        size_t run = plain ? json_plain_run(p + i, len - i) : 0;
        if (run > 0) {
            take_bytes(v, p + i, run, out);
            i += run - 1;
        } else {
            string_byte(v, p[i], out);
        }
    }
    return code;
}
