/* view_result.c - rich results: text, JSON, Markdown and pictures below (or instead of) stdout. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "ui/image.h"
#include "ui/markdown.h"

static bool is_image(const struct state_result *k)
{
    return strncmp(k->mime, "image/", 6) == 0 && strcmp(k->mime, "image/svg+xml") != 0;
}

/* One value comes in several forms: the one that says most in cells. A picture counts wherever it
 * came from (a plot is displayed, and the cell's value is then a list of its lines); sources of
 * pages and the data behind a plot come last. */
static int worth(const struct state_result *k)
{
    static const char *const kinds[] = { /* from the least */
                                         "application/vnd.e2b.chart+json",
                                         "application/vnd.e2b.data+json",
                                         "application/javascript",
                                         "text/html",
                                         "image/svg+xml",
                                         "text/latex",
                                         "text/plain",
                                         "application/json",
                                         "text/markdown"
    };
    int value = 2;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i], k->mime) == 0)
            value = (int)i;
    return value + (is_image(k) ? 1000 : 0) + (k->main ? 100 : 0);
}

static const struct state_result *chosen(const struct state *st, const struct view_model *vm,
                                         const struct state_run **run)
{
    const struct state_run *r = view_output_run(st, vm);
    *run = r;
    if (!r || r->result_count == 0)
        return NULL;
    if (vm->show_result)
        return &r->results[vm->result < r->result_count ? vm->result : r->result_count - 1];
    const struct state_result *best = &r->results[0];
    for (size_t i = 1; i < r->result_count; i++)
        if (worth(&r->results[i]) >= worth(best)) /* of equals the last */
            best = &r->results[i];
    return best;
}

static const struct image *picture(const struct view_model *vm, const struct state_run *run,
                                   const struct state_result *k, const char **why)
{
    *why = "the picture can't be shown here; o saves it";
    return vm->images.get ? vm->images.get(vm->images.arg, run->number, k, why) : NULL;
}

/* ---- JSON, two blanks a level ---- */

#define JSON_FLAT 48

static void put_json(struct buf *out, const struct json *v, unsigned depth)
{
    enum json_kind kind = json_kind(v);
    bool object = kind == JSON_OBJECT;
    if (kind != JSON_ARRAY && !object) {
        (void)json_print(v, out);
        return;
    }
    const char *open = object ? "{" : "[", *close = object ? "}" : "]";
    struct buf flat = BUF_INIT(JSON_FLAT);
    bool is_short = json_print(v, &flat) == 0; /* those stay in one line */
    if (is_short)
        (void)buf_add(out, flat.ptr, flat.len);
    buf_release(&flat);
    if (is_short)
        return;
    (void)buf_add_str(out, open);
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        (void)buf_addf(out, "%s\n%*s", m == json_first(v) ? "" : ",", (int)depth * 2 + 2, "");
        if (object)
            (void)buf_addf(out, "\"%s\": ", json_key(m));
        put_json(out, m, depth + 1);
    }
    if (json_len(v))
        (void)buf_addf(out, "\n%*s", (int)depth * 2, "");
    (void)buf_add_str(out, close);
}

static void build_text(struct prose *p, const struct state_result *k, size_t width)
{
    const char *s = k->text;
    size_t len = s ? strlen(s) : 0;
    struct json *root = NULL;
    if (!s) {
        char note[96], size[32];
        view_bytes(k->bytes, size, sizeof size);
        snprintf(note, sizeof note, "%s of %.40s; o saves it", size, k->mime);
        prose_add_plain(p, note, strlen(note), width, ROLE_DIM);
    } else if (strcmp(k->mime, "text/markdown") == 0) {
        prose_add_markdown(p, s, len, width);
    } else if (strcmp(k->mime, "application/json") == 0 && len <= PROSE_BYTES_MAX &&
               json_parse(&root, s, len, NULL) == 0) {
        struct buf b = BUF_INIT(2 * PROSE_BYTES_MAX);
        put_json(&b, root, 0);
        prose_add_plain(p, buf_str(&b), b.len, width, ROLE_TEXT);
        buf_release(&b);
    } else {
        prose_add_plain(p, s, len, width, ROLE_TEXT);
    }
    json_free(root);
}

/* Rows the contents of a result would take. */
static int wanted(const struct view_model *vm, const struct state_run *run,
                  const struct state_result *k, struct rect inner)
{
    const char *why;
    const struct image *img = is_image(k) ? picture(vm, run, k, &why) : NULL;
    if (img)
        return image_rows(img, inner.w - 2, 1000);
    if (is_image(k))
        return 1;
    struct prose p;
    prose_init(&p);
    build_text(&p, k, inner.w > 3 ? (size_t)inner.w - 2 : 1);
    size_t n = p.line_count;
    prose_release(&p);
    return n > 1000 ? 1000 : (int)n;
}

int view_result_rows(const struct state *st, const struct view_model *vm, struct rect inner)
{
    const struct state_run *run;
    const struct state_result *k = chosen(st, vm, &run);
    if (!k || inner.h < 2 || inner.w < 4)
        return 0;
    if (vm->show_result)
        return inner.h;
    const struct state_output *o = &run->out[STREAM_STDOUT];
    uint64_t lines = o->newlines + (o->bytes > 0 && !o->ends_in_newline);
    int rows = 1 + wanted(vm, run, k, inner), room = lines ? inner.h / 2 : inner.h;
    if (lines < (uint64_t)(inner.h - room)) /* what stdout does not need */
        room = inner.h - (int)lines;
    return rows < room ? rows : room;
}

static void draw_divider(const struct view *v, struct rect r, const struct state_run *run,
                         const struct state_result *k)
{
    char text[128], size[32];
    for (int x = r.x; x < r.x + r.w; x++)
        grid_put_text(v->g, x, r.y, r.x + r.w, SYM(v, SYM_LINE), STYLE(ROLE_FRAME));
    view_bytes(k->bytes, size, sizeof size);
    size_t at = (size_t)(k - run->results) + 1;
    if (run->result_count > 1)
        snprintf(text, sizeof text, " result %zu/%zu %.60s %s ", at, run->result_count, k->mime,
                 size);
    else
        snprintf(text, sizeof text, " result %.60s %s ", k->mime, size);
    grid_put_fit(v->g, r.x + 1, r.y, r.x + r.w - 1, text, STYLE(ROLE_DIM));
}

void view_draw_results(const struct view *v, struct rect r)
{
    bool all = v->vm->show_result; /* it can be scrolled */
    const struct state_run *run;
    const struct state_result *k = chosen(v->st, v->vm, &run);
    const char *why = NULL;
    if (!k || r.h < 1)
        return;
    draw_divider(v, r, run, k);
    r.y++;
    r.h--;
    r.x++;
    r.w -= 2;
    const struct image *img = is_image(k) ? picture(v->vm, run, k, &why) : NULL;
    if (img) {
        image_draw(v->g, r, img, v->vm->colors);
        return;
    }
    if (is_image(k)) {
        if (r.h > 0)
            grid_put_fit(v->g, r.x, r.y, r.x + r.w, why, STYLE(ROLE_DIM));
        return;
    }
    struct prose p;
    prose_init(&p);
    build_text(&p, k, r.w > 1 ? (size_t)r.w : 1);
    size_t top = all ? (size_t)v->vm->scroll[PANE_OUT].row : 0, rows = (size_t)(r.h > 0 ? r.h : 0),
           max = p.line_count > rows ? p.line_count - rows : 0;
    if (top > max)
        top = max;
    if (all)
        v->info->rows[PANE_OUT] = p.line_count;
    for (size_t i = 0; i < rows && top + i < p.line_count; i++)
        grid_put_prose(v->g, r.x, r.y + (int)i, r.x + r.w, &p, top + i);
    if (!all && p.line_count > rows && rows > 0) {
        char more[40];
        int w = snprintf(more, sizeof more, " +%zu lines", p.line_count - rows);
        grid_put_fit(v->g, r.x + r.w - w, r.y + r.h - 1, r.x + r.w, more, STYLE(ROLE_DIM));
    }
    prose_release(&p);
}
