/* test_text_edges.c - the cleaner at its edges: each colour of SGR, text that looks like our own
 * marks, sequences cut short, clusters without end, screens one column wide, buffers that are full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ui/text.h"
#include "ui/text_int.h"

/* ---- SGR ---- */

static void colours_become_ours(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        struct text_sgr want;
    } cases[] = {
        { "38;5;3", { .fg = 4 } },
        { "38;5;300", { .fg = 0 } },
        { "38;5;196", { .fg = 10 } },
        { "38;5;22", { .fg = 3 } },
        { "38;5;232", { .fg = 1 } },
        { "38;5;240", { .fg = 9 } },
        { "38;5;250", { .fg = 8 } },
        { "38;5;255", { .fg = 16 } },
        { "48;2;10;10;10", { .bg = 1 } },
        { "48;2;100;0;0", { .bg = 2 } },
        { "48;2;0;210;0", { .bg = 11 } },
        { "38:2::0:0:255", { .fg = 13 } },
        { "38;5", { .fg = 0 } },
        { "38;2;1;2", { .fg = 0 } },
        { "38;7;1", { .fg = 0 } },
        { "38", { .fg = 0 } },
        { "1;22;4;24;21", { .underline = true } },
        { "41;49;31;39", { .fg = 0 } },
        { "97;107", { .fg = 16, .bg = 16 } },
        { "90;100", { .fg = 9, .bg = 9 } },
        { "108;89;29;48", { .fg = 0 } },
        { "1;4;0", { .fg = 0 } },
        { "123456789;1", { .bold = true } },
        { "4:3", { .underline = true } },
        { "38;2:1", { .fg = 0 } },
        { "38;7;1;2;3;31", { .fg = 0 } },
        { "38:5::1", { .fg = 1, .bold = true } }, /* nothing empty belongs there: it is a 0 */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64];
        struct text_sgr got = { 0 };
        int n = snprintf(text, sizeof text, "\033[%sm", cases[i].in);
        if (text_parse_sgr(text, (size_t)n, &got) != (size_t)n || got.fg != cases[i].want.fg ||
            got.bg != cases[i].want.bg || got.bold != cases[i].want.bold ||
            got.underline != cases[i].want.underline)
            fail_msg("%s: fg %u bg %u bold %d underline %d", cases[i].in, got.fg, got.bg, got.bold,
                     got.underline);
    }
}

static void what_is_no_sgr_is_left_alone(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\033[1",
        "\033[",
        "\033",
        "\033]1m",
        "\033[1h",
        "\033[1;2",
        "\033[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1m",
        "\033[1111111111111111111111111111111111111111111111111111111111111111111m"
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct text_sgr got = { .bold = true };
        assert_int_equal(text_parse_sgr(cases[i], strlen(cases[i]), &got), 0);
        assert_true(got.bold && got.fg == 0);
    }
}

static void colours_that_hide_text_are_changed(void **state)
{
    (void)state;
    struct text_sgr s = text_visible_sgr((struct text_sgr){ .fg = 3, .bg = 3 });
    assert_true(s.fg == 0 && s.bg == 0);
    s = text_visible_sgr((struct text_sgr){ .fg = 1 });
    assert_int_equal(s.fg, 9);
    s = text_visible_sgr((struct text_sgr){ .fg = 1, .bg = 2 });
    assert_true(s.fg == 1 && s.bg == 2);
}

/* ---- what is shown ---- */

struct shown {
    const char *in;
    size_t len; /* 0: strlen */
    enum text_mode mode;
    bool lf, ascii;
    const char *want;
};

static void check(const struct shown *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct shown *c = &cases[i];
        struct buf out = BUF_INIT(1 << 16);
        size_t len = c->len ? c->len : strlen(c->in);
        assert_int_equal(text_clean(&out, c->in, len, c->mode, c->lf, c->ascii), 0);
        if (strcmp(buf_str(&out), c->want) != 0)
            fail_msg("case %zu: \"%s\" is not \"%s\"", i, buf_str(&out), c->want);
        buf_release(&out);
    }
}

static void text_that_looks_like_a_mark_is_escaped(void **state)
{
    (void)state;
    static const struct shown cases[] = {
        { "<U+200B>", 0, TEXT_CODE, false, false, "<U+003C>U+200B>" },
        { "<U+12345678>", 0, TEXT_CODE, false, false, "<U+12345678>" },
        { "<U+123>", 0, TEXT_CODE, false, false, "<U+123>" },
        { "<U+1234", 0, TEXT_CODE, false, false, "<U+1234" },
        { "<U+1234)", 0, TEXT_CODE, false, false, "<U+1234)" },
        { "<U+12\0>", 7, TEXT_CODE, false, false, "<U+12^@>" },
        { "<0xC0>", 0, TEXT_CODE, false, false, "<U+003C>0xC0>" },
        { "<0xC0", 0, TEXT_CODE, false, false, "<0xC0" },
        { "<0xC0)", 0, TEXT_CODE, false, false, "<0xC0)" },
        { "<0xC0DE>", 0, TEXT_CODE, false, false, "<0xC0DE>" },
        { "<0xC\0>", 6, TEXT_CODE, false, false, "<0xC^@>" },
        { "<0y", 0, TEXT_CODE, false, false, "<0y" },
        { "<0xg", 0, TEXT_CODE, false, false, "<0xg" },
        { "<40 spaces>", 0, TEXT_CODE, false, false, "<U+003C>40 spaces>" },
        { "<40 tabs>", 0, TEXT_CODE, false, false, "<U+003C>40 tabs>" },
        { "<40 blank lines>", 0, TEXT_CODE, false, false, "<U+003C>40 blank lines>" },
        { "<40 spaces)", 0, TEXT_CODE, false, false, "<40 spaces)" },
        { "<123456789012345678901 spaces>", 0, TEXT_CODE, false, false,
          "<123456789012345678901 spaces>" },
        { "<1", 0, TEXT_CODE, false, false, "<1" },
        { "<a", 0, TEXT_CODE, false, false, "<a" },
    };
    check(cases, ARRAY_LEN(cases));
}

static void controls_are_shown_or_counted(void **state)
{
    (void)state;
    static const struct shown cases[] = {
        { "a\r", 0, TEXT_CODE, true, true, "a$" },
        { "a\r", 0, TEXT_CODE, true, false, "a\xe2\x90\x8d" },
        { "a\r", 0, TEXT_CODE, false, false, "a^M" },
        { "one\rtwo", 0, TEXT_OUTPUT, true, true, "two (CR 1)" },
        { "a\rb\r\033[31mc\rdone", 0, TEXT_OUTPUT, true, false,
          "done \xe2\x9f\xb2"
          "3" },
        { "\033]0;title\a.", 0, TEXT_OUTPUT, true, true, "^[]0;title^G." },
        { "\033\0.", 3, TEXT_OUTPUT, true, true, "^[^@." },
        { "\xc2\x90", 0, TEXT_CODE, true, false, "<U+0090>" },
        { "\xc2\x98x", 0, TEXT_CODE, true, false, "<U+0098>x" },
        { "\xc2\x9f", 0, TEXT_CODE, true, false, "<U+009F>" },
        { "\xc2\x97", 0, TEXT_OUTPUT, true, false, "<U+0097>" },
        { "\xef\xbf\xbe", 0, TEXT_CODE, true, false, "<0xEF><0xBF><0xBE>" },
        { "\xef\xb7\x90", 0, TEXT_CODE, true, false, "<0xEF><0xB7><0x90>" },
    };
    check(cases, ARRAY_LEN(cases));
}

/* A string that a terminal would swallow: some of it is shown, the rest counted. */
static void long_payloads_are_counted(void **state)
{
    (void)state;
    static const char *const begin[] = {
        "\033]",    "\033P",    "\033_",    "\033^",    "\033X",
        "\xc2\x90", "\xc2\x98", "\xc2\x9d", "\xc2\x9e", "\xc2\x9f"
    };
    for (size_t i = 0; i < ARRAY_LEN(begin); i++) {
        for (int ascii = 0; ascii < 2; ascii++) {
            struct buf in = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
            (void)buf_add_str(&in, begin[i]);
            for (int n = 0; n < 2000; n++)
                (void)buf_add_char(&in, 'x');
            (void)buf_add_str(&in, "\a|");
            assert_int_equal(text_clean(&out, in.ptr, in.len, TEXT_OUTPUT, true, ascii), 0);
            assert_true(out.len < 1000);
            assert_non_null(strstr(buf_str(&out), ascii ? "...(+" : "\xe2\x80\xa6(+"));
            assert_int_equal(out.ptr[out.len - 1], '|');
            buf_release(&in);
            buf_release(&out);
        }
    }
}

static void clusters_end(void **state)
{
    (void)state;
    struct buf in = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
    (void)buf_add_char(&in, 'a');
    for (int i = 0; i < 200; i++)
        (void)buf_add_str(&in, "\xcc\x81");
    assert_int_equal(text_clean(&out, in.ptr, in.len, TEXT_CODE, false, false), 0);
    assert_true(out.len > 1);
    buf_reset(&out);
    static const char *const pictures[] = { "\xe2\x9d\xa4\xef\xb8\x8f", "\xe2\x9d\xa4\xef\xb8\x8e",
                                            "1\xef\xb8\x8f\xe2\x83\xa3", "1\xef\xb8\x8fx",
                                            "\xef\xb7\xba" };
    for (size_t i = 0; i < ARRAY_LEN(pictures); i++) {
        for (int mode = TEXT_CODE; mode <= TEXT_PROSE; mode++)
            assert_int_equal(text_clean(&out, pictures[i], strlen(pictures[i]),
                                        (enum text_mode)mode, false, false),
                             0);
    }
    assert_true(out.len > 0);
    buf_release(&in);
    buf_release(&out);
    assert_int_equal(text_grapheme("", 0), 0);
    assert_int_equal(text_grapheme("\xff", 1), 1);
    assert_int_equal(text_grapheme("a\xff", 2), 1);
    assert_int_equal(text_grapheme("a\xcc\x81"
                                   "b",
                                   4),
                     3);
}

static void what_is_safe(void **state)
{
    (void)state;
    static const uint32_t bad[] = { 0,      0x1b,    0x7f,   0x85,   0x200b, 0x2028,  0xe000,
                                    0xfffe, 0x1ffff, 0xfdd0, 0xfdef, 0x2800, 0x110000 };
    static const uint32_t good[] = { ' ', '~', 0xe9, 0x301, 0xfdf0, 0x4e00, 0x1f600 };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(text_cp_is_safe(bad[i]));
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(text_cp_is_safe(good[i]));
    assert_int_equal(text_cp_width(0x301), 0);
    assert_int_equal(text_cp_width(0x4e00), 2);
}

/* ---- look-alikes: the first glyph of each text is flagged, or not ---- */

static void words_are_judged_whole(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool flagged;
    } cases[] = {
        { "\xd0\xb0", true },          /* U+0430 alone could be an a */
        { "\xd0\xb6", false },         /* U+0436 could not */
        { "\xd0\xb6\xce\xbb", true },  /* Cyrillic and Greek in one word */
        { "\xd0\xb6\xd0\xb0", false }, /* one script, and not all alike */
        { "\xd2\x82", false },         /* a sign of that script is no word */
        { "\xd5\xba\xce\xbb", true },  /* Armenian and Greek */
        { "\xef\xbd\x81", true },      /* fullwidth a */
        { "\xe2\x84\xaa", true },      /* KELVIN SIGN */
        { "\xef\xb7\xba", false },     /* U+FDFA: eighteen letters in one */
        { "\xc2\xb2", false },         /* superscript two is no part of a word */
        { "\xef\xac\x80", true },      /* the ligature ff */
        { "\xc3\xa9", false },         /* é */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct text_iter it;
        struct text_glyph g;
        text_begin(&it, cases[i].in, strlen(cases[i].in), TEXT_CODE, false);
        assert_true(text_next(&it, &g));
        if ((g.mark == MARK_CONFUSABLE) != cases[i].flagged)
            fail_msg("case %zu: mark %d", i, g.mark);
    }
}

/* A word is looked at so far and no farther, and each of its letters gets a verdict. */
static void long_words_have_verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *letter, *end;
        size_t flagged; /* of 100 letters and the end */
    } cases[] = {
        { "\xd0\xb0", "", 100 },
        { "\xd0\xb6", "", 0 },
        { "\xd0\xb6", "z", 36 }, /* the z mixes those that are judged with it */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf in = BUF_INIT(1000);
        struct text_iter it;
        struct text_glyph g;
        size_t flagged = 0;
        for (int n = 0; n < 100; n++)
            assert_int_equal(buf_add_str(&in, cases[i].letter), 0);
        assert_int_equal(buf_add_str(&in, cases[i].end), 0);
        text_begin(&it, buf_str(&in), in.len, TEXT_CODE, false);
        while (text_next(&it, &g))
            flagged += g.mark == MARK_CONFUSABLE;
        assert_int_equal(flagged, cases[i].flagged);
        buf_release(&in);
    }
}

/* ---- widths ---- */

static void no_character_is_wider_than_two(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++)
        assert_true(text_cp_width(cp) <= 2);
}

/* Pictures joined without end are cut into glyphs of a bounded size; no byte is lost. */
static void joined_pictures_have_a_size(void **state)
{
    (void)state;
    struct buf in = BUF_INIT(1000);
    struct text_iter it;
    struct text_glyph g;
    size_t count = 0, at = 0;
    assert_int_equal(buf_add_str(&in, "\xf0\x9f\x91\xa9"), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(buf_add_str(&in, "\xe2\x80\x8d\xf0\x9f\x91\xa9"), 0);
    text_begin(&it, buf_str(&in), in.len, TEXT_OUTPUT, false);
    assert_true(text_next(&it, &g));
    assert_true(g.mark == MARK_JOINED && g.end == 4 + 16 * 7);
    do {
        assert_int_equal(g.start, at);
        at = g.end > g.start ? g.end : at;
        count++;
    } while (text_next(&it, &g));
    assert_int_equal(at, in.len);
    assert_true(count > 1);
    buf_release(&in);
}

/* Marks that reach to the end of a payload: they are counted, and of the payload nothing is left.
 */
static void marks_may_end_a_payload(void **state)
{
    (void)state;
    static const char *const ends[] = { "\a", "" };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct buf in = BUF_INIT(2000), out = BUF_INIT(2000);
        struct text_iter it;
        struct text_glyph row[400];
        bool more;
        assert_int_equal(buf_add_str(&in, "\033]"), 0);
        for (int n = 0; n < 255; n++)
            assert_int_equal(buf_add_char(&in, 'x'), 0);
        for (int n = 0; n < 100; n++)
            assert_int_equal(buf_add_str(&in, n == 0 ? "e" : "\xcc\x81"), 0);
        assert_int_equal(buf_add_str(&in, ends[i]), 0);
        assert_int_equal(text_clean(&out, in.ptr, in.len, TEXT_OUTPUT, false, false), 0);
        assert_non_null(strstr(buf_str(&out), " marks>"));
        assert_null(strstr(buf_str(&out), "bytes)"));
        text_begin(&it, in.ptr, in.len, TEXT_OUTPUT, false);
        size_t width = text_width(in.ptr, in.len, TEXT_OUTPUT);
        assert_int_equal(text_row(&it, width, row, ARRAY_LEN(row), &more), width);
        assert_false(more);
        assert_int_equal(text_count_rows(in.ptr, in.len, TEXT_OUTPUT, false, width), 1);
        buf_release(&in);
        buf_release(&out);
    }
}

/* What is shown for no bytes at all (an overdrawn line's count) takes room, too. */
static void counts_need_columns(void **state)
{
    (void)state;
    static const char line[] = "one\rtwo";
    size_t used, all = text_width(line, strlen(line), TEXT_OUTPUT);
    assert_int_equal(all, strlen("two ⟲1") - 2);
    assert_int_equal(text_fit(line, strlen(line), 80, TEXT_OUTPUT, &used), strlen(line));
    assert_int_equal(used, all);
    assert_int_equal(text_fit(line, strlen(line), all - 1, TEXT_OUTPUT, &used), strlen(line));
    assert_int_equal(used, 3);
}

/* ---- rows, streams, full buffers ---- */

static void one_column_is_enough(void **state)
{
    (void)state;
    for (int ascii = 0; ascii < 2; ascii++) {
        struct text_iter it;
        struct text_glyph g[4];
        bool more;
        text_begin(&it, "\xe4\xb8\x80z", 4, TEXT_PROSE, false);
        assert_int_equal(text_row(&it, 1, g, 4, &more), 1);
        assert_int_equal(g[0].cp[0], 0xfffd);
        assert_true(g[0].width == 1 && more);
        text_begin(&it, "\xe4\xb8\x80z", 4, TEXT_PROSE, false);
        it.ascii = ascii;
        assert_int_equal(text_skip_rows(&it, 0, 5), 0);
        assert_true(text_skip_rows(&it, 1, 100) >= 2);
        assert_true(text_at_end(&it));
    }
}

static void a_row_has_as_many_glyphs_as_there_is_room_for(void **state)
{
    (void)state;
    struct text_iter it;
    struct text_glyph g[2];
    bool more;
    text_begin(&it, "abc", 3, TEXT_OUTPUT, false);
    assert_int_equal(text_row(&it, 80, g, 2, &more), 2);
    assert_true(more);
    assert_int_equal(text_row(&it, 80, g, 2, &more), 1);
    assert_true(g[0].cp[0] == 'c' && !more);
}

static void lines_stay_lines(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(100);
    assert_int_equal(text_clean_lines(&out, "", 0, TEXT_OUTPUT, false), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(text_clean_lines(&out, "a\033[1mb\r\n\n\xc2\x85", 11, TEXT_OUTPUT, true), 0);
    assert_string_equal(buf_str(&out), "ab\n\n<U+0085>");
    buf_release(&out);
}

static void a_full_buffer_is_told(void **state)
{
    (void)state;
    static const char *const lines[] = { "plain letters", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
                                         "ab\ncd\nef\n" };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        for (size_t max = 0; max < 4; max++) {
            struct buf out;
            buf_init(&out, max);
            assert_int_equal(text_clean_lines(&out, lines[i], strlen(lines[i]), TEXT_OUTPUT, false),
                             -1);
            buf_release(&out);
            struct text_stream s;
            buf_init(&out, max);
            text_stream_init(&s, TEXT_OUTPUT, false);
            int rc = text_stream_feed(&s, lines[i], strlen(lines[i]), &out);
            if (rc == 0)
                rc = text_stream_end(&s, &out);
            assert_int_equal(rc, -1);
            text_stream_release(&s);
            buf_release(&out);
        }
    }
}

/* Lines longer than a piece, of each length of character, at each place of the cut. */
static void no_character_is_cut_in_two(void **state)
{
    (void)state;
    static const char *const chars[] = { "x", "\xc3\xa9", "\xe4\xb8\x80", "\xf0\x9f\x98\x80",
                                         "\x80" };
    for (size_t c = 0; c < ARRAY_LEN(chars); c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
            struct text_stream s;
            for (size_t i = 0; i < shift; i++)
                (void)buf_add_char(&in, 'a');
            while (in.len < TEXT_PIECE_MAX + 50)
                (void)buf_add_str(&in, chars[c]);
            text_stream_init(&s, TEXT_OUTPUT, false);
            assert_int_equal(text_stream_feed(&s, in.ptr, in.len, &out), 0);
            assert_int_equal(text_stream_end(&s, &out), 0);
            if (c < 4)
                assert_null(strstr(buf_str(&out), "<0x"));
            text_stream_release(&s);
            struct buf small;
            buf_init(&small, 1000);
            text_stream_init(&s, TEXT_OUTPUT, false);
            assert_int_equal(text_stream_feed(&s, in.ptr, in.len, &small), -1);
            text_stream_release(&s);
            buf_release(&small);
            buf_release(&in);
            buf_release(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_become_ours),
        cmocka_unit_test(what_is_no_sgr_is_left_alone),
        cmocka_unit_test(colours_that_hide_text_are_changed),
        cmocka_unit_test(text_that_looks_like_a_mark_is_escaped),
        cmocka_unit_test(controls_are_shown_or_counted),
        cmocka_unit_test(long_payloads_are_counted),
        cmocka_unit_test(clusters_end),
        cmocka_unit_test(what_is_safe),
        cmocka_unit_test(words_are_judged_whole),
        cmocka_unit_test(long_words_have_verdicts),
        cmocka_unit_test(no_character_is_wider_than_two),
        cmocka_unit_test(joined_pictures_have_a_size),
        cmocka_unit_test(marks_may_end_a_payload),
        cmocka_unit_test(counts_need_columns),
        cmocka_unit_test(one_column_is_enough),
        cmocka_unit_test(a_row_has_as_many_glyphs_as_there_is_room_for),
        cmocka_unit_test(lines_stay_lines),
        cmocka_unit_test(a_full_buffer_is_told),
        cmocka_unit_test(no_character_is_cut_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
