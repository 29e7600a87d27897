/* review_names.h - inside the review of Python and JavaScript: tokens that matter, what names stand
 * for, literals put together. Nobody else includes it. */
#ifndef AIRLOCK_TOOL_REVIEW_NAMES_H
#define AIRLOCK_TOOL_REVIEW_NAMES_H

#include <string.h>
#include "tool/review_impl.h"

/* ---- tokens (review_tokens.c) ---- */

/* tok.op: the character itself for one-character operators, else one of these. */
enum {
    OP_OTHER = 1,
    OP_ARROW,  /* => */
    OP_WALRUS, /* := */
    OP_SPREAD, /* ... */
    OP_POWER,  /* ** */
    OP_SHIFT   /* << */
};

#define TOK_DONE    0x01u /* part of a chain or import that was dealt with */
#define TOK_DECODED 0x02u
#define TOK_FETCHED 0x04u
#define TOK_TAINT   (TOK_DECODED | TOK_FETCHED)
#define TOK_NAME    0x10u /* a name in the widest sense: see tok_is_name() */
#define TOK_IMPORT  0x08u /* part of an import statement */
#define TOK_LEARNT  0x20u /* what it stands for was given to a name that is followed */

struct tok {
    uint32_t start, len; /* a string that is one literal spans all its lines */
    uint32_t aux;        /* names: ident; brackets: index of the partner, their own without one */
    uint8_t kind;        /* enum lex_kind; LEX_NEWLINE only where a statement may end */
    uint8_t op;
    uint8_t flags; /* of the lexer; for strings OPEN and CLOSE of the whole */
    uint8_t mark;  /* TOK_… */
};

#define ALIASES_MAX   4
#define NAME_TEXT_MAX 256
#define VALUE_MAX     ((size_t)16 << 10)
#define VALUES_MAX    4

struct ident {
    const char *p;
    uint32_t len, hash;
    bool is_root, has_method, has_attr; /* the rules know it as … */
    bool looked;                        /* it was used before it was set, so far */
    bool defined;                       /* a function, or something that was set, is called so */
    bool has_dotted, has_dotted_value;  /* `it.x` stands for a name, was set to a literal */
    bool dynamic;                       /* … but also set to something computed */
    uint8_t values;                     /* how many literals are in `value` */
    uint8_t taint;                      /* TOK_TAINT */
    uint8_t alias_count;
    const char *alias[ALIASES_MAX]; /* what it stands for, "os.system" */
    uint32_t list;                  /* token + 1 of the `[` of the list it was set to */
    const char *value;              /* the literal it was set to; several joined by LF */
    size_t value_len;
};

#define STARS_MAX 8

struct names {
    struct review_job *j;
    struct tok *toks;
    size_t count, cap;
    struct ident *ids;
    size_t id_count, id_cap;
    uint32_t *id_table; /* index + 1, open addressing */
    size_t id_slots;
    char **arena; /* blocks of copied text */
    size_t arena_count, arena_cap, arena_used;
    const char *stars[STARS_MAX]; /* from … import * */
    size_t star_count;
    uint32_t *taint_before[2]; /* decoded, fetched: tokens before i that carry it; count + 1 */
    bool again;                /* something was learned too late for what came before */
    bool reporting;            /* the last pass */
    unsigned depth;            /* chains within chains being resolved */
};

void names_tokenize(struct names *n);
void names_release(struct names *n);
/* -1 when it was never seen. */
int64_t names_find(const struct names *n, const char *p, size_t len);
char *names_copy(struct names *n, const char *p, size_t len); /* NUL-terminated, lives with n */

static inline bool tok_is_op(const struct names *n, size_t i, uint8_t op)
{
    return i < n->count && n->toks[i].kind == LEX_OPERATOR && n->toks[i].op == op;
}

/* A name, in the widest sense: also builtins, this, and keywords that can be called. */
static inline bool tok_is_name(const struct names *n, size_t i)
{
    return i < n->count && (n->toks[i].mark & TOK_NAME) != 0;
}
static inline const char *tok_text(const struct names *n, size_t i)
{
    return n->j->code + n->toks[i].start;
}

/* Inline, so that the length of a literal word is known at the call. */
static inline bool tok_is_word(const struct names *n, size_t i, const char *word)
{
    size_t len = strlen(word);
    return i < n->count && n->toks[i].len == len && n->toks[i].kind != LEX_STRING &&
           memcmp(tok_text(n, i), word, len) == 0;
}

/* ---- literals (review_literal.c) ---- */

struct literal {
    struct buf text; /* holes where something is computed */
    bool known;      /* text without holes, not empty by ignorance */
    bool built;      /* from pieces, escapes or character codes */
    bool many;       /* from a name with several values */
    bool exact;      /* text == code[at, at + len) */
    size_t at, len;
    unsigned pieces;
};

/* The value of the expression in tokens [i, end). Release with literal_release. */
void literal_fold(struct names *n, size_t i, size_t end, struct literal *out);
void literal_release(struct literal *l);
/* The number at token i, with ** and << behind it; -1 when there is none. */
double literal_number(const struct names *n, size_t i, size_t end);

/* ---- arguments ---- */

#define ARGS_MAX 8
struct args {
    size_t count; /* positional, at most ARGS_MAX are kept */
    size_t from[ARGS_MAX], to[ARGS_MAX];
    size_t kw_count;
    uint32_t kw_name[ARGS_MAX]; /* token of the keyword */
    size_t kw_from[ARGS_MAX], kw_to[ARGS_MAX];
    size_t open, close;
};

/* Of the call whose `(` is token i. */
void args_split(const struct names *n, size_t i, struct args *out);
/* There is at least one positional argument: forget it. */
void args_drop_first(struct args *a);
/* Argument by position or keyword: false when it is absent. */
bool args_find(const struct names *n, const struct args *a, int pos, const char *kw, size_t *from,
               size_t *to);

/* ---- chains: a.b("c")["d"] (review_chain.c) ---- */

struct chain {
    char name[NAME_TEXT_MAX]; /* resolved: "os.path.join", "socket.socket().connect" */
    size_t len;
    size_t hashed, dot; /* how far `hash` has come; the last dot on the way */
    uint32_t hash, dot_hash;
    unsigned kinds; /* what rules stand under the name; under its parent with globs */
    unsigned parent_kinds;
    bool known;       /* it starts at something the rules or an import know */
    size_t first, at; /* first token; the next one to read */
    size_t open;      /* … first, or the outermost parenthesis it was followed out of */
    size_t last;      /* last name token that was read */
    uint8_t taint;
    char key[64]; /* of the last ["key"] or first literal argument, for environment look-ups */
    size_t key_len;
    uint32_t receiver;         /* ident of the first name + 1, 0 if none */
    size_t path_from, path_to; /* arguments of a Path(…) on the way */
    enum { STEP_NAME, STEP_CALL, STEP_INDEX } step;
    bool dynamic_key; /* an index that is no literal on something like globals() */
    bool built_key;   /* a literal put together from pieces */
    bool by_call;     /* f.call(this, …): the first argument is none */
};

/* Begin at a name (candidate `k` of its aliases) or at a `.` behind something unnamed. False when
 * there is no candidate k. */
bool chain_begin(struct names *n, size_t i, unsigned k, struct chain *c);
/* Read one more `.name`, `[…]` or `(…)`. False at the end. */
bool chain_step(struct names *n, struct chain *c);
/* Is the next step a call? */
bool chain_calls(const struct names *n, const struct chain *c);
/* The whole chain at i; returns the token behind it. */
size_t chain_resolve(struct names *n, size_t i, unsigned k, struct chain *c);

/* `a.b` over tokens [from, to] as a name of its own. Names may move. */
uint32_t names_intern_dotted(struct names *n, size_t from, size_t to);
/* The same when it is there already, else -1. Nothing moves. */
int64_t names_find_dotted(const struct names *n, size_t from, size_t to);
/* The `a` of a name `a.b`; NULL for a plain name. Names may move. */
struct ident *names_first_part(struct names *n, uint32_t id);
/* False when it can't be followed. */
bool names_add_alias(struct names *n, uint32_t id, const char *target, size_t len);

/* ---- what statements teach (review_learn.c, review_python.c, review_javascript.c) ---- */

/* Imports of the whole code: aliases, `import *`; marks their tokens. */
void python_imports(struct names *n);
void javascript_imports(struct names *n);
/* `}` before the `=` at token i: `const {a: b} = X`. */
void javascript_destructure(struct names *n, size_t i, size_t right);
/* The name or `{…}` pattern at token `open` is set to what the chain stands for. */
void javascript_bind(struct names *n, size_t open, const struct chain *c);
/* Assignments and taint; run again, it follows what was used before it was set. */
void names_learn(struct names *n);
/* The rules of a module that is imported at token `tok`; only in the last pass. */
void names_import(struct names *n, const char *module, size_t len, size_t tok);

/* Is the name in tokens [first, next) handed on as a value (review_value.c)? */
bool names_is_value(const struct names *n, size_t first, size_t next);

void review_loops(struct names *n);    /* review_loops.c */
void review_oddities(struct names *n); /* review_odd.c */

#endif
