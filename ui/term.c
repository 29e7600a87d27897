/* term.c - ncurses, and giving the terminal back whatever happens. */
#include "ui/term.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define PAIRS_MAX 1024

/* <term.h> has a `struct term` of its own; this is all we need of it. */
extern char *tigetstr(const char *name);

struct term {
    SCREEN *screen;
    struct grid shown; /* what the terminal shows */
    bool all_new, mouse, utf8, suspended;
    bool rgb; /* it takes colours by their parts, which ncurses does not know of */
    int colors;
    struct pair {
        short fg, bg;
    } pairs[PAIRS_MAX];
    int pair_count;
    bool cursor_shown;
};

/* For the way out of a fatal signal: nothing here may allocate or lock. */
static struct termios cooked;
static volatile sig_atomic_t taken;
static char leave[128];

static void emergency_restore(void)
{
    if (!taken)
        return;
    taken = 0;
    (void)!write(STDOUT_FILENO, leave, strlen(leave));
    tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

static void on_fatal(int signo)
{
    static const char text[] =
        "\r\nairlock: crashed; the session's record is kept (airlock sessions)\r\n";
    emergency_restore();
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    signal(signo, SIG_DFL);
    raise(signo);
}

static void watch_fatal_signals(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
    struct sigaction sa = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &sa, NULL);
    err_set_abort_hook(emergency_restore);
}

/* ---- TERM ---- */

static bool term_name_is_sane(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 64)
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-") ==
           len;
}

bool term_is_hopeless(const char **why)
{
    const char *term = getenv("TERM"), *accessible = getenv("ACCESSIBLE");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        *why = "standard input or output is no terminal";
    else if (term == NULL || term[0] == '\0')
        *why = "TERM is not set";
    else if (strcmp(term, "dumb") == 0)
        *why = "TERM is dumb";
    else if (!term_name_is_sane(term))
        *why = "TERM is not the name of a terminal";
    else if (accessible != NULL && accessible[0] != '\0')
        *why = "ACCESSIBLE is set";
    else
        return false;
    return true;
}

/* Terminal descriptions come from the system only: one from the environment or HOME could make us
 * write anything. [TTY-6] */
static SCREEN *open_screen(const char *name)
{
    static const char *const sources[] = { "TERMINFO", "TERMINFO_DIRS", "TERMCAP", "TERMPATH" };
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        unsetenv(sources[i]);
    char *home = getenv("HOME") != NULL ? xstrdup(getenv("HOME")) : NULL;
    setenv("HOME", "/nonexistent", 1);
    SCREEN *s = newterm(name, stdout, stdin);
    if (home != NULL)
        setenv("HOME", home, 1);
    else
        unsetenv("HOME");
    free(home);
    return s;
}

static SCREEN *open_known_screen(const char **note)
{
    const char *term = getenv("TERM");
    SCREEN *s = open_screen(term);
    if (s != NULL)
        return s;
    bool mux = term != NULL && (strstr(term, "tmux") != NULL || strstr(term, "screen") != NULL);
    if (note != NULL)
        *note = mux ? "TERM is unknown here: drawing as for screen-256color"
                    : "TERM is unknown here: drawing as for xterm-256color";
    return open_screen(mux ? "screen-256color" : "xterm-256color");
}

/* ---- modes ---- */

static void write_string(const char *s)
{
    fputs(s, stdout);
    fflush(stdout);
}

static void enter_modes(struct term *t)
{
    raw();
    noecho();
    nonl();
    keypad(stdscr, FALSE);
    write_string("\033[?2004h");
    if (t->mouse)
        write_string("\033[?1000h\033[?1006h");
}

static void leave_modes(struct term *t)
{
    write_string("\033[?2004l");
    if (t->mouse)
        write_string("\033[?1006l\033[?1000l");
}

static void prepare_emergency(struct term *t)
{
    const char *rmcup = tigetstr("rmcup"), *cnorm = tigetstr("cnorm"), *sgr0 = tigetstr("sgr0");
    struct buf b = BUF_INIT(sizeof leave - 1);
    (void)buf_add_str(&b, "\033[?2004l");
    if (t->mouse)
        (void)buf_add_str(&b, "\033[?1006l\033[?1000l");
    const char *const caps[] = { sgr0, cnorm, rmcup };
    for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
        if (caps[i] != NULL && caps[i] != (const char *)-1)
            (void)buf_add_str(&b, caps[i]);
    }
    memcpy(leave, buf_str(&b), b.len + 1);
    buf_release(&b);
}

static int count_colors(const struct term_options *opt)
{
    const char *no_color = getenv("NO_COLOR");
    if (opt->no_color || (no_color != NULL && no_color[0] != '\0') || !has_colors() ||
        start_color() == ERR)
        return 0;
    use_default_colors();
    return COLORS >= 256 ? 256 : COLORS >= 16 ? 16 : 8;
}

/* What terminals that have them all say of themselves; the description mostly does not. */
static bool has_rgb(void)
{
    const char *s = getenv("COLORTERM");
    return s != NULL && (strcmp(s, "truecolor") == 0 || strcmp(s, "24bit") == 0);
}

int term_open(struct term **out, const struct term_options *opt, const char **note, struct err *e)
{
    if (note != NULL)
        *note = NULL;
    if (tcgetattr(STDIN_FILENO, &cooked) < 0)
        return err_sys(e, ERR_MISSING, "standard input is no terminal");
    struct term *t = xcalloc(1, sizeof *t);
    t->screen = open_known_screen(note);
    if (t->screen == NULL) {
        free(t);
        return err_set(e, ERR_MISSING,
                       "no description of this terminal, nor of xterm-256color: install "
                       "ncurses-base, or use --plain");
    }
    set_term(t->screen);
    t->mouse = opt->mouse;
    t->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    t->colors = count_colors(opt);
    t->rgb = t->colors == 256 && t->utf8 && has_rgb();
    t->pair_count = 1;
    t->all_new = true;
    t->cursor_shown = true;
    grid_init(&t->shown, COLS, LINES);
    prepare_emergency(t);
    taken = 1;
    watch_fatal_signals();
    enter_modes(t);
    *out = t;
    return 0;
}

void term_close(struct term *t)
{
    if (t == NULL)
        return;
    if (!t->suspended) {
        leave_modes(t);
        endwin();
    }
    taken = 0;
    delscreen(t->screen);
    tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
    grid_release(&t->shown);
    free(t);
}

int term_colors(const struct term *t)
{
    return t->rgb ? 1 << 24 : t->colors;
}

bool term_is_utf8(const struct term *t)
{
    return t->utf8;
}

void term_size(const struct term *t, int *w, int *h)
{
    *w = t->shown.w;
    *h = t->shown.h;
}

bool term_resized(struct term *t)
{
    struct winsize ws;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0)
        return false;
    int w = ws.ws_col, h = ws.ws_row;
    w = w > GRID_SIDE_MAX ? GRID_SIDE_MAX : w < 1 ? 1 : w;
    h = h > GRID_SIDE_MAX ? GRID_SIDE_MAX : h < 1 ? 1 : h;
    if (w == t->shown.w && h == t->shown.h)
        return false;
    resizeterm(h, w);
    grid_resize(&t->shown, w, h);
    t->all_new = true;
    return true;
}

/* ---- drawing ---- */

static int pair_of(struct term *t, int fg, int bg)
{
    if (t->colors == 0 || (fg < 0 && bg < 0))
        return 0;
    for (int i = 1; i < t->pair_count; i++) {
        if (t->pairs[i].fg == fg && t->pairs[i].bg == bg)
            return i;
    }
    if (t->pair_count >= PAIRS_MAX || t->pair_count >= COLOR_PAIRS)
        return 0;
    int i = t->pair_count++;
    t->pairs[i] = (struct pair){ .fg = (short)fg, .bg = (short)bg };
    init_extended_pair(i, fg, bg);
    return i;
}

static attr_t attrs_of(unsigned attrs)
{
    attr_t a = A_NORMAL;
    if (attrs & STYLE_BOLD)
        a |= A_BOLD;
    if (attrs & STYLE_UNDERLINE)
        a |= A_UNDERLINE;
    if (attrs & STYLE_REVERSE)
        a |= A_REVERSE;
    if (attrs & STYLE_DIM)
        a |= A_DIM;
    return a;
}

/* Where ncurses' idea of a width differs from ours, a stand-in of our width is drawn. */
static size_t cell_text(const struct grid *g, const struct cell *c, wchar_t out[CCHARW_MAX + 1])
{
    uint32_t cps[1 + TEXT_MARKS_MAX];
    size_t n = grid_cell_text(g, c, cps);
    int width = 0;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n && i < CCHARW_MAX; i++) {
        out[i] = (wchar_t)cps[i];
        int w = wcwidth(out[i]);
        width += w < 0 ? 100 : w;
    }
    out[n < CCHARW_MAX ? n : CCHARW_MAX] = L'\0';
    if (width == c->width)
        return n;
    out[0] = g->ascii || wcwidth(L'\uFFFD') != 1 ? L'?' : L'\uFFFD';
    out[1] = L'\0';
    return 1;
}

static void put_cell(struct term *t, const struct grid *g, const struct theme *theme, int x, int y)
{
    const struct cell *c = &g->cells[y * g->w + x];
    struct theme_look look = theme_resolve(theme, c->style, t->colors);
    wchar_t text[CCHARW_MAX + 1];
    cchar_t cc;
    int pair = pair_of(t, look.fg, look.bg);
    if (cell_text(g, c, text) == 0)
        return; /* the right half of a wide cell */
    setcchar(&cc, text, attrs_of(look.attrs), 0, &pair);
    mvadd_wchnstr(y, x, &cc, 1);
    if (c->width == 2 && wcwidth(text[0]) == 1) {
        cchar_t blank;
        setcchar(&blank, L" ", attrs_of(look.attrs), 0, &pair);
        mvadd_wchnstr(y, x + 1, &blank, 1);
    }
}

/* ---- pictures: ncurses drew their cells in the nearest of 256; the true colours go over them.
 * Cursor and rendition are put back by the terminal itself. */

static bool put_rgb(struct buf *out, const struct cell *c, int x, int y)
{
    uint8_t fg[3], bg[3];
    char glyph[4] = "";
    bool has_bg = theme_is_rgb(c->style.bg, bg);
    if (!theme_is_rgb(c->style.fg, fg) || c->cp < 0x2580 || c->cp > 0x2588)
        return false;
    glyph[0] = (char)0xe2; /* half and full blocks, nothing else */
    glyph[1] = (char)(0x80 | (c->cp >> 6 & 63));
    glyph[2] = (char)(0x80 | (c->cp & 63));
    (void)buf_addf(out, "\033[%d;%dH\033[0;38;2;%d;%d;%d", y + 1, x + 1, fg[0], fg[1], fg[2]);
    if (has_bg)
        (void)buf_addf(out, ";48;2;%d;%d;%d", bg[0], bg[1], bg[2]);
    (void)buf_addf(out, "m%s", glyph);
    return true;
}

/* All of a row: on its way to a changed cell ncurses may have passed over others. */
static void put_row_rgb(struct buf *out, const struct grid *g, int y)
{
    for (int x = 0; x < g->w; x++)
        (void)put_rgb(out, &g->cells[y * g->w + x], x, y);
}

static void remember_row(struct term *t, const struct grid *g, int y)
{
    size_t at = (size_t)y * (size_t)g->w;
    memcpy(t->shown.cells + at, g->cells + at, (size_t)g->w * sizeof *g->cells);
}

static void remember_pool(struct term *t, const struct grid *g)
{
    if (g->pool_count > t->shown.pool_cap) {
        t->shown.pool = xreallocarray(t->shown.pool, g->pool_count, sizeof *g->pool);
        t->shown.pool_cap = g->pool_count;
    }
    if (g->pool_count > 0)
        memcpy(t->shown.pool, g->pool, g->pool_count * sizeof *g->pool);
    t->shown.pool_count = g->pool_count;
    t->shown.ascii = g->ascii;
}

/* Most rows of most frames are as they were. What stands between the members of a cell may make a
 * row look new: that costs time, not truth. */
static bool row_is_shown(const struct term *t, const struct grid *g, int y)
{
    size_t at = (size_t)y * (size_t)g->w;
    return !t->all_new && g->pool_count == 0 && t->shown.pool_count == 0 &&
           memcmp(g->cells + at, t->shown.cells + at, (size_t)g->w * sizeof *g->cells) == 0;
}

bool term_draw(struct term *t, const struct grid *g, const struct theme *theme, int cursor_x,
               int cursor_y)
{
    return term_draw_from(t, g, theme, 0, cursor_x, cursor_y);
}

bool term_draw_from(struct term *t, const struct grid *g, const struct theme *theme, int from,
                    int cursor_x, int cursor_y)
{
    if (t->suspended || g->w != t->shown.w || g->h != t->shown.h)
        return false;
    if (t->all_new) {
        clear();
        from = 0;
    }
    struct buf over = BUF_INIT((size_t)16 << 20);
    for (int y = from; y < g->h; y++) {
        if (row_is_shown(t, g, y)) {
            if (t->rgb && y == cursor_y)
                put_row_rgb(&over, g, y);
            continue;
        }
        if (t->rgb)
            put_row_rgb(&over, g, y);
        for (int x = 0; x < g->w; x++) {
            const struct cell *now = &g->cells[y * g->w + x], *old = &t->shown.cells[y * g->w + x];
            if (t->all_new || !grid_cell_equal(g, now, &t->shown, old))
                put_cell(t, g, theme, x, y);
        }
        remember_row(t, g, y);
    }
    bool show = cursor_x >= 0;
    if (show != t->cursor_shown)
        curs_set(show);
    t->cursor_shown = show;
    move(show ? cursor_y : 0, show ? cursor_x : 0);
    refresh();
    if (over.len > 0) {
        write_string("\0337");
        write_string(buf_str(&over));
        write_string("\0338");
    }
    buf_release(&over);
    remember_pool(t, g);
    t->all_new = false;
    return true;
}

void term_redraw(struct term *t)
{
    t->all_new = true;
}

void term_suspend(struct term *t)
{
    leave_modes(t);
    endwin();
    taken = 0;
    t->suspended = true;
    tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
}

void term_resume(struct term *t)
{
    t->suspended = false;
    taken = 1;
    refresh();
    enter_modes(t);
    t->cursor_shown = true;
    curs_set(1);
    t->all_new = true;
    (void)term_resized(t);
}

void term_flush_input(struct term *t)
{
    (void)t;
    tcflush(STDIN_FILENO, TCIFLUSH);
}

bool term_input_waits(const struct term *t)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    (void)t;
    return poll(&p, 1, 0) != 0;
}

const char *term_library_version(void)
{
    return curses_version();
}
