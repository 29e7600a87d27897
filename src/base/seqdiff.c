/* seqdiff.c - greedy resync on unique items, linear-space Myers in the gaps. */
#include "base/seqdiff.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define EXACT_LEN  4096 /* up to so many items in both together: no resync, no cap */
#define COST_MOST  1024 /* edits from either end before a larger gap is cut; the parts of such a */
#define COST_LEAST 16   /* gap are cut earlier when the budget would not last to the end of them */

#define ABSENT     UINT32_MAX
#define MANY       (UINT32_MAX - 1)

struct box {
    size_t a, a_end, b, b_end;
};

/* Where an item stands in the box at hand: an index, ABSENT or MANY. */
struct place {
    uint32_t a, b;
};

/* One gap without the items that stand on one side only, and the frontiers of the search: the
 * farthest x for each diagonal, from either end. */
struct gap {
    uint32_t *a, *b;         /* items */
    uint32_t *a_pos, *b_pos; /* where they stand in the whole */
    size_t room;             /* of the four together */
    int32_t *front[2];
    int32_t front_room;
    bool was_cut;
};

struct work {
    struct seqdiff *s;
    struct place *places;
    uint32_t *stamps; /* see keep_common */
    uint32_t stamp;
    struct gap gap;
};

static void trim(const struct seqdiff *s, struct box *x)
{
    while (x->a < x->a_end && x->b < x->b_end && s->a[x->a] == s->b[x->b]) {
        x->a++;
        x->b++;
    }
    while (x->a < x->a_end && x->b < x->b_end && s->a[x->a_end - 1] == s->b[x->b_end - 1]) {
        x->a_end--;
        x->b_end--;
    }
}

static void mark_all(struct seqdiff *s, const struct box *x)
{
    memset(s->del + x->a, 1, x->a_end - x->a);
    memset(s->add + x->b, 1, x->b_end - x->b);
}

/* ---- the exact part: Myers' O(ND) search from both ends, which needs linear space ---- */

struct split {
    int32_t x, y;
};

enum found { MEETING, CUT, SPENT };

/* What a search may look at: n items of a, m of b, as seen from its own end. */
struct view {
    const uint32_t *a, *b;
    int32_t n, m;
};

/* The item of a (or b) at x, counted from this end. */
static inline uint32_t item(const uint32_t *p, int32_t len, int32_t x, bool backward)
{
    return backward ? p[len - 1 - x] : p[x];
}

/* First and last diagonal that d edits can reach without leaving the box. */
static inline int32_t low_diagonal(int32_t d, int32_t m)
{
    return d <= m ? -d : d - 2 * m;
}

static inline int32_t high_diagonal(int32_t d, int32_t n)
{
    return d <= n ? d : 2 * n - d;
}

/* Farthest x on diagonal k after d edits, before its run of equal items; -1 when none is inside
 * the box. */
static inline int32_t step(const int32_t *v, const struct view *w, int32_t k, int32_t d)
{
    int32_t x = -1;
    if (d == 0)
        return 0;
    if (k != d && v[k + 1] >= 0 && v[k + 1] - k <= w->m)
        x = v[k + 1]; /* one item of b more */
    if (k != -d && v[k - 1] >= x && v[k - 1] < w->n)
        x = v[k - 1] + 1; /* one item of a more */
    return x;
}

/* One more edit from one end. True when this frontier has met the other one. */
static inline bool advance(const struct view *w, int32_t *v, const int32_t *other, int32_t d,
                           bool backward, uint64_t *steps, struct split *at)
{
    int32_t delta = w->n - w->m, hi = high_diagonal(d, w->n), lo = low_diagonal(d, w->m);
    int32_t other_d = backward ? d : d - 1;
    int32_t other_lo = low_diagonal(other_d, w->m), other_hi = high_diagonal(other_d, w->n);
    bool may_meet = ((delta & 1) != 0) != backward;
    for (int32_t k = lo; k <= hi; k += 2) {
        int32_t x = step(v, w, k, d), from = x, y = x - k;
        if (x >= 0) {
            while (x < w->n && y < w->m &&
                   item(w->a, w->n, x, backward) == item(w->b, w->m, y, backward)) {
                x++;
                y++;
            }
            *steps += (uint64_t)(x - from);
        }
        v[k] = x;
        int32_t back = delta - k; /* the same diagonal, seen from the other end */
        if (may_meet && x >= 0 && back >= other_lo && back <= other_hi && other[back] >= 0 &&
            (int64_t)x + other[back] >= w->n) {
            at->x = backward ? w->n - x : x;
            at->y = backward ? w->m - y : y;
            return true;
        }
    }
    *steps += (uint64_t)(hi - lo) / 2 + 1;
    return false;
}

/* The place farthest along on a frontier of d edits. */
static int64_t farthest(const struct view *w, const int32_t *v, int32_t d, struct split *at)
{
    int64_t best = -1;
    INVARIANT(v != NULL);
    for (int32_t k = low_diagonal(d, w->m); k <= high_diagonal(d, w->n); k += 2) {
        int32_t x = v[k];
        if (x >= 0 && 2 * (int64_t)x - k > best) {
            best = 2 * (int64_t)x - k;
            *at = (struct split){ x, x - k };
        }
    }
    return best;
}

static void make_room(struct gap *g, int32_t edits)
{
    if (edits <= g->front_room)
        return;
    for (int i = 0; i < 2; i++) {
        int32_t *start = g->front[i] != NULL ? g->front[i] - g->front_room - 1 : NULL;
        free(start);
        g->front[i] =
            (int32_t *)xreallocarray(NULL, 2 * (size_t)edits + 3, sizeof **g->front) + edits + 1;
    }
    g->front_room = edits;
}

/* How many edits to try from either end. Each cut costs about cap * cap steps and leads at least
 * cap items on, so cap * size steps are enough for all cuts. */
static int32_t cap_for(const struct work *w, const struct view *v)
{
    int64_t size = (int64_t)v->n + v->m, whole = (size + 1) / 2;
    int64_t fair = (int64_t)(w->s->budget / (uint64_t)size);
    int64_t cap = !w->gap.was_cut || fair > COST_MOST ? COST_MOST : fair;
    cap = cap < COST_LEAST ? COST_LEAST : cap;
    return (int32_t)(size <= EXACT_LEN || whole < cap ? whole : cap);
}

/* A point through which a shortest way leads (MEETING), or the best so far (CUT). */
static enum found find_split(struct work *w, const struct view *v, struct split *at)
{
    struct gap *g = &w->gap;
    int32_t cap = cap_for(w, v);
    uint64_t steps = 0;
    make_room(g, cap + 1);
    enum found found = CUT;
    for (int32_t d = 0; d <= cap && found == CUT; d++) {
        if (advance(v, g->front[0], g->front[1], d, false, &steps, at) ||
            advance(v, g->front[1], g->front[0], d, true, &steps, at))
            found = MEETING;
        else if (steps > w->s->budget)
            found = SPENT;
    }
    w->s->budget -= steps < w->s->budget ? steps : w->s->budget;
    if (found == CUT) {
        struct split back = { 0, 0 };
        int64_t ahead = farthest(v, g->front[0], cap, at);
        if (farthest(v, g->front[1], cap, &back) > ahead)
            *at = (struct split){ v->n - back.x, v->m - back.y };
        g->was_cut = true;
    }
    if (found != MEETING)
        w->s->capped = true;
    return found;
}

static void mark_gap(struct work *w, const struct box *x)
{
    for (size_t i = x->a; i < x->a_end; i++)
        w->s->del[w->gap.a_pos[i]] = 1;
    for (size_t i = x->b; i < x->b_end; i++)
        w->s->add[w->gap.b_pos[i]] = 1;
}

static size_t box_size(const struct box *x)
{
    return x->a_end - x->a + (x->b_end - x->b);
}

/* Marks what must change in a box of the gap. The smaller part of a split is done by recursion and
 * the larger in the loop, so the stack stays as low as the logarithm of the gap. */
static void solve(struct work *w, struct box x)
{
    const struct seqdiff items = { .a = w->gap.a, .b = w->gap.b };
    for (;;) {
        trim(&items, &x);
        if (x.a == x.a_end || x.b == x.b_end) {
            mark_gap(w, &x);
            return;
        }
        struct view v = { items.a + x.a, items.b + x.b, (int32_t)(x.a_end - x.a),
                          (int32_t)(x.b_end - x.b) };
        struct split at = { 0, 0 };
        if (find_split(w, &v, &at) == SPENT) {
            mark_gap(w, &x);
            return;
        }
        struct box left = x, right = x;
        left.a_end = right.a = x.a + (size_t)at.x;
        left.b_end = right.b = x.b + (size_t)at.y;
        bool left_first = box_size(&left) < box_size(&right);
        solve(w, left_first ? left : right);
        x = left_first ? right : left;
    }
}

/* ---- gaps ---- */

static void gap_reserve(struct gap *g, size_t a_len, size_t b_len)
{
    if (g->a == NULL || 2 * (a_len + b_len) > g->room) {
        free(g->a);
        g->room = 2 * (a_len + b_len);
        g->a = xreallocarray(NULL, g->room, sizeof *g->a);
    }
    g->a_pos = g->a + a_len;
    g->b = g->a_pos + a_len;
    g->b_pos = g->b + b_len;
}

/* Take over the items that stand on both sides of the box. The others change in any case, and
 * leaving them out makes the search short without making its result worse. Stamps, two for each
 * gap, say that an item was seen in b, and then in both. */
static struct box keep_common(struct work *w, const struct box *x)
{
    struct seqdiff *s = w->s;
    struct gap *g = &w->gap;
    struct box kept = { 0 };
    uint32_t in_b = w->stamp + 1, in_both = w->stamp + 2;
    w->stamp += 2;
    gap_reserve(g, x->a_end - x->a, x->b_end - x->b);
    for (size_t i = x->b; i < x->b_end; i++)
        w->stamps[s->b[i]] = in_b;
    for (size_t i = x->a; i < x->a_end; i++) {
        uint32_t *stamp = &w->stamps[s->a[i]];
        if (*stamp != in_b && *stamp != in_both) {
            s->del[i] = 1;
            continue;
        }
        *stamp = in_both;
        g->a[kept.a_end] = s->a[i];
        g->a_pos[kept.a_end++] = (uint32_t)i;
    }
    for (size_t i = x->b; i < x->b_end; i++) {
        if (w->stamps[s->b[i]] != in_both) {
            s->add[i] = 1;
            continue;
        }
        g->b[kept.b_end] = s->b[i];
        g->b_pos[kept.b_end++] = (uint32_t)i;
    }
    return kept;
}

static void solve_gap(struct work *w, struct box x)
{
    trim(w->s, &x);
    if (x.a == x.a_end || x.b == x.b_end || box_size(&x) == 2) {
        mark_all(w->s, &x); /* nothing on one side, or one against one that differ */
        return;
    }
    struct box kept = keep_common(w, &x);
    w->gap.was_cut = false;
    solve(w, kept);
}

/* ---- resync ---- */

static void find_places(struct work *w, const struct box *x)
{
    const struct seqdiff *s = w->s;
    memset(w->places, 0xFF, s->classes * sizeof *w->places);
    for (size_t i = x->a; i < x->a_end; i++) {
        uint32_t *p = &w->places[s->a[i]].a;
        *p = *p == ABSENT ? (uint32_t)i : MANY;
    }
    for (size_t i = x->b; i < x->b_end; i++) {
        uint32_t *p = &w->places[s->b[i]].b;
        *p = *p == ABSENT ? (uint32_t)i : MANY;
    }
}

/* Is this item's one pair of places ahead of x, and nearer than `best`? */
static void consider(const struct work *w, const struct box *x, uint32_t id, struct box *to,
                     size_t *best)
{
    struct place p = w->places[id];
    if (p.a >= MANY || p.b >= MANY || p.a < x->a || p.b < x->b)
        return;
    size_t cost = p.a - x->a + (p.b - x->b);
    if (cost < *best) {
        *best = cost;
        to->a_end = p.a;
        to->b_end = p.b;
    }
}

/* The box from here to the nearest item that stands once on both sides (or to the end). Looks no
 * farther than that item, and the walk goes on from there: so all looking is linear. */
static struct box next_gap(const struct work *w, const struct box *x)
{
    struct box to = *x;
    size_t best = SIZE_MAX;
    for (size_t k = 0; k < best && (k < x->a_end - x->a || k < x->b_end - x->b); k++) {
        if (k < x->a_end - x->a)
            consider(w, x, w->s->a[x->a + k], &to, &best);
        if (k < x->b_end - x->b)
            consider(w, x, w->s->b[x->b + k], &to, &best);
    }
    return to;
}

static void resync(struct work *w, struct box x)
{
    const struct seqdiff *s = w->s;
    w->places = xreallocarray(NULL, s->classes, sizeof *w->places);
    find_places(w, &x);
    for (;;) {
        while (x.a < x.a_end && x.b < x.b_end && s->a[x.a] == s->b[x.b]) {
            x.a++;
            x.b++;
        }
        if (x.a == x.a_end || x.b == x.b_end)
            break;
        struct box gap = next_gap(w, &x);
        solve_gap(w, gap);
        x.a = gap.a_end;
        x.b = gap.b_end;
    }
    mark_all(w->s, &x);
    free(w->places);
}

void seqdiff_run(struct seqdiff *s)
{
    struct box x = { 0, s->a_len, 0, s->b_len };
    s->capped = false;
    trim(s, &x);
    if (x.a == x.a_end || x.b == x.b_end) {
        mark_all(s, &x);
        return;
    }
    struct work w = { .s = s };
    w.stamps = xcalloc(s->classes, sizeof *w.stamps);
    if (box_size(&x) <= EXACT_LEN)
        solve_gap(&w, x);
    else
        resync(&w, x);
    free(w.stamps);
    free(w.gap.a);
    for (int i = 0; i < 2; i++)
        free(w.gap.front[i] != NULL ? w.gap.front[i] - w.gap.front_room - 1 : NULL);
}
