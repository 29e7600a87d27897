/* doctor.h - what the files of `airlock doctor` share. */
#ifndef AIRLOCK_CLI_DOCTOR_H
#define AIRLOCK_CLI_DOCTOR_H

#include "cli/app.h"

/* ---- doctor_finding.c: one line, or one object ---- */
/* Print what was found; `fix` is what to do when it is not ok ("" nothing). False only when it is
 * needed and not ok. */
bool doctor_check(const struct app *app, const char *what, bool needed, bool ok, const char *detail,
                  const char *fix);

/* ---- doctor_known.c: versions, and what is known to be wrong with them ---- */
bool doctor_check_libraries(struct app *app);
/* Which entry of `list` (share/doctor/known-bad.json) speaks of this version of a component, from
 * *next on; `package` is its Debian version, "" unknown. NULL: no further one. */
const struct json *doctor_known_bad(const struct json *list, const char *component,
                                    const char *version, const char *package, size_t *next);
/* <0, 0, >0: dotted versions by their numbers; Debian versions as deb-version(7) says. */
int version_compare(const char *a, const char *b);
int debian_version_compare(const char *a, const char *b);

/* ---- doctor_host.c: the kernel, the terminal, the directories, this process ---- */
bool doctor_check_kernel(struct app *app);
bool doctor_check_place(struct app *app);
bool doctor_check_self(struct app *app);

/* ---- doctor_memory.c: the timeout probe of a kind of sandbox, for the sandboxes of sessions ----
 */
void doctor_remember(const struct app *app, const char *kind, bool passed);
/* When, in words; false, and "": not, or not under these circumstances. */
bool doctor_recall(const struct app *app, const char *kind, char *words, size_t size);

/* ---- doctor_probes.c ---- */
/* Run the probes that are named (all when none is) in `sandbox` and print a line for each, with the
 * rows that are no pass; with -v every row; with --json an object for each. The exit code: 0, or 1
 * when a probe failed. An unproved one is said, and is no failure. */
int doctor_run_probes(struct app *app, const struct sandbox_ops *sandbox, const char *image);

#endif
