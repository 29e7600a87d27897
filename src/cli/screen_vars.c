/* screen_vars.c - what the screen tells of one variable or file, and of two runs. */
#include "cli/screen_int.h"

#include <stdlib.h>
#include <string.h>

#include "cli/varhistory.h"

struct changes {
    struct screen *s;
    uint32_t last;
};

static int add_moment(void *arg, const struct var_moment *m)
{
    struct changes *c = arg;
    struct buf line = BUF_INIT(64 << 10);
    var_moment_print(m, &line);
    screen_page_add_pick(c->s, m->change == CHANGE_GONE ? TONE_BAD : TONE_PLAIN, buf_str(&line),
                         line.len, m->run, NULL);
    if (m->led_here)
        c->last = m->run;
    buf_release(&line);
    return 0;
}

void screen_changes(struct screen *s, const char *args, struct err *e)
{
    const struct state *st = screen_state(s);
    struct changes c = { .s = s };
    char title[160], *name = NULL;
    bool file = false;
    if (args[0] != '\0')
        name = xstrdup(strncmp(args, "file ", 5) == 0 ? args + 5 : args);
    else
        name = view_selected_name(st, &s->vm, &file);
    file |= strncmp(args, "file ", 5) == 0;
    if (name == NULL) {
        screen_toast(s, TONE_INFO, "no variable is selected: 7 goes to them; :changes NAME");
        return;
    }
    screen_page_begin(s, PAGE_CHANGES, 0, name, "Enter shows the run, q back");
    int rc = var_history(session_store(s->session), st, name, file, add_moment, &c, e);
    var_history_title(st, name, c.last, title, sizeof title);
    screen_page_retitle(s, title);
    if (s->page.count == 0)
        screen_page_add_text(s, "No run in this session made it, changed it or lost it.");
    s->vm.page.goes = s->vm.page.selected >= 0;
    if (s->page.count > 0 && s->vm.page.selected >= 0)
        s->vm.page.selected = (int64_t)s->page.count - 1;
    screen_page_show(s);
    if (rc < 0)
        screen_fail(s, e);
    free(name);
}
