/* lex.c - the part of the lexers that is the same for every language, and the sparse line starts.
 */
#include "tool/lex_impl.h"

#include <stdlib.h>
#include <strings.h>
#include "base/buf.h"

#define CODE_MAX_BYTES ((size_t)1 << 30) /* offsets carry two flag bits in lex_state.heredoc */

enum lex_lang lex_language(const char *name)
{
    static const struct {
        const char *name;
        enum lex_lang lang;
    } names[] = {
        { "python", LEX_LANG_PYTHON },     { "py", LEX_LANG_PYTHON },
        { "python3", LEX_LANG_PYTHON },    { "javascript", LEX_LANG_JAVASCRIPT },
        { "js", LEX_LANG_JAVASCRIPT },     { "node", LEX_LANG_JAVASCRIPT },
        { "nodejs", LEX_LANG_JAVASCRIPT }, { "mjs", LEX_LANG_JAVASCRIPT },
        { "shell", LEX_LANG_SHELL },       { "bash", LEX_LANG_SHELL },
        { "sh", LEX_LANG_SHELL },          { "zsh", LEX_LANG_SHELL },
    };
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(names); i++) {
        if (strcasecmp(name, names[i].name) == 0)
            return names[i].lang;
    }
    return LEX_LANG_NONE;
}

const char *lex_language_name(enum lex_lang lang)
{
    static const char *const names[] = { "", "python", "shell", "javascript" };
    return (size_t)lang < ARRAY_LEN(names) ? names[lang] : "";
}

const char *lex_kind_name(enum lex_kind kind)
{
    static const char *const names[LEX_KINDS] = {
        "text",    "keyword",  "name",      "builtin",  "number", "string",  "regex",
        "comment", "operator", "decorator", "variable", "error",  "newline",
    };
    return (size_t)kind < LEX_KINDS ? names[kind] : "";
}

bool lex_push(struct lex *lx, uint8_t frame)
{
    struct lex_state *s = &lx->state;
    if (s->depth >= LEX_DEPTH_MAX) {
        s->lost = 1;
        return false;
    }
    s->frames[s->depth++] = frame;
    return true;
}

void lex_push_bracket(struct lex *lx, uint8_t frame)
{
    struct lex_state *s = &lx->state;
    if (s->depth >= LEX_DEPTH_MAX) {
        if (s->over < UINT16_MAX)
            s->over++;
        else
            s->lost = 1;
        return;
    }
    s->frames[s->depth++] = frame;
}

bool lex_pop(struct lex *lx)
{
    struct lex_state *s = &lx->state;
    if (s->over > 0) {
        s->over--;
        return false;
    }
    if (s->depth > 0)
        s->frames[--s->depth] = 0;
    return true;
}

size_t lex_newline_len(const struct lex *lx, bool cr_ends)
{
    int c = lex_peek(lx, 0);
    if (c == '\n')
        return 1;
    if (c != '\r')
        return 0;
    if (lex_peek(lx, 1) == '\n')
        return 2;
    return cr_ends ? 1 : 0;
}

bool lex_is_word(const char *const *words, size_t count, const char *p, size_t n)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strncmp(words[mid], p, n);
        size_t len = c == 0 ? strlen(words[mid]) : 0; /* p may hold a NUL */
        if (c == 0 && len == n)
            return true;
        if (c < 0 || (c == 0 && len < n))
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

static void take_digits(struct lex *lx)
{
    while (lex_is_digit(lex_peek(lx, 0)) ||
           (lex_peek(lx, 0) == '_' && lex_is_digit(lex_peek(lx, 1))))
        lx->at++;
}

void lex_take_number(struct lex *lx)
{
    int base = lex_peek(lx, 0) == '0' ? lex_peek(lx, 1) | 0x20 : 0;
    if ((base == 'x' && (lex_is_hex(lex_peek(lx, 2)) || lex_peek(lx, 2) == '_')) ||
        ((base == 'b' || base == 'o') &&
         (lex_is_digit(lex_peek(lx, 2)) || lex_peek(lx, 2) == '_'))) {
        lx->at += 2;
        while (lex_is_digit(lex_peek(lx, 0)) || lex_peek(lx, 0) == '_' ||
               (base == 'x' && lex_is_hex(lex_peek(lx, 0))))
            lx->at++;
    } else {
        take_digits(lx);
        if (lex_peek(lx, 0) == '.') {
            lx->at++;
            take_digits(lx);
        }
        int e = lex_peek(lx, 0), sign = lex_peek(lx, 1);
        size_t skip = sign == '+' || sign == '-' ? 2 : 1;
        if ((e == 'e' || e == 'E') && lex_is_digit(lex_peek(lx, skip))) {
            lx->at += skip;
            take_digits(lx);
        }
    }
    int suffix = lex_peek(lx, 0);
    bool takes = lx->lang == LEX_LANG_PYTHON ? (suffix | 0x20) == 'j' : suffix == 'n';
    if (takes && !lex_is_name(lex_peek(lx, 1)))
        lx->at++;
}

void lex_take_operator(struct lex *lx, const char *const *ops)
{
    for (; *ops != NULL; ops++) {
        size_t n = strlen(*ops);
        if (lx->len - lx->at >= n && memcmp(lx->code + lx->at, *ops, n) == 0) {
            lx->at += n;
            return;
        }
    }
    lx->at++;
}

void lex_init(struct lex *lx, enum lex_lang lang, const char *code, size_t len)
{
    *lx = (struct lex){
        .code = code,
        .len = len < CODE_MAX_BYTES ? len : CODE_MAX_BYTES,
        .lang = lang,
        .spaced = true,
    };
}

void lex_resume(struct lex *lx, enum lex_lang lang, const char *code, size_t len, size_t at,
                const struct lex_state *state)
{
    lex_init(lx, lang, code, len);
    lx->at = at < lx->len ? at : lx->len;
    lx->state = *state;
}

static void plain_step(struct lex *lx, struct lex_token *t)
{
    size_t nl = lex_newline_len(lx, false);
    t->kind = nl > 0 ? LEX_NEWLINE : LEX_TEXT;
    if (nl > 0) {
        lx->at += nl;
        return;
    }
    const char *p = lx->code + lx->at;
    const char *end = memchr(p, '\n', lx->len - lx->at);
    size_t n = end != NULL ? (size_t)(end - p) : lx->len - lx->at;
    if (end != NULL && n > 1 && end[-1] == '\r')
        n--;
    lx->at += n;
}

bool lex_next(struct lex *lx, struct lex_token *out)
{
    static void (*const steps[])(struct lex *, struct lex_token *) = {
        plain_step,
        lex_python_step,
        lex_shell_step,
        lex_javascript_step,
    };
    if ((lex_top(lx) & FRAME_TEXT) == 0) {
        for (int c = lex_peek(lx, 0); c == ' ' || c == '\t' || c == '\f' || c == '\v';
             c = lex_peek(lx, 0)) {
            lx->at++;
            lx->spaced = true;
        }
    }
    if (lx->at >= lx->len)
        return false;
    size_t depth = (size_t)lx->state.depth + lx->state.over;
    *out = (struct lex_token){
        .start = (uint32_t)lx->at,
        .kind = LEX_ERROR,
        .depth = depth < UINT8_MAX ? (uint8_t)depth : UINT8_MAX,
    };
    bool was_lost = lx->state.lost;
    steps[lx->lang](lx, out);
    if (!was_lost && lx->state.lost)
        out->flags |= LEX_UNSURE;
    out->len = (uint32_t)(lx->at - out->start);
    lx->spaced = out->kind == LEX_NEWLINE;
    return true;
}

/* ---- line starts ---- */

void lex_lines_init(struct lex_lines *ls, enum lex_lang lang)
{
    *ls = (struct lex_lines){ .lang = lang };
}

void lex_lines_release(struct lex_lines *ls)
{
    if (ls == NULL)
        return;
    free(ls->marks);
    lex_lines_init(ls, ls->lang);
}

static void lines_add_mark(struct lex_lines *ls)
{
    if (ls->count == ls->cap) {
        ls->cap = ls->cap > 0 ? ls->cap * 2 : 16;
        ls->marks = xreallocarray(ls->marks, ls->cap, sizeof(*ls->marks));
    }
    ls->marks[ls->count++] = (struct lex_mark){ ls->known, ls->known_state };
}

void lex_lines_extend(struct lex_lines *ls, const char *code, size_t len)
{
    struct lex lx;
    struct lex_token t;
    lex_resume(&lx, ls->lang, code, len, ls->known, &ls->known_state);
    if (ls->count == 0)
        lines_add_mark(ls);
    /* an unfinished last line is read again next time: without its end its tokens may change */
    size_t from = ls->scanned > lx.at ? ls->scanned : lx.at;
    const char *last = from < lx.len ? memrchr(code + from, '\n', lx.len - from) : NULL;
    ls->scanned = lx.len;
    if (last == NULL)
        return;
    lx.len = (size_t)(last - code) + 1;
    while (lex_next(&lx, &t)) {
        if (t.kind != LEX_NEWLINE || code[lx.at - 1] != '\n')
            continue;
        ls->known = lx.at;
        ls->known_line++;
        ls->known_state = lx.state;
        if (ls->known_line % LEX_LINES_STEP == 0)
            lines_add_mark(ls);
    }
}

size_t lex_lines_seek(const struct lex_lines *ls, const char *code, size_t len, size_t line,
                      struct lex *out)
{
    static const struct lex_state fresh;
    if (ls->count == 0) {
        lex_resume(out, ls->lang, code, len, 0, &fresh);
        return 0;
    }
    if (line >= ls->known_line) {
        lex_resume(out, ls->lang, code, len, ls->known, &ls->known_state);
        return ls->known_line;
    }
    const struct lex_mark *m = &ls->marks[line / LEX_LINES_STEP];
    lex_resume(out, ls->lang, code, len, m->offset, &m->state);
    struct lex_token t;
    size_t at = line - line % LEX_LINES_STEP;
    while (at < line && lex_next(out, &t)) {
        if (t.kind == LEX_NEWLINE && code[out->at - 1] == '\n')
            at++;
    }
    return at;
}
