/* cmd_tree.c - `airlock tree ID`: the branches of a session, and of the sessions around it. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/saved.h"
#include "cli/tree.h"
#include "ui/text.h"

static void put_json(const struct tree_line *l, struct buf *out)
{
    struct json_w w;
    char outcome[96] = "";
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "session", l->session);
    if (l->run != 0) {
        tree_outcome(l->last, outcome, sizeof outcome);
        json_w_int(&w, "first", l->first);
        json_w_int(&w, "run", l->run);
        json_w_int(&w, "after", l->after);
        json_w_str(&w, "outcome", outcome);
        json_w_bool(&w, "tip", state_is_tip(l->state, l->last));
    } else if (l->state != NULL) {
        json_w_strn(&w, "name", l->state->name, strlen(l->state->name));
        json_w_str(&w, "parent", l->state->parent);
        json_w_str(&w, "parent_record", tree_kin_name(l->kin));
        json_w_str(&w, "outcome", l->state->outcome);
    }
    if (l->broken != NULL)
        json_w_strn(&w, "problem", l->broken->msg, strlen(l->broken->msg));
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

struct printer {
    struct app *app;
    bool failed, differs;
    int broken; /* the exit code that says so of a session; 0 */
};

/* The rest of the tree may still be whole: told, not fatal. */
static void note_broken(struct printer *p, const struct tree_line *l)
{
    struct err e = *l->broken;
    if (l->state != NULL)
        err_wrap(&e, "the record is whole only up to event %llu",
                 (unsigned long long)l->state->last_seq);
    int code = app_fail(&e);
    p->broken = p->broken != EXIT_INTEGRITY ? code : p->broken;
}

static int print_line(void *arg, const struct tree_line *l)
{
    struct printer *p = arg;
    struct buf out = BUF_INIT((size_t)1 << 20);
    if (p->app->opt.json) {
        put_json(l, &out);
    } else {
        (void)buf_add_str(&out, l->run == 0 && l->asked ? "* " : "  ");
        (void)text_clean(&out, l->text, strlen(l->text), TEXT_PROSE, false, false);
        (void)buf_add_char(&out, '\n');
    }
    p->differs |= l->run == 0 && l->kin == TREE_DIFFERS;
    if (l->broken != NULL)
        note_broken(p, l);
    p->failed = app_print(buf_str(&out), out.len) < 0;
    buf_release(&out);
    return p->failed;
}

int cmd_tree(struct app *app)
{
    struct err e = ERR_INIT;
    struct printer p = { .app = app };
    char *id = NULL, *path = NULL;
    const char *run;
    int rc;
    if (app->opt.arg_count != 1)
        rc = err_set(&e, ERR_USAGE, "tree takes ID, such as last");
    else
        rc = saved_resolve(app, app->opt.args[0], &id, &path, &run, &e);
    if (rc == 0)
        rc = tree_walk(app, id, print_line, &p, &e);
    if (rc == 0 && p.failed)
        rc = app_print_failed(&e);
    free(id);
    free(path);
    if (rc < 0)
        return app_fail(&e);
    return p.differs ? EXIT_INTEGRITY : p.broken;
}
