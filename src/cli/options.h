/* options.h - the one table of commands and options; --help, the man page and the completions are
 * printed from it. */
#ifndef AIRLOCK_CLI_OPTIONS_H
#define AIRLOCK_CLI_OPTIONS_H

#include "base/buf.h"

struct app;

/* Options everywhere (interface.md "Commands"), and those of single commands. */
struct options {
    const char *planner, *sandbox, *data, *config, *budget, *policy, *lease, *output, *format,
        *expect, *theme, *language, *what, *by, *mask, *runs, *on, *jobs, *speed, *idle_cap, *from,
        *size, *frames;
    const char *contract[64];
    size_t contract_count;
    const char *var, *into;
    bool raw, force, artifacts;
    bool plain, json, no_color, quiet, verbose, all, word, side_by_side, what_if, hide_decisions;
    /* words behind the command */
    char **args;
    int arg_count;
};

enum option_id {
    OPT_PLANNER,
    OPT_SANDBOX,
    OPT_CONTRACT,
    OPT_BUDGET,
    OPT_DATA,
    OPT_CONFIG,
    OPT_PLAIN,
    OPT_JSON,
    OPT_NO_COLOR,
    OPT_QUIET,
    OPT_VERBOSE,
    OPT_VERSION,
    OPT_HELP,
    OPT_LEASE,
    OPT_POLICY,
    OPT_EXPECT,
    OPT_LANGUAGE,
    OPT_ALL,
    OPT_THEME,
    OPT_WHAT,
    OPT_BY,
    OPT_WHAT_IF,
    OPT_MASK,
    OPT_WORD,
    OPT_SIDE_BY_SIDE,
    OPT_RUNS,
    OPT_ON,
    OPT_JOBS,
    OPT_SPEED,
    OPT_IDLE_CAP,
    OPT_FROM,
    OPT_SIZE,
    OPT_FRAMES,
    OPT_HIDE_DECISIONS,
    OPT_FORMAT,
    OPT_OUTPUT,
    OPT_RAW,
    OPT_FORCE,
    OPT_VAR,
    OPT_INTO,
    OPT_ARTIFACTS,
    OPT_COUNT
};

struct option_spec {
    enum option_id id;
    char letter; /* 0: none */
    const char *name, *takes /* NULL: a flag */, *help;
};
const struct option_spec *option_table(size_t *count);
unsigned long option_everywhere(void); /* one bit each (1 << id): those that go with any command */

struct command {
    const char *name, *args, *help;
    unsigned long options;       /* bits of option_id beyond the ones everywhere */
    int (*run)(struct app *app); /* exit code */
    bool needs_launcher;         /* may start programs: sandboxes, editor */
};
const struct command *command_table(size_t *count);

/* Parse argv. *cmd is never NULL on success (the first entry of the table is the screen).
 * ERR_USAGE. --help and --version are `want_help` / `want_version`. */
struct parsed {
    struct options opt;
    const struct command *cmd;
    bool want_help, want_version;
};
int options_parse(struct parsed *out, int argc, char **argv, struct err *e) MUST_CHECK;

/* "runs=N[,minutes=M]" */
int options_parse_lease(const char *text, int64_t *runs, int64_t *minutes,
                        struct err *e) MUST_CHECK;

/* "3", "2-5", "4-": the runs from *first to *last; NULL is all of them. */
int options_parse_runs(const char *word, uint32_t *first, uint32_t *last, struct err *e) MUST_CHECK;

void options_print_help(const struct command *cmd /* NULL: the program */, struct buf *out);
void options_print_man(struct buf *out);                           /* mdoc */
void options_print_completion(const char *shell, struct buf *out); /* bash, zsh, fish */

/* Optimal string alignment distance, capped at 3; for "did you mean". */
unsigned word_distance(const char *a, const char *b);

#endif
