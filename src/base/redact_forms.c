/* redact_forms.c - the ways in which a secret may be written. */
#include "base/redact_forms.h"

#include <string.h>

#include "base/buf.h"

static void form_add(struct redact_forms *f, char c)
{
    INVARIANT(f->arena_len < REDACT_FORMS_BYTES);
    f->arena[f->arena_len++] = c;
}

/* What was added since the last form is one, unless it is too short or there already. */
static void form_end(struct redact_forms *f, bool wraps)
{
    const struct redact_form *last = f->count > 0 ? &f->form[f->count - 1] : NULL;
    size_t at = last != NULL ? last->at + last->len : 0, len = f->arena_len - at;
    bool keep = len >= REDACT_VALUE_MIN;
    for (size_t i = 0; i < f->count && keep; i++)
        keep = f->form[i].len != len || memcmp(f->arena + f->form[i].at, f->arena + at, len) != 0;
    if (!keep) {
        f->arena_len = at;
        return;
    }
    INVARIANT(f->count < REDACT_FORMS_MAX);
    f->form[f->count++] = (struct redact_form){ .at = at, .len = len, .wraps = wraps };
}

static void add_exact(struct redact_forms *f, const char *v, size_t len)
{
    for (size_t i = 0; i < len; i++)
        form_add(f, v[i]);
    form_end(f, false);
}

/* The characters that `v` alone decides when it begins `shift` bytes behind a group of three. */
static void add_base64(struct redact_forms *f, const char *v, size_t len, size_t shift, bool url)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t first = (8 * shift + 5) / 6, end = 8 * (shift + len) / 6;
    for (size_t i = first; i < end; i++) {
        unsigned bits = 0;
        for (size_t k = 0; k < 6; k++) {
            size_t bit = 6 * i + k - 8 * shift;
            bits = bits << 1 | ((unsigned char)v[bit / 8] >> (7 - bit % 8) & 1);
        }
        form_add(f, bits < 62 ? digits[bits] : bits == 62 ? (url ? '-' : '+') : (url ? '_' : '/'));
    }
    form_end(f, true);
}

static void add_hex_byte(struct redact_forms *f, char c, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    form_add(f, digits[(unsigned char)c >> 4]);
    form_add(f, digits[(unsigned char)c & 15]);
}

static void add_hex(struct redact_forms *f, const char *v, size_t len, bool upper)
{
    for (size_t i = 0; i < len; i++)
        add_hex_byte(f, v[i], upper);
    form_end(f, false);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Encoders differ in what they leave alone besides letters and digits. */
static void add_url(struct redact_forms *f, const char *v, size_t len, const char *plain,
                    bool upper)
{
    bool plus = plain[0] == '+'; /* a form's way to write a blank */
    plain += plus;
    for (size_t i = 0; i < len; i++) {
        if (is_alnum(v[i]) || strchr(plain, v[i]) != NULL) {
            form_add(f, v[i]);
        } else if (v[i] == ' ' && plus) {
            form_add(f, '+');
        } else {
            form_add(f, '%');
            add_hex_byte(f, v[i], upper);
        }
    }
    form_end(f, false);
}

/* `u_too`: characters written as \u00XX by this encoder. */
static void add_json(struct redact_forms *f, const char *v, size_t len, const char *u_too,
                     bool slash)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(u_too, v[i]) != NULL) {
            for (const char *u = "\\u00"; *u != '\0'; u++)
                form_add(f, *u);
            add_hex_byte(f, v[i], false);
            continue;
        }
        if (v[i] == '"' || v[i] == '\\' || (slash && v[i] == '/'))
            form_add(f, '\\');
        form_add(f, v[i]);
    }
    form_end(f, false);
}

void redact_forms_write(struct redact_forms *f, const char *v, size_t len)
{
    /* RFC 3986; encodeURIComponent; Python's quote; HTML forms and quote_plus */
    static const char *const url_plain[] = { "-._~", "-._~!*'()", "-._~/", "+-._*", "+-._~" };
    add_exact(f, v, len);
    for (size_t shift = 0; shift < 3; shift++) {
        add_base64(f, v, len, shift, false);
        add_base64(f, v, len, shift, true);
    }
    for (int upper = 0; upper < 2; upper++) {
        add_hex(f, v, len, upper);
        for (size_t i = 0; i < ARRAY_LEN(url_plain); i++)
            add_url(f, v, len, url_plain[i], upper);
    }
    for (int slash = 0; slash < 2; slash++) {
        add_json(f, v, len, "", slash);
        add_json(f, v, len, "<>&", slash);
        add_json(f, v, len, "<>&'\"+`", slash);
    }
}
