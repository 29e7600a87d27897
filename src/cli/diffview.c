/* diffview.c - keys and terminal around ui/view_diff.h. It looks at records only: nothing can run
 * or be decided here. */
#include "cli/diffview.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sessions/mask.h"
#include "ui/key.h"
#include "ui/keymap.h"
#include "ui/term.h"
#include "ui/theme.h"
#include "ui/view_diff.h"

#define SIDEWAYS    8      /* columns */
#define PATIENCE_US 200000 /* after which it is said what takes so long, and as often */

struct section {
    char *title, *note;
    struct compare c;
    size_t *a_starts, *b_starts;
};

struct diffview {
    struct app *app;
    const struct diffview_spec *spec;
    struct section *list;
    struct view_diff_section *shown;
    size_t count;
    struct view_diff view;
    struct term *term;
    struct grid grid;
    struct theme theme;
    struct key_decoder keys;
    struct loop_source *tty, *esc;
    unsigned masks;
    bool choosing; /* the next key switches a mask */
    bool leaving;
    bool stale;   /* all is to be compared anew */
    bool working; /* it is being compared */
    int64_t said_us;
    struct buf masks_text, message, search;
};

/* ---- sections ---- */

void diffview_add(struct diffview *v, const char *title, const char *note, struct compare *c)
{
    v->list = xreallocarray(v->list, v->count + 1, sizeof *v->list);
    struct section *s = &v->list[v->count++];
    *s = (struct section){ .title = xstrdup(title), .note = xstrdup(note), .c = *c };
    *c = (struct compare){ .verdict = COMPARE_IDENTICAL };
}

static void drop_sections(struct diffview *v)
{
    for (size_t i = 0; i < v->count; i++) {
        struct section *s = &v->list[i];
        free(s->title);
        free(s->note);
        free(s->a_starts);
        free(s->b_starts);
        compare_release(&s->c);
    }
    free(v->list);
    free(v->shown);
    v->list = NULL;
    v->shown = NULL;
    v->count = v->view.section_count = 0;
}

static void show_section(struct section *s, struct view_diff_section *out)
{
    struct view_diff_text *a = &out->a, *b = &out->b;
    *out = (struct view_diff_section){ .title = s->title,
                                       .note = s->note,
                                       .differs = s->c.verdict == COMPARE_DIFFERS };
    if (!out->differs)
        return;
    a->p = buf_str(&s->c.a);
    b->p = buf_str(&s->c.b);
    s->a_starts = compare_line_starts(a->p, s->c.a.len, &a->count);
    s->b_starts = compare_line_starts(b->p, s->c.b.len, &b->count);
    a->starts = s->a_starts;
    b->starts = s->b_starts;
    out->diff = &s->c.diff;
}

/* The masks, each with the key that switches it. */
static void list_masks(struct diffview *v)
{
    v->view.choosing = v->choosing;
    buf_reset(&v->masks_text);
    (void)buf_add_str(&v->masks_text, v->choosing ? "switch: " : "masks: ");
    for (unsigned k = 0; k < mask_count(); k++) {
        bool on = (v->masks & (1u << k)) != 0;
        if (v->choosing)
            (void)buf_addf(&v->masks_text, "%c %s%s ", 'a' + (int)k, on ? "+" : "-", mask_name(k));
        else if (on)
            (void)buf_addf(&v->masks_text, "%s ", mask_name(k));
    }
    if (v->choosing)
        (void)buf_add_str(&v->masks_text, "* all  0 none  Esc");
    else if ((v->masks & ((1u << mask_count()) - 1)) == 0)
        (void)buf_add_str(&v->masks_text, "none");
    v->view.masks = buf_str(&v->masks_text);
}

static void say(struct diffview *v, const char *text)
{
    buf_reset(&v->message);
    (void)buf_add_str(&v->message, text);
    v->view.message = buf_str(&v->message);
}

static void draw(struct diffview *v)
{
    struct view_diff shown = v->view;
    if (v->working)
        shown.row_count = 0; /* they are of what is gone */
    grid_clear(&v->grid);
    view_diff_draw(&shown, &v->grid);
    term_draw(v->term, &v->grid, &v->theme, -1, -1);
}

void diffview_working(struct diffview *v, uint32_t a, uint32_t b, const char *part)
{
    buf_reset(&v->message);
    (void)buf_addf(&v->message, "comparing run %u and run %u, %s ...  q gives up", a, b, part);
}

int diffview_tick(void *view, struct err *e)
{
    struct diffview *v = view;
    if (loop_turn(v->app->loop, 0, e) < 0)
        return -1;
    if (v->leaving)
        return err_set(e, ERR_CANCELLED, "left before all was compared");
    int64_t now = clock_boot_us();
    if (now - v->said_us < PATIENCE_US)
        return 0;
    v->said_us = now;
    v->view.message = buf_str(&v->message);
    draw(v);
    return 0;
}

static int build(struct diffview *v, struct err *e)
{
    drop_sections(v);
    list_masks(v);
    v->stale = false;
    v->working = true;
    v->said_us = clock_boot_us();
    int rc = v->spec->build(v->spec->arg, v->masks, v, e);
    v->working = false;
    v->view.message = NULL;
    if (rc < 0)
        return -1;
    v->shown = xcalloc(v->count, sizeof *v->shown);
    for (size_t i = 0; i < v->count; i++)
        show_section(&v->list[i], &v->shown[i]);
    v->view.sections = v->shown;
    v->view.section_count = v->count;
    view_diff_layout(&v->view);
    draw(v);
    return 0;
}

/* ---- keys ---- */

static void find(struct diffview *v, int dir)
{
    if (v->search.len == 0)
        say(v, "nothing was searched for yet: /");
    else if (!view_diff_find(&v->view, dir, view_diff_height(&v->grid)))
        say(v, dir > 0 ? "not found below" : "not found above");
}

static void type_search(struct diffview *v, const struct key_event *ev)
{
    if (ev->key == KEYMAP_ENTER || ev->key == KEYMAP_ESC) {
        v->view.typing = false;
        if (ev->key == KEYMAP_ESC)
            buf_reset(&v->search);
        else
            find(v, 1);
    } else if (ev->key == KEYMAP_BACKSPACE) {
        size_t n = v->search.len;
        while (n > 0 && ((unsigned char)v->search.ptr[--n] & 0xc0) == 0x80)
            ;
        buf_truncate(&v->search, n);
    } else if (ev->len > 0 && (unsigned char)ev->bytes[0] >= 0x20 && ev->bytes[0] != 0x7f) {
        (void)buf_add(&v->search, ev->bytes, ev->len);
    }
    v->view.search = buf_str(&v->search);
}

static void switch_mask(struct diffview *v, uint32_t key)
{
    v->choosing = false;
    if (key >= 'a' && key < 'a' + mask_count())
        v->masks ^= 1u << (key - 'a');
    else if (key == '*' || key == '0')
        v->masks = key == '*' ? MASK_ALL : MASK_NONE;
    else {
        list_masks(v);
        return;
    }
    v->stale = true;
}

static void jump(struct diffview *v, int dir)
{
    if (!view_diff_jump(&v->view, dir, view_diff_height(&v->grid)))
        say(v, dir > 0 ? "no difference below" : "no difference above");
}

static bool do_move(struct diffview *v, enum keymap_command cmd)
{
    size_t h = view_diff_height(&v->grid);
    static const struct {
        enum keymap_command cmd;
        int lines, pages; /* halves of a page */
    } moves[] = { { CMD_UP, -1, 0 },         { CMD_DOWN, 1, 0 },          { CMD_PAGE_UP, 0, -2 },
                  { CMD_PAGE_DOWN, 0, 2 },   { CMD_HALF_UP, 0, -1 },      { CMD_HALF_DOWN, 0, 1 },
                  { CMD_TOP, INT32_MIN, 0 }, { CMD_BOTTOM, INT32_MAX, 0 } };
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        if (moves[i].cmd == cmd) {
            view_diff_move(&v->view, moves[i].lines + moves[i].pages * (long)h / 2, h);
            return true;
        }
    }
    return false;
}

static bool leaves(enum keymap_command cmd)
{
    return cmd == CMD_BACK || cmd == CMD_QUIT || cmd == CMD_INTERRUPT;
}

/* All of the job: the list of sessions may be waiting for this. */
static void suspend(struct diffview *v)
{
    struct sigaction sa = { .sa_handler = SIG_DFL }, old;
    term_suspend(v->term);
    sigaction(SIGTSTP, &sa, &old);
    kill(0, SIGTSTP);
    sigaction(SIGTSTP, &old, NULL);
    term_resume(v->term);
    term_redraw(v->term);
}

static void do_command(struct diffview *v, enum keymap_command cmd)
{
    switch (cmd) {
    case CMD_DIFF_NEXT:
    case CMD_DIFF_PREV:
        jump(v, cmd == CMD_DIFF_NEXT ? 1 : -1);
        break;
    case CMD_DIFF_BESIDE:
        v->view.beside = !v->view.beside;
        view_diff_layout(&v->view);
        break;
    case CMD_DIFF_FOLD:
        v->view.all = !v->view.all;
        view_diff_layout(&v->view);
        break;
    case CMD_WORD:
        v->view.no_words = !v->view.no_words;
        break;
    case CMD_DIFF_LEFT:
        v->view.left -= v->view.left < SIDEWAYS ? v->view.left : SIDEWAYS;
        break;
    case CMD_DIFF_RIGHT:
        v->view.left += SIDEWAYS;
        break;
    case CMD_MASKS:
        v->choosing = true;
        list_masks(v);
        break;
    case CMD_SEARCH:
        v->view.typing = true;
        buf_reset(&v->search);
        v->view.search = buf_str(&v->search);
        break;
    case CMD_SEARCH_NEXT:
    case CMD_SEARCH_PREV:
        find(v, cmd == CMD_SEARCH_NEXT ? 1 : -1);
        break;
    case CMD_REDRAW:
        term_redraw(v->term);
        break;
    case CMD_SUSPEND:
        suspend(v);
        break;
    case CMD_HELP:
        say(v, "] [ differences  / n N search  s columns  f fold  w words  m masks  q back");
        break;
    default:
        v->leaving |= leaves(cmd);
        break;
    }
}

static void on_key(void *arg, const struct key_event *ev)
{
    struct diffview *v = arg;
    if (ev->kind != KEY_PRESS)
        return;
    if (v->working) {
        const struct keymap_entry *k = keymap_find_key(KEYMAP_IN_DIFF, ev->key);
        v->leaving |= k != NULL && leaves(k->id);
        return;
    }
    v->view.message = NULL;
    if (v->view.typing)
        type_search(v, ev);
    else if (v->choosing)
        switch_mask(v, ev->key);
    else {
        const struct keymap_entry *k = keymap_find_key(KEYMAP_IN_DIFF, ev->key);
        if (k != NULL && !do_move(v, k->id))
            do_command(v, k->id);
    }
    draw(v);
}

static void arm_esc(struct diffview *v)
{
    int64_t due = key_due_us(&v->keys), now = clock_boot_us();
    loop_arm_us(v->app->loop, v->esc, due < 0 ? -1 : due > now ? due - now : 0);
}

static void on_tty(void *arg, int fd, unsigned events)
{
    struct diffview *v = arg;
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        v->leaving = true;
        return;
    }
    key_feed(&v->keys, bytes, (size_t)n, clock_boot_us(), on_key, v);
    arm_esc(v);
}

static void on_esc(void *arg)
{
    struct diffview *v = arg;
    key_timeout(&v->keys, clock_boot_us(), on_key, v);
    arm_esc(v);
}

static void on_signal(void *arg, int signo)
{
    struct diffview *v = arg;
    int w, h;
    if (signo != SIGWINCH) {
        v->leaving = true;
        return;
    }
    if (!term_resized(v->term))
        return;
    term_size(v->term, &w, &h);
    grid_resize(&v->grid, w, h);
    draw(v);
}

/* ---- life ---- */

static int open_terminal(struct diffview *v, struct err *e)
{
    static const int signals[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP };
    const struct options *opt = &v->app->opt;
    struct term_options to = { .no_color = opt->no_color };
    sigset_t set;
    int w, h;
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaddset(&set, signals[i]);
    if (term_open(&v->term, &to, NULL, e) < 0)
        return -1;
    term_size(v->term, &w, &h);
    grid_init(&v->grid, w, h);
    v->grid.ascii = !term_is_utf8(v->term);
    if (theme_load(&v->theme, opt->theme != NULL ? opt->theme : v->app->config.theme,
                   term_colors(v->term), e) < 0)
        return -1;
    if (loop_watch_signals(v->app->loop, &set, on_signal, v, e) < 0)
        return -1;
    return loop_add_fd(v->app->loop, STDIN_FILENO, LOOP_READ, LOOP_FIRST, on_tty, v, &v->tty, e);
}

static void close_view(struct diffview *v)
{
    loop_remove(v->app->loop, v->tty);
    loop_remove(v->app->loop, v->esc);
    term_close(v->term);
    drop_sections(v);
    view_diff_release(&v->view);
    grid_release(&v->grid);
    key_release(&v->keys);
    buf_release(&v->masks_text);
    buf_release(&v->message);
    buf_release(&v->search);
}

int diffview_run(struct app *app, const struct diffview_spec *spec, struct err *e)
{
    struct diffview v = { .app = app, .spec = spec, .masks = spec->masks };
    v.view.beside = spec->beside;
    v.view.header = spec->header;
    buf_init(&v.masks_text, 4096);
    buf_init(&v.message, 1024);
    buf_init(&v.search, 256);
    key_init(&v.keys);
    int rc = app_need_loop(app, e);
    v.esc = rc == 0 ? loop_add_timer(app->loop, on_esc, &v) : NULL;
    if (rc == 0)
        rc = open_terminal(&v, e);
    v.stale = true;
    while (rc == 0 && !v.leaving)
        rc = v.stale ? build(&v, e) : loop_turn(app->loop, -1, e);
    close_view(&v);
    return rc;
}
