/* cmd_sessions.c - the list of sessions and of the trash, and what can be done to them by words. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "cli/manage.h"
#include "cli/screen.h"
#include "ui/term.h"
#include "ui/text.h"

/* ---- listing ---- */

struct listing {
    struct app *app;
    struct buf out;
    int64_t now_us;
    size_t count;
};

static void put_clean(struct buf *out, const char *s, int width)
{
    struct buf clean = BUF_INIT((size_t)1 << 20);
    size_t used = 0;
    (void)text_clean(&clean, s, strcspn(s, "\n"), TEXT_PROSE, false, false);
    size_t n = text_fit(buf_str(&clean), clean.len, (size_t)width, TEXT_PROSE, &used);
    (void)buf_add(out, buf_str(&clean), n);
    (void)buf_addf(out, "%*s", (int)((size_t)width - used), "");
    buf_release(&clean);
}

static void print_json_entry(const struct index_entry *x, struct buf *out)
{
    struct json_w w;
    char at[CLOCK_ISO_LEN];
    json_w_init(&w, out);
    json_w_object(&w, NULL);
    json_w_str(&w, "id", x->id);
    json_w_str(&w, "name", x->name);
    json_w_str(&w, "task", x->task);
    json_w_str(&w, "outcome", x->outcome);
    json_w_str(&w, "planner", x->planner);
    json_w_str(&w, "sandbox", x->sandbox);
    json_w_str(&w, "tags", x->tags);
    clock_iso(x->created_us, at);
    json_w_str(&w, "created", at);
    clock_iso(x->last_us, at);
    json_w_str(&w, "last", at);
    json_w_int(&w, "runs", x->runs);
    json_w_int(&w, "denied", x->denied);
    json_w_int(&w, "failed", x->failed);
    json_w_int(&w, "cost_nanousd", x->cost_nanousd);
    json_w_int(&w, "last_seq", (int64_t)x->last_seq);
    json_w_bool(&w, "live", x->live);
    json_w_bool(&w, "foreign", x->foreign);
    json_w_bool(&w, "archived", x->archived);
    json_w_bool(&w, "waiting", x->waiting);
    json_w_int(&w, "high", x->high);
    if (x->trashed) {
        clock_iso(x->trashed_us, at);
        json_w_str(&w, "trashed", at);
    }
    if (x->problem[0] != '\0')
        json_w_str(&w, "problem", x->problem);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    (void)buf_add_char(out, '\n');
}

static int print_entry(void *arg, const struct index_entry *x)
{
    struct listing *l = arg;
    char age[32];
    l->count++;
    if (l->app->opt.json) {
        print_json_entry(x, &l->out);
        return 0;
    }
    clock_duration(l->now_us - x->last_us, age, sizeof age);
    (void)buf_addf(&l->out, "%-26s %8s ", x->id, age);
    (void)buf_addf(&l->out, "%3lld runs ", (long long)x->runs);
    put_clean(&l->out,
              x->live                 ? "live"
              : x->archived           ? "archived"
              : x->foreign            ? "foreign"
              : x->outcome[0] != '\0' ? x->outcome
                                      : "open",
              11);
    (void)buf_add_char(&l->out, ' ');
    if (x->problem[0] != '\0')
        put_clean(&l->out, x->problem, 60);
    else
        put_clean(&l->out, x->name[0] != '\0' ? x->name : x->task, 60);
    while (l->out.len > 0 && l->out.ptr[l->out.len - 1] == ' ')
        buf_truncate(&l->out, l->out.len - 1);
    (void)buf_add_char(&l->out, '\n');
    return 0;
}

static int list(struct app *app, const char *query, enum index_which which)
{
    struct err e = ERR_INIT;
    struct listing l = { .app = app, .out = BUF_INIT((size_t)64 << 20), .now_us = clock_wall_us() };
    int rc = app_need_index(app, &e) < 0 ? -1 : index_refresh(app->index, &e);
    if (rc == 0) {
        manage_purge_expired(app);
        rc = index_list(app->index, query, which, app->opt.all ? 0 : 200, print_entry, &l, &e);
    }
    if (rc < 0) {
        buf_release(&l.out);
        return app_fail(&e);
    }
    if (l.count == 0 && !app->opt.json && !app->opt.quiet)
        (void)buf_addf(&l.out, which == INDEX_TRASHED ? "the trash is empty\n"
                               : query != NULL        ? "no session matches\n"
                                               : "no sessions yet: start one with `airlock`\n");
    rc = app_print(buf_str(&l.out), l.out.len);
    buf_release(&l.out);
    return rc < 0 ? EXIT_WORK_FAILED : EXIT_OK;
}

/* ---- changing some ---- */

/* What one word does, and what is said when it was done. */
struct change {
    const char *verb, *takes;
    int (*fn)(struct app *app, const char *word, struct err *e);
    const char *done; /* "moved to the trash" */
};

static int trash(struct app *app, const char *word, struct err *e)
{
    return manage_trash(app, word, false, e);
}

static int undelete(struct app *app, const char *word, struct err *e)
{
    return manage_trash(app, word, true, e);
}

static int archive(struct app *app, const char *word, struct err *e)
{
    return manage_archive(app, word, false, e);
}

static int unarchive(struct app *app, const char *word, struct err *e)
{
    return manage_archive(app, word, true, e);
}

static const struct change changes[] = {
    { "rm", "ID…", trash, "moved to the trash" }, { "undelete", "ID…", undelete, "is back" },
    { "archive", "ID…", archive, "archived" },    { "unarchive", "ID…", unarchive, "unpacked" },
    { "purge", "ID…", manage_purge, "erased" },
};

static void say_retention(const struct app *app)
{
    struct buf words = BUF_INIT(256);
    manage_put_retention(app, &words);
    printf("the trash keeps it %s: `airlock sessions undelete ID` has it back\n", buf_str(&words));
    buf_release(&words);
}

static int change_some(struct app *app, const struct change *c, struct err *e)
{
    char **words = app->opt.args + 1;
    int n = app->opt.arg_count - 1;
    bool last = false;
    if (n < 1)
        return err_set(e, ERR_USAGE, "sessions %s takes %s", c->verb, c->takes);
    for (int i = 0; i < n; i++)
        last |= strcmp(words[i], "last") == 0;
    if (last && n > 1)
        return err_set(e, ERR_USAGE, "'last' goes alone: it would mean another one each time");
    for (int i = 0; i < n; i++) {
        if (c->fn(app, words[i], e) < 0)
            return -1;
        if (!app->opt.quiet)
            printf("%s: %s\n", words[i], c->done);
    }
    if (c->fn == trash && !app->opt.quiet)
        say_retention(app);
    return 0;
}

/* True when `verb` is one of the changes; *rc is what came of it. */
static bool is_change(struct app *app, const char *verb, int *rc, struct err *e)
{
    char **args = app->opt.args;
    int n = app->opt.arg_count;
    if (strcmp(verb, "rename") == 0) {
        *rc = n == 3 ? manage_rename(app, args[1], args[2], e)
                     : err_set(e, ERR_USAGE, "sessions rename takes ID NAME");
        return true;
    }
    if (strcmp(verb, "tag") == 0) {
        *rc = n >= 2 ? manage_tag(app, args[1], (const char *const *)args + 2, (size_t)n - 2, e)
                     : err_set(e, ERR_USAGE, "sessions tag takes ID TAG…");
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        if (strcmp(verb, changes[i].verb) == 0) {
            *rc = change_some(app, &changes[i], e);
            return true;
        }
    }
    return false;
}

int cmd_sessions(struct app *app)
{
    struct err e = ERR_INIT;
    int rc = 0;
    const char *verb = app->opt.arg_count > 0 ? app->opt.args[0] : "";
    if (is_change(app, verb, &rc, &e))
        return rc < 0 ? app_fail(&e) : EXIT_OK;
    if (strcmp(verb, "trash") == 0 && app->opt.arg_count == 1)
        return list(app, NULL, INDEX_TRASHED);
    struct buf query = BUF_INIT(4096);
    for (int i = 0; i < app->opt.arg_count; i++)
        (void)buf_addf(&query, "%s%s", i > 0 ? " " : "", app->opt.args[i]);
    const char *why = NULL;
    bool screen = isatty(STDOUT_FILENO) && !app->opt.json && !app->opt.plain && !app->opt.all &&
                  !term_is_hopeless(&why);
    if (screen)
        rc = screen_run_list(app, buf_str(&query));
    else
        rc = list(app, query.len > 0 ? buf_str(&query) : NULL, INDEX_KEPT);
    buf_release(&query);
    return rc;
}
