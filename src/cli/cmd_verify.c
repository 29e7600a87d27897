/* cmd_verify.c - is the record of a session what was written? 0 whole, 1 first bad event named, 5
 * truncated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/tree.h"
#include "sessions/store.h"

static const char *const result_words[] = { "whole", "broken", "truncated" };

/* A branch says how its parent stood when it began: is that still so? [AUD-5] */
struct origin {
    char *parent;
    enum tree_kin kin;
};

static int take_created(void *arg, const struct event *ev)
{
    struct err none = ERR_INIT;
    return state_apply(arg, ev, NULL, &none);
}

static void look_at_parent(struct app *app, struct store *store, struct origin *o)
{
    struct state st;
    struct err none = ERR_INIT;
    state_init(&st);
    if (store_each(store, 1, 1, take_created, &st, &none) == 0 && st.parent_seq != 0) {
        o->kin = tree_check_parent(app, &st);
        o->parent = xstrdup(st.parent);
    }
    state_release(&st);
}

static void report(const struct app *app, const char *id, const struct verify_report *v,
                   const struct origin *o)
{
    char head[SHA256_HEX_LEN + 1];
    hex_encode(v->head, sizeof v->head, head);
    if (app->opt.json) {
        struct buf out = BUF_INIT(4096);
        struct json_w w;
        json_w_init(&w, &out);
        json_w_object(&w, NULL);
        json_w_str(&w, "session", id);
        json_w_str(&w, "result", result_words[v->result]);
        json_w_int(&w, "events", (int64_t)v->events);
        json_w_int(&w, "erased", (int64_t)v->erased);
        json_w_int(&w, "first_bad", (int64_t)v->first_bad);
        json_w_strn(&w, "reason", v->reason, strlen(v->reason));
        json_w_str(&w, "head", head);
        if (o->parent != NULL) {
            json_w_str(&w, "parent", o->parent);
            json_w_str(&w, "parent_record", tree_kin_name(o->kin));
        }
        json_w_close_object(&w);
        (void)!json_w_end(&w);
        printf("%s\n", buf_str(&out));
        buf_release(&out);
        return;
    }
    printf("%s: %s, %llu events", id, result_words[v->result], (unsigned long long)v->events);
    if (v->erased > 0)
        printf(", %llu erased", (unsigned long long)v->erased);
    if (v->result != VERIFY_WHOLE)
        printf("; event %llu: %s", (unsigned long long)v->first_bad, v->reason);
    printf("; head %.16s…", head);
    if (o->parent != NULL)
        printf("; parent %s: %s", o->parent,
               o->kin == TREE_SAME ? "as it was"
               : o->kin == TREE_MISSING
                   ? "not here"
                   : "its record is ANOTHER than the one this was forked from");
    printf("\n");
}

static int verify_file(struct app *app, const char *id, const char *path, int *worst, struct err *e)
{
    static const int codes[] = { EXIT_OK, EXIT_WORK_FAILED, EXIT_INTEGRITY };
    struct store *store = NULL;
    struct verify_report v = { .result = VERIFY_BROKEN };
    struct origin o = { .parent = NULL };
    int rc = store_open_read(&store, path, e);
    if (rc == 0)
        rc = store_verify(store, &v, e);
    if (rc == 0 && v.result == VERIFY_WHOLE)
        look_at_parent(app, store, &o);
    store_close(store);
    if (rc < 0)
        return err_wrap(e, "session %s", id);
    report(app, id, &v, &o);
    if (o.parent != NULL && o.kin == TREE_DIFFERS)
        *worst = EXIT_WORK_FAILED;
    free(o.parent);
    /* A broken record is worse news than a truncated one. */
    if (v.result != VERIFY_WHOLE && *worst != EXIT_WORK_FAILED)
        *worst = codes[v.result];
    return 0;
}

struct all {
    struct app *app;
    int worst;
};

static int verify_entry(void *arg, const struct index_entry *x)
{
    struct all *all = arg;
    struct err e = ERR_INIT;
    char *path = xasprintf("%s/%s.db", all->app->paths.sessions_dir, x->id);
    if (verify_file(all->app, x->id, path, &all->worst, &e) < 0) {
        app_fail(&e);
        all->worst = EXIT_WORK_FAILED;
    }
    free(path);
    return 0;
}

int cmd_verify(struct app *app)
{
    struct err e = ERR_INIT;
    char *id = NULL, *path = NULL;
    struct all all = { .app = app, .worst = EXIT_OK };
    int rc = 0;
    if (app->opt.all ? app->opt.arg_count != 0 : app->opt.arg_count != 1)
        rc = err_set(&e, ERR_USAGE, "verify takes ID, or --all");
    if (rc == 0)
        rc = app_need_index(app, &e);
    if (rc == 0)
        rc = index_refresh(app->index, &e);
    if (rc == 0 && app->opt.all)
        rc = index_list(app->index, NULL, INDEX_KEPT, 0, verify_entry, &all, &e);
    else if (rc == 0 && (rc = index_resolve(app->index, app->opt.args[0], &id, &path, &e)) == 0)
        rc = verify_file(app, id, path, &all.worst, &e);
    free(id);
    free(path);
    if (rc < 0) {
        int code = app_fail(&e);
        /* 5 says "truncated"; a file that can't even be opened as a session is broken. */
        return e.code == ERR_INTEGRITY || e.code == ERR_FORMAT ? EXIT_WORK_FAILED : code;
    }
    return all.worst;
}
