/* test_view.c - moving, searching, copying and coverage; output by offset, far beyond the tail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "golden/scene.h"
#include "ui/view_int.h"

static uint64_t seed = 2463534242u;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* ---- a run whose output is kept here, as the session file would ---- */

struct kept {
    char *p;
    size_t len;
    size_t reads;
    bool fail;
};

static ssize_t read_kept(void *arg, uint32_t run, unsigned stream, uint64_t offset, char *dst,
                         size_t len)
{
    struct kept *k = arg;
    (void)run;
    if (k->fail || stream != STREAM_STDOUT)
        return -1;
    if (offset >= k->len)
        return 0;
    if (len > k->len - offset)
        len = k->len - (size_t)offset;
    if (len > 1000 && rnd() % 4 == 0)
        len = 1 + rnd() % len; /* short reads are allowed */
    memcpy(dst, k->p + offset, len);
    k->reads++;
    return (ssize_t)len;
}

static void begin_run(struct scene *s)
{
    scene_begin(s);
    scene_propose(s, 1, 1, "", 1, "python", "print(1)\n", "", "p");
    scene_review(s, 1, "");
    scene_gate(s, 1, 1, SCENE_CAPSULE_1);
    scene_decide(s, 1, "approve", SCENE_CAPSULE_1, "");
    scene_start(s, 1, SCENE_CAPSULE_1);
}

static void feed(struct scene *s, struct kept *k)
{
    for (size_t at = 0; at < k->len;) {
        size_t n = k->len - at < 50000 ? k->len - at : 50000;
        scene_output(s, 1, STREAM_STDOUT, k->p + at, n);
        at += n;
    }
    s->vm.source = (struct output_source){ read_kept, k };
}

/* `long_lines`: some are longer than a piece; else all are short. */
static void make_output(struct kept *k, size_t size, bool long_lines)
{
    memset(k, 0, sizeof *k);
    k->p = malloc(size + 16);
    assert_non_null(k->p);
    while (k->len < size) {
        size_t n = long_lines && rnd() % 40 == 0 ? 1000 + rnd() % 400000 : rnd() % 90;
        for (; n > 0 && k->len < size; n--) {
            if (rnd() % 16 == 0 && k->len + 3 < size) {
                memcpy(k->p + k->len, "\xe5\x8c\x97", 3);
                k->len += 3;
            } else {
                k->p[k->len++] = (char)('a' + rnd() % 26);
            }
        }
        k->p[k->len++] = '\n';
    }
}

/* ---- pieces ---- */

static void check_pieces(struct scene *s, struct kept *k)
{
    const struct state_run *r = state_run_at(&s->st, 1);
    struct lines ln;
    struct piece p;
    uint64_t at = 0, line = 0, count = 0;
    lines_open(&ln, &r->out[STREAM_STDOUT], &s->vm.source, 1, STREAM_STDOUT);
    while (lines_get(&ln, at, &p)) {
        assert_int_equal(p.start, at);
        assert_true(p.next > at && p.next - at <= 2 * LINES_PIECE);
        if (count % 37 == 0) {
            assert_int_equal(lines_number(&ln, at), line);
            uint64_t probe = at + rnd() % (p.next - at);
            assert_int_equal(lines_start(&ln, probe), at);
            assert_int_equal(lines_start(&ln, p.next - 1), at);
            if (at == 0 || k->p[at - 1] == '\n')
                assert_int_equal(lines_offset(&ln, line), at);
        }
        assert_true(lines_get(&ln, at, &p)); /* what it lent is gone by now */
        /* no character is cut in two: every piece is whole UTF-8 here */
        if (count % 11 == 0 || p.next - at > 1000)
            for (size_t i = 0; i + 3 <= p.len; i += p.p[i] & 0x80 ? 3 : 1)
                if (p.p[i] & 0x80)
                    assert_memory_equal(p.p + i, "\xe5\x8c\x97", 3);
        line += p.lf;
        at = p.next;
        count++;
    }
    assert_int_equal(at, k->len);
    assert_int_equal(line, r->out[STREAM_STDOUT].newlines);
    assert_false(ln.broken);
    lines_close(&ln);
}

static void test_pieces(void **state)
{
    static const size_t sizes[] = { 10, 70000, 300000, 2000000 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (int k = 0; k < 2; k++) {
            struct scene s;
            struct kept kept;
            make_output(&kept, sizes[i], k);
            begin_run(&s);
            feed(&s, &kept);
            check_pieces(&s, &kept);
            scene_end(&s);
            free(kept.p);
        }
}

/* No newline at all: no step may look at more than two pieces. */
static void test_endless_line(void **state)
{
    struct scene s;
    struct kept k = { .p = malloc(3000000), .len = 3000000 };
    struct view_info info;
    struct grid g;
    (void)state;
    assert_non_null(k.p);
    memset(k.p, 'x', k.len);
    begin_run(&s);
    feed(&s, &k);
    s.vm.focus = PANE_OUT;
    grid_init(&g, 80, 24);
    view_draw(&s.st, &s.vm, &g, &info);
    assert_true(info.at_end[PANE_OUT]);
    assert_true(k.reads <= 2); /* the tail is nearly enough for the end */
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_TOP, 1);
    k.reads = 0;
    view_draw(&s.st, &s.vm, &g, &info);
    assert_false(info.at_end[PANE_OUT]);
    assert_true(k.reads <= 8);
    for (int i = 0; i < 50; i++)
        view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_PAGE_DOWN, 20);
    uint64_t down = s.vm.scroll[PANE_OUT].top;
    assert_true(down > 0);
    for (int i = 0; i < 50; i++)
        view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_PAGE_UP, 20);
    assert_int_equal(s.vm.scroll[PANE_OUT].top, 0);
    assert_int_equal(s.vm.scroll[PANE_OUT].row, 0);
    grid_release(&g);
    scene_end(&s);
    free(k.p);
}

static void test_unreadable_source(void **state)
{
    struct scene s;
    struct kept k;
    struct grid g;
    struct buf out = BUF_INIT(1 << 20);
    (void)state;
    make_output(&k, 1000000, false);
    begin_run(&s);
    feed(&s, &k);
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_TOP, 1);
    k.fail = true;
    grid_init(&g, 80, 24);
    view_draw(&s.st, &s.vm, &g, NULL);
    grid_dump(&g, &out);
    assert_non_null(strstr(buf_str(&out), "[output can't be read]"));
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_PAGE_DOWN, 3);
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_PAGE_UP, 3);
    buf_release(&out);
    grid_release(&g);
    scene_end(&s);
    free(k.p);
}

/* ---- scrolling ---- */

static void test_scrolling_output(void **state)
{
    struct scene s;
    struct kept k;
    struct view_info info;
    struct grid g;
    (void)state;
    make_output(&k, 600000, true);
    begin_run(&s);
    feed(&s, &k);
    grid_init(&g, 100, 30);
    struct view_scroll *sc = &s.vm.scroll[PANE_OUT];
    view_move(&s.st, &s.vm, 100, 30, PANE_OUT, MOVE_TOP, 1);
    assert_false(sc->follow);
    for (int i = 0; i < 200; i++) { /* down and up again is where we were */
        struct view_scroll before = *sc;
        int n = 1 + (int)(rnd() % 30);
        view_draw(&s.st, &s.vm, &g, &info);
        view_move(&s.st, &s.vm, 100, 30, PANE_OUT, MOVE_DOWN, n);
        if (!sc->follow) {
            struct view_scroll after = *sc;
            view_move(&s.st, &s.vm, 100, 30, PANE_OUT, MOVE_UP, n);
            assert_int_equal(sc->top, before.top);
            assert_int_equal(sc->row, before.row);
            *sc = after;
        }
    }
    view_move(&s.st, &s.vm, 100, 30, PANE_OUT, MOVE_BOTTOM, 1);
    assert_true(sc->follow);
    view_draw(&s.st, &s.vm, &g, &info);
    assert_true(info.at_end[PANE_OUT]);
    view_move(&s.st, &s.vm, 100, 30, PANE_OUT, MOVE_UP, 1);
    assert_false(sc->follow);
    uint64_t top = sc->top;
    uint32_t row = sc->row;
    scene_print(&s, 1, STREAM_STDOUT,
                "more\nand more\n"); /* what comes does not move what is read */
    view_draw(&s.st, &s.vm, &g, &info);
    assert_int_equal(sc->top, top);
    assert_int_equal(sc->row, row);
    grid_release(&g);
    scene_end(&s);
    free(k.p);
}

/* ---- coverage: reading to the end has seen it all, and nothing less has ---- */

static void make_code(struct buf *b, size_t lines)
{
    static const char *const parts[] = {
        "x = 1\n",
        "\n",
        "    if y:\n",
        "s = '\xe5\x8c\x97'\n",
        "# \xe2\x80\xae bidi\n",
        "\t\ttabs\n",
        "a = '\xff\xfe'\n",
        "\n\n\n\n\n\n\n\n\n\n\n",
        "z =                                     9\n",
        "print('<U+200B>')\n",
        "        \n",
        "\r\n",
    };
    for (size_t i = 0; i < lines; i++) {
        assert_int_equal(buf_add_str(b, parts[rnd() % ARRAY_LEN(parts)]), 0);
        if (rnd() % 30 == 0)
            for (size_t k = rnd() % 900; k > 0; k--)
                assert_int_equal(buf_add_str(b, k % 50 ? "y" : "\xe2\x80\x8b"), 0);
    }
    if (rnd() & 1)
        assert_int_equal(buf_add_str(b, "last without line end"), 0);
}

static void read_through(struct scene *s, int w, int h, bool compared)
{
    static const struct view_attachment more[] = { { "file a 0644" }, { "env TOKEN" } };
    struct view_info info;
    struct grid g;
    size_t seen, total;
    int pages = 0;
    s->vm.gate.attachments = more;
    s->vm.gate.attachment_count = ARRAY_LEN(more);
    s->vm.gate.edited_from = compared ? "old = 1\nx = 1\n" : NULL;
    s->vm.gate.edited_from_len = compared ? 14 : 0;
    scene_arm(s);
    s->vm.scroll[PANE_CODE] = (struct view_scroll){ .selected = -1 };
    grid_init(&g, w, h);
    const struct state_run *r = state_run_at(&s->st, 1);
    for (;;) {
        view_draw(&s->st, &s->vm, &g, &info);
        scene_painted(s, &info);
        view_gate_lines(&s->gate, r, ARRAY_LEN(more), &seen, &total);
        if (info.at_end[PANE_CODE])
            break;
        assert_false(gate_all_seen(&s->gate)); /* there is something below */
        assert_true(seen < total);
        view_move(&s->st, &s->vm, w, h, PANE_GATE, MOVE_PAGE_DOWN, 1);
        assert_true(++pages < 20000);
    }
    if (!gate_all_seen(&s->gate))
        fail_msg("%dx%d: %zu of %zu lines seen", w, h, seen, total);
    assert_int_equal(seen, total);
    grid_release(&g);
}

static void test_coverage(void **state)
{
    static const struct {
        int w, h;
    } sizes[] = { { 40, 10 }, { 80, 24 }, { 43, 17 }, { 120, 36 }, { 200, 60 } };
    (void)state;
    for (int round = 0; round < 12; round++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct scene s;
            struct buf code = BUF_INIT(1 << 20);
            char hex[65] = SCENE_CAPSULE_1;
            make_code(&code, round < 2 ? (size_t)round : rnd() % 200);
            scene_begin(&s);
            /* the reducer takes only what JSON can carry; bytes beyond that are put in by hand */
            scene_propose(&s, 1, 1, "", 1, "python", "x", "", "");
            struct state_run *r = state_run_at(&s.st, 1);
            free(r->code);
            r->code_len = code.len;
            r->code = code.len ? buf_detach(&code) : xstrdup("");
            scene_review(&s, 1, "");
            scene_gate(&s, 1, 1, hex);
            s.vm.cache = round & 1 ? view_cache_new() : NULL;
            read_through(&s, sizes[i].w, sizes[i].h, round & 2);
            scene_end(&s);
            buf_release(&code);
        }
}

/* One row that was jumped over is found again. */
static void test_goto_unseen(void **state)
{
    struct scene s;
    struct buf code = BUF_INIT(1 << 20);
    struct view_info info;
    struct grid g;
    size_t seen, total;
    (void)state;
    for (int i = 0; i < 300; i++)
        assert_int_equal(buf_addf(&code, "line_%d = %d\n", i, i), 0);
    scene_begin(&s);
    scene_propose(&s, 1, 1, "", 1, "python", buf_str(&code), "", "");
    scene_review(&s, 1, "");
    scene_gate(&s, 1, 1, SCENE_CAPSULE_1);
    scene_arm(&s);
    grid_init(&g, 80, 24);
    view_draw(&s.st, &s.vm, &g, &info);
    scene_painted(&s, &info);
    view_move(&s.st, &s.vm, 80, 24, PANE_GATE, MOVE_BOTTOM, 1);
    view_draw(&s.st, &s.vm, &g, &info);
    scene_painted(&s, &info);
    view_gate_lines(&s.gate, state_run_at(&s.st, 1), 0, &seen, &total);
    assert_int_equal(total, 300);
    assert_true(seen > 2 && seen < 40);
    for (int i = 0; i < 100 && !gate_all_seen(&s.gate); i++) {
        view_goto_unseen(&s.st, &s.vm, 80, 24);
        view_draw(&s.st, &s.vm, &g, &info);
        scene_painted(&s, &info);
    }
    assert_true(gate_all_seen(&s.gate));
    /* other code than the gate's never counts */
    s.vm.stream.code = "x";
    s.vm.run = 0;
    s.gate.rev = 2;
    view_draw(&s.st, &s.vm, &g, &info);
    assert_int_equal(info.seen_count, 0);
    grid_release(&g);
    scene_end(&s);
    buf_release(&code);
}

/* ---- search ---- */

static void test_search(void **state)
{
    struct scene s;
    struct kept k;
    (void)state;
    make_output(&k, 1500000, false);
    static const uint64_t places[] = { 100, 65530, 700001, 1400000 };
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        memcpy(k.p + places[i], i % 2 ? "NEEDLE" : "needle", 6);
    begin_run(&s);
    feed(&s, &k);
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_TOP, 1);
    s.vm.search = (struct view_search){ .text = "needle", .pane = PANE_OUT };
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        assert_int_equal(view_search(&s.st, &s.vm, 80, 24, 1, SIZE_MAX), VIEW_FOUND);
        assert_int_equal(s.vm.search.hit, places[i]);
        struct view_info info;
        struct grid g;
        struct buf out = BUF_INIT(1 << 20);
        grid_init(&g, 80, 24);
        view_draw(&s.st, &s.vm, &g, &info); /* and it is on screen, marked */
        grid_dump(&g, &out);
        assert_non_null(strstr(buf_str(&out), " hit"));
        buf_release(&out);
        grid_release(&g);
    }
    assert_int_equal(view_search(&s.st, &s.vm, 80, 24, 1, SIZE_MAX), VIEW_NOT_FOUND);
    for (size_t i = ARRAY_LEN(places) - 1; i-- > 0;) {
        assert_int_equal(view_search(&s.st, &s.vm, 80, 24, -1, SIZE_MAX), VIEW_FOUND);
        assert_int_equal(s.vm.search.hit, places[i]);
    }
    /* upper case means itself; a budget ends a turn, not the search */
    s.vm.search = (struct view_search){ .text = "NEEDLE", .pane = PANE_OUT };
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_TOP, 1);
    enum view_found f;
    int turns = 0;
    do {
        f = view_search(&s.st, &s.vm, 80, 24, 1, 50000);
        turns++;
    } while (f == VIEW_MORE);
    assert_int_equal(f, VIEW_FOUND);
    assert_int_equal(s.vm.search.hit, places[1]);
    do {
        f = view_search(&s.st, &s.vm, 80, 24, 1, 50000);
        turns++;
    } while (f == VIEW_MORE);
    assert_int_equal(s.vm.search.hit, places[3]);
    assert_true(turns > 10);
    scene_end(&s);
    free(k.p);
}

static void test_search_code_and_runs(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    s.vm.search = (struct view_search){ .text = "os.remove", .pane = PANE_CODE };
    assert_int_equal(view_search(&s.st, &s.vm, 80, 24, 1, SIZE_MAX), VIEW_FOUND);
    assert_int_equal(view_search(&s.st, &s.vm, 80, 24, 1, SIZE_MAX), VIEW_NOT_FOUND);
    s.vm.search = (struct view_search){ .text = "other file", .pane = PANE_TIMELINE };
    assert_int_equal(view_search(&s.st, &s.vm, 80, 24, 1, SIZE_MAX), VIEW_FOUND);
    assert_int_equal(view_run(&s.st, &s.vm)->number, 2);
    scene_end(&s);
}

static void test_find(void **state)
{
    (void)state;
    assert_int_equal(view_find("xxAbcabc", 8, "abc", 3), 2);
    assert_int_equal(view_find("xxAbcabc", 8, "Abc", 3), 2);
    assert_int_equal(view_find("xxAbcABC", 8, "ABC", 3), 5);
    assert_true(view_find("ab", 2, "abc", 3) == SIZE_MAX);
    assert_true(view_find("ab", 2, "", 0) == SIZE_MAX);
    for (int i = 0; i < 20000; i++) { /* against the plain way */
        char hay[40], needle[4];
        size_t n = rnd() % 40, m = 1 + rnd() % 3, want = SIZE_MAX;
        for (size_t k = 0; k < n; k++)
            hay[k] = "abAB"[rnd() % 4];
        for (size_t k = 0; k < m; k++)
            needle[k] = "ab"[rnd() % 2];
        for (size_t k = 0; k + m <= n && want == SIZE_MAX; k++) {
            size_t j = 0;
            while (j < m && (hay[k + j] | 32) == needle[j])
                j++;
            if (j == m)
                want = k;
        }
        assert_true(view_find(hay, n, needle, m) == want);
    }
}

/* ---- copying and choosing ---- */

static void test_copy(void **state)
{
    struct scene s;
    struct buf out = BUF_INIT(1 << 20);
    (void)state;
    scene_two_attempts(&s);
    scene_decide(&s, 3, "approve", SCENE_CAPSULE_3, "");
    scene_start(&s, 3, SCENE_CAPSULE_3);
    scene_print(&s, 3, 1, "one\ntwo \x1b]52;c;eA==\x07\nthree\nfour\n");
    view_select(&s.st, &s.vm, 80, 24, PANE_OUT);
    assert_int_equal(s.vm.select.pane, PANE_OUT);
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_DOWN, 1);
    assert_int_equal(view_copy(&s.st, &s.vm, 80, 24, PANE_OUT, &out), 0);
    assert_string_equal(buf_str(&out), "one\ntwo ^[]52;c;eA==^G\n");
    view_move(&s.st, &s.vm, 80, 24, PANE_OUT, MOVE_DOWN, 100);
    buf_reset(&out);
    assert_int_equal(view_copy(&s.st, &s.vm, 80, 24, PANE_OUT, &out), 0);
    assert_non_null(strstr(buf_str(&out), "three\nfour\n"));
    view_select(&s.st, &s.vm, 80, 24, PANE_OUT);
    assert_int_equal(s.vm.select.pane, PANE_PROMPT);
    buf_reset(&out); /* without a selection: what is shown, no frame, no blanks at line ends */
    assert_int_equal(view_copy(&s.st, &s.vm, 80, 24, PANE_OUT, &out), 0);
    assert_memory_equal(buf_str(&out), " one\n two ^[]52", 14);
    assert_null(strstr(buf_str(&out), "\xe2\x94\x82"));
    buf_reset(&out);
    view_select(&s.st, &s.vm, 80, 24, PANE_CODE);
    view_move(&s.st, &s.vm, 80, 24, PANE_CODE, MOVE_DOWN, 2);
    assert_int_equal(view_copy(&s.st, &s.vm, 80, 24, PANE_CODE, &out), 0);
    assert_string_equal(buf_str(&out), "import os, pandas as pd\ndf = pd.read_csv(\"in.csv\")\n"
                                       "df = df.drop_duplicates(subset=[\"id\"], keep=\"last\")\n");
    buf_release(&out);
    scene_end(&s);
}

/* :diff N, :diff N again, :diff, :diff: on, off, on, off; another run is shown at once. */
static void test_diff_turns_on_and_off(void **state)
{
    static const struct {
        uint32_t asked, base;
        bool on;
    } steps[] = {
        { 0, 0, false }, { 0, 0, true }, { 1, 1, true },  { 1, 0, false },
        { 1, 1, true },  { 2, 2, true }, { 2, 0, false }, { 0, 0, true },
    };
    struct scene s;
    (void)state;
    scene_two_attempts(&s); /* a further attempt at the gate is compared from the beginning */
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        view_toggle_diffs(&s.st, &s.vm, steps[i].asked);
        if (view_code_is_compared(&s.st, &s.vm) != steps[i].on || s.vm.base != steps[i].base ||
            (s.vm.diff_output == VIEW_DIFF_ON) != steps[i].on)
            fail_msg("step %zu: base %u", i, s.vm.base);
    }
    scene_end(&s);
}

static void test_choosing_runs(void **state)
{
    struct scene s;
    (void)state;
    scene_two_attempts(&s);
    assert_int_equal(view_run(&s.st, &s.vm)->number, 3); /* the gate's */
    assert_int_equal(view_base(&s.st, &s.vm)->number, 2);
    assert_int_equal(view_output_run(&s.st, &s.vm)->number, 2);
    assert_int_equal(view_output_base(&s.st, &s.vm)->number, 1);
    assert_true(view_code_is_compared(&s.st, &s.vm));
    assert_true(view_output_is_compared(&s.st, &s.vm));
    view_toggle_diff(&s.st, &s.vm, PANE_CODE);
    assert_false(view_code_is_compared(&s.st, &s.vm));
    view_toggle_diff(&s.st, &s.vm, PANE_CODE);
    assert_true(view_code_is_compared(&s.st, &s.vm));
    view_move(&s.st, &s.vm, 80, 24, PANE_CODE, MOVE_LEFT, 1);
    assert_int_equal(s.vm.run, 2);
    view_move(&s.st, &s.vm, 80, 24, PANE_TIMELINE, MOVE_DOWN, 9);
    assert_int_equal(s.vm.run, 1);
    assert_null(view_base(&s.st, &s.vm));
    view_move(&s.st, &s.vm, 80, 24, PANE_TIMELINE, MOVE_TOP, 1);
    assert_int_equal(s.vm.run, 0); /* the newest follows what comes */
    s.vm.run = 1;
    s.vm.focus = PANE_GATE; /* in the gate it is the gate's, whatever was looked at before */
    assert_int_equal(view_run(&s.st, &s.vm)->number, 3);
    s.vm.focus = PANE_CODE;
    s.vm.run = 99;
    assert_null(view_run(&s.st, &s.vm));
    struct grid g;
    grid_init(&g, 80, 24);
    view_draw(&s.st, &s.vm, &g, NULL);
    grid_release(&g);
    scene_end(&s);
}

/* Turning the comparison on and off, or another width, keeps the place. */
static void test_place_survives(void **state)
{
    struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
    (void)state;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(buf_addf(&a, "line %d of the text, and some more words\n", i), 0);
        assert_int_equal(
            buf_addf(&b, "line %d of the text, and some%s words\n", i, i % 5 ? " more" : ""), 0);
    }
    for (int compared = 0; compared < 2; compared++)
        for (size_t width = 12; width < 90; width += 13) {
            struct doc d, e;
            doc_build(&d, a.ptr, a.len, compared ? b.ptr : NULL, b.len, TEXT_CODE, false);
            doc_build(&e, a.ptr, a.len, compared ? NULL : b.ptr, b.len, TEXT_CODE, false);
            for (int i = 0; i < 200; i++) {
                uint64_t top, top2;
                uint32_t row, row2;
                struct doc_at at =
                    doc_move(&d, (struct doc_at){ 0, 0 }, (long)(rnd() % 700), width);
                doc_place(&d, at, width, &top, &row);
                struct doc_at back = doc_locate(&d, top, row, width);
                assert_int_equal(doc_compare(at, back), 0);
                at = doc_locate(&e, top, row, width); /* the other form: the same line */
                doc_place(&e, at, width, &top2, &row2);
                assert_true(top2 >= top || e.entries[at.entry].kind == DOC_DEL);
            }
            doc_release(&d);
            doc_release(&e);
        }
    buf_release(&a);
    buf_release(&b);
}

static void test_words_for_people(void **state)
{
    char s[64];
    (void)state;
    view_bytes(999, s, sizeof s);
    assert_string_equal(s, "999 B");
    view_bytes(1234, s, sizeof s);
    assert_string_equal(s, "1.2 kB");
    view_bytes(48213, s, sizeof s);
    assert_string_equal(s, "48 kB");
    view_bytes(UINT64_MAX, s, sizeof s);
    assert_string_equal(s, "18446744 TB");
    view_money(0, s, sizeof s);
    assert_string_equal(s, "$0");
    view_money(31000000, s, sizeof s);
    assert_string_equal(s, "$0.031");
    view_money(600000, s, sizeof s);
    assert_string_equal(s, "$0.000600");
    view_money(1234567890, s, sizeof s);
    assert_string_equal(s, "$1.23");
    view_money(-31000000, s, sizeof s);
    assert_string_equal(s, "-$0.031");
    view_clock(-5, s, sizeof s);
    assert_string_equal(s, "00:00");
    view_clock(INT64_C(3661000000), s, sizeof s);
    assert_string_equal(s, "1:01:01");
    view_span(410, s, sizeof s);
    assert_string_equal(s, "410 ms");
    view_span(1234, s, sizeof s);
    assert_string_equal(s, "1.23 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_unreadable_source),
        cmocka_unit_test(test_scrolling_output),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_goto_unseen),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_search_code_and_runs),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_diff_turns_on_and_off),
        cmocka_unit_test(test_choosing_runs),
        cmocka_unit_test(test_place_survives),
        cmocka_unit_test(test_words_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
