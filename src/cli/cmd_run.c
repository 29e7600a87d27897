/* cmd_run.c - `airlock run TASK`: one supervised session without a screen. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/headless.h"

/* The first that applies of 130, 5, 3, 6, 4, 1, 0. [interface.md "Exit codes"] */
static int status_of(const struct headless *h, const struct state *st)
{
    bool integrity = h->broken.code == ERR_INTEGRITY;
    bool missing = strcmp(h->gave_up, "net") == 0 || strcmp(h->gave_up, "missing") == 0;
    bool limit = strcmp(h->gave_up, "limit") == 0, failed = h->gave_up[0] != '\0';
    for (size_t i = 0; i < st->run_count; i++) {
        const struct state_run *sr = st->runs[i];
        if (sr->status != RUN_FINISHED || sr->twin_of != 0)
            continue;
        integrity |= sr->end == END_INTEGRITY;
        missing |= sr->end == END_SANDBOX || sr->end == END_PROVIDER;
    }
    for (size_t i = 0; i < st->step_count; i++)
        failed |= st->steps[i].status == STEP_FAILED;
    limit |= st->outcome != NULL && strcmp(st->outcome, "limit") == 0;
    if (h->interrupted)
        return EXIT_INTERRUPTED;
    if (integrity)
        return EXIT_INTEGRITY;
    if (missing)
        return EXIT_MISSING;
    if (limit)
        return EXIT_LIMIT;
    if (st->denied > 0)
        return EXIT_WAS_DENIED;
    return failed || h->broken.code != ERR_NONE ? EXIT_WORK_FAILED : EXIT_OK;
}

static char *join_words(char **words, int count)
{
    struct buf b = BUF_INIT((size_t)1 << 20);
    for (int i = 0; i < count; i++)
        (void)buf_addf(&b, "%s%s", i > 0 ? " " : "", words[i]);
    return buf_detach(&b);
}

static int run_task(struct headless *h, const char *task, struct err *e)
{
    if (headless_lease(h, e) < 0 || round_task(session_round(h->session), task, "person", e) < 0)
        return -1;
    return headless_run(h, e);
}

int cmd_run(struct app *app)
{
    struct err e = ERR_INIT;
    char planner[64];
    const char *word = app->opt.planner != NULL ? app->opt.planner : app->config.planner;
    const char *model = app_split_name(word, planner, sizeof planner);
    char *task = join_words(app->opt.args, app->opt.arg_count);
    const struct planner_ops *ops = planner_find(planner);
    struct headless h = { .print = app->opt.json ? PRINT_JSON : PRINT_LINES };
    int status;
    if (ops != NULL && (ops->caps & PLANNER_PERSON)) {
        err_set(&e, ERR_USAGE,
                "planner %s needs the screen (airlock), or take -p runbook:FILE.md; your own code: "
                "airlock exec FILE",
                planner);
        free(task);
        return app_fail(&e);
    }
    if (task[0] == '\0' && app_planner_asks_model(planner)) {
        err_set(&e, ERR_USAGE, "what is %s to do? airlock run -p %s \"TASK\"", planner, word);
        free(task);
        return app_fail(&e);
    }
    if (task[0] == '\0' && model != NULL) {
        free(task);
        task = xstrdup(model);
    }
    h.person = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !app->opt.json;
    if (headless_start(&h, app, planner, model, &e) == 0 && run_task(&h, task, &e) == 0) {
        status = status_of(&h, session_state(h.session));
        if (h.broken.code != ERR_NONE)
            app_fail(&h.broken);
    } else {
        status = app_fail(&e);
    }
    headless_end(&h, status == EXIT_OK            ? "done"
                     : status == EXIT_INTERRUPTED ? "interrupted"
                                                  : "failed");
    free(task);
    return headless_status(&h, status, EXIT_WORK_FAILED);
}
