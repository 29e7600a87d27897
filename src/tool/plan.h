/* plan.h - a plan being edited by the person: a copy of the state's steps, one change, and back
 * through round_edit_plan().
 *
 * Steps are named by their place, 1 for the first. Ids are stable for life: a new step gets one
 * that no step has and no run carries. A step that has runs is never deleted, so that no run loses
 * its step. All functions return ERR_USAGE with what to do, and change nothing then.
 */
#ifndef AIRLOCK_TOOL_PLAN_H
#define AIRLOCK_TOOL_PLAN_H

#include "tool/state.h"

#define PLAN_STEPS_MAX 64
#define PLAN_TITLE_MAX 500 /* bytes */

struct plan {
    struct planner_step *steps; /* their words are owned */
    size_t count;
    const struct state *state; /* borrowed */
};

void plan_init(struct plan *p, const struct state *st); /* a copy of its steps */
void plan_release(struct plan *p);

/* Behind place `after`; 0 puts it first. */
int plan_add(struct plan *p, size_t after, const char *title, struct err *e) MUST_CHECK;
int plan_rename(struct plan *p, size_t at, const char *title, struct err *e) MUST_CHECK;
int plan_delete(struct plan *p, size_t at, struct err *e) MUST_CHECK;
int plan_move(struct plan *p, size_t at, size_t to, struct err *e) MUST_CHECK;
/* `status` in full or by its beginning: "done", "s". Only the gate makes a step `denied`. */
int plan_mark(struct plan *p, size_t at, const char *status, struct err *e) MUST_CHECK;

/* "add TEXT", "edit N TEXT", "delete N", "move N TO", "mark N STATUS". */
int plan_command(struct plan *p, const char *words, struct err *e) MUST_CHECK;

#endif
