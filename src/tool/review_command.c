/* review_command.c - one shell command against the rules, and commands that run others. */
#include "tool/review_shell.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX_MAX 6u /* sudo env nice … in front of each other */
#define NESTED_MAX 65536u

static struct level *level(struct shell *s)
{
    return &s->levels[s->depth];
}

static bool name_is(const struct command *c, const char *name)
{
    return c->name_len == strlen(name) && memcmp(c->name, name, c->name_len) == 0;
}

/* ---- interpreters, downloads ---- */

static bool is_numeric(const char *p, size_t len)
{
    return len > 0 && p[0] >= '0' && p[0] <= '9';
}

static enum lex_lang interpreter(const struct command *c)
{
    static const struct {
        const char *name;
        enum lex_lang lang;
    } names[] = {
        { "sh", LEX_LANG_SHELL },        { "bash", LEX_LANG_SHELL },
        { "dash", LEX_LANG_SHELL },      { "zsh", LEX_LANG_SHELL },
        { "ksh", LEX_LANG_SHELL },       { "ash", LEX_LANG_SHELL },
        { "rbash", LEX_LANG_SHELL },     { "mksh", LEX_LANG_SHELL },
        { "python", LEX_LANG_PYTHON },   { "pypy", LEX_LANG_PYTHON },
        { "node", LEX_LANG_JAVASCRIPT }, { "nodejs", LEX_LANG_JAVASCRIPT },
    };
    size_t len = c->name_len; /* python3.11 */
    while (len > 0 && (c->name[len - 1] == '.' || is_numeric(c->name + len - 1, 1)))
        len--;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i].name) == len && memcmp(c->name, names[i].name, len) == 0)
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
    const struct word *script = command_find_arg(c, 0, NULL, &skip);
    bool reads = script == NULL || command_has_flag(c, "-s");
    if (script != NULL && command_is_stream(c, script)) {
        reads = true;
        if (name_is(c, "source") || name_is(c, "."))
            lang = LEX_LANG_SHELL;
    }
    if (lang == LEX_LANG_NONE || !reads)
        return;
    if (l->slot_count == 0 && l->here == NULL)
        c->s->reader = lang;
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

static bool same_file(const struct files *f, const char *p, size_t len)
{
    const char *base = base_name(p, &len);
    for (size_t i = 0; i < f->count; i++) {
        if (strlen(f->names[i]) == len && memcmp(f->names[i], base, len) == 0)
            return true;
    }
    return false;
}

void files_note(struct files *f, const char *p, size_t len)
{
    const char *base = base_name(p, &len);
    if (f->count < FILES_MAX && len > 0 && *base != '-' && memchr(base, REVIEW_HOLE, len) == NULL)
        f->names[f->count++] = xstrndup(base, len);
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
            w = command_find_arg(c, ARG_NONE, options[i], &skip);
    }
    if (w == NULL && (name_is(c, "wget") || command_has_flag(c, "-O")))
        w = command_find_arg(c, ARG_LAST, NULL, &skip);
    if (w != NULL && w->text_len > skip)
        files_note(&s->loaded, word_text(s, w) + skip, w->text_len - skip);
}

static void check_runs_download(const struct command *c)
{
    struct shell *s = c->s;
    size_t skip;
    const struct word *w = &c->w[0];
    bool interpreted = interpreter(c) != LEX_LANG_NONE || name_is(c, "source") || name_is(c, ".") ||
                       name_is(c, "perl") || name_is(c, "ruby") || name_is(c, "php");
    if (interpreted)
        w = command_find_arg(c, 0, NULL, &skip);
    else if (memchr(word_text(s, w), '/', w->text_len) == NULL)
        return;
    if (w == NULL)
        return;
    if (same_file(&s->loaded, word_text(s, w), w->text_len))
        job_check(s->j, "runs-download", c->w[0].start, w->end - c->w[0].start);
    else if (same_file(&s->written, word_text(s, w), w->text_len))
        job_check(s->j, "runs-written", c->w[0].start, w->end - c->w[0].start);
}

/* base64 -d, xxd -r, gunzip … and curl … of the pipeline and the list. */
static void note_streams(const struct command *c)
{
    struct level *l = level(c->s);
    bool fetch = command_is_listed(c, MATCH_FETCHED);
    bool decode = command_is_listed(c, MATCH_DECODED) &&
                  (command_has_flag(c, "-d") || command_has_flag(c, "-D") ||
                   command_has_flag(c, "--decode") || command_has_flag(c, "-r") ||
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

/* ---- the command and the commands in it ---- */

static void review_words(struct command *c, char separator);
static void review_joined(const struct command *c, size_t from, const char *front);

/* sudo -u x CMD, env A=1 CMD, timeout 5 CMD, xargs -n 1 CMD */
static void review_prefixed(const struct command *c)
{
    struct shell *s = c->s;
    bool tried = false, operand = command_is_listed(c, MATCH_OPERAND);
    for (size_t i = 1; i < c->count && c->prefixes < PREFIX_MAX; i++) {
        const struct word *w = &c->w[i];
        const char *p = word_text(s, w);
        if (command_is_flag(c, w) || is_numeric(p, w->text_len) ||
            memchr(p, '=', w->text_len) != NULL)
            continue;
        if (memchr(p, ' ', w->text_len) != NULL) { /* watch 'rm x' */
            review_joined(c, i, NULL);
            return;
        }
        if (operand) { /* flock FILE CMD */
            operand = false;
            continue;
        }
        struct command in = *c;
        in.w = w;
        in.count = c->count - i;
        in.prefixes++;
        review_words(&in, '(');
        /* it may have been the value of an option: `-u root rm` */
        bool after_flag = command_is_flag(c, &c->w[i - 1]) && c->w[i - 1].text_len == 2;
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
        in.filled = command_find_arg(c, 0, NULL, &skip);
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
        if (strchr(v->value, ' ') != NULL) /* it may be used by a later run */
            job_nested(c->s->j, LEX_LANG_SHELL, v->value, strlen(v->value), c->w[i].start,
                       c->w[i].end - c->w[i].start, false);
    }
}

/* `read x`, `mapfile x`: what x holds is not known any more. */
static void forget_variables(const struct command *c)
{
    for (size_t i = 1; i < c->count; i++) {
        const struct word *w = &c->w[i];
        if (!command_is_flag(c, w) &&
            vars_find(c->s, word_text(c->s, w), w->text_len, false) != NULL)
            vars_set(c->s, word_text(c->s, w), w->text_len, NULL, 0);
    }
}

/* Builtins that change what we know or run their words. */
static void special_commands(const struct command *c)
{
    struct shell *s = c->s;
    size_t skip;
    if (name_is(c, "cd") || name_is(c, "pushd")) {
        const struct word *w = command_find_arg(c, 0, NULL, &skip);
        path_change(s->j->cwd, w != NULL ? word_text(s, w) : "~", w != NULL ? w->text_len : 1);
    } else if (name_is(c, "alias")) {
        define_aliases(c);
    } else if (name_is(c, "eval") && c->count > 1) {
        review_joined(c, 1, NULL);
    } else if (name_is(c, "export") || name_is(c, "declare") || name_is(c, "local") ||
               name_is(c, "readonly") || name_is(c, "typeset")) {
        bool many = command_has_flag(c, "-a") || command_has_flag(c, "-A") ||
                    command_has_flag(c, "-n"); /* not one value, or another's */
        for (size_t i = 1; i < c->count; i++) {
            const char *p = word_text(s, &c->w[i]);
            const char *eq = memchr(p, '=', c->w[i].text_len);
            size_t len = eq != NULL ? (size_t)(eq - p) : 0;
            if (eq != NULL)
                vars_set(s, p, len, many ? NULL : eq + 1, many ? 0 : c->w[i].text_len - len - 1);
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
        command_try_rules(&in);
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
        loops_command(c);
    }
    if (len == 0)
        return;
    feed_interpreter(c);
    check_runs_download(c);
    note_streams(c);
    command_try_rules(c);
    special_commands(c);
    follow_names(c);
    if (command_is_listed(c, MATCH_PREFIX))
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
    struct command c = { .s = s, .piped = l->piped || l->groups > 0, .denied = l->denied };
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
