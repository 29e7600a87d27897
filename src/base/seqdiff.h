/* seqdiff.h - the difference of two sequences of small numbers: the engine below diff.c.
 *
 * Exact (fewest changes) up to some thousand items; beyond that the sequences are first brought in
 * step again at items that stand once on both sides, and only the gaps are exact. A gap whose cost
 * passes the cap is cut at the best place found so far, and what is left when `budget` is used up
 * counts as wholly changed: `capped` tells of both. Time and memory are bounded by the lengths.
 */
#ifndef AIRLOCK_BASE_SEQDIFF_H
#define AIRLOCK_BASE_SEQDIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seqdiff {
    const uint32_t *a, *b; /* borrowed; every item < classes */
    size_t a_len, b_len;   /* each < 2^31 */
    size_t classes;
    uint64_t budget;    /* steps of the exact search, some ns each */
    unsigned char *del; /* a_len bytes, zero at first: 1 where an item of a must go */
    unsigned char *add; /* b_len bytes, the same for b */
    bool capped;        /* out */
};

void seqdiff_run(struct seqdiff *s);

#endif
