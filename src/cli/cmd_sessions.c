/* cmd_sessions.c - the list of sessions, and renaming, tagging, removing one (all of them events in
 * its file). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/app.h"
#include "cli/commands.h"
#include "cli/session.h"
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
    put_clean(&l->out, x->live ? "live" : x->outcome[0] != '\0' ? x->outcome : "open", 11);
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

static int list(struct app *app, const char *query)
{
    struct err e = ERR_INIT;
    struct listing l = { .app = app, .out = BUF_INIT((size_t)64 << 20), .now_us = clock_wall_us() };
    if (app_need_index(app, &e) < 0 || index_refresh(app->index, &e) < 0 ||
        index_list(app->index, query, false, app->opt.all ? 0 : 200, print_entry, &l, &e) < 0) {
        buf_release(&l.out);
        return app_fail(&e);
    }
    if (l.count == 0 && !app->opt.json && !app->opt.quiet)
        (void)buf_addf(&l.out, query != NULL ? "no session matches\n"
                                             : "no sessions yet: start one with `airlock`\n");
    int rc = write_all_fd(1, buf_str(&l.out), l.out.len);
    buf_release(&l.out);
    return rc < 0 ? EXIT_WORK_FAILED : EXIT_OK;
}

/* ---- changing one ---- */

static int append_one(struct app *app, const char *word, struct event_builder *b, struct err *e)
{
    char *id = NULL, *path = NULL;
    struct store *store = NULL;
    int rc = event_end(b, e);
    if (rc == 0)
        rc = app_need_index(app, e);
    if (rc == 0)
        rc = index_refresh(app->index, e);
    if (rc == 0)
        rc = index_resolve(app->index, word, &id, &path, e);
    if (rc == 0)
        rc = store_open(&store, path, e);
    if (rc == 0)
        rc = store_append(store, &b->ev, e);
    store_close(store);
    if (rc == 0)
        rc = index_refresh_one(app->index, id, e);
    free(id);
    free(path);
    event_release(b);
    return rc;
}

static int rename_one(struct app *app, const char *word, const char *name, struct err *e)
{
    struct event_builder b;
    if (name[0] == '\0' || strlen(name) > 200)
        return err_set(e, ERR_USAGE, "a name has 1 to 200 bytes");
    if (strcmp(name, "last") == 0)
        return err_set(e, ERR_USAGE, "'last' always means the newest session: take another name");
    event_begin(&b, EVENT_SESSION_RENAMED, 0);
    json_w_strn(&b.w, "name", name, strlen(name));
    return append_one(app, word, &b, e);
}

static int tag_one(struct app *app, const char *word, char **tags, int count, struct err *e)
{
    struct event_builder b;
    for (int i = 0; i < count; i++) {
        if (tags[i][0] == '\0' || strlen(tags[i]) > 64 || strpbrk(tags[i], " \t\n") != NULL)
            return err_set(e, ERR_USAGE, "tag '%.64s': one word of at most 64 bytes", tags[i]);
    }
    event_begin(&b, EVENT_SESSION_TAGGED, 0);
    json_w_array(&b.w, "tags");
    for (int i = 0; i < count; i++)
        json_w_strn(&b.w, NULL, tags[i], strlen(tags[i]));
    json_w_close_array(&b.w);
    return append_one(app, word, &b, e);
}

static int trash_one(struct app *app, const char *word, struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_SESSION_TRASHED, 0);
    json_w_bool(&b.w, "trashed", true);
    return append_one(app, word, &b, e);
}

int cmd_sessions(struct app *app)
{
    struct err e = ERR_INIT;
    char **args = app->opt.args;
    int n = app->opt.arg_count, rc = 0;
    const char *verb = n > 0 ? args[0] : "";
    if (strcmp(verb, "rename") == 0)
        rc = n == 3 ? rename_one(app, args[1], args[2], &e)
                    : err_set(&e, ERR_USAGE, "sessions rename takes ID NAME");
    else if (strcmp(verb, "tag") == 0)
        rc = n >= 2 ? tag_one(app, args[1], args + 2, n - 2, &e)
                    : err_set(&e, ERR_USAGE, "sessions tag takes ID TAG…");
    else if (strcmp(verb, "rm") == 0)
        rc = n == 2 ? trash_one(app, args[1], &e) : err_set(&e, ERR_USAGE, "sessions rm takes ID");
    else
        return list(app, n > 0 ? verb : NULL);
    return rc < 0 ? app_fail(&e) : EXIT_OK;
}
