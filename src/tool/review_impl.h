/* review_impl.h - what the files of the review share. Nobody else includes it. */
#ifndef AIRLOCK_TOOL_REVIEW_IMPL_H
#define AIRLOCK_TOOL_REVIEW_IMPL_H

#include "base/buf.h"
#include "tool/lex.h"
#include "tool/review.h"
#include "tool/rule_text.h"

/* ---- paths (review_path.c) ---- */

/* Where a path given in the code leads; ordered by how much it matters. */
enum path_class {
    PATH_INSIDE,  /* /workspace, /tmp and the like; relative to them */
    PATH_UNKNOWN, /* computed, or no path at all */
    PATH_OUTSIDE,
    PATH_MOUNT, /* in, or above, something mounted read-write */
    PATH_CLASSES
};
#define REVIEW_HOLE     '\1' /* in a literal's value: a part that is computed */
#define REVIEW_PATH_MAX 256

/* `path` may hold holes. `cwd` is absolute, or "" when it is unknown. */
enum path_class path_classify(const struct review_context *ctx, const char *cwd, const char *path,
                              size_t len);
/* cwd := cwd/path; "" when that can't be told. */
void path_change(char cwd[REVIEW_PATH_MAX], const char *path, size_t len);

/* ---- rules (review_rules.c) ---- */

enum match_kind {
    MATCH_CALL,     /* name( */
    MATCH_USE,      /* name, called or not */
    MATCH_METHOD,   /* .name( of anything */
    MATCH_ATTR,     /* .name of anything */
    MATCH_IMPORT,   /* a module, or anything in it */
    MATCH_COMMAND,  /* shell: the command word */
    MATCH_CHECK,    /* a finding of a check written in C, by the check's name */
    MATCH_ENV,      /* an environment variable's name is read; globs */
    MATCH_STRING,   /* stands in a literal or a shell word */
    MATCH_SHAPE,    /* stands anywhere, also in comments: a secret's shape */
    MATCH_DECODED,  /* no rule: the result is decoded data */
    MATCH_FETCHED,  /* no rule: the result comes from the network */
    MATCH_VALUE,    /* name, neither called nor a member of it taken: handed on */
    MATCH_ROOT,     /* no rule: the first name of any of the above */
    MATCH_IMPORTED, /* no rule: a root only where it was imported: a word as others */
    MATCH_LOOKS,    /* no rule: functions that hand nothing on */
    MATCH_PREFIX,   /* no rule: shell commands that run another one */
    MATCH_OPERAND,  /* no rule: … behind an operand of their own */
    MATCH_PERSIST,  /* no rule: files that run at login or boot; globs */
    MATCH_KINDS
};

enum cond_class {
    COND_WRITES,  /* a mode with w, a, x or + */
    COND_TRUE,    /* True, true, a number but 0 */
    COND_LITERAL, /* known text */
    COND_TEXT,    /* some of it is known text */
    COND_DYNAMIC, /* there, and not known text */
    COND_BUILT,   /* known text, put together from pieces or from escapes */
    COND_DECODED, /* holds decoded data */
    COND_FETCHED, /* holds data from the network */
    COND_HUGE,    /* a number beyond 10^8 */
    COND_PRESENT,
    COND_STREAM, /* shell: <( … ), /dev/stdin */
    COND_IS,     /* one of the words */
    COND_HAS     /* contains one of the words */
};

struct rule_cond {
    enum cond_class what;
    bool negate;
    int arg;        /* position, -1: any */
    const char *kw; /* Python keyword of the same argument, or NULL */
    char **words;
    size_t word_count;
};

/* Which argument is a path, or code. */
struct rule_arg {
    bool used;
    int arg;        /* position; ARG_LAST, ARG_REST for shell */
    const char *kw; /* keyword; in shell an option (`-o`) or `of=` */
    enum lex_lang lang;
};
#define ARG_LAST (-2)
#define ARG_REST (-3)
#define ARG_NONE (-4)
#define ARG_END  (-5)

struct rule_words {
    char **words;
    size_t count;
};

#define RULES_BUCKETS  4096u
#define RULE_CONDS_MAX 4
#define RULE_FLAGS_MAX 3

struct review_rule {
    const char *id, *category, *text;
    const char *example_lang;   /* NULL: its own */
    enum lex_lang lang;         /* LEX_LANG_NONE: any text */
    int severity[PATH_CLASSES]; /* -1: no finding */
    bool has_class;             /* the four differ: a path is judged */
    struct rule_arg path, code;
    struct rule_cond conds[RULE_CONDS_MAX];
    size_t cond_count;
    /* shell */
    struct rule_words flags[RULE_FLAGS_MAX]; /* one of each group */
    size_t flag_count;
    struct rule_words no_flags; /* none of these */
    struct rule_words args;     /* one of them is an argument */
    bool piped;                 /* something is piped or redirected into it */
    unsigned line;              /* in its file */
};

/* What the rules ask for, found by (language, kind, key). */
struct rule_entry {
    const char *key;
    const char *glob; /* last part with a `*`: the key is what stands before it */
    uint32_t hash, key_len;
    uint32_t next; /* index + 1 of the next in the bucket */
    uint8_t kind, lang;
    uint16_t rule;
};

struct rule_example {
    uint16_t rule;
    int severity; /* -1: any */
    bool match;
    const char *text;
    unsigned line;
};

/* Key shapes as a sequence of classes. */
struct rule_shape {
    uint16_t rule;
    uint8_t lang;
    bool is_shape; /* else plain text, in literals only */
    const char *text;
    size_t len;
};

struct review_rules {
    char *texts[4]; /* owned copies that all strings point into */
    size_t text_count;
    struct review_rule *rules;
    size_t count, cap;
    struct rule_entry *entries;
    size_t entry_count, entry_cap;
    uint32_t *buckets;
    struct rule_example *examples;
    size_t example_count, example_cap;
    struct rule_shape *shapes;
    size_t shape_count, shape_cap;
    uint8_t shape_pairs[8192]; /* a bit for each two bytes that a shape may start with */
    uint32_t *by_first;        /* shapes by first byte: [256] start, in shapes order */
    void **owned;              /* word lists */
    size_t owned_count, owned_cap;
};

uint32_t rules_key_hash(enum lex_lang lang, const char *p, size_t n);
/* Fill by_first and shape_starts; once, when all shapes are known. */
void rules_index_shapes(struct review_rules *r);
/* First or next entry under (lang, kind, key); NULL at the end. `prev` NULL for the first. */
const struct rule_entry *rules_find(const struct review_rules *r, enum lex_lang lang,
                                    enum match_kind kind, const char *key, size_t len,
                                    const struct rule_entry *prev);
/* Bits 1 << enum match_kind of all that stands under a key. */
unsigned rules_kinds(const struct review_rules *r, enum lex_lang lang, const char *key, size_t len,
                     uint32_t hash);
/* The hash of a key, byte by byte: of the empty one, and with one byte more. */
uint32_t rules_hash(enum lex_lang lang);
static inline uint32_t rules_hash_add(uint32_t h, char c)
{
    return (h ^ (unsigned char)c) * 16777619u;
}
/* The rule of a check, NULL when the rules have none. */
const struct review_rule *rules_check(const struct review_rules *r, enum lex_lang lang,
                                      const char *name);
bool glob_match(const char *glob, const char *p, size_t len);
/* The same for a plain name: no call or subscript. */
bool glob_name(const char *glob, const char *p, size_t len);
/* Bytes of `p` that `shape` takes at its start; 0 when it does not match. *seen: bytes it looked
 * at. */
size_t shape_match(const char *shape, const char *p, size_t len, size_t *seen);

/* ---- one run (review.c) ---- */

struct review_raw {
    uint32_t start, len, line;
    const struct review_rule *rule;
    char *detail; /* owned, may be NULL */
    int severity;
    uint8_t cls;
};

struct review_job {
    const struct review_rules *rules;
    enum lex_lang lang;
    const char *code;
    size_t len;
    const struct review_context *ctx;
    char cwd[REVIEW_PATH_MAX];
    /* code in a literal of other code */
    struct review_job *outer;
    size_t outer_start, outer_len;
    bool exact; /* byte i here is byte outer_start + i there */
    unsigned nest;
    /* of the outermost job */
    struct review_raw *raw;
    size_t raw_count, raw_cap;
    size_t nested_bytes; /* spent on nested code */
    bool overflow;
};

/* A finding about code[start, start+len). `detail` is put behind the rule's text, cleaned. */
void job_add(struct review_job *j, const struct review_rule *rule, enum path_class cls,
             size_t start, size_t len, const char *detail, size_t detail_len);
/* The same by a check's name; nothing when the rules do not have it. */
void job_check(struct review_job *j, const char *check, size_t start, size_t len);
/* Review code that stands in a literal at [start, start+len) of this job's code. */
void job_nested(struct review_job *j, enum lex_lang lang, const char *code, size_t code_len,
                size_t start, size_t len, bool exact);
/* Text of a literal: rules by MATCH_STRING. */
void job_literal(struct review_job *j, const char *text, size_t text_len, size_t start, size_t len);
/* An environment variable is read. */
void job_env(struct review_job *j, const char *name, size_t name_len, size_t start, size_t len);

/* A file is written: is it one of those that run at login or boot? */
void job_persist(struct review_job *j, const char *path, size_t path_len, size_t start, size_t len);

/* ---- the walks ---- */
void review_text(struct review_job *j);  /* review_text.c: any bytes, once, the outermost only */
void review_names(struct review_job *j); /* review_names.c: Python and JavaScript */
void review_shell(struct review_job *j); /* review_shell.c */

#endif
