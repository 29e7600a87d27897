/* review_match.c - a shell command against the rules: options, arguments, paths. */
#include "tool/review_shell.h"

#include <stdlib.h>
#include <string.h>

#define NESTED_MAX ((size_t)1 << 20)

bool command_is_flag(const struct command *c, const struct word *w)
{
    return w->text_len > 0 && word_text(c->s, w)[0] == '-';
}

/* ---- arguments ---- */

/* Has it the option? `-r` also stands in `-fr`; `--force` also in `--force=x`. */
bool command_has_flag(const struct command *c, const char *flag)
{
    size_t n = strlen(flag);
    for (size_t i = 1; i < c->count; i++) {
        const struct word *w = &c->w[i];
        const char *p = word_text(c->s, w);
        if (word_is(c->s, w, "--"))
            return false;
        if (w->text_len >= n && memcmp(p, flag, n) == 0 &&
            (w->text_len == n || p[n] == '=' || p[n - 1] == '='))
            return true;
        bool cluster = n == 2 && flag[0] == '-' && w->text_len > 2 && p[0] == '-' && p[1] != '-';
        if (cluster && memchr(p + 1, flag[1], w->text_len - 1) != NULL)
            return true;
    }
    return false;
}

/* Positional argument `pos`, ARG_LAST, or the value of option `kw` (`-o`, `of=`): NULL if absent.
 * *skip: bytes of the word before the value. */
const struct word *command_find_arg(const struct command *c, int pos, const char *kw, size_t *skip)
{
    const struct word *last = NULL;
    size_t n = kw != NULL ? strlen(kw) : 0;
    int at = 0;
    bool options = true;
    *skip = 0;
    if (pos == ARG_END)
        return c->count > 1 ? &c->w[c->count - 1] : NULL;
    for (size_t i = 1; i < c->count; i++) {
        const struct word *w = &c->w[i];
        const char *p = word_text(c->s, w);
        if (kw != NULL && n > 0 && w->text_len >= n && memcmp(p, kw, n) == 0) {
            if (w->text_len > n) {
                *skip = n + (p[n] == '=');
                return w;
            }
            return i + 1 < c->count ? &c->w[i + 1] : NULL;
        }
        /* -c in -xc */
        if (n == 2 && w->text_len > 2 && p[0] == '-' && p[1] != '-' && kw != NULL &&
            p[w->text_len - 1] == kw[1] && i + 1 < c->count)
            return &c->w[i + 1];
        if (options && word_is(c->s, w, "--"))
            options = false;
        else if (!options || !command_is_flag(c, w)) {
            last = w;
            if (at++ == pos)
                return w;
        }
    }
    return pos == ARG_LAST ? last : NULL;
}

static bool any_arg(const struct command *c, const struct rule_words *words)
{
    for (size_t i = 1; i < c->count; i++) {
        for (size_t k = 0; k < words->count; k++) {
            if (glob_match(words->words[k], word_text(c->s, &c->w[i]), c->w[i].text_len))
                return true;
        }
    }
    return false;
}

/* ---- conditions ---- */

bool command_is_stream(const struct command *c, const struct word *w)
{
    static const char *const names[] = { "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (word_is(c->s, w, names[i]))
            return true;
    }
    return (w->flags & WORD_SUBST) != 0;
}

static bool word_holds(const struct command *c, const struct rule_cond *cond, const struct word *w)
{
    const char *p = word_text(c->s, w);
    switch (cond->what) {
    case COND_PRESENT:
        return true;
    case COND_LITERAL:
        return (w->flags & WORD_DYNAMIC) == 0;
    case COND_DYNAMIC:
        return (w->flags & WORD_DYNAMIC) != 0;
    case COND_DECODED:
        return (w->flags & WORD_DECODED) != 0;
    case COND_FETCHED:
        return (w->flags & WORD_FETCHED) != 0;
    case COND_BUILT:
        return (w->flags & (WORD_GLUED | WORD_ESCAPED)) != 0;
    case COND_STREAM:
        return command_is_stream(c, w);
    case COND_IS:
    case COND_HAS:
        for (size_t i = 0; i < cond->word_count; i++) {
            size_t n = strlen(cond->words[i]);
            if (cond->what == COND_IS ? glob_match(cond->words[i], p, w->text_len)
                                      : memmem(p, w->text_len, cond->words[i], n) != NULL)
                return true;
        }
        return false;
    default:
        return false;
    }
}

static bool cond_holds(const struct command *c, const struct rule_cond *cond)
{
    size_t skip;
    if (cond->arg == -1) {
        for (size_t i = 1; i < c->count; i++) {
            if (word_holds(c, cond, &c->w[i]))
                return true;
        }
        return false;
    }
    const struct word *w = command_find_arg(c, cond->arg, cond->kw, &skip);
    return w != NULL && word_holds(c, cond, w);
}

static bool rule_applies(const struct command *c, const struct review_rule *r)
{
    if (r->piped && !c->piped)
        return false;
    for (size_t g = 0; g < r->flag_count; g++) {
        bool one = false;
        for (size_t k = 0; k < r->flags[g].count; k++)
            one |= command_has_flag(c, r->flags[g].words[k]);
        if (!one)
            return false;
    }
    for (size_t k = 0; k < r->no_flags.count; k++) {
        if (command_has_flag(c, r->no_flags.words[k]))
            return false;
    }
    if (r->args.count > 0 && !any_arg(c, &r->args))
        return false;
    for (size_t i = 0; i < r->cond_count; i++) {
        if (cond_holds(c, &r->conds[i]) == r->conds[i].negate)
            return false;
    }
    return true;
}

/* ---- paths ---- */

static enum path_class judge(const struct command *c, const char *p, size_t len)
{
    if (c->prefixes > 0 && memmem(p, len, "{}", 2) != NULL) {
        if (c->filled == NULL)
            return PATH_UNKNOWN;
        p = word_text(c->s, c->filled);
        len = c->filled->text_len;
    }
    return path_classify(c->s->j->ctx, c->s->j->cwd, p, len);
}

/* The worst of the paths the rule names; *word is the one. */
static enum path_class worst_path(const struct command *c, const struct rule_arg *a,
                                  const struct word **word, size_t *skip)
{
    *word = NULL;
    *skip = 0;
    if (a->arg != ARG_REST) {
        *word = command_find_arg(c, a->arg, a->kw, skip);
        return *word == NULL ? PATH_UNKNOWN
                             : judge(c, word_text(c->s, *word) + *skip, (*word)->text_len - *skip);
    }
    enum path_class worst = PATH_INSIDE;
    bool any = false;
    for (size_t i = 1; i < c->count; i++) {
        if (command_is_flag(c, &c->w[i]))
            continue;
        enum path_class cls = judge(c, word_text(c->s, &c->w[i]), c->w[i].text_len);
        if (!any || cls > worst) {
            worst = cls;
            *word = &c->w[i];
        }
        any = true;
    }
    return any ? worst : PATH_UNKNOWN;
}

static void note_persistence(struct shell *s, const struct word *w, size_t skip)
{
    job_persist(s->j, word_text(s, w) + skip, w->text_len - skip, w->start, w->end - w->start);
}

void command_check_write(struct shell *s, const struct word *w)
{
    const struct review_rule *rule = rules_check(s->j->rules, LEX_LANG_SHELL, "redirect");
    const char *p = word_text(s, w);
    if (w->text_len == 0)
        return;
    note_persistence(s, w, 0);
    if (rule != NULL)
        job_add(s->j, rule, path_classify(s->j->ctx, s->j->cwd, p, w->text_len), w->start,
                w->end - w->start, p, w->text_len);
}

/* ---- rules ---- */

static void review_code_word(const struct command *c, const struct rule_arg *a)
{
    struct shell *s = c->s;
    size_t skip;
    const struct word *w = command_find_arg(c, a->arg, a->kw, &skip);
    while (w != NULL && a->kw != NULL && skip == 0 && command_is_flag(c, w) &&
           w + 1 < c->w + c->count)
        w++; /* sh -c -e 'rm x' */
    if (w == NULL || w->text_len <= skip || w->text_len > NESTED_MAX)
        return;
    /* the walk of the inner code has words of its own, and this text may move */
    char *code = xmemdup(word_text(s, w) + skip, w->text_len - skip);
    size_t len = w->text_len - skip;
    for (size_t i = 0; i < len; i++) {
        if (code[i] == REVIEW_HOLE)
            code[i] = a->lang == LEX_LANG_SHELL ? '$' : 'X';
    }
    bool exact = (w->flags & WORD_EXACT) != 0 && skip == 0 && w->end == w->start + len + 2;
    job_nested(s->j, a->lang, code, len, exact ? w->start + 1 : w->start,
               exact ? len : w->end - w->start, exact);
    free(code);
}

static void apply_rule(const struct command *c, const struct review_rule *r)
{
    struct shell *s = c->s;
    const struct word *last = &c->w[c->count - 1];
    size_t start = c->w[0].start, len = last->end > start ? last->end - start : 1;
    const char *detail = s->j->code + start;
    size_t detail_len = len;
    enum path_class cls = PATH_UNKNOWN;
    if (r->path.used) {
        const struct word *w;
        size_t skip;
        cls = worst_path(c, &r->path, &w, &skip);
        if (w != NULL && cls != PATH_UNKNOWN) {
            detail = word_text(s, w) + skip;
            detail_len = w->text_len - skip;
        }
        if (w != NULL && strcmp(r->category, "write") == 0)
            note_persistence(s, w, skip);
    }
    job_add(s->j, r, cls, start, len, detail, detail_len);
    if (r->code.used)
        review_code_word(c, &r->code);
}

bool command_try_rules(const struct command *c)
{
    const struct review_rules *r = c->s->j->rules;
    const struct rule_entry *en = NULL;
    bool known = false;
    while ((en = rules_find(r, LEX_LANG_SHELL, MATCH_COMMAND, c->name, c->name_len, en)) != NULL) {
        known = true;
        if (en->glob == NULL && rule_applies(c, &r->rules[en->rule]))
            apply_rule(c, &r->rules[en->rule]);
    }
    /* mkfs.ext4 */
    const char *dot = memchr(c->name, '.', c->name_len);
    size_t base = dot != NULL ? (size_t)(dot - c->name) : 0;
    while (base > 0 &&
           (en = rules_find(r, LEX_LANG_SHELL, MATCH_COMMAND, c->name, base, en)) != NULL) {
        if (en->glob != NULL && rule_applies(c, &r->rules[en->rule]))
            apply_rule(c, &r->rules[en->rule]);
    }
    return known;
}

bool command_is_listed(const struct command *c, enum match_kind kind)
{
    return rules_find(c->s->j->rules, LEX_LANG_SHELL, kind, c->name, c->name_len, NULL) != NULL;
}
