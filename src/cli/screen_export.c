/* screen_export.c - `:export`: the session on the screen as a document. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/export.h"

#define EVENTS_MAX 20000 /* more would hold the screen up: that is for the shell */

static char *default_name(const char *id, const struct export_format *f)
{
    size_t len = strlen(id), from = len > 8 ? len - 8 : 0;
    return xasprintf("airlock-%s.%s", id + from, f->ending);
}

static void write_file(struct screen *s, const struct export_format *f, const char *path)
{
    struct err e = ERR_INIT, broken = ERR_INIT;
    struct store *store = screen_store(s);
    struct export_options opt = { .format = f,
                                  .path = path,
                                  .launcher = s->app->launcher,
                                  .first = 1,
                                  .last = UINT32_MAX,
                                  .columns = 0,
                                  .rows = 0 };
    if (export_session(store, s->app->redact, &opt, &broken, &e) < 0)
        screen_fail(s, &e);
    else if (broken.code != ERR_NONE)
        screen_fail(s, &broken);
    else
        screen_toast(s, TONE_INFO, "exported to %s", path);
}

/* "FORMAT [FILE]" */
void screen_export(struct screen *s, const char *args, struct err *e)
{
    size_t n = strcspn(args, " ");
    char *word = xstrndup(args, n);
    const char *rest = args + n + strspn(args + n, " ");
    const struct export_format *f = export_find(word);
    (void)e;
    if (n == 0) {
        screen_toast(s, TONE_INFO, "export takes FORMAT [FILE]; a format is one of %s",
                     export_names());
    } else if (f == NULL) {
        screen_toast(s, TONE_BAD, "no format '%s'; there are: %s", word, export_names());
    } else if (store_last_seq(screen_store(s)) > EVENTS_MAX) {
        screen_toast(s, TONE_INFO, "a long session: airlock export %s --format %s, in a shell",
                     store_id(screen_store(s)), f->name);
    } else {
        char *path = rest[0] != '\0' ? xstrdup(rest) : default_name(store_id(screen_store(s)), f);
        write_file(s, f, path);
        free(path);
    }
    free(word);
}
