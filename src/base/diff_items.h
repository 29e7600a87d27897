/* diff_items.h - two texts cut into items (lines, words), numbered so that equal items have equal
 * numbers, and compared: what stands between diff.c and seqdiff.c. */
#ifndef AIRLOCK_BASE_DIFF_ITEMS_H
#define AIRLOCK_BASE_DIFF_ITEMS_H

#include "base/buf.h"
#include "base/seqdiff.h"

#define DIFF_ITEMS_MAX (UINT32_C(1) << 31) /* of one side */

struct diff_item {
    const char *ptr; /* lent by the text */
    uint32_t len;
};

/* Length of the first item of p; len > 0. */
typedef size_t (*diff_cut_fn)(const char *p, size_t len);
size_t diff_cut_line(const char *p, size_t len); /* with its LF */
size_t diff_cut_word(const char *p, size_t len); /* a word, blanks of one kind, or one other byte */

struct diff_pair {
    struct diff_item *texts; /* by number */
    uint32_t *a_ids, *b_ids; /* of the items, in order; also in seq */
    struct seqdiff seq;      /* and what it found */
};

/* Compares what stands between `from` and the two ends. -1: there are too many items. Release in
 * any case. */
int diff_pair_compare(struct diff_pair *x, const char *a, size_t from, size_t a_end, const char *b,
                      size_t b_end, diff_cut_fn cut, uint64_t budget);
void diff_pair_release(struct diff_pair *x);

#endif
