/* lex_shell_text.c - the shell's lexer where text is text: quotes, expansions, here-documents. */
#include "tool/lex_shell.h"

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

bool shell_is_break(int c)
{
    return c < 0 || is_blank(c) || c == '\n' || (c != 0 && strchr(";&|<>()", c) != NULL);
}

bool shell_starts_expansion(const struct lex *lx)
{
    int c = lex_peek(lx, 1);
    if (lex_peek(lx, 0) != '$' || c <= 0)
        return false;
    return lex_is_alpha(c) || lex_is_digit(c) || strchr("{(@*#?-$![", c) != NULL;
}

bool shell_in_backticks(const struct lex *lx)
{
    for (size_t i = 0; i < lx->state.depth; i++) {
        if (KIND(lx->state.frames[i]) == F_BACKTICK)
            return true;
    }
    return false;
}

/* A word of a command, an assignment or a target begins or goes on: what comes after it? */
void shell_word_seen(struct lex *lx)
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

void shell_end_heredoc(struct lex *lx)
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
size_t shell_delimiter_line(const struct lex *lx)
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
        if (quote == 0 && shell_is_break((unsigned char)c))
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
bool shell_ends_at_empty_line(const struct lex *lx)
{
    uint32_t d = lx->state.heredoc[lx->state.active - 1] & H_OFFSET;
    return lex_peek(lx, 0) == '\n' && d + 2 <= lx->len &&
           (memcmp(lx->code + d, "''", 2) == 0 || memcmp(lx->code + d, "\"\"", 2) == 0) &&
           shell_is_break(d + 2 < lx->len ? (unsigned char)lx->code[d + 2] : -1);
}

/* Move behind the word at lx->at. *raw: it had quotes. False when we could not compare it with a
 * line the way the shell does. */
static bool skip_delimiter(struct lex *lx, bool *raw)
{
    char quote = 0;
    bool plain = true;
    for (; lx->at < lx->len; lx->at++) {
        char c = lx->code[lx->at];
        if (c == '\n' || (quote == 0 && shell_is_break((unsigned char)c)))
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

void shell_take_delimiter(struct lex *lx, struct lex_token *t)
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

void shell_push_from(struct lex *lx, unsigned kind, uint8_t inner)
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

void shell_take_expansion(struct lex *lx, struct lex_token *t)
{
    int c = lex_peek(lx, 1);
    t->kind = LEX_OPERATOR;
    if (c == '{') {
        shell_word_seen(lx);
        open_parameter(lx, t);
    } else if (c == '(' && lex_peek(lx, 2) == '(') {
        lx->at += 3;
        shell_push_from(lx, F_ARITH, P_ARGS);
    } else if (c == '(') {
        lx->at += 2;
        shell_push_from(lx, F_CMDSUB, P_CMD);
    } else if (c == '[') {
        lx->at += 2;
        shell_push_from(lx, F_ABRACK, P_ARGS);
    } else {
        lx->at += 2;
        if (lex_is_alpha(c)) {
            while (lex_is_alpha(lex_peek(lx, 0)) || lex_is_digit(lex_peek(lx, 0)))
                lx->at++;
        }
        t->kind = LEX_VARIABLE;
        t->flags = LEX_OPEN | LEX_CLOSE;
        shell_word_seen(lx);
    }
}

/* Behind the bracket that closed `frame`: the word it stood in goes on. */
void shell_back_to_outer(struct lex *lx, uint8_t frame)
{
    lx->state.prev = OUTER(frame);
    shell_word_seen(lx);
}

void shell_take_backtick(struct lex *lx, struct lex_token *t)
{
    lx->at++;
    t->kind = LEX_OPERATOR;
    if (!shell_in_backticks(lx)) {
        shell_push_from(lx, F_BACKTICK, P_CMD);
        return;
    }
    /* the next bare ` ends it, whatever was opened in between */
    while (lx->state.depth > 0) {
        uint8_t f = pop_frame(lx);
        if (KIND(f) == F_BACKTICK) {
            shell_back_to_outer(lx, f);
            break;
        }
    }
}

/* ---- text ---- */

void shell_take_newline(struct lex *lx, struct lex_token *t, bool inside)
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

void shell_take_squote(struct lex *lx, struct lex_token *t, bool ansi)
{
    bool stop_at_tick = shell_in_backticks(lx);
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

void shell_open_quote(struct lex *lx, struct lex_token *t, unsigned kind, size_t n)
{
    lx->at += n;
    t->kind = LEX_STRING;
    t->flags = LEX_OPEN | (kind == F_DQUOTE ? LEX_FORMAT : kind == F_SQUOTE ? LEX_RAW : 0u);
    shell_word_seen(lx);
    if (!lex_push(lx, (uint8_t)kind) || kind == F_DQUOTE)
        return; /* the pieces of "…" are tokens of their own */
    int c = lex_peek(lx, 0);
    if (c >= 0 && c != '\n' && !(c == '`' && shell_in_backticks(lx)))
        shell_take_squote(lx, t, kind == F_ANSI);
}

/* The literal piece of "…", ${…} or a here-document up to what is special there. Takes nothing when
 * that comes first. */
static void take_literal(struct lex *lx, uint8_t kind)
{
    for (; lx->at < lx->len; lx->at++) {
        int c = lex_peek(lx, 0);
        if (c == '\n' || (kind != F_HEREDOC_RAW && (c == '`' || shell_starts_expansion(lx))))
            return;
        if (kind != F_HEREDOC_RAW && c == '\\' && lex_peek(lx, 1) >= 0 && lex_peek(lx, 1) != '\n') {
            if (lex_peek(lx, 1) == '`' && shell_in_backticks(lx))
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
bool shell_take_nested_tick(struct lex *lx, struct lex_token *t)
{
    if (lex_peek(lx, 0) != '\\' || lex_peek(lx, 1) != '`' || !shell_in_backticks(lx))
        return false;
    lx->at += 2;
    t->kind = LEX_OPERATOR;
    t->flags = LEX_UNSURE;
    lx->state.prev = P_CMD;
    return true;
}

void shell_step_text(struct lex *lx, struct lex_token *t, uint8_t kind)
{
    int c = lex_peek(lx, 0);
    t->kind = LEX_STRING;
    t->flags = LEX_FORMAT;
    if (c == '\n') {
        shell_take_newline(lx, t, true);
    } else if (shell_take_nested_tick(lx, t)) {
        return;
    } else if (shell_starts_expansion(lx)) {
        shell_take_expansion(lx, t);
    } else if (c == '`') {
        shell_take_backtick(lx, t);
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
        shell_open_quote(lx, t, F_DQUOTE, 1);
    } else if (kind == F_PARAM && c == '\'') {
        shell_open_quote(lx, t, F_SQUOTE, 1);
    } else if (kind == F_PARAM && c == '$' && lex_peek(lx, 1) == '\'') {
        shell_open_quote(lx, t, F_ANSI, 2);
    } else {
        take_literal(lx, kind);
        if (lx->at == t->start)
            lx->at++;
    }
}

void shell_step_heredoc(struct lex *lx, struct lex_token *t, uint8_t kind)
{
    if (kind == F_HEREDOC) {
        shell_step_text(lx, t, kind);
        return;
    }
    t->kind = LEX_STRING;
    t->flags = LEX_RAW;
    if (lex_peek(lx, 0) == '\n')
        shell_take_newline(lx, t, true);
    else
        take_literal(lx, kind);
}
