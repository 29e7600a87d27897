/* tty.h - a program on a terminal of ours: a small screen model that is fast enough for a flood,
 * answers what programs ask, and knows when a key press became visible. [performance §3]
 *
 * The same code measures Airlock and every peer. The model keeps one code point per cell and no
 * colours; it knows what xterm-256color, screen-256color and ncurses need.
 */
#ifndef AIRLOCK_TESTS_BENCH_TTY_H
#define AIRLOCK_TESTS_BENCH_TTY_H

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <wchar.h>

#include "bench.h"

#define TTY_SIDE_MAX 256
#define TTY_PARAMS   16
#define TTY_SECONDS  60 /* no wait is longer */

enum tty_parse { TTY_GROUND, TTY_ESC, TTY_ESC_SKIP, TTY_CSI, TTY_STRING, TTY_STRING_ESC };

struct tty {
    int fd;
    pid_t pid;
    int w, h, x, y, top, bottom, saved_x, saved_y;
    bool wrap; /* the cursor stands behind the last column */
    uint32_t cells[TTY_SIDE_MAX * TTY_SIDE_MAX], last;
    enum tty_parse state;
    int param[TTY_PARAMS], params;
    char mark; /* '?' '>' of a CSI */
    char inter;
    uint32_t cp;
    int more; /* continuation bytes still to come */
    uint64_t bytes;
    double started, first, newest; /* when bytes came */
    bool over;
};

/* ---- the screen ---- */

static uint32_t *tty_cell(struct tty *t, int x, int y)
{
    return &t->cells[y * TTY_SIDE_MAX + x];
}

static int tty_clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

static void tty_blank(struct tty *t, int x, int y, int n)
{
    for (int i = 0; i < n && x + i < t->w; i++)
        *tty_cell(t, x + i, y) = ' ';
}

static void tty_blank_rows(struct tty *t, int from, int to)
{
    for (int y = from; y < to; y++)
        tty_blank(t, 0, y, t->w);
}

/* Rows top…bottom move up by n (down: n < 0). */
static void tty_scroll(struct tty *t, int top, int bottom, int n)
{
    int rows = bottom - top + 1, k = tty_clamp(n < 0 ? -n : n, 0, rows);
    size_t row = sizeof t->cells[0] * TTY_SIDE_MAX;
    if (n > 0)
        memmove(tty_cell(t, 0, top), tty_cell(t, 0, top + k), row * (size_t)(rows - k));
    else
        memmove(tty_cell(t, 0, top + k), tty_cell(t, 0, top), row * (size_t)(rows - k));
    tty_blank_rows(t, n > 0 ? bottom + 1 - k : top, n > 0 ? bottom + 1 : top + k);
}

static void tty_line_feed(struct tty *t)
{
    if (t->y == t->bottom)
        tty_scroll(t, t->top, t->bottom, 1);
    else if (t->y < t->h - 1)
        t->y++;
}

static void tty_put(struct tty *t, uint32_t cp)
{
    int width = cp < 0x300 ? 1 : wcwidth((wchar_t)cp);
    if (width <= 0)
        return;
    if (t->wrap || t->x + width > t->w) {
        t->x = 0;
        tty_line_feed(t);
    }
    *tty_cell(t, t->x, t->y) = t->last = cp;
    if (width == 2)
        *tty_cell(t, t->x + 1, t->y) = 0;
    t->wrap = t->x + width >= t->w;
    t->x = t->wrap ? t->w - 1 : t->x + width;
}

static void tty_shift(struct tty *t, int n) /* insert (n > 0) or delete cells at the cursor */
{
    int k = tty_clamp(n < 0 ? -n : n, 0, t->w - t->x), rest = t->w - t->x - k;
    uint32_t *at = tty_cell(t, t->x, t->y);
    memmove(n > 0 ? at + k : at, n > 0 ? at : at + k, sizeof *at * (size_t)rest);
    tty_blank(t, n > 0 ? t->x : t->w - k, t->y, k);
}

static void tty_erase(struct tty *t, int how, bool screen)
{
    if (how == 0)
        tty_blank(t, t->x, t->y, t->w - t->x);
    else
        tty_blank(t, 0, t->y, how == 1 ? t->x + 1 : t->w);
    if (screen && how != 1)
        tty_blank_rows(t, how == 0 ? t->y + 1 : 0, t->h);
    if (screen && how == 1)
        tty_blank_rows(t, 0, t->y);
}

static void tty_answer(struct tty *t, const char *text)
{
    if (write(t->fd, text, strlen(text)) < 0)
        t->over = true;
}

static void tty_report(struct tty *t, char final)
{
    char text[48] = "";
    if (final == 'c' && t->mark == '>')
        snprintf(text, sizeof text, "\033[>0;276;0c");
    else if (final == 'c')
        snprintf(text, sizeof text, "\033[?62;22c");
    else if (final == 'n' && t->param[0] == 6)
        snprintf(text, sizeof text, "\033[%d;%dR", t->y + 1, t->x + 1);
    else if (final == 'n')
        snprintf(text, sizeof text, "\033[0n");
    else if (final == 'p' && t->inter == '$')
        snprintf(text, sizeof text, "\033[?%d;0$y", t->param[0]);
    tty_answer(t, text);
}

static void tty_mode(struct tty *t, bool on)
{
    if (t->mark == '?' && (t->param[0] == 1049 || t->param[0] == 47))
        tty_blank_rows(t, 0, t->h);
    (void)on;
}

static void tty_go(struct tty *t, int x, int y)
{
    t->x = tty_clamp(x, 0, t->w - 1);
    t->y = tty_clamp(y, 0, t->h - 1);
    t->wrap = false;
}

static void tty_csi(struct tty *t, char final)
{
    int n = t->param[0] > 0 ? t->param[0] : 1, m = t->param[1] > 0 ? t->param[1] : 1;
    if (t->inter != '\0' && !(final == 'p' && t->inter == '$'))
        return;
    switch (final) {
    case 'A':
        tty_go(t, t->x, t->y - n);
        break;
    case 'B':
    case 'e':
        tty_go(t, t->x, t->y + n);
        break;
    case 'C':
    case 'a':
        tty_go(t, t->x + n, t->y);
        break;
    case 'D':
        tty_go(t, t->x - n, t->y);
        break;
    case 'E':
        tty_go(t, 0, t->y + n);
        break;
    case 'F':
        tty_go(t, 0, t->y - n);
        break;
    case 'G':
    case '`':
        tty_go(t, n - 1, t->y);
        break;
    case 'd':
        tty_go(t, t->x, n - 1);
        break;
    case 'H':
    case 'f':
        tty_go(t, m - 1, n - 1);
        break;
    case 'J':
        tty_erase(t, t->param[0], true);
        break;
    case 'K':
        tty_erase(t, t->param[0], false);
        break;
    case 'X':
        tty_blank(t, t->x, t->y, n);
        break;
    case '@':
        tty_shift(t, n);
        break;
    case 'P':
        tty_shift(t, -n);
        break;
    case 'L':
        tty_scroll(t, t->y, t->bottom, -n);
        break;
    case 'M':
        tty_scroll(t, t->y, t->bottom, n);
        break;
    case 'S':
        tty_scroll(t, t->top, t->bottom, n);
        break;
    case 'T':
        tty_scroll(t, t->top, t->bottom, -n);
        break;
    case 'b':
        for (int i = 0; i < n && i < t->w * t->h; i++)
            tty_put(t, t->last);
        break;
    case 'r':
        t->top = tty_clamp(n - 1, 0, t->h - 1);
        t->bottom = tty_clamp(t->param[1] > 0 ? t->param[1] - 1 : t->h - 1, t->top, t->h - 1);
        tty_go(t, 0, 0);
        break;
    case 's':
    case 'u':
        break;
    case 'h':
    case 'l':
        tty_mode(t, final == 'h');
        break;
    case 'c':
    case 'n':
    case 'p':
        tty_report(t, final);
        break;
    default: /* colours and what a picture of cells does not show */
        break;
    }
}

static void tty_esc(struct tty *t, char c)
{
    t->state = TTY_GROUND;
    switch (c) {
    case '[':
        t->state = TTY_CSI;
        t->params = 0;
        t->mark = t->inter = '\0';
        memset(t->param, 0, sizeof t->param);
        break;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
    case 'k':
        t->state = TTY_STRING;
        break;
    case '(':
    case ')':
    case '*':
    case '+':
    case '#':
    case ' ':
    case '%':
        t->state = TTY_ESC_SKIP;
        break;
    case '7':
        t->saved_x = t->x;
        t->saved_y = t->y;
        break;
    case '8':
        tty_go(t, t->saved_x, t->saved_y);
        break;
    case 'E':
        t->x = 0;
        tty_line_feed(t);
        break;
    case 'D':
        tty_line_feed(t);
        break;
    case 'M':
        if (t->y == t->top)
            tty_scroll(t, t->top, t->bottom, -1);
        else
            tty_go(t, t->x, t->y - 1);
        break;
    case 'c':
        tty_blank_rows(t, 0, t->h);
        tty_go(t, 0, 0);
        break;
    default:
        break;
    }
}

static void tty_control(struct tty *t, unsigned char c)
{
    if (c == '\033')
        t->state = TTY_ESC;
    else if (c == '\r')
        tty_go(t, 0, t->y);
    else if (c >= '\n' && c <= '\f')
        tty_line_feed(t);
    else if (c == '\b')
        tty_go(t, t->x - 1, t->y);
    else if (c == '\t')
        tty_go(t, (t->x / 8 + 1) * 8, t->y);
}

static void tty_text_byte(struct tty *t, unsigned char c)
{
    if (c < 0x20 || c == 0x7f) {
        t->more = 0;
        tty_control(t, c);
    } else if (c < 0x80) {
        tty_put(t, c);
    } else if (c < 0xc0 && t->more > 0) {
        t->cp = t->cp << 6 | (c & 0x3fu);
        if (--t->more == 0)
            tty_put(t, t->cp);
    } else if (c >= 0xc0) {
        t->more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        t->cp = c & (0x3fu >> t->more);
    }
}

static void tty_csi_byte(struct tty *t, char c)
{
    if (c >= '0' && c <= '9') {
        if (t->params < TTY_PARAMS && t->param[t->params] < 100000)
            t->param[t->params] = t->param[t->params] * 10 + (c - '0');
    } else if (c == ';' || c == ':') {
        t->params++;
    } else if (c >= '<' && c <= '?') {
        t->mark = c;
    } else if (c >= ' ' && c <= '/') {
        t->inter = c;
    } else if (c >= '@') {
        t->state = TTY_GROUND;
        tty_csi(t, c);
    } else {
        tty_control(t, (unsigned char)c);
    }
}

static void tty_feed(struct tty *t, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        switch (t->state) {
        case TTY_GROUND:
            tty_text_byte(t, (unsigned char)c);
            break;
        case TTY_ESC:
            tty_esc(t, c);
            break;
        case TTY_ESC_SKIP:
            t->state = TTY_GROUND;
            break;
        case TTY_CSI:
            tty_csi_byte(t, c);
            break;
        case TTY_STRING:
            t->state = c == '\a' ? TTY_GROUND : c == '\033' ? TTY_STRING_ESC : TTY_STRING;
            break;
        case TTY_STRING_ESC:
            t->state = TTY_GROUND;
            break;
        }
    }
}

/* ---- the program ---- */

/* An empty home: nothing of the user's is read or written. */
#define TTY_ENV 12
BENCH_UNUSED static void tty_env(const char *home, const char *out[TTY_ENV])
{
    static char words[TTY_ENV][400];
    static const char *const fixed[] = { "TERM=xterm-256color", "LC_ALL=C.UTF-8", "SHELL=/bin/sh" };
    static const char *const dirs[] = { "HOME",           "TMPDIR",
                                        "XDG_DATA_HOME",  "XDG_CONFIG_HOME",
                                        "XDG_STATE_HOME", "XDG_RUNTIME_DIR" };
    const char *path = getenv("PATH");
    size_t n = 0;
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++, n++) {
        snprintf(words[n], sizeof words[n], "%s=%.300s", dirs[i], home);
        out[n] = words[n];
    }
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        out[n++] = fixed[i];
    snprintf(words[n], sizeof words[n], "PATH=%.380s", path != NULL ? path : "/usr/bin:/bin");
    out[n] = words[n];
    out[++n] = NULL;
}

/* Start argv on a terminal of w x h; `keep_fd` (or -1) is inherited as descriptor 3. A peer gets
 * no network where that can be arranged. */
BENCH_UNUSED static void tty_open(struct tty *t, int w, int h, const char *const *argv,
                                  const char *home, bool peer, int keep_fd)
{
    struct winsize ws = { .ws_col = (unsigned short)w, .ws_row = (unsigned short)h };
    const char *env[TTY_ENV];
    memset(t, 0, sizeof *t);
    t->w = w;
    t->h = h;
    t->bottom = h - 1;
    tty_blank_rows(t, 0, h);
    tty_env(home, env);
    fflush(stdout);
    t->started = bench_now();
    t->pid = forkpty(&t->fd, NULL, NULL, &ws);
    if (t->pid < 0)
        bench_die("no terminal to be had");
    if (t->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (keep_fd >= 0 && keep_fd != 3)
            dup2(keep_fd, 3);
        close_range(keep_fd >= 0 ? 4 : 3, ~0u, 0);
        if (chdir(home) < 0 || (peer && unshare(CLONE_NEWNET) < 0 && errno != EPERM))
            _exit(127);
        execvpe(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
        _exit(errno == ENOENT ? BENCH_MISSING : 127);
    }
    fcntl(t->fd, F_SETFL, O_NONBLOCK);
    fcntl(t->fd, F_SETFD, FD_CLOEXEC);
}

/* Read what is there, waiting for it at most `ms`; the bytes read, 0 when none came. */
static size_t tty_pump(struct tty *t, int ms)
{
    static char chunk[65536];
    struct pollfd p = { .fd = t->fd, .events = POLLIN };
    if (t->over || poll(&p, 1, ms) <= 0)
        return 0;
    ssize_t n = read(t->fd, chunk, sizeof chunk);
    if (n <= 0) {
        t->over = n == 0 || (errno != EAGAIN && errno != EINTR);
        return 0;
    }
    t->newest = bench_now();
    if (t->bytes == 0)
        t->first = t->newest;
    t->bytes += (size_t)n;
    tty_feed(t, chunk, (size_t)n);
    return (size_t)n;
}

/* Where ASCII `text` stands; false when it does not. x, y may be NULL. */
static bool tty_find(struct tty *t, const char *text, int *x, int *y)
{
    int len = (int)strlen(text);
    for (int row = 0; row < t->h; row++) {
        for (int col = 0; col + len <= t->w; col++) {
            int i = 0;
            while (i < len && *tty_cell(t, col + i, row) == (unsigned char)text[i])
                i++;
            if (i < len)
                continue;
            if (x != NULL)
                *x = col;
            if (y != NULL)
                *y = row;
            return true;
        }
    }
    return false;
}

BENCH_UNUSED static void tty_show(struct tty *t, FILE *to)
{
    for (int y = 0; y < t->h; y++) {
        for (int x = 0; x < t->w; x++) {
            uint32_t cp = *tty_cell(t, x, y);
            fputc(cp < 0x80 ? (int)(cp != 0 ? cp : ' ') : '~', to);
        }
        fputc('\n', to);
    }
}

/* Until `text` is shown: when that was seen. Dies where it never is. */
BENCH_UNUSED static double tty_wait(struct tty *t, const char *text)
{
    double end = bench_now() + TTY_SECONDS;
    while (!tty_find(t, text, NULL, NULL)) {
        if (t->over || bench_now() > end) {
            tty_show(t, stderr);
            fprintf(stderr, "never shown: %s\n", text);
            exit(1);
        }
        tty_pump(t, 100);
    }
    return t->newest;
}

/* Until nothing came for `ms`. */
BENCH_UNUSED static void tty_settle(struct tty *t, int ms)
{
    double end = bench_now() + TTY_SECONDS;
    while (tty_pump(t, ms) > 0 && bench_now() < end)
        ;
}

/* Take what comes for `ms`. */
BENCH_UNUSED static void tty_run(struct tty *t, double ms)
{
    double end = bench_now() + ms / 1e3;
    for (double left; (left = end - bench_now()) > 0 && !t->over;)
        tty_pump(t, (int)(left * 1e3) + 1);
}

BENCH_UNUSED static void tty_send(struct tty *t, const char *keys)
{
    if (write(t->fd, keys, strlen(keys)) < 0)
        t->over = true;
}

struct tty_press {
    double first_ms, cell_ms; /* until the first byte; until `cp` stands at x, y. -1: never */
    size_t bytes;             /* until it was quiet for 10 ms */
};

/* Press one key. With cp 0 no cell is awaited. Under a flood (`quiet` false) it does not wait for
 * silence. In the quiet it asks for the answer without ever sleeping: else the time that an idle
 * processor takes to wake up for the measuring program (80 us on a virtual machine, and none when
 * the answer comes before it slept) would be counted as the other's. */
BENCH_UNUSED static struct tty_press tty_key(struct tty *t, const char *key, uint32_t cp, int x,
                                             int y, bool quiet)
{
    struct tty_press p = { .first_ms = -1, .cell_ms = -1 };
    uint64_t before = t->bytes;
    double start = bench_now(), end = start + 5;
    tty_send(t, key);
    bool seen = false;
    while (bench_now() < end && !t->over) {
        size_t n = tty_pump(t, !quiet ? 100 : seen ? 10 : 0);
        if (n > 0 && p.first_ms < 0)
            p.first_ms = (t->newest - start) * 1e3;
        if (n > 0 && cp != 0 && p.cell_ms < 0 && *tty_cell(t, x, y) == cp)
            p.cell_ms = (t->newest - start) * 1e3;
        if (seen && n == 0)
            break;
        seen = cp == 0 ? p.first_ms >= 0 : p.cell_ms >= 0;
        if (seen && !quiet)
            break;
    }
    p.bytes = t->bytes - before;
    return p;
}

/* Type a line as fingers do: the next key when the one before is seen. */
BENCH_UNUSED static void tty_type(struct tty *t, const char *text)
{
    for (const char *s = text; *s != '\0'; s++) {
        char key[2] = { *s, '\0' };
        double pressed = bench_now();
        uint64_t before = t->bytes;
        tty_send(t, key);
        while (t->bytes == before && bench_now() < pressed + 1)
            tty_pump(t, 20);
        double left = 0.004 - (bench_now() - pressed); /* faster ones are a burst, not typing */
        if (left > 0)
            tty_run(t, left * 1e3);
    }
}

/* End it: politely, then not. */
BENCH_UNUSED static void tty_close(struct tty *t, int signo)
{
    double end = bench_now() + 10;
    int status;
    kill(t->pid, signo);
    while (waitpid(t->pid, &status, WNOHANG) == 0) {
        if (bench_now() > end)
            kill(t->pid, SIGKILL);
        tty_pump(t, 10);
    }
    close(t->fd);
}

/* ---- what /proc says ---- */

/* A number of /proc/PID/status ("VmRSS:"), kB or a count; -1 when there is none. */
BENCH_UNUSED static double tty_status(pid_t pid, const char *field)
{
    char path[64], line[256];
    double value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0)
            value = strtod(line + strlen(field), NULL);
    }
    if (f != NULL)
        fclose(f);
    return value;
}

/* `pid` and what it started, and what that started: how many. */
BENCH_UNUSED static size_t tty_tree(pid_t pid, pid_t *out, size_t max)
{
    size_t n = 0;
    out[n++] = pid;
    for (size_t i = 0; i < n; i++) {
        char path[64];
        long child;
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)out[i], (int)out[i]);
        FILE *f = fopen(path, "re");
        while (f != NULL && n < max && fscanf(f, "%ld", &child) == 1)
            out[n++] = (pid_t)child;
        if (f != NULL)
            fclose(f);
    }
    return n;
}

#endif
