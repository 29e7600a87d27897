/* cmd_screen.c - `airlock [TASK]` and `airlock resume ID`: the screen, or lines where there can be
 * none. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/linemode.h"
#include "cli/screen.h"
#include "ui/term.h"

static char *join_words(const struct app *app)
{
    struct buf b = BUF_INIT((size_t)1 << 20);
    for (int i = 0; i < app->opt.arg_count; i++)
        (void)buf_addf(&b, "%s%s", i > 0 ? " " : "", app->opt.args[i]);
    if (b.len == 0) {
        buf_release(&b);
        return NULL;
    }
    return buf_detach(&b);
}

static int open_front(struct app *app, const char *task, const char *resume)
{
    const char *why = "--plain was given";
    if (app->opt.json) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_USAGE, "--json does not go with the screen: airlock run, exec, show …");
        return app_fail(&e);
    }
    if (app->opt.plain || term_is_hopeless(&why))
        return linemode_run(app, task, resume, why);
    return screen_run(app, task, resume);
}

int cmd_screen(struct app *app)
{
    char *task = join_words(app);
    int rc = open_front(app, task, NULL);
    free(task);
    return rc;
}

int cmd_resume(struct app *app)
{
    struct err e = ERR_INIT;
    char *id = NULL, *path = NULL;
    int rc;
    if (app->opt.arg_count != 1) {
        err_set(&e, ERR_USAGE, "resume takes ID, a name, or last");
        return app_fail(&e);
    }
    if (app_need_index(app, &e) < 0 || index_refresh(app->index, &e) < 0 ||
        index_resolve(app->index, app->opt.args[0], &id, &path, &e) < 0)
        rc = app_fail(&e);
    else
        rc = open_front(app, NULL, path);
    free(id);
    free(path);
    return rc;
}
