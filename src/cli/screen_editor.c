/* screen_editor.c - a text in the person's own editor, which has our terminal meanwhile. */
#include "cli/screen_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static int editor_command(char ***out, struct err *e)
{
    const char *names[] = { getenv("VISUAL"), getenv("EDITOR"), "editor", "nano", "vi" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char **words = NULL, *path = NULL;
        if (names[i] == NULL || names[i][strspn(names[i], " \t")] == '\0')
            continue;
        if (proc_split_words(names[i], &words, e) < 0)
            return err_wrap(e, "the editor (VISUAL, EDITOR)");
        if (proc_resolve(words[0], &path, e) == 0) {
            size_t n = 0;
            while (words[n] != NULL)
                n++;
            char **all = xcalloc(n + 2, sizeof *all);
            all[0] = path;
            for (size_t k = 1; k < n; k++)
                all[k] = xstrdup(words[k]);
            proc_free_words(words);
            *out = all;
            return 0;
        }
        proc_free_words(words);
        if (i < 2)
            return err_wrap(e, "the editor (VISUAL, EDITOR)");
    }
    return err_set(e, ERR_MISSING, "no editor: set EDITOR, for example EDITOR=nano");
}

int screen_edit_text(struct screen *s, const char *name, const char *text, size_t len,
                     struct buf *out, struct err *e)
{
    char **words = NULL, id[ID_LEN + 1];
    int status = 0;
    if (editor_command(&words, e) < 0)
        return -1;
    INVARIANT(words != NULL);
    id_new(id);
    char *path = xasprintf("%s/edit-%s-%s", s->app->paths.state_dir, id, name);
    size_t n = 0;
    while (words[n] != NULL)
        n++;
    words[n] = path;
    int rc = path_make_private_dir(s->app->paths.state_dir, e);
    if (rc == 0)
        rc = path_write_file(path, text, len, e);
    if (rc == 0)
        rc = screen_run_program(s, (const char *const *)words, &status, e);
    if (rc == 0 && status != 0)
        rc = err_set(e, ERR_CANCELLED, "the editor ended with an error: nothing was changed");
    if (rc == 0)
        rc = path_read_file(path, out, e);
    unlink(path);
    for (size_t i = 0; i <= n; i++)
        free(words[i]);
    free(words);
    return rc;
}
