/* review.h - what a person should look at in code before it runs: findings by fixed rules.
 *
 * The review never approves anything. It informs, and a HIGH finding keeps a lease from covering
 * the run. It reads tokens (tool/lex.h), so strings and comments do not match; it follows names as
 * far as a deterministic walk over the tokens can: imports and their aliases, destructuring,
 * assignments, getattr and subscripts with literal names, concatenated literals, shell variables,
 * aliases and functions. Code given as a literal to another interpreter (`os.system("…")`,
 * `bash -c '…'`, `python3 <<EOF`) is reviewed too. Same code, same context → same findings.
 *
 * The rules are data (share/review/NAME.rules, compiled in); their format is described in
 * share/review/any.rules, and each carries examples that must match and examples that must not.
 */
#ifndef AIRLOCK_TOOL_REVIEW_H
#define AIRLOCK_TOOL_REVIEW_H

#include "base/err.h"
#include "tool/state.h" /* enum finding_severity */

#define REVIEW_FINDINGS_MAX 1000
#define REVIEW_NEST_MAX     3 /* code in a literal in code in a literal */

struct review_finding {
    uint32_t line; /* 1-based, counted by LF; 0 = the code as a whole */
    enum finding_severity severity;
    const char *rule;  /* "py.delete-tree"; lent by the rules */
    char *text;        /* what it does, in a few words; valid UTF-8 without control characters */
    size_t start, len; /* bytes of the code it is about; len 0 for the whole */
};

/* Sorted by line, then rule, then start; no two are equal in all three. */
struct review {
    struct review_finding *findings;
    size_t count, cap;
    bool truncated; /* more than REVIEW_FINDINGS_MAX: the last finding says so and is HIGH */
};

/* What the sandbox would allow. NULL or a zeroed struct with `network_open` = nothing mounted. */
struct review_context {
    const char *const *rw_mounts; /* absolute paths that are mounted read-write; borrowed */
    size_t rw_count;
    bool network_open; /* false: plain network use is LOW, since it will fail */
};

struct review_rules; /* immutable after loading */

/* The compiled-in rules, parsed (about a millisecond; load at the first review, not at start).
 * ERR_FORMAT names file, line and rule. Free with review_rules_free. */
int review_load(struct review_rules **out, struct err *e) MUST_CHECK;
/* Rules from one text instead; `name` decides the language: "python", "shell", "javascript", "any".
 * For tests of the format. */
int review_load_text(struct review_rules **out, const char *name, const char *text, size_t len,
                     struct err *e) MUST_CHECK;
void review_rules_free(struct review_rules *r);

/* Run every example of every rule: ERR_FORMAT names the rule and the example that is wrong.
 * *examples (may be NULL) counts them. For the tests and `airlock doctor`. */
int review_self_test(const struct review_rules *r, size_t *examples, struct err *e) MUST_CHECK;

size_t review_rule_count(const struct review_rules *r);
/* For help and statistics: id, category and text of rule `index`, lent. False past the end. */
bool review_rule_at(const struct review_rules *r, size_t index, const char **id,
                    const char **category, const char **text);

/* Review `code`. Any bytes are accepted, linear time. *out is overwritten (an empty review before
 * or one that was released); release with review_release. An unknown language gets only the rules
 * that hold for any text and a finding that says so. */
void review_run(const struct review_rules *r, const char *language, const char *code, size_t len,
                const struct review_context *ctx, struct review *out);
void review_release(struct review *out); /* accepts NULL and a zeroed struct */

/* The worst severity, or -1 when there are no findings. */
int review_highest(const struct review *r);

#endif
