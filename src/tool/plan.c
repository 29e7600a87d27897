/* plan.c - one change to a copy of the plan's steps. */
#include "tool/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void plan_init(struct plan *p, const struct state *st)
{
    *p = (struct plan){ .state = st };
    p->steps = xcalloc(st->step_count + 1, sizeof *p->steps);
    for (; p->count < st->step_count; p->count++) {
        const struct state_step *s = &st->steps[p->count];
        p->steps[p->count] = (struct planner_step){ .id = xstrdup(s->id),
                                                    .title = xstrdup(s->title),
                                                    .status = s->status,
                                                    .expect = xstrdup(s->expect) };
    }
}

static void step_free(struct planner_step *s)
{
    free((char *)(uintptr_t)s->id);
    free((char *)(uintptr_t)s->title);
    free((char *)(uintptr_t)s->expect);
}

void plan_release(struct plan *p)
{
    for (size_t i = 0; i < p->count; i++)
        step_free(&p->steps[i]);
    free(p->steps);
    *p = (struct plan){ .count = 0 };
}

static int need_place(const struct plan *p, size_t at, struct err *e)
{
    if (at >= 1 && at <= p->count)
        return 0;
    return p->count == 0
               ? err_set(e, ERR_USAGE, "the plan has no steps yet: :step add TEXT")
               : err_set(e, ERR_USAGE, "there is no step %zu: the plan has %zu", at, p->count);
}

static int check_title(const char *title, struct err *e)
{
    size_t len = strlen(title);
    if (title[strspn(title, " \t")] == '\0')
        return err_set(e, ERR_USAGE, "a step needs words");
    if (len > PLAN_TITLE_MAX || strpbrk(title, "\r\n") != NULL)
        return err_set(e, ERR_USAGE, "a step is one line of at most %d bytes", PLAN_TITLE_MAX);
    if (utf8_valid_prefix(title, len) != len)
        return err_set(e, ERR_USAGE, "a step's words must be UTF-8");
    return 0;
}

static bool is_taken(const struct plan *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->steps[i].id, id) == 0)
            return true;
    }
    for (size_t i = 0; i < p->state->run_count; i++) {
        if (strcmp(p->state->runs[i]->step, id) == 0)
            return true;
    }
    return false;
}

int plan_add(struct plan *p, size_t after, const char *title, struct err *e)
{
    char id[24];
    if (check_title(title, e) < 0 || (after != 0 && need_place(p, after, e) < 0))
        return -1;
    if (p->count >= PLAN_STEPS_MAX)
        return err_set(e, ERR_USAGE, "a plan has at most %d steps", PLAN_STEPS_MAX);
    size_t n = p->count + 1;
    do
        snprintf(id, sizeof id, "%zu", n++);
    while (is_taken(p, id));
    p->steps = xreallocarray(p->steps, p->count + 1, sizeof *p->steps);
    memmove(&p->steps[after + 1], &p->steps[after], (p->count - after) * sizeof *p->steps);
    p->steps[after] = (struct planner_step){
        .id = xstrdup(id), .title = xstrdup(title), .status = STEP_PENDING, .expect = xstrdup("")
    };
    p->count++;
    return 0;
}

int plan_rename(struct plan *p, size_t at, const char *title, struct err *e)
{
    if (need_place(p, at, e) < 0 || check_title(title, e) < 0)
        return -1;
    free((char *)(uintptr_t)p->steps[at - 1].title);
    p->steps[at - 1].title = xstrdup(title);
    return 0;
}

int plan_delete(struct plan *p, size_t at, struct err *e)
{
    if (need_place(p, at, e) < 0)
        return -1;
    for (size_t i = 0; i < p->state->run_count; i++) {
        const struct state_run *r = p->state->runs[i];
        if (strcmp(r->step, p->steps[at - 1].id) == 0)
            return err_set(e, ERR_USAGE,
                           "step %zu has runs (%u …) and stays: mark it skipped instead", at,
                           r->number);
    }
    step_free(&p->steps[at - 1]);
    memmove(&p->steps[at - 1], &p->steps[at], (p->count - at) * sizeof *p->steps);
    p->count--;
    return 0;
}

int plan_move(struct plan *p, size_t at, size_t to, struct err *e)
{
    if (need_place(p, at, e) < 0 || need_place(p, to, e) < 0)
        return -1;
    struct planner_step step = p->steps[at - 1];
    if (to < at)
        memmove(&p->steps[to], &p->steps[to - 1], (at - to) * sizeof step);
    else
        memmove(&p->steps[at - 1], &p->steps[at], (to - at) * sizeof step);
    p->steps[to - 1] = step;
    return 0;
}

int plan_mark(struct plan *p, size_t at, const char *status, struct err *e)
{
    static const enum step_status all[] = { STEP_PENDING, STEP_ACTIVE, STEP_DONE, STEP_FAILED,
                                            STEP_SKIPPED };
    size_t len = strlen(status);
    if (need_place(p, at, e) < 0)
        return -1;
    for (size_t i = 0; len > 0 && i < ARRAY_LEN(all); i++) {
        if (strncmp(step_status_name(all[i]), status, len) == 0) {
            p->steps[at - 1].status = all[i];
            return 0;
        }
    }
    return err_set(e, ERR_USAGE, "a step can be marked pending, active, done, failed or skipped");
}

/* ---- words ---- */

/* "12 rest": the number, and where the rest begins; 0 when there is none. */
static size_t take_number(const char **words)
{
    size_t n = 0, digits = strspn(*words, "0123456789");
    for (size_t i = 0; i < digits && n < 100000; i++)
        n = n * 10 + (size_t)((*words)[i] - '0');
    *words += digits;
    *words += strspn(*words, " ");
    return n;
}

int plan_command(struct plan *p, const char *words, struct err *e)
{
    static const char *const verbs[] = { "add", "edit", "delete", "move", "mark" };
    size_t len = strcspn(words, " "), verb = 0;
    while (verb < ARRAY_LEN(verbs) && (len == 0 || strncmp(verbs[verb], words, len) != 0))
        verb++;
    words += len + strspn(words + len, " ");
    if (verb == 0)
        return plan_add(p, p->count, words, e);
    size_t at = verb < ARRAY_LEN(verbs) ? take_number(&words) : 0;
    switch (verb) {
    case 1:
        return plan_rename(p, at, words, e);
    case 2:
        return plan_delete(p, at, e);
    case 3:
        return plan_move(p, at, take_number(&words), e);
    case 4:
        return plan_mark(p, at, words, e);
    default:
        return err_set(e, ERR_USAGE,
                       "step takes add TEXT, edit N TEXT, delete N, move N TO, or mark N pending, "
                       "active, done, failed, skipped");
    }
}
