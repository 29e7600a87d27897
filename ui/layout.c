/* layout.c - which pane stands where. */
#include "ui/layout.h"

#include <string.h>

const char *view_pane_name(enum view_pane p)
{
    static const char *const names[PANE_COUNT] = {
        "Prompt", "Plan", "Code", "Out", "Err", "Gate", "Timeline", "State", "Notes", "Record"
    };
    return (unsigned)p < PANE_COUNT ? names[p] : "";
}

static int at_least(int n, int min)
{
    return n < min ? min : n;
}

static int at_most(int n, int max)
{
    return n > max ? max : n;
}

/* Rows of the gate, its two borders included. */
static int gate_height(int h)
{
    return 2 + (h < 16 ? 3 : h < 28 ? 4 : h < 44 ? 7 : 10);
}

/* Split `area` (frame included) into an upper part whose frame is `top` rows high and the rest;
 * they share a border. */
static void split_rows(struct rect area, int top, struct rect *a, struct rect *b)
{
    top = at_most(at_least(top, 3), at_least(area.h - 2, 3));
    *a = (struct rect){ area.x, area.y, area.w, at_most(top, area.h) };
    *b = (struct rect){ area.x, area.y + top - 1, area.w, at_least(area.h - top + 1, 0) };
}

static void split_columns(struct rect area, int left, struct rect *a, struct rect *b)
{
    *a = (struct rect){ area.x, area.y, left, area.h };
    *b = (struct rect){ area.x + left - 1, area.y, area.w - left + 1, area.h };
}

/* Code above, the two streams below. A pane without a place of its own that has the focus takes it
 * all. */
static void place_work(struct layout *l, struct rect area, const struct layout_ask *ask)
{
    enum view_pane f = ask->focus;
    if (f != PANE_PROMPT && f != PANE_GATE && f < PANE_COUNT && l->pane[f].w == 0 &&
        f != PANE_CODE && f != PANE_OUT && f != PANE_ERR) {
        l->pane[f] = area;
        return;
    }
    if (ask->gate_open && ask->no_output && f != PANE_OUT && f != PANE_ERR) {
        l->pane[PANE_CODE] = area;
        return;
    }
    struct rect below;
    int inner = area.h - 3, out = ask->gate_open ? inner / 3 : inner * 2 / 5;
    split_rows(area, area.h - at_least(out, 1) - 1, &l->pane[PANE_CODE], &below);
    if (area.w >= 64)
        split_columns(below, area.w * 57 / 100, &l->pane[PANE_OUT], &l->pane[PANE_ERR]);
    else
        l->pane[f == PANE_ERR ? PANE_ERR : PANE_OUT] = below;
}

static void place_one(struct layout *l, struct rect area, const struct layout_ask *ask)
{
    enum view_pane p = ask->focus;
    if (p == PANE_PROMPT || p >= PANE_COUNT)
        p = ask->main;
    if (p == PANE_PROMPT || p == PANE_GATE || p >= PANE_COUNT)
        p = PANE_CODE;
    l->pane[p] = area;
}

static void place_stacked(struct layout *l, struct rect area, const struct layout_ask *ask)
{
    if (ask->h >= 24)
        split_rows(area, 3, &l->pane[PANE_PLAN], &area);
    place_work(l, area, ask);
}

static void place_two_columns(struct layout *l, struct rect area, const struct layout_ask *ask)
{
    struct rect left, right;
    split_columns(area, at_most(at_least(area.w * 325 / 1000, 34), 48), &left, &right);
    int rows = left.h;
    if (ask->h >= 24)
        split_rows(left, rows * 3 / 8, &l->pane[PANE_PLAN], &left);
    split_rows(left, left.h * 11 / 20, &l->pane[PANE_TIMELINE], &l->pane[PANE_STATE]);
    place_work(l, right, ask);
}

static void place_three_columns(struct layout *l, struct rect area, const struct layout_ask *ask)
{
    struct rect left, middle, right;
    split_columns(area, at_most(area.w * 22 / 100, 52), &left, &middle);
    split_columns(middle, middle.w - at_most(area.w * 24 / 100, 58) + 1, &middle, &right);
    int rows = left.h;
    if (ask->h >= 24)
        split_rows(left, rows * 3 / 10, &l->pane[PANE_PLAN], &left);
    split_rows(left, left.h / 2, &l->pane[PANE_STATE], &l->pane[PANE_NOTES]);
    split_rows(right, right.h * 11 / 20, &l->pane[PANE_TIMELINE], &l->pane[PANE_RECORD]);
    place_work(l, middle, ask);
}

void layout_make(struct layout *out, const struct layout_ask *ask)
{
    struct layout *l = out;
    int w = ask->w, h = ask->h;
    memset(l, 0, sizeof *l);
    l->columns = w < 100 || h < 16 ? 1 : w < 180 ? 2 : 3;
    l->framed = true;
    if (w < LAYOUT_MIN_W || h < LAYOUT_MIN_H) {
        l->too_small = true;
        l->columns = 1;
        return;
    }
    int hints = h >= 16 ? 1 : 0;
    int prompt = ask->gate_open ? 1 : at_most(at_least(ask->prompt_rows, 1), h / 4);
    l->status = (struct rect){ 0, 0, w, 1 };
    l->prompt = (struct rect){ 0, h - hints - prompt, w, prompt };
    l->hints = (struct rect){ 0, h - hints, w, hints };
    l->body = (struct rect){ 0, 1, w, h - 1 - hints - prompt };

    struct rect area = l->body;
    enum view_pane zoom = ask->zoom < PANE_COUNT ? ask->zoom : PANE_PROMPT;
    if (zoom != PANE_PROMPT && ask->gate_open && (ask->focus == PANE_GATE || zoom == PANE_GATE))
        zoom = PANE_CODE; /* what is decided stays in sight */
    bool zoomed = zoom != PANE_PROMPT;
    if (ask->gate_open) {
        int gate = gate_height(h), share = zoomed ? 0 : 1; /* a shared border */
        l->pane[PANE_GATE] = (struct rect){ 0, area.y + area.h - gate, w, gate };
        area.h -= gate - share;
        if (zoomed)
            l->pane[PANE_GATE].y++, l->pane[PANE_GATE].h--, area.h++; /* no lower border */
    }
    if (zoomed) {
        l->framed = false;
        l->pane[zoom] = area;
    } else if (h < 16) {
        place_one(l, area, ask);
    } else if (l->columns == 1) {
        place_stacked(l, area, ask);
    } else if (l->columns == 2) {
        place_two_columns(l, area, ask);
    } else {
        place_three_columns(l, area, ask);
    }
}

struct rect layout_inner(const struct layout *l, enum view_pane p)
{
    struct rect r = l->pane[p];
    if (l->framed)
        return rect_inner(r);
    if (r.h > 0) {
        r.y++;
        r.h--;
    }
    return r;
}

enum view_pane layout_pane_at(const struct layout *l, int x, int y)
{
    for (int p = PANE_PLAN; p < PANE_COUNT; p++)
        if (rect_has(l->pane[p], x, y))
            return (enum view_pane)p;
    return PANE_PROMPT;
}

enum view_pane layout_next_pane(const struct layout *l, enum view_pane from, int dir)
{
    int p = from, n = PANE_COUNT - 1;
    for (int tries = 0; tries < n; tries++) {
        p += dir < 0 ? -1 : 1;
        if (p < PANE_PLAN)
            p = PANE_COUNT - 1;
        else if (p >= PANE_COUNT)
            p = PANE_PLAN;
        if (p != PANE_GATE || l->pane[PANE_GATE].w > 0)
            return (enum view_pane)p;
    }
    return PANE_CODE;
}

static bool rect_equal(struct rect a, struct rect b)
{
    return a.x == b.x && a.y == b.y && a.w == b.w && a.h == b.h;
}

bool layout_equal(const struct layout *a, const struct layout *b)
{
    bool same = a->too_small == b->too_small && a->columns == b->columns &&
                a->framed == b->framed && rect_equal(a->status, b->status) &&
                rect_equal(a->body, b->body) && rect_equal(a->prompt, b->prompt) &&
                rect_equal(a->hints, b->hints);
    for (int i = 0; same && i < PANE_COUNT; i++)
        same = rect_equal(a->pane[i], b->pane[i]);
    return same;
}
