/* test_text.c - what foreign bytes look like: the SAN table, splits, injectivity, wrapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/utf8.h"
#include "ui/cell.h"
#include "ui/text.h"

/* One line as text; marks are put in braces with their first letter: {c^M}. */
static const char *show(const char *s, size_t len, enum text_mode mode, bool lf)
{
    static const char letters[] = " chkfbnj"; /* by enum text_mark; chosen to be distinct */
    static struct buf out = BUF_INIT(1 << 20);
    struct text_iter it;
    struct text_glyph g;
    enum text_mark mark = MARK_NONE;
    buf_reset(&out);
    text_begin(&it, s, len, mode, lf);
    while (text_next(&it, &g)) {
        if (g.mark != mark) {
            if (mark != MARK_NONE)
                (void)buf_add_char(&out, '}');
            if (g.mark != MARK_NONE)
                (void)buf_addf(&out, "{%c:", letters[g.mark]);
            mark = g.mark;
        }
        for (unsigned i = 0; i < g.count; i++)
            assert_int_equal(text_add_cp(&out, g.cp[i]), 0);
    }
    if (mark != MARK_NONE)
        (void)buf_add_char(&out, '}');
    return buf_str(&out);
}

struct row {
    const char *in;
    bool lf;
    const char *code, *output; /* NULL: the same as code */
};

/* The table of threats.md §3.1, as architecture §2 settles it. */
static const struct row table[] = {
    { "plain text", false, "plain text", NULL },
    { "a\tb", false, "a{b:→      }b", "a       b" },
    { "\t|", false, "{b:→       }|", "        |" },
    { "12345678\t|", false, "12345678{b:→       }|", "12345678        |" },
    { "end\r", true, "end{b:␍}", "end" },
    { "a\rb", false, "a{c:^M}b", "b{n: ⟲1}" },
    { "a\rb\rc", true, "a{c:^M}b{c:^M}c", "c{n: ⟲2}" },
    { "50%\r", false, "50%{c:^M}", "50%" },
    { "a\bb\fc\vd", false, "a{c:^H}b{c:^L}c{c:^K}d", NULL },
    { "\x01\x07\x7f", false, "{c:^A^G^?}", NULL },
    { "\x1b[31mred\x1b[0m", false, "{c:^[}[31mred{c:^[}[0m", "red" },
    { "\x1b[2J\x1b[1;1H", false, "{c:^[}[2J{c:^[}[1;1H", NULL },
    { "\x1b[31", false, "{c:^[}[31", NULL },
    { "\x1b]52;c;aGk=\x07x", false, "{c:^[}]52;c;aGk={c:^G}x", NULL },
    { "\x9b"
      "31m",
      false, "{k:<0x9B>}31m", NULL },
    { "\xc2\x9b"
      "31m",
      false, "{h:<U+009B>}31m", NULL },
    { "a\xe2\x80\xae"
      "b",
      false, "a{h:<U+202E>}b", NULL },
    { "a\xe2\x80\x8b"
      "b",
      false, "a{h:<U+200B>}b", NULL },
    { "\xef\xbb\xbfx", false, "{h:<U+FEFF>}x", NULL },
    { "x\xc2\xa0y", false, "x{h:<U+00A0>}y", NULL },
    { "x\xc2\xady", false, "x{h:<U+00AD>}y", NULL },
    { "x\xe2\x80\xa8y\xc2\x85z", false, "x{h:<U+2028>}y{h:<U+0085>}z", NULL },
    { "\xf3\xa0\x81\x81", false, "{h:<U+E0041>}", NULL },
    { "a\xef\xb8\x81", false, "a{h:<U+FE01>}", NULL },
    { "\xe3\x85\xa4\xe1\x85\x9f\xe1\x85\xa0\xef\xbe\xa0\xe2\xa0\x80\xe1\xa0\x8e", false,
      "{h:<U+3164><U+115F><U+1160><U+FFA0><U+2800><U+180E>}", NULL },
    { "\xee\x82\xa0", false, "{h:<U+E0A0>}", NULL },
    { "\xcd\xb8", false, "{h:<U+0378>}", NULL }, /* unassigned */
    { "\xc0\xaf", false, "{k:<0xC0><0xAF>}", NULL },
    { "\xed\xa0\x80", false, "{k:<0xED><0xA0><0x80>}", NULL },
    { "\xf4\x90\x80\x80", false, "{k:<0xF4><0x90><0x80><0x80>}", NULL },
    { "\xef\xbf\xbe", false, "{k:<0xEF><0xBF><0xBE>}", NULL },
    { "ab\xe2\x82", false, "ab{k:<0xE2><0x82>}", NULL },
    { "M\xc3\xbcller \xe5\x8c\x97\xe4\xba\xac", false, "Müller 北京", NULL },
    { "<U+200B>", false, "{n:<U+003C>}U+200B>", "<U+200B>" },
    { "<0xC0> <U+20> <0xC>", false, "{n:<U+003C>}0xC0> <U+20> <0xC>", "<0xC0> <U+20> <0xC>" },
    { "<40 spaces><9 tabs>", false, "{n:<U+003C>}40 spaces>{n:<U+003C>}9 tabs>",
      "<40 spaces><9 tabs>" },
    { "<12 blank lines>", false, "{n:<U+003C>}12 blank lines>", "<12 blank lines>" },
    { "x\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", false,
      "x\xcc\x81\xcc\x81\xcc\x81\xcc\x81{h:<U+0301><U+0301>}",
      "x\xcc\x81\xcc\x81\xcc\x81\xcc\x81{n:<+2 marks>}" },
    { "\xcc\x81", false, "{h:<U+0301>}", NULL },
    /* joined pictures, flags, selectors */
    { "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb!", false, "👩{h:<U+200D>}💻!", "{j:👩}!" },
    { "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", false, "{h:<U+1F1E9><U+1F1EA>}", "{j:DE}" },
    { "\xe2\x9d\xa4\xef\xb8\x8f.", false, "❤{h:<U+FE0F>}.", "❤." },
    { "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd.", false, "👍🏽.", "{j:👍}." },
    { "a\xef\xb8\x8f", false, "a{h:<U+FE0F>}", NULL }, /* a selector on a letter hides data */
    /* look-alikes */
    { "\xd1\x80\xd0\xb0ypal = 1", false, "{f:ра}ypal = 1", "раypal = 1" },
    { "\xd1\x81\xd0\xbe\xd1\x80\xd0\xb5", false, "{f:соре}", "соре" },
    { "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", false, "привет", NULL },
    { "\xef\xbc\xa1\xef\xbc\x9d", false, "{f:Ａ＝}", "Ａ＝" },
    { "e\xcc\x81", false, "{f:e\xcc\x81}", "e\xcc\x81" },
    { "\xe2\x84\xaa", false, "{f:\xe2\x84\xaa}", "\xe2\x84\xaa" },
    { "\xc3\xa9", false, "é", NULL },
};

static void test_san_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        size_t n = strlen(table[i].in);
        assert_string_equal(show(table[i].in, n, TEXT_CODE, table[i].lf), table[i].code);
        assert_string_equal(show(table[i].in, n, TEXT_OUTPUT, table[i].lf),
                            table[i].output ? table[i].output : table[i].code);
    }
    assert_string_equal(show("a\0b", 3, TEXT_OUTPUT, false), "a{c:^@}b");
    assert_string_equal(show("a\nb", 3, TEXT_PROSE, false), "a{c:^J}b");
    assert_string_equal(show("\x1b[1mb\rc", 7, TEXT_PROSE, false), "{c:^[}[1mb{c:^M}c");
}

static void test_counts(void **state)
{
    char s[400];
    (void)state;
    memset(s, ' ', sizeof s);
    assert_string_equal(show(s, 33, TEXT_CODE, false), "{b:<33 spaces>}");
    s[32] = 'x';
    assert_int_equal(strlen(show(s, 33, TEXT_CODE, false)), 33);
    memset(s, '\t', sizeof s);
    assert_string_equal(show(s, 50, TEXT_CODE, false), "{b:<50 tabs>}");
    /* payload of a string sequence: 256 bytes in output, all of it in code */
    memset(s, 'p', sizeof s);
    memcpy(s, "\x1b]0;", 4);
    s[398] = '\a';
    const char *out = show(s, 399, TEXT_OUTPUT, false);
    assert_non_null(strstr(out, "…(+140 bytes)"));
    assert_null(strstr(show(s, 399, TEXT_CODE, false), "bytes"));
}

static struct text_sgr sgr_of(const char *s)
{
    struct text_iter it;
    struct text_glyph g = { 0 };
    text_begin(&it, s, strlen(s), TEXT_OUTPUT, false);
    assert_true(text_next(&it, &g));
    return g.sgr;
}

static void test_sgr(void **state)
{
    static const struct {
        const char *in;
        struct text_sgr want;
    } cases[] = {
        { "\x1b[31mx", { 2, 0, false, false } },
        { "\x1b[1;4;92;44mx", { 11, 5, true, true } },
        { "\x1b[31m\x1b[39mx", { 0, 0, false, false } },
        { "\x1b[31;1m\x1b[mx", { 0, 0, false, false } },
        { "\x1b[38;5;196mx", { 10, 0, false, false } },
        { "\x1b[38;2;0;255;0mx", { 11, 0, false, false } },
        { "\x1b[38:2::0:255:0mx", { 11, 0, false, false } },
        { "\x1b[48;5;21;1mx", { 0, 13, true, false } },
        { "\x1b[8;5;7mx", { 0, 0, false, false } },   /* conceal, blink, reverse */
        { "\x1b[31;41mx", { 0, 0, false, false } },   /* equal colours hide */
        { "\x1b[30mx", { 9, 0, false, false } },      /* black on the terminal's own */
        { "\x1b[32mold\rx", { 3, 0, false, false } }, /* what a CR hides still colours */
        { "\x1b[99999999999999999999mx", { 0, 0, false, false } },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct text_sgr got = sgr_of(cases[i].in);
        if (got.fg != cases[i].want.fg || got.bg != cases[i].want.bg ||
            got.bold != cases[i].want.bold || got.underline != cases[i].want.underline)
            fail_msg("%zu: fg %d bg %d bold %d underline %d", i, got.fg, got.bg, got.bold,
                     got.underline);
    }
}

static void test_ascii_terminal(void **state)
{
    struct buf b = BUF_INIT(1000);
    (void)state;
    assert_int_equal(text_clean(&b, "M\xc3\xbcller\t\xe2\x82\xac", 11, TEXT_CODE, false, true), 0);
    assert_string_equal(buf_str(&b), "M<U+00FC>ller>  <U+20AC>");
    for (size_t i = 0; i < b.len; i++)
        assert_in_range((unsigned char)b.ptr[i], 0x20, 0x7e);
    buf_reset(&b); /* a mark can't stand on a letter there */
    assert_int_equal(text_clean(&b, "e\xcc\x81", 3, TEXT_PROSE, false, true), 0);
    assert_string_equal(buf_str(&b), "e<U+0301>");
    buf_release(&b);
}

/* ---- properties over generated bytes ---- */

static uint64_t seed = 88172645463325252u;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Pieces that the rules turn on, and plain bytes between them. */
static size_t make_line(char *out, size_t max)
{
    static const char *const parts[] = {
        "a",
        "Z",
        " ",
        "  ",
        "\t",
        "\r",
        "<",
        "<U+200B>",
        "<0xC0>",
        "<U+003C>",
        "^M",
        "\x1b[31m",
        "\x1b[0m",
        "\x1b",
        "[",
        "\x1b]0;t\x07",
        "\xc3\xa9",
        "e",
        "\xcc\x81",
        "\xe2\x80\xae",
        "\xe2\x80\x8d",
        "\xef\xb8\x8f",
        "\xf0\x9f\x91\xa9",
        "\xf0\x9f\x87\xa9",
        "\xe5\x8c\x97",
        "\xd0\xb0",
        "\x80",
        "\xc0",
        "\xe2\x82",
        "\xf4\x90",
        "\x01",
        "\x7f",
        "\xc2\x9b",
        "→",
        "␍",
        "⟲1",
        "                                  ",
        "<34 spaces>",
        ">",
        "\xef\xbf\xbe",
        "1",
        "x",
    };
    size_t n = 0;
    for (size_t i = rnd() % 12; i > 0; i--) {
        const char *p = parts[rnd() % ARRAY_LEN(parts)];
        char one = (char)(rnd() % 255 + 1);
        if (one == '\n')
            one = 'n';
        size_t k = rnd() % 8 ? strlen(p) : 1;
        if (n + k > max)
            break;
        memcpy(out + n, k == 1 && rnd() % 8 == 0 ? &one : p, k);
        n += k;
    }
    return n;
}

/* What a person can tell apart: the code points and the style of every cell. */
static uint64_t picture(const char *s, size_t len, enum text_mode mode, bool ascii)
{
    struct text_iter it;
    struct text_glyph g;
    uint64_t h = 14695981039346656037u;
    text_begin(&it, s, len, mode, false);
    it.ascii = ascii;
    while (text_next(&it, &g)) {
        for (unsigned i = 0; i < g.count; i++)
            h = (h ^ g.cp[i]) * 1099511628211u;
        h = (h ^ (g.mark == MARK_NONE ? 0 : 0x10000000u + (unsigned)g.mark)) * 1099511628211u;
        h = (h ^ g.count) * 1099511628211u;
    }
    return h;
}

static void test_no_unsafe_cell(void **state)
{
    char s[300];
    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t n = make_line(s, sizeof s);
        enum text_mode mode = (enum text_mode)(rnd() % 3);
        struct text_iter it;
        struct text_glyph g;
        size_t end = 0;
        text_begin(&it, s, n, mode, rnd() & 1);
        while (text_next(&it, &g)) {
            for (unsigned k = 0; k < g.count; k++)
                assert_true(text_cp_is_safe(g.cp[k]));
            assert_in_range(g.count, 1, 1 + TEXT_MARKS_MAX);
            assert_in_range(g.width, 1, 2);
            assert_in_range(g.end, g.start, n);
            if (mode == TEXT_CODE && g.end > g.start) {
                assert_int_equal(g.start, end); /* every byte stands for something, in order */
                end = g.end;
            }
        }
        if (mode == TEXT_CODE)
            assert_int_equal(end, n);
    }
}

static void test_code_is_injective(void **state)
{
    enum { N = 60000 };
    struct seen {
        uint64_t hash;
        char *s;
        size_t n;
    } *all = calloc(N, sizeof *all);
    char s[300];
    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < N; i++) {
        all[i].n = make_line(s, 40);
        all[i].s = malloc(all[i].n + 1);
        memcpy(all[i].s, s, all[i].n);
        all[i].hash = picture(s, all[i].n, TEXT_CODE, false);
    }
    /* by hash table of heads; collisions must be equal bytes */
    static uint32_t head[1 << 17];
    for (uint32_t i = 0; i < N; i++) {
        uint32_t slot = (uint32_t)(all[i].hash % ARRAY_LEN(head));
        for (; head[slot]; slot = (slot + 1) % ARRAY_LEN(head)) {
            struct seen *o = &all[head[slot] - 1];
            if (o->hash == all[i].hash && (o->n != all[i].n || memcmp(o->s, all[i].s, o->n) != 0)) {
                char a[400], b[400];
                snprintf(a, sizeof a, "%s", show(o->s, o->n, TEXT_CODE, false));
                snprintf(b, sizeof b, "%s", show(all[i].s, all[i].n, TEXT_CODE, false));
                fail_msg("two texts look the same: %s / %s", a, b);
            }
        }
        head[slot] = i + 1;
    }
    for (size_t i = 0; i < N; i++)
        free(all[i].s);
    free(all);
}

static void test_streams_do_not_care_about_splits(void **state)
{
    struct buf whole = BUF_INIT(1 << 22), parts = BUF_INIT(1 << 22), in = BUF_INIT(1 << 22);
    (void)state;
    for (int round = 0; round < 300; round++) {
        buf_reset(&in);
        for (size_t i = 0; i < 1 + rnd() % 30; i++) {
            char s[300];
            assert_int_equal(buf_add(&in, s, make_line(s, sizeof s)), 0);
            if (rnd() % 2)
                assert_int_equal(buf_add_char(&in, '\n'), 0);
        }
        if (round % 50 == 0) /* a line that is longer than a piece */
            for (int i = 0; i < 30000; i++)
                assert_int_equal(buf_add_str(&in, rnd() % 3 ? "abc" : "\xe5\x8c\x97"), 0);
        struct text_stream a, b;
        text_stream_init(&a, TEXT_OUTPUT, false);
        text_stream_init(&b, TEXT_OUTPUT, false);
        buf_reset(&whole);
        buf_reset(&parts);
        assert_int_equal(text_stream_feed(&a, buf_str(&in), in.len, &whole), 0);
        assert_int_equal(text_stream_end(&a, &whole), 0);
        for (size_t at = 0; at < in.len;) {
            size_t n = 1 + rnd() % (rnd() % 4 ? 5 : 70000);
            if (n > in.len - at)
                n = in.len - at;
            assert_int_equal(text_stream_feed(&b, in.ptr + at, n, &parts), 0);
            at += n;
        }
        assert_int_equal(text_stream_end(&b, &parts), 0);
        assert_int_equal(whole.len, parts.len);
        if (whole.len)
            assert_memory_equal(whole.ptr, parts.ptr, whole.len);
        text_stream_release(&a);
        text_stream_release(&b);
    }
    buf_release(&whole);
    buf_release(&parts);
    buf_release(&in);
}

/* Rows of any width hold the same glyphs as one endless row, and skipping finds the same places. */
static void test_wrapping(void **state)
{
    char s[300];
    struct text_glyph row[80], all[2000];
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = make_line(s, sizeof s), width = 2 + rnd() % 60, count = 0, rows = 0, at = 0;
        enum text_mode mode = (enum text_mode)(rnd() % 3);
        struct text_iter it, skip;
        bool more = true;
        text_begin(&it, s, n, mode, false);
        while (text_next(&it, &all[count]))
            assert_true(++count < ARRAY_LEN(all));
        text_begin(&it, s, n, mode, false);
        while (more) {
            size_t used = 0, k;
            text_begin(&skip, s, n, mode, false);
            assert_int_equal(text_skip_rows(&skip, width, rows), rows);
            k = text_row(&it, width, row, ARRAY_LEN(row), &more);
            for (size_t i = 0; i < k; i++, at++) {
                assert_int_equal(row[i].cp[0], all[at].cp[0]);
                assert_int_equal(row[i].start, all[at].start);
                used += row[i].width;
            }
            assert_true(used <= width);
            if (k) {
                struct text_glyph first[80];
                bool dummy;
                assert_true(text_row(&skip, width, first, ARRAY_LEN(first), &dummy) == k);
                assert_int_equal(first[0].start, row[0].start);
                assert_int_equal(first[0].cp[0], row[0].cp[0]);
            }
            rows++;
        }
        assert_int_equal(at, count);
        assert_int_equal(text_count_rows(s, n, mode, false, width), rows);
    }
}

static void test_width_and_fit(void **state)
{
    size_t used;
    (void)state;
    assert_int_equal(text_width("abc", 3, TEXT_PROSE), 3);
    assert_int_equal(text_width("\xe5\x8c\x97\xe4\xba\xac", 6, TEXT_PROSE), 4);
    assert_int_equal(text_width("e\xcc\x81", 3, TEXT_PROSE), 1);
    assert_int_equal(text_width("\xe2\x80\xae", 3, TEXT_PROSE), 8);
    assert_int_equal(text_fit("\xe5\x8c\x97\xe4\xba\xac", 6, 3, TEXT_PROSE, &used), 3);
    assert_int_equal(used, 2);
    assert_int_equal(text_fit("abc", 3, 10, TEXT_PROSE, &used), 3);
    assert_int_equal(used, 3);
    assert_int_equal(text_fit("abc", 3, 0, TEXT_PROSE, &used), 0);
    assert_int_equal(text_grapheme("e\xcc\x81x", 4), 3);
    assert_int_equal(text_grapheme("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb", 11), 11);
    assert_int_equal(text_grapheme("\xc0x", 2), 1);
}

static void test_flags(void **state)
{
    (void)state;
    assert_false(text_line_is_flagged("x = 1\t# ok", 10));
    assert_false(text_line_is_flagged("x = 1\r", 6));
    assert_false(text_line_is_flagged("s = \"M\xc3\xbcller\"", 13));
    assert_true(text_line_is_flagged("x\xe2\x80\xae", 4));
    assert_true(text_line_is_flagged("x\x1b", 2));
    assert_true(text_line_is_flagged("\xd1\x80\xd0\xb0y", 5));
    assert_true(text_line_is_flagged("\xff", 1));
}

/* A line of 200 kB: finding its last row must not be quadratic. Counted in rows, not in time. */
static void test_long_line(void **state)
{
    size_t n = 200000;
    char *s = malloc(n);
    struct text_iter it;
    struct text_glyph row[100];
    bool more;
    (void)state;
    assert_non_null(s);
    memset(s, 'x', n);
    assert_int_equal(text_count_rows(s, n, TEXT_OUTPUT, false, 80), 2500);
    text_begin(&it, s, n, TEXT_OUTPUT, false);
    assert_int_equal(text_skip_rows(&it, 80, 2499), 2499);
    assert_int_equal(text_row(&it, 80, row, 100, &more), 80);
    assert_false(more);
    assert_int_equal(row[0].start, 2499 * 80);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_san_table),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_sgr),
        cmocka_unit_test(test_ascii_terminal),
        cmocka_unit_test(test_no_unsafe_cell),
        cmocka_unit_test(test_code_is_injective),
        cmocka_unit_test(test_streams_do_not_care_about_splits),
        cmocka_unit_test(test_wrapping),
        cmocka_unit_test(test_width_and_fit),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
