/* screen_page.c - pages over the panes: their lines, and what picking one does. */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES ((size_t)32 << 20)
#define PAGE_LINES 20000

static void forget(struct screen *s)
{
    for (size_t i = 0; i < s->page.count; i++)
        free(s->page.items[i].session);
    s->page.count = 0;
    buf_reset(&s->page.text);
    s->vm.page = (struct view_page){ .selected = -1 };
}

void screen_page_begin(struct screen *s, enum page_kind kind, uint32_t run, const char *title,
                       const char *right)
{
    struct page *p = &s->page;
    forget(s);
    if (p->text.max == 0)
        buf_init(&p->text, PAGE_BYTES);
    if (s->vm.screen != SCREEN_PAGE)
        p->focus = s->vm.focus;
    p->kind = kind;
    p->run = run;
    p->other = 0;
    snprintf(p->title, sizeof p->title, "%s", title);
    s->vm.page.title = p->title;
    s->vm.page.right = right;
}

void screen_page_retitle(struct screen *s, const char *title)
{
    snprintf(s->page.title, sizeof s->page.title, "%s", title);
}

static struct view_page_line *add(struct screen *s, enum view_tone tone, const char *text,
                                  size_t len)
{
    struct page *p = &s->page;
    if (p->count == PAGE_LINES || buf_add(&p->text, text, len) < 0)
        return NULL;
    if (p->count == p->cap) {
        p->cap = p->cap != 0 ? p->cap * 2 : 64;
        p->lines = xreallocarray(p->lines, p->cap, sizeof *p->lines);
        p->items = xreallocarray(p->items, p->cap, sizeof *p->items);
    }
    p->items[p->count] = (struct page_item){ .at = p->text.len - len };
    p->lines[p->count] = (struct view_page_line){ .len = len, .tone = tone };
    return &p->lines[p->count++];
}

void screen_page_add(struct screen *s, enum view_tone tone, const char *text, size_t len,
                     bool whole)
{
    struct view_page_line *l = add(s, tone, text, len);
    if (l != NULL)
        l->whole = whole;
}

void screen_page_add_pick(struct screen *s, enum view_tone tone, const char *text, size_t len,
                          uint32_t run, const char *session)
{
    struct view_page_line *l = add(s, tone, text, len);
    if (l == NULL)
        return;
    l->pick = true;
    s->page.items[s->page.count - 1].run = run;
    s->page.items[s->page.count - 1].session = session != NULL ? xstrdup(session) : NULL;
    if (s->vm.page.selected < 0)
        s->vm.page.selected = (int64_t)s->page.count - 1;
}

void screen_page_add_text(struct screen *s, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        enum view_tone tone = strncmp(text, "+ ", 2) == 0   ? TONE_INFO
                              : strncmp(text, "- ", 2) == 0 ? TONE_BAD
                                                            : TONE_PLAIN;
        screen_page_add(s, tone, text, n, false);
        text += n + (text[n] == '\n');
    }
}

void screen_page_show(struct screen *s)
{
    struct page *p = &s->page;
    const char *text = buf_str(&p->text);
    for (size_t i = 0; i < p->count; i++)
        p->lines[i].text = text + p->items[i].at;
    s->vm.page.lines = p->lines;
    s->vm.page.count = p->count;
    s->vm.screen = SCREEN_PAGE;
    s->vm.focus = PANE_TIMELINE;
    screen_changed(s);
}

void screen_page_close(struct screen *s)
{
    if (s->vm.screen != SCREEN_PAGE)
        return;
    s->vm.screen = s->session != NULL || s->film != NULL ? SCREEN_SESSION : SCREEN_START;
    if (s->vm.focus == PANE_TIMELINE)
        s->vm.focus = s->page.focus;
    s->page.kind = PAGE_NONE;
    forget(s);
    screen_changed(s);
}

void screen_page_release(struct screen *s)
{
    forget(s);
    buf_release(&s->page.text);
    free(s->page.lines);
    free(s->page.items);
}

/* ---- Enter ---- */

static void open_session(struct screen *s, const char *id)
{
    struct err e = ERR_INIT;
    char *path = xasprintf("%s/%s.db", s->app->paths.sessions_dir, id);
    screen_page_close(s);
    if (screen_open_session(s, path, &e) < 0) {
        screen_fail(s, &e);
        screen_list_sessions(s, NULL);
    }
    free(path);
}

static void show_run(struct screen *s, uint32_t run)
{
    screen_page_close(s);
    s->vm.run = run;
    screen_focus(s, PANE_TIMELINE);
}

void screen_page_go(struct screen *s)
{
    struct page *p = &s->page;
    int64_t at = s->vm.page.selected;
    if (s->vm.screen != SCREEN_PAGE)
        return;
    if (p->kind == PAGE_PROBES && s->vm.page.goes) {
        screen_doctor_go(s);
    } else if (p->kind == PAGE_TRAVEL || p->kind == PAGE_FORK) {
        enum page_kind kind = p->kind;
        uint32_t run = p->run, other = p->other;
        bool goes = s->vm.page.goes;
        screen_page_close(s);
        if (goes && kind == PAGE_TRAVEL)
            screen_travel_go(s, run, other);
        else if (goes)
            screen_fork_go(s, run);
    } else if (at >= 0 && (size_t)at < p->count && p->items[at].session != NULL) {
        char *id = xstrdup(p->items[at].session);
        open_session(s, id);
        free(id);
    } else if (at >= 0 && (size_t)at < p->count && p->items[at].run != 0) {
        show_run(s, p->items[at].run);
    } else {
        screen_page_close(s);
    }
}
