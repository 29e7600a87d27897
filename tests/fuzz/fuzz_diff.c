/* fuzz_diff.c - the runs make b of a, the word marks leave the same on both sides.
 *
 * Input: the two texts with the first 0xFF byte between them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t lines_len(const char *p, size_t len, size_t lines)
{
    size_t at = 0;
    while (lines-- > 0) {
        const char *lf = at < len ? memchr(p + at, '\n', len - at) : NULL;
        INVARIANT(at < len);
        at = lf != NULL ? (size_t)(lf - p) + 1 : len;
    }
    return at;
}

static void check_lines(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct diff d;
    INVARIANT(diff_lines(&d, a, a_len, b, b_len, NULL) == 0);
    size_t i = 0, j = 0, a_line = 0, b_line = 0, added = 0, deleted = 0;
    for (size_t r = 0; r < d.count; r++) {
        const struct diff_run *run = &d.runs[r];
        INVARIANT(run->a == a_line && run->b == b_line && run->count > 0);
        INVARIANT(r == 0 || run[-1].op != run->op);
        size_t in_a = run->op == DIFF_ADD ? 0 : lines_len(a + i, a_len - i, run->count);
        size_t in_b = run->op == DIFF_DEL ? 0 : lines_len(b + j, b_len - j, run->count);
        if (run->op == DIFF_SAME)
            INVARIANT(in_a == in_b && memcmp(a + i, b + j, in_a) == 0);
        i += in_a;
        j += in_b;
        a_line += run->op == DIFF_ADD ? 0 : run->count;
        b_line += run->op == DIFF_DEL ? 0 : run->count;
        deleted += run->op == DIFF_DEL ? run->count : 0;
        added += run->op == DIFF_ADD ? run->count : 0;
    }
    INVARIANT(i == a_len && j == b_len && a_line == d.a_lines && b_line == d.b_lines);
    INVARIANT(added == d.added && deleted == d.deleted);
    diff_release(&d);
}

static void unmarked(struct buf *out, const char *p, size_t len, const struct diff_span *spans,
                     size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        INVARIANT(spans[i].start >= at && spans[i].len > 0 && spans[i].len <= len - spans[i].start);
        buf_add(out, p + at, spans[i].start - at);
        at = spans[i].start + spans[i].len;
    }
    buf_add(out, p + at, len - at);
}

static void check_words(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct diff_marks m;
    struct buf in_a = BUF_INIT(a_len), in_b = BUF_INIT(b_len);
    diff_words(&m, a, a_len, b, b_len);
    unmarked(&in_a, a, a_len, m.a, m.a_count);
    unmarked(&in_b, b, b_len, m.b, m.b_count);
    INVARIANT(in_a.len == in_b.len && memcmp(buf_str(&in_a), buf_str(&in_b), in_a.len) == 0);
    diff_marks_release(&m);
    buf_release(&in_a);
    buf_release(&in_b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size != 0 ? memchr(data, 0xFF, size) : NULL;
    size_t a_len = cut != NULL ? (size_t)(cut - data) : size / 2;
    size_t b_at = cut != NULL ? a_len + 1 : a_len;
    char *a = xmemdup(data, a_len), *b = xmemdup(data + b_at, size - b_at);
    check_lines(a, a_len, b, size - b_at);
    check_words(a, a_len, b, size - b_at);
    free(a);
    free(b);
    return 0;
}
