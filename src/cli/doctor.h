/* doctor.h - the isolation probes as `airlock doctor` prints them. */
#ifndef AIRLOCK_CLI_DOCTOR_H
#define AIRLOCK_CLI_DOCTOR_H

#include "cli/app.h"

/* Run the probes that are named (all when none is) in `sandbox` and print a line for each, with the
 * rows that are no pass; with -v every row; with --json an object for each. The exit code: 0, or 1
 * when a probe failed. An unproved one is said, and is no failure. */
int doctor_run_probes(struct app *app, const struct sandbox_ops *sandbox, const char *image);

#endif
