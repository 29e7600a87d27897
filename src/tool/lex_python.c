/* lex_python.c - Python: f-strings with nested quotes (3.12), triple quotes, soft keywords. */
#include "tool/lex_impl.h"

#include "base/buf.h"

/* Frames. Text frames carry the shape of their string in the low bits. */
#define F_BRACKET 0x01u /* ( [ { */
#define F_FIELD   0x02u /* { … } of an f-string */
#define S_DOUBLE  0x01u /* the quote is " */
#define S_TRIPLE  0x02u
#define S_RAW     0x04u
#define S_FORMAT  0x08u
#define S_SPEC    0x10u /* behind the `:` of a field */

/* lex_state.prev */
enum { P_START, P_OTHER, P_DOT, P_DEF, P_DECORATOR };

/* lex_state.mode */
#define M_JOINED 0x01u /* a backslash stands at the end of this line */

static const char *const keywords[] = {
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield",
};

static const char *const builtins[] = {
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BaseException",
    "Ellipsis",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "ImportError",
    "IndexError",
    "KeyError",
    "KeyboardInterrupt",
    "MemoryError",
    "NameError",
    "NotImplemented",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PermissionError",
    "RuntimeError",
    "StopIteration",
    "SyntaxError",
    "SystemExit",
    "TimeoutError",
    "TypeError",
    "UnicodeDecodeError",
    "UnicodeError",
    "ValueError",
    "ZeroDivisionError",
    "__import__",
    "abs",
    "aiter",
    "all",
    "anext",
    "any",
    "ascii",
    "bin",
    "bool",
    "breakpoint",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "compile",
    "complex",
    "delattr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "exit",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "quit",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
};

static const char *const operators[] = {
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=", "==", "!=",
    "->",  "+=",  "-=",  "*=",  "/=",  "%=", "&=", "|=", "^=", "@=", ":=", NULL,
};

static bool is_text(uint8_t frame)
{
    return (frame & FRAME_TEXT) != 0;
}

static unsigned string_flags(uint8_t frame)
{
    return ((frame & S_RAW) != 0 ? LEX_RAW : 0) | ((frame & S_FORMAT) != 0 ? LEX_FORMAT : 0) |
           ((frame & S_TRIPLE) != 0 ? LEX_TRIPLE : 0);
}

/* Length of the quote that would close `frame` at lx->at, or 0. */
static size_t closing_quote(const struct lex *lx, uint8_t frame)
{
    int q = (frame & S_DOUBLE) != 0 ? '"' : '\'';
    if (lex_peek(lx, 0) != q)
        return 0;
    if ((frame & S_TRIPLE) == 0)
        return 1;
    return lex_peek(lx, 1) == q && lex_peek(lx, 2) == q ? 3 : 0;
}

/* A string of one line was not closed on it: no field of such a string around it can be either. */
static void drop_unclosed(struct lex *lx)
{
    lex_pop(lx);
    while (lx->state.depth > 0) {
        uint8_t f = lex_top(lx);
        if (is_text(f) && (f & S_TRIPLE) != 0)
            return;
        bool has_string = false;
        for (size_t i = 0; i < lx->state.depth; i++) {
            uint8_t g = lx->state.frames[i];
            has_string |= is_text(g) && (g & S_TRIPLE) == 0;
        }
        if (!has_string)
            return;
        lex_pop(lx);
    }
}

/* Skip the backslash and what it takes with it; false when it takes the line end. */
static bool skip_escape(struct lex *lx, uint8_t frame)
{
    lx->at++;
    if (lex_newline_len(lx, true) > 0) {
        lx->state.mode |= M_JOINED;
        return false;
    }
    int c = lex_peek(lx, 0);
    bool format = (frame & S_FORMAT) != 0;
    if (c < 0 || (format && (c == '{' || c == '}')))
        return true;
    lx->at++;
    if (format && (frame & S_RAW) == 0 && c == 'N' && lex_peek(lx, 0) == '{') {
        while (lex_is_name(lex_peek(lx, 1)) || lex_peek(lx, 1) == ' ' || lex_peek(lx, 1) == '-')
            lx->at++;
        lx->at += lex_peek(lx, 1) == '}' ? 2 : 1;
    }
    return true;
}

/* `{` or `}` in an f-string: true when it ends the piece. Doubled ones are text. */
static bool brace_ends(struct lex *lx, uint8_t frame)
{
    int c = lex_peek(lx, 0);
    if ((frame & S_SPEC) != 0)
        return true;
    if (lex_peek(lx, 1) == c) {
        lx->at += 2;
        return false;
    }
    if (c == '{')
        return true;
    lx->at++; /* a lone } is an error in Python, text to us */
    return false;
}

/* Text up to the closing quote, a field, or the line end. At least one byte was or is taken. */
static void take_text(struct lex *lx, struct lex_token *t)
{
    uint8_t f = lex_top(lx);
    t->kind = LEX_STRING;
    t->flags |= (uint8_t)string_flags(f);
    while (lx->at < lx->len) {
        int c = lex_peek(lx, 0);
        size_t q = closing_quote(lx, f);
        if (q > 0 && (f & S_SPEC) == 0) {
            lx->at += q;
            t->flags |= LEX_CLOSE;
            lex_pop(lx);
            lx->state.prev = P_OTHER;
            return;
        }
        if (q > 0 && (f & S_TRIPLE) == 0)
            break; /* a specification ends with its string */
        if (lex_newline_len(lx, true) > 0)
            return;
        if (c == '\\') {
            if (!skip_escape(lx, f))
                return;
        } else if ((f & S_FORMAT) != 0 && (c == '{' || c == '}')) {
            if (brace_ends(lx, f))
                return;
        } else {
            lx->at++;
        }
    }
}

/* Inside a string frame, at its next token. */
static void step_text(struct lex *lx, struct lex_token *t)
{
    uint8_t f = lex_top(lx);
    size_t nl = lex_newline_len(lx, true);
    int c = lex_peek(lx, 0);
    if (nl > 0) {
        bool goes_on = (f & S_TRIPLE) != 0 || (lx->state.mode & M_JOINED) != 0;
        lx->at += nl;
        t->kind = LEX_NEWLINE;
        lx->state.mode &= (uint8_t)~M_JOINED;
        if (!goes_on)
            drop_unclosed(lx);
        if (lx->state.depth > 0)
            t->flags = LEX_INSIDE;
        lx->state.prev = P_START;
    } else if ((f & S_FORMAT) != 0 && c == '{' && ((f & S_SPEC) != 0 || lex_peek(lx, 1) != '{')) {
        lx->at++;
        t->kind = LEX_OPERATOR;
        lex_push(lx, F_FIELD);
        lx->state.prev = P_OTHER;
    } else if ((f & S_SPEC) != 0 &&
               (c == '}' || ((f & S_TRIPLE) == 0 && closing_quote(lx, f) > 0))) {
        if (c == '}') {
            lx->at++;
            t->kind = LEX_OPERATOR;
            lex_pop(lx);
            lex_pop(lx); /* its field too */
            return;
        }
        while (is_text(lex_top(lx)) &&
               (lex_top(lx) & S_SPEC) != 0) { /* cut short by the quote, and all around it */
            lex_pop(lx);
            lex_pop(lx);
        }
        take_text(lx, t);
    } else {
        take_text(lx, t);
    }
}

static uint8_t enclosing_string(const struct lex *lx)
{
    for (size_t i = lx->state.depth; i > 0; i--) {
        if (is_text(lx->state.frames[i - 1]))
            return lx->state.frames[i - 1];
    }
    return FRAME_TEXT;
}

/* The prefix letters and quote of a string at lx->at: its frame, *len bytes long; 0 if there is
 * none. */
static uint8_t string_start(const struct lex *lx, size_t *len)
{
    uint8_t f = FRAME_TEXT;
    size_t i = 0;
    for (; i < 2; i++) {
        int c = lex_peek(lx, i) | 0x20;
        if (c == 'r')
            f |= S_RAW;
        else if (c == 'f' || c == 't')
            f |= S_FORMAT;
        else if (c != 'b' && c != 'u')
            break;
    }
    int q = lex_peek(lx, i);
    if (q != '"' && q != '\'')
        return 0;
    if (q == '"')
        f |= S_DOUBLE;
    bool triple = lex_peek(lx, i + 1) == q && lex_peek(lx, i + 2) == q;
    if (triple)
        f |= S_TRIPLE;
    *len = i + (triple ? 3 : 1);
    return f;
}

static bool take_string(struct lex *lx, struct lex_token *t)
{
    size_t n = 0;
    uint8_t f = string_start(lx, &n);
    if (f == 0)
        return false;
    lx->at += n;
    lx->state.prev = P_OTHER;
    t->kind = LEX_STRING;
    t->flags = LEX_OPEN;
    if (lex_push(lx, f))
        take_text(lx, t);
    return true;
}

/* The rest of the line at `at` with blanks and a comment cut off: its last byte, or -1. */
static int last_of_line(const struct lex *lx, size_t at, bool *has_colon)
{
    int last = -1;
    for (; at < lx->len; at++) {
        int c = (unsigned char)lx->code[at];
        if (c == '\n' || c == '\r' || c == '#')
            break;
        if (c == ':')
            *has_colon = true;
        if (c != ' ' && c != '\t' && c != '\f')
            last = c;
    }
    return last;
}

/* match, case and type are keywords only where a statement starts and reads like theirs. */
static bool is_soft_keyword(const struct lex *lx, const char *p, size_t n)
{
    bool match = n == 5 && memcmp(p, "match", 5) == 0;
    bool case_ = n == 4 && memcmp(p, "case", 4) == 0;
    bool type = n == 4 && memcmp(p, "type", 4) == 0;
    if (!match && !case_ && !type)
        return false;
    size_t at = lx->at;
    while (at < lx->len && (lx->code[at] == ' ' || lx->code[at] == '\t'))
        at++;
    int c = at < lx->len ? (unsigned char)lx->code[at] : -1;
    if (type)
        return at > lx->at && lex_is_name_start(c);
    if (c < 0 || strchr("=.,):;]}<>!%&|^/+\n\r", c) != NULL)
        return false;
    bool colon = false;
    int last = last_of_line(lx, at, &colon);
    return case_ ? colon : last == ':';
}

static bool is_dunder(const char *p, size_t n)
{
    return n > 4 && memcmp(p, "__", 2) == 0 && memcmp(p + n - 2, "__", 2) == 0;
}

static void name_kind(const struct lex *lx, struct lex_token *t, const char *p, size_t n)
{
    uint8_t prev = lx->state.prev;
    t->kind = LEX_NAME;
    if (prev == P_DECORATOR)
        t->kind = LEX_DECORATOR;
    else if (prev == P_DEF)
        t->flags = LEX_DEF;
    else if (prev == P_DOT)
        return;
    else if (lex_is_word(keywords, ARRAY_LEN(keywords), p, n) ||
             (prev == P_START && is_soft_keyword(lx, p, n)))
        t->kind = LEX_KEYWORD;
    else if (lex_is_word(builtins, ARRAY_LEN(builtins), p, n))
        t->kind = LEX_BUILTIN;
    else if ((n == 4 && memcmp(p, "self", 4) == 0) || (n == 3 && memcmp(p, "cls", 3) == 0) ||
             is_dunder(p, n))
        t->kind = LEX_VARIABLE;
}

static void take_name(struct lex *lx, struct lex_token *t)
{
    const char *p = lx->code + lx->at;
    while (lex_is_name(lex_peek(lx, 0)))
        lx->at++;
    size_t n = (size_t)(lx->code + lx->at - p);
    name_kind(lx, t, p, n);
    if (t->kind == LEX_KEYWORD && n == 3 && memcmp(p, "def", 3) == 0)
        lx->state.prev = P_DEF;
    else if (t->kind == LEX_KEYWORD && n == 5 && memcmp(p, "class", 5) == 0)
        lx->state.prev = P_DEF;
    else if (t->kind != LEX_DECORATOR)
        lx->state.prev = P_OTHER;
}

static void take_newline(struct lex *lx, struct lex_token *t, size_t nl)
{
    lx->at += nl;
    t->kind = LEX_NEWLINE;
    if (lx->state.depth > 0 || (lx->state.mode & M_JOINED) != 0)
        t->flags = LEX_INSIDE;
    else
        lx->state.prev = P_START;
    lx->state.mode &= (uint8_t)~M_JOINED;
}

/* `:` and `!` at the top of an f-string's field. */
static bool take_field_mark(struct lex *lx, struct lex_token *t, int c)
{
    if (lex_top(lx) != F_FIELD || lx->state.over > 0 ||
        (c != ':' && (c != '!' || lex_peek(lx, 1) == '=')))
        return false;
    lx->at++;
    t->kind = LEX_OPERATOR;
    lx->state.prev = P_OTHER;
    if (c == ':')
        lex_push(lx, (uint8_t)(enclosing_string(lx) | S_SPEC));
    return true;
}

static void take_punctuation(struct lex *lx, struct lex_token *t, int c)
{
    t->kind = LEX_OPERATOR;
    if (take_field_mark(lx, t, c))
        return;
    if (c == '@' && lx->state.prev == P_START && lx->state.depth == 0) {
        lx->at++;
        t->kind = LEX_DECORATOR;
        lx->state.prev = P_DECORATOR;
        return;
    }
    if (c == '(' || c == '[' || c == '{') {
        lex_push_bracket(lx, F_BRACKET);
    } else if (c == ')' || c == ']' || c == '}') {
        uint8_t top = lex_top(lx);
        if (lx->state.over > 0 || top == F_BRACKET || (top == F_FIELD && c == '}'))
            lex_pop(lx);
    } else if (c == '$' || c == '?' || c == '`' || c == '\\' || c < ' ' || c == 0x7f ||
               (c == '!' && lex_peek(lx, 1) != '=')) {
        t->kind = LEX_ERROR;
    }
    if (c == '.' && lx->state.prev == P_DECORATOR) {
        lx->at++;
        return;
    }
    lex_take_operator(lx, operators);
    size_t n = lx->at - t->start;
    lx->state.prev = c == '.' && n == 1 ? P_DOT : P_OTHER;
}

void lex_python_step(struct lex *lx, struct lex_token *t)
{
    if (is_text(lex_top(lx))) {
        step_text(lx, t);
        return;
    }
    int c = lex_peek(lx, 0);
    size_t nl = lex_newline_len(lx, true);
    if (nl > 0) {
        take_newline(lx, t, nl);
    } else if (c == '#') {
        while (lx->at < lx->len && lex_newline_len(lx, true) == 0)
            lx->at++;
        t->kind = LEX_COMMENT;
        t->flags = LEX_OPEN | LEX_CLOSE;
    } else if (lx->at == 0 && lx->len >= 3 && memcmp(lx->code, "\xef\xbb\xbf", 3) == 0) {
        lx->at += 3; /* a byte order mark: Python skips it */
    } else if (lex_is_name_start(c) || c == '"' || c == '\'') {
        if (!take_string(lx, t))
            take_name(lx, t);
    } else if (lex_is_digit(c) || (c == '.' && lex_is_digit(lex_peek(lx, 1)))) {
        lex_take_number(lx);
        t->kind = LEX_NUMBER;
        lx->state.prev = P_OTHER;
    } else if (c == '\\' && (lex_peek(lx, 1) == '\n' || lex_peek(lx, 1) == '\r')) {
        lx->at++;
        t->kind = LEX_OPERATOR;
        lx->state.mode |= M_JOINED;
    } else {
        take_punctuation(lx, t, c);
    }
}
