/* verdict.h - expectations stated before a run, judged after it. Exit 0 is not correct.
 * [interface.md execute_code.expect]
 *
 * One check per line: `exit 0` · `stderr empty` · `stdout contains TEXT` · `stdout matches REGEX` ·
 * `stdout equals TEXT` · `stdout is json|integer|number` · `file PATH exists` · `within SECONDS` ·
 * `code: PYTHON` (runs in the same sandbox, is part of the capsule; a fenced or multi-line check
 * code is carried with its newlines escaped as \n in the line).
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

/* ERR_FORMAT names the line, what is wrong and the forms there are. Empty text = no checks. */
int expectation_parse(struct expectation *out, const char *text, size_t len,
                      struct err *e) MUST_CHECK;
void expectation_release(struct expectation *x);
/* Python of all `code:` checks, one after the other; "" when none. Caller frees. */
char *expectation_check_code(const struct expectation *x);
/* Paths of `file PATH exists`, lent; count in *n. Caller frees the array only. */
const char **expectation_paths(const struct expectation *x, size_t *n);

/* Judge. stdout is read through `src` (bounded: `contains`/`equals` stream over all of it; regex
 * and json over the first 8 MiB, a longer one is "not decided" = not ok, and says so). No checks →
 * UNVERIFIED when the run ended with exit 0, else REFUTED. A run that did not end in exit is never
 * VERIFIED unless an `exit`-check asked for just that. */
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
