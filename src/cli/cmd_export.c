/* cmd_export.c - a recorded session as a document. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/export.h"
#include "cli/frame.h"
#include "cli/saved.h"

/* From --format, else from the name of the file. */
static const struct export_format *choose_format(const struct options *opt, struct err *e)
{
    const struct export_format *f = NULL;
    if (opt->format != NULL) {
        f = export_find(opt->format);
        if (f == NULL)
            err_set(e, ERR_USAGE, "no format '%.40s'; there are: %s", opt->format, export_names());
    } else if (opt->output != NULL) {
        f = export_find_ending(opt->output);
        if (f == NULL)
            err_set(e, ERR_USAGE, "%.200s does not end like a format: --format is one of %s",
                    opt->output, export_names());
    } else {
        err_set(e, ERR_USAGE, "export needs --format: one of %s", export_names());
    }
    return f;
}

static int read_options(const struct options *opt, struct export_options *x, struct err *e)
{
    *x = (struct export_options){
        .path = opt->output, .raw = opt->raw, .force = opt->force, .artifacts = opt->artifacts
    };
    if (opt->arg_count != 1)
        return err_set(e, ERR_USAGE, "export takes ID, such as last");
    if ((x->format = choose_format(opt, e)) == NULL ||
        options_parse_runs(opt->runs, &x->first, &x->last, e) < 0 ||
        (opt->size != NULL && frames_parse_size(opt->size, &x->columns, &x->rows, e) < 0))
        return -1;
    if (opt->runs != NULL && !x->format->filters)
        return err_set(e, ERR_USAGE, "--runs does not go with %s, which is always whole",
                       x->format->name);
    if (opt->artifacts && !x->format->writes_beside)
        return err_set(e, ERR_USAGE, "--artifacts does not go with %s, which holds them itself",
                       x->format->name);
    if (opt->artifacts && (opt->output == NULL || strcmp(opt->output, "-") == 0))
        return err_set(e, ERR_USAGE, "--artifacts needs -o FILE: they are written beside it");
    return 0;
}

int cmd_export(struct app *app)
{
    struct err e = ERR_INIT, broken = ERR_INIT;
    struct export_options x;
    struct store *store = NULL;
    if (read_options(&app->opt, &x, &e) < 0 ||
        saved_open_store(&store, app, app->opt.args[0], &e) < 0)
        return app_fail(&e);
    if (x.raw)
        fprintf(stderr, "airlock: --raw: what programs and models wrote goes out as it is; control"
                        " sequences may drive a terminal that shows it, and secrets stay in\n");
    int rc = export_session(store, app->redact, &x, &broken, &e);
    store_close(store);
    if (rc == 0 && broken.code != ERR_NONE) {
        e = broken;
        rc = -1;
    }
    if (rc < 0 && x.path == NULL && e.sys == EPIPE)
        (void)app_print_failed(&e); /* its reader has enough */
    return rc < 0 ? app_fail(&e) : EXIT_OK;
}
