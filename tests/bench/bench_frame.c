/* bench_frame.c - what a frame costs at 200x60: drawn whole, with new output in a pane, with one
 * token more: us of processor time of reducer, views and ncurses, and bytes (`frame`). */
#include "bench_peers.h"
#include "golden/scene.h"
#include "ui/term.h"

#define FULL_FRAMES  200
#define SMALL_FRAMES 400

static struct scene scene;
static const char code[] = "import os, pandas as pd\n"
                           "df = pd.read_csv(\"in.csv\")  # the orders of October\n"
                           "for name in sorted(os.listdir(\".\")):\n"
                           "    print(name, len(df), 3.25e-4, 'text')\n"
                           "print(df.drop_duplicates(subset=[\"id\"], keep=\"last\"))\n";
static char prose[512] = "The planner says: ";

/* A session with a plan, a run under way and a screen full of output. */
static void make_scene(void)
{
    scene_begin(&scene);
    scene_event(&scene, EVENT_TASK_GIVEN, 0, "{'author':'person','text':'Clean the orders.'}");
    scene_event(&scene, EVENT_PLAN_UPDATED, 0,
                "{'steps':[{'id':'1','title':'load csv','status':'done'},"
                "{'id':'2','title':'drop duplicate rows','status':'active'},"
                "{'id':'3','title':'plot','status':'pending'}]}");
    scene_event(&scene, EVENT_PLANNER_MESSAGE, 0,
                "{'author':'planner','text':'The file has **771** twice.'}");
    scene_event(&scene, EVENT_SANDBOX_READY, 0, "{'kind':'local','id':'sb1','label':'l'}");
    scene_propose(&scene, 1, 1, "2", 1, "python", code, "", "Look at what there is");
    scene_review(&scene, 1, "");
    scene_gate(&scene, 1, 1, SCENE_CAPSULE_1);
    scene_decide(&scene, 1, "approve", SCENE_CAPSULE_1, "");
    scene_start(&scene, 1, SCENE_CAPSULE_1);
    for (int i = 0; i < 200; i++) {
        char line[120];
        snprintf(line, sizeof line, "2026-11-22 10:00:%02d INFO row %d was written\n", i % 60, i);
        scene_print(&scene, 1, 1, line);
        scene_print(&scene, 1, 2, line);
    }
    scene.vm.screen = SCREEN_SESSION;
    scene.vm.focus = PANE_PROMPT;
    scene.vm.cache = view_cache_new();
    scene.vm.scroll[PANE_OUT].follow = true;
}

static void change(char kind, int n)
{
    char line[160];
    if (kind == 'p') {
        snprintf(line, sizeof line, "%d 2026-11-22 10:00 INFO rows %d\n and %d\n%d lines\n", n,
                 n * 7, n * 77, n * 777);
        scene_print(&scene, 1, 1, line);
    } else if (kind == 't') {
        size_t len = n % 24 == 0 ? 18 : strlen(prose); /* as much as the pane holds */
        snprintf(prose + len, sizeof prose - len, "token%d ", n % 10);
        scene.vm.stream = (struct view_stream){ .prose = prose, .prose_len = strlen(prose) };
    }
}

/* In the terminal: draws, and writes us per frame to descriptor 3. */
static int draw(char kind, int frames)
{
    struct err e = ERR_INIT;
    struct term_options opt = { .mouse = false };
    struct term *term;
    struct theme theme;
    struct grid grid;
    struct view_info info = { .cursor_x = 0 };
    const char *note;
    int w, h;
    double start = 0;
    make_scene();
    if (term_open(&term, &opt, &note, &e) < 0 ||
        theme_load(&theme, "default", term_colors(term), &e) < 0)
        bench_die(e.msg);
    term_size(term, &w, &h);
    grid_init(&grid, w, h);
    scene.vm.colors = term_colors(term);
    for (int n = 0; n < frames; n++) {
        if (n == 1)
            start = bench_cpu();
        if (n > 0)
            change(kind, n);
        if (kind == 'f')
            term_redraw(term);
        grid_clear(&grid);
        view_draw(&scene.st, &scene.vm, &grid, &info);
        term_draw(term, &grid, &theme, info.cursor_x, info.cursor_y);
    }
    dprintf(3, "%f\n", (bench_cpu() - start) * 1e6 / (frames > 1 ? frames - 1 : 1));
    term_close(term);
    return 0;
}

struct cost {
    double us, bytes;
};

static struct cost run_on_terminal(const char *program, const char *kind, int frames)
{
    static struct tty t;
    char n[16], text[64] = "", *home = bench_make_dir();
    int fds[2];
    const char *argv[] = { program, kind, n, NULL };
    snprintf(n, sizeof n, "%d", frames);
    if (pipe(fds) < 0)
        bench_die("pipe");
    tty_open(&t, 200, 60, argv, home, false, fds[1]);
    close(fds[1]);
    while (!t.over)
        tty_pump(&t, 1000);
    if (read(fds[0], text, sizeof text - 1) <= 0)
        bench_die("no number from the terminal");
    close(fds[0]);
    tty_close(&t, SIGKILL);
    bench_remove_dir(home);
    return (struct cost){ strtod(text, NULL), (double)t.bytes };
}

/* Prints us and bytes per frame of each kind. */
static int measure(const char *program)
{
    static const char *const kinds[] = { "full", "pane", "token" };
    char real[4096];
    if (realpath(program, real) == NULL)
        bench_die(program);
    for (int i = 0; i < 3; i++) {
        int frames = i == 0 ? FULL_FRAMES : SMALL_FRAMES;
        struct cost many = run_on_terminal(real, kinds[i], frames);
        struct cost one = run_on_terminal(real, kinds[i], 1);
        printf("%f %f\n", many.us, (many.bytes - one.bytes) / (frames - 1));
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_goal goals[] = {
        { "frame", "us", BENCH_RATIO, false, 2, .ours = 0, .floor = 0 },
        { "frame.pane", "us", BENCH_RATIO, false, 2, .ours = 2, .floor = 2 },
        { "frame.token", "us", BENCH_TIME, false, 150, .ours = 4, .floor = 4, .reference = 11 },
        { "frame.bytes", "B", BENCH_VALUE, false, 20000, .ours = 1 },
        { "frame.pane-bytes", "B", BENCH_VALUE, false, 3000, .ours = 3 },
        { "frame.token-bytes", "B", BENCH_VALUE, false, 60, .ours = 5 },
    };
    if (argc == 3)
        return draw(argv[1][0], (int)strtol(argv[2], NULL, 10));
    if (argc == 2)
        return measure(strcmp(argv[1], "ours") == 0 ? argv[0]
                                                    : bench_beside(argv[0], "floor_frame"));
    const char *ours[] = { argv[0], "ours", NULL }, *floor[] = { argv[0], "floor", NULL };
    struct bench_plan plan = { .ours = ours, .floor = floor };
    return bench_goals(&plan, goals, sizeof goals / sizeof goals[0]);
}
