/* lex_shell.c - sh and bash: words, nested substitutions, here-documents, redirections. */
#include "tool/lex_shell.h"

#include "base/buf.h"

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

/* Ends the literal piece of a word. */
static bool is_special(int c)
{
    return shell_is_break(c) || c == '"' || c == '\'' || c == '`' || c == '$' || c == '\\';
}

/* ---- words ---- */

static void take_piece(struct lex *lx)
{
    while (!is_special(lex_peek(lx, 0)) ||
           (lex_peek(lx, 0) == '$' && !shell_starts_expansion(lx) && lex_peek(lx, 1) != '\'' &&
            lex_peek(lx, 1) != '"') ||
           (lex_peek(lx, 0) == '\\' && lex_peek(lx, 1) >= 0 && lex_peek(lx, 1) != '\n' &&
            !(lex_peek(lx, 1) == '`' && shell_in_backticks(lx))))
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
        while (i < name + 64 && lex_peek(lx, i) != ']' && !shell_is_break(lex_peek(lx, i)))
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
        shell_push_from(lx, F_CASE_HEAD, P_ARGS);
    else if (is_one(p, n, "[["))
        shell_push_from(lx, F_COND, P_ARGS);
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
    shell_word_seen(lx);
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
    bool whole = first && shell_is_break(lex_peek(lx, 0));
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
        shell_push_from(lx, F_ARRAY, P_ARGS);
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
        shell_push_from(lx, F_CMDSUB, P_CMD);
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
        shell_back_to_outer(lx, f);
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
        shell_push_from(lx, F_ARITH, P_ARGS);
    } else if (lex_peek(lx, 1) == ')') {
        lx->at += 2; /* name() */
        lx->state.prev = P_CMD;
    } else if (glob || kind == F_ARRAY) {
        lx->at++;
        shell_push_from(lx, F_ARRAY, P_ARGS);
    } else {
        lx->at++;
        shell_push_from(lx, F_PAREN, P_CMD);
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
        shell_push_from(lx, F_CMDSUB, P_CMD);
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
    shell_back_to_outer(lx, f);
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
        shell_back_to_outer(lx, f);
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
    if (shell_take_nested_tick(lx, t))
        return true;
    if (c == '\\' && (lex_peek(lx, 1) == '\n' || lex_peek(lx, 1) < 0)) {
        lx->at++;
        t->kind = LEX_OPERATOR;
        lx->state.mode |= M_JOINED;
    } else if (c == '"') {
        shell_open_quote(lx, t, F_DQUOTE, 1);
    } else if (c == '\'') {
        shell_open_quote(lx, t, F_SQUOTE, 1);
    } else if (c == '$' && lex_peek(lx, 1) == '\'') {
        shell_open_quote(lx, t, F_ANSI, 2);
    } else if (c == '$' && lex_peek(lx, 1) == '"') {
        shell_open_quote(lx, t, F_DQUOTE, 2);
    } else if (c == '`') {
        shell_take_backtick(lx, t);
    } else if (shell_starts_expansion(lx)) {
        shell_take_expansion(lx, t);
    } else {
        return false;
    }
    return true;
}

static void take_comment(struct lex *lx, struct lex_token *t)
{
    bool ticks = shell_in_backticks(lx);
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
    bool edge = before == ')' || before == '`' ? lx->state.prev == P_CMD : shell_is_break(before);
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
        shell_take_delimiter(lx, t);
    } else if (c == '#' && first) {
        take_comment(lx, t);
    } else if (!take_common(lx, t, c)) {
        if (kind == F_COND && shell_is_break(c))
            step_cond(lx, t, c);
        else if (take_assign(lx, t) || take_redirection(lx, t, first))
            return;
        else if (shell_is_break(c))
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
        size_t n = shell_delimiter_line(lx);
        if (n == 0 && shell_ends_at_empty_line(lx)) {
            shell_end_heredoc(lx);
            shell_take_newline(lx, t, false);
            return;
        }
        if (n > 0) {
            lx->at += n;
            t->kind = LEX_STRING;
            t->flags = LEX_CLOSE;
            shell_end_heredoc(lx);
            return;
        }
    }
    int c = lex_peek(lx, 0);
    uint8_t kind = KIND(lex_top(lx));
    if (kind == F_HEREDOC || kind == F_HEREDOC_RAW) {
        shell_step_heredoc(lx, t, kind);
    } else if (kind == F_SQUOTE || kind == F_ANSI) {
        if (c == '\n')
            shell_take_newline(lx, t, true);
        else if (c == '`' && shell_in_backticks(lx))
            shell_take_backtick(lx, t);
        else
            shell_take_squote(lx, t, kind == F_ANSI);
    } else if ((kind & FRAME_TEXT) != 0) {
        shell_step_text(lx, t, kind);
    } else if (lex_newline_len(lx, false) == 1) {
        shell_take_newline(lx, t, is_arith(kind) || kind == F_ARRAY || kind == F_COND);
    } else if (is_arith(kind)) {
        if (!take_common(lx, t, c))
            step_arith(lx, t, c);
    } else {
        step_code(lx, t, kind, c);
    }
}
