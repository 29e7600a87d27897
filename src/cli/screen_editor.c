/* screen_editor.c - a text in the person's own editor, which has our terminal meanwhile. */
#include "cli/editor.h"
#include "cli/screen_int.h"

static int run_here(void *s, const char *const *argv, int *status, struct err *e)
{
    return screen_run_program(s, argv, status, e);
}

int screen_edit_text(struct screen *s, const char *name, const char *text, size_t len,
                     struct buf *out, struct err *e)
{
    return editor_edit(s->app->paths.state_dir, name, text, len, run_here, s, out, e);
}
