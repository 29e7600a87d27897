/* lex_shell.c - sh and bash: words, nested substitutions, here-documents, redirections. */
#include "tool/lex_impl.h"

#include "base/buf.h"

/* Frames: kind in the low nibble, the outer `prev` in bits 4–6 (what to go back to), FRAME_TEXT. */
enum {
    F_PAREN = 1, /* ( … ) of a subshell */
    F_CMDSUB,    /* $( … ), <( … ), >( … ) */
    F_ARITH,     /* $(( … )), (( … )) */
    F_APAREN,    /* ( inside arithmetic */
    F_ABRACK,    /* $[ … ] */
    F_BACKTICK,
    F_CASE_HEAD, /* case WORD, until `in` */
    F_CASE_PAT,
    F_CASE_BODY,
    F_COND,  /* [[ … ]] */
    F_ARRAY, /* x=( … ), extended globs: words, no commands */
    /* text */
    F_DQUOTE = FRAME_TEXT | 1,
    F_SQUOTE,
    F_ANSI,     /* $'…' */
    F_PARAM,    /* ${ … } */
    F_PARAM_DQ, /* the same where a ' is only a ' */
    F_HEREDOC,
    F_HEREDOC_RAW,
};
#define KIND(frame)      ((frame) & (FRAME_TEXT | 0x0fu))
#define FRAME(kind, out) ((uint8_t)((kind) | (unsigned)(out) << 4))
#define OUTER(frame)     ((frame) >> 4 & 7u)

/* lex_state.prev */
enum {
    P_CMD,        /* a command may start here */
    P_ARGS,       /* behind a command word */
    P_INWORD,     /* in an assignment or redirection target before the command */
    P_REDIR,      /* a target is due, then P_CMD */
    P_REDIR_ARGS, /* a target is due, then P_ARGS */
    P_FOR,        /* a variable name is due */
    P_FORIN,      /* `in` or `do` is due */
    P_FUNC,       /* a function name is due */
};

/* lex_state.mode */
#define M_JOINED   0x01u /* a backslash stands at the end of this line */
#define M_GLUED    0x02u /* … of the line before: the word goes on */
#define M_DELIM    0x04u /* a here-document's delimiter is due */
#define M_DELIM_TO 0x08u /* … and a command behind it */
#define M_STRIP    0x10u /* … of <<- */

/* lex_state.heredoc[] */
#define H_STRIP   0x80000000u
#define H_RAW     0x40000000u
#define H_OFFSET  0x3fffffffu
#define DELIM_MAX 255u

static const char *const keywords[] = {
    "!",        "[[", "case", "coproc", "do",   "done", "elif",  "else",  "esac", "fi", "for",
    "function", "if", "in",   "select", "then", "time", "until", "while", "{",    "}",
};

static const char *const builtins[] = {
    ".",       ":",         "[",        "alias",   "bg",       "bind",     "break",   "builtin",
    "caller",  "cd",        "command",  "compgen", "complete", "continue", "declare", "dirs",
    "disown",  "echo",      "enable",   "eval",    "exec",     "exit",     "export",  "false",
    "fc",      "fg",        "getopts",  "hash",    "help",     "history",  "jobs",    "kill",
    "let",     "local",     "logout",   "mapfile", "popd",     "printf",   "pushd",   "pwd",
    "read",    "readarray", "readonly", "return",  "set",      "shift",    "shopt",   "source",
    "suspend", "test",      "times",    "trap",    "true",     "type",     "typeset", "ulimit",
    "umask",   "unalias",   "unset",    "wait",
};

static const char *const redirections[] = {
    "<<<", "<<-", "&>>", "<<", ">>", "<>", ">|", ">&", "<&", "&>", "<", ">", NULL,
};

static const char *const separators[] = {
    ";;&", ";;", ";&", "&&", "||", "|&", NULL,
};

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

/* Ends a word outside of quotes. */
static bool is_break(int c)
{
    return c < 0 || is_blank(c) || c == '\n' || (c != 0 && strchr(";&|<>()", c) != NULL);
}

/* Ends the literal piece of a word. */
static bool is_special(int c)
{
    return is_break(c) || c == '"' || c == '\'' || c == '`' || c == '$' || c == '\\';
}

static bool starts_expansion(const struct lex *lx)
{
    int c = lex_peek(lx, 1);
    if (lex_peek(lx, 0) != '$' || c <= 0)
        return false;
    return lex_is_alpha(c) || lex_is_digit(c) || strchr("{(@*#?-$![", c) != NULL;
}

static bool in_backticks(const struct lex *lx)
{
    for (size_t i = 0; i < lx->state.depth; i++) {
        if (KIND(lx->state.frames[i]) == F_BACKTICK)
            return true;
    }
    return false;
}

/* A word of a command, an assignment or a target begins or goes on: what comes after it? */
static void word_seen(struct lex *lx)
{
    uint8_t *prev = &lx->state.prev;
    switch (*prev) {
    case P_CMD:
    case P_REDIR_ARGS:
    case P_FORIN:
        *prev = P_ARGS;
        break;
    case P_REDIR:
        *prev = P_INWORD;
        break;
    case P_FOR:
        *prev = P_FORIN;
        break;
    case P_FUNC:
        *prev = P_CMD;
        break;
    default:
        break;
    }
}

/* ---- here-documents ---- */

static void start_heredoc(struct lex *lx)
{
    struct lex_state *s = &lx->state;
    uint32_t h = s->heredoc[s->active];
    if (lex_push(lx, (h & H_RAW) != 0 ? F_HEREDOC_RAW : F_HEREDOC)) {
        s->active++;
        s->pending--;
    } else {
        s->pending = 0;
    }
}

/* Pop the innermost frame; a here-document's entry goes with its frame. */
static uint8_t pop_frame(struct lex *lx)
{
    struct lex_state *s = &lx->state;
    uint8_t f = lex_top(lx);
    s->over = 0;
    lex_pop(lx);
    if ((KIND(f) == F_HEREDOC || KIND(f) == F_HEREDOC_RAW) && s->active > 0) {
        s->active--;
        for (size_t i = s->active; i + 1 < LEX_HEREDOCS; i++)
            s->heredoc[i] = s->heredoc[i + 1];
        s->heredoc[LEX_HEREDOCS - 1] = 0;
    }
    return f;
}

static void end_heredoc(struct lex *lx)
{
    uint8_t was = lx->state.active;
    while (lx->state.depth > 0 && lx->state.active == was)
        pop_frame(lx);
    lx->state.prev = P_CMD;
}

/* In an expanding one a backslash before the line end joins the lines before they are compared. */
static bool line_is_joined(const struct lex *lx)
{
    size_t n = 0;
    while (n + 1 < lx->at && lx->code[lx->at - 2 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/* Does the line at lx->at consist of the innermost here-document's delimiter? Its length, else 0.
 */
static size_t delimiter_line(const struct lex *lx)
{
    uint32_t h = lx->state.heredoc[lx->state.active - 1];
    size_t at = lx->at, d = h & H_OFFSET;
    if ((h & H_RAW) == 0 && line_is_joined(lx))
        return 0;
    while ((h & H_STRIP) != 0 && at < lx->len && lx->code[at] == '\t')
        at++;
    char quote = 0;
    for (; d < lx->len; d++) {
        char c = lx->code[d];
        if (quote == 0 && is_break((unsigned char)c))
            break;
        if (quote != 0 ? c == quote : c == '\'' || c == '"') {
            quote = quote != 0 ? 0 : c;
            continue;
        }
        if (c == '\\' && quote == 0 && d + 1 < lx->len)
            c = lx->code[++d];
        if (at >= lx->len || lx->code[at] != c)
            return 0;
        at++;
    }
    return at >= lx->len || lx->code[at] == '\n' ? at - lx->at : 0;
}

/* An empty delimiter ends at an empty line, which has no token to carry the end. */
static bool ends_at_empty_line(const struct lex *lx)
{
    uint32_t d = lx->state.heredoc[lx->state.active - 1] & H_OFFSET;
    return lex_peek(lx, 0) == '\n' && d + 2 <= lx->len &&
           (memcmp(lx->code + d, "''", 2) == 0 || memcmp(lx->code + d, "\"\"", 2) == 0) &&
           is_break(d + 2 < lx->len ? (unsigned char)lx->code[d + 2] : -1);
}

/* Move behind the word at lx->at. *raw: it had quotes. False when we could not compare it with a
 * line the way the shell does. */
static bool skip_delimiter(struct lex *lx, bool *raw)
{
    char quote = 0;
    bool plain = true;
    for (; lx->at < lx->len; lx->at++) {
        char c = lx->code[lx->at];
        if (c == '\n' || (quote == 0 && is_break((unsigned char)c)))
            break;
        if (c == '$' || c == '`' || c == '\0')
            plain = false;
        if (quote != 0 ? c == quote : c == '\'' || c == '"') {
            quote = quote != 0 ? 0 : c;
            *raw = true;
        } else if (c == '\\') {
            *raw = true;
            int next = lex_peek(lx, 1);
            if (quote != 0 || next < 0 || next == '\n')
                plain = false;
            else
                lx->at++;
        }
    }
    return plain && quote == 0;
}

static void take_delimiter(struct lex *lx, struct lex_token *t)
{
    struct lex_state *s = &lx->state;
    uint8_t mode = s->mode;
    s->mode &= (uint8_t) ~(M_DELIM | M_DELIM_TO | M_STRIP);
    bool raw = false, plain = skip_delimiter(lx, &raw);
    size_t n = lx->at - t->start, used = (size_t)s->active + s->pending;
    if (n == 0) {
        lx->at++; /* `<<` and no word */
        return;
    }
    t->kind = LEX_STRING;
    t->flags = LEX_OPEN | LEX_CLOSE | (raw ? LEX_RAW : LEX_FORMAT);
    s->prev = (mode & M_DELIM_TO) != 0 ? P_INWORD : P_ARGS;
    if (!plain || n > DELIM_MAX || used >= LEX_HEREDOCS) {
        s->lost = 1;
        return;
    }
    s->heredoc[used] = t->start | (raw ? H_RAW : 0) | ((mode & M_STRIP) != 0 ? H_STRIP : 0);
    s->pending++;
}

/* ---- expansions ---- */

static void push_from(struct lex *lx, unsigned kind, uint8_t inner)
{
    uint8_t outer = lx->state.prev;
    lex_push(lx, FRAME(kind, outer & 7u));
    lx->state.prev = inner;
}

static void open_parameter(struct lex *lx, struct lex_token *t)
{
    unsigned kind = F_PARAM;
    lx->at += 2;
    if (lex_peek(lx, 0) == '!' || lex_peek(lx, 0) == '#')
        lx->at++;
    while (lex_is_name(lex_peek(lx, 0)))
        lx->at++;
    if (lx->at == t->start + 2u && lex_peek(lx, 0) > 0 && strchr("@*?-$", lex_peek(lx, 0)) != NULL)
        lx->at++;
    /* within "…" a ' is literal behind :- := :+ :?, a quote behind # % / */
    uint8_t around = KIND(lex_top(lx));
    int op = lex_peek(lx, 0);
    if ((around == F_DQUOTE || around == F_HEREDOC || around == F_PARAM_DQ) && op != '#' &&
        op != '%' && op != '/' && op != '^' && op != ',')
        kind = F_PARAM_DQ;
    t->kind = LEX_VARIABLE;
    t->flags = LEX_OPEN;
    if (lex_peek(lx, 0) == '}') {
        lx->at++;
        t->flags |= LEX_CLOSE;
        return;
    }
    lex_push(lx, (uint8_t)kind);
}

static void take_expansion(struct lex *lx, struct lex_token *t)
{
    int c = lex_peek(lx, 1);
    t->kind = LEX_OPERATOR;
    if (c == '{') {
        word_seen(lx);
        open_parameter(lx, t);
    } else if (c == '(' && lex_peek(lx, 2) == '(') {
        lx->at += 3;
        push_from(lx, F_ARITH, P_ARGS);
    } else if (c == '(') {
        lx->at += 2;
        push_from(lx, F_CMDSUB, P_CMD);
    } else if (c == '[') {
        lx->at += 2;
        push_from(lx, F_ABRACK, P_ARGS);
    } else {
        lx->at += 2;
        if (lex_is_alpha(c)) {
            while (lex_is_alpha(lex_peek(lx, 0)) || lex_is_digit(lex_peek(lx, 0)))
                lx->at++;
        }
        t->kind = LEX_VARIABLE;
        t->flags = LEX_OPEN | LEX_CLOSE;
        word_seen(lx);
    }
}

/* Behind the bracket that closed `frame`: the word it stood in goes on. */
static void back_to_outer(struct lex *lx, uint8_t frame)
{
    lx->state.prev = OUTER(frame);
    word_seen(lx);
}

static void take_backtick(struct lex *lx, struct lex_token *t)
{
    lx->at++;
    t->kind = LEX_OPERATOR;
    if (!in_backticks(lx)) {
        push_from(lx, F_BACKTICK, P_CMD);
        return;
    }
    /* the next bare ` ends it, whatever was opened in between */
    while (lx->state.depth > 0) {
        uint8_t f = pop_frame(lx);
        if (KIND(f) == F_BACKTICK) {
            back_to_outer(lx, f);
            break;
        }
    }
}

/* ---- text ---- */

static void take_newline(struct lex *lx, struct lex_token *t, bool inside)
{
    struct lex_state *s = &lx->state;
    lx->at += lex_newline_len(lx, false);
    t->kind = LEX_NEWLINE;
    bool joined = (s->mode & M_JOINED) != 0;
    s->mode &= (uint8_t) ~(M_JOINED | M_GLUED);
    if (joined)
        s->mode |= M_GLUED;
    if (inside || joined) {
        t->flags = LEX_INSIDE;
        return;
    }
    s->mode &= (uint8_t) ~(M_DELIM | M_DELIM_TO | M_STRIP);
    if (KIND(lex_top(lx)) != F_CASE_HEAD && s->prev != P_FORIN)
        s->prev = P_CMD;
    if (s->pending > 0)
        start_heredoc(lx);
}

static void take_squote(struct lex *lx, struct lex_token *t, bool ansi)
{
    bool stop_at_tick = in_backticks(lx);
    t->kind = LEX_STRING;
    t->flags |= ansi ? 0u : LEX_RAW;
    for (; lx->at < lx->len; lx->at++) {
        int c = lex_peek(lx, 0);
        if (c == '\n' || (c == '`' && stop_at_tick))
            return;
        if (c == '\'') {
            lx->at++;
            t->flags |= LEX_CLOSE;
            lex_pop(lx);
            return;
        }
        if (ansi && c == '\\' && lex_peek(lx, 1) >= 0 && lex_peek(lx, 1) != '\n')
            lx->at++;
    }
}

static void open_quote(struct lex *lx, struct lex_token *t, unsigned kind, size_t n)
{
    lx->at += n;
    t->kind = LEX_STRING;
    t->flags = LEX_OPEN | (kind == F_DQUOTE ? LEX_FORMAT : kind == F_SQUOTE ? LEX_RAW : 0u);
    word_seen(lx);
    if (!lex_push(lx, (uint8_t)kind) || kind == F_DQUOTE)
        return; /* the pieces of "…" are tokens of their own */
    int c = lex_peek(lx, 0);
    if (c >= 0 && c != '\n' && !(c == '`' && in_backticks(lx)))
        take_squote(lx, t, kind == F_ANSI);
}

/* The literal piece of "…", ${…} or a here-document up to what is special there. Takes nothing when
 * that comes first. */
static void take_literal(struct lex *lx, uint8_t kind)
{
    for (; lx->at < lx->len; lx->at++) {
        int c = lex_peek(lx, 0);
        if (c == '\n' || (kind != F_HEREDOC_RAW && (c == '`' || starts_expansion(lx))))
            return;
        if (kind != F_HEREDOC_RAW && c == '\\' && lex_peek(lx, 1) >= 0 && lex_peek(lx, 1) != '\n') {
            if (lex_peek(lx, 1) == '`' && in_backticks(lx))
                return;
            lx->at++;
        } else if (kind == F_DQUOTE && c == '"') {
            return;
        } else if ((kind == F_PARAM || kind == F_PARAM_DQ) && (c == '}' || c == '"')) {
            return;
        } else if (kind == F_PARAM && (c == '\'' || (c == '$' && lex_peek(lx, 1) == '\''))) {
            return;
        }
    }
}

/* `\`` within `…`: the opening of a nested one, or its end; which, we do not follow. */
static bool take_nested_tick(struct lex *lx, struct lex_token *t)
{
    if (lex_peek(lx, 0) != '\\' || lex_peek(lx, 1) != '`' || !in_backticks(lx))
        return false;
    lx->at += 2;
    t->kind = LEX_OPERATOR;
    t->flags = LEX_UNSURE;
    lx->state.prev = P_CMD;
    return true;
}

static void step_text(struct lex *lx, struct lex_token *t, uint8_t kind)
{
    int c = lex_peek(lx, 0);
    t->kind = LEX_STRING;
    t->flags = LEX_FORMAT;
    if (c == '\n') {
        take_newline(lx, t, true);
    } else if (take_nested_tick(lx, t)) {
        return;
    } else if (starts_expansion(lx)) {
        take_expansion(lx, t);
    } else if (c == '`') {
        take_backtick(lx, t);
    } else if (kind == F_DQUOTE && c == '"') {
        lx->at++;
        t->flags |= LEX_CLOSE;
        lex_pop(lx);
    } else if ((kind == F_PARAM || kind == F_PARAM_DQ) && c == '}') {
        lx->at++;
        t->kind = LEX_VARIABLE;
        t->flags = LEX_CLOSE;
        lex_pop(lx);
    } else if ((kind == F_PARAM || kind == F_PARAM_DQ) && c == '"') {
        open_quote(lx, t, F_DQUOTE, 1);
    } else if (kind == F_PARAM && c == '\'') {
        open_quote(lx, t, F_SQUOTE, 1);
    } else if (kind == F_PARAM && c == '$' && lex_peek(lx, 1) == '\'') {
        open_quote(lx, t, F_ANSI, 2);
    } else {
        take_literal(lx, kind);
        if (lx->at == t->start)
            lx->at++;
    }
}

static void step_heredoc(struct lex *lx, struct lex_token *t, uint8_t kind)
{
    if (kind == F_HEREDOC) {
        step_text(lx, t, kind);
        return;
    }
    t->kind = LEX_STRING;
    t->flags = LEX_RAW;
    if (lex_peek(lx, 0) == '\n')
        take_newline(lx, t, true);
    else
        take_literal(lx, kind);
}

/* ---- words ---- */

static void take_piece(struct lex *lx)
{
    while (!is_special(lex_peek(lx, 0)) ||
           (lex_peek(lx, 0) == '$' && !starts_expansion(lx) && lex_peek(lx, 1) != '\'' &&
            lex_peek(lx, 1) != '"') ||
           (lex_peek(lx, 0) == '\\' && lex_peek(lx, 1) >= 0 && lex_peek(lx, 1) != '\n' &&
            !(lex_peek(lx, 1) == '`' && in_backticks(lx))))
        lx->at += lex_peek(lx, 0) == '\\' ? 2 : 1;
}

/* Length of `name=`, `name+=` or `name[…]=` up to the `=` (or `+=`) at lx->at; 0 if it is none. */
static size_t assignment_name(const struct lex *lx)
{
    size_t i = 0;
    if (!lex_is_alpha(lex_peek(lx, 0)))
        return 0;
    while (lex_is_alpha(lex_peek(lx, i)) || lex_is_digit(lex_peek(lx, i)))
        i++;
    size_t name = i;
    if (lex_peek(lx, i) == '[') {
        while (i < name + 64 && lex_peek(lx, i) != ']' && !is_break(lex_peek(lx, i)))
            i++;
        if (lex_peek(lx, i) != ']')
            return 0;
        i++;
    }
    if (lex_peek(lx, i) == '+')
        return lex_peek(lx, i + 1) == '=' ? i : 0;
    return lex_peek(lx, i) == '=' ? i : 0;
}

static bool is_one(const char *p, size_t n, const char *a)
{
    return strlen(a) == n && memcmp(p, a, n) == 0;
}

/* What a keyword in command position leads to. */
static void enter_keyword(struct lex *lx, const char *p, size_t n)
{
    uint8_t *prev = &lx->state.prev;
    *prev = P_CMD;
    if (is_one(p, n, "for") || is_one(p, n, "select"))
        *prev = P_FOR;
    else if (is_one(p, n, "function"))
        *prev = P_FUNC;
    else if (is_one(p, n, "case"))
        push_from(lx, F_CASE_HEAD, P_ARGS);
    else if (is_one(p, n, "[["))
        push_from(lx, F_COND, P_ARGS);
    else if (is_one(p, n, "in"))
        *prev = P_ARGS; /* all others: `if { a; } then b` needs no separator */
    if (is_one(p, n, "esac") && KIND(lex_top(lx)) == F_CASE_BODY)
        lex_pop(lx);
}

/* A whole unquoted word: is it a keyword where it stands? */
static bool take_keyword(struct lex *lx, struct lex_token *t, const char *p, size_t n)
{
    uint8_t kind = KIND(lex_top(lx)), prev = lx->state.prev;
    t->kind = LEX_KEYWORD;
    if (prev == P_FORIN && (is_one(p, n, "in") || is_one(p, n, "do") || is_one(p, n, "{"))) {
        enter_keyword(lx, p, n);
        return true;
    }
    if (kind == F_CASE_HEAD && is_one(p, n, "in")) {
        lex_set_top(lx, FRAME(F_CASE_PAT, P_CMD));
        return true;
    }
    if ((kind == F_CASE_PAT && is_one(p, n, "esac")) || (kind == F_COND && is_one(p, n, "]]"))) {
        lex_pop(lx);
        lx->state.prev = P_CMD;
        return true;
    }
    if (prev == P_CMD && kind != F_CASE_PAT && lex_is_word(keywords, ARRAY_LEN(keywords), p, n) &&
        !is_one(p, n, "in")) {
        enter_keyword(lx, p, n);
        return true;
    }
    t->kind = LEX_TEXT;
    return false;
}

static bool is_number(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && lex_is_digit((unsigned char)p[i]))
        i++;
    return i == n && n > 0;
}

static void word_kind(struct lex *lx, struct lex_token *t, const char *p, size_t n, bool whole)
{
    uint8_t prev = lx->state.prev, kind = KIND(lex_top(lx));
    t->kind = is_number(p, n) && whole ? LEX_NUMBER : LEX_TEXT;
    if (kind == F_CASE_PAT || kind == F_COND || kind == F_ARRAY)
        return;
    if (prev == P_FOR) {
        t->kind = LEX_VARIABLE;
    } else if (prev == P_FUNC) {
        t->kind = LEX_NAME;
        t->flags = LEX_DEF;
    } else if (prev == P_CMD) {
        bool builtin = whole && lex_is_word(builtins, ARRAY_LEN(builtins), p, n);
        t->kind = builtin ? LEX_BUILTIN : LEX_NAME;
        size_t i = 0;
        while (is_blank(lex_peek(lx, i)) && i < 64)
            i++;
        if (whole && lex_peek(lx, i) == '(' && lex_peek(lx, i + 1) == ')')
            t->flags = LEX_DEF;
    }
    word_seen(lx);
}

static void take_word(struct lex *lx, struct lex_token *t, bool first)
{
    const char *p = lx->code + lx->at;
    uint8_t kind = KIND(lex_top(lx));
    size_t name = first && lx->state.prev == P_CMD && kind != F_CASE_PAT ? assignment_name(lx) : 0;
    if (name > 0) {
        lx->at += name;
        t->kind = LEX_VARIABLE;
        lx->state.prev = P_INWORD;
        return;
    }
    take_piece(lx);
    size_t n = (size_t)(lx->code + lx->at - p);
    bool whole = first && is_break(lex_peek(lx, 0));
    if (whole && take_keyword(lx, t, p, n))
        return;
    if (first)
        word_kind(lx, t, p, n, whole);
    else
        t->kind = LEX_TEXT;
}

/* The `=` or `+=` behind an assignment's name. */
static bool take_assign(struct lex *lx, struct lex_token *t)
{
    if (lx->spaced || lx->state.prev != P_INWORD || t->start == 0)
        return false;
    int before = (unsigned char)lx->code[t->start - 1];
    bool plus = lex_peek(lx, 0) == '+' && lex_peek(lx, 1) == '=';
    if ((lex_peek(lx, 0) != '=' && !plus) || !(lex_is_name(before) || before == ']'))
        return false;
    lx->at += plus ? 2 : 1;
    t->kind = LEX_OPERATOR;
    if (lex_peek(lx, 0) == '(') {
        lx->at++;
        push_from(lx, F_ARRAY, P_ARGS);
    }
    return true;
}

/* ---- operators ---- */

/* `<`, `>>`, `2>&`, `{fd}<` … at lx->at: take it, or false. */
static bool take_redirection(struct lex *lx, struct lex_token *t, bool first)
{
    size_t i = 0;
    if (first) {
        while (lex_is_digit(lex_peek(lx, i)))
            i++;
        if (i == 0 && lex_peek(lx, 0) == '{' && lex_is_alpha(lex_peek(lx, 1))) {
            for (i = 1; lex_is_name(lex_peek(lx, i)); i++)
                ;
            i = lex_peek(lx, i) == '}' ? i + 1 : 0;
        }
    }
    int c = lex_peek(lx, i);
    if (c != '<' && c != '>' && !(i == 0 && c == '&' && lex_peek(lx, 1) == '>'))
        return false;
    lx->at += i;
    t->kind = LEX_OPERATOR;
    if (lex_peek(lx, 1) == '(') {
        lx->at += 2; /* <( … ) */
        push_from(lx, F_CMDSUB, P_CMD);
        return true;
    }
    const char *op = lx->code + lx->at;
    lex_take_operator(lx, redirections);
    size_t n = (size_t)(lx->code + lx->at - op);
    uint8_t *prev = &lx->state.prev;
    bool before = *prev == P_CMD || *prev == P_INWORD || *prev == P_REDIR;
    if (is_one(op, n, "<<") || is_one(op, n, "<<-")) {
        lx->state.mode |= (uint8_t)(M_DELIM | (before ? M_DELIM_TO : 0) | (n == 3 ? M_STRIP : 0));
        return true;
    }
    *prev = before ? P_REDIR : P_REDIR_ARGS;
    return true;
}

static void close_paren(struct lex *lx, struct lex_token *t)
{
    uint8_t f = lex_top(lx);
    lx->at++;
    switch (KIND(f)) {
    case F_PAREN:
        lex_pop(lx);
        lx->state.prev = P_CMD; /* also `f ( ) {` */
        break;
    case F_CMDSUB:
    case F_ARRAY:
        lex_pop(lx);
        back_to_outer(lx, f);
        break;
    case F_CASE_PAT:
        lex_set_top(lx, FRAME(F_CASE_BODY, P_CMD));
        lx->state.prev = P_CMD;
        break;
    default:
        t->kind = LEX_ERROR;
        break;
    }
}

static void open_paren(struct lex *lx)
{
    uint8_t kind = KIND(lex_top(lx)), prev = lx->state.prev;
    int before = lx->at > 0 && !lx->spaced ? (unsigned char)lx->code[lx->at - 1] : ' ';
    bool glob = before != 0 && prev != P_CMD && strchr("?*+@!=", before) != NULL;
    if (kind == F_CASE_PAT && !glob) {
        lx->at++; /* the optional one before a pattern */
    } else if ((prev == P_CMD || prev == P_FOR) && lex_peek(lx, 1) == '(') {
        lx->at += 2;
        push_from(lx, F_ARITH, P_ARGS);
    } else if (lex_peek(lx, 1) == ')') {
        lx->at += 2; /* name() */
        lx->state.prev = P_CMD;
    } else if (glob || kind == F_ARRAY) {
        lx->at++;
        push_from(lx, F_ARRAY, P_ARGS);
    } else {
        lx->at++;
        push_from(lx, F_PAREN, P_CMD);
    }
}

static void take_operator(struct lex *lx, struct lex_token *t, int c)
{
    t->kind = LEX_OPERATOR;
    if (c == '(') {
        open_paren(lx);
    } else if (c == ')') {
        close_paren(lx, t);
    } else {
        lex_take_operator(lx, separators);
        uint8_t kind = KIND(lex_top(lx));
        size_t n = lx->at - t->start;
        bool ends_case = c == ';' && n > 1;
        if (ends_case && kind == F_CASE_BODY)
            lex_set_top(lx, FRAME(F_CASE_PAT, P_CMD));
        if (kind != F_CASE_PAT && kind != F_COND && kind != F_ARRAY)
            lx->state.prev = P_CMD;
    }
}

static void step_cond(struct lex *lx, struct lex_token *t, int c)
{
    t->kind = LEX_OPERATOR;
    if (lex_peek(lx, 1) == '(' && (c == '<' || c == '>')) {
        lx->at += 2;
        push_from(lx, F_CMDSUB, P_CMD);
        return;
    }
    lex_take_operator(lx, separators);
}

/* ---- arithmetic ---- */

static void close_arith(struct lex *lx, struct lex_token *t, uint8_t f)
{
    t->kind = LEX_OPERATOR;
    lx->at++;
    if (KIND(f) == F_APAREN) {
        lex_pop(lx);
        return;
    }
    if (lex_peek(lx, 0) == ')')
        lx->at++;
    else
        t->flags |= LEX_UNSURE; /* `$((` was a subshell in a substitution: those were commands */
    lex_pop(lx);
    back_to_outer(lx, f);
    if (OUTER(f) == P_FOR)
        lx->state.prev = P_CMD; /* for ((…)) do */
}

static void step_arith(struct lex *lx, struct lex_token *t, int c)
{
    uint8_t f = lex_top(lx);
    t->kind = LEX_OPERATOR;
    if (c == '(') {
        lx->at++;
        lex_push_bracket(lx, F_APAREN);
    } else if (c == ')' && KIND(f) != F_ABRACK && lx->state.over == 0) {
        close_arith(lx, t, f);
    } else if (c == ']' && KIND(f) == F_ABRACK) {
        lx->at++;
        lex_pop(lx);
        back_to_outer(lx, f);
    } else if (c == ')') {
        lx->at++;
        if (lx->state.over > 0)
            lex_pop(lx);
    } else if (lex_is_digit(c)) {
        t->kind = LEX_NUMBER;
        while (lex_is_name(lex_peek(lx, 0)) || lex_peek(lx, 0) == '#')
            lx->at++;
    } else if (lex_is_name_start(c)) {
        t->kind = LEX_VARIABLE;
        while (lex_is_name(lex_peek(lx, 0)))
            lx->at++;
    } else {
        lx->at++;
    }
}

/* ---- the step ---- */

static bool is_arith(uint8_t kind)
{
    return kind == F_ARITH || kind == F_APAREN || kind == F_ABRACK;
}

/* Quotes, expansions and joined lines mean the same everywhere outside of text. */
static bool take_common(struct lex *lx, struct lex_token *t, int c)
{
    if (take_nested_tick(lx, t))
        return true;
    if (c == '\\' && (lex_peek(lx, 1) == '\n' || lex_peek(lx, 1) < 0)) {
        lx->at++;
        t->kind = LEX_OPERATOR;
        lx->state.mode |= M_JOINED;
    } else if (c == '"') {
        open_quote(lx, t, F_DQUOTE, 1);
    } else if (c == '\'') {
        open_quote(lx, t, F_SQUOTE, 1);
    } else if (c == '$' && lex_peek(lx, 1) == '\'') {
        open_quote(lx, t, F_ANSI, 2);
    } else if (c == '$' && lex_peek(lx, 1) == '"') {
        open_quote(lx, t, F_DQUOTE, 2);
    } else if (c == '`') {
        take_backtick(lx, t);
    } else if (starts_expansion(lx)) {
        take_expansion(lx, t);
    } else {
        return false;
    }
    return true;
}

static void take_comment(struct lex *lx, struct lex_token *t)
{
    bool ticks = in_backticks(lx);
    t->kind = LEX_COMMENT;
    t->flags = LEX_OPEN | LEX_CLOSE;
    while (lex_peek(lx, 0) >= 0 && lex_peek(lx, 0) != '\n' && !(ticks && lex_peek(lx, 0) == '`'))
        lx->at++;
}

/* Does a word begin at lx->at (or go on)? Ends what ended before it. */
static bool begins_word(struct lex *lx)
{
    bool glued =
        (lx->state.mode & M_GLUED) != 0 && lx->spaced && lx->at > 0 && lx->code[lx->at - 1] == '\n';
    lx->state.mode &= (uint8_t)~M_GLUED;
    int before = lx->at > 0 && !lx->spaced ? (unsigned char)lx->code[lx->at - 1] : ' ';
    bool edge = before == ')' || before == '`' ? lx->state.prev == P_CMD : is_break(before);
    bool first = !glued && (lx->spaced || edge);
    if (first && lx->state.prev == P_INWORD)
        lx->state.prev = P_CMD;
    return first;
}

/* Is this the first token of a command word? */
static bool begins_command(const struct lex *lx, const struct lex_token *t)
{
    switch (t->kind) {
    case LEX_NAME:
    case LEX_BUILTIN:
    case LEX_STRING:
    case LEX_TEXT:
    case LEX_NUMBER:
        return true;
    case LEX_VARIABLE:
        return (t->flags & LEX_OPEN) != 0;
    case LEX_OPERATOR:
        return lx->code[t->start] == '$' || lx->code[t->start] == '`';
    default:
        return false;
    }
}

static void step_code(struct lex *lx, struct lex_token *t, uint8_t kind, int c)
{
    bool first = begins_word(lx), delimiter = (lx->state.mode & M_DELIM) != 0;
    bool command = lx->state.prev == P_CMD && !delimiter && kind != F_CASE_HEAD &&
                   kind != F_CASE_PAT && kind != F_COND && kind != F_ARRAY;
    if (delimiter) {
        take_delimiter(lx, t);
    } else if (c == '#' && first) {
        take_comment(lx, t);
    } else if (!take_common(lx, t, c)) {
        if (kind == F_COND && is_break(c))
            step_cond(lx, t, c);
        else if (take_assign(lx, t) || take_redirection(lx, t, first))
            return;
        else if (is_break(c))
            take_operator(lx, t, c);
        else
            take_word(lx, t, first || command);
    }
    if (command && begins_command(lx, t))
        t->flags |= LEX_COMMAND;
}

void lex_shell_step(struct lex *lx, struct lex_token *t)
{
    struct lex_state *s = &lx->state;
    bool line_start = lx->at == 0 || lx->code[lx->at - 1] == '\n';
    if (s->active > 0 && line_start) {
        size_t n = delimiter_line(lx);
        if (n == 0 && ends_at_empty_line(lx)) {
            end_heredoc(lx);
            take_newline(lx, t, false);
            return;
        }
        if (n > 0) {
            lx->at += n;
            t->kind = LEX_STRING;
            t->flags = LEX_CLOSE;
            end_heredoc(lx);
            return;
        }
    }
    int c = lex_peek(lx, 0);
    uint8_t kind = KIND(lex_top(lx));
    if (kind == F_HEREDOC || kind == F_HEREDOC_RAW) {
        step_heredoc(lx, t, kind);
    } else if (kind == F_SQUOTE || kind == F_ANSI) {
        if (c == '\n')
            take_newline(lx, t, true);
        else if (c == '`' && in_backticks(lx))
            take_backtick(lx, t);
        else
            take_squote(lx, t, kind == F_ANSI);
    } else if ((kind & FRAME_TEXT) != 0) {
        step_text(lx, t, kind);
    } else if (lex_newline_len(lx, false) == 1) {
        take_newline(lx, t, is_arith(kind) || kind == F_ARRAY || kind == F_COND);
    } else if (is_arith(kind)) {
        if (!take_common(lx, t, c))
            step_arith(lx, t, c);
    } else {
        step_code(lx, t, kind, c);
    }
}
