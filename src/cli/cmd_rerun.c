/* cmd_rerun.c - `airlock rerun ID…`: the approved code of one or many sessions once more, each in a
 * new session of its own and several side by side, each run compared with the record.
 * [architecture §7, §9]
 *
 * One thread: every session under way is a round on the same loop; after each turn those that are
 * quiet take their next step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/headless.h"
#include "cli/linegate.h"
#include "cli/rerun_print.h"
#include "sessions/mask.h"

#define JOBS_MAX 64 /* as the contract's `concurrency` */

struct farm;

/* One session under way. */
struct job {
    size_t before; /* runs that were in the session before */
    struct farm *farm;
    struct rerun_row *row;
    struct rerun r;
    struct headless h;
    int64_t granted; /* runs taken from the lease */
};

struct farm {
    struct app *app;
    struct rerun_wish wish;
    struct rerun_row *rows;
    size_t row_count, next; /* rows[next] is the next to begin */
    struct job *jobs[JOBS_MAX];
    size_t job_max;
    struct rerun_print print;
    bool person, interrupted, denied, missing, integrity;
    bool ended;       /* one of them, in this turn */
    struct err first; /* of a session that could not be run; code ERR_NONE none */
    /* --lease counts for all of them together */
    bool lease;
    int64_t lease_runs /* left */, lease_until_us /* 0 no limit */;
    struct loop_source *lease_timer;
};

/* ---- the lease ---- */

static int open_lease(struct farm *f, struct err *e)
{
    int64_t runs = 0, minutes = 0;
    if (f->app->opt.lease == NULL)
        return 0;
    if (options_parse_lease(f->app->opt.lease, &runs, &minutes, e) < 0)
        return -1;
    f->lease = true;
    f->lease_runs = runs;
    f->lease_until_us = minutes > 0 ? clock_boot_us() + minutes * 60000000 : 0;
    if (minutes > 0)
        loop_arm_us(f->app->loop, f->lease_timer, minutes * 60000000);
    return 0;
}

static void on_lease_over(void *arg)
{
    struct farm *f = arg;
    f->lease = false;
    for (size_t i = 0; i < f->job_max; i++) {
        if (f->jobs[i] != NULL && f->jobs[i]->h.session != NULL)
            round_end_lease(session_round(f->jobs[i]->h.session), "its minutes are over");
    }
}

/* A session takes at most what it needs, so that the count holds for all of them. */
static int grant_lease(struct job *j, struct err *e)
{
    struct farm *f = j->farm;
    int64_t left_us = f->lease_until_us - clock_boot_us(), need = (int64_t)j->r.chosen;
    if (!f->lease || f->lease_runs == 0)
        return 0;
    j->granted = need < f->lease_runs ? need : f->lease_runs;
    struct round_lease l = {
        .runs = j->granted,
        .minutes = f->lease_until_us != 0 ? left_us / 60000000 + 1 : 0,
    };
    if (round_grant_lease(session_round(j->h.session), &l, e) < 0)
        return -1;
    f->lease_runs -= j->granted;
    return 0;
}

static void return_lease(struct job *j)
{
    const struct state *st = session_state(j->h.session);
    int64_t used = 0;
    for (size_t i = j->before; i < st->run_count; i++)
        used +=
            strcmp(st->runs[i]->by, "lease") == 0 && strcmp(st->runs[i]->decision, "approve") == 0;
    if (used < j->granted)
        j->farm->lease_runs += j->granted - used;
}

/* ---- one session ---- */

static void on_told(void *arg, const struct rerun *r, const struct state_run *was,
                    const struct state_run *is, const struct rerun_verdict *v)
{
    struct job *j = arg;
    struct farm *f = j->farm;
    memcpy(j->row->counts, r->counts, sizeof j->row->counts);
    rerun_print_run(&f->print, r, session_state(j->h.session)->session, was, is, v);
    rerun_print_progress(&f->print, f->rows, f->row_count);
}

static void fail(struct job *j, const struct err *e)
{
    struct farm *f = j->farm;
    if (f->first.code == ERR_NONE)
        f->first = *e;
    snprintf(j->row->why, sizeof j->row->why, "%s", e->msg);
}

static int make_new(struct job *j, struct err *e)
{
    struct session_spec spec = rerun_spec(&j->r);
    return headless_create(&j->h, &spec, e);
}

/* Asked for by name: the code changes the variables of a session that goes on afterwards. Each run
 * has its gate there as anywhere. */
static int go_into(struct job *j, struct err *e)
{
    char *id = NULL, *path = NULL;
    const char *run;
    int rc = saved_resolve(j->farm->app, j->farm->app->opt.into, &id, &path, &run, e);
    if (rc == 0 && strcmp(id, j->r.old.id) == 0)
        rc = err_set(e, ERR_USAGE, "a session can't be run again into itself: fork it first");
    if (rc == 0)
        rc = headless_resume(&j->h, path, e);
    if (rc == 0)
        rc = headless_run(&j->h, e); /* until its variables are back */
    free(id);
    free(path);
    return rc;
}

static int begin(struct job *j, struct err *e)
{
    struct farm *f = j->farm;
    j->row->began_us = clock_boot_us();
    headless_init(&j->h, f->app);
    j->h.person = f->person;
    j->h.print = f->person ? PRINT_LINES : PRINT_NOTHING;
    if (f->person && line_gate_new(&j->h.gate, &j->h, e) < 0)
        return -1;
    if (rerun_open(&j->r, f->app, j->row->word, &f->wish, e) < 0)
        return -1;
    j->r.told = on_told;
    j->r.told_arg = j;
    j->row->chosen = j->r.chosen;
    snprintf(j->row->id, sizeof j->row->id, "%s", j->r.old.id);
    if (f->app->opt.into != NULL ? go_into(j, e) < 0 : make_new(j, e) < 0)
        return -1;
    j->before = session_state(j->h.session)->run_count;
    snprintf(j->row->again, sizeof j->row->again, "%s", session_state(j->h.session)->session);
    return rerun_begin(&j->r, j->h.session, e) < 0 ? -1 : grant_lease(j, e);
}

static const char *outcome_of(const struct job *j)
{
    const size_t *n = j->r.counts;
    if (j->h.interrupted)
        return "interrupted";
    return j->row->why[0] != '\0' || n[RERUN_DIFFERS] + n[RERUN_NOT_RUN] > 0 ? "failed" : "done";
}

static void end(struct job *j)
{
    struct farm *f = j->farm;
    if (j->h.session != NULL)
        return_lease(j);
    headless_end(&j->h, f->app->opt.into != NULL ? NULL : outcome_of(j));
    f->ended = true;
    f->denied |= j->r.denied;
    f->missing |= j->r.missing;
    f->integrity |= j->r.integrity;
    j->row->ended_us = clock_boot_us();
    rerun_close(&j->r);
    free(j);
}

/* Its next step. False when nothing of it is left. */
static bool step(struct job *j)
{
    struct err e = j->h.broken;
    int rc = -1;
    j->h.give_up_us = 0;
    if (e.code == ERR_NONE && j->h.interrupted) {
        snprintf(j->row->why, sizeof j->row->why, "interrupted");
        return false;
    }
    if (e.code == ERR_NONE)
        rc = rerun_step(&j->r, j->h.session, &e);
    if (rc < 0)
        fail(j, &e);
    return rc == 1;
}

/* ---- all of them ---- */

static void start_next(struct farm *f, size_t slot)
{
    struct err e = ERR_INIT;
    struct job *j = xcalloc(1, sizeof *j);
    j->farm = f;
    j->row = &f->rows[f->next++];
    if (begin(j, &e) < 0) {
        fail(j, &e);
        end(j);
    } else if (step(j)) {
        f->jobs[slot] = j;
    } else {
        end(j);
    }
    rerun_print_progress(&f->print, f->rows, f->row_count);
}

/* Steps of those that are quiet; new ones in free places. Returns how many are under way, and how
 * long one may wait for them: the end of one turns the loop, and others may have gone on in it. */
static size_t turn(struct farm *f, int *wait_ms)
{
    size_t working = 0;
    bool saving = false;
    f->ended = false;
    for (size_t i = 0; i < f->job_max; i++) {
        struct job *j = f->jobs[i];
        if (j != NULL && headless_is_over(&j->h) && !step(j)) {
            f->jobs[i] = NULL;
            end(j);
        }
        while (f->jobs[i] == NULL && f->next < f->row_count && !f->interrupted && !f->print.failed)
            start_next(f, i);
        working += f->jobs[i] != NULL;
        saving |= f->jobs[i] != NULL && f->jobs[i]->h.give_up_us != 0;
    }
    *wait_ms = f->ended ? 0 : saving ? 100 : -1;
    return working;
}

static int work(struct farm *f, struct err *e)
{
    int wait_ms;
    while (turn(f, &wait_ms) > 0) {
        if (loop_turn(f->app->loop, wait_ms, e) < 0)
            return -1;
    }
    return 0;
}

static void on_signal(void *arg, int signo)
{
    struct farm *f = arg;
    f->interrupted = true;
    for (size_t i = 0; i < f->job_max; i++) {
        if (f->jobs[i] != NULL)
            headless_signal(&f->jobs[i]->h, signo);
    }
}

/* ---- the command ---- */

/* A limit the person set on sandboxes at the same time: -c concurrency=N or the configuration. */
static bool limits_concurrency(const struct app *app)
{
    static const char key[] = "concurrency=";
    for (size_t i = 0; i < app->opt.contract_count; i++) {
        if (strncmp(app->opt.contract[i], key, sizeof key - 1) == 0)
            return true;
    }
    for (size_t i = 0; i < app->config.contract_count; i++) {
        if (strncmp(app->config.contract[i], key, sizeof key - 1) == 0)
            return true;
    }
    return false;
}

static void limit_jobs(struct farm *f, size_t to, const char *why)
{
    if (f->job_max <= to)
        return;
    if (!f->app->opt.quiet)
        fprintf(stderr, "airlock: %zu at a time instead of %zu: %s\n", to, f->job_max, why);
    f->job_max = to;
}

static int choose_jobs(struct farm *f, struct err *e)
{
    const char *word = f->app->opt.jobs;
    char *rest;
    f->job_max = 1;
    if (word != NULL) {
        unsigned long n = strtoul(word, &rest, 10);
        if (word[0] < '0' || word[0] > '9' || *rest != '\0' || n < 1 || n > JOBS_MAX)
            return err_set(e, ERR_USAGE, "--jobs '%.40s': it is 1 to %d", word, JOBS_MAX);
        f->job_max = n;
    }
    if (f->job_max > f->row_count)
        f->job_max = f->row_count;
    if (f->person)
        limit_jobs(f, 1, "each gate is asked here (with --lease or --policy nobody is asked)");
    if (limits_concurrency(f->app))
        limit_jobs(f, (size_t)f->app->contract.concurrency, "the contract's concurrency");
    return 0;
}

static int open_farm(struct farm *f, struct err *e)
{
    struct app *app = f->app;
    bool unasked = app->opt.lease != NULL || app->opt.policy != NULL,
         beside = app->opt.jobs != NULL && strcmp(app->opt.jobs, "1") != 0;
    if (app->opt.arg_count < 1)
        return err_set(e, ERR_USAGE, "rerun takes ID…, such as last");
    if (app->opt.into != NULL && (app->opt.arg_count != 1 || app->opt.on != NULL ||
                                  app->opt.sandbox != NULL || app->opt.contract_count > 0))
        return err_set(e, ERR_USAGE,
                       "rerun --into takes one session, and runs it under the sandbox "
                       "and contract of the one it goes into");
    if (app->opt.mask != NULL && mask_parse(app->opt.mask, &f->wish.masks, e) < 0)
        return -1;
    f->wish.runs = app->opt.runs;
    f->wish.sandbox = app->opt.on != NULL ? app->opt.on : app->opt.sandbox;
    f->wish.set = app->opt.contract;
    f->wish.set_count = app->opt.contract_count;
    f->row_count = (size_t)app->opt.arg_count;
    f->rows = xcalloc(f->row_count, sizeof *f->rows);
    for (size_t i = 0; i < f->row_count; i++)
        f->rows[i].word = app->opt.args[i];
    f->person =
        isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !app->opt.json && !(unasked && beside);
    f->print = (struct rerun_print){
        .json = app->opt.json,
        .quiet = app->opt.quiet,
        .many = f->row_count > 1,
        .progress = isatty(STDERR_FILENO) && !f->person && !app->opt.quiet && f->row_count > 1,
    };
    if (choose_jobs(f, e) < 0 || app_need_loop(app, e) < 0)
        return -1;
    f->lease_timer = loop_add_timer(app->loop, on_lease_over, f);
    return headless_watch_signals(app, on_signal, f, e) < 0 ? -1 : open_lease(f, e);
}

static int exit_code(const struct farm *f)
{
    size_t different = 0;
    for (size_t i = 0; i < f->row_count; i++)
        different += f->rows[i].counts[RERUN_DIFFERS];
    if (f->interrupted)
        return EXIT_INTERRUPTED;
    if (f->integrity)
        return EXIT_INTEGRITY;
    if (f->first.code != ERR_NONE)
        return f->print.many ? exit_code_of(&f->first) : app_fail(&f->first);
    if (f->print.failed)
        return EXIT_WORK_FAILED;
    if (f->missing)
        return EXIT_MISSING;
    if (f->denied)
        return EXIT_WAS_DENIED;
    return different > 0 ? EXIT_WORK_FAILED : EXIT_OK;
}

int cmd_rerun(struct app *app)
{
    struct err e = ERR_INIT;
    struct farm f = { .app = app, .wish = { .masks = MASK_ALL }, .job_max = 0 };
    int rc = open_farm(&f, &e), code;
    if (rc == 0)
        rc = work(&f, &e);
    for (size_t i = 0; i < f.job_max; i++) {
        if (f.jobs[i] != NULL)
            end(f.jobs[i]);
    }
    if (rc == 0)
        rerun_print_end(&f.print, f.rows, f.row_count);
    code = rc < 0 ? app_fail(&e) : exit_code(&f);
    loop_remove(app->loop, f.lease_timer);
    free(f.rows);
    return code;
}
