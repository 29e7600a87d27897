/* view_replay.c - the bar of a replay: where it stands, how fast it goes, what lies on the way. It
 * stands in the row of the prompt, since there is nobody to talk to. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>

static void clock_text(int64_t us, char *out, size_t size)
{
    int64_t s = us / 1000000;
    if (s >= 3600)
        snprintf(out, size, "%lld:%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60),
                 (long long)(s % 60));
    else
        snprintf(out, size, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
}

struct texts {
    char left[96], right[64];
};

static struct texts bar_texts(const struct view_replay *p, int w)
{
    struct texts t = { .left = "" };
    char at[32], of[32];
    clock_text(p->pos_us, at, sizeof at);
    clock_text(p->total_us, of, sizeof of);
    snprintf(t.left, sizeof t.left, "%s %s %s/%s", p->playing ? "playing" : "stopped", p->speed, at,
             of);
    if (w >= 60)
        snprintf(t.right, sizeof t.right, "#%llu/%llu", (unsigned long long)p->seq,
                 (unsigned long long)p->last);
    return t;
}

/* The bar proper, in the row of the prompt; w < 1: no room. */
static struct rect bar_rect(const struct view_replay *p, struct rect row)
{
    struct texts t = bar_texts(p, row.w);
    int left = 2 + (int)strlen(t.left) + 1, right = t.right[0] ? (int)strlen(t.right) + 2 : 1;
    return (struct rect){ row.x + left, row.y + row.h - 1, row.w - left - right, 1 };
}

static int column_of(struct rect r, int64_t part, int64_t whole)
{
    if (whole <= 0 || part <= 0)
        return 0;
    return part >= whole ? r.w - 1 : (int)(part * (r.w - 1) / whole);
}

static void draw_ticks(const struct view *v, struct rect r)
{
    static const struct {
        uint8_t role, symbol;
    } looks[] = {
        [TICK_RUN] = { ROLE_DIM, SYM_DOT },
        [TICK_GATE] = { ROLE_WAIT, SYM_RULE },
        [TICK_HIGH] = { ROLE_BAD, SYM_MAX },
        [TICK_FAILURE] = { ROLE_BAD, SYM_FAIL },
    };
    const struct view_replay *p = &v->vm->replay;
    for (int kind = TICK_RUN; kind <= TICK_FAILURE; kind++) {
        const char *text = looks[kind].symbol == SYM_MAX ? "!" : SYM(v, looks[kind].symbol);
        for (size_t i = 0; i < p->tick_count; i++)
            if (p->ticks[i].kind == kind)
                grid_put_text(v->g, r.x + column_of(r, p->ticks[i].at, VIEW_BAR_PARTS), r.y,
                              r.x + r.w, text, STYLE(looks[kind].role));
    }
}

void view_draw_bar(const struct view *v)
{
    const struct view_replay *p = &v->vm->replay;
    struct rect row = v->l->prompt, r = bar_rect(p, row);
    struct texts t = bar_texts(p, row.w);
    int y = row.y + row.h - 1;
    if (row.h == 0)
        return;
    if (p->reading) {
        grid_put_fit(v->g, row.x + 1, y, row.x + row.w, p->reading, STYLE(ROLE_WAIT));
        return;
    }
    grid_put_fit(v->g, row.x + 1, y, row.x + row.w, t.left,
                 STYLE(p->playing ? ROLE_KEY : ROLE_TEXT));
    grid_put_text(v->g, row.x + row.w - 1 - (int)strlen(t.right), y, row.x + row.w, t.right,
                  STYLE(ROLE_DIM));
    if (r.w < 4)
        return;
    int here = p->total_us > 0 ? column_of(r, p->pos_us, p->total_us)
                               : column_of(r, (int64_t)p->seq, (int64_t)p->last);
    for (int x = 0; x < r.w; x++)
        grid_put_text(v->g, r.x + x, r.y, r.x + r.w, x < here ? "=" : SYM(v, SYM_LINE),
                      STYLE(x < here ? ROLE_KEY : ROLE_DIM));
    draw_ticks(v, r);
    struct style at = STYLE(ROLE_KEY);
    at.attrs = STYLE_BOLD;
    grid_put_text(v->g, r.x + here, r.y, r.x + r.w, SYM(v, SYM_FULL), at);
}

int view_bar_at(const struct state *st, const struct view_model *vm, int w, int h, int x, int y)
{
    struct layout l;
    if (!vm->replay.on || vm->replay.reading || vm->focus == PANE_PROMPT)
        return -1;
    view_layout(st, vm, w, h, &l);
    struct rect r = bar_rect(&vm->replay, l.prompt);
    if (l.too_small || r.w < 4 || !rect_has(r, x, y))
        return -1;
    return (x - r.x) * VIEW_BAR_PARTS / (r.w - 1);
}
