/* view_lines.c - program output as lines, by byte offset: from the tail kept in memory, or through
 * the source. Nothing is read but what is looked at. [performance §1.7, §1.8]
 *
 * A line may be longer than anyone wants to walk, so it is shown in pieces: a piece begins at a
 * line's start, and at each multiple of LINES_PIECE that has no line end in the LINES_PIECE bytes
 * before it. Both directions find the same pieces, and no step looks at more than two of them.
 */
#include "ui/view_int.h"

#include <stdlib.h>
#include <string.h>
#include "base/utf8.h"

#define WINDOW (4 * LINES_PIECE)

void lines_open(struct lines *ln, const struct state_output *out, const struct output_source *src,
                uint32_t run, unsigned stream)
{
    *ln = (struct lines){ .out = out, .source = src, .run = run, .stream = stream };
}

void lines_close(struct lines *ln)
{
    free(ln->window);
    ln->window = NULL;
}

/* Fill the window from the source up to where the tail begins, and from the tail behind that. */
static bool load_window(struct lines *ln, uint64_t at)
{
    const struct state_output *o = ln->out;
    uint64_t end = at + WINDOW < o->bytes ? at + WINDOW : o->bytes;
    if (!ln->window)
        ln->window = xmalloc(WINDOW);
    ln->window_at = at;
    ln->window_len = 0;
    uint64_t stop = end < o->tail_offset ? end : o->tail_offset;
    while (at + ln->window_len < stop) {
        uint64_t from = at + ln->window_len;
        ssize_t n = ln->source->read
                        ? ln->source->read(ln->source->arg, ln->run, ln->stream, from,
                                           ln->window + ln->window_len, (size_t)(stop - from))
                        : -1;
        if (n <= 0) {
            ln->broken = true;
            return false;
        }
        ln->window_len += (size_t)n;
    }
    if (end > o->tail_offset) {
        size_t skip = at + ln->window_len > o->tail_offset
                          ? (size_t)(at + ln->window_len - o->tail_offset)
                          : 0;
        size_t n = (size_t)(end - at) - ln->window_len;
        if (skip + n > o->tail.len)
            return false;
        memcpy(ln->window + ln->window_len, o->tail.ptr + skip, n);
        ln->window_len += n;
    }
    return true;
}

const char *lines_bytes(struct lines *ln, uint64_t at, size_t *len)
{
    const struct state_output *o = ln->out;
    uint64_t left = at < o->bytes ? o->bytes - at : 0;
    if (*len > left)
        *len = (size_t)left;
    if (*len == 0)
        return "";
    if (at >= o->tail_offset && at - o->tail_offset + *len <= o->tail.len)
        return o->tail.ptr + (at - o->tail_offset);
    bool inside = ln->window && at >= ln->window_at && at + *len <= ln->window_at + ln->window_len;
    if (!inside && !load_window(ln, at / LINES_PIECE * LINES_PIECE)) {
        *len = 0;
        return "";
    }
    return ln->window + (at - ln->window_at);
}

/* Bytes behind the forced break at `m` that still belong to a character begun before it. */
static size_t straddle(struct lines *ln, uint64_t m)
{
    size_t len = 6, back = 3;
    uint32_t cp;
    if (m < 3)
        return 0;
    const char *p = lines_bytes(ln, m - back, &len);
    for (size_t j = 1; j <= back && len > back; j++) {
        unsigned char c = (unsigned char)p[back - j];
        if ((c & 0xc0) == 0x80)
            continue;
        unsigned n = c >= 0xc0 ? utf8_decode(p + back - j, len - (back - j), &cp) : 0;
        return n > j ? n - j : 0;
    }
    return 0;
}

bool lines_get(struct lines *ln, uint64_t at, struct piece *out)
{
    if (at >= ln->out->bytes)
        return false;
    uint64_t stop = (at + LINES_PIECE + LINES_PIECE - 1) / LINES_PIECE * LINES_PIECE;
    size_t skip = 0, one = 1;
    if (at > 0 && at % LINES_PIECE == 0 && *lines_bytes(ln, at - 1, &one) != '\n')
        skip = straddle(ln, at);
    size_t more = stop < ln->out->bytes ? straddle(ln, stop) : 0;
    size_t len = (size_t)(stop - at) + more;
    const char *p = lines_bytes(ln, at, &len);
    if (len == 0)
        return false;
    size_t body = len < stop - at ? len : (size_t)(stop - at);
    const char *lf = memchr(p, '\n', body);
    out->start = at;
    out->lf = lf != NULL;
    out->len = lf ? (size_t)(lf - p) : len;
    out->next = at + (lf ? out->len + 1 : body);
    if (skip > out->len)
        skip = out->len;
    out->p = p + skip;
    out->len -= skip;
    return true;
}

uint64_t lines_start(struct lines *ln, uint64_t at)
{
    uint64_t lo = at > 2 * LINES_PIECE ? at - 2 * LINES_PIECE : 0,
             m = at / LINES_PIECE * LINES_PIECE;
    size_t len = (size_t)(at - lo);
    const char *p = lines_bytes(ln, lo, &len);
    if (len < at - lo)
        return 0;
    const char *lf = len ? memrchr(p, '\n', len) : NULL;
    if (!lf && lo > 0)
        return m;
    uint64_t line = lf ? lo + (uint64_t)(lf - p) + 1 : 0;
    return m >= line + LINES_PIECE ? m : line;
}

static uint64_t count_lf(struct lines *ln, uint64_t from, uint64_t to)
{
    uint64_t n = 0;
    while (from < to) {
        size_t len = to - from < LINES_PIECE ? (size_t)(to - from) : (size_t)LINES_PIECE;
        const char *p = lines_bytes(ln, from, &len), *end = p + len;
        if (len == 0)
            break;
        from += len;
        while ((p = memchr(p, '\n', (size_t)(end - p)))) {
            n++;
            p++;
        }
    }
    return n;
}

uint64_t lines_number(struct lines *ln, uint64_t at)
{
    const struct state_output *o = ln->out;
    size_t lo = 0, hi = o->mark_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (o->marks[mid].offset <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    uint64_t from = lo ? o->marks[lo - 1].offset : 0, line = lo ? o->marks[lo - 1].line : 0;
    return line + count_lf(ln, from, at);
}

uint64_t lines_offset(struct lines *ln, uint64_t line)
{
    const struct state_output *o = ln->out;
    size_t lo = 0, hi = o->mark_count;
    if (line == 0)
        return 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (o->marks[mid].line < line)
            lo = mid + 1;
        else
            hi = mid;
    }
    uint64_t at = lo ? o->marks[lo - 1].offset : 0, left = line - (lo ? o->marks[lo - 1].line : 0);
    while (at < o->bytes) {
        size_t len = (size_t)LINES_PIECE;
        const char *p = lines_bytes(ln, at, &len), *lf = p, *end = p + len;
        if (len == 0)
            break;
        while (left > 0 && (lf = memchr(lf, '\n', (size_t)(end - lf)))) {
            lf++;
            if (--left == 0)
                return at + (uint64_t)(lf - p);
        }
        at += len;
    }
    return o->bytes;
}

/* ---- moving by rows ---- */

static size_t piece_rows(const struct piece *p, size_t width, enum text_mode mode)
{
    return p->len == 0 ? 1 : text_count_rows(p->p, p->len, mode, p->lf, width);
}

struct line_at lines_move(struct lines *ln, struct line_at at, long rows, size_t width,
                          enum text_mode mode)
{
    struct piece p;
    while (rows > 0 && lines_get(ln, at.offset, &p)) {
        size_t have = piece_rows(&p, width, mode), left = have > at.row ? have - at.row - 1 : 0;
        if ((size_t)rows <= left) {
            at.row += (size_t)rows;
            return at;
        }
        if (p.next >= ln->out->bytes) {
            at.row = have - 1;
            return at;
        }
        rows -= (long)left + 1;
        at = (struct line_at){ p.next, 0 };
    }
    while (rows < 0) {
        if ((size_t)-rows <= at.row) {
            at.row -= (size_t)-rows;
            return at;
        }
        if (at.offset == 0)
            return (struct line_at){ 0, 0 };
        rows += (long)at.row + 1;
        at.offset = lines_start(ln, at.offset - 1);
        at.row = lines_get(ln, at.offset, &p) ? piece_rows(&p, width, mode) - 1 : 0;
    }
    return at;
}

struct line_at lines_bottom(struct lines *ln, size_t height, size_t width, enum text_mode mode)
{
    struct line_at at = { 0, 0 };
    struct piece p;
    if (ln->out->bytes == 0)
        return at;
    at.offset = lines_start(ln, ln->out->bytes - 1);
    if (lines_get(ln, at.offset, &p))
        at.row = piece_rows(&p, width, mode) - 1;
    return lines_move(ln, at, -(long)(height ? height - 1 : 0), width, mode);
}

struct line_at view_lines_start(struct lines *ln, const struct view_scroll *s, size_t height,
                                size_t width, enum text_mode mode)
{
    struct line_at bottom = lines_bottom(ln, height, width, mode), at = { s->top, s->row };
    if (s->follow || s->top > bottom.offset || (s->top == bottom.offset && s->row > bottom.row))
        return bottom;
    at.offset = lines_start(ln, at.offset);
    struct piece p;
    if (lines_get(ln, at.offset, &p)) {
        size_t rows = piece_rows(&p, width, mode);
        if (at.row >= rows)
            at.row = rows - 1;
    }
    return at;
}
