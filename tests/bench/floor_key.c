/* floor_key.c - ncurses and poll alone: a key is put into the last row. With `flood` a child writes
 * lines into a pipe; 1 ms of reading per turn, a tail of the text is drawn at 60 frames a second.
 */
#include <curses.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>

#include "bench.h"

static char chunk[1 << 18];

static void flood(int fd)
{
    memset(chunk, 'x', sizeof chunk);
    while (write(fd, chunk, sizeof chunk) > 0)
        ;
    _exit(0);
}

static void draw_tail(void)
{
    static int frame;
    for (int y = 0; y < LINES - 1; y++)
        mvprintw(y, 0, "%08d %.100s", frame++, chunk + y * 100);
}

int main(int argc, char **argv)
{
    int fds[2] = { -1, -1 }, x = 0;
    double drawn = 0;
    setlocale(LC_ALL, "");
    if (argc > 1 && strcmp(argv[1], "flood") == 0 && pipe(fds) == 0 && fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        flood(fds[1]);
    }
    fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
    initscr();
    raw();
    noecho();
    draw_tail();
    mvaddstr(LINES - 1, COLS - 6, "ready");
    for (;;) {
        struct pollfd p[] = { { .fd = 0, .events = POLLIN }, { .fd = fds[0], .events = POLLIN } };
        move(LINES - 1, x);
        refresh();
        poll(p, 2, -1);
        if (p[0].revents != 0) {
            mvaddch(LINES - 1, x, (chtype)getch());
            x = (x + 1) % COLS;
        }
        double now = bench_now();
        while (p[1].revents != 0 && bench_now() < now + 1e-3 &&
               read(fds[0], chunk, sizeof chunk) > 0)
            ;
        if (p[1].revents != 0 && now > drawn + 1.0 / 60) {
            draw_tail();
            drawn = now;
        }
    }
}
