/* fuzz_lex.c - any bytes in any language: exact cover, the same from every line start, and a review
 * that ends, is sorted and comes out the same twice. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tool/lex.h"
#include "tool/review.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 512

struct seen {
    size_t at[LINES_MAX], tokens[LINES_MAX], lines, count;
    uint32_t hash[LINES_MAX];
    struct lex_state state[LINES_MAX];
};

static uint32_t mix(uint32_t h, const struct lex_token *t)
{
    const uint8_t *p = (const uint8_t *)t;
    for (size_t i = 0; i < sizeof(*t); i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

static void check_cover(struct seen *s, enum lex_lang lang, const char *code, size_t len)
{
    struct lex lx;
    struct lex_token t;
    size_t at = 0;
    lex_init(&lx, lang, code, len);
    memset(s, 0, sizeof(*s));
    s->lines = 1;
    while (lex_next(&lx, &t)) {
        INVARIANT(t.len > 0 && t.kind < LEX_KINDS && t.start >= at);
        for (; at < t.start; at++)
            INVARIANT(is_blank(code[at]));
        at += t.len;
        s->count++;
        bool lf = code[at - 1] == '\n';
        INVARIANT(memchr(code + t.start, '\n', t.len - (lf ? 1 : 0)) == NULL);
        INVARIANT(!lf || t.kind == LEX_NEWLINE);
        for (size_t i = 0; i < s->lines; i++)
            s->hash[i] = mix(s->hash[i], &t);
        if (!lf || s->lines == LINES_MAX)
            continue;
        s->at[s->lines] = at;
        s->state[s->lines] = lx.state;
        s->tokens[s->lines++] = s->count;
    }
    for (; at < len; at++)
        INVARIANT(is_blank(code[at]));
}

static void check_resume(const struct seen *s, enum lex_lang lang, const char *code, size_t len)
{
    for (size_t i = 0; i < s->lines; i++) {
        struct lex lx;
        struct lex_token t;
        uint32_t hash = 0;
        size_t count = s->tokens[i];
        lex_resume(&lx, lang, code, len, s->at[i], &s->state[i]);
        for (; lex_next(&lx, &t); count++)
            hash = mix(hash, &t);
        INVARIANT(hash == s->hash[i] && count == s->count);
    }
}

static void check_findings(const struct review *r, size_t len)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct review_finding *f = &r->findings[i];
        INVARIANT(f->start + f->len <= len && f->rule != NULL && f->text != NULL);
        INVARIANT(utf8_is_valid(f->text, strlen(f->text)));
        for (const char *p = f->text; *p != '\0'; p++)
            INVARIANT((unsigned char)*p >= ' ' && *p != 0x7f);
        if (i == 0 || (r->truncated && i + 1 == r->count))
            continue;
        const struct review_finding *g = f - 1;
        INVARIANT(g->line < f->line || (g->line == f->line && strcmp(g->rule, f->rule) <= 0));
    }
}

static void check_review(const struct review_rules *rules, enum lex_lang lang, const char *code,
                         size_t len)
{
    static const char *const mounts[] = { "/mnt/data" };
    static const struct review_context ctx = { mounts, 1, true };
    struct review a, b;
    review_run(rules, lex_language_name(lang), code, len, &ctx, &a);
    review_run(rules, lex_language_name(lang), code, len, &ctx, &b);
    check_findings(&a, len);
    INVARIANT(a.count == b.count);
    for (size_t i = 0; i < a.count; i++)
        INVARIANT(a.findings[i].rule == b.findings[i].rule &&
                  a.findings[i].start == b.findings[i].start &&
                  strcmp(a.findings[i].text, b.findings[i].text) == 0);
    review_release(&a);
    review_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct review_rules *rules;
    static struct seen seen;
    struct err e = ERR_INIT;
    if (rules == NULL)
        INVARIANT(review_load(&rules, &e) == 0);
    if (size == 0)
        return 0;
    enum lex_lang lang = (enum lex_lang)(data[0] % 4);
    const char *code = (const char *)data + 1;
    size_t len = size - 1;
    check_cover(&seen, lang, code, len);
    check_resume(&seen, lang, code, len);
    check_review(rules, lang, code, len);
    return 0;
}
