/* lex_javascript.c - JavaScript: `/` as division or regular expression, nested templates. */
#include "tool/lex_impl.h"

#include "base/buf.h"

/* Frames */
#define F_PAREN    0x01u
#define F_HEAD     0x02u /* ( behind if, while, for, with: a statement follows its ) */
#define F_BRACKET  0x03u
#define F_BRACE    0x04u
#define F_HOLE     0x05u /* ${ … } of a template */
#define F_TEMPLATE (FRAME_TEXT | 0x01u)
#define F_COMMENT  (FRAME_TEXT | 0x02u)
#define F_STRING1  (FRAME_TEXT | 0x03u) /* a '…' that a backslash carried over the line end */
#define F_STRING2  (FRAME_TEXT | 0x04u)

/* lex_state.prev: what a `/` would be here */
enum {
    P_START,      /* a regular expression: start, or behind an operator or such a keyword */
    P_OPERAND,    /* a division */
    P_HEAD,       /* behind `)` of if, while, for, with: a regular expression */
    P_DOT,        /* a property name follows */
    P_BRACE,      /* behind `}`: can't be told */
    P_CONTEXTUAL, /* behind await, yield, of: can't be told */
    P_INCDEC,     /* behind ++ or --: can't be told for sure */
    P_CONTROL,    /* behind if, while, for, with: a head follows */
    P_DEF,        /* behind function, class: a name follows */
};

/* lex_state.mode */
#define M_CODE_ON_LINE 0x01u /* this line has a token: `-->` is no comment any more */
#define M_ESCAPED      0x02u /* a backslash carries the string over the line end */

static const char *const keywords[] = {
    "async",    "await",      "break",   "case",   "catch",    "class", "const",
    "continue", "debugger",   "default", "delete", "do",       "else",  "export",
    "extends",  "false",      "finally", "for",    "function", "if",    "import",
    "in",       "instanceof", "let",     "new",    "null",     "of",    "return",
    "static",   "super",      "switch",  "this",   "throw",    "true",  "try",
    "typeof",   "undefined",  "var",     "void",   "while",    "with",  "yield",
};

/* Those that are values, or can be plain names: a `/` behind them divides. */
static const char *const operand_words[] = {
    "async", "false", "let", "null", "static", "super", "this", "true", "undefined",
};

static const char *const builtins[] = {
    "Array",
    "ArrayBuffer",
    "BigInt",
    "Boolean",
    "Buffer",
    "Date",
    "Error",
    "Function",
    "Infinity",
    "Intl",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "Promise",
    "Proxy",
    "RangeError",
    "ReferenceError",
    "Reflect",
    "RegExp",
    "Set",
    "String",
    "Symbol",
    "SyntaxError",
    "TypeError",
    "URL",
    "URLSearchParams",
    "Uint8Array",
    "WeakMap",
    "WeakSet",
    "WebAssembly",
    "__dirname",
    "__filename",
    "arguments",
    "clearInterval",
    "clearTimeout",
    "console",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "escape",
    "eval",
    "exports",
    "fetch",
    "global",
    "globalThis",
    "isFinite",
    "isNaN",
    "module",
    "parseFloat",
    "parseInt",
    "process",
    "queueMicrotask",
    "require",
    "setImmediate",
    "setInterval",
    "setTimeout",
    "structuredClone",
    "unescape",
};

static const char *const operators[] = {
    ">>>=", "...", "===", "!==", "**=", "<<=", ">>=",  ">>>", "&&=", "||=", "\?\?=", "=>",
    "==",   "!=",  "<=",  ">=",  "&&",  "||",  "\?\?", "?.",  "++",  "--",  "+=",    "-=",
    "*=",   "/=",  "%=",  "&=",  "|=",  "^=",  "<<",   ">>",  "**",  NULL,
};

/* Length of LF, CRLF, CR, LS (U+2028) or PS (U+2029) at lx->at + ahead, or 0. */
static size_t line_end(const struct lex *lx, size_t ahead)
{
    int c = lex_peek(lx, ahead);
    if (c == '\n')
        return 1;
    if (c == '\r')
        return lex_peek(lx, ahead + 1) == '\n' ? 2 : 1;
    if (c == 0xe2 && lex_peek(lx, ahead + 1) == 0x80 && (lex_peek(lx, ahead + 2) | 1) == 0xa9)
        return 3;
    return 0;
}

/* Length of a blank above ASCII (NBSP, BOM, the Zs class) at lx->at, or 0. JavaScript skips them.
 */
static size_t wide_blank(const struct lex *lx)
{
    int a = lex_peek(lx, 0), b = lex_peek(lx, 1), c = lex_peek(lx, 2);
    if (a == 0xc2 && b == 0xa0)
        return 2;
    bool three = (a == 0xef && b == 0xbb && c == 0xbf) || (a == 0xe1 && b == 0x9a && c == 0x80) ||
                 (a == 0xe2 && b == 0x80 && ((c >= 0x80 && c <= 0x8a) || c == 0xaf)) ||
                 (a == 0xe2 && b == 0x81 && c == 0x9f) || (a == 0xe3 && b == 0x80 && c == 0x80);
    return three ? 3 : 0;
}

static void take_to_line_end(struct lex *lx)
{
    while (lx->at < lx->len && line_end(lx, 0) == 0)
        lx->at++;
}

static void take_newline(struct lex *lx, struct lex_token *t, bool inside)
{
    lx->at += line_end(lx, 0);
    t->kind = LEX_NEWLINE;
    t->flags = inside ? LEX_INSIDE : 0;
    lx->state.mode &= (uint8_t)~M_CODE_ON_LINE;
}

static void step_template(struct lex *lx, struct lex_token *t)
{
    if (line_end(lx, 0) > 0) {
        take_newline(lx, t, true);
        return;
    }
    t->kind = LEX_STRING;
    t->flags |= LEX_FORMAT;
    if (lex_peek(lx, 0) == '$' && lex_peek(lx, 1) == '{') {
        lx->at += 2;
        t->kind = LEX_OPERATOR;
        t->flags = 0;
        lex_push(lx, F_HOLE);
        lx->state.prev = P_START;
        return;
    }
    for (; lx->at < lx->len && line_end(lx, 0) == 0; lx->at++) {
        int c = lex_peek(lx, 0);
        if (c == '`') {
            lx->at++;
            t->flags |= LEX_CLOSE;
            lex_pop(lx);
            lx->state.prev = P_OPERAND;
            return;
        }
        if (c == '$' && lex_peek(lx, 1) == '{')
            return;
        if (c == '\\' && lx->at + 1 < lx->len && line_end(lx, 1) == 0)
            lx->at++;
    }
}

static void step_comment(struct lex *lx, struct lex_token *t)
{
    if (line_end(lx, 0) > 0) {
        take_newline(lx, t, true);
        return;
    }
    t->kind = LEX_COMMENT;
    for (; lx->at < lx->len && line_end(lx, 0) == 0; lx->at++) {
        if (lex_peek(lx, 0) == '*' && lex_peek(lx, 1) == '/') {
            lx->at += 2;
            t->flags |= LEX_CLOSE;
            lex_pop(lx);
            return;
        }
    }
}

/* The rest of a '…' or "…" on this line; `pushed` says whether its frame is on the stack. */
static void take_string_text(struct lex *lx, struct lex_token *t, int quote, bool pushed)
{
    t->kind = LEX_STRING;
    lx->state.prev = P_OPERAND;
    for (; lx->at < lx->len; lx->at++) {
        int c = lex_peek(lx, 0);
        if (c == quote || c == '\n' || c == '\r')
            break;
        if (c != '\\' || lx->at + 1 >= lx->len)
            continue;
        lx->at++;
        if (lex_newline_len(lx, true) == 0)
            continue;
        lx->state.mode |= M_ESCAPED;
        if (!pushed)
            lex_push(lx, quote == '\'' ? F_STRING1 : F_STRING2);
        return;
    }
    if (lex_peek(lx, 0) == quote) {
        lx->at++;
        t->flags |= LEX_CLOSE;
    }
    if (pushed)
        lex_pop(lx);
}

static void step_string(struct lex *lx, struct lex_token *t, uint8_t frame)
{
    if (lex_newline_len(lx, true) == 0) {
        take_string_text(lx, t, frame == F_STRING1 ? '\'' : '"', true);
        return;
    }
    bool escaped = (lx->state.mode & M_ESCAPED) != 0;
    lx->state.mode &= (uint8_t)~M_ESCAPED;
    take_newline(lx, t, escaped);
    if (!escaped)
        lex_pop(lx);
}

static void take_regex(struct lex *lx, struct lex_token *t)
{
    bool in_class = false;
    t->kind = LEX_REGEX;
    lx->state.prev = P_OPERAND;
    for (lx->at++; lx->at < lx->len && line_end(lx, 0) == 0; lx->at++) {
        int c = lex_peek(lx, 0);
        if (c == '\\' && lx->at + 1 < lx->len && line_end(lx, 1) == 0)
            lx->at++;
        else if (c == '[')
            in_class = true;
        else if (c == ']')
            in_class = false;
        else if (c == '/' && !in_class)
            break;
    }
    if (lex_peek(lx, 0) != '/') {
        t->kind = LEX_ERROR; /* as an expression it does not end: the line is not what it seems */
        t->flags |= LEX_UNSURE;
        return;
    }
    lx->at++;
    while (lex_is_alpha(lex_peek(lx, 0)))
        lx->at++;
}

static void take_slash(struct lex *lx, struct lex_token *t)
{
    int next = lex_peek(lx, 1);
    uint8_t prev = lx->state.prev;
    if (next == '/') {
        take_to_line_end(lx);
        t->kind = LEX_COMMENT;
        t->flags = LEX_OPEN | LEX_CLOSE;
        return;
    }
    if (next == '*') {
        lx->at += 2;
        t->kind = LEX_COMMENT;
        t->flags = LEX_OPEN;
        if (lex_push(lx, F_COMMENT) && lx->at < lx->len && line_end(lx, 0) == 0)
            step_comment(lx, t);
        return;
    }
    if (prev == P_BRACE || prev == P_CONTEXTUAL || prev == P_INCDEC)
        t->flags |= LEX_UNSURE;
    if (prev == P_START || prev == P_HEAD || prev == P_BRACE || prev == P_CONTEXTUAL) {
        take_regex(lx, t);
        return;
    }
    lx->at += next == '=' ? 2 : 1;
    t->kind = LEX_OPERATOR;
    lx->state.prev = P_START;
}

/* Length of the identifier character at lx->at, `\u0061` and `\u{61}` included; 0 if there is none.
 */
static size_t name_char(const struct lex *lx)
{
    int c = lex_peek(lx, 0);
    if (c == '\\' && lex_peek(lx, 1) == 'u') {
        size_t i = 2;
        bool braces = lex_peek(lx, 2) == '{';
        for (i += braces; lex_is_hex(lex_peek(lx, i)) && i < (braces ? 12 : 6); i++)
            ;
        if (braces)
            return lex_peek(lx, i) == '}' ? i + 1 : 0;
        return i == 6 ? 6 : 0;
    }
    if (c >= 0x80 && (line_end(lx, 0) > 0 || wide_blank(lx) > 0))
        return 0;
    return lex_is_name(c) || c == '$' ? 1 : 0;
}

static bool is_in(const char *p, size_t n, const char *const *words, size_t count)
{
    return lex_is_word(words, count, p, n);
}

static bool is_one(const char *p, size_t n, const char *a)
{
    return strlen(a) == n && memcmp(p, a, n) == 0;
}

/* `prev` behind the keyword [p, p+n). */
static uint8_t keyword_prev(const char *p, size_t n, uint8_t prev)
{
    if (is_in(p, n, operand_words, ARRAY_LEN(operand_words)))
        return P_OPERAND;
    if (is_one(p, n, "await"))
        return prev == P_CONTROL ? P_CONTROL : P_CONTEXTUAL; /* for await ( */
    if (is_one(p, n, "yield") || is_one(p, n, "of"))
        return P_CONTEXTUAL;
    if (is_one(p, n, "if") || is_one(p, n, "while") || is_one(p, n, "for") || is_one(p, n, "with"))
        return P_CONTROL;
    if (is_one(p, n, "function") || is_one(p, n, "class"))
        return P_DEF;
    return P_START;
}

static void take_name(struct lex *lx, struct lex_token *t)
{
    const char *p = lx->code + lx->at;
    uint8_t prev = lx->state.prev;
    for (size_t n = name_char(lx); n > 0; n = name_char(lx))
        lx->at += n;
    size_t n = (size_t)(lx->code + lx->at - p);
    t->kind = LEX_NAME;
    lx->state.prev = P_OPERAND;
    if (prev == P_DOT)
        return;
    if (is_in(p, n, keywords, ARRAY_LEN(keywords))) {
        t->kind = is_one(p, n, "this") ? LEX_VARIABLE : LEX_KEYWORD;
        lx->state.prev = keyword_prev(p, n, prev);
    } else if (prev == P_DEF) {
        t->flags |= LEX_DEF;
    } else if (is_in(p, n, builtins, ARRAY_LEN(builtins))) {
        t->kind = LEX_BUILTIN;
    }
}

static void open_bracket(struct lex *lx, int c)
{
    if (c == '(')
        lex_push_bracket(lx, lx->state.prev == P_CONTROL ? F_HEAD : F_PAREN);
    else
        lex_push_bracket(lx, c == '[' ? F_BRACKET : F_BRACE);
    lx->state.prev = P_START;
}

static void close_bracket(struct lex *lx, int c)
{
    uint8_t top = lex_top(lx), prev = P_OPERAND;
    bool counted = lx->state.over > 0;
    if (counted) {
        prev = c == ']' ? P_OPERAND : P_BRACE; /* forgotten what it was */
        lex_pop(lx);
    } else if (c == ')') {
        prev = top == F_HEAD ? P_HEAD : P_OPERAND;
        if (top == F_HEAD || top == F_PAREN)
            lex_pop(lx);
    } else if (c == ']') {
        if (top == F_BRACKET)
            lex_pop(lx);
    } else {
        prev = P_BRACE;
        if (top == F_BRACE || top == F_HOLE)
            lex_pop(lx);
    }
    lx->state.prev = prev;
}

static void take_punctuation(struct lex *lx, struct lex_token *t, int c)
{
    t->kind = LEX_OPERATOR;
    if (strchr("([{)]}", c) != NULL && c != 0) {
        lx->at++;
        if (c == '(' || c == '[' || c == '{')
            open_bracket(lx, c);
        else
            close_bracket(lx, c);
        return;
    }
    if (c <= ' ' || c == 0x7f || c == '\\' || c == '@' || c == '#')
        t->kind = LEX_ERROR;
    /* `a?.5:b` is no optional chain */
    if (c == '?' && lex_peek(lx, 1) == '.' && lex_is_digit(lex_peek(lx, 2)))
        lx->at++;
    else
        lex_take_operator(lx, operators);
    size_t n = lx->at - t->start;
    const char *p = lx->code + t->start;
    if ((n == 1 && c == '.') || is_one(p, n, "?."))
        lx->state.prev = P_DOT;
    else if (is_one(p, n, "++") || is_one(p, n, "--"))
        lx->state.prev = P_INCDEC;
    else if (t->kind != LEX_ERROR && (c != '*' || lx->state.prev != P_DEF))
        lx->state.prev = P_START;
}

/* `<!--` anywhere and `-->` first on a line begin comments in scripts, not in modules. */
static bool is_html_comment(const struct lex *lx)
{
    const char *p = lx->code + lx->at;
    size_t left = lx->len - lx->at;
    if (left >= 4 && memcmp(p, "<!--", 4) == 0)
        return true;
    return left >= 3 && memcmp(p, "-->", 3) == 0 && (lx->state.mode & M_CODE_ON_LINE) == 0;
}

static void step_code(struct lex *lx, struct lex_token *t)
{
    int c = lex_peek(lx, 0);
    size_t blank = wide_blank(lx);
    if (blank > 0) {
        lx->at += blank; /* an error to the eye, a blank to the language */
        return;
    }
    if (c == '/') {
        take_slash(lx, t);
    } else if ((lx->at == 0 && c == '#' && lex_peek(lx, 1) == '!') || is_html_comment(lx)) {
        t->kind = LEX_COMMENT;
        t->flags = LEX_OPEN | LEX_CLOSE | (c == '#' ? 0u : LEX_UNSURE);
        take_to_line_end(lx);
    } else if (c == '"' || c == '\'') {
        lx->at++;
        t->flags = LEX_OPEN;
        take_string_text(lx, t, c, false);
    } else if (c == '`') {
        lx->at++;
        t->kind = LEX_STRING;
        t->flags = LEX_OPEN | LEX_FORMAT;
        if (lex_push(lx, F_TEMPLATE) && line_end(lx, 0) == 0 &&
            !(lex_peek(lx, 0) == '$' && lex_peek(lx, 1) == '{'))
            step_template(lx, t);
    } else if (lex_is_digit(c) || (c == '.' && lex_is_digit(lex_peek(lx, 1)))) {
        lex_take_number(lx);
        t->kind = LEX_NUMBER;
        lx->state.prev = P_OPERAND;
    } else if (name_char(lx) > 0) {
        take_name(lx, t);
    } else if (c == '#' && (lex_is_name_start(lex_peek(lx, 1)) || lex_peek(lx, 1) == '$')) {
        lx->at++;
        lx->state.prev = P_DOT; /* a private name is never a keyword */
        take_name(lx, t);
    } else {
        take_punctuation(lx, t, c);
    }
    if (t->kind != LEX_COMMENT)
        lx->state.mode |= M_CODE_ON_LINE;
}

void lex_javascript_step(struct lex *lx, struct lex_token *t)
{
    uint8_t top = lex_top(lx);
    if (top == F_TEMPLATE)
        step_template(lx, t);
    else if (top == F_COMMENT)
        step_comment(lx, t);
    else if (top == F_STRING1 || top == F_STRING2)
        step_string(lx, t, top);
    else if (line_end(lx, 0) > 0)
        take_newline(lx, t, top == F_PAREN || top == F_HEAD || top == F_BRACKET);
    else
        step_code(lx, t);
}
