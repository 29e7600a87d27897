/* screen_list_change.c - marks in the list of sessions, the trash and the archive. */
#include "cli/screen_list.h"

#include <stdlib.h>
#include <string.h>

#include "cli/manage.h"

bool list_is_ours(const struct screen *s, const char *id)
{
    return s->session != NULL && strcmp(session_state(s->session)->session, id) == 0;
}

void list_drop_marks(struct screen *s)
{
    for (size_t i = 0; i < s->mark_count; i++)
        free(s->marks[i]);
    s->mark_count = s->vm.list.marked = 0;
    for (size_t i = 0; i < s->recent_count; i++)
        s->recent[i].marked = false;
}

void list_toggle_mark(struct screen *s)
{
    int64_t *at = &s->vm.scroll[PANE_TIMELINE].selected;
    struct view_session *row = (struct view_session *)(uintptr_t)list_selected(s);
    if (row == NULL)
        return;
    size_t i = list_find_mark(s, row->id);
    row->marked = i == s->mark_count;
    if (row->marked) {
        s->marks = xreallocarray(s->marks, s->mark_count + 1, sizeof *s->marks);
        s->marks[s->mark_count++] = xstrdup(row->id);
    } else {
        free(s->marks[i]);
        s->marks[i] = s->marks[--s->mark_count];
    }
    s->vm.list.marked = s->mark_count;
    if (*at + 1 < (int64_t)s->recent_count)
        *at = (*at > 0 ? *at : 0) + 1;
}

typedef int (*change_fn)(struct screen *s, const char *id, struct err *e);

/* The marked ones, else the selected. Ends at the first that fails, which is said; returns how many
 * were done, or 0 when not all could be. */
static size_t change(struct screen *s, change_fn fn)
{
    struct err e = ERR_INIT;
    const struct view_session *row = list_selected(s);
    char *one = row != NULL ? xstrdup(row->id) : NULL;
    char **ids = s->mark_count > 0 ? s->marks : &one;
    size_t count = s->mark_count > 0 ? s->mark_count : one != NULL, done = 0;
    while (done < count && fn(s, ids[done], &e) == 0)
        done++;
    bool all = done == count;
    if (!all && done > 0)
        err_wrap(&e, "%zu of %zu were done", done, count);
    if (!all)
        screen_fail(s, &e);
    free(one);
    if (all)
        list_drop_marks(s);
    list_fill(s, 0, false);
    return all ? done : 0;
}

void list_forget_deleted(struct screen *s)
{
    for (size_t i = 0; i < s->deleted_count; i++)
        free(s->deleted[i]);
    s->deleted_count = 0;
}

static int delete_one(struct screen *s, const char *id, struct err *e)
{
    if (list_is_ours(s, id))
        return err_set(e, ERR_USAGE, "this session is open here: leave it first (:new)");
    if (manage_trash(s->app, id, false, e) < 0)
        return -1;
    s->deleted = xreallocarray(s->deleted, s->deleted_count + 1, sizeof *s->deleted);
    s->deleted[s->deleted_count++] = xstrdup(id);
    return 0;
}

void list_delete_some(struct screen *s)
{
    struct buf keep = BUF_INIT(256);
    if (s->vm.list.trash) {
        screen_toast(s, TONE_INFO,
                     "it lies in the trash already; `airlock sessions purge ID` erases it");
        return;
    }
    list_forget_deleted(s);
    size_t n = change(s, delete_one);
    manage_put_retention(s->app, &keep);
    if (n > 0)
        screen_toast(s, TONE_INFO, "%zu deleted: u takes %s back; the trash (T) keeps %s %s", n,
                     n == 1 ? "it" : "them", n == 1 ? "it" : "them", buf_str(&keep));
    buf_release(&keep);
}

static int undelete_one(struct screen *s, const char *id, struct err *e)
{
    return manage_trash(s->app, id, true, e);
}

void list_undelete_some(struct screen *s)
{
    struct err e = ERR_INIT;
    size_t n = 0;
    if (s->vm.list.trash) {
        n = change(s, undelete_one);
    } else if (s->deleted_count == 0) {
        screen_toast(s, TONE_INFO, "nothing was deleted here; T shows the trash");
        return;
    } else {
        while (n < s->deleted_count && undelete_one(s, s->deleted[n], &e) == 0)
            n++;
        if (n < s->deleted_count) {
            screen_fail(s, &e);
            n = 0;
        }
        list_forget_deleted(s);
        list_fill(s, 0, false);
    }
    if (n > 0)
        screen_toast(s, TONE_INFO, "%zu taken back", n);
}

static int archive_one(struct screen *s, const char *id, struct err *e)
{
    bool packed = false;
    if (list_is_ours(s, id))
        return err_set(e, ERR_USAGE, "this session is open here: leave it first (:new)");
    for (size_t i = 0; s->recent != NULL && i < s->recent_count; i++)
        packed |= strcmp(s->recent[i].id, id) == 0 && s->recent[i].archived;
    return manage_archive(s->app, id, packed, e);
}

void list_archive_some(struct screen *s)
{
    size_t n = change(s, archive_one);
    if (n > 0)
        screen_toast(s, TONE_INFO, "%zu archived or unpacked", n);
}
