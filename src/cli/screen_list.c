/* screen_list.c - the list of sessions on the screen: filter as you type, a preview, marks, names,
 * tags, the trash and the archive. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/manage.h"
#include "providers/registry.h"

#define PREVIEW_US     30000 /* the selection stays that long before its file is looked at */
#define PREVIEW_EVENTS 2000  /* from the end of the record */
#define PREVIEW_RUNS   64

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

static size_t find_mark(const struct screen *s, const char *id)
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
    row.marked = find_mark(s, x->id) < s->mark_count;
    const struct sandbox_ops *ops = sandbox_find(x->sandbox);
    if (x->open_sandboxes > 0 && !x->live && ops != NULL && ops->fleet != NULL)
        s->left_over++;
    s->recent[s->recent_count++] = row;
    return 0;
}

static const struct view_session *selected(const struct screen *s)
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
                     "sandboxes of %zu session%s may still run and cost money: airlock sandboxes",
                     s->left_over, s->left_over == 1 ? "" : "s");
    }
    s->left_over = 0;
}

/* `limit` 0: all. An unfinished filter leaves the rows as they are. */
static void fill(struct screen *s, size_t limit, bool refresh)
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
    const struct view_session *was = selected(s);
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
    fill(s, limit, refresh);
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
    fill(s, s->vm.focus == PANE_PROMPT && s->use == USE_MAIN ? RECENT_MAX : 0, true);
}

void screen_list_entered(struct screen *s)
{
    if (!s->all_listed)
        fill(s, 0, false);
    screen_list_moved(s);
}

int screen_open_selected(struct screen *s, struct err *e)
{
    const struct view_session *row = selected(s);
    if (row == NULL)
        return err_set(e, ERR_USAGE, "no session is selected");
    if (s->vm.list.trash)
        return err_set(e, ERR_USAGE, "it lies in the trash: u brings it back");
    if (s->session != NULL && strcmp(session_state(s->session)->session, row->id) == 0) {
        s->vm.screen = SCREEN_SESSION;
        screen_changed(s);
        return 0;
    }
    char *path = xasprintf("%s/%s.db", s->app->paths.sessions_dir, row->id);
    int rc = screen_open_session(s, path, e);
    free(path);
    return rc;
}

/* ---- the preview ---- */

struct glance {
    uint32_t first, last; /* runs seen; 0 none */
    struct seen {
        uint32_t run;
        char end[24], code[100];
    } runs[PREVIEW_RUNS];
};

static struct seen *seen_of(struct glance *g, uint32_t run)
{
    struct seen *x = &g->runs[run % PREVIEW_RUNS];
    if (x->run != run)
        *x = (struct seen){ .run = run };
    if (g->first == 0)
        g->first = run;
    if (run > g->last)
        g->last = run;
    return x;
}

static int note_event(void *arg, const struct event *ev)
{
    if (ev->body == NULL || ev->run == 0)
        return 0;
    struct seen *x = seen_of(arg, ev->run);
    if (ev->type == EVENT_RUN_PROPOSED) {
        const char *code = json_get_str(ev->body, "code", "");
        code += strspn(code, " \t\n");
        snprintf(x->code, sizeof x->code, "%.*s", (int)strcspn(code, "\n"), code);
    } else if (ev->type == EVENT_GATE_DECIDED) {
        const char *word = json_get_str(ev->body, "decision", "");
        if (strcmp(word, "approve") != 0)
            snprintf(x->end, sizeof x->end, "%.20s", word);
    } else if (json_get(ev->body, "code") != NULL) {
        snprintf(x->end, sizeof x->end, "exit %d", (int)json_get_int(ev->body, "code", 0));
    } else {
        snprintf(x->end, sizeof x->end, "%.20s", json_get_str(ev->body, "end", ""));
    }
    return 0;
}

static void put_glance(const struct glance *g, struct buf *out)
{
    uint32_t from = g->first;
    if (g->last >= PREVIEW_RUNS && from < g->last - PREVIEW_RUNS + 1)
        from = g->last - PREVIEW_RUNS + 1;
    for (uint32_t run = g->last; run >= from && run > 0; run--) {
        const struct seen *x = &g->runs[run % PREVIEW_RUNS];
        if (x->run == run)
            (void)buf_addf(out, "%4u  %-10s %s\n", run, x->end, x->code);
    }
}

/* The newest runs, from the end of the record; a long record is not read whole for it. */
static void put_runs(struct screen *s, const struct view_session *row, struct buf *out)
{
    const uint64_t types = UINT64_C(1) << EVENT_RUN_PROPOSED | UINT64_C(1) << EVENT_GATE_DECIDED |
                           UINT64_C(1) << EVENT_RUN_FINISHED;
    struct glance *g = xcalloc(1, sizeof *g);
    struct store *store = NULL;
    struct err e = ERR_INIT;
    char *path = xasprintf("%s/%s.db", s->app->paths.sessions_dir, row->id);
    if (store_open_read(&store, path, &e) == 0) {
        uint64_t last = store_last_seq(store),
                 from = last > PREVIEW_EVENTS ? last - PREVIEW_EVENTS : 1;
        if (store_each_of(store, types, from, 0, note_event, g, &e) < 0)
            (void)buf_addf(out, "not whole: %s\n", e.msg);
        put_glance(g, out);
    } else {
        (void)buf_addf(out, "%s\n", e.msg);
    }
    store_close(store);
    free(path);
    free(g);
}

static void on_preview(void *arg)
{
    struct screen *s = arg;
    const struct view_session *row = selected(s);
    buf_reset(&s->preview);
    if (row == NULL || s->vm.screen != SCREEN_START)
        return;
    char at[CLOCK_ISO_LEN];
    clock_iso(row->last_us, at);
    (void)buf_addf(&s->preview, "%s%s%s\n", row->name, row->name[0] != '\0' ? "  " : "", row->id);
    (void)buf_addf(&s->preview, "%s\n", row->task);
    (void)buf_addf(&s->preview, "%lld runs, %lld failed, %lld denied  %s  %.16s%s%s%s%s\n\n",
                   (long long)row->runs, (long long)row->failed, (long long)row->denied,
                   row->sandbox, at, row->outcome[0] != '\0' ? "  " : "", row->outcome,
                   row->tags[0] != '\0' ? "  tags: " : "", row->tags);
    if (row->problem[0] != '\0')
        (void)buf_addf(&s->preview, "%s\n", row->problem);
    else if (row->archived)
        (void)buf_add_str(&s->preview, "archived: Enter unpacks and opens it\n");
    else
        put_runs(s, row, &s->preview);
    s->vm.list.preview = buf_str(&s->preview);
    screen_changed(s);
}

void screen_list_moved(struct screen *s)
{
    if (s->preview_timer == NULL)
        s->preview_timer = loop_add_timer(s->app->loop, on_preview, s);
    loop_arm_us(s->app->loop, s->preview_timer, PREVIEW_US);
}

/* ---- changing sessions ---- */

static bool is_ours(const struct screen *s, const char *id)
{
    return s->session != NULL && strcmp(session_state(s->session)->session, id) == 0;
}

static void drop_marks(struct screen *s)
{
    for (size_t i = 0; i < s->mark_count; i++)
        free(s->marks[i]);
    s->mark_count = s->vm.list.marked = 0;
    for (size_t i = 0; i < s->recent_count; i++)
        s->recent[i].marked = false;
}

static void toggle_mark(struct screen *s)
{
    int64_t *at = &s->vm.scroll[PANE_TIMELINE].selected;
    struct view_session *row = (struct view_session *)(uintptr_t)selected(s);
    if (row == NULL)
        return;
    size_t i = find_mark(s, row->id);
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

/* The marked ones, else the selected. Ends at the first that fails; returns how many were done. */
static size_t change(struct screen *s, change_fn fn)
{
    struct err e = ERR_INIT;
    const struct view_session *row = selected(s);
    char *one = row != NULL ? xstrdup(row->id) : NULL;
    char **ids = s->mark_count > 0 ? s->marks : &one;
    size_t count = s->mark_count > 0 ? s->mark_count : one != NULL, done = 0;
    while (done < count && fn(s, ids[done], &e) == 0)
        done++;
    if (done < count)
        screen_fail(s, &e);
    free(one);
    if (done == count)
        drop_marks(s);
    fill(s, 0, false);
    return done;
}

static void forget_deleted(struct screen *s)
{
    for (size_t i = 0; i < s->deleted_count; i++)
        free(s->deleted[i]);
    s->deleted_count = 0;
}

static int delete_one(struct screen *s, const char *id, struct err *e)
{
    if (is_ours(s, id))
        return err_set(e, ERR_USAGE, "this session is open here: leave it first (:new)");
    if (manage_trash(s->app, id, false, e) < 0)
        return -1;
    s->deleted = xreallocarray(s->deleted, s->deleted_count + 1, sizeof *s->deleted);
    s->deleted[s->deleted_count++] = xstrdup(id);
    return 0;
}

static void delete_some(struct screen *s)
{
    struct buf keep = BUF_INIT(256);
    if (s->vm.list.trash) {
        screen_toast(s, TONE_INFO,
                     "it lies in the trash already; `airlock sessions purge ID` erases it");
        return;
    }
    forget_deleted(s);
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

static void undelete_some(struct screen *s)
{
    struct err e = ERR_INIT;
    size_t n = 0;
    if (s->vm.list.trash) {
        n = change(s, undelete_one);
    } else {
        while (n < s->deleted_count && undelete_one(s, s->deleted[n], &e) == 0)
            n++;
        if (n < s->deleted_count)
            screen_fail(s, &e);
        forget_deleted(s);
        fill(s, 0, false);
    }
    if (n > 0 || s->vm.list.trash == false)
        screen_toast(s, TONE_INFO,
                     n > 0 ? "%zu taken back" : "nothing was deleted here; T shows the trash", n);
}

static int archive_one(struct screen *s, const char *id, struct err *e)
{
    bool packed = false;
    if (is_ours(s, id))
        return err_set(e, ERR_USAGE, "this session is open here: leave it first (:new)");
    for (size_t i = 0; s->recent != NULL && i < s->recent_count; i++)
        packed |= strcmp(s->recent[i].id, id) == 0 && s->recent[i].archived;
    return manage_archive(s->app, id, packed, e);
}

static void archive_some(struct screen *s)
{
    size_t n = change(s, archive_one);
    if (n > 0)
        screen_toast(s, TONE_INFO, "%zu archived or unpacked", n);
}

/* ---- programs of their own on this terminal: the session that is open goes on meanwhile ---- */

/* `airlock WORD ID…` of this very program. */
static void run_ourselves(struct screen *s, const char *word, char *const *ids, size_t count)
{
    struct err e = ERR_INIT;
    const struct app *app = s->app;
    int status = 0;
    const char **argv = xcalloc(count + 10, sizeof *argv);
    const char *const head[] = { "/proc/self/exe",    word,       "--data",
                                 app->paths.data_dir, "--config", app->paths.config_file };
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        argv[n++] = head[i];
    if (app->opt.no_color)
        argv[n++] = "--no-color";
    argv[n++] = "--";
    for (size_t i = 0; i < count; i++)
        argv[n++] = ids[i];
    if (screen_run_program(s, argv, &status, &e) < 0)
        screen_fail(s, &e);
    else if (strcmp(word, "rerun") == 0)
        screen_toast(s, status == 0 ? TONE_GOOD : TONE_WAIT,
                     "rerun: %s; the new sessions stand here",
                     status == 0   ? "all identical"
                     : status == 1 ? "something differs"
                     : status == 4 ? "something was denied"
                                   : "not all could run");
    free(argv);
    fill(s, 0, true);
}

static void compare_marked(struct screen *s)
{
    const struct view_session *row = selected(s);
    char *pair[2] = { NULL, NULL };
    if (s->mark_count == 2) {
        pair[0] = s->marks[0];
        pair[1] = s->marks[1];
    } else if (s->mark_count == 1 && row != NULL) {
        pair[0] = s->marks[0];
        pair[1] = (char *)(uintptr_t)row->id;
    }
    if (pair[0] == NULL || strcmp(pair[0], pair[1]) == 0) {
        screen_toast(s, TONE_INFO, "mark two sessions with Space, then D compares them");
        return;
    }
    char *copies[2] = { xstrdup(pair[0]), xstrdup(pair[1]) };
    run_ourselves(s, "diff", copies, 2);
    free(copies[0]);
    free(copies[1]);
}

static void rerun_some(struct screen *s)
{
    const struct view_session *row = selected(s);
    char *one = row != NULL ? xstrdup(row->id) : NULL;
    if (s->mark_count > 0)
        run_ourselves(s, "rerun", s->marks, s->mark_count);
    else if (one != NULL)
        run_ourselves(s, "rerun", &one, 1);
    free(one);
}

/* ---- the prompt's uses ---- */

/* Of the session that is open here: through its own door. */
static int append_here(struct screen *s, enum prompt_use use, const char *line, struct err *e)
{
    (void)e;
    char *command = xasprintf("%s %s", use == USE_RENAME ? "rename" : "tag", line);
    screen_command(s, command);
    free(command);
    return 0;
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
    const struct view_session *row = selected(s);
    char *id = row != NULL ? xstrdup(row->id) : NULL, *text = xstrdup(line);
    enum prompt_use use = s->use;
    int rc = 0;
    screen_prompt_done(s);
    if (use == USE_FILTER || id == NULL)
        screen_list_filter(s, text);
    else if (is_ours(s, id))
        rc = append_here(s, use, text, &e);
    else
        rc = use == USE_RENAME ? manage_rename(s->app, id, text, &e) : tag(s, id, text, &e);
    if (rc < 0)
        screen_fail(s, &e);
    fill(s, 0, false);
    free(id);
    free(text);
}

void screen_list_filter(struct screen *s, const char *text)
{
    char *copy = xstrdup(text);
    free(s->query);
    s->query = copy;
    fill(s, 0, false);
}

static void show_trash(struct screen *s)
{
    s->vm.list.trash = !s->vm.list.trash;
    drop_marks(s);
    s->vm.scroll[PANE_TIMELINE].selected = 0;
    free(s->query);
    s->query = NULL;
    fill(s, 0, true);
}

bool screen_list_back(struct screen *s)
{
    if (s->mark_count > 0)
        drop_marks(s);
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
    const struct view_session *row = selected(s);
    switch (cmd) {
    case CMD_LIST_MARK:
        toggle_mark(s);
        screen_list_moved(s);
        return true;
    case CMD_LIST_DIFF:
        compare_marked(s);
        return true;
    case CMD_LIST_RERUN:
        rerun_some(s);
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
        delete_some(s);
        return true;
    case CMD_LIST_UNDELETE:
        undelete_some(s);
        return true;
    case CMD_LIST_ARCHIVE:
        archive_some(s);
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
    drop_marks(s);
    forget_deleted(s);
    free(s->marks);
    free(s->deleted);
    loop_remove(s->app->loop, s->preview_timer);
    buf_release(&s->preview);
}
