/* screen_list.c - the list of sessions on the screen: its rows, the filter as you type, its keys.
 */
#include "cli/screen_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/manage.h"
#include "providers/registry.h"

/* ---- the rows ---- */

/* All texts of a row lie in one block, which its id begins. */
static struct view_session make_row(const struct index_entry *x)
{
    const char *const texts[] = { x->id,      x->name, x->task,   x->outcome,
                                  x->sandbox, x->tags, x->problem };
    const char *at[ARRAY_LEN(texts)];
    size_t size = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        size += strlen(texts[i]) + 1;
    char *p = xmalloc(size);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t n = strlen(texts[i]) + 1;
        at[i] = memcpy(p, texts[i], n);
        p += n;
    }
    return (struct view_session){
        .id = at[0],
        .name = at[1],
        .task = at[2],
        .outcome = at[3],
        .sandbox = at[4],
        .tags = at[5],
        .problem = at[6],
        .last_us = x->last_us,
        .runs = x->runs,
        .denied = x->denied,
        .failed = x->failed,
        .cost_nanousd = x->cost_nanousd,
        .live = x->live,
        .foreign = x->foreign,
        .archived = x->archived,
        .waiting = x->waiting,
    };
}

static void free_rows(struct screen *s)
{
    for (size_t i = 0; i < s->recent_count; i++)
        free((char *)(uintptr_t)s->recent[i].id);
    free(s->recent);
    s->recent = NULL;
    s->recent_count = 0;
    s->vm.sessions = NULL;
    s->vm.session_count = 0;
}

size_t list_find_mark(const struct screen *s, const char *id)
{
    size_t i = 0;
    while (i < s->mark_count && strcmp(s->marks[i], id) != 0)
        i++;
    return i;
}

static int add_recent(void *arg, const struct index_entry *x)
{
    struct screen *s = arg;
    if ((s->recent_count & (s->recent_count - 1)) == 0)
        s->recent = xreallocarray(s->recent, s->recent_count == 0 ? 1 : s->recent_count * 2,
                                  sizeof *s->recent);
    struct view_session row = make_row(x);
    row.marked = list_find_mark(s, x->id) < s->mark_count;
    const struct sandbox_ops *ops = sandbox_find(x->sandbox);
    if (x->open_sandboxes > 0 && !x->live && ops != NULL && ops->fleet != NULL)
        s->left_over++;
    s->recent[s->recent_count++] = row;
    return 0;
}

const struct view_session *list_selected(const struct screen *s)
{
    int64_t at = s->vm.scroll[PANE_TIMELINE].selected;
    size_t i = at > 0 ? (size_t)at : 0;
    if (s->recent_count == 0)
        return NULL;
    return &s->recent[i < s->recent_count ? i : s->recent_count - 1];
}

/* The row of `id`, else as near as it can be. */
static void select_again(struct screen *s, const char *id)
{
    int64_t *at = &s->vm.scroll[PANE_TIMELINE].selected;
    for (size_t i = 0; id != NULL && i < s->recent_count; i++) {
        if (strcmp(s->recent[i].id, id) == 0) {
            *at = (int64_t)i;
            return;
        }
    }
    if (*at >= (int64_t)s->recent_count)
        *at = (int64_t)s->recent_count - 1;
    if (*at < 0)
        *at = 0;
}

/* Sandboxes elsewhere that a session did not see the end of: said once. */
static void offer_reaper(struct screen *s)
{
    if (s->left_over > 0 && !s->reaper_offered) {
        s->reaper_offered = true;
        screen_toast(s, TONE_WAIT,
                     "sandboxes of %zu session%s may still run and cost money: resume goes on with "
                     "one; airlock sandboxes reap, adopt or ignore",
                     s->left_over, s->left_over == 1 ? "" : "s");
    }
    s->left_over = 0;
}

/* `limit` 0: all. An unfinished filter leaves the rows as they are. */
void list_fill(struct screen *s, size_t limit, bool refresh)
{
    struct err e = ERR_INIT;
    struct index_query probe;
    enum index_which which = s->vm.list.trash ? INDEX_TRASHED : INDEX_KEPT;
    s->vm.list.note = NULL;
    s->vm.list.filter = s->query;
    screen_changed(s);
    if (index_query_parse(&probe, s->query, clock_wall_us(), &e) < 0) {
        s->vm.list.note = "filter: ~fail ~gate ~high ~denied tag: sandbox: since:";
        return;
    }
    const struct view_session *was = list_selected(s);
    char *id = was != NULL ? xstrdup(was->id) : NULL;
    free_rows(s);
    if (app_need_index(s->app, &e) < 0 || (refresh && index_refresh(s->app->index, &e) < 0) ||
        index_list(s->app->index, s->query, which, limit, add_recent, s, &e) < 0)
        screen_fail(s, &e);
    s->vm.sessions = s->recent;
    s->vm.session_count = s->recent_count;
    offer_reaper(s);
    s->all_listed = limit == 0 || s->recent_count < limit;
    select_again(s, id);
    free(id);
    screen_list_moved(s);
}

static void show_list(struct screen *s, const char *query, size_t limit, bool refresh)
{
    char *copy = xstrdup(query != NULL ? query : "");
    free(s->query);
    s->query = copy;
    s->vm.list.trash = false;
    s->vm.scroll[PANE_TIMELINE].selected = 0;
    list_fill(s, limit, refresh);
    s->vm.screen = SCREEN_START;
}

void screen_list_sessions(struct screen *s, const char *query)
{
    bool typing = s->vm.focus == PANE_PROMPT;
    show_list(s, query, typing && query == NULL ? RECENT_MAX : 0, true);
}

void screen_list_known(struct screen *s)
{
    show_list(s, NULL, RECENT_MAX, false);
}

void screen_list_refresh(struct screen *s)
{
    list_fill(s, s->vm.focus == PANE_PROMPT && s->use == USE_MAIN ? RECENT_MAX : 0, true);
}

void screen_list_entered(struct screen *s)
{
    if (!s->all_listed)
        list_fill(s, 0, false);
    screen_list_moved(s);
}

int screen_open_selected(struct screen *s, struct err *e)
{
    const struct view_session *row = list_selected(s);
    if (row == NULL)
        return err_set(e, ERR_USAGE, "no session is selected");
    if (s->vm.list.trash)
        return err_set(e, ERR_USAGE, "it lies in the trash: u brings it back");
    if (row->foreign) /* somebody else's record: to be looked at, never gone on with [IMP-1] */
        return screen_replay_session(s, row->id, e);
    if (list_is_ours(s, row->id)) {
        s->vm.screen = SCREEN_SESSION;
        screen_changed(s);
        return 0;
    }
    char *path = xasprintf("%s/%s.db", s->app->paths.sessions_dir, row->id);
    int rc = screen_open_session(s, path, e);
    free(path);
    return rc;
}

/* ---- the prompt's uses ---- */

/* Of the session that is open here: through its own door. */
static void append_here(struct screen *s, enum prompt_use use, const char *line)
{
    char *command = xasprintf("%s %s", use == USE_RENAME ? "rename" : "tag", line);
    screen_command(s, command);
    free(command);
}

void screen_list_told(struct screen *s)
{
    struct err e = ERR_INIT;
    if (s->session == NULL || s->vm.screen != SCREEN_START)
        return;
    if (session_refresh_index(s->session, &e) < 0)
        screen_fail(s, &e);
    list_fill(s, s->all_listed ? 0 : RECENT_MAX, false);
}

static int tag(struct screen *s, const char *id, char *line, struct err *e)
{
    const char *tags[64];
    size_t n = 0;
    for (char *p = line + strspn(line, " \t"); *p != '\0' && n < ARRAY_LEN(tags);) {
        size_t len = strcspn(p, " \t");
        tags[n++] = p;
        p += len;
        if (*p != '\0')
            *p++ = '\0';
        p += strspn(p, " \t");
    }
    return manage_tag(s->app, id, tags, n, e);
}

void screen_list_line(struct screen *s, const char *line)
{
    struct err e = ERR_INIT;
    const struct view_session *row = list_selected(s);
    char *id = row != NULL ? xstrdup(row->id) : NULL, *text = xstrdup(line);
    enum prompt_use use = s->use;
    int rc = 0;
    screen_prompt_done(s);
    if (use == USE_FILTER || id == NULL)
        screen_list_filter(s, text);
    else if (list_is_ours(s, id))
        append_here(s, use, text);
    else
        rc = use == USE_RENAME ? manage_rename(s->app, id, text, &e) : tag(s, id, text, &e);
    if (rc < 0)
        screen_fail(s, &e);
    list_fill(s, 0, false);
    free(id);
    free(text);
}

void screen_list_filter(struct screen *s, const char *text)
{
    char *copy = xstrdup(text);
    free(s->query);
    s->query = copy;
    list_fill(s, 0, false);
}

static void show_trash(struct screen *s)
{
    s->vm.list.trash = !s->vm.list.trash;
    list_drop_marks(s);
    s->vm.scroll[PANE_TIMELINE].selected = 0;
    free(s->query);
    s->query = NULL;
    list_fill(s, 0, true);
}

bool screen_list_back(struct screen *s)
{
    if (s->mark_count > 0)
        list_drop_marks(s);
    else if (s->query != NULL && s->query[0] != '\0')
        screen_list_filter(s, "");
    else if (s->vm.list.trash)
        show_trash(s);
    else
        return false;
    return true;
}

bool screen_list_key(struct screen *s, enum keymap_command cmd)
{
    const struct view_session *row = list_selected(s);
    switch (cmd) {
    case CMD_LIST_MARK:
        list_toggle_mark(s);
        screen_list_moved(s);
        return true;
    case CMD_LIST_DIFF:
        list_compare_marked(s);
        return true;
    case CMD_LIST_RERUN:
        list_rerun_some(s);
        return true;
    case CMD_LIST_FILTER:
        screen_use_prompt(s, USE_FILTER, s->query != NULL ? s->query : "");
        return true;
    case CMD_LIST_RENAME:
        if (row != NULL)
            screen_use_prompt(s, USE_RENAME, row->name);
        return true;
    case CMD_LIST_TAG:
        if (row != NULL)
            screen_use_prompt(s, USE_TAG, row->tags);
        return true;
    case CMD_LIST_DELETE:
        list_delete_some(s);
        return true;
    case CMD_LIST_UNDELETE:
        list_undelete_some(s);
        return true;
    case CMD_LIST_ARCHIVE:
        list_archive_some(s);
        return true;
    case CMD_LIST_TRASH:
        show_trash(s);
        return true;
    default:
        return false;
    }
}

void screen_list_release(struct screen *s)
{
    free_rows(s);
    list_drop_marks(s);
    list_forget_deleted(s);
    free(s->marks);
    free(s->deleted);
    loop_remove(s->app->loop, s->preview_timer);
    buf_release(&s->preview);
}
