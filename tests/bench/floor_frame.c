/* floor_frame.c - ncurses alone: `floor_frame full|pane|token N`. us of processor time per frame,
 * on descriptor 3. */
#include <curses.h>
#include <locale.h>

#include "bench.h"

/* Text in eight colours between two lines, as a pane has it. */
static void fill(int x, int y, int w, int h, int n)
{
    char piece[16];
    for (int row = y; row < y + h; row++) {
        mvaddch(row, x, ACS_VLINE);
        for (int col = x + 1; col + 12 <= x + w; col += 12) {
            attrset(COLOR_PAIR(1 + (row + col / 12) % 7));
            snprintf(piece, sizeof piece, "word %06d ", (row * 31 + col + n * 7) % 1000000);
            addstr(piece);
        }
        attrset(A_NORMAL);
    }
}

int main(int argc, char **argv)
{
    int frames = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1;
    char kind = argc > 1 ? argv[1][0] : 'f';
    double start = 0;
    setlocale(LC_ALL, "");
    initscr();
    start_color();
    for (short i = 1; i < 8; i++)
        init_pair(i, i, COLOR_BLACK);
    fill(0, 0, COLS, LINES, 0);
    refresh();
    start = bench_cpu();
    for (int n = 1; n < frames; n++) {
        if (kind == 'f') {
            fill(0, 0, COLS, LINES, 0);
            clearok(curscr, TRUE);
        } else if (kind == 'p') {
            fill(COLS / 4, LINES / 2, COLS / 3, LINES / 2, n);
        } else {
            mvprintw(LINES - 1, 6 * (n % 20), "token%d", n % 10);
        }
        refresh();
    }
    dprintf(3, "%f\n", (bench_cpu() - start) * 1e6 / (frames > 1 ? frames - 1 : 1));
    endwin();
    return 0;
}
