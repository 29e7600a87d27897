/* diff.c - lines and words become numbers (diff_items.c), seqdiff.c compares them, the result
 * becomes runs. */
#include "base/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/diff_items.h"

#define LINE_BUDGET (UINT64_C(64) << 20)
#define WORD_BUDGET (UINT64_C(2) << 20)
#define BLOCK       4096 /* bytes compared at once where two texts begin or end alike */
#define SLIDE_MAX   64   /* lines a group may be moved to read better ... */
#define SLIDE_ROOM  16   /* ... also into what both texts begin with */

/* ---- lines ---- */

static size_t common_prefix(const char *a, const char *b, size_t len)
{
    size_t i = 0;
    while (len - i >= BLOCK && memcmp(a + i, b + i, BLOCK) == 0)
        i += BLOCK;
    while (i < len && a[i] == b[i])
        i++;
    return i;
}

/* Of what stands before the two ends. */
static size_t common_suffix(const char *a_end, const char *b_end, size_t len)
{
    size_t i = 0;
    while (len - i >= BLOCK && memcmp(a_end - i - BLOCK, b_end - i - BLOCK, BLOCK) == 0)
        i += BLOCK;
    while (i < len && a_end[-1 - (ptrdiff_t)i] == b_end[-1 - (ptrdiff_t)i])
        i++;
    return i;
}

/* Where the line begins that ends at `at` > 0. */
static size_t line_before(const char *p, size_t at)
{
    const char *lf = memrchr(p, '\n', at - 1);
    return lf != NULL ? (size_t)(lf - p) + 1 : 0;
}

static size_t count_lines(const char *p, size_t len)
{
    size_t n = 0;
    while (len > 0) {
        size_t line = diff_cut_line(p, len);
        p += line;
        len -= line;
        n++;
    }
    return n;
}

static void add_run(struct diff *d, enum diff_op op, size_t a, size_t b, size_t count)
{
    if (count == 0)
        return;
    struct diff_run *last = d->count != 0 ? &d->runs[d->count - 1] : NULL;
    if (last != NULL && last->op == op) {
        last->count += count;
        return;
    }
    if (d->count == d->cap) {
        d->cap = d->cap != 0 ? d->cap * 2 : 16;
        d->runs = xreallocarray(d->runs, d->cap, sizeof *d->runs);
    }
    d->runs[d->count++] = (struct diff_run){ op, a, b, count };
}

static size_t run_of(const unsigned char *marks, size_t at, size_t len, unsigned char mark)
{
    size_t n = 0;
    while (at + n < len && marks[at + n] == mark)
        n++;
    return n;
}

static size_t same_from(const struct seqdiff *s, size_t i, size_t j)
{
    size_t in_a = run_of(s->del, i, s->a_len, 0), in_b = run_of(s->add, j, s->b_len, 0);
    return in_a < in_b ? in_a : in_b;
}

static bool is_blank(const struct diff_item *t)
{
    for (uint32_t i = 0; i < t->len; i++) {
        char c = t->ptr[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return false;
    }
    return true;
}

static size_t indent_of(const struct diff_item *t)
{
    size_t column = 0;
    for (uint32_t i = 0; i < t->len && (t->ptr[i] == ' ' || t->ptr[i] == '\t'); i++)
        column += t->ptr[i] == ' ' ? 1 : 8 - column % 8;
    return column;
}

/* How badly a group of `count` lines reads when it begins at `at`: best is the head of an outer
 * block behind an empty line. */
static size_t cost_of_start(const struct diff_pair *x, const uint32_t *ids, size_t at, size_t count)
{
    const struct diff_item *texts = x->texts, *first = &texts[ids[at]];
    size_t k = 0;
    while (k + 1 < count && is_blank(&texts[ids[at + k]]))
        k++;
    size_t rank = at > 0 && is_blank(&texts[ids[at - 1]]) ? 0 : 2;
    return 3 * indent_of(&texts[ids[at + k]]) + (is_blank(first) ? 1 : rank);
}

/* A group of lines that only one side has can be moved over equal lines: the line before it is the
 * same as its last, say. Returns where it begins when it may move by so many lines. */
static size_t settle_group(const struct diff_pair *x, const uint32_t *ids, size_t at, size_t count,
                           size_t up, size_t down)
{
    size_t least = at - (up < SLIDE_MAX ? up : SLIDE_MAX);
    size_t most = at + (down < SLIDE_MAX ? down : SLIDE_MAX);
    while (at < most && ids[at] == ids[at + count])
        at++;
    size_t best = at, best_cost = cost_of_start(x, ids, at, count);
    for (; at > least && ids[at - 1] == ids[at - 1 + count]; at--) {
        size_t cost = cost_of_start(x, ids, at - 1, count);
        if (cost < best_cost) {
            best_cost = cost;
            best = at - 1;
        }
    }
    return best;
}

static void move_marks(unsigned char *marks, size_t from, size_t to, size_t count)
{
    memset(marks + from, 0, count);
    memset(marks + to, 1, count);
}

/* Moves the groups to where they read best; at least one line stays between two of them. */
static void settle_all(struct diff_pair *x)
{
    const struct seqdiff *s = &x->seq;
    size_t i = same_from(s, 0, 0), j = i, before = i + 1; /* as if a line stood before the first */
    while (i < s->a_len || j < s->b_len) {
        size_t del = run_of(s->del, i, s->a_len, 1), add = run_of(s->add, j, s->b_len, 1);
        size_t after = same_from(s, i + del, j + add), to = 0;
        size_t up = before != 0 ? before - 1 : 0, down = after != 0 ? after - 1 : 0;
        if (add == 0) {
            to = settle_group(x, s->a, i, del, up, down);
            move_marks(s->del, i, to, del);
            before = i + after - to;
        } else if (del == 0) {
            to = settle_group(x, s->b, j, add, up, down);
            move_marks(s->add, j, to, add);
            before = j + after - to;
        } else {
            before = after;
        }
        i += del + after;
        j += add + after;
    }
}

/* The marks of the middle part as runs, its lines counted from `first`. */
static void add_middle(struct diff *d, const struct seqdiff *s, size_t first)
{
    size_t i = 0, j = 0;
    while (i < s->a_len || j < s->b_len) {
        size_t del = run_of(s->del, i, s->a_len, 1);
        add_run(d, DIFF_DEL, first + i, first + j, del);
        i += del;
        size_t add = run_of(s->add, j, s->b_len, 1);
        add_run(d, DIFF_ADD, first + i, first + j, add);
        j += add;
        size_t same = same_from(s, i, j);
        add_run(d, DIFF_SAME, first + i, first + j, same);
        i += same;
        j += same;
        INVARIANT(del + add + same != 0);
        d->deleted += del;
        d->added += add;
    }
}

/* How much both texts begin and end with, in whole lines. Some lines of the head are left to the
 * middle part, for groups to move into. */
static void trim_ends(const char *a, size_t a_len, const char *b, size_t b_len, size_t *head,
                      size_t *tail)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    *tail = 0;
    *head = common_prefix(a, b, shorter);
    if (*head == a_len && *head == b_len)
        return;
    if (*head > 0 && a[*head - 1] != '\n')
        *head = line_before(a, *head);
    *tail = common_suffix(a + a_len, b + b_len, shorter - *head);
    /* A line both share begins behind the first LF of what they end with. */
    if (*tail != 0)
        *tail -= diff_cut_line(a + a_len - *tail, *tail);
    for (int i = 0; i<SLIDE_ROOM && * head> 0; i++)
        *head = line_before(a, *head);
}

int diff_lines(struct diff *out, const char *a, size_t a_len, const char *b, size_t b_len,
               struct err *e)
{
    if (a_len > UINT32_MAX || b_len > UINT32_MAX)
        return err_set(e, ERR_LIMIT, "texts of 4 GiB or more are not compared");
    size_t head = 0, tail = 0;
    if (a_len != 0 && b_len != 0)
        trim_ends(a, a_len, b, b_len, &head, &tail);
    struct diff_pair x;
    if (diff_pair_compare(&x, a, head, a_len - tail, b, b_len - tail, diff_cut_line, LINE_BUDGET) <
        0) {
        diff_pair_release(&x);
        return err_set(e, ERR_LIMIT, "texts of more than %u lines are not compared",
                       (unsigned)DIFF_ITEMS_MAX);
    }
    settle_all(&x);
    struct diff d = { .capped = x.seq.capped };
    size_t before = count_lines(a, head), after = count_lines(a + a_len - tail, tail);
    d.a_lines = before + x.seq.a_len + after;
    d.b_lines = before + x.seq.b_len + after;
    add_run(&d, DIFF_SAME, 0, 0, before);
    add_middle(&d, &x.seq, before);
    add_run(&d, DIFF_SAME, d.a_lines - after, d.b_lines - after, after);
    diff_pair_release(&x);
    *out = d;
    return 0;
}

void diff_release(struct diff *d)
{
    if (d == NULL)
        return;
    free(d->runs);
    *d = (struct diff){ 0 };
}

/* ---- words ---- */

/* The marked words of one side as byte spans; neighbours become one. */
static struct diff_span *spans_of(const char *p, size_t len, const unsigned char *marks,
                                  size_t *count)
{
    struct diff_span *spans = NULL;
    size_t n = 0, room = 0, at = 0;
    for (size_t i = 0; at < len; i++) {
        size_t word = diff_cut_word(p + at, len - at);
        if (marks[i] != 0 && n != 0 && spans[n - 1].start + spans[n - 1].len == at) {
            spans[n - 1].len += word;
        } else if (marks[i] != 0) {
            if (n == room) {
                room = room != 0 ? room * 2 : 8;
                spans = xreallocarray(spans, room, sizeof *spans);
            }
            spans[n++] = (struct diff_span){ at, word };
        }
        at += word;
    }
    *count = n;
    return spans;
}

static void mark_whole(struct diff_span **span, size_t *count, size_t len)
{
    *count = len != 0;
    *span = len != 0 ? xmemdup(&(struct diff_span){ 0, len }, sizeof **span) : NULL;
}

void diff_words(struct diff_marks *out, const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct diff_marks m = { 0 };
    struct diff_pair x = { 0 };
    if (a_len > UINT32_MAX || b_len > UINT32_MAX ||
        diff_pair_compare(&x, a, 0, a_len, b, b_len, diff_cut_word, WORD_BUDGET) < 0) {
        mark_whole(&m.a, &m.a_count, a_len);
        mark_whole(&m.b, &m.b_count, b_len);
    } else {
        m.a = spans_of(a, a_len, x.seq.del, &m.a_count);
        m.b = spans_of(b, b_len, x.seq.add, &m.b_count);
    }
    diff_pair_release(&x);
    *out = m;
}

void diff_marks_release(struct diff_marks *m)
{
    if (m == NULL)
        return;
    free(m->a);
    free(m->b);
    *m = (struct diff_marks){ 0 };
}
