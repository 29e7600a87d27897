/* review_text.c - what can be wrong with any text: bytes that hide, reorder or deceive. */
#include "tool/review_impl.h"

#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"
#include "tool/review_unicode.h"

#define LONG_LINE      500u
#define HUGE_LINE      5000u
#define BLANK_RUN      32u
#define BLANK_LEAD     100u
#define BLANK_LINES    8u
#define MARKS_PER_BASE 4u

/* ---- lines and single bytes ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Does a comment start here? Then the blanks before it only align it. */
static bool starts_comment(const char *p, size_t left)
{
    return left > 0 && (p[0] == '#' || (p[0] == '/' && left > 1 && (p[1] == '/' || p[1] == '*')));
}

static void check_blanks(struct review_job *j, size_t start, size_t len)
{
    const char *p = j->code + start;
    size_t i = 0;
    while (i < len) {
        size_t from = i;
        while (i < len && is_blank(p[i]))
            i++;
        size_t most = from == 0 ? BLANK_LEAD : BLANK_RUN;
        if (i - from > most && i < len && p[i] != '\r' && !starts_comment(p + i, len - i))
            job_check(j, "blank-run", start + from, i - from);
        while (i < len && !is_blank(p[i]))
            i++;
    }
}

static void check_lines(struct review_job *j)
{
    size_t blank = 0, blank_start = 0;
    for (size_t at = 0; at < j->len;) {
        const char *nl = memchr(j->code + at, '\n', j->len - at);
        size_t len = nl != NULL ? (size_t)(nl - j->code) - at : j->len - at;
        size_t used = len;
        while (used > 0 && (is_blank(j->code[at + used - 1]) || j->code[at + used - 1] == '\r'))
            used--;
        if (used == 0) {
            blank_start = blank++ == 0 ? at : blank_start;
        } else {
            if (blank > BLANK_LINES)
                job_check(j, "blank-lines", blank_start, 1);
            blank = 0;
        }
        if (len > HUGE_LINE)
            job_check(j, "huge-line", at, len);
        else if (len > LONG_LINE)
            job_check(j, "long-line", at, len);
        if (len > BLANK_RUN)
            check_blanks(j, at, len);
        at += len + 1;
    }
}

static void check_bytes(struct review_job *j)
{
    for (size_t i = 0; i < j->len; i++) {
        unsigned char c = (unsigned char)j->code[i];
        if (c >= ' ' && c != 0x7f)
            continue;
        if (c == '\0')
            job_check(j, "nul", i, 1);
        else if (c == '\r' && (i + 1 == j->len || j->code[i + 1] != '\n'))
            job_check(j, "lone-cr", i, 1);
        else if (c != '\n' && c != '\t' && c != '\r' && c != '\f')
            job_check(j, "control", i, 1);
    }
}

/* ---- secrets by their shape, comments included ---- */

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void check_shapes(struct review_job *j)
{
    const struct review_rules *r = j->rules;
    /* a shape that failed over a long run fails again from within that run */
    size_t *failed_to = xcalloc(r->shape_count + 1, sizeof(*failed_to));
    for (size_t i = 0; i + 1 < j->len; i++) {
        unsigned char c = (unsigned char)j->code[i];
        unsigned pair = (unsigned)c << 8 | (unsigned char)j->code[i + 1];
        if ((r->shape_pairs[pair / 8] >> pair % 8 & 1) == 0 ||
            (i > 0 && is_key_char(j->code[i - 1])))
            continue;
        for (uint32_t k = r->by_first[c]; k < r->by_first[c + 1]; k++) {
            uint32_t at = r->by_first[257 + k];
            const struct rule_shape *s = &r->shapes[at];
            size_t seen = 0;
            if (!s->is_shape || i < failed_to[at])
                continue;
            size_t n = shape_match(s->text, j->code + i, j->len - i, &seen);
            if (n == 0) {
                failed_to[at] = seen > 64 ? i + seen : 0;
                continue;
            }
            job_add(j, &r->rules[s->rule], PATH_UNKNOWN, i, n, NULL, 0);
            i += n - 1;
            break;
        }
    }
    free(failed_to);
}

/* ---- code points ---- */

struct glyphs {
    bool in_text;   /* in a string or a comment */
    uint32_t last;  /* the code point before */
    unsigned marks; /* combining marks in a row */
};

/* ZWJ and VS16 belong between two pictographs of a literal or comment. */
static bool joins_emoji(const struct glyphs *g)
{
    return g->in_text && g->last >= 0x203c && unicode_class(g->last) == CP_PLAIN;
}

static const char *verdict(struct glyphs *g, uint32_t cp)
{
    enum cp_class cls = unicode_class(cp);
    g->marks = cls == CP_MARK ? g->marks + 1 : 0;
    switch (cls) {
    case CP_CONTROL:
        return "control";
    case CP_BIDI:
        return "bidi";
    case CP_TAG:
        return "tag";
    case CP_JOINER:
        return joins_emoji(g) ? NULL : g->in_text ? "invisible-in-text" : "invisible";
    case CP_INVISIBLE:
        return g->in_text ? "invisible-in-text" : "invisible";
    case CP_SPACE:
        return g->in_text ? "odd-space-in-text" : "odd-space";
    case CP_PRIVATE:
        return "private-use";
    case CP_MARK:
        return g->marks == MARKS_PER_BASE + 1 ? "many-marks" : NULL;
    case CP_COMPAT:
    case CP_PLAIN:
    default:
        return NULL;
    }
}

static void check_glyphs(struct review_job *j, size_t start, size_t len, bool in_text)
{
    struct glyphs g = { .in_text = in_text };
    for (size_t i = 0; i < len;) {
        const char *p = j->code + start + i;
        uint32_t cp = (unsigned char)*p;
        unsigned n = cp < 0x80 ? 1 : utf8_decode(p, len - i, &cp);
        if (n == 0) {
            job_check(j, "invalid-utf8", start + i, 1);
            n = 1;
        } else if (cp >= 0x80) {
            const char *check = verdict(&g, cp);
            if (check != NULL)
                job_check(j, check, start + i, n);
        }
        /* what is invisible does not separate its neighbours */
        if (unicode_class(cp) != CP_JOINER)
            g.last = cp;
        i += n;
    }
}

static void check_word(struct review_job *j, const struct lex_token *t)
{
    static const char *const checks[] = {
        [WORD_COMPAT] = "compat-letter",
        [WORD_LOOKALIKE] = "lookalike",
        [WORD_MIXED] = "mixed-script",
        [WORD_WHOLE] = "whole-lookalike",
    };
    enum word_trick trick = unicode_word(j->code + t->start, t->len);
    if (trick != WORD_PLAIN)
        job_check(j, checks[trick], t->start, t->len);
}

static bool has_high_byte(const char *p, size_t n)
{
    size_t i = 0;
    for (uint64_t w; i + 8 <= n; i += 8) {
        memcpy(&w, p + i, 8);
        if ((w & 0x8080808080808080u) != 0)
            return true;
    }
    for (; i < n; i++) {
        if ((unsigned char)p[i] >= 0x80)
            return true;
    }
    return false;
}

static void check_tokens(struct review_job *j)
{
    struct lex lx;
    struct lex_token t;
    lex_init(&lx, j->lang, j->code, j->len);
    while (lex_next(&lx, &t)) {
        if (!has_high_byte(j->code + t.start, t.len))
            continue;
        bool word = t.kind == LEX_NAME || t.kind == LEX_VARIABLE || t.kind == LEX_BUILTIN ||
                    t.kind == LEX_KEYWORD || t.kind == LEX_DECORATOR;
        bool text = t.kind == LEX_STRING || t.kind == LEX_COMMENT || t.kind == LEX_REGEX ||
                    (t.kind == LEX_TEXT && j->lang == LEX_LANG_NONE);
        check_glyphs(j, t.start, t.len, text);
        if (word)
            check_word(j, &t);
    }
}

void review_text(struct review_job *j)
{
    check_lines(j);
    check_bytes(j);
    check_shapes(j);
    if (has_high_byte(j->code, j->len))
        check_tokens(j);
}
