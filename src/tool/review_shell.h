/* review_shell.h - inside the review of shell code: words, commands, what variables hold. */
#ifndef AIRLOCK_TOOL_REVIEW_SHELL_H
#define AIRLOCK_TOOL_REVIEW_SHELL_H

#include "tool/review_impl.h"

#define WORD_DYNAMIC  0x001u  /* a part of it is computed */
#define WORD_QUOTED   0x002u  /* a part of it stands in quotes */
#define WORD_FETCHED  0x004u  /* a substitution in it reads the network */
#define WORD_DECODED  0x008u  /* … or decodes something */
#define WORD_IFS      0x010u  /* ${IFS} holds it together */
#define WORD_ESCAPED  0x020u  /* letters written as escapes or behind a backslash */
#define WORD_GLUED    0x040u  /* quoted and bare pieces side by side */
#define WORD_VARIABLE 0x080u  /* its text comes from a variable we know */
#define WORD_EXACT    0x100u  /* one '…': its text stands so in the code */
#define WORD_COMMAND  0x200u  /* the command word */
#define WORD_ASSIGN   0x400u  /* name=value */
#define WORD_GLOB     0x800u  /* unquoted * ? or [ */
#define WORD_BRACES   0x1000u /* unquoted {a,b} */
#define WORD_SUBST    0x2000u /* <( … ) */
#define WORD_TARGET   0x4000u /* of a redirection: no argument */

struct word {
    size_t text, text_len; /* in shell.text */
    size_t start, end;     /* in the code */
    size_t name_len;       /* WORD_ASSIGN: the name before the = */
    unsigned flags;
};

/* How a command's input and output are bent. */
enum redir { REDIR_NONE, REDIR_READ, REDIR_WRITE, REDIR_HEREDOC, REDIR_HERESTRING, REDIR_DUP };

#define LEVELS_MAX  48u
#define SLOTS_MAX   8u
#define VARS_SLOTS  1024u
#define VARS_MAX    700u
#define SH_NAME_MAX 64u
#define FILES_MAX   16u
#define LOOPS_MAX   64u

/* One list of commands: the code itself, or the inside of a substitution. */
struct level {
    struct word *words;
    size_t count, cap;
    bool in_word;
    unsigned depth; /* of the token that opened it; tokens not deeper close it */
    bool is_tick;
    size_t text_base;             /* the words' text begins here */
    enum redir redir;             /* the next word is its target */
    bool piped;                   /* something is piped into the command being read */
    unsigned groups;              /* compound commands open that something is piped into */
    uint64_t group_parens;        /* … a bit each: opened with ( */
    bool fetch, decode;           /* a command in here did */
    bool pipe_fetch, pipe_decode; /* … in the pipeline so far */
    int quotes, params;           /* open "…" and ${… */
    bool raw_open;                /* a '…' that goes on in the next line */
    bool in_cond;                 /* within [[ … ]] */
    bool denied;                  /* a `!` stands before the command */
    unsigned arith;               /* + 1: depth of the token that opened arithmetic */
    uint8_t slots[SLOTS_MAX];     /* here-documents of the pipeline */
    size_t slot_count;
    enum lex_lang script; /* the command writes a file of code */
    char *here;           /* owned: the text of a <<< of the command, and where it stands */
    size_t here_start, here_len;
    char last[SH_NAME_MAX]; /* the command before, in the pipeline */
};

struct var {
    char *name, *value; /* owned; value NULL: computed, or set twice */
    bool function, alias;
};

/* Names of files, without directories; owned. */
struct files {
    char *names[FILES_MAX];
    size_t count;
};

struct loop_frame {
    size_t start, len;
    enum { LOOP_CONDITION, LOOP_BODY } at;
    bool until, endless, left, is_for;
    unsigned commands;
};

struct shell {
    struct review_job *j;
    struct buf text;
    struct level levels[LEVELS_MAX];
    size_t depth; /* index of the current level */
    size_t last_end;
    bool joined; /* a backslash at the line end: the word goes on */
    /* here-documents: lang by slot, in the order of their << */
    enum lex_lang slot_lang[SLOTS_MAX];
    size_t slot_first, slot_next; /* ring positions: next body to begin, next << */
    size_t body_start[LEX_HEREDOCS];
    enum lex_lang body_lang[LEX_HEREDOCS];
    enum lex_lang reader; /* of the last interpreter that reads what its group is given */
    size_t body_level[LEX_HEREDOCS];
    size_t bodies;
    struct var *vars; /* VARS_SLOTS */
    size_t var_count;
    char defining[SH_NAME_MAX]; /* the function whose body was begun last */
    struct files loaded;        /* … that were downloaded */
    struct files written;       /* … by the code, with what was not reviewed */
    struct loop_frame loops[LOOPS_MAX];
    size_t loop_count;
};

static inline const char *word_text(const struct shell *s, const struct word *w)
{
    return s->text.ptr + w->text;
}

/* ---- review_words.c ---- */
void words_begin(struct shell *s, size_t start, unsigned flags);
/* One token's contribution to the word being read. */
void words_add(struct shell *s, const struct lex_token *t);
void words_hole(struct shell *s);
void words_newline(struct shell *s); /* a line end within quotes */
void words_end(struct shell *s, size_t end);
bool word_is(const struct shell *s, const struct word *w, const char *text);

struct var *vars_find(struct shell *s, const char *name, size_t len, bool create);
void vars_set(struct shell *s, const char *name, size_t name_len, const char *value, size_t len);

/* A command as the rules see it: words[0] is its name. */
struct command {
    struct shell *s;
    const struct word *w;
    size_t count;
    const char *name; /* without directories; not terminated */
    size_t name_len;
    bool piped, denied; /* denied: a `!` stands before it */
    unsigned prefixes;
    const struct word *filled; /* what a `{}` of find stands for a part of */
};

/* ---- review_match.c ---- */
bool command_is_flag(const struct command *c, const struct word *w);
/* Has it the option? `-r` also stands in `-fr`; `--force` also in `--force=x`. */
bool command_has_flag(const struct command *c, const char *flag);
/* Positional argument `pos`, ARG_LAST, ARG_END, or the value of option `kw` (`-o`, `of=`): NULL if
 * absent. *skip: bytes of the word before the value. */
const struct word *command_find_arg(const struct command *c, int pos, const char *kw, size_t *skip);
/* All rules of the command's name; true when there are any. */
bool command_try_rules(const struct command *c);
/* A file is written to by a redirection. */
void command_check_write(struct shell *s, const struct word *w);
bool command_is_listed(const struct command *c, enum match_kind kind);
/* Does the word stand for what another command writes: <( … ), /dev/stdin, `-`? */
bool command_is_stream(const struct command *c, const struct word *w);

/* ---- review_shell_loops.c ---- */
/* while, until, for, select, do, done */
void loops_keyword(struct shell *s, const struct lex_token *t);
/* The `((` of for ((;;)) or while ((1)). */
void loops_arith(struct shell *s, const struct lex_token *t);
/* A command that may be a loop's condition, or leave it. */
void loops_command(const struct command *c);

/* ---- review_command.c ---- */
/* The command in words [0, count) of the current level has ended with `separator`. */
void command_review(struct shell *s, char separator);
/* Remember a file; nothing when its name is computed or there are many. */
void files_note(struct files *f, const char *p, size_t len);

#endif
