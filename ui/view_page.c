/* view_page.c - a page of lines over the panes: what going back would cost, the branches of a
 * session, when a variable changed, two runs side by side. */
#include "ui/view_int.h"

#include <stdlib.h>
#include <string.h>

#include "ui/markdown.h"

static enum style_role tone_role(enum view_tone tone)
{
    static const uint8_t roles[] = { ROLE_TEXT, ROLE_INFO, ROLE_WAIT, ROLE_GOOD, ROLE_BAD };
    return (enum style_role)roles[tone];
}

/* Lines that can be picked take one row; others are wrapped. `first` gets where each begins. */
static void lay_out(const struct view_page *page, size_t width, struct prose *p, size_t *first)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct view_page_line *l = &page->lines[i];
        first[i] = p->line_count;
        if (l->len == 0)
            prose_add_empty(p);
        else if (l->pick || l->whole)
            prose_add_span(p, l->text, l->len, tone_role(l->tone), false);
        else
            prose_add_plain(p, l->text, l->len, width, tone_role(l->tone));
    }
    first[page->count] = p->line_count;
}

void view_draw_page(const struct view *v)
{
    const struct view_page *page = &v->vm->page;
    struct rect r = view_frame(v, page->title, page->right ? page->right : "q back");
    if (v->st->gate.open && v->l->pane[PANE_GATE].w) {
        grid_box(v->g, v->l->pane[PANE_GATE], STYLE(ROLE_FRAME));
        view_draw_gate(v);
    }
    size_t *first = xcalloc(page->count + 1, sizeof *first);
    struct prose p;
    prose_init(&p);
    lay_out(page, r.w > 2 ? (size_t)r.w - 2 : 1, &p, first);
    bool picks = page->selected >= 0 && (size_t)page->selected < page->count;
    size_t rows = r.h > 0 ? (size_t)r.h : 0,
           top = view_list_first(p.line_count, rows, page->top,
                                 picks ? (int64_t)first[page->selected] : -1);
    for (size_t i = 0; i < rows && top + i < p.line_count; i++) {
        int y = r.y + (int)i;
        grid_put_prose(v->g, r.x + 1, y, r.x + r.w - 1, &p, top + i);
        if (picks && top + i == first[page->selected])
            grid_paint(v->g, (struct rect){ r.x, y, r.w, 1 }, STYLE(ROLE_SELECT));
    }
    v->info->rows[PANE_PROMPT] = p.line_count;
    prose_release(&p);
    free(first);
}

/* ---- moving ---- */

static void move_pick(struct view_page *page, long steps)
{
    int64_t at = page->selected;
    for (int64_t i = at + (steps < 0 ? -1 : 1); i >= 0 && (size_t)i < page->count && steps != 0;
         i += steps < 0 ? -1 : 1) {
        if (!page->lines[i].pick)
            continue;
        at = i;
        steps += steps < 0 ? 1 : -1;
    }
    page->selected = at;
}

void view_page_move(struct view_page *page, enum view_move m, size_t rows, int height)
{
    long page_rows = height > 2 ? height - 1 : 1;
    long steps = m == MOVE_UP          ? -1
                 : m == MOVE_DOWN      ? 1
                 : m == MOVE_PAGE_UP   ? -page_rows
                 : m == MOVE_PAGE_DOWN ? page_rows
                 : m == MOVE_HALF_UP   ? -(page_rows + 1) / 2
                 : m == MOVE_HALF_DOWN ? (page_rows + 1) / 2
                 : m == MOVE_TOP       ? -1000000
                 : m == MOVE_BOTTOM    ? 1000000
                                       : 0;
    if (page->selected >= 0) {
        move_pick(page, steps);
        return;
    }
    long max = (long)rows > height ? (long)rows - height : 0, to = (long)page->top + steps;
    page->top = (uint64_t)(to < 0 ? 0 : to > max ? max : to);
}
