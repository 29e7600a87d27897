/* cell.c - the grid: cells, styles, clipping, frames, dump and hash. */
#include "ui/cell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"

const char *style_role_name(enum style_role r)
{
    static const char *const names[ROLE_MAX] = {
        [ROLE_TEXT] = "text",         [ROLE_DIM] = "dim",
        [ROLE_FRAME] = "frame",       [ROLE_FRAME_ON] = "frame-on",
        [ROLE_TITLE] = "title",       [ROLE_STATUS] = "status",
        [ROLE_WAIT] = "wait",         [ROLE_BAD] = "bad",
        [ROLE_GOOD] = "good",         [ROLE_INFO] = "info",
        [ROLE_KEY] = "key",           [ROLE_GUTTER] = "gutter",
        [ROLE_SELECT] = "select",     [ROLE_HIT] = "hit",
        [ROLE_ADD] = "add",           [ROLE_DEL] = "del",
        [ROLE_ADD_WORD] = "add-word", [ROLE_DEL_WORD] = "del-word",
        [ROLE_KEYWORD] = "keyword",   [ROLE_STRING] = "string",
        [ROLE_COMMENT] = "comment",   [ROLE_NUMBER] = "number",
        [ROLE_NAME] = "name",         [ROLE_OPERATOR] = "operator",
        [ROLE_CONTROL] = "control",   [ROLE_HIDDEN] = "hidden",
        [ROLE_INVALID] = "invalid",   [ROLE_CONFUSABLE] = "confusable",
        [ROLE_BLANK] = "blank",       [ROLE_COUNT] = "count",
        [ROLE_JOINED] = "joined",     [ROLE_HEADING] = "heading",
        [ROLE_STRONG] = "strong",     [ROLE_EMPHASIS] = "emphasis",
        [ROLE_CODE] = "code",         [ROLE_PROMPT] = "prompt",
    };
    return (unsigned)r < ROLE_MAX ? names[r] : "text";
}

struct rect rect_inner(struct rect r)
{
    struct rect in = { r.x + 1, r.y + 1, r.w - 2, r.h - 2 };
    if (in.w < 0)
        in.w = 0;
    if (in.h < 0)
        in.h = 0;
    return in;
}

bool rect_has(struct rect r, int x, int y)
{
    return x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;
}

/* ---- the grid itself ---- */

static const struct cell blank = { .cp = ' ', .width = 1 };

static int clamp_side(int n)
{
    return n < 0 ? 0 : n > GRID_SIDE_MAX ? GRID_SIDE_MAX : n;
}

void grid_init(struct grid *g, int w, int h)
{
    memset(g, 0, sizeof *g);
    grid_resize(g, w, h);
}

void grid_resize(struct grid *g, int w, int h)
{
    w = clamp_side(w);
    h = clamp_side(h);
    if (w != g->w || h != g->h) {
        free(g->cells);
        g->cells = xcalloc((size_t)w * (size_t)h + 1, sizeof *g->cells);
        g->w = w;
        g->h = h;
    }
    grid_clear(g);
}

void grid_release(struct grid *g)
{
    free(g->cells);
    free(g->pool);
    memset(g, 0, sizeof *g);
}

void grid_clear(struct grid *g)
{
    size_t w = (size_t)g->w, h = (size_t)g->h;
    for (size_t x = 0; x < w && h > 0; x++)
        g->cells[x] = blank;
    for (size_t y = 1; y < h; y++)
        memcpy(g->cells + y * w, g->cells, w * sizeof *g->cells);
    g->pool_count = 0;
}

struct cell *grid_at(struct grid *g, int x, int y)
{
    if (x < 0 || y < 0 || x >= g->w || y >= g->h)
        return NULL;
    return &g->cells[(size_t)y * (size_t)g->w + (size_t)x];
}

/* The same where the place is known to be inside. */
static struct cell *inside(struct grid *g, int x, int y)
{
    return &g->cells[(size_t)y * (size_t)g->w + (size_t)x];
}

size_t grid_cell_text(const struct grid *g, const struct cell *c, uint32_t out[1 + TEXT_MARKS_MAX])
{
    if (c->width == 0)
        return 0;
    if (c->cp & CELL_POOL) {
        const struct cell_cluster *k = &g->pool[c->cp & ~CELL_POOL];
        memcpy(out, k->cp, sizeof k->cp);
        return k->count;
    }
    out[0] = c->cp;
    return 1;
}

static bool style_equal(struct style a, struct style b)
{
    return a.role == b.role && a.attrs == b.attrs && a.fg == b.fg && a.bg == b.bg;
}

bool grid_cell_equal(const struct grid *a, const struct cell *x, const struct grid *b,
                     const struct cell *y)
{
    if (x->width != y->width || !style_equal(x->style, y->style))
        return false;
    if (!((x->cp | y->cp) & CELL_POOL))
        return x->cp == y->cp;
    uint32_t s[1 + TEXT_MARKS_MAX] = { 0 }, t[1 + TEXT_MARKS_MAX] = { 0 };
    size_t n = grid_cell_text(a, x, s);
    return n == grid_cell_text(b, y, t) && memcmp(s, t, n * sizeof *s) == 0;
}

static uint32_t pool_add(struct grid *g, const struct text_glyph *gl)
{
    if (g->pool_count == g->pool_cap) {
        g->pool_cap = g->pool_cap ? g->pool_cap * 2 : 16;
        g->pool = xreallocarray(g->pool, g->pool_cap, sizeof *g->pool);
    }
    struct cell_cluster *k = &g->pool[g->pool_count];
    memset(k, 0, sizeof *k);
    memcpy(k->cp, gl->cp, gl->count * sizeof *k->cp);
    k->count = gl->count;
    return CELL_POOL | (uint32_t)g->pool_count++;
}

/* A cell is about to be overwritten: what is left of a wide character becomes blank. */
static void repair(struct grid *g, int x, int y)
{
    struct cell *c = inside(g, x, y);
    if (c->width == 0 && x > 0) {
        c[-1].cp = ' ';
        c[-1].width = 1;
        c->cp = ' ';
        c->width = 1;
    } else if (c->width == 2 && x + 1 < g->w) {
        c[1].cp = ' ';
        c[1].width = 1;
    }
}

/* What a glyph looks like over `base`. */
static struct style glyph_style(const struct text_glyph *gl, struct style base)
{
    static const uint8_t roles[] = {
        [MARK_CONTROL] = ROLE_CONTROL, [MARK_HIDDEN] = ROLE_HIDDEN,
        [MARK_INVALID] = ROLE_INVALID, [MARK_CONFUSABLE] = ROLE_CONFUSABLE,
        [MARK_BLANK] = ROLE_BLANK,     [MARK_COUNT] = ROLE_COUNT,
        [MARK_JOINED] = ROLE_JOINED,
    };
    if (gl->mark != MARK_NONE) {
        base.role = roles[gl->mark];
        base.fg = 0;
        return base;
    }
    if (gl->sgr.fg)
        base.fg = gl->sgr.fg;
    if (gl->sgr.bg)
        base.bg = gl->sgr.bg;
    if (gl->sgr.bold)
        base.attrs |= STYLE_BOLD;
    if (gl->sgr.underline)
        base.attrs |= STYLE_UNDERLINE;
    return base;
}

int grid_put_glyph(struct grid *g, int x, int y, int max_x, const struct text_glyph *gl,
                   struct style base)
{
    if (max_x > g->w)
        max_x = g->w;
    if (y < 0 || y >= g->h || x + gl->width > max_x)
        return x;
    if (x < 0)
        return x + gl->width;
    struct cell *c = inside(g, x, y);
    repair(g, x, y);
    c->style = glyph_style(gl, base);
    c->width = gl->width;
    c->cp = gl->count > 1 ? pool_add(g, gl) : gl->cp[0];
    if (gl->width == 2) {
        repair(g, x + 1, y);
        c[0].width = 2;
        c[1] = (struct cell){ .cp = 0, .style = c->style, .width = 0 };
    }
    return x + gl->width;
}

int grid_put_textn(struct grid *g, int x, int y, int max_x, const char *s, size_t len,
                   struct style st)
{
    struct text_iter it;
    struct text_glyph gl;
    text_begin(&it, s, len, TEXT_PROSE, false);
    it.ascii = g->ascii;
    while (x < max_x && text_next(&it, &gl)) {
        int next = grid_put_glyph(g, x, y, max_x, &gl, st);
        if (next == x)
            break;
        x = next;
    }
    return x;
}

int grid_put_text(struct grid *g, int x, int y, int max_x, const char *s, struct style st)
{
    return grid_put_textn(g, x, y, max_x, s, strlen(s), st);
}

int grid_put_fit(struct grid *g, int x, int y, int max_x, const char *s, struct style st)
{
    size_t len = strlen(s), used;
    if (max_x > g->w)
        max_x = g->w;
    if (max_x <= x)
        return x;
    size_t room = (size_t)(max_x - x);
    size_t fit = text_fit(s, len, room, TEXT_PROSE, &used);
    if (fit == len)
        return grid_put_textn(g, x, y, max_x, s, len, st);
    fit = text_fit(s, len, room - 1, TEXT_PROSE, &used);
    x = grid_put_textn(g, x, y, max_x - 1, s, fit, st);
    return grid_put_text(g, x, y, max_x, grid_symbol(g, SYM_MORE), st);
}

int grid_put_format(struct grid *g, int x, int y, int max_x, struct style st, const char *fmt, ...)
{
    char room[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(room, sizeof room, fmt, ap);
    va_end(ap);
    if (n < 0)
        return x;
    return grid_put_textn(g, x, y, max_x, room,
                          (size_t)n < sizeof room ? (size_t)n : sizeof room - 1, st);
}

static struct rect clip(const struct grid *g, struct rect r)
{
    if (r.x < 0) {
        r.w += r.x;
        r.x = 0;
    }
    if (r.y < 0) {
        r.h += r.y;
        r.y = 0;
    }
    if (r.w > g->w - r.x)
        r.w = g->w - r.x;
    if (r.h > g->h - r.y)
        r.h = g->h - r.y;
    if (r.w < 0)
        r.w = 0;
    if (r.h < 0)
        r.h = 0;
    return r;
}

void grid_fill(struct grid *g, struct rect r, uint32_t cp, struct style st)
{
    INVARIANT(text_cp_is_safe(cp) && text_cp_width(cp) == 1);
    r = clip(g, r);
    for (int y = r.y; y < r.y + r.h; y++) {
        if (r.w > 0) {
            repair(g, r.x, y);
            repair(g, r.x + r.w - 1, y);
        }
        for (int x = r.x; x < r.x + r.w; x++)
            *inside(g, x, y) = (struct cell){ .cp = cp, .style = st, .width = 1 };
    }
}

void grid_paint(struct grid *g, struct rect r, struct style st)
{
    r = clip(g, r);
    for (int y = r.y; y < r.y + r.h; y++)
        for (int x = r.x; x < r.x + r.w; x++)
            inside(g, x, y)->style = st;
}

/* ---- frames: each line character is a set of arms, and sets are united where lines meet ---- */

enum arm { ARM_UP = 1, ARM_RIGHT = 2, ARM_DOWN = 4, ARM_LEFT = 8 };

static const uint16_t arm_lines[16] = {
    [ARM_UP] = 0x2502,
    [ARM_RIGHT] = 0x2500,
    [ARM_DOWN] = 0x2502,
    [ARM_LEFT] = 0x2500,
    [ARM_UP | ARM_DOWN] = 0x2502,
    [ARM_LEFT | ARM_RIGHT] = 0x2500,
    [ARM_RIGHT | ARM_DOWN] = 0x250c,
    [ARM_LEFT | ARM_DOWN] = 0x2510,
    [ARM_RIGHT | ARM_UP] = 0x2514,
    [ARM_LEFT | ARM_UP] = 0x2518,
    [ARM_UP | ARM_DOWN | ARM_RIGHT] = 0x251c,
    [ARM_UP | ARM_DOWN | ARM_LEFT] = 0x2524,
    [ARM_LEFT | ARM_RIGHT | ARM_DOWN] = 0x252c,
    [ARM_LEFT | ARM_RIGHT | ARM_UP] = 0x2534,
    [15] = 0x253c,
};

static unsigned arms_of(const struct cell *c)
{
    if (c->style.role != ROLE_FRAME && c->style.role != ROLE_FRAME_ON)
        return 0; /* a program's own line drawing joins nothing */
    if (c->cp == '-')
        return ARM_LEFT | ARM_RIGHT;
    if (c->cp == '|')
        return ARM_UP | ARM_DOWN;
    if (c->cp == '+')
        return 15; /* in ASCII all joints look alike */
    for (unsigned i = 1; i < 16; i++)
        if (arm_lines[i] == c->cp && (i & (i - 1)))
            return i;
    return 0;
}

static void draw_arms(struct grid *g, int x, int y, unsigned arms, struct style st)
{
    struct cell *c = grid_at(g, x, y);
    if (!c)
        return;
    arms |= arms_of(c);
    bool on = c->style.role == ROLE_FRAME_ON;
    uint32_t cp = arm_lines[arms];
    if (g->ascii)
        cp = cp == 0x2502 ? '|' : cp == 0x2500 ? '-' : '+';
    repair(g, x, y);
    *c = (struct cell){ .cp = cp, .style = st, .width = 1 };
    if (on)
        c->style.role = ROLE_FRAME_ON; /* the focus keeps its whole border */
}

void grid_box(struct grid *g, struct rect r, struct style st)
{
    int x2 = r.x + r.w - 1, y2 = r.y + r.h - 1;
    for (int y = r.y; y <= y2; y++) {
        bool edge = y == r.y || y == y2;
        for (int x = r.x; x <= x2; x += edge || x2 == r.x ? 1 : x2 - r.x) {
            unsigned arms = 0;
            if (edge)
                arms |= (x > r.x ? ARM_LEFT : 0u) | (x < x2 ? ARM_RIGHT : 0u);
            if (x == r.x || x == x2)
                arms |= (y > r.y ? ARM_UP : 0u) | (y < y2 ? ARM_DOWN : 0u);
            draw_arms(g, x, y, arms, st);
        }
    }
}

/* ---- dump and hash ---- */

static void dump_row(const struct grid *g, int y, struct buf *out)
{
    const struct cell *row = g->cells + (size_t)y * (size_t)g->w;
    int end = g->w;
    while (end > 0 && row[end - 1].cp == ' ')
        end--;
    for (int x = 0; x < end; x++) {
        uint32_t cps[1 + TEXT_MARKS_MAX];
        size_t n = grid_cell_text(g, &row[x], cps);
        for (size_t i = 0; i < n; i++) {
            char s[4];
            (void)buf_add(out, s, utf8_encode(cps[i], s));
        }
    }
    (void)buf_add_char(out, '\n');
}

static void dump_style(struct style st, struct buf *out)
{
    (void)buf_add_str(out, style_role_name(st.role));
    if (st.fg)
        (void)buf_addf(out, " fg=%d", st.fg - 1);
    if (st.bg)
        (void)buf_addf(out, " bg=%d", st.bg - 1);
    static const char *const attrs[] = { " bold", " underline", " reverse", " dim" };
    for (unsigned i = 0; i < 4; i++)
        if (st.attrs & (1u << i))
            (void)buf_add_str(out, attrs[i]);
}

static void dump_styles(const struct grid *g, int y, struct buf *out)
{
    const struct cell *row = g->cells + (size_t)y * (size_t)g->w;
    const char *before = "";
    for (int x = 0; x < g->w;) {
        int from = x;
        struct style st = row[x].style;
        while (x < g->w && style_equal(row[x].style, st))
            x++;
        if (style_equal(st, STYLE(ROLE_TEXT)))
            continue;
        if (!before[0])
            (void)buf_addf(out, "%d:", y);
        (void)buf_addf(out, "%s %d-%d ", before, from, x - 1);
        dump_style(st, out);
        before = ",";
    }
    if (before[0])
        (void)buf_add_char(out, '\n');
}

void grid_dump(const struct grid *g, struct buf *out)
{
    (void)buf_addf(out, "%dx%d\n", g->w, g->h);
    for (int y = 0; y < g->h; y++)
        dump_row(g, y, out);
    (void)buf_add_str(out, "styles\n");
    for (int y = 0; y < g->h; y++)
        dump_styles(g, y, out);
}

uint64_t grid_hash(const struct grid *g)
{
    uint64_t h = 0xcbf29ce484222325u;
    size_t n = (size_t)g->w * (size_t)g->h;
    h = (h ^ (uint64_t)g->w << 16 ^ (uint64_t)g->h) * 0x100000001b3u;
    for (size_t i = 0; i < n; i++) {
        const struct cell *c = &g->cells[i];
        uint32_t cps[1 + TEXT_MARKS_MAX];
        size_t k = grid_cell_text(g, c, cps);
        for (size_t j = 0; j < k; j++)
            h = (h ^ cps[j]) * 0x100000001b3u;
        uint64_t st = (uint64_t)c->style.role | (uint64_t)c->style.attrs << 8 |
                      (uint64_t)c->style.fg << 16 | (uint64_t)c->style.bg << 32 |
                      (uint64_t)c->width << 48;
        h = (h ^ st) * 0x100000001b3u;
    }
    return h;
}

/* ---- symbols ---- */

const char *grid_symbol(const struct grid *g, enum symbol s)
{
    static const struct {
        const char *utf8, *ascii;
    } table[SYM_MAX] = {
        [SYM_OK] = { "\xe2\x9c\x93", "v" },     [SYM_FAIL] = { "\xe2\x9c\x97", "x" },
        [SYM_NOW] = { "\xe2\x96\xb6", ">" },    [SYM_PENDING] = { "\xc2\xb7", "." },
        [SYM_DOT] = { "\xc2\xb7", "-" },        [SYM_OPEN] = { "\xe2\x97\x8b", "o" },
        [SYM_FULL] = { "\xe2\x97\x8f", "*" },   [SYM_WAIT] = { "\xe2\x80\x96", "=" },
        [SYM_DENIED] = { "\xe2\x8a\x98", "/" }, [SYM_EDITED] = { "\xe2\x9c\x8e", "e" },
        [SYM_MORE] = { "\xe2\x80\xa6", "~" },   [SYM_LINE] = { "\xe2\x94\x80", "-" },
        [SYM_MINUS] = { "\xe2\x88\x92", "-" },  [SYM_DELTA] = { "\xce\x94", "d" },
        [SYM_ARROW] = { "\xe2\x86\x92", "->" }, [SYM_POINT] = { "\xe2\x97\x80", "<" },
        [SYM_MASK] = { "\xe2\x96\x92", "#" },   [SYM_UP] = { "\xe2\x86\x91", "^" },
        [SYM_DOWN] = { "\xe2\x86\x93", "v" },   [SYM_TWIN] = { "\xe2\x89\x88", "~" },
        [SYM_WRAP] = { "\xe2\x86\xaa", "\\" },  [SYM_BULLET] = { "\xe2\x80\xa2", "*" },
        [SYM_HALF] = { "\xe2\x96\x80", "#" },   [SYM_RULE] = { "\xe2\x94\x82", "|" },
        [SYM_LOCK] = { "\xe2\x96\xa0", "#" },   [SYM_ABOUT] = { "\xe2\x89\xa4", "<=" },
        [SYM_TIMES] = { "\xc3\x97", "x" },
    };
    return g->ascii ? table[s].ascii : table[s].utf8;
}
