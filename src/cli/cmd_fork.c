/* cmd_fork.c - `airlock fork ID[:RUN]`: what would come back and what is lost, then a session of
 * its own from there: on the screen, or (without a terminal) made, proved and left for `resume`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/branch.h"
#include "cli/commands.h"
#include "cli/headless.h"
#include "cli/saved.h"
#include "cli/screen.h"
#include "tool/travel.h"
#include "ui/term.h"

/* The run that was named, else the one the variables are of. */
static uint32_t which_run(const struct saved *s)
{
    if (s->run != 0)
        return s->run;
    if (s->state.vars_run != 0)
        return s->state.vars_run;
    const struct state_run *r = state_last_run(&s->state);
    return r != NULL ? r->number : 0;
}

static void print_plan(const struct saved *s, uint32_t run)
{
    struct travel t;
    struct buf text = BUF_INIT((size_t)8 << 20), clean = BUF_INIT((size_t)16 << 20);
    travel_plan_fork(&t, &s->state, run);
    travel_print(&t, &s->state, &text);
    (void)text_clean_lines(&clean, buf_str(&text), text.len, TEXT_PROSE, false);
    printf("%s\n", buf_str(&clean));
    fflush(stdout);
    buf_release(&text);
    buf_release(&clean);
}

static bool person_agrees(void)
{
    char line[16] = "";
    printf("Fork? [y/N] ");
    fflush(stdout);
    return fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

static void print_names(const char *what, const struct json *list)
{
    struct buf out = BUF_INIT(64 << 10);
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m)) {
        (void)buf_add_str(&out, out.len > 0 ? ", " : "");
        (void)text_clean(&out, json_str(m, ""), strlen(json_str(m, "")), TEXT_PROSE, false, false);
    }
    printf("%s: %s\n", what, out.len > 0 ? buf_str(&out) : "nothing");
    buf_release(&out);
}

static int tell_restored(void *arg, const struct event *ev)
{
    (void)arg;
    if (ev->body == NULL)
        return 0;
    print_names("kept", json_get(ev->body, "kept"));
    print_names("lost", json_get(ev->body, "lost"));
    return 0;
}

/* Made and loaded once, so that what is lost is a fact and not a promise. */
static int make(struct app *app, const struct branch *b, char **id, struct err *e)
{
    struct headless h = { .print = app->opt.json ? PRINT_JSON : PRINT_NOTHING };
    int rc = headless_open(&h, app, e);
    if (rc == 0)
        rc = headless_fork(&h, b, e);
    if (rc == 0)
        rc = headless_run(&h, e);
    if (rc == 0 && h.broken.code != ERR_NONE) {
        *e = h.broken;
        rc = -1;
    }
    if (rc == 0)
        *id = xstrdup(session_state(h.session)->session);
    if (rc == 0 && !app->opt.json) {
        rc = store_each_of(session_store(h.session), 1ull << EVENT_STATE_RESTORED, 1, 0,
                           tell_restored, NULL, e);
        printf("%s: a branch of %s\n", *id, b->parent);
    }
    headless_end(&h, NULL);
    if (app->loop != NULL)
        loop_forget_signals(app->loop); /* the screen watches them now */
    return rc;
}

int cmd_fork(struct app *app)
{
    struct err e = ERR_INIT;
    struct saved s;
    struct branch b;
    char *id = NULL;
    const char *why;
    bool screen = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !app->opt.json;
    if (app->opt.arg_count != 1) {
        err_set(&e, ERR_USAGE, "fork takes ID or ID:RUN, such as last:3");
        return app_fail(&e);
    }
    if (saved_open(&s, app, app->opt.args[0], &e) < 0)
        return app_fail(&e);
    if (s.broken.code != ERR_NONE) { /* as for resume and rerun: nothing is begun on its word */
        e = s.broken;
        err_wrap(&e, "session %s is not whole: no fork is made of it", s.id);
        saved_close(&s);
        return app_fail(&e);
    }
    uint32_t run = which_run(&s);
    int rc = run == 0 ? err_set(&e, ERR_MISSING,
                                "session %s has run no code yet: there are no variables to begin "
                                "a fork with",
                                s.id)
                      : branch_describe(&b, s.store, &s.state, run, &e);
    if (rc == 0 && !app->opt.json && !app->opt.quiet)
        print_plan(&s, run);
    if (rc == 0 && screen && !person_agrees()) {
        saved_close(&s);
        return EXIT_OK;
    }
    if (rc == 0)
        rc = make(app, &b, &id, &e);
    saved_close(&s);
    if (rc < 0) {
        free(id);
        return app_fail(&e);
    }
    int status = EXIT_OK;
    if (screen && !app->opt.plain && !term_is_hopeless(&why)) {
        char *path = xasprintf("%s/%s.db", app->paths.sessions_dir, id);
        status = screen_run(app, NULL, path);
        free(path);
    }
    free(id);
    return status;
}
