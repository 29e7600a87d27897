/* compare.c - equal, equal behind masks, or different from which line on. */
#include "sessions/compare.h"

#include <stdlib.h>
#include <string.h>

#include "sessions/mask.h"

#define PIECE  ((size_t)64 << 10)
#define STRIDE ((size_t)4 << 20) /* of work between two questions whether to go on */
/* A masked line is longer than the plain one by a bounded factor ("1s" → "<duration>"). */
#define GROWTH 6

const char *compare_verdict_name(enum compare_verdict v)
{
    static const char *const names[] = { "identical", "masked", "differs" };
    return names[v];
}

static int ask(const struct compare_how *how, struct err *e)
{
    return how->tick != NULL ? how->tick(how->arg, e) : 0;
}

/* ---- sources ---- */

struct memory {
    const char *p;
    size_t len;
};

static ssize_t read_memory(void *arg, uint64_t offset, char *dst, size_t len, struct err *e)
{
    const struct memory *m = arg;
    (void)e;
    if (offset >= m->len)
        return 0;
    size_t n = m->len - (size_t)offset < len ? m->len - (size_t)offset : len;
    memcpy(dst, m->p + offset, n);
    return (ssize_t)n;
}

static ssize_t read_stream(void *arg, uint64_t offset, char *dst, size_t len, struct err *e)
{
    const struct compare_stream *s = arg;
    return store_read_output(s->store, s->run, s->stream, offset, dst, len, e);
}

struct compare_source compare_stream_source(struct compare_stream *s)
{
    return (struct compare_source){ .read = read_stream, .arg = s };
}

/* Up to `len` bytes, less only at the end. */
static ssize_t read_full(const struct compare_source *src, uint64_t offset, char *dst, size_t len,
                         struct err *e)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = src->read(src->arg, offset + got, dst + got, len - got, e);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int are_equal(const struct compare_source *a, const struct compare_source *b,
                     const struct compare_how *how, bool *equal, struct err *e)
{
    char *room = xmalloc(2 * PIECE);
    ssize_t n = 0, m = 0;
    *equal = true;
    for (uint64_t at = 0; *equal; at += PIECE) {
        n = at % STRIDE == 0 && ask(how, e) < 0 ? -1 : read_full(a, at, room, PIECE, e);
        m = n < 0 ? -1 : read_full(b, at, room + PIECE, PIECE, e);
        if (m < 0)
            break;
        *equal = n == m && memcmp(room, room + PIECE, (size_t)n) == 0;
        if ((size_t)n < PIECE)
            break;
    }
    free(room);
    return m < 0 ? -1 : 0;
}

static int load(const struct compare_source *src, const struct compare_how *how, struct buf *out,
                bool *cut, struct err *e)
{
    for (;;) {
        if (out->len % STRIDE == 0 && ask(how, e) < 0)
            return -1;
        size_t want = COMPARE_MAX - out->len < PIECE ? COMPARE_MAX - out->len : PIECE;
        char probe;
        if (want == 0) {
            ssize_t more = src->read(src->arg, out->len, &probe, 1, e);
            *cut |= more > 0;
            return more < 0 ? -1 : 0;
        }
        char *dst = buf_reserve(out, want);
        ssize_t n = dst != NULL ? read_full(src, out->len, dst, want, e) : -1;
        if (n < 0)
            return -1;
        buf_grew(out, (size_t)n);
        if ((size_t)n < want)
            return 0;
    }
}

/* ---- comparing ---- */

/* Where the piece from `at` on ends: behind a LF some MiB on, or with the text. */
static size_t piece_end(const struct buf *text, size_t at)
{
    if (text->len - at <= STRIDE)
        return text->len;
    const char *from = text->ptr + at + STRIDE, *lf = memchr(from, '\n', text->len - at - STRIDE);
    return lf != NULL ? (size_t)(lf - text->ptr) + 1 : text->len;
}

static int mask_side(struct buf *side, const struct compare_how *how, unsigned *found,
                     struct err *e)
{
    struct buf masked = BUF_INIT(side->len * GROWTH + 64);
    int rc = 0;
    for (size_t at = 0, end; rc == 0 && at < side->len; at = end) {
        end = piece_end(side, at);
        rc = ask(how, e);
        int hit = rc == 0 ? mask_lines(how->masks, side->ptr + at, end - at, &masked) : 0;
        if (hit < 0)
            rc = err_set(e, ERR_LIMIT, "the masked text is over %zu bytes", masked.max);
        else
            *found |= (unsigned)hit;
    }
    buf_release(side);
    *side = masked;
    return rc;
}

static bool is_binary(const struct buf *text)
{
    size_t n = text->len < PIECE ? text->len : PIECE;
    return n > 0 && memchr(text->ptr, '\0', n) != NULL;
}

static int judge(struct compare *c, struct err *e)
{
    if (diff_lines(&c->diff, buf_str(&c->a), c->a.len, buf_str(&c->b), c->b.len, e) < 0)
        return -1;
    c->verdict = COMPARE_MASKED;
    for (size_t i = 0; i < c->diff.count && c->verdict == COMPARE_MASKED; i++) {
        if (c->diff.runs[i].op != DIFF_SAME) {
            c->verdict = COMPARE_DIFFERS;
            c->line = c->diff.runs[i].a + 1;
        }
    }
    if (c->cut && c->verdict == COMPARE_MASKED) {
        c->verdict = COMPARE_DIFFERS;
        c->line = c->diff.a_lines + 1;
    }
    return 0;
}

int compare_sources(struct compare *out, const struct compare_source *a,
                    const struct compare_source *b, const struct compare_how *how, struct err *e)
{
    bool equal;
    *out = (struct compare){ .verdict = COMPARE_IDENTICAL };
    buf_init(&out->a, COMPARE_MAX + PIECE);
    buf_init(&out->b, COMPARE_MAX + PIECE);
    if (are_equal(a, b, how, &equal, e) < 0)
        return -1;
    if (equal)
        return 0;
    if (load(a, how, &out->a, &out->cut, e) < 0 || load(b, how, &out->b, &out->cut, e) < 0)
        return -1;
    out->binary = is_binary(&out->a) || is_binary(&out->b);
    if (how->masks != MASK_NONE && (mask_side(&out->a, how, &out->masks, e) < 0 ||
                                    mask_side(&out->b, how, &out->masks, e) < 0))
        return -1;
    return ask(how, e) < 0 ? -1 : judge(out, e);
}

int compare_texts(struct compare *out, const char *a, size_t a_len, const char *b, size_t b_len,
                  const struct compare_how *how, struct err *e)
{
    struct memory ma = { a, a_len }, mb = { b, b_len };
    struct compare_source sa = { read_memory, &ma }, sb = { read_memory, &mb };
    return compare_sources(out, &sa, &sb, how, e);
}

void compare_release(struct compare *c)
{
    buf_release(&c->a);
    buf_release(&c->b);
    diff_release(&c->diff);
}

size_t *compare_line_starts(const char *p, size_t len, size_t *count)
{
    size_t n = 0, cap = 256, *starts = xreallocarray(NULL, cap, sizeof *starts);
    starts[0] = 0;
    for (size_t at = 0; at < len;) {
        const char *lf = memchr(p + at, '\n', len - at);
        at = lf != NULL ? (size_t)(lf - p) + 1 : len;
        if (++n == cap)
            starts = xreallocarray(starts, cap *= 2, sizeof *starts);
        starts[n] = at;
    }
    *count = n;
    return starts;
}
