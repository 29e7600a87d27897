/* editor.c - which editor, a file for it, and what it made of the text. */
#include "cli/editor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/proc.h"

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

int editor_edit(const char *dir, const char *name, const char *text, size_t len, editor_run_fn run,
                void *arg, struct buf *out, struct err *e)
{
    char **words = NULL, id[ID_LEN + 1];
    int status = 0;
    if (editor_command(&words, e) < 0)
        return -1;
    INVARIANT(words != NULL);
    id_new(id);
    char *path = xasprintf("%s/edit-%s-%s", dir, id, name);
    size_t n = 0;
    while (words[n] != NULL)
        n++;
    words[n] = path;
    int rc = path_make_private_dir(dir, e);
    if (rc == 0)
        rc = path_write_file(path, text, len, e);
    if (rc == 0)
        rc = run(arg, (const char *const *)words, &status, e);
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

void editor_name_code(char *out, size_t size, unsigned run, const char *language)
{
    const char *ending = strcmp(language, "python") == 0 ? "py"
                         : strcmp(language, "bash") == 0 ? "sh"
                                                         : "js";
    snprintf(out, size, "run-%u.%s", run, ending);
}
