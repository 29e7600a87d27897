/* test_views.c - what the screen looks like: scenes drawn at six sizes and compared with
 * tests/golden/screens/. GOLDEN_WRITE=1 writes them anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "golden/scene.h"

static const struct {
    int w, h;
} sizes[] = { { 80, 24 }, { 120, 36 }, { 200, 60 }, { 40, 10 }, { 39, 9 }, { 1, 1 } };

static const char *golden_dir(void)
{
    const char *dir = getenv("GOLDEN_DIR");
    return dir ? dir : "tests/golden/screens";
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "r");
    char room[4096];
    size_t n;
    if (!f)
        return false;
    while ((n = fread(room, 1, sizeof room, f)) > 0)
        (void)buf_add(out, room, n);
    fclose(f);
    return true;
}

static void write_file(const char *path, const struct buf *b)
{
    FILE *f = fopen(path, "w");
    if (!f || fwrite(b->ptr, 1, b->len, f) != b->len || fclose(f) != 0)
        fail_msg("can't write %s", path);
}

/* The difference, as diff(1) shows it. */
static void show_difference(const char *path, const struct buf *now)
{
    char tmp[] = "/tmp/golden.XXXXXX";
    int fd = mkstemp(tmp);
    if (fd < 0 || write(fd, now->ptr, now->len) != (ssize_t)now->len)
        return;
    close(fd);
    fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(2, 1);
        execlp("diff", "diff", "-u", path, tmp, (char *)NULL);
        _exit(127);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
    unlink(tmp);
}

/* No cell holds anything a terminal could act on, whatever was drawn. [SAN-1] */
static void check_cells(struct grid *g)
{
    for (int y = 0; y < g->h; y++)
        for (int x = 0; x < g->w; x++) {
            uint32_t cps[1 + TEXT_MARKS_MAX];
            const struct cell *c = grid_at(g, x, y);
            size_t n = grid_cell_text(g, c, cps);
            for (size_t i = 0; i < n; i++)
                if (!text_cp_is_safe(cps[i]))
                    fail_msg("U+%04X at %d,%d", cps[i], x, y);
            if (c->width == 0)
                assert_true(x > 0 && c[-1].width == 2);
            if (c->width == 2)
                assert_true(x + 1 < g->w && c[1].width == 0);
        }
}

static void compare(const char *name, struct grid *g)
{
    char path[512];
    struct buf now = BUF_INIT(1 << 22), want = BUF_INIT(1 << 22);
    snprintf(path, sizeof path, "%s/%s-%dx%d.txt", golden_dir(), name, g->w, g->h);
    check_cells(g);
    grid_dump(g, &now);
    if (getenv("GOLDEN_WRITE")) {
        write_file(path, &now);
    } else if (!read_file(path, &want)) {
        fail_msg("no %s (GOLDEN_WRITE=1 writes it)", path);
    } else if (now.len != want.len || memcmp(now.ptr, want.ptr, now.len) != 0) {
        show_difference(path, &now);
        fail_msg("%s looks different", path);
    }
    buf_release(&now);
    buf_release(&want);
}

/* Draw with and without a cache: the picture must not depend on it. */
static void draw_both(struct scene *s, struct grid *g, struct view_info *info)
{
    struct view_cache *cache = s->vm.cache;
    s->vm.cache = NULL;
    view_draw(&s->st, &s->vm, g, info);
    uint64_t plain = grid_hash(g);
    s->vm.cache = cache ? cache : view_cache_new();
    for (int i = 0; i < 2; i++) {
        view_draw(&s->st, &s->vm, g, info);
        assert_true(grid_hash(g) == plain);
    }
}

static void golden(struct scene *s, const char *name, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct grid g;
        struct view_info info;
        grid_init(&g, sizes[i].w, sizes[i].h);
        draw_both(s, &g, &info);
        if (s->gate.open) {
            scene_painted(s, &info);
            draw_both(s, &g, &info);
        }
        compare(name, &g);
        grid_release(&g);
    }
}

#define ALL 0, ARRAY_LEN(sizes)

static void test_gate(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    scene_arm(&s);
    golden(&s, "gate", ALL);
    scene_end(&s);
}

static void test_gate_questions(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    scene_arm(&s);
    s.gate.prompt = GATE_PROMPT_HEX;
    golden(&s, "gate-hex", 0, 1);
    gate_close(&s.gate);
    scene_arm(&s); /* nothing seen */
    s.gate.prompt = GATE_PROMPT_UNREAD;
    snprintf(s.gate.typed, sizeof s.gate.typed, "unr");
    s.gate.typed_len = 3;
    struct grid g;
    grid_init(&g, 80, 24);
    draw_both(&s, &g, NULL);
    compare("gate-unread", &g);
    grid_release(&g);
    s.gate.prompt = GATE_PROMPT_NONE;
    s.vm.gate.deny_text = "keep in.csv, write \xe2\x80\xaeout";
    s.vm.gate.deny_cursor = strlen(s.vm.gate.deny_text);
    golden(&s, "gate-deny", 0, 2);
    s.vm.focus = PANE_PROMPT; /* as the screen does it: the words are typed at the prompt */
    s.vm.prompt.label = "deny because: ";
    s.vm.prompt.text = s.vm.gate.deny_text;
    s.vm.prompt.len = s.vm.prompt.cursor = s.vm.gate.deny_cursor;
    golden(&s, "gate-deny-prompt", 0, 1);
    s.vm.gate.deny_text = NULL;
    s.vm.focus = PANE_PROMPT;
    s.vm.prompt.label = "note> ";
    s.vm.prompt.text = "what does line 5 ";
    s.vm.prompt.len = s.vm.prompt.cursor = 17;
    golden(&s, "gate-unfocused", 0, 2);
    scene_end(&s);
}

static void test_attachments_and_edit(void **state)
{
    static const struct view_attachment more[] = { { "file in.csv 0644 1.2 MB 7f3a91c2" },
                                                   { "env ORDERS_TOKEN (value not shown)" } };
    static const char old[] = "import os\nprint(1)\n";
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    s.vm.gate.attachments = more;
    s.vm.gate.attachment_count = ARRAY_LEN(more);
    scene_arm(&s);
    s.vm.gate.edited_from = old;
    s.vm.gate.edited_from_len = sizeof old - 1;
    s.vm.gate.held_by = "Anthropic's model starts it: we compare afterwards what it ran";
    s.vm.gate.checked_only = true;
    s.vm.gate.no_dry_run = "what runs there is only checked afterwards";
    s.vm.gate.no_lease = "this sandbox can't enforce timeout_s";
    golden(&s, "gate-edited", 0, 2);
    scene_end(&s);
}

static void run_third(struct scene *s)
{
    scene_two_attempts(s);
    scene_decide(s, 3, "approve", SCENE_CAPSULE_3, "");
    scene_start(s, 3, SCENE_CAPSULE_3);
}

static void test_running(void **state)
{
    struct scene s;
    (void)state;
    run_third(&s);
    scene_print(&s, 3, 1,
                "reading\n 10%\r 55%\r 90% done\r\n\x1b[1;32mok\x1b[0m \x1b[31mnot\n"
                "\x1b]52;c;c2VjcmV0\x07tab\there\n");
    scene_print(&s, 3, 2, "warning: \xff\xfe\n");
    s.vm.focus = PANE_OUT;
    s.vm.now_us = s.now_us + 3000000;
    golden(&s, "running", ALL);
    s.vm.raw = true;
    golden(&s, "raw", 0, 1);
    scene_end(&s);
}

static void test_finished(void **state)
{
    struct scene s;
    (void)state;
    run_third(&s);
    scene_print(&s, 3, 1, "9990\n");
    scene_event(&s, EVENT_RUN_RESULT, 3,
                "{'mime':'application/json','text':'{\\'rows\\':9990,\\'dropped\\':[771,772]}',"
                "'main':true}");
    scene_finish(&s, 3, "exit", 0, 1234, "");
    scene_event(&s, EVENT_RUN_VERDICT, 3,
                "{'verdict':'verified','checks':[{'kind':'exit','text':'exit 0','ok':true,"
                "'got':'0'},{'kind':'stdout','text':'stdout is integer','ok':true,'got':''}]}");
    s.vm.focus = PANE_PROMPT;
    s.vm.prompt.label = "> ";
    s.vm.prompt.placeholder = "a message, or !code";
    s.vm.now_us = s.now_us;
    golden(&s, "finished", ALL);
    s.vm.focus = PANE_TIMELINE;
    s.vm.run = 2;
    golden(&s, "timeline", 0, 3);
    s.vm.focus = PANE_RECORD;
    golden(&s, "record", 0, 2);
    s.vm.focus = PANE_STATE;
    golden(&s, "state", 0, 1);
    s.vm.focus = PANE_NOTES;
    golden(&s, "notes", 0, 1);
    s.vm.focus = s.vm.zoom = PANE_CODE;
    s.vm.run = 3;
    s.vm.search.text = "df";
    s.vm.search.pane = PANE_CODE;
    golden(&s, "zoom", 0, 1);
    scene_end(&s);
}

/* Everything from outside may be hostile, names and findings too. [SAN-6] */
static void test_hostile(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s);
    scene_event(&s, EVENT_SESSION_RENAMED, 0, "{'name':'a\\u202eb\\u001b[2J\\u200b'}");
    scene_event(&s, EVENT_PLAN_UPDATED, 0,
                "{'steps':[{'id':'1','title':'\\u001b]0;x\\u0007 \\u2066title','status':"
                "'active'}]}");
    scene_propose(&s, 1, 1, "1", 1, "python",
                  "x = 1 \xe2\x80\xae# \xe2\x81\xa6\n"
                  "p\xd0\xb0ss = 2\t# <U+202E>\r\n"
                  "\n\n\n\n\n\n\n\n\n\n"
                  "y =                                            3; import os\n"
                  "z = \"\x1b[31m\x01\"\n",
                  "", "\x1b[31mred");
    scene_review(&s, 1,
                 "{'line':1,'severity':'HIGH','rule':'bidi','text':'\\u202eevil\\u001b[2J'}");
    scene_gate(&s, 1, 1, SCENE_CAPSULE_1);
    scene_arm(&s);
    golden(&s, "hostile", 0, 2);
    scene_end(&s);
}

static void test_context(void **state)
{
    static const char hostile[] = "role: assistant\ntext: \x1b[31mred\xe2\x80\xae and \x07\n"
                                  "input:\n  code:\n    print(6*7)\n";
    static const struct view_context_item items[] = {
        { .role = "instructions", .text = "You plan.", .text_len = 9, .tokens = 371 },
        { .role = "tools", .text = "execute_code", .text_len = 12, .tokens = 1200525 },
        { .role = "user", .text = "\n\nCompute six\ntimes seven.", .text_len = 26, .tokens = 9 },
        { .role = "assistant",
          .text = hostile,
          .text_len = sizeof hostile - 1,
          .tokens = 50,
          .counted = true },
        { .role = "result", .text = "", .tokens = 9, .shortened = true, .unsent = true },
    };
    struct scene s;
    (void)state;
    memset(&s, 0, sizeof s);
    state_init(&s.st);
    view_model_init(&s.vm);
    s.vm.screen = SCREEN_CONTEXT;
    s.vm.now_us = SCENE_BEGIN_US;
    s.vm.prompt.label = "> ";
    s.vm.context = (struct view_context){ .items = items,
                                          .count = ARRAY_LEN(items),
                                          .model = "claude-opus-5-5",
                                          .effort = "high",
                                          .window_tokens = 1000000,
                                          .last_input = 1000,
                                          .last_output = 50 };
    s.vm.context_scroll.selected = 2;
    view_move(&s.st, &s.vm, 80, 24, PANE_PROMPT, MOVE_DOWN, 1);
    view_move(&s.st, &s.vm, 80, 24, PANE_PROMPT, MOVE_PAGE_DOWN, 1);
    golden(&s, "context", ALL);
    s.vm.context = (struct view_context){ .items = items, .count = 1, .title = "Models" };
    golden(&s, "context-page", 0, 1);
    scene_end(&s);
}

static void test_start_and_help(void **state)
{
    static const struct view_session recent[] = {
        { .id = "01jd1",
          .name = "clean orders",
          .task = "Clean the orders of October",
          .outcome = "done",
          .last_us = SCENE_BEGIN_US - 3600000000,
          .runs = 14,
          .failed = 2,
          .cost_nanousd = 31000000 },
        { .id = "01jd2",
          .task = "why does the service answer 502\xe2\x80\xae",
          .live = true,
          .last_us = SCENE_BEGIN_US - 5000000,
          .runs = 1 },
        { .id = "01jd3",
          .name = "broken",
          .problem = "the file is no session",
          .last_us = SCENE_BEGIN_US - 86400000000 * 3 },
    };
    struct scene s;
    (void)state;
    memset(&s, 0, sizeof s);
    state_init(&s.st);
    view_model_init(&s.vm);
    s.vm.screen = SCREEN_START;
    s.vm.now_us = SCENE_BEGIN_US;
    s.vm.prompt.label = "> ";
    golden(&s, "welcome", ALL);
    s.vm.sessions = recent;
    s.vm.session_count = ARRAY_LEN(recent);
    s.vm.focus = PANE_PLAN;
    s.vm.scroll[PANE_TIMELINE].selected = 1;
    golden(&s, "sessions", ALL);
    s.vm.screen = SCREEN_HELP;
    s.vm.help_over = SCREEN_START;
    golden(&s, "help", 0, 3);
    scene_end(&s);
}

static void test_prompt(void **state)
{
    static const char *const names[] = { "print", "property", "pow" };
    static const char text[] = "!p\xc3\xa4"
                               "ckchen = \xe5\x8c\x97 + \xe2\x80\x8b"
                               "x";
    struct scene s;
    (void)state;
    scene_begin(&s);
    s.vm.prompt.label = "py> ";
    s.vm.prompt.above = "def f(x):\n    return x\n";
    s.vm.prompt.text = text;
    s.vm.prompt.len = s.vm.prompt.cursor = sizeof text - 1;
    s.vm.prompt.candidates = names;
    s.vm.prompt.candidate_count = 3;
    s.vm.prompt.candidate_chosen = 1;
    golden(&s, "prompt", 0, 1);
    s.vm.question =
        (struct view_message){ "A run is on. Quit and destroy it? (type yes)", TONE_WAIT };
    golden(&s, "question", 0, 1);
    scene_end(&s);
}

/* Typing draws the bottom only, and the picture is that of a whole drawing. */
static void test_typing(void **state)
{
    static const char *const texts[] = {
        "",
        "a",
        "ab",
        "",
        "\xe5\x8c\x97 wide",
        ":help",
        "\x1b[31m",
        ("a line that is longer than the screen is wide, so that its beginning has to be left away "
         "and what is typed last can be seen, whatever it is that somebody types at a prompt here"),
        "",
        "!print(1)",
    };
    struct scene s;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct grid g, whole;
        struct view_info info, all;
        scene_begin(&s);
        s.vm.prompt.label = "> ";
        s.vm.prompt.placeholder = "a task";
        s.vm.focus = PANE_PROMPT;
        grid_init(&g, sizes[i].w, sizes[i].h);
        grid_init(&whole, sizes[i].w, sizes[i].h);
        view_draw(&s.st, &s.vm, &g, &info);
        for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
            s.vm.prompt.text = texts[k];
            s.vm.prompt.len = s.vm.prompt.cursor = strlen(texts[k]);
            if (k == ARRAY_LEN(texts) - 1)
                s.vm.toast = (struct view_message){ "saved", TONE_GOOD };
            bool drawn = view_draw_typed(&s.st, &s.vm, &g, &info);
            assert_int_equal(drawn, sizes[i].h > 10); /* the small ones have no bottom line */
            if (!drawn)
                continue;
            view_draw(&s.st, &s.vm, &whole, &all);
            assert_true(grid_hash(&g) == grid_hash(&whole));
            assert_int_equal(info.cursor_x, all.cursor_x);
            assert_int_equal(info.cursor_y, all.cursor_y);
        }
        s.vm.prompt.above = "def f(x):"; /* moves the panes */
        assert_false(view_draw_typed(&s.st, &s.vm, &g, &info));
        s.vm.prompt.above = NULL;
        s.vm.focus = PANE_CODE;
        assert_false(view_draw_typed(&s.st, &s.vm, &g, &info));
        grid_release(&g);
        grid_release(&whole);
        scene_end(&s);
    }
}

static void test_ascii(void **state)
{
    struct scene s;
    struct grid g;
    (void)state;
    scene_two_attempts(&s);
    scene_arm(&s);
    grid_init(&g, 80, 24);
    g.ascii = true;
    draw_both(&s, &g, NULL);
    for (int y = 0; y < g.h; y++)
        for (int x = 0; x < g.w; x++)
            assert_in_range(grid_at(&g, x, y)->cp, 0x20, 0x7e);
    compare("ascii", &g);
    grid_release(&g);
    scene_end(&s);
}

/* A gate in a replay: what was decided, or that it is kept back; the bar with its marks. */
static void test_replay(void **state)
{
    static const struct view_tick ticks[] = {
        { 100, TICK_RUN },  { 140, TICK_GATE },    { 300, TICK_FAILURE },
        { 480, TICK_RUN },  { 520, TICK_HIGH },    { 530, TICK_GATE },
        { 700, TICK_GATE }, { 990, TICK_FAILURE }, { 1000, TICK_GATE },
    };
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    scene_arm(&s);
    s.vm.focus = PANE_CODE;
    s.vm.replay = (struct view_replay){ .on = true,
                                        .playing = true,
                                        .speed = "0.5x",
                                        .pos_us = 101000000,
                                        .total_us = 190000000,
                                        .seq = 28,
                                        .last = 61,
                                        .ticks = ticks,
                                        .tick_count = ARRAY_LEN(ticks),
                                        .decision = "denied by person after 41 s, 7 lines seen: "
                                                    "keep the file" };
    golden(&s, "replay", ALL);
    s.vm.replay.decision = NULL;
    s.vm.replay.hides = true;
    s.vm.replay.playing = false;
    golden(&s, "replay-hidden", 0, 1);
    int first = view_bar_at(&s.st, &s.vm, 80, 24, 30, 22), other = 0;
    for (int x = 0; x < 80; x++) {
        int part = view_bar_at(&s.st, &s.vm, 80, 24, x, 22);
        assert_true(part == -1 || (part >= 0 && part <= VIEW_BAR_PARTS));
        other += part >= 0;
    }
    assert_true(first > 0 && other > 20);
    assert_int_equal(view_bar_at(&s.st, &s.vm, 80, 24, 30, 21), -1);
    s.vm.replay.reading = "reading the record, 43 %";
    golden(&s, "replay-reading", 0, 1);
    scene_end(&s);
}

/* Any size, any focus, any zoom: no crash, no cell out of place. [TTY-3] */
static void test_every_size(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    scene_arm(&s);
    s.vm.cache = view_cache_new();
    for (int w = 0; w < 210; w += 1 + w / 9)
        for (int h = 0; h < 64; h += 1 + h / 7) {
            struct grid g;
            grid_init(&g, w, h);
            for (int f = 0; f < PANE_COUNT; f++) {
                s.vm.focus = (enum view_pane)f;
                s.vm.zoom = (w + h) % 3 ? PANE_PROMPT : (enum view_pane)f;
                view_draw(&s.st, &s.vm, &g, NULL);
                check_cells(&g);
            }
            grid_release(&g);
        }
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_gate_questions),
        cmocka_unit_test(test_attachments_and_edit),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_finished),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_start_and_help),
        cmocka_unit_test(test_prompt),
        cmocka_unit_test(test_typing),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
