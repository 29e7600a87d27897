/* screen_list_preview.c - what the selected session of the list has run. */
#include "cli/screen_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define PREVIEW_US     30000 /* the selection stays that long before its file is looked at */
#define PREVIEW_EVENTS 2000  /* from the end of the record */
#define PREVIEW_RUNS   64

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
    const struct view_session *row = list_selected(s);
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
