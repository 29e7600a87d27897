/* screen_find.c - searching all sessions from the screen: a list of hits that grows while the keys
 * go on working, and the way to each. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions/search.h"

#define HITS_MAX  2000
#define STREAM    20                /* hits told of one stream */
#define STEP      ((size_t)4 << 20) /* bytes between two looks at the keys */
#define TEXT_KEPT ((size_t)400)

struct find {
    struct search *search; /* NULL: it is over */
    struct view_hit *hits;
    size_t count;
    char *text;
    char status[120];
    struct loop_source *timer;
};

static void drop_hits(struct find *f)
{
    search_free(f->search);
    f->search = NULL;
    for (size_t i = 0; i < f->count; i++)
        free((char *)(uintptr_t)f->hits[i].session);
    free(f->hits);
    f->hits = NULL;
    f->count = 0;
}

static const char *name_of(const struct screen *s, const char *id)
{
    for (size_t i = 0; i < s->recent_count; i++) {
        if (strcmp(s->recent[i].id, id) == 0)
            return s->recent[i].name;
    }
    return "";
}

/* id, name and text lie in one block. */
static int on_hit(void *arg, const struct search_hit *h)
{
    struct screen *s = arg;
    struct find *f = s->find;
    if (h->more)
        return 0;
    size_t from = h->at > TEXT_KEPT / 2 ? h->at - TEXT_KEPT / 2 : 0,
           len = h->len - from < TEXT_KEPT ? h->len - from : TEXT_KEPT;
    const char *name = name_of(s, h->session);
    size_t id_len = strlen(h->session) + 1, name_len = strlen(name) + 1;
    char *p = xmalloc(id_len + name_len + len + 1);
    memcpy(p, h->session, id_len);
    memcpy(p + id_len, name, name_len);
    memcpy(p + id_len + name_len, h->text + from, len);
    p[id_len + name_len + len] = '\0';
    f->hits = xreallocarray(f->hits, f->count + 1, sizeof *f->hits);
    f->hits[f->count++] = (struct view_hit){
        .session = p,
        .name = p + id_len,
        .text = p + id_len + name_len,
        .text_len = len,
        .at = h->at - from,
        .hit_len = strlen(f->text),
        .run = h->run,
        .line = h->line,
        .where = search_place_name(h->where),
    };
    return f->count >= HITS_MAX;
}

static void show(struct screen *s)
{
    struct find *f = s->find;
    struct search_progress p = { 0 };
    if (f->search != NULL)
        search_told(f->search, &p);
    if (f->search != NULL)
        snprintf(f->status, sizeof f->status, "%zu so far, %zu of %zu sessions", f->count, p.done,
                 p.sessions);
    else
        snprintf(f->status, sizeof f->status, "%zu%s of %.40s", f->count,
                 f->count >= HITS_MAX ? " (and more)" : "", f->text);
    s->vm.hits = f->hits;
    s->vm.hit_count = f->count;
    s->vm.hits_status = f->status;
    screen_changed(s);
}

static void on_step(void *arg)
{
    struct screen *s = arg;
    struct err e = ERR_INIT;
    struct find *f = s->find;
    if (f->search == NULL)
        return;
    int more = search_step(f->search, STEP, &e);
    if (more == 1) {
        loop_arm_us(s->app->loop, f->timer, 0);
    } else {
        struct search_progress p;
        search_told(f->search, &p);
        if (more < 0)
            screen_fail(s, &e);
        else if (p.unreadable > 0)
            screen_toast(s, TONE_WAIT, "%zu sessions were not read to their end, such as %s",
                         p.unreadable, p.last);
        search_free(f->search);
        f->search = NULL;
    }
    show(s);
}

static bool is_filter(const char *word)
{
    static const char *const begins[] = { "~", "tag:", "sandbox:", "since:" };
    for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
        if (strncmp(word, begins[i], strlen(begins[i])) == 0)
            return true;
    }
    return false;
}

/* "TEXT WITH BLANKS ~fail tag:x": the filters stand at the end. The text is cut off before them;
 * returns where they begin. */
static const char *cut_filters(char *words)
{
    size_t len = strlen(words), cut = len;
    for (size_t i = len; i > 0; i--) {
        if (words[i - 1] != ' ')
            continue;
        if (!is_filter(words + i))
            break;
        cut = i - 1;
    }
    if (cut == len)
        return "";
    words[cut] = '\0';
    return words + cut + 1;
}

void screen_find(struct screen *s, const char *words)
{
    struct err e = ERR_INIT;
    const char *filter;
    if (words[0] == '\0') {
        screen_use_prompt(s, USE_FIND, s->find != NULL ? s->find->text : "");
        return;
    }
    if (s->find == NULL) {
        s->find = xcalloc(1, sizeof *s->find);
        s->find->timer = loop_add_timer(s->app->loop, on_step, s);
    }
    struct find *f = s->find;
    drop_hits(f);
    free(f->text);
    f->text = xstrdup(words);
    filter = cut_filters(f->text);
    struct search_spec spec = { .text = f->text, .filter = filter, .per_stream = STREAM };
    if (app_need_index(s->app, &e) < 0 || index_refresh(s->app->index, &e) < 0 ||
        search_new(&f->search, s->app->index, s->app->paths.sessions_dir, &spec, on_hit, s, &e) < 0)
        screen_fail(s, &e);
    s->vm.screen = SCREEN_HITS;
    s->vm.scroll[PANE_TIMELINE] = (struct view_scroll){ .selected = 0 };
    screen_focus(s, PANE_TIMELINE);
    loop_arm_us(s->app->loop, f->timer, 0);
    show(s);
}

/* ---- to the hit ---- */

static enum view_pane pane_of(const char *where)
{
    return strcmp(where, "stdout") == 0   ? PANE_OUT
           : strcmp(where, "stderr") == 0 ? PANE_ERR
           : strcmp(where, "code") == 0   ? PANE_CODE
           : strcmp(where, "error") == 0  ? PANE_ERR
           : strcmp(where, "plan") == 0   ? PANE_PLAN
                                          : PANE_NOTES;
}

/* The hits of the same text before it: how often to go on from the top. */
static size_t rank_of(const struct find *f, size_t at)
{
    const struct view_hit *h = &f->hits[at];
    size_t n = 0;
    for (size_t i = 0; i < at; i++)
        n += f->hits[i].run == h->run && strcmp(f->hits[i].where, h->where) == 0 &&
             strcmp(f->hits[i].session, h->session) == 0;
    return n;
}

int screen_find_open(struct screen *s, struct err *e)
{
    struct find *f = s->find;
    int64_t row = s->vm.scroll[PANE_TIMELINE].selected;
    size_t at = row > 0 ? (size_t)row : 0;
    if (f == NULL || at >= f->count)
        return err_set(e, ERR_USAGE, "nothing is selected");
    const struct view_hit *h = &f->hits[at];
    if (s->session == NULL || strcmp(session_state(s->session)->session, h->session) != 0) {
        char *path = xasprintf("%s/%s.db", s->app->paths.sessions_dir, h->session);
        int rc = screen_open_session(s, path, e);
        free(path);
        if (rc < 0)
            return -1;
    }
    enum view_pane pane = pane_of(h->where);
    s->vm.screen = SCREEN_SESSION;
    s->vm.run = h->run;
    screen_focus(s, pane);
    buf_reset(&s->search);
    (void)buf_add_str(&s->search, f->text);
    s->vm.search = (struct view_search){ .text = buf_str(&s->search), .pane = pane };
    if (pane != PANE_CODE && pane != PANE_OUT && pane != PANE_ERR)
        return 0;
    s->vm.scroll[pane] = (struct view_scroll){ .selected = -1 };
    for (size_t i = 0; i <= rank_of(f, at); i++) {
        if (view_search(screen_state(s), &s->vm, s->grid.w, s->grid.h, 1, (size_t)256 << 20) !=
            VIEW_FOUND)
            break;
    }
    screen_changed(s);
    return 0;
}

void screen_find_release(struct screen *s)
{
    if (s->find == NULL)
        return;
    drop_hits(s->find);
    loop_remove(s->app->loop, s->find->timer);
    free(s->find->text);
    free(s->find);
    s->find = NULL;
}
