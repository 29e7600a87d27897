/* review_words.c - shell words put together from their pieces, and the variables we know. */
#include "tool/review_shell.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_LIMIT ((size_t)4 << 10)

static struct level *level(struct shell *s)
{
    return &s->levels[s->depth];
}

static struct word *current(struct shell *s)
{
    return &level(s)->words[level(s)->count - 1];
}

static void add(struct shell *s, const char *p, size_t len)
{
    struct word *w = current(s);
    if (buf_add(&s->text, p, len) < 0) {
        w->flags |= WORD_DYNAMIC;
        return;
    }
    w->text_len += len;
}

void words_begin(struct shell *s, size_t start, unsigned flags)
{
    struct level *l = level(s);
    if (l->count == l->cap) {
        l->cap = l->cap > 0 ? l->cap * 2 : 16;
        l->words = xreallocarray(l->words, l->cap, sizeof(*l->words));
    }
    l->words[l->count++] =
        (struct word){ .text = s->text.len, .start = start, .end = start, .flags = flags };
    l->in_word = true;
}

void words_hole(struct shell *s)
{
    static const char hole = REVIEW_HOLE;
    current(s)->flags = (current(s)->flags | WORD_DYNAMIC) & ~WORD_EXACT;
    add(s, &hole, 1);
}

void words_newline(struct shell *s)
{
    if (level(s)->in_word && level(s)->params == 0)
        add(s, "\n", 1);
}

void words_end(struct shell *s, size_t end)
{
    struct level *l = level(s);
    if (l->in_word)
        current(s)->end = end;
    l->in_word = l->raw_open = false;
}

bool word_is(const struct shell *s, const struct word *w, const char *text)
{
    return w->text_len == strlen(text) && memcmp(word_text(s, w), text, w->text_len) == 0;
}

/* ---- pieces ---- */

static size_t ansi_number(const char *p, size_t len, unsigned base, size_t max, unsigned *v)
{
    size_t i = 0;
    *v = 0;
    for (; i < len && i < max; i++) {
        char c = p[i];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 99;
        if (d >= base)
            break;
        *v = *v * base + d;
    }
    return i;
}

/* $'…' */
static void add_ansi(struct shell *s, const char *p, size_t len)
{
    static const char from[] = "ntrabfve\\'\"?", to[] = "\n\t\r\a\b\f\v\033\\'\"?";
    for (size_t i = 0; i < len; i++) {
        if (p[i] != '\\' || i + 1 == len) {
            add(s, p + i, 1);
            continue;
        }
        unsigned v = 0;
        size_t used;
        char c = p[++i];
        const char *at = c != '\0' ? strchr(from, c) : NULL;
        if (c == 'x' && (used = ansi_number(p + i + 1, len - i - 1, 16, 2, &v)) > 0) {
            i += used;
        } else if ((c == 'u' || c == 'U') &&
                   (used = ansi_number(p + i + 1, len - i - 1, 16, c == 'u' ? 4 : 8, &v)) > 0) {
            i += used;
        } else if ((used = ansi_number(p + i, len - i, 8, 3, &v)) > 0) {
            i += used - 1;
        } else {
            add(s, at != NULL ? &to[at - from] : &c, 1);
            continue;
        }
        char out = v < 0x80 ? (char)v : '?';
        add(s, &out, 1);
        current(s)->flags |= WORD_ESCAPED;
    }
}

/* "…", or bare text: what a backslash takes away. */
static void add_unescaped(struct shell *s, const char *p, size_t len, bool quoted)
{
    for (size_t i = 0; i < len; i++) {
        bool special = i + 1 < len && (!quoted || strchr("$`\"\\\n", p[i + 1]) != NULL);
        if (p[i] == '\\' && special && p[i + 1] != '\0') {
            i++;
            if (!quoted && i > 1 && ((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z')))
                current(s)->flags |= WORD_ESCAPED;
            if (p[i] != '\n')
                add(s, p + i, 1);
        } else {
            add(s, p + i, 1);
        }
    }
}

static void note_globs(struct shell *s, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] == '\\') {
            i++;
            continue;
        }
        if (p[i] == '*' || p[i] == '?' || (p[i] == '[' && len > 1))
            current(s)->flags |= WORD_GLOB;
        if (p[i] == '{' && memchr(p + i, ',', len - i) != NULL)
            current(s)->flags |= WORD_BRACES;
    }
}

/* Pieces of "…". Its quotes are tokens of their own. */
static void add_double(struct shell *s, const struct lex_token *t)
{
    int *quotes = &level(s)->quotes;
    if ((t->flags & LEX_OPEN) != 0)
        (*quotes)++;
    else if ((t->flags & LEX_CLOSE) != 0 && *quotes > 0)
        (*quotes)--;
    else if ((t->flags & LEX_CLOSE) == 0)
        add_unescaped(s, s->j->code + t->start, t->len, true);
    current(s)->flags &= ~WORD_EXACT;
}

/* One line's piece of '…' or $'…'. */
static void add_single(struct shell *s, const struct lex_token *t)
{
    const char *p = s->j->code + t->start;
    struct word *w = current(s);
    bool raw = (t->flags & LEX_RAW) != 0;
    size_t skip = (t->flags & LEX_OPEN) == 0 ? 0 : raw ? 1 : 2;
    size_t cut = skip + ((t->flags & LEX_CLOSE) != 0 ? 1 : 0);
    if ((t->flags & LEX_OPEN) != 0)
        w->flags = raw && w->text_len == 0 && (w->flags & WORD_QUOTED) == 0
                       ? w->flags | WORD_EXACT
                       : w->flags & ~WORD_EXACT;
    level(s)->raw_open = (t->flags & LEX_CLOSE) == 0;
    if (t->len < cut)
        return;
    if (raw)
        add(s, p + skip, t->len - cut);
    else
        add_ansi(s, p + skip, t->len - cut);
}

static void add_string(struct shell *s, const struct lex_token *t)
{
    struct word *w = current(s);
    if (w->text_len > w->name_len && (t->flags & LEX_OPEN) != 0 && level(s)->quotes == 0)
        w->flags |= WORD_GLUED;
    if ((t->flags & LEX_FORMAT) != 0)
        add_double(s, t);
    else
        add_single(s, t);
    current(s)->flags |= WORD_QUOTED;
}

/* The name in `$x`, `${x}`, `${x`. */
static void variable_name(const struct shell *s, const struct lex_token *t, const char **p,
                          size_t *len)
{
    *p = s->j->code + t->start;
    *len = t->len;
    while (*len > 0 && (**p == '$' || **p == '{' || **p == '!' || **p == '#')) {
        (*p)++;
        (*len)--;
    }
    if (*len > 0 && (*p)[*len - 1] == '}')
        (*len)--;
}

/* A known value without quotes around it falls apart at blanks. */
static void add_split(struct shell *s, const char *value, size_t start)
{
    bool splits = level(s)->quotes == 0 && (current(s)->flags & (WORD_ASSIGN | WORD_TARGET)) == 0;
    for (const char *p = value; *p != '\0';) {
        size_t n = splits ? strcspn(p, " \t\n") : strlen(p);
        add(s, p, n);
        p += n;
        if (*p == '\0')
            return;
        p += strspn(p, " \t\n");
        current(s)->end = start;
        words_begin(s, start, WORD_VARIABLE);
    }
}

static void add_variable(struct shell *s, const struct lex_token *t)
{
    const char *name;
    size_t len;
    bool open = (t->flags & LEX_OPEN) != 0, close = (t->flags & LEX_CLOSE) != 0;
    if (!open && close) {
        if (level(s)->params > 0)
            level(s)->params--;
        return;
    }
    variable_name(s, t, &name, &len);
    job_env(s->j, name, len, t->start, t->len);
    if (len == 3 && memcmp(name, "IFS", 3) == 0)
        current(s)->flags |= WORD_IFS;
    if (open && !close)
        level(s)->params++;
    const struct var *v = close ? vars_find(s, name, len, false) : NULL;
    bool home = len == 4 && memcmp(name, "HOME", 4) == 0;
    if (level(s)->params > (open && !close ? 1 : 0))
        return;
    /* Where $IFS was set, nobody knows at which letters a value falls apart. */
    bool odd_blanks = level(s)->quotes == 0 && vars_find(s, "IFS", 3, false) != NULL;
    if (v != NULL && v->value != NULL && !v->alias && !v->function && !odd_blanks &&
        s->j->code[t->start + 1] != '#') {
        current(s)->flags = (current(s)->flags | WORD_VARIABLE) & ~WORD_EXACT;
        add_split(s, v->value, t->start);
    } else if (home && v == NULL) {
        add(s, "~", 1);
    } else if (v == NULL && ((len == 5 && memcmp(name, "SHELL", 5) == 0) ||
                             (len == 4 && memcmp(name, "BASH", 4) == 0))) {
        add(s, "bash", 4);
    } else if (len == 3 && memcmp(name, "PWD", 3) == 0 && v == NULL) {
        add(s, ".", 1);
    } else {
        words_hole(s);
    }
}

void words_add(struct shell *s, const struct lex_token *t)
{
    struct word *w = current(s);
    const char *p = s->j->code + t->start;
    if (t->kind == LEX_VARIABLE) {
        add_variable(s, t);
        return;
    }
    if (level(s)->params > 0) {
        if (t->kind == LEX_STRING && (t->flags & LEX_FORMAT) != 0)
            level(s)->quotes += (t->flags & LEX_OPEN) != 0    ? 1
                                : (t->flags & LEX_CLOSE) != 0 ? -1
                                                              : 0;
        return;
    }
    if (t->kind == LEX_STRING) {
        add_string(s, t);
        return;
    }
    if ((w->flags & WORD_QUOTED) != 0)
        w->flags |= WORD_GLUED;
    w->flags &= ~WORD_EXACT;
    note_globs(s, p, t->len);
    add_unescaped(s, p, t->len, false);
}

/* ---- variables ---- */

struct var *vars_find(struct shell *s, const char *name, size_t len, bool create)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    size_t at = h % VARS_SLOTS;
    while (s->vars[at].name != NULL) {
        if (strlen(s->vars[at].name) == len && memcmp(s->vars[at].name, name, len) == 0)
            return &s->vars[at];
        at = (at + 1) % VARS_SLOTS;
    }
    if (!create || s->var_count >= VARS_MAX || len == 0)
        return NULL;
    s->var_count++;
    s->vars[at].name = xstrndup(name, len);
    return &s->vars[at];
}

void vars_set(struct shell *s, const char *name, size_t name_len, const char *value, size_t len)
{
    bool was = vars_find(s, name, name_len, false) != NULL;
    struct var *v = vars_find(s, name, name_len, true);
    if (v == NULL)
        return;
    bool known = value != NULL && len < VALUE_LIMIT && memchr(value, REVIEW_HOLE, len) == NULL &&
                 memchr(value, '\0', len) == NULL;
    if (was && v->value != NULL && known && strlen(v->value) == len &&
        memcmp(v->value, value, len) == 0)
        return;
    free(v->value);
    v->value = known && !was ? xstrndup(value, len) : NULL;
}
