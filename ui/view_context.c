/* view_context.c - what the model sees: a row for each message with its tokens, and the text of the
 * one with the cursor. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>
#include "ui/markdown.h"

#define ABOVE 2 /* the sums and the line under the list */

int view_context_rows(const struct view_model *vm, int full)
{
    if (vm->context.title)
        return 0;
    int most = full / 2 > ABOVE ? full / 2 : ABOVE;
    int want = vm->context.count < 1000 ? (int)vm->context.count + ABOVE : 1000;
    return want < most ? want : most;
}

/* "12 345", so that big numbers can be read. */
static void put_count(int64_t n, char *out, size_t size)
{
    if (n >= 1000000)
        snprintf(out, size, "%lld %03d %03d", (long long)(n / 1000000), (int)(n / 1000 % 1000),
                 (int)(n % 1000));
    else if (n >= 1000)
        snprintf(out, size, "%d %03d", (int)(n / 1000), (int)(n % 1000));
    else
        snprintf(out, size, "%d", (int)(n > 0 ? n : 0));
}

static int64_t sum_of(const struct view_context *c)
{
    int64_t sum = 0;
    for (size_t i = 0; i < c->count; i++)
        sum += c->items[i].tokens;
    return sum;
}

static void draw_sums(const struct view *v, struct rect r)
{
    const struct view_context *c = &v->vm->context;
    char all[32], of[32], in[32], out[32], text[256];
    int64_t sum = sum_of(c);
    size_t at = 0;
    put_count(sum, all, sizeof all);
    int n = snprintf(text, sizeof text, "the next call: ~%s tokens", all);
    at = n > 0 ? (size_t)n : 0;
    if (c->window_tokens > 0) {
        put_count(c->window_tokens, of, sizeof of);
        n = snprintf(text + at, sizeof text - at, " of %s (%lld.%lld %%)", of,
                     (long long)(sum * 100 / c->window_tokens),
                     (long long)(sum * 1000 / c->window_tokens % 10));
        at += n > 0 ? (size_t)n : 0;
    }
    if (c->last_input >= 0) {
        put_count(c->last_input, in, sizeof in);
        put_count(c->last_output, out, sizeof out);
        snprintf(text + at, sizeof text - at, "   the last: %s in, %s out, counted by the server",
                 in, out);
    }
    grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w, text, STYLE(ROLE_TEXT));
}

/* Its beginning as one line. */
static void beginning(const struct view *v, const struct view_context_item *it, char *out,
                      size_t size)
{
    size_t at = 0;
    bool between = false;
    for (size_t i = 0; i < it->text_len && at + 8 < size; i++) {
        char c = it->text[i];
        if (c == '\n' || c == ' ') {
            between = between || c == '\n';
            if (c == '\n' || at == 0 || out[at - 1] == ' ')
                continue;
        } else if (between && at > 0) {
            int n = snprintf(out + at, size - at, " %s ", SYM(v, SYM_BULLET));
            at += n > 0 ? (size_t)n : 0;
        }
        if (c != ' ')
            between = false;
        out[at++] = c;
    }
    out[at] = '\0';
}

static void draw_row(const struct view *v, struct rect r, int y, size_t i, bool chosen)
{
    const struct view_context_item *it = &v->vm->context.items[i];
    char count[32], tokens[48], marks[48], line[512];
    put_count(it->tokens, count, sizeof count);
    snprintf(tokens, sizeof tokens, "%s%s", it->counted ? "" : "~", count);
    snprintf(marks, sizeof marks, "%s%s%s", it->shortened ? "shortened" : "",
             it->shortened && it->unsent ? ", " : "", it->unsent ? "next call" : "");
    int end = r.x + r.w, right = end - (marks[0] ? (int)strlen(marks) + 1 : 0);
    int x = grid_put_format(v->g, r.x, y, end, STYLE(ROLE_GUTTER), "%4zu ", i + 1);
    grid_put_text(v->g, x, y, right, it->role, STYLE(ROLE_KEY));
    x += 13;
    grid_put_format(v->g, x, y, right, STYLE(ROLE_DIM), "%9s", tokens);
    x += 11;
    beginning(v, it, line, sizeof line);
    if (x < right - 1)
        grid_put_fit(v->g, x, y, right - 1, line, STYLE(ROLE_TEXT));
    grid_put_text(v->g, right, y, end, marks, STYLE(it->shortened ? ROLE_WAIT : ROLE_INFO));
    if (chosen)
        grid_paint(v->g, (struct rect){ r.x, y, r.w, 1 }, STYLE(ROLE_SELECT));
}

static void draw_text(const struct view *v, struct rect r, const struct view_context_item *it)
{
    struct prose p;
    size_t top = (size_t)v->vm->context_scroll.top, rows = (size_t)(r.h > 0 ? r.h : 0);
    prose_init(&p);
    prose_add_plain(&p, it->text, it->text_len, r.w > 2 ? (size_t)r.w - 2 : 1, ROLE_TEXT);
    v->info->rows[PANE_PROMPT] = p.line_count;
    if (top + rows > p.line_count)
        top = p.line_count > rows ? p.line_count - rows : 0;
    for (size_t i = 0; i < rows && top + i < p.line_count; i++)
        grid_put_prose(v->g, r.x + 1, r.y + (int)i, r.x + r.w, &p, top + i);
    prose_release(&p);
}

void view_draw_context(const struct view *v)
{
    const struct view_context *c = &v->vm->context;
    char title[160];
    snprintf(title, sizeof title, "What the model sees: %.80s%s%s", c->model ? c->model : "",
             c->effort && c->effort[0] ? ", effort " : "", c->effort ? c->effort : "");
    struct rect r =
        view_frame(v, c->title ? c->title : title, c->title ? "q back" : "Space scrolls  q back");
    int above = view_context_rows(v->vm, r.h), list = above - ABOVE;
    if (v->st->gate.open && v->l->pane[PANE_GATE].w) {
        grid_box(v->g, v->l->pane[PANE_GATE], STYLE(ROLE_FRAME));
        view_draw_gate(v);
    }
    if (r.h < 4 || c->count == 0)
        return;
    int64_t at = v->vm->context_scroll.selected;
    size_t chosen = at < 0 || (size_t)at >= c->count ? c->count - 1 : (size_t)at;
    if (c->title) {
        draw_text(v, r, &c->items[0]);
        return;
    }
    draw_sums(v, r);
    size_t first = view_list_first(c->count, (size_t)(list > 0 ? list : 1),
                                   v->vm->context_scroll.row, (int64_t)chosen);
    for (int i = 0; i < list && first + (size_t)i < c->count; i++)
        draw_row(v, r, r.y + 1 + i, first + (size_t)i, first + (size_t)i == chosen);
    for (int x = r.x; x < r.x + r.w; x++)
        grid_put_text(v->g, x, r.y + above - 1, r.x + r.w, SYM(v, SYM_LINE), STYLE(ROLE_FRAME));
    draw_text(v, (struct rect){ r.x, r.y + above, r.w, r.h - above }, &c->items[chosen]);
}
