/* cmd_import.c - take in a session that somebody else exported. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/import.h"

static void report(const struct app *app, const struct imported *im)
{
    struct buf out = BUF_INIT(4096);
    struct json_w w;
    if (app->opt.json) {
        json_w_init(&w, &out);
        json_w_object(&w, NULL);
        json_w_str(&w, "session", im->id);
        json_w_str(&w, "from", im->from);
        json_w_int(&w, "events", (int64_t)im->events);
        json_w_bool(&w, "foreign", true);
        json_w_close_object(&w);
        (void)!json_w_end(&w);
        printf("%s\n", buf_str(&out));
    } else {
        printf("%s: imported from %s, %llu events; foreign: it can be looked at, not run\n", im->id,
               im->from, (unsigned long long)im->events);
    }
    buf_release(&out);
}

int cmd_import(struct app *app)
{
    struct err e = ERR_INIT;
    struct imported im;
    if (app->opt.arg_count != 1) {
        err_set(&e, ERR_USAGE, "import takes FILE, or - for standard input");
        return app_fail(&e);
    }
    const char *path = app->opt.args[0];
    int fd = strcmp(path, "-") == 0 ? fcntl(0, F_DUPFD_CLOEXEC, 3)
                                    : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        err_sys(&e, errno == ENOENT ? ERR_MISSING : ERR_IO, "%s", path);
        return app_fail(&e);
    }
    int rc = import_bundle(&im, &app->paths, fd, &e);
    close(fd);
    if (rc < 0) {
        err_wrap(&e, "%s", path);
        return app_fail(&e);
    }
    /* Listed at once; the index is derived, a failure there harms nothing. */
    if (app_need_index(app, &e) == 0)
        (void)!index_refresh_one(app->index, im.id, &e);
    report(app, &im);
    return EXIT_OK;
}
