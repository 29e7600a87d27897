/* review_command.c - one shell command against the rules, and commands that run others. */
#include "tool/review_shell.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX_MAX 6u /* sudo env nice … in front of each other */
#define NESTED_MAX 65536u

/* A command as the rules see it: words[0] is its name. */
struct command {
    struct shell *s;
    const struct word *w;
    size_t count;
    const char *name; /* without directories; not terminated */
    size_t name_len;
    bool piped;
    unsigned prefixes;
    const struct word *filled; /* what a `{}` of find stands for a part of */
};

static struct level *level(struct shell *s)
{
    return &s->levels[s->depth];
}

static bool is_flag(const struct command *c, const struct word *w)
{
    return w->text_len > 0 && word_text(c->s, w)[0] == '-';
}

static bool name_is(const struct command *c, const char *name)
{
    return c->name_len == strlen(name) && memcmp(c->name, name, c->name_len) == 0;
}

/* ---- arguments ---- */

/* Has it the option? `-r` also stands in `-fr`; `--force` also in `--force=x`. */
static bool has_flag(const struct command *c, const char *flag)
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
static const struct word *find_arg(const struct command *c, int pos, const char *kw, size_t *skip)
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
        else if (!options || !is_flag(c, w)) {
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
    const struct word *w = find_arg(c, cond->arg, cond->kw, &skip);
    return w != NULL && word_holds(c, cond, w);
}

static bool rule_applies(const struct command *c, const struct review_rule *r)
{
    if (r->piped && !c->piped)
        return false;
    for (size_t g = 0; g < r->flag_count; g++) {
        bool one = false;
        for (size_t k = 0; k < r->flags[g].count; k++)
            one |= has_flag(c, r->flags[g].words[k]);
        if (!one)
            return false;
    }
    for (size_t k = 0; k < r->no_flags.count; k++) {
        if (has_flag(c, r->no_flags.words[k]))
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
        *word = find_arg(c, a->arg, a->kw, skip);
        return *word == NULL ? PATH_UNKNOWN
                             : judge(c, word_text(c->s, *word) + *skip, (*word)->text_len - *skip);
    }
    enum path_class worst = PATH_INSIDE;
    bool any = false;
    for (size_t i = 1; i < c->count; i++) {
        if (is_flag(c, &c->w[i]))
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
    const struct word *w = find_arg(c, a->arg, a->kw, &skip);
    if (w == NULL || w->text_len <= skip || w->text_len > NESTED_MAX * 16)
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

static bool try_rules(const struct command *c)
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

static bool listed(const struct command *c, enum match_kind kind)
{
    return rules_find(c->s->j->rules, LEX_LANG_SHELL, kind, c->name, c->name_len, NULL) != NULL;
}

/* ---- interpreters, downloads ---- */

static enum lex_lang interpreter(const struct command *c)
{
    static const struct {
        const char *name;
        enum lex_lang lang;
    } names[] = {
        { "sh", LEX_LANG_SHELL },        { "bash", LEX_LANG_SHELL },
        { "dash", LEX_LANG_SHELL },      { "zsh", LEX_LANG_SHELL },
        { "ksh", LEX_LANG_SHELL },       { "ash", LEX_LANG_SHELL },
        { "python", LEX_LANG_PYTHON },   { "python3", LEX_LANG_PYTHON },
        { "node", LEX_LANG_JAVASCRIPT },
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (name_is(c, names[i].name))
            return names[i].lang;
    }
    return LEX_LANG_NONE;
}

/* Here-documents of the pipeline so far are its code, unless it was given a script. */
static void feed_interpreter(const struct command *c)
{
    enum lex_lang lang = interpreter(c);
    struct level *l = level(c->s);
    size_t skip;
    const struct word *script = find_arg(c, 0, NULL, &skip);
    bool reads = script == NULL || has_flag(c, "-s");
    if (lang == LEX_LANG_NONE || !reads)
        return;
    for (size_t i = 0; i < l->slot_count; i++)
        c->s->slot_lang[l->slots[i]] = lang;
    if (l->here != NULL)
        job_nested(c->s->j, lang, l->here, strlen(l->here), l->here_start, l->here_len, false);
}

static const char *base_name(const char *p, size_t *len)
{
    const char *slash = memrchr(p, '/', *len);
    if (slash != NULL) {
        *len -= (size_t)(slash + 1 - p);
        return slash + 1;
    }
    return p;
}

static bool same_file(const struct shell *s, const char *p, size_t len)
{
    const char *base = base_name(p, &len);
    for (size_t i = 0; i < s->loaded_count; i++) {
        if (strlen(s->loaded[i]) == len && memcmp(s->loaded[i], base, len) == 0)
            return true;
    }
    return false;
}

/* Remember what a download is called. */
static void note_download(const struct command *c)
{
    static const char *const options[] = { "-o", "--output", "-O", "--output-document" };
    struct shell *s = c->s;
    const struct word *w = NULL;
    size_t skip = 0;
    for (size_t i = 0; i < ARRAY_LEN(options) && w == NULL; i++) {
        if (!(name_is(c, "curl") && strcmp(options[i], "-O") == 0))
            w = find_arg(c, ARG_NONE, options[i], &skip);
    }
    if (w == NULL && (name_is(c, "wget") || has_flag(c, "-O")))
        w = find_arg(c, ARG_LAST, NULL, &skip);
    if (w == NULL || s->loaded_count == LOADED_MAX || w->text_len <= skip)
        return;
    size_t len = w->text_len - skip;
    const char *base = base_name(word_text(s, w) + skip, &len);
    if (len > 0 && *base != '-' && *base != REVIEW_HOLE)
        s->loaded[s->loaded_count++] = xstrndup(base, len);
}

static void check_runs_download(const struct command *c)
{
    struct shell *s = c->s;
    size_t skip;
    const struct word *w = &c->w[0];
    bool interpreted = interpreter(c) != LEX_LANG_NONE || name_is(c, "source") || name_is(c, ".") ||
                       name_is(c, "perl") || name_is(c, "ruby") || name_is(c, "php");
    if (interpreted)
        w = find_arg(c, 0, NULL, &skip);
    else if (memchr(word_text(s, w), '/', w->text_len) == NULL)
        return;
    if (w != NULL && s->loaded_count > 0 && same_file(s, word_text(s, w), w->text_len))
        job_check(s->j, "runs-download", c->w[0].start, w->end - c->w[0].start);
}

/* base64 -d, xxd -r, gunzip … and curl … of the pipeline and the list. */
static void note_streams(const struct command *c)
{
    struct level *l = level(c->s);
    bool fetch = listed(c, MATCH_FETCHED);
    bool decode =
        listed(c, MATCH_DECODED) &&
        (has_flag(c, "-d") || has_flag(c, "-D") || has_flag(c, "--decode") || has_flag(c, "-r") ||
         name_is(c, "gunzip") || name_is(c, "zcat") || name_is(c, "rev"));
    l->fetch |= fetch;
    l->decode |= decode;
    l->pipe_fetch |= fetch;
    l->pipe_decode |= decode;
    if (fetch)
        note_download(c);
}

/* ---- names that are tricks ---- */

static bool has_letters(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z'))
            return true;
    }
    return false;
}

static void check_name(const struct command *c)
{
    struct shell *s = c->s;
    const struct word *w = &c->w[0];
    size_t len = w->end > w->start ? w->end - w->start : 1;
    const char *check = NULL;
    bool letters = has_letters(word_text(s, w), w->text_len);
    for (size_t i = 0; i < c->count; i++) {
        if ((c->w[i].flags & WORD_IFS) != 0 && (c->w[i].flags & WORD_QUOTED) == 0 &&
            c->w[i].text_len > 1)
            check = "ifs-trick";
    }
    if (check != NULL)
        ;
    else if ((w->flags & WORD_BRACES) != 0)
        check = "brace-command";
    else if ((w->flags & WORD_GLOB) != 0 && !word_is(s, w, "[") && letters)
        check = "glob-command";
    else if ((w->flags & WORD_GLOB) != 0 && w->text_len > 2)
        check = "glob-command";
    else if ((w->flags & WORD_DYNAMIC) != 0 && (w->flags & (WORD_FETCHED | WORD_DECODED)) != 0)
        check = "runs-decoded";
    else if ((w->flags & WORD_DYNAMIC) != 0)
        check = "dynamic-command";
    else if ((w->flags & (WORD_GLUED | WORD_ESCAPED)) != 0 && letters &&
             memchr(word_text(s, w), '/', w->text_len) == NULL)
        check = "split-name";
    if (check != NULL)
        job_check(s->j, check, w->start, len);
}

/* `f | f &` within f */
static void check_fork_bomb(const struct command *c, char separator)
{
    struct shell *s = c->s;
    struct level *l = level(s);
    size_t n = strlen(s->defining);
    bool self = n > 0 && c->name_len == n && memcmp(c->name, s->defining, n) == 0;
    if (self && (separator == '|' || separator == '&' || strcmp(l->last, s->defining) == 0))
        job_check(s->j, "fork-bomb", c->w[0].start, c->w[0].end - c->w[0].start);
}

static void note_loops(const struct command *c)
{
    struct shell *s = c->s;
    struct loop_frame *f = s->loop_count > 0 ? &s->loops[s->loop_count - 1] : NULL;
    if (f == NULL)
        return;
    if (f->at == LOOP_CONDITION && !f->is_for) {
        bool yes = name_is(c, "true") || name_is(c, ":") ||
                   (c->count == 3 && name_is(c, "[") && word_is(s, &c->w[1], "1"));
        bool no = name_is(c, "false");
        f->endless = f->commands++ == 0 && (f->until ? no : yes);
    }
    if (name_is(c, "break"))
        f->left = true;
    if (name_is(c, "exit") || name_is(c, "return") || name_is(c, "exec") || name_is(c, "kill")) {
        for (size_t i = 0; i < s->loop_count; i++)
            s->loops[i].left = true;
    }
}

/* ---- the command and the commands in it ---- */

static void review_words(struct command *c, char separator);

static bool is_numeric(const char *p, size_t len)
{
    return len > 0 && p[0] >= '0' && p[0] <= '9';
}

/* sudo -u x CMD, env A=1 CMD, timeout 5 CMD, xargs -n 1 CMD */
static void review_prefixed(const struct command *c)
{
    struct shell *s = c->s;
    bool tried = false;
    for (size_t i = 1; i < c->count && c->prefixes < PREFIX_MAX; i++) {
        const struct word *w = &c->w[i];
        const char *p = word_text(s, w);
        if (is_flag(c, w) || is_numeric(p, w->text_len) || memchr(p, '=', w->text_len) != NULL)
            continue;
        struct command in = *c;
        in.w = w;
        in.count = c->count - i;
        in.prefixes++;
        review_words(&in, '(');
        /* it may have been the value of an option: `-u root rm` */
        bool after_flag = is_flag(c, &c->w[i - 1]) && c->w[i - 1].text_len == 2;
        if (tried || !after_flag)
            return;
        tried = true;
    }
}

/* find … -exec CMD {} + */
static void review_find(const struct command *c)
{
    struct shell *s = c->s;
    for (size_t i = 1; i + 1 < c->count && c->prefixes < PREFIX_MAX; i++) {
        if (!word_is(s, &c->w[i], "-exec") && !word_is(s, &c->w[i], "-execdir") &&
            !word_is(s, &c->w[i], "-ok") && !word_is(s, &c->w[i], "-okdir"))
            continue;
        struct command in = *c;
        size_t skip;
        in.filled = find_arg(c, 0, NULL, &skip);
        in.w = &c->w[i + 1];
        in.count = 0;
        while (i + 1 + in.count < c->count && !word_is(s, &c->w[i + 1 + in.count], ";") &&
               !word_is(s, &c->w[i + 1 + in.count], "+"))
            in.count++;
        in.prefixes++;
        if (in.count > 0)
            review_words(&in, '(');
        i += in.count;
    }
}

/* The words from `from` on, as one line of code. */
static void review_joined(const struct command *c, size_t from, const char *front)
{
    struct shell *s = c->s;
    struct buf code = BUF_INIT(NESTED_MAX);
    size_t start = c->w[0].start, end = c->w[c->count - 1].end;
    if (front != NULL)
        buf_add_str(&code, front);
    for (size_t i = from; i < c->count; i++) {
        buf_add_char(&code, ' ');
        buf_add(&code, word_text(s, &c->w[i]), c->w[i].text_len);
    }
    for (size_t i = 0; i < code.len; i++) {
        if (code.ptr[i] == REVIEW_HOLE)
            code.ptr[i] = '$';
    }
    if (from + 1 == c->count && front == NULL && (c->w[from].flags & WORD_EXACT) != 0)
        job_nested(s->j, LEX_LANG_SHELL, s->j->code + c->w[from].start + 1, code.len - 1,
                   c->w[from].start + 1, code.len - 1, true);
    else
        job_nested(s->j, LEX_LANG_SHELL, buf_str(&code), code.len, start, end - start, false);
    buf_release(&code);
}

static void define_aliases(const struct command *c)
{
    for (size_t i = 1; i < c->count; i++) {
        const char *p = word_text(c->s, &c->w[i]);
        const char *eq = memchr(p, '=', c->w[i].text_len);
        if (eq == NULL || eq == p)
            continue;
        size_t n = (size_t)(eq - p);
        struct var *v = vars_find(c->s, p, n, true);
        if (v == NULL)
            continue;
        free(v->value);
        v->value = xstrndup(eq + 1, c->w[i].text_len - n - 1);
        v->alias = true;
    }
}

/* `read x`, `mapfile x`: what x holds is not known any more. */
static void forget_variables(const struct command *c)
{
    for (size_t i = 1; i < c->count; i++) {
        const struct word *w = &c->w[i];
        if (!is_flag(c, w) && vars_find(c->s, word_text(c->s, w), w->text_len, false) != NULL)
            vars_set(c->s, word_text(c->s, w), w->text_len, NULL, 0);
    }
}

/* Builtins that change what we know or run their words. */
static void special_commands(const struct command *c)
{
    struct shell *s = c->s;
    size_t skip;
    if (name_is(c, "cd") || name_is(c, "pushd")) {
        const struct word *w = find_arg(c, 0, NULL, &skip);
        path_change(s->j->cwd, w != NULL ? word_text(s, w) : "~", w != NULL ? w->text_len : 1);
    } else if (name_is(c, "alias")) {
        define_aliases(c);
    } else if (name_is(c, "eval") && c->count > 1) {
        review_joined(c, 1, NULL);
    } else if (name_is(c, "export") || name_is(c, "declare") || name_is(c, "local") ||
               name_is(c, "readonly") || name_is(c, "typeset")) {
        for (size_t i = 1; i < c->count; i++) {
            const char *p = word_text(s, &c->w[i]);
            const char *eq = memchr(p, '=', c->w[i].text_len);
            if (eq != NULL)
                vars_set(s, p, (size_t)(eq - p), eq + 1, c->w[i].text_len - (size_t)(eq - p) - 1);
        }
    } else if (name_is(c, "find")) {
        review_find(c);
    } else if (name_is(c, "read") || name_is(c, "mapfile") || name_is(c, "readarray") ||
               name_is(c, "getopts") || name_is(c, "printf")) {
        forget_variables(c);
    }
}

static void follow_names(const struct command *c)
{
    struct shell *s = c->s;
    const struct var *v = vars_find(s, c->name, c->name_len, false);
    if (v == NULL || c->prefixes >= PREFIX_MAX)
        return;
    if (v->alias && v->value != NULL && s->j->nest < REVIEW_NEST_MAX) {
        review_joined(c, 1, v->value);
    } else if (v->function && c->count > 2) {
        struct command in = *c; /* run() { "$@"; } */
        in.w++;
        in.count--;
        in.prefixes = PREFIX_MAX;
        size_t len = in.w[0].text_len;
        in.name = base_name(word_text(s, &in.w[0]), &len);
        in.name_len = len;
        try_rules(&in);
    }
}

static void review_words(struct command *c, char separator)
{
    struct shell *s = c->s;
    const struct word *w = &c->w[0];
    size_t len = w->text_len;
    c->name = base_name(word_text(s, w), &len);
    c->name_len = len;
    if (c->prefixes == 0) {
        check_name(c);
        check_fork_bomb(c, separator);
        note_loops(c);
    }
    if (len == 0)
        return;
    feed_interpreter(c);
    check_runs_download(c);
    note_streams(c);
    try_rules(c);
    special_commands(c);
    follow_names(c);
    if (listed(c, MATCH_PREFIX))
        review_prefixed(c);
}

static void check_assignment(struct shell *s, const struct word *w)
{
    const char *p = word_text(s, w);
    if ((w->name_len >= 10 && memcmp(p, "LD_PRELOAD", 10) == 0) ||
        (w->name_len == 8 && memcmp(p, "BASH_ENV", 8) == 0) ||
        (w->name_len == 14 && memcmp(p, "PROMPT_COMMAND", 14) == 0))
        job_check(s->j, "loader-variable", w->start, w->end - w->start);
}

void command_review(struct shell *s, char separator)
{
    struct level *l = level(s);
    struct command c = { .s = s, .piped = l->piped || l->groups > 0 };
    size_t first = 0;
    while (first < l->count && (l->words[first].flags & WORD_COMMAND) == 0)
        first++;
    for (size_t i = 0; i < first; i++) {
        const struct word *w = &l->words[i];
        if ((w->flags & WORD_ASSIGN) == 0)
            continue;
        check_assignment(s, w);
        if (first == l->count)
            vars_set(s, word_text(s, w), w->name_len, word_text(s, w) + w->name_len,
                     w->text_len - w->name_len);
    }
    /* `time -p rm`, `x["a b"]=1 rm`: not the command yet */
    while (first < l->count) {
        const char *p = word_text(s, &l->words[first]);
        size_t n = l->words[first].text_len;
        bool subscript = n > 2 && memchr(p, '[', n) != NULL && memmem(p, n, "]=", 2) != NULL;
        if (!subscript && !(n > 1 && p[0] == '-'))
            break;
        first++;
    }
    if (first >= l->count)
        return;
    c.w = l->words + first;
    c.count = l->count - first;
    review_words(&c, separator);
    size_t n = c.name_len < SH_NAME_MAX - 1 ? c.name_len : SH_NAME_MAX - 1;
    memcpy(l->last, c.name, n);
    l->last[n] = '\0';
}
