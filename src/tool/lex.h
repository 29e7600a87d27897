/* lex.h - tokens of Python, shell and JavaScript, for colours and for the review.
 *
 * Total: any bytes are accepted, every byte belongs to exactly one token or is an ASCII blank
 * (space, tab, VT, FF) between two, and the time is linear. A token never crosses a line: a string
 * over three lines is three string tokens with a newline token after each. So the state at a line
 * start (struct lex_state, plain bytes, all zero at the start of the code) is all that is needed to
 * go on from there, and code that is still being streamed is simply code that ends early.
 *
 * Where a language can't be told apart without running or fully parsing it (`/` after `}`, `$((`
 * that is no arithmetic, an f-string nested deeper than we follow) the token says LEX_UNSURE, so
 * that a reader of tokens can refuse to trust what comes after.
 */
#ifndef AIRLOCK_TOOL_LEX_H
#define AIRLOCK_TOOL_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* LEX_LANG_NONE gives LEX_TEXT and LEX_NEWLINE only. */
enum lex_lang { LEX_LANG_NONE, LEX_LANG_PYTHON, LEX_LANG_SHELL, LEX_LANG_JAVASCRIPT };

/* "python" "python3" "py", "javascript" "js" "node" "nodejs" "mjs", "shell" "bash" "sh" "zsh"; any
 * case. LEX_LANG_NONE for all else and NULL. */
enum lex_lang lex_language(const char *name);
const char *lex_language_name(enum lex_lang lang); /* "python", "shell", "javascript", "" */

enum lex_kind {
    LEX_TEXT,      /* uncoloured: words that are arguments, plain text */
    LEX_KEYWORD,   /* reserved words, soft ones only where they are */
    LEX_NAME,      /* identifiers; in shell the command word */
    LEX_BUILTIN,   /* names the language brings along, not after a dot */
    LEX_NUMBER,    /* with its suffix */
    LEX_STRING,    /* one line's piece of a string, template or here-document */
    LEX_REGEX,     /* a JavaScript regular expression */
    LEX_COMMENT,   /* one line's piece */
    LEX_OPERATOR,  /* operators and brackets; in shell also redirections (`2>&`, `<<-`) */
    LEX_DECORATOR, /* Python: the `@` and the dotted name behind it */
    LEX_VARIABLE,  /* `$x`, `${x`, `x` of `x=1`; self, cls, __name__; this */
    LEX_ERROR,     /* bytes that have no business there */
    LEX_NEWLINE,   /* LF; CRLF and a lone CR but in shell; LS and PS in JavaScript */
    LEX_KINDS
};
const char *lex_kind_name(enum lex_kind kind); /* "keyword" ...; for dumps and themes */

/* Flags of a token. */
#define LEX_OPEN    0x01u /* string, comment: begins here (prefix and quote are in it) */
#define LEX_CLOSE   0x02u /* string, comment: ends here (the quote is in it) */
#define LEX_INSIDE  0x04u /* newline: no end of a statement (string, bracket, backslash) */
#define LEX_UNSURE  0x08u /* could be read in two ways */
#define LEX_RAW     0x10u /* string: backslashes stand for themselves */
#define LEX_FORMAT  0x20u /* string: expressions may stand in it (f"", ``, "$x", <<EOF) */
#define LEX_TRIPLE  0x40u /* string: the quote is three characters */
#define LEX_COMMAND 0x40u /* shell: a command word begins here */
#define LEX_DEF     0x80u /* name: being defined (def f, class C, function f, f() {) */

struct lex_token {
    uint32_t start, len; /* bytes; len > 0 */
    uint8_t kind;        /* enum lex_kind */
    uint8_t flags;
    uint8_t depth;    /* open brackets, templates, substitutions … before the token; saturates */
    uint8_t reserved; /* zero: tokens can be compared as bytes */
};

#define LEX_DEPTH_MAX 42
#define LEX_HEREDOCS  4

/* What a line start needs to know of all that came before. Equal bytes = equal future. The text
 * itself must still stand before it (a here-document refers to its delimiter by offset). */
struct lex_state {
    uint8_t depth;                  /* frames in use */
    uint8_t prev;                   /* what stood before; each language its own */
    uint8_t mode;                   /* bits; each language its own */
    uint8_t lost;                   /* nesting was deeper than LEX_DEPTH_MAX */
    uint16_t over;                  /* plain brackets open beyond LEX_DEPTH_MAX */
    uint8_t active, pending;        /* here-documents: being read, waiting for the line end */
    uint8_t frames[LEX_DEPTH_MAX];  /* innermost last, unused ones zero */
    uint8_t reserved[2];            /* zero */
    uint32_t heredoc[LEX_HEREDOCS]; /* offset of the delimiter, and two flag bits */
};

struct lex {
    const char *code; /* borrowed */
    size_t len, at;
    enum lex_lang lang;
    bool spaced; /* blanks or a line end stood before the token being read */
    struct lex_state state;
};

/* `code` is borrowed for the life of the lexer; at most 1 GiB is read, the rest ignored. */
void lex_init(struct lex *lx, enum lex_lang lang, const char *code, size_t len);
/* Go on at a line start, `at` bytes into the code, with the state that was found there. */
void lex_resume(struct lex *lx, enum lex_lang lang, const char *code, size_t len, size_t at,
                const struct lex_state *state);
/* The next token; false at the end of the code. */
bool lex_next(struct lex *lx, struct lex_token *out);

/* ---- line starts, kept sparsely: colour from any line of code that may still grow ---- */
#define LEX_LINES_STEP 32

struct lex_mark {
    size_t offset;
    struct lex_state state;
};
struct lex_lines {
    enum lex_lang lang;
    struct lex_mark *marks; /* marks[i]: the start of line i * LEX_LINES_STEP (0-based) */
    size_t count, cap;
    size_t known; /* the last whole line start that was reached … */
    size_t known_line;
    struct lex_state known_state;
    size_t scanned; /* bytes that were searched for line ends */
};
void lex_lines_init(struct lex_lines *ls, enum lex_lang lang);
void lex_lines_release(struct lex_lines *ls);
/* Read on to the end of `code`, of which the bytes read before must be unchanged. Each byte of a
 * finished line is read once over all calls. */
void lex_lines_extend(struct lex_lines *ls, const char *code, size_t len);
/* A lexer at the start of `line` (0-based), or of the nearest one before that is known. Returns the
 * line it stands at. */
size_t lex_lines_seek(const struct lex_lines *ls, const char *code, size_t len, size_t line,
                      struct lex *out);

#endif
