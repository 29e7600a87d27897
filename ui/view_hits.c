/* view_hits.c - what a search of all sessions found, as a list. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>

/* The line from a little before the hit, the hit marked. */
static void draw_text(const struct view *v, int x, int y, int end, const struct view_hit *h)
{
    struct text_iter it;
    struct text_glyph gl;
    size_t from = h->at > 24 ? h->at - 16 : 0;
    while (from > 0 && ((unsigned char)h->text[from] & 0xc0) == 0x80)
        from--;
    text_begin(&it, h->text + from, h->text_len - from, TEXT_CODE, false);
    it.ascii = v->g->ascii;
    while (x < end && text_next(&it, &gl)) {
        size_t at = from + gl.start;
        bool hit = at >= h->at && at < h->at + h->hit_len;
        x = grid_put_glyph(v->g, x, y, end, &gl, STYLE(hit ? ROLE_HIT : ROLE_TEXT));
    }
}

static void draw_hit(const struct view *v, struct rect r, int y, const struct view_hit *h,
                     bool selected)
{
    char place[64];
    int end = r.x + r.w, x = r.x + 1, place_at = x + (r.w >= 100 ? 22 : 15),
        text_at = place_at + 18;
    grid_put_fit(v->g, x, y, place_at - 1, h->name[0] ? h->name : h->session,
                 STYLE(h->name[0] ? ROLE_TEXT : ROLE_DIM));
    if (h->run)
        snprintf(place, sizeof place, "%u %s:%llu", h->run, h->where, (unsigned long long)h->line);
    else
        snprintf(place, sizeof place, "%s:%llu", h->where, (unsigned long long)h->line);
    grid_put_fit(v->g, place_at, y, text_at - 1, place, STYLE(ROLE_INFO));
    draw_text(v, text_at, y, end, h);
    if (selected)
        grid_paint(v->g, (struct rect){ r.x, y, r.w, 1 }, STYLE(ROLE_SELECT));
}

void view_draw_hits(const struct view *v)
{
    const struct view_model *vm = v->vm;
    const struct view_scroll *s = &vm->scroll[PANE_TIMELINE];
    struct rect r = view_frame(v, "Found", vm->hits_status ? vm->hits_status : "");
    size_t n = vm->hit_count;
    int64_t selected = vm->focus != PANE_PROMPT ? (s->selected >= 0 ? s->selected : 0) : -1;
    if (r.h < 1)
        return;
    if (selected >= (int64_t)n)
        selected = (int64_t)n - 1;
    size_t first = view_list_first(n, (size_t)r.h, s->top, selected);
    for (int i = 0; i < r.h && first + (size_t)i < n; i++)
        draw_hit(v, r, r.y + i, &vm->hits[first + (size_t)i], selected == (int64_t)first + i);
}
