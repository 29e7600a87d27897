/* verdict.h - judging a finished run by the expectation that was stated before it. Exit 0 is not
 * correct. */
#ifndef AIRLOCK_TOOL_VERDICT_H
#define AIRLOCK_TOOL_VERDICT_H

#include "providers/expectation.h"
#include "tool/state.h"

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
