/* runbook_parse.h - a runbook: Markdown that a person can read and review, as steps and proposals.
 * [interface.md "Runbooks"]
 *
 *   # title                    one, first
 *   a paragraph                the task
 *   - data: data/x.csv         a file put into /workspace, as x.csv, with the first code that runs
 *   ## heading                 a step
 *   prose                      the purpose of the next block
 *   ```python … ```            a proposal; up to three under a heading: the next is for when the
 * one before failed
 *   - expect: exit 0           a check of the step, each on one line (backticks around it are fine)
 *
 * Languages: python, py · javascript, js, node · bash, sh, shell. Indented code, other list items
 * and deeper headings are prose. Paths of `data:` are relative to the runbook and stay below it: no
 * `..`, nothing absolute, no symbolic link on the way.
 */
#ifndef AIRLOCK_PROVIDERS_PLANNERS_RUNBOOK_PARSE_H
#define AIRLOCK_PROVIDERS_PLANNERS_RUNBOOK_PARSE_H

#include "base/buf.h"
#include "providers/sandbox.h"

#define RUNBOOK_BYTES_MAX  ((size_t)1 << 20)
#define RUNBOOK_DATA_MAX   ((size_t)16 << 20) /* all data files together */
#define RUNBOOK_STEPS_MAX  200
#define RUNBOOK_BLOCKS_MAX 3 /* attempts at a step */

struct runbook_block {
    const char *language; /* "python", "javascript", "bash"; static */
    char *code, *purpose;
    size_t code_len, line; /* of the fence, 1-based */
};

struct runbook_step {
    char *id, *title, *expect; /* id "1", "2" …; expect: one check per line */
    struct runbook_block blocks[RUNBOOK_BLOCKS_MAX];
    size_t block_count, line;
};

struct runbook_data {
    char *path; /* relative to the runbook */
    size_t line;
};

struct runbook {
    char *title, *task;
    struct runbook_step *steps;
    size_t step_count;
    struct runbook_data *data; /* as named … */
    size_t data_count;
    struct sandbox_file *files; /* … and as loaded; empty after runbook_parse alone */
    size_t file_count;
};

/* Read `text` (borrowed). ERR_FORMAT "NAME:LINE: what"; ERR_LIMIT. */
int runbook_parse(struct runbook *out, const char *name, const char *text, size_t len,
                  struct err *e) MUST_CHECK;

/* `model` is a path, or `@tour`, `@clean-csv` … for those that are compiled in: read the runbook
 * and its data files. ERR_MISSING (names the ones there are), ERR_IO, ERR_DENIED (a data path that
 * leaves), and those of runbook_parse. */
int runbook_load(struct runbook *out, const char *model, struct err *e) MUST_CHECK;
void runbook_release(struct runbook *rb);

#endif
