/* view_start.c - the screen before a session: recent sessions; and the help. */
#include "ui/view_int.h"

#include <stdio.h>
#include <string.h>
#include "ui/keymap.h"
#include "ui/markdown.h"

/* ---- recent sessions ---- */

struct rect view_frame(const struct view *v, const char *title, const char *right)
{
    struct rect r = view_full_rect(v->st, v->l);
    struct style st = STYLE(v->vm->focus != PANE_PROMPT ? ROLE_FRAME_ON : ROLE_FRAME);
    grid_box(v->g, r, st);
    grid_put_format(v->g, r.x + 1, r.y, r.x + r.w - 1, STYLE(ROLE_TITLE), " %s ", title);
    int w = (int)strlen(right);
    if (w && r.w > w + 24)
        grid_put_format(v->g, r.x + r.w - w - 3, r.y, r.x + r.w - 1, STYLE(ROLE_DIM), " %s ",
                        right);
    return rect_inner(r);
}

static const char first_words[] =
    "Airlock shows what an agent wants to run, and runs only what you approve.\n"
    "\n"
    "Type a task, or one of these:\n"
    "\n"
    "  !print(6*7)  your own code\n"
    "  :tour        a guided first session; no key, no network\n"
    "  F1           keys and commands\n";

static void draw_welcome(const struct view *v, struct rect r)
{
    struct prose p;
    prose_init(&p);
    prose_add_plain(&p, first_words, sizeof first_words - 1, r.w > 4 ? (size_t)r.w - 4 : 1,
                    ROLE_TEXT);
    int spare = r.h - (int)p.line_count, y = r.y + (spare > 0 ? spare / 3 : 0);
    for (size_t i = 0; i < p.line_count && y < r.y + r.h; i++, y++)
        grid_put_prose(v->g, r.x + 2, y, r.x + r.w, &p, i);
    prose_release(&p);
}

static void ago(int64_t us, char *out, size_t size)
{
    int64_t s = us > 0 ? us / 1000000 : 0;
    if (s < 60)
        snprintf(out, size, "now");
    else if (s < 3600)
        snprintf(out, size, "%lld min", (long long)s / 60);
    else if (s < 86400)
        snprintf(out, size, "%lld h", (long long)s / 3600);
    else
        snprintf(out, size, "%lld d", (long long)s / 86400);
}

static void draw_session(const struct view *v, struct rect r, int y, const struct view_session *s,
                         bool selected)
{
    char age[32], money[32] = "", runs[48];
    bool wide = r.w >= 100;
    int end = r.x + r.w, x = r.x, name_end = x + 9 + (wide ? 24 : 18),
        right = end - (wide ? 34 : 20);
    bool broken = s->problem && s->problem[0];
    ago(v->vm->now_us - s->last_us, age, sizeof age);
    if (s->cost_nanousd && wide)
        view_money(s->cost_nanousd, money, sizeof money);
    grid_put_text(v->g, x, y, end, s->marked ? SYM(v, SYM_OK) : " ", STYLE(ROLE_INFO));
    x++;
    grid_put_format(v->g, x, y, end, STYLE(ROLE_DIM), "%6.12s", age);
    bool named = s->name && s->name[0];
    char id[12];
    snprintf(id, sizeof id, "%.10s", s->id); /* enough to be told from others */
    grid_put_fit(v->g, x + 8, y, name_end, named ? s->name : id,
                 STYLE(s->live ? ROLE_INFO
                       : named ? ROLE_TEXT
                               : ROLE_DIM));
    const char *words = broken ? s->problem : s->task;
    int behind = grid_put_fit(v->g, name_end + 1, y, right, words ? words : "",
                              STYLE(broken ? ROLE_BAD : ROLE_TEXT));
    if (s->tags && s->tags[0] && behind + 2 < right)
        grid_put_fit(v->g, behind + 1, y, right, s->tags, STYLE(ROLE_INFO));
    snprintf(runs, sizeof runs, "%3lld run%s", (long long)s->runs, s->runs == 1 ? " " : "s");
    x = grid_put_text(v->g, right + 1, y, end, runs, STYLE(ROLE_DIM)) + 1;
    if (s->failed || s->denied)
        x = grid_put_format(v->g, x, y, end, STYLE(ROLE_BAD), "%s%lld",
                            SYM(v, s->failed ? SYM_FAIL : SYM_DENIED),
                            (long long)(s->failed ? s->failed : s->denied)) +
            1;
    const char *state = s->live       ? "live"
                        : s->waiting  ? "gate"
                        : s->archived ? "archived"
                        : s->foreign  ? "foreign"
                        : s->outcome  ? s->outcome
                                      : "";
    x = grid_put_fit(v->g, x, y, end - 1, state,
                     STYLE(s->live      ? ROLE_INFO
                           : s->waiting ? ROLE_WAIT
                                        : ROLE_DIM));
    grid_put_text(v->g, x + 1, y, end, money, STYLE(ROLE_DIM));
    if (selected)
        grid_paint(v->g, (struct rect){ r.x, y, r.w, 1 }, STYLE(ROLE_SELECT));
}

/* Where the preview goes: beside a wide list, below a high one; else there is none. */
static struct rect cut_preview(const struct view *v, struct rect *list)
{
    struct rect p = *list;
    bool shown = v->vm->list.preview != NULL && v->vm->focus != PANE_PROMPT;
    if (shown && list->w >= 150) {
        p.w = list->w * 2 / 5;
        p.x = list->x + list->w - p.w;
        list->w -= p.w + 1;
    } else if (shown && list->h >= 14) {
        p.h = list->h * 2 / 5;
        p.y = list->y + list->h - p.h;
        list->h -= p.h + 1;
    } else {
        p.w = p.h = 0;
    }
    return p;
}

static void draw_preview(const struct view *v, struct rect r, const struct rect *list)
{
    struct prose p;
    if (r.h < 1 || r.w < 10)
        return;
    if (r.y > list->y)
        grid_fill(v->g, (struct rect){ r.x, r.y - 1, r.w, 1 }, v->g->ascii ? '-' : 0x2500,
                  STYLE(ROLE_FRAME));
    else
        grid_fill(v->g, (struct rect){ r.x - 1, r.y, 1, r.h }, v->g->ascii ? '|' : 0x2502,
                  STYLE(ROLE_FRAME));
    prose_init(&p);
    prose_add_plain(&p, v->vm->list.preview, strlen(v->vm->list.preview), (size_t)r.w - 1,
                    ROLE_TEXT);
    for (size_t i = 0; i < p.line_count && (int)i < r.h; i++)
        grid_put_prose(v->g, r.x + 1, r.y + (int)i, r.x + r.w, &p, i);
    prose_release(&p);
}

static void list_words(const struct view *v, char *out, size_t size)
{
    const struct view_list *l = &v->vm->list;
    const char *filter = l->filter ? l->filter : "";
    if (l->note)
        snprintf(out, size, "%.60s", l->note);
    else if (l->marked)
        snprintf(out, size, "%zu marked", l->marked);
    else if (filter[0])
        snprintf(out, size, "%zu with %.40s", v->vm->session_count, filter);
    else
        snprintf(out, size, "%s", v->vm->focus == PANE_PROMPT ? "Esc chooses" : "Enter opens");
}

void view_draw_sessions(const struct view *v)
{
    const struct view_model *vm = v->vm;
    size_t n = vm->session_count;
    const struct view_scroll *s = &vm->scroll[PANE_TIMELINE];
    bool filtered = (vm->list.filter && vm->list.filter[0]) || vm->list.trash;
    char words[160];
    list_words(v, words, sizeof words);
    struct rect r = view_frame(v,
                               vm->list.trash  ? "Trash"
                               : n || filtered ? "Sessions"
                                               : "Airlock",
                               n || filtered ? words : "");
    if (r.h < 1)
        return;
    if (n == 0 && !filtered) {
        draw_welcome(v, r);
        return;
    }
    if (n == 0)
        grid_put_text(v->g, r.x + 2, r.y, r.x + r.w,
                      vm->list.trash ? "the trash is empty" : "no session matches",
                      STYLE(ROLE_DIM));
    struct rect preview = cut_preview(v, &r);
    int64_t selected =
        vm->focus != PANE_PROMPT || filtered ? (s->selected >= 0 ? s->selected : 0) : -1;
    if (selected >= (int64_t)n)
        selected = (int64_t)n - 1;
    size_t first = view_list_first(n, (size_t)r.h, s->top, selected);
    for (int i = 0; i < r.h && first + (size_t)i < n; i++)
        draw_session(v, r, r.y + i, &vm->sessions[first + (size_t)i],
                     selected == (int64_t)first + i);
    draw_preview(v, preview, &r);
}

/* ---- help: the key table, drawn ---- */

#define HELP_W 90 /* columns of a column, where there is room for two */

/* One line of the printed help: a heading, or keys and what they do, two blanks between. */
static void add_help_line(struct prose *p, const char *s, size_t n, size_t width)
{
    char name[64];
    size_t gap = 2;
    if (n == 0) {
        prose_add_empty(p);
        return;
    }
    if (*s != ' ') {
        prose_add_span(p, s, n, ROLE_HEADING, false);
        return;
    }
    while (gap + 1 < n && !(s[gap] == ' ' && s[gap + 1] == ' '))
        gap++;
    size_t text = gap;
    while (text < n && s[text] == ' ')
        text++;
    snprintf(name, sizeof name, "%.*s", (int)gap, s);
    struct prose_field f = { name, text, ROLE_KEY, ROLE_TEXT };
    prose_add_field(p, &f, s + text, n - text, width);
}

/* Whose keys come first: those of the place one came from. */
static unsigned place_of(const struct view_model *vm)
{
    unsigned place = view_place(vm, vm->help_over);
    if (vm->replay.on && place != KEYMAP_IN_PAGE)
        return KEYMAP_IN_REPLAY;
    return place == KEYMAP_IN_PANE || place == KEYMAP_IN_LIST ? KEYMAP_IN_PANE | KEYMAP_IN_LIST
                                                              : place;
}

/* How the help stands in a frame of that inner size. */
struct help {
    struct prose p;
    size_t rows, columns, width;
};

static void help_make(struct help *h, const struct view_model *vm, struct rect r)
{
    struct buf text = BUF_INIT((size_t)64 << 10);
    h->rows = (size_t)(r.h > 0 ? r.h : 1);
    h->columns = r.w >= 2 * HELP_W ? 2 : 1;
    h->width = (size_t)(r.w > 0 ? r.w : 1) / h->columns;
    prose_init(&h->p);
    (void)keymap_print_help(place_of(vm), &text);
    for (const char *s = buf_str(&text); *s;) {
        size_t n = strcspn(s, "\n");
        add_help_line(&h->p, s, n, h->width > 2 ? h->width - 2 : 1);
        s += n + (s[n] == '\n');
    }
    buf_release(&text);
}

void view_draw_help(const struct view *v)
{
    struct rect r = view_frame(v, "Keys and commands", "/ search  q back");
    struct help h;
    if (v->st->gate.open && v->l->pane[PANE_GATE].w) {
        grid_box(v->g, v->l->pane[PANE_GATE], STYLE(ROLE_FRAME));
        view_draw_gate(v);
    }
    help_make(&h, v->vm, r);
    size_t page = h.rows * h.columns, top = (size_t)v->vm->help_scroll.top, lines = h.p.line_count;
    if (top + page > lines)
        top = lines > page ? lines - page : 0;
    for (size_t i = 0; i < page && top + i < lines && r.h > 0; i++) {
        int x = r.x + 1 + (int)(i / h.rows * h.width), y = r.y + (int)(i % h.rows);
        grid_put_prose(v->g, x, y, x + (int)h.width - 1, &h.p, top + i);
        if (top + i + 1 == v->vm->help_hit)
            grid_paint(v->g, (struct rect){ x, y, (int)h.width - 1, 1 }, STYLE(ROLE_HIT));
    }
    /* as one column of what is left to scroll through */
    v->info->rows[PANE_PROMPT] = lines > page - h.rows ? lines - (page - h.rows) : 0;
    prose_release(&h.p);
}

static bool line_has(const struct prose *p, size_t line, const char *text)
{
    struct buf all = BUF_INIT(64 << 10);
    const struct prose_line *l = &p->lines[line];
    for (size_t i = l->first; i < l->first + l->count; i++)
        (void)buf_add(&all, p->text.ptr + p->spans[i].start, p->spans[i].len);
    bool has = view_find(buf_str(&all), all.len, text, strlen(text)) != SIZE_MAX;
    buf_release(&all);
    return has;
}

enum view_found view_search_help(struct view_model *vm, struct rect r, int dir)
{
    struct help h;
    help_make(&h, vm, r);
    size_t lines = h.p.line_count, at = vm->help_hit > 0 ? vm->help_hit - 1 : vm->help_scroll.top;
    if (vm->help_hit > 0 || dir < 0)
        at += (size_t)dir; /* before the first it wraps to SIZE_MAX, which ends it */
    while (at < lines && !line_has(&h.p, at, vm->search.text))
        at += (size_t)dir;
    prose_release(&h.p);
    if (at >= lines)
        return VIEW_NOT_FOUND;
    vm->help_hit = at + 1;
    vm->help_scroll.top = at > h.rows / 3 ? at - h.rows / 3 : 0;
    return VIEW_FOUND;
}
