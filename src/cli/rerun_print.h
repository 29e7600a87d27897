/* rerun_print.h - what `airlock rerun` tells: a line for each run, a table of the sessions, JSON,
 * and on a terminal a line of progress. */
#ifndef AIRLOCK_CLI_RERUN_PRINT_H
#define AIRLOCK_CLI_RERUN_PRINT_H

#include "cli/rerun.h"

/* One session's line in the table. */
struct rerun_row {
    const char *word;                                   /* as the person named it */
    char id[STORE_ID_MAX + 1], again[STORE_ID_MAX + 1]; /* "" before they are known */
    size_t counts[RERUN_OUTCOMES], chosen;
    int64_t began_us, ended_us; /* boot clock; 0 not yet */
    char why[512];              /* it could not be run at all, or not to its end; "" */
};

struct rerun_print {
    bool json, quiet, progress, many;
    bool shown;  /* a line of progress stands on the terminal */
    bool failed; /* standard output is gone */
};

void rerun_print_run(struct rerun_print *p, const struct rerun *r, const char *again,
                     const struct state_run *was, const struct state_run *is,
                     const struct rerun_verdict *v);
void rerun_print_progress(struct rerun_print *p, const struct rerun_row *rows, size_t count);
/* The table, the sum, or their JSON. */
void rerun_print_end(struct rerun_print *p, const struct rerun_row *rows, size_t count);

#endif
