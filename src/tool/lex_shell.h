/* lex_shell.h - what the two halves of the shell's lexer share. Nobody else includes it. */
#ifndef AIRLOCK_TOOL_LEX_SHELL_H
#define AIRLOCK_TOOL_LEX_SHELL_H

#include "tool/lex_impl.h"

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

/* ---- lex_shell_text.c ---- */

/* Ends a word outside of quotes. */
bool shell_is_break(int c);
/* Does `$` at lx->at begin an expansion? */
bool shell_starts_expansion(const struct lex *lx);
bool shell_in_backticks(const struct lex *lx);
/* A word of a command, an assignment or a target begins or goes on: what comes after it? */
void shell_word_seen(struct lex *lx);
/* Push a frame that remembers the present `prev`; inside, `prev` is `inner`. */
void shell_push_from(struct lex *lx, unsigned kind, uint8_t inner);
/* Behind the bracket that closed `frame`: the word it stood in goes on. */
void shell_back_to_outer(struct lex *lx, uint8_t frame);

/* Does the line at lx->at consist of the innermost here-document's delimiter? Its length, else 0.
 */
size_t shell_delimiter_line(const struct lex *lx);
/* An empty delimiter ends at an empty line, which has no token to carry the end. */
bool shell_ends_at_empty_line(const struct lex *lx);
void shell_end_heredoc(struct lex *lx);
/* The word behind <<. */
void shell_take_delimiter(struct lex *lx, struct lex_token *t);

void shell_take_newline(struct lex *lx, struct lex_token *t, bool inside);
void shell_take_expansion(struct lex *lx, struct lex_token *t);
void shell_take_backtick(struct lex *lx, struct lex_token *t);
/* `\`` within `…`: true when it stood there. */
bool shell_take_nested_tick(struct lex *lx, struct lex_token *t);
/* A quote of `n` bytes opens a frame of `kind`. */
void shell_open_quote(struct lex *lx, struct lex_token *t, unsigned kind, size_t n);
void shell_take_squote(struct lex *lx, struct lex_token *t, bool ansi);
/* The next token within "…", ${…} and here-documents. */
void shell_step_text(struct lex *lx, struct lex_token *t, uint8_t kind);
void shell_step_heredoc(struct lex *lx, struct lex_token *t, uint8_t kind);

#endif
