/* expectation.h - the checks a planner or a person states before a run. (Judged after it by
 * tool/verdict.h.) [interface.md execute_code.expect]
 *
 * One check per line: `exit 0` · `stderr empty` · `stdout contains TEXT` · `stdout matches REGEX` ·
 * `stdout equals TEXT` · `stdout is json|integer|number` · `file PATH exists` · `within SECONDS` ·
 * `code: PYTHON` (runs in the same sandbox after the code, and is part of the capsule). TEXT and
 * REGEX are taken as they are written, without blanks at their ends; REGEX is an extended regular
 * expression (line_regex.h) and looks at each line by itself. `equals` does not count one newline
 * at the end of stdout, and `stdout equals` alone wants none at all. A line that begins with a TAB
 * continues the check above it: that is how code of several lines travels.
 */
#ifndef AIRLOCK_PROVIDERS_EXPECTATION_H
#define AIRLOCK_PROVIDERS_EXPECTATION_H

#include "base/buf.h"

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
/* Checks in one line as a person types them, " ; " between: appended to `out` as a text of checks.
 * -1: `out` is full. */
int expectation_from_line(struct buf *out, const char *line);
/* Append one check to a text of checks, its newlines carried as LF TAB. -1: `out` is full. */
int expectation_add(struct buf *out, const char *check, size_t len);
/* Python of all `code:` checks, one after the other; "" when none. Caller frees. */
char *expectation_check_code(const struct expectation *x);
/* Paths of `file PATH exists`, lent; count in *n. Caller frees the array only. */
const char **expectation_paths(const struct expectation *x, size_t *n);

#endif
