/* export_cast.c - the screen as it was, as an asciinema cast (version 2): after each pause of the
 * record the session is drawn on a grid, and the cells that changed become one line. All the
 * sequences in it are ours: moving the cursor, colours, clearing. [SAN-1] */
#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/export_doc.h"
#include "cli/pastgate.h"
#include "ui/theme.h"
#include "ui/view.h"

#define FRAME_US INT64_C(50000) /* events closer than this are one picture */
#define LINE_MAX ((size_t)16 << 20)
#define COLORS   256

struct cast {
    struct export *x;
    struct state state;
    struct view_model vm;
    struct past_gate gate;
    struct theme theme;
    struct grid grid[2]; /* what is drawn, and what was drawn before */
    struct buf bytes, line;
    int64_t first_us, now_us, drawn_us;
    bool began, dirty;
    struct err *e;
    bool failed;
};

/* ---- cells as bytes for a terminal ---- */

static void put_look(struct cast *c, struct theme_look look)
{
    (void)buf_add_str(&c->bytes, "\033[0");
    (void)buf_add_str(&c->bytes, (look.attrs & STYLE_BOLD) != 0 ? ";1" : "");
    (void)buf_add_str(&c->bytes, (look.attrs & STYLE_DIM) != 0 ? ";2" : "");
    (void)buf_add_str(&c->bytes, (look.attrs & STYLE_UNDERLINE) != 0 ? ";4" : "");
    (void)buf_add_str(&c->bytes, (look.attrs & STYLE_REVERSE) != 0 ? ";7" : "");
    if (look.fg >= 0)
        (void)buf_addf(&c->bytes, ";38;5;%d", look.fg);
    if (look.bg >= 0)
        (void)buf_addf(&c->bytes, ";48;5;%d", look.bg);
    (void)buf_add_char(&c->bytes, 'm');
}

static void put_cell(struct cast *c, const struct grid *g, const struct cell *cell)
{
    uint32_t cp[1 + TEXT_MARKS_MAX];
    char utf8[4];
    size_t n = grid_cell_text(g, cell, cp);
    for (size_t i = 0; i < n; i++)
        (void)buf_add(&c->bytes, utf8, utf8_encode(cp[i], utf8));
}

static bool same_look(struct theme_look a, struct theme_look b)
{
    return a.fg == b.fg && a.bg == b.bg && a.attrs == b.attrs;
}

/* The changed cells of one row; neighbours need no new place for the cursor. */
static void put_row(struct cast *c, int y, struct theme_look *look, bool *has_look)
{
    struct grid *now = &c->grid[0], *was = &c->grid[1];
    int at = -1;
    for (int x = 0; x < now->w; x++) {
        const struct cell *cell = grid_at(now, x, y);
        if (cell->width == 0 || grid_cell_equal(now, cell, was, grid_at(was, x, y)))
            continue;
        struct theme_look l = theme_resolve(&c->theme, cell->style, COLORS);
        if (at != x)
            (void)buf_addf(&c->bytes, "\033[%d;%dH", y + 1, x + 1);
        if (!*has_look || !same_look(*look, l))
            put_look(c, l);
        *look = l;
        *has_look = true;
        put_cell(c, now, cell);
        at = x + cell->width;
    }
}

static void put_bytes(struct cast *c, int64_t at_us)
{
    struct json_w w;
    (void)buf_addf(&c->line, "[%" PRId64 ".%06" PRId64 ",\"o\",", at_us / 1000000, at_us % 1000000);
    json_w_init(&w, &c->line);
    json_w_strn(&w, NULL, buf_str(&c->bytes), c->bytes.len);
    (void)!json_w_end(&w);
    (void)buf_add_str(&c->line, "]\n");
    outfile_add(c->x->out, buf_str(&c->line), c->line.len);
    buf_reset(&c->line);
    buf_reset(&c->bytes);
}

static void draw(struct cast *c)
{
    struct theme_look look = { .fg = -1, .bg = -1 };
    bool has_look = false;
    c->vm.source = export_source(c->x);
    c->vm.now_us = c->state.last_at_us;
    past_gate_fill(&c->gate, &c->state, &c->vm.gate);
    view_draw(&c->state, &c->vm, &c->grid[0], NULL);
    if (!c->began)
        (void)buf_add_str(&c->bytes, "\033[?25l\033[0m\033[2J");
    c->began = true;
    for (int y = 0; y < c->grid[0].h; y++)
        put_row(c, y, &look, &has_look);
    if (c->bytes.len > 0)
        put_bytes(c, c->now_us - c->first_us);
    struct grid was = c->grid[1];
    c->grid[1] = c->grid[0];
    c->grid[0] = was;
    c->drawn_us = c->now_us;
    c->dirty = false;
}

/* ---- the record ---- */

static int on_event(void *arg, const struct event *ev)
{
    struct cast *c = arg;
    if (c->first_us == 0)
        c->first_us = c->now_us = c->drawn_us = ev->at_us;
    /* A clock that was set back stands still here. */
    int64_t at_us = ev->at_us > c->now_us ? ev->at_us : c->now_us;
    if (c->dirty && (at_us - c->now_us >= FRAME_US || at_us - c->drawn_us >= FRAME_US))
        draw(c);
    c->now_us = at_us;
    if (state_apply(&c->state, ev, NULL, c->e) < 0) {
        c->failed = true;
        return 1;
    }
    c->dirty = true;
    return outfile_failed(c->x->out);
}

static void put_header(struct cast *c)
{
    const struct state *st = &c->x->final;
    struct buf title = BUF_INIT(LINE_MAX);
    struct json_w w;
    const char *text = st->name[0] != '\0' ? st->name : st->task;
    text_clean(&title, text, strcspn(text, "\n"), TEXT_PROSE, false, false);
    json_w_init(&w, &c->line);
    json_w_object(&w, NULL);
    json_w_int(&w, "version", 2);
    json_w_int(&w, "width", c->grid[0].w);
    json_w_int(&w, "height", c->grid[0].h);
    json_w_int(&w, "timestamp", st->created_at_us / 1000000);
    json_w_int(&w, "idle_time_limit", 2);
    json_w_strn(&w, "title", buf_str(&title), title.len);
    json_w_object(&w, "env");
    json_w_str(&w, "TERM", "xterm-256color");
    json_w_close_object(&w);
    json_w_close_object(&w);
    (void)!json_w_end(&w);
    outfile_add(c->x->out, c->line.ptr, c->line.len);
    outfile_add_str(c->x->out, "\n");
    buf_reset(&c->line);
    buf_release(&title);
}

static void init(struct cast *c)
{
    const struct export *x = c->x;
    for (int i = 0; i < 2; i++)
        grid_init(&c->grid[i], x->columns, x->rows);
    state_init(&c->state);
    state_set_session(&c->state, store_id(x->store));
    view_model_init(&c->vm);
    c->vm.cache = view_cache_new();
    past_gate_init(&c->gate);
}

static void release(struct cast *c)
{
    for (int i = 0; i < 2; i++)
        grid_release(&c->grid[i]);
    state_release(&c->state);
    past_gate_release(&c->gate);
    view_cache_free(c->vm.cache);
    buf_release(&c->bytes);
    buf_release(&c->line);
}

int export_cast(struct export *x, struct err *e)
{
    struct cast c = { .x = x, .bytes = BUF_INIT(LINE_MAX), .line = BUF_INIT(4 * LINE_MAX), .e = e };
    if (theme_load(&c.theme, "default", COLORS, e) < 0)
        return -1;
    init(&c);
    put_header(&c);
    int rc = export_each(x, on_event, &c, e);
    if (rc == 0 && !c.failed && c.dirty)
        draw(&c);
    (void)buf_add_str(&c.bytes, "\033[0m\033[?25h");
    put_bytes(&c, c.now_us - c.first_us);
    release(&c);
    return c.failed ? -1 : rc;
}
