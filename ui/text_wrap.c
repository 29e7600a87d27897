/* text_wrap.c - rows of a width, whole strings and streams, on top of the walk of text.c. */
#include "ui/text.h"

#include <string.h>
#include "base/utf8.h"

bool text_at_end(const struct text_iter *it)
{
    return it->pos >= it->len && it->pending_len == 0 && it->overdrawn == 0 && it->payload_end == 0;
}

/* Printable ASCII from `pos` on that is one cell a byte whatever surrounds it, at most `max`. */
static size_t plain_run(const struct text_iter *it, size_t max)
{
    const char *p = it->line + it->pos;
    size_t left = it->len - it->pos, n = 0;
    if (it->pending_len || it->payload_end)
        return 0;
    if (left > max + 1)
        left = max + 1;
    if (it->mode == TEXT_CODE) {
        size_t all = it->len - it->pos;
        while (n < left && (unsigned char)(p[n] - 0x20) < 0x5f && p[n] != '<' &&
               (p[n] != ' ' || n + 1 == all || p[n + 1] != ' '))
            n++;
    } else {
        while (n < left && (unsigned char)(p[n] - 0x20) < 0x5f)
            n++;
    }
    if (n > 0 && n < left && (unsigned char)p[n] >= 0x80)
        n--; /* a mark may follow: the last one is not alone */
    return n < max ? n : max;
}

/* Trailing SGR sequences and the like leave nothing to show: a row may end though bytes are left.
 */
static bool goes_on(const struct text_iter *it)
{
    if (text_at_end(it))
        return false;
    struct text_iter probe = *it;
    struct text_glyph g;
    return text_next(&probe, &g);
}

size_t text_row(struct text_iter *it, size_t width, struct text_glyph *out, size_t max, bool *more)
{
    size_t used = 0, n = 0;
    bool full = false;
    while (n < max && used < width) {
        struct text_iter before = *it;
        struct text_glyph *g = &out[n];
        if (!text_next(it, g))
            break;
        if (g->width > width) {
            g->cp[0] = 0xfffd; /* without UTF-8 nothing is wide: text.c writes its number */
            g->count = 1;
            g->width = 1;
        }
        if (used + g->width > width) {
            *it = before;
            full = true;
            break;
        }
        used += g->width;
        n++;
    }
    *more = full || goes_on(it);
    return n;
}

size_t text_skip_rows(struct text_iter *it, size_t width, size_t rows)
{
    size_t done = 0;
    if (width == 0)
        return 0;
    for (; done < rows && !text_at_end(it); done++) {
        size_t used = 0;
        struct text_glyph g;
        bool any = false;
        while (used < width) {
            size_t n = plain_run(it, width - used);
            if (n) {
                it->pos += n;
                it->column += n;
                used += n;
                any = true;
                continue;
            }
            struct text_iter before = *it;
            if (!text_next(it, &g))
                break;
            size_t w = g.width > width ? 1 : g.width;
            if (used + w > width) {
                *it = before;
                break;
            }
            used += w;
            any = true;
        }
        if (!any)
            break; /* only invisible bytes were left */
    }
    return done;
}

size_t text_count_rows(const char *line, size_t len, enum text_mode mode, bool had_lf, size_t width)
{
    struct text_iter it;
    text_begin(&it, line, len, mode, had_lf);
    size_t n = text_skip_rows(&it, width, SIZE_MAX);
    return n ? n : 1;
}

/* ---- whole strings ---- */

static bool ascii_only;

void text_set_ascii_only(bool on)
{
    ascii_only = on;
}

int text_add_cp(struct buf *out, uint32_t cp)
{
    char s[4];
    unsigned n = utf8_encode(cp, s);
    return buf_add(out, s, n);
}

int text_clean(struct buf *out, const char *line, size_t len, enum text_mode mode, bool had_lf,
               bool ascii)
{
    struct text_iter it;
    struct text_glyph g;
    text_begin(&it, line, len, mode, had_lf);
    it.ascii = ascii || ascii_only;
    for (;;) {
        size_t n = plain_run(&it, SIZE_MAX - 1);
        if (n) {
            if (buf_add(out, it.line + it.pos, n) < 0)
                return -1;
            it.pos += n;
            it.column += n;
        }
        if (!text_next(&it, &g))
            return 0;
        for (unsigned i = 0; i < g.count; i++)
            if (text_add_cp(out, g.cp[i]) < 0)
                return -1;
    }
}

int text_clean_lines(struct buf *out, const char *p, size_t len, enum text_mode mode, bool ascii)
{
    while (len) {
        const char *lf = memchr(p, '\n', len);
        size_t n = lf ? (size_t)(lf - p) : len;
        if (text_clean(out, p, n, mode, lf != NULL, ascii) < 0)
            return -1;
        if (lf && buf_add_char(out, '\n') < 0)
            return -1;
        n += lf != NULL;
        p += n;
        len -= n;
    }
    return 0;
}

size_t text_width(const char *s, size_t len, enum text_mode mode)
{
    struct text_iter it;
    struct text_glyph g;
    size_t w = 0;
    text_begin(&it, s, len, mode, false);
    for (;;) {
        size_t n = plain_run(&it, SIZE_MAX - 1);
        it.pos += n;
        it.column += n;
        w += n;
        if (!text_next(&it, &g))
            return w;
        w += g.width;
    }
}

size_t text_fit(const char *s, size_t len, size_t columns, enum text_mode mode, size_t *used)
{
    struct text_iter it;
    struct text_glyph g;
    size_t end = 0, w = 0;
    *used = 0;
    text_begin(&it, s, len, mode, false);
    while (text_next(&it, &g)) {
        w += g.width;
        if (w > columns)
            break;
        if (g.end > g.start || it.pending_len == 0) {
            end = g.end > end ? g.end : end;
            *used = w;
        }
    }
    return w <= columns ? len : end;
}

/* ---- streams ---- */

void text_stream_init(struct text_stream *s, enum text_mode mode, bool ascii)
{
    buf_init(&s->held, TEXT_PIECE_MAX + 1);
    s->mode = mode;
    s->ascii = ascii;
}

void text_stream_release(struct text_stream *s)
{
    buf_release(&s->held);
}

/* A line longer than a piece is shown in pieces; a character is not cut in two. */
static size_t piece_end(const char p[TEXT_PIECE_MAX])
{
    size_t cut = TEXT_PIECE_MAX;
    for (unsigned i = 0; i < 3 && ((unsigned char)p[cut - 1] & 0xc0) == 0x80; i++)
        cut--;
    return (unsigned char)p[cut - 1] >= 0xc0 ? cut - 1 /* its lead byte goes along */
                                             : TEXT_PIECE_MAX;
}

static int print_line(struct text_stream *s, const char *p, size_t len, bool lf, struct buf *out)
{
    if (text_clean(out, p, len, s->mode, lf, s->ascii) < 0)
        return -1;
    return buf_add_char(out, '\n');
}

int text_stream_feed(struct text_stream *s, const char *p, size_t len, struct buf *out)
{
    while (len) {
        size_t room = TEXT_PIECE_MAX - s->held.len, take = len < room ? len : room;
        const char *lf = memchr(p, '\n', take);
        if (lf) {
            size_t n = (size_t)(lf - p);
            int rc = 0;
            if (s->held.len == 0) {
                rc = print_line(s, p, n, true, out);
            } else {
                (void)buf_add(&s->held, p, n); /* fits: n < room */
                rc = print_line(s, s->held.ptr, s->held.len, true, out);
                buf_reset(&s->held);
            }
            if (rc < 0)
                return -1;
            p += n + 1;
            len -= n + 1;
            continue;
        }
        (void)buf_add(&s->held, p, take);
        p += take;
        len -= take;
        if (s->held.len == TEXT_PIECE_MAX) {
            size_t cut = piece_end(s->held.ptr);
            if (print_line(s, s->held.ptr, cut, false, out) < 0)
                return -1;
            buf_drop_front(&s->held, cut);
        }
    }
    return 0;
}

int text_stream_end(struct text_stream *s, struct buf *out)
{
    int rc = s->held.len ? print_line(s, s->held.ptr, s->held.len, false, out) : 0;
    buf_reset(&s->held);
    return rc;
}
