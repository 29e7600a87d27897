/* fuzz_text.c - libFuzzer target for ui/text: SAN-1 (no unsafe cell), SAN-2 (splits do not matter),
 * SAN-3 (code view is injective), wrapping at any width, and the prose and document views on top.
 *
 * The first byte chooses the mode, the second a width, the third a split. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ui/cell.h"
#include "ui/doc.h"
#include "ui/markdown.h"
#include "ui/text.h"

#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "fuzz_text: %s:%d: %s\n", __FILE__, __LINE__, #cond);                  \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The walk: clean glyphs, in code each byte once and in order. Appends what can be seen to `out`.
 */
static void walk(const char *p, size_t len, enum text_mode mode, bool lf, bool ascii,
                 struct buf *out)
{
    struct text_iter it;
    struct text_glyph g;
    size_t end = 0;
    text_begin(&it, p, len, mode, lf);
    it.ascii = ascii;
    while (text_next(&it, &g)) {
        REQUIRE(g.count >= 1 && g.count <= 1 + TEXT_MARKS_MAX);
        REQUIRE(g.width == 1 || g.width == 2);
        REQUIRE(g.start <= g.end && g.end <= len);
        for (unsigned i = 0; i < g.count; i++) {
            REQUIRE(text_cp_is_safe(g.cp[i]));
            REQUIRE(!ascii || g.cp[i] < 0x7f);
            REQUIRE(text_cp_width(g.cp[i]) == (i ? 0 : g.width) || g.mark == MARK_JOINED || i);
            (void)text_add_cp(out, g.cp[i]);
        }
        (void)buf_add_char(out, (char)('A' + (int)g.mark));
        if (mode == TEXT_CODE && g.end > g.start) {
            REQUIRE(g.start == end);
            end = g.end;
        }
    }
    REQUIRE(mode != TEXT_CODE || end == len);
}

/* What is seen tells the bytes: read it back. Only our own marks have a style other than NONE. */
static void unwalk(const char *p, size_t len, bool lf)
{
    struct buf bytes = BUF_INIT(1 << 22), mark = BUF_INIT(64);
    struct text_iter it;
    struct text_glyph g;
    text_begin(&it, p, len, TEXT_CODE, lf);
    while (text_next(&it, &g)) {
        bool plain = g.mark == MARK_NONE || g.mark == MARK_CONFUSABLE;
        for (unsigned i = 0; i < g.count; i++)
            (void)text_add_cp(plain ? &bytes : &mark, g.cp[i]);
        if (plain || g.end == g.start)
            continue;
        unsigned v = 0;
        size_t n = 0;
        const char *m = buf_str(&mark);
        if (sscanf(m, "<U+%X>", &v) == 1)
            (void)text_add_cp(&bytes, v);
        else if (sscanf(m, "<0x%X>", &v) == 1)
            (void)buf_add_char(&bytes, (char)v);
        else if (sscanf(m, "<%zu spaces>", &n) == 1 && strstr(m, "spaces"))
            for (; n > 0; n--)
                (void)buf_add_char(&bytes, ' ');
        else if (sscanf(m, "<%zu tabs>", &n) == 1)
            for (; n > 0; n--)
                (void)buf_add_char(&bytes, '\t');
        else if (m[0] == '^')
            (void)buf_add_char(&bytes, (char)(m[1] ^ 0x40));
        else
            (void)buf_add_char(&bytes, strncmp(m, "\xe2\x90\x8d", 3) == 0 ? '\r' : '\t');
        buf_reset(&mark);
    }
    REQUIRE(bytes.len == len && (len == 0 || memcmp(bytes.ptr, p, len) == 0));
    buf_release(&bytes);
    buf_release(&mark);
}

static void wrap(const char *p, size_t len, enum text_mode mode, size_t width)
{
    struct text_glyph *row = calloc(width, sizeof *row);
    struct text_iter it, skip;
    size_t rows = 0;
    bool more = true;
    REQUIRE(row != NULL);
    text_begin(&it, p, len, mode, false);
    while (more) {
        size_t used = 0, n;
        if (rows % 5 == 0 && rows < 60) {
            text_begin(&skip, p, len, mode, false);
            REQUIRE(text_skip_rows(&skip, width, rows) == rows);
            REQUIRE(skip.pos == it.pos && skip.pending_len == it.pending_len);
        }
        n = text_row(&it, width, row, width, &more);
        for (size_t i = 0; i < n; i++)
            used += row[i].width;
        REQUIRE(used <= width);
        REQUIRE(n > 0 || !more);
        rows++;
    }
    REQUIRE(text_count_rows(p, len, mode, false, width) == rows);
    free(row);
}

static void stream(const char *p, size_t len, size_t split)
{
    struct buf a = BUF_INIT(1 << 24), b = BUF_INIT(1 << 24);
    struct text_stream s, t;
    text_stream_init(&s, TEXT_OUTPUT, false);
    text_stream_init(&t, TEXT_OUTPUT, false);
    REQUIRE(text_stream_feed(&s, p, len, &a) == 0 && text_stream_end(&s, &a) == 0);
    for (size_t at = 0; at < len; at += split) {
        size_t n = len - at < split ? len - at : split;
        REQUIRE(text_stream_feed(&t, p + at, n, &b) == 0);
    }
    REQUIRE(text_stream_end(&t, &b) == 0);
    REQUIRE(a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0));
    text_stream_release(&s);
    text_stream_release(&t);
    buf_release(&a);
    buf_release(&b);
}

static void prose(const char *p, size_t len, size_t width)
{
    struct prose pr;
    struct grid g;
    prose_init(&pr);
    prose_add_markdown(&pr, p, len, width);
    prose_add_plain(&pr, p, len, width, ROLE_TEXT);
    grid_init(&g, 60, 1);
    for (size_t i = 0; i < pr.line_count && i < 50; i++) {
        grid_clear(&g);
        grid_put_prose(&g, 0, 0, 60, &pr, i);
        for (int x = 0; x < g.w; x++) {
            uint32_t cps[1 + TEXT_MARKS_MAX];
            size_t n = grid_cell_text(&g, grid_at(&g, x, 0), cps);
            for (size_t k = 0; k < n; k++)
                REQUIRE(text_cp_is_safe(cps[k]));
        }
    }
    grid_release(&g);
    prose_release(&pr);
}

/* Every entry of a document has rows, and moving to its end and back comes home. */
static void document(const char *p, size_t len, size_t width)
{
    struct doc d;
    size_t half = len / 2;
    doc_build(&d, p, half, p + half, len - half, TEXT_CODE, width & 1);
    struct doc_at top = { 0, 0 }, end = doc_move(&d, top, 100000, width);
    struct doc_at back = doc_move(&d, end, -100000, width);
    REQUIRE(back.entry == 0 && back.row == 0);
    if (d.count) {
        uint64_t at;
        uint32_t row;
        doc_place(&d, end, width, &at, &row);
        REQUIRE(doc_compare(doc_locate(&d, at, row, width), end) == 0);
    }
    doc_release(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf seen = BUF_INIT(1 << 22);
    if (size < 3 || size > 8192)
        return 0;
    enum text_mode mode = (enum text_mode)(data[0] % 3);
    size_t width = 2 + data[1] % 100, split = 1 + data[2] % 64, len = size - 3;
    char *p = malloc(len + 1);
    REQUIRE(p != NULL);
    memcpy(p, data + 3, len);
    stream(p, len, split);
    prose(p, len, width);
    document(p, len, width);
    for (size_t i = 0; i < len; i++) /* the rest takes one line */
        if (p[i] == '\n')
            p[i] = data[0] & 0x40 ? 'n' : '\r';
    walk(p, len, mode, data[0] & 0x80, data[0] & 0x20, &seen);
    unwalk(p, len, data[0] & 0x80);
    wrap(p, len, mode, width);
    free(p);
    buf_release(&seen);
    return 0;
}
