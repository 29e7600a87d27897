/* verdict.h - expectations stated before a run, judged after it. Exit 0 is not correct.
 * [interface.md execute_code.expect]
 *
 * One check per line: `exit 0` · `stderr empty` · `stdout contains TEXT` · `stdout matches REGEX` ·
 * `stdout equals TEXT` · `stdout is json|integer|number` · `file PATH exists` · `within SECONDS` ·
 * `code: PYTHON` (runs in the same sandbox after the code, and is part of the capsule). TEXT and
 * REGEX are taken as they are written, without blanks at their ends; REGEX is an extended regular
 * expression (line_regex.h) and looks at each line by itself. `equals` does not count one newline
 * at the end of stdout, and `stdout equals` alone wants none at all. A line that begins with a TAB
 * continues the check above it: that is how code of several lines travels.
 */
#ifndef AIRLOCK_TOOL_VERDICT_H
#define AIRLOCK_TOOL_VERDICT_H

#include "tool/state.h"

enum check_kind {
    CHECK_EXIT,
    CHECK_STDERR_EMPTY,
    CHECK_STDOUT_CONTAINS,
    CHECK_STDOUT_MATCHES,
    CHECK_STDOUT_EQUALS,
    CHECK_STDOUT_IS,
    CHECK_FILE_EXISTS,
    CHECK_WITHIN,
    CHECK_CODE
};

struct check {
    enum check_kind kind;
    char *text;     /* as written, one line */
    char *arg;      /* TEXT, REGEX, json|integer|number, PATH, python */
    int64_t number; /* exit status; milliseconds of `within` */
};
struct expectation {
    struct check *checks;
    size_t count;
};

#define EXPECT_MAX        ((size_t)1 << 20) /* bytes of all checks together */
#define EXPECT_CHECKS_MAX 100

/* ERR_FORMAT names the line, what is wrong and the forms there are; ERR_LIMIT. Empty text = no
 * checks. */
int expectation_parse(struct expectation *out, const char *text, size_t len,
                      struct err *e) MUST_CHECK;
void expectation_release(struct expectation *x);
/* Append one check to a text of checks, its newlines carried as LF TAB. -1: `out` is full. */
int expectation_add(struct buf *out, const char *check, size_t len);
/* Python of all `code:` checks, one after the other; "" when none. Caller frees. */
char *expectation_check_code(const struct expectation *x);
/* Paths of `file PATH exists`, lent; count in *n. Caller frees the array only. */
const char **expectation_paths(const struct expectation *x, size_t *n);

/* Judge. stdout is read from the tail in `run` where that reaches, else through `src` (may be NULL;
 * then it can't be decided). `contains` and `equals` stream over all of it; regex and json look at
 * the first JUDGE_MAX bytes, a regex for at most JUDGE_REGEX_US. What can't be decided is not ok
 * and says so. No checks: UNVERIFIED when the run ended with exit 0, else REFUTED. Without an
 * `exit` check `exit 0` is meant, and shown when it does not hold; a signal N counts as exit 128+N
 * and a timeout as 124, when asked for. */
#define JUDGE_MAX      ((size_t)8 << 20)
#define JUDGE_REGEX_US 300000
struct judged {
    enum run_verdict verdict;
    struct state_check *checks;
    size_t count;
};
void verdict_judge(struct judged *out, const struct expectation *x,
                   const struct sandbox_finished *f, const struct state_run *run,
                   const struct output_source *src);
void judged_release(struct judged *j);

/* Was the attempt spent? Anything but verified/exit 0. */
bool verdict_is_spent(enum run_verdict v, const struct sandbox_finished *f);

#endif
