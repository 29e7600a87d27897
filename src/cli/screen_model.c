/* screen_model.c - the planner's model on the screen: what it sees, which it is, which there are.
 */
#include "cli/screen_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the context: a copy, made when it is opened and after each event while it is open ---- */

struct snapshot {
    struct view_context_item *items;
    size_t count, cap;
    char *model, *effort;
};

static void snapshot_free(struct snapshot *x)
{
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->count; i++) {
        free((char *)(uintptr_t)x->items[i].role);
        free((char *)(uintptr_t)x->items[i].text);
    }
    free(x->items);
    free(x->model);
    free(x->effort);
    free(x);
}

static void add_item(void *arg, const struct planner_context_item *item)
{
    struct snapshot *x = arg;
    if (x->count == x->cap) {
        x->cap = x->cap > 0 ? x->cap * 2 : 32;
        x->items = xreallocarray(x->items, x->cap, sizeof *x->items);
    }
    x->items[x->count++] = (struct view_context_item){
        .role = xstrdup(item->role),
        .text = xmemdup(item->text, item->text_len),
        .text_len = item->text_len,
        .tokens = item->tokens,
        .counted = item->counted,
        .shortened = item->shortened,
        .unsent = item->unsent,
    };
}

void screen_context_release(struct screen *s)
{
    snapshot_free(s->snapshot);
    s->snapshot = NULL;
    s->vm.context = (struct view_context){ .count = 0 };
}

static int take_snapshot(struct screen *s, struct err *e)
{
    struct planner_context_sum sum;
    struct snapshot *x = xcalloc(1, sizeof *x);
    if (round_context(screen_round(s), &sum, add_item, x, e) < 0) {
        snapshot_free(x);
        return -1;
    }
    if (s->vm.context_scroll.selected == (int64_t)s->vm.context.count - 1)
        s->vm.context_scroll.selected = (int64_t)x->count - 1; /* it stays with the newest */
    x->model = xstrdup(sum.model);
    x->effort = xstrdup(sum.effort);
    screen_context_release(s);
    s->snapshot = x;
    s->vm.context = (struct view_context){ .items = x->items,
                                           .count = x->count,
                                           .model = x->model,
                                           .effort = x->effort,
                                           .window_tokens = sum.window_tokens,
                                           .last_input = sum.last_input,
                                           .last_output = sum.last_output };
    return 0;
}

void screen_show_context(struct screen *s, const char *args, struct err *e)
{
    (void)args;
    if (s->vm.screen == SCREEN_CONTEXT && s->vm.context.title == NULL) {
        s->vm.screen = SCREEN_SESSION;
    } else if (take_snapshot(s, e) < 0) {
        screen_fail(s, e);
    } else {
        s->vm.screen = SCREEN_CONTEXT;
        s->vm.context_scroll = (struct view_scroll){ .selected = (int64_t)s->vm.context.count - 1 };
    }
    screen_changed(s);
}

void screen_context_sync(struct screen *s)
{
    struct err e = ERR_INIT;
    if (s->vm.screen == SCREEN_CONTEXT && s->vm.context.title == NULL && screen_round(s) != NULL &&
        take_snapshot(s, &e) < 0)
        s->vm.screen = SCREEN_SESSION;
}

/* ---- which model ---- */

void screen_fill_model(struct screen *s)
{
    struct planner_context_sum sum;
    struct round *r = screen_round(s);
    s->vm.planner_model = NULL;
    s->vm.queued = r != NULL ? round_queued(r) : 0;
    if (r == NULL || !round_model(r, &sum))
        return;
    snprintf(s->model_words, sizeof s->model_words, "%s%s%s", sum.model,
             sum.effort[0] != '\0' ? " " : "", sum.effort);
    s->vm.planner_model = s->model_words;
}

/* "MODEL@EFFORT", as the planner takes it and the record keeps it. */
static void set_model(struct screen *s, const char *model, const char *effort, struct err *e)
{
    char *word = xasprintf("%s%s%s", model, effort[0] != '\0' ? "@" : "", effort);
    if (round_set_model(screen_round(s), word, e) < 0)
        screen_fail(s, e);
    else
        screen_toast(s, TONE_INFO, "from the next call on: %s", word);
    free(word);
}

void screen_effort(struct screen *s, const char *args, struct err *e)
{
    struct planner_context_sum sum;
    if (!round_model(screen_round(s), &sum))
        screen_toast(s, TONE_INFO, "planner %s asks no model", screen_state(s)->planner);
    else if (!planner_effort_is_known(args))
        screen_toast(s, TONE_INFO, "effort takes one of %s (now: %s)", PLANNER_EFFORTS,
                     sum.effort[0] != '\0' ? sum.effort : "the model's own");
    else
        set_model(s, sum.model, args, e);
}

/* ---- which there are: a page in the place of the context ---- */

static void add_price(int64_t nanousd, struct buf *out)
{
    if (nanousd >= 0) /* nanodollars a token are 0.001 dollars a million */
        (void)buf_addf(out, "$%lld.%02lld", (long long)(nanousd / 1000),
                       (long long)(nanousd % 1000 / 10));
    else
        (void)buf_add_str(out, "?");
}

static void add_model(const struct planner_model *m, struct buf *out)
{
    (void)buf_addf(out, "%s\n    ", m->id);
    if (m->context_tokens > 0)
        (void)buf_addf(out, "window %lld tokens, ", (long long)m->context_tokens);
    (void)buf_add_str(out, "in ");
    add_price(m->input_nanousd_per_token, out);
    (void)buf_add_str(out, ", out ");
    add_price(m->output_nanousd_per_token, out);
    (void)buf_addf(out, " a million%s%s\n", m->title[0] != '\0' ? "  " : "", m->title);
}

static void on_models(void *arg, const struct planner_model *models, size_t count,
                      const struct err *err)
{
    struct screen *s = arg;
    struct buf text = BUF_INIT((size_t)1 << 20);
    s->listing = false;
    if (err != NULL || s->session == NULL || count == 0) {
        screen_toast(s, TONE_BAD, "%s", err != NULL ? err->msg : "the server named no models");
        return;
    }
    screen_drop_models(s);
    s->models = xcalloc(count, sizeof *s->models);
    for (; s->model_count < count; s->model_count++) {
        s->models[s->model_count] = xstrdup(models[s->model_count].id);
        add_model(&models[s->model_count], &text);
    }
    screen_context_release(s);
    s->snapshot = xcalloc(1, sizeof *s->snapshot);
    add_item(s->snapshot, &(struct planner_context_item){
                              .role = "models", .text = buf_str(&text), .text_len = text.len });
    s->vm.context =
        (struct view_context){ .items = s->snapshot->items,
                               .count = 1,
                               .title = "Models: `:model NAME` takes one, Tab completes it" };
    s->vm.context_scroll = (struct view_scroll){ .selected = 0 };
    s->vm.screen = SCREEN_CONTEXT;
    buf_release(&text);
    screen_changed(s);
}

void screen_drop_models(struct screen *s)
{
    for (size_t i = 0; i < s->model_count; i++)
        free(s->models[i]);
    free(s->models);
    s->models = NULL;
    s->model_count = 0;
}

void screen_model(struct screen *s, const char *args, struct err *e)
{
    struct planner_context_sum sum;
    if (!round_model(screen_round(s), &sum)) {
        screen_toast(s, TONE_INFO, "planner %s asks no model", screen_state(s)->planner);
    } else if (args[0] != '\0') {
        set_model(s, args, strrchr(args, '@') == NULL ? sum.effort : "", e);
    } else if (s->listing) {
        screen_toast(s, TONE_WAIT, "still asking the server which models there are");
    } else if (round_list_models(screen_round(s), on_models, s, e) < 0) {
        screen_fail(s, e);
    } else {
        s->listing = true;
        screen_toast(s, TONE_WAIT, "now %s; asking the server which models there are", sum.model);
    }
}
