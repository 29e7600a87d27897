/* review_odd.c - what honest code rarely has: encoded literals, escaped letters, character code
 * chains, names that are no words. */
#include "tool/review_names.h"

#include <string.h>
#include <strings.h>

#define ENCODED_MIN   1000u /* bytes of a literal that looks encoded */
#define ESCAPES_MIN   6u
#define CODES_MIN     4u
#define HEX_NAMES_MIN 5u
#define SYMBOLS_MIN   200u

static bool is_code_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=' || c == '-' || c == '_';
}

/* Long, without blanks, of the letters of base64 or hex. */
static bool looks_encoded(const char *p, size_t len)
{
    size_t run = 0;
    for (size_t i = 0; i < len; i++) {
        bool joins = p[i] == '\n' || p[i] == '\r' || p[i] == '\\';
        if (is_code_char((unsigned char)p[i]))
            run++;
        else if (!joins)
            run = 0;
        if (run >= ENCODED_MIN)
            return true;
    }
    return false;
}

/* The letter of `u0065`, `U00000065` or `u{65}`. */
static bool hides_wide(const char *p, size_t len)
{
    size_t zeros = 0, want = p[0] == 'u' ? 2 : 6, at = 1;
    bool braces = len > 1 && p[1] == '{';
    if (p[0] != 'u' && p[0] != 'U')
        return false;
    at += braces;
    while (at < len && p[at] == '0') {
        at++;
        zeros++;
    }
    return at + 1 < len && p[at] >= '2' && p[at] <= '7' &&
           (braces ? at + 2 < len && p[at + 2] == '}' : zeros == want);
}

/* Escapes that only hide a printable letter: "\x65\x76\x61\x6c". */
static size_t hidden_letters(const char *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i + 3 < len; i++) {
        if (p[i] != '\\')
            continue;
        bool hex = p[i + 1] == 'x' && p[i + 2] >= '2' && p[i + 2] <= '7';
        bool wide = hides_wide(p + i + 1, len - i - 1);
        bool octal = p[i + 1] == '1' && p[i + 2] >= '0' && p[i + 2] <= '7' && p[i + 3] >= '0' &&
                     p[i + 3] <= '7';
        n += hex || wide || octal;
        i++;
    }
    return n;
}

static void check_string(struct names *n, size_t i)
{
    const struct tok *t = &n->toks[i];
    const char *p = tok_text(n, i);
    job_literal(n->j, p, t->len, t->start, t->len);
    if (t->len >= ENCODED_MIN && looks_encoded(p, t->len))
        job_check(n->j, "encoded-literal", t->start, t->len);
    if ((t->flags & LEX_RAW) == 0 && hidden_letters(p, t->len) >= ESCAPES_MIN)
        job_check(n->j, "escaped-text", t->start, t->len);
}

/* "text" * 10**9, [0] * 10**9, 9**9**9 */
static void check_number(struct names *n, size_t i)
{
    bool starts = i == 0 || !(tok_is_op(n, i - 1, OP_POWER) || tok_is_op(n, i - 1, OP_SHIFT));
    if (!starts)
        return;
    double v = literal_number(n, i, n->count < i + 16 ? n->count : i + 16);
    size_t at = i; /* … * (10**10) */
    while (at > 0 && at + 4 > i && tok_is_op(n, at - 1, '('))
        at--;
    bool repeats = at >= 2 && tok_is_op(n, at - 1, '*') &&
                   (n->toks[at - 2].kind == LEX_STRING || tok_is_op(n, at - 2, ']') ||
                    tok_is_op(n, at - 2, ')'));
    bool power = tok_is_op(n, i + 1, OP_POWER) || tok_is_op(n, i + 1, OP_SHIFT);
    if ((repeats && v >= 1e9) || (power && v >= 1e300))
        job_check(n->j, "huge-number", n->toks[i].start, n->toks[i].len);
}

struct counts {
    size_t codes, codes_at; /* chr( of one statement */
    size_t hex_names;
    size_t symbols, symbols_at; /* []()!+ in a row */
};

static void count_codes(struct names *n, size_t i, struct counts *c)
{
    if (tok_is_name(n, i) && tok_is_op(n, i + 1, '(') &&
        (tok_is_word(n, i, "chr") || tok_is_word(n, i, "fromCharCode") ||
         tok_is_word(n, i, "charCodeAt"))) {
        if (c->codes++ == 0)
            c->codes_at = i;
        if (c->codes == CODES_MIN)
            job_check(n->j, "char-codes", n->toks[c->codes_at].start, n->toks[c->codes_at].len);
    } else if (n->toks[i].kind == LEX_NEWLINE) {
        c->codes = 0;
    }
}

static void count_symbols(struct names *n, size_t i, struct counts *c)
{
    const struct tok *t = &n->toks[i];
    if (t->kind != LEX_OPERATOR || t->len != 1 || strchr("[]()!+", t->op) == NULL) {
        c->symbols = 0;
        return;
    }
    if (c->symbols++ == 0)
        c->symbols_at = i;
    if (c->symbols == SYMBOLS_MIN)
        job_check(n->j, "symbols-only", n->toks[c->symbols_at].start, 1);
}

static void check_name(struct names *n, size_t i, struct counts *c)
{
    const struct tok *t = &n->toks[i];
    const char *p = tok_text(n, i);
    if (memchr(p, '\\', t->len) != NULL)
        job_check(n->j, "escaped-name", t->start, t->len);
    if (t->len > 5 && memcmp(p, "_0x", 3) == 0 && ++c->hex_names == HEX_NAMES_MIN)
        job_check(n->j, "hex-names", t->start, t->len);
}

/* `# coding: utf-7` in the first two lines: comments may turn out to be code. */
static void check_coding(struct names *n)
{
    static const char *const plain[] = { "utf-8",   "utf8",       "ascii",       "us-ascii",
                                         "latin-1", "iso-8859-1", "iso-8859-15", "utf_8" };
    const char *code = n->j->code;
    size_t at = 0;
    for (unsigned line = 0; line < 2 && at < n->j->len; line++) {
        const char *nl = memchr(code + at, '\n', n->j->len - at);
        size_t end = nl != NULL ? (size_t)(nl - code) : n->j->len;
        const char *hash = memchr(code + at, '#', end - at);
        const char *word =
            hash != NULL ? memmem(hash, (size_t)(code + end - hash), "coding", 6) : NULL;
        at = end + 1;
        if (word == NULL || word + 7 >= code + end || (word[6] != ':' && word[6] != '='))
            continue;
        const char *name = word + 7;
        while (name < code + end && *name == ' ')
            name++;
        size_t len = 0;
        while (name + len < code + end &&
               (is_code_char((unsigned char)name[len]) || name[len] == '.'))
            len++;
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(plain); i++)
            known |= len == strlen(plain[i]) && strncasecmp(name, plain[i], len) == 0;
        if (!known)
            job_check(n->j, "coding", (size_t)(word - code), (size_t)(name - word) + len);
    }
}

void review_oddities(struct names *n)
{
    struct counts c = { 0 };
    if (n->j->lang == LEX_LANG_PYTHON)
        check_coding(n);
    for (size_t i = 0; i < n->count; i++) {
        if (n->toks[i].kind == LEX_STRING)
            check_string(n, i);
        else if (n->toks[i].kind == LEX_NUMBER)
            check_number(n, i);
        else if (tok_is_name(n, i))
            check_name(n, i, &c);
        count_codes(n, i, &c);
        count_symbols(n, i, &c);
    }
}
