/* manage.c - changes to saved sessions: each an event appended to the session's own file. */
#include "cli/manage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sessions/archive.h"
#include "sessions/store.h"
#include "sessions/trash.h"

#define DAY_US INT64_C(86400000000)

struct target {
    char *id, *path;
};

static int find(struct target *t, struct app *app, const char *word, struct err *e)
{
    *t = (struct target){ .id = NULL };
    if (app_need_index(app, e) < 0 || index_refresh(app->index, e) < 0)
        return -1;
    return index_resolve(app->index, word, &t->id, &t->path, e);
}

static void target_release(struct target *t)
{
    free(t->id);
    free(t->path);
}

/* The change itself is done: a list that can't be brought up to date is told the next time. */
static void note_change(struct app *app, const struct target *t)
{
    struct err ignored = ERR_INIT;
    if (index_refresh_one(app->index, t->id, &ignored) < 0)
        err_clear(&ignored);
}

/* Releases `b` in every case. */
static int append_one(struct app *app, const char *word, struct event_builder *b, struct err *e)
{
    struct target t = { .id = NULL };
    struct store *store = NULL;
    bool packed = false;
    int rc = event_hide_secrets(b, app->redact, e) < 0 ? -1 : event_end(b, e);
    if (rc == 0)
        rc = find(&t, app, word, e);
    if (rc == 0) {
        packed = access(t.path, F_OK) < 0 && archive_exists(t.path);
        rc = store_open(&store, t.path, e);
    }
    if (rc == 0)
        rc = store_append(store, &b->ev, e);
    store_close(store);
    if (rc == 0 && packed)
        rc = archive_pack(t.path, e);
    if (rc == 0)
        note_change(app, &t);
    target_release(&t);
    event_release(b);
    return rc;
}

int manage_check_name(const char *name, struct err *e)
{
    if (name[0] == '\0' || strlen(name) > 200)
        return err_set(e, ERR_USAGE, "a name has 1 to 200 bytes");
    if (strcmp(name, "last") == 0)
        return err_set(e, ERR_USAGE, "'last' always means the newest session: take another name");
    return 0;
}

int manage_rename(struct app *app, const char *word, const char *name, struct err *e)
{
    struct event_builder b;
    if (manage_check_name(name, e) < 0)
        return -1;
    event_begin(&b, EVENT_SESSION_RENAMED, 0);
    json_w_strn(&b.w, "name", name, strlen(name));
    return append_one(app, word, &b, e);
}

int manage_check_tag(const char *tag, size_t len, struct err *e)
{
    if (len == 0 || len > 64 || memchr(tag, ' ', len) != NULL || memchr(tag, '\t', len) != NULL ||
        memchr(tag, '\n', len) != NULL)
        return err_set(e, ERR_USAGE, "tag '%.*s': one word of at most 64 bytes",
                       (int)(len < 64 ? len : 64), tag);
    return 0;
}

int manage_tag(struct app *app, const char *word, const char *const *tags, size_t count,
               struct err *e)
{
    struct event_builder b;
    for (size_t i = 0; i < count; i++) {
        if (manage_check_tag(tags[i], strlen(tags[i]), e) < 0)
            return -1;
    }
    event_begin(&b, EVENT_SESSION_TAGGED, 0);
    json_w_array(&b.w, "tags");
    for (size_t i = 0; i < count; i++)
        json_w_strn(&b.w, NULL, tags[i], strlen(tags[i]));
    json_w_close_array(&b.w);
    return append_one(app, word, &b, e);
}

int manage_trash(struct app *app, const char *word, bool restore, struct err *e)
{
    struct event_builder b;
    event_begin(&b, EVENT_SESSION_TRASHED, 0);
    if (restore)
        json_w_bool(&b.w, "restored", true);
    return append_one(app, word, &b, e);
}

int manage_archive(struct app *app, const char *word, bool back, struct err *e)
{
    struct target t;
    int rc = find(&t, app, word, e);
    if (rc == 0) {
        bool packed = access(t.path, F_OK) < 0 && archive_exists(t.path);
        if (packed != back)
            rc = err_set(e, ERR_USAGE, "session %s is %s", t.id,
                         back ? "not archived" : "archived already");
        else
            rc = back ? archive_unpack(t.path, e) : archive_pack(t.path, e);
    }
    if (rc == 0)
        note_change(app, &t);
    target_release(&t);
    return rc;
}

/* ---- the trash ---- */

int manage_purge(struct app *app, const char *word, struct err *e)
{
    struct target t;
    int rc = find(&t, app, word, e);
    if (rc == 0)
        rc = trash_erase(t.path, INT64_MAX, e);
    if (rc == 0)
        note_change(app, &t);
    target_release(&t);
    return rc;
}

struct expired {
    int64_t before_us;
    char **ids;
    size_t count;
};

static int note_expired(void *arg, const struct index_entry *x)
{
    struct expired *old = arg;
    if (x->trashed_us == 0 || x->trashed_us > old->before_us || x->live)
        return 0;
    old->ids = xreallocarray(old->ids, old->count + 1, sizeof *old->ids);
    old->ids[old->count++] = xstrdup(x->id);
    return 0;
}

size_t manage_purge_expired(struct app *app)
{
    struct err e = ERR_INIT;
    int64_t days = app->config.trash_days;
    struct expired old = { .before_us = clock_wall_us() - days * DAY_US };
    size_t gone = 0;
    if (days == 0 || app_need_index(app, &e) < 0 ||
        index_list(app->index, NULL, INDEX_TRASHED, 0, note_expired, &old, &e) < 0)
        return 0;
    for (size_t i = 0; i < old.count; i++) {
        struct target t = { .id = old.ids[i],
                            .path = xasprintf("%s/%s.db", app->paths.sessions_dir, old.ids[i]) };
        if (trash_erase(t.path, old.before_us, &e) == 0) {
            gone++;
            note_change(app, &t);
        }
        err_clear(&e);
        target_release(&t);
    }
    free(old.ids);
    return gone;
}

void manage_put_retention(const struct app *app, struct buf *out)
{
    if (app->config.trash_days == 0)
        (void)buf_add_str(out, "for ever");
    else
        (void)buf_addf(out, "for %lld days", (long long)app->config.trash_days);
}
